"""Maps of radar fields, in the data's own projection."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from matplotlib.colorbar import make_axes
from matplotlib.colors import BoundaryNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox

from radar_nb.basemap import HALO, Frame, draw_borders, draw_radars, draw_scale, points, site_style
from radar_nb.errors import SeriesError
from radar_nb.palettes import DRY, INK, NO_DATA, class_colours, class_limits, own_limits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.image import AxesImage
    from numpy.typing import NDArray

_HOUR, _DAY = 60, 1440


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

    The map stands in the data's own projection, cell for cell, without resampling in space. Missing cells are
    grey, cells below the first class nearly white.

    Parameters
    ----------
    da : xarray.DataArray
        As `open_dataset` gives it, or a sum of it. Dimensions `y` and `x` (cell centres in metres, evenly spaced,
        in any order) and at most one more, `time`. NaN is missing. Of a lazy array only the one field is computed.
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
    frame = Frame.of(field)
    values = np.asarray(field.values, dtype=float)
    units, minutes = str(field.attrs.get("units", "")), _minutes(field)
    limits = class_limits(units, minutes, values) if classes is None else own_limits(classes)
    colours = class_colours(cmap, len(limits), reflectivity=units == "dBZ")
    ax = _new_axes(frame) if ax is None else ax

    image = ax.imshow(
        values,
        extent=(*frame.x, *frame.y),
        origin="lower",
        cmap=colours,
        norm=BoundaryNorm(limits, colours.N, extend="max"),
        interpolation_stage="rgba",  # averages colours where cells are smaller than pixels: no storm cell is lost
    )
    ax.set(xlim=frame.x, ylim=frame.y, xticks=[], yticks=[], aspect="equal", autoscale_on=False)
    size = min(1.0, max(0.5, min(_inches(ax)) / 4.5))  # of letters and lines: smaller on small maps
    if borders:
        draw_borders(ax, frame.earth, size)
    unknown = draw_radars(ax, field.attrs.get("radars"), frame, size) if radars else []
    draw_scale(ax, frame, size)
    if colorbar:
        _draw_key(ax, image, limits, _unit(units, minutes), size)
        least = limits[0] if (values < limits[0]).any() else None
        _draw_legend(ax, least, radars=radars, unknown=unknown, size=size)
    _draw_words(ax, _title(field, values) if title is None else title, _credit(field), size)
    for spine in ax.spines.values():
        spine.set(linewidth=0.6, color=INK)
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
            f"{da.name!r} has no field of {_spell(moment)}: the nearest of its {times.size} is of "
            f"{_spell(nearest)}"
        )
    return da.isel(time=int(found[0])) if "time" in da.dims else da


def _moment(time: str | datetime | np.datetime64) -> np.datetime64:
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return np.datetime64(str(moment), "ns")
    except ValueError as error:
        raise SeriesError(f"{time!r} is no time: write it as '2020-06-13T15:25' (UTC)") from error


def _spell(moment: Any) -> str:
    return f"{np.datetime64(moment, 'm')} UTC".replace("T", " ", 1)


def _new_axes(frame: Frame) -> Axes:
    """Give axes in a figure of their own, high enough for the map, its title and its key."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

    width, height = (high - low for low, high in (frame.x, frame.y))
    size = (6.4, 5.2 * min(max(height / width, 0.4), 2.5) + 0.9)
    # about what the layout will arrive at: the words are measured before it does
    edges = {"left": 0.01, "right": 0.99, "bottom": 0.04, "top": 0.92}
    _, ax = plt.subplots(figsize=size, layout="constrained", gridspec_kw=edges)
    return ax


def _inches(ax: Axes) -> tuple[float, float]:
    """Give the width and height of a map, which equal scales may leave smaller than its share of the figure."""
    ax.apply_aspect()
    drawn = ax.get_window_extent()
    return drawn.width / ax.figure.dpi, drawn.height / ax.figure.dpi


def _draw_words(ax: Axes, title: str, credit: str, size: float) -> None:
    letters = points(10, size)
    room = int(_inches(ax)[0] * 72 / (0.52 * letters))  # letters are about half as wide as they are high
    lines = [fill(line, max(room, 20)) for line in title.splitlines()]
    ax.set_title("\n".join(lines), loc="left", fontsize=letters, color=INK, pad=5 * size, linespacing=1.25)
    ax.text(
        0.99,
        0.012,
        credit,
        transform=ax.transAxes,
        ha="right",
        fontsize=points(6, size),
        color=INK,
        path_effects=[HALO],
    )


def _credit(field: xr.DataArray) -> str:
    """Name the source, as DWD's licence asks, and do not claim it for fields that were made up."""
    made_up = str(field.attrs.get("institution", "")).startswith("none")
    return "Synthetic data, made up by radar_nb" if made_up else "Datenbasis: Deutscher Wetterdienst"


def _title(field: xr.DataArray, values: NDArray[Any]) -> str:
    """Give the product, then the interval and its end in UTC, then whether there is nothing to see."""
    name = str(field.attrs.get("long_name", field.name))
    lines = [name[:1].upper() + name[1:]]
    if "time" in field.coords:
        start = field["time"].values
        end = field.coords["prediction_time" if "prediction_time" in field.coords else "time"].values
        minutes = _minutes(field)
        lines.append(f"{_span(minutes)} to {_spell(end)}" if minutes else _spell(end))
        if end != start:
            lines[-1] += f", forecast of {_spell(start)}"
    if not np.isfinite(values).any():
        lines.append("no data")
    return "\n".join(lines)


def _span(minutes: float) -> str:
    if minutes > 2 * _DAY and minutes % _DAY == 0:
        return f"{minutes // _DAY:g} d"
    return f"{minutes // _HOUR:g} h" if minutes % _HOUR == 0 else f"{minutes:g} min"


def _minutes(field: xr.DataArray) -> int | None:
    """Give the interval of an amount; a sum over many fields has lost its time, and with it that interval."""
    single = "time" in field.coords and field.attrs.get("units") == "mm"
    return field.attrs.get("interval_minutes") if single else None


def _unit(units: str, minutes: int | None) -> str:
    if minutes:
        return f"mm in {_span(minutes)}"
    return {"mm h-1": "mm/h", "1": "fraction"}.get(units, units)


def _draw_key(ax: Axes, image: AxesImage, limits: Sequence[float], unit: str, size: float) -> None:
    """Draw the colour bar as high as the map, its unit above it."""
    place, _ = make_axes(ax, fraction=0.08, pad=0.025, aspect=24, panchor=False)
    place.set_axes_locator(partial(_beside, ax))
    bar = ax.figure.colorbar(image, cax=place, spacing="uniform", ticks=limits)
    bar.ax.set_yticklabels([f"{limit:g}" for limit in limits])
    bar.ax.tick_params(labelsize=points(8, size), length=2.5 * size, width=0.6, color=INK, labelcolor=INK)
    bar.ax.set_title(unit.replace(" in ", " in\n"), loc="left", fontsize=points(8, size), color=INK, pad=5 * size)
    bar.outline.set(linewidth=0.6, edgecolor=INK)


def _beside(ax: Axes, _bar: Any, _renderer: Any) -> Bbox:
    """Give the place of a colour bar right of its map as it is drawn."""
    drawn = ax.get_position()
    left = drawn.x1 + 0.025 * drawn.width
    return Bbox.from_extents(left, drawn.y0, left + 0.1 * drawn.width, drawn.y1)


def _draw_legend(ax: Axes, least: float | None, *, radars: bool, unknown: Sequence[str], size: float) -> None:
    edge: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.4}
    entries: list[Patch | Line2D] = [Patch(facecolor=NO_DATA, label="no data", **edge)]
    if least is not None:
        entries.insert(0, Patch(facecolor=DRY, label=f"below {least:g}", **edge))
    if radars:
        entries.append(Line2D([], [], **site_style(size)))
    if unknown:
        entries[-1].set_label(f"radar site (not drawn, place unknown: {', '.join(unknown)})")
    ax.legend(
        handles=entries,
        loc="upper left",
        bbox_to_anchor=(-0.005, -0.005),
        ncols=len(entries),
        frameon=False,
        fontsize=points(7.5, size),
        labelcolor=INK,
        borderpad=0.3,
        borderaxespad=0,
        handlelength=1.2,
        handleheight=0.9,
        handletextpad=0.5,
        columnspacing=1.4,
    )
