"""A cube as a stream of whole fields, one chunk of time after the other, for reading years once."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from functools import partial
from itertools import pairwise
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.grids import named_grid
from radar_nb.errors import SettingsError
from radar_nb.reading.dataset import Options
from radar_nb.reading.frame_stream import ArchiveStream
from radar_nb.reading.sources import is_cube

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from radar_nb.reading.frame_stream import FrameStream, Take
    from radar_nb.runtime.progress import Reporter

_FIXED = ("clutter", "grid", "regrid", "sums", "run", "lead")
_SLABS = 1 << 30
"""Maximum bytes of fields of all threads together: chunks of the layout "series" are a day long."""
_BLOCK = 64 << 20
"""Bytes of a block of time of a box of cells, about."""


def open_stream(source: Any, options: Options, *, progress: bool | Reporter) -> FrameStream:
    """Return the stream of a cube's folder, or of archives and frames: see `open_dataset` for what is raised."""
    return CubeStream(source, options) if is_cube(source) else ArchiveStream(source, options, progress)


class CubeStream:
    """The stream of a cube: see `radar_nb.reading.frame_stream.FrameStream`.

    Parameters
    ----------
    store : path
    options : Options
        Only `errors` can be set, because a cube holds one product as it was built.
    """

    def __init__(self, store: Any, options: Options) -> None:
        from radar_nb.cube.opening import (  # noqa: PLC0415 - zarr is loaded where there is a cube
            CubeArray,
            cube_steps,
            dataset_of_cube,
            required_cube,
            sound_days,
        )
        from radar_nb.cube.year_tiles import stored_years  # noqa: PLC0415 - the same

        self._cube = cube = required_cube(store)
        default = {field.name: field.default for field in fields(Options)}
        asked = [name for name in _FIXED if getattr(options, name) != default[name]]
        if options.variables not in {None, cube.product, cube.variable}:
            asked.append("variables")
        if asked:
            raise SettingsError(
                f"{cube.store.name} is a cube of {cube.product} as it was built: leave out {', '.join(asked)}, "
                "or use the archives"
            )
        self._days, damaged = sound_days(cube, options.errors)
        self.like = dataset_of_cube(cube, self._days, damaged)
        self.name, self.product = cube.variable, cube.product
        self.grid, self.minutes = named_grid(cube.grid), cube.interval
        self.dims: tuple[str, ...] = ("y", "x")
        self.shape: tuple[int, ...] = self.grid.shape
        self.fill = cube.packing.fill
        self._slots, times, _ = cube_steps(cube, self._days)
        files = {day: stored.file for day, stored in self._days.items()}
        self._boxes = CubeArray(cube, files, self._slots, years=stored_years(cube, self._days))
        self.times: NDArray[np.datetime64] = times.astype("datetime64[s]")
        self.there = np.ones(times.size, np.bool_)
        self._free: list[NDArray[Any]] = []  # used slabs: new memory costs as much as decoding
        slab = cube.shards.chunk[0] * np.prod(cube.shards.shape[1:]) * cube.packing.itemsize
        self._room = BoundedSemaphore(max(1, int(_SLABS // slab)))

    def batches(self, workers: int) -> Sequence[NDArray[np.int64]]:  # noqa: ARG002 - independent of the number
        """Split the steps at the chunks' borders, so that one thread decodes each chunk."""
        length = self._cube.shards.chunk[0]
        days, steps = np.divmod(self._slots, self._cube.steps)
        numbers = days * self._cube.shards.grid[0] + steps // length
        return np.split(np.arange(self._slots.size), np.flatnonzero(np.diff(numbers)) + 1)

    def read(self, steps: NDArray[np.int64], take: Take) -> None:
        """Pass the frames of one chunk of time to `take`."""
        cube, layout = self._cube, self._cube.shards
        day, first = divmod(int(self._slots[steps[0]]), cube.steps)
        number = first // layout.chunk[0]
        file = self._days[day].file
        shard = cube.open_shard(file, layout)
        spans = {(y, x): shard.span((number, y, x)) for y, x in np.ndindex(layout.grid[1:])}
        wanted = {place: span for place, span in spans.items() if span is not None}
        pieces = dict(zip(wanted, cube.store.spans(file, list(wanted.values())), strict=True))
        # missing cells have all bits set, including the bit that marks them in the frames
        packing = cube.packing if cube.packing.flagged else cube.stored
        with self._slab() as slab:
            chunk = np.empty(layout.chunk, layout.dtype)
            _, rows, cols = layout.chunk
            for y, x in spans:
                box = np.s_[:, y * rows : (y + 1) * rows, x * cols : (x + 1) * cols]
                if (y, x) in pieces:
                    shard.decode((number, y, x), pieces[y, x], chunk)
                    slab[box] = chunk
                else:
                    slab[box] = layout.fill
            for step, slot in zip(steps.tolist(), self._slots[steps].tolist(), strict=True):
                take(step, slab[slot % cube.steps - number * layout.chunk[0]], packing, None)

    def cost(self, rows: slice, cols: slice) -> float:
        """Return what reading all steps of a box of cells takes, as a share of what reading whole fields takes."""
        y, x = (np.arange(axis.start, axis.stop) for axis in (rows, cols))
        whole = len(self.batches(1)) * math.prod(self._cube.shards.grid[1:]) * math.prod(self._cube.shards.chunk)
        return self._boxes.cost(y, x) / whole

    def blocks(self, rows: slice, cols: slice) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Yield the values of a box of cells, shape (time, y, x), in blocks of time, one of them read ahead."""
        cells = (rows.stop - rows.start) * (cols.stop - cols.start)
        parts = [slice(*cut) for cut in pairwise(self._boxes.cuts(cells, _BLOCK // 4))]
        read = partial(_values, self._boxes, rows, cols)
        with ThreadPoolExecutor(1) as pool:
            ahead = pool.submit(read, parts[0])
            for number, part in enumerate(parts):
                values = ahead.result()
                if part is not parts[-1]:
                    ahead = pool.submit(read, parts[number + 1])
                yield part, values

    @contextmanager
    def _slab(self) -> Iterator[NDArray[Any]]:
        """Yield memory for the fields of one chunk of time."""
        layout = self._cube.shards
        with self._room:
            slab = self._free.pop() if self._free else np.empty((layout.chunk[0], *layout.shape[1:]), layout.dtype)
            try:
                yield slab
            finally:
                self._free.append(slab)


def _values(array: Any, rows: slice, cols: slice, steps: slice) -> NDArray[np.float32]:
    from xarray.core.indexing import BasicIndexer  # noqa: PLC0415 - xarray is loaded where there is a cube

    values: NDArray[np.float32] = array[BasicIndexer((steps, rows, cols))]
    return values
