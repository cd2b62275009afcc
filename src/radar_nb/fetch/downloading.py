"""From a plan to local archives: resumed, retried, verified, whole or not there at all.

A plan's files are fetched side by side, each by a `Transfer` under a claim, so that two notebooks which want the
same month share one download. `download` waits for the end; `start` gives a handle to pause, resume and cancel.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from radar_nb.fetch.fetching import Call
from radar_nb.fetch.part_files import Item, begun
from radar_nb.runtime.background import Job
from radar_nb.runtime.event_loop import blocking, run
from radar_nb.runtime.wording import human_bytes

if TYPE_CHECKING:
    import asyncio
    import os
    from collections.abc import Generator

    from radar_nb.dwd.catalogue import Plan
    from radar_nb.runtime.progress import Reporter
    from radar_nb.runtime.report import Report


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
    """Fetch the archives of a plan, in a script or in a notebook cell.

    What lies there whole is not fetched again; what an earlier call began is continued, however that ended. What
    another process is fetching is waited for.

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
    verify : bool
        Hold what comes against its own checksums, lengths and structure, while it comes. What is wrong is fetched
        again from the last day on that was right.
    connections_per_file : int
        More than 1 fetches a large file in blocks of 4 MB side by side, within `concurrency`. One is polite.
    bandwidth_limit : float, optional
        Bytes a second, over all connections.
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
        `NotAnArchive`, `DamagedDownload`.
    UnsafeMember
        The only file holds what no archive of DWD has; nothing of it is kept.
    Incomplete
        Some of several files failed; its `report` tells which and why.
    DiskFull, NotWritable, StorageError
        The folder cannot take the files; found before the first byte is asked for.
    SettingsError
        A number of connections or bytes that is none.

    Examples
    --------
    >>> from radar_nb import download, plan  # doctest: +SKIP
    >>> download(plan("YW", "2020-06"), folder="data").paths  # doctest: +SKIP
    (PosixPath('data/climate_environment/CDC/.../2020/YW2017.002_202006.tar'),)
    """
    call = Call(
        plan if folder is None else replace(plan, folder=Path(folder)),
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


def start(plan: Plan, *, errors: Literal["raise", "report"] = "raise", **options: Any) -> Download:
    """Begin to fetch the archives of a plan, and give a handle on the work.

    It runs beside the caller: on the loop that runs here, as in a notebook, else in a thread of its own.

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
    """A download at work, from `start`: awaitable; every method is for any thread, at any time.

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
        target = plan if folder is None else replace(plan, folder=Path(folder))
        self._call = Call(target, lanes=connections_per_file, **options)
        self._errors = errors
        self._cancelled = False
        self._failure: BaseException | None = None
        self._job = Job(self._call.run(progress), self._end)

    @property
    def report(self) -> Report:
        """What has become of each file so far."""
        return self._call.report()

    @property
    def paused(self) -> bool:
        """Whether nothing is asked for."""
        return self._call.paused

    def pause(self) -> None:
        """Close the connections, and ask for nothing more until `resume`. What has come stays."""
        self._call.set_paused(paused=True)

    def resume(self) -> None:
        """Go on after `pause`, at the byte where it stopped."""
        self._call.set_paused(paused=False)

    def cancel(self) -> None:
        """End it. What has come stays, for the same plan to go on with."""
        self._cancelled = True
        self._job.cancel()

    def wait(self) -> Report:
        """Wait for the end in a script; in a notebook, `await` the handle instead.

        Returns
        -------
        Report
            After `cancel`, files that had not come are `cancelled`, and nothing is raised for them.

        Raises
        ------
        RadarNbError
            As `download` raises.
        """
        return run(self._result())

    def __await__(self) -> Generator[Any, None, Report]:
        """Wait for the end, as `wait` does; who stops waiting does not stop the work."""
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
    """Tell in one line which files of a plan an earlier call has begun; an empty text where it has begun none.

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
