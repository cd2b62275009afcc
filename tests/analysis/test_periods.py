"""Periods: an interval belongs to the period in which it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from radar_nb.analysis.periods import length_of, make_periods
from radar_nb.errors import SettingsError


def ends(first: str, count: int, minutes: int = 5) -> Any:
    """Return the ends of intervals."""
    return np.datetime64(first, "s") + np.timedelta64(minutes, "m") * np.arange(count)


@pytest.mark.parametrize(
    ("period", "time", "begin", "end"),
    [
        ("1D", "2020-06-13T00:00", "2020-06-12", "2020-06-13"),
        ("1D", "2020-06-13T00:05", "2020-06-13", "2020-06-14"),
        ("D", "2020-06-13T23:55", "2020-06-13", "2020-06-14"),
        ("1h", "2020-06-13T13:00", "2020-06-13T12:00", "2020-06-13T13:00"),
        ("1h", "2020-06-13T13:05", "2020-06-13T13:00", "2020-06-13T14:00"),
        ("6h", "2020-06-13T06:00", "2020-06-13T00:00", "2020-06-13T06:00"),
        ("15min", "2020-06-13T06:05", "2020-06-13T06:00", "2020-06-13T06:15"),
        (timedelta(hours=1), "2020-06-13T13:00", "2020-06-13T12:00", "2020-06-13T13:00"),
        ("1M", "2020-07-01T00:00", "2020-06-01", "2020-07-01"),
        ("M", "2020-06-30T00:05", "2020-06-01", "2020-07-01"),
        ("ME", "2020-06-30T12:00", "2020-06-01", "2020-07-01"),
        ("MS", "2020-06-30T23:55", "2020-06-01", "2020-07-01"),
        ("MS", "2020-02-29T00:00", "2020-02-01", "2020-03-01"),
        ("3MS", "2020-02-29T00:00", "2020-01-01", "2020-04-01"),
        ("Y", "2021-01-01T00:00", "2020-01-01", "2021-01-01"),
        ("YS", "2020-01-01T00:05", "2020-01-01", "2021-01-01"),
        ("YE", "2020-12-31T12:00", "2020-01-01", "2021-01-01"),
        ("QS-DEC", "2020-02-10T00:00", "2019-12-01", "2020-03-01"),
        ("W", "2020-06-14T12:00", "2020-06-08", "2020-06-15"),
        ("W", "2020-06-15T00:00", "2020-06-08", "2020-06-15"),
        (None, "2020-06-15T00:00", "2020-06-14T23:55", "2020-06-15"),
    ],
)
def test_edges(period: Any, time: str, begin: str, end: str) -> None:
    """A period has the intervals that end after its begin and not after its end, in any spelling of months."""
    periods = make_periods(ends(time, 1), period, minutes=5)

    assert periods.of_step.tolist() == [0]
    assert periods.bounds.tolist() == np.array([[begin, end]], "datetime64[s]").tolist()


def test_every_interval_has_its_period() -> None:
    """Periods without an interval are omitted; the others are in order."""
    times = np.concatenate([ends("2020-06-13T22:00", 30), ends("2020-06-20T00:05", 3)])

    periods = make_periods(times, "1D", minutes=5)

    assert periods.of_step.tolist() == [0] * 25 + [1] * 5 + [2] * 3
    assert (times > periods.bounds[periods.of_step, 0]).all()
    assert (times <= periods.bounds[periods.of_step, 1]).all()
    assert periods.bounds[:, 1].astype("datetime64[D]").astype(str).tolist() == [
        "2020-06-14",
        "2020-06-15",
        "2020-06-21",
    ]


@pytest.mark.parametrize(
    ("minutes", "step", "period", "expected"),
    [(5, 5, "1D", 288), (5, 5, "1h", 12), (60, 60, "1D", 24), (60, 10, "1D", 144), (1440, 1440, "MS", 30)],
)
def test_the_expected_number_of_intervals(minutes: int, step: int, period: str, expected: int) -> None:
    """A period's length divided by the series' step is expected, also for overlapping sums."""
    periods = make_periods(ends("2020-06-13T00:50", 4, step), period, minutes=minutes, step=step)

    assert periods.expected[0] == expected


def test_all_in_one() -> None:
    """Without a period the intervals from the first to the last are expected."""
    times = ends("2020-06-13T00:05", 10)[[0, 1, 2, 5, 9]]

    periods = make_periods(times, None, minutes=5)

    assert periods.expected.tolist() == [10]


def test_25_years_are_split_into_months() -> None:
    """2.6 million intervals are assigned to 300 months."""
    periods = make_periods(ends("2001-01-01T00:05", 2_629_440), "1M", minutes=5)

    assert len(periods.bounds) == 300
    assert np.bincount(periods.of_step)[:2].tolist() == [31 * 288, 28 * 288]


@pytest.mark.parametrize(
    ("period", "text"),
    [
        ("fortnight", "unknown period='fortnight': choose hours or days"),
        ("B", "unknown period='B'"),
        ("-1D", "period='-1D' is not positive: choose"),
        ("0h", "period='0h' is not positive: choose"),
        (7, "unknown period=7"),
        ("90min", "period='90min' is not a multiple of the interval of 60 min"),
        ("30min", "period='30min' is not a multiple of the interval of 60 min"),
    ],
)
def test_invalid_periods(period: Any, text: str) -> None:
    """An invalid period raises an error that lists valid ones."""
    with pytest.raises(SettingsError, match=text):
        make_periods(ends("2020-06-13T00:50", 3, 60), period, minutes=60)


def test_a_period_is_not_shorter_than_the_interval() -> None:
    """Sums longer than a month cannot be assigned to months."""
    with pytest.raises(SettingsError, match="shorter than the interval of 50400 min"):
        make_periods(ends("2020-06-13T00:50", 1), "MS", minutes=35 * 1440)


# --- local time -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("time", "begin", "end", "hours"),
    [
        ("2020-01-15T12:00", "2020-01-14T23:00", "2020-01-15T23:00", 24),
        ("2020-07-15T12:00", "2020-07-14T22:00", "2020-07-15T22:00", 24),
        ("2020-07-14T22:00", "2020-07-13T22:00", "2020-07-14T22:00", 24),
        ("2020-03-29T12:00", "2020-03-28T23:00", "2020-03-29T22:00", 23),
        ("2020-10-25T12:00", "2020-10-24T22:00", "2020-10-25T23:00", 25),
        ("2020-10-25T00:30", "2020-10-24T22:00", "2020-10-25T23:00", 25),
        ("2020-10-25T01:30", "2020-10-24T22:00", "2020-10-25T23:00", 25),
    ],
)
def test_days_of_another_time_zone(time: str, begin: str, end: str, hours: int) -> None:
    """Days in Germany begin at local midnight; when clocks change they have 23 or 25 hours."""
    periods = make_periods(ends(time, 1), "1D", minutes=5, timezone="Europe/Berlin")

    assert periods.bounds.tolist() == np.array([[begin, end]], "datetime64[s]").tolist()
    assert periods.expected.tolist() == [12 * hours]


@pytest.mark.parametrize(
    ("period", "time", "begin", "end"),
    [
        ("1D", "2020-06-13T05:50", "2020-06-12T05:50", "2020-06-13T05:50"),
        ("1D", "2020-06-13T05:55", "2020-06-13T05:50", "2020-06-14T05:50"),
        ("MS", "2020-07-01T05:50", "2020-06-01T05:50", "2020-07-01T05:50"),
        ("1h", "2020-06-13T12:50", "2020-06-13T11:50", "2020-06-13T12:50"),
        ("1h", "2020-06-13T12:55", "2020-06-13T12:50", "2020-06-13T13:50"),
    ],
)
def test_days_that_begin_later(period: str, time: str, begin: str, end: str) -> None:
    """Months and hours follow a later begin of days, such as that of DWD's gauges."""
    periods = make_periods(ends(time, 1), period, minutes=5, day_begin="05:50")

    assert periods.bounds.tolist() == np.array([[begin, end]], "datetime64[s]").tolist()


@pytest.mark.parametrize(
    ("time", "begin", "end"),
    [
        ("2020-10-31T12:00", "2019-11-01", "2020-11-01"),
        ("2020-11-01T00:00", "2019-11-01", "2020-11-01"),
        ("2020-11-01T00:05", "2020-11-01", "2021-11-01"),
    ],
)
def test_hydrological_years(time: str, begin: str, end: str) -> None:
    """Hydrological years begin on 1 November (DIN 4049)."""
    periods = make_periods(ends(time, 1), "hydro_year", minutes=5)

    assert periods.bounds.tolist() == np.array([[begin, end]], "datetime64[s]").tolist()


def test_local_days_follow_each_other_without_a_gap() -> None:
    """Over 25 years every interval lies in its period, and each period ends where the next begins."""
    times = ends("2001-01-01T01:00", 24 * 365 * 25, 60)

    periods = make_periods(times, "1D", minutes=60, timezone="Europe/Berlin")

    assert (periods.bounds[1:, 0] == periods.bounds[:-1, 1]).all()
    assert (times > periods.bounds[periods.of_step, 0]).all()
    assert (times <= periods.bounds[periods.of_step, 1]).all()
    assert sorted(set(periods.expected.tolist())) == [23, 24, 25]


@pytest.mark.parametrize(
    ("period", "changes", "text"),
    [
        ("1D", {"timezone": "Europe/Bonn"}, "unknown timezone='Europe/Bonn'"),
        ("1D", {"timezone": "../etc"}, "unknown timezone"),
        ("1h", {"timezone": "Europe/Berlin"}, "is ambiguous when clocks are put back"),
        ("1D", {"day_begin": "5:50"}, "day_begin='5:50' is not a time of day"),
        ("1D", {"day_begin": 6}, "day_begin=6 is not a time of day"),
        ("1D", {"day_begin": "24:00"}, "is not a time of day"),
    ],
)
def test_invalid_time_zones_and_begins(period: str, changes: dict[str, Any], text: str) -> None:
    """An invalid zone or time of day, and hours in a zone whose clocks change, raise."""
    with pytest.raises(SettingsError, match=text):
        make_periods(ends("2020-06-13T00:05", 3), period, minutes=5, **changes)


@pytest.mark.parametrize(
    ("duration", "minutes"), [("5min", 5), ("1h", 60), ("72h", 4320), ("1D", 1440), (timedelta(hours=6), 360)]
)
def test_durations(duration: Any, minutes: int) -> None:
    """A duration is returned in minutes, in any spelling."""
    assert length_of(duration, minutes=5) == minutes


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        ("7min", "duration='7min' is not a multiple of the interval of 5 min"),
        ("0min", "duration='0min' is not a positive duration: write one such as \"15min\""),
        ("0h", "is not a positive duration"),
        ("-1h", "is not a positive duration"),
        ("soon", "duration='soon' is not valid"),
        (None, "duration=None is not a positive duration"),
        ("NaT", "is not a positive duration"),
    ],
)
def test_invalid_durations(duration: Any, text: str) -> None:
    """A duration that is not a whole number of intervals raises an error that names it."""
    with pytest.raises(SettingsError, match=text):
        length_of(duration, minutes=5)
