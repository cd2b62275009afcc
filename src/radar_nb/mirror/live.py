"""A mirror whose synthetic weather goes on: files appear on DWD's schedule, some late, some never."""

from __future__ import annotations

import heapq
import logging
import os
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.products import RETENTION, product
from radar_nb.errors import CoverageError, SettingsError
from radar_nb.mirror.archives import expire, make_archives, published_now
from radar_nb.mirror.server import Mirror
from radar_nb.runtime.clock import Clock, SteppedClock
from radar_nb.runtime.files import local_path
from radar_nb.runtime.progress import Progress, reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import Self

    from radar_nb.dwd.archive_names import Era
    from radar_nb.runtime.progress import Reporter

    Fate = Callable[[str, datetime], float | None]

_log = logging.getLogger(__name__)

_LOOK = 0.25  # seconds between two looks for what is due
_UNKNOWN = 4  # minutes of delay of products whose delay is not measured, as of RV
_SPREAD = (16.0, 48.0)  # seconds before the delay in `ERAS`, which is rounded up: RV comes after 3:12 to 3:44 min
_LATE = (360.0, 1200.0)  # seconds that a late file comes later


class LiveMirror(Mirror):
    """Serve a folder in which synthetic composites appear as on DWD's server, with delay, alias and retention.

    The weather is perfect foresight: each forecast equals the weather of its time.

    Parameters
    ----------
    root : path
        The folder to fill and to serve. Files that are not synthetic are never overwritten or removed.
    products : sequence of str
        Which products to publish, in HDF5; HG and RE as binaries.
    clock : Clock, optional
        Whose time it is, and how fast it runs; the present by default. Answers carry its time in their header
        `Date`. A `SteppedClock` publishes at each step, in the thread that steps.
    hours : float
        How far back there are files from the start.
    late, missing : float
        Shares of the files that come 6 to 20 minutes late, and never.
    fate : callable, optional
        Takes a product and a nominal time and returns the seconds until publication, or None for a file that is
        never published; in place of `late` and `missing`.
    seed : int
        Another seed, other weather.
    progress : bool or Reporter
        How the files that are due at the start are reported; see `radar_nb.runtime.progress`.
    **serving
        As for `Mirror`: `host`, `port`, `faults`, `public`.

    Raises
    ------
    SettingsError
        A share is not between 0 and 1.
    CoverageError
        A product is not published in near real time.

    Examples
    --------
    >>> with LiveMirror("server", ["RV"], clock=Clock(speed=60)) as mirror:  # doctest: +SKIP
    ...     rn.latest("RV", base_url=mirror.url, clock=mirror.clock)
    """

    def __init__(
        self,
        root: Path | str,
        products: Sequence[str] = ("RV", "RY", "HYMECNG"),
        *,
        clock: Clock | None = None,
        hours: float = 1.0,
        late: float = 0.0,
        missing: float = 0.0,
        fate: Fate | None = None,
        seed: int = 0,
        progress: bool | Reporter = True,
        **serving: Any,
    ) -> None:
        for name, share in (("late", late), ("missing", missing)):
            if not 0 <= share <= 1:
                raise SettingsError(f"{name}={share} is not a share: use a number from 0 to 1")
        self._eras = [_era(name) for name in products]
        self.clock = clock or Clock()
        self._seed = seed
        self._fate = fate or _Chance(seed, late, missing)
        self._due: list[tuple[datetime, int, datetime]] = []
        begin = self.clock.now() - timedelta(hours=hours)
        self._times = [_times(era, begin) for era in self._eras]
        self._next = [next(times) for times in self._times]
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._publisher: threading.Thread | None = None
        self._failure: Exception | None = None
        super().__init__(root, clock=self.clock, **serving)
        with reporting(progress) as report:
            self._publish_due(report)
        if isinstance(self.clock, SteppedClock):
            self.clock.on_step(self.publish)

    def publish(self) -> tuple[Path, ...]:
        """Publish what is due by now, and remove what DWD would keep no longer; return the new files."""
        with reporting(progress=False) as silent:
            return self._publish_due(silent)

    def _publish_due(self, report: Reporter) -> tuple[Path, ...]:
        with self._lock:
            now = self.clock.now()
            for number, era in enumerate(self._eras):
                while self._next[number] <= now:
                    time = self._next[number]
                    self._next[number] = next(self._times[number])
                    wait = self._fate(era.product, time)
                    if wait is not None:
                        heapq.heappush(self._due, (time + timedelta(seconds=wait), number, time))
            made = []
            total = sum(moment <= now for moment, *_ in self._due)
            while self._due and self._due[0][0] <= now:
                moment, number, time = heapq.heappop(self._due)
                made.append(self._publish(self._eras[number], time, moment))
                report(Progress(task="publish", done=len(made), total=total, unit="files", note=made[-1].name))
            if made:
                for era in self._eras:
                    expire(local_path(self.root, era.folder), era, now - RETENTION)
            return tuple(made)

    def _publish(self, era: Era, time: datetime, moment: datetime) -> Path:
        stamp = f"{time:%Y-%m-%dT%H:%M}"
        (path,) = make_archives(
            self.root,
            era.product,
            stamp,
            stamp,
            source="nrt",
            form=era.form,
            seed=self._seed,
            now=self.clock.now(),
            progress=False,
        )
        seconds = moment.timestamp()
        os.utime(path, (seconds, seconds))
        if era.alias:
            alias = path.with_name(era.alias)
            if alias.stat().st_mtime != seconds and alias.stat().st_size == path.stat().st_size:
                os.utime(alias, (seconds, seconds))
        _log.info("%s published at %s", path.name, moment)
        return path

    def __enter__(self) -> Self:
        """Start to answer and, unless the clock is stepped, to publish."""
        super().__enter__()
        if self._publisher is None and not isinstance(self.clock, SteppedClock):
            self._publisher = threading.Thread(target=self._go_on, name="live mirror", daemon=True)
            self._publisher.start()
        return self

    def _go_on(self) -> None:
        while not self._ended.wait(_LOOK):
            try:
                self.publish()
            except Exception as error:  # noqa: BLE001 - raised by `close`
                self._failure = error
                self._server.shutdown()
                return

    def close(self) -> None:
        """Stop publishing and answering; raise the error that has ended the publishing, if one has."""
        self._ended.set()
        if self._publisher is not None:
            self._publisher.join()
        super().close()
        if self._failure is not None:
            error, self._failure = self._failure, None
            raise error


class _Chance:
    """When a file is published, drawn from the seed, the product and the time."""

    def __init__(self, seed: int, late: float, missing: float) -> None:
        self._seed = seed
        self._late = late
        self._missing = missing

    def __call__(self, name: str, time: datetime) -> float | None:
        letters = int.from_bytes(name.encode())
        rng = np.random.default_rng((self._seed % (1 << 63), letters, int(time.timestamp())))
        chance, early, more = rng.random(), rng.uniform(*_SPREAD), rng.uniform(*_LATE)
        if chance < self._missing:
            return None
        delay = 60.0 * (_era(name).delay or _UNKNOWN) - early
        return float(delay + more if chance < self._missing + self._late else delay)


def _era(name: str) -> Era:
    wanted = product(name).name
    live = published_now()
    for era in live:
        if era.product == wanted:
            return era
    names = ", ".join(dict.fromkeys(era.product for era in live))
    raise CoverageError(f"the mirror does not publish {wanted} live: choose some of {names} (products=)")


def _times(era: Era, begin: datetime) -> Iterator[datetime]:
    """Yield nominal times, without end, from the first that is not before `begin`."""
    family = product(era.product).family("nrt")
    midnight = begin.replace(hour=0, minute=0, second=0, microsecond=0)
    step = timedelta(minutes=family.every)
    time = midnight + timedelta(minutes=family.minute)
    while time < begin:
        time += step
    while True:
        yield time
        time += step
