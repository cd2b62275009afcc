"""Series at points and of areas out of fields, lazy where these are lazy; what such series say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xarray as xr

from radar_nb.areas import Means
from radar_nb.blocks import blocks
from radar_nb.errors import SeriesError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from radar_nb.areas import Areas
    from radar_nb.places import Places
    from radar_nb.progress import Reporter

_EAST = {"standard_name": "longitude", "units": "degrees_east"}
_NORTH = {"standard_name": "latitude", "units": "degrees_north"}
_SHARE = "share of the area in which the value is known"


def point_series(fields: xr.DataArray, places: Places, *, progress: bool | Reporter = False) -> xr.DataArray:
    """Give the series at points, shape (time, point)."""
    _check_mean(fields, mixed=places.weights is not None)

    def at(values: NDArray[Any]) -> NDArray[Any]:
        return places.mean(values[..., places.cells[0], places.cells[1]])

    found = _each(fields, at, {"point": len(places.names)}, progress)
    times = {name: value for name, value in fields.coords.items() if value.dims == ("time",)}
    attrs = {key: value for key, value in fields.attrs.items() if key != "ancillary_variables"}
    return xr.DataArray(found, {**times, **place_coords(fields, places)}, name=fields.name, attrs=attrs)


def area_series(fields: xr.DataArray, areas: Areas, *, progress: bool | Reporter = False) -> xr.Dataset:
    """Give the means over areas and their coverage, shape (time, area)."""
    _check_mean(fields, mixed=True)

    def over(values: NDArray[np.float32]) -> NDArray[np.float32]:
        means = Means(areas)  # of a stretch of its own: threads share none
        flat = values.reshape(-1, values.shape[-2] * values.shape[-1])
        pairs = np.stack([means.of(field.take(areas.cells)) for field in flat])
        return pairs.reshape(*values.shape[:-2], 2, -1)

    found = _each(fields, over, {"known": 2, "area": len(areas.names)}, progress)
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
