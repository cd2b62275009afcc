"""`sync` fetches changes, does not request unchanged files, and repairs broken ones."""

from __future__ import annotations

import asyncio
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from support.malicious_archives import day, flipped, month, packed, recorded, tar_of
from support.servers import Reply, Server, serving

from radar_nb.errors import CorruptArchive, CoverageError, DiskFull, Incomplete, NotOnServer
from radar_nb.fetch.syncing import sync, sync_async, sync_plan
from radar_nb.fetch.throttling import remember_speed
from radar_nb.runtime.files import (
    Sidecar,
    archive_state,
    frames_folder,
    part_path,
    read_sidecar,
    sidecar_path,
    write_sidecar,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from radar_nb.fetch.syncing import SyncPlan
    from radar_nb.runtime.progress import Progress
    from radar_nb.runtime.report import Report

BIN = "climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin"
FOLDER = f"{BIN}/2020"
MAY, JUNE, JULY = (f"YW2017.002_2020{number:02d}.tar" for number in (5, 6, 7))
BODY = recorded(month(packed(day(range(0, 60, 5))), packed(day(range(5, 60, 5)))))
IN_MAY = recorded(month(packed(day(range(0, 30, 5), "2020-05-13T15"))))
OTHER = recorded(month(packed(day(range(0, 30, 5))), packed(day(range(5, 60, 5))))) + bytes(10_240)
SWAPPED = recorded(month(packed(day(range(5, 60, 5))), packed(day(range(0, 60, 5)))))
DATE, ROW_DATE = "Sun, 01 Mar 2026 12:30:45 GMT", "01-Mar-2026 12:30"
LATER, ROW_LATER = "Sun, 01 Nov 2026 08:00:10 GMT", "01-Nov-2026 08:00"


class DWD:
    """A scripted server of one folder, and a data folder."""

    def __init__(self, server: Server, folder: Path) -> None:
        self.server = server
        self.folder = folder
        self._files: dict[str, tuple[bytes, str]] = {}

    def publish(self, name: str, *replies: Reply, date: str = ROW_DATE, size: int | None = None) -> None:
        """Serve a file and list it."""
        self.server.script(f"/{FOLDER}/{name}", *replies)
        self._list(name, f"{date}   {len(replies[-1].body) if size is None else size}")

    def withdraw(self, name: str) -> None:
        """Stop serving and listing a file."""
        self.server.script(f"/{FOLDER}/{name}", Reply(status=404))
        self._list(name, None)

    def _list(self, name: str, facts: str | None) -> None:
        self._rows = {**getattr(self, "_rows", {}), name: facts}
        rows = "".join(f'<a href="{n}">{n}</a>   {f}\r\n' for n, f in self._rows.items() if f is not None)
        self.server.script(f"/{FOLDER}/", Reply(body=f"<h1>Index of /x/</h1><pre>{rows}</pre>".encode()))

    def asked(self, name: str = "") -> int:
        """Return the number of requests for a file so far."""
        return len(self.server.asked(f"/{FOLDER}/{name}"))

    def path(self, name: str = JUNE) -> Path:
        """Return a file's path in the data folder."""
        return self.folder / FOLDER / name

    def sync(self, first: Any = "2020-06", last: Any = None, **options: Any) -> Report:
        """Synchronise the folder and return the report."""
        chosen: dict[str, Any] = {"progress": False, "errors": "report", **options}
        return sync("YW", first, last, folder=self.folder, base_url=self.server.url, **chosen)

    def look(self, first: Any = "2020-06", last: Any = None, **options: Any) -> SyncPlan:
        """Return the plan of `sync`."""
        chosen: dict[str, Any] = {"progress": False, **options}
        return sync_plan("YW", first, last, folder=self.folder, base_url=self.server.url, **chosen)


def issue(body: bytes = BODY, etag: str | None = '"one"', modified: str | None = DATE, **fields: Any) -> Reply:
    return Reply(body=body, etag=etag, modified=modified, **fields)


@pytest.fixture
def dwd(tmp_path: Path) -> Iterator[DWD]:
    with serving() as server:
        made = DWD(server, tmp_path / "data")
        made.publish(JUNE, issue())
        yield made


def states(report: Report) -> list[str]:
    return [outcome.state for outcome in report.outcomes]


def standings(found: SyncPlan) -> list[str]:
    return [finding.standing for finding in found.findings]


# --- what is new, the same, begun -----------------------------------------------------------------------------


def test_new_files_are_fetched_and_unchanged_ones_not_requested(dwd: DWD) -> None:
    """The first call fetches; the second reads one listing and requests no file."""
    first = dwd.sync()
    again = dwd.sync()

    assert (states(first), first.outcomes[0].notes) == (["done"], ("new",))
    assert (states(again), again.outcomes[0].notes) == (["kept"], ())
    assert dwd.path().read_bytes() == BODY
    assert (dwd.asked(JUNE), dwd.asked()) == (1, 2)


def test_a_year_is_all_its_months(dwd: DWD) -> None:
    """Months of a year that the server lacks are missing, as in a plan."""
    found = dwd.look(2020, "2020")

    assert len(found.plan.months) == 12
    assert standings(found) == ["new"]
    assert len(found.plan.missing) == 11


def test_a_begun_file_is_resumed(dwd: DWD) -> None:
    """A part of the listed file is continued, and the plan counts only the rest."""
    part = part_path(dwd.path())
    part.parent.mkdir(parents=True)
    part.write_bytes(BODY[:500])
    note = Sidecar(url=f"{dwd.server.url}/{FOLDER}/{JUNE}", etag='"one"', last_modified=DATE, size=len(BODY))
    write_sidecar(part, note)

    found = dwd.look()
    report = dwd.sync()

    assert (standings(found), found.bytes_to_fetch) == (["begun"], len(BODY) - 500)
    assert (states(report), report.bytes) == (["resumed"], len(BODY) - 500)
    assert dwd.path().read_bytes() == BODY


def test_a_dry_run_requests_only_listings_and_writes_nothing(dwd: DWD) -> None:
    """A dry run reports bytes, space and an unknown speed; the folder is not created."""
    found = dwd.look()

    assert found.summary.startswith("1 new; ")
    assert found.summary.endswith("time unknown until the first download")
    assert {request.path for request in dwd.server.requests} == {f"/{FOLDER}/"}
    assert not dwd.folder.exists()


def test_the_estimate_uses_the_servers_last_speed(dwd: DWD) -> None:
    """The duration rests on the measured speed of this server only."""
    remember_speed("127.0.0.1:1", 10_000_000, 1.0)
    before = dwd.look().seconds
    remember_speed(dwd.server.url.removeprefix("http://"), 10_000_000, 1000.0)

    assert before is None
    assert dwd.look().seconds == pytest.approx(len(BODY) / 10_000)


# --- what was re-issued ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "etag", "modified", "row"),
    [
        (OTHER, '"two"', LATER, ROW_LATER),
        (SWAPPED, '"two"', LATER, ROW_LATER),
        (OTHER, '"two"', "Wed, 01 Jan 2020 00:00:00 GMT", "01-Jan-2020 00:00"),
        (OTHER, None, "Wed, 01 Jan 2020 00:00:00 GMT", "01-Jan-2020 00:00"),
        (OTHER, '"two"', DATE, ROW_DATE),
    ],
    ids=["another size, newer", "as large, newer", "rolled back", "rolled back, no ETag", "of the same minute"],
)
def test_a_reissued_file_is_replaced(dwd: DWD, body: bytes, etag: str | None, modified: str, row: str) -> None:
    """A file whose listed size or date differs is fetched: newer, older, or of equal size."""
    dwd.publish(JUNE, issue(etag='"one"' if etag else None))
    dwd.sync()
    dwd.publish(JUNE, issue(body, etag, modified), date=row)

    found = dwd.look()
    report = dwd.sync(verify=False)
    after = dwd.look()

    assert standings(found) == ["re-issued"]
    assert states(report) == ["done"]
    assert report.outcomes[0].notes[0].startswith("re-issued: ")
    assert dwd.path().read_bytes() == body
    assert standings(after) == ["same"]


def test_a_file_with_only_a_new_date_is_asked_for_and_kept(dwd: DWD) -> None:
    """If the server reports no change, no byte is fetched, and the report says so."""
    dwd.sync()
    dwd.publish(JUNE, issue(), date=ROW_LATER)

    report = dwd.sync()

    assert (states(report), report.bytes) == (["kept"], 0)
    assert report.outcomes[0].notes[0].endswith("the server says it has not changed")


def test_the_old_file_stays_until_the_new_one_is_complete(dwd: DWD) -> None:
    """An interrupted replacement keeps the old file and is continued by the next call."""
    dwd.sync()
    cut = issue(OTHER, '"two"', LATER, cut=len(OTHER) // 2)
    dwd.publish(JUNE, cut, replace_status(cut), date=ROW_LATER, size=len(OTHER))

    failed = dwd.sync()
    before = (dwd.path().read_bytes(), archive_state(dwd.path()))
    dwd.publish(JUNE, issue(OTHER, '"two"', LATER), date=ROW_LATER)
    report = dwd.sync()

    assert states(failed) == ["failed"]
    assert before == (BODY, "whole")
    assert states(report) == ["resumed"]
    assert dwd.path().read_bytes() == OTHER


def replace_status(reply: Reply) -> Reply:
    return Reply(status=503, etag=reply.etag, modified=reply.modified)


def test_a_listing_without_dates_and_sizes_causes_a_conditional_request(dwd: DWD) -> None:
    """The server is asked on condition of a change: it sends nothing, or the new file."""
    dwd.sync()
    dwd.server.script(f"/{FOLDER}/", Reply(body=f'<h1>Index of /x/</h1><a href="{JUNE}">x</a></html>'.encode()))

    found = dwd.look()
    same = dwd.sync()
    dwd.server.script(f"/{FOLDER}/{JUNE}", issue(OTHER, '"two"', LATER))
    other = dwd.sync()

    assert (standings(found), found.bytes_to_fetch) == (["unsure"], 0)
    assert (states(same), same.bytes, same.outcomes[0].notes) == (["kept"], 0, ())
    assert states(other) == ["done"]


def test_files_copied_from_elsewhere_are_not_fetched_again(dwd: DWD) -> None:
    """Without a note, the size is compared: equal is the same, and another size is not."""
    dwd.path().parent.mkdir(parents=True)
    dwd.path().write_bytes(BODY)

    assert standings(dwd.look()) == ["same"]
    assert states(dwd.sync()) == ["kept"]
    dwd.path().write_bytes(BODY[:-512])
    assert states(dwd.sync()) == ["done"]
    assert dwd.path().read_bytes() == BODY


def test_outdated_frames_are_reported(dwd: DWD) -> None:
    """If an archive with extracted frames is replaced, the report says that they are outdated."""
    dwd.sync()
    frames_folder(dwd.path()).mkdir()
    dwd.publish(JUNE, issue(OTHER, '"two"', LATER), date=ROW_LATER)

    notes = dwd.sync().outcomes[0].notes

    assert notes[1] == "the frames in YW2017.002_202006 are of the previous file: extract again"
    assert dwd.sync().outcomes[0].notes == ()


# --- what is broken -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damage", [lambda body: body[:-700], lambda body: body + b"more"], ids=["cut", "too long"]
)
def test_a_file_with_a_wrong_size_is_repaired(dwd: DWD, damage: Any) -> None:
    """A file whose size differs from its note is broken, even without `verify`."""
    dwd.sync()
    dwd.path().write_bytes(damage(BODY))

    found = dwd.look()
    report = dwd.sync()

    assert standings(found) == ["broken"]
    assert states(report) == ["done"]
    assert report.outcomes[0].notes[0].startswith("was broken: has ")
    assert dwd.path().read_bytes() == BODY


def test_damage_inside_is_found_by_reading_and_repaired(dwd: DWD) -> None:
    """A flipped bit is found only by `verify`, then reported, and the file is fetched again."""
    dwd.sync()
    dwd.path().write_bytes(flipped(BODY, 900))

    unread = standings(dwd.look())
    found = dwd.look(verify=True)
    report = dwd.sync(verify=True)

    assert unread == ["same"]
    assert standings(found) == ["broken"]
    assert isinstance(found.findings[0].error, CorruptArchive)
    assert states(report) == ["done"]
    assert dwd.path().read_bytes() == BODY
    assert standings(dwd.look(verify=True)) == ["same"]


def test_a_damaged_file_stays_marked(dwd: DWD) -> None:
    """After a failed repair the damaged file stays marked: later calls count it as incomplete and repair it."""
    dwd.sync()
    bad = flipped(BODY, 900)
    dwd.path().write_bytes(bad)
    dwd.publish(JUNE, Reply(status=503), size=len(BODY))

    failed = dwd.sync(verify=True)
    left = (dwd.path().read_bytes(), archive_state(dwd.path()), standings(dwd.look()))
    dwd.publish(JUNE, issue())
    report = dwd.sync()

    assert states(failed) == ["failed"]
    assert left == (bad, "absent", ["broken"])
    assert report.outcomes[0].notes == ("was broken: found damaged before",)
    assert dwd.path().read_bytes() == BODY
    assert read_sidecar(dwd.path()) is not None


def test_a_dry_run_marks_nothing(dwd: DWD) -> None:
    """A dry run finds the damage and changes neither file nor note."""
    dwd.sync()
    dwd.path().write_bytes(flipped(BODY, 900))
    note = sidecar_path(dwd.path()).read_bytes()

    dwd.look(verify=True)

    assert sidecar_path(dwd.path()).read_bytes() == note


def test_verification_reports_bytes(dwd: DWD) -> None:
    """Progress of `verify` ends at all bytes of all files, and is reported from the caller's thread."""
    dwd.publish(MAY, issue(IN_MAY))
    dwd.sync("2020-05", "2020-06")
    events: list[Progress] = []

    dwd.look("2020-05", "2020-06", verify=True, progress=events.append)

    assert {event.task for event in events} == {"verify"}
    assert events[-1].done == events[-1].total == len(BODY) + len(IN_MAY)
    assert {event.note for event in events} == {MAY, JUNE}


def test_verification_can_be_cancelled_before_its_end(dwd: DWD) -> None:
    """Bytes are reported before the last is read; a call cancelled then raises, and the file is unchanged."""
    body = tar_of([(f"frame{number}", os.urandom(3_000_000)) for number in range(8)])
    dwd.publish(JUNE, issue(body))
    dwd.sync()
    done: list[int] = []

    async def cancelled() -> None:
        task = asyncio.current_task()
        assert task is not None

        def stop(event: Progress) -> None:
            done.append(event.done)
            task.cancel()

        await sync_async("YW", "2020-06", folder=dwd.folder, base_url=dwd.server.url, verify=True, progress=stop)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancelled())

    assert 0 < done[0] < len(body)
    assert archive_state(dwd.path()) == "whole"


# --- what the server no longer lists --------------------------------------------------------------------------


def test_unlisted_files_are_kept_and_reported(dwd: DWD) -> None:
    """Nothing is deleted; a file from the server is gone, one from elsewhere unlisted, neither is missing."""
    dwd.publish(MAY, issue(IN_MAY))
    dwd.sync("2020-05", "2020-06")
    dwd.withdraw(MAY)
    shutil.copy(dwd.path(JUNE), dwd.path(JULY))

    found = dwd.look("2020-05", "2020-07")
    report = dwd.sync("2020-05", "2020-07", errors="raise")

    assert standings(found) == ["same", "gone", "unlisted"]
    assert found.plan.missing == ()
    assert "what the server does not list is kept" in str(found)
    assert states(report) == ["kept", "kept", "kept"]
    assert [outcome.notes for outcome in report.outcomes[1:]] == [
        ("no longer on the server",),
        ("unknown to the server",),
    ]
    assert dwd.path(MAY).read_bytes() == IN_MAY


def test_a_broken_and_unlisted_file_is_a_failure(dwd: DWD) -> None:
    """A file that cannot be repaired is named, raised, and kept."""
    dwd.publish(MAY, issue(OTHER))
    dwd.sync("2020-05", "2020-06")
    dwd.withdraw(MAY)
    dwd.path(MAY).write_bytes(flipped(OTHER, 900))

    with pytest.raises(Incomplete, match="the server no longer lists it: restore it from a backup"):
        dwd.sync("2020-05", "2020-06", verify=True, errors="raise")

    assert dwd.path(MAY).is_file()


def test_a_file_that_vanishes_after_the_listing_raises_and_keeps_the_old_one(dwd: DWD) -> None:
    """A listing may be outdated: the error has the address, and no local file is lost."""
    dwd.sync()
    dwd.publish(JUNE, Reply(status=404), date=ROW_LATER, size=5)

    with pytest.raises(NotOnServer, match=JUNE):
        dwd.sync(errors="raise")

    assert dwd.path().read_bytes() == BODY


def test_months_that_the_server_lacks_are_in_the_report(dwd: DWD) -> None:
    """The report lists the server's missing months after the files, as for a download of a plan."""
    report = dwd.sync("2020-06", "2020-07")

    assert states(report) == ["done", "missing"]
    with pytest.raises(CoverageError, match=r"YW 2020-08 \(radklim\) is not available"):
        dwd.sync("2020-08", errors="raise")


def test_a_full_disk_raises_before_the_first_byte(dwd: DWD) -> None:
    """A listing with more bytes than the disk has free ends the call with the numbers."""
    dwd.publish(JUNE, issue(), size=15 << 30)
    usage = shutil.disk_usage(dwd.folder.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("radar_nb.runtime.files.shutil.disk_usage", lambda _: usage._replace(free=1000))
        found = dwd.look()
        with pytest.raises(DiskFull, match="cannot download 1 files"):
            dwd.sync()

    assert "1 kB free, which is not enough" in found.summary
    assert dwd.asked(JUNE) == 0
