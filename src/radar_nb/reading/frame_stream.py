"""A series that several threads read once, forward, and its implementation for archives."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from radar_nb.formats.cursor import iter_codes
from radar_nb.reading.dataset import assemble, open_series
from radar_nb.reading.forecasts import over_validity
from radar_nb.runtime.progress import Progress, reporting

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid
    from radar_nb.formats.packing import Packing
    from radar_nb.reading.dataset import Options
    from radar_nb.reading.regridding import Weights
    from radar_nb.runtime.progress import Reporter

_BATCH = 288
"""Frames per batch, if days have so many: a day of 5-minute frames."""
_SHARES = 4
"""Minimum batches per thread, so that all end at about the same time."""

Take = Callable[[int, "NDArray[Any]", "Packing", "Weights | None"], None]
"""Called with the number of a time step, the frame's codes, their packing, and the weights to the grid."""


class FrameStream(Protocol):
    """A series of frames.

    Attributes
    ----------
    like : Dataset
        The same series from `open_dataset` or `open_cube`.
    name, product : str
        The name of the variable, and DWD's letters.
    grid : Grid
        The grid of the result.
    dims, shape : tuple
        Of a frame: ("y", "x"), and the grid's rows and columns.
    minutes : int
        The interval of a value.
    fill : int
        The integer that marks missing cells in integer values.
    times : ndarray of datetime64[s]
        Of the steps: ends of the intervals, of forecasts the time of validity.
    there : ndarray of bool
        Which steps have a frame.
    """

    like: xr.Dataset
    name: str
    product: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    minutes: int
    fill: int
    times: NDArray[np.datetime64]
    there: NDArray[np.bool_]

    @property
    def grid(self) -> Grid:
        """See above."""

    def batches(self, workers: int) -> Sequence[NDArray[np.int64]]:
        """Split the steps that have a frame into batches, each for one thread."""

    def read(self, steps: NDArray[np.int64], take: Take) -> None:
        """Pass the frames of a batch to a taker."""


def read_stream(stream: FrameStream, make: Callable[[], Take], workers: int, progress: bool | Reporter) -> None:
    """Pass every frame of a stream once to a taker; each thread makes its own taker."""
    own = threading.local()

    def task(batch: NDArray[np.int64]) -> int:
        if not hasattr(own, "take"):
            own.take = make()
        stream.read(batch, own.take)
        return batch.size

    with reporting(progress) as report, ThreadPoolExecutor(workers) as pool:
        work = [pool.submit(task, batch) for batch in stream.batches(workers)]
        done, total = 0, int(stream.there.sum())
        try:
            for future in as_completed(work):
                done += future.result()
                report(Progress(task="reduce", done=done, total=total, unit="frames"))
        finally:
            pool.shutdown(cancel_futures=True)


class ArchiveStream:
    """The stream of archives and frames: see `FrameStream`.

    Parameters
    ----------
    source, options, progress
        As in `open_dataset`, which lists the errors.
    """

    def __init__(self, source: Any, options: Options, progress: bool | Reporter) -> None:
        opened = open_series(source, options, progress=progress)
        if opened.series.leads[0] is not None:  # neither a run nor a lead time was asked for: if there is only one
            series = over_validity(opened.series, sums=options.sums)
            opened = replace(opened, series=series)
        self._opened = opened
        self.like = assemble(opened, options)
        self.name, self.product = opened.name, opened.product
        self.grid, self.minutes = opened.target.grid, opened.target.minutes
        self.dims: tuple[str, ...] = ("y", "x")
        self.shape: tuple[int, ...] = self.grid.shape
        self.fill = opened.target.packing.fill
        self.times = opened.series.times
        self.there = opened.series.slots[:, 0] >= 0

    def batches(self, workers: int) -> Sequence[NDArray[np.int64]]:
        """Split the steps so that each part of an archive is read by one thread, forward."""
        frames, slots = self._opened.series.frames, self._opened.series.slots[:, 0]
        steps = np.flatnonzero(self.there)
        rows = frames.rows[slots[steps]]
        steps = steps[np.lexsort((rows["position"], rows["part"]))]
        parts = frames.rows["part"][slots[steps]]
        starts = np.append(0, np.flatnonzero(np.diff(parts)) + 1)
        size = max(1, min(_BATCH, steps.size // (_SHARES * workers)))
        cuts = starts[np.append(True, np.diff(starts // size) > 0)]
        return np.split(steps, cuts[1:])

    def read(self, steps: NDArray[np.int64], take: Take) -> None:
        """Pass the frames of a batch to a taker, in the order of their positions."""
        opened = self._opened
        packings = [template.packing for template in opened.templates]
        numbers = opened.series.slots[steps, 0].tolist()
        for step, found in zip(steps.tolist(), iter_codes(opened.series.frames, numbers, packings), strict=True):
            kind, codes, packing = found
            take(step, codes, packing, opened.weights[kind])
