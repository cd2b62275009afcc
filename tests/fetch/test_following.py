"""Following a server: when it is requested, how gaps are filled, and that no fault of a server ends it."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from support.live import HYMECNG, START, punctual

from radar_nb.errors import SettingsError
from radar_nb.fetch.following import Follower, Schedule
from radar_nb.mirror import Clock, LiveMirror, SteppedClock
from radar_nb.mirror.faults.rules import Fault, Faults
from radar_nb.runtime.clock import duration_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Serve = Callable[..., LiveMirror]

STEP, DELAY = timedelta(minutes=5), timedelta(minutes=2)


@pytest.fixture
def clock() -> SteppedClock:
    """Return a clock that stands at 15:02 UTC."""
    return SteppedClock(START)


@pytest.fixture
def serve(tmp_path: Path, clock: SteppedClock) -> Iterator[Serve]:
    """Return a function that publishes HYMECNG."""
    opened: list[LiveMirror] = []

    def make(**options: Any) -> LiveMirror:
        (tmp_path / "server").mkdir()
        used: dict[str, Any] = {"clock": clock, "hours": 0.1, "fate": punctual} | options
        mirror = LiveMirror(tmp_path / "server", ["HYMECNG"], **used)
        opened.append(mirror)
        return mirror.__enter__()

    yield make
    for mirror in opened:
        mirror.close()


def following(mirror: LiveMirror, clock: Clock, folder: Path, **more: Any) -> Follower:
    """Return a follower of HYMECNG."""
    return Follower("HYMECNG", base_url=mirror.url, clock=clock, folder=folder, **more)


async def _take(follower: Follower, count: int) -> list[str]:
    return [f"{(await anext(follower)).time:%d %H:%M}" for _ in range(count)]


def take(follower: Follower, count: int) -> list[str]:
    """Return the nominal times of the next files, day and time."""
    return asyncio.run(_take(follower, count))


def names(*times: str) -> list[str]:
    """Return times of 13 June as `take` does."""
    return [f"13 {time}" for time in times]


# --- times of requests ----------------------------------------------------------------------------------------


def test_the_next_request_is_sent_when_the_next_file_is_due() -> None:
    """The next request is due at nominal time plus step, the longest learned delay and 5 s."""
    schedule = Schedule(STEP, DELAY)
    schedule.learn(timedelta(seconds=90))
    schedule.learn(timedelta(seconds=100))

    assert schedule.wait(START, START + timedelta(seconds=100)) == 305


def test_a_late_file_is_requested_at_growing_intervals() -> None:
    """Waits grow from 20 to 150 s; the delay of a file that is late by more than a step is not learned."""
    schedule = Schedule(STEP, DELAY)
    schedule.learn(timedelta(minutes=20))
    waits = []
    for schedule.misses in range(1, 7):
        waits.append(schedule.wait(START, START + timedelta(minutes=9)))

    assert waits == [20, 40, 80, 150, 150, 150]
    assert schedule.delay == DELAY + timedelta(seconds=5)


def test_a_failing_server_is_requested_every_five_minutes_at_most() -> None:
    """Waits grow from 30 s to 5 min; a longer wait demanded by the server is obeyed."""
    schedule = Schedule(STEP, DELAY)
    waits = []
    for schedule.faults in range(1, 8):
        waits.append(schedule.wait(START, START))

    assert waits == [30, 60, 120, 240, 300, 300, 300]
    assert schedule.wait(START, START, demanded=1200) == 1200


def test_a_clock_far_behind_does_not_wait_for_hours() -> None:
    """The wait for a file that seems to be of tomorrow is a step and a delay: the response states the time."""
    assert Schedule(STEP, DELAY).wait(START + timedelta(days=1), START) == 425


@pytest.mark.parametrize("value", ["48", "two days", "0h", timedelta(0), None, 48])
def test_a_duration_needs_a_unit(value: Any) -> None:
    """Numbers without a unit, unknown texts, zero and None raise."""
    with pytest.raises(SettingsError, match="is not a duration: write it with its unit, as"):
        duration_of(value, "keep")


# --- following ------------------------------------------------------------------------------------------------


def test_each_file_is_returned_once_with_about_one_request(
    serve: Serve, clock: SteppedClock, tmp_path: Path
) -> None:
    """Two hours have 24 files, which take at most two additional requests."""
    follower = following(serve(), clock, tmp_path / "ring")

    times = take(follower, 25)

    assert len(set(times)) == 25
    assert times[:3] == names("15:00", "15:05", "15:10")
    assert times[-1] == "13 17:00"
    assert follower.requests <= 27
    assert clock.now() < START + timedelta(minutes=120)


def test_old_files_are_removed_from_the_ring(serve: Serve, clock: SteppedClock, tmp_path: Path) -> None:
    """Files older than `keep` are removed with their indexes; others stay."""
    follower = following(serve(), clock, tmp_path / "ring", keep="30min")

    take(follower, 12)

    kept = sorted(path.name[-12:-8] for path in (tmp_path / "ring" / HYMECNG).glob("composite*"))
    assert kept == ["1520", "1525", "1530", "1535", "1540", "1545", "1550", "1555"][-len(kept) :]
    assert len(kept) in {7, 8}


@pytest.mark.skipif(os.name != "posix", reason="needs a FIFO")
def test_a_pipe_in_the_ring_is_replaced(serve: Serve, clock: SteppedClock, tmp_path: Path) -> None:
    """A pipe under a file's name, which would block whoever opens it, is replaced by the file."""
    mirror = serve()
    take(following(mirror, clock, tmp_path / "ring"), 1)
    (newest,) = (tmp_path / "ring" / HYMECNG).glob("composite*")
    newest.unlink()
    os.mkfifo(newest)

    assert take(following(mirror, clock, tmp_path / "ring"), 1) == names("15:00")
    assert newest.is_file()


def test_late_and_missing_files_do_not_stop_following(serve: Serve, clock: SteppedClock, tmp_path: Path) -> None:
    """A late file, 15:10, is returned after a later request; a missing one, 15:20, is skipped."""

    def fate(product: str, time: datetime) -> float | None:
        return {"15:10": 700.0, "15:20": None}.get(f"{time:%H:%M}", punctual(product, time))

    follower = following(serve(fate=fate), clock, tmp_path / "ring")

    assert take(follower, 6) == names("15:00", "15:05", "15:15", "15:25", "15:10", "15:30")


def test_after_a_computers_sleep_the_gap_is_filled(serve: Serve, clock: SteppedClock, tmp_path: Path) -> None:
    """After three hours of sleep the files published meanwhile are fetched."""
    follower = following(serve(), clock, tmp_path / "ring")
    take(follower, 1)

    clock.advance(3 * 3600)
    times = take(follower, 36)

    assert sorted(times) == [f"13 {START.replace(minute=0) + at * STEP:%H:%M}" for at in range(1, 37)]


def test_a_new_process_continues_after_the_last_file(serve: Serve, clock: SteppedClock, tmp_path: Path) -> None:
    """The gap since the newest file of the ring is filled, and no file is returned twice."""
    mirror = serve()
    first = take(following(mirror, clock, tmp_path / "ring"), 2)
    clock.advance(900)

    second = take(following(mirror, clock, tmp_path / "ring"), 3)

    assert first == names("15:00", "15:05")
    assert sorted(second) == names("15:10", "15:15", "15:20")


def test_two_processes_share_a_ring(serve: Serve, clock: SteppedClock, tmp_path: Path) -> None:
    """Both processes return every file; the server sends each once."""
    mirror = serve(faults=Faults())
    one, two = (following(mirror, clock, tmp_path / "ring") for _ in range(2))

    async def both() -> tuple[list[str], list[str]]:
        return await asyncio.gather(_take(one, 6), _take(two, 6))

    first, second = asyncio.run(both())

    assert first == second
    assert sum(served.status == 200 for served in mirror.served) == 6


@pytest.mark.parametrize("kind", ["503", "reset", "cut", "flip", "page", "404", "short"])
def test_following_continues_after_a_servers_faults(
    serve: Serve, clock: SteppedClock, tmp_path: Path, kind: Any
) -> None:
    """After any fault of a server, files published meanwhile are fetched, and `trouble` is empty again."""
    bad = Faults(rules=(Fault(kind=kind, path=f"/{HYMECNG}/*", attempts=tuple(range(3, 8))),))
    follower = following(serve(faults=bad), clock, tmp_path / "ring")

    times = take(follower, 12)

    assert sorted(times) == [f"13 {START.replace(minute=0) + at * STEP:%H:%M}" for at in range(12)]
    assert follower.trouble == ""


def test_a_lost_server_is_named_and_becomes_stale(serve: Serve, clock: SteppedClock, tmp_path: Path) -> None:
    """While the server does not answer, `trouble` names the fault without advice, and the data become stale."""
    mirror = serve()
    follower = following(mirror, clock, tmp_path / "ring")
    take(follower, 1)
    assert not follower.stale
    mirror.close()
    seen: list[tuple[bool, bool]] = []

    class Enough(Exception):
        """Ends the test."""

    def look() -> None:
        seen.append((bool(follower.trouble), follower.stale))
        if len(seen) == 40:
            raise Enough

    clock.on_step(look)
    with pytest.raises(Enough):
        take(follower, 1)

    assert seen[0] == (False, False)
    assert seen[-1] == (True, True)
    assert "no connection to 127.0.0.1" in follower.trouble
    assert "run the same call again" not in follower.trouble


@pytest.mark.parametrize("hours", [-5, 5])
def test_a_wrong_clock_does_not_stop_following(
    serve: Serve, clock: SteppedClock, tmp_path: Path, hours: int
) -> None:
    """With a clock set wrong by hours in either direction, the next files are still fetched on time."""

    class Set(Clock):
        """The mirror's clock, with an error of this computer."""

        error = timedelta(0)

        def now(self) -> datetime:
            return clock.now() + self.error

        async def sleep(self, seconds: float) -> None:
            await clock.sleep(seconds)

    own = Set()
    follower = following(serve(), own, tmp_path / "ring")
    take(follower, 2)
    own.error = timedelta(hours=hours)

    times = take(follower, 4)

    assert times == names("15:10", "15:15", "15:20", "15:25")
    assert clock.now() < START + timedelta(minutes=27)
    assert follower.requests < 14


def test_backfill_starts_in_the_past(serve: Serve, clock: SteppedClock, tmp_path: Path) -> None:
    """`backfill` adds files before the newest one, which is still returned first."""
    follower = following(serve(hours=0.6), clock, tmp_path / "ring", backfill="20min")

    assert take(follower, 5) == names("15:00", "14:40", "14:45", "14:50", "14:55")
