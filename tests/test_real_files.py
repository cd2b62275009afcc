"""Every kind of real file opens, is drawn, exported and answers at a point, in Python and in the terminal."""

from __future__ import annotations

import csv
import io
import itertools
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import pytest
import rasterio
import xarray as xr
from conftest import REAL

import radar_nb as rn
from radar_nb.cli.main import main
from radar_nb.reading.opening import RadarNbBackend

if TYPE_CHECKING:
    from pathlib import Path


def _files() -> list[Path]:
    """Return every real file; of frames of one series in the mirror the first, since the others differ in time."""
    found = sorted(path for path in REAL.rglob("*") if path.is_file() and path.suffix not in {".md", ".index"})
    series: dict[Path, Path] = {}
    alone = [path for path in found if path.relative_to(REAL).parts[0] != "mirror"]
    for path in found:
        if path not in alone and not path.name.startswith("."):
            series.setdefault(path.parent, path)
    return [*(path for path in alone if not path.name.startswith(".")), *series.values()]


FILES = _files()
LON, LAT = 9.5, 51.3
"""Kassel, which every grid contains."""
MOST = 1200
"""Cells to each side of Kassel that are exported: all but those of HX, 21 million cells."""

pytestmark = pytest.mark.skipif(not FILES, reason="the real input is not on this machine")


@pytest.fixture(scope="module")
def used() -> set[tuple[Any, ...]]:
    """Collect the products and grids that were drawn, and those of each form that were exported."""
    return set()


@pytest.fixture(params=FILES, ids=[path.name for path in FILES])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a copy of a real file: indexes are written beside it. Of the 288 frames of a day, it has 12."""
    path: Path = request.param
    copy = tmp_path / path.name
    if path.name == "YW2017.002_202006.tar":
        with tarfile.open(path) as month, tarfile.open(copy, "w") as part:
            for day in month:
                hour = io.BytesIO()
                with (
                    tarfile.open(fileobj=month.extractfile(day)) as frames,
                    tarfile.open(fileobj=hour, mode="w:gz", compresslevel=1) as some,
                ):
                    for member in itertools.islice(frames, 12):
                        some.addfile(member, frames.extractfile(member))
                day.size = hour.tell()
                hour.seek(0)
                part.addfile(day, hour)
    else:
        copy.write_bytes(path.read_bytes())
    return copy


def test_a_real_file_is_used_in_python(real: Path, tmp_path: Path) -> None:
    """Opened lazily, its cell at a point equals the field's, and exports hold the field."""
    ds = rn.open_dataset(real, progress=False)
    (name,) = ds.data_vars
    one = rn.forecast(ds, run="latest") if "lead_time" in ds.dims else ds
    field = ds[name].isel(dict.fromkeys(set(ds[name].dims) - {"y", "x"}, 0)).load()
    assert RadarNbBackend().guess_can_open(str(real))
    assert 0 < int(field.notnull().sum()) <= field.size

    series = rn.at_points(one, {"Kassel": (LON, LAT)}).load()
    project = pyproj.Transformer.from_crs(4326, pyproj.CRS.from_cf(ds.crs.attrs), always_xy=True)
    x, y = project.transform(LON, LAT)
    row, col = int(np.abs(ds.y.values - y).argmin()), int(np.abs(ds.x.values - x).argmin())
    assert np.array_equal(series[name].values.ravel()[0], field.values[row, col], equal_nan=True)

    rn.export(series, tmp_path / "point.csv")
    around = {dim: slice(max(0, at - MOST), at + MOST) for dim, at in (("y", row), ("x", col))}
    field = field.isel(around)
    first = ds.isel(around).isel({dim: slice(0, 1) for dim in ds[name].dims if dim not in {"y", "x"}})
    rn.export(first, tmp_path / "field.nc")
    rn.export(first, tmp_path / "field.tif")
    with xr.open_dataset(tmp_path / "field.nc") as stored:
        assert np.array_equal(stored[name].values.reshape(field.shape), field.values, equal_nan=True)
    with rasterio.open(tmp_path / "field.tif") as raster:
        assert np.array_equal(raster.read(1)[::-1], field.values.astype("f4"), equal_nan=True)


def test_a_real_file_is_used_in_the_terminal(
    real: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], used: set[tuple[Any, ...]]
) -> None:
    """`info` succeeds for each file; `points` and `export` for the first of each product, grid and form.

    What is drawn does not depend on the form: `plot` succeeds for the first of each product and grid.
    """
    picture, table = tmp_path / "field.png", tmp_path / "rain.csv"
    ds = rn.open_dataset(real, progress=False)
    several = "lead_time" not in ds.dims and ds.sizes.get("time", 1) > 1
    which = ["--time", f"{ds.time.values[0].astype('datetime64[m]')}"] if several else []
    if ds.sizes["y"] > MOST * 2:  # the picture of all of HX takes a gigabyte
        which += ["--box", f"{LON - 1}", f"{LAT - 1}", f"{LON + 1}", f"{LAT + 1}"]
    kind = (*ds.data_vars, ds.sizes["y"], "lead_time" in ds.dims)
    form = (*kind, several, real.suffix)

    def run(*line: str) -> None:
        code = main(list(line))
        out, err = capsys.readouterr()
        assert code == 0, (line[0], err)
        assert out

    run("info", str(real))
    if kind not in used:
        run("plot", str(real), *which, "--dpi", "50", "--output", str(picture))
        assert picture.stat().st_size > 5_000
    if form in used:
        return
    used.update((kind, form))
    (tmp_path / "points.csv").write_text(f"name,lon,lat\nKassel,{LON},{LAT}\n", "utf-8")
    run("points", str(real), "--lonlat", str(LON), str(LAT))
    run("export", str(real), "--points", str(tmp_path / "points.csv"), "--output", str(table))
    rows = [row for row in csv.reader(table.read_text("utf-8").splitlines()) if not row[0].startswith("#")]
    assert "Kassel" in rows[0]
    assert len(rows) > 1
