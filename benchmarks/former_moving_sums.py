"""Moving sums as they were computed until November 2026: the baseline of `extremes.py`.

Whole fields are added up, and differences of sums are taken for every cell, step and duration.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.analysis.blocks import BLOCK, blocks
from radar_nb.analysis.moving_sums import Moved
from radar_nb.reading.intervals import ends_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from radar_nb.analysis.periods import Periods
    from radar_nb.runtime.progress import Reporter

PER_MM = 10_000
"""Units per mm of integer amounts: a unit is a hundredth of the resolution of 5-minute products."""

_MEMORY = 1 << 29
"""Largest number of bytes of sums that are kept."""


def moving_sums(
    amount: xr.DataArray,
    durations: Sequence[int],
    periods: Periods,
    *,
    thresholds: Sequence[float] = (),
    progress: bool | Reporter = False,
) -> Moved:
    """Return the extremes of moving sums in periods, and how often they reach thresholds.

    Parameters
    ----------
    amount : xarray.DataArray
        In mm; dimensions time and any others, fields with (y, x) last.
    durations : sequence of int
        Minutes, multiples of the interval.
    periods : Periods
        A sum belongs to the period in which it ends; it may begin in an earlier period.
    thresholds : sequence of float
        In mm, for the first duration. A sum that equals one is not below it.
    progress : bool or Reporter
        Task "moving sums", in time steps.
    """
    amount = amount.transpose("time", ...)
    ends = ends_of(amount)
    # the last step before each window; -1 at the beginning
    before = [
        np.searchsorted(ends, ends - np.timedelta64(minutes, "m"), side="right") - 1 for minutes in durations
    ]
    longest = int(max((np.arange(ends.size) - start).max() for start in before))
    bands = _bands(amount, longest)
    found = []
    for number, band in enumerate(bands):
        kept = _Kept(band[0].size, len(durations), len(periods.bounds), thresholds)
        task = f"moving sums {number + 1} of {len(bands)}" if len(bands) > 1 else "moving sums"
        _pass(band, before, longest, periods, kept, task=task, progress=progress)
        found.append(kept.result(band.shape[1:]))
    if len(found) == 1:
        return found[0]
    names = ("largest", "when", "above", "first", "last", "valid")
    joined: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in found], -2) for name in names}
    return Moved(**joined)


def _bands(amount: xr.DataArray, longest: int) -> list[xr.DataArray]:
    """Cut fields into bands of rows that fit into memory."""
    cells = max(1, amount.size // amount.sizes["time"])
    steps = longest + 2 * max(1, BLOCK // (4 * cells))
    count = -(-4 * cells * steps // _MEMORY)
    if "y" not in amount.dims or count == 1:
        return [amount]
    edges = np.linspace(0, amount.sizes["y"], min(count, amount.sizes["y"]) + 1).astype(int)
    return [amount.isel(y=slice(a, b)) for a, b in pairwise(edges)]


def _pass(
    amount: xr.DataArray,
    before: Sequence[NDArray[np.int64]],
    longest: int,
    periods: Periods,
    kept: _Kept,
    *,
    task: str,
    progress: bool | Reporter,
) -> None:
    """Process a series in one pass."""
    ring = np.zeros((longest + 1, amount[0].size), np.int32)
    for steps, fields in blocks(amount, task, progress=progress):
        values = fields.reshape(len(fields), -1)
        numbers = np.arange(steps.start, steps.stop)
        missing = np.isnan(values)
        np.copyto(values, 0, where=missing)
        counts = np.rint(values * np.float32(PER_MM)).astype(np.int32)
        if len(ring) < longest + 1 + len(counts):
            ring = _grown(ring, steps.start, longest + 1 + len(counts))
        # continue from the sum before the first step: zero, or the last of the previous block
        counts[0] += ring[(steps.start - 1) % len(ring)]
        np.cumsum(counts, axis=0, out=counts)
        ring[numbers % len(ring)] = counts
        kept.count_valid(periods.of_step[steps], ~missing)
        for duration, start in enumerate(before):
            sums = counts - ring[start[steps] % len(ring)]
            np.copyto(sums, -1, where=missing)
            kept.take(duration, steps.start, periods.of_step[steps], sums)


def _grown(ring: NDArray[np.int32], start: int, size: int) -> NDArray[np.int32]:
    """Return a longer ring buffer with the same sums in their places; the sum before the first step is zero."""
    longer = np.zeros((size, ring.shape[1]), np.int32)
    there = np.arange(max(-1, start - len(ring)), start)
    longer[there % size] = ring[there % len(ring)]
    return longer


class _Kept:
    """Statistics of sums, by period."""

    def __init__(self, cells: int, durations: int, periods: int, thresholds: Sequence[float]) -> None:
        self._floors = [round(threshold * PER_MM) for threshold in thresholds]
        self._largest = np.full((durations, periods, cells), -1, np.int32)
        self._when = np.full(self._largest.shape, -1, np.int32)
        self._above = np.zeros((len(thresholds), periods, cells), np.int32)
        self._first = np.full(self._above.shape, -1, np.int32)
        self._last = np.full(self._above.shape, -1, np.int32)
        self._valid = np.zeros((periods, cells), np.int32)

    def count_valid(self, of_step: NDArray[np.int64], valid: NDArray[np.bool_]) -> None:
        """Count intervals that are not missing."""
        for period, part in _runs(of_step):
            self._valid[period] += valid[part].sum(axis=0, dtype=np.int32)

    def take(self, duration: int, start: int, of_step: NDArray[np.int64], sums: NDArray[np.int32]) -> None:
        """Add the sums that end in some steps, -1 where their last interval is missing."""
        for period, part in _runs(of_step):
            here, begin = sums[part], start + part.start
            largest = here.max(axis=0)
            better = largest > self._largest[duration, period]
            if better.any():
                self._largest[duration, period][better] = largest[better]
                self._when[duration, period][better] = begin + here[:, better].argmax(axis=0)
            if duration:
                continue
            for number, floor in enumerate(self._floors):
                if (reached := largest >= floor).any():
                    self._count(number, period, begin, here[:, reached] >= floor, reached)

    def _count(
        self, number: int, period: int, begin: int, above: NDArray[np.bool_], cells: NDArray[np.bool_]
    ) -> None:
        self._above[number, period][cells] += above.sum(axis=0, dtype=np.int32)
        first = self._first[number, period]
        first[cells] = np.where(first[cells] < 0, begin + above.argmax(axis=0), first[cells])
        self._last[number, period][cells] = begin + len(above) - 1 - above[::-1].argmax(axis=0)

    def result(self, cells: tuple[int, ...]) -> Moved:
        """Return all statistics in the shape of the cells."""
        largest = (self._largest / PER_MM).astype(np.float32)
        largest[self._largest < 0] = np.nan
        arrays = {
            "largest": largest,
            "when": self._when,
            "above": self._above,
            "first": self._first,
            "last": self._last,
            "valid": self._valid,
        }
        shaped: dict[str, Any] = {name: array.reshape(*array.shape[:-1], *cells) for name, array in arrays.items()}
        return Moved(**shaped)


def _runs(of_step: NDArray[np.int64]) -> list[tuple[int, slice]]:
    """Return the runs of steps in the same period, as (period, steps)."""
    cuts = [0, *(np.flatnonzero(np.diff(of_step)) + 1).tolist(), len(of_step)]
    return [(int(of_step[a]), slice(a, b)) for a, b in pairwise(cuts)]
