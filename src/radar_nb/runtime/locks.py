"""Exclusive writing of a file or folder across threads, processes and notebooks; owner of filelock.

A claim is an operating-system lock on a hidden file beside the claimed path. It ends with the process that holds
it, so that no claim outlives a crash; the hidden file is removed when the claim is released.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING

from radar_nb.runtime.files import lock_path, storage_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

_EVERY = 0.1
"""Seconds between two attempts while another holder has the claim."""


class Claim:
    """A claim on a file or folder for writing; `claimed` and `claimed_async` hold one for a block.

    Parameters
    ----------
    path : pathlib.Path

    Attributes
    ----------
    found : bool
        Whether another holder had it, or left it in a crash.
    """

    def __init__(self, path: Path) -> None:
        from filelock import FileLock  # noqa: PLC0415 - `import radar_nb` stays cheap

        self.found = False
        self._path = path
        self._lock = FileLock(lock_path(path), blocking=False, thread_local=False)

    def take(self) -> bool:
        """Acquire the claim unless another holds it; return whether it was acquired.

        Raises
        ------
        NotWritable, DiskFull, StorageError
            The lock file cannot be created.
        """
        from filelock import Timeout  # noqa: PLC0415 - as above

        with storage_errors(self._path):
            self.found = self.found or lock_path(self._path).exists()
            try:
                self._lock.acquire()
            except Timeout:
                return False
            except FileNotFoundError:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                return self.take()
        return True

    def drop(self) -> None:
        """Release the claim. The file is removed first; a waiter that has it open notices and retries."""
        with suppress(OSError):  # Windows keeps the name of an open file; there filelock removes it later
            lock_path(self._path).unlink()
        self._lock.release()


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold a claim on a file or folder, after waiting for other holders; blocks the thread.

    Parameters
    ----------
    path : pathlib.Path
        It need not exist; its parent is created.

    Raises
    ------
    NotWritable, DiskFull, StorageError
        The lock's file cannot be made beside it.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder, claimed(Path(folder, "a")):
    ...     [file.name for file in Path(folder).iterdir()]
    ['.a.lock']
    """
    claim = Claim(path)
    while not claim.take():
        time.sleep(_EVERY)
    try:
        yield
    finally:
        claim.drop()


@asynccontextmanager
async def claimed_async(path: Path, waiting: Callable[[], None] = lambda: None) -> AsyncIterator[bool]:
    """Hold a claim on a file or folder, after waiting for other holders, without blocking the loop.

    Parameters
    ----------
    path : pathlib.Path
    waiting : callable
        Called before each wait for another holder.

    Yields
    ------
    bool
        Whether there was another holder, which may have left files: it has ended or crashed.

    Raises
    ------
    NotWritable, DiskFull, StorageError
        The lock's file cannot be made beside it.
    """
    claim = Claim(path)
    while not claim.take():
        waiting()
        await asyncio.sleep(_EVERY)
    try:
        yield claim.found
    finally:
        claim.drop()
