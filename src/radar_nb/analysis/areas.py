"""Areas, the exact shares of the cells that they cover, and means over them for Datasets and archives."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.analysis.points import EAST, NORTH, box_of, check_mean, labels_of, over_fields
from radar_nb.cube.frame_stream import CubeStream, open_stream
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.geography.shapes import check_polygons, names_of, read_shapes, to_plane
from radar_nb.reading.forecasts import issue_coords
from radar_nb.reading.frame_stream import read_stream
from radar_nb.reading.intervals import keep_interval
from radar_nb.runtime.progress import Progress, reporting

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid
    from radar_nb.formats.packing import Packing
    from radar_nb.reading.dataset import Options
    from radar_nb.reading.frame_stream import Take
    from radar_nb.reading.regridding import Weights
    from radar_nb.runtime.progress import Reporter

_MISSING = "exact shares of cells need exactextract: pip install 'radar-nb[gis]'"
_KEPT = 8
"""Sets of areas whose weights are kept: one for 200 catchments takes some 10 MB."""
_DUST = 1e-6  # share of an area: remainders of rounding along an edge that two cells share
_known: OrderedDict[bytes, Areas] = OrderedDict()
_lock = threading.Lock()


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
        Index of an area's first cell in `cells` and `weights`.
    cells : ndarray of int64, shape (k,)
        The cells that each area touches, one area after the other, flat: row * cols + col.
    weights : ndarray of float32, shape (k,)
        Share of the area that lies in the cell. The sum is less than 1 for an area that reaches beyond the grid.
    """

    names: list[Any]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    km2: NDArray[np.float64]
    starts: NDArray[np.int64]
    cells: NDArray[np.int64]
    weights: NDArray[np.float32]


class Means:
    """Means over areas, field by field.

    The weight of missing cells is reused if they are those of the previous field, as they nearly always are.

    Parameters
    ----------
    areas : Areas
    """

    def __init__(self, areas: Areas) -> None:
        self._areas = areas
        self._missing = np.zeros(areas.cells.size, bool)
        self._share = self._summed(areas.weights)

    def of(self, values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return means and coverage.

        Parameters
        ----------
        values : ndarray of float32, shape (..., k)
            Values of `Areas.cells`, NaN where missing, in all fields in the same cells; overwritten.

        Returns
        -------
        means : ndarray of float32, shape (areas,)
            Mean of the cells that are not missing, weighted by their share; NaN where all are missing.
        coverage : ndarray of float32, shape (areas,)
            Share of the area with valid values.
        """
        missing = np.isnan(values.reshape(-1, values.shape[-1])[0])
        if not np.array_equal(missing, self._missing):
            self._missing = missing
            self._share = self._summed(np.where(missing, np.float32(0), self._areas.weights))
        values *= self._areas.weights
        np.copyto(values, np.float32(0), where=missing)
        means = np.full((*values.shape[:-1], self._share.size), np.nan, np.float32)
        np.divide(self._summed(values), self._share, out=means, where=self._share > _DUST)
        return means, self._share

    def _summed(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        sums: NDArray[np.float32] = np.add.reduceat(values, self._areas.starts, axis=-1)
        return sums


def find_areas(source: Any, grid: Grid, *, names: str | None = None) -> Areas:
    """Find the cells of a grid that areas cover, and the covered share of each.

    The shapes are projected to the grid's plane. The share is the part of the cell's square inside the area
    (exactextract; Baston, https://github.com/isciences/exactextract), computed once for a grid and a set of
    shapes.

    Parameters
    ----------
    source : GeoDataFrame, GeoSeries, or path
        Polygons in any CRS.
    grid : Grid
    names : str, optional
        The column that holds their names; by default as in `names_of`.

    Raises
    ------
    SettingsError
        The column does not exist, names are not unique, the shapes have no CRS, or one is empty, invalid, not a
        polygon or completely outside the grid; or a library is missing.
    NothingFound
        The file does not exist.
    """
    shapes = read_shapes(source)
    labels = names_of(shapes, names)
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise SettingsError(
            f"the area {twice!r} occurs twice: join its parts with .dissolve(...), or choose another names="
        )
    check_polygons(shapes, labels)
    plane = to_plane(shapes, grid.earth)
    content = repr((labels, grid)).encode() + b"".join(plane.to_wkb().to_list())
    key = hashlib.sha256(content).digest()
    with _lock:
        found = _known.get(key)
        if found is None:
            found = _known[key] = _covered(shapes, plane, labels, grid)
        _known.move_to_end(key)
        if len(_known) > _KEPT:
            _known.popitem(last=False)
    return found


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
            f"the area {names[first]!r} lies outside the grid {grid.name}: check its CRS ({shapes.crs.name}), "
            "leave it out, or use data on a larger grid"
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


def area_series(fields: xr.DataArray, areas: Areas, *, progress: bool | Reporter = False) -> xr.Dataset:
    """Return the means over areas and their coverage, shape (time, area)."""
    check_mean(fields, mixed=True)
    box, rows, cols = box_of(fields, *np.divmod(areas.cells, fields.sizes["x"]))
    areas = replace(areas, cells=rows * box.sizes["x"] + cols)

    def over(values: NDArray[np.float32]) -> NDArray[np.float32]:
        means = Means(areas)  # one for each block: threads share none
        flat = values.reshape(-1, values.shape[-2] * values.shape[-1])
        pairs = np.stack([means.of(field.take(areas.cells)) for field in flat])
        return pairs.reshape(*values.shape[:-2], 2, -1)

    found = over_fields(box, over, {"known": 2, "area": len(areas.names)}, progress)
    return area_dataset(fields, found.isel(known=0), found.isel(known=1), areas)


def area_dataset(like: xr.DataArray, means: xr.Variable, coverage: xr.Variable, areas: Areas) -> xr.Dataset:
    """Return means and coverage as a Dataset with coordinates and attributes."""
    attrs = {key: value for key, value in like.attrs.items() if key != "grid_mapping"}
    methods = f"{like.attrs.get('cell_methods', '')} area: mean".strip()
    means.attrs = attrs | {"cell_methods": methods, "ancillary_variables": "coverage"}
    coverage.attrs = {"long_name": "share of the area in which the value is known", "units": "1"}
    times = {name: value for name, value in like.coords.items() if value.dims and value.dims[0] == "time"}
    times |= issue_coords(like)
    found = xr.Dataset({like.name: means, "coverage": coverage}, {**times, **area_coords(areas)})
    keep_interval(found[like.name], of=like)
    return found


def area_coords(areas: Areas) -> dict[str, xr.Variable]:
    """Return the names, centroids and sizes of areas."""
    size = {"standard_name": "area", "long_name": "size on the ellipsoid", "units": "km2"}
    return {
        "area": xr.Variable("area", labels_of(areas.names)),
        "lon": xr.Variable("area", areas.lon, EAST),
        "lat": xr.Variable("area", areas.lat, NORTH),
        "km2": xr.Variable("area", areas.km2, size),
    }


def stream_areas(
    source: Any, areas: Any, options: Options, *, names: str | None, workers: int | None, progress: bool | Reporter
) -> xr.Dataset:
    """Return the means over areas of every frame of a source: see `radar_nb.over_areas`."""
    stream = open_stream(source, options, progress=progress)
    variable = stream.like[stream.name]
    if variable.dtype.kind != "f":
        raise SeriesError(f"{stream.name} holds classes, which have no mean over an area: choose amounts")
    found = find_areas(areas, stream.grid, names=names)
    out = np.full((2, len(stream.times), len(found.names)), np.nan, np.float32)
    out[1] = 0

    def make() -> Take:
        means = Means(found)

        def take(step: int, codes: NDArray[Any], packing: Packing, way: Weights | None) -> None:
            if way is None:
                values = packing.values(codes.take(found.cells))
            else:
                values = way.apply(packing.values(codes)).take(found.cells)
            out[0, step], out[1, step] = means.of(values)

        return take

    boxes = _boxes(found, stream.grid)
    if isinstance(stream, CubeStream) and sum(stream.cost(*box) for _, *box in boxes) < 1:
        _read_boxes(stream, boxes, out, progress)
    else:
        read_stream(stream, make, workers or os.cpu_count() or 1, progress)
    dims = ("time", "area")
    return (
        area_dataset(variable, xr.Variable(dims, out[0]), xr.Variable(dims, out[1]), found)
        .assign_coords(time_bnds=stream.like["time_bnds"])
        .assign_attrs(stream.like.attrs)
    )


def _boxes(areas: Areas, grid: Grid) -> list[tuple[Areas, slice, slice]]:
    """Return each area alone, its cells counted in the smallest box that holds them, and the box."""
    found = []
    ends = [*areas.starts[1:].tolist(), areas.cells.size]
    for start, end in zip(areas.starts.tolist(), ends, strict=True):
        rows, cols = np.divmod(areas.cells[start:end], grid.cols)
        south, west = int(rows.min()), int(cols.min())
        box = slice(south, int(rows.max()) + 1), slice(west, int(cols.max()) + 1)
        cells = (rows - south) * (box[1].stop - west) + cols - west
        alone = replace(areas, starts=areas.starts[:1], cells=cells, weights=areas.weights[start:end])
        found.append((alone, *box))
    return found


def _read_boxes(
    stream: CubeStream,
    boxes: list[tuple[Areas, slice, slice]],
    out: NDArray[np.float32],
    progress: bool | Reporter,
) -> None:
    """Write means and coverage to `out`, shape (2, time, area): one area after the other, in blocks of time."""
    total = len(boxes) * len(stream.times)
    with reporting(progress) as report:
        for number, (area, rows, cols) in enumerate(boxes):
            means = Means(area)
            for steps, values in stream.blocks(rows, cols):
                cells = values.reshape(len(values), -1).take(area.cells, axis=1)
                missing = np.isnan(cells)
                changes = np.flatnonzero((missing[1:] != missing[:-1]).any(axis=1)) + 1
                for start, stop in pairwise([0, *changes.tolist(), len(cells)]):
                    at = slice(steps.start + start, steps.start + stop)
                    found, out[1, at, number] = means.of(cells[start:stop])
                    out[0, at, number] = found[:, 0]
                done = number * len(stream.times) + steps.stop
                report(Progress(task="reduce", done=done, total=total, unit="frames"))
