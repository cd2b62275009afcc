"""Archives and cubes for tests: hours of RW, small enough to pack quickly."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.cube.building import build_cube
from radar_nb.cube.description import GROUP, load_cube
from radar_nb.cube.series import build_series
from radar_nb.cube.stores import Folder
from radar_nb.cube.time_axis import begin_move
from radar_nb.formats.radolan import CLUTTER, NO_DATA_CODE, SECONDARY, Header, write_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

HOURS = ("00:50", "01:50", "05:50", "23:50")


def codes(seed: int, rows: int = 450, cols: int = 450) -> np.ndarray[Any, np.dtype[np.uint16]]:
    """Return a field of codes, 450 x 450 by default: some rain, much nothing, flags, a corner without data."""
    random = np.random.default_rng(seed)
    field = np.zeros((rows, cols), np.uint16)
    y, x = random.integers(0, min(rows, cols) - 200, 2)
    field[y : y + 150, x : x + 150] = random.integers(0, 4096, (150, 150))
    field[y : y + 20, x : x + 20] |= SECONDARY
    field[y + 20 : y + 40, x : x + 20] |= CLUTTER
    field[:210, :210] = NO_DATA_CODE
    return field


def frame(time: str, seed: int = 0, **changes: Any) -> bytes:
    """Write a frame, by default of RW on a grid of DWD with a quarter of the usual cells."""
    fields: dict[str, Any] = {"product": "RW", "rows": 450, "cols": 450, "precision": -1, "interval": 60} | changes
    return write_frame(
        Header(time=np.datetime64(time, "s"), radars=("boo", "ros"), **fields),
        codes(seed, fields["rows"], fields["cols"]),
    )


def archive(
    path: Path, days: Iterable[str], *, hours: Sequence[str] = HOURS, seed: int = 0, **changes: Any
) -> Path:
    """Write an archive of hours of some days, `.tar.gz`, with the same modification time as all others.

    Parameters
    ----------
    changes
        As for `frame`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for number, time in enumerate(f"{day}T{hour}" for day in days for hour in hours):
            data = frame(time, seed + number, **changes)
            stamp = "".join(part for part in time[2:] if part.isdigit())
            info = tarfile.TarInfo(f"raa01-rw_10000-{stamp}-dwd---bin")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    os.utime(path, ns=(10**18, 10**18))
    return path


def build(folder: Path, source: Path) -> None:
    """Build a cube; used in a child process that may be killed."""
    build_cube(source, folder / "cube", flags=True, progress=False, workers=2)


def series(folder: Path) -> None:
    """Build the series of a cube; used in a child process that may be killed."""
    build_series(folder / "cube", client=False, progress=False, workers=2)


def copy(cube: Path, folder: Path) -> None:
    """Prepare a folder for `build`: a copy of a cube."""
    shutil.copytree(cube, folder / "cube")


def moving(cube: Path, year: int, folder: Path) -> dict[str, str]:
    """Return the digest of the group's file while a cube's time axis moves to begin with an earlier year."""
    copy(cube, folder)
    loaded = load_cube(Folder(folder / "cube"))
    assert loaded is not None
    first = int(np.datetime64(f"{year}-01-01", "D").astype(int))
    begin_move(loaded, first, loaded.first + loaded.days - first)
    data = (folder / "cube" / GROUP).read_bytes()
    shutil.rmtree(folder)
    return {f"cube/{GROUP}": hashlib.sha256(data).hexdigest()}


def files(cube: Path) -> dict[str, bytes]:
    """Return all files of a cube, including hidden ones."""
    return {path.relative_to(cube).as_posix(): path.read_bytes() for path in cube.rglob("*") if path.is_file()}
