"""Frames that are not verified yet: a hidden folder for them beside their place, which no crash leaves long."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from radar_nb.workspace import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX, _SUFFIX = ".", ".tmp"
_CHUNK = 256 << 10  # bytes that are compared at once: what stays in the processor's cache


def same(path: Path, data: memoryview) -> bool:
    """Tell whether a file holds these bytes."""
    try:
        with path.open("rb", buffering=0) as file:
            return os.fstat(file.fileno()).st_size == len(data) and all(
                file.read(_CHUNK) == data[start : start + _CHUNK].tobytes()
                for start in range(0, len(data), _CHUNK)
            )
    except FileNotFoundError:
        return False


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Make a hidden folder for frames that are not verified yet; at the end it goes with all that is in it."""
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=_PREFIX, suffix=_SUFFIX, dir=folder))
        try:
            yield stage
        finally:
            shutil.rmtree(stage, ignore_errors=True)


def sweep(folder: Path) -> None:
    """Remove what killed extractions have left in a folder, for one who holds the claim on it."""
    with storage_errors(folder):
        for left in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            if left.is_dir() and not left.is_symlink():
                shutil.rmtree(left)
