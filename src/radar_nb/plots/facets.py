"""Several fields side by side: small maps of one size, one scale and one key."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.errors import SettingsError
from radar_nb.plots.basemap import Frame
from radar_nb.plots.captions import credit_of, minutes_of, name_of
from radar_nb.plots.maps import Look, draw_bar, draw_legend, draw_map, wrapped
from radar_nb.plots.palettes import INK
from radar_nb.plots.selection import cells
from radar_nb.runtime.wording import human_interval, human_time

if TYPE_CHECKING:
    from collections.abc import Callable

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

_MOST = 60
"""More maps than these on one page cannot be read."""

_LEFT, _RIGHT, _GAP, _BELOW, _ABOVE = 0.08, 0.75, 0.12, 0.32, 0.1
"""Inches: at the left, at the right for the scale, between maps, below them for the key, above the title."""
_NAME = 0.24
"""Inches above a map for its own title."""
_LINE = 0.21
"""Inches of a line of the title over all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """How the maps lie on the page, in inches."""

    count: int
    cols: int
    width: float
    height: float
    lines: int

    @property
    def rows(self) -> int:
        """Rows of maps."""
        return -(-self.count // self.cols)

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the page."""
        wide = _LEFT + self.cols * (self.width + _GAP) - _GAP + _RIGHT
        high = _ABOVE + self.lines * _LINE + self.rows * (_NAME + self.height + _GAP) - _GAP + _BELOW
        return wide, high

    def place(self, row: int, col: int) -> tuple[float, float, float, float]:
        """Give left, bottom, width and height of a map, as shares of the page."""
        wide, high = self.size
        top = _ABOVE + self.lines * _LINE + row * (_NAME + self.height + _GAP) + _NAME
        left = _LEFT + col * (self.width + _GAP)
        return left / wide, 1 - (top + self.height) / high, self.width / wide, self.height / high

    def bar(self) -> tuple[float, float, float, float]:
        """Give the place of the scale: right of the maps, from the highest down, two maps long at most."""
        wide = self.size[0]
        _, bottom, _, height = self.place(0, 0)
        top = bottom + height
        length = min(top - self.place(self.rows - 1, 0)[1], 2 * height)
        left = _LEFT + self.cols * (self.width + _GAP)
        return left / wide, top - length, min(0.16, self.width / 12) / wide, length


def check_facets(da: xr.DataArray, along: str, wrap: int | None) -> int:
    """Give the number of columns.

    Raises
    ------
    SettingsError
        Too many maps, or no such number of columns.
    """
    count = da.sizes[along]
    if count > _MOST:
        raise SettingsError(
            f"col={along!r} would draw {count:,} maps, and a page holds {_MOST}: take fewer, as with "
            f"da.isel({along}=slice(None, None, {math.ceil(count / _MOST)})), or make a film with animate(da)"
        )
    if wrap is not None and wrap < 1:
        raise SettingsError(f"col_wrap={wrap!r} must be at least 1: so many maps stand in a row")
    return min(count, wrap or (count if count <= 4 else math.ceil(math.sqrt(count))))


def draw_facets(
    da: xr.DataArray,
    along: str,
    cols: int,
    look: Callable[[list[NDArray[Any]]], Look],
    title: str | None,
    *,
    colorbar: bool,
) -> NDArray[Any]:
    """Draw each field as a small map.

    Parameters
    ----------
    da : xarray.DataArray
        Of dimensions (along, y, x), the last two rising.
    along : str
    cols : int
    look : callable
        Gives the look that all fields share.
    title : str or None
    colorbar : bool

    Returns
    -------
    ndarray of matplotlib.axes.Axes, shape (rows, cols)
        None where the last row is not full.
    """
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

    first = da.isel({along: 0})
    frame = Frame.of(first)
    fields = [cells(field) for field in da]
    shared = look(fields)
    ratio = (frame.y[1] - frame.y[0]) / (frame.x[1] - frame.x[0])
    width = {1: 4.6, 2: 3.1}.get(cols, 2.35)
    headline = wrapped(_headline(da, along) if title is None else title, cols * (width + _GAP) + _RIGHT, 10)
    sheet = Sheet(
        count=len(fields),
        cols=cols,
        width=width,
        height=width * min(max(ratio, 0.3), 3.0),
        lines=headline.count("\n") + 1,
    )
    figure = plt.figure(figsize=sheet.size)
    axes = np.full((sheet.rows, cols), None, object)
    for number, values in enumerate(fields):
        ax = figure.add_axes(sheet.place(*divmod(number, cols)))
        drawn = draw_map(ax, values, frame, shared, da.attrs.get("radars"), scale=number == 0)
        name = _name(da.isel({along: number}), along)
        if not np.isfinite(values).any():
            name += ", no data"
        ax.set_title(name, loc="left", fontsize=8, color=INK, pad=3)
        axes.flat[number] = ax
    _draw_around(figure, sheet, headline, credit_of(da))
    if colorbar:
        draw_bar(figure.add_axes(sheet.bar()), drawn.image, shared, 1.0)
        dry = any(shared.is_dry(values) for values in fields)
        _draw_legend(figure, axes[0, 0], sheet, shared, dry=dry, unknown=drawn.unknown)
    return axes


def _draw_around(figure: Figure, sheet: Sheet, headline: str, credit: str) -> None:
    wide, high = sheet.size
    figure.text(_LEFT / wide, 1 - _ABOVE / high, headline, va="top", fontsize=10, color=INK, linespacing=1.25)
    figure.text(1 - _LEFT / wide, 0.08 / high, credit, ha="right", fontsize=6.5, color=INK)


def _draw_legend(figure: Figure, ax: Axes, sheet: Sheet, look: Look, *, dry: bool, unknown: list[str]) -> None:
    """Draw the key of all maps once, below the lowest at the left."""
    wide, high = sheet.size
    legend = draw_legend(ax, look, dry=dry, unknown=unknown, size=1.0)
    legend.set_bbox_to_anchor((_LEFT / wide, (_BELOW - 0.05) / high), transform=figure.transFigure)


def _headline(da: xr.DataArray, along: str) -> str:
    """Give the product, and what the maps' own titles have in common."""
    if along == "time" and (minutes := minutes_of(da)):
        return f"{name_of(da)}\n{human_interval(minutes)} to the time above each map (UTC)"
    if "time" in da.coords and da["time"].ndim == 0:
        return f"{name_of(da)}\n{human_time(da['time'].values)}"
    return name_of(da)


def _name(field: xr.DataArray, along: str) -> str:
    """Give what one map has for itself."""
    if along not in field.coords:
        return ""
    value: Any = field[along].values[()]
    units = field[along].attrs.get("units")
    along = along.replace("_", " ")
    if isinstance(value, np.datetime64):
        return human_time(value).removesuffix(" UTC") if minutes_of(field) else human_time(value)
    if isinstance(value, np.timedelta64):
        return f"{along} {human_interval(value / np.timedelta64(1, 'm'))}"
    told = f"{along} {value:g}" if isinstance(value, float) else f"{along} {value}"
    return f"{told} {units}" if units else told
