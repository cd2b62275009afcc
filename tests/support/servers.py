"""A small real HTTP server on 127.0.0.1 whose answers are scripted by path and attempt."""

from __future__ import annotations

import select
import threading
import time
from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator, Mapping

MODIFIED = "Sat, 13 Jun 2020 15:25:00 GMT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One answer.

    Attributes
    ----------
    body : bytes
        The whole file; a range of it is sent where one is asked for and `ranges` holds.
    etag, modified : str or None
        The file's validators; requests that carry them are answered as a good server does.
    headers : mapping
        Sent as they are, in place of those of the same name; an empty value omits one.
    cut : int or None
        Bytes of the body after which the connection breaks.
    stall : threading.Event or None
        Waited for where the body is cut, before the connection breaks; or until the client leaves.
    ranges : bool
    """

    status: int = 200
    body: bytes = b""
    etag: str | None = '"one"'
    modified: str | None = MODIFIED
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: int | None = None
    stall: threading.Event | None = None
    ranges: bool = True

    def to(self, asked: Mapping[str, str]) -> Reply:
        """Return the answer to a request's headers: this one, a part of it, or 304."""
        if self.status != 200:
            return self
        if self.etag and asked.get("If-None-Match") == self.etag:
            return replace(self, status=304, body=b"")
        wanted = asked.get("Range", "")
        if not wanted or not self.ranges or asked.get("If-Range") not in {None, self.etag, self.modified}:
            return self
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last) + 1, len(self.body)) if last else len(self.body)
        if start >= len(self.body):
            return replace(self, status=416, body=b"", headers={"Content-Range": f"bytes */{len(self.body)}"})
        span = f"bytes {start}-{stop - 1}/{len(self.body)}"
        headers = {"Content-Range": span, **self.headers}
        return replace(self, status=206, body=self.body[start:stop], headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request of a client."""

    path: str
    headers: Mapping[str, str]


class Server:
    """The scripts, and the requests so far.

    Attributes
    ----------
    open : threading.Event
        While it is cleared, answers wait.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.open = threading.Event()
        self.open.set()
        self.requests: list[Request] = []
        self.at_once = 0
        self.most_at_once = 0
        self._scripts: dict[str, tuple[Reply, ...]] = {}
        self._attempts: defaultdict[str, int] = defaultdict(int)
        self._lock = threading.Lock()

    def script(self, path: str, *replies: Reply) -> None:
        """Answer the n-th request for a path with the n-th reply, all later ones with the last."""
        self._scripts[path] = replies
        self._attempts[path] = 0

    def asked(self, path: str) -> list[Request]:
        """Return the requests for a path."""
        return [request for request in self.requests if request.path == path]

    def reply(self, request: Request) -> Reply:
        """Return the next answer of the script."""
        with self._lock:
            self.requests.append(request)
            attempt = self._attempts[request.path]
            self._attempts[request.path] += 1
        replies = self._scripts.get(request.path, (Reply(status=404, body=b"not here"),))
        return replies[min(attempt, len(replies) - 1)].to(request.headers)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Count a request as under way."""
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self._lock:
                self.at_once -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    scripts: Server

    def do_GET(self) -> None:
        with self.scripts.counted():
            self.scripts.open.wait(timeout=60)
            headers = dict(self.headers.items())
            reply = self.scripts.reply(Request(path=self.path, headers=headers))
            with suppress(ConnectionError):  # the client may have closed the connection
                self._head(reply)
                self._body(reply)

    def _head(self, reply: Reply) -> None:
        own = {"Content-Length": str(len(reply.body)), "ETag": reply.etag, "Last-Modified": reply.modified}
        self.send_response(reply.status)
        for name, value in (own | dict(reply.headers)).items():
            if value:
                self.send_header(name, value)
        self.end_headers()

    def _body(self, reply: Reply) -> None:
        if reply.status == 304:
            return
        self.wfile.write(reply.body if reply.cut is None else reply.body[: reply.cut])
        if reply.cut is not None:
            self.wfile.flush()
            if reply.stall is not None:
                deadline = time.monotonic() + 60
                while not reply.stall.wait(0.005) and not self._left() and time.monotonic() < deadline:
                    pass
            self.close_connection = True
        elif "Content-Length" in reply.headers:
            self.close_connection = True

    def _left(self) -> bool:
        """Return whether the client has closed the connection: only its end can be read from it now."""
        return bool(select.select([self.connection], [], [], 0)[0])

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """Serve on a free port of 127.0.0.1 while the block runs, over TLS with a context for it."""
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads = True
        if tls is not None:
            http.socket = tls.wrap_socket(http.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        handler.scripts = Server(f"{scheme}://127.0.0.1:{http.server_port}")  # type: ignore[attr-defined]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield handler.scripts  # type: ignore[attr-defined]
        finally:
            http.shutdown()
            thread.join()
