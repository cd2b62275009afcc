"""The time axis of a cube: whole years around what was built, extended at both ends, upgraded in place."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support import cubes
from support import killed_processes as kills
from support.cubes import archive, files
from support.damaged_cubes import make_old
from support.killed_processes import Job

from radar_nb.cube import day
from radar_nb.cube.building import build_cube
from radar_nb.cube.checking import repair_cube, upgrade_cube, verify_cube
from radar_nb.cube.description import load_cube
from radar_nb.cube.opening import open_cube
from radar_nb.cube.stores import Folder, find_store
from radar_nb.cube.time_axis import begin_move, complete_move, fitting_cube
from radar_nb.errors import CubeError, Incomplete

if TYPE_CHECKING:
    from pathlib import Path

HOURS = ("00:50", "05:50")
YEARS = ("2018", "2019", "2021")

build = partial(build_cube, client=False, progress=False, flags=True)


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write an archive of two days for each of three years."""
    folder = tmp_path_factory.mktemp("archives")
    return {
        year: archive(
            folder / f"RW{year}10.tar.gz", [f"{year}-10-14", f"{year}-10-15"], hours=HOURS, seed=int(year)
        )
        for year in YEARS
    }


@pytest.fixture(scope="module")
def whole(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a cube year by year, in order; read-only."""
    folder = tmp_path_factory.mktemp("cubes") / "whole"
    for source in sources.values():
        build(source, folder)
    return folder


@pytest.fixture(scope="module")
def last_two(sources: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a cube of the last two years; read-only."""
    folder = tmp_path_factory.mktemp("cubes") / "last"
    for year in YEARS[1:]:
        build(sources[year], folder)
    return folder


@pytest.fixture
def later(last_two: Path, tmp_path: Path) -> Path:
    """Return a copy of it, to be changed."""
    return shutil.copytree(last_two, tmp_path / "cube")


def axis(cube: Path) -> list[str]:
    """Return the first and the last year that plain xarray sees."""
    with xr.open_zarr(cube, chunks=None, consolidated=False) as ds:
        return [str(time)[:4] for time in (ds.time.values[0], ds.time.values[-1] - np.timedelta64(1, "h"))]


def test_the_axis_grows_with_what_is_built(sources: dict[str, Path], tmp_path: Path) -> None:
    """It covers whole years, those between included; existing shards keep their names and bytes."""
    cube = tmp_path / "cube"
    seen = []
    for year in YEARS:
        before = {key: data for key, data in files(cube).items() if "/c." in key}
        build(sources[year], cube)
        seen.append(axis(cube))

        assert {key: files(cube)[key] for key in before} == before
    assert seen == [["2018", "2018"], ["2018", "2019"], ["2018", "2021"]]


def test_the_order_of_building_changes_no_byte_of_a_day(
    sources: dict[str, Path], whole: Path, tmp_path: Path
) -> None:
    """A cube that was built backwards holds the same files; only attributes of the first archive may differ."""
    for year in reversed(YEARS):
        build(sources[year], tmp_path / "cube")

    assert axis(tmp_path / "cube") == ["2018", "2021"]
    assert files(tmp_path / "cube") == files(whole)


def test_plain_readers_find_all_years(sources: dict[str, Path], whole: Path) -> None:
    """Times and values of every day are where plain xarray looks for them."""
    ours = open_cube(whole).RW.load()

    with xr.open_zarr(whole, chunks=None) as ds:
        plain = ds.RW.sel(time=ours.time).load()

    assert ours.sizes["time"] == len(YEARS) * 2 * len(HOURS)
    np.testing.assert_allclose(plain, ours, rtol=1e-6)


class TestOldAxes:
    """Cubes of older versions, whose axis reaches from 2001 to 2040."""

    @pytest.fixture
    def old(self, whole: Path, tmp_path: Path) -> Path:
        """Return the cube as an older version would have built it, without notes in flags."""
        folder = shutil.copytree(whole, tmp_path / "old")
        cube = load_cube(Folder(folder))
        assert cube is not None
        first, end = (int(np.datetime64(f"{year}-01-01", "D").astype(int)) for year in (2001, 2041))
        begin_move(cube, first, end - first)
        complete_move(Folder(folder))
        make_old(folder)
        return folder

    def test_they_open(self, whole: Path, old: Path) -> None:
        """Values, flags and attributes are those of a new cube."""
        assert axis(old) == ["2001", "2040"]
        xr.testing.assert_identical(open_cube(old, flags=True).load(), open_cube(whole, flags=True).load())

    def test_an_upgrade_renames_the_days(self, whole: Path, old: Path) -> None:
        """The axis begins with the first year; every byte of a day is kept; a second upgrade has nothing to do."""
        shards = sorted(data for key, data in files(old).items() if "/c." in key)

        report = upgrade_cube(old)

        assert [outcome.state for outcome in report.outcomes] == ["done"]
        assert axis(old) == ["2018", "2021"]
        assert sorted(data for key, data in files(old).items() if "/c." in key) == shards
        described = {key: data for key, data in files(whole).items() if "/c." not in key}
        assert {key: files(old)[key] for key in described} == described
        xr.testing.assert_identical(open_cube(old, flags=True).load(), open_cube(whole, flags=True).load())
        assert not verify_cube(old, progress=False).failed
        assert [outcome.state for outcome in upgrade_cube(old).outcomes] == ["kept"]

    def test_a_build_upgrades(self, sources: dict[str, Path], old: Path) -> None:
        """The days of the old cube are kept."""
        report = build(sources["2019"], old)

        assert [outcome.state for outcome in report.outcomes] == ["kept", "kept"]
        assert axis(old) == ["2018", "2021"]

    def test_a_repair_upgrades(self, old: Path) -> None:
        """A damaged day is removed under its old name, then the others are renamed."""
        damaged = min((old / "RW").glob("c.*"))
        damaged.write_bytes(damaged.read_bytes()[:-9])

        repair_cube(old, progress=False)

        assert axis(old) == ["2018", "2021"]
        assert not verify_cube(old, progress=False).failed
        assert open_cube(old).sizes["time"] == 5 * len(HOURS)


class Stop(Exception):
    """Stands for a kill at a certain call."""


class TestInterruptedMoves:
    """A move of the axis that did not end."""

    @pytest.mark.parametrize("calls", [0, 3])
    def test_a_build_completes_it(
        self, sources: dict[str, Path], whole: Path, later: Path, monkeypatch: pytest.MonkeyPatch, calls: int
    ) -> None:
        """After any number of renames, readers refuse the cube, and the next build ends with the same bytes."""
        left = calls

        class Failing(Folder):
            def move(self, key: str, target: str) -> None:
                nonlocal left
                if not left:
                    raise Stop
                left -= 1
                super().move(key, target)

        with monkeypatch.context() as patch:
            patch.setattr("radar_nb.cube.building.find_store", lambda _: Failing(later))
            with pytest.raises(Stop):
                build(sources["2018"], later)

        with pytest.raises(
            CubeError, match=r"is being moved, or that was interrupted: wait .*radar-nb cube upgrade"
        ):
            open_cube(later)
        with xr.open_zarr(later, chunks=None) as ds:
            assert not ds.data_vars
        build(sources["2018"], later)
        assert files(later) == files(whole)

    def test_an_upgrade_and_a_repair_complete_it(self, later: Path) -> None:
        """They need no archive."""
        for year, complete in (("2017", upgrade_cube), ("2015", partial(repair_cube, progress=False))):
            cube = load_cube(Folder(later))
            assert cube is not None
            first = int(np.datetime64(f"{year}-01-01", "D").astype(int))
            begin_move(cube, first, cube.first + cube.days - first)

            complete(later)

            assert axis(later) == [year, "2021"]
            assert not verify_cube(later, progress=False).failed

    def test_a_forged_move_is_refused(self, later: Path) -> None:
        """Years that are not valid, or a group that is not a cube, move nothing."""
        cube = load_cube(Folder(later))
        assert cube is not None
        begin_move(cube, cube.first, cube.days)
        before = files(later)
        forged: list[dict[str, Any]] = [
            {"first": cube.first + 1}, {"days": -1}, {"days": 1 << 62}, {"group": []}, {"first": ""}
        ]  # fmt: skip
        for changes in forged:
            move = json.loads(before["zarr.json"])
            move["attributes"]["radar_nb"]["moving"] |= changes
            (later / "zarr.json").write_text(json.dumps(move))

            with pytest.raises(CubeError, match=r"the description of the cube in .* is damaged"):
                upgrade_cube(later)
            (later / "zarr.json").write_bytes(before["zarr.json"])
        assert files(later) == before

    def test_a_builder_that_was_overtaken_writes_nothing(
        self, later: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Another process moves the axis while a day is encoded: the day fails, and the cube stays whole."""
        encode = day.encode_day
        earlier = int(np.datetime64("2018-10-14", "D").astype(int))
        more = archive(tmp_path / "more.tar.gz", ["2020-05-05"], hours=HOURS)

        def overtaken(*arguments: Any) -> Any:
            monkeypatch.setattr(day, "encode_day", encode)
            fitting_cube(Folder(later), (earlier, earlier))
            return encode(*arguments)

        monkeypatch.setattr(day, "encode_day", overtaken)
        with pytest.raises((CubeError, Incomplete), match="another process has moved the time axis"):
            build(more, later)

        assert not verify_cube(later, progress=False).failed
        assert open_cube(later).sizes["time"] == 4 * len(HOURS)
        build(more, later)
        assert open_cube(later).sizes["time"] == 5 * len(HOURS)

    @pytest.mark.skipif(sys.platform == "win32", reason="a kill there is no SIGKILL")
    def test_killed_moves_can_be_completed(self, sources: dict[str, Path], later: Path, tmp_path: Path) -> None:
        """Three builders of an earlier year are killed at any time; the cube ends equal to the undisturbed one."""
        job = Job(name="axis", work=cubes.build, arguments=(sources["2018"],), prepare=partial(cubes.copy, later))
        between = cubes.moving(later, 2018, tmp_path / "moving")
        calm = replace(kills.undisturbed(job, tmp_path / "calm"), between=between)

        left = list(kills.killed(job, calm, tmp_path / "work", kills=3, seed=23))

        assert [kill for kill in left if kill.faults] == []


def test_object_storage_moves_by_copying(sources: dict[str, Path], whole: Path) -> None:
    """A cube in memory or a bucket ends with the same objects as a folder."""
    obstore = pytest.importorskip("obstore", reason="obstore is not installed")
    memory = obstore.store.MemoryStore()
    for year in reversed(YEARS):
        build(sources[year], memory)

    listed = find_store(memory).everything("")  # type: ignore[union-attr]
    assert {key: bytes(obstore.get(memory, key).bytes()) for key in listed} == files(whole)


def test_a_wrong_stamp_makes_no_axis_of_centuries(sources: dict[str, Path], later: Path, tmp_path: Path) -> None:
    """Years that no product has raise before the axis is changed."""
    before = json.loads((later / "zarr.json").read_bytes())
    source = archive(tmp_path / "RW.tar.gz", ["2045-10-14"], hours=HOURS)

    with pytest.raises(
        Exception, match=r"2045-10-14T00:50:00 lies outside the cube's time axis: choose days from"
    ):
        build(source, later)

    assert json.loads((later / "zarr.json").read_bytes()) == before
