"""Work that goes on beside the caller, and its progress at a pace that a person can read.

This is what a widget needs so that none of its callbacks ever waits.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from radar_nb.table import human_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from radar_nb.progress import Progress

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


class Meter:
    """A reporter of bytes that passes on at most ten events a second, and the last one always.

    Parameters
    ----------
    draw : callable
        Is given the progress and its words: how much, how fast since the first event, which file of how many.
    files : int
        How many files there are. Each note that differs from those before counts as one more.
    clock : callable
        Gives seconds that never go back.

    Examples
    --------
    >>> from radar_nb.progress import Progress
    >>> clock = iter((0.0, 0.05, 2.0)).__next__
    >>> meter = Meter(lambda progress, words: print(words), 2, clock=clock)
    >>> for done, note in ((0, "a.tar"), (1_000_000, "a.tar"), (5_000_000, "b.tar")):
    ...     meter(Progress(task="download", done=done, total=5_000_000, unit="B", note=note))
    0 B of 5.0 MB · file 1 of 2 · a.tar
    5.0 MB of 5.0 MB · 2.5 MB/s · file 2 of 2 · b.tar
    """

    def __init__(
        self,
        draw: Callable[[Progress, str], None],
        files: int,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._draw = draw
        self._files = files
        self._clock = clock
        self._names: set[str] = set()
        self._first: tuple[float, int] | None = None
        self._held: tuple[float, Progress] | None = None  # what is not drawn yet
        self._due = 0.0
        self._closed = False

    def __call__(self, progress: Progress, /) -> None:
        """Take one event."""
        if self._closed:
            return
        now = self._clock()
        if self._first is None:
            self._first, self._due = (now, progress.done), now
        self._held = now, progress
        if progress.note:
            self._names.add(progress.note)
        if now >= self._due:
            self._pass()

    def close(self) -> None:
        """Draw the last event if it is not drawn yet, and take no more."""
        self._closed = True
        self._pass()

    def _pass(self) -> None:
        if self._first is None or self._held is None:
            return
        (begun, base), (now, progress) = self._first, self._held
        self._due, self._held = now + EVERY, None
        facts = [f"{human_bytes(progress.done)} of {human_bytes(progress.total or progress.done)}"]
        if progress.done > base and now > begun:
            facts.append(f"{human_bytes((progress.done - base) / (now - begun))}/s")
        if self._files > 1:
            facts.append(f"file {max(len(self._names), 1)} of {self._files}")
        if progress.note:
            facts.append(progress.note)
        self._draw(progress, " · ".join(facts))
