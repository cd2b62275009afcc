"""Choose the field of an array that a map shows, and check that it can be drawn."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.forecasts import is_forecast, lead_index
from radar_nb.reading.intervals import shown_interval
from radar_nb.runtime.wording import human_time
from radar_nb.runtime.zones import on_clock

if TYPE_CHECKING:
    from collections.abc import Hashable
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray


def one_field(
    da: Any,
    time: str | datetime | np.datetime64 | None = None,
    lead: Any = None,
    zone: ZoneInfo | None = None,
) -> xr.DataArray:
    """Return the field with dimensions (y, x), both rising; raise SeriesError if there is not exactly one.

    For a forecast, the first lead time is the default. A time without a zone is in `zone`, else UTC.
    """
    da = checked(da)
    if is_forecast(da):
        da = _of_lead(da, lead, first=time is None)
    elif lead is not None:
        raise SeriesError(f"{da.name!r} is not a forecast and has no lead times: leave out lead={lead!r}")
    if time is not None:
        da = _at(da, time, zone)
    da = da.squeeze([name for name in da.dims if name not in ("y", "x") and da.sizes[name] == 1])
    _hold_some(da, "time")
    if "time" in da.dims:
        first, last = (human_time(moment) for moment in da["time"].values[[0, -1]])
        raise SeriesError(
            f"{da.name!r} has {da.sizes['time']} times, from {first} to {last}: choose one with "
            "plot(..., time=...) or .sel(time=...), draw each with col='time', or sum them first"
        )
    if da.ndim > 2:
        raise SeriesError(
            f"{da.name!r} has further dimensions, {_further(da, ())}: choose one value of each with .isel or .sel"
        )
    return _rising(da.transpose("y", "x"))


def several_fields(da: Any, along: Hashable) -> xr.DataArray:
    """Return the fields with dimensions (along, y, x), the last two rising, without computing them.

    Raise SeriesError if `da` has no such dimension, no field along it, or another dimension.
    """
    da = checked(da)
    if along not in da.dims:
        raise SeriesError(
            f"{da.name!r} has no dimension {along!r}: it has {', '.join(map(str, da.dims))}. "
            "One field alone is drawn with plot(da)"
        )
    da = da.squeeze([name for name in da.dims if name not in (along, "y", "x") and da.sizes[name] == 1])
    if da.ndim > 3:
        raise SeriesError(
            f"{da.name!r} has further dimensions, {_further(da, (along,))}: choose one value of each with .isel "
            "or .sel"
        )
    _hold_some(da, along)
    return _rising(da.transpose(along, "y", "x"))


def _hold_some(da: xr.DataArray, along: Hashable) -> None:
    if not da.sizes.get(along, 1):
        raise SeriesError(f"{da.name!r} contains no field: its {along} is empty. Choose a part with steps in it")


def cells(field: xr.DataArray) -> NDArray[Any]:
    """Compute a field's values as floats, NaN where missing; packed integers are unpacked by their attributes."""
    values: NDArray[Any] = np.asarray(field.values)
    missing = values == field.attrs["_FillValue"] if "_FillValue" in field.attrs else np.False_
    values = values if values.dtype.kind == "f" else values.astype(float)
    if not {"scale_factor", "add_offset"}.isdisjoint(field.attrs):
        values = values * field.attrs.get("scale_factor", 1.0) + field.attrs.get("add_offset", 0.0)
    return np.where(missing, np.nan, values) if np.any(missing) else values


def _rising(da: xr.DataArray) -> xr.DataArray:
    falling = [name for name in ("y", "x") if da[name].values[0] > da[name].values[-1]]
    return da.isel({name: slice(None, None, -1) for name in falling})


def checked(da: Any) -> xr.DataArray:
    """Return the array; raise SeriesError unless it is a DataArray on evenly spaced cells, of a valid interval."""
    if not isinstance(da, xr.DataArray):
        raise SeriesError(f"a map shows one variable, not {_unopened(da)}: pass one, as in plot(ds['YW'])")
    for name in ("y", "x"):
        if name not in da.dims or name not in da.coords:
            raise SeriesError(
                f"{da.name!r} has no dimension {name!r} with coordinates (it has {', '.join(map(str, da.dims))}): "
                "a map needs y and x in metres, as open_dataset returns them"
            )
        if not da.sizes[name]:
            raise SeriesError(f"{da.name!r} has no cells: its {name} is empty. Choose a part within its grid")
        if not np.allclose(steps := np.diff(da[name].values), steps[:1], atol=1e-3 * abs(steps[:1])):
            raise SeriesError(f"{name} of {da.name!r} is not evenly spaced: choose a part without holes")
    if da.attrs.get("units") == "mm":
        shown_interval(da)  # raises where the interval of an amount is out of date
    return da


def _unopened(data: Any) -> str:
    """Return what was passed in place of a variable, and how a source is opened."""
    if not isinstance(data, str | os.PathLike):
        return f"a {type(data).__name__}"
    way = "open_cube" if "://" in str(data) else "open_dataset"
    return f"the name of a source, which ds = radar_nb.{way}({str(data)!r}) opens"


def _further(da: xr.DataArray, known: tuple[Hashable, ...]) -> str:
    return ", ".join(f"{name} ({da.sizes[name]})" for name in da.dims if name not in ("y", "x", *known))


def _of_lead(da: xr.DataArray, lead: Any, *, first: bool) -> xr.DataArray:
    """Return the fields of one lead time; if `first`, the first one is the default."""
    dims = da["lead_time"].dims
    if lead is None:
        alone = dims == ("lead_time",) or (dims == ("time",) and first)
        return da.isel({dims[0]: 0}) if alone else da
    leads = (np.atleast_1d(da["lead_time"].values) / np.timedelta64(1, "m")).astype(int).tolist()
    at = lead_index(leads, lead, str(da.name))
    return da.isel({dims[0]: at}) if dims else da


def _at(da: xr.DataArray, time: str | datetime | np.datetime64, zone: ZoneInfo | None) -> xr.DataArray:
    """Return the field of one time."""
    if "time" not in da.coords:
        raise SeriesError(f"{da.name!r} has no time: leave out time={time!r}")
    times = np.atleast_1d(da["time"].values)
    dated = str(da["time"].attrs.get("long_name", "")).startswith("begin of the period, ")
    moment = _moment(time, None if dated else zone)  # days have the date of their own zone, whatever is shown
    if (found := np.flatnonzero(times == moment)).size == 0:
        nearest = times[np.abs(times - moment).argmin()]
        shown = [str(one.astype("datetime64[D]")) if dated else human_time(one, zone) for one in (moment, nearest)]
        raise SeriesError(
            f"{da.name!r} has no field of {shown[0]}: choose one of its {times.size} times, "
            f"the nearest is {shown[1]}"
        )
    return da.isel(time=int(found[0])) if "time" in da.dims else da


def _moment(time: str | datetime | np.datetime64, zone: ZoneInfo | None) -> np.datetime64:
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
        if zone is not None:
            moment = _in_zone(moment, zone)
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return np.datetime64(str(moment), "ns")
    except SeriesError:
        raise
    except ValueError as error:
        raise SeriesError(f"{time!r} is not a valid time: write it as '2020-06-13T15:25' (UTC)") from error


def _in_zone(time: datetime | np.datetime64, zone: ZoneInfo) -> datetime | np.datetime64:
    """Return a time with its zone; raise SeriesError for an hour that the clock skips or shows twice."""
    local: Any = time if isinstance(time, datetime) else time.astype("datetime64[s]").item()
    if not isinstance(local, datetime) or local.tzinfo is not None:
        return time
    try:
        return on_clock(local, zone)
    except SettingsError as error:
        raise SeriesError(f"{error}") from error
