"""DWD's depths of heavy rain at places and in all cells of fields: KOSTRA-DWD-2020."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.analysis.inputs import grid_of
from radar_nb.analysis.points import EAST, NORTH, labels_of, positions_of
from radar_nb.dwd.kostra import CITATION, DURATIONS, GERMANY, PERIODS, cells_of, centres_of
from radar_nb.errors import SettingsError
from radar_nb.reading.kostra import kostra_cells

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from radar_nb.runtime.progress import Reporter


def kostra(
    points: Any,
    *,
    names: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    progress: bool | Reporter = True,
) -> xr.Dataset:
    """Return DWD's depths of heavy rain at places or in cells: KOSTRA-DWD-2020, by duration and return period.

    DWD's tables (22 files, some MB) are fetched once and kept. A depth is that of the cell of 5 km that contains
    the point, for a point in it, whereas a cell of a radar product is a mean over 1 km2.

    Parameters
    ----------
    points : mapping, sequence, DataFrame, GeoDataFrame, str, path, xarray.Dataset or xarray.DataArray
        As for `at_points`: names of towns, names to (lon, lat), a table, or a file. Or fields with (y, x), as
        `open_dataset` returns them, for the values at the centres of all of their cells.
    names : str, optional
        Column of a table or file with the names.
    folder : path, optional
        The data folder below which the tables are kept, under the same paths as on the server; by default the
        cache.
    base_url : str, optional
        The server (see `settings`).
    progress : bool or Reporter

    Returns
    -------
    xarray.Dataset
        `level`, mm, and `uncertainty`, percent of it to both sides, float64, of shape (point, duration,
        return_period); `duration` timedelta64, 5 min to 7 days; `return_period` in years, 1 to 100, counted as for
        a partial series; `lon` and `lat` of the points, `cell` (`INDEX_RC`), `cell_lon` and `cell_lat` of the
        cells' centres. `design_storm` and `storm_against_design` accept it.

        For fields float32 of shape (duration, return_period, y, x), computed when they are needed, with `cell` of
        shape (y, x); NaN, and -1 in `cell`, where KOSTRA has no values, that is outside Germany. Such levels are
        accepted by `heavy_rain_catalogue`.

    Raises
    ------
    SettingsError
        The points are not valid, or one lies outside Germany: its cell has no values; or no cell of
        fields has any.
    SeriesError
        The fields are not on a grid of DWD.
    DownloadError
        A table is missing, and the server cannot be reached or does not have it.
    ArchiveError
        A table is damaged.
    StorageError
        The folder cannot take a table.

    Examples
    --------
    >>> levels = rn.kostra("Leipzig")  # doctest: +SKIP
    >>> levels.level.sel(duration="1h", return_period=100)  # doctest: +SKIP
    """
    if isinstance(points, xr.Dataset | xr.DataArray):
        return _in_cells(points, folder, base_url, progress)
    labels, lon, lat = positions_of(points, "sphere", names=names)
    cells = cells_of(lon, lat)
    west, east, south, north = GERMANY
    outside = (cells < 0) | (lon < west) | (lon > east) | (lat < south) | (lat > north)
    _refuse(labels, lon, lat, outside)  # without the tables
    distinct, at = np.unique(cells, return_inverse=True)
    found = kostra_cells(distinct.tolist(), folder=folder, base_url=base_url, progress=progress)
    _refuse(labels, lon, lat, np.asarray(np.isnan(found.depths[at]).all(axis=(1, 2))))
    cell_lon, cell_lat = centres_of(cells)
    dims = ("point", "duration", "return_period")
    return _described(
        {"level": (dims, found.depths[at]), "uncertainty": (dims, found.uncertainties[at])},
        {
            "point": labels_of(labels),
            "lon": ("point", lon, EAST),
            "lat": ("point", lat, NORTH),
            "cell": ("point", cells, {"long_name": "INDEX_RC"}),
            "cell_lon": ("point", cell_lon, EAST),
            "cell_lat": ("point", cell_lat, NORTH),
        },
    )


def _refuse(
    labels: list[Any], lon: NDArray[np.float64], lat: NDArray[np.float64], outside: NDArray[np.bool_]
) -> None:
    """Raise an error for the first point that has no values."""
    if outside.any():
        first = int(outside.argmax())
        raise SettingsError(
            f"KOSTRA-DWD-2020 has no values at {labels[first]!r} (lon {lon[first]:g}, lat {lat[first]:g}): it "
            "covers Germany; choose points in it, longitude first"
        )


def _described(values: dict[str, Any], coords: dict[str, Any]) -> xr.Dataset:
    """Return depths and uncertainties with their durations, return periods, units and source."""
    period = {"units": "year", "long_name": "return period"}
    coords |= {
        "duration": np.array(DURATIONS, "m8[m]").astype("m8[ns]"),
        "return_period": ("return_period", np.array(PERIODS, float), period),
    }
    found = xr.Dataset(values, coords, {"title": "KOSTRA-DWD-2020", "source": CITATION, "counted": "partial"})
    found["level"].attrs = {"units": "mm", "long_name": "depth of rain exceeded once in the return period"}
    found["uncertainty"].attrs = {"units": "percent", "long_name": "uncertainty of level"}
    return found


def _in_cells(
    fields: xr.Dataset | xr.DataArray,
    folder: str | os.PathLike[str] | None,
    base_url: str | None,
    progress: bool | Reporter,
) -> xr.Dataset:
    """Return the values at the centres of all cells of fields."""
    if not {"y", "x", "crs"} <= set(fields.coords):
        raise SettingsError(
            "the fields lack the coordinates y, x and crs: pass what open_dataset returns, or names of places"
        )
    coords = {name: fields.coords[name].variable for name in ("y", "x", "crs")}
    shape = fields.sizes["y"], fields.sizes["x"]
    template = xr.DataArray(np.broadcast_to(np.float32(0), shape), coords, ("y", "x"), "points").sortby(["y", "x"])
    cells = cells_of(*grid_of(template).lonlat())
    distinct, at = np.unique(cells, return_inverse=True)
    table = kostra_cells(distinct.tolist(), folder=folder, base_url=base_url, progress=progress)
    known = np.asarray(np.isfinite(table.depths).any(axis=(1, 2)))
    if not known.any():
        raise SettingsError("KOSTRA-DWD-2020 has no values in these cells: it covers Germany; choose cells in it")
    at = at.reshape(cells.shape)
    cells = np.where(known[at], cells, -1)
    values = {}
    for name, numbers in (("level", table.depths), ("uncertainty", table.uncertainties)):
        dims = ("duration", "return_period", "cell")
        rows = xr.DataArray(numbers.astype(np.float32).transpose(1, 2, 0), dims=dims)
        values[name] = xr.apply_ufunc(
            lambda row: row[..., at],
            rows.chunk(duration=1, return_period=1),
            input_core_dims=[["cell"]],
            output_core_dims=[["y", "x"]],
            dask="parallelized",
            output_dtypes=[np.float32],
            dask_gufunc_kwargs={"output_sizes": dict(zip(("y", "x"), cells.shape, strict=True))},
        )
    marked = {"long_name": "INDEX_RC; -1 without values"}
    placed: dict[Any, Any] = {**template.coords, "cell": (("y", "x"), cells, marked)}
    return _described(values, placed).sel(y=fields["y"], x=fields["x"])
