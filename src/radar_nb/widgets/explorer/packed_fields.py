"""Fields as the browser gets them: runs of equal codes, compressed; and those that the kernel keeps.

A rainy field of YW has 990,000 cells, but some 30,000 runs of equal codes. Sums, maxima and series of cells are
computed from runs, in a tenth of the time that decoding the field from its archive takes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from zlib_ng import zlib_ng

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_VALUE = 0xFFFF
"""Code of a cell without data."""

_LONGEST = 0xFFFF
"""Most cells of a run: its length is a 16-bit word."""

_LEVEL = 4
"""Deflate level. A field of three rainy days of YW (1,980 kB) takes 36.1 kB and 1.4 ms; words whose bytes stay
side by side 40.3 kB and 1.8 ms. Level 2 takes 37.3 kB and 1.0 ms, level 6 35.1 kB and 2.1 ms. Without runs a
browser needs three times as long to inflate it."""

BUDGET = 256_000_000
"""Bytes of packed fields that an explorer keeps: some 5,000 of YW, or 17 days."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PackedField:
    """One field, packed: `value = code * scale + offset`, missing where the code is `NO_VALUE`.

    Attributes
    ----------
    data : bytes
        A zlib stream of 16-bit words, first the low bytes of all, then the high ones; cells row by row from the
        south. The first two words are the number of runs of equal codes, low word first. The codes of all runs
        follow, then their lengths. If runs would not be shorter, both words are zero and the codes of all cells
        follow.
    scale, offset : float
    count : int
        Cells that have a value.
    """

    data: bytes
    scale: float
    offset: float
    count: int

    def runs(self) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """Return the codes of all runs, and how many cells each has."""
        low, high = np.frombuffer(zlib_ng.decompress(self.data), np.uint8).reshape(2, -1)
        words: NDArray[np.uint16] = np.bitwise_or(low, np.left_shift(high.astype(np.uint16), 8))
        count = int(words[0]) + (int(words[1]) << 16)
        if not count:
            return words[2:], np.ones(words.size - 2, np.uint16)
        return words[2 : 2 + count], words[2 + count :]

    def share(self, least: float) -> float:
        """Return the share, 0 to 1, of the cells with data whose value is at least `least`; 0 without data."""
        first = np.ceil(round((least - self.offset) / self.scale, 6))
        if not self.count or first >= NO_VALUE:
            return 0.0
        codes, lengths = self.runs()
        wet = (codes >= max(first, 0)) & (codes != NO_VALUE)
        return int(lengths[wet].sum(dtype=np.int64)) / self.count

    def codes(self, shape: tuple[int, int]) -> NDArray[np.uint16]:
        """Return the codes of all cells."""
        return np.repeat(*self.runs()).reshape(shape)

    def valid(self, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Return the cells that have a value."""
        codes, lengths = self.runs()
        return np.repeat(codes != NO_VALUE, lengths).reshape(shape)


def pack(codes: NDArray[np.uint16], scale: float, offset: float) -> PackedField:
    """Pack the codes of a field, first row in the south."""
    codes = np.ascontiguousarray(codes, "<u2").ravel()
    count = int(np.count_nonzero(codes != NO_VALUE))
    starts = np.concatenate(([0], np.flatnonzero(codes[1:] != codes[:-1]) + 1))
    if 3 * starts.size > codes.size:
        data = _deflated(np.zeros(2, "<u2"), codes)
    else:
        lengths = np.diff(starts, append=codes.size)
        parts = -(-lengths // _LONGEST)  # how many runs a longer one needs
        split = np.full(parts.sum(), _LONGEST, "<u2")
        split[parts.cumsum() - 1] = lengths - (parts - 1) * _LONGEST
        head = np.array([split.size & 0xFFFF, split.size >> 16], "<u2")
        data = _deflated(head, np.repeat(codes[starts], parts), split)
    return PackedField(data=data, scale=scale, offset=offset, count=count)


def _deflated(*words: NDArray[np.uint16]) -> bytes:
    octets = np.concatenate(words).view(np.uint8)
    packed: bytes = zlib_ng.compress(np.concatenate((octets[::2], octets[1::2])), _LEVEL)
    return packed


def packed_mask(mask: NDArray[np.bool_]) -> bytes:
    """Return a mask as a zlib stream of one byte per cell, row by row from the south."""
    packed: bytes = zlib_ng.compress(np.ascontiguousarray(mask, np.uint8), 6)
    return packed


class KeptFields:
    """The packed fields that were used last, by their numbers, within a budget of bytes; safe among threads."""

    def __init__(self, budget: int = BUDGET) -> None:
        self._budget = budget
        self._bytes = 0
        self._fields: OrderedDict[int, PackedField] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._fields)

    def __contains__(self, index: int) -> bool:
        return index in self._fields

    def get(self, index: int) -> PackedField | None:
        """Return a field; None if it is not kept."""
        with self._lock:
            found = self._fields.get(index)
            if found is not None:
                self._fields.move_to_end(index)
            return found

    def put(self, index: int, field: PackedField) -> None:
        """Keep a field, and forget those that were used longest ago if the budget is spent."""
        with self._lock:
            old = self._fields.pop(index, None)
            self._bytes += len(field.data) - (len(old.data) if old else 0)
            self._fields[index] = field
            while self._bytes > self._budget:
                self._bytes -= len(self._fields.popitem(last=False)[1].data)
