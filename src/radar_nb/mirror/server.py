"""A folder behind a real HTTP server that answers like DWD's, optionally with injected faults.

The server listens on loopback by default, reads only below its root, and writes nothing there.
It may serve real files, or synthetic ones from `make_archives`.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import socket
import socketserver
import sys
import threading
import time
from contextlib import nullcontext, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from radar_nb.errors import ServerError
from radar_nb.mirror.archives import make_archives
from radar_nb.mirror.faults.connections import Misbehaviour, Served
from radar_nb.mirror.file_serving import answer, path_of
from radar_nb.runtime.clock import Clock
from radar_nb.runtime.files import user_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from radar_nb.mirror.faults.rules import Faults
    from radar_nb.mirror.file_serving import Reply

__all__ = ["Mirror", "Served", "make_archives"]

_log = logging.getLogger(__name__)

_IDLE = 60.0  # seconds for a connection to send a complete request, and for a body to make progress
_MOST = 512  # connections at a time; each holds a thread
_LOOK = 0.25  # seconds between two looks for connections that are overdue


class Mirror:
    """Serve a folder over HTTP like DWD's server, by default to this machine only.

    It listens once it is created, and answers inside a `with` block, in its own thread.

    Parameters
    ----------
    root : path
        The folder; its files may change while it is served.
    host : str
        `127.0.0.1` or another name of this machine's loopback; with `public`, any IPv4 address of this machine.
    port : int
        0 selects a free one.
    faults : Faults, optional
        Injected faults; see `radar_nb.mirror.faults.rules`. Without rules, requests are only recorded.
    public : bool
        Whether to serve other machines. Anyone who reaches the address can then read every file below the root
        that is not hidden: there is no password and no encryption.
    clock : Clock, optional
        The time that responses state; this computer's by default.
    allow_origin : str, optional
        Whose pages may read the files in a browser (CORS): an origin, such as "https://example.org", or "*".

    Attributes
    ----------
    root : pathlib.Path

    Raises
    ------
    ServerError
        The root is not a folder, the host is not loopback though `public` is not set, or the port is taken.

    Examples
    --------
    >>> with Mirror(".") as mirror:
    ...     mirror.url.rpartition(":")[0]
    'http://127.0.0.1'
    """

    def __init__(
        self,
        root: Path | str,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        faults: Faults | None = None,
        public: bool = False,
        clock: Clock | None = None,
        allow_origin: str | None = None,
    ) -> None:
        self.root = user_path(root).resolve()
        if not self.root.is_dir():
            raise ServerError(
                f"the mirror cannot serve {root}: it is not a folder; name the one that stands for the server"
            )
        if not (public or _is_loopback(host)):
            raise ServerError(
                f"the mirror does not listen on {host!r}: it is only for this machine: leave host at 127.0.0.1, "
                "or make it public (public=True, --public); then all who reach it can read all below its root"
            )
        self._misbehaviour = Misbehaviour(self.root, faults) if faults else None
        try:
            self._server = _Server((host, port), self.root, self._misbehaviour, clock or Clock(), allow_origin)
        except (OSError, OverflowError) as error:
            raise ServerError(
                f"the mirror cannot listen on {host}, port {port} ({error}): "
                "choose another port, or 0 for any that is free"
            ) from error
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """The address, without a slash at the end: what `base_url=` takes on this machine."""
        host, port = self._server.server_address[:2]
        return f"http://{'127.0.0.1' if host == '0.0.0.0' else host!s}:{port}"  # noqa: S104 - asked, not bound

    @property
    def served(self) -> tuple[Served, ...]:
        """The requests so far and their results; recorded only by a mirror with faults."""
        return self._misbehaviour.served if self._misbehaviour else ()

    def __enter__(self) -> Self:
        """Start to answer."""
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
        """Stop answering, cut open connections and free the port. A closed mirror stays closed."""
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def serve_forever(self) -> None:
        """Answer requests until the process is interrupted (Ctrl-C), then close."""
        with self:
            while self._thread is not None and self._thread.is_alive():
                self._thread.join(0.5)  # a join without end could not be interrupted on Windows


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return False


class _Server(socketserver.ThreadingTCPServer):
    """One thread per connection. The class of http.server would query DNS for the host's name."""

    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = os.name == "posix"  # on Windows it would let two servers share a port

    def __init__(
        self,
        address: tuple[str, int],
        root: Path,
        misbehaviour: Misbehaviour | None,
        clock: Clock,
        allow_origin: str | None,
    ) -> None:
        self.root = root
        self.clock = clock
        self.allow_origin = allow_origin
        self.misbehaviour = misbehaviour
        self._open: set[socket.socket] = set()
        self._due: dict[socket.socket, float] = {}
        self._next_look = 0.0
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if len(self._open) >= _MOST and not self._make_room():
            _log.warning("the client %s is refused: %d connections are open", client_address, _MOST)
            super().shutdown_request(request)
            return
        self._open.add(request)
        self.expect(request)
        super().process_request(request, client_address)

    def _make_room(self) -> bool:
        """Cut the connection that has been idle longest, so that slow clients do not block others."""
        slowest = min(tuple(self._due.items()), key=lambda item: item[1], default=None)
        if slowest is None:
            return False
        self._due.pop(slowest[0], None)
        self._open.discard(slowest[0])
        _cut([slowest[0]])
        return True

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        self.heard(request)
        super().shutdown_request(request)

    def expect(self, connection: socket.socket) -> None:
        """Start the time limit for a complete request; it is the same for slow and silent clients."""
        self._due[connection] = time.monotonic() + _IDLE

    def heard(self, connection: socket.socket) -> None:
        """Record that a complete request has arrived."""
        self._due.pop(connection, None)

    def service_actions(self) -> None:
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + _LOOK
            _cut([connection for connection, due in tuple(self._due.items()) if now > due])

    def server_close(self) -> None:
        super().server_close()
        if self.misbehaviour:
            self.misbehaviour.close()
        _cut(tuple(self._open))

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's signature
        if isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            _log.debug("the client %s disconnected", client_address)
        else:
            _log.exception("the request of %s could not be answered", client_address)


def _cut(connections: Iterable[socket.socket]) -> None:
    for connection in connections:
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "radar_nb-mirror"
    sys_version = ""
    timeout = _IDLE
    disable_nagle_algorithm = True  # header and body are two writes; the second would wait for an acknowledgement

    def handle_one_request(self) -> None:
        self.server.expect(self.connection)
        super().handle_one_request()

    def do_GET(self) -> None:
        self.server.heard(self.connection)
        if self.server.misbehaviour:
            self.server.misbehaviour.serve(self)
        else:
            self._send(answer(self.server.root, path_of(self.path), self.headers))

    do_HEAD = do_GET  # noqa: N815 - the base class names it so

    def _send(self, answer: Reply) -> None:
        with answer.file or nullcontext() as file:  # closed even if the client goes before the header ends
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.status != HTTPStatus.NOT_MODIFIED:
                self.send_header("Content-Length", str(answer.size))
            self.end_headers()
            if self.command == "HEAD":
                return
            if file is None:
                self.wfile.write(answer.text)
            elif answer.length:
                sent = self.connection.sendfile(file, answer.start, answer.length)
                self.close_connection = self.close_connection or sent < answer.length  # the file has shrunk

    def end_headers(self) -> None:
        if self.server.allow_origin is not None:
            self.send_header("Access-Control-Allow-Origin", self.server.allow_origin)
        super().end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        """Return the time for the header `Date`."""
        return super().date_time_string(self.server.clock.now().timestamp() if timestamp is None else timestamp)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        _log.debug(f"%s {format}", self.client_address[0], *args)
