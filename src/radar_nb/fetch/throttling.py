"""How much is requested of a server at a time, when requests stop, and how fast it was.

The decisions are pure and take their clock as an argument. Speeds of past downloads are kept in the cache folder,
so that an estimate of time rests on a measurement.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from radar_nb.errors import StorageError
from radar_nb.runtime.files import read_regular, replacing
from radar_nb.runtime.settings import cache_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

_EARNS = 1 << 20
"""Bytes received that earn one further retry."""

_TELLING = 4_000_000
"""Bytes: a shorter transfer ends before a connection reaches its full speed."""
_KEPT = 32  # servers
_LIMIT = 64 << 10  # maximum bytes of the file that stores them


class Gate:
    """Limit of requests in flight: halved when the server asks for fewer, raised by one as it serves.

    Parameters
    ----------
    most : int
        Requests at a time when all is well.
    clock : callable
        Returns monotonic seconds.

    Attributes
    ----------
    now : int
        Current limit of requests at a time, from 1 to `most`.
    """

    def __init__(self, most: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = self.now = most
        self._clock = clock
        self._active = self._served = 0
        self._closed_until = 0.0
        self._slowed = float("-inf")
        self._paused = False
        self._news = asyncio.Condition()

    @property
    def paused(self) -> bool:
        """Whether requests wait for `set_paused(False)`."""
        return self._paused

    @asynccontextmanager
    async def passing(self) -> AsyncIterator[float]:
        """Hold a place as soon as one is free; yield the moment at which it was taken, for `slow_down`."""
        async with self._news:
            while True:
                await self._news.wait_for(lambda: not self._paused and self._active < self.now)
                wait = self._closed_until - self._clock()
                if wait <= 0:
                    break
                self._news.release()  # others may wait, and be notified, meanwhile
                try:
                    await asyncio.sleep(wait)
                finally:
                    await self._news.acquire()
            self._active += 1
        try:
            yield self._clock()
        finally:
            self._active -= 1
            await self._tell()

    async def slow_down(self, since: float, demanded: float | None = None) -> None:
        """Record a response that asks for fewer requests, to a request that began at `since`.

        Responses to requests that were in flight when the last one asked for fewer count as one.
        """
        if since > self._slowed:
            self.now = max(1, self.now // 2)
            self._slowed = self._clock()
        self._served = 0
        if demanded:
            self._closed_until = max(self._closed_until, self._clock() + demanded)

    async def serve(self) -> None:
        """Record a served request: after as many as the limit, the limit rises by one."""
        self._served += 1
        if self.now < self.most and self._served >= self.now:
            self.now, self._served = self.now + 1, 0
            await self._tell()

    async def set_paused(self, paused: bool) -> None:
        """Stop or resume letting requests pass."""
        self._paused = paused
        await self._tell()

    async def resumed(self) -> None:
        """Wait while paused."""
        async with self._news:
            await self._news.wait_for(lambda: not self._paused)

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


class Budget:
    """The retries and first requests left for a host that does not serve.

    A retry costs one of a number that only received bytes and served files earn back, so that a server which
    breaks every response is not asked for ever. After this many useless responses in a row, the host counts as
    down and receives no more requests.

    Parameters
    ----------
    retries : int
        Maximum number of retries without any progress in between.
    last_tries : int
        Number of further first requests, since other files may be served.

    Attributes
    ----------
    vain : int
        Consecutive requests that were not served.

    Examples
    --------
    >>> budget = Budget(2, last_tries=1)
    >>> budget.spend(), budget.spend(), budget.spend()
    (True, True, False)
    >>> budget.earn(1 << 20)
    >>> budget.spend()
    True
    """

    def __init__(self, retries: int, *, last_tries: int) -> None:
        self._most = self._left = float(retries)
        self._end = retries + last_tries
        self.vain = 0

    @property
    def down(self) -> bool:
        """Whether the host counts as down."""
        return self.vain >= self._end

    def give_up(self) -> None:
        """Count the host as down until it serves."""
        self.vain = max(self.vain, self._end)

    def spend(self) -> bool:
        """Spend one retry; return False if none is left."""
        if self._left < 1 or self.vain >= self._most:
            return False
        self._left -= 1
        return True

    def earn(self, count: int) -> None:
        """Record received bytes, or `1 << 20` for something served whole."""
        self._left = min(self._most, self._left + count / _EARNS)


class Pace:
    """A bandwidth limit over all connections.

    Parameters
    ----------
    limit : float or None
        Bytes per second; None for no limit.
    clock : callable
        Returns monotonic seconds.

    Examples
    --------
    >>> pace = Pace(1000.0, clock=lambda: 0.0)
    >>> pace.wait(500), pace.wait(500)
    (0.5, 1.0)
    """

    def __init__(self, limit: float | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._free = clock()  # when all bytes read so far are paid for

    def wait(self, count: int) -> float:
        """Return the seconds to wait after reading this many bytes, before the next read."""
        if self._limit is None:
            return 0.0
        now = self._clock()
        self._free = max(self._free, now) + count / self._limit
        return self._free - now


@dataclass(slots=True, kw_only=True)
class Floor:
    """The speed below which a transfer counts as stalled, even if a byte arrives now and then.

    Attributes
    ----------
    slowest : float
        Bytes per second.
    window : float
        Seconds of waiting for bytes over which the speed is measured.

    Examples
    --------
    >>> floor = Floor(slowest=1000.0, window=30.0)
    >>> floor.falls_below(100_000, 20.0), floor.falls_below(100, 20.0), floor.falls_below(3000, 30.0)
    (False, False, True)
    """

    slowest: float
    window: float
    _waited: float = 0.0
    _came: int = 0

    def falls_below(self, count: int, waited: float) -> bool:
        """Record bytes and the seconds waited for them; return whether the last window brought too few."""
        self._waited += waited
        self._came += count
        if self._waited < self.window:
            return False
        slow = self._came < self.slowest * self._waited
        self._waited, self._came = 0.0, 0
        return slow


def known_speed(host: str) -> float | None:
    """Return the bytes per second of the last download from a server, or None if unknown.

    Parameters
    ----------
    host : str
        Host as in the URL, with the port if there is one: `opendata.dwd.de`.

    Examples
    --------
    >>> known_speed("nobody.example") is None
    True
    """
    return _read().get(_bare(host))


def remember_speed(host: str, count: int, seconds: float) -> None:
    """Store a server's speed. Transfers too small to measure are ignored.

    Parameters
    ----------
    host : str
        As for `known_speed`.
    count : int
        Bytes received, over all connections.
    seconds : float
        Duration of the transfer.
    """
    if count < _TELLING or not seconds > 0 or not isfinite(seconds):
        return
    speeds = _read()
    speeds.pop(_bare(host), None)
    speeds[_bare(host)] = round(count / seconds, 1)
    # an unwritable cache loses an estimate, not a download
    with suppress(StorageError), replacing(_path(), durable=False) as file:
        file.write(json.dumps(dict(list(speeds.items())[-_KEPT:]), indent=1).encode())


def _path() -> Path:
    return cache_folder() / "speeds.json"


def _bare(host: str) -> str:
    """Return the host without a user's name and password."""
    return host.rpartition("@")[2].lower()


def _read() -> dict[str, float]:
    try:
        speeds = json.loads(read_regular(_path(), _LIMIT))
        return {str(host): float(speed) for host, speed in speeds.items() if 0 < float(speed) < float("inf")}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, OverflowError):
        return {}
