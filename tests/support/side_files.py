"""Laws of reading damaged or forged listings, notes, indexes, records and cubes' descriptions.

Each law takes any bytes: the reader returns something valid, counts the file as absent, or raises an error of
radar_nb. tests/formats/test_side_files.py tries some hundred damages on each, scripts/fuzz.py as many as there is
time for. Checksums are corrected, as a forger would do.
"""

from __future__ import annotations

import atexit
import io
import json
import os
import random
import shutil
import tarfile
import zlib
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import numpy as np
from support.cubes import archive as month_of_hours
from support.damage import MEMORY_DISK, Law
from support.malicious_archives import frame, name

from radar_nb.cube.building import build_cube
from radar_nb.cube.checking import verify_cube
from radar_nb.cube.day_records import DayRecord, parse_flags_note
from radar_nb.cube.description import _checksum, load_cube
from radar_nb.cube.opening import open_cube
from radar_nb.cube.shards import Shard
from radar_nb.cube.stores import Folder
from radar_nb.dwd.listings import is_cut, parse_listing
from radar_nb.errors import CubeError, DamagedShard, ListingError, NothingFound, RadarNbError
from radar_nb.fetch.part_files import Item, begun, mend
from radar_nb.fetch.responses import validator
from radar_nb.formats.archives import parts
from radar_nb.formats.cursor import iter_codes
from radar_nb.formats.index import (
    ROW,
    Frames,
    index_paths,
    load_index,
    make_index,
    misfiled,
    save_index,
    scan_part,
)
from radar_nb.formats.names import unsafe_name
from radar_nb.formats.packing import Packing
from radar_nb.runtime.files import Sidecar, part_path, read_sidecar, sidecar_path, write_sidecar

if TYPE_CHECKING:
    from collections.abc import Iterator

_URL = "http://localhost/a/b.tar"

# --- listings ---------------------------------------------------------------------------------------------------


def listing(data: bytes) -> None:
    """Any bytes are a listing of plain names, or raise ListingError."""
    text = data.decode("utf-8", "replace")
    assert is_cut(text) in {True, False}
    try:
        found = parse_listing(text, url=_URL)
    except ListingError:
        return
    for key, entry in found.items():
        assert key == entry.name
        assert not unsafe_name(key)
        assert entry.size is None or 0 <= entry.size <= 16 << 30


def _listings() -> list[bytes]:
    row = '<a href="{0}">{0}</a>   28-Jun-2019 12:00   {1}\r\n'
    rows = "".join(row.format(f"YW2017.002_2020{month:02d}.tar", 600_000_000 + month) for month in (1, 2))
    nginx = f'<html><head><title>Index of /a/</title></head><h1>Index of /a/</h1><pre><a href="../">../</a>{rows}'
    apache = (
        '<title>Index of /a</title><table><tr><td><a href="b%2Etar">b.tar</a></td><td>2019-06-28 12:00  </td>'
        '<td> 42K</td></tr><tr><td><a href="&#46;&#46;/c">c</a></td></tr></table></body></html>'
    )
    return [f"{nginx}</pre><hr></body></html>".encode(), nginx.encode(), apache.encode()]


# --- notes of part files ----------------------------------------------------------------------------------------


def note(data: bytes) -> None:
    """Any bytes are a valid note of a part file, or are ignored: then the part starts again."""
    path = _folder("note") / "b.tar"
    part = part_path(path)
    part.write_bytes(b"12345")
    sidecar_path(part).write_bytes(data)
    found = read_sidecar(part)
    kept, size = begun(Item(url=_URL, path=path, expected=10))
    assert (kept is None) == (size == 0)
    if found is not None:
        assert all(value is None or isinstance(value, str) for value in (found.url, found.etag, validator(found)))
        assert "\n" not in (validator(found) or "")
        assert found.size is None or (type(found.size) is int and found.size >= -1)
    mend(Item(url=_URL, path=path, expected=10))


def _notes() -> list[bytes]:
    path = _folder("note") / "seed"
    made = []
    for changes in ({"etag": '"5d-1"'}, {"last_modified": "Fri, 28 Jun 2019 12:00:00 GMT"}, {"etag": 'W/"1"'}):
        write_sidecar(path, Sidecar(url=_URL, size=10, **changes))
        made.append(sidecar_path(path).read_bytes())
    return made


# --- indexes ----------------------------------------------------------------------------------------------------


def index(data: bytes) -> None:
    """Any bytes with a valid checksum are ignored, or are an index whose frames are read or refused."""
    path, saved, content = _indexed()
    magic = content.split(b"\n")[0] + b"\n"
    head, _, rest = data.partition(b"\0\n")
    body = magic + len(head).to_bytes(4, "little") + head + rest
    saved.write_bytes(body + zlib.crc32(body).to_bytes(4, "little"))
    found = load_index(path)
    if found is None:
        return
    assert len(found.names) == len(found.rows)
    for problem in found.problems:
        assert isinstance(problem.exception(), RadarNbError)
    misfiled(found)
    frames = Frames.of([found])
    if len(found.rows):
        frames = frames.alone()
    assert len(frames.rows) == len(found.rows)
    for row in range(min(len(frames.rows), 8)):
        assert frames.place(row)
        with suppress(RadarNbError):
            for _, codes, _ in iter_codes(frames, [row], [Packing()] * len(frames.kinds)):
                assert codes.size == np.prod(codes.shape)


@lru_cache(maxsize=1)
def _indexed() -> tuple[Path, Path, bytes]:
    """Return a small archive, the path of its index, and the index."""
    path = _folder("index") / "b.tar"
    with tarfile.open(path, "w") as tar:
        for minute in (20, 25, 30):
            data = frame(minute, seed=minute, rows=2, cols=3)
            info = tarfile.TarInfo(name(minute))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    os.utime(path, ns=(10**18, 10**18))
    found = parts(path)
    status = path.stat()
    save_index(make_index(path, found, map(scan_part, found), stamp=(status.st_size, status.st_mtime_ns)), path)
    saved = next(place for place in index_paths(path) if place.exists())
    return path, saved, saved.read_bytes()


def _indexes() -> list[bytes]:
    data = _indexed()[2].partition(b"\n")[2][:-4]
    end = 4 + int.from_bytes(data[:4], "little")
    rows = end + 3 * ROW.itemsize
    return [data[4:end] + b"\0\n" + data[end:], data[4:end] + b"\0\n" + data[end:rows] + zlib.compress(b"a\nb\nc")]


# --- records and descriptions of cubes --------------------------------------------------------------------------


def record(data: bytes) -> None:
    """Any text in a shard's note is a consistent record, or raises DamagedShard."""
    packed = zlib.compress(data)
    with suppress(DamagedShard):
        found = DayRecord.of(packed, name="shard")
        assert found.of_step.size == found.valid.size == found.there.size
        assert DayRecord.of(found.note(), name="again").note() == found.note()
    with suppress(DamagedShard):
        parse_flags_note(packed, name="shard")


def _records() -> list[bytes]:
    cube = load_cube(Folder(_cube()))
    assert cube is not None
    day = next(iter(cube.listed()))
    shard = Shard.of((_cube() / cube.key(day)).read_bytes(), cube.shards, name="shard")
    return [zlib.decompress(shard.note), json.dumps({"day": "2019-06-28", "cube": cube.fingerprint}).encode()]


def description(data: bytes) -> None:
    """Any description with a valid checksum is a cube's or raises CubeError; nothing is written outside."""
    folder = _cube()
    (folder / "zarr.json").write_bytes(with_checksum(data))
    outside = sorted(folder.parent.iterdir())
    with suppress(CubeError, NothingFound):
        open_cube(folder, chunks=None, errors="report")
        if zlib.crc32(data) % 20 == 0:  # slow: it compares all that zarr would write
            verify_cube(folder, errors="report", progress=False)
    assert sorted(folder.parent.iterdir()) == outside


def with_checksum(data: bytes) -> bytes:
    """Return a group's file with the checksum of what it says; other bytes as they are."""
    with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
        document = json.loads(data)
        attrs = dict(document["attributes"])
        described = dict(attrs.pop("radar_nb"))
        if described.pop("checksum", None) is not None:
            document["attributes"]["radar_nb"]["checksum"] = _checksum(document, described, attrs)
            return json.dumps(document).encode()
    return data


@lru_cache(maxsize=1)
def _cube() -> Path:
    folder = _folder("cube")
    source = month_of_hours(folder / "RW-20190628.tar.gz", ["2019-06-28"], hours=["00:50", "01:50"])
    build_cube(source, folder / "cube", flags=True, progress=False, workers=1)
    return folder / "cube"


@lru_cache(maxsize=1)
def _description() -> bytes:
    return (_cube() / "zarr.json").read_bytes()


def _descriptions() -> list[bytes]:
    document = json.loads(_description())
    del document["consolidated_metadata"], document["attributes"]["radar_nb"]["checksum"]
    return [_description(), json.dumps(document).encode()]


# --- how texts are damaged --------------------------------------------------------------------------------------

_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 2, 3.5, 1 << 31, 1 << 62, 1 << 70, -(1 << 62), float("inf"), float("nan")),
    *(
        "",
        "..",
        "../x",
        "/etc/passwd",
        "a\r\nb",
        "\x1b]0;x",
        "\ud800",
        "9" * 5000,
        "CubeError",
        "NaT",
        "2020-01-01",
    ),
    *([], {}, [0], [[]], {"a": 1}),
)


def forged(text: bytes, seed: int) -> bytes:
    """Return JSON with one or two values replaced, chosen by a seed; return other text unchanged."""
    rng = random.Random(seed)  # noqa: S311 - no secret
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return text
    for _ in range(rng.randrange(1, 3)):
        places = list(_places(document))
        if not places:
            return text
        holder, key = rng.choice(places)
        value = holder[key]
        if isinstance(value, str) and value.startswith("{") and rng.random() < 0.8:  # the kind in an index is JSON
            holder[key] = forged(value.encode(), rng.randrange(1 << 30)).decode()
        elif rng.random() < 0.2:
            del holder[key]
        else:
            holder[key] = json.loads(json.dumps(rng.choice(_VALUES)))
    return json.dumps(document).encode()


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


@lru_cache(maxsize=8)
def _folder(topic: str) -> Path:
    folder = Path(mkdtemp(prefix=f"radar_nb-{topic}-", dir=MEMORY_DISK))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


LAWS = {
    "listing": Law(listing, _listings, 4 << 10),
    "note": Law(note, _notes, 2 << 10),
    "index": Law(index, _indexes, 8 << 10),
    "record": Law(record, _records, 4 << 10),
    "description": Law(description, _descriptions, 32 << 10),
}
"""The law of each kind of side file."""
