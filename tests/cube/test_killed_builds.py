"""Cubes after their builders were killed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from support import cubes
from support import killed_processes as kills
from support.killed_processes import Job

from radar_nb.cube.checking import verify_cube
from radar_nb.cube.opening import open_cube

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 3  # make soak has more
DAYS = [f"2019-10-{day:02d}" for day in range(1, 6)]


@pytest.mark.skipif(sys.platform == "win32", reason="a kill there is no SIGKILL")
def test_killed_builds_can_be_completed(tmp_path: Path) -> None:
    """Leftovers of killed builders never count as complete, and end up as the undisturbed cube."""
    source = cubes.archive(tmp_path / "RW201910.tar.gz", DAYS)
    job = Job(name="cube", work=cubes.build, arguments=(source,))
    calm = kills.undisturbed(job, tmp_path / "calm")

    left = list(kills.killed(job, calm, tmp_path / "work", kills=KILLS, seed=6))

    assert len(left) == KILLS
    assert [kill for kill in left if kill.faults] == []


@pytest.mark.skipif(sys.platform == "win32", reason="a kill there is no SIGKILL")
def test_a_cube_of_a_killed_build_can_be_opened(tmp_path: Path) -> None:
    """A cube whose builder was killed after its second day holds intact days, and nothing else."""
    source = cubes.archive(tmp_path / "RW201910.tar.gz", DAYS)
    job = Job(name="cube", work=cubes.build, arguments=(source,))
    work = tmp_path / "work"
    work.mkdir()

    killed = kills.killed_when(job, work, lambda: len(list((work / "cube" / "RW").glob("c.*"))) >= 2)

    assert killed
    assert open_cube(work / "cube").sizes["time"] % len(cubes.HOURS) == 0
    assert not verify_cube(work / "cube", progress=False).failed
