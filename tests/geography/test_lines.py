"""The lines of maps: their position, source and size."""

from __future__ import annotations

import json
import zlib
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from radar_nb.dwd.grids import to_lonlat, to_xy
from radar_nb.geography.lines import map_lines

if TYPE_CHECKING:
    from radar_nb.dwd.grids import Earth


@pytest.mark.parametrize(
    ("name", "lon", "lat", "inside"),
    [
        ("Kassel", 9.48, 51.31, True),
        ("Flensburg", 9.44, 54.78, True),
        ("Freiburg", 7.85, 47.99, True),
        ("Goerlitz", 14.97, 51.15, True),
        ("Ruegen", 13.43, 54.45, True),
        ("Prague", 14.42, 50.09, False),
        ("Strasbourg", 7.72, 48.57, False),
        ("Salzburg", 13.05, 47.80, False),
        ("Szczecin", 14.55, 53.43, False),
    ],
)
def test_the_border_is_germanys(name: str, lon: float, lat: float, inside: bool) -> None:
    """Towns on both sides of the border lie on their side of it."""
    rings = json.loads(files("radar_nb.geography").joinpath("lines.json").read_text(encoding="utf-8"))["germany"]

    covered = sum(Outline(np.reshape(ring, (-1, 2))).contains_point((lon, lat)) for ring in rings) % 2 == 1

    assert covered == inside, name


def test_the_lines_state_their_source() -> None:
    """The shipped lines carry their source and licence, and are small in the wheel."""
    text = files("radar_nb.geography").joinpath("lines.json").read_text(encoding="utf-8")

    assert "Natural Earth" in json.loads(text)["source"]
    assert json.loads(text)["licence"] == "public domain"
    assert len(zlib.compress(text.encode())) < 120_000


def nearest(kinds: tuple[str, ...], lon: float, lat: float) -> float:
    """Return the distance in metres of the projection from a point to the nearest vertex of some lines."""
    x, y = to_xy(lon, lat, "sphere")
    lines = [line for kind in kinds for line in map_lines("sphere")[kind]]
    return min(float(np.hypot(line[:, 0] - x, line[:, 1] - y).min()) for line in lines)


@pytest.mark.parametrize(
    ("kind", "lon", "lat"),
    [
        ("rivers_large", 13.45, 48.575),  # the Danube at Passau
        ("rivers_large", 11.64, 52.13),  # the Elbe at Magdeburg
        ("rivers_medium", 9.05, 48.52),  # the Neckar at Tuebingen
        ("lakes_large", 9.18, 47.65),  # Lake Constance at Konstanz
        ("states", 9.94, 53.45),  # Hamburg and Lower Saxony
        ("neighbours", 6.13, 50.13),  # Luxembourg and Belgium
    ],
)
def test_lines_are_at_known_places(kind: str, lon: float, lat: float) -> None:
    """Places at a river, a lake or a border are within some kilometres of its line."""
    assert nearest((kind,), lon, lat) < 6000


def test_borders_of_states_exclude_the_national_border() -> None:
    """No line between two states follows the coast: the middle of Schleswig-Holstein's is far from any."""
    assert nearest(("states",), 8.6, 54.3) > 30_000


@pytest.mark.parametrize("earth", ["sphere", "wgs84"])
def test_lines_are_projected_on_either_earth(earth: Earth) -> None:
    """The rings of Germany keep their degrees on both earths, and are closed."""
    content = json.loads(files("radar_nb.geography").joinpath("lines.json").read_text(encoding="utf-8"))

    for ring, line in zip(content["germany"], map_lines(earth)["germany"], strict=True):
        degrees = np.column_stack(to_lonlat(line[:, 0], line[:, 1], earth))
        np.testing.assert_allclose(degrees.ravel(), ring, atol=1e-6)
        assert ring[:2] == ring[-2:]


def test_lines_and_towns_are_small() -> None:
    """Both files together take less than 400 kB of a wheel."""
    room = files("radar_nb.geography")
    sizes = [len(zlib.compress(room.joinpath(name).read_bytes())) for name in ("lines.json", "towns.tsv")]

    assert sum(sizes) < 400_000
