"""Shards of a Zarr array, each encoded in one pass over a day's fields and read chunk by chunk.

A shard consists of the chunks of a day in the order of their numbers, a note, and the index: offset and length of
every chunk as little-endian 64-bit integers, all ones for a chunk with only fill values, and a CRC-32C of the
index. Zarr readers locate chunks by the index at the end, and so skip the note. Source:
Zarr core specification 3.0; its codec `sharding_indexed` 1.0; RFC 8878 (Zstandard); RFC 3720, B.4 (CRC-32C).
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np
from numcodecs.zstd import Zstd

from radar_nb.errors import DamagedShard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Shape = tuple[int, int, int]
Chunk = tuple[int, int, int]
"""A chunk's number along time, y and x."""

NOTE_ROOM = 16 << 10
"""Bytes before the index that contain most notes; reading them with the index saves a request."""

_LONGEST_NOTE = 4 << 20  # bytes; real ones have some kilobytes
_EMPTY = 0xFFFFFFFFFFFFFFFF
_CRC = struct.Struct("<I")
_FOOT = struct.Struct("<I4s")  # the note's length and its mark
_MARK = b"rnb1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardFormat:
    """The common format of all shards of an array.

    Attributes
    ----------
    shape : tuple of int
        Steps, rows and columns of a shard.
    chunk : tuple of int
        The same for a chunk; they divide the shard's.
    dtype : str
        Of the codes: "u1", "u2" or "u4"; little-endian in the shard.
    fill : int
        The code of missing cells.
    level : int
        Zstandard's compression level.
    """

    shape: Shape
    chunk: Chunk
    dtype: str
    fill: int
    level: int = 1

    @property
    def grid(self) -> Shape:
        """Chunks along time, y and x."""
        t, y, x = (n // c for n, c in zip(self.shape, self.chunk, strict=True))
        return t, y, x

    @property
    def index_bytes(self) -> int:
        """Bytes of the index with its checksum."""
        return 16 * math.prod(self.grid) + _CRC.size

    @property
    def limit(self) -> int:
        """Bytes that no shard exceeds: codes that Zstandard cannot compress grow by less than a hundredth."""
        codes = math.prod(self.shape) * np.dtype(self.dtype).itemsize
        return codes + codes // 100 + self.index_bytes * 8 + _LONGEST_NOTE

    @property
    def codec(self) -> Zstd:
        """The codec of a chunk; its checksum (XXH64) lets every reader detect a flipped bit."""
        return Zstd(self.level, checksum=True)


class ShardEncoder:
    """Encode shards: take fields in the order of time and compress them.

    One slab of fields, as many as a chunk is long, is reused for each shard.

    Parameters
    ----------
    layout : ShardFormat

    Examples
    --------
    >>> layout = ShardFormat(shape=(2, 4, 4), chunk=(1, 2, 2), dtype="u2", fill=0xFFFF)
    >>> encoder = ShardEncoder(layout)
    >>> encoder.field(1)[:] = 7
    >>> shard = Shard.of(encoder.finish(b"a note"), layout, name="shard")
    >>> shard.note, shard.chunks()
    (b'a note', ((1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1)))
    """

    def __init__(self, layout: ShardFormat) -> None:
        self.layout = layout
        dtype = np.dtype(layout.dtype).newbyteorder("<")
        self._slab = np.empty((layout.chunk[0], *layout.shape[1:]), dtype)
        self._chunk = np.empty(layout.chunk, dtype)
        self._codec = layout.codec
        self._body = _Body()
        self.begin()

    def begin(self) -> None:
        """Begin a shard; drop one that was not finished."""
        self._index = np.full((*self.layout.grid, 2), _EMPTY, "<u8")
        self._body.size = 0
        self._filled: set[int] = set()
        self._number = 0

    def field(self, step: int) -> NDArray[Any]:
        """Return the array for a step's codes, of shape (rows, cols), to be filled before the next call.

        Parameters
        ----------
        step : int
            Number in the shard; in the same chunk as the previous step, or a later one. Omitted steps are missing.
        """
        number, at = divmod(step, self.layout.chunk[0])
        if number != self._number:
            self._pack()
            self._number = number
        self._filled.add(at)
        field: NDArray[Any] = self._slab[at]
        return field

    def _pack(self) -> None:
        """Compress the chunks of the slab."""
        if not self._filled:
            return
        for at in set(range(len(self._slab))) - self._filled:
            self._slab[at] = self.layout.fill
        self._filled.clear()
        (_, rows, cols), chunk = self.layout.chunk, self._chunk
        for y, x in np.ndindex(self.layout.grid[1:]):
            np.copyto(chunk, self._slab[:, y * rows : (y + 1) * rows, x * cols : (x + 1) * cols])
            if chunk[0, 0, 0] == self.layout.fill and (chunk == self.layout.fill).all():
                continue
            self._index[self._number, y, x] = self._body.add(self._codec.encode(chunk))

    def finish(self, note: bytes = b"") -> bytes:
        """Return the shard's bytes; the encoder is then ready for the next.

        Parameters
        ----------
        note : bytes
            Stored before the index, for `Shard.note`.
        """
        self._pack()
        whole = self._body.finish(self._index, note)
        self.begin()
        return whole


class TileEncoder:
    """Encode a shard whose chunks are small tiles of many steps, from boxes of all its cells.

    The tiles of one chunk of time are kept apart in memory, so that each is compressed as it lies there. Bytes are
    returned as soon as they are ready, so that memory does not grow with the length of a shard.

    Parameters
    ----------
    layout : ShardFormat

    Examples
    --------
    >>> layout = ShardFormat(shape=(4, 4, 4), chunk=(2, 2, 2), dtype="u2", fill=9)
    >>> encoder = TileEncoder(layout)
    >>> shard = encoder.put(2, np.zeros((2, 4, 4), "u2")) + encoder.finish(b"a note")
    >>> Shard.of(shard, layout, name="shard").chunks()
    ((1, 0, 0), (1, 0, 1), (1, 1, 0), (1, 1, 1))
    """

    def __init__(self, layout: ShardFormat) -> None:
        self.layout = layout
        dtype = np.dtype(layout.dtype).newbyteorder("<")
        self._tiles = np.full((*layout.grid[1:], *layout.chunk), layout.fill, dtype)
        self._codec = layout.codec
        self._index = np.full((*layout.grid, 2), _EMPTY, "<u8")
        self._size = 0
        self._number, self._first, self._end = 0, layout.chunk[0], 0

    def put(self, step: int, codes: NDArray[Any]) -> bytes:
        """Add the codes of consecutive steps, of shape (steps, rows, cols); return the shard's next bytes.

        Parameters
        ----------
        step : int
            The first one's number in the shard, later than those before. All are in one chunk of time.
        codes : ndarray
        """
        length, rows, cols = self.layout.chunk
        number, at = divmod(step, length)
        ready = b""
        if number != self._number:
            ready = self._pack()
            self._number = number
        end = at + len(codes)
        self._first, self._end = min(self._first, at), max(self._end, end)
        boxes = codes.reshape(len(codes), self.layout.grid[1], rows, self.layout.grid[2], cols)
        self._tiles[:, :, at:end] = boxes.transpose(1, 3, 0, 2, 4)
        return ready

    def _pack(self) -> bytes:
        """Return the compressed tiles of a chunk of time."""
        used, pieces = slice(self._first, self._end), []
        for y, x in np.ndindex(self.layout.grid[1:]) if self._end else ():
            tile = self._tiles[y, x]
            if tile[self._first, 0, 0] == self.layout.fill and (tile[used] == self.layout.fill).all():
                continue
            pieces.append(self._codec.encode(tile))
            self._index[self._number, y, x] = self._size, len(pieces[-1])
            self._size += len(pieces[-1])
        self._tiles[:, :, used] = self.layout.fill
        self._first, self._end = self.layout.chunk[0], 0
        return b"".join(pieces)

    def finish(self, note: bytes = b"") -> bytes:
        """Return the rest of the shard's bytes, once.

        Parameters
        ----------
        note : bytes
            Stored before the index, for `Shard.note`.
        """
        return self._pack() + _ending(self._index, note)


def _ending(index: NDArray[np.uint64], note: bytes) -> bytes:
    """Return what follows the chunks of a shard."""
    ends = index.tobytes()
    return b"".join((note, _FOOT.pack(len(note), _MARK), ends, _CRC.pack(google_crc32c.value(ends))))


class _Body:
    """A shard's bytes, in memory that is kept for the next shard.

    Memory that is taken and returned for each would lie all over the heap, which would then grow from day to day.
    """

    def __init__(self) -> None:
        self._room = bytearray()
        self.size = 0

    def add(self, piece: bytes) -> tuple[int, int]:
        """Append bytes; return their offset and length."""
        start = self.size
        self.size += len(piece)
        self._room[start : self.size] = piece
        return start, len(piece)

    def finish(self, index: NDArray[np.uint64], note: bytes) -> bytes:
        """Return the shard's bytes."""
        self.add(_ending(index, note))
        return bytes(memoryview(self._room)[: self.size])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Shard:
    """A shard's index and note.

    Attributes
    ----------
    layout : ShardFormat
    name : str
        Used in messages.
    note : bytes
    index : ndarray of uint64, shape (chunks along time, y, x, 2)
        Offset and length of each chunk.
    """

    layout: ShardFormat
    name: str
    note: bytes
    index: NDArray[np.uint64]

    @classmethod
    def of(cls, tail: Any, layout: ShardFormat, *, name: str, size: int | None = None) -> Shard:
        """Parse a shard's tail.

        Parameters
        ----------
        tail : bytes
            The shard's last bytes, including the index and the note.
        layout : ShardFormat
        name : str
            Used in messages.
        size : int, optional
            Size of the shard in bytes, if `tail` is only part of it.

        Raises
        ------
        DamagedShard
            The index is damaged, or another program wrote the shard.
        """
        size = len(tail) if size is None else size
        end = len(tail) - layout.index_bytes
        foot = end - _FOOT.size
        index = bytes(tail[end : -_CRC.size]) if foot >= 0 else b""
        if foot < 0 or _CRC.unpack(tail[-_CRC.size :])[0] != google_crc32c.value(index):
            raise DamagedShard(f"{name} is cut short or damaged ({size:,} bytes): {remedy(name)}")
        length, mark = _FOOT.unpack(tail[foot:end])
        if mark != _MARK or length > foot:
            raise DamagedShard(f"{name} was not written by radar_nb: {remedy(name)}")
        places = np.frombuffer(index, "<u8").reshape(*layout.grid, 2)
        there = places[places[..., 0] != _EMPTY]
        if there.size and (there.max() > size or there.sum(axis=-1).max() > size):
            raise DamagedShard(f"{name} has chunks beyond its end ({size:,} bytes): {remedy(name)}")
        return cls(layout=layout, name=name, note=bytes(tail[foot - length : foot]), index=places)

    @property
    def filled(self) -> NDArray[np.bool_]:
        """Which chunks have more than fill values, by their numbers along time, y and x."""
        filled: NDArray[np.bool_] = self.index[..., 0] != _EMPTY
        return filled

    def chunks(self) -> tuple[Chunk, ...]:
        """Return the chunks with more than fill values."""
        return tuple((int(t), int(y), int(x)) for t, y, x in np.argwhere(self.filled))

    def span(self, chunk: Chunk) -> tuple[int, int] | None:
        """Return a chunk's offset and length in the shard; None if it has only fill values."""
        start, length = self.index[chunk].tolist()
        return None if start == _EMPTY else (start, length)

    def decode(self, chunk: Chunk, data: Any, out: NDArray[Any]) -> None:
        """Decompress a chunk's bytes into an array of the chunk's shape and type.

        Raises
        ------
        DamagedShard
            The bytes are damaged, or inflate to another size.
        """
        try:
            if _content_size(bytes(memoryview(data)[:_FRAME_HEAD])) != out.nbytes:
                raise ValueError("another size")  # noqa: TRY301 - reported like the codec's own errors
            self.layout.codec.decode(data, out)
        except (RuntimeError, ValueError, LookupError) as error:
            raise DamagedShard(
                f"{self.name} is damaged in chunk {chunk} ({error}): {remedy(self.name)}"
            ) from error


def remedy(name: str) -> str:
    """Return what to do about a damaged day of a cube, by the name of its file, or of the cube."""
    if name.startswith(("http://", "https://")):
        return (
            "read it again, since the answer may have been cut; if it stays damaged, ask who publishes the cube "
            "to repair it, since a cube can only be read over the web"
        )
    return "run repair_cube (`radar-nb cube repair`), which removes the day, then build_cube, which recreates it"


_FRAME_HEAD = 18  # bytes (RFC 8878, 3.1.1)


def _content_size(head: bytes) -> int | None:
    """Return the inflated size stated in the head of a Zstandard frame; None if it is not stated.

    The codec accepts less than the chunk's size, and would leave the rest of the chunk unchanged. Source: RFC
    8878, 3.1.1.1.
    """
    flags = head[4]
    single = flags >> 5 & 1
    width = (single, 2, 4, 8)[flags >> 6]
    start = 5 + (not single) + (0, 1, 2, 4)[flags & 3]
    size = int.from_bytes(head[start : start + width], "little")
    return None if not width else size + 256 if width == 2 else size


def split_by_chunk(key: NDArray[np.intp], size: int) -> Iterator[tuple[int, NDArray[np.intp], NDArray[np.intp]]]:
    """Split places along one axis by the chunks that they lie in.

    Parameters
    ----------
    key : ndarray of int
        Places along the axis, in any order.
    size : int
        Of a chunk.

    Yields
    ------
    number : int
        Number of the chunk.
    inside, at : ndarray of int
        The places in the chunk, and their positions in `key`.
    """
    numbers, order = key // size, np.arange(key.size)
    if (numbers[1:] < numbers[:-1]).any():
        order = np.argsort(numbers, kind="stable")
        key, numbers = key[order], numbers[order]
    starts = [0, *(np.flatnonzero(numbers[1:] != numbers[:-1]) + 1).tolist(), key.size]
    for start, end in pairwise(starts) if key.size else ():
        number = int(numbers[start])
        yield number, key[start:end] - number * size, order[start:end]


def count_chunks(key: NDArray[np.intp], size: int) -> int:
    """Return the number of chunks in which places along one axis lie."""
    numbers = key // size
    # runs first: NumPy's unique takes a second for the steps of 25 years
    starts = numbers[1:] != numbers[:-1]
    return len({*numbers[:1].tolist(), *numbers[1:][starts].tolist()})
