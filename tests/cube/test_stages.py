"""Cubes built straight from a plan: month by month, with little on the disk, and no month fetched twice."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import xarray as xr
from support.cubes import archive, files

import radar_nb as rn
from radar_nb.cube.building import build_cube
from radar_nb.cube.opening import open_cube
from radar_nb.errors import CoverageError, Incomplete, NothingFound
from radar_nb.mirror import Mirror
from radar_nb.reading.opening import open_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from radar_nb.dwd.catalogue import Plan
    from radar_nb.runtime.progress import Progress

BIN = "climate_environment/CDC/grids_germany/hourly/radolan/historical/bin/2019"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the folder of a server that has three months of RW, without November."""
    for month in ("08", "09", "10", "12"):
        days = [f"2019-{month}-{day}" for day in ("03", "04")]
        archive(tmp_path / "root" / BIN / f"RW2019{month}.tar.gz", days, seed=int(month) * 10)
    return tmp_path / "root"


@pytest.fixture
def server(root: Path) -> Iterator[str]:
    """Serve it."""
    with Mirror(root) as mirror:
        yield mirror.url


def plan(server: str, folder: Path, first: str = "2019-08", last: str = "2019-10") -> Plan:
    """Plan some months, with the sizes that the server lists."""
    return rn.plan("RW", first, last, source="radolan", folder=folder, base_url=server, listing=True)


def test_a_plan_becomes_a_cube(server: str, root: Path, tmp_path: Path) -> None:
    """The cube of a plan equals that of its archives; they are kept, and a second call writes nothing."""
    build_cube(plan(server, tmp_path / "data"), tmp_path / "cube", progress=False, client=False)
    before = files(tmp_path / "cube")

    again = build_cube(plan(server, tmp_path / "data"), tmp_path / "cube", progress=False, client=False)

    assert {outcome.state for outcome in again.outcomes} == {"kept"}
    assert files(tmp_path / "cube") == before
    expected = open_dataset([root / BIN / f"RW2019{month}.tar.gz" for month in ("08", "09", "10")])
    xr.testing.assert_identical(open_cube(tmp_path / "cube").load(), expected.load())


@pytest.mark.parametrize(
    ("first", "last", "days"),
    [
        ("2019-08-04", "2019-08-04", ["2019-08-04"]),
        ("2019-08-04T05", "2019-08-04T06", ["2019-08-04"]),
        ("2019-08-04", "2019-09-03", ["2019-08-04", "2019-09-03"]),
    ],
)
def test_a_plan_of_days_becomes_a_cube_of_these_days(
    server: str, tmp_path: Path, first: str, last: str, days: list[str]
) -> None:
    """From archives of months, the cube gets only the requested days, complete; the others are added later."""
    options: dict[str, Any] = {"progress": False, "client": False}

    made = build_cube(plan(server, tmp_path / "data", first, last), tmp_path / "cube", **options)

    assert [outcome.name for outcome in made.outcomes] == days
    times = open_cube(tmp_path / "cube").time.values
    assert sorted(set(times.astype("datetime64[D]").astype(str))) == days
    assert times.size == 4 * len(days)
    build_cube(plan(server, tmp_path / "data", "2019-08", "2019-09"), tmp_path / "cube", **options)
    assert open_cube(tmp_path / "cube").sizes["time"] == 2 * 2 * 4


def test_a_plan_of_a_day_that_no_archive_has_is_an_error(server: str, tmp_path: Path) -> None:
    """The message states the range."""
    wanted = plan(server, tmp_path / "data", "2019-08-05", "2019-08-05")

    with pytest.raises(NothingFound, match="no frame of 2019-08-05T00:00:00 to 2019-08-05T23:59:59: use another"):
        build_cube(wanted, tmp_path / "cube", progress=False, client=False)


def test_archives_can_be_removed(server: str, tmp_path: Path) -> None:
    """With keep_archives=False at most two months are on the disk, and none in the end."""
    most = 0

    def look(_: Progress, /) -> None:
        nonlocal most
        most = max(most, len(list((tmp_path / "data").rglob("*.tar.gz"))))

    build_cube(
        plan(server, tmp_path / "data"), tmp_path / "cube", keep_archives=False, progress=look, client=False
    )

    assert 1 <= most <= 2
    assert not [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert open_cube(tmp_path / "cube").sizes["time"] == 3 * 2 * 4


def test_days_in_the_cube_are_not_fetched_again(server: str, root: Path, tmp_path: Path) -> None:
    """A removed archive is fetched only if a day is missing or it was re-issued."""
    wanted = plan(server, tmp_path / "data")
    build_cube(wanted, tmp_path / "cube", keep_archives=False, progress=False, client=False)
    reissued = archive(root / BIN / "RW201909.tar.gz", ["2019-09-03"], seed=500)

    report = build_cube(
        plan(server, tmp_path / "data"), tmp_path / "cube", keep_archives=False, progress=False, client=False
    )

    assert {outcome.name: outcome.state for outcome in report.outcomes} == {"2019-09-03": "done"}
    month = open_cube(tmp_path / "cube").sel(time="2019-09-03").load()
    xr.testing.assert_equal(month.RW, open_dataset(reissued).RW.load())


def test_overwriting_fetches_removed_archives_again(server: str, root: Path, tmp_path: Path) -> None:
    """A cube with removed archives is rewritten from the server's current files."""
    options: Any = {"keep_archives": False, "progress": False, "client": False}
    build_cube(plan(server, tmp_path / "data"), tmp_path / "cube", **options)
    before = files(tmp_path / "cube")

    report = build_cube(plan(server, tmp_path / "data"), tmp_path / "cube", overwrite=True, **options)

    assert [outcome.state for outcome in report.outcomes] == ["done"] * 6
    assert files(tmp_path / "cube") == before


def test_a_plan_with_gaps(server: str, tmp_path: Path) -> None:
    """Available months are built, and the others are named."""
    with pytest.raises(Incomplete, match=r"RW 2019-11.*is not available") as caught:
        build_cube(
            plan(server, tmp_path / "data", "2019-10", "2019-12"), tmp_path / "cube", progress=False, client=False
        )

    failed = caught.value.report.failed
    assert [type(outcome.error) for outcome in failed] == [CoverageError]
    assert open_cube(tmp_path / "cube").sizes["time"] == 2 * 2 * 4


def test_a_month_that_cannot_be_fetched(server: str, root: Path, tmp_path: Path) -> None:
    """A damaged archive loses its month; the same call resumes when the server has repaired it."""
    wanted = plan(server, tmp_path / "data")
    path = root / BIN / "RW201909.tar.gz"
    whole = shutil.copy2(path, tmp_path / "whole")
    path.write_bytes(path.read_bytes()[:-100])

    report = build_cube(wanted, tmp_path / "cube", progress=False, client=False, errors="report")

    assert [outcome.state for outcome in report.outcomes].count("done") == 4
    assert len(report.failed) == 1
    shutil.copy2(whole, path)
    assert not build_cube(wanted, tmp_path / "cube", progress=False, client=False).failed
    assert open_cube(tmp_path / "cube").sizes["time"] == 3 * 2 * 4
