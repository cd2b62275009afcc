"""Intensity-duration-frequency curves of a place, beside the record they stem from and DWD's tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from radar_nb.errors import SeriesError, SettingsError
from radar_nb.plots.style import class_colours, credit, dress, ink_on, is_dark, literal, page_halo
from radar_nb.runtime.language import current_texts, speaks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

_MOST = 7
"""Largest number of curves; more cannot be distinguished."""
_SHADES = 16
"""Colours of the scale of rain: curves have the dark half on a light page, the light half on a dark one."""


@speaks
def plot_idf(
    levels: xr.Dataset,
    maxima: xr.DataArray | xr.Dataset | None = None,
    *,
    kostra: xr.Dataset | None = None,
    return_periods: Sequence[float] | None = None,
    depth: bool = False,
    ax: Axes | None = None,
    title: str | None = None,
    lang: str | None = None,  # noqa: ARG001 - read by `speaks`
) -> Axes:
    """Draw the intensities of a place by duration, a curve for each return period.

    Both axes are logarithmic. The record's points are its maxima of each duration, with the year at the largest.
    A band shows DWD's value less and plus its uncertainty, for each return period that is drawn and in DWD's
    table, in the colour of its curve.

    Parameters
    ----------
    levels : xarray.Dataset
        As `return_levels` returns it for one place and two or more durations.
    maxima : xarray.DataArray or Dataset, optional
        The record: what was passed to `return_levels`, for the same place.
    kostra : xarray.Dataset, optional
        As `kostra` returns it, for the same place. The key names it by its attribute `title`.
    return_periods : sequence of float, optional
        Years: those of `levels` that are drawn, 7 at most; by default all.
    depth : bool
        Whether to draw amounts in mm instead of intensities in mm/h.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    title : str, optional
        Instead of the place and the number of years.
    lang : {"en", "de"}, optional
        Language of titles, labels and numbers, by default that of the environment variable `RADAR_NB_LANG`, else
        English.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SeriesError
        Something lacks durations, has several places, or has no value.
    SettingsError
        `levels` lack a return period, or there are too many.

    Examples
    --------
    >>> import radar_nb as rn
    >>> levels = rn.return_levels(maxima, [2, 10, 100], method="kostra", resamples=20)  # doctest: +SKIP
    >>> rn.plot_idf(levels, maxima, kostra=rn.kostra("Dresden"))  # doctest: +SKIP
    """
    curves = _of_one_place(levels, "level", "levels", "return_levels")
    periods = _periods(curves, return_periods)
    bands = {} if kostra is None else _bands(kostra, periods)
    record = None if maxima is None else _record(maxima)
    if ax is None:
        import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

        _, ax = plt.subplots(figsize=(7.6, 5.2), layout="constrained")
    ink = ink_on(ax)
    keys: list[Any] = []
    for period, colour in zip(periods, _colours(ax, len(periods)), strict=True):
        if period in bands:
            hours, *edges = bands[period]
            low, high = (edge if depth else edge / hours for edge in edges)
            ax.fill_between(hours, low, high, color=colour, alpha=0.22, linewidth=0)
        hours = _hours(curves)
        values = curves.sel(return_period=period).to_numpy()
        ax.plot(hours, values if depth else values / hours, color=colour, linewidth=1.6, label=f"{period:g}")
        keys.insert(0, Line2D([], [], color=colour, linewidth=1.6, label=_years(period)))
    if bands:
        label = f"{_range_of(kostra)}{_otherwise_counted(levels, kostra)}"
        keys.append(Patch(facecolor=ink, alpha=0.25, linewidth=0, label=literal(label)))
    if record is not None:
        keys.append(_draw_record(ax, record, depth=depth))
    ax.set(xscale="log", yscale="log")
    drawn = _hours(curves) if record is None else np.union1d(_hours(curves), _hours(record))
    _draw_ticks(ax, drawn)
    ax.set_ylabel("mm" if depth else "mm/h", color=ink, fontsize=8.5)
    ax.set_xlabel(current_texts()("plot.duration"), loc="left", fontsize=8, color=ink)
    ax.legend(
        handles=keys, frameon=False, fontsize=8, labelcolor=ink, loc="upper left" if depth else "upper right"
    )
    name = _title(levels, curves) if title is None else title
    ax.set_title(literal(name), loc="left", fontsize=10, color=ink)
    ax.annotate(
        credit(levels["level"]), (1, 0), xytext=(0, -30), xycoords="axes fraction", textcoords="offset points",
        ha="right", fontsize=6, color=ink,
    )  # fmt: skip
    dress(ax, shown=("left", "bottom"))
    ax.tick_params(which="minor", color=ink, width=0.4, length=2)
    return ax


def _years(count: float) -> str:
    say = current_texts()
    return f"{say.number(f'{count:g}')} {say('plot.years')}"


def _of_one_place(data: Any, name: str, called: str, maker: str) -> xr.DataArray:
    """Return an array of the dimensions duration, rising, and return_period, of the only place in it."""
    if not isinstance(data, xr.Dataset) or name not in data or "return_period" not in data[name].dims:
        raise SeriesError(f"{called} is not a result of {maker}: pass what that returns")
    return _single(data[name], called, ("duration", "return_period"))


def _single(array: xr.DataArray, called: str, kept: tuple[str, ...]) -> xr.DataArray:
    if "duration" not in array.dims or array.sizes["duration"] < 2 or array["duration"].dtype.kind != "m":
        raise SeriesError(
            f"{called} does not have two durations, which a curve needs: pass the result for several, such as "
            '["5min", "1h", "24h"]'
        )
    array = array.squeeze([dim for dim, size in array.sizes.items() if size == 1 and dim not in kept])
    for dim in array.dims:
        if dim not in kept:
            first = array[dim].to_numpy().tolist()[0] if dim in array.coords else 0
            raise SeriesError(
                f"{called} has {array.sizes[dim]} places along {dim!r}: choose one, such as "
                f"{called}.{'sel' if dim in array.coords else 'isel'}({dim}={first!r})"
            )
    if not np.isfinite(array).any():
        raise SeriesError(f"{called} has no value: choose a place that has data")
    return array.sortby("duration").transpose("duration", ...)


def _hours(array: xr.DataArray) -> NDArray[np.float64]:
    hours: NDArray[np.float64] = array["duration"].to_numpy() / np.timedelta64(1, "h")
    return hours


def _periods(curves: xr.DataArray, chosen: Sequence[float] | None) -> list[float]:
    """Return the return periods that are drawn, rising."""
    there = [float(period) for period in curves["return_period"].to_numpy()]
    periods = sorted(there if chosen is None else {float(period) for period in chosen})
    lacking = [f"{period:g}" for period in periods if period not in there]
    if lacking:
        raise SettingsError(
            f"the levels have no return period of {', '.join(lacking)} years: choose among "
            f"{', '.join(f'{period:g}' for period in there)}"
        )
    if not 0 < len(periods) <= _MOST:
        raise SettingsError(
            f"{len(periods)} return periods in one picture: choose 1 to {_MOST}, such as "
            "return_periods=[2, 10, 100]"
        )
    return periods


def _bands(kostra: xr.Dataset, periods: Sequence[float]) -> dict[float, list[NDArray[np.float64]]]:
    """Return the hours, and the depths in mm less and plus their uncertainty, of each return period."""
    table = _of_one_place(kostra, "level", "kostra", "kostra")
    if "uncertainty" not in kostra:
        raise SeriesError("kostra has no uncertainty: pass what kostra returns")
    share = _single(kostra["uncertainty"], "kostra", ("duration", "return_period")) / 100
    there = [period for period in periods if period in table["return_period"]]
    found = {}
    for period in there:
        middle, wide = (one.sel(return_period=period).to_numpy() for one in (table, share))
        found[period] = [_hours(table), middle * (1 - wide), middle * (1 + wide)]
    return found


def _record(maxima: Any) -> xr.DataArray:
    """Return maxima of the dimensions (duration, year), or (duration, year, peak)."""
    if isinstance(maxima, xr.Dataset):
        names = [name for name, one in maxima.data_vars.items() if one.attrs.get("units") == "mm"]
        maxima = maxima[names[0]] if len(names) == 1 else None
    if not isinstance(maxima, xr.DataArray) or "year" not in maxima.dims:
        raise SeriesError("maxima have no dimension year: pass the result of annual_maxima or extremes")
    return _single(maxima, "maxima", ("duration", "year", "peak"))


def _colours(ax: Axes, count: int) -> list[Any]:
    """Return colours from rare to frequent that stand out from the page."""
    first, last = (1, 9) if is_dark(ax) else (5, 15)
    shades = class_colours(None, _SHADES, reflectivity=False)
    return [shades(round(number)) for number in np.linspace(first, last, count)]


def _draw_record(ax: Axes, record: xr.DataArray, *, depth: bool) -> Line2D:
    """Draw all maxima as points, and the years of the largest."""
    ink = ink_on(ax)
    look: dict[str, Any] = {"color": ink, "marker": "o", "markersize": 3, "linewidth": 0, "alpha": 0.45,
                            "markeredgewidth": 0}  # fmt: skip
    for hours, values in zip(_hours(record), record, strict=True):
        amounts = values.to_numpy() / (1 if depth else hours)
        shown = amounts[amounts > 0]
        if not shown.size:
            continue
        ax.plot(np.full(shown.size, hours), shown, **look)
        where = {dim: int(at) for dim, at in values.argmax(...).items()}
        year = values["year"].to_numpy()[where["year"]]
        ax.annotate(
            f"{year}", (hours, shown.max()), xytext=(0, 4), textcoords="offset points", ha="center",
            fontsize=6.5, color=ink, path_effects=[page_halo(ax)],
        )  # fmt: skip
    years = record["year"].to_numpy()
    say = current_texts()
    span = say("plot.span", first=years.min(), last=years.max()) if years.size > 1 else f"{years[0]}"
    return Line2D([], [], label=say("plot.maxima", span=span), **look)


def _draw_ticks(ax: Axes, hours: NDArray[np.float64]) -> None:
    """Label the durations that have room, and the amounts without powers of ten."""
    shown: dict[float, str] = {}
    unit = ""
    for hour in hours.tolist():
        if not shown or np.log(hour / max(shown)) > 0.05 * np.log(hours[-1] / hours[0]):
            number, new = current_texts().interval(round(hour * 60)).split()
            shown[hour] = number if new == unit else f"{number} {new}"
            unit = new
    ax.set_xticks(list(shown), list(shown.values()))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    say = current_texts()
    ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: say.number(f"{value:g}")))
    ax.yaxis.set_minor_formatter(NullFormatter())


def _range_of(kostra: xr.Dataset | None) -> str:
    """Return the name of the bands, with the title that the table has in its attributes."""
    say = current_texts()
    name = "" if kostra is None else str(kostra.attrs.get("title", "")).strip()
    return f"{name}, {say('plot.range')}" if name else say("plot.range_of_table")


def _otherwise_counted(levels: xr.Dataset, kostra: xr.Dataset | None) -> str:
    """Return how DWD's table counts return periods, if the levels count them otherwise."""
    ours = levels.attrs.get("counted", "annual")
    theirs = {} if kostra is None else kostra.attrs
    return "" if theirs.get("counted", "partial") == ours else f"\n({current_texts()('plot.partial')})"


def _title(levels: xr.Dataset, curves: xr.DataArray) -> str:
    place = next((str(curves[name].item()) for name in ("point", "area") if name in curves.coords), "")
    years = levels["years"].to_numpy() if "years" in levels else np.empty(0)
    method = levels.attrs.get("method", "")
    say = current_texts()
    named = say("plot.method", name=method) if method else ""
    parts = [place, _years(int(years.min())) if years.size else "", named]
    return ", ".join(filter(None, parts))
