"""Fields on the pixels of another projection: each pixel shows the cell that it lies in, and no other value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.grids import to_lonlat, to_xy
from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid

_MOST = 50_000_000
"""Pixels of a picture."""
_BAND = 1 << 20
"""Pixels that are projected at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WebGrid:
    """Pixels of a projection, north up, and the cell of DWD's grid in which each has its centre.

    Attributes
    ----------
    crs : pyproj.CRS
    west, north : float
        Outer edges in units of the projection.
    dx, dy : float
        Width and height of a pixel.
    cells : ndarray of int32, shape (rows, cols)
        Number of the cell, rows from the south; -1 outside the grid.
    """

    crs: Any
    west: float
    north: float
    dx: float
    dy: float
    cells: NDArray[np.int32]

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north in units of the projection."""
        rows, cols = self.cells.shape
        return self.west, self.north - rows * self.dy, self.west + cols * self.dx, self.north

    @property
    def degrees(self) -> tuple[float, float, float, float]:
        """West, south, east and north in degrees; of a projection with straight meridians and parallels."""
        west, south, east, north = self.bounds
        lon, lat = _to_degrees(self.crs, np.array([west, east]), np.array([south, north]))
        return float(lon[0]), float(lat[0]), float(lon[1]), float(lat[1])

    def take(self, values: NDArray[Any], outside: Any) -> NDArray[Any]:
        """Return a field of shape (y, x), first row in the south, on the pixels."""
        return np.where(self.cells < 0, outside, values.ravel()[self.cells])


def web_grid(grid: Grid, crs: Any, *, wide: int = 0) -> WebGrid:
    """Return the pixels around a grid: at least two across a cell, so that no cell is lost.

    Parameters
    ----------
    grid : Grid
    crs : int, str or pyproj.CRS
        Such as 3857.
    wide : int
        Least width in pixels.

    Raises
    ------
    SettingsError
        The CRS is unknown, or the grid cannot be shown in it.
    """
    import pyproj  # noqa: PLC0415 - `import radar_nb` stays cheap
    from pyproj.exceptions import CRSError  # noqa: PLC0415 - the same

    try:
        known = pyproj.CRS.from_user_input(crs)
    except CRSError as error:
        raise SettingsError(f"unknown crs={crs!r}: pass an EPSG code such as 3857 (maps on the web)") from error
    x, y = (
        first + size * (np.arange(count + 1) - 0.5)
        for first, size, count in ((grid.x0, grid.cell, grid.cols), (grid.y0, grid.cell, grid.rows))
    )
    around = np.concatenate([x, x, np.full_like(y, x[0]), np.full_like(y, x[-1])])
    beside = np.concatenate([np.full_like(x, y[0]), np.full_like(x, y[-1]), y, y])
    u, v = _from_degrees(known, *to_lonlat(around, beside, grid.earth))
    if not (np.isfinite(u).all() and np.isfinite(v).all()):
        raise SettingsError(f"crs={crs!r} ({known.name}) does not show the data: choose another, such as 3857")
    finer = max(2, -(-wide // grid.cols))
    dx, dy = _pixel(grid, known)
    dx, dy = dx / finer, dy / finer
    west, north = float(np.floor(u.min() / dx) * dx), float(np.ceil(v.max() / dy) * dy)
    cols, rows = int(np.ceil((u.max() - west) / dx)), int(np.ceil((north - v.min()) / dy))
    if rows * cols > _MOST:
        raise SettingsError(f"crs={crs!r} would need {rows} x {cols} pixels: choose a smaller part of the data")
    cells = np.empty((rows, cols), np.int32)
    band = max(1, _BAND // cols)
    for top in range(0, rows, band):
        end = min(top + band, rows)
        centres = np.meshgrid(west + dx * (np.arange(cols) + 0.5), north - dy * (np.arange(top, end) + 0.5))
        cells[top:end] = _cells(grid, *_to_degrees(known, *centres))
    return WebGrid(crs=known, west=west, north=north, dx=dx, dy=dy, cells=cells)


def _pixel(grid: Grid, crs: Any) -> tuple[float, float]:
    """Return the width and height of the cell in the middle, in units of the projection."""
    x, y = grid.x0 + grid.cell * (grid.cols - 1) / 2, grid.y0 + grid.cell * (grid.rows - 1) / 2
    half = grid.cell / 2
    u, v = _from_degrees(crs, *to_lonlat([x - half, x + half, x, x], [y, y, y - half, y + half], grid.earth))
    return float(abs(u[1] - u[0])), float(abs(v[3] - v[2]))


def _cells(grid: Grid, lon: NDArray[np.float64], lat: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return the numbers of the cells that contain points, -1 outside."""
    x, y = to_xy(lon, lat, grid.earth)
    col, row = (np.floor((place - first) / grid.cell + 0.5) for place, first in ((x, grid.x0), (y, grid.y0)))
    inside = (col >= 0) & (col < grid.cols) & (row >= 0) & (row < grid.rows)
    return np.where(inside, row * grid.cols + col, -1).astype(np.int32)


def _from_degrees(crs: Any, lon: Any, lat: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import pyproj  # noqa: PLC0415 - `import radar_nb` stays cheap

    u, v = pyproj.Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat)
    return np.asarray(u), np.asarray(v)


def _to_degrees(crs: Any, u: Any, v: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import pyproj  # noqa: PLC0415 - `import radar_nb` stays cheap

    lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(u, v)
    return np.asarray(lon), np.asarray(lat)
