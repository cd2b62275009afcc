"""Fields as files: GeoTIFF and netCDF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from radar_nb.analysis.inputs import fields_of, grid_of, variable_of
from radar_nb.dwd.grids import PROJ
from radar_nb.errors import SettingsError
from radar_nb.exports.web_grid import web_grid

if TYPE_CHECKING:
    import xarray as xr

_MISSING = "pip install 'radar-nb[gis]'"


def netcdf_bytes(data: xr.Dataset) -> bytes:
    """Return the bytes of a netCDF file: compressed, times in seconds."""
    packed = {name: {"zlib": True, "complevel": 1} for name in data.data_vars}
    return bytes(cast("bytes", data.to_netcdf(engine="h5netcdf", encoding=packed)))


def plain_attrs(attrs: dict[Any, Any]) -> dict[str, Any]:
    """Return attributes with plain Python values."""
    return {
        str(key): value.tolist() if isinstance(value, np.generic | np.ndarray) else value
        for key, value in attrs.items()
    }


def geotiff_bytes(data: xr.Dataset, crs: Any = None) -> bytes:
    """Return the bytes of a cloud-optimised GeoTIFF, one band a time step.

    In another CRS than DWD's, each pixel has the value of the cell it lies in, NaN outside the grid.
    """
    try:
        from rasterio import Affine  # noqa: PLC0415 - an extra
        from rasterio.io import MemoryFile  # noqa: PLC0415 - the same
    except ImportError as error:
        raise SettingsError(f"GeoTIFF needs rasterio: {_MISSING}") from error
    single = data if "time" in data.dims else data.expand_dims("time") if "time" in data.coords else data
    fields = fields_of(variable_of(single))
    grid = grid_of(fields)
    half = grid.cell / 2
    west, north = grid.x0 - half, grid.y0 + grid.rows * grid.cell - half
    pixels = None if crs is None else web_grid(grid, crs)
    place = Affine(grid.cell, 0, west, 0, -grid.cell, north)
    if pixels is not None:
        place = Affine(pixels.dx, 0, pixels.west, 0, -pixels.dy, pixels.north)
    profile = {
        "driver": "COG",
        "height": grid.rows if pixels is None else pixels.cells.shape[0],
        "width": grid.cols if pixels is None else pixels.cells.shape[1],
        "count": fields.sizes["time"],
        "dtype": "float32",
        "nodata": float("nan"),
        "crs": PROJ[grid.earth].replace(" +type=crs", "") if pixels is None else pixels.crs.to_wkt(),
        "transform": place,
        "compress": "DEFLATE",
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as tiff:
            for band, field in enumerate(fields, start=1):
                values = np.asarray(field.values, np.float32)
                tiff.write(values[::-1] if pixels is None else pixels.take(values, np.float32(np.nan)), band)
                tiff.set_band_description(band, f"{np.datetime_as_string(field['time'].values, 'm')}Z")
                tiff.set_band_unit(band, str(fields.attrs.get("units", "1")))
            tags = {**plain_attrs(data.attrs), "variable": fields.name, **plain_attrs(fields.attrs)}
            tiff.update_tags(**{str(key): str(value) for key, value in tags.items()})
        return bytes(memory.read())
