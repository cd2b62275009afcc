"""Series at points and of areas out of fields, lazy where these are lazy; what such series say of themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xarray as xr

from radar_nb.analysis.areas import Means
from radar_nb.analysis.blocks import blocks
from radar_nb.errors import SeriesError
from radar_nb.reading.intervals import keep_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from radar_nb.analysis.areas import Areas
    from radar_nb.analysis.points import Places
    from radar_nb.runtime.progress import Reporter

_EAST = {"standard_name": "longitude", "units": "degrees_east"}
_NORTH = {"standard_name": "latitude", "units": "degrees_north"}
_SHARE = "share of the area in which the value is known"


def point_series(fields: xr.DataArray, places: Places, *, progress: bool | Reporter = False) -> xr.DataArray:
    """Give the series at points, shape (time, point)."""
    _check_mean(fields, mixed=places.weights is not None)
    groups = _near(fields, places)
    parts = [_at(fields, places, group, progress) for group in groups]
    joined: xr.Variable = xr.Variable.concat(parts, "point")  # type: ignore[no-untyped-call] # of xarray itself
    found = joined.isel(point=np.argsort(np.concatenate(groups)))
    times = {name: value for name, value in fields.coords.items() if value.dims == ("time",)}
    attrs = {key: value for key, value in fields.attrs.items() if key != "ancillary_variables"}
    series = xr.DataArray(found, {**times, **place_coords(fields, places)}, name=fields.name, attrs=attrs)
    keep_interval(series)
    return series


def _at(fields: xr.DataArray, places: Places, group: NDArray[np.intp], progress: bool | Reporter) -> xr.Variable:
    """Give the series at some of the points, out of the box in which these lie."""
    box, rows, cols = _box(fields, *(cells[group] for cells in places.cells))
    some = places if places.weights is None else replace(places, weights=places.weights[group])
    return _each(box, lambda values: some.mean(values[..., rows, cols]), {"point": group.size}, progress)


def _near(fields: xr.DataArray, places: Places) -> list[NDArray[np.intp]]:
    """Give the numbers of points that lie in the same chunk: what is read for one is there for the others."""
    kept = dict(fields.chunksizes) or fields.encoding.get("preferred_chunks", {})
    tiles = np.stack([
        axis // np.max(kept.get(name, fields.sizes[name])) for name, axis in zip("yx", places.home, strict=True)
    ])  # fmt: skip
    _, number = np.unique(tiles, axis=1, return_inverse=True)
    return [np.flatnonzero(number == one) for one in range(number.max() + 1)]


def _box(
    fields: xr.DataArray, rows: NDArray[np.int64], cols: NDArray[np.int64]
) -> tuple[xr.DataArray, NDArray[np.int64], NDArray[np.int64]]:
    """Give the smallest part of fields that holds some cells, and their rows and columns in it."""
    south, west = int(rows.min()), int(cols.min())
    box = fields.isel(y=slice(south, int(rows.max()) + 1), x=slice(west, int(cols.max()) + 1))
    return box, rows - south, cols - west


def area_series(fields: xr.DataArray, areas: Areas, *, progress: bool | Reporter = False) -> xr.Dataset:
    """Give the means over areas and their coverage, shape (time, area)."""
    _check_mean(fields, mixed=True)
    box, rows, cols = _box(fields, *np.divmod(areas.cells, fields.sizes["x"]))
    areas = replace(areas, cells=rows * box.sizes["x"] + cols)

    def over(values: NDArray[np.float32]) -> NDArray[np.float32]:
        means = Means(areas)  # of a stretch of its own: threads share none
        flat = values.reshape(-1, values.shape[-2] * values.shape[-1])
        pairs = np.stack([means.of(field.take(areas.cells)) for field in flat])
        return pairs.reshape(*values.shape[:-2], 2, -1)

    found = _each(box, over, {"known": 2, "area": len(areas.names)}, progress)
    return area_dataset(fields, found.isel(known=0), found.isel(known=1), areas)


def _each(
    fields: xr.DataArray,
    function: Callable[[NDArray[Any]], NDArray[Any]],
    sizes: dict[str, int],
    progress: bool | Reporter,
) -> xr.Variable:
    """Apply a function of fields (time, y, x): lazily, or to one block after the other."""
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


def area_dataset(like: xr.DataArray, means: xr.Variable, coverage: xr.Variable, areas: Areas) -> xr.Dataset:
    """Give means and coverage as a Dataset that says of what, and when."""
    attrs = {key: value for key, value in like.attrs.items() if key != "grid_mapping"}
    methods = f"{like.attrs.get('cell_methods', '')} area: mean".strip()
    means.attrs = attrs | {"cell_methods": methods, "ancillary_variables": "coverage"}
    keep_interval(means)
    coverage.attrs = {"long_name": _SHARE, "units": "1"}
    times = {name: value for name, value in like.coords.items() if value.dims and value.dims[0] == "time"}
    return xr.Dataset({like.name: means, "coverage": coverage}, {**times, **area_coords(areas)})


def area_coords(areas: Areas) -> dict[str, xr.Variable]:
    """Give the names, centroids and sizes of areas."""
    size = {"standard_name": "area", "long_name": "size on the ellipsoid", "units": "km2"}
    return {
        "area": xr.Variable("area", _labels(areas.names)),
        "lon": xr.Variable("area", areas.lon, _EAST),
        "lat": xr.Variable("area", areas.lat, _NORTH),
        "km2": xr.Variable("area", areas.km2, size),
    }


def place_coords(like: xr.DataArray, places: Places) -> dict[str, xr.Variable]:
    """Give the names of points, where they are, and the centres of the cells in which they lie."""
    rows, cols = places.home
    return {
        "point": xr.Variable("point", _labels(places.names)),
        "lon": xr.Variable("point", places.lon, _EAST),
        "lat": xr.Variable("point", places.lat, _NORTH),
        "y": xr.Variable("point", like["y"].values[rows], _without_axis(like["y"])),
        "x": xr.Variable("point", like["x"].values[cols], _without_axis(like["x"])),
        "crs": like["crs"].variable,
    }


def _labels(names: list[Any]) -> NDArray[Any]:
    labels = np.array(names)
    return labels.astype(object) if labels.dtype.kind == "U" else labels


def _without_axis(coordinate: xr.DataArray) -> dict[str, Any]:
    return {str(key): value for key, value in coordinate.attrs.items() if key != "axis"}


def _check_mean(fields: xr.DataArray, *, mixed: bool) -> None:
    if mixed and (fields.dtype.kind != "f" or "flag_values" in fields.attrs):
        raise SeriesError(f"{fields.name!r} holds classes, which have no mean: take the nearest cell of points")
