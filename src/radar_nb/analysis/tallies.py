"""Sums, sums of squares, extremes and counts of many frames, with few passes over the codes of each.

Frames are added one by one; only a few numbers per cell are kept. Sums are sums of integers, so that the result is
exact and does not depend on the order of frames or the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from radar_nb.formats.radolan import VALUE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.formats.packing import Packing

GROUP = 16
"""Frames whose 12-bit values are summed in 16 bits: 16 * 4095 < 2**16."""
FRAMES_LIMIT = 1 << 20
"""Frames whose 12-bit values are summed in 32 bits: the largest number of frames between two totals."""

_STEPS = 1 << 24  # floating values are summed in steps of 6e-8, so that their sums are exact too
_FLAGS = 0xFFFF ^ VALUE
_BLOCK = 1 << 17  # cells of codes that are added at once; smaller blocks cost more calls than they save
_RESTLESS = 0.001  # share of cells with changed flags above which other flags are removed first


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The statistics to compute for each cell, beside the number of its valid frames.

    Attributes
    ----------
    sums, squares, largest, smallest : bool
    thresholds : tuple of float
        Count the frames whose value is not below each threshold.
    """

    sums: bool = False
    squares: bool = False
    largest: bool = False
    smallest: bool = False
    thresholds: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Totals:
    """Statistics of each cell after some frames of one packing.

    All arrays have the shape (cells,), or (0,) if they were not requested.

    Attributes
    ----------
    scale, offset : float
        A cell's sum is `sums * scale + valid * offset`.
    valid : ndarray of int32
        Number of frames in which the cell was not missing.
    sums : ndarray of int64
    squares : tuple of ndarray of int64
        Sums of the squares of codes, as integers too: those of their lowest 32 bits, and those of the bits above;
        codes of at most 16 bits have the first alone.
    largest, smallest : ndarray of float32
        Values; minus and plus infinity where no frame was valid.
    above : tuple of ndarray of int32
        Number of frames whose value was not below each threshold.
    """

    scale: float
    offset: float
    valid: NDArray[np.int32]
    sums: NDArray[np.int64]
    squares: tuple[NDArray[np.int64], ...]
    largest: NDArray[np.float32]
    smallest: NDArray[np.float32]
    above: tuple[NDArray[np.int32], ...]

    def add(self, other: Totals) -> None:
        """Add the statistics of other frames of the same scale and offset, in place."""
        np.maximum(self.largest, other.largest, out=self.largest)
        np.minimum(self.smallest, other.smallest, out=self.smallest)
        for one, more in zip(self._added(), other._added(), strict=True):
            np.add(one, more, out=one)

    def _added(self) -> tuple[NDArray[Any], ...]:
        return (self.sums, self.valid, *self.above, *self.squares)

    def deviations(self) -> NDArray[np.float64]:
        """Return the sum of the squared deviations from the cell's own mean, in the unit's square.

        With codes of at most 16 bits the numerator n * sum(c * c) - sum(c) ** 2 is exact while it is below 2**64,
        since integers of 64 bits wrap around: the products may be larger.
        """
        number = np.maximum(self.valid, 1)
        if len(self.squares) == 1:
            squares, sums = (one.astype(np.uint64) for one in (self.squares[0], self.sums))
            spread = (number.astype(np.uint64) * squares - sums * sums) / number
        else:
            low, high = self.squares
            sums = self.sums.astype(np.float64)
            spread = np.maximum(low + high * 2.0**32 - sums * sums / number, 0)
        found: NDArray[np.float64] = spread * self.scale**2
        return found


class Tally(Protocol):
    """Takes frames and returns their totals."""

    def start(self, packing: Packing) -> None:
        """Reset the tally; the next frames have this packing."""

    def add(self, data: NDArray[Any]) -> None:
        """Add one frame, shape (cells,)."""

    def totals(self) -> Totals:
        """Return the statistics of the frames since the start, in new arrays."""


class _Statistic:
    """One number per cell: for a group of frames, and for all groups before it.

    While a cell is missing, its number for the group is not valid: it is reset when the cell changes and at the
    end of the group.
    """

    def __init__(self, cells: int, join: np.ufunc, kinds: tuple[str, str], empty: int) -> None:
        self._join = join
        self._empty = empty
        self.group = np.empty(cells, kinds[0])
        self.total = np.empty(cells, kinds[1])

    def reset(self) -> None:
        """Reset all numbers."""
        self.group.fill(self._empty)
        self.total.fill(self._empty)

    def change(self, lost: NDArray[np.intp], found: NDArray[np.intp]) -> None:
        """Mark cells that become missing or valid with the next frame."""
        self.total[lost] = self._join(self.total[lost], self.group[lost])
        self.group[found] = self._empty

    def end_group(self, missing: NDArray[np.bool_]) -> None:
        """Join the group's numbers with those of earlier groups."""
        np.copyto(self.group, self.group.dtype.type(self._empty), where=missing)
        self._join(self.total, self.group, out=self.total)
        self.group.fill(self._empty)


class FlagTally:
    """A tally of 16-bit codes with flags.

    Few flags change from frame to frame. A frame is combined by exclusive or with the flags of the previous one:
    this yields its values, and larger numbers where a flag has changed. The largest number shows whether there are
    such cells; these few are processed one by one.

    Parameters
    ----------
    cells : int
    wanted : Wanted
    """

    def __init__(self, cells: int, wanted: Wanted) -> None:
        self._thresholds = wanted.thresholds
        self._sums = _Statistic(cells, np.add, ("u2", "u4"), 0) if wanted.sums else None
        self._largest = _Statistic(cells, np.maximum, ("u2", "u2"), 0) if wanted.largest else None
        self._smallest = _Statistic(cells, np.minimum, ("u2", "u2"), 0xFFFF) if wanted.smallest else None
        self._above = [_Statistic(cells, np.add, ("u1", "u4"), 0) for _ in wanted.thresholds]
        self._squares = _Statistic(cells, np.add, ("u4", "u8"), 0) if wanted.squares else None
        self._work = np.empty(cells if wanted.squares else 0, np.uint32)
        singles = (self._sums, self._squares, self._largest, self._smallest)
        self._statistics = [*(one for one in singles if one is not None), *self._above]
        self._flags = np.empty(cells, np.uint16)
        self._missing = np.empty(cells, np.bool_)
        self._valid = np.empty(cells, np.int32)
        self._counts = np.empty(cells, np.uint16)
        self._reached = np.empty(cells if wanted.thresholds else 0, np.bool_)

    def start(self, packing: Packing) -> None:
        """Reset the tally; the next frames have this packing."""
        self._packing = packing
        self._floors = [np.uint16(np.clip(packing.count(value), 0, 0xFFFF)) for value in self._thresholds]
        self._frames = self._grouped = 0
        self._kept: np.uint16 | None = None

    def add(self, data: NDArray[np.uint16]) -> None:
        """Add the codes of one frame, shape (cells,)."""
        codes = np.require(data, requirements="A")  # aligned: a header of odd length makes them slow
        if not self._frames:
            self._begin(codes)
        counts = self._counts
        if self._kept is not None:
            codes = np.bitwise_and(codes, self._kept, out=counts)
        np.bitwise_xor(codes, self._flags, out=counts)
        if counts.max() > VALUE:
            self._change(counts)
        self._count(counts)
        self._frames += 1
        self._grouped += 1
        if self._grouped == GROUP:
            self._end_group()

    def totals(self) -> Totals:
        """Return the statistics of the frames since the start."""
        self._end_group()
        valid = self._valid.copy()
        np.add(valid, np.int32(self._frames), out=valid, where=~self._missing)
        return Totals(
            scale=self._packing.scale,
            offset=self._packing.offset,
            valid=valid,
            sums=np.empty(0, np.int64) if self._sums is None else self._sums.total.astype(np.int64),
            squares=() if self._squares is None else (self._squares.total.astype(np.int64),),
            largest=self._values(self._largest, valid, -np.inf),
            smallest=self._values(self._smallest, valid, np.inf),
            above=tuple(one.total.astype(np.int32) for one in self._above),
        )

    def _begin(self, codes: NDArray[np.uint16]) -> None:
        np.bitwise_and(codes, np.uint16(_FLAGS), out=self._flags)
        self._missing[:] = (self._flags & np.uint16(self._packing.missing)) != 0
        self._valid.fill(0)
        for one in self._statistics:
            one.reset()

    def _count(self, counts: NDArray[np.uint16]) -> None:
        """Add the values of a frame to the group."""
        if self._sums is not None:
            np.add(self._sums.group, counts, out=self._sums.group)
        if self._squares is not None:
            np.multiply(counts, counts, out=self._work, dtype=np.uint32)
            np.add(self._squares.group, self._work, out=self._squares.group)
        if self._largest is not None:
            np.maximum(self._largest.group, counts, out=self._largest.group)
        if self._smallest is not None:
            np.minimum(self._smallest.group, counts, out=self._smallest.group)
        for one, floor in zip(self._above, self._floors, strict=True):
            np.greater_equal(counts, floor, out=self._reached)
            np.add(one.group, self._reached.view(np.uint8), out=one.group)

    def _change(self, counts: NDArray[np.uint16]) -> None:
        """Record changed flags, and remove them."""
        cells = np.flatnonzero(counts > VALUE)
        self._flags[cells] ^= counts[cells] & np.uint16(_FLAGS)
        counts[cells] &= np.uint16(VALUE)
        missing = (self._flags[cells] & np.uint16(self._packing.missing)) != 0
        before = self._missing[cells]
        lost, found = cells[missing & ~before], cells[before & ~missing]
        # valid frames of a cell: add those before each loss, subtract those before each return
        self._valid[lost] += self._frames
        self._valid[found] -= self._frames
        self._missing[lost] = True
        self._missing[found] = False
        for one in self._statistics:
            one.change(lost, found)
        if self._kept is None and cells.size - lost.size - found.size > _RESTLESS * self._flags.size:
            self._kept = np.uint16(VALUE | self._packing.missing)
            self._flags &= self._kept

    def _end_group(self) -> None:
        for one in self._statistics:
            one.end_group(self._missing)
        self._grouped = 0

    def _values(self, one: _Statistic | None, valid: NDArray[np.int32], empty: float) -> NDArray[np.float32]:
        if one is None:
            return np.empty(0, np.float32)
        values = self._packing.values(one.total)
        np.copyto(values, np.float32(empty), where=valid == 0)
        return values


class _Count:
    """How many frames were true for each cell, counted in single bytes for as long as they suffice."""

    def __init__(self, cells: int) -> None:
        self._group = np.zeros(cells, np.uint8)
        self._total: NDArray[np.int32] | None = None
        self._frames = 0

    def begin(self) -> None:
        """Make room for a frame."""
        if self._frames == np.iinfo(np.uint8).max:
            self.end()
        self._frames += 1

    def add(self, true: NDArray[np.bool_], cells: slice) -> None:
        """Add some cells of the frame."""
        group = self._group[cells]
        np.add(group, true.view(np.uint8), out=group)

    def end(self) -> NDArray[np.int32]:
        """Return the total."""
        self._total = _joined(self._total, self._group, np.int32)
        self._frames = 0
        return self._total


class _Sum:
    """Sums of codes, in four bytes for as long as the largest sum possible fits."""

    def __init__(self, cells: int) -> None:
        self._group = np.zeros(cells, np.uint32)
        self._total: NDArray[np.int64] | None = None
        self._bound = 0

    def add(self, counts: NDArray[Any], cells: slice) -> None:
        """Add unsigned integers of some cells."""
        largest = int(counts.max(initial=0))
        if self._bound + largest > np.iinfo(np.uint32).max:
            self.end()
        group = self._group[cells]
        np.add(group, counts, out=group)
        self._bound += largest  # of all parts of a frame: more than any cell has

    def end(self) -> NDArray[np.int64]:
        """Return the total."""
        self._total = _joined(self._total, self._group, np.int64)
        self._bound = 0
        return self._total


class _Squares:
    """Sums of the squares of unsigned integers, or of numbers whose squares are given, in halves of 32 bits."""

    def __init__(self, cells: int, *, halves: int) -> None:
        self._halves = tuple(np.zeros(cells, np.int64) for _ in range(halves))

    def add(self, counts: NDArray[Any], cells: slice) -> None:
        """Add the squares of unsigned integers of some cells."""
        squares = counts.astype(np.uint64)
        np.multiply(squares, squares, out=squares)
        if len(self._halves) == 1:
            self._halves[0][cells] += squares.view(np.int64)
            return
        low, high = (half[cells] for half in self._halves)
        low += (squares & np.uint64(0xFFFFFFFF)).view(np.int64)
        high += (squares >> np.uint64(32)).view(np.int64)

    def add_squares(self, squares: NDArray[np.float64]) -> None:
        """Add whole numbers."""
        low, high = self._halves
        above = np.floor(squares * 2.0**-32)
        high += above.astype(np.int64)
        low += (squares - above * 2.0**32).astype(np.int64)

    def end(self) -> tuple[NDArray[np.int64], ...]:
        """Return the sums."""
        return self._halves


def _joined(total: NDArray[Any] | None, group: NDArray[Any], kind: type[Any]) -> NDArray[Any]:
    """Add a group to a total, which is made when it is needed, and empty the group."""
    total = group.astype(kind) if total is None else np.add(total, group, out=total)
    group.fill(0)
    return total


class CodeTally:
    """A tally of codes without flags, of which some mark missing cells, as in HDF5.

    Codes are raised, by one in most files, so that missing cells become 0, or the same as dry ones where codes
    follow each other: sums and largest values need no mask then.

    Parameters
    ----------
    cells : int
    wanted : Wanted
    """

    def __init__(self, cells: int, wanted: Wanted) -> None:
        self._cells = cells
        self._wanted = wanted

    @staticmethod
    def can_take(packing: Packing) -> bool:
        """Return whether codes of this packing can be processed: no flags, and a code for the value zero."""
        if packing.missing or packing.undetect is None:
            return not packing.missing
        zero = np.array([max(0, packing.count(0.0))], packing.dtype)
        return float(packing.values(zero)[0]) == 0

    def start(self, packing: Packing) -> None:
        """Reset the tally; the next frames have this packing."""
        cells, wanted = self._cells, self._wanted
        self._packing = packing
        self._last = int(np.iinfo(packing.dtype).max)
        dry, zero = packing.undetect, packing.count(0.0)
        below = (self._last + 1 if dry is None else dry or self._last + 1) - 1
        # where the one mark lies below `undetect`, modulo the type, and nothing between that and zero
        ends = dry in {None, 0, self._last} and packing.marks == (below,)
        self._ordered = ends and (dry is None or (zero - dry) % (self._last + 1) < 2)
        self._raise = 2 if self._ordered and dry == self._last else 1
        # of a value after raising, and of missing cells: the same where codes are ordered
        self._lowest = self._raise + (zero if self._ordered and dry is not None else 0)
        self._empty = self._lowest if self._ordered else 0
        self._floors = [max(self._lowest, packing.count(value) + self._raise) for value in wanted.thresholds]
        self._frames = 0
        self._work = np.empty(min(cells, _BLOCK), packing.dtype)
        self._there, self._true = (np.empty(min(cells, _BLOCK), np.bool_) for _ in range(2))
        self._valid = _Count(cells)
        self._sums = _Sum(cells if wanted.sums else 0)
        self._squares = _Squares(cells, halves=2 if packing.itemsize > 2 else 1) if wanted.squares else None
        self._largest = np.zeros(cells if wanted.largest else 0, packing.dtype)
        self._smallest = np.full(cells if wanted.smallest else 0, self._last, packing.dtype)
        self._above = [_Count(cells) for _ in wanted.thresholds]

    def add(self, data: NDArray[Any]) -> None:
        """Add the codes of one frame, shape (cells,)."""
        for count in (self._valid, *self._above):
            count.begin()
        self._frames += 1
        for start in range(0, self._cells, _BLOCK):
            cells = slice(start, min(start + _BLOCK, self._cells))
            self._add(data[cells], cells)

    def _add(self, data: NDArray[Any], cells: slice) -> None:
        """Add some cells of a frame, which stay in the processor's cache."""
        work, there, true = (room[: data.size] for room in (self._work, self._there, self._true))
        kind = work.dtype.type
        if self._ordered:
            np.not_equal(data, kind(self._packing.marks[0]), out=there)
            np.add(data, kind(self._raise), out=work)
            # no echo and missing become the lowest; np.maximum takes three times as long
            np.clip(work, kind(self._lowest), kind(self._last), out=work)
        else:
            self._raise_masked(data, work, true)
            np.not_equal(work, kind(0), out=there)
        self._valid.add(there, cells)
        if self._wanted.sums:
            self._sums.add(work, cells)
        if self._wanted.largest:
            largest = self._largest[cells]
            np.maximum(largest, work, out=largest)
        for one, floor in zip(self._above, self._floors, strict=True):
            one.add(there if floor == self._lowest else np.greater_equal(work, floor, out=true), cells)
        if self._squares is not None:
            self._squares.add(np.multiply(work - kind(self._raise), there, dtype=work.dtype), cells)
        if self._wanted.smallest:
            np.subtract(work, kind(self._raise), out=work)  # missing cells become larger than all
            if self._empty:
                np.copyto(work, kind(self._last), where=np.logical_not(there, out=there))
            smallest = self._smallest[cells]
            np.minimum(smallest, work, out=smallest)

    def _raise_masked(self, data: NDArray[Any], work: NDArray[Any], true: NDArray[np.bool_]) -> None:
        packing = self._packing
        np.add(data, data.dtype.type(1), out=work)  # the largest code becomes 0
        for mark in packing.marks:
            if mark != self._last:
                np.copyto(work, work.dtype.type(0), where=np.equal(data, mark, out=true))
        if packing.undetect is not None:
            dry = np.equal(data, packing.undetect, out=true)
            np.copyto(work, work.dtype.type(packing.count(0.0) + 1), where=dry)

    def totals(self) -> Totals:
        """Return the statistics of the frames since the start."""
        valid = self._valid.end()
        missing = valid == 0
        largest, smallest = self._largest, self._smallest
        np.subtract(largest, largest.dtype.type(self._raise), out=largest)
        sums = self._sums.end()
        if self._wanted.sums:
            np.subtract(sums, self._frames * self._empty, out=sums)
            if self._raise != self._empty:
                np.subtract(sums, (self._raise - self._empty) * valid, out=sums)
        return Totals(
            scale=self._packing.scale,
            offset=self._packing.offset,
            valid=valid,
            sums=sums,
            squares=() if self._squares is None else self._squares.end(),
            largest=self._values(largest, missing, -np.inf),
            smallest=self._values(smallest, missing, np.inf),
            above=tuple(one.end() for one in self._above),
        )

    def _values(self, codes: NDArray[Any], missing: NDArray[np.bool_], empty: float) -> NDArray[np.float32]:
        values = self._packing.values(codes)
        if values.size:
            np.copyto(values, np.float32(empty), where=missing)
        return values


class ValueTally:
    """A tally of float32 values, NaN where missing: for fields on another grid, and means around points.

    Parameters
    ----------
    cells : int
    wanted : Wanted
    """

    def __init__(self, cells: int, wanted: Wanted) -> None:
        self._cells = cells
        self._wanted = wanted

    def start(self, packing: Packing) -> None:
        """Reset the tally; the next frames had this packing."""
        cells, wanted = self._cells, self._wanted
        # a value represents a decimal number: allow for rounding by half a thousandth of a step
        self._floors = [np.float32(value - packing.scale / 2000) for value in wanted.thresholds]
        self._valid = np.zeros(cells, np.int32)
        self._sums = np.zeros(cells if wanted.sums else 0)
        self._squares = _Squares(cells, halves=2) if wanted.squares else None
        self._largest = np.full(cells if wanted.largest else 0, -np.inf, np.float32)
        self._smallest = np.full(cells if wanted.smallest else 0, np.inf, np.float32)
        self._above = tuple(np.zeros(cells, np.int32) for _ in wanted.thresholds)

    def add(self, data: NDArray[np.float32]) -> None:
        """Add the values of one frame, shape (cells,)."""
        missing = np.isnan(data)
        self._valid += ~missing
        if self._wanted.sums:
            whole = np.rint(data * np.float64(_STEPS))
            whole[missing] = 0
            self._sums += whole  # below 2**53
        if self._squares is not None:
            squares = np.square(np.where(missing, 0, data), dtype=np.float64) * _STEPS**2
            self._squares.add_squares(np.rint(squares))
        if self._wanted.largest:
            np.fmax(self._largest, data, out=self._largest)
        if self._wanted.smallest:
            np.fmin(self._smallest, data, out=self._smallest)
        for one, floor in zip(self._above, self._floors, strict=True):
            np.add(one, data >= floor, out=one)

    def totals(self) -> Totals:
        """Return the statistics of the frames since the start."""
        return Totals(
            scale=1 / _STEPS,
            offset=0.0,
            valid=self._valid,
            sums=self._sums.astype(np.int64),
            squares=() if self._squares is None else self._squares.end(),
            largest=self._largest,
            smallest=self._smallest,
            above=self._above,
        )
