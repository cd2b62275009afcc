"""A long series in blocks of time, each read while the one before is processed.

`blocks` reads the variable of a Dataset. `stream_blocks` reads the frames of archives and cubes, as codes where
that is possible, because decoding a frame takes longer than reading it.
"""

from __future__ import annotations

import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from queue import Queue
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.workers import read_chunks

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from concurrent.futures import Future

    import xarray as xr
    from numpy.typing import NDArray

    from radar_nb.formats.packing import Packing
    from radar_nb.reading.frame_stream import FrameStream
    from radar_nb.reading.regridding import Weights
    from radar_nb.runtime.progress import Reporter

BLOCK = 32 << 20
"""Bytes of a block, as in `radar_nb.reading.dataset`: malloc reuses such memory without a system call."""
STEPS = 12
"""Frames of which a block has a multiple: an hour of 5-minute frames."""
_AHEAD = 1
"""Blocks that are read while one is processed."""


def blocks(
    variable: xr.DataArray, task: str, *, progress: bool | Reporter = False
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Iterate over a variable's values in blocks of time.

    Parameters
    ----------
    variable : xarray.DataArray
        Its first dimension is time. Dask chunks are kept whole, and small ones are joined.
    task : str
        Name of the task in progress reports.
    progress : bool or Reporter
        In time steps.

    Yields
    ------
    steps : slice
        Range of the steps.
    values : ndarray of float32, shape (steps, ...)
        NaN where missing; the caller may change them.
    """
    cuts = block_cuts(variable)
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
    return np.array(read_chunks(variable[steps]), np.float32)


def block_cuts(variable: xr.DataArray) -> list[int]:
    """Return the edges of blocks; chunked data are cut at ends of chunks."""
    count = variable.sizes["time"]
    longest = max(1, int(BLOCK // max(4 * variable.size // count, 1)))
    ends = np.cumsum(variable.chunks[0]) if variable.chunks else np.arange(1, count + 1)
    cuts = [0]
    for at, end in enumerate(ends.tolist()):
        following = ends[at + 1] if at + 1 < len(ends) else count
        if end == count or following - cuts[-1] > longest:
            cuts.append(end)
    return cuts


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StepBlock:
    """Some consecutive steps of all cells.

    Attributes
    ----------
    start : int
        The first step.
    values : ndarray, shape (steps, cells)
        float32 amounts, NaN where missing; or codes. Valid until the next block is taken.
    packing : Packing or None
        How codes represent amounts; None for amounts.
    """

    start: int
    values: NDArray[Any]
    packing: Packing | None = None


def variable_blocks(
    variable: xr.DataArray, task: str, *, progress: bool | Reporter = False
) -> Iterator[StepBlock]:
    """Iterate over the amounts of a variable, shape (time, ...), as `blocks` does."""
    for steps, values in blocks(variable, task, progress=progress):
        yield StepBlock(start=steps.start, values=values.reshape(len(values), -1))


def stream_blocks(
    stream: FrameStream,
    batches: Sequence[NDArray[np.int64]],
    first: int,
    stop: int,
    task: str,
    *,
    progress: bool | Reporter = False,
) -> Generator[StepBlock, None, None]:
    """Iterate over some frames of a stream in the order of time.

    A thread reads ahead into the same few pieces of memory: new memory takes longer to touch than a frame to read.

    Parameters
    ----------
    stream : FrameStream
    batches : sequence of ndarray of int64
        As `in_order` returns them.
    first, stop : int
        The steps from `first` to before `stop`, which are numbered from 0.
    task : str
        Name of the task in progress reports.
    progress : bool or Reporter
        In time steps.
    """
    parts = (batch[slice(*np.searchsorted(batch, [first, stop]))] for batch in batches)
    ahead = _Ahead(stream, [part for part in parts if part.size], first)
    total = stop - first
    with reporting(progress) as report, ThreadPoolExecutor(1) as pool:
        reading = pool.submit(ahead.read)
        try:
            report(Progress(task=task, done=0, total=total, unit="steps"))
            while (block := ahead.filled.get()) is not None:
                yield block
                ahead.free.put(block.values.base)
                report(Progress(task=task, done=block.start + len(block.values), total=total, unit="steps"))
            reading.result()
        finally:
            ahead.stopped.set()
            ahead.free.put(None)


class _StoppedError(Exception):
    """Nobody waits for blocks any more."""


class _Ahead:
    """Reads a stream into blocks that are taken from a queue; None is the end."""

    def __init__(self, stream: FrameStream, batches: Sequence[NDArray[np.int64]], first: int) -> None:
        self._stream, self._batches, self._first = stream, batches, first
        self._cells = cells = int(np.prod(stream.grid.shape))
        self._length = length = max(1, BLOCK // (2 * cells) // STEPS) * STEPS
        self.filled: Queue[StepBlock | None] = Queue()
        self.free: Queue[NDArray[np.uint8] | None] = Queue()
        for _ in range(_AHEAD + 2):
            self.free.put(np.empty(4 * length * cells, np.uint8))  # untouched, and so not in memory yet
        self.stopped = threading.Event()
        self._start = self._stop = 0
        self._values: NDArray[Any] | None = None
        self._packing: Packing | None = None

    def read(self) -> None:
        """Read all frames; pass on what was read and the end, whatever happens."""
        try:
            for batch in self._batches:
                self._stream.read(batch, self._take)
            self._pass_on()
        except _StoppedError:
            pass
        finally:
            self.filled.put(None)

    def _take(self, step: int, codes: NDArray[Any], packing: Packing, weights: Weights | None) -> None:
        step -= self._first
        if weights is not None:
            self._add(step, weights.apply(packing.values(codes)), None)
        elif packing.flagged and packing.itemsize == 2 and not packing.offset:
            self._add(step, codes, packing)
        else:
            self._add(step, packing.values(codes), None)

    def _add(self, step: int, values: NDArray[Any], packing: Packing | None) -> None:
        full = self._stop - self._start == self._length
        if self._values is None or full or packing != self._packing or step != self._stop:
            self._pass_on()
            memory = self.free.get()
            if memory is None or self.stopped.is_set():
                raise _StoppedError
            dtype = values.dtype.newbyteorder("=")
            size = self._length * self._cells * dtype.itemsize
            self._values = memory[:size].view(dtype).reshape(self._length, self._cells)
            self._packing, self._start, self._stop = packing, step, step
        self._values[step - self._start] = values.ravel()
        self._stop = step + 1

    def _pass_on(self) -> None:
        if self._values is not None:
            values = self._values[: self._stop - self._start]
            self.filled.put(StepBlock(start=self._start, values=values, packing=self._packing))
            self._values = None


def in_order(stream: FrameStream) -> Sequence[NDArray[np.int64]]:
    """Return a stream's batches in the order of time; one for all steps if parts of archives are out of order."""
    batches = sorted(stream.batches(1), key=lambda steps: int(steps[0]))
    steps = np.concatenate([*batches, np.empty(0, np.int64)])
    return batches if (np.diff(steps) > 0).all() else [np.sort(steps)]
