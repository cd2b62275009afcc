"""Laws of talking to a server: what an answer means, how long is waited, which errors come of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers import MODIFIED

from radar_nb.errors import Refused
from radar_nb.transport import Answer, Patience, connected, demanded_wait, judge, refuse_plain, request_headers
from radar_nb.workspace import Sidecar

if TYPE_CHECKING:
    from radar_nb.transport import Verdict

NOTE = Sidecar(url="http://x/a.tar", etag='"one"', last_modified=MODIFIED, size=200)
NOW = datetime(2020, 6, 13, 15, 25, tzinfo=UTC)


def answer(status: int, **changes: object) -> Answer:
    fields = {"etag": '"one"', "last_modified": MODIFIED, "start": 100, "size": 200} | changes
    return Answer(status=status, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given_answer", "verdict"),
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
        (answer(304), "unchanged"),
        *((answer(status), "retry") for status in (408, 425, 429, 500, 502, 503, 504, 520)),
        *((answer(status), "give up") for status in (204, 301, 400, 401, 403, 404, 410, 451)),
    ],
)
def test_the_table_of_verdicts(given_answer: Answer, verdict: Verdict) -> None:
    """An answer to the wish for the bytes from 100 on has exactly one meaning."""
    assert judge(given_answer, note=NOTE, offset=100) == verdict


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
    ],
)
def test_the_head_of_an_answer(status: int, headers: dict[str, str], start: int | None, size: int | None) -> None:
    """Where the body begins and how large the file is comes from Content-Length or Content-Range alone."""
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
    """The rest of a file is asked for under a strong ETag, else a date, else not at all."""
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
def test_a_whole_file_is_asked_for_if_changed(
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
    ],
)
def test_what_retry_after_demands(text: str | None, seconds: float | None) -> None:
    """Retry-After is a number of seconds or a date; a date that has passed demands nothing, nonsense neither."""
    assert demanded_wait(text, NOW) == seconds


@given(failures=st.integers(1, 50), demanded=st.none() | st.floats(0, 1000))
def test_the_wait_lies_between_the_demand_and_the_ceiling(failures: int, demanded: float | None) -> None:
    """A wait never undercuts what the server demanded, and without a demand never exceeds the growing ceiling."""
    patience = Patience(first_wait=0.5, longest_wait=8.0)

    wait = patience.wait(failures, demanded)

    assert wait >= (demanded or 0)
    assert wait <= max(demanded or 0, min(8.0, 0.5 * 2 ** (failures - 1)))


@pytest.mark.parametrize(
    "steps",
    [["http://x/a"], ["https://x/a"], ["https://x/a", "https://y/a"], ["http://x/a", "https://x/a"]],
)
def test_redirects_may_lead_to_https(steps: list[str]) -> None:
    """A chain of redirects that never leaves https once it is there is followed, and no step further."""
    refuse_plain(steps)

    with pytest.raises(Refused, match="leads from https to http"):
        refuse_plain([*steps, "https://z/a", "http://z/a"])


@pytest.mark.parametrize(
    "steps",
    [["https://x/a", "http://x/a"], ["https://x/a", "http://y/a", "https://y/a"], ["HTTPS://x", "HTTP://x"]],
)
def test_redirects_may_not_leave_https(steps: list[str]) -> None:
    """A chain that leaves https is refused, even if it comes back."""
    with pytest.raises(Refused, match="leads from https to http"):
        refuse_plain(steps)


def test_a_session_takes_its_limit_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the caller says nothing of connections, the settings say it."""
    monkeypatch.setenv("RADAR_NB_CONCURRENCY", "3")

    async def limit() -> int:
        async with connected() as connection:
            return connection.limit

    assert asyncio.run(limit()) == 3
