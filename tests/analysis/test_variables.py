"""A Dataset's variable, intervals and cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import pytest
from support.small_rain import COL, ROW, rain, series

from radar_nb.analysis.inputs import amount_of, cell_areas, fields_of, grid_of, variable_of
from radar_nb.dwd.grids import GRIDS, PROJ, to_lonlat
from radar_nb.errors import SeriesError

DS = rain(np.zeros((3, 4, 5)))


def test_coverage_and_flags_are_not_the_variable() -> None:
    """In a Dataset with coverage and flags, the variable is the remaining one."""
    several = DS.assign(coverage=DS.YW, flags=DS.YW)

    assert variable_of(several).name == "YW"
    assert amount_of(DS.YW)[0].name == "YW"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (DS.assign(RW=DS.YW), "one variable is needed, and the Dataset has YW, RW"),
        (DS.drop_vars("YW"), "the Dataset has none"),
        (DS.YW.values, "is not a Dataset"),
        (DS.YW.isel(time=0), "has no times"),
        (DS.isel(time=[0, 0, 1]), "do not rise"),
        (DS.isel(time=[1, 0]), "do not rise"),
        (DS.YW.expand_dims(lead_time=2), "several lead times"),
    ],
)
def test_data_that_are_not_a_series_raise(data: Any, text: str) -> None:
    """Data that are not a series of one variable raise an error with a remedy."""
    with pytest.raises(SeriesError, match=text):
        variable_of(data)


@pytest.mark.parametrize(
    "attrs", [{"units": "mm h-1"}, {"units": "dBZ"}, {"cell_methods": "time: maximum"}, {"cell_methods": ""}]
)
def test_only_amounts_are_accepted_as_amounts(attrs: dict[str, str]) -> None:
    """A rate, a reflectivity and an extreme raise an error that names them."""
    with pytest.raises(SeriesError, match="only amounts in mm can be summed"):
        amount_of(DS.YW.assign_attrs(attrs))


def test_the_stated_interval_takes_precedence() -> None:
    """A variable's attribute takes precedence over its steps; without either the interval is unknown."""
    hourly = series([1, 2, 3], minutes=60)
    del hourly.attrs["interval_minutes"]

    assert amount_of(DS.isel(time=[0, 2]))[1] == 5
    assert amount_of(hourly)[1] == 60
    with pytest.raises(SeriesError, match="how long its intervals are"):
        amount_of(hourly[:1])


def test_a_part_of_a_grid_is_found() -> None:
    """Any part of DWD's cells is recognised, in ascending or descending order."""
    grid = grid_of(fields_of(DS.YW.isel(y=slice(None, None, -1))))

    assert (grid.shape, grid.name) == ((4, 5), "a part of de900")  # on the lattice of both grids
    assert (grid.y0, grid.x0) == (GRIDS["de1100"].y[ROW], GRIDS["de1100"].x[COL])


@pytest.mark.parametrize("name", ["de1100", "de1200-wgs84", "de900"])
def test_a_whole_grid_is_found(name: str) -> None:
    """Coordinates of a whole grid return the registry's grid."""
    grid = GRIDS[name]
    fields = rain(np.zeros((1, 2, 2))).YW.isel(x=0, y=0, drop=True).expand_dims(y=grid.y, x=grid.x)

    found = grid_of(fields.assign_coords(crs=((), 0, pyproj.CRS(PROJ[grid.earth]).to_cf())))

    assert found == grid


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda da: da.drop_vars("crs"), "no coordinate crs"),
        (lambda da: da.assign_coords(x=da.x + 100), "does not lie on a grid of DWD"),
        (lambda da: da.isel(x=[0, 2, 3]), "does not lie on a grid of DWD"),
        (lambda da: da.assign_coords(crs=((), 0, {"semi_major_axis": 1.0})), "does not lie on a grid of DWD"),
    ],
)
def test_coordinates_off_every_grid_raise(change: Any, text: str) -> None:
    """Coordinates that are not DWD's cells raise; the grid is never guessed."""
    with pytest.raises(SeriesError, match=text):
        grid_of(change(DS.YW))


def test_series_are_not_fields() -> None:
    """A function that needs cells raises an error that names their dimensions."""
    with pytest.raises(SeriesError, match="has the dimensions time, not"):
        fields_of(series([1, 2]))


@pytest.mark.parametrize(("name", "error"), [("de1100", 1e-9), ("de1200-wgs84", 3e-3)])
def test_the_size_of_cells_on_the_ground(name: str, error: float) -> None:
    """The size follows the projection's scale factors as pyproj computes them."""
    grid = GRIDS[name]
    y, x = grid.y[::97], np.resize(grid.x[::97], grid.y[::97].size)
    lon, lat = to_lonlat(x, y, grid.earth)
    factors = np.asarray(pyproj.Proj(PROJ[grid.earth]).get_factors(lon, lat).areal_scale)

    areas = cell_areas(grid)[np.searchsorted(grid.y, y), np.searchsorted(grid.x, x)]

    np.testing.assert_allclose(areas, 1 / factors, rtol=error)
