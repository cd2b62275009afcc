"""Build and verify the second arrangement of a cube, year by year, in bounded memory."""

from __future__ import annotations

import json
import math
import os
from contextlib import closing
from functools import partial
from itertools import count, groupby
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.cube.description import GROUP, year_description
from radar_nb.cube.opening import required_cube, sound_days
from radar_nb.cube.shards import TileEncoder
from radar_nb.cube.year_tiles import SERIES, YearTiles, state_of, stored_years, years_of
from radar_nb.errors import DamagedShard, NothingFound, RadarNbError, SettingsError
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.report import Outcome, Report
from radar_nb.runtime.workers import active_client, each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    from radar_nb.cube.description import Cube
    from radar_nb.cube.shards import Shard
    from radar_nb.cube.stores import StoredFile
    from radar_nb.runtime.progress import Reporter

REMEDY = "run build_series (`radar-nb cube series`) again, which rewrites it"


def build_series(
    store: Any,
    *,
    years: Iterable[int] | None = None,
    client: Any = None,
    workers: int | None = None,
    progress: bool | Reporter = True,
    errors: Literal["raise", "report"] = "raise",
) -> Report:
    """Add to a cube the arrangement from which series of few cells are read fast, or bring it up to date.

    It holds the same values again, as long chunks of few cells, and needs about as much space. `open_cube` and all
    functions that read cubes use it by themselves where it is faster. Years that are up to date are kept; a year
    whose days have changed is rewritten, and read from the cube until then. After an interruption, the same call
    resumes.

    Parameters
    ----------
    store : path, str, or store of obstore
        A cube, as for `build_cube`.
    years : iterable of int, optional
        By default all that the cube holds.
    client : distributed.Client or False, optional
        As for `build_cube`.
    workers : int, optional
        Number of threads; by default the number of processors. Each needs some 100 MB, and up to 100 MB more if
        the cube is in object storage.
    progress : bool or Reporter
        Task "series", in parts of years.
    errors : {"raise", "report"}
        Whether years that could not be built make the call fail.

    Returns
    -------
    Report
        One outcome per year.

    Raises
    ------
    NothingFound, CubeError, DamagedShard, StorageError
        As for `open_cube`; or the cube has no day of a year.
    Incomplete
        Several years failed.

    Examples
    --------
    >>> build_series("YW.zarr")  # doctest: +SKIP
    """
    began = perf_counter()
    if workers is not None and workers < 1:
        raise SettingsError(f"{workers} is not a number of threads: use workers=1 or more, or leave it out")
    cube = required_cube(store)
    days, _ = sound_days(cube, "raise")
    held = years_of(days)
    wanted = sorted(set(held if years is None else years))
    if lost := [year for year in wanted if year not in held]:
        raise NothingFound(
            f"{cube.store.name} holds no day of {lost[0]}: choose years from {min(held)} to {max(held)}"
        )
    outcomes = []
    total = len(wanted) * math.prod(cube.shards.grid[1:])
    group = json.dumps({"attributes": {}, "zarr_format": 3, "node_type": "group"}, indent=1).encode()
    if cube.store.get(key := f"{SERIES}/{GROUP}") != group:
        with cube.store.claim(key):
            cube.store.put(key, group)
    with active_client(client) as used, reporting(progress) as report:
        ticks = count(1)
        for year in wanted:
            tiles = YearTiles(cube=cube, year=year, state=state_of(days, held[year]))
            for folder in (f"{tiles.group}/{cube.variable}", tiles.group):
                cube.store.sweep(folder)
            work = partial(_build_part, tiles, {day: days[day].file for day in held[year]})
            run = partial(each, work=work, client=used, workers=workers or os.cpu_count() or 1)

            def tick(year: int = year) -> None:
                report(Progress(task="series", done=next(ticks), total=total, unit="parts", note=str(year)))

            outcomes.append(_build_year(tiles, run, tick))
        cube.store.sweep(SERIES)
    made = Report(task="series", outcomes=tuple(outcomes), seconds=perf_counter() - began)
    return made.raise_for_failures() if errors == "raise" else made


def _build_year(
    tiles: YearTiles, run: Callable[[Iterable[tuple[int, int]]], Any], tick: Callable[[], None]
) -> Outcome:
    began, written = perf_counter(), 0
    parts = list(np.ndindex(tiles.cube.shards.grid[1:]))
    with closing(run(parts)) as results:
        for _, result in results:
            if isinstance(result, RadarNbError):
                return Outcome(name=str(tiles.year), state="failed", error=result)
            written += result
            tick()
    store = tiles.cube.store
    store.settle(map(tiles.key, *zip(*parts, strict=True)))
    for name, data in year_description(tiles.cube, tiles.days, tiles.shards).items():
        if store.get(key := f"{tiles.group}/{name}") != data:
            with store.claim(key):
                store.put(key, data)
    return Outcome(
        name=str(tiles.year),
        state="done" if written else "kept",
        bytes=written,
        seconds=perf_counter() - began,
    )


def _build_part(tiles: YearTiles, files: dict[int, StoredFile], part: tuple[int, int]) -> int:
    """Write the shard of a part of the grid, unless it is up to date; return its bytes, 0 if it was kept."""
    store, key = tiles.cube.store, tiles.key(*part)
    with store.claim(key):
        if tiles.open(*part) is not None:
            return 0
        return store.put(key, _encoded(tiles, files, part), durable=False).size


def _encoded(tiles: YearTiles, files: dict[int, StoredFile], part: tuple[int, int]) -> Iterator[bytes]:
    """Yield the bytes of a part's shard, as they are ready."""
    encoder = TileEncoder(tiles.shards)
    for step, codes in _columns(tiles, files, part):
        yield encoder.put(step, codes)
    yield encoder.finish(tiles.note(*part))


def _columns(
    tiles: YearTiles, files: dict[int, StoredFile], part: tuple[int, int]
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the chunks of the cube in a part of the grid, in order of time, with their first step in the year."""
    cube, layout = tiles.cube, tiles.cube.shards
    codes = np.empty(layout.chunk, layout.dtype)
    for day, file in sorted(files.items()):
        shard = cube.open_shard(file, layout)
        spans = {t: span for t in range(layout.grid[0]) if (span := shard.span((t, *part))) is not None}
        for t, data in zip(spans, cube.store.spans(file, list(spans.values())), strict=True):
            shard.decode((t, *part), data, codes)
            yield (day - tiles.days[0]) * cube.steps + t * layout.chunk[0], codes


def built_years(cube: Cube) -> list[int]:
    """Return the years of a cube of which the second arrangement is up to date."""
    days, _ = sound_days(cube, "report")
    return [year for year, tiles in stored_years(cube, days).items() if _is_complete(tiles)]


def _is_complete(tiles: YearTiles) -> bool:
    if tiles.cube.store.stat(f"{tiles.group}/{GROUP}") is None:
        return False
    return all(tiles.open(*part) is not None for part in np.ndindex(tiles.cube.shards.grid[1:]))


def series_faults(store: Any, *, progress: bool | Reporter = False) -> dict[int, RadarNbError | None]:
    """Return, for each year that has the second arrangement, what is wrong with it; None if nothing is.

    Every chunk is unpacked and compared with the days.
    """
    cube = required_cube(store)
    days, _ = sound_days(cube, "report")
    found: dict[int, RadarNbError | None] = {}
    with reporting(progress) as report:
        for year, tiles in stored_years(cube, days).items():
            if cube.store.stat(f"{tiles.group}/{GROUP}") is None:
                continue
            work = partial(_compare, tiles, {day: days[day].file for day in years_of(days)[year]})
            parts = np.ndindex(cube.shards.grid[1:])
            found[year] = None
            with closing(each(parts, work, workers=os.cpu_count() or 1)) as results:
                for _, error in results:
                    if isinstance(error, RadarNbError):
                        found[year] = error
                        break
            report(Progress(task="verify", done=len(found), total=None, unit="years", note=str(year)))
    return found


def remove_year(cube: Cube, year: int) -> None:
    """Remove the shards of a year from the second arrangement."""
    tiles = YearTiles(cube=cube, year=year, state="")
    for part in np.ndindex(cube.shards.grid[1:]):
        cube.store.remove(tiles.key(*part))


def _compare(tiles: YearTiles, files: dict[int, StoredFile], part: tuple[int, int]) -> None:
    """Raise DamagedShard where a part of a year is out of date, damaged, or holds other codes than the days."""
    name, layout = f"{tiles.cube.store.name}/{tiles.group}", tiles.shards
    opened = tiles.open(*part)
    if opened is None:
        raise DamagedShard(f"{name} is incomplete, damaged or out of date: {REMEDY}")
    length = layout.chunk[0]
    box = np.empty((length, *layout.shape[1:]), layout.dtype)  # of the days; only used steps are filled
    numbers = set(np.flatnonzero(opened[1].filled.any(axis=(1, 2))).tolist())
    for number, columns in groupby(_columns(tiles, files, part), lambda column: column[0] // length):
        begin = end = None
        for step, codes in columns:
            at = step - number * length
            begin, end = (at, at) if begin is None or end is None else (begin, end)
            box[end:at] = layout.fill
            box[at : at + len(codes)] = codes
            end = at + len(codes)
        _compare_tiles(tiles, opened, number, box[begin:end], begin or 0)
        numbers.discard(number)
    for number in numbers:
        _compare_tiles(tiles, opened, number, box[:0], 0)


def _compare_tiles(
    tiles: YearTiles, opened: tuple[StoredFile, Shard], number: int, box: NDArray[Any], begin: int
) -> None:
    """Compare the chunks of one chunk of time with the codes of the days in some of its steps."""
    file, shard = opened
    layout, end = tiles.shards, begin + len(box)
    _, rows, cols = layout.chunk
    places = list(np.ndindex(layout.grid[1:]))
    spans = {place: span for place in places if (span := shard.span((number, *place))) is not None}
    read = dict(zip(spans, tiles.cube.store.spans(file, list(spans.values())), strict=True))
    tile = np.empty(layout.chunk, layout.dtype)
    for y, x in places:
        wanted = box[:, y * rows : (y + 1) * rows, x * cols : (x + 1) * cols]
        if (y, x) in read:
            shard.decode((number, y, x), read[y, x], tile)
            equal = np.array_equal(tile[begin:end], wanted) and all(
                (rest == layout.fill).all() for rest in (tile[:begin], tile[end:])
            )
        else:
            equal = bool((wanted == layout.fill).all())
        if not equal:
            raise DamagedShard(f"{tiles.cube.store.name}/{tiles.group} holds other values than the cube: {REMEDY}")
