"""The registry of DWD's composite grids, and the projection between longitude, latitude and their metres.

All grids are polar stereographic: pole in the north, true scale at 60 N, straight meridian 10 E. The binary
products up to format version 3 and RADKLIM use a sphere of 6370.040 km; format version 5 (POLARA) and the HDF5
products use the WGS84 ellipsoid. The coordinates of the same cell differ between the two by hundreds of metres in
x and 13 km in y: never join them by value.

Source: DWD, "RADOLAN/RADVOR: Beschreibung des Kompositformats", version 2.5, sections on grid and projection;
corner coordinates are tested against DWD's and against wradlib's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.errors import UnknownGrid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

Earth = Literal["sphere", "wgs84"]

AXES: Mapping[Earth, tuple[float, float]] = MappingProxyType(
    {"sphere": (6_370_040.0, 6_370_040.0), "wgs84": (6_378_137.0, 6_356_752.3142451802)}
)
"""Equatorial and polar radius of the two earths in metres; read-only."""

_PROJ = "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +x_0=0 +y_0=0 +units=m +no_defs +type=crs"
PROJ: Mapping[Earth, str] = MappingProxyType(
    {earth: f"{_PROJ} +a={a:.17g} +b={b:.17g}" for earth, (a, b) in AXES.items()}
)
"""PROJ strings of the two projections, without false origin, as wradlib uses them; read-only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """One composite grid.

    Attributes
    ----------
    name : str
        `de900`, `de1100`, `de1200`, `eu1500`, `de4800`, `de460`, `de450`, named by the number of rows, with
        `-wgs84` on the ellipsoid.
    rows, cols : int
        Cells from south to north and from west to east.
    cell : float
        Width of a cell in metres of the projection.
    earth : {"sphere", "wgs84"}
    x0, y0 : float
        Centre of the south-western cell in metres.
    """

    name: str
    rows: int
    cols: int
    cell: float
    earth: Earth
    x0: float
    y0: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.cols

    @property
    def x(self) -> NDArray[np.float64]:
        """Cell centres in metres, west to east, shape (cols,)."""
        return self.x0 + self.cell * np.arange(self.cols, dtype=np.float64)

    @property
    def y(self) -> NDArray[np.float64]:
        """Cell centres in metres, south to north, shape (rows,)."""
        return self.y0 + self.cell * np.arange(self.rows, dtype=np.float64)

    def lonlat(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return longitude and latitude of the cell centres.

        Returns
        -------
        lon, lat : ndarray of float64, shape (rows, cols), read-only
            Degrees east and north on the grid's earth.
        """
        return _lonlat(self)


@lru_cache(maxsize=4)
def _lonlat(grid: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lon, lat = to_lonlat(*np.meshgrid(grid.x, grid.y), grid.earth)
    lon.flags.writeable = lat.flags.writeable = False
    return lon, lat


def _grid(name: str, rows: int, cols: int, *, x0: float, y0: float, cell: float = 1000.0) -> Grid:
    return Grid(name=name, rows=rows, cols=cols, cell=cell, earth="sphere", x0=x0, y0=y0)


# The only free pair of numbers: on either earth, the cell centre that DWD names as origin of the 900 x 900 grid
# (Kompositformat 2.5; the HDF5 files have it as x_0, y_0), with the last bits that wradlib has by PROJ. The others
# are offset by whole metres.
_X, _Y = -522962.16692185594, -4658144.724265573
_X_WGS, _Y_WGS = -523196.8352177028, -4671588.861930594

_SPHERE = (
    _grid("de900", 900, 900, x0=_X, y0=_Y),
    _grid("de1100", 1100, 900, x0=_X + 80_000, y0=_Y - 100_000),
    _grid("de1200", 1200, 1100, x0=_X - 20_000, y0=_Y - 150_000),
    _grid("eu1500", 1500, 1400, x0=_X - 150_000, y0=_Y - 350_000),
    _grid("de4800", 4800, 4400, x0=_X - 20_375, y0=_Y - 150_375, cell=250.0),  # de1200 with 16 cells each
    _grid("de460", 460, 460, x0=_X - 9_500, y0=_Y - 9_500, cell=2000.0),  # PG, PC: de900 and ten cells around
    _grid("de450", 450, 450, x0=_X + 500, y0=_Y + 500, cell=2000.0),
)
_ALL = {grid.name: grid for grid in _SPHERE} | {
    f"{grid.name}-wgs84": Grid(
        name=f"{grid.name}-wgs84",
        rows=grid.rows,
        cols=grid.cols,
        cell=grid.cell,
        earth="wgs84",
        x0=_X_WGS + round(grid.x0 - _X),
        y0=_Y_WGS + round(grid.y0 - _Y),
    )
    for grid in _SPHERE
}
GRIDS: Mapping[str, Grid] = MappingProxyType(_ALL)
"""Every grid by name; read-only."""


def find_grid(rows: int, cols: int, *, version: int = 3) -> Grid:
    """Return the grid of a frame from its header's size and format version.

    Parameters
    ----------
    rows, cols : int
        The header's `GP` token.
    version : int
        The header's `VS` token; from 5 on the earth is the WGS84 ellipsoid.

    Returns
    -------
    Grid

    Raises
    ------
    UnknownGrid
        DWD documents no composite of this size.

    Examples
    --------
    >>> find_grid(1100, 900).name
    'de1100'
    """
    earth: Earth = "wgs84" if version >= 5 else "sphere"
    for grid in GRIDS.values():
        if grid.shape == (rows, cols) and grid.earth == earth:
            return grid
    sizes = ", ".join(f"{grid.rows} x {grid.cols}" for grid in _SPHERE)
    raise UnknownGrid(
        f"a grid of {rows} x {cols} cells is unknown (known are {sizes}): its coordinates would be a guess. "
        "If DWD has introduced a new grid, please report the file's name"
    )


def named_grid(name: str | Grid) -> Grid:
    """Return a grid by name; a grid is returned unchanged.

    Raises
    ------
    UnknownGrid
        The registry has no such grid.

    Examples
    --------
    >>> named_grid("de1200").shape
    (1200, 1100)
    """
    if isinstance(name, Grid):
        return name
    if name not in GRIDS:
        raise UnknownGrid(f"unknown grid {name!r} (known are {', '.join(GRIDS)})")
    return GRIDS[name]


def to_xy(lon: ArrayLike, lat: ArrayLike, earth: Earth) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Project longitude and latitude in degrees to metres.

    Parameters
    ----------
    lon, lat : array-like
        Degrees east and north on the same earth.
    earth : {"sphere", "wgs84"}

    Returns
    -------
    x, y : ndarray of float64
        Metres, shaped as the input.
    """
    x, y = _transformer(earth).transform(np.asarray(lon, float), np.asarray(lat, float))
    return np.asarray(x), np.asarray(y)


def to_lonlat(x: ArrayLike, y: ArrayLike, earth: Earth) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitude and latitude in degrees of points in metres: the inverse of `to_xy`."""
    lon, lat = _transformer(earth).transform(np.asarray(x, float), np.asarray(y, float), direction="INVERSE")
    return np.asarray(lon), np.asarray(lat)


def _transformer(earth: Earth) -> Any:
    import pyproj  # noqa: PLC0415 - `import radar_nb` stays cheap

    crs = pyproj.CRS(PROJ[earth])
    return pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)


def same_projection(attrs: Mapping[str, Any], grid: Grid) -> bool:
    """Return whether the attributes of a CF grid mapping describe a grid's projection, to a millimetre.

    Attributes without any projection count as another projection; text and numbers, if both are there, agree.
    """
    import pyproj  # noqa: PLC0415 - `import radar_nb` stays cheap
    from pyproj.exceptions import CRSError  # noqa: PLC0415 - the same

    corners = grid.x[[0, -1, 0, -1]], grid.y[[0, 0, -1, -1]]
    plain = {key: value for key, value in attrs.items() if key not in {"crs_wkt", "spatial_ref"}}
    numbers = plain if plain.keys() & {"grid_mapping_name", "semi_major_axis"} else attrs
    try:
        for form in (attrs, numbers):
            crs = pyproj.CRS.from_cf(dict(form))
            back = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
            found = back.transform(*to_lonlat(*corners, grid.earth))
            if not np.allclose(found, corners, rtol=0, atol=1e-3):
                return False
    except (CRSError, LookupError, TypeError, ValueError, AttributeError):
        return False
    return True


def scale_factor(x: float, y: float, earth: Earth) -> float:
    """Return the scale factor of the projection at a point: metres of the projection per metre on the ground.

    The projection is conformal, so the factor is the same in every direction; it is 1 at 60 N and increases to the
    south, 1.02 to 1.08 over Germany (Snyder 1987, Map Projections: A Working Manual, eq. 21-4).

    Examples
    --------
    >>> round(scale_factor(0.0, -4_300_000.0, "sphere"), 3)
    1.055
    """
    import pyproj  # noqa: PLC0415 - `import radar_nb` stays cheap

    lon, lat = to_lonlat(x, y, earth)
    return float(pyproj.Proj(PROJ[earth]).get_factors(float(lon), float(lat)).meridional_scale)
