"""How far work has come, for a display: how much, how fast, how long still, and which files are at work.

Pure arithmetic on progress events and reports; who draws it asks for a `Sight` as often as a person can read.
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
"""Files that get a bar of their own."""

_WINDOW = 10.0
"""Seconds over which the speed is measured: long enough to be calm, short enough to be true."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSight:
    """One file at work: bytes done and in all, 0 until that is known, and attempts beyond the first."""

    name: str
    done: int
    total: int
    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What there is to see at a moment.

    Attributes
    ----------
    done, total : int
        Bytes of all files, or what `unit` names; the total is 0 where it is not known yet.
    unit : str
        "B" for bytes.
    speed : float
        Units a second over the last ten seconds; 0 where nothing moves.
    finished, failed, files : int
        Files that are there, that have failed, and in all; 0 where nobody counts them.
    running : tuple of FileSight
        Those at work, five at most.
    others : int
        How many more are at work.
    """

    done: int = 0
    total: int = 0
    unit: str = "B"
    speed: float = 0.0
    finished: int = 0
    failed: int = 0
    files: int = 0
    running: tuple[FileSight, ...] = ()
    others: int = 0


class Watch:
    """A reporter that draws nothing: it keeps what is needed to tell how far the work is.

    Parameters
    ----------
    sizes : mapping, optional
        Of the files whose size is known, the bytes by name.
    clock : callable
        Gives seconds.

    Examples
    --------
    >>> from radar_nb.runtime.progress import Progress
    >>> clock = iter((0.0, 2.0, 2.1)).__next__
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

    def __call__(self, progress: Progress, /) -> None:
        """Take one event."""
        now, self._last = self._clock(), progress
        if self._marks and now - self._marks[-1][0] < _WINDOW / 100:
            return
        self._marks.append((now, progress.done))
        while now - self._marks[0][0] > _WINDOW:
            self._marks.popleft()

    def learn(self, name: str, size: int) -> None:
        """Take the size of a file: the server has told it meanwhile."""
        self._sizes[name] = size

    def pause(self) -> None:
        """Forget the speed: what comes after a pause is measured anew."""
        self._marks.clear()

    def sight(self, report: Report | None = None) -> Sight:
        """Give what there is to see.

        Parameters
        ----------
        report : Report, optional
            Of the work so far; without it no files are told.
        """
        last = self._last
        done, total = (last.done, last.total or 0) if last is not None else (0, 0)
        outcomes = report.outcomes if report is not None else ()
        running = [outcome for outcome in outcomes if outcome.state == "running"]
        return Sight(
            done=done,
            total=total,
            unit=last.unit if last is not None else "B",
            speed=self._speed(),
            finished=sum(outcome.ok for outcome in outcomes),
            failed=sum(outcome.state == "failed" for outcome in outcomes),
            files=len(outcomes),
            running=tuple(map(self._file, running[:SHOWN])),
            others=max(0, len(running) - SHOWN),
        )

    def _speed(self) -> float:
        if len(self._marks) < 2 or self._clock() - self._marks[-1][0] > _WINDOW:  # nothing has come since
            return 0.0
        (begun, base), (now, moved) = self._marks[0], self._marks[-1]
        return max(0.0, (moved - base) / (now - begun))

    def _file(self, outcome: Outcome) -> FileSight:
        done = outcome.bytes + outcome.already
        size = self._sizes.get(outcome.name, 0)
        total = max(done, size) if size else 0
        return FileSight(name=outcome.name, done=done, total=total, retries=outcome.retries)


def measured(plan: Plan, report: Report, watch: Watch) -> Report:
    """Let the watch learn the true sizes of the files at work: the server has told them by then."""
    running = (a for a, o in zip(plan.archives, report.outcomes, strict=False) if o.state == "running")
    for archive in islice((archive for archive in running if archive.size is None), SHOWN):
        note = read_sidecar(part_path(plan.local(archive)))
        if note is not None and note.size:
            watch.learn(archive.name, note.size)
    return report
