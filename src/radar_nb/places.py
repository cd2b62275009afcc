"""Points and the cells of a grid in which they lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.errors import SettingsError
from radar_nb.grids import to_xy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.grids import Grid


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Points and the cells that they lie in.

    Attributes
    ----------
    names : list
    lon, lat : ndarray of float64
        Degrees.
    cells : tuple of ndarray of int64
        Rows and columns.
    """

    names: list[Any]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    cells: tuple[NDArray[np.int64], NDArray[np.int64]]


def find_places(points: Any, grid: Grid) -> Places:
    """Find the cells of a grid in which points lie.

    Parameters
    ----------
    points : mapping of names to (lon, lat), sequence of (lon, lat), or DataFrame with columns lon and lat
        Degrees east and north. A sequence's points are named 0, 1, ..., those of a DataFrame by its index.
    grid : Grid

    Raises
    ------
    SettingsError
        There is no point, or one lies outside the grid.
    """
    try:
        names, lon, lat = _lonlat(points)
    except (TypeError, ValueError, LookupError) as error:
        raise SettingsError(
            f"points={points!r} are none: give a mapping of names to (lon, lat), a sequence of (lon, lat), or a "
            "DataFrame with columns lon and lat"
        ) from error
    x, y = to_xy(lon, lat, grid.earth)
    col, row = (x - grid.x0) / grid.cell, (y - grid.y0) / grid.cell
    inside = (col >= -0.5) & (col <= grid.cols - 0.5) & (row >= -0.5) & (row <= grid.rows - 0.5)
    if not inside.all():
        at = int(np.argmin(inside))
        raise SettingsError(
            f"the point {names[at]!r} (lon {lon[at]:g}, lat {lat[at]:g}) lies outside the grid {grid.name}: "
            "points are in degrees, longitude first"
        )
    cells = np.clip(np.rint(row), 0, grid.rows - 1), np.clip(np.rint(col), 0, grid.cols - 1)
    return Places(names=names, lon=lon, lat=lat, cells=(cells[0].astype(int), cells[1].astype(int)))


def _lonlat(points: Any) -> tuple[list[Any], NDArray[np.float64], NDArray[np.float64]]:
    if hasattr(points, "columns"):
        names, pairs = list(points.index), np.stack([points["lon"], points["lat"]], axis=-1)
    elif isinstance(points, Mapping):
        names, pairs = list(points), np.array(list(points.values()), float)
    else:
        pairs = np.array([tuple(point) for point in points], float)
        names = list(range(len(pairs)))
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise ValueError(pairs.shape)
    return names, pairs[:, 0].astype(float), pairs[:, 1].astype(float)
