"""Responses: what each means for a file that is being fetched, and what is requested next."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, get_args

import pytest
from support.servers import MODIFIED

from radar_nb.errors import DownloadError, Refused
from radar_nb.fetch.present import http_time
from radar_nb.fetch.responses import (
    Answer,
    Setback,
    Trouble,
    demanded_wait,
    followed,
    judge,
    request_headers,
    trouble,
)
from radar_nb.runtime.files import Sidecar

if TYPE_CHECKING:
    from radar_nb.fetch.responses import Verdict

NOTE = Sidecar(url="http://x/a.tar", etag='"one"', last_modified=MODIFIED, size=200)
NOW = datetime(2020, 6, 13, 15, 25, tzinfo=UTC)


def answer(status: int, **changes: object) -> Answer:
    fields = {"etag": '"one"', "last_modified": MODIFIED, "start": 100, "size": 200} | changes
    return Answer(status=status, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (answer(200, start=0), "take"),
        (answer(200, start=0, etag='"two"'), "take"),
        (answer(206), "take"),
        (answer(206, etag=None, last_modified=None, size=None), "take"),
        (answer(206, start=99), "restart"),
        (answer(206, start=None), "restart"),
        (answer(206, etag='"two"'), "restart"),
        (answer(206, last_modified="Sat, 13 Jun 2020 15:30:00 GMT"), "restart"),
        (answer(206, size=201), "restart"),
        (answer(416), "restart"),
        (answer(416, size=None), "restart"),
        (answer(416, size=100), "complete"),
        (answer(304), "retry"),
        *((answer(status, location="/b"), "follow") for status in (301, 302, 303, 307, 308)),
        *((answer(status), "retry") for status in (408, 425, 429, 500, 502, 503, 504, 520)),
        *((answer(status), "give up") for status in (204, 300, 301, 400, 401, 403, 404, 410, 451, 501, 505, 511)),
        ("no connection", "retry"),
        ("broken", "retry"),
        ("silent", "retry"),
        ("slow", "retry"),
        ("short", "retry"),
        ("damaged", "restart"),
        ("changed", "restart"),
        ("unsafe", "give up"),
        ("no archive", "give up"),
        ("certificate", "give up"),
        ("nowhere", "give up"),
        ("too large", "give up"),
    ],
)
def test_the_table_of_verdicts(found: Answer | Trouble, verdict: Verdict) -> None:
    """For the bytes from 100 on, each response or trouble has exactly one meaning."""
    assert judge(found, note=NOTE, offset=100) == verdict


@pytest.mark.parametrize("kind", get_args(Trouble))
def test_every_trouble_is_a_setback_or_an_error(kind: Trouble) -> None:
    """No trouble is ignored: it is a setback, or the error itself if another attempt would not help."""
    error = DownloadError("x")

    raised = trouble(kind, error)

    assert raised is error if judge(kind) == "give up" else isinstance(raised, Setback)


@pytest.mark.parametrize(("conditional", "verdict"), [(True, "unchanged"), (False, "retry")])
def test_a_304_requires_a_conditional_request(conditional: bool, verdict: Verdict) -> None:
    """A 304 to an unconditional request is not accepted."""
    assert judge(answer(304), conditional=conditional) == verdict


@pytest.mark.parametrize(
    ("status", "headers", "start", "size"),
    [
        (200, {"Content-Length": "7"}, 0, 7),
        (200, {}, 0, None),
        (200, {"Content-Length": "seven"}, 0, None),
        (206, {"Content-Range": "bytes 5-9/10", "Content-Length": "5"}, 5, 10),
        (206, {"Content-Range": "bytes 5-9/*"}, 5, None),
        (206, {"Content-Range": "lines 5-9/10"}, None, None),
        (206, {"Content-Length": "5"}, None, None),
        (416, {"Content-Range": "bytes */10"}, None, 10),
        (200, {"Content-Length": "-7"}, 0, None),
        (200, {"Content-Length": "9" * 400}, 0, None),
        (206, {"Content-Range": f"bytes 5-9/{'9' * 400}"}, 5, None),
    ],
)
def test_the_head_of_a_response(status: int, headers: dict[str, str], start: int | None, size: int | None) -> None:
    """The offset of the body and the size of the file come only from Content-Length or Content-Range."""
    head = Answer.of(status, headers)

    assert (head.start, head.size) == (start, size)


@pytest.mark.parametrize(
    ("etag", "modified", "expected"),
    [
        ('"one"', MODIFIED, {"Range": "bytes=100-", "If-Range": '"one"'}),
        ('W/"one"', MODIFIED, {"Range": "bytes=100-", "If-Range": MODIFIED}),
        (None, MODIFIED, {"Range": "bytes=100-", "If-Range": MODIFIED}),
        ('W/"one"', None, {}),
        (None, None, {}),
    ],
)
def test_a_part_is_continued_only_under_a_validator(
    etag: str | None, modified: str | None, expected: dict[str, str]
) -> None:
    """The rest of a file is requested under a strong ETag, else a date, else not at all."""
    part = Sidecar(url="http://x/a.tar", etag=etag, last_modified=modified, size=200)

    assert request_headers(part=part, offset=100) == expected


@pytest.mark.parametrize(
    ("etag", "modified", "expected"),
    [
        ('W/"one"', MODIFIED, {"If-None-Match": 'W/"one"'}),
        (None, MODIFIED, {"If-Modified-Since": MODIFIED}),
        (None, None, {}),
    ],
)
def test_a_complete_file_is_requested_if_changed(
    etag: str | None, modified: str | None, expected: dict[str, str]
) -> None:
    """A refresh asks under the ETag, weak or strong, else the date."""
    whole = Sidecar(url="http://x/a.tar", etag=etag, last_modified=modified, size=200)

    assert request_headers(whole=whole) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("120", 120.0),
        ("Sat, 13 Jun 2020 15:26:30 GMT", 90.0),
        ("Sat, 13 Jun 2020 15:00:00 GMT", 0.0),
        ("soon", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_retry_after_values(text: str | None, seconds: float | None) -> None:
    """Retry-After is a number of seconds or a date; past dates and invalid values demand nothing."""
    assert demanded_wait(text, NOW) == seconds


def test_times_that_no_calendar_has_count_as_absent() -> None:
    """A year of twenty digits, or a zone that leads beyond the year 9999, is not an error of Python's."""
    far = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"
    for text in (far, "Fri, 31 Dec 9999 23:59:59 -2359"):
        assert http_time(text) is None
    assert demanded_wait("Sat, 13 Jun 2020 15:26:30 GMT", NOW, far) == 90.0


def test_the_servers_clock_counts_if_stated() -> None:
    """A date in Retry-After is compared with the response's own date: our clock may be wrong."""
    until, sent = "Sat, 13 Jun 2020 15:26:30 GMT", "Sat, 13 Jun 2020 15:26:00 GMT"

    assert demanded_wait(until, NOW.replace(year=1999), sent) == 30.0


@pytest.mark.parametrize(
    ("address", "location", "target"),
    [
        ("http://x/a", "/a/", "http://x/a/"),
        ("http://x/a/b", "c", "http://x/a/c"),
        ("http://x/a", "https://x/a", "https://x/a"),
        ("http://x:8930/a", "https://x/a", "https://x/a"),
        ("https://x/a", "https://x:443/b", "https://x:443/b"),
        ("https://x/a", "//x/b", "https://x/b"),
    ],
)
def test_a_redirect_on_the_same_server_is_followed(address: str, location: str, target: str) -> None:
    """Another path of the chosen server is followed, and from http to https."""
    assert followed(address, location) == target


@pytest.mark.parametrize(
    ("address", "location", "text"),
    [
        ("https://x/a", "http://x/a", "redirects from https to http"),
        ("HTTPS://x", "HTTP://x", "redirects from https to http"),
        ("https://x/a", "https://y/a", "redirects to another server"),
        ("http://x/a", "//y/a", "redirects to another server"),
        ("http://x/a", "http://x:81/a", "redirects to another server"),
        ("http://x/a", "http://x:81000/a", "redirects to another server"),
        ("http://x/a", "file:///etc/passwd", "redirects to another server"),
        ("https://x/a", "https://x@y/a", "redirects to another server"),
        ("http://x/a", "ftp://x/a", "redirects to another server"),
    ],
)
def test_a_redirect_to_another_server_is_refused(address: str, location: str, text: str) -> None:
    """Redirects to another server, or from https to http, are not followed."""
    with pytest.raises(Refused, match=text):
        followed(address, location)
