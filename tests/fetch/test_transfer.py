"""The transfer of one file: damaged bytes are never renamed, correct ones are never fetched twice."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import shutil
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from support.malicious_archives import day, entry, flipped, month, packed, recorded, tar
from support.plans import BODY, get, leave_part, plan_of
from support.servers import Reply, Server, serving

from radar_nb.errors import (
    DamagedDownload,
    Incomplete,
    Refused,
    ServerUnavailable,
    SettingsError,
    StorageError,
    TransferTimeout,
    UnsafeMember,
)
from radar_nb.fetch import transfer as transfers
from radar_nb.fetch.downloading import start
from radar_nb.fetch.http import Patience
from radar_nb.runtime.files import (
    Sidecar,
    archive_state,
    part_path,
    read_sidecar,
    sidecar_path,
    temporary_path,
    write_sidecar,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from radar_nb.runtime.progress import Progress


DAYS = [packed(day(range(first, 60, 5))) for first in (0, 1, 2)]
MONTH = recorded(month(*DAYS))
SECOND = MONTH.index(DAYS[1]) - 512  # where the second day's header is
LARGE = recorded(month(*[packed(day(range(60)))] * 160))
MIDDLE = recorded(month(*[packed(day(range(60)))] * 16))
BLOCK = 1 << 19  # bytes per request in tests of parallel blocks: a quarter of a file a quarter as large as usual


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radar_nb.fetch.http.PATIENCE", Patience(attempts=4, first_wait=0.001, read=10.0))


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


# --- what is wrong ------------------------------------------------------------------------------------------


def test_a_flipped_bit_costs_the_days_from_it_on(server: Server, tmp_path: Path) -> None:
    """Damage in the second day is found by its checksum, and only the first day is kept."""
    server.script("/bin/a.tar", Reply(body=flipped(MONTH, SECOND + 2000)), Reply(body=MONTH))

    report = get(plan_of(server, tmp_path))

    assert report.paths[0].read_bytes() == MONTH
    assert server.asked("/bin/a.tar")[1].headers["Range"] == f"bytes={SECOND}-"
    assert report.outcomes[0].notes == (f"arrived damaged, fetched again from byte {SECOND:,}",)


def test_damage_is_reported_before_the_end(server: Server, tmp_path: Path) -> None:
    """A large file with a damaged beginning is not fetched to its end first."""
    bad = flipped(LARGE, 5000)
    server.script("/bin/a.tar", Reply(body=bad), Reply(body=LARGE))

    report = get(plan_of(server, tmp_path), bandwidth_limit=20e6)

    assert report.paths[0].read_bytes() == LARGE
    assert report.bytes < 2 * len(LARGE)


@pytest.mark.parametrize(
    "body", [flipped(MONTH, SECOND + 2000), recorded(MONTH[: SECOND + 900]), recorded(MONTH + b"x")]
)
def test_lasting_damage_raises_and_is_not_kept(server: Server, tmp_path: Path, body: bytes) -> None:
    """A file that is damaged on the server is fetched a few times, then raises, and is not kept."""
    server.script("/bin/a.tar", Reply(body=body))

    with pytest.raises(DamagedDownload, match=r"arrived damaged 3 times .*a\.tar.*verify=False accepts it"):
        get(plan_of(server, tmp_path))

    assert len(server.requests) == 3
    assert files(tmp_path) == set()


def test_a_damaged_file_can_be_accepted(server: Server, tmp_path: Path) -> None:
    """With verify=False the server's bytes are accepted."""
    server.script("/bin/a.tar", Reply(body=MONTH[:-2000]))

    report = get(plan_of(server, tmp_path), verify=False)

    assert report.paths[0].read_bytes() == MONTH[:-2000]


def test_a_malicious_archive_is_refused_at_once(server: Server, tmp_path: Path) -> None:
    """An archive with a name that leads out of its folder is not requested again, and not kept."""
    server.script("/bin/a.tar", Reply(body=recorded(tar(entry("../x", b"y")))))

    with pytest.raises(UnsafeMember, match=r"leads out of its folder"):
        get(plan_of(server, tmp_path))

    assert len(server.requests) == 1
    assert files(tmp_path) == set()


@pytest.mark.parametrize("stated", [SECOND + 3000, SECOND, 30_000, len(MONTH) - 1, len(MONTH) - 512])
def test_a_stated_length_that_is_too_small_is_detected(server: Server, tmp_path: Path, stated: int) -> None:
    """If the server states too small a length, the rest is requested."""
    short = Reply(body=MONTH[:stated])
    server.script("/bin/a.tar", short, Reply(body=MONTH))

    report = get(plan_of(server, tmp_path))

    assert report.paths[0].read_bytes() == MONTH
    assert report.bytes == len(MONTH)
    note = read_sidecar(report.paths[0])
    assert note is not None
    assert note.size == len(MONTH)


def test_a_tar_with_other_padding_arrives(server: Server, tmp_path: Path) -> None:
    """For a tar that ends within a record, the rest is requested once; without a rest, the tar is accepted."""
    odd = month(*DAYS)
    server.script("/bin/a.tar", Reply(body=odd))

    report = get(plan_of(server, tmp_path))

    assert report.paths[0].read_bytes() == odd
    assert [request.headers.get("Range") for request in server.requests] == [None, f"bytes={len(odd)}-"]


def test_a_stated_length_that_is_too_large_is_detected(server: Server, tmp_path: Path) -> None:
    """If the server has no further bytes and the received ones are a complete archive, it is accepted."""
    stated = {"Content-Length": str(len(MONTH) + 100)}
    server.script("/bin/a.tar", Reply(body=MONTH, headers=stated, cut=len(MONTH)), Reply(body=MONTH))

    report = get(plan_of(server, tmp_path))

    assert report.paths[0].read_bytes() == MONTH
    assert len(server.requests) == 2
    assert archive_state(report.paths[0]) == "whole"


def test_a_truncated_day_is_damage(server: Server, tmp_path: Path) -> None:
    """If a day is cut short but the month continues, that day is fetched again, however the last one ends."""
    for inner in (month(DAYS[0], DAYS[1][:-100], DAYS[2]), month(DAYS[0], DAYS[1][:-100])):
        server.script("/bin/a.tar", Reply(body=recorded(inner)), Reply(body=MONTH, etag='"one"'))

        report = get(plan_of(server, tmp_path), overwrite=True)

        assert report.paths[0].read_bytes() == MONTH


@pytest.mark.parametrize("etag", ['"one"', None])
def test_a_truncated_body_without_a_length_is_incomplete(server: Server, tmp_path: Path, etag: str | None) -> None:
    """HTTP does not distinguish such a cut from the end; the archive's own structure does."""
    cut = Reply(body=MONTH, headers={"Content-Length": ""}, cut=SECOND + 1000, etag=etag, modified=None)
    server.script("/bin/a.tar", cut, Reply(body=MONTH, etag=etag, modified=None))

    report = get(plan_of(server, tmp_path))

    assert report.paths[0].read_bytes() == MONTH


@pytest.mark.parametrize("encoding", ["gzip", "x-gzip"])
def test_an_encoded_body_is_decoded(server: Server, tmp_path: Path, encoding: str) -> None:
    """A server that encodes although it was asked not to costs only its ranges."""
    label = {"Content-Encoding": encoding}
    server.script("/bin/a.tar.gz", Reply(body=gzip.compress(DAYS[0]), headers=label))
    server.script("/bin/b.tar", Reply(body=gzip.compress(MONTH), headers=label))

    report = get(plan_of(server, tmp_path, "a.tar.gz", "b.tar"))

    assert [path.read_bytes() for path in report.paths] == [DAYS[0], MONTH]


def test_a_truncated_encoded_body_is_restarted(server: Server, tmp_path: Path) -> None:
    """An encoded body cannot be continued: the server's ranges are of other bytes."""
    sent = gzip.compress(MONTH)
    label = {"Content-Encoding": "gzip"}
    server.script(
        "/bin/b.tar", Reply(body=sent, headers=label, cut=len(sent) // 2), Reply(body=sent, headers=label)
    )

    report = get(plan_of(server, tmp_path, "b.tar"))

    assert report.paths[0].read_bytes() == MONTH
    assert "Range" not in server.requests[1].headers


def test_a_label_of_the_files_own_compression_changes_nothing(server: Server, tmp_path: Path) -> None:
    """Servers label a .tar.gz as gzip-encoded; its bytes are the file's."""
    server.script("/bin/a.tar.gz", Reply(body=DAYS[0], headers={"Content-Encoding": "x-gzip"}))

    assert get(plan_of(server, tmp_path, "a.tar.gz")).paths[0].read_bytes() == DAYS[0]


def test_an_unknown_encoding_is_refused(server: Server, tmp_path: Path) -> None:
    """A body that cannot be decoded is not kept."""
    server.script("/bin/a.tar", Reply(body=MONTH, headers={"Content-Encoding": "br"}))

    with pytest.raises(Refused, match="encoding 'br'"):
        get(plan_of(server, tmp_path))

    assert files(tmp_path) == set()


def test_a_trickle_is_a_stall(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that receives a few bytes now and then is replaced, and finally an error names the server."""
    patience = Patience(attempts=2, first_wait=0.001, read=5.0, slowest=1e15, window=0.0)
    monkeypatch.setattr("radar_nb.fetch.http.PATIENCE", patience)
    server.script("/bin/a.tar", Reply(body=LARGE))

    with pytest.raises(TransferTimeout, match=r"sent less than 1e\+15 bytes per second"):
        get(plan_of(server, tmp_path))

    assert 2 <= len(server.requests) <= 4


def test_a_redirect_to_another_server_is_not_followed(server: Server, tmp_path: Path) -> None:
    """The other server gets no request."""
    with serving() as other:
        other.script("/bin/a.tar", Reply(body=BODY))
        server.script("/bin/a.tar", Reply(status=302, headers={"Location": f"{other.url}/bin/a.tar"}))

        with pytest.raises(Refused, match=r"redirects to another server .*base_url="):
            get(plan_of(server, tmp_path))

        assert other.requests == []


def test_a_redirect_on_the_same_server_is_followed_with_its_range(server: Server, tmp_path: Path) -> None:
    """A file that was moved on the chosen server arrives, and a part of it is continued."""
    server.script("/bin/a.tar", Reply(status=301, headers={"Location": "/moved/a.tar"}))
    server.script("/moved/a.tar", Reply(body=BODY))
    plan = plan_of(server, tmp_path)
    leave_part(plan.paths[0], plan.url(plan.archives[0]), BODY[:300_000])

    report = get(plan)

    assert report.bytes == len(BODY) - 300_000
    assert report.paths[0].read_bytes() == BODY


def test_an_excessive_size_is_refused(server: Server, tmp_path: Path) -> None:
    """A server that announces more bytes than any archive has is refused, and nothing is written."""
    server.script("/bin/a.tar", Reply(body=BODY, headers={"Content-Length": str(10**15)}))

    with pytest.raises(Refused, match="more than any file of DWD"):
        get(plan_of(server, tmp_path))

    assert files(tmp_path) == set()


# --- what a crash has left ----------------------------------------------------------------------------------


def test_a_part_with_zeros_of_a_power_cut_is_not_trusted(server: Server, tmp_path: Path) -> None:
    """A part whose end never reached the disk is verified, and fetched again from the last correct day."""
    server.script("/bin/a.tar", Reply(body=MONTH))
    plan = plan_of(server, tmp_path)
    lost = MONTH[: SECOND + 1000] + bytes(3000)
    leave_part(plan.paths[0], plan.url(plan.archives[0]), lost, size=len(MONTH))

    report = get(plan)

    assert report.paths[0].read_bytes() == MONTH
    assert server.asked("/bin/a.tar")[-1].headers["Range"] == f"bytes={SECOND}-"


def test_a_missing_note_is_restored(server: Server, tmp_path: Path) -> None:
    """A crash between the two renames at the end costs no request, and the note is correct."""
    plan = plan_of(server, tmp_path)
    path = plan.paths[0]
    note = Sidecar(url=plan.url(plan.archives[0]), etag='"one"', size=len(BODY))
    path.parent.mkdir()
    path.write_bytes(BODY)
    write_sidecar(part_path(path), note)

    report = get(plan)

    assert [(o.state, o.bytes) for o in report.outcomes] == [("kept", 0)]
    assert (read_sidecar(path), server.requests) == (note, [])
    assert files(tmp_path) == {"a.tar", "a.tar.meta.json"}


def test_a_note_of_another_file_is_removed(server: Server, tmp_path: Path) -> None:
    """A note without a part whose size differs from the file's is removed."""
    plan = plan_of(server, tmp_path)
    path = plan.paths[0]
    path.parent.mkdir()
    path.write_bytes(BODY)
    write_sidecar(part_path(path), Sidecar(url="http://x", etag='"two"', size=7))

    get(plan)

    assert read_sidecar(path) is None
    assert files(tmp_path) == {"a.tar"}


def test_half_a_note_is_ignored(server: Server, tmp_path: Path) -> None:
    """Temporary files of a crash are removed when the file is complete."""
    server.script("/bin/a.tar", Reply(body=BODY))
    plan = plan_of(server, tmp_path)
    leave_part(plan.paths[0], plan.url(plan.archives[0]), BODY[:1000])
    for path in (plan.paths[0], part_path(plan.paths[0])):
        temporary_path(sidecar_path(path)).write_bytes(b'{"url": ')

    get(plan)

    assert files(tmp_path) == {"a.tar", "a.tar.meta.json"}


def test_the_next_start_reports_existing_bytes(server: Server, tmp_path: Path) -> None:
    """One line states how many files are resumed, and how many of their bytes exist."""
    server.script("/bin/a.tar", Reply(body=BODY))
    server.script("/bin/b.tar", Reply(body=BODY))
    plan = plan_of(server, tmp_path, "a.tar", "b.tar")
    leave_part(plan.paths[0], plan.url(plan.archives[0]), BODY[:300_000])

    report = get(plan)

    assert report.summary.startswith("download: 1 resumed, 1 done; ")
    assert report.summary.endswith("; 300 kB already present")


def test_a_folder_that_vanishes_is_reported(server: Server, tmp_path: Path) -> None:
    """If the data folder is removed during a download, the report says so; the next call fetches the file."""
    stall = threading.Event()
    server.script("/bin/a.tar", Reply(body=LARGE, cut=1_500_000, stall=stall), Reply(body=LARGE))
    plan = plan_of(server, tmp_path / "data")
    job = start(plan, progress=False, errors="report")
    part = part_path(plan.paths[0])
    until(lambda: part.exists() and part.stat().st_size > 1 << 20)  # more than is held in memory
    shutil.rmtree(tmp_path / "data")
    stall.set()

    (outcome,) = job.wait().outcomes

    assert isinstance(outcome.error, StorageError)
    assert "a.tar.part cannot be written" in str(outcome.error)
    assert get(plan).paths[0].read_bytes() == LARGE


def test_a_clock_that_jumps_changes_nothing(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waits, speeds and stalls use a monotonic clock: the wall clock may go back by years."""
    moments = itertools.cycle([4e9, 0.0, 1e9])
    monkeypatch.setattr(time, "time", lambda: next(moments))
    server.script("/bin/a.tar", Reply(status=503), Reply(body=BODY, cut=300_000), Reply(body=BODY))

    report = get(plan_of(server, tmp_path))

    assert report.paths[0].read_bytes() == BODY
    assert 0 < report.seconds < 30


# --- side by side -------------------------------------------------------------------------------------------


@pytest.fixture
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Request less at a time, so that a smaller file has as many blocks."""
    monkeypatch.setattr(transfers, "_BLOCK", BLOCK)


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize("lanes", [2, 5])
def test_a_large_file_may_use_several_connections(server: Server, tmp_path: Path, lanes: int) -> None:
    """Parallel blocks make the same file, and no byte is fetched twice."""
    server.script("/bin/a.tar", Reply(body=MIDDLE))

    report = get(plan_of(server, tmp_path), connections_per_file=lanes)

    assert report.paths[0].read_bytes() == MIDDLE
    assert report.bytes == len(MIDDLE)
    assert len(server.requests) == -(-len(MIDDLE) // BLOCK)


@pytest.mark.usefixtures("_small_blocks")
@pytest.mark.parametrize(
    "replies",
    [
        [Reply(body=MIDDLE), Reply(body=MIDDLE, cut=1000), Reply(body=MIDDLE)],
        [Reply(body=MIDDLE), Reply(body=MIDDLE, ranges=False), Reply(body=MIDDLE)],
        [Reply(body=MIDDLE, etag='"old"'), Reply(body=MIDDLE)],
        [Reply(body=MIDDLE, ranges=False)],
        [Reply(body=MIDDLE, etag=None, modified=None)],
        [Reply(body=MIDDLE, etag='W/"one"', modified=None)],
        [Reply(body=MIDDLE), Reply(status=503), Reply(body=MIDDLE)],
    ],
)
def test_failed_blocks_are_fetched_again(server: Server, tmp_path: Path, replies: list[Reply]) -> None:
    """The file arrives despite a broken block, a server without ranges, or a change in between."""
    server.script("/bin/a.tar", *replies)

    report = get(plan_of(server, tmp_path), connections_per_file=3)

    assert report.paths[0].read_bytes() == MIDDLE


def test_the_bandwidth_limit_holds(server: Server, tmp_path: Path) -> None:
    """Two files together stay within the limit."""
    for name in ("a.tar", "b.tar"):
        server.script(f"/bin/{name}", Reply(body=BODY))
    begun = time.monotonic()

    report = get(plan_of(server, tmp_path, "a.tar", "b.tar"), bandwidth_limit=2e6)

    assert report.bytes / (time.monotonic() - begun) <= 2e6


@pytest.mark.parametrize(("option", "value"), [("connections_per_file", 0), ("bandwidth_limit", 0.0)])
def test_invalid_numbers_are_refused(server: Server, tmp_path: Path, option: str, value: float) -> None:
    """Zero connections and zero bytes raise."""
    with pytest.raises(SettingsError, match=f"{option}.* is not .*valid"):
        get(plan_of(server, tmp_path), **{option: value})


SECOND_NOTEBOOK = """
import json, sys
from pathlib import Path
from support.plans import plan_of
from support.servers import Server
from radar_nb.fetch.downloading import download
report = download(plan_of(Server(sys.argv[1]), Path(sys.argv[2])), progress=False)
print(json.dumps([[o.state, o.bytes, list(o.notes)] for o in report.outcomes]))
"""


def test_two_processes_share_one_download(server: Server, tmp_path: Path) -> None:
    """A process that wants a file which another is fetching waits for it, and fetches nothing."""
    server.script("/bin/a.tar", Reply(body=BODY))
    server.open.clear()
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": ""}
    several = [
        subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-c", SECOND_NOTEBOOK, server.url, tmp_path],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(2)
    ]
    until(lambda: server.at_once, 30)
    server.open.set()

    printed = sorted(process.communicate(timeout=60)[0] for process in several)

    assert len(server.requests) == 1
    assert [text.count('"kept", 0') for text in printed] == [0, 1]
    assert (tmp_path / "bin" / "a.tar").read_bytes() == BODY
    assert files(tmp_path) == {"a.tar", "a.tar.meta.json"}


# --- the handle ---------------------------------------------------------------------------------------------


def test_a_handle_can_be_awaited(server: Server, tmp_path: Path) -> None:
    """In a notebook, `await start(plan)` equals `download(plan)`."""
    server.script("/bin/a.tar", Reply(body=BODY))

    async def cell() -> tuple[str, bytes]:
        report = await start(plan_of(server, tmp_path), progress=False)
        return report.outcomes[0].state, report.paths[0].read_bytes()

    assert asyncio.run(cell()) == ("done", BODY)


def test_a_script_waits_for_a_handle(server: Server, tmp_path: Path) -> None:
    """Without a running loop the work runs in a thread, and its failure is raised by `wait`."""
    server.script("/bin/a.tar", Reply(body=BODY))
    job = start(plan_of(server, tmp_path, "a.tar", "b.tar"), progress=False)

    with pytest.raises(Incomplete, match="1 of 2 did not succeed"):
        job.wait()

    assert [o.state for o in job.report.outcomes] == ["done", "failed"]


def stalled(server: Server, cut: int = 200_000) -> threading.Event:
    stall = threading.Event()
    server.script("/bin/a.tar", Reply(body=BODY, cut=cut, stall=stall), Reply(body=BODY))
    return stall


def until(condition: object, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def test_a_pause_closes_the_connection_and_resume_uses_a_range(server: Server, tmp_path: Path) -> None:
    """A pause takes effect even if the server is silent; no request is sent meanwhile, no byte fetched twice."""
    stalled(server)
    events: list[Progress] = []
    job = start(plan_of(server, tmp_path), progress=events.append)
    until(lambda: events and events[-1].done > 100_000)
    job.pause()
    until(lambda: server.at_once == 0)  # the client has closed the connection
    asked, (running,) = len(server.requests), job.report.outcomes
    assert (job.paused, asked, running.state) == (True, 1, "running")

    job.resume()
    report = job.wait()

    assert report.paths[0].read_bytes() == BODY
    assert (report.bytes, report.outcomes[0].retries) == (len(BODY), 0)
    assert not job.paused


def test_a_handle_can_be_paused_before_it_starts(server: Server, tmp_path: Path) -> None:
    """An immediate pause holds back the first request."""
    server.script("/bin/a.tar", Reply(body=BODY))
    job = start(plan_of(server, tmp_path), progress=False)
    job.pause()
    until(lambda: job.report.outcomes and job.report.outcomes[0].state == "running")

    job.resume()

    assert job.wait().outcomes[0].state == "done"


def test_a_cancelled_plan_can_be_resumed(server: Server, tmp_path: Path) -> None:
    """A cancelled call returns a report without an error, and the next call fetches only the rest."""
    stall = stalled(server)
    events: list[Progress] = []
    plan = plan_of(server, tmp_path, "a.tar", "b.tar")
    job = start(plan, progress=events.append, concurrency=1)
    until(lambda: events and events[-1].done > 100_000)

    job.cancel()
    report = job.wait()
    stall.set()

    assert [o.state for o in report.outcomes] == ["cancelled", "cancelled"]
    there = part_path(plan.paths[0]).stat().st_size
    again = get(plan_of(server, tmp_path))
    assert [(o.state, o.already) for o in again.outcomes] == [("resumed", there)]
    assert again.paths[0].read_bytes() == BODY


def test_cancel_while_paused(server: Server, tmp_path: Path) -> None:
    """A paused download can be cancelled."""
    stall = stalled(server)
    job = start(plan_of(server, tmp_path), progress=False)
    until(lambda: server.at_once == 1)
    job.pause()

    job.cancel()
    stall.set()

    assert [o.state for o in job.wait().outcomes] == ["cancelled"]


def test_an_error_of_the_reporter_is_raised_to_the_waiter(server: Server, tmp_path: Path) -> None:
    """A reporter that fails ends the work, and its own error is raised."""
    server.script("/bin/a.tar", Reply(body=BODY))

    def broken(_: Progress, /) -> None:
        raise LookupError("no bar")

    with pytest.raises(LookupError, match="no bar"):
        start(plan_of(server, tmp_path), progress=broken).wait()


def test_a_host_that_is_down_is_named_for_the_remaining_files(server: Server, tmp_path: Path) -> None:
    """After failed requests for the first files, the others fail without a request."""
    plan = plan_of(server, tmp_path, *(f"{number}.tar" for number in range(30)))
    for archive in plan.archives:
        server.script(f"/{archive.path}", Reply(status=503))

    report = get(plan, concurrency=2, errors="report")

    assert len(server.requests) <= 2 * 4 + 2 * 2 + 1
    assert isinstance(report.outcomes[-1].error, ServerUnavailable)
    assert "was not asked for" in str(report.outcomes[-1].error)
