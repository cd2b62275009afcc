"""Design storms from a table of rainfall depths, block rain and Euler type II, and a real storm against them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # xarray brings it, without its types
import xarray as xr

from radar_nb.analysis.inputs import amount_of, even_steps
from radar_nb.analysis.points import labels_of
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.intervals import keep_interval
from radar_nb.runtime.wording import human_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape = Literal["euler2", "block"]


def design_storm(
    depths: Any,
    return_period: float,
    duration: int,
    *,
    shape: Shape = "euler2",
    step: int = 5,
    begin: str = "2000-01-01",
    name: str | None = None,
) -> xr.Dataset:
    """Return a design storm of a return period and a duration as a series that `export` and `plot_series` accept.

    - "block": the same amount in every interval.
    - "euler2": Euler type II. The increments of the depth-duration curve, h(step), h(2 step) - h(step), ...,
      are sorted down; the largest third of the intervals is reversed, so that the storm grows to its peak at the
      end of the first third of its duration and fades then. Every interval around the peak has the depth of the
      table for its length.

    Parameters
    ----------
    depths : pandas.DataFrame or xarray.Dataset
        Depths in mm, a row a duration in minutes, a column a return period in years; or what `kostra` or
        `return_levels` returns for one place and several durations. For the upper end of the uncertainty pass
        `depths * (1 + uncertainty / 100)` of a DataFrame.
    return_period : float
        Years; a column of the table.
    duration : int
        Minutes; a multiple of `step` within the table's durations.
    shape : {"euler2", "block"}
    step : int
        Minutes of an interval. Depths between the table's durations are interpolated as powers of the duration.
    begin : str
        Begin of the storm, UTC.
    name : str, optional
        Name of the station; by default "euler2-60min-100a".

    Returns
    -------
    xarray.Dataset
        `rain`, mm, float64, shape (time, point), labelled with the ends of the intervals; `time_bnds`.

    Raises
    ------
    SettingsError
        The table has no such return period or duration, its depths do not rise with the duration, or the shape is
        unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({100: [15.0, 22.0, 27.0, 40.0]}, index=[5, 10, 15, 60])
    >>> design_storm(table, 100, 15).rain.values.ravel()
    array([15.,  7.,  5.])
    """
    durations, curve = _curve(_table(depths, "level"), return_period)
    if shape not in {"euler2", "block"}:
        raise SettingsError(f'unknown shape={shape!r}: choose shape="euler2" or shape="block"')
    _check_positive(duration)
    if not _is_multiple(duration, step):
        raise SettingsError(f"duration={duration!r} is not a multiple of step={step!r} min: choose one that is")
    steps = np.arange(step, duration + step, step)
    if steps[0] < durations[0] or duration > durations[-1]:
        raise SettingsError(
            f"the table has durations from {durations[0]:g} to {durations[-1]:g} min, and a storm of {duration} "
            f"min in steps of {step} min needs {step} to {duration} min: choose duration= and step= within it"
        )
    total = np.exp(np.interp(np.log(steps), np.log(durations), np.log(curve)))
    amounts = _euler(total) if shape == "euler2" else np.full(steps.size, total[-1] / steps.size)
    try:
        ends = np.datetime64(begin, "ns") + steps * np.timedelta64(60, "s")
    except ValueError as error:
        raise SettingsError(f'begin={begin!r} is not a time: write it as "2000-01-01T00:00" (UTC)') from error
    label = name or f"{shape}-{duration}min-{return_period:g}a"
    attrs = {"units": "mm", "cell_methods": "time: sum", "interval_minutes": step, "long_name": "design storm"}
    found = xr.Dataset(
        {"rain": (("time", "point"), amounts[:, None], attrs)},
        {
            "time": ends,
            "point": labels_of([label]),
            "time_bnds": (("time", "bnds"), np.stack([ends - np.timedelta64(60 * step, "s"), ends], axis=1)),
        },
        {"title": f"design storm {label}: {total[-1]:.1f} mm in {human_interval(duration)}"},
    )
    keep_interval(found["rain"])
    return found


def storm_against_design(
    series: xr.DataArray | xr.Dataset,
    depths: Any,
    duration: int,
    *,
    point: str | None = None,
    shape: Shape = "euler2",
    uncertainty: Any = None,
) -> xr.Dataset:
    """Return the largest storm of a duration in a series, and the design storm of the return period it reached.

    The storm is the window of the duration with the largest sum; windows with a missing interval are left out. Its
    return period is the longest one in the table whose depth for the duration the storm reached. The design storm
    begins with the window. See `plot_storm` for a picture.

    Parameters
    ----------
    series : xarray.DataArray or Dataset
        Amounts in mm at points or in areas, as `at_points` and `over_areas` return them.
    depths : pandas.DataFrame
        As `design_storm` takes it.
    duration : int
        Minutes; a multiple of the series' interval within the table's durations.
    point : str, optional
        Name of the point or area, if the series has several.
    shape : {"euler2", "block"}
    uncertainty : pandas.DataFrame, optional
        Percent, with the rows and columns of `depths`. By default the one that `kostra` returned, if it is there.

    Returns
    -------
    xarray.Dataset
        Dimension `time`, UTC, the ends of the intervals. `observed` and `design`, mm, float64; with `uncertainty`
        also `design_low` and `design_high`, the design storms of the depths less and plus their uncertainty.
        Attributes: `place`, `depth` (mm, observed), `duration` (minutes), `return_period` (years, of the design
        storm), `reached` (1, or 0 if the storm is below the table's shortest return period), `missing` (number of
        missing intervals in the series), `title`.

    Raises
    ------
    SeriesError
        The series are not amounts, have several points without `point`, or no complete window.
    SettingsError
        The duration or the table is not valid, see `design_storm`.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({2: [6.0, 9.0, 11.0], 100: [15.0, 22.0, 27.0]}, index=[5, 10, 15])
    >>> times = np.datetime64("2020-06-13T00:05", "ns") + np.arange(6) * np.timedelta64(5, "m")
    >>> rain = xr.DataArray([0, 1, 9, 4, 0, 0], {"time": times}, name="YW")
    >>> rain.attrs = {"units": "mm", "interval_minutes": 5, "cell_methods": "time: sum"}
    >>> found = storm_against_design(rain, table, 15)
    >>> found.observed.values, found.design.values, found.return_period
    (array([1., 9., 4.]), array([6., 3., 2.]), 2)
    """
    place, values, begin, minutes, attrs = _single(series, point)
    _check_positive(duration)
    if duration % minutes:
        raise SettingsError(
            f"duration={duration!r} is not a multiple of the series' interval of {minutes} min: choose one that is"
        )
    count = duration // minutes
    if count > values.size:
        raise SeriesError(
            f"the series is {human_interval(minutes * values.size)} long, shorter than duration={duration} min: "
            "choose a longer series or a shorter duration"
        )
    sums = np.lib.stride_tricks.sliding_window_view(values, count).sum(axis=1)
    missing = int(np.isnan(values).sum())
    if np.isnan(sums).all():
        raise SeriesError(
            f"each window of {human_interval(duration)} has a missing interval ({missing} of {values.size} are "
            "missing): choose a shorter duration or a series with fewer gaps"
        )
    first = int(np.nanargmax(sums))
    depth = float(sums[first])
    start = begin + first * np.timedelta64(60 * minutes, "s")
    if uncertainty is None and "uncertainty" in getattr(depths, "data_vars", ()):
        uncertainty = _table(depths, "uncertainty")
    depths = _table(depths, "level")
    periods = sorted(getattr(depths, "columns", ()))
    if not periods:
        raise SettingsError(
            "the table of depths has no columns: pass mm, a column for each return period in years"
        )
    below = [period for period in periods if _depth(depths, period, duration) <= depth]
    period = max(below, default=periods[0])

    def design(table: Any) -> xr.Dataset:
        storm = design_storm(table, period, duration, shape=shape, step=minutes, begin=str(start))
        return storm.isel(point=0, drop=True)

    found = design(depths).rename(rain="design")
    found["observed"] = ("time", values[first : first + count], {**attrs, "interval_minutes": minutes})
    if uncertainty is not None:
        found["design_low"] = design(depths * (1 - uncertainty / 100))["rain"]
        found["design_high"] = design(depths * (1 + uncertainty / 100))["rain"]
    return found.assign_attrs(
        place=place,
        depth=depth,
        duration=duration,
        return_period=period,
        reached=int(bool(below)),
        missing=missing,
        title=_rarity(place, depth, duration, periods, below),
    )


def _rarity(place: str, depth: float, duration: int, periods: list[float], below: list[float]) -> str:
    """Return how rare a storm is, in a line."""
    amount = f"{place + ': ' if place else ''}{depth:.1f} mm in {human_interval(duration)}"
    if not below:
        return f"{amount}, less than the table's {periods[0]:g} a"
    above = [period for period in periods if period > max(below)]
    return (
        f"{amount}, return period {max(below):g} to {above[0]:g} a"
        if above
        else (f"{amount}, return period {max(below):g} a or more")
    )


def _single(series: Any, point: str | None) -> tuple[str, NDArray[np.float64], np.datetime64, int, dict[Any, Any]]:
    """Return a place, its amounts at every step, their begin (UTC), the minutes of an interval, and attributes."""
    amount, minutes = amount_of(series)
    others = [str(name) for name in amount.dims if name != "time"]
    if {"y", "x"} & set(others) or len(others) > 1:
        raise SeriesError(
            f"{amount.name!r} has the dimensions {', '.join(map(str, amount.dims))}: pass series, as at_points or "
            "over_areas return them"
        )
    names = [str(name) for name in amount[others[0]].to_numpy()] if others and others[0] in amount.coords else []
    if others and amount.sizes[others[0]] > 1 and point is None:
        raise SeriesError(
            f"the series has {amount.sizes[others[0]]} places: choose one with point=, such as "
            f"{(names or ['0'])[0]!r}"
        )
    if point is not None and point not in names:
        raise SettingsError(f"unknown point={point!r}: choose one of {', '.join(names) or 'none'}")
    if others:
        amount = amount.isel({others[0]: names.index(point) if point is not None else 0})
    scalar = next((str(amount[name].item()) for name in ("point", "area") if name in amount.coords), "")
    begin, at = even_steps(series, amount, minutes)
    values = np.full(int(at[-1]) + 1, np.nan)
    values[at] = amount.to_numpy()
    return scalar, values, begin, minutes, amount.attrs


def _depth(depths: Any, period: float, duration: int) -> float:
    """Return the depth of a duration in mm, interpolated as a power of the duration."""
    durations, curve = _curve(depths, period)
    if not durations[0] <= duration <= durations[-1]:
        raise SettingsError(
            f"the table has durations from {durations[0]:g} to {durations[-1]:g} min, not duration={duration}: "
            "choose one within it"
        )
    if duration in durations:
        return float(curve[durations == duration][0])  # not rounded
    return float(np.exp(np.interp(np.log(duration), np.log(durations), np.log(curve))))


def _table(depths: Any, variable: str) -> Any:
    """Return a DataFrame, minutes down and years across; a Dataset of one place becomes one."""
    if not isinstance(depths, xr.Dataset):
        return depths
    if variable not in depths or not {"duration", "return_period"} <= set(depths[variable].dims):
        raise SettingsError(
            "the Dataset of depths has no `level` of dimensions duration and return_period: pass what kostra "
            "returns, or return_levels for several durations"
        )
    others = [name for name in depths[variable].dims if name not in {"duration", "return_period"}]
    if any(depths.sizes[name] > 1 for name in others):
        sizes = ", ".join(f"{depths.sizes[name]} of {name!r}" for name in others)
        raise SettingsError(
            f"the depths are of several places ({sizes}): choose one, such as depths.isel({others[0]}=[0])"
        )
    table = depths[variable].isel(dict.fromkeys(others, 0)).transpose("duration", "return_period")
    minutes = table["duration"].to_numpy() / np.timedelta64(1, "m")
    return pd.DataFrame(table.to_numpy(), index=minutes, columns=table["return_period"].to_numpy())


def _curve(depths: Any, return_period: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return durations in minutes and depths in mm of a column, both rising."""
    columns = list(getattr(depths, "columns", ()))
    if return_period not in columns:
        some = ", ".join(map(str, columns)) or "none"
        raise SettingsError(
            f"return_period={return_period!r} is not a column of the table: choose one of {some} years"
        )
    column = depths[return_period].dropna()
    try:
        durations, curve = column.index.to_numpy(float), column.to_numpy(float)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"the table has a value that is not a number ({error}): pass minutes and mm"
        ) from error
    durations, curve = durations[order := np.argsort(durations)], curve[order]
    finite = np.isfinite(durations).all() and np.isfinite(curve).all()
    rises = (np.diff(durations) > 0).all() and (np.diff(curve) >= 0).all()
    if durations.size < 2 or durations[0] <= 0 or (curve <= 0).any() or not (finite and rises):
        raise SettingsError(
            "the depths of the table do not rise with the duration: pass mm, a row for each duration in minutes"
        )
    return durations, curve


def _check_positive(duration: Any) -> None:
    """Raise if a duration is a number that is not above 0."""
    if isinstance(duration, int | float) and not duration > 0:
        raise SettingsError(f"duration={duration!r} is not a positive duration: pass minutes, such as 60")


def _is_multiple(duration: Any, step: Any) -> bool:
    try:
        return bool(step > 0 and duration > 0 and duration % step == 0)
    except TypeError:
        return False


def _euler(total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the increments of a depth-duration curve in the order of Euler type II."""
    falling = np.sort(np.diff(total, prepend=0))[::-1]
    rising = max(falling.size // 3, 1)
    return np.concatenate([falling[:rising][::-1], falling[rising:]])
