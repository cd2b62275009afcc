"""Read frames at known positions of a part: a cursor moves forward and never inflates a byte twice."""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_right
from collections import OrderedDict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

from radar_nb.errors import SeriesError, TruncatedArchive
from radar_nb.formats import esri_ascii, netcdf, odim, runlength
from radar_nb.formats.archives import ARCHIVE_LIMIT, naming_damage, walk
from radar_nb.formats.index import archive_stamp
from radar_nb.formats.radolan import ETX, FRAME_LIMIT, HEADER_LIMIT, parse_header, payload
from radar_nb.formats.streams import Blob, Inflater, Reopened, Stream, inflated, sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

    from numpy.typing import NDArray

    from radar_nb.formats.archives import Member, Part
    from radar_nb.formats.index import FrameKind, Frames
    from radar_nb.formats.packing import Packing


def iter_codes(
    frames: Frames, numbers: Sequence[int], packings: Sequence[Packing], *, marks: bool = False
) -> Iterator[tuple[int, NDArray[Any], Packing]]:
    """Read frames one after the other.

    Each change of part opens a cursor, which moves forward: frames in the order of parts and positions are read
    without inflating a byte twice.

    Parameters
    ----------
    frames : Frames
    numbers : sequence of int
        Rows of `frames`, in the order in which they are read.
    packings : sequence of Packing
        One for each kind of frame.
    marks : bool
        See `Cursor`; useful if several readers jump within a part.

    Yields
    ------
    kind : int
        Number of the kind of frame.
    codes : ndarray of unsigned int, shape (rows, cols)
        Raw codes, first row in the south; valid until the next frame is read.
    packing : Packing
        How these codes represent values.

    Raises
    ------
    SeriesError
        An archive has changed since it was opened.
    ArchiveError, FrameError, StorageError
        A frame cannot be read.
    """
    cursor: Cursor | None = None
    room: NDArray[Any] | None = None
    for number in numbers:
        row, name = frames.rows[number], _Place(frames, number)
        kind = int(row["kind"])
        if cursor is None or cursor.part is not frames.parts[int(row["part"])]:
            if cursor is not None:
                cursor.rest()
            cursor = open_cursor(frames, number, marks=marks)
        if frames.kinds[kind].form == "netcdf":
            yield kind, cursor.fields(row, name=name).codes(int(row["hash"])), packings[kind]
            continue
        data = cursor.read(row, name=name)
        hashed = int(row["hash"])
        codes, packing = frame_codes(data, frames.kinds[kind], hashed, packings[kind], name=name, out=room)
        if frames.kinds[kind].hdf5:
            room = codes
        yield kind, codes, packing
    if cursor is not None:
        cursor.rest()


class _Place:
    """Where a frame lies, in words that are only looked up when a message needs them."""

    def __init__(self, frames: Frames, row: int) -> None:
        self._frames = frames
        self._row = row

    def __str__(self) -> str:
        return self._frames.place(self._row)


def open_cursor(frames: Frames, row: int, *, marks: bool = True) -> Cursor:
    """Return a cursor in the part of a frame.

    Parameters
    ----------
    frames : Frames
    row : int
    marks : bool
        Whether to leave marks for others and to start from theirs: of no use on a way through the whole part.

    Raises
    ------
    SeriesError
        The archive has changed since it was opened.
    StorageError
        It is gone.
    """
    part = frames.parts[int(frames.rows["part"][row])]
    with naming_damage(part, lambda: frames.place(row)):
        if isinstance(part.archive, Path) and archive_stamp(part.archive) != frames.index(row).stamp:
            raise _changed(part.archive)
    return Cursor(part, marks=marks)


class Cursor:
    """A place in a part of an archive, moved forward by reading.

    For a gzipped part, states of the inflater are stored along the way, for all cursors of the process: the next
    one starts from the nearest, whatever the order of frames.

    Parameters
    ----------
    part : Part
    marks : bool
        Whether to store and use such states.
    """

    def __init__(self, part: Part, *, marks: bool = True) -> None:
        self.part = part
        self._marks = marks
        self._stream: Stream | _Marked | None = None
        self._walk: Iterator[Member] | None = None
        self._walked = -1
        self._buffer = memoryview(bytearray(0))

    def read(self, row: Any, *, name: object) -> memoryview:
        """Return the bytes of a frame, inflated.

        Parameters
        ----------
        row : a row of `radar_nb.formats.index.ROW`
        name : object
            Its text names the frame in errors.

        Returns
        -------
        memoryview
            Valid until the next read, which uses the same buffer.

        Raises
        ------
        TruncatedArchive, CorruptArchive, StorageError
            The archive has been changed, or the disk fails.
        """
        if row["offset"] < 0:
            return self._walk_to(int(row["position"]))
        with naming_damage(self.part, lambda: str(name)):
            offset = int(row["offset"])
            if self._stream is None or self._stream.position > offset:
                self._stream = self._started(offset)
            self._stream.skip(offset - self._stream.position)
            data = self._room(int(row["length"]))
            if self._stream.readinto(data) < len(data):
                raise EOFError
            if sniff(bytes(data[:_HEAD])) not in {"gzip", "bzip2"}:
                return data.toreadonly()
            packed = Stream(Reopened(Blob("", bytes(data)), 0), len(data))
            data = self._room(FRAME_LIMIT)
            return data[: inflated(packed).readinto(data)].toreadonly()

    def fields(self, row: Any, *, name: object) -> netcdf.Fields:
        """Return the netCDF file that holds a row's field: the last ones of the process are kept."""

        def make() -> tuple[netcdf.Fields, int]:
            fields = netcdf.Fields(bytes(self.read(row, name=name)), str(name))
            return fields, fields.size

        return _FIELDS.get((*_key(self.part), int(row["position"])), make)

    def _started(self, offset: int) -> Stream | _Marked:
        """Start reading the part at or before an offset of its inflated bytes."""
        part = self.part
        base = Stream(Reopened(part.archive, part.offset), part.size)
        if self._marks and sniff(base.head()) == "bzip2":
            data = _UNZIPPED.get(_key(part), partial(_unzipped, base))
            return Stream(Reopened(Blob(part.name, data), 0), len(data))
        marked = self._marks and sniff(base.head()) == "gzip"
        return _Marked(part, offset) if marked else inflated(base)

    def rest(self) -> None:
        """Leave a mark here, since the next read often continues where one has ended."""
        if isinstance(self._stream, _Marked):
            self._stream.rest()

    def _walk_to(self, position: int) -> memoryview:
        """Return a frame of an archive inside the part, by number."""
        if self._walk is None or position <= self._walked:
            self._walk = walk(self.part)
        for member in self._walk:
            self._walked = member.position
            if member.position == position:
                return member.data
        raise TruncatedArchive(f"{self.part.archive} has changed since it was opened: open it again")

    def _room(self, size: int) -> memoryview:
        if not 0 <= size <= ARCHIVE_LIMIT:
            raise EOFError
        if len(self._buffer) < size:
            self._buffer = np.empty(size, np.uint8).data  # unused pages are never touched
        return self._buffer[:size]


def _key(part: Part) -> tuple[Hashable, ...]:
    """Return what distinguishes a part in a state of its archive."""
    return part, archive_stamp(part.archive) if isinstance(part.archive, Path) else (0, 0)


T = TypeVar("T")


class Kept(Generic[T]):
    """What was unpacked last, for all threads: the most recently used, up to a number of bytes.

    Parameters
    ----------
    limit : int
        Bytes; one entry is kept whatever it has.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._made: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()
        self._locks: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], tuple[T, int]]) -> T:
        """Return an entry; of threads that ask for the same one, one makes it, with its number of bytes."""
        with self._lock:
            own = self._locks.setdefault(key, threading.Lock())
        with own:
            with self._lock:
                if key in self._made:
                    self._made.move_to_end(key)
                    return self._made[key][0]
            made = make()
            with self._lock:
                self._made[key] = made
                while len(self._made) > 1 and sum(size for _, size in self._made.values()) > self._limit:
                    self._locks.pop(self._made.popitem(last=False)[0], None)
        return made[0]


def _unzipped(stream: Stream) -> tuple[bytes, int]:
    """Return what a bzip2 file holds: unlike gzip's its state cannot be copied, so that each jump costs it all."""
    inflater, pieces = inflated(stream), []
    while piece := inflater.read(_PIECE):
        pieces.append(piece)
        if len(pieces) * _PIECE > ARCHIVE_LIMIT:
            raise EOFError
    data = b"".join(pieces)
    return data, len(data)


_PIECE = 4 << 20  # bytes
_FIELDS: Kept[netcdf.Fields] = Kept(256 << 20)
"""A month of RW in netCDF has some 70 MB."""
_UNZIPPED: Kept[bytes] = Kept(128 << 20)
"""A run of RV in binary has 66 MB."""


_HEAD = 6
"""Bytes that distinguish compressed files from frames."""


class _Marked:
    """A gzipped part with a mark every few megabytes; reading starts from existing marks."""

    def __init__(self, part: Part, offset: int) -> None:
        self._marks = _MARKS.of(_key(part))
        # threads that need the same stretch without marks take turns: the first leaves the marks
        with self._marks.way:
            self._inflater = self._marks.before(offset) or Inflater(part.archive, part.offset, part.size)
            self.skip(offset - self.position)

    @property
    def position(self) -> int:
        return self._inflater.position

    def readinto(self, buffer: memoryview) -> int:
        return self._inflater.readinto(buffer)

    def skip(self, count: int) -> None:
        """Skip bytes."""
        end = self.position + count
        scratch = memoryview(bytearray(min(count, _SCRATCH)))
        while self.position < end:
            self._marks.add(self._inflater, _SPACING)
            if not self._inflater.readinto(scratch[: end - self.position]):
                raise EOFError
        self._marks.add(self._inflater, _SPACING)

    def rest(self) -> None:
        """Leave a mark here."""
        self._marks.add(self._inflater, _NEAR)


_SCRATCH = 256 << 10  # what stays in the processor's cache
_SPACING = 8 << 20  # bytes between two marks: inflated in 2 ms
_NEAR = 1 << 20  # minimum distance in bytes of a mark where reading has ended


class PartMarks:
    """States of a part's inflater, by position.

    Attributes
    ----------
    way : threading.Lock
        Held by a thread on its way to its first byte.
    """

    def __init__(self) -> None:
        self.way = threading.Lock()
        self._lock = threading.Lock()
        self._positions: list[int] = []
        self._states: list[Inflater] = []

    def __len__(self) -> int:
        return len(self._positions)

    def before(self, offset: int) -> Inflater | None:
        """Return a copy of the last state at or before an offset."""
        with self._lock:
            at = bisect_right(self._positions, offset)
            return self._states[at - 1].copy() if at else None

    def add(self, inflater: Inflater, spacing: int) -> None:
        """Store a copy of a state if the previous one is farther away than the spacing."""
        position = inflater.position
        with self._lock:
            at = bisect_right(self._positions, position)
            if position - (self._positions[at - 1] if at else 0) >= spacing:
                self._positions.insert(at, position)
                self._states.insert(at, inflater.copy())


class Marks:
    """The marks of the most recently read parts."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._parts: OrderedDict[Hashable, PartMarks] = OrderedDict()

    def of(self, key: Hashable) -> PartMarks:
        """Return the marks of a part and state of its archive; discard the least recently used."""
        with self._lock:
            marks = self._parts.setdefault(key, PartMarks())
            self._parts.move_to_end(key)
            while len(self._parts) > 1 and sum(map(len, self._parts.values())) > self._limit:
                self._parts.popitem(last=False)
            return marks


_MARKS = Marks(limit=2048)
"""A mark takes some 60 kB. One pass through a day of YW leaves 71."""


def frame_codes(
    data: memoryview,
    kind: FrameKind,
    hashed: int,
    packing: Packing,
    *,
    name: object,
    out: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], Packing]:
    """Return a frame's raw codes, and how they represent values.

    Parameters
    ----------
    data : memoryview
        The frame, inflated.
    kind : FrameKind
    hashed : int
        The frame's checksum in the index.
    packing : Packing
        For frames of this kind; an HDF5 file has its own, which takes precedence.
    name : object
        Its text names the frame in errors.
    out : ndarray, optional
        Array for codes that are decompressed, used if it fits: new memory costs more than inflating into old.

    Returns
    -------
    codes : ndarray of unsigned int, shape (rows, cols)
        First row in the south; a view of `data` for binaries, which are stored so.
    packing : Packing

    Raises
    ------
    SeriesError
        The frame is not the indexed one.
    """
    header = kind.header
    if kind.form != "binary":
        if zlib.crc32(data) != hashed:
            raise _changed(name)
        if kind.form == "ascii":
            return esri_ascii.read_grid(data, name=str(name))[1], packing
        composite = odim.read_composite(data, name=str(name), out=out)
        if composite.header.precision != header.precision:  # asked for: see `coarsened`
            composite = odim.coarsened(composite, header.precision, name=str(name))
        return composite.codes, composite.packing
    length = bytes(data[:HEADER_LIMIT]).find(ETX) + 1
    if zlib.crc32(data[:length]) != hashed:
        raise _changed(name)
    if not kind.itemsize:
        runs = payload(parse_header(data), data)
        return runlength.decode(runs, header.rows, header.cols, name=str(name)), packing
    cells = header.rows * header.cols
    if len(data) != length + cells * kind.itemsize:
        raise _changed(name)
    codes = np.frombuffer(data, f"<u{kind.itemsize}", count=cells, offset=length)
    return codes.reshape(header.rows, header.cols), packing


def _changed(name: object) -> SeriesError:
    return SeriesError(
        f"{name} has changed since it was opened: open it again; if size and date are unchanged, "
        "remove its old index first (hidden beside it, .index)"
    )
