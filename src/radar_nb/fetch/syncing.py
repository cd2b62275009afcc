"""Keep a data folder up to date with the server: fetch new and re-issued files, repair broken ones.

Listings show what has changed, so that hundreds of unchanged files cost one page per folder and no request each.
Nothing is ever deleted, and a file is replaced only when the new one is complete.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from radar_nb.dwd.archive_names import filed_under
from radar_nb.dwd.catalogue import archives_of, make_plan
from radar_nb.dwd.listings import ListedFile
from radar_nb.dwd.months import month_range
from radar_nb.errors import CorruptArchive, RadarNbError, StorageError
from radar_nb.fetch.downloading import download_async
from radar_nb.fetch.planning import listed_async
from radar_nb.fetch.throttling import known_speed
from radar_nb.formats.archives import Part, verify_part
from radar_nb.formats.streams import Abandoned, Reopened
from radar_nb.runtime.background import for_each
from radar_nb.runtime.event_loop import blocking
from radar_nb.runtime.files import (
    PART,
    Sidecar,
    frames_folder,
    free_bytes,
    local_path,
    read_sidecar,
    write_sidecar,
)
from radar_nb.runtime.locks import claimed_async
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.report import Outcome, Report
from radar_nb.runtime.table import ShownAsTable, Table
from radar_nb.runtime.wording import human_bytes, human_duration

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from radar_nb.dwd.catalogue import Missing, Plan, RemoteArchive
    from radar_nb.dwd.months import Month
    from radar_nb.dwd.products import Product
    from radar_nb.fetch.planning import Source
    from radar_nb.runtime.progress import Reporter

Standing = Literal["same", "new", "begun", "re-issued", "unsure", "broken", "gone", "unlisted"]
"""same: size and date are the server's. new: not on the disk. begun: a part is on the disk. re-issued: the
server's has another size or date. unsure: only the server knows, and is asked with a conditional request. broken:
cut short, too long, or damaged. gone: came from the server, which no longer lists it. unlisted: of unknown origin,
and the server does not list it."""

_TO_FETCH = {"new", "begun", "re-issued", "broken"}

_WORDS: dict[Standing, str] = {
    "new": "new",
    "begun": "begun",
    "re-issued": "re-issued",
    "broken": "broken",
    "unsure": "to be asked for",
    "gone": "no longer on the server",
    "unlisted": "unknown to the server",
    "same": "as on the server",
}
_SHOWN = 3  # files of a month listed by name
_READERS = 2  # files verified in parallel: more make a disk seek, and each takes a processor to inflate
_STEP = 1 << 20  # bytes between two progress events of a file
_DAMAGED = -1  # noted size of a file found damaged: no file has it, so the file counts as incomplete


async def sync_async(
    product: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: Source = "auto",
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    verify: bool = False,
    concurrency: int | None = None,
    connections_per_file: int = 1,
    bandwidth_limit: float | None = None,
    progress: bool | Reporter = True,
    errors: Literal["raise", "report"] = "raise",
) -> Report:
    """Bring a data folder up to date: fetch what is new, was re-issued, or is broken on the disk.

    A file whose size and date (to the minute) match the server's listing is not requested. One that differs is
    requested on condition that it has changed, and replaced when the new one is complete. Files that the server no
    longer lists are reported and kept.

    Parameters
    ----------
    product, first, last, source, folder, base_url
        As for `plan`: `sync("YW", 2001, 2025)`.
    verify : bool
        Whether to read every archive on the disk and check its checksums and lengths. A damaged one is fetched
        again, and counts as absent until then.
    concurrency, connections_per_file, bandwidth_limit, progress, errors
        As for `download`.

    Returns
    -------
    Report
        One outcome per file of the requested months, in order, with changes in its notes; then the files that
        exist only on the disk, then the months and days that the server lacks.

    Raises
    ------
    RadarNbError
        As `plan` and `download` raise.
    CorruptArchive
        The only file is broken, and the server no longer has it.

    Examples
    --------
    >>> sync("YW", 2001, 2025, folder="data")  # doctest: +SKIP
    <Report sync: 299 kept, 1 done; 201.4 MB in 41.0 s>
    """
    begin = perf_counter()
    found = await sync_plan_async(
        product, first, last, source=source, folder=folder, base_url=base_url, verify=verify, progress=progress
    )
    for finding in found.findings:
        if finding.error is not None and finding.on_server:
            await _distrust(finding, found.plan.url(finding.archive))
    wanted = [finding for finding in found.findings if finding.on_server and finding.standing != "same"]
    fetched: dict[Path, Outcome] = {}
    gaps: tuple[Outcome, ...] = ()
    for forced in (False, True):
        chosen = [finding for finding in wanted if _unprovable(finding) == forced]
        report = await download_async(
            replace(
                found.plan,
                archives=tuple(finding.archive for finding in chosen),
                missing=() if forced else found.plan.missing,
            ),
            refresh=not forced,
            overwrite=forced,
            concurrency=concurrency,
            connections_per_file=connections_per_file,
            bandwidth_limit=bandwidth_limit,
            progress=progress,
            errors="report",
        )
        fetched |= {finding.path: outcome for finding, outcome in zip(chosen, report.outcomes, strict=False)}
        gaps += report.outcomes[len(chosen) :]
    outcomes = [_outcome(finding, fetched.get(finding.path)) for finding in found.findings]
    made = Report(task="sync", outcomes=(*outcomes, *gaps), seconds=perf_counter() - begin)
    return made.raise_for_failures() if errors == "raise" else made


sync = blocking(sync_async)


async def sync_plan_async(
    product: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: Source = "auto",
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    verify: bool = False,
    progress: bool | Reporter = True,
) -> SyncPlan:
    """Report what `sync` would do, its size and its duration. Only listings are requested.

    Parameters
    ----------
    product, first, last, source, folder, base_url, verify
        As for `sync`.
    progress : bool or Reporter
        Bytes verified, with `verify`.

    Returns
    -------
    SyncPlan
        Prints as a table.

    Raises
    ------
    RadarNbError
        As `plan` raises.
    StorageError
        The data folder cannot be read.

    Examples
    --------
    >>> print(sync_plan("YW", 2001, 2025, folder="data").summary)  # doctest: +SKIP
    3 new, 1 re-issued, 296 as on the server; 803.1 MB to fetch, 212.0 GB free, about 3 min at 5.3 MB/s
    """
    months = month_range(first, last)  # files, not times: whole months
    plan, listings = await listed_async(
        product, months[0], months[-1], source=source, folder=folder, base_url=base_url, listing=True
    )
    findings, missing = await asyncio.to_thread(inventory, plan, listings, datetime.now(UTC))
    if verify:
        findings = await read_through_async(findings, progress)
    return SyncPlan(
        plan=replace(plan, missing=missing),
        findings=findings,
        free=free_bytes(plan.folder),
        speed=known_speed(urlsplit(plan.base_url).netloc),
        verified=verify,
    )


sync_plan = blocking(sync_plan_async)


async def _distrust(finding: SyncFinding, url: str) -> None:
    """Mark a damaged file as incomplete in its note, so that it counts as absent until it is replaced.

    The note outlives this process, so that no later call takes the file for complete.
    """
    async with claimed_async(finding.path):
        if finding.path.is_file() and finding.path.stat().st_size == finding.local.size:
            write_sidecar(finding.path, Sidecar(url=url, size=_DAMAGED))


def _unprovable(finding: SyncFinding) -> bool:
    """Return whether a conditional request might mistake an older file for the server's: its note has no ETag."""
    note = finding.local.note
    return finding.standing == "re-issued" and note is not None and note.etag is None


def _outcome(finding: SyncFinding, fetched: Outcome | None) -> Outcome:
    """Return a file's outcome, with what the user should know of it in its notes."""
    path, remark = finding.path, finding.remark
    if fetched is None and finding.standing == "broken":
        error = CorruptArchive(f"{path} is {remark}: restore it from a backup, or remove it")
        return Outcome(name=path.name, state="failed", path=path, error=error)
    if fetched is None:
        return Outcome(name=path.name, state="kept", path=path, notes=(remark,) if remark else ())
    if fetched.state == "kept":  # was re-issued by its date, or unsure
        remark = f"{remark}; the server says it has not changed" if finding.standing == "re-issued" else ""
    if fetched.ok and finding.standing == "broken":
        remark = f"was {remark}"
    notes = [*filter(None, [remark]), *fetched.notes]
    frames = frames_folder(path)
    if fetched.state in {"done", "resumed"} and finding.local.size is not None and frames.is_dir():
        notes.append(f"the frames in {frames.name} are of the previous file: extract again")
    return replace(fetched, notes=tuple(notes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """What the data folder holds of one file.

    Attributes
    ----------
    size : int or None
        Bytes of the complete file; None if it does not exist.
    part : int or None
        Bytes of an unfinished download beside it.
    note : Sidecar or None
        What the server stated about the file when it was fetched.
    """

    size: int | None = None
    part: int | None = None
    note: Sidecar | None = None


def standing_of(listed: RemoteArchive | None, local: Local) -> Standing:
    """Return how a file on the disk compares with the server's; at least one of the two exists.

    If size and date agree with the note, the server need not be asked: a listing has both, the date to the minute.
    Without a note, as for files copied from elsewhere, only the size is compared.

    Parameters
    ----------
    listed : RemoteArchive or None
        From the server's listing; None if it is not listed.
    local : Local

    Examples
    --------
    >>> standing_of(None, Local(size=10))
    'unlisted'
    """
    note = local.note
    if local.size is None:
        return "new" if local.part is None else "begun"
    if note is not None and note.size not in {None, local.size}:
        return "broken"
    if listed is None:
        return "unlisted" if note is None else "gone"
    if listed.size not in {None, local.size}:
        return "re-issued"
    then = None if note is None else _minute(note.last_modified)
    if then is not None and listed.modified is not None and then != listed.modified:
        return "re-issued"
    stated = listed.size is not None and listed.modified is not None and then is not None
    provable = note is not None and bool(note.etag or note.last_modified)
    return "unsure" if provable and (not stated or local.part is not None) else "same"


def _minute(date: str | None) -> datetime | None:
    """Return an HTTP date to the minute, as in a listing."""
    try:
        moment = parsedate_to_datetime(date or "")
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).replace(second=0, microsecond=0)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncFinding:
    """How one file compares with the server's.

    Attributes
    ----------
    archive : RemoteArchive
        As listed; for a file that the server does not list, as its name says.
    path : pathlib.Path
        Where the file is or will be stored.
    standing : str
        See `Standing`.
    local : Local
    on_server : bool
        Whether the server lists it.
    error : RadarNbError or None
        What verification found.
    """

    archive: RemoteArchive
    path: Path
    standing: Standing
    local: Local
    on_server: bool = True
    error: RadarNbError | None = None

    @property
    def bytes_to_fetch(self) -> int:
        """Bytes to fetch, as far as the listing shows."""
        if not self.on_server or self.standing not in _TO_FETCH:
            return 0
        there = (self.local.part or 0) if self.standing == "begun" else 0
        return max(0, self.archive.expected - there)

    @property
    def remark(self) -> str:
        """What a user should know, without a full stop; empty if the file is as on the server."""
        size, listed = self.local.size or 0, self.archive
        if self.standing == "broken":
            return f"broken: {self._damage()}{'' if self.on_server else ', and the server no longer lists it'}"
        if self.standing == "re-issued":
            date = f" of {listed.modified:%Y-%m-%d %H:%M} UTC" if listed.modified is not None else ""
            return f"re-issued: {human_bytes(listed.expected)}{date}, here {human_bytes(size)}"
        if self.standing == "begun":
            return f"{human_bytes(self.local.part or 0)} of {human_bytes(listed.expected)} are here"
        return "" if self.standing == "same" else _WORDS[self.standing]

    def _damage(self) -> str:
        if self.error is not None:
            what = str(self.error).rpartition(": ")[0]
            return what.removeprefix(f"{self.path} > ").removeprefix(f"{self.path} ")
        known = self.local.note.size if self.local.note is not None else None
        if known is None or known < 0:
            return "found damaged before"
        return f"has {self.local.size:,} bytes instead of {known:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan(ShownAsTable):
    """What `sync` would do: what the server has, how the data folder compares, and the cost.

    Attributes
    ----------
    plan : Plan
        What the server has of the requested months; its `missing` is what neither server nor folder has.
    findings : tuple of SyncFinding
        The plan's files in order, then files that exist only on the disk.
    free : int
        Bytes free on the disk.
    speed : float or None
        Bytes per second of the last download from this server; None if there was none.
    verified : bool
        Whether the files were verified.

    Examples
    --------
    >>> asked = sync_plan("YW", "2020-01", "2020-12")  # doctest: +SKIP
    >>> asked.bytes_to_fetch, asked.free  # doctest: +SKIP
    (4_480_000_000, 98_000_000_000)
    """

    plan: Plan
    findings: tuple[SyncFinding, ...]
    free: int
    speed: float | None = None
    verified: bool = False

    @property
    def bytes_to_fetch(self) -> int:
        """Bytes to fetch, as far as the listing shows."""
        return sum(finding.bytes_to_fetch for finding in self.findings)

    @property
    def seconds(self) -> float | None:
        """Duration at the speed of the last download; None if unknown."""
        return self.bytes_to_fetch / self.speed if self.speed else None

    @property
    def counts(self) -> dict[Standing, int]:
        """Number of files by standing, without zeros."""
        found = Counter(finding.standing for finding in self.findings)
        return {standing: found[standing] for standing in _WORDS if found[standing]}

    @property
    def summary(self) -> str:
        """Summary in one line."""
        counts = ", ".join(f"{count} {_WORDS[standing]}" for standing, count in self.counts.items())
        gaps = f", {len(self.plan.missing)} missing" if self.plan.missing else ""
        if not self.bytes_to_fetch:
            return f"{counts or 'no files'}{gaps}; nothing to fetch"
        about = "" if all(f.archive.size is not None for f in self.findings if f.bytes_to_fetch) else "about "
        free = (
            f"{human_bytes(self.free)} free{'' if self.free >= self.bytes_to_fetch else ', which is not enough'}"
        )
        time = "time unknown until the first download"
        if self.seconds is not None and self.speed is not None:
            time = f"about {human_duration(self.seconds)} at {human_bytes(self.speed)}/s"
        return f"{counts}{gaps}; {about}{human_bytes(self.bytes_to_fetch)} to fetch, {free}, {time}"

    def table(self) -> Table:
        """Return the plan as a table: one row per month with something to do or to know."""
        by_month: dict[Month, list[SyncFinding]] = {month: [] for month in self.plan.months}
        for finding in self.findings:
            by_month[finding.archive.month].append(finding)
        rows, quiet = [], 0
        for month, findings in by_month.items():
            gaps = [f"{gap.what}: {gap.reason}" for gap in self.plan.missing if gap.month == month]
            if gaps or any(finding.standing != "same" for finding in findings):
                rows.append(_row(month, findings, gaps))
            else:
                quiet += 1
        how = "read through" if self.verified else "by size and date"
        untouched = f"{quiet} month{'s' * (quiet != 1)} as on the server ({how})"
        kept = "what the server does not list is kept" if {"gone", "unlisted"} & set(self.counts) else ""
        return Table(
            title=f"{self.plan.product.name} ({self.plan.family.name}): {self.summary}",
            columns=("month", "files", "to fetch", "what", "remarks"),
            rows=tuple(rows),
            notes=(
                *filter(None, (untouched if quiet else "", kept)),
                f"from {self.plan.base_url} into {self.plan.folder}",
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values for JSON."""
        return {
            "product": self.plan.product.name,
            "family": self.plan.family.name,
            "months": [str(month) for month in self.plan.months],
            "base_url": self.plan.base_url,
            "folder": str(self.plan.folder),
            "summary": self.summary,
            "counts": self.counts,
            "verified": self.verified,
            "bytes_to_fetch": self.bytes_to_fetch,
            "bytes_free": self.free,
            "bytes_per_second": self.speed,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "files": [
                {
                    "url": self.plan.url(finding.archive),
                    "path": str(finding.path),
                    "month": str(finding.archive.month),
                    "standing": finding.standing,
                    "bytes_to_fetch": finding.bytes_to_fetch,
                    "remark": finding.remark,
                }
                for finding in self.findings
            ],
            "missing": [{"month": str(g.month), "what": g.what, "reason": g.reason} for g in self.plan.missing],
        }

    def __repr__(self) -> str:
        """Return one line."""
        return f"<SyncPlan {self.summary}>"


def _row(month: Month, findings: list[SyncFinding], gaps: list[str]) -> tuple[str, ...]:
    counts = Counter(finding.standing for finding in findings)
    what = [f"{counts[standing]} {words}" for standing, words in _WORDS.items() if counts[standing]]
    notable = [finding for finding in findings if finding.standing in {"re-issued", "broken", "begun"}]
    remarks = [f"{finding.archive.name}: {finding.remark}" for finding in notable[:_SHOWN]]
    more = [f"and {len(notable) - _SHOWN} more"] if len(notable) > _SHOWN else []
    fetched = sum(finding.bytes_to_fetch for finding in findings)
    files = sum(finding.on_server for finding in findings)
    return str(month), str(files), human_bytes(fetched), ", ".join(what), "; ".join([*remarks, *more, *gaps])


def inventory(
    plan: Plan, listings: Mapping[str, Mapping[str, ListedFile] | None], now: datetime
) -> tuple[tuple[SyncFinding, ...], tuple[Missing, ...]]:
    """Compare the plan's files, and all others of its months on the disk, with the server's listings.

    Parameters
    ----------
    plan : Plan
    listings : mapping
        The listings that the plan was made from: for each of the plan's folders on the server, its files by name.
    now : datetime
        With time zone.

    Returns
    -------
    tuple of SyncFinding
        The plan's files in order, then files that exist only on the disk.
    tuple of Missing
        Months and days for which neither the server nor the data folder has a file.

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


def _find(
    plan: Plan, archive: RemoteArchive, here: Mapping[str, Mapping[str, ListedFile]], *, listed: bool
) -> SyncFinding:
    path = plan.local(archive)
    files = here[archive.path.rpartition("/")[0]]
    whole, part = files.get(archive.name), files.get(archive.name + PART)
    local = Local(
        size=whole.size if whole else None,
        part=part.size if part else None,
        note=read_sidecar(path) if whole else None,
    )
    standing = standing_of(archive if listed else None, local)
    return SyncFinding(archive=archive, path=path, standing=standing, local=local, on_server=listed)


def _files_in(folder: Path) -> dict[str, ListedFile]:
    """Return the files of a folder that have a name of DWD's, as a listing; empty if the folder does not exist."""
    files: dict[str, ListedFile] = {}
    try:
        with os.scandir(folder) as found:
            for entry in found:
                with suppress(FileNotFoundError):  # another process has renamed it meanwhile
                    if filed_under(entry.name.removesuffix(PART)) is not None and entry.is_file():
                        files[entry.name] = ListedFile(name=entry.name, size=entry.stat().st_size, modified=None)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be read ({error.strerror}): choose another folder (folder=)"
        ) from error
    return files


async def read_through_async(
    findings: Sequence[SyncFinding], progress: bool | Reporter
) -> tuple[SyncFinding, ...]:
    """Verify the archives on the disk that would be kept; damaged ones are returned as broken.

    Parameters
    ----------
    findings : sequence of SyncFinding
        From `inventory`.
    progress : bool or Reporter
        Bytes read.

    Returns
    -------
    tuple of SyncFinding
        The same findings in the same order.
    """
    chosen = [finding for finding in findings if finding.standing in {"same", "unsure", "gone", "unlisted"}]
    total, done = sum(finding.local.size or 0 for finding in chosen), 0
    loop, stop = asyncio.get_running_loop(), threading.Event()
    with reporting(progress) as reporter:

        def move(count: int, name: str) -> None:
            nonlocal done
            done += count
            reporter(Progress(task="verify", done=done, total=total, unit="B", note=name))

        def read(finding: SyncFinding) -> RadarNbError | None:
            path, size = finding.path, finding.local.size or 0
            source = _Counted(
                Reopened(path, 0), lambda count: loop.call_soon_threadsafe(move, count, path.name), stop
            )
            try:
                verify_part(Part(archive=path, name=path.name, offset=0, size=size), source)
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
    """A file as a source that reports its progress, and raises when asked to stop."""

    def __init__(self, source: Reopened, moved: Callable[[int], Any], stop: threading.Event) -> None:
        self._source = source
        self._moved = moved
        self._stop = stop
        self._unreported = 0

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
        self._unreported += count
        if self._unreported >= _STEP:
            self.tell()

    def tell(self) -> None:
        """Report the bytes read since the last call."""
        if not self._stop.is_set():
            self._moved(self._unreported)
        self._unreported = 0
