"""From a plan straight to a cube: a month is fetched while the one before is built, so that two fill no disk."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from radar_nb.errors import RadarNbError
from radar_nb.fetch.downloading import start
from radar_nb.formats.index import remove_archive
from radar_nb.runtime.files import archive_state
from radar_nb.runtime.report import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from radar_nb.cube.day_records import DayRecord, Origin
    from radar_nb.dwd.catalogue import Plan, RemoteArchive
    from radar_nb.fetch.downloading import Download
    from radar_nb.runtime.progress import Progress, Reporter
    from radar_nb.runtime.report import Report

    Build = Callable[[Sequence[Path]], tuple[Outcome, ...]]

_TICK = 0.1
"""Seconds between two looks at how far a download has come."""


def build_stages(
    plan: Plan, records: Sequence[DayRecord], build: Build, *, keep_archives: bool, report: Reporter
) -> Iterator[Outcome]:
    """Fetch a plan month by month, build each, and give what became of all files and days.

    Parameters
    ----------
    plan : Plan
    records : sequence of DayRecord
        What the cube holds: archives of which it holds every day, and that are not on the disk, are not fetched
        again, unless the server lists them with another size.
    build : callable
        Takes the archives of a month and gives the outcomes of its days.
    keep_archives : bool
        False removes a month's archives when all of its days are in the cube.
    report : Reporter
    """
    held = whole_archives(records)
    stages = [_stage(plan, month, held) for month in plan.months]
    with _fetching() as fetch:
        coming = fetch(stages[0])
        for number, stage in enumerate(stages):
            fetched = coming.result(report)
            if number + 1 < len(stages):
                coming = fetch(stages[number + 1])
            yield from (outcome for outcome in fetched.outcomes if not outcome.ok)
            outcomes: tuple[Outcome, ...] = ()
            if fetched.paths:
                try:
                    outcomes = build(fetched.paths)
                except RadarNbError as error:  # the other months can be built all the same
                    outcomes = (Outcome(name=str(stage.months[0]), state="failed", error=error),)
            yield from outcomes
            if not keep_archives and all(outcome.ok for outcome in outcomes):
                for path in fetched.paths:
                    remove_archive(path)


def _stage(plan: Plan, month: Any, held: Mapping[str, Origin]) -> Plan:
    """Give the part of a plan that is a month, without what the cube has from archives that are gone."""
    archives = tuple(
        archive for archive in plan.archives if archive.month == month and _wanted(plan, archive, held)
    )
    missing = tuple(gap for gap in plan.missing if gap.month == month)
    return replace(plan, months=(month,), archives=archives, missing=missing)


def _wanted(plan: Plan, archive: RemoteArchive, held: Mapping[str, Origin]) -> bool:
    origin = held.get(archive.name)
    if origin is None or archive_state(plan.local(archive)) == "whole":
        return True
    return archive.size is not None and archive.size != origin.size


def whole_archives(records: Sequence[DayRecord]) -> dict[str, Origin]:
    """Give the archives of which every day is in the cube, by their names."""
    counts: dict[Origin, int] = {}
    for record in records:
        for origin in record.origins:
            counts[origin] = counts.get(origin, 0) + 1
    return {origin.name: origin for origin, count in counts.items() if count == origin.days}


class _Coming:
    """A stage that is being fetched in a thread of its own, whether or not a loop runs here."""

    def __init__(self, stage: Plan, pool: ThreadPoolExecutor) -> None:
        self._events: list[Progress] = []
        self._handle: Download | None = None
        self._stage = stage
        self._report: Future[Report] = pool.submit(self._fetch)

    def _fetch(self) -> Report:
        self._handle = start(self._stage, errors="report", progress=self._events.append)
        return self._handle.wait()

    def result(self, report: Reporter) -> Report:
        while not wait([self._report], _TICK).done:
            if self._events:
                report(self._events[-1])
                self._events.clear()
        return self._report.result()

    def cancel(self) -> None:
        self._report.cancel()
        if self._handle is not None:
            self._handle.cancel()


@contextmanager
def _fetching() -> Iterator[Callable[[Plan], _Coming]]:
    coming: list[_Coming] = []
    with ThreadPoolExecutor(1, thread_name_prefix="radar_nb-fetch") as pool:

        def fetch(stage: Plan) -> _Coming:
            coming.append(_Coming(stage, pool))
            return coming[-1]

        try:
            yield fetch
        finally:
            for one in coming:
                one.cancel()
