"""Download from a local server: radar_nb, the usual script, plain aiohttp and aria2c, five connections each.

    python benchmarks/download.py [--disk FOLDER] [--quick] [--far]

The server is a process of its own; so is each run, so that its peak memory is its own. With --far it answers 20 ms
late and sends 10 MB a second and connection, as a server on the internet does. The ways take turns, so that other
work on the machine slows all alike. Times are medians, without the start of Python and its imports; radar_nb
alone verifies the bytes and forces each file to the disk before it renames it. POSIX only (`resource`).
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, cast

from peak_memory import peak_memory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    import aiohttp

CONNECTIONS = 5
ENOUGH = 60.0  # seconds after which a slow way is not measured again
LATENCY, RATE = 0.02, 10e6  # seconds, and bytes a second, of a server that is far
PIECE = 4 << 20  # bytes of a member of the archives that are served
MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - a disk that costs nothing, to see the work alone


def seed(base: str, names: list[str], folder: Path) -> None:
    """Fetch as scripts found on the web do: reads of ten bytes, five files at a time."""
    asyncio.run(_with_aiohttp(base, names, folder, 10))


def plain(base: str, names: list[str], folder: Path) -> None:
    """Fetch by plain aiohttp with large reads: no resume, no check, no retry."""
    asyncio.run(_with_aiohttp(base, names, folder, None))


async def _with_aiohttp(base: str, names: list[str], folder: Path, size: int | None) -> None:
    import aiohttp  # noqa: PLC0415 - the parent stays small: children inherit its peak memory

    free = asyncio.Semaphore(CONNECTIONS)

    async def one(session: aiohttp.ClientSession, name: str) -> None:
        async with free, session.get(f"{base}/{name}", raise_for_status=True) as response:
            with (folder / name).open("wb") as file:
                async for chunk in _chunks(response, size):
                    file.write(chunk)

    timeout = aiohttp.ClientTimeout(total=6000)
    buffer = 1 << 16 if size else 1 << 20  # 64 KiB is aiohttp's own
    async with aiohttp.ClientSession(timeout=timeout, read_bufsize=buffer) as session:
        await asyncio.gather(*(one(session, name) for name in names))


async def _chunks(response: aiohttp.ClientResponse, size: int | None) -> AsyncIterator[bytes]:
    if size is None:
        async for chunk in response.content.iter_any():
            yield chunk
    else:
        while chunk := await response.content.read(size):
            yield chunk


def aria2c(base: str, names: list[str], folder: Path) -> None:
    """Fetch by aria2c, if it is installed."""
    addresses = "".join(f"{base}/{name}\n" for name in names)
    command = [
        "aria2c",
        "--quiet",
        "--input-file=-",
        f"--dir={folder}",
        f"--max-concurrent-downloads={CONNECTIONS}",
    ]
    subprocess.run(
        [*command, "--max-connection-per-server=1", "--file-allocation=none"], input=addresses.encode(), check=True
    )


def ours(base: str, names: list[str], folder: Path) -> None:
    from radar_nb.dwd.catalogue import Plan, RemoteArchive  # noqa: PLC0415 - only the process that measures it pays for it
    from radar_nb.dwd.months import Month  # noqa: PLC0415 - the same
    from radar_nb.dwd.products import product  # noqa: PLC0415 - the same
    from radar_nb.fetch.downloading import download  # noqa: PLC0415 - the same

    month = Month(2020, 6)
    plan = Plan(
        product=product("YW"),
        family=product("YW").families[0],
        months=(month,),
        base_url=base,
        folder=folder,
        archives=tuple(RemoteArchive(path=name, month=month, typical=1000) for name in names),
    )
    download(plan, concurrency=CONNECTIONS)


WAYS: dict[str, tuple[str, Callable[[str, list[str], Path], None]]] = {
    "seed": ("the usual script, reads of 10 bytes", seed),
    "plain": ("plain aiohttp", plain),
    "aria2c": ("aria2c", aria2c),
    "ours": ("radar_nb.download", ours),
}

IMPORTS = {
    "seed": ["aiohttp"],
    "plain": ["aiohttp"],
    "aria2c": [],
    "ours": ["aiohttp", "radar_nb.download", "tqdm.auto"],
}


class Server(asyncio.Protocol):
    """A connection to the folder's files: it costs next to nothing, so that the clients are what is measured."""

    def __init__(self, files: dict[str, bytes], *, latency: float, rate: float) -> None:
        self._files, self._latency, self._rate = files, latency, rate
        self._asked = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request, late."""
        self._asked += data
        while b"\r\n\r\n" in self._asked:
            head, _, self._asked = self._asked.partition(b"\r\n\r\n")
            body = self._files[head.split(b" ", 2)[1].decode().removeprefix("/")]
            asyncio.get_running_loop().call_later(self._latency, self._answer, body)

    def _answer(self, body: bytes) -> None:
        self._transport.write(b'HTTP/1.1 200 OK\r\nETag: "one"\r\nContent-Length: %d\r\n\r\n' % len(body))
        self._send(memoryview(body), asyncio.get_running_loop().time(), 0)

    def _send(self, body: memoryview, begun: float, sent: int) -> None:
        """Send as much as may have been sent by now, at most a quarter of a megabyte; the rest later."""
        step = min(len(body) - sent, 256 << 10)
        self._transport.write(body[sent : sent + step])
        if sent + step < len(body):
            loop = asyncio.get_running_loop()
            loop.call_at(
                max(loop.time(), begun + (sent + step) / self._rate), self._send, body, begun, sent + step
            )


def serve(folder: Path, *, far: bool) -> None:
    """Serve a folder from memory on a free port of this machine, and print the port."""
    files = {path.name: path.read_bytes() for path in folder.iterdir()}

    async def forever() -> None:
        loop = asyncio.get_running_loop()
        latency, rate = (LATENCY, RATE) if far else (0.0, float("inf"))
        server = await loop.create_server(lambda: Server(files, latency=latency, rate=rate), "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Event().wait()

    asyncio.run(forever())


@contextmanager
def serving(folder: Path, *, far: bool) -> Iterator[str]:
    command = [sys.executable, __file__, "--serve", str(folder), *(["--far"] if far else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None  # noqa: S101 - it is a pipe
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def run_one(way: str, base: str, names: list[str], folder: Path) -> None:
    """Do it once in this process, and print what it took."""
    for module in IMPORTS[way]:
        importlib.import_module(module)
    began, before = perf_counter(), os.times()
    WAYS[way][1](base, names, folder)
    seconds, after = perf_counter() - began, os.times()
    cpu = sum(after[:4]) - sum(before[:4])
    peak = round(peak_memory() * 1e6)
    if way == "aria2c":
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        peak = children * (1 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak}))


def measure(way: str, base: str, load: str, disk: Path) -> dict[str, float]:
    """Return seconds, CPU seconds and peak bytes of one run in a process of its own."""
    with tempfile.TemporaryDirectory(dir=disk, prefix="radar_nb-bench-") as folder:
        command = [sys.executable, __file__, "--one", way, base, load, folder]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return dict(json.loads(done.stdout))


def names_of(load: str) -> list[str]:
    """Return the files' names of a load such as 500x100000."""
    count, size = load.split("x")
    return [f"{size}-{number}.tar" for number in range(int(count))]


def write_archive(path: Path, size: int) -> None:
    """Write a tar of about so many bytes that no packing makes smaller, in pieces: this process stays small."""
    with tarfile.open(path, "w") as archive:
        for number in range(-(-size // PIECE)):
            member = tarfile.TarInfo(f"raa01-yw_{number}")
            member.size = min(PIECE, size - number * PIECE)
            archive.addfile(member, io.BytesIO(os.urandom(member.size)))


def runs_of(base: str, load: str, disk: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    """Measure all ways, in turns, with a load on a disk."""
    runs: dict[str, list[dict[str, float]]] = {
        way: [] for way in WAYS if way != "aria2c" or shutil.which("aria2c")
    }
    for _ in range(rounds):
        for way, taken in runs.items():
            if sum(run["seconds"] for run in taken) < ENOUGH:
                taken.append(measure(way, base, load, disk))
    return runs


def show(results: dict[tuple[str, Path], dict[str, list[dict[str, float]]]]) -> None:
    """Print the table."""
    from radar_nb.runtime.table import Table  # noqa: PLC0415 - after the measuring, for the same reason
    from radar_nb.runtime.wording import human_bytes  # noqa: PLC0415 - the same

    rows = []
    for (load, disk), runs in results.items():
        seconds = {way: median(run["seconds"] for run in taken) for way, taken in runs.items()}
        count, size = (int(part) for part in load.split("x"))
        rows += [
            (
                f"{count} of {human_bytes(size)}",
                str(disk),
                WAYS[way][0],
                f"{seconds[way]:.2f}",
                f"{seconds['seed'] / seconds[way]:.1f}",
                f"{seconds['aria2c'] / seconds[way]:.2f}" if "aria2c" in seconds else "not installed",
                f"{median(run['cpu'] for run in taken):.2f}",
                human_bytes(max(run["peak"] for run in taken)),
                str(len(taken)),
            )
            for way, taken in runs.items()
        ]
    columns = ("files", "disk", "way", "seconds", "to script", "to aria2c", "CPU s", "peak memory", "runs")
    notes = ("'to' columns: times as fast. CPU and memory are the client's alone.",)
    print(Table(title=f"Download, {CONNECTIONS} connections", columns=columns, rows=tuple(rows), notes=notes))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--disk", type=Path, default=Path(tempfile.gettempdir()), help="a folder on the disk to write"
    )
    parser.add_argument("--quick", action="store_true", help="smaller files, once, in memory only")
    parser.add_argument("--far", action="store_true", help="20 ms late, 10 MB a second and connection")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--one", nargs=4, metavar=("WAY", "BASE", "LOAD", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve, far=options.far)
        return
    if options.one:
        way, base, load, folder = options.one
        run_one(way, base, names_of(load), Path(folder))
        return
    loads = ["100x100000", "2x25000000"] if options.quick else ["500x100000", "2x100000000"]
    if options.far:
        loads = [loads[0], "2x50000000"]
    disks = [MEMORY_DISK] if MEMORY_DISK.is_dir() else []
    if not disks or not (options.quick or options.far):
        disks.append(options.disk)
    with tempfile.TemporaryDirectory(dir=disks[0], prefix="radar_nb-bench-") as served:
        for load in loads:
            for name in names_of(load):
                write_archive(Path(served) / name, int(load.split("x")[1]))
        with serving(Path(served), far=options.far) as base:
            rounds = 1 if options.quick else 5
            results = {(load, disk): runs_of(base, load, disk, rounds) for load in loads for disk in disks}
    show(results)


if __name__ == "__main__":
    main()
