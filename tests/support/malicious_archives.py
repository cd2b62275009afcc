"""Malicious and broken archives, as bytes, which every reader must refuse.

`HOSTILE` holds the kinds by name, each with the error that every read path must raise: the test module
`formats/test_malicious_archives.py` reads them by all paths, scripts/soak.py makes a table of the results,
`damage.py` damages them further.
`HARMLESS` holds unusual archives that are allowed: each is read as one frame, `FRAME` under `NAME`.
"""

from __future__ import annotations

import bz2
import gzip
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from support.malicious_hdf5 import HOSTILE_HDF5

from radar_nb.errors import CorruptArchive, TruncatedArchive, UnsafeMember
from radar_nb.formats.radolan import Header, write_frame

if TYPE_CHECKING:
    from collections.abc import Iterable

    from radar_nb.errors import ArchiveError

NAME = "raa01-yw2017.002_10000-2006131525-dwd---bin"
"""The name of the one frame of most kinds."""


def frame(
    minute: int = 25,
    *,
    seed: int = 0,
    rows: int = 30,
    cols: int = 20,
    product: str = "YW",
    hour: str = "2020-06-13T15",
) -> bytes:
    """Return a small frame of noise, which does not compress."""
    codes = np.random.default_rng(seed).integers(0, 0x1000, (rows, cols)).astype(np.uint16)
    time = np.datetime64(f"{hour}:00", "s") + np.timedelta64(minute, "m")
    return write_frame(
        Header(product=product, time=time, rows=rows, cols=cols, precision=-2, interval=5, radars=("boo",)), codes
    )


def name(minute: int, hour: str = "2020-06-13T15") -> str:
    stamp = "".join(part for part in hour[2:] if part.isdigit())
    return f"raa01-yw2017.002_10000-{stamp}{minute:02d}-dwd---bin"


def entry(path: str, data: bytes = b"", **fields: object) -> bytes:
    """Return one member of a tar: its headers, data and padding; `fields` overwrite what tarfile would write."""
    info = tarfile.TarInfo(path)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape") + data + bytes(-len(data) % 512)


def pax(records: dict[bytes, bytes], following: bytes, *, kind: bytes = tarfile.XHDTYPE) -> bytes:
    """Return a PAX header and the member it describes; with XGLTYPE it describes all that follow."""
    body = b""
    for key, value in records.items():
        record = b" " + key + b"=" + value + b"\n"
        length = len(record) + 1
        while len(str(length)) + len(record) != length:
            length += 1
        body += str(length).encode() + record
    return entry("pax", body, type=kind) + following


def tar(*entries: bytes) -> bytes:
    """Return a tar of entries with an end-of-archive marker."""
    return b"".join(entries) + bytes(1024)


def tar_of(members: Iterable[tuple[str, bytes]]) -> bytes:
    return tar(*(entry(path, data) for path, data in members))


def day(minutes: Iterable[int] = (20, 25, 30), hour: str = "2020-06-13T15") -> bytes:
    """Return a tar of frames."""
    return tar_of((name(minute, hour), frame(minute, seed=minute, hour=hour)) for minute in minutes)


def month(*days: bytes) -> bytes:
    """Return a tar of compressed days."""
    return tar_of((f"YW2017.002_202006{number:02d}.tar.gz", data) for number, data in enumerate(days, 1))


def recorded(archive: bytes) -> bytes:
    """Return a tar as tar programs write it: padded to a whole record."""
    return archive + bytes(-len(archive) % 10_240)


def packed(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


def flipped(data: bytes, place: int) -> bytes:
    """Return the bytes with one bit flipped."""
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An archive's bytes, the error that it must raise, and what the message must say."""

    data: bytes
    error: type[ArchiveError]
    match: str
    remedy: str = "fetch it again with overwrite=True"


def unsafe(data: bytes, match: str) -> Case:
    return Case(data=packed(data), error=UnsafeMember, match=match)


def corrupt(data: bytes, match: str = "is damaged") -> Case:
    return Case(data=data, error=CorruptArchive, match=match)


def truncated(data: bytes, match: str = "is cut short") -> Case:
    return Case(data=data, error=TruncatedArchive, match=match)


FRAME = frame()
"""The one frame of most kinds."""

_LINKS = {
    "a symbolic link": tarfile.SYMTYPE,
    "a hard link": tarfile.LNKTYPE,
    "a character device": tarfile.CHRTYPE,
    "a block device": tarfile.BLKTYPE,
    "a FIFO": tarfile.FIFOTYPE,
    "an unknown type": b"Z",
    "a piece of a file on several tapes": b"M",
    "a tape's label": b"V",
    "a folder as a backup has it": b"D",
    "long names as they once were": b"N",
}
_NAMES = {
    "a name that climbs": ("../x", "leads out"),
    "a name that climbs from within": ("a/../../x", "leads out"),
    "an absolute name": ("/etc/x", "is absolute"),
    "a drive letter": ("C:x", "Windows forbids"),
    "a backslash": ("..\\x", "Windows forbids"),
    "a newline in a name": ("a\nb", "control characters"),
    "a name that turns its direction": ("a\u202eb", "control characters"),
    "a name that is not UTF-8": ("a\udcffb", "control characters"),
    "a name of 300 characters": ("a" * 300, "longer than 255"),
    "a name that is only .gz": (".gz", "empty"),
    "a name with an empty part": ("a//b", "empty"),
    "a device of Windows": ("NUL.txt", "device on Windows"),
    "a device of Windows in a folder": ("a/com1/x", "device on Windows"),
    "a stream of Windows": ("x:y", "Windows forbids"),
    "a name that ends in a dot": ("a.", "dot or a blank"),
    "a name that ends in a blank": ("a ", "dot or a blank"),
    "a name of several lines of a terminal": ("a\x1b[2J", "control characters"),
    "a name of 300 characters in folders": ("a" * 150 + "/" + "b" * 149, "longer than 255"),
}
_HUGE = b"\x80" + (1 << 60).to_bytes(11, "big")
_NEGATIVE = b"\xff" * 11 + b"\x00"


def overwritten(member: bytes, place: int, data: bytes) -> bytes:
    """Return a member with other bytes at an offset of its header, and a corrected checksum."""
    header = member[:place] + data + member[place + len(data) : 512]
    header = header[:148] + b" " * 8 + header[156:]
    return header[:148] + f"{sum(header):06o}\0 ".encode() + header[156:] + member[512:]


def _nested(times: int) -> bytes:
    data = FRAME
    for _ in range(times):
        data = packed(data)
    return data


def _boxed(times: int) -> bytes:
    data = FRAME
    for _ in range(times):
        data = tar(entry("a", data))
    return data


_SPARSE = {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.realsize": b"9"}
_MAP = b"1\n0\n9\n".ljust(512, b"\0")
_ZEROS = gzip.compress(bytes(7 << 20), 1, mtime=0)
_BOMB = gzip.compress(bytes(64 << 20), 1, mtime=0)

HOSTILE: dict[str, Case] = {
    **{kind: unsafe(tar(entry(path, FRAME)), match) for kind, (path, match) in _NAMES.items()},
    "a folder that climbs": unsafe(tar(entry("../x", type=tarfile.DIRTYPE)), "leads out"),
    "a NUL in a PAX name": unsafe(tar(pax({b"path": b"a\0b"}, entry("a", FRAME))), "control characters"),
    "a PAX name that climbs": unsafe(tar(pax({b"path": b"../x"}, entry("a", FRAME))), "leads out"),
    "a member behind a link": unsafe(
        tar(entry("a", type=tarfile.SYMTYPE, linkname="/etc"), entry("a/x", FRAME)), "link, a device or a sparse"
    ),
    **{
        kind: unsafe(tar(entry(NAME, type=code, linkname="/etc/passwd")), "link, a device or a sparse")
        for kind, code in _LINKS.items()
    },
    "a link to itself": unsafe(
        tar(entry(NAME, type=tarfile.SYMTYPE, linkname=NAME)), "link, a device or a sparse"
    ),
    "a hard link through a link made earlier": unsafe(
        tar(entry("a", type=tarfile.SYMTYPE, linkname=".."), entry("b", type=tarfile.LNKTYPE, linkname="a/x")),
        "> a is a link",
    ),
    "a link whose aim stands in PAX": unsafe(
        tar(pax({b"linkpath": b"/etc/passwd"}, entry(NAME, type=tarfile.SYMTYPE))), "link, a device or a sparse"
    ),
    "a link with a long aim": unsafe(
        tar(entry("x", b"/" * 300, type=tarfile.GNUTYPE_LONGLINK), entry(NAME, type=tarfile.LNKTYPE)),
        "link, a device or a sparse",
    ),
    "a long name that climbs": unsafe(
        tar(entry("x", b"../" * 50 + b"x\0", type=tarfile.GNUTYPE_LONGNAME), entry("a", FRAME)), "leads out"
    ),
    "a PAX name of bytes": unsafe(
        tar(pax({b"hdrcharset": b"BINARY", b"path": b"a\xff"}, entry("a", FRAME))), "not UTF-8"
    ),
    "a PAX name for all": unsafe(
        tar(pax({b"path": b"../x"}, entry("a", FRAME), kind=tarfile.XGLTYPE)), "leads out"
    ),
    "a PAX size for all": unsafe(
        tar(pax({b"size": b"-1"}, entry("a", FRAME), kind=tarfile.XGLTYPE)), "no file of"
    ),
    "a sparse member of PAX 1.0": unsafe(tar(pax(_SPARSE, entry(NAME, _MAP + b"123456789"))), "sparse"),
    "a sparse member of PAX that climbs": unsafe(
        tar(pax({**_SPARSE, b"GNU.sparse.name": b"../x"}, entry(NAME, _MAP + b"123456789"))), "leads out"
    ),
    "a sparse member of PAX whose map lies": corrupt(packed(tar(pax(_SPARSE, entry(NAME, b"x" * 512))))),
    "a sparse member of PAX whose map never ends": corrupt(
        packed(tar(pax(_SPARSE, entry(NAME, b"99999999\n" + b"0\n" * 50_000)))), "headers are longer"
    ),
    "a sparse member of PAX": unsafe(
        tar(pax({b"GNU.sparse.size": b"9999999", b"GNU.sparse.map": b"0,5"}, entry(NAME, b"12345"))), "sparse"
    ),
    "a size beyond any file": unsafe(tar(overwritten(entry(NAME), 124, _HUGE)), "no file of DWD"),
    "a size below zero": unsafe(tar(overwritten(entry(NAME), 124, _NEGATIVE)), "no file of DWD"),
    "a PAX size below zero": unsafe(tar(pax({b"size": b"-5"}, entry(NAME, FRAME))), "no file of DWD"),
    "a member larger than a frame": unsafe(tar(entry(NAME, bytes(9 << 20))), "larger than a frame"),
    "a gzip bomb": unsafe(tar(entry(NAME + ".gz", _BOMB)), "larger than a frame"),
    "a bzip2 bomb": unsafe(tar(entry(NAME + ".bz2", bz2.compress(bytes(9 << 20)))), "larger than a frame"),
    "a gzip bomb on its own": Case(data=_BOMB, error=UnsafeMember, match="larger than a frame"),
    "a bomb in a bomb": unsafe(_BOMB, "larger than a frame"),
    "many small bombs": unsafe(tar(*(entry(f"{number}.gz", _ZEROS) for number in range(320))), "one too many"),
    "a million empty folders": Case(
        data=packed(entry("a", type=tarfile.DIRTYPE) * 10_000) * 100, error=UnsafeMember, match="follows 10,000"
    ),
    "empty gzip files without end": corrupt(packed(packed(b"") * 200_000), "hardly any data"),
    "gzip files of a byte without end": corrupt(packed(packed(b"a") * 200_000), "hardly any data"),
    "empty bzip2 files without end": corrupt(packed(bz2.compress(b"") * 200_000), "hardly any data"),
    "zeros without end after a gzip": corrupt(packed(packed(FRAME) + bytes(3 << 20)), "hardly any data"),
    "tar in tar in tar in tar in tar": Case(data=_boxed(5), error=UnsafeMember, match="packed more than 4 times"),
    "a hundred times packed": Case(data=_nested(100), error=UnsafeMember, match="packed more than 4 times"),
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
    "PAX records without end": corrupt(
        packed(tar(pax({b"comment": b"x" * 100_000}, entry(NAME, FRAME)))), "headers are longer"
    ),
    "PAX headers for all that grow": corrupt(
        packed(tar(*(pax({b"%d" % i: b"x" * 9000}, entry(NAME, FRAME), kind=tarfile.XGLTYPE) for i in range(9)))),
        "global headers are longer",
    ),
    "a PAX size that is not a number": unsafe(tar(pax({b"size": b"many"}, entry(NAME, FRAME))), "has many bytes"),
    "a PAX size of 5,000 digits": unsafe(tar(pax({b"size": b"9" * 5000}, entry(NAME, FRAME))), "no file of DWD"),
    "a size in rubbish": corrupt(packed(tar(overwritten(entry(NAME, FRAME), 124, b"0x4fe!\0")))),
    "a size that is too small": corrupt(
        packed(tar(overwritten(entry(NAME, FRAME * 9), 124, b"%011o\0" % len(FRAME))))
    ),
    "a size that is too large": truncated(packed(tar(overwritten(entry(NAME, FRAME), 124, b"00000077777\0")))),
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
    "a flipped bit in a bzip2": corrupt(flipped(bz2.compress(FRAME), 500)),
    "a gzip cut short": truncated(packed(day())[:2000]),
    "a gzip without its checksum": truncated(packed(day())[:-8]),
    "a bzip2 cut short": truncated(bz2.compress(day())[:1000]),
    "a tar cut short in a member": truncated(day()[:1000]),
    "a tar cut short between members": truncated(day()[: 512 + 1536]),
    "a tar cut short in a gzip that is whole": truncated(packed(day()[:3000])),
    "a tar without its end": truncated(
        packed(day()[:-1024]), "is cut short, or was written incompletely: it ends without the blocks"
    ),
    "an empty file": truncated(b"", "is empty"),
    "something else": Case(
        data=b"\0\1\2\3 is nothing known",
        error=CorruptArchive,
        match="is not an archive or a frame",
        remedy="leave it out",  # its name is not one of DWD's
    ),
    **{
        f"HDF5 with {kind}": Case(data=packed(make("/etc/passwd")), error=UnsafeMember, match=match)
        for kind, (make, match) in HOSTILE_HDF5.items()
        if "inflates" not in match  # found when the field is read
    },
    **{
        f"an archive of HDF5 with {kind}": unsafe(
            tar(entry("a.hdf5", HOSTILE_HDF5[kind][0]("/etc/passwd"))), "other files"
        )
        for kind in ("a field stored in another file", "a virtual field")
    },
}


def _commented(data: bytes, comment: bytes) -> bytes:
    """Return a gzip with a comment (RFC 1952, 2.3)."""
    return data[:3] + bytes([data[3] | 0x10]) + data[4:10] + comment + b"\0" + data[10:]


_FULL = entry(NAME, FRAME)

HARMLESS: dict[str, bytes] = {
    "times and owners of nonsense": packed(
        tar(pax({b"mtime": b"inf", b"uid": b"9" * 5000, b"gid": b"-1", b"uname": b"\xff", b"atime": b"no"}, _FULL))
    ),
    "a time before 1970": packed(tar(entry(NAME, FRAME, mtime=-(10**9)))),
    "rights of nonsense": packed(tar(entry(NAME, FRAME, mode=0o7777, uid=2**50, gid=2**50))),
    "a comment for all": packed(tar(pax({b"comment": b"../x"}, _FULL, kind=tarfile.XGLTYPE))),
    "attributes of its own": packed(tar(pax({b"SCHILY.xattr.user.x": b"y" * 900, b"LIBARCHIVE.x": b"z"}, _FULL))),
    "a file in one piece": packed(tar(entry(NAME, FRAME, type=tarfile.CONTTYPE))),
    "a size in base 256": packed(tar(overwritten(_FULL, 124, b"\x80" + len(FRAME).to_bytes(11, "big")))),
    "a PAX size that overrules": packed(
        tar(pax({b"size": b"%d" % len(FRAME)}, overwritten(_FULL, 124, b"00000000000\0")))
    ),
    "a folder that has bytes": packed(
        tar(overwritten(entry("a", type=tarfile.DIRTYPE), 124, b"00000077777\0"), _FULL)
    ),
    "an empty gzip before": packed(b"") + packed(tar(_FULL)),
    "gzip files one after the other": packed(tar(_FULL)[:700]) + bytes(99) + packed(tar(_FULL)[700:]),
    "a gzip in another's comment": _commented(packed(tar(_FULL)), packed(frame(seed=1)).replace(b"\0", b"")),
    "a PAX name that is whole where the header's climbs": packed(
        tar(pax({b"path": NAME.encode()}, entry("../x", FRAME)))
    ),
}
"""Unusual but valid archives: every read path returns the frame `FRAME`, named `NAME`, and no other."""
