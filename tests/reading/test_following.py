"""Datasets of new files: with `for` and `async for`, and that of a given time."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.live import START, punctual

import radar_nb as rn
from radar_nb.errors import NotOnServer, SettingsError
from radar_nb.mirror import LiveMirror, SteppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def clock() -> SteppedClock:
    """Return a clock that stands at 15:02 UTC."""
    return SteppedClock(START)


@pytest.fixture
def mirror(tmp_path: Path, clock: SteppedClock) -> Iterator[LiveMirror]:
    """Publish HYMECNG, but not that of 15:15."""
    (tmp_path / "server").mkdir()
    with LiveMirror(
        tmp_path / "server",
        ["HYMECNG"],
        clock=clock,
        hours=0.2,
        fate=lambda name, time: None if time.minute == 15 else punctual(name, time),
    ) as served:
        yield served


@pytest.fixture
def where(mirror: LiveMirror, clock: SteppedClock, tmp_path: Path) -> dict[str, Any]:
    """Return arguments for this mirror."""
    return {"base_url": mirror.url, "clock": clock, "folder": tmp_path / "ring"}


def test_for_yields_a_dataset_per_file(where: dict[str, Any], tmp_path: Path) -> None:
    """Each Dataset states its time; the folder holds the files as one series."""
    coming = rn.follow("HYMECNG", **where)

    times = [next(coming).attrs["nominal_time"][11:16] for _ in range(3)]

    assert times == ["15:00", "15:05", "15:10"]
    assert rn.open_dataset(tmp_path / "ring", progress=False).sizes["time"] == 3
    assert (coming.stale, coming.trouble, coming.folder) == (False, "", tmp_path / "ring")


def test_async_for_yields_the_same_datasets(where: dict[str, Any]) -> None:
    """`async for` yields the same Datasets as `for`."""

    async def first_two() -> list[str]:
        times: list[str] = []
        async for ds in rn.follow("HYMECNG", **where):
            times.append(ds.attrs["nominal_time"][11:16])
            if len(times) == 2:
                return times
        return times

    assert asyncio.run(first_two()) == ["15:00", "15:05"]


@pytest.mark.parametrize("time", ["14:55", "15:00", "15:05", "15:10"])
def test_the_file_of_a_time_is_awaited(where: dict[str, Any], clock: SteppedClock, time: str) -> None:
    """`wait_for` returns an existing file at once, and a future one when it is published."""
    ds = rn.wait_for("HYMECNG", f"2026-06-13T{time}", **where)

    assert ds.attrs["nominal_time"] == f"2026-06-13T{time}:00Z"
    assert clock.now() <= START + timedelta(minutes=10)
    assert ds.sizes["time"] == 1


def test_a_file_that_is_not_published_raises(where: dict[str, Any], clock: SteppedClock) -> None:
    """After the timeout the message names the missing and the newest file."""
    with pytest.raises(
        NotOnServer, match=r"HYMECNG of 2026-06-13 15:15 UTC has not come; the newest file is of 2026"
    ):
        rn.wait_for("HYMECNG", "2026-06-13T15:15", timeout="20min", **where)

    assert timedelta(minutes=35) <= clock.now() - START.replace(minute=0) < timedelta(minutes=45)


@pytest.mark.parametrize("time", ["yesterday", "2026-06-13T15:07", None])
def test_an_invalid_time_raises(where: dict[str, Any], time: Any) -> None:
    """Texts that are not times, and times without a file, raise before any request."""
    with pytest.raises(SettingsError, match=r"time=.* is not a time"):
        rn.wait_for("HYMECNG", time, **where)
    with pytest.raises(SettingsError, match=r"a file every 10 min from 00:00 on, UTC"):
        rn.wait_for("RW", "2026-06-13T15:05", **where)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
def test_what_is_not_a_file_in_a_ring_is_left_alone(where: dict[str, Any], tmp_path: Path) -> None:
    """A pipe would block the reader, and a folder cannot be removed like a file that is too old."""
    files = rn.follow("HYMECNG", keep="1h", backfill="10min", **where)
    first = next(files)
    path = min(one for one in (tmp_path / "ring").rglob("*-hd5") if not one.name.startswith("."))
    stamp = re.compile(r"\d{8}_\d{4}")
    old, late = (path.with_name(stamp.sub(text, path.name)) for text in ("20200101_0000", "20200101_0005"))
    old.mkdir()
    os.mkfifo(late)

    assert next(files).attrs["nominal_time"] != first.attrs["nominal_time"]
    assert old.is_dir()
    assert late.exists()
