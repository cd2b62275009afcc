"""Part of the soak: children that are killed at work, from downloads to cubes and stored extremes."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from soak_archives import plan_of
from soak_kinds import mixed
from soak_tables import Section
from support import cubes, small_rain
from support import killed_processes as kills
from support.killed_processes import Job

import radar_nb as rn
from radar_nb.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.killed_processes import Undisturbed


CHANGING = ("new-etag", "weak-etag", "no-validator", "encoded", "flip")
"""Faults after which the file, or the note of the server's description, is rightly another."""
DAYS = [f"2019-10-{day:02d}" for day in range(1, 6)]
"""Days of the cube."""
SMALL: dict[str, Any] = {"rows": 450, "cols": 450}
"""A grid with a quarter of the cells: a year's series take seconds."""


def soak_kills(folder: Path, root: Path, *, each: int, seed: int) -> Section:
    """Kill so many child processes at each kind of work, and return the table."""
    place = folder / "tree"
    folder.mkdir()
    rows, broken, struck = [], [], 0
    for job, calm in jobs(root, place, seed):
        found = []
        try:
            for kill in kills.killed(job, calm, place, kills=each, seed=seed):
                found.append(kill)
                broken += [f"{job.name}, after a kill: {fault}" for fault in kill.faults]
        except AssertionError as error:
            broken.append(str(error))
            shutil.rmtree(place, ignore_errors=True)
        struck += len(found)
        unfinished = sum(kill.unfinished for kill in found)
        rows.append((job.name, str(len(found)), str(unfinished), str(sum(bool(k.faults) for k in found))))
        print(f"  {rows[-1]}, {calm.seconds:.1f} s undisturbed", file=sys.stderr, flush=True)
    return Section(
        title="Kills",
        lines=(f"{struck} children killed at work; what they left was gone on with until the work was done.",),
        columns=("work", "SIGKILLs", "of which with half-done work on the disk", "half-written taken for whole"),
        rows=tuple(rows),
        broken=tuple(broken),
    )


def jobs(root: Path, place: Path, seed: int) -> Iterator[tuple[Job, Undisturbed]]:
    """Yield each kind of work with its undisturbed result, while its server runs."""
    with Mirror(root) as calm:
        plan = plan_of(place, calm.url)
        job = Job(name="download", work=kills.download, arguments=(plan,), address=calm.url)
        undisturbed = kills.undisturbed(job, place)
        yield job, undisturbed
    with Mirror(root, faults=mixed(seed, without=CHANGING)) as faulty:
        plan = plan_of(place, faulty.url)
        job = Job(name="download with faults", work=kills.download, arguments=(plan,), address=faulty.url)
        yield job, replace(undisturbed, seconds=kills.undisturbed(job, place).seconds)
    archives = plan.archives[0], plan.archives[-1]  # an hourly one and the month of days
    files = tuple(root / archive.path for archive in archives)

    def copied(folder: Path) -> None:
        (folder / "data").mkdir(parents=True)
        shutil.copy2(files[0], folder / "data")

    hours = cubes.archive(place.with_name("cube") / "RW201910.tar.gz", DAYS, rows=900, cols=900)
    earlier = cubes.archive(place.with_name("cube") / "RW201810.tar.gz", ["2018-10-01", "2018-10-02"], **SMALL)
    built = place.with_name("cube") / "cube"
    small = cubes.archive(place.with_name("small") / "RW201910.tar.gz", DAYS, **SMALL)
    rn.build_cube(small, built, flags=True, client=False, progress=False)
    copied_cube = partial(cubes.copy, built)
    rain = place.with_name("rain.nc")
    amounts = small_rain.showers(24 * 25, 3, 4, seed=seed, missing=0.1)  # over New Year
    small_rain.rain(amounts, first="2019-12-20T00:50", minutes=60, name="RW").to_netcdf(rain, engine="h5netcdf")
    for job in (
        Job(name="extraction", work=kills.extract, arguments=(files,)),
        Job(name="indexing", work=kills.index, prepare=copied),
        Job(name="conversion", work=kills.convert, prepare=copied),
        Job(name="cube", work=cubes.build, arguments=(hours,)),
        Job(name="series of a cube", work=cubes.series, prepare=copied_cube),
        Job(name="stored extremes", work=kills.find_extremes, arguments=(rain,)),
        Job(name="stored peaks", work=kills.find_peaks, arguments=(rain,)),
    ):
        yield job, kills.undisturbed(job, place)
    job = Job(name="cube, an earlier year", work=cubes.build, arguments=(earlier,), prepare=copied_cube)
    yield job, replace(kills.undisturbed(job, place), between=cubes.moving(built, 2018, place))
