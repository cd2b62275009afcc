"""The files of an unfinished download: a part and its note, and how they become the file.

Nothing here asks a server. The caller holds the claim on the file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from radar_nb.fetch.responses import validator
from radar_nb.formats.archives import Part, verify_part
from radar_nb.formats.streams import Blob, Reopened
from radar_nb.runtime.files import (
    Sidecar,
    part_path,
    read_sidecar,
    sidecar_path,
    storage_errors,
    temporary_path,
    write_sidecar,
)
from radar_nb.runtime.report import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from radar_nb.errors import RadarNbError
    from radar_nb.runtime.report import State


@dataclass(slots=True, kw_only=True, eq=False)
class Item:
    """One file of a call: what to do, and its progress.

    Attributes
    ----------
    url : str
    path : pathlib.Path
        Where the file is stored.
    expected : int
        Bytes, as planned until the server states the size.
    state : str
        As in an outcome.
    again : bool
        Whether an existing complete file is requested again.
    whole : Sidecar or None
        The note of a complete file that may be outdated.
    already, done, moved : int
        Bytes left by an earlier call, bytes of the part now, and bytes received in this call.
    attempts : int
    seconds : float
    error : RadarNbError or None
    notes : list of str
    """

    url: str
    path: Path
    expected: int
    state: State = "waiting"
    again: bool = False
    whole: Sidecar | None = None
    already: int = 0
    done: int = 0
    moved: int = 0
    attempts: int = 0
    seconds: float = 0.0
    error: RadarNbError | None = None
    notes: list[str] = field(default_factory=list)

    def outcome(self) -> Outcome:
        """Return its state so far as an outcome."""
        return Outcome(
            name=self.path.name,
            state=self.state,
            path=self.path if self.state in {"done", "resumed", "kept"} else None,
            bytes=self.moved,
            already=self.already,
            seconds=self.seconds,
            retries=max(0, self.attempts - 1),
            error=self.error,
            notes=tuple(self.notes),
        )


def begun(item: Item) -> tuple[Sidecar | None, int]:
    """Return the note and the size of a part that can be continued, or None and 0."""
    part = part_path(item.path)
    note = read_sidecar(part)
    if note is None:
        return None, 0
    size = part.stat().st_size if part.is_file() else 0
    if note.url != item.url or validator(note) is None or size > (note.size or size):
        return None, 0
    return note, size


def discard(item: Item) -> None:
    """Remove a part and its note."""
    part = part_path(item.path)
    with storage_errors(part):
        sidecar_path(part).unlink(missing_ok=True)
        part.unlink(missing_ok=True)


def mend(item: Item) -> None:
    """Repair what a crash has left beside a claimed file; the remaining lock file reveals the crash."""
    part = part_path(item.path)
    with storage_errors(part):
        for path in (item.path, part):
            temporary_path(sidecar_path(path)).unlink(missing_ok=True)
        if sidecar_path(part).exists() and not part.exists():  # a part is written before its note
            note = read_sidecar(part)
            if note is not None and item.path.is_file() and item.path.stat().st_size == note.size:
                sidecar_path(part).replace(sidecar_path(item.path))  # the file was renamed, but its note was not
            else:
                sidecar_path(part).unlink()


def store(item: Item, data: bytes, note: Sidecar, sound: Callable[[int], None] | None) -> None:
    """Verify a small file in memory (unless `sound` is None) and write it.

    Raises
    ------
    NotAnArchive, ArchiveError, FrameError
        It is damaged; nothing is written.
    DiskFull, NotWritable, StorageError
        Writing failed.
    """
    part = part_path(item.path)
    if sound is not None:
        blob = Blob(name=str(item.path), data=data)
        part_of = Part(archive=blob, name=item.path.name, offset=0, size=len(data))
        verify_part(part_of, Reopened(blob, 0), sound)
    with storage_errors(part):
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        write_sidecar(part, replace(note, size=len(data)))
        _rename(item)


def give_name(item: Item) -> None:
    """Force a complete part to the disk; rename it and then its note to the names of a complete file."""
    part = part_path(item.path)
    note = read_sidecar(part) or Sidecar(url=item.url)
    with storage_errors(part):
        with part.open("rb+") as file:
            size = os.fstat(file.fileno()).st_size
            os.fsync(file.fileno())
        if note.size != size:  # the server stated no size or another one
            write_sidecar(part, replace(note, size=size))
        _rename(item)


def _rename(item: Item) -> None:
    part = part_path(item.path)
    part.replace(item.path)
    sidecar_path(part).replace(sidecar_path(item.path))
