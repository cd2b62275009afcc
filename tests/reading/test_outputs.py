"""Files written from a Dataset are read back equal, also by other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support.frames import REAL_NAMES

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS, to_lonlat
from radar_nb.reading.lazy_array import degrees_of

if TYPE_CHECKING:
    from pathlib import Path

FORECASTS = ("RE", "RQ")

every_file = pytest.mark.parametrize("name", REAL_NAMES)
some_files = pytest.mark.parametrize(
    "name", [name for name in REAL_NAMES if "1907" not in name and "160501" not in name and "1910" not in name]
)


def opened(path: Path, **options: Any) -> xr.Dataset:
    """Return each fifth cell of a file: writing and reading a million cells takes most of a second."""
    return rn.open_dataset(path, progress=False, **options)[{"y": slice(None, None, 5), "x": slice(None, None, 5)}]


@some_files
@pytest.mark.parametrize("options", [{}, {"packed": True, "flags": True}, {"lonlat": True, "flags": True}])
def test_netcdf_is_identical(name: str, options: dict[str, Any], real_frames: Path, tmp_path: Path) -> None:
    """Values, dtypes, coordinates and attributes of every product survive netCDF, packed or not."""
    ds = opened(real_frames / name, **options)

    ds.to_netcdf(tmp_path / "it.nc")

    with xr.open_dataset(tmp_path / "it.nc") as back:
        xr.testing.assert_identical(back.load(), xr.decode_cf(ds).load())
        for variable in set(ds.variables) - {"source"}:  # texts come back as texts of one length
            assert back[variable].dtype == xr.decode_cf(ds)[variable].dtype, variable


@some_files
def test_zarr_is_equal(name: str, real_frames: Path, tmp_path: Path) -> None:
    """Zarr has one float type for attributes, so xarray unpacks to float64: in float32 it is equal to the bit."""
    ds = opened(real_frames / name, flags=True)

    ds.to_zarr(tmp_path / "it.zarr", consolidated=False)

    back = xr.open_zarr(tmp_path / "it.zarr", consolidated=False).load()
    product = str(next(iter(ds.data_vars)))
    np.testing.assert_array_equal(back[product].astype("f4"), ds[product])
    xr.testing.assert_identical(back.drop_vars(product), ds.drop_vars(product).load())
    assert back[product].attrs == ds[product].attrs


@some_files
def test_integers_on_disk_are_packed_with_one_fill_value(name: str, real_frames: Path, tmp_path: Path) -> None:
    """A file contains DWD's integers, not floats of twice the size."""
    opened(real_frames / name).to_netcdf(tmp_path / "it.nc")

    with xr.open_dataset(tmp_path / "it.nc", decode_cf=False) as raw:
        product = next(iter(raw.data_vars))
        variable = raw[product]
        assert variable.dtype.kind == "u"
        assert variable.dtype.itemsize <= 2
        assert np.ndim(variable.attrs["_FillValue"]) == 0
        assert variable.attrs["_FillValue"] == np.iinfo(variable.dtype).max
        assert [v for v in raw.variables if "_FillValue" in raw[v].attrs] == [product]


@some_files
def test_the_cf_checker_finds_no_error(name: str, real_frames: Path, tmp_path: Path) -> None:
    """The checker of the Climate and Forecast conventions reports no error, flags and lon/lat included."""
    checker = pytest.importorskip("compliance_checker.runner", reason="compliance-checker is not installed")
    ds = opened(real_frames / name, flags=True, lonlat=True)
    ds.to_netcdf(tmp_path / "it.nc")

    checker.CheckSuite.load_all_available_checkers()
    checker.ComplianceChecker.run_checker(
        str(tmp_path / "it.nc"),
        ["cf:1.11"],
        verbose=0,
        criteria="normal",
        output_filename=str(tmp_path / "it.json"),
        output_format="json",
    )

    errors = _errors(tmp_path / "it.json")
    if name.startswith(FORECASTS):
        # it expects that a dimension named time is the time of validity; CF's own name for when a forecast was
        # made is forecast_reference_time
        errors = [text for text in errors if "forecast_reference_time" not in text]
    assert errors == []


def _errors(path: Path) -> list[str]:
    import json

    (report,) = json.loads(path.read_text()).values()
    return [text for item in report["high_priorities"] for text in item["msgs"]]


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rioxarray 0.19 with affine 3
@pytest.mark.parametrize(
    "name", ["raa01-yw2017.002_10000-2006131525-dwd---bin", "raa01-rw_10000-latest-dwd---bin.hdf5"]
)
def test_rioxarray_reads_projection_and_place(name: str, real_frames: Path, tmp_path: Path) -> None:
    """CRS, transform and bounds are those of the grid, also of a GeoTIFF, north up, with its scale."""
    rioxarray = pytest.importorskip("rioxarray", reason="rioxarray is not installed")
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
    from radar_nb.dwd.grids import PROJ, find_grid

    field = next(iter(rn.open_dataset(real_frames / name, progress=False).data_vars.values())).isel(time=0)
    grid = find_grid(field.sizes["y"], field.sizes["x"], version=5 if name.endswith("hdf5") else 3)
    edges = (grid.x[0] - 500, grid.y[0] - 500, grid.x[-1] + 500, grid.y[-1] + 500)

    assert field.rio.crs == rioxarray.crs.crs_from_user_input(PROJ[grid.earth])
    np.testing.assert_allclose(field.rio.bounds(), edges, atol=1e-3)
    field.sortby("y", ascending=False).rio.to_raster(tmp_path / "it.tif")
    with rasterio.open(tmp_path / "it.tif") as raster:
        np.testing.assert_allclose(raster.bounds, edges, atol=1e-3)
        values = raster.read(1, masked=True) * np.float32(raster.scales[0]) + raster.offsets[0]
        np.testing.assert_allclose(np.ma.filled(values.astype("f8"), np.nan)[::-1], field, rtol=1e-6)


def test_degrees_are_computed_where_they_are_read() -> None:
    """Coordinates of the fine grid equal the projection's for any selection, and opening computes none."""
    grid = GRIDS["de4800-wgs84"]
    part = xr.Dataset(coords=degrees_of(grid)).isel(y=slice(4790, 4800), x=[5, 7])
    x, y = np.meshgrid(grid.x[[5, 7]], grid.y[4790:])
    lon, lat = to_lonlat(x, y, grid.earth)

    np.testing.assert_array_equal(part.isel(y=3, x=1).lat.item(), lat[3, 1])
    np.testing.assert_array_equal(part.lon, lon)
    np.testing.assert_array_equal(part.lat, lat)
