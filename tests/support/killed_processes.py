"""Child processes killed while they work, at times drawn from a seed, and the law of the files that they leave.

Shared by tests/fetch/test_killed_downloads.py and scripts/soak.py. A child is a fork of a process that has loaded
the libraries and nothing else, so its duration is that of its work.
"""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import random
import shutil
import sys
import threading
import time
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import tqdm
import xarray as xr

import radar_nb as rn
from radar_nb.cli import main as cli
from radar_nb.fetch import http as transport
from radar_nb.fetch.http import Patience
from radar_nb.runtime.files import SIDECAR, archive_state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    Tree = dict[str, str]

T = TypeVar("T")

IMPATIENT = Patience(
    attempts=4, first_wait=0.01, longest_wait=0.1, connect=5.0, read=0.4, slowest=100_000.0, window=0.3
)
"""Timeouts for servers on this machine: tenths of a second instead of minutes."""

_KILLS = 3  # per folder, before its work may end
_SHOWN = 5  # names in a message
_LOOK = 0.002  # seconds between two checks of what a child has reached
_TOO_LONG = 120.0  # seconds for any work here
if sys.platform == "win32":
    _context = multiprocessing.get_context("spawn")
else:
    _context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["aiohttp", "filelock", "h5netcdf", "numpy", "pandas", "wradlib.io", "radar_nb.cli.main",
     "radar_nb.cube.building",
     "radar_nb.mirror", "radar_nb.reading.opening", "radar_nb.analysis.reductions",
     "dask.array", "distributed", "radar_nb.analysis.stored_extremes",
     "xarray.backends.zarr", "xarray.backends.h5netcdf_"]
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Work that writes below a folder.

    Attributes
    ----------
    name : str
    work : callable
        A function at module level that takes the folder and `arguments`.
    arguments : tuple
    prepare : callable
        Fills the folder before the work begins.
    address : str
        Address of the server, which is removed before files are compared.
    """

    name: str
    work: Callable[..., object]
    arguments: tuple[object, ...] = ()
    prepare: Callable[[Path], object] = Path.mkdir
    address: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """Files before and after a job that runs without a kill, those that it has only meanwhile, and its seconds."""

    before: Tree
    after: Tree
    seconds: float
    between: Tree = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One killed child.

    Attributes
    ----------
    moment : float
        Seconds from the start of its work.
    unfinished : bool
        Whether the folder then differed from its state before the work and from that after it.
    faults : tuple of str
        What is wrong with the files that it left: empty, by the law.
    """

    moment: float
    unfinished: bool
    faults: tuple[str, ...]


def download(folder: Path, plan: rn.Plan) -> None:
    """Download a plan; on a server with faults, request failed files again, as the error's message advises."""
    transport.PATIENCE = IMPATIENT
    for _ in range(3):
        report = rn.download(plan, folder=folder, progress=False, bandwidth_limit=8e6, errors="report")
        if not report.failed:
            return
    report.raise_for_failures()


def extract(folder: Path, archives: tuple[Path, ...]) -> None:
    rn.extract(archives, folder=folder, progress=False)


def index(folder: Path) -> None:
    rn.open_dataset(folder, chunks=None)


def convert(folder: Path) -> None:
    arguments = ["accumulate", str(folder / "data"), "--to", str(folder / "total.nc"), "--period", "1D"]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        if cli.main(arguments):
            raise AssertionError("the command failed")


def find_extremes(folder: Path, source: Path) -> None:
    with xr.open_dataset(source, engine="h5netcdf", decode_coords="all") as ds:
        rn.extremes(ds, ["1h", "72h"], store=folder / "extremes", progress=False, client=False)


def find_peaks(folder: Path, source: Path) -> None:
    with xr.open_dataset(source, engine="h5netcdf", decode_coords="all") as ds:
        rn.extremes(
            ds, ["1h", "6h"], store=folder / "extremes", series="partial", threshold=[3.0, 6.0], progress=False,
            client=False,
        )  # fmt: skip


def size(path: Path) -> int:
    """Return a file's size in bytes; 0 if it does not exist."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def digest(path: Path, leave_out: bytes = b"") -> str:
    """Return the SHA-256 of a file without `address`."""
    data = path.read_bytes()
    return hashlib.sha256(data.replace(leave_out, b"") if leave_out else data).hexdigest()


def tree(folder: Path, address: str = "") -> Tree:
    """Return the digest of every file below a folder, including hidden ones; for an empty folder only its name."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file():
            found[name] = digest(path, address.encode() if name.endswith(SIDECAR) else b"")
        elif not any(path.iterdir()):
            found[f"{name}/"] = ""
    return found


def undisturbed(job: Job, folder: Path) -> Undisturbed:
    """Run a job without a kill; then delete the folder."""
    job.prepare(folder)
    before = tree(folder, job.address)
    seconds = run(job, folder)
    after = tree(folder, job.address)
    shutil.rmtree(folder)
    if seconds is None:
        raise AssertionError(f"{job.name}: the work fails without a kill")
    return Undisturbed(before=before, after=after, seconds=seconds)


def run(job: Job, folder: Path, delay: float = _TOO_LONG) -> float | None:
    """Run a job in a child that is killed after `delay` seconds of work.

    Returns
    -------
    float or None
        The seconds that it took, or None if it was killed.

    Raises
    ------
    AssertionError
        The work failed.
    """
    with _child(job.work, folder, *job.arguments) as (child, pipe):
        began = time.perf_counter()
        if pipe.poll(delay):
            _result(child, pipe)
            return time.perf_counter() - began
    return None


def killed_when(job: Job, folder: Path, reached: Callable[[], bool]) -> bool:
    """Run a job in a child that is killed as soon as `reached()` is true; return whether it was killed."""
    with _child(job.work, folder, *job.arguments) as (_, pipe):
        while not pipe.poll(_LOOK):
            if reached():
                return True
    return False


def in_child(work: Callable[..., T], *arguments: object) -> T:
    """Return the result of a function called in a child process.

    Raises
    ------
    AssertionError
        The child died.
    """
    with _child(work, *arguments) as (child, pipe):
        result: T = _result(child, pipe)
    return result


@contextmanager
def _child(work: Callable[..., object], *arguments: object) -> Iterator[tuple[BaseProcess, Connection]]:
    """Start a child and wait until it is ready for its work; end it when the block ends."""
    here, there = _context.Pipe(duplex=False)
    child = _context.Process(target=_work, args=(there, work, *arguments))
    child.start()
    there.close()
    try:
        with here:
            here.recv()
            yield child, here
    finally:
        child.kill()
        child.join()


def _result(child: BaseProcess, pipe: Connection) -> Any:
    """Return the result of the child after it has exited normally."""
    try:
        return pipe.recv()
    except EOFError:
        raise AssertionError("the child came to no end, see above") from None
    finally:
        child.join()


def _work(pipe: Connection, work: Callable[..., object], *arguments: object) -> None:
    tqdm.tqdm.set_lock(
        threading.RLock()
    )  # tqdm's default lock is shared between processes: a kill would leave it locked
    pipe.send("ready")
    pipe.send(work(*arguments))


def killed(job: Job, calm: Undisturbed, folder: Path, *, kills: int, seed: object) -> Iterator[Kill]:
    """Run a job repeatedly, with so many kills, and yield each kill.

    The kills are spread evenly over the duration of the work. A folder is worked on until a run ends by itself,
    the fourth at the latest; then it is compared with that of the undisturbed work.

    Raises
    ------
    AssertionError
        A folder differs in the end.
    """
    rng = random.Random(f"{seed} {job.name}")  # noqa: S311 - no secret
    moments: list[float] = []
    while kills > 0:
        job.prepare(folder)
        for _ in range(min(_KILLS, kills)):
            if not moments:
                moments = [(step + rng.random()) / kills * calm.seconds for step in range(kills)]
                rng.shuffle(moments)
            moment = moments.pop()
            if run(job, folder, moment) is not None:
                break
            left = tree(folder, job.address)
            kills -= 1
            yield Kill(
                moment=moment,
                unfinished=left not in (calm.before, calm.after),
                faults=(*faults(left, calm), *states(folder, left, calm)),
            )
        run(job, folder)
        left = tree(folder, job.address)
        if left != calm.after:
            raise AssertionError(f"{job.name}: after the kills, in the end: {difference(left, calm.after)}")
        shutil.rmtree(folder)


def faults(left: Mapping[str, str], calm: Undisturbed) -> Iterator[str]:
    """Yield files that a killed child left half-written under the name of a complete file."""
    for name, sha in left.items():
        if name in calm.after or name in calm.before:
            if sha not in {calm.after.get(name), calm.before.get(name), calm.between.get(name)}:
                yield f"{name} is not what it should be"
        elif not _is_named_unfinished(name):
            yield f"{name} is unfinished, and its name does not say so"


def states(folder: Path, left: Mapping[str, str], calm: Undisturbed) -> Iterator[str]:
    """Yield files that count as complete although they are not, or the reverse."""
    for name, sha in calm.after.items():
        if f"{name}{SIDECAR}" in calm.after:
            state = archive_state(folder / name)
            if (state == "whole") != (left.get(name) == sha):
                yield f"{name} counts as {state}"


def _is_named_unfinished(name: str) -> bool:
    hidden = any(part.startswith(".") for part in name.split("/"))
    return hidden or name.endswith(("/", ".part", f".part{SIDECAR}"))


def difference(left: Mapping[str, str], right: Mapping[str, str]) -> str:
    """Return the differences between two trees."""
    names = sorted(name for name in {**left, **right} if left.get(name) != right.get(name))
    changed = [
        f"{name} ({'too much' if name not in right else 'missing' if name not in left else 'other bytes'})"
        for name in names
    ]
    return ", ".join(
        [*changed[:_SHOWN], *([f"and {len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else [])]
    )
