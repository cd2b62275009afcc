"""Periods of time that intervals are gathered in: hours, days, months. An interval belongs where it ends."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # xarray brings it, without its types

from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CALENDAR = {  # pandas' names; those at the end of a period name its last day, which belongs to it
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
"""pandas once had these names for the ends of months, quarters and years; everybody still writes them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Periods:
    """Periods that hold at least one interval.

    Attributes
    ----------
    of_step : ndarray of int64, shape (n,)
        For each interval the number of its period.
    bounds : ndarray of datetime64[s], shape (m, 2)
        Begin and end, UTC. An interval that ends at the begin does not belong to the period, one that ends at the
        end does.
    expected : ndarray of float64, shape (m,)
        How many intervals there would be if none were missing.
    """

    of_step: NDArray[np.int64]
    bounds: NDArray[np.datetime64]
    expected: NDArray[np.float64]


def make_periods(ends: NDArray[np.datetime64], period: Any, *, minutes: int) -> Periods:
    """Sort intervals into periods.

    Parameters
    ----------
    ends : ndarray of datetime64[s], shape (n,)
        Ends of the intervals, rising, UTC; at least one.
    period : str, pandas offset, timedelta, or None
        "1h", "6h", "1D" count from midnight UTC of 1970-01-01; "MS", "ME" and "1M" are calendar months, "YS",
        "QS-DEC" or "W" likewise. None: one period from the first interval's begin to the last one's end.
    minutes : int
        How long an interval is.

    Raises
    ------
    SettingsError
        The period is none, or no multiple of the interval.

    Examples
    --------
    >>> ends = np.array(["2020-06-30T23:55", "2020-07-01T00:00", "2020-07-01T00:05"], "datetime64[s]")
    >>> make_periods(ends, "1M", minutes=5).of_step
    array([0, 0, 1])
    """
    interval = np.timedelta64(minutes, "m")
    step = _step(ends, interval)
    if period is None:
        bounds = np.array([[ends[0] - interval, ends[-1]]], "datetime64[s]")
        expected = np.array([(ends[-1] - ends[0]) / step + 1])
        return Periods(of_step=np.zeros(ends.size, np.int64), bounds=bounds, expected=expected)
    offset = _offset(period)
    # pandas has made a day no tick in version 3
    if isinstance(offset, pd.offsets.Tick | pd.offsets.Day):
        bounds = _ticks(ends, offset, period, minutes)
    else:
        bounds = _calendar(ends, offset, period)
        if (length := (bounds[:, 1] - bounds[:, 0]).min()) < interval:
            raise SettingsError(
                f"period={period!r} ({length.astype('timedelta64[h]')}) is shorter than the interval of {minutes} "
                "min: take a longer one"
            )
    number, of_step = np.unique(bounds[:, 1], return_index=True, return_inverse=True)[1:]
    bounds = bounds[number]
    return Periods(of_step=of_step, bounds=bounds, expected=(bounds[:, 1] - bounds[:, 0]) / step)


def _step(ends: NDArray[np.datetime64], interval: np.timedelta64) -> np.timedelta64:
    """Give the most frequent distance of two intervals; of few, their length."""
    if ends.size < 3:
        return interval
    distances, counts = np.unique(np.diff(ends), return_counts=True)
    step: np.timedelta64 = distances[counts.argmax()]
    return step


def _offset(period: Any) -> Any:
    short = _SHORT.fullmatch(period) if isinstance(period, str) else None
    try:
        return pd.tseries.frequencies.to_offset(f"{short[1]}{short[2]}E{short[3] or ''}" if short else period)
    except (ValueError, TypeError) as error:
        raise _wrong(period) from error


def _wrong(period: Any) -> SettingsError:
    return SettingsError(
        f'period={period!r} is no period: possible are hours and days ("1h", "6h", "1D"), weeks ("W"), months '
        '("MS", "1M"), quarters ("QS-DEC") and years ("YS"), or None for all in one'
    )


def _ticks(ends: NDArray[np.datetime64], offset: Any, period: Any, minutes: int) -> NDArray[np.datetime64]:
    """Give for each interval the bounds of its period, of a fixed length."""
    day = isinstance(offset, pd.offsets.Day)
    length = (pd.Timedelta(days=offset.n) if day else pd.Timedelta(offset)).to_timedelta64()
    if length <= np.timedelta64(0) or length % np.timedelta64(minutes, "m"):
        raise SettingsError(f"period={period!r} is no multiple of the interval of {minutes} min: take one that is")
    seconds = int(length / np.timedelta64(1, "s"))
    last = -(-ends.astype("datetime64[s]").astype(np.int64) // seconds) * seconds
    return np.stack([last - seconds, last], axis=-1).astype("datetime64[s]")


def _calendar(ends: NDArray[np.datetime64], offset: Any, period: Any) -> NDArray[np.datetime64]:
    """Give for each interval the bounds of its period, which the calendar tells."""
    if type(offset).__name__ not in _CALENDAR or offset.n < 1:
        raise _wrong(period)
    first = pd.Timestamp(_EPOCH) - offset
    # two more: the last interval may end on the last edge but one, or after it
    dates = pd.date_range(first, pd.Timestamp(ends[-1]) + 2 * offset, freq=offset)
    edges = dates.to_numpy().astype("datetime64[s]") + np.timedelta64(_CALENDAR[type(offset).__name__], "D")
    number = np.searchsorted(edges, ends, side="left")
    return np.stack([edges[number - 1], edges[number]], axis=-1)
