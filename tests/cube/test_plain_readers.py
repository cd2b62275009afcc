"""Readers of Zarr that know nothing of radar_nb: each finds the same values, times and places in a cube."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
import zarr
from support.cubes import archive

from radar_nb.cube.building import build_cube
from radar_nb.cube.opening import open_cube
from radar_nb.dwd.grids import GRIDS, PROJ

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Codes = NDArray[np.uint16]

STEP = 2
"""The step of the first day that is read: 02:50, of which there is no frame, follows."""


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a cube of two days in February and one in October, without the days between."""
    folder = tmp_path_factory.mktemp("plain")
    source = archive(
        folder / "RW2019.tar.gz", ["2019-02-01", "2019-02-02", "2019-10-14"], hours=("01:50", "02:50")
    )
    build_cube(source, folder / "RW.zarr", client=False, progress=False)
    return folder / "RW.zarr"


@pytest.fixture(scope="module")
def expected(cube: Path) -> xr.DataArray:
    """Return the codes of 2019-02-01 02:50 as radar_nb reads them."""
    found: xr.DataArray = open_cube(cube, packed=True).RW.sel(time="2019-02-01T02:50").load()
    return found


@pytest.fixture(scope="module")
def number(cube: Path) -> int:
    """Return the number of that step in the array, from the time axis of the store."""
    with xr.open_zarr(cube, chunks=None) as ds:
        return int(ds.get_index("time").get_loc(np.datetime64("2019-02-01T02:50")))


def _zarr_python(cube: Path, number: int) -> tuple[Any, Codes]:
    array = zarr.open_group(cube, mode="r")["RW"]
    assert isinstance(array, zarr.Array)
    return array.shape, np.asarray(array[number])


def _zarrs(cube: Path, number: int) -> tuple[Any, Codes]:
    pytest.importorskip("zarrs", reason="zarrs is not installed")
    with zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"}):
        return _zarr_python(cube, number)


def _tensorstore(cube: Path, number: int) -> tuple[Any, Codes]:
    tensorstore = pytest.importorskip("tensorstore", reason="tensorstore is not installed")
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(cube / "RW")}}
    array = tensorstore.open(spec, read=True).result()
    return array.shape, np.asarray(array[number].read().result())


def _dask(cube: Path, number: int) -> tuple[Any, Codes]:
    dask = pytest.importorskip("dask.array", reason="dask is not installed")
    array = dask.from_zarr(str(cube / "RW"))
    return array.shape, array[number].compute()


def _zarrita(cube: Path, number: int) -> tuple[Any, Codes]:
    if shutil.which("node") is None or "ZARRITA" not in os.environ:
        pytest.skip("needs node, and ZARRITA=the folder in which `npm install zarrita` ran")
    script = Path(__file__).parents[1] / "support" / "read_with_zarrita.mjs"
    command: list[Any] = [shutil.which("node"), script, cube, "RW", str(number)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own script
    found = json.loads(done.stdout)
    assert found["scale"] == 0.1
    return tuple(found["shape"]), np.array(found["codes"], np.uint16).reshape(found["shape"][1:])


def _gdal(cube: Path, number: int) -> tuple[Any, Codes]:
    rasterio = pytest.importorskip("rasterio", reason="rasterio is not installed")
    if tuple(map(int, rasterio.__gdal_version__.split(".")[:2])) < (3, 13):
        pytest.skip(f"GDAL {rasterio.__gdal_version__} does not read shards; 3.13 and later do")
    with rasterio.open(f'ZARR:"{cube}":/RW:{number}') as band:
        return (365 * 24, *band.shape), band.read(1)


READERS: dict[str, Callable[[Path, int], tuple[Any, Codes]]] = {
    "zarr-python": _zarr_python,
    "zarrs": _zarrs,
    "tensorstore": _tensorstore,
    "dask": _dask,
    "zarrita": _zarrita,
    "GDAL": _gdal,
}


@pytest.mark.parametrize("reader", READERS)
def test_codes_are_equal(cube: Path, expected: xr.DataArray, number: int, reader: str) -> None:
    """Every reader finds the shape of the array, and all codes of a step."""
    shape, codes = READERS[reader](cube, number)

    assert tuple(shape) == (365 * 24, 450, 450)
    np.testing.assert_array_equal(codes, expected.values)
    assert (codes == 0xFFFF).any()
    assert (codes != 0xFFFF).any()


def test_xarray_decodes_values_times_and_missing_cells(cube: Path) -> None:
    """Plain xarray opens without a warning; values, times and missing cells are those of `open_cube`."""
    part = {"y": slice(150, 350), "x": slice(150, 350)}  # from the corner without data into the rest
    ours = open_cube(cube).RW.isel(part).load()

    with warnings.catch_warnings(action="error"), xr.open_zarr(cube, chunks=None) as ds:
        plain = ds.RW.sel(time=ours.time).isel(part).load()
        bounds = ds.time_bnds.sel(time=ours.time).load()

    assert 0 < int(ours.isnull().sum()) < ours.size
    np.testing.assert_allclose(plain, ours, rtol=1e-6)
    assert plain.attrs["units"] == ours.attrs["units"] == "mm"
    np.testing.assert_array_equal(bounds, open_cube(cube).time_bnds)


def test_the_time_axis_covers_the_years_that_were_built(cube: Path) -> None:
    """It begins and ends with the years of the first and the last day, not with those that could be built."""
    with xr.open_zarr(cube, chunks=None) as ds:
        times = ds.time.values

    assert (times[0], times[-1]) == (np.datetime64("2019-01-01T00:50"), np.datetime64("2019-12-31T23:50"))


class TestConventions:
    """Where the grid lies, for readers of the Zarr conventions `proj` and `spatial`."""

    def test_they_place_the_cells(self, cube: Path) -> None:
        """Transform, box and projection place the corners of the grid where its coordinates are."""
        pyproj = pytest.importorskip("pyproj", reason="pyproj is not installed")
        attrs: dict[str, Any] = dict(zarr.open_group(cube, mode="r").attrs)
        grid = GRIDS["de450"]

        a, b, c, d, e, f = attrs["spatial:transform"]

        np.testing.assert_allclose(
            (a * (np.arange(450) + 0.5) + c, e * (np.arange(450) + 0.5) + f), (grid.x, grid.y)
        )
        assert (b, d) == (0, 0)
        assert attrs["spatial:bbox"] == [c, f, c + 450 * a, f + 450 * e]
        assert (attrs["spatial:dimensions"], attrs["spatial:shape"]) == (["y", "x"], [450, 450])
        assert attrs["spatial:registration"] == "pixel"
        there = pyproj.Transformer.from_crs(attrs["proj:wkt2"], PROJ["sphere"], always_xy=True)
        np.testing.assert_allclose(there.transform(grid.x0, grid.y0), (grid.x0, grid.y0), atol=0.01)
        assert {one["uuid"] for one in attrs["zarr_conventions"]} == {
            "f17cb550-5864-4468-aeb7-f3180cfb622f",
            "689b58e2-cf7b-45e0-9fff-9cfc0883d6b4",
        }

    def test_datasets_of_radar_nb_do_not_repeat_them(self, cube: Path) -> None:
        """`open_cube` returns the attributes that `open_dataset` returns for the archives."""
        ds = open_cube(cube)

        assert not {name for name in (*ds.attrs, *ds.RW.attrs) if ":" in name or name == "zarr_conventions"}

    def test_the_licence_is_an_identifier_of_spdx(self, cube: Path) -> None:
        """Validators of catalogues accept identifiers only."""
        assert zarr.open_group(cube, mode="r").attrs["license"] == "CC-BY-4.0"
