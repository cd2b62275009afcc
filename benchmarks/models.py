"""Series of rain for models: how long 25 years of 5 minutes at 200 subcatchments take, and how much memory.

    python benchmarks/models.py [YEARS] [FORMAT ...]

The series are simulated block by block, 7 % of the intervals are wet, so that they are never in memory as a
whole; the time to simulate them is shown apart. Each format is written in a process of its own, whose peak
memory is its own.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from peak_memory import peak_memory

from radar_nb.exports.api import export

PLACES, MINUTES, BLOCK = 200, 5, 20_000
TARGETS = {
    "swmm": "rain.dat",
    "hystem-extran": "{name}.reg",
    "uvf": "rain.uvf",
    "zrxp": "rain.zrx",
    "infoworks": "rain.csv",
}


def simulated(years: int) -> xr.Dataset:
    """Return lazy series as `over_areas` does for a cube that is opened with chunks."""
    import dask.array as da  # noqa: PLC0415 - only the process that measures pays for it

    steps = int(years * 365.25 * 24 * 60 / MINUTES)

    def block(block_info: Any = None) -> Any:
        (start, stop), _ = block_info[None]["array-location"]
        rng = np.random.default_rng(start)
        wet = rng.random((stop - start, PLACES), np.float32) < 0.07
        return np.where(wet, rng.exponential(0.1, wet.shape), 0).astype(np.float32)

    chunks = ((BLOCK,) * (steps // BLOCK) + ((steps % BLOCK,) if steps % BLOCK else ()), (PLACES,))
    values = da.map_blocks(block, chunks=chunks, dtype=np.float32)  # type: ignore[no-untyped-call] # of dask itself
    times = np.datetime64("2001-01-01T00:00", "ns") + np.timedelta64(MINUTES, "m") * np.arange(1, steps + 1)
    names = np.array([f"S{k:03d}" for k in range(PLACES)], object)
    attrs = {"units": "mm", "cell_methods": "time: sum area: mean", "interval_minutes": MINUTES}
    return xr.Dataset(
        {"YW": (("time", "area"), values, attrs)}, {"time": times, "area": names}, {"title": "simulated"}
    )


def one(years: int, name: str) -> None:
    """Write a format, and print what it took."""
    ds = simulated(years)
    begun, worked = time.perf_counter(), time.process_time()
    if name == "simulate":
        for first in range(0, ds.sizes["time"], BLOCK):
            ds.YW[first : first + BLOCK].to_numpy()
        size = ds.YW.nbytes
    else:
        label: Any = "start"
        with tempfile.TemporaryDirectory(dir=".") as folder:
            export(ds, Path(folder, TARGETS[name]), format=name, tz="UTC+1", label=label)
            size = sum(path.stat().st_size for path in Path(folder).iterdir())
    seconds, worked = time.perf_counter() - begun, time.process_time() - worked
    peak = peak_memory()
    rate = ds.YW.size / worked / 1e6
    cells = [
        name,
        years,
        f"{seconds:.0f} s",
        f"{worked:.0f} s",
        f"{rate:.1f}",
        f"{size / 1e9:.2f} GB",
        f"{peak:.0f} MB",
    ]
    print("|", *(f"{cell} |" for cell in cells), flush=True)


def main(words: list[str]) -> None:
    """Measure formats, one process each."""
    years = int(words[0]) if words else 25
    print("| format | years | time | CPU | million values a CPU second | size | memory |")
    print("| --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name in ["simulate", *(words[1:] or TARGETS)]:
        subprocess.run([sys.executable, __file__, "--one", str(years), name], check=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]), sys.argv[3])
    else:
        main(sys.argv[1:])
