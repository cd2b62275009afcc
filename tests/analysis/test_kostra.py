"""KOSTRA-DWD-2020 at places, fetched from a server in DWD's form."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pytest
import xarray as xr

from radar_nb.analysis.design_storms import design_storm, storm_against_design
from radar_nb.analysis.kostra import kostra
from radar_nb.dwd.grids import GRIDS, PROJ
from radar_nb.dwd.kostra import DURATIONS, FOLDER, cells_of, table_name
from radar_nb.errors import DownloadError, NotOnServer, SettingsError
from radar_nb.mirror import Mirror, make_kostra

if TYPE_CHECKING:
    from pathlib import Path

PLACES = {"Sylt": (8.537, 55.069), "Leipzig": (12.37, 51.34), "the same cell": (12.371, 51.341)}
EASTERN_CELLS = [row * 1000 + col for row in (149, 150) for col in range(215, 219)]
"""Those of the fields, of which the tables have some."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root of a server with synthetic tables."""
    folder: Path = tmp_path_factory.mktemp("whole")
    make_kostra(folder)
    return folder


@pytest.fixture(scope="module")
def root(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a server with a part of each table's lines: each call of `kostra` reads all of them."""
    folder: Path = tmp_path_factory.mktemp("server")
    needed = {*cells_of(*zip(*PLACES.values(), strict=True)).tolist(), *EASTERN_CELLS}
    for path in whole.rglob("*.zip"):
        with zipfile.ZipFile(path) as table:
            (name,) = table.namelist()
            head, *lines = table.read(name).splitlines(keepends=True)
        some = [
            line for number, line in enumerate(lines) if number % 100 == 0 or int(line.split(b";")[0]) in needed
        ]
        part = folder / path.relative_to(whole)
        part.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as table:
            table.writestr(name, b"".join([head, *some]))
    return folder


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the tables that `levels` fetches."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def levels(root: Path, kept: Path) -> xr.Dataset:
    """Return the levels of some places."""
    with Mirror(root) as mirror:
        return kostra(PLACES, folder=kept, base_url=mirror.url, progress=False)


def test_places_have_the_depths_of_their_cells(levels: xr.Dataset) -> None:
    """Places in one cell have the same depths; depths rise with duration and return period."""
    assert levels.cell.to_numpy().tolist() == cells_of(*zip(*PLACES.values(), strict=True)).tolist()
    assert levels.level.isel(point=1).equals(levels.level.isel(point=2).assign_coords(levels.point[1].coords))
    assert levels.sizes == {"point": 3, "duration": 22, "return_period": 9}
    for along in ("duration", "return_period"):
        assert (levels.level.diff(along) > 0).all()
    assert (abs(levels.cell_lon - levels.lon) < 0.06).all()
    assert levels.level.attrs["units"] == "mm"
    assert "10.5676/DWD/KOSTRA-DWD-2020" in levels.attrs["source"]


def test_tables_are_fetched_once(root: Path, tmp_path: Path) -> None:
    """A second call needs no server; a table that was damaged since then is fetched again, alone."""
    with Mirror(root) as mirror:
        url = mirror.url
        first = kostra(PLACES, folder=tmp_path, base_url=url, progress=False)
        damaged = tmp_path / FOLDER / table_name(60)
        damaged.write_bytes(damaged.read_bytes()[:1000])
        seen: list[str] = []
        second = kostra(PLACES, folder=tmp_path, base_url=url, progress=lambda event: seen.append(event.task))
    third = kostra("Leipzig", folder=tmp_path, base_url=url, progress=False)

    assert seen == ["KOSTRA-DWD-2020"]
    assert second.identical(first)
    np.testing.assert_array_equal(third.level[0], first.level[1])


def test_a_missing_server_or_table_raises(tmp_path: Path) -> None:
    """The message names the address."""
    with Mirror(tmp_path) as mirror, pytest.raises(NotOnServer, match=rf"the server has no .*{table_name(5)}"):
        kostra("Leipzig", folder=tmp_path / "data", base_url=mirror.url, progress=False)
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1"):
        kostra("Leipzig", folder=tmp_path / "data", base_url=mirror.url, progress=False)


@pytest.mark.usefixtures("levels")
def test_a_place_without_values_raises(root: Path, kept: Path, tmp_path: Path) -> None:
    """Places abroad and places beyond the cells are named; without a server where the place alone decides it."""
    with pytest.raises(SettingsError, match=r"no values at 'Paris' \(lon 2.349, lat 48.853\): it covers Germany"):
        kostra("Paris", folder=tmp_path, base_url="http://127.0.0.1:9", progress=False)
    with Mirror(root) as mirror:
        for place in ({"Here": (12.37, 51.34), "East": (15.18, 51)}, {"Warsaw": (21.0, 52.2)}, [(60.0, 20.0)]):
            with pytest.raises(SettingsError, match=r"no values at ('East'|'Warsaw'|0) .*it covers Germany"):
                kostra(place, folder=kept, base_url=mirror.url, progress=False)


def test_a_design_storm_has_the_depth_of_its_place(levels: xr.Dataset) -> None:
    """Levels of one place are a table of depths, with their uncertainty; those of several places raise."""
    one = levels.sel(point=["Leipzig"])
    depth = float(one.level.sel(duration="1h", return_period=100).item())

    storm = design_storm(one, 100, 60)
    assert float(storm.rain.sum()) == pytest.approx(depth)
    found = storm_against_design(storm, one, 60)
    assert found.return_period == 100
    percent = float(one.uncertainty.sel(duration="1h", return_period=100).item())
    assert float(found.design_high.sum()) == pytest.approx(depth * (1 + percent / 100))
    with pytest.raises(
        SettingsError, match=r"of several places \(3 of 'point'\): choose one, such as depths.isel"
    ):
        design_storm(levels, 100, 60)
    with pytest.raises(SettingsError, match="the Dataset of depths has no `level`"):
        design_storm(levels.drop_vars("level"), 100, 60)


def test_synthetic_tables_are_kept(whole: Path) -> None:
    """A second call with the same seed writes nothing."""
    before = {path: path.stat().st_mtime_ns for path in make_kostra(whole)}

    assert len(before) == len(DURATIONS)
    assert {path: path.stat().st_mtime_ns for path in make_kostra(whole)} == before


@pytest.mark.usefixtures("levels")
def test_cells_of_fields_have_the_depths_of_their_places(root: Path, kept: Path) -> None:
    """Each cell has the values at its centre, whatever the order of rows; abroad they are missing."""
    grid = GRIDS["de1100"]
    crs = ((), np.int32(0), pyproj.CRS(PROJ[grid.earth]).to_cf())
    fields = xr.Dataset(coords={"y": grid.y[503:499:-1], "x": grid.x[815:835], "crs": crs})
    lon, lat = (one[503:499:-1, 815:835].ravel() for one in grid.lonlat())
    with Mirror(root) as mirror:
        options: Any = {"folder": kept, "base_url": mirror.url, "progress": False}
        found = kostra(fields, **options)
        inside = (found.cell >= 0).to_numpy().ravel()
        points = kostra(list(zip(lon[inside], lat[inside], strict=True)), **options)
        with pytest.raises(SettingsError, match="no values in these cells: it covers Germany; choose cells in it"):
            kostra(fields.isel(x=slice(-2, None)), **options)

    assert 0 < inside.sum() < inside.size
    values = found.level.stack(point=("y", "x")).transpose("point", ...).to_numpy()
    np.testing.assert_array_equal(values[inside], points.level.to_numpy().astype("f4"))
    assert np.isnan(values[~inside]).all()
    np.testing.assert_array_equal(found.cell.to_numpy().ravel()[inside], points.cell)
    assert (found.attrs, found.level.attrs) == (points.attrs, points.level.attrs)
    with pytest.raises(SettingsError, match="the fields lack the coordinates y, x and crs: pass what"):
        kostra(fields.drop_vars("crs"), **options)
