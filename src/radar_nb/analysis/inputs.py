"""What analyses are made of: a Dataset as it is, or archives and cubes, which are opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import xarray as xr

from radar_nb.analysis.variables import BESIDE
from radar_nb.errors import SettingsError, StorageError
from radar_nb.reading.opening import open_dataset
from radar_nb.reading.sources import is_cube

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def named(paths: Sequence[str]) -> str | Sequence[str]:
    """Give a path that stands alone as it is, since it may be a cube's folder."""
    return paths[0] if len(paths) == 1 else paths


def field_of_paths(paths: Sequence[str], variable: str | None) -> xr.DataArray:
    """Open what paths name: archives, frames, folders, a cube, or a netCDF that `radar-nb accumulate` wrote.

    Raises
    ------
    SettingsError
        It holds several variables and none is named, or not the one that is.
    StorageError
        It is no netCDF that can be read.
    """
    source = named(paths)
    saved = isinstance(source, str) and source.endswith(".nc") and Path(source).is_file()
    ds = _saved(source) if saved else dataset_of(source, progress=True)
    names = [str(name) for name in ds.data_vars if name not in BESIDE]
    wanted = variable or (names[0] if len(names) == 1 else "")
    if wanted not in names:
        raise SettingsError(f"{source} holds {', '.join(names)}: name one of them, --variable {names[0]}")
    return ds[wanted]


def _saved(path: Any) -> xr.Dataset:
    try:
        return xr.open_dataset(path, engine="h5netcdf", decode_coords="all")
    except OSError as error:
        raise StorageError(f"{path} is no netCDF that can be read ({error}): make it again") from error
