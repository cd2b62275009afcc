"""A storm against a design storm: both as amounts, and as sums since the begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from radar_nb.errors import SeriesError
from radar_nb.plots.style import credit, draw_decimals, dress, ink_on, is_dark, literal, unit_label
from radar_nb.reading.intervals import interval_of
from radar_nb.runtime.language import current_texts, speaks

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_RAIN, _DESIGN = "#4364df", "#d55e00"


@speaks
def plot_storm(data: xr.Dataset, *, title: str | None = None, lang: str | None = None) -> Figure:  # noqa: ARG001 - read by `speaks`
    """Draw the largest storm of a series against the design storm of its return period.

    Above the amount of each interval, the storm as bars and the design storm as a line; below the sums since the
    begin, with a band where the uncertainty of the table is known.

    Parameters
    ----------
    data : xarray.Dataset
        As `storm_against_design` returns it.
    title : str, optional
        Instead of place, depth, duration and return period.
    lang : {"en", "de"}, optional
        Language of titles, labels and numbers, by default that of the environment variable `RADAR_NB_LANG`, else
        English.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    SeriesError
        The Dataset has no `observed` or no `design`.

    Examples
    --------
    >>> import radar_nb as rn
    >>> rn.plot_storm(rn.storm_against_design(rain, depths, 60))  # doctest: +SKIP
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

    lacking = [name for name in ("observed", "design") if name not in getattr(data, "data_vars", ())]
    if lacking:
        raise SeriesError(f"the Dataset has no {lacking[0]!r}: pass what storm_against_design returns")
    minutes = interval_of(data["design"], data)
    edges = np.arange(data.sizes["time"] + 1) * float(minutes or 0)
    say = current_texts()
    period = say.number(f"{say('plot.design')}, {data.attrs['return_period']:g} a")
    figure, (above, below) = plt.subplots(2, 1, figsize=(7.6, 5.6), sharex=True, layout="constrained")
    ink = ink_on(above)
    above.stairs(data["observed"], edges, fill=True, color=_RAIN, label=say("plot.storm"))
    above.stairs(data["design"], edges, color=_DESIGN, linewidth=1.6, label=period)
    above.set_ylabel(unit_label("mm", minutes), color=ink, fontsize=8.5)
    above.legend(frameon=False, fontsize=8, labelcolor=ink)
    if "design_low" in data:
        low, high = _sums(data["design_low"]), _sums(data["design_high"])
        below.fill_between(
            edges,
            low,
            high,
            color=_DESIGN,
            alpha=0.4 if is_dark(above) else 0.18,
            linewidth=0,
            label=say("plot.uncertainty"),
        )
    below.plot(edges, _sums(data["observed"]), color=_RAIN, linewidth=1.8, label=say("plot.storm"))
    below.plot(edges, _sums(data["design"]), color=_DESIGN, linewidth=1.6, label=period)
    below.set_ylabel(say("plot.since_begin"), color=ink, fontsize=8.5)
    below.set_xlabel(say("plot.minutes_since", time=f"{_begin(data)} UTC"), loc="left", fontsize=8, color=ink)
    below.legend(frameon=False, fontsize=8, labelcolor=ink, loc="upper left")
    below.annotate(
        credit(data["observed"]), (1, 0), xytext=(0, -30), xycoords="axes fraction", textcoords="offset points",
        ha="right", fontsize=6, color=ink,
    )  # fmt: skip
    own = str(data.attrs.get("title", "")) if say.language == "en" else say("plot.storm_against", design=period)
    above.set_title(literal(title or own), loc="left", fontsize=10, color=ink)
    for ax in (above, below):
        ax.set_ylim(bottom=0)
        ax.set_xlim(edges[0], edges[-1])
        draw_decimals(ax.yaxis)
        dress(ax, shown=("left", "bottom"))
    return figure


def _sums(amounts: xr.DataArray) -> NDArray[np.float64]:
    return np.concatenate([[0.0], np.cumsum(amounts.to_numpy())])


def _begin(data: xr.Dataset) -> str:
    begin = data["time_bnds"].to_numpy()[0, 0] if "time_bnds" in data else data["time"].to_numpy()[0]
    return str(np.datetime64(begin, "m")).replace("T", " ")
