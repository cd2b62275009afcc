"""Extents of maps: boxes in degrees, towns, shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely

from radar_nb.dwd.grids import to_lonlat, to_xy
from radar_nb.errors import NothingFound, SettingsError
from radar_nb.geography.extents import box_of_extent
from radar_nb.geography.shapes import outlines
from radar_nb.geography.towns import place

if TYPE_CHECKING:
    from pathlib import Path

LEIPZIG = place("Leipzig")


@pytest.mark.parametrize(
    ("extent", "km"),
    [
        ("Leipzig", 40),
        (LEIPZIG, 40),
        ("Leipzig +- 25 km", 25),
        ("leipzig+-25km", 25),
        ("Leipzig ± 12,5", 12.5),
        ("Leipzig, SN +/- 100 km", 100),
    ],
)
def test_a_town_is_the_middle_of_a_square(extent: Any, km: float) -> None:
    """The edges have the requested distance from the town, measured on the ellipsoid, to 1 %."""
    west, south, east, north = box_of_extent(extent, "wgs84")
    x, y = (float(value) for value in to_xy(LEIPZIG.lon, LEIPZIG.lat, "wgs84"))
    lon, lat = to_lonlat([x, east], [y, y], "wgs84")

    assert ((west + east) / 2, (south + north) / 2) == pytest.approx((x, y))
    assert pyproj.Geod(ellps="WGS84").inv(lon[0], lat[0], lon[1], lat[1])[2] == pytest.approx(1000 * km, rel=0.01)


def test_a_box_in_degrees_lies_within_its_extent() -> None:
    """Every point of the box is inside, although parallels are curved on the map, and no edge is far off."""
    west, south, east, north = box_of_extent((9.0, 50.0, 13.0, 52.0), "sphere")
    x, y = to_xy(*np.meshgrid(np.linspace(9, 13, 30), np.linspace(50, 52, 30)), "sphere")

    assert (x.min(), x.max(), y.min(), y.max()) == pytest.approx((west, east, south, north), abs=500)


def test_shapes_have_a_margin(tmp_path: Path) -> None:
    """The extent of shapes is 8 % larger than they are on each side, from a table or a file."""
    shapes = gpd.GeoDataFrame(geometry=[shapely.box(10, 50, 11, 51)], crs=4326)
    shapes.to_file(tmp_path / "a.gpkg")
    (outline,) = outlines(shapes, "sphere")
    width, height = np.ptp(outline.rings[0], axis=0)

    for way in (shapes, tmp_path / "a.gpkg", str(tmp_path / "a.gpkg")):
        west, south, east, north = box_of_extent(way, "sphere")

        assert east - west == pytest.approx(width + 0.16 * max(width, height), rel=1e-3)
        assert north - south == pytest.approx(height + 0.16 * max(width, height), rel=1e-3)


@pytest.mark.parametrize(
    ("extent", "message"),
    [
        ("Lepzig +- 20 km", "unknown place 'Lepzig': the nearest names are Leipzig"),
        ("Leipzig +- far", "'Leipzig \\+- far' is not a town and a distance in km"),
        ("Leipzig +- 0.2 km", "0.2 km around Leipzig are too few or too many: choose 1 to 2000 km"),
        ((9, 13, 50, 52, 1), "not a part of a map"),
        (7, "not a part of a map: pass \\(west, south, east, north\\)"),
        ((9, 13, 50, 52), "more than 30 degrees wide or high: pass \\(west, south, east, north\\)"),
        ((13, 50, 9, 52), "with west < east and south < north"),
        ((9, 52, 13, 50), "with west < east and south < north"),
        (gpd.GeoDataFrame(geometry=[shapely.box(10, 50, 11, 51)]), "the shapes have no CRS"),
    ],
)
def test_an_invalid_extent_raises(extent: Any, message: str) -> None:
    """The message names the value and what is allowed."""
    with pytest.raises(SettingsError, match=message):
        box_of_extent(extent, "sphere")


def test_a_missing_file_of_areas_is_named() -> None:
    """A path that does not exist raises an error of a file, not of a town."""
    with pytest.raises(NothingFound, match=r"no\.gpkg does not exist"):
        box_of_extent("no.gpkg", "sphere")


@pytest.mark.parametrize(
    ("table", "names"),
    [
        ({"name": ["Parthe", "Mulde"]}, ["Parthe", "Mulde"]),
        ({"km2": [1, 2]}, ["", ""]),
    ],
)
def test_areas_are_named_by_a_column(table: dict[str, Any], names: list[str]) -> None:
    """A column `name` names areas if the index only counts; without it they have no names."""
    shapes = gpd.GeoDataFrame(table, geometry=[shapely.box(10, 50, 11, 51), shapely.box(11, 50, 12, 51)], crs=4326)

    assert [outline.name for outline in outlines(shapes, "sphere")] == names
    assert [outline.name for outline in outlines(shapes.set_index([["a", "b"]]), "sphere")] == ["a", "b"]


def test_outlines_keep_holes_and_parts() -> None:
    """A polygon with a hole has two rings, and so has one of two parts; the labelled point lies inside."""
    hole = shapely.box(10, 50, 11, 51).difference(shapely.box(10.4, 50.4, 10.6, 50.6))
    parts = shapely.MultiPolygon([shapely.box(12, 50, 12.5, 51), shapely.box(13, 50, 13.2, 51)])
    found = outlines(gpd.GeoDataFrame(geometry=[hole, parts], crs=4326), "sphere")

    assert [len(outline.rings) for outline in found] == [2, 2]
    for outline, shape in zip(found, (hole, parts), strict=True):
        assert shape.contains(shapely.Point(*(float(v) for v in to_lonlat(*outline.inside, "sphere"))))
