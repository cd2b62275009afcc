"""Downloads with faults: every fault raises its own error, with the fewest requests and no loss of data."""

from __future__ import annotations

import asyncio
import gzip
import os
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.plans import BODY, MONTH, get, leave_part, plan_of
from support.servers import Reply, Server, serving

from radar_nb.dwd.catalogue import Missing
from radar_nb.errors import (
    CoverageError,
    DiskFull,
    Incomplete,
    NotAnArchive,
    NotOnServer,
    NotWritable,
    Refused,
    ServerUnavailable,
    StorageError,
    TransferTimeout,
)
from radar_nb.fetch.downloading import download, download_async
from radar_nb.fetch.http import Patience
from radar_nb.fetch.planning import read_pages_async
from radar_nb.runtime.files import part_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from radar_nb.runtime.progress import Progress


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radar_nb.fetch.http.PATIENCE", Patience(attempts=4, first_wait=0.001, read=10.0))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_passing_fault_is_retried(server: Server, tmp_path: Path, status: int) -> None:
    """A request to an overloaded server is repeated, and the report counts the retries."""
    server.script("/bin/a.tar", Reply(status=status), Reply(status=status), Reply(body=BODY))

    report = get(plan_of(server, tmp_path))

    assert report.outcomes[0].retries == 2
    assert report.paths[0].read_bytes() == BODY


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(status=404), (NotOnServer, "is not on the server .404", 1)),
        (Reply(status=410), (NotOnServer, "is not on the server .410", 1)),
        (Reply(status=403), (Refused, "refuses .*403", 1)),
        (Reply(status=503), (ServerUnavailable, "repeatedly answers 503", 4)),
        (
            Reply(status=503, headers={"Retry-After": "3600"}),
            (ServerUnavailable, "not to be asked again for 3600 s", 1),
        ),
        (Reply(body=BODY, cut=0), (ServerUnavailable, "broke during .* resumes where it stopped", 4)),
        (Reply(status=200, body=b""), (NotAnArchive, "an empty file", 1)),
        (Reply(body=b"<html>Login"), (NotAnArchive, "a web page that begins '<html>Login'", 1)),
        (Reply(body=gzip.compress(b"x")), (NotAnArchive, "not a .tar file but one that begins", 1)),
        (Reply(status=302, headers={"Location": "/bin/a.tar"}), (Refused, "cannot be fetched .5 redirects", 6)),
    ],
)
def test_a_lasting_fault_raises_its_error(
    server: Server, tmp_path: Path, reply: Reply, expected: tuple[type[Exception], str, int]
) -> None:
    """A failed download raises an error that states the reason, after the number of requests set for it."""
    error, text, requests = expected
    server.script("/bin/a.tar", reply)

    with pytest.raises(error, match=text):
        get(plan_of(server, tmp_path))

    assert len(server.requests) == requests
    assert not (tmp_path / "bin" / "a.tar").exists()


def test_retry_after_is_obeyed(server: Server, tmp_path: Path) -> None:
    """The next request is not sent before the time that the server stated."""
    server.script("/bin/a.tar", Reply(status=429, headers={"Retry-After": "1"}), Reply(body=BODY))
    begin = time.monotonic()

    get(plan_of(server, tmp_path))

    assert time.monotonic() - begin >= 1.0


def test_a_stalled_body_times_out(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that stops midway times out, and the received bytes are kept for the next call."""
    monkeypatch.setattr("radar_nb.fetch.http.PATIENCE", Patience(attempts=2, first_wait=0.001, read=0.2))
    silence = threading.Event()
    server.script("/bin/a.tar", *(Reply(body=BODY, cut=cut, stall=silence) for cut in (100_000, 0)))

    with pytest.raises(TransferTimeout, match=r"sent nothing usable of .* for 0\.2 s"):
        get(plan_of(server, tmp_path))

    silence.set()
    assert (tmp_path / "bin" / "a.tar.part").stat().st_size == 100_000


def test_a_web_page_does_not_cost_the_part(server: Server, tmp_path: Path) -> None:
    """A network's login page instead of the rest keeps the bytes fetched before."""
    server.script("/bin/a.tar", Reply(body=b"<html>Please log in</html>", ranges=False), Reply(body=BODY))
    plan = plan_of(server, tmp_path)
    path = plan.local(plan.archives[0])
    leave_part(path, plan.url(plan.archives[0]), BODY[:300_000])
    with pytest.raises(NotAnArchive, match="Please log in"):
        get(plan)

    report = get(plan)

    assert report.outcomes[0].bytes == len(BODY) - 300_000
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-server.invalid"])
def test_an_unreachable_server_is_named(tmp_path: Path, host: str) -> None:
    """The error for a server that does not exist or does not listen names it and what to check."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    plan = plan_of(Server(f"http://{host}:{port}"), tmp_path)

    with pytest.raises(ServerUnavailable, match=rf"no connection to {host}"):
        get(plan)


def test_a_server_that_is_down_gets_few_requests(server: Server, tmp_path: Path) -> None:
    """After enough failed requests for the first files, each further file costs one request."""
    plan = plan_of(server, tmp_path, *(f"{number}.tar" for number in range(40)))
    for archive in plan.archives:
        server.script(f"/{archive.path}", Reply(status=503))

    report = get(plan, concurrency=2, errors="report")

    assert len(report.failed) == 40
    assert len(server.requests) < 40 + 2 * 4 + 4


def test_one_bad_file_does_not_stop_the_others(server: Server, tmp_path: Path) -> None:
    """Other files are downloaded; the error at the end names all failures and holds the report."""
    for name in ("a.tar", "c.tar"):
        server.script(f"/bin/{name}", Reply(body=BODY))
    gap = Missing(month=MONTH, what="2020-06-03", reason="no such file on the server")

    with pytest.raises(
        Incomplete, match=r"(?s)2 of 4 did not succeed.*b\.tar: .*404.*YW 2020-06-03: .*no such file"
    ) as e:
        get(plan_of(server, tmp_path, "a.tar", "b.tar", "c.tar", missing=(gap,)))

    assert [o.state for o in e.value.report.outcomes] == ["done", "failed", "done", "missing"]
    assert isinstance(e.value.report.outcomes[3].error, CoverageError)
    assert [path.read_bytes() for path in e.value.report.paths] == [BODY, BODY]


def test_errors_can_be_reported_instead(server: Server, tmp_path: Path) -> None:
    """With errors="report" nothing is raised, and the same plan can be run again for the failures."""
    server.script("/bin/a.tar", Reply(status=404), Reply(body=BODY))
    plan = plan_of(server, tmp_path)

    first, second = get(plan, errors="report"), get(plan, errors="report")

    assert [first.outcomes[0].state, second.outcomes[0].state] == ["failed", "done"]


def test_an_error_of_the_reporter_ends_the_call(server: Server, tmp_path: Path) -> None:
    """An error raised by the caller's reporter is raised unchanged."""
    server.script("/bin/a.tar", Reply(body=BODY))

    def broken(_: Progress, /) -> None:
        raise LookupError("no bar")

    with pytest.raises(LookupError, match="no bar"):
        download(plan_of(server, tmp_path), progress=broken)


def test_a_cancelled_download_can_be_resumed(server: Server, tmp_path: Path) -> None:
    """A cancelled task keeps the received bytes and closes its connections; the next call fetches the rest."""
    stalled = threading.Event()
    server.script("/bin/a.tar", Reply(body=BODY, cut=200_000, stall=stalled), Reply(body=BODY))
    plan = plan_of(server, tmp_path)

    async def cancel_in_the_middle() -> None:
        arrived = asyncio.Event()
        enough = 200_000 - 65_536
        task = asyncio.create_task(
            download_async(plan, progress=lambda event: arrived.set() if event.done >= enough else None)
        )
        await arrived.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel_in_the_middle())
    stalled.set()
    begun = part_path(tmp_path / "bin" / "a.tar").stat().st_size
    report = get(plan)

    assert 0 < begun <= 200_000
    assert [(o.state, o.bytes) for o in report.outcomes] == [("resumed", len(BODY) - begun)]
    assert report.paths[0].read_bytes() == BODY


def test_space_is_checked_before_the_first_byte(server: Server, tmp_path: Path) -> None:
    """A download that does not fit raises an error with numbers before any request."""
    with pytest.raises(DiskFull, match=r"cannot download 1 files: 1000000\.0 TB are needed"):
        get(plan_of(server, tmp_path, size=10**18))

    assert server.requests == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.name != "posix":
        pytest.skip("needs mount")
    made = subprocess.run(  # noqa: S603 - our own words
        [mount, "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)  # noqa: S603, S607 - beside mount


def test_a_full_disk_ends_the_call(server: Server, small_disk: Path) -> None:
    """A full disk during a write raises, no further file is requested, and written bytes are kept."""
    names = [f"{number}.tar" for number in range(6)]
    for name in names:  # of unknown size: else it would be refused before the first byte
        server.script(f"/bin/{name}", Reply(body=BODY, headers={"Content-Length": ""}))

    report = get(plan_of(server, small_disk, *names), concurrency=1, errors="report")

    assert {o.state for o in report.outcomes} == {"failed", "cancelled"}
    assert all(isinstance(o.error, DiskFull) for o in report.outcomes)
    assert len(server.requests) < len(names)
    assert part_path(small_disk / "bin" / "0.tar").stat().st_size > 0


def test_a_file_instead_of_the_folder_raises(server: Server, tmp_path: Path) -> None:
    """A data folder that is a file raises before any request."""
    (tmp_path / "data").write_bytes(b"")

    with pytest.raises(StorageError, match=r"data cannot be written .*choose another folder"):
        get(plan_of(server, tmp_path / "data"))

    assert server.requests == []


def test_a_folder_without_write_permission_raises(server: Server, tmp_path: Path) -> None:
    """A folder that is not writable raises before any request."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):  # root may write anywhere but where the kernel forbids it
        folder = Path("/sys/kernel")
    if not folder.is_dir():
        pytest.skip("this user may write everywhere")

    with pytest.raises(NotWritable, match=r"no permission to write .*choose another folder"):
        get(plan_of(server, folder))

    assert server.requests == []


def test_a_missing_page_raises(server: Server) -> None:
    """A listing that cannot be fetched is an error, not an empty folder."""
    server.script("/a/", Reply(status=403))

    with pytest.raises(Refused, match=r"refuses .*/a/"):
        asyncio.run(read_pages_async([f"{server.url}/a/"]))
