"""What a cube knows of each day: which frames are there, from which archives, and how much of them is data.

Each shard carries its own record, in the note before its index, so that a day and what is known of it are one
object, there whole or not at all. The ledger is a copy of all records in the user's cache folder, so that a cube
is opened without a look at each of its days; where it is old, damaged or not there, the shards are asked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.cube.shards import REMEDY
from radar_nb.errors import DamagedShard, StorageError
from radar_nb.runtime.files import replacing
from radar_nb.runtime.settings import cache_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_MAGIC = b"radar_nb ledger 1\n"
_WORD = 4  # bytes of a checksum
ABSENT = -1
"""Valid cells of a frame that is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """An archive that frames of a day came from.

    Attributes
    ----------
    name : str
    identity : str
        Its ETag on the server, where a note beside it tells it; otherwise its size and time of change. When it
        differs, the archive has been issued anew.
    size : int
        Bytes.
    days : int
        How many days it holds frames of.
    """

    name: str
    identity: str
    size: int
    days: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DayRecord:
    """What is known of a day.

    Attributes
    ----------
    day : int
        Days since 1970-01-01.
    origins : tuple of Origin
    of_step : ndarray of int16, shape (steps,)
        For each step the number of its archive; -1 where there is no frame.
    valid : ndarray of int32, shape (steps,)
        Cells with data in each frame; -1 where there is no frame.
    shifts : dict of int to int
        Seconds by which the stamps of some steps differ from the cube's axis: some hours of RW end at minute 45.
    radars : tuple of str
        Those that the frames' headers name.
    doubled : tuple of str
        Frames that came twice, and which was taken.
    version : str
        Of radar_nb, that wrote it.
    """

    day: int
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
        """Give it as a shard's note."""
        fields = {
            "day": str(np.datetime64(self.day, "D")),
            "origins": [[origin.name, origin.identity, origin.size, origin.days] for origin in self.origins],
            "of_step": _text(self.of_step.astype("<i2")),
            "valid": _text(self.valid.astype("<i4")),
            "shifts": {str(step): seconds for step, seconds in self.shifts.items()},
            "radars": self.radars,
            "doubled": self.doubled,
            "version": self.version,
        }
        return zlib.compress(json.dumps(fields, sort_keys=True).encode(), 1)

    @classmethod
    def of(cls, note: bytes, *, name: str) -> DayRecord:
        """Read a shard's note.

        Raises
        ------
        DamagedShard
            It is none.
        """
        try:
            fields = json.loads(zlib.decompress(note))
            return cls(
                day=int(np.datetime64(fields["day"], "D").astype(np.int64)),
                origins=tuple(Origin(name=n, identity=i, size=s, days=d) for n, i, s, d in fields["origins"]),
                of_step=np.frombuffer(base64.b64decode(fields["of_step"]), "<i2"),
                valid=np.frombuffer(base64.b64decode(fields["valid"]), "<i4"),
                shifts={int(step): int(seconds) for step, seconds in fields["shifts"].items()},
                radars=tuple(fields["radars"]),
                doubled=tuple(fields["doubled"]),
                version=str(fields["version"]),
            )
        except (zlib.error, ValueError, LookupError, TypeError, AttributeError) as error:
            raise DamagedShard(f"{name} does not tell what it holds ({error}): {REMEDY}") from error


def _text(array: NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A day in a cube.

    Attributes
    ----------
    record : DayRecord
    stamp : str
        Of its shard in the store.
    size : int
        Bytes of its shard.
    """

    record: DayRecord
    stamp: str
    size: int


def write_ledger(identity: str | None, entries: Mapping[str, Entry]) -> None:
    """Keep the records of a store's shards, by their keys; where that cannot be, nothing is kept."""
    if identity is None:
        return
    notes = [entry.record.note() for entry in entries.values()]
    lines = [
        [key, entry.stamp, entry.size, len(note)]
        for (key, entry), note in zip(entries.items(), notes, strict=True)
    ]
    head = json.dumps([identity, lines]).encode()
    body = b"".join((_MAGIC, len(head).to_bytes(_WORD, "little"), head, *notes))
    path = _path(identity)
    with suppress(StorageError, OSError), replacing(path, durable=False) as file:
        file.write(body + zlib.crc32(body).to_bytes(_WORD, "little"))


def read_ledger(identity: str | None) -> dict[str, Entry]:
    """Give the records of a store's shards that were kept; none where there are none, or damaged ones."""
    if identity is None:
        return {}
    try:
        data = _path(identity).read_bytes()
    except OSError:
        return {}
    if not data.startswith(_MAGIC) or zlib.crc32(data[:-_WORD]) != int.from_bytes(data[-_WORD:], "little"):
        return {}
    start = len(_MAGIC) + _WORD
    at = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    name, lines = json.loads(data[start:at])
    found = {}
    for key, stamp, size, length in lines if name == identity else ():
        found[key] = Entry(record=DayRecord.of(data[at : at + length], name=key), stamp=stamp, size=size)
        at += length
    return found


def _path(identity: str) -> Path:
    key = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return cache_folder() / f"{key}.ledger"
