"""One pass over the frames of a series: threads read a day each, forward, and what stays is gathered by period."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from radar_nb.accumulators import FRAMES_LIMIT, FlagTally, Tally, Totals, ValueTally, Wanted
from radar_nb.cursor import frame_codes, open_cursor
from radar_nb.lazy import FrameName
from radar_nb.progress import Progress, reporting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.assembly import Opened
    from radar_nb.cursor import Cursor
    from radar_nb.packing import Packing
    from radar_nb.periods import Periods
    from radar_nb.places import Places
    from radar_nb.progress import Reporter
    from radar_nb.regridding import Weights

_BATCH = 288
"""Frames that a thread reads in one go, if days have so many: a day of 5-minute frames."""
_SHARES = 4
"""Batches for each thread at least, so that all end at about the same time."""
_BLOCK = 1 << 14
"""Cells that are brought to their unit at once: fresh memory for a whole field costs more than the arithmetic."""

Take = Callable[[int, "NDArray[Any]", "Packing", "Weights | None"], None]
"""Takes the number of a time step, the frame's codes, how they stand for values, and the way to the grid."""


def read_series(opened: Opened, make: Callable[[], Take], workers: int, progress: bool | Reporter) -> None:
    """Give every frame of a series once to one of the takers, of which each thread has its own."""
    frames, slots = opened.series.frames, opened.series.slots[:, 0]
    steps = np.flatnonzero(slots >= 0)
    rows = frames.rows[slots[steps]]
    steps = steps[np.lexsort((rows["position"], rows["part"]))]
    parts = frames.rows["part"][slots[steps]]
    starts = np.append(0, np.flatnonzero(np.diff(parts)) + 1)
    size = max(1, min(_BATCH, steps.size // (_SHARES * workers)))
    cuts = starts[np.append(True, np.diff(starts // size) > 0)]  # a part is read by one thread
    own = threading.local()

    def task(batch: NDArray[np.int64]) -> int:
        if not hasattr(own, "take"):
            own.take = make()
        return _read_batch(opened, batch, own.take)

    with reporting(progress) as report, ThreadPoolExecutor(workers) as pool:
        work = [pool.submit(task, batch) for batch in np.split(steps, cuts[1:])]
        done = 0
        try:
            for future in as_completed(work):
                done += future.result()
                report(Progress(task="reduce", done=done, total=starts.size, unit="files"))
        finally:
            pool.shutdown(cancel_futures=True)


def _read_batch(opened: Opened, steps: NDArray[np.int64], take: Take) -> int:
    """Give some steps' frames, in the order of their places; tell from how many parts they came."""
    frames, count = opened.series.frames, 0
    cursor: Cursor | None = None
    for step, number in zip(steps.tolist(), opened.series.slots[steps, 0].tolist(), strict=True):
        row = frames.rows[number]
        part, kind, name = frames.parts[int(row["part"])], int(row["kind"]), FrameName(frames, number)
        if cursor is None or cursor.part is not part:
            cursor = open_cursor(frames, number, marks=False)
            count += 1
        packing = opened.templates[kind].packing
        data = cursor.read(row, name=name)
        codes, packing = frame_codes(data, frames.kinds[kind], int(row["hash"]), packing, name=name)
        take(step, codes, packing, opened.weights[kind])
    return count


class Results:
    """The arrays that the result is made of, and the totals of periods that are not over yet.

    Parameters
    ----------
    opened : Opened
    periods : Periods
    wanted : Wanted
    hows : sequence of str
    places : Places or None
        The cells that are looked at; None for all.

    Attributes
    ----------
    fields : dict of str to ndarray of float32, shape (periods, rows, cols) or (periods, points)
        For each way but "count".
    counts : ndarray of int32, shape (periods, thresholds, ...)
    coverage : ndarray of float32, shape (periods, ...)
    """

    def __init__(
        self, opened: Opened, periods: Periods, wanted: Wanted, hows: Sequence[str], places: Places | None
    ) -> None:
        self.periods, self.wanted, self.places = periods, wanted, places
        self.shape = opened.target.grid.shape if places is None else (len(places.names),)
        shape = (len(periods.bounds), *self.shape)
        counted = (shape[0], max(1, len(wanted.thresholds)), *self.shape)
        self.fields: dict[str, NDArray[np.float32]] = {
            how: np.empty(shape, np.float32) for how in hows if how != "count"
        }
        self.counts = np.empty(counted if "count" in hows else (0,), np.int32)
        self.coverage = np.empty(shape, np.float32)
        of_frames = periods.of_step[opened.series.slots[:, 0] >= 0]
        self._left = np.bincount(of_frames, minlength=shape[0])
        self._open: dict[int, dict[tuple[float, float], Totals]] = {}
        self._lock = threading.Lock()
        self._gatherers: list[_Gatherer] = []

    def taker(self) -> Take:
        """Give a thread what takes its frames."""
        gatherer = _Gatherer(self)
        self._gatherers.append(gatherer)
        return gatherer.take

    def end(self) -> None:
        """Take what the threads have gathered last."""
        for gatherer in self._gatherers:
            gatherer.end()

    def add(self, period: int, totals: Totals, frames: int) -> None:
        """Add the totals of some frames of a period; when they were the last ones, the period is over."""
        with self._lock:
            there = self._open.setdefault(period, {})
            key = totals.scale, totals.offset
            if key in there:
                there[key].add(totals)
            else:
                there[key] = totals
            self._left[period] -= frames
            if self._left[period]:
                return
            del self._open[period]
        self._close(period, [there[key] for key in sorted(there)])

    def _close(self, period: int, totals: Sequence[Totals]) -> None:
        valid = functools.reduce(np.add, (one.valid for one in totals))
        share = self.coverage[period].reshape(-1)  # a view, as are those below
        np.divide(valid, self.periods.expected[period], out=share, casting="unsafe")
        np.minimum(share, 1, out=share)
        missing = valid == 0
        for how, fields in self.fields.items():
            field = fields[period].reshape(-1)
            _reduce(how, totals, valid, field)
            np.copyto(field, np.nan, where=missing)
        if self.counts.size:
            counts = [sum(parts) for parts in zip(*(one.above for one in totals), strict=True)] or [valid]
            self.counts[period] = np.reshape(counts, self.counts.shape[1:])


def _reduce(how: str, totals: Sequence[Totals], valid: NDArray[np.int32], out: NDArray[np.float32]) -> None:
    """Compute the values of cells, anything where none was valid."""
    if how == "max":
        out[:] = functools.reduce(np.maximum, (one.largest for one in totals))
        return
    if how == "min":
        out[:] = functools.reduce(np.minimum, (one.smallest for one in totals))
        return
    for start in range(0, out.size, _BLOCK):
        cells = slice(start, start + _BLOCK)
        total = np.zeros(out[cells].size)
        for one in totals:
            total += one.sums[cells] * one.scale
            if one.offset:
                total += one.valid[cells] * one.offset
        if how == "mean":
            total /= np.maximum(valid[cells], 1)
        out[cells] = total


class _Gatherer:
    """One thread's totals of the frames of one period and packing, as long as such come."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._tallies: dict[type, Tally] = {}
        self._tally: Tally | None = None
        self._now: tuple[int, Packing, bool] | None = None
        self._frames = 0

    def take(self, step: int, codes: NDArray[Any], packing: Packing, way: Weights | None) -> None:
        """Take a frame."""
        now = int(self._results.periods.of_step[step]), packing, way is None
        if now != self._now or self._frames == FRAMES_LIMIT:
            self.end()
            self._now = now
            self._tally = self._started(packing, way)
        places = self._results.places
        data = codes if way is None else way.apply(packing.values(codes))
        data = data.ravel() if places is None else data[places.cells]
        if not isinstance(self._tally, FlagTally):
            data = packing.values(data) if way is None else data
            data = data if places is None else places.mean(data)
        cast("Tally", self._tally).add(data)
        self._frames += 1

    def _started(self, packing: Packing, way: Weights | None) -> Tally:
        places = self._results.places
        codes = packing.flagged and packing.itemsize == 2 and way is None
        kind = FlagTally if codes and (places is None or places.weights is None) else ValueTally
        if kind not in self._tallies:
            cells = int(np.prod(self._results.shape))
            self._tallies[kind] = kind(cells, self._results.wanted)
        tally = self._tallies[kind]
        tally.start(packing)
        return tally

    def end(self) -> None:
        """Hand the totals over."""
        if self._tally is not None and self._now is not None and self._frames:
            self._results.add(self._now[0], self._tally.totals(), self._frames)
        self._frames = 0
