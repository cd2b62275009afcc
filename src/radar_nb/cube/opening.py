"""Open a cube as a Dataset equal to that of its archives, and report what it holds of each step.

The Dataset's variables are lazy: `CubeArray` reads the requested chunks straight from the shards.
"""

from __future__ import annotations

import functools
import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from radar_nb.cube.day_records import ABSENT
from radar_nb.cube.description import load_cube
from radar_nb.cube.shards import count_chunks, remedy, split_by_chunk
from radar_nb.cube.stores import Folder, find_store
from radar_nb.cube.year_tiles import stored_years
from radar_nb.dwd.products import frame_step, missing_steps
from radar_nb.errors import CubeError, DamagedShard, NothingFound
from radar_nb.formats.packing import FLAGS
from radar_nb.reading.dataset import chunk_bytes, gap_attrs, in_chunks, packing_attrs, step_coords
from radar_nb.reading.forecasts import forecast_coords
from radar_nb.runtime.wording import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from radar_nb.cube.day_records import StoredDay
    from radar_nb.cube.description import Cube
    from radar_nb.cube.shards import Chunk, Shard
    from radar_nb.cube.stores import StoredFile
    from radar_nb.cube.year_tiles import YearTiles

    Split = tuple[int, NDArray[np.intp], NDArray[np.intp]]

What = Literal["values", "packed", "flags"]

_MINUTE = 60  # seconds
_WIDE = 4
"""Bytes of a code that float32 cannot represent."""

_REPORTED = 100
"""Number of damaged days after which an error does not count the others."""

STATES = {"never_built": 0, "frame_missing": 1, "frame_there": 2}
"""The possible states of a step."""


def open_cube(
    store: Any,
    *,
    chunks: Literal["auto"] | Mapping[str, int] | None = "auto",
    packed: bool = False,
    flags: bool = False,
    fill_gaps: bool = False,
    errors: Literal["raise", "report"] = "raise",
) -> xr.Dataset:
    """Open a cube as one lazy Dataset, the same as `open_dataset` returns for the archives it was built from.

    Parameters
    ----------
    store : path, str, or store of obstore
        As for `build_cube`.
    chunks : "auto", mapping or None
        "auto" makes dask chunks of some 32 MB along the cube's own chunks, none across the end of a day; None
        returns xarray's lazy arrays, which read only what is indexed; a mapping is passed to `Dataset.chunk`.
    packed : bool
        Whether to return the stored integers, with CF's `scale_factor`, `add_offset` and `_FillValue` as
        attributes, instead of float32.
    flags : bool
        Whether to add the variable `flags`, which the cube must have been built with.
    fill_gaps : bool
        Whether time steps without a frame, between the first and the last, are filled with missing values.
        `cube_coverage` distinguishes days that were never built from frames that the archives lack.
    errors : {"raise", "report"}
        Whether damaged days raise, or are left out and named in the attribute `problems`.

    Returns
    -------
    xarray.Dataset
        As for `open_dataset`: one variable, named by product, float32 of shape (time, y, x), NaN for missing
        values; `time` in UTC, the end of the interval; `time_bnds`, `y`, `x`, `crs`, `source`.

    Raises
    ------
    NothingFound
        There is no cube, or it holds no days.
    CubeError
        The store contains something else; a newer version made the cube; it has no flags; its coordinates do not
        match its grid.
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
    days, damaged = sound_days(cube, errors)
    if flags and not cube.has_flags:
        raise CubeError(f"{cube.store.name} was built without flags: build another with flags=True")
    stored = {day for day, file in cube.listed("flags").items() if file.size} if flags else set()
    if flags and (bare := sorted(set(days) - stored)):
        lost = {
            day: DamagedShard(f"{cube.store.name}/{cube.key(day, 'flags')} is missing: {remedy(cube.store.name)}")
            for day in bare
        }
        if errors == "raise":
            raise _first(lost)
        days, damaged = {day: days[day] for day in days if day not in lost}, dict(sorted((damaged | lost).items()))
        if not days:
            raise NothingFound(f"{cube.store.name} holds no whole day: {remedy(cube.store.name)}")
    return in_chunks(dataset_of_cube(cube, days, damaged, packed=packed, flags=flags, fill_gaps=fill_gaps), chunks)


def required_cube(store: Any) -> Cube:
    """Return the cube of a store.

    Raises
    ------
    NothingFound
        The store is empty.
    CubeError
        The store contains something else.
    """
    place = find_store(store)
    cube = load_cube(place)
    if cube is None:
        if isinstance(place, Folder) and place.path.is_file():
            raise CubeError(f"{place.name} is a file, and a cube is a folder: unpack it, then open the folder")
        raise NothingFound(f"there is no cube in {place.name}: build one with build_cube, or check the path")
    return cube


def _first(damaged: dict[int, DamagedShard]) -> DamagedShard:
    first = next(iter(damaged.values()))
    least = "at least " if len(damaged) == _REPORTED else ""
    more = f" ({least}{len(damaged)} days are damaged)" if len(damaged) > 1 else ""
    return type(first)(f'{first}{more}; errors="report" opens the rest')


def sound_days(
    cube: Cube, errors: Literal["raise", "report"]
) -> tuple[dict[int, StoredDay], dict[int, DamagedShard]]:
    """Return intact and damaged days; damaged ones raise unless `errors` is "report".

    Raises
    ------
    The cube holds no days.
        It holds no day.
    DamagedShard
        A day is half-written or damaged.
    """
    days, damaged = cube.stored_days(_REPORTED if errors == "raise" else None)
    if damaged and errors == "raise":
        raise _first(damaged)
    if not days:
        raise NothingFound(f"{cube.store.name} holds no days yet: add some with build_cube")
    return days, damaged


def dataset_of_cube(
    cube: Cube,
    days: dict[int, StoredDay],
    damaged: dict[int, DamagedShard],
    *,
    packed: bool = False,
    flags: bool = False,
    fill_gaps: bool = False,
) -> xr.Dataset:
    """Return what `open_cube` returns with `chunks=None`."""
    slots, times, origin = cube_steps(cube, days)
    minutes = times // _MINUTE
    missing = missing_steps(minutes, frame_step(cube.product, cube.interval, minutes)) * _MINUTE
    if fill_gaps:
        slots = np.concatenate([slots, cube.slots(missing)])
        times = np.concatenate([times, missing])
        origin = Sources(origin.names, np.concatenate([origin.numbers, np.full(missing.size, -1)]))
        order = np.argsort(times, kind="stable")
        slots, times, origin = slots[order], times[order], Sources(origin.names, origin.numbers[order])
    files = {day: stored.file for day, stored in days.items()}
    whole = cube.packing.itemsize == _WIDE and bool(cube.packing.missing)
    packing = packing_attrs(cube.packing)
    what: What = "packed" if packed or whole else "values"
    data = _variable(cube, files, slots, what, stored_years(cube, days))
    data.attrs = cube.attrs | {"radars": _radars(days)}
    if what == "packed":
        data.attrs |= packing
    elif cube.packing.itemsize < _WIDE:
        data.encoding |= packing | {"dtype": cube.packing.dtype}
    variables = {cube.variable: data}
    if flags:
        variables["flags"] = _variable(cube, cube.listed("flags"), slots, "flags")
        variables["flags"].attrs = dict(cube.flag_attrs)
        data.attrs["ancillary_variables"] = "flags"
    stamps = times.astype("datetime64[s]").astype("datetime64[ns]")
    coords = step_coords(stamps, indexing.LazilyIndexedArray(origin), minutes=cube.interval)
    for variable in (coords["source"], coords["time_bnds"]):
        variable.encoding["preferred_chunks"] = {"time": data.encoding["preferred_chunks"]["time"]}
    if cube.lead is not None:
        ends = times.astype("datetime64[s]")
        base: Any = ends - np.timedelta64(cube.lead, "m")
        coords |= forecast_coords(base, ends)
    return xr.Dataset(variables, coords | cube.coordinates(), _attrs(cube, days, damaged, missing))


def _attrs(
    cube: Cube,
    days: dict[int, StoredDay],
    damaged: dict[int, DamagedShard],
    missing: NDArray[np.int64],
) -> dict[str, Any]:
    records = [stored.record for stored in days.values()]
    doubled = [text for record in records for text in record.doubled]
    return {
        **cube.dataset_attrs,
        "radars": _radars(days),
        **gap_attrs(missing.astype("datetime64[s]"), doubled, [str(error) for error in damaged.values()]),
    }


def _radars(days: dict[int, StoredDay]) -> str:
    return printable(",".join(sorted({radar for stored in days.values() for radar in stored.record.radars})))


def cube_steps(cube: Cube, days: dict[int, StoredDay]) -> tuple[NDArray[np.int64], NDArray[np.int64], Sources]:
    """Return the steps that have a frame, their stamps in seconds since 1970, and the names of their archives."""
    records = [stored.record for stored in days.values()]
    valid = np.stack([record.valid for record in records])
    at, steps = np.nonzero(valid != ABSENT)
    slots = (np.fromiter(days, np.int64, len(days)) * cube.steps)[at] + steps
    known: dict[str, int] = {}
    places: dict[int, int] = {}  # in `names`, of the archives of a day; many days have the same
    names: list[int] = []
    first_name = np.empty(len(records), np.int64)
    for number, record in enumerate(records):
        place = places.setdefault(id(record.origins), len(names))
        if place == len(names):
            names += [known.setdefault(one.name, len(known)) for one in record.origins]
        first_name[number] = place
    of_step = np.stack([record.of_step for record in records])[at, steps]
    times = cube.times(slots)
    for number, record in enumerate(records):
        if record.shifts:
            begin, end = np.searchsorted(at, (number, number + 1))
            late = np.zeros(cube.steps, np.int64)
            late[list(record.shifts)] = list(record.shifts.values())
            times[begin:end] += late[steps[begin:end]]
    return slots, times, Sources([*map(printable, known)], np.array(names, np.int64)[first_name[at] + of_step])


class Sources(BackendArray):
    """Names of archives, objects of shape (time,), looked up when they are read: 25 years have millions of steps.

    Parameters
    ----------
    names : list of str
    numbers : ndarray of int64, shape (time,)
        Which of them each step has; -1 for an empty text.
    """

    def __init__(self, names: list[str], numbers: NDArray[np.int64]) -> None:
        self.names, self.numbers = names, numbers
        self.shape = numbers.shape
        self.dtype = np.dtype(object)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> Any:
        return np.array([*self.names, ""], object)[self.numbers[key]]


def _variable(
    cube: Cube,
    files: dict[int, StoredFile],
    slots: NDArray[np.int64],
    what: What,
    years: dict[int, YearTiles] | None = None,
) -> xr.Variable:
    array = CubeArray(cube, files, slots, what=what, years=years)
    variable = xr.Variable(("time", "y", "x"), indexing.LazilyIndexedArray(array))
    variable.encoding["preferred_chunks"] = _chunks(cube, slots, array.dtype.itemsize)
    return variable


def _chunks(cube: Cube, slots: NDArray[np.int64], itemsize: int) -> dict[str, Any]:
    """Return dask chunks along the cube's own: as much of a day as fits, then columns, then rows."""
    days = count_chunks(slots, cube.steps)
    daily = math.prod(cube.shards.shape) * itemsize
    room = chunk_bytes(days * daily)
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
    """Distinguish days that were never built, missing frames, and cells without data.

    Parameters
    ----------
    store : path, str, or store of obstore

    Returns
    -------
    xarray.Dataset
        From the first to the last day in the cube, along `time` (the steps of the cube's axis, UTC, ends of
        intervals):

        - `state`, uint8: 0 the day was never built, 1 the archives have no frame of the step, 2 the cube has a
          frame;
        - `data`, float32 from 0 to 1: the share of the frame's cells that have data, NaN without a frame.

    Raises
    ------
    NothingFound, CubeError, DamagedShard, StorageError
        As for `open_cube`.

    Examples
    --------
    >>> cube_coverage("YW.zarr").state.groupby("time.year").map(lambda s: (s == 2).mean())  # doctest: +SKIP
    """
    cube = required_cube(store)
    days, _ = sound_days(cube, "raise")
    first, last = min(days), max(days)
    state = np.zeros((last - first + 1, cube.steps), np.uint8)
    data = np.full(state.shape, np.nan, np.float32)
    cells = np.prod(cube.shards.shape[1:])
    for day, stored in days.items():
        there = stored.record.there
        state[day - first] = np.where(there, STATES["frame_there"], STATES["frame_missing"])
        data[day - first, there] = stored.record.valid[there] / cells
    times = cube.times(np.arange(first * cube.steps, (last + 1) * cube.steps))
    state_attrs = {
        "long_name": "what the cube holds of a step",
        "flag_values": np.array(list(STATES.values()), np.uint8),
        "flag_meanings": " ".join(STATES),
    }
    return xr.Dataset(
        {
            "state": ("time", state.ravel(), state_attrs),
            "data": ("time", data.ravel(), {"long_name": "share of cells with data", "units": "1"}),
        },
        {"time": ("time", times.astype("datetime64[s]").astype("datetime64[ns]"), {"standard_name": "time"})},
        {"title": f"coverage of {cube.variable} in {cube.store.name}"},
    )


# --- the lazy array -------------------------------------------------------------------------------------------


class CubeArray(BackendArray):
    """Steps of a cube, of shape (time, y, x).

    Parameters
    ----------
    cube : Cube
    files : dict of int to StoredFile
        The shards of the existing days.
    slots : ndarray of int64, shape (time,)
        The steps since 1970, as `Cube.slots` returns them.
    what : {"values", "packed", "flags"}
    years : dict of int to YearTiles, optional
        The years that the store has in the arrangement for series.
    """

    def __init__(
        self,
        cube: Cube,
        files: dict[int, StoredFile],
        slots: NDArray[np.int64],
        *,
        what: What = "values",
        years: dict[int, YearTiles] | None = None,
    ) -> None:
        self._cube = cube
        self._years = years or {}
        self._files = files
        self._slots = slots
        self._what = what
        self._format = cube.flag_shards if what == "flags" else cube.shards
        self.shape = (slots.size, *cube.shards.shape[1:])
        self.dtype = np.dtype("f4") if what == "values" else np.dtype(self._format.dtype)
        self._missing: Any = {"values": np.nan, "flags": FLAGS["no_data"], "packed": self._format.fill}[what]

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        scalar = tuple(axis for axis, index in enumerate(key) if isinstance(index, int | np.integer))
        times, y, x = (np.atleast_1d(np.arange(n)[k]) for n, k in zip(self.shape, key, strict=True))
        out = np.empty((times.size, y.size, x.size), self.dtype)
        if out.size:
            slots = self._slots[times]
            left = self._read_years(slots, y, x, out)
            if left.size:
                self._read_days(slots[left], left, y, x, out)
        result: NDArray[Any] = out.squeeze(axis=scalar)
        return result

    def _read_days(
        self,
        slots: NDArray[np.int64],
        at: NDArray[np.intp],
        y: NDArray[np.intp],
        x: NDArray[np.intp],
        out: NDArray[Any],
    ) -> None:
        """Read steps from the shards of their days to the places `at` of `out`."""
        chunk = self._format.chunk
        cells = list(split_by_chunk(y, chunk[1])), list(split_by_chunk(x, chunk[2]))
        days = [(day, steps, at[there]) for day, steps, there in split_by_chunk(slots, self._cube.steps)]
        pool = _threads(os.getpid())
        if len(days) == 1:
            self._read_day(days[0], cells, out, pool.map)
        else:
            list(pool.map(lambda day: self._read_day(day, cells, out, map), days))

    def _read_years(
        self, slots: NDArray[np.int64], y: NDArray[np.intp], x: NDArray[np.intp], out: NDArray[Any]
    ) -> NDArray[np.intp]:
        """Read from the arrangement for series what takes less there; return the places in `out` that are left."""
        left = np.ones(slots.size, bool)
        if not self._years or self._what == "flags":
            return np.flatnonzero(left)
        jobs = []
        for year, at in _years_of(slots, self._cube.steps):
            tiles = self._years.get(year)
            if tiles is not None and self._tiles_cost(tiles, slots[at], y, x) < self._days_cost(slots[at], y, x):
                jobs.append((tiles, (slots[at], at)))
        pool = _threads(os.getpid())
        if len(jobs) == 1:
            read = [self._read_year(*jobs[0], (y, x), out, pool.map)]
        else:
            read = list(pool.map(lambda job: self._read_year(job[0], job[1], (y, x), out, map), jobs))
        for (_, (_, at)), success in zip(jobs, read, strict=True):
            left[at] = not success
        return np.flatnonzero(left)

    def cost(self, y: NDArray[np.intp], x: NDArray[np.intp]) -> int:
        """Return the codes that must be decoded to read all steps of some rows and columns, about."""
        total = 0
        for year, at in _years_of(self._slots, self._cube.steps):
            slots, tiles = self._slots[at], self._years.get(year)
            days = self._days_cost(slots, y, x)
            total += days if tiles is None else min(days, self._tiles_cost(tiles, slots, y, x))
        return total

    def cuts(self, cells: int, values: int) -> list[int]:
        """Return the edges of blocks of time for reading some cells so that no chunk is decoded twice.

        Parameters
        ----------
        cells : int
        values : int
            Values of a block, at most, unless a chunk of the days has more.
        """
        steps, length = self._cube.steps, self._format.chunk[0]
        length *= max(1, values // cells // length)
        starts = self._slots // length * length
        for year, at in _years_of(self._slots, steps):
            tiles = self._years.get(year)
            if tiles is not None and cells * tiles.shards.chunk[0] <= values:
                slots = self._slots[at]
                starts[at] = slots - (slots - tiles.days[0] * steps) % tiles.shards.chunk[0]
        return [0, *(np.flatnonzero(np.diff(starts)) + 1).tolist(), self._slots.size]

    def _days_cost(self, slots: NDArray[np.int64], y: NDArray[np.intp], x: NDArray[np.intp]) -> int:
        """Return the codes that must be decoded to read some cells from the days."""
        chunk = self._format.chunk
        numbers = zip((slots, y, x), chunk, strict=True)
        return math.prod(count_chunks(index, size) for index, size in numbers) * math.prod(chunk)

    def _tiles_cost(
        self, tiles: YearTiles, slots: NDArray[np.int64], y: NDArray[np.intp], x: NDArray[np.intp]
    ) -> int:
        """Return the same for the arrangement for series, where the indexes of its shards cost more."""
        layout = tiles.shards
        first = tiles.days[0] * self._cube.steps
        numbers = zip((slots - first, y, x), layout.chunk, strict=True)
        codes = math.prod(count_chunks(index, size) for index, size in numbers) * math.prod(layout.chunk)
        blocks = math.prod(count_chunks(i, n) for i, n in zip((y, x), layout.shape[1:], strict=True))
        return codes + _INDEX_COST * blocks * layout.index_bytes

    def _read_year(
        self,
        tiles: YearTiles,
        times: tuple[NDArray[np.int64], NDArray[np.intp]],
        cells: tuple[NDArray[np.intp], NDArray[np.intp]],
        out: NDArray[Any],
        each: Callable[..., Iterable[None]],
    ) -> bool:
        """Read steps of a year from the arrangement for series to places in `out`; return False if that fails."""
        (slots, at), layout = times, tiles.shards
        steps = slots - tiles.days[0] * self._cube.steps
        for row, rows_in, rows_at in split_by_chunk(cells[0], layout.shape[1]):
            for col, cols_in, cols_at in split_by_chunk(cells[1], layout.shape[2]):
                opened = tiles.open(row, col)
                if opened is None:
                    return False
                rows = [
                    (n, inside, rows_at[there]) for n, inside, there in split_by_chunk(rows_in, layout.chunk[1])
                ]
                cols = [
                    (n, inside, cols_at[there]) for n, inside, there in split_by_chunk(cols_in, layout.chunk[2])
                ]
                try:
                    self._read_shard(opened, (steps, at), (rows, cols), out, each)
                except DamagedShard:  # the days have the same values
                    return False
        return True

    def _read_day(
        self,
        wanted_day: Split,
        cells: tuple[list[Split], list[Split]],
        out: NDArray[Any],
        each: Callable[..., Iterable[None]],
    ) -> None:
        """Read some steps, rows and columns of a day into `out`; `each` runs work on shares of the chunks."""
        day, steps, at = wanted_day
        file = self._files.get(day)
        if file is None:
            out[at] = self._missing
            return
        cube = self._cube
        shard = cube.open_flags(day, file) if self._what == "flags" else cube.open_shard(file, self._format)
        self._read_shard((file, shard), (steps, at), cells, out, each)

    def _read_shard(
        self,
        opened: tuple[StoredFile, Shard],
        times: tuple[NDArray[np.intp], NDArray[np.intp]],
        cells: tuple[list[Split], list[Split]],
        out: NDArray[Any],
        each: Callable[..., Iterable[None]],
    ) -> None:
        """Read some steps of a shard, to their places in `out`, and some rows and columns."""
        (file, shard), (steps, at), (rows, cols) = opened, times, cells
        layout = shard.layout
        wanted = [
            _Piece((t, row, col), (inside, rows_in, cols_in), (at[there], rows_at, cols_at))
            for t, inside, there in split_by_chunk(steps, layout.chunk[0])
            for row, rows_in, rows_at in rows
            for col, cols_in, cols_at in cols
        ]
        spans = {piece.chunk: span for piece in wanted if (span := shard.span(piece.chunk)) is not None}
        data = dict(zip(spans, self._cube.store.spans(file, list(spans.values())), strict=True))
        shares = [wanted[start::_SHARES] for start in range(min(_SHARES, len(wanted)))]
        for _ in each(lambda share: self._unpack(shard, data, share, out), shares):
            pass

    def _unpack(self, shard: Shard, data: dict[Chunk, Any], wanted: list[_Piece], out: NDArray[Any]) -> None:
        """Decode chunks and copy the requested part of each to its place."""
        codes, values = _buffers(shard.layout.chunk, shard.layout.dtype)
        for piece in wanted:
            if piece.chunk not in data:
                out[np.ix_(*piece.at)] = self._missing
                continue
            shard.decode(piece.chunk, data[piece.chunk], codes)
            some = codes[_box(piece.inside)]
            if self._what == "values":  # in memory that stays in the cache
                some = self._cube.stored.values(some, out=values.ravel()[: some.size].reshape(some.shape))
            out[_box(piece.at)] = some


def _years_of(slots: NDArray[np.int64], steps: int) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each year of some slots, and the places of its slots."""
    years = (slots // steps).astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    for year, _, at in split_by_chunk(years, 1):
        yield year, at


class _Piece(NamedTuple):
    """A chunk, the requested places in it, and their destination."""

    chunk: Chunk
    inside: tuple[NDArray[np.intp], ...]
    at: tuple[NDArray[np.intp], ...]


_INDEX_COST = 8
"""Codes whose decoding takes as long as reading and checking a byte of an index, about."""

_SHARES = 4
"""Parts of one day's chunks, for threads to decode in parallel."""

_own = threading.local()


def _buffers(chunk: Chunk, dtype: str) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Return this thread's reusable memory for a chunk of codes, and of values."""
    if getattr(_own, "room", None) is None or (_own.room[0].shape, _own.room[0].dtype) != (chunk, np.dtype(dtype)):
        _own.room = np.empty(chunk, dtype), np.empty(chunk, np.float32)
    room: tuple[NDArray[Any], NDArray[np.float32]] = _own.room
    return room


@functools.cache
def _threads(process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a forked process does not inherit its parent's threads
    """Return the process's decoding threads, shared by all arrays, so that no core runs two."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="radar_nb-cube")


def _box(places: tuple[NDArray[np.intp], ...]) -> Any:
    """Return an index of the product of places along each axis: slices where all places are consecutive."""
    if all(
        index.size and index[-1] - index[0] == index.size - 1 and (np.diff(index) == 1).all() for index in places
    ):
        return tuple(slice(int(index[0]), int(index[-1]) + 1) for index in places)
    return np.ix_(*places)
