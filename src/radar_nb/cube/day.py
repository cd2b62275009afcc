"""Build one day of a cube from its archives: one writer, one pass, one object, on a laptop or on a cluster."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb import __version__
from radar_nb.cube.day_records import ABSENT, DayRecord, Origin, StoredDay, flags_note
from radar_nb.cube.shards import ShardEncoder
from radar_nb.cube.time_axis import require_axis
from radar_nb.errors import DamagedShard, SeriesError
from radar_nb.formats.cursor import iter_codes
from radar_nb.formats.index import archive_stamp
from radar_nb.runtime.files import read_sidecar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.cube.description import Cube
    from radar_nb.cube.shards import ShardFormat
    from radar_nb.formats.index import Frames
    from radar_nb.formats.streams import Blob
    from radar_nb.reading.dataset import Opened


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayJob:
    """A day to build, and the location of its frames.

    Attributes
    ----------
    day : int
        Days since 1970-01-01.
    frames : Frames
        Of this day only, in order of time.
    steps : ndarray of int64
        The step in the day of each frame.
    shifts : dict of int to int
        Seconds by which the stamps of some steps differ from the cube's time axis.
    origins : tuple of Origin
        The archives, in the order of `frames.indexes`.
    doubled : tuple of str
    """

    day: int
    frames: Frames
    steps: NDArray[np.int64]
    shifts: dict[int, int]
    origins: tuple[Origin, ...]
    doubled: tuple[str, ...]

    @property
    def name(self) -> str:
        """The day, as YYYY-MM-DD."""
        return str(np.datetime64(self.day, "D"))

    def alone(self) -> DayJob:
        """Return the job reduced to its own data: some 15 kB, all that a worker needs."""
        return replace(self, frames=self.frames.alone())

    def __str__(self) -> str:
        """Return the day, as messages name the job."""
        return self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The result of building a day.

    Attributes
    ----------
    record : DayRecord
        The day's new record.
    written : int
        Bytes; 0 if the day was kept.
    seconds : float
    note : str
        What the user should know, if anything.
    """

    record: DayRecord
    written: int = 0
    seconds: float = 0.0
    note: str = ""


def split_days(cube: Cube, opened: Opened) -> list[DayJob]:
    """Split a series into days.

    Raises
    ------
    SeriesError
        Two frames belong to one step.
    """
    series, frames = opened.series, opened.series.frames
    there = np.flatnonzero(series.slots[:, 0] >= 0)
    times = series.times[there].astype(np.int64)
    slots = cube.slots(times)
    _check_steps(cube, times, slots)
    numbers = series.slots[there, 0]
    days = slots // cube.steps
    archives = frames.archives()[numbers]
    spans = {int(a): int(np.unique(days[archives == a]).size) for a in np.unique(archives)}
    origins = {
        number: _origin(frames.indexes[number].archive, frames.indexes[number].stamp, days=spans[number])
        for number in spans
    }
    doubled, doubled_days = series.doubled, cube.slots(series.doubled_at.astype(np.int64)) // cube.steps
    cuts = np.flatnonzero(np.diff(days)) + 1
    jobs = []
    for where in np.split(np.arange(days.size), cuts):
        used = np.unique(archives[where]).tolist()
        steps = slots[where] % cube.steps
        late = times[where] - cube.times(slots[where])
        jobs.append(
            DayJob(
                day=int(days[where[0]]),
                frames=frames.take(numbers[where]),
                steps=steps,
                shifts={int(steps[n]): int(late[n]) for n in np.flatnonzero(late)},
                origins=tuple(origins[number] for number in used),
                doubled=tuple(doubled[n] for n in np.flatnonzero(doubled_days == days[where[0]]).tolist()),
            )
        )
    return jobs


def _check_steps(cube: Cube, times: NDArray[np.int64], slots: NDArray[np.int64]) -> None:
    twice = np.flatnonzero(np.diff(slots) == 0)
    if twice.size:
        pair = times[twice[0] : twice[0] + 2].astype("datetime64[s]")
        raise SeriesError(
            f"frames of {pair[0]} and {pair[1]} belong to one step of the cube, which has one every "
            f"{cube.every} min: build it from the files of one series"
        )


def _origin(archive: Path | Blob, stamp: tuple[int, int], *, days: int) -> Origin:
    sidecar = read_sidecar(archive) if isinstance(archive, Path) else None
    identity = sidecar.etag if sidecar and sidecar.etag else "{}-{}".format(*stamp)
    return Origin(name=archive.name, identity=identity, size=stamp[0], days=days)


def kept(record: DayRecord, job: DayJob) -> Built | None:
    """Return the result for a day that need not be written, None if it must be.

    A day is kept if the cube has it from the same archives, or if rewriting it would lose frames.
    """
    there, wanted = set(np.flatnonzero(record.there).tolist()), set(job.steps.tolist())
    if set(record.origins) == set(job.origins) and there == wanted:
        return Built(record=record)
    lost = there - wanted
    known, offered = ({origin.name for origin in origins} for origins in (record.origins, job.origins))
    if lost and known - offered:  # not a re-issued archive, but another source with fewer frames
        note = f"kept: it holds {len(lost)} frames that the source lacks (overwrite=True replaces it)"
        return Built(record=record, note=note)
    return None


def build_day(cube: Cube, job: DayJob, *, overwrite: bool = False) -> Built:
    """Write a day into the cube, unless the cube has it from the same archives.

    Parameters
    ----------
    cube : Cube
    job : DayJob
    overwrite : bool
        Write the day in any case.

    Raises
    ------
    SeriesError
        The archive has changed since it was indexed, or its frames encode values differently.
    CubeError
        Another process has moved the cube's time axis meanwhile.
    ArchiveError, FrameError, StorageError
        The archive cannot be read, or writing failed. The cube's previous version of the day is untouched.
    """
    began = perf_counter()
    with cube.store.claim(cube.key(job.day)):
        there = None if overwrite else _stored(cube, job.day)
        if there is not None and (done := kept(there.record, job)) is not None:
            return done
        record, shard, flags = encode_day(cube, job)
        require_axis(cube)
        if flags is not None:
            cube.store.put(cube.key(job.day, "flags"), flags, durable=False)
        cube.store.put(cube.key(job.day), shard, durable=False)  # with it the day exists
    return Built(record=record, written=len(shard) + len(flags or b""), seconds=perf_counter() - began)


def _stored(cube: Cube, day: int) -> StoredDay | None:
    try:
        return cube.stored_day(day)
    except DamagedShard:  # it is rewritten
        return None


def encode_day(cube: Cube, job: DayJob) -> tuple[DayRecord, bytes, bytes | None]:
    """Return a day's record, its shard, and the shard of its flags if the cube has them.

    Raises
    ------
    SeriesError, ArchiveError, FrameError, StorageError
        As for `build_day`.
    """
    frames = job.frames
    codes_of = _encoder(cube.shards)
    flags_of = _encoder(cube.flag_shards) if cube.has_flags else None
    valid = np.full(cube.steps, ABSENT, np.int32)
    filled = np.empty(cube.shards.shape[1:], bool)
    found = iter_codes(frames, range(len(frames.rows)), [cube.packing] * len(frames.kinds))
    for (_, codes, packing), step in zip(found, job.steps.tolist(), strict=True):
        if packing != cube.packing:
            raise SeriesError(
                f"a frame of {job.name} encodes values differently from the cube ({packing}, not {cube.packing}): "
                "build another cube of it"
            )
        field = packing.packed(codes, out=codes_of.field(step))
        np.not_equal(field, cube.shards.fill, out=filled)
        valid[step] = np.count_nonzero(filled)
        if flags_of is not None:
            packing.flags(codes, out=flags_of.field(step))
    for number in np.unique(frames.archives()).tolist():  # changed while it was read?
        index = frames.indexes[number]
        if isinstance(index.archive, Path) and archive_stamp(index.archive) != index.stamp:
            raise SeriesError(f"{index.archive} has changed while {job.name} was read from it: build again")
    of_step = np.full(cube.steps, ABSENT, np.int16)
    of_step[job.steps] = np.unique(frames.archives(), return_inverse=True)[1]
    record = DayRecord(
        day=job.day,
        cube=cube.fingerprint,
        origins=job.origins,
        of_step=of_step,
        valid=valid,
        shifts=job.shifts,
        # some headers write the country before the radar
        radars=tuple(sorted({radar.removeprefix("de") for kind in frames.kinds for radar in kind.header.radars})),
        doubled=job.doubled,
        version=__version__,
    )
    note = flags_note(job.day, cube.fingerprint)
    return record, codes_of.finish(record.note()), None if flags_of is None else flags_of.finish(note)


_own = threading.local()


def _encoder(layout: ShardFormat) -> ShardEncoder:
    """Return this thread's encoder, whose slab of fields is reused for each day."""
    encoders: dict[tuple[Any, ...], ShardEncoder] = _own.__dict__.setdefault("encoders", {})
    key = (layout.shape, layout.chunk, layout.dtype, layout.fill, layout.level)
    if key not in encoders:
        if len(encoders) > 1:  # codes and flags of one cube
            encoders.clear()
        encoders[key] = ShardEncoder(layout)
    encoders[key].begin()
    return encoders[key]
