"""Fixtures of all tests: real input files, if they are available, and a clean environment."""

from __future__ import annotations

import gc
import itertools
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

if sys.dont_write_bytecode:  # or else each process that a test starts compiles every library again: 5 s for xarray
    sys.dont_write_bytecode, sys.pycache_prefix = False, str(Path(__file__).resolve().parents[1] / "build/pycache")
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": sys.pycache_prefix}

from radar_nb.fetch.http import Patience

TESTS = Path(__file__).resolve().parent

settings.register_profile("radar_nb", deadline=None)  # a busy machine is slow, not wrong
settings.load_profile("radar_nb")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return three processes for two processors: tests wait for servers, timeouts and children, too."""
    processors = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(2, processors * 3 // 2)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for examples in docstrings in src alone: a second look at each module of tests costs seconds."""
    return [collector for collector in (yield) if type(collector) is pytest.Module]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Let each process begin with other rooms: in a fresh clone, the bytecode that it writes serves the others."""
    report = yield
    if collector.path == TESTS and (process := getattr(collector.config, "workerinput", None)):
        first = len(report.result) * int(process["workerid"].removeprefix("gw")) // process["workercount"]
        report.result = report.result[first:] + report.result[:first]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Return to one order of tests in all processes, with the examples of src last."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: (TESTS not in item.path.parents, item.path))


def pytest_collection_finish() -> None:
    """Leave what collecting has made out of garbage collections, each of which would look at all of it again."""
    gc.collect()
    gc.freeze()


REAL = TESTS.parents[1] / "shared" / "real"


def _real(name: str) -> Path:
    folder = REAL / name
    if not folder.is_dir():
        pytest.skip(f"the real input {folder} is not on this machine")
    return folder


@pytest.fixture(scope="session")
def real_frames() -> Path:
    """Return the folder of real RADOLAN files, as DWD published them."""
    return _real("frames")


@pytest.fixture(scope="session")
def real_present() -> Path:
    """Return the folder of files in the forms that DWD publishes now."""
    return _real("present")


@pytest.fixture(scope="session")
def real_forms() -> Path:
    """Return the folder of files in rare forms."""
    return _real("forms")


@pytest.fixture(scope="session")
def real_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the folder that mirrors a part of DWD's server, made of real frames.

    A copy, since opening an archive writes its index into the same folder.
    """
    return shutil.copytree(_real("mirror"), tmp_path_factory.mktemp("real") / "mirror")


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    """Close the figures of each test: Matplotlib keeps them, and warns of more than twenty."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        pyplot.close("all")


@pytest.fixture(scope="session")
def _homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield a new path for each test that has no folder of its own: making one costs more than most tests."""
    base, numbers = tmp_path_factory.mktemp("homes"), itertools.count()
    return (base / str(number) for number in numbers)


@pytest.fixture(autouse=True)
def _own_environment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the developer's own settings and data folder out of every test, and do not wait for dead servers."""
    for name in ("RADAR_NB_BASE_URL", "RADAR_NB_CONCURRENCY"):
        monkeypatch.delenv(name, raising=False)
    own = "tmp_path" in request.fixturenames
    home = request.getfixturevalue("tmp_path") if own else next(request.getfixturevalue("_homes"))
    monkeypatch.setenv("RADAR_NB_DATA", str(home / "data"))
    monkeypatch.setenv("RADAR_NB_CACHE", str(home / "cache"))
    monkeypatch.setattr("radar_nb.fetch.http.PATIENCE", Patience(attempts=3, first_wait=0.001))
