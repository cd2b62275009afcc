"""Killed processes: they leave nothing half-written under a final name, and the same call completes the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support import killed_processes as kills
from support.killed_processes import Job
from support.malicious_archives import frame, month, name, packed, tar_of

import radar_nb as rn
from radar_nb.cli import main as cli
from radar_nb.mirror import Mirror
from radar_nb.runtime.files import lock_path, part_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KILLS = 3  # make soak has more


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder to serve, with a month of three days, some 3 MB, under DWD's path."""
    folder = tmp_path_factory.mktemp("served")
    days = (
        packed(tar_of((name(minute), frame(minute, seed=minute + day, rows=300, cols=300)) for minute in range(8)))
        for day in range(3)
    )
    path = rn.plan("YW", "2020-06", folder=folder).paths[0]
    path.parent.mkdir(parents=True)
    path.write_bytes(month(*days))
    return folder


@pytest.fixture
def mirror(served: Path) -> Iterator[Mirror]:
    with Mirror(served) as running:
        yield running


def downloading(mirror: Mirror, folder: Path) -> Job:
    plan = rn.plan("YW", "2020-06", folder=folder, base_url=mirror.url)
    return Job(name="download", work=kills.download, arguments=(plan,), address=mirror.url)


def test_a_killed_download_ends_as_an_undisturbed_one(mirror: Mirror, tmp_path: Path) -> None:
    """A download killed at any moment leaves no half-written file under a final name, and can be completed."""
    job = downloading(mirror, tmp_path / "data")
    calm = kills.undisturbed(job, tmp_path / "data")

    found = list(kills.killed(job, calm, tmp_path / "data", kills=KILLS, seed=1))

    assert len(found) == KILLS
    assert [fault for kill in found for fault in kill.faults] == []
    assert calm.after.items() >= kills.tree(mirror.root).items()


def test_the_next_start_reports_what_was_resumed(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a kill within a file, the next start reports in one line what it resumes."""
    folder = tmp_path / "data"
    job = downloading(mirror, folder)
    path = rn.plan("YW", "2020-06", folder=folder).paths[0]
    half_way = kills.killed_when(job, folder, lambda: kills.size(part_path(path)) > 1_000_000)

    code = cli.main(["download", "YW", "2020-06", "--base-url", mirror.url, "--folder", str(folder)])

    assert half_way
    assert code == 0
    assert "1 resumed" in capsys.readouterr().out.splitlines()[0]


def test_a_lock_left_beside_a_complete_file_is_removed(mirror: Mirror, tmp_path: Path) -> None:
    """After a kill between the renaming and the end of the lock, the next call removes the lock."""
    job = downloading(mirror, tmp_path / "data")
    kills.run(job, tmp_path / "data")
    whole = kills.tree(tmp_path / "data")
    lock_path(rn.plan("YW", "2020-06", folder=tmp_path / "data").paths[0]).touch()

    kills.run(job, tmp_path / "data")

    assert kills.difference(kills.tree(tmp_path / "data"), whole) == ""
