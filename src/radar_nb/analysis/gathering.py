"""What stays of a stream that threads go through: totals and extremes, gathered by period."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from radar_nb.analysis.tallies import FRAMES_LIMIT, FlagTally, Tally, Totals, ValueTally, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from radar_nb.analysis.periods import Periods
    from radar_nb.analysis.points import Places
    from radar_nb.formats.packing import Packing
    from radar_nb.reading.frame_stream import FrameStream, Take
    from radar_nb.reading.regridding import Weights

_BLOCK = 1 << 14
"""Cells that are brought to their unit at once: fresh memory for a whole field costs more than the arithmetic."""


class Results:
    """The arrays that the result is made of, and the totals of periods that are not over yet.

    Parameters
    ----------
    stream : FrameStream
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
        self, stream: FrameStream, periods: Periods, wanted: Wanted, hows: Sequence[str], places: Places | None
    ) -> None:
        self.periods, self.wanted, self.places = periods, wanted, places
        self.shape = stream.grid.shape if places is None else (len(places.names),)
        shape = (len(periods.bounds), *self.shape)
        counted = (shape[0], max(1, len(wanted.thresholds)), *self.shape)
        self.fields: dict[str, NDArray[np.float32]] = {
            how: np.empty(shape, np.float32) for how in hows if how != "count"
        }
        self.counts = np.empty(counted if "count" in hows else (0,), np.int32)
        self.coverage = np.empty(shape, np.float32)
        of_frames = periods.of_step[stream.there]
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
