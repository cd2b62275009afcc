"""Cost of annual maxima, exceedance, events and return levels, compared with the former code and plain NumPy.

    python benchmarks/extremes.py [--archive YW2017.002_202006.tar] [--runs 3] [--row NAME]

Each row has its own process, which measures its peak memory. The month repeats the archive's days, each
time moved by some rows, so that other cells have other maxima. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from radar_nb.analysis.blocks import StepBlock

ARCHIVE = (
    Path(__file__).resolve().parents[2]
    / "shared/real/mirror/climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
    / "YW2017.002_202006.tar"
)
DURATIONS = [5, 10, 15, 30, 60, 120, 240, 360, 720, 1440, 2880, 4320]
PERIODS = [2.0, 5, 10, 20, 30, 50, 100]


def timed(work: Callable[[], Any], runs: int) -> float:
    """Return the median of some runs in seconds."""
    seconds = []
    for _ in range(runs):
        began = perf_counter()
        work()
        seconds.append(perf_counter() - began)
    return median(seconds)


def measured(work: Callable[[], Any], runs: int, count: int, baseline: Callable[[], float]) -> dict[str, Any]:
    """Measure our own work and memory first, then the baseline: milliseconds for each of some things."""
    ours = timed(work, runs)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"ms": 1000 * ours / count, "MB": memory, "baseline": 1000 * baseline()}


def former(archive: Path, durations: list[int], thresholds: tuple[float, ...] = ()) -> float:
    """Return the seconds a frame that the former code takes, on the archive's second day."""
    from former_moving_sums import moving_sums  # noqa: PLC0415 - only the process that measures it pays for it

    from radar_nb.analysis.periods import make_periods  # noqa: PLC0415 - the same
    from radar_nb.reading.intervals import ends_of  # noqa: PLC0415 - the same
    from radar_nb.reading.opening import open_dataset  # noqa: PLC0415 - the same

    day = open_dataset(archive, chunks=None, progress=False).YW.isel(time=slice(288, 576))
    periods = make_periods(ends_of(day), None, minutes=5)
    return timed(lambda: moving_sums(day, durations, periods, thresholds=thresholds), 1) / 288


def maxima(archive: Path, runs: int) -> dict[str, Any]:
    """Annual maxima of twelve durations, from the archive."""
    from radar_nb.analysis.extremes import annual_maxima  # noqa: PLC0415 - the same

    names = [f"{minutes}min" for minutes in DURATIONS]
    work = lambda: annual_maxima(archive, names, min_coverage=0, progress=False)  # noqa: E731
    frames = 864
    return measured(work, runs, frames, lambda: former(archive, DURATIONS))


def month(archive: Path, runs: int) -> dict[str, Any]:
    """Find the maxima of ten times as many frames, in the same memory."""
    from radar_nb.analysis.blocks import StepBlock, in_order, stream_blocks  # noqa: PLC0415 - the same
    from radar_nb.analysis.moving_sums import moving_sums  # noqa: PLC0415 - the same
    from radar_nb.analysis.periods import make_periods  # noqa: PLC0415 - the same
    from radar_nb.cube.frame_stream import open_stream  # noqa: PLC0415 - the same
    from radar_nb.reading.dataset import Options  # noqa: PLC0415 - the same

    stream = open_stream(archive, Options(), progress=False)
    days, times = 10, stream.times
    ends = times[0] + np.timedelta64(5, "m") * np.arange(days * times.size)
    amount = xr.DataArray(
        np.broadcast_to(np.float32(0), (ends.size, *stream.grid.shape)), {"time": ends}, ("time", "y", "x")
    )

    def feed() -> Iterator[StepBlock]:
        for number in range(days):
            shift = number * 37 * stream.grid.cols
            for block in stream_blocks(stream, in_order(stream), 0, times.size, "month"):
                values = np.roll(block.values, shift, axis=1) if shift else block.values
                yield StepBlock(start=number * times.size + block.start, values=values, packing=block.packing)

    periods = make_periods(ends, "YS", minutes=5)
    return measured(
        lambda: moving_sums(feed(), amount, DURATIONS, periods), min(runs, 1), ends.size, lambda: 0.0
    ) | {"baseline": former(archive, DURATIONS) * 1000}


def series(archive: Path, runs: int) -> dict[str, Any]:
    """Find the maxima of 10,000 points: nanoseconds a value and duration."""
    from former_moving_sums import moving_sums  # noqa: PLC0415 - the same

    from radar_nb.analysis.extremes import annual_maxima  # noqa: PLC0415 - the same
    from radar_nb.analysis.periods import make_periods  # noqa: PLC0415 - the same

    del archive
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
        lambda: timed(lambda: moving_sums(rain, DURATIONS, periods), 1) / count,
    )


def exceedance(archive: Path, runs: int) -> dict[str, Any]:
    """Count how often 15 mm in an hour are reached."""
    import radar_nb as rn  # noqa: PLC0415 - the same

    work = lambda: rn.exceedance(archive, 15, "1h", progress=False)  # noqa: E731
    return measured(work, runs, 864, lambda: former(archive, [60], (15.0,)))


def levels(archive: Path, runs: int, draws: int) -> dict[str, Any]:
    """Fit 990,000 cells of 25 years; the baseline fits them once, in plain NumPy."""
    from radar_nb.analysis.return_levels import return_levels  # noqa: PLC0415 - the same

    del archive
    values = np.random.default_rng(0).gumbel(30, 8, (25, 1100, 900)).astype("f4")
    largest = xr.DataArray(values, dims=("year", "y", "x"), name="YW", attrs={"units": "mm"})
    work = lambda: return_levels(largest, PERIODS, resamples=draws)  # noqa: E731
    return measured(work, runs if not draws else 1, 1, lambda: timed(lambda: plain_levels(values), 1))


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


ROWS: dict[str, tuple[str, Callable[[Path, int], dict[str, Any]]]] = {
    "annual maxima, 12 durations, three days of YW": ("ms a frame", maxima),
    "the same, a month (moved copies)": ("ms a frame", month),
    "the same, 10,000 points": ("ns a value and duration", series),
    "15 mm in 1 h at every cell": ("ms a frame", exceedance),
    "return levels, 990,000 cells x 25 years": ("ms", lambda archive, runs: levels(archive, runs, 0)),
    "the same with 100 draws": ("ms", lambda archive, runs: levels(archive, runs, 100)),
}


def main() -> None:
    """Measure each row in a process of its own, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="only rows whose names contain this")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(ROWS[options.row][1](options.archive, options.runs)))
        return
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    print("| what | unit | baseline | radar_nb | times faster | peak |\n|---|---|---|---|---|---|")
    for row, (unit, _) in ROWS.items():
        if options.only not in row:
            continue
        command = [sys.executable, "-W", "ignore", __file__, "--archive", str(options.archive), "--row", row]
        done = subprocess.run([*command, "--runs", str(options.runs)], check=True, capture_output=True, text=True)
        found = json.loads(done.stdout)
        baseline, ours, memory = found["baseline"], found["ms"], found["MB"]
        print(
            f"| {row} | {unit} | {baseline:.2f} | {ours:.2f} | {baseline / ours:.1f} | {memory:.0f} MB |",
            flush=True,
        )


if __name__ == "__main__":
    main()
