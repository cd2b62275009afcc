"""Amounts of return periods from annual maxima: a generalised extreme value distribution fitted by L-moments."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.special import gamma
from scipy.stats import genextreme

from radar_nb.analysis.inputs import BESIDE
from radar_nb.errors import SeriesError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_FEWEST = 5
"""Minimum number of years for a three-parameter fit."""
_SHORT = 20
"""Number of years below which a warning is issued."""
_REACH = 3
"""A return period longer than this many times the record causes a warning (DVWK-Merkblatt 251/1999)."""
_ROOM = 1 << 22
"""Number of values that are resampled at once: 32 MB."""

_SHAPES = np.linspace(5, -0.99, 1 << 17)
_SKEWNESS = 2 * (1 - 3.0**-_SHAPES) / (1 - 2.0**-_SHAPES) - 3
"""L-skewness of each shape k (Hosking 1990, table 1; no node is 0), rising."""


def return_levels(
    maxima: xr.DataArray | xr.Dataset,
    return_periods: Sequence[float] = (2, 5, 10, 20, 50, 100),
    *,
    resamples: int = 500,
    confidence: float = 0.9,
    seed: int = 0,
) -> xr.Dataset:
    """Return the amounts of return periods, with confidence intervals.

    A generalised extreme value distribution is fitted separately to the maxima of each cell and duration, through
    the first three L-moments l1, l2, t3 = l3 / l2 of the sample (Hosking 1990, J. R. Stat. Soc. B 52, 105-124;
    Hosking and Wallis 1997, Regional Frequency Analysis, appendix A.6):

    - k from t3 = 2 (1 - 3**-k) / (1 - 2**-k) - 3, solved without approximation;
    - alpha = l2 k / ((1 - 2**-k) Gamma(1 + k)), xi = l1 - alpha (1 - Gamma(1 + k)) / k;
    - x(T) = xi + alpha (1 - (-ln(1 - 1/T))**k) / k.

    The intervals are percentiles of fits to years drawn with replacement, the same years for all cells.

    Parameters
    ----------
    maxima : xarray.DataArray or Dataset
        As returned by `annual_maxima`: dimension `year`, NaN where a year is missing.
    return_periods : sequence of float
        Years, each more than 1: the mean time between years whose maximum exceeds the amount.
    resamples : int
        Number of draws; 0 omits the intervals.
    confidence : float
        Share of fits inside the interval.
    seed : int
        Seed of the draws.

    Returns
    -------
    xarray.Dataset
        `level`, `lower` and `upper`, float64, in the unit of the maxima, of shape (return_period, ...); `shape`
        (k with the sign of scipy's `genextreme`: positive is bounded above), `location`, `scale`; `years`. NaN
        where there are fewer than five years, or all maxima are equal.

    Warns
    -----
    UserWarning
        A cell has fewer than 20 years, or a return period is longer than three times its record. The radar data of
        Germany begin in 2001; a 100-year amount from 25 years is uncertain whatever the interval says.

    Raises
    ------
    SeriesError
        The data are not annual maxima, or no cell has five years.
    SettingsError
        A return period, the number of draws or the confidence is not valid.

    Examples
    --------
    >>> maxima = xr.DataArray([21.0, 34, 18, 27, 45, 23, 30, 19, 26, 38] * 2, dims="year", attrs={"units": "mm"})
    >>> levels = return_levels(maxima, [2, 10, 50], resamples=0)
    >>> levels.level.values.round(1)
    array([26.5, 39.9, 52.3])
    """
    maxima = _maxima(maxima)
    periods = np.asarray(return_periods, float).ravel()
    if not periods.size or not (periods > 1).all() or not np.isfinite(periods).all():
        raise SettingsError(
            f"return_periods={return_periods!r}: pass years, each more than 1, such as (2, 10, 50)"
        )
    if resamples < 0 or not 0 < confidence < 1:
        raise SettingsError(
            f"resamples={resamples!r}, confidence={confidence!r}: pass a number of draws (0 for none) and a share "
            "between 0 and 1"
        )
    cells = maxima.dims[1:]
    shape = maxima.shape[1:]
    values = maxima.values.astype(float).reshape(maxima.sizes["year"], -1)
    years = np.isfinite(values).sum(axis=0)
    _warn(years, float(periods.max()), str(maxima.name))
    fitted = _fit(values)
    levels = _levels(fitted, periods)
    units = {"units": maxima.attrs.get("units", "mm")}
    name = f"exceeded once in the return period: {maxima.attrs.get('long_name', maxima.name)}"
    over = ("return_period", *cells)
    made: dict[str, Any] = {"level": (over, levels.reshape(-1, *shape), units | {"long_name": name})}
    if resamples:
        tails = (1 - confidence) / 2
        bounds = _bounds(values, periods, resamples, [tails, 1 - tails], seed)
        for name, bound in zip(("lower", "upper"), bounds, strict=True):
            what = {"long_name": f"{name} bound of the {confidence:.0%} confidence interval"}
            # a resample of few years can have a fit where the years themselves have none
            made[name] = (over, np.where(np.isnan(levels), np.nan, bound).reshape(-1, *shape), units | what)
    for name, parameter in zip(("shape", "location", "scale"), fitted, strict=True):
        made[name] = (cells, parameter.reshape(shape), {"long_name": f"{name} of the fitted GEV"})
    made["years"] = (cells, years.reshape(shape), {"long_name": "number of years with a maximum", "units": "1"})
    coords = {name: value.variable for name, value in maxima.coords.items() if "year" not in value.dims}
    period = xr.Variable("return_period", periods, {"long_name": "return period", "units": "year"})
    return xr.Dataset(made, {**coords, "return_period": period})


def _maxima(maxima: xr.DataArray | xr.Dataset) -> xr.DataArray:
    if isinstance(maxima, xr.Dataset):
        names = [name for name in maxima.data_vars if name not in (*BESIDE, "time_of_maximum")]
        maxima = maxima[names[0]] if len(names) == 1 else maxima
    if not isinstance(maxima, xr.DataArray) or "year" not in maxima.dims:
        raise SeriesError(
            "return_levels needs annual maxima, with a dimension year: pass the result of annual_maxima"
        )
    return maxima.transpose("year", ...)


def _warn(years: NDArray[np.integer[Any]], longest: float, name: str) -> None:
    most = int(years.max(initial=0))
    if most < _FEWEST:
        raise SeriesError(
            f"{name} has maxima of {most} years at most, and a fit needs {_FEWEST}: use a longer series, or a "
            "smaller min_coverage in annual_maxima"
        )
    fitted = years[years >= _FEWEST]
    least, few = int(fitted.min()), (fitted < _SHORT) | (longest > _REACH * fitted)
    if few.any():
        where = f" in {few.sum()} of {fitted.size} cells" if fitted.size > 1 else ""
        warnings.warn(
            f"{least} years of {name}{where} are few for a return period of {longest:g} years: check the "
            f"intervals, and use no return period above {_REACH * least} years",
            UserWarning,
            stacklevel=3,
        )


def _moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return l1, l2 and t3 along the last axis but one, ignoring NaN (unbiased; Hosking 1990, eq. 2.4)."""
    ordered = np.sort(values, axis=-2)
    valid = np.isfinite(ordered)
    n = valid.sum(axis=-2).astype(float)
    n[n < _FEWEST] = np.nan
    ordered = np.where(valid, ordered, 0)
    rank = np.arange(values.shape[-2])[:, None]
    b0 = ordered.sum(axis=-2) / n
    b1 = (ordered * rank).sum(axis=-2) / (n * (n - 1))
    b2 = (ordered * (rank * (rank - 1))).sum(axis=-2) / (n * (n - 1) * (n - 2))
    l2 = 2 * b1 - b0
    l2[l2 <= 1e-9 * np.abs(b0)] = np.nan  # all equal
    return b0, l2, (6 * b2 - 6 * b1 + b0) / l2


def _fit(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return shape, location and scale for samples of shape (..., years, cells)."""
    l1, l2, t3 = _moments(values)
    k = np.interp(t3, _SKEWNESS, _SHAPES)
    k[np.abs(k) < 1e-7] = 1e-7  # the formulas' limit
    grown = gamma(1 + k)
    scale = l2 * k / ((1 - 2.0**-k) * grown)
    return k, l1 - scale * (1 - grown) / k, scale


def _levels(fitted: tuple[NDArray[np.float64], ...], periods: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the amounts of return periods, shape (periods, ...)."""
    k, location, scale = (parameter[None] for parameter in fitted)
    chance = (1 - 1 / periods).reshape(-1, *(1,) * (k.ndim - 1))
    levels: NDArray[np.float64] = genextreme.ppf(chance, k, location, scale)
    return levels


def _bounds(
    values: NDArray[np.float64], periods: NDArray[np.float64], resamples: int, tails: list[float], seed: int
) -> NDArray[np.float64]:
    """Return percentiles of the levels of resampled years, shape (tails, periods, cells)."""
    count, cells = values.shape
    draws = np.random.default_rng(seed).integers(0, count, (resamples, count))
    bounds = np.full((len(tails), periods.size, cells), np.nan)
    step = max(1, _ROOM // draws.size)
    for start in range(0, cells, step):
        part = slice(start, start + step)
        levels = _levels(_fit(values[:, part][draws]), periods)
        # draws that are all equal, or too few, have no fit
        known = np.isfinite(levels).any(axis=(0, 1))
        bounds[:, :, part][:, :, known] = np.nanquantile(levels[:, :, known], tails, axis=1)
    return bounds
