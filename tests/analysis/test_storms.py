"""Storms of a site: each once, with its largest sums, what fell before, and how rare it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # as in the package
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from support.small_rain import rain, series, showers

from radar_nb.analysis.return_levels import return_levels
from radar_nb.analysis.storms import heavy_rain_index, storms_at
from radar_nb.errors import SeriesError, SettingsError


def test_two_storms_by_hand() -> None:
    """Begin, end, depth and largest sums; four dry hours are between the two, and three within the second."""
    values = np.zeros(200)
    values[[10, 11, 13]] = [3, 2, 1]
    values[[62, 99]] = [4, 5]  # 48 dry intervals after the first, 36 between these
    amount = series(values)

    table = storms_at(amount, durations=["5min", "10min", "1h"])

    assert [str(np.datetime64(time, "m"))[11:] for time in table.begin] == ["00:50", "05:10"]
    assert [str(np.datetime64(time, "m"))[11:] for time in table.end] == ["01:10", "08:20"]
    assert table.depth.tolist() == [6, 9]
    assert table.max_5min.tolist() == [3, 5]
    assert table.max_10min.tolist() == [5, 5]
    assert table["max_60min"].tolist() == [6, 5]
    assert table.missing.tolist() == [0, 0]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.5, 1.25, float("nan")]), min_size=1, max_size=60),
    st.integers(1, 6),
    st.integers(1, 8),
)
def test_every_wet_interval_is_in_one_storm(values: list[float], gap: int, length: int) -> None:
    """Storms are what a loop over the intervals finds: none overlap, and all water is in them."""
    amount = series(values)
    spells: list[list[int]] = []
    for step, value in enumerate(values):
        if value > 0:
            if spells and step - spells[-1][-1] - 1 < gap:
                spells[-1].append(step)
            else:
                spells.append([step])

    table = storms_at(amount, dry=f"{5 * gap}min", min_depth=0, durations=[f"{5 * length}min"])

    begins = amount.time.to_numpy() - np.timedelta64(5, "m")
    assert table.begin.tolist() == [pd.Timestamp(begins[spell[0]]) for spell in spells]
    assert table.depth.tolist() == [sum(values[step] for step in spell) for spell in spells]
    largest = [
        max(sum(values[step] for step in spell if end - length < step <= end) for end in spell) for spell in spells
    ]
    assert table.iloc[:, 3].tolist() == largest


def test_rain_before_a_storm() -> None:
    """The days before its begin, without the storm itself; missing where the series begins later."""
    amount = series(np.zeros(24 * 20), first="2020-06-01T01:00", minutes=60)
    amount[[24 * 2, 24 * 8, 24 * 10]] = [3, 4, 5]

    table = storms_at(amount, durations=["1h"], antecedent=[1, 7, 9])

    assert table.antecedent_1d.tolist() == [0, 0, 0]
    np.testing.assert_array_equal(table.antecedent_7d, [np.nan, 3, 4])
    np.testing.assert_array_equal(table.antecedent_9d, [np.nan, np.nan, 7])


def test_small_storms_are_left_out_and_missing_intervals_counted() -> None:
    """Depths below the least are not storms; unknown intervals within one are counted, NaN or absent."""
    values = np.zeros(200)
    values[[10, 14, 100]] = [3, 3, 0.5]
    values[12] = np.nan

    for amount in (series(values), series(values)[np.arange(200) != 12]):
        table = storms_at(amount, min_depth=1)

        assert table.depth.tolist() == [6]
        assert table.missing.tolist() == [1]


def test_points_have_their_own_storms() -> None:
    """One table for all points, ordered by point, with the names of the points."""
    ds = rain(showers(300, 1, 2, seed=4)).isel(y=0).rename(x="point").assign_coords(point=["a", "b"])

    table = storms_at(ds.YW, dry="10min")

    alone = storms_at(ds.YW.sel(point="b"), dry="10min")
    assert table.point.unique().tolist() == ["a", "b"]
    pd.testing.assert_frame_equal(
        table[table.point == "b"].drop(columns="point").reset_index(drop=True), alone.reset_index(drop=True)
    )


def test_storms_have_return_periods() -> None:
    """An amount that is reached once in ten years has ten years, and the index of ten years."""
    samples = stats.genextreme.rvs(-0.1, 10, 3, size=(60, 2, 1), random_state=1)
    hours = np.array([5, 60], "timedelta64[m]").astype("timedelta64[ns]")
    coords = {"duration": hours, "point": ["a"]}
    largest = xr.DataArray(samples * [[1], [2]], coords, ("year", "duration", "point"), "YW", {"units": "mm"})
    levels = return_levels(largest, [10], resamples=0)
    values = np.zeros((100, 1))
    values[50] = float(levels.level.isel(return_period=0, point=0).sel(duration="5min"))
    ds = rain(values[:, None]).isel(y=0).rename(x="point").assign_coords(point=["a"])

    table = storms_at(ds.YW, durations=["5min", "1h"], levels=levels)

    assert table.years_5min.tolist() == pytest.approx([10], rel=0.02)  # amounts are multiples of 0.0001 mm
    assert table.years_60min[0] < 2
    assert table.sri.tolist() in ([3], [4])


@pytest.mark.parametrize(
    ("years", "depth", "index"),
    [
        (0.5, 5, 0), (1, 9, 1), (2, 10, 1), (2.1, 11, 2), (5, 12, 2), (10, 15, 3), (20, 20, 4), (25, 22, 4),
        (30, 25, 5), (50, 30, 6), (75, 35, 6), (100, 40, 7), (101, 41, 8), (200, 50, 8), (300, 56, 9),
        (400, 64, 10), (500, 87, 10), (600, 88, 11), (700, 111, 11), (900, 112, 12),
        (float("inf"), 500, 12), (float("nan"), 5, 0),
    ],
)  # fmt: skip
def test_the_index_of_heavy_rain(years: float, depth: float, index: int) -> None:
    """The steps of Schmitt et al. (2018), with 40 mm in 100 years."""
    assert int(heavy_rain_index(years, depth, 40)) == index


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"series": rain(np.zeros((3, 2, 2)))}, SeriesError, "'YW' are fields .time, y, x.: pass series"),
        ({"min_depth": -1}, SettingsError, "min_depth=-1 is not an amount"),
        ({"dry": "7min"}, SettingsError, "not a multiple of the interval of 5 min"),
        ({"dry": "0h"}, SettingsError, "dry='0h' is not a positive duration: write"),
        ({"durations": ["1h", "0min"]}, SettingsError, "durations='0min' is not a positive duration: write"),
        ({"durations": ["7min"]}, SettingsError, "none is a multiple of the interval of 5 min"),
        ({"antecedent": [-1]}, SettingsError, r"antecedent=\[-1\]: pass whole numbers of days"),
        ({"antecedent": [0.5]}, SettingsError, r"antecedent=\[0.5\]: pass whole numbers of days"),
        ({"series": series([0, -1])}, SeriesError, "'YW' has negative amounts"),
    ],
)
def test_bad_requests(changes: dict[str, Any], error: type[Exception], text: str) -> None:
    """Fields, negative numbers and times that do not fit raise."""
    with pytest.raises(error, match=text):
        storms_at(**{"series": series([0, 1, 0]), **changes})


def test_a_dry_series_has_no_storms() -> None:
    """The table has its columns and no rows."""
    table = storms_at(series(np.zeros(20)))

    assert len(table) == 0
    assert {"begin", "depth", "max_5min", "antecedent_30d"} <= set(table.columns)
