"""Part of the soak: HDF5 files that lead elsewhere, inflate without end or are crowded, opened in a child."""

from __future__ import annotations

import io
import os
import tarfile
import time
from typing import TYPE_CHECKING

from soak_hostile import MEGABYTES, MEMORIES, SECONDS, fate, most_memory
from soak_tables import Section
from support.killed_processes import in_child

import radar_nb as rn
from radar_nb.errors import HeaderError, UnsafeMember

if TYPE_CHECKING:
    from pathlib import Path

NAME = "composite_rw_20250923_0040-hd5"
REFUSALS = {UnsafeMember.__name__, HeaderError.__name__}

Trial = tuple[tuple[str, ...], int, float]
"""Fates of opening the bare file and of opening it in an archive; MB more than before; seconds."""


def soak_hdf5(folder: Path) -> Section:
    """Try all kinds and return their table."""
    from support.malicious_hdf5 import HOSTILE_HDF5, small_composite  # noqa: PLC0415 - found once tests are

    folder.mkdir(parents=True)
    os.mkfifo(folder / "target")  # whatever opens it waits for ever
    files = {"a sound one": small_composite()}
    files |= {kind: make(str(folder / "target")) for kind, (make, _) in HOSTILE_HDF5.items()}
    for number, data in enumerate(files.values()):
        write(folder / str(number), data)
    trials: list[Trial] = in_child(all_tried, folder, len(files))
    rows, broken = [], []
    for kind, (fates, megabytes, seconds) in zip(files, trials, strict=True):
        if kind != "a sound one":  # its grid is unknown, so it is not compared with the others
            rows.append((kind, " / ".join(fates)))
            broken += [f"{kind}: ends as {one}" for one in fates[:2] if one not in REFUSALS]
        broken += [f"{kind}: {megabytes} MB of memory"] * (megabytes > MEGABYTES)
        broken += [f"{kind}: {seconds:.0f} s"] * (seconds > SECONDS)
    peak = max(megabytes for _, megabytes, _ in trials)
    return Section(
        title="Hostile HDF5 files",
        lines=(
            f"{len(rows)} kinds tried. A file that they lead to is a pipe, which nothing opened.",
            f"Most memory that one took: under {next(step for step in MEMORIES if step > peak)} MB.",
        ),
        columns=("file", "opened / opened in an archive"),
        rows=tuple(rows),
        broken=tuple(broken),
    )


def write(folder: Path, data: bytes) -> None:
    """Write a file, and an archive that holds it."""
    folder.mkdir()
    (folder / NAME).write_bytes(data)
    with tarfile.open(folder / "a.tar.gz", "w:gz") as tar:
        info = tarfile.TarInfo(NAME)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))


def all_tried(folder: Path, count: int) -> list[Trial]:
    """Read each file by every path, in the child, after it has read the first."""
    tried(folder / "0")
    return [tried(folder / str(number)) for number in range(count)]


def tried(folder: Path) -> Trial:
    """Open a file bare and in an archive."""
    before, began = most_memory(), time.monotonic()
    fates = tuple(
        fate(lambda name=name: rn.open_dataset(folder / name, chunks=None, progress=False).load())  # type: ignore[misc]
        for name in (NAME, "a.tar.gz")
    )
    return fates, most_memory() - before, time.monotonic() - began
