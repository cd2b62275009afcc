"""What analyses are made of: a Dataset as it is, or archives and cubes, which are opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from radar_nb.errors import StorageError
from radar_nb.reading.opening import open_dataset
from radar_nb.reading.sources import is_cube

if TYPE_CHECKING:
    from radar_nb.runtime.progress import Reporter


def is_dataset(data: Any) -> bool:
    """Tell whether this is a Dataset or a variable of one, and no source of frames."""
    return isinstance(data, xr.Dataset | xr.DataArray)


def cut_dataset(store: Any, **options: Any) -> xr.Dataset:
    """Open a cube, which gives boxes and pixels without the fields around them."""
    from radar_nb.cube.opening import open_cube  # noqa: PLC0415 - zarr is loaded where there is a cube

    return open_cube(store, chunks=None, **options)


def dataset_of(data: Any, *, progress: bool | Reporter, **options: Any) -> xr.Dataset | xr.DataArray:
    """Give a Dataset as it is, and open a cube, or what `open_dataset` takes, to be read block by block."""
    if isinstance(data, xr.Dataset | xr.DataArray):
        return data
    if is_cube(data):
        return cut_dataset(data)
    return open_dataset(data, chunks=None, progress=progress, **options)


def read_netcdf(path: str) -> xr.Dataset:
    """Open a netCDF that `radar-nb accumulate` wrote; raise StorageError if it cannot be read."""
    try:
        return xr.open_dataset(path, engine="h5netcdf", decode_coords="all")
    except OSError as error:
        raise StorageError(f"{path} is not a readable netCDF file ({error}): write it again") from error
