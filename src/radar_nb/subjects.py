"""What analyses are made of: a Dataset as it is, or archives, which are opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from radar_nb.reading import open_dataset

if TYPE_CHECKING:
    from radar_nb.progress import Reporter


def is_dataset(data: Any) -> bool:
    """Tell whether this is a Dataset or a variable of one, and no source of frames."""
    return isinstance(data, xr.Dataset | xr.DataArray)


def dataset_of(data: Any, *, progress: bool | Reporter, **options: Any) -> xr.Dataset | xr.DataArray:
    """Give a Dataset as it is, and open what else `open_dataset` takes, to be read block by block."""
    if isinstance(data, xr.Dataset | xr.DataArray):
        return data
    return open_dataset(data, chunks=None, progress=progress, **options)
