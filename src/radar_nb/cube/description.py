"""What a cube is: product, grid, time axis, codes and chunks, as described by its Zarr group; owner of zarr.

A cube is a Zarr v3 group of one product on one grid: an array of codes, optionally `flags`, and the coordinates
`time`, `time_bnds`, `y`, `x` and `crs`, which any Zarr reader understands. The time axis covers whole years, from
that of the first day to that of the last (`radar_nb.cube.time_axis` extends it); a day that was never built has no
shard. The group's file is written last; it holds the metadata of all arrays and a checksum, so that a cube is
opened from one file, and the others can be verified and rewritten from it and from the registry of grids.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr
import zarr
from numcodecs.blosc import Blosc
from zarr.codecs import BloscCodec, ZstdCodec
from zarr.storage import MemoryStore

from radar_nb import __version__
from radar_nb.cube.conventions import convention_attrs, without_conventions
from radar_nb.cube.day_records import (
    UNREADABLE,
    DayRecord,
    StoredDay,
    load_records,
    parse_flags_note,
    save_records,
)
from radar_nb.cube.shards import NOTE_ROOM, Shard, ShardFormat, remedy
from radar_nb.dwd.grids import GRIDS, same_projection
from radar_nb.dwd.products import PRODUCTS, frame_step
from radar_nb.errors import CubeError, DamagedShard, RadarNbError, SeriesError, SettingsError
from radar_nb.formats.packing import FLAGS, Packing
from radar_nb.reading.series import ANCHORS
from radar_nb.runtime.wording import decimal, printable
from radar_nb.runtime.workers import each

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from radar_nb.cube.stores import Store, StoredFile
    from radar_nb.reading.dataset import Opened

FORMAT = 1
"""Raise this number when new code can no longer read older cubes, or the other way round."""

REVISION = 2
"""Raise this number when a description says more than before: the builder then rewrites older ones. Revision 1 has
a time axis from 2001 to 2040, no conventions, and the licence in words."""

_LEAD = "lead_time_minutes"
"""The attribute of a cube's array that states the lead time of its forecasts."""

Layout = Literal["balanced", "maps", "series"]

_LAYOUTS: dict[str, tuple[int, int, int]] = {
    "balanced": (36, 110, 100),
    "maps": (12, 220, 225),
    "series": (288, 55, 50),
}
"""Steps, rows and columns of a chunk, or the nearest divisors of the grid's size. A shard holds a day of the whole
grid; a chunk is unpacked to read a single value. Chosen by measurement: `benchmarks/cube.py --layouts`."""
_CHUNK_LIMIT = 64 << 20
"""Maximum bytes of a chunk in a valid description: many times those of the current layouts."""

_MINUTE = 60
_DAY = 1440  # minutes
_FIRST_YEAR, _LAST_YEAR = 2001, 2040
"""The years that a time axis may have: from the one in which RADKLIM and the composites begin, or the product's
own, to one far in the future, so that a wrong stamp in a frame is an error and not an axis of centuries."""

_AXIS_CHUNK = 3653
"""Days of a chunk of the coordinate `time`: some ten years, so that a year more changes no other file's shape."""

_EARLY = 10
"""Minutes by which stamps may precede their step: some hours of RW's first years end at minute 45."""
_EARLY_STEP = 300  # seconds: radars scan every five minutes

_ASKERS = 32  # requests at a time to a web server without listings
_READERS = 16
"""Number of shards whose records are read at a time: mostly waiting, if the store is remote."""

_FAR = 100_000
"""Days since 1970 before which time axes must end: the year 2243."""
_STEPS_LIMIT = 10_000_000
"""Steps of a time axis: 40 years of 5 minutes have 4.2 million. Verification computes them all."""
_INTERVAL_LIMIT = 366 * _DAY
_BLOSC_HEAD = 16  # bytes (c-blosc, README_CHUNK_FORMAT)

_PLACE_ATTRS = {
    axis: {
        "units": "m",
        "long_name": f"{axis} coordinate of projection",
        "standard_name": f"projection_{axis}_coordinate",
        "axis": axis.upper(),
    }
    for axis in "yx"
}
"""Attributes of the coordinates, as in wradlib."""
GROUP = "zarr.json"
KEY = "radar_nb"  # key of radar_nb's own data among the group's attributes
MOVING = "moving"
"""Marks the group's file while shards get other numbers: there are no arrays, so that nobody reads wrong days."""
_SPELLING = ("scale_factor", "add_offset", "_FillValue", "coordinates")  # attributes that are encoding in xarray
_ARRAYS = {"flag_masks": np.uint8, "flag_values": np.uint32}  # attributes that JSON turns into lists
_NEAR = 1e-6
"""Metres by which stored coordinates may differ from the registry's: wradlib computes the same places in another
order, 4e-9 m apart."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cube:
    """A cube in a store.

    Attributes
    ----------
    store : Store
    product, grid, layout : str
    first, days : int
        The time axis: its first day since 1970-01-01, and the number of days.
    every, minute : int
        Minutes from one step to the next, and of the first after midnight.
    interval : int
        Minutes that a value covers.
    packing : Packing
        How the archives' codes represent values.
    shards : ShardFormat
        Of the array of codes.
    has_flags : bool
    attrs, flag_attrs, crs_attrs, dataset_attrs : dict
        As `open_dataset` returns them.
    metadata : dict or None
        Of each array, as in the group's file; None in cubes of older versions.
    revision : int
        Of the description: see `REVISION`.
    """

    store: Store
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
    crs_attrs: dict[str, Any]
    dataset_attrs: dict[str, Any]
    metadata: dict[str, Any] | None = None
    revision: int = REVISION

    @property
    def lead(self) -> int | None:
        """The lead time in minutes of the forecasts that it holds; None for what is not a forecast."""
        return self.attrs.get(_LEAD)

    @property
    def variable(self) -> str:
        """The array's name: the product's, and `percent_M` for %M."""
        return self.product.replace("%", "percent_")

    @property
    def steps(self) -> int:
        """Steps of a day."""
        return self.shards.shape[0]

    @property
    def flag_shards(self) -> ShardFormat:
        """The shards of the array of flags."""
        return replace(self.shards, dtype="u1", fill=FLAGS["no_data"])

    @property
    def stored(self) -> Packing:
        """How the codes in the cube represent values: without flags, missing cells marked."""
        packing = self.packing
        return Packing(
            scale=packing.scale, offset=packing.offset, itemsize=packing.itemsize, marks=(packing.fill,)
        )

    @cached_property
    def fingerprint(self) -> str:
        """What a shard of this cube was written for: product, grid, steps, codes and chunks."""
        text = json.dumps([self.product, self.grid, self.every, self.minute, self.interval,
                           _described_packing(self.packing), asdict(self.shards)], sort_keys=True)  # fmt: skip
        return f"{self.product} {self.grid} {hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def key(self, day: int, array: str | None = None) -> str:
        """Return the key of a day's shard."""
        return f"{array or self.variable}/c.{day - self.first}.0.0"

    def keys(self, day: int) -> tuple[str, ...]:
        """Return the keys of all shards of a day, that of the codes first: without it the day does not exist."""
        return self.key(day), *([self.key(day, "flags")] if self.has_flags else ())

    def slots(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the steps since 1970 whose intervals contain the stamps; stamps are the ends of the intervals.

        Parameters
        ----------
        times : ndarray of int64
            Seconds since 1970, UTC.
        """
        return -((self.minute * _MINUTE - times) // (self.every * _MINUTE))

    def times(self, slots: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ends of steps, seconds since 1970."""
        return slots * (self.every * _MINUTE) + self.minute * _MINUTE

    def stored_day(self, day: int) -> StoredDay | None:
        """Return the contents of a day's shard; None if the day was never built.

        Raises
        ------
        DamagedShard
            The shard is cut short, damaged, or of another day or cube.
        """
        file = self.store.stat(self.key(day))
        return None if file is None else self._read_day(day, file)

    def listed(self, array: str | None = None) -> dict[int, StoredFile]:
        """Return the shards that exist, by the numbers of their days, without opening them."""
        if not self.store.lists:
            return self._asked_for(array)
        found = {}
        for name, file in sorted(self.store.listing(array or self.variable).items()):
            number = name.removeprefix("c.").removesuffix(".0.0")
            if number.isascii() and number.isdecimal() and len(number) < 6:
                place = int(number)
                if place < self.days and name == f"c.{place}.0.0":
                    found[self.first + place] = file
        return found

    def _asked_for(self, array: str | None) -> dict[int, StoredFile]:
        """Return the same from a web server without listings, by asking for each day of the time axis."""
        days = range(self.first, self.first + self.days)
        found = {}
        with closing(each(days, lambda day: self.store.stat(self.key(day, array)), workers=_ASKERS)) as results:
            for day, file in results:
                if isinstance(file, RadarNbError):
                    raise file
                if file is not None:
                    found[day] = file
        return dict(sorted(found.items()))

    def stored_days(self, most: int | None = None) -> tuple[dict[int, StoredDay], dict[int, DamagedShard]]:
        """Return the existing days, and the errors of days with damaged shards, by number.

        Records that this machine has read before are taken from local copies if the store has not changed them;
        damaged shards are read each time. After `most` damaged ones no other is read.
        """
        known = load_records(self.store.identity)
        listed = self.listed()
        found = {
            day: copy
            for day, file in listed.items()
            if (copy := known.get(file.key)) is not None and copy.file == file and self._fits(copy.record, day)
        }
        damaged: dict[int, DamagedShard] = {}
        copies = len(found)
        new = [day for day in listed if day not in found]
        with closing(each(new, lambda day: self._read_day(day, listed[day]), workers=_READERS)) as results:
            for day, result in results:
                if isinstance(result, StoredDay):
                    found[day] = result
                elif isinstance(result, DamagedShard):
                    damaged[day] = result
                else:
                    raise result
                if len(damaged) == most:
                    break
        if len(found) > copies:
            save_records(self.store.identity, found.values())
        return dict(sorted(found.items())), dict(sorted(damaged.items()))

    def _read_day(self, day: int, file: StoredFile) -> StoredDay:
        shard = self.open_shard(file, self.shards)
        record = DayRecord.of(shard.note, name=shard.name)
        if not self._fits(record, day):
            raise self._foreign(shard.name, day, record.day, record.cube)
        if not _agrees(record, shard):
            raise DamagedShard(
                f"{shard.name} has a record of its day that contradicts its chunks: {remedy(shard.name)}"
            )
        return StoredDay(record=record, file=file)

    def read_record(self, file: StoredFile) -> DayRecord:
        """Return the record of a shard of codes, whichever day it is of; raises as `open_shard`."""
        shard = self.open_shard(file, self.shards)
        return DayRecord.of(shard.note, name=shard.name)

    def _fits(self, record: DayRecord, day: int) -> bool:
        """Return whether a record is of a day of this cube; records of older versions do not name the cube."""
        return (
            record.day == day
            and record.cube in ("", self.fingerprint)
            and record.valid.size == self.steps
            and record.valid.max() <= math.prod(self.shards.shape[1:])
            and (not record.shifts or all(map(self._is_stamp, record.shifts.values())))
        )

    def _is_stamp(self, shift: int) -> bool:
        """Return whether the product has frames that many seconds after the end of a step, within its interval."""
        known = PRODUCTS.get(self.product)
        finest = known.steps[-1] if known and known.steps else self.every
        early = shift > -_EARLY * _MINUTE and shift % _EARLY_STEP == 0
        return -self.every * _MINUTE < shift <= 0 and (early or shift % (finest * _MINUTE) == 0)

    def _foreign(self, name: str, day: int, other: int, cube: str) -> DamagedShard:
        if (day, self.fingerprint) == (other, cube):
            return DamagedShard(f"{name} has a record of its day that contradicts the cube: {remedy(name)}")
        return DamagedShard(
            f"{name} should hold {np.datetime64(day, 'D')} of {self.fingerprint}, and holds "
            f"{np.datetime64(other, 'D')} of {cube or 'a cube with other steps'}: {remedy(name)}"
        )

    def open_flags(self, day: int, file: StoredFile) -> Shard:
        """Open the shard of a day's flags.

        Raises
        ------
        DamagedShard
            It is cut short, damaged, or of another day or cube.
        CubeError
            It has been replaced since.
        """
        shard = self.open_shard(file, self.flag_shards)
        note = parse_flags_note(shard.note, name=shard.name)
        if note not in {None, (day, self.fingerprint)}:
            raise self._foreign(shard.name, day, *note)
        return shard

    def open_shard(self, file: StoredFile, layout: ShardFormat) -> Shard:
        """Open a shard: read its index and note.

        Raises
        ------
        DamagedShard
            It is cut short or damaged.
        CubeError
            It has been replaced since.
        """
        if not file.size:  # a pipe, a device or a folder, too
            raise DamagedShard(
                f"{self.store.name}/{file.key} is empty, cut short or damaged: {remedy(self.store.name)}"
            )
        if file.size > layout.limit:  # before anything reads all of it
            name = f"{self.store.name}/{file.key}"
            raise DamagedShard(f"{name} has {file.size:,} bytes, more than any day of this cube: {remedy(name)}")
        length = min(file.size, layout.index_bytes + NOTE_ROOM)
        (tail,) = self.store.spans(file, [(file.size - length, length)])
        return Shard.of(tail, layout, name=f"{self.store.name}/{file.key}", size=file.size)

    def coordinates(self) -> dict[str, xr.Variable]:
        """Return the stored `y`, `x` and `crs`.

        Raises
        ------
        CubeError
            They do not match the cube's grid.
        """
        grid = GRIDS[self.grid]
        if not same_projection(self.crs_attrs, grid):
            raise self._misplaced("crs")
        found = {"crs": xr.Variable((), np.int32(0), self.crs_attrs)}
        for name, expected in (("y", grid.y), ("x", grid.x)):
            stored = _decoded(self.store.get(f"{name}/c/0"), expected)
            if stored is None or not np.allclose(stored, expected, rtol=0, atol=_NEAR):
                raise self._misplaced(name)
            found[name] = xr.Variable((name,), stored, dict(_PLACE_ATTRS[name]), {"_FillValue": None})
        return found

    def _misplaced(self, name: str) -> CubeError:
        return CubeError(
            f"{self.store.name}/{name} does not belong to the grid {self.grid}: run repair_cube (`radar-nb cube "
            "repair`), which rewrites it"
        )


def _agrees(record: DayRecord, shard: Shard) -> bool:
    """Return whether the cells that a record counts can lie in the chunks that its shard has."""
    layout = shard.layout
    cells = record.valid.clip(0).reshape(-1, layout.chunk[0])
    chunks = shard.filled.sum(axis=(1, 2))
    room = chunks * math.prod(layout.chunk[1:])
    return bool(((cells.max(axis=1) > 0) == (chunks > 0)).all() and (cells.max(axis=1) <= room).all())


def _decoded(data: bytes | None, like: NDArray[Any]) -> NDArray[Any] | None:
    """Return the values of a coordinate's chunk; None if it is absent, damaged, or holds something else."""
    if data is None or len(data) < _BLOSC_HEAD:
        return None
    size, packed = (int.from_bytes(data[at : at + 4], "little") for at in (4, 12))
    if (size, packed) != (like.nbytes, len(data)):  # from its head, so that no more is inflated
        return None
    try:
        return np.frombuffer(Blosc().decode(data), like.dtype.newbyteorder("<")).reshape(like.shape).copy()
    except (RuntimeError, ValueError):
        return None


def load_cube(store: Store) -> Cube | None:
    """Return the cube of a store; None if there is none.

    Raises
    ------
    CubeError
        The store contains something else, its description is damaged, or a newer version of radar_nb made it.
    """
    data = store.get(GROUP)
    return None if data is None else parse_group(store, data)


def parse_group(store: Store, data: bytes) -> Cube:
    """Return the cube that a group's file describes; what is raised is as for `load_cube`."""
    try:
        document = json.loads(data)
        attrs = document["attributes"]
        described = attrs.pop(KEY)
        number = int(described["format"])
    except UNREADABLE as error:
        raise CubeError(
            f"{store.name} contains something other than a cube of radar_nb: use an empty or another place; "
            "xarray.open_zarr opens a plain Zarr store"
        ) from error
    if number > FORMAT:
        raise CubeError(
            f"{store.name} was made by radar_nb {described.get('version')}, whose cubes (format {number}) this "
            f"one ({__version__}, format {FORMAT}) cannot read: upgrade radar_nb"
        )
    if MOVING in described:
        raise CubeError(
            f"the time axis of the cube in {store.name} is being moved, or that was interrupted: wait for the "
            "other process, or call upgrade_cube (`radar-nb cube upgrade`), which completes it"
        )
    try:
        return _parsed(store, document, described, attrs)
    except UNREADABLE as error:
        if isinstance(error, CubeError):
            raise
        raise CubeError(
            f"the description of the cube in {store.name} is damaged ({error!r}): remove {GROUP} there and call "
            "build_cube with the same layout; intact days are kept"
        ) from error


def _parsed(store: Store, document: dict[str, Any], described: dict[str, Any], attrs: dict[str, Any]) -> Cube:
    metadata = document["consolidated_metadata"]["metadata"] if "consolidated_metadata" in document else None
    expected = described.pop("checksum", None)
    if expected != (None if metadata is None else _checksum(document, described, attrs)):
        raise ValueError("its checksum does not match")
    every, grid = described["every"], GRIDS[described["grid"]]
    packing = Packing(**(described["packing"] | {"marks": tuple(described["packing"]["marks"])}))
    shards = ShardFormat(
        shape=(_DAY // every, *grid.shape),
        chunk=tuple(described["shards"]["chunk"]),
        dtype=f"u{packing.itemsize}",
        fill=packing.fill,
        level=described["shards"]["level"],
    )
    variable = described["product"].replace("%", "percent_")
    if described["variable"] != variable or not _valid(described, packing, shards):
        raise ValueError("it contradicts itself")
    arrays = metadata or {
        name: json.loads(data)
        for name in (variable, "flags", "crs")
        if (data := store.get(f"{name}/{GROUP}")) is not None
    }
    if arrays[variable]["shape"] != [described["days"] * shards.shape[0], *grid.shape]:
        raise ValueError(f"the shape of {variable} is not that of its grid and time axis")
    _check_attributes(described, arrays[variable]["attributes"])
    return Cube(
        store=store,
        **{name: described[name] for name in _PLAIN},
        packing=packing,
        shards=shards,
        has_flags="flags" in arrays,
        attrs=_attrs_of(arrays[variable]),
        flag_attrs=_attrs_of(arrays["flags"]) if "flags" in arrays else {},
        crs_attrs=_attrs_of(arrays["crs"]),
        dataset_attrs=_clean(attrs),
        metadata=metadata,
        revision=int(described.get("revision", 1)),
    )


def _check_attributes(described: dict[str, Any], attrs: dict[str, Any]) -> None:
    """Raise ValueError where attributes that give values their meaning contradict the table of products."""
    known = PRODUCTS.get(described["product"])
    leads = known.leads if known else ()
    allowed = {
        "units": {known.unit} if known else None,
        "interval_minutes": {described["interval"]},
        _LEAD: set(leads) or None,
    }
    for name, values in allowed.items():
        if name in attrs and values is not None and attrs[name] not in values:
            raise ValueError(f"{name} is {attrs[name]!r}")
    if type(attrs.get(_LEAD, 0)) is not int or not 0 <= attrs.get(_LEAD, 0) <= _DAY:
        raise ValueError(f"{_LEAD} is {attrs[_LEAD]!r}")


_PLAIN = ("product", "grid", "layout", "first", "days", "every", "minute", "interval")


def _described_packing(packing: Packing) -> dict[str, Any]:
    """Return the marks and the deviations from the defaults: a field added by a later version changes no cube."""
    other = {name: value for name, value in asdict(packing).items() if value != getattr(Packing(), name)}
    return {"marks": packing.marks} | other


def _valid(described: dict[str, Any], packing: Packing, shards: ShardFormat) -> bool:
    """Return whether a description is within what `create_cube` writes: numbers, names and sizes."""
    first, days, every, minute, interval = numbers = [described[name] for name in _PLAIN[3:]]
    marks = [
        mark for mark in (*packing.marks, packing.clutter, packing.undetect, packing.outline) if mark is not None
    ]
    bits = [packing.bits, packing.missing]
    return all(
        (
            all(type(number) is int for number in (*numbers, *marks, *bits, *shards.chunk, shards.level)),
            re.fullmatch("[A-Z0-9%]{2,8}", described["product"]),
            described["layout"] in _LAYOUTS,
            0 <= first < first + days < _FAR and days * shards.shape[0] <= _STEPS_LIMIT,
            0 <= minute < every and _DAY % every == 0 and 0 < interval <= _INTERVAL_LIMIT,
            packing.itemsize in {1, 2, 4} and math.isfinite(packing.scale * packing.offset) and packing.scale > 0,
            all(0 <= mark < 1 << 8 * packing.itemsize for mark in marks),
            all(0 <= some < 1 << 32 for some in bits),
            all(c > 0 and n % c == 0 for n, c in zip(shards.shape, shards.chunk, strict=True)),
            math.prod(shards.chunk) * packing.itemsize <= _CHUNK_LIMIT,
            0 < shards.level < 23,
        )
    )


def _checksum(document: dict[str, Any], described: dict[str, Any], attrs: dict[str, Any]) -> str:
    """Return the checksum of a group's file, excluding the checksum itself."""
    text = json.dumps([document | {"attributes": attrs}, described], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _attrs_of(array: dict[str, Any]) -> dict[str, Any]:
    attrs = {name: value for name, value in _clean(array["attributes"]).items() if name not in _SPELLING}
    return attrs | {name: np.array(attrs[name], dtype) for name, dtype in _ARRAYS.items() if name in attrs}


def _clean(attrs: dict[str, Any]) -> dict[str, Any]:
    """Return attributes as `open_dataset` has them: printable, without conventions, the licence as SPDX has it."""
    found = {
        printable(name): printable(value) if isinstance(value, str) else value
        for name, value in without_conventions(attrs).items()
    }
    licence = found.get("license")
    return found | {"license": _LICENCES[licence]} if licence in _LICENCES else found


_LICENCES = {"CC BY 4.0; source: Deutscher Wetterdienst": "CC-BY-4.0", "CC0": "CC0-1.0"}
"""Spellings of older versions, and their SPDX identifiers."""


def create_cube(store: Store, opened: Opened, like: xr.Dataset, *, layout: Layout, flags: bool) -> Cube:
    """Create the cube of a series in an empty store.

    Parameters
    ----------
    store : Store
    opened : Opened
        Provides product, grid and codes of the cube.
    like : xarray.Dataset
        The same series from `open_dataset(packed=True, flags=True)`.
    layout : {"balanced", "maps", "series"}
    flags : bool
        Whether the cube also holds flags.
    """
    (every, minute), lead = axis_of(opened), lead_of(opened)
    packing = opened.target.packing
    first, days = whole_years(*days_of(opened))
    cube = Cube(
        store=store,
        product=opened.product,
        grid=opened.target.grid.name,
        layout=layout,
        first=first,
        days=days,
        every=every,
        minute=minute,
        interval=opened.target.minutes,
        packing=packing,
        shards=find_layout(layout, steps=_DAY // every, grid=opened.target.grid.shape, packing=packing),
        has_flags=flags,
        attrs={k: v for k, v in like[opened.name].attrs.items() if k not in {*_SPELLING, "ancillary_variables"}}
        | ({} if lead is None else {_LEAD: lead}),
        flag_attrs=like["flags"].attrs if flags else {},
        crs_attrs=like["crs"].attrs,
        dataset_attrs={k: v for k, v in like.attrs.items() if k not in CHANGING},
    )
    with store.claim(GROUP):
        if (there := load_cube(store)) is not None:  # another process was quicker
            return there
        write_description(cube, like["y"].values, like["x"].values)
    return cube


CHANGING = ("frames_missing", "frames_doubled", "gaps", "doubled", "problems", "radars")
"""Attributes of a Dataset that depend on which days exist."""


def axis_of(opened: Opened) -> tuple[int, int]:
    """Return the steps of a series' cube: minutes between two, and of the first after midnight.

    Raises
    ------
    SeriesError
        The series contains forecasts, or the step between its frames does not divide a day.
    """
    series = opened.series
    if series.leads != (None,):
        raise SeriesError(
            f"{opened.name} holds forecasts, and a cube has one frame a time step: choose a lead time, such as "
            'lead="30min", or open them with open_dataset'
        )
    minutes = series.times.astype(np.int64) // _MINUTE
    every = min(_DAY, frame_step(opened.product, opened.target.minutes, minutes))
    if _DAY % every:
        raise SeriesError(
            f"{opened.name} has a frame every {every} min, which does not divide a day, as a cube's step must: "
            "read it without a cube, or open it with open_dataset"
        )
    minute = Counter((minutes % every).tolist()).most_common(1)[0][0]
    anchor = ANCHORS.get(every, 0) % every
    return every, anchor if every >= 60 and (anchor - minute) % every < _EARLY else minute


def days_of(opened: Opened) -> tuple[int, int]:
    """Return the first and the last day of a series, since 1970.

    Raises
    ------
    SeriesError
        A frame lies outside the years that a cube of the product may have.
    """
    every, minute = axis_of(opened)
    times = opened.series.times[opened.series.slots[:, 0] >= 0].astype(np.int64)
    days = -((minute * _MINUTE - times) // (every * _MINUTE)) // (_DAY // every)
    known = PRODUCTS.get(opened.product)
    begins = next((family.first for family in known.families if family.first), None) if known else None
    begin, end = (
        np.datetime64(f"{year}-01-01", "D")
        for year in (min(_FIRST_YEAR, begins.year if begins else _FIRST_YEAR), _LAST_YEAR + 1)
    )
    outside = (days < begin.astype(int)) | (days >= end.astype(int))
    if outside.any():
        raise SeriesError(
            f"a frame of {times[outside][0].astype('datetime64[s]')} lies outside the cube's time axis: "
            f"choose days from {begin} to {end - np.timedelta64(1, 'D')}"
        )
    return int(days.min()), int(days.max())


def whole_years(first: int, last: int) -> tuple[int, int]:
    """Return the first day, and the number of days, of the years that two days and those between them lie in.

    Examples
    --------
    >>> first, days = whole_years(18262 + 200, 18262 + 200)
    >>> np.datetime64(first, "D"), days
    (np.datetime64('2020-01-01'), 366)
    """
    start, end = (np.datetime64(day, "D").astype("datetime64[Y]") for day in (first, last))
    begin = int(start.astype("datetime64[D]").astype(int))
    return begin, int((end + np.timedelta64(1, "Y")).astype("datetime64[D]").astype(int)) - begin


def lead_of(opened: Opened) -> int | None:
    """Return the lead time of a series in minutes; None for what is not a forecast."""
    series = opened.series
    return None if series.base is None else int((series.times - series.base)[0] / np.timedelta64(1, "m"))


def find_layout(layout: Layout, *, steps: int, grid: tuple[int, int], packing: Packing) -> ShardFormat:
    """Return the shards of a layout for a product.

    Parameters
    ----------
    layout : {"balanced", "maps", "series"}
    steps : int
        Number in a day.
    grid : tuple of int
        Rows and columns.
    packing : Packing
        Of the codes.

    Raises
    ------
    SettingsError
        The layout is unknown.

    Examples
    --------
    >>> from radar_nb.formats.packing import Packing
    >>> find_layout("balanced", steps=288, grid=(900, 900), packing=Packing()).chunk
    (36, 100, 100)
    """
    if layout not in _LAYOUTS:
        raise SettingsError(f"unknown layout {layout!r}; choose one of {', '.join(get_args(Layout))}")
    t, y, x = (_divisor(n, near) for n, near in zip((steps, *grid), _LAYOUTS[layout], strict=True))
    return ShardFormat(shape=(steps, *grid), chunk=(t, y, x), dtype=f"u{packing.itemsize}", fill=packing.fill)


def _divisor(size: int, near: int) -> int:
    """Return the divisor of a size with the smallest ratio to a number."""
    divisors = [n for n in range(1, size + 1) if size % n == 0]
    return min(divisors, key=lambda n: max(n / near, near / n))


# --- the files of a cube without its days ---------------------------------------------------------------------


def write_description(cube: Cube, y: NDArray[Any], x: NDArray[Any]) -> None:
    """Write all files of a cube without its days, the group's last: with it the cube exists."""
    files = described_files(cube, y, x)
    group = files.pop(GROUP)
    for key, data in files.items():
        cube.store.put(key, data)
    cube.store.put(GROUP, group)


def year_description(cube: Cube, days: tuple[int, int], shards: ShardFormat) -> dict[str, bytes]:
    """Return the files, by their keys in the group, that describe some days of a cube in other shards.

    The group's file is the last; it does not describe a cube of its own.
    """
    grid = GRIDS[cube.grid]
    first, length = days
    files, document = _described_arrays(replace(cube, first=first, days=length), grid.y, grid.x, shards)
    del files[GROUP]
    return files | {GROUP: json.dumps(document, indent=1).encode()}


def described_files(cube: Cube, y: NDArray[Any], x: NDArray[Any]) -> dict[str, bytes]:
    """Return all files of a cube without its days, by key."""
    files, document = _described_arrays(cube, y, x)
    attrs = document["attributes"]
    described = {name: getattr(cube, name) for name in ("variable", *_PLAIN)} | {
        "format": FORMAT,
        "revision": cube.revision,
        "version": __version__,
        "packing": _described_packing(cube.packing),
        "shards": asdict(cube.shards),
    }
    described = _plain(described)
    checksum = _checksum(document, described, attrs)
    document["attributes"] = attrs | {KEY: described | {"checksum": checksum}}
    return files | {GROUP: json.dumps(document, indent=1).encode()}


def _described_arrays(
    cube: Cube, y: NDArray[Any], x: NDArray[Any], shards: ShardFormat | None = None
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Return the files of a group, and the content of the group's own with the metadata of all arrays."""
    buffers: dict[str, Any] = {}
    placed = convention_attrs(GRIDS[cube.grid], cube.crs_attrs["crs_wkt"])
    group = zarr.create_group(MemoryStore(buffers), zarr_format=3, attributes=_plain(cube.dataset_attrs | placed))
    spelling: dict[str, Any] = {"_FillValue": cube.packing.fill, "coordinates": "crs time_bnds"}
    if cube.packing.scale != 1 or cube.packing.offset:
        spelling["scale_factor"] = decimal(cube.packing.scale)
    if cube.packing.offset:
        spelling["add_offset"] = decimal(cube.packing.offset)
    shape = (cube.days * cube.steps, *cube.shards.shape[1:])
    _array(group, cube.variable, shards or cube.shards, shape, cube.attrs | spelling)
    if cube.has_flags and shards is None:
        _array(group, "flags", cube.flag_shards, shape, cube.flag_attrs)
    for name, (dims, values, attrs) in _coordinates(cube, y, x).items():
        array = group.create_array(
            name,
            shape=values.shape,
            dtype=values.dtype,
            chunks=_coordinate_chunk(cube, name, values.shape),
            compressors=BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle"),
            filters=None,
            dimension_names=dims,
            attributes=_plain(attrs),
        )
        array[...] = values
    files = {key: data.to_bytes() for key, data in sorted(buffers.items())}
    document = json.loads(files[GROUP])
    arrays = {k.removesuffix(f"/{GROUP}"): json.loads(v) for k, v in files.items() if k.endswith(f"/{GROUP}")}
    document["consolidated_metadata"] = {"kind": "inline", "must_understand": False, "metadata": arrays}
    return files, document


def _coordinates(cube: Cube, y: NDArray[Any], x: NDArray[Any]) -> dict[str, tuple[tuple[str, ...], Any, Any]]:
    """Return dimensions, values and attributes of the coordinates."""
    ends = np.arange(cube.days * cube.steps, dtype=np.int32) * cube.every + cube.minute
    calendar = {
        "units": f"minutes since {np.datetime64(cube.first, 'D')} 00:00:00",
        "calendar": "proleptic_gregorian",
    }
    return {
        "y": (("y",), y, _PLACE_ATTRS["y"]),
        "x": (("x",), x, _PLACE_ATTRS["x"]),
        "crs": ((), np.int32(0), cube.crs_attrs),
        "time": (("time",), ends, {"standard_name": "time", "axis": "T", "bounds": "time_bnds"} | calendar),
        "time_bnds": (("time", "bnds"), np.stack([ends - cube.interval, ends], axis=-1), calendar),
    }


def _coordinate_chunk(cube: Cube, name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    return (_AXIS_CHUNK * cube.steps, *shape[1:]) if name in {"time", "time_bnds"} else shape


def _array(
    group: zarr.Group, name: str, shards: ShardFormat, shape: tuple[int, ...], attrs: Mapping[str, Any]
) -> None:
    group.create_array(
        name,
        shape=shape,
        dtype=shards.dtype,
        chunks=shards.chunk,
        shards=shards.shape,
        compressors=ZstdCodec(level=shards.level, checksum=True),
        filters=None,
        fill_value=shards.fill,
        dimension_names=("time", "y", "x"),
        chunk_key_encoding={"name": "default", "separator": "."},  # one folder, not one per day
        attributes=_plain(attrs),
    )


def _plain(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes as values for JSON."""
    made: dict[str, Any] = json.loads(json.dumps(dict(attrs), default=lambda value: value.tolist()))
    return made


def description_faults(cube: Cube) -> list[str]:
    """Return what is wrong with the files by which other readers understand a cube.

    Shape, type, attributes and codecs of each array are compared with those that this version would write, and the
    coordinates with the grid and the time axis.
    """
    grid = GRIDS[cube.grid]
    expected = described_files(cube, grid.y, grid.x)
    faults = [] if cube.revision == REVISION else [f"{GROUP} was written by an older version"]
    if not same_projection(cube.crs_attrs, grid):
        faults.append("crs describes another projection")
    for name, (_, values, _) in _coordinates(cube, grid.y, grid.x).items():
        chunk = np.empty(_coordinate_chunk(cube, name, np.shape(values)), np.asarray(values).dtype)
        for key in (key for key in expected if key.startswith(f"{name}/c/")):
            wanted, stored = _decoded(expected[key], chunk), _decoded(cube.store.get(key), chunk)
            if wanted is None or stored is None or not np.allclose(stored, wanted, rtol=0, atol=_NEAR):
                faults.append(f"{key} holds other values")
    for key, data in expected.items():
        name = key.removesuffix(f"/{GROUP}")
        if key == name:  # values, compared above, or the group, which has a checksum
            continue
        try:
            wanted, there = json.loads(data), json.loads(cube.store.get(key) or b"")
            held = there if cube.metadata is None else cube.metadata[name]
            if held != there or any(wanted.get(field) != there.get(field) for field in _DESCRIBING):
                faults.append(f"{key} describes the array differently")
        except UNREADABLE:
            faults.append(f"{key} is damaged or missing")
    return faults


_DESCRIBING = (
    *("node_type", "shape", "data_type", "fill_value", "attributes", "dimension_names"),
    *("chunk_grid", "chunk_key_encoding", "codecs", "storage_transformers"),
)
