"""Cost of a catalogue of heavy rain events: processor time and memory of a month of RW, and of 2001 to 2025.

    python benchmarks/catalogue.py [--month FOLDER] [--runs 3]

The month is synthetic (June 2020 of the mirror) and is made in the folder if it is not there, which takes minutes.
Its return levels have the medians of RADKLIM by duration, at each cell. Each row has its own process, which
measures its peak memory. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
import xarray as xr
from peak_memory import peak_memory

HOURS = (1, 2, 4, 6, 12, 24, 48, 72)
LOCATIONS = (11.47, 15.53, 20.24, 23.25, 29.42, 36.38, 44.44, 50.17)
SCALES = (3.76, 4.51, 5.34, 5.91, 7.32, 9.37, 10.53, 11.33)
"""mm: medians of 40,000 cells of RADKLIM-RW, annual maxima 2001 to 2020 (fits of plvoit/xWEI)."""
FRAMES = 219_144
"""Hours of 2001 to 2025."""
ROWS = {
    "W3, levels of one place": ("W3", False),
    "W3, levels of each cell": ("W3", True),
    "T5, levels of each cell": ("T5", True),
}


def levels(*, cells: bool) -> xr.Dataset:
    """Return levels of DWD's durations, the same at each cell, or of one place."""
    from radar_nb.dwd.catrare import DURATIONS  # noqa: PLC0415 - only the process that measures pays for it
    from radar_nb.dwd.grids import GRIDS  # noqa: PLC0415 - the same

    logs = np.log(DURATIONS)
    values = {
        "shape": np.full(len(DURATIONS), -0.1),
        "location": np.interp(logs, np.log(HOURS), LOCATIONS),
        "scale": np.interp(logs, np.log(HOURS), SCALES),
    }
    one = xr.Dataset(
        {name: ("duration", value) for name, value in values.items()},
        {"duration": np.array(DURATIONS, "m8[h]").astype("m8[ns]")},
        {"counted": "annual"},
    )
    if not cells:
        return one
    grid = GRIDS["de1100"]
    field = xr.DataArray(np.ones(grid.shape), {"y": grid.y, "x": grid.x}, ("y", "x"))
    return (one * field).assign_attrs(one.attrs)


def measure(folder: str, name: str, runs: int) -> dict[str, Any]:
    """Return milliseconds a frame of processor and of waiting, MB, and the number of events and frames."""
    import radar_nb as rn  # noqa: PLC0415 - the same

    thresholds, cells = ROWS[name]
    chosen = levels(cells=cells)
    frames = rn.open_dataset(folder, progress=False).sizes["time"]
    processor, waited, events = [], [], []
    for _ in range(runs):
        began, since = process_time(), perf_counter()
        events = rn.heavy_rain_catalogue(folder, thresholds, levels=chosen, progress=False)
        processor.append(1000 * (process_time() - began) / frames)
        waited.append(1000 * (perf_counter() - since) / frames)
    memory = peak_memory()
    return {"cpu": processor, "wall": waited, "MB": memory, "events": len(events), "frames": frames}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--month", default=str(Path(tempfile.gettempdir()) / "radar_nb-month"))
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(json.dumps(measure(options.month, options.row, options.runs)))
        return
    from radar_nb.mirror import make_archives  # noqa: PLC0415 - the same

    make_archives(options.month, "RW", "2020-06")
    print(f"processors: {os.cpu_count()}, load: {os.getloadavg()[0]:.1f}")
    print("| what | events | processor, ms a frame | 2001 to 2025, processor h | waiting, ms a frame | MB |")
    print("|---|---|---|---|---|---|")
    for name in ROWS:
        call = [sys.executable, __file__, "--month", options.month, "--runs", str(options.runs), "--row", name]
        found = json.loads(subprocess.run(call, check=True, capture_output=True, text=True).stdout)
        hours = [value * FRAMES / 3.6e6 for value in found["cpu"]]
        print(
            f"| {name} | {found['events']} | {median(found['cpu']):.1f} | {median(hours):.2f} "
            f"({min(hours):.2f} to {max(hours):.2f}) | {median(found['wall']):.1f} | {found['MB']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
