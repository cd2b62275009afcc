"""Build a cube: years of frames as one sharded Zarr array, created and extended day by day.

Each day is built from its archives by one writer, in one pass, into one object that contains its own record. It
exists completely or not at all: the same call resumes an interrupted build, and a later build adds only missing
days.
"""

from __future__ import annotations

import os
import re
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.cube.day import Built, build_day, kept, split_days
from radar_nb.cube.description import axis_of, create_cube, days_of, lead_of
from radar_nb.cube.stores import Bucket, find_store
from radar_nb.cube.time_axis import fitting_cube, settled_cube
from radar_nb.dwd.catalogue import Plan
from radar_nb.errors import CubeError, NothingFound, RadarNbError, SettingsError, StorageError
from radar_nb.fetch.downloading import start
from radar_nb.formats.index import load_index, remove_archive
from radar_nb.reading.dataset import Options, assemble, open_series
from radar_nb.reading.sources import File, find_files, scan
from radar_nb.runtime.files import Sidecar, archive_state, storage_errors, write_sidecar
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.report import Outcome, Report
from radar_nb.runtime.workers import active_client, each

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from radar_nb.cube.day import DayJob
    from radar_nb.cube.day_records import Origin
    from radar_nb.cube.description import Cube, Layout
    from radar_nb.cube.stores import Store
    from radar_nb.dwd.catalogue import RemoteArchive, Span
    from radar_nb.dwd.months import Month
    from radar_nb.fetch.downloading import Download
    from radar_nb.reading.dataset import Opened
    from radar_nb.runtime.progress import Reporter

Errors = Literal["raise", "report"]

_TICK = 0.1
"""Seconds between two progress reports of a download."""


def build_cube(
    source: Any,
    store: Any,
    *,
    layout: Layout | None = None,
    flags: bool | None = None,
    variables: str | Sequence[str] | None = None,
    sums: str = "apart",
    lead: Any = None,
    client: Any = None,
    keep_archives: bool = True,
    overwrite: bool = False,
    workers: int | None = None,
    progress: bool | Reporter = True,
    errors: Errors = "raise",
) -> Report:
    """Build a cube from archives or frames, or add missing days.

    A day that was built from the same archives is kept; a day whose archive was re-issued is replaced. After an
    interruption, the same call resumes.

    Parameters
    ----------
    source : path, Report, or a sequence of these; Plan; or addresses
        As for `open_dataset`. For a plan, a month is fetched and verified while the one before is built; of a
        range of days or hours, whole days are built. Archives in object storage, such as
        "s3://dwd/YW2017.002_202006.tar" or a sequence of these, are each fetched by the worker that builds their
        days; an address ending in "/" selects all files below it.
    store : path, str, or store of obstore
        A folder, an address such as "s3://bucket/YW", or for example `obstore.store.MemoryStore()`. It holds one
        product on one grid.
    layout : {"balanced", "maps", "series"}, optional
        Chunk layout of a new cube: for both uses, for maps, or for long series of single cells. Default
        "balanced".
    flags : bool, optional
        Whether a new cube stores the frames' flags in a second array. Default False.
    variables, sums, lead
        As for `open_dataset`. Of forecasts a cube holds one lead time, at the time that its fields are for.
    client : distributed.Client or False, optional
        Build on the client's workers; they read the archives and write the shards themselves. By default the
        active client, if there is one. False builds in threads of this process.
    keep_archives : bool
        For a plan: False removes the archives of a month when all its days are in the cube.
    overwrite : bool
        Whether to rewrite days that were built from the same archives. Removed archives are fetched again.
    workers : int, optional
        Number of threads, each building one day; by default the number of processors. Each needs some 150 MB.
    progress : bool or Reporter
        Task "build", in days.
    errors : {"raise", "report"}
        "raise": fail at once for unreadable archives, and at the end for days that could not be built. "report":
        both become outcomes of the report.

    Returns
    -------
    Report
        One outcome per day of the source.

    Raises
    ------
    CubeError
        The store contains something else, or a cube of another product, grid or layout.
    SeriesError, NothingFound, ArchiveError, FrameError
        As for `open_dataset`; or an archive changed while it was read.
    DiskFull, NotWritable, StorageError
        Writing failed. Days already in the store are kept.
    Incomplete
        Some of several days failed.

    Examples
    --------
    >>> build_cube("YW2017.002_202006.tar", "YW.zarr")  # doctest: +SKIP
    >>> build_cube("data", "s3://cubes/YW", client=client)  # doctest: +SKIP
    """
    began = perf_counter()
    if workers is not None and workers < 1:
        raise SettingsError(f"{workers} is not a number of threads: use workers=1 or more, or leave it out")
    run = _Run(
        place=find_store(store),
        options=Options(variables=variables, sums=sums, lead=lead, errors=errors, packed=True, flags=True),
        layout=layout,
        flags=flags,
        client=None,
        overwrite=overwrite,
        workers=workers or os.cpu_count() or 1,
    )
    with active_client(client) as used, reporting(progress) as report:
        run = replace(run, client=used)
        if run.client is not None and not run.place.shared:
            raise SettingsError(
                f"{run.place.name} is in memory, which workers cannot reach: build with client=False"
            )
        if isinstance(source, Plan):
            outcomes = tuple(run.build_plan(source, report, keep_archives=keep_archives))
        elif addresses := remote_archives(source):
            outcomes = run.build_remote(addresses, report)
        else:
            outcomes = run.build(source, report)
    made = Report(task="build", outcomes=outcomes, seconds=perf_counter() - began)
    refused = [outcome.error for outcome in outcomes if isinstance(outcome.error, StorageError)]
    if refused and errors == "raise":
        raise refused[0]
    return made.raise_for_failures() if errors == "raise" else made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """The arguments of a call; see `build_cube`."""

    place: Store
    options: Options
    layout: Layout | None
    flags: bool | None
    client: Any
    overwrite: bool
    workers: int

    def build(self, source: Any, report: Reporter, span: Span | None = None) -> tuple[Outcome, ...]:
        """Build the days of a source; return an outcome for each day, and for each problem of the source.

        Of a span of time, the days that it touches are built, and these whole: a later build would take half a day
        for all that the archive has.
        """
        files = find_files(source)
        if self.client is not None:
            _index_on(self.client, files)
        opened = open_series(files, self.options, progress=report)
        cube = self._cube(opened)
        jobs = split_days(cube, opened)
        if span is not None:
            first, last = (int(stamp.astype("datetime64[D]").astype(np.int64)) for stamp in span)
            jobs = [job for job in jobs if first <= job.day <= last]
            if not jobs:
                raise NothingFound(f"the archives hold no frame of {span[0]} to {span[1]}: use another range")
        days = self._build_days(cube, jobs, report)
        problems = (problem.exception() for problem in opened.series.problems)
        return (*days, *(Outcome(name=type(one).__name__, state="failed", error=one) for one in problems))

    def build_plan(self, plan: Plan, report: Reporter, *, keep_archives: bool) -> Iterator[Outcome]:
        """Fetch a plan month by month while building the previous month; at most two are on the disk."""
        held = self._held()
        stages = [_stage(plan, month, held) for month in plan.months]
        with closing(_fetch_ahead(stages, report)) as downloads:
            for stage, fetched in zip(stages, downloads, strict=True):
                yield from (outcome for outcome in fetched.outcomes if not outcome.ok)
                outcomes: tuple[Outcome, ...] = ()
                if fetched.paths:
                    try:
                        outcomes = self.build(fetched.paths, report, plan.span)
                    except RadarNbError as error:  # the other months can still be built
                        outcomes = (Outcome(name=str(stage.months[0]), state="failed", error=error),)
                yield from outcomes
                if not keep_archives and all(outcome.ok for outcome in outcomes):
                    for path in fetched.paths:
                        remove_archive(path)

    def build_remote(self, addresses: Sequence[str], report: Reporter) -> tuple[Outcome, ...]:
        """Build the days of archives in object storage; each is fetched by the worker that builds its days."""
        held = self._held()
        outcomes: list[Outcome] = []
        todo = []
        for address in addresses:
            parent, _, name = address.rpartition("/")
            if (origin := held.get(name)) is not None and origin.identity == Bucket.at(parent).tag(name):
                outcomes.append(Outcome(name=address, state="kept", notes=("the cube has all its days",)))
            else:
                todo.append(address)
        todo.sort(key=lambda address: address.rpartition("/")[2])  # by time, so that the axis grows at its end
        first = 0 if settled_cube(self.place) else 1  # alone, so that all others find the cube that it creates
        work = partial(_build_remote, replace(self, client=None))
        for some in (todo[:first], todo[first:]):
            with closing(each(some, work, client=self.client)) as results:
                for address, result in results:
                    if isinstance(result, RadarNbError):
                        outcomes.append(Outcome(name=address, state="failed", error=result))
                    else:
                        outcomes += result
                    report(Progress(task="build", done=len(outcomes), total=None, unit="days", note=address))
        fitting_cube(self.place)
        return tuple(sorted(outcomes, key=lambda outcome: outcome.name))

    def _held(self) -> dict[str, Origin]:
        """Return the archives, by name, whose days are all in the cube, and which need not be read again."""
        cube = None if self.overwrite else settled_cube(self.place)
        counts: dict[Origin, int] = {}
        for stored in {} if cube is None else cube.stored_days()[0].values():
            for origin in stored.record.origins:
                counts[origin] = counts.get(origin, 0) + 1
        return {origin.name: origin for origin, count in counts.items() if count == origin.days}

    def _cube(self, opened: Opened) -> Cube:
        """Return the store's cube if a series fits into it, or create one."""
        days, cube = days_of(opened), settled_cube(self.place)
        if cube is None:
            like = assemble(opened, self.options)
            layout = self.layout or "balanced"
            return create_cube(self.place, opened, like, layout=layout, flags=bool(self.flags))
        pairs = {
            "product": (cube.product, opened.product),
            "version": _versions(cube, opened),
            "grid": (cube.grid, opened.target.grid.name),
            "interval": (cube.interval, opened.target.minutes),
            "time axis": ((cube.every, cube.minute), axis_of(opened)),
            "lead time": (cube.lead, lead_of(opened)),
            "codes": (cube.packing, opened.target.packing),
            "layout": (cube.layout, self.layout or cube.layout),
            "flags": (cube.has_flags, cube.has_flags if self.flags is None else self.flags),
        }
        for what, (there, wanted) in pairs.items():
            if there != wanted:
                raise CubeError(
                    f"{self.place.name} is a cube of {cube.product} on {cube.grid}, whose {what} is {there}, not "
                    f"{wanted}: use another store"
                )
        return fitting_cube(self.place, days) or cube

    def _build_days(self, cube: Cube, jobs: list[DayJob], report: Reporter) -> tuple[Outcome, ...]:
        """Build the days that the cube lacks; return one outcome per day."""
        for folder in ("", cube.variable, "flags"):
            cube.store.sweep(folder)
        done = {} if self.overwrite else dict(_kept(cube, jobs))
        todo = (job.alone() for job in jobs if job.day not in done)
        work = partial(build_day, cube, overwrite=self.overwrite)
        stopped: StorageError | None = None
        report(Progress(task="build", done=len(done), total=len(jobs), unit="days"))
        with closing(each(todo, work, client=self.client, workers=self.workers)) as results:
            for job, result in results:
                done[job.day] = _outcome(cube, job, result)
                report(Progress(task="build", done=len(done), total=len(jobs), unit="days", note=job.name))
                if isinstance(result, StorageError):  # it would fail for the others, too
                    stopped = result
                    break
        if stopped is None:
            made = (day for day, outcome in done.items() if outcome.state == "done")
            cube.store.settle(key for day in made for key in cube.keys(day))
        cancelled = {job.day: Outcome(name=job.name, state="cancelled", error=stopped) for job in jobs}
        return tuple((cancelled | done)[job.day] for job in jobs)


def _versions(cube: Cube, opened: Opened) -> tuple[str, str]:
    """Return the versions of RADKLIM of a cube, by its title, and of a series: equal if one of them has none."""
    stated = {kind.header.reanalysis for kind in opened.series.frames.kinds} - {None}
    found = re.search(r"RADKLIM (\d{4}\.\d{3})", str(cube.dataset_attrs.get("title", "")))
    return (found[1], str(stated.pop())) if found and stated else ("", "")


def _kept(cube: Cube, jobs: list[DayJob]) -> Iterator[tuple[int, Outcome]]:
    """Yield the outcomes of the days that need not be written."""
    stored, _ = cube.stored_days()
    for job in jobs:
        if job.day in stored and (result := kept(stored[job.day].record, job)) is not None:
            yield job.day, _outcome(cube, job, result)


def _outcome(cube: Cube, job: DayJob, result: Built | RadarNbError) -> Outcome:
    if isinstance(result, RadarNbError):
        return Outcome(name=job.name, state="failed", error=result)
    missing = cube.steps - int(result.record.there.sum())
    notes = [f"{missing} of {cube.steps} frames missing"] * bool(missing) + [result.note] * bool(result.note)
    return Outcome(
        name=job.name,
        state="done" if result.written else "kept",
        bytes=result.written,
        seconds=result.seconds,
        notes=tuple(notes),
    )


def _index_on(client: Any, files: Sequence[File]) -> None:
    """Let workers read and verify the archives without an index."""
    todo = [file for file in files if isinstance(file, Path) and load_index(file) is None]
    for _ in each(todo, _index, client=client):
        pass


def _index(file: Path) -> None:
    scan([file], progress=False)


# --- plans ----------------------------------------------------------------------------------------------------


def _stage(plan: Plan, month: Month, held: Mapping[str, Origin]) -> Plan:
    """Return one month of a plan, without archives that the cube has and that were removed from the disk."""

    def wanted(archive: RemoteArchive) -> bool:
        origin = held.get(archive.name)
        if origin is None or archive_state(plan.local(archive)) == "whole":
            return True
        return archive.size is not None and archive.size != origin.size  # re-issued

    archives = tuple(archive for archive in plan.archives if archive.month == month and wanted(archive))
    missing = tuple(gap for gap in plan.missing if gap.month == month)
    return replace(plan, months=(month,), archives=archives, missing=missing)


def _fetch_ahead(stages: Sequence[Plan], report: Reporter) -> Generator[Report, None, None]:
    """Yield the report of each stage's download; meanwhile a thread fetches the next stage."""
    events: list[Progress] = []
    handles: list[Download] = []
    stopped = Event()

    def fetch(stage: Plan) -> Report:
        handles.append(start(stage, errors="report", progress=events.append))
        if stopped.is_set():  # before the handle existed
            handles[-1].cancel()
        return handles[-1].wait()

    with ThreadPoolExecutor(1, thread_name_prefix="radar_nb-fetch") as pool:
        coming = pool.submit(fetch, stages[0])
        try:
            for following in (*stages[1:], None):
                while not wait([coming], _TICK).done:
                    if events:
                        report(events[-1])
                        events.clear()
                fetched = coming.result()
                if following is not None:
                    coming = pool.submit(fetch, following)
                yield fetched
        finally:
            stopped.set()
            coming.cancel()
            for handle in handles:
                handle.cancel()


# --- archives in object storage -------------------------------------------------------------------------------


def remote_archives(source: Any) -> tuple[str, ...]:
    """Return the addresses of a source's archives; empty if the source is something else.

    Parameters
    ----------
    source : str or sequence of str
        Addresses such as "s3://dwd/YW2017.002_202006.tar"; one ending in "/" selects all files below it.

    Raises
    ------
    NothingFound
        There is no file below such an address.
    """
    given = [source] if isinstance(source, str) else source if isinstance(source, list | tuple) else []
    if not given or not all(isinstance(one, str) and "://" in one for one in given):
        return ()
    found: list[str] = []
    for address in given:
        if address.endswith("/"):
            below = [f"{address}{key}" for key in Bucket.at(address).everything("")]
            if not below:
                raise NothingFound(f"there is no file below {address}: check the address")
            found += below
        else:
            found.append(address)
    return tuple(found)


def _build_remote(run: _Run, address: str) -> tuple[Outcome, ...]:
    with _downloaded(address) as path, reporting(progress=False) as silent:
        return run.build([path], silent)


@contextmanager
def _downloaded(address: str) -> Iterator[Path]:
    """Yield a file of object storage as a temporary file.

    Raises
    ------
    NotWritable, StorageError
        The file cannot be reached, or the disk of temporary files is full.
    """
    parent, _, name = address.rpartition("/")
    with TemporaryDirectory(prefix="radar_nb-") as folder:
        path = Path(folder, name)
        with storage_errors(path):
            tag = Bucket.at(parent).fetch(name, path)
            write_sidecar(path, Sidecar(url=address, etag=tag, size=path.stat().st_size))
        yield path
