"""Laws of bringing archives: whole or named as failed, resumed by what is proved to be the same, and politely."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import os
import shutil
import socket
import subprocess
import tarfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from servers import Reply, Server, serving

from radar_nb.catalogue import Missing, Plan, RemoteArchive
from radar_nb.download import download, download_async, flaw, read_pages_async
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
from radar_nb.months import Month
from radar_nb.products import product
from radar_nb.transport import Patience
from radar_nb.workspace import Sidecar, part_path, read_sidecar, write_sidecar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from radar_nb.progress import Progress
    from radar_nb.report import Report

MONTH = Month(2020, 6)


def _tar(payload: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("frame")
        member.size = len(payload)
        archive.addfile(member, io.BytesIO(payload))
    return buffer.getvalue()


BODY = _tar(bytes(range(256)) * 2000)
OTHER = _tar(bytes(range(255, -1, -1)) * 2000)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("radar_nb.transport.PATIENCE", Patience(attempts=4, first_wait=0.001, read=10.0))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def _plan(server: Server, folder: Path, *names: str, missing: tuple[Missing, ...] = (), size: int = 1000) -> Plan:
    return Plan(
        product=product("YW"),
        family=product("YW").families[0],
        months=(MONTH,),
        base_url=server.url,
        folder=folder,
        archives=tuple(
            RemoteArchive(path=f"bin/{name}", month=MONTH, typical=size) for name in names or ("a.tar",)
        ),
        missing=missing,
    )


def _get(plan: Plan, **options: object) -> Report:
    return download(plan, progress=False, **options)  # type: ignore[arg-type]


def _leave_part(path: Path, url: str, body: bytes, *, etag: str | None = '"one"', size: int = len(BODY)) -> None:
    path.parent.mkdir(parents=True)
    part_path(path).write_bytes(body)
    write_sidecar(part_path(path), Sidecar(url=url, etag=etag, size=size))


def test_a_file_arrives_whole_with_its_note(server: Server, tmp_path: Path) -> None:
    """What was served lies under the server's path, with a note of what the server said, and nothing else."""
    server.script("/bin/a.tar", Reply(body=BODY))

    report = _get(_plan(server, tmp_path))

    (path,) = report.paths
    note = Sidecar(url=f"{server.url}/bin/a.tar", etag='"one"', last_modified=Reply().modified, size=len(BODY))
    assert path == tmp_path / "bin" / "a.tar"
    assert path.read_bytes() == BODY
    assert read_sidecar(path) == note
    assert {file.name for file in path.parent.iterdir()} == {"a.tar", "a.tar.meta.json"}
    assert [(o.state, o.bytes, o.retries) for o in report.outcomes] == [("done", len(BODY), 0)]


def test_the_folder_may_be_another(server: Server, tmp_path: Path) -> None:
    """A folder named in the call takes the place of the plan's."""
    server.script("/bin/a.tar", Reply(body=BODY))

    report = _get(_plan(server, tmp_path / "plan"), folder=tmp_path / "call")

    assert report.paths == (tmp_path / "call" / "bin" / "a.tar",)
    assert not (tmp_path / "plan").exists()


def test_the_client_names_itself_and_wants_plain_bytes(server: Server, tmp_path: Path) -> None:
    """A request carries the program's name and version and asks for no encoding."""
    server.script("/bin/a.tar", Reply(body=BODY))

    _get(_plan(server, tmp_path))

    (request,) = server.requests
    assert request.headers["User-Agent"].startswith("radar_nb/0.")
    assert request.headers["Accept-Encoding"] == "identity"


def test_bytes_are_kept_as_sent_whatever_the_encoding_says(server: Server, tmp_path: Path) -> None:
    """A server that calls a .gz file gzip-encoded does not get it decompressed."""
    body = gzip.compress(b"frame")
    server.script("/bin/a.gz", Reply(body=body, headers={"Content-Encoding": "gzip"}))

    report = _get(_plan(server, tmp_path, "a.gz"))

    assert report.paths[0].read_bytes() == body


def test_no_more_requests_at_once_than_allowed(server: Server, tmp_path: Path) -> None:
    """Of many files, so many are fetched at a time as the caller allows, and all arrive in the plan's order."""
    names = [f"{number}.tar" for number in range(20)]
    for name in names:
        server.script(f"/bin/{name}", Reply(body=BODY))

    report = _get(_plan(server, tmp_path, *names), concurrency=3)

    assert [path.name for path in report.paths] == names
    assert 1 <= server.most_at_once <= 3


def test_a_whole_file_is_kept_without_a_request(server: Server, tmp_path: Path) -> None:
    """What is there whole is not asked for again, and nothing needs the network then."""
    server.script("/bin/a.tar", Reply(body=BODY))
    plan = _plan(server, tmp_path)
    _get(plan)

    report = _get(plan)

    assert [o.state for o in report.outcomes] == ["kept"]
    assert report.paths == (tmp_path / "bin" / "a.tar",)
    assert len(server.requests) == 1


def test_a_file_cut_short_by_other_hands_is_fetched_again(server: Server, tmp_path: Path) -> None:
    """A file that is shorter than its note says is not taken for whole."""
    server.script("/bin/a.tar", Reply(body=BODY))
    plan = _plan(server, tmp_path)
    path = _get(plan).paths[0]
    path.write_bytes(BODY[:100])

    report = _get(plan)

    assert [o.state for o in report.outcomes] == ["done"]
    assert path.read_bytes() == BODY


def test_overwrite_fetches_again_from_the_first_byte(server: Server, tmp_path: Path) -> None:
    """With overwrite neither a whole file nor a part spares a byte."""
    server.script("/bin/a.tar", Reply(body=BODY), Reply(body=OTHER))
    plan = _plan(server, tmp_path)
    path = _get(plan).paths[0]
    part_path(path).write_bytes(BODY[:1000])
    write_sidecar(part_path(path), Sidecar(url=plan.url(plan.archives[0]), etag='"one"', size=len(BODY)))

    report = _get(plan, overwrite=True)

    assert [(o.state, o.bytes) for o in report.outcomes] == [("done", len(OTHER))]
    assert path.read_bytes() == OTHER
    assert "Range" not in server.requests[-1].headers


def test_refresh_keeps_what_has_not_changed(server: Server, tmp_path: Path) -> None:
    """With refresh the server is asked, and its 304 keeps the file."""
    server.script("/bin/a.tar", Reply(body=BODY))
    plan = _plan(server, tmp_path)
    _get(plan)

    report = _get(plan, refresh=True)

    assert [(o.state, o.bytes) for o in report.outcomes] == [("kept", 0)]
    assert server.requests[-1].headers["If-None-Match"] == '"one"'


def test_refresh_brings_what_has_changed(server: Server, tmp_path: Path) -> None:
    """With refresh a file that has another ETag on the server is replaced, and so is its note."""
    server.script("/bin/a.tar", Reply(body=BODY), Reply(body=OTHER, etag='"two"'))
    plan = _plan(server, tmp_path)
    _get(plan)

    report = _get(plan, refresh=True)

    (path,) = report.paths
    note = read_sidecar(path)
    assert path.read_bytes() == OTHER
    assert note is not None
    assert note.etag == '"two"'


def test_a_broken_body_is_continued_where_it_broke(server: Server, tmp_path: Path) -> None:
    """A connection that breaks in the middle costs no byte that has arrived."""
    server.script("/bin/a.tar", Reply(body=BODY, cut=200_000), Reply(body=BODY))

    report = _get(_plan(server, tmp_path))

    assert report.paths[0].read_bytes() == BODY
    assert [(o.state, o.bytes, o.retries) for o in report.outcomes] == [("done", len(BODY), 1)]
    assert server.requests[1].headers["Range"] == "bytes=200000-"
    assert server.requests[1].headers["If-Range"] == '"one"'


def test_a_body_that_breaks_often_but_grows_arrives(server: Server, tmp_path: Path) -> None:
    """Attempts that bring new bytes do not count against the patience."""
    cuts = [Reply(body=BODY, cut=20_000)] * 12
    server.script("/bin/a.tar", *cuts, Reply(body=BODY))

    report = _get(_plan(server, tmp_path))

    assert report.paths[0].read_bytes() == BODY
    assert report.outcomes[0].retries == 12


def test_a_part_of_an_earlier_call_is_continued(server: Server, tmp_path: Path) -> None:
    """What an earlier call left is not fetched again, and the report says so."""
    server.script("/bin/a.tar", Reply(body=BODY))
    plan = _plan(server, tmp_path)
    path = plan.local(plan.archives[0])
    _leave_part(path, plan.url(plan.archives[0]), BODY[:300_000])

    report = _get(plan)

    assert [(o.state, o.bytes) for o in report.outcomes] == [("resumed", len(BODY) - 300_000)]
    assert path.read_bytes() == BODY


def test_a_complete_part_only_gets_its_name(server: Server, tmp_path: Path) -> None:
    """A call that ended between the last byte and the name costs no request."""
    plan = _plan(server, tmp_path)
    path = plan.local(plan.archives[0])
    _leave_part(path, plan.url(plan.archives[0]), BODY)

    report = _get(plan)

    assert [(o.state, o.bytes) for o in report.outcomes] == [("resumed", 0)]
    assert path.read_bytes() == BODY
    assert server.requests == []


@pytest.mark.parametrize(
    ("part", "etag", "replies"),
    [
        pytest.param(OTHER[:300_000], '"old"', [Reply(body=BODY)], id="changed file"),
        pytest.param(BODY[:300_000], '"one"', [Reply(body=BODY, ranges=False)], id="no ranges"),
        pytest.param(OTHER[:300_000], None, [Reply(body=BODY)], id="no validator"),
        pytest.param(OTHER[:300_000], 'W/"one"', [Reply(body=BODY)], id="weak validator"),
        pytest.param(BODY + b"more", '"one"', [Reply(body=BODY)], id="part too long"),
        pytest.param(
            OTHER[:300_000],
            '"one"',
            [Reply(body=BODY, headers={"ETag": '"two"'}), Reply(body=BODY)],
            id="206 of another file",
        ),
        pytest.param(
            BODY[:300_000],
            '"one"',
            [Reply(body=BODY, headers={"Content-Range": "bytes 5-9/10"}), Reply(body=BODY)],
            id="wrong Content-Range",
        ),
        pytest.param(BODY[:300_000], '"one"', [Reply(status=416), Reply(body=BODY)], id="416"),
    ],
)
def test_a_part_that_cannot_be_trusted_is_begun_anew(
    server: Server, tmp_path: Path, part: bytes, etag: str | None, replies: list[Reply]
) -> None:
    """Bytes of two versions of a file are never joined."""
    server.script("/bin/a.tar", *replies)
    plan = _plan(server, tmp_path)
    path = plan.local(plan.archives[0])
    _leave_part(path, plan.url(plan.archives[0]), part, etag=etag)

    report = _get(plan)

    assert path.read_bytes() == BODY
    assert report.outcomes[0].state == "done"


def test_a_part_of_another_server_is_begun_anew(server: Server, tmp_path: Path) -> None:
    """A part belongs to the address that it came from."""
    server.script("/bin/a.tar", Reply(body=BODY))
    plan = _plan(server, tmp_path)
    path = plan.local(plan.archives[0])
    _leave_part(path, "http://elsewhere/bin/a.tar", OTHER[:300_000])

    _get(plan)

    assert path.read_bytes() == BODY


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_passing_fault_is_tried_again(server: Server, tmp_path: Path, status: int) -> None:
    """An overloaded server is asked again, and the retries are reported."""
    server.script("/bin/a.tar", Reply(status=status), Reply(status=status), Reply(body=BODY))

    report = _get(_plan(server, tmp_path))

    assert report.outcomes[0].retries == 2
    assert report.paths[0].read_bytes() == BODY


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (Reply(status=404), (NotOnServer, "is not on the server .404", 1)),
        (Reply(status=410), (NotOnServer, "is not on the server .410", 1)),
        (Reply(status=403), (Refused, "refuses .*403", 1)),
        (Reply(status=503), (ServerUnavailable, "answers 503 .* again and again", 4)),
        (Reply(status=503, headers={"Retry-After": "3600"}), (ServerUnavailable, "left alone for 3600 s", 1)),
        (Reply(body=BODY, cut=0), (ServerUnavailable, "broke during .* goes on where it stopped", 4)),
        (Reply(status=200, body=b""), (NotAnArchive, "an empty file", 1)),
        (Reply(body=b"<html>Login"), (NotAnArchive, "a web page that begins '<html>Login'", 1)),
        (Reply(body=gzip.compress(b"x")), (NotAnArchive, "no .tar file but one that begins", 1)),
        (Reply(status=302, headers={"Location": "/bin/a.tar"}), (Refused, "leads nowhere .TooManyRedirects", 10)),
    ],
)
def test_a_lasting_fault_has_a_name(
    server: Server, tmp_path: Path, reply: Reply, expected: tuple[type[Exception], str, int]
) -> None:
    """What does not arrive raises an error that says why, after as many requests as that fault deserves."""
    error, text, requests = expected
    server.script("/bin/a.tar", reply)

    with pytest.raises(error, match=text):
        _get(_plan(server, tmp_path))

    assert len(server.requests) == requests
    assert not (tmp_path / "bin" / "a.tar").exists()


def test_retry_after_is_obeyed(server: Server, tmp_path: Path) -> None:
    """The next request does not come before the moment that the server named."""
    server.script("/bin/a.tar", Reply(status=429, headers={"Retry-After": "1"}), Reply(body=BODY))
    begin = time.monotonic()

    _get(_plan(server, tmp_path))

    assert time.monotonic() - begin >= 1.0


def test_silence_becomes_a_timeout(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stops in the middle of a body is given up, and what came stays for the next call."""
    monkeypatch.setattr("radar_nb.transport.PATIENCE", Patience(attempts=2, first_wait=0.001, read=0.2))
    silence = threading.Event()
    server.script("/bin/a.tar", *(Reply(body=BODY, cut=cut, stall=silence) for cut in (100_000, 0)))

    with pytest.raises(TransferTimeout, match=r"sent nothing of .* for 0\.2 s"):
        _get(_plan(server, tmp_path))

    silence.set()
    assert (tmp_path / "bin" / "a.tar.part").stat().st_size == 100_000


def test_a_web_page_does_not_cost_the_part(server: Server, tmp_path: Path) -> None:
    """A network's login page in place of the rest leaves what was fetched before."""
    server.script("/bin/a.tar", Reply(body=b"<html>Please log in</html>", ranges=False), Reply(body=BODY))
    plan = _plan(server, tmp_path)
    path = plan.local(plan.archives[0])
    _leave_part(path, plan.url(plan.archives[0]), BODY[:300_000])
    with pytest.raises(NotAnArchive, match="Please log in"):
        _get(plan)

    report = _get(plan)

    assert report.outcomes[0].bytes == len(BODY) - 300_000
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-server.invalid"])
def test_no_such_server_is_named(tmp_path: Path, host: str) -> None:
    """A server that does not exist or does not listen is named, with what to check."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    plan = _plan(Server(f"http://{host}:{port}"), tmp_path)

    with pytest.raises(ServerUnavailable, match=rf"no connection to {host}.* check the address"):
        _get(plan)


def test_a_server_that_is_down_is_not_hammered(server: Server, tmp_path: Path) -> None:
    """After enough vain requests for the first files, each further one costs a single request."""
    plan = _plan(server, tmp_path, *(f"{number}.tar" for number in range(40)))
    for archive in plan.archives:
        server.script(f"/{archive.path}", Reply(status=503))

    report = _get(plan, concurrency=2, errors="report")

    assert len(report.failed) == 40
    assert len(server.requests) < 40 + 2 * 4 + 4


def test_one_bad_file_does_not_stop_the_others(server: Server, tmp_path: Path) -> None:
    """The files around a failure arrive; the error at the end names all that failed, and holds the report."""
    for name in ("a.tar", "c.tar"):
        server.script(f"/bin/{name}", Reply(body=BODY))
    gap = Missing(month=MONTH, what="2020-06-03", reason="no such file on the server")

    with pytest.raises(
        Incomplete, match=r"(?s)2 of 4 did not succeed.*b\.tar: .*404.*YW 2020-06-03: .*no such file"
    ) as e:
        _get(_plan(server, tmp_path, "a.tar", "b.tar", "c.tar", missing=(gap,)))

    assert [o.state for o in e.value.report.outcomes] == ["done", "failed", "done", "missing"]
    assert isinstance(e.value.report.outcomes[3].error, CoverageError)
    assert [path.read_bytes() for path in e.value.report.paths] == [BODY, BODY]


def test_a_report_can_be_asked_for_instead(server: Server, tmp_path: Path) -> None:
    """With errors="report" nothing is raised, and the same plan can be run again for what failed."""
    server.script("/bin/a.tar", Reply(status=404), Reply(body=BODY))
    plan = _plan(server, tmp_path)

    first, second = _get(plan, errors="report"), _get(plan, errors="report")

    assert [first.outcomes[0].state, second.outcomes[0].state] == ["failed", "done"]


def test_progress_ends_where_it_says(server: Server, tmp_path: Path) -> None:
    """Progress counts the bytes of all files, corrects its total, never far between, and ends at it."""
    server.script("/bin/a.tar", Reply(body=BODY, cut=200_000), Reply(body=BODY))
    server.script("/bin/b.tar", Reply(body=OTHER))
    events: list[Progress] = []
    plan = _plan(server, tmp_path, "a.tar", "b.tar", "gone.tar", size=7_000)

    download(plan, progress=events.append, errors="report")

    assert {(event.task, event.unit) for event in events} == {("download", "B")}
    assert (events[-1].done, events[-1].total) == (len(BODY) + len(OTHER), len(BODY) + len(OTHER))
    assert all(event.total is not None and event.done <= event.total for event in events)
    assert len(events) <= 3 + (len(BODY) + len(OTHER)) / 65536


def test_a_reporter_that_fails_ends_the_call_with_its_own_error(server: Server, tmp_path: Path) -> None:
    """An error of the caller's reporter comes back as it is."""
    server.script("/bin/a.tar", Reply(body=BODY))

    def broken(_: Progress, /) -> None:
        raise LookupError("no bar")

    with pytest.raises(LookupError, match="no bar"):
        download(_plan(server, tmp_path), progress=broken)


def test_cancelling_leaves_a_part_to_go_on_with(server: Server, tmp_path: Path) -> None:
    """A cancelled task leaves what came, closes its connections, and the next call brings only the rest."""
    stalled = threading.Event()
    server.script("/bin/a.tar", Reply(body=BODY, cut=200_000, stall=stalled), Reply(body=BODY))
    plan = _plan(server, tmp_path)

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
    report = _get(plan)

    assert 0 < begun <= 200_000
    assert [(o.state, o.bytes) for o in report.outcomes] == [("resumed", len(BODY) - begun)]
    assert report.paths[0].read_bytes() == BODY


def test_space_is_checked_before_the_first_byte(server: Server, tmp_path: Path) -> None:
    """What cannot fit is refused with numbers before the server hears of it."""
    with pytest.raises(DiskFull, match=r"cannot download 1 files: 1000000\.0 TB are needed"):
        _get(_plan(server, tmp_path, size=10**18))

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


def test_a_disk_that_fills_up_ends_the_call(server: Server, small_disk: Path) -> None:
    """A full disk during a write is named, no further file is asked for, and what was written stays."""
    names = [f"{number}.tar" for number in range(6)]
    for name in names:
        server.script(f"/bin/{name}", Reply(body=BODY))

    report = _get(_plan(server, small_disk, *names), concurrency=1, errors="report")

    assert [o.state for o in report.outcomes] == ["failed", *["cancelled"] * 5]
    assert all(isinstance(o.error, DiskFull) for o in report.outcomes)
    assert len(server.requests) == 1
    assert part_path(small_disk / "bin" / "0.tar").stat().st_size > 0


def test_a_file_where_a_folder_should_be(server: Server, tmp_path: Path) -> None:
    """A data folder that is a file is named before the server hears of it."""
    (tmp_path / "data").write_bytes(b"")

    with pytest.raises(StorageError, match=r"data cannot be written .*choose another folder"):
        _get(_plan(server, tmp_path / "data"))

    assert server.requests == []


def test_a_folder_without_write_permission(server: Server, tmp_path: Path) -> None:
    """A folder that may not be written is named before the server hears of it."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):  # root may write anywhere but where the kernel forbids it
        folder = Path("/sys/kernel")
    if not folder.is_dir():
        pytest.skip("this user may write everywhere")

    with pytest.raises(NotWritable, match=r"may not be written .*choose another folder"):
        _get(_plan(server, folder))

    assert server.requests == []


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("a.tar", BODY[:512]),
        ("a.tar.gz", gzip.compress(b"x")),
        ("a.gz", gzip.compress(b"x")),
        ("a.tar.bz2", bz2.compress(b"x")),
        ("a.hdf5", b"\x89HDF\r\n\x1a\nmore"),
        ("frame---bin", b"YW131525"),
    ],
)
def test_first_bytes_that_suit_their_name(name: str, head: bytes) -> None:
    """A file that is what its name says has no flaw."""
    assert flaw(name, head) is None


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.bz2", "a.hdf5"])
def test_first_bytes_that_do_not_suit_their_name(name: str) -> None:
    """A web page under any archive's name is told from an archive."""
    assert flaw(name, b"\n<!DOCTYPE html>") == "a web page that begins '<!DOCTYPE html>'"


def test_pages_are_read_as_text(server: Server) -> None:
    """Listings come back by their address, None where there is none, and a passing fault is tried again."""
    server.script("/a/", Reply(status=503), Reply(body=b'<a href="../">\xc3\xbc</a>'))
    urls = [f"{server.url}/a/", f"{server.url}/b/"]

    pages = asyncio.run(read_pages_async(urls))

    assert pages == {urls[0]: '<a href="../">ü</a>', urls[1]: None}


def test_a_page_that_does_not_arrive_raises(server: Server) -> None:
    """A listing that cannot be had is an error, not an empty folder."""
    server.script("/a/", Reply(status=403))

    with pytest.raises(Refused, match=r"refuses .*/a/"):
        asyncio.run(read_pages_async([f"{server.url}/a/"]))
