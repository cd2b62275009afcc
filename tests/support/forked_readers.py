"""Read archives and a cube in a process, and again in one that it starts: run as a program.

    python forked_readers.py fork|spawn ARCHIVE CUBE

It prints "equal" if the other process returns the same sums, and ends with an error if that one hangs.
"""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any

import radar_nb as rn

PATIENCE = 120
"""Seconds after which the other process counts as hanging."""


def sums(datasets: list[Any]) -> list[float]:
    """Read each Dataset and return its sum."""
    return [float(ds.RW.sum()) for ds in datasets]


def answer(datasets: list[Any], results: Any) -> None:
    """Send the sums to the parent process."""
    results.send(sums(datasets))


def main(method: str, archive: str, cube: str) -> None:
    """Read, have another process read, and compare."""
    datasets = [rn.open_cube(cube, chunks=chunks) for chunks in (None, "auto")]
    datasets += [rn.open_dataset(archive, chunks=chunks, progress=False) for chunks in (None, "auto")]
    here = sums(datasets)
    context: Any = multiprocessing.get_context(method)
    receiving, sending = context.Pipe(duplex=False)
    other = context.Process(target=answer, args=(datasets, sending), daemon=True)
    other.start()
    if not receiving.poll(PATIENCE):
        other.kill()
        sys.exit(f"the process started by {method} hangs")
    sys.stdout.write("equal" if receiving.recv() == here else "different")
    other.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
