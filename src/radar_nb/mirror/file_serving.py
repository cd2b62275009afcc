"""Responses to requests for files and folders, following RFC 9110 and DWD's server.

Index pages have the form of nginx's autoindex; files have ETag and Last-Modified, and support range and
conditional requests. Only files and folders below the root that are not hidden are served.
"""

from __future__ import annotations

import html
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from typing import IO, TYPE_CHECKING
from urllib.parse import quote, unquote

from radar_nb.runtime.wording import MONTH_NAMES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from email.message import Message
    from pathlib import Path

_HTML = "text/html; charset=utf-8"
_TYPES = {".tar": "application/x-tar", ".gz": "application/gzip", ".bz2": "application/x-bzip2", ".html": _HTML}
_NAME_WIDTH = 50  # of an index page; nginx cuts longer names to 47 characters and "..>"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A response, decided before its first byte is sent.

    Attributes
    ----------
    status : http.HTTPStatus
    headers : mapping
        All but Content-Length.
    text : bytes
        The body, unless it is a file's.
    file : file or None
        Open; the recipient of the reply closes it.
    start, length : int
        The bytes of the file to send.
    """

    status: HTTPStatus
    headers: Mapping[str, str] = field(default_factory=dict)
    text: bytes = b""
    file: IO[bytes] | None = None
    start: int = 0
    length: int = 0

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return self.length if self.file else len(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validators:
    """Validators that distinguish editions of a file.

    Attributes
    ----------
    etag : str or None
        With its quotes.
    modified : int or None
        Seconds since 1970, UTC.
    """

    etag: str | None
    modified: int | None

    @property
    def headers(self) -> dict[str, str]:
        """The headers with these validators."""
        etag = {} if self.etag is None else {"ETag": self.etag}
        return etag if self.modified is None else etag | {"Last-Modified": formatdate(self.modified, usegmt=True)}

    def prove(self, condition: str) -> bool:
        """Return whether an If-Range matches this edition: a weak ETag never does (RFC 9110, 13.1.5)."""
        return not condition.startswith("W/") and condition in self.headers.values()

    def are_known(self, headers: Message) -> bool:
        """Return whether the client has this edition: ETags take precedence over dates (RFC 9110, 13.2.2)."""
        if "If-None-Match" in headers:
            known = [tag.strip().removeprefix("W/") for tag in headers["If-None-Match"].split(",")]
            return known == ["*"] or (self.etag is not None and self.etag.removeprefix("W/") in known)
        try:
            since = parsedate_to_datetime(headers.get("If-Modified-Since", "")).timestamp()
        except (ValueError, OverflowError):
            return False
        return self.modified is not None and self.modified <= since


def path_of(target: str) -> str:
    """Return the path that a request names: unquoted, without the query.

    Examples
    --------
    >>> path_of("/a%20b.tar?x")
    '/a b.tar'
    """
    return unquote(re.split("[?#]", target)[0], errors="surrogateescape")


def address_of(path: str) -> str:
    """Return a path quoted for an address, the inverse of `path_of`.

    Examples
    --------
    >>> address_of("/a b.tar")
    '/a%20b.tar'
    """
    return quote(path.encode("utf-8", "surrogateescape"))


def answer(
    root: Path, name: str, headers: Message, edit: Callable[[Validators], Validators] | None = None
) -> Reply:
    """Return the reply to a request.

    Parameters
    ----------
    root : Path
        Resolved.
    name : str
        As `path_of` returns it.
    headers : Message
        The request's.
    edit : callable, optional
        Returns the validators that are sent instead of the file's own.
    """
    path = _inside(root, name)
    if path is None:
        return page(HTTPStatus.NOT_FOUND)
    try:
        if path.is_dir():
            if name.endswith("/"):
                text = _index(root, path, f"/{name.strip('/')}/" if name.strip("/") else "/")
                return Reply(status=HTTPStatus.OK, headers={"Content-Type": _HTML}, text=text)
            return page(HTTPStatus.MOVED_PERMANENTLY, {"Location": address_of(f"/{name.strip('/')}/")})
        file = path.open("rb")
    except OSError:
        return page(HTTPStatus.NOT_FOUND)
    status = os.fstat(file.fileno())
    own = Validators(etag=f'"{status.st_mtime_ns:x}-{status.st_size:x}"', modified=int(status.st_mtime))
    about = {"Content-Type": _TYPES.get(path.suffix, "application/octet-stream")}
    return _file_answer(file, status.st_size, about, edit(own) if edit else own, headers)


def _inside(root: Path, name: str) -> Path | None:
    """Return the place of a name, or None where it is not served: outside the root, hidden, or not a file."""
    parts = [part for part in name.split("/") if part]
    if any(part.startswith(".") for part in parts):
        return None
    try:
        path = root.joinpath(*parts).resolve(strict=True)  # resolves links, so that none leads out
    except (OSError, ValueError, RuntimeError):  # nothing there; a NUL; before Python 3.13, a loop of links
        return None
    if not path.is_relative_to(root) or any(part.startswith(".") for part in path.relative_to(root).parts):
        return None
    return path if path.is_dir() or (path.is_file() and not name.endswith("/")) else None


def page(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a page with only a status, as nginx writes it."""
    title = f"{status.value} {status.phrase}"
    text = f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<h1>{title}</h1>\r\n</body>\r\n</html>\r\n"
    return Reply(status=status, headers={"Content-Type": _HTML} | dict(headers or {}), text=text.encode())


def _index(root: Path, folder: Path, name: str) -> bytes:
    """Return an index page like nginx's autoindex: folders first, times in UTC, only entries that are served."""
    rows = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if _inside(root, f"{name}{entry.name}") is None:  # hidden, a link that leads out, or not a file
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
    return (
        f'<a href="{address_of(name)}">{html.escape(shown)}</a>{"":{_NAME_WIDTH - len(shown)}} '
        f"{when.day:02d}-{MONTH_NAMES[when.month - 1]}-{when.year} {when:%H:%M} {size:>19}"
    )


def _file_answer(file: IO[bytes], size: int, about: Mapping[str, str], seen: Validators, asked: Message) -> Reply:
    """Return the whole file, a range of it, or 304 if the client has it (RFC 9110, 13 and 14)."""
    headers = seen.headers | {"Accept-Ranges": "bytes"}
    if seen.are_known(asked):
        file.close()
        return Reply(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    headers |= about
    span = None
    if "If-Range" not in asked or seen.prove(asked["If-Range"]):
        span = _range(asked.get("Range", ""), size)
    if span is None:
        return Reply(status=HTTPStatus.OK, headers=headers, file=file, length=size)
    if not span:
        file.close()
        return page(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
    headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    return Reply(status=HTTPStatus.PARTIAL_CONTENT, headers=headers, file=file, start=span.start, length=len(span))


def _range(text: str, size: int) -> range | None:
    """Parse a Range header: return the bytes to send, an empty range if there are none, None to send all.

    Multiple ranges and invalid headers are answered with the whole file, as the RFC allows.
    """
    match = re.fullmatch(r"bytes=\s*(?:(\d{1,18})-(\d{0,18})|-(\d{1,18}))\s*", text, re.ASCII)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix:
        return range(max(0, size - int(suffix)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)
