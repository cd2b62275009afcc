"""A polite HTTP client: paced and repeated requests, responses as streams of bytes; owner of aiohttp.

`responses` decides what a response means, `throttling` how much is requested at a time; `Connection` acts on it.
Nothing from a server is trusted: each wait has an end, and each amount a limit.
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
_PROGRESS = 1 << 20  # bytes that a too slow attempt must have received to count as progress
_HEAD = 512  # bytes that are inspected before any is used: one tar header (POSIX.1-1988, ustar)
_SLICE = 1 << 20  # bytes that are unpacked at once, at most
_GZIP = b"\x1f\x8b"  # RFC 1952, 2.3.1
_AGAIN = "then run the same call again, it resumes where it stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a request may take and how often it is repeated.

    Attributes
    ----------
    attempts : int
        Consecutive attempts without a new byte before a file fails. Also the number of times that a file may
        change on the server during its download.
    first_contact : int
        The same for a server that has never answered: its address may be wrong.
    damaged : int
        Number of times that a file may arrive damaged before it fails.
    first_wait, longest_wait : float
        Seconds: the n-th wait is drawn evenly from 0 to `first_wait * 2 ** (n - 1)`, and is at most `longest_wait`
        (full jitter).
    longest_demand : float
        Seconds: the longest Retry-After that is obeyed. A server that demands more is not asked again.
    offline : float
        Seconds without any connection to a server that has answered before: a tunnel, a closed lid.
    connect, read : float
        Seconds to connect, and between two arrivals of a body's bytes. The head of a response and the first bytes
        of its body must arrive within the sum of both. A whole file may take any time.
    slowest, window : float
        Bytes per second, over this many seconds of waiting, below which a connection is replaced by a new one.
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
        """Return the seconds to wait after this many consecutive failures, at least what the server demanded."""
        ceiling = min(self.longest_wait, self.first_wait * 2 ** min(failures - 1, 60))
        return max(random.uniform(0, ceiling), demanded or 0.0)  # noqa: S311 - no secret depends on it


PATIENCE = Patience()
"""The waits in force; tests set shorter ones."""


class Connection:
    """A session with a server, and the state that its requests share.

    Attributes
    ----------
    limit : int
        Maximum number of requests at a time.
    gate : Gate
        Limits the requests in flight; can be paused.
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
        """Repeat an attempt until it succeeds, or until too many consecutive attempts made no progress.

        Parameters
        ----------
        attempt : callable
            Makes one attempt; a `Setback` causes another, every other error ends it.
        reached : callable
            Returns how far the attempts have come, in bytes.

        Raises
        ------
        DownloadError
            Too many attempts for this item, or too many requests of all items that the server did not serve: a
            server that is down is not asked as often for each of a hundred files.
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
        """Wait until the next attempt is due; return whether it may be made."""
        cut_off = setback.trouble == "no connection" and self._answered  # another attempt reaches no server
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
        """Open a usable response: "take" its body, or "complete", or "unchanged".

        The body is the file's own bytes: a content encoding is decoded, and the response then has no size or
        validators, because these describe the encoded bytes. The first piece has 512 bytes or the whole body.

        Raises
        ------
        Setback, DownloadError
            As the response, or its absence, requires; also while the body is read.
        """
        async with self.gate.passing() as since:
            if self._budget.down:
                raise ServerUnavailable(
                    f"{urlsplit(url).hostname} was not asked for {url}: none of the last {self._budget.vain} "
                    "requests was served; run the same call again later, it resumes where it stopped"
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
        """Send a request and follow its redirects."""
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
        """Lower the number of requests if the server is overloaded, raise it if it serves."""
        if answer.status in {429, 503}:
            demanded = _demanded(answer)
            patient = demanded is not None and demanded <= PATIENCE.longest_demand
            await self.gate.slow_down(since, demanded if patient else None)
        if verdict != "retry":
            self._budget.vain = 0
            await self.gate.serve()

    async def _chunks(self, response: ClientResponse, url: str) -> AsyncGenerator[bytes, None]:
        """Yield a body's bytes as they arrive, within the bandwidth limit.

        Raises
        ------
        Setback
            The bytes arrive too slowly; or as for `get`.
        """
        floor = Floor(slowest=PATIENCE.slowest, window=PATIENCE.window)
        while True:
            asked = time.monotonic()
            async with asyncio.timeout(PATIENCE.read):  # aiohttp's own timeout restarts at every byte
                chunk = await response.content.readany()
            waited = time.monotonic() - asked  # without the consumer's time
            if not chunk:
                return
            self._budget.earn(len(chunk))
            yield chunk
            if floor.falls_below(len(chunk), waited):
                host = urlsplit(url).hostname
                raise trouble("slow", TransferTimeout(
                    f"{host} sent less than {PATIENCE.slowest:g} bytes per second of {url} for "
                    f"{PATIENCE.window:g} s: check the network, {_AGAIN}"
                ))  # fmt: skip
            if wait := self._pace.wait(len(chunk)):
                await asyncio.sleep(wait)

    async def text(self, url: str, limit: int, is_cut: Callable[[str], bool]) -> str | None:
        """Return a page of at most `limit` bytes, or None if the server has no such page: see `content`."""
        data = await self.content(url, limit, lambda data: is_cut(data.decode("utf-8", "replace")))
        return None if data is None else data.decode("utf-8", "replace")

    async def content(self, url: str, limit: int, is_cut: Callable[[bytes], bool]) -> bytes | None:
        """Return a small file of at most `limit` bytes, or None if the server has no such file (404, 410).

        Parameters
        ----------
        url : str
        limit : int
            Bytes, unpacked.
        is_cut : callable
            Returns whether a file is cut short or damaged. It is then requested again.

        Raises
        ------
        DownloadError
            The file did not arrive whole, or is larger.
        """

        async def whole() -> bytes:
            data = bytearray()
            async with self.get(url) as (answer, _, body):
                async for chunk in body:
                    data += chunk
                    if len(data) > limit:
                        raise trouble("too large", Refused(
                            f"{url} has more than {limit:,} bytes, more than any such file of DWD: "
                            "check the address (base_url=)"
                        ))  # fmt: skip
            missing = answer.size is not None and len(data) < answer.size  # an unrequested 206 may be a part
            if missing or is_cut(bytes(data)):
                raise trouble("broken", ServerUnavailable(
                    f"{url} arrived cut short repeatedly, after {len(data):,} bytes: try again later"
                ))  # fmt: skip
            return bytes(data)

        try:
            return await self.persist(whole)
        except NotOnServer:
            return None


async def _first(chunks: AsyncGenerator[bytes, None]) -> bytes:
    """Return enough bytes to recognise a file, or the whole body."""
    head = b""
    while len(head) < _HEAD and (chunk := await anext(chunks, b"")):
        head += chunk
    return head


async def _after(head: bytes, chunks: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    """Yield bytes that were already read, then the others."""
    async with aclosing(chunks):
        if head:
            yield head
        async for chunk in chunks:
            yield chunk


def is_wrapped(name: str, head: bytes, encoding: str) -> bool:
    """Return whether a body has a content encoding, or is only labelled with the file's own compression.

    Some servers (Apache) label a `.tar.gz` as `Content-Encoding: gzip`, and then the body is the file; others
    compress although they were asked not to.

    Parameters
    ----------
    name : str
        The file's name.
    head : bytes
        The first bytes of the body.
    encoding : str
        The response's Content-Encoding.

    Raises
    ------
    Refused
        The encoding was not requested and radar_nb does not know it.

    Examples
    --------
    >>> import gzip
    >>> is_wrapped("a.tar", gzip.compress(b"ustar"), "gzip"), is_wrapped("a.gz", gzip.compress(b"frame"), "gzip")
    (True, False)
    """
    if not encoding:
        return False
    if encoding not in {"gzip", "x-gzip"}:
        what = name or "a page"
        raise Refused(f"the server sends {what} with the unrequested encoding {encoding!r}: try again later")
    if not head.startswith(_GZIP):
        return False
    if not name.endswith(".gz"):
        return True
    try:
        return zlib.decompressobj(31).decompress(head, 2) == _GZIP
    except zlib.error:
        return False


async def unwrapped(chunks: AsyncGenerator[bytes, None], url: str) -> AsyncGenerator[bytes, None]:
    """Decode a body with content encoding gzip, of one member or several, in pieces of at most 1 MB.

    Raises
    ------
    Setback
        The body is damaged or cut short.
    """
    inflate = zlib.decompressobj(31)  # gzip's header and trailer
    try:
        async with aclosing(chunks):
            async for chunk in chunks:
                rest = chunk
                while rest:
                    if inflate.eof:  # another member follows (RFC 1952, 2.2)
                        inflate = zlib.decompressobj(31)
                    if out := inflate.decompress(rest, _SLICE):
                        yield out
                    rest = inflate.unused_data if inflate.eof else inflate.unconsumed_tail
        if out := inflate.flush():
            yield out
    except zlib.error as error:
        raise Setback(
            ServerUnavailable(f"{url} arrived with a damaged gzip encoding ({error}): try again"), restart=True
        ) from error
    if not inflate.eof:
        raise Setback(ServerUnavailable(f"{url} arrived with a truncated gzip encoding: try again"), restart=True)


@asynccontextmanager
async def connected(
    concurrency: int | None = None, *, bandwidth_limit: float | None = None
) -> AsyncIterator[Connection]:
    """Open a session with this many connections (default: the settings) and the environment's proxies."""
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
        trust_env=bool(getproxies()),  # costs a millisecond per request, so only if proxies are set
        cookie_jar=aiohttp.DummyCookieJar(),  # DWD sets none, and no other server should track a user
    ) as session:
        yield Connection(session, limit, bandwidth_limit=bandwidth_limit)


def _demanded(answer: Answer) -> float | None:
    return demanded_wait(answer.retry_after, datetime.now(UTC), answer.date)


def _refusal(url: str, answer: Answer, verdict: Verdict) -> DownloadError | Setback:
    """Return what to raise for an unusable response."""
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
            f"{host} repeatedly answers {status} for {url}: run the same call again later, "
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
    return trouble("nowhere", Refused(f"{url} cannot be fetched ({why}): check the address (base_url=)"))


@contextmanager
def _translated(url: str) -> Iterator[None]:
    """Translate aiohttp's errors: into a setback if another attempt may help."""
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
    """Return the operating system's message if aiohttp has wrapped it."""
    system = getattr(error, "os_error", error)
    return getattr(system, "strerror", None) or str(system)
