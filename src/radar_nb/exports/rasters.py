"""Fields as files: GeoTIFF and netCDF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from radar_nb.analysis.inputs import fields_of, grid_of, variable_of
from radar_nb.dwd.grids import PROJ
from radar_nb.errors import SettingsError

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


def geotiff_bytes(data: xr.Dataset) -> bytes:
    """Return the bytes of a cloud-optimised GeoTIFF, one band a time step."""
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
    profile = {
        "driver": "COG",
        "height": grid.rows,
        "width": grid.cols,
        "count": fields.sizes["time"],
        "dtype": "float32",
        "nodata": float("nan"),
        "crs": PROJ[grid.earth].replace(" +type=crs", ""),
        "transform": Affine(grid.cell, 0, west, 0, -grid.cell, north),
        "compress": "DEFLATE",
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as tiff:
            for band, field in enumerate(fields, start=1):
                tiff.write(np.asarray(field.values, np.float32)[::-1], band)
                tiff.set_band_description(band, f"{np.datetime_as_string(field['time'].values, 'm')}Z")
                tiff.set_band_unit(band, str(fields.attrs.get("units", "1")))
            tags = {**plain_attrs(data.attrs), "variable": fields.name, **plain_attrs(fields.attrs)}
            tiff.update_tags(**{str(key): str(value) for key, value in tags.items()})
        return bytes(memory.read())
