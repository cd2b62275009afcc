"""Is a cube what it should be? Held against its own checksums, and against the archives; and repaired."""

from __future__ import annotations

import os
import random
from contextlib import closing
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.cube.day import encode_day, split_days
from radar_nb.cube.opening import required_cube
from radar_nb.cube.shards import REMEDY, Shard
from radar_nb.errors import CubeError, DamagedShard, RadarNbError, SettingsError
from radar_nb.reading.dataset import Options, open_series
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.report import Outcome, Report
from radar_nb.runtime.workers import each

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.cube.day import DayJob
    from radar_nb.cube.day_records import Entry
    from radar_nb.cube.description import Cube
    from radar_nb.cube.shards import Chunk, ShardFormat
    from radar_nb.runtime.progress import Reporter


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
    """Hold a cube against its own checksums, and against the archives that it was built from.

    Parameters
    ----------
    store : path, str, or store of obstore
    source : path, Report, or a sequence of these, optional
        The archives. Without them each chunk is unpacked and held against its checksum.
    sample : float, optional
        The share of days that are looked at, above 0 up to 1; all by default.
    seed : int
        Another seed chooses other days.
    sums : str
        As for `build_cube`.
    workers : int, optional
        Threads; by default as many as there are processors.
    progress : bool or Reporter
        Task "verify", in days.
    errors : {"raise", "report"}
        Whether days that are not as they should be make the call fail.

    Returns
    -------
    Report
        An outcome for each day: "done" where it is right, "failed" where it is not, or was never built.

    Raises
    ------
    DamagedShard
        A checksum is wrong, or a value differs from the archive's.
    CubeError
        A day of the source was never built, or the cube's frames are others.
    Incomplete
        That is so with several days.
    NothingFound, SettingsError, and what `open_dataset` raises for the source

    Examples
    --------
    >>> verify_cube("YW.zarr", "data", sample=0.01)  # doctest: +SKIP
    """
    began = perf_counter()
    if sample is not None and not 0 < sample <= 1:
        raise SettingsError(f"sample={sample} is no share of days: give a number above 0 up to 1")
    cube = required_cube(store)
    entries, damaged = cube.entries()
    with reporting(progress) as report:
        jobs: dict[int, DayJob] = {}
        if source is not None:
            opened = open_series(source, Options(variables=cube.product, sums=sums), progress=report)
            jobs = {job.day: job for job in split_days(cube, opened)}
        days = sorted({*entries, *damaged, *jobs} if source is None else jobs)
        if sample is not None:
            days = sorted(random.Random(seed).sample(days, -int(-sample * len(days) // 1)))  # noqa: S311 - no secret
        work = partial(_verified, cube, entries, damaged, jobs)
        outcomes = {}
        with closing(each(days, work, workers=workers or os.cpu_count() or 1)) as results:
            for day, error in results:
                name = str(np.datetime64(day, "D"))
                outcomes[day] = Outcome(name=name, state="failed" if error else "done", error=error)
                report(Progress(task="verify", done=len(outcomes), total=len(days), unit="days", note=name))
    made = Report(task="verify", outcomes=tuple(outcomes[day] for day in days), seconds=perf_counter() - began)
    return made.raise_for_failures() if errors == "raise" else made


def _verified(
    cube: Cube,
    entries: dict[int, Entry],
    damaged: dict[int, DamagedShard],
    jobs: dict[int, DayJob],
    day: int,
) -> RadarNbError | None:
    """Look at one day; give what is wrong with it."""
    if day in damaged:
        return damaged[day]
    if day not in entries:
        return CubeError(f"{np.datetime64(day, 'D')} was never built: build_cube adds it")
    try:
        codes, flags = _chunks(cube, day, None), _chunks(cube, day, "flags") if cube.has_flags else {}
        if day in jobs:
            _compare(cube, jobs[day], entries[day], codes, flags)
    except RadarNbError as error:
        return error
    return None


def _chunks(cube: Cube, day: int, array: str | None) -> dict[Chunk, NDArray[Any]]:
    """Unpack all chunks of a day's shard."""
    key, layout = cube.key(day, array), cube.flag_shards if array else cube.shards
    found = cube.store.stat(key)
    if found is None:
        raise DamagedShard(f"{cube.store.name}/{key} has gone: {REMEDY}")
    stamp, size = found
    shard = cube.open_shard(key, stamp, size, layout)
    (data,) = cube.store.spans(key, [(0, size)], stamp=stamp)
    return _unpacked(shard, layout, memoryview(data))


def _unpacked(shard: Shard, layout: ShardFormat, data: memoryview) -> dict[Chunk, NDArray[Any]]:
    chunks = {}
    for chunk in shard.chunks():
        start, length = shard.span(chunk) or (0, 0)
        chunks[chunk] = np.empty(layout.chunk, layout.dtype)
        shard.decode(chunk, data[start : start + length], chunks[chunk])
    return chunks


def _compare(
    cube: Cube,
    job: DayJob,
    entry: Entry,
    codes: dict[Chunk, NDArray[Any]],
    flags: dict[Chunk, NDArray[Any]],
) -> None:
    """Hold a day's chunks against those made of the archives now."""
    there = set(np.flatnonzero(entry.record.there).tolist())
    if there != set(job.steps.tolist()):
        raise CubeError(
            f"{job.name} has {len(there)} frames in the cube, {len(job.steps)} in the source: build_cube brings "
            "it up to date"
        )
    _, shard, flag_shard = encode_day(cube, job)
    wanted = [(codes, shard, cube.shards)]
    if flag_shard is not None:
        wanted.append((flags, flag_shard, cube.flag_shards))
    for have, data, layout in wanted:
        fresh = _unpacked(Shard.of(data, layout, name=job.name), layout, memoryview(data))
        wrong = [chunk for chunk in have | fresh if not _equal(have.get(chunk), fresh.get(chunk))]
        if wrong:
            raise DamagedShard(
                f"{job.name} differs from the source in {len(wrong)} of {len(have | fresh)} chunks: {REMEDY}"
            )


def _equal(one: NDArray[Any] | None, other: NDArray[Any] | None) -> bool:
    return one is not None and other is not None and bool(np.array_equal(one, other))


def repair_cube(store: Any, *, progress: bool | Reporter = True) -> Report:
    """Take damaged days, and what crashes have left, out of a cube; `build_cube` then writes them anew.

    Parameters
    ----------
    store : path, str, or store of obstore
    progress : bool or Reporter
        Task "verify", in days.

    Returns
    -------
    Report
        An outcome for each day that was there: "kept", or "missing" where it was taken out, with the reason.

    Raises
    ------
    NothingFound, CubeError
        As `open_cube`.
    NotWritable, StorageError
        The store refused.

    Examples
    --------
    >>> repair_cube("YW.zarr")  # doctest: +SKIP
    >>> build_cube("data", "YW.zarr")  # doctest: +SKIP
    """
    began = perf_counter()
    cube = required_cube(store)
    found = verify_cube(store, progress=progress, errors="report")
    outcomes = []
    for outcome in found.outcomes:
        if outcome.ok:
            outcomes.append(Outcome(name=outcome.name, state="kept"))
            continue
        day = int(np.datetime64(outcome.name, "D").astype(np.int64))
        for array in (None, "flags"):  # the record first: what is left of the flags is then nothing's
            with cube.store.claim(cube.key(day, array)):
                cube.store.remove(cube.key(day, array))
        outcomes.append(Outcome(name=outcome.name, state="missing", error=outcome.error))
    for folder in ("", cube.variable, "flags"):
        cube.store.sweep(folder)
    return Report(task="repair", outcomes=tuple(outcomes), seconds=perf_counter() - began)
