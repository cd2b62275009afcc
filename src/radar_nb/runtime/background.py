"""Work that goes on beside the caller, and the pace at which its progress is drawn.

This is what a widget needs so that none of its callbacks ever waits.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

S = TypeVar("S")
T = TypeVar("T")

_GATHER = 0.005
"""Seconds in which short calls gather."""

EVERY = 0.2
"""Seconds between two drawings. Jupyter Server drops all messages beyond 1,000 a second for good."""


class Job(Generic[T]):
    """A coroutine at work: as a task of the loop that runs here, else in a thread with a loop of its own.

    Parameters
    ----------
    work : coroutine
        It begins when the caller has gone on.
    finish : callable
        Is given the ended task, on the loop that it ran on; the job has ended when it returns.

    Examples
    --------
    >>> results = []
    >>> job = Job(asyncio.sleep(0, "slept"), lambda task: results.append(task.result()))
    >>> asyncio.run(job.ended())
    >>> results
    ['slept']
    """

    def __init__(self, work: Coroutine[Any, Any, T], finish: Callable[[asyncio.Task[T]], None]) -> None:
        self._finish = finish
        self._ended: Future[None] = Future()
        self._begun: Future[asyncio.Task[T]] = Future()
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            thread = threading.Thread(
                target=lambda: asyncio.run(self._run(work)), name="radar_nb-job", daemon=True
            )
            thread.start()
        else:
            self._begin(work)

    def cancel(self) -> None:
        """Ask the work to stop; it has stopped when the job has ended. For any thread, at any time."""
        task = self._begun.result()
        with suppress(RuntimeError):  # its loop is closed: there is nothing left to stop
            task.get_loop().call_soon_threadsafe(task.cancel)

    async def ended(self) -> None:
        """Wait for the end, good or bad. Who stops waiting does not stop the work."""
        await asyncio.shield(asyncio.wrap_future(self._ended))

    def _begin(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        task.add_done_callback(self._end)
        self._begun.set_result(task)
        return task

    async def _run(self, work: Coroutine[Any, Any, T]) -> None:
        await asyncio.wait({self._begin(work)})

    def _end(self, task: asyncio.Task[T]) -> None:
        try:
            self._finish(task)
        finally:
            self._ended.set_result(None)


async def for_each(items: Sequence[S], work: Callable[[S], Awaitable[T]], limit: int) -> list[T]:
    """Do some work for all items, `limit` at a time; the first error ends all and is raised as it is."""
    results: dict[int, T] = {}
    queue = iter(enumerate(items))

    async def worker() -> None:
        for index, item in queue:
            results[index] = await work(item)

    failure: Exception | None = None
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(limit, len(items))):
                group.create_task(worker())
    except ExceptionGroup as several:
        failure = several.exceptions[0]
    if failure is not None:
        raise failure
    return [results[index] for index in range(len(items))]


class Batches:
    """Short calls in a thread, as many at a time as have gathered: to wake it for each costs more than the calls.

    Examples
    --------
    >>> async def both() -> list[int]:
    ...     batches = Batches()
    ...     return await asyncio.gather(batches.run(lambda: 1), batches.run(lambda: 2))
    >>> asyncio.run(both())
    [1, 2]
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._work: asyncio.Task[None] | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """Give what the call gives, or raise what it raises. It is made even if nobody waits for it any more."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        if self._work is None:
            self._work = asyncio.create_task(self._work_off())
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])  # what it writes is written under the caller's claim
            raise

    async def _work_off(self) -> None:
        while self._waiting:
            await asyncio.sleep(_GATHER)
            batch, self._waiting = self._waiting, []
            ends = await asyncio.to_thread(lambda calls: [_end_of(call) for call in calls], [c for c, _ in batch])
            for (_, future), (result, error) in zip(batch, ends, strict=True):
                if error is None:
                    future.set_result(result)
                else:
                    future.set_exception(error)
        self._work = None


def _end_of(call: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return call(), None
    except Exception as error:  # noqa: BLE001 - it is raised to who waits
        return None, error
