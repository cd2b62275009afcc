"""KOSTRA-DWD-2020: DWD's depths of heavy rain for Germany by duration and return period, and their cells."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

DURATIONS = (
    5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240, 360, 540, 720, 1080, 1440, 2880, 4320, 5760, 7200, 8640, 10080,
)  # fmt: skip
"""Minutes: one table each. Source: the folder `tab` on DWD's server."""
PERIODS = (1, 2, 3, 5, 10, 20, 30, 50, 100)
"""Return periods in years, counted as for a partial series."""
FOLDER = "climate_environment/CDC/grids_germany/return_periods/precipitation/KOSTRA/KOSTRA_DWD_2020/tab"
"""Folder of the tables on the server."""
ROWS = COLS = 300
"""Cells of 5 km in EPSG:3035; 15,989 of them, in Germany, have values."""
GERMANY = (5.7, 15.2, 47.2, 55.2)
"""West, east, south and north in degrees, wide enough for cells on the border: Germany lies between 5.85 and
15.02 E, 47.27 and 55.07 N (Natural Earth 1:10m)."""
CITATION = "Deutscher Wetterdienst: KOSTRA-DWD-2020, doi:10.5676/DWD/KOSTRA-DWD-2020, CC BY 4.0"

_CELL = 5000.0  # metres
_WEST, _NORTH = 720, 759  # column of the western edge and row of the northern one, in cells of EPSG:3035


def table_name(minutes: int) -> str:
    """Return the name of the table of a duration.

    Examples
    --------
    >>> table_name(60)
    'StatRR_KOSTRA-DWD-2020_D00060.csv.zip'
    """
    return f"StatRR_KOSTRA-DWD-2020_D{minutes:05d}.csv.zip"


def cells_of(lon: ArrayLike, lat: ArrayLike) -> NDArray[np.int64]:
    """Return the numbers of the cells that contain points: DWD's `INDEX_RC`, 1000 times the row plus the column.

    Rows count from the north and columns from the west, both from 0.

    Parameters
    ----------
    lon, lat : float or array
        Degrees, WGS84.

    Returns
    -------
    ndarray of int64
        -1 for a point outside the 300 x 300 cells.

    Examples
    --------
    >>> cells_of([6.785, 7.849], [51.239, 47.996])  # Duesseldorf, Freiburg
    array([133099, 206112])
    """
    x, y = _to_laea().transform(np.asarray(lon, float), np.asarray(lat, float))
    col = np.floor(np.asarray(x) / _CELL).astype(np.int64) - _WEST
    row = _NORTH - np.floor(np.asarray(y) / _CELL).astype(np.int64)
    inside = (row >= 0) & (row < ROWS) & (col >= 0) & (col < COLS)
    return np.where(inside, 1000 * row + col, -1)


def centres_of(cells: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitude and latitude of the centres of cells, degrees."""
    row, col = np.divmod(np.asarray(cells), 1000)
    lon, lat = _to_laea().transform((col + _WEST + 0.5) * _CELL, (_NORTH - row + 0.5) * _CELL, direction="INVERSE")
    return np.asarray(lon), np.asarray(lat)


@cache
def _to_laea() -> Any:
    import pyproj  # noqa: PLC0415 - `import radar_nb` stays cheap

    return pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3035", always_xy=True)
