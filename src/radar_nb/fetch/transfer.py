"""One file's transfer from the server: requested, written, verified while it arrives, and renamed.

Until then it is a `.part` with a note of what the server stated; these two suffice to resume after any
interruption.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from concurrent.futures import wait
from dataclasses import replace
from typing import TYPE_CHECKING

from radar_nb.errors import (
    ArchiveError,
    DamagedDownload,
    FrameError,
    NotAnArchive,
    Refused,
    ServerUnavailable,
    TruncatedArchive,
    TruncatedFrame,
    UnsafeMember,
)
from radar_nb.fetch import http as transport
from radar_nb.fetch.part_files import Item, begun, discard, give_name, store
from radar_nb.fetch.responses import Setback, request_headers, trouble, validator
from radar_nb.formats.archives import Part, verify_part
from radar_nb.formats.streams import Growing
from radar_nb.runtime.files import (
    Sidecar,
    part_path,
    read_sidecar,
    require_space,
    storage_errors,
    write_sidecar,
)
from radar_nb.runtime.wording import human_bytes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from radar_nb.errors import RadarNbError
    from radar_nb.fetch.http import Connection
    from radar_nb.fetch.responses import Answer
    from radar_nb.runtime.background import Batches
    from radar_nb.runtime.report import State

SMALL = 1 << 20
"""Bytes: a smaller file is verified in memory when complete, and only then written."""

_WRITTEN = 256 << 10  # bytes per write
_BLOCK = 4 << 20  # bytes per request if a file has several connections
_RECORD = 10_240  # bytes: tars are padded to a multiple of it (POSIX.1-2017, pax, -b: the default of ustar)
_LARGEST = 16 << 30  # bytes: far more than any file of DWD (some 600 MB)

_AGAIN = "run the same call again"
_WRONG = (ArchiveError, FrameError, NotAnArchive)


_MAGIC: dict[str, tuple[int, bytes]] = {
    ".tar": (257, b"ustar"),  # POSIX.1-1988, ustar header, field magic
    ".gz": (0, b"\x1f\x8b"),  # RFC 1952, 2.3.1
    ".bz2": (0, b"BZh"),  # bzip2 1.0 manual, file format
    ".hdf5": (0, b"\x89HDF\r\n\x1a\n"),  # HDF5 file format specification, II.A superblock
}


def flaw(name: str, head: bytes) -> str | None:
    """Return what is wrong with a file whose first bytes do not match its name, or None.

    Examples
    --------
    >>> flaw("YW2017.002_202006.tar", b"<html><body>Sorry</body></html>")
    "a web page that begins '<html><body>Sorry</body></html>'"
    """
    if not head:
        return "an empty file"
    for suffix, (start, magic) in _MAGIC.items():
        if name.endswith(suffix) and head[start : start + len(magic)] != magic:
            text = " ".join(head[:200].decode("utf-8", "replace").split())
            kind = "a web page" if text[:1] == "<" else f"not a {suffix} file but one"
            return f"{kind} that begins {text!r}"
    return None


class Verification:
    """Check checksums, lengths and structure of an archive while it is being written.

    Parameters
    ----------
    pool : concurrent.futures.Executor
        Where it runs; it needs a thread per concurrent verification, because one that waits for bytes keeps its
        thread.
    written : pathlib.Path
        The file as written so far.
    archive : pathlib.Path
        Its final name, for messages.

    Attributes
    ----------
    sound : int
        Bytes that were verified and can be kept whatever follows: the completed days of a month.

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
        self._work = pool.submit(verify_part, part, self._growing, self._keep)

    def _keep(self, count: int) -> None:
        self.sound = count

    def grow(self, size: int) -> None:
        """Report that `size` bytes are written.

        Raises
        ------
        ArchiveError, FrameError, StorageError
            Earlier bytes are wrong.
        """
        self._growing.grow(size)
        if self._work.done():
            self._work.result()

    async def end(self) -> None:
        """Report that all bytes are written, and wait for the result.

        Raises
        ------
        ArchiveError, FrameError, StorageError
            The archive is damaged or cut short.
        """
        self._growing.end()
        await asyncio.wrap_future(self._work)

    def abandon(self) -> None:
        """Stop without a result. The file is closed afterwards: it may be truncated or removed."""
        self._growing.end(abandoned=True)
        if not self._work.cancel():
            wait([self._work])  # brief: it ends at its next read


class Transfer:
    """The transfer of one file; the caller holds the claim on it.

    Parameters
    ----------
    connection : Connection
    item : Item
    pool : concurrent.futures.Executor or None
        Verifies the arriving bytes; needs a thread per concurrent transfer. None: only lengths are checked.
    batches : Batches
        Verifies and writes small files in a thread.
    lanes : int
        Number of connections for this file.
    moved : callable
        Called with the item, the bytes of its part and its expected size whenever they change.
    """

    def __init__(
        self,
        connection: Connection,
        item: Item,
        *,
        pool: Executor | None,
        batches: Batches,
        lanes: int,
        moved: Callable[[Item, int, int], None],
    ) -> None:
        self._connection = connection
        self._item = item
        self._pool = pool
        self._batches = batches
        self._lanes = lanes
        self._moved = moved
        self._part = part_path(item.path)
        self._verification: Verification | None = None
        self._fresh: Sidecar | None = None  # the note of a file before its first write
        self._held: list[bytes] = []  # received bytes that are not written yet
        self._holds = 0  # how many
        self._damaged = self._restarts = 0
        self._cut_at = -1  # where the archive was cut short and the rest was requested

    async def bring(self) -> State:
        """Fetch the file, or the rest of its part, verify it and rename it.

        Returns
        -------
        {"done", "resumed", "kept"}

        Raises
        ------
        DownloadError, UnsafeMember
            The file did not arrive whole. A part that can be continued is kept.
        DiskFull, NotWritable, StorageError
            Writing failed.
        """
        item = self._item
        try:
            state = await self._connection.persist(self._attempt, lambda: item.done)
        finally:
            self._abandon()
        if state == "done" and item.already:
            return "resumed"
        return state

    async def _attempt(self) -> State:
        """Request the file, or the rest of its part, once."""
        item = self._item
        item.attempts += 1
        note, offset = begun(item) if item.done else (None, 0)
        if item.whole is not None or note is None or offset != note.size:  # otherwise only the renaming is left
            headers = request_headers(part=note, offset=offset, whole=item.whole)
            if self._lanes > 1:
                headers["Range"] = f"bytes={offset}-{offset + _BLOCK - 1}"
            try:
                async with self._connection.get(
                    item.url, headers=headers, note=note, offset=offset, conditional=item.whole is not None
                ) as (answer, verdict, body):
                    if verdict == "unchanged":
                        discard(item)
                        return "kept"
                    if verdict == "take":
                        await self._take(answer, body)
                if self._lanes > 1 and verdict == "take":
                    await self._take_blocks()
            except Setback as setback:
                if setback.restart:
                    self._restart()
                if self._connection.gate.paused:
                    item.attempts -= 1  # resuming after a pause is not a new attempt
                raise
        await self._finish()
        return "done"

    async def _take(self, answer: Answer, body: AsyncGenerator[bytes, None]) -> None:
        """Check the first bytes of a response's body, then take it."""
        item, size = self._item, answer.size
        if not answer.start:
            head = await anext(body, b"")
            if problem := flaw(item.path.name, head):
                raise trouble("no archive", NotAnArchive(
                    f"{item.url} answered {answer.status} with {problem} instead of an archive: open the address "
                    "in a browser to see why (a network's login page?), then run the same call again"
                ))  # fmt: skip
            self._begin(answer)
            self._add(head, size)
        try:
            async for chunk in body:
                self._add(chunk, size)
        except BaseException:
            self._write()
            raise
        if self._fresh is None or item.done >= SMALL:
            self._write()
        if self._lanes == 1 and size not in {None, item.done}:
            self._write()
            error = ServerUnavailable(f"{item.url} ended after {item.done} of {size} bytes: {_AGAIN}")
            raise Setback(error, trouble="broken", restart=item.done > (size or 0))

    def _begin(self, answer: Answer) -> None:
        """Begin a part with a note of what the server stated; nothing is written yet."""
        item, size = self._item, answer.size
        if (size or 0) > _LARGEST:
            raise trouble("too large", Refused(
                f"{item.url} has {human_bytes(size or 0)} according to the server, more than any file of DWD: "
                "check the address (base_url=)"
            ))  # fmt: skip
        if (size or 0) > item.expected:
            require_space(item.path.parent, size or 0, f"download {item.path.name}")
        if item.done:
            self._restart()
        self._fresh = Sidecar(url=item.url, etag=answer.etag, last_modified=answer.last_modified, size=size)

    def _add(self, chunk: bytes, size: int | None) -> None:
        """Take bytes, and write them when enough have accumulated."""
        item = self._item
        self._held.append(chunk)
        self._holds += len(chunk)
        item.moved += len(chunk)
        self._moved(item, item.done + len(chunk), size or item.expected)
        if item.done > _LARGEST:
            self._rewind(0)
            raise trouble(
                "too large",
                Refused(f"{item.url} does not end and exceeds any file of DWD: check the address (base_url=)"),
            )
        if item.done >= SMALL and self._holds >= _WRITTEN:
            self._write()
            self._follow()

    def _write(self) -> None:
        """Append the held bytes to the part; a new part gets its note first."""
        if not self._holds:
            return
        with storage_errors(self._part):
            if self._fresh is not None:
                discard(self._item)  # left by an attempt for another file
                self._part.touch()  # before its note: a note without a part means that the part was renamed
                write_sidecar(self._part, self._fresh)
            with self._part.open("ab", buffering=0) as out:
                for chunk in self._held:
                    rest = memoryview(chunk)
                    while rest:
                        rest = rest[out.write(rest) :]
        self._fresh, self._held, self._holds = None, [], 0

    def _follow(self) -> None:
        """Let the verification read what is written so far."""
        if self._verification is None and self._pool is not None:
            self._verification = Verification(self._pool, self._part, self._item.path)
        if self._verification is not None:
            try:
                self._verification.grow(self._item.done)
            except _WRONG as error:
                self._judge(error, self._verification.sound)

    async def _finish(self) -> None:
        """Wait until the whole file is verified, and rename it."""
        await self._confirm_end()
        if self._fresh is not None:  # small, and in memory
            data, sound, note = b"".join(self._held), [0], self._fresh
            try:
                await self._batches.run(
                    lambda: store(self._item, data, note, sound.append if self._pool is not None else None)
                )
            except _WRONG as error:
                self._write()
                self._judge(error, sound[-1])
            self._fresh, self._held, self._holds = None, [], 0
            return
        self._follow()
        if self._verification is not None:
            try:
                await self._verification.end()
            except _WRONG as error:
                self._judge(error, self._verification.sound)
        await asyncio.to_thread(give_name, self._item)

    async def _confirm_end(self) -> None:
        """Ask what follows a tar that ends within a record: only its padding may be missing."""
        item = self._item
        if not item.path.name.endswith(".tar") or item.done % _RECORD == 0 or self._cut_at == item.done:
            return
        self._cut_at = item.done
        self._write()
        note = read_sidecar(self._part)
        if self._pool is not None and note is not None and validator(note) is not None:
            write_sidecar(self._part, replace(note, size=None))
            raise Setback(
                ServerUnavailable(f"{item.url} ended within a record of its tar: {_AGAIN}"), trouble="short"
            )

    def _judge(self, error: RadarNbError, sound: int) -> None:
        """Keep the correct bytes of a damaged file, and raise for another attempt, or for good after too many."""
        item = self._item
        self._damaged += 1
        if isinstance(error, UnsafeMember):
            self._rewind(0)
            raise error
        what = str(error).rpartition(": ")[0]
        if self._damaged >= transport.PATIENCE.damaged:
            self._rewind(0)
            raise DamagedDownload(
                f"{item.url} arrived damaged {self._damaged} times ({what}): run the same call again later; "
                "if the server's file is damaged, verify=False accepts it"
            ) from error
        note = read_sidecar(self._part)
        resumable = note is not None and validator(note) is not None
        cut = isinstance(error, (TruncatedArchive, TruncatedFrame)) and self._cut_at != item.done
        if cut and note is not None and resumable:
            self._cut_at = item.done  # if it ends there again, it is damaged
            item.notes.append(
                f"the server stated {human_bytes(item.done)}, but the archive continues: requested the rest"
            )
            write_sidecar(self._part, replace(note, size=None))
            self._abandon()
            text = f"{what}; the server stated this length: {_AGAIN}"
            raise trouble("short", ServerUnavailable(text)) from error
        sound = sound if resumable else 0
        item.notes.append(f"arrived damaged, fetched again from byte {sound:,}")
        self._rewind(sound)
        raise Setback(ServerUnavailable(str(error)), trouble="damaged") from error

    def _restart(self) -> None:
        """Restart the file: the received bytes are of another version. This is not progress, so it is bounded."""
        self._rewind(0)
        self._restarts += 1
        if self._restarts > transport.PATIENCE.attempts:
            raise ServerUnavailable(
                f"{self._item.url} was restarted {self._restarts} times, because the server sent other bytes "
                "each time: run the same call again later"
            )

    def _rewind(self, size: int) -> None:
        """Cut the part to `size` bytes; remove it if that is 0."""
        item = self._item
        self._abandon()
        self._fresh, self._held, self._holds = None, [], 0
        if size:
            with storage_errors(self._part):
                os.truncate(self._part, size)
        else:
            discard(item)
        item.already = min(item.already, size)
        self._moved(item, size, item.expected)

    def _abandon(self) -> None:
        if self._verification is not None:
            self._verification.abandon()
            self._verification = None

    async def _take_blocks(self) -> None:
        """Fetch the rest over several connections; blocks wait in memory for those before them."""
        self._write()
        item, note = self._item, read_sidecar(self._part)
        if note is None or note.size is None or validator(note) is None:
            if note is None or note.size != item.done:
                self._lanes = 1  # nothing proves that the blocks are of one file
                raise Setback(ServerUnavailable(f"{item.url} cannot be fetched in blocks: {_AGAIN}"), restart=True)
            return
        starts = iter(range(item.done, note.size, _BLOCK))
        pending: deque[asyncio.Task[bytes]] = deque()
        try:
            while item.done < note.size:
                while len(pending) < self._lanes and (start := next(starts, None)) is not None:
                    stop = min(start + _BLOCK, note.size)
                    pending.append(asyncio.create_task(self._block(note, start, stop)))
                block = await pending[0]
                pending.popleft()
                self._add(block, note.size)
        finally:
            self._write()
            for task in pending:
                task.cancel()
            await asyncio.gather(*pending, return_exceptions=True)

    async def _block(self, note: Sidecar, start: int, stop: int) -> bytes:
        """Fetch a range of a file's bytes."""
        url, data = self._item.url, bytearray()
        changed = Setback(
            ServerUnavailable(f"{url} changed on the server during the download: {_AGAIN}"), restart=True
        )
        headers = {"If-Range": validator(note) or ""}

        async def attempt() -> bytearray | None:
            first = start + len(data)
            asked = headers | {"Range": f"bytes={first}-{stop - 1}"}
            try:
                async with self._connection.get(url, headers=asked, note=note, offset=first) as (answer, _, body):
                    if answer.status != 206:
                        return None
                    async for chunk in body:
                        data.extend(chunk)
            except Setback as setback:
                if setback.restart:
                    return None
                raise
            if len(data) < stop - start:
                raise trouble(
                    "broken", ServerUnavailable(f"{url} ended before byte {stop}: run the same call again")
                )
            return data if len(data) == stop - start else None

        block = await self._connection.persist(attempt, lambda: len(data))
        if block is None:
            raise changed
        return bytes(block)
