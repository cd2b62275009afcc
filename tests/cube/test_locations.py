"""The location of cubes in the data folder, and the months that they hold."""

from __future__ import annotations

from calendar import monthrange
from typing import TYPE_CHECKING

import pytest
from support import cubes

import radar_nb as rn
from radar_nb.cube.locations import built_months, cube_path
from radar_nb.dwd.months import Month, month_range
from radar_nb.dwd.products import product
from radar_nb.errors import CubeError

if TYPE_CHECKING:
    from pathlib import Path

OCTOBER = Month(2019, 10)


def test_each_family_has_its_own_cube(tmp_path: Path) -> None:
    """Families have their own grids; characters not allowed in file names are spelt out."""
    rw, share = product("RW"), product("%M")

    paths = {cube_path(tmp_path, rw, family) for family in rw.families}

    assert len(paths) == len(rw.families)
    assert cube_path(tmp_path, rw, rw.families[0]) == tmp_path / "cubes" / "RW-radklim.zarr"
    assert {cube_path(tmp_path, share, family).name[:9] for family in share.families} <= {"percent_M"}


def test_a_month_is_built_when_all_its_days_are(tmp_path: Path) -> None:
    """A month begins at midnight of the first day; one missing day makes it incomplete."""
    days = [f"2019-10-{day + 1:02d}" for day in range(monthrange(2019, 10)[1])]
    store, months = tmp_path / "cube", month_range("2019-09", "2019-11")
    assert built_months(store, months) == set()

    rn.build_cube(
        cubes.archive(tmp_path / "a" / "RW201910.tar.gz", days[:-1], hours=cubes.HOURS[:1]), store, progress=False
    )
    assert built_months(store, months) == set()

    rn.build_cube(
        cubes.archive(tmp_path / "b" / "RW201910.tar.gz", days[-1:], hours=cubes.HOURS[:1]), store, progress=False
    )
    assert built_months(store, months) == {OCTOBER}


def test_a_folder_with_a_cube_is_read_without_it(tmp_path: Path) -> None:
    """A cube in the data folder is ignored; if passed itself, the error names open_cube."""
    hours = cubes.archive(tmp_path / "data" / "RW201910.tar.gz", ["2019-10-14"])
    store = tmp_path / "data" / "cubes" / "RW-radklim.zarr"
    rn.build_cube(hours, store, progress=False)

    assert rn.open_dataset(tmp_path / "data", progress=False).sizes["time"] == len(cubes.HOURS)
    with pytest.raises(CubeError, match="open it with open_cube"):
        rn.open_dataset(store)
