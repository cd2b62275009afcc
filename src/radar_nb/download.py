"""From a plan to archives on disk: whole, once, and from where an earlier call stopped.

An unfinished file is named `.part` and has a note beside it with what the server said of the file. The two are
enough to go on after a cancelled call, a restarted kernel or a power cut.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter
from typing import TYPE_CHECKING, Literal, TypeVar

from radar_nb.errors import CoverageError, DiskFull, NotAnArchive, NotOnServer, RadarNbError, ServerUnavailable
from radar_nb.progress import Progress, reporting
from radar_nb.report import Outcome, Report
from radar_nb.sync import run
from radar_nb.transport import Setback, connected, request_headers, validator
from radar_nb.workspace import (
    Sidecar,
    archive_state,
    part_path,
    read_sidecar,
    require_space,
    sidecar_path,
    storage_errors,
    write_sidecar,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

    from aiohttp import ClientResponse

    from radar_nb.catalogue import Missing, Plan
    from radar_nb.progress import Reporter
    from radar_nb.report import State
    from radar_nb.transport import Answer, Connection

S = TypeVar("S")
T = TypeVar("T")

_STEP = 1 << 16  # bytes between two progress events
_HEAD = 512  # bytes looked at before any is written: one tar header (POSIX.1-1988, ustar)

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


def download(
    plan: Plan,
    *,
    folder: str | os.PathLike[str] | None = None,
    concurrency: int | None = None,
    overwrite: bool = False,
    refresh: bool = False,
    progress: bool | Reporter = True,
    errors: Literal["raise", "report"] = "raise",
) -> Report:
    """Fetch the archives of a plan, in a script or in a notebook cell.

    What lies there whole is not fetched again; what an earlier call began is continued. Ctrl-C leaves
    parts that the next call goes on with.

    Parameters
    ----------
    plan : Plan
        From `radar_nb.plan`.
    folder : path, optional
        The data folder instead of the plan's; archives lie below it under the same path as on the server.
    concurrency : int, optional
        Connections at a time, 5 unless set otherwise: DWD's server is a public good.
    overwrite : bool
        Fetch all from the first byte, whatever is there. A file is replaced when the new one is whole.
    refresh : bool
        Ask the server whether it has newer files than those that lie there, and fetch only these.
    progress : bool or Reporter
        True for a bar, False for silence, or a callable that takes `Progress` events: bytes over all files.
    errors : {"raise", "report"}
        What happens in the end if files failed or are missing. The others are fetched in either case.

    Returns
    -------
    Report
        An outcome a file, in the plan's order, then those that the plan named as missing.

    Raises
    ------
    DownloadError
        The only file did not arrive: `NotOnServer`, `Refused`, `ServerUnavailable`, `TransferTimeout`,
        `NotAnArchive`.
    Incomplete
        Some of several files failed; its `report` tells which and why.
    DiskFull, NotWritable, StorageError
        The folder cannot take the files; found before the first byte is asked for.

    Examples
    --------
    >>> from radar_nb import download, plan  # doctest: +SKIP
    >>> download(plan("YW", "2020-06"), folder="data").paths  # doctest: +SKIP
    (PosixPath('data/climate_environment/CDC/.../2020/YW2017.002_202006.tar'),)
    """
    return run(
        download_async(
            plan,
            folder=folder,
            concurrency=concurrency,
            overwrite=overwrite,
            refresh=refresh,
            progress=progress,
            errors=errors,
        )
    )


async def download_async(
    plan: Plan,
    *,
    folder: str | os.PathLike[str] | None = None,
    concurrency: int | None = None,
    overwrite: bool = False,
    refresh: bool = False,
    progress: bool | Reporter = True,
    errors: Literal["raise", "report"] = "raise",
) -> Report:
    """Fetch the archives of a plan: the coroutine behind `download`, with the same parameters.

    Cancelling it closes the connections and leaves parts that the next call goes on with.
    """
    begin = perf_counter()
    if folder is not None:
        plan = replace(plan, folder=Path(folder))
    files = await asyncio.to_thread(_survey, plan, overwrite=overwrite, refresh=refresh)
    wanted = [file for file in files if file.state != "kept"]
    with reporting(progress) as reporter:
        meter = _Meter(reporter, wanted)
        async with connected(concurrency) as connection:
            try:
                await _for_each(wanted, lambda file: _fetch(connection, file, meter), connection.limit)
            except DiskFull as error:
                for file in wanted:
                    file.error = error if file.state == "cancelled" else file.error
    outcomes = [file.outcome() for file in files] + [_gap(plan, missing) for missing in plan.missing]
    report = Report(task="download", outcomes=tuple(outcomes), seconds=perf_counter() - begin)
    return report.raise_for_failures() if errors == "raise" else report


async def read_pages_async(urls: Sequence[str], *, concurrency: int | None = None) -> dict[str, str | None]:
    """Fetch directory listings as text, with the same patience as archives.

    Parameters
    ----------
    urls : sequence of str
    concurrency : int, optional
        Connections at a time.

    Returns
    -------
    dict
        The text by its URL, or None where the server has no such page (404, 410).

    Raises
    ------
    DownloadError
        A page did not arrive: `Refused`, `ServerUnavailable`, `TransferTimeout`.
    """
    async with connected(concurrency) as connection:

        async def page(url: str) -> str | None:
            try:
                async with connection.get(url) as (response, _):
                    return (await response.read()).decode("utf-8", "replace")
            except NotOnServer:
                return None

        pages = await _for_each(urls, lambda url: connection.persist(lambda: page(url)), connection.limit)
    return dict(zip(urls, pages, strict=True))


async def _for_each(items: Sequence[S], work: Callable[[S], Awaitable[T]], limit: int) -> list[T]:
    """Do a work for all items, so many at a time; the first error ends all and is raised as it is."""
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


@dataclass(slots=True, kw_only=True)
class _File:
    """One file of a call: what is to be done, and how far it has come."""

    url: str
    path: Path
    expected: int  # bytes, as planned until the server tells
    state: State = "cancelled"  # until it is brought or given up
    whole: Sidecar | None = None  # the note of a file that lies there whole and may be outdated
    done: int = 0  # bytes of the part
    moved: int = 0  # bytes received in this call
    attempts: int = 0
    seconds: float = 0.0
    error: RadarNbError | None = None

    def outcome(self) -> Outcome:
        return Outcome(
            name=self.path.name,
            state=self.state,
            path=None if self.error else self.path,
            bytes=self.moved,
            seconds=self.seconds,
            retries=max(0, self.attempts - 1),
            error=self.error,
        )


def _gap(plan: Plan, missing: Missing) -> Outcome:
    what = f"{plan.product.name} {missing.what}"
    error = CoverageError(f"{what} ({plan.family.name}) is not to be had: {missing.reason}")
    return Outcome(name=what, state="missing", error=error)


def _survey(plan: Plan, *, overwrite: bool, refresh: bool) -> list[_File]:
    """Look at what is there, and make sure that the rest can be written and fits."""
    files = []
    for archive in plan.archives:
        file = _File(url=plan.url(archive), path=plan.local(archive), expected=archive.expected)
        if overwrite:
            _discard(part_path(file.path))
        elif archive_state(file.path) == "whole":
            file.whole = read_sidecar(file.path)
            file.state = "cancelled" if refresh else "kept"
        file.done = _begun(file)[1]
        files.append(file)
    wanted = [file for file in files if file.state != "kept"]
    if wanted:
        with storage_errors(plan.folder):
            plan.folder.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=plan.folder).close()
        needed = sum(max(0, file.expected - file.done) for file in wanted)
        require_space(plan.folder, needed, f"download {len(wanted)} files")
    return files


def _begun(file: _File) -> tuple[Sidecar | None, int]:
    """Give the note and the size of a part that can be continued."""
    part = part_path(file.path)
    note = read_sidecar(part)
    size = part.stat().st_size if part.is_file() else 0
    if note is None or note.url != file.url or validator(note) is None or size > (note.size or size):
        return None, 0
    return note, size


def _discard(part: Path) -> None:
    with storage_errors(part):
        part.unlink(missing_ok=True)
        sidecar_path(part).unlink(missing_ok=True)


class _Meter:
    """The bytes of all files together, told to the reporter every 64 KiB and at the end of each file."""

    def __init__(self, reporter: Reporter, files: Sequence[_File]) -> None:
        self._reporter = reporter
        self._total = sum(file.expected for file in files)
        self._done = self._told = sum(file.done for file in files)

    def move(self, file: _File, *, done: int, expected: int) -> None:
        """Set how far a file has come and how large it is, as far as known."""
        size = max(done, expected)
        self._done += done - file.done
        self._total += size - file.expected
        file.done, file.expected = done, size
        if abs(self._done - self._told) >= _STEP or done == expected:
            self._told = self._done
            name = file.path.name
            self._reporter(Progress(task="download", done=self._done, total=self._total, unit="B", note=name))


async def _fetch(connection: Connection, file: _File, meter: _Meter) -> None:
    """Bring one file; what fails is kept in it, so that the others go on. A full disk ends all."""
    begin = perf_counter()
    try:
        file.state = await connection.persist(lambda: _attempt(connection, file, meter), lambda: file.done)
        if file.state == "done" and file.moved < file.done:
            file.state = "resumed"
    except RadarNbError as error:
        file.state, file.error = "failed", error
        if isinstance(error, DiskFull):
            raise
    finally:
        file.seconds = perf_counter() - begin
    meter.move(file, done=file.done, expected=file.done)


async def _attempt(connection: Connection, file: _File, meter: _Meter) -> State:
    """Ask once for a file, or for what its part lacks."""
    file.attempts += 1
    part = part_path(file.path)
    note, offset = _begun(file)
    if file.whole is not None or note is None or offset != note.size:  # else only the name is missing
        headers = request_headers(part=note, offset=offset, whole=file.whole)
        try:
            async with connection.get(file.url, headers=headers, note=note, offset=offset) as (response, answer):
                if answer.status == 304:
                    _discard(part)
                    return "kept"
                await _take(response, answer, file, meter)
        except Setback as setback:
            if setback.restart:
                _discard(part)
            raise
    await asyncio.to_thread(_give_name, part, file.path)
    return "done"


async def _take(response: ClientResponse, answer: Answer, file: _File, meter: _Meter) -> None:
    """Write the body of an answer to the part, after a look at its first bytes."""
    part = part_path(file.path)
    done, expected = answer.start or 0, answer.size or file.expected
    head = b"" if done else await _first_bytes(response)
    if not done and (problem := flaw(file.path.name, head)):
        raise NotAnArchive(
            f"{file.url} answered {answer.status} with {problem} instead of an archive: open the address in a "
            "browser to see why (a network's login page?), then run the same call again"
        )
    with storage_errors(part):
        if not done:
            _discard(part)  # first, so that no crash leaves old bytes beside a new note
            note = Sidecar(url=file.url, etag=answer.etag, last_modified=answer.last_modified, size=answer.size)
            write_sidecar(part, note)
        with part.open("ab") as out:
            async for chunk in _chunks(head, response):
                out.write(chunk)
                done += len(chunk)
                file.moved += len(chunk)
                meter.move(file, done=done, expected=expected)
    if answer.size not in {None, done}:
        error = ServerUnavailable(f"{file.url} ended after {done} of {answer.size} bytes: run the same call again")
        raise Setback(error, restart=True)


async def _first_bytes(response: ClientResponse) -> bytes:
    try:
        return await response.content.readexactly(_HEAD)
    except asyncio.IncompleteReadError as error:
        return error.partial


async def _chunks(head: bytes, response: ClientResponse) -> AsyncIterator[bytes]:
    if head:
        yield head
    async for chunk in response.content.iter_any():
        yield chunk


def _give_name(part: Path, path: Path) -> None:
    """Force a complete part to the disk; give it, then its note, the names of a whole file."""
    with storage_errors(path):
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
        sidecar_path(part).replace(sidecar_path(path))
