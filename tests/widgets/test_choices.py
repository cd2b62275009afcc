"""Choices of products, families and months."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.dwd.months import Month, month_range
from radar_nb.dwd.products import PRODUCTS, product
from radar_nb.errors import CoverageError, MonthError, UnknownProduct
from radar_nb.runtime.language import Texts
from radar_nb.widgets.choices import narrowed, offer, plan_now, product_menu, series_menu

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 22, tzinfo=UTC)
YW = offer(product("YW"), "radklim", NOW)

months = st.builds(Month, st.integers(1990, 2040), st.integers(1, 12))


@pytest.mark.parametrize(
    ("name", "source", "first", "last", "newest"),
    [
        ("YW", "radklim", "2001-01", "2026-05", "2026-01"),
        ("YW", "radolan", "2024-12", "2026-11", "2026-06"),
        ("YW", "auto", "2001-01", "2026-11", "2026-01"),
        ("SF", "auto", "2006-10", "2026-11", "2026-06"),
        ("RY", "auto", "2026-11", "2026-11", "2026-11"),
    ],
)
def test_an_offer_spans_its_families(name: str, source: str, first: str, last: str, newest: str) -> None:
    """The offer reaches from the first published month to the last expected one."""
    found = offer(product(name), source, NOW)

    assert found.months == month_range(first, last)
    assert found.newest == Month.of(newest)


def test_near_real_time_reaches_back_over_the_turn_of_a_month() -> None:
    """On 1 December the last 48 hours begin in November."""
    found = offer(product("RY"), "nrt", datetime(2026, 12, 1, 6, tzinfo=UTC))

    assert found.months == month_range("2026-11", "2026-12")


@given(months, months)
def test_the_nearest_span_lies_within_the_offer(one: Month, other: Month) -> None:
    """A chosen span is moved into the offer; a span inside the offer stays unchanged."""
    first, last = sorted((one, other))

    span = YW.nearest(first, last)

    assert set(span) <= set(YW.months)
    if {first, last} <= set(YW.months):
        assert span == month_range(first, last)


@pytest.mark.parametrize(
    "value", ["2020-06", date(2020, 6, 13), ["2020-06"], (Month(2020, 6),), {"202006", "2020-06"}]
)
def test_one_month_is_accepted_in_any_form(value: Any) -> None:
    """A month may have any supported form, alone or in a list."""
    assert YW.check(value) == (Month(2020, 6),)


def test_several_months_are_put_in_order() -> None:
    """Months in any order are returned in ascending order."""
    assert YW.check(["2020-07", "2020-05", "2020-06"]) == month_range("2020-05", "2020-07")


def test_months_with_gaps_and_no_months_are_valid_choices() -> None:
    """The summers of two years are a valid choice, and so is an empty one."""
    assert YW.check(["2020-07", "2019-07"]) == (Month(2019, 7), Month(2020, 7))
    assert YW.check(()) == ()


@given(st.lists(months))
def test_kept_months_lie_within_the_offer(some: list[Month]) -> None:
    """Another product keeps the months that it also has, or moves the choice to the nearest."""
    kept = YW.keep(sorted(some))

    assert set(kept) <= set(YW.months)
    assert bool(kept) == bool(some)
    if set(some) & set(YW.months):
        assert set(kept) == set(some) & set(YW.months)


def test_a_part_of_a_plan_holds_files_and_gaps_of_its_months(tmp_path: Path) -> None:
    """Files, gaps and months are those of the chosen months, in the plan's order."""
    whole = plan_now(
        YW, month_range("2020-06", "2020-09"), folder=tmp_path, base_url="http://127.0.0.1:9", now=NOW
    )
    assert whole is not None

    part = narrowed(whole, (Month(2020, 9), Month(2020, 6)))

    assert part.months == (Month(2020, 6), Month(2020, 9))
    assert [archive.month for archive in part.archives] == list(part.months)


@pytest.mark.parametrize(
    ("value", "error", "match"),
    [
        ("June", MonthError, "'June' is not a valid month"),
        (["1999-01", "1998-01", "2020-01"], CoverageError, "not 1998-01 and 1 more: choose months within"),
        (
            "1999-01",
            CoverageError,
            r"YW \(source 'radklim'\) covers 2001-01 to 2026-05, not 1999-01: choose months within",
        ),
    ],
)
def test_an_invalid_choice_raises(value: Any, error: type[Exception], match: str) -> None:
    """An invalid value set from code raises and is never guessed."""
    with pytest.raises(error, match=match):
        YW.check(value)


def test_a_product_without_archives_is_refused() -> None:
    """The error for a product that is only read from files differs from that for an unknown product."""
    with pytest.raises(CoverageError, match=r"RX is not in DWD's archives, .* read from files"):
        offer(product("RX"), "auto", NOW)


def test_a_family_that_the_product_lacks_is_named() -> None:
    """The message lists the product's families."""
    with pytest.raises(UnknownProduct, match="SF has no family 'radklim': DWD publishes it as radolan, nrt"):
        offer(product("SF"), "radklim", NOW)


def test_menus_list_all_published_products() -> None:
    """Each menu entry has a description, and each has an offer."""
    names = [name for _, name in product_menu(Texts("en"))]

    assert names == [name for name, found in PRODUCTS.items() if found.families]
    assert ("YW: rain in 5 minutes, adjusted to gauges", "YW") in product_menu(Texts("en"))
    for name in names:
        sources = [source for _, source in series_menu(product(name), Texts("en"))]
        assert sources[0] == "auto"
        assert all(offer(product(name), source, NOW).months for source in sources)


def test_a_plan_of_known_names_needs_no_server(tmp_path: Path) -> None:
    """Months in the table of archives are planned without a request to the server."""
    plan = plan_now(YW, month_range("2020-06"), folder=tmp_path, base_url="http://127.0.0.1:9", now=NOW)

    assert plan is not None
    assert [archive.name for archive in plan.archives] == ["YW2017.002_202006.tar"]


def test_a_plan_that_needs_a_listing_is_not_made_at_once(tmp_path: Path) -> None:
    """Months whose file names are only in a listing have no plan yet."""
    assert plan_now(YW, month_range("2026-03"), folder=tmp_path, base_url="http://127.0.0.1:9", now=NOW) is None
