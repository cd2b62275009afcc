"""Return levels: those that other libraries fit, with intervals, and warnings where they are guesses."""

from __future__ import annotations

import warnings
from typing import Any

import lmoments3 as lm
import numpy as np
import pytest
import xarray as xr
from lmoments3 import distr
from scipy import stats

from radar_nb.analysis.extremes import annual_maxima
from radar_nb.analysis.return_levels import return_levels
from radar_nb.errors import SeriesError, SettingsError


def maxima(values: Any, *dims: str) -> xr.DataArray:
    """Return maxima of years."""
    return xr.DataArray(np.asarray(values, float), dims=("year", *dims), name="YW", attrs={"units": "mm"})


SAMPLES = stats.genextreme.rvs([-0.2, 0.0, 0.15], 30, 8, size=(60, 3), random_state=4)


def test_as_lmoments3_does() -> None:
    """Shape and levels are those of an independent library, which solves for the shape by approximation."""
    found = return_levels(maxima(SAMPLES, "point"), [2, 10, 100], resamples=0)

    for point in range(3):
        fitted = distr.gev.lmom_fit(SAMPLES[:, point])
        expected = distr.gev(**fitted).ppf([0.5, 0.9, 0.99])
        np.testing.assert_allclose(found.level[:, point], expected, rtol=2e-3)
        np.testing.assert_allclose(found["shape"][point], fitted["c"], atol=1e-3)


def test_moments_as_scipy_has_them() -> None:
    """The fitted distribution has the first three L-moments of the sample, to the last digits."""
    found = return_levels(maxima(SAMPLES, "point"), [2], resamples=0)

    for point in range(3):
        c, location, scale = (float(found[name][point]) for name in ("shape", "location", "scale"))
        first, second, third = distr.gev(c=c, loc=location, scale=scale).lmom_ratios(nmom=3)
        expected = stats.lmoment(SAMPLES[:, point], order=[1, 2, 3], standardize=True)
        np.testing.assert_allclose([first, second, third], expected, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(lm.lmom_ratios(SAMPLES[:, point], nmom=3), expected, rtol=1e-9)


def test_missing_years_are_left_out() -> None:
    """A cell with missing years has the levels of those that it has."""
    values = SAMPLES[:, [0, 0]].copy()
    values[::3, 1] = np.nan

    found = return_levels(maxima(values, "point"), [10], resamples=0)

    alone = return_levels(maxima(values[np.isfinite(values[:, 1]), 1]), [10], resamples=0)
    assert float(found.level[0, 1]) == pytest.approx(float(alone.level[0]), rel=1e-12)
    assert found.years.values.tolist() == [60, 40]


def test_known_distribution_is_found_again() -> None:
    """From many years the true levels come out."""
    true = stats.genextreme(-0.1, 30, 8)

    found = return_levels(maxima(true.rvs(200_000, random_state=1)), [2, 10, 100], resamples=0)

    np.testing.assert_allclose(found.level, true.ppf([0.5, 0.9, 0.99]), rtol=0.01)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """In 200 samples of 50 years the true level of 10 years lies in the 90 % interval in 80 to 97 %."""
    true = stats.genextreme(-0.1, 30, 8)

    found = return_levels(maxima(true.rvs((50, 200), random_state=2), "sample"), [10], resamples=200)

    inside = (found.lower <= true.ppf(0.9)) & (true.ppf(0.9) <= found.upper)
    assert 0.8 <= float(inside.mean()) <= 0.97


def test_the_same_seed_gives_the_same_intervals() -> None:
    """However the cells are cut, and nowhere else."""
    one = return_levels(maxima(SAMPLES, "point"), [10], resamples=50, seed=3)
    again = return_levels(maxima(SAMPLES[:, 1:2], "point"), [10], resamples=50, seed=3)
    other = return_levels(maxima(SAMPLES, "point"), [10], resamples=50, seed=4)

    np.testing.assert_allclose(one.lower[:, 1], again.lower[:, 0], rtol=1e-12)
    assert not np.allclose(one.lower, other.lower)


def test_short_records_warn() -> None:
    """Fifteen years, or a hundred-year level from thirty years, raise a warning."""
    with pytest.warns(UserWarning, match="15 years of YW are few for a return period of 20"):
        return_levels(maxima(SAMPLES[:15, 0]), [2, 20], resamples=0)
    with pytest.warns(UserWarning, match="no return period above 90 years"):
        return_levels(maxima(SAMPLES[:30, 0]), [100], resamples=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return_levels(maxima(SAMPLES[:40, 0]), [100], resamples=0)


def test_cells_without_a_distribution_are_missing() -> None:
    """Too few years, or all maxima the same: no number is made up."""
    values = SAMPLES.copy()
    values[4:, 0] = np.nan
    values[:, 1] = 3

    found = return_levels(maxima(values, "point"), [10], resamples=20)

    for name in ("level", "lower", "upper"):
        assert np.isfinite(found[name].values).tolist() == [[False, False, True]]


def test_what_annual_maxima_give_can_be_used() -> None:
    """The Dataset goes in as it comes out, with all its dimensions."""
    times = np.datetime64("1981-01-01T01:00", "ns") + np.timedelta64(1, "h") * np.arange(24 * 365 * 25)
    values = np.random.default_rng(1).exponential(1, (times.size, 2)).astype("f4")
    attrs = {"units": "mm", "cell_methods": "time: sum", "interval_minutes": 60}
    amount = xr.DataArray(values, {"time": times, "area": ["a", "b"]}, ("time", "area"), "RW", attrs)
    found = annual_maxima(amount, ["1h", "24h"], progress=False)

    levels = return_levels(found.isel(year=slice(24)), [2, 10, 50], resamples=10)

    assert levels.level.dims == ("return_period", "duration", "area")
    assert levels.area.values.tolist() == ["a", "b"]
    assert (levels.level.diff("return_period") > 0).all()
    assert (levels.level.diff("duration") > 0).all()
    assert ((levels.lower <= levels.level) & (levels.level <= levels.upper)).mean() > 0.8


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"return_periods": [1]}, "pass years, each more than 1"),
        ({"return_periods": []}, "pass years"),
        ({"return_periods": [float("inf")]}, "pass years"),
        ({"confidence": 90}, r"confidence=90: pass a number of draws \(0 for none\) and a share"),
        ({"resamples": -1}, "resamples=-1"),
    ],
)
def test_bad_settings(changes: dict[str, Any], text: str) -> None:
    """Return periods, draws and confidences that cannot be are refused."""
    with pytest.raises(SettingsError, match=text):
        return_levels(maxima(SAMPLES[:, 0]), **changes)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (maxima(SAMPLES[:4, 0]), "maxima of 4 years at most, and a fit needs 5"),
        (maxima(SAMPLES[:, 0]).rename(year="time"), "needs annual maxima"),
        (SAMPLES, "needs annual maxima"),
    ],
)
def test_invalid_maxima(data: Any, text: str) -> None:
    """Maxima without years, or with too few, raise."""
    with pytest.raises(SeriesError, match=text):
        return_levels(data, [10])


def test_the_warning_counts_the_cells_with_short_records() -> None:
    """One long record does not hide the others."""
    values = np.random.default_rng(3).gumbel(30, 8, (40, 3))
    values[5:, 1:] = np.nan

    with pytest.warns(UserWarning, match=r"5 years of .* in 2 of 3 cells are few .* above 15 years"):
        return_levels(xr.DataArray(values, dims=("year", "point"), attrs={"units": "mm"}), [50], resamples=0)
