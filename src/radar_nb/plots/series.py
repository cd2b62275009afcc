"""Series at points or of areas over time: each value over its interval, missing times hatched."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.patches import Patch

from radar_nb.errors import SeriesError, SettingsError
from radar_nb.plots.style import (
    credit,
    draw_dates,
    draw_decimals,
    dress,
    forecast_label,
    ink_on,
    literal,
    name_label,
    page_halo,
    unit_label,
)
from radar_nb.reading.forecasts import as_series
from radar_nb.reading.intervals import bounds_of, ends_of, interval_of, shown_interval
from radar_nb.reading.series import overlap_step
from radar_nb.runtime.language import current_texts, speaks
from radar_nb.runtime.zones import find_zone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from matplotlib.axes import Axes
    from matplotlib.text import Annotation
    from numpy.typing import NDArray

_BESIDE = ("coverage", "flags")
"""Variables that accompany a series."""
_RAIN = "#4364df"
_HUES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Colours that any colour vision can distinguish (Okabe and Ito, Color Universal Design, 2008), without the
yellow, which is too light for a line."""
_FINE, _COARSE = 20_000, 4_000
"""The most intervals that are drawn one by one; of more, so many groups are drawn."""
_MISSING: dict[str, Any] = {"facecolor": "#f0f0f0", "edgecolor": "#a8a8a8", "hatch": "////", "linewidth": 0}
_MINUTE = np.timedelta64(1, "m")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Series:
    """Values over consecutive intervals; a gap of the series is an interval without values.

    Attributes
    ----------
    edges : ndarray of datetime64[ns], shape (n + 1,)
    values : ndarray of float64, shape (n, m)
    names : list of str
        Of the m points.
    minutes : float or None
        The length of the intervals, None if it differs or is in doubt.
    doubt : bool
        Whether xarray has computed the values, so that nobody knows which time they cover.
    """

    edges: NDArray[np.datetime64]
    values: NDArray[np.float64]
    names: list[str]
    minutes: float | None
    doubt: bool

    @property
    def together(self) -> int:
        """Number of intervals that are drawn as one: 1, or as many as the eye cannot separate."""
        return 1 if len(self.values) <= _FINE else math.ceil(len(self.values) / _COARSE)

    @property
    def missing(self) -> list[tuple[np.datetime64, np.timedelta64]]:
        """Begin and length of the times when no point has a value."""
        gone = np.isnan(self.values).all(axis=1)
        starts = np.flatnonzero(np.diff(gone, prepend=False) & gone)
        ends = np.flatnonzero(np.diff(gone, append=False) & gone) + 1
        return [(self.edges[a], self.edges[b] - self.edges[a]) for a, b in zip(starts, ends, strict=True)]


@speaks
def plot_series(
    data: xr.DataArray | xr.Dataset,
    *,
    ax: Axes | None = None,
    variable: str | None = None,
    cumulative: bool = False,
    timezone: str | None = None,
    title: str | None = None,
    lang: str | None = None,  # noqa: ARG001 - read by `speaks`
) -> Axes:
    """Draw series at points or of areas over time: rain as bars, several points as steps with their names.

    A value is drawn over the interval that it covers. Times when no point has a value are hatched; a point
    without a value has a gap in its line. Of more than 20,000 intervals the largest value of each group is drawn,
    and the axis says so.

    Parameters
    ----------
    data : xarray.DataArray or Dataset
        As `at_points` returns it: dimension `time` (UTC), and at most one more, with one series each, 7 at most.
        NaN is missing, and so are steps that the time axis skips. Intervals are those of `time_bnds`, or
        `interval_minutes` long, or else as long as the most frequent step.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.
    variable : str, optional
        Which variable of a Dataset, if it has several beside `coverage`.
    cumulative : bool
        Whether to draw the running sum on a second axis. It continues over gaps, dotted, and says so.
    timezone : str, optional
        Of the time axis, such as "Europe/Berlin"; UTC by default.
    title : str, optional
        Instead of the quantity, and the point if there is only one.
    lang : {"en", "de"}, optional
        Language of titles, labels and numbers, by default that of the environment variable `RADAR_NB_LANG`, else
        English.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SeriesError
        The data are not a series (no time, fields of cells, or several variables without `variable`), the running
        sum is not in mm, of sums that overlap or of values that xarray has computed, or the interval is out of
        date.
    SettingsError
        There are too many series, or the time zone is unknown.

    Examples
    --------
    >>> import radar_nb as rn
    >>> ds = rn.at_points("data", {"Aachen": (6.09, 50.78), "Kiel": (10.1, 54.3)})  # doctest: +SKIP
    >>> rn.plot_series(ds, cumulative=True)  # doctest: +SKIP
    """
    zone = None if timezone is None else find_zone(timezone)
    data = as_series(data)
    da = _variable(data, variable)
    series = _series(da, data)
    if cumulative and da.attrs.get("units") != "mm":
        raise SeriesError(
            f"{da.name!r} is in {da.attrs.get('units')!r}, and only amounts in mm add up: leave out "
            "cumulative=True"
        )
    if cumulative:
        minutes = interval_of(da, data)  # raises where xarray has computed the values
        ends = ends_of(da).astype("datetime64[m]").astype(np.int64)
        if minutes and (step := overlap_step(ends, minutes)):
            raise SeriesError(
                f"{da.name!r} has sums of {minutes} min every {step} min, which overlap and do not add up: open "
                'it with sums="apart", choose those that do not overlap, or leave out cumulative=True'
            )
    if ax is None:
        import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

        _, ax = plt.subplots(figsize=(7.6, 3.4), layout="constrained")
    single = len(series.names) == 1
    colours = [_RAIN] if single else _HUES
    rain = da.attrs.get("units") == "mm"
    look: dict[str, Any] = {"fill": True, "linewidth": 0.6} if single and rain else {"linewidth": 1.1}
    starts = np.arange(0, len(series.values), series.together)
    edges = np.append(series.edges[starts], series.edges[-1])
    for values, colour in zip(series.values.T, colours, strict=False):
        largest = np.fmax.reduceat(values, starts)  # missing only where all are
        ax.stairs(largest, edges, color=colour, baseline=0 if rain else None, **look)
    _draw_missing(ax, series)
    labels = [] if single or cumulative else _peaks(ax, series)
    if cumulative:
        labels = _draw_sums(ax, series, [ink_on(ax)] if single else colours)
    _draw_words(ax, da, series, title, zone)
    _spread(ax, labels)
    return ax


def _variable(data: Any, name: str | None) -> xr.DataArray:
    """Return the array of dimensions (time,) or (time, point)."""
    if isinstance(data, xr.Dataset):
        found = [key for key, value in data.data_vars.items() if "time" in value.dims and key not in _BESIDE]
        if name is None and len(found) != 1:
            names = ", ".join(map(str, found)) or "none"
            raise SeriesError(f"the Dataset has no single series (it has {names}): choose one with variable=")
        if name is not None and name not in data.data_vars:
            names = ", ".join(map(str, data.data_vars))
            raise SeriesError(f"the Dataset has no variable {name!r}: it has {names}")
        data = data[found[0] if name is None else name]
    if not isinstance(data, xr.DataArray):
        raise SeriesError(f"a series is a DataArray or a Dataset, not a {type(data).__name__}: see at_points")
    if "time" not in data.dims or not data.sizes["time"]:
        raise SeriesError(f"{data.name!r} has no dimension 'time' with a step in it (it has {dict(data.sizes)})")
    if {"y", "x"} <= set(data.dims) or data.ndim > 2:
        raise SeriesError(
            f"{data.name!r} has the dimensions {', '.join(map(str, data.dims))}: extract the series at points, "
            "with at_points(source, {'Aachen': (6.09, 50.78)}), or a mean, such as da.mean(['y', 'x'])"
        )
    return data.transpose("time", ...).sortby("time")


def _series(da: xr.DataArray, data: xr.DataArray | xr.Dataset) -> _Series:
    values = np.asarray(da.values, float).reshape(da.sizes["time"], -1)
    if values.shape[1] > len(_HUES):
        along = da.dims[1]
        raise SettingsError(
            f"{values.shape[1]} series in one picture cannot be distinguished, {len(_HUES)} can: choose some with "
            f".isel({along}=[0, 1, 2]), or take their mean over {along!r}"
        )
    names = [""] if da.ndim == 1 else [str(name) for name in da[da.dims[1]].values]
    if da.ndim == 1 and "point" in da.coords:
        names = [str(da["point"].item())]
    doubt = bool(da.attrs.get("interval_minutes")) and shown_interval(da, data) is None
    begins, ends = _intervals(da, data)
    begins[1:] = np.maximum(begins[1:], ends[:-1])  # overlapping sums: from one stamp to the next
    lengths = np.unique(ends - begins)
    apart = np.flatnonzero(begins[1:] > ends[:-1])
    edges = np.concatenate([begins[:1], np.insert(ends, apart + 1, begins[apart + 1])])
    return _Series(
        edges=edges,
        values=np.insert(values, apart + 1, np.nan, axis=0),
        names=names,
        minutes=float(lengths[0] / _MINUTE) if lengths.size == 1 and not doubt else None,
        doubt=doubt,
    )


def _intervals(da: xr.DataArray, data: xr.DataArray | xr.Dataset) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the begin and the end of each interval."""
    minutes, bounds = shown_interval(da, data), bounds_of(da, data)
    if bounds is not None:
        bounds = np.sort(bounds, axis=0).astype("datetime64[ns]")
        return bounds[:, 0].copy(), bounds[:, 1]
    ends = ends_of(da).astype("datetime64[ns]")
    if minutes is None:
        lengths, counts = np.unique(np.diff(ends), return_counts=True)
        if not lengths.size:
            raise SeriesError(
                f"{da.name!r} has a single step and does not say how long it is: set the attribute "
                "interval_minutes, or pass the whole Dataset, with its time_bnds"
            )
        return ends - lengths[counts.argmax()], ends
    return ends - minutes * _MINUTE, ends


def _draw_missing(ax: Axes, series: _Series) -> None:
    if missing := series.missing:
        ax.broken_barh(missing, (0, 1), transform=ax.get_xaxis_transform(), zorder=0.5, **_MISSING)  # type: ignore[arg-type] # times are converted
        ax.legend(
            handles=[Patch(label=current_texts()("plot.no_data"), **_MISSING)],
            loc="lower right",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
            fontsize=8,
            labelcolor=ink_on(ax),
            borderaxespad=0.1,
        )


def _peaks(ax: Axes, series: _Series) -> list[Annotation]:
    """Label each series at its largest value."""
    labels = []
    for name, values, colour in zip(series.names, series.values.T, _HUES, strict=False):
        at = int(np.nanargmax(values)) if np.isfinite(values).any() else 0
        middle = series.edges[at] + (series.edges[at + 1] - series.edges[at]) / 2
        height = values[at] if np.isfinite(values[at]) else 0.0
        text = name if np.isfinite(values).any() else f"{name} ({current_texts()('plot.no_data')})"
        labels.append(_label(ax, text, (middle, height), colour, xytext=(0, 3), ha="center"))
    return labels


def _draw_sums(ax: Axes, series: _Series, colours: Sequence[str]) -> list[Annotation]:
    """Draw running sums on an axis at the right; label them at their ends."""
    right = ax.twinx()
    single = len(series.names) == 1
    labels = []
    for name, values, colour in zip(series.names, series.values.T, colours, strict=False):
        sums = np.concatenate([[0.0], np.nancumsum(values)])
        gone = np.isnan(values)
        if gone.any():
            right.plot(series.edges, sums, color=colour, linewidth=1.2, linestyle=":")
        known = np.where(np.repeat(gone, 2), np.nan, np.repeat(sums, 2)[1:-1])
        right.plot(np.repeat(series.edges, 2)[1:-1], known, color=colour, linewidth=1.4, label="_sum")
        if not single:
            labels.append(_label(right, name, (series.edges[-1], sums[-1]), colour, xytext=(-4, 3), ha="right"))
    say = current_texts()
    gaps = f", {say('plot.gaps')}" if np.isnan(series.values).any() else ""
    right.set_ylabel(f"{say('plot.running')}{gaps}", color=ink_on(right), fontsize=8.5)
    right.set_ylim(bottom=0)
    draw_decimals(right.yaxis)
    dress(right)
    return labels


def _label(ax: Axes, text: str, place: tuple[Any, float], colour: str, **where: Any) -> Annotation:
    return ax.annotate(
        literal(text),
        place,
        textcoords="offset points",
        color=colour,
        fontsize=8,
        fontweight="bold",
        path_effects=[page_halo(ax)],
        annotation_clip=False,
        **where,
    )


def _spread(ax: Axes, labels: list[Annotation]) -> None:
    """Move overlapping labels up."""
    if not labels:
        return
    figure = ax.figure
    figure.draw_without_rendering()  # type: ignore[union-attr] # of a subfigure, too
    placed: list[Any] = []
    for label in sorted(labels, key=lambda label: label.get_window_extent().y0):
        extent = label.get_window_extent()
        while below := [other for other in placed if extent.overlaps(other)]:
            up = max(other.y1 for other in below) - extent.y0 + 1
            x, y = label.xyann
            label.xyann = (x, y + up * 72 / figure.dpi)
            extent = label.get_window_extent()
        placed.append(extent)


def _draw_words(ax: Axes, da: xr.DataArray, series: _Series, title: str | None, zone: ZoneInfo | None) -> None:
    """Write the quantity, its unit and interval, and the source of the data."""
    name = f"{series.names[0]}: {name_label(da)}" if len(series.names) == 1 and series.names[0] else name_label(da)
    say = current_texts()
    if label := forecast_label(da, zone):
        name = f"{name}\n{label[:1].upper()}{label[1:]}"
    units = say("plot.number") if da.dtype.kind in "iu" else unit_label(str(da.attrs.get("units", "")), None)
    if "flag_values" in da.attrs:
        units = say("plot.class")
    if units == "mm" and not series.doubt:
        units = unit_label("mm", series.minutes) if series.minutes else say("plot.each_interval")
    if series.together > 1:
        units = f"{units}, {say('plot.largest_of', count=series.together)}"
    ax.set_title(literal(name if title is None else title), loc="left", fontsize=10, color=ink_on(ax))
    ax.set_ylabel(literal(units), color=ink_on(ax), fontsize=8.5)
    covered = "" if series.doubt else f", {say('plot.covered')}"
    ax.set_xlabel(f"{zone or 'UTC'}{covered}", loc="left", fontsize=8, color=ink_on(ax))
    ax.annotate(
        credit(da), (1, 0), xytext=(0, -36), xycoords="axes fraction", textcoords="offset points",
        ha="right", fontsize=6, color=ink_on(ax),
    )  # fmt: skip
    draw_dates(ax, zone or "UTC")
    draw_decimals(ax.yaxis)
    ax.set_xlim(series.edges[0], series.edges[-1])
    if da.attrs.get("units") == "mm":
        ax.set_ylim(0, max(1.12 * np.nanmax(series.values, initial=0.0), 0.1))
    if np.isnan(series.values).all():
        ax.text(0.5, 0.5, say("plot.no_data"), transform=ax.transAxes, ha="center", color=ink_on(ax))
    dress(ax)
