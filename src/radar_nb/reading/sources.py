"""Find the frames of a source (files, folders, archives, a glob, a report)."""

from __future__ import annotations

import glob
import os
import re
import zlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import compress, islice
from operator import not_
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import xarray as xr

from radar_nb.dwd.archive_names import is_dwd_name
from radar_nb.errors import (
    ArchiveError,
    CorruptArchive,
    CubeError,
    FrameError,
    HeaderError,
    NotAnArchive,
    NothingFound,
    RadarNbError,
    SettingsError,
    StorageError,
    TruncatedArchive,
    TruncatedFrame,
    UnsafeMember,
)
from radar_nb.formats.archives import Part, check_frame, parts, walk
from radar_nb.formats.index import (
    Frames,
    Index,
    PartScan,
    Problem,
    archive_stamp,
    is_index,
    load_index,
    make_index,
    misfiled,
    save_index,
    scan_part,
)
from radar_nb.formats.names import hold_against_name
from radar_nb.formats.netcdf import is_radklim_name
from radar_nb.formats.radolan import HEADER_LIMIT, parse_header
from radar_nb.formats.streams import Blob, foreign, sniff
from radar_nb.runtime.files import PART, SIDECAR, frames_folder, user_path
from radar_nb.runtime.progress import Progress, reporting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from radar_nb.runtime.progress import Reporter


_ZARR = "zarr.json"  # in the folder of a cube, as in any Zarr group
_RESULTS = (PART, SIDECAR, ".nc")
"""Endings of files that radar_nb itself creates beside archives: parts, notes, results. RADKLIM's netCDF files,
whose names are DWD's, are not results."""
_FILES = (".tar", ".gz", ".tgz", ".bz2", ".zip", ".hdf5", ".h5", ".nc", "-bin", ".html", ".htm")
"""Endings of addresses that are not cubes."""
_HEAD = 512  # bytes that identify a file

_LOOKED_AT = 20  # members of an archive in a folder, before it counts as none of DWD's

_LISTED = 20
"""Maximum number of problems that an error lists."""

File = Path | Blob | Problem
"""Where frames may be: a file, bytes in memory, or a problem."""

_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")  # RFC 3986, 3.1; one letter alone is a drive of Windows


def find_frames(
    source: Any, *, errors: Literal["raise", "report"], progress: bool | Reporter
) -> tuple[Frames, tuple[Problem, ...]]:
    """Return every frame of a source, and the skipped files of its folders.

    Parameters
    ----------
    source
        See `find_files`.
    errors : {"raise", "report"}
        Whether unreadable files and members raise an error that lists them, or become problems of the frames.
    progress : bool or Reporter

    Raises
    ------
    NothingFound
        The source holds no frame.
    RadarNbError
        See `find_files`, `scan` and `raise_problems`.
    """
    frames = scan(find_files(source), progress=progress)
    foreign = [problem.error == NothingFound.__name__ for problem in frames.problems]
    skipped = tuple(compress(frames.problems, foreign))
    frames = replace(frames, problems=tuple(compress(frames.problems, map(not_, foreign))))
    if errors == "raise":
        raise_problems(frames.problems)
    if not len(frames.rows):
        found = "".join(f"\n  {problem.text}" for problem in (*skipped, *frames.problems)[:_LISTED])
        raise NothingFound(
            f"there is no RADOLAN frame in {source!s}: name archives, frames or their folder{found}"
        )
    return frames, skipped


def find_files(source: Any) -> tuple[File, ...]:
    """Return the files of a source.

    Parameters
    ----------
    source : path, str, bytes, file object, Report, Plan, or an iterable of these
        A file, a folder (searched recursively), or a glob such as `"data/**/*.tar"`. An object with `paths` (a
        report, a plan) represents these. Bytes and file objects are an archive or a frame in memory.

    Returns
    -------
    tuple of Path, Blob or Problem
        In the source's order; within a folder or glob sorted by path. Files in folders without a name of DWD's
        that do not begin like frames or archives become problems of the class `NothingFound`. Unfinished
        downloads, notes, hidden files, netCDF files, cubes, and folders of frames beside their archive are
        ignored.

    Raises
    ------
    NothingFound
        A path does not exist, or there are no files.
    CubeError
        A path is a cube.
    SettingsError
        The source is an address, or not a data source.
    """
    files = tuple(_files(source))
    if not files:
        raise NothingFound(f"there is no file in {source!s}: download some months first, or name another folder")
    return files


def is_cube(source: Any) -> bool:
    """Return whether this is the folder of a cube, or an address that does not name a file of archives or frames.

    Nothing is asked of the address's server: whether there is a cube is seen when it is opened.
    """
    if isinstance(source, str) and (found := _ADDRESS.match(source)):
        name = source.rstrip("/").rpartition("/")[2]
        return found[1].lower() != "ftp" and not (is_dwd_name(name) or name.lower().endswith(_FILES))
    return isinstance(source, str | os.PathLike) and (user_path(source) / _ZARR).is_file()


def _files(source: Any) -> Iterator[File]:
    if hasattr(source, "paths"):
        source = source.paths
    if isinstance(source, Blob | Problem):
        yield source
    elif hasattr(source, "read"):
        yield Blob(str(getattr(source, "name", "the file object")), source.read())
    elif isinstance(source, bytes | bytearray | memoryview):
        yield Blob("the bytes", bytes(source))
    elif isinstance(source, xr.Dataset | xr.DataArray):
        raise SettingsError(
            f"a {type(source).__name__} is open already, and this call reads files: pass the archives, a folder, "
            "or what plan or download returns"
        )
    elif isinstance(source, str) and (address := _ADDRESS.match(source)):
        kind = "a web address" if address[1].lower() in {"http", "https", "ftp"} else "in object storage"
        raise SettingsError(
            f"{source} is {kind}, and archives and frames are read from disk: download them first (radar_nb.plan, "
            "radar_nb.download); if it is a cube, pass radar_nb.open_cube(...) of this address"
        )
    elif isinstance(source, str | os.PathLike):
        yield from _at(user_path(source))
    elif isinstance(source, Iterable):
        for item in source:
            yield from _files(item)
    else:
        raise SettingsError(
            f"{source!r} is not a data source: pass a path, several paths, a plan or report, bytes, or a file "
            "object"
        )


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except RadarNbError:
        raise
    except OSError as error:
        raise StorageError(f"{path} cannot be read ({error.strerror}): check its name and permissions") from error


def _at(path: Path) -> Iterator[File]:
    with _reading(path):
        if path.is_dir():
            if is_cube(path):
                raise CubeError(
                    f"{path} is a cube, or another Zarr store: name archives or frames, or open it with open_cube"
                )
            yield from _walk_folder(path)
        elif path.is_file():
            yield from () if is_index(path) else (path,)
        elif path.exists():  # a pipe or a device, where reading may block forever
            raise NothingFound(f"{path} is neither a file nor a folder: pass one that is")
        elif glob.has_magic(str(path)):
            for name in sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 - the pattern may be absolute
                yield from _at(Path(name)) if not Path(name).is_dir() else ()
        else:
            raise NothingFound(f"{path} does not exist: check the path, or download it first")


def _walk_folder(folder: Path) -> Iterator[File]:
    with os.scandir(folder) as found:
        entries = sorted((entry for entry in found if not entry.name.startswith(".")), key=lambda one: one.name)
    folders = [folder / entry.name for entry in entries if entry.is_dir()]
    names = [entry.name for entry in entries if entry.is_file() and _is_input(entry.name)]
    extracted = {frames_folder(folder / name) for name in names} if folders else set()
    for inner in folders:
        if inner not in extracted and not is_cube(inner):
            yield from _walk_folder(inner)
    root = os.path.join(folder, "")  # noqa: PTH118 - a folder may hold 100,000 photographs
    for name in names:
        file = root + name
        reason = None if is_dwd_name(name) else _no_frames(file)
        yield Path(file) if reason is None else Problem(NothingFound.__name__, f"{file} was skipped: {reason}")


def _is_input(name: str) -> bool:
    return not name.endswith(_RESULTS) or is_radklim_name(name)


def _no_frames(path: str) -> str | None:
    """Return why a file holds no frame, by its head or its first members; None if it may hold some."""
    number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    try:
        head = os.read(number, _HEAD)
    finally:
        os.close(number)
    kind = sniff(head)
    if kind in {"html", "empty", "unknown"}:
        return f"it is {foreign(head) or 'neither a RADOLAN frame nor an archive'}"
    reason, file = None, Path(path)
    if kind == "frame" or load_index(file) is not None:
        return None
    try:
        for member in islice(walk(parts(file)[0]), _LOOKED_AT):
            if member.kind == "frame":
                return None
            try:
                check_frame(member)
            except HeaderError as error:
                reason = reason or f"it holds no frame ({error})"
            else:
                return None
    except (ArchiveError, FrameError, NotAnArchive) as error:
        damaged = isinstance(error, CorruptArchive | TruncatedArchive | TruncatedFrame)
        return None if damaged else f"it holds no frame ({error})"
    return reason


def scan(files: Sequence[File], *, progress: bool | Reporter = True) -> Frames:
    """Return every frame, from the archives' indexes, or by reading and verifying archives without one.

    Parameters
    ----------
    files : sequence of Path, Blob or Problem
        Frames, archives of any nesting, or both; problems are passed through.
    progress : bool or Reporter
        Task "read", in files and days of archives that have to be read.

    Returns
    -------
    Frames
        In the files' order. Unreadable files and members are in `problems`.

    Raises
    ------
    StorageError
        The disk failed, or a file was removed.
    """
    opened = [file if isinstance(file, Problem) else _opened(file) for file in files]
    todo = [part for item in opened if isinstance(item, _Unread) for part in item.parts]
    indexes, problems, done = [], [], 0
    with reporting(progress) as report, _cancelling() as pool:
        scans = pool.map(scan_part, todo)
        for item in opened:
            if isinstance(item, Problem):
                problems.append(item)
                continue
            if isinstance(item, Index):
                index = item
            else:
                found = []
                for _ in item.parts:
                    found.append(next(scans))
                    done += 1
                    report(Progress(task="read", done=done, total=len(todo), unit="files"))
                index = item.index(found)
            if (wrong := misfiled(index)) is not None:
                problems.append(wrong)
            else:
                indexes.append(index)
    return Frames.of(indexes, problems)


@contextmanager
def _cancelling() -> Iterator[ThreadPoolExecutor]:
    """Yield threads; on an error or cancellation, pending work is dropped."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unread:
    """An archive without an index."""

    archive: Path | Blob
    parts: tuple[Part, ...]
    stamp: tuple[int, int]

    def index(self, scans: Sequence[PartScan]) -> Index:
        made = make_index(self.archive, self.parts, scans, stamp=self.stamp)
        if isinstance(self.archive, Path) and len(made.rows) + len(made.problems) > 1:
            # a file of one frame opens as fast as its index would
            save_index(made, self.archive)
        return made


def _opened(file: Path | Blob) -> Index | _Unread | Problem:
    """Return a file's index, or its parts if it must be read."""
    try:
        if isinstance(file, Blob):
            return _Unread(archive=file, parts=parts(file), stamp=(0, 0))
        with _reading(file):
            if (index := load_index(file)) is not None:
                return index
            stamp = archive_stamp(file)
            with file.open("rb") as opened:
                head = opened.read(HEADER_LIMIT)
        if sniff(head) == "frame":
            return _plain(file, head, stamp)
        return _Unread(archive=file, parts=parts(file), stamp=stamp)
    except (ArchiveError, FrameError, NotAnArchive) as error:
        return Problem(type(error).__name__, str(error))


def _plain(file: Path, head: bytes, stamp: tuple[int, int]) -> Index:
    """Index a frame in its own file, by its header and its size."""
    header = parse_header(head, name=str(file))
    size = stamp[0]
    if size != header.size:
        raise TruncatedFrame(
            f"{file} has {size:,} bytes where its header says {header.size:,}: fetch or extract it again"
        )
    scan = PartScan([], [], [], [])
    hold_against_name(header, name=file.name, place=str(file))
    scan.add(header, name=file.name, where=(0, size, 0), hashed=zlib.crc32(head[: header.length]))
    whole = Part(archive=file, name=file.name, offset=0, size=size)
    return make_index(file, [whole], [scan], stamp=stamp)


def raise_problems(problems: Sequence[Problem]) -> None:
    """Raise one error that lists all problems, unsafe members first.

    Raises
    ------
    RadarNbError
        Of the first problem's class.
    """
    if not problems:
        return
    if len(problems) == 1:
        raise problems[0].exception()
    ordered = sorted(problems, key=lambda problem: problem.error != UnsafeMember.__name__)
    lines = "\n".join(f"  {problem.text}" for problem in ordered[:_LISTED])
    more = f"\n  and {len(ordered) - _LISTED:,} more" if len(ordered) > _LISTED else ""
    text = f'{len(ordered):,} files or members are wrong (errors="report" opens the rest):\n{lines}{more}'
    raise Problem(ordered[0].error, text).exception()
