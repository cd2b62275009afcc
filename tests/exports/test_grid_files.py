"""Rain on a model's grid: volumes are conserved, cells keep their positions, and models' conventions hold."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
import xarray as xr
from support.small_rain import rain, showers

from radar_nb.analysis.inputs import grid_of
from radar_nb.dwd.grids import to_lonlat
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.grid_files import export_grid, write_model_grid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

DS = rain(showers(12, 24, 20))
GRID = grid_of(DS.YW)
UTM: dict[str, Any] = {"crs": 25832, "cell": 1000}


def mesh(crs: Any) -> tuple[Any, Any]:
    """Return the corners of the cells in another projection, metres."""
    x = GRID.x0 + GRID.cell * (np.arange(GRID.cols + 1) - 0.5)
    y = GRID.y0 + GRID.cell * (np.arange(GRID.rows + 1) - 0.5)
    corners_x, corners_y = np.meshgrid(x, y)
    transformer = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    east, north = transformer.transform(*to_lonlat(corners_x, corners_y, "sphere"))
    return east, north


def cells(crs: Any = 25832) -> list[shapely.Polygon]:
    """Return DWD's cells as polygons of another projection, row by row from the south-west."""
    east, north = mesh(crs)
    around = [(0, 0), (0, 1), (1, 1), (1, 0)]
    return [
        shapely.Polygon([(east[row + a, col + b], north[row + a, col + b]) for a, b in around])
        for row in range(GRID.rows)
        for col in range(GRID.cols)
    ]


def inner(cell: float = 1000, size: int = 8) -> list[float]:
    """Return an extent of some cells in the middle of the data."""
    east, north = mesh(25832)
    west, south = (float(np.floor(side.mean() / 1000) * 1000) for side in (east, north))
    return [west, south, west + size * cell, south + size * cell]


@pytest.mark.parametrize(("cell", "extent"), [(1000, None), (1000, inner()), (250, inner(250)), (5000, None)])
def test_each_cell_has_the_area_weighted_mean(cell: float, extent: Sequence[float] | None, tmp_path: Path) -> None:
    """Depths equal means weighted by the areas that shapely cuts of DWD's cells with the model's."""
    path = export_grid(DS, tmp_path / "rain.nc", model="cf", crs=25832, cell=cell, extent=extent)

    values, parts = DS.YW[3].values.ravel(), cells()
    tree = shapely.STRtree(parts)
    with xr.open_dataset(path) as found:
        field = found.precipitation[3]
        for row, col in [(0, 0), (2, 3), (field.sizes["y"] - 1, field.sizes["x"] - 1), (1, 4)]:
            x, y = float(found.x[col]), float(found.y[row])
            box = shapely.box(x - cell / 2, y - cell / 2, x + cell / 2, y + cell / 2)
            at = tree.query(box)
            areas = np.array([parts[k].intersection(box).area for k in at])
            if areas.sum() < cell**2 / 2:
                assert np.isnan(field[row, col])
            else:
                assert float(field[row, col]) == pytest.approx((values[at] * areas).sum() / areas.sum(), rel=1e-5)


@pytest.mark.parametrize("crs", [25832, 25833, 3035, 31467])
def test_the_volume_is_conserved(crs: int, tmp_path: Path) -> None:
    """A storm within the extent has the same volume before and after, to much less than 0.1 %."""
    values = DS.YW.values.copy()
    values[:, :4], values[:, -4:], values[:, :, :4], values[:, :, -4:] = 0, 0, 0, 0
    path, written = write_model_grid(
        rain(values), tmp_path / "rain.nc", model="cf", crs=crs, cell=1000, gaps="zero"
    )

    areas = np.array([part.area for part in cells(crs)]).reshape(GRID.shape)
    with xr.open_dataset(path) as found:
        volume = float(found.precipitation.sum(dtype=np.float64)) * 1e6
    assert volume == pytest.approx(float((values * areas).sum(dtype=np.float64)), rel=1e-5)
    assert written.mass_error < 1e-5


def test_the_file_does_not_depend_on_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields read a few at a time have the same values and mass error."""
    whole, first = write_model_grid(DS, tmp_path / "whole.nc", model="sfincs", **UTM, extent=inner())
    monkeypatch.setattr("radar_nb.exports.grid_files._ROOM", 1000)

    pieces, second = write_model_grid(
        DS.chunk(time=5), tmp_path / "pieces.nc", model="sfincs", **UTM, extent=inner()
    )

    with xr.open_dataset(whole) as one, xr.open_dataset(pieces) as other:
        xr.testing.assert_identical(one.drop_attrs(), other.drop_attrs())
    assert second.mass_error == pytest.approx(first.mass_error, abs=1e-7)


def test_gdal_finds_a_north_up_raster(tmp_path: Path) -> None:
    """GDAL, which HEC-RAS uses, reads projected, square cells, north up, with each value at its position."""
    path = export_grid(DS, tmp_path / "rain.nc", model="hec-ras", **UTM, extent=inner())

    west, south, east, north = inner()
    with rasterio.open(f"netcdf:{path}:precipitation") as raster, xr.open_dataset(path) as found:
        assert raster.crs == rasterio.crs.CRS.from_epsg(25832)
        assert tuple(raster.bounds) == (west, south, east, north)
        assert raster.transform.a == -raster.transform.e == 1000
        np.testing.assert_array_equal(raster.read(3), found.precipitation[2].values)
        np.testing.assert_array_equal(found.time.values, DS.time.values)


@pytest.mark.parametrize("model", ["cf", "hec-hms", "hec-ras", "fews", "lisflood"])
def test_cf_files_state_the_interval_of_each_amount(model: str, tmp_path: Path) -> None:
    """Times are the ends of intervals, `time_bnds` has both ends, and the projection has three forms."""
    path = export_grid(DS, tmp_path / "rain.nc", model=model, **UTM, extent=inner())

    with xr.open_dataset(path, decode_coords="all") as found:
        np.testing.assert_array_equal(found.time_bnds.values, DS.time_bnds.values)
        assert found.precipitation.attrs["cell_methods"] == "time: sum"
        assert found.precipitation.attrs["units"] == "mm"
        assert pyproj.CRS.from_cf(found.crs.attrs).to_epsg() == 25832
        assert "+proj=utm +zone=32" in found.crs.attrs["proj4_params"]


def test_sfincs_reads_rates_from_the_start_of_each_interval(tmp_path: Path) -> None:
    """The file has mm/h, minutes from the first time in 4 bytes, ascending y, and an end of the rain."""
    path = export_grid(DS, tmp_path / "rain.nc", model="sfincs", **UTM, extent=inner())
    amounts = export_grid(DS, tmp_path / "mm.nc", model="cf", **UTM, extent=inner())

    with xr.open_dataset(path, decode_times=False) as found, xr.open_dataset(amounts) as cf:
        assert found.time.attrs["units"] == "minutes since 2020-06-13 00:00:00"
        np.testing.assert_array_equal(found.time.values.astype(np.float32), 5.0 * np.arange(13))
        assert (np.diff(found.y) > 0).all()
        np.testing.assert_allclose(found.Precipitation[:-1, ::-1] / 12, cf.precipitation, rtol=1e-6)
        assert not found.Precipitation[-1].any()


def test_tuflow_reads_depths_in_hours_from_the_start(tmp_path: Path) -> None:
    """The first field is dry at 0 h, and each later one has the rain since the previous time."""
    path = export_grid(DS, tmp_path / "rain.nc", model="tuflow", **UTM, extent=inner())
    amounts = export_grid(DS, tmp_path / "mm.nc", model="cf", **UTM, extent=inner())

    with xr.open_dataset(path, decode_times=False) as found, xr.open_dataset(amounts) as cf:
        assert found.rainfall_depth.dims == ("time", "y", "x")
        np.testing.assert_allclose(found.time.values, np.arange(13) / 12)
        assert found.time.attrs["units"].startswith("hours since 2020-06-13 00:00:00")
        assert not found.rainfall_depth[0].any()
        np.testing.assert_array_equal(found.rainfall_depth[1:, ::-1], cf.precipitation)


@pytest.mark.parametrize("room", [1 << 22, 1000], ids=["one block", "many blocks"])
def test_mike_reads_depths_since_the_time_before(
    room: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reader finds depths, rows from south to north, missing cells and the projection, however many blocks."""
    mikeio = pytest.importorskip("mikeio", reason="dfs2 needs mikeio (extra mike)")
    monkeypatch.setattr("radar_nb.exports.grid_files._ROOM", room)
    holed = DS.copy(deep=True)
    holed.YW[4, 8:16, 6:14] = np.nan
    amounts = export_grid(holed, tmp_path / "mm.nc", model="cf", **UTM, extent=inner())

    found = mikeio.read(export_grid(holed, tmp_path / "rain.dfs2", model="mike", **UTM, extent=inner()))

    west, south, east, north = inner()
    rain_item = found[0]
    with xr.open_dataset(amounts) as cf:
        np.testing.assert_array_equal(rain_item.values[1:, ::-1], cf.precipitation)
        assert np.isnan(rain_item.values[5]).any()
        assert not rain_item.values[0].any()
        np.testing.assert_array_equal(found.time[1:], cf.time)
        assert found.time[0] == found.time[1] - (found.time[2] - found.time[1])
    box = found.geometry.bbox
    assert (box.left, box.bottom, box.right, box.top) == (west, south, east, north)
    assert found.geometry.projection.startswith('PROJCS["ETRS_1989_UTM_Zone_32N"')
    assert (found.items[0].type, found.items[0].unit) == (
        mikeio.EUMType.Rainfall_Depth,
        mikeio.EUMUnit.millimeter,
    )
    assert found.items[0].data_value_type.name == "StepAccumulated"


def test_a_single_field_is_a_whole_dfs2(tmp_path: Path) -> None:
    """One interval has two times: its begin and its end."""
    mikeio = pytest.importorskip("mikeio", reason="dfs2 needs mikeio (extra mike)")

    path = export_grid(DS.isel(time=[3]), tmp_path / "rain.dfs2", model="mike", **UTM, extent=inner())

    assert mikeio.read(path).n_timesteps == 2


def test_mike_without_mikeio_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names the extra, and no file is left."""
    monkeypatch.setitem(sys.modules, "mikeio", None)

    with pytest.raises(SettingsError, match=r'model="mike" needs mikeio: pip install .radar-nb\[mike\].'):
        export_grid(DS, tmp_path / "rain.dfs2", model="mike", **UTM, extent=inner())

    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []


def test_missing_is_marked_or_refused(tmp_path: Path) -> None:
    """CF files mark missing cells; for a model without a mark they raise, unless 0 mm is requested."""
    holed = DS.copy(deep=True)
    holed.YW[4, 8:16, 6:14] = np.nan
    late = holed.isel(time=[0, 1, 2, 4, 5])

    marked = export_grid(late, tmp_path / "marked.nc", model="cf", **UTM, extent=inner())
    with pytest.raises(
        SeriesError, match=r"% of the cells have no value in the interval from 2020-06-13 00:15 UTC on"
    ):
        export_grid(late, tmp_path / "no.nc", model="sfincs", **UTM, extent=inner())
    zero = export_grid(late, tmp_path / "zero.nc", model="sfincs", **UTM, extent=inner(), gaps="zero")

    with xr.open_dataset(marked) as found, xr.open_dataset(zero) as dry:
        assert found.precipitation.isnull().any(["y", "x"]).values.tolist() == [
            False,
            False,
            False,
            True,
            True,
            False,
        ]
        assert not dry.Precipitation[3].any()
    assert sorted(path.name for path in tmp_path.glob("*.nc")) == ["marked.nc", "zero.nc"]


Refused = tuple[xr.Dataset, str, dict[str, Any], type[Exception], str]
REFUSED: list[Refused] = [
    (DS, "a.nc", {"model": "mouse"}, SettingsError, "unknown model='mouse': choose one of cf, hec-ras"),
    (DS, "a.tif", {}, SettingsError, "cannot write a.tif for model='cf': choose a name that ends in .nc"),
    (
        DS,
        "a.nc",
        {"model": "mike"},
        SettingsError,
        "cannot write a.nc for model='mike': choose a name that ends in .dfs2",
    ),
    (DS, "a.nc", {"crs": 4326}, SettingsError, r"crs=4326 \(WGS 84\) is not in metres, .* crs=25832"),
    (DS, "a.nc", {"crs": "nowhere"}, SettingsError, "unknown crs='nowhere': pass an EPSG code"),
    (DS, "a.nc", {"cell": 0}, SettingsError, "cell=0 is not a width in metres"),
    (DS, "a.nc", {"cell": 0.5}, SettingsError, "is larger than 25,000,000: choose a larger cell="),
    (DS, "a.nc", {"extent": (0, 0, 1000, 1000)}, SettingsError, "the extent lies outside the data's grid"),
    (DS, "a.nc", {"extent": (5, 0, 1, 1)}, SettingsError, r"extent=\(5, 0, 1, 1\) is empty: pass"),
    (DS, "a.nc", {"extent": (0, 0, 1500, 1000)}, SettingsError, "not a multiple of cell=1000: choose an extent"),
    (DS, "a.nc", {"extent": "all"}, SettingsError, "extent='all' is not .west, south, east, north.: pass metres"),
    (DS, "a.nc", {"model": "tuflow"}, SeriesError, "TUFLOW knows no mark for missing: choose an extent= within"),
    (DS.isel(x=0), "a.nc", {}, SeriesError, r"not \(time, y, x\)"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[-1][:40])
def test_invalid_grids_raise(case: Refused, tmp_path: Path) -> None:
    """Each message has a remedy, and no file is written."""
    data, name, options, error, text = case

    with pytest.raises(error, match=text):
        export_grid(data, tmp_path / name, **{"model": "cf", **UTM, **options})

    assert [path.name for path in tmp_path.iterdir() if not path.name.endswith(".lock")] == []
