"""Common style of all pictures: classes and colours of values, and texts of titles, scales and credits.

Class limits of rain and reflectivity are those of DWD's and its users' maps (symbology files of radolan2map).
Their first class begins at zero; here it begins at the smallest amount that the product resolves, so that only dry
cells are white. The familiar hues (`cmap="dwd"`) come from there and from the legend of DWD's reflectivity
composite WN. The default colours are our own: from pale blue over violet to dark red. Their lightness falls from
class to class, so that the order is visible in grey print and with any colour vision.
"""

from __future__ import annotations

import re
from copy import copy
from datetime import datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import matplotlib as mpl
import numpy as np
from matplotlib.colors import (
    BoundaryNorm,
    Colormap,
    LinearSegmentedColormap,
    ListedColormap,
    Normalize,
    to_hex,
    to_rgba,
)
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import SettingsError
from radar_nb.reading.intervals import bounds_of, ends_of, shown_interval
from radar_nb.runtime.language import current_texts
from radar_nb.runtime.wording import MONTH_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import xarray as xr
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from numpy.typing import NDArray

    from radar_nb.runtime.language import Texts

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
_FIXED = 2 * _DAY
"""Minutes of the longest sums with classes by their length. What a month brings differs by season and region:
longer sums have the classes that their amounts fill."""
_RATE = (0.1, 0.5, 1, 2, 5, 10, 20, 50, 100)
"""mm/h: those of the hourly sum, and one more for the short intensities of single cells."""
_YEARS = (2, 5, 10, 20, 30, 50, 100)
"""Return periods: those of KOSTRA-DWD-2020 from 2 years, without 3. What is more frequent counts as dry."""
_REFLECTIVITY = (5.5, 10, 14.5, 19, 23.5, 28, 32.5, 37, 41.5, 46, 50.5, 55, 60, 65, 75, 85)
"""dBZ. Source: radolan2map, symbology; DWD's legend of WN."""

_DEFAULT_HUES = "#caf0f6 #8ddbf6 #57b9f4 #3e8fec #4364df #6440cb #82139f #87066c #7f0440 #6b0519"
_DWD_RAIN = "#ffffdc #ffffa0 #ffff00 #00ff00 #80b3ff #5010ff #ff00bf #ffbff0"
_DWD_REFLECTIVITY = (
    "#33ffff #00caca #009934 #4dbf1a #99cc00 #cce600 #ffff00 #ffc400 "
    "#ff8900 #ff0000 #b40000 #4848ff #0000ca #990099 #ff33ff #000000"
)
_KINDS = {
    "unclassified": "#8c6d31",
    "drizzle": "#9ecae1",
    "rain": "#3182bd",
    "freezing drizzle": "#c5b0e8",
    "freezing rain": "#756bb1",
    "sleet": "#a1d99b",
    "snow": "#31a354",
    "graupel": "#fdae6b",
    "hail": "#e6550d",
    "large hail": "#99000d",
}
"""Colours of the kinds of hydrometeor: rain blue, freezing violet, snow green, ice orange to red."""
DRY, NO_DATA, INK = "#fdfdfb", "#c8c8c8", "#1a1a1a"
"""Colours of cells below the first class, of cells without data, and of lines and letters."""
PAPER = "#ececec"
"""Colour of lines and letters beside a map or chart on a dark page."""
CREDIT = "Datenbasis: Deutscher Wetterdienst"
"""The source of the data, as DWD's licence requires it."""

_OVER_A_PERIOD = {"time: mean", "time: maximum", "time: minimum"}
"""CF's cell methods of the results of `reduce`; a rate has "time: mean" too, over its own interval."""


def has_fixed_classes(units: str, minutes: int | None) -> bool:
    """Return whether the unit and the interval determine a map's classes, whatever the values are."""
    return units in {"mm h-1", "mm/h", "dBZ", "year"} or (
        units == "mm" and bool(minutes) and (minutes or 0) <= _FIXED
    )


def class_limits(units: str, minutes: int | None, values: NDArray[Any]) -> tuple[float, ...]:
    """Choose the limits of a map's classes: DWD's for the quantity, or round ones where DWD has none.

    Parameters
    ----------
    units : str
        `mm`, `mm h-1`, `dBZ`, `year` (a return period) or another.
    minutes : int or None
        The interval of an amount. Where it is unknown, or longer than two days, the amounts decide.
    values : ndarray
        The field, NaN where there are no data.

    Returns
    -------
    tuple of float
        Lower limits of the classes, rising, at least two; the last class is open.

    Examples
    --------
    >>> class_limits("mm", 60, np.zeros(1))
    (0.1, 0.5, 1, 2, 5, 10, 20, 50)
    """
    seen = values[np.isfinite(values)]
    match units:
        case "mm":
            usual = next((limits for longest, limits in _SUMS if minutes and minutes <= longest), ())
            if minutes and (minutes <= _FIXED or not seen.size):
                return usual
            large = np.quantile(seen, 0.999) if seen.size else 0.0  # single clutter cells do not decide
            return next((limits for _, limits in _SUMS if large <= limits[-1]), _SUMS[-1][1])
        case "mm h-1" | "mm/h":
            return _RATE
        case "dBZ":
            return _REFLECTIVITY
        case "year":
            return _YEARS
    low, high = (seen.min(), seen.max()) if seen.size else (0.0, 1.0)
    ticks = tuple(float(tick) for tick in MaxNLocator(nbins=9).tick_values(low, high))
    return ticks[:-1] if len(ticks) > 2 else ticks


def class_names(field: xr.DataArray, values: Iterable[NDArray[Any]]) -> dict[float, str]:
    """Return the codes of a class product with the names of the classes; {} for a quantity that is measured.

    Codes and names are CF's `flag_values` and `flag_meanings`; a code without a name that occurs is "class 9".
    """
    codes = np.atleast_1d(field.attrs.get("flag_values", ()))
    product = PRODUCTS.get(str(field.name))
    if not codes.size and (product is None or product.quantity != "class"):
        return {}
    names = [name.replace("_", " ") for name in str(field.attrs.get("flag_meanings", "")).split()]
    named = dict(zip(codes.astype(float).tolist(), names, strict=True))
    seen = {float(code) for part in values for code in np.unique(part[np.isfinite(part)])}
    return dict(sorted((named | {code: f"class {code:g}" for code in seen - set(named)}).items()))


def class_label(name: str) -> str:
    """Return the name of a class in the language of the picture."""
    say = current_texts()
    if name.startswith("below "):
        return say("plot.below", limit=name.removeprefix("below "))
    if name.startswith("class "):
        return say("plot.class_number", number=name.removeprefix("class "))
    return name if say.language == "en" else say.known(f"kind.{name.replace(' ', '_')}", name)


def name_colours(names: Sequence[str], cmap: str | Colormap | None) -> ListedColormap:
    """Return one colour a class: classes with an order differ in lightness, kinds of precipitation in hue."""
    dry = [name in {"no precipitation", "class 0"} or name.startswith("below ") for name in names]
    kinds = any(name in _KINDS for name in names) and cmap is None
    wet = max(len(dry) - sum(dry), 1)
    ordered = iter(class_colours(cmap, wet, reflectivity=True)(range(wet)))
    colours = [
        DRY if is_dry else _KINDS.get(name, INK) if kinds else next(ordered)
        for name, is_dry in zip(names, dry, strict=True)
    ]
    return ListedColormap(colours, bad=NO_DATA, under=NO_DATA)


def own_limits(classes: Sequence[float]) -> tuple[float, ...]:
    """Return the limits that a caller chose; raise SettingsError unless they are two or more rising numbers."""
    try:
        limits = np.asarray(classes, dtype=float)
    except (TypeError, ValueError):
        limits = np.empty(0)
    if limits.ndim != 1 or limits.size < 2 or not np.isfinite(limits).all() or (np.diff(limits) <= 0).any():
        raise SettingsError(f"classes={classes!r} must be at least two rising numbers, such as (0.1, 1, 5, 10)")
    return tuple(limits.tolist())


def own_norm(norm: Normalize | None, vmin: float | None, vmax: float | None, limits: Sequence[float]) -> Normalize:
    """Return the norm that a caller chose, by itself or by its ends.

    An end that is not chosen is the first or last limit of the classes, which may be none of a norm's own.

    Raises
    ------
    SettingsError
        Both a norm and an end, not a norm, or ends that do not rise.
    """
    if norm is not None and (vmin is not None or vmax is not None):
        raise SettingsError("norm= has its own vmin and vmax: leave vmin= and vmax= out, or set them in the norm")
    if norm is not None and not isinstance(norm, Normalize):
        raise SettingsError(f"norm={norm!r} is not a norm of Matplotlib: pass one, such as LogNorm(0.1, 100)")
    try:
        chosen = Normalize(vmin, vmax) if norm is None else copy(norm)
    except (TypeError, ValueError) as error:
        raise SettingsError(f"vmin={vmin!r} and vmax={vmax!r} must be numbers, in the data's unit") from error
    if chosen.vmin is None:
        chosen.vmin = limits[0]
    if chosen.vmax is None:
        chosen.vmax = limits[-1]
    if not (np.isfinite([chosen.vmin, chosen.vmax]).all() and chosen.vmin < chosen.vmax):
        raise SettingsError(f"vmin={chosen.vmin:g} must be less than vmax={chosen.vmax:g}, both finite")
    return chosen


class ClassNorm(BoundaryNorm):
    """From values to classes, compared as decimal numbers: 0.2 mm in float32 is not below 0.2 mm."""

    def __call__(self, value: Any, clip: bool | None = None) -> Any:
        """Return the number of each value's class; -1 below the first."""
        return super().__call__(as_decimals(value), clip)


def as_decimals(values: Any) -> Any:
    """Return values raised by a millionth, more than float32 leaves out and less than any product resolves."""
    return values + np.abs(values) * 1e-6


def class_colours(cmap: str | Colormap | None, count: int, *, reflectivity: bool) -> ListedColormap:
    """Return one colour a class, the last one for all above; grey for missing and nearly white for less.

    Raises
    ------
    SettingsError
        An unknown colour map.
    """
    if cmap is None or cmap == "dwd":
        hues = _DEFAULT_HUES if cmap is None else _DWD_REFLECTIVITY if reflectivity else _DWD_RAIN
        base: Colormap = LinearSegmentedColormap.from_list("radar_nb", hues.split())
    elif isinstance(cmap, Colormap):
        base = cmap
    elif cmap in mpl.colormaps:
        base = mpl.colormaps[cmap]
    else:
        raise SettingsError(f"unknown colour map cmap={cmap!r}: use 'dwd', a colour map of Matplotlib, or None")
    return ListedColormap(base(np.linspace(0, 1, count)), bad=NO_DATA, under=DRY)


def is_dark(artist: Artist) -> bool:
    """Return whether an artist lies on a dark page."""
    figure: Any = artist.get_figure(root=True)
    red, green, blue, opacity = to_rgba(figure.get_facecolor())
    return opacity > 0.5 and 0.3 * red + 0.59 * green + 0.11 * blue < 0.5


def page_on(artist: Artist) -> str:
    """Return the colour of the page; of one that shows what is below it, white."""
    figure: Any = artist.get_figure(root=True)
    return to_hex(figure.get_facecolor()) if is_dark(artist) else "white"


def page_halo(artist: Artist) -> withStroke:
    """Return an outline of letters in the colour of the page, for text over lines."""
    return withStroke(linewidth=2.4, foreground=page_on(artist), alpha=0.85)


def literal(text: str) -> str:
    r"""Return a text for Matplotlib to draw as it is: a dollar sign begins no formula.

    Examples
    --------
    >>> literal("A$B$")
    'A\\$B\\$'
    """
    return text.replace("$", r"\$")


def ink_on(artist: Artist) -> str:
    """Return the colour of letters on the page that an artist lies on: light on a dark page."""
    return PAPER if is_dark(artist) else INK


def amount_minutes(field: xr.DataArray) -> int | None:
    """Return the interval of an amount; None for a sum over many fields, which has lost its time and interval."""
    return shown_interval(field) if field.attrs.get("units") == "mm" else None


def unit_label(units: str, minutes: float | None) -> str:
    """Return a unit as a scale shows it, for an amount with its interval.

    Examples
    --------
    >>> unit_label("mm", 5), unit_label("mm h-1", None)
    ('mm in 5 min', 'mm/h')
    """
    if minutes:
        return f"mm in {current_texts().interval(minutes)}"
    say = current_texts()
    return {"mm h-1": "mm/h", "1": say("plot.fraction"), "year": say("plot.years")}.get(units, units)


def name_label(field: xr.DataArray) -> str:
    """Return the name of the quantity, with a capital."""
    name = str(field.attrs.get("long_name", field.name))
    say = current_texts()
    name = _PART_IN_NAME.sub(r"\1", name) if say.language == "en" else translated(name, say)
    return name[:1].upper() + name[1:]


_PHRASES = (
    ("sum of ", "plot.sum"),
    ("mean of ", "plot.mean"),
    ("maximum of ", "plot.maximum"),
    ("minimum of ", "plot.minimum"),
    ("return period of the amount in ", "plot.period_of_amount"),
    ("return period", "plot.return_period"),
    ("exceeded once in the return period: ", "plot.exceeded"),
    ("largest sum of the year", "plot.largest_of_year"),
    ("largest sum over ", "plot.largest_sum"),
    ("number of intervals that are not missing", "plot.counted"),
    ("design storm", "plot.design"),
    ("synthetic ", "plot.synthetic"),
)
"""How names of our results begin, and the key of their translation."""
_PART_IN_NAME = re.compile(r"^((?:synthetic )?sum of (?:synthetic )?)(?:\d+-(?:minute|hour|day)|hourly) ")
_PART = re.compile(r" (in|von) (\d+ (Minuten|Stunden|Tagen)|einer Stunde)")


def translated(name: str, say: Texts) -> str:
    """Return the name of a product or of a result of ours in another language; an unknown name stays."""
    for begin, key in _PHRASES:
        if name.startswith(begin):
            rest = translated(name.removeprefix(begin), say)
            if begin == "sum of ":  # of more time than the name of its parts says
                rest = _PART.sub("", rest)
            return f"{say(key)} {rest}".rstrip()
    known = next((product for product in PRODUCTS.values() if name.startswith(product.title)), None)
    if known is None:
        return name
    return f"{say(f'product.{known.name}')} ({known.name}){name.removeprefix(known.title)}"


def time_label(field: xr.DataArray, zone: ZoneInfo | None = None) -> str:
    """Return the time that a field covers and when a forecast was made; "" for a field without time.

    A period of whole days, months or years has its name in the calendar. Other amounts show their interval and its
    end, in UTC or in a zone; other sums, means and extremes over a period their begin and end.
    """
    if "time" not in field.coords:
        return ""
    if period := period_label(field):
        return period
    end, bounds = ends_of(field), bounds_of(field)
    say = current_texts()
    shown = say.moment(end, zone)
    minutes, units, made = amount_minutes(field), field.attrs.get("units"), field.attrs.get("cell_methods")
    long_sum = units == "mm" and not minutes and made == "time: sum"
    if long_sum or (units in {"mm", "dBZ"} and made in _OVER_A_PERIOD):
        if bounds is None:
            text = say("plot.until", last=shown)
        else:
            since = say.moment(bounds[0], zone)
            first, _, name = since.rpartition(" ")
            once = shown.endswith(f" {name}")  # the zone once is enough
            text = say("plot.span", first=first if once else since, last=shown)
    else:
        text = say("plot.span", first=say.interval(minutes), last=shown) if minutes else shown
    label = forecast_label(field, zone)
    day = shown[:11]  # once is enough
    return f"{text}, {label.replace(day, '')}" if label else text


def forecast_label(data: xr.DataArray, zone: ZoneInfo | None = None) -> str:
    """Return the time of issue and the lead time of a forecast, if all fields share them; "" for other data."""
    made = "time" if "prediction_time" in data.coords else "forecast_reference_time"
    if made not in data.coords:
        return ""
    say = current_texts()
    parts = [] if data[made].ndim else [say("plot.forecast", time=say.moment(data[made].values, zone))]
    if "lead_time" in data.coords and not data["lead_time"].ndim:
        minutes = float(data["lead_time"].values / np.timedelta64(1, "m"))
        if not minutes:
            return say("plot.analysis")
        parts.append(say("plot.ahead", interval=say.interval(minutes)))
    return ", ".join(parts)


def period_label(field: xr.DataArray) -> str:
    """Return the calendar's name of the whole days, months or years that a result covers, with their time zone.

    Hours of RW end at minute 50, so that a day of them covers 23:50 to 23:50: the name is that of the day,
    followed by these times. The name is "" for a frame, and for a period that begins or ends more than an hour
    before midnight.
    """
    bounds = bounds_of(field)
    if bounds is None or "period_begin" not in field.coords:
        return ""
    zone = str(field["time"].attrs.get("long_name", "")).partition("begin of the period, ")[2] or "UTC"
    begin, end = (
        np.datetime64(datetime.fromtimestamp(int(seconds), ZoneInfo(zone)).replace(tzinfo=None), "m")
        for seconds in bounds.astype(np.int64)
    )
    early = -begin.astype(np.int64) % (24 * 60)  # minutes before midnight
    first, after = ((time + early).astype("datetime64[D]") for time in (begin, end))
    if early > 60 or (begin + early, end + early) != (first, after) or begin == end:
        return ""
    say = current_texts()
    clock = (
        f"{zone}, {say('plot.span', first=f'{begin.item():%H:%M}', last=f'{end.item():%H:%M}')}" if early else zone
    )
    for unit in ("datetime64[Y]", "datetime64[M]", "datetime64[D]"):
        if first.astype(unit) == first and after == first.astype(unit) + 1:
            return f"{first.astype(unit)} ({clock})"
    return f"{say('plot.span', first=first, last=after - 1)} ({clock})"


def credit(field: Any) -> str:
    """Return the source of the data; synthetic fields are not DWD's."""
    made_up = str(field.attrs.get("institution", "")).startswith("none")
    return current_texts()("plot.made_up") if made_up else CREDIT


class Dates(ConciseDateFormatter):
    """Short dates on a time axis, with the names of months in the language of the picture."""

    def __init__(self, locator: AutoDateLocator, tz: Any) -> None:
        super().__init__(locator, tz=tz)  # type: ignore[no-untyped-call]
        short = current_texts()("calendar.short").split()
        self._months = dict(zip(MONTH_NAMES, short, strict=True))

    def _in_language(self, text: str) -> str:
        return re.sub("[A-Z][a-z]{2}", lambda found: self._months.get(found[0], found[0]), text)

    def format_ticks(self, values: Any) -> list[str]:
        """Return the labels of the ticks."""
        return [self._in_language(text) for text in super().format_ticks(values)]  # type: ignore[no-untyped-call]

    def get_offset(self) -> str:
        """Return what all labels share, at the end of the axis."""
        return self._in_language(super().get_offset())  # type: ignore[no-untyped-call]


def draw_dates(ax: Axes, zone: Any = "UTC") -> None:
    """Label the time axis of a chart in a time zone."""
    locator = AutoDateLocator(tz=zone)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    ax.xaxis.set_major_formatter(Dates(locator, zone))


def draw_decimals(axis: Axis) -> None:
    """Write the numbers of an axis as the language of the picture does; English ones stay Matplotlib's."""
    if (say := current_texts()).language != "en":
        axis.set_major_formatter(FuncFormatter(lambda value, _: say.number(f"{value:g}")))


def dress(ax: Axes, *, shown: tuple[str, ...] = ("left", "bottom", "right")) -> None:
    """Draw the axes of a chart with thin lines and small labels, light on a dark page; only the sides shown."""
    ink = ink_on(ax)
    ax.xaxis.get_offset_text().set(fontsize=8, color=ink)
    ax.tick_params(labelsize=8, color=ink, labelcolor=ink, width=0.6, length=3)
    for name, spine in ax.spines.items():
        spine.set(linewidth=0.6, color=ink, visible=name in shown)
