"""The coverage calendar: existing frames, gaps, months outside the request, and contributing radars."""

from __future__ import annotations

import io
import tarfile
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import QuadMesh
from matplotlib.colors import to_hex

import radar_nb as rn
from radar_nb.dwd.months import Month, time_steps
from radar_nb.errors import CorruptArchive, MonthError, NothingFound, SeriesError
from radar_nb.formats.radolan import Header, write_frame
from radar_nb.plots.coverage import plot_coverage
from radar_nb.reading.coverage import find_coverage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from radar_nb.reading.coverage import Coverage

MISSING, WHOLE = "#d55e00", "#0b4a8f"


def archive(folder: Path, month: str, times: Any, *, product: str = "RW", radars: Any = ("boo", "ess")) -> Path:
    """Write an archive of small frames; `radars` are those of all frames, or a function of the time."""
    path = folder / f"small-{product}-{month}.tar"  # under DWD's name the size of its grid is checked
    named = tuple((time, radars(time) if callable(radars) else radars) for time in times)
    path.write_bytes(packed(named, product))
    return path


@lru_cache
def packed(frames: tuple[tuple[np.datetime64, tuple[str, ...]], ...], product: str) -> bytes:
    """Return the tar of frames of some times and radars; several tests write the same month."""
    made, minutes = io.BytesIO(), 60 if product == "RW" else 5
    with tarfile.open(fileobj=made, mode="w") as tar:
        for time, named in frames:
            about: dict[str, Any] = {"rows": 3, "cols": 2, "precision": -1, "interval": minutes, "radars": named}
            data = write_frame(Header(product=product, time=time, **about), np.zeros((3, 2), np.uint16))
            stamp = str(time).replace("-", "").replace("T", "").replace(":", "")[2:12]
            info = tarfile.TarInfo(f"raa01-{product.lower()}2017.002_10000-{stamp}-dwd---bin")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


def hours(month: str) -> Any:
    """Return the times of a month's RW."""
    return time_steps(Month.of(month), every=60, minute=50)


def found(source: Any, first: Any = None, last: Any = None, **options: Any) -> Coverage:
    """Return the coverage, without progress."""
    about: dict[str, Any] = {"product": None, "errors": "raise", "progress": False} | options
    return find_coverage(source, first=first, last=last, **about)


def monthly(coverage: Coverage, first: str, last: str) -> list[float]:
    """Return the share of each month, rounded; NaN is written -1."""
    edges = np.arange(first, np.datetime64(last) + 2, dtype="datetime64[M]")
    return [float(share) for share in np.nan_to_num(coverage.share(edges), nan=-1).round(3)]


def colours(ax: Axes) -> list[list[str]]:
    """Return the colours of the cells, rows from top to bottom; blank ones are empty texts."""
    (mesh,) = (item for item in ax.collections if isinstance(item, QuadMesh))
    values: Any = mesh.get_array()
    colour: Any = mesh.to_rgba
    return [[to_hex(colour(value)) if value is not np.ma.masked else "" for value in row] for row in values]


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    """Close the test's figures."""
    yield
    plt.close("all")


def test_missing_differs_from_not_requested(tmp_path: Path) -> None:
    """A complete month is 1, a part its share, a missing month between others 0; other months are blank."""
    archive(tmp_path, "2020-11", hours("2020-11"))
    archive(tmp_path, "2020-12", hours("2020-12")[::4])
    archive(tmp_path, "2021-02", hours("2021-02")[:-1])

    coverage = found(tmp_path)

    assert monthly(coverage, "2020-10", "2021-03") == [-1, 1, 0.25, 0, round(671 / 672, 3), -1]
    assert (coverage.every, coverage.problems, coverage.made_up) == (60, 0, False)
    assert [str(month) for month in coverage.months] == ["2020-11", "2020-12", "2021-01", "2021-02"]


def test_the_calendar_shows_it(tmp_path: Path) -> None:
    """Years are rows, months columns: dark is complete, orange is missing, blank is not requested."""
    archive(tmp_path, "2020-11", hours("2020-11"))
    archive(tmp_path, "2020-12", hours("2020-12")[::4])
    archive(tmp_path, "2021-02", hours("2021-02")[:-1])

    ax = plot_coverage(tmp_path, progress=False)

    first, second = colours(ax)
    assert first[:10] == [""] * 10
    assert second[2:] == [""] * 10
    assert (first[10], second[0]) == (WHOLE, MISSING)
    assert len({first[11], second[1], MISSING, WHOLE}) == 4
    assert [text.get_text() for text in ax.texts] == ["25", "99"]  # a month with a gap is never shown as 100 %
    assert [label.get_text() for label in ax.get_yticklabels()] == ["2020", "2021"]
    title = ax.get_title(loc="left").splitlines()
    assert title == [
        "RW: hourly precipitation, gauge-adjusted",
        "1,577 of 2,880 frames of 2020-11 to 2021-02, 1,303 missing",
    ]


def test_requested_months_are_compared(tmp_path: Path) -> None:
    """With `first` and `last`, months before and after the files' are missing, too, and others are excluded."""
    archive(tmp_path, "2020-11", hours("2020-11"))
    archive(tmp_path, "2020-12", hours("2020-12"))

    assert monthly(found(tmp_path, "2020-12", "2021-01"), "2020-11", "2021-02") == [-1, 1, 0, -1]
    assert monthly(found(tmp_path, "2020"), "2020-01", "2020-12") == [0] * 10 + [1, 1]


def test_a_single_month_is_drawn_by_hours(tmp_path: Path) -> None:
    """For one month, days are rows and hours columns; a frame belongs to the hour of its stamp."""
    times = hours("2020-11")
    archive(tmp_path, "2020-11", np.delete(times, [0, 30]))
    archive(tmp_path, "2020-12", hours("2020-12"))

    rows = colours(plot_coverage(tmp_path, "2020-11", progress=False))

    assert (len(rows), len(rows[0])) == (30, 24)
    assert [(day, hour) for day in range(30) for hour in range(24) if rows[day][hour] == MISSING] == [
        (0, 0),
        (1, 6),
    ]
    assert rows[0][1] == WHOLE


def test_radars_are_read_from_the_headers(tmp_path: Path) -> None:
    """Each radar has the share of frames that name it; without frames there is no share."""
    times = hours("2020-11")
    middle = times[360]
    archive(tmp_path, "2020-11", times, radars=lambda time: ("boo", "deess") if time < middle else ("boo",))
    archive(tmp_path, "2021-01", hours("2021-01"), radars=("mem",))

    coverage = found(tmp_path)
    share = coverage.radar_share(np.arange("2020-11", "2021-03", dtype="datetime64[M]"))
    figure = plot_coverage(tmp_path, progress=False).figure

    assert coverage.radars == ("boo", "ess", "mem")
    np.testing.assert_array_equal(share, [[1, np.nan, 0], [0.5, np.nan, 0], [0, np.nan, 1]])
    assert len(figure.axes) == 2
    assert [label.get_text() for label in figure.axes[1].get_yticklabels()] == ["boo", "ess", "mem"]
    assert [row[1] for row in colours(figure.axes[1])] == ["", "", ""]


def test_a_dataset_is_compared_with_its_own_time(tmp_path: Path) -> None:
    """A part of a Dataset is compared with that part only; steps added by `fill_gaps` are missing."""
    for hour in (0, 1, 3):
        time = np.datetime64("2020-06-01T00:50", "s") + np.timedelta64(hour, "h")
        header = Header(product="RW", time=time, rows=450, cols=450, precision=-1, interval=60)
        path = tmp_path / f"raa01-rw_10000-2006010{hour}50-dwd---bin"
        path.write_bytes(write_frame(header, np.zeros((450, 450), np.uint16)))
    ds = rn.open_dataset(tmp_path, fill_gaps=True, progress=False)
    edges = np.arange("2020-06-01T00", "2020-06-01T06", dtype="datetime64[h]")

    shares = [found(part).share(edges).tolist() for part in (ds, ds["RW"], ds.isel(time=slice(1, None)))]
    title = plot_coverage(ds, progress=False).get_title(loc="left")

    assert len(ds.time) == 4
    np.testing.assert_array_equal(shares, [[1, 1, 0, 1, np.nan], [1, 1, 0, 1, np.nan], [np.nan, 1, 0, 1, np.nan]])
    assert "3 of 4 frames of 2020-06-01 00:50 UTC to 2020-06-01 03:50 UTC, 1 missing" in title


def test_a_plan_requests_its_months(tmp_path: Path) -> None:
    """Planned months that were not fetched are missing."""

    class Planned:
        months = (Month(2020, 11), Month(2020, 12))
        on_disk = (archive(tmp_path, "2020-11", hours("2020-11")),)

        @staticmethod
        def local(path: Path) -> Path:
            return path

    assert monthly(found(Planned()), "2020-11", "2020-12") == [1, 0]


def test_the_future_is_not_requested(tmp_path: Path) -> None:
    """The current month ends now."""
    now = np.datetime64("now", "s")
    month = str(now.astype("datetime64[M]"))
    times = np.arange(np.datetime64(month, "s") + 50 * 60, now, np.timedelta64(1, "h"))
    archive(tmp_path, month, times if times.size else np.array([now]))

    coverage = found(tmp_path)

    assert coverage.end <= now + np.timedelta64(60, "s")


def test_one_of_several_products_is_chosen(tmp_path: Path) -> None:
    """A folder of two products cannot be one calendar."""
    archive(tmp_path, "2020-11", hours("2020-11"))
    archive(tmp_path, "2020-11", time_steps(Month(2020, 11), every=5)[:20], product="YW")

    with pytest.raises(SeriesError, match=r"holds RW, YW: choose one with product=, such as 'RW'"):
        found(tmp_path)
    chosen = found(tmp_path, product="yw")

    assert (chosen.product, chosen.every, chosen.times.size) == ("YW", 5, 20)


@pytest.mark.parametrize("errors", ["raise", "report"])
def test_unreadable_files_are_reported(tmp_path: Path, errors: Any) -> None:
    """A damaged archive raises, or is counted in the title; its month is missing."""
    archive(tmp_path, "2020-11", hours("2020-11"))
    whole = archive(tmp_path, "2020-12", hours("2020-12"))
    data = bytearray(whole.read_bytes())
    data[600] ^= 1
    data[3] ^= 1
    whole.write_bytes(data)

    if errors == "raise":
        with pytest.raises(CorruptArchive, match="small-RW-2020-12"):
            plot_coverage(tmp_path, progress=False)
        return
    ax = plot_coverage(tmp_path, "2020-11", "2020-12", errors=errors, progress=False)

    assert "files or frames that cannot be read: 1" in ax.get_title(loc="left")
    assert colours(ax)[0][10:] == [WHOLE, MISSING]


@pytest.mark.parametrize(
    ("source", "months", "error", "text"),
    [
        ([], (), NothingFound, "there is no file in"),
        (xr.Dataset(), (), SeriesError, "the Dataset has no time"),
        (xr.Dataset(), ("2020-13",), MonthError, "2020-13"),
    ],
)
def test_a_source_without_a_calendar_raises(
    source: Any, months: Sequence[str], error: type[Exception], text: str
) -> None:
    """Without a file, a time or a month, the error says so."""
    with pytest.raises(error, match=text):
        plot_coverage(source, *months, progress=False)


def test_a_second_call_reads_only_the_index(tmp_path: Path) -> None:
    """With an index, the archive is not read again."""
    archive(tmp_path, "2020-11", hours("2020-11"))
    events: list[Any] = []
    plot_coverage(tmp_path, progress=events.append)
    first = len(events)

    plot_coverage(tmp_path, progress=events.append)

    assert first > 0
    assert len(events) == first
