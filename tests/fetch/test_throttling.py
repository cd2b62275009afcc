"""Throttling: requests at a time, retries, and bytes per second."""

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
    """A clock that advances by a millisecond at every call."""

    now: float = 0.0

    def __call__(self) -> float:
        """Return the time."""
        self.now += 0.001
        return self.now


def in_a_loop(law: Callable[[], Coroutine[None, None, None]]) -> None:
    asyncio.run(asyncio.wait_for(law(), 10))


async def fill(gate: Gate, count: int) -> tuple[list[asyncio.Task[None]], list[int], asyncio.Event]:
    """Start waiters; return them, the number inside at a time, and the event that releases them."""
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


def test_the_gate_limits_the_number_inside() -> None:
    """Five of eight are inside, and the others follow when these have left."""

    async def law() -> None:
        tasks, seen, leave = await fill(Gate(5), 8)

        assert max(seen) == 5
        leave.set()
        await asyncio.gather(*tasks)
        assert len(seen) == 9

    in_a_loop(law)


def test_overload_halves_the_limit_and_success_restores_it() -> None:
    """Each complaint halves it, down to one; as many successes as the limit raise it by one, up to the maximum."""

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
    """Five simultaneous requests that are all refused halve the gate once."""

    async def law() -> None:
        clock = Clock()
        gate = Gate(8, clock=clock)
        begun = clock()
        for _ in range(5):
            await gate.slow_down(begun)

        assert gate.now == 4

    in_a_loop(law)


def test_a_demand_to_wait_holds_for_all() -> None:
    """No request passes before the time that the server stated."""

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
    """Waiting requests continue when the pause is over."""

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


def test_a_cancelled_wait_leaves_the_gate_unchanged() -> None:
    """A cancelled wait, at the gate or for a time that the server stated, leaves the gate unchanged."""

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
def test_retries_are_limited_by_budget_and_served_bytes(steps: list[str]) -> None:
    """At most the initial number of retries is made, plus one for each megabyte."""
    budget, spent, earned = Budget(5, last_tries=2), 0, 0
    for step in steps:
        if step == "earn":
            budget.earn(1 << 20)
            earned += 1
        else:
            spent += budget.spend()

    assert spent <= 5 + earned
    assert Budget(5, last_tries=2).spend()


def test_a_host_that_serves_nothing_loses_retries_then_requests() -> None:
    """After enough failed requests there are no retries, and after some first tries no requests."""
    budget = Budget(4, last_tries=2)
    states = []
    for budget.vain in range(8):
        states.append((budget.vain, budget.down))

    assert [vain for vain, down in states if down] == [6, 7]
    budget.vain = 4
    assert not budget.spend()


def test_a_host_that_serves_again_is_asked_again() -> None:
    """Giving up lasts until a request is served."""
    budget = Budget(4, last_tries=2)
    budget.give_up()
    assert budget.down

    budget.vain = 0

    assert not budget.down


@pytest.mark.parametrize("limit", [1000.0, 2e6])
def test_bytes_over_time_stay_within_the_limit(limit: float) -> None:
    """With the returned waits, bytes per second never exceed the limit, for any sizes in any order."""
    clock, total = Clock(), 0
    pace = Pace(limit, clock=clock)
    for count in (10, 1_000_000, 1, 65_536, 500):
        clock.now += pace.wait(count)
        total += count

    assert total / clock.now <= limit


def test_no_limit_means_no_wait() -> None:
    """Without a limit nothing waits."""
    assert Pace(None).wait(1 << 40) == 0.0


def test_only_waiting_counts_as_a_stall() -> None:
    """Only the seconds spent waiting for bytes count, so a slow disk is not a slow server."""
    floor = Floor(slowest=1000.0, window=10.0)

    assert not any(floor.falls_below(1, 0.001) for _ in range(5000))
    assert floor.falls_below(100, 10.0)
    assert not floor.falls_below(100, 1.0)
