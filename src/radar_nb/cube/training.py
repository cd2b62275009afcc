"""Random crops of a cube for training, with masks, in an order that decodes each chunk about once.

A crop of 12 x 256 x 256 touches 16 to 32 chunks; decoding them anew for each crop would cost ten times the crop.
Crops are therefore drawn from a few stretches of time at once, whose decoded chunks stay in memory: shuffled among
these, and the stretches shuffled over all years.
"""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from radar_nb.cube.opening import required_cube, sound_days
from radar_nb.errors import NothingFound, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from radar_nb.cube.description import Cube
    from radar_nb.cube.shards import Shard
    from radar_nb.cube.stores import StoredFile

_MB = 1 << 20
_OPEN = 64
"""Indexes of shards that are kept: one has some 12 kB."""
_NARROW = 2
"""Maximum bytes of a code of which statistics count every value."""


class Crop(NamedTuple):
    """A part of a cube.

    Attributes
    ----------
    values : ndarray of float32, shape (steps, rows, cols)
        In the cube's unit; missing cells as `fill` says.
    there : ndarray of bool, shape (steps, rows, cols)
        Which cells have data.
    time : int
        End of the first interval, seconds since 1970, UTC.
    row, col : int
        The south-western cell.
    """

    values: NDArray[np.float32]
    there: NDArray[np.bool_]
    time: int
    row: int
    col: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Statistics of all values of the chosen years, exact, from counts of codes.

    Attributes
    ----------
    mean, std : float
        Of the values, in the cube's unit.
    log_mean, log_std : float
        Of log(1 + value).
    largest : float
    wet : float
        Share of values above 0.
    missing : float
        Share of cells without data in the frames that exist.
    frames : int
    """

    mean: float
    std: float
    log_mean: float
    log_std: float
    largest: float
    wet: float
    missing: float
    frames: int


class Crops:
    """An iterable of random crops of a cube, for training.

    A crop covers consecutive frames, none of which is missing. An epoch reads every cell about once, whatever the
    size of a crop. The order depends on `seed` and epoch alone. A process decodes each chunk about once, keeps
    `memory` of them, and uses one thread; more processes share an epoch (`part`, or `for_torch`).

    Parameters
    ----------
    store : path, str, or store of obstore
        A cube, as for `open_cube`.
    steps : int
        Frames of a crop.
    size : int or tuple of int
        Rows and columns of a crop.
    years : iterable of int, optional
        Only crops whose frames all end in these years, for example to divide training from validation.
    fill : float
        Value of missing cells. NaN by default: replace it only together with the mask `there`.
    seed, epoch : int
    memory : int
        Megabytes (2**20 bytes) of decoded chunks that a process keeps: the more, the more stretches of time are
        mixed. At least one stretch is kept.

    Raises
    ------
    SettingsError
        A crop does not fit into the cube.
    NothingFound
        There is no cube, or it has no such crop.
    CubeError, DamagedShard, StorageError
        As for `open_cube`.

    Examples
    --------
    >>> crops = Crops("YW.zarr", steps=12, size=256, years=range(2001, 2020))  # doctest: +SKIP
    >>> for values, there, time, row, col in crops.epoch(3):  # doctest: +SKIP
    ...     train(values, there)
    """

    def __init__(
        self,
        store: Any,
        *,
        steps: int,
        size: int | tuple[int, int],
        years: Iterable[int] | None = None,
        fill: float = np.nan,
        seed: int = 0,
        epoch: int = 0,
        memory: int = 512,
    ) -> None:
        cube = required_cube(store)
        rows, cols = (size, size) if isinstance(size, int) else size
        grid = cube.shards.shape[1:]
        if steps < 1 or memory < 1 or not (0 < rows <= grid[0] and 0 < cols <= grid[1]):
            raise SettingsError(
                f"steps={steps}, size={size}, memory={memory} is not possible: {cube.store.name} has "
                f"{grid[0]} x {grid[1]} cells; use 1 or more steps and megabytes, and a size up to that"
            )
        if cube.packing.itemsize > _NARROW:
            raise SettingsError(
                f"{cube.store.name} holds codes of {cube.packing.itemsize} bytes, not amounts: use a "
                "cube of YW, RW or another product of two bytes"
            )
        self._plan = _Plan.of(cube, steps, (rows, cols), None if years is None else set(years))
        self._fill, self._seed, self._epoch = fill, seed, epoch
        self._part, self._parts = 0, 1
        self._mixed = max(1, memory * _MB // self._plan.stretch_bytes)
        self._cache: _Cache | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Leave decoded chunks behind: a process has its own."""
        return self.__dict__ | {"_cache": None}

    @property
    def unit(self) -> str:
        """The unit of the values."""
        return str(self._plan.cube.attrs["units"])

    def epoch(self, number: int) -> Crops:
        """Return the same crops in the order, and at the places, of another epoch."""
        return self._changed(_epoch=number)

    def part(self, number: int, of: int) -> Crops:
        """Return one of several parts of the epoch, which together hold each of its crops once.

        Parameters
        ----------
        number : int
            From 0.
        of : int
            The number of parts, for example of worker processes.
        """
        if not 0 <= number < of:
            raise SettingsError(f"part {number} of {of} does not exist: use a number from 0 to {of - 1}")
        return self._changed(_part=self._part + number * self._parts, _parts=self._parts * of)

    def _changed(self, **changes: Any) -> Crops:
        other = object.__new__(Crops)
        other.__dict__ |= self.__getstate__() | changes
        return other

    def __len__(self) -> int:
        """Return the number of crops of an epoch, or of this part of it."""
        pools = range(self._part, math.ceil(len(self._plan.stretches) / self._mixed), self._parts)
        count = sum(min(self._mixed, len(self._plan.stretches) - pool * self._mixed) for pool in pools)
        return count * self._plan.each

    def __iter__(self) -> Iterator[Crop]:
        """Yield the crops of the epoch, or of this part of it."""
        plan = self._plan
        order = np.random.default_rng((self._seed, self._epoch)).permutation(len(plan.stretches))
        for pool in range(self._part, math.ceil(order.size / self._mixed), self._parts):
            rng = np.random.default_rng((self._seed, self._epoch, pool))
            yield from self._mixed_crops(order[pool * self._mixed : (pool + 1) * self._mixed], rng)

    def _mixed_crops(self, numbers: NDArray[np.intp], rng: np.random.Generator) -> Iterator[Crop]:
        """Yield the crops of some stretches of time, shuffled."""
        plan = self._plan
        stretches = rng.permutation(np.repeat(numbers, plan.each))
        rows = rng.integers(0, plan.grid[0] - plan.size[0] + 1, stretches.size)
        cols = rng.integers(0, plan.grid[1] - plan.size[1] + 1, stretches.size)
        for number, row, col in zip(stretches.tolist(), rows.tolist(), cols.tolist(), strict=True):
            yield self._read(int(rng.choice(plan.stretches[number])), row, col)

    def _read(self, slot: int, row: int, col: int) -> Crop:
        plan, cube = self._plan, self._plan.cube
        if self._cache is None or self._cache.process != os.getpid():
            self._cache = _Cache(plan, room=(self._mixed + 1) * plan.stretch_bytes)
        codes = self._cache.codes(slot, row, col)
        there = codes != cube.shards.fill
        values = cube.stored.values(codes, out=np.empty(codes.shape, np.float32))
        if not math.isnan(self._fill):
            values[~there] = self._fill
        return Crop(values, there, int(cube.times(np.array([slot]))[0]), row, col)

    def statistics(self) -> Statistics:
        """Return mean, deviation and more of all values of the chosen years; each day is read once."""
        plan, cube = self._plan, self._plan.cube
        counts = np.zeros(1 << 8 * cube.packing.itemsize, np.int64)
        for day in sorted(plan.files):
            counts += plan.counts_of(day)
        held = int(counts.sum()) - int(counts[cube.shards.fill])
        frames = sum(int(there.sum()) for there in plan.frames.values())
        codes = np.flatnonzero(counts)
        codes = codes[codes != cube.shards.fill]
        values = cube.stored.values(codes.astype(cube.shards.dtype)).astype(np.float64)
        known, weights = values[~np.isnan(values)], counts[codes][~np.isnan(values)]
        if not weights.sum():
            raise NothingFound(f"{cube.store.name} has no value in these years: choose others")
        logs = np.log1p(np.maximum(known, 0))
        mean, log_mean = np.average(known, weights=weights), np.average(logs, weights=weights)
        return Statistics(
            mean=float(mean),
            std=float(np.sqrt(np.average((known - mean) ** 2, weights=weights))),
            log_mean=float(log_mean),
            log_std=float(np.sqrt(np.average((logs - log_mean) ** 2, weights=weights))),
            largest=float(known.max()),
            wet=float(weights[known > 0].sum() / weights.sum()),
            missing=1 - held / (frames * math.prod(plan.grid)),
            frames=frames,
        )

    def for_torch(self) -> Any:
        """Return the crops as an iterable dataset of PyTorch, whose workers share each epoch.

        Its items are dictionaries of the fields of `Crop`, which `DataLoader` joins into batches.

        Raises
        ------
        SettingsError
            PyTorch is not installed.
        """
        try:
            from radar_nb.cube.torch_crops import TorchCrops  # noqa: PLC0415 - PyTorch is not a dependency
        except ImportError as error:
            raise SettingsError("for_torch needs PyTorch, which is not installed: pip install torch") from error
        return TorchCrops(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Plan:
    """Which crops a cube has.

    Attributes
    ----------
    cube : Cube
    files : dict of int to StoredFile
        The shards of the chosen days.
    frames : dict of int to ndarray of bool
        Which steps of a day have a frame in the chosen years.
    stretches : list of ndarray of int64
        For each stretch of time with a crop, the first steps of its crops.
    """

    cube: Cube
    steps: int
    size: tuple[int, int]
    files: dict[int, StoredFile]
    frames: dict[int, NDArray[np.bool_]]
    stretches: list[NDArray[np.int64]]

    @classmethod
    def of(cls, cube: Cube, steps: int, size: tuple[int, int], years: set[int] | None) -> _Plan:
        days, _ = sound_days(cube, "raise")
        files, frames, slots = {}, {}, []
        for day, stored in days.items():
            there = stored.record.there.copy()
            numbers = day * cube.steps + np.arange(cube.steps)
            if years is not None:
                ends = cube.times(numbers).astype("datetime64[s]").astype("datetime64[Y]").astype(int) + 1970
                there &= np.isin(ends, list(years))
            if there.any():
                files[day], frames[day] = stored.file, there
                slots.append(numbers[there])
        joined = np.concatenate(slots) if slots else np.empty(0, np.int64)
        last = joined[steps - 1 :]
        first = joined[: last.size][last - joined[: last.size] == steps - 1]
        if not first.size:
            raise NothingFound(
                f"{cube.store.name} has no {steps} consecutive frames in these years: choose fewer steps or "
                "other years"
            )
        length = cube.shards.chunk[0] * math.ceil(steps / cube.shards.chunk[0])
        stretches = np.split(first, np.flatnonzero(np.diff(first // length)) + 1)
        return cls(cube=cube, steps=steps, size=size, files=files, frames=frames, stretches=stretches)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of the cube."""
        return self.cube.shards.shape[1:]

    @property
    def length(self) -> int:
        """Steps of a stretch: as many chunks as a crop is long."""
        chunk = self.cube.shards.chunk[0]
        return chunk * math.ceil(self.steps / chunk)

    @property
    def stretch_bytes(self) -> int:
        """Bytes of the codes of a stretch."""
        return self.length * math.prod(self.grid) * self.cube.packing.itemsize

    @property
    def each(self) -> int:
        """Crops of a stretch in an epoch: as many as have its size."""
        return max(1, round(self.length * math.prod(self.grid) / (self.steps * math.prod(self.size))))

    def counts_of(self, day: int) -> NDArray[np.int64]:
        """Return how often each code occurs in the chosen frames of a day; missing chunks are not counted."""
        layout, chosen = self.cube.shards, self.frames[day]
        shard = self.cube.open_shard(self.files[day], layout)
        (data,) = self.cube.store.spans(self.files[day], [(0, self.files[day].size)])
        counts = np.zeros(1 << 8 * self.cube.packing.itemsize, np.int64)
        codes = np.empty(layout.chunk, layout.dtype)
        for chunk in shard.chunks():
            start, length = shard.span(chunk) or (0, 0)
            shard.decode(chunk, memoryview(data)[start : start + length], codes)
            some = codes[chosen[chunk[0] * layout.chunk[0] : (chunk[0] + 1) * layout.chunk[0]]]
            counts += np.bincount(some.ravel(), minlength=counts.size)
        return counts


@dataclass(slots=True)
class _Cache:
    """The decoded chunks of a process, those used last.

    Attributes
    ----------
    plan : _Plan
    room : int
        Bytes.
    """

    plan: _Plan
    room: int
    process: int = field(default_factory=os.getpid)
    _chunks: OrderedDict[tuple[int, int, int], NDArray[Any] | None] = field(default_factory=OrderedDict)
    _shards: OrderedDict[int, Shard] = field(default_factory=OrderedDict)
    _spare: list[NDArray[Any]] = field(default_factory=list)

    def codes(self, slot: int, row: int, col: int) -> NDArray[Any]:
        """Return the codes of a crop."""
        plan, layout = self.plan, self.plan.cube.shards
        shape = (plan.steps, *plan.size)
        out = np.empty(shape, layout.dtype)
        ranges = [
            [
                (n, max(start, n * c), min(start + size, (n + 1) * c))
                for n in range(start // c, -(-(start + size) // c))
            ]
            for start, size, c in zip((slot, row, col), shape, layout.chunk, strict=True)
        ]
        times, rows, cols = ranges
        self._load([(t, y, x) for t, _, _ in times for y, _, _ in rows for x, _, _ in cols])
        for t, t0, t1 in times:
            for y, y0, y1 in rows:
                for x, x0, x1 in cols:
                    to = out[t0 - slot : t1 - slot, y0 - row : y1 - row, x0 - col : x1 - col]
                    chunk = self._chunks[t, y, x]
                    ct, cy, cx = (n * c for n, c in zip((t, y, x), layout.chunk, strict=True))
                    to[:] = (
                        layout.fill
                        if chunk is None
                        else chunk[t0 - ct : t1 - ct, y0 - cy : y1 - cy, x0 - cx : x1 - cx]
                    )
        return out

    def _load(self, wanted: list[tuple[int, int, int]]) -> None:
        """Decode the chunks that are not there, and forget those used longest ago."""
        layout = self.plan.cube.shards
        new: dict[int, list[tuple[int, int, int]]] = {}
        for key in wanted:
            if key in self._chunks:
                self._chunks.move_to_end(key)
            else:
                new.setdefault(key[0] // layout.grid[0], []).append(key)
        for day, keys in new.items():
            shard = self._shard(day)
            places = {key: (key[0] - day * layout.grid[0], *key[1:]) for key in keys}
            spans = {key: span for key in keys if (span := shard.span(places[key])) is not None}
            data = dict(
                zip(spans, self.plan.cube.store.spans(self.plan.files[day], list(spans.values())), strict=True)
            )
            for key in keys:
                self._chunks[key] = None
                if key in data:
                    codes = self._spare.pop() if self._spare else np.empty(layout.chunk, layout.dtype)
                    shard.decode(places[key], data[key], codes)
                    self._chunks[key] = codes
        limit = max(len(wanted), self.room // (math.prod(layout.chunk) * np.dtype(layout.dtype).itemsize))
        while len(self._chunks) > limit:
            _, chunk = self._chunks.popitem(last=False)
            if chunk is not None:
                self._spare.append(chunk)

    def _shard(self, day: int) -> Shard:
        if day not in self._shards:
            self._shards[day] = self.plan.cube.open_shard(self.plan.files[day], self.plan.cube.shards)
            if len(self._shards) > _OPEN:
                self._shards.popitem(last=False)
        return self._shards[day]
