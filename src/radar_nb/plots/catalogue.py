"""A catalogue of heavy rain events: a map of their areas, and a calendar of their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.patches import Patch
from matplotlib.path import Path

from radar_nb.errors import SettingsError
from radar_nb.geography.extents import box_of_extent
from radar_nb.geography.shapes import to_plane
from radar_nb.plots.basemap import NORTH, Frame, draw_lines, draw_north, draw_scale
from radar_nb.plots.maps import draw_words, figure_options, wrapped
from radar_nb.plots.style import INK, credit, ink_on, literal, translated
from radar_nb.runtime.language import current_texts, speaks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INDEX_COLOURS = (
    "#b0e619", "#ccff99", "#e6ff4d", "#fff400", "#ffa000", "#ff5600",
    "#ff2800", "#f71e3d", "#ff1a63", "#f70982", "#eb15bf", "#bd1cdc",
)  # fmt: skip
"""Colours of the heavy rain index from 1 to 12 (Schmitt et al. 2018)."""
_NO_INDEX, _NO_EVENT = "#cfcfcf", "#f5f5f5"
_COUNTS = (1, 2, 3, 5, 10, 20, 50, 100, 200)
"""Numbers of events from which the classes of the calendar begin."""
_BLUES = ("#eef4fb", "#dbe8f5", "#c6dbef", "#a3c8e4", "#7cb0d8", "#5394c7", "#2f76b2", "#145796", "#083a72")
_NEEDED = ("Start_Time", "Eta", "SRImax")
_WIDTH, _ROW, _AROUND = 7.0, 0.22, 1.15  # inches


@speaks
def plot_catalogue(
    events: Any,
    kind: Literal["map", "calendar"] = "map",
    *,
    extent: Any = None,
    title: str | None = None,
    lang: str | None = None,  # noqa: ARG001 - read by `speaks`
) -> Axes:
    """Draw a catalogue of heavy rain events, as a map of their areas or as a calendar.

    On the map the most extreme events lie on top, in the colours of their heavy rain index. The calendar has the
    number of events that begin in each month, UTC; months before the first and after the last event are blank.

    Parameters
    ----------
    events : GeoDataFrame
        As `heavy_rain_catalogue` or `catrare` return it, polygons or points.
    kind : {"map", "calendar"}
    extent : tuple of float, str, GeoDataFrame, GeoSeries or path, optional
        Part of the map, as for `plot`: "Leipzig +- 30 km". By default the events' and their surroundings.
    title : str, optional
        Instead of the catalogue's.
    lang : {"en", "de"}, optional
        Language of titles, labels and numbers, by default that of the environment variable `RADAR_NB_LANG`, else
        English.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    SettingsError
        The table is empty or not such a catalogue, or the kind or the extent is not valid.

    Examples
    --------
    >>> import radar_nb as rn
    >>> rn.plot_catalogue(rn.catrare("W3", 2016, area="Leipzig +- 30 km"))  # doctest: +SKIP
    >>> rn.plot_catalogue(rn.catrare("W3"), "calendar")  # doctest: +SKIP
    """
    if kind not in {"map", "calendar"}:
        raise SettingsError(f"unknown kind={kind!r}: choose one of map, calendar")
    lacking = [name for name in _NEEDED if name not in getattr(events, "columns", ())]
    if lacking or not hasattr(events, "geometry"):
        raise SettingsError(
            f"the table has no {(lacking or ['geometry'])[0]!r}: pass what heavy_rain_catalogue or catrare returns"
        )
    if not len(events):
        raise SettingsError("the catalogue is empty: choose a longer time, a larger area or lower thresholds")
    heading = title if title is not None else _heading(events)
    if kind == "calendar":
        if extent is not None:
            raise SettingsError("extent= is for a map: leave it out, and choose events by area before")
        return _calendar(events, heading)
    return _map(events, extent, heading)


_OURS = "Heavy rain events of "
"""How the title of a catalogue of our own begins, before that of the data, which ends with the product."""


def _credit(events: Any) -> str:
    """Return the source of a catalogue of our own, or that of DWD's as DWD states it."""
    return credit(events) if "institution" in events.attrs else str(events.attrs.get("source", ""))


def _heading(events: Any) -> str:
    begins = events["Start_Time"].to_numpy().astype("M8[D]")
    say = current_texts()
    name = str(events.attrs.get("title", say("catalogue.title")))
    if say.language != "en" and name.startswith(_OURS):
        data = name.removeprefix(_OURS)
        name = f"{say('catalogue.title')}: {translated(data.partition(': ')[2] or data, say)}"
    count = say("catalogue.one" if len(events) == 1 else "catalogue.many", n=say.integer(len(events)))
    return f"{name}\n{count}, {say('plot.span', first=begins.min(), last=begins.max())}"


def _map(events: Any, extent: Any, title: str) -> Axes:
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

    order = np.argsort(events["Eta"].to_numpy(), kind="stable")
    plane = to_plane(events.iloc[order], "sphere")
    index = events["SRImax"].to_numpy(float)[order]
    if extent is None:
        west, south, east, north = plane.total_bounds
        free = max(0.06 * max(east - west, north - south), 10_000.0)
        west, south, east, north = west - free, south - free, east + free, north + free
    else:
        west, south, east, north = box_of_extent(extent, "sphere")
    frame = Frame(x=(float(west), float(east)), y=(float(south), float(north)), earth="sphere")
    size, edges = figure_options(frame)
    figure, ax = plt.subplots(figsize=size, layout="constrained", gridspec_kw=edges)
    ax.set(xlim=frame.x, ylim=frame.y, xticks=[], yticks=[], aspect="equal", autoscale_on=False, facecolor="white")
    colours = [INDEX_COLOURS[int(value) - 1] if 1 <= value <= 12 else _NO_INDEX for value in index]
    if (plane.geom_type == "Point").all():
        ax.scatter(plane.x, plane.y, s=22, c=colours, edgecolors=INK, linewidths=0.4, label="_events")
    else:
        zones = [
            (_path(part), colour)
            for shape, colour in zip(plane, colours, strict=True)
            for part in getattr(shape, "geoms", [shape])
        ]
        ax.add_collection(
            PathCollection(
                [path for path, _ in zones], facecolors=[colour for _, colour in zones], edgecolors=INK,
                linewidths=0.4, alpha=0.8, label="_events",
            ),
            autolim=False,
        )  # fmt: skip
    draw_lines(ax, frame, 1.0)
    draw_scale(ax, frame, 1.0)
    if frame.width_km <= NORTH:
        draw_north(ax, frame, 1.0)
    present = sorted({int(value) for value in index if 1 <= value <= 12}, reverse=True)
    edge: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.4}
    entries = [Patch(facecolor=INDEX_COLOURS[value - 1], label=str(value), **edge) for value in present]
    if not np.isin(index, range(1, 13)).all():
        entries.append(Patch(facecolor=_NO_INDEX, label=current_texts()("catalogue.no_index"), **edge))
    legend = figure.legend(
        handles=entries, title=current_texts()("catalogue.index"), loc="outside right upper", frameon=False,
        fontsize=8, title_fontsize=8, alignment="left", labelcolor=ink_on(ax), borderaxespad=0.3,
    )  # fmt: skip
    legend.get_title().set_color(ink_on(ax))
    figure.draw_without_rendering()  # the title is as wide as the legend leaves it
    draw_words(ax, title, [_credit(events)], 1.0)
    for spine in ax.spines.values():
        spine.set(linewidth=0.6, color=ink_on(ax))
    return ax


def _path(polygon: Any) -> Path:
    """Return the outline of a polygon, with holes where it has some: they turn the other way round."""
    rings = [
        np.asarray(ring.coords)[:: 1 if ring.is_ccw is (ring is zone) else -1, :2]
        for zone in [polygon.exterior]
        for ring in (zone, *polygon.interiors)
    ]
    return Path.make_compound_path(*(Path(ring, closed=True) for ring in rings))


def _calendar(events: Any, title: str) -> Axes:
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

    months = events["Start_Time"].to_numpy().astype("M8[M]").astype(int)
    first, last = int(months.min()), int(months.max())
    years = np.arange(first // 12, last // 12 + 1)
    counts = np.bincount(months - 12 * years[0], minlength=12 * years.size).reshape(-1, 12)
    numbers = 12 * years[:, None] + np.arange(12)
    inside = (numbers >= first) & (numbers <= last)
    title = wrapped(title, _WIDTH - 0.6, 10)
    tall = _ROW * years.size + _AROUND + 0.17 * title.count("\n")
    figure, ax = plt.subplots(figsize=(_WIDTH, tall), layout="constrained")
    ink, say = ink_on(ax), current_texts()
    colours = ListedColormap(_BLUES, bad="none", under=_NO_EVENT)
    norm = BoundaryNorm([*_COUNTS, np.inf], colours.N)
    shown = np.ma.masked_array(counts, ~inside)
    ax.set_facecolor("none")
    ax.pcolormesh(shown, cmap=colours, norm=norm, edgecolors=ax.figure.get_facecolor(), linewidth=1.0)
    for row, col in np.argwhere(inside & (counts > 0)).tolist():
        dark = np.searchsorted(_COUNTS, counts[row, col], side="right") > 5
        ax.text(
            col + 0.5, row + 0.52, f"{counts[row, col]}", fontsize=6.5, ha="center", va="center",
            color="white" if dark else INK,
        )  # fmt: skip
    totals = counts.sum(axis=1)
    for row, total in enumerate(totals.tolist()):
        ax.text(12.2, row + 0.52, say.integer(total), fontsize=7, va="center", color=ink, clip_on=False)
    ax.text(12.2, -0.25, say("catalogue.year"), fontsize=7, va="bottom", color=ink, clip_on=False)
    ax.set(xlim=(0, 12), ylim=(years.size, 0))
    ax.set_xticks(np.arange(12) + 0.5, say("calendar.short").split())
    ax.set_yticks(np.arange(years.size) + 0.5, [str(year + 1970) for year in years])
    ax.tick_params(labelsize=7.5, length=0, labelcolor=ink)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_title(title, loc="left", fontsize=10, color=ink, linespacing=1.25, pad=14)
    figure.supxlabel(literal(_credit(events)), x=0.995, ha="right", fontsize=6.5, color=ink)
    return ax
