"""Extraction: the contents of the folder afterwards, and the report."""

from __future__ import annotations

import asyncio
import bz2
import errno
import os
import shutil
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from support.malicious_archives import HOSTILE, day, entry, flipped, frame, month, name, packed, tar, tar_of

from radar_nb.errors import (
    ArchiveError,
    CorruptArchive,
    DiskFull,
    HeaderError,
    Incomplete,
    NothingFound,
    NotWritable,
    RadarNbError,
    SettingsError,
    StorageError,
    TruncatedArchive,
    TruncatedFrame,
)
from radar_nb.formats.archives import parts, walk
from radar_nb.formats.extraction import extract, extract_async
from radar_nb.reading.sources import scan
from radar_nb.runtime.files import sidecar_path
from radar_nb.runtime.report import Outcome, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

    from radar_nb.formats.archives import Member, Part
    from radar_nb.runtime.progress import Progress


def write(folder: Path, data: bytes, file: str = "YW2017.002_202006.tar") -> Path:
    path = folder / file
    path.write_bytes(data)
    return path


def frames_in(folder: Path) -> dict[str, bytes]:
    """Return all files in a folder, including hidden leftovers."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Return a month of three days, one frame each."""
    return write(tmp_path, month(*(packed(day((minute,))) for minute in (20, 25, 30))))


MONTH = {name(minute): frame(minute, seed=minute) for minute in (20, 25, 30)}


@pytest.mark.parametrize("workers", [None, 1, 5])
def test_a_month_becomes_a_folder_of_frames(archive: Path, workers: int | None) -> None:
    """With any number of threads, the frames of all days are in one flat folder next to the archive."""
    report = extract(archive, workers=workers, progress=False)

    assert report.paths == (archive.with_name("YW2017.002_202006"),)
    assert frames_in(report.paths[0]) == MONTH
    assert report.outcomes[0].state == "done"
    assert report.bytes == sum(map(len, MONTH.values()))


@pytest.mark.parametrize(
    ("file", "data", "folder"),
    [
        (
            "RW201910.tar.gz",
            packed(tar_of((f"{key}.gz", packed(data)) for key, data in MONTH.items())),
            "RW201910",
        ),
        ("RY.tar.bz2", bz2.compress(tar_of((f"a/b/{key}", data) for key, data in MONTH.items())), "RY"),
    ],
)
def test_other_nestings_become_the_same_folder(tmp_path: Path, file: str, data: bytes, folder: str) -> None:
    """Names lose the compression's ending and the folders inside the archive, for any nesting."""
    report = extract(write(tmp_path, data, file), progress=False)

    assert report.paths == (tmp_path / folder,)
    assert frames_in(tmp_path / folder) == MONTH


def test_a_report_of_a_download_is_accepted(archive: Path) -> None:
    """The result of `download` is an argument; failed files are ignored, and an empty report is valid."""
    fetched = Outcome(name="a", state="done", path=archive)
    missing = Outcome(name="b", state="missing", path=archive.with_name("b"))

    report = extract(Report(task="download", outcomes=(fetched, missing)), progress=False)

    assert [outcome.name for outcome in report.outcomes] == [archive.name]
    assert extract(Report(task="download", outcomes=()), progress=False).outcomes == ()


def test_a_second_call_writes_nothing(archive: Path) -> None:
    """Existing identical frames are kept: neither they nor their times change."""
    folder = extract(archive, progress=False).paths[0]
    before = {path: path.stat() for path in folder.iterdir()}

    report = extract([archive, archive], progress=False)

    assert [outcome.state for outcome in report.outcomes] == ["kept"]
    assert report.bytes == 0
    assert {path: path.stat().st_ino for path in folder.iterdir()} == {k: v.st_ino for k, v in before.items()}


@pytest.mark.parametrize(
    "damage", [b"", frame(seed=9), frame(25, seed=25)[:-1] + b"x"], ids=["empty", "other", "last byte"]
)
def test_a_frame_that_differs_from_the_archive_is_replaced(archive: Path, damage: bytes) -> None:
    """Only frames that are missing, truncated or changed on the disk are written again."""
    folder = extract(archive, progress=False).paths[0]
    (folder / name(25)).write_bytes(damage)
    (folder / name(20)).unlink()

    report = extract(archive, progress=False)

    assert frames_in(folder) == MONTH
    assert report.bytes == 2 * len(frame())


def test_the_later_of_two_frames_with_a_name_is_kept(tmp_path: Path) -> None:
    """A repeated frame is that of the later day, or later in the day, in every run; the report says so."""
    first, second, third = frame(seed=1), frame(seed=2), frame(seed=3)
    days = tar_of([("x", first), ("y", first), ("y", second)]), tar_of([("x", second)]), tar_of([("x", third)])
    path = write(tmp_path, month(*map(packed, days)))

    for _ in range(3):
        report = extract(path, workers=3, progress=False)

        assert frames_in(report.paths[0]) == {"x": third, "y": second}
        assert report.outcomes[0].notes == tuple(
            f"{key} occurred more than once: the last is kept" for key in "xy"
        )


def test_an_invalid_number_of_threads_is_refused(archive: Path) -> None:
    """Zero threads raise."""
    with pytest.raises(SettingsError, match="workers=0 is not a number of threads: pass 1 or more"):
        extract(archive, workers=0, progress=False)


def test_a_corrupt_day_leaves_no_frame_and_no_gap_elsewhere(tmp_path: Path) -> None:
    """A day with a wrong checksum yields no frame and is named; the other days are extracted."""
    bad = packed(day((25,)))
    path = write(tmp_path, month(packed(day((20,))), flipped(bad, len(bad) - 8), packed(day((30,)))))

    with pytest.raises(CorruptArchive, match=r"20200602\.tar\.gz is damaged, here or before \(CRC"):
        extract(path, progress=False)

    assert set(frames_in(tmp_path / "YW2017.002_202006")) == {name(20), name(30)}


def test_a_corrupt_day_does_not_overwrite_existing_frames(archive: Path) -> None:
    """Frames of an earlier run survive later damage to the archive."""
    folder = extract(archive, progress=False).paths[0]
    other = packed(tar_of([(name(25), frame(25, seed=99))]))
    archive.write_bytes(month(flipped(other, len(other) - 8)))

    with pytest.raises(CorruptArchive, match="CRC"):
        extract(archive, progress=False)

    assert frames_in(folder) == MONTH


def test_the_frames_before_a_cut_are_kept(tmp_path: Path) -> None:
    """The whole frames of a truncated archive are extracted, the cut one is not, and the report says both."""
    large = {name(minute): frame(minute, seed=minute, rows=300, cols=200) for minute in (20, 25, 30)}
    data = packed(tar_of(large.items()))
    path = write(tmp_path, data[: len(data) // 2], "YW-200613.tar.gz")

    report = extract(path, progress=False, errors="report")

    (outcome,) = report.outcomes
    assert outcome.state == "failed"
    assert isinstance(outcome.error, TruncatedArchive)
    assert f"YW-200613.tar.gz > {name(25)} is cut short" in str(outcome.error)
    assert outcome.notes == (f"whole frames in {outcome.path}: 1",)
    assert frames_in(tmp_path / "YW-200613") == {name(20): large[name(20)]}


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (b"", TruncatedFrame, "bad is empty"),
        (b"BROKEN" + frame()[6:], HeaderError, "does not begin like a RADOLAN frame"),
        (frame()[:-10], TruncatedFrame, "its header says"),
        (frame() + b"\r\n", HeaderError, "its header says"),
        (b"<html>404</html>", HeaderError, "bad is a text file, not a frame: leave it out"),
    ],
    ids=["empty", "broken header", "short", "long", "foreign"],
)
def test_a_member_that_is_not_a_frame_is_named(
    tmp_path: Path, data: bytes, error: type[RadarNbError], match: str
) -> None:
    """An incomplete frame is reported and not written; the frames around it are written."""
    path = write(
        tmp_path,
        packed(tar(entry(name(20), frame(20)), entry("bad", data), entry(name(30), frame(30)))),
        "a.tar.gz",
    )

    with pytest.raises(error, match=match):
        extract(path, progress=False)

    assert set(frames_in(tmp_path / "a")) == {name(20), name(30)}


def test_several_faults_of_an_archive_are_all_named(tmp_path: Path) -> None:
    """One archive's faults are reported together."""
    path = write(
        tmp_path,
        month(packed(day())[:-3], packed(tar(entry("bad", b"?"), entry("worse", b"!"))), packed(day((30,)))),
    )

    with pytest.raises(ArchiveError, match=r"(?s)has 3 faults:.*20200601.*> bad .*> worse "):
        extract(path, workers=1, progress=False)


def test_one_bad_archive_does_not_stop_the_others(archive: Path, tmp_path: Path) -> None:
    """The good archives are extracted; the error at the end names each bad one."""
    empty, page = write(tmp_path, b"", "empty.tar"), write(tmp_path, b"<html>", "page.tar")

    with pytest.raises(Incomplete, match=r"(?s)3 of 4 did not succeed.*empty.tar.*page.tar.*absent.tar") as caught:
        extract([empty, archive, page, tmp_path / "absent.tar"], progress=False)

    assert [outcome.state for outcome in caught.value.report.outcomes] == ["failed", "done", "failed", "failed"]
    assert frames_in(tmp_path / "YW2017.002_202006") == MONTH


def test_an_archive_without_frames_is_an_error(tmp_path: Path) -> None:
    """An archive of folders only raises instead of leaving an empty folder."""
    path = write(tmp_path, packed(tar(entry("a", type=b"5"))), "a.tar.gz")

    with pytest.raises(NothingFound, match=r"a\.tar\.gz holds no frame"):
        extract(path, progress=False)


def test_archives_are_removed_when_their_frames_exist(archive: Path) -> None:
    """With keep_archives=False an archive, its note and its index are removed after the last frame."""
    sidecar_path(archive).write_text("{}", encoding="utf-8")
    scan([archive], progress=False)

    report = extract(archive, keep_archives=False, progress=False)

    assert frames_in(report.paths[0]) == MONTH
    assert [path for path in archive.parent.iterdir() if path.suffix != ".extracted"] == [report.paths[0]]


def test_an_extracted_and_removed_archive_is_kept_by_the_next_call(archive: Path) -> None:
    """After a crash following the removal, the frames exist, and the next call says so."""
    folder = extract(archive, keep_archives=False, progress=False).paths[0]

    report = extract(archive, keep_archives=False, progress=False)

    assert (report.outcomes[0].state, report.paths) == ("kept", (folder,))
    next(folder.iterdir()).unlink()
    with pytest.raises(NothingFound, match="there is no archive"):
        extract(archive, keep_archives=False, progress=False)


@pytest.mark.parametrize(
    "fault", ["a wrong checksum of a gzip", "a gzip without its checksum", "an absolute name"]
)
def test_an_archive_with_a_fault_stays(tmp_path: Path, fault: str) -> None:
    """An archive that could not be unpacked completely is never removed."""
    path = write(tmp_path, HOSTILE[fault].data, "a.tar.gz")

    with pytest.raises(ArchiveError, match="fetch it again"):
        extract(path, keep_archives=False, progress=False)

    assert path.exists()


def test_an_archive_stays_when_a_frame_vanished(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is checked before the archive is removed: a missing frame keeps it."""

    def losing(part: Part) -> Iterator[Member]:
        for path in archive.with_name("YW2017.002_202006").glob("raa01*"):
            path.unlink()
        yield from walk(part)

    monkeypatch.setattr(sys.modules[extract.__module__], "walk", losing)

    with pytest.raises(StorageError, match=r"YW2017\.002_202006"):
        extract(archive, keep_archives=False, workers=1, progress=False)

    assert archive.exists()


def test_space_is_checked_before_the_first_byte(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extraction that does not fit raises before writing; existing frames need no more space."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(DiskFull, match=r"cannot unpack the archives: 9 kB are needed in .* and 100 B are free"):
        extract(archive, progress=False)
    assert not archive.with_name("YW2017.002_202006").exists()

    monkeypatch.undo()
    extract(archive, progress=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=6000))
    assert extract(archive, progress=False).outcomes[0].state == "kept"


def test_a_full_disk_leaves_only_whole_frames(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk fills up within a frame, all renamed frames are complete, and the error has a remedy."""
    fsync = os.fsync

    def full(number: int) -> None:
        if len(list(archive.with_name("YW2017.002_202006").glob("raa01*"))) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(number)

    monkeypatch.setattr(os, "fsync", full)

    with pytest.raises((DiskFull, ArchiveError), match="the disk is full while writing"):
        extract(archive, workers=1, keep_archives=False, progress=False)

    assert frames_in(archive.with_name("YW2017.002_202006")) == {name(20): MONTH[name(20)]}
    assert archive.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_raises(archive: Path, tmp_path: Path) -> None:
    """An unwritable folder is named, with a remedy."""
    (tmp_path / "locked").mkdir(mode=0o500)

    with pytest.raises(NotWritable, match="no permission to write"):
        extract(archive, folder=tmp_path / "locked", progress=False)


def test_a_file_in_the_folders_place_raises(archive: Path) -> None:
    """A file in place of the folder of frames is not overwritten."""
    place = archive.with_name("YW2017.002_202006")
    place.write_bytes(b"mine")

    sentence = r"YW2017.002_202006 cannot be written .*a file lies where a folder should be"
    with pytest.raises(StorageError, match=sentence):
        extract(archive, progress=False)

    assert place.read_bytes() == b"mine"


def test_progress_ends_at_the_archives_size(archive: Path) -> None:
    """Progress counts the archives' bytes, ascending, to the total, from the caller's thread."""
    seen: list[Progress] = []
    threads: set[int] = set()

    def reporter(event: Progress, /) -> None:
        seen.append(event)
        threads.add(threading.get_ident())

    extract(archive, progress=reporter)

    assert [event.done for event in seen] == sorted(event.done for event in seen)
    assert {(event.task, event.unit, event.total) for event in seen} == {("extract", "B", archive.stat().st_size)}
    assert seen[-1].done == seen[-1].total
    assert threads == {threading.get_ident()}


def test_the_coroutine_is_equivalent(archive: Path) -> None:
    """extract_async unpacks in other threads, and reports in the loop's thread."""
    threads: set[int] = set()

    report = asyncio.run(extract_async(archive, progress=lambda _: threads.add(threading.get_ident())))

    assert frames_in(report.paths[0]) == MONTH
    assert threads == {threading.get_ident()}


@contextmanager
def held_walks(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Make a walk stop after its first member until it is released."""
    reached, go_on = threading.Event(), threading.Event()

    def held(part: Part) -> Iterator[Member]:
        for member in walk(part):
            yield member
            reached.set()
            assert go_on.wait(20)

    monkeypatch.setattr(sys.modules[extract.__module__], "walk", held)
    try:
        yield reached, go_on
    finally:
        go_on.set()


def test_cancelling_is_quick_and_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled call leaves no running thread, no unverified frame, and the archive; the next call resumes."""
    path = write(tmp_path, month(packed(day((20, 25))), packed(day((30, 35)))))

    async def cancel(reached: threading.Event, go_on: threading.Event) -> None:
        task = asyncio.create_task(extract_async(path, keep_archives=False, progress=False))
        await asyncio.to_thread(reached.wait, 20)
        task.cancel()
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        await task

    with held_walks(monkeypatch) as events, pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel(*events))

    assert path.exists()
    assert frames_in(tmp_path / "YW2017.002_202006") == {}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("radar_nb-extract")]
    monkeypatch.undo()
    assert len(frames_in(extract(path, progress=False).paths[0])) == 4


def test_a_reporter_that_raises_stops_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An exception in the caller's thread, as from Ctrl-C, ends all threads before it is raised."""
    path = write(tmp_path, month(packed(day((20, 25))), packed(day((30, 35)))))

    with held_walks(monkeypatch) as (reached, go_on):

        def interrupt(_: Progress, /) -> None:
            reached.wait(20)
            threading.Timer(0.05, go_on.set).start()
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            extract(path, progress=interrupt)

    assert frames_in(tmp_path / "YW2017.002_202006") == {}
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("radar_nb-extract")]


def test_real_archives_are_unpacked(real_mirror: Path, real_frames: Path, tmp_path: Path) -> None:
    """Real archives of every nesting, frames and an HDF5 file are extracted as a walk reads them."""
    files = [*real_mirror.rglob("[!.]*.*"), *real_frames.iterdir()]
    archives = [path for path in files if path.is_file() and path.stat().st_size < 2 << 20]

    report = extract(map(str, archives), folder=tmp_path / "a" / "b", progress=False)

    assert [folder.parent for folder in report.paths] == [tmp_path / "a" / "b"] * len(archives)
    for path, folder in zip(archives, report.paths, strict=True):
        assert frames_in(folder) == {
            Path(member.name).name: bytes(member.data) for part in parts(path) for member in walk(part)
        }
