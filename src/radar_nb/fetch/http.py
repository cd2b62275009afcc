"""HTTP as a polite guest: requests that are paced, waited for and made again; owner of aiohttp.

What an answer means is decided in `answers`, how much is asked at a time in `politeness`; `Connection` acts on it.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import zlib
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from radar_nb.errors import DownloadError, NotOnServer, Refused, ServerUnavailable, TransferTimeout
from radar_nb.fetch.responses import Answer, Setback, demanded_wait, followed, judge, trouble
from radar_nb.fetch.throttling import Budget, Floor, Gate, Pace
from radar_nb.runtime.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from aiohttp import ClientResponse, ClientSession

    from radar_nb.fetch.responses import Verdict
    from radar_nb.runtime.files import Sidecar

T = TypeVar("T")

_log = logging.getLogger(__name__)

_BUFFER = 1 << 20  # bytes that aiohttp may read ahead
_HOPS = 5  # redirects that one request may follow
_PROGRESS = 1 << 20  # bytes that an attempt which was too slow must have brought to count as one that helped
_AGAIN = "then run the same call again, it goes on where it stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a request is waited for and how often it is made again.

    Attributes
    ----------
    attempts : int
        Attempts in a row that bring no new byte of a file, before it is given up.
    first_contact : int
        The same for a server that has not answered at all yet: its address may be wrong.
    damaged : int
        Times that a file may arrive damaged, before it is given up.
    first_wait, longest_wait : float
        Seconds: the n-th wait is drawn evenly from 0 to `first_wait * 2 ** (n - 1)`, and is at
        most `longest_wait` (full jitter).
    longest_demand : float
        Seconds: the longest Retry-After that is waited for. A server that demands more is left alone.
    offline : float
        Seconds without any connection to a server that has answered before: a tunnel, a lid that was closed.
    connect, read : float
        Seconds for a connection to stand, and between two arrivals of bytes. A whole file may take any time.
    slowest, window : float
        Bytes a second, over so many seconds of waiting, below which a connection is given up for a new one.
    """

    attempts: int = 6
    first_contact: int = 3
    damaged: int = 3
    first_wait: float = 1.0
    longest_wait: float = 60.0
    longest_demand: float = 300.0
    offline: float = 900.0
    connect: float = 30.0
    read: float = 60.0
    slowest: float = 1000.0
    window: float = 30.0

    def wait(self, failures: int, demanded: float | None = None) -> float:
        """Give the seconds to wait after so many failures in a row, and at least what the server demanded."""
        ceiling = min(self.longest_wait, self.first_wait * 2 ** min(failures - 1, 60))
        return max(random.uniform(0, ceiling), demanded or 0.0)  # noqa: S311 - no secret hangs on it


PATIENCE = Patience()
"""The waits in force; tests put shorter ones here."""


class Connection:
    """A session with a server, and what its requests share.

    Attributes
    ----------
    limit : int
        Requests at a time, at most.
    gate : Gate
        Lets so many pass at a time; can be paused.
    """

    def __init__(self, session: ClientSession, limit: int, *, bandwidth_limit: float | None = None) -> None:
        self._session = session
        self._answered = False
        self._budget = Budget(PATIENCE.attempts * limit, last_tries=2 * limit)
        self._pace = Pace(bandwidth_limit)
        self._open: set[ClientResponse] = set()
        self.limit = limit
        self.gate = Gate(limit)

    async def pause(self) -> None:
        """Ask for nothing more, and close what is open; what waits goes on with `gate.set_paused(False)`."""
        await self.gate.set_paused(True)
        for response in tuple(self._open):
            response.close()

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
            There were too many attempts for this item, or too many requests of all items that the server did not
            serve: one that is down is not asked as often for each of a hundred files.
        """
        failures, furthest, offline = 0, reached(), 0.0
        while True:
            try:
                return await attempt()
            except Setback as setback:
                if self.gate.paused:
                    await self.gate.resumed()
                    continue
                gained = reached() - furthest
                helped = gained > (_PROGRESS if setback.trouble == "slow" else 0)
                failures = 1 if helped else failures + 1
                furthest = max(furthest, reached())
                wait = PATIENCE.wait(failures, setback.demanded)
                if not await self._may_retry(setback, failures, offline, wait):
                    raise setback.error from setback.__cause__
                offline = offline + wait if setback.trouble == "no connection" else 0.0

    async def _may_retry(self, setback: Setback, failures: int, offline: float, wait: float) -> bool:
        """Wait for the moment of another attempt; tell whether it may be made then."""
        cut_off = setback.trouble == "no connection" and self._answered  # asking again asks nobody
        if cut_off and offline >= PATIENCE.offline:
            self._budget.give_up()
            return False
        if not cut_off:
            self._budget.vain += 1
            if failures >= (PATIENCE.attempts if self._answered else PATIENCE.first_contact):
                return False
        _log.info("%s; next attempt in %.1f s", setback, wait)
        await asyncio.sleep(wait)
        await self.gate.resumed()
        return cut_off or self._budget.spend()

    @asynccontextmanager
    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        note: Sidecar | None = None,
        offset: int = 0,
        conditional: bool = False,
    ) -> AsyncIterator[tuple[ClientResponse, Answer, Verdict]]:
        """Open an answer that is of use: "take" its body, or "complete", or "unchanged".

        Raises
        ------
        Setback, DownloadError
            What the answer, or its absence, calls for; also while the body is read.
        """
        address = url
        async with self.gate.passing() as since:
            if self._budget.down:
                raise ServerUnavailable(
                    f"{urlsplit(url).hostname} was not asked for {url}: none of the last {self._budget.vain} "
                    "requests was served; run the same call later, it goes on where it stopped"
                )
            for _ in range(_HOPS + 1):
                with _translated(url):
                    async with self._session.get(address, headers=headers, allow_redirects=False) as response:
                        self._answered = True
                        answer = Answer.of(response.status, response.headers)
                        verdict = judge(answer, note=note, offset=offset, conditional=conditional)
                        if verdict == "follow":
                            address = followed(address, answer.location or "")
                            continue
                        await self._learn(answer, response, verdict, since)
                        if verdict in {"restart", "retry", "give up"}:
                            raise _refusal(url, response, verdict)
                        self._open.add(response)
                        try:
                            yield response, answer, verdict
                        finally:
                            self._open.discard(response)
                        return
        text = f"{url} leads nowhere ({_HOPS} redirects, the last to {address}): check the address (base_url=)"
        raise trouble("nowhere", Refused(text))

    async def _learn(self, answer: Answer, response: ClientResponse, verdict: Verdict, since: float) -> None:
        """Ask for less of a server that is overloaded, and for more of one that serves."""
        if answer.status in {429, 503}:
            demanded = _demanded(response)
            patient = demanded is not None and demanded <= PATIENCE.longest_demand
            await self.gate.slow_down(since, demanded if patient else None)
        if verdict != "retry":
            self._budget.vain = 0
            await self.gate.serve()

    async def body(self, response: ClientResponse, url: str) -> AsyncIterator[bytes]:
        """Give an answer's bytes as they come, at the pace allowed.

        Raises
        ------
        Setback
            They come too slowly; and what `get` raises.
        """
        floor = Floor(slowest=PATIENCE.slowest, window=PATIENCE.window)
        asked = time.monotonic()
        while chunk := await response.content.readany():
            yield chunk
            self._budget.earn(len(chunk))
            if floor.falls_below(len(chunk), time.monotonic() - asked):
                host = urlsplit(url).hostname
                raise trouble("slow", TransferTimeout(
                    f"{host} sent less than {PATIENCE.slowest:g} bytes a second of {url} for "
                    f"{PATIENCE.window:g} s: check the network, {_AGAIN}"
                ))  # fmt: skip
            if wait := self._pace.wait(len(chunk)):
                await asyncio.sleep(wait)
            asked = time.monotonic()

    async def text(self, url: str, limit: int) -> str | None:
        """Give a page of at most so many bytes, or None where the server has no such page (404, 410).

        Raises
        ------
        DownloadError
            It did not arrive, or is larger.
        """

        async def page() -> str:
            async with self.get(url) as (response, answer, _):
                data = bytearray()
                async for chunk in self.body(response, url):
                    data += chunk
                    if len(data) > limit:
                        text = (
                            f"{url} is no page but endless (over {limit:,} bytes): check the address (base_url=)"
                        )
                        raise trouble("too large", Refused(text))
            packed = answer.encoding in {"gzip", "x-gzip"}
            return (_inflated(data, limit, url) if packed else bytes(data)).decode("utf-8", "replace")

        try:
            return await self.persist(page)
        except NotOnServer:
            return None


def _inflated(data: bytes | bytearray, limit: int, url: str) -> bytes:
    try:
        return zlib.decompressobj(31).decompress(data, limit)
    except zlib.error as error:
        raise trouble(
            "broken", ServerUnavailable(f"{url} came packed, and damaged ({error}): try again")
        ) from error


@asynccontextmanager
async def connected(
    concurrency: int | None = None, *, bandwidth_limit: float | None = None
) -> AsyncIterator[Connection]:
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
        cookie_jar=aiohttp.DummyCookieJar(),  # DWD sets none, and no other should follow a user
    ) as session:
        yield Connection(session, limit, bandwidth_limit=bandwidth_limit)


def _demanded(response: ClientResponse) -> float | None:
    headers = response.headers
    return demanded_wait(headers.get("Retry-After"), datetime.now(UTC), headers.get("Date"))


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
        demanded = _demanded(response)
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
    try:
        yield
    except DownloadError:  # ours already, though some are builtin ConnectionErrors too
        raise
    except aiohttp.ClientConnectorCertificateError as error:
        text = (
            f"the certificate of {host} is not trusted ({error.certificate_error}): if your network inspects "
            "traffic, put its certificates into a file and name that in SSL_CERT_FILE"
        )
        raise trouble("certificate", Refused(text)) from error
    except aiohttp.InvalidURL as error:
        text = f"{url} leads nowhere ({type(error).__name__}): check the address (base_url=)"
        raise trouble("nowhere", Refused(text)) from error
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        text = (
            f"no connection to {host} for {url} ({_cause(error)}): check the address (base_url=), the network "
            f"and the proxy (HTTPS_PROXY), {_AGAIN}"
        )
        raise trouble("no connection", ServerUnavailable(text)) from error
    except TimeoutError as error:
        text = f"{host} sent nothing of {url} for {PATIENCE.read:g} s: check the network, {_AGAIN}"
        raise trouble("silent", TransferTimeout(text)) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        text = f"the connection to {host} broke during {url} ({error}): check the network, {_AGAIN}"
        raise trouble("broken", ServerUnavailable(text)) from error


def _cause(error: Exception) -> str:
    """Give what the operating system said, where aiohttp has wrapped it."""
    return str(getattr(error, "os_error", error))
