"""Laws of ledgers: a copy of what the shards say, that is believed only as long as it is right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.cube.day_records import DayRecord, Entry, Origin, read_ledger, write_ledger
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


def only() -> Path:
    """Give the one file of the cache."""
    (path,) = cache_folder().iterdir()
    return path


@given(
    st.lists(st.tuples(st.text(), st.text(), st.integers(0, 10**12), st.integers(1, 31)), max_size=3),
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
    with pytest.raises(DamagedShard, match=r"shard does not tell what it holds.*repair"):
        DayRecord.of(note, name="shard")


def test_a_ledger_gives_back_what_was_kept() -> None:
    """By the store's name; another store's is not given."""
    entries = {f"RW/c.{day}.0.0": Entry(record=record(day=day), stamp=f"s{day}", size=day) for day in range(5)}

    write_ledger("/data/RW", entries)

    found = read_ledger("/data/RW")
    assert list(found) == list(entries)
    assert all(same(found[key].record, entries[key].record) for key in entries)
    assert [(entry.stamp, entry.size) for entry in found.values()] == [(f"s{day}", day) for day in range(5)]
    assert read_ledger("/data/YW") == {}


def test_what_has_no_name_has_no_ledger() -> None:
    """Two stores in memory are not taken for one."""
    write_ledger(None, {})

    assert read_ledger(None) == {}
    assert not cache_folder().exists()


@pytest.mark.parametrize("at", [0, 20, 60, -1])
def test_a_damaged_ledger_is_none(at: int) -> None:
    """The shards are asked instead."""
    write_ledger("/data/RW", {"RW/c.1.0.0": Entry(record=record(), stamp="s", size=1)})
    data = bytearray(only().read_bytes())
    data[at] ^= 1
    only().write_bytes(data)

    assert read_ledger("/data/RW") == {}


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept, and nothing fails."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("RADAR_NB_CACHE", str(tmp_path / "file" / "cache"))

    write_ledger("/data/RW", {})

    assert read_ledger("/data/RW") == {}
