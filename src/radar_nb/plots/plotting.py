"""The public call `plot`: one map, or several of one size on a page that share their scale and key."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from radar_nb.errors import SettingsError
from radar_nb.geography.extents import is_shapes
from radar_nb.plots.basemap import Frame, part_within
from radar_nb.plots.maps import (
    Look,
    Map,
    draw_bar,
    draw_key,
    draw_legend,
    draw_map,
    draw_words,
    figure_options,
    sources,
    wrapped,
)  # fmt: skip
from radar_nb.plots.selection import cells, one_field, several_fields
from radar_nb.plots.style import (
    amount_minutes,
    credit,
    forecast_label,
    ink_on,
    literal,
    name_label,
    period_label,
    time_label,
)
from radar_nb.reading.intervals import ends_of
from radar_nb.runtime.language import current_texts, speaks
from radar_nb.runtime.zones import find_zone

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_MOST = 60
"""Largest number of maps on one page; more would be unreadable."""

_LEFT, _RIGHT, _GAP, _BELOW, _ABOVE = 0.08, 0.75, 0.12, 0.32, 0.1
"""Inches: at the left, at the right for the scale, between maps, below them for the key, above the title."""
_NAME = 0.24
"""Inches above a map for its own title."""
_LINE = 0.21
"""Inches of a line of the overall title."""


@overload
def plot(
    da: xr.DataArray,
    *,
    ax: Axes | None = ...,
    classes: Sequence[float] | None = ...,
    cmap: str | Colormap | None = ...,
    colorbar: bool = ...,
    borders: bool = ...,
    radars: bool = ...,
    towns: bool = ...,
    extent: Any = ...,
    areas: Any = ...,
    vmin: float | None = ...,
    vmax: float | None = ...,
    norm: Normalize | None = ...,
    graticule: bool = ...,
    timezone: str | None = ...,
    title: str | None = ...,
    time: str | datetime | np.datetime64 | None = ...,
    lead: Any = ...,
    col: None = ...,
    col_wrap: int | None = ...,
    lang: str | None = ...,
) -> Axes: ...


@overload
def plot(
    da: xr.DataArray,
    *,
    ax: Axes | None = ...,
    classes: Sequence[float] | None = ...,
    cmap: str | Colormap | None = ...,
    colorbar: bool = ...,
    borders: bool = ...,
    radars: bool = ...,
    towns: bool = ...,
    extent: Any = ...,
    areas: Any = ...,
    vmin: float | None = ...,
    vmax: float | None = ...,
    norm: Normalize | None = ...,
    graticule: bool = ...,
    timezone: str | None = ...,
    title: str | None = ...,
    time: str | datetime | np.datetime64 | None = ...,
    lead: Any = ...,
    col: str,
    col_wrap: int | None = ...,
    lang: str | None = ...,
) -> NDArray[Any]: ...


@speaks
def plot(
    da: xr.DataArray,
    *,
    ax: Axes | None = None,
    classes: Sequence[float] | None = None,
    cmap: str | Colormap | None = None,
    colorbar: bool = True,
    borders: bool = True,
    radars: bool = True,
    towns: bool = True,
    extent: Any = None,
    areas: Any = None,
    vmin: float | None = None,
    vmax: float | None = None,
    norm: Normalize | None = None,
    graticule: bool = False,
    timezone: str | None = None,
    title: str | None = None,
    time: str | datetime | np.datetime64 | None = None,
    lead: Any = None,
    col: str | None = None,
    col_wrap: int | None = None,
    lang: str | None = None,  # noqa: ARG001 - read by `speaks`
) -> Axes | NDArray[Any]:
    """Draw one field as a map: rain or reflectivity in classes, borders, radar sites, scale, time and unit.

    The map keeps the data's own projection, cell for cell, without resampling. Missing cells are grey, cells below
    the first class nearly white. With `col=`, several maps share one page and one scale. Borders, rivers, lakes
    and the names of towns need no network; how many are shown depends on the size of the area.

    Parameters
    ----------
    da : xarray.DataArray
        As `open_dataset` returns it, or a sum of it. Dimensions `y` and `x` (cell centres in metres, evenly
        spaced, in any order) and at most one more, `time` or the one named by `col`, and the lead times
        of a forecast. NaN is missing. Only the drawn fields of a lazy array are computed.
        Attributes used if present: `units`, `long_name`, `interval_minutes`, `radars`
        (ids of radar sites, separated by commas).
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default. Not with `col`.
    classes : sequence of float, optional
        Limits of the classes, rising, in the data's unit. By default DWD's for the quantity and its interval;
        for a sum of unknown interval, those that its amounts fill.
    cmap : str or matplotlib.colors.Colormap, optional
        `"dwd"` for DWD's hues, or a colour map of Matplotlib. By default a scale that any colour vision can order.
    colorbar, borders, radars, towns : bool
        Whether to draw the colour bar with the key, the borders with rivers and lakes, the radar sites, the towns.
        Without `da.attrs["radars"]` the sites are those of today's network.
    extent : str, tuple of float, Place, GeoDataFrame or path, optional
        The part to draw, rounded up to whole cells: a town, "Leipzig" or "Leipzig +- 25 km" (40 km by default,
        names as in `place`); a point `(lon, lat)`, with 40 km around it; a box `(west, south, east, north)` in
        degrees; or shapes, drawn as `areas`.
    areas : GeoDataFrame, GeoSeries or path, optional
        Polygons in any CRS, drawn over the field, named as in `over_areas`.
    vmin, vmax : float, optional
        Ends of a scale without classes; cells below vmin are nearly white. One alone is completed by the classes.
    norm : matplotlib.colors.Normalize, optional
        Such as `LogNorm(0.1, 100)`, in the place of classes.
    graticule : bool
        Whether to draw meridians and parallels with their degrees.
    timezone : str, optional
        Of the times in titles, and of `time`, such as "Europe/Berlin"; UTC by default.
    title : str, optional
        Instead of the product, its interval and its time; with `col`, above all maps.
    time : str, datetime or numpy.datetime64, optional
        Which field to draw if `da` has several; in `timezone`, or UTC, unless it carries a zone.
    lead : str, timedelta or numpy.timedelta64, optional
        Which lead time of a forecast to draw, such as "30min"; by default the first.
    col : str, optional
        The dimension whose fields are drawn side by side, such as `"time"` or `"lead_time"`; 60 at most.
    col_wrap : int, optional
        Maps in a row; by default as many as make the page about square.
    lang : {"en", "de"}, optional
        Language of titles, labels and numbers, by default that of the environment variable `RADAR_NB_LANG`, else
        English.

    Returns
    -------
    matplotlib.axes.Axes, or ndarray of these of shape (rows, cols)
        In metres of the projection; `ax.figure.savefig("field.png")` writes the picture. With `col` an array,
        with None where the last row is not full.

    Raises
    ------
    SeriesError
        `da` is not a single field: several times and none chosen, an unknown time or lead time, no `x` and
        `y`, a projection that is not DWD's, or no dimension `col`.
    SettingsError
        Classes that do not rise, an unknown colour map, too many maps, `ax` together with `col`, an unknown town,
        an extent outside the data, areas without CRS, ends that do not rise, or an unknown time zone.

    Examples
    --------
    >>> import radar_nb as rn
    >>> ds = rn.open_dataset("YW2017.002_202006.tar")  # doctest: +SKIP
    >>> rn.plot(ds.YW, time="2020-06-13 15:25")  # doctest: +SKIP
    >>> rn.plot(ds.YW, time="2020-06-13 15:25", extent="Leipzig +- 40 km")  # doctest: +SKIP
    >>> rn.plot(ds.YW.sel(time="2020-06-13T15")[::2], col="time", col_wrap=3)  # doctest: +SKIP
    """
    shown = extent if areas is None and is_shapes(extent) else areas
    zone = None if timezone is None else find_zone(timezone)
    look = partial(
        Look.of,
        classes=classes,
        cmap=cmap,
        vmin=vmin,
        vmax=vmax,
        norm=norm,
        borders=borders,
        radars=radars,
        towns=towns,
        graticule=graticule,
        areas=shown,
    )
    if col is not None:
        if ax is not None or time is not None or lead is not None:
            raise SettingsError(
                f"col={col!r} draws several maps in a new figure: leave out ax=, time= and lead=, and choose "
                "fields with da.sel(...)"
            )
        fields = part_within(several_fields(da, col), extent)
        cols = check_facets(fields, col, col_wrap)
        return draw_facets(fields, col, cols, partial(look, fields), title, zone=zone, colorbar=colorbar)
    field = part_within(one_field(da, time, lead, zone), extent)
    frame = Frame.of(field)
    values = cells(field)
    shared = look(field, [values])
    ax = _new_axes(frame) if ax is None else ax
    drawn = draw_map(ax, values, frame, shared, field.attrs.get("radars"))
    if colorbar:
        draw_key(ax, drawn.image, shared, drawn.size)
        draw_legend(ax, shared, drawn, dry=shared.is_dry(values), size=drawn.size)
    draw_words(
        ax, _title(field, values, zone) if title is None else title, sources(shared, credit(field)), drawn.size
    )
    return ax


def field_png(field: xr.DataArray, *, dpi: int = 72, lang: str | None = None) -> bytes:
    """Return the map of one field as a small PNG of 128 colours; pyplot and its figures are left alone."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - as below
    from matplotlib.figure import Figure  # noqa: PLC0415 - as below
    from PIL import Image  # noqa: PLC0415 - as below

    size, edges = figure_options(Frame.of(field))
    figure = Figure(figsize=size, dpi=dpi, layout="constrained")
    plot(field, ax=figure.subplots(gridspec_kw=edges), lang=lang)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    file = io.BytesIO()
    Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB").quantize(128).save(file, "PNG")
    return file.getvalue()


def _new_axes(frame: Frame) -> Axes:
    """Return axes in a new figure that has room for the map, its title and its key."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

    size, edges = figure_options(frame)
    _, ax = plt.subplots(figsize=size, layout="constrained", gridspec_kw=edges)
    return ax


def _title(field: xr.DataArray, values: NDArray[Any], zone: ZoneInfo | None) -> str:
    """Return the product, the interval and its end, and "no data" for an empty field."""
    lines = [
        name_label(field),
        time_label(field, zone),
        "" if np.isfinite(values).any() else current_texts()("plot.no_data"),
    ]
    return "\n".join(filter(None, lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """How the maps lie on the page, in inches."""

    count: int
    cols: int
    width: float
    height: float
    lines: int
    right: float

    @property
    def rows(self) -> int:
        """Rows of maps."""
        return -(-self.count // self.cols)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the page."""
        wide = _LEFT + self.cols * (self.width + _GAP) - _GAP + self.right
        high = _ABOVE + self.lines * _LINE + self.rows * (_NAME + self.height + _GAP) - _GAP + _BELOW
        return wide, high

    def place(self, row: int, col: int) -> tuple[float, float, float, float]:
        """Return left, bottom, width and height of a map, as shares of the page."""
        wide, high = self.size
        top = _ABOVE + self.lines * _LINE + row * (_NAME + self.height + _GAP) + _NAME
        left = _LEFT + col * (self.width + _GAP)
        return left / wide, 1 - (top + self.height) / high, self.width / wide, self.height / high

    def bar(self) -> tuple[float, float, float, float]:
        """Return the place of the scale: at the right of the maps, from the top down, two maps long at most."""
        wide = self.size[0]
        _, bottom, _, height = self.place(0, 0)
        top = bottom + height
        length = min(top - self.place(self.rows - 1, 0)[1], 2 * height)
        left = _LEFT + self.cols * (self.width + _GAP)
        return left / wide, top - length, min(0.16, self.width / 12) / wide, length


def check_facets(da: xr.DataArray, along: str, wrap: int | None) -> int:
    """Return the number of columns; raise SettingsError for too many maps or an invalid number of columns."""
    count = da.sizes[along]
    if count > _MOST:
        raise SettingsError(
            f"col={along!r} would draw {count:,} maps, and a page holds {_MOST}: choose fewer, as with "
            f"da.isel({along}=slice(None, None, {math.ceil(count / _MOST)})), or make a film with animate(da)"
        )
    if wrap is not None and wrap < 1:
        raise SettingsError(f"col_wrap={wrap!r} must be at least 1, the number of maps in a row")
    return min(count, wrap or (count if count <= 4 else math.ceil(math.sqrt(count))))


def draw_facets(
    da: xr.DataArray,
    along: str,
    cols: int,
    look: Callable[[list[NDArray[Any]]], Look],
    title: str | None,
    *,
    zone: ZoneInfo | None,
    colorbar: bool,
) -> NDArray[Any]:
    """Draw each field of dimensions (along, y, x) as a small map; `look` chooses the look that all share.

    Return the axes, of shape (rows, cols), with None where the last row is not full.
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

    first = da.isel({along: 0})
    frame = Frame.of(first)
    fields = [cells(field) for field in da]
    shared = look(fields)
    ratio = (frame.y[1] - frame.y[0]) / (frame.x[1] - frame.x[0])
    width = {1: 4.6, 2: 3.1}.get(cols, 2.35)
    headline = wrapped(_headline(da, along, zone) if title is None else title, cols * (width + _GAP) + _RIGHT, 10)
    sheet = Sheet(
        count=len(fields),
        cols=cols,
        width=width,
        height=width * min(max(ratio, 0.3), 3.0),
        lines=headline.count("\n") + 1,
        right=1.2 if shared.names else _RIGHT,
    )
    figure = plt.figure(figsize=sheet.size)
    axes = np.full((sheet.rows, cols), None, object)
    for number, values in enumerate(fields):
        ax = figure.add_axes(sheet.place(*divmod(number, cols)))
        drawn = draw_map(ax, values, frame, shared, da.attrs.get("radars"), scale=number == 0)
        name = _name(da.isel({along: number}), along, zone)
        if not np.isfinite(values).any():
            name += f", {current_texts()('plot.no_data')}"
        ax.set_title(literal(name), loc="left", fontsize=8, color=ink_on(ax), pad=3)
        axes.flat[number] = ax
    _draw_around(figure, sheet, headline, " | ".join(sources(shared, credit(da))))
    if colorbar:
        draw_bar(figure.add_axes(sheet.bar()), drawn.image, shared, 1.0)
        dry = any(shared.is_dry(values) for values in fields)
        _draw_legend(figure, axes[0, 0], sheet, shared, drawn, dry=dry)
    return axes


def _draw_around(figure: Figure, sheet: Sheet, headline: str, credit: str) -> None:
    wide, high = sheet.size
    figure.text(
        _LEFT / wide, 1 - _ABOVE / high, headline, va="top", fontsize=10, color=ink_on(figure), linespacing=1.25
    )
    figure.text(1 - _LEFT / wide, 0.08 / high, credit, ha="right", fontsize=6.5, color=ink_on(figure))


def _draw_legend(figure: Figure, ax: Axes, sheet: Sheet, look: Look, drawn: Map, *, dry: bool) -> None:
    """Draw the key of all maps once, below the lowest at the left."""
    wide, high = sheet.size
    legend = draw_legend(ax, look, drawn, dry=dry, size=1.0)
    legend.set_bbox_to_anchor((_LEFT / wide, (_BELOW - 0.05) / high), transform=figure.transFigure)


def _headline(da: xr.DataArray, along: str, zone: ZoneInfo | None) -> str:
    """Return the product, and what the maps' own titles have in common."""
    name, minutes = name_label(da), amount_minutes(da)
    if along == "time":
        if period_label(da.isel(time=0)) or not minutes:
            return name
        made = f", {label}" if (label := forecast_label(da, zone)) else ""
        say = current_texts()
        return f"{name}\n{say('plot.above', interval=say.interval(minutes), zone=zone or 'UTC')}{made}"
    if "time" in da.coords and da["time"].ndim == 0:
        return (
            f"{name}\n{forecast_label(da, zone) or period_label(da) or current_texts().moment(ends_of(da), zone)}"
        )
    return name


def _name(field: xr.DataArray, along: str, zone: ZoneInfo | None) -> str:
    """Return the title of one map: what distinguishes it from the others."""
    if along not in field.coords:
        return ""
    if along == "time":
        end = current_texts().moment(ends_of(field), zone)
        return period_label(field) or (end.removesuffix(" UTC") if amount_minutes(field) else end)
    value: Any = field[along].values[()]
    units = field[along].attrs.get("units")
    say = current_texts()
    along = say("plot.lead") if along == "lead_time" else along.replace("_", " ")
    if isinstance(value, np.datetime64):
        return say.moment(value, zone)
    if isinstance(value, np.timedelta64):
        return f"{along} {say.interval(value / np.timedelta64(1, 'm'))}"
    text = say.number(f"{along} {value:g}") if isinstance(value, float) else f"{along} {value}"
    return f"{text} {units}" if units else text
