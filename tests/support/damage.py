"""Laws of reading damaged bytes: each reader returns what was written, or raises an error of radar_nb.

A law takes any bytes and raises if it does not hold. tests/formats/test_damaged_bytes.py tries a few thousand
damages of small files on them, scripts/fuzz.py as many as there is time for.
"""

from __future__ import annotations

import bz2
import gzip
import io
import tarfile
import zlib
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import h5py
import numpy as np
from support.malicious_archives import HOSTILE, entry, frame, month, name, packed, pax, tar, tar_of

from radar_nb.dwd.grids import find_grid
from radar_nb.errors import ArchiveError, FrameError, HeaderError, NotAnArchive, UnsafeMember
from radar_nb.formats.archives import DEPTH_LIMIT, MEMBER_LIMIT, check_frame, parts, walk
from radar_nb.formats.esri_ascii import read_grid, read_grid_header, write_grid
from radar_nb.formats.names import unsafe_name
from radar_nb.formats.netcdf import Fields, write_fields
from radar_nb.formats.odim import read_composite, read_header, write_composite
from radar_nb.formats.radolan import FRAME_LIMIT, NO_DATA_CODE, VALUE, parse_header, read_frame, write_frame
from radar_nb.formats.runlength import decode
from radar_nb.formats.streams import BLOCK, Inflater, sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from radar_nb.formats.archives import Part

MINUTES = (20, 25, 30)
FRAMES = {name(minute): frame(minute, seed=minute, rows=2, cols=3) for minute in MINUTES}
_PLAIN_DAY = tar_of(FRAMES.items())
_DAY_OF_GZ = packed(tar_of((f"{key}.gz", packed(data)) for key, data in FRAMES.items()))
NESTINGS = {
    "tar": _PLAIN_DAY,
    "gz": packed(FRAMES[name(20)]),
    "bz2": bz2.compress(FRAMES[name(20)]),
    "tar.gz": packed(_PLAIN_DAY),
    "tar.bz2": bz2.compress(_PLAIN_DAY),
    "tar.gz of gz": _DAY_OF_GZ,
    "tar of gz": gzip.decompress(_DAY_OF_GZ),
    "tar of tar.gz": month(*(packed(tar_of([item])) for item in FRAMES.items())),
    "tar of tar.gz of gz": month(_DAY_OF_GZ),
}
"""Small archives of every nesting that DWD uses."""

# --- frames -----------------------------------------------------------------------------------------------------


def header(data: bytes) -> None:
    """Any bytes are a usable header or raise FrameError."""
    try:
        found = parse_header(data)
    except FrameError:
        return
    assert min(found.rows, found.cols, found.length) > 0
    assert 2000 <= found.time.astype("datetime64[Y]").astype(int) + 1970 < 2100
    assert isinstance(found.itemsize, int)


def whole_frame(data: bytes) -> None:
    """Any bytes are a frame whose codes fill its grid, or raise FrameError."""
    try:
        found, codes = read_frame(data)
        if found.run_length:
            codes = decode(codes, found.rows, found.cols)
    except FrameError:
        return
    assert codes.shape == (found.rows, found.cols)


# --- archives ---------------------------------------------------------------------------------------------------

Found = list[tuple[int, int, bytes]]
"""Each member's offset and length in the part, and its bytes."""


def archive(data: bytes) -> None:
    """Any bytes are read without a wrong byte, or raise ArchiveError, NotAnArchive or FrameError."""
    for part, found in read_archive(data):
        _agrees_with_gzip_and_bz2(data[part.offset : part.offset + part.size], part, found)


def wrapped(data: bytes) -> None:
    """Check the law of archives for nested bytes: the first byte selects how the others are packed."""
    inner = data[1:]
    archive(_WRAPS[data[0] % len(_WRAPS)](inner) if data else b"")


_WRAPS: tuple[Callable[[bytes], bytes], ...] = (
    bytes,
    lambda data: gzip.compress(data, 1, mtime=0),
    bz2.compress,
    lambda data: month(_DAY_OF_GZ, gzip.compress(data, 1, mtime=0), _DAY_OF_GZ),
    lambda data: gzip.compress(tar(entry(name(35) + ".gz", gzip.compress(data, 1, mtime=0)))),
)


def read_archive(data: bytes) -> Iterator[tuple[Part, Found]]:
    """Yield the parts of an archive that are read to their end without an error, and their members."""
    with TemporaryDirectory(dir=MEMORY_DISK) as folder:
        path = Path(folder, "archive")
        path.write_bytes(data)
        try:
            pieces = parts(path)
        except (ArchiveError, NotAnArchive):
            return
        for part in pieces:
            try:
                yield part, list(_checked(part))
            except ArchiveError:
                continue


MEMORY_DISK = next((place for place in ("/dev/shm",) if Path(place).is_dir()), None)  # noqa: S108 - private within


def _checked(part: Part) -> Iterator[tuple[int, int, bytes]]:
    known: dict[bytes, bytes] = {}  # a bomb has thousands of equal members
    for count, member in enumerate(walk(part)):
        assert count == member.position < MEMBER_LIMIT
        assert len(member.data) <= FRAME_LIMIT
        assert member.name == part.archive.name or not unsafe_name(member.name)
        data = bytes(member.data)
        yield member.offset, member.length, known.setdefault(data, data)
        try:
            check_frame(member)
        except FrameError:
            continue


def _agrees_with_gzip_and_bz2(raw: bytes, part: Part, found: Found) -> None:
    """Compare a walk's result with the standard library, which also verifies every checksum."""
    plain = _inflated(raw, times=1)
    for offset, length, data in found:
        if offset >= 0:
            assert _inflated(plain[offset : offset + length], times=DEPTH_LIMIT) == data
    if sniff(raw[:BLOCK]) == "gzip":
        buffer = bytearray(len(plain) + 1)
        count = Inflater(part.archive, part.offset, part.size).readinto(memoryview(buffer))
        assert bytes(buffer[:count]) == plain


_INFLATE: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.decompress, "bzip2": bz2.decompress}


def _inflated(data: bytes, *, times: int) -> bytes:
    for _ in range(times):
        data = _INFLATE.get(sniff(data[:BLOCK]), bytes)(data)
    return data


# --- composites -------------------------------------------------------------------------------------------------


def composite(data: bytes) -> None:
    """Any bytes are a composite whose codes have values, packed values and flags, or are refused."""
    try:
        read = read_composite(data)
    except (HeaderError, UnsafeMember):  # the second where it points to other files
        return
    assert read.codes.shape == (read.header.rows, read.header.cols)
    assert read_header(data) == read.header
    for made in (read.packing.values(read.codes), read.packing.packed(read.codes), read.packing.flags(read.codes)):
        assert made.shape == read.codes.shape


_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "what": {"date": b"20250923", "time": b"004000"},
    "dataset1/what": {
        "prodname": b"RW",
        "startdate": b"20250922",
        "starttime": b"234000",
        "enddate": b"20250923",
        "endtime": b"004000",
    },
    "dataset1/data1/what": {"quantity": b"ACRR", "gain": 0.1, "offset": 0.0, "nodata": 65535.0, "undetect": 0.0},
    "how": {"nodes": b"'deasb','deboo'", "software": b"RADOLAN"},
}


def small_composite(codes: Any = ((65535, 1, 2), (0, 10, 4000)), *, dtype: str = "u2", **changes: Any) -> bytes:
    """Return a composite of a few cells; `changes` are values of attributes, or arguments of the data set."""
    made = io.BytesIO()
    names = {key for attributes in _ATTRIBUTES.values() for key in attributes}
    with h5py.File(made, "w", libver=changes.pop("libver", "earliest")) as file:
        for group, attributes in _ATTRIBUTES.items():
            place = file.require_group(group)
            for key, value in attributes.items():
                new = changes.get(key, value)
                place.attrs[key] = np.bytes_(new) if isinstance(new, bytes) else new  # of fixed length
        options = {key: value for key, value in changes.items() if key not in names}
        file.create_dataset("dataset1/data1/data", data=np.array(codes, dtype), **options)
    return made.getvalue()


# --- RADKLIM's other forms --------------------------------------------------------------------------------------


def netcdf(data: bytes) -> None:
    """Any bytes are fields with codes of RADOLAN, or are refused."""
    try:
        fields = Fields(data, "RW_2017.002_201710.nc")
        codes = fields.codes(0)
    except (HeaderError, UnsafeMember):
        return
    assert codes.shape == (fields.header.rows, fields.header.cols)
    assert ((codes <= VALUE) | (codes == NO_DATA_CODE)).all()


def grid(data: bytes) -> None:
    """Any first lines are those of a grid of DWD, or raise FrameError; so does a file that ends after them."""
    for called in ("RW_20221018-0050.asc", "RW_2017.002_20171001_0050.asc"):
        with suppress(FrameError):
            found = read_grid_header(data, name=called)
            assert find_grid(found.rows, found.cols).cell > 0
        with suppress(FrameError):
            read_grid(data, name=called)


# --- seeds -----------------------------------------------------------------------------------------------------


def _frames() -> list[bytes]:
    small = parse_header(frame(rows=2, cols=3))
    headers = (
        replace(small, product="YW", version=5, radars=("boo", "ros")),
        replace(small, product="SF", contributions=(("boo", 24),), module_flags="00000008", reanalysis="2017.002"),
        replace(small, product="RV", lead=15, quality=2, interval_unit=1, interval=1440),
    )
    codes = [write_frame(head, np.zeros((2, 3), kind)) for head in headers for kind in ("u1", "u2", "u4")]
    picture = replace(small, product="PG", cols=5, precision=0, levels=(1.0, 19.0), indicator=0, images=0)
    return [*codes, write_frame(picture, np.frombuffer(b"\x01\x11\x20\x13\n\x02\n\x04", np.uint8))]


def _archives() -> list[bytes]:
    return [*NESTINGS.values(), *(case.data for case in HOSTILE.values())]


def _insides() -> list[bytes]:
    key, data = next(iter(FRAMES.items()))
    sparse = {b"GNU.sparse.major": b"1", b"GNU.sparse.minor": b"0", b"GNU.sparse.realsize": b"5"}
    records = (
        {b"path": key.encode(), b"size": b"%d" % len(data), b"mtime": b"1.5"},
        {b"GNU.sparse.map": b"0,5", b"GNU.sparse.size": b"5"},
        {b"hdrcharset": b"BINARY", b"comment": b"x", b"GNU.sparse.name": b"x"},
    )
    tars = [
        _PLAIN_DAY,
        NESTINGS["tar of gz"],
        tar(pax(sparse, entry(key, b"1\n0\n5\n".ljust(512, b"\0") + data))),
        tar(entry("pax", b"10 size=5\n", type=tarfile.XGLTYPE), entry(key, data)),
        *(tar(pax(record, entry("x", data))) for record in records),
    ]
    for case in HOSTILE.values():
        with suppress(OSError, EOFError, zlib.error):
            tars.append(gzip.decompress(case.data))
    return [bytes([wrap]) + inside for inside in tars for wrap in range(len(_WRAPS))]


def _composites() -> list[bytes]:
    large = replace(parse_header(frame()), product="RW", rows=900, cols=900, interval=60)
    real = write_composite(large, np.zeros((900, 900), np.uint8), quantity="ACRR", gain=0.1)
    changes: list[dict[str, Any]] = [
        {},
        {"libver": "latest"},
        {"chunks": (2, 3), "compression": "gzip"},
        {"chunks": (1, 3), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"quantity": b"RATE", "gain": np.float32(0.12)},
        {"quantity": b"DBZH", "gain": 0.5, "offset": -32.5, "undetect": 1.0},
        {"prodname": "RV", "software": "of any length"},
        {"nodata": 65535, "undetect": np.uint8(0)},
    ]
    return [real, *(small_composite(**change) for change in changes)]


def _netcdf_files() -> list[bytes]:
    header = replace(
        parse_header(frame()), product="RW", rows=1100, cols=900, precision=-1, interval=60, reanalysis="2017.002"
    )
    whole = write_fields(header, [header.time], [np.full((1100, 900), 25, np.uint16)])
    layouts: list[dict[str, Any]] = [
        {"chunks": (1, 550, 450), "compression": "gzip"},
        {"chunks": (1, 1100, 900), "compression": "gzip", "shuffle": True, "fletcher32": True},
        {"maxshape": (None, 1100, 900), "chunks": (2, 1100, 900), "compression": "gzip"},
    ]
    made = [whole]
    for layout in layouts:
        file = io.BytesIO(whole)
        with h5py.File(file, "r+") as nc:
            attrs = {key: nc["RR"].attrs[key] for key in ("units", "scale_factor", "_FillValue")}
            del nc["RR"]
            field = nc.create_dataset("RR", data=np.full((1, 1100, 900), 25, "i2"), **layout)
            field.attrs.update(attrs)
        made.append(file.getvalue())
    return made + [with_texts(whole, libver) for libver in ("earliest", "latest")]


def with_texts(netcdf: bytes, libver: str) -> bytes:
    """Return a netCDF file with texts of variable length, and so many that the latest HDF5 makes an index."""
    made = io.BytesIO()
    with h5py.File(io.BytesIO(netcdf)) as old, h5py.File(made, "w", libver=libver) as new:
        for key in old:
            old.copy(key, new)
        for place, source in ((new, old), (new["RR"], old["RR"]), (new["time"], old["time"])):
            texts = {
                key: source.attrs[key].decode() for key in source.attrs if source.attrs[key].dtype.kind == "S"
            }
            for key, text in (texts | {f"note{number}": "ä" * number for number in range(12)}).items():
                place.attrs[key] = text
    return made.getvalue()


def _grid_heads() -> list[bytes]:
    heads = []
    for radklim in (None, "2017.002"):
        header = replace(parse_header(frame()), product="RW", rows=900, cols=900, precision=-1, reanalysis=radklim)
        heads.append(write_grid(header, np.zeros((900, 900), np.uint16))[:400])
    return heads


class Law(NamedTuple):
    """A law that holds for any bytes, the files to damage, and the maximum size of a file in bytes."""

    holds: Callable[[bytes], None]
    seeds: Callable[[], list[bytes]]
    limit: int


LAWS = {
    "header": Law(header, _frames, 1024),
    "frame": Law(whole_frame, _frames, 1024),
    "archive": Law(wrapped, _insides, 16 << 10),
    "packed": Law(archive, _archives, 8 << 10),
    "odim": Law(composite, _composites, 16 << 10),
    "netcdf": Law(netcdf, _netcdf_files, 64 << 10),
    "grid": Law(grid, _grid_heads, 1024),
}
"""The law of each reader."""
