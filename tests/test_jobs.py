"""Laws of work beside the caller, and of the pace at which its progress is drawn."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.jobs import EVERY, Job, Meter
from radar_nb.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Sequence


async def _thread_name() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


def test_without_a_loop_the_work_is_done_in_a_thread_of_its_own() -> None:
    """In a script the caller goes on, and the result is handed over on the job's own thread."""
    results: list[str] = []

    job = Job(_thread_name(), lambda task: results.append(task.result()))
    asyncio.run(job.ended())

    assert results == ["radar_nb-job"]


def test_with_a_loop_the_work_is_a_task_of_it() -> None:
    """In a notebook no second thread touches what the first one shows."""
    results: list[str] = []

    async def cell() -> None:
        job = Job(_thread_name(), lambda task: results.append(task.result()))
        assert results == []  # it begins when the caller waits or has gone on
        await job.ended()

    asyncio.run(cell())

    assert results == [threading.current_thread().name]


@pytest.mark.parametrize("in_a_loop", [True, False])
def test_a_cancelled_job_has_ended_when_its_work_has_cleaned_up(*, in_a_loop: bool) -> None:
    """`ended` waits for the end, not for the wish to end."""
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
    """Cancel works however early it comes."""
    ends: list[bool] = []

    async def cell() -> None:
        job = Job(_thread_name(), lambda task: ends.append(task.cancelled()))
        job.cancel()
        await job.ended()
        job.cancel()  # and a second time does nothing

    asyncio.run(cell())

    assert ends == [True]


def test_who_stops_waiting_does_not_stop_the_work() -> None:
    """A cell that waits for a download may be interrupted; the download has a button of its own."""
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


def _drawn(steps: Sequence[float], sizes: Sequence[int], *, files: int = 1) -> tuple[list[int], list[str]]:
    """Give what a meter draws when events come at these distances in time."""
    numbers: list[int] = []
    texts: list[str] = []
    times = iter([sum(steps[: index + 1]) for index in range(len(steps))])

    def draw(progress: Progress, words: str) -> None:
        numbers.append(progress.done)
        texts.append(words)

    meter = Meter(draw, files, clock=times.__next__)
    for number, size in enumerate(sizes):
        meter(Progress(task="download", done=size, total=10_000_000, unit="B", note=f"{number}.tar"))
    meter.close()
    meter(Progress(task="download", done=0, total=1, unit="B"))  # too late
    return numbers, texts


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_at_most_ten_drawings_a_second_and_always_the_last(steps: list[float]) -> None:
    """However fast events come, the page is not flooded, and it ends with the truth."""
    numbers, _ = _drawn(steps, range(len(steps)))

    assert numbers[0] == 0
    assert numbers[-1] == len(steps) - 1
    assert len(numbers) <= sum(steps[1:]) / EVERY + 2
    assert numbers == sorted(set(numbers))


def test_words_tell_amount_speed_and_file() -> None:
    """The text beside the bar says what the bar cannot."""
    _, texts = _drawn([0, 0.5, 0.5], [1_000_000, 2_000_000, 4_000_000], files=3)

    assert texts == [
        "1.0 MB of 10.0 MB · file 1 of 3 · 0.tar",
        "2.0 MB of 10.0 MB · 2.0 MB/s · file 2 of 3 · 1.tar",
        "4.0 MB of 10.0 MB · 3.0 MB/s · file 3 of 3 · 2.tar",
    ]


def test_a_meter_without_events_draws_nothing() -> None:
    """Where all was there already there is no progress to tell."""
    assert _drawn([], []) == ([], [])
