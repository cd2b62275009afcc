"""The months of a product that can be chosen, and the plan for them: the logic of the month picker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from radar_nb.dwd.catalogue import choose_family, folders_to_list, make_plan
from radar_nb.dwd.months import Month, month_range, time_span
from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import CoverageError, MonthError
from radar_nb.widgets.wording import line, month_span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime
    from pathlib import Path

    from radar_nb.dwd.catalogue import Plan
    from radar_nb.dwd.products import Family, Product
    from radar_nb.runtime.language import Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The months of a product that should be on the server.

    Attributes
    ----------
    product : Product
    source : str
        A family's name, or "auto" for all of them.
    families : tuple of Family
        The families of the source, preferred ones first.
    months : tuple of Month
        In order, without gaps, never empty.
    newest : Month
        The newest month whose file name is known, of the family that "auto" prefers.
    """

    product: Product
    source: str
    families: tuple[Family, ...]
    months: tuple[Month, ...]
    newest: Month

    def nearest(self, first: Month, last: Month) -> tuple[Month, ...]:
        """Return the months from `first` to `last`, with both ends moved into the offer."""
        begin, end = self.months[0], self.months[-1]
        return month_range(min(max(first, begin), end), min(max(last, begin), end))

    def keep(self, months: Sequence[Month]) -> tuple[Month, ...]:
        """Return the offered months among some; the nearest if none is offered; () for no months."""
        offered = set(self.months)
        kept = tuple(month for month in months if month in offered)
        return kept or (self.nearest(months[0], months[-1]) if months else ())

    def check(self, value: Any) -> tuple[Month, ...]:
        """Return one or several months, or none, in order, if all are offered.

        Parameters
        ----------
        value : month, or tuple, list or set of months
            Anything that `Month.of` takes. The order does not matter, and there may be gaps.

        Raises
        ------
        MonthError
            One is not a valid month.
        CoverageError
            One is not offered.
        """
        several = value if isinstance(value, (tuple, list, set)) else (value,)
        months = tuple(sorted({Month.of(month) for month in several}))
        if strange := [str(month) for month in sorted(set(months) - set(self.months))]:
            begin, end = self.months[0], self.months[-1]
            span = str(begin) if begin == end else f"{begin} to {end}"
            more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
            raise CoverageError(
                f"{self.product.name} (source {self.source!r}) covers {span}, not {strange[0]}{more}: "
                "choose months within that"
            )
        return months


def offer(product: Product, source: str, now: datetime) -> Offer:
    """Return the months of a product that should be on the server.

    Parameters
    ----------
    product : Product
    source : str
        "auto" or the name of one of its families.
    now : datetime.datetime
        With time zone.

    Raises
    ------
    CoverageError
        DWD's archives do not contain the product.
    UnknownProduct
        The product has no such family.
    """
    if not product.families:
        raise CoverageError(
            f"{product.name} is not in DWD's archives, so it can only be read from files: "
            "open yours with open_dataset"
        )
    families = product.families if source == "auto" else (product.family(source),)
    this = Month.of(now)
    begin = min(family.first or this + -1 for family in families)
    months = tuple(
        month for month in month_range(begin, this) if any(family.expects(month, now) for family in families)
    )
    newest = families[0].known_to or months[-1]
    return Offer(product=product, source=source, families=families, months=months, newest=newest)


def product_menu(say: Texts) -> tuple[tuple[str, str], ...]:
    """Return the products in DWD's archives, as pairs of description and name."""
    return tuple(
        (f"{product.name}: {say(f'product.{product.name}')}", product.name)
        for product in PRODUCTS.values()
        if product.families
    )


def series_menu(product: Product, say: Texts) -> tuple[tuple[str, str], ...]:
    """Return the automatic choice and the families of a product, as pairs of description and value of `source`."""
    names = ("auto", *(family.name for family in product.families))
    return tuple((say(f"family.{name}"), name) for name in names)


def series_line(offered: Offer, months: Sequence[Month], now: datetime, say: Texts) -> str:
    """Return a line that says which series covers which part of months that none of them covers."""
    parts = []
    for family in offered.families:
        inside = [month for month in months if family.expects(month, now)]
        part = month_span(inside, say) if inside else say("picker.none")
        parts.append(say("picker.part", name=say(f"family.{family.name}").partition(":")[0], span=part))
    return line(say("picker.apart", span=month_span(months, say), parts="; ".join(parts)), "error")


def whole_days(days: Any) -> tuple[date, date] | None:
    """Return the first and the last day of a range, or None for whole months.

    Parameters
    ----------
    days : None, a day, or a pair of days
        Each as `plan` takes it. An hour means its day.

    Raises
    ------
    MonthError
        A value is not a day, or the last is before the first.

    Examples
    --------
    >>> whole_days(("2020-06-13", "2020-06-15"))
    (datetime.date(2020, 6, 13), datetime.date(2020, 6, 15))
    """
    first, last = days if isinstance(days, tuple | list) and len(days) == 2 else (days, None)
    if first is None:
        return None
    span = time_span(first, last)
    if span is None:
        raise MonthError(f"{days!r} is not a range of days: write two days, such as ('2020-06-13', '2020-06-15')")
    begin, end = (stamp.astype("datetime64[D]").item() for stamp in span)
    return begin, end


def plan_now(
    offered: Offer,
    months: Sequence[Month],
    *,
    days: tuple[date, date] | None = None,
    folder: Path,
    base_url: str,
    now: datetime,
) -> Plan | None:
    """Return the plan for months, or days of them, if the catalogue knows all file names.

    None if the server must be asked.

    Raises
    ------
    CoverageError
        No family covers the months.
    """
    family = choose_family(offered.product, months, offered.source, now)
    if folders_to_list(offered.product, family, months):
        return None
    return make_plan(
        offered.product,
        family,
        months,
        base_url=base_url,
        folder=folder,
        listings={},
        now=now,
        span=None if days is None else time_span(*days),
    )


def narrowed(plan: Plan, months: Sequence[Month]) -> Plan:
    """Return the part of a plan for some of its months, which may have gaps."""
    chosen = set(months)
    return replace(
        plan,
        months=tuple(month for month in plan.months if month in chosen),
        archives=tuple(archive for archive in plan.archives if archive.month in chosen),
        missing=tuple(gap for gap in plan.missing if gap.month in chosen),
    )
