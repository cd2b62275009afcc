"""The snapshot of DWD's server: changes of the server's layout are found and named."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from support.servers import Reply, serving

from radar_nb.cli.doctor import compare_server
from radar_nb.cli.main import main
from radar_nb.dwd.archive_names import ERAS
from radar_nb.dwd.layout import FOLDERS, OTHER_NAMES, Change, Page, compare_layout, folders_to_compare
from radar_nb.dwd.listings import ListedFile
from radar_nb.errors import ListingError
from radar_nb.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from radar_nb.dwd.archive_names import Era

NOW = datetime(2026, 7, 1, 21, tzinfo=UTC)
RV = "weather/radar/composite/rv"
RECENT = "climate_environment/CDC/grids_germany/hourly/radolan/recent"


def stamps(era: Era, now: datetime) -> Iterator[datetime]:
    """Yield the times of an era's files: the last month or days of archives, 48 hours of near real time."""
    if era.supplement or era.last is not None:
        assert era.last is not None
        yield datetime.combine(era.last.first_day, datetime.min.time(), UTC)
        return
    step = timedelta(days=1) if era.piece == "day" else timedelta(hours=1)
    last = now.replace(minute=0, second=0, microsecond=0) - (step if era.piece == "day" else timedelta(hours=1))
    for back in range(3 if era.piece == "day" else 49):
        yield last - back * step


def as_in_the_snapshot(now: datetime = NOW) -> dict[str, dict[str, datetime]]:
    """Return the files of a server that equals the snapshot, with their dates, by folder."""
    files: dict[str, dict[str, datetime]] = {folder: {} for folder in folders_to_compare()}
    for era in ERAS:
        for time in stamps(era, now):
            folder, _, name = era.path(time).rpartition("/")
            files[folder][name] = time
        if era.alias:
            files[era.folder][era.alias] = max(stamps(era, now))
    files[f"{RECENT}/bin"]["DESCRIPTION_gridsgermany-hourly-radolan-recent-bin_en.pdf"] = now
    files["weather/radar/composite/pg"]["raa00-pg_bfr26-latest-dwd---bufr"] = now
    return files


def changes(files: dict[str, dict[str, datetime]], more: dict[str, tuple[str, ...]] | None = None) -> list[Change]:
    """Compare a server that has these files; `more` adds folders to those of a folder."""
    pages = {
        folder: None
        if folder not in files
        else Page(
            folders=(*FOLDERS.get(folder, ()), *(more or {}).get(folder, ())),
            files={name: ListedFile(name=name, size=1000, modified=time) for name, time in files[folder].items()},
        )
        for folder in folders_to_compare()
    }
    return list(compare_layout(pages, NOW))


def test_a_server_as_in_the_snapshot_has_not_changed() -> None:
    """Texts, known variants and aliases do not count as changes."""
    assert changes(as_in_the_snapshot()) == []


def test_a_new_folder_is_found() -> None:
    """A folder next to those of known products is reported."""
    found = changes(as_in_the_snapshot(), {"weather/radar/composite": ("rz",)})

    assert found == [Change(what="new folder", folder="weather/radar/composite", found="rz")]


def test_a_removed_folder_is_found() -> None:
    """A product's removed folder is one change, with all its files."""
    files = as_in_the_snapshot()
    del files["weather/radar/composite/hg"]

    (change,) = changes(files)

    assert (change.what, change.folder) == ("folder gone", "weather/radar/composite/hg")


def test_a_form_that_has_ended_is_found() -> None:
    """Binaries without new files, and binaries without any file, are reported."""
    files = as_in_the_snapshot()
    ry = files["weather/radar/radolan/ry"]
    noon = NOW - timedelta(hours=9)
    files[RV] = {
        name: time for name, time in files[RV].items() if not (name.startswith("DE1200") and time >= noon)
    }
    files["weather/radar/radolan/ry"] = {name: time for name, time in ry.items() if not name.endswith(".bz2")}

    assert changes(files) == [
        Change(
            what="form ended",
            folder="weather/radar/radolan/ry",
            found="RY in binaries (raa01-ry_10000-%y%m%d%H%M-dwd---bin.bz2): no file has such a name",
        ),
        Change(
            what="form ended",
            folder=RV,
            found="RV in binaries (DE1200_RV%y%m%d%H%M.tar.bz2): the newest is of 2026-07-01 11:00 UTC",
        ),
    ]


def test_a_new_name_is_found_once_for_all_its_times() -> None:
    """Names that differ only in digits are one form and one change."""
    files = as_in_the_snapshot()
    for hour in range(3):
        files[RV][f"composite_rv2_20260701_{hour:02d}00-hd5"] = NOW

    found = changes(files)

    assert found == [
        Change(what="new name", folder=RV, found="composite_rv2_20260701_0000-hd5 and 2 more of this form")
    ]


def test_a_renamed_alias_is_found() -> None:
    """The old alias is reported as missing, and the new one as a new name."""
    files = as_in_the_snapshot()
    files[RV]["composite_rv_latest.tar"] = files[RV].pop("composite_rv_LATEST.tar")

    assert changes(files) == [
        Change(what="new name", folder=RV, found="composite_rv_latest.tar"),
        Change(what="alias changed", folder=RV, found="composite_rv_LATEST.tar is not there"),
    ]


def test_an_outdated_alias_is_found() -> None:
    """An alias older than the newest file is reported, since it would be mistaken for that."""
    files = as_in_the_snapshot()
    files[RV]["composite_rv_LATEST.tar"] -= timedelta(minutes=45)

    (change,) = changes(files)

    assert change.what == "alias late"
    assert change.found == "composite_rv_LATEST.tar is 45 min older than composite_rv_20260701_2000.tar"


@pytest.mark.parametrize(
    ("kept", "text"), [(26, "24 hours are there, since 2026-06-30 20:00 UTC"), (3, "1 hour is there, since")]
)
def test_another_retention_is_found(kept: int, text: str) -> None:
    """A server that keeps one day or an hour instead of two days is reported."""
    files = as_in_the_snapshot()
    folder = "weather/radar/composite/hx"
    files[folder] = {name: time for name, time in files[folder].items() if time > NOW - timedelta(hours=kept)}

    (change,) = changes(files)

    assert change.what == "retention"
    assert f": {text}" in change.found


def test_the_snapshot_is_consistent() -> None:
    """The folder of every era is in a folder of the snapshot, or in one of its years."""
    known = {f"{parent}/{inner}" for parent, inners in FOLDERS.items() for inner in inners}

    tops = {"weather/radar", *(folder for folder in FOLDERS if folder.endswith("_minutes/radolan"))}
    tops |= {folder for folder in FOLDERS if folder.endswith(("hourly/radolan", "daily/radolan"))}
    assert set(FOLDERS) - known == tops
    assert all(any(era.folder.startswith(place) for place in (*known, *FOLDERS)) for era in ERAS)
    assert set(OTHER_NAMES) <= known


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Create the folders and empty files of a server that equals the snapshot now."""
    for folder, files in as_in_the_snapshot(datetime.now(UTC)).items():
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        for inner in FOLDERS.get(folder, ()):
            (tmp_path / folder / inner).mkdir(exist_ok=True)
        for name, time in files.items():
            (tmp_path / folder / name).touch()
            os.utime(tmp_path / folder / name, (time.timestamp(), time.timestamp()))
    return tmp_path


def test_the_command_compares_a_live_server(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`doctor --server` exits with 0 without a change, and with 4 with changes, which it names."""
    with Mirror(root) as mirror:
        same = main(["doctor", "--server", "--base-url", mirror.url])
        quiet = capsys.readouterr().out
        (root / "weather/radar/composite/rz").mkdir()
        (root / RV / "composite_rv_LATEST.tar").rename(root / RV / "composite_rv_newest.tar")
        changed = main(["doctor", "--server", "--base-url", mirror.url])
        printed = capsys.readouterr().out

    assert (same, changed) == (0, 4)
    assert quiet.startswith("No change on http://127.0.0.1:")
    assert printed.startswith("3 changes on http://127.0.0.1:")
    assert [line.split()[:2] for line in printed.splitlines()[3:6]] == [
        ["new", "folder"],
        ["new", "name"],
        ["alias", "changed"],
    ]


def test_an_empty_server_has_a_short_report(tmp_path: Path) -> None:
    """For an empty server, as under a wrong base URL, each missing part is reported once, not every folder."""
    with Mirror(tmp_path) as mirror:
        found = compare_server(base_url=mirror.url)

    assert {change.what for change in found} == {"folder gone"}
    assert len(found) < 6


def test_a_page_that_is_not_a_listing_raises() -> None:
    """A login page instead of a listing raises instead of counting as a change."""
    with serving() as server:
        server.script("/weather/radar/", Reply(body=b"<html><body>Please log in</body></html>"))
        with pytest.raises(ListingError, match="weather/radar/ is not a directory listing"):
            compare_server(base_url=server.url)
