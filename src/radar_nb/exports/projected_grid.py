"""A grid of square cells in a model's projection, and the exact shares of DWD's cells in each.

Depths of water are averaged over the overlaps, weighted by area in the model's plane (first-order conservative,
Jones 1999), so that the water of a storm is kept. Longitude and latitude on DWD's sphere are taken for those of
WGS84, as DWD and wradlib do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.grids import to_lonlat
from radar_nb.errors import SettingsError
from radar_nb.reading.regridding import COVERED, overlaps
from radar_nb.runtime.numerals import stated_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid

_BAND = 64  # rows of the source whose overlaps are computed at once
_MOST = 25_000_000  # cells of a target: more is a mistake in the cell's size


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProjectedGrid:
    """Square cells of a projection in metres.

    Attributes
    ----------
    crs : pyproj.CRS
    cell : float
        Width of a cell in metres.
    west, south : float
        The south-western corner in metres.
    rows, cols : int
    """

    crs: Any
    cell: float
    west: float
    south: float
    rows: int
    cols: int

    @property
    def x(self) -> NDArray[np.float64]:
        """Centres of the columns in metres, west to east."""
        return self.west + self.cell * (np.arange(self.cols, dtype=np.float64) + 0.5)

    @property
    def y(self) -> NDArray[np.float64]:
        """Centres of the rows in metres, south to north."""
        return self.south + self.cell * (np.arange(self.rows, dtype=np.float64) + 0.5)


class Shares:
    """How the cells of a projected grid depend on the cells of DWD's grid.

    Parameters
    ----------
    source : Grid
    target : ProjectedGrid

    Attributes
    ----------
    rows, cols : slice
        The part of the source that the target needs.
    """

    def __init__(self, source: Grid, target: ProjectedGrid) -> None:
        from scipy.sparse import coo_array  # noqa: PLC0415 - loaded where a grid is exported

        u, v = _mesh(source, target)
        (west, east), (south, north) = _sides(u), _sides(v)
        near = (east > 0) & (west < target.cols) & (north > 0) & (south < target.rows)
        if not near.any():
            raise SettingsError(
                f"the extent lies outside the data's grid {source.name}: check extent= and crs={target.crs.name!r}"
            )
        self.rows, self.cols = _span(np.any(near, axis=1)), _span(np.any(near, axis=0))
        corners = slice(self.rows.start, self.rows.stop + 1), slice(self.cols.start, self.cols.stop + 1)
        u, v = u[corners], v[corners]
        wide = u.shape[1] - 1
        found = []
        for first in range(0, u.shape[0] - 1, _BAND):
            part = slice(first, first + _BAND + 1)
            square, cell, share = overlaps(u[part], v[part], target.rows, target.cols)
            found.append((square, cell + first * wide, share))
        square, cell, share = (np.concatenate(parts) for parts in zip(*found, strict=True))
        size = target.rows * target.cols, (u.shape[0] - 1) * wide
        self._weights = coo_array((share, (square, cell)), shape=size).tocsr()
        # the area of each cell that lies in the target: of whole cells by its corners, not by the overlaps
        self._inside = np.where(_within(u, v, target), _areas(u, v), np.asarray(self._weights.sum(axis=0)))

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return fields on the target.

        Parameters
        ----------
        values : ndarray of float32, shape (times, rows, cols)
            Depths on the needed part of the source, NaN where missing.

        Returns
        -------
        ndarray of float32, shape (times, cells of the target)
            NaN where cells that are not missing cover less than half of the target's cell.
        """
        flat = values.reshape(len(values), -1)
        gone = np.isnan(flat)
        total = self._weights @ np.where(gone, 0, flat).astype(np.float64).T
        known = self._weights @ (~gone).astype(np.float64).T if gone.any() else self._weights.sum(axis=1)[:, None]
        means = np.full(total.shape, np.nan)
        np.divide(total, known, out=means, where=np.broadcast_to(known >= COVERED, total.shape))
        return means.T.astype(np.float32)

    def volume(self, values: NDArray[np.float32]) -> float:
        """Return the water of fields of the source within the target, in mm times cells of the target."""
        flat = values.reshape(len(values), -1)
        return float((np.nan_to_num(flat).sum(axis=0, dtype=np.float64) * self._inside).sum())


def projected_grid(source: Grid, *, crs: Any, cell: float, extent: Sequence[float] | None) -> ProjectedGrid:
    """Return the grid of a model.

    Parameters
    ----------
    source : Grid
    crs : int, str or pyproj.CRS
        A projection in metres, such as 25832.
    cell : float
        Width of a cell in metres.
    extent : (west, south, east, north), optional
        In metres of the projection; by default around the data, at multiples of the cell.

    Raises
    ------
    SettingsError
        The CRS is unknown or not in metres, the cell is not positive, or the extent is not west, south, east,
        north or not a multiple of the cell.
    """
    import pyproj  # noqa: PLC0415 - `import radar_nb` stays cheap
    from pyproj.exceptions import CRSError  # noqa: PLC0415 - the same

    try:
        known = pyproj.CRS.from_user_input(crs)
    except CRSError as error:
        raise SettingsError(f"unknown crs={crs!r}: pass an EPSG code such as 25832 (UTM 32N)") from error
    if not known.is_projected or any(axis.unit_name != "metre" for axis in known.axis_info):
        raise SettingsError(
            f"crs={crs!r} ({known.name}) is not in metres, and a model needs square cells in metres: choose a "
            "projection, such as crs=25832 (UTM 32N) or crs=25833 (UTM 33N)"
        )
    width = stated_number(cell)
    if width is None or width <= 0:
        raise SettingsError(f"cell={cell!r} is not a width in metres: pass a positive number, such as cell=1000")
    cell = width
    one = ProjectedGrid(crs=known, cell=float(cell), west=0.0, south=0.0, rows=1, cols=1)
    if extent is None:
        u, v = _mesh(source, one)
        sides = (
            float(np.floor(u.min())),
            float(np.floor(v.min())),
            float(np.ceil(u.max())),
            float(np.ceil(v.max())),
        )
    else:
        try:
            west, south, east, north = (float(side) for side in extent)
        except (TypeError, ValueError) as error:
            raise SettingsError(f"extent={extent!r} is not (west, south, east, north): pass metres") from error
        if not (west < east and south < north):
            raise SettingsError(f"extent={extent!r} is empty: pass (west, south, east, north) in metres")
        width, height = (east - west) / cell, (north - south) / cell
        if max(abs(width - round(width)), abs(height - round(height))) > 1e-6:
            raise SettingsError(
                f"extent={extent!r} is {east - west:g} x {north - south:g} m, which is not a multiple of "
                f"cell={cell:g}: choose an extent of whole cells"
            )
        sides = west / cell, south / cell, west / cell + round(width), south / cell + round(height)
    rows, cols = round(sides[3] - sides[1]), round(sides[2] - sides[0])
    if rows * cols > _MOST:
        raise SettingsError(
            f"a grid of {rows} x {cols} cells is larger than {_MOST:,}: choose a larger cell= or a smaller extent="
        )
    return ProjectedGrid(
        crs=known, cell=float(cell), west=sides[0] * cell, south=sides[1] * cell, rows=rows, cols=cols
    )


def _mesh(source: Grid, target: ProjectedGrid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners of the source's cells, in cells of the target from its south-western corner."""
    import pyproj  # noqa: PLC0415 - `import radar_nb` stays cheap

    x = source.x0 + source.cell * (np.arange(source.cols + 1) - 0.5)
    y = source.y0 + source.cell * (np.arange(source.rows + 1) - 0.5)
    to_plane = pyproj.Transformer.from_crs("EPSG:4326", target.crs, always_xy=True)
    corners_x, corners_y = np.meshgrid(x, y)
    east, north = to_plane.transform(*to_lonlat(corners_x, corners_y, source.earth))
    return (np.asarray(east) - target.west) / target.cell, (np.asarray(north) - target.south) / target.cell


def _sides(mesh: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the least and the largest coordinate of each cell's corners."""
    four = np.stack([mesh[:-1, :-1], mesh[:-1, 1:], mesh[1:, 1:], mesh[1:, :-1]])
    return four.min(axis=0), four.max(axis=0)


def _span(near: Any) -> slice:
    """Return the cells from the first to the last that is near."""
    at = np.flatnonzero(near)
    return slice(int(at[0]), int(at[-1]) + 1)


def _areas(u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the area of each cell of a mesh by its corners, flat."""
    across_u, across_v = u[1:, 1:] - u[:-1, :-1], v[1:, 1:] - v[:-1, :-1]
    other_u, other_v = u[1:, :-1] - u[:-1, 1:], v[1:, :-1] - v[:-1, 1:]
    area: NDArray[np.float64] = np.abs(across_u * other_v - across_v * other_u) / 2
    return area.ravel()


def _within(u: NDArray[np.float64], v: NDArray[np.float64], target: ProjectedGrid) -> NDArray[np.bool_]:
    """Return which cells of a mesh lie completely in the target, flat."""
    corner = (u >= 0) & (u <= target.cols) & (v >= 0) & (v <= target.rows)
    inside: NDArray[np.bool_] = corner[:-1, :-1] & corner[:-1, 1:] & corner[1:, 1:] & corner[1:, :-1]
    return inside.ravel()
