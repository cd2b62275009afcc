"""What surrounds a field on its map: the frame, borders, radar sites and a scale, without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.patheffects import withStroke

from radar_nb.dwd.grids import scale_factor, to_lonlat, to_xy
from radar_nb.dwd.radar_sites import FORMER_SITES, SITES
from radar_nb.errors import SettingsError
from radar_nb.geography.extents import box_of_extent
from radar_nb.geography.lines import map_lines
from radar_nb.plots.labels import LabelRoom, candidates, free_of, placed, text_size
from radar_nb.plots.style import INK, literal
from radar_nb.reading.georeference import earth_of
from radar_nb.runtime.language import current_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Earth
    from radar_nb.geography.shapes import Outline
    from radar_nb.plots.labels import Label, Rectangle

SOFT, WATER, LAKE = "#6a6a6a", "#5b84a6", "#d3e2ec"
"""Colours of lesser borders, of rivers and shores, and of lakes."""
AREA = "#b3005e"
"""Colour of a user's areas."""
NORTH = 500.0
"""Width in km of the largest map with an arrow to the north."""
_DETAIL = (("large", np.inf), ("medium", 700.0), ("small", 350.0))
"""Classes of rivers and lakes, and the width in km of the largest map that shows them."""
_DEGREES = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Between meridians and between parallels."""
HALO = withStroke(linewidth=2.4, foreground="white", alpha=0.85)
"""Keeps text readable on any colour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a map covers: the outer edges in metres of the projection on the sphere or the ellipsoid."""

    x: tuple[float, float]
    y: tuple[float, float]
    earth: Earth

    @classmethod
    def of(cls, field: xr.DataArray) -> Frame:
        """Return the frame of a field with evenly spaced x and y, both rising."""
        x, y = (_edges(field[name].values) for name in ("x", "y"))
        return cls(x=x, y=y, earth=earth_of(field))

    @property
    def centre(self) -> tuple[float, float]:
        """The middle, in metres."""
        return sum(self.x) / 2, sum(self.y) / 2

    @property
    def width_km(self) -> float:
        """The width on the ground."""
        return (self.x[1] - self.x[0]) / scale_factor(*self.centre, self.earth) / 1000

    @property
    def degrees(self) -> tuple[float, float, float, float]:
        """West, south, east and north of the map, in degrees."""
        x, y = np.meshgrid(np.linspace(*self.x, 9), np.linspace(*self.y, 9))
        lon, lat = to_lonlat(x, y, self.earth)
        return float(lon.min()), float(lat.min()), float(lon.max()), float(lat.max())

    def holds(self, x: float, y: float) -> bool:
        """Return whether a place lies on the map."""
        return self.x[0] <= x <= self.x[1] and self.y[0] <= y <= self.y[1]


def _edges(centres: NDArray[Any]) -> tuple[float, float]:
    half = (centres[1] - centres[0]) / 2 if centres.size > 1 else 500.0
    return float(centres[0] - half), float(centres[-1] + half)


def part_within(da: xr.DataArray, extent: Any) -> xr.DataArray:
    """Return the cells of fields, y and x rising, that an extent touches; all without one.

    Raises
    ------
    SettingsError
        The extent is not one, or lies outside the fields, or shows less than two cells.
    """
    if extent is None:
        return da
    frame = Frame.of(da)
    west, south, east, north = box_of_extent(extent, frame.earth)
    parts = {}
    for name, (low, high), edge in (("x", (west, east), frame.x), ("y", (south, north), frame.y)):
        cell = (edge[1] - edge[0]) / da.sizes[name]
        first = max(0, int(np.floor((low - edge[0]) / cell + 1e-6)))
        last = min(da.sizes[name], int(np.ceil((high - edge[0]) / cell - 1e-6)))
        if last - first < 2:
            w, s, e, n = frame.degrees
            raise SettingsError(
                f"the part {extent!r} holds less than two cells of {da.name!r}, which covers {w:.1f} to {e:.1f} E "
                f"and {s:.1f} to {n:.1f} N: choose a part of that; a box is (west, south, east, north) in degrees"
            )
        parts[name] = slice(first, last)
    return da.isel(parts)


def draw_lines(ax: Axes, frame: Frame, size: float) -> None:
    """Draw lakes and rivers, the more the smaller the area, then borders: of states, of neighbours, of Germany."""
    lines = map_lines(frame.earth)
    kinds = [kind for kind, most in _DETAIL if frame.width_km <= most]
    lakes: list[Any] = [lake for kind in kinds for lake in lines[f"lakes_{kind}"]]
    ax.add_collection(
        PolyCollection(lakes, facecolors=LAKE, edgecolors=WATER, linewidths=0.4 * size, label="_lakes")
    )
    widths = {"large": 0.8, "medium": 0.6, "small": 0.5}
    styles: list[tuple[str, float, str, Any]] = [
        *((f"rivers_{kind}", widths[kind], WATER, "solid") for kind in kinds),
        ("states", 0.5, SOFT, (0, (4, 2.5))),
        ("neighbours", 0.6, SOFT, "solid"),
        ("germany", 1.0, INK, "solid"),
    ]
    for name, width, colour, style in styles:
        drawn = LineCollection(
            lines[name],
            linewidths=width * size,
            colors=colour,
            linestyles=style,
            capstyle="round",
            label=f"_{name}",
        )
        ax.add_collection(drawn, autolim=False)


def draw_towns(
    ax: Axes,
    frame: Frame,
    inches: tuple[float, float],
    *,
    size: float,
    taken: list[Rectangle],
    marks: Sequence[tuple[float, float]],
) -> list[Label]:
    """Draw and name the towns of the map; return the names drawn.

    `inches` is the size of the map, `taken` the rectangles that must stay free, in inches; `marks` are places in
    metres that no name may cover.
    """
    towns = candidates(frame.degrees, frame.width_km)
    if not towns:
        return []
    x, y = to_xy([town.lon for town in towns], [town.lat for town in towns], frame.earth)
    per_inch = (frame.x[1] - frame.x[0]) / inches[0]
    at = zip(((x - frame.x[0]) / per_inch).tolist(), ((y - frame.y[0]) / per_inch).tolist(), strict=True)
    half = 0.045 * size
    spots = [((x - frame.x[0]) / per_inch, (y - frame.y[0]) / per_inch) for x, y in marks]
    taken += [(x - half, y - half, x + half, y + half) for x, y in spots]
    room = LabelRoom(width=inches[0], height=inches[1], taken=taken)
    labels = placed(zip(towns, at, strict=True), room, size=size)
    dots = np.array([label.dot for label in labels]).reshape(-1, 2) * per_inch + (frame.x[0], frame.y[0])
    ax.plot(*dots.T, linestyle="none", marker="o", markersize=2.6 * size, markerfacecolor="white",
            markeredgecolor=INK, markeredgewidth=0.6 * size, label="_towns")  # fmt: skip
    for label in labels:
        beside = (frame.x[0] + label.text[0] * per_inch, frame.y[0] + label.text[1] * per_inch)
        ax.text(*beside, literal(label.town.name), fontsize=label.letters, color=INK, path_effects=[HALO],
                ha=label.align[0], va=label.align[1], clip_on=True, in_layout=False)  # fmt: skip
    return labels


def draw_radars(ax: Axes, named: Any, frame: Frame, size: float) -> tuple[list[str], list[tuple[float, float]]]:
    """Draw the radar sites on the map; return the ids of those whose place is unknown, and the places drawn."""
    known = SITES | FORMER_SITES
    if named is None:
        ids = list(SITES)
    else:
        names = named.split(",") if isinstance(named, str) else named
        # the list is empty where the file names none, as netCDF and ASCII do not
        ids = [text.removeprefix("de") for name in names if (text := str(name).strip().lower())]
    lon, lat = np.array([known[name] for name in ids if name in known]).reshape(-1, 2).T
    x, y = to_xy(lon, lat, frame.earth)
    inside = [place for place in zip(x.tolist(), y.tolist(), strict=True) if frame.holds(*place)]
    ax.plot(*np.array(inside).reshape(-1, 2).T, **site_style(size))
    return [name for name in ids if name not in known], inside


def site_style(size: float) -> dict[str, Any]:
    """Return the style of a radar site, on the map and in its key."""
    return {
        "linestyle": "none",
        "marker": "^",
        "markersize": 4.5 * size,
        "markerfacecolor": "white",
        "markeredgecolor": INK,
        "markeredgewidth": 0.7 * size,
        "label": current_texts()("plot.site"),
    }


def draw_scale(ax: Axes, frame: Frame, size: float) -> None:
    """Draw a bar of 100 km on the ground, or of less on a map of a small area."""
    (west, east), (south, north) = frame.x, frame.y
    per_km = 1000 * scale_factor(*frame.centre, frame.earth)
    length = next((km for km in (100, 50, 20, 10, 5, 2, 1) if km * per_km <= 0.35 * (east - west)), 1)
    x, y = west + 0.035 * (east - west), south + 0.03 * (north - south)
    end = x + length * per_km
    ax.plot([x, end], [y, y], color=INK, linewidth=1.2 * size, marker="|", markersize=5 * size, label="_scale")
    ax.annotate(
        f"{length} km",
        ((x + end) / 2, y),
        xytext=(0, 3 * size),
        textcoords="offset points",
        ha="center",
        fontsize=points(7.5, size),
        color=INK,
        path_effects=[HALO],
    )


def draw_graticule(
    ax: Axes, frame: Frame, inches: tuple[float, float], size: float, taken: Sequence[Rectangle]
) -> list[Rectangle]:
    """Draw meridians and parallels, labelled at the upper and left edge; return where the labels are, in inches.

    `taken` are rectangles in inches that must stay free.
    """
    west, south, east, north = frame.degrees
    spread = max(east - west, 1.5 * (north - south))
    step = next((step for step in _DEGREES if spread / step <= 8), _DEGREES[-1])
    per_inch = (frame.x[1] - frame.x[0]) / inches[0]
    top = (frame.y[1] - frame.y[0]) / per_inch + 1e-6
    found: list[Rectangle] = []
    lines, say = [], current_texts()
    for low, high, is_meridian in ((west, east, True), (south, north, False)):
        along = np.linspace(south, north, 60) if is_meridian else np.linspace(west, east, 60)
        for degree in np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step:
            same = np.full(60, degree)
            x, y = to_xy(same, along, frame.earth) if is_meridian else to_xy(along, same, frame.earth)
            lines.append(np.column_stack([x, y]))
            edge, across = (frame.y[1], (y, x)) if is_meridian else (frame.x[0], (x, y))
            at = float(np.interp(edge, *across))
            spot = (at, edge) if is_meridian else (edge, at)
            left, lower = (spot[0] - frame.x[0]) / per_inch, (spot[1] - frame.y[0]) / per_inch
            wide, tall = 0.2 * size, 0.12 * size
            box = (
                (left - wide, lower - tall, left + wide, lower)
                if is_meridian
                else (left, lower - tall, left + 2 * wide, lower + tall)
            )
            if min(box) < 0 or box[2] > inches[0] or box[3] > top or not free_of(box, [*taken, *found]):
                continue
            found.append(box)
            side = say("plot.east") if is_meridian else "N"
            label = say.number(f"{round(float(degree), 4):g}°{side}")
            ax.annotate(label, spot, xytext=(0, -2) if is_meridian else (2, 0), textcoords="offset points",
                        ha="center" if is_meridian else "left", va="top" if is_meridian else "center",
                        fontsize=points(6, size), color=SOFT, path_effects=[HALO])  # fmt: skip
    drawn = LineCollection(lines, linewidths=0.4 * size, colors=SOFT, alpha=0.7, label="_graticule")
    ax.add_collection(drawn, autolim=False)
    return found


def draw_north(ax: Axes, frame: Frame, size: float) -> None:
    """Draw an arrow to the north in the upper right corner."""
    x, y = (high - 0.045 * (frame.x[1] - frame.x[0]) for high in (frame.x[1], frame.y[1]))
    away = np.hypot(x, y)  # the pole is the origin
    step = 0.055 * (frame.x[1] - frame.x[0])
    start = (x + step * x / away, y + step * y / away)
    style = {"arrowstyle": "-|>,head_length=0.5,head_width=0.22", "color": INK, "linewidth": 0.9 * size}
    ax.annotate("", (x, y), xytext=start, arrowprops=style | {"shrinkA": 0, "shrinkB": 0, "path_effects": [HALO]})
    ax.text(*start, "N", fontsize=points(7.5, size), ha="center", va="top", color=INK, path_effects=[HALO])


def draw_areas(ax: Axes, frame: Frame, outlines: Sequence[Outline], width: float, size: float) -> list[Rectangle]:
    """Draw a user's areas over the field, each with its name if it has one; return where names stand, in inches.

    `width` is that of the map in inches.
    """
    letters, per_inch = points(7.5, size), (frame.x[1] - frame.x[0]) / width
    rings = [ring for outline in outlines for ring in outline.rings]
    for wide, colour, alpha in ((3.2, "white", 0.8), (1.6, AREA, 1.0)):
        ax.add_collection(
            LineCollection(rings, linewidths=wide * size, colors=colour, alpha=alpha, label="_areas"),
            autolim=False,
        )
    taken = []
    for outline in outlines:
        ax.text(*outline.inside, literal(outline.name), fontsize=letters, color=AREA, weight="bold", ha="center",
                va="center", path_effects=[HALO], clip_on=True, in_layout=False)  # fmt: skip
        x, y = (outline.inside[0] - frame.x[0]) / per_inch, (outline.inside[1] - frame.y[0]) / per_inch
        across, high = text_size(outline.name, 1.15 * letters)  # bold letters are wider
        taken.append((x - across / 2, y - high / 2, x + across / 2, y + high / 2))
    return taken


def points(full: float, size: float) -> float:
    """Return a font size in points: smaller on small maps, but always readable."""
    return max(4.5, full * size)
