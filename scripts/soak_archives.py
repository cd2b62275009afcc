"""Part of the soak: small archives of synthetic rain, under DWD's names and in DWD's nesting."""

from __future__ import annotations

import gzip
import io
import tarfile
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

import radar_nb as rn
from radar_nb.mirror import make_archives
from radar_nb.mirror.frames import synthetic_frames

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HOURLY = ("2019-06", "2020-06", "2021-06")  # a .tar.gz each, of one day: some 3 MB
MONTH = "2020-06"  # of YW: a tar that holds a .tar.gz for each of three days, of few frames
FRAMES = 6
EDITION = "edition"  # the folder of re-issued files: the hourly months with other rain


def make_root(root: Path, seed: int) -> None:
    """Fill a folder with what the soak's server serves."""
    for month in HOURLY:
        for place, rain in ((root, seed), (root / EDITION, seed + 1)):
            make_archives(place, "RW", month, source="radklim", days=(13,), seed=rain, progress=False)
    archive = rn.plan("YW", MONTH, folder=root).paths[0]
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w", format=tarfile.USTAR_FORMAT) as tar:
        for day in (13, 14, 15):
            first = np.datetime64(f"{MONTH}-{day}T12:00", "s")
            times = first + np.arange(FRAMES) * np.timedelta64(5, "m")
            add(tar, f"YW2017.002_202006{day}.tar.gz", packed_day(times, seed))


def packed_day(times: Iterable[np.datetime64], seed: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for time, frame in synthetic_frames("YW", times, family="radklim", seed=seed):
            add(tar, f"raa01-yw2017.002_10000-{time.item():%y%m%d%H%M}-dwd---bin", frame)
    return gzip.compress(buffer.getvalue(), 1, mtime=0)


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def plan_of(folder: Path, address: str, *, files: int = 4, listing: bool = False) -> rn.Plan:
    """Plan all that the server has, or less, as one call."""
    where = {"folder": folder, "base_url": address, "listing": listing}
    plans = [rn.plan("RW", month, source="radklim", **where) for month in HOURLY[: files - 1]]  # type: ignore[arg-type]
    plans.append(rn.plan("YW", MONTH, **where))  # type: ignore[arg-type]
    return replace(
        plans[0],
        archives=tuple(archive for plan in plans for archive in plan.archives),
        missing=tuple(gap for plan in plans for gap in plan.missing),
    )
