"""Part of the soak: every kind of forged and damaged cube, read, repaired and built into, in a child."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from soak_hostile import MEGABYTES, MEMORIES, SECONDS, fate, most_memory
from soak_tables import Section
from support.cubes import archive, files
from support.damaged_cubes import DAMAGED, HOSTILE
from support.killed_processes import in_child

import radar_nb as rn
from radar_nb.errors import CubeError, Incomplete

if TYPE_CHECKING:
    from pathlib import Path

KINDS = 35
VICTIMS = dict.fromkeys((".important.lock", ".notes.tmp", "c.286.0.0"), b"alive")
REFUSALS = {CubeError.__name__, *(error.__name__ for error in CubeError.__subclasses__()), Incomplete.__name__}

Trial = tuple[tuple[str, ...], int, float]
"""Fates of opening, verifying, repairing and building; MB more than before; seconds."""


def soak_cubes(folder: Path) -> Section:
    """Try all kinds and return their table."""
    days, hours = ("2019-10-14", "2019-10-15"), ("00:50", "05:50")
    source = archive(folder / "RW201910.tar.gz", days, hours=hours, rows=900, cols=900)
    rn.build_cube(source, folder / "sound", flags=True, client=False, progress=False)
    rows, broken, outsiders, peak = [], [], 0, 0
    for number, damage in enumerate((HOSTILE | DAMAGED).values()):
        sandbox = folder / f"{number}"
        (sandbox / "home").mkdir(parents=True)
        for victim, data in VICTIMS.items():
            (sandbox / "home" / victim).write_bytes(data)
        shutil.copytree(folder / "sound", sandbox / "cube")
        damage(sandbox / "cube")
    trials: list[Trial] = in_child(all_tried, folder, source)
    for number, (kind, trial) in enumerate(zip(HOSTILE | DAMAGED, trials, strict=True)):
        fates, megabytes, seconds = trial
        outside = len(files(folder / f"{number}" / "home").items() ^ VICTIMS.items())
        broken += [f"{kind}: {law}" for law in broken_laws(fates, megabytes, seconds, forged=kind in HOSTILE)]
        broken += [f"{kind}: {outside} files were touched outside the cube"] * bool(outside)
        rows.append((kind, " / ".join(fates)))
        outsiders, peak = outsiders + outside, max(peak, megabytes)
    if len(rows) < KINDS:
        broken.append(f"only {len(rows)} kinds were tried")
    return Section(
        title="Forged and damaged cubes",
        lines=(
            f"{len(rows)} kinds tried. Files touched outside the cube: {outsiders}.",
            f"Most memory that one took: under {next(step for step in MEMORIES if step > peak)} MB.",
        ),
        columns=("cube", "opened / verified / repaired / built into"),
        rows=tuple(rows),
        broken=tuple(broken),
    )


def all_tried(folder: Path, source: Path) -> list[Trial]:
    """Do all that can be done to each cube, in the child, after it has read and repaired one."""
    tried(folder / "sound", source)
    return [tried(folder / f"{number}" / "cube", source) for number in range(len(HOSTILE | DAMAGED))]


def tried(cube: Path, source: Path) -> Trial:
    """Do all that can be done to a cube."""
    before, began = most_memory(), time.monotonic()
    fates = (
        fate(lambda: rn.open_cube(cube, flags=True).load()),
        fate(lambda: rn.verify_cube(cube, progress=False)),
        fate(lambda: rn.repair_cube(cube, progress=False)),
        fate(lambda: rn.build_cube(source, cube, client=False, progress=False)),
    )
    return fates, most_memory() - before, time.monotonic() - began


def broken_laws(fates: tuple[str, ...], megabytes: int, seconds: float, *, forged: bool) -> list[str]:
    """Return the broken laws: all calls refuse forged cubes; damaged ones are found, repaired and rebuilt."""
    refused = fates if forged else fates[:2]
    broken = [f"a call ends as {one}" for one in refused if one not in REFUSALS]
    if not forged and fates[2:] != ("read", "read"):
        broken.append(f"repair and build end as {fates[2:]}")
    if megabytes > MEGABYTES:
        broken.append(f"{megabytes} MB of memory")
    if seconds > SECONDS:
        broken.append(f"{seconds:.0f} s")
    return broken
