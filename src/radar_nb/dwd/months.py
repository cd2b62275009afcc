"""Months, ranges of months, and the expected time steps of a month."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.errors import MonthError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TEXT = re.compile(r"(\d{4})-?(\d{2})(?:-(\d{2})(?:[T ](\d{2})(?::(\d{2})(?::00)?)?Z?)?)?", re.ASCII)
_YEAR = re.compile(r"\d{4}", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """One calendar month in UTC.

    Parameters
    ----------
    year : int
        1900 to 2999.
    month : int
        1 to 12.

    Raises
    ------
    MonthError
        Year or month is out of range.

    Examples
    --------
    >>> Month(2020, 6) + 7
    Month(2021, 1)
    >>> str(Month(2020, 6)), Month(2020, 6).days
    ('2020-06', 30)
    """

    year: int
    month: int

    def __post_init__(self) -> None:
        """Raise for a year or month out of range."""
        if not 1900 <= self.year <= 2999 or not 1 <= self.month <= 12:
            raise MonthError(
                f"{self.year:04d}-{self.month:02d} is not a valid month: write YYYY-MM, such as 2020-06"
            )

    @classmethod
    def of(cls, value: Any) -> Month:
        """Return the month of a text, date, time, `pandas.Period` or `Month`.

        Parameters
        ----------
        value : str, datetime.date, numpy.datetime64, pandas.Period, pandas.Timestamp or Month
            A text is `YYYY-MM`, `YYYYMM`, `YYYY-MM-DD`, `YYYY-MM-DDTHH` or `YYYY-MM-DDTHH:MM`. Times are in UTC; a
            time with another time zone is converted first.

        Returns
        -------
        Month

        Raises
        ------
        MonthError
            The value is not a month: also for a day that does not exist, and for a period of a year or a quarter.

        Examples
        --------
        >>> Month.of("2020-06"), Month.of("202006"), Month.of(date(2020, 6, 13))
        (Month(2020, 6), Month(2020, 6), Month(2020, 6))
        """
        if isinstance(value, Month):
            return value
        if isinstance(value, np.datetime64) and np.datetime_data(value)[0] != "Y" and not np.isnat(value):
            value = value.astype("datetime64[M]").item()
        if isinstance(value, datetime) and value.tzinfo is not None:
            value = value.astimezone(UTC)
        if isinstance(value, str) and (match := _TEXT.fullmatch(value.strip())):
            named = cls(int(match[1]), int(match[2]))
            day, hour, minute = int(match[3] or 1), int(match[4] or 0), int(match[5] or 0)
            if 1 <= day <= named.days and hour < 24 and minute < 60:
                return named
        # date or Timestamp; a Period may also be a year or a quarter, which is not a month
        first, last = getattr(value, "start_time", value), getattr(value, "end_time", value)
        year, month = getattr(first, "year", None), getattr(first, "month", None)
        if isinstance(year, int) and isinstance(month, int) and (last.year, last.month) == (year, month):
            return cls(year, month)
        raise MonthError(
            f"{value!r} is not a valid month: write YYYY-MM, such as '2020-06', or pass a date, Period or Month"
        )

    @classmethod
    def now(cls) -> Month:
        """Return the current month in UTC."""
        return cls.of(datetime.now(UTC))

    @property
    def first_day(self) -> date:
        """The first day."""
        return date(self.year, self.month, 1)

    @property
    def days(self) -> int:
        """The number of days."""
        return calendar.monthrange(self.year, self.month)[1]

    @property
    def last_day(self) -> date:
        """The last day."""
        return date(self.year, self.month, self.days)

    def __add__(self, months: int) -> Month:
        """Return the month `months` later."""
        years, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        return Month(years, month + 1)

    def __sub__(self, other: Month) -> int:
        """Return the number of months from `other` to this one."""
        return (self.year - other.year) * 12 + self.month - other.month

    def __str__(self) -> str:
        """Return YYYY-MM."""
        return f"{self.year:04d}-{self.month:02d}"

    def __repr__(self) -> str:
        """Return an expression that recreates it."""
        return f"Month({self.year}, {self.month})"


def month_range(first: Any, last: Any = None) -> tuple[Month, ...]:
    """Return all months from `first` to `last`, inclusive.

    Parameters
    ----------
    first, last
        Any value that `Month.of` accepts, or a year: `"2020"`, 2020, `numpy.datetime64("2020")`. A year, or a
        `pandas.Period` of several months, as `first` means its first month and as `last` its last. Without `last`
        the range is the single month or year `first`.

    Returns
    -------
    tuple of Month
        In order, at least one.

    Raises
    ------
    MonthError
        A value is neither a month nor a year, or `last` is before `first`.

    Examples
    --------
    >>> [str(month) for month in month_range("2019-11", "2020-02")]
    ['2019-11', '2019-12', '2020-01', '2020-02']
    >>> len(month_range(2001, 2025))
    300
    """
    begin, end = _span(first)
    end = end if last is None else _span(last)[1]
    if end < begin:
        raise MonthError(
            f"the range {begin} to {end} is reversed: write the earlier month first, as in {end} to {begin}"
        )
    return tuple(begin + step for step in range(end - begin + 1))


def time_span(first: Any, last: Any = None) -> tuple[np.datetime64, np.datetime64] | None:
    """Return the first and the last time stamp of a range of days, hours or minutes.

    Parameters
    ----------
    first, last
        As for `month_range`. A day as `last` is included to its end, as is an hour ("2020-06-13T15"); a datetime
        at midnight means its day. Without `last` the range is the single day, hour or minute `first`.

    Returns
    -------
    tuple of numpy.datetime64[s], UTC, or None
        Both are in the range. None for whole months.

    Raises
    ------
    MonthError
        As for `month_range`; or `last` is before `first`.

    Examples
    --------
    >>> time_span("2020-06-13", "2020-06-13T15")
    (np.datetime64('2020-06-13T00:00:00'), np.datetime64('2020-06-13T15:59:59'))
    >>> time_span("2020-06", 2021) is None
    True
    """
    months = month_range(first, last)
    begin, end = _times(first), _times(first if last is None else last)
    if begin is None and end is None:
        return None
    start = np.datetime64(months[0].first_day, "s") if begin is None else begin[0]
    stop = np.datetime64((months[-1] + 1).first_day, "s") - np.timedelta64(1, "s") if end is None else end[1]
    if stop < start:
        raise MonthError(f"the range {start} to {stop} is reversed: use the earlier time first")
    return start, stop


def _times(value: Any) -> tuple[np.datetime64, np.datetime64] | None:
    """Return the first and the last second of a day, an hour or a minute; None for longer periods."""
    if hasattr(value, "start_time") and hasattr(value, "end_time"):  # a Period
        if (value.end_time - value.start_time).days >= 27:
            return None
        return np.datetime64(value.start_time, "s"), np.datetime64(value.end_time, "s")
    moment = _moment(value)
    if moment is None:
        return None
    unit: Any = np.datetime_data(moment.dtype)[0]
    following = moment + np.timedelta64(1, unit)
    return moment.astype("datetime64[s]"), following.astype("datetime64[s]") - np.timedelta64(1, "s")


def _moment(value: Any) -> np.datetime64 | None:
    """Return a day, an hour or a minute, in that unit; None for a month or a year."""
    if isinstance(value, str) and (match := _TEXT.fullmatch(value.strip())):
        year, month, day, hour, minute = match.groups()
        parts = f"{year}-{month}-{day}" + (f"T{hour}" if hour else "") + (f":{minute}" if minute else "")
        return np.datetime64(parts) if day else None
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[s]").item() if np.datetime_data(value)[0] not in {"Y", "M"} else None
    if isinstance(value, datetime):
        value = (value.astimezone(UTC) if value.tzinfo is not None else value).replace(tzinfo=None)
        if value.time() != time():
            return np.datetime64(value, "m")
    return np.datetime64(date(value.year, value.month, value.day), "D") if isinstance(value, date) else None


def _span(value: Any) -> tuple[Month, Month]:
    """Return the first and the last month of a value that is a month, a year or a period."""
    if isinstance(value, np.datetime64) and np.datetime_data(value)[0] == "Y" and not np.isnat(value):
        value = value.item().year
    if isinstance(value, str) and _YEAR.fullmatch(value.strip()):
        value = int(value)
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool) and 1900 <= value <= 2999:
        return Month(int(value), 1), Month(int(value), 12)
    if hasattr(value, "start_time") and hasattr(value, "end_time"):  # a Period; NaT has none
        return Month.of(value.start_time), Month.of(value.end_time)
    month = Month.of(value)
    return month, month


def time_steps(month: Month, *, every: int, minute: int = 0) -> NDArray[np.datetime64]:
    """Return the expected time steps of a product in a month.

    A frame belongs to the month of its time stamp (the end of its interval), as in DWD's archives: the first frame
    of a 5-minute month is stamped 00:00 on its first day, the last 23:55 on its last.

    Parameters
    ----------
    month : Month
    every : int
        Minutes from one step to the next, a divisor of a day.
    minute : int
        The first step's minute after midnight: 50 for the hourly RW and the SF.

    Returns
    -------
    ndarray of datetime64[s], shape (n,)
        In order, UTC.

    Examples
    --------
    >>> time_steps(Month(2020, 6), every=5).size
    8640
    >>> time_steps(Month(2020, 6), every=60, minute=50)[0]
    np.datetime64('2020-06-01T00:50:00')
    """
    midnight = np.datetime64(month.first_day, "s")
    begin, end = midnight + np.timedelta64(minute, "m"), midnight + np.timedelta64(month.days, "D")
    return np.arange(begin, end, np.timedelta64(every, "m"))
