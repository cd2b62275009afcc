"""Cubes: from archives, as bytes, and in answer to questions, compared with wradlib, xarray and Zarr alone.

    python benchmarks/cube.py [--archive YW2017.002_202006.tar] [--folder DIR] [--runs 5]
                              [--layouts] [--month] [--cluster] [--icechunk] [--days 1 10 30]

Each run has a process of its own, so that its peak memory is its own; imports are not in the seconds. The baseline
(tar, then open_radolan_mfdataset, then to_zarr, whose encoding has to be cleaned by hand to work at all) takes a
minute a day and is run once, on the first day of the archive; it is counted for all days as often. `--layouts`
prints the table of layouts and codecs, `--month` the growth over a synthetic month (some four minutes to make it),
`--cluster` one and two worker processes, `--icechunk` what it takes beside plain Zarr. POSIX only.
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
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import numpy as np
from peak_memory import peak_memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from radar_nb.cube.shards import ShardFormat

ARCHIVE = (
    Path(__file__).resolve().parents[2]
    / "shared/real/mirror/climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
    / "YW2017.002_202006.tar"
)
FRAME = 1_980_000  # bytes of codes in a frame of YW
STEPS, ROWS, COLS = 288, 1100, 900
FILL = 0xFFFF
PIXEL, BOX = (500, 400), (480, 380, 40)  # a cell; row, column and width of a catchment of 1,600 km2
DAYS_OF_YEAR = 365
MALLOC = {"MALLOC_TRIM_THRESHOLD_": str(256 << 20), "MALLOC_MMAP_THRESHOLD_": str(32 << 20)}
"""Make glibc keep the memory of a worker, which dask's own setting returns to the system after each field."""
FRAMES = 5  # of which the median is taken, at other times of the day
MODULES = (
    "radar_nb.cube.building",
    "radar_nb.cube.opening",
    "radar_nb.analysis.api",
    "wradlib.io.backends",
    "dask.array",
    "zarr",
    "xarray",
)

LAYOUTS = {
    "balanced": (36, 110, 100),
    "24 x 220 x 225": (24, 220, 225),
    "maps": (12, 220, 225),
    "1 x 1100 x 900": (1, 1100, 900),
    "72 x 55 x 50": (72, 55, 50),
    "288 x 110 x 100": (288, 110, 100),
    "series": (288, 55, 50),
}
CODECS = ("zstd 1", "zstd 3", "blosc zstd 1 bitshuffle", "blosc lz4 5 bitshuffle")


def timed(work: Callable[[], Any]) -> float:
    began = perf_counter()
    work()
    return perf_counter() - began


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# --- the baseline -----------------------------------------------------------------------------------------------


def extract(archive: Path, folder: Path, days: int = 1) -> list[Path]:
    """Unpack the first days of the month by tar; return their frames."""
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive) as tar:
        names = sorted(tar.getnames())[:days]
        tar.extractall(folder, members=[tar.getmember(name) for name in names], filter="data")
    for name in names:
        subprocess.run(["tar", "-xzf", folder / name, "-C", folder], check=True)
    return sorted(folder.rglob("*-bin"))


def baseline(archive: Path, folder: Path) -> dict[str, float]:
    """Take one day the usual way."""
    import xarray as xr  # noqa: PLC0415 - only the process that measures it pays for it
    from wradlib.io import open_radolan_mfdataset  # noqa: PLC0415 - the same

    warnings.simplefilter("ignore")
    seconds: dict[str, float] = {}
    began = perf_counter()
    files = extract(archive, folder / "frames")
    seconds["extract"] = perf_counter() - began
    began = perf_counter()
    ds = open_radolan_mfdataset([str(file) for file in files])
    seconds["open"] = perf_counter() - began
    for variable in ds.variables.values():
        variable.attrs.pop("_FillValue", None)
        variable.encoding.clear()
    seconds["to_zarr"] = timed(lambda: ds.to_zarr(folder / "usual.zarr", mode="w"))
    seconds["pixel"] = timed(lambda: ds["YW"].isel(y=PIXEL[0], x=PIXEL[1]).compute())
    seconds["day"] = timed(lambda: ds["YW"].sum("time").compute())
    seconds["frame"] = median(
        timed(lambda file=file: xr.open_dataset(str(file), engine="radolan").load())  # type: ignore[misc]
        for file in files[::60][:FRAMES]
    )
    return seconds


# --- what is measured of our own, each in a process -------------------------------------------------------------


def build(archive: Path, folder: Path) -> dict[str, float]:
    """Build from an archive that has an index."""
    import radar_nb  # noqa: PLC0415 - the same
    from radar_nb.cube.building import build_cube  # noqa: PLC0415 - only the process that measures it pays for it

    radar_nb.open_dataset(archive, progress=False)
    shutil.rmtree(folder / "cube", ignore_errors=True)
    return {"build": timed(lambda: build_cube(archive, folder / "cube", client=False, progress=False))}


def build_first(archive: Path, folder: Path) -> dict[str, float]:
    """Build from an archive that nobody has read yet: it is verified and indexed, too."""
    from radar_nb.cube.building import build_cube  # noqa: PLC0415 - only the process that measures it pays for it

    for index in archive.parent.glob(".*.index"):
        index.unlink()
    shutil.rmtree(folder / "cube", ignore_errors=True)
    return {"build": timed(lambda: build_cube(archive, folder / "cube", client=False, progress=False))}


def ask(archive: Path, folder: Path) -> dict[str, float]:  # noqa: ARG001 - as all that is measured
    """Ask a cube that was not opened in this process before."""
    from radar_nb.analysis.reductions import reduce  # noqa: PLC0415 - the same
    from radar_nb.cube.opening import open_cube  # noqa: PLC0415 - only the process that measures it pays for it

    found: dict[str, float] = {}
    found["open"] = timed(lambda: open_cube(folder / "cube"))
    dask, plain = open_cube(folder / "cube").YW, open_cube(folder / "cube", chunks=None).YW
    for kind, array in (("dask", dask), ("plain", plain)):
        found[f"pixel, {kind}"] = timed(lambda array=array: array.isel(y=PIXEL[0], x=PIXEL[1]).compute())  # type: ignore[misc]
        found[f"frame, {kind}"] = median(
            timed(lambda array=array, n=n: array.isel(time=n).compute())  # type: ignore[misc]
            for n in range(0, FRAMES * 60, 60)
        )
    found["day"] = timed(lambda: dask.isel(time=slice(0, STEPS)).sum("time").compute())
    found["days"] = dask.sizes["time"] / STEPS
    totals = timed(lambda: reduce(folder / "cube", "sum", period="1D", progress=False))
    found["day, reduce"] = totals / found["days"]
    found["bytes"] = size_of(folder / "cube")
    return found


def catchments(archive: Path, folder: Path) -> dict[str, float]:  # noqa: ARG001 - as all that is measured
    """Return daily totals over 200 catchments of 400 km2 for as many days as the cube has."""
    import geopandas  # noqa: PLC0415 - the same
    import shapely  # noqa: PLC0415 - the same

    from radar_nb.analysis.api import accumulate, over_areas  # noqa: PLC0415 - the same
    from radar_nb.cube.opening import open_cube  # noqa: PLC0415 - the same

    rain, random = open_cube(folder / "cube"), np.random.default_rng(1)
    corners = zip(random.integers(0, ROWS - 20, 200), random.integers(0, COLS - 20, 200), strict=True)
    x, y = rain.x.values, rain.y.values
    boxes = [shapely.box(x[col], y[row], x[col + 20], y[row + 20]) for row, col in corners]
    areas = geopandas.GeoSeries(boxes, crs=rain.crs.attrs["crs_wkt"])
    days = rain.sizes["time"] / STEPS
    seconds = timed(lambda: accumulate(over_areas(folder / "cube", areas, progress=False), "1D"))
    return {"a day": seconds / days, "days": days}


def _epoch(store: Path, number: int, parts: int) -> int:
    """Draw the crops of a part of an epoch; return how many there were."""
    from radar_nb.cube.training import Crops  # noqa: PLC0415 - the same

    return sum(1 for _ in Crops(store, steps=12, size=256, memory=256).part(number, parts))


def crops(archive: Path, folder: Path) -> dict[str, float]:  # noqa: ARG001 - as all that is measured
    """Draw an epoch of crops for training, 12 x 256 x 256 cells, in this process and in two others."""
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        list(pool.map(_epoch, [folder / "cube"] * 2, (0, 1), (99, 99)))  # imports are not measured
        began = perf_counter()
        drawn = sum(pool.map(_epoch, [folder / "cube"] * 2, range(2), [2, 2]))
        two = drawn / (perf_counter() - began)
    began, cpu = perf_counter(), process_time()
    drawn = _epoch(folder / "cube", 0, 1)
    return {"one": drawn / (perf_counter() - began), "two": two, "a CPU second": drawn / (process_time() - cpu)}


WAYS: dict[str, Callable[[Path, Path], dict[str, float]]] = {
    "baseline": baseline,
    "build": build,
    "build_first": build_first,
    "ask": ask,
    "catchments": catchments,
    "crops": crops,
}


def measure(way: str, archive: Path, folder: Path) -> None:
    """Run one way once, in this process, and print what it took."""
    if way != "baseline":
        for module in MODULES:
            importlib.import_module(module)
    cpu = process_time()
    found = WAYS[way](archive, folder)
    peak = peak_memory()
    print(json.dumps(found | {"cpu": process_time() - cpu, "MB": peak}))


def run(way: str, archive: Path, folder: Path, runs: int) -> dict[str, float]:
    """Run one way in processes of its own; return the medians."""
    command = [sys.executable, __file__, "--measure", way, "--archive", str(archive), "--folder", str(folder)]
    results = []
    for _ in range(runs):
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        results.append(json.loads(done.stdout.splitlines()[-1]))
    return {key: median(result[key] for result in results) for key in results[0]}


def table(archive: Path, folder: Path, runs: int) -> None:
    """Print the table of aims."""
    usual = run("baseline", archive, folder, 1)
    first, built = (run(way, archive, folder, runs) for way in ("build_first", "build"))
    asked = run("ask", archive, folder, runs)
    days = asked["days"]
    raw = days * STEPS * FRAME
    whole = days * (usual["extract"] + usual["open"] + usual["to_zarr"])
    pixel = days * (usual["extract"] + usual["open"] + usual["pixel"])
    print(f"{archive.name}: {days:.0f} days, {raw / 1e9:.2f} GB of codes, medians of {runs}; usual: once, one day")
    shown = ", ".join(f"{key} {value:.3f} s" for key, value in usual.items() if key not in {"MB", "cpu"})
    print(f"the usual way, a day: {shown}, peak {usual['MB']:.0f} MB")
    row = "{:58}{:>12}{:>12}{:>9}{:>7}  {}".format
    print(row("what", "usual, s", "cube, s", "ratio", "MB", ""))
    for name, result in (("archive to cube, archive never read before", first), ("archive to cube", built)):
        rate = f"{raw / 1e9 / result['build']:.2f} GB/s, {result['cpu'] / days:.2f} CPU s a day"
        print(
            row(
                name,
                f"{whole:.1f}",
                f"{result['build']:.2f}",
                f"{whole / result['build']:.0f}",
                f"{result['MB']:.0f}",
                rate,
            )
        )
    for name, base, key in (
        (f"a pixel's {days:.0f} days", pixel, "pixel, dask"),
        (f"a pixel's {days:.0f} days, chunks=None", pixel, "pixel, plain"),
        ("a frame", usual["frame"], "frame, dask"),
        ("a frame, chunks=None", usual["frame"], "frame, plain"),
        ("a day's total map (usual: its sum alone)", usual["day"], "day"),
        ("a day's total map (usual: with opening)", usual["open"] + usual["day"], "day"),
        ("a day's total map by reduce (usual: its sum alone)", usual["day"], "day, reduce"),
        ("a day's total map by reduce (usual: with opening)", usual["open"] + usual["day"], "day, reduce"),
    ):
        print(row(name, f"{base:.3f}", f"{asked[key]:.4f}", f"{base / asked[key]:.0f}", "", ""))
    drawn = run("crops", archive, folder, runs)
    print(
        f"crops a second of 12 x 256 x 256: one process {drawn['one']:.0f}, two {drawn['two']:.0f}; one process "
        f"{drawn['a CPU second']:.0f} a CPU second, {drawn['MB']:.0f} MB"
    )
    share = asked["bytes"] / archive.stat().st_size
    print(f"bytes: cube {asked['bytes'] / 1e6:.1f} MB, archive {archive.stat().st_size / 1e6:.1f} MB: {share:.2f}")


# --- layouts ----------------------------------------------------------------------------------------------------


def frames(archive: Path) -> Iterator[tuple[int, int, Any]]:
    """Return every frame's day, step and packed codes; the array is used again."""
    from radar_nb.formats.cursor import frame_codes, open_cursor  # noqa: PLC0415 - only where it is asked for
    from radar_nb.formats.packing import radolan_packing  # noqa: PLC0415 - the same
    from radar_nb.reading.sources import scan  # noqa: PLC0415 - the same

    found, packing = scan([archive], progress=False), radolan_packing(2, scale=0.01)
    out = np.empty((ROWS, COLS), "u2")
    part = -1
    for number, row in enumerate(found.rows):
        if int(row["part"]) != part:
            part, cursor = int(row["part"]), open_cursor(found, number, marks=False)
        data = cursor.read(row, name=number)
        codes, _ = frame_codes(data, found.kinds[int(row["kind"])], int(row["hash"]), packing, name=number)
        yield part, int(row["time"] // 300 % STEPS), packing.packed(codes, out=out)


def codec_of(name: str) -> Any:
    from zarr.codecs import BloscCodec, ZstdCodec  # noqa: PLC0415 - only where it is asked for

    kind, *rest = name.split()
    if kind == "zstd":
        return ZstdCodec(level=int(rest[0]), checksum=True)
    return BloscCodec(cname=rest[0], clevel=int(rest[1]), shuffle="bitshuffle", typesize=2)  # type: ignore[arg-type]


def packer_of(name: str) -> Any:
    import numcodecs  # noqa: PLC0415 - only where it is asked for

    kind, *rest = name.split()
    if kind == "zstd":
        return numcodecs.Zstd(int(rest[0]), checksum=True)
    return numcodecs.Blosc(rest[0], int(rest[1]), numcodecs.Blosc.BITSHUFFLE)


def empty_array(path: Path, days: int, chunk: tuple[int, int, int], codec: str) -> Any:
    import zarr  # noqa: PLC0415 - only where it is asked for

    shutil.rmtree(path, ignore_errors=True)
    return zarr.create_array(
        path, shape=(days * STEPS, ROWS, COLS), dtype="u2", chunks=chunk, shards=(STEPS, ROWS, COLS),
        compressors=codec_of(codec), filters=None, fill_value=FILL,
        chunk_key_encoding={"name": "default", "separator": "."},
    )  # fmt: skip


def write_by_zarr(archive: Path, array: Any) -> None:
    """Write a day at a time, as zarr-python wants it."""
    slab, day = np.full((STEPS, ROWS, COLS), FILL, "u2"), 0
    for part, step, codes in frames(archive):
        if part != day:
            array[day * STEPS : (day + 1) * STEPS] = slab
            day = part
        slab[step] = codes
    array[day * STEPS : (day + 1) * STEPS] = slab


def write_directly(archive: Path, path: Path, layout: ShardFormat, codec: Any) -> None:
    """Encode whole shards, one thread, so that all are compared by the same number of threads."""
    from radar_nb.cube.shards import ShardEncoder  # noqa: PLC0415 - only where it is asked for

    encoder, day = ShardEncoder(layout), 0
    encoder._codec = codec  # noqa: SLF001 - any codec can be measured, cubes have one
    for part, step, codes in frames(archive):
        if part != day:
            (path / f"c.{day}.0.0").write_bytes(encoder.finish())
            day = part
        encoder.field(step)[:] = codes
    (path / f"c.{day}.0.0").write_bytes(encoder.finish())


def questions(array: Any) -> dict[str, float]:
    """Ask an array: milliseconds."""
    y, x, width = BOX
    asked: dict[str, Callable[[], Any]] = {
        "frame": lambda: array[150],
        "day": lambda: array[:STEPS].sum(axis=0, dtype="u4"),
        "pixel": lambda: array[:, PIXEL[0], PIXEL[1]],
        "box": lambda: array[:, y : y + width, x : x + width],
    }
    return {name: 1000 * median(timed(work) for _ in range(3)) for name, work in asked.items()}


class Direct:
    """An array read by our own reader."""

    def __init__(self, path: Path, days: int, layout: ShardFormat, codec: Any) -> None:
        from radar_nb.cube.shards import Shard  # noqa: PLC0415 - only where it is asked for

        self._days, self._layout, self._codec = days, layout, codec
        self._data = [(path / f"c.{day}.0.0").read_bytes() for day in range(days)]
        self._shards = [Shard.of(data, layout, name="shard") for data in self._data]
        self._pool = ThreadPoolExecutor(2)

    def __getitem__(self, key: Any) -> Any:
        from radar_nb.cube.shards import split_by_chunk  # noqa: PLC0415 - only where it is asked for

        key = key if isinstance(key, tuple) else (key,)
        sizes = self._days * STEPS, ROWS, COLS
        wanted = [
            np.atleast_1d(np.arange(n)[k])
            for n, k in zip(sizes, (*key, *[slice(None)] * (3 - len(key))), strict=True)
        ]
        out = np.full([w.size for w in wanted], FILL, "u2")
        boxes = [list(split_by_chunk(w, c)) for w, c in zip(wanted, self._layout.chunk, strict=True)]

        def unpack(t: Any) -> None:
            buffer = np.empty(self._layout.chunk, "u2")
            number, steps, at = t
            day, number = divmod(number, self._layout.grid[0])
            for row, ys, to_y in boxes[1]:
                for col, xs, to_x in boxes[2]:
                    if (span := self._shards[day].span((number, row, col))) is not None:
                        self._codec.decode(self._data[day][span[0] : sum(span)], buffer)
                        cut = buffer[steps[0] : steps[-1] + 1, ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]
                        out[at[0] : at[-1] + 1, to_y[0] : to_y[-1] + 1, to_x[0] : to_x[-1] + 1] = cut

        list(self._pool.map(unpack, boxes[0]))
        return out


def layouts(archive: Path, folder: Path) -> None:
    """Print the table of layouts, codecs and writers; one thread writes, two read."""
    import zarr  # noqa: PLC0415 - only where it is asked for

    from radar_nb.cube.shards import ShardFormat  # noqa: PLC0415 - the same

    days = 1 + max(part for part, _, _ in frames(archive))
    reading = timed(lambda: [None for _ in frames(archive)])
    print(f"\nlayouts: {days} days; reading and packing is {reading:.2f} s of each writing; box: 40 x 40 cells")
    row = "{:18}{:26}{:13}{:>7}{:>9}{:>10}{:>10}{:>10}{:>12}".format
    print(row("chunk", "codec", "by", "MB", "write s", "frame ms", "day ms", "pixel ms", "box-year s"))
    todo = [(name, chunk, "zstd 1") for name, chunk in LAYOUTS.items()]
    todo += [("balanced", LAYOUTS["balanced"], codec) for codec in CODECS[1:]]
    for name, chunk, codec in todo:
        path = folder / "layout.zarr"
        layout = ShardFormat(shape=(STEPS, ROWS, COLS), chunk=chunk, dtype="u2", fill=FILL)
        packer = packer_of(codec)
        for by in ("zarr-python", "zarrs", "direct"):
            pipeline = (
                "zarrs.ZarrsCodecPipeline" if by == "zarrs" else "zarr.core.codec_pipeline.BatchedCodecPipeline"
            )
            with zarr.config.set({"codec_pipeline.path": pipeline, "threading.max_workers": 1}):
                array = empty_array(path, days, chunk, codec)
                seconds = timed(
                    (lambda: write_directly(archive, path, layout, packer))  # noqa: B023 - called at once
                    if by == "direct"
                    else (lambda: write_by_zarr(archive, array))  # noqa: B023 - called at once
                )
            with zarr.config.set({"codec_pipeline.path": pipeline, "threading.max_workers": 2}):
                read = Direct(path, days, layout, packer) if by == "direct" else zarr.open_array(path, mode="r")
                took = questions(read)
            year = took["box"] / days * DAYS_OF_YEAR / 1000
            print(row(name, codec, by, f"{size_of(path) / 1e6:.1f}", f"{seconds:.2f}", f"{took['frame']:.0f}",
                      f"{took['day']:.0f}", f"{took['pixel']:.1f}", f"{year:.2f}"), flush=True)  # fmt: skip


# --- growth, clusters, transactions -----------------------------------------------------------------------------


def grown(folder: Path, runs: int, lengths: Sequence[int]) -> None:
    """Print time and memory of synthetic days: a day, ten, thirty."""
    from radar_nb.mirror import make_archives  # noqa: PLC0415 - only where it is asked for

    row = "{:>16}{:>10}{:>7}{:>7}{:>7}{:>10}{:>16}{:>10}".format
    print("\n" + row("synthetic days", "seconds", "MB", "GB/s", "share", "pixel ms", "areas ms a day", "their MB"))
    for days in lengths:
        root = folder / str(days)
        (archive,) = make_archives(root, "YW", "2020-06", days=range(1, days + 1), progress=False)
        built = run("build_first", archive, root, runs)
        asked, areas = run("ask", archive, root, runs), run("catchments", archive, root, 1)
        rate = days * STEPS * FRAME / 1e9 / built["build"]
        share = asked["bytes"] / archive.stat().st_size
        numbers = f"{built['build']:.2f}", f"{built['MB']:.0f}", f"{rate:.2f}", f"{share:.2f}"
        print(
            row(
                days,
                *numbers,
                f"{1000 * asked['pixel, plain']:.1f}",
                f"{1000 * areas['a day']:.0f}",
                f"{areas['MB']:.0f}",
            ),
            flush=True,
        )
        shutil.rmtree(root)


def clusters(folder: Path, runs: int, days: int) -> None:
    """Print strong scaling: the same days by one and by two worker processes of one thread."""
    import dask  # noqa: PLC0415 - only where it is asked for
    from distributed import Client, LocalCluster  # noqa: PLC0415 - only where it is asked for

    import radar_nb  # noqa: PLC0415 - the same
    from radar_nb.cube.building import build_cube  # noqa: PLC0415 - the same
    from radar_nb.mirror import make_archives  # noqa: PLC0415 - the same

    (archive,) = make_archives(folder / "cluster", "YW", "2020-06", days=range(1, days + 1), progress=False)
    radar_nb.open_dataset(archive, progress=False)

    def built(**options: Any) -> float:
        shutil.rmtree(folder / "cube", ignore_errors=True)
        return timed(lambda: build_cube(archive, folder / "cube", progress=False, **options))

    print(f"\n{'':34}{'workers':>10}{'seconds':>10}{'GB/s':>7}")
    row = "{:34}{:10}{:10.2f}{:7.2f}".format
    size = days * STEPS * FRAME / 1e9
    for threads in (1, 2):
        took = median(built(client=False, workers=threads) for _ in range(runs))
        print(row("threads of one process", threads, took, size / took), flush=True)
    for name, setting in (("processes as dask starts them", {}), ("processes with MALLOC_*", MALLOC)):
        for workers in (1, 2):
            with (
                dask.config.set({f"distributed.nanny.pre-spawn-environ.{key}": setting[key] for key in setting}),
                LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as local,  # type: ignore[no-untyped-call]
                Client(local) as client,  # type: ignore[no-untyped-call]
            ):
                client.run(importlib.import_module, "radar_nb.cube.building")
                took = median(built(client=client) for _ in range(runs))
            print(row(name, workers, took, size / took), flush=True)


def icechunk(archive: Path, folder: Path) -> None:
    """Print what the same array takes as plain Zarr and in icechunk, both written by zarr-python day by day."""
    import icechunk  # noqa: PLC0415 - only where it is asked for
    import zarr  # noqa: PLC0415 - the same

    days = 1 + max(part for part, _, _ in frames(archive))
    found: dict[str, list[dict[str, float]]] = {"plain Zarr": [], "icechunk": []}
    for _, kind in product(range(3), found):
        place = folder / "ice"
        shutil.rmtree(place, ignore_errors=True)
        repository = None
        if kind == "icechunk":
            repository = icechunk.Repository.create(icechunk.local_filesystem_storage(str(place)))
            session = repository.writable_session("main")
        store: Any = str(place) if repository is None else session.store
        zarr.create_array(store, name="YW", shape=(14_610 * STEPS, ROWS, COLS), dtype="u2",
                          chunks=LAYOUTS["balanced"], shards=(STEPS, ROWS, COLS), compressors=codec_of("zstd 1"),
                          filters=None, fill_value=FILL)  # fmt: skip
        if repository is not None:
            session.commit("empty")
        slab, written = np.full((STEPS, ROWS, COLS), FILL, "u2"), 0.0
        for part, step, codes in frames(archive):
            slab[step] = codes
            if step == STEPS - 1:
                began = process_time()
                if repository is not None:
                    session = repository.writable_session("main")
                    store = session.store
                array = zarr.open_array(store, path="YW", mode="r+")
                array[part * STEPS : (part + 1) * STEPS] = slab
                if repository is not None:
                    session.commit("a day")
                written += process_time() - began
        read = zarr.open_array(
            store if repository is None else repository.readonly_session("main").store, path="YW", mode="r"
        )
        y, x = PIXEL
        one = {"build": written, "MB": size_of(place) / 1e6}
        for name, box in (("pixel", np.s_[: days * STEPS, y, x]), ("frame", np.s_[150]), ("day", np.s_[:STEPS])):
            began = process_time()
            read[box]
            one[name] = process_time() - began
        found[kind].append(one)
    print(f"\nicechunk {icechunk.__version__}, zarr {zarr.__version__}: CPU seconds, median of 3, {days} days")
    print("| what | plain Zarr | icechunk | ratio |\n|---|---|---|---|")
    for name in found["icechunk"][0]:
        plain, ice = (median(one[name] for one in runs) for runs in found.values())
        print(f"| {name} | {plain:.3g} | {ice:.3g} | {ice / plain:.2f} |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--archive", type=Path, default=ARCHIVE)
    options.add_argument("--folder", type=Path, help="where to work; a disk in memory shows the work alone")
    options.add_argument("--runs", type=int, default=5)
    for extra in ("layouts", "month", "cluster", "icechunk"):
        options.add_argument(f"--{extra}", action="store_true")
    options.add_argument(
        "--days", type=int, nargs="+", default=(1, 10, 30), help="lengths of --month; --cluster: 10 or the last"
    )
    options.add_argument("--no-table", action="store_true", help="only what was asked for besides")
    options.add_argument("--measure", choices=WAYS, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.measure:
        measure(chosen.measure, chosen.archive, chosen.folder)
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        archive = Path(shutil.copy2(chosen.archive, folder))
        if not chosen.no_table:
            table(archive, folder, chosen.runs)
        if chosen.layouts:
            layouts(archive, folder)
        if chosen.icechunk:
            icechunk(archive, folder)
        if chosen.month:
            grown(folder, chosen.runs, chosen.days)
        if chosen.cluster:
            clusters(folder, chosen.runs, min(10, chosen.days[-1]))


if __name__ == "__main__":
    main()
