"""Series of areas straight from archives: every frame is read once, and nothing of it is kept but some means."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.analysis.areas import Means, find_areas
from radar_nb.analysis.localities import area_dataset
from radar_nb.cube.frame_stream import open_stream
from radar_nb.errors import SeriesError
from radar_nb.reading.frame_stream import read_stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.formats.packing import Packing
    from radar_nb.reading.dataset import Options
    from radar_nb.reading.frame_stream import Take
    from radar_nb.reading.regridding import Weights
    from radar_nb.runtime.progress import Reporter


def stream_areas(
    source: Any, areas: Any, options: Options, *, names: str | None, workers: int | None, progress: bool | Reporter
) -> xr.Dataset:
    """Give the means over areas of every frame of a source: see `radar_nb.over_areas`."""
    stream = open_stream(source, options, progress=progress)
    variable = stream.like[stream.name]
    if len(stream.leads) > 1 or variable.dtype.kind != "f":
        raise SeriesError(
            f"{stream.name} has several lead times, or classes, which have no mean over an area: choose amounts, "
            "of one lead time"
        )
    found = find_areas(areas, stream.grid, names=names)
    out = np.full((2, len(stream.times), len(found.names)), np.nan, np.float32)
    out[1] = 0

    def make() -> Take:
        means = Means(found)

        def take(step: int, codes: NDArray[Any], packing: Packing, way: Weights | None) -> None:
            if way is None:
                values = packing.values(codes.take(found.cells))
            else:
                values = way.apply(packing.values(codes)).take(found.cells)
            out[0, step], out[1, step] = means.of(values)

        return take

    read_stream(stream, make, workers or os.cpu_count() or 1, progress)
    dims = ("time", "area")
    return (
        area_dataset(variable, xr.Variable(dims, out[0]), xr.Variable(dims, out[1]), found)
        .assign_coords(time_bnds=stream.like["time_bnds"])
        .assign_attrs(stream.like.attrs)
    )
