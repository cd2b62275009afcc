"""What can be chosen of a product, and the plan for it: the month picker's thinking, without the widgets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from radar_nb.catalogue import choose_family, folders_to_list, make_plan
from radar_nb.errors import CoverageError, MonthError
from radar_nb.months import Month, month_range
from radar_nb.products import PRODUCTS
from radar_nb.words import span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from radar_nb.catalogue import Plan
    from radar_nb.products import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """The months of a product that can be expected on the server.

    Attributes
    ----------
    product : Product
    source : str
        A family's name, or "auto" for all of them.
    months : tuple of Month
        In order, without a gap, never empty.
    newest : Month
        The newest one whose file is known by name, of the family that "auto" prefers.
    """

    product: Product
    source: str
    months: tuple[Month, ...]
    newest: Month

    def nearest(self, first: Month, last: Month) -> tuple[Month, ...]:
        """Give the months from `first` to `last`, each end moved into what is offered."""
        begin, end = self.months[0], self.months[-1]
        return month_range(min(max(first, begin), end), min(max(last, begin), end))

    def check(self, value: Any) -> tuple[Month, ...]:
        """Give one or several months as a span that is offered.

        Parameters
        ----------
        value : month, or tuple, list or set of months
            Anything that `Month.of` takes; the order does not matter.

        Raises
        ------
        MonthError
            There is none, one is no month, or there are gaps between them.
        CoverageError
            Some are not offered.
        """
        several = value if isinstance(value, (tuple, list, set)) else (value,)
        months = tuple(sorted({Month.of(month) for month in several}))
        if not months:
            raise MonthError("no month is chosen: give at least one")
        if months != month_range(months[0], months[-1]):
            raise MonthError(f"the months {', '.join(map(str, months))} have gaps: give one span of months")
        if months != self.nearest(months[0], months[-1]):
            raise CoverageError(
                f"{self.product.name} (source {self.source!r}) can be had {span(self.months)}, "
                f"not {span(months)}: choose months within that"
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
            f"{product.name} is in none of DWD's archives that radar_nb knows: it can be read from files "
            "(open_dataset) but not picked"
        )
    families = product.families if source == "auto" else (product.family(source),)
    this = Month.of(now)
    begin = min(family.first or this + -1 for family in families)
    months = tuple(
        month for month in month_range(begin, this) if any(family.expects(month, now) for family in families)
    )
    return Offer(product=product, source=source, months=months, newest=families[0].known_to or months[-1])


def published() -> tuple[tuple[str, str], ...]:
    """Give the products that DWD's archives hold: meaning in words, name."""
    return tuple(
        (f"{product.name}: {product.title}", product.name) for product in PRODUCTS.values() if product.families
    )


def series(product: Product) -> tuple[tuple[str, str], ...]:
    """Give the families of a product, and the automatic choice: meaning in words, value of `source`."""
    return (
        ("automatic: the first below that covers all the months", "auto"),
        *((family.title, family.name) for family in product.families),
    )


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
