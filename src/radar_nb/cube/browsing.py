"""What a browser must know to read a cube by HTTP Range requests alone, without listing it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.cube.description import GROUP, KEY
from radar_nb.cube.opening import cube_steps, required_cube, sound_days
from radar_nb.cube.year_tiles import stored_years
from radar_nb.errors import CubeError
from radar_nb.runtime.wording import decimal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.cube.day_records import StoredDay
    from radar_nb.cube.description import Cube
    from radar_nb.cube.shards import ShardFormat

_SAME = ("format", "product", "grid", "variable", "every", "minute", "interval", "packing", "shards")
"""Parts of a cube's description that do not change while days are added."""

_WIDEST = 2
"""Bytes of a code that a browser can colour."""


def browser_description(store: Any) -> dict[str, Any]:
    """Return the description of a cube and of its files, as content for JSON.

    Its shards, steps and codes, the size of each day's shard, the steps whose stamps differ from the time axis,
    and the shards of each year in the second arrangement.

    Raises
    ------
    NothingFound, CubeError, DamagedShard, StorageError
        As for `open_cube`; or the codes have more than 16 bits.
    """
    cube = required_cube(store)
    days, _ = sound_days(cube, "raise")
    if (width := np.dtype(cube.shards.dtype).itemsize) > _WIDEST:
        raise CubeError(
            f"{cube.store.name} holds codes of {width} bytes, which its page cannot show: open the cube "
            "with open_cube and write a page with Explorer.save_html"
        )
    described = json.loads(cube.store.get(GROUP) or b"")["attributes"][KEY]
    return {
        "described": {name: described[name] for name in _SAME},
        "variable": cube.variable,
        "fingerprint": cube.fingerprint,
        "steps": cube.steps,
        "every": cube.every,
        "minute": cube.minute,
        "scale": decimal(cube.packing.scale),
        "offset": decimal(cube.packing.offset),
        "fill": cube.packing.fill,
        "shards": _shards(cube.shards),
        "days": _day_sizes(days),
        "shifts": _shifts(cube, days),
        "series": _series(cube, days),
    }


def _shards(layout: ShardFormat) -> dict[str, Any]:
    itemsize = np.dtype(layout.dtype).itemsize
    return {"shape": list(layout.shape), "chunk": list(layout.chunk), "itemsize": itemsize}


def _day_sizes(days: dict[int, StoredDay]) -> list[list[Any]]:
    """Return the first day of each row of consecutive days, and the bytes of their shards."""
    numbers = np.array(sorted(days))
    rows = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return [[int(row[0]), [days[day].file.size for day in row.tolist()]] for row in rows]


def _shifts(cube: Cube, days: dict[int, StoredDay]) -> list[list[int]]:
    """Return rows of steps whose stamps differ from the time axis: the first, how many, the seconds."""
    slots, times, _ = cube_steps(cube, days)
    shifts: NDArray[np.int64] = times - cube.times(slots)
    starts = np.flatnonzero((np.diff(slots, prepend=-2) != 1) | (np.diff(shifts, prepend=-1) != 0))
    lengths = np.diff(starts, append=slots.size)
    rows = np.column_stack([slots[starts], lengths, shifts[starts]])
    return [row for row in rows.tolist() if row[2]]


def _series(cube: Cube, days: dict[int, StoredDay]) -> dict[str, Any] | None:
    found, layout = {}, None
    for year, tiles in stored_years(cube, days).items():
        files = cube.store.listing(f"{tiles.group}/{cube.variable}")
        sizes = [files.get(tiles.key(*part).rpartition("/")[2]) for part in np.ndindex(cube.shards.grid[1:])]
        if cube.store.stat(f"{tiles.group}/{GROUP}") is not None and all(sizes):
            layout = tiles.shards
            found[str(year)] = {
                "state": tiles.state,
                "first": tiles.days[0] * cube.steps,
                "sizes": [file.size for file in sizes if file],
            }
    return None if layout is None else {"shards": _shards(layout), "years": found}
