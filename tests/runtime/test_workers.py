"""Workers that build cubes: threads of this process, or a cluster's workers, some of which die."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.cubes import archive, files

from radar_nb.cube.building import build_cube
from radar_nb.errors import Incomplete, SettingsError, StorageError
from radar_nb.runtime.workers import active_client, each

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = [f"2019-10-{day:02d}" for day in range(1, 6)]
DEADLINE = 60.0


class TestThreads:
    """Threads of this process."""

    def test_every_item_has_one_result(self) -> None:
        """Each item is returned once with its result; errors of radar_nb are results, too."""

        def work(item: int) -> int:
            if item == 3:
                raise StorageError("three")
            return item * item

        found = dict(each(range(20), work, workers=3))

        assert isinstance(found.pop(3), StorageError)
        assert found == {item: item * item for item in range(20) if item != 3}

    def test_other_errors_are_raised(self) -> None:
        """An error that is not radar_nb's is raised."""
        with pytest.raises(ZeroDivisionError):
            list(each([0], lambda item: 1 // item, workers=1))

    def test_few_items_are_ahead(self) -> None:
        """When the caller stops, items that have not started do not start."""
        begun: list[int] = []
        results = each(range(1000), begun.append, workers=2)
        next(results)
        results.close()

        assert len(begun) < 10


distributed = pytest.importorskip("distributed", reason="distributed is not installed")


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an archive of five days."""
    return archive(tmp_path_factory.mktemp("archives") / "RW201910.tar.gz", DAYS, hours=("00:50", "05:50"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Return a cluster of two worker processes."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as made,
        distributed.Client(made, set_as_default=False) as client,
    ):
        yield client


@pytest.mark.filterwarnings("ignore")  # distributed's own, of ports and loops
class TestCluster:
    """Workers in their own processes."""

    def test_a_cluster_builds_the_same_cube(self, hours: Path, cluster: Any, tmp_path: Path) -> None:
        """Two worker processes write the same bytes as threads, and no data pass through the scheduler."""
        build_cube(hours, tmp_path / "here", flags=True, client=False, progress=False)

        report = build_cube(hours, tmp_path / "there", flags=True, client=cluster, progress=False)

        assert [outcome.state for outcome in report.outcomes] == ["done"] * len(DAYS)
        assert files(tmp_path / "there") == files(tmp_path / "here")
        assert len(cluster.run(os.getpid)) == 2

    def test_a_worker_that_dies_costs_its_day(self, hours: Path, cluster: Any, tmp_path: Path) -> None:
        """If a worker is killed, another builds its day, and the cube is the same."""
        build_cube(hours, tmp_path / "here", client=False, progress=False)
        there, victim = tmp_path / "there", next(iter(cluster.run(os.getpid).values()))
        killed = threading.Event()

        def kill() -> None:
            deadline = time.monotonic() + DEADLINE
            while time.monotonic() < deadline and not list(there.glob("RW/c.*")):
                killed.wait(0.002)
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                killed.set()

        killer = threading.Thread(target=kill)
        killer.start()
        report = build_cube(hours, there, client=cluster, progress=False)
        killer.join()

        assert killed.is_set()
        assert [outcome.ok for outcome in report.outcomes] == [True] * len(DAYS)
        # a day that the dead worker had written without reporting it is kept by the next worker
        assert {outcome.state for outcome in report.outcomes} <= {"done", "kept"}
        build_cube(hours, there, client=False, progress=False)  # uses what the dead worker left
        assert files(there) == files(tmp_path / "here")

    def test_the_active_client_is_used(self, cluster: Any) -> None:
        """An active cluster is used by default, and stays open."""

        def taken(client: Any) -> Any:
            with active_client(client) as used:
                return used

        assert taken(None) is None
        with distributed.Client(cluster.scheduler.address, set_as_default=True) as client:
            assert taken(None) is client
            assert taken(False) is None
            assert taken(cluster) is cluster
        assert cluster.status == "running"

    def test_a_client_made_for_an_address_is_closed(self, cluster: Any) -> None:
        """A client that radar_nb makes for an address is closed at the end."""
        with active_client(cluster.scheduler.address) as client:
            assert client.status == "running"

        assert client.status == "closed"

    def test_a_store_in_memory_refuses_a_cluster(self, hours: Path, cluster: Any) -> None:
        """A cube in this process's memory cannot be written by other processes."""
        store = pytest.importorskip("obstore", reason="obstore is not installed").store.MemoryStore()

        with pytest.raises(SettingsError, match=r"memory.*client=False"):
            build_cube(hours, store, client=cluster, progress=False)

    def test_errors_of_workers_are_raised(self, hours: Path, cluster: Any, tmp_path: Path) -> None:
        """An error of a worker that may not write is raised in this process."""
        build_cube(hours, tmp_path / "cube", client=False, progress=False)
        for path in (tmp_path / "cube" / "RW").glob("c.*"):
            path.unlink()
            path.mkdir()

        with pytest.raises((StorageError, Incomplete), match="RW"):
            build_cube(hours, tmp_path / "cube", client=cluster, progress=False)


@pytest.mark.filterwarnings("ignore")  # distributed's own, of ports and loops
def test_a_cluster_without_workers(hours: Path, tmp_path: Path) -> None:
    """A cluster without workers raises instead of waiting for ever."""
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None, processes=False) as made,
        distributed.Client(made, set_as_default=False) as client,
        pytest.raises(SettingsError, match="has no workers"),
    ):
        build_cube(hours, tmp_path / "cube", client=client, progress=False)
