"""Cached copies of day records: they are trusted only as long as they match the shards."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.cube.day_records import DayRecord, Origin, StoredDay, load_records, save_records
from radar_nb.cube.stores import StoredFile
from radar_nb.errors import DamagedShard
from radar_nb.runtime.settings import cache_folder

if TYPE_CHECKING:
    from pathlib import Path


def record(steps: int = 24, **changes: Any) -> DayRecord:
    """Return a record of a day with two missing hours."""
    valid = np.full(steps, 700_000, np.int32)
    valid[[3, 7]] = -1
    fields: dict[str, Any] = {
        "day": 18_000,
        "cube": "RW de900 0123456789abcdef",
        "origins": (Origin(name="a.tar", identity='"etag"', size=7, days=30),),
        "of_step": np.where(valid < 0, -1, 0).astype(np.int16),
        "valid": valid,
        "shifts": {5: -300},
        "radars": ("boo", "ros"),
        "doubled": ("twice",),
        "version": "1.0",
    }
    return DayRecord(**(fields | changes))


def same(one: DayRecord, other: DayRecord) -> bool:
    """Return whether two records are equal."""
    return one.note() == other.note()


def stored(day: int) -> StoredDay:
    """Return a stored day."""
    return StoredDay(record=record(day=day), file=StoredFile(f"RW/c.{day}.0.0", f"s{day}", day))


def only() -> Path:
    """Return the only file of the cache."""
    (path,) = cache_folder().iterdir()
    return path


@given(
    st.lists(st.tuples(st.text(), st.text(), st.integers(0, 10**12), st.integers(1, 31)), min_size=1, max_size=3),
    st.dictionaries(st.integers(0, 23), st.integers(-600, 600)),
    st.lists(st.text()),
)
def test_notes_restore_records(origins: Any, shifts: Any, doubled: Any) -> None:
    """A note restores a record with any names of archives."""
    made = tuple(Origin(name=n, identity=i, size=s, days=d) for n, i, s, d in origins)
    before = record(origins=made, shifts=shifts, doubled=tuple(doubled))

    after = DayRecord.of(before.note(), name="shard")

    assert same(after, before)
    assert after.origins == before.origins
    np.testing.assert_array_equal(after.there, before.there)


@pytest.mark.parametrize(
    "note", [b"", b"no zlib", record().note()[:-9], b"x\x9cK\xcf\xcfO\x01\x00\x04\xb9\x01\xd8"]
)
def test_invalid_notes_are_damage(note: bytes) -> None:
    """The error names the shard and the remedy."""
    with pytest.raises(DamagedShard, match=r"shard has no valid record of its day.*repair"):
        DayRecord.of(note, name="shard")


def test_stored_copies_are_restored() -> None:
    """Copies are found by the store's name; another store has none."""
    days = [stored(day) for day in range(5)]

    save_records("/data/RW", days)

    found = load_records("/data/RW")
    assert list(found) == [day.file.key for day in days]
    assert [copy.file for copy in found.values()] == [day.file for day in days]
    assert all(same(copy.record, day.record) for copy, day in zip(found.values(), days, strict=True))
    assert load_records("/data/YW") == {}


def test_a_store_without_identity_has_no_copies() -> None:
    """Records of stores in memory are not cached, so two are never confused."""
    save_records(None, [stored(1)])

    assert load_records(None) == {}
    assert not cache_folder().exists()


@pytest.mark.parametrize("at", [0, 20, 60, -1])
def test_damaged_copies_are_ignored(at: int) -> None:
    """The shards are read instead."""
    save_records("/data/RW", [stored(1)])
    data = bytearray(only().read_bytes())
    data[at] ^= 1
    only().write_bytes(data)

    assert load_records("/data/RW") == {}


@pytest.mark.parametrize(
    ("array", "step", "value"),
    [("of_step", 3, 0), ("of_step", 4, -1), ("of_step", 4, 1), ("valid", 3, 5), ("valid", 4, -2)],
    ids=["an archive of a missing frame", "no archive", "an unknown archive", "no frame", "less than none"],
)
def test_copies_that_contradict_themselves_are_ignored(array: str, step: int, value: int) -> None:
    """One forged number in the copy of one day, under a right checksum, makes all copies count as absent."""
    days = [stored(day) for day in range(3)]
    forged = getattr(days[1].record, array).copy()
    forged[step] = value

    save_records("/data/RW", [days[0], replace(days[1], record=record(day=1, **{array: forged})), days[2]])

    assert load_records("/data/RW") == {}


def test_shifts_of_unknown_steps_make_copies_ignored() -> None:
    """The shift of a step that no day has, or one of more than a day, contradicts the record."""
    for shifts in ({24: -300}, {3: 100_000}):
        save_records("/data/RW", [replace(stored(1), record=record(day=1, shifts=shifts))])

        assert load_records("/data/RW") == {}


def test_an_unwritable_cache_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the cache cannot be written, nothing is stored and no call fails."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("RADAR_NB_CACHE", str(tmp_path / "file" / "cache"))

    save_records("/data/RW", [stored(1)])

    assert load_records("/data/RW") == {}
