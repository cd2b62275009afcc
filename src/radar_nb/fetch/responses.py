"""What a server's response, or its absence, means for a file that is being fetched: pure decisions."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal
from urllib.parse import SplitResult, urljoin, urlsplit

from radar_nb.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

    from radar_nb.errors import DownloadError
    from radar_nb.runtime.files import Sidecar

Verdict = Literal["take", "complete", "unchanged", "follow", "restart", "retry", "give up"]
"""take: the body is what was requested; complete: the part is the whole file; unchanged: the existing file equals
the server's; follow: ask another address; restart: the part is useless; retry: send the same request later."""

Trouble = Literal[
    "no connection",
    "broken",
    "silent",
    "slow",
    "short",
    "damaged",
    "changed",
    "unsafe",
    "no archive",
    "certificate",
    "nowhere",
    "too large",
]
"""What may go wrong beside a response's status. No connection: could not connect; broken: ended early; silent: no
byte arrived for too long; slow: too few bytes arrived; short: the archive continues past the length that the
server stated; damaged: a checksum or the structure is wrong; changed: another file arrived midway; unsafe: a
member that no archive of DWD has; no archive: a web page instead; certificate: not trusted; nowhere: not a valid
address, or a redirect loop; too large: more bytes than any file of DWD."""

_VERDICTS: Mapping[Trouble, Verdict] = {
    "no connection": "retry",
    "broken": "retry",
    "silent": "retry",
    "slow": "retry",
    "short": "retry",
    "damaged": "restart",
    "changed": "restart",
    "unsafe": "give up",
    "no archive": "give up",
    "certificate": "give up",
    "nowhere": "give up",
    "too large": "give up",
}

_PASSING = {304, 408, 425, 429}  # 304: in reply to an unconditional request
_FINAL_5XX = {501, 505, 511}  # not implemented, another HTTP, a network's login page (RFC 9110; RFC 6585, 6)
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The facts about a file in the head of a response.

    Attributes
    ----------
    status : int
    etag, last_modified : str or None
        Verbatim.
    start : int or None
        Offset of the body in the file; None if the response should state it and does not.
    size : int or None
        Bytes of the whole file.
    location : str or None
        Address of a redirect.
    encoding : str
        Content encoding of the body, beside the file's own compression; empty for none.
    reason : str
        The status in words.
    retry_after, date : str or None
        The headers of these names.
    """

    status: int
    etag: str | None = None
    last_modified: str | None = None
    start: int | None = 0
    size: int | None = None
    location: str | None = None
    encoding: str = ""
    reason: str = ""
    retry_after: str | None = None
    date: str | None = None

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], reason: str | None = None) -> Answer:
        """Parse the head of a response.

        Examples
        --------
        >>> answer = Answer.of(206, {"Content-Range": "bytes 100-199/200", "Content-Length": "100"})
        >>> answer.start, answer.size
        (100, 200)
        """
        start: int | None = 0
        size = _number(headers.get("Content-Length", ""))
        if status in {206, 416}:
            match = re.fullmatch(
                r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", headers.get("Content-Range", "").strip(), re.ASCII
            )
            start = _number(match[1] or "") if match else None
            size = _number(match[2]) if match else None
        encoding = headers.get("Content-Encoding", "").strip().lower()
        return cls(
            status=status,
            etag=_clean(headers.get("ETag")),
            last_modified=_clean(headers.get("Last-Modified")),
            start=start,
            size=size,
            location=headers.get("Location"),
            encoding="" if encoding == "identity" else encoding,
            reason=reason or "",
            retry_after=headers.get("Retry-After"),
            date=headers.get("Date"),
        )


def _clean(value: str | None) -> str | None:
    """Return a validator that can be sent back; one with bytes not allowed in a header counts as absent."""
    return value if value is not None and value.isprintable() else None


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def judge(
    found: Answer | Trouble, *, note: Sidecar | None = None, offset: int = 0, conditional: bool = False
) -> Verdict:
    """Decide what a response, or a trouble, means.

    Parameters
    ----------
    found : Answer or str
        The response, or what went wrong.
    note : Sidecar or None
        What the server stated when the part on disk was begun.
    offset : int
        The first byte requested; 0 for the whole file.
    conditional : bool
        Whether the file was requested only if it has changed.

    Returns
    -------
    {"take", "complete", "unchanged", "follow", "restart", "retry", "give up"}

    Examples
    --------
    >>> judge(Answer(status=200)), judge(Answer(status=503)), judge(Answer(status=404)), judge("damaged")
    ('take', 'retry', 'give up', 'restart')
    """
    if not isinstance(found, Answer):
        return _VERDICTS[found]
    verdict: Verdict
    match found.status:
        case 200:
            verdict = "take"
        case 206 if found.start == offset and _same_file(found, note):
            verdict = "take"
        case 416 if offset and found.size == offset:
            verdict = "complete"
        case 206 | 416:
            verdict = "restart"
        case 304 if conditional:
            verdict = "unchanged"
        case status if status in _REDIRECTS and found.location:
            verdict = "follow"
        case status if status in _PASSING or (status >= 500 and status not in _FINAL_5XX):
            verdict = "retry"
        case _:
            verdict = "give up"
    return verdict


def _same_file(answer: Answer, note: Sidecar | None) -> bool:
    """Return whether a 206 is of the file that a part belongs to; a server may handle If-Range wrongly."""
    if note is None:
        return True
    pairs = (answer.etag, note.etag), (answer.last_modified, note.last_modified), (answer.size, note.size)
    return all(new is None or old is None or new == old for new, old in pairs)


def request_headers(
    *, part: Sidecar | None = None, offset: int = 0, whole: Sidecar | None = None
) -> dict[str, str]:
    """Return headers that request the rest of a part, or a file only if the existing one is outdated.

    A part is continued only under a strong ETag or a date (RFC 9110, 13.1.5): otherwise `offset` must be 0.
    """
    headers: dict[str, str] = {}
    if offset and part is not None and (proof := validator(part)):
        headers |= {"Range": f"bytes={offset}-", "If-Range": proof}
    if whole is not None and whole.etag:
        headers["If-None-Match"] = whole.etag
    elif whole is not None and whole.last_modified:
        headers["If-Modified-Since"] = whole.last_modified
    return headers


def validator(note: Sidecar) -> str | None:
    """Return a validator that proves two responses to be of the same bytes; None if there is no strong one."""
    strong = note.etag if note.etag and not note.etag.startswith("W/") else None
    return strong or note.last_modified


def demanded_wait(retry_after: str | None, now: datetime, date: str | None = None) -> float | None:
    """Return the seconds that a Retry-After header demands: a number or an HTTP date (RFC 9110, 10.2.3).

    Parameters
    ----------
    retry_after : str or None
    now : datetime
        With time zone; used if the server does not state its own time.
    date : str, optional
        The response's Date header: the server's clock may be right and ours wrong.

    Examples
    --------
    >>> demanded_wait("120", datetime.now(UTC))
    120.0
    """
    if retry_after is None:
        return None
    if (seconds := _number(retry_after.strip())) is not None:
        return float(seconds)
    moment = _moment(retry_after)
    return None if moment is None else max(0.0, (moment - (_moment(date) or now)).total_seconds())


def _moment(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):  # a year of twenty digits
        return None
    return moment.replace(tzinfo=moment.tzinfo or UTC)


def followed(address: str, location: str) -> str:
    """Return the address that a redirect leads to.

    Raises
    ------
    Refused
        It is malformed, or leads to another server, or from https to http.

    Examples
    --------
    >>> followed("http://localhost/a", "/a/")
    'http://localhost/a/'
    """
    try:
        target = urljoin(address, location)
        here, there = urlsplit(address), urlsplit(target)
        target.encode()
    except ValueError as error:  # an unclosed bracket, bytes that are not text
        raise Refused(
            f"{address} redirects to {location!a}, which is not a valid address: try again later, or check the "
            "address (base_url=)"
        ) from error
    if here.scheme == "https" and there.scheme == "http":
        raise Refused(
            f"{address} redirects from https to http ({target}), where a file can be tampered with: "
            "it is not fetched; check the address (base_url=)"
        )
    if _origin(here) != _origin(there) and (here.hostname, there.scheme) != (there.hostname, "https"):
        raise Refused(
            f"{address} redirects to another server ({target}), which is not followed: "
            "if you trust that server, pass its address (base_url=)"
        )
    return target


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    try:
        port = parts.port
    except ValueError:  # not a valid port
        port = -1
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme)


class Setback(Exception):
    """An attempt failed, but another may succeed.

    Attributes
    ----------
    error : DownloadError
        What to raise if there is no further attempt.
    trouble : str or None
        What went wrong, if not a response.
    demanded : float or None
        Seconds that the server asks to wait.
    restart : bool
        Whether the received bytes are useless to the next attempt.
    """

    def __init__(
        self,
        error: DownloadError,
        *,
        trouble: Trouble | None = None,
        demanded: float | None = None,
        restart: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.error = error
        self.trouble = trouble
        self.demanded = demanded
        self.restart = restart


def trouble(kind: Trouble, error: DownloadError) -> DownloadError | Setback:
    """Return what to raise for a trouble: the error itself if another attempt would not help."""
    verdict = judge(kind)
    return error if verdict == "give up" else Setback(error, trouble=kind, restart=verdict == "restart")
