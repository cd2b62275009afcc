"""Pictures to lie over a map of somebody else: the colours of cells alone, and the key that explains them."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from radar_nb.plots.maps import Look
from radar_nb.plots.style import INK, NO_DATA, class_label, literal, name_label
from radar_nb.runtime.language import current_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import xarray as xr
    from matplotlib.colors import Colormap
    from numpy.typing import NDArray

OUTSIDE, MISSING, DRY_CELL, FIRST = 0, 1, 2, 3
"""Numbers of a pixel outside the data, without data, below the first class, and of the first class."""
_VEIL = 120
"""Opacity of pixels without data, of 255: what lies below stays visible. Outside the data nothing is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Class:
    """A class of values: `lower <= value < upper`; the last one is open, and a class product's has a name."""

    lower: float
    upper: float | None
    colour: str
    name: str


class Overlay:
    """The classes of some fields, and pictures in their colours.

    Parameters
    ----------
    field : xarray.DataArray
        One of the fields, for its attributes.
    values : sequence of ndarray
        Of all fields; they are only read where the unit does not determine the classes.
    classes : sequence of float, optional
    cmap : str or matplotlib.colors.Colormap, optional
        As in `radar_nb.plot`.
    """

    def __init__(
        self,
        field: xr.DataArray,
        values: Sequence[NDArray[Any]],
        *,
        classes: Sequence[float] | None = None,
        cmap: str | Colormap | None = None,
    ) -> None:
        self._look = look = Look.of(
            field, values, classes=classes, cmap=cmap, borders=False, radars=False, towns=False
        )
        colours = [to_hex(look.colours(number)) for number in range(len(look.limits))]
        uppers = [*look.limits[1:], None]
        say = current_texts()
        names = [class_label(name) for name in look.names] or [
            say.number(say("plot.and_more", limit=f"{lower:g}"))
            if upper is None
            else say.number(say("plot.span", first=f"{lower:g}", last=f"{upper:g}"))
            for lower, upper in zip(look.limits, uppers, strict=True)
        ]
        self.unit = look.unit
        self.title = name_label(field)
        self.classes = [
            Class(lower=lower, upper=None if look.names else upper, colour=colour, name=name)
            for lower, upper, colour, name in zip(look.limits, uppers, colours, names, strict=True)
        ]

    def numbers(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the number of each value's class, from `FIRST` on; `MISSING` for NaN, `DRY_CELL` for less."""
        numbers = (self._look.numbers(values) + FIRST).astype(np.uint8)
        return np.where(np.isnan(values), np.uint8(MISSING), numbers)

    def png(self, numbers: NDArray[np.uint8], texts: Mapping[str, str]) -> bytes:
        """Return a PNG of pixels by their numbers, first row in the north, transparent outside and where dry."""
        from PIL import Image  # noqa: PLC0415 - loaded where a picture is written
        from PIL.PngImagePlugin import PngInfo  # noqa: PLC0415 - the same

        hues = ["#000000", NO_DATA, "#ffffff", *(one.colour for one in self.classes)]
        picture = Image.fromarray(numbers)
        picture.putpalette(bytes.fromhex("".join(hue.removeprefix("#") for hue in hues)))
        info = PngInfo()
        for key, text in texts.items():
            info.add_itxt(key, text)
        opacity = bytes([0, _VEIL, 0, *[255] * len(self.classes)])
        file = io.BytesIO()
        picture.save(file, "PNG", transparency=opacity, pnginfo=info, optimize=True)
        return file.getvalue()

    def key(self, *lines: str) -> bytes:
        """Return a PNG with the classes, their colours and unit, and further lines below, such as the source."""
        entries = [
            Patch(facecolor=one.colour, edgecolor=INK, linewidth=0.4, label=literal(one.name))
            for one in self.classes
        ]
        veil = Patch(facecolor=NO_DATA, alpha=_VEIL / 255, linewidth=0.4, label=current_texts()("plot.no_data"))
        figure = Figure(figsize=(2.6, 0.18 * len(entries) + 0.13 * len(lines) + 0.75), dpi=110, facecolor="white")
        title = literal(f"{self.title}\n{self.unit}".strip())
        key = figure.legend(handles=[*entries[::-1], veil], title=title, loc="upper left", frameon=False,
                            fontsize=8, title_fontsize=8, alignment="left", labelcolor=INK)  # fmt: skip
        note = figure.text(0.04, 0.02, literal("\n".join(lines)), fontsize=6, color=INK)
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
        inches = [part.get_window_extent().width / figure.dpi + 0.15 for part in (key, note)]
        figure.set_size_inches(max(inches), figure.get_figheight())
        file = io.BytesIO()
        figure.savefig(file, format="png")
        return file.getvalue()
