"""What surrounds a field on its map: the frame, borders, radar sites and a scale, without a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.patheffects import withStroke

from radar_nb.dwd.grids import GRIDS, scale_factor, to_xy
from radar_nb.dwd.radar_sites import FORMER_SITES, SITES
from radar_nb.errors import SeriesError
from radar_nb.geography.lines import map_lines
from radar_nb.plots.style import INK

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Earth

HALO = withStroke(linewidth=2, foreground="white", alpha=0.8)
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
        return cls(x=x, y=y, earth=_earth(field))

    @property
    def centre(self) -> tuple[float, float]:
        """The middle, in metres."""
        return sum(self.x) / 2, sum(self.y) / 2

    def holds(self, x: float, y: float) -> bool:
        """Return whether a place lies on the map."""
        return self.x[0] <= x <= self.x[1] and self.y[0] <= y <= self.y[1]


def _edges(centres: NDArray[Any]) -> tuple[float, float]:
    half = (centres[1] - centres[0]) / 2 if centres.size > 1 else 500.0
    return float(centres[0] - half), float(centres[-1] + half)


def _earth(field: xr.DataArray) -> Earth:
    """Return the earth of the `crs` coordinate, or that on which the cells form one of DWD's grids."""
    for coord in field.coords.values():
        if "semi_major_axis" in coord.attrs:
            if coord.attrs.get("grid_mapping_name", "polar_stereographic") == "polar_stereographic":
                return "sphere" if coord.attrs["semi_major_axis"] == 6_370_040 else "wgs84"
            break
    else:
        for name, earth in (("de900", "sphere"), ("de900-wgs84", "wgs84")):
            away = (float(field["y"][0]) - GRIDS[name].y0) / GRIDS[name].cell
            if abs(away - round(away)) < 1e-2:
                return cast("Earth", earth)
    raise SeriesError(
        f"{field.name!r} is not known to be on DWD's polar stereographic grid: keep the coordinate 'crs' "
        "of open_dataset; for other projections use da.plot() of xarray"
    )


def draw_borders(ax: Axes, earth: Earth, size: float) -> None:
    """Draw the border of Germany, and thinner those around it."""
    for name, width, colour in (("neighbours", 0.5, "#5a5a5a"), ("germany", 1.0, INK)):
        lines = LineCollection(
            map_lines(earth)[name], linewidths=width * size, colors=colour, capstyle="round", label=f"_{name}"
        )
        ax.add_collection(lines, autolim=False)


def draw_radars(ax: Axes, named: Any, frame: Frame, size: float) -> list[str]:
    """Draw the radar sites on the map; return the ids of those whose place is unknown."""
    known = SITES | FORMER_SITES
    if named is None:
        ids = list(SITES)
    else:
        names = named.split(",") if isinstance(named, str) else named
        # the list is empty where the file names none, as netCDF and ASCII do not
        ids = [text.removeprefix("de") for name in names if (text := str(name).strip().lower())]
    lon, lat = np.array([known[name] for name in ids if name in known]).reshape(-1, 2).T
    x, y = to_xy(lon, lat, frame.earth)
    inside = [frame.holds(*place) for place in zip(x, y, strict=True)]
    ax.plot(x[inside], y[inside], **site_style(size))
    return [name for name in ids if name not in known]


def site_style(size: float) -> dict[str, Any]:
    """Return the style of a radar site, on the map and in its key."""
    return {
        "linestyle": "none",
        "marker": "^",
        "markersize": 4.5 * size,
        "markerfacecolor": "white",
        "markeredgecolor": INK,
        "markeredgewidth": 0.7 * size,
        "label": "radar site",
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


def points(full: float, size: float) -> float:
    """Return a font size in points: smaller on small maps, but always readable."""
    return max(4.5, full * size)
