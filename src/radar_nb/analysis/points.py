"""Points, the cells that represent them, and series at points."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import xarray as xr

from radar_nb.analysis.blocks import blocks
from radar_nb.dwd.grids import to_lonlat, to_xy
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.geography.point_tables import NAMES, PointTable, check_names, plain_name, point_table, read_point_csv
from radar_nb.geography.shapes import read_shapes
from radar_nb.geography.towns import Place, place
from radar_nb.reading.forecasts import issue_coords
from radar_nb.reading.intervals import keep_interval
from radar_nb.runtime.files import user_path
from radar_nb.runtime.wording import shortened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Earth, Grid
    from radar_nb.runtime.progress import Reporter

Around = Literal["nearest", "mean3x3", "bilinear"]

_KNOWN = 0.5
"""A point is missing if the weights of valid cells add up to less than this."""


EAST = {"standard_name": "longitude", "units": "degrees_east"}
NORTH = {"standard_name": "latitude", "units": "degrees_north"}
_SHARE = "share of the area in which the value is known"


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Points and the cells that represent them.

    Attributes
    ----------
    names : list
    lon, lat : ndarray of float64
        Degrees.
    home : tuple of ndarray of int64, shape (points,)
        Rows and columns of the cells that contain them.
    cells : tuple of ndarray of int64, shape (points,) or (points, k)
        Rows and columns of the cells that represent them.
    weights : ndarray of float32, shape (points, k), or None
        Weight of each cell, 1 in total; None if one cell represents a point.
    """

    names: list[Any]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    home: tuple[NDArray[np.int64], NDArray[np.int64]]
    cells: tuple[NDArray[np.int64], NDArray[np.int64]]
    weights: NDArray[np.float32] | None = None

    def mean(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the values of points from those of their cells, of shape (..., points) or (..., points, k).

        The result is the weighted mean of valid cells; NaN where their weights add up to less than half.
        """
        if self.weights is None:
            return values
        missing = np.isnan(values)
        known = np.where(missing, 0, self.weights).sum(axis=-1, dtype=np.float64)
        total = (np.where(missing, 0, values) * self.weights).sum(axis=-1, dtype=np.float64)
        means = np.full(total.shape, np.nan)
        np.divide(total, known, out=means, where=known > _KNOWN - 1e-6)
        return means.astype(np.float32)


def find_places(points: Any, grid: Grid, method: Around = "nearest", *, names: str | None = None) -> Places:
    """Find the cells of a grid that represent points.

    Parameters
    ----------
    points : mapping, sequence, DataFrame, GeoDataFrame, or path
        Names to (lon, lat), or to None for the towns of these names; names of towns; (lon, lat) pairs, named 0, 1,
        ...; a table with the columns of `radar_nb.geography.point_tables`, in degrees or in metres of the grid's
        projection; points in any CRS; or a file: a CSV with such columns, or shapes that GDAL reads.
    grid : Grid
    method : {"nearest", "mean3x3", "bilinear"}
        The cell that contains a point; that cell and its eight neighbours with equal weights; or the four cells
        whose centres surround the point, weighted by distance in x and y. Cells beyond the edge are left out.
    names : str, optional
        The column of a table or file with the names. By default the table's index; where that only counts, a
        column such as `name`.

    Raises
    ------
    SettingsError
        The method is unknown, there are no points, two have the same name, or one lies outside the grid.
    NothingFound
        The file does not exist.
    """
    if method not in get_args(Around):
        raise SettingsError(f"unknown method={method!r}: choose one of {', '.join(get_args(Around))}")
    labels, lon, lat = positions_of(points, grid.earth, names=names)
    x, y = to_xy(lon, lat, grid.earth)
    col, row = (x - grid.x0) / grid.cell, (y - grid.y0) / grid.cell
    inside = (col >= -0.5) & (col <= grid.cols - 0.5) & (row >= -0.5) & (row <= grid.rows - 0.5)
    if not inside.all():
        at = int(np.argmin(inside))
        raise SettingsError(
            f"the point {labels[at]!r} (lon {lon[at]:g}, lat {lat[at]:g}) lies outside the grid {grid.name}: "
            "pass degrees, longitude first"
        )
    home = (
        np.clip(np.rint(row), 0, grid.rows - 1).astype(np.int64),
        np.clip(np.rint(col), 0, grid.cols - 1).astype(np.int64),
    )
    places = Places(names=labels, lon=lon, lat=lat, home=home, cells=home)
    if method == "nearest":
        return places
    if method == "mean3x3":
        alike = np.ones((row.size, 3))
        return _with_cells(places, grid, (home[0] - 1, home[1] - 1), (alike, alike))
    base = np.floor(row).astype(np.int64), np.floor(col).astype(np.int64)
    down, left = (np.stack([1 - (at - low), at - low], axis=1) for at, low in zip((row, col), base, strict=True))
    return _with_cells(places, grid, base, (down, left))


def positions_of(
    points: Any, earth: Earth, *, names: str | None = None
) -> tuple[list[Any], NDArray[np.float64], NDArray[np.float64]]:
    """Return names, longitudes and latitudes of points, degrees.

    Parameters
    ----------
    points, names
        As for `find_places`.
    earth : {"sphere", "wgs84"}
        Of the projection in which a table without degrees has its metres.

    Raises
    ------
    SettingsError
        There are no points, or two have the same name.
    NothingFound
        The file does not exist.
    """
    try:
        labels, lon, lat = _lonlat(points, earth, names)
    except (TypeError, ValueError, LookupError) as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError(
            f"points={points!r} are not points: pass names of towns, a mapping of names to (lon, lat), a "
            "sequence of (lon, lat), a DataFrame or CSV with columns lon and lat or x and y, or a GeoDataFrame of "
            "points"
        ) from error
    check_names(labels)
    return labels, lon, lat


def _with_cells(
    places: Places,
    grid: Grid,
    first: tuple[NDArray[np.int64], NDArray[np.int64]],
    factors: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Places:
    """Represent each point by a square of cells from a first one on, weighted by row times column."""
    side = np.arange(factors[0].shape[1])
    rows, cols = first[0][:, None] + np.repeat(side, side.size), first[1][:, None] + np.tile(side, side.size)
    weights = (factors[0][:, :, None] * factors[1][:, None, :]).reshape(rows.shape)
    weights *= (rows >= 0) & (rows < grid.rows) & (cols >= 0) & (cols < grid.cols)
    weights /= weights.sum(axis=1, keepdims=True)
    cells = np.clip(rows, 0, grid.rows - 1), np.clip(cols, 0, grid.cols - 1)
    return replace(places, cells=cells, weights=weights.astype(np.float32))


def _lonlat(
    points: Any, earth: Earth, column: str | None
) -> tuple[list[Any], NDArray[np.float64], NDArray[np.float64]]:
    if isinstance(points, str) and not user_path(points).suffix and not user_path(points).exists():
        points = [points]
    if isinstance(points, str | os.PathLike):
        path = user_path(points)
        if path.suffix.lower() in {".csv", ".txt", ".tsv"}:
            return _of_table(read_point_csv(path, column), earth)
        points = read_shapes(path)
    if hasattr(points, "geometry"):
        return _shapes(points, column)
    if hasattr(points, "columns"):
        found = point_table(points, column)
        counted = column is None and not _only_counts(points)
        return _of_table(found._replace(names=list(points.index)) if counted else found, earth)
    if column is not None:
        raise SettingsError(
            f"names={column!r} is the column of a table or file, and these points have none: leave it out"
        )
    if not isinstance(points, Mapping):
        points = list(points)
        check_names([name for name in map(_name_of, points, range(len(points))) if isinstance(name, str)])
        points = {_name_of(point, number): point for number, point in enumerate(points)}
    pairs = np.array([tuple(_position(name, point)) for name, point in points.items()], float)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs):
        raise ValueError(pairs.shape)
    return list(points), pairs[:, 0], pairs[:, 1]


def _of_table(table: PointTable, earth: Earth) -> tuple[list[Any], NDArray[np.float64], NDArray[np.float64]]:
    names = list(range(table.first.size)) if table.names is None else table.names
    lonlat = (table.first, table.second) if table.degrees else to_lonlat(table.first, table.second, earth)
    return names, *lonlat


def _only_counts(table: Any) -> bool:
    """Return whether the index of a table, if it has one, says nothing but 0, 1, ..."""
    return not hasattr(table, "index") or list(table.index) == list(range(len(table)))


def _name_of(point: Any, number: int) -> Any:
    """Return the name of a town in a list; other points are numbered."""
    return point if isinstance(point, str) else point.name if isinstance(point, Place) else number


def _position(name: Any, point: Any) -> Iterable[float]:
    """Return the longitude and latitude of a point; None stands for the town of this name."""
    if point is None or isinstance(point, str):
        return place(point or name)
    return cast("Iterable[float]", point)


def _shapes(points: Any, column: str | None) -> tuple[list[Any], NDArray[np.float64], NDArray[np.float64]]:
    shapes = read_shapes(points)
    kinds = shapes.geometry.geom_type
    if (kinds != "Point").any() or shapes.geometry.is_empty.any():
        at = int(np.argmax((kinds != "Point") | shapes.geometry.is_empty))
        kind = kinds.iloc[at] or "missing"
        raise SettingsError(f"the shape {shapes.index[at]!r} is a {kind}, not a point: use over_areas for areas")
    degrees = shapes.geometry.to_crs("EPSG:4326")
    return _shape_names(shapes, column), degrees.x.to_numpy(), degrees.y.to_numpy()


def _shape_names(shapes: Any, column: str | None) -> list[Any]:
    titles = {str(title).casefold(): title for title in shapes.columns if title != shapes.geometry.name}
    known = NAMES * _only_counts(shapes) if column is None else (column.casefold(),)
    title = next((titles[name] for name in known if name in titles), None)
    if column is not None and title is None:
        raise SettingsError(
            f"names={column!r} is not a column: choose one of {shortened(', '.join(titles.values()), 500)}"
        )
    return [plain_name(name) for name in (shapes.index if title is None else shapes[title])]


def point_series(fields: xr.DataArray, places: Places, *, progress: bool | Reporter = False) -> xr.DataArray:
    """Return the series at points, shape (time, point)."""
    check_mean(fields, mixed=places.weights is not None)
    groups = _near(fields, places)
    parts = [_at(fields, places, group, progress) for group in groups]
    joined: xr.Variable = xr.Variable.concat(parts, "point")  # type: ignore[no-untyped-call] # of xarray itself
    found = joined.isel(point=np.argsort(np.concatenate(groups)))
    times = {name: value for name, value in fields.coords.items() if value.dims == ("time",)}
    times |= issue_coords(fields)
    attrs = {key: value for key, value in fields.attrs.items() if key != "ancillary_variables"}
    series = xr.DataArray(found, {**times, **place_coords(fields, places)}, name=fields.name, attrs=attrs)
    keep_interval(series, of=fields)
    return series


def _at(fields: xr.DataArray, places: Places, group: NDArray[np.intp], progress: bool | Reporter) -> xr.Variable:
    """Return the series at some of the points, read from the box around them."""
    box, rows, cols = box_of(fields, *(cells[group] for cells in places.cells))
    some = places if places.weights is None else replace(places, weights=places.weights[group])
    return over_fields(box, lambda values: some.mean(values[..., rows, cols]), {"point": group.size}, progress)


def _near(fields: xr.DataArray, places: Places) -> list[NDArray[np.intp]]:
    """Return groups of points in the same chunk, so that each chunk is read once."""
    kept = dict(fields.chunksizes) or fields.encoding.get("preferred_chunks", {})
    tiles = np.stack([
        axis // np.max(kept.get(name, fields.sizes[name])) for name, axis in zip("yx", places.home, strict=True)
    ])  # fmt: skip
    _, number = np.unique(tiles, axis=1, return_inverse=True)
    return [np.flatnonzero(number == one) for one in range(number.max() + 1)]


def box_of(
    fields: xr.DataArray, rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> tuple[xr.DataArray, NDArray[np.int64], NDArray[np.int64]]:
    """Return the smallest box of fields that holds some cells, and their rows and columns in it."""
    south, west = int(rows.min()), int(cols.min())
    box = fields.isel(y=slice(south, int(rows.max()) + 1), x=slice(west, int(cols.max()) + 1))
    return box, rows - south, cols - west


def over_fields(
    fields: xr.DataArray,
    function: Callable[[NDArray[Any]], NDArray[Any]],
    sizes: dict[str, int],
    progress: bool | Reporter,
) -> xr.Variable:
    """Apply a function to fields (time, y, x): lazily, or block by block."""
    if fields.chunks is None:
        parts = [function(values) for _, values in blocks(fields, "read", progress=progress)]
        return xr.Variable(("time", *sizes), np.concatenate(parts))
    found = xr.apply_ufunc(
        function,
        fields.variable.chunk(y=-1, x=-1),
        input_core_dims=[["y", "x"]],
        output_core_dims=[list(sizes)],
        dask="parallelized",
        output_dtypes=[fields.dtype],
        dask_gufunc_kwargs={"output_sizes": sizes},
    )
    return cast("xr.Variable", found)


def place_coords(like: xr.DataArray, places: Places) -> dict[str, xr.Variable]:
    """Return the names and positions of points, and the centres of the cells that contain them."""
    rows, cols = places.home
    return {
        "point": xr.Variable("point", labels_of(places.names)),
        "lon": xr.Variable("point", places.lon, EAST),
        "lat": xr.Variable("point", places.lat, NORTH),
        "y": xr.Variable("point", like["y"].values[rows], _without_axis(like["y"])),
        "x": xr.Variable("point", like["x"].values[cols], _without_axis(like["x"])),
        "crs": like["crs"].variable,
    }


def labels_of(names: list[Any]) -> NDArray[Any]:
    """Return names as a coordinate's values: text as objects, which every format can write."""
    labels = np.array(names)
    return labels.astype(object) if labels.dtype.kind == "U" else labels


def _without_axis(coordinate: xr.DataArray) -> dict[str, Any]:
    return {str(key): value for key, value in coordinate.attrs.items() if key != "axis"}


def check_mean(fields: xr.DataArray, *, mixed: bool) -> None:
    """Raise an error if cells with classes would be averaged."""
    if mixed and (fields.dtype.kind != "f" or "flag_values" in fields.attrs):
        raise SeriesError(f'{fields.name!r} holds classes, which have no mean: use method="nearest" at points')
