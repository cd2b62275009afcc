"""An archive verified while it arrives: in a thread that follows the file as it grows."""

from __future__ import annotations

import asyncio
from concurrent.futures import wait
from typing import TYPE_CHECKING

from radar_nb.formats.archives import Part, verify
from radar_nb.formats.streams import Growing

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from pathlib import Path


class Verification:
    """Checksums, lengths and structure of an archive that is still being written.

    Parameters
    ----------
    pool : concurrent.futures.Executor
        Where it works; it needs a thread for each verification at a time, since one that waits for bytes keeps its
        thread.
    written : pathlib.Path
        The file, as far as it is there.
    archive : pathlib.Path
        What it will be called: for messages.

    Attributes
    ----------
    sound : int
        Bytes up to which all was found right and can be kept whatever follows: the days of a month that are over.

    Examples
    --------
    >>> import asyncio, gzip, tempfile
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from pathlib import Path
    >>> async def verified(data: bytes) -> None:
    ...     with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as pool:
    ...         part = Path(folder, "a.part")
    ...         verification = Verification(pool, part, Path("a.gz"))
    ...         part.write_bytes(data)
    ...         verification.grow(len(data))
    ...         await verification.end()
    >>> asyncio.run(verified(gzip.compress(b"a frame")[:-1]))
    Traceback (most recent call last):
        ...
    radar_nb.errors.TruncatedArchive: a.gz is cut short: fetch it again with overwrite=True
    """

    def __init__(self, pool: Executor, written: Path, archive: Path) -> None:
        self.sound = 0
        self._growing = Growing(written)
        part = Part(archive=archive, name=archive.name, offset=0, size=-1)
        self._work = pool.submit(verify, part, self._growing, self._keep)

    def _keep(self, count: int) -> None:
        self.sound = count

    def grow(self, size: int) -> None:
        """Tell that so many bytes are written.

        Raises
        ------
        ArchiveError, FrameError, StorageError
            What came before is wrong already.
        """
        self._growing.grow(size)
        if self._work.done():
            self._work.result()

    async def end(self) -> None:
        """Tell that all is written, and wait for the verdict.

        Raises
        ------
        ArchiveError, FrameError, StorageError
            It is wrong, or cut short.
        """
        self._growing.end()
        await asyncio.wrap_future(self._work)

    def abandon(self) -> None:
        """End it without a verdict. The file is not open any more then: it may be cut or removed."""
        self._growing.end(abandoned=True)
        if not self._work.cancel():
            wait([self._work])  # a moment: the next bytes that it asks for end it
