"""Points: the cells that represent them, and their weights."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd  # type: ignore[import-untyped] # as in the package
import pytest
import xarray as xr
from support.small_rain import rain, showers

from radar_nb.analysis.inputs import grid_of
from radar_nb.analysis.points import find_places
from radar_nb.dwd.grids import GRIDS, to_lonlat
from radar_nb.errors import NothingFound, SettingsError
from radar_nb.geography.towns import place

if TYPE_CHECKING:
    from pathlib import Path

VALUES = showers(3, 8, 9)
DS = rain(VALUES)
GRID = grid_of(DS.YW)


def at(row: float, col: float) -> tuple[float, float]:
    """Return longitude and latitude of a position in cells."""
    lon, lat = to_lonlat(GRID.x0 + 1000 * col, GRID.y0 + 1000 * row, "sphere")
    return float(lon), float(lat)


def values_at(points: Any, method: Any, values: Any = VALUES) -> Any:
    """Return the values of points."""
    places = find_places(points, GRID, method)
    return places.mean(values[..., places.cells[0], places.cells[1]])


def test_nearest() -> None:
    """`nearest` uses the cell that contains the point."""
    found = values_at([at(2.4, 3.4), at(-0.4, 8.4)], "nearest")

    np.testing.assert_array_equal(found, VALUES[:, [2, 0], [3, 8]])


def test_the_mean_of_nine() -> None:
    """`mean3x3` weights nine cells equally; at a corner of the grid it has four."""
    found = values_at([at(2.4, 3.4), at(0, 0)], "mean3x3")

    np.testing.assert_allclose(found[:, 0], VALUES[:, 1:4, 2:5].mean(axis=(1, 2)), rtol=1e-6)
    np.testing.assert_allclose(found[:, 1], VALUES[:, :2, :2].mean(axis=(1, 2)), rtol=1e-6)


def test_bilinear_is_xarrays_linear() -> None:
    """`bilinear` equals xarray's linear interpolation between centres of cells."""
    rng = np.random.default_rng(5)
    rows, cols = rng.uniform(0, 7, 20), rng.uniform(0, 8, 20)
    there = xr.Dataset({"y": ("p", GRID.y0 + 1000 * rows), "x": ("p", GRID.x0 + 1000 * cols)})

    found = values_at([at(row, col) for row, col in zip(rows, cols, strict=True)], "bilinear")

    np.testing.assert_allclose(found, DS.YW.interp(there), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("missing", "known"), [(4, True), (5, False)])
def test_missing_cells_do_not_count(missing: int, known: bool) -> None:
    """The value is the mean of valid cells if they have at least half of the weight."""
    values = np.ones((3, 3), np.float32)
    values.ravel()[:missing] = np.nan
    whole = np.full((8, 9), 7, np.float32)
    whole[1:4, 2:5] = values

    found = values_at([at(2, 3)], "mean3x3", whole)

    np.testing.assert_array_equal(found, [1.0 if known else np.nan])


def test_forms_of_points(tmp_path: Path) -> None:
    """A mapping, pairs, tables of degrees or metres, shapes in any CRS and files select the same cells."""
    lon, lat = at(2, 3)
    table = pd.DataFrame({"lon": [lon], "lat": [lat]}, index=["a"])
    metres = pd.DataFrame({"x": [GRID.x0 + 3000], "y": [GRID.y0 + 2000]}, index=["a"])
    shapes = gpd.GeoDataFrame(index=["a"], geometry=gpd.points_from_xy([lon], [lat]), crs=4326)
    (tmp_path / "a.csv").write_text(f"# gauges\nName,Lon,Lat\na,{lon},{lat}\n", encoding="utf-8")
    (tmp_path / "b.csv").write_text(f"id;x;y\na;{GRID.x0 + 3000};{GRID.y0 + 2000}\n", encoding="utf-8")
    (tmp_path / "c.csv").write_text(f"lon,lat\n{lon},{lat}\n", encoding="utf-8-sig")
    shapes.to_file(tmp_path / "a.geojson")
    ways: list[tuple[Any, Any]] = [
        ({"a": (lon, lat)}, "a"),
        ([(lon, lat)], 0),
        (table, "a"),
        (metres, "a"),
        (shapes, "a"),
        (shapes.to_crs(25832), "a"),
        (tmp_path / "a.csv", "a"),
        (str(tmp_path / "b.csv"), "a"),
        (tmp_path / "c.csv", 0),
        (tmp_path / "a.geojson", 0),
    ]

    for points, name in ways:
        places = find_places(points, GRID)

        assert places.names == [name]
        assert [cells.tolist() for cells in places.cells] == [[2], [3]]
        np.testing.assert_allclose([places.lon[0], places.lat[0]], [lon, lat], atol=1e-6)


@pytest.mark.parametrize(
    ("points", "text"),
    [
        ({"sea": (0.0, 60.0)}, r"the point 'sea' \(lon 0, lat 60\) lies outside the grid"),
        ([(50.78, 6.09)], "degrees, longitude first"),
        ([], "are not points: pass names of towns"),
        ([(1.0, 2.0, 3.0)], "are not points"),
        ({"a": "here"}, "unknown place 'here'"),
        (pd.DataFrame({"lon": [], "lat": []}), "are not points"),
        (pd.DataFrame({"east": [1]}), "are not points"),
        (gpd.GeoDataFrame(geometry=gpd.points_from_xy([9], [51])), "have no CRS"),
        (
            gpd.GeoDataFrame(geometry=gpd.points_from_xy([9], [51]).buffer(1), crs=4326),
            "a Polygon, not a point",
        ),
    ],
)
def test_invalid_points(points: Any, text: str) -> None:
    """The message names the value that is not a point or lies outside the grid."""
    with pytest.raises(SettingsError, match=text):
        find_places(points, GRID)


def test_invalid_tables(tmp_path: Path) -> None:
    """A CSV without columns, with rows of different lengths, or a missing one raises."""
    for name, text in (("a", "name,east\nb,1\n"), ("b", "lon,lat\n1\n"), ("c", ""), ("d", "lon,lat\nx,y\n")):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")

        with pytest.raises(SettingsError, match="are not points"):
            find_places(tmp_path / f"{name}.csv", GRID)

    with pytest.raises(NothingFound, match=r"no\.csv cannot be read"):
        find_places(tmp_path / "no.csv", GRID)


CSVS = [
    ("Station;Länge;Breite\nKöln;6,96;50,94\n", "utf-8", "Köln"),
    ("STATION;LAENGE;BREITE\nKöln;6,96;50,94\n", "cp1252", "Köln"),
    ("station_id,longitude,latitude,name\n02667,6.96,50.94,Köln\n", "utf-8-sig", "Köln"),
    ("id\tlon\tlat\n02667\t6.96\t50.94\n", "utf-8", "02667"),
    ('id,lon,lat\n02667,"6,96","50,94"\n', "utf-8", "02667"),
    ("id;geoLaenge;geoBreite\n02667;6.96;50.94\n", "utf-8", "02667"),
    ("Name\tLänge\tBreite\nKöln\t6,96\t50,94\n", "utf-16", "Köln"),
    ("name,lon,lat,\nKöln,6.96,50.94,\n", "utf-8", "Köln"),
]


@pytest.mark.parametrize(("text", "encoding", "name"), CSVS)
def test_a_csv_of_points_may_be_german(text: str, encoding: str, name: str, tmp_path: Path) -> None:
    """Semicolons, tabs, decimal commas, German columns, Windows-1252, UTF-16: one position, and text names."""
    (tmp_path / "a.csv").write_text(text, encoding=encoding)

    places = find_places(tmp_path / "a.csv", GRIDS["de900"])

    assert places.names == [name]
    assert (places.lon.tolist(), places.lat.tolist()) == ([6.96], [50.94])


def test_names_chooses_a_column(tmp_path: Path) -> None:
    """`names=` is a column of a CSV, a table or shapes; without it a column names points whose index counts."""
    lon, lat = at(2, 3)
    table = pd.DataFrame({"lon": [lon], "lat": [lat], "river": ["Elbe"], "name": ["a"]})
    shapes = gpd.GeoDataFrame(table, geometry=gpd.points_from_xy([lon], [lat]), crs=4326)
    table.to_csv(tmp_path / "a.csv", index=False)

    for points in (table, shapes, tmp_path / "a.csv"):
        assert find_places(points, GRID, names="river").names == ["Elbe"]
        assert find_places(points, GRID).names == ["a"]
        with pytest.raises(
            SettingsError, match="names='town' is not a column: choose one of lon, lat, river, name"
        ):
            find_places(points, GRID, names="town")
    with pytest.raises(SettingsError, match="these points have none: leave it out"):
        find_places({"a": (lon, lat)}, GRID, names="name")


def test_two_points_of_one_name_are_refused(tmp_path: Path) -> None:
    """Two series of one name cannot be distinguished: the message has it, for a CSV, a table, shapes, a list."""
    lon, lat = at(2, 3)
    (tmp_path / "a.csv").write_text(f"name,lon,lat\na,{lon},{lat}\na,{lon},{lat}\n", encoding="utf-8")
    table = pd.DataFrame({"lon": [lon] * 2, "lat": [lat] * 2}, index=["a", "a"])
    shapes = gpd.GeoDataFrame(index=["a", "a"], geometry=gpd.points_from_xy([lon] * 2, [lat] * 2), crs=4326)

    for points in (tmp_path / "a.csv", table, shapes):
        with pytest.raises(SettingsError, match="2 points have the name 'a': choose another column with names="):
            find_places(points, GRID)
    with pytest.raises(SettingsError, match="2 points have the name 'Leipzig'"):
        find_places(["Leipzig", "Leipzig"], GRIDS["de1100"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,east\nb,1\n", r"not points: name the columns lon and lat .*, not name, east"),
        ("lon,lat\n1\n", "row 1 has 1 values, and there are 2 columns"),
        ("lon,lat\n6.96,50.94\n6.96,\n", "lat of row 2 is '', not a number; write degrees as 12.37 or 12,37"),
        ("lon;lat\n1.006,96;50\n", "lon of row 1 is '1.006,96', not a number"),
        ("lon,lat\n", "write a line of column names and a line for each row"),
        ("name,x,y\nb,100,5,-4200000,5\n", "row 1 has 5 values, and there are 3 columns; write decimal points"),
        ("\0".join("lon,lat\n6.96,50.94\n"), "not text in UTF-8; save it as CSV in UTF-8"),
        (f"lon,lat\n{60_000 * 'A'},50\n", r"lon of row 1 is 'A{100}\.\.\. \(60,000 characters\)', not a number"),
    ],
)
def test_a_csv_that_is_not_of_points_says_what_is_wrong(text: str, message: str, tmp_path: Path) -> None:
    """The message has the row, the value and what is expected; no value is guessed."""
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")

    with pytest.raises(SettingsError, match=message):
        find_places(tmp_path / "a.csv", GRID)


def test_an_unknown_method() -> None:
    """The error for an unknown method lists the known ones."""
    with pytest.raises(SettingsError, match="unknown method='idw': choose one of nearest, mean3x3, bilinear"):
        find_places({"a": at(2, 2)}, GRID, "idw")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("points", "names"),
    [
        ("Leipzig", ["Leipzig"]),
        (["Leipzig", "koeln"], ["Leipzig", "koeln"]),
        ({"Leipzig": None, "my garden": (12.4, 51.3)}, ["Leipzig", "my garden"]),
        ({"station": "Leipzig"}, ["station"]),
        ([place("Leipzig")], ["Leipzig"]),
    ],
)
def test_towns_are_points(points: Any, names: list[str]) -> None:
    """A town's name, alone, in a list, or as a key without a position, means its position."""
    places = find_places(points, GRIDS["de1100"])

    assert places.names == names
    assert (places.lon[0], places.lat[0]) == pytest.approx((12.371, 51.34))


def test_an_unknown_town_among_points_is_named() -> None:
    """The message suggests the nearest names of towns."""
    with pytest.raises(SettingsError, match="unknown place 'Lepzig': the nearest names are Leipzig"):
        find_places({"Lepzig": None}, GRIDS["de1100"])


def test_names_of_a_csv_are_printable(tmp_path: Path) -> None:
    """Control characters of a name would move the cursor of a terminal that prints the series."""
    lon, lat = at(2, 3)
    path = tmp_path / "points.csv"
    path.write_text(f"name,lon,lat\n\x1b]0;owned\x07\0,{lon},{lat}\n")

    assert find_places(path, GRID).names == ["?]0;owned??"]


def test_a_field_without_end_in_a_csv_is_refused(tmp_path: Path) -> None:
    """A file that is not a table of points is named."""
    path = tmp_path / "points.csv"
    path.write_text(f"name,lon,lat\n{'x' * 200_000},1,2\n")

    with pytest.raises(SettingsError, match=r"points.csv are not points .field larger than field limit"):
        find_places(path, GRID)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
@pytest.mark.parametrize("name", ["points.csv", "points.geojson"])
def test_a_pipe_is_not_a_file_of_points(name: str, tmp_path: Path) -> None:
    """Reading it would block."""
    os.mkfifo(tmp_path / name)

    with pytest.raises(NothingFound, match=f"{name} is not a file: pass a"):
        find_places(tmp_path / name, GRID)
