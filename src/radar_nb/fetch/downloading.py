"""From a plan to local archives: resumed, retried, verified, and complete or absent.

A plan's files are fetched in parallel, each by a `Transfer` under a claim, so that two notebooks that want the
same month share one download. `download` waits for the end; `start` returns a handle to pause, resume and cancel.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from tempfile import TemporaryFile
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from radar_nb.dwd.catalogue import Plan
from radar_nb.errors import CoverageError, DiskFull, RadarNbError, SettingsError
from radar_nb.fetch.http import connected
from radar_nb.fetch.part_files import Item, begun, discard, mend
from radar_nb.fetch.throttling import remember_speed
from radar_nb.fetch.transfer import SMALL, Transfer
from radar_nb.runtime.background import Batches, Job, for_each
from radar_nb.runtime.event_loop import blocking, run
from radar_nb.runtime.files import (
    archive_state,
    lock_path,
    part_path,
    read_sidecar,
    require_space,
    sidecar_path,
    storage_errors,
    user_path,
)
from radar_nb.runtime.locks import claimed_async
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.report import Outcome, Report
from radar_nb.runtime.wording import human_bytes

if TYPE_CHECKING:
    import os
    from collections.abc import Generator, Sequence

    from radar_nb.dwd.catalogue import Missing
    from radar_nb.fetch.http import Connection
    from radar_nb.runtime.progress import Reporter


_STEP = 1 << 16  # bytes between two progress events
_OVERLAP = 4  # small files in flight per connection


async def download_async(
    plan: Plan,
    *,
    folder: str | os.PathLike[str] | None = None,
    concurrency: int | None = None,
    overwrite: bool = False,
    refresh: bool = False,
    verify: bool = True,
    connections_per_file: int = 1,
    bandwidth_limit: float | None = None,
    progress: bool | Reporter = True,
    errors: Literal["raise", "report"] = "raise",
) -> Report:
    """Download the archives of a plan, in a script or in a notebook cell.

    Complete files are not fetched again, and an interrupted download resumes. If another process is fetching a
    file, the call waits for it.

    Parameters
    ----------
    plan : Plan
        From `radar_nb.plan`.
    folder : path, optional
        Data folder, instead of the plan's; archives are stored below it under the same path as on the server.
    concurrency : int, optional
        Number of connections at a time, by default 5 (see `settings`): DWD's server is a public good.
    overwrite : bool
        Fetch every file from its first byte. An existing file is replaced only when the new one is complete.
    refresh : bool
        Ask the server for newer versions of existing files, and fetch only those.
    verify : bool
        Check each file's checksums, lengths and structure while it arrives. A damaged file is fetched again from
        the last day that was correct.
    connections_per_file : int
        More than 1 fetches a large file in parallel blocks of 4 MB, within `concurrency`. Keep 1 to be polite.
    bandwidth_limit : float, optional
        Bytes per second, over all connections.
    progress : bool or Reporter
        True for a bar, False for none, or a callable that takes `Progress` events: bytes over all files.
    errors : {"raise", "report"}
        Whether to raise at the end if files failed or are missing. The other files are fetched in either case.

    Returns
    -------
    Report
        One outcome per file, in the plan's order, then the files that the plan lists as missing.

    Raises
    ------
    DownloadError
        The only file did not arrive: `NotOnServer`, `Refused`, `ServerUnavailable`, `TransferTimeout`,
        `NotAnArchive`, `DamagedDownload`.
    UnsafeMember
        The only file has a member that no archive of DWD has; nothing of it is kept.
    Incomplete
        Some of several files failed; `report` lists which and why.
    DiskFull, NotWritable, StorageError
        The folder cannot take the files; raised before the first request.
    SettingsError
        A number of connections or bytes is not valid.

    Examples
    --------
    >>> from radar_nb import download, plan  # doctest: +SKIP
    >>> download(plan("YW", "2020-06"), folder="data").paths  # doctest: +SKIP
    (PosixPath('data/climate_environment/CDC/.../2020/YW2017.002_202006.tar'),)
    """
    call = Call(
        _in_folder(plan, folder),
        concurrency=concurrency,
        overwrite=overwrite,
        refresh=refresh,
        verify=verify,
        lanes=connections_per_file,
        bandwidth_limit=bandwidth_limit,
    )
    await call.run(progress)
    report = call.report()
    return report.raise_for_failures() if errors == "raise" else report


download = blocking(download_async)


def _in_folder(plan: Any, folder: str | os.PathLike[str] | None) -> Plan:
    """Return the plan with the user's folder; raise if it is not a plan."""
    if not isinstance(plan, Plan):
        raise SettingsError(
            f"download needs a plan, not {plan!r}: pass radar_nb.plan('YW', '2020-06'), or use "
            "radar_nb.load('YW', '2020-06'), which plans, downloads and opens"
        )
    return plan if folder is None else replace(plan, folder=user_path(folder))


def start(plan: Plan, *, errors: Literal["raise", "report"] = "raise", **options: Any) -> Download:
    """Start downloading the archives of a plan and return a handle.

    The download runs on the current event loop, as in a notebook, or else in a thread of its own.

    Parameters
    ----------
    plan : Plan
    errors : {"raise", "report"}
        Whether waiting for the end raises if files failed or are missing.
    **options
        As for `download`.

    Returns
    -------
    Download

    Examples
    --------
    >>> job = start(plan("YW", "2020-06"))  # doctest: +SKIP
    >>> job.pause()  # doctest: +SKIP
    >>> job.resume()  # doctest: +SKIP
    >>> report = await job  # doctest: +SKIP
    """
    return Download(plan, errors=errors, **options)


class Download:
    """A running download, from `start`: awaitable; every method can be called from any thread at any time.

    Parameters
    ----------
    plan, folder, progress, errors, connections_per_file, **options
        As in `start`, which makes it.

    Examples
    --------
    >>> job = start(plan)  # doctest: +SKIP
    >>> job.report.summary  # doctest: +SKIP
    'download: 1 done, 4 running, 7 waiting; 212.0 MB in 31.0 s'
    """

    def __init__(
        self,
        plan: Plan,
        *,
        folder: str | os.PathLike[str] | None = None,
        progress: bool | Reporter = True,
        errors: Literal["raise", "report"] = "raise",
        connections_per_file: int = 1,
        **options: Any,
    ) -> None:
        target = _in_folder(plan, folder)
        self._call = Call(target, lanes=connections_per_file, **options)
        self._errors = errors
        self._cancelled = False
        self._failure: BaseException | None = None
        self._job = Job(self._call.run(progress), self._end)

    @property
    def report(self) -> Report:
        """The state of each file so far."""
        return self._call.report()

    @property
    def paused(self) -> bool:
        """Whether the download is paused."""
        return self._call.paused

    def pause(self) -> None:
        """Close the connections and send no request until `resume`. Received bytes are kept."""
        self._call.set_paused(paused=True)

    def resume(self) -> None:
        """Resume after `pause`, at the byte where it stopped."""
        self._call.set_paused(paused=False)

    def cancel(self) -> None:
        """Cancel the download. Received bytes are kept, and the same plan can resume."""
        self._cancelled = True
        self._job.cancel()

    def wait(self) -> Report:
        """Wait for the end in a script; in a notebook, `await` the handle instead.

        Returns
        -------
        Report
            After `cancel`, unfinished files are `cancelled`, and no error is raised for them.

        Raises
        ------
        RadarNbError
            As `download` raises.
        """
        return run(self._result())

    def __await__(self) -> Generator[Any, None, Report]:
        """Wait for the end, as `wait` does; to stop waiting does not stop the download."""
        return self._result().__await__()

    async def _result(self) -> Report:
        await self._job.ended()
        if self._failure is not None:
            raise self._failure
        report = self.report
        return report.raise_for_failures() if self._errors == "raise" and not self._cancelled else report

    def _end(self, task: asyncio.Task[None]) -> None:
        self._failure = None if task.cancelled() else task.exception()


def resumption(plan: Plan) -> str:
    """Return one line that counts the files of a plan that an earlier call has begun; empty if there are none.

    Parameters
    ----------
    plan : Plan

    Returns
    -------
    str

    Examples
    --------
    >>> resumption(plan("YW", "2020-06", "2020-08"))  # doctest: +SKIP
    'resuming 2 of 3 files: 148.3 MB of 412.0 MB are there already'
    """
    there = whole = count = 0
    for archive in plan.archives:
        note, size = begun(Item(url=plan.url(archive), path=plan.local(archive), expected=archive.expected))
        if note is not None and size:
            there, whole, count = there + size, whole + (note.size or archive.expected), count + 1
    if not count:
        return ""
    amount = f"{human_bytes(there)} of {human_bytes(whole)}"
    return f"resuming {count} of {len(plan.archives)} files: {amount} are there already"


class Call:
    """One call: its files and their progress."""

    def __init__(
        self,
        plan: Plan,
        *,
        concurrency: int | None = None,
        overwrite: bool = False,
        refresh: bool = False,
        verify: bool = True,
        lanes: int = 1,
        bandwidth_limit: float | None = None,
    ) -> None:
        if lanes < 1:
            raise SettingsError(f"connections_per_file={lanes} is not valid: use 1 or more")
        if bandwidth_limit is not None and not bandwidth_limit > 0:
            raise SettingsError(
                f"bandwidth_limit={bandwidth_limit} is not a valid number of bytes: leave it out for no limit"
            )
        self.paused = False
        self._plan = plan
        self._concurrency = concurrency
        self._overwrite = overwrite
        self._refresh = refresh
        self._verify = verify
        self._lanes = lanes
        self._bandwidth_limit = bandwidth_limit
        self._items: list[Item] = []
        self._began = self._ended = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection | None = None

    def report(self) -> Report:
        """Return the state of each file so far, in the plan's order, then the plan's missing files."""
        outcomes = [item.outcome() for item in self._items] + [_gap(self._plan, gap) for gap in self._plan.missing]
        end = self._ended or perf_counter()
        return Report(task="download", outcomes=tuple(outcomes), seconds=end - (self._began or end))

    def set_paused(self, *, paused: bool) -> None:
        """Pause or resume, from any thread."""
        self.paused = paused
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nothing is left to pause
                self._loop.call_soon_threadsafe(lambda: asyncio.ensure_future(self._obey()))

    async def _obey(self) -> None:
        if self._connection is not None:
            await (self._connection.pause() if self.paused else self._connection.gate.set_paused(False))

    async def run(self, progress: bool | Reporter) -> None:
        """Fetch the files; a failure is stored in its item, so that the others continue. A full disk stops all."""
        self._began = perf_counter()
        self._loop = asyncio.get_running_loop()
        try:
            self._items = await asyncio.to_thread(self._survey)
            wanted = [item for item in self._items if item.state != "kept"]
            with reporting(progress) as reporter:
                meter = _Meter(reporter, wanted)
                async with connected(self._concurrency, bandwidth_limit=self._bandwidth_limit) as connection:
                    self._connection = connection
                    await self._obey()
                    await self._bring(connection, wanted, meter)
        finally:
            self._connection = None
            self._ended = perf_counter()
            moved, host = sum(item.moved for item in self._items), urlsplit(self._plan.base_url).netloc
            remember_speed(host, moved, self._ended - self._began)
            for item in self._items:
                item.state = "cancelled" if item.state in {"waiting", "running"} else item.state

    async def _bring(self, connection: Connection, wanted: Sequence[Item], meter: _Meter) -> None:
        # some small files are verified and written while others arrive: the gate keeps to the limit
        small = all(item.expected <= SMALL for item in wanted)
        width = connection.limit * (_OVERLAP if small else 1)
        batches = Batches()
        # one thread per file at a time: a verification that waits for bytes keeps its thread
        with ThreadPoolExecutor(width, thread_name_prefix="radar_nb-verify") as pool:

            async def fetch(item: Item) -> None:
                transfer = Transfer(
                    connection,
                    item,
                    pool=pool if self._verify else None,
                    batches=batches,
                    lanes=self._lanes,
                    moved=meter.move,
                )
                await self._fetch(item, transfer, meter)

            try:
                await for_each(wanted, fetch, width)
            except DiskFull as error:
                for item in wanted:
                    item.error = error if item.state in {"waiting", "running", "cancelled"} else item.error

    async def _fetch(self, item: Item, transfer: Transfer, meter: _Meter) -> None:
        """Fetch one file, unless another process has fetched it meanwhile."""
        begin = perf_counter()
        item.state = "running"
        try:
            async with claimed_async(item.path, lambda: _watch(item, meter)) as found:
                if found or sidecar_path(part_path(item.path)).exists():
                    mend(item)
                if not item.again and archive_state(item.path) == "whole":
                    item.state = "kept"
                else:
                    if self._overwrite:
                        discard(item)
                    item.already = begun(item)[1] if found or item.done else 0
                    meter.move(item, item.already, item.expected)
                    item.state = await transfer.bring()
        except asyncio.CancelledError:
            item.state = "cancelled"
            raise
        except RadarNbError as error:
            item.state, item.error = "failed", error
            if isinstance(error, DiskFull):
                raise
        finally:
            item.seconds = perf_counter() - begin
        meter.move(item, item.done, item.done)

    def _survey(self) -> list[Item]:
        """Check which files exist, and that the rest can be written and fits."""
        plan, items = self._plan, []
        for archive in plan.archives:
            item = Item(url=plan.url(archive), path=plan.local(archive), expected=archive.expected)
            item.again = self._overwrite or self._refresh
            if archive_state(item.path) == "whole":
                item.whole = read_sidecar(item.path) if self._refresh and not self._overwrite else None
                left = sidecar_path(part_path(item.path)).exists() or lock_path(item.path).exists()  # crash
                item.state = "waiting" if item.again or left else "kept"
            item.done = 0 if self._overwrite else begun(item)[1]
            items.append(item)
        wanted = [item for item in items if item.state != "kept"]
        if wanted:
            with storage_errors(plan.folder):
                plan.folder.mkdir(parents=True, exist_ok=True)
                TemporaryFile(dir=plan.folder).close()
            needed = sum(max(0, item.expected - item.done) for item in wanted)
            require_space(plan.folder, needed, f"download {len(wanted)} files")
        return items


def _watch(item: Item, meter: _Meter) -> None:
    """Report how far another process has come with a file."""
    with suppress(OSError):
        meter.move(item, part_path(item.path).stat().st_size, item.expected)


def _gap(plan: Plan, missing: Missing) -> Outcome:
    what = f"{plan.product.name} {missing.what}"
    error = CoverageError(f"{what} ({plan.family.name}) is not available: {missing.reason}")
    return Outcome(name=what, state="missing", error=error)


class _Meter:
    """The bytes of all files together, reported every 64 KiB and at the end of each item."""

    def __init__(self, reporter: Reporter, items: Sequence[Item]) -> None:
        self._reporter = reporter
        self._total = sum(item.expected for item in items)
        self._done = self._reported = sum(item.done for item in items)

    def move(self, item: Item, done: int, expected: int) -> None:
        """Set how far a file has come and how large it is, as far as known."""
        size = max(done, expected)
        self._done += done - item.done
        self._total += size - item.expected
        item.done, item.expected = done, size
        if abs(self._done - self._reported) >= _STEP or done == expected:
            self._reported = self._done
            name = item.path.name
            self._reporter(Progress(task="download", done=self._done, total=self._total, unit="B", note=name))
