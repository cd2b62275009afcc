"""A cube's codes as one array that reads what is asked of it, straight from the shards."""

from __future__ import annotations

import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from radar_nb.cube.shards import covered
from radar_nb.formats.packing import FLAGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from radar_nb.cube.description import Cube
    from radar_nb.cube.shards import Chunk, Shard

    Covered = tuple[int, NDArray[np.intp], NDArray[np.intp]]

What = Literal["values", "packed", "flags"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """Where a day lies in the store.

    Attributes
    ----------
    key, stamp : str
    size : int
    """

    key: str
    stamp: str
    size: int


class CubeArray(BackendArray):
    """Steps of a cube, of shape (time, y, x).

    Parameters
    ----------
    cube : Cube
    places : dict of int to Place
        The shards of the days that are there.
    slots : ndarray of int64, shape (time,)
        Steps since 1970, as `Cube.slots` gives them, that are shown.
    what : {"values", "packed", "flags"}
    """

    def __init__(
        self, cube: Cube, places: dict[int, Place], slots: NDArray[np.int64], *, what: What = "values"
    ) -> None:
        self._cube = cube
        self._places = places
        self._slots = slots
        self._what = what
        self._format = cube.flag_shards if what == "flags" else cube.shards
        self.shape = (slots.size, *cube.shards.shape[1:])
        self.dtype = np.dtype("f4") if what == "values" else np.dtype(self._format.dtype)
        self._missing: Any = {"values": np.nan, "flags": FLAGS["no_data"], "packed": self._format.fill}[what]

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        scalar = tuple(axis for axis, index in enumerate(key) if isinstance(index, int | np.integer))
        times, y, x = (np.atleast_1d(np.arange(n)[k]) for n, k in zip(self.shape, key, strict=True))
        out = np.empty((times.size, y.size, x.size), self.dtype)
        if out.size:
            layout = self._format
            places = list(covered(y, layout.chunk[1])), list(covered(x, layout.chunk[2]))
            days = list(covered(self._slots[times], self._cube.steps))
            if len(days) == 1:
                self._read_day(days[0], places, out, _threads().map)
            else:
                list(_threads().map(lambda day: self._read_day(day, places, out, map), days))
        result: NDArray[Any] = out.squeeze(axis=scalar)
        return result

    def _read_day(
        self,
        wanted_day: Covered,
        places: tuple[list[Covered], list[Covered]],
        out: NDArray[Any],
        each: Callable[..., Iterable[None]],
    ) -> None:
        """Read some steps, rows and columns of a day into some places of `out`, pieces of it by `each`."""
        day, steps, at = wanted_day
        place = self._places.get(day)
        if place is None:
            out[at] = self._missing
            return
        cube, layout = self._cube, self._format
        shard = cube.open_shard(place.key, place.stamp, place.size, layout)
        rows, cols = places
        wanted = [
            _Piece((t, row, col), (inside, rows_in, cols_in), (at[there], rows_at, cols_at))
            for t, inside, there in covered(steps, layout.chunk[0])
            for row, rows_in, rows_at in rows
            for col, cols_in, cols_at in cols
        ]
        spans = {piece.chunk: span for piece in wanted if (span := shard.span(piece.chunk)) is not None}
        read = cube.store.spans(place.key, list(spans.values()), stamp=place.stamp)
        data = dict(zip(spans, read, strict=True))
        shares = [wanted[start::_SHARES] for start in range(min(_SHARES, len(wanted)))]
        for _ in each(lambda share: self._unpack(shard, data, share, out), shares):
            pass

    def _unpack(self, shard: Shard, data: dict[Chunk, Any], wanted: list[_Piece], out: NDArray[Any]) -> None:
        """Bring chunks to what is asked for, each into its place."""
        codes, values = _room(self._format.chunk, self._format.dtype)
        for piece in wanted:
            if piece.chunk not in data:
                out[np.ix_(*piece.at)] = self._missing
                continue
            shard.decode(piece.chunk, data[piece.chunk], codes)
            box = tuple(map(_slice, piece.inside))
            plain = all(isinstance(index, slice) for index in box)
            some = codes[box] if plain else codes[np.ix_(*piece.inside)]
            if self._what == "values":  # in memory that stays in the cache
                some = self._cube.stored.values(some, out=values.ravel()[: some.size].reshape(some.shape))
            target = tuple(map(_slice, piece.at))
            if all(isinstance(index, slice) for index in target):
                out[target] = some
            else:
                out[np.ix_(*piece.at)] = some


class _Piece(NamedTuple):
    """A chunk, the places in it that are asked for, and where they go."""

    chunk: Chunk
    inside: tuple[NDArray[np.intp], ...]
    at: tuple[NDArray[np.intp], ...]


_SHARES = 4
"""Shares into which the chunks of one day are dealt, for threads to unpack side by side."""


_own = threading.local()


def _room(chunk: Chunk, dtype: str) -> tuple[NDArray[Any], NDArray[np.float32]]:
    """Give this thread's room for a chunk of codes, and of values: memory that is used again."""
    if getattr(_own, "room", None) is None or (_own.room[0].shape, _own.room[0].dtype) != (chunk, np.dtype(dtype)):
        _own.room = np.empty(chunk, dtype), np.empty(chunk, np.float32)
    room: tuple[NDArray[Any], NDArray[np.float32]] = _own.room
    return room


@functools.cache
def _threads() -> ThreadPoolExecutor:
    """Give the threads that unpack, the same for all arrays: dask's own wait for them, and no core has two."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="radar_nb-cube")


def _slice(index: NDArray[np.intp]) -> slice | NDArray[np.intp]:
    """Give the slice that means the same as places along an axis, if there is one."""
    if index.size and index[-1] - index[0] == index.size - 1 and (np.diff(index) == 1).all():
        return slice(int(index[0]), int(index[-1]) + 1)
    return index
