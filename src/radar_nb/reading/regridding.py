"""Regrid by exact overlap of cells, which conserves amounts of water, or from the nearest cell.

A cell of the source is transformed into the target's plane by its four corners. Longitude and latitude are assumed
equal on the sphere and on WGS84, as DWD and wradlib do. Overlaps are first-order conservative weights (Jones 1999,
Monthly Weather Review 127, 2204-2210); the area shared by a source cell and a target cell is integrated along its
edges (Green's theorem), so that no polygon needs to be clipped.

The target is processed in bands of rows, both here and for each field: a band fits into the cache.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.dwd.grids import Grid, to_lonlat, to_xy
from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Method = Literal["overlap", "nearest"]

COVERED = 0.5
"""A cell of the target is missing if valid cells of the source cover less than this share of it."""

_BAND = 32  # rows of the target
_DUST = 1e-9  # shares of a cell that are rounding errors


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Weights:
    """The weights from one grid to another.

    Attributes
    ----------
    source, target : Grid
    method : {"overlap", "nearest"}
    """

    source: Grid
    target: Grid
    method: Method
    _bands: tuple[_Band, ...] = field(repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle without the weights, which are computed again."""
        return weights, (self.source, self.target, self.method)

    def apply(
        self,
        values: NDArray[np.float32],
        out: NDArray[np.float32] | None = None,
        *,
        rows: slice | NDArray[np.integer] = slice(None),
        cols: slice | NDArray[np.integer] = slice(None),
    ) -> NDArray[np.float32]:
        """Return a field on the target.

        Parameters
        ----------
        values : ndarray of float32, shape of the source
            NaN where missing.
        out : ndarray of float32, optional
            Array for the result, of the same shape.
        rows, cols : slice or array of int
            Rows and columns of the target to compute.

        Returns
        -------
        ndarray of float32
            Area-weighted means of the valid parts of each cell (amounts are depths of water: mm stay mm); NaN if
            valid cells cover less than half of it. The exact values with "nearest" and between grids whose cells
            coincide.

        Raises
        ------
        SettingsError
            The field's shape differs from the source's.
        """
        if values.shape != self.source.shape:
            raise SettingsError(
                f"a field of {values.shape} does not fit {self.source.name}, which has {self.source.shape} cells: "
                "pass whole fields"
            )
        row, col = np.arange(self.target.rows)[rows], np.arange(self.target.cols)[cols]
        result = np.empty((row.size, col.size), np.float32) if out is None else out
        for start, band in zip(range(0, self.target.rows, _BAND), self._bands, strict=True):
            here = np.flatnonzero((row >= start) & (row < start + _BAND))
            if here.size:
                result[_run(here)] = band.apply(values, _run(row[here] - start), _run(col))
        return result


def _run(numbers: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return consecutive numbers as a slice, to index an array without a copy."""
    if numbers.size and np.array_equal(numbers, np.arange(numbers[0], numbers[0] + numbers.size)):
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Band:
    """How some rows of the target depend on some rows of the source.

    Without areas it copies single cells; -1 is outside the source.
    """

    reads: slice  # rows of the source
    cells: NDArray[np.int32]  # (k, rows, cols): flat, counted from the first row read
    areas: NDArray[np.float32] | None = None  # (k, rows, cols): share of the target's cell

    def apply(self, values: NDArray[np.float32], rows: Any, cols: Any) -> NDArray[np.float32]:
        cells = self.cells[:, rows][:, :, cols]
        result = np.full(cells.shape[1:], np.nan, np.float32)
        read = values[self.reads]
        if not len(cells):
            return result
        if self.areas is None:
            np.copyto(result, read.ravel().take(cells[0]), where=cells[0] >= 0)
            return result
        # value and validity are one complex number: both are gathered, weighted and summed at once
        pairs = np.zeros(read.shape, np.complex64)
        valid = np.isfinite(read)
        np.copyto(pairs.real, read, where=valid)
        pairs.imag = valid
        total = np.zeros(result.shape, np.complex64)
        for index, share in zip(cells, self.areas[:, rows][:, :, cols], strict=True):
            part = pairs.ravel().take(index)
            part *= share
            total += part
        np.divide(total.real, total.imag, out=result, where=total.imag >= COVERED)
        return result


def weights(source: Grid, target: Grid, method: Method = "overlap") -> Weights:
    """Return the weights from one grid to another, computed once per process.

    Computing takes two to three seconds between DWD's grids of 1 km, half a minute from 250 m on the other earth.

    Parameters
    ----------
    source, target : Grid
    method : {"overlap", "nearest"}

    Raises
    ------
    SettingsError
        The method is unknown.

    Examples
    --------
    >>> from radar_nb.dwd.grids import GRIDS
    >>> way = weights(GRIDS["de900"], GRIDS["de1200"])
    >>> way.apply(np.ones((900, 900), np.float32)).shape
    (1200, 1100)
    """
    if method not in {"overlap", "nearest"}:
        raise SettingsError(f'regrid={method!r} is neither "overlap" (keeps amounts) nor "nearest" (keeps values)')
    return _weights(source, target, method)


@lru_cache(maxsize=4)
def _weights(source: Grid, target: Grid, method: Method) -> Weights:
    way = _copied if method == "nearest" or _aligned(source, target) else _shared
    starts = range(0, target.rows, _BAND)
    bands = tuple(way(source, target, range(target.rows)[start : start + _BAND]) for start in starts)
    return Weights(source=source, target=target, method=method, _bands=bands)


def overlaps(
    u: NDArray[np.float64], v: NDArray[np.float64], rows: int, cols: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the exact overlaps of a mesh's cells with the unit squares of a grid of rows and columns.

    Parameters
    ----------
    u, v : ndarray of float64, shape (rows of the mesh + 1, columns + 1)
        Corners of the mesh's cells, counted in squares from the grid's south-western corner.
    rows, cols : int
        Size of the grid.

    Returns
    -------
    square, cell : ndarray of int64
        Flat numbers of the square and of the mesh's cell that overlap.
    share : ndarray of float64
        Area of the overlap, in squares.
    """
    return _overlaps(_corners(u), _corners(v), rows, cols)


def _aligned(source: Grid, target: Grid) -> bool:
    steps = (source.x0 - target.x0) / target.cell, (source.y0 - target.y0) / target.cell
    whole = all(abs(step - round(step)) < _DUST for step in steps)
    return source.earth == target.earth and source.cell == target.cell and whole


def _carried(x: NDArray[Any], y: NDArray[Any], source: Grid, target: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return points of the source's plane, in cells of the target from its south-western corner."""
    if source.earth != target.earth:
        x, y = to_xy(*to_lonlat(x, y, source.earth), target.earth)
    return (x - target.x0) / target.cell + 0.5, (y - target.y0) / target.cell + 0.5


def _edges(grid: Grid, rows: range) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of all cells of some rows in metres, shape (rows + 1, cols + 1)."""
    x = grid.x0 + grid.cell * (np.arange(grid.cols + 1) - 0.5)
    y = grid.y0 + grid.cell * (np.arange(rows.start, rows.stop + 1) - 0.5)
    corners_x, corners_y = np.meshgrid(x, y)
    return corners_x, corners_y


def _copied(source: Grid, target: Grid, rows: range) -> _Band:
    """Assign to each cell of the target the source cell that contains its centre."""
    x, y = np.meshgrid(target.x, target.y[rows.start : rows.stop])
    u, v = _carried(x, y, target, source)
    col, row = np.floor(u).astype(np.int64), np.floor(v).astype(np.int64)
    inside = (col >= 0) & (col < source.cols) & (row >= 0) & (row < source.rows)
    if not inside.any():
        return _Band(reads=slice(0, 0), cells=np.zeros((0, *inside.shape), np.int32))
    reads = slice(int(row[inside].min()), int(row[inside].max()) + 1)
    cells = np.where(inside, (row - reads.start) * source.cols + col, -1)
    return _Band(reads=reads, cells=cells.astype(np.int32)[None])


def _shared(source: Grid, target: Grid, rows: range) -> _Band:
    """Assign to each cell of the target the cells of the source that it overlaps, with their shares."""
    _, v = _carried(*_edges(target, rows), target, source)
    # one more row on either side: edges are curved between the corners
    low, high = int(np.floor(v.min())) - 1, int(np.ceil(v.max())) + 1
    reads = range(source.rows)[max(low, 0) : max(high, 0)]
    u, v = _carried(*_edges(source, reads), source, target)
    flat, cells, shares = overlaps(u, v - rows.start, len(rows), target.cols)

    order = np.argsort(flat, kind="stable")  # each target's first cell, its second, and so on
    flat = flat[order]
    rank = np.arange(flat.size) - np.searchsorted(flat, flat)
    depth = int(rank.max(initial=-1)) + 1
    index = np.zeros((depth, len(rows) * target.cols), np.int32)
    areas = np.zeros(index.shape, np.float32)
    index[rank, flat] = cells[order]
    areas[rank, flat] = shares[order]
    shape = (depth, len(rows), target.cols)
    return _Band(reads=slice(reads.start, reads.stop), cells=index.reshape(shape), areas=areas.reshape(shape))


def _corners(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the four corners of each cell, counter-clockwise, shape (4, cells)."""
    return np.stack([values[:-1, :-1], values[:-1, 1:], values[1:, 1:], values[1:, :-1]]).reshape(4, -1)


def _overlaps(
    u: NDArray[np.float64], v: NDArray[np.float64], rows: int, cols: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return every overlap of quadrilaterals with unit squares: flat number of the square, quadrilateral, area."""
    near = (u.max(axis=0) > 0) & (u.min(axis=0) < cols) & (v.max(axis=0) > 0) & (v.min(axis=0) < rows)
    quads = np.flatnonzero(near)
    u, v = u[:, quads], v[:, quads]
    col, row = np.floor(u.min(axis=0)).astype(np.int64), np.floor(v.min(axis=0)).astype(np.int64)
    u, v = u - col, v - row
    wide, high = int(np.ceil(u.max(initial=0))), int(np.ceil(v.max(initial=0)))
    below = np.zeros((high + 1, wide + 1, quads.size))
    for b in range(1, high + 1):
        for a in range(1, wide + 1):
            below[b, a] = _below(u, v, a, b)
    shares = np.diff(np.diff(below, axis=0), axis=1)
    above, right, quad = np.nonzero(shares > _DUST)
    at_row, at_col = row[quad] + above, col[quad] + right
    inside = (at_row >= 0) & (at_row < rows) & (at_col >= 0) & (at_col < cols)
    return (at_row * cols + at_col)[inside], quads[quad[inside]], shares[above, right, quad][inside]


def _below(u: NDArray[np.float64], v: NDArray[np.float64], a: int, b: int) -> NDArray[np.float64]:
    """Return the area of each quadrilateral that is left of u = a and below v = b.

    By Green's theorem it is the integral of -min(v, b) du along the edges, counter-clockwise, up to u = a.
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
