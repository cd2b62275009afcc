"""Amounts of return periods from annual maxima, and the return periods of amounts.

A generalised extreme value distribution (GEV) is fitted to every cell and duration, or to all durations of a cell
together, by L-moments or by maximum likelihood; neighbouring cells can be pooled. Cells are processed many at a
time, by several threads; no step visits them one by one.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import xarray as xr
from scipy.ndimage import correlate
from scipy.special import gamma

from radar_nb.analysis import likelihood
from radar_nb.analysis.inputs import BESIDE, ORIGIN, grid_of
from radar_nb.analysis.periods import length_of
from radar_nb.analysis.points import find_places
from radar_nb.analysis.rank_scaling import scaling
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.runtime.wording import human_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

Method = Literal["lmoments", "ml", "kostra", "dgev"]
Counted = Literal["annual", "partial"]

_FEWEST = 5
"""Minimum number of years for a three-parameter fit."""
_SHORT = 20
"""Number of years below which a warning is issued."""
_REACH = 3
"""A return period longer than this many times the record causes a warning (DVWK-Merkblatt 251/1999)."""
_ROOM = 1 << 18
"""Number of values that are fitted at once: 2 MB."""

_SHAPES = np.linspace(5, -0.99, 1 << 17)
_SKEWNESS = 2 * (1 - 3.0**-_SHAPES) / (1 - 2.0**-_SHAPES) - 3
"""L-skewness of each shape k (Hosking 1990, table 1; no node is 0), rising."""

KOSTRA_SHAPE = -0.1
"""k of KOSTRA-DWD-2020 for all of Germany (parameter files of DWD, SHAPE_KAPPA; Hosking's sign)."""
_SHARED = ("kostra", "dgev")
"""The methods by which all durations of a cell have one distribution."""
_OFFSET = 0.05
"""theta in hours from which the search for the largest likelihood begins."""


def return_levels(
    maxima: xr.DataArray | xr.Dataset,
    return_periods: Sequence[float] = (2, 5, 10, 20, 50, 100),
    *,
    method: Method = "lmoments",
    counted: Counted | None = None,
    region: int = 0,
    resamples: int = 500,
    confidence: float = 0.9,
    seed: int = 0,
) -> xr.Dataset:
    """Return the amounts of return periods, with confidence intervals.

    With "lmoments", a generalised extreme value distribution is fitted separately to the maxima of each cell and
    duration, through the first three L-moments l1, l2, t3 = l3 / l2 of the sample (Hosking 1990, J. R. Stat. Soc.
    B 52, 105-124; Hosking and Wallis 1997, Regional Frequency Analysis, appendix A.6):

    - k from t3 = 2 (1 - 3**-k) / (1 - 2**-k) - 3, solved without approximation;
    - alpha = l2 k / ((1 - 2**-k) Gamma(1 + k)), xi = l1 - alpha (1 - Gamma(1 + k)) / k;
    - x(y) = xi + alpha (1 - y**k) / k, where y = -ln(1 - 1/T) for return periods T of annual maxima, and
      y = 1/T for those of a partial series.

    With "ml", the parameters are those of the largest likelihood, as scipy's `genextreme.fit` finds them.

    With "kostra", all durations D of a cell have one distribution, as in KOSTRA-DWD-2020 (Koutsoyiannis et al.
    1998, J. Hydrol. 206, 118-135): theta (0 to 1 h) and eta (0 to 1) are those for which the intensities of the
    durations, times b(D) = (D + theta)**eta, differ least by the statistic of Kruskal and Wallis; alpha and xi
    follow from l1 and l2 of all of these together with k = -0.1; the amount is x(y) D / b(D), D in hours.

    With "dgev", all durations have one distribution as well, with a shape of the cell's own, and its five
    parameters are those of the largest likelihood (duration-dependent GEV; Koutsoyiannis et al. 1998). Where that
    distribution holds, 100-year amounts of 1 h from 20 years scatter half as much as with "ml".

    A `region` pools the shapes of neighbouring cells, for "lmoments" alone: a cell keeps its own mean, and l2 / l1
    and t3 are means over the cells up to so many rows and columns away, weighted by their years and by 1 - d / d0,
    d the distance in cells and d0 twice that to the corner (region of influence, Burn 1990, Water Resour. Res. 26,
    2257-2265; 9 rows and columns, with d0 = 26, have been used for RADKLIM).

    The intervals are percentiles of fits to years drawn with replacement, the same years for all cells.

    Parameters
    ----------
    maxima : xarray.DataArray or Dataset
        As returned by `annual_maxima`: dimension `year`, NaN where a year is missing; for "kostra" and "dgev"
        with a dimension `duration` of two or more.
    return_periods : sequence of float
        Years: the mean time between exceedances. Each more than 1 for annual maxima, more than 0 for a partial
        series.
    method : {"lmoments", "ml", "kostra", "dgev"}
    counted : {"annual", "partial"}, optional
        Whether a return period is the mean time between years whose maximum exceeds the amount, or between all
        events that do, of which a year can have several. They differ for short periods: an amount of 1.58 years by
        the first count is one of 1 year by the second. By default "partial" for "kostra", as in DWD's tables,
        and "annual" for the others.
    region : int
        How many rows and columns a neighbour may be away; 0 fits each cell alone.
    resamples : int
        Number of draws; 0 omits the intervals. The others take much longer than "lmoments": use few draws on maps.
    confidence : float
        Share of fits inside the interval.
    seed : int
        Seed of the draws.

    Returns
    -------
    xarray.Dataset
        `level`, `lower` and `upper`, float64, in mm, of shape (return_period, ...); `shape`
        (k with the sign of scipy's `genextreme`: positive is bounded above), `location`, `scale`, for "kostra" and
        "dgev" of intensities in mm/h and with `theta` and `eta`; `years`; `uncertain`, True where a warning holds.
        NaN where there are fewer than five years, all maxima are equal, or the likelihood has no maximum.

    Warns
    -----
    UserWarning
        A cell has fewer than 20 years, or a return period is longer than three times its record. The radar data of
        Germany begin in 2001; a 100-year amount from 25 years is uncertain whatever the interval says.

    Raises
    ------
    SeriesError
        The data are not annual maxima in mm, or have a year or duration twice, or no cell has five years; or
        "kostra" or "dgev" lacks durations; or a region lacks fields.
    SettingsError
        A return period, the method, the region, the number of draws or the confidence is not valid.

    Examples
    --------
    >>> maxima = xr.DataArray([21.0, 34, 18, 27, 45, 23, 30, 19, 26, 38] * 2, dims="year", attrs={"units": "mm"})
    >>> levels = return_levels(maxima, [2, 10, 50], resamples=0)
    >>> levels.level.values.round(1)
    array([26.5, 39.9, 52.3])
    """
    maxima = _maxima(maxima)
    counted = _counted(method, counted)
    periods = np.asarray(return_periods, float).ravel()
    least = 1 if counted == "annual" else 0
    if not periods.size or not (periods > least).all() or not np.isfinite(periods).all():
        raise SettingsError(
            f"return_periods={return_periods!r}: pass years, each more than {least}, such as (2, 10, 50)"
        )
    if np.unique(periods).size < periods.size:
        raise SettingsError(f"return_periods={return_periods!r} has one twice: pass each once")
    if resamples < 0 or not 0 < confidence < 1:
        raise SettingsError(
            f"resamples={resamples!r}, confidence={confidence!r}: pass a number of draws (0 for none) and a share "
            "between 0 and 1"
        )
    _check_region(region, method, maxima)
    model = _model(method, maxima)
    over = ("duration",) if method in _SHARED else ()
    cells = tuple(name for name in maxima.dims if name not in {"year", "y", "x", *over})
    cells += tuple(name for name in ("y", "x") if name in maxima.dims)
    values = maxima.transpose("year", *over, *cells)
    shape = values.shape[1 + len(over) :]
    samples = values.to_numpy().reshape(*values.shape[: 1 + len(over)], -1)
    years = np.isfinite(samples).sum(axis=0, dtype=np.int32)
    years = years.min(axis=0) if over else years
    called = f"{maxima.name}" if maxima.name is not None else "the maxima"
    uncertain = _warn(years, periods, called)
    draws = np.random.default_rng(seed).integers(0, len(values), (resamples, len(values)))
    tails = (1 - confidence) / 2
    share = (tails, 1 - tails)
    if region:
        samples = samples.reshape(len(values), -1, maxima.sizes["y"], maxima.sizes["x"])
        found = _fit_regions(samples, reduced(periods, counted), draws, share, region)
    else:
        found = _fit_all(model, samples, reduced(periods, counted), draws, share)
    origin = {name: maxima.attrs[name] for name in ORIGIN if name in maxima.attrs}
    units = origin | {"units": "mm"}
    dims = ("return_period", *over, *cells)
    made: dict[str, Any] = {}
    for name, levels in zip(("level", "lower", "upper"), found.levels, strict=False):
        what = f"exceeded once in the return period: {maxima.attrs.get('long_name', called)}"
        if name != "level":
            what = f"{name} bound of the {confidence:.0%} confidence interval"
        made[name] = (dims, levels.reshape(*levels.shape[:-1], *shape), units | {"long_name": what})
    for name, parameter in zip(model.names, found.parameters, strict=True):
        made[name] = (cells, parameter.reshape(shape), origin | {"long_name": f"{name} of the fitted GEV"})
    made["years"] = (cells, years.reshape(shape), {"long_name": "number of years with a maximum", "units": "1"})
    what = "fewer than 20 years, or a return period longer than three times the record"
    made["uncertain"] = (("return_period", *cells), uncertain.reshape(-1, *shape), {"long_name": what})
    coords = {name: value.variable for name, value in maxima.coords.items() if "year" not in value.dims}
    period = xr.Variable("return_period", periods, {"long_name": "return period", "units": "year"})
    attrs = {"method": method, "counted": counted} | ({"region": region} if region else {})
    return xr.Dataset(made, {**coords, "return_period": period}, attrs)


def return_period(
    levels: xr.Dataset, amount: Any, *, duration: Any = None, place: str | tuple[float, float] | None = None
) -> xr.DataArray:
    """Return the return periods of amounts: the inverse of `return_levels`.

    Parameters
    ----------
    levels : xarray.Dataset
        As returned by `return_levels`.
    amount : float, array or xarray.DataArray
        In mm: one amount, or one for each cell, duration, ...: a DataArray is aligned by its dimensions, such as
        the largest amounts of an event on the same grid.
    duration : str or timedelta, optional
        The duration of the amount, "1h": one of those of `levels`, any for "kostra" and "dgev". By default all
        durations of `levels`.
    place : str or (lon, lat), optional
        The name of a point or area, or degrees for the cell that contains them. By default all cells.

    Returns
    -------
    xarray.DataArray
        Years, float64, counted as `levels` are: at least 1 for annual maxima, infinite for an amount above the
        upper limit of a bounded distribution, NaN where there is no distribution or no amount. What exceeds three
        times the record is an extrapolation: `levels.years` holds the records.

    Raises
    ------
    SettingsError
        `levels` are not a result of `return_levels`, or lack the duration or place; or the amounts are not in mm,
        or of other cells.

    Examples
    --------
    >>> maxima = xr.DataArray([21.0, 34, 18, 27, 45, 23, 30, 19, 26, 38] * 2, dims="year", attrs={"units": "mm"})
    >>> float(return_period(return_levels(maxima, [2], resamples=0), 39.9).round(1))
    10.1
    """
    k, location, scale, factor = fitted_distribution(levels, duration, place)
    if isinstance(amount, xr.Dataset) or str(getattr(amount, "attrs", {}).get("units", "mm")) != "mm":
        what = "a Dataset" if isinstance(amount, xr.Dataset) else f"in {amount.attrs['units']}"
        raise SettingsError(f"the amounts are {what}: pass one array in mm, such as ds.YW")
    if not isinstance(amount, xr.DataArray):
        amount = np.asarray(amount, float)
    partial = levels.attrs.get("counted") == "partial"
    try:
        years: xr.DataArray = xr.apply_ufunc(periods_of_amounts, amount / factor, k, location, scale, partial)
    except ValueError as error:
        raise SettingsError(
            f"the amounts and the levels have other cells or durations ({error}): pass both of the same"
        ) from error
    long_name = "return period"
    if duration is not None:
        long_name += f" of the amount in {human_interval(_minutes(duration))}"
    kept = {name: levels["shape"].attrs[name] for name in ORIGIN if name in levels["shape"].attrs}
    return years.rename("return_period").assign_attrs(kept, long_name=long_name, units="year")


def level_at(levels: xr.Dataset, years: float, *, duration: Any = None, place: Any = None) -> xr.DataArray:
    """Return the amounts of a return period from fitted distributions: arguments as for `return_period`.

    Examples
    --------
    >>> maxima = xr.DataArray([21.0, 34, 18, 27, 45, 23, 30, 19, 26, 38] * 2, dims="year", attrs={"units": "mm"})
    >>> float(level_at(return_levels(maxima, [2], resamples=0), 10).round(1))
    39.9
    """
    k, location, scale, factor = fitted_distribution(levels, duration, place)
    (y,) = reduced(np.array([float(years)]), levels.attrs.get("counted", "annual"))
    amounts: xr.DataArray = (location + scale * (1 - y**k) / k) * factor
    return amounts.assign_attrs(units="mm")


def fitted_distribution(
    levels: xr.Dataset, duration: Any, place: Any
) -> tuple[xr.DataArray, xr.DataArray, xr.DataArray, Any]:
    """Return shape, location and scale of a duration and place, and the mm of one unit of the distribution."""
    if not {"shape", "location", "scale"} <= set(getattr(levels, "data_vars", ())):
        raise SettingsError("levels is not a result of return_levels: pass what that returns")
    levels = _placed(levels, place)
    k, location, scale = (levels[name] for name in ("shape", "location", "scale"))
    if "theta" in levels:
        hours = (
            xr.DataArray(_hours(levels, levels.attrs["method"]), dims="duration")
            if duration is None
            else _minutes(duration) / 60
        )
        return k, location, scale, hours / (hours + levels["theta"]) ** levels["eta"]
    if duration is not None:
        chosen = np.timedelta64(_minutes(duration), "m")
        there = levels["duration"].to_numpy() if "duration" in levels.dims else np.array([], "m8[m]")
        if chosen not in there:
            names = ", ".join(map(str, there.astype("m8[m]"))) or "none"
            raise SettingsError(f"duration={duration!r} is not one of the levels' ({names}): choose one of them")
        k, location, scale = (value.sel(duration=chosen, drop=True) for value in (k, location, scale))
    return k, location, scale, 1.0


def periods_of_amounts(amount: Any, k: Any, location: Any, scale: Any, partial: bool) -> Any:
    """Return the return periods of amounts, infinite where -ln(F) is 0."""
    rest = 1 - k * (amount - location) / scale
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        y = np.exp(np.log(np.maximum(rest, 0)) / k)
        return 1 / y if partial else -1 / np.expm1(-y)


def reduced(periods: NDArray[np.float64], counted: Counted) -> NDArray[np.float64]:
    """Return y = -ln(F), F the chance that the maximum of a year stays below the amount of a return period.

    KOSTRA-DWD-2020 converts partial to annual periods by T_a = exp(1/T) / (exp(1/T) - 1), so that y = 1/T.

    Examples
    --------
    >>> reduced(np.array([1.0, 100.0]), "partial")
    array([1.  , 0.01])
    """
    y: NDArray[np.float64] = -np.log1p(-1 / periods) if counted == "annual" else 1 / periods
    return y


def _model(method: Method, maxima: xr.DataArray) -> GevModel | KostraModel:
    """Return what fits the maxima."""
    if method not in _SHARED:
        return GevModel() if method == "lmoments" else LikelihoodModel()
    hours = _hours(maxima, method)
    return KostraModel(hours) if method == "kostra" else DurationModel(hours)


def _check_region(region: Any, method: str, maxima: xr.DataArray) -> None:
    if not region:
        return
    if isinstance(region, bool) or not isinstance(region, int | np.integer) or region < 0:
        raise SettingsError(f"region={region!r}: pass a number of rows and columns, such as 9, or 0 for none")
    if method != "lmoments":
        raise SettingsError(
            f'region={region} with method={method!r}: use method="lmoments", which pools, or region=0'
        )
    if not {"y", "x"} <= set(maxima.dims):
        raise SeriesError(f"region={region}, but the maxima have no fields (y, x): leave it out, or pass fields")


def _counted(method: str, counted: str | None) -> Counted:
    if method not in get_args(Method):
        raise SettingsError(f"unknown method={method!r}: choose one of {', '.join(get_args(Method))}")
    if counted not in {None, "annual", "partial"}:
        raise SettingsError(f"unknown counted={counted!r}: choose one of annual, partial")
    if counted is not None:
        return counted  # type: ignore[return-value] # one of the two
    return "partial" if method == "kostra" else "annual"


def _maxima(maxima: xr.DataArray | xr.Dataset) -> xr.DataArray:
    if isinstance(maxima, xr.Dataset):
        names = [name for name in maxima.data_vars if name not in (*BESIDE, "time_of_maximum")]
        maxima = maxima[names[0]] if len(names) == 1 else maxima
    if not isinstance(maxima, xr.DataArray) or "year" not in maxima.dims:
        raise SeriesError(
            "return_levels needs annual maxima, with a dimension year: pass the result of annual_maxima"
        )
    called = "the maxima" if maxima.name is None else repr(maxima.name)
    if (unit := maxima.attrs.get("units")) != "mm":
        raise SeriesError(
            f"the unit of {called} is {unit or 'unknown'}: pass amounts in mm, with the attribute units 'mm'"
        )
    for dim in {"year", "duration"} & set(maxima.dims):
        index = maxima.get_index(dim)
        if index.has_duplicates:
            twice = index[index.duplicated()][0]
            raise SeriesError(f"{called} has the {dim} {twice} twice: keep one, as .drop_duplicates({dim!r}) does")
    if (maxima < 0).any():
        raise SeriesError(f"{called} has negative amounts: pass NaN where a year is missing")
    return maxima.transpose("year", ...)


def _minutes(duration: Any) -> int:
    return int(length_of(duration, minutes=1))


def _hours(data: xr.DataArray | xr.Dataset, method: str) -> NDArray[np.float64]:
    """Return the durations in hours."""
    if "duration" not in data.dims or data.sizes["duration"] < 2 or data["duration"].dtype.kind != "m":
        raise SeriesError(
            f'method="{method}" needs a dimension duration of two or more: pass the result of annual_maxima for '
            'several durations, such as ["5min", "1h", "24h"]'
        )
    hours: NDArray[np.float64] = data["duration"].to_numpy() / np.timedelta64(1, "h")
    return hours


def _placed(levels: xr.Dataset, place: Any) -> xr.Dataset:
    """Return the levels of one place."""
    if place is None:
        return levels
    for dim in ("point", "area"):
        if dim in levels.dims:
            if place not in levels[dim].values.tolist():
                names = ", ".join(map(str, levels[dim].values[:5]))
                raise SettingsError(f"the levels have no {dim} {place!r}: choose one of {names}")
            return levels.sel({dim: place})
    if not {"y", "x"} <= set(levels.dims):
        raise SettingsError(f"place={place!r}, but the levels have no places: leave it out")
    fields = levels["shape"].transpose(..., "y", "x")
    row, col = (int(numbers.ravel()[0]) for numbers in find_places([place], grid_of(fields)).cells)
    return levels.isel(y=row, x=col)


def _warn(years: NDArray[np.integer[Any]], periods: NDArray[np.float64], name: str) -> NDArray[np.bool_]:
    """Return where levels are uncertain, shape (periods, cells); warn if there are any."""
    most = int(years.max(initial=0))
    if most < _FEWEST:
        raise SeriesError(
            f"no cell of {name} has more than {most} years, and a fit needs {_FEWEST}: use a longer series, or a "
            "smaller min_coverage in annual_maxima"
        )
    uncertain: NDArray[np.bool_] = (years < _SHORT) | (periods[:, None] > _REACH * years)
    fitted = years[years >= _FEWEST]
    least, longest = int(fitted.min()), float(periods.max())
    few = uncertain.any(axis=0) & (years >= _FEWEST)
    if few.any():
        where = f" in {few.sum()} of {fitted.size} cells" if fitted.size > 1 else ""
        warnings.warn(
            f"{least} years of {name}{where} are few for a return period of {longest:g} years: check the "
            f"intervals, and use no return period above {_REACH * least} years",
            UserWarning,
            stacklevel=3,
        )
    return uncertain


# --- distributions --------------------------------------------------------------------------------------------

Parameters = tuple["NDArray[np.float64]", ...]
"""One array of shape (cells,) each."""


def _moments(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return l1, l2 and t3 along the last axis, ignoring NaN (unbiased; Hosking 1990, eq. 2.4)."""
    ordered = np.sort(values, axis=-1)  # NaN is last
    rank = np.arange(ordered.shape[-1], dtype=float)
    n: Any = float(ordered.shape[-1])
    if np.isnan(ordered[..., -1]).any():
        valid = ordered == ordered  # noqa: PLR0124 - isnan in half the time
        n = valid.sum(axis=-1).astype(float)
        n[n < _FEWEST] = np.nan
        np.copyto(ordered, 0, where=~valid)
    b0, b1, b2 = np.moveaxis(ordered @ np.stack([rank**0, rank, rank * (rank - 1)], axis=-1), -1, 0)
    b0, b1, b2 = b0 / n, b1 / (n * (n - 1)), b2 / (n * (n - 1) * (n - 2))
    l2 = 2 * b1 - b0
    l2[l2 <= 1e-9 * np.abs(b0)] = np.nan  # all equal
    return b0, l2, (6 * b2 - 6 * b1 + b0) / l2


def _scaled(l1: NDArray[np.float64], l2: NDArray[np.float64], k: Any) -> Parameters:
    """Return shape, location and scale of the GEV with this shape and these L-moments."""
    grown = gamma(1 + k)
    scale = l2 * k / ((1 - 2.0**-k) * grown)
    return k, l1 - scale * (1 - grown) / k, scale


def quantiles(k: NDArray[np.float64], location: Any, scale: Any, y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the GEV's quantiles for y = -ln(F), shape (y, ...): xi + alpha (1 - y**k) / k."""
    grown = np.log(y).reshape(-1, *(1,) * np.ndim(k)) * k
    np.expm1(grown, out=grown)
    grown *= -scale / k
    grown += location
    return grown


class GevModel:
    """A GEV for every cell, by L-moments: samples have the shape (years, cells)."""

    names: tuple[str, ...] = ("shape", "location", "scale")

    def fit(self, samples: NDArray[np.float64]) -> Parameters:
        """Return the parameters of samples of shape (cells, years)."""
        l1, l2, t3 = _moments(samples)
        return _scaled(l1, l2, _shape_of(t3))

    def levels(self, fitted: Parameters, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the amounts, shape (y, cells)."""
        k, location, scale = fitted
        return quantiles(k, location, scale, y)


class LikelihoodModel(GevModel):
    """A GEV for every cell, by maximum likelihood."""

    def fit(self, samples: NDArray[np.float64]) -> Parameters:
        """Return the parameters of samples of shape (..., years)."""
        m, s, k = _likeliest(samples[..., None, :], samples)
        return k, m * np.exp(s), np.exp(s)


class KostraModel:
    """One distribution for all durations of a cell: samples have the shape (years, durations, cells)."""

    names = (*GevModel.names, "theta", "eta")

    def __init__(self, hours: NDArray[np.float64]) -> None:
        self._hours = hours

    def fit(self, samples: NDArray[np.float64]) -> Parameters:
        """Return the parameters of samples of shape (..., durations, years)."""
        intensities = samples / self._hours[:, None]
        logs = np.log(intensities, where=intensities > 0, out=np.full_like(intensities, np.nan))
        theta, eta = scaling(logs, self._hours)
        intensities *= (self._hours + theta[..., None])[..., None] ** eta[..., None, None]
        l1, l2, _ = _moments(intensities.reshape(*theta.shape, -1))
        short = np.isfinite(samples).sum(axis=-1).min(axis=-1) < _FEWEST
        l2[short] = np.nan
        return (*_scaled(l1, l2, np.where(np.isnan(l2), np.nan, KOSTRA_SHAPE)), theta, eta)

    def levels(self, fitted: Parameters, y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the amounts, shape (y, durations, ...)."""
        k, location, scale, theta, eta = fitted
        hours = self._hours.reshape(-1, *(1,) * theta.ndim)
        depths: NDArray[np.float64] = quantiles(k, location, scale, y)[:, None] * hours / (hours + theta) ** eta
        return depths


class DurationModel(KostraModel):
    """One distribution for all durations of a cell, with a shape of its own, by maximum likelihood."""

    def fit(self, samples: NDArray[np.float64]) -> Parameters:
        """Return the parameters of samples of shape (..., durations, years)."""
        hours = self._hours
        intensities = samples / hours[:, None]
        valid = np.isfinite(samples)
        count = valid.sum(axis=-1)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = np.log(np.where(valid, intensities, 0).sum(axis=-1) / count)
        means[count.min(axis=-1) < _FEWEST] = np.nan
        logs = np.log(hours + _OFFSET)
        logs -= logs.mean()
        eta = np.clip(-(means @ logs) / (logs @ logs), 0.05, 1.5)
        scaled = intensities * (hours + _OFFSET)[:, None] ** eta[..., None, None]
        m, s, k, eta, theta = _likeliest(
            intensities, scaled.reshape(*eta.shape, -1), hours, [eta, np.where(np.isnan(eta), np.nan, _OFFSET)]
        )
        return k, m * np.exp(s), np.exp(s), theta, eta


def _shape_of(t3: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return k of L-skewnesses."""
    k: NDArray[np.float64] = np.interp(t3, _SKEWNESS, _SHAPES)
    k[np.abs(k) < 1e-7] = 1e-7  # the formulas' limit
    return k


def _likeliest(
    samples: NDArray[np.float64],
    pooled: NDArray[np.float64],
    hours: NDArray[np.float64] | None = None,
    beside: Sequence[NDArray[np.float64]] = (),
) -> NDArray[np.float64]:
    """Return the parameters of the largest likelihood, beginning with those that L-moments yield.

    Parameters
    ----------
    samples : ndarray, shape (..., durations, years)
    pooled : ndarray, shape (..., values)
        What has the distribution for which to begin.
    hours : ndarray, optional
        See `radar_nb.analysis.likelihood.fit`.
    beside : sequence of ndarray, shape (...)
        Where to begin with the other parameters.
    """
    l1, l2, t3 = _moments(pooled)
    k, location, scale = _scaled(l1, l2, _shape_of(t3))
    with np.errstate(invalid="ignore"):
        edge = np.where(
            k > 0,
            np.where(np.isnan(pooled), -np.inf, pooled).max(axis=-1),
            np.where(np.isnan(pooled), np.inf, pooled).min(axis=-1),
        )
        outside = 1 - k * (edge - location) / scale < 1e-3
    # a Gumbel distribution has no limits
    k = np.where(outside, 0.0, k)
    scale = np.where(outside, l2 / np.log(2), scale)
    location = np.where(outside, l1 - np.euler_gamma * scale, location)
    start = np.stack([location / scale, np.log(scale), k, *beside])
    years_first = np.ascontiguousarray(samples.reshape(-1, *samples.shape[-2:]).T)
    found = likelihood.fit(years_first, start.reshape(len(start), -1), hours)
    return found.reshape(start.shape)


# --- all cells ------------------------------------------------------------------------------------------------


class _Found(NamedTuple):
    """Levels and their bounds, each of shape (periods, ..., cells), and the parameters, each of shape (cells,)."""

    levels: list[NDArray[np.float64]]
    parameters: list[NDArray[np.float64]]


def _fit_all(
    model: GevModel | KostraModel,
    samples: NDArray[Any],
    y: NDArray[np.float64],
    draws: NDArray[np.int64],
    tails: tuple[float, float],
) -> _Found:
    """Fit all cells, some at a time: samples of shape (years, ..., cells)."""
    cells = samples.shape[-1]
    found = _Found(
        [np.empty((y.size, *samples.shape[1:])) for _ in range(3 if len(draws) else 1)],
        [np.empty(cells) for _ in model.names],
    )

    def one(start: int) -> None:
        some = slice(start, start + step)
        values = np.moveaxis(samples[..., some], (-1, 0), (0, -1)).astype(float, order="C")
        fitted = model.fit(values)
        level = model.levels(fitted, y)
        found.levels[0][..., some] = level
        for name, parameter in zip(found.parameters, fitted, strict=True):
            name[some] = parameter
        if len(draws):
            drawn = np.moveaxis(values[..., draws], -2, 1)
            bounds = percentiles(model.levels(model.fit(np.ascontiguousarray(drawn)), y), tails)
            # a resample of few years can have a fit where the years themselves have none
            bounds[:, np.isnan(level)] = np.nan
            for array, bound in zip(found.levels[1:], bounds, strict=True):
                array[..., some] = bound

    step = max(1, _ROOM // (samples[..., 0].size * max(1, len(draws))))
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        deque(pool.map(one, range(0, cells, step)), maxlen=0)
    return found


def _fit_regions(
    samples: NDArray[Any],
    y: NDArray[np.float64],
    draws: NDArray[np.int64],
    tails: tuple[float, float],
    reach: int,
) -> _Found:
    """Fit cells with the shapes of their regions: samples of shape (years, fields, rows, columns)."""
    years, fields, rows, cols = samples.shape
    found = _Found(
        [np.empty((y.size, *samples.shape[1:])) for _ in range(3 if len(draws) else 1)],
        [np.empty(samples.shape[1:]) for _ in GevModel.names],
    )
    weights = region_weights(reach)

    def one(place: tuple[int, int]) -> None:
        field, start = place
        stop, begin = min(start + step, rows), max(start - reach, 0)
        inner = slice(start - begin, stop - begin)
        values = np.moveaxis(samples[:, field, begin : stop + reach], 0, -1).astype(float, order="C")
        fitted = _fit_region(values, weights, inner)
        level = _levels(fitted, y)
        found.levels[0][:, field, start:stop] = level
        for parameter, new in zip(found.parameters, fitted, strict=True):
            parameter[field, start:stop] = new
        if len(draws):
            drawn = np.stack(
                [_levels(_fit_region(values[..., draw], weights, inner), y) for draw in draws], axis=-1
            )
            bounds = percentiles(drawn, tails)
            bounds[:, np.isnan(level)] = np.nan
            for array, bound in zip(found.levels[1:], bounds, strict=True):
                array[:, field, start:stop] = bound

    step = max(reach, _ROOM // (cols * max(years, y.size * len(draws))), 1)
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        deque(pool.map(one, product(range(fields), range(0, rows, step))), maxlen=0)
    return _Found([level.reshape(y.size, -1) for level in found.levels], [one.ravel() for one in found.parameters])


def region_weights(reach: int) -> NDArray[np.float64]:
    """Return the weights of the cells of a region by their distance from its middle.

    Examples
    --------
    >>> region_weights(1).round(2)
    array([[0.53, 0.67, 0.53],
           [0.67, 1.  , 0.67],
           [0.53, 0.67, 0.53]])
    """
    away = np.arange(-reach, reach + 1.0)
    weights: NDArray[np.float64] = 1 - np.hypot(away, away[:, None]) / np.ceil(2 * np.sqrt(2) * reach)
    return weights


def _levels(fitted: Parameters, y: NDArray[np.float64]) -> NDArray[np.float64]:
    k, location, scale = fitted
    return quantiles(k, location, scale, y)


def _fit_region(values: NDArray[np.float64], weights: NDArray[np.float64], rows: slice) -> Parameters:
    """Return the parameters of some rows of values of shape (rows, columns, years)."""
    l1, l2, t3 = _moments(values)
    there = np.isfinite(t3) & (l1 > 0)
    count = np.where(there, np.isfinite(values).sum(axis=-1), 0).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        pooled = [
            correlate(np.where(there, ratio, 0) * count, weights, mode="constant") for ratio in (l2 / l1, t3)
        ]
        t, t3 = (part / correlate(count, weights, mode="constant") for part in pooled)
    l1, l2, t3 = (one[rows] for one in (l1, np.where(there, l1 * t, np.nan), t3))
    return _scaled(l1, l2, _shape_of(t3))


def percentiles(values: NDArray[np.float64], shares: Sequence[float]) -> NDArray[np.float64]:
    """Return the percentiles along the last axis, ignoring NaN, as `np.nanquantile` does, without its loop.

    Examples
    --------
    >>> percentiles(np.array([4.0, np.nan, 1.0, 2.0]), [0.5])
    array([2.])
    """
    ordered = np.sort(values, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1, keepdims=True)
    found = []
    for share in shares:
        place = share * (np.maximum(count, 1) - 1)
        below = np.floor(place).astype(np.int64)
        least, most = (
            np.take_along_axis(ordered, np.minimum(at, np.maximum(count, 1) - 1), -1)[..., 0]
            for at in (below, below + 1)
        )
        part = (place - below)[..., 0]
        found.append(np.where(part < 0.5, least + (most - least) * part, most - (most - least) * (1 - part)))
    return np.stack(found)
