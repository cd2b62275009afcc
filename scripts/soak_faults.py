"""Part of the soak: downloads from a server that misbehaves, fault by fault, then all at once."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from soak_archives import EDITION, plan_of
from soak_kinds import KINDS, MODES, MOST, mixed
from soak_tables import Section
from support.killed_processes import IMPATIENT, digest

import radar_nb as rn
from radar_nb.errors import CoverageError, NotOnServer
from radar_nb.fetch import http as transport
from radar_nb.formats.archives import parts, walk
from radar_nb.mirror import Mirror
from radar_nb.mirror.faults.rules import Fault, Faults

if TYPE_CHECKING:
    from pathlib import Path

    from soak_kinds import Kind

    from radar_nb.errors import RadarNbError
    from radar_nb.runtime.report import Report

    Errors = tuple[type[RadarNbError], ...]


@dataclass(slots=True)
class Tally:
    """What is counted for one kind of fault."""

    asked: int = 0
    whole: int = 0
    named: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    uncovered: int = 0
    struck: int = 0
    requests: int = 0
    most: int = 0
    lost: float = 0.0
    broken: list[str] = field(default_factory=list)

    def row(self, name: str) -> tuple[str, ...]:
        """Return the counts as text."""
        whole = f"{self.whole} + {self.uncovered}*" if self.uncovered else f"{self.whole}"
        named = ", ".join(f"{count} {error}" for error, count in sorted(self.named.items())) or "0"
        counts = (str(count) for count in (self.wrong, self.struck, self.requests, self.most))
        return name, f"{self.asked}", whole, named, *counts, f"{max(0.0, self.lost):.1f}"


def soak_faults(folder: Path, root: Path, *, seed: int, short: bool) -> Section:
    """Download under each kind of fault, and return the table."""
    soak = _Soak(folder, root, seed=seed, files=2 if short else 4)
    rows: list[tuple[str, ...]] = []
    broken: list[str] = []

    def add(name: str, tally: Tally) -> None:
        rows.append(tally.row(name))
        broken.extend(f"{name}: {law}" for law in tally.broken)
        print(f"  {rows[-1]}", file=sys.stderr, flush=True)

    for kind in KINDS:
        tally = Tally()
        for mode in MODES:
            if not (short and mode == "at random"):
                soak.under(kind, mode, tally)
        add(kind.name, tally)
    for name, work in (("all of them at random", soak.under_all), ("a listing that changes", soak.listed)):
        tally = Tally()
        for number in range(2 if short else 6):
            work(seed + number, tally)
        add(name, tally)
    return Section(
        title="Faults",
        lines=(
            "Each kind occurs once a file, then at random, then always. Files reported as failed were requested",
            "again when the fault was over, and arrived. *: packed bytes that differ in one bit and unpack to",
            "the same frames, so that no checksum detects the difference.",
        ),
        columns=("fault", "files asked for", "whole", "named as failed", "wrong bytes accepted", "faults injected",
                 "requests", "most for one file", "seconds lost"),
        rows=tuple(rows),
        broken=tuple(broken),
    )  # fmt: skip


class _Soak:
    """The server's files, how long they take undisturbed, and downloads of them."""

    def __init__(self, folder: Path, root: Path, *, seed: int, files: int) -> None:
        transport.PATIENCE = IMPATIENT
        self._folder = folder
        self._root = root
        self._seed = seed
        self._files = files
        with Mirror(root) as mirror:
            self._calm = statistics.median(self._get(mirror)[1] for _ in range(3))

    def under(self, kind: Kind, mode: str, tally: Tally) -> None:
        """Download under one kind of fault."""
        packs = kind.fault.kind == "encoded"  # the server packs the whole file before its first byte
        transport.PATIENCE = replace(IMPATIENT, read=10.0) if packs else IMPATIENT
        with Mirror(self._root, faults=kind.faults(mode, self._seed)) as mirror:
            report, seconds = self._get(mirror, connections=kind.connections)
        transport.PATIENCE = IMPATIENT
        self._count(tally, mirror, report, seconds)
        self._hold(tally, report, kind.named)
        good = sum(outcome.ok for outcome in report.outcomes)
        if mode == "once" and good != (0 if kind.final else len(report.outcomes)):
            tally.broken.append(f"{good} of {len(report.outcomes)} files arrive where it strikes once")
        self._recover(tally, mirror, report)

    def under_all(self, seed: int, tally: Tally) -> None:
        """Download under all kinds at once."""
        with Mirror(self._root, faults=mixed(seed)) as mirror:
            report, seconds = self._get(mirror)
        self._count(tally, mirror, report, seconds)
        self._hold(tally, report, tuple({error for kind in KINDS for error in kind.named}))
        self._recover(tally, mirror, report)

    def listed(self, seed: int, tally: Tally) -> None:
        """Plan from listings that change, and download what was planned."""
        faults = Faults(rules=(Fault(kind="listing", path="*/", share=0.7),), seed=seed)
        with Mirror(self._root, faults=faults) as mirror:
            report, seconds = self._get(mirror, listing=True)
        self._count(tally, mirror, report, seconds)
        self._hold(tally, report, (CoverageError, NotOnServer))

    def _get(
        self, mirror: Mirror, *, listing: bool = False, again: bool = False, connections: int | None = None
    ) -> tuple[Report, float]:
        """Download all, into an empty folder or into what is there; return the report and the seconds."""
        if not again:
            shutil.rmtree(self._folder, ignore_errors=True)
        began = time.monotonic()
        plan = plan_of(self._folder, mirror.url, files=self._files, listing=listing)
        return rn.download(
            plan, concurrency=connections, errors="report", progress=False
        ), time.monotonic() - began

    def _count(self, tally: Tally, mirror: Mirror, report: Report, seconds: float) -> None:
        served = [answer for answer in mirror.served if not answer.path.endswith("/")]
        tally.asked += len(report.outcomes)
        tally.struck += sum(bool(answer.kind) for answer in mirror.served)
        tally.requests += len(mirror.served)
        tally.most = max(tally.most, *Counter(answer.path for answer in served).values())
        tally.lost += seconds - self._calm
        if tally.most > MOST:
            tally.broken.append(f"{tally.most} requests for one file in one call")

    def _hold(self, tally: Tally, report: Report, errors: Errors) -> None:
        """Compare arrived files with the served ones, and failed files with the errors that they may have."""
        for outcome in report.outcomes:
            if outcome.path is not None:
                self._hold_bytes(tally, outcome.path)
            else:
                tally.named[type(outcome.error).__name__] += 1
                if not isinstance(outcome.error, errors):
                    tally.broken.append(f"{outcome.name} is {outcome.state}: {outcome.error!r}")

    def _hold_bytes(self, tally: Tally, path: Path) -> None:
        name = path.relative_to(self._folder)
        served = [place / name for place in (self._root, self._root / EDITION) if (place / name).exists()]
        if digest(path) in map(digest, served):
            tally.whole += 1
        elif frames(path) == frames(served[0]):
            tally.uncovered += 1
        else:
            tally.wrong += 1
            tally.broken.append(f"{path.name} has other bytes and counts as whole")

    def _recover(self, tally: Tally, mirror: Mirror, report: Report) -> None:
        """Request failed files again, from a server without faults at the same address."""
        if report.failed:
            with Mirror(self._root, port=int(mirror.url.rpartition(":")[2])) as calm:
                again, _ = self._get(calm, again=True)
            self._hold(Tally(), again, ())
            if again.failed:
                tally.broken.append(f"not to be had when it was over: {again.failed[0].error!r}")


def frames(archive: Path) -> list[tuple[str, bytes]]:
    """Return what an archive holds."""
    return [(member.name, bytes(member.data)) for part in parts(archive) for member in walk(part)]
