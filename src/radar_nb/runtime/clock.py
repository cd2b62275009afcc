"""The time and how to wait, as an argument: so that what follows a server runs in tests without waiting."""

from __future__ import annotations

import asyncio
import re
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

_DURATION = re.compile(r"(\d+(?:\.\d+)?) ?(min|h|d)")
_UNITS = {"min": "minutes", "h": "hours", "d": "days"}


def duration_of(value: Any, name: str) -> timedelta:
    """Return a duration.

    Raises
    ------
    SettingsError
        It is not a positive duration with its unit.

    Examples
    --------
    >>> duration_of("48h", "keep"), duration_of("7d", "keep").days
    (datetime.timedelta(days=2), 7)
    """
    found = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    length = timedelta(**{_UNITS[found[2]]: float(found[1])}) if found else value
    if isinstance(length, timedelta) and timedelta(0) < length <= timedelta(days=36500):
        return length
    raise SettingsError(f'{name}={value!r} is not a duration: write it with its unit, as "90min", "48h" or "7d"')


class Clock:
    """The time of this computer, or one that starts elsewhere and runs faster.

    Parameters
    ----------
    start : datetime.datetime, optional
        With time zone; what the clock shows now. By default the time of this computer.
    speed : float
        Seconds of this clock in a second: above 1 for a mirror that runs as fast.

    Raises
    ------
    SettingsError
        The speed is not positive.

    Examples
    --------
    >>> Clock(datetime(2026, 6, 13, 15, 25, tzinfo=UTC), speed=60).now().isoformat(timespec="hours")
    '2026-06-13T15+00:00'
    """

    def __init__(self, start: datetime | None = None, *, speed: float = 1.0) -> None:
        if not 0 < speed < float("inf"):
            raise SettingsError(f"speed={speed} is not a speed of a clock: use a number above 0, 1 for real time")
        self.speed = speed
        self._begin = time.time()
        self._start = datetime.now(UTC) if start is None else start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the time, UTC; it follows this computer's clock, also where that is set or has slept."""
        return self._start + timedelta(seconds=(time.time() - self._begin) * self.speed)

    async def sleep(self, seconds: float) -> None:
        """Wait for some seconds of this clock."""
        await asyncio.sleep(seconds / self.speed)


class SteppedClock(Clock):
    """A clock that stands still until someone waits: then it jumps to the end of the wait.

    Hours of following a server pass in the time that the work takes, and each run is the same.

    Parameters
    ----------
    start : datetime.datetime
        With time zone.

    Examples
    --------
    >>> clock = SteppedClock(datetime(2026, 6, 13, 15, 25, tzinfo=UTC))
    >>> asyncio.run(clock.sleep(300))
    >>> clock.now().isoformat()
    '2026-06-13T15:30:00+00:00'
    """

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._steps: list[Callable[[], object]] = []

    def now(self) -> datetime:
        """Return the time, UTC."""
        return self._start

    def on_step(self, call: Callable[[], object]) -> None:
        """Call a function after each step, such as the one that publishes what is due."""
        self._steps.append(call)

    def advance(self, seconds: float) -> None:
        """Move the clock, also backwards."""
        self._start += timedelta(seconds=seconds)
        for call in self._steps:
            call()

    async def sleep(self, seconds: float) -> None:
        """Move the clock by some seconds, without waiting."""
        self.advance(seconds)
        await asyncio.sleep(0)
