"""Downloading archives: complete, with notes, and resumed only if the server proves that it has the same file."""

from __future__ import annotations

import asyncio
import bz2
import gzip
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from support.plans import BODY, OTHER, get, leave_part, plan_of
from support.servers import Reply, Server, serving

from radar_nb.errors import SettingsError
from radar_nb.fetch.downloading import download, start
from radar_nb.fetch.http import Patience
from radar_nb.fetch.planning import read_pages_async
from radar_nb.fetch.transfer import flaw
from radar_nb.runtime.files import Sidecar, part_path, read_sidecar, write_sidecar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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


def test_a_file_arrives_with_its_note(server: Server, tmp_path: Path) -> None:
    """The data folder holds the file under the server's path, its note, and nothing else."""
    server.script("/bin/a.tar", Reply(body=BODY))

    report = get(plan_of(server, tmp_path))

    (path,) = report.paths
    note = Sidecar(url=f"{server.url}/bin/a.tar", etag='"one"', last_modified=Reply().modified, size=len(BODY))
    assert path == tmp_path / "bin" / "a.tar"
    assert path.read_bytes() == BODY
    assert read_sidecar(path) == note
    assert {file.name for file in path.parent.iterdir()} == {"a.tar", "a.tar.meta.json"}
    assert [(o.state, o.bytes, o.retries) for o in report.outcomes] == [("done", len(BODY), 0)]


def test_the_folder_can_be_overridden(server: Server, tmp_path: Path) -> None:
    """A folder passed to the call replaces the plan's."""
    server.script("/bin/a.tar", Reply(body=BODY))

    report = get(plan_of(server, tmp_path / "plan"), folder=tmp_path / "call")

    assert report.paths == (tmp_path / "call" / "bin" / "a.tar",)
    assert not (tmp_path / "plan").exists()


def test_the_client_names_itself_and_wants_plain_bytes(server: Server, tmp_path: Path) -> None:
    """A request states the program's name and version and asks for no encoding."""
    server.script("/bin/a.tar", Reply(body=BODY))

    get(plan_of(server, tmp_path))

    (request,) = server.requests
    assert request.headers["User-Agent"].startswith("radar_nb/0.")
    assert request.headers["Accept-Encoding"] == "identity"


def test_the_environments_proxy_is_used(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests go to the proxy that the environment names."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    server.script("http://data.invalid/bin/a.tar", Reply(body=BODY))

    report = get(replace(plan_of(server, tmp_path), base_url="http://data.invalid"))

    assert report.paths[0].read_bytes() == BODY


def test_bytes_are_kept_as_sent_for_any_encoding_header(server: Server, tmp_path: Path) -> None:
    """A .gz file that the server labels as gzip-encoded is not decompressed."""
    body = gzip.compress(b"frame")
    server.script("/bin/a.gz", Reply(body=body, headers={"Content-Encoding": "gzip"}))

    report = get(plan_of(server, tmp_path, "a.gz"))

    assert report.paths[0].read_bytes() == body


def test_concurrency_limits_the_requests(server: Server, tmp_path: Path) -> None:
    """At most `concurrency` files are fetched at a time, and all are reported in the plan's order."""
    names = [f"{number}.tar" for number in range(20)]
    for name in names:
        server.script(f"/bin/{name}", Reply(body=BODY))

    report = get(plan_of(server, tmp_path, *names), concurrency=3)

    assert [path.name for path in report.paths] == names
    assert 1 <= server.most_at_once <= 3


def test_a_complete_file_is_kept_without_a_request(server: Server, tmp_path: Path) -> None:
    """A complete file is not requested again, and no network is needed."""
    server.script("/bin/a.tar", Reply(body=BODY))
    plan = plan_of(server, tmp_path)
    get(plan)

    report = get(plan)

    assert [o.state for o in report.outcomes] == ["kept"]
    assert report.paths == (tmp_path / "bin" / "a.tar",)
    assert len(server.requests) == 1


def test_a_file_cut_short_on_disk_is_fetched_again(server: Server, tmp_path: Path) -> None:
    """A file that is shorter than its note states counts as incomplete."""
    server.script("/bin/a.tar", Reply(body=BODY))
    plan = plan_of(server, tmp_path)
    path = get(plan).paths[0]
    path.write_bytes(BODY[:100])

    report = get(plan)

    assert [o.state for o in report.outcomes] == ["done"]
    assert path.read_bytes() == BODY


def test_overwrite_fetches_again_from_the_first_byte(server: Server, tmp_path: Path) -> None:
    """With overwrite neither a complete file nor a part saves a byte."""
    server.script("/bin/a.tar", Reply(body=BODY), Reply(body=OTHER))
    plan = plan_of(server, tmp_path)
    path = get(plan).paths[0]
    part_path(path).write_bytes(BODY[:1000])
    write_sidecar(part_path(path), Sidecar(url=plan.url(plan.archives[0]), etag='"one"', size=len(BODY)))

    report = get(plan, overwrite=True)

    assert [(o.state, o.bytes) for o in report.outcomes] == [("done", len(OTHER))]
    assert path.read_bytes() == OTHER
    assert "Range" not in server.requests[-1].headers


def test_refresh_keeps_unchanged_files(server: Server, tmp_path: Path) -> None:
    """With refresh the server is asked, and its 304 keeps the file."""
    server.script("/bin/a.tar", Reply(body=BODY))
    plan = plan_of(server, tmp_path)
    get(plan)

    report = get(plan, refresh=True)

    assert [(o.state, o.bytes) for o in report.outcomes] == [("kept", 0)]
    assert server.requests[-1].headers["If-None-Match"] == '"one"'


def test_refresh_replaces_changed_files(server: Server, tmp_path: Path) -> None:
    """With refresh a file that has another ETag on the server is replaced, and so is its note."""
    server.script("/bin/a.tar", Reply(body=BODY), Reply(body=OTHER, etag='"two"'))
    plan = plan_of(server, tmp_path)
    get(plan)

    report = get(plan, refresh=True)

    (path,) = report.paths
    note = read_sidecar(path)
    assert path.read_bytes() == OTHER
    assert note is not None
    assert note.etag == '"two"'


def test_a_broken_body_is_continued_where_it_broke(server: Server, tmp_path: Path) -> None:
    """A connection that breaks midway loses no received byte."""
    server.script("/bin/a.tar", Reply(body=BODY, cut=200_000), Reply(body=BODY))

    report = get(plan_of(server, tmp_path))

    assert report.paths[0].read_bytes() == BODY
    assert [(o.state, o.bytes, o.retries) for o in report.outcomes] == [("done", len(BODY), 1)]
    assert server.requests[1].headers["Range"] == "bytes=200000-"
    assert server.requests[1].headers["If-Range"] == '"one"'


def test_attempts_with_progress_do_not_count(server: Server, tmp_path: Path) -> None:
    """Attempts that bring new bytes do not use up the patience."""
    cuts = [Reply(body=BODY, cut=20_000)] * 12
    server.script("/bin/a.tar", *cuts, Reply(body=BODY))

    report = get(plan_of(server, tmp_path))

    assert report.paths[0].read_bytes() == BODY
    assert report.outcomes[0].retries == 12


def test_a_part_of_an_earlier_call_is_continued(server: Server, tmp_path: Path) -> None:
    """Bytes of an earlier call are not fetched again, and the report says so."""
    server.script("/bin/a.tar", Reply(body=BODY))
    plan = plan_of(server, tmp_path)
    path = plan.local(plan.archives[0])
    leave_part(path, plan.url(plan.archives[0]), BODY[:300_000])

    report = get(plan)

    assert [(o.state, o.bytes) for o in report.outcomes] == [("resumed", len(BODY) - 300_000)]
    assert path.read_bytes() == BODY


def test_a_complete_part_is_only_renamed(server: Server, tmp_path: Path) -> None:
    """A call that ended between the last byte and the renaming costs no request."""
    plan = plan_of(server, tmp_path)
    path = plan.local(plan.archives[0])
    leave_part(path, plan.url(plan.archives[0]), BODY)

    report = get(plan)

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
def test_an_unproven_part_is_restarted(
    server: Server, tmp_path: Path, part: bytes, etag: str | None, replies: list[Reply]
) -> None:
    """Bytes of two versions of a file are never joined."""
    server.script("/bin/a.tar", *replies)
    plan = plan_of(server, tmp_path)
    path = plan.local(plan.archives[0])
    leave_part(path, plan.url(plan.archives[0]), part, etag=etag)

    report = get(plan)

    assert path.read_bytes() == BODY
    assert report.outcomes[0].state == "done"


def test_a_rest_shorter_than_stated_is_refused(server: Server, tmp_path: Path) -> None:
    """A 206 whose body ends before the stated size makes no complete file."""
    promise = {"Content-Range": f"bytes 300000-{len(BODY) + 9}/{len(BODY) + 10}"}
    server.script("/bin/a.tar", Reply(body=BODY, headers=promise), Reply(body=BODY))
    plan = plan_of(server, tmp_path)
    path = plan.local(plan.archives[0])
    leave_part(path, plan.url(plan.archives[0]), BODY[:300_000], size=None)

    report = get(plan)

    assert path.read_bytes() == BODY
    assert report.outcomes[0].retries == 1


def test_a_file_of_unknown_size_arrives(server: Server, tmp_path: Path) -> None:
    """A body that ends with its connection is accepted, and progress never exceeds its total."""
    server.script("/bin/a.tar", Reply(body=BODY, headers={"Content-Length": ""}, cut=len(BODY)))
    events: list[Progress] = []

    report = download(plan_of(server, tmp_path), progress=events.append)

    assert report.paths[0].read_bytes() == BODY
    assert all(event.total is not None and event.done <= event.total for event in events)


def test_a_part_of_another_server_is_restarted(server: Server, tmp_path: Path) -> None:
    """A part belongs to the address that it came from."""
    server.script("/bin/a.tar", Reply(body=BODY))
    plan = plan_of(server, tmp_path)
    path = plan.local(plan.archives[0])
    leave_part(path, "http://elsewhere/bin/a.tar", OTHER[:300_000])

    get(plan)

    assert path.read_bytes() == BODY


def test_progress_ends_at_its_total(server: Server, tmp_path: Path) -> None:
    """Progress counts the bytes of all files in small steps, corrects its total, and ends at it."""
    server.script("/bin/a.tar", Reply(body=BODY, cut=200_000), Reply(body=BODY))
    server.script("/bin/b.tar", Reply(body=OTHER))
    events: list[Progress] = []
    plan = plan_of(server, tmp_path, "a.tar", "b.tar", "gone.tar", size=7_000)

    download(plan, progress=events.append, errors="report")

    assert {(event.task, event.unit) for event in events} == {("download", "B")}
    assert (events[-1].done, events[-1].total) == (len(BODY) + len(OTHER), len(BODY) + len(OTHER))
    assert all(event.total is not None and event.done <= event.total for event in events)
    assert len(events) <= 3 + (len(BODY) + len(OTHER)) / 65536


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
    ids=["tar", "tar.gz", "gz", "tar.bz2", "hdf5", "frame"],
)
def test_matching_first_bytes_have_no_flaw(name: str, head: bytes) -> None:
    """A file whose first bytes match its name has no flaw."""
    assert flaw(name, head) is None


@pytest.mark.parametrize("name", ["a.tar", "a.gz", "frame---bin"])
def test_an_empty_file_is_a_flaw(name: str) -> None:
    """A file without a byte matches no name."""
    assert flaw(name, b"") == "an empty file"


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.bz2", "a.hdf5"])
def test_a_web_page_is_a_flaw(name: str) -> None:
    """A web page is recognised under any archive's name."""
    assert flaw(name, b"\n<!DOCTYPE html>") == "a web page that begins '<!DOCTYPE html>'"


def test_pages_are_read_as_text(server: Server) -> None:
    """Listings are returned by address, None for a missing one, and a passing fault is retried."""
    server.script("/a/", Reply(status=503), Reply(body=b'<a href="../">\xc3\xbc</a>'))
    urls = [f"{server.url}/a/", f"{server.url}/b/"]

    pages = asyncio.run(read_pages_async(urls))

    assert pages == {urls[0]: '<a href="../">ü</a>', urls[1]: None}


@pytest.mark.parametrize("begin", [download, start])
def test_a_product_is_not_a_plan(begin: Any) -> None:
    """The error says what to pass instead, before any request."""
    with pytest.raises(SettingsError, match=r"download needs a plan, not 'YW': pass radar_nb\.plan\("):
        begin("YW")
