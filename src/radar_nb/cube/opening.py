"""A cube as a Dataset, equal to that of the archives it was built from, and what it holds of each step."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import numpy as np
import xarray as xr
from xarray.core import indexing

from radar_nb.cube.array import CubeArray, Place
from radar_nb.cube.description import load_cube
from radar_nb.cube.stores import find_store
from radar_nb.dwd.products import frame_step, missing_steps
from radar_nb.errors import CubeError, NothingFound
from radar_nb.reading.dataset import packing_attrs, step_coords, told_attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from radar_nb.cube.array import What
    from radar_nb.cube.day_records import Entry
    from radar_nb.cube.description import Cube
    from radar_nb.errors import DamagedShard

_MINUTE = 60  # seconds
_CHUNK_BYTES = 32 << 20
"""Bytes of a dask chunk, as in `radar_nb.reading.dataset`."""
_CHUNKS = 20_000
"""More dask chunks than these make the graph slower than the reading; then they grow, to `_GROWTH` times."""
_GROWTH = 8
_WIDE = 4
"""Bytes of a code that float32 cannot hold."""

STATES = {"never_built": 0, "frame_missing": 1, "frame_there": 2}
"""What a step of a cube can be."""


def open_cube(
    store: Any,
    *,
    chunks: Literal["auto"] | Mapping[str, int] | None = "auto",
    packed: bool = False,
    flags: bool = False,
    fill_gaps: bool = False,
    errors: Literal["raise", "report"] = "raise",
) -> xr.Dataset:
    """Open a cube as one Dataset, lazily: the same as `open_dataset` gives of the archives it was built from.

    Parameters
    ----------
    store : path, str, or store of obstore
        As for `build_cube`.
    chunks : "auto", mapping or None
        "auto" gives dask chunks of some 32 MB that are cut as the cube is and never reach over the end of a day;
        None gives xarray's own lazy arrays, which read what is indexed; a mapping is given to `Dataset.chunk`.
    packed : bool
        Whether to give the integers as they are stored, with CF's `scale_factor`, `add_offset` and `_FillValue` as
        attributes, instead of float32.
    flags : bool
        Whether to add the variable `flags`, which the cube must have been built with.
    fill_gaps : bool
        Whether time steps without a frame, between the first and the last, are filled with missing values.
        `cube_coverage` tells those of days that were never built from frames that the archives lack.
    errors : {"raise", "report"}
        Whether damaged days make the call fail, or are left out and told in the attribute `problems`.

    Returns
    -------
    xarray.Dataset
        As `open_dataset`: one variable, named by product, float32 of shape (time, y, x), NaN where there are no
        data; `time` in UTC, the end of the interval; `time_bnds`, `y`, `x`, `crs`, `source`.

    Raises
    ------
    NothingFound
        There is no cube, or no day in it yet.
    CubeError
        Something else lies there; a newer version has made it; it has no flags.
    DamagedShard
        A day is half-written or damaged.
    StorageError
        The store cannot be reached.

    Examples
    --------
    >>> ds = open_cube("YW.zarr")  # doctest: +SKIP
    >>> ds.YW.sel(time="2020-06").isel(x=400, y=500).compute()  # doctest: +SKIP
    """
    cube = required_cube(store)
    entries, damaged = sound_entries(cube, errors)
    if flags and not cube.has_flags:
        raise CubeError(f"{cube.store.name} was built without flags: build another with flags=True")
    ds = dataset_of_cube(cube, entries, damaged, packed=packed, flags=flags, fill_gaps=fill_gaps)
    if chunks is None:
        return ds
    for name in ds.data_vars:
        variable = ds[name].variable
        asked = variable.encoding["preferred_chunks"] if chunks == "auto" else dict(chunks)
        # a name, since dask would pickle the places of all days to find one
        ds[name] = variable.chunk(asked, name=f"{name}-{uuid4().hex}")
    return ds


def required_cube(store: Any) -> Cube:
    """Give the cube of a store.

    Raises
    ------
    NothingFound
        There is none.
    CubeError
        Something else lies there.
    """
    place = find_store(store)
    cube = load_cube(place)
    if cube is None:
        raise NothingFound(f"there is no cube in {place.name}: build one with build_cube, or name its folder")
    return cube


def _first(damaged: dict[int, DamagedShard]) -> DamagedShard:
    first = next(iter(damaged.values()))
    more = f" ({len(damaged)} days are damaged)" if len(damaged) > 1 else ""
    return type(first)(f'{first}{more}; errors="report" opens the rest')


def sound_entries(
    cube: Cube, errors: Literal["raise", "report"]
) -> tuple[dict[int, Entry], dict[int, DamagedShard]]:
    """Give the days that are there and whole, and the damaged ones, which are an error unless they are asked for.

    Raises
    ------
    NothingFound
        No day is there.
    DamagedShard
        A day is half-written or damaged.
    """
    entries, damaged = cube.entries()
    if damaged and errors == "raise":
        raise _first(damaged)
    if not entries:
        raise NothingFound(f"{cube.store.name} holds no day yet: build some with build_cube")
    return entries, damaged


def dataset_of_cube(
    cube: Cube,
    entries: dict[int, Entry],
    damaged: dict[int, DamagedShard],
    *,
    packed: bool = False,
    flags: bool = False,
    fill_gaps: bool = False,
) -> xr.Dataset:
    """Put together what `open_cube` gives with `chunks=None`."""
    slots, times, origin = cube_steps(cube, entries)
    minutes = times // _MINUTE
    missing = missing_steps(minutes, frame_step(cube.product, cube.interval, minutes)) * _MINUTE
    if fill_gaps:
        slots = np.concatenate([slots, cube.slots(missing)])
        times = np.concatenate([times, missing])
        origin = np.concatenate([origin, np.full(missing.size, "", object)])
        order = np.argsort(times, kind="stable")
        slots, times, origin = slots[order], times[order], origin[order]
    places = {day: Place(key=cube.key(day), stamp=entry.stamp, size=entry.size) for day, entry in entries.items()}
    whole = cube.packing.itemsize == _WIDE and bool(cube.packing.missing)
    packing = packing_attrs(cube.packing)
    what: What = "packed" if packed or whole else "values"
    data = _variable(cube, places, slots, what)
    data.attrs = cube.attrs | {"radars": _radars(entries)}
    if what == "packed":
        data.attrs |= packing
    elif cube.packing.itemsize < _WIDE:
        data.encoding |= packing | {"dtype": cube.packing.dtype}
    variables = {cube.variable: data}
    if flags:
        listed = cube.store.listing("flags")
        own = {}
        for day in places:
            key = cube.key(day, "flags")
            if (found := listed.get(key.rpartition("/")[2])) is not None:
                own[day] = Place(key=key, stamp=found[0], size=found[1])
        variables["flags"] = _variable(cube, own, slots, "flags")
        variables["flags"].attrs = dict(cube.flag_attrs)
        data.attrs["ancillary_variables"] = "flags"
    coords = step_coords(times.astype("datetime64[s]").astype("datetime64[ns]"), origin, minutes=cube.interval)
    for variable in (coords["source"], coords["time_bnds"]):
        variable.encoding["preferred_chunks"] = {"time": data.encoding["preferred_chunks"]["time"]}
    return xr.Dataset(variables, coords | cube.coordinates(), _attrs(cube, entries, damaged, missing))


def _attrs(
    cube: Cube,
    entries: dict[int, Entry],
    damaged: dict[int, DamagedShard],
    missing: NDArray[np.int64],
) -> dict[str, Any]:
    records = [entry.record for entry in entries.values()]
    doubled = [text for record in records for text in record.doubled]
    return {
        **cube.dataset_attrs,
        "radars": _radars(entries),
        **told_attrs(missing.astype("datetime64[s]"), doubled, [str(error) for error in damaged.values()]),
    }


def _radars(entries: dict[int, Entry]) -> str:
    return ",".join(sorted({radar for entry in entries.values() for radar in entry.record.radars}))


def cube_steps(cube: Cube, entries: dict[int, Entry]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Give the steps that have a frame, their stamps in seconds since 1970, and the names of their archives."""
    slots, origin, shifts = [], [], []
    for day, entry in entries.items():
        record = entry.record
        steps = np.flatnonzero(record.there)
        names = np.array([one.name for one in record.origins], object)
        slots.append(day * cube.steps + steps)
        origin.append(names[record.of_step[steps]])
        late = np.zeros(cube.steps, np.int64)
        late[list(record.shifts)] = list(record.shifts.values())
        shifts.append(late[steps])
    joined = np.concatenate(slots)
    return joined, cube.times(joined) + np.concatenate(shifts), np.concatenate(origin)


def _variable(cube: Cube, places: dict[int, Place], slots: NDArray[np.int64], what: What) -> xr.Variable:
    array = CubeArray(cube, places, slots, what=what)
    variable = xr.Variable(("time", "y", "x"), indexing.LazilyIndexedArray(array))
    variable.encoding["preferred_chunks"] = _chunks(cube, slots, array.dtype.itemsize)
    return variable


def _chunks(cube: Cube, slots: NDArray[np.int64], itemsize: int) -> dict[str, Any]:
    """Give dask chunks cut as the cube is: as much of a day as fits, then columns, then rows."""
    days = np.unique(slots // cube.steps).size
    daily = math.prod(cube.shards.shape) * itemsize
    room = _CHUNK_BYTES * min(_GROWTH, -(-days * daily // (_CHUNK_BYTES * _CHUNKS)))
    size = math.prod(cube.shards.chunk) * itemsize
    counts = []
    for count in (cube.shards.grid[0], cube.shards.grid[2], cube.shards.grid[1]):
        counts.append(max(n for n in range(1, count + 1) if count % n == 0 and (n == 1 or n * size <= room)))
        size *= counts[-1]
    steps, cols, rows = (
        n * c for n, c in zip(counts, np.array(cube.shards.chunk)[[0, 2, 1]].tolist(), strict=True)
    )
    ends = np.append(np.flatnonzero(np.diff(slots // steps)) + 1, slots.size)
    return {"time": tuple(np.diff(ends, prepend=0).tolist()), "y": rows, "x": cols}


def cube_coverage(store: Any) -> xr.Dataset:
    """Tell days that were never built, frames that are missing, and cells without data.

    Parameters
    ----------
    store : path, str, or store of obstore

    Returns
    -------
    xarray.Dataset
        From the first to the last day that is there, all of dimension `time` (the steps of the cube's axis, UTC,
        ends of intervals):

        - `state`, uint8: 0 the day was never built, 1 the archives have no frame of the step, 2 a frame is there;
        - `data`, float32 from 0 to 1: the share of the frame's cells that have data, NaN where there is no frame.

    Raises
    ------
    NothingFound, CubeError, DamagedShard, StorageError
        As `open_cube`.

    Examples
    --------
    >>> cube_coverage("YW.zarr").state.groupby("time.year").map(lambda s: (s == 2).mean())  # doctest: +SKIP
    """
    cube = required_cube(store)
    entries, _ = sound_entries(cube, "raise")
    first, last = min(entries), max(entries)
    state = np.zeros((last - first + 1, cube.steps), np.uint8)
    data = np.full(state.shape, np.nan, np.float32)
    cells = np.prod(cube.shards.shape[1:])
    for day, entry in entries.items():
        there = entry.record.there
        state[day - first] = np.where(there, STATES["frame_there"], STATES["frame_missing"])
        data[day - first, there] = entry.record.valid[there] / cells
    times = cube.times(np.arange(first * cube.steps, (last + 1) * cube.steps))
    told = {
        "long_name": "what the cube holds of a step",
        "flag_values": np.array(list(STATES.values()), np.uint8),
        "flag_meanings": " ".join(STATES),
    }
    return xr.Dataset(
        {
            "state": ("time", state.ravel(), told),
            "data": ("time", data.ravel(), {"long_name": "share of cells with data", "units": "1"}),
        },
        {"time": ("time", times.astype("datetime64[s]").astype("datetime64[ns]"), {"standard_name": "time"})},
        {"title": f"coverage of {cube.variable} in {cube.store.name}"},
    )
