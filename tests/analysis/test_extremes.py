"""Heavy rain: counts and times above thresholds, DWD's warning levels, annual maxima."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.small_rain import rain, series, showers

from radar_nb.analysis.api import exceedance
from radar_nb.analysis.extremes import WARNING_LEVELS, annual_maxima, warning_thresholds
from radar_nb.errors import SeriesError, SettingsError

HOURS = series([0, 14.9, 0.1, 30, 10, 0], first="2020-06-13T23:50", minutes=60)


def test_counts_by_hand() -> None:
    """Counts for the two-hour sums 0, 14.9, 15.0, 30.1, 40 and 10 are correct."""
    found = exceedance(HOURS, 15, "2h", progress=False)

    assert int(found.YW) == 3
    assert str(found["first"].values.astype("datetime64[m]")) == "2020-06-14T01:50"
    assert str(found["last"].values.astype("datetime64[m]")) == "2020-06-14T03:50"
    assert float(found.maximum) == 40
    assert str(found.time_of_maximum.values.astype("datetime64[m]")) == "2020-06-14T03:50"
    assert float(found.coverage) == 1


def test_levels_of_warnings() -> None:
    """DWD's presets return its three levels for a duration with levels."""
    found = exceedance(HOURS, "dwd-heavy-rain", "1h", progress=False)

    assert found.level.values.tolist() == [2, 3, 4]
    assert found.threshold.values.tolist() == [15, 25, 40]
    assert found.YW.values.tolist() == [1, 1, 0]


def test_levels_rise() -> None:
    """A higher level, and a longer duration of the same kind, have a larger amount."""
    for levels in WARNING_LEVELS.values():
        amounts = np.array(list(levels.values()))

        assert (np.diff(amounts, axis=0) >= 0).all()
        assert (np.diff(amounts, axis=1) > 0).all()


def test_counts_of_days() -> None:
    """With a period, each period has its count, also for days of another time zone."""
    found = exceedance(HOURS, 10, period="1D", timezone="Europe/Berlin", progress=False)

    assert found.YW.values.tolist() == [3]
    assert str(found.time.values[0].astype("datetime64[h]")) == "2020-06-14T00"
    assert str(found.period_begin.values[0].astype("datetime64[m]")) == "2020-06-13T21:50"


def test_storms_are_counted_instead_of_sums() -> None:
    """Three sums in a row are one storm; hours later there is another."""
    amount = series([20, 0, 0, 0, 0, 0, 0, 20, 20], minutes=60)

    sums, storms = (exceedance(amount, 15, "2h", independent=one, progress=False) for one in (None, "4h"))

    assert (int(sums.YW), int(storms.YW)) == (4, 2)
    assert storms.YW.attrs["long_name"].startswith("storms, by sums over 120 min")
    assert sums["last"].equals(storms["last"])


@pytest.mark.parametrize(
    ("thresholds", "duration", "text"),
    [
        ("dwd-heavy-rain", "2h", "DWD has no levels of heavy rain for 120 min: choose a duration of 1h, 6h"),
        ("dwd-snow", "1h", "unknown thresholds 'dwd-snow': choose one of dwd-heavy-rain"),
        ([10, -1], "1h", "pass positive numbers of mm"),
        (0, "1h", "pass positive numbers"),
        ([], "1h", "pass positive numbers"),
        (["ten"], "1h", "are not numbers: pass mm"),
        (HOURS.assign_attrs(units="mm h-1"), "1h", "the thresholds are in mm h-1: pass mm"),
        (10, "90min", "duration='90min' is not a multiple of the interval of 60 min"),
        (10, "soon", "duration='soon' is not valid"),
    ],
)
def test_invalid_thresholds_and_durations(thresholds: Any, duration: Any, text: str) -> None:
    """Another unit, a value that is not a number, or a duration that does not fit raises."""
    with pytest.raises(SettingsError, match=text):
        exceedance(HOURS, thresholds, duration, progress=False)


def test_rates_have_no_sums() -> None:
    """A rate raises before any data are read."""
    with pytest.raises(SeriesError, match="only amounts in mm"):
        exceedance(HOURS.assign_attrs(units="mm h-1"), 10, progress=False)


def test_maxima_of_years() -> None:
    """The maximum of a year is its largest sum of each duration, which may begin in the previous year."""
    amount = series(np.zeros(24 * 731), first="2019-01-01T01:00", minutes=60)
    amount[[100, 101, 24 * 365 - 1, 24 * 365]] = [7, 5, 6, 9]

    found = annual_maxima(amount, ["1h", "2h"], progress=False)

    assert found.year.values.tolist() == [2019, 2020]
    assert found.YW.values.tolist() == [[7, 9], [12, 15]]
    assert found.time_of_maximum.sel(duration="2h", year=2020).values == np.datetime64("2020-01-01T01:00")


def test_hydrological_years() -> None:
    """Hydrological years are named by the year in which they end."""
    amount = series([3.0, 4.0], first="2020-10-31T23:00", minutes=60)
    later = series([3.0, 4.0], first="2020-11-01T00:00", minutes=60)

    found = [annual_maxima(one, ["1h"], year="hydro", min_coverage=0, progress=False) for one in (amount, later)]

    assert [one.year.values.tolist() for one in found] == [[2020], [2020, 2021]]


def test_years_with_little_data_are_missing() -> None:
    """Half a year has no maximum, unless `min_coverage` allows it."""
    amount = series(np.ones(24 * 183), first="2020-01-01T01:00", minutes=60)

    found = annual_maxima(amount, ["1h"], progress=False)
    kept = annual_maxima(amount, ["1h"], min_coverage=0.5, progress=False)

    assert np.isnan(found.YW.values).all()
    assert np.isnat(found.time_of_maximum.values).all()
    assert kept.YW.values.tolist() == [[1]]


def test_fields_have_maxima_of_cells() -> None:
    """Fields have the maxima of each cell, on their grid."""
    ds = rain(showers(500, 3, 4))

    found = annual_maxima(ds, ["5min", "1h"], min_coverage=0, progress=False)

    np.testing.assert_array_equal(found.YW.sel(duration="5min", year=2020), ds.YW.max("time"))
    assert found.YW.dims == ("duration", "year", "y", "x")
    assert "crs" in found.coords


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"year": "school"}, "unknown year='school': choose one of calendar, hydro"),
        ({"durations": []}, "durations is empty"),
        ({"durations": ["1h", "60min"]}, "has one twice: pass each duration once"),
    ],
)
def test_invalid_years(changes: dict[str, Any], text: str) -> None:
    """An invalid year or list of durations is refused."""
    with pytest.raises(SettingsError, match=text):
        annual_maxima(HOURS, **changes, progress=False)


def test_presets_have_levels_of_their_durations() -> None:
    """Levels of continuous rain exist for 12 hours to 3 days."""
    assert warning_thresholds("dwd-continuous-rain", 4320) == (60, 90, 120)
