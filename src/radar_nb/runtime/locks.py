"""Who may write a file or folder just now, across threads, processes and notebooks; owner of filelock.

A claim is a lock of the operating system on a hidden file beside what is claimed. It ends with the process that
holds it, however that ends, so that no claim outlives a crash; the hidden file goes when the claim is given up.
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
"""Seconds between two looks at whether another holder has gone."""


class Claim:
    """A file or folder to be held for writing; `claimed` and `claimed_async` hold one for a block.

    Parameters
    ----------
    path : pathlib.Path

    Attributes
    ----------
    found : bool
        Whether another held it, or left it by a crash.
    """

    def __init__(self, path: Path) -> None:
        from filelock import FileLock  # noqa: PLC0415 - `import radar_nb` stays cheap

        self.found = False
        self._path = path
        self._lock = FileLock(lock_path(path), blocking=False, thread_local=False)

    def take(self) -> bool:
        """Take it unless another holds it.

        Raises
        ------
        NotWritable, DiskFull, StorageError
            The lock's file cannot be made beside it.
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
        """Give it up. The file goes first: who opened it meanwhile finds it nameless and begins anew."""
        with suppress(OSError):  # Windows keeps the name of an open file; there filelock removes it after
            lock_path(self._path).unlink()
        self._lock.release()


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Hold a file or folder for writing, after all others who do; for threads that may wait.

    Parameters
    ----------
    path : pathlib.Path
        It need not exist; its parent is made.

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
    """Hold a file or folder for writing, after all others who do, beside the running loop.

    Parameters
    ----------
    path : pathlib.Path
    waiting : callable
        Called before each wait for another holder.

    Yields
    ------
    bool
        Whether there was another holder, to wait for or ended by a crash: what it has left is to be looked at.

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
