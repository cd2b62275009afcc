"""RADKLIM's other forms of the same made-up hours: one netCDF file, a yearly archive of it, and ASCII grids."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.formats.esri_ascii import grid_name, write_grid
from radar_nb.formats.netcdf import fields_name, write_fields
from radar_nb.formats.radolan import CLUTTER, NO_DATA_CODE, Header, read_frame, write_frame

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

TIMES = tuple(np.datetime64(f"2017-10-01T{hour:02d}:50:00", "s") for hour in (0, 1, 2))


@lru_cache
def frames() -> tuple[tuple[bytes, Header, NDArray[np.uint16]], ...]:
    """Return three hours of RW as binaries, headers and codes: blocks of rain, clutter, and a third missing."""
    made = []
    for number, time in enumerate(TIMES):
        rng = np.random.default_rng(number)
        blocks = np.where(rng.random((110, 90)) < 0.4, rng.integers(1, 70, (110, 90)), 0)
        codes = np.repeat(np.repeat(blocks, 10, axis=0), 10, axis=1).astype(np.uint16)
        codes[500:520, 500:520] |= CLUTTER
        codes[:330] = NO_DATA_CODE
        head = Header(
            product="RW", time=time, rows=1100, cols=900, precision=-1, interval=60, reanalysis="2017.002",
            software="SYNTHETIC", module_flags="00000001", radars=("asb", "boo"),
        )  # fmt: skip
        data = write_frame(head, codes)
        made.append((data, read_frame(data)[0], codes))
    return tuple(made)


def netcdf(hours: int = 3) -> tuple[str, bytes]:
    """Return name and bytes of the netCDF file of the first hours."""
    header = frames()[0][1]
    return fields_name(header), write_fields(header, TIMES[:hours], [codes for _, _, codes in frames()[:hours]])


def grids(hours: int = 3) -> dict[str, bytes]:
    """Return the first hours as ASCII grids by name."""
    return {grid_name(header): write_grid(header, codes) for _, header, codes in frames()[:hours]}


def tar_gz(path: Path, members: dict[str, bytes]) -> Path:
    """Write an archive."""
    with tarfile.open(path, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def binaries(folder: Path, hours: int = 3) -> Path:
    """Write the first hours as DWD's binaries."""
    folder.mkdir()
    for data, header, _ in frames()[:hours]:
        stamp = str(header.time).translate(str.maketrans("", "", "-T:"))[2:12]
        (folder / f"raa01-rw2017.002_10000-{stamp}-dwd---bin").write_bytes(data)
    return folder


def hour(precision: int = -1, **changes: object) -> Header:
    """Return a header of RADKLIM."""
    return replace(frames()[0][1], precision=precision, **changes)  # type: ignore[arg-type]
