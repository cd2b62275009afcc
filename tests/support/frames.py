"""Small RADOLAN frames, and the names of the real files that the tests read."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.formats.radolan import Header, write_frame

if TYPE_CHECKING:
    from pathlib import Path

REAL_NAMES = (
    "RE2210180700_000.gz",
    "RQ2002012030_060",
    "raa01-rw2017.002_10000-1712310850-dwd---bin",
    "raa01-rw_10000-1907010950-dwd---bin",
    "raa01-rw_10000-1907311350-dwd---bin.gz",
    "raa01-rw_10000-1910141450-dwd---bin",
    "raa01-rw_10000-latest-dwd---bin.hdf5",
    "raa01-rx_10000-1605290600-dwd---bin",
    "raa01-ry_10000-1910182355-dwd---bin",
    "raa01-sf_10000-1605010450-dwd---bin",
    "raa01-sf_10000-1910141950-dwd---bin",
    "raa01-yw2017.002_10000-2006131525-dwd---bin",
)
CDC = "climate_environment/CDC/grids_germany"
YW_MONTH = f"{CDC}/5_minutes/radolan/reproc/2017_002/bin/2020/YW2017.002_202006.tar"


def frame(time: str = "2020-06-13T15:25", fill: int = 7, **changes: Any) -> bytes:
    """Write a RADKLIM YW frame that holds one code everywhere."""
    fields: dict[str, Any] = {"product": "YW", "rows": 1100, "cols": 900, "precision": -2, "interval": 5} | changes
    header = Header(time=np.datetime64(time, "s"), **fields)
    return write_frame(header, np.full((header.rows, header.cols), fill, "u2"))


def save(folder: Path, *frames: bytes) -> Path:
    """Write frames into a folder, named in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(frames):
        (folder / f"frame-{number:03d}").write_bytes(data)
    return folder


def tar(members: dict[str, bytes]) -> bytes:
    """Pack members into a tar."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return stream.getvalue()
