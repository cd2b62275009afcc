"""Verify a cube against its own checksums and its archives, and repair it."""

from __future__ import annotations

import os
import random
from contextlib import closing
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.cube.day import encode_day, split_days
from radar_nb.cube.description import REVISION, description_faults
from radar_nb.cube.opening import required_cube
from radar_nb.cube.series import remove_year, series_faults
from radar_nb.cube.shards import Shard, remedy
from radar_nb.cube.stores import find_store
from radar_nb.cube.time_axis import fitting_cube, is_moving, settled_cube
from radar_nb.cube.year_tiles import SERIES
from radar_nb.errors import CubeError, DamagedShard, RadarNbError, SettingsError
from radar_nb.reading.dataset import Options, open_series
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.report import Outcome, Report
from radar_nb.runtime.workers import each

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from radar_nb.cube.day import DayJob
    from radar_nb.cube.day_records import DayRecord, StoredDay
    from radar_nb.cube.description import Cube
    from radar_nb.cube.shards import Chunk
    from radar_nb.runtime.progress import Reporter

    Chunks = dict[Chunk, NDArray[Any]]

DESCRIPTION = "description"
"""Name of the outcome of all files other than days."""


def verify_cube(
    store: Any,
    source: Any = None,
    *,
    sample: float | None = None,
    seed: int = 0,
    sums: str = "apart",
    workers: int | None = None,
    progress: bool | Reporter = True,
    errors: Literal["raise", "report"] = "raise",
) -> Report:
    """Verify a cube: its days by checksum or against archives, its metadata and coordinates by its grid.

    Nothing is changed. `repair_cube` repairs the findings, except days that differ from the source: rewrite those
    with `build_cube(overwrite=True)`.

    Parameters
    ----------
    store : path, str, or store of obstore
    source : path, Report, or a sequence of these, optional
        The archives that the cube was built from. Without them, each chunk is decoded, which verifies its
        checksum.
    sample : float, optional
        The share of days to verify, above 0 up to 1; all by default.
    seed : int
        Selects which days are sampled.
    sums : str
        As for `build_cube`.
    workers : int, optional
        Threads; by default as many as there are processors.
    progress : bool or Reporter
        Task "verify", in days.
    errors : {"raise", "report"}
        Whether faults make the call fail.

    Returns
    -------
    Report
        One outcome per day: "done" if correct, "failed" if wrong or never built; and a failed outcome
        "description" if metadata or coordinates are wrong.

    Raises
    ------
    DamagedShard
        A checksum is wrong, a shard belongs to another day or cube, or a value differs from the archive's.
    CubeError
        A day of the source was never built, the cube has other frames, or its description is wrong or outdated.
    Incomplete
        Several of these.
    NothingFound, SettingsError, and what `open_dataset` raises for the source

    Examples
    --------
    >>> verify_cube("YW.zarr", "data", sample=0.01)  # doctest: +SKIP
    """
    began = perf_counter()
    if sample is not None and not 0 < sample <= 1:
        raise SettingsError(f"sample={sample} is not a share of days: use a number above 0 up to 1")
    cube = required_cube(store)
    with reporting(progress) as report:
        jobs: dict[int, DayJob] = {}
        if source is not None:
            lead = None if cube.lead is None else f"{cube.lead}min"
            opened = open_series(source, Options(variables=cube.product, sums=sums, lead=lead), progress=report)
            jobs = {job.day: job for job in split_days(cube, opened)}
        days = sorted(cube.listed() if source is None else jobs)
        if sample is not None:
            days = sorted(random.Random(seed).sample(days, -int(-sample * len(days) // 1)))  # noqa: S311 - no secret
        faults = description_faults(cube)
        outcomes = [*_described(cube, faults)]
        found: dict[int, Outcome] = {}
        with closing(each(days, partial(_fault, cube, jobs), workers=workers or os.cpu_count() or 1)) as results:
            for day, error in results:
                found[day] = Outcome(name=_name(day), state="failed" if error else "done", error=error)
                report(Progress(task="verify", done=len(found), total=len(days), unit="days", note=_name(day)))
        outcomes += [found[day] for day in days]
        outcomes += [
            Outcome(name=f"{SERIES} {year}", state="failed" if error else "done", error=error)
            for year, error in (series_faults(cube.store, progress=report) if sample is None else {}).items()
        ]
    made = Report(task="verify", outcomes=tuple(outcomes), seconds=perf_counter() - began)
    return made.raise_for_failures() if errors == "raise" else made


def _name(day: int) -> str:
    return str(np.datetime64(day, "D"))


def _described(cube: Cube, faults: list[str]) -> Iterator[Outcome]:
    if faults:
        error = CubeError(
            f"{cube.store.name}: {'; '.join(faults)}: run repair_cube, which rewrites the description"
        )
        yield Outcome(name=DESCRIPTION, state="failed", error=error)


def _fault(cube: Cube, jobs: dict[int, DayJob], day: int) -> RadarNbError | None:
    """Return what is wrong with a day, or None."""
    try:
        stored = cube.stored_day(day)
        if stored is None:
            return CubeError(f"{_name(day)} was never built: build_cube adds it")
        codes = _chunks(cube, day, flags=False)
        _count(cube, stored, codes)
        flags = _chunks(cube, day, flags=True) if cube.has_flags else {}
        if day in jobs:
            _compare(cube, jobs[day], stored.record, codes, flags)
    except RadarNbError as error:
        return error
    return None


def _chunks(cube: Cube, day: int, *, flags: bool) -> Chunks:
    """Decode all chunks of a day's shard."""
    file = cube.store.stat(key := cube.key(day, "flags" if flags else None))
    if file is None:
        raise DamagedShard(f"{cube.store.name}/{key} is missing: {remedy(cube.store.name)}")
    shard = cube.open_flags(day, file) if flags else cube.open_shard(file, cube.shards)
    (data,) = cube.store.spans(file, [(0, file.size)])
    return _decoded(shard, memoryview(data))


def _decoded(shard: Shard, data: memoryview) -> Chunks:
    chunks = {}
    for chunk in shard.chunks():
        start, length = shard.span(chunk) or (0, 0)
        chunks[chunk] = np.empty(shard.layout.chunk, shard.layout.dtype)
        shard.decode(chunk, data[start : start + length], chunks[chunk])
    return chunks


def _count(cube: Cube, stored: StoredDay, codes: Chunks) -> None:
    """Compare the cells with data in a day's chunks with those that its record counts."""
    length = cube.shards.chunk[0]
    cells = np.zeros(cube.steps, np.int64)
    for (number, _, _), chunk in codes.items():
        cells[number * length : (number + 1) * length] += np.count_nonzero(chunk != cube.shards.fill, axis=(1, 2))
    stated = stored.record.valid
    for step in np.flatnonzero(cells != stated.clip(0)).tolist():
        raise DamagedShard(
            f"{cube.store.name}/{stored.file.key} has {cells[step]:,} cells with data in step {step}, and its "
            f"record states {stated[step]:,}: {remedy(cube.store.name)}"
        )


def _compare(cube: Cube, job: DayJob, record: DayRecord, codes: Chunks, flags: Chunks) -> None:
    """Compare a day's chunks with new ones from the archives."""
    there = set(np.flatnonzero(record.there).tolist())
    if there != set(job.steps.tolist()):
        raise CubeError(
            f"{job.name} has {len(there)} frames in the cube, {len(job.steps)} in the source: "
            "update it with build_cube"
        )
    if record.shifts != job.shifts:
        raise DamagedShard(
            f"{job.name} has other times than the source: rewrite it with build_cube(overwrite=True)"
        )
    _, shard, flag_shard = encode_day(cube, job)
    wanted = [(codes, shard, cube.shards)]
    if flag_shard is not None:
        wanted.append((flags, flag_shard, cube.flag_shards))
    for have, data, layout in wanted:
        fresh = _decoded(Shard.of(data, layout, name=job.name), memoryview(data))
        wrong = [chunk for chunk in have | fresh if not _equal(have.get(chunk), fresh.get(chunk))]
        if wrong:
            raise DamagedShard(
                f"{job.name} differs from the source in {len(wrong)} of {len(have | fresh)} chunks: "
                "rewrite it with build_cube(overwrite=True)"
            )


def _equal(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    return one is not None and other is not None and bool(np.array_equal(one, other))


def repair_cube(store: Any, *, progress: bool | Reporter = True) -> Report:
    """Remove damaged days and leftovers of crashes from a cube, and rewrite damaged metadata and coordinates.

    Damaged days are removed because only the archives can restore them: the next `build_cube` recreates them. Each
    day is claimed and verified again just before it is removed. Cubes of older versions get the metadata of this
    one. Intact days are never touched.

    Parameters
    ----------
    store : path, str, or store of obstore
    progress : bool or Reporter
        Task "verify", in days.

    Returns
    -------
    Report
        One outcome per day that existed: "kept" if intact, "done" if damaged and removed; and "done" for
        "description" if that was rewritten. The note states what was wrong.

    Raises
    ------
    NothingFound, CubeError
        As for `open_cube`; or the description is damaged beyond repair.
    NotWritable, StorageError
        Writing failed.

    Examples
    --------
    >>> repair_cube("YW.zarr")  # doctest: +SKIP
    >>> build_cube("data", "YW.zarr")  # doctest: +SKIP
    """
    began = perf_counter()
    settled_cube(find_store(store))
    cube = required_cube(store)
    found = verify_cube(store, progress=progress, errors="report")
    # the description last: rewriting it may give the days other numbers
    order = sorted(found.outcomes, key=lambda outcome: outcome.name == DESCRIPTION)
    repaired = {outcome.name: _repaired(cube, outcome) for outcome in order}
    outcomes = [repaired[outcome.name] for outcome in found.outcomes]
    for folder in ("", cube.variable, "flags"):
        cube.store.sweep(folder)
    return Report(task="repair", outcomes=tuple(outcomes), seconds=perf_counter() - began)


def _repaired(cube: Cube, outcome: Outcome) -> Outcome:
    if outcome.ok:
        return Outcome(name=outcome.name, state="kept")
    if outcome.name.startswith(SERIES):
        remove_year(cube, int(outcome.name.split()[-1]))
        return Outcome(name=outcome.name, state="done", notes=(f"removed: {outcome.error}",))
    if outcome.name == DESCRIPTION:
        fitting_cube(cube.store, rewrite=True)
        return Outcome(name=DESCRIPTION, state="done", notes=(f"rewritten: {outcome.error}",))
    day = int(np.datetime64(outcome.name, "D").astype(np.int64))
    with cube.store.claim(cube.key(day)):
        fault = _fault(cube, {}, day)  # another process may have rebuilt it meanwhile
        if fault is None:
            return Outcome(name=outcome.name, state="kept")
        for key in cube.keys(day):  # the codes first: flags without codes are ignored
            cube.store.remove(key)
    return Outcome(name=outcome.name, state="done", notes=(f"removed: {fault}",))


def upgrade_cube(store: Any) -> Report:
    """Bring the description of a cube of an older version up to date, and complete an interrupted upgrade.

    Only the files that describe the cube are written; of a cube whose time axis began before its first year, the
    days are renamed. `build_cube` does the same with a cube that it extends.

    Parameters
    ----------
    store : path, str, or store of obstore

    Returns
    -------
    Report
        The outcome "description": "done", or "kept" if there was nothing to do.

    Raises
    ------
    NothingFound, CubeError
        As for `open_cube`.
    NotWritable, StorageError
        Writing failed; call it again.

    Examples
    --------
    >>> upgrade_cube("YW.zarr")  # doctest: +SKIP
    """
    began = perf_counter()
    place = find_store(store)
    interrupted = is_moving(place)
    settled_cube(place)
    old = interrupted or required_cube(place).revision != REVISION
    fitting_cube(place)
    outcome = Outcome(name=DESCRIPTION, state="done" if old else "kept")
    return Report(task="upgrade", outcomes=(outcome,), seconds=perf_counter() - began)
