"""Servers that lie, stall or never end: raw bytes on a socket, since no HTTP library would send them."""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Script = Callable[[bytes, int], Iterable[bytes]]
    """Takes a request's head and the number of earlier requests, returns what to send before closing."""

LISTING = (
    b'<html><head><title>Index of /a/</title></head><body><h1>Index of /a/</h1><hr><pre><a href="../">../</a>\r\n'
)
END = b"</pre><hr></body>\r\n</html>\r\n"
_PAUSE = 0.02  # seconds between two pieces of an endless answer


def row(name: str, size: int = 100) -> bytes:
    """Return a row of a listing as nginx writes it."""
    return f'<a href="{name}">{name}</a>   28-Jun-2019 12:00   {size}\r\n'.encode()


def ok(body: bytes, *headers: str, length: bool = True) -> bytes:
    """Return a complete answer; without a length, it ends with the connection."""
    fields = [*headers, *([f"Content-Length: {len(body)}"] if length else []), "Connection: close"]
    return ("HTTP/1.1 200 OK\r\n" + "".join(f"{field}\r\n" for field in fields) + "\r\n").encode() + body


def packed(body: bytes, *, cut: int = 0) -> bytes:
    """Return a compressed answer that, with `cut`, ends so many bytes early."""
    data = gzip.compress(body, mtime=0)
    return ok(data[: len(data) - cut], "Content-Encoding: gzip", length=False)


def endless_headers() -> Iterator[bytes]:
    """Yield header lines without end, and never a body."""
    yield b"HTTP/1.1 200 OK\r\n"
    for number in itertools.count():
        yield f"X-{number}: 1\r\n".encode()


def trickled(body: bytes) -> Iterator[bytes]:
    """Yield a body one byte at a time."""
    yield ok(body, 'ETag: "one"')[: -len(body)]
    for place in range(len(body)):
        yield body[place : place + 1]


def endless_chunk_extension() -> Iterator[bytes]:
    """Yield the first chunk's size, then an endless chunk extension."""
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400;"
    while True:
        yield b"a"


def endless_continue() -> Iterator[bytes]:
    """Yield `100 Continue` without end."""
    while True:
        yield b"HTTP/1.1 100 Continue\r\n\r\n"


class Hostile:
    """A running server: its address and the number of requests received."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests = 0


@contextmanager
def hostile(script: Script) -> Iterator[Hostile]:
    """Serve a script on a free port of 127.0.0.1 while the block runs."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.05)
        server = Hostile(f"http://127.0.0.1:{listener.getsockname()[1]}")

        def answer(connection: socket.socket, number: int) -> None:
            with connection, suppress(OSError):
                connection.settimeout(10)
                head = b""
                while b"\r\n\r\n" not in head and (data := connection.recv(1 << 16)):
                    head += data
                for piece in script(head, number):
                    if stop.is_set():
                        return
                    connection.sendall(piece)
                    if len(piece) < 64:
                        stop.wait(_PAUSE)
                connection.shutdown(socket.SHUT_WR)

        def serve() -> None:
            while not stop.is_set():
                with suppress(TimeoutError):
                    connection, _ = listener.accept()
                    server.requests += 1  # before the client can have the answer
                    threading.Thread(target=answer, args=(connection, server.requests - 1), daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            stop.set()
            thread.join()


def changing(body: bytes) -> Script:
    """Return a script that cuts each answer one byte later, under another ETag each time."""

    def script(_: bytes, number: int) -> list[bytes]:
        head = f'HTTP/1.1 200 OK\r\nETag: "{number}"\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n'
        return [head.encode() + body[: 1000 + number]]

    return script


def redirecting(location: str) -> Script:
    """Return a script that redirects to an address."""
    head = f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return lambda *_: [head.encode("latin-1")]


def kinds(listing: bytes, archive: bytes) -> dict[str, Script]:
    """Return every kind of hostile server, for a whole listing and the archive that it lists."""
    cut = listing[: len(listing) * 2 // 3]
    bomb = packed(LISTING + b" " * (33 << 20) + END)
    owned = b"HTTP/1.1 403 \x1b]0;owned\x07No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    return {
        "listing cut, no length": lambda *_: [ok(cut, length=False)],
        "listing packed, and cut": lambda *_: [packed(listing, cut=10)],
        "listing cut, and packed": lambda *_: [packed(cut)],
        "listing of 33 MB, packed": lambda *_: [bomb],
        "redirect to //[::1": redirecting("//[::1"),
        "redirect to bytes that are not text": redirecting("http://\xff\xfe"),
        "a header now and then, without end": lambda *_: endless_headers(),
        "a byte now and then, from the first on": lambda *_: trickled(archive),
        "endless chunk extension": lambda *_: endless_chunk_extension(),
        "endless 100 Continue": lambda *_: endless_continue(),
        "cut one byte later each time, another ETag": changing(archive),
        "control characters in the status line": lambda *_: [owned],
    }
