"""Exports: other programs read the same values with their metadata."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd  # type: ignore[import-untyped] # as in the package
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
import xarray as xr
from support.small_rain import rain, showers

from radar_nb.analysis.api import accumulate, at_points, over_areas
from radar_nb.analysis.inputs import grid_of
from radar_nb.dwd.grids import PROJ, to_lonlat
from radar_nb.errors import NotWritable, SeriesError, SettingsError, StorageError
from radar_nb.exports.api import export

if TYPE_CHECKING:
    from pathlib import Path

DS = rain(showers(24, 8, 9, missing=0.05))
GRID = grid_of(DS.YW)
LON, LAT = (float(value) for value in to_lonlat(GRID.x[3], GRID.y[2], "sphere"))
POINTS = at_points(DS, {"Köln": (LON, LAT), "b": (LON + 0.03, LAT)}, progress=False)
SHAPE = shapely.box(GRID.x0, GRID.y0, GRID.x0 + 3000, GRID.y0 + 2500)
SHAPES = gpd.GeoDataFrame({"name": ["a"]}, geometry=[SHAPE], crs=PROJ["sphere"])
AREAS = over_areas(DS, SHAPES, names="name", progress=False)


@pytest.mark.parametrize("data", [POINTS, AREAS, accumulate(AREAS, "1h"), AREAS.isel(area=0)])
def test_csv(data: xr.Dataset, tmp_path: Path) -> None:
    """Rows are times, columns series; the lines above are metadata that a program can read."""
    path = export(data, tmp_path / "series.csv")

    table = pd.read_csv(path, comment="#", index_col="time", parse_dates=True)
    metadata = json.loads(path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    np.testing.assert_allclose(
        table[[name for name in table if not name.startswith("coverage")]].to_numpy(),
        data.YW.data.reshape(data.sizes["time"], -1),
        rtol=1e-6,
    )
    assert (table.index.tz_localize(None).to_numpy() == data.time.to_numpy()).all()
    assert metadata["attributes_of_variable"]["units"] == "mm"
    assert metadata["time"] == "end of the interval, UTC"


@pytest.mark.parametrize("data", [POINTS, AREAS])
def test_parquet(data: xr.Dataset, tmp_path: Path) -> None:
    """A Parquet table has the same values, times in UTC, and metadata in the schema."""
    path = export(data, tmp_path / "series.parquet")

    table = pd.read_parquet(path)
    metadata = json.loads(pq.read_schema(path).metadata[b"radar_nb"])
    along = "point" if "point" in data.dims else "area"
    names = data[along].data.tolist()
    np.testing.assert_array_equal(table[names].to_numpy(), data.YW.data)
    assert str(table.index.tz) == "UTC"
    assert metadata[along]["lon"] == data.lon.data.tolist()
    assert metadata["attributes"]["title"].startswith("RADKLIM")


@pytest.mark.parametrize("fields", [DS.isel(time=slice(3)), DS.isel(time=0), DS.isel(y=slice(None, None, -1))])
def test_geotiff(fields: xr.Dataset, tmp_path: Path) -> None:
    """GDAL finds each value at its place, north up, with its unit and time."""
    path = export(fields, tmp_path / "field.tif")

    with rasterio.open(path) as tiff:
        values, where = tiff.read(), tiff.transform
        assert tiff.crs == rasterio.crs.CRS.from_string(PROJ["sphere"].replace(" +type=crs", ""))
        assert (where.a, where.e) == (1000, -1000)
        assert tiff.tags()["units"] == "mm"
        assert tiff.descriptions[0] == "2020-06-13T00:05Z"
        assert tiff.units[0] == "mm"
        assert tiff.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    row, col = int((where.f - GRID.y[2]) // 1000), int((GRID.x[3] - where.c) // 1000)
    there = fields.YW.sel(x=GRID.x[3], y=GRID.y[2])
    np.testing.assert_array_equal(values[:, row, col], np.atleast_1d(there.data))


@pytest.mark.parametrize("data", [DS, POINTS, accumulate(DS, "1h")])
def test_netcdf(data: xr.Dataset, tmp_path: Path) -> None:
    """A netCDF file is read back with equal values, coordinates and attributes."""
    path = export(data, tmp_path / "all.nc")

    with xr.open_dataset(path, decode_coords="all") as found:
        xr.testing.assert_allclose(found.YW, data.YW)
        assert found.attrs == data.attrs


@pytest.mark.parametrize(
    ("data", "name", "error", "text"),
    [
        (DS, "a.xlsx", SettingsError, r"cannot write a\.xlsx: choose one of the suffixes \.csv, \.parquet, \.tif"),
        (DS, "a.csv", SeriesError, "'YW' holds fields, and a table needs series"),
        (POINTS, "a.tif", SeriesError, r"not \(time, y, x\)"),
        (DS.YW, "a.nc", SeriesError, "export needs a Dataset, not a DataArray"),
    ],
)
def test_invalid_exports(data: Any, name: str, error: type[Exception], text: str, tmp_path: Path) -> None:
    """Fields are not a table, series are not a map, and an unknown kind of file lists the known ones."""
    with pytest.raises(error, match=text):
        export(data, tmp_path / name)

    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_raises(tmp_path: Path) -> None:
    """The error names the path."""
    (tmp_path / "file").touch()

    with pytest.raises((StorageError, NotWritable), match="cannot be written"):
        export(POINTS, tmp_path / "file" / "a.csv")
