"""Extraction and indexing after kills, with full and vanishing disks, two processes, and clocks that jump."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import killed_processes as kills
from support import read_paths
from support.full_disks import fill, forbid_writing, small_disk
from support.killed_processes import Job
from support.malicious_archives import frame, month, name, packed, tar_of

import radar_nb as rn
from radar_nb.errors import DiskFull, NotWritable, RadarNbError, StorageError
from radar_nb.formats.archives import walk
from radar_nb.formats.extraction import extract, extract_async
from radar_nb.formats.index import load_index
from radar_nb.runtime.files import lock_path
from radar_nb.runtime.locks import Claim, claimed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from radar_nb.formats.archives import Member, Part

KILLS = 3  # make soak has more
DEADLINE = 20.0
MONTH = "YW2017.002_202006"


def frames(*, days: int = 3, each: int = 8, cells: int = 300, seed: int = 0) -> list[dict[str, bytes]]:
    """Return the frames of some days by name, some 180 kB each."""
    return [
        {
            name(number): frame(number, seed=seed + number, rows=cells, cols=cells)
            for number in range(day * each, (day + 1) * each)
        }
        for day in range(days)
    ]


def write(folder: Path, days: list[dict[str, bytes]], file: str = f"{MONTH}.tar") -> Path:
    """Write an archive with an early modification time, the same for each copy."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file
    path.write_bytes(month(*(packed(tar_of(day.items())) for day in days)))
    os.utime(path, ns=(10**18, 10**18))
    return path


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a month of three days, some 4 MB."""
    return write(tmp_path_factory.mktemp("archives"), frames())


@pytest.fixture(scope="module")
def expected() -> dict[str, bytes]:
    """Return the frames of the month."""
    return {key: data for day in frames() for key, data in day.items()}


def lying_in(folder: Path) -> dict[str, bytes]:
    """Return all files in a folder, including hidden leftovers."""
    return {path.name: path.read_bytes() if path.is_file() else b"" for path in folder.iterdir()}


# --- kills ------------------------------------------------------------------------------------------------------


def extracting(archive: Path) -> Job:
    return Job(name="extract", work=kills.extract, arguments=((archive,),))


def indexing(archive: Path) -> Job:
    def prepare(folder: Path) -> None:
        folder.mkdir()
        shutil.copy2(archive, folder)

    return Job(name="index", work=read_paths.found, prepare=prepare)


@pytest.mark.parametrize("job", [extracting, indexing])
def test_a_killed_extraction_ends_as_an_undisturbed_one(
    archive: Path, tmp_path: Path, job: Callable[[Path], Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill leaves no half-written frame or index under its name; the next run ends bit-identical."""
    monkeypatch.chdir(tmp_path)
    work = job(archive)
    calm = kills.undisturbed(work, tmp_path / "data")

    found = list(kills.killed(work, calm, tmp_path / "data", kills=KILLS, seed=4))

    assert len(found) == KILLS
    assert [fault for kill in found for fault in kill.faults] == []
    assert set(calm.after) - set(calm.before)


def test_leftovers_of_a_kill_are_removed_by_the_next_run(
    archive: Path, tmp_path: Path, expected: dict[str, bytes]
) -> None:
    """Killed within a frame, an extraction leaves hidden folders; the next one removes them first."""
    target = tmp_path / "data" / MONTH

    killed = kills.killed_when(extracting(archive), tmp_path / "data", lambda: any(target.glob(".*/raa01*")))
    left = [path.name for path in target.iterdir() if path.name.startswith(".")]
    extract(archive, folder=tmp_path / "data", progress=False)

    assert killed
    assert left
    assert lying_in(target) == expected
    assert [path.name for path in (tmp_path / "data").iterdir()] == [MONTH]


def test_other_hidden_files_stay(archive: Path, tmp_path: Path) -> None:
    """Extraction removes only its own hidden files."""
    target = tmp_path / MONTH
    for mine in (".git", ".notes.tmp"):
        (target / mine).mkdir(parents=True)

    extract(archive, folder=tmp_path, progress=False)

    assert {".git", ".notes.tmp"} <= {path.name for path in target.iterdir()}


@pytest.mark.parametrize("step", ["note", "archive"])
def test_an_interrupted_removal_is_completed(tmp_path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An archive's note is removed before the archive, so that a crash in between leaves nothing behind."""
    path = write(tmp_path, frames(days=1, each=2, cells=10))
    note = path.with_name(f"{path.name}.meta.json")
    note.write_text("{}", encoding="utf-8")
    unlink = Path.unlink

    def pulled(self: Path, *, missing_ok: bool = False) -> None:
        if self == (note if step == "note" else path):
            raise KeyboardInterrupt
        unlink(self, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", pulled)
        with pytest.raises(KeyboardInterrupt):
            extract(path, keep_archives=False, progress=False)
    extract(path, keep_archives=False, progress=False)

    assert {entry.name for entry in tmp_path.iterdir()} == {MONTH, f".{MONTH}.extracted"}


# --- two at once ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("apart", [True, False], ids=["processes", "threads"])
def test_one_of_two_extractions_works_and_the_other_keeps(
    archive: Path, tmp_path: Path, expected: dict[str, bytes], apart: bool
) -> None:
    """Two extractions of one archive into one folder do the work once: neither fails, no partial file is left."""
    work = kills.in_child if apart else lambda function, *arguments: function(*arguments)

    with ThreadPoolExecutor(2) as pool:
        states = list(pool.map(lambda _: work(read_paths.extracted, archive, tmp_path / "data"), range(2)))

    assert sorted(states) == ["done", "kept"]
    assert lying_in(tmp_path / "data" / MONTH) == expected
    assert [path.name for path in (tmp_path / "data").iterdir()] == [MONTH]


def test_two_that_index_at_once_both_find_all(archive: Path, tmp_path: Path) -> None:
    """Two processes that open an archive without an index both find every frame, and a valid index stays."""
    copy = Path(shutil.copy2(archive, tmp_path))

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: kills.in_child(read_paths.found, tmp_path), range(2)))

    assert found == [24, 24]
    assert load_index(copy) is not None
    assert not list(tmp_path.glob(".*.tmp"))


def test_waiting_for_another_can_be_cancelled(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another holds the folder nothing is written, and cancelling ends the wait at once."""
    target, tried, take = tmp_path / MONTH, threading.Event(), Claim.take

    def telling(claim: Claim) -> bool:
        taken = take(claim)
        tried.set()
        return taken

    async def cancel() -> None:
        task = asyncio.create_task(extract_async(archive, folder=tmp_path, progress=False))
        await asyncio.to_thread(tried.wait, DEADLINE)
        task.cancel()
        async with asyncio.timeout(DEADLINE):
            await task

    with claimed(target):
        monkeypatch.setattr(Claim, "take", telling)
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancel())

    assert not target.exists()
    assert not lock_path(target).exists()


def test_two_lists_in_opposite_order_do_not_deadlock(tmp_path: Path) -> None:
    """A holder of a folder never waits for another later in its list."""
    days = frames(days=2, each=2, cells=100)
    archives = [write(tmp_path, days, f"{letter}.tar") for letter in "ab"]

    with ThreadPoolExecutor(2) as pool:
        reports = list(
            pool.map(
                lambda order: extract(order, folder=tmp_path / "data", workers=1, progress=False),
                [archives, archives[::-1]],
                timeout=DEADLINE,
            )
        )

    assert sorted(outcome.state for report in reports for outcome in report.outcomes) == 2 * ["done"] + 2 * [
        "kept"
    ]


# --- disks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk") as place:
        yield place


def test_a_disk_that_is_too_small_is_refused(archive: Path, disk: Path) -> None:
    """The error is raised before the first byte is written."""
    with pytest.raises(DiskFull, match=r"cannot unpack the archives: 4\.\d MB are needed"):
        extract(archive, folder=disk, progress=False)

    assert list(disk.iterdir()) == []


def test_a_full_disk_keeps_only_whole_frames(disk: Path, tmp_path: Path) -> None:
    """If the disk fills up within a frame, the days before are kept, and so is the archive."""
    days = frames(days=2, each=1, cells=265)
    lying = [packed(data[:-512]) + packed(data[-512:]) for data in (tar_of(day.items()) for day in days)]
    path = tmp_path / f"{MONTH}.tar"
    path.write_bytes(month(*lying))  # their last four bytes state a small size

    with pytest.raises(DiskFull, match=r"the disk is full while writing .*: free some space or choose"):
        extract(path, folder=disk, workers=1, keep_archives=False, progress=False)

    assert lying_in(disk / MONTH) == days[0]
    assert [entry.name for entry in disk.iterdir()] == [MONTH]
    assert path.exists()


def test_an_index_without_space_is_stored_elsewhere(disk: Path) -> None:
    """If the archive's disk is full, the index is stored in the cache folder, and nothing half-written stays."""
    path = write(disk, frames(days=1, each=2, cells=100))
    fill(disk)

    assert read_paths.found(path) == 2
    assert load_index(path) is not None
    assert sorted(entry.name for entry in disk.iterdir()) == [path.name, "other"]


def test_a_read_only_disk_is_read(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are read from a read-only disk, without storing an index; extracting there raises."""
    path = write(disk, frames(days=1, each=2, cells=100))
    monkeypatch.setenv("RADAR_NB_CACHE", str(disk / "cache"))
    forbid_writing(disk)

    with pytest.raises(NotWritable, match=r"no permission to write .*: choose another folder"):
        extract(path, progress=False)

    assert read_paths.found(path) == 2
    assert [entry.name for entry in disk.iterdir()] == [path.name]


@pytest.mark.parametrize("day", [0, 1, 2])
def test_a_folder_that_vanishes_raises(
    archive: Path, tmp_path: Path, expected: dict[str, bytes], day: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the folder is removed at any day, missing frames are not reported as there; the next run has them all."""
    target = tmp_path / MONTH

    def losing(part: Part) -> Iterator[Member]:
        for number, member in enumerate(walk(part)):
            yield member
            if part.name.endswith(f"0{day + 1}.tar.gz") and number == 3:
                shutil.rmtree(target)

    with monkeypatch.context() as patched:
        patched.setattr(sys.modules[extract.__module__], "walk", losing)
        with pytest.raises(StorageError, match=rf"{MONTH}.*(cannot be written|including .*: extract again)"):
            extract(archive, folder=tmp_path, workers=1, progress=False)

    extract(archive, folder=tmp_path, progress=False)
    assert lying_in(target) == expected


def test_an_archive_that_vanishes_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the archive is removed, the error is one of the disk."""
    path = write(tmp_path, frames(days=2, each=2, cells=10))

    def losing(part: Part) -> Iterator[Member]:
        path.unlink(missing_ok=True)
        yield from walk(part)

    monkeypatch.setattr(sys.modules[extract.__module__], "walk", losing)

    with pytest.raises(StorageError, match=r"202006\.tar is gone"):
        extract(path, progress=False)


# --- clocks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", [-(10**18), 0, 4 * 10**18], ids=["1938", "1970", "2096"])
def test_a_time_of_change_of_any_century_works(tmp_path: Path, when: int) -> None:
    """An index is valid for any time of change, and a change of the time invalidates it."""
    path = write(tmp_path, frames(days=1, each=2, cells=10))
    os.utime(path, ns=(when, when))
    read_paths.found(path)

    assert load_index(path) is not None

    os.utime(path, ns=(when, when + 1_000_000_000))
    assert load_index(path) is None


def large(minute: int, seed: int) -> tuple[str, bytes]:
    """Return a frame of a grid of DWD's, and its name."""
    return name(minute), frame(minute, seed=seed, rows=900, cols=900)


def changed_unseen(path: Path, *new: tuple[str, bytes]) -> None:
    """Index an archive of two frames, and replace them under its old size and time."""
    for items in ((large(20, 1), large(25, 2)), new):
        path.write_bytes(tar_of(items))
        os.utime(path, ns=(10**18, 10**18))
        if items is not new:
            rn.open_dataset(path, progress=False).close()


def test_values_changed_under_an_old_time_are_the_new_ones(tmp_path: Path) -> None:
    """The index has places, not values: they are read from the archive."""
    path, truth = tmp_path / "a.tar", tmp_path / "truth.tar"
    changed_unseen(path, large(20, 3), large(25, 4))
    shutil.copy(path, truth)

    values = rn.open_dataset(path, progress=False).YW

    assert np.array_equal(values, rn.open_dataset(truth, progress=False).YW, equal_nan=True)


@pytest.mark.parametrize(
    "new", [(large(30, 1), large(35, 2)), (large(25, 2), large(20, 1))], ids=["times", "order"]
)
def test_frames_changed_under_an_old_time_raise(tmp_path: Path, new: tuple[tuple[str, bytes], ...]) -> None:
    """Each header is compared with the index, so that no frame is returned for another."""
    path = tmp_path / "a.tar"
    changed_unseen(path, *new)

    with pytest.raises(RadarNbError, match=r"a\.tar > .* has changed since it was opened"):
        rn.open_dataset(path, progress=False).YW.load()
