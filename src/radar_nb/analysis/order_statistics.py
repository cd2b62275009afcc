"""Exact quantiles and histograms of each cell, in memory that grows with neither the series nor its values.

Values become keys: whole numbers in the same order, a frame's own counts or the bits of floats. A first pass
counts for each cell how many keys begin with each pattern of bits. The bin that holds the quantile is known then,
and a further pass counts only its keys, by their next bits, until one key is left: two passes for RADOLAN's twelve
bits. Most cells rest in most frames, since it rains seldom; only the others are looked at.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from radar_nb.formats.packing import Packing
from radar_nb.formats.radolan import VALUE

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOM = 1 << 28
"""Maximum bytes of the counts of all bins and cells."""
_BLOCK = 1 << 16  # cells that are evaluated at a time, so that they stay in the processor's cache
_LEAST_BITS = 4  # of each pass but the first: more quantiles at once would leave fewer
_TABLE_BITS = 16  # keys up to this width are assigned to bins by a table
_NO_KEY = np.uint32(0xFFFFFFFF)  # the bits of a NaN: the key of no value


class OtherCodes(Exception):
    """A frame whose codes do not mean what those of the first frame mean."""


class Keys(Protocol):
    """Whole numbers that stand for values, in the same order.

    Attributes
    ----------
    width : int
        Bits of a key.
    rest : int
        The key of cells that rest, such as dry ones.
    """

    width: int
    rest: int

    def busy(self, data: NDArray[Any], packing: Packing) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """Return the cells that neither rest nor are missing, and their keys.

        Raises
        ------
        OtherCodes
            The codes cannot be compared with those of the first frame.
        """

    def values(self, keys: NDArray[Any]) -> NDArray[np.float32]:
        """Return the values of keys."""

    def bins(self, keys: NDArray[Any], edges: tuple[float, ...]) -> NDArray[np.intp]:
        """Return the number of each key's bin, -1 below the first edge and `len(edges)` - 1 above the last."""


class CodeKeys:
    """Codes without their flags as keys, of frames with one scale and offset: see `Keys`.

    Parameters
    ----------
    packing : Packing
        Of the first frame.
    """

    def __init__(self, packing: Packing) -> None:
        self._plain = Packing(scale=packing.scale, offset=packing.offset, itemsize=4)
        self.width, self.rest = _width(packing), _rest(packing)
        self._tables: dict[tuple[float, ...], NDArray[np.int16]] = {}

    def busy(self, data: NDArray[Any], packing: Packing) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """Return the cells that neither rest nor are missing, and their keys."""
        same = (packing.scale, packing.offset) == (self._plain.scale, self._plain.offset)
        if data.dtype.kind == "f" or not same or _width(packing) > self.width or _rest(packing) != self.rest:
            raise OtherCodes
        if packing.flagged and packing.itemsize == 2:
            # less one, what rests is the largest number, and what is missing is larger than every value
            work = np.bitwise_and(data, np.uint16(VALUE | packing.missing))
            np.subtract(work, np.uint16(1), out=work)
            cells = np.flatnonzero(work < VALUE)
            return cells, work[cells] + np.uint16(1)
        packed = packing.packed(data)
        cells = np.flatnonzero((packed != packing.fill) & (packed != self.rest))
        return cells, packed[cells]

    def values(self, keys: NDArray[Any]) -> NDArray[np.float32]:
        """Return the values of keys."""
        return self._plain.values(keys.astype(np.uint32))

    def bins(self, keys: NDArray[Any], edges: tuple[float, ...]) -> NDArray[np.intp]:
        """Return the number of each key's bin; values are compared as decimal numbers."""
        if self.width > _TABLE_BITS:
            return self._bins(keys, edges)
        if edges not in self._tables:
            self._tables[edges] = self._bins(np.arange(1 << self.width), edges).astype(np.int16)
        found: NDArray[np.intp] = self._tables[edges][keys].astype(np.intp)
        return found

    def _bins(self, keys: NDArray[Any], edges: tuple[float, ...]) -> NDArray[np.intp]:
        floors = [self._plain.count(edge) for edge in edges]
        last = round((edges[-1] - self._plain.offset) / self._plain.scale, 6)
        floors[-1] = int(np.floor(last)) + 1  # the last edge belongs to the last bin
        return np.searchsorted(np.array(floors, np.int64), keys.astype(np.int64), side="right") - 1


class FloatKeys:
    """The bits of float32 as keys, in the order of the values: see `Keys`.

    Parameters
    ----------
    step : float
        Values are decimal numbers with this step, if they have one.
    """

    width = 32
    rest = 1 << 31  # of 0.0

    def __init__(self, step: float) -> None:
        self._slack = step / 2000  # as in `tallies.ValueTally`

    def busy(self, data: NDArray[Any], packing: Packing) -> tuple[NDArray[np.intp], NDArray[Any]]:
        """Return the cells that are neither 0 nor missing, and their keys."""
        values = data if data.dtype.kind == "f" else packing.values(data)
        cells = np.flatnonzero((values < 0) | (values > 0))
        bits = values[cells].astype(np.float32).view(np.uint32)
        turned = np.where(bits >> np.uint32(31), _NO_KEY, np.uint32(self.rest))
        return cells, bits ^ turned

    def values(self, keys: NDArray[Any]) -> NDArray[np.float32]:
        """Return the values of keys."""
        keys = keys.astype(np.uint32)
        turned = np.where(keys >> np.uint32(31), np.uint32(self.rest), _NO_KEY)
        return (keys ^ turned).view(np.float32)

    def bins(self, keys: NDArray[Any], edges: tuple[float, ...]) -> NDArray[np.intp]:
        """Return the number of each key's bin."""
        floors = np.array(edges, np.float64) - self._slack
        floors[-1] = edges[-1] + self._slack
        return np.searchsorted(floors, self.values(keys).astype(np.float64), side="right") - 1


def _width(packing: Packing) -> int:
    return VALUE.bit_length() if packing.flagged and packing.itemsize == 2 else 8 * packing.itemsize


def _rest(packing: Packing) -> int:
    """Return the code without flags of most cells: 0, or the amount 0 where no echo has a code of its own."""
    return 0 if packing.undetect is None else max(0, packing.count(0.0))


class _Counts:
    """How often each cell has had a key of each bin.

    Parameters
    ----------
    bins, cells, frames : int
        Most numbers of frames fit into two bytes.
    """

    def __init__(self, bins: int, cells: int, frames: int) -> None:
        self.of = np.zeros((bins, cells), _counting(frames))
        self._flat = self.of.reshape(-1)
        self._lock = threading.Lock()

    def add(self, cells: NDArray[np.intp], bins: NDArray[Any]) -> None:
        """Count one key for each of some different cells."""
        places = bins.astype(np.intp)
        places *= self.of.shape[1]
        places += cells
        with self._lock:
            self._flat[places] += self.of.dtype.type(1)


def _counting(frames: int) -> np.dtype[Any]:
    return np.dtype("u2" if frames <= np.iinfo("u2").max else "u4")


class Histogram:
    """How many values of each cell lie in each bin.

    Parameters
    ----------
    cells, frames : int
    edges : tuple of float
        Rising; a bin holds its lower edge, the last one its upper edge too.
    """

    def __init__(self, cells: int, frames: int, edges: tuple[float, ...]) -> None:
        self._edges = edges
        self._counts = _Counts(len(edges), cells, frames)  # the last one for values outside

    def add(self, cells: NDArray[np.intp], keys: NDArray[Any], space: Keys) -> None:
        """Count the keys of one frame."""
        bins = space.bins(keys, self._edges)
        bins[bins < 0] = len(self._edges) - 1
        self._counts.add(cells, bins)

    def end(self, valid: NDArray[np.int32], space: Keys) -> NDArray[np.int32]:
        """Return the counts, shape (bins, cells); what was valid and not counted rested."""
        resting = int(space.bins(np.array([space.rest]), self._edges)[0])
        if 0 <= resting < len(self._edges) - 1:
            self._counts.of[resting] += _resting(self._counts.of, valid)
        return self._counts.of[:-1].astype(np.int32)


def _resting(counts: NDArray[Any], valid: NDArray[np.int32]) -> NDArray[Any]:
    """Return how often each cell was valid and not counted."""
    resting: NDArray[Any] = valid.astype(counts.dtype) - counts.sum(axis=0, dtype=counts.dtype)
    return resting


def _below(counts: NDArray[Any], rank: NDArray[np.int32]) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Return the bin that holds each cell's value of a rank, and how many of its values lie in lower bins.

    It is the last bin for cells without a value.
    """
    upto = counts.cumsum(axis=0, dtype=np.int32)
    number = np.minimum((upto <= rank).sum(axis=0), len(counts) - 1)
    before = np.take_along_axis(upto, np.maximum(number - 1, 0)[None], axis=0)[0]
    before[number == 0] = 0
    return number, before


def _first_after(counts: NDArray[Any], number: NDArray[np.intp]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Return whether each cell has a value in a bin above another one, and the first such bin."""
    some: NDArray[np.bool_] = (counts > 0) & (np.arange(len(counts))[:, None] > number)
    return np.asarray(some.any(axis=0)), np.asarray(some.argmax(axis=0))


class _Target:
    """The search of one quantile: the keys of the two values between which it lies.

    Attributes
    ----------
    gap : ndarray of float64
        Where the quantile lies between the two: (n - 1) * share is the rank of the lower one plus this.
    found : ndarray of uint32
        The first bits of the lower key; the key when the search is done.
    above : ndarray of uint32
        The smallest key seen above it; the next key in order when the search is done.
    sought : ndarray of uint32
        As `found`; `_NO_KEY` where the two are known to be those of cells that rest.
    """

    def __init__(self, share: float, valid: NDArray[np.int32]) -> None:
        exact = share * np.maximum(valid.astype(np.float64) - 1, 0)
        self._rank = np.floor(exact).astype(np.int32)
        self.gap = exact - self._rank
        self.found = np.zeros(valid.size, np.uint32)
        self.above = np.full(valid.size, _NO_KEY, np.uint32)
        self.sought = self.found
        self._lock = threading.Lock()

    def see(self, cells: NDArray[np.intp], keys: NDArray[Any] | np.uint32) -> None:
        """Keep the smallest keys of cells whose keys lie above the bin that is sought."""
        with self._lock:
            self.above[cells] = np.minimum(self.above[cells], keys)

    def descend(self, counts: NDArray[Any], bits: int, *, last: bool) -> None:
        """Choose each cell's bin, and find the next key if no bits are left.

        Bins are summed by groups first, so that the bins of one group alone are looked at for each cell.
        """
        step = 1 << (len(counts).bit_length() // 2)
        for start in range(0, self.found.size, _BLOCK):
            some = slice(start, start + _BLOCK)
            part, rank = counts[:, some], self._rank[some]
            groups = part.reshape(-1, step, rank.size)
            sums = groups.sum(axis=1, dtype=np.int32)
            group, before = _below(sums, rank)
            cells = np.arange(rank.size)
            bins = groups[group, :, cells].T
            rank -= before
            digit, before = _below(bins, rank)
            rank -= before
            prefix = self.found[some] << np.uint32(bits) if bits < self.found.itemsize * 8 else 0
            if last:
                again = rank + 1 < bins[digit, cells]
                here, following = _first_after(bins, digit)
                following += group * step
                there, later = _first_after(sums, group)
                for number in np.unique(later[seek := there & ~here]):
                    chosen = np.flatnonzero(seek & (later == number))
                    following[chosen] = number * step + (groups[number][:, chosen] > 0).argmax(axis=0)
                following[again] = (group * step + digit)[again]
                np.copyto(self.above[some], prefix | following.astype(np.uint32), where=again | here | there)
            self.found[some] = prefix | (group * step + digit).astype(np.uint32)

    def settle(self, rest: int, bits: int, resting: NDArray[Any], valid: NDArray[np.int32]) -> bool:
        """Take cells out of the search whose two values both rest; return whether others are left.

        `bits` are still unknown. It needs the resting key to be the first one of its bin.
        """
        if rest & ((1 << bits) - 1):
            settled = np.zeros(valid.size, np.bool_)
        else:
            settled = (self.found == rest >> bits) & (self._rank + 1 < resting.astype(np.int32))
        self.sought = np.where(settled, _NO_KEY, self.found)
        return bool((~settled & (valid > 0)).any())

    def value(self, space: Keys) -> NDArray[np.float32]:
        """Return the quantile, linear between the two values."""
        settled = self.sought == _NO_KEY
        lower = np.where(settled, np.uint32(space.rest), self.found)
        upper = np.where(settled | (self.above == _NO_KEY), lower, self.above)
        low, high = (space.values(keys).astype(np.float64) for keys in (lower, upper))
        return (low + (high - low) * self.gap).astype(np.float32)


class Search:
    """The search of some quantiles of each cell, in a few passes over the same frames.

    Parameters
    ----------
    cells, frames : int
    shares : tuple of float
        From 0 to 1.
    room : int
        Maximum bytes of counts.
    """

    def __init__(self, cells: int, frames: int, shares: tuple[float, ...], *, room: int) -> None:
        self._cells, self._frames, self._shares = cells, frames, shares
        self._most = room
        self._targets: list[_Target] = []
        self._counts: list[_Counts] = []
        self._bits = 0
        self._left: int | None = None
        self._last = False
        self._lock = threading.Lock()

    def add(self, cells: NDArray[np.intp], keys: NDArray[Any], space: Keys) -> None:
        """Count the keys of one frame."""
        if self._left is None:
            with self._lock:
                if self._left is None:
                    self._begin(space)
        left = self._left or 0
        if not self._targets:
            self._counts[0].add(cells, keys >> keys.dtype.type(left))
            return
        upper = (keys >> keys.dtype.type(left + self._bits)).astype(np.uint32)
        lower = (keys >> keys.dtype.type(left)) & keys.dtype.type((1 << self._bits) - 1)
        for target, counts in zip(self._targets, self._counts, strict=True):
            sought = target.sought[cells]
            same = upper == sought
            counts.add(cells[same], lower[same])
            if self._last and (higher := upper > sought).any():
                target.see(cells[higher], keys[higher])

    def turn(self, valid: NDArray[np.int32], space: Keys) -> bool:
        """Evaluate a pass; return whether another one is needed."""
        if self._left is None:  # no cell was busy
            self._begin(space)
        left = self._left or 0
        if not self._targets:
            counts = self._counts[0].of
            self._resting = _resting(counts, valid)
            counts[space.rest >> left] += self._resting
            self._targets = [_Target(share, valid) for share in self._shares]
            for target in self._targets:
                target.descend(counts, self._bits, last=self._last)
        else:
            for target, some in zip(self._targets, self._counts, strict=True):
                here = target.found == space.rest >> (left + self._bits)
                digit = (space.rest >> left) & ((1 << self._bits) - 1)
                np.add(some.of[digit], self._resting, out=some.of[digit], where=here)
                if self._last:
                    higher = (target.found < space.rest >> (left + self._bits)) & (self._resting > 0)
                    target.see(np.flatnonzero(higher), np.uint32(space.rest))
                target.descend(some.of, self._bits, last=self._last)
        self._counts = []  # their memory is free before the next ones take theirs
        if self._last:
            return False
        more = [target.settle(space.rest, left, self._resting, valid) for target in self._targets]
        if not any(more):
            return False
        self._open(left, len(self._targets))
        return True

    def results(self, valid: NDArray[np.int32], space: Keys) -> NDArray[np.float32]:
        """Return the quantiles, shape (shares, cells), NaN where no value was valid."""
        found = np.stack([target.value(space) for target in self._targets])
        found[:, valid == 0] = np.nan
        return found

    def _begin(self, space: Keys) -> None:
        self._open(space.width, 1)

    def _open(self, unknown: int, number: int) -> None:
        """Begin a pass; as many passes as the room demands resolve about the same number of bits each."""
        passes = -(-unknown // self._resolved(number))
        self._bits = -(-unknown // passes)
        left = unknown - self._bits
        self._counts = [_Counts(1 << self._bits, self._cells, self._frames) for _ in range(number)]
        self._last = left == 0
        self._left = left

    def _resolved(self, number: int) -> int:
        """Return how many bits a pass can resolve for some targets."""
        bins = self._most // (max(1, self._cells) * _counting(self._frames).itemsize * number)
        return max(_LEAST_BITS, bins.bit_length() - 1)


def _groups_of(cells: int, frames: int, shares: tuple[float, ...], room: int) -> list[tuple[float, ...]]:
    """Split shares into those that one search can find within its room."""
    bins = room // (max(1, cells) * _counting(frames).itemsize)
    size = max(1, bins >> _LEAST_BITS)
    return [shares[start : start + size] for start in range(0, len(shares), size)]


class Asked(NamedTuple):
    """What is to be found of each cell: quantiles of these shares, a histogram with these edges, or both."""

    shares: tuple[float, ...] = ()
    edges: tuple[float, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.shares or self.edges)


class Counter:
    """Quantiles and a histogram of the frames of one period, in as many passes as they need.

    Parameters
    ----------
    cells, frames : int
    asked : Asked
    floats : bool
        Compare values instead of codes, since frames differ in scale.
    room : int
        Maximum bytes of counts for quantiles.
    """

    def __init__(self, cells: int, frames: int, asked: Asked, *, floats: bool, room: int = ROOM) -> None:
        self._histogram = Histogram(cells, frames, asked.edges) if asked.edges else None
        groups = _groups_of(cells, frames, asked.shares, room)
        self._searches = [Search(cells, frames, shares, room=room) for shares in groups]
        self._floats = floats
        self._space: Keys | None = None
        self._lock = threading.Lock()
        self.counts: NDArray[np.int32] | None = None
        self._found: list[NDArray[np.float32]] = []

    def add(self, data: NDArray[Any], packing: Packing) -> None:
        """Count the codes or values of one frame, shape (cells,)."""
        space = self._space or self._begin(data, packing)
        cells, keys = space.busy(data, packing)
        if self._histogram is not None:
            self._histogram.add(cells, keys, space)
        if self._searches:
            self._searches[0].add(cells, keys, space)

    def turn(self, valid: NDArray[np.int32]) -> bool:
        """Evaluate a pass over all frames; return whether another one is needed."""
        space = self._space or FloatKeys(0.0)
        if self._histogram is not None:
            self.counts, self._histogram = self._histogram.end(valid, space), None
        if self._searches and not self._searches[0].turn(valid, space):
            self._found.append(self._searches.pop(0).results(valid, space))
        return bool(self._searches)

    @property
    def quantiles(self) -> NDArray[np.float32]:
        """The quantiles, shape (shares, cells)."""
        return np.concatenate(self._found)

    def _begin(self, data: NDArray[Any], packing: Packing) -> Keys:
        with self._lock:
            if self._space is None:
                floating = self._floats or data.dtype.kind == "f"
                self._space = FloatKeys(packing.scale) if floating else CodeKeys(packing)
        return self._space
