"""Extraction of a month of 5-minute frames: radar_nb and the usual way, `tarfile` and then eight `tar -xzf`.

    python benchmarks/extraction.py [--archive YW2017.002_202006.tar] [--quick]

Each run has its own process, which measures its peak memory; the ways take turns, so that other work on the
machine slows all of them alike. Times are medians, without the start of Python. POSIX only (`tar`, `resource`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from peak_memory import peak_memory

if TYPE_CHECKING:
    from collections.abc import Callable

ARCHIVE = (
    Path(__file__).resolve().parents[2]
    / "shared/real/mirror/climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
    / "YW2017.002_202006.tar"
)
NOTES = (
    "Memory is of the largest process; CPU s are of all processes, with the start of Python.",
    "The last row of a disk is the limit that it sets.",
)
MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - a disk that costs nothing, to see the work alone


def usual(archive: Path, folder: Path) -> None:
    """Unpack the month with tarfile, then its days with tar, eight at a time, and remove the days."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")

    async def unpack(day: Path, free: asyncio.Semaphore) -> None:
        async with free:
            process = await asyncio.create_subprocess_exec("tar", "-xzf", str(day), "-C", str(folder))
            if await process.wait():
                raise SystemExit(f"tar could not unpack {day}")

    async def unpack_all() -> None:
        free = asyncio.Semaphore(8)
        await asyncio.gather(*(unpack(day, free) for day in days))

    days = sorted(folder.glob("*.tar.gz"))
    asyncio.run(unpack_all())
    for day in days:
        day.unlink()


def ours(archive: Path, folder: Path) -> None:
    from radar_nb.formats.extraction import extract  # noqa: PLC0415 - only the process that measures it pays for it

    extract(archive, folder=folder, progress=False)


def ours_alone(archive: Path, folder: Path) -> None:
    from radar_nb.formats.extraction import extract  # noqa: PLC0415 - only the process that measures it pays for it

    extract(archive, folder=folder, workers=1, progress=False)


def walk(archive: Path, folder: Path) -> None:  # noqa: ARG001 - one signature for all
    from radar_nb.formats.archives import check_frame, parts, walk  # noqa: PLC0415 - only the process that measures it pays for it

    for part in parts(archive):
        for member in walk(part):
            check_frame(member)


def write(archive: Path, folder: Path) -> None:
    """Write a frame 288 times a day from one buffer, a day a thread: what the disk alone takes."""
    from radar_nb.formats.archives import parts, walk  # noqa: PLC0415 - only the process that measures it pays for it

    days = parts(archive)
    frame = bytes(next(walk(days[0])).data)

    def write_day(day: int) -> None:
        for number in range(288):
            (folder / f"{day}-{number}").write_bytes(frame)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write_day, range(len(days))))


WAYS: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "usual": ("tarfile, then tar -xzf, 8 at a time", usual),
    "ours": ("radar_nb.extract", ours),
    "ours_alone": ("radar_nb.extract, one thread", ours_alone),
    "walk": ("read and verify only, one thread", walk),
    "write": ("write as many bytes only, two threads", write),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What one run took: seconds on the wall and of all processors, and bytes of memory at the peak."""

    seconds: float
    cpu: float
    peak: int


def run_one(way: str, archive: Path, folder: Path) -> None:
    """Do it once in this process, and print what it took."""
    began = perf_counter()
    WAYS[way][1](archive, folder)
    seconds = perf_counter() - began
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    cpu = sum(used.ru_utime + used.ru_stime for used in usage)
    of_tar = usage[1].ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    peak = max(round(peak_memory() * 1e6), of_tar)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak}))


def measure(way: str, archive: Path, disk: Path) -> Run:
    """Return what one run takes in a process of its own."""
    with tempfile.TemporaryDirectory(dir=disk, prefix="radar_nb-bench-") as folder:
        command = [sys.executable, __file__, "--archive", str(archive), "--one", way, folder]
        return Run(**json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--archive", type=Path, default=ARCHIVE)
    parser.add_argument(
        "--disk", type=Path, default=Path(tempfile.gettempdir()), help="a folder on the disk to write to"
    )
    parser.add_argument("--quick", action="store_true", help="once instead of five times, in memory only")
    parser.add_argument("--one", nargs=2, metavar=("WAY", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options.one[0], options.archive, Path(options.one[1]))
        return
    from radar_nb.formats.archives import parts, walk  # noqa: PLC0415 - not in the processes that are measured
    from radar_nb.runtime.table import Table  # noqa: PLC0415 - the same
    from radar_nb.runtime.wording import human_bytes  # noqa: PLC0415 - the same

    raw = sum(len(member.data) for part in parts(options.archive) for member in walk(part))
    disks = [MEMORY_DISK] if MEMORY_DISK.is_dir() else []
    if not options.quick or not disks:
        disks.append(options.disk)
    rows = []
    for disk in disks:
        runs: dict[str, list[Run]] = {way: [] for way in WAYS}
        for _ in range(1 if options.quick else 5):
            for way, taken in runs.items():
                taken.append(measure(way, options.archive, disk))
        seconds = {way: median(run.seconds for run in taken) for way, taken in runs.items()}
        rows += [
            (
                str(disk),
                WAYS[way][0],
                f"{seconds[way]:.2f}",
                f"{median(run.cpu for run in taken):.2f}",
                f"{raw / seconds[way] / 1e9:.2f}",
                f"{seconds['usual'] / seconds[way]:.1f}",
                human_bytes(max(run.peak for run in taken)),
            )
            for way, taken in runs.items()
        ]
    packed = human_bytes(options.archive.stat().st_size)
    title = f"{options.archive.name}: {packed} packed, {human_bytes(raw)} of frames"
    columns = ("disk", "way", "seconds", "CPU s", "GB/s", "times as fast", "peak memory")
    print(Table(title=title, columns=columns, rows=tuple(rows), notes=NOTES))


if __name__ == "__main__":
    main()
