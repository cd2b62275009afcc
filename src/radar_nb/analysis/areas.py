"""Areas and the cells of a grid that they cover: exact shares, computed once, and the means over them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.analysis.vectors import check_polygons, read_shapes, to_plane
from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid

_MISSING = "exact shares of cells need exactextract: pip install 'radar-nb[gis]'"
_KEPT = 8
"""Sets of areas whose weights are kept: one for 200 catchments takes some 10 MB."""
_DUST = 1e-6  # of an area: what rounding leaves beyond an edge that two cells share
_known: OrderedDict[bytes, Areas] = OrderedDict()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Areas:
    """Areas on a grid.

    Attributes
    ----------
    names : list
    lon, lat : ndarray of float64, shape (areas,)
        Centroids, degrees.
    km2 : ndarray of float64, shape (areas,)
        True size on the WGS84 ellipsoid.
    starts : ndarray of int64, shape (areas,)
        Where in the two below an area's cells begin.
    cells : ndarray of int64, shape (k,)
        The cells that each area touches, one area after the other, flat: row * cols + col.
    weights : ndarray of float32, shape (k,)
        How much of the area lies in the cell. An area's sum is less than 1 where it reaches beyond the grid.
    """

    names: list[Any]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    km2: NDArray[np.float64]
    starts: NDArray[np.int64]
    cells: NDArray[np.int64]
    weights: NDArray[np.float32]


class Means:
    """Means over areas of one field after the other.

    Where the missing cells are those of the field before, as they nearly always are, their weight is known.

    Parameters
    ----------
    areas : Areas
    """

    def __init__(self, areas: Areas) -> None:
        self._areas = areas
        self._missing = np.zeros(areas.cells.size, bool)
        self._share = self._summed(areas.weights)

    def of(self, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give means and coverage.

        Parameters
        ----------
        values : ndarray of float32, shape (k,)
            Of `Areas.cells`, NaN where missing; spoilt.

        Returns
        -------
        means : ndarray of float32, shape (areas,)
            Of the cells that are not missing, weighted by their share; NaN where there is none.
        coverage : ndarray of float32, shape (areas,)
            The share of the area in which the values are known.
        """
        missing = np.isnan(values)
        if not np.array_equal(missing, self._missing):
            self._missing = missing
            self._share = self._summed(np.where(missing, np.float32(0), self._areas.weights))
        values *= self._areas.weights
        np.copyto(values, np.float32(0), where=missing)
        means = np.full(self._share.shape, np.nan, np.float32)
        np.divide(self._summed(values), self._share, out=means, where=self._share > _DUST)
        return means, self._share

    def _summed(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        sums: NDArray[np.float32] = np.add.reduceat(values, self._areas.starts)
        return sums


def find_areas(source: Any, grid: Grid, *, names: str | None = None) -> Areas:
    """Find the cells of a grid that areas cover, and how far.

    The shapes are carried to the grid's plane, and the share of each cell is that of its square which lies inside
    (exactextract; Baston, https://github.com/isciences/exactextract). They are computed once for a grid and a set
    of shapes, whatever table these come in.

    Parameters
    ----------
    source : GeoDataFrame, GeoSeries, or path
        Polygons in any CRS.
    grid : Grid
    names : str, optional
        The column that holds their names; the table's index otherwise.

    Raises
    ------
    SettingsError
        There is no such column, names come twice, the shapes have no CRS, or one is empty, invalid, no polygon or
        wholly outside the grid; or a library is missing.
    NothingFound
        There is no such file.
    """
    shapes = read_shapes(source)
    if names is not None and names not in shapes.columns:
        columns = ", ".join(map(str, shapes.columns.drop(shapes.geometry.name))) or "none"
        raise SettingsError(f"names={names!r} is no column of the shapes: they have {columns}")
    labels = (shapes.index if names is None else shapes[names]).tolist()
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise SettingsError(
            f"the area {twice!r} comes twice: join its parts with .dissolve(...), or take other names with names="
        )
    check_polygons(shapes, labels)
    plane = to_plane(shapes, grid.earth)
    content = repr((labels, grid)).encode() + b"".join(plane.to_wkb().to_list())
    key = hashlib.sha256(content).digest()
    if key not in _known:
        _known[key] = _covered(shapes, plane, labels, grid)
        if len(_known) > _KEPT:
            _known.popitem(last=False)
    _known.move_to_end(key)
    return _known[key]


def _covered(shapes: Any, plane: Any, names: list[Any], grid: Grid) -> Areas:
    try:
        from exactextract import exact_extract  # noqa: PLC0415 - an extra
        from exactextract.raster import NumPyRasterSource  # noqa: PLC0415 - the same
    except ImportError as error:
        raise SettingsError(_MISSING) from error
    west, south = grid.x0 - grid.cell / 2, grid.y0 - grid.cell / 2
    east, north = west + grid.cols * grid.cell, south + grid.rows * grid.cell
    raster = NumPyRasterSource(
        np.zeros(grid.shape, np.uint8), west, south, east, north, srs_wkt=plane.crs.to_wkt()
    )
    found = exact_extract(
        raster, plane.to_frame("geometry"), ["cell_id", "coverage"], output="pandas", max_cells_in_memory=1 << 30
    )
    counts = np.array([len(ids) for ids in found["cell_id"]])
    if not counts.all():
        first = int(counts.argmin())
        raise SettingsError(
            f"the area {names[first]!r} lies outside the grid {grid.name}: is its CRS ({shapes.crs.name}) the "
            "right one? Leave it away, or take data of a larger grid"
        )
    ids = np.concatenate(found["cell_id"].to_list()).astype(np.int64)
    shares = np.concatenate(found["coverage"].to_list())
    sizes = np.repeat(plane.area.to_numpy() / grid.cell**2, counts)
    degrees = shapes.geometry.to_crs("EPSG:4326")
    centres = plane.centroid.set_crs(plane.crs).to_crs(plane.crs.geodetic_crs)
    return Areas(
        names=names,
        lon=centres.x.to_numpy(),
        lat=centres.y.to_numpy(),
        km2=np.array([abs(degrees.crs.get_geod().geometry_area_perimeter(one)[0]) for one in degrees]) / 1e6,
        starts=np.cumsum(counts) - counts,
        # exactextract counts rows from the north
        cells=(grid.rows - 1 - ids // grid.cols) * grid.cols + ids % grid.cols,
        weights=(shares / sizes).astype(np.float32),
    )
