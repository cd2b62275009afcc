"""HTTP as a polite guest: requests that are paced and repeated, answers as streams of bytes; owner of aiohttp.

What an answer means is decided in `responses`, how much is asked for at a time in `throttling`; `Connection` acts
on it. Nothing from a server is trusted: each wait has an end, and each amount a limit.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
import zlib
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from radar_nb.errors import DownloadError, NotOnServer, Refused, ServerUnavailable, TransferTimeout
from radar_nb.fetch.responses import Answer, Setback, demanded_wait, followed, judge, trouble
from radar_nb.fetch.throttling import Budget, Floor, Gate, Pace
from radar_nb.runtime.settings import settings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping

    from aiohttp import ClientResponse, ClientSession

    from radar_nb.fetch.responses import Verdict
    from radar_nb.runtime.files import Sidecar

T = TypeVar("T")

_log = logging.getLogger(__name__)

_BUFFER = 1 << 20  # bytes that aiohttp may read ahead
_HOPS = 5  # redirects that one request may follow
_PROGRESS = 1 << 20  # bytes that an attempt which was too slow must have brought to count as one that helped
_HEAD = 512  # bytes that are looked at before any is used: one tar header (POSIX.1-1988, ustar)
_SLICE = 1 << 20  # bytes that are unpacked at once, at most
_GZIP = b"\x1f\x8b"  # RFC 1952, 2.3.1
_AGAIN = "then run the same call again, it resumes where it stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a request may take and how often it is repeated.

    Attributes
    ----------
    attempts : int
        Attempts in a row that bring no new byte of a file, before the file fails. Also the number of times that a
        file may change on the server while it comes.
    first_contact : int
        The same for a server that has not answered at all yet: its address may be wrong.
    damaged : int
        Number of times that a file may arrive damaged, before it fails.
    first_wait, longest_wait : float
        Seconds: the n-th wait is drawn evenly from 0 to `first_wait * 2 ** (n - 1)`, and is at most `longest_wait`
        (full jitter).
    longest_demand : float
        Seconds: the longest Retry-After that is obeyed. A server that demands more is not asked again.
    offline : float
        Seconds without any connection to a server that has answered before: a tunnel, a closed lid.
    connect, read : float
        Seconds for a connection to be made, and between two arrivals of a body's bytes. The head of an answer and
        the first bytes of its body must arrive within the sum of both. A whole file may take any time.
    slowest, window : float
        Bytes a second, over so many seconds of waiting, below which a connection is replaced by a new one.
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
        """Return the seconds to wait after so many failures in a row, at least what the server demanded."""
        ceiling = min(self.longest_wait, self.first_wait * 2 ** min(failures - 1, 60))
        return max(random.uniform(0, ceiling), demanded or 0.0)  # noqa: S311 - no secret depends on it


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
        """Send no further request, and close what is open; `gate.set_paused(False)` resumes."""
        await self.gate.set_paused(True)
        for response in tuple(self._open):
            response.close()

    async def persist(self, attempt: Callable[[], Awaitable[T]], reached: Callable[[], int] = lambda: 0) -> T:
        """Repeat an attempt until it succeeds, or until too many in a row have brought nothing new.

        Parameters
        ----------
        attempt : callable
            Makes one attempt; a `Setback` calls for another, every other error ends it.
        reached : callable
            Returns how far the attempts have come, in bytes.

        Raises
        ------
        DownloadError
            There were too many attempts for this item, or too many requests of all items that the server did not
            serve: a server that is down is not asked as often for each of a hundred files.
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
        """Wait for the moment of another attempt; return whether it may be made then."""
        cut_off = setback.trouble == "no connection" and self._answered  # another attempt asks nobody
        if cut_off and offline >= PATIENCE.offline:
            self._budget.give_up()
            return False
        if not cut_off:
            self._budget.vain += 1
            if failures >= (PATIENCE.attempts if self._answered else PATIENCE.first_contact):
                return False
        _log.info("%s; next attempt in %.1f s", setback.error, wait)
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
    ) -> AsyncIterator[tuple[Answer, Verdict, AsyncGenerator[bytes, None]]]:
        """Open an answer that is of use: "take" its body, or "complete", or "unchanged".

        The body is the file's own bytes: what the server packed for the way is unpacked, and the answer is then
        without size and validators, which belong to other bytes. Its first piece has 512 bytes or all there are.

        Raises
        ------
        Setback, DownloadError
            What the answer, or its absence, calls for; also while the body is read.
        """
        async with self.gate.passing() as since:
            if self._budget.down:
                raise ServerUnavailable(
                    f"{urlsplit(url).hostname} was not asked for {url}: none of the last {self._budget.vain} "
                    "requests was served; run the same call later, it resumes where it stopped"
                )
            with _translated(url):
                response: ClientResponse | None = None
                try:
                    async with asyncio.timeout(PATIENCE.connect + PATIENCE.read):
                        response = await self._asked(url, headers)
                        self._open.add(response)
                        answer = Answer.of(response.status, response.headers, response.reason)
                        verdict = judge(answer, note=note, offset=offset, conditional=conditional)
                        await self._learn(answer, verdict, since)
                        if verdict in {"restart", "retry", "give up"}:
                            raise _refusal(url, answer, verdict)
                        body = self._chunks(response, url)
                        if verdict == "take" and not answer.start:
                            head = await _first(body)
                            body = _after(head, body)
                            if is_wrapped(url.rpartition("/")[2], head, answer.encoding):
                                answer = replace(answer, size=None, etag=None, last_modified=None)
                                body = unwrapped(body, url)
                    async with aclosing(body):
                        yield answer, verdict, body
                finally:
                    if response is not None:
                        self._open.discard(response)
                        response.release()

    async def _asked(self, url: str, headers: Mapping[str, str] | None) -> ClientResponse:
        """Send a request, and follow its redirects."""
        address = url
        for _ in range(_HOPS + 1):
            try:
                response = await self._session.get(address, headers=headers, allow_redirects=False)
            except ValueError as error:  # also what yarl and the codecs raise
                if isinstance(error, OSError):  # a certificate's error
                    raise
                raise _nowhere(url, f"{address!a} is not a valid address") from error
            self._answered = True
            answer = Answer.of(response.status, response.headers)
            if judge(answer) != "follow":
                return response
            response.close()
            address = followed(address, answer.location or "")
        raise _nowhere(url, f"{_HOPS} redirects, the last to {address}")

    async def _learn(self, answer: Answer, verdict: Verdict, since: float) -> None:
        """Ask for less of a server that is overloaded, and for more of one that serves."""
        if answer.status in {429, 503}:
            demanded = _demanded(answer)
            patient = demanded is not None and demanded <= PATIENCE.longest_demand
            await self.gate.slow_down(since, demanded if patient else None)
        if verdict != "retry":
            self._budget.vain = 0
            await self.gate.serve()

    async def _chunks(self, response: ClientResponse, url: str) -> AsyncGenerator[bytes, None]:
        """Yield a body's bytes as they come, at the pace allowed.

        Raises
        ------
        Setback
            They come too slowly; and what `get` raises.
        """
        floor = Floor(slowest=PATIENCE.slowest, window=PATIENCE.window)
        while True:
            asked = time.monotonic()
            async with asyncio.timeout(PATIENCE.read):  # aiohttp's own counts every byte, also those of no use
                chunk = await response.content.readany()
            waited = time.monotonic() - asked  # without what the consumer takes
            if not chunk:
                return
            self._budget.earn(len(chunk))
            yield chunk
            if floor.falls_below(len(chunk), waited):
                host = urlsplit(url).hostname
                raise trouble("slow", TransferTimeout(
                    f"{host} sent less than {PATIENCE.slowest:g} bytes a second of {url} for "
                    f"{PATIENCE.window:g} s: check the network, {_AGAIN}"
                ))  # fmt: skip
            if wait := self._pace.wait(len(chunk)):
                await asyncio.sleep(wait)

    async def text(self, url: str, limit: int, is_cut: Callable[[str], bool]) -> str | None:
        """Return a page of at most so many bytes, or None where the server has no such page (404, 410).

        Parameters
        ----------
        url : str
        limit : int
            Bytes, unpacked.
        is_cut : callable
            Returns whether a page ends before its end. It is then asked for again.

        Raises
        ------
        DownloadError
            It did not arrive whole, or is larger.
        """

        async def page() -> str:
            data = bytearray()
            async with self.get(url) as (_, _, body):
                async for chunk in body:
                    data += chunk
                    if len(data) > limit:
                        raise trouble("too large", Refused(
                            f"{url} has more than {limit:,} bytes, which no listing of DWD has: "
                            "check the address (base_url=)"
                        ))  # fmt: skip
            text = data.decode("utf-8", "replace")
            if is_cut(text):
                raise trouble("broken", ServerUnavailable(
                    f"{url} arrived cut short, after {len(data):,} bytes, again and again: try again later"
                ))  # fmt: skip
            return text

        try:
            return await self.persist(page)
        except NotOnServer:
            return None


async def _first(chunks: AsyncGenerator[bytes, None]) -> bytes:
    """Return as many bytes as show what a file is, or all there are."""
    head = b""
    while len(head) < _HEAD and (chunk := await anext(chunks, b"")):
        head += chunk
    return head


async def _after(head: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield first bytes that were read already, then the others."""
    async with aclosing(chunks):
        if head:
            yield head
        async for chunk in chunks:
            yield chunk


def is_wrapped(name: str, head: bytes, encoding: str) -> bool:
    """Return whether a body was packed for the way, or only bears the label of the file's own packing.

    Servers label a `.tar.gz` as `Content-Encoding: gzip` (Apache does), and then its bytes are the file's; others
    pack what they were asked not to pack.

    Parameters
    ----------
    name : str
        The file's.
    head : bytes
        The body's first.
    encoding : str
        The answer's Content-Encoding.

    Raises
    ------
    Refused
        It is packed in a way that nobody asked for and radar_nb does not know.

    Examples
    --------
    >>> import gzip
    >>> is_wrapped("a.tar", gzip.compress(b"ustar"), "gzip"), is_wrapped("a.gz", gzip.compress(b"frame"), "gzip")
    (True, False)
    """
    if not encoding:
        return False
    if encoding not in {"gzip", "x-gzip"}:
        raise Refused(
            f"the server sends {name} packed as {encoding!r} though that was not asked for: try again later"
        )
    if not head.startswith(_GZIP):
        return False
    if not name.endswith(".gz"):
        return True
    try:
        return zlib.decompressobj(31).decompress(head, 2) == _GZIP
    except zlib.error:
        return False


async def unwrapped(chunks: AsyncGenerator[bytes, None], url: str) -> AsyncGenerator[bytes, None]:
    """Unpack a body that the server has packed for the way, in pieces of at most 1 MB.

    Raises
    ------
    Setback
        It is damaged or ends too early.
    """
    inflate = zlib.decompressobj(31)  # gzip's header and trailer
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                rest = chunk
                while rest and (out := inflate.decompress(rest, _SLICE)):
                    yield out
                    rest = inflate.unconsumed_tail
        if out := inflate.flush():
            yield out
    except zlib.error as error:
        raise Setback(
            ServerUnavailable(f"{url} came packed, and damaged ({error}): try again"), restart=True
        ) from error
    if not inflate.eof:
        raise Setback(ServerUnavailable(f"{url} came packed, and ended too early: try again"), restart=True)


@asynccontextmanager
async def connected(
    concurrency: int | None = None, *, bandwidth_limit: float | None = None
) -> AsyncIterator[Connection]:
    """Open a session of so many connections at a time (default: the settings), with the environment's proxies."""
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


def _demanded(answer: Answer) -> float | None:
    return demanded_wait(answer.retry_after, datetime.now(UTC), answer.date)


def _refusal(url: str, answer: Answer, verdict: Verdict) -> DownloadError | Setback:
    """Return what to raise for an answer that is of no use."""
    host = urlsplit(url).hostname
    status = f"{answer.status} {answer.reason}".strip()
    if verdict == "restart":
        error = ServerUnavailable(
            f"{host} sends neither the rest nor the whole of {url} ({status}): try again later"
        )
        return Setback(error, restart=True)
    if verdict == "retry":
        demanded = _demanded(answer)
        if demanded is not None and demanded > PATIENCE.longest_demand:
            return ServerUnavailable(
                f"{host} answers {status} for {url} and asks not to be asked again for {demanded:.0f} s: "
                "run the same call again after that"
            )
        error = ServerUnavailable(
            f"{host} answers {status} for {url}, again and again: run the same call later, "
            "it resumes where it stopped"
        )
        return Setback(error, demanded=demanded)
    if answer.status in {404, 410}:
        return NotOnServer(
            f"{url} is not on the server ({status}): it may not be published yet, or may have been moved; "
            "look at the folder above it in a browser and choose months that are there"
        )
    return Refused(f"{host} refuses {url} ({status}): open the address in a browser to see why")


def _nowhere(url: str, why: str) -> DownloadError | Setback:
    return trouble("nowhere", Refused(f"{url} leads nowhere ({why}): check the address (base_url=)"))


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
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        text = (
            f"no connection to {urlsplit(url).netloc.rpartition('@')[2]} ({_cause(error)}): check the network, "
            f"the proxy (HTTPS_PROXY) and the address (base_url=), {_AGAIN}"
        )
        raise trouble("no connection", ServerUnavailable(text)) from None  # the cause is in the text
    except TimeoutError as error:
        text = f"{host} sent nothing usable of {url} for {PATIENCE.read:g} s: check the network, {_AGAIN}"
        raise trouble("silent", TransferTimeout(text)) from error
    except (aiohttp.ClientError, ConnectionError) as error:
        text = f"the connection to {host} broke during {url} ({error}): check the network, {_AGAIN}"
        raise trouble("broken", ServerUnavailable(text)) from error


def _cause(error: Exception) -> str:
    """Return what the operating system said, where aiohttp has wrapped it."""
    system = getattr(error, "os_error", error)
    return getattr(system, "strerror", None) or str(system)
