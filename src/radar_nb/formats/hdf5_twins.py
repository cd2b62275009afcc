"""HDF5 files that differ from one read before only in short texts and the bytes of their one chunk.

HDF5's library needs ten milliseconds for the groups and attributes of a composite, more than its field takes.
DWD's program writes all composites of a product byte for byte alike, except for the times, the chunk and its size,
the addresses behind it, and the time of writing. A file that differs from a verified one in these bytes alone has
the same meaning, without another parser. Where the texts and the size lie is found by changing them in a copy and
reading the copy with HDF5.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from radar_nb.formats.radolan import Buffer

T = TypeVar("T")

_MOST = 256 << 10
"""Most bytes around a chunk; DWD's composites have 16 kB."""
_TRIES = 64  # occurrences of a number that are tried
_WORD, _SIZE = 8, 4  # bytes of an address and of a chunk's size (HDF5 File Format Specification, III.A.1)


@dataclass(frozen=True, slots=True)
class Stored:
    """What HDF5 reads of a file.

    Attributes
    ----------
    texts : tuple of bytes
        Digits, of attributes that differ from file to file.
    start, size : int
        The bytes of the only chunk.
    written : int
        The time of writing that HDF5 notes beside the field, in seconds; 0 if there is none.
    """

    texts: tuple[bytes, ...]
    start: int
    size: int
    written: int


@dataclass(frozen=True, slots=True)
class Layout:
    """A file without its chunk, and where it may differ from its twins.

    Attributes
    ----------
    start, size : int
        The bytes of the chunk.
    around : bytes
        All other bytes; zero where twins may differ.
    texts : tuple of slice
        Of `around`, in the order of `Stored.texts`.
    size_at : int
        Of the chunk's size in `around`.
    addresses : ndarray of int64, shape (n, 8)
        Positions in `around` of the bytes of addresses behind the chunk.
    values : ndarray of int64, shape (n,)
        These addresses.
    free : ndarray of int64
        Positions of all bytes that may differ.
    """

    start: int
    size: int
    around: bytes
    texts: tuple[slice, ...]
    size_at: int
    addresses: NDArray[np.int64]
    values: NDArray[np.int64]
    free: NDArray[np.int64]

    def match(self, data: Buffer) -> Stored | None:
        """Return the texts and the chunk of a twin; None for another file."""
        view = memoryview(data)
        behind = len(view) - len(self.around)  # what positions behind the chunk are moved by
        at = self.size_at + (behind if self.size_at >= self.start else 0)
        size = int.from_bytes(view[at : at + _SIZE], "little") if at >= 0 else -1
        if size != behind or size <= 0:
            return None
        around = np.frombuffer(b"".join((view[: self.start], view[self.start + size :])), np.uint8).copy()
        texts = tuple(around[one].tobytes() for one in self.texts)
        moved = around[self.addresses].view("<i8")[:, 0] - (size - self.size)
        if not (all(map(bytes.isdigit, texts)) and np.array_equal(moved, self.values)):
            return None
        around[self.free] = 0
        if around.tobytes() != self.around:
            return None
        return Stored(texts=texts, start=self.start, size=size, written=0)


def learn(data: Buffer, stored: Stored, read: Callable[[bytes], Stored]) -> Layout | None:
    """Return the layout of a file, or None if it is not certain where it may differ.

    Parameters
    ----------
    data : bytes-like
        A verified file with one chunk.
    stored : Stored
        What HDF5 reads of it.
    read : callable
        Reads the same of other bytes with HDF5; may raise an exception.
    """
    start, end, image = stored.start, stored.start + stored.size, bytearray(data)
    if len(image) - stored.size > _MOST or not 0 < start < end <= len(image) or not all(stored.texts):
        return None
    around = bytes(image[:start] + image[end:])
    texts = re.compile(b"|".join(re.escape(text) for text in sorted(set(stored.texts), key=len, reverse=True)))
    trial = bytearray(around)
    tried_texts: dict[bytes, slice] = {}
    for count, found in enumerate(texts.finditer(around)):
        mark = b"%0*d" % (len(found[0]), count)
        tried_texts[mark] = slice(*found.span())
        trial[tried_texts[mark]] = mark
    tried_sizes = _marked(trial, around, stored.size)
    tried_times = _marked(trial, around, stored.written) if stored.written else {0: 0}
    changed = read(bytes(trial[:start] + image[start:end] + trial[start:]))
    places = [tried_texts.get(text) for text in changed.texts]
    size_at, written_at = tried_sizes.get(changed.size), tried_times.get(changed.written)
    if None in places or size_at is None or written_at is None or changed.start != start:
        return None
    slices = [place for place in places if place is not None]
    addresses = _addresses(around, end, len(image))
    free = np.concatenate(
        [
            *(np.arange(one.start, one.stop) for one in slices),
            np.arange(size_at, size_at + _SIZE),
            np.arange(written_at, written_at + _SIZE * bool(stored.written)),
            addresses.ravel(),
        ]
    )
    if np.unique(free).size < free.size:  # two of them share a byte
        return None
    bare = np.frombuffer(around, np.uint8).copy()
    values = bare[addresses].view("<i8")[:, 0].astype(np.int64)
    bare[free] = 0
    return Layout(
        start=start,
        size=stored.size,
        around=bare.tobytes(),
        texts=tuple(slices),
        size_at=size_at,
        addresses=addresses,
        values=values,
        free=free,
    )


def _marked(trial: bytearray, around: bytes, value: int) -> dict[int, int]:
    """Count down each occurrence of a number of four bytes by another amount; return positions by new number."""
    found: dict[int, int] = {}
    stated, at = value.to_bytes(_SIZE, "little"), -1
    while (at := around.find(stated, at + 1)) >= 0 and len(found) < min(_TRIES, value - 1):
        mark = value - 1 - len(found)
        found[mark] = at
        trial[at : at + _SIZE] = mark.to_bytes(_SIZE, "little")
    return found


def _addresses(around: bytes, first: int, last: int) -> NDArray[np.int64]:
    """Return the positions, each with those of the bytes behind it, of numbers from `first` to `last`."""
    positions = np.arange(max(0, len(around) - _WORD + 1))[:, None] + np.arange(_WORD)
    words = np.frombuffer(around, np.uint8)[positions].view("<i8")[:, 0]
    found: NDArray[np.int64] = positions[(first <= words) & (words <= last)]
    return found


class Twins(Generic[T]):
    """The layouts of files that were read, each with what its files mean; for all threads.

    Parameters
    ----------
    limit : int
        Layouts that are kept: the newest.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: tuple[tuple[Layout, T], ...] = ()

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The known layouts, the newest first."""
        return tuple(layout for layout, _ in self._known)

    def find(self, data: Buffer) -> tuple[Stored, T] | None:
        """Return texts and chunk of a file that has a known layout, and what its files mean."""
        for layout, meaning in self._known:
            if (stored := layout.match(data)) is not None:
                return stored, meaning
        return None

    def add(self, layout: Layout, meaning: T) -> None:
        """Remember a layout."""
        self._known = ((layout, meaning), *self._known)[: self._limit]
