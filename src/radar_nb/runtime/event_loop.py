"""Blocking calls of coroutines, in scripts and in notebook cells, where a loop is already running."""

from __future__ import annotations

import asyncio
import functools
import inspect
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from radar_nb.errors import RadarNbError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

P = ParamSpec("P")
T = TypeVar("T")


def blocking(work: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Return a blocking version of a coroutine function, with its signature, docstring and name without `_async`.

    Parameters
    ----------
    work : coroutine function
        Its name ends in `_async`.

    Returns
    -------
    function
        It runs the coroutine to its end, as `run` does.

    Examples
    --------
    >>> async def double_async(number: int) -> int:
    ...     return 2 * number
    >>> double = blocking(double_async)
    >>> double.__name__, double(21)
    ('double', 42)
    """

    @functools.wraps(work)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return run(work(*args, **kwargs))
        except RadarNbError as error:  # frames of the loop would hide the message
            raise error.with_traceback(None)  # noqa: B904 - the same error

    plain: Any = call
    plain.__name__ = work.__name__.removesuffix("_async")
    plain.__qualname__ = work.__qualname__.removesuffix("_async")
    plain.__signature__ = inspect.signature(work)
    del plain.__wrapped__  # otherwise `inspect` and Sphinx would show a coroutine function
    return call


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine from synchronous code, and return its result.

    If no loop is running in this thread, as in a script, a new loop runs the coroutine; a loop that the thread has
    set (`asyncio.set_event_loop`) stays set. If one is running, as in a notebook cell, `nest_asyncio2` makes that
    kind of loop re-entrant and the coroutine runs inside it, while the loop's other tasks continue. A script never
    imports `nest_asyncio2`, and `asyncio` itself is not patched.

    Parameters
    ----------
    coroutine : coroutine
        Closed if it cannot be run.

    Returns
    -------
    object
        What the coroutine returns.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C, or the notebook's stop button. It is raised after the coroutine was cancelled and has cleaned up; a
        second Ctrl-C does not wait for that.
    RuntimeError
        The running loop cannot be made re-entrant (uvloop): use `await` and the name ending in `_async`.

    Examples
    --------
    >>> async def answer() -> int:
    ...     await asyncio.sleep(0)
    ...     return 42
    >>> run(answer())
    42
    """
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # asyncio.run would unset the thread's
            return runner.run(coroutine)
    try:
        _make_reentrant(loop)
    except BaseException:
        coroutine.close()
        raise
    return _run_inside(loop, coroutine)


def _make_reentrant(loop: asyncio.AbstractEventLoop) -> None:
    import nest_asyncio2  # noqa: PLC0415 - a script never needs it

    try:
        # not apply(): that would also swap asyncio.run, Task and Future for every loop of every thread
        nest_asyncio2._patch_loop(loop)  # noqa: SLF001
    except ValueError as error:
        kind = f"{type(loop).__module__}.{type(loop).__qualname__}"
        raise RuntimeError(
            f"a loop of the kind {kind} is already running and is not re-entrant: "
            "use `await` and the name ending in _async, such as `await download_async(...)`"
        ) from error


def _run_inside(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, T]) -> T:
    # The turn of the loop that called us has counted its ready callbacks and takes as many when we return. We run
    # some of them, so empty ones take their places: a turn begun before the patch would fail on an empty queue.
    counted = len(loop._ready)  # type: ignore[attr-defined]  # noqa: SLF001
    task = loop.create_task(coroutine)
    try:
        with _interrupt_cancels(task):
            return loop.run_until_complete(task)
    finally:
        for _ in range(counted):
            loop.call_soon(_nothing)


def _nothing() -> None:
    """Fill a place in the queue."""


@contextmanager
def _interrupt_cancels(task: asyncio.Task[Any]) -> Iterator[None]:
    """Turn the first Ctrl-C into a cancellation of the task, as `asyncio.run` does, and raise it afterwards."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread receives signals
        return
    loop, interrupted = task.get_loop(), False

    def on_interrupt(_signum: int, _frame: object) -> None:
        nonlocal interrupted
        if interrupted:
            raise KeyboardInterrupt
        interrupted = True
        task.cancel()
        loop.call_soon_threadsafe(_nothing)  # wakes a loop that waits for the network

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    except asyncio.CancelledError:
        if interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)  # None: not set by Python
