"""The progress of work for a display: amount, speed, time left, running files.

Arithmetic on progress events and reports, without I/O. A display requests a `Sight` at a readable rate.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from radar_nb.runtime.files import part_path, read_sidecar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from radar_nb.dwd.catalogue import Plan
    from radar_nb.runtime.progress import Progress
    from radar_nb.runtime.report import Outcome, Report

SHOWN = 5
"""Largest number of files with a bar of their own."""

_SILENCE = 3.0
"""Seconds without a byte after which a display says so instead of a speed."""

_WINDOW = 10.0
"""Seconds over which the speed is measured: long enough to be steady, short enough to be current."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSight:
    """One running file: bytes done, total bytes (0 if unknown), and retries."""

    name: str
    done: int
    total: int
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The progress at a moment.

    Attributes
    ----------
    done, total : int
        Bytes of all files, or what `unit` names; the total is 0 if unknown.
    unit : str
        "B" for bytes.
    speed : float
        Units per second over the last ten seconds; 0 if nothing moves.
    silent : float
        Seconds since the last byte came; 0 below three seconds, and for other units.
    finished, failed, files : int
        Numbers of finished, failed and all files; 0 without a report.
    running : tuple of FileSight
        The running files, at most five.
    others : int
        Number of further running files.
    """

    done: int = 0
    total: int = 0
    unit: str = "B"
    speed: float = 0.0
    silent: float = 0.0
    finished: int = 0
    failed: int = 0
    files: int = 0
    running: tuple[FileSight, ...] = ()
    others: int = 0


class Watch:
    """A reporter that draws nothing and keeps what `sight` needs.

    Parameters
    ----------
    sizes : mapping, optional
        Bytes by file name, as far as known.
    clock : callable
        Returns seconds.

    Examples
    --------
    >>> from radar_nb.runtime.progress import Progress
    >>> clock = iter((0.0, 2.0, 2.1, 2.1)).__next__
    >>> watch = Watch(clock=clock)
    >>> for done in (0, 1_000_000):
    ...     watch(Progress(task="download", done=done, total=5_000_000, unit="B", note="a.tar"))
    >>> watch.sight().speed
    500000.0
    """

    def __init__(
        self, sizes: Mapping[str, int] | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._sizes = dict(sizes or {})
        self._clock = clock
        self._marks: deque[tuple[float, int]] = deque()
        self._last: Progress | None = None
        self._moved: float | None = None

    def __call__(self, progress: Progress, /) -> None:
        """Handle a progress event."""
        now, before, self._last = self._clock(), self._last, progress
        if before is None or progress.done != before.done:
            self._moved = now
        if self._marks and now - self._marks[-1][0] < _WINDOW / 100:
            return
        self._marks.append((now, progress.done))
        while now - self._marks[0][0] > _WINDOW:
            self._marks.popleft()

    def learn(self, name: str, size: int) -> None:
        """Store the size of a file that the server has reported."""
        self._sizes[name] = size

    def pause(self) -> None:
        """Reset the speed and the silence, so that a pause does not count."""
        self._marks.clear()
        self._moved = self._clock()

    def sight(self, report: Report | None = None) -> Sight:
        """Return the progress now.

        Parameters
        ----------
        report : Report, optional
            The work so far; without it no files are counted.
        """
        last = self._last
        done, total = (last.done, last.total or 0) if last is not None else (0, 0)
        outcomes = report.outcomes if report is not None else ()
        running = [outcome for outcome in outcomes if outcome.state == "running"]
        return Sight(
            done=done,
            total=total,
            unit=last.unit if last is not None else "B",
            speed=0.0 if (silent := self._silence()) else self._speed(),
            silent=silent,
            finished=sum(outcome.ok for outcome in outcomes),
            failed=sum(outcome.state == "failed" for outcome in outcomes),
            files=len(outcomes),
            running=tuple(map(self._file, running[:SHOWN])),
            others=max(0, len(running) - SHOWN),
        )

    def _speed(self) -> float:
        if len(self._marks) < 2 or self._clock() - self._marks[-1][0] > _WINDOW:  # no event since
            return 0.0
        (begun, base), (now, moved) = self._marks[0], self._marks[-1]
        return max(0.0, (moved - base) / (now - begun))

    def _silence(self) -> float:
        if self._last is None or self._last.unit != "B" or self._moved is None:
            return 0.0
        silent = self._clock() - self._moved
        return silent if silent >= _SILENCE else 0.0

    def _file(self, outcome: Outcome) -> FileSight:
        done = outcome.bytes + outcome.already
        size = self._sizes.get(outcome.name, 0)
        total = max(done, size) if size else 0
        return FileSight(name=outcome.name, done=done, total=total, retries=outcome.retries)


def measured(plan: Plan, report: Report, watch: Watch) -> Report:
    """Pass the sizes of running files, which the server has reported by now, to the watch; return the report."""
    running = (a for a, o in zip(plan.archives, report.outcomes, strict=False) if o.state == "running")
    for archive in islice((archive for archive in running if archive.size is None), SHOWN):
        note = read_sidecar(part_path(plan.local(archive)))
        if note is not None and note.size:
            watch.learn(archive.name, note.size)
    return report
