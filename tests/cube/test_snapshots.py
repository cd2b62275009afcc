"""Snapshots of a cube in icechunk: each state stays readable, whole or not at all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support.buckets import s3_server
from support.cubes import archive

import radar_nb as rn
from radar_nb.cli.main import main
from radar_nb.cube.building import build_cube
from radar_nb.errors import CubeError, NothingFound, SettingsError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("icechunk", reason="icechunk is not installed")

DAYS = ("2020-06-13", "2020-06-14")


def build(folder: Path, *days: str, name: str = "RW202006.tar.gz", seed: int = 0) -> Path:
    """Build days into a cube in a folder; another seed is the archive as issued again, with another time."""
    made = archive(folder / name, days, seed=seed)
    os.utime(made, (seed, seed))
    build_cube(made, folder / "RW.zarr", client=False, progress=False)
    return folder / "RW.zarr"


def some(ds: xr.Dataset, *days: str) -> xr.Dataset:
    """Return a part of some days' fields."""
    chosen = np.isin(ds.time.values.astype("datetime64[D]").astype(str), days or DAYS)
    return ds.isel(time=chosen, y=slice(150, 400, 5), x=slice(150, 400, 5)).load()


def plain(cube: Path, *days: str) -> xr.Dataset:
    """Return the same of the cube, as plain xarray reads it."""
    with xr.open_zarr(cube, chunks=None) as ds:
        return some(ds, *days)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a cube of two days."""
    folder = tmp_path_factory.mktemp("built")
    build(folder, *DAYS)
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return shutil.copytree(built, tmp_path / "copy")


def commit(folder: Path, message: str = "a state", repository: Any = None) -> str:
    """Commit the cube of a folder."""
    return rn.commit_cube(folder / "RW.zarr", repository or folder / "history", message, progress=False)


def test_a_day_issued_again_is_readable_in_both_states(folder: Path) -> None:
    """The old snapshot keeps the old values, the new one has the new ones; only the changed day is written."""
    before, first = plain(folder / "RW.zarr"), commit(folder, "as issued")
    cube = build(folder, DAYS[1], seed=7)

    second = commit(folder, "issued again")

    after = plain(cube)
    assert not before.identical(after)
    xr.testing.assert_identical(some(rn.open_snapshot(folder / "history", first)), before)
    xr.testing.assert_identical(some(rn.open_snapshot(folder / "history", second)), after)
    rows = list(rn.cube_snapshots(folder / "history"))
    assert [(row["message"], row["days"], row["written"]) for row in rows] == [
        ("issued again", "2", "1"),
        ("as issued", "2", "2"),
    ]


def test_without_a_change_there_is_no_snapshot(folder: Path) -> None:
    """The identifier of the last one is returned."""
    first = commit(folder)

    assert commit(folder, "again") == first
    assert len(rn.cube_snapshots(folder / "history")) == 1


@pytest.mark.parametrize("year", [2019, 2021])
def test_other_years_extend_the_time_axis(folder: Path, year: int) -> None:
    """Later and earlier years are in the next snapshot at their times, and leave the previous one as it was."""
    before, first = plain(folder / "RW.zarr"), commit(folder)
    day = f"{year}-07-01"
    cube = build(folder, day, name=f"RW{year}07.tar.gz")

    commit(folder, "more years")

    xr.testing.assert_identical(some(rn.open_snapshot(folder / "history"), *DAYS, day), plain(cube, *DAYS, day))
    xr.testing.assert_identical(some(rn.open_snapshot(folder / "history", first)), before)


def test_a_removed_day_is_missing_in_the_next_snapshot(folder: Path) -> None:
    """What repair_cube removes is removed there, too."""
    commit(folder)
    (shard,) = (folder / "RW.zarr/RW").glob("c.165.0.0")
    shard.unlink()

    commit(folder, "a day less")

    xr.testing.assert_identical(some(rn.open_snapshot(folder / "history")), plain(folder / "RW.zarr"))


KILLED = """
import os, signal, sys
import radar_nb as rn
def die(progress):
    if progress.done == 1:
        os.kill(os.getpid(), signal.SIGKILL)
rn.commit_cube(sys.argv[1], sys.argv[2], "killed", progress=die)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_commit_leaves_nothing(folder: Path) -> None:
    """The previous snapshot stays the last; the next commit is whole."""
    first = commit(folder)
    before = plain(folder / "RW.zarr")
    cube = build(folder, *DAYS, seed=3)

    command = [sys.executable, "-c", KILLED, str(cube), str(folder / "history")]
    done = subprocess.run(command, check=False)  # noqa: S603 - our own script

    assert done.returncode == -signal.SIGKILL
    assert [row["snapshot"] for row in rn.cube_snapshots(folder / "history")] == [first]
    xr.testing.assert_identical(some(rn.open_snapshot(folder / "history")), before)
    commit(folder, "once more")
    xr.testing.assert_identical(some(rn.open_snapshot(folder / "history")), plain(cube))


class TestBadInput:
    """What is not a repository of the cube is named, and left as it is."""

    def test_a_folder_with_other_files(self, folder: Path) -> None:
        """Nothing is written there."""
        (folder / "other").mkdir()
        (folder / "other/notes.txt").write_text("mine")

        with pytest.raises(CubeError, match=r"other is not an icechunk repository: use an empty place"):
            commit(folder, repository=folder / "other")
        with pytest.raises(CubeError, match=r"notes.txt is a file, not an icechunk repository"):
            commit(folder, repository=folder / "other/notes.txt")
        assert [path.name for path in (folder / "other").iterdir()] == ["notes.txt"]

    def test_no_repository(self, folder: Path) -> None:
        """Reading does not create one."""
        with pytest.raises(NothingFound, match=r"no icechunk repository in .*nowhere: call commit_cube"):
            rn.open_snapshot(folder / "nowhere")
        assert not (folder / "nowhere").exists()

    def test_a_repository_of_another_cube(self, folder: Path, tmp_path: Path) -> None:
        """A cube of other codes is refused, and the repository keeps its snapshot."""
        first = commit(folder)
        other = archive(tmp_path / "RW202006.tar.gz", DAYS[:1], hours=("00:50",), interval=60, precision=-2)
        build_cube(other, tmp_path / "RW.zarr", client=False, progress=False)

        with pytest.raises(CubeError, match=r"history holds snapshots of RW .*, not of RW .*: use another repo"):
            commit(tmp_path, repository=folder / "history")
        assert [row["snapshot"] for row in rn.cube_snapshots(folder / "history")] == [first]

    def test_a_repository_of_something_else(self, folder: Path) -> None:
        """Snapshots that radar_nb has not made are refused, and not listed."""
        import icechunk

        storage = icechunk.local_filesystem_storage(str(folder / "history"))
        session = icechunk.Repository.create(storage).writable_session("main")
        xr.Dataset({"a": ("x", [1.0])}).to_zarr(session.store, consolidated=False)
        session.commit("mine")

        with pytest.raises(CubeError, match=r"last snapshot in .* \('mine'\) was not made by radar_nb"):
            commit(folder)
        with pytest.raises(NothingFound, match=r"has no snapshot of a cube"):
            rn.open_snapshot(folder / "history")

    def test_an_unknown_snapshot(self, folder: Path) -> None:
        """The message says where to find those that exist."""
        commit(folder)

        with pytest.raises(NothingFound, match=r"has no snapshot X: choose one that cube_snapshots .* lists"):
            rn.open_snapshot(folder / "history", "X")

    def test_a_damaged_repository(self, folder: Path) -> None:
        """What icechunk raises is one sentence."""
        commit(folder)
        for path in (folder / "history/snapshots").iterdir():
            path.write_bytes(b"damaged")

        with pytest.raises(StorageError, match=r"^the icechunk repository in [^\n]* cannot be read[^\n]*$"):
            rn.cube_snapshots(folder / "history")

    @pytest.mark.parametrize("place", ["gs://bucket/history", "s3://bucket", 3])
    def test_places_that_cannot_be_repositories(self, folder: Path, place: Any) -> None:
        """The message says what is possible."""
        with pytest.raises(SettingsError, match=r"s3://bucket/history"):
            commit(folder, repository=place)


def test_a_bucket_keeps_snapshots(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of S3 is a repository; its endpoint and credentials come from the environment."""
    with s3_server() as server:
        for name, value in {
            "AWS_ENDPOINT_URL": server,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "us-east-1",
        }.items():
            monkeypatch.setenv(name, value)

        commit(folder, repository="s3://cubes/history")

        xr.testing.assert_identical(some(rn.open_snapshot("s3://cubes/history")), plain(folder / "RW.zarr"))


def test_the_commands(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`cube commit` prints the identifier, `cube snapshots` the table."""
    command = ["cube", "commit", str(folder / "RW.zarr"), str(folder / "history"), "--message", "as issued"]
    assert main(command) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert main(["cube", "snapshots", str(folder / "history")]) == 0

    assert line.removeprefix("snapshot ") in capsys.readouterr().out
