"""Frames in archives as one array that reads only what is indexed.

A read goes through each part (day) once, forward, and selects the raw codes before decoding them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from radar_nb.dwd.grids import to_lonlat
from radar_nb.errors import SeriesError
from radar_nb.formats.cursor import iter_codes

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid
    from radar_nb.formats.index import Frames
    from radar_nb.formats.packing import Packing
    from radar_nb.reading.regridding import Weights

What = Literal["values", "packed", "flags"]


class FrameArray(BackendArray):
    """The frames of a series, of shape (time, y, x), or (time, lead, y, x) for several lead times.

    Parameters
    ----------
    frames : Frames
    slots : ndarray of int64, shape (time,) or (time, lead)
        Numbers of rows in `frames`; -1 for missing frames.
    packings : sequence of Packing
        One for each kind of frame.
    shape : tuple of int
        Rows and columns.
    what : {"values", "packed", "flags"}
    weights : sequence of Weights or None
        For each kind, the weights to the grid of `shape`; None if it has that grid.
    """

    def __init__(
        self,
        frames: Frames,
        slots: NDArray[np.int64],
        packings: Sequence[Packing],
        shape: tuple[int, int],
        *,
        what: What = "values",
        weights: Sequence[Weights | None] = (),
    ) -> None:
        self._frames = frames
        self._slots = slots
        self._packings = packings
        self._what = what
        self._weights = weights or [None] * len(packings)
        self.shape = (*slots.shape, *shape)
        dtypes: dict[What, np.dtype[Any]] = {
            "values": np.dtype("f4"),
            "flags": np.dtype("u1"),
            "packed": packings[0].dtype,
        }
        self.dtype = dtypes[what]
        self._missing: Any = {"values": np.nan, "flags": 2, "packed": packings[0].fill}[what]

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        scalar = tuple(axis for axis, index in enumerate(key) if isinstance(index, int | np.integer))
        *places, y, x = (slice(k, (k + 1) or None) if axis in scalar else k for axis, k in enumerate(key))
        box = (y, x)
        slots = self._slots[np.ix_(*(np.arange(n)[k] for n, k in zip(self._slots.shape, places, strict=True)))]
        cells = tuple(np.arange(n)[k].size for n, k in zip(self.shape[-2:], box, strict=True))
        out = np.empty((*slots.shape, *cells), self.dtype)
        fields = out.reshape(slots.size, *cells)
        wanted = slots.ravel()
        fields[wanted < 0] = self._missing
        order = np.flatnonzero(wanted >= 0)
        if out.size and order.size:
            rows = self._frames.rows[wanted[order]]
            order = order[np.lexsort((rows["position"], rows["part"]))]
            found = iter_codes(self._frames, wanted[order].tolist(), self._packings, marks=True)
            for place, (kind, codes, packing) in zip(order.tolist(), found, strict=True):
                self._decode(codes, packing, self._weights[kind], box, fields[place])
        result: NDArray[Any] = out.squeeze(axis=scalar)
        return result

    def _decode(
        self, codes: NDArray[Any], packing: Packing, weights: Weights | None, box: Any, out: NDArray[Any]
    ) -> None:
        if weights is not None:
            weights.apply(packing.values(codes), out, rows=box[0], cols=box[1])
            return
        codes = codes[box[0]][:, box[1]]
        if self._what == "values":
            packing.values(codes, out=out)
        elif self._what == "flags":
            packing.flags(codes, out=out)
        elif packing == self._packings[0]:
            packing.packed(codes, out=out)
        else:
            raise no_packing()


def no_packing() -> SeriesError:
    """Return the error for packed integers that do not exist."""
    return SeriesError(
        "the frames encode values in different ways, so that no packed integers can hold them all: "
        "omit packed=True"
    )


def degrees_of(grid: Grid) -> dict[str, xr.Variable]:
    """Return the coordinates `lon` and `lat` of a grid, which are computed where they are read."""
    kept: dict[str, tuple[Hashable, NDArray[np.float64]]] = {}
    names = {"lon": ("longitude", "degrees_east"), "lat": ("latitude", "degrees_north")}
    return {
        key: xr.Variable(
            ("y", "x"),
            indexing.LazilyIndexedArray(_Degrees(grid, key, kept)),
            {"standard_name": name, "units": unit},
            {"_FillValue": None},
        )
        for key, (name, unit) in names.items()
    }


class _Degrees(BackendArray):
    """Longitudes or latitudes of a grid.

    One projection yields both: that which was not asked for is kept until the same cells of it are read.

    Parameters
    ----------
    grid : Grid
    name : {"lon", "lat"}
    kept : dict
        Of both arrays of a Dataset: by name, which cells are kept, and their degrees.
    """

    def __init__(self, grid: Grid, name: str, kept: dict[str, tuple[Hashable, NDArray[np.float64]]]) -> None:
        self._grid = grid
        self._name = name
        self._kept = kept
        self.shape = grid.shape
        self.dtype = np.dtype(np.float64)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Return the degrees of some cells."""
        outer = indexing.IndexingSupport.OUTER
        return indexing.explicit_indexing_adapter(key, self.shape, outer, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[np.float64]:
        scalar = tuple(axis for axis, index in enumerate(key) if isinstance(index, int | np.integer))
        rows, cols = (np.atleast_1d(np.arange(n)[index]) for n, index in zip(self.shape, key, strict=True))
        where = rows.tobytes(), cols.tobytes()
        there, found = self._kept.pop(self._name, (None, None))
        if found is None or there != where:
            degrees = {name: np.empty((rows.size, cols.size)) for name in ("lon", "lat")}
            for start in range(0, rows.size, _ROWS):
                x, y = np.meshgrid(self._grid.x[cols], self._grid.y[rows[start : start + _ROWS]])
                found_here = to_lonlat(x, y, self._grid.earth)
                for values, some in zip(degrees.values(), found_here, strict=True):
                    values[start : start + _ROWS] = some
            found = degrees.pop(self._name)
            self._kept |= {name: (where, values) for name, values in degrees.items()}
        return found.squeeze(scalar)


_ROWS = 256
"""Rows that are projected at once: 9 MB of HX."""
