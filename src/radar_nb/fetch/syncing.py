"""A data folder kept as the server is: what is new or was re-issued is brought, what is broken is repaired.

Listings tell what has changed, so that hundreds of files that have not cost one page a folder and no request each.
Nothing is ever deleted, and a file is replaced only when the new one is whole.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from radar_nb.errors import CorruptArchive
from radar_nb.fetch.comparison import SyncPlan
from radar_nb.fetch.downloading import download_async
from radar_nb.fetch.inventory import inventory, read_through_async
from radar_nb.fetch.planning import listed_async
from radar_nb.fetch.speeds import known_speed
from radar_nb.runtime.event_loop import blocking
from radar_nb.runtime.files import Sidecar, frames_folder, free_bytes, write_sidecar
from radar_nb.runtime.locks import claimed_async
from radar_nb.runtime.report import Outcome, Report

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from radar_nb.dwd.products import Product
    from radar_nb.fetch.comparison import Finding
    from radar_nb.fetch.planning import Source
    from radar_nb.runtime.progress import Reporter

_DAMAGED = -1  # the size in the note of a file that was found damaged: it is no file's, so the file is not whole


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
    """Bring a data folder up to the server: what is new, was re-issued, or is broken here.

    A file whose size and date (to the minute) are those of the server's listing is the same, and is not asked for.
    One that differs is asked for on the condition that it has changed, and replaced when the new one is whole.
    What the server no longer lists is told, and kept.

    Parameters
    ----------
    product, first, last, source, folder, base_url
        As for `plan`: `sync("YW", 2001, 2025)`.
    verify : bool
        Whether to read every archive that lies here through, against its own checksums and lengths. One that is
        damaged is fetched again, and counts as not there until then.
    concurrency, connections_per_file, bandwidth_limit, progress, errors
        As for `download`.

    Returns
    -------
    Report
        An outcome for each file of the months asked for, in order, with what has changed in its notes; then the
        files that only lie here, then the months and days that the server lacks.

    Raises
    ------
    RadarNbError
        What `plan` and `download` raise.
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
    """Tell what `sync` would do, how much that is and how long it takes. Only listings are asked for.

    Parameters
    ----------
    product, first, last, source, folder, base_url, verify
        As for `sync`.
    progress : bool or Reporter
        Bytes read through, with `verify`.

    Returns
    -------
    SyncPlan
        It prints as a table.

    Raises
    ------
    RadarNbError
        What `plan` raises.
    StorageError
        The data folder cannot be read.

    Examples
    --------
    >>> print(sync_plan("YW", 2001, 2025, folder="data").summary)  # doctest: +SKIP
    3 new, 1 re-issued, 296 as on the server; 803.1 MB to fetch, 212.0 GB free, about 3 min at 5.3 MB/s
    """
    plan, listings = await listed_async(
        product, first, last, source=source, folder=folder, base_url=base_url, listing=True
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


async def _distrust(finding: Finding, url: str) -> None:
    """Note of a damaged file that it is not whole, so that it counts as absent until another takes its place.

    The note outlives this process: whatever ends it, no later call takes the file for whole.
    """
    async with claimed_async(finding.path):
        if finding.path.is_file() and finding.path.stat().st_size == finding.local.size:
            write_sidecar(finding.path, Sidecar(url=url, size=_DAMAGED))


def _unprovable(finding: Finding) -> bool:
    """Tell whether the server, asked on a condition, could take an older file for the same: it knows no ETag."""
    note = finding.local.note
    return finding.standing == "re-issued" and note is not None and note.etag is None


def _outcome(finding: Finding, fetched: Outcome | None) -> Outcome:
    """Tell what became of a file, and what the user should know of it."""
    path, remark = finding.path, finding.remark
    if fetched is None and finding.standing == "broken":
        error = CorruptArchive(f"{path} is {remark}: restore it from elsewhere, or remove it")
        return Outcome(name=path.name, state="failed", path=path, error=error)
    if fetched is None:
        return Outcome(name=path.name, state="kept", path=path, notes=(remark,) if remark else ())
    if fetched.state == "kept":  # as re-issued as its date told, or unsure
        remark = f"{remark}; the server says it has not changed" if finding.standing == "re-issued" else ""
    if fetched.ok and finding.standing == "broken":
        remark = f"was {remark}"
    notes = [*filter(None, [remark]), *fetched.notes]
    frames = frames_folder(path)
    if fetched.state in {"done", "resumed"} and finding.local.size is not None and frames.is_dir():
        notes.append(f"the frames in {frames.name} beside it are of the former one: extract again")
    return replace(fetched, notes=tuple(notes))
