"""The notebooks' surroundings: a small DWD with a few days of synthetic rain.

Kernels inherit its address and the data folder from the environment, so that the notebooks themselves are the same
ones that a user runs against the real server.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from filelock import FileLock

from radar_nb.mirror import Mirror, make_archives

if TYPE_CHECKING:
    import pytest

_SHARED = "RADAR_NB_NOTEBOOKS"  # names the served folder in the environment of pytest-xdist's processes
_made: set[Path] = set()


def make_rain(root: Path, *, whole_month: bool = False) -> None:
    """Make the archives that the notebooks ask for, once for each folder.

    Some seconds of work; some minutes for outputs that are to be shown: a day more, and whole months of hours.
    """
    if root not in _made:
        with FileLock(root.with_name(f"{root.name}.lock")):  # what another process has made is kept
            make_archives(root, "YW", "2020-06", days=(13, 14) if whole_month else (13,), progress=False)
            make_archives(root, "RW", "2020-06", days=None if whole_month else (13,), progress=False)
            hours = ("2020-05",) if whole_month else ("2020-05-31T21:50", "2020-05-31T23:50")
            make_archives(root, "RW", *hours, progress=False)
            hours = ("2001-01-01",) if whole_month else ("2001-01-01T00:50", "2001-01-01T02:50")
            make_archives(root, "RW", *hours, progress=False)
        _made.add(root)


def pytest_configure(config: pytest.Config) -> None:
    """Serve a folder, which is still empty, and put its address into the environment of all kernels.

    The processes of pytest-xdist share the server of the process that starts them; each has its own data folder.
    """
    stack = ExitStack()
    config.add_cleanup(stack.close)
    folder = Path(stack.enter_context(TemporaryDirectory(prefix="radar_nb-", ignore_cleanup_errors=True)))
    os.environ["RADAR_NB_DATA"] = str(folder / "data")
    if _SHARED not in os.environ:
        root = folder / "server"
        root.mkdir()
        mirror = stack.enter_context(Mirror(root))
        os.environ |= {"RADAR_NB_BASE_URL": mirror.url, _SHARED: str(root)}
        stack.callback(os.environ.pop, _SHARED)


def pytest_runtest_setup() -> None:
    """Make the rain when the first cell is about to run, and not for a run without notebooks."""
    make_rain(Path(os.environ[_SHARED]))
