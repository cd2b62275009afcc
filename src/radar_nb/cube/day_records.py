"""What a cube records about each day: its frames, their archives, and how many cells hold data.

Each shard contains its own record in the note before its index, so a day and its record are one object that exists
completely or not at all. The user's cache folder holds copies of all records, so that opening a cube does not read
each of its days; outdated, damaged or missing copies are replaced from the shards.
"""

from __future__ import annotations

import base64
import hashlib
import json
import stat
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.cube.shards import REMEDY
from radar_nb.cube.stores import StoredFile
from radar_nb.errors import DamagedShard, StorageError
from radar_nb.runtime.files import replacing
from radar_nb.runtime.settings import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = b"radar_nb ledger 2\n"
_WORD = 4  # bytes of a checksum
_NOTE_LIMIT = 4 << 20
"""Maximum bytes of an inflated note; real ones have some kilobytes."""
_COPIES_LIMIT = 256 << 20
"""Maximum bytes of the copies of one cube's records; 40 years have some 20 MB."""

_DAY = 86400  # seconds: no stamp is shifted by more

ABSENT = -1
"""Valid cells of a missing frame."""

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError, MemoryError)
"""What parsing forged or damaged JSON and Base64 can raise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """An archive that frames of a day came from.

    Attributes
    ----------
    name : str
    identity : str
        The server's ETag if the note beside the file has one; otherwise size and time of change. It differs when
        the archive has been re-issued.
    size : int
        Bytes.
    days : int
        Number of days of which it holds frames.
    """

    name: str
    identity: str
    size: int
    days: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayRecord:
    """The record of one day.

    Attributes
    ----------
    day : int
        Days since 1970-01-01.
    cube : str
        The fingerprint of the cube that it was written for (`Cube.fingerprint`); "" in records of older versions.
    origins : tuple of Origin
    of_step : ndarray of int16, shape (steps,)
        The number of each step's archive; -1 if the frame is missing.
    valid : ndarray of int32, shape (steps,)
        Cells with data in each frame; -1 if the frame is missing.
    shifts : dict of int to int
        Seconds by which the stamps of some steps differ from the cube's time axis: some hours of RW end at minute
        45.
    radars : tuple of str
        Radars named in the frames' headers.
    doubled : tuple of str
        Frames that occurred twice, and which one was used.
    version : str
        Of the radar_nb that wrote the record.
    """

    day: int
    cube: str
    origins: tuple[Origin, ...]
    of_step: NDArray[np.int16]
    valid: NDArray[np.int32]
    shifts: dict[int, int]
    radars: tuple[str, ...]
    doubled: tuple[str, ...]
    version: str

    @property
    def there(self) -> NDArray[np.bool_]:
        """Which steps have a frame, shape (steps,)."""
        there: NDArray[np.bool_] = self.valid != ABSENT
        return there

    def note(self) -> bytes:
        """Return the record as the note of a shard."""
        fields = {
            "day": str(np.datetime64(self.day, "D")),
            "cube": self.cube,
            "origins": [[origin.name, origin.identity, origin.size, origin.days] for origin in self.origins],
            "of_step": base64.b64encode(self.of_step.astype("<i2").tobytes()).decode(),
            "valid": base64.b64encode(self.valid.astype("<i4").tobytes()).decode(),
            "shifts": {str(step): seconds for step, seconds in self.shifts.items()},
            "radars": self.radars,
            "doubled": self.doubled,
            "version": self.version,
        }
        return _packed(fields)

    @classmethod
    def of(cls, note: bytes, *, name: str) -> DayRecord:
        """Parse the note of a shard.

        Raises
        ------
        DamagedShard
            The note is not a record of a day.
        """
        try:
            fields = _unpacked(note)
            record = cls(
                day=_day(fields),
                cube=str(fields.get("cube", "")),
                origins=tuple(
                    Origin(name=str(name), identity=str(identity), size=int(size), days=int(days))
                    for name, identity, size, days in fields["origins"]
                ),
                of_step=np.frombuffer(base64.b64decode(fields["of_step"]), "<i2"),
                valid=np.frombuffer(base64.b64decode(fields["valid"]), "<i4"),
                shifts={int(step): int(seconds) for step, seconds in fields["shifts"].items()},
                radars=tuple(map(str, fields["radars"])),
                doubled=tuple(map(str, fields["doubled"])),
                version=str(fields["version"]),
            )
        except UNREADABLE as error:
            raise DamagedShard(f"{name} has no valid record of its day ({error}): {REMEDY}") from error
        steps = record.valid.size
        if (
            record.of_step.size != steps
            or ((record.of_step < 0) == record.there).any()
            or record.of_step.max(initial=-1) >= len(record.origins)
            or record.valid.min(initial=0) < ABSENT
            or not set(record.shifts) <= set(range(steps))
            or max(map(abs, record.shifts.values()), default=0) >= _DAY
        ):
            raise DamagedShard(f"{name} has a record of its day that contradicts itself: {REMEDY}")
        return record


def flags_note(day: int, cube: str) -> bytes:
    """Return the note of a day's flags: day and cube, as in the record of its codes."""
    return _packed({"day": str(np.datetime64(day, "D")), "cube": cube})


def parse_flags_note(note: bytes, *, name: str) -> tuple[int, str] | None:
    """Return day and cube of a day's flags, or None if an older version wrote them without a note.

    Raises
    ------
    DamagedShard
        The note is not valid.
    """
    if not note:
        return None
    try:
        fields = _unpacked(note)
        return _day(fields), str(fields["cube"])
    except UNREADABLE as error:
        raise DamagedShard(f"{name} has no valid note of its day ({error}): {REMEDY}") from error


def _day(fields: dict[str, Any]) -> int:
    return int(np.datetime64(fields["day"], "D").astype(np.int64))


def _packed(fields: dict[str, Any]) -> bytes:
    return zlib.compress(json.dumps(fields, sort_keys=True).encode(), 1)


def _unpacked(note: bytes) -> dict[str, Any]:
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(note, _NOTE_LIMIT)
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflater.eof:
        raise ValueError("it is cut short or inflates without end")
    fields: dict[str, Any] = json.loads(data)
    return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDay:
    """A day in a cube.

    Attributes
    ----------
    record : DayRecord
    file : StoredFile
        Its shard of codes.
    """

    record: DayRecord
    file: StoredFile


def save_records(identity: str | None, days: Iterable[StoredDay]) -> None:
    """Write copies of the records of a store's days; a failure to write is ignored."""
    if identity is None:
        return
    found = [(day.file, day.record.note()) for day in days]
    head = json.dumps([identity, [[*file, len(note)] for file, note in found]]).encode()
    body = b"".join((_MAGIC, len(head).to_bytes(_WORD, "little"), head, *(note for _, note in found)))
    with suppress(StorageError, OSError), replacing(_path(identity), durable=False) as file:
        file.write(body + zlib.crc32(body).to_bytes(_WORD, "little"))


def load_records(identity: str | None) -> dict[str, StoredDay]:
    """Return the copies of the records of a store's days by key; empty if absent or damaged."""
    if identity is None:
        return {}
    try:
        status = _path(identity).stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _COPIES_LIMIT:
            return {}
        data = _path(identity).read_bytes()
    except OSError:
        return {}
    if not data.startswith(_MAGIC) or zlib.crc32(data[:-_WORD]) != int.from_bytes(data[-_WORD:], "little"):
        return {}
    start = len(_MAGIC) + _WORD
    at = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    found = {}
    try:
        name, lines = json.loads(data[start:at])
        for key, stamp, size, length in lines if name == identity else ():
            record = DayRecord.of(data[at : at + length], name=key)
            found[key] = StoredDay(record=record, file=StoredFile(str(key), str(stamp), int(size)))
            at += length
    except UNREADABLE:
        return {}
    return found


def _path(identity: str) -> Path:
    key = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return cache_folder() / f"{key}.ledger"
