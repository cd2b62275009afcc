"""The table of products: quantity, unit, frequency, grid and period of each.

Sources: DWD, "RADOLAN/RADVOR: Beschreibung des Kompositformats", version 2.5; the dataset descriptions beside the
archives on opendata.dwd.de; headers of published files; the spans are those of DWD's listing of 2026-07-01.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np

from radar_nb.dwd.months import Month
from radar_nb.errors import UnknownProduct
from radar_nb.runtime.table import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray
from radar_nb.runtime.wording import human_interval

RETENTION = timedelta(hours=48)
"""How long DWD keeps near-real-time files: 576 files every five minutes (listing of 5 August 2026)."""

Quantity = Literal["amount", "reflectivity", "water_content", "solid_fraction", "percentage", "class"]
FamilyName = Literal["radklim", "radolan", "nrt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One series of a product: one method, one grid, one place of publication.

    Attributes
    ----------
    name : {"radklim", "radolan", "nrt"}
    title : str
        Description of the series.
    grid : str
        The grid's name in `radar_nb.dwd.grids.GRIDS`.
    every : int
        Minutes from one published frame to the next. Less than the product's interval where sums overlap.
    minute : int
        The first frame's minute after midnight.
    first : Month or None
        The first month published; None for near real time, which holds the last 48 hours.
    known_to : Month or None
        The last month in DWD's listing of 2026-07-01; later ones are looked up on the server.
    lag : int
        Months after which a month is usually published; from then on it is expected on the server.
    citation : str
        The citation for a paper.
    """

    name: FamilyName
    title: str
    grid: str
    every: int
    minute: int
    first: Month | None
    known_to: Month | None
    lag: int
    citation: str

    @property
    def span(self) -> str:
        """The period covered, in words."""
        if self.first is None:
            return "the last 48 hours"
        return f"{self.first} on"

    def expects(self, month: Month, now: datetime) -> bool:
        """Return whether a month can be expected on the server.

        Parameters
        ----------
        month : Month
        now : datetime.datetime
            With time zone.
        """
        if self.first is None or self.known_to is None:
            return Month.of(now - RETENTION) <= month <= Month.of(now)
        return self.first <= month <= max(self.known_to, Month.of(now) + (-self.lag))


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """One product of DWD's radar composites.

    Attributes
    ----------
    name : str
        DWD's letters, two in most cases.
    title : str
        Description of the product.
    quantity : {"amount", "reflectivity", "water_content", "solid_fraction", "percentage", "class"}
        An amount is summed over the interval: millimetres of water. A content is the water or ice in the column of
        air above a cell.
    unit : str
        Of the values of `open_dataset`: `mm`, `dBZ`, `kg m-2`, `1` or `%`.
    precision : float
        One count of the raw code in `unit`, as stated in usual headers; 1 for classes.
    interval : int
        Minutes that a value covers; its time stamp is the interval's end, UTC. The longest if `growing`.
    grids : tuple of str
        Names of the grids on which DWD publishes it, in `radar_nb.dwd.grids.GRIDS`.
    leads : tuple of int
        Lead times of its forecasts in minutes, 0 for the analysis; empty without forecasts.
    growing : bool
        Whether the interval begins at a fixed date (of the month, of the year), so that each file states its
        length.
    families : tuple of Family
        In order of preference for `source="auto"`. Empty for products that radar_nb reads but DWD does not
        archive.
    steps : tuple of int
        Minutes from one frame to the next in complete series of the product, the longest first; the interval by
        default. RW was produced once an hour, and later every ten minutes; overlapping sums, such as SF, are also
        used without overlap.

    Examples
    --------
    >>> yw = product("YW")
    >>> yw.quantity, yw.unit, yw.interval
    ('amount', 'mm', 5)
    """

    name: str
    title: str
    quantity: Quantity
    unit: str
    precision: float
    interval: int
    grids: tuple[str, ...]
    leads: tuple[int, ...] = ()
    growing: bool = False
    families: tuple[Family, ...] = ()
    steps: tuple[int, ...] = ()

    @property
    def citation(self) -> str:
        """The citation for a paper: of the first family, or of the folder that the files came from."""
        return self.families[0].citation if self.families else _COMPOSITE.format(self.name)

    def family(self, name: str) -> Family:
        """Return a family by name.

        Raises
        ------
        UnknownProduct
            The product has no such family.
        """
        for family in self.families:
            if family.name == name:
                return family
        have = ", ".join(family.name for family in self.families) or "none"
        raise UnknownProduct(
            f"{self.name} has no family {name!r}: DWD publishes it as {have}; choose one of these (source=)"
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def table(self) -> Table:
        """Return the families as a table."""
        facts = f"{self.unit}, {human_interval(self.interval)}, steps of {self.precision:g}"
        return Table(
            title=f"{self.name}: {self.title} ({facts})",
            columns=("family", "what it is", "months", "grid", "every", "cite"),
            rows=tuple((f.name, f.title, f.span, f.grid, f"{f.every} min", f.citation) for f in self.families),
        )


_RADKLIM = (
    "Winterrath, T., C. Brendel, M. Hafer, T. Junghaenel, A. Klameth, K. Lengfeld, E. Walawender, E. Weigl and "
    "A. Becker (2018): RADKLIM Version 2017.002: Reprocessed gauge-adjusted radar data, {}. "
    "Deutscher Wetterdienst. DOI: 10.5676/DWD/RADKLIM_{}_V2017.002"
)
_RADOLAN = "Deutscher Wetterdienst: RADOLAN {}, opendata.dwd.de, with the folder and the date of access"
_COMPOSITE = "Deutscher Wetterdienst: radar composite {}, opendata.dwd.de, with the folder and the date of access"


def _radklim(product: str, what: str, *, every: int, minute: int) -> Family:
    return Family(
        name="radklim",
        title="RADKLIM 2017.002: reprocessed with one method, for climate studies",
        grid="de1100",
        every=every,
        minute=minute,
        first=Month(2001, 1),
        known_to=Month(2026, 1),
        lag=6,  # January 2026 was the last month in July 2026
        citation=_RADKLIM.format(what, product),
    )


def _radolan(product: str, first: Month, *, every: int, minute: int) -> Family:
    return Family(
        name="radolan",
        title="RADOLAN: the operational series, its method changed over the years",
        grid="de900",
        every=every,
        minute=minute,
        first=first,
        known_to=Month(2026, 6),
        lag=0,
        citation=_RADOLAN.format(product),
    )


def _nrt(product: str, *, every: int, minute: int) -> Family:
    return Family(
        name="nrt",
        title="near real time: RADOLAN of the last 48 hours, half an hour old",
        grid="de1200-wgs84",
        every=every,
        minute=minute,
        first=None,
        known_to=None,
        lag=0,
        citation=_RADOLAN.format(product),
    )


def _composite(product: str, grid: str) -> tuple[Family]:
    return (
        Family(
            name="nrt",
            title="near real time: composites of the last 48 hours, minutes old",
            grid=grid,
            every=5,
            minute=0,
            first=None,
            known_to=None,
            lag=0,
            citation=_COMPOSITE.format(product),
        ),
    )


_DAY = 1440
_TO_TWO_HOURS = tuple(range(0, 121, 5))  # of RADVOR: the analysis and 24 forecasts
_R, _EU, _EU_NEW = "de900", "eu1500", "eu1500-wgs84"
_NEW, _FINE = "de1200-wgs84", "de4800-wgs84"


def _amount(
    name: str,
    title: str,
    precision: float,
    interval: int,
    families: tuple[Family, ...] = (),
    *,
    grids: tuple[str, ...] = (_R, _NEW),
    leads: tuple[int, ...] = (),
    growing: bool = False,
    steps: tuple[int, ...] = (),
) -> tuple[str, Product]:
    return name, Product(
        name=name,
        title=title,
        quantity="amount",
        unit="mm",
        precision=precision,
        interval=interval,
        grids=grids,
        leads=leads,
        growing=growing,
        families=families,
        steps=steps,
    )


def _reflectivity(
    name: str, title: str, precision: float, *grids: str, leads: tuple[int, ...] = (), live: bool = False
) -> tuple[str, Product]:
    return name, Product(
        name=name,
        title=title,
        quantity="reflectivity",
        unit="dBZ",
        precision=precision,
        interval=5,
        grids=grids,
        leads=leads,
        families=_composite(name, grids[0]) if live else (),
    )


def _content(name: str, title: str, *, live: bool = False) -> tuple[str, Product]:
    return name, Product(
        name=name,
        title=title,
        quantity="water_content",
        unit="kg m-2",
        precision=_VIL_STEP,
        interval=5,
        grids=(_NEW,),
        families=_composite(name, _NEW) if live else (),
    )


_VIL_STEP = 0.0152594875  # gain of DWD's VII of August 2026: 1000 / 65535


def _percentage(name: str, title: str, days: int) -> tuple[str, Product]:
    return name, Product(
        name=name,
        title=title,
        quantity="percentage",
        unit="%",
        precision=1.0,
        interval=days * _DAY,
        grids=(_R,),
        growing=True,
        steps=(_DAY,),
    )


def _class(name: str, title: str, *grids: str, live: bool = False) -> tuple[str, Product]:
    families = _composite(name, grids[0]) if live else ()
    return name, Product(
        name=name,
        title=title,
        quantity="class",
        unit="1",
        precision=1.0,
        interval=5,
        grids=grids,
        families=families,
    )


PRODUCTS: dict[str, Product] = dict(
    (
        _amount(
            "YW",
            "5-minute precipitation, gauge-adjusted (quasi: RY scaled to RW)",
            0.01,
            5,
            (
                _radklim("YW", "5-minute precipitation sums (YW)", every=5, minute=0),
                _radolan("YW", Month(2024, 12), every=5, minute=0),
                _nrt("YW", every=5, minute=0),
            ),
            grids=("de1100", _R, _NEW),
        ),
        _amount(
            "RW",
            "hourly precipitation, gauge-adjusted",
            0.1,
            60,
            (
                _radklim("RW", "one-hour precipitation sums (RW)", every=60, minute=50),
                _radolan("RW", Month(2005, 6), every=60, minute=50),
                _nrt("RW", every=10, minute=0),
            ),
            grids=("de1100", _R, _NEW),
            steps=(60, 10),
        ),
        _amount(
            "SF",
            "24-hour precipitation, sum of 24 RW, sliding every hour",
            0.1,
            _DAY,
            (_radolan("SF", Month(2006, 10), every=60, minute=50), _nrt("SF", every=60, minute=50)),
            steps=(_DAY, 60),
        ),
        _amount(
            "RY",
            "5-minute precipitation from radar alone, quality-checked",
            0.01,
            5,
            (_nrt("RY", every=5, minute=0),),
        ),
        _amount("RZ", "5-minute precipitation from radar alone", 0.01, 5),
        _amount("RH", "hourly precipitation from radar alone", 0.1, 60, steps=(60, 5)),
        _amount("RB", "hourly precipitation, pre-adjusted", 0.1, 60),
        _amount("RL", "hourly precipitation, merging adjustment", 0.1, 60),
        _amount("RU", "hourly precipitation, best of three", 0.1, 60),
        _amount("SQ", "6-hour precipitation, sum of RW", 0.1, 360, steps=(360, 60)),
        _amount("SH", "12-hour precipitation, sum of RW", 0.1, 720, steps=(720, 60)),
        _amount("W1", "7-day precipitation, sum of RW", 0.1, 7 * _DAY, steps=(7 * _DAY, _DAY)),
        _amount("W2", "14-day precipitation, sum of RW", 0.1, 14 * _DAY, steps=(14 * _DAY, _DAY)),
        _amount("W3", "21-day precipitation, sum of RW", 0.1, 21 * _DAY, steps=(21 * _DAY, _DAY)),
        _amount("W4", "30-day precipitation, sum of RW", 0.1, 30 * _DAY, steps=(30 * _DAY, _DAY)),
        _amount(
            "EY", "5-minute precipitation over central Europe, quality-checked", 0.01, 5, grids=(_EU, _EU_NEW)
        ),
        _amount("EZ", "5-minute precipitation over central Europe", 0.01, 5, grids=(_EU, _EU_NEW)),
        _amount("EH", "hourly precipitation over central Europe", 0.1, 60, grids=(_EU, _EU_NEW)),
        _amount("EB", "hourly precipitation over central Europe, pre-adjusted", 0.1, 60, grids=(_EU, _EU_NEW)),
        _amount("EW", "hourly precipitation over central Europe, gauge-adjusted", 0.1, 60, grids=(_EU, _EU_NEW)),
        _amount("SM", "precipitation since the first of the month", 0.1, 31 * _DAY, growing=True, steps=(_DAY,)),
        _amount("SJ", "precipitation since 1 January", 0.1, 366 * _DAY, growing=True, steps=(_DAY,)),
        _amount("SY", "precipitation since 1 November", 0.1, 366 * _DAY, growing=True, steps=(_DAY,)),
        _amount(
            "RV",
            "5-minute precipitation, analysis and forecasts to two hours",
            0.01,
            5,
            _composite("RV", _NEW),
            grids=(_NEW,),
            leads=_TO_TWO_HOURS,
        ),
        _amount(
            "RQ",
            "hourly precipitation, analysis and forecasts to two hours",
            0.1,
            60,
            grids=(_R,),
            leads=(0, 60, 120),
            steps=(15,),
        ),
        _amount(
            "RS",
            "hourly precipitation, analysis and forecasts to two hours, in HDF5",
            0.001,
            60,
            _composite("RS", _NEW),
            grids=(_NEW,),
            leads=_TO_TWO_HOURS,
            steps=(5,),
        ),
        _reflectivity("RX", "reflectivity", 0.5, _R),
        _reflectivity("WX", "reflectivity, extended national grid", 0.5, "de1100"),
        _reflectivity("EX", "reflectivity over central Europe", 0.5, _EU),
        _reflectivity(
            "WN", "reflectivity, analysis and forecasts to two hours", 0.05, _NEW, leads=_TO_TWO_HOURS, live=True
        ),
        _reflectivity("HX", "reflectivity near the ground, on cells of 250 m", 0.003, _FINE, live=True),
        _reflectivity(
            "DMAX", "highest reflectivity of the column of air, on cells of 250 m", 0.003, _FINE, live=True
        ),
        _reflectivity(
            "FZ", "reflectivity, analysis and forecasts, on cells of 2 km", 0.05, "de450", leads=_TO_TWO_HOURS
        ),
        _content("VII", "vertically integrated ice", live=True),
        _content("VIL", "vertically integrated liquid water"),
        (
            "RE",
            Product(
                name="RE",
                title="solid fraction of precipitation, analysis and forecasts",
                quantity="solid_fraction",
                unit="1",
                precision=0.001,
                interval=60,
                grids=("de900-wgs84",),
                leads=_TO_TWO_HOURS,
                families=_composite("RE", "de900-wgs84"),
                steps=(5,),
            ),
        ),
        _percentage("%M", "precipitation of the month, in percent of its 30-year mean", 31),
        _percentage("%J", "precipitation since 1 January, in percent of its 30-year mean", 366),
        _percentage("%Y", "precipitation since 1 November, in percent of its 30-year mean", 366),
        _class("PG", "classes of reflectivity, national picture on cells of 2 km", "de460"),
        _class("PC", "classes of reflectivity, coded as PG", "de460"),
        _class("HG", "kinds of hydrometeor near the ground", _NEW, live=True),
        _class("HYMECNG", "kinds of hydrometeor near the ground, in HDF5", _NEW, live=True),
    )
)
"""Every product by name."""

HYDROMETEORS = {
    1: "unclassified",
    8: "drizzle",
    16: "rain",
    64: "snow",
    80: "sleet",
    4096: "graupel",
    8192: "hail",
    1 << 24: "no_precipitation",
}
"""The values of HG, which are bits: sleet is rain and snow. The highest bit, 2^31, means no data."""

HYDROMETEOR_CLASSES = (
    *("no_precipitation", "unclassified", "drizzle", "rain", "freezing_drizzle", "freezing_rain", "sleet", "snow"),
    *("graupel", "hail", "large_hail"),
)
"""The values 0 to 10 of HYMECNG. Source: ha-dwd-precipitation 2026.8, compared with DWD's files there."""


def product(name: str | Product) -> Product:
    """Return a product by its name.

    Parameters
    ----------
    name : str or Product
        DWD's letters, in either case.

    Returns
    -------
    Product

    Raises
    ------
    UnknownProduct
        The table has no such product; the message lists the nearest names.

    Examples
    --------
    >>> product("yw").unit
    'mm'
    """
    if isinstance(name, Product):
        return name
    key = str(name).strip().upper()
    if key in PRODUCTS:
        return PRODUCTS[key]
    near = difflib.get_close_matches(key, PRODUCTS, n=4, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise UnknownProduct(f"unknown product {name!r}: {hint}known are {', '.join(PRODUCTS)}")


def true_interval(name: str, written: int) -> int:
    """Return the minutes that a frame covers: headers of W1 to W4 count tens of minutes without stating it.

    Parameters
    ----------
    name : str
        DWD's letters.
    written : int
        The header's interval, tokens `INT` and `U`.

    Examples
    --------
    >>> true_interval("W1", 1008), true_interval("RW", 60)
    (10080, 60)
    """
    known = PRODUCTS.get(name)
    return known.interval if known is not None and known.interval == 10 * written else written


def variable_name(product: str) -> str:
    """Return the name of a product's variable: `percent_M` for %M, since netCDF names cannot contain a %.

    Examples
    --------
    >>> variable_name("YW"), variable_name("%M"), product_of("percent_M")
    ('YW', 'percent_M', '%M')
    """
    return product.replace("%", _PERCENT)


def product_of(variable: str) -> str:
    """Return the product's letters for a variable's name: see `variable_name`."""
    return variable.replace(_PERCENT, "%")


_PERCENT = "percent_"


def frame_step(name: str, interval: int, minutes: NDArray[np.int64]) -> int:
    """Return the minutes from one frame to the next in a complete series.

    The table of products decides, not the spacing of the existing frames: a series of every second frame is half
    of a series, not a complete one with longer steps.

    Parameters
    ----------
    name : str
        DWD's letters. For other names, and for sums over other intervals than the product's, each interval begins
        where the previous one ends.
    interval : int
        Minutes that a value covers.
    minutes : ndarray of int64, shape (n,)
        Stamps of the existing frames, in minutes. They select one of the product's steps (RW once an hour or every
        ten minutes): the longest on which more than half of them lie.

    Examples
    --------
    >>> frame_step("YW", 5, np.array([0, 10, 20])), frame_step("RW", 60, np.array([50, 60, 70]))
    (5, 10)
    """
    known = PRODUCTS.get(name)
    if known is None or (known.interval != interval and not known.growing):
        return interval
    steps = known.steps or (known.interval,)
    on_step = (step for step in steps if np.bincount(minutes % step).max(initial=0) * 2 > minutes.size)
    return next(on_step, steps[-1])


def missing_steps(minutes: NDArray[np.int64], step: int) -> NDArray[np.int64]:
    """Return the stamps between the first and the last frame that have no frame, in minutes.

    Parameters
    ----------
    minutes : ndarray of int64, shape (n,)
        Stamps of the existing frames, ascending.
    step : int
        See `frame_step`. A frame off the regular steps counts for the nearest: some of RW's first hours end at
        minute 45 instead of 50.

    Examples
    --------
    >>> missing_steps(np.array([0, 5, 20]), 5)
    array([10, 15])
    """
    if minutes.size < 2:
        return minutes[:0]
    phase = int(np.bincount(minutes % step).argmax())
    slots = (minutes - phase + step // 2) // step
    there = np.zeros(int(slots[-1] - slots[0]) + 1, bool)
    there[slots - slots[0]] = True
    missing: NDArray[np.int64] = (np.flatnonzero(~there) + slots[0]) * step + phase
    return missing


def products() -> Table:
    """Return the table of all products.

    Returns
    -------
    Table
        Prints as text, displays as HTML, and converts with `pandas.DataFrame(products())`.

    Examples
    --------
    >>> products().columns
    ('product', 'what it is', 'unit', 'interval', 'forecasts', 'grids', 'published as')
    """
    return Table(
        title="DWD's radar composites",
        columns=("product", "what it is", "unit", "interval", "forecasts", "grids", "published as"),
        rows=tuple(
            (
                p.name,
                p.title,
                p.unit,
                human_interval(p.interval),
                f"to {human_interval(p.leads[-1])}" if p.leads else "",
                ", ".join(p.grids),
                "; ".join(f"{f.name} ({f.span})" for f in p.families) or "read from files only",
            )
            for p in PRODUCTS.values()
        ),
    )
