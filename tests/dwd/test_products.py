"""The table of products."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from radar_nb.dwd.archive_names import ERAS
from radar_nb.dwd.grids import GRIDS
from radar_nb.dwd.months import Month, time_steps
from radar_nb.dwd.products import HYDROMETEORS, PRODUCTS, Family, Product, product, products
from radar_nb.errors import UnknownProduct

NOW = datetime(2026, 7, 1, 21, 0, tzinfo=UTC)
FAMILIES = {f"{made.name}-{family.name}": (made, family) for made in PRODUCTS.values() for family in made.families}

pandas = pytest.importorskip("pandas")  # comes with xarray


def _family(name: str, family: str) -> Family:
    return product(name).family(family)


@pytest.mark.parametrize("name", ["YW", "yw", " Yw "])
def test_a_product_is_found_in_either_case(name: str) -> None:
    """Letters may be lower-case; a Product is returned unchanged."""
    assert product(name) is PRODUCTS["YW"]
    assert product(PRODUCTS["YW"]) is PRODUCTS["YW"]


@pytest.mark.parametrize(("name", "near"), [("WY", "YW"), ("RWW", "RW"), ("YX", "YW"), ("SFF", "SF")])
def test_an_unknown_product_lists_the_nearest_names(name: str, near: str) -> None:
    """The message has the value, similar names, and all known ones."""
    with pytest.raises(
        UnknownProduct, match=rf"unknown product {name!r}: did you mean .*{near}.*known are YW, RW"
    ):
        product(name)


def test_a_product_without_similar_names_lists_all() -> None:
    """If no name is similar, no guess is made."""
    with pytest.raises(UnknownProduct, match=r"unknown product '###': known are YW, RW, SF"):
        product("###")


def test_an_unknown_family_lists_the_known_ones() -> None:
    """The message names the product and its families."""
    with pytest.raises(UnknownProduct, match="SF has no family 'radklim': DWD publishes it as radolan, nrt"):
        product("SF").family("radklim")
    with pytest.raises(UnknownProduct, match="RX has no family 'nrt': DWD publishes it as none"):
        product("RX").family("nrt")


@pytest.mark.parametrize("made", PRODUCTS.values(), ids=PRODUCTS.keys())
def test_a_product_states_what_it_measures(made: Product) -> None:
    """Name, unit, precision and interval agree with the quantity."""
    units = {"amount": "mm", "reflectivity": "dBZ", "water_content": "kg m-2"}
    units |= {"solid_fraction": "1", "percentage": "%", "class": "1"}

    assert PRODUCTS[made.name] is made
    assert re.fullmatch(r"[A-Z0-9%]{2,7}", made.name)
    assert made.grids
    assert set(made.grids) <= set(GRIDS)
    assert made.leads == tuple(sorted(made.leads))
    assert all(lead % 5 == 0 for lead in made.leads)
    assert "Deutscher Wetterdienst" in made.citation
    assert made.unit == units[made.quantity]
    assert made.precision > 0
    assert made.interval > 0


def test_kinds_of_hydrometeors_are_bits_other_than_missing() -> None:
    """Sleet is rain and snow, all others have a bit of their own."""
    kinds = {name: value for value, name in HYDROMETEORS.items()}

    assert kinds.pop("sleet") == kinds["rain"] | kinds["snow"]
    assert sum(kinds.values()) < 1 << 31
    assert all(value.bit_count() == 1 for value in kinds.values())


@pytest.mark.parametrize(("made", "family"), FAMILIES.values(), ids=FAMILIES.keys())
def test_a_family_has_a_place_and_time(made: Product, family: Family) -> None:
    """Its grid is in the registry, its steps divide a day, it has a citation and is found by name."""
    assert family.grid in GRIDS
    assert 1440 % family.every == 0
    assert 0 <= family.minute < family.every
    assert (family.first is None) == (family.known_to is None) == (family.name == "nrt")
    assert "Deutscher Wetterdienst" in family.citation
    assert made.family(family.name) is family


def test_families_and_eras_belong_together() -> None:
    """Every family has an era, and every era has a family."""
    assert {(era.product, era.family) for era in ERAS} == {
        (made.name, family.name) for made, family in FAMILIES.values()
    }


@pytest.mark.parametrize(("made", "family"), FAMILIES.values(), ids=FAMILIES.keys())
def test_a_family_begins_with_its_first_era(made: Product, family: Family) -> None:
    """The span in the table of products equals that in the table of eras."""
    firsts = [era.first for era in ERAS if (era.product, era.family) == (made.name, family.name)]

    assert family.first == (None if None in firsts else min(first for first in firsts if first is not None))


@pytest.mark.parametrize(
    ("name", "family", "month", "expected"),
    [
        ("YW", "radklim", "2000-12", False),
        ("YW", "radklim", "2001-01", True),
        ("YW", "radklim", "2026-01", True),
        ("YW", "radklim", "2026-02", False),
        ("RW", "radolan", "2005-05", False),
        ("RW", "radolan", "2005-06", True),
        ("RW", "radolan", "2026-07", True),
        ("RW", "radolan", "2026-08", False),
        ("RY", "nrt", "2026-05", False),
        ("RY", "nrt", "2026-06", True),  # 48 hours before the first of July lie in June
        ("RY", "nrt", "2026-07", True),
        ("RY", "nrt", "2026-08", False),
    ],
)
def test_a_month_is_expected_within_the_span(name: str, family: str, month: str, expected: bool) -> None:
    """Both ends of the span are included; near real time holds only the last 48 hours."""
    assert _family(name, family).expects(Month.of(month), NOW) is expected


def test_expected_months_grow_with_time() -> None:
    """A year later the months of that year exist, RADKLIM half a year behind, and none has gone."""
    later = NOW.replace(year=2027)
    radklim = _family("YW", "radklim")

    assert radklim.expects(Month(2027, 1), later)
    assert not radklim.expects(Month(2027, 2), later)
    assert radklim.expects(Month(2001, 1), later)


def test_a_family_determines_the_steps_of_its_months() -> None:
    """The interval and the minute of a family determine the expected frames of a month."""
    yw, rw = _family("YW", "radklim"), _family("RW", "radolan")

    assert time_steps(Month(2020, 6), every=yw.every, minute=yw.minute).size == 8640
    assert str(time_steps(Month(2020, 6), every=rw.every, minute=rw.minute)[0]) == "2020-06-01T00:50:00"


def test_the_table_shows_every_product() -> None:
    """The table prints and converts to pandas, with one row per product: its families and their spans."""
    frame = pandas.DataFrame(products()).set_index("product")

    assert list(frame.index) == list(PRODUCTS)
    assert frame.loc["YW", "published as"] == (
        "radklim (2001-01 on); radolan (2024-12 on); nrt (the last 48 hours)"
    )
    assert frame.loc["RX", "published as"] == "read from files only"
    assert list(frame.loc[["YW", "RW", "SF", "W1", "%M"], "interval"]) == ["5 min", "1 h", "24 h", "7 d", "31 d"]
    assert "5-minute precipitation, gauge-adjusted" in str(products())


def test_a_product_shows_its_families() -> None:
    """Grid and citation of each family are in the product's own table."""
    table = str(product("YW").table())

    assert table.startswith("YW: 5-minute precipitation")
    assert "de1100" in table
    assert "10.5676/DWD/RADKLIM_YW_V2017.002" in table
    assert "<table>" in product("YW")._repr_html_()
