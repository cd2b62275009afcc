"""Parallel work on many days: in threads of this process, or on a cluster; owner of distributed."""

from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from radar_nb.errors import CubeError, RadarNbError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 2
"""Items submitted per thread or core, so that none is idle and few are lost in a failure."""
_CHUNKS = "radar_nb-chunks"
"""Name of the threads that compute Dask's chunks for other threads."""
_RETRIES = 2
"""Retries of an item after foreign errors, beside the worker deaths that dask allows."""


@contextmanager
def active_client(client: Any) -> Iterator[Any]:
    """Yield the client to use: the given one, the active one of this process, or None for threads.

    Parameters
    ----------
    client : distributed.Client, address, None or False
        None selects the active client, if there is one; False selects threads. A client created here, for an
        address, is closed at the end.
    """
    if isinstance(client, str):
        from distributed import Client  # noqa: PLC0415 - an extra, which one machine does not need

        with Client(client, set_as_default=False) as made:  # type: ignore[no-untyped-call]
            yield made
    else:
        yield _present_client(client)


def _present_client(client: Any) -> Any:
    if client is False:
        return None
    if client is not None or "distributed" not in sys.modules:
        return client
    from distributed import default_client  # noqa: PLC0415 - as above

    try:
        return default_client()  # type: ignore[no-untyped-call]
    except ValueError:  # no active client
        return None


def each(
    items: Iterable[Item], work: Callable[[Item], Result], *, client: Any = None, workers: int = 1
) -> Generator[tuple[Item, Result | RadarNbError], None, None]:
    """Run work for each item in parallel, and yield each result as soon as it is available.

    Parameters
    ----------
    items : iterable
        Iterated lazily, shortly before each item starts.
    work : callable
        For a cluster, a function of a module or a partial of one.
    client : distributed.Client, optional
        The cluster to use; threads by default.
    workers : int
        Number of threads.

    Yields
    ------
    item
    result or RadarNbError
        What the work returned or raised. Other exceptions end the call.
    """
    if client is None:
        yield from _in_threads(items, work, workers)
    else:
        yield from _on_cluster(items, work, client)


@cache
def renew_dask_after_forks() -> None:
    """Let forked processes start their own threads for dask.

    A forked process inherits dask's pools but not their threads, so that it would hang; PyTorch's DataLoader forks
    by default on Linux.
    """
    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=_renew_dask)


def _renew_dask() -> None:
    dask = sys.modules.get("dask.threaded")
    if dask is not None:
        dask.default_pool, dask.pools_lock = None, threading.Lock()  # type: ignore[attr-defined]
        dask.pools.clear()


def read_chunks(array: Any) -> Any:
    """Return the values of a DataArray, from any thread, without leaving threads behind.

    Dask makes a pool for each thread that computes and is not the main one, and keeps it to the end of the process
    (`dask.threaded.get`). Here all threads share one pool.

    Parameters
    ----------
    array : xarray.DataArray
        Its chunks are computed by the scheduler in force; without Dask it is read as it is.

    Returns
    -------
    numpy.ndarray
    """
    reader = threading.current_thread()
    if reader is threading.main_thread() or reader.name.startswith(_CHUNKS):  # a pool must not wait for itself
        return array.values
    return array.compute(pool=_chunk_threads(os.getpid())).values


@cache
def _chunk_threads(process: int) -> ThreadPoolExecutor:  # noqa: ARG001 - a forked process inherits no threads
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix=_CHUNKS)


def _tried(work: Callable[[Item], Result], item: Item) -> Result | RadarNbError:
    """Run work; return errors of this package as its result, since a retry would not help."""
    try:
        return work(item)
    except RadarNbError as error:
        return error


def _in_threads(
    items: Iterable[Item], work: Callable[[Item], Result], workers: int
) -> Generator[tuple[Item, Result | RadarNbError], None, None]:
    waiting = iter(items)
    running: dict[Future[Result | RadarNbError], Item] = {}
    pool = ThreadPoolExecutor(workers, thread_name_prefix="radar_nb-cube")
    try:
        while True:
            while len(running) < _AHEAD * workers and (item := next(waiting, None)) is not None:
                running[pool.submit(_tried, work, item)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _on_cluster(
    items: Iterable[Item], work: Callable[[Item], Result], client: Any
) -> Generator[tuple[Item, Result | RadarNbError], None, None]:
    from distributed import as_completed  # noqa: PLC0415 - as above
    from distributed.scheduler import KilledWorker  # noqa: PLC0415 - as above

    cores = sum(client.ncores().values())
    if not cores:
        raise SettingsError(f"{client} has no workers: start some first")
    waiting = iter(items)
    running: dict[Any, Item] = {}
    finished: Any = as_completed(loop=client.loop)  # type: ignore[no-untyped-call]
    try:
        while True:
            while len(running) < _AHEAD * cores and (item := next(waiting, None)) is not None:
                future = client.submit(_tried, work, item, pure=False, retries=_RETRIES)
                running[future] = item
                finished.add(future)
            if not running:
                return
            future = next(finished)
            item = running.pop(future)
            try:
                result: Result | RadarNbError = future.result()
            except KilledWorker as error:
                result = CubeError(f"{item} killed its worker at each attempt ({error}): give it more memory")
            yield item, result
    finally:
        client.cancel(list(running))
