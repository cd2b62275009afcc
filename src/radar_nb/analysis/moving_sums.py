"""Sums over moving windows of a long series: five minutes to days, across the ends of days and months.

A series is read forward, once, in bounded memory. Amounts are integers in ten-thousandths of a millimetre, so that
sums have no rounding errors. Three laws make it fast:

- Few intervals are wet. While a cell is dry, its sums do not rise: the largest sum of a period ends in a wet
  interval, or in the first one of the period that is not missing. So a block of steps is only processed in cells
  that are wet in it, or new in the period.
- A window's sum is the difference of two sums from the beginning. These are kept for as many blocks as the longest
  window has, within each block for wet cells alone; its cost does not depend on its length.
- No window that ends in a block exceeds the sum from before the first of these windows to the end of the block.
  Where that is no more than the largest sum so far, and below all thresholds, nothing is computed. Where no rain
  leaves the windows during the block, it is the largest sum itself. A bound rises by no more than the rain that
  falls: so a cell, once examined, is left alone until as much has fallen as its nearest bound has room.

Missing intervals count as 0 mm, so sums are lower bounds and a gap cannot cause an extreme.
"""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import gcd
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from radar_nb.analysis.blocks import STEPS
from radar_nb.analysis.peaks import PeakFinder
from radar_nb.errors import SeriesError
from radar_nb.reading.intervals import ends_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from radar_nb.analysis.blocks import StepBlock
    from radar_nb.analysis.peaks import PeakRule, Peaks
    from radar_nb.analysis.periods import Periods

PER_MM = 10_000
"""Units per mm of integer amounts: a unit is a hundredth of the resolution of 5-minute products."""
_CELLS = (1 << 16) - 1
"""Cells that are processed at once; their numbers fit into 16 bits."""
_VALUES = 1 << 19
"""Values that are processed at once, if there are few cells: 2 MB."""
_MISSING = 1 << 31
"""The bit that marks missing amounts in units; the others hold the amount."""
_NEVER = -(1 << 40)
"""Minutes since 1970, before all times."""
_SHORT = (1 << 16) - 1
"""The largest sum in 16 bits."""
_NONE = np.empty(0, np.int64)


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
    peaks : Peaks or None
        Units and steps, of shape (durations, ..., ...), if there is a rule for them.
    """

    largest: NDArray[np.float32]
    when: NDArray[np.int32]
    above: NDArray[np.int32]
    first: NDArray[np.int32]
    last: NDArray[np.int32]
    valid: NDArray[np.int32]
    peaks: Peaks | None = None


def moving_sums(
    blocks: Iterable[StepBlock],
    amount: xr.DataArray,
    durations: Sequence[int],
    periods: Periods,
    *,
    thresholds: Sequence[float] = (),
    independent: int = 0,
    rule: PeakRule | None = None,
    workers: int | None = None,
) -> Moved:
    """Return the extremes of moving sums in periods, how often they reach thresholds, and independent peaks.

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
    rule : PeakRule, optional
        Find peaks instead of the largest sums, which are not computed.
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
    kept = _Kept(count, len(durations), len(periods.bounds), [round(value * PER_MM) for value in thresholds])
    kept.independent, kept.minutes = independent, ends.astype("datetime64[m]").astype(np.int64)
    if rule is not None:
        kept.finder = PeakFinder(rule, count, kept.minutes)
    for _ in _moved(blocks, kept, ends, durations=durations, of_step=periods.of_step, workers=workers):
        pass
    return kept.result(cells)


def collected_sums(
    blocks: Iterable[StepBlock],
    amount: xr.DataArray,
    durations: Sequence[int],
    collector: SumCollector,
    *,
    workers: int | None = None,
) -> Iterator[int]:
    """Pass the sums that may reach thresholds to a collector, some steps at a time.

    Parameters
    ----------
    blocks, amount, durations, workers
        As for `moving_sums`.
    collector : SumCollector
        Its parts are called from several threads at once.

    Yields
    ------
    int
        The steps of which all sums were passed on: those before this one.

    Raises
    ------
    SeriesError
        An amount is negative or infinite.
    """
    ends = ends_of(amount)
    kept = _Kept(int(np.prod(amount.isel(time=0).shape)), 1, 1, [])
    kept.finder = collector
    of_step = np.zeros(ends.size, np.int64)
    yield from _moved(blocks, kept, ends, durations=durations, of_step=of_step, workers=workers)


class SumCollector(Protocol):
    """What takes sums: `PeakFinder`, or another that does so."""

    floors: Sequence[Any]
    """Of each duration, the units that a sum must reach to be passed on: one number, or one for each cell."""

    def part(self, cells: slice, /) -> SumCollector:
        """Return a collector for some of the cells."""

    def take(
        self,
        duration: int,
        cells: NDArray[np.int64],
        sums: NDArray[np.integer[Any]],
        start: int,
        period: int,
        /,
    ) -> None:
        """Add the sums of some cells in consecutive steps: see `PeakFinder.take`."""


def _moved(
    blocks: Iterable[StepBlock],
    kept: _Kept,
    ends: NDArray[np.datetime64],
    *,
    durations: Sequence[int],
    of_step: NDArray[np.integer[Any]],
    workers: int | None,
) -> Iterator[int]:
    """Process all blocks, and yield how many steps were processed, turn by turn."""
    count = kept.valid.shape[-1]
    # the last step before each window; -1 at the beginning
    before = [
        np.searchsorted(ends, ends - np.timedelta64(minutes, "m"), side="right") - 1 for minutes in durations
    ]
    edges = np.linspace(0, count, -(-count // _CELLS) + 1).astype(int).tolist()
    bands = [_Band(kept, slice(*cut)) for cut in pairwise(edges)]
    turns = _turns(blocks, of_step, before, max(STEPS, _VALUES // max(count, 1)))
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for block, turn in turns:
            deque(pool.map(partial(_Band.take, block=block, turn=turn), bands), maxlen=0)
            yield turn.start + turn.steps.stop - turn.steps.start


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
        self.finder: SumCollector | None = None

    def result(self, cells: tuple[int, ...]) -> Moved:
        """Return all statistics in the shape of the cells."""
        largest = np.empty(self.largest.shape, np.float32)
        np.divide(self.largest, PER_MM, out=largest, dtype=np.float64, casting="unsafe")
        largest[self.largest < 0] = np.nan
        names = ("when", "above", "first", "last", "valid")
        arrays = {"largest": largest} | {name: getattr(self, name) for name in names}
        peaks = self.finder.found.shaped(cells) if isinstance(self.finder, PeakFinder) else None
        return Moved(
            **{name: array.reshape(*array.shape[:-1], *cells) for name, array in arrays.items()}, peaks=peaks
        )


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
    blocks: Iterable[StepBlock],
    of_steps: NDArray[np.integer[Any]],
    before: Sequence[NDArray[np.int64]],
    longest: int,
) -> Iterator[tuple[StepBlock, _Turn]]:
    """Cut blocks where a period ends, and at multiples of a length, so that windows often begin where turns do."""
    starts: list[int] = []  # of the turns from `first` on
    first = 0
    for block in blocks:
        count = len(block.values)
        of_step = of_steps[block.start : block.start + count]
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
    """The sums of a band in a turn, as counts.

    Attributes
    ----------
    base : ndarray of int32, shape (cells,)
        Counts from the beginning of the series to that of the turn.
    column : ndarray of uint16, shape (cells,)
        The column of a cell; dry ones share the last column, which is zero.
    sums : ndarray of uint16 or uint32, shape (steps, wet cells + 1)
        From the beginning of the turn to each step.
    """

    base: NDArray[np.int32]
    column: NDArray[np.uint16]
    sums: NDArray[Any]

    def times(self, factor: int) -> _Sums:
        """Return the same sums of counts that are so many times smaller."""
        return _Sums(base=self.base * np.int32(factor), column=self.column, sums=self.sums * np.uint32(factor))


class _Band:
    """Some neighbouring cells, processed by one thread at a time.

    Amounts are counts of `factor` units. Differences of sums are right even where the sums have wrapped, as long
    as a window has less than the type holds: 16 bits for most, since processors add twice as many of them at once.
    """

    def __init__(self, kept: _Kept, cells: slice) -> None:
        self._floors, self._independent, self._minutes = kept.floors, kept.independent, kept.minutes
        self._latest = kept.latest[..., cells]
        self._largest, self._when = kept.largest[..., cells], kept.when[..., cells]
        self._above, self._first, self._last = (one[..., cells] for one in (kept.above, kept.first, kept.last))
        self._valid = kept.valid[..., cells]
        self._finder = None if kept.finder is None else kept.finder.part(cells)
        self._total = np.zeros(cells.stop - cells.start, np.int32)
        self._past: dict[int, _Sums] = {}
        self._limit, self._limited = self._total - np.int32(1), -1
        self._factor = 0
        self._cells = cells

    def take(self, block: StepBlock, turn: _Turn) -> None:
        """Add the steps of a turn."""
        codes, packed = _codes(block, turn.steps, self._cells)
        either, always = np.bitwise_or.reduce(codes, axis=0), np.bitwise_and.reduce(codes, axis=0)
        always &= packed.missing
        never = always != 0
        mixed = (either & packed.missing) > always
        some = np.flatnonzero(mixed) if mixed.any() else _NONE
        self._count_valid(codes, packed, turn.period, never, some)
        either &= packed.bits
        wet = either > 0
        wet &= ~never
        cells = np.flatnonzero(wet)
        self._past[turn.number] = here = self._added(codes, packed, cells, omit=bool(some.size))
        new = self._largest[0, turn.period] < 0
        new &= ~never
        own = here.sums[:, :-1]
        if self._finder is not None:
            for duration, pieces in enumerate(turn.windows):
                floor = self._finder.floors[duration]
                reached, sums = self._reached(turn, pieces, floor, (codes, packed, never))
                if reached.size:
                    units = sums.astype(np.int64) * self._factor
                    self._finder.take(duration, reached, units, turn.start, turn.period)
            self._forget(turn)
            return
        if new.any():  # their first sums count whatever they are
            first = np.flatnonzero(new)
            row = ((codes.take(first, axis=1) & packed.missing) == 0).argmax(axis=0) if some.size else 0
            self._largest[:, turn.period, first], self._when[:, turn.period, first] = 0, turn.start + row
            cells = np.flatnonzero(wet | new)
            own = here.sums.take(here.column[cells], axis=1)
        missing = None
        if some.size and mixed[cells].any():
            missing = (codes.take(cells, axis=1) & packed.missing) != 0
        self._raise_all(turn, cells, own, missing)
        if self._floors:
            self._count(turn, *self._reached(turn, turn.windows[0], min(self._floors), (codes, packed, never)))
        self._forget(turn)

    def _forget(self, turn: _Turn) -> None:
        """Drop the sums that later windows do not need."""
        for number in [number for number in self._past if number < turn.oldest]:
            del self._past[number]

    def _base(self, turn: int) -> Any:
        return self._past[turn].base if turn >= 0 else np.zeros_like(self._total)

    def _count_valid(
        self,
        codes: NDArray[Any],
        packed: _Units,
        period: int,
        never: NDArray[np.bool_],
        mixed: NDArray[np.int64],
    ) -> None:
        """Count intervals that are not missing."""
        valid = self._valid[period]
        np.add(valid, np.int32(len(codes)), out=valid, where=~never)
        if mixed.size:
            valid[mixed] -= ((codes.take(mixed, axis=1) & packed.missing) != 0).sum(axis=0, dtype=np.int32)

    def _added(self, codes: NDArray[Any], packed: _Units, wet: NDArray[np.int64], *, omit: bool) -> _Sums:
        """Return the sums of wet cells, and add them to the totals; `omit`: some of them have missing steps."""
        amounts = codes.take(wet, axis=1)
        if omit:
            np.copyto(amounts, 0, where=(amounts & packed.missing) != 0)
        amounts &= packed.bits
        times = self._times(packed.factor)
        short = len(codes) * int(packed.bits) * times <= _SHORT
        kind = np.uint16 if short else np.uint32
        if times > 1:
            amounts = amounts * kind(times)
        sums = np.zeros((len(codes), wet.size + 1), kind)
        _add_up(amounts, sums[:, :-1])
        if not short and sums[-1].max() <= _SHORT:
            sums = sums.astype(np.uint16)
        column = np.full(self._total.size, wet.size, np.uint16)
        column[wet] = np.arange(wet.size, dtype=np.uint16)
        base, self._total = self._total, self._total.copy()
        self._total[wet] += sums[-1, :-1].astype(np.int32)
        return _Sums(base=base, column=column, sums=sums)

    def _times(self, factor: int) -> int:
        """Return by what to multiply counts of a factor; change the band's own factor where that is not whole."""
        common = gcd(self._factor, factor)
        if self._factor and common < self._factor:
            finer = self._factor // common
            self._limit -= self._total
            self._total *= np.int32(finer)
            self._limit = self._total + self._limit * np.int32(finer)
            self._past = {number: sums.times(finer) for number, sums in self._past.items()}
        self._factor = common
        return factor // common

    def _raise_all(
        self, turn: _Turn, cells: NDArray[np.int64], own: NDArray[Any], missing: NDArray[np.bool_] | None
    ) -> None:
        """Replace the largest sums of some cells that are exceeded.

        If nothing leaves the windows during the turn, the last sum is the largest, and it is reached in the last
        wet step. Afterwards the limit of a cell is set: as long as its total is not above it, no bound exceeds a
        largest sum, since bounds rise by no more than the total. Such cells are left out.
        """
        total = self._total.take(cells)
        if turn.period != self._limited:
            self._limit, self._limited = self._total - np.int32(1), turn.period
        else:
            near = np.flatnonzero(total - self._limit.take(cells) > 0)  # right even where sums have wrapped
            if near.size < cells.size:
                cells, total, own = cells[near], total[near], own.take(near, axis=1)
                missing = None if missing is None else missing.take(near, axis=1)
            if not near.size:
                return
        bases = {number: self._base(number).take(cells) for number in _needed(turn)}
        here, factor = bases[turn.number], np.int32(self._factor)
        reached = (own != own[-1]).sum(axis=0, dtype=np.uint8 if len(own) < 1 << 8 else np.int32)
        omitted = False if missing is None else missing.any(axis=0)
        windows = _Windows(own, here, self._past, turn.number)
        room = np.full(cells.size, np.iinfo(np.int32).max, np.int32)
        for duration, pieces in enumerate(turn.windows):
            largest, when = self._largest[duration, turn.period], self._when[duration, turn.period]
            bound = total - bases[pieces[0].turn]
            most, held = bound * factor, largest.take(cells)
            chosen = most > held
            if pieces[-1].turn < turn.number:
                leaving = bases[pieces[-1].turn + 1] != bases[pieces[0].turn]
                leaving |= omitted
                rising = np.flatnonzero(chosen & ~leaving)
                where = cells[rising]
                held[rising] = largest[where] = most[rising]
                when[where] = reached[rising] + np.int32(turn.start)
                chosen &= leaving
            some = np.flatnonzero(chosen)
            if some.size:
                keys = windows.of(pieces, cells, bound, some)
                if missing is not None:
                    np.copyto(keys, 0, where=missing.take(some, axis=1))
                best = keys.max(axis=0)
                units = (best >> windows.shift).astype(np.int32) * factor
                better = np.flatnonzero(units > held[some])
                row = best[better] & best.dtype.type((1 << windows.shift) - 1)
                changed = some[better]
                where = cells[changed]
                held[changed] = largest[where] = units[better]
                when[where] = turn.start + len(own) - 1 - row.astype(np.int32)
            np.minimum(room, held - most, out=room)
        self._limit[cells] = total + room // factor

    def _reached(
        self,
        turn: _Turn,
        pieces: Sequence[_Piece],
        floor: Any,
        read: tuple[NDArray[Any], _Units, NDArray[np.bool_]],
    ) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return the cells that may reach a threshold in units, and their sums in counts, 0 where missing.

        The threshold is one number, or one for each cell.
        """
        codes, packed, never = read
        bound = self._total - self._base(pieces[0].turn)
        cells = np.flatnonzero((bound >= -(-floor // self._factor)) & ~never)
        if not cells.size:
            return cells, np.zeros((0, 0), np.int64)
        here = self._past[turn.number]
        own = here.sums.take(here.column.take(cells), axis=1)
        windows = _Windows(own, here.base.take(cells), self._past, turn.number)
        sums = windows.of(pieces, cells, bound.take(cells), np.arange(cells.size))
        sums >>= windows.shift
        np.copyto(sums, 0, where=(codes.take(cells, axis=1) & packed.missing) != 0)
        return cells, sums

    def _count(self, turn: _Turn, cells: NDArray[np.int64], sums: NDArray[Any]) -> None:
        """Count the sums of the first duration that reach thresholds."""
        if not cells.size:
            return
        for number, floor in enumerate(self._floors):
            above = sums >= -(-floor // self._factor)
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


class _Windows:
    """Computes the sums of windows of some cells in a turn.

    Parameters
    ----------
    own : ndarray, shape (steps, cells)
        Sums from the beginning of the turn, as counts.
    here : ndarray of int32, shape (cells,)
        Counts from the beginning of the series to that of the turn.
    past : mapping of int to _Sums
    turn : int
        The turn's number.
    """

    def __init__(self, own: NDArray[Any], here: NDArray[np.int32], past: Mapping[int, _Sums], turn: int) -> None:
        self._own, self._here, self._past, self._turn = own, here, past, turn
        self.shift = (len(own) - 1).bit_length()

    def of(
        self, pieces: Sequence[_Piece], cells: NDArray[np.int64], bound: NDArray[np.int32], some: NDArray[np.int64]
    ) -> NDArray[Any]:
        """Return the sums of some of the cells, shifted, plus the number of steps left.

        Such keys are compared instead of sums: of equal sums the first is the largest key.

        Parameters
        ----------
        pieces : sequence of _Piece
        cells : ndarray of int64
        bound : ndarray of int32
            No sum of a cell is larger.
        some : ndarray of int64
            Which of the cells.
        """
        own, here = self._own, self._here
        if some.size < cells.size:
            own, here, cells, bound = own.take(some, axis=1), here[some], cells[some], bound[some]
        kind = _kind((int(bound.max(initial=0)) + 1 << self.shift) - 1)
        plain: NDArray[Any] = np.left_shift(own, kind(self.shift), dtype=kind, casting="unsafe")
        keys: NDArray[Any] = plain + np.arange(len(own) - 1, -1, -1, dtype=kind)[:, None]
        for piece in pieces:
            rows = keys[piece.rows]
            if piece.turn == self._turn:
                rows -= plain[piece.places]
                continue
            past = self._past.get(piece.turn)
            between = here if past is None else here - past.base.take(cells)
            rows += between.astype(kind) << kind(self.shift)
            if past is not None and past.sums.shape[1] > 1:
                begins = past.sums[piece.places].take(past.column.take(cells), axis=1).astype(kind, copy=False)
                begins <<= kind(self.shift)
                rows -= begins
        return keys


def _kind(most: int) -> type[Any]:
    """Return the smallest type of integers that holds a number."""
    return next(kind for kind in (np.uint16, np.uint32, np.uint64) if most <= np.iinfo(kind).max)


def _needed(turn: _Turn) -> set[int]:
    """Return the turns whose bases are needed."""
    ends = {pieces[0].turn for pieces in turn.windows} | {pieces[-1].turn + 1 for pieces in turn.windows}
    return {number for number in ends if number <= turn.number} | {turn.number}


def _add_up(amounts: NDArray[Any], out: NDArray[Any]) -> None:
    """Write running sums along the first axis: where rows are long, row by row, ten times as fast as `cumsum`."""
    if len(amounts) > amounts.shape[1]:
        np.cumsum(amounts, axis=0, dtype=out.dtype, out=out)
        return
    out[:1] = amounts[:1]
    for row in range(1, len(amounts)):
        np.add(out[row - 1], amounts[row], out=out[row], dtype=out.dtype, casting="unsafe")


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
