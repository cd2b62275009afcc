"""Read archives, a cube and crops of it in a process, and again in one that it starts: run as a program.

    python forked_readers.py fork,spawn ARCHIVE CUBE

For each way to start a process it prints "equal" if the other returns the same sums, and ends with an error if
that one hangs.
"""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any

import numpy as np

import radar_nb as rn
from radar_nb.cube.training import Crops

PATIENCE = 120
"""Seconds after which the other process counts as hanging."""


def sums(datasets: list[Any]) -> list[float]:
    """Read each Dataset, or all its crops, and return its sum."""
    return [
        sum(float(np.nansum(crop.values)) for crop in ds) if isinstance(ds, Crops) else float(ds.RW.sum())
        for ds in datasets
    ]


def answer(datasets: list[Any], results: Any) -> None:
    """Send the sums to the parent process."""
    results.send(sums(datasets))


def main(methods: str, archive: str, cube: str) -> None:
    """Read, have other processes read, and compare."""
    datasets: list[Any] = [rn.open_cube(cube, chunks=chunks) for chunks in (None, "auto")]
    datasets += [rn.open_dataset(archive, chunks=chunks, progress=False) for chunks in (None, "auto")]
    datasets.append(Crops(cube, steps=1, size=300).part(0, 2))
    here = sums(datasets)
    for method in methods.split(","):
        context: Any = multiprocessing.get_context(method)
        receiving, sending = context.Pipe(duplex=False)
        other = context.Process(target=answer, args=(datasets, sending), daemon=True)
        other.start()
        if not receiving.poll(PATIENCE):
            other.kill()
            sys.exit(f"the process started by {method} hangs")
        sys.stdout.write(f"{method} {'equal' if receiving.recv() == here else 'different'}\n")
        other.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
