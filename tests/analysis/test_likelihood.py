"""Maximum likelihood in many cells at once: it equals scipy's, and a brute-force optimisation over durations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy import optimize, stats

from radar_nb.analysis.return_levels import return_levels, return_period
from radar_nb.errors import SeriesError

TRUE = (3.755, 3.9, -0.054, 0.714, 0.361)
"""m, sigma0, k, eta and theta in hours: medians of cells of RADKLIM-RW round Braunsbach, 2001 to 2020."""
HOURS = np.array([1, 2, 4, 6, 12, 24, 48, 72.0])


def maxima(values: Any, *dims: str) -> xr.DataArray:
    return xr.DataArray(np.asarray(values, float), dims=("year", *dims), name="RW", attrs={"units": "mm"})


def scaled(years: int, cells: int, seed: int = 0) -> xr.DataArray:
    """Return annual maxima whose durations share a distribution, independent of each other."""
    m, scale, k, eta, theta = TRUE
    sigma = scale * (HOURS[:, None] + theta) ** -eta
    drawn = stats.genextreme.rvs(k, size=(years, HOURS.size, cells), random_state=seed)
    values = maxima((m + drawn) * sigma * HOURS[:, None], "duration", "point")
    return values.assign_coords(duration=(HOURS * 60).astype("m8[m]").astype("m8[ns]"))


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_a_cell_has_the_likelihood_of_scipys_fit(missing: float) -> None:
    """Shape, location and scale equal those of scipy's `genextreme.fit` to three decimals, in every cell."""
    rng = np.random.default_rng(1)
    values = stats.genextreme.rvs(rng.uniform(-0.4, 0.3, 14), 10, 3, size=(40, 14), random_state=rng)
    values[rng.random(values.shape) < missing] = np.nan

    found = return_levels(maxima(values, "point"), [10], resamples=0, method="ml")

    compared = 0
    for point in range(14):
        sample = values[np.isfinite(values[:, point]), point]
        shape, location, scale = stats.genextreme.fit(sample)
        ours = [float(found[name][point]) for name in ("shape", "location", "scale")]
        if not np.isfinite(ours).all():
            assert shape > 0.9  # the likelihood has no maximum
            continue
        assert (
            stats.genextreme.nnlf(ours, sample) <= stats.genextreme.nnlf((shape, location, scale), sample) + 1e-6
        )
        compared += np.allclose(ours, [shape, location, scale], atol=2e-3)
    assert compared >= 13  # scipy stops early in the other


def test_levels_of_likelihood_are_quantiles() -> None:
    """Levels and return periods are those of the fitted distribution, and intervals contain most of the levels."""
    values = maxima(stats.genextreme.rvs(-0.1, 30, 8, size=(40, 30), random_state=3), "point")

    found = return_levels(values, [2, 10, 100], resamples=30, method="ml")

    parameters = [found[name].values for name in ("shape", "location", "scale")]
    expected = [stats.genextreme.isf(1 / years, *parameters) for years in (2, 10, 100)]
    np.testing.assert_allclose(found.level, expected, rtol=1e-9)
    np.testing.assert_allclose(return_period(found, found.level)[1], 10, rtol=1e-9)
    assert ((found.lower <= found.level) & (found.level <= found.upper)).mean() > 0.8
    assert found.attrs == {"method": "ml", "counted": "annual"}


def test_the_shared_distribution_of_durations_is_recovered() -> None:
    """Parameters and levels fitted to 2,000 years of eight durations are close to the true ones."""
    m, scale, k, eta, theta = TRUE

    found = return_levels(scaled(2000, 3), [2, 10, 100], resamples=0, method="dgev")

    for name, true, far in (
        ("shape", k, 0.02), ("scale", scale, 0.2), ("eta", eta, 0.01), ("theta", theta, 0.05),
        ("location", m * scale, 0.8),
    ):  # fmt: skip
        np.testing.assert_allclose(found[name], true, atol=far)
    sigma = scale * (HOURS + theta) ** -eta
    level = (m + stats.genextreme.isf(0.01, k)) * sigma * HOURS
    np.testing.assert_allclose(found.level.sel(return_period=100).mean("point"), level, rtol=0.03)


def test_the_shared_likelihood_is_as_large_as_any() -> None:
    """A general optimiser that uses scipy's density finds no larger likelihood of the five parameters."""
    values = scaled(25, 4, seed=5)
    values[3, 2, 1] = np.nan

    found = return_levels(values, [10], resamples=0, method="dgev")

    for point in range(4):
        intensities = values[..., point].values.T / HOURS[:, None]

        def cost(at: Any, intensities: Any = intensities) -> float:
            m, scale, k, eta, theta = at
            if scale <= 0 or theta < 0:
                return np.inf
            sigma = scale * (HOURS[:, None] + theta) ** -eta
            return -float(np.nansum(stats.genextreme.logpdf(intensities, k, m * sigma, sigma)))

        location, scale, k, eta, theta = (
            float(found[name][point]) for name in ("location", "scale", "shape", "eta", "theta")
        )
        ours = (location / scale, scale, k, eta, theta)
        general = optimize.minimize(cost, TRUE, method="Nelder-Mead", options={"maxiter": 4000, "fatol": 1e-9})
        assert cost(ours) <= general.fun + 1e-4


def test_sharing_halves_the_scatter_of_short_durations() -> None:
    """With 20 years, amounts of an hour and 100 years scatter less than half as much as those fitted alone."""
    values = scaled(20, 200, seed=2)
    with pytest.warns(UserWarning, match="few for a return period of 100"):
        alone = return_levels(values.isel(duration=0), [100], resamples=0, method="ml").level
    with pytest.warns(UserWarning, match="few for a return period of 100"):
        shared = return_levels(values, [100], resamples=0, method="dgev").level.isel(duration=0)

    def spread(level: Any) -> float:
        low, high = np.nanpercentile(level, [5, 95])
        return float(high - low)

    assert spread(shared) < spread(alone) / 2


def test_a_shared_distribution_needs_durations() -> None:
    """The duration-dependent distribution raises for maxima of one duration."""
    with pytest.raises(SeriesError, match='method="dgev" needs a dimension duration of two or more'):
        return_levels(scaled(20, 1).isel(duration=0), [10], method="dgev")
