"""The fields of a long series, some at a time, in order: one pass, and memory that does not grow."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.runtime.progress import Progress, reporting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    import xarray as xr
    from numpy.typing import NDArray

    from radar_nb.runtime.progress import Reporter

BLOCK = 32 << 20
"""Bytes of a block, as in `radar_nb.reading.dataset`: malloc reuses such memory without asking the system."""
_AHEAD = 1
"""Blocks that are read while one is worked on."""


def blocks(
    variable: xr.DataArray, task: str, *, progress: bool | Reporter = False
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Give a variable's values in stretches of time, one after the other.

    Parameters
    ----------
    variable : xarray.DataArray
        Its first dimension is time. Chunks of dask are taken as they are, if they are not too small.
    task : str
        What progress calls it.
    progress : bool or Reporter
        In time steps.

    Yields
    ------
    steps : slice
        Which steps these are.
    values : ndarray of float32, shape (steps, ...)
        NaN where missing; the caller's to change.
    """
    cuts = _cuts(variable)
    with reporting(progress) as report, ThreadPoolExecutor(1) as pool:
        waiting: deque[tuple[slice, Future[NDArray[np.float32]]]] = deque()
        try:
            for start, stop in pairwise(cuts):
                steps = slice(start, stop)
                waiting.append((steps, pool.submit(_read, variable, steps)))
                if len(waiting) > _AHEAD:
                    yield from _next(waiting)
                report(Progress(task=task, done=start, total=cuts[-1], unit="steps"))
            while waiting:
                yield from _next(waiting)
            report(Progress(task=task, done=cuts[-1], total=cuts[-1], unit="steps"))
        finally:
            pool.shutdown(cancel_futures=True)


def _next(
    waiting: deque[tuple[slice, Future[NDArray[np.float32]]]],
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    steps, future = waiting.popleft()
    yield steps, future.result()


def _read(variable: xr.DataArray, steps: slice) -> NDArray[np.float32]:
    return np.array(variable[steps].values, np.float32)


def _cuts(variable: xr.DataArray) -> list[int]:
    """Give where blocks begin and end: at the ends of chunks where there are some."""
    count = variable.sizes["time"]
    longest = max(1, int(BLOCK // max(4 * variable.size // count, 1)))
    ends = np.cumsum(variable.chunks[0]) if variable.chunks else np.arange(1, count + 1)
    cuts = [0]
    for at, end in enumerate(ends.tolist()):
        following = ends[at + 1] if at + 1 < len(ends) else count
        if end == count or following - cuts[-1] > longest:
            cuts.append(end)
    return cuts
