"""The second arrangement of a cube: files of a year, long in time and small in space, for series of few cells.

A pixel's years touch every shard of the cube. Here a chunk holds some weeks of 10 x 10 cells, and a shard a year
of as many cells as a chunk of the cube, so that a pixel's year is one file. It is built from the cube and never
the only copy: each shard names the state of the days that it was built from, and does not count once they have
changed. Each year is a Zarr group of its own, `series/YEAR`.
"""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.cube.description import GROUP, whole_years
from radar_nb.cube.shards import ShardFormat
from radar_nb.errors import DamagedShard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from radar_nb.cube.day_records import StoredDay
    from radar_nb.cube.description import Cube
    from radar_nb.cube.shards import Shard
    from radar_nb.cube.stores import StoredFile

SERIES = "series"
"""The group of the arrangement."""

_TILE = 10
"""Rows and columns of a chunk, or the nearest divisor of those of the cube's chunk."""
_STEPS = 4032
"""Steps of a chunk, about: 14 days of 5-minute frames."""
_LONGEST = 366  # days of a year


@dataclass(frozen=True, kw_only=True)
class YearTiles:
    """A year of a cube in the second arrangement.

    Attributes
    ----------
    cube : Cube
    year : int
    state : str
        Digest of the year's days.
    """

    cube: Cube
    year: int
    state: str

    @cached_property
    def days(self) -> tuple[int, int]:
        """The first day, since 1970, and the number of days."""
        day = int(np.datetime64(f"{self.year}-01-01", "D").astype(int))
        return whole_years(day, day)

    @cached_property
    def shards(self) -> ShardFormat:
        """The shards: a year, and the rows and columns of a chunk of the cube."""
        cube = self.cube.shards
        count = math.ceil(_LONGEST / max(1, _STEPS // self.cube.steps))
        days = math.ceil(_LONGEST / count)
        _, rows, cols = cube.chunk
        return ShardFormat(
            shape=(days * count * self.cube.steps, rows, cols),
            chunk=(days * self.cube.steps, _divisor(rows), _divisor(cols)),
            dtype=cube.dtype,
            fill=cube.fill,
            level=cube.level,
        )

    @property
    def group(self) -> str:
        """The key of the year's group."""
        return f"{SERIES}/{self.year}"

    def key(self, row: int, col: int) -> str:
        """Return the key of a shard, by the numbers of the cube's chunks along y and x."""
        return f"{self.group}/{self.cube.variable}/c.0.{row}.{col}"

    def note(self, row: int, col: int) -> bytes:
        """Return the note of a shard."""
        fields = {"year": self.year, "part": [row, col], "cube": self.cube.fingerprint, "state": self.state}
        return zlib.compress(json.dumps(fields, sort_keys=True).encode(), 1)

    def open(self, row: int, col: int) -> tuple[StoredFile, Shard] | None:
        """Return a shard's file and index; None if it does not exist, is damaged, or was built from other days."""
        key = self.key(row, col)
        file = self.cube.store.stat(key)
        if file is None:
            return None
        try:
            shard = self.cube.open_shard(file, self.shards)
        except DamagedShard:
            return None
        return (file, shard) if shard.note == self.note(row, col) else None


def year_of(day: int) -> int:
    """Return the year of a day since 1970."""
    return int(np.datetime64(day, "D").astype("datetime64[Y]").astype(int)) + 1970


def years_of(days: Mapping[int, StoredDay]) -> dict[int, list[int]]:
    """Return the days of each year."""
    numbers = np.array(sorted(days), np.int64)
    years = numbers.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    cuts = np.flatnonzero(np.diff(years)) + 1
    return {year_of(int(chosen[0])): chosen.tolist() for chosen in np.split(numbers, cuts) if chosen.size}


def stored_years(cube: Cube, days: Mapping[int, StoredDay]) -> dict[int, YearTiles]:
    """Return the years that a cube may have in the second arrangement: each shard says if it is up to date."""
    if cube.store.stat(f"{SERIES}/{GROUP}") is None:
        return {}
    return {
        year: YearTiles(cube=cube, year=year, state=state_of(days, chosen))
        for year, chosen in years_of(days).items()
    }


def state_of(days: Mapping[int, StoredDay], chosen: list[int]) -> str:
    """Return a digest of what some days hold: their frames, archives and numbers of valid cells."""
    digest = hashlib.sha256()
    texts: dict[int, str] = {}  # of archives, which many days have in common
    for day in chosen:
        record = days[day].record
        if (archives := texts.get(id(record.origins))) is None:
            archives = texts[id(record.origins)] = repr(record.origins)
        digest.update(f"({day}, {archives})".encode())
        digest.update(record.of_step.astype("<i2", copy=False).data)
        digest.update(record.valid.astype("<i4", copy=False).data)
    return digest.hexdigest()[:32]


def _divisor(size: int) -> int:
    return min((n for n in range(1, size + 1) if size % n == 0), key=lambda n: max(n / _TILE, _TILE / n))
