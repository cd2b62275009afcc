"""Archives as streams of frames: any nesting, recognised by content, in one verifying pass and constant memory.

An archive of DWD is a tar of daily `.tar.gz`, a `.tar.gz` of frames that may be gzipped again, a `.tar.bz2`, a
single `.gz` or `.bz2`, or a plain frame. `parts` splits it into pieces that can be read in parallel, `walk` yields
the members of one piece, `check_frame` checks one member. Nothing is trusted: checksums, lengths and the end of
every tar are verified, names and sizes are limited to those of DWD's archives, and nothing is written.
"""

from __future__ import annotations

import stat
import tarfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from zlib_ng import zlib_ng

from radar_nb.dwd.archive_names import filed_under, is_dwd_name
from radar_nb.errors import (
    ArchiveError,
    CorruptArchive,
    FrameError,
    HeaderError,
    NotAnArchive,
    NothingFound,
    RadarNbError,
    StorageError,
    TruncatedArchive,
    TruncatedFrame,
    UnsafeMember,
)
from radar_nb.formats import esri_ascii, netcdf, odim
from radar_nb.formats.names import hold_against_name, is_litter, unsafe_name
from radar_nb.formats.radolan import FRAME_LIMIT, parse_header, payload
from radar_nb.formats.streams import BLOCK, Blob, Kind, Reopened, Stream, foreign, inflated, sniff
from radar_nb.runtime.files import user_path
from radar_nb.runtime.wording import AGAIN, human_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from radar_nb.formats.radolan import Header
    from radar_nb.formats.streams import Source

ARCHIVE_LIMIT = 512 << 20
"""Maximum bytes of a netCDF file or an inner archive: a day of YW has 7 to 16 MB (and 570 MB inflated)."""
MEMBER_LIMIT = 10_000
"""Maximum members of a part: a month of 5-minute frames has 8,928."""
DEPTH_LIMIT = 4
"""Maximum depth of a frame: tar, gzip, tar, gzip is the deepest nesting in DWD's archives."""

DAY_LIMIT = 366
"""Maximum parts of an archive: a month has one per day, and a year would not have more."""

_HEADERS_LIMIT = 16 << 10  # bytes of tar headers a member: a plain one takes 512, a long name 1,536
_DIGITS = 40  # maximum digits of a size
_ROOM = 2 << 30  # bytes that a part of any size may unpack to: a month of hourly frames in one has 1.5 GB
_RATIO = 1032  # further bytes per byte of the part: the limit of one gzip, which nested gzips of DWD do not exceed
_PADDING_LIMIT = 1 << 20  # bytes of zeros after a tar's end: 10,240 as a rule, a record of large tapes at most


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of an archive that can be read on its own.

    Attributes
    ----------
    archive : pathlib.Path or Blob
    name : str
        Path inside the archive, for example of a day's `.tar.gz`, or the archive's own name for the whole archive.
    offset, size : int
        Position of the piece in the archive, in bytes.
    """

    archive: Path | Blob
    name: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One inflated file of an archive: a frame, unless `check_frame` raises.

    Attributes
    ----------
    name : str
        Its path inside the part, without a `.gz` or `.bz2` of its own.
    part : Part
    position : int
        Number of preceding members of the part.
    offset, length : int
        Position of its stored bytes in the inflated part; the offset is -1 for a member of an archive inside the
        part.
    consumed : int
        Bytes of the stored part that have been read so far.
    data : memoryview
        The bytes, read-only, valid until the walk's next step, which reuses the buffer.
    """

    name: str
    part: Part
    position: int
    offset: int
    length: int
    consumed: int
    data: memoryview

    @property
    def place(self) -> str:
        """Archive, part and member, for messages."""
        return _place(self.part, self.name)

    @property
    def kind(self) -> Kind:
        """The format, by its first bytes."""
        return sniff(bytes(self.data[:BLOCK]))


def parts(archive: str | Path | Blob) -> tuple[Part, ...]:
    """Return the pieces of an archive that can be read in parallel.

    A tar of compressed tars (a month of days) has one part per member; everything else is one part.

    Returns
    -------
    tuple of Part
        In the archive's order, at least one. If a month is cut short within a day, that day is the last part, so
        that the days before it can be read; `walk` raises for it.

    Raises
    ------
    NothingFound, NotAnArchive, StorageError
        The file does not exist, is a web page, or cannot be read.
    TruncatedArchive, CorruptArchive, UnsafeMember
        As for `walk`, but only for the outer tar.
    """
    archive = archive if isinstance(archive, Blob) else user_path(archive)
    whole = Part(archive=archive, name=archive.name, offset=0, size=_size(archive))
    walker = _Walker(whole, limit=0)
    with walker.reading() as stream:
        days = _days(walker, stream) if _kind(whole, stream) == "tar" else ()
    return days or (whole,)


def _size(archive: Path | Blob) -> int:
    """Return a file's size; raise if it is not a regular file, because opening a pipe might block."""
    if isinstance(archive, Blob):
        return len(archive.data)
    try:
        status = archive.stat()
        if stat.S_ISREG(status.st_mode):
            return status.st_size
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a NUL in the name
        pass
    except OSError as error:
        raise StorageError(f"{archive} cannot be read ({error.strerror}): check its name and the disk") from error
    if archive.is_dir():
        raise NothingFound(f"{archive} is a folder, not an archive: pass the files in it")
    raise NothingFound(f"there is no archive {archive}: fetch it first, or check its name")


def _kind(part: Part, stream: Stream) -> Kind:
    """Return the format of an archive; raise if it is not one."""
    kind = sniff(stream.head())
    if kind == "empty":
        raise TruncatedArchive(f"{part.archive} is empty (0 bytes): {AGAIN}")
    if kind == "html":
        raise NotAnArchive(f"{part.archive} is a web page, not an archive: {AGAIN}")
    if kind == "unknown":
        if found := foreign(stream.head()):
            raise ArchiveError(f"{part.archive} is {found}")
        head = stream.head()[:16]
        what = f"{part.archive} is not an archive or a frame (it begins with {head!r})"
        if is_dwd_name(part.archive.name):
            raise CorruptArchive(f"{what}: {AGAIN}")
        raise CorruptArchive(f"{what}: leave it out")
    return kind


def _days(walker: _Walker, stream: Stream) -> tuple[Part, ...]:
    """Return the members of a tar of compressed tars; empty if its members are frames."""
    archive, end = walker.part.archive, walker.part.size
    days: list[Part] = []
    inside: Kind = "unknown"
    for info in walker.members(stream, ""):
        days.append(Part(archive=archive, name=info.name, offset=info.offset_data, size=info.size))
        if info.offset_data + info.size > end:
            break
        if inside != "tar":
            with suppress(*_DAMAGE):
                inside = sniff(inflated(Stream(stream, info.size)).head())
        if inside in {"frame", "hdf5", "ascii"}:
            break
        if inside == "tar" and len(days) > DAY_LIMIT:
            raise walker.unsafe(info.name, f"follows {DAY_LIMIT} others, more than a year has days")
    return tuple(days) if inside == "tar" else ()


def walk(part: Part, *, limit: int = FRAME_LIMIT) -> Iterator[Member]:
    """Yield the inflated members of a part one after the other, each in the same reused buffer.

    The walk verifies all it reads: it ends without an error only if every checksum, every length and the end of
    every tar was correct. A gzip's checksum is at its end, so damage is found only after the damaged members: do
    not use the members of a part until its walk has ended. `limit` is the maximum size of a member in bytes.

    Yields
    ------
    Member
        Every regular file, including empty and foreign ones, to be checked with `check_frame`; folders are
        skipped.

    Raises
    ------
    TruncatedArchive, CorruptArchive
        The bytes end too early, or a checksum or the structure is wrong.
    UnsafeMember
        A name, kind, size, number or depth that no archive of DWD has.
    StorageError
        The archive cannot be read.

    Examples
    --------
    >>> for part in parts("YW2017.002_202006.tar"):  # doctest: +SKIP
    ...     for member in walk(part):
    ...         header = check_frame(member)
    """
    walker = _Walker(part, limit=limit)
    with walker.reading() as stream:
        yield from walker.descend(stream, "", 0)


def verify_part(part: Part, source: Source, sound: Callable[[int], None] = lambda _: None) -> None:
    """Verify an archive of any nesting, or a file of one frame: checksums, lengths, headers and names.

    Parameters
    ----------
    part : Part
        The archive's name and size; -1 where the size is unknown.
    Its bytes, from the first on; they may arrive during the call.
        Its bytes, from the first on; they may come while they are read.
    sound : callable
        Called with the number of verified bytes after each day of a month.

    Raises
    ------
    NotAnArchive, TruncatedArchive, CorruptArchive, UnsafeMember
        As for `parts` and `walk`.
    HeaderError, TruncatedFrame
        A single frame is incomplete, or a member's header contradicts its name.
    StorageError
        The source cannot be read.
    """
    walker = _Walker(part, limit=FRAME_LIMIT, source=source, sound=sound)
    filed = filed_under(part.name)
    with walker.reading() as stream:
        alone = _kind(part, stream) in {"frame", "hdf5", "ascii"}
        try:
            for member in walker.descend(stream, "", 0):
                try:
                    header = _header(member)
                except FrameError:
                    if alone:
                        raise
                    continue  # the reader reports it: the members behind it may be intact
                hold_against_name(header, name=member.name, place=member.place)
                shape = (header.rows, header.cols)
                if filed is not None and (reason := filed.denies(header.product, header.time, shape)):
                    raise CorruptArchive(f"{member.place} {reason}: another file has this name")
        except EOFError as error:
            if stream.read(1):
                raise OSError("a member is cut short, but the archive continues") from error
            raise


def check_frame(member: Member) -> Header:
    """Return a member's header after comparing it with the member's length and name.

    Raises
    ------
    HeaderError
        It is not a frame, or its header contradicts itself, its length or its name.
    TruncatedFrame
        The member is empty, or shorter than its header states.
    UnsafeMember
        The member is an HDF5 file with links to other files or places.
    ArchiveError
        The member is data in a format that radar_nb does not read, as are the other members.
    """
    header = _header(member)
    hold_against_name(header, name=member.name, place=member.place)
    return header


def _header(member: Member) -> Header:
    if not member.data:
        raise TruncatedFrame(f"{member.place} is empty (0 bytes): {AGAIN}")
    if member.kind == "hdf5":
        if netcdf.is_netcdf(member.data, member.name):
            return netcdf.Fields(bytes(member.data), member.place).header
        return odim.read_header(member.data, name=member.place)
    if member.kind == "ascii":
        return esri_ascii.read_grid_header(member.data, name=member.place)
    if member.kind != "frame" and (found := foreign(bytes(member.data[:BLOCK]))):
        raise (HeaderError if found.lone else ArchiveError)(f"{member.place} is {found}")
    header = parse_header(member.data, name=member.place)
    payload(header, member.data, name=member.place)
    return header


_NO_END = "is cut short, or was written incompletely: it ends without the blocks of zeros that close a tar"


class _NoEndBlocks(EOFError):
    """A tar ends after a whole member."""


class _Headers:
    """The file interface that tarfile reads headers through: forward and limited, without members' bytes."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.allowance = _HEADERS_LIMIT
        self.last = b""

    def tell(self) -> int:
        return self._stream.position

    def seek(self, position: int) -> None:
        if position < self._stream.position:
            raise tarfile.ReadError("a member's size leads backwards")
        self._stream.skip(position - self._stream.position)

    def read(self, size: int) -> bytes:
        if not 0 <= size <= self.allowance:
            raise tarfile.ReadError(f"a member's headers are longer than {human_bytes(_HEADERS_LIMIT)}")
        self.allowance -= size
        self.last = self._stream.read(size)
        if not self.last:
            raise _NoEndBlocks
        if len(self.last) < size:
            raise EOFError
        return self.last


class _Walker:
    """The state of one walk: position, totals, and read buffer."""

    def __init__(
        self,
        part: Part,
        *,
        limit: int,
        source: Source | None = None,
        sound: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.part = part
        self._limit = limit
        self._source = source or Reopened(part.archive, part.offset)
        self._sound = sound
        self._buffer = np.empty(limit, np.uint8).data  # pages beyond the largest frame are never touched
        self._room = memoryview(b"")
        self._base = cast("Stream", None)
        self._path = ""
        self._where = (0, 0)
        self._deepest = DEPTH_LIMIT - (part.offset > 0)  # an inner archive is already packed once
        self._seen = self._given = self._bytes = 0

    @contextmanager
    def reading(self) -> Iterator[Stream]:
        """Open the part's bytes; errors name the current member."""
        with naming_damage(self.part, lambda: self._path):
            self._base = Stream(self._source, self.part.size if self.part.size >= 0 else None)
            yield self._base

    def descend(self, stream: Stream, path: str, depth: int) -> Iterator[Member]:
        """Yield the members below a stream of any format."""
        kind = sniff(stream.head())
        if kind in {"gzip", "bzip2", "tar"} and depth == self._deepest:
            raise self.unsafe(path, f"is packed more than {DEPTH_LIMIT} times")
        if kind == "tar":
            deeper = bool(path) or depth > 1  # inside another tar, or packed twice
            for info in self.members(stream, path):
                self._where = (-1, 0) if deeper else (info.offset_data, info.size)
                yield from self.descend(Stream(stream, info.size), self._path, depth + 1)
        elif kind in {"gzip", "bzip2"}:
            if depth and not path:
                self._where = (-1, 0)  # packed twice
            yield from self.descend(inflated(stream), path, depth + 1)
        else:
            yield self._member(stream, path)

    def members(self, stream: Stream, path: str) -> Iterator[tarfile.TarInfo]:
        """Yield the regular files of a tar, with the stream at each file's first byte; verify the tar's end."""
        headers: Any = _Headers(stream)
        tar: Any = tarfile.TarFile(fileobj=headers, encoding="utf-8")
        while (info := tar.next()) is not None:
            tar.members = []  # tarfile keeps all members and their headers here
            if sum(map(len, chain(tar.pax_headers, tar.pax_headers.values()))) > _HEADERS_LIMIT:
                raise tarfile.ReadError(f"its global headers are longer than {human_bytes(_HEADERS_LIMIT)}")
            headers.allowance = _HEADERS_LIMIT
            self._seen += 1
            if stream is self._base:
                self._sound(info.offset)  # of its first header: everything before it is verified
            info.name = info.name.removeprefix("./")
            self._path = f"{path}/{info.name}" if path else info.name
            if self._admits(info):
                yield info
        # tarfile silently takes a damaged header for the tar's end
        if headers.last.strip(b"\0"):
            raise tarfile.ReadError("the header of the member after it is damaged")
        padding = stream.read(_PADDING_LIMIT + 1)
        if len(padding) > _PADDING_LIMIT or padding.strip(b"\0"):
            raise tarfile.ReadError("there are bytes after the tar's end")

    def _admits(self, info: tarfile.TarInfo) -> bool:
        """Return whether to read a member; raise for one that no archive of DWD has."""
        top = info.isdir() and info.name in {"", "."}
        if not top and (reason := unsafe_name(info.name)):
            raise self.unsafe(repr(self._path)[1:-1], f"has a name that {reason}")
        if self._seen > MEMBER_LIMIT:
            raise self.unsafe(self._path, f"follows {MEMBER_LIMIT:,} others, more than any archive of DWD has")
        if info.isdir() or is_litter(info.name):
            return False
        if not info.isreg() or info.issparse():
            raise self.unsafe(
                self._path, "is a link, a device or a sparse file, or of a kind that DWD does not use"
            )
        said = info.pax_headers.get("size", str(info.size))  # tarfile turns a size that is not a number into 0
        if not said.isdecimal() or len(said) > _DIGITS or info.size > ARCHIVE_LIMIT:
            raise self.unsafe(self._path, f"says it has {said[:_DIGITS]} bytes, and no file of DWD has")
        return True

    def _member(self, stream: Stream, path: str) -> Member:
        buffer = self._buffer
        if (path or self.part.name).endswith(".nc") and sniff(stream.head()) == "hdf5":
            buffer = self._large()
        size = stream.readinto(buffer)
        if stream.read(1):  # at the end, this also makes an inflater compare its checksum
            raise self.unsafe(path, f"is larger than a frame can be ({human_bytes(len(buffer))})")
        self._given += 1
        self._bytes += size
        if self._bytes > _ROOM + _RATIO * self._base.position:
            tight = f"{human_bytes(self._bytes)} out of {human_bytes(self._base.position)}"
            raise self.unsafe(path, f"is one too many: it makes {tight}")
        offset, length = self._where
        return Member(
            name=(path or PurePosixPath(self.part.name).name).removesuffix(".gz").removesuffix(".bz2"),
            part=self.part,
            position=self._given - 1,
            offset=offset,
            length=length or size,
            consumed=self._base.position,
            data=buffer[:size].toreadonly(),
        )

    def _large(self) -> memoryview:
        """Return a buffer for a month or a day of fields in netCDF."""
        if len(self._room) < ARCHIVE_LIMIT:
            self._room = np.empty(ARCHIVE_LIMIT, np.uint8).data
        return self._room

    def unsafe(self, path: str, reason: str) -> UnsafeMember:
        return UnsafeMember(f"{_place(self.part, path)} {reason}: DWD published it otherwise, {AGAIN}")


_DAMAGE: tuple[type[Exception], ...] = (
    *(EOFError, OSError, tarfile.TarError, cast("type[Exception]", zlib_ng.error)),
    *(ValueError, LookupError, ArithmeticError),  # tarfile lets some slip out of its parsing
)


@contextmanager
def naming_damage(part: Part, path: Callable[[], str]) -> Iterator[None]:
    """Translate errors of the libraries that read a part into errors that name the place and the remedy."""
    try:
        yield
    except RadarNbError:
        raise
    except EOFError as error:
        how = _NO_END if isinstance(error, _NoEndBlocks) else "is cut short"
        raise TruncatedArchive(f"{_place(part, path())} {how}: {AGAIN}") from error
    except _DAMAGE as error:
        if isinstance(error, FileNotFoundError):
            gone = "is gone: it was moved or deleted, perhaps while it was read; put it back or fetch it again"
            raise StorageError(f"{part.archive} {gone}") from error
        if isinstance(error, OSError) and error.errno is not None:
            raise StorageError(f"{part.archive} cannot be read ({error.strerror}): check the disk") from error
        place = _place(part, path())
        raise CorruptArchive(f"{place} is damaged, here or before ({error}): {AGAIN}") from error


def _place(part: Part, path: str) -> str:
    steps = (step for step in (part.name, path) if step and step != part.archive.name)
    return " > ".join((str(part.archive), *steps))
