"""Cost of annual maxima, exceedance and return levels, compared with the former code and plain NumPy.

    python benchmarks/extremes.py [--archive YW2017.002_202006.tar] [--runs 3] [--copies 10] [--only TEXT]

Each row has its own process, which measures its peak memory. Figures are processor time, which hardly depends on
what else the machine does; the last column is what the clock says. The month repeats the archive's days, each time
moved by some rows, so that other cells have other maxima. Events: see `former.py`. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from peak_memory import peak_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from radar_nb.analysis.blocks import StepBlock
    from radar_nb.analysis.return_levels import Method

ARCHIVE = (
    Path(__file__).resolve().parents[2]
    / "shared/real/mirror/climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
    / "YW2017.002_202006.tar"
)
DURATIONS = [5, 10, 15, 30, 60, 120, 240, 360, 720, 1440, 2880, 4320]
PERIODS = [2.0, 5, 10, 20, 30, 50, 100]
METHODS: tuple[Method, ...] = ("lmoments", "ml", "kostra", "dgev")


FORMER_FRAMES = 144
"""Frames, from the archive's second day on, on which the former code is measured."""


def timed(work: Callable[[], Any], runs: int) -> tuple[float, float]:
    """Return the median processor time of some runs in seconds, and that of the clock."""
    seconds = []
    for _ in range(runs):
        began, clock = process_time(), perf_counter()
        work()
        seconds.append((process_time() - began, perf_counter() - clock))
    used, passed = zip(*seconds, strict=True)
    return median(used), median(passed)


def measured(
    work: Callable[[], Any], runs: int, count: float, baseline: Callable[[], float] | None = None
) -> dict[str, Any]:
    """Measure our own work and memory first, then the baseline: milliseconds for each of some things."""
    used, passed = timed(work, runs)
    memory = peak_memory()
    found = {"ms": 1000 * used / count, "clock": 1000 * passed / count, "MB": memory}
    return found if baseline is None else found | {"baseline": 1000 * baseline()}


def former(archive: Path, durations: list[int], thresholds: tuple[float, ...] = ()) -> float:
    """Return the processor seconds a frame that the former code takes, in a part of the archive."""
    from former_moving_sums import moving_sums  # noqa: PLC0415 - only the process that measures it pays for it

    from radar_nb.analysis.periods import make_periods  # noqa: PLC0415 - the same
    from radar_nb.reading.intervals import ends_of  # noqa: PLC0415 - the same
    from radar_nb.reading.opening import open_dataset  # noqa: PLC0415 - the same

    day = open_dataset(archive, chunks=None, progress=False).YW.isel(time=slice(288, 288 + FORMER_FRAMES))
    periods = make_periods(ends_of(day), None, minutes=5)
    return timed(lambda: moving_sums(day, durations, periods, thresholds=thresholds), 1)[0] / FORMER_FRAMES


def maxima(archive: Path, runs: int) -> dict[str, Any]:
    """Annual maxima of twelve durations, from the archive."""
    from radar_nb.analysis.extremes import annual_maxima  # noqa: PLC0415 - the same

    names = [f"{minutes}min" for minutes in DURATIONS]
    work = lambda: annual_maxima(archive, names, min_coverage=0, progress=False)  # noqa: E731
    frames = 864
    return measured(work, runs, frames, lambda: former(archive, DURATIONS))


def maxima_of_cube(archive: Path, runs: int) -> dict[str, Any]:
    """Annual maxima of twelve durations, from a cube that is built first."""
    from radar_nb.analysis.extremes import annual_maxima  # noqa: PLC0415 - the same
    from radar_nb.cube.building import build_cube  # noqa: PLC0415 - the same

    names = [f"{minutes}min" for minutes in DURATIONS]
    with tempfile.TemporaryDirectory() as folder:
        cube = Path(folder, "YW.zarr")
        build_cube(archive, cube, progress=False)
        return measured(lambda: annual_maxima(cube, names, min_coverage=0, progress=False), runs, 864)


def month(archive: Path, copies: int) -> dict[str, Any]:
    """Find the maxima of so many times as many frames, in the same memory."""
    from radar_nb.analysis.blocks import StepBlock, in_order, stream_blocks  # noqa: PLC0415 - the same
    from radar_nb.analysis.moving_sums import moving_sums  # noqa: PLC0415 - the same
    from radar_nb.analysis.periods import make_periods  # noqa: PLC0415 - the same
    from radar_nb.cube.frame_stream import open_stream  # noqa: PLC0415 - the same
    from radar_nb.reading.dataset import Options  # noqa: PLC0415 - the same

    stream = open_stream(archive, Options(), progress=False)
    times = stream.times
    ends = times[0] + np.timedelta64(5, "m") * np.arange(copies * times.size)
    amount = xr.DataArray(
        np.broadcast_to(np.float32(0), (ends.size, *stream.grid.shape)), {"time": ends}, ("time", "y", "x")
    )

    def feed() -> Iterator[StepBlock]:
        for number in range(copies):
            shift = number * 37 * stream.grid.cols
            for block in stream_blocks(stream, in_order(stream), 0, times.size, "month"):
                values = np.roll(block.values, shift, axis=1) if shift else block.values
                yield StepBlock(start=number * times.size + block.start, values=values, packing=block.packing)

    periods = make_periods(ends, "YS", minutes=5)
    return measured(lambda: moving_sums(feed(), amount, DURATIONS, periods), 1, ends.size)


def series(runs: int) -> dict[str, Any]:
    """Find the maxima of 10,000 points: nanoseconds a value and duration."""
    from former_moving_sums import moving_sums  # noqa: PLC0415 - the same

    from radar_nb.analysis.extremes import annual_maxima  # noqa: PLC0415 - the same
    from radar_nb.analysis.periods import make_periods  # noqa: PLC0415 - the same

    steps = 288 * 7
    rng = np.random.default_rng(0)
    values = np.where(rng.random((steps, 10_000)) < 0.05, rng.integers(1, 300, (steps, 10_000)), 0) / 100
    times = np.datetime64("2020-06-01T00:05", "ns") + np.arange(steps) * np.timedelta64(5, "m")
    attrs = {"units": "mm", "cell_methods": "time: sum", "interval_minutes": 5}
    rain = xr.DataArray(values.astype("f4"), {"time": times}, ("time", "point"), "YW", attrs)
    names = [f"{minutes}min" for minutes in DURATIONS]
    count = values.size * len(names) / 1e6  # nanoseconds
    periods = make_periods(times.astype("M8[s]"), "YS", minutes=5)
    return measured(
        lambda: annual_maxima(rain, names, min_coverage=0, progress=False),
        runs,
        int(count),
        lambda: timed(lambda: moving_sums(rain, DURATIONS, periods), 1)[0] / count,
    )


def exceedance(archive: Path, runs: int) -> dict[str, Any]:
    """Count how often 15 mm in an hour are reached."""
    import radar_nb as rn  # noqa: PLC0415 - the same

    work = lambda: rn.exceedance(archive, 15, "1h", progress=False)  # noqa: E731
    return measured(work, runs, 864, lambda: former(archive, [60], (15.0,)))


def levels(runs: int, draws: int) -> dict[str, Any]:
    """Fit 990,000 cells of 25 years, a tenth of them with draws; the baseline fits them once, in plain NumPy."""
    from radar_nb.analysis.return_levels import return_levels  # noqa: PLC0415 - the same

    rows = 110 if draws else 1100
    values = np.random.default_rng(0).gumbel(30, 8, (25, rows, 900)).astype("f4")
    largest = xr.DataArray(values, dims=("year", "y", "x"), name="YW", attrs={"units": "mm"})
    work = lambda: return_levels(largest, PERIODS, resamples=draws)  # noqa: E731
    baseline = None if draws else lambda: timed(lambda: plain_levels(values), runs)[0]
    return measured(work, 1 if draws else runs, rows / 1100, baseline)


def fits(options: argparse.Namespace, method: Method) -> dict[str, Any]:
    """Fit 2,000 cells of 25 years and twelve durations."""
    from radar_nb.analysis.return_levels import return_levels  # noqa: PLC0415 - the same

    hours = np.array(DURATIONS)[:, None] / 60
    reached = 13.6 + 4.2 * np.random.default_rng(0).gumbel(0, 1, (25, len(DURATIONS), 2000))
    durations = np.array(DURATIONS, "m8[m]").astype("m8[ns]")
    values = xr.DataArray(
        np.maximum(reached * hours / (hours + 0.1) ** 0.73, 0.1),
        {"duration": durations},
        ("year", "duration", "point"),
        attrs={"units": "mm"},
    )
    work = lambda: return_levels(values, PERIODS, method=method, resamples=0)  # noqa: E731
    return measured(work, options.runs, 2)


def plain_levels(values: Any) -> Any:
    """Return the levels as one would write it down: L-moments, shape from a table, quantiles."""
    from scipy.special import gamma  # noqa: PLC0415 - the same

    ordered = np.sort(values.reshape(25, -1).astype(float), axis=0)
    rank = np.arange(25.0)[:, None]
    b0, b1 = ordered.mean(axis=0), (ordered * rank).sum(axis=0) / (25 * 24)
    b2 = (ordered * rank * (rank - 1)).sum(axis=0) / (25 * 24 * 23)
    l2 = 2 * b1 - b0
    shapes = np.linspace(5, -0.99, 1 << 17)
    k = np.interp((6 * b2 - 6 * b1 + b0) / l2, 2 * (1 - 3.0**-shapes) / (1 - 2.0**-shapes) - 3, shapes)
    scale = l2 * k / ((1 - 2.0**-k) * gamma(1 + k))
    location = b0 - scale * (1 - gamma(1 + k)) / k
    return [location + scale / k * (1 - (-np.log(1 - 1 / period)) ** k) for period in PERIODS]


ROWS: dict[str, tuple[str, Callable[[Any], dict[str, Any]]]] = {
    "annual maxima, 12 durations, three days of YW": ("ms a frame", lambda o: maxima(o.archive, o.runs)),
    "the same from a cube": ("ms a frame", lambda o: maxima_of_cube(o.archive, o.runs)),
    "the same, copies of them, moved": ("ms a frame", lambda o: month(o.archive, o.copies)),
    "the same, 10,000 points": ("ns a value and duration", lambda o: series(o.runs)),
    "15 mm in 1 h at every cell": ("ms a frame", lambda o: exceedance(o.archive, o.runs)),
    "return levels, 990,000 cells x 25 years": ("ms", lambda o: levels(o.runs, 0)),
    "the same with 100 draws": ("ms", lambda o: levels(o.runs, 100)),
} | {f'levels of 12 durations, "{method}"': ("us a cell", partial(fits, method=method)) for method in METHODS}


def main() -> None:
    """Measure each row in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--copies", type=int, default=10, help="how often the days are repeated")
    parser.add_argument("--only", default="", help="only rows whose names contain this")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(ROWS[options.row][1](options)))
        return
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    print(
        "| what | unit | baseline | radar_nb | times faster | by the clock | peak |\n|---|---|---|---|---|---|---|"
    )
    for row, (unit, _) in ROWS.items():
        if options.only not in row:
            continue
        given = ["--archive", options.archive, "--runs", options.runs, "--copies", options.copies, "--row", row]
        command = [sys.executable, "-W", "ignore", __file__, *map(str, given)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found = json.loads(done.stdout)
        ours, before = found["ms"], found.get("baseline")
        known, ratio = ("", "") if before is None else (f"{before:.2f}", f"{before / ours:.1f}")
        figures = f"{known} | {ours:.2f} | {ratio} | {found['clock']:.2f} | {found['MB']:.0f} MB"
        print(f"| {row} | {unit} | {figures} |", flush=True)


if __name__ == "__main__":
    main()
