"""Plain calls of coroutines: each works in a script, a running loop and a real kernel, and can be stopped."""

from __future__ import annotations

import ast
import asyncio
import inspect
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.malicious_archives import recorded, tar_of
from support.servers import Reply, serving

from radar_nb.runtime.event_loop import blocking, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TAR = recorded(tar_of([("frame", bytes(3_000_000))]))


async def _answer() -> int:
    async with asyncio.timeout(10):
        await asyncio.sleep(0)
    assert asyncio.current_task() is not None
    return await asyncio.to_thread(lambda: 42)


def _script(code: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_script_needs_no_patch() -> None:
    """Without a running loop, nest_asyncio2 is not even imported."""
    code = (
        "import sys, asyncio, radar_nb.runtime.event_loop as s\n"
        "print(s.run(asyncio.sleep(0, 42)), any('nest_asyncio' in name for name in sys.modules))"
    )

    assert _script(code) == "42 False"


def test_the_loop_of_a_script_stays_set() -> None:
    """A script with its own loop finds it in place after a plain call."""
    code = (
        "import asyncio, radar_nb.runtime.event_loop as s\n"
        "loop = asyncio.new_event_loop()\n"
        "asyncio.set_event_loop(loop)\n"
        "s.run(asyncio.sleep(0))\n"
        "print(asyncio.get_event_loop() is loop, loop.run_until_complete(asyncio.sleep(0, 42)))\n"
        "loop.close()"
    )

    assert _script(code) == "True 42"


def test_blocking_runs_a_coroutine_function() -> None:
    """`blocking` keeps name, signature and docstring; arguments and errors pass through."""

    async def halve_async(number: int, *, by: int = 2) -> int:
        """Return a number divided."""
        return number // by

    halve = blocking(halve_async)

    assert halve(84) == 42
    assert inspect.signature(halve) == inspect.signature(halve_async)
    assert (halve.__name__, halve.__doc__) == ("halve", "Return a number divided.")
    assert not inspect.iscoroutinefunction(halve)
    with pytest.raises(ZeroDivisionError):
        halve(84, by=0)


def test_a_running_loop_gets_the_result() -> None:
    """Plain code below a coroutine can run a coroutine, tasks, timeouts and threads included."""

    async def cell() -> int:
        return run(_answer())

    assert asyncio.run(cell()) == 42


def test_calls_can_be_nested_and_parallel() -> None:
    """Tasks that each run a coroutine from plain code do not disturb each other."""

    async def cell(number: int) -> int:
        return run(asyncio.sleep(0.001 * number, number))

    async def cells() -> list[int]:
        return list(await asyncio.gather(*(cell(number) for number in range(5))))

    assert asyncio.run(cells()) == [0, 1, 2, 3, 4]


def test_other_tasks_of_the_loop_continue() -> None:
    """An existing task makes progress while a call waits."""

    async def cell() -> list[int]:
        seen: list[int] = []
        reached = asyncio.Event()

        async def background() -> None:
            for number in range(3):
                seen.append(number)
                await asyncio.sleep(0)
            reached.set()

        task = asyncio.create_task(background())
        run(reached.wait())
        await task
        return seen

    assert asyncio.run(cell()) == [0, 1, 2]


def test_a_busy_loop_survives_its_first_patch() -> None:
    """Callbacks that the interrupted turn of the loop had counted may be run by the inner one."""
    code = (
        "import asyncio, radar_nb.runtime.event_loop as s\n"
        "async def cell(): return s.run(asyncio.sleep(0.01, 42))\n"
        "async def main():\n"
        "    task = asyncio.ensure_future(cell())\n"
        "    for _ in range(10): asyncio.get_running_loop().call_soon(int)\n"
        "    return await task\n"
        "print(asyncio.run(main()))"
    )

    assert _script(code) == "42"


def test_asyncio_is_unchanged() -> None:
    """Only the loop is made re-entrant: asyncio is unchanged for other threads and libraries."""
    before = (asyncio.run, asyncio.Task, asyncio.Future, asyncio.get_event_loop)

    async def cell() -> int:
        return run(_answer())

    asyncio.run(cell())

    assert (asyncio.run, asyncio.Task, asyncio.Future, asyncio.get_event_loop) == before


def test_errors_pass_through() -> None:
    """An error of the coroutine reaches the caller unchanged."""

    async def fail() -> None:
        raise LookupError("nothing here")

    async def cell() -> None:
        run(fail())

    with pytest.raises(LookupError, match="nothing here"):
        asyncio.run(cell())


def test_a_loop_that_cannot_be_patched_names_the_remedy() -> None:
    """For a foreign event loop the message names the coroutine function to await, and the coroutine is closed."""
    strange = type("Strange", (asyncio.AbstractEventLoop,), {})  # a loop that asyncio did not make, as uvloop's
    asyncio._set_running_loop(strange())  # noqa: SLF001 - what an event loop calls when it starts
    try:
        with pytest.raises(RuntimeError, match=r"loop of the kind .*Strange .*await download_async"):
            run(_answer())
    finally:
        asyncio._set_running_loop(None)  # noqa: SLF001


def test_a_thread_with_a_loop_can_call_too() -> None:
    """Outside the main thread, which gets no signal, a call works the same."""
    results: list[int] = []

    async def cell() -> None:
        results.append(run(_answer()))

    thread = threading.Thread(target=lambda: asyncio.run(cell()))
    thread.start()
    thread.join()

    assert results == [42]


def test_an_interrupt_lets_the_coroutine_clean_up() -> None:
    """Ctrl-C cancels the coroutine, waits for its end, is raised, and leaves loop and signal handler usable."""
    steps: list[str] = []

    async def work() -> None:
        asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            steps.append("cleaned up")

    async def cell() -> int:
        handler = signal.getsignal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            run(work())
        assert signal.getsignal(signal.SIGINT) is handler
        return run(_answer())

    assert asyncio.run(cell()) == 42
    assert steps == ["cleaned up"]


def test_a_second_interrupt_does_not_wait() -> None:
    """Ctrl-C during the clean-up is raised at once."""

    async def work() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(signal.raise_signal, signal.SIGINT)
        try:
            await asyncio.sleep(60)
        finally:
            loop.call_soon(signal.raise_signal, signal.SIGINT)
            await asyncio.sleep(0.01)

    async def cell() -> None:
        run(work())

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(cell())


class _Kernel:
    """A real kernel, as in a notebook."""

    def __init__(self, ipykernel6: Path | None) -> None:
        from jupyter_client.manager import KernelManager

        path = [str(ipykernel6)] if ipykernel6 else []
        path += [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
        self._manager: Any = KernelManager(kernel_name="python3")
        self._manager.start_kernel(env=os.environ | {"PYTHONPATH": os.pathsep.join(path)})
        self._client: Any = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        self.interrupt: Callable[[], None] = self._manager.interrupt_kernel

    def start(self, code: str) -> str:
        """Send a cell without waiting; if it fails, later cells still run."""
        return str(self._client.execute(code, stop_on_error=False))

    def end(self, cell: str) -> dict[str, Any]:
        """Wait for a cell's reply."""
        while True:
            message = self._client.get_shell_msg(timeout=60)
            if message["parent_header"].get("msg_id") == cell:
                return dict(message["content"])

    def value(self, code: str, expression: str) -> str:
        """Run a cell, then return an expression's repr."""
        cell = self._client.execute(code, user_expressions={"it": expression})
        reply = self.end(cell)
        assert reply["status"] == "ok", "\n".join(reply["traceback"])
        return str(reply["user_expressions"]["it"]["data"]["text/plain"])

    def close(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()


@pytest.fixture(scope="module", params=["ipykernel 7", "ipykernel 6"])
def kernel(request: pytest.FixtureRequest) -> Iterator[_Kernel]:
    folder = Path(sys.prefix, "ipykernel6")
    if request.param == "ipykernel 6" and not folder.is_dir():
        pytest.skip(f"ipykernel 6 is not in {folder}: make test puts it there")
    running = _Kernel(folder if request.param == "ipykernel 6" else None)
    try:
        version = running.value("import ipykernel", "ipykernel.__version__")
        assert version.strip("'").startswith(request.param.split()[1])
        yield running
    finally:
        running.close()


PREPARE = """
from pathlib import Path
from radar_nb.dwd.catalogue import Plan, RemoteArchive
from radar_nb.fetch.downloading import download
from radar_nb.dwd.months import Month
from radar_nb.dwd.products import product
month = Month(2020, 6)
plan = Plan(
    product=product("YW"), family=product("YW").families[0], months=(month,),
    base_url={url!r}, folder=Path({folder!r}),
    archives=tuple(RemoteArchive(path=name, month=month, typical=1000) for name in ("a.tar", "b.tar")),
)
"""


def test_a_cell_downloads(kernel: _Kernel, tmp_path: Path) -> None:
    """In a notebook cell the plain call returns its report, in order for several cells sent at once."""
    with serving() as server:
        for name in ("/a.tar", "/b.tar"):
            server.script(name, Reply(body=TAR))
        kernel.start(PREPARE.format(url=server.url, folder=str(tmp_path)))
        kernel.start("log = [download(plan, progress=False).outcomes[0].state]")
        kernel.start("log.append(download(plan, progress=False).outcomes[1].state)")

        states = kernel.value(
            "log.append(download(plan, progress=False, overwrite=True).outcomes[1].state)", "log"
        )

    assert states == "['done', 'kept', 'done']"
    assert (tmp_path / "b.tar").read_bytes() == TAR


def test_a_progress_bar_ends_as_text(kernel: _Kernel) -> None:
    """The output of a finished bar is one line of text, so that a saved notebook shows its end."""
    outputs = kernel.value(
        "from IPython.utils.capture import capture_output\n"
        "from radar_nb.runtime.progress import Progress, reporting\n"
        "with capture_output() as seen, reporting(True) as report:\n"
        "    for done in (1, 4): report(Progress(task='count', done=done, total=4, unit='sheep'))\n",
        "[(output['update'], output['transient'], output['data']) for output in seen._outputs]",
    )

    (begun, first, bar), (ended, second, text) = ast.literal_eval(outputs)
    assert (begun, ended) == (False, True)
    assert first == second
    assert any("widget" in kind for kind in bar)
    assert list(text) == ["text/plain"]
    assert "100%" in text["text/plain"]


def test_a_cell_downloads_beside_a_dask_client(kernel: _Kernel, tmp_path: Path) -> None:
    """A distributed client made before or after a download still works in the same kernel."""
    with serving() as server:
        for name in ("/a.tar", "/b.tar"):
            server.script(name, Reply(body=TAR))
        kernel.value(PREPARE.format(url=server.url, folder=str(tmp_path)), "0")

        results = kernel.value(
            "from distributed import Client\n"
            "results = []\n"
            "for _ in range(2):\n"
            "    with Client(n_workers=1, processes=False, dashboard_address=None) as client:\n"
            "        future = client.submit(sum, [1, 2])\n"
            "        states = [o.state for o in download(plan, progress=False, overwrite=True).outcomes]\n"
            "        results += [future.result(timeout=30), client.submit(max, 4, 5).result(timeout=30), *states]",
            "results",
        )

    assert results == "[3, 5, 'done', 'done', 3, 5, 'done', 'done']"


def test_the_stop_button_keeps_a_part_and_a_usable_kernel(kernel: _Kernel, tmp_path: Path) -> None:
    """An interrupted cell ends with KeyboardInterrupt; the same call in the next cell fetches the rest."""
    stalled = threading.Event()
    with serving() as server:
        for name in ("/a.tar", "/b.tar"):
            server.script(name, Reply(body=TAR, cut=2_000_000, stall=stalled), Reply(body=TAR))
        kernel.value(PREPARE.format(url=server.url, folder=str(tmp_path)), "0")
        cell = kernel.start("download(plan, progress=False)")
        _until(lambda: all(_size(tmp_path / f"{name}.tar.part") > 1_000_000 for name in "ab"))

        kernel.interrupt()
        reply = kernel.end(cell)
        stalled.set()
        states = kernel.value("report = download(plan, progress=False)", "[o.state for o in report.outcomes]")

    assert (reply["status"], reply["ename"]) == ("error", "KeyboardInterrupt")
    assert states == "['resumed', 'resumed']"
    assert [(tmp_path / f"{name}.tar").read_bytes() for name in "ab"] == [TAR, TAR]


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true within 30 s"
        threading.Event().wait(0.01)
