"""Unpack archives into folders of frames: days in parallel, verified before renaming, safe to run again.

The frames of a part (a day of a month) are written into a hidden folder next to their destination, and renamed
when the last byte has been read and the checksum was correct. A truncated part has no checksum: its frames before
the cut, each compared with its header, are renamed, and the report states where it was cut.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import stat
import tempfile
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from queue import Empty, SimpleQueue
from time import perf_counter
from typing import TYPE_CHECKING, Literal

from radar_nb.errors import (
    ArchiveError,
    FrameError,
    NotAnArchive,
    NothingFound,
    RadarNbError,
    SettingsError,
    StorageError,
    TruncatedArchive,
    UnsafeMember,
)
from radar_nb.formats.archives import Part, check_frame, naming_damage, parts, walk
from radar_nb.formats.index import EXTRACTED, remove_archive
from radar_nb.formats.names import spelling
from radar_nb.formats.streams import BLOCK, Reopened, sniff
from radar_nb.runtime.files import frames_folder, read_regular, replacing, require_space, storage_errors, user_path
from radar_nb.runtime.locks import Claim
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.report import Outcome, Report
from radar_nb.runtime.wording import AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from radar_nb.formats.archives import Member
    from radar_nb.runtime.progress import Reporter

    Archives = str | os.PathLike[str] | Report | Iterable[str | os.PathLike[str]]

_TICK = 0.1
"""Seconds between two progress events."""

_WAIT = 0.1
"""Seconds between two checks whether another process has released a folder."""

_LINES = 20
"""Maximum faults of one archive that its error lists."""

_PREFIX, _SUFFIX = ".radar_nb.", ".tmp"
_LENGTH = 4  # bytes of the length at a gzip's end
_BZIP2_RATIO = 20  # typical compression ratio of a frame
_NOTE_LIMIT = 4096  # bytes of the note on a folder
_CHUNK = 256 << 10  # bytes compared at once: fits in the processor's cache


def extract(
    archives: Archives,
    *,
    folder: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    keep_archives: bool = True,
    progress: bool | Reporter = True,
    errors: Literal["raise", "report"] = "raise",
) -> Report:
    """Unpack archives of any nesting, each into a folder of frames.

    Existing identical frames are kept without a write, so that the same call resumes after an interruption;
    leftovers of killed calls are removed. If another process is filling a folder, the call waits for it. A part
    with a wrong checksum leaves no frames; the frames before a cut, and the other days of a month, are still
    unpacked.

    Parameters
    ----------
    archives : path, iterable of paths, or Report
        The report of `download`, or files. A single frame, compressed or not, is an archive of one.
    folder : path, optional
        Where to create the folders of frames; by default next to each archive.
    workers : int, optional
        Parts (days) to unpack at the same time; by default two per processor, at most four.
    keep_archives : bool
        False removes an archive and the note beside it when all its frames are completely on the disk. Each frame
        is then forced to the disk first.
    progress : bool or Reporter
        Bytes read from the archives.
    errors : {"raise", "report"}
        Whether archives that could not be unpacked raise, after the others were unpacked, or are listed in the
        report.

    Returns
    -------
    Report
        One outcome per archive; `report.paths` are the folders. Notes list frames that occur twice, of which the
        later one in the archive is kept.

    Raises
    ------
    NothingFound, NotAnArchive, TruncatedArchive, CorruptArchive, UnsafeMember
        The archive does not exist, is not an archive, or cannot be trusted.
    HeaderError, TruncatedFrame
        A member is not a whole frame.
    DiskFull, NotWritable, StorageError
        Writing failed; a full disk is reported before the first byte.
    Incomplete
        Some of several archives failed.
    SettingsError
        `workers` is not a number of threads.

    Examples
    --------
    >>> extract("YW2017.002_202006.tar").paths  # doctest: +SKIP
    (PosixPath('YW2017.002_202006'),)
    """
    with reporting(progress) as reporter:
        run = _Run(_jobs(archives, folder), workers=workers, keep_archives=keep_archives, reporter=reporter)
        report = run.finish()
    return report.raise_for_failures() if errors == "raise" else report


async def extract_async(
    archives: Archives,
    *,
    folder: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    keep_archives: bool = True,
    progress: bool | Reporter = True,
    errors: Literal["raise", "report"] = "raise",
) -> Report:
    """Unpack archives as `extract` does, without blocking the running loop.

    Cancelling stops within about a frame; finished parts are kept, and the same call resumes.
    """
    loop = asyncio.get_running_loop()
    with reporting(progress) as reporter:

        def events(event: Progress, /) -> None:
            loop.call_soon_threadsafe(reporter, event)

        jobs = await asyncio.to_thread(_jobs, archives, folder)
        run = _Run(jobs, workers=workers, keep_archives=keep_archives, reporter=events)
        work = asyncio.ensure_future(asyncio.to_thread(run.finish))
        try:
            report = await asyncio.shield(work)
        except asyncio.CancelledError:
            run.stop.set()
            await asyncio.gather(work, return_exceptions=True)
            raise
    return report.raise_for_failures() if errors == "raise" else report


@dataclass(slots=True, kw_only=True, eq=False)
class _Job:
    """One archive: its work and its state so far."""

    archive: Path
    folder: Path
    size: int = 0
    unpacked: int = 0
    parts: tuple[Part, ...] = ()
    left: int = 0
    consumed: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    claim: Claim | None = None
    frames: dict[str, tuple[int, int]] = field(default_factory=dict)  # name: number of its part, bytes
    spellings: dict[str, str] = field(default_factory=dict)  # name without its case: name
    twice: set[str] = field(default_factory=set)
    faults: list[RadarNbError] = field(default_factory=list)
    written: int = 0
    bytes: int = 0
    began: float | None = None


class _Stopped(Exception):
    """The caller has cancelled."""


def _jobs(archives: Archives, folder: str | os.PathLike[str] | None) -> list[_Job]:
    """Inspect each archive once, without unpacking it."""
    if isinstance(archives, Report):
        archives = archives.paths
    elif isinstance(archives, (str, os.PathLike)):
        archives = [archives]
    jobs = []
    for path in dict.fromkeys(user_path(archive) for archive in archives):
        target = frames_folder(path)
        job = _Job(archive=path, folder=target if folder is None else user_path(folder) / target.name)
        try:
            job.parts = parts(path)
            job.size, job.unpacked = path.stat().st_size, sum(map(_unpacked, job.parts))
        except (ArchiveError, NotAnArchive, NothingFound, StorageError) as error:
            job.parts = ()
            job.frames = _extracted_before(job) if isinstance(error, NothingFound) else {}
            job.faults = [] if job.frames else [error]
        job.left = len(job.parts)
        job.consumed = [0] * job.left
        jobs.append(job)
    return jobs


class _Run:
    """One call: its jobs, its threads, and the flag that stops them."""

    def __init__(self, jobs: list[_Job], *, workers: int | None, keep_archives: bool, reporter: Reporter) -> None:
        if workers is not None and workers < 1:
            raise SettingsError(f"workers={workers} is not a number of threads: pass 1 or more, or leave it out")
        self.stop = threading.Event()
        self._jobs = jobs
        # two per core: one writes while the other inflates, and days of unequal size use all cores to the end
        self._workers = workers or min(4, 2 * (os.cpu_count() or 1))
        self._keep_archives = keep_archives
        self._reporter = reporter

    def finish(self) -> Report:
        """Do the work; the reporter is called only from this thread."""
        began = perf_counter()
        _require_space(self._jobs)
        outcomes = {job.archive: _outcome(job) for job in self._jobs if not job.parts}
        finished: SimpleQueue[Future[_Job]] = SimpleQueue()
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="radar_nb-extract")
        due = began
        try:
            for job in self._jobs:
                for number in range(len(job.parts)):
                    pool.submit(self._part, job, number).add_done_callback(finished.put)
            while len(outcomes) < len(self._jobs):
                with suppress(Empty):
                    job = finished.get(timeout=_TICK).result()
                    job.left -= 1
                    if not job.left:
                        outcomes[job.archive] = self._end(job)
                if perf_counter() >= due or len(outcomes) == len(self._jobs):
                    self._report()
                    due = perf_counter() + _TICK
        finally:
            self.stop.set()
            pool.shutdown(cancel_futures=True)
            for job in self._jobs:
                _give_up(job)
        ordered = tuple(outcomes[job.archive] for job in self._jobs)
        return Report(task="extract", outcomes=ordered, seconds=perf_counter() - began)

    def _report(self) -> None:
        done, total = sum(sum(job.consumed) for job in self._jobs), sum(job.size for job in self._jobs)
        self._reporter(Progress(task="extract", done=done, total=total, unit="B"))

    def _end(self, job: _Job) -> Outcome:
        _hold_against_disk(job)
        if not self._keep_archives and not job.faults and job.frames:
            try:
                _note_frames(job)
                remove_archive(job.archive)
            except StorageError as error:
                job.faults.append(error)
        _give_up(job)
        job.consumed = [job.size]  # with the headers between the parts
        return _outcome(job)

    def _part(self, job: _Job, number: int) -> _Job:
        """Unpack one part of an archive."""
        job.began = job.began or perf_counter()
        try:
            self._claim(job)
            while not any(isinstance(fault, StorageError) for fault in job.faults):
                if self._unpack(job, number):
                    break
        except (ArchiveError, StorageError) as error:
            job.faults.append(error)
        job.consumed[number] = job.parts[number].size
        return job

    def _claim(self, job: _Job) -> None:
        """Hold the folder, waiting for other processes, and remove leftovers of a crash."""
        with job.lock:
            if job.claim is not None:
                return
            claim = Claim(job.folder)
            while not claim.take():
                if self.stop.wait(_WAIT):
                    raise _Stopped
            job.claim = claim
            _sweep(job.folder)

    def _unpack(self, job: _Job, number: int) -> bool:
        """Write a part's frames and rename them into place; return False if the part must be repeated."""
        part = job.parts[number]
        with _staged(job.folder) as stage:
            sizes: dict[str, int] = {}
            cut: TruncatedArchive | None = None
            try:
                for member in walk(part):
                    if self.stop.is_set():
                        raise _Stopped
                    self._take(job, member, stage, sizes)
                    job.consumed[number] = member.consumed
            except TruncatedArchive as error:  # the frames before the cut are intact
                cut = error
            if not _publish(job, number, stage, sizes):
                return False
        if cut is not None:
            raise cut
        return True

    def _take(self, job: _Job, member: Member, stage: Path, sizes: dict[str, int]) -> None:
        try:
            check_frame(member)
        except FrameError as error:  # the members behind it may be intact
            job.faults.append(error)
            return
        name = PurePosixPath(member.name).name
        known = job.spellings.setdefault(spelling(name), name)
        if known != name:
            text = f"{member.place} differs from {known} only in upper and lower case"
            job.faults.append(
                UnsafeMember(f"{text}, which many disks cannot distinguish: open the archive itself instead")
            )
            return
        if name in sizes:
            job.twice.add(name)
        if name in sizes or not _same(job.folder / name, member.data):
            with (stage / name).open("wb") as file:
                file.write(member.data)
                if not self._keep_archives:
                    file.flush()
                    os.fsync(file.fileno())
        sizes[name] = len(member.data)


def _give_up(job: _Job) -> None:
    if job.claim is not None:
        job.claim.drop()
        job.claim = None


def _publish(job: _Job, number: int, stage: Path, sizes: dict[str, int]) -> bool:
    """Rename a part's frames into place, unless a later part has the same.

    Return False if an earlier part has meanwhile overwritten an existing frame of this part.
    """
    with job.lock:
        overwritten = False
        for name, size in sizes.items():
            other, _ = job.frames.get(name, (number, 0))
            if other != number:
                job.twice.add(name)
            if other > number:
                continue
            staged = (stage / name).exists()
            overwritten |= other < number and not staged
            job.frames[name] = (number, size)
            if staged:
                (stage / name).replace(job.folder / name)
                job.written += 1
                job.bytes += size
        return not overwritten


def _outcome(job: _Job) -> Outcome:
    if not job.faults and not job.frames:
        job.faults.append(NothingFound(f"{job.archive} holds no frame: {AGAIN}"))
    notes = [f"{name} occurred more than once: the last is kept" for name in sorted(job.twice)]
    if job.faults and job.frames:
        notes.append(f"whole frames in {job.folder}: {len(job.frames):,}")
    error = _error(job)
    return Outcome(
        name=job.archive.name,
        state="failed" if error else "done" if job.written else "kept",
        path=job.folder if job.frames else None,
        bytes=job.bytes,
        seconds=perf_counter() - job.began if job.began else 0.0,
        error=error,
        notes=tuple(notes),
    )


def _error(job: _Job) -> RadarNbError | None:
    """Return one error for all faults of an archive: the fatal one, or a list."""
    if len(job.faults) < 2:
        return next(iter(job.faults), None)
    for fault in job.faults:
        if isinstance(fault, (StorageError, UnsafeMember)):
            return fault
    lines = "\n".join(f"  {fault}" for fault in job.faults[:_LINES])
    more = f"\n  and {len(job.faults) - _LINES:,} more" if len(job.faults) > _LINES else ""
    return ArchiveError(f"{job.archive} has {len(job.faults):,} faults:\n{lines}{more}")


def _hold_against_disk(job: _Job) -> None:
    """Report frames that were removed or changed after they were renamed."""
    lost = [name for name, (_, size) in job.frames.items() if _size(job.folder / name) != size]
    for name in lost:
        del job.frames[name]
    if lost:
        text = f"{len(lost):,} frames in {job.folder} were removed or changed during the extraction"
        job.faults.append(
            StorageError(f"{text}, including {lost[0]}: extract again, and keep other programs from writing there")
        )


def _note_path(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{EXTRACTED}")


def _note_frames(job: _Job) -> None:
    """Record the number of frames and bytes of a folder before removing its archive, in case of a crash."""
    note = {"archive": job.archive.name, "frames": len(job.frames), "bytes": _total(job.frames)}
    with replacing(_note_path(job.folder)) as file:
        file.write(json.dumps(note).encode())


def _extracted_before(job: _Job) -> dict[str, tuple[int, int]]:
    """Return the frames of an archive that an earlier call has removed; empty unless all still exist."""
    try:
        note = json.loads(read_regular(_note_path(job.folder), _NOTE_LIMIT))
        with os.scandir(job.folder) as entries:
            frames = {entry.name: (0, entry.stat().st_size) for entry in entries if entry.is_file()}
    except (OSError, ValueError, RecursionError):
        return {}
    found = {"archive": job.archive.name, "frames": len(frames), "bytes": _total(frames)}
    return frames if note == found else {}


def _total(frames: dict[str, tuple[int, int]]) -> int:
    return sum(size for _, size in frames.values())


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _require_space(jobs: list[_Job]) -> None:
    """Raise before the first byte if the disk is too small; existing frames need no more space."""
    needed: dict[int, tuple[Path, int]] = {}
    for job in filter(lambda job: job.parts, jobs):
        present = 0
        with suppress(OSError):
            present = sum(entry.stat().st_size for entry in job.folder.iterdir())
        with storage_errors(job.folder):
            place = next(place for place in (job.folder, *job.folder.absolute().parents) if place.exists())
            disk = place.stat().st_dev
        more = max(0, job.unpacked - present)
        needed[disk] = (job.folder, more + needed.get(disk, (place, 0))[1])
    for folder, size in needed.values():
        require_space(folder, size, "unpack the archives")


# --- room for frames that are not verified yet ----------------------------------------------------------------


def _unpacked(part: Part) -> int:
    """Estimate the size of a part's frames in bytes, without inflating it.

    The last four bytes of a gzip state it (RFC 1952, 2.3.1), which is correct for all archives of DWD except those
    whose members are gzipped again.

    Raises
    ------
    StorageError
        The archive cannot be read.
    """
    head, length = bytearray(BLOCK), bytearray(_LENGTH)
    with naming_damage(part, str):
        read = Reopened(part.archive, part.offset).readinto(head)
        kind = sniff(bytes(head[:read]))
        if kind == "gzip":
            Reopened(part.archive, part.offset + max(0, part.size - _LENGTH)).readinto(length)
            return max(part.size, int.from_bytes(length, "little"))
    return part.size * _BZIP2_RATIO if kind == "bzip2" else part.size


def _same(path: Path, data: memoryview) -> bool:
    """Return whether a regular file, not a link to one, contains these bytes."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != len(data):
            return False
        with path.open("rb", buffering=0) as file:
            return all(
                file.read(_CHUNK) == data[start : start + _CHUNK].tobytes()
                for start in range(0, len(data), _CHUNK)
            )
    except FileNotFoundError:
        return False


@contextmanager
def _staged(folder: Path) -> Iterator[Path]:
    """Create a hidden folder for unverified frames; remove it with its contents at the end."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX, dir=folder))
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove leftovers of killed extractions from a folder; the caller holds the claim on it."""
    with storage_errors(folder):
        for left in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
