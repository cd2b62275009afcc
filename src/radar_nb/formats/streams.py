"""Bytes that are read once, forward: their format, and their inflated form.

No file stays open between two reads, so a stream can wait indefinitely: nothing is locked on Windows, nothing
leaks, and another thread may continue.
"""

from __future__ import annotations

import bz2
import io
import re
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from zlib_ng import gzip_ng, zlib_ng

Kind = Literal["gzip", "bzip2", "tar", "hdf5", "frame", "ascii", "html", "empty", "unknown"]

BLOCK = 512
"""A tar's block; the first block of a file reveals its format."""

_SCRATCH = 256 << 10  # bytes discarded at once: fits in the processor's cache
_SLICE = 16 << 10  # bytes inflated at once: few, since zlib copies unused ones
_INPUT = 512 << 10  # bytes read at once
_OUTPUT = 1 << 20  # maximum bytes of output at once
_FLAGS, _RESERVED = 3, 0xE0  # of a gzip header (RFC 1952, 2.3.1.2); zlib refuses them, GzipNGFile does not
_GZIP = 31  # zlib's number for a gzip header and trailer
_IDLE = 1 << 20  # bytes that may be read without output: millions of empty gzip files can be packed in a few kB
_WORTH = 2  # bytes that may be read per byte of output: output exceeds input except for noise

_MAGIC = re.compile(
    rb"(?P<empty>\Z)"
    rb"|(?P<gzip>\x1f\x8b)"  # RFC 1952, 2.3.1
    rb"|(?P<bzip2>BZh[1-9])"  # bzip2's manual
    rb"|(?P<hdf5>\x89HDF\r\n\x1a\n)"  # HDF5 File Format Specification, II.A
    rb"|(?P<frame>(?!DX)[A-Z0-9%]{2}\d{6}.{5}\d{4}BY)"  # the fixed start of radar_nb.formats.radolan
    rb"|(?P<ascii>\s*(?i:ncols|nrows)[ \t]+\d)"  # the first line of an ESRI grid
    rb"|(?P<tar>(?s:.{257})ustar)"  # POSIX.1-2017, pax, "ustar Interchange Format"
    rb"|(?P<html>\s*<(?i:(?:!doctype )?html))"
)


def sniff(head: bytes) -> Kind:
    """Return a file's format by its first 512 bytes (or all of them), regardless of its name.

    Examples
    --------
    >>> sniff(b"RY182355100001019BY1620142VS 3SW   2.21.0")
    'frame'
    """
    found = _MAGIC.match(head)
    return "unknown" if found is None else cast("Kind", found.lastgroup)


@dataclass(frozen=True, slots=True)
class Foreign:
    """A format that radar_nb does not read, and a remedy; its text ends a sentence.

    Attributes
    ----------
    magic : re.Pattern
        Matches the first bytes.
    text : str
    lone : bool
        Whether a single member may have this format. Otherwise all members of an archive have it.
    """

    magic: re.Pattern[bytes]
    text: str
    lone: bool = True

    def __str__(self) -> str:
        return self.text


_XARRAY = "and radar_nb reads RADOLAN binaries and ODIM HDF5: open it with xarray.open_dataset"
_FOREIGN = (
    Foreign(re.compile(rb"PK\x03\x04|PK\x05\x06"), "a zip file: unpack it, and open what was in it"),
    Foreign(re.compile(rb"\xfd7zXZ\0"), "an xz file: unpack it (unxz), and open what was in it"),
    Foreign(re.compile(rb"\x28\xb5\x2f\xfd"), "a zstd file: unpack it (unzstd), and open what was in it"),
    Foreign(re.compile(rb"7z\xbc\xaf\x27\x1c"), "a 7z file: unpack it, and open what was in it"),
    Foreign(re.compile(rb"%PDF"), "a PDF document, not radar data: leave it out"),
    Foreign(re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8"), "a picture, not radar data: leave it out"),
    Foreign(re.compile(rb"CDF[\1\2\5]"), f"a netCDF file, {_XARRAY}", lone=False),
    Foreign(re.compile(rb"II\*\0|MM\0\*"), "a GeoTIFF: open it with rioxarray", lone=False),
    Foreign(
        re.compile(rb"BUFR|.{30,60}BUFR", re.DOTALL),
        "a BUFR file, and radar_nb reads RADOLAN binaries and ODIM HDF5: the reflectivity that DWD publishes in "
        "BUFR (PG) is WN and HX in HDF5, fetch one of these, or open the file with eccodes",
        lone=False,
    ),
    Foreign(
        re.compile(rb"DX\d{6}.{5}\d{4}BY"), "a DX file of one radar in polar form: open it with wradlib.io.read_dx"
    ),
    Foreign(re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]{16,}\Z"), "a text file, not a frame: leave it out"),
)


def foreign(head: bytes) -> Foreign | None:
    """Return the well-known but unsupported format of a file, by its first 512 bytes.

    Examples
    --------
    >>> str(foreign(b"%PDF-1.7"))
    'a PDF document, not radar data: leave it out'
    """
    return next((kind for kind in _FOREIGN if kind.magic.match(head)), None)


@dataclass(frozen=True, slots=True, eq=False)
class Blob:
    """An archive in memory, usable in place of a path.

    Attributes
    ----------
    name : str
        Used in messages.
    data : bytes
    """

    name: str
    data: bytes

    def __str__(self) -> str:
        return self.name


class Source(Protocol):
    """An object that a stream reads from."""

    def readinto(self, buffer: Any, /) -> int | None:
        """Read available bytes into the buffer."""


class Reopened:
    """A file or blob as a source that is open only during a read."""

    def __init__(self, archive: Path | Blob, offset: int) -> None:
        self._archive = archive
        self._position = offset

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer, or as much as the file has left."""
        raw = io.FileIO(self._archive) if isinstance(self._archive, Path) else io.BytesIO(self._archive.data)
        with raw:
            raw.seek(self._position)
            count = raw.readinto(buffer) or 0
        self._position += count
        return count

    def skip(self, count: int) -> None:
        """Skip bytes without reading them."""
        self._position += count


class Abandoned(Exception):
    """The source will not end: its writer has given up."""


class Growing:
    """A file that another thread is still writing, as a source that waits for more bytes.

    Parameters
    ----------
    path : pathlib.Path
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = self._there = 0
        self._ended = self._abandoned = False
        self._news = threading.Condition()

    def grow(self, size: int) -> None:
        """Report that `size` bytes are written."""
        with self._news:
            self._there = size
            self._news.notify()

    def end(self, *, abandoned: bool = False) -> None:
        """Report the end: all bytes are written, or the writer has given up."""
        with self._news:
            self._ended, self._abandoned = True, abandoned
            self._news.notify()

    def readinto(self, buffer: Any, /) -> int:
        """Read available bytes into the buffer; wait if there are none; return 0 at the end.

        Raises
        ------
        Abandoned
            The writer has given up.
        """
        with self._news:
            self._news.wait_for(lambda: self._ended or self._there > self._position)
            if self._abandoned:
                raise Abandoned
            ready = min(len(buffer), self._there - self._position)
        if not ready:
            return 0
        with io.FileIO(self._path) as raw:
            raw.seek(self._position)
            count = raw.readinto(memoryview(buffer)[:ready]) or 0
        self._position += count
        return count


class Stream:
    """A section of a source that is read once, forward, after an optional look at its head."""

    def __init__(self, source: Source, size: int | None = None) -> None:
        self._source = source
        self._left = size
        self._head = b""
        self.position = 0

    def head(self) -> bytes:
        """Return the first bytes without consuming them."""
        if not self.position and not self._head:
            buffer = memoryview(bytearray(BLOCK))
            self._head = bytes(buffer[: self._fill(buffer)])
        return self._head

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer, or as much as the stream has left."""
        count = min(len(self._head), len(buffer))
        buffer[:count] = self._head[:count]
        self._head = self._head[count:]
        count += self._fill(buffer[count:])
        self.position += count
        return count

    def read(self, size: int) -> bytes:
        """Return `size` bytes, or fewer at the end."""
        buffer = memoryview(bytearray(size))
        return bytes(buffer[: self.readinto(buffer)])

    def skip(self, count: int) -> None:
        """Skip bytes; a file is not read.

        Raises
        ------
        EOFError
            The stream is shorter.
        """
        if isinstance(self._source, Reopened) and not self._head and self._left is not None:
            if count > self._left:
                raise EOFError
            self._source.skip(count)
            self._left -= count
            self.position += count
            return
        scratch = memoryview(bytearray(min(count, _SCRATCH)))
        while count > 0:
            done = self.readinto(scratch[:count])
            if not done:
                raise EOFError
            count -= done

    def _fill(self, buffer: memoryview) -> int:
        if self._left is not None:
            buffer = buffer[: self._left]
        done = 0
        while done < len(buffer) and (count := self._source.readinto(buffer[done:])):
            done += count
        if self._left is not None:
            self._left -= done
            if done < len(buffer):
                raise EOFError
        return done


def inflated(stream: Stream) -> Stream:
    """Return the inflated stream, or the stream itself if it is not compressed."""
    packed: Any = _Packed(stream)
    match sniff(stream.head()):
        case "gzip":
            if stream.head()[_FLAGS] & _RESERVED:
                raise OSError("a reserved flag of gzip is set")
            inflater = gzip_ng.GzipNGFile(fileobj=packed, mode="rb")  # type: ignore[no-untyped-call]
            return Stream(_Unpacked(packed, inflater))
        case "bzip2":
            return Stream(_Unpacked(packed, Bunzipper(packed)))
    return stream


class _Packed:
    """A compressed stream with a minimum ratio of output to input."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.worth = _IDLE

    def readinto(self, buffer: Any, /) -> int:
        """Fill the buffer, or as much as the stream has left."""
        if self._stream.position > self.worth:
            raise OSError("it is long and contains hardly any data")
        return self._stream.readinto(memoryview(buffer))

    def read(self, size: int) -> bytes:
        """Return `size` bytes, or fewer at the end."""
        room = memoryview(bytearray(size))
        return bytes(room[: self.readinto(room)])


class _Unpacked:
    """The output of a compressed stream; it raises the stream's allowance of input."""

    def __init__(self, packed: _Packed, inflater: Source) -> None:
        self._packed = packed
        self._inflater = inflater

    def readinto(self, buffer: Any, /) -> int:
        """Read available bytes into the buffer."""
        # piece by piece, so that output counts before more input is read
        count = self._inflater.readinto(memoryview(buffer)[:_OUTPUT]) or 0
        self._packed.worth += _WORTH * count
        return count


class Inflater:
    """A gzip file as a source that can be copied in its current state, to continue reading from there.

    Parameters
    ----------
    archive : pathlib.Path or Blob
    offset, size : int
        Position of the gzip file in it, in bytes.
    """

    def __init__(self, archive: Path | Blob, offset: int, size: int) -> None:
        self._archive = archive
        self._next = offset  # of the unread input
        self._end = offset + size
        self._input = memoryview(b"")
        self._inflate = zlib_ng.decompressobj(_GZIP)
        self.position = 0

    def copy(self) -> Inflater:
        """Return a copy at the same position."""
        other = Inflater(self._archive, self._next - len(self._input), 0)
        other._end = self._end
        other._inflate = self._inflate.copy()  # type: ignore[attr-defined] # with the input not used yet
        other.position = self.position
        return other

    def readinto(self, buffer: memoryview) -> int:
        """Fill the buffer, or as much as the file has left.

        Raises
        ------
        EOFError
            The file is cut short.
        """
        done = 0
        while done < len(buffer):
            waiting = self._inflate.unconsumed_tail
            piece = waiting or self._slice()
            out = self._inflate.decompress(piece, min(len(buffer) - done, _OUTPUT))
            buffer[done : done + len(out)] = out
            done += len(out)
            self.position += len(out)
            if self._inflate.eof and not self._restart():
                break
            if not piece and not out:
                raise EOFError
        return done

    def _slice(self) -> memoryview:
        if not self._input:
            room = memoryview(bytearray(min(_INPUT, self._end - self._next)))
            self._input = room[: Reopened(self._archive, self._next).readinto(room)]
            self._next += len(self._input)
        piece, self._input = self._input[:_SLICE], self._input[_SLICE:]
        return piece

    def _restart(self) -> bool:
        """Continue with a gzip file after the one that has ended, skipping zeros between them."""
        self._back(len(self._inflate.unused_data))
        while piece := bytes(self._slice()):
            if rest := piece.lstrip(b"\0"):
                self._back(len(rest))
                self._inflate = zlib_ng.decompressobj(_GZIP)
                return True
        return False

    def _back(self, count: int) -> None:
        self._next -= len(self._input) + count
        self._input = memoryview(b"")


class Bunzipper:
    """The contents of a bzip2 file as a source; unlike `bz2.BZ2File` it reports foreign bytes after it."""

    def __init__(self, packed: _Packed) -> None:
        self._packed = packed
        self._inflate = bz2.BZ2Decompressor()

    def readinto(self, buffer: memoryview, /) -> int:
        """Read available bytes into the buffer; return 0 at the end."""
        out = b""
        while not out:
            piece = b""
            if self._inflate.eof:
                rest = self._inflate.unused_data or self._packed.read(_SLICE)
                if not rest:
                    return 0
                self._inflate, piece = bz2.BZ2Decompressor(), rest
            elif self._inflate.needs_input and not (piece := self._packed.read(_SLICE)):
                raise EOFError
            out = self._inflate.decompress(piece, len(buffer))
        buffer[: len(out)] = out
        return len(out)
