"""Areas: shares of cells are exact, computed once, and means are weighted by them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from support.small_rain import COL, ROW, rain, showers

from radar_nb.analysis.areas import Means, find_areas
from radar_nb.analysis.inputs import grid_of
from radar_nb.analysis.points import find_places
from radar_nb.dwd.grids import GRIDS, PROJ
from radar_nb.errors import NothingFound, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

ROWS, COLS = 12, 15
DS = rain(showers(1, ROWS, COLS))
GRID = grid_of(DS.YW)
WEST, SOUTH = GRIDS["de1100"].x[COL] - 500, GRIDS["de1100"].y[ROW] - 500


def square(col: float, row: float, width: float, height: float) -> Any:
    """Return a rectangle in cells from the south-western corner."""
    return shapely.box(
        WEST + 1000 * col, SOUTH + 1000 * row, WEST + 1000 * (col + width), SOUTH + 1000 * (row + height)
    )


def frame(*shapes: Any, crs: Any = PROJ["sphere"], **columns: Any) -> Any:
    """Return a table of shapes on the grid's plane."""
    return gpd.GeoDataFrame(columns, geometry=list(shapes), crs=crs)


def means_of(shapes: Any, values: Any) -> tuple[Any, Any]:
    """Return means and coverage."""
    areas = find_areas(shapes, GRID)
    return Means(areas).of(np.asarray(values, np.float32).ravel()[areas.cells])


def test_threads_that_ask_at_once_get_one_object() -> None:
    """The first computes the weights of new areas; the others wait for them."""
    shapes = frame(square(2.125, 3, 5, 6))
    start = threading.Barrier(4)

    def look_up(_: int) -> Any:
        start.wait()
        return find_areas(shapes, GRID)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(look_up, range(4)))

    assert all(one is found[0] for one in found)


def test_shares_by_hand() -> None:
    """A rectangle over a cell, halves and a quarter has their mean, weighted by size."""
    values = np.zeros((ROWS, COLS))
    values[3, 2], values[3, 3], values[4, 2], values[4, 3] = 8, 4, 2, 100

    means, coverage = means_of(frame(square(2, 3, 1.5, 1.5)), values)

    # cells of 1, 1/2, 1/2 and 1/4
    np.testing.assert_allclose(means, [(8 + 4 / 2 + 2 / 2 + 100 / 4) / 2.25], rtol=1e-6)
    np.testing.assert_allclose(coverage, [1], rtol=1e-6)


def test_means_equal_exactextracts() -> None:
    """Means of random polygons equal those that exactextract computes of the field."""
    rng = np.random.default_rng(1)
    centres = WEST + 1000 * rng.uniform(3, 9, 8), SOUTH + 1000 * rng.uniform(3, 9, 8)
    shapes = frame(
        *(shapely.Point(x, y).buffer(r) for x, y, r in zip(*centres, rng.uniform(300, 2900, 8), strict=True))
    )
    field = DS.YW.values[0]
    raster = NumPyRasterSource(
        field[::-1].astype(float),
        WEST,
        SOUTH,
        WEST + 1000 * COLS,
        SOUTH + 1000 * ROWS,
        srs_wkt=shapes.crs.to_wkt(),
    )

    means, _ = means_of(shapes, field)

    expected = exact_extract(raster, shapes, "mean", output="pandas")["mean"]
    np.testing.assert_allclose(means, expected, rtol=1e-5)


def test_missing_cells_do_not_count() -> None:
    """The mean is that of valid cells, the coverage their share, also if it changes between fields."""
    values = np.ones((ROWS, COLS), np.float32)
    values[0, 0] = 5
    areas = find_areas(frame(square(0, 0, 2, 1), square(1, 0, 1, 1)), GRID)
    means = Means(areas)
    gone, none = values.copy(), np.full_like(values, np.nan)
    gone[0, 1] = np.nan

    found = [means.of(field.ravel()[areas.cells]) for field in (values, gone, none, values)]

    nan = np.nan
    shown, shares = (np.array(part) for part in zip(*found, strict=True))
    np.testing.assert_allclose(shown, np.array([[3, 1], [5, nan], [nan, nan], [3, 1]]))
    np.testing.assert_allclose(shares, np.array([[1.0, 1], [0.5, 0], [0, 0], [1, 1]]), atol=1e-6)


def test_parts_outside_the_grid_lower_the_coverage() -> None:
    """An area half outside the grid has a coverage of 0.5."""
    means, coverage = means_of(frame(square(-2, 5, 4, 1)), np.ones((ROWS, COLS)))

    np.testing.assert_allclose([means[0], coverage[0]], [1, 0.5], rtol=1e-6)


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:25832", "EPSG:3035"])
def test_shapes_in_any_crs_are_accepted(crs: str) -> None:
    """Shapes are projected to the grid's plane; longitude and latitude are the same numbers on both earths."""
    here = frame(square(3, 3, 4, 5))
    degrees = here.to_crs("+proj=longlat +a=6370040 +b=6370040 +no_defs").set_crs("EPSG:4326", allow_override=True)

    means, coverage = means_of(degrees.to_crs(crs), DS.YW.values[0])

    np.testing.assert_allclose(means, means_of(here, DS.YW.values[0])[0], rtol=1e-3)
    np.testing.assert_allclose(coverage, 1, rtol=1e-6)


def test_size_and_centre() -> None:
    """An area's size is that on the ellipsoid; its centre is in degrees."""
    berlin = gpd.GeoDataFrame(geometry=[shapely.box(13.3, 52.4, 13.5, 52.6)], crs=4326)

    areas = find_areas(berlin, GRIDS["de1100"])

    expected = abs(berlin.crs.get_geod().geometry_area_perimeter(berlin.geometry[0])[0]) / 1e6
    np.testing.assert_allclose(areas.km2, [expected])
    np.testing.assert_allclose([areas.lon[0], areas.lat[0]], [13.4, 52.5], atol=2e-3)


def test_weights_are_computed_once() -> None:
    """The same shapes on the same grid reuse their weights; other shapes or names do not."""
    shapes = frame(square(1, 1, 2, 2), square(4, 4, 2, 2), name=["a", "b"])

    first = find_areas(shapes, GRID, names="name")

    assert find_areas(shapes.copy(), GRID, names="name") is first
    assert find_areas(shapes.set_axis([7, 9]), GRID) is not first
    assert (
        find_areas(shapes.translate(500).to_frame("geometry").assign(name=["a", "b"]), GRID, names="name")
        is not first
    )


def test_files_are_read(tmp_path: Path) -> None:
    """A GeoPackage, a GeoJSON and a GeoParquet have the same areas as their tables."""
    shapes = frame(square(1, 1, 2, 2), square(4, 4, 2, 2), name=["a", "b"]).to_crs(4326)
    shapes.to_file(tmp_path / "a.gpkg")
    shapes.to_file(tmp_path / "a.geojson")
    shapes.to_parquet(tmp_path / "a.parquet")

    found = [find_areas(tmp_path / f"a.{kind}", GRID, names="name") for kind in ("gpkg", "geojson", "parquet")]

    assert [areas.names for areas in found] == [["a", "b"]] * 3
    for areas in found[1:]:
        np.testing.assert_allclose(areas.weights, found[0].weights, rtol=1e-3)


BOW = shapely.Polygon([(WEST, SOUTH), (WEST + 2000, SOUTH + 2000), (WEST + 2000, SOUTH), (WEST, SOUTH + 2000)])


@pytest.mark.parametrize(
    ("shapes", "text"),
    [
        (frame(square(1, 1, 1, 1), crs=None), "the shapes have no CRS"),
        (
            frame(square(1, 1, 1, 1), square(90, 1, 1, 1)),
            r"the area 1 lies outside the grid a part of .*CRS \(unknown\)",
        ),
        (frame(BOW), r"the area 0 is not a valid polygon \(Self-intersection.*make_valid"),
        (frame(shapely.Polygon()), "the area 0 is empty"),
        (frame(None), "the area 0 is empty"),
        (frame(square(1, 1, 1, 1), None, shapely.Polygon()), r"the area 1 \(and 1 more\) is empty"),
        (frame(shapely.Point(WEST, SOUTH)), "the area 0 is a Point, not a polygon"),
        (frame(), "the table of shapes is empty"),
        ([square(1, 1, 1, 1)], "unknown type of shapes list"),
        (frame(square(1, 1, 1, 1)).geometry.to_frame("geometry").to_wkt(), "unknown type of shapes DataFrame"),
    ],
)
def test_invalid_shapes(shapes: Any, text: str) -> None:
    """A shape that is not an area on the grid raises an error that names it, with a remedy."""
    with pytest.raises(SettingsError, match=text):
        find_areas(shapes, GRID)


def test_a_wrong_crs_is_suggested() -> None:
    """Coordinates in metres labelled as degrees lie outside the grid; the error suggests a wrong CRS."""
    wrong = frame(shapely.box(4, 50, 5, 51), crs="EPSG:25832")

    with pytest.raises(SettingsError, match=r"outside the grid.*check its CRS \(ETRS89 / UTM zone 32N\)"):
        find_areas(wrong, GRID)


def test_names_are_a_column_and_unique() -> None:
    """A missing column and repeated names raise."""
    shapes = frame(square(1, 1, 2, 2), square(4, 4, 2, 2), river=["Spree", "Spree"])

    with pytest.raises(SettingsError, match="names='name' is not a column of the shapes: choose from river"):
        find_areas(shapes, GRID, names="name")
    with pytest.raises(SettingsError, match="the area 'Spree' occurs twice"):
        find_areas(shapes, GRID, names="river")


def test_names_of_a_file_have_no_control_characters() -> None:
    """Names become labels and lines of a terminal: an escape sequence or a line break of a file does not pass."""
    shapes = frame(square(1, 1, 2, 2), square(4, 4, 2, 2), name=["\x1b]0;owned\x07", "two\nlines"])
    clean = ["?]0;owned?", "two lines"]

    assert find_areas(shapes, GRID).names == clean
    assert find_places(shapes.set_geometry(shapes.centroid), GRID).names == clean


def test_a_column_name_names_areas_that_are_only_counted() -> None:
    """Without names=, an index that counts gives way to a column `name` whose values differ, and to no other."""
    shapes = frame(square(1, 1, 2, 2), square(4, 4, 2, 2), Name=["Spree", "Havel"], river=["Elbe", "Elbe"])

    assert find_areas(shapes, GRID).names == ["Spree", "Havel"]
    assert find_areas(shapes.set_index("river").assign(Name=["a", "b"]).set_axis([7, 9]), GRID).names == [7, 9]
    for unusable in (["Spree", "Spree"], ["Spree", None]):
        assert find_areas(shapes.assign(Name=unusable), GRID).names == [0, 1]


def test_invalid_files(tmp_path: Path) -> None:
    """A missing file and one without shapes raise."""
    (tmp_path / "a.geojson").write_text("{")

    with pytest.raises(NothingFound, match=r"no\.gpkg does not exist"):
        find_areas(tmp_path / "no.gpkg", GRID)
    with pytest.raises(SettingsError, match=r"a\.geojson cannot be read as shapes"):
        find_areas(tmp_path / "a.geojson", GRID)


@pytest.mark.parametrize(
    "crs", ["+proj=longlat +a=1737400 +b=1737400 +no_defs", 'LOCAL_CS["x",UNIT["m",1]]'], ids=["moon", "local"]
)
def test_a_crs_that_cannot_be_converted_is_refused(crs: str) -> None:
    """Shapes on the moon or on a plan have no place on the grid."""
    with pytest.raises(SettingsError, match=r"cannot be projected from their CRS .*set the right one"):
        find_areas(frame(shapely.box(10, 50, 10.2, 50.2), crs=crs), GRID)


@pytest.mark.parametrize("box", [(-180, -90, 180, 90), (1e300, 1e300, 1e301, 1e301)])
def test_a_shape_beyond_the_projection_is_refused(box: tuple[float, float, float, float]) -> None:
    """The south pole has no coordinates in the plane of DWD's grids."""
    with pytest.raises(SettingsError, match="the shape 0 reaches where the projection"):
        find_areas(frame(shapely.box(*box), crs="EPSG:4326"), GRID)


def test_a_file_that_leads_to_others_is_not_opened(tmp_path: Path) -> None:
    """GDAL would read any local file or ask a server, whatever the name of the description."""
    path = tmp_path / "areas.geojson"
    path.write_text(
        "<OGRVRTDataSource><OGRVRTLayer name='x'><SrcDataSource>/vsicurl/http://127.0.0.1:9/x.geojson"
        "</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>"
    )

    with pytest.raises(
        SettingsError, match=r"areas.geojson is a description that leads to other files or servers"
    ):
        find_areas(path, GRID)
