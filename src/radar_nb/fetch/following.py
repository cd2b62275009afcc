"""Follow a product: ask when the next file is due, catch up on gaps, keep a ring of files.

`Schedule` decides when to ask, without a clock of its own; `Follower` asks. Whatever happens to the server, the
network or this computer, it goes on; only what the disk or the caller has wrong ends it.
"""

from __future__ import annotations

import logging
import re
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from radar_nb.dwd.products import RETENTION
from radar_nb.errors import DownloadError, NotOnServer
from radar_nb.fetch.present import Present, delay_of, stale_after, step_of
from radar_nb.runtime.clock import duration_of

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

    from radar_nb.dwd.archive_names import Era
    from radar_nb.dwd.products import Product
    from radar_nb.fetch.present import Newest
    from radar_nb.runtime.clock import Clock

_log = logging.getLogger(__name__)

_SLICE = 60.0  # seconds of one sleep at most, so that a computer that has slept or been set is noticed
_SPARE = timedelta(seconds=5)  # after the latest of the delays that were seen
_LEARNED = 12  # delays that are remembered: an hour of RV
_FIRST_MISS, _LONGEST_MISS = 20.0, 120.0  # seconds between two questions for a file that is late
_FIRST_FAULT, _LONGEST_FAULT = 30.0, 300.0  # seconds between two questions to a server that fails
_ADVICE = re.compile(r"[:;] (?!.*[:;] )")  # before the advice of a message, which is for a call that has ended
_BATCH = 12  # files that are fetched before those that came are handed out
_TRIES = (timedelta(0), timedelta(minutes=10), timedelta(minutes=30))
"""When a file that was passed over is asked for: at once, and twice more, since late files are published late."""


class Schedule:
    """When to ask for the next file.

    Parameters
    ----------
    step : datetime.timedelta
        From one file to the next.
    delay : datetime.timedelta
        From nominal time to publication, until it is learned.

    Examples
    --------
    >>> schedule = Schedule(timedelta(minutes=5), timedelta(minutes=4))
    >>> now = datetime(2026, 6, 13, 15, 4, 10, tzinfo=UTC)
    >>> schedule.wait(datetime(2026, 6, 13, 15, 0, tzinfo=UTC), now)
    295.0
    """

    def __init__(self, step: timedelta, delay: timedelta) -> None:
        self._step = step
        self._known = delay
        self._delays: deque[timedelta] = deque(maxlen=_LEARNED)
        self.misses = 0
        self.faults = 0

    @property
    def delay(self) -> timedelta:
        """The longest delay of the last files and some seconds, so that one question a file is enough."""
        return max(self._delays, default=self._known) + _SPARE

    def learn(self, delay: timedelta) -> None:
        """Remember how long after its nominal time a file was published, unless it was late by a step or more."""
        if timedelta(0) <= delay < self._known + self._step:
            self._delays.append(delay)

    def wait(self, newest: datetime | None, now: datetime, demanded: float | None = None) -> float:
        """Return the seconds until the next question.

        Parameters
        ----------
        newest : datetime.datetime or None
            Nominal time of the newest known file, UTC.
        now : datetime.datetime
            The server's time, UTC.
        demanded : float, optional
            Seconds that the server has asked to wait.
        """
        if self.faults:
            wait: float = min(_LONGEST_FAULT, _FIRST_FAULT * 2 ** min(self.faults - 1, 9))
            return max(wait, demanded or 0.0)
        if newest is None:
            return _LONGEST_MISS if self.misses else 0.0
        due = (newest + self._step + self.delay - now).total_seconds()
        late = float(_FIRST_MISS * 2 ** min(self.misses - 1, 9)) if self.misses else 0.0
        longest = max(_LONGEST_MISS, self._step.total_seconds() / 2)
        # what is due far ahead is of a wrong clock: ask, the answer states the time
        return max(0.0, min(due, (self._step + self.delay).total_seconds()), min(late, longest))


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A file that has come.

    Attributes
    ----------
    path : pathlib.Path
    era : Era
    time : datetime.datetime
        Nominal time, UTC.
    now : datetime.datetime
        UTC, when it was handed out.
    skew : float or None
        As in `Newest`.
    """

    path: Path
    era: Era
    time: datetime
    now: datetime
    skew: float | None


class Follower:
    """The files of a product as they come: an asynchronous iterator without end.

    Parameters
    ----------
    name : str or Product
    keep : str or timedelta
        How long files stay in the folder.
    backfill : str or timedelta, optional
        How far back an empty folder is filled at first; only the newest file by default.
    folder : path, optional
        The ring. Files of the product in it that are older than `keep` are removed, whoever brought them. By
        default a folder of the cache.
    base_url : str, optional
    clock : Clock
    prunes : bool
        Whether old files are removed.
    on_trouble : callable, optional
        Takes the text of the first of several failures in a row; by default it is logged as a warning.

    Attributes
    ----------
    newest : datetime.datetime or None
        Nominal time of the newest file, UTC.
    trouble : str
        Why the last question failed, without advice, since it is asked again; empty if it did not fail.

    Raises
    ------
    UnknownProduct, CoverageError, SettingsError
        As for `Present`, and for durations.
    """

    def __init__(
        self,
        name: str | Product,
        *,
        keep: Any = "48h",
        backfill: Any = None,
        folder: str | os.PathLike[str] | None = None,
        base_url: str | None = None,
        clock: Clock,
        prunes: bool = True,
        on_trouble: Callable[[str], object] = _log.warning,
    ) -> None:
        self._prunes = prunes
        self._on_trouble = on_trouble
        self._keep = duration_of(keep, "keep")
        self._backfill = timedelta(0) if backfill is None else duration_of(backfill, "backfill")
        self._present = Present(name, folder=folder, base_url=base_url, clock=clock, cache="follow")
        self._clock = clock
        era = self._present.eras[0]
        self._step = step_of(era.product)
        self._schedule = Schedule(self._step, delay_of(era))
        self._asked = False
        self._seen: set[datetime] | None = None
        self._ready: deque[datetime] = deque()
        self._passed: dict[datetime, tuple[int, datetime]] = {}
        self.newest: datetime | None = None
        self.trouble = ""

    @property
    def product(self) -> str:
        """The product's letters."""
        return self._present.product.name

    @property
    def folder(self) -> Path:
        """The folder of the ring."""
        return self._present.root

    @property
    def requests(self) -> int:
        """Requests so far."""
        return self._present.requests

    @property
    def waiting(self) -> int:
        """Number of files that have come and were not handed out."""
        return len(self._ready)

    def stored(self) -> dict[datetime, Path]:
        """Return the files of the ring by nominal time, oldest first."""
        return {time: path for time, (path, _) in self._present.stored().items()}

    @property
    def now(self) -> datetime:
        """The later of this computer's time and the server's, UTC."""
        return self._present.now

    @property
    def stale(self) -> bool:
        """Whether a newer file should have been there, or none is known."""
        return self.newest is None or self.is_stale(self.newest)

    def is_stale(self, time: datetime) -> bool:
        """Return whether a file newer than one of a nominal time should have been there."""
        return self.now - time > stale_after(self._present.eras[0])

    def __aiter__(self) -> Follower:
        """Return itself."""
        return self

    async def __anext__(self) -> Arrived:
        """Wait for the next file, and return it: the newest first, then those before it that were missed.

        Raises
        ------
        StorageError
            The folder cannot take the file.
        """
        while True:
            while self._ready:
                time = self._ready.popleft()
                stored = self._present.stored().get(time)
                if stored is not None:  # otherwise another process with a shorter ring has removed it
                    return Arrived(path=stored[0], era=stored[1], time=time, now=self.now, skew=self._present.skew)
            if not self._due():
                if self._asked:
                    await self._sleep()
                await self._ask()
            await self._catch_up()
            if self._prunes:
                self._present.prune(self._keep)

    async def until(self, time: datetime, limit: timedelta) -> Arrived | None:
        """Wait for the file of a nominal time; None if it has not come `limit` after it was due.

        Raises
        ------
        StorageError
            The folder cannot take the file.
        """
        last = time + self._schedule.delay + limit
        while True:
            if self.newest is None or self.newest < time:
                await self._ask()
            if self.newest is not None and self.newest > time:
                self._passed = {time: (0, self._present.server_now)}
                await self._catch_up()
                self._schedule.misses += 1
            stored = self._present.stored().get(time)
            if stored is not None and self.newest is not None:
                return Arrived(path=stored[0], era=stored[1], time=time, now=self.now, skew=self._present.skew)
            if self._present.server_now >= last:
                return None
            await self._sleep()

    async def _sleep(self) -> None:
        """Wait until the next question is due, or until the clock has jumped."""
        before = self._clock.now()
        left = self._schedule.wait(self.newest, self._present.server_now, self._present.demanded)
        while left > 0:
            wait = min(left, _SLICE)
            await self._clock.sleep(wait)
            now = self._clock.now()
            passed = (now - before).total_seconds()
            if not 0 <= passed <= wait + _SLICE:
                _log.info("the clock of this computer has jumped by %.0f s, or it has slept", passed - wait)
                return
            before, left = now, left - max(passed, wait)

    async def _ask(self) -> None:
        before, self._asked = set(self._present.stored()), True
        try:
            found = await self._present.newest(patient=False)
        except NotOnServer as error:
            self._failed(error)
            self._schedule.misses += 1
            self._schedule.faults = 0
            return
        except DownloadError as error:
            self._failed(error)
            self._schedule.faults += 1
            return
        if self.trouble:
            _log.info("the server answers again")
        self.trouble = ""
        self._schedule.faults = 0
        new = self.newest is None or found.time > self.newest
        self._schedule.misses = 0 if new else self._schedule.misses + 1
        if new and found.published is not None:
            self._schedule.learn(found.published - found.time)
        if new:
            self._note_gap(found, before)
            self.newest = found.time
        if self._seen is None:
            self._seen = before - {found.time}
        self._hand_out()

    def _failed(self, error: DownloadError) -> None:
        new = not self.trouble
        self.trouble = _ADVICE.split(str(error))[0]
        if new:
            self._on_trouble(str(error))

    def _note_gap(self, found: Newest, before: set[datetime]) -> None:
        """Remember the times between the last file and the newest, as far back as the server and the ring go."""
        last = self.newest or max((time for time in before if time < found.time), default=None)
        oldest = found.time - min(self._keep, RETENTION)
        if self._seen is None:  # the first question: what `backfill` asks for is included
            begin = found.time - self._backfill - self._step / 2
            last = begin if last is None else min(last, begin)
        time = found.time - self._step
        while time > max(last or oldest, oldest):
            if time not in before:
                self._passed.setdefault(time, (0, self._present.server_now))
            time -= self._step

    def _due(self) -> list[datetime]:
        """Return the passed times that are to be asked for now, the oldest first."""
        now = self._present.server_now
        return sorted(time for time, (_, when) in self._passed.items() if when <= now)[:_BATCH]

    async def _catch_up(self) -> None:
        """Fetch some of the files that were passed over."""
        due = self._due()
        if not due:
            return
        now = self._present.server_now
        try:
            await self._present.fetch(set(due))
        except DownloadError as error:
            self._failed(error)
            self._schedule.faults += 1
            for time in due:
                self._passed[time] = self._passed[time][0], now + timedelta(seconds=_FIRST_FAULT)
            return
        stored = self._present.stored()
        for time in due:
            tries = self._passed.pop(time)[0] + 1
            if time not in stored and tries < len(_TRIES):
                self._passed[time] = tries, now + _TRIES[tries]
        self._hand_out()

    def _hand_out(self) -> None:
        """Queue what is in the folder and was not handed out."""
        seen = self._seen if self._seen is not None else set()
        oldest = (self.newest or datetime.min.replace(tzinfo=UTC)) - self._keep
        for time in self._present.stored():
            if time not in seen and oldest <= time <= self.now + timedelta(minutes=10):
                seen.add(time)
                self._ready.append(time)
        self._seen = {time for time in seen if time >= oldest}
