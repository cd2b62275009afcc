"""A disk that is small, and one on which nobody may write, not even root."""

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
        subprocess.run(["umount", folder], check=True)  # noqa: S603, S607 - beside mount


def forbid_writing(disk: Path) -> None:
    """Let nobody write on a small disk from now on."""
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)  # noqa: S603, S607 - beside umount


def fill(disk: Path) -> None:
    """Leave no byte free on a small disk."""
    status = os.statvfs(disk)
    (disk / "other").write_bytes(bytes(status.f_bavail * status.f_frsize))
