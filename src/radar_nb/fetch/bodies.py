"""The bytes of an answer: what they are, and what was done to them on the way."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

from radar_nb.errors import Refused, ServerUnavailable
from radar_nb.fetch.responses import Setback

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import ClientResponse

_HEAD = 512  # bytes looked at before any is written: one tar header (POSIX.1-1988, ustar)
_SLICE = 1 << 20  # bytes that are unpacked at once, at most
_GZIP = b"\x1f\x8b"  # RFC 1952, 2.3.1

_MAGIC: dict[str, tuple[int, bytes]] = {
    ".tar": (257, b"ustar"),  # POSIX.1-1988, ustar header, field magic
    ".gz": (0, _GZIP),
    ".bz2": (0, b"BZh"),  # bzip2 1.0 manual, file format
    ".hdf5": (0, b"\x89HDF\r\n\x1a\n"),  # HDF5 file format specification, II.A superblock
}


def flaw(name: str, head: bytes) -> str | None:
    """Tell what is wrong with a file whose first bytes do not suit its name, or None if they do.

    Examples
    --------
    >>> flaw("YW2017.002_202006.tar", b"<html><body>Sorry</body></html>")
    "a web page that begins '<html><body>Sorry</body></html>'"
    """
    if not head:
        return "an empty file"
    for suffix, (start, magic) in _MAGIC.items():
        if name.endswith(suffix) and head[start : start + len(magic)] != magic:
            text = " ".join(head[:200].decode("utf-8", "replace").split())
            kind = "a web page" if text[:1] == "<" else f"no {suffix} file but one"
            return f"{kind} that begins {text!r}"
    return None


def is_wrapped(name: str, head: bytes, encoding: str) -> bool:
    """Tell whether a body was packed for the way, or only bears the label of the file's own packing.

    Servers label a `.tar.gz` as `Content-Encoding: gzip` (Apache does), and then its bytes are the file's; others
    pack what they were asked not to pack.

    Parameters
    ----------
    name : str
        The file's.
    head : bytes
        The body's first.
    encoding : str
        The answer's Content-Encoding.

    Raises
    ------
    Refused
        It is packed in a way that nobody asked for and radar_nb does not know.

    Examples
    --------
    >>> import gzip
    >>> is_wrapped("a.tar", gzip.compress(b"ustar"), "gzip"), is_wrapped("a.gz", gzip.compress(b"frame"), "gzip")
    (True, False)
    """
    if not encoding:
        return False
    if encoding not in {"gzip", "x-gzip"}:
        raise Refused(
            f"the server sends {name} packed as {encoding!r} though that was not asked for: try again later"
        )
    if not head.startswith(_GZIP):
        return False
    if not name.endswith(".gz"):
        return True
    try:
        return zlib.decompressobj(31).decompress(head, 2) == _GZIP
    except zlib.error:
        return False


async def first_bytes(response: ClientResponse) -> bytes:
    """Give as many bytes as tell what a file is, or all there are."""
    try:
        return await response.content.readexactly(_HEAD)
    except asyncio.IncompleteReadError as error:
        return error.partial


async def after(head: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give first bytes that were read already, then the others."""
    if head:
        yield head
    async for chunk in chunks:
        yield chunk


async def unwrapped(head: bytes, chunks: AsyncIterator[bytes], url: str) -> AsyncIterator[bytes]:
    """Unpack a body that the server has packed for the way.

    Raises
    ------
    Setback
        It is damaged or ends too early.
    """
    inflate = zlib.decompressobj(31)  # gzip's header and trailer
    try:
        async for chunk in after(head, chunks):
            rest = chunk
            while rest and (out := inflate.decompress(rest, _SLICE)):
                yield out
                rest = inflate.unconsumed_tail
        if out := inflate.flush():
            yield out
    except zlib.error as error:
        raise Setback(
            ServerUnavailable(f"{url} came packed, and damaged ({error}): try again"), restart=True
        ) from error
    if not inflate.eof:
        raise Setback(ServerUnavailable(f"{url} came packed, and ended too early: try again"), restart=True)
