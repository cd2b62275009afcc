"""Periods of time such as hours, days and months. An interval belongs to the period in which it ends.

Days begin at midnight UTC, at another time of day, or at midnight of another time zone, where a day can have 23
or 25 hours. Times are converted to local time, and the edges of periods back to UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # xarray brings it, without its types

from radar_nb.errors import SettingsError
from radar_nb.runtime.wording import human_time
from radar_nb.runtime.zones import find_zone

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

Label = Literal["begin", "end"]
By = Literal["month", "season", "hour"]

SEASONS = ("DJF", "MAM", "JJA", "SON")
"""Seasons of three months, as xarray names them."""

_CALENDAR = {  # pandas' offsets; those at the end of a period name its last day, which belongs to it
    "Week": 1,
    "MonthBegin": 0,
    "MonthEnd": 1,
    "QuarterBegin": 0,
    "QuarterEnd": 1,
    "YearBegin": 0,
    "YearEnd": 1,
}
_EPOCH = "1970-01-01"
_SHORT = re.compile(r"(\d*)([MQY])(-[A-Z]{3})?")
"""pandas' former aliases for the ends of months, quarters and years, which are still in use."""
_NAMED = {"hydro_year": "YS-NOV"}  # from 1 November (DIN 4049-1, hydrologisches Jahr)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Periods:
    """Periods that hold at least one interval.

    Attributes
    ----------
    of_step : ndarray of int64, shape (n,)
        Number of the period of each interval; -1 for those of a run of forecasts that end before or at its issue.
    bounds : ndarray of datetime64[s], shape (m, 2)
        Begin and end of the time that the intervals of the period cover, UTC. They equal the period's own begin
        and end if intervals end there; the hourly RW of a day, which ends at minute 50, covers 23:50 to 23:50.
    labels : ndarray of datetime64[s], shape (m,)
        Values of the coordinate `time`.
    label : str
        Description of the labels.
    expected : ndarray of float64, shape (m,)
        Number of intervals of a complete period.
    by : {"month", "season", "hour"}, optional
        The periods are parts of every year or day; labels are their numbers or names: see `make_groups`.
    """

    of_step: NDArray[np.int64]
    bounds: NDArray[np.datetime64]
    labels: NDArray[Any]
    label: str
    expected: NDArray[np.float64]
    by: By | None = None

    def part(self, first: int, stop: int) -> Periods:
        """Return the periods from `first` to before `stop`; `of_step` then counts from `first`."""
        some = slice(first, stop)
        return replace(
            self,
            of_step=self.of_step - first,
            bounds=self.bounds[some],
            labels=self.labels[some],
            expected=self.expected[some],
        )

    @property
    def minutes(self) -> int | None:
        """Length of each period; None if lengths differ, as those of months."""
        lengths = np.unique(self.bounds[:, 1] - self.bounds[:, 0])
        return int(lengths[0] // np.timedelta64(1, "m")) if len(lengths) == 1 else None


def make_periods(
    ends: NDArray[np.datetime64],
    period: Any,
    *,
    minutes: int,
    step: int | None = None,
    timezone: str = "UTC",
    day_begin: str = "00:00",
    label: Label | None = None,
    issued: np.datetime64 | None = None,
) -> Periods:
    """Assign each interval to the period in which it ends.

    Parameters
    ----------
    ends : ndarray of datetime64[s], shape (n,)
        Ends of the intervals, rising, UTC; at least one.
    period : str, pandas offset, timedelta, or None
        "1h", "6h", "1D" count from the begin of 1970-01-01; "MS", "ME" and "1M" are calendar months, "YS",
        "QS-DEC" or "W" likewise; "hydro_year" begins on 1 November. None: one period from the first interval's
        begin to the last one's end.
    minutes : int
        Length of an interval.
    step : int, optional
        Minutes from one interval to the next in a complete series, if they overlap; by default each begins where
        the previous one ends.
    timezone : str
        Time zone, such as "Europe/Berlin", for periods of whole days and longer.
    day_begin : str
        Local time at which days, and so months and years, begin: "05:50" for the days of DWD's gauges. Hours are
        counted from it too.
    label : {"begin", "end"}, optional
        Whether periods are labelled by their begin or by the end of the covered time. By default days and longer
        periods are labelled by their begin in local time; shorter periods and the whole series by their end.
    issued : datetime64[s], optional
        Time of issue of the run of forecasts that has these intervals: hours and days are then counted from it,
        unless `timezone` or `day_begin` say otherwise, and intervals that end at that time or before are left out.

    Raises
    ------
    SettingsError
        The period is unknown or not a multiple of the interval, or the time zone, time of day or label is not
        valid.

    Examples
    --------
    >>> ends = np.array(["2020-06-30T23:55", "2020-07-01T00:00", "2020-07-01T00:05"], "datetime64[s]")
    >>> make_periods(ends, "1M", minutes=5).of_step
    array([0, 0, 1])
    """
    if label not in {None, "begin", "end"}:
        raise SettingsError(f'unknown label={label!r}: choose "begin" or "end"')
    interval, distance = np.timedelta64(minutes, "m"), np.timedelta64(step or minutes, "m")
    begin = _begin(day_begin)
    if issued is None:
        return _sorted(
            ends, period, interval=interval, distance=distance, begin=begin, timezone=timezone, label=label
        )
    ahead = (ends > issued) & ((ends - issued) % distance == np.timedelta64(0, "s"))
    if not ahead.any():
        raise SettingsError(
            f"no interval of the run of {human_time(issued)} begins a multiple of {distance} after it: "
            "keep such lead times"
        )
    if not begin and timezone == "UTC" and period is not None and _fixed(_offset(period)):
        begin = issued - np.datetime64(0, "s")
    found = _sorted(
        ends[ahead], period, interval=interval, distance=distance, begin=begin, timezone=timezone, label=label
    )
    of_step = np.full(ends.size, -1, np.int64)
    of_step[ahead] = found.of_step
    return replace(found, of_step=of_step)


def _sorted(
    ends: NDArray[np.datetime64],
    period: Any,
    *,
    interval: np.timedelta64,
    distance: np.timedelta64,
    begin: np.timedelta64,
    timezone: str,
    label: Label | None,
) -> Periods:
    """Assign intervals to periods that are counted from `begin` after an epoch: see `make_periods`."""
    if period is None:
        bounds = np.array([[ends[0] - interval, ends[-1]]], "datetime64[s]")
        return Periods(
            of_step=np.zeros(ends.size, np.int64),
            bounds=bounds,
            labels=bounds[:, int(label != "begin")],
            label=f"{label or 'end'} of the period",
            expected=np.array([(ends[-1] - ends[0]) / distance + 1]),
        )
    offset = _offset(period)
    zone = None if timezone == "UTC" else find_zone(timezone)
    minutes = int(interval / np.timedelta64(1, "m"))
    local = _local(ends, zone) - begin
    if _fixed(offset):
        clock = _ticks(local, offset, period, minutes, zone) + begin
    else:
        clock = _calendar(local, offset, period) + begin
    bounds = _universal(clock, zone)
    if (length := (bounds[:, 1] - bounds[:, 0]).min()) < interval:
        raise SettingsError(
            f"period={period!r} ({length.astype('timedelta64[h]')}) is shorter than the interval of {minutes} "
            "min: choose a longer one"
        )
    first, of_step = np.unique(bounds[:, 1], return_index=True, return_inverse=True)[1:]
    bounds, clock = bounds[first], clock[first]
    long = (clock[:, 1] - clock[:, 0]).min() >= np.timedelta64(1, "D")
    # move bounds back to the last end of an interval
    covered = bounds - (bounds - ends[0]) % distance
    covered[:, 0] += distance - interval
    by_begin = label == "begin" or (label is None and long)
    begins = clock[:, 0] if long else covered[:, 0]
    place = f", {timezone}" if zone is not None and by_begin else ""
    return Periods(
        of_step=of_step,
        bounds=covered,
        labels=begins if by_begin else covered[:, 1],
        label=f"{'begin' if by_begin else 'end'} of the period{place}",
        expected=(bounds[:, 1] - bounds[:, 0]) / distance,
    )


def make_groups(
    ends: NDArray[np.datetime64],
    by: By,
    *,
    minutes: int,
    step: int | None = None,
    timezone: str = "UTC",
    day_begin: str = "00:00",
) -> Periods:
    """Assign each interval to the month, season or hour of the day in which it ends, of all years together.

    Parameters
    ----------
    ends, minutes, step, timezone, day_begin
        As in `make_periods`. `day_begin` is not used for hours.
    by : {"month", "season", "hour"}

    Returns
    -------
    Periods
        With `by`; labels are months from 1 to 12, seasons as in `SEASONS`, or hours from 0 to 23: 0 for intervals
        that end from 00:00 (excluded) to 01:00. All have the bounds of the whole series. `expected` is the number
        of intervals in a complete series from the first to the last.

    Raises
    ------
    SettingsError
        `by`, the time zone or the time of day is not valid.

    Examples
    --------
    >>> ends = np.array(["2020-06-30T23:55", "2020-07-01T00:00", "2020-07-01T00:05"], "datetime64[s]")
    >>> make_groups(ends, "hour", minutes=5).labels
    array([ 0, 23])
    """
    if by not in get_args(By):
        raise SettingsError(f"unknown by={by!r}: choose from {', '.join(get_args(By))}")
    zone = None if timezone == "UTC" else find_zone(timezone)
    begin = _begin(day_begin)
    distance = np.timedelta64(step or minutes, "m")

    def numbers(times: NDArray[np.datetime64]) -> NDArray[np.int64]:
        local = _local(times, zone) - np.timedelta64(1, "s")
        if by == "hour":
            return (local.astype("datetime64[h]").astype(np.int64)) % 24
        month: NDArray[np.int64] = (local - begin).astype("datetime64[M]").astype(np.int64) % 12 + 1
        return month if by == "month" else month % 12 // 3

    labels, of_step = np.unique(numbers(ends), return_inverse=True)
    every = numbers(np.arange(ends[0], ends[-1] + distance, distance).astype("datetime64[s]"))
    clock = "" if zone is None else f", {timezone}"
    return Periods(
        of_step=of_step.astype(np.int64),
        bounds=np.repeat(
            np.array([[ends[0] - np.timedelta64(minutes, "m"), ends[-1]]], "datetime64[s]"), len(labels), 0
        ),
        labels=np.array(SEASONS)[labels] if by == "season" else labels,
        label=f"{by}{' of the day' * (by == 'hour')} in which the intervals end{clock or ', UTC'}",
        expected=np.array([(every == label).sum() for label in labels], np.float64),
        by=by,
    )


def length_of(duration: Any, *, minutes: int, name: str = "duration") -> int:
    """Return a duration in minutes, a whole number of intervals.

    Parameters
    ----------
    duration : str, timedelta, or pandas offset
        "15min", "1h", "72h", "1D".
    minutes : int
        Length of an interval.
    name : str
        Of the argument, for errors.

    Raises
    ------
    SettingsError
        It is not a positive duration, or not a multiple of the interval.

    Examples
    --------
    >>> length_of("72h", minutes=5)
    4320
    """
    try:
        length = pd.Timedelta(duration) if duration is not None else pd.NaT
        number: float = length / pd.Timedelta(minutes, "min")
    except (ValueError, TypeError) as error:
        raise SettingsError(f'{name}={duration!r} is not valid: write it as "15min", "1h" or "72h"') from error
    if not number > 0:
        raise SettingsError(
            f'{name}={duration!r} is not a positive duration: write one such as "15min", "1h" or "72h"'
        )
    if number != round(number):
        raise SettingsError(
            f"{name}={duration!r} is not a multiple of the interval of {minutes} min: choose one that is"
        )
    return round(number) * minutes


def _fixed(offset: Any) -> bool:
    """Return whether an offset always has the same length; in pandas 3 a day is not a Tick."""
    return isinstance(offset, pd.offsets.Tick | pd.offsets.Day)


def _begin(clock: Any) -> np.timedelta64:
    found = _CLOCK.fullmatch(clock) if isinstance(clock, str) else None
    if found is None:
        raise SettingsError(f'day_begin={clock!r} is not a time of day: write it as "05:50"')
    return np.timedelta64(60 * int(found[1]) + int(found[2]), "m")


def _local(times: NDArray[np.datetime64], zone: ZoneInfo | None) -> NDArray[np.datetime64]:
    """Convert UTC to local time."""
    if zone is None:
        return times
    there = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    shown: NDArray[np.datetime64] = there.to_numpy()
    return shown.astype("datetime64[s]")


def _universal(times: NDArray[np.datetime64], zone: ZoneInfo | None) -> NDArray[np.datetime64]:
    """Convert local time to UTC; ambiguous times are the first, skipped ones are moved to after the gap."""
    if zone is None:
        return times
    flat = pd.DatetimeIndex(times.ravel())
    first = np.ones(flat.size, bool)
    there = flat.tz_localize(zone, ambiguous=first, nonexistent="shift_forward").tz_convert("UTC")
    edges: NDArray[np.datetime64] = there.tz_localize(None).to_numpy()
    return edges.astype("datetime64[s]").reshape(times.shape)


def _offset(period: Any) -> Any:
    if isinstance(period, str):
        period = _NAMED.get(period, period)
    short = _SHORT.fullmatch(period) if isinstance(period, str) else None
    try:
        return pd.tseries.frequencies.to_offset(f"{short[1]}{short[2]}E{short[3] or ''}" if short else period)
    except (ValueError, TypeError) as error:
        raise _wrong(period) from error


def _wrong(period: Any) -> SettingsError:
    return SettingsError(
        f'unknown period={period!r}: choose hours or days ("1h", "6h", "1D"), weeks ("W"), months ("MS", "1M"), '
        'quarters ("QS-DEC"), years ("YS", "hydro_year"), or None for the whole series'
    )


def _ticks(
    ends: NDArray[np.datetime64], offset: Any, period: Any, minutes: int, zone: ZoneInfo | None
) -> NDArray[np.datetime64]:
    """Return for each interval the bounds of its period of fixed length."""
    day = isinstance(offset, pd.offsets.Day)
    if zone is not None and not day:
        raise SettingsError(
            f"period={period!r} in {zone} is ambiguous when clocks are put back: choose whole days or longer, or "
            "leave out timezone"
        )
    length = (pd.Timedelta(days=offset.n) if day else pd.Timedelta(offset)).to_timedelta64()
    if length <= np.timedelta64(0, "s"):
        raise SettingsError(f'period={period!r} is not positive: choose a length such as "1h" or "1D"')
    if length % np.timedelta64(minutes, "m"):
        raise SettingsError(
            f"period={period!r} is not a multiple of the interval of {minutes} min: choose one that is"
        )
    seconds = int(length / np.timedelta64(1, "s"))
    last = -(-ends.astype("datetime64[s]").astype(np.int64) // seconds) * seconds
    return np.stack([last - seconds, last], axis=-1).astype("datetime64[s]")


def _calendar(ends: NDArray[np.datetime64], offset: Any, period: Any) -> NDArray[np.datetime64]:
    """Return for each interval the bounds of its calendar period."""
    if type(offset).__name__ not in _CALENDAR or offset.n < 1:
        raise _wrong(period)
    first = pd.Timestamp(_EPOCH) - offset
    # two more, since the last interval may end on the last edge but one or after it
    dates = pd.date_range(first, pd.Timestamp(ends[-1]) + 2 * offset, freq=offset)
    edges = dates.to_numpy().astype("datetime64[s]") + np.timedelta64(_CALENDAR[type(offset).__name__], "D")
    number = np.searchsorted(edges, ends, side="left")
    return np.stack([edges[number - 1], edges[number]], axis=-1)
