"""Design storms: Euler type II and block rain keep the depths of their table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # as in the package
import pytest
import xarray as xr

from radar_nb.analysis.design_storms import design_storm, storm_against_design
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.api import export
from radar_nb.plots.storms import plot_storm

if TYPE_CHECKING:
    from pathlib import Path

DURATIONS = [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240]
DEPTHS = pd.DataFrame(
    {
        2: [6.3, 9.0, 10.7, 12.0, 13.9, 16.0, 17.6, 19.9, 21.7, 24.5, 26.7],
        100: [15.9, 22.7, 27.0, 30.2, 34.9, 40.1, 44.1, 50.1, 54.7, 61.8, 67.3],
    },
    index=DURATIONS,
)
"""Invented depths with the curvature of a table of KOSTRA."""


@pytest.mark.parametrize("duration", [15, 60, 120, 240])
def test_an_euler_storm_contains_the_depth_of_each_duration(duration: int) -> None:
    """The largest sum of n consecutive intervals is the table's depth of their duration."""
    amounts = design_storm(DEPTHS, 100, duration).rain.to_numpy()[:, 0]

    for length in (length for length in DURATIONS if length <= duration):
        wettest = max(np.convolve(amounts, np.ones(length // 5), "valid"))
        assert wettest == pytest.approx(DEPTHS[100][length])
    third = max(duration // 15, 1)
    assert amounts.argmax() == third - 1  # the peak ends a third of the duration after the begin
    assert (np.diff(amounts[:third]) >= 0).all()
    assert (np.diff(amounts[third:]) <= 0).all()
    assert amounts.max() == pytest.approx(DEPTHS[100][5])
    assert amounts.sum() == pytest.approx(DEPTHS[100][duration])


def test_an_hour_of_euler_ii_by_hand() -> None:
    """An hour is twelve increments in descending order, the first four of them reversed."""
    table = pd.DataFrame({10: np.cumsum([9, 7, 5, 4, 3.5, 3, 2.5, 2, 1.5, 1, 0.8, 0.6])}, index=range(5, 65, 5))

    amounts = design_storm(table, 10, 60).rain.to_numpy()[:, 0]

    np.testing.assert_allclose(amounts, [4, 5, 7, 9, 3.5, 3, 2.5, 2, 1.5, 1, 0.8, 0.6])


def test_block_rain_is_even() -> None:
    """Every interval has the same share of the depth."""
    storm = design_storm(DEPTHS, 2, 60, shape="block", step=10)

    np.testing.assert_allclose(storm.rain.to_numpy()[:, 0], 17.6 / 6)
    assert storm.rain.attrs["interval_minutes"] == 10


def test_depths_between_durations_are_interpolated_in_logarithms() -> None:
    """The depth of 25 minutes lies on the straight line between 20 and 30 minutes in logarithms."""
    amounts = design_storm(DEPTHS, 100, 25).rain.to_numpy().sum()

    power = np.log(34.9 / 30.2) / np.log(30 / 20)
    assert amounts == pytest.approx(30.2 * (25 / 20) ** power)


def test_a_design_storm_can_be_exported(tmp_path: Path) -> None:
    """A model's file of a design storm has its intervals from the begin on."""
    storm = design_storm(DEPTHS, 100, 60, begin="2026-01-01", name="E100")

    lines = export(storm, tmp_path / "storm.dat", tz="UTC").read_text("ascii").splitlines()

    assert lines[0].startswith("E100 2026 01 01 00 00 ")
    assert len(lines) == 12
    assert sum(float(line.split()[-1]) for line in lines) == pytest.approx(44.1, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"return_period": 7}, "return_period=7 is not a column of the table: choose one of 2, 100 years"),
        ({"duration": 0}, "duration=0 is not a positive duration: pass minutes"),
        ({"duration": 7}, "duration=7 is not a multiple of step=5 min"),
        (
            {"duration": 300},
            "durations from 5 to 240 min, and a storm of 300 min in steps of 5 min needs 5 to 300",
        ),
        ({"step": 1}, "steps of 1 min needs 1 to 60 min: choose duration= and step= within it"),
        ({"shape": "euler1"}, "unknown shape='euler1': choose"),
        ({"depths": -DEPTHS}, "do not rise with the duration: pass mm"),
    ],
)
def test_invalid_arguments_raise(options: dict[str, Any], text: str) -> None:
    """Each message has a remedy."""
    with pytest.raises(SettingsError, match=text):
        design_storm(**{"depths": DEPTHS, "return_period": 100, "duration": 60, **options})


def series(amounts: Any, names: list[str] | None = None) -> xr.DataArray:
    """Return a series of 5 minutes, mm; steps of NaN are left out of the times."""
    values = np.asarray(amounts, float)
    times = np.datetime64("2020-06-13T12:05", "ns") + np.arange(len(values)) * np.timedelta64(5, "m")
    attrs = {"units": "mm", "interval_minutes": 5, "cell_methods": "time: sum"}
    dims = ("time", "point")[: values.ndim]
    coords: dict[str, Any] = {"time": times} | ({"point": names} if names else {})
    return xr.DataArray(values, coords, dims, name="YW", attrs=attrs)


@pytest.mark.parametrize("shape", ["euler2", "block"])
def test_the_wettest_window_meets_the_design_storm_that_it_reached(shape: Any) -> None:
    """The window has the largest sum, the design storm the depth of the longest return period below it."""
    rng = np.random.default_rng(3)
    amounts = rng.gamma(0.3, 2, 200)
    sums = [amounts[k : k + 6].sum() for k in range(195)]
    first = int(np.argmax(sums))

    found = storm_against_design(series(amounts), DEPTHS, 30, shape=shape, uncertainty=DEPTHS * 0 + 20)

    np.testing.assert_allclose(found.observed, amounts[first : first + 6])
    assert found.return_period == (100 if max(sums) >= DEPTHS[100][30] else 2)
    assert found.design.sum() == pytest.approx(DEPTHS[found.return_period][30])
    np.testing.assert_allclose(found.design_low, 0.8 * found.design)
    np.testing.assert_allclose(found.design_high, 1.2 * found.design)
    assert found.time_bnds.to_numpy()[0, 0] == np.datetime64("2020-06-13T12:00", "ns") + first * np.timedelta64(
        5, "m"
    )


@pytest.mark.parametrize(
    ("depth", "period", "reached", "title"),
    [
        (5, 2, 0, "5.0 mm in 10 min, less than the table's 2 a"),
        (9, 2, 1, "9.0 mm in 10 min, return period 2 to 100 a"),
        (22.7, 100, 1, "22.7 mm in 10 min, return period 100 a or more"),
    ],
)
def test_the_title_states_how_rare_the_storm_was(depth: float, period: int, reached: int, title: str) -> None:
    """The return period is bounded by columns of the table, never extrapolated."""
    found = storm_against_design(series([0, depth, 0, 0]), DEPTHS, 10)

    assert (found.return_period, found.reached, found.title) == (period, reached, title)


def test_a_window_with_a_gap_is_not_the_wettest() -> None:
    """A missing interval is not 0 mm: windows that contain it are left out and counted."""
    rain = series([1, 0, 30, 9, 2, 3])
    found = storm_against_design(rain.isel(time=[0, 1, 2, 4, 5]), DEPTHS, 10)

    assert found.observed.to_numpy().tolist() == [0, 30]
    assert found.missing == 1


BAD_SERIES: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (
        series([1, 2]),
        {"duration": 7},
        SettingsError,
        "duration=7 is not a multiple of the series' interval of 5 min",
    ),
    (series([1, 2]), {"duration": -5}, SettingsError, "duration=-5 is not a positive duration: pass minutes"),
    (series([1, 2]), {"duration": 30}, SeriesError, "the series is 10 min long, shorter than duration=30 min"),
    (series([1, 2] * 99), {"duration": 600}, SettingsError, "the table has durations from 5 to 240 min, not"),
    (series([1, np.nan]), {"duration": 10}, SeriesError, "each window of 10 min has a missing interval"),
    (
        series([[1, 2]] * 9, ["A", "B"]),
        {"duration": 10},
        SeriesError,
        "has 2 places: choose one with point=, .* 'A'",
    ),
    (
        series([[1, 2]] * 9, ["A", "B"]),
        {"duration": 10, "point": "C"},
        SettingsError,
        "unknown point='C': .* A, B",
    ),
    (series([1, 2]), {"duration": 10, "depths": DEPTHS[[]]}, SettingsError, "the table of depths has no columns"),
]


@pytest.mark.parametrize("case", BAD_SERIES, ids=lambda case: case[-1][:40])
def test_an_unsuitable_series_raises(case: tuple[Any, dict[str, Any], type[Exception], str]) -> None:
    """Each message states what is possible."""
    rain, options, error, text = case

    with pytest.raises(error, match=text):
        storm_against_design(rain, **{"depths": DEPTHS, **options})


def test_the_picture_shows_both_storms() -> None:
    """Bars, lines and the band have the values of the Dataset, and the axes their units."""
    found = storm_against_design(series([[0, 3]] * 4 + [[0, 12], [0, 8]], ["Aue", "Bach"]), DEPTHS, 20,
                                 point="Bach", uncertainty=DEPTHS * 0 + 15)  # fmt: skip

    above, below = plot_storm(found).axes

    assert above.get_title(loc="left") == found.title == "Bach: 26.0 mm in 20 min, return period 2 to 100 a"
    assert above.get_ylabel() == "mm in 5 min"
    lines = {line.get_label(): np.asarray(line.get_ydata()) for line in below.get_lines()}
    np.testing.assert_allclose(lines["storm"], [0, 3, 6, 18, 26])
    np.testing.assert_allclose(lines["design storm, 2 a"][-1], DEPTHS[2][20])
    assert found.observed.attrs["units"] == "mm"
    assert below.get_xlabel() == "minutes since 2020-06-13 12:10 UTC"
    with pytest.raises(SeriesError, match="the Dataset has no 'design': pass what storm_against_design returns"):
        plot_storm(found.drop_vars("design"))


@pytest.mark.parametrize(
    ("depths", "durations"),
    [
        ([1.0, 2.0, np.inf], [5, 10, 15]),
        ([1.0, 2.0, 3.0], [5, 5, 15]),
        ([1.0, 2.0, 3.0], [5, 10, np.inf]),
        (["a", "b", "c"], [5, 10, 15]),
        ([1.0, 2.0, 3.0], ["5", "x", "15"]),
    ],
)
def test_a_table_of_other_than_rising_numbers_is_refused(depths: Any, durations: Any) -> None:
    """Infinite, doubled and worded values are not a curve."""
    with pytest.raises(SettingsError, match=r"do not rise with the duration|a value that is not a number"):
        design_storm(pd.DataFrame({100: depths}, index=durations), 100, 15)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"begin": "\x1b[2J"}, r"begin='.x1b\[2J' is not a time"),
        ({"duration": "15"}, "duration='15' is not a multiple of step=5"),
    ],
)
def test_other_arguments_than_numbers_and_times_are_refused(changes: dict[str, Any], match: str) -> None:
    """The message shows the value without control characters."""
    with pytest.raises(SettingsError, match=match):
        design_storm(DEPTHS, **({"return_period": 100, "duration": 60} | changes))
