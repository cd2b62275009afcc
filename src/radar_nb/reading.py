"""From frames to one lazy `xarray.Dataset`, and the same as xarray's engine `radar_nb`.

wradlib is asked once a series: its Dataset of the first frame is the template, from which coordinates,
projection, scale and unit are taken. The other frames' codes are decoded by the same scale. What differs from
wradlib is done on purpose: rates of rain products become amounts in mm an interval (`to_rate` gives the rates
back), missing cells are told by the flag bits, `units` is spelt as CF wants it, and the Dataset can be written.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from radar_nb import odim
from radar_nb.archives import walk
from radar_nb.errors import SeriesError, UnknownGrid, UnknownProduct
from radar_nb.frames import SYNTHETIC, Clutter, decode, parse_header, payload
from radar_nb.grids import find_grid
from radar_nb.products import PRODUCTS
from radar_nb.sources import Frame, find_files, one_series, scan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from radar_nb.archives import Member, Part
    from radar_nb.frames import Header
    from radar_nb.progress import Reporter

_CHUNK_BYTES = 256 << 20
"""Most of float32 that one dask chunk holds: a day of YW in five parts."""

_LISTED = 20
"""How many gaps or doubled frames an attribute spells out."""


def open_dataset(
    source: Any,
    *,
    variables: str | Sequence[str] | None = None,
    chunks: Literal["auto"] | Mapping[str, int] | None = "auto",
    clutter: Clutter = "keep",
    fill_gaps: bool = False,
    progress: bool | Reporter = True,
) -> xr.Dataset:
    """Open RADOLAN frames as one Dataset, lazily.

    Parameters
    ----------
    source : path, str, Report, Plan, or a sequence of these
        An archive of any nesting, a folder of archives or of frames, a single frame, a glob, a download's report.
        Nothing needs to be extracted first.
    variables : str or sequence of str, optional
        Products to take where the source holds several; the others are left aside.
    chunks : "auto", mapping or None
        "auto" gives dask chunks of up to 256 MB along time; None gives xarray's own lazy arrays, which read what
        is indexed; a mapping is given to `Dataset.chunk`.
    clutter : {"keep", "mask"}
        Whether cells flagged as clutter keep their value, as wradlib has it, or become missing.
    fill_gaps : bool
        Whether time steps without a frame are filled with missing values. They are listed in any case.
    progress : bool or Reporter
        Shown if reading the headers takes longer than a moment.

    Returns
    -------
    xarray.Dataset
        One variable, named by product, float32 of shape (time, y, x), NaN where there are no data.

        - amounts are in mm of water in the interval, reflectivities in dBZ (attribute `units`);
        - `time`: datetime64, UTC, the end of the interval, rising, without doubles; `time_bnds`: begin and end;
        - `y`, `x`: cell centres in metres of the projection, both rising; `crs`: the projection;
        - forecasts carry `prediction_time`, the end of the interval; `time` is then when they were made;
        - attributes `frames_missing` and `frames_doubled` count the gaps between the first and the last frame and
          the frames that came twice (the later file is taken); `gaps` and `doubled` name them.

    Raises
    ------
    NothingFound
        No such file, or no frame in it.
    ArchiveError, FrameError
        Something cannot be read; the message names each file and member.
    SeriesError
        Frames of different products, grids or units.
    UnknownProduct, UnknownGrid
        A frame that nobody can place.

    Examples
    --------
    >>> ds = open_dataset("YW2017.002_202006.tar")  # doctest: +SKIP
    >>> ds.YW.sel(time="2020-06-13T15:25").max().compute()  # doctest: +SKIP
    """
    ds = _open(source, variables=variables, clutter=clutter, fill_gaps=fill_gaps, progress=progress)
    if chunks is None:
        return ds
    if chunks != "auto":
        return ds.chunk(dict(chunks))
    cells = ds.sizes["y"] * ds.sizes["x"]
    return ds.chunk({"time": max(1, _CHUNK_BYTES // (4 * cells))})


def to_rate(amount: xr.DataArray) -> xr.DataArray:
    """Give the mean rain rate over each interval, as wradlib and DWD's own viewers show it.

    rate [mm/h] = amount [mm] * 60 / interval [min] (DWD, RADOLAN Kompositformat 2.5, tokens PR and INT).

    Parameters
    ----------
    amount : xarray.DataArray
        A rain product as `open_dataset` gives it, in mm an interval.

    Returns
    -------
    xarray.DataArray
        In mm/h, lazy where the input is.

    Raises
    ------
    SeriesError
        The array is no amount in mm, or does not say over which interval.
    """
    minutes = amount.attrs.get("interval_minutes")
    if amount.attrs.get("units") != "mm" or not minutes:
        raise SeriesError(
            f"{amount.name!r} is no amount in mm of a known interval (units {amount.attrs.get('units')!r}, "
            f"interval_minutes {minutes!r}): only such an amount has a rate. Pass a variable of open_dataset"
        )
    rate = amount * np.float32(60 / minutes)
    rate.attrs = amount.attrs | {
        "units": "mm h-1",
        "standard_name": "lwe_precipitation_rate",
        "cell_methods": "time: mean",
    }
    return rate.rename(amount.name)


class RadarNbBackend(BackendEntrypoint):
    """xarray's way in: `xr.open_dataset(path, engine="radar_nb")`."""

    description = "DWD's RADOLAN and RADKLIM: frames, folders and archives of any nesting"
    open_dataset_parameters = ("filename_or_obj", "drop_variables", "variables", "clutter", "fill_gaps")

    def open_dataset(  # type: ignore[override] # engines have parameters of their own
        self,
        filename_or_obj: Any,
        *,
        drop_variables: str | Sequence[str] | None = None,
        variables: str | Sequence[str] | None = None,
        clutter: Clutter = "keep",
        fill_gaps: bool = False,
    ) -> xr.Dataset:
        """Open a source: see `radar_nb.open_dataset`."""
        ds = _open(filename_or_obj, variables=variables, clutter=clutter, fill_gaps=fill_gaps, progress=False)
        drop = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return ds.drop_vars(drop, errors="ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Template:
    """What all frames of a series share.

    `scale` and `offset` turn a code into our unit; `factor` turns wradlib's unit (mm/h) into ours (mm).
    """

    product: str
    scale: float
    offset: float
    factor: float
    x: xr.Variable
    y: xr.Variable
    crs: dict[str, Any]
    attrs: dict[str, Any]
    dtype: np.dtype[Any]


def _open(
    source: Any,
    *,
    variables: str | Sequence[str] | None,
    clutter: Clutter,
    fill_gaps: bool,
    progress: bool | Reporter,
) -> xr.Dataset:
    frames = scan(find_files(source), progress=progress)
    if variables is not None:
        wanted = {variables.upper()} if isinstance(variables, str) else {name.upper() for name in variables}
        have = ", ".join(sorted({frame.header.product for frame in frames}))
        frames = tuple(frame for frame in frames if frame.header.product in wanted)
        if not frames:
            raise SeriesError(f"the source holds no frame of {', '.join(sorted(wanted))}: it holds {have}")
    frames = one_series(frames)
    kept = {frame.header.time: frame for frame in frames}  # the later file wins
    times = np.sort(np.array(list(kept), "datetime64[s]"))
    steps = _expected_steps(times)
    attrs = _series_attrs(frames, kept, np.setdiff1d(steps, times))
    slots = [kept.get(time) for time in (steps if fill_gaps else times)]
    template = _template(frames[0])
    for name in ("institution", "radars"):  # on the variable too: a field that was taken out still knows them
        template.attrs[name] = attrs[name]
    return _dataset(slots, steps if fill_gaps else times, template, clutter, attrs)


def _expected_steps(times: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Give all steps from the first to the last, a step being the most frequent distance of two frames."""
    if times.size < 3:
        return times
    distances, counts = np.unique(np.diff(times), return_counts=True)
    step = distances[counts.argmax()]
    return np.union1d(times, np.arange(times[0], times[-1] + step, step))


def _series_attrs(
    frames: Sequence[Frame], kept: Mapping[np.datetime64, Frame], missing: NDArray[np.datetime64]
) -> dict[str, Any]:
    doubled = [frame for frame in frames if kept[frame.header.time] is not frame]
    first = frames[0].header
    radars = dict.fromkeys(radar.removeprefix("de") for frame in frames for radar in frame.header.radars)
    family = f"RADKLIM {first.reanalysis}" if first.reanalysis else "RADOLAN"
    made_up = first.software == SYNTHETIC
    attrs: dict[str, Any] = {
        "Conventions": "CF-1.11",
        "title": f"{'synthetic ' * made_up}{family} {first.product}: {_title(first.product)}",
        "institution": "none: made up by radar_nb" if made_up else "Deutscher Wetterdienst (DWD)",
        "source": f"weather radar composite, {family}, software {first.software or 'RADOLAN'}",
        "references": "https://www.dwd.de/radolan",
        "license": "CC0" if made_up else "CC BY 4.0; source: Deutscher Wetterdienst",
        "radars": ",".join(sorted(radars)),
        "frames_missing": missing.size,
        "frames_doubled": len(doubled),
    }
    if missing.size:
        attrs["gaps"] = _some([str(time) for time in missing])
    if doubled:
        attrs["doubled"] = _some([f"{f.name} (taken: {kept[f.header.time].name})" for f in doubled])
    return attrs


def _some(texts: Sequence[str]) -> str:
    more = len(texts) - _LISTED
    return "; ".join(texts[:_LISTED]) + (f"; and {more} more" if more > 0 else "")


def _title(product: str) -> str:
    return PRODUCTS[product].title if product in PRODUCTS else product


def _template(frame: Frame) -> _Template:
    """Ask wradlib what the frame's header means."""
    header = frame.header
    try:
        find_grid(header.rows, header.cols, version=header.version)
    except UnknownGrid as error:
        raise UnknownGrid(f"{frame.name}: {error}") from error
    data = next(bytes(m.data) for m in walk(frame.part) if m.position == frame.position)
    composite = odim.read_composite(data, name=frame.name) if data.startswith(odim.MAGIC) else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its `_FillValue` of three values, which we do not pass on
        try:
            with xr.open_dataset(io.BytesIO(data), engine="radolan") as reference:
                ds = reference.load()
        except ValueError as error:
            raise UnknownProduct(f"{frame.name}: wradlib does not know the product ({error})") from error
    variable = ds[composite[1].quantity if composite else header.product]
    minutes = _interval(header)
    rate = variable.attrs["unit"] == "mm h-1"
    factor = minutes / 60 if rate else 1.0
    reference_crs = ds["crs"] if "crs" in ds else ds["crs_wkt"]
    return _Template(
        product=header.product,
        scale=_decimal(variable.encoding["scale_factor"], factor),
        offset=_decimal(variable.encoding.get("add_offset", 0.0), factor),
        factor=factor,
        x=xr.Variable("x", ds["x"].values, {**ds["x"].attrs, "axis": "X"}),
        y=xr.Variable("y", np.sort(ds["y"].values), {**ds["y"].attrs, "axis": "Y"}),
        crs=dict(reference_crs.attrs),
        attrs=_variable_attrs(header, "mm" if rate else variable.attrs["unit"], variable.attrs, minutes),
        dtype=np.dtype(variable.encoding["dtype"]),
    )


def _decimal(value: Any, factor: float) -> float:
    """Give the decimal number that a float32 stands for: 0.12 mm/h in 5 minutes is 0.01 mm, not 0.00999999977."""
    return float(f"{float(str(np.float32(value))) * factor:.9g}")


def _interval(header: Header) -> int:
    """Give the interval in minutes; the headers of W1 to W4 count tens of minutes without saying so."""
    known = PRODUCTS.get(header.product)
    if known is not None and header.interval * 10 == known.interval:
        return known.interval
    return header.interval


def _variable_attrs(header: Header, unit: str, reference: Mapping[str, Any], minutes: int) -> dict[str, Any]:
    attrs: dict[str, Any] = {
        "long_name": _title(header.product),
        "units": unit,
        "grid_mapping": "crs",
        "interval_minutes": minutes,
    }
    if unit == "mm":
        # CF's name for a depth of water from rain and snow alike; rainfall_amount would have to be kg m-2
        attrs |= {"standard_name": "lwe_thickness_of_precipitation_amount", "cell_methods": "time: sum"}
    elif unit == "dBZ":
        attrs["standard_name"] = reference["standard_name"]
    return attrs


def _dataset(
    slots: Sequence[Frame | None],
    times: NDArray[np.datetime64],
    template: _Template,
    clutter: Clutter,
    attrs: dict[str, Any],
) -> xr.Dataset:
    array = indexing.LazilyIndexedArray(_FrameArray(slots, template, clutter))
    fill = np.iinfo(template.dtype).max
    # in float32, so that CF unpacks to float32 and to the same values
    encoding = {"dtype": template.dtype, "scale_factor": np.float32(template.scale), "_FillValue": fill}
    if template.offset:
        encoding["add_offset"] = np.float32(template.offset)
    stamps = times.astype("datetime64[ns]")
    frame = next(slot for slot in slots if slot is not None)
    lead = frame.header.lead
    ends = stamps if lead is None else stamps + np.timedelta64(lead, "m")
    bounds = np.stack([ends - np.timedelta64(_interval(frame.header), "m"), ends], axis=1)
    spelling = {"units": "seconds since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian", "dtype": "int64"}
    coords = {
        "time": xr.Variable(
            "time", stamps, {"standard_name": "time", "axis": "T", "bounds": "time_bnds"}, spelling
        ),
        "y": template.y,
        "x": template.x,
        "crs": xr.Variable((), np.int32(0), template.crs),
        "time_bnds": xr.Variable(("time", "bnds"), bounds, {}, spelling),
    }
    if lead is not None:
        coords["time"].attrs["standard_name"] = "forecast_reference_time"
        del coords["time"].attrs["bounds"]
        attrs_ahead = {"standard_name": "time", "long_name": "end of the interval", "bounds": "time_bnds"}
        coords["prediction_time"] = xr.Variable("time", ends, attrs_ahead, spelling)
    data = xr.Variable(("time", "y", "x"), array, template.attrs, encoding)
    return xr.Dataset({template.product: data}, coords, attrs)


class _FrameArray(BackendArray):
    """The frames of a series as one array; a part is walked once for all that is asked of it."""

    def __init__(self, slots: Sequence[Frame | None], template: _Template, clutter: Clutter) -> None:
        self._slots = slots
        self._template = template
        self._clutter = clutter
        self.shape = (len(slots), template.y.size, template.x.size)
        self.dtype = np.dtype("float32")

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.float32]:
        scalar = tuple(axis for axis, index in enumerate(key) if isinstance(index, int | np.integer))
        time_key, *cells = (slice(k, (k + 1) or None) if axis in scalar else k for axis, k in enumerate(key))
        times = np.arange(self.shape[0])[time_key]
        shape = (np.arange(size)[k].size for size, k in zip(self.shape[1:], cells, strict=True))
        out = np.empty((times.size, *shape), np.float32)
        wanted: dict[Part, dict[int, list[int]]] = {}
        for place, time in enumerate(times):
            if (frame := self._slots[time]) is None:
                out[place] = np.nan
            else:
                wanted.setdefault(frame.part, {}).setdefault(frame.position, []).append(place)
        for part, places in wanted.items():
            self._read_part(part, places, (cells[0], cells[1]), out)
        return out.squeeze(axis=scalar)

    def _read_part(
        self, part: Part, places: dict[int, list[int]], cells: tuple[Any, Any], out: NDArray[np.float32]
    ) -> None:
        last = max(places)
        for member in walk(part):
            if member.position in places:
                first, *others = places[member.position]
                self._decode(member, cells, out[first])
                out[others] = out[first]
            if member.position == last:
                return

    def _decode(self, member: Member, cells: tuple[Any, Any], out: NDArray[np.float32]) -> None:
        template = self._template
        name = member.place
        if member.data[:8] == odim.MAGIC:
            _, packing, codes = odim.read_composite(bytes(member.data), name=name)
            odim.decode(codes[cells[0]][:, cells[1]], packing, out=out)
            out *= np.float32(template.factor)
            return
        codes = payload(parse_header(member.data, name=name), member.data, name=name)
        if codes.shape != self.shape[1:]:
            raise SeriesError(f"{name} has changed since it was opened: open it again")
        decode(
            codes[cells[0]][:, cells[1]],
            scale=template.scale,
            offset=template.offset,
            clutter=self._clutter,
            out=out,
        )
