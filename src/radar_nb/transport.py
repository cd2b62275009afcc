"""HTTP as a polite guest: what is asked, what an answer means, when it is asked again; owner of aiohttp.

Decisions are pure functions (`judge`, `request_headers`, `demanded_wait`, `Patience.wait`); `Connection` acts on
them.
"""

from __future__ import annotations

import asyncio
import logging
import random
import re
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Literal, TypeVar
from urllib.parse import urlsplit

from radar_nb.errors import DownloadError, NotOnServer, Refused, ServerUnavailable, TransferTimeout
from radar_nb.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

    from aiohttp import ClientResponse, ClientSession

    from radar_nb.workspace import Sidecar

T = TypeVar("T")

Verdict = Literal["take", "unchanged", "restart", "retry", "give up"]
"""take: the body is what was asked for; restart: the part is of no use; retry: the same again, later."""

_log = logging.getLogger(__name__)

_BUFFER = 1 << 20  # bytes that aiohttp may read ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a request is waited for and how often it is made again.

    Attributes
    ----------
    attempts : int
        Attempts in a row that bring no new byte of a file, before it is given up.
    first_contact : int
        The same for a server that has not answered at all yet: its address may be wrong.
    first_wait, longest_wait : float
        Seconds: the n-th wait is drawn evenly from 0 to `first_wait * 2 ** (n - 1)`, and is at
        most `longest_wait` (full jitter).
    longest_demand : float
        Seconds: the longest Retry-After that is waited for. A server that demands more is left alone.
    connect, read : float
        Seconds for a connection to stand, and between two arrivals of bytes. A whole file may take any time.
    """

    attempts: int = 6
    first_contact: int = 3
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_demand: float = 300.0
    connect: float = 30.0
    read: float = 60.0

    def wait(self, failures: int, demanded: float | None = None) -> float:
        """Give the seconds to wait after so many failures in a row, and at least what the server demanded."""
        ceiling = min(self.longest_wait, self.first_wait * 2 ** (failures - 1))
        return max(random.uniform(0, ceiling), demanded or 0.0)  # noqa: S311 - no secret hangs on it


PATIENCE = Patience()
"""The waits in force; tests put shorter ones here."""


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
    """

    status: int
    etag: str | None = None
    last_modified: str | None = None
    start: int | None = 0
    size: int | None = None

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str]) -> Answer:
        """Read the head of an answer.

        Examples
        --------
        >>> answer = Answer.of(206, {"Content-Range": "bytes 100-199/200", "Content-Length": "100"})
        >>> answer.start, answer.size
        (100, 200)
        """
        length = headers.get("Content-Length", "")
        start: int | None = 0
        size = int(length) if length.isdecimal() else None
        if status == 206:
            match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", "").strip())
            start = int(match[1]) if match else None
            size = int(match[2]) if match and match[2] != "*" else None
        etag, last_modified = headers.get("ETag"), headers.get("Last-Modified")
        return cls(status=status, etag=etag, last_modified=last_modified, start=start, size=size)


def judge(answer: Answer, *, note: Sidecar | None = None, offset: int = 0) -> Verdict:
    """Decide what an answer means.

    Parameters
    ----------
    answer : Answer
    note : Sidecar or None
        What the server said when the part on disk was begun.
    offset : int
        The first byte that was asked for; 0 for the whole file.

    Returns
    -------
    {"take", "unchanged", "restart", "retry", "give up"}

    Examples
    --------
    >>> judge(Answer(status=200)), judge(Answer(status=503)), judge(Answer(status=404))
    ('take', 'retry', 'give up')
    """
    match answer.status:
        case 200:
            return "take"
        case 206 if answer.start == offset and _same_file(answer, note):
            return "take"
        case 206 | 416:
            return "restart"
        case 304:
            return "unchanged"
        case 408 | 425 | 429:
            return "retry"
        case status:
            return "retry" if status >= 500 else "give up"


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


def demanded_wait(retry_after: str | None, now: datetime) -> float | None:
    """Give the seconds that a Retry-After header demands: a number or an HTTP date (RFC 9110, 10.2.3).

    Examples
    --------
    >>> demanded_wait("120", datetime.now(UTC))
    120.0
    """
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    try:
        moment = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())


class Setback(Exception):
    """An attempt failed in a way that another may not.

    Attributes
    ----------
    error : DownloadError
        What to raise when there is no further attempt.
    demanded : float or None
        Seconds that the server asks to wait.
    restart : bool
        Whether the next attempt must begin at the first byte.
    """

    def __init__(self, error: DownloadError, *, demanded: float | None = None, restart: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.demanded = demanded
        self.restart = restart


class Connection:
    """A session with a server, and what its requests share: the number of connections and of vain requests.

    Attributes
    ----------
    limit : int
        Requests at a time.
    """

    def __init__(self, session: ClientSession, limit: int) -> None:
        self._session = session
        self._vain = 0
        self._answered = False
        self.limit = limit

    async def persist(self, attempt: Callable[[], Awaitable[T]], reached: Callable[[], int] = lambda: 0) -> T:
        """Make an attempt again until it succeeds, or too many in a row have brought nothing new.

        Parameters
        ----------
        attempt : callable
            Makes one attempt; a `Setback` calls for another, every other error ends it.
        reached : callable
            Gives how far the attempts have come, in bytes.

        Raises
        ------
        DownloadError
            There were too many attempts for this item, or too many requests in a row, of all items, that the
            server did not serve: one that is down is not asked as often for each of a hundred files.
        """
        failures, furthest = 0, reached()
        while True:
            try:
                return await attempt()
            except Setback as setback:
                failures = 1 if reached() > furthest else failures + 1
                furthest = max(furthest, reached())
                attempts = PATIENCE.attempts if self._answered else PATIENCE.first_contact
                if failures >= attempts or self._vain >= attempts * self.limit:
                    raise setback.error from setback.__cause__
                wait = PATIENCE.wait(failures, setback.demanded)
                _log.info("%s; next attempt in %.1f s", setback, wait)
            await asyncio.sleep(wait)

    @asynccontextmanager
    async def get(
        self, url: str, *, headers: Mapping[str, str] | None = None, note: Sidecar | None = None, offset: int = 0
    ) -> AsyncIterator[tuple[ClientResponse, Answer]]:
        """Open an answer whose body, or status 304, is what was asked for.

        Raises
        ------
        Setback, DownloadError
            What the answer, or its absence, calls for; also while the body is read.
        """
        self._vain += 1
        with _translated(url):
            async with self._session.get(url, headers=headers) as response:
                self._answered = True
                refuse_plain([*(str(step.url) for step in response.history), str(response.url)])
                answer = Answer.of(response.status, response.headers)
                verdict = judge(answer, note=note, offset=offset)
                if verdict != "retry":
                    self._vain = 0
                if verdict not in {"take", "unchanged"}:
                    raise _refusal(url, response, verdict)
                yield response, answer


@asynccontextmanager
async def connected(concurrency: int | None = None) -> AsyncIterator[Connection]:
    """Open a session of so many connections at a time (default: the settings), by the environment's proxies."""
    from urllib.request import getproxies  # noqa: PLC0415 - `import radar_nb` stays cheap

    import aiohttp  # noqa: PLC0415 - the same

    from radar_nb import __version__  # noqa: PLC0415 - loaded by now; at the top it would be a cycle

    limit = settings(concurrency=concurrency).concurrency
    agent = f"radar_nb/{__version__} (a notebook that reads DWD's radar archives)"
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=limit),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=PATIENCE.connect, sock_read=PATIENCE.read),
        headers={"User-Agent": agent, "Accept-Encoding": "identity"},
        auto_decompress=False,
        read_bufsize=_BUFFER,
        trust_env=bool(getproxies()),  # it costs a millisecond a request: only where there are proxies to find
    ) as session:
        yield Connection(session, limit)


def refuse_plain(steps: Sequence[str]) -> None:
    """Refuse a chain of redirects that leaves https: from there on anybody could change the file."""
    schemes = [urlsplit(step).scheme for step in steps]
    if "https" in schemes and "http" in schemes[schemes.index("https") :]:
        raise Refused(
            f"{steps[0]} leads from https to http ({steps[-1]}), where a file can be changed on its way: "
            "it is not fetched; check the address (base_url=)"
        )


def _refusal(url: str, response: ClientResponse, verdict: Verdict) -> DownloadError | Setback:
    """Give what to raise for an answer that is of no use."""
    host = urlsplit(url).hostname
    status = f"{response.status} {response.reason or ''}".strip()
    if verdict == "restart":
        error = ServerUnavailable(
            f"{host} sends neither the rest nor the whole of {url} ({status}): try again later"
        )
        return Setback(error, restart=True)
    if verdict == "retry":
        demanded = demanded_wait(response.headers.get("Retry-After"), datetime.now(UTC))
        if demanded is not None and demanded > PATIENCE.longest_demand:
            return ServerUnavailable(
                f"{host} answers {status} for {url} and asks to be left alone for {demanded:.0f} s: "
                "run the same call again after that"
            )
        error = ServerUnavailable(
            f"{host} answers {status} for {url}, again and again: run the same call later, "
            "it goes on where it stopped"
        )
        return Setback(error, demanded=demanded)
    if response.status in {404, 410}:
        return NotOnServer(
            f"{url} is not on the server ({status}): it may not be published yet, or may have been moved; "
            "look at the folder above it in a browser and choose months that are there"
        )
    return Refused(f"{host} refuses {url} ({status}): open the address in a browser to see why")


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Turn aiohttp's errors into ours: into a setback where another attempt may help."""
    import aiohttp  # noqa: PLC0415 - `import radar_nb` stays cheap

    host = urlsplit(url).hostname
    again = "then run the same call again, it goes on where it stopped"
    try:
        yield
    except DownloadError:  # ours already, though some are builtin ConnectionErrors too
        raise
    except aiohttp.ClientConnectorCertificateError as error:
        raise Refused(
            f"the certificate of {host} is not trusted ({error.certificate_error}): if your network inspects "
            "traffic, put its certificates into a file and name that in SSL_CERT_FILE"
        ) from error
    except (aiohttp.TooManyRedirects, aiohttp.InvalidURL) as error:
        raise Refused(f"{url} leads nowhere ({type(error).__name__}): check the address (base_url=)") from error
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise Setback(
            ServerUnavailable(
                f"no connection to {host} for {url} ({_cause(error)}): check the address (base_url=), the network "
                f"and the proxy (HTTPS_PROXY), {again}"
            )
        ) from error
    except TimeoutError as error:
        raise Setback(
            TransferTimeout(f"{host} sent nothing of {url} for {PATIENCE.read:g} s: check the network, {again}")
        ) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        raise Setback(
            ServerUnavailable(f"the connection to {host} broke during {url} ({error}): check the network, {again}")
        ) from error


def _cause(error: Exception) -> str:
    """Give what the operating system said, where aiohttp has wrapped it."""
    return str(getattr(error, "os_error", error))
