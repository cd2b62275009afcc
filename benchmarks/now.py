"""Follow a live mirror and measure what that costs; read a run for 100 places.

The clock steps to the end of each wait, so that a day takes minutes. The follower opens each run and reads the
field of its analysis; the mirror is in the same process, and the processor time of publishing is taken off.
"Noticed after" is simulated time from publication to the file on the disk, "drawn in" real time from there to a
picture.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

import radar_nb as rn
from radar_nb.fetch.following import Follower
from radar_nb.mirror import LiveMirror, SteppedClock

START = datetime(2026, 6, 13, 15, 2, tzinfo=UTC)


def resident() -> float:
    """Return the memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


def cost(folder: Path, hours: int, product: str) -> None:
    """Print requests, seconds of the processor and memory of each simulated hour, without those of publishing."""
    clock, spent = SteppedClock(START), 0.0
    (folder / "server").mkdir()
    mirror = LiveMirror(folder / "server", [product], clock=clock, hours=0.3)
    publish = mirror.publish

    def published() -> None:
        nonlocal spent
        begun = time.process_time()
        publish()
        spent += time.process_time() - begun

    clock._steps[:] = [published]  # noqa: SLF001 - to count what publishing takes
    with mirror:
        coming = rn.follow(product, "3h", chunks=None, base_url=mirror.url, folder=folder / "ring", clock=clock)
        last, files = (0, time.process_time(), 0.0), 0
        for hour in range(1, hours + 1):
            while clock.now() < START + timedelta(hours=hour):
                variable = next(coming)[product]
                float(variable.isel(dict.fromkeys(variable.dims[:-2], 0)).max())
                files += 1
            now = coming.requests, time.process_time(), spent
            asked, cpu = now[0] - last[0], now[1] - last[1] - (now[2] - last[2])
            print(
                f"hour {hour}: {files} files, {asked} requests, {cpu:.1f} s CPU, {resident():.0f} MB", flush=True
            )
            last = now


def noticed(folder: Path, files: int) -> None:
    """Print how long after its publication a file is noticed, and how long it takes to be drawn then."""
    clock = SteppedClock(START)
    waits, draws = [], []
    (folder / "stepped").mkdir()
    with LiveMirror(folder / "stepped", ["RV"], clock=clock, hours=0.3) as mirror:
        follower = Follower("RV", clock=clock, base_url=mirror.url, folder=folder / "stepped_ring")

        async def one() -> None:
            arrived = await anext(follower)
            path = mirror.root / arrived.era.folder / arrived.path.name
            waits.append(clock.now().timestamp() - path.stat().st_mtime)
            begun = time.perf_counter()
            field = rn.open_dataset(arrived.path, chunks=None, progress=False).RV.isel(time=0, lead_time=0)
            figure: Any = rn.plot(field).figure
            figure.savefig(folder / "now.png")
            draws.append(time.perf_counter() - begun)

        for _ in range(files):
            asyncio.run(one())
    del waits[:2], draws[:2]
    for what, values in (("noticed after", waits), ("then drawn in", draws)):
        print(f"{what}: median {np.median(values):.2f} s, 95 % {np.quantile(values, 0.95):.2f} s of {len(values)}")
    print(f"requests: {follower.requests} for {files} files")


def places(folder: Path) -> None:
    """Print how long `nowcast` takes for 100 places from a run that is there."""
    (path,) = [*(folder / "stepped").rglob("composite_rv_2*.tar")][-1:]
    rng = np.random.default_rng(0)
    points = {str(k): (rng.uniform(6.5, 14), rng.uniform(48, 54)) for k in range(100)}
    now = START + timedelta(hours=2)
    seconds, cpu = [], []
    for _ in range(6):
        begun, used = time.perf_counter(), time.process_time()
        rn.nowcast(points, data=path, now=now)
        seconds.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - used)
    print(f"nowcast of 100 places: median {np.median(seconds[1:]):.2f} s, {np.median(cpu[1:]):.2f} s of CPU")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--product", default="RV", help="what is followed for so many hours")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.files:
            noticed(folder, options.files)
            places(folder)
        if options.hours:
            cost(folder, options.hours, options.product)


if __name__ == "__main__":
    main()
