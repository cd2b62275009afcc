"""What can be chosen of a product, and the plan for it: the month picker's thinking, without the widgets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from radar_nb.dwd.catalogue import choose_family, folders_to_list, make_plan
from radar_nb.dwd.months import Month, month_range
from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import CoverageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from radar_nb.dwd.catalogue import Plan
    from radar_nb.dwd.products import Family, Product
    from radar_nb.widgets.wording import Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The months of a product that can be expected on the server.

    Attributes
    ----------
    product : Product
    source : str
        A family's name, or "auto" for all of them.
    families : tuple of Family
        Those of the source, in the order of preference.
    months : tuple of Month
        In order, without a gap, never empty.
    newest : Month
        The newest one whose file is known by name, of the family that "auto" prefers.
    """

    product: Product
    source: str
    families: tuple[Family, ...]
    months: tuple[Month, ...]
    newest: Month

    def nearest(self, first: Month, last: Month) -> tuple[Month, ...]:
        """Give the months from `first` to `last`, each end moved into what is offered."""
        begin, end = self.months[0], self.months[-1]
        return month_range(min(max(first, begin), end), min(max(last, begin), end))

    def keep(self, months: Sequence[Month]) -> tuple[Month, ...]:
        """Give those of some months that are offered; where none is, the nearest; of none, none."""
        offered = set(self.months)
        kept = tuple(month for month in months if month in offered)
        return kept or (self.nearest(months[0], months[-1]) if months else ())

    def check(self, value: Any) -> tuple[Month, ...]:
        """Give one or several months, or none, as months that are offered, in order.

        Parameters
        ----------
        value : month, or tuple, list or set of months
            Anything that `Month.of` takes. The order does not matter, and there may be gaps.

        Raises
        ------
        MonthError
            One is no month.
        CoverageError
            Some are not offered.
        """
        several = value if isinstance(value, (tuple, list, set)) else (value,)
        months = tuple(sorted({Month.of(month) for month in several}))
        if strange := [str(month) for month in sorted(set(months) - set(self.months))]:
            begin, end = self.months[0], self.months[-1]
            span = str(begin) if begin == end else f"{begin} to {end}"
            more = f" and {len(strange) - 1} more" if len(strange) > 1 else ""
            raise CoverageError(
                f"{self.product.name} (source {self.source!r}) can be had {span}, not {strange[0]}{more}: "
                "choose months within that"
            )
        return months


def offer(product: Product, source: str, now: datetime) -> Offer:
    """Give the months of a product that can be expected on the server.

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
        DWD's archives do not hold the product.
    UnknownProduct
        The product has no such family.
    """
    if not product.families:
        raise CoverageError(
            f"{product.name} is in none of DWD's archives that radar_nb knows, so it can only be read from "
            "files: open those that you have with open_dataset"
        )
    families = product.families if source == "auto" else (product.family(source),)
    this = Month.of(now)
    begin = min(family.first or this + -1 for family in families)
    months = tuple(
        month for month in month_range(begin, this) if any(family.expects(month, now) for family in families)
    )
    newest = families[0].known_to or months[-1]
    return Offer(product=product, source=source, families=families, months=months, newest=newest)


def published(say: Texts) -> tuple[tuple[str, str], ...]:
    """Give the products that DWD's archives hold: meaning in words, name."""
    return tuple(
        (f"{product.name}: {say(f'product.{product.name}')}", product.name)
        for product in PRODUCTS.values()
        if product.families
    )


def series(product: Product, say: Texts) -> tuple[tuple[str, str], ...]:
    """Give the families of a product, and the automatic choice: meaning in words, value of `source`."""
    names = ("auto", *(family.name for family in product.families))
    return tuple((say(f"family.{name}"), name) for name in names)


def plan_now(
    offered: Offer, months: Sequence[Month], *, folder: Path, base_url: str, now: datetime
) -> Plan | None:
    """Give the plan for months where the table of archives knows all names; None where the server must be asked.

    Raises
    ------
    CoverageError
        No family covers the months.
    """
    family = choose_family(offered.product, months, offered.source, now)
    if folders_to_list(offered.product, family, months):
        return None
    return make_plan(offered.product, family, months, base_url=base_url, folder=folder, listings={}, now=now)


def narrowed(plan: Plan, months: Sequence[Month]) -> Plan:
    """Give the part of a plan that concerns some of its months: those chosen need not follow each other."""
    chosen = set(months)
    return replace(
        plan,
        months=tuple(month for month in plan.months if month in chosen),
        archives=tuple(archive for archive in plan.archives if archive.month in chosen),
        missing=tuple(gap for gap in plan.missing if gap.month in chosen),
    )
