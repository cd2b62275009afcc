"""What a cube records about each day: its frames, their archives, and how many cells hold data.

Each shard contains its own record in the note before its index, so a day and its record are one object that exists
completely or not at all. The user's cache folder holds copies of all records, so that opening a cube does not read
each of its days; outdated, damaged or missing copies are replaced from the shards.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import stat
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.cube.shards import remedy
from radar_nb.cube.stores import StoredFile
from radar_nb.errors import DamagedShard, StorageError
from radar_nb.runtime.files import replacing
from radar_nb.runtime.settings import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = b"radar_nb ledger 3\n"
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
            "of_step": base64.b64encode(self.of_step.astype("<i2").tobytes()).decode(),
            "valid": base64.b64encode(self.valid.astype("<i4").tobytes()).decode(),
        }
        return _packed(fields | self.rest())

    def rest(self) -> dict[str, Any]:
        """Return the other fields of the note, which many days have in common."""
        return {
            "cube": self.cube,
            "origins": [[origin.name, origin.identity, origin.size, origin.days] for origin in self.origins],
            "shifts": {str(step): seconds for step, seconds in self.shifts.items()},
            "radars": self.radars,
            "doubled": self.doubled,
            "version": self.version,
        }

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
            of_step = np.frombuffer(base64.b64decode(fields["of_step"]), "<i2")
            valid = np.frombuffer(base64.b64decode(fields["valid"]), "<i4")
            record = cls(day=_day(fields), of_step=of_step, valid=valid, **_rest(fields))
        except UNREADABLE as error:
            raise DamagedShard(f"{name} has no valid record of its day ({error}): {remedy(name)}") from error
        if (
            of_step.size != valid.size
            or not _consistent(of_step[None], valid[None], np.array([len(record.origins)])).all()
            or not _known_steps(record.shifts, valid.size)
        ):
            raise DamagedShard(f"{name} has a record of its day that contradicts itself: {remedy(name)}")
        return record


def _rest(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a record that many days have in common, from the fields of its note."""
    return {
        "cube": str(fields.get("cube", "")),
        "origins": tuple(
            Origin(name=str(name), identity=str(identity), size=int(size), days=int(days))
            for name, identity, size, days in fields["origins"]
        ),
        "shifts": {int(step): int(seconds) for step, seconds in fields["shifts"].items()},
        "radars": tuple(map(str, fields["radars"])),
        "doubled": tuple(map(str, fields["doubled"])),
        "version": str(fields["version"]),
    }


def _consistent(
    of_step: NDArray[np.int16], valid: NDArray[np.int32], archives: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which records agree with themselves: a frame has an archive of the day, a missing one has none.

    Parameters
    ----------
    of_step, valid : ndarray, shape (records, steps)
    archives : ndarray, shape (records,)
        Number of each record's archives.
    """
    known: NDArray[np.bool_] = ((of_step >= 0) == (valid != ABSENT)).all(axis=1)
    known &= (of_step.max(axis=1, initial=-1) < archives) & (valid.min(axis=1, initial=0) >= ABSENT)
    return known


def _known_steps(shifts: dict[int, int], steps: int) -> bool:
    """Return whether shifts are of steps of the day, and shorter than a day."""
    return set(shifts) <= set(range(steps)) and max(map(abs, shifts.values()), default=0) < _DAY


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
        raise DamagedShard(f"{name} has no valid note of its day ({error}): {remedy(name)}") from error


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
    """Write copies of the records of a store's days, of one cube; a failure to write is ignored."""
    found = list(days)
    if identity is None or not found:
        return
    rests: dict[str, int] = {}
    numbers = [rests.setdefault(json.dumps(day.record.rest()), len(rests)) for day in found]
    steps = found[0].record.valid.size
    rows = [[*day.file, day.record.day, number] for day, number in zip(found, numbers, strict=True)]
    head = json.dumps([identity, steps, rows, [json.loads(rest) for rest in rests]]).encode()
    arrays = (
        np.stack([day.record.of_step for day in found]).astype("<i2"),
        np.stack([day.record.valid for day in found]).astype("<i4"),
    )
    body = b"".join((_MAGIC, len(head).to_bytes(_WORD, "little"), head, *(array.tobytes() for array in arrays)))
    with suppress(StorageError, OSError), replacing(_path(identity), durable=False) as file:
        file.write(body)
        file.write(zlib.crc32(body).to_bytes(_WORD, "little"))


def load_records(identity: str | None) -> dict[str, StoredDay]:
    """Return the copies of the records of a store's days by key; empty if absent or damaged.

    They are checked as the records of shards are, all at once.
    """
    if identity is None:
        return {}
    try:
        status = _path(identity).stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _COPIES_LIMIT:
            return {}
        data = _path(identity).read_bytes()
    except OSError:
        return {}
    body = memoryview(data)[:-_WORD]
    if not data.startswith(_MAGIC) or zlib.crc32(body) != int.from_bytes(data[-_WORD:], "little"):
        return {}
    try:
        return _parse_copies(body, identity)
    except UNREADABLE:
        return {}


def _parse_copies(body: memoryview, identity: str) -> dict[str, StoredDay]:
    """Return copies of records by key; empty if they are of another store, or contradict themselves."""
    start = len(_MAGIC) + _WORD
    at = start + int.from_bytes(body[len(_MAGIC) : start], "little")
    name, steps, rows, fields = json.loads(bytes(body[start:at]))
    rests = [_rest(rest) for rest in fields]
    shape = (len(rows), int(steps))
    of_step = np.frombuffer(body, "<i2", math.prod(shape), at).reshape(shape)
    valid = np.frombuffer(body, "<i4", math.prod(shape), at + of_step.nbytes).reshape(shape)
    archives = np.array([len(rests[row[-1]]["origins"]) for row in rows], np.int64)
    if (
        name != identity
        or at + of_step.nbytes + valid.nbytes != len(body)
        or not _consistent(of_step, valid, archives).all()
        or not all(_known_steps(rest["shifts"], shape[1]) for rest in rests)
    ):
        return {}
    return {
        str(key): StoredDay(
            record=DayRecord(day=int(day), of_step=archive, valid=cells, **rests[number]),
            file=StoredFile(str(key), str(stamp), int(size)),
        )
        for (key, stamp, size, day, number), archive, cells in zip(rows, of_step, valid, strict=True)
    }


def _path(identity: str) -> Path:
    key = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return cache_folder() / f"{key}.ledger"
