"""Cubes of years, from a few days that were built: the same chunks again under other dates, at other places.

Every three days the chunks of a day move on by one in the grid, so that no weather repeats at a place within 270
days: repeated days would make long chunks smaller than they are.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import google_crc32c
import numpy as np

from radar_nb.cube.day_records import DayRecord
from radar_nb.cube.description import Cube, whole_years, write_description
from radar_nb.cube.opening import required_cube
from radar_nb.cube.shards import Shard
from radar_nb.cube.stores import Folder
from radar_nb.cube.year_tiles import YearTiles, state_of, years_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_FOOT = 8  # bytes between note and index


def multiplied(source: Path, target: Path, first: str, last: str, *, sparse: bool = False) -> Cube:
    """Make a cube of all days of a span from the days of another.

    With `sparse`, files have their size, index and record, and nothing in place of the chunks: for questions that
    the series answer.
    """
    cube = required_cube(source)
    begin, end = (int(np.datetime64(date, "D").astype(int)) for date in (first, last))
    axis = whole_years(begin, end)
    made = replace(cube, store=Folder(target), first=axis[0], days=axis[1])
    coordinates = cube.coordinates()
    write_description(made, coordinates["y"].values, coordinates["x"].values)
    shards = []
    for file in cube.listed().values():
        data = (source / file.key).read_bytes()
        shard = Shard.of(data, cube.shards, name=file.key)
        ends = [sum(span) for chunk in shard.chunks() if (span := shard.span(chunk))]
        shards.append((data[: max(ends)], shard.index, DayRecord.of(shard.note, name="")))
    _, rows, cols = cube.shards.grid
    for day in range(begin, end + 1):
        block, number = divmod(day - begin, len(shards))
        chunks, index, record = shards[number]
        moved = np.roll(index, (block % rows, block // rows % cols), (1, 2)).tobytes()
        note = replace(record, day=day).note()
        rest = note + len(note).to_bytes(4, "little") + b"rnb1" + moved
        rest += google_crc32c.value(moved).to_bytes(4, "little")
        _write(target / made.key(day), chunks, rest, sparse=sparse)
    made.stored_days()  # this machine keeps copies of the records, as after a build
    return made


def series_again(cube: Cube, year: Path, parts: Iterable[tuple[int, int]]) -> int:
    """Give all years of a cube the series of one year, for some parts of the grid; return their bytes."""
    days, _ = cube.stored_days()
    root, size = Path(cube.store.name), 0
    _write(root / "series/zarr.json", b"", b'{"attributes": {}, "zarr_format": 3, "node_type": "group"}')
    for part in parts:
        data = (year / f"c.0.{part[0]}.{part[1]}").read_bytes()
        size += len(data)
        for number, chosen in years_of(days).items():
            tiles = YearTiles(cube=cube, year=number, state=state_of(days, chosen))
            shard = Shard.of(data, tiles.shards, name="")
            tail = data[-_FOOT - tiles.shards.index_bytes :]
            chunks = data[: len(data) - len(tail) - len(shard.note)]
            note = tiles.note(*part)
            _write(root / tiles.key(*part), chunks, note + len(note).to_bytes(4, "little") + tail[4:])
    return size


def _write(path: Path, chunks: bytes, rest: bytes, *, sparse: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        if sparse:
            file.seek(len(chunks), os.SEEK_SET)
        else:
            file.write(chunks)
        file.write(rest)
