"""Processor time of the main steps, compared with another commit's.

    git worktree add ../former 69376b5
    python benchmarks/former.py ../former/src [--archive YW2017.002_202006.tar] [--runs 5] [--only STEP]

Each run has its own process, with the libraries of this environment; the two versions take turns. A figure is the
processor time of the step, without the imports: it hardly depends on what else the machine does. POSIX only.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from radar_nb.mirror import Mirror

FOLDER = "climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
ARCHIVE = Path(__file__).resolve().parents[2] / "shared/real/mirror" / FOLDER / "YW2017.002_202006.tar"
MODULES = ("aiohttp", "filelock", "h5py", "wradlib.io.backends", "dask.array", "zarr", "xarray.backends.zarr")
ANALYSES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "reduce": ("reduce", ("sum",), {}),
    "exceedance of 15 mm in 1 h": ("exceedance", (15, "1h"), {}),
    "events": ("events", (0.5,), {"min_area": 10}),
}
"""Functions of archives, with their arguments."""
STEPS = (
    "download", "open_dataset, first time", "open_dataset", "open_dataset and sum", "build_cube", *ANALYSES
)  # fmt: skip


def run(step: str, archive: Path) -> None:
    """Run a step once in this process, and print its processor time in seconds."""
    import radar_nb as rn  # noqa: PLC0415 - of the version that is measured

    for module in MODULES:
        importlib.import_module(module)
    quiet: dict[str, Any] = {"progress": False}
    plan = rn.plan("YW", "2020-06", source="radklim", folder=archive.parent / "data")
    if step != "open_dataset, first time":
        rn.open_dataset(archive, **quiet)  # writes the index
    began = spent()
    if step == "download":
        rn.download(plan, **quiet)
    elif step in ANALYSES:
        name, arguments, named = ANALYSES[step]
        getattr(rn, name)(archive, *arguments, **named, **quiet)
    elif step == "build_cube":
        rn.build_cube(archive, archive.parent / "cube", client=False, **quiet)
    else:
        ds = rn.open_dataset(archive, **quiet)
        if step == "open_dataset and sum":
            ds["YW"].sum("time").compute()
    print(spent() - began)


def spent() -> float:
    """Return the processor time of this process in seconds."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def measured(step: str, source: Path, archive: Path, url: str) -> float:
    """Run a step of the version in a source folder, in a process of its own; return its processor time."""
    with tempfile.TemporaryDirectory() as folder:
        copy = shutil.copy(archive, folder)
        call = [sys.executable, __file__, str(source), "--step", step, "--archive", copy]
        environment = os.environ | {"PYTHONPATH": str(source), "RADAR_NB_BASE_URL": url}
        return float(subprocess.run(call, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main() -> None:
    """Measure each step with both versions in turns, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("former", type=Path, help="the other commit's src")
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", choices=STEPS, action="append", help="measure this step alone")
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        run(options.step, options.archive)
        return
    sources = (options.former.resolve(), Path(__file__).resolve().parents[1] / "src")
    with tempfile.TemporaryDirectory() as folder:
        served = Path(folder, FOLDER, options.archive.name)
        served.parent.mkdir(parents=True)
        shutil.copy(options.archive, served)
        with Mirror(folder) as mirror:
            print("| what | before | now | ratio |", "| --- | --- | --- | --- |", sep="\n")
            for step in options.only or STEPS:
                turns = [
                    [measured(step, src, options.archive, mirror.url) for src in sources]
                    for _ in range(options.runs)
                ]
                before, now = (median(seconds) for seconds in zip(*turns, strict=True))
                ratio = median(new / old for old, new in turns)
                print(f"| {step} | {before:.2f} s | {now:.2f} s | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()
