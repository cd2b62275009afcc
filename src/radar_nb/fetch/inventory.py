"""What lies in the data folder, held against the server's listings and, on demand, against its own checksums."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from radar_nb.dwd.catalogue import archives_of, make_plan
from radar_nb.dwd.listings import Entry
from radar_nb.errors import RadarNbError, StorageError
from radar_nb.fetch.comparison import Finding, Local, compare
from radar_nb.formats.archives import Part, verify
from radar_nb.formats.streams import Abandoned, Reopened
from radar_nb.runtime.background import for_each
from radar_nb.runtime.files import PART, local_path, read_sidecar
from radar_nb.runtime.progress import Progress, reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from radar_nb.dwd.catalogue import Missing, Plan, RemoteArchive
    from radar_nb.runtime.progress import Reporter

_READERS = 2  # files read through side by side: more make a disk seek, and inflating them takes a processor each
_STEP = 1 << 20  # bytes between two progress events of a file


def inventory(
    plan: Plan, listings: Mapping[str, Mapping[str, Entry] | None], now: datetime
) -> tuple[tuple[Finding, ...], tuple[Missing, ...]]:
    """Hold the plan's files, and all others of its months that lie here, against the server's listings.

    Parameters
    ----------
    plan : Plan
    listings : mapping
        What the plan was made from: by folder on the server its files by name, of all the plan's folders.
    now : datetime
        With time zone.

    Returns
    -------
    tuple of Finding
        The plan's files in its order, then those that only lie here.
    tuple of Missing
        Months and days of which neither the server nor the data folder has a file.

    Raises
    ------
    StorageError
        The data folder cannot be read.
    """
    here = {folder: _files_in(local_path(plan.folder, folder)) for folder in listings}
    asked = (plan.product, plan.family, plan.months)
    listed = {archive.path for archive in archives_of(*asked, listings)}
    alone = [archive for archive in archives_of(*asked, here) if archive.path not in listed]
    findings = (
        *(_find(plan, archive, here, listed=True) for archive in plan.archives),
        *(_find(plan, archive, here, listed=False) for archive in alone),
    )
    if not alone:
        return findings, plan.missing
    either = {folder: here[folder] | dict(files or {}) for folder, files in listings.items()}
    both = make_plan(*asked, base_url=plan.base_url, folder=plan.folder, listings=either, now=now)
    return findings, both.missing


def _find(plan: Plan, archive: RemoteArchive, here: Mapping[str, Mapping[str, Entry]], *, listed: bool) -> Finding:
    path = plan.local(archive)
    files = here[archive.path.rpartition("/")[0]]
    whole, part = files.get(archive.name), files.get(archive.name + PART)
    local = Local(
        size=whole.size if whole else None,
        part=part.size if part else None,
        note=read_sidecar(path) if whole else None,
    )
    standing = compare(archive if listed else None, local)
    return Finding(archive=archive, path=path, standing=standing, local=local, on_server=listed)


def _files_in(folder: Path) -> dict[str, Entry]:
    """Give the files of a folder as a listing; none where there is no such folder."""
    files: dict[str, Entry] = {}
    try:
        with os.scandir(folder) as found:
            for entry in found:
                with suppress(FileNotFoundError):  # another process has renamed it meanwhile
                    if entry.is_file():
                        files[entry.name] = Entry(name=entry.name, size=entry.stat().st_size, modified=None)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be read ({error.strerror}): choose another folder (folder=)"
        ) from error
    return files


async def read_through_async(findings: Sequence[Finding], progress: bool | Reporter) -> tuple[Finding, ...]:
    """Verify the archives that lie here and would stay; those that are damaged come back as broken.

    Parameters
    ----------
    findings : sequence of Finding
        From `inventory`.
    progress : bool or Reporter
        Bytes read.

    Returns
    -------
    tuple of Finding
        As many, in the same order.
    """
    chosen = [finding for finding in findings if finding.standing in {"same", "unsure", "gone", "unlisted"}]
    total, done = sum(finding.local.size or 0 for finding in chosen), 0
    loop, stop = asyncio.get_running_loop(), threading.Event()
    with reporting(progress) as reporter:

        def move(count: int, name: str) -> None:
            nonlocal done
            done += count
            reporter(Progress(task="verify", done=done, total=total, unit="B", note=name))

        def read(finding: Finding) -> RadarNbError | None:
            path, size = finding.path, finding.local.size or 0
            source = _Counted(
                Reopened(path, 0), lambda count: loop.call_soon_threadsafe(move, count, path.name), stop
            )
            try:
                verify(Part(archive=path, name=path.name, offset=0, size=size), source)
            except RadarNbError as error:
                return error
            finally:
                source.tell()
            return None

        try:
            errors = await for_each(chosen, lambda finding: asyncio.to_thread(read, finding), _READERS)
        finally:
            stop.set()
    damaged = {f.path: error for f, error in zip(chosen, errors, strict=True) if error is not None}
    return tuple(
        replace(f, standing="broken", error=damaged[f.path]) if f.path in damaged else f for f in findings
    )


class _Counted:
    """A file as a source that tells how far it is read, and ends when it is told to."""

    def __init__(self, source: Reopened, moved: Callable[[int], Any], stop: threading.Event) -> None:
        self._source = source
        self._moved = moved
        self._stop = stop
        self._untold = 0

    def readinto(self, buffer: Any, /) -> int:
        if self._stop.is_set():
            raise Abandoned
        count = self._source.readinto(buffer)
        self._pass(count)
        return count

    def skip(self, count: int) -> None:
        self._source.skip(count)
        self._pass(count)

    def _pass(self, count: int) -> None:
        self._untold += count
        if self._untold >= _STEP:
            self.tell()

    def tell(self) -> None:
        """Tell what was read since."""
        if not self._stop.is_set():
            self._moved(self._untold)
        self._untold = 0
