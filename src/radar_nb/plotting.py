"""Maps of radar fields, in the data's own projection.

Class limits of rain and reflectivity are those of DWD's and its users' maps (symbology files of radolan2map, whose
first class, from zero, begins here at the smallest amount that the product can tell: dry is then white, and only
dry). The familiar hues (`cmap="dwd"`) come from there and from the legend of DWD's reflectivity composite WN. The
default colours are our own: from pale blue over violet to dark red, with a lightness that falls from class to
class, so that their order is seen by everybody, also in grey print and with any colour vision.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib.resources import files
from math import hypot
from textwrap import fill
from typing import TYPE_CHECKING, Any, cast

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.collections import LineCollection
from matplotlib.colors import BoundaryNorm, Colormap, LinearSegmentedColormap, ListedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from radar_nb.errors import SeriesError, SettingsError
from radar_nb.grids import GRIDS, to_lonlat, to_xy
from radar_nb.weather import SITES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

    from radar_nb.grids import Earth

FORMER_SITES = {"emd": (7.02377, 53.33872), "asd": (13.76347, 51.12404)}
"""Sites that older series name and today's network has not: Emden, Dresden airport. Source: wradlib's list."""

_HOUR, _DAY = 60, 1440
_SUMS: tuple[tuple[float, tuple[float, ...]], ...] = (
    (15, (0.01, 0.1, 0.2, 0.5, 1, 2, 5, 10)),
    (3 * _HOUR, (0.1, 0.5, 1, 2, 5, 10, 20, 50)),
    (2 * _DAY, (0.1, 1, 2, 5, 10, 20, 50, 80)),
    (21 * _DAY, (0.1, 10, 20, 30, 40, 50, 60, 70, 80, 100, 120, 140, 160)),
    (92 * _DAY, (0.1, *range(25, 351, 25))),
    (np.inf, (0.1, *range(200, 501, 50), *range(600, 1001, 100), 1500)),
)
"""Class limits in mm of sums over at most so many minutes. Source: radolan2map, symbology."""
_RATE = (0.1, 0.5, 1, 2, 5, 10, 20, 50, 100)
"""mm/h: those of the hourly sum, and one more for the short intensities of single cells."""
_REFLECTIVITY = (5.5, 10, 14.5, 19, 23.5, 28, 32.5, 37, 41.5, 46, 50.5, 55, 60, 65, 75, 85)
"""dBZ. Source: radolan2map, symbology; DWD's legend of WN."""

_DEFAULT_HUES = "#caf0f6 #8ddbf6 #57b9f4 #3e8fec #4364df #6239c6 #7a0d94 #7a0057 #680028 #49030e"
_DWD_RAIN = "#ffffdc #ffffa0 #ffff00 #00ff00 #80b3ff #5010ff #ff00bf #ffbff0"
_DWD_REFLECTIVITY = (
    "#33ffff #00caca #009934 #4dbf1a #99cc00 #cce600 #ffff00 #ffc400 "
    "#ff8900 #ff0000 #b40000 #4848ff #0000ca #990099 #ff33ff #000000"
)
_DRY, _NO_DATA, _INK = "#fdfdfb", "#c8c8c8", "#1a1a1a"
_HALO = withStroke(linewidth=2, foreground="white", alpha=0.8)


def plot(
    da: xr.DataArray,
    *,
    ax: Axes | None = None,
    classes: Sequence[float] | None = None,
    cmap: str | Colormap | None = None,
    colorbar: bool = True,
    borders: bool = True,
    radars: bool = True,
    title: str | None = None,
    time: str | datetime | np.datetime64 | None = None,
) -> Axes:
    """Draw one field as a map: rain or reflectivity in classes, borders, radar sites, scale, time and unit.

    The map stands in the data's own projection, cell for cell, without resampling in space. Missing cells are grey,
    cells below the first class nearly white.

    Parameters
    ----------
    da : xarray.DataArray
        Dimensions `y` and `x` (cell centres in metres, evenly spaced, in any order) and at most one more, `time`.
        NaN is missing. Lazy arrays are computed for the one field only. As `open_dataset` gives it, or a sum of it.
        Attributes that are used where they exist: `units`, `long_name`, `interval_minutes`, `radars`
        (ids of radar sites, separated by commas).
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it, a new figure is made.
    classes : sequence of float, optional
        Limits of the classes, rising, in the data's unit. By default DWD's for the quantity and its interval;
        for a sum without known interval, those that its amounts fill.
    cmap : str or matplotlib.colors.Colormap, optional
        `"dwd"` for DWD's hues, or a colour map of matplotlib. By default a scale that every colour vision orders.
    colorbar, borders, radars : bool
        Whether to draw the colour bar with the key to the map, the borders, the radar sites. Without
        `da.attrs["radars"]` the sites are those of today's network.
    title : str, optional
        Instead of the product, its interval and its time.
    time : str, datetime or numpy.datetime64, optional
        Which field to draw if `da` has several, in UTC unless it says otherwise.

    Returns
    -------
    matplotlib.axes.Axes
        In metres of the projection; `ax.figure.savefig("field.png")` writes it.

    Raises
    ------
    SeriesError
        `da` is no single field: several times and none chosen, no such time, no `x` and `y`, or a projection that
        is not DWD's.
    SettingsError
        Classes that do not rise, or an unknown colour map.

    Examples
    --------
    >>> import radar_nb as rn
    >>> ds = rn.open_dataset("YW2017.002_202006.tar")  # doctest: +SKIP
    >>> rn.plot(ds.YW, time="2020-06-13 15:25")  # doctest: +SKIP
    """
    field = _one_field(da, time)
    frame = _Frame.of(field)
    values = np.asarray(field.values, dtype=float)
    limits = _limits(field.attrs, values) if classes is None else _checked(classes)
    colours = _colours(cmap, len(limits), reflectivity=field.attrs.get("units") == "dBZ")
    ax = _new_axes(frame) if ax is None else ax
    size = _size(ax)

    image = ax.imshow(
        values,
        extent=(*frame.x, *frame.y),
        origin="lower",
        cmap=colours,
        norm=BoundaryNorm(limits, colours.N, extend="max"),
        interpolation_stage="rgba",  # averages colours where cells are smaller than pixels: no storm cell is lost
    )
    if borders:
        _draw_borders(ax, frame.earth, size)
    unknown = _draw_radars(ax, field.attrs.get("radars"), frame, size) if radars else []
    _draw_scale(ax, frame, size)
    _draw_words(ax, _title(field, values) if title is None else title, size)
    if colorbar:
        _draw_key(ax, image, limits, _unit(field.attrs), size)
        _draw_legend(ax, limits[0], radars=radars, unknown=unknown, size=size)
    ax.set(xlim=frame.x, ylim=frame.y, xticks=[], yticks=[], aspect="equal")
    for spine in ax.spines.values():
        spine.set(linewidth=0.6, color=_INK)
    return ax


def _one_field(da: xr.DataArray, time: str | datetime | np.datetime64 | None) -> xr.DataArray:
    """Give the field with dimensions (y, x), both rising."""
    if not isinstance(da, xr.DataArray):
        raise SeriesError(
            f"a map is made of one variable, not of a {type(da).__name__}: plot(ds['YW']), for example"
        )
    if time is not None:
        da = _at(da, time)
    for name in ("y", "x"):
        if name not in da.dims or name not in da.coords:
            raise SeriesError(
                f"{da.name!r} has no dimension {name!r} with coordinates (it has {', '.join(map(str, da.dims))}): "
                "a map needs y and x in metres, as open_dataset gives them"
            )
        if not np.allclose(steps := np.diff(da[name].values), steps[:1], atol=1e-3 * abs(steps[:1])):
            raise SeriesError(f"{name} of {da.name!r} is not evenly spaced: draw a part without holes")
    da = da.squeeze([name for name in da.dims if name not in ("y", "x") and da.sizes[name] == 1])
    if "time" in da.dims:
        first, last = (_spell(moment) for moment in da["time"].values[[0, -1]])
        raise SeriesError(
            f"{da.name!r} has {da.sizes['time']} times, from {first} to {last}: choose one with "
            f"plot(..., time=...) or .sel(time=...), or sum them first"
        )
    if da.ndim > 2:
        more = ", ".join(f"{name} ({da.sizes[name]})" for name in da.dims if name not in ("y", "x"))
        raise SeriesError(
            f"{da.name!r} has further dimensions, {more}: choose one value of each with .isel or .sel"
        )
    return da.transpose("y", "x").sortby(["y", "x"])


def _at(da: xr.DataArray, time: str | datetime | np.datetime64) -> xr.DataArray:
    """Give the field of one time."""
    if "time" not in da.coords:
        raise SeriesError(f"{da.name!r} has no time: leave time={time!r} away")
    moment = _moment(time)
    times = np.atleast_1d(da["time"].values)
    if (found := np.flatnonzero(times == moment)).size == 0:
        nearest = times[np.abs(times - moment).argmin()]
        raise SeriesError(
            f"{da.name!r} has no field of {_spell(moment)}: the nearest of its {times.size} is of {_spell(nearest)}"
        )
    return da.isel(time=int(found[0])) if "time" in da.dims else da


def _moment(time: str | datetime | np.datetime64) -> np.datetime64:
    try:
        if isinstance(time, str):
            time = datetime.fromisoformat(time)
        if isinstance(time, datetime) and time.tzinfo is not None:
            time = time.astimezone(UTC).replace(tzinfo=None)
        return np.datetime64(time, "ns")
    except ValueError as error:
        raise SeriesError(f"{time!r} is no time: write it as '2020-06-13T15:25' (UTC)") from error


def _spell(moment: np.datetime64) -> str:
    return f"{str(moment.astype('datetime64[m]')).replace('T', ' ')} UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What a map covers: the outer edges in metres of the projection on the sphere or the ellipsoid."""

    x: tuple[float, float]
    y: tuple[float, float]
    earth: Earth

    @classmethod
    def of(cls, field: xr.DataArray) -> _Frame:
        x, y = (_edges(field[name].values) for name in ("x", "y"))
        return cls(x=x, y=y, earth=_earth(field))

    @property
    def centre(self) -> tuple[float, float]:
        return sum(self.x) / 2, sum(self.y) / 2

    def holds(self, x: float, y: float) -> bool:
        return self.x[0] <= x <= self.x[1] and self.y[0] <= y <= self.y[1]


def _edges(centres: NDArray[Any]) -> tuple[float, float]:
    half = (centres[1] - centres[0]) / 2 if centres.size > 1 else 500.0
    return float(centres[0] - half), float(centres[-1] + half)


def _earth(field: xr.DataArray) -> Earth:
    """Tell the earth from the `crs` coordinate, or from the lattice of the cells: DWD's are a fixed one on each."""
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
        f"{field.name!r} does not stand on DWD's polar stereographic grid, or does not say so: keep the coordinate "
        "'crs' of open_dataset; for other projections use da.plot() of xarray"
    )


def _limits(attrs: Mapping[str, Any], values: NDArray[Any]) -> tuple[float, ...]:
    """Give DWD's class limits for the quantity, or round ones for a quantity that DWD has none for."""
    seen = values[np.isfinite(values)]
    match attrs.get("units"):
        case "mm":
            if minutes := attrs.get("interval_minutes"):
                return next(limits for longest, limits in _SUMS if minutes <= longest)
            large = np.quantile(seen, 0.999) if seen.size else 0.0  # single clutter cells do not decide
            return next((limits for _, limits in _SUMS if large <= limits[-1]), _SUMS[-1][1])
        case "mm h-1" | "mm/h":
            return _RATE
        case "dBZ":
            return _REFLECTIVITY
    low, high = (seen.min(), seen.max()) if seen.size else (0.0, 1.0)
    ticks = MaxNLocator(nbins=9).tick_values(low, high)
    return tuple(float(tick) for tick in ticks[:-1]) if ticks.size > 2 else tuple(float(tick) for tick in ticks)


def _checked(classes: Sequence[float]) -> tuple[float, ...]:
    try:
        limits = np.asarray(classes, dtype=float)
    except (TypeError, ValueError):
        limits = np.empty(0)
    if limits.ndim != 1 or limits.size < 2 or not np.isfinite(limits).all() or (np.diff(limits) <= 0).any():
        raise SettingsError(f"classes={classes!r} must be at least two rising numbers, such as (0.1, 1, 5, 10)")
    return tuple(limits.tolist())


def _colours(cmap: str | Colormap | None, count: int, *, reflectivity: bool) -> ListedColormap:
    """Give one colour a class, the last one for all above; grey for missing and nearly white for less."""
    if cmap is None or cmap == "dwd":
        hues = _DEFAULT_HUES if cmap is None else _DWD_REFLECTIVITY if reflectivity else _DWD_RAIN
        base: Colormap = LinearSegmentedColormap.from_list("radar_nb", hues.split())
    elif isinstance(cmap, Colormap):
        base = cmap
    elif cmap in mpl.colormaps:
        base = mpl.colormaps[cmap]
    else:
        raise SettingsError(f"cmap={cmap!r} is not known: use 'dwd', a colour map of matplotlib, or None")
    return ListedColormap(base(np.linspace(0, 1, count))).with_extremes(bad=_NO_DATA, under=_DRY)


def _new_axes(frame: _Frame) -> Axes:
    """Give axes in a figure of their own, high enough for the map, its title and its key."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

    width, height = (high - low for low, high in (frame.x, frame.y))
    _, ax = plt.subplots(figsize=(6.4, 5.2 * min(max(height / width, 0.4), 2.5) + 0.9), layout="constrained")
    return ax


def _size(ax: Axes) -> float:
    """Give the factor for letters and lines: 1 on axes of 4.5 inches and more, half on very small ones."""
    corner = ax.get_window_extent()
    return min(1.0, max(0.5, min(corner.width, corner.height) / ax.figure.dpi / 4.5))


@cache
def _borders(earth: Earth) -> dict[str, list[NDArray[np.float64]]]:
    """Give the border of Germany and of the others as lines in metres. Made by scripts/make_borders.py."""
    content = json.loads(files("radar_nb").joinpath("borders.json").read_text(encoding="utf-8"))
    return {
        name: [np.column_stack(to_xy(line[::2], line[1::2], earth)) for line in content[name]]
        for name in ("germany", "neighbours")
    }


def _draw_borders(ax: Axes, earth: Earth, size: float) -> None:
    for name, width, colour in (("neighbours", 0.5, "#5a5a5a"), ("germany", 1.0, _INK)):
        lines = LineCollection(
            _borders(earth)[name], linewidths=width * size, colors=colour, capstyle="round", label=f"_{name}"
        )
        ax.add_collection(lines, autolim=False)


def _draw_radars(ax: Axes, named: Any, frame: _Frame, size: float) -> list[str]:
    """Draw the sites on the map, and give the named ones whose place is not known."""
    known = SITES | FORMER_SITES
    if named is None:
        ids = list(SITES)
    else:
        names = named.split(",") if isinstance(named, str) else named
        ids = [str(name).strip().lower().removeprefix("de") for name in names]
    x, y = to_xy(*np.array([known[name] for name in ids if name in known]).reshape(-1, 2).T, frame.earth)
    inside = [frame.holds(*place) for place in zip(x, y, strict=True)]
    ax.plot(x[inside], y[inside], **_site_style(size))
    return [name for name in ids if name not in known]


def _site_style(size: float) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": "^",
        "markersize": 4.5 * size,
        "markerfacecolor": "white",
        "markeredgecolor": _INK,
        "markeredgewidth": 0.7 * size,
        "label": "radar site",
    }


def _stretch(frame: _Frame) -> float:
    """Give how many metres of the map one metre on the ground is at the map's centre.

    k = rho / (a m), m = cos(phi) / sqrt(1 - e2 sin2(phi)), with the distance rho from the pole on the map.
    Source: Snyder, J. P. (1987): Map projections, a working manual. USGS Professional Paper 1395, eq. 21-32, 14-15.
    """
    axis, e2 = (6_370_040.0, 0.0) if frame.earth == "sphere" else (6_378_137.0, 0.006694379990)
    _, lat = to_lonlat(*frame.centre, frame.earth)
    phi = np.radians(lat)
    return float(hypot(*frame.centre) / (axis * np.cos(phi) / np.sqrt(1 - e2 * np.sin(phi) ** 2)))


def _draw_scale(ax: Axes, frame: _Frame, size: float) -> None:
    """Draw a bar of 100 km on the ground, or of less on a map of a small area."""
    (west, east), (south, north) = frame.x, frame.y
    per_km = 1000 * _stretch(frame)
    length = next((km for km in (100, 50, 20, 10, 5, 2, 1) if km * per_km <= 0.35 * (east - west)), 1)
    x, y = west + 0.035 * (east - west), south + 0.03 * (north - south)
    end = x + length * per_km
    ax.plot([x, end], [y, y], color=_INK, linewidth=1.2 * size, marker="|", markersize=5 * size, label="_scale")
    ax.annotate(
        f"{length} km",
        ((x + end) / 2, y),
        xytext=(0, 3 * size),
        textcoords="offset points",
        ha="center",
        fontsize=_points(7.5, size),
        color=_INK,
        path_effects=[_HALO],
    )


def _points(full: float, size: float) -> float:
    return max(4.5, full * size)


def _draw_words(ax: Axes, title: str, size: float) -> None:
    letters = _points(10, size)
    room = int(
        ax.get_window_extent().width / ax.figure.dpi * 72 / (0.52 * letters)
    )  # letters are about half as wide
    lines = [fill(line, max(room, 20)) for line in title.splitlines()]
    ax.set_title("\n".join(lines), loc="left", fontsize=letters, color=_INK, pad=5 * size, linespacing=1.25)
    ax.text(
        0.99,
        0.012,
        "Source: Deutscher Wetterdienst",
        transform=ax.transAxes,
        ha="right",
        fontsize=_points(6, size),
        color=_INK,
        path_effects=[_HALO],
    )


def _title(field: xr.DataArray, values: NDArray[Any]) -> str:
    """Give the product, then the interval and its end in UTC, then whether there is nothing to see."""
    lines = [str(field.attrs.get("long_name") or field.name or "")]
    if "time" in field.coords:
        start = field["time"].values
        end = field.coords.get("prediction_time", field["time"]).values
        minutes = field.attrs.get("interval_minutes")
        summed = field.attrs.get("units") == "mm" and minutes
        lines.append(f"{_span(minutes)} to {_spell(end)}" if summed else _spell(end))
        if end != start:
            lines[-1] += f", forecast of {_spell(start)}"
    if not np.isfinite(values).any():
        lines.append("no data")
    return "\n".join(line for line in lines if line)


def _span(minutes: float) -> str:
    if minutes > 2 * _DAY and minutes % _DAY == 0:
        return f"{minutes // _DAY:g} d"
    return f"{minutes // _HOUR:g} h" if minutes % _HOUR == 0 else f"{minutes:g} min"


def _unit(attrs: Mapping[str, Any]) -> str:
    unit = str(attrs.get("units", ""))
    if unit == "mm" and attrs.get("interval_minutes"):
        return f"mm in {_span(attrs['interval_minutes'])}"
    return {"mm h-1": "mm/h", "1": "fraction"}.get(unit, unit)


def _draw_key(ax: Axes, image: AxesImage, limits: Sequence[float], unit: str, size: float) -> None:
    bar = ax.figure.colorbar(image, ax=ax, spacing="uniform", ticks=limits, fraction=0.05, pad=0.025, aspect=28)
    bar.ax.set_yticklabels([f"{limit:g}" for limit in limits])
    bar.ax.tick_params(labelsize=_points(8, size), length=2.5 * size, width=0.6, color=_INK, labelcolor=_INK)
    bar.set_label(unit, fontsize=_points(8.5, size), color=_INK)
    bar.outline.set(linewidth=0.6, edgecolor=_INK)


def _draw_legend(ax: Axes, least: float, *, radars: bool, unknown: Sequence[str], size: float) -> None:
    edge = {"edgecolor": _INK, "linewidth": 0.4}
    entries: list[Patch | Line2D] = [
        Patch(facecolor=_DRY, label=f"below {least:g}", **edge),
        Patch(facecolor=_NO_DATA, label="no data", **edge),
    ]
    if radars:
        entries.append(Line2D([], [], **_site_style(size)))
    if unknown:
        entries[-1].set_label(f"radar site (not drawn, place unknown: {', '.join(unknown)})")
    ax.legend(
        handles=entries,
        loc="upper left",
        bbox_to_anchor=(-0.005, -0.005),
        ncols=len(entries),
        frameon=False,
        fontsize=_points(7.5, size),
        labelcolor=_INK,
        borderpad=0.3,
        borderaxespad=0,
        handlelength=1.2,
        handleheight=0.9,
        handletextpad=0.5,
        columnspacing=1.4,
    )
