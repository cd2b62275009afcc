"""The accessor `radar` of xarray: selection by places in degrees or by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr

import radar_nb as rn
from radar_nb.analysis.points import find_places
from radar_nb.dwd.grids import GRIDS, to_lonlat
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.geography.towns import place

if TYPE_CHECKING:
    from pathlib import Path

GRID = GRIDS["de1100"]


@pytest.fixture(scope="module")
def ds(real_frames: Path) -> xr.Dataset:
    """Return a real field of YW."""
    found: xr.Dataset = rn.open_dataset(
        real_frames / "raa01-yw2017.002_10000-2006131525-dwd---bin", progress=False, flags=True
    ).load()
    return found


def test_a_point_selects_the_cell_that_contains_it(ds: xr.Dataset) -> None:
    """A town, its degrees, and `at_points` select the same cell, also with descending y."""
    rows, cols = find_places(["Görlitz"], GRID).home
    lon, lat = place("Görlitz")
    expected = ds.YW.isel(y=int(rows[0]), x=int(cols[0]))

    for found in (
        ds.radar.sel("Görlitz").YW,
        ds.radar.sel(lon=lon, lat=lat).YW,
        ds.YW.radar.sel("Görlitz"),
        ds.YW.isel(y=slice(None, None, -1)).radar.sel("Görlitz"),
    ):
        xr.testing.assert_identical(found, expected)


def test_several_points_select_as_many_cells(ds: xr.Dataset) -> None:
    """Arrays of degrees add a dimension `point` in the order of the arrays."""
    found = ds.YW.radar.sel(lon=[12.371, 14.98], lat=[51.34, 51.15])

    assert found.dims == ("time", "point")
    np.testing.assert_array_equal(found[:, 0], ds.YW.radar.sel(lon=12.371, lat=51.34))


def test_a_box_keeps_the_cells_that_it_touches(ds: xr.Dataset) -> None:
    """A box around a town has as many cells as the distance, with the town's cell in the middle."""
    found = ds.radar.clip("Leipzig +- 10 km").YW
    lon, lat = to_lonlat(float(found.x.mean()), float(found.y.mean()), "sphere")

    assert found.shape == (1, 22, 22)  # 10 km are 10.7 km in the projection
    assert (float(lon), float(lat)) == pytest.approx(tuple(place("Leipzig")), abs=0.01)


def test_areas_keep_the_cells_whose_centres_they_contain(ds: xr.Dataset) -> None:
    """Cells outside the areas are NaN; inside, values, attributes and interval are kept; flags stay integers."""
    area = shapely.Point(12.4, 51.3).buffer(0.2)
    found = ds.radar.clip(gpd.GeoDataFrame(geometry=[area], crs=4326))
    x, y = np.meshgrid(found.x, found.y)
    lon, lat = to_lonlat(x, y, "sphere")
    inside = shapely.contains_xy(area, lon, lat)

    assert 0 < inside.sum() < inside.size
    np.testing.assert_array_equal(found.YW.notnull()[0] & inside, found.YW.notnull()[0])
    np.testing.assert_array_equal(found.YW.values[0][inside], ds.YW.sel(x=found.x, y=found.y).values[0][inside])
    assert found.YW.attrs == ds.YW.attrs
    assert found.flags.dtype == ds.flags.dtype
    assert rn.accumulate(found[["YW"]], min_coverage=0).YW.notnull().sum() == found.YW.notnull().sum()


def test_rates_are_those_of_to_rate(ds: xr.Dataset) -> None:
    """All amounts of a Dataset become rates; the rest is kept."""
    found = ds.radar.to_rate()

    xr.testing.assert_identical(found.YW, rn.to_rate(ds.YW))
    xr.testing.assert_identical(found.flags, ds.flags)
    with pytest.raises(SeriesError, match="no variable of the Dataset is an amount in mm"):
        ds[["flags"]].radar.to_rate()


def test_the_footprint_is_the_outline_of_the_grid(ds: xr.Dataset) -> None:
    """The footprint is a valid polygon in degrees with the corners that DWD publishes for the 1100 x 900 grid."""
    shape = shapely.geometry.shape(ds.radar.footprint)

    assert shape.is_valid
    assert shape.contains(shapely.Point(*place("Leipzig")))
    for corner in (GRID.x[0], GRID.x[-1]):
        lon, lat = to_lonlat(corner, GRID.y[0], "sphere")
        assert shape.exterior.distance(shapely.Point(float(lon), float(lat))) < 0.01


def test_local_times_are_a_coordinate(ds: xr.Dataset) -> None:
    """`local_time` is the end of the interval in the zone, also for a single field; `time` stays UTC."""
    for data in (ds, ds.YW, ds.YW.isel(time=0)):
        found: Any = data.radar.local_time("Europe/Berlin")

        assert found.local_time.values.ravel()[0] == np.datetime64("2020-06-13T17:25")
        assert found.local_time.attrs["timezone"] == "Europe/Berlin"
        assert found.time.values.ravel()[0] == np.datetime64("2020-06-13T15:25")


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda r: r.sel("Lepzig"), SettingsError, "unknown place 'Lepzig'"),
        (lambda r: r.sel(), SettingsError, "pass a town, such as sel\\('Leipzig'\\), or both lon= and lat="),
        (lambda r: r.sel(lon=1), SettingsError, "both lon= and lat="),
        (lambda r: r.sel("Leipzig", lon=1, lat=2), SettingsError, "pass a town"),
        (lambda r: r.sel(lon=51, lat=12), SettingsError, "lon 51, lat 12 lies outside the data"),
        (
            lambda r: r.sel(lon=[[12.3]], lat=[[51.3]]),
            SettingsError,
            "have 2 dimensions: pass numbers",
        ),
        (lambda r: r.clip((1, 2, 3, 4)), SettingsError, "lies outside the data: they cover 3.1 to 17.1 E"),
        (lambda r: r.local_time("Europe/Berln"), SettingsError, "unknown timezone='Europe/Berln'"),
        (
            lambda r: r.clip(gpd.GeoSeries([shapely.Point(12.4, 51.3).buffer(0.001)], crs=4326)),
            SettingsError,
            "contain no cell's centre: use over_areas",
        ),
    ],
)
def test_invalid_selections_raise(ds: xr.Dataset, call: Any, error: type[Exception], message: str) -> None:
    """The message names the invalid value and a remedy."""
    with pytest.raises(error, match=message):
        call(ds.radar)


def test_arrays_without_dwds_cells_raise() -> None:
    """An array without y and x, or with those of another projection, raises."""
    one = xr.DataArray(np.zeros((2, 2)), {"y": [0.5, 1.5], "x": [0.5, 1.5]}, ("y", "x"))

    with pytest.raises(SeriesError, match="not known to be on DWD's polar stereographic grid"):
        one.radar.sel("Leipzig")
    with pytest.raises(SeriesError, match="no dimension 'y' with coordinates"):
        one.mean("y").radar.sel("Leipzig")
