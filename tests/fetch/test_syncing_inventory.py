"""The inventory of the data folder: it finds every file of the requested months, and nothing else."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from radar_nb.dwd.archive_names import Era
from radar_nb.dwd.catalogue import archives_of, folders_to_list, make_plan
from radar_nb.dwd.listings import ListedFile
from radar_nb.dwd.months import month_range
from radar_nb.dwd.products import product
from radar_nb.errors import StorageError
from radar_nb.fetch.syncing import inventory
from radar_nb.runtime.files import local_path, part_path, sidecar_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from radar_nb.fetch.syncing import SyncFinding

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
RW = product("RW")
RADOLAN = RW.family("radolan")
RECENT = "climate_environment/CDC/grids_germany/hourly/radolan/recent/bin"
HISTORICAL = "climate_environment/CDC/grids_germany/hourly/radolan/historical/bin/2025"
FRAME = "raa01-rw_10000-2506010050-dwd---bin.gz"
MONTH = "RW202506.tar.gz"


def entries(names: Iterable[str], size: int = 5) -> dict[str, ListedFile]:
    return {name: ListedFile(name=name, size=size, modified=None) for name in names}


def found(folder: Path, listed: dict[str, dict[str, ListedFile]]) -> tuple[SyncFinding, ...]:
    months = month_range("2025-06")
    listings = dict.fromkeys(folders_to_list(RW, RADOLAN, months, complete=True)) | listed
    plan = make_plan(RW, RADOLAN, months, base_url="http://x", folder=folder, listings=listings, now=NOW)
    findings, _ = inventory(plan, listings, NOW)
    return findings


def lay(folder: Path, path: str, body: bytes = b"12345") -> Path:
    place = local_path(folder, path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(body)
    return place


def test_only_files_with_the_products_names_are_found(tmp_path: Path) -> None:
    """Notes, parts, indexes, folders and the user's own files are ignored."""
    lay(tmp_path, f"{RECENT}/{FRAME}")
    for name in (
        "notes.txt",
        f".{FRAME}.lock",
        f"{FRAME}.meta.json.tmp",
        f"{FRAME}~",
        "raa01-rw_10000-2506010050.gz",
    ):
        lay(tmp_path, f"{RECENT}/{name}")
    local_path(tmp_path, f"{RECENT}/raa01-rw_10000-2506010150-dwd---bin.gz").mkdir()

    assert [(finding.archive.name, finding.standing) for finding in found(tmp_path, {})] == [(FRAME, "unlisted")]


def test_companions_of_a_file_are_found(tmp_path: Path) -> None:
    """A complete file, a part and a note are recognised; an unreadable note is ignored."""
    place = lay(tmp_path, f"{RECENT}/{FRAME}")
    part_path(place).write_bytes(b"12")
    sidecar_path(place).write_bytes(b"{")

    (finding,) = found(tmp_path, {RECENT: entries([FRAME])})

    assert (finding.local.size, finding.local.part, finding.local.note) == (5, 2, None)
    assert finding.standing == "same"


def test_a_listed_but_not_preferred_file_is_not_gone(tmp_path: Path) -> None:
    """Frames that the server still lists in addition to their month's archive are not reported."""
    lay(tmp_path, f"{RECENT}/{FRAME}")

    findings = found(tmp_path, {RECENT: entries([FRAME]), HISTORICAL: entries([MONTH])})

    assert [(finding.archive.name, finding.standing) for finding in findings] == [(MONTH, "new")]


def test_archives_of_returns_every_file_of_a_month() -> None:
    """A plan has only the month's archive; `archives_of` also returns the frames."""
    listings = {RECENT: entries([FRAME, "x"]), HISTORICAL: entries([MONTH])}
    months = month_range("2025-06")

    plan = make_plan(RW, RADOLAN, months, base_url="http://x", folder=None, listings=listings, now=NOW)  # type: ignore[arg-type]

    assert [archive.name for archive in plan.archives] == [MONTH]
    assert {archive.name for archive in archives_of(RW, RADOLAN, months, listings)} == {MONTH, FRAME}


def test_an_unreadable_folder_raises(tmp_path: Path) -> None:
    """A file in place of a folder is not an empty folder: the message names it."""
    lay(tmp_path, RECENT)

    with pytest.raises(StorageError, match="bin cannot be read"):
        found(tmp_path, {})


def test_each_name_of_the_largest_folder_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """25,920 names over six months are each read once for the plan and once for the folder, not once a month."""
    calls = itertools.count()
    time_of = Era.time_of
    monkeypatch.setattr(Era, "time_of", lambda era, name: (next(calls), time_of(era, name))[1])
    begin = datetime(2025, 1, 1, 0, 50, tzinfo=UTC)
    stamps = (begin + number * timedelta(minutes=10) for number in range(25_920))
    listed = {RECENT: entries(f"raa01-rw_10000-{stamp:%y%m%d%H%M}-dwd---bin.gz" for stamp in stamps)}
    months = month_range("2025-01", "2025-06")
    listings = dict.fromkeys(folders_to_list(RW, RADOLAN, months, complete=True)) | listed

    plan = make_plan(RW, RADOLAN, months, base_url="http://x", folder=tmp_path, listings=listings, now=NOW)
    findings, _ = inventory(plan, listings, NOW)

    assert len(findings) == 25_920 // 6
    assert next(calls) <= 3 * 25_920
