"""The contents of the data folder, by plan and by month."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.dwd.months import Month, month_range
from radar_nb.dwd.products import product
from radar_nb.errors import StorageError
from radar_nb.fetch.local_state import look, month_states
from radar_nb.fetch.planning import plan

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.dwd.catalogue import Plan
    from radar_nb.fetch.local_state import MonthState

NOW = datetime(2026, 11, 23, tzinfo=UTC)
YEAR = "climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"


def states(folder: Path, name: str = "YW", year: int = 2020, family: str = "") -> dict[int, MonthState]:
    """Return the states of a year's months that are not only on the server."""
    chosen = product(name)
    families = [chosen.family(family)] if family else chosen.families
    months = month_range(f"{year}-01", f"{year}-12")
    found = month_states(chosen, families, months, folder=folder, now=NOW)
    assert list(found) == list(months)
    return {month.month: state for month, state in found.items() if state != "server"}


def lay(path: Path, content: bytes = b"whole", *, stated: int | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if stated is not None:
        note = path.with_name(f"{path.name}.meta.json")
        note.write_text(json.dumps({"url": "x", "size": stated, "etag": '"e"'}), encoding="utf-8")


@pytest.fixture
def year(tmp_path: Path) -> Path:
    return tmp_path / YEAR


def archive(month: int) -> str:
    return f"YW2017.002_2020{month:02d}.tar"


def test_a_missing_folder_is_empty(tmp_path: Path) -> None:
    """A folder that does not exist is empty."""
    assert states(tmp_path / "none") == {}


def test_each_month_has_the_state_of_its_archive(tmp_path: Path, year: Path) -> None:
    """A month is begun, downloaded, extracted with or without its archive, or broken."""
    lay(year / f"{archive(1)}.part", b"beg")
    lay(year / archive(2))
    lay(year / archive(3), stated=5)
    lay(year / archive(4), stated=6)
    lay(year / archive(5))
    for month in (5, 6):
        (year / archive(month).removesuffix(".tar")).mkdir()

    assert states(tmp_path) == {
        1: "begun",
        2: "downloaded",
        3: "downloaded",
        4: "broken",
        5: "extracted",
        6: "extracted",
    }


def test_a_broken_archive_with_frames_is_extracted(tmp_path: Path, year: Path) -> None:
    """A month with readable frames is not reported as broken."""
    lay(year / archive(4), stated=6)
    (year / archive(4).removesuffix(".tar")).mkdir()

    assert states(tmp_path) == {4: "extracted"}


def test_foreign_names_are_ignored(tmp_path: Path, year: Path) -> None:
    """Other files, other products and folders in place of files are ignored."""
    lay(year / "notes.txt")
    lay(year / "RW2017.002_202002.tar")
    lay(year / "YW2017.002_209902.tar")
    (year / archive(7)).mkdir()

    assert states(tmp_path) == {}


def test_some_days_of_a_month_are_a_part(tmp_path: Path) -> None:
    """For one file per day, a month is complete when all its days are."""
    recent = tmp_path / "climate_environment/CDC/grids_germany/5_minutes/radolan/recent"
    for day in range(1, 32):
        lay(recent / f"YW-2601{day:02d}.tar.gz")
    lay(recent / "YW-260203.tar.gz")

    found = states(tmp_path, year=2026, family="radolan")

    assert (found[1], found[2], found[12]) == ("downloaded", "begun", "unpublished")


def test_months_outside_the_families_are_unpublished(tmp_path: Path) -> None:
    """Months before the series begins, and after now, are unpublished."""
    assert states(tmp_path, "SF", 2006) == dict.fromkeys(range(1, 10), "unpublished")
    assert states(tmp_path, year=2026) == {12: "unpublished"}


def test_an_unreadable_folder_raises(tmp_path: Path) -> None:
    """A name that no disk accepts raises an error of radar_nb."""
    with pytest.raises(StorageError, match=r"cannot be read .* choose another folder"):
        states(tmp_path / ("x" * 300))


@pytest.fixture
def three(tmp_path: Path) -> Plan:
    return plan("YW", "2020-06", "2020-08", folder=tmp_path)


def test_a_plan_is_examined_file_by_file(three: Plan) -> None:
    """The result has complete files, begun files with their bytes, and the rest to fetch."""
    whole, begun, broken = three.paths
    lay(whole, b"12345")
    part = begun.with_name(f"{begun.name}.part")
    lay(part, bytes(300))
    note = {"url": three.url(three.archives[1]), "size": 1000, "etag": '"e"'}
    part.with_name(f"{part.name}.meta.json").write_text(json.dumps(note), encoding="utf-8")
    lay(broken, b"cut", stated=99)

    state = look(three)

    assert [found.name for found in state.whole] == [whole.name]
    assert (state.bytes_whole, state.begun, state.bytes_begun, state.broken) == (5, 1, 300, 1)
    assert state.bytes_to_fetch == 700 + three.archives[2].expected


def test_a_part_without_a_note_is_fetched_again(three: Plan) -> None:
    """A part without a note that identifies its file is not counted."""
    lay(three.paths[0].with_name(f"{three.paths[0].name}.part"), bytes(300))

    state = look(three)

    assert (state.begun, state.bytes_to_fetch) == (0, three.bytes)


@given(present=st.sets(st.integers(1, 12)))
def test_months_on_disk_are_found(present: set[int], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any combination of a year's months is found as it was stored."""
    folder = tmp_path_factory.mktemp("data")
    for month in present:
        lay(folder / YEAR / archive(month))

    assert states(folder) == dict.fromkeys(sorted(present), "downloaded")


def test_months_are_compared_as_months(tmp_path: Path) -> None:
    """The keys are months, in order."""
    months = month_range("2020-11", "2021-02")

    found = month_states(product("YW"), product("YW").families, months, folder=tmp_path, now=NOW)

    assert list(found) == [Month(2020, 11), Month(2020, 12), Month(2021, 1), Month(2021, 2)]
