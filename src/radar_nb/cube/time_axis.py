"""The time axis of a cube: whole years, extended when days of other years are built.

Zarr numbers shards from the first day of the axis. Later years only change the description. Earlier years change
all numbers: shards are renamed, not rewritten. Each names its own day in its note, so an interrupted move is
completed from the shards themselves; meanwhile the group's file says that there are no arrays, so that no reader
takes one day for another.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from radar_nb import __version__
from radar_nb.cube.day_records import UNREADABLE
from radar_nb.cube.description import (
    FORMAT,
    GROUP,
    KEY,
    MOVING,
    REVISION,
    load_cube,
    parse_group,
    whole_years,
    write_description,
)
from radar_nb.dwd.grids import GRIDS
from radar_nb.errors import CubeError, DamagedShard

if TYPE_CHECKING:
    from radar_nb.cube.description import Cube
    from radar_nb.cube.stores import Store

_LAST = 99_999
"""The largest number of a shard that is looked for while shards are moved."""


def is_moving(store: Store) -> bool:
    """Return whether a move of the time axis is under way, or was interrupted."""
    return _find_move(store) is not None


def settled_cube(store: Store) -> Cube | None:
    """Return the cube of a store as `load_cube` does, after completing an interrupted move of its time axis."""
    if is_moving(store):
        with store.claim(GROUP):
            complete_move(store)
    return load_cube(store)


def fitting_cube(store: Store, days: tuple[int, int] | None = None, *, rewrite: bool = False) -> Cube | None:
    """Return the cube of a store, with a time axis that covers its days and some others; None if there is none.

    A description of an older version is rewritten. Two processes may call it at once.

    Parameters
    ----------
    store : Store
    days : tuple of int, optional
        The first and the last day that will be built, since 1970.
    rewrite : bool
        Whether to rewrite the description in any case, because it is damaged.

    Raises
    ------
    CubeError
        As for `load_cube`.
    """
    cube = settled_cube(store)
    if cube is None or (
        not rewrite and cube.revision == REVISION and _wanted(cube, days) == (cube.first, cube.days)
    ):
        return cube
    with store.claim(GROUP):
        complete_move(store)
        cube = load_cube(store)
        if cube is None:
            return None
        first, length = _wanted(cube, days)
        if first != cube.first:
            begin_move(cube, first, length)
            complete_move(store)
        else:
            _write(replace(cube, days=length, revision=REVISION))
    return load_cube(store)


def require_axis(cube: Cube) -> None:
    """Raise CubeError if the shards of a cube have got other numbers since it was loaded."""
    there = load_cube(cube.store)
    if there is None or there.first != cube.first:
        raise CubeError(
            f"another process has moved the time axis of the cube in {cube.store.name}: run build_cube again"
        )


def _wanted(cube: Cube, days: tuple[int, int] | None) -> tuple[int, int]:
    """Return the first day and the length that a cube's axis should have; it never gets shorter."""
    ends = list(days or ())
    if cube.revision == REVISION:
        ends += [cube.first, cube.first + cube.days - 1]
    else:  # from 2001 to 2040, whatever was built
        ends += cube.listed()
    return whole_years(min(ends), max(ends)) if ends else (cube.first, cube.days)


def _write(cube: Cube) -> None:
    """Write the description of a cube with the coordinates of its grid."""
    from radar_nb.reading.wradlib_template import grid_coords  # noqa: PLC0415 - loads xarray

    coords = grid_coords(GRIDS[cube.grid])
    write_description(replace(cube, crs_attrs=coords["crs"].attrs), coords["y"].values, coords["x"].values)


# --- moves ------------------------------------------------------------------------------------------------------


def begin_move(cube: Cube, first: int, length: int) -> None:
    """Replace a cube's description by one that states the move and has no arrays; the caller holds the claim."""
    _write(cube)  # in the current form, so that the group's file alone describes the cube
    group = json.loads(cube.store.get(GROUP) or b"")
    move = {"first": first, "days": length, "group": group}
    document = {
        "attributes": {KEY: {"format": FORMAT, "version": __version__, MOVING: move}},
        "zarr_format": 3,
        "node_type": "group",
        "consolidated_metadata": {"kind": "inline", "must_understand": False, "metadata": {}},
    }
    cube.store.put(GROUP, json.dumps(document, indent=1).encode())
    for array in (cube.variable, "flags"):
        cube.store.remove(f"{array}/{GROUP}")


def _find_move(store: Store) -> dict[str, Any] | None:
    """Return an interrupted move of a store, if there is one."""
    data = store.get(GROUP)
    try:
        move = json.loads(data or b"null")["attributes"][KEY].get(MOVING)
    except UNREADABLE:
        return None
    return move if isinstance(move, dict) else None


def complete_move(store: Store) -> None:
    """Move the shards that an interrupted move has left at their old numbers, and write the description.

    The caller holds the claim. Without an interrupted move nothing happens.

    Raises
    ------
    CubeError
        The move is not one that `fitting_cube` would make.
    """
    move = _find_move(store)
    if move is None:
        return
    try:
        cube = parse_group(store, json.dumps(move["group"]).encode())
        first, length = move["first"], move["days"]
        if whole_years(first, first + length - 1) != (first, length) or not 0 <= first < first + length < _LAST:
            raise ValueError("its years are not whole")
    except (*UNREADABLE, CubeError) as error:
        raise CubeError(
            f"the description of the cube in {store.name} is damaged ({error}): remove {GROUP} there and call "
            "build_cube with the same layout"
        ) from error
    _renumber(cube, cube.first - first)
    _write(replace(cube, first=first, days=length, revision=REVISION))


def _renumber(cube: Cube, shift: int) -> None:
    """Add `shift` to the numbers of all shards that do not have their new number yet.

    The shard that moves first has a free place before it, so that none is overwritten.
    """
    wide = replace(cube, days=_LAST - cube.first)
    for place in sorted(wide.listed(), reverse=shift > 0):
        with cube.store.claim(wide.key(place)):
            if _day_of(wide, place) == place:
                for key, target in zip(
                    reversed(wide.keys(place)), reversed(wide.keys(place + shift)), strict=True
                ):
                    cube.store.move(key, target)  # the codes last: they say whether both have been moved


def _day_of(cube: Cube, place: int) -> int | None:
    """Return the day that a shard holds, which is that of its place if it has not been moved; None if unknown."""
    file = cube.store.stat(cube.key(place))
    if file is None:
        return None
    try:
        return cube.read_record(file).day
    except DamagedShard:
        return None
