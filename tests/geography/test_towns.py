"""Towns by name, without a network."""

from __future__ import annotations

from typing import Any

import pytest

import radar_nb as rn
from radar_nb.geography.towns import towns_within


@pytest.mark.parametrize(
    ("text", "name", "region"),
    [
        ("Leipzig", "Leipzig", "DE-SN"),
        ("KÖLN", "Köln", "DE-NW"),
        ("koeln", "Köln", "DE-NW"),
        ("Koln", "Köln", "DE-NW"),
        ("Cologne", "Köln", "DE-NW"),
        ("munich", "München", "DE-BY"),
        ("giessen", "Gießen", "DE-HE"),
        ("Halle", "Halle (Saale)", "DE-ST"),
        ("halle saale", "Halle (Saale)", "DE-ST"),
        ("Frankfurt", "Frankfurt am Main", "DE-HE"),
        ("Frankfurt (Oder)", "Frankfurt (Oder)", "DE-BB"),
        ("Essen", "Essen", "DE-NW"),
        ("Essen, NI", "Essen", "DE-NI"),
        ("Neustadt, de-sn", "Neustadt in Sachsen", "DE-SN"),
        ("Munster", "Munster", "DE-NI"),
        ("Muenster", "Münster", "DE-NW"),
        ("Mülheim", "Mülheim", "DE-NW"),
        ("Harburg", "Harburg", "DE-HH"),
        ("Prag", "Praha", "CZ"),
        ("Straßburg", "Strasbourg", "FR"),
        ("lodz", "Łódź", "PL"),
        ("Braunsbach", "Braunsbach", "DE-BW"),
    ],
)
def test_a_town_is_found_in_usual_spellings(text: str, name: str, region: str) -> None:
    """Case, accents, umlauts, additions, German and English names of towns abroad do not matter."""
    town = rn.place(text)

    assert (town.name, town.region) == (name, region)


@pytest.mark.parametrize(
    ("name", "lon", "lat"),
    [("Leipzig", 12.3747, 51.3403), ("Hamburg", 10.0, 53.55), ("Garmisch-Partenkirchen", 11.0955, 47.4923)],
)
def test_a_town_has_its_known_position(name: str, lon: float, lat: float) -> None:
    """Positions agree with other gazetteers to a kilometre; a place unpacks into longitude and latitude."""
    assert tuple(rn.place(name)) == pytest.approx((lon, lat), abs=0.013)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Lepzig", "unknown place 'Lepzig': the nearest names are Leipzig"),
        ("Garmisch", "the nearest names are Garmisch-Partenkirchen"),
        ("Esslingen am Neckar", "the nearest names are Esslingen"),
        (
            "Xyzzyq",
            r"unknown place 'Xyzzyq': known are Germany and its neighbours; or pass longitude and latitude",
        ),
        ("", "unknown place ''"),
        ("Leipzig, BY", "'Leipzig' is not in 'BY', but in DE-SN"),
        ("Neustadt", "'Neustadt' is the name of 9 places, Neustadt an der Weinstraße"),
        ("Simbach", r"add the state or country, or pass longitude and latitude"),
        (51.3, "place=51.3 must be the name of a town"),
    ],
)
def test_an_unknown_or_ambiguous_town_is_an_error_with_names(text: Any, message: str) -> None:
    """The message has the nearest names, or the places that share the name."""
    with pytest.raises(rn.errors.SettingsError, match=message):
        rn.place(text)


def test_towns_of_a_box_are_in_order_of_inhabitants() -> None:
    """Towns in the box that are large enough are returned, the largest first."""
    found = towns_within((12.0, 51.0, 12.8, 51.6), 50_000)

    assert [town.name for town in found] == ["Leipzig"]
    assert [town.name for town in towns_within((11.8, 51.0, 12.8, 51.6), 50_000)] == ["Leipzig", "Halle (Saale)"]
