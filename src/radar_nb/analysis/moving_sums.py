"""Sums over moving windows of a long series: five minutes to days, across the ends of days and months.

A series is read forward, once, in bounded memory. Amounts are integers in ten-thousandths of a millimetre, so that
sums have no rounding errors. Three laws make it fast:

- Few intervals are wet. While a cell is dry, its sums do not rise: the largest sum of a period ends in a wet
  interval, or in the first one of the period that is not missing. So a block of steps is only processed in cells
  that are wet in it, or new in the period.
- A window's sum is the difference of two sums from the beginning. These are kept for as many blocks as the longest
  window has, within each block for wet cells alone; its cost does not depend on its length.
- No window that ends in a block exceeds the sum from before the first of these windows to the end of the block.
  Where that is no more than the largest sum so far, and below all thresholds, nothing is computed.

Missing intervals count as 0 mm, so sums are lower bounds and a gap cannot cause an extreme.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.analysis.blocks import STEPS
from radar_nb.errors import SeriesError
from radar_nb.reading.intervals import ends_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from radar_nb.analysis.blocks import StepBlock
    from radar_nb.analysis.periods import Periods

PER_MM = 10_000
"""Units per mm of integer amounts: a unit is a hundredth of the resolution of 5-minute products."""
_CELLS = 1 << 15
"""Cells that are processed at once; their numbers fit into 16 bits."""
_VALUES = 1 << 19
"""Values that are processed at once, if there are few cells: 2 MB."""
_MISSING = 1 << 31
"""The bit that marks missing amounts in units; the others hold the amount."""
_NEVER = -(1 << 40)
"""Minutes since 1970, before all times."""
_HALF = 1 << 30
"""Keys below this are int32, so that those of missing intervals stay negative whatever is added."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moved:
    """Statistics of moving sums. Cells are the variable's dimensions without time.

    Attributes
    ----------
    largest : ndarray of float32, shape (durations, periods, ...)
        The largest sum in mm that ends in the period; NaN where no interval was valid.
    when : ndarray of int32, shape (durations, periods, ...)
        The step in which it ends, the first of equal ones; -1 where there is none.
    above : ndarray of int32, shape (thresholds, periods, ...)
        Number of steps whose sum of the first duration is not below a threshold.
    first, last : ndarray of int32, shape (thresholds, periods, ...)
        The first and the last such step; -1 where there is none.
    valid : ndarray of int32, shape (periods, ...)
        Number of intervals that are not missing.
    """

    largest: NDArray[np.float32]
    when: NDArray[np.int32]
    above: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    valid: NDArray[np.int32]


def moving_sums(
    blocks: Iterable[StepBlock],
    amount: xr.DataArray,
    durations: Sequence[int],
    periods: Periods,
    *,
    thresholds: Sequence[float] = (),
    independent: int = 0,
    workers: int | None = None,
) -> Moved:
    """Return the extremes of moving sums in periods, and how often they reach thresholds.

    Parameters
    ----------
    blocks : iterable of StepBlock
        All steps of the series in the order of time, without a gap.
    amount : xarray.DataArray
        The series that they belong to, in mm: dimensions time and any others, whose times count.
    durations : sequence of int
        Minutes, multiples of the interval.
    periods : Periods
        A sum belongs to the period in which it ends; it may begin in an earlier period.
    thresholds : sequence of float
        In mm, for the first duration. A sum that equals one is not below it.
    independent : int
        Minutes: a sum that reaches a threshold is counted if no other one did so in so many minutes before it; 0
        counts all.
    workers : int, optional
        Number of threads; by default the number of processors. It does not change the result.

    Raises
    ------
    SeriesError
        An amount is negative or infinite.
    """
    cells = amount.isel(time=0).shape
    count = int(np.prod(cells))
    ends = ends_of(amount)
    # the last step before each window; -1 at the beginning
    before = [
        np.searchsorted(ends, ends - np.timedelta64(minutes, "m"), side="right") - 1 for minutes in durations
    ]
    kept = _Kept(count, len(durations), len(periods.bounds), [round(value * PER_MM) for value in thresholds])
    kept.independent, kept.minutes = independent, ends.astype("datetime64[m]").astype(np.int64)
    edges = np.linspace(0, count, -(-count // _CELLS) + 1).astype(int).tolist()
    bands = [_Band(kept, slice(*cut)) for cut in pairwise(edges)]
    turns = _turns(blocks, periods, before, max(STEPS, _VALUES // max(count, 1)))
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for block, turn in turns:
            deque(pool.map(partial(_Band.take, block=block, turn=turn), bands), maxlen=0)
    return kept.result(cells)


class _Kept:
    """Statistics in integers, of shape (..., cells): see `Moved`."""

    def __init__(self, cells: int, durations: int, periods: int, floors: Sequence[int]) -> None:
        self.floors = floors
        self.independent, self.minutes = 0, np.empty(0, np.int64)
        self.latest = np.full((len(floors), cells), _NEVER)
        self.largest = np.full((durations, periods, cells), -1, np.int32)
        self.when = np.full(self.largest.shape, -1, np.int32)
        self.above = np.zeros((len(floors), periods, cells), np.int32)
        self.first = np.full(self.above.shape, -1, np.int32)
        self.last = np.full(self.above.shape, -1, np.int32)
        self.valid = np.zeros((periods, cells), np.int32)

    def result(self, cells: tuple[int, ...]) -> Moved:
        """Return all statistics in the shape of the cells."""
        largest = np.empty(self.largest.shape, np.float32)
        np.divide(self.largest, PER_MM, out=largest, dtype=np.float64, casting="unsafe")
        largest[self.largest < 0] = np.nan
        names = ("when", "above", "first", "last", "valid")
        arrays = {"largest": largest} | {name: getattr(self, name) for name in names}
        return Moved(**{name: array.reshape(*array.shape[:-1], *cells) for name, array in arrays.items()})


# --- time -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Piece:
    """Some steps of a turn whose windows begin in the same turn.

    Attributes
    ----------
    rows : slice
        The steps, counted from the beginning of their turn.
    turn : int
        The number of the turn that holds the last step before each window; -1 before the first step.
    places : slice or ndarray of int64
        These last steps, counted from the beginning of that turn.
    """

    rows: slice
    turn: int
    places: Any


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Turn:
    """Some steps of one block and one period that are processed at once.

    Attributes
    ----------
    number : int
    start : int
        The first step of the series.
    steps : slice
        The steps within the block.
    period : int
    windows : sequence of sequence of _Piece
        For each duration.
    oldest : int
        The oldest turn whose sums are still needed.
    """

    number: int
    start: int
    steps: slice
    period: int
    windows: Sequence[Sequence[_Piece]]
    oldest: int


def _turns(
    blocks: Iterable[StepBlock], periods: Periods, before: Sequence[NDArray[np.int64]], longest: int
) -> Iterator[tuple[StepBlock, _Turn]]:
    """Cut blocks where a period ends, and at multiples of a length, so that windows often begin where turns do."""
    starts: list[int] = []  # of the turns from `first` on
    first = 0
    for block in blocks:
        count = len(block.values)
        of_step = periods.of_step[block.start : block.start + count]
        cuts = {0, count, *(np.flatnonzero(np.diff(of_step)) + 1).tolist()}
        cuts |= set(range(-block.start % longest, count, longest))
        for begin, stop in pairwise(sorted(cuts)):
            start = block.start + begin
            starts.append(start)
            windows = [_pieces(last[start : start + stop - begin], starts, first) for last in before]
            oldest = min(pieces[-1].turn for pieces in windows)
            yield (
                block,
                _Turn(
                    number=first + len(starts) - 1,
                    start=start,
                    steps=slice(begin, stop),
                    period=int(of_step[begin]),
                    windows=windows,
                    oldest=oldest,
                ),
            )
            if oldest > first:
                starts, first = starts[oldest - first :], oldest


def _pieces(last: NDArray[np.int64], starts: Sequence[int], first: int) -> list[_Piece]:
    """Cut steps by the turn that holds the last step before their windows."""
    pieces = []
    turns = np.searchsorted(starts, last, side="right") - 1
    for row, stop in pairwise([0, *(np.flatnonzero(np.diff(turns)) + 1).tolist(), len(last)]):
        turn = int(turns[row])
        places: Any = last[row:stop] - starts[turn]
        if (np.diff(places) == 1).all():
            places = slice(int(places[0]), int(places[-1]) + 1)
        pieces.append(_Piece(rows=slice(row, stop), turn=first + turn if turn >= 0 else -1, places=places))
    return pieces


# --- cells ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sums:
    """The sums of a band in a turn.

    Attributes
    ----------
    base : ndarray of int32, shape (cells,)
        Units from the beginning of the series to that of the turn.
    column : ndarray of uint16, shape (cells,)
        The column of a cell; dry ones share the last column, which is zero.
    sums : ndarray of uint16 or int32, shape (steps, wet cells + 1)
        From the beginning of the turn to each step, in `factor` units.
    factor : int
    """

    base: NDArray[np.int32]
    column: NDArray[np.uint16]
    sums: NDArray[Any]
    factor: int

    def of(self, cells: NDArray[np.int64], steps: Any, factor: int, kind: type[Any]) -> NDArray[Any]:
        """Return sums from the beginning of the turn, times a factor, shape (steps, cells)."""
        taken = self.sums[steps].take(self.column[cells], axis=1)
        scaled: NDArray[Any] = np.multiply(taken, kind(self.factor * factor), dtype=kind)
        return scaled


class _Band:
    """Some neighbouring cells, processed by one thread at a time."""

    def __init__(self, kept: _Kept, cells: slice) -> None:
        self._cells, self._floors = cells, kept.floors
        self._independent, self._minutes, self._latest = kept.independent, kept.minutes, kept.latest[..., cells]
        self._largest, self._when = kept.largest[..., cells], kept.when[..., cells]
        self._above, self._first, self._last = (one[..., cells] for one in (kept.above, kept.first, kept.last))
        self._valid = kept.valid[..., cells]
        self._total = np.zeros(cells.stop - cells.start, np.int32)
        self._past: dict[int, _Sums] = {}

    def take(self, block: StepBlock, turn: _Turn) -> None:
        """Add the steps of a turn."""
        codes, packed = _codes(block, turn.steps, self._cells)
        either, always = np.bitwise_or.reduce(codes, axis=0), np.bitwise_and.reduce(codes, axis=0)
        gone, never = (either & packed.missing) != 0, (always & packed.missing) != 0
        wet = (either & packed.bits) != 0
        wet &= ~never
        mixed = gone & ~never
        self._count_valid(codes, packed, turn.period, gone, np.flatnonzero(mixed))
        self._past[turn.number] = self._added(codes, packed, np.flatnonzero(wet), whole=not mixed.any())
        new = self._largest[0, turn.period] < 0
        new &= ~never
        cells = np.flatnonzero(np.logical_or(wet, new))
        keys = self._keys(turn, cells)
        if mixed[cells].any():
            keys.omit((codes.take(cells, axis=1) & packed.missing) != 0)
        for duration, pieces in enumerate(turn.windows):
            bound = self._total - self._base(pieces[0].turn)
            self._raise(duration, turn, keys, bound)
            if not duration and self._floors:
                reached = np.flatnonzero((bound >= min(self._floors)) & ~never)
                if reached.size:
                    missing = (codes.take(reached, axis=1) & packed.missing) != 0
                    self._count(turn, reached, missing)
        for number in [number for number in self._past if number < turn.oldest]:
            del self._past[number]

    def _base(self, turn: int) -> Any:
        return self._past[turn].base if turn >= 0 else np.int32(0)

    def _count_valid(
        self, codes: NDArray[Any], packed: _Units, period: int, gone: NDArray[np.bool_], mixed: NDArray[np.int64]
    ) -> None:
        """Count intervals that are not missing."""
        valid = self._valid[period]
        np.add(valid, np.int32(len(codes)), out=valid, where=~gone)
        if mixed.size:
            valid[mixed] += ((codes.take(mixed, axis=1) & packed.missing) == 0).sum(axis=0, dtype=np.int32)

    def _added(self, codes: NDArray[Any], packed: _Units, wet: NDArray[np.int64], *, whole: bool) -> _Sums:
        """Return the sums of wet cells, and add them to the totals; `whole`: no cell is missing for some steps."""
        amounts = codes.take(wet, axis=1)
        if not whole:
            np.copyto(amounts, 0, where=(amounts & packed.missing) != 0)
        amounts &= packed.bits
        sums = np.zeros((len(codes), wet.size + 1), np.int32)
        np.cumsum(amounts, axis=0, dtype=np.int32, out=sums[:, :-1])
        column = np.full(self._total.size, wet.size, np.uint16)
        column[wet] = np.arange(wet.size, dtype=np.uint16)
        base, self._total = self._total, self._total.copy()
        self._total[wet] += sums[-1, :-1] * np.int32(packed.factor)
        short = sums[-1].max() <= np.iinfo(np.uint16).max
        return _Sums(
            base=base, column=column, sums=sums.astype(np.uint16) if short else sums, factor=packed.factor
        )

    def _keys(self, turn: _Turn, cells: NDArray[np.int64]) -> _Keys:
        """Return the sums of cells from the beginning of the turn as keys."""
        here = self._past[turn.number]
        length = len(here.sums)
        shift = (length - 1).bit_length()
        oldest = self._past[min(self._past)].base
        most = int((self._total - oldest).max(initial=0))
        kind: type[Any] = np.int32 if most << shift < _HALF else np.int64
        keys = here.of(cells, slice(None), 1 << shift, kind)
        keys += np.arange(length - 1, -1, -1, dtype=kind)[:, None]
        return _Keys(cells=cells, keys=keys, shift=shift, base=here.base[cells])

    def _raise(self, duration: int, turn: _Turn, all_keys: _Keys, bound: NDArray[np.int32]) -> None:
        """Replace the largest sums that are exceeded."""
        largest, when = self._largest[duration, turn.period], self._when[duration, turn.period]
        keys = all_keys.where(bound[all_keys.cells] > largest[all_keys.cells])
        if not keys.cells.size:
            return
        kind = keys.keys.dtype.type
        best = np.full(keys.cells.size, np.iinfo(kind).min, kind)
        for piece in turn.windows[duration]:
            ends, base = keys.keys[piece.rows], keys.base
            if piece.turn >= 0:
                past = self._past[piece.turn]
                base = base - past.base[keys.cells]
                if past.sums.shape[1] > 1:
                    begins = past.of(keys.cells, piece.places, 1 << keys.shift, kind)
                    ends = np.subtract(ends, begins, out=begins)
            np.maximum(best, ends.max(axis=0) + (base.astype(kind) << keys.shift), out=best)
        sums = best >> keys.shift
        better = np.flatnonzero(sums > largest[keys.cells])
        cells = keys.cells[better]
        largest[cells] = sums[better]
        row = len(keys.keys) - 1 - (best[better] & kind((1 << keys.shift) - 1))
        when[cells] = turn.start + row

    def _count(self, turn: _Turn, cells: NDArray[np.int64], missing: NDArray[np.bool_]) -> None:
        """Count the sums of the first duration that reach thresholds."""
        here = self._past[turn.number]
        sums = here.of(cells, slice(None), 1, np.int64) + here.base[cells]
        for piece in turn.windows[0]:
            if piece.turn >= 0:
                past = self._past[piece.turn]
                sums[piece.rows] -= past.of(cells, piece.places, 1, np.int64) + past.base[cells]
        np.copyto(sums, -1, where=missing)
        for number, floor in enumerate(self._floors):
            above = sums >= floor
            some = above.any(axis=0)
            above, where = above[:, some], cells[some]
            counted = self._first_of_storms(number, turn.start, where, above) if self._independent else above
            self._above[number, turn.period][where] += counted.sum(axis=0, dtype=np.int32)
            first = self._first[number, turn.period]
            first[where] = np.where(first[where] < 0, turn.start + above.argmax(axis=0), first[where])
            self._last[number, turn.period][where] = turn.start + len(above) - 1 - above[::-1].argmax(axis=0)

    def _first_of_storms(
        self, number: int, start: int, cells: NDArray[np.int64], above: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return which sums that reach a threshold are the first ones after long enough, and remember the last."""
        minutes = self._minutes[start : start + len(above), None]
        latest = np.maximum.accumulate(np.where(above, minutes, self._latest[number][cells]), axis=0)
        before = np.concatenate([self._latest[number][cells][None], latest[:-1]])
        self._latest[number][cells] = latest[-1]
        first: NDArray[np.bool_] = above & (minutes - before >= self._independent)
        return first


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Keys:
    """Sums of some cells that are compared together with their steps: of equal sums the first is the largest key.

    Attributes
    ----------
    cells : ndarray of int64
    keys : ndarray of int32 or int64, shape (steps, cells)
        Units from the beginning of the turn, shifted, plus the number of steps left; far below 0 where missing.
    shift : int
    base : ndarray of int32, shape (cells,)
        Units from the beginning of the series to that of the turn.
    """

    cells: NDArray[np.int64]
    keys: NDArray[Any]
    shift: int
    base: NDArray[np.int32]

    def omit(self, missing: NDArray[np.bool_]) -> None:
        """Omit sums that end in missing intervals."""
        np.copyto(self.keys, np.iinfo(self.keys.dtype).min // 2, where=missing)

    def where(self, chosen: NDArray[np.bool_]) -> _Keys:
        """Return the keys of some cells."""
        some = np.flatnonzero(chosen)
        if some.size == chosen.size:
            return self
        return _Keys(
            cells=self.cells[some], keys=self.keys.take(some, axis=1), shift=self.shift, base=self.base[some]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """How codes hold amounts: `(code & bits) * factor` units, missing if a bit of `missing` is set."""

    bits: Any
    missing: Any
    factor: int


def _codes(block: StepBlock, steps: slice, cells: slice) -> tuple[NDArray[Any], _Units]:
    """Return the amounts of some cells as unsigned integers, shape (steps, cells)."""
    values, packing = block.values[steps, cells], block.packing
    if packing is not None:
        kind = values.dtype.type
        factor = round(packing.scale * PER_MM)
        return values, _Units(bits=kind(packing.bits & 0xFFFF), missing=kind(packing.missing), factor=factor)
    missing = np.isnan(values)
    counts = np.where(missing, np.float32(0), values)
    counts *= np.float32(PER_MM)
    np.rint(counts, out=counts)
    if not (counts.min() >= 0 and counts.max() < _MISSING):
        known = values[~missing]
        raise SeriesError(
            f"amounts from {known.min():g} to {known.max():g} mm cannot be summed: pass amounts of 0 mm and more, "
            "and NaN where they are missing"
        )
    codes = counts.astype(np.uint32)
    codes |= missing.astype(np.uint32) << np.uint32(31)
    return codes, _Units(bits=np.uint32(_MISSING - 1), missing=np.uint32(_MISSING), factor=1)
