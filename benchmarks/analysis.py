"""Cost of the analyses: areas, moving sums, events and return levels, and the plain way to do the same.

    python benchmarks/analysis.py [--archive YW2017.002_202006.tar] [--runs 5]

Each row has a process of its own, so that its peak memory is its own; the weights of areas are computed before the
clock starts, and stand in a row of their own. The year of daily totals is simulated: fields made in memory as they
are asked for. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np
from peak_memory import peak_memory

if TYPE_CHECKING:
    from collections.abc import Callable

ARCHIVE = (
    Path(__file__).resolve().parents[2]
    / "shared/real/mirror/climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
    / "YW2017.002_202006.tar"
)
CATCHMENTS = 200


def catchments() -> Any:
    """Make polygons that cover Germany's rectangle without gaps: the cells of random points."""
    import geopandas as gpd  # noqa: PLC0415 - only the process that measures it pays for it
    import shapely  # noqa: PLC0415 - the same

    box = shapely.box(6.2, 47.9, 14.3, 54.3)
    points = shapely.multipoints(np.random.default_rng(0).uniform(box.bounds[:2], box.bounds[2:], (CATCHMENTS, 2)))
    cells = shapely.voronoi_polygons(points, extend_to=box)
    return gpd.GeoDataFrame(geometry=[shapely.intersection(cell, box) for cell in cells.geoms], crs=4326)


def timed(work: Callable[[], Any], runs: int, clock: Callable[[], float] = perf_counter) -> float:
    """Return the median of some runs in seconds."""
    seconds = []
    for _ in range(runs):
        began = clock()
        work()
        seconds.append(clock() - began)
    return median(seconds)


def ours(work: Callable[[], Any], runs: int) -> dict[str, float]:
    """Measure our own work, and the process's memory before any baseline has run."""
    seconds = timed(work, runs)
    return {"s": seconds, "MB": peak_memory()}


def weights(archive: Path, runs: int) -> dict[str, float]:
    """Compute the weights of 200 catchments."""
    from radar_nb.analysis import areas  # noqa: PLC0415 - the same
    from radar_nb.dwd.grids import GRIDS  # noqa: PLC0415 - the same

    del archive
    shapes = catchments()

    def once() -> None:
        areas._known.clear()  # noqa: SLF001 - or nothing would be measured
        areas.find_areas(shapes, GRIDS["de1100"])

    return ours(once, runs)


def means(archive: Path, runs: int) -> dict[str, float]:
    """Take means of a frame in memory, with known weights, and as exactextract does it: CPU time."""
    from exactextract import exact_extract  # noqa: PLC0415 - the same
    from exactextract.raster import NumPyRasterSource  # noqa: PLC0415 - the same

    from radar_nb.analysis.areas import Means, find_areas  # noqa: PLC0415 - the same
    from radar_nb.dwd.grids import GRIDS  # noqa: PLC0415 - the same
    from radar_nb.geography.shapes import to_plane  # noqa: PLC0415 - the same
    from radar_nb.reading.opening import open_dataset  # noqa: PLC0415 - the same

    grid, shapes = GRIDS["de1100"], catchments()
    field = open_dataset(archive, chunks=None, progress=False).YW[500].values
    found = find_areas(shapes, grid)
    known = Means(found)
    plane = to_plane(shapes, grid.earth).to_frame("geometry")
    edges = grid.x0 - 500, grid.y0 - 500, grid.x0 - 500 + 900_000, grid.y0 - 500 + 1_100_000
    raster = NumPyRasterSource(field[::-1].astype(float), *edges, srs_wkt=plane.crs.to_wkt())
    return {
        "s": timed(lambda: [known.of(field.take(found.cells)) for _ in range(100)], runs, process_time) / 100,
        "baseline s": timed(lambda: exact_extract(raster, plane, "mean", output="pandas"), runs, process_time),
    }


def archive_areas(archive: Path, runs: int) -> dict[str, float]:
    """Take means of every frame of an archive, in one pass."""
    from radar_nb.analysis import api as analysis  # noqa: PLC0415 - the same

    shapes = catchments()
    once = partial(analysis.over_areas, archive, shapes, progress=False)
    steps = once().sizes["time"]
    return ours(once, runs) | {"frames": steps}


def year(days: int, archive: Path, runs: int) -> dict[str, float]:
    """Take means of daily totals that are made up as they are asked for."""
    import dask.array as da  # noqa: PLC0415 - the same
    import xarray as xr  # noqa: PLC0415 - the same

    from radar_nb.analysis import api as analysis  # noqa: PLC0415 - the same
    from radar_nb.reading.opening import open_dataset  # noqa: PLC0415 - the same

    like = open_dataset(archive, chunks=None, progress=False)
    times = np.datetime64("2020-01-02", "ns") + np.arange(days) * np.timedelta64(1, "D")
    made = da.ones((days, 1100, 900), dtype="f4", chunks=(1, 1100, 900))
    coords = {"time": times, "y": like.y, "x": like.x, "crs": like.crs}
    ds = xr.Dataset({"YW": (("time", "y", "x"), made, like.YW.attrs)}, coords)
    shapes = catchments()
    return ours(lambda: analysis.over_areas(ds, shapes).compute(), runs) | {"frames": days}


def moving(archive: Path, runs: int) -> dict[str, float]:
    """Count exceedances of 15 mm in an hour, at every cell; and as xarray rolls a tenth of the rows."""
    from radar_nb.analysis import api as analysis  # noqa: PLC0415 - the same
    from radar_nb.reading.opening import open_dataset  # noqa: PLC0415 - the same

    ds = open_dataset(archive, chunks=None, progress=False).isel(time=slice(0, 288))
    part = ds.YW[:, 500:610]

    def plain() -> None:
        (part.load().rolling(time=12).sum() >= 15).sum("time").load()

    found = ours(lambda: analysis.exceedance(ds, 15, "1h", progress=False), runs)
    return found | {"baseline s": 10 * timed(plain, 1), "frames": 288}


def storms(archive: Path, runs: int) -> dict[str, float]:
    """Follow events of a day; and label the whole day at once."""
    from scipy import ndimage  # noqa: PLC0415 - the same

    from radar_nb.analysis.events import events  # noqa: PLC0415 - the same
    from radar_nb.reading.opening import open_dataset  # noqa: PLC0415 - the same

    ds = open_dataset(archive, chunks=None, progress=False).isel(time=slice(288, 576))
    found = ours(lambda: events(ds, 0.5, min_area=10, progress=False), runs)
    label = timed(lambda: ndimage.label(ds.YW.values >= 0.5, np.ones((3, 3, 3))), 1)
    return found | {"baseline s": label, "frames": 288}


def levels(archive: Path, runs: int) -> dict[str, float]:
    """Fit 25 years of 12 durations in 200 areas, with 500 draws; and without draws, as lmoments3 does."""
    import xarray as xr  # noqa: PLC0415 - the same
    from lmoments3 import distr  # noqa: PLC0415 - the same

    from radar_nb.analysis.return_levels import return_levels  # noqa: PLC0415 - the same

    del archive
    values = np.random.default_rng(0).gumbel(30, 8, (25, 12, 200))
    maxima = xr.DataArray(values, dims=("year", "duration", "area"), attrs={"units": "mm"})
    found = ours(lambda: return_levels(maxima, [2, 10, 50]), runs)
    return found | {"baseline s": timed(lambda: [distr.gev.lmom_fit(one) for one in values.reshape(25, -1).T], 1)}


def quantiles(archive: Path, runs: int) -> dict[str, float]:
    """Find the 99 % quantile of every cell; and sort the values of a hundredth of the rows: CPU time."""
    from radar_nb.analysis.reductions import reduce  # noqa: PLC0415 - the same
    from radar_nb.reading.opening import open_dataset  # noqa: PLC0415 - the same

    seconds = timed(lambda: reduce(archive, "quantile", quantile=0.99, progress=False), runs, process_time)
    found = {"s": seconds, "MB": peak_memory()}
    ds = open_dataset(archive, chunks=None, progress=False)
    rows = ds.YW[:, 500:511].values
    plain = timed(lambda: np.sort(rows, axis=0), 1, process_time)
    return found | {"baseline s": 100 * plain, "frames": ds.sizes["time"]}


ROWS: dict[str, tuple[str, Callable[[Path, int], dict[str, float]]]] = {
    "weights of 200 catchments": ("", weights),
    "their means of one frame in memory": ("exactextract", means),
    "their means of all frames of the archive": ("", archive_areas),
    "their means of 60 daily totals (simulated)": ("", partial(year, 60)),
    "their means of 365 daily totals (simulated)": ("", partial(year, 365)),
    "15 mm in 1 h at every cell, a day of YW": ("xarray's rolling, a tenth, times ten", moving),
    "events of a day of YW": ("ndimage.label of the day, components alone", storms),
    "99 % quantile of every cell of the archive, CPU": ("np.sort of a hundredth in memory, times 100", quantiles),
    "return levels, 2400 series, 500 draws": ("lmoments3, fits alone", levels),
}


def main() -> None:
    """Measure each row in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--row", choices=ROWS, help=argparse.SUPPRESS)
    parser.add_argument("--only", metavar="TEXT", default="", help="rows that contain this text")
    options = parser.parse_args()
    if options.row:
        found = ROWS[options.row][1](options.archive, options.runs)
        print(json.dumps(found))
        return
    print("| what | baseline | radar_nb | peak |\n|---|---|---|---|")
    for row, (name, _) in ROWS.items():
        if options.only not in row:
            continue
        command = [sys.executable, "-W", "ignore", __file__, "--archive", str(options.archive), "--row", row]
        printed = subprocess.run(
            [*command, "--runs", str(options.runs)], check=True, capture_output=True, text=True
        )
        found = json.loads(printed.stdout)
        each = f", {1000 * found['s'] / found['frames']:.2f} ms a frame" if "frames" in found else ""
        peak = f"{found['MB']:.0f} MB" if "MB" in found else ""
        baseline = f"{name}: {found['baseline s'] * 1000:.1f} ms" if "baseline s" in found else ""
        print(f"| {row} | {baseline} | {found['s'] * 1000:.2f} ms{each} | {peak} |", flush=True)


if __name__ == "__main__":
    main()
