"""A process that reads archives and a cube, and starts another that reads them again: run as a program.

    python forked_readers.py fork|spawn ARCHIVE CUBE

It writes "equal" when the other process has returned the same sums, and ends with an error when that one hangs.
"""

from __future__ import annotations

import multiprocessing
import sys
from typing import Any

import radar_nb as rn

PATIENCE = 120
"""Seconds after which the other process counts as hanging."""


def sums(datasets: list[Any]) -> list[float]:
    """Return the sum of each Dataset, read now."""
    return [float(ds.RW.sum()) for ds in datasets]


def answer(datasets: list[Any], results: Any) -> None:
    """Send the sums to the process that has started this one."""
    results.send(sums(datasets))


def main(method: str, archive: str, cube: str) -> None:
    """Read, let another process read, and compare."""
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
