"""Response bodies: a content encoding is decoded, a file's own compression is kept."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.errors import Refused, ServerUnavailable
from radar_nb.fetch.http import is_wrapped, unwrapped
from radar_nb.fetch.responses import Setback

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

URL = "http://127.0.0.1/a.tar"


def unpacked(head: bytes, chunks: Iterable[bytes]) -> bytes:
    """Decode a body that arrives in pieces."""

    async def body() -> AsyncGenerator[bytes, None]:
        for chunk in (head, *chunks):
            yield chunk

    async def whole() -> bytes:
        return b"".join([piece async for piece in unwrapped(body(), URL)])

    return asyncio.run(whole())


@given(st.binary(max_size=300), st.integers(0, 40), st.integers(1, 50))
def test_an_encoded_body_is_decoded(data: bytes, head: int, step: int) -> None:
    """The body is restored, whatever was read ahead, and in whatever pieces the rest arrives."""
    packed = gzip.compress(data)
    rest = packed[head:]

    found = unpacked(packed[:head], [rest[at : at + step] for at in range(0, len(rest), step)])

    assert found == data


def test_a_body_of_several_gzip_members_is_decoded_to_its_end() -> None:
    """The first member is not taken for the whole; one that is cut, or followed by other bytes, is a setback."""
    members = gzip.compress(b"a page</pre>"), gzip.compress(b""), gzip.compress(b" and its rest</pre>")
    whole = b"".join(members)

    assert unpacked(whole[:9], [whole[9:30], whole[30:]]) == b"a page</pre> and its rest</pre>"
    for wrong in (whole[:-3], whole + b"no member"):
        with pytest.raises(Setback, match="gzip encoding"):
            unpacked(b"", [wrong])


def test_a_body_far_larger_than_its_encoding_is_complete() -> None:
    """A megabyte of zeros arrives as a kilobyte and is decoded in pieces."""
    assert unpacked(b"", [gzip.compress(bytes(5 << 20))]) == bytes(5 << 20)


@pytest.mark.parametrize(
    ("spoil", "damage"),
    [
        (lambda packed: packed[:-1], "truncated"),
        (lambda packed: packed[:-6] + b"\xff\xff" + packed[-4:], "damaged"),
        (lambda _: b"no gzip at all", "damaged"),
        (lambda _: b"", "truncated"),
    ],
    ids=["cut", "checksum", "foreign", "empty"],
)
def test_a_damaged_encoding_is_requested_again(spoil: Callable[[bytes], bytes], damage: str) -> None:
    """A damaged body is discarded: another attempt starts from its first byte."""
    packed = spoil(gzip.compress(b"rain" * 100))

    with pytest.raises(Setback) as caught:
        unpacked(b"", [packed])

    assert caught.value.restart
    with pytest.raises(ServerUnavailable, match=f"{URL} arrived with a {damage} gzip encoding.*: try again"):
        raise caught.value.error


@pytest.mark.parametrize(
    ("name", "head", "encoding", "wrapped"),
    [
        ("a.tar", b"ustar", "", False),
        ("a.tar", gzip.compress(b"ustar"), "gzip", True),
        ("a.tar", gzip.compress(b"ustar"), "x-gzip", True),
        ("a.tar", b"ustar", "gzip", False),  # says so, and is not
        ("a.gz", gzip.compress(b"frame"), "gzip", False),  # its own packing
        ("a.gz", gzip.compress(gzip.compress(b"frame")), "gzip", True),
        ("a.gz", b"\x1f\x8b no gzip at all", "gzip", False),  # for the verification to judge
    ],
    ids=["plain", "for the way", "by its old name", "said, and not so", "its own", "both", "neither"],
)
def test_an_encoding_is_recognised_by_the_bytes(name: str, head: bytes, encoding: str, wrapped: bool) -> None:
    """The header alone is not trusted: some servers label a file's own compression as an encoding."""
    assert is_wrapped(name, head, encoding) is wrapped


def test_an_unrequested_encoding_is_refused() -> None:
    """radar_nb accepts at most gzip; the message names the encoding."""
    with pytest.raises(Refused, match=r"sends a\.tar with the unrequested encoding 'br': try again later"):
        is_wrapped("a.tar", b"", "br")
