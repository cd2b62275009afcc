"""Faults on the connection, as decided by `responses`."""

from __future__ import annotations

import io
import socket
import struct
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING

from radar_nb.mirror.faults.responses import Request, delivered, said
from radar_nb.mirror.file_serving import path_of

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from radar_nb.mirror.faults.responses import Delivery, End
    from radar_nb.mirror.faults.rules import Fault, Faults

_CHUNK = 1 << 18  # bytes read and sent at once
_TICK = 0.05  # seconds between two chunks of a limited connection
_ARRIVAL = 0.05  # seconds for sent bytes to arrive; a reset overtakes bytes in transit
_LINGER = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)  # closing sends RST instead of FIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A request to a mirror with faults, and its result.

    Attributes
    ----------
    path : str
        Unquoted, without the query.
    attempt : int
        Number of requests for the path, from 1; the steps of an endless redirect count as one.
    kind : str
        The kind of the fault; `slow` only if there is no other; empty for an undisturbed response.
    range : str
        The Range header; empty for none.
    status : int
        0 if there was no response.
    sent : int
        Bytes of the body passed to the connection so far.
    moment : float
        `time.monotonic()` when the request was read.
    """

    path: str
    attempt: int
    kind: str
    range: str
    status: int
    sent: int
    moment: float


class Misbehaviour:
    """Answers requests by rules, and records them.

    Parameters
    ----------
    root : Path
        Resolved.
    faults : Faults
    """

    def __init__(self, root: Path, faults: Faults) -> None:
        self._root = root
        self._faults = faults
        self._counts: Counter[str] = Counter()
        self._served: list[Served] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()

    @property
    def served(self) -> tuple[Served, ...]:
        """The requests so far, in order."""
        return tuple(self._served)

    def close(self) -> None:
        """End all waiting."""
        self._closing.set()

    def serve(self, client: BaseHTTPRequestHandler) -> None:
        """Answer one request, or leave it unanswered."""
        request, number = self._taken(client)
        if request.slow:
            self._closing.wait(request.slow.latency)
        if self._closing.is_set() or (request.fault and request.fault.kind == "reset"):
            _reset(client)
            return
        delivery = delivered(request, said(request))
        self._note(number, status=delivery.answer.status)
        with delivery.answer.file or io.BytesIO(delivery.answer.text) as body:
            _send_head(client, delivery)
            whole = self._send_body(client, delivery, body, number)
        self._end(client, delivery.end if whole else "close")

    def _taken(self, client: BaseHTTPRequestHandler) -> tuple[Request, int]:
        """Read a request, choose its faults, and return it with its number."""
        path, query = path_of(client.path), client.path.partition("?")[2]
        asked = client.headers.get("Range", "")
        with self._lock:
            looping = self._looping(path, query)
            self._counts[path] += 0 if looping else 1
            attempt = self._counts[path]
            struck = (looping,) if looping else self._faults.strike(path, attempt, ranged=bool(asked))
            kind = struck[0].kind if struck else ""
            entry = Served(
                path=path, attempt=attempt, kind=kind, range=asked, status=0, sent=0, moment=time.monotonic()
            )
            self._served.append(entry)
            number = len(self._served) - 1
        request = Request(
            root=self._root,
            path=path,
            query=query,
            attempt=attempt,
            headers=client.headers,
            has_body=client.command != "HEAD",
            faults=self._faults,
            fault=next((fault for fault in struck if fault.kind != "slow"), None),
            slow=next((fault for fault in struck if fault.kind == "slow"), None),
        )
        return request, number

    def _looping(self, path: str, query: str) -> Fault | None:
        """Return the rule of an endless redirect that the request is a step of."""
        if not query.startswith("loop="):
            return None
        attempt = self._counts[path]
        loops = (rule for rule in self._faults.rules if rule.kind == "loop")
        return next((rule for rule in loops if rule.concerns(path, attempt, ranged=False)), None)

    def _note(self, number: int, *, status: int | None = None, sent: int = 0) -> None:
        entry = self._served[number]
        self._served[number] = replace(
            entry, status=entry.status if status is None else int(status), sent=entry.sent + sent
        )

    def _send_body(self, client: BaseHTTPRequestHandler, delivery: Delivery, body: IO[bytes], number: int) -> bool:
        """Send the chosen part of the body at its rate; return whether all of it was available."""
        body.seek(delivery.answer.start)
        at = 0
        for leg in delivery.legs:
            began, first = time.monotonic(), at
            chunk = min(_CHUNK, max(1, int(leg.rate * _TICK))) if leg.rate else _CHUNK
            while at < leg.stop:
                data = body.read(min(chunk, leg.stop - at))
                if not data or self._closing.is_set():
                    return False
                if leg.rate:
                    due = began + (at + len(data) - first) / leg.rate
                    self._closing.wait(max(0.0, due - time.monotonic()))
                self._note(number, sent=len(data))
                client.connection.sendall(_flipped(data, at, delivery.flip))
                at += len(data)
        return True

    def _end(self, client: BaseHTTPRequestHandler, end: End) -> None:
        if end != "keep":
            client.close_connection = True
        if end == "reset":
            self._closing.wait(_ARRIVAL)
            _reset(client)
        elif end == "stall":
            client.connection.settimeout(None)
            while client.connection.recv(_CHUNK):  # until the client disconnects, or the mirror closes
                pass
        elif end == "next" and client.connection.recv(1, socket.MSG_PEEK):
            _reset(client)


def _send_head(client: BaseHTTPRequestHandler, delivery: Delivery) -> None:
    client.send_response(delivery.answer.status)
    for name, value in delivery.answer.headers.items():
        client.send_header(name, value)
    if delivery.length is not None:
        client.send_header("Content-Length", str(delivery.length))
    client.end_headers()


def _flipped(data: bytes, at: int, flip: tuple[int, int] | None) -> bytes:
    """Flip a bit of a chunk that begins at a byte of the body, if it lies there."""
    if flip is None or not at <= flip[0] < at + len(data):
        return data
    spoilt = bytearray(data)
    spoilt[flip[0] - at] ^= 1 << flip[1]
    return bytes(spoilt)


def _reset(client: BaseHTTPRequestHandler) -> None:
    """Close a connection so that the other side sees a reset."""
    client.close_connection = True
    client.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    client.rfile.close()  # it holds the socket open
    client.connection.close()
