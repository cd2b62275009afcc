"""One file on its way from the server: asked for, written, verified while it comes, given its name.

Until then it is a `.part` with a note of what the server said of it; these two are enough to go on after any end.
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
from radar_nb.formats.archives import Part, verify
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
"""Bytes: a smaller file is verified in memory when it is there, and only then written."""

_WRITTEN = 256 << 10  # bytes that are written at once
_BLOCK = 4 << 20  # bytes asked for at a time where a file has several connections
_RECORD = 10_240  # bytes: tars are padded to a multiple of it (POSIX.1-2017, pax, -b: the default of ustar)
_LARGEST = 16 << 30  # bytes: far more than any file of DWD has (some 600 MB)

_AGAIN = "run the same call again"
_WRONG = (ArchiveError, FrameError, NotAnArchive)


_MAGIC: dict[str, tuple[int, bytes]] = {
    ".tar": (257, b"ustar"),  # POSIX.1-1988, ustar header, field magic
    ".gz": (0, b"\x1f\x8b"),  # RFC 1952, 2.3.1
    ".bz2": (0, b"BZh"),  # bzip2 1.0 manual, file format
    ".hdf5": (0, b"\x89HDF\r\n\x1a\n"),  # HDF5 file format specification, II.A superblock
}


def flaw(name: str, head: bytes) -> str | None:
    """Tell what is wrong with a file whose first bytes do not suit its name, or None if they do.

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
            kind = "a web page" if text[:1] == "<" else f"no {suffix} file but one"
            return f"{kind} that begins {text!r}"
    return None


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


class Transfer:
    """Bring one file; the caller holds the claim on it.

    Parameters
    ----------
    connection : Connection
    item : Item
    pool : concurrent.futures.Executor or None
        Verifies what comes; it has a thread for each transfer at a time. None: nothing is verified but lengths.
    batches : Batches
        Verifies and writes small files in a thread.
    lanes : int
        Connections for this file.
    moved : callable
        Is given the item, the bytes of its part, and those that it will have, whenever they change.
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
        self._fresh: Sidecar | None = None  # the note of a file of which nothing is written yet
        self._held: list[bytes] = []  # bytes that came and are not written yet
        self._holds = 0  # how many
        self._damaged = self._restarts = 0
        self._cut_at = -1  # where the archive was found cut short, and the rest was asked for

    async def bring(self) -> State:
        """Fetch the file, or what its part lacks, verify it and give it its name.

        Returns
        -------
        {"done", "resumed", "kept"}

        Raises
        ------
        DownloadError, UnsafeMember
            It did not arrive whole. A part that can be continued is left.
        DiskFull, NotWritable, StorageError
            The disk refused.
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
        """Ask once for the file, or for what its part lacks."""
        item = self._item
        item.attempts += 1
        note, offset = begun(item) if item.done else (None, 0)
        if item.whole is not None or note is None or offset != note.size:  # else only the name is missing
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
                    item.attempts -= 1  # to go on after a pause is no new try
                raise
        await self._finish()
        return "done"

    async def _take(self, answer: Answer, body: AsyncGenerator[bytes, None]) -> None:
        """Take the body of an answer, after a look at its first bytes."""
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
        """Begin a part with a note of what the server said; nothing is written yet."""
        item, size = self._item, answer.size
        if (size or 0) > _LARGEST:
            raise trouble("too large", Refused(
                f"{item.url} has {human_bytes(size or 0)} by the server's word, and no file of DWD is that large: "
                "check the address (base_url=)"
            ))  # fmt: skip
        if (size or 0) > item.expected:
            require_space(item.path.parent, size or 0, f"download {item.path.name}")
        if item.done:
            self._restart()
        self._fresh = Sidecar(url=item.url, etag=answer.etag, last_modified=answer.last_modified, size=size)

    def _add(self, chunk: bytes, size: int | None) -> None:
        """Take bytes, which are written when there are enough of them to be worth it."""
        item = self._item
        self._held.append(chunk)
        self._holds += len(chunk)
        item.moved += len(chunk)
        self._moved(item, item.done + len(chunk), size or item.expected)
        if item.done > _LARGEST:
            self._rewind(0)
            raise trouble(
                "too large",
                Refused(
                    f"{item.url} does not end, and no file of DWD is that large: check the address (base_url=)"
                ),
            )
        if item.done >= SMALL and self._holds >= _WRITTEN:
            self._write()
            self._follow()

    def _write(self) -> None:
        """Append what is held to the part; a new one gets its note first."""
        if not self._holds:
            return
        with storage_errors(self._part):
            if self._fresh is not None:
                discard(self._item)  # what another attempt, of another file, has left
                self._part.touch()  # before its note: a note without a part tells that the part got its name
                write_sidecar(self._part, self._fresh)
            with self._part.open("ab", buffering=0) as out:
                for chunk in self._held:
                    rest = memoryview(chunk)
                    while rest:
                        rest = rest[out.write(rest) :]
        self._fresh, self._held, self._holds = None, [], 0

    def _follow(self) -> None:
        """Let the verification see what is written so far."""
        if self._verification is None and self._pool is not None:
            self._verification = Verification(self._pool, self._part, self._item.path)
        if self._verification is not None:
            try:
                self._verification.grow(self._item.done)
            except _WRONG as error:
                self._judge(error, self._verification.sound)

    async def _finish(self) -> None:
        """Wait for the verification's word on the whole file, and give it its name."""
        await self._confirm_end()
        if self._fresh is not None:  # it is small, and in memory
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
        """Ask what follows a tar that ends within a record: its padding may be cut, with its frames all there."""
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
        """Keep of a file that is wrong what is right, and raise for another attempt, unless it has had enough."""
        item = self._item
        self._damaged += 1
        if isinstance(error, UnsafeMember):
            self._rewind(0)
            raise error
        what = str(error).rpartition(": ")[0]
        if self._damaged >= transport.PATIENCE.damaged:
            self._rewind(0)
            raise DamagedDownload(
                f"{item.url} arrived damaged {self._damaged} times ({what}): run the same call again later; if it "
                "is so on the server, verify=False takes it as it is"
            ) from error
        note = read_sidecar(self._part)
        resumable = note is not None and validator(note) is not None
        cut = isinstance(error, (TruncatedArchive, TruncatedFrame)) and self._cut_at != item.done
        if cut and note is not None and resumable:
            self._cut_at = item.done  # where it ends there again, nothing follows: then it is damage
            item.notes.append(f"the server told {human_bytes(item.done)}, the archive goes on: asked for the rest")
            write_sidecar(self._part, replace(note, size=None))
            self._abandon()
            text = f"{what}; the server told so many bytes: {_AGAIN}"
            raise trouble("short", ServerUnavailable(text)) from error
        sound = sound if resumable else 0
        item.notes.append(f"arrived damaged, fetched again from byte {sound:,} on")
        self._rewind(sound)
        raise Setback(ServerUnavailable(str(error)), trouble="damaged") from error

    def _restart(self) -> None:
        """Begin the file anew: what has come belongs to other bytes. That is no progress, so it is bounded."""
        self._rewind(0)
        self._restarts += 1
        if self._restarts > transport.PATIENCE.attempts:
            raise ServerUnavailable(
                f"{self._item.url} had to be begun anew {self._restarts} times, because the server sent other "
                "bytes each time: run the same call again later"
            )

    def _rewind(self, size: int) -> None:
        """Cut the part to so many bytes; with none, remove it."""
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
        """Fetch the rest over several connections; blocks wait in memory until those before them are there."""
        self._write()
        item, note = self._item, read_sidecar(self._part)
        if note is None or note.size is None or validator(note) is None:
            if note is None or note.size != item.done:
                self._lanes = 1  # nothing would tell whether the blocks are of one file
                raise Setback(ServerUnavailable(f"{item.url} cannot be had in blocks: {_AGAIN}"), restart=True)
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
        """Fetch some bytes of a file."""
        url, data = self._item.url, bytearray()
        changed = Setback(ServerUnavailable(f"{url} changed on the server while it came: {_AGAIN}"), restart=True)
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
