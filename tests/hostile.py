"""Archives that lie, harm or are broken, as bytes: what no server should send and every reader must survive."""

from __future__ import annotations

import bz2
import gzip
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.errors import CorruptArchive, TruncatedArchive, UnsafeMember
from radar_nb.frames import Header, write_frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from radar_nb.errors import ArchiveError

NAME = "raa01-ry_10000-2006131525-dwd---bin"


def frame(minute: int = 25, *, seed: int = 0, rows: int = 30, cols: int = 20) -> bytes:
    """Give a small frame of noise, which does not compress."""
    codes = np.random.default_rng(seed).integers(0, 0x1000, (rows, cols)).astype(np.uint16)
    time = np.datetime64("2020-06-13T15:00", "s") + np.timedelta64(minute, "m")
    return write_frame(
        Header(product="RY", time=time, rows=rows, cols=cols, precision=-2, interval=5, radars=("boo",)), codes
    )


def name(minute: int) -> str:
    return f"raa01-ry_10000-20061315{minute:02d}-dwd---bin"


def entry(path: str, data: bytes = b"", **fields: object) -> bytes:
    """Give one member of a tar: its headers, data and padding; `fields` overwrite what tarfile would write."""
    info = tarfile.TarInfo(path)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512)


def pax(records: dict[bytes, bytes], following: bytes) -> bytes:
    """Give a PAX header of any records, and the member that they are about."""
    body = b""
    for key, value in records.items():
        record = b" " + key + b"=" + value + b"\n"
        length = len(record) + 1
        while len(str(length)) + len(record) != length:
            length += 1
        body += str(length).encode() + record
    return entry("pax", body, type=tarfile.XHDTYPE) + following


def tar(*entries: bytes) -> bytes:
    """Give a tar of ready entries, with its end."""
    return b"".join(entries) + bytes(1024)


def tar_of(members: Iterable[tuple[str, bytes]]) -> bytes:
    return tar(*(entry(path, data) for path, data in members))


def day(minutes: Iterable[int] = (20, 25, 30)) -> bytes:
    """Give a tar of frames."""
    return tar_of((name(minute), frame(minute, seed=minute)) for minute in minutes)


def month(*days: bytes) -> bytes:
    """Give a tar of days that are compressed already."""
    return tar_of((f"YW2017.002_202006{number:02d}.tar.gz", data) for number, data in enumerate(days, 1))


def recorded(archive: bytes) -> bytes:
    """Give a tar as tar programs write it: padded to a whole record."""
    return archive + bytes(-len(archive) % 10_240)


def packed(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def flipped(data: bytes, place: int) -> bytes:
    """Give the bytes with one bit turned."""
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An archive's bytes, the error that it must give, and what the message must say."""

    data: bytes
    error: type[ArchiveError]
    match: str


def unsafe(data: bytes, match: str) -> Case:
    return Case(data=packed(data), error=UnsafeMember, match=match)


def corrupt(data: bytes, match: str = "is damaged") -> Case:
    return Case(data=data, error=CorruptArchive, match=match)


def truncated(data: bytes, match: str = "is cut short") -> Case:
    return Case(data=data, error=TruncatedArchive, match=match)


_FRAME = frame()
_LINKS = {
    "a symbolic link": tarfile.SYMTYPE,
    "a hard link": tarfile.LNKTYPE,
    "a character device": tarfile.CHRTYPE,
    "a block device": tarfile.BLKTYPE,
    "a FIFO": tarfile.FIFOTYPE,
    "a type that nobody knows": b"Z",
}
_NAMES = {
    "a name that climbs": ("../x", "leads out"),
    "a name that climbs from within": ("a/../../x", "leads out"),
    "an absolute name": ("/etc/x", "is absolute"),
    "a drive letter": ("C:x", "Windows forbids"),
    "a backslash": ("..\\x", "Windows forbids"),
    "a newline in a name": ("a\nb", "control characters"),
    "a name that turns its direction": ("a\u202eb", "control characters"),
    "a name that is no UTF-8": ("a\udcffb", "control characters"),
    "a name of 300 characters": ("a" * 300, "longer than 255"),
    "a name that is only .gz": (".gz", "empty"),
    "a name with an empty part": ("a//b", "empty"),
    "a device of Windows": ("NUL.txt", "device on Windows"),
    "a name that ends in a dot": ("a.", "dot or a blank"),
}
_HUGE = b"\x80" + (1 << 60).to_bytes(11, "big")
_NEGATIVE = b"\xff" * 11 + b"\x00"


def overwritten(header: bytes, place: int, data: bytes) -> bytes:
    """Give a member's header with other bytes at a place, and a checksum that is right again."""
    header = header[:place] + data + header[place + len(data) : 512]
    header = header[:148] + b" " * 8 + header[156:]
    return header[:148] + f"{sum(header):06o}\0 ".encode() + header[156:]


def _nested(times: int) -> bytes:
    data = _FRAME
    for _ in range(times):
        data = packed(data)
    return data


HOSTILE: dict[str, Case] = {
    **{kind: unsafe(tar(entry(path, _FRAME)), match) for kind, (path, match) in _NAMES.items()},
    "a folder that climbs": unsafe(tar(entry("../x", type=tarfile.DIRTYPE)), "leads out"),
    "a NUL in a PAX name": unsafe(tar(pax({b"path": b"a\0b"}, entry("a", _FRAME))), "control characters"),
    "a PAX name that climbs": unsafe(tar(pax({b"path": b"../x"}, entry("a", _FRAME))), "leads out"),
    "a member behind a link": unsafe(
        tar(entry("a", type=tarfile.SYMTYPE, linkname="/etc"), entry("a/x", _FRAME)), "link, a device or a sparse"
    ),
    **{
        kind: unsafe(tar(entry(NAME, type=code, linkname="/etc/passwd")), "link, a device or a sparse")
        for kind, code in _LINKS.items()
    },
    "a sparse member of PAX": unsafe(
        tar(pax({b"GNU.sparse.size": b"9999999", b"GNU.sparse.map": b"0,5"}, entry(NAME, b"12345"))), "sparse"
    ),
    "a size beyond any file": unsafe(tar(overwritten(entry(NAME), 124, _HUGE)), "no file of DWD"),
    "a size below zero": unsafe(tar(overwritten(entry(NAME), 124, _NEGATIVE)), "no file of DWD"),
    "a PAX size below zero": unsafe(tar(pax({b"size": b"-5"}, entry(NAME, _FRAME))), "no file of DWD"),
    "a member larger than a frame": unsafe(tar(entry(NAME, bytes(9 << 20))), "larger than a frame"),
    "a gzip bomb": unsafe(tar(entry(NAME + ".gz", packed(bytes(64 << 20)))), "larger than a frame"),
    "a bzip2 bomb": unsafe(tar(entry(NAME + ".bz2", bz2.compress(bytes(9 << 20)))), "larger than a frame"),
    "a gzip bomb on its own": Case(data=packed(bytes(64 << 20)), error=UnsafeMember, match="larger than a frame"),
    "more members than a month has": unsafe(tar(entry("a") * 10_001), "follows 10,000 others"),
    "gzip in gzip in gzip in gzip in gzip": Case(
        data=_nested(5), error=UnsafeMember, match="packed more than 4 times"
    ),
    "headers without end": corrupt(
        packed(tar(entry("x", bytes(1 << 20), type=tarfile.GNUTYPE_LONGNAME))), "headers are longer"
    ),
    "a chain of headers": corrupt(
        packed(tar(entry("x", b"y", type=tarfile.GNUTYPE_LONGNAME) * 500)), "headers are longer"
    ),
    "sparse headers without end": corrupt(
        packed(
            overwritten(entry(NAME, type=tarfile.GNUTYPE_SPARSE), 482, b"\1")
            + (b"00000000001\0" * 42 + b"\1" + bytes(7)) * 2000
        ),
        "headers are longer",
    ),
    "an old sparse member": unsafe(tar(entry(NAME, b"12345", type=tarfile.GNUTYPE_SPARSE)), "sparse"),
    "a PAX header that is longer than its records": corrupt(
        packed(tar(entry("pax", b"99 size=xx\n", type=tarfile.XHDTYPE), b"\1" * 512))
    ),
    "bytes after the tar's end": corrupt(packed(day() + day()), "bytes after the tar's end"),
    "zeros without end after the tar": corrupt(packed(day() + bytes(2 << 20)), "bytes after the tar's end"),
    "a damaged header between members": corrupt(packed(flipped(day(), 2048 + 10)), "is damaged"),
    "a flipped bit in a gzip": corrupt(flipped(packed(day()), 2000)),
    "a wrong checksum of a gzip": corrupt(flipped(packed(day()), len(packed(day())) - 8), "CRC"),
    "a wrong length of a gzip": corrupt(flipped(packed(day()), len(packed(day())) - 2)),
    "rubbish after a gzip": corrupt(packed(day()) + b"rubbish" * 9),
    "a flipped bit in a bzip2": corrupt(flipped(bz2.compress(_FRAME), 500)),
    "a gzip cut short": truncated(packed(day())[:2000]),
    "a gzip without its checksum": truncated(packed(day())[:-8]),
    "a bzip2 cut short": truncated(bz2.compress(day())[:1000]),
    "a tar cut short in a member": truncated(day()[:1000]),
    "a tar cut short between members": truncated(day()[: 512 + 1536]),
    "a tar cut short in a gzip that is whole": truncated(packed(day()[:3000])),
    "a tar without its end": truncated(packed(day()[:-1024])),
    "an empty file": truncated(b"", "is empty"),
    "something else": corrupt(b"PK\x03\x04 a zip", "is no archive and no frame"),
}
