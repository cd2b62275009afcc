"""A small DWD in a box: a folder behind a real HTTP server that answers as DWD's does.

Index pages have the form of DWD's (an nginx autoindex); files carry ETag, Last-Modified and Content-Length, and
can be had in ranges and on conditions, after RFC 9110. The server listens on loopback only, reads only below its
root, and writes nothing. What it serves may be real files, or synthetic ones that `make_archives` made.
"""

from __future__ import annotations

import html
import ipaddress
import logging
import os
import re
import socket
import socketserver
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, unquote

from radar_nb.errors import ServerError
from radar_nb.publishing import make_archives

if TYPE_CHECKING:
    from collections.abc import Mapping
    from email.message import Message
    from types import TracebackType
    from typing import Self

__all__ = ["Mirror", "make_archives"]

_log = logging.getLogger(__name__)

_TYPES = {".tar": "application/x-tar", ".gz": "application/gzip", ".bz2": "application/x-bzip2"}
_HTML = "text/html; charset=utf-8"
_NAME_WIDTH = 50  # of an index page; nginx cuts longer names to 47 characters and "..>"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_IDLE = 60.0  # seconds after which a connection without a request is closed


class Mirror:
    """Serve a folder over HTTP, on loopback, as DWD's server would.

    Listens from its making on, and answers inside a `with` block, in a thread of its own.

    Parameters
    ----------
    root : path
        The folder; its files may change while it is served.
    host : str
        `127.0.0.1` or another name of this machine's loopback.
    port : int
        0 takes a free one.

    Attributes
    ----------
    root : pathlib.Path

    Raises
    ------
    ServerError
        The root is no folder, the host is not loopback, or the port cannot be had.

    Examples
    --------
    >>> with Mirror(".") as mirror:
    ...     mirror.url.rpartition(":")[0]
    'http://127.0.0.1'
    """

    def __init__(self, root: Path | str, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.root = Path(root).resolve()
        if not self.root.is_dir():
            raise ServerError(f"the mirror cannot serve {root}: it is no folder")
        if not _is_loopback(host):
            raise ServerError(
                f"the mirror does not listen on {host!r}: it is no server for others, only for this machine "
                "(host 127.0.0.1)"
            )
        try:
            self._server = _Server((host, port), self.root)
        except (OSError, OverflowError) as error:
            raise ServerError(
                f"the mirror cannot listen on {host}, port {port} ({error}): "
                "choose another port, or 0 for any that is free"
            ) from error
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address, without a slash at the end: what `base_url=` takes."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def __enter__(self) -> Self:
        """Begin to answer."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, name="mirror", daemon=True
            )
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()

    def close(self) -> None:
        """Stop to answer, cut open connections and free the port. A closed mirror stays closed."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Answer until the process is interrupted (Ctrl-C), then close."""
        with self:
            while self._thread is not None and self._thread.is_alive():
                self._thread.join(0.5)  # a join without end could not be interrupted on Windows


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


class _Server(socketserver.ThreadingTCPServer):
    """A thread a connection. Not http.server's own class, which asks the name service for the host's name."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = os.name == "posix"  # on Windows it would let two servers share a port

    def __init__(self, address: tuple[str, int], root: Path) -> None:
        self.root = root
        self._open: set[socket.socket] = set()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        super().server_close()
        for connection in tuple(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
        if isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            _log.debug("the client %s went away", client_address)
        else:
            _log.exception("the request of %s could not be answered", client_address)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What will be sent: decided before the first byte is."""

    status: HTTPStatus
    headers: Mapping[str, str] = field(default_factory=dict)
    text: bytes = b""
    file: IO[bytes] | None = None
    start: int = 0
    length: int = 0


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "radar_nb-mirror"
    sys_version = ""
    timeout = _IDLE
    disable_nagle_algorithm = True  # header and body are two writes; the second would wait for an acknowledgement

    def do_GET(self) -> None:
        self._send(_answer(self.server.root, self.path, self.headers))

    def do_HEAD(self) -> None:
        self._send(_answer(self.server.root, self.path, self.headers))

    def _send(self, answer: _Answer) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.status != HTTPStatus.NOT_MODIFIED:
            self.send_header("Content-Length", str(answer.length or len(answer.text)))
        self.end_headers()
        if answer.file is None:
            if self.command != "HEAD":
                self.wfile.write(answer.text)
            return
        with answer.file as file:
            if self.command != "HEAD" and answer.length:
                sent = self.connection.sendfile(file, answer.start, answer.length)
                self.close_connection = self.close_connection or sent < answer.length  # the file has shrunk

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        _log.debug(f"%s {format}", self.client_address[0], *args)


def _answer(root: Path, target: str, headers: Message) -> _Answer:
    """Decide what to send for a request."""
    name = unquote(re.split("[?#]", target)[0], errors="surrogateescape")
    path = _inside(root, name)
    if path is None:
        return _page(HTTPStatus.NOT_FOUND)
    try:
        if path.is_dir():
            if name.endswith("/"):
                text = _index(path, f"/{name.strip('/')}/" if name.strip("/") else "/")
                return _Answer(status=HTTPStatus.OK, headers={"Content-Type": _HTML}, text=text)
            return _page(HTTPStatus.MOVED_PERMANENTLY, {"Location": f"/{quote(name.strip('/'))}/"})
        return _file_answer(path.open("rb"), _TYPES.get(path.suffix, "application/octet-stream"), headers)
    except OSError:
        return _page(HTTPStatus.NOT_FOUND)


def _inside(root: Path, name: str) -> Path | None:
    """Give the place of a name, or None where it is not to be served: outside the root, hidden, or no file."""
    parts = [part for part in name.split("/") if part]
    if any(part.startswith(".") for part in parts):
        return None
    try:
        path = root.joinpath(*parts).resolve(strict=True)  # through links, so that none leads out
    except (OSError, ValueError, RuntimeError):  # nothing there; a NUL; before Python 3.13, a loop of links
        return None
    served = path.is_relative_to(root) and (path.is_dir() or (path.is_file() and not name.endswith("/")))
    return path if served else None


def _page(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> _Answer:
    title = f"{status.value} {status.phrase}"
    text = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<h1>{title}</h1>\r\n</body>\r\n</html>\r\n"
    return _Answer(status=status, headers={"Content-Type": _HTML} | dict(headers or {}), text=text.encode())


def _index(folder: Path, name: str) -> bytes:
    """Write an index page as nginx's autoindex does: folders first, times in UTC, hidden files left out."""
    rows = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            try:
                status = entry.stat()
            except OSError:  # gone in the meantime, or a link to nowhere
                continue
            rows.append((not entry.is_dir(), entry.name, status))
    rows.sort(key=lambda row: row[:2])
    title = html.escape(f"Index of {name}")
    lines = [
        "<html>",
        f"<head><title>{title}</title></head>",
        "<body>",
        f'<h1>{title}</h1><hr><pre><a href="../">../</a>',
        *(_row(entry, status, is_file=is_file) for is_file, entry, status in rows),
        "</pre><hr></body>",
        "</html>",
        "",
    ]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape")


def _row(name: str, status: os.stat_result, *, is_file: bool) -> str:
    name = name if is_file else f"{name}/"
    shown = name if len(name) <= _NAME_WIDTH else f"{name[: _NAME_WIDTH - 3]}..>"
    when = datetime.fromtimestamp(status.st_mtime, UTC)
    size = str(status.st_size) if is_file else "-"
    href = quote(name.encode("utf-8", "surrogateescape"))
    return (
        f'<a href="{href}">{html.escape(shown)}</a>{"":{_NAME_WIDTH - len(shown)}} '
        f"{when.day:02d}-{_MONTHS[when.month - 1]}-{when.year} {when:%H:%M} {size:>19}"
    )


def _file_answer(file: IO[bytes], kind: str, headers: Message) -> _Answer:
    """Decide between the whole file, a range of it, and none because the client has it (RFC 9110, 13 and 14)."""
    status = os.fstat(file.fileno())
    size, etag = status.st_size, f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    modified = int(status.st_mtime)
    about = {"ETag": etag, "Last-Modified": formatdate(modified, usegmt=True), "Accept-Ranges": "bytes"}
    if _is_unchanged(headers, etag, modified):
        file.close()
        return _Answer(status=HTTPStatus.NOT_MODIFIED, headers=about)
    about["Content-Type"] = kind
    span = None
    if headers.get("If-Range", etag) in {etag, about["Last-Modified"]}:
        span = _range(headers.get("Range", ""), size)
    if span is None:
        return _Answer(status=HTTPStatus.OK, headers=about, file=file, length=size)
    if not span:
        file.close()
        return _page(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
    about["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    return _Answer(status=HTTPStatus.PARTIAL_CONTENT, headers=about, file=file, start=span.start, length=len(span))


def _is_unchanged(headers: Message, etag: str, modified: int) -> bool:
    if "If-None-Match" in headers:
        known = [tag.strip().removeprefix("W/") for tag in headers["If-None-Match"].split(",")]
        return etag in known or known == ["*"]
    try:
        return modified <= parsedate_to_datetime(headers.get("If-Modified-Since", "")).timestamp()
    except (ValueError, OverflowError):
        return False


def _range(text: str, size: int) -> range | None:
    """Read a Range header: the bytes to send, an empty range if there are none, None if all are to be sent.

    Several ranges at a time, and what is no range, are answered with the whole file, as the RFC allows.
    """
    match = re.fullmatch(r"bytes=\s*(?:(\d+)-(\d*)|-(\d+))\s*", text, re.ASCII)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix:
        return range(max(0, size - int(suffix)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)
