"""Part of the soak: every kind of malicious archive read by every path, each in a child process of its own."""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from soak_tables import Section
from support.killed_processes import IMPATIENT, in_child, tree

import radar_nb as rn
from radar_nb.dwd.catalogue import RemoteArchive
from radar_nb.errors import RadarNbError
from radar_nb.fetch import http as transport
from radar_nb.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.malicious_archives import Case

MEGABYTES = 200
MEMORIES = (50, 100, MEGABYTES, 1000, 10_000)  # reported in steps, so that the table is the same each time
SECONDS = 20  # for all read paths together: generous, since other work may keep the processors busy
KINDS = 40

_PEAK = 1024 if sys.platform == "linux" else 1  # getrusage(2): kilobytes on Linux, bytes on macOS


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What became of one archive.

    Attributes
    ----------
    fates : tuple of str
        For each read path: the error's name, or "read".
    frames : int
        Files that extraction left.
    megabytes : int
        More memory than before, at most.
    seconds : float
    """

    fates: tuple[str, ...]
    frames: int
    megabytes: int
    seconds: float


def soak_hostile(folder: Path) -> Section:
    """Try all kinds and return their table."""
    from support.malicious_archives import HOSTILE  # noqa: PLC0415 - made when it is imported; a child has its archive from its parent

    rows, broken, outsiders, peak = [], [], 0, 0
    served = folder / "served"
    served.mkdir(parents=True)
    with Mirror(served) as mirror:
        for number, (kind, case) in enumerate(HOSTILE.items()):
            sandbox = folder / f"{number}"
            (served / f"{number}").write_bytes(case.data)
            trial, outside = tried(sandbox, served / f"{number}", mirror.url)
            broken += [f"{kind}: {law}" for law in broken_laws(case, trial, outside)]
            fates = [" ".join(dict.fromkeys(trial.fates))] if len(set(trial.fates)) == 1 else trial.fates
            rows.append((kind, " / ".join(fates), str(trial.frames)))
            outsiders, peak = outsiders + outside, max(peak, trial.megabytes)
            shutil.rmtree(sandbox)
    if len(rows) < KINDS:
        broken.append(f"only {len(rows)} kinds were tried")
    return Section(
        title="Hostile archives",
        lines=(
            f"{len(rows)} kinds tried. Files touched outside the target: {outsiders}.",
            f"Most memory that one took: under {next(step for step in MEMORIES if step > peak)} MB.",
        ),
        columns=("archive", "downloaded / extracted / opened", "frames kept"),
        rows=tuple(rows),
        broken=tuple(broken),
    )


def tried(sandbox: Path, archive: Path, address: str) -> tuple[Trial, int]:
    """Download, extract and open an archive; return the results and the number of files touched outside."""
    inside, outside = sandbox / "target", sandbox / "home"
    for place in (inside, outside):
        place.mkdir(parents=True)
    (outside / "canary").write_bytes(b"alive")
    shutil.copyfile(archive, inside / "archive")
    before = watched(sandbox)
    trial = in_child(taken, inside, outside, f"{address}/{archive.name}")
    if not isinstance(trial, Trial):
        raise TypeError(f"the child gave {trial!r}")
    after = watched(sandbox)
    return trial, len(before.items() ^ after.items())


def watched(sandbox: Path) -> dict[str, tuple[str, int]]:
    """Return what must stay as it is: all but the target folder, with the times of change."""
    return {
        name: (digest, (sandbox / name).stat().st_mtime_ns)
        for name, digest in tree(sandbox).items()
        if not name.startswith("target/")
    }


def taken(target: Path, home: Path, url: str) -> Trial:
    """Download, extract and open an archive, in the child."""
    os.chdir(home)
    transport.PATIENCE = IMPATIENT
    archive = target / "archive"
    base, _, name = url.rpartition("/")
    plan = rn.plan("YW", "2020-06", base_url=base, folder=target / "data")
    plan = replace(plan, archives=(RemoteArchive(path=name, month=plan.months[0], typical=1),))
    before, began = most_memory(), time.monotonic()
    fates = (
        fate(lambda: rn.download(plan, progress=False)),
        fate(lambda: rn.extract(archive, folder=target / "frames", progress=False)),
        fate(lambda: rn.open_dataset(archive, chunks=None)),
    )
    return Trial(
        fates=fates,
        frames=sum(path.is_file() for path in (target / "frames").rglob("*")),
        megabytes=most_memory() - before,
        seconds=time.monotonic() - began,
    )


def fate(read: Callable[[], object]) -> str:
    """Return how a read path ends: the error's name, or "read"."""
    try:
        read()
    except RadarNbError as error:
        return type(error).__name__
    return "read"


def most_memory() -> int:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK >> 20


def broken_laws(case: Case, trial: Trial, outside: int) -> list[str]:
    """Return the laws that a trial breaks."""
    expected = case.error.__name__
    broken = []
    if trial.fates[1] != expected:
        broken.append(f"extraction ends with {trial.fates[1]}, not {expected}")
    if "read" in trial.fates:
        broken.append(f"a read path accepts it: {' / '.join(trial.fates)}")
    if outside:
        broken.append(f"{outside} files were touched outside the target")
    if trial.megabytes > MEGABYTES:
        broken.append(f"{trial.megabytes} MB of memory")
    if trial.seconds > SECONDS:
        broken.append(f"{trial.seconds:.0f} s")
    return broken
