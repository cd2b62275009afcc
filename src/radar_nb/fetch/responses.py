"""What a server's answer, or its absence, means for a file that is being fetched: pure decisions."""

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
"""take: the body is what was asked for; complete: the part is the whole file; unchanged: the file that lies there
is the server's; follow: ask at another address; restart: the part is of no use; retry: the same again, later."""

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
"""What may go wrong beside an answer's status. No connection: none stands; broken: it ended early; silent: no
byte came for long; slow: too few; short: the archive goes on behind the length that the server gave; damaged: a
checksum or the structure is wrong; changed: another file came in the middle; unsafe: a member that no archive of
DWD has; no archive: a web page in its place; certificate: not trusted; nowhere: no address, or a ring of
redirects; too large: more bytes than any file of DWD has."""

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

_PASSING = {304, 408, 425, 429}  # 304: to a question that nobody asked
_FINAL_5XX = {501, 505, 511}  # not implemented, another HTTP, a network's login page (RFC 9110; RFC 6585, 6)
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the head of an answer says of the file.

    Attributes
    ----------
    status : int
    etag, last_modified : str or None
        To the letter.
    start : int or None
        Where in the file the body begins; None where the answer should say so and does not.
    size : int or None
        Bytes of the whole file.
    location : str or None
        Where else to ask.
    encoding : str
        What the body is packed in beside the file's own packing; empty for nothing.
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
        """Read the head of an answer.

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
    """Return a validator that can be sent back; one with bytes that no header may hold counts as absent."""
    return value if value is not None and value.isprintable() else None


def _number(text: str) -> int | None:
    return int(text) if re.fullmatch(r"\d{1,18}", text, re.ASCII) else None


def judge(
    found: Answer | Trouble, *, note: Sidecar | None = None, offset: int = 0, conditional: bool = False
) -> Verdict:
    """Decide what an answer, or a trouble, means.

    Parameters
    ----------
    found : Answer or str
        What came, or what went wrong.
    note : Sidecar or None
        What the server said when the part on disk was begun.
    offset : int
        The first byte that was asked for; 0 for the whole file.
    conditional : bool
        Whether the file was asked for only if it is not the one that lies there.

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
    """Tell whether a 206 is of the file that a part belongs to; a server may answer If-Range wrongly."""
    if note is None:
        return True
    pairs = (answer.etag, note.etag), (answer.last_modified, note.last_modified), (answer.size, note.size)
    return all(new is None or old is None or new == old for new, old in pairs)


def request_headers(
    *, part: Sidecar | None = None, offset: int = 0, whole: Sidecar | None = None
) -> dict[str, str]:
    """Give the headers that ask for the rest of a part, or for a file only if the whole one there is outdated.

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
    """Give what proves that two answers are of the same bytes; None where the server said nothing so strict."""
    strong = note.etag if note.etag and not note.etag.startswith("W/") else None
    return strong or note.last_modified


def demanded_wait(retry_after: str | None, now: datetime, date: str | None = None) -> float | None:
    """Give the seconds that a Retry-After header demands: a number or an HTTP date (RFC 9110, 10.2.3).

    Parameters
    ----------
    retry_after : str or None
    now : datetime
        With time zone; what counts where the server does not tell its own.
    date : str, optional
        The answer's header of that name: the server's clock may be right and ours wrong.

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
    except ValueError:
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
    except ValueError as error:  # a bracket that is not closed, bytes that are not text
        raise Refused(
            f"{address} redirects to {location!a}, which is not a valid address: try again later, or check the "
            "address (base_url=)"
        ) from error
    if here.scheme == "https" and there.scheme == "http":
        raise Refused(
            f"{address} leads from https to http ({target}), where a file can be changed on its way: "
            "it is not fetched; check the address (base_url=)"
        )
    if _origin(here) != _origin(there) and (here.hostname, there.scheme) != (there.hostname, "https"):
        raise Refused(
            f"{address} leads to another server ({target}): it is not followed, since nobody chose that "
            "server; if you trust it, give its address (base_url=)"
        )
    return target


def _origin(parts: SplitResult) -> tuple[str, str | None, int | None]:
    try:
        port = parts.port
    except ValueError:  # none that can be
        port = -1
    return parts.scheme, parts.hostname, port or {"http": 80, "https": 443}.get(parts.scheme)


class Setback(Exception):
    """An attempt failed in a way that another may not.

    Attributes
    ----------
    error : DownloadError
        What to raise when there is no further attempt.
    trouble : str or None
        What went wrong, if it was no answer.
    demanded : float or None
        Seconds that the server asks to wait.
    restart : bool
        Whether what has come is of no use to the next attempt.
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
    """Give what to raise for a trouble: the error itself where no further attempt would help."""
    verdict = judge(kind)
    return error if verdict == "give up" else Setback(error, trouble=kind, restart=verdict == "restart")
