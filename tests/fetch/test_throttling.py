"""Laws of asking little: how many requests at a time, how many again, how many bytes a second."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.fetch.throttling import Budget, Floor, Gate, Pace

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


@dataclass
class Clock:
    """A clock that goes on by a millisecond whenever it is looked at."""

    now: float = 0.0

    def __call__(self) -> float:
        """Give the moment."""
        self.now += 0.001
        return self.now


def in_a_loop(law: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(law(), 10))


async def fill(gate: Gate, count: int) -> tuple[list[asyncio.Task[None]], list[int], asyncio.Event]:
    """Let so many want to pass; give them, how many were inside at a time, and what lets them out."""
    inside, seen, leave = [0], [0], asyncio.Event()

    async def one() -> None:
        async with gate.passing():
            inside[0] += 1
            seen.append(inside[0])
            await leave.wait()
            inside[0] -= 1

    tasks = [asyncio.create_task(one()) for _ in range(count)]
    for _ in range(count + 3):
        await asyncio.sleep(0)
    return tasks, seen, leave


def test_no_more_pass_than_the_gate_lets() -> None:
    """Five of eight are inside, and the others follow when these have left."""

    async def law() -> None:
        tasks, seen, leave = await fill(Gate(5), 8)

        assert max(seen) == 5
        leave.set()
        await asyncio.gather(*tasks)
        assert len(seen) == 9

    in_a_loop(law)


def test_an_overloaded_server_halves_what_passes_and_a_good_one_wins_it_back() -> None:
    """Each complaint halves, down to one; as many good answers as pass at a time give one more, up to the most."""

    async def law() -> None:
        clock = Clock()
        gate = Gate(5, clock=clock)
        widths = []
        for _ in range(4):
            await gate.slow_down(clock())
            widths.append(gate.now)
        for _ in range(1 + 2 + 3 + 4 + 9):
            await gate.serve()
            widths.append(gate.now)

        assert widths == [2, 1, 1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 4, *[5] * 10]

    in_a_loop(law)


def test_complaints_of_one_moment_count_once() -> None:
    """Five requests under way at once that are all refused halve the gate once."""

    async def law() -> None:
        clock = Clock()
        gate = Gate(8, clock=clock)
        begun = clock()
        for _ in range(5):
            await gate.slow_down(begun)

        assert gate.now == 4

    in_a_loop(law)


def test_a_demand_to_wait_holds_for_all() -> None:
    """Nothing passes before the moment that the server named."""

    async def law() -> None:
        gate = Gate(2)
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await gate.slow_down(begun, demanded=0.2)
        async with gate.passing():
            pass

        assert loop.time() - begun >= 0.19

    in_a_loop(law)


def test_nothing_passes_while_paused() -> None:
    """Who waits goes on when the pause is over."""

    async def law() -> None:
        gate = Gate(5)
        await gate.set_paused(True)
        tasks, seen, leave = await fill(gate, 3)
        assert seen == [0]

        await gate.set_paused(False)
        leave.set()
        await asyncio.gather(*tasks)
        assert len(seen) == 4

    in_a_loop(law)


def test_who_stops_waiting_takes_no_place() -> None:
    """A cancelled wait, at the gate or for a moment that the server named, leaves the gate as it was."""

    async def law() -> None:
        gate = Gate(1)
        await gate.slow_down(0.0, demanded=0.05)
        tasks, _, leave = await fill(gate, 4)
        for task in tasks[:3]:
            task.cancel()
        leave.set()
        await asyncio.gather(*tasks, return_exceptions=True)

        async with gate.passing():
            assert gate.now == 1

    in_a_loop(law)


@given(st.lists(st.sampled_from(["spend", "earn"]), max_size=60))
def test_retries_never_exceed_the_budget_and_what_was_earned(steps: list[str]) -> None:
    """However it goes, no more retries are made than there were at first, and one for each megabyte."""
    budget, spent, earned = Budget(5, last_tries=2), 0, 0
    for step in steps:
        if step == "earn":
            budget.earn(1 << 20)
            earned += 1
        else:
            spent += budget.spend()

    assert spent <= 5 + earned
    assert Budget(5, last_tries=2).spend()


def test_a_host_that_serves_nothing_is_first_not_retried_then_not_asked() -> None:
    """After so many vain requests there are no retries, and after some first tries more, no requests."""
    budget = Budget(4, last_tries=2)
    states = []
    for budget.vain in range(8):
        states.append((budget.vain, budget.down))

    assert [vain for vain, down in states if down] == [6, 7]
    budget.vain = 4
    assert not budget.spend()


def test_a_host_that_serves_again_is_asked_again() -> None:
    """Giving up holds until something is served."""
    budget = Budget(4, last_tries=2)
    budget.give_up()
    assert budget.down

    budget.vain = 0

    assert not budget.down


@pytest.mark.parametrize("limit", [1000.0, 2e6])
def test_bytes_over_time_keep_to_the_limit(limit: float) -> None:
    """Who waits as told never gets more bytes a second than allowed, in any order of sizes."""
    clock, total = Clock(), 0
    pace = Pace(limit, clock=clock)
    for count in (10, 1_000_000, 1, 65_536, 500):
        clock.now += pace.wait(count)
        total += count

    assert total / clock.now <= limit


def test_no_limit_is_no_wait() -> None:
    """Without a limit nothing waits."""
    assert Pace(None).wait(1 << 40) == 0.0


def test_time_that_was_not_waited_is_no_stall() -> None:
    """Only the seconds spent waiting for bytes count, so that a slow disk is no slow server."""
    floor = Floor(slowest=1000.0, window=10.0)

    assert not any(floor.falls_below(1, 0.001) for _ in range(5000))
    assert floor.falls_below(100, 10.0)
    assert not floor.falls_below(100, 1.0)
