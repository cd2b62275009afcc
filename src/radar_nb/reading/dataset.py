"""Turn a series into a Dataset: lazy variables, coordinates, and descriptive attributes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args
from uuid import uuid4

import numpy as np
import xarray as xr
from xarray.core import indexing

from radar_nb.dwd.catalogue import Plan
from radar_nb.dwd.grids import Grid, named_grid
from radar_nb.dwd.products import PRODUCTS, variable_name
from radar_nb.errors import NothingFound, SettingsError
from radar_nb.formats.cursor import open_cursor
from radar_nb.formats.odim import coarse_meaning, read_meaning
from radar_nb.formats.packing import FLAGS, OUTLINE_FLAG, Clutter, Packing
from radar_nb.formats.radolan import RUN_LENGTH, SYNTHETIC
from radar_nb.reading.forecasts import (
    AHEAD,
    AHEAD_SPELLING,
    ISSUED,
    SPELLING,
    TIME,
    forecast_coords,
    over_validity,
)
from radar_nb.reading.lazy_array import FrameArray, degrees_of, no_packing
from radar_nb.reading.regridding import Method, Weights, weights
from radar_nb.reading.series import Series, make_series
from radar_nb.reading.sources import find_frames
from radar_nb.reading.wradlib_template import Template, find_template
from radar_nb.runtime.wording import human_time, printable
from radar_nb.runtime.workers import renew_dask_after_forks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from radar_nb.formats.cursor import Cursor
    from radar_nb.formats.index import FrameKind, Frames
    from radar_nb.formats.odim import Meaning
    from radar_nb.reading.lazy_array import What
    from radar_nb.runtime.progress import Reporter

_CHUNK_BYTES = 32 << 20
"""Bytes of a dask chunk: the largest block that malloc reuses without requesting new pages from the system
(glibc's DEFAULT_MMAP_THRESHOLD_MAX)."""
_CHUNKS = 20_000
"""Maximum number of dask chunks; more would make the graph slower than the reading. Chunks grow up to `_GROWTH`
times."""
_GROWTH = 8


def chunk_bytes(total: int) -> int:
    """Return the bytes of a dask chunk for a variable of `total` bytes."""
    return _CHUNK_BYTES * min(_GROWTH, -(-total // (_CHUNK_BYTES * _CHUNKS)) or 1)


_WIDE = 4
"""Bytes of a code that float32 cannot represent."""

_LISTED = 20
"""Maximum number of gaps, doubled frames or problems that an attribute lists."""


Resolution = Literal["file", "binary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The arguments of `open_dataset`; see there."""

    variables: str | Sequence[str] | None = None
    clutter: Clutter = "keep"
    packed: bool = False
    flags: bool = False
    lonlat: bool = False
    resolution: Resolution = "file"
    grid: str | Grid | None = None
    regrid: Method = "overlap"
    sums: str = "apart"
    fill_gaps: bool = False
    run: Any = None
    lead: Any = None
    errors: Literal["raise", "report"] = "raise"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Opened:
    """A series and the meaning of its codes.

    Attributes
    ----------
    series : Series
    templates : tuple of Template
        One for each kind of frame.
    target : Template
        Of the grid of the result.
    weights : tuple of Weights or None
        For each kind, the weights to that grid; None if it has that grid.
    """

    series: Series
    templates: tuple[Template, ...]
    target: Template
    weights: tuple[Weights | None, ...]

    @property
    def product(self) -> str:
        """DWD's letters."""
        return self.series.frames.kinds[0].header.product

    @property
    def name(self) -> str:
        """The variable's name."""
        return variable_name(self.product)


def open_series(source: Any, options: Options, *, progress: bool | Reporter) -> Opened:
    """Find the frames of a source and their meaning: see `open_dataset` for the errors."""
    frames, skipped = find_frames(source, errors=options.errors, progress=progress)
    if isinstance(source, Plan) and source.span is not None:
        frames = _within(frames, source)
    target = None if options.grid is None else named_grid(options.grid)
    series = make_series(
        frames,
        variables=options.variables,
        any_grid=target is not None,
        sums=options.sums,
        fill_gaps=options.fill_gaps,
        errors=options.errors,
    )
    if options.run is not None or options.lead is not None:
        series = over_validity(
            series, run=options.run, lead=options.lead, sums=options.sums, fill_gaps=options.fill_gaps
        )
    return _meaning(replace(series, skipped=tuple(problem.text for problem in skipped)), options, target)


def _within(frames: Frames, plan: Plan) -> Frames:
    """Return the frames whose stamps are within a plan's span.

    Raises
    ------
    NothingFound
        There are none.
    """
    begin, end = (stamp.astype("datetime64[s]").astype(np.int64) for stamp in plan.span or ())
    times = frames.rows["time"]
    inside = (begin <= times) & (times <= end)
    if len(times) and not inside.any():
        first, last = (human_time(np.datetime64(int(stamp), "s")) for stamp in (begin, end))
        raise NothingFound(
            f"none of the {len(times):,} frames of {plan.product.name} in these files is of {first} to {last}: "
            "use another range"
        )
    return frames.take(inside)


def _meaning(series: Series, options: Options, target: Grid | None) -> Opened:
    """Find the template of each kind; frames that are not shown are dropped, and kinds without a frame."""
    series = _used(series)
    frames = series.frames
    there, firsts = np.unique(frames.rows["kind"], return_index=True)
    numbers = np.full(len(frames.kinds), -1, np.int32)
    numbers[there] = np.arange(there.size)
    rows = frames.rows.copy()
    rows["kind"] = numbers[rows["kind"]]
    kinds = tuple(_with_resolution(frames.kinds[kind], options.resolution) for kind in there)
    frames = replace(frames, rows=rows, kinds=kinds)
    cursors: dict[int, Cursor] = {}
    templates = tuple(
        find_template(
            kind,
            _stated(frames, first, cursors) if kind.hdf5 else None,
            clutter=options.clutter,
            name=frames.place(first),
        )
        for kind, first in zip(frames.kinds, firsts.tolist(), strict=True)
    )
    grid = templates[0].grid if target is None else target
    return Opened(
        series=replace(series, frames=frames),
        templates=templates,
        target=replace(templates[0], grid=grid),
        weights=tuple(
            None if template.grid == grid else weights(template.grid, grid, options.regrid)
            for template in templates
        ),
    )


def _used(series: Series) -> Series:
    """Return a series without the frames that it does not show, as those of other lead times."""
    used = np.unique(series.slots[series.slots >= 0])
    if used.size == len(series.frames.rows):
        return series
    slots = np.where(series.slots < 0, -1, np.searchsorted(used, series.slots))
    return replace(series, frames=series.frames.take(used), slots=slots)


def _stated(frames: Frames, number: int, cursors: dict[int, Cursor]) -> Meaning:
    """Return what a frame in HDF5 states about its codes; a cursor in its part serves the next one, too."""
    name, kind = frames.place(number), frames.kinds[int(frames.rows["kind"][number])]
    part = int(frames.rows["part"][number])
    if part not in cursors:
        cursors[part] = open_cursor(frames, number)
    stated = read_meaning(cursors[part].read(frames.rows[number], name=name), name=name)
    return coarse_meaning(stated, kind.header.precision, name=name)


def _with_resolution(kind: FrameKind, resolution: Resolution) -> FrameKind:
    """Return a kind of HDF5 with the step that its product has in binaries, if that is asked for."""
    if resolution not in get_args(Resolution):
        raise SettingsError(f'resolution={resolution!r} is not valid: use "file" or "binary"')
    product = PRODUCTS.get(kind.header.product)
    if resolution == "file" or not kind.hdf5 or product is None or product.quantity != "amount":
        return kind
    return replace(kind, header=replace(kind.header, precision=round(np.log10(product.precision))))


def assemble(opened: Opened, options: Options) -> xr.Dataset:
    """Return the Dataset of a series."""
    series, target = opened.series, opened.target
    several = len(series.leads) > 1
    slots = series.slots if several else series.slots[:, 0]
    dims = ("time", "lead_time", "y", "x") if several else ("time", "y", "x")
    packings = tuple(template.packing for template in opened.templates)
    # classes in 32 bits: float32 cannot represent them
    whole = packings[0].itemsize == _WIDE and bool(packings[0].missing)

    def variable(what: What, attrs: dict[str, Any]) -> xr.Variable:
        data = FrameArray(series.frames, slots, packings, target.grid.shape, what=what, weights=opened.weights)
        chunks: dict[str, Any] = {"time": _chunk(series, data.shape)}
        if several and series.frames.kinds[0].hdf5:  # members of a plain tar: any of them is read alone
            chunks["lead_time"] = max(1, _CHUNK_BYTES // (4 * target.grid.rows * target.grid.cols))
        encoding = {"preferred_chunks": chunks}
        return xr.Variable(dims, indexing.LazilyIndexedArray(data), attrs, encoding)

    if (options.packed or options.flags) and any(way is not None for way in opened.weights):
        raise SettingsError(
            f"fields regridded to {target.grid.name} are mixtures of cells, which have no raw codes and no "
            "flags: omit packed=True and flags=True, or omit grid="
        )
    if options.packed and len(set(packings)) > 1:
        raise no_packing()
    attrs = {**target.attrs, **_origin(series.frames)}
    packing = _attrs_of_packing(opened)
    if options.packed or whole:
        data = variable("packed", attrs | packing)
    else:
        data = variable("values", attrs)
        # a netCDF file of wide integers would be twice as large as one of float32
        if packing and packings[0].itemsize < _WIDE:
            data.encoding |= packing | {"dtype": packings[0].dtype}
    coords = _coords(opened, options)
    for name in ("source", "time_bnds", "prediction_time"):  # xarray's chunks={} splits these like the data
        if name in coords:
            coords[name].encoding["preferred_chunks"] = data.encoding["preferred_chunks"]
    variables = {opened.name: data}
    if options.flags:
        variables["flags"] = variable("flags", _flag_attrs(attrs, opened.name))
        data.attrs["ancillary_variables"] = "flags"
    return xr.Dataset(variables, coords, _series_attrs(opened))


def in_chunks(ds: xr.Dataset, chunks: Literal["auto"] | Mapping[str, int] | None) -> xr.Dataset:
    """Return a Dataset of lazy variables as dask arrays; see `open_dataset` for `chunks`."""
    if chunks is None:
        return ds
    renew_dask_after_forks()
    for name in ds.data_vars:
        variable = ds[name].variable
        asked = _with_rows_split(variable) if chunks == "auto" else dict(chunks)
        # a name, since dask would pickle 2.6 million positions of frames to make one
        ds[name] = variable.chunk(asked, name=f"{name}-{uuid4().hex}")
    return ds


def _with_rows_split(variable: xr.Variable) -> dict[str, Any]:
    """Return a variable's preferred chunks, with fields of more than two chunks' size in parts of rows.

    dask's reductions hold some nine parts: 760 MB of fields of HX, and 380 MB of their halves. A field is inflated
    once for each part.
    """
    chunks = dict(variable.encoding["preferred_chunks"])
    rows, cols = variable.shape[-2:]
    parts = -(-rows * cols * variable.dtype.itemsize // (2 * _CHUNK_BYTES))
    if parts > 1 and "y" not in chunks:
        chunks["y"] = -(-rows // parts)
    return chunks


def _chunk(series: Series, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the lengths of chunks along time: as many frames as fit, never crossing the end of a day.

    A run of forecasts is one file, which is read from its beginning, so it is one chunk, up to a limit.
    """
    field = int(np.prod(shape[1:])) * np.dtype("f4").itemsize
    run = series.base is not None and series.base.ndim == 0
    longest = max(1, (_GROWTH * _CHUNK_BYTES if run else chunk_bytes(len(series.times) * field)) // field)
    rows = np.where(series.slots[:, 0] < 0, 0, series.slots[:, 0])
    parts = series.frames.rows["part"][rows]
    ends = np.append(np.flatnonzero(np.diff(parts)) + 1, len(parts))
    chunks: list[int] = []
    for length in np.diff(ends, prepend=0).tolist():
        if chunks and chunks[-1] + length <= longest:  # several small parts
            chunks[-1] += length
        else:
            chunks += [longest] * (length // longest) + [length % longest] * bool(length % longest)
    return tuple(chunks)


def _attrs_of_packing(opened: Opened) -> dict[str, Any]:
    """Return CF's attributes of packed integers; {} for regridded fields, and if steps differ."""
    packing = opened.templates[0].packing
    steps = {template.packing for template in opened.templates}
    if len(steps) > 1 or any(weights is not None for weights in opened.weights):
        return {}
    return packing_attrs(packing)


def packing_attrs(packing: Packing) -> dict[str, Any]:
    """Return CF's attributes of packed integers."""
    attrs: dict[str, Any] = {"_FillValue": packing.dtype.type(packing.fill)}
    if packing.scale != 1 or packing.offset:
        # in float32, so that CF unpacks to float32 and to the same values
        attrs |= {"scale_factor": np.float32(packing.scale)}
    if packing.offset:
        attrs |= {"add_offset": np.float32(packing.offset)}
    return attrs


def _flag_attrs(attrs: dict[str, Any], name: str) -> dict[str, Any]:
    known = FLAGS | OUTLINE_FLAG if name in RUN_LENGTH else FLAGS
    # in RE the flag marks hail (RADVOR)
    meanings = {"hail" if name == "RE" and flag == "secondary" else flag: bit for flag, bit in known.items()}
    return {
        "long_name": f"flags of {name}",
        "standard_name": "status_flag",
        "grid_mapping": attrs["grid_mapping"],
        "flag_masks": np.array(list(meanings.values()), np.uint8),
        "flag_meanings": " ".join(meanings),
    }


def _coords(opened: Opened, options: Options) -> dict[str, xr.Variable]:
    """Return the coordinates of time, forecast and place, and the origin of each step."""
    series, target = opened.series, opened.target
    minutes = opened.templates[0].minutes
    stamps = series.times.astype("datetime64[ns]")
    archives = np.array([index.archive.name for index in series.frames.indexes], object)
    rows = series.slots.max(axis=1)
    origin = np.where(rows < 0, "", archives[series.frames.archives()[rows]])
    coords = step_coords(stamps, origin.astype(object), minutes=minutes)
    coords |= target.coords
    if series.base is not None:
        coords |= forecast_coords(series.base, series.times)
    if series.leads[0] is not None:
        coords["time"].attrs = {"standard_name": ISSUED["standard_name"]}
        leads = np.array(series.leads, "timedelta64[m]").astype("timedelta64[ns]")
        dims: tuple[str, ...] = ("time", "lead_time")
        ends = stamps[:, None] + leads
        if leads.size == 1:
            dims, ends = ("time",), ends[:, 0]
            coords["lead_time"] = xr.Variable((), leads[0], dict(AHEAD), dict(AHEAD_SPELLING))
        else:
            coords["lead_time"] = xr.Variable("lead_time", leads, dict(AHEAD), dict(AHEAD_SPELLING))
        ahead = {"standard_name": "time", "long_name": "end of the interval", "bounds": "time_bnds"}
        coords["prediction_time"] = xr.Variable(dims, ends, ahead, dict(SPELLING))
        coords["time_bnds"] = _bounds(dims, ends, minutes)
    if options.lonlat:
        coords |= degrees_of(target.grid)
    return coords


def step_coords(stamps: NDArray[Any], origin: Any, *, minutes: int) -> dict[str, xr.Variable]:
    """Return the time coordinates of a series without forecasts: ends of intervals, bounds and archives.

    Parameters
    ----------
    stamps : ndarray of datetime64[ns], shape (n,)
    origin : ndarray of object, or what xarray indexes lazily, shape (n,)
    minutes : int
        The interval.
    """
    return {
        "time": xr.Variable("time", stamps, dict(TIME), dict(SPELLING)),
        "source": xr.Variable("time", origin, {"long_name": "archive that the step came from"}),
        "time_bnds": _bounds(("time",), stamps, minutes),
    }


def _bounds(dims: tuple[str, ...], ends: NDArray[Any], minutes: int) -> xr.Variable:
    bounds = np.stack([ends - np.timedelta64(minutes, "m"), ends], axis=-1)
    return xr.Variable((*dims, "bnds"), bounds, {}, dict(SPELLING))


def _origin(frames: Frames) -> dict[str, str]:
    """Return the attributes on a variable's origin, which stay with a field selected from the Dataset."""
    made_up = frames.kinds[0].header.software == SYNTHETIC
    radars = {radar.removeprefix("de") for kind in frames.kinds for radar in kind.header.radars}
    return {
        "institution": "none: made up by radar_nb" if made_up else "Deutscher Wetterdienst (DWD)",
        "radars": ",".join(sorted(radars)),
    }


def _series_attrs(opened: Opened) -> dict[str, Any]:
    series = opened.series
    first = series.frames.kinds[0].header
    family = f"RADKLIM {first.reanalysis}" if first.reanalysis else "RADOLAN"
    made_up = first.software == SYNTHETIC
    attrs: dict[str, Any] = {
        "Conventions": "CF-1.11",
        "title": f"{'synthetic ' * made_up}{family} {first.product}: {opened.target.attrs['long_name']}",
        **_origin(series.frames),
        "source": f"weather radar composite, {family}, software {first.software or 'RADOLAN'}",
        "references": "https://www.dwd.de/radolan",
        "license": "CC0-1.0" if made_up else "CC-BY-4.0",  # identifiers of SPDX
        **gap_attrs(series.missing, series.doubled, [problem.text for problem in series.problems]),
    }
    if series.skipped:
        attrs["files_skipped"] = _some(series.skipped, len(series.skipped))
    if series.taken:
        attrs["sums_taken"] = series.taken
    if any(weights is not None for weights in opened.weights):
        attrs["regridded"] = _regridding(opened)
    return attrs


def gap_attrs(missing: NDArray[Any], doubled: Sequence[str], problems: Sequence[str]) -> dict[str, Any]:
    """Return the attributes on steps without a frame, frames that occurred twice, and problems."""
    attrs: dict[str, Any] = {"frames_missing": missing.size, "frames_doubled": len(doubled)}
    lists = {"gaps": [str(time) for time in missing[: _LISTED + 1]], "doubled": doubled, "problems": problems}
    counts = {"gaps": missing.size}
    for name, texts in lists.items():
        if texts:
            attrs[name] = _some(texts, counts.get(name, len(texts)))
    return attrs


def _some(texts: Sequence[str], count: int) -> str:
    more = count - _LISTED
    return printable("; ".join(texts[:_LISTED])) + (f"; and {more} more" if more > 0 else "")


def _regridding(opened: Opened) -> str:
    ways = {(w.source.name, w.method) for w in opened.weights if w is not None}
    return "; ".join(f"{grid} to {opened.target.grid.name}, {method}" for grid, method in sorted(ways))
