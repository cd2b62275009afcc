"""Open 25 years of 5-minute frames from their indexes: 9,131 archives of a day, 2.63 million frames.

The archives are sparse files of the true size; the index files are real ones, made by reading a synthetic day once
and moving its times. Prints seconds and peak memory of `open_dataset` in a fresh process, medians of several runs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

import numpy as np
from peak_memory import peak_memory

DAYS = 9131
FIRST = np.datetime64("2001-01-01", "s")


def build(folder: Path, days: int) -> None:
    """Make the folder of archives and indexes."""
    from radar_nb.formats.archives import parts  # noqa: PLC0415 - not in the process that is measured
    from radar_nb.formats.index import archive_stamp, make_index, save_index, scan_part  # noqa: PLC0415
    from radar_nb.mirror import make_archives  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as made:
        (day,) = make_archives(made, "YW", "2025-06", days=[1], source="radolan", progress=False)
        found = parts(day)
        index = make_index(day, found, [scan_part(part) for part in found])
        content = day.read_bytes()
        size = len(content)
    start = index.rows["time"].min()
    for number in range(days):
        date = (FIRST + np.timedelta64(number, "D")).item()
        archive = folder / f"YW-{date:%y%m%d}.tar.gz"
        with archive.open("wb") as file:
            file.write(content if number == 0 else b"")  # the first is asked for a sample
            file.truncate(size)
        rows = index.rows.copy()
        rows["time"] += int((FIRST - np.datetime64(int(start), "s")).astype(int)) + number * 86_400
        moved = tuple(replace(part, archive=archive, name=archive.name) for part in index.parts)
        save_index(replace(index, archive=archive, rows=rows, parts=moved, stamp=archive_stamp(archive)), archive)


def measure(folder: str) -> None:
    """Open the folder once, and print seconds, peak memory in MB and the number of frames."""
    import wradlib  # noqa: F401, PLC0415 - its import is not measured

    from radar_nb.reading.opening import open_dataset  # noqa: PLC0415 - the same

    began = perf_counter()
    ds = open_dataset(folder, progress=False)
    seconds = perf_counter() - began
    peak = peak_memory()
    print(seconds, peak, ds.sizes["time"])


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--days", type=int, default=DAYS)
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--measure")
    chosen = options.parse_args()
    if chosen.measure:
        measure(chosen.measure)
        return
    with tempfile.TemporaryDirectory() as folder:
        began = perf_counter()
        build(Path(folder), chosen.days)
        kept = sum(entry.stat().st_size for entry in os.scandir(folder) if entry.name.endswith(".index"))
        print(f"{chosen.days} indexes, {kept / 1e6:.0f} MB, made in {perf_counter() - began:.0f} s")
        command = [sys.executable, __file__, "--measure", folder]
        runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(chosen.runs)]
        rows = [[float(number) for number in run.stdout.split()] for run in runs]
    seconds, peak, frames = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"open_dataset of {frames:,.0f} frames: {seconds:.2f} s (median of {chosen.runs}), peak {peak:.0f} MB")


if __name__ == "__main__":
    main()
