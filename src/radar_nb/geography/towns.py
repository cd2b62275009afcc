"""Towns by name: all of Germany's and the larger ones around it, without a network.

Source: GeoNames (geonames.org), CC BY 4.0; see scripts/make_basemap.py.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_LARGER = 8
"""A name of several towns means the one with this many times the inhabitants of each other, if there is one."""

_ALSO = {
    "antwerp": "antwerpen", "basle": "basel", "breslau": "wroclaw", "brussel": "bruxelles",
    "bruessel": "bruxelles", "brunswick": "braunschweig", "brussels": "bruxelles", "cologne": "koeln",
    "copenhagen": "koebenhavn",
    "aarhus": "arhus", "danzig": "gdansk", "geneva": "geneve", "genf": "geneve",
    "hanover": "hannover", "kopenhagen": "koebenhavn", "krakau": "krakow", "luettich": "liege",
    "milan": "milano", "mailand": "milano", "munich": "muenchen", "nuremberg": "nuernberg", "pilsen": "plzen",
    "posen": "poznan", "prag": "praha", "prague": "praha", "stettin": "szczecin", "strassburg": "strasbourg",
    "the hague": "den haag", "turin": "torino", "vienna": "wien", "warsaw": "warszawa", "warschau": "warszawa",
}  # fmt: skip
"""English and German names of towns that the file has in the language of their country, both folded."""

_STROKES = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "æ": "ae"})
_LETTERS = _STROKES | str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe"})
_ACCENTS = re.compile("[\u0300-\u036f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A town. It unpacks into its longitude and latitude.

    Attributes
    ----------
    name : str
    lon, lat : float
        Degrees east and north of its centre, to 0.001 degrees (111 m).
    inhabitants : int
        0 if unknown.
    region : str
        The state (ISO 3166-2, such as "DE-SN") of a town in Germany, the country ("AT") of another.
    beside_city : bool
        Whether it is a district of a city or close to it; maps of a country do not label it.
    """

    name: str
    lon: float
    lat: float
    inhabitants: int = 0
    region: str = ""
    beside_city: bool = False

    def __iter__(self) -> Iterator[float]:
        """Yield longitude and latitude."""
        return iter((self.lon, self.lat))


def place(name: str) -> Place:
    """Return a town by its name, without a network.

    Known are all towns and villages of Germany in GeoNames, and those around it with 5,000 inhabitants or more.

    Parameters
    ----------
    name : str
        Such as "Leipzig", "Köln", "koeln" or "Cologne"; case, accents and the way umlauts are written do not
        matter. The addition of a name may be left out: "Halle" for "Halle (Saale)". A name of several towns means
        the one that is at least eight times as large as each other, else a state or country must follow it:
        "Neustadt, DE-BY".

    Returns
    -------
    Place
        With `name`, `lon`, `lat`, `inhabitants` and `region`; `lon, lat = place("Leipzig")` works, too.

    Raises
    ------
    SettingsError
        The name is unknown (the message has the nearest names), or means several towns.

    Examples
    --------
    >>> place("Leipzig")
    Place(name='Leipzig', lon=12.371, lat=51.34, inhabitants=504971, region='DE-SN', beside_city=False)
    >>> place("koeln").name, place("Halle").name
    ('Köln', 'Halle (Saale)')
    """
    if not isinstance(name, str):
        raise SettingsError(f"place={name!r} must be the name of a town, such as 'Leipzig'")
    text, _, region = (part.strip() for part in name.partition(","))
    found = [town for town in _spelt(text) if not region or _lies_in(town, region.upper())]
    if not found:
        what = _what_is_known(text, region)
        raise SettingsError(f"unknown place {name!r}: {what}; or pass longitude and latitude in degrees")
    first = max(found, key=lambda town: town.inhabitants)
    rivals = [town for town in found if _rivals(town, first)]
    if not rivals:
        return first
    several = sorted((first, *rivals), key=lambda town: -town.inhabitants)
    listed = ", ".join(f"{town.name} ({town.lon:.2f} E, {town.lat:.2f} N; {town.region})" for town in several[:6])
    more = f" and {len(several) - 6} more" if len(several) > 6 else ""
    regions = {town.region for town in several}
    way = (
        f"add the state or country, as in {f'{first.name}, {first.region}'!r}, or pass longitude and latitude"
        if len(regions) == len(several)
        else "add the state or country, or pass longitude and latitude"
    )
    raise SettingsError(f"{name!r} is the name of {len(several)} places, {listed}{more}: choose one; {way}")


def _spelt(text: str) -> list[Place]:
    """Return the towns of a name; those that have umlauts where the text has none only if there are no others."""
    key = _folded(text)
    key = _ALSO.get(key, key)
    return [_town(_rows()[line]) for line in _named().get(key) or _without_umlauts().get(key, [])]


def _lies_in(town: Place, region: str) -> bool:
    return region in {town.region, town.region.removeprefix("DE-"), town.region[:2]}


def _rivals(town: Place, first: Place) -> bool:
    """Return whether a smaller town may be meant as well as the largest of the same name.

    A district is not meant beside a city, and a foreign town not beside a larger one in Germany.
    """
    less = (town.beside_city and not first.beside_city) or (town.region[:2] != "DE" == first.region[:2])
    return town is not first and not less and _LARGER * town.inhabitants >= first.inhabitants


def _what_is_known(text: str, region: str) -> str:
    """Return where a name that lies elsewhere is, or the names nearest to an unknown one."""
    if known := _spelt(text):
        regions = ", ".join(sorted({town.region for town in known}))
        return f"{text!r} is not in {region!r}, but in {regions}"
    names, key = _named(), _folded(text)
    begin = sorted((k for k in names if key and k.startswith(key)), key=lambda k: names[k][0])  # the largest first
    parts = [word for word in key.split() if len(word) > 3 and word in names]
    near = difflib.get_close_matches(key, names, n=4, cutoff=0.75)
    nearest = list(dict.fromkeys(_rows()[names[k][0]][0] for k in (*begin[:3], *parts, *near)))[:5]
    return f"the nearest names are {', '.join(nearest)}" if nearest else "known are Germany and its neighbours"


@cache
def _rows() -> list[list[str]]:
    """Return the lines of the file: name, longitude, latitude, inhabitants, region, "b" if beside a city."""
    text = files("radar_nb.geography").joinpath("towns.tsv").read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines()[2:]]


def _town(row: list[str]) -> Place:
    name, lon, lat, inhabitants, region, beside = row
    return Place(
        name=name,
        lon=float(lon),
        lat=float(lat),
        inhabitants=int(inhabitants),
        region=region,
        beside_city=beside == "b",
    )


@cache
def _numbers() -> NDArray[np.float64]:
    """Return longitude, latitude and inhabitants of all towns, shape (towns, 3)."""
    return np.array([row[1:4] for row in _rows()], dtype=float)


def towns_within(box: tuple[float, float, float, float], least: float = 0) -> list[Place]:
    """Return the towns in a box with at least so many inhabitants, the largest first.

    Parameters
    ----------
    box : tuple of float
        West, south, east, north in degrees.
    least : float
        Inhabitants; 0 for all.
    """
    lon, lat, people = _numbers().T
    west, south, east, north = box
    inside = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north) & (people >= least)
    return [_town(_rows()[at]) for at in np.flatnonzero(inside)]


@cache
def _named() -> dict[str, list[int]]:
    """Return the lines of the towns of each name, in full and without its addition, the largest first."""
    names = "\n".join(row[0] for row in _rows())
    return _by_key(_folded(names), _folded(_ADDITION.sub("", names)))


@cache
def _without_umlauts() -> dict[str, list[int]]:
    """Return the lines of the towns of each name with a, o, u for its umlauts, as some keyboards write it."""
    return _by_key(_folded("\n".join(row[0] for row in _rows()), _STROKES))


def _by_key(*columns: str) -> dict[str, list[int]]:
    """Return the numbers of lines by key; each text has a key in each line."""
    found: dict[str, list[int]] = {}
    for number, keys in enumerate(zip(*(column.split("\n") for column in columns), strict=True)):
        for key in set(keys):
            found.setdefault(key, []).append(number)
    return found


_ADDITION = re.compile(r" (?:\(.*|(?:am|an|auf|bei|im|in|ob|unter|vor|b\.|a\.|i\.)\b.*)|/.*")
"""What follows a name: Halle (Saale), Freiburg im Breisgau."""


def _folded(names: str, letters: Mapping[int, str] = _LETTERS) -> str:
    """Return names, one a line, in small letters without accents and signs, umlauts as two letters or by table."""
    text = names.casefold().translate(letters)
    if not text.isascii():
        text = _ACCENTS.sub("", unicodedata.normalize("NFKD", text))
    return re.sub(r" *\n *", "\n", re.sub(r"[^a-z0-9\n]+", " ", text)).strip()
