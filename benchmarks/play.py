"""Memory of kernel and page while the explorer plays for a long time, without a debugger in the page.

    python benchmarks/play.py [--minutes 60] [--every 5] [--network]

JupyterLab on this machine, Chromium without a network and without a GPU, sixteen days of YW: more fields than the
browser keeps. Playwright watches a page in ways that take memory of the page itself. Here a few methods of the
DevTools protocol are called at each sample, and nothing is recorded. `--network` records requests and messages.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import psutil

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "tests")]

from browser.conftest import ARGUMENTS, IDLE, jupyterlab, notebook_of  # noqa: E402 - lies in tests/
from ui import SIXTEEN_DAYS, an_archive  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADS = (
    "minutes", "fields shown", "fields received", "of these twice", "kernel, MB", "renderer, MB", "JavaScript, MB",
    "arrays, MB",
)  # fmt: skip
PLAY = """(() => {
  const { player } = document.querySelector(".rnb-explorer"), { cache } = player, { take } = cache;
  window.taken = { all: 0, twice: 0 };
  cache.take = function (frame, ...rest) {
    window.taken.all += 1;
    window.taken.twice += this.packed.has(frame.index);
    return take.call(this, frame, ...rest);
  };
  player.root.querySelector(".rnb-speed").value = "60";
  player.play(true);
})()"""
COUNTS = """(() => {
  const { player } = document.querySelector(".rnb-explorer");
  return [player.shownCount, window.taken.all, window.taken.twice];
})()"""


class Page:
    """A page of Chromium, by its DevTools protocol; no domain is enabled, so that the page records nothing."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method and return its result; events are skipped."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": parameters})
        while (answer := await self._socket.receive_json()).get("id") != number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        found: dict[str, Any] = answer["result"]
        return found

    async def evaluate(self, code: str) -> Any:
        """Return the value of an expression; of a promise, that of its end."""
        found = await self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"]["exception"]["description"])
        return found["result"].get("value")

    async def wait(self, condition: str) -> None:
        """Wait until a condition holds in the page."""
        while not await self.evaluate(f"!!({condition})"):  # noqa: ASYNC110 - it is in another process
            await asyncio.sleep(0.2)


@contextmanager
def chromium(profile: Path, url: str) -> Iterator[tuple[psutil.Process, str]]:
    """Start Chromium with a page; yield its process and the address of its DevTools."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not program:
        raise SystemExit("there is no Chromium on this machine: install it, or set CHROMIUM to its path")
    options = (
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={profile}",
        "--window-size=1280,900",
    )
    command = [program, *options, *ARGUMENTS, url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            lines: Iterator[str] = process.stderr or iter(())
            found = next(filter(None, (re.search(r"ws://([\d.:]+)/", line) for line in lines)))
            threading.Thread(target=list, args=(lines,), daemon=True).start()  # or its pipe becomes full
            yield psutil.Process(process.pid), f"http://{found[1]}"
        finally:
            process.terminate()


def largest(process: psutil.Process, mark: str) -> float:
    """Return the MB of the largest process below another whose command has a mark."""
    below = process.children(recursive=True)
    marked = [one for one in below if any(mark in word for word in one.cmdline())]
    return max((one.memory_info().rss / 1e6 for one in marked), default=0.0)


async def played(browser: psutil.Process, devtools: str, options: argparse.Namespace) -> list[tuple[float, ...]]:
    """Run the notebook, play, and print a sample now and then; return the samples."""
    async with aiohttp.ClientSession() as session:
        targets: list[dict[str, str]] = []
        while not targets:
            async with session.get(f"{devtools}/json") as answer:
                targets = [one for one in await answer.json() if one["type"] == "page" and "cells" in one["url"]]
        async with session.ws_connect(targets[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
            page = Page(socket)
            if options.network:
                await page.call("Network.enable")
            await page.wait("window.jupyterapp")
            await page.evaluate("window.jupyterapp.restored.then(() => true)")
            await page.wait(f"({IDLE})()")
            await page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => true)")
            await page.wait("document.querySelector('.rnb-stage[data-index]')")
            await page.evaluate(PLAY)
            start, samples = time.monotonic(), list[tuple[float, ...]]()
            print(f"| {' | '.join(HEADS)} |\n{'|---' * len(HEADS)}|", flush=True)
            while not samples or samples[-1][0] < options.minutes - 0.01:
                await asyncio.sleep(max(0, start + 60 * options.every * (len(samples) + 1) - time.monotonic()))
                await page.call("HeapProfiler.collectGarbage")
                heap = await page.call("Runtime.getHeapUsage")
                sample = (
                    (time.monotonic() - start) / 60,
                    *await page.evaluate(COUNTS),
                    largest(psutil.Process(), "ipykernel_launcher"),
                    largest(browser, "--type=renderer"),
                    heap["usedSize"] / 1e6,
                    heap["backingStorageSize"] / 1e6,
                )
                samples.append(sample)
                print(f"| {' | '.join(f'{value:.4g}' for value in sample)} |", flush=True)
            return samples


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--minutes", type=float, default=60)
    options.add_argument("--every", type=float, default=5, help="minutes between samples")
    options.add_argument("--network", action="store_true", help="record requests and messages, for comparison")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        archive = an_archive(folder / "server")
        with jupyterlab(folder) as lab:
            opened = f"rn.open_dataset({str(archive)!r}, packed=True, chunks=None, progress=False)"
            cells = [f"import numpy, radar_nb as rn\nds = {opened}", SIXTEEN_DAYS]
            (lab.root / "cells.ipynb").write_text(notebook_of(cells), encoding="utf-8")
            with chromium(folder / "profile", f"{lab.url}/doc/tree/cells.ipynb?reset") as (browser, devtools):
                samples = asyncio.run(played(browser, devtools, chosen))
    late = [sample for sample in samples if sample[0] >= chosen.minutes / 2]  # caches are full by then
    if len(late) > 1:
        at = [sample[0] / 60 for sample in late]
        slopes = (statistics.linear_regression(at, [one[k] for one in late]).slope for k in range(4, len(HEADS)))
        print("Growth in the second half, MB an hour: " + ", ".join(f"{slope:.3g}" for slope in slopes))


if __name__ == "__main__":
    main()
