"""Frames in archives as one array that reads only what is indexed.

A read goes through each part (day) once, forward, and selects the raw codes before decoding them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from xarray.backends import BackendArray
from xarray.core import indexing

from radar_nb.errors import SeriesError
from radar_nb.formats.cursor import iter_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

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
