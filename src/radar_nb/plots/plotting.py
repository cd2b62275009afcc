"""Maps of radar fields, in the data's own projection: one, or several on a page."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from radar_nb.errors import SettingsError
from radar_nb.plots.basemap import Frame
from radar_nb.plots.captions import credit_of, name_of, time_of
from radar_nb.plots.facets import check_facets, draw_facets
from radar_nb.plots.maps import Look, draw_key, draw_legend, draw_map, draw_words, figure_options
from radar_nb.plots.selection import cells, one_field, several_fields

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from numpy.typing import NDArray


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
    title: str | None = ...,
    time: str | datetime | np.datetime64 | None = ...,
    col: None = ...,
    col_wrap: int | None = ...,
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
    title: str | None = ...,
    time: str | datetime | np.datetime64 | None = ...,
    col: str,
    col_wrap: int | None = ...,
) -> NDArray[Any]: ...


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
    col: str | None = None,
    col_wrap: int | None = None,
) -> Axes | NDArray[Any]:
    """Draw one field as a map: rain or reflectivity in classes, borders, radar sites, scale, time and unit.

    The map stands in the data's own projection, cell for cell, without resampling in space. Missing cells are
    grey, cells below the first class nearly white. With `col=` there are several maps on one page, which share
    their scale.

    Parameters
    ----------
    da : xarray.DataArray
        As `open_dataset` gives it, or a sum of it. Dimensions `y` and `x` (cell centres in metres, evenly spaced,
        in any order) and at most one more, `time` or what `col` names. NaN is missing. Of a lazy array only the
        fields that are drawn are computed.
        Attributes that are used where they exist: `units`, `long_name`, `interval_minutes`, `radars`
        (ids of radar sites, separated by commas).
    ax : matplotlib.axes.Axes, optional
        Where to draw; without it, a new figure is made. Not with `col`.
    classes : sequence of float, optional
        Limits of the classes, rising, in the data's unit. By default DWD's for the quantity and its interval;
        for a sum without known interval, those that its amounts fill.
    cmap : str or matplotlib.colors.Colormap, optional
        `"dwd"` for DWD's hues, or a colour map of matplotlib. By default a scale that every colour vision orders.
    colorbar, borders, radars : bool
        Whether to draw the colour bar with the key to the map, the borders, the radar sites. Without
        `da.attrs["radars"]` the sites are those of today's network.
    title : str, optional
        Instead of the product, its interval and its time; with `col`, above all maps.
    time : str, datetime or numpy.datetime64, optional
        Which field to draw if `da` has several, in UTC unless it says otherwise.
    col : str, optional
        The dimension whose fields are drawn side by side, such as `"time"` or `"lead_time"`; 60 at most.
    col_wrap : int, optional
        How many maps stand in a row; by default what makes the page about square.

    Returns
    -------
    matplotlib.axes.Axes, or ndarray of these of shape (rows, cols)
        In metres of the projection; `ax.figure.savefig("field.png")` writes it. An array with `col`, None where
        the last row is not full.

    Raises
    ------
    SeriesError
        `da` is no single field: several times and none chosen, no such time, no `x` and `y`, or a projection that
        is not DWD's; or it has no dimension `col`.
    SettingsError
        Classes that do not rise, an unknown colour map, too many maps, or `ax` together with `col`.

    Examples
    --------
    >>> import radar_nb as rn
    >>> ds = rn.open_dataset("YW2017.002_202006.tar")  # doctest: +SKIP
    >>> rn.plot(ds.YW, time="2020-06-13 15:25")  # doctest: +SKIP
    >>> rn.plot(ds.YW.sel(time="2020-06-13T15")[::2], col="time", col_wrap=3)  # doctest: +SKIP
    """
    look = partial(Look.of, classes=classes, cmap=cmap, borders=borders, radars=radars)
    if col is not None:
        if ax is not None or time is not None:
            raise SettingsError(
                f"col={col!r} draws several maps in a figure of their own: leave ax= and time= away, and choose "
                "fields with da.sel(...)"
            )
        fields = several_fields(da, col)
        cols = check_facets(fields, col, col_wrap)
        return draw_facets(fields, col, cols, partial(look, fields), title, colorbar=colorbar)
    field = one_field(da, time)
    frame = Frame.of(field)
    values = cells(field)
    shared = look(field, [values])
    ax = _new_axes(frame) if ax is None else ax
    drawn = draw_map(ax, values, frame, shared, field.attrs.get("radars"))
    if colorbar:
        draw_key(ax, drawn.image, shared, drawn.size)
        draw_legend(ax, shared, dry=shared.is_dry(values), unknown=drawn.unknown, size=drawn.size)
    draw_words(ax, _title(field, values) if title is None else title, credit_of(field), drawn.size)
    return ax


def _new_axes(frame: Frame) -> Axes:
    """Give axes in a figure of their own, high enough for the map, its title and its key."""
    import matplotlib.pyplot as plt  # noqa: PLC0415 - it chooses a backend, which only a new figure needs

    size, edges = figure_options(frame)
    _, ax = plt.subplots(figsize=size, layout="constrained", gridspec_kw=edges)
    return ax


def _title(field: xr.DataArray, values: NDArray[Any]) -> str:
    """Give the product, then the interval and its end in UTC, then whether there is nothing to see."""
    lines = [name_of(field), time_of(field), "" if np.isfinite(values).any() else "no data"]
    return "\n".join(filter(None, lines))
