"""Claims: one holder at a time, across threads and processes, and none after a crash."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from radar_nb.errors import StorageError
from radar_nb.runtime.files import lock_path
from radar_nb.runtime.locks import claimed, claimed_async

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys
from pathlib import Path
from radar_nb.runtime.locks import claimed
with claimed(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""
COUNTER = """
import sys
from pathlib import Path
from radar_nb.runtime.locks import claimed
path = Path(sys.argv[1])
for _ in range(20):
    with claimed(path):
        path.write_text(str(int(path.read_text()) + 1))
"""


def holder(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", HOLDER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_two_processes_never_hold_the_same(tmp_path: Path) -> None:
    """Processes that increment a number under a claim lose no count, and leave nothing behind."""
    path = tmp_path / "count"
    path.write_text("0")
    several = [subprocess.Popen([sys.executable, "-c", COUNTER, path]) for _ in range(3)]  # noqa: S603 - our own

    assert [process.wait(60) for process in several] == [0, 0, 0]
    assert path.read_text() == "60"
    assert list(tmp_path.iterdir()) == [path]


def test_two_threads_never_hold_the_same(tmp_path: Path) -> None:
    """Threads of one process exclude each other."""
    path, count = tmp_path / "count", [0]

    def add(_: int) -> None:
        with claimed(path):
            before = count[0]
            threading.Event().wait(0.001)
            count[0] = before + 1

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(12)))

    assert count == [12]
    assert list(tmp_path.iterdir()) == []


def test_a_claim_ends_with_its_process(tmp_path: Path) -> None:
    """A killed process frees its claim at once, and its file is removed with the next claim."""
    path = tmp_path / "a"
    killed = holder(path)
    killed.kill()
    killed.communicate()
    assert lock_path(path).exists()

    with claimed(path):
        pass

    assert not lock_path(path).exists()


def test_the_loop_continues_during_a_wait_for_a_claim(tmp_path: Path) -> None:
    """A coroutine that waits for another process does not block its loop, and learns that it has waited."""
    path, waits = tmp_path / "a", []
    other = holder(path)

    async def wait_for_it() -> bool:
        async with asyncio.timeout(30):

            def waiting() -> None:
                waits.append(1)
                if len(waits) == 2:
                    other.communicate("go on\n")

            async with claimed_async(path, waiting) as waited:
                return waited

    assert asyncio.run(wait_for_it())
    assert len(waits) >= 2


def test_a_free_claim_is_reported(tmp_path: Path) -> None:
    """A free claim is taken at once."""

    async def take() -> bool:
        async with claimed_async(tmp_path / "a") as waited:
            return waited

    assert not asyncio.run(take())


def test_a_wait_can_be_cancelled(tmp_path: Path) -> None:
    """A cancelled wait leaves the claim to its holder."""
    path = tmp_path / "a"
    other = holder(path)

    async def give_up() -> None:
        waiting = asyncio.Event()

        async def take() -> None:
            async with claimed_async(path, waiting.set):
                pass

        task = asyncio.create_task(take())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(give_up())

    assert lock_path(path).exists()
    other.communicate("go on\n")
    assert not lock_path(path).exists()


def test_an_invalid_place_raises(tmp_path: Path) -> None:
    """Without a possible file there is no claim, and the error has a remedy."""
    (tmp_path / "file").write_bytes(b"")

    with (
        pytest.raises(StorageError, match=r"cannot be written .*choose another folder"),
        claimed(tmp_path / "file" / "a"),
    ):
        pass


def test_a_link_as_lock_raises(tmp_path: Path) -> None:
    """A link in the lock's place is not followed, so no outside file is locked or written."""
    lock_path(tmp_path / "a").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(StorageError, match=r"a cannot be written"), claimed(tmp_path / "a"):
        pass

    assert not (tmp_path / "elsewhere").exists()
