"""Background work, and the rate at which its progress is drawn.

Widgets use it so that their callbacks never block.
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
"""Seconds during which short calls are collected."""

EVERY = 0.2
"""Seconds between two drawings. Jupyter Server drops messages beyond 1,000 a second."""


class Job(Generic[T]):
    """A running coroutine: a task of the running loop, or in a thread with its own loop if none is running.

    Parameters
    ----------
    work : coroutine
        It starts after the caller has returned.
    finish : callable
        Called with the finished task, on its loop; the job has ended when it returns.

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
        """Request cancellation, from any thread; the work has stopped when the job has ended."""
        task = self._begun.result()
        with suppress(RuntimeError):  # the loop is closed, the work has ended
            task.get_loop().call_soon_threadsafe(task.cancel)

    async def ended(self) -> None:
        """Wait until the work has ended or failed. Cancelling the wait does not cancel the work."""
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
    """Run work for all items, `limit` at a time; the first error cancels the rest and is raised unchanged."""
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
    """Short calls in a thread, in batches: waking the thread for each would cost more than the calls.

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
        """Return the call's result, or raise its error. The call is made even if the caller is cancelled."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, future))
        if self._work is None:
            self._work = asyncio.create_task(self._work_off())
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            await asyncio.wait([future])  # the call must end while the caller holds its claim
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
    except Exception as error:  # noqa: BLE001 - raised in the caller
        return None, error
