"""Cubes written by older versions, damaged, or forged to do harm."""

from __future__ import annotations

import base64
import json
import os
import shutil
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.cube.description import load_cube
from radar_nb.cube.shards import Shard, ShardEncoder
from radar_nb.cube.stores import Folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from radar_nb.cube.shards import ShardFormat


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file."""
    content = json.loads(path.read_bytes())
    change(content)
    path.write_text(json.dumps(content))


def with_note(data: bytes, layout: ShardFormat, note: bytes) -> bytes:
    """Return a shard with the same chunks and a changed note."""
    shard, encoder = Shard.of(data, layout, name="shard"), ShardEncoder(layout)
    codes = np.full(layout.shape, layout.fill, layout.dtype)
    for chunk in shard.chunks():
        start, length = shard.span(chunk) or (0, 0)
        out = np.empty(layout.chunk, layout.dtype)
        shard.decode(chunk, data[start : start + length], out)
        codes[tuple(slice(n * c, (n + 1) * c) for n, c in zip(chunk, layout.chunk, strict=True))] = out
    for step, field in enumerate(codes):
        encoder.field(step)[:] = field
    return encoder.finish(note)


def without_checksum(folder: Path, **changes: Any) -> None:
    """Forge a description in the old form, which has no checksum: change what only radar_nb reads of it."""

    def change(group: dict[str, Any]) -> None:
        group.pop("consolidated_metadata", None)
        group["attributes"]["radar_nb"].pop("checksum", None)
        group["attributes"]["radar_nb"] |= changes

    edit(folder / "zarr.json", change)


def make_old(folder: Path) -> None:
    """Convert a cube to the form of version 0.1.0: no checksum, binary scale factors, no fingerprints in notes."""
    cube = load_cube(Folder(folder))
    if cube is None:
        raise FileNotFoundError(folder)

    def change_group(group: dict[str, Any]) -> None:
        del group["consolidated_metadata"]
        del group["attributes"]["radar_nb"]["checksum"], group["attributes"]["radar_nb"]["revision"]

    def change_array(array: dict[str, Any]) -> None:
        attrs = array["attributes"]
        attrs["scale_factor"] = float(np.float32(attrs["scale_factor"]))

    edit(folder / "zarr.json", change_group)
    edit(folder / cube.variable / "zarr.json", change_array)
    for day in cube.listed():
        codes = folder / cube.key(day)
        record = json.loads(zlib.decompress(Shard.of(codes.read_bytes(), cube.shards, name="").note))
        del record["cube"]
        note = zlib.compress(json.dumps(record, sort_keys=True).encode(), 1)
        codes.write_bytes(with_note(codes.read_bytes(), cube.shards, note))
        if cube.has_flags:
            flags = folder / cube.key(day, "flags")
            flags.write_bytes(with_note(flags.read_bytes(), cube.flag_shards, b""))


# --- forged descriptions --------------------------------------------------------------------------------------


def _variable(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        shutil.copytree(folder / "RW", folder / "other")
        without_checksum(folder, variable=name.format(outside=folder.parent / "home"))

    return change


def _described(**changes: Any) -> Callable[[Path], None]:
    return lambda folder: without_checksum(folder, **changes)


def _group(data: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "zarr.json").write_bytes(data)

    return change


def _attribute(**changes: Any) -> Callable[[Path], None]:
    """Change attributes of the codes in a description without a checksum, which anyone can write."""

    def change(folder: Path) -> None:
        without_checksum(folder)
        edit(folder / "RW" / "zarr.json", lambda array: array["attributes"].update(changes))

    return change


def _nested(folder: Path, name: str, **changes: Any) -> None:
    described = json.loads((folder / "zarr.json").read_bytes())["attributes"]["radar_nb"]
    without_checksum(folder, **{name: described[name] | changes})


def _huge(folder: Path) -> None:
    (folder / "zarr.json").write_bytes(b" " * (64 << 20))


def _fifo(folder: Path) -> None:
    (folder / "zarr.json").unlink()
    os.mkfifo(folder / "zarr.json")


def _long(folder: Path) -> None:
    """Describe 99,000 days of minutes, whose time axis takes gigabytes."""
    without_checksum(folder, first=0, days=99_000, every=1, minute=0)
    edit(folder / "RW" / "zarr.json", lambda array: array["shape"].__setitem__(0, 99_000 * 1440))


HOSTILE: dict[str, Callable[[Path], None]] = {
    "a variable outside": _variable("../home"),
    "a variable at an absolute path": _variable("{outside}"),
    "a variable below another folder": _variable("RW/../RW"),
    "another variable": _variable("other"),
    "another product": _described(product="YW"),
    "a product that is a path": _described(product="..", variable=".."),
    "an unknown grid": _described(grid="de1"),
    "another grid": _described(grid="de1100"),
    "no step": _described(every=0),
    "a negative step": _described(every=-60),
    "steps that do not divide a day": _described(every=7),
    "text for numbers": _described(first="0", days=None),
    "a time axis of a million years": _described(days=1 << 62),
    "a time axis of a hundred million minutes": _long,
    "an interval of a million years": _described(interval=1 << 62),
    "lists for names": _described(grid=[], layout={}),
    "chunks of no size": lambda folder: _nested(folder, "shards", chunk=[0, 0, 0]),
    "chunks of a day": lambda folder: _nested(folder, "shards", chunk=[24, 900, 900], level=99),
    "chunks of another number of axes": lambda folder: _nested(folder, "shards", chunk=[24, 100]),
    "codes of another size": lambda folder: _nested(folder, "packing", itemsize=3),
    "a scale of zero": lambda folder: _nested(folder, "packing", scale=0),
    "marks beyond the codes": lambda folder: _nested(folder, "packing", marks=[1 << 40]),
    "another unit": _attribute(units="inch"),
    "another interval than described": _attribute(interval_minutes=5),
    "a lead time in words": _attribute(lead_time_minutes="soon"),
    "a lead time of a million years": _attribute(lead_time_minutes=1 << 62),
    "no packing": _described(packing=None),
    "a group that is a list": _group(b"[1, 2]"),
    "a group nested without end": _group(b"[" * 200_000),
    "a group of no text": _group(b"\xff\xfe\x00"),
    "a group of 64 MB": _huge,
    "a group of numbers without end": _group(b'{"attributes": {"radar_nb": {"format": 1e999}}}'),
    "a pipe as group": _fifo,
}
"""Invalid descriptions by their fault: each is made from a cube of RW with flags in a folder."""


# --- damage that repair mends ---------------------------------------------------------------------------------


def _copied(array: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        first, second = sorted((folder / array).glob("c.*"))
        shutil.copyfile(first, second)

    return change


def _flipped(key: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        data = bytearray((folder / key).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / key).write_bytes(data)

    return change


def recorded(folder: Path, change: Callable[[dict[str, Any]], object], *, empty: bool = False) -> None:
    """Change the record of the first day, and leave out its chunks if `empty`."""
    cube = load_cube(Folder(folder))
    if cube is None:
        raise FileNotFoundError(folder)
    path = folder / cube.key(min(cube.listed()))
    record = json.loads(zlib.decompress(Shard.of(path.read_bytes(), cube.shards, name="shard").note))
    change(record)
    note = zlib.compress(json.dumps(record, sort_keys=True).encode(), 1)
    path.write_bytes(
        ShardEncoder(cube.shards).finish(note) if empty else with_note(path.read_bytes(), cube.shards, note)
    )


def numbers(kind: str, values: Any) -> str:
    """Return integers as a record stores them."""
    return base64.b64encode(np.asarray(values, kind).tobytes()).decode()


def _no_frames(record: dict[str, Any]) -> None:
    steps = len(base64.b64decode(record["of_step"])) // 2
    record |= {"of_step": numbers("<i2", [-1] * steps), "valid": numbers("<i4", [-1] * steps), "shifts": {}}


DAMAGED: dict[str, Callable[[Path], None]] = {
    "a shard of another day": _copied("RW"),
    "flags of another day": _copied("flags"),
    "a bit of a shard": _flipped("RW/c.286.0.0"),
    "a bit of the flags": _flipped("flags/c.286.0.0"),
    "a record of frames that the shard lacks": lambda folder: recorded(folder, lambda _: None, empty=True),
    "a shard of frames that the record lacks": lambda folder: recorded(folder, _no_frames),
    "a bit of x": _flipped("x/c/0"),
    "a bit of y": _flipped("y/c/0"),
    "no x": lambda folder: (folder / "x" / "c" / "0").unlink(),
    "no y": lambda folder: (folder / "y" / "c" / "0").unlink(),
}
"""Damage that opening and verification find, and that repair and another build mend."""
