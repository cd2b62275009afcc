"""Live mirrors for tests: each has a clock that steps; they are filled once and copied."""

from __future__ import annotations

import asyncio
import io
import tarfile
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.mirror import SteppedClock
from radar_nb.mirror.frames import synthetic_runs

if TYPE_CHECKING:
    from collections.abc import Sequence
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


def run_of(time: str, leads: Sequence[int]) -> bytes:
    """Return a run of RV with some of its lead times."""
    made = io.BytesIO()
    stem = f"composite_rv_{time[:10].replace('-', '')}_{time[11:13]}{time[14:16]}"
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for _, lead, frame in synthetic_runs("RV", [np.datetime64(time)], leads=leads):
            info = tarfile.TarInfo(f"{stem}_{lead:03d}-hd5")
            info.size = len(frame)
            tar.addfile(info, io.BytesIO(frame))
    return made.getvalue()


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
