"""DWD's catalogue CatRaRE, fetched from a server in DWD's form."""

from __future__ import annotations

import shutil
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely

from radar_nb.analysis.catrare import catrare
from radar_nb.dwd.catrare import file_path, layer_name
from radar_nb.dwd.grids import PROJ, to_lonlat
from radar_nb.errors import ArchiveError, DownloadError, MonthError, NotOnServer, SettingsError
from radar_nb.geography.layers import points_at, read_zipped_layer, table_of_shapes, write_layers
from radar_nb.mirror import Mirror, make_catrare
from radar_nb.runtime.files import local_path

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data folder to which both catalogues were fetched from a server that is gone."""
    root, folder = tmp_path_factory.mktemp("server"), tmp_path_factory.mktemp("data")
    paths = make_catrare(root, count=60)
    before = [path.stat().st_mtime_ns for path in paths]
    assert [path.stat().st_mtime_ns for path in make_catrare(root, count=60)] == before
    with Mirror(root) as mirror:
        for selection in ("W3", "T5"):
            catrare(selection, folder=folder, base_url=mirror.url, progress=False)
    return folder


def events(folder: Path, *args: Any, **options: Any) -> Any:
    """Return events without a server."""
    return catrare(*args, folder=folder, base_url="http://127.0.0.1:9", progress=False, **options)


def test_events_have_their_times_numbers_and_place(folder: Path) -> None:
    """Times are UTC, windows as long as stated; polygons lie in DWD's projection and contain their maximum."""
    table = events(folder)

    assert len(table) == 60
    assert table.crs == PROJ["sphere"]
    hours = (table.End_Time - table.Start_Time).to_numpy() / np.timedelta64(1, "h")
    np.testing.assert_array_equal(hours, table.Duration)
    assert table.Start_Time.equals(table.Date_START)
    assert table.Start_Time.dtype.kind == "M"
    assert (table.Start_Time.dt.minute == 50).all()
    assert table.Start_Time.is_monotonic_increasing
    assert table.SRImax.dropna().between(1, 12).all()
    assert (table.geometry.area / 1e6).round().astype(int).equals(table.Area.astype(int))
    maxima = events(folder, geometry="maxima")
    assert table.covers(maxima.geometry).all()
    np.testing.assert_allclose(maxima.geometry.x, maxima.x_RRmaxPRJ, atol=0.001)  # metres
    lon, lat = to_lonlat(maxima.x_RRmaxPRJ, maxima.y_RRmaxPRJ, "sphere")
    degrees = maxima.to_crs("EPSG:4326").geometry
    np.testing.assert_allclose([degrees.x, degrees.y], [lon, lat], atol=1e-6)
    assert "10.5676/DWD/CatRaRE_W3_Eta_v2026.01" in table.attrs["source"]
    assert not events(folder, "T5").Eta.equals(table.Eta)


def test_events_are_chosen_by_time_and_area(folder: Path) -> None:
    """Events whose window overlaps the time, and whose zone touches the area, are returned."""
    table = events(folder)
    some = table.iloc[[7]]

    year = int(some.Start_Time.dt.year.iloc[0])
    begin, end = np.datetime64(f"{year}"), np.datetime64(f"{year + 1}")
    there = (table.Start_Time < end) & (table.End_Time > begin)
    assert events(folder, "W3", year).Event_ID.tolist() == table.Event_ID[there].tolist()
    after = some.End_Time.iloc[0]
    assert int(some.Event_ID.iloc[0]) not in events(folder, "W3", after.isoformat()[:16], 2025).Event_ID.tolist()
    assert (
        events(folder, area=some).Event_ID.tolist()
        == table.Event_ID[table.intersects(some.geometry.iloc[0])].tolist()
    )
    lon, lat = (float(value) for value in to_lonlat(some.x_RRmaxPRJ.iloc[0], some.y_RRmaxPRJ.iloc[0], "sphere"))
    near = events(folder, area=(lon - 0.01, lat - 0.01, lon + 0.01, lat + 0.01))
    assert int(some.Event_ID.iloc[0]) in near.Event_ID.tolist()
    assert len(near) < len(table)
    assert events(folder, "W3", 2001, 2025).Event_ID.tolist() == table.Event_ID.tolist()
    degrees = table.to_crs("EPSG:4326").geometry.total_bounds
    middle = (degrees[:2] + degrees[2:]) / 2
    box = shapely.box(*middle - 1.5, *middle + 1.5).segmentize(0.05)
    inside = table.to_crs("EPSG:4326").intersects(box)
    assert events(folder, area=box.bounds).Event_ID.tolist() == table.Event_ID[inside].tolist()


def test_a_missing_server_or_version_raises(folder: Path, tmp_path: Path) -> None:
    """The message names the address; a damaged file is fetched again."""
    with (
        Mirror(tmp_path) as mirror,
        pytest.raises(NotOnServer, match=r"the server has no .*2001_2023_T5"),
    ):
        catrare("T5", version="2024.01", folder=tmp_path / "data", base_url=mirror.url, progress=False)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    file = local_path(copy, file_path("W3", "2026.01"))
    file.write_bytes(file.read_bytes()[:-100])
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1"):
        events(copy)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"selection": "T9"}, SettingsError, "unknown selection 'T9': choose one of W3, T5"),
        ({"version": "newest"}, SettingsError, "version='newest' is not a version of CatRaRE"),
        ({"geometry": "boxes"}, SettingsError, "unknown geometry='boxes': choose one of zones, maxima"),
        ({"first": "2020-13"}, MonthError, "2020-13"),
        (
            {"first": 1999},
            MonthError,
            "v2026.01 covers 2001 to 2025, and not all of 1999-01-01",
        ),
        ({"first": 2025, "last": 2026}, MonthError, "not all of 2025-01-01 to 2026-12-31"),
        ({"area": "Atlantis"}, SettingsError, "unknown place 'Atlantis'"),
    ],
)
def test_invalid_arguments(folder: Path, options: Any, error: Any, message: str) -> None:
    """Each message names the argument, before anything is fetched."""
    with pytest.raises(error, match=message):
        events(folder, **options)


def test_another_form_raises(tmp_path: Path) -> None:
    """A catalogue with other columns, times or coordinates, or without its layer, is refused."""
    times = {"Date_START": ["2020-06-13T12:50"], "Date_END": ["2020-06-13T13:50"]}
    numbers = {name: [1.0] for name in ("Event_ID", "Duration", "Area", "Eta", "RRmax", "RRmean", "SRImax")}
    layer = layer_name("W3", "2026.01", "zones")
    cases: list[tuple[str, dict[str, list[Any]], tuple[float, float], str | None]] = [
        (layer, times | numbers, (0.0, -4e6), None),
        (layer, times | numbers | {"SRImax": ["-"]}, (0.0, -4e6), None),
        (layer, {**times, **numbers, "RRmax": ["much"]}, (0.0, -4e6), "events without a number in RRmax"),
        (layer, numbers, (0.0, -4e6), "lacks the columns Start_Time or Date_START, End_Time or Date_END: DWD has"),
        (layer, times | {"Event_ID": [1]}, (0.0, -4e6), "lacks the columns Duration, Area, Eta"),
        (
            layer,
            times | numbers | {"Start_Time": [20200613]},
            (0.0, -4e6),
            "Start_Time that are not times",
        ),
        (
            layer,
            times | numbers | {"Start_Time": [202006131450]},
            (0.0, -4e6),
            "end before they begin",
        ),
        (layer, times | numbers, (10.0, 51.0), "not metres of DWD's projection"),
        ("other", times | numbers, (0.0, -4e6), f"has no layer {layer} that can be read"),
    ]
    for number, (name, columns, (x, y), message) in enumerate(cases):
        file = local_path(tmp_path / str(number), file_path("W3", "2026.01"))
        file.parent.mkdir(parents=True)
        write_layers(
            tmp_path / f"{number}.gdb", {name: table_of_shapes(columns, points_at(np.array([x]), np.array([y])))}
        )
        with zipfile.ZipFile(file, "w") as archive:
            for path in (tmp_path / f"{number}.gdb").iterdir():
                archive.write(path, f"a.gdb/{path.name}")
        if message is None:
            assert str(events(tmp_path / str(number)).End_Time[0]) == "2020-06-13 13:50:00"
            continue
        with pytest.raises(ArchiveError, match=message):
            events(tmp_path / str(number))


def test_a_file_that_is_not_a_zip_of_layers_is_refused(tmp_path: Path) -> None:
    """A damaged zip, or one without tables, is named with a remedy."""
    path = tmp_path / "events.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.txt", "no table")
    for data in (path.read_bytes(), b"no zip"):
        path.write_bytes(data)
        with pytest.raises(ArchiveError, match="has no layer W3 that can be read"):
            read_zipped_layer(path, "W3")
