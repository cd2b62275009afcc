"""Every path by which an archive is read, in one process that records cost and touched files."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import radar_nb as rn
from radar_nb.errors import RadarNbError
from radar_nb.formats.archives import Part, check_frame, parts, verify_part, walk
from radar_nb.formats.streams import Reopened
from radar_nb.reading.sources import find_files, raise_problems, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from radar_nb.formats.archives import Member

_PEAK = 1024 if sys.platform == "linux" else 1  # getrusage(2): kilobytes on Linux, bytes on macOS


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The result of reading one archive by every path.

    Attributes
    ----------
    fates : dict
        By name of the path: the error and its message, or what was read.
    seconds : dict
        By name of the path: seconds of processor time.
    megabytes : int
        By how much it raised the process's peak memory.
    touched : tuple of str
        What changed outside the target folders.
    left : tuple of str
        Files in the folder of frames.
    """

    fates: dict[str, tuple[str, str]]
    seconds: dict[str, float]
    megabytes: int
    touched: tuple[str, ...]
    left: tuple[str, ...]


def extracted(archive: Path, folder: Path) -> str:
    """Extract an archive and return its state in the report."""
    return rn.extract(archive, folder=folder, progress=False).outcomes[0].state


def _extract(archive: Path) -> object:
    return extracted(archive, archive.parent / "frames")


def _open(archive: Path) -> object:
    return len(rn.open_dataset(archive, chunks=None).time)


def found(source: Path) -> int:
    """Return the number of frames in an archive or a folder of archives.

    Raises
    ------
    RadarNbError
        Something is wrong with it.
    """
    frames = scan(find_files(source), progress=False)
    raise_problems(frames.problems)
    return len(frames.rows)


def members_of(part: Part) -> Iterator[Member]:
    """Yield the members of a part; raise for a refused HDF5 file, which only its content shows."""
    for member in walk(part):
        if member.kind == "hdf5":
            check_frame(member)
        yield member


def _walk(archive: Path) -> object:
    return [(member.name, len(member.data)) for part in parts(archive) for member in members_of(part)]


def _verify(archive: Path) -> object:
    verify_part(Part(archive=archive, name=archive.name, offset=0, size=-1), Reopened(archive, 0))
    return "sound"


READ_PATHS: Mapping[str, Callable[[Path], object]] = {
    "extract": _extract,
    "open": _open,
    "scan": found,
    "walk": _walk,
    "verify": _verify,
}


def tried(sandbox: Path, archives: Mapping[str, Path]) -> dict[str, Trial]:
    """Read archives by every path; the working folder is a home with files that must stay untouched."""
    home, target = sandbox / "home", sandbox / "target"
    for place in (home, home / "a", target):
        place.mkdir(parents=True)
    for name in ("x", "a/x", "passwd"):
        (home / name).write_bytes(b"untouched")
    os.chdir(home)
    became = {}
    for kind, archive in archives.items():
        for folder in target.iterdir():
            shutil.rmtree(folder)
        (target / "one").mkdir()
        became[kind] = _trial(sandbox, shutil.copyfile(archive, target / "one" / "archive.tar.gz"))
    return became


def _trial(sandbox: Path, archive: Path) -> Trial:
    before, most = _watched(sandbox), _most_memory()
    fates, seconds = {}, {}
    for name, read in READ_PATHS.items():
        began = time.process_time()
        try:
            fates[name] = ("read", str(read(archive)))
        except RadarNbError as error:
            fates[name] = (type(error).__name__, str(error))
        seconds[name] = time.process_time() - began
    frames = archive.parent / "frames" / "archive"
    return Trial(
        fates=fates,
        seconds=seconds,
        megabytes=_most_memory() - most,
        touched=tuple(sorted(dict(before.items() ^ _watched(sandbox).items()))),
        left=tuple(sorted(path.relative_to(frames).as_posix() for path in frames.rglob("*"))),
    )


def _watched(sandbox: Path) -> dict[str, tuple[bytes, int]]:
    """Return names, bytes and modification times of all files except the frames and the archive's index."""
    own = (sandbox / "target" / "one" / "frames", sandbox / "target" / "one" / ".archive_tar_gz.index")
    return {
        path.relative_to(sandbox).as_posix(): (
            path.read_bytes() if path.is_file() else b"",
            0 if path == sandbox / "target" / "one" else path.lstat().st_mtime_ns,
        )
        for path in sandbox.rglob("*")
        if not any(path.is_relative_to(place) for place in own)
    }


def _most_memory() -> int:
    """Return the peak memory of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK >> 20
