"""Faults of a response, decided before its first byte is sent.

First `said` changes the content of a response: status, headers, range. Then `delivered` changes its delivery:
how much of it is sent, how fast, and how the connection ends.
"""

from __future__ import annotations

import io
import math
import re
import time
import zlib
from copy import copy
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import IO, TYPE_CHECKING, Literal, cast

from radar_nb.mirror.faults.rules import KINDS
from radar_nb.mirror.file_serving import Reply, Validators, address_of, answer, page

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message
    from pathlib import Path

    from radar_nb.mirror.faults.rules import Fault, Faults, Kind

_CHUNK = 1 << 18  # bytes packed at once
_IN_MEMORY = 8 << 20  # bytes of a body packed once more; larger ones go to a temporary file
_TRICKLE = 100.0  # bytes a second
_LOGIN = b"""<!DOCTYPE html>\r
<html><head><title>Welcome</title></head><body><h1>Log in to use this network</h1></body></html>\r
"""

End = Literal["keep", "close", "reset", "stall", "next"]
"""End of a response: the connection is kept, closed, or reset; it stays open and silent; or it is reset when the
next request has arrived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request, and its faults.

    Attributes
    ----------
    root : Path
        Resolved.
    path, query : str
        Unquoted, and without the mark between them.
    attempt : int
        Number of requests for the path, from 1.
    headers : Message
    has_body : bool
        Whether the response has a body: not to HEAD.
    faults : Faults
        Source of random numbers.
    fault, slow : Fault or None
    """

    root: Path
    path: str
    query: str
    attempt: int
    headers: Message
    has_body: bool
    faults: Faults
    fault: Fault | None
    slow: Fault | None

    def draw(self, fault: Fault, what: str, count: int) -> int:
        """Draw a whole number from 0 up to, not including, a count."""
        return int(self.faults.draw(self.path, self.attempt, f"{fault.kind} {what}") * count)

    def form(self, fault: Fault) -> str:
        """Return the form that a fault takes."""
        forms = KINDS[fault.kind].forms
        return fault.form or forms[self.draw(fault, "form", len(forms))]

    def place(self, fault: Fault, length: int) -> int:
        """Return the byte of a body at which a fault strikes."""
        return self.draw(fault, "after", length) if fault.after is None else min(fault.after, length - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A part of a body, up to but not including a byte, at a rate in bytes a second; None for any rate."""

    stop: int
    rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The delivery of a response.

    Attributes
    ----------
    answer : Reply
    length : int or None
        The Content-Length header.
    legs : tuple of Leg
        The parts of the body to send.
    flip : tuple of int or None
        The byte of the body, and its bit, to flip.
    end : str
    """

    answer: Reply
    length: int | None
    legs: tuple[Leg, ...]
    flip: tuple[int, int] | None = None
    end: End = "keep"


def said(request: Request) -> Reply:
    """Return the reply with the faults of its content."""
    if request.fault and request.fault.kind in _SAYINGS:
        return _SAYINGS[request.fault.kind](request, request.fault)
    return _true(request)


def _true(request: Request, *, without: str = "") -> Reply:
    """Return the correct reply, optionally ignoring one of the request's headers."""
    return answer(request.root, request.path, _less(request.headers, without))


def _less(headers: Message, without: str) -> Message:
    headers = copy(headers)
    del headers[without]
    return headers


def _status(_: Request, fault: Fault) -> Reply:
    headers = {}
    if fault.retry_after is not None:
        date = formatdate(math.ceil(time.time() + fault.retry_after), usegmt=True)
        headers["Retry-After"] = date if fault.as_date else str(math.ceil(fault.retry_after))
    return page(HTTPStatus(int(fault.kind)), headers)


def _login(_: Request, __: Fault) -> Reply:
    return Reply(status=HTTPStatus.OK, headers={"Content-Type": "text/html"}, text=_LOGIN)


def _ring(request: Request, fault: Fault) -> Reply:
    step = 1 if request.form(fault) == "ring" and request.query != "loop=1" else 0
    return page(HTTPStatus.FOUND, {"Location": f"{address_of(request.path)}?loop={step}"})


def _elsewhere(request: Request, fault: Fault) -> Reply:
    return page(HTTPStatus.FOUND, {"Location": fault.location.rstrip("/") + address_of(request.path)})


def _whole(request: Request, _: Fault) -> Reply:
    return _true(request, without="Range")


def _labelled(request: Request, fault: Fault) -> Reply:
    true = _true(request)
    return _with(true, "Content-Encoding", request.form(fault)) if true.file else true


def _with(true: Reply, name: str, value: str) -> Reply:
    return replace(true, headers={**true.headers, name: value})


def _packed(request: Request, _: Fault) -> Reply:
    """Compress a file's body with gzip, like a server that compresses archives again."""
    true = _true(request, without="Range")
    if true.file is None:
        return true
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)  # gzip's header and trailer
    packed = cast("IO[bytes]", SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115 - the sender closes it
    with true.file as file:
        while data := file.read(_CHUNK):
            packed.write(packer.compress(data))
    packed.write(packer.flush())
    return replace(_with(true, "Content-Encoding", "gzip"), file=packed, length=packed.tell())


def _other_edition(request: Request, fault: Fault) -> Reply:
    """Return a reply with other validators or none, or the file of another edition."""
    form = "" if fault.kind == "no-validator" else request.form(fault)

    def edit(own: Validators) -> Validators:
        if fault.kind == "no-validator":
            return Validators(etag=None, modified=None)
        if fault.kind == "weak-etag":
            return Validators(etag=f"W/{own.etag}", modified=own.modified if form == "dated" else None)
        return own if fault.edition else replace(own, etag=f'"reissued-{(own.etag or "")[1:]}')

    path = f"/{fault.edition}{request.path}" if fault.edition else request.path
    return answer(request.root, path, _less(request.headers, "If-Range" if form == "lie" else ""), edit)


def _no_such_range(request: Request, _: Fault) -> Reply:
    true = _true(request)
    if true.file is None:
        return true
    with true.file as file:
        return page(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{_size(file)}"})


def _size(file: IO[bytes]) -> int:
    return file.seek(0, io.SEEK_END)


def _other_range(request: Request, fault: Fault) -> Reply:
    """Return another range than requested, correctly labelled; or the right one with another total size."""
    true = _true(request)
    if true.file is None or true.status != HTTPStatus.PARTIAL_CONTENT:
        return true
    start, stop, size = true.start, true.start + true.length, _size(true.file)
    others = [other for other in (start + fault.by, start - fault.by) if 0 <= other < stop]
    if request.form(fault) == "start" and others:
        start = others[0]
    else:
        size += abs(fault.by)
    moved = replace(true, start=start, length=stop - start)
    return _with(moved, "Content-Range", f"bytes {start}-{stop - 1}/{size}")


def _changed_listing(request: Request, fault: Fault) -> Reply:
    """Remove a file from an index page, or change its size."""
    true = _true(request)
    lines = true.text.split(b"\r\n")
    files = [n for n, line in enumerate(lines) if re.match(rb'<a href="[^"]*[^/"]">.* \d+$', line)]
    if files:
        chosen = files[request.draw(fault, "entry", len(files))]
        if request.form(fault) == "missing":
            del lines[chosen]
        else:
            lines[chosen] = re.sub(rb"\d+$", lambda size: b"%d" % (int(size[0]) + 1), lines[chosen])
    return replace(true, text=b"\r\n".join(lines))


_SAYINGS: Mapping[Kind, Callable[[Request, Fault], Reply]] = {
    "429": _status,
    "503": _status,
    "500": _status,
    "403": _status,
    "404": _status,
    "page": _login,
    "loop": _ring,
    "elsewhere": _elsewhere,
    "no-range": _whole,
    "wrong-range": _other_range,
    "416": _no_such_range,
    "new-etag": _other_edition,
    "weak-etag": _other_edition,
    "no-validator": _other_edition,
    "encoded": _packed,
    "labelled": _labelled,
    "listing": _changed_listing,
}

_ENDS: Mapping[Kind, End] = {"cut": "reset", "stall": "stall", "short": "close"}


def delivered(request: Request, spoken: Reply) -> Delivery:
    """Return the delivery of a reply."""
    bodiless = spoken.status == HTTPStatus.NOT_MODIFIED
    length = 0 if bodiless or not request.has_body else spoken.size
    leg = partial(Leg, rate=request.slow.rate if request.slow else None)
    plain = Delivery(answer=spoken, length=None if bodiless else spoken.size, legs=(leg(stop=length),))
    fault = request.fault
    if fault is None:
        return plain
    if fault.kind == "hangup":
        return replace(plain, end="close" if request.form(fault) == "at-once" else "next")
    return _in_the_body(request, fault, plain, leg, length) if length else plain


def _in_the_body(
    request: Request, fault: Fault, plain: Delivery, leg: Callable[..., Leg], length: int
) -> Delivery:
    """Apply the faults of a body of known length."""
    match fault.kind:
        case "cut" | "stall" | "short":
            return replace(plain, legs=(leg(stop=request.place(fault, length)),), end=_ENDS[fault.kind])
        case "trickle":
            slow = Leg(stop=length, rate=fault.rate or _TRICKLE)
            return replace(plain, legs=(leg(stop=request.place(fault, length)), slow))
        case "length":
            wrong = max(0, length + fault.by)
            end: End = "keep" if fault.by < 0 else "close"
            return replace(plain, length=wrong, legs=(leg(stop=min(length, wrong)),), end=end)
        case "no-length":
            stop = length if fault.after is None else request.place(fault, length)
            closing = _with(plain.answer, "Connection", "close")
            return replace(plain, answer=closing, length=None, legs=(leg(stop=stop),), end="close")
        case "flip":
            return replace(plain, flip=(request.place(fault, length), request.draw(fault, "bit", 8)))
    return plain
