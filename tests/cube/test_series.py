"""The arrangement of a cube for series: equal values, used where it is faster, ignored once it is out of date."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
import pytest
import shapely
import xarray as xr
from support import cubes
from support import killed_processes as kills
from support.cubes import archive, files
from support.killed_processes import Job

import radar_nb as rn
from radar_nb.cube import opening, series
from radar_nb.cube.building import build_cube
from radar_nb.cube.checking import repair_cube, verify_cube
from radar_nb.cube.description import find_layout
from radar_nb.cube.opening import open_cube
from radar_nb.cube.series import build_series, built_years
from radar_nb.cube.stores import find_store
from radar_nb.cube.year_tiles import YearTiles
from radar_nb.errors import DamagedShard, Incomplete, NothingFound, SettingsError
from radar_nb.formats.packing import Packing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = ("2018-03-05", "2018-11-30", "2019-02-01")

build = partial(build_series, client=False, progress=False)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an archive of two days in 2018 and one in 2019."""
    return archive(tmp_path_factory.mktemp("archives") / "RW.tar.gz", DAYS)


@pytest.fixture(scope="module")
def plain(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a cube of it; read-only."""
    folder = tmp_path_factory.mktemp("cubes") / "plain"
    build_cube(source, folder, client=False, progress=False)
    return folder


@pytest.fixture(scope="module")
def sound(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the same cube with its series; read-only."""
    folder = shutil.copytree(plain, tmp_path_factory.mktemp("series") / "sound")
    build(folder)
    return folder


@pytest.fixture
def cube(sound: Path, tmp_path: Path) -> Path:
    """Return a copy, to be changed."""
    return shutil.copytree(sound, tmp_path / "cube")


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the series be read although these cubes have few days, of which reading costs less."""
    monkeypatch.setattr(opening.CubeArray, "_days_cost", lambda *_: 1 << 60)


@pytest.fixture
def days_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect the days that are read from their own shards."""
    found: list[int] = []
    read = opening.CubeArray._read_day  # noqa: SLF001 - no result shows which shards were read

    def noted(array: Any, day: Any, *rest: Any) -> None:
        found.append(day[0])
        read(array, day, *rest)

    monkeypatch.setattr(opening.CubeArray, "_read_day", noted)
    return found


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "key",
    [
        np.s_[:, 270, 300],
        np.s_[::-1, 205:215, [0, 449, 5]],
        np.s_[3:9, 175:300:7, 5],
        np.s_[[7, 0, 11], 0, 0],
    ],
)
def test_values_are_those_of_the_days(
    plain: Path, sound: Path, days_read: list[int], key: Any, packed: bool
) -> None:
    """Any series of few cells is equal, and no shard of a day is read for it."""
    expected = open_cube(plain, chunks=None, packed=packed).RW[key].values
    days_read.clear()

    found = open_cube(sound, chunks=None, packed=packed).RW[key].values

    np.testing.assert_array_equal(found, expected)
    assert days_read == []


def test_fields_are_read_from_the_days(plain: Path, sound: Path, days_read: list[int]) -> None:
    """Whole fields, and flags, take less from the shards of the days."""
    found = open_cube(sound, chunks=None).RW.isel(time=[0, 5]).values

    assert len(days_read) == 2
    np.testing.assert_array_equal(found, open_cube(plain, chunks=None).RW.isel(time=[0, 5]).values)


def test_the_cheaper_arrangement_is_chosen(plain: Path) -> None:
    """Of 5-minute frames a year of a cell takes a tenth in the series, and an hour or a field less in the days."""
    cube = replace(
        opening.required_cube(plain), shards=find_layout("balanced", steps=288, grid=(900, 900), packing=Packing())
    )
    tiles = YearTiles(cube=cube, year=2019, state="")
    array = opening.CubeArray(cube, {}, np.empty(0, np.int64), years={2019: tiles})
    slots = tiles.days[0] * 288 + np.arange(365 * 288)
    cell, field = np.array([5]), np.arange(900)

    def ratio(*key: Any) -> float:
        return array._days_cost(*key) / array._tiles_cost(tiles, *key)  # noqa: SLF001 - what chooses

    assert ratio(slots, cell, cell) > 10
    assert ratio(slots[:12], cell, cell) < 1
    assert ratio(slots[:1], field, field) < 1


@pytest.mark.usefixtures("always")
def test_points_use_it(sound: Path, plain: Path, days_read: list[int]) -> None:
    """`at_points` of a cube's folder returns equal series without reading the days."""
    expected = rn.at_points(plain, {"here": (10.0, 51.0)}, progress=False).load()
    days_read.clear()

    found = rn.at_points(sound, {"here": (10.0, 51.0)}, progress=False).load()

    np.testing.assert_array_equal(found.RW, expected.RW)
    assert days_read == []


@pytest.mark.usefixtures("always")
def test_areas_use_it(source: Path, plain: Path, sound: Path, days_read: list[int]) -> None:
    """Means over areas are equal bit by bit from whole fields, boxes of the days and series, missing cells too."""
    rain = open_cube(plain)
    x, y = rain.x.values, rain.y.values
    corners = [(200, 205), (30, 300), (440, 440)]  # the first has cells without data, the last lies at the border
    shapes = [shapely.box(x[col] - 0.2, y[row] - 0.3, x[col + 7], y[row + 9]) for row, col in corners]
    areas = geopandas.GeoSeries(shapes, crs=rain.crs.attrs["crs_wkt"])
    expected = rn.over_areas(source, areas, min_coverage=0.5, progress=False)
    boxes = rn.over_areas(plain, areas, min_coverage=0.5, progress=False)
    days_read.clear()

    found = rn.over_areas(sound, areas, min_coverage=0.5, progress=False)

    for one in (boxes, found):
        np.testing.assert_array_equal(one.RW, expected.RW)
        np.testing.assert_array_equal(one.coverage, expected.coverage)
    assert days_read == []


def test_a_year_is_a_zarr_group(sound: Path) -> None:
    """Plain xarray opens it without a warning, with the same values and times."""
    ours = open_cube(sound).RW.sel(time="2018")[:, 190:230, 200:220].load()

    with xr.open_zarr(sound / "series" / "2018", chunks=None) as ds:
        assert ds.sizes["time"] == 365 * 24
        found = ds.RW.sel(time=ours.time)[:, 190:230, 200:220].load()
        np.testing.assert_allclose(found, ours, rtol=1e-6)


@pytest.mark.usefixtures("always")
def test_a_second_build_keeps_what_is_up_to_date(source: Path, cube: Path, tmp_path: Path) -> None:
    """Only years whose days have changed are rewritten; until then their days are read."""
    before = files(cube)
    assert [outcome.state for outcome in build(cube).outcomes] == ["kept", "kept"]
    assert files(cube) == before

    more = archive(tmp_path / "RW2019.tar.gz", ["2019-02-02"], seed=9)
    build_cube(more, cube, client=False, progress=False)

    place = find_store(cube)
    loaded = opening.required_cube(place)
    assert built_years(loaded) == [2018]
    expected = rn.open_dataset([source, more], progress=False).RW[:, 270, 300].load()
    np.testing.assert_array_equal(open_cube(cube).RW[:, 270, 300].load(), expected)
    with pytest.raises(Incomplete, match=r"series/2019 is incomplete, damaged or out of date: run build_series"):
        verify_cube(cube, progress=False)

    assert [outcome.state for outcome in build(cube).outcomes] == ["kept", "done"]
    assert built_years(loaded) == [2018, 2019]
    np.testing.assert_array_equal(open_cube(cube).RW[:, 270, 300].load(), expected)


def test_an_earlier_year_leaves_it_valid(cube: Path, tmp_path: Path) -> None:
    """The days get other numbers, and the years do not."""
    build_cube(archive(tmp_path / "RW2016.tar.gz", ["2016-05-05"]), cube, client=False, progress=False)

    assert built_years(opening.required_cube(cube)) == [2018, 2019]
    assert [outcome.state for outcome in build(cube).outcomes] == ["done", "kept", "kept"]


@pytest.mark.usefixtures("always")
class TestDamage:
    """Damage costs speed, never values."""

    def test_a_damaged_chunk_is_read_from_the_days(self, plain: Path, cube: Path) -> None:
        """Verification finds it, repair names the remedy, and a build after removal rewrites it."""
        shutil.rmtree(cube / "series" / "2019")  # one year is enough to verify
        shard = cube / "series" / "2018" / "RW" / "c.0.4.3"
        data = bytearray(shard.read_bytes())
        data[len(data) // 3] ^= 64
        shard.write_bytes(data)

        key = np.s_[:, 360:450, 270:360]
        np.testing.assert_array_equal(
            open_cube(cube, chunks=None).RW[key].values, open_cube(plain, chunks=None).RW[key].values
        )
        with pytest.raises(Incomplete, match=r"c\.0\.4\.3 is damaged in chunk"):
            verify_cube(cube, progress=False)
        repair_cube(cube, progress=False)
        assert not shard.exists()
        assert [outcome.state for outcome in build(cube, years=[2018]).outcomes] == ["done"]
        assert not verify_cube(cube, progress=False).failed

    def test_other_values_under_right_checksums_are_found(
        self, cube: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Verification compares the arrangement with the days: a forged shard has as many cells with data."""
        shutil.rmtree(cube / "series" / "2019")
        (cube / "series" / "2018" / "RW" / "c.0.4.3").unlink()

        def forged(*arguments: Any) -> Iterator[tuple[int, Any]]:
            for step, codes in columns(*arguments):
                codes[codes < 9] += 1
                yield step, codes

        columns = series._columns  # noqa: SLF001 - a shard with right checksums, record and count of cells
        with monkeypatch.context() as changed:
            changed.setattr(series, "_columns", forged)
            build(cube, years=[2018])

        with pytest.raises(Incomplete, match="holds other values than the cube: run build_series"):
            verify_cube(cube, progress=False)

    @pytest.mark.parametrize("damage", ["gone", "cut", "of another place"])
    def test_a_damaged_shard_does_not_count(self, plain: Path, cube: Path, damage: str) -> None:
        """It is rewritten by the next build, and its cells are read from the days until then."""
        folder = cube / "series" / "2018" / "RW"
        shard, sound = folder / "c.0.4.3", files(cube)
        if damage == "gone":
            shard.unlink()
        else:
            other = (folder / "c.0.3.2").read_bytes()
            shard.write_bytes(shard.read_bytes()[:-7] if damage == "cut" else other)

        assert built_years(opening.required_cube(cube)) == [2019]
        found = open_cube(cube, chunks=None).RW[:, 400, 300].values
        np.testing.assert_array_equal(found, open_cube(plain, chunks=None).RW[:, 400, 300].values)
        build(cube)
        assert files(cube) == sound


@pytest.mark.skipif(sys.platform == "win32", reason="a kill there is no SIGKILL")
def test_killed_builds_can_be_completed(plain: Path, tmp_path: Path) -> None:
    """Leftovers of three killed builders never count as complete, and end up as the undisturbed series."""
    job = Job(name="series", work=cubes.series, prepare=partial(cubes.copy, plain))
    calm = kills.undisturbed(job, tmp_path / "calm")

    left = list(kills.killed(job, calm, tmp_path / "work", kills=3, seed=6))

    assert [kill for kill in left if kill.faults] == []


def test_two_workers_write_the_same_bytes(plain: Path, sound: Path, tmp_path: Path) -> None:
    """Two workers of a cluster build the files that threads build."""
    distributed = pytest.importorskip("distributed", reason="distributed is not installed")
    folder = shutil.copytree(plain, tmp_path / "cube")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        build_series(folder, years=[2018], client=client, progress=False)

    sound_files = files(sound)
    assert files(folder) == {name: sound_files[name] for name in sound_files if "series/2019" not in name}


class TestBadInput:
    """Each raises a clear error."""

    def test_years_that_the_cube_lacks(self, cube: Path) -> None:
        """The message names those that it has."""
        with pytest.raises(NothingFound, match="holds no day of 2001: choose years from 2018 to 2019"):
            build(cube, years=[2001, 2018])

    def test_no_threads(self, cube: Path) -> None:
        """At least one is needed."""
        with pytest.raises(SettingsError, match="0 is not a number of threads"):
            build(cube, workers=0)

    def test_a_damaged_day(self, cube: Path) -> None:
        """A year with a damaged day is not built."""
        day = min((cube / "RW").glob("c.*"))
        day.write_bytes(day.read_bytes()[:-7])

        with pytest.raises((DamagedShard, Incomplete), match="run repair_cube"):
            build(cube)
