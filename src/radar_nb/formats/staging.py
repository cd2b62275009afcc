"""Room for frames that are not verified yet: how much, and a hidden folder that no crash leaves for long."""

from __future__ import annotations

import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from radar_nb.formats.archives import Part, naming_damage
from radar_nb.formats.streams import BLOCK, Reopened, sniff
from radar_nb.runtime.files import storage_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX, _SUFFIX = ".radar_nb.", ".tmp"
_LENGTH = 4  # bytes of the length at a gzip's end
_BZIP2_RATIO = 20  # how many times smaller bzip2 makes a frame, roughly
_CHUNK = 256 << 10  # bytes that are compared at once: what stays in the processor's cache


def unpacked(part: Part) -> int:
    """Estimate a part's frames in bytes, without inflating it.

    A gzip says it in its last four bytes (RFC 1952, 2.3.1), which is right for all archives of DWD but those whose
    members are gzipped once more.

    Raises
    ------
    StorageError
        The archive cannot be read.
    """
    head, length = bytearray(BLOCK), bytearray(_LENGTH)
    with naming_damage(part, str):
        read = Reopened(part.archive, part.offset).readinto(head)
        kind = sniff(bytes(head[:read]))
        if kind == "gzip":
            Reopened(part.archive, part.offset + max(0, part.size - _LENGTH)).readinto(length)
            return max(part.size, int.from_bytes(length, "little"))
    return part.size * _BZIP2_RATIO if kind == "bzip2" else part.size


def same(path: Path, data: memoryview) -> bool:
    """Tell whether a plain file, and no link to one, holds these bytes."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size != len(data):
            return False
        with path.open("rb", buffering=0) as file:
            return all(
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
