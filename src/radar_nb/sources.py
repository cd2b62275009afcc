"""From what a user calls a source (files, folders, archives, a glob, a report) to frames in the order of time."""

from __future__ import annotations

import glob
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from radar_nb.archives import Part, check, parts, sniff, walk
from radar_nb.errors import (
    ArchiveError,
    FrameError,
    NotAnArchive,
    NothingFound,
    RadarNbError,
    SeriesError,
    TruncatedFrame,
)
from radar_nb.frames import HEADER_LIMIT, Header, parse_header
from radar_nb.odim import read_composite
from radar_nb.progress import Progress, reporting
from radar_nb.workspace import PART, SIDECAR, frames_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from radar_nb.progress import Reporter


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One frame and where it lies.

    Attributes
    ----------
    part : Part
        The file, or the piece of an archive that can be read on its own.
    position : int
        The frame's place among the frames of the part.
    name : str
        For messages: the file's name, and the member's where it is in an archive.
    header : Header
    """

    part: Part
    position: int
    name: str
    header: Header


def find_files(source: Any) -> tuple[Path, ...]:
    """Give the files of a source.

    Parameters
    ----------
    source : path, str, Report, Plan, or an iterable of these
        A file, a folder (searched through), or a glob such as `"data/**/*.tar"`. What has `paths` (a report, a
        plan) stands for these.

    Returns
    -------
    tuple of pathlib.Path
        In the source's order; within a folder or glob sorted by path. Unfinished downloads, notes and hidden files
        are left out; so are folders of frames beside the archive that they were extracted from, since the archive
        has them all.

    Raises
    ------
    NothingFound
        A path does not exist, or there is no file at all.
    """
    files = tuple(_files(source))
    if not files:
        raise NothingFound(f"there is no file in {source!s}: download some months first, or name another folder")
    return files


def _files(source: Any) -> Iterator[Path]:
    if hasattr(source, "paths"):
        source = source.paths
    if not isinstance(source, str | os.PathLike):
        for item in source:
            yield from _files(item)
        return
    path = Path(source).expanduser()
    if path.is_dir():
        yield from _walk_folder(path)
    elif path.exists():
        yield path
    elif glob.has_magic(str(path)):
        for name in sorted(glob.glob(str(path), recursive=True)):  # noqa: PTH207 - the pattern may be absolute
            yield from _files(name) if not Path(name).is_dir() else ()
    else:
        raise NothingFound(f"{path} does not exist: check the path, or download it first")


def _walk_folder(folder: Path) -> Iterator[Path]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files = [entry for entry in entries if entry.is_file() and not entry.name.endswith((PART, SIDECAR))]
    extracted = {frames_folder(file) for file in files}
    for entry in entries:
        if entry.is_dir() and entry not in extracted:
            yield from _walk_folder(entry)
    yield from files


def scan(files: Sequence[Path], *, progress: bool | Reporter = True) -> tuple[Frame, ...]:
    """Read every frame's header, and verify every archive on the way.

    Parameters
    ----------
    files : sequence of pathlib.Path
        Frames, archives of any nesting, or both.
    progress : bool or Reporter
        Task "read", in files and days of archives.

    Returns
    -------
    tuple of Frame
        In the files' order.

    Raises
    ------
    ArchiveError, FrameError
        Some cannot be read; the message names all of them.
    NothingFound
        There is no frame in any of the files.
    """
    frames: list[Frame] = []
    problems: list[RadarNbError] = []
    with reporting(progress) as report, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        pieces = [piece for pieces in pool.map(_pieces, files) for piece in pieces]
        for done, found in enumerate(pool.map(_frames, pieces), start=1):
            for item in found:
                if isinstance(item, Frame):
                    frames.append(item)
                else:
                    problems.append(item)
            report(Progress(task="read", done=done, total=len(pieces), unit="files"))
    if problems:
        _raise(problems)
    if not frames:
        raise NothingFound(f"there is no RADOLAN frame in {files[0]}{' and the other files' * (len(files) > 1)}")
    return tuple(frames)


def _raise(problems: Sequence[RadarNbError]) -> None:
    if len(problems) == 1:
        raise problems[0]
    lines = "\n".join(f"  {problem}" for problem in problems)
    raise type(problems[0])(f"{len(problems)} files or members cannot be read:\n{lines}") from problems[0]


def _pieces(path: Path) -> list[Part | Frame | RadarNbError]:
    """Give a file's parts, to be read side by side; the frame itself where the file is one."""
    try:
        with path.open("rb") as file:
            head, size = file.read(HEADER_LIMIT), os.fstat(file.fileno()).st_size
        if sniff(head) == "frame":  # a plain file: its header and its size tell all
            header = parse_header(head, name=str(path))
            if size != header.size:
                raise TruncatedFrame(
                    f"{path} has {size:,} bytes where its header says {header.size:,}: fetch or extract it again"
                )
            return [Frame(part=parts(path)[0], position=0, name=str(path), header=header)]
        return list(parts(path))
    except (ArchiveError, FrameError, NotAnArchive) as error:
        return [error]


def _frames(piece: Part | Frame | RadarNbError) -> list[Frame | RadarNbError]:
    if not isinstance(piece, Part):
        return [piece]
    found: list[Frame | RadarNbError] = []
    try:
        for member in walk(piece):
            try:
                header = check(member) or read_composite(bytes(member.data), name=member.place)[0]
            except FrameError as error:  # the members behind it may be whole
                found.append(error)
            else:
                found.append(Frame(part=piece, position=member.position, name=member.place, header=header))
    except ArchiveError as error:
        found.append(error)
    return found


def one_series(frames: Iterable[Frame]) -> tuple[Frame, ...]:
    """Check that frames are of one product, grid, unit and lead time.

    Raises
    ------
    SeriesError
        They are not; the message names two that differ.
    """
    frames = tuple(frames)
    first = frames[0]
    for frame in frames:
        if _kind(frame.header) != _kind(first.header):
            raise SeriesError(
                f"the frames are no one series: {first.name} is {_describe(first.header)}, "
                f"{frame.name} is {_describe(frame.header)}. Open them one by one, or choose with variables="
            )
    return frames


def _kind(header: Header) -> tuple[Any, ...]:
    earth = header.version >= 5
    return header.product, header.rows, header.cols, header.precision, header.interval, header.lead, earth


def _describe(header: Header) -> str:
    lead = "" if header.lead is None else f", forecast of {header.lead} min"
    return (
        f"{header.product} on {header.rows} x {header.cols} cells in steps of 1e{header.precision}, "
        f"{header.interval} min{lead}, format {header.version}"
    )
