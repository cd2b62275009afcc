"""What a cube is: its product, grid, axis of time, codes and cut, as they stand in its Zarr group; owner of zarr.

A cube is a Zarr v3 group of one product on one grid: an array of codes, `flags` where they were asked for, and the
coordinates `time`, `time_bnds`, `y`, `x` and `crs`, which any reader of Zarr understands. The axis of time is
there whole from the beginning, in one chunk; a day that was never built has no shard. The group's file comes last.
"""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.core.buffer import default_buffer_prototype
from zarr.storage import MemoryStore

from radar_nb import __version__
from radar_nb.cube.day_records import DayRecord, Entry, read_ledger, write_ledger
from radar_nb.cube.layouts import find_layout
from radar_nb.cube.shards import NOTE_ROOM, Shard, ShardFormat
from radar_nb.dwd.products import PRODUCTS, frame_step
from radar_nb.errors import CubeError, DamagedShard, SeriesError
from radar_nb.formats.packing import FLAGS, Packing
from radar_nb.reading.series import ANCHORS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from radar_nb.cube.layouts import Layout
    from radar_nb.cube.stores import Store
    from radar_nb.reading.dataset import Opened

FORMAT = 1
"""To be raised when a cube could no longer be read by the code that is there today."""

_MINUTE = 60
_FIRST_YEAR, _LAST_YEAR = 2001, 2040
"""The axis of time: from the year in which RADKLIM and the composites begin, or the product's own, to a year far
enough ahead. Steps without data take no room, and the axis of 40 years of 5-minute frames some kilobytes."""

_EARLY = 10
"""Minutes by which stamps may come before their step: some hours of RW's first years end at minute 45."""

_READERS = 16
"""Shards that are asked for their records at a time: most of it is waiting, where the store is far."""

_GROUP = "zarr.json"
_KEY = "radar_nb"  # of what only radar_nb needs, among the group's attributes
_SPELLING = ("scale_factor", "add_offset", "_FillValue", "coordinates")  # attributes that are encoding in xarray
_ARRAYS = {"flag_masks": np.uint8, "flag_values": np.uint32}  # attributes that JSON makes lists of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cube:
    """A cube in a store.

    Attributes
    ----------
    store : Store
    variable : str
        The array's name: the product's, and `percent_M` for %M.
    product, grid, layout : str
    first, days : int
        The axis of time: its first day since 1970-01-01, and how many there are.
    every, minute : int
        Minutes from one step to the next, and of the first after midnight.
    interval : int
        Minutes that a value covers.
    packing : Packing
        How the archives' codes stand for values.
    shards : ShardFormat
        Of the array of codes.
    has_flags : bool
    attrs, flag_attrs, dataset_attrs : dict
        As `open_dataset` gives them.
    """

    store: Store
    variable: str
    product: str
    grid: str
    layout: str
    first: int
    days: int
    every: int
    minute: int
    interval: int
    packing: Packing
    shards: ShardFormat
    has_flags: bool
    attrs: dict[str, Any]
    flag_attrs: dict[str, Any]
    dataset_attrs: dict[str, Any]

    @property
    def steps(self) -> int:
        """Steps of a day."""
        return self.shards.shape[0]

    @property
    def flag_shards(self) -> ShardFormat:
        """The shards of the array of flags."""
        return ShardFormat(shape=self.shards.shape, chunk=self.shards.chunk, dtype="u1", fill=FLAGS["no_data"])

    @property
    def stored(self) -> Packing:
        """How the codes in the cube stand for values: without flags, missing cells marked."""
        packing = self.packing
        return Packing(
            scale=packing.scale, offset=packing.offset, itemsize=packing.itemsize, marks=(packing.fill,)
        )

    def key(self, day: int, array: str | None = None) -> str:
        """Give the key of a day's shard."""
        return f"{array or self.variable}/c.{day - self.first}.0.0"

    def slots(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the steps since 1970 in whose intervals stamps lie, which are the ends of the intervals.

        Parameters
        ----------
        times : ndarray of int64
            Seconds since 1970, UTC.
        """
        return -((self.minute * _MINUTE - times) // (self.every * _MINUTE))

    def times(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Give the ends of steps, seconds since 1970."""
        return slots * (self.every * _MINUTE) + self.minute * _MINUTE

    def entry(self, day: int) -> Entry | None:
        """Give what a day's shard says of it; None where it was never built.

        Raises
        ------
        DamagedShard
            It is cut short or damaged.
        """
        key = self.key(day)
        found = self.store.stat(key)
        return None if found is None else self._entry(key, *found)

    def listed(self) -> dict[int, tuple[str, str, int]]:
        """Give the key, stamp and size of each day that is there, by its number, without looking into it."""
        found = {}
        for name, (stamp, size) in sorted(self.store.listing(self.variable).items()):
            number = name.removeprefix("c.").removesuffix(".0.0")
            if number.isdecimal() and self.key(day := self.first + int(number)) == f"{self.variable}/{name}":
                found[day] = self.key(day), stamp, size
        return found

    def entries(self) -> tuple[dict[int, Entry], dict[int, DamagedShard]]:
        """Give what is known of all days that are there, and those whose shards are damaged, by their numbers.

        What this machine has looked at before is taken from its ledger, as long as the store has it unchanged.
        """
        known = read_ledger(self.store.identity)
        listed = self.listed()
        found = {
            day: entry
            for day, (key, stamp, _) in listed.items()
            if (entry := known.get(key)) is not None and entry.stamp == stamp
        }
        damaged: dict[int, DamagedShard] = {}
        new = [day for day in listed if day not in found]
        with ThreadPoolExecutor(_READERS) as pool:
            for day, result in zip(new, pool.map(lambda day: self._tried(*listed[day]), new), strict=True):
                if isinstance(result, Entry):
                    found[day] = result
                else:
                    damaged[day] = result
        if new:
            write_ledger(self.store.identity, {listed[day][0]: entry for day, entry in found.items()})
        return dict(sorted(found.items())), damaged

    def _tried(self, key: str, stamp: str, size: int) -> Entry | DamagedShard:
        try:
            return self._entry(key, stamp, size)
        except DamagedShard as error:
            return error

    def _entry(self, key: str, stamp: str, size: int) -> Entry:
        shard = self.open_shard(key, stamp, size, self.shards)
        return Entry(record=DayRecord.of(shard.note, name=shard.name), stamp=stamp, size=size)

    def open_shard(self, key: str, stamp: str, size: int, layout: ShardFormat) -> Shard:
        """Open a shard: read its index and note.

        Raises
        ------
        DamagedShard
            It is cut short or damaged.
        CubeError
            It has been replaced since.
        """
        length = min(size, layout.index_bytes + NOTE_ROOM)
        (tail,) = self.store.spans(key, [(size - length, length)], stamp=stamp)
        return Shard.of(tail, layout, name=f"{self.store.name}/{key}", size=size)

    def coordinates(self) -> dict[str, xr.Variable]:
        """Give `y`, `x` and `crs` as they stand in the cube."""
        wanted = ("y", "x", "crs")
        keys = [_GROUP, *(f"{name}/{_GROUP}" for name in wanted), "y/c/0", "x/c/0"]  # crs is 0, which is not kept
        there = {key: data for key in keys if (data := self.store.get(key)) is not None}
        group = zarr.open_group(_memory(there), mode="r")
        return {name: _coordinate(group, name) for name in wanted}


def _memory(files: Mapping[str, bytes]) -> MemoryStore:
    make = default_buffer_prototype().buffer.from_bytes
    return MemoryStore({key: make(data) for key, data in files.items()}, read_only=True)


def _coordinate(group: zarr.Group, name: str) -> xr.Variable:
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise CubeError(f"{name} is no array in the cube: build it anew with build_cube, in an empty place")
    return xr.Variable(() if name == "crs" else (name,), np.asarray(array[...]), dict(array.attrs))


def load_cube(store: Store) -> Cube | None:
    """Give the cube of a store; None where there is none yet.

    Raises
    ------
    CubeError
        Something else lies there, or a newer version of radar_nb has made it.
    """
    data = store.get(_GROUP)
    if data is None:
        return None
    try:
        attrs = json.loads(data)["attributes"]
        told = attrs.pop(_KEY)
        number = int(told["format"])
    except (ValueError, LookupError, TypeError) as error:
        raise CubeError(
            f"{store.name} holds something else than a cube of radar_nb: name another place, or an empty one"
        ) from error
    if number > FORMAT:
        raise CubeError(
            f"{store.name} was made by radar_nb {told.get('version')}, whose cubes (format {number}) this one "
            f"({__version__}, format {FORMAT}) cannot read: upgrade radar_nb"
        )
    try:
        return _parsed(store, told, attrs)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise CubeError(
            f"{store.name} is a cube whose description is damaged ({error!r}): build it anew"
        ) from error


def _parsed(store: Store, told: dict[str, Any], attrs: dict[str, Any]) -> Cube:
    variable = told["variable"]
    flags = store.get(f"flags/{_GROUP}")
    packing = told["packing"]
    return Cube(
        store=store,
        variable=variable,
        **{name: told[name] for name in _PLAIN},
        packing=Packing(**(packing | {"marks": tuple(packing["marks"])})),
        shards=ShardFormat(
            **(told["shards"] | {name: tuple(told["shards"][name]) for name in ("shape", "chunk")})
        ),
        has_flags=flags is not None,
        attrs=_attrs_of(store.get(f"{variable}/{_GROUP}")),
        flag_attrs={} if flags is None else _attrs_of(flags),
        dataset_attrs=attrs,
    )


_PLAIN = ("product", "grid", "layout", "first", "days", "every", "minute", "interval")


def _attrs_of(data: bytes | None) -> dict[str, Any]:
    attrs = json.loads(data or b"{}")["attributes"]
    attrs = {name: value for name, value in attrs.items() if name not in _SPELLING}
    return attrs | {name: np.array(attrs[name], dtype) for name, dtype in _ARRAYS.items() if name in attrs}


def create_cube(store: Store, opened: Opened, like: xr.Dataset, *, layout: Layout, flags: bool) -> Cube:
    """Make the cube of a series in an empty store.

    Parameters
    ----------
    store : Store
    opened : Opened
        Of which the cube takes product, grid and codes.
    like : xarray.Dataset
        The same as `open_dataset(packed=True, flags=True)` gives it.
    layout : {"balanced", "maps", "series"}
    flags : bool
        Whether the cube holds flags, too.
    """
    every, minute = axis_of(opened)
    packing = opened.target.packing
    shards = find_layout(layout, steps=1440 // every, grid=opened.target.grid.shape, packing=packing)
    known = PRODUCTS.get(opened.product)
    first = next((f.first for f in known.families if f.first), None) if known else None
    begin = np.datetime64(f"{min(_FIRST_YEAR, first.year) if first else _FIRST_YEAR}-01-01", "D").astype(int)
    end = np.datetime64(f"{_LAST_YEAR + 1}-01-01", "D").astype(int)
    cube = Cube(
        store=store,
        variable=opened.name,
        product=opened.product,
        grid=opened.target.grid.name,
        layout=layout,
        first=int(begin),
        days=int(end - begin),
        every=every,
        minute=minute,
        interval=opened.target.minutes,
        packing=packing,
        shards=shards,
        has_flags=flags,
        attrs={k: v for k, v in like[opened.name].attrs.items() if k not in {*_SPELLING, "ancillary_variables"}},
        flag_attrs=like["flags"].attrs if flags else {},
        dataset_attrs={k: v for k, v in like.attrs.items() if k not in CHANGING},
    )
    files = _files(cube, like)
    with store.claim(_GROUP):
        if (there := load_cube(store)) is not None:  # of another who was quicker
            return there
        group = files.pop(_GROUP)
        for key, data in files.items():
            store.put(key, data)
        store.put(_GROUP, group)  # with it the cube is there
    return cube


CHANGING = ("frames_missing", "frames_doubled", "gaps", "doubled", "problems", "radars")
"""Attributes of a Dataset that depend on which days are there."""


def axis_of(opened: Opened) -> tuple[int, int]:
    """Give the steps that a cube of a series has: minutes between two, and of the first after midnight.

    Raises
    ------
    SeriesError
        The series has forecasts, or its frames come at no step that divides a day.
    """
    series = opened.series
    if series.leads != (None,):
        raise SeriesError(
            f"{opened.name} holds forecasts, and a cube has one frame a time step: open them with open_dataset"
        )
    minutes = series.times.astype(np.int64) // _MINUTE
    every = min(1440, frame_step(opened.product, opened.target.minutes, minutes))
    if 1440 % every:
        raise SeriesError(
            f"{opened.name} has a frame every {every} min, which divides no day, as a cube's must: open it with "
            "open_dataset"
        )
    minute = Counter((minutes % every).tolist()).most_common(1)[0][0]
    anchor = ANCHORS.get(every, 0) % every
    return every, anchor if every >= 60 and (anchor - minute) % every < _EARLY else minute


def _files(cube: Cube, like: xr.Dataset) -> dict[str, bytes]:
    """Give the files of a cube without a day."""
    buffers: dict[str, Any] = {}
    told = {name: getattr(cube, name) for name in ("variable", *_PLAIN)}
    told |= {
        "format": FORMAT,
        "version": __version__,
        "packing": asdict(cube.packing),
        "shards": asdict(cube.shards),
    }
    group = zarr.create_group(
        MemoryStore(buffers), zarr_format=3, attributes=_plain(cube.dataset_attrs | {_KEY: told})
    )
    spelling: dict[str, Any] = {"_FillValue": cube.packing.fill, "coordinates": "crs time_bnds"}
    if cube.packing.scale != 1 or cube.packing.offset:
        spelling["scale_factor"] = float(np.float32(cube.packing.scale))
    if cube.packing.offset:
        spelling["add_offset"] = float(np.float32(cube.packing.offset))
    _array(group, cube.variable, cube.shards, cube.days, cube.attrs | spelling)
    if cube.has_flags:
        _array(group, "flags", cube.flag_shards, cube.days, cube.flag_attrs)
    for name in ("y", "x", "crs"):
        variable = like[name].variable
        _coordinate_array(group, name, variable.dims, np.asarray(variable.values), variable.attrs)
    since = np.datetime64(cube.first, "D")
    ends = np.arange(cube.days * cube.steps, dtype=np.int32) * cube.every + cube.minute
    calendar = {"units": f"minutes since {since} 00:00:00", "calendar": "proleptic_gregorian"}
    _coordinate_array(group, "time", ("time",), ends, dict(like["time"].attrs) | calendar)
    bounds = np.stack([ends - cube.interval, ends], axis=-1)
    _coordinate_array(group, "time_bnds", ("time", "bnds"), bounds, calendar)
    return {key: data.to_bytes() for key, data in sorted(buffers.items())}


def _array(group: zarr.Group, name: str, shards: ShardFormat, days: int, attrs: Mapping[str, Any]) -> None:
    group.create_array(
        name,
        shape=(days * shards.shape[0], *shards.shape[1:]),
        dtype=shards.dtype,
        chunks=shards.chunk,
        shards=shards.shape,
        compressors=ZstdCodec(level=shards.level, checksum=True),
        filters=None,
        fill_value=shards.fill,
        dimension_names=("time", "y", "x"),
        chunk_key_encoding={"name": "default", "separator": "."},  # one folder, not one for each day
        attributes=_plain(attrs),
    )


def _coordinate_array(
    group: zarr.Group, name: str, dims: Any, values: NDArray[Any], attrs: Mapping[str, Any]
) -> None:
    array = group.create_array(
        name,
        shape=values.shape,
        dtype=values.dtype,
        chunks=values.shape,
        compressors=BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle"),
        filters=None,
        dimension_names=dims,
        attributes=_plain(attrs),
    )
    array[...] = values


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Give attributes as JSON can hold them."""
    made: dict[str, Any] = json.loads(json.dumps(dict(attrs), default=lambda value: value.tolist()))
    return made
