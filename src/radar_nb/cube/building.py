"""A cube: years of frames as one sharded Zarr array that answers in milliseconds, built and extended day by day.

A day is built from its archives by one writer, in one pass, into one object, which carries what is known of it.
It is there whole or not at all: builds that were interrupted go on, and a later one adds only what is missing.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

from radar_nb.cube.day import Built, build_day, fresh, split_days
from radar_nb.cube.description import axis_of, create_cube, load_cube
from radar_nb.cube.far_archives import far_archives, fetched, identity_of
from radar_nb.cube.stages import build_stages, whole_archives
from radar_nb.cube.stores import find_store
from radar_nb.dwd.catalogue import Plan
from radar_nb.errors import CubeError, RadarNbError, SettingsError, StorageError
from radar_nb.formats.index import load_index
from radar_nb.reading.dataset import Options, assemble, open_series
from radar_nb.reading.sources import find_files, scan
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.report import Outcome, Report
from radar_nb.runtime.workers import active_client, each

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from radar_nb.cube.day import DayJob
    from radar_nb.cube.day_records import DayRecord, Entry
    from radar_nb.cube.description import Cube
    from radar_nb.cube.layouts import Layout
    from radar_nb.cube.stores import Store
    from radar_nb.formats.streams import Blob
    from radar_nb.reading.dataset import Opened
    from radar_nb.runtime.progress import Reporter

Errors = Literal["raise", "report"]


def build_cube(
    source: Any,
    store: Any,
    *,
    layout: Layout | None = None,
    flags: bool | None = None,
    variables: str | Sequence[str] | None = None,
    sums: str = "apart",
    client: Any = None,
    keep_archives: bool = True,
    overwrite: bool = False,
    workers: int | None = None,
    progress: bool | Reporter = True,
    errors: Errors = "raise",
) -> Report:
    """Build a cube from archives or frames, or add to it what it does not hold yet.

    A day that is there from the same archives is kept; one whose archive was issued anew is replaced. The same
    call goes on after an interruption, however that came.

    Parameters
    ----------
    source : path, Report, or a sequence of these; Plan; or addresses
        As for `open_dataset`. Of a plan a month is fetched and verified while the one before is built. Of archives
        in object storage, "s3://dwd/YW2017.002_202006.tar" or a sequence of such addresses, each is fetched by the
        worker that builds its days; an address that ends in "/" stands for all files below it.
    store : path, str, or store of obstore
        A folder, an address such as "s3://bucket/YW", or for example `obstore.store.MemoryStore()`. It holds one
        product on one grid.
    layout : {"balanced", "maps", "series"}, optional
        How the cube is cut: for both, for fields, or for long series of single cells. "balanced" for a new cube.
    flags : bool, optional
        Whether to keep the frames' flags in a second array; False for a new cube.
    variables, sums
        As for `open_dataset`.
    client : distributed.Client or False, optional
        Where the days are built: on its workers, which read the archives and write the shards themselves; by
        default on those of the active client, if there is one. False builds in threads here.
    keep_archives : bool
        Of a plan: False removes the archives of a month as soon as all its days are in the cube.
    overwrite : bool
        Whether to write days anew that are there from the same archives.
    workers : int, optional
        Threads, each of which builds a day; by default as many as there are processors. One needs some 150 MB.
    progress : bool or Reporter
        Task "build", in days.
    errors : {"raise", "report"}
        Whether days that could not be built make the call fail, after the others were built, and archives that
        cannot be read, before; or are told in the report.

    Returns
    -------
    Report
        An outcome for each day of the source.

    Raises
    ------
    CubeError
        The store holds something else, or a cube of another product, grid or layout.
    SeriesError, NothingFound, ArchiveError, FrameError
        As `open_dataset`; or an archive has changed while it was read.
    DiskFull, NotWritable, StorageError
        The store refused. The days that are there stay.
    Incomplete
        Some of several days failed.

    Examples
    --------
    >>> build_cube("YW2017.002_202006.tar", "YW.zarr")  # doctest: +SKIP
    >>> build_cube("data", "s3://cubes/YW", client=client)  # doctest: +SKIP
    """
    began = perf_counter()
    if workers is not None and workers < 1:
        raise SettingsError(f"{workers} is no number of threads: give workers=1 or more, or leave it out")
    run = _Run(
        place=find_store(store),
        options=Options(variables=variables, sums=sums, errors=errors, packed=True, flags=True),
        layout=layout,
        flags=flags,
        client=active_client(client),
        overwrite=overwrite,
        workers=workers or os.cpu_count() or 1,
    )
    if run.client is not None and not run.place.shared:
        raise SettingsError(f"{run.place.name} is memory, which workers cannot reach: build with client=False")
    with reporting(progress) as report:
        if isinstance(source, Plan):
            there = load_cube(run.place)
            records = [] if there is None else _records(there)
            build = partial(run.build, report=report)
            stages = build_stages(source, records, build, keep_archives=keep_archives, report=report)
            outcomes = tuple(stages)
        elif addresses := far_archives(source):
            outcomes = run.build_far(addresses, report)
        else:
            outcomes = run.build(source, report)
    made = Report(task="build", outcomes=outcomes, seconds=perf_counter() - began)
    refused = [outcome.error for outcome in outcomes if isinstance(outcome.error, StorageError)]
    if refused and errors == "raise":
        raise refused[0]
    return made.raise_for_failures() if errors == "raise" else made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What a call was asked for; see `build_cube`."""

    place: Store
    options: Options
    layout: Layout | None
    flags: bool | None
    client: Any
    overwrite: bool
    workers: int

    def build(self, source: Any, report: Reporter) -> tuple[Outcome, ...]:
        """Build what a source holds; give an outcome for each day, and for each fault."""
        files = find_files(source)
        if self.client is not None:
            _index_on(self.client, files)
        opened = open_series(files, self.options, progress=report)
        cube = _cube(self.place, opened, self.options, layout=self.layout, flags=self.flags)
        days = self._days(cube, split_days(cube, opened), report)
        problems = (problem.exception() for problem in opened.series.problems)
        return (*days, *(Outcome(name=type(one).__name__, state="failed", error=one) for one in problems))

    def build_far(self, addresses: Sequence[str], report: Reporter) -> tuple[Outcome, ...]:
        """Build what archives in object storage hold: each is fetched by who builds its days."""
        cube = load_cube(self.place)
        held = {} if cube is None or self.overwrite else whole_archives(_records(cube))
        outcomes: list[Outcome] = []
        todo = []
        for address in addresses:
            origin = held.get(address.rpartition("/")[2])
            if origin is not None and origin.identity == identity_of(address):
                outcomes.append(Outcome(name=address, state="kept", notes=("all its days are in the cube",)))
            else:
                todo.append(address)
        first = 0 if cube else 1  # alone, so that all others find the cube that it makes
        for some in (todo[:first], todo[first:]):
            with closing(
                each(some, partial(_build_far, replace(self, client=None)), client=self.client)
            ) as results:
                for address, result in results:
                    if isinstance(result, RadarNbError):
                        outcomes.append(Outcome(name=address, state="failed", error=result))
                    else:
                        outcomes += result
                    report(Progress(task="build", done=len(outcomes), total=None, unit="days", note=address))
        return tuple(sorted(outcomes, key=lambda outcome: outcome.name))

    def _days(self, cube: Cube, jobs: list[DayJob], report: Reporter) -> tuple[Outcome, ...]:
        """Build what is not there; give an outcome for each day."""
        for folder in ("", cube.variable, "flags"):
            cube.store.sweep(folder)
        entries, _ = cube.entries()
        done = {} if self.overwrite else dict(_kept(cube, jobs, entries))
        todo = (job.alone() for job in jobs if job.day not in done)
        work = partial(build_day, cube, overwrite=self.overwrite)
        stopped: StorageError | None = None
        report(Progress(task="build", done=len(done), total=len(jobs), unit="days"))
        with closing(each(todo, work, client=self.client, workers=self.workers)) as results:
            for job, result in results:
                done[job.day] = _outcome(cube, job, result)
                report(Progress(task="build", done=len(done), total=len(jobs), unit="days", note=job.name))
                if isinstance(result, StorageError):  # it would refuse the others, too
                    stopped = result
                    break
        if stopped is None:
            made = [day for day, outcome in done.items() if outcome.state == "done"]
            arrays = (None, "flags") if cube.has_flags else (None,)
            cube.store.settle(cube.key(day, array) for day in made for array in arrays)
        cancelled = {job.day: Outcome(name=job.name, state="cancelled", error=stopped) for job in jobs}
        return tuple((cancelled | done)[job.day] for job in jobs)


def _build_far(run: _Run, address: str) -> tuple[Outcome, ...]:
    with fetched(address) as path, reporting(progress=False) as silent:
        return run.build([path], silent)


def _cube(place: Store, opened: Opened, options: Options, *, layout: Layout | None, flags: bool | None) -> Cube:
    """Give the store's cube, if a series fits to it, or a new one."""
    cube = load_cube(place)
    if cube is None:
        like = assemble(opened, options)
        return create_cube(place, opened, like, layout=layout or "balanced", flags=bool(flags))
    every, minute = axis_of(opened)
    packing = opened.target.packing
    pairs = {
        "product": (cube.product, opened.product),
        "grid": (cube.grid, opened.target.grid.name),
        "interval": (cube.interval, opened.target.minutes),
        "axis of time": ((cube.every, cube.minute), (every, minute)),
        "codes": (cube.packing, packing),
        "layout": (cube.layout, layout or cube.layout),
        "flags": (cube.has_flags, cube.has_flags if flags is None else flags),
    }
    for what, (there, wanted) in pairs.items():
        if there != wanted:
            raise CubeError(
                f"{place.name} is a cube of {cube.product} on {cube.grid}, whose {what} is {there}, not {wanted}: "
                "name another store"
            )
    return cube


def _records(cube: Cube) -> list[DayRecord]:
    """Give the records of the days that are there."""
    return [entry.record for entry in cube.entries()[0].values()]


def _kept(cube: Cube, jobs: list[DayJob], entries: Mapping[int, Entry]) -> Iterator[tuple[int, Outcome]]:
    """Give outcomes of the days that need not be looked at again."""
    for job in jobs:
        entry = entries.get(job.day)
        if entry is not None and (note := fresh(entry.record, job)) is not None:
            yield job.day, _outcome(cube, job, Built(entry=entry, written=0, seconds=0.0, note=note))


def _outcome(cube: Cube, job: DayJob, result: Built | RadarNbError) -> Outcome:
    if isinstance(result, RadarNbError):
        return Outcome(name=job.name, state="failed", error=result)
    missing = cube.steps - int(result.entry.record.there.sum())
    notes = [f"{missing} of {cube.steps} frames missing"] * bool(missing) + [result.note] * bool(result.note)
    return Outcome(
        name=job.name,
        state="done" if result.written else "kept",
        bytes=result.written,
        seconds=result.seconds,
        notes=tuple(notes),
    )


def _index_on(client: Any, files: Sequence[Path | Blob]) -> None:
    """Let workers read and verify the archives that have no index yet."""
    todo = [file for file in files if isinstance(file, Path) and load_index(file) is None]
    for _ in each(todo, _index, client=client):
        pass


def _index(file: Path) -> None:
    scan([file], progress=False)
