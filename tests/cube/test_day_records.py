"""Laws of ledgers: a copy of what the shards say, that is believed only as long as it is right."""

from __future__ import annotations

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
    """Give a record of a day of which two hours are missing."""
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
    """Tell whether two records say the same."""
    return one.note() == other.note()


def stored(day: int) -> StoredDay:
    """Return a stored day."""
    return StoredDay(record=record(day=day), file=StoredFile(f"RW/c.{day}.0.0", f"s{day}", day))


def only() -> Path:
    """Give the one file of the cache."""
    (path,) = cache_folder().iterdir()
    return path


@given(
    st.lists(st.tuples(st.text(), st.text(), st.integers(0, 10**12), st.integers(1, 31)), min_size=1, max_size=3),
    st.dictionaries(st.integers(0, 23), st.integers(-600, 600)),
    st.lists(st.text()),
)
def test_notes_give_records_back(origins: Any, shifts: Any, doubled: Any) -> None:
    """Whatever names archives have."""
    made = tuple(Origin(name=n, identity=i, size=s, days=d) for n, i, s, d in origins)
    before = record(origins=made, shifts=shifts, doubled=tuple(doubled))

    after = DayRecord.of(before.note(), name="shard")

    assert same(after, before)
    assert after.origins == before.origins
    np.testing.assert_array_equal(after.there, before.there)


@pytest.mark.parametrize(
    "note", [b"", b"no zlib", record().note()[:-9], b"x\x9cK\xcf\xcfO\x01\x00\x04\xb9\x01\xd8"]
)
def test_notes_that_are_none_are_damage(note: bytes) -> None:
    """The shard is named, and what to do."""
    with pytest.raises(DamagedShard, match=r"shard has no valid record of its day.*repair"):
        DayRecord.of(note, name="shard")


def test_a_ledger_gives_back_what_was_kept() -> None:
    """By the store's name; another store's is not given."""
    days = [stored(day) for day in range(5)]

    save_records("/data/RW", days)

    found = load_records("/data/RW")
    assert list(found) == [day.file.key for day in days]
    assert [copy.file for copy in found.values()] == [day.file for day in days]
    assert all(same(copy.record, day.record) for copy, day in zip(found.values(), days, strict=True))
    assert load_records("/data/YW") == {}


def test_what_has_no_name_has_no_ledger() -> None:
    """Two stores in memory are not taken for one."""
    save_records(None, [stored(1)])

    assert load_records(None) == {}
    assert not cache_folder().exists()


@pytest.mark.parametrize("at", [0, 20, 60, -1])
def test_a_damaged_ledger_is_none(at: int) -> None:
    """The shards are asked instead."""
    save_records("/data/RW", [stored(1)])
    data = bytearray(only().read_bytes())
    data[at] ^= 1
    only().write_bytes(data)

    assert load_records("/data/RW") == {}


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept, and nothing fails."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("RADAR_NB_CACHE", str(tmp_path / "file" / "cache"))

    save_records("/data/RW", [stored(1)])

    assert load_records("/data/RW") == {}
