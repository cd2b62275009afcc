"""Background work."""

from __future__ import annotations

import asyncio
import threading

import pytest

from radar_nb.runtime.background import Job


async def _thread_name() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


def test_without_a_loop_the_work_runs_in_its_own_thread() -> None:
    """In a script the caller continues, and the result is returned on the job's thread."""
    results: list[str] = []

    job = Job(_thread_name(), lambda task: results.append(task.result()))
    asyncio.run(job.ended())

    assert results == ["radar_nb-job"]


def test_with_a_loop_the_work_is_a_task() -> None:
    """In a notebook no second thread changes the output of the first."""
    results: list[str] = []

    async def cell() -> None:
        job = Job(_thread_name(), lambda task: results.append(task.result()))
        assert results == []  # it begins when the caller waits or has gone on
        await job.ended()

    asyncio.run(cell())

    assert results == [threading.current_thread().name]


@pytest.mark.parametrize("in_a_loop", [True, False])
def test_a_cancelled_job_ends_after_its_clean_up(*, in_a_loop: bool) -> None:
    """`ended` waits for the end, not for the cancellation."""
    begun, log = threading.Event(), []

    async def work() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append("clean")

    async def start_and_cancel() -> None:
        job = Job(work(), lambda task: log.append(f"cancelled {task.cancelled()}"))
        await asyncio.to_thread(begun.wait, 10)
        job.cancel()
        await job.ended()

    if in_a_loop:
        asyncio.run(start_and_cancel())
    else:
        job = Job(work(), lambda task: log.append(f"cancelled {task.cancelled()}"))
        begun.wait(10)
        job.cancel()
        asyncio.run(job.ended())

    assert log == ["clean", "cancelled True"]


def test_a_job_cancelled_before_its_first_step_ends_too() -> None:
    """Cancelling works at any time."""
    ends: list[bool] = []

    async def cell() -> None:
        job = Job(_thread_name(), lambda task: ends.append(task.cancelled()))
        job.cancel()
        await job.ended()
        job.cancel()  # and a second time does nothing

    asyncio.run(cell())

    assert ends == [True]


def test_interrupting_a_wait_does_not_stop_the_work() -> None:
    """A cell that waits for a download can be interrupted; the download has its own button."""
    results: list[str] = []

    async def cell() -> None:
        go = asyncio.Event()

        async def work() -> str:
            await go.wait()
            return "done"

        job = Job(work(), lambda task: results.append(task.result()))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(job.ended(), 0.01)
        go.set()
        await job.ended()

    asyncio.run(cell())

    assert results == ["done"]
