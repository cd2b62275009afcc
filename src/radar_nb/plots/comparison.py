"""Gauges and radar in one figure: each pair of amounts, and what both add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.errors import SeriesError
from radar_nb.plots.style import credit, draw_dates, draw_decimals, dress, ink_on, literal, unit_label
from radar_nb.runtime.language import current_texts, speaks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_RAIN = "#4364df"
_RANGE = "#b8c4f2"
_NEEDED = ("gauge", "cell", "lowest", "highest")


@speaks
def plot_comparison(comparison: Any, *, title: str | None = None, lang: str | None = None) -> Figure:  # noqa: ARG001 - read by `speaks`
    """Draw gauges against radar: a scatter of all pairs, and the running sums of both.

    Left, a point for each interval that both have measured, at the gauge's amount and that of its cell; the bar
    is the range of the nine cells around. Right, the sums of these intervals over time; of
    several gauges, their mean.

    Parameters
    ----------
    comparison : Comparison or xarray.Dataset
        As `compare` returns it, or its `pairs`.
    title : str, optional
        Instead of the comparison's own.
    lang : {"en", "de"}, optional
        Language of titles, labels and numbers, by default that of the environment variable `RADAR_NB_LANG`, else
        English.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SeriesError
        It is not a comparison, or nothing was measured by both.

    Examples
    --------
    >>> import radar_nb as rn
    >>> found = rn.compare("data", "gauges.csv", "stations.csv", label="end", timezone="UTC")  # doctest: +SKIP
    >>> rn.plot_comparison(found)  # doctest: +SKIP
    """
    pairs = getattr(comparison, "pairs", comparison)
    if not isinstance(pairs, xr.Dataset) or not set(_NEEDED) <= set(pairs.data_vars):
        raise SeriesError(
            f"a {type(comparison).__name__} is not a comparison of gauges with radar: pass what compare returns"
        )
    gauge, cell, low, high = (pairs[name].transpose("time", "point").values for name in _NEEDED)
    both = ~(np.isnan(gauge) | np.isnan(cell))
    if not both.any():
        raise SeriesError("gauges and radar have no interval in common that both measured: choose other times")
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.2, 3.9), layout="constrained", width_ratios=(1, 1.35))
    unit = unit_label("mm", pairs["cell"].attrs.get("interval_minutes"))
    most = 1.05 * max(np.nanmax(gauge[both]), np.nanmax(np.fmax(cell, high)[both]), 0.1)
    ink, say = ink_on(left), current_texts()
    left.plot([0, most], [0, most], color=ink, linewidth=0.8, linestyle="--", label="1 : 1")
    ranged = both & ~np.isnan(low)
    left.vlines(gauge[ranged], low[ranged], high[ranged], color=_RANGE, linewidth=1.2, label=say("plot.nine"))
    left.plot(gauge[both], cell[both], "o", color=_RAIN, markersize=3, markeredgewidth=0, label=say("plot.cell"))
    left.set(xlim=(0, most), ylim=(0, most), aspect="equal")
    left.set_xlabel(f"{say('plot.gauge')}, {unit}", fontsize=8.5, color=ink)
    left.set_ylabel(f"{say('plot.radar')}, {unit}", fontsize=8.5, color=ink)
    for values, name, colour in ((gauge, say("plot.gauge"), ink), (cell, say("plot.radar"), _RAIN)):
        edges, sums = _running(pairs, np.where(both, values, np.nan))
        right.plot(edges, sums, color=colour, linewidth=1.4, label=say.number(f"{name}: {sums[-1]:.1f} mm"))
    several = gauge.shape[1] > 1
    right.set_ylabel(say("plot.running") + f", {say('plot.mean_of_gauges')}" * several, fontsize=8.5, color=ink)
    right.set_xlabel(f"UTC, {say('plot.both')}", loc="left", fontsize=8, color=ink)
    right.set_ylim(bottom=0)
    draw_dates(right)
    draw_decimals(left.xaxis)
    for ax in (left, right):
        draw_decimals(ax.yaxis)
        ax.legend(frameon=False, fontsize=8, labelcolor=ink, loc="upper left")
        dress(ax, shown=("left", "bottom"))
    own = getattr(comparison, "title", "") if say.language == "en" else ""
    left.set_title(literal(title or own or say("plot.against")), loc="left", fontsize=10, color=ink)
    right.annotate(
        credit(pairs["cell"].assign_attrs(pairs.attrs)), (1, 0), xytext=(0, -36), xycoords="axes fraction",
        textcoords="offset points", ha="right", fontsize=6, color=ink,
    )  # fmt: skip
    return figure


def _running(pairs: xr.Dataset, values: Any) -> tuple[Any, Any]:
    """Return the edges of the intervals and the sum until each: the mean over gauges with a value."""
    known = ~np.isnan(values)
    means = np.divide(
        np.nansum(values, axis=1), known.sum(axis=1), out=np.zeros(len(values)), where=known.any(axis=1)
    )
    edges = np.concatenate([pairs["time_bnds"].values[:1, 0], pairs["time_bnds"].values[:, 1]])
    return edges, np.concatenate([[0.0], np.cumsum(means)])
