"""From one grid to another: by exact overlap of cells, which keeps amounts of water, or from the nearest cell.

A cell of the source is carried into the target's plane by its four corners. Longitude and latitude are taken to be
the same numbers on the sphere and on WGS84, as DWD and wradlib do. Overlaps are first-order conservative weights
(Jones 1999, Monthly Weather Review 127, 2204-2210); the area that a cell shares with a target's cell is integrated
along its edges (Green's theorem), so that no polygon needs to be cut.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.errors import SettingsError
from radar_nb.grids import Grid, to_lonlat, to_xy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Method = Literal["overlap", "nearest"]

COVERED = 0.5
"""A cell of the target is missing where valid cells of the source cover less than this share of it."""

_BLOCK = 64  # rows of the source that are worked on at once: what keeps memory below 100 MB
_DUST = 1e-9  # shares of a cell that are rounding


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """The way from one grid to another.

    Attributes
    ----------
    source, target : Grid
    method : {"overlap", "nearest"}
    """

    source: Grid
    target: Grid
    method: Method
    _cells: NDArray[np.int32] = field(repr=False)  # (k, rows, cols): cells of the source, flat
    _areas: NDArray[np.float32] = field(repr=False)  # (k, rows, cols): the share of the target's cell

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel light: where a pickle is opened the weights are computed again."""
        return weights, (self.source, self.target, self.method)

    def apply(
        self,
        values: NDArray[np.float32],
        *,
        rows: Any = slice(None),
        cols: Any = slice(None),
    ) -> NDArray[np.float32]:
        """Give a field on the target.

        Parameters
        ----------
        values : ndarray of float32, shape of the source
            NaN where missing.
        rows, cols : slice or array of int
            Of the target; only these are computed.

        Returns
        -------
        ndarray of float32
            Means weighted by area of what is valid in each cell (amounts are depths of water: mm stay mm); NaN
            where valid cells cover less than half of it.
        """
        flat = values.ravel()
        valid = np.isfinite(flat).astype(np.float32)
        filled = np.where(valid, flat, np.float32(0))
        total: NDArray[np.float32] | None = None
        covered: NDArray[np.float32] | None = None
        for cells, areas in zip(self._cells, self._areas, strict=True):
            index, share = cells[rows][:, cols], areas[rows][:, cols]
            amount, area = share * filled[index], share * valid[index]
            total = amount if total is None else np.add(total, amount, out=total)
            covered = area if covered is None else np.add(covered, area, out=covered)
        if total is None or covered is None:
            nothing: NDArray[np.float32] = np.full(self.target.shape, np.nan, np.float32)[rows][:, cols]
            return nothing
        enough = covered >= COVERED
        result = np.full(total.shape, np.nan, np.float32)
        np.divide(total, covered, out=result, where=enough)
        return result


def weights(source: Grid, target: Grid, method: Method = "overlap") -> Weights:
    """Give the way from one grid to another, computed once in a process; seconds for the largest grids.

    Parameters
    ----------
    source, target : Grid
    method : {"overlap", "nearest"}

    Raises
    ------
    SettingsError
        No such method.
    """
    if method not in {"overlap", "nearest"}:
        raise SettingsError(f'regrid={method!r} is neither "overlap" (keeps amounts) nor "nearest" (keeps values)')
    return _weights(source, target, method)


@lru_cache(maxsize=4)
def _weights(source: Grid, target: Grid, method: Method) -> Weights:
    if method == "nearest" or _aligned(source, target):  # cells that coincide are copied
        cells, areas = _nearest(source, target)
    else:
        cells, areas = _gathered(list(_overlaps(source, target)), target)
    return Weights(source=source, target=target, method=method, _cells=cells, _areas=areas)


def _aligned(source: Grid, target: Grid) -> bool:
    steps = (source.x0 - target.x0) / target.cell, (source.y0 - target.y0) / target.cell
    whole = all(abs(step - round(step)) < _DUST for step in steps)
    return source.earth == target.earth and source.cell == target.cell and whole


def _carried(x: NDArray[Any], y: NDArray[Any], source: Grid, target: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give points of the source's plane in the target's plane."""
    if source.earth == target.earth:
        return x, y
    return to_xy(*to_lonlat(x, y, source.earth), target.earth)


def _nearest(source: Grid, target: Grid) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    centres_x, centres_y = np.meshgrid(target.x, target.y)
    x, y = _carried(centres_x, centres_y, target, source)
    col = np.floor((x - source.x0) / source.cell + 0.5).astype(np.int64)
    row = np.floor((y - source.y0) / source.cell + 0.5).astype(np.int64)
    inside = (col >= 0) & (col < source.cols) & (row >= 0) & (row < source.rows)
    cells = np.where(inside, row * source.cols + col, 0).astype(np.int32)
    return cells[None], inside.astype(np.float32)[None]


Overlap = tuple["NDArray[np.int64]", "NDArray[np.int64]", "NDArray[np.float64]"]


def _overlaps(source: Grid, target: Grid) -> Iterator[Overlap]:
    """Give pairs of cells (target, source, share of the target's cell), block by block of the source's rows."""
    edges_x = source.x0 + source.cell * (np.arange(source.cols + 1) - 0.5)
    edges_y = source.y0 + source.cell * (np.arange(source.rows + 1) - 0.5)
    for start in range(0, source.rows, _BLOCK):
        end = min(start + _BLOCK, source.rows)
        corners_x, corners_y = np.meshgrid(edges_x, edges_y[start : end + 1])
        x, y = _carried(corners_x, corners_y, source, target)
        u = (x - target.x0) / target.cell + 0.5  # in cells of the target, from its south-western corner
        v = (y - target.y0) / target.cell + 0.5
        cells = np.arange(start * source.cols, end * source.cols)
        yield from _of_quads(_corners(u), _corners(v), cells, target)


def _corners(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the four corners of each cell, counter-clockwise, shape (4, cells)."""
    return np.stack([values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]]).reshape(4, -1)


def _of_quads(
    u: NDArray[np.float64], v: NDArray[np.float64], cells: NDArray[np.int64], target: Grid
) -> Iterator[Overlap]:
    """Give the overlaps of quadrilaterals with the cells of the target that they may touch."""
    col, row = np.floor(u.min(axis=0)), np.floor(v.min(axis=0))
    u, v = u - col, v - row
    wide, high = int(np.ceil(u.max())), int(np.ceil(v.max()))
    below = [[_below(u, v, a, b) for a in range(wide + 1)] for b in range(high + 1)]
    for j in range(high):
        for i in range(wide):
            share = below[j + 1][i + 1] - below[j + 1][i] - below[j][i + 1] + below[j][i]
            at_col, at_row = col + i, row + j
            touched = (
                (share > _DUST) & (at_col >= 0) & (at_col < target.cols) & (at_row >= 0) & (at_row < target.rows)
            )
            flat = (at_row[touched] * target.cols + at_col[touched]).astype(np.int64)
            yield flat, cells[touched], share[touched]


def _below(u: NDArray[np.float64], v: NDArray[np.float64], a: int, b: int) -> NDArray[np.float64]:
    """Give the area of each quadrilateral that lies left of u = a and below v = b.

    By Green's theorem it is the integral of min(v, b) du along the edges, as far as u <= a.
    """
    area = np.zeros(u.shape[1])
    for at in range(4):
        u1, v1, u2, v2 = u[at], v[at], u[at - 3], v[at - 3]
        start, end = np.minimum(u1, a), np.minimum(u2, a)
        slope = np.divide(v2 - v1, u2 - u1, out=np.zeros_like(u1), where=u1 != u2)
        d1, d2 = b - (v1 + slope * (start - u1)), b - (v1 + slope * (end - u1))  # how far below b
        # the mean of max(d, 0) over an edge on which d is linear
        large, small = np.maximum(d1, d2), np.minimum(d1, d2)
        spread = np.where(large > small, large - small, 1.0)
        mean = np.where(small >= 0, (d1 + d2) / 2, np.maximum(large, 0) ** 2 / (2 * spread))
        area -= (end - start) * (b - mean)
    return area


def _gathered(pairs: list[Overlap], target: Grid) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Order the pairs by target: its first source cell, its second, and so on."""
    flat, cells, shares = (np.concatenate(column) for column in zip(*pairs, strict=True))
    order = np.argsort(flat, kind="stable")
    flat, cells, shares = flat[order], cells[order], shares[order]
    first = np.searchsorted(flat, flat)
    rank = np.arange(flat.size) - first
    depth = int(rank.max()) + 1 if flat.size else 0
    sources = np.zeros((depth, target.rows * target.cols), np.int32)
    areas = np.zeros(sources.shape, np.float32)
    sources[rank, flat] = cells
    areas[rank, flat] = shares
    shape = (depth, target.rows, target.cols)
    return sources.reshape(shape), areas.reshape(shape)
