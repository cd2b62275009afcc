"""Exports: other programs read the same values with their metadata."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd  # type: ignore[import-untyped] # as in the package
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
import xarray as xr
from support.small_rain import rain, showers

from radar_nb.analysis.api import accumulate, at_points, over_areas
from radar_nb.analysis.inputs import grid_of
from radar_nb.dwd.grids import PROJ, to_lonlat
from radar_nb.errors import NotWritable, SeriesError, SettingsError, StorageError
from radar_nb.exports.api import export

if TYPE_CHECKING:
    from pathlib import Path

DS = rain(showers(24, 8, 9, missing=0.05))
GRID = grid_of(DS.YW)
LON, LAT = (float(value) for value in to_lonlat(GRID.x[3], GRID.y[2], "sphere"))
POINTS = at_points(DS, {"Köln": (LON, LAT), "b": (LON + 0.03, LAT)}, progress=False)
SHAPE = shapely.box(GRID.x0, GRID.y0, GRID.x0 + 3000, GRID.y0 + 2500)
SHAPES = gpd.GeoDataFrame({"name": ["a"]}, geometry=[SHAPE], crs=PROJ["sphere"])
AREAS = over_areas(DS, SHAPES, names="name", progress=False)


@pytest.mark.parametrize("data", [POINTS, AREAS, accumulate(AREAS, "1h"), AREAS.isel(area=0)])
def test_csv(data: xr.Dataset, tmp_path: Path) -> None:
    """Rows are times, columns series; the lines above are metadata that a program can read."""
    path = export(data, tmp_path / "series.csv")

    table = pd.read_csv(path, comment="#", index_col="time", parse_dates=True)
    metadata = json.loads(path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# "))
    np.testing.assert_allclose(
        table[[name for name in table if not name.startswith("coverage")]].to_numpy(),
        data.YW.data.reshape(data.sizes["time"], -1),
        rtol=1e-6,
    )
    assert (table.index.tz_localize(None).to_numpy() == data.time.to_numpy()).all()
    assert metadata["attributes_of_variable"]["units"] == "mm"
    assert metadata["time"] == "end of the interval, UTC"


@pytest.mark.parametrize("data", [POINTS, AREAS])
def test_parquet(data: xr.Dataset, tmp_path: Path) -> None:
    """A Parquet table has the same values, times in UTC, and metadata in the schema."""
    path = export(data, tmp_path / "series.parquet")

    table = pd.read_parquet(path)
    metadata = json.loads(pq.read_schema(path).metadata[b"radar_nb"])
    along = "point" if "point" in data.dims else "area"
    names = data[along].data.tolist()
    np.testing.assert_array_equal(table[names].to_numpy(), data.YW.data)
    assert str(table.index.tz) == "UTC"
    assert metadata[along]["lon"] == data.lon.data.tolist()
    assert metadata["attributes"]["title"].startswith("RADKLIM")


@pytest.mark.parametrize("fields", [DS.isel(time=slice(3)), DS.isel(time=0), DS.isel(y=slice(None, None, -1))])
def test_geotiff(fields: xr.Dataset, tmp_path: Path) -> None:
    """GDAL finds each value at its place, north up, with its unit and time."""
    path = export(fields, tmp_path / "field.tif")

    with rasterio.open(path) as tiff:
        values, where = tiff.read(), tiff.transform
        assert tiff.crs == rasterio.crs.CRS.from_string(PROJ["sphere"].replace(" +type=crs", ""))
        assert (where.a, where.e) == (1000, -1000)
        assert tiff.tags()["units"] == "mm"
        assert tiff.descriptions[0] == "2020-06-13T00:05Z"
        assert tiff.units[0] == "mm"
        assert tiff.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    row, col = int((where.f - GRID.y[2]) // 1000), int((GRID.x[3] - where.c) // 1000)
    there = fields.YW.sel(x=GRID.x[3], y=GRID.y[2])
    np.testing.assert_array_equal(values[:, row, col], np.atleast_1d(there.data))


@pytest.mark.parametrize("data", [DS, POINTS, accumulate(DS, "1h")])
def test_netcdf(data: xr.Dataset, tmp_path: Path) -> None:
    """A netCDF file is read back with equal values, coordinates and attributes."""
    path = export(data, tmp_path / "all.nc")

    with xr.open_dataset(path, decode_coords="all") as found:
        xr.testing.assert_allclose(found.YW, data.YW)
        assert found.attrs == data.attrs


@pytest.mark.parametrize(
    ("data", "name", "error", "text"),
    [
        (
            DS,
            "a.xls",
            SettingsError,
            r"cannot write a\.xls: choose one of the suffixes \.csv, \.parquet, \.xlsx, \.tif",
        ),
        (DS, "a.csv", SeriesError, "'YW' holds fields, and a table needs series"),
        (POINTS, "a.tif", SeriesError, r"not \(time, y, x\)"),
        (DS.YW, "a.nc", SeriesError, "export needs a Dataset, not a DataArray"),
    ],
)
def test_invalid_exports(data: Any, name: str, error: type[Exception], text: str, tmp_path: Path) -> None:
    """Fields are not a table, series are not a map, and an unknown kind of file lists the known ones."""
    with pytest.raises(error, match=text):
        export(data, tmp_path / name)

    assert not list(tmp_path.iterdir())


def ending(*ends: str) -> xr.Dataset:
    """Return amounts whose intervals end at some times, UTC."""
    times = np.array(ends, "datetime64[ns]")
    values = np.arange(len(ends), dtype=np.float32)[:, None]
    attrs = {"units": "mm", "cell_methods": "time: sum"}
    return xr.Dataset({"YW": (("time", "point"), values, attrs)}, {"time": times, "point": ["a"]})


def test_local_times_have_offsets_and_the_day_of_their_interval(tmp_path: Path) -> None:
    """The hour that occurs twice has two offsets, and an interval that ends at midnight is of the day before."""
    rain = ending("2020-06-13T22:00", "2020-06-13T22:30", "2020-10-25T00:00", "2020-10-25T01:00")

    path = export(rain, tmp_path / "a.csv", timezone="Europe/Berlin")

    table = pd.read_csv(path, comment="#")
    assert table["time"].tolist() == [
        "2020-06-14T00:00:00+02:00",
        "2020-06-14T00:30:00+02:00",
        "2020-10-25T02:00:00+02:00",
        "2020-10-25T02:00:00+01:00",
    ]
    assert table["date"].tolist() == ["2020-06-13", "2020-06-14", "2020-10-25", "2020-10-25"]
    assert json.loads(path.read_text("utf-8").splitlines()[0][2:])["time"] == "end of the interval, Europe/Berlin"


def test_days_of_a_zone_are_written_with_its_offset(tmp_path: Path) -> None:
    """Days of Berlin begin at its midnight, also without timezone=; another zone is refused."""
    days = accumulate(POINTS, "1D", timezone="Europe/Berlin", min_coverage=0)

    for zone in (None, "Europe/Berlin"):
        table = pd.read_csv(export(days, tmp_path / "a.csv", timezone=zone), comment="#")
        assert table["time"].tolist() == ["2020-06-13T00:00:00+02:00"]
    stamps = pd.read_parquet(export(days, tmp_path / "a.parquet")).index
    assert stamps[0] == pd.Timestamp("2020-06-13", tz="Europe/Berlin")
    with pytest.raises(
        SettingsError, match=r"days or longer periods of Europe/Berlin, and timezone='UTC' would cut"
    ):
        export(days, tmp_path / "b.csv", timezone="UTC")


def test_a_csv_for_german_excel(tmp_path: Path) -> None:
    """Decimal commas, semicolons, the mark of UTF-8, and metadata in one cell; the values are the same."""
    named = POINTS.assign_attrs(note="one; two")

    path = export(named, tmp_path / "a.csv", decimal=",", sep=";")

    head = path.read_bytes().splitlines()[0]
    assert head.startswith(b"\xef\xbb\xbf# {")
    assert b";" not in head
    assert json.loads(head.decode("utf-8-sig")[2:])["attributes"]["note"] == "one; two"
    table = pd.read_csv(path, comment="#", sep=";", decimal=",", index_col="time")
    assert list(table) == ["Köln", "b"]
    np.testing.assert_allclose(table.to_numpy(), POINTS.YW.values, rtol=1e-6)


def test_excel(tmp_path: Path) -> None:
    """A sheet has times, offsets, days and numbers, empty where missing; another one the metadata."""
    openpyxl = pytest.importorskip("openpyxl", reason="the extra xlsx is not installed")

    path = export(POINTS, tmp_path / "a.xlsx", timezone="Europe/Berlin")

    book = openpyxl.load_workbook(path)
    head, *rows = book["YW"].iter_rows(values_only=True)
    assert head == ("time", "offset", "date", "Köln", "b")
    assert rows[0][:3] == (dt.datetime(2020, 6, 13, 2, 5), "+02:00", dt.datetime(2020, 6, 13))  # noqa: DTZ001 - local
    found = np.array([[np.nan if value is None else value for value in row[3:]] for row in rows])
    np.testing.assert_allclose(found, POINTS.YW.values, rtol=1e-6)
    about = dict(book["about"].iter_rows(values_only=True))
    assert about["time"] == "end of the interval, Europe/Berlin"
    assert json.loads(about["attributes_of_variable"])["units"] == "mm"


@pytest.mark.parametrize(
    ("name", "more", "text"),
    [
        ("a.csv", {"timezone": "Berlin"}, "unknown timezone='Berlin': write it as"),
        ("a.nc", {"timezone": "UTC"}, r"timezone='UTC' is for \.csv, \.parquet, \.xlsx: leave it out for \.nc"),
        ("a.dat", {"tz": "UTC", "label": "start", "timezone": "UTC"}, "leave it out for swmm"),
        ("a.parquet", {"sep": ";"}, r"decimal= and sep= are for \.csv: leave them out for \.parquet"),
        ("a.csv", {"decimal": ","}, 'choose sep=";" as German Excel has it'),
        ("a.csv", {"decimal": "x"}, 'not a decimal sign: choose "." or ","'),
        ("a.csv", {"sep": "|"}, 'does not separate columns: choose ",", ";" or a tab'),
    ],
)
def test_invalid_styles_of_tables(name: str, more: dict[str, Any], text: str, tmp_path: Path) -> None:
    """The message has the value and what is possible, and nothing is written."""
    with pytest.raises(SettingsError, match=text):
        export(POINTS, tmp_path / name, **more)

    assert not list(tmp_path.iterdir())


def test_an_unwritable_place_raises(tmp_path: Path) -> None:
    """The error names the path."""
    (tmp_path / "file").touch()

    with pytest.raises((StorageError, NotWritable), match="cannot be written"):
        export(POINTS, tmp_path / "file" / "a.csv")


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("=cmd|'/C calc'!A0", "'=cmd|'/C calc'!A0"),
        ("@SUM(1)", "'@SUM(1)"),
        ("-2+3", "'-2+3"),
        ("a\nb\x1b[2J", "a b?[2J"),
    ],
)
def test_names_in_a_csv_are_no_formulas(name: str, title: str, tmp_path: Path) -> None:
    """A spreadsheet shows a name that begins like a formula as text, in one line."""
    path = export(POINTS.isel(point=[0]).assign_coords(point=[name]), tmp_path / "series.csv")

    assert pd.read_csv(path, comment="#", index_col="time").columns.tolist() == [title]
