"""Follow a live mirror for a day, with `follow` and with `Live`; draw what comes; read a run for 100 places.

The mirror is a process of its own, so that its work and memory are not counted. Its clock is moved to the end of
each wait, so that a day takes minutes. The follower opens each run and reads the field of its analysis. `Live`
answers as to a browser that asks for all its fields after each renewal. Memory is what the process holds after the
C library has returned what is free.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import gc
import multiprocessing
import resource
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

import radar_nb as rn
from radar_nb.fetch.following import Follower
from radar_nb.mirror import LiveMirror, SteppedClock

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

START = datetime(2026, 6, 13, 15, 2, tzinfo=UTC)
STEP = 300.0  # seconds between two runs of RV
PLACES = {"B": (12.37, 51.34), "nowhere": (4.5, 46.5)}


def resident() -> float:
    """Return the memory of this process in MB, without what its C library holds free."""
    gc.collect()
    with suppress(AttributeError, OSError):  # glibc alone has it
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def publish(root: str, product: str, hours: float, pipe: Connection) -> None:
    """Serve a live mirror; move its clock by the seconds that come, and answer with its memory."""
    clock = SteppedClock(START)
    with LiveMirror(root, [product], clock=clock, hours=hours, progress=False) as mirror:
        pipe.send(mirror.url)
        while (seconds := pipe.recv()) is not None:
            clock.advance(seconds)
            pipe.send(resident())


class Remote(SteppedClock):
    """A clock that moves that of a mirror in another process first."""

    def __init__(self, root: Path, product: str = "RV", hours: float = 0.3) -> None:
        super().__init__(START)
        root.mkdir()
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        arguments = (str(root), product, hours, theirs)
        self._mirror = context.Process(target=publish, args=arguments, daemon=True)
        self._mirror.start()
        self.root = root
        self.url = str(self._pipe.recv())
        self.memory = 0.0

    def advance(self, seconds: float) -> None:
        """Move both clocks."""
        self._pipe.send(seconds)
        self.memory = self._pipe.recv()
        super().advance(seconds)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the mirror."""
        self._pipe.send(None)
        self._mirror.join()


class Gated(Remote):
    """One that others wait for."""

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was moved that far."""
        until = self.now() + timedelta(seconds=seconds)
        while self.now() < until:  # noqa: ASYNC110 - it is moved between two turns of the loop
            await asyncio.sleep(0.01)


def follow(folder: Path, hours: int, product: str) -> list[tuple[str, str]]:
    """Print requests, seconds of the processor and memory of each simulated hour; return rows of the table."""
    with Remote(folder / "followed", product) as clock:
        coming = rn.follow(product, "3h", chunks=None, base_url=clock.url, folder=folder / "ring", clock=clock)
        asked, used, memory = [0], [time.process_time()], [0.0]
        for hour in range(1, hours + 1):
            while clock.now() < START + timedelta(hours=hour):
                variable = next(coming)[product]
                float(variable.isel(dict.fromkeys(variable.dims[:-2], 0)).max())
            del variable
            asked.append(coming.requests)
            used.append(time.process_time())
            memory.append(resident())
            print(
                f"follow, hour {hour}: {asked[-1] - asked[-2]} requests, {used[-1] - used[-2]:.1f} s CPU, "
                f"{memory[-1]:.0f} MB; mirror {clock.memory:.0f} MB",
                flush=True,
            )
    requests, seconds = np.diff(asked), np.diff(used)
    return [
        ("`follow`: requests in the first simulated hour, with the gap before", f"{requests[0]}"),
        (f"`follow`: requests an hour, hours 2 to {hours}", _span(requests[1:])),
        ("`follow`: CPU an hour, each run opened and its analysis read, s", _span(seconds[1:], ".1f")),
        (f"`follow`: memory after {_hours(hours)} simulated hours, MB", _at(memory, hours)),
    ]


async def live(folder: Path, hours: int) -> list[tuple[str, str]]:
    """Print seconds of the processor and memory of each simulated hour of `Live`; return rows of the table."""

    async def until(true: Any) -> None:
        while not true():  # noqa: ASYNC110 - widgets raise no event for their contents
            await asyncio.sleep(0.01)

    with Gated(folder / "shown", hours=2.3) as clock:
        shown = rn.Live(PLACES, base_url=clock.url, clock=clock, folder=folder / "past", lang="en")
        await until(lambda: shown.explorer is not None and shown.status == "fresh" and not shown.follower.waiting)
        explorer: Any = shown.explorer
        sent: list[int] = []
        explorer.send = lambda message, buffers=(): sent.extend(len(part) for part in buffers)  # noqa: ARG005
        used, memory = [time.process_time()], [0.0]
        for hour in range(1, hours + 1):
            for _ in range(round(3600 / STEP)):
                clock.advance(STEP)
                last = np.datetime64(
                    clock.now().replace(tzinfo=None) + timedelta(minutes=113)
                )  # two hours after the newest
                await until(lambda last=last: explorer.frames.times[-1] == last and not shown.follower.waiting)
                count = len(explorer.frames)
                sent.clear()
                explorer._receive(None, {"type": "frames", "view": "a", "wanted": list(range(count))}, [])  # noqa: SLF001 - as a browser does
                await until(lambda most=count: len(sent) >= most)
            used.append(time.process_time())
            memory.append(resident())
            print(f"Live, hour {hour}: {used[-1] - used[-2]:.1f} s CPU, {memory[-1]:.0f} MB", flush=True)
        shown.close()
    return [
        ("`Live`: CPU an hour, all 49 fields asked for each time, s", _span(np.diff(used)[1:], ".1f")),
        (f"`Live`: memory after {_hours(hours)} simulated hours, MB", _at(memory, hours)),
    ]


def noticed(folder: Path, files: int) -> list[tuple[str, str]]:
    """Return how long after its publication a file is noticed, and how long it takes to be drawn then."""
    waits, draws = [], []
    with Remote(folder / "stepped") as clock:
        follower = Follower("RV", clock=clock, base_url=clock.url, folder=folder / "stepped_ring")

        async def one() -> None:
            arrived = await anext(follower)
            path = clock.root / arrived.era.folder / arrived.path.name
            waits.append(clock.now().timestamp() - path.stat().st_mtime)
            begun = time.perf_counter()
            field = rn.open_dataset(arrived.path, chunks=None, progress=False).RV.isel(time=0, lead_time=0)
            figure: Any = rn.plot(field).figure
            figure.savefig(folder / "now.png")
            draws.append(time.perf_counter() - begun)

        for _ in range(files):
            asyncio.run(one())
    del waits[:2], draws[:2]
    return [
        (
            f"from publication to the file on the disk, {len(values)} files, simulated time"
            if values is waits
            else "from there to a picture on the disk, by the clock",
            f"median {np.median(values):.1f} s, 95 % {np.quantile(values, 0.95):.1f} s",
        )
        for values in (waits, draws)
    ]


def places(folder: Path) -> list[tuple[str, str]]:
    """Return how long `nowcast` takes for 100 places from a run that is there."""
    (path,) = [*(folder / "stepped").rglob("composite_rv_2*.tar")][-1:]
    rng = np.random.default_rng(0)
    points = {str(k): (rng.uniform(6.5, 14), rng.uniform(48, 54)) for k in range(100)}
    now = START + timedelta(hours=2)
    cpu = []
    for _ in range(6):
        used = time.process_time()
        rn.nowcast(points, data=path, now=now)
        cpu.append(time.process_time() - used)
    size = path.stat().st_size / 1e6
    return [
        (f"`nowcast` of 100 places from a run of 25 leads on the disk, {size:.1f} MB, again in the same process",
         f"median {np.median(cpu[1:]):.2f} s of CPU ({min(cpu[1:]):.2f} to {max(cpu[1:]):.2f})"),
    ]  # fmt: skip


def _span(values: Any, form: str = "") -> str:
    return f"{min(values):{form}} to {max(values):{form}}" if len(values) else "not measured"


def _marks(hours: int) -> list[int]:
    return sorted({min(hours, mark) for mark in (2, 10, 20, hours)})


def _hours(hours: int) -> str:
    return ", ".join(map(str, _marks(hours)))


def _at(memory: list[float], hours: int) -> str:
    return ", ".join(f"{memory[mark]:.0f}" for mark in _marks(hours))


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=int, default=24, help="simulated hours of following; 0 leaves it out")
    parser.add_argument("--live-hours", type=int, default=24, help="of Live")
    parser.add_argument("--files", type=int, default=40, help="files whose way to a picture is measured")
    parser.add_argument("--product", default="RV", help="what is followed for so many hours")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.files:
            rows += noticed(folder, options.files) + places(folder)
        if options.hours:
            rows += follow(folder, options.hours, options.product)
        if options.live_hours:
            rows += asyncio.run(live(folder, options.live_hours))
    print("| what | measured |\n|---|---|")
    for what, measured in rows:
        print(f"| {what} | {measured} |")


if __name__ == "__main__":
    main()
