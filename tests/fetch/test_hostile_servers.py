"""Malicious servers: every lie ends in an error of ours, after a bounded number of requests."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.hostile_servers import (
    END,
    LISTING,
    changing,
    endless_chunk_extension,
    endless_continue,
    endless_headers,
    hostile,
    ok,
    packed,
    redirecting,
    row,
    trickled,
)
from support.plans import BODY, get, plan_of
from support.servers import Server

import radar_nb as rn
from radar_nb.errors import RadarNbError, Refused, ServerUnavailable, TransferTimeout
from radar_nb.fetch.http import Patience
from radar_nb.fetch.planning import read_pages_async

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from support.hostile_servers import Script

ROWS = b"".join(row(f"YW2017.002_2020{month:02d}.tar") for month in range(1, 13))
WHOLE = LISTING + ROWS + END


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = Patience(attempts=3, first_wait=0.001, connect=0.3, read=0.3, slowest=1000.0, window=0.2)
    monkeypatch.setattr("radar_nb.fetch.http.PATIENCE", patience)


def page(script: Script) -> tuple[str | None, int]:
    with hostile(script) as server:
        return asyncio.run(read_pages_async([f"{server.url}/a/"]))[f"{server.url}/a/"], server.requests


def fails(script: Script, tmp_path: Path, error: type[Exception], text: str) -> int:
    """Download one file from such a server, check its error, and return the number of requests."""
    with hostile(script) as server:
        with pytest.raises(error, match=text):
            get(plan_of(Server(server.url), tmp_path))
        return server.requests


CUT = {
    "no length": ok(WHOLE[:-400], length=False),
    "no length, after a row": ok(LISTING + ROWS, length=False),
    "packed and cut": packed(WHOLE, cut=10),
    "packed, of a cut page": packed(WHOLE[:-400]),
    "an unrequested part": ok(LISTING + ROWS + END).replace(
        b"200 OK", b"206 Partial\r\nContent-Range: bytes 0-99/9000"
    ),
    "shorter than stated": ok(WHOLE).removesuffix(END),
}


@pytest.mark.parametrize("answer", CUT.values(), ids=CUT)
def test_a_truncated_listing_is_requested_again(answer: bytes) -> None:
    """The second response is used, whatever cut the first: in HTTP a closed connection may be an end."""
    text, requests = page(lambda _, number: [answer if number == 0 else ok(WHOLE)])

    assert text == WHOLE.decode()
    assert requests == 2


@pytest.mark.parametrize("answer", CUT.values(), ids=CUT)
def test_a_listing_that_is_always_cut_fails(answer: bytes) -> None:
    """A few rows are never mistaken for the whole listing."""
    with pytest.raises(ServerUnavailable, match="/a/"):
        page(lambda *_: [answer])


@pytest.mark.parametrize("answer", [ok(WHOLE, length=False), packed(WHOLE), ok(LISTING + END)])
def test_a_listing_with_its_last_tag_is_complete(answer: bytes) -> None:
    """The last tag counts: without a length, with a content encoding, or for an empty folder."""
    text, requests = page(lambda *_: [answer])

    assert (text or "").endswith("</html>\r\n")
    assert requests == 1


def test_a_listing_larger_than_any_of_dwd_is_refused() -> None:
    """A listing is refused also if it inflates from a few kilobytes; nothing is cut off silently."""
    bomb = packed(LISTING + b" " * (33 << 20) + END)

    with pytest.raises(Refused, match=r"more than 33,554,432 bytes, more than any such file of DWD"):
        page(lambda *_: [bomb])


def test_a_sync_from_a_cut_listing_reports_no_file_as_gone(tmp_path: Path) -> None:
    """The months after the cut are not "no longer on the server"."""
    with hostile(lambda *_: [CUT["no length"]]) as server, pytest.raises(ServerUnavailable, match="cut short"):
        rn.sync_plan("YW", "2020-01", "2020-12", folder=tmp_path, base_url=server.url)


@pytest.mark.parametrize(
    "location",
    ["//[::1", "http://[", "http://\xff\xfe", "//127.0.0.1:99999999/", "http://a:b@[/", "//\x01", "http:"],
)
def test_a_malformed_redirect_fails_only_its_file(tmp_path: Path, location: str) -> None:
    """No ValueError of a parser escapes a call with errors="report"."""
    with hostile(redirecting(location)) as server:
        report = get(plan_of(Server(server.url), tmp_path), errors="report")

    assert [outcome.state for outcome in report.outcomes] == ["failed"]
    assert isinstance(report.outcomes[0].error, RadarNbError)


SLOW: dict[str, Callable[[], Iterable[bytes]]] = {
    "a header now and then": endless_headers,
    "a byte now and then": lambda: trickled(BODY),
    "an endless chunk extension": endless_chunk_extension,
    "endless 100 Continue": endless_continue,
}


@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW)
def test_a_slow_response_is_abandoned(script: Callable[[], Iterable[bytes]], tmp_path: Path) -> None:
    """One deadline covers the head and the first bytes, and useless bytes do not extend it."""
    requests = fails(lambda *_: script(), tmp_path, RadarNbError, "sent (nothing usable|less than)|broke during")

    assert requests <= 4


def test_a_trickle_from_the_first_byte_is_too_slow(tmp_path: Path) -> None:
    """The minimum speed counts from the body's first byte."""
    fails(lambda *_: trickled(BODY), tmp_path, TransferTimeout, "sent less than 1000 bytes per second")


def test_a_listing_that_trickles_is_too_slow() -> None:
    """The minimum speed holds for listings as for files: after three attempts, none of which is endless."""
    with pytest.raises(TransferTimeout, match="sent less than 1000 bytes per second"):
        page(lambda *_: trickled(1000 * WHOLE))


def test_a_file_that_changes_with_each_answer_is_given_up(tmp_path: Path) -> None:
    """One more byte under another ETag does not count as progress: the number of requests is bounded."""
    requests = fails(changing(BODY), tmp_path, ServerUnavailable, "restarted 4 times.*run the same call again")

    assert requests <= 5


def test_one_byte_more_with_each_answer_is_bounded(tmp_path: Path) -> None:
    """A server that breaks each response after one new byte is not asked for every byte of the file."""

    def broken(head: bytes, _: int) -> list[bytes]:
        asked = head.partition(b"Range: bytes=")[2].partition(b"-")[0]
        start = int(asked or 0)
        span = f"Content-Range: bytes {start}-{len(BODY) - 1}/{len(BODY)}\r\n" if start else ""
        status = "206 Partial Content" if start else "200 OK"
        answer = f'HTTP/1.1 {status}\r\nETag: "one"\r\n{span}Content-Length: {len(BODY) - start}\r\n\r\n'
        return [answer.encode() + BODY[start : start + (1 if start else 1000)]]

    assert fails(broken, tmp_path, ServerUnavailable, "ended after|broke during") <= 20


def test_control_characters_of_a_server_do_not_reach_the_terminal(tmp_path: Path) -> None:
    """A reason phrase that would set the window's title is printed without its escapes."""
    answer = b"HTTP/1.1 403 \x1b]0;owned\x07No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    with hostile(lambda *_: [answer]) as server:
        report = get(plan_of(Server(server.url), tmp_path), errors="report")

    shown = f"{report.outcomes[0].error} {report} {report._repr_html_()}"
    assert "owned" in shown
    assert not {"\x1b", "\x07"} & set(shown)


def test_no_network_is_one_sentence(tmp_path: Path) -> None:
    """A script's traceback is short, and its last line names the host, the reason and what to check."""
    code = (
        "import radar_nb as rn\n"
        "import radar_nb.fetch.http as http\n"
        "http.PATIENCE = http.Patience(first_wait=0.001)\n"
        f"rn.load('YW', '2025-03', source='radolan', folder={str(tmp_path)!r}, base_url='http://127.0.0.1:9')"
    )

    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)  # noqa: S603

    lines = run.stderr.splitlines()
    assert lines[-1].startswith("radar_nb.errors.ServerUnavailable: no connection to 127.0.0.1:9 (")
    assert "check the network" in lines[-1]
    assert len(lines) <= 12
