"""A small disk, and one on which no user may write, not even root."""

from __future__ import annotations

import os
import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def small_disk(folder: Path, *, size: str = "256k") -> Iterator[Path]:
    """Return an empty disk of this size in place of a folder; skip the test if the user may not mount one."""
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.name != "posix":
        pytest.skip("needs mount")
    made = subprocess.run(  # noqa: S603 - our own words
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)  # noqa: S603, S607 - in the same folder as mount


def forbid_writing(disk: Path) -> None:
    """Make a small disk read-only."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)  # noqa: S603, S607 - in the same folder as umount


def fill(disk: Path) -> None:
    """Fill a small disk to the last byte."""
    status = os.statvfs(disk)
    (disk / "other").write_bytes(bytes(status.f_bavail * status.f_frsize))
