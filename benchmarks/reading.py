"""Archives as arrays: radar_nb on the archive as downloaded, and tar with wradlib's `open_radolan_mfdataset`.

    python benchmarks/reading.py [--archive YW2017.002_202006.tar] [--month] [--runs 5]

Each run has a process of its own, so that its peak memory is its own; imports are not in the seconds, but stand in
a row of their own. The baseline takes minutes and is run once. `--month` also makes a synthetic month (some
four minutes, 1.2 GB) and shows that time grows with the days and memory does not. POSIX only.
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import warnings
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from peak_memory import peak_memory

if TYPE_CHECKING:
    from collections.abc import Callable

ARCHIVE = (
    Path(__file__).resolve().parents[2]
    / "shared/real/mirror/climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
    / "YW2017.002_202006.tar"
)
FRAME = 1_980_000  # bytes of codes in a frame of YW
TIME = "2020-06-13T15:25"
MODULES = ("radar_nb.analysis.reductions", "wradlib.io.backends", "dask.array")
ALONE = {
    "import",
    "wradlib",
    "tar -tzf of all members",
    "inflate one day",
    "first open",
    "second open, new process",
}


def baseline(archive: Path) -> dict[str, float]:
    """Extract by tar, open with wradlib, sum, and take one frame and one pixel."""
    from wradlib.io import open_radolan_mfdataset  # noqa: PLC0415 - only the process that measures it pays for it

    warnings.simplefilter("ignore")
    seconds: dict[str, float] = {}
    with tempfile.TemporaryDirectory(dir=archive.parent) as folder:
        seconds["extract"] = timed(lambda: extract(archive, Path(folder)))
        files = sorted(Path(folder).glob("*-bin"))
        began = perf_counter()
        ds = open_radolan_mfdataset([str(file) for file in files])
        seconds["open"] = perf_counter() - began
        seconds["sum"] = timed(lambda: ds["YW"].sum("time").compute())
        seconds["pixel"] = timed(lambda: ds["YW"].isel(x=400, y=500).compute())
        one = str(next(file for file in files if "2006131525" in file.name))
        import xarray as xr  # noqa: PLC0415 - the same

        seconds["one frame"] = median(
            timed(lambda: xr.open_dataset(one, engine="radolan").load()) for _ in range(5)
        )
    return seconds


def extract(archive: Path, folder: Path) -> None:
    """Unpack the month, then its days."""
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    for day in sorted(folder.glob("*.tar.gz")):
        subprocess.run(["tar", "-xzf", day, "-C", folder], check=True)


def list_all(archive: Path) -> None:
    """List all members with tar."""
    with tarfile.open(archive) as tar:
        for day in tar:
            file = tar.extractfile(day)
            subprocess.run(
                ["tar", "-tzf", "-"], input=file.read() if file else b"", check=True, stdout=subprocess.DEVNULL
            )


def inflate_day(archive: Path) -> None:
    """Inflate the day of `TIME` into one buffer that is used again and again."""
    from radar_nb.formats.archives import parts  # noqa: PLC0415 - the same
    from radar_nb.formats.streams import Reopened, Stream, inflated  # noqa: PLC0415 - the same

    day = next(part for part in parts(archive) if TIME[:10].replace("-", "") in part.name)
    stream = inflated(Stream(Reopened(day.archive, day.offset), day.size))
    buffer = memoryview(bytearray(1 << 20))
    while stream.readinto(buffer):
        pass


def forget(archive: Path) -> None:
    """Remove the index."""
    for index in archive.parent.glob(".*.index"):
        index.unlink()


def opened(archive: Path) -> Any:
    from radar_nb import open_dataset  # noqa: PLC0415 - the same

    return open_dataset(archive, progress=False)["YW"]


def reduced(archive: Path) -> Any:
    from radar_nb import reduce  # noqa: PLC0415 - the same

    return reduce(archive, "sum", progress=False)["YW"]


WAYS: dict[str, Callable[[Path], Any]] = {
    "import": lambda _: [importlib.import_module(module) for module in MODULES],
    "tar -tzf of all members": list_all,
    "inflate one day": inflate_day,
    "first open": opened,
    "second open, new process": opened,
    "second open": opened,
    "reduce(archive, 'sum')": reduced,
    "open_dataset(archive).YW.sum('time')": lambda archive: opened(archive).sum("time").compute(),
    "one frame by time": lambda archive: opened(archive).sel(time=TIME).compute(),
    "a pixel's series": lambda archive: opened(archive).isel(x=400, y=500).compute(),
    "wradlib": baseline,
}


def timed(work: Callable[[], Any]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def measure(way: str, archive: Path) -> None:
    """Run one way once, in this process, and print what it took."""
    if way not in {"import", "wradlib", "tar -tzf of all members"}:
        for module in MODULES:
            importlib.import_module(module)  # has a row of its own
    if way not in ALONE:  # in a process that has opened something before: the first time wradlib is asked
        opened(archive)
    found: Any = None

    def work() -> None:
        nonlocal found
        found = WAYS[way](archive)

    seconds = timed(work)
    peak = peak_memory()
    print(json.dumps({"seconds": seconds, "MB": peak, "parts": found if isinstance(found, dict) else {}}))


def run(way: str, archive: Path, runs: int) -> dict[str, Any]:
    """Run one way in processes of its own; return the medians."""
    results = []
    for _ in range(runs):
        if way == "first open":
            forget(archive)
        command = [sys.executable, __file__, "--measure", way, "--archive", str(archive)]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        results.append(json.loads(done.stdout))
    medians = {key: median(result[key] for result in results) for key in ("seconds", "MB")}
    return medians | {"parts": results[0]["parts"]}


def frames_of(archive: Path) -> int:
    return int(opened(archive).sizes["time"])


def table(archive: Path, runs: int) -> None:
    """Print the table of one archive."""
    frames = frames_of(archive)
    print(f"{archive.name}: {frames} frames, {frames * FRAME / 1e9:.2f} GB of codes, medians of {runs}")
    usual = run("wradlib", archive, 1)["parts"]
    whole = usual["extract"] + usual["open"]
    ours = {way: run(way, archive, runs) for way in WAYS if way != "wradlib"}
    against = {
        "reduce(archive, 'sum')": whole + usual["sum"],
        "open_dataset(archive).YW.sum('time')": whole + usual["sum"],
        "one frame by time": ours["inflate one day"]["seconds"],
        "a pixel's series": whole + usual["pixel"],
        "first open": ours["tar -tzf of all members"]["seconds"],
    }
    print("wradlib, run once: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in usual.items()))
    print(f"{'what':40}{'seconds':>10}{'baseline':>10}{'ratio':>8}{'MB':>7}{'GB/s':>7}")
    for way, result in ours.items():
        seconds, base = result["seconds"], against.get(way)
        ratio = f"{base:10.2f}{base / seconds:8.1f}" if base else " " * 18
        rate = f"{frames * FRAME / 1e9 / seconds:7.2f}" if "sum" in way else ""
        print(f"{way:40}{seconds:10.3f}{ratio}{result['MB']:7.0f}{rate}")


def grown(folder: Path, runs: int) -> None:
    """Print time and memory of sums over one day, ten days and the whole synthetic month."""
    from radar_nb.mirror import make_archives  # noqa: PLC0415 - only where it is asked for

    print(f"{'synthetic days':>16}{'seconds':>10}{'MB':>7}{'GB/s':>7}")
    for days in (1, 10, 30):
        root = folder / str(days)
        (archive,) = make_archives(root, "YW", "2020-06", days=range(1, days + 1), progress=False)
        opened(archive)
        result = run("reduce(archive, 'sum')", archive, runs)
        rate = days * 288 * FRAME / 1e9 / result["seconds"]
        print(f"{days:16}{result['seconds']:10.2f}{result['MB']:7.0f}{rate:7.2f}")
        shutil.rmtree(root)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--archive", type=Path, default=ARCHIVE)
    options.add_argument("--folder", type=Path, help="where to work; a disk in memory shows the work alone")
    options.add_argument("--runs", type=int, default=5)
    options.add_argument("--month", action="store_true")
    options.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.measure:
        measure(chosen.measure, chosen.archive)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        archive = Path(shutil.copy2(chosen.archive, folder))
        table(archive, chosen.runs)
        if chosen.month:
            grown(Path(folder), chosen.runs)


if __name__ == "__main__":
    main()
