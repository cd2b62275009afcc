"""Forecasts as series over their time of validity: one run along its lead times, or one lead time of many runs.

As frames are published, a forecast has two axes: `time`, when a run was issued, and `lead_time`, how far ahead. A
series has one, the end of each interval. Both ways to get it keep the two others as the coordinates
`forecast_reference_time` and `lead_time` (CF's `forecast_period`), of which one is a scalar.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.dwd.products import PRODUCTS, missing_steps, true_interval
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.series import choose_sums, series_step
from radar_nb.runtime.wording import human_interval, human_time

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.reading.series import Series

_MINUTE = np.timedelta64(60, "s")
_DURATION = re.compile(r"(?:(\d+) ?h)? ?(?:(\d+) ?min)?")
SPELLING = {"units": "seconds since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian", "dtype": "int64"}

TIME = {"standard_name": "time", "axis": "T", "bounds": "time_bnds"}
ISSUED = {"standard_name": "forecast_reference_time", "long_name": "time of issue"}
AHEAD = {"standard_name": "forecast_period", "long_name": "how far ahead"}
AHEAD_SPELLING = {"units": "minutes", "dtype": "int32"}


def forecast(data: Any, *, run: Any = None, lead: Any = None) -> Any:
    """Return a forecast as a series over its time of validity.

    There are two ways to look at a forecast: one run along its lead times, for what is coming, and one lead time
    of many runs, for verification. Every analysis and every picture accepts the result, and does by itself what
    this function does where there is one run or one lead time alone.

    Parameters
    ----------
    data : xarray.Dataset or DataArray
        As `open_dataset` returns a product with forecasts, with `lead_time` and `prediction_time`.
    run : str, datetime or numpy.datetime64, optional
        The time at which the run was issued, UTC unless it carries a zone; or "latest".
    lead : str, timedelta or numpy.timedelta64, optional
        How far ahead: "30min", "1h", "0min" for the analysis. Without both, `data` must have one run, or one lead
        time.

    Returns
    -------
    xarray.Dataset or DataArray
        As `data`, as lazy, with one axis: `time`, the end of each interval, UTC.
        `forecast_reference_time`, when a run was issued, is a scalar of a run and lies along `time` otherwise;
        `lead_time` the other way round.

    Raises
    ------
    SeriesError
        Not a forecast, several runs with several lead times and none chosen, or no such run or lead time.
    SettingsError
        Both are given, or one is not a time or a duration.

    Examples
    --------
    >>> ds = rn.open_dataset("DE1200_RV2509230855.tar.bz2")  # doctest: +SKIP
    >>> forecast(ds, lead="30min").RV.dims  # doctest: +SKIP
    ('time', 'y', 'x')
    """
    if not is_forecast(data):
        raise SeriesError(f"{_name(data)} is not a forecast: pass what open_dataset returns for RV, RS, RQ or WN")
    if "prediction_time" not in data.coords:
        return _of_series(data, run, lead)
    axes = {"time", "lead_time"} & set(data.dims)
    if not axes:
        raise SeriesError(f"{_name(data)} is a single field of a forecast: pass several, or draw it with plot")
    runs, leads = (np.atleast_1d(data[name].values) for name in ("time", "lead_time"))
    stays, at = _choice(
        _name(data),
        runs,
        (leads / _MINUTE).astype(int).tolist(),
        run=run,
        lead=lead,
        way=" with forecast(ds, ...)",
    )
    (dropped,) = {"time", "lead_time"} - {stays}
    if stays not in axes:  # a field alone of the axis that there is
        return _lead(data.isel(time=[at])) if stays == "lead_time" else _run(data.isel(lead_time=[at]))
    one = data.isel({dropped: at}) if dropped in axes else data
    return _run(one) if stays == "lead_time" else _lead(one)


def is_forecast(data: Any) -> bool:
    """Return whether a Dataset or a variable states how far ahead its fields look."""
    return "lead_time" in getattr(data, "coords", ()) and data["lead_time"].dtype.kind == "m"


def as_series(data: Any) -> Any:
    """Return a forecast as a series over its time of validity, and anything else unchanged.

    Raises
    ------
    SeriesError
        It has several runs and several lead times: the message names both ways to choose.
    """
    axes = {"time", "lead_time"} & set(getattr(data, "dims", ()))
    return forecast(data) if axes and is_forecast(data) and "prediction_time" in data.coords else data


def issue_of(data: xr.DataArray | xr.Dataset) -> np.datetime64 | None:
    """Return when a run was issued, datetime64[s], UTC; None for what is not one run along its lead times."""
    issued = data.coords.get("forecast_reference_time")
    if issued is None or issued.ndim or data.coords.get("lead_time", issued).dims != ("time",):
        return None
    stamp: np.datetime64 = issued.values.astype("datetime64[s]")[()]
    return stamp


def issue_coords(data: xr.DataArray) -> dict[Any, Any]:
    """Return those coordinates of a series of forecasts that are the same for all its fields."""
    names = ("forecast_reference_time", "lead_time")
    return {name: data[name].variable for name in names if name in data.coords and not data[name].ndim}


def lead_minutes(lead: Any) -> int:
    """Return a lead time in minutes.

    Raises
    ------
    SettingsError
        It is not a duration of whole minutes with its unit.

    Examples
    --------
    >>> lead_minutes("30min"), lead_minutes("1h 30min")
    (30, 90)
    """
    found = _DURATION.fullmatch(lead.strip()) if isinstance(lead, str) else None
    if found and found[0]:
        return 60 * int(found[1] or 0) + int(found[2] or 0)
    if isinstance(lead, timedelta | np.timedelta64):
        minutes = np.timedelta64(lead, "s") / _MINUTE
        if minutes == round(minutes):
            return round(minutes)
    raise SettingsError(f'lead={lead!r} is not a lead time: write it with its unit, as "30min" or "1h"')


def lead_index(leads: Any, lead: Any, name: str) -> int:
    """Return the place of a lead time among those, in minutes, that there are.

    Raises
    ------
    SeriesError
        It is not among them.
    SettingsError
        See `lead_minutes`.
    """
    minutes = lead_minutes(lead)
    if minutes not in leads:
        raise SeriesError(f"{name} has no lead time of {human_interval(minutes)}: choose one of {_minutes(leads)}")
    at: int = list(leads).index(minutes)
    return at


def over_validity(
    series: Series, *, run: Any = None, lead: Any = None, sums: str = "apart", fill_gaps: bool = False
) -> Series:
    """Return the series of one run or of one lead time, as `forecast` does for a Dataset.

    Parameters
    ----------
    series : Series
        With lead times.
    run, lead
        As in `forecast`.
    sums, fill_gaps
        As in `open_dataset`. Overlapping sums of a run are kept: lead times of RS are five minutes apart.

    Raises
    ------
    SeriesError, SettingsError
        As `forecast`; or the run or lead time has no frame.
    """
    header = series.frames.kinds[0].header
    if series.leads[0] is None:
        raise SeriesError(
            f"{header.product} holds no forecasts, so that there is no run and no lead time to choose: leave out "
            "run= and lead="
        )
    along, at = _choice(header.product, series.times, series.leads, run=run, lead=lead)
    leads = np.array(series.leads, "timedelta64[m]").astype("timedelta64[s]")
    interval = true_interval(header.product, header.interval)
    if along == "lead_time":
        base = series.times[at]
        times, slots = base + leads, series.slots[at]
    else:
        base = series.times
        times, slots = base + leads[at], series.slots[:, at]
    there, taken = slots >= 0, ""
    if along == "time":
        chosen, taken = choose_sums(times[there], interval, sums)
        there[there] = chosen
    minutes = times[there].astype(np.int64) // 60
    step = (lead_step if along == "lead_time" else series_step)(header.product, interval, minutes)
    missing = (missing_steps(minutes, step) * 60).astype("datetime64[s]")
    times, slots = times[there], slots[there, None]
    if along == "time":
        base = base[there]
    if fill_gaps:
        shown = np.sort(np.append(times, missing))
        whole = np.full((shown.size, 1), -1, np.int64)
        whole[np.searchsorted(shown, times)] = slots
        base = base if along == "lead_time" else shown - leads[at]
        times, slots = shown, whole
    return replace(
        series, times=times, leads=(None,), slots=slots, missing=missing, taken=taken, base=np.asarray(base)
    )


def lead_step(name: str, interval: int, minutes: NDArray[np.int64]) -> int:
    """Return the minutes from one lead time to the next in a complete run.

    Parameters
    ----------
    name : str
        DWD's letters: the table of products has the lead times.
    interval : int
        Minutes that a value covers.
    minutes : ndarray of int64, shape (n,)
        Times of validity that are there, for products that are not in the table.
    """
    known = PRODUCTS.get(name)
    step: int = min([interval, *np.diff(minutes if known is None or not known.leads else known.leads).tolist()])
    return step


def forecast_coords(base: NDArray[np.datetime64], times: NDArray[Any]) -> dict[str, xr.Variable]:
    """Return the coordinates of a series over its time of validity.

    Parameters
    ----------
    base : ndarray of datetime64[s], shape () for a run or (n,) for a lead time
        When the fields were issued.
    times : ndarray of datetime64, shape (n,)
        Ends of the intervals.
    """
    ahead = (times.astype("datetime64[s]") - base).astype("timedelta64[ns]")
    dims: tuple[str, ...] = ("time",)
    issued, lead = (base, ahead) if base.ndim == 0 else (base, ahead[0])
    return {
        "forecast_reference_time": xr.Variable(
            dims[: issued.ndim], issued.astype("datetime64[ns]"), dict(ISSUED), dict(SPELLING)
        ),
        "lead_time": xr.Variable(dims[: np.ndim(lead)], lead, dict(AHEAD), dict(AHEAD_SPELLING)),
    }


def _choice(
    name: str, runs: NDArray[np.datetime64], leads: Any, *, run: Any, lead: Any, way: str = ""
) -> tuple[str, int]:
    """Return the axis that stays, `time` or `lead_time`, and the place on the other one."""
    if run is not None and lead is not None:
        raise SettingsError(f"run={str(run)!r} and lead={str(lead)!r} choose a single field: pass one of the two")
    if lead is not None:
        return "time", lead_index(leads, lead, name)
    if run is not None:
        moment = runs[-1] if run == "latest" else _moment(run)
        if not (found := np.flatnonzero(runs == moment)).size:
            nearest = runs[np.abs(runs - moment).argmin()]
            raise SeriesError(
                f"{name} has no run of {human_time(moment)}: it has {runs.size}, from {human_time(runs[0])} to "
                f"{human_time(runs[-1])}, the nearest of {human_time(nearest)}"
            )
        return "lead_time", int(found[0])
    if len(runs) == 1:
        return ("lead_time", 0) if len(leads) > 1 else ("time", 0)
    if len(leads) == 1:
        return "time", 0
    raise SeriesError(
        f"{name} has {len(runs)} runs of several lead times ({_minutes(leads)}), and a series has one axis: "
        f'choose run="{str(runs[-1])[:16]}" or run="latest" for one run along its lead times, or '
        f'lead="{leads[-1]}min" for one lead time{way}'
    )


def _minutes(leads: Any) -> str:
    """Return lead times in words; of many the first ones and the last."""
    texts = [str(lead) for lead in leads]
    shown = texts if len(texts) < 8 else [*texts[:3], "...", texts[-1]]
    return f"{', '.join(shown)} min"


def _moment(run: Any) -> np.datetime64:
    try:
        moment = datetime.fromisoformat(run) if isinstance(run, str) else run
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return np.datetime64(str(moment), "ns")
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f'run={run!r} is not a time: write it as "2025-09-23T08:55" (UTC), or "latest"'
        ) from error


def _name(data: Any) -> str:
    names = [str(name) for name in getattr(data, "data_vars", ()) if name not in ("flags", "coverage")]
    return names[0] if len(names) == 1 else str(getattr(data, "name", None) or type(data).__name__)


def _of_series(data: Any, run: Any, lead: Any) -> Any:
    """Return a forecast that has its time of validity as axis already, if it is what was asked for."""
    if "forecast_reference_time" not in data.coords:
        raise SeriesError(
            f"{_name(data)} has several lead times and no coordinate prediction_time, which says what time its "
            "fields are for: pass what open_dataset returns"
        )
    if run is None and lead is None:
        return data
    raise SeriesError(
        f"{_name(data)} is a series over its time of validity already: choose run= or lead= of what open_dataset "
        "returns"
    )


def _run(one: Any) -> Any:
    """Turn the lead times of one run, whose `time` is a scalar, into the axis of time."""
    stamps = {name: one[name].variable for name in _STAMPS}
    one = one.drop_vars(list(_STAMPS)).rename(lead_time="time")
    size = one.sizes["time"]
    if "source" in one.coords:
        source = xr.Variable("time", np.full(size, one["source"].item(), object), one["source"].attrs)
        one = one.assign_coords(source=source)
    for variable in one.data_vars.values() if isinstance(one, xr.Dataset) else [one]:
        if "preferred_chunks" in variable.encoding:  # one file holds all lead times
            variable.encoding = variable.encoding | {"preferred_chunks": {"time": (size,)}}
    return _with(one, stamps)


def _lead(one: Any) -> Any:
    """Turn runs at one lead time, which is a scalar, into a series over their time of validity."""
    stamps = {name: one[name].variable for name in _STAMPS}
    return _with(one.drop_vars(["prediction_time", "lead_time"]), stamps)


_STAMPS = {"prediction_time": "time", "time": "forecast_reference_time", "lead_time": "lead_time"}
"""What the coordinates of a forecast become in a series."""


def _with(one: Any, stamps: dict[str, xr.Variable]) -> Any:
    coords = forecast_coords(stamps["time"].values.astype("datetime64[s]"), stamps["prediction_time"].values)
    coords["time"] = xr.Variable("time", stamps["prediction_time"].values, dict(TIME))
    for old, new in _STAMPS.items():  # computed data has no encoding, opened data has one
        coords[new].encoding = dict(stamps[old].encoding)
    return one.assign_coords(coords)
