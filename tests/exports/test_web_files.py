"""Exports for maps on the web: other programs find each cell's class at its place, and nothing beside it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import rasterio
import shapely
from lxml import etree  # type: ignore[import-untyped] # it has no types
from PIL import Image
from support.small_rain import rain, showers

from radar_nb.analysis.api import accumulate
from radar_nb.analysis.inputs import grid_of
from radar_nb.dwd.grids import to_lonlat, to_xy
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.api import export
from radar_nb.plots.style import class_limits

if TYPE_CHECKING:
    from pathlib import Path

DS = rain(showers(6, 30, 40, missing=0.05))
ONE = DS.isel(time=[2])
GRID = grid_of(DS.YW)
LIMITS = class_limits("mm", 5, np.empty(0))
LON, LAT = to_lonlat(*np.meshgrid(GRID.x, GRID.y), "sphere")
VALUES = np.round(ONE.YW.values[0].astype(float), 4)  # as decimal numbers
KML = {"k": "http://www.opengis.net/kml/2.2"}


def colour_at(pixels: Any, lon: float, lat: float, where: Any) -> tuple[int, ...]:
    """Return the colour and opacity of a picture (bands, rows, cols) at a place."""
    row, col = int((where.f - lat) // -where.e), int((lon - where.c) // where.a)
    return tuple(int(part) for part in pixels[:, row, col])


def expected(facts: list[dict[str, Any]], value: float) -> tuple[int, ...] | None:
    """Return the colour of a value; None where nothing is drawn."""
    if np.isnan(value):
        return (0xC8, 0xC8, 0xC8, 120)
    colours = [one["colour"] for one in facts if value >= one["from"]]
    return (*bytes.fromhex(colours[-1][1:]), 255) if colours else None


def test_geotiff_in_web_mercator_has_the_cells_values_and_nothing_outside(tmp_path: Path) -> None:
    """Each pixel of EPSG:3857 has the value of the cell that contains it, NaN beyond the grid; no cell is lost."""
    path = export(ONE, tmp_path / "field.tif", crs=3857)

    with rasterio.open(path) as tiff:
        values, where, crs = tiff.read(1), tiff.transform, tiff.crs
    rows, cols = np.indices(values.shape)
    lon, lat = pyproj.Transformer.from_crs(3857, 4326, always_xy=True).transform(
        where.c + where.a * (cols.ravel() + 0.5), where.f + where.e * (rows.ravel() + 0.5)
    )
    x, y = to_xy(lon, lat, "sphere")
    col, row = np.floor((x - GRID.x0) / 1000 + 0.5).astype(int), np.floor((y - GRID.y0) / 1000 + 0.5).astype(int)
    inside = (col >= 0) & (col < GRID.cols) & (row >= 0) & (row < GRID.rows)
    assert crs.to_epsg() == 3857
    np.testing.assert_array_equal(values.ravel()[inside], ONE.YW.values[0][row[inside], col[inside]])
    assert np.isnan(values.ravel()[~inside]).all()
    assert len(set(zip(row[inside], col[inside], strict=True))) == GRID.rows * GRID.cols


def test_png_lies_where_its_bounds_say(tmp_path: Path) -> None:
    """The position that GDAL reads equals the bounds beside it; each cell has its class's colour there."""
    path = export(ONE, tmp_path / "field.png")

    facts = json.loads((tmp_path / "field.png.json").read_text(encoding="utf-8"))
    with rasterio.open(path) as picture:
        index, where, bounds = picture.read(1), picture.transform, picture.bounds
        assert picture.crs.to_epsg() == 3857
    pixels = np.moveaxis(np.asarray(Image.open(path).convert("RGBA")), -1, 0)
    assert index.shape == pixels.shape[1:]
    assert list(bounds) == pytest.approx([facts["bounds"][edge] for edge in ("west", "south", "east", "north")])
    assert facts["time"] == {"begin": "2020-06-13T00:10:00Z", "end": "2020-06-13T00:15:00Z"}
    assert [one["from"] for one in facts["classes"]] == list(LIMITS)
    to_mercator = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    for lon, lat, value in zip(LON.flat, LAT.flat, VALUES.flat, strict=True):
        found = colour_at(pixels, *to_mercator.transform(lon, lat), where)
        wanted = expected(facts["classes"], value)
        assert found[3] == 0 if wanted is None else found == wanted
    corner = pixels[3, 0, 0], pixels[3, -1, -1]
    assert corner == (0, 0)  # the grid is not parallel to the picture


def test_bounds_in_degrees_fit_the_bounds_in_metres(tmp_path: Path) -> None:
    """A web page places the picture by west, south, east and north in degrees."""
    export(ONE, tmp_path / "field.png")

    facts = json.loads((tmp_path / "field.png.json").read_text(encoding="utf-8"))
    to_mercator = pyproj.Transformer.from_crs(4326, 3857, always_xy=True)
    degrees, metres = facts["bounds_in_degrees"], facts["bounds"]
    for across, along in (("west", "south"), ("east", "north")):
        assert to_mercator.transform(degrees[across], degrees[along]) == pytest.approx(
            (metres[across], metres[along])
        )


@pytest.mark.parametrize("suffix", ["kmz", "kml"])
def test_kml_has_a_ground_overlay_a_field(suffix: str, tmp_path: Path) -> None:
    """A KML parser finds a picture for each field, with its box in degrees and its span of time, and the key."""
    path = export(DS, tmp_path / f"rain.{suffix}")

    if suffix == "kmz":
        with zipfile.ZipFile(path) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        assert next(iter(files)) == "doc.kml"
    else:
        files = {f"rain-files/{part.name}": part.read_bytes() for part in (tmp_path / "rain-files").iterdir()}
        files["doc.kml"] = path.read_bytes()
    root = etree.fromstring(files["doc.kml"])
    overlays = root.findall(".//k:GroundOverlay", KML)
    spans = [tuple(part.text for part in overlay.find("k:TimeSpan", KML)) for overlay in overlays]
    assert len(overlays) == 6
    assert spans[2] == ("2020-06-13T00:10:00Z", "2020-06-13T00:15:00Z")
    for href in root.findall(".//k:Icon/k:href", KML):
        assert Image.open(io.BytesIO(files[href.text])).format == "PNG"
    box = {part.tag.rpartition("}")[2]: float(part.text) for part in overlays[2].find("k:LatLonBox", KML)}
    pixels = np.asarray(Image.open(io.BytesIO(files[overlays[2].find(".//k:href", KML).text])).convert("RGBA"))
    rows, cols = pixels.shape[:2]
    dx, dy = (box["east"] - box["west"]) / cols, (box["north"] - box["south"]) / rows
    where = rasterio.Affine(dx, 0, box["west"], 0, -dy, box["north"])
    for lon, lat, value in zip(LON.flat, LAT.flat, VALUES.flat, strict=True):
        opacity = colour_at(np.moveaxis(pixels, -1, 0), lon, lat, where)[3]
        assert opacity == (120 if np.isnan(value) else 255 if value >= LIMITS[0] else 0)
    assert "Wetterdienst" in root.findtext(".//k:Document/k:description", namespaces=KML)


def test_polygons_contain_the_cells_of_their_class(tmp_path: Path) -> None:
    """A GIS reads valid polygons in degrees; each cell's centre lies in that of its class, or in none."""
    path = export(ONE, tmp_path / "classes.geojson")

    table = gpd.read_file(path)
    assert table.crs.to_epsg() in {4326, None}
    assert table.geometry.is_valid.all()
    assert (table["unit"] == "mm in 5 min").all()
    classes = np.digitize(VALUES, LIMITS) - 1
    for row in table.itertuples():
        inside = shapely.contains_xy(row.geometry, LON, LAT)
        number = LIMITS.index(table["from"][row.Index])
        np.testing.assert_array_equal(inside, (classes == number) & ~np.isnan(VALUES))
    assert sorted(table["from"].map(LIMITS.index)) == sorted(set(classes[~np.isnan(VALUES)]) - {-1})
    outer = [part.exterior for shape in table.geometry for part in shape.geoms]
    assert all(ring.is_ccw for ring in outer)
    assert all(not hole.is_ccw for shape in table.geometry for part in shape.geoms for hole in part.interiors)


def test_isolines_part_larger_from_smaller_values(tmp_path: Path) -> None:
    """Each line of a limit lies between centres of cells with more and with less."""
    smooth = ONE.copy(deep=True)
    distance = np.hypot(*np.meshgrid(np.arange(40) - 20, np.arange(30) - 15))
    smooth["YW"].values[0] = 10 - distance / 3

    path = export(smooth, tmp_path / "lines.geojson", format="isolines")

    table = gpd.read_file(path)
    assert table["value"].tolist() == [2, 5, 10]
    for value, line in zip(table["value"], table.geometry, strict=True):
        lon, lat = shapely.get_coordinates(line).T
        x, y = to_xy(lon, lat, "sphere")
        away = np.hypot((x - GRID.x0) / 1000 - 20, (y - GRID.y0) / 1000 - 15)
        np.testing.assert_allclose(away, 3 * (10 - value), atol=0.15)


def test_a_sum_and_a_map_without_time_are_written(tmp_path: Path) -> None:
    """Totals have their span; a map without time, such as of return levels, has none."""
    total = accumulate(DS, progress=False)
    level = total.drop_vars(["time", "time_bnds", "period_begin", "period_end"], errors="ignore")

    tables = [gpd.read_file(export(data, tmp_path / "a.geojson")) for data in (total, level)]

    assert str(tables[0]["end"].iloc[0]).startswith("2020-06-13")
    assert "end" not in tables[1]


@pytest.mark.parametrize(
    ("data", "name", "options", "error", "text"),
    [
        (DS, "a.png", {}, SeriesError, "a PNG shows one field, and 'YW' has 6"),
        (ONE, "a.nc", {"crs": 3857}, SettingsError, r"crs= is for GeoTIFF: leave it out for a\.nc"),
        (ONE, "a.tif", {"classes": (1, 2)}, SettingsError, r"classes= and cmap= are for \.png"),
        (ONE, "a.tif", {"crs": 999999}, SettingsError, "unknown crs=999999: pass an EPSG code"),
        (ONE, "a.png", {"format": "isolines"}, SettingsError, r"is written as \.geojson, not as a\.png"),
        (ONE, "a.kmz", {"classes": (2, 1)}, SettingsError, "must be at least two rising numbers"),
        (ONE, "a.kmz", {"tz": "UTC"}, SettingsError, "tz=, label= and gaps= are for formats of models"),
    ],
)
def test_choices_that_do_not_fit_a_file(
    data: Any, name: str, options: Any, error: type[Exception], text: str, *, tmp_path: Path
) -> None:
    """The error names the choice and the way out, and no file is left."""
    with pytest.raises(error, match=text):
        export(data, tmp_path / name, **options)

    assert not list(tmp_path.iterdir())
