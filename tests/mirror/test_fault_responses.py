"""Damaged responses: effects of faults of the body, of ranges, of status and redirects on a plain client."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.plain_client import BODY, FILE, MODIFIED, REISSUED, make_root, misbehaving, seen

from radar_nb.mirror.faults.rules import Fault, Kind

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder that is served."""
    return make_root(tmp_path_factory.mktemp("server"))


class TestBodies:
    """Faults of the body and its description."""

    def test_too_small_a_length(self, root: Path) -> None:
        """Only the stated number of bytes is sent: the connection does not reveal the rest."""
        with misbehaving(root, Fault(kind="length", by=-300, attempts=(1,))) as (_, client):
            first, second = client.get(), client.get()

        assert (first.headers["Content-Length"], first.body) == (str(len(BODY) - 300), BODY[:-300])
        assert not first.broken
        assert second.body == BODY

    def test_too_large_a_length(self, root: Path) -> None:
        """All bytes are sent, and the connection closed before the stated length."""
        answer = seen(root, "length", by=300)

        assert (answer.headers["Content-Length"], answer.body) == (str(len(BODY) + 300), BODY)
        assert answer.broken

    @pytest.mark.parametrize(("after", "body"), [(None, BODY), (1000, BODY[:1000])])
    def test_no_length(self, root: Path, after: int | None, body: bytes) -> None:
        """Without a length, the end of the connection ends the body: a part looks like the whole."""
        answer = seen(root, "no-length", after=after)

        assert "Content-Length" not in answer.headers
        assert answer.body == body
        assert not answer.broken

    @pytest.mark.parametrize("after", [None, 0, 1000, 10**9])
    def test_flip(self, root: Path, after: int | None) -> None:
        """One bit of the body is flipped, in the named byte or a random one."""
        body = seen(root, "flip", after=after).body
        differences = [(n, a ^ b) for n, (a, b) in enumerate(zip(body, BODY, strict=True)) if a != b]

        assert len(differences) == 1
        assert differences[0][1].bit_count() == 1
        assert after is None or differences[0][0] == min(after, len(BODY) - 1)

    def test_encoded(self, root: Path) -> None:
        """The body is encoded and labelled so, even for a range."""
        answer = seen(root, "encoded", headers={"Range": "bytes=5-"})

        assert (answer.status, answer.headers["Content-Encoding"]) == (200, "gzip")
        assert gzip.decompress(answer.body) == BODY

    @pytest.mark.parametrize("label", ["gzip", "x-gzip"])
    def test_labelled(self, root: Path, label: str) -> None:
        """The body is labelled as encoded, but is the file."""
        answer = seen(root, "labelled", form=label)

        assert (answer.headers["Content-Encoding"], answer.body) == (label, BODY)

    def test_page(self, root: Path) -> None:
        """A web page comes with status 200."""
        answer = seen(root, "page", headers={"Range": "bytes=5-"})

        assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html")
        assert b"Log in" in answer.body

    def test_listing_without_an_entry(self, root: Path) -> None:
        """An entry of an index page is missing when it is read again."""
        with misbehaving(root, Fault(kind="listing", form="missing", attempts=(2,))) as (_, client):
            pages = [client.get("/bin/").body.decode() for _ in range(3)]
        rows = [re.findall('href="([^"]+)"', page) for page in pages]

        assert rows[0] == rows[2] == ["../", "a.tar.gz", "empty.tar"]
        assert len(rows[1]) == 2
        assert set(rows[1]) < set(rows[0])

    def test_listing_with_another_size(self, root: Path) -> None:
        """An entry of an index page has another size when it is read again."""
        with misbehaving(root, Fault(kind="listing", form="size", attempts=(2,))) as (_, client):
            first, second = (client.get("/bin/").body.splitlines() for _ in range(2))
        changed = [(a.split(), b.split()) for a, b in zip(first, second, strict=True) if a != b]

        assert len(changed) == 1
        assert changed[0][0][:-1] == changed[0][1][:-1]
        assert int(changed[0][1][-1]) == int(changed[0][0][-1]) + 1


class TestRanges:
    """Faults of ranges and validators."""

    def test_no_range(self, root: Path) -> None:
        """The whole file comes where a range was asked for."""
        answer = seen(root, "no-range", headers={"Range": "bytes=5-"})

        assert (answer.status, answer.body) == (200, BODY)
        assert "Content-Range" not in answer.headers

    @pytest.mark.parametrize(("by", "start"), [(-3, 997), (3, 1003), (-2000, 3000)])
    def test_a_range_that_begins_elsewhere(self, root: Path, by: int, start: int) -> None:
        """Another range than the requested one is sent, and labelled so."""
        answer = seen(root, "wrong-range", form="start", by=by, headers={"Range": "bytes=1000-"})

        assert answer.status == 206
        assert answer.headers["Content-Range"] == f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"
        assert answer.body == BODY[start:]

    def test_a_range_of_another_size(self, root: Path) -> None:
        """The requested range is sent, of a file with a larger stated size."""
        answer = seen(root, "wrong-range", form="total", by=7, headers={"Range": "bytes=1000-1999"})

        assert answer.headers["Content-Range"] == f"bytes 1000-1999/{len(BODY) + 7}"
        assert answer.body == BODY[1000:2000]

    def test_416(self, root: Path) -> None:
        """A valid range is refused, with the true size."""
        answer = seen(root, "416", headers={"Range": "bytes=5-"})

        assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(BODY)}")

    def test_another_etag(self, root: Path) -> None:
        """From the second request on the ETag differs; a client with the old one gets the whole file."""
        with misbehaving(root, Fault(kind="new-etag", form="honest")) as (_, client):
            old = client.get().headers["ETag"]
            whole = client.get(Range="bytes=5-", If_Range=old)
            new = whole.headers["ETag"]
            rest = client.get(Range="bytes=5-", If_Range=new)
            unchanged = client.get(If_None_Match=new)

        assert old != new == rest.headers["ETag"]
        assert (whole.status, whole.body) == (200, BODY)
        assert (rest.status, rest.body) == (206, BODY[5:])
        assert unchanged.status == 304

    @pytest.mark.parametrize(("form", "status", "body"), [("honest", 200, REISSUED), ("lie", 206, REISSUED[5:])])
    def test_another_file(self, root: Path, form: str, status: int, body: bytes) -> None:
        """A re-issued file is sent whole to a client with a part of the old one, or falsely its rest."""
        with misbehaving(root, Fault(kind="new-etag", form=form, edition="new")) as (_, client):
            old = client.get()
            new = client.get(Range="bytes=5-", If_Range=old.headers["ETag"])

        assert old.body == BODY
        assert (new.status, new.body) == (status, body)
        assert new.headers["ETag"] != old.headers["ETag"]

    @pytest.mark.parametrize(("form", "by_date"), [("dated", 206), ("undated", 200)])
    def test_weak_etag(self, root: Path, form: str, by_date: int) -> None:
        """A weak ETag is not enough for a range, but a date is; both identify an unchanged file."""
        with misbehaving(root, Fault(kind="weak-etag", form=form)) as (_, client):
            answer = client.get()
            etag = answer.headers["ETag"]
            again = client.get(Range="bytes=5-", If_Range=etag)
            strong = client.get(Range="bytes=5-", If_Range=etag.removeprefix("W/"))
            dated = client.get(Range="bytes=5-", If_Range=MODIFIED)
            unchanged = client.get(If_None_Match=etag)

        assert etag.startswith('W/"')
        assert answer.headers["Last-Modified"] == (MODIFIED if form == "dated" else None)
        assert [again.status, strong.status, dated.status, unchanged.status] == [200, 200, by_date, 304]

    def test_no_validator(self, root: Path) -> None:
        """Without validators no condition holds, and a bare range is sent."""
        with misbehaving(root, Fault(kind="no-validator", attempts=(2, 3, 4, 5))) as (_, client):
            etag = client.get().headers["ETag"]
            answer = client.get()
            conditions = [client.get(If_None_Match=etag), client.get(If_Modified_Since=MODIFIED)]
            ranges = [client.get(Range="bytes=5-", If_Range=etag), client.get(Range="bytes=5-")]

        assert not {"ETag", "Last-Modified"} & set(answer.headers)
        assert [each.status for each in conditions + ranges] == [200, 200, 200, 206]


class TestRefusals:
    """Faults of status, and redirects."""

    @pytest.mark.parametrize("kind", ["429", "503", "500", "403", "404"])
    def test_statuses(self, root: Path, kind: Kind) -> None:
        """The status is sent, without Retry-After unless named."""
        answer = seen(root, kind)

        assert answer.status == int(kind)
        assert "Retry-After" not in answer.headers

    @pytest.mark.parametrize("kind", ["429", "503"])
    @pytest.mark.parametrize(("seconds", "text"), [(0, "0"), (2, "2"), (1.5, "2")])
    def test_retry_after_in_seconds(self, root: Path, kind: Kind, seconds: float, text: str) -> None:
        """Retry-After is a whole number of seconds, at least the named ones."""
        answer = seen(root, kind, retry_after=seconds)

        assert answer.headers["Retry-After"] == text

    @pytest.mark.parametrize("kind", ["429", "503"])
    def test_retry_after_as_a_date(self, root: Path, kind: Kind) -> None:
        """Retry-After is a date at least the named seconds ahead."""
        before = datetime.now(UTC)
        answer = seen(root, kind, retry_after=100, as_date=True)

        ahead = (parsedate_to_datetime(answer.headers["Retry-After"]) - before).total_seconds()
        assert 100 <= ahead < 110

    @pytest.mark.parametrize(("form", "addresses"), [("itself", 1), ("ring", 2)])
    def test_redirects_without_end(self, root: Path, form: str, addresses: int) -> None:
        """Redirects form a loop, even if only one request is affected; the path is unchanged."""
        with misbehaving(root, Fault(kind="loop", form=form, attempts=(1,))) as (mirror, client):
            path, ring = FILE, []
            for _ in range(9):
                answer = client.get(path)
                path = answer.headers["Location"]
                ring.append((answer.status, path))
            again = client.get()

        assert {status for status, _ in ring} == {302}
        assert len(set(ring)) == addresses
        assert [answer.attempt for answer in mirror.served] == [1] * 9 + [2]
        assert again.body == BODY

    @pytest.mark.parametrize(
        ("options", "address"),
        [({}, f"http://elsewhere.invalid{FILE}"), ({"location": "http://[::1]:8/x/"}, f"http://[::1]:8/x{FILE}")],
    )
    def test_redirect_elsewhere(self, root: Path, options: dict[str, Any], address: str) -> None:
        """The path is redirected to another host."""
        answer = seen(root, "elsewhere", **options)

        assert (answer.status, answer.headers["Location"]) == (302, address)
