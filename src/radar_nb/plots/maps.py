"""One field drawn as a map into given axes, cell for cell, and the key that explains its colours."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from matplotlib.colorbar import make_axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import Bbox

from radar_nb.errors import SettingsError
from radar_nb.geography.lines import ATTRIBUTION
from radar_nb.geography.shapes import outlines
from radar_nb.plots.basemap import (
    HALO,
    NORTH,
    Frame,
    draw_areas,
    draw_graticule,
    draw_lines,
    draw_north,
    draw_radars,
    draw_scale,
    draw_towns,
    points,
    site_style,
)
from radar_nb.plots.style import (
    DRY,
    INK,
    NO_DATA,
    ClassNorm,
    amount_minutes,
    as_decimals,
    class_colours,
    class_label,
    class_limits,
    class_names,
    draw_decimals,
    has_fixed_classes,
    ink_on,
    literal,
    name_colours,
    own_limits,
    own_norm,
    unit_label,
)  # fmt: skip
from radar_nb.runtime.language import current_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, ListedColormap, Normalize
    from matplotlib.image import AxesImage
    from matplotlib.legend import Legend
    from matplotlib.text import Text
    from numpy.typing import NDArray

    from radar_nb.geography.shapes import Outline
    from radar_nb.plots.labels import Rectangle


_SMOOTH = 256
"""Colours of a scale without classes."""
_EDGE: dict[str, Any] = {"edgecolor": INK, "linewidth": 0.4}
_KEY: dict[str, Any] = {
    "frameon": False, "borderpad": 0.3, "borderaxespad": 0,
    "handlelength": 1.2, "handleheight": 0.9, "handletextpad": 0.5,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How fields are coloured and what surrounds them; one for all maps of a figure or a film.

    Attributes
    ----------
    limits : tuple of float
        Lower limits of the classes, in the data's unit; of a class product, the codes.
    names : tuple of str
        Names of the classes of a class product, for its legend; empty for other products, with a colour bar.
    colours : ListedColormap
    unit : str
        Label of the colour scale.
    borders, radars, towns : bool
    graticule : bool
    areas : tuple of Outline
        Areas of the user, drawn over the field.
    norm : Normalize
        From values to colours; of classes, a ClassNorm.
    """

    limits: tuple[float, ...]
    names: tuple[str, ...]
    colours: ListedColormap
    unit: str
    borders: bool
    radars: bool
    towns: bool
    graticule: bool
    areas: tuple[Outline, ...]
    norm: Normalize

    @classmethod
    def of(
        cls,
        field: xr.DataArray,
        values: Iterable[NDArray[Any]],
        *,
        classes: Sequence[float] | None,
        cmap: str | Colormap | None,
        borders: bool,
        radars: bool,
        towns: bool,
        vmin: float | None = None,
        vmax: float | None = None,
        norm: Normalize | None = None,
        graticule: bool = False,
        areas: Any = None,
    ) -> Look:
        """Choose the look of a field, or of several that share it.

        `field` is one of them, for its attributes. `values` are the values of all, one field at a time; they are
        only read where the unit does not determine the classes. The rest is as in `radar_nb.plot`.
        """
        units, minutes = str(field.attrs.get("units", "")), amount_minutes(field)
        named = class_names(field, values) if classes is None else {}
        if named:
            limits = tuple(named)
        elif classes is not None:
            limits = own_limits(classes)
        elif has_fixed_classes(units, minutes):
            limits = class_limits(units, minutes, np.empty(0))
        else:
            limits = class_limits(units, minutes, _range(values, most=0.999 if units == "mm" else 1.0))
        if own := norm is not None or vmin is not None or vmax is not None:
            if named or classes is not None:
                what = f"{field.name!r}, which holds classes" if named else "classes="
                raise SettingsError(f"vmin=, vmax= and norm= cannot be used with {what}: leave them out")
            norm = own_norm(norm, vmin, vmax, limits)
            limits = (float(norm.vmin or 0), float(norm.vmax or 0))
        count = getattr(norm, "Ncmap", _SMOOTH) if own else len(limits)
        colours = class_colours(cmap, count, reflectivity=units == "dBZ")
        if named:
            colours = name_colours(tuple(named.values()), cmap)
        return cls(
            limits=limits,
            names=tuple(named.values()),
            colours=colours,
            norm=ClassNorm(limits, colours.N, extend="max") if norm is None else norm,
            graticule=graticule,
            unit=unit_label(units, minutes),
            borders=borders,
            radars=radars,
            towns=towns,
            areas=() if areas is None else tuple(outlines(areas, Frame.of(field).earth)),
        )

    @property
    def smooth(self) -> bool:
        """Whether the scale is one that the caller chose by its ends or its norm, without classes of ours."""
        return not isinstance(self.norm, ClassNorm)

    def shown(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return values as an image takes them: neither infinite ones nor those below a norm are hidden."""
        if (endless := np.isposinf(values)).any():
            values = np.where(endless, values.dtype.type(2 * abs(self.limits[-1]) + 1), values)
        begin, end = self.norm.vmin, self.norm.vmax
        if not self.smooth or begin is None or end is None:
            return values
        below = begin / 2 if begin > 0 else begin - (end - begin)
        return np.where(values < begin, np.float32(below), values)

    def numbers(self, values: NDArray[Any]) -> NDArray[np.int64]:
        """Return the number of each value's class; -1 below the first."""
        found: NDArray[np.int64] = np.digitize(as_decimals(values), self.limits) - 1
        return found

    def is_dry(self, values: NDArray[Any]) -> bool:
        """Return whether a field has cells below the first class."""
        return not self.names and bool((as_decimals(values) < self.limits[0]).any())


def _range(fields: Iterable[NDArray[Any]], *, most: float) -> NDArray[Any]:
    """Return the least value of each field and its greatest; of amounts a quantile, which ignores single cells."""
    seen = [values[np.isfinite(values)] for values in fields]
    return np.array([limit for part in seen if part.size for limit in (part.min(), np.quantile(part, most))])


class Map(NamedTuple):
    """What was drawn."""

    image: AxesImage
    size: float
    """Relative size of text and lines, 1 on a map of usual size."""
    unknown: list[str]
    """Radars of the field whose place is not known."""
    sites: bool
    """Whether a radar site lies on the map."""


def figure_options(frame: Frame) -> tuple[tuple[float, float], dict[str, Any]]:
    """Return the size in inches of a figure for one map with title and key, and the edges of its grid."""
    width, height = (high - low for low, high in (frame.x, frame.y))
    # close to the final layout, since titles are wrapped before it runs
    edges = {"left": 0.01, "right": 0.99, "bottom": 0.04, "top": 0.92}
    return (6.4, 5.2 * min(max(height / width, 0.4), 2.5) + 0.9), edges


def draw_map(ax: Axes, values: NDArray[Any], frame: Frame, look: Look, radars: Any, *, scale: bool = True) -> Map:
    """Draw a field with borders, radar sites and, if `scale`, a scale bar.

    `values` has the shape (rows, cols), its first row in the south; NaN is missing. `radars` are the ids of the
    radars that see this field; None means today's network.
    """
    image = ax.imshow(
        look.shown(values),
        extent=(*frame.x, *frame.y),
        origin="lower",
        cmap=look.colours,
        norm=look.norm,
        interpolation_stage="rgba",  # averages colours where cells are smaller than pixels: no storm cell is lost
    )
    ax.set(xlim=frame.x, ylim=frame.y, xticks=[], yticks=[], aspect="equal", autoscale_on=False)
    size = min(1.0, max(0.5, min(_inches(ax)) / 4.5))  # text and lines are smaller on small maps
    if look.borders:
        draw_lines(ax, frame, size)
    width, height = _inches(ax)
    free: list[Rectangle] = [
        (0, 0, 0.42 * width, 0.03 * height + 0.2),
        (width - 2.6 * size, 0, width, 0.3 * size),
        (0.9 * width, height - 0.12 * width, width, height),
    ]  # of the scale, the sources and the arrow to the north
    if look.graticule:
        free += draw_graticule(ax, frame, (width, height), size, free)
    unknown, sites = draw_radars(ax, radars, frame, size) if look.radars else ([], [])
    if scale:
        draw_scale(ax, frame, size)
        if frame.width_km <= NORTH:
            draw_north(ax, frame, size)
    if look.areas:
        free += draw_areas(ax, frame, look.areas, width, size)
    if look.towns:
        draw_towns(ax, frame, (width, height), size=size, taken=free, marks=sites)
    for spine in ax.spines.values():
        spine.set(linewidth=0.6, color=ink_on(ax))
    return Map(image=image, size=size, unknown=unknown, sites=bool(sites))


def _inches(ax: Axes) -> tuple[float, float]:
    """Return the width and height of a map; equal scales may leave it smaller than its share of the figure."""
    ax.apply_aspect()
    drawn = ax.get_window_extent()
    return drawn.width / ax.figure.dpi, drawn.height / ax.figure.dpi


def sources(look: Look, credit: str) -> list[str]:
    """Return the sources that a map names: of the towns and lines, and of the data."""
    return [*([current_texts()("plot.map", sources=ATTRIBUTION)] * look.towns), credit]


def draw_words(ax: Axes, title: str, lines: Sequence[str], size: float) -> Text:
    """Write the title above a map and the sources into its corner; return the title."""
    letters = points(10, size)
    small = points(6, size)
    for row, line in enumerate(reversed(lines)):  # a text each: lines of one text may end beside each other
        place: Any = {
            # halos are drawn as paths, which few pixels a point make 7 % wider than the text that is aligned
            "xytext": (-2 * small, 1.25 * small * row),
            "textcoords": "offset points",
            "xycoords": "axes fraction",
        }
        ax.annotate(literal(line), (1, 0.012), **place, fontsize=small, color=INK, ha="right", path_effects=[HALO])
    text = wrapped(title, _inches(ax)[0], letters)
    return ax.set_title(text, loc="left", fontsize=letters, color=ink_on(ax), pad=5 * size, linespacing=1.25)


def wrapped(text: str, width: float, letters: float) -> str:
    """Wrap the lines of a text to a width in inches, for Matplotlib to draw them as they are."""
    room = int(width * 72 / (0.52 * letters))  # letters are about half as wide as they are high
    return literal("\n".join(fill(line, max(room, 20)) for line in text.splitlines()))


def draw_key(ax: Axes, image: AxesImage, look: Look, size: float) -> None:
    """Draw the colour bar as high as the map, its unit above it."""
    place, _ = make_axes(ax, fraction=0.08, pad=0.025, aspect=24, panchor=False)
    place.set_axes_locator(partial(_beside, ax))
    draw_bar(place, image, look, size)


def draw_bar(place: Axes, image: AxesImage, look: Look, size: float) -> None:
    """Draw the colour bar into its own axes; for a class product, a legend of its classes."""
    ink = ink_on(place)
    if look.names:
        place.axis("off")
        colours = look.colours(range(len(look.names)))
        names = [literal(class_label(name)) for name in look.names]
        entries = [Patch(facecolor=c, label=name, **_EDGE) for c, name in zip(colours, names, strict=True)]
        place.legend(handles=entries[::-1], loc="upper left", fontsize=points(7.5, size), labelcolor=ink, **_KEY)
        return
    if look.smooth:
        bar = place.figure.colorbar(image, cax=place, extend="max")
        draw_decimals(bar.ax.yaxis)
    else:
        bar = place.figure.colorbar(image, cax=place, spacing="uniform", ticks=look.limits)
        bar.ax.set_yticklabels([current_texts().number(f"{limit:g}") for limit in look.limits])
    bar.ax.tick_params(labelsize=points(8, size), length=2.5 * size, width=0.6, color=ink, labelcolor=ink)
    unit = look.unit.replace(" in ", " in\n")
    bar.ax.set_title(literal(unit), loc="left", fontsize=points(8, size), color=ink, pad=5 * size)
    bar.outline.set(linewidth=0.6, edgecolor=ink)


def _beside(ax: Axes, _bar: Any, _renderer: Any) -> Bbox:
    """Return the place of a colour bar at the right of its map as drawn."""
    drawn = ax.get_position()
    left = drawn.x1 + 0.025 * drawn.width
    return Bbox.from_extents(left, drawn.y0, left + 0.1 * drawn.width, drawn.y1)


def draw_legend(ax: Axes, look: Look, drawn: Map, *, dry: bool, size: float) -> Legend:
    """Explain below a map what the scale does not: no data, less than the first class, radar sites."""
    say = current_texts()
    entries: list[Patch | Line2D] = [Patch(facecolor=NO_DATA, label=say("plot.no_data"), **_EDGE)]
    if dry:
        least = say("plot.below", limit=say.number(f"{look.limits[0]:g}"))
        entries.insert(0, Patch(facecolor=DRY, label=least, **_EDGE))
    if drawn.sites or drawn.unknown:
        entries.append(Line2D([], [], **site_style(size)))
    if drawn.unknown:
        entries[-1].set_label(say("plot.site_unknown", ids=literal(", ".join(drawn.unknown))))
    return ax.legend(
        handles=entries,
        loc="upper left",
        bbox_to_anchor=(-0.005, -0.005),
        ncols=len(entries),
        fontsize=points(7.5, size),
        columnspacing=1.4,
        labelcolor=ink_on(ax),
        **_KEY,
    )
