"""Cubes of years, from a few days that were built: the same chunks again under other dates, at other places.

    python benchmarks/many_days.py CUBE --folder DIR [--years 25]

Every three days the chunks of a day move on by one in the grid, so that no weather repeats at a place within 270
days: repeated days would make long chunks smaller than they are. Of 25 years only the chunks of two parts of the
grid are written, those of the pixel and of the catchment; elsewhere the files have holes. All files have the size,
index and record of real days, so that opening and reading take what they would of a whole cube. The series of one
year are built from these days, and stand for all years.

It prints, for the pixel and the catchment, one year and all years, what both arrangements take: each in a process
of its own, after the pages of all files of the cube, and of the copies of its records, were dropped from the page
cache. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np
from peak_memory import peak_memory

from radar_nb.cube.day_records import DayRecord
from radar_nb.cube.description import Cube, whole_years, write_description
from radar_nb.cube.opening import required_cube
from radar_nb.cube.series import _build_part
from radar_nb.cube.shards import Shard
from radar_nb.cube.stores import Folder
from radar_nb.cube.year_tiles import YearTiles, state_of, years_of
from radar_nb.runtime.settings import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FOOT = 8  # bytes between note and index
_NO_CHUNK = 0xFFFFFFFFFFFFFFFF
_RUNS = 5
PIXEL = (500, 400)
BOX = (480, 380, 40)
"""Row, column and width of a catchment of 1,600 km2, in two parts of the grid."""
PARTS = ((4, 3), (4, 4))
"""The parts of the grid of YW, 110 x 100 cells, that hold both."""


def multiplied(
    source: Path, target: Path, first: str, last: str, *, parts: Sequence[tuple[int, int]] | None = None
) -> Cube:
    """Make a cube of all days of a span from the days of another.

    Files have their size, index and record. With `parts`, only the chunks of these parts of the grid are written.
    """
    cube = required_cube(source)
    begin, end = (int(np.datetime64(date, "D").astype(int)) for date in (first, last))
    axis = whole_years(begin, end)
    made = replace(cube, store=Folder(target), first=axis[0], days=axis[1])
    coordinates = cube.coordinates()
    write_description(made, coordinates["y"].values, coordinates["x"].values)
    shards = []
    for file in cube.listed().values():
        data = (source / file.key).read_bytes()
        shard = Shard.of(data, cube.shards, name=file.key)
        ends = [sum(span) for chunk in shard.chunks() if (span := shard.span(chunk))]
        shards.append((data[: max(ends)], shard.index, DayRecord.of(shard.note, name="")))
    _, rows, cols = cube.shards.grid
    for day in range(begin, end + 1):
        block, number = divmod(day - begin, len(shards))
        chunks, index, record = shards[number]
        moved = np.roll(index, (block % rows, block // rows % cols), (1, 2))
        spans = None
        if parts is not None:
            chosen = moved[:, [y for y, _ in parts], [x for _, x in parts]].reshape(-1, 2)
            spans = [(int(at), int(length)) for at, length in chosen if at != _NO_CHUNK]
        places = moved.tobytes()
        note = replace(record, day=day).note()
        rest = note + len(note).to_bytes(4, "little") + b"rnb1" + places
        rest += google_crc32c.value(places).to_bytes(4, "little")
        _write(target / made.key(day), chunks, rest, spans)
    made.stored_days()  # this machine keeps copies of the records, as after a build
    return made


def series_again(cube: Cube, year: Path, parts: Iterable[tuple[int, int]]) -> int:
    """Copy the series of one year to all years of a cube, for some parts of the grid; return their bytes."""
    days, _ = cube.stored_days()
    root, size = Path(cube.store.name), 0
    _write(root / "series/zarr.json", b"", b'{"attributes": {}, "zarr_format": 3, "node_type": "group"}')
    for part in parts:
        data = (year / f"c.0.{part[0]}.{part[1]}").read_bytes()
        size += len(data)
        for number, chosen in years_of(days).items():
            tiles = YearTiles(cube=cube, year=number, state=state_of(days, chosen))
            shard = Shard.of(data, tiles.shards, name="")
            tail = data[-_FOOT - tiles.shards.index_bytes :]
            chunks = data[: len(data) - len(tail) - len(shard.note)]
            note = tiles.note(*part)
            _write(root / tiles.key(*part), chunks, note + len(note).to_bytes(4, "little") + tail[4:])
    return size


def _write(path: Path, chunks: bytes, rest: bytes, spans: Iterable[tuple[int, int]] | None = None) -> None:
    """Write a shard; of its chunks only those of some places, if `spans` has them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for start, size in [(0, len(chunks))] if spans is None else spans:
            file.seek(start)
            file.write(chunks[start : start + size])
        file.seek(len(chunks))
        file.write(rest)


# --- what both arrangements take --------------------------------------------------------------------------------


def drop(folder: Path) -> None:
    """Take the pages of all files of a folder out of the page cache."""
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            number = os.open(path, os.O_RDONLY)
            os.posix_fadvise(number, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(number)


def ask(folder: Path, what: str, years: int, arrangement: str) -> dict[str, float]:
    """Open a cube and read a series, in this process; return seconds and peak memory."""
    began, cpu = perf_counter(), process_time()
    import geopandas  # noqa: PLC0415 - its import is measured
    import shapely  # noqa: PLC0415 - the same

    import radar_nb as rn  # noqa: PLC0415 - the same
    from radar_nb.cube import opening, year_tiles  # noqa: PLC0415 - the same

    importing, imported = perf_counter() - began, process_time() - cpu
    if arrangement == "days":
        for module in (opening, year_tiles):
            module.stored_years = lambda *_: {}  # type: ignore[attr-defined] # as if nobody had built them
    began, cpu = perf_counter(), process_time()
    last = slice(f"{2026 - years}", "2025")
    if what == "pixel":
        ds = rn.open_cube(folder, chunks=None)
        opened = perf_counter() - began
        values = ds.YW.isel(y=PIXEL[0], x=PIXEL[1]).sel(time=last).values
    else:
        rain = rn.open_cube(folder, chunks=None)
        row, col, width = BOX
        edges = rain.x.values[[col, col + width]] - 0.5, rain.y.values[[row, row + width]] - 0.5
        (west, east), (south, north) = edges
        area = geopandas.GeoSeries([shapely.box(west, south, east, north)], crs=rain.crs.attrs["crs_wkt"])
        began, cpu, opened = perf_counter(), process_time(), 0.0
        values = rn.over_areas(folder, area, progress=False).YW.values
    seconds, used = perf_counter() - began, process_time() - cpu
    peak = peak_memory()
    return {"steps": len(values), "sum": float(np.nansum(values, dtype=float)), "import": importing,
            "import CPU": imported, "open": opened, "seconds": seconds, "CPU": used, "MB": peak}  # fmt: skip


def compare(cube: Path, year: Path, years: int, runs: int) -> None:
    """Print the table."""
    print("| what | arrangement | steps | s, cold | of it opening | CPU s | MB |\n|---|---|---|---|---|---|---|")
    for what, place, span in (
        ("a pixel's year", year, 1),
        (f"a pixel's {years} years", cube, years),
        ("a catchment's year", year, 1),
        (f"a catchment's {years} years", cube, years),
    ):
        sums = set()
        for arrangement in ("series", "days"):
            found: list[dict[str, Any]] = []
            for _ in range(runs):
                drop(place)
                drop(cache_folder())
                command = [sys.executable, __file__, str(place), "--folder", str(place)]
                command += ["--ask", "pixel" if "pixel" in what else "catchment", str(span), arrangement]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
                found.append(json.loads(done.stdout.splitlines()[-1]))
            took = {key: median(one[key] for one in found) for key in found[0]}
            sums.add((took["steps"], round(took["sum"], 3)))
            print(f"| {what} | {arrangement} | {took['steps']:,} | {took['seconds']:.2f} | {took['open']:.2f} | "
                  f"{took['CPU']:.2f} | {took['MB']:.0f} |", flush=True)  # fmt: skip
        if len(sums) > 1 and place is year:  # elsewhere a year's series stands for all
            raise SystemExit(f"the arrangements differ: {sums}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("cube", type=Path, help="a cube of some days of YW")
    options.add_argument("--folder", type=Path, required=True, help="where to work: some 5 GB")
    options.add_argument("--years", type=int, default=25)
    options.add_argument("--runs", type=int, default=_RUNS)
    options.add_argument("--ask", nargs=3, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.ask:
        what, years, arrangement = chosen.ask
        print(json.dumps(ask(chosen.cube, what, int(years), arrangement)))
        return
    year, many = chosen.folder / "year", chosen.folder / "years"
    if not many.exists():
        one = multiplied(chosen.cube, year, "2025-01-01", "2025-12-31", parts=PARTS)
        days, _ = one.stored_days()
        for number, chosen_days in years_of(days).items():
            tiles = YearTiles(cube=one, year=number, state=state_of(days, chosen_days))
            for part in PARTS:
                began, cpu = perf_counter(), process_time()
                size = _build_part(tiles, {day: days[day].file for day in chosen_days}, part)
                took, used = perf_counter() - began, process_time() - cpu
                print(
                    f"a part of a year's series: {took:.1f} s, {used:.1f} CPU s, {size / 1e6:.1f} MB", flush=True
                )
        tiles_of = year / tiles.key(0, 0)
        _write(year / "series/zarr.json", b"", b'{"attributes": {}, "zarr_format": 3, "node_type": "group"}')
        cube = multiplied(chosen.cube, many, f"{2026 - chosen.years}-01-01", "2025-12-31", parts=PARTS)
        print(f"{series_again(cube, tiles_of.parent, PARTS) / 1e6:.0f} MB of {len(PARTS)} parts, a year each")
    compare(many, year, chosen.years, chosen.runs)


if __name__ == "__main__":
    main()
