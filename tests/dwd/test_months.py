"""Months, ranges of months and their time steps."""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.dwd.months import Month, month_range, time_span, time_steps
from radar_nb.errors import MonthError

if TYPE_CHECKING:
    from collections.abc import Iterator

pandas = pytest.importorskip("pandas")  # comes with xarray

MONTHS = st.builds(Month, st.integers(1900, 2999), st.integers(1, 12))
NEAR = st.builds(Month, st.integers(1990, 2040), st.integers(1, 12))
JUNE = Month(2020, 6)
NEW_YORK = timezone(timedelta(hours=-4))


@pytest.mark.parametrize(
    "value",
    [
        "2020-06",
        "202006",
        " 2020-06 ",
        "2020-06-30",
        date(2020, 6, 1),
        datetime(2020, 6, 30, 23, 55, tzinfo=UTC),
        datetime(2020, 5, 31, 23, 30, tzinfo=NEW_YORK),
        datetime(2020, 6, 30, 23, 55),  # noqa: DTZ001 - a time without zone counts in UTC
        np.datetime64("2020-06"),
        np.datetime64("2020-06-30T23:55:00", "ns"),
        pandas.Period("2020-06", "M"),
        pandas.Period("2020-06-13", "D"),
        pandas.Timestamp("2020-06-13T15:25"),
        pandas.Timestamp("2020-05-31T23:30", tz="America/New_York"),
        JUNE,
    ],
    ids=repr,
)
def test_a_month_is_accepted_in_every_usual_form(value: Any) -> None:
    """A text, date, time or period names the month that contains it, with times in UTC."""
    assert Month.of(value) == JUNE


@pytest.mark.parametrize(
    "value",
    [
        "",
        "June 2020",
        "2020",
        "2020-6",
        "2020-13",
        "2020-00",
        "2020-06-31",
        "2020-06-00",
        "20-06",
        "0000-01",
        202006,
        2020.5,
        None,
        True,
        [],
        np.datetime64("NaT"),
        np.datetime64("2020"),
        pandas.NaT,
        pandas.Period("2020", "Y"),
        pandas.Period("2020Q2", "Q"),
    ],
    ids=repr,
)
def test_an_invalid_month_is_refused_with_a_valid_form(value: Any) -> None:
    """The error for a wrong value, a nonexistent day or a whole year shows how to write a month."""
    with pytest.raises(MonthError, match=r"is not a valid month.*YYYY-MM, such as '?2020-06"):
        Month.of(value)


@given(NEAR, st.integers(0, 400))
def test_a_range_includes_both_ends(first: Month, more: int) -> None:
    """A range equals pandas.period_range of the same two months."""
    last = first + more

    months = month_range(str(first), last)

    assert [str(month) for month in months] == [
        str(period) for period in pandas.period_range(str(first), str(last), freq="M")
    ]


@given(NEAR)
def test_a_range_without_end_is_one_month(month: Month) -> None:
    """A single month can be requested."""
    assert month_range(month) == (month,)


@pytest.mark.parametrize(
    "year",
    [
        "2020",
        " 2020 ",
        2020,
        np.int64(2020),
        np.datetime64("2020"),
        pandas.Period("2020", "Y"),
        pandas.Period("2020"),
    ],
    ids=repr,
)
def test_a_year_is_its_months(year: Any) -> None:
    """A year starts a range in January, ends one in December, and alone is all of it."""
    all_of_it = tuple(Month(2020, month) for month in range(1, 13))

    assert month_range(year) == all_of_it
    assert month_range(year, year) == all_of_it
    assert month_range("2019-11", year)[2:] == all_of_it
    assert month_range(year, "2021-01")[:12] == all_of_it


def test_a_range_of_years_includes_both() -> None:
    """2001 to 2025 is a quarter of a century, from its first month to its last."""
    months = month_range("2001", 2025)

    assert (months[0], months[-1], len(months)) == (Month(2001, 1), Month(2025, 12), 300)


def test_a_quarter_is_its_months() -> None:
    """A period of several months is all of them; a period of days is in its month."""
    assert month_range(pandas.Period("2020Q2", "Q")) == (Month(2020, 4), Month(2020, 5), JUNE)
    assert month_range(pandas.Period("2020Q2", "Q"), "2020-07")[0] == Month(2020, 4)
    assert month_range("2020-06", pandas.Period("2020Q2", "Q")) == (JUNE,)
    assert month_range(pandas.Period("2020-06-13", "D")) == (JUNE,)


@pytest.mark.parametrize(
    "value",
    ["20", "20200", "\u0662\u0660\u0662\u0660", 20, 202006, 2020.0, True, 1899, 3000, -2020, "1899", "3000",
     np.datetime64("NaT", "Y"), pandas.NaT, None],
    ids=repr,
)  # fmt: skip
def test_an_invalid_year_is_refused(value: Any) -> None:
    """The error for any value but a month or a four-digit year shows how to write one."""
    with pytest.raises(MonthError, match=r"is not a valid month.*YYYY-MM"):
        month_range(value)


def test_a_reversed_range_of_years_is_refused() -> None:
    """The message has the months in the right order."""
    with pytest.raises(MonthError, match=r"2021-01 to 2020-12 is reversed"):
        month_range(2021, 2020)


def test_a_reversed_range_is_refused() -> None:
    """Months are not reordered silently; the message has the right order."""
    with pytest.raises(MonthError, match=r"2020-07 to 2020-06 is reversed.*2020-06 to 2020-07"):
        month_range("2020-07", "2020-06")


@given(MONTHS, MONTHS)
def test_addition_and_subtraction_are_inverse(one: Month, other: Month) -> None:
    """Adding the distance between two months to one returns the other, forward and back."""
    assert one + (other - one) == other
    assert (other - one) == -(one - other)
    assert (one < other) == (other - one > 0)


@given(MONTHS)
def test_a_month_can_be_written_and_read(month: Month) -> None:
    """Its text, its repr and its days return the same month."""
    assert Month.of(str(month)) == month
    assert eval(repr(month)) == month  # noqa: S307 - our own repr
    assert {Month.of(month.first_day), Month.of(month.last_day)} == {month}
    assert month.last_day == month.first_day + timedelta(days=month.days - 1)
    assert Month.of(month.last_day - timedelta(days=27)) == month


@pytest.mark.parametrize(
    ("month", "days"), [("2000-02", 29), ("2020-02", 29), ("2023-02", 28), ("1900-02", 28), ("2999-12", 31)]
)
def test_leap_days_are_counted(month: str, days: int) -> None:
    """February has 29 days in leap years and 28 in others."""
    assert Month.of(month).days == days


@pytest.mark.parametrize("year_and_month", [(1899, 12), (3000, 1), (2020, 0), (2020, 13)])
def test_an_invalid_month_cannot_be_created(year_and_month: tuple[int, int]) -> None:
    """Every existing Month is valid."""
    with pytest.raises(MonthError, match="is not a valid month"):
        Month(*year_and_month)


@pytest.mark.parametrize(
    ("month", "every", "minute", "count", "first", "last"),
    [
        ("2020-06", 5, 0, 8640, "2020-06-01T00:00", "2020-06-30T23:55"),  # YW
        ("2020-06", 60, 50, 720, "2020-06-01T00:50", "2020-06-30T23:50"),  # RW
        ("2020-02", 60, 50, 696, "2020-02-01T00:50", "2020-02-29T23:50"),
        ("2020-03", 5, 0, 8928, "2020-03-01T00:00", "2020-03-31T23:55"),  # German clocks lose an hour
        ("2020-10", 5, 0, 8928, "2020-10-01T00:00", "2020-10-31T23:55"),  # German clocks gain an hour
        ("2999-12", 60, 50, 744, "2999-12-01T00:50", "2999-12-31T23:50"),
    ],
)
def test_a_month_has_its_steps(  # noqa: PLR0917 - a table of figures
    month: str, every: int, minute: int, count: int, first: str, last: str
) -> None:
    """Steps run from the first day's first stamp to the last day's last, in UTC, without gaps."""
    steps = time_steps(Month.of(month), every=every, minute=minute)

    assert steps.dtype == "datetime64[s]"
    assert (steps.size, steps[0], steps[-1]) == (count, np.datetime64(first), np.datetime64(last))
    assert set(np.diff(steps)) == {np.timedelta64(every, "m")}


@given(NEAR, st.sampled_from([5, 10, 15, 60]))
def test_adjacent_months_have_every_step_once(month: Month, every: int) -> None:
    """The step after a month's last is the next month's first."""
    here, there = time_steps(month, every=every), time_steps(month + 1, every=every)

    assert here[-1] + np.timedelta64(every, "m") == there[0]


@pytest.fixture
def _in_berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system's time zone cannot be set for a process")
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_the_current_month_is_that_of_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour before midnight UTC it is still the old month, although Berlin has the new one."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override] # returns a datetime
            moment = datetime(2020, 6, 30, 23, tzinfo=UTC)
            return moment.astimezone(tz or timezone(timedelta(hours=2))).replace(tzinfo=tz)

    monkeypatch.setattr("radar_nb.dwd.months.datetime", Clock)

    assert Month.now() == JUNE


def test_steps_begin_at_midnight_by_default() -> None:
    """Most products have a frame at 00:00."""
    assert time_steps(JUNE, every=60)[0] == np.datetime64("2020-06-01T00:00")


@pytest.mark.usefixtures("_in_berlin")
def test_the_computers_time_zone_changes_nothing() -> None:
    """A month is in UTC regardless of the local time zone."""
    assert Month.of(datetime(2020, 6, 30, 22, 30, tzinfo=UTC)) == JUNE
    assert Month.of(datetime(2020, 6, 30, 23, 30)) == JUNE  # noqa: DTZ001 - a time without zone counts in UTC
    assert time_steps(Month(2020, 3), every=60, minute=50).size == 744
    assert abs(Month.now() - Month.of(datetime.now(UTC))) <= 1


@pytest.mark.parametrize(
    ("first", "last", "begin", "end"),
    [
        ("2020-06-13", "2020-06-13", "2020-06-13T00:00:00", "2020-06-13T23:59:59"),
        ("2020-06-13", None, "2020-06-13T00:00:00", "2020-06-13T23:59:59"),
        (date(2020, 6, 13), date(2020, 6, 14), "2020-06-13T00:00:00", "2020-06-14T23:59:59"),
        ("2020-06-13T15:00", "2020-06-13T16:30", "2020-06-13T15:00:00", "2020-06-13T16:30:59"),
        ("2020-06-13T15", None, "2020-06-13T15:00:00", "2020-06-13T15:59:59"),
        ("2020-06-13 15:05Z", None, "2020-06-13T15:05:00", "2020-06-13T15:05:59"),
        ("2020-06", "2020-07-02", "2020-06-01T00:00:00", "2020-07-02T23:59:59"),
        ("2020-06-30", "2020-07", "2020-06-30T00:00:00", "2020-07-31T23:59:59"),
        (np.datetime64("2020-06-13T15:00"), "2020-06-13", "2020-06-13T15:00:00", "2020-06-13T23:59:59"),
        (datetime(2020, 6, 13, 15, tzinfo=UTC), "2020-06-13", "2020-06-13T15:00:00", "2020-06-13T23:59:59"),
        (
            pandas.Timestamp("2020-06-13", tz="Europe/Berlin"),
            "2020-06-13",
            "2020-06-12T22:00:00",
            "2020-06-13T23:59:59",
        ),
        (pandas.Period("2020-06-13"), None, "2020-06-13T00:00:00", "2020-06-13T23:59:59"),
    ],
)
def test_a_range_of_days_or_hours_has_its_first_and_last_second(
    first: Any, last: Any, begin: str, end: str
) -> None:
    """A day is included to its end, an hour to its last minute, a time in another zone in UTC."""
    assert time_span(first, last) == (np.datetime64(begin), np.datetime64(end))


@pytest.mark.parametrize("first", ["2020-06", "202006", 2020, "2020", Month(2020, 6), np.datetime64("2020-06")])
def test_months_and_years_have_no_span(first: Any) -> None:
    """Whole months need no cut."""
    assert time_span(first) is None


@pytest.mark.parametrize(
    "text", ["2020-06-13T24", "2020-06-13T15:60", "2020-06-31T00:00", "2020-06-13T15:00+02:00"]
)
def test_a_time_that_does_not_exist_is_an_error(text: str) -> None:
    """A text with another time zone is an error too: it would be taken for UTC."""
    with pytest.raises(MonthError, match=re.escape(text)):
        time_span(text)


def test_a_reversed_range_of_hours_is_an_error() -> None:
    """A reversed range within one day raises, too."""
    with pytest.raises(MonthError, match="is reversed: use the earlier time first"):
        time_span("2020-06-13T15", "2020-06-13T14")
