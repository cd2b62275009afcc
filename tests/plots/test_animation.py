"""Animations: every field is drawn once, in its colours, at its time, with one field in memory at a time."""

from __future__ import annotations

import base64
import re
import sys
import tracemalloc
from io import BytesIO
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.colors import to_rgb
from PIL import Image

from radar_nb.dwd.grids import GRIDS
from radar_nb.errors import NotWritable, SeriesError, SettingsError, StorageError
from radar_nb.plots.animation import animate
from radar_nb.plots.encoders import find_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from radar_nb.runtime.progress import Progress

LOW: dict[str, Any] = {"dpi": 40, "progress": False, "borders": False, "radars": False, "towns": False}


def fields(count: int, *, size: int = 40, **attrs: Any) -> xr.DataArray:
    """Return fields of one value each, rising from class to class."""
    grid = GRIDS["de900"]
    values = (
        np.ones((count, size, size), np.float32) * (0.02 * 2.0 ** np.minimum(np.arange(count), 9))[:, None, None]
    )
    times = np.datetime64("2020-06-13T15:25", "ns") + np.arange(count) * np.timedelta64(5, "m")
    coords = {"time": times, "y": grid.y[400 : 400 + size], "x": grid.x[400 : 400 + size]}
    about = {"units": "mm", "interval_minutes": 5, "long_name": "rain"} | attrs
    return xr.DataArray(values.astype(np.float32), coords, ("time", "y", "x"), name="YW", attrs=about)


def computed(count: int, size: int, seen: list[int]) -> xr.DataArray:
    """Return lazy fields that record when they are computed."""
    import dask.array as dask

    def make(block_info: Any = None) -> Any:
        step = block_info[None]["array-location"][0][0]
        seen.append(step)
        return np.full((1, size, size), 0.1 * step, np.float32)

    chunks = ((1,) * count, (size,), (size,))
    meta = np.empty((0, 0, 0), np.float32)
    lazy = dask.map_blocks(make, chunks=chunks, dtype=np.float32, meta=meta)  # type: ignore[no-untyped-call]
    return fields(count, size=size).copy(data=lazy)


def pictures(path: Path) -> list[np.ndarray[Any, Any]]:
    """Return the pictures of a GIF."""
    with Image.open(path) as film:
        found = []
        for number in range(getattr(film, "n_frames", 1)):
            film.seek(number)
            found.append(np.asarray(film.convert("RGB")))
        return found


def test_each_field_is_drawn_in_its_colours(tmp_path: Path) -> None:
    """The cells of each picture have the colour of their field's class, to the precision of a GIF."""
    film = animate(fields(7), **LOW)

    shown = pictures(film.save(tmp_path / "rain.gif"))

    assert len(shown) == len(film) == 7
    for picture, value in zip(shown, 0.02 * 2.0 ** np.arange(7), strict=True):
        place = np.searchsorted(film.look.limits, value, side="right") - 1
        expected = 255 * np.array(to_rgb(film.look.colours(int(place))))
        cell = picture[picture.shape[0] // 2, picture.shape[1] // 3]
        np.testing.assert_allclose(cell, expected, atol=8)


def test_dry_and_missing_cells_look_different(tmp_path: Path) -> None:
    """Cells without data are grey, dry ones nearly white, as on a map."""
    da = fields(2)
    da[0], da[1] = 0.0, np.nan

    dry, missing = pictures(animate(da, **LOW).save(tmp_path / "rain.gif"))

    place = dry.shape[0] // 2, dry.shape[1] // 3
    np.testing.assert_allclose(dry[place], (253, 253, 251), atol=4)
    np.testing.assert_allclose(missing[place], (200, 200, 200), atol=4)


@pytest.mark.parametrize("fps", [7, 30])
def test_a_film_has_the_requested_duration(tmp_path: Path, fps: float) -> None:
    """Rounding to a GIF's hundredths of seconds does not accumulate, and the film loops."""
    path = animate(fields(4), fps=fps, **LOW).save(tmp_path / "rain.gif")

    with Image.open(path) as film:
        lasting = 0
        for number in range(4):
            film.seek(number)
            lasting += film.info["duration"]
        assert film.info["loop"] == 0

    assert lasting == pytest.approx(1000 * 4 / fps, abs=5)


def test_only_the_title_changes_between_equal_fields(tmp_path: Path) -> None:
    """Pictures of two equal fields differ only in the line of the time."""
    first, second = pictures(animate(fields(1).isel(time=[0, 0]), **LOW).save(tmp_path / "same.gif"))
    da = fields(2).copy(data=np.full((2, 40, 40), 1.0, np.float32))
    early, late = pictures(animate(da, **LOW).save(tmp_path / "two.gif"))

    rows = np.flatnonzero((early != late).any(axis=(1, 2)))

    np.testing.assert_array_equal(first, second)
    assert 0 < rows.min() <= rows.max() < 0.2 * len(early)


def test_every_selects_each_nth_field() -> None:
    """`every=3` of seven fields selects the first, the fourth and the seventh."""
    film = animate(fields(7), every=3, **LOW)

    assert list(film.fields["time"].values) == list(fields(7)["time"].values[::3])


def test_fields_are_read_one_by_one_and_once(tmp_path: Path) -> None:
    """Nothing is computed before the film is drawn, and then each field once, in order."""
    seen: list[int] = []
    film = animate(computed(5, 40, seen), **LOW)
    before = list(seen)

    film.save(tmp_path / "rain.gif")

    assert before == []
    assert seen == [0, 1, 2, 3, 4]


def test_memory_does_not_grow_with_the_film(tmp_path: Path) -> None:
    """A film of five times as many fields takes about the same memory, less than all its fields or pictures."""

    class Tracing(list[int]):
        """Traces memory from the first field on: the map around the fields is drawn once, and slowly if traced."""

        def append(self, step: int) -> None:
            if step == 0:
                tracemalloc.start()

    def peak(count: int) -> int:
        animate(computed(count, 500, Tracing()), **LOW).save(tmp_path / f"{count}.gif")
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    animate(computed(1, 500, []), **LOW).save(tmp_path / "warm.gif")  # what is loaded only once

    few, many = peak(2), peak(10)

    assert many < 1.2 * few
    assert many < 10 * 500 * 500 * 8


def test_without_a_unit_one_scale_suits_all_fields(tmp_path: Path) -> None:
    """Without a unit the classes cover the smallest and the largest value of the whole film, with progress."""
    events: list[Progress] = []
    da = fields(3, units="furlong")
    da[2] = 90.0

    film = animate(da, **(LOW | {"progress": events.append}))

    assert film.look.limits[-1] > 60
    assert [(event.task, event.done, event.total) for event in events] == [("scan", done, 3) for done in (1, 2, 3)]


def test_progress_counts_fields(tmp_path: Path) -> None:
    """Each drawn field is an event."""
    events: list[Progress] = []

    animate(fields(3), **(LOW | {"progress": events.append})).save(tmp_path / "rain.gif")

    assert [(event.task, event.done, event.total, event.unit) for event in events] == [
        ("film", done, 3, "fields") for done in (1, 2, 3)
    ]


def test_a_forecast_plays_over_its_valid_times() -> None:
    """The film of a single forecast shows its lead times at their valid times."""
    ahead = fields(3).rename(time="lead_time")
    times = ahead["lead_time"].values
    leads = (times - times[0]).astype("timedelta64[ns]")
    da = ahead.assign_coords(lead_time=leads, prediction_time=("lead_time", times)).expand_dims(time=times[:1])

    film = animate(da, **LOW)

    assert film.words == "Rain, 2020-06-13 15:25 UTC to 2020-06-13 15:35 UTC"


def test_a_notebook_shows_a_film_without_pyplot(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ffmpeg the film is a GIF with an alternative text, and no figure is left open."""
    monkeypatch.setitem(mpl.rcParams, "animation.ffmpeg_path", "no-such-program")
    film, open_before = animate(fields(2), title="<b>", **LOW), plt.get_fignums()

    shown = film._repr_html_()

    match = re.fullmatch(r'<img style="[^"]*" alt="Film: ([^"]*)" src="data:image/gif;base64,([^"]*)">', shown)
    assert match is not None
    assert match[1] == "&lt;b&gt;, 2020-06-13 15:25 UTC to 2020-06-13 15:30 UTC"
    with Image.open(BytesIO(base64.b64decode(match[2]))) as image:
        assert getattr(image, "n_frames", 1) == 2
    assert film._repr_html_() is shown
    assert plt.get_fignums() == open_before
    assert repr(film).endswith("15:30 UTC, 2 fields in 0.2 s>")


def test_a_page_contains_the_film(tmp_path: Path) -> None:
    """The HTML file needs no other file, and names the source of the data."""
    text = animate(fields(2), **LOW).save(tmp_path / "rain.html").read_text(encoding="utf-8")

    assert text.startswith("<!DOCTYPE html>")
    assert "Datenbasis: Deutscher Wetterdienst" in text
    assert re.findall(r'(?:src|href)="(.{11})', text) in (["data:image/"], ["data:video/"])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"fps": 0}, r"fps=0 must be above 0 and at most 50"),
        ({"fps": 60}, r"fps=60 must be above 0"),
        ({"every": 0}, r"every=0 must be a whole number from 1 on"),
        ({"every": "1h"}, r"every='1h' must be a whole number"),
        ({"dpi": 4000}, r"dpi=4000 must be from 20 to 400"),
        ({"cmap": "rain"}, r"unknown colour map cmap='rain'"),
        ({"classes": (2, 1)}, r"must be at least two rising numbers"),
    ],
)
def test_invalid_settings_raise_at_once(change: dict[str, Any], text: str) -> None:
    """An invalid setting raises before any field is read."""
    with pytest.raises(SettingsError, match=text):
        animate(fields(2), **(LOW | change))


def test_a_month_is_refused_with_a_remedy() -> None:
    """The error states the number of fields, their size, and an acceptable `every`."""
    month = computed(8640, 2, [])

    with pytest.raises(
        SettingsError, match=r"8,640 fields would run 12\.0 min, take .*GIF.*every=9, .* 960"
    ) as caught:
        animate(month, **LOW)

    found = re.search(r"every=(\d+)", str(caught.value))
    assert found is not None
    assert len(animate(month, every=int(found[1]), **LOW)) == 960


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda da: da[0], r"has no dimension 'time': it has y, x"),
        (lambda da: da[:0], r"contains no field: its time is empty"),
        (lambda da: da.expand_dims(threshold=[1, 2]), r"has further dimensions, threshold \(2\)"),
        (lambda da: da.to_dataset(), r"a map shows one variable, not a Dataset"),
    ],
)
def test_data_that_are_not_a_series_of_fields_raise(change: Callable[[xr.DataArray], Any], text: str) -> None:
    """A single field, no field, a further dimension, or a Dataset raises an error that says which."""
    with pytest.raises(SeriesError, match=text):
        animate(change(fields(2)), **LOW)


def test_only_known_suffixes_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown suffix, or an MP4 without ffmpeg, raises, and no file is left."""
    monkeypatch.setitem(mpl.rcParams, "animation.ffmpeg_path", "no-such-program")
    film = animate(fields(2), **LOW)

    with pytest.raises(SettingsError, match=r"saved as \.mp4, \.gif, \.html, not as 'rain\.avi'"):
        film.save(tmp_path / "rain.avi")
    with pytest.raises(SettingsError, match=r"rain\.mp4 needs ffmpeg, which was not found: install it, or save a"):
        film.save(tmp_path / "rain.mp4")

    assert list(tmp_path.iterdir()) == []


def test_a_failed_film_keeps_the_previous_file(tmp_path: Path) -> None:
    """If a field cannot be read, its error is raised, and an existing film is unchanged."""
    import dask.array as dask

    def broken(block: Any, block_info: Any = None) -> Any:
        if block_info[0]["chunk-location"][0] == 2:
            raise StorageError("the disk is gone")
        return block

    da = fields(4)
    lazy = dask.from_array(da.values, (1, -1, -1))  # type: ignore[no-untyped-call]
    da = da.copy(data=lazy.map_blocks(broken, dtype=np.float32))
    path = tmp_path / "rain.gif"
    path.write_bytes(b"old")

    with pytest.raises(StorageError, match="the disk is gone"):
        animate(da, **LOW).save(path)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script replaces ffmpeg")
@pytest.mark.parametrize("reads", ["", "cat > /dev/null;"])
def test_an_ffmpeg_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reads: str) -> None:
    """If ffmpeg fails, at once or at the end, the error quotes its last line, and no film is left."""
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{reads} echo Unknown encoder libx264 >&2; exit 1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setitem(mpl.rcParams, "animation.ffmpeg_path", str(program))

    with pytest.raises(SettingsError, match=r"could not write the MP4 \(Unknown encoder libx264\)"):
        animate(fields(3), **LOW).save(tmp_path / "rain.mp4")

    assert list(tmp_path.iterdir()) == [program]


def test_an_mp4_is_a_video(tmp_path: Path) -> None:
    """With ffmpeg the film is an MP4 that a browser can play while it is still loading."""
    if find_ffmpeg() is None:
        pytest.skip("there is no ffmpeg on this machine")
    film = animate(fields(5), **(LOW | {"dpi": 41}))  # odd sides, which H.264 does not support

    data = film.save(tmp_path / "rain.mp4").read_bytes()

    assert data[4:8] == b"ftyp"
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    assert film._repr_html_().startswith("<video controls loop ")


def test_an_unwritable_folder_raises(tmp_path: Path) -> None:
    """An error of the disk is raised as an error of radar_nb."""
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises((NotWritable, StorageError), match=r"rain\.gif"):
        animate(fields(1), **LOW).save(tmp_path / "file" / "rain.gif")
