"""Live mirrors for tests: each has a clock that steps; they are filled once and copied."""

from __future__ import annotations

import asyncio
import io
import tarfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from radar_nb.formats.odim import pack_codes, read_header, write_composite
from radar_nb.formats.radolan import SYNTHETIC
from radar_nb.mirror import SteppedClock
from radar_nb.mirror.frames import synthetic_runs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

START = datetime(2026, 6, 13, 15, 2, tzinfo=UTC)
"""The first time of test clocks: the newest file of HYMECNG is then of 15:00, that of RV of 14:55."""

HYMECNG = "weather/radar/composite/hymecng"
RV = "weather/radar/composite/rv"
HYMECNG_ALIAS = f"{HYMECNG}/composite_HymecNG_LATEST_000-hd5"


def punctual(product: str, time: datetime) -> float:
    """Publish every file 100 seconds after its time."""
    del product, time
    return 100.0


def run_of(time: str, leads: Sequence[int], *, still: bool = False) -> bytes:
    """Return a run of RV with some of its lead times; a still one has the same rain in all, and is quick."""
    made = io.BytesIO()
    stem = f"composite_rv_{time[:10].replace('-', '')}_{time[11:13]}{time[14:16]}"
    frames = _repeated(time, leads) if still else synthetic_runs("RV", [np.datetime64(time)], leads=leads)
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for _, lead, frame in frames:
            info = tarfile.TarInfo(f"{stem}_{lead:03d}-hd5")
            info.size = len(frame)
            tar.addfile(info, io.BytesIO(frame))
    return made.getvalue()


def _repeated(time: str, leads: Sequence[int]) -> Iterator[tuple[np.datetime64, int, bytes]]:
    """Yield the rain of the base time under each lead time."""
    ((base, _, frame),) = synthetic_runs("RV", [np.datetime64(time)], leads=[0])
    with h5py.File(io.BytesIO(frame)) as file:
        about, packed = dict(file["dataset1/data1/what"].attrs), pack_codes(file["dataset1/data1/data"][()][::-1])
    scale: dict[str, Any] = {"gain": about["gain"], "offset": about["offset"], "undetect": int(about["undetect"])}
    for lead in leads:
        header = replace(read_header(frame), lead=lead)
        yield base, lead, write_composite(header, packed, quantity="ACRR", method=SYNTHETIC, **scale)


def write(path: Path, data: bytes) -> None:
    """Write a file and create its parent folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


class GatedClock(SteppedClock):
    """A stepped clock that others wait for: only the test moves it."""

    async def sleep(self, seconds: float) -> None:
        """Wait until the test has moved the clock that far."""
        until = self.now() + timedelta(seconds=seconds)
        while self.now() < until:  # noqa: ASYNC110 - the test steps in any thread
            await asyncio.sleep(0.01)
