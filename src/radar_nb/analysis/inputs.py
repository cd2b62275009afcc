"""The inputs of analyses: the variable of a Dataset, its intervals, and its grid."""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from radar_nb.dwd.grids import AXES, GRIDS, Grid
from radar_nb.errors import SeriesError, SettingsError, StorageError
from radar_nb.reading.forecasts import as_series, issue_of
from radar_nb.reading.georeference import earth_of_axis
from radar_nb.reading.intervals import bounds_of, ends_of, interval_of, shown_interval
from radar_nb.reading.opening import open_dataset
from radar_nb.reading.series import overlap_step, product_counts
from radar_nb.reading.sources import find_frames, is_cube
from radar_nb.runtime.wording import human_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from radar_nb.runtime.progress import Reporter

BESIDE = ("coverage", "flags")
"""Variables that describe another one."""
ORIGIN = ("grid_mapping", "institution", "radars")
"""Attributes of a variable that what is computed of it keeps."""

_NEAR = 1e-3  # metres within which cells lie where they should


def variable_of(data: Any) -> xr.DataArray:
    """Return the variable of a Dataset that is not coverage or flags, with its times.

    Parameters
    ----------
    data : xarray.Dataset or DataArray
        As `open_dataset`, `open_cube`, `at_points` or `over_areas` returns it.

    Returns
    -------
    xarray.DataArray
        With a dimension `time`, as lazy as it was.

    Raises
    ------
    SeriesError
        It is neither, holds several variables, its times do not rise, or its `interval_minutes` contradicts them;
        or it has several runs of forecasts with several lead times, see `radar_nb.forecast`.
    """
    data = beside = as_series(data)
    if isinstance(data, xr.Dataset):
        names = [name for name in data.data_vars if name not in BESIDE]
        if len(names) != 1:
            some = ", ".join(map(str, names)) or "none"
            raise SeriesError(f"one variable is needed, and the Dataset has {some}: pass one, such as ds[['YW']]")
        data = data[names[0]]
    if not isinstance(data, xr.DataArray):
        raise SeriesError(f"{data!r} is not a Dataset or a variable of one: pass what open_dataset returns")
    if "time" not in data.dims or not data.sizes["time"]:
        dims = ", ".join(map(str, data.dims)) or "no dimension"
        raise SeriesError(f"{data.name!r} has no times (it has {dims}): pass a series")
    if "lead_time" in data.dims:
        raise SeriesError(
            f"{data.name!r} has several lead times but no coordinate prediction_time: pass the Dataset of "
            "open_dataset"
        )
    if (np.diff(ends_of(data)) <= np.timedelta64(0, "s")).any():
        raise SeriesError(
            f"the times of {data.name!r} do not rise: sort them with .sortby('time') and drop duplicates"
        )
    shown_interval(data, beside)
    return data


def amount_of(data: Any) -> tuple[xr.DataArray, int]:
    """Return the variable of a Dataset, which must be an amount of water in mm, and its interval in minutes.

    Overlapping sums of one run of forecasts, such as RS, are reduced to consecutive ones from the time of issue:
    0, 60 and 120 min ahead.

    Raises
    ------
    SeriesError
        It is a rate, a reflectivity, a class, or a mean or extreme of amounts; its interval is unknown or out of
        date (see `radar_nb.reading.intervals`), or its sums overlap; or see `variable_of`.
    """
    data = as_series(data)
    amount = variable_of(data)
    units, cells = amount.attrs.get("units"), str(amount.attrs.get("cell_methods", ""))
    if str(units) != "mm" or "time: sum" not in cells:
        raise SeriesError(
            f"{amount.name!r} is in {units!r} ({cells or 'no cell_methods'}): only amounts in mm can be summed. "
            "Pass a rain product as open_dataset returns it, not its rate (to_rate)"
        )
    minutes, ends = interval_of(amount, data), ends_of(amount)
    lengths, counts = np.unique(np.diff(ends) // np.timedelta64(60, "s"), return_counts=True)
    usual = int(lengths[counts.argmax()]) if lengths.size else 0
    if not (minutes or usual):
        raise SeriesError(
            f"{amount.name!r} does not say how long its intervals are: set the attribute interval_minutes"
        )
    if minutes and (step := overlap_step(ends.astype(np.int64) // 60, minutes)):
        if (issued := issue_of(amount)) is not None:
            return _apart(amount, minutes, issued), minutes
        raise SeriesError(
            f"{amount.name!r} has sums of {minutes} min every {step} min, which overlap: open it with "
            'sums="apart", or choose those that do not overlap'
        )
    return amount, minutes or usual  # of months, the most frequent length


def even_steps(data: Any, amount: xr.DataArray, minutes: int) -> tuple[np.datetime64, NDArray[np.int64]]:
    """Return the begin of the first interval, UTC, and the number of each interval, counted in their length.

    Raises
    ------
    SeriesError
        Intervals differ in length, or do not follow each other evenly.
    """
    ends = ends_of(amount)
    step = np.timedelta64(60 * minutes, "s")
    bounds = bounds_of(amount, data if hasattr(data, "data_vars") else None)
    uneven = bounds is not None and ((bounds[..., 1] - bounds[..., 0]) != step).any()
    if uneven or ((ends - ends[0]) % step != np.timedelta64(0, "s")).any():
        raise SeriesError(
            f"the intervals of {amount.name!r} are not all {human_interval(minutes)} long, or do not follow each "
            "other "
            'evenly: write the series as it was opened, or accumulate(series, "1h") or "1D" of it, in UTC'
        )
    return ends[0] - step, ((ends - ends[0]) // step).astype(np.int64)


def _apart(amount: xr.DataArray, minutes: int, issued: np.datetime64) -> xr.DataArray:
    """Return consecutive amounts of a run from the time of issue on, without overlap."""
    interval = np.timedelta64(60 * minutes, "s")
    there = (ends_of(amount) - issued) % interval == np.timedelta64(0, "s")
    if not there.any():
        raise SeriesError(
            f"{amount.name!r} has overlapping sums of {minutes} min, and no lead time is a multiple of that: "
            "keep such lead times"
        )
    return amount.isel(time=there)


def fields_of(variable: xr.DataArray) -> xr.DataArray:
    """Return a variable with its last dimensions (y, x), both rising.

    Raises
    ------
    SeriesError
        It lacks these dimensions, or has others beside time.
    """
    if set(variable.dims) != {"time", "y", "x"}:
        raise SeriesError(
            f"{variable.name!r} has the dimensions {', '.join(map(str, variable.dims))}, not "
            "(time, y, x): pass what open_dataset returns"
        )
    falling = [name for name in ("y", "x") if variable[name].values[0] > variable[name].values[-1]]
    rising = variable.isel({name: slice(None, None, -1) for name in falling}) if falling else variable
    return rising.transpose("time", "y", "x")


def grid_of(fields: xr.DataArray) -> Grid:
    """Return the grid of fields: one of DWD's, or a part of one.

    Parameters
    ----------
    fields : xarray.DataArray
        With `y` and `x`, metres of DWD's projection, evenly spaced and rising, and `crs`.

    Raises
    ------
    SeriesError
        The coordinates do not match a grid of DWD.
    """
    if "crs" not in fields.coords:
        raise SeriesError(
            f"{fields.name!r} has no coordinate crs, which locates its cells: keep that of open_dataset"
        )
    earth = earth_of_axis(fields["crs"].attrs.get("semi_major_axis"))
    y, x = (np.asarray(fields[name].values, float) for name in ("y", "x"))
    parts = []
    for grid in GRIDS.values():
        first = round((y[0] - grid.y0) / grid.cell), round((x[0] - grid.x0) / grid.cell)
        size = y.size, x.size
        within = all(a >= 0 and a + n <= whole for a, n, whole in zip(first, size, grid.shape, strict=True))
        if grid.earth != earth or not within:
            continue
        ours = grid.y[first[0] : first[0] + y.size], grid.x[first[1] : first[1] + x.size]
        if max(np.abs(ours[0] - y).max(), np.abs(ours[1] - x).max()) > _NEAR:
            continue
        if size == grid.shape:
            return grid
        name = f"a part of {grid.name}"
        parts.append(replace(grid, name=name, rows=y.size, cols=x.size, y0=float(y[0]), x0=float(x[0])))
    if parts:
        return parts[0]
    raise SeriesError(
        f"{fields.name!r} does not lie on a grid of DWD: y and x must be metres of its projection, evenly spaced"
    )


def cell_areas(grid: Grid) -> NDArray[np.float64]:
    """Return the true area of a grid's cells on the ground in km2, shape (rows, cols).

    The projection stretches by k = (1 + sin 60) / (1 + sin lat) (Snyder 1987, Map Projections: A Working Manual,
    eq. 21-4, for the sphere; on WGS84 it differs by less than 0.3 %).

    Examples
    --------
    >>> cell_areas(GRIDS["de1100"])[500, 450].round(3)
    np.float64(0.902)
    """
    radius, _ = AXES["sphere"]
    top = (1 + np.sin(np.radians(60))) / 2
    rho = np.hypot(grid.x[None, :], grid.y[:, None]) / (2 * radius * top)
    areas: NDArray[np.float64] = (grid.cell / 1000 / (top * (1 + rho**2))) ** 2
    return areas


def check_keywords(name: str, options: Mapping[str, Any], *functions: Callable[..., Any]) -> None:
    """Reject keywords that a public function does not accept.

    Raises
    ------
    TypeError
        Like Python's own error; it names the public function and the nearest valid keyword.
    """
    parameters = [value for one in functions for value in signature(one).parameters.values()]
    known = [value.name for value in parameters if value.kind == value.KEYWORD_ONLY]
    for option in options:
        if option not in known:
            near = get_close_matches(option, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(known)}"
            raise TypeError(f"{name}() got an unexpected keyword argument {option!r}: {hint}")


def is_dataset(data: Any) -> bool:
    """Return whether this is a Dataset or a variable of one, and not a source of frames."""
    return isinstance(data, xr.Dataset | xr.DataArray)


def cut_dataset(store: Any, **options: Any) -> xr.Dataset:
    """Open a cube so that boxes and pixels are read without the rest of their fields."""
    from radar_nb.cube.opening import open_cube  # noqa: PLC0415 - zarr is loaded where there is a cube

    return open_cube(store, chunks=None, **options)


def products_in(source: Any, *, errors: Literal["raise", "report"], progress: bool | Reporter) -> tuple[str, ...]:
    """Return the names of the products whose frames a source holds, none of a cube: see `open_dataset`."""
    if is_cube(source):
        return ()
    frames, _ = find_frames(source, errors=errors, progress=progress)
    return tuple(product_counts(frames))


def dataset_of(data: Any, *, progress: bool | Reporter, **options: Any) -> xr.Dataset | xr.DataArray:
    """Return a Dataset unchanged; open a cube, which is as it was built, or another source, block by block."""
    if isinstance(data, xr.Dataset | xr.DataArray):
        return data
    if is_cube(data):
        for name in ("grid", "run", "lead"):
            if (value := options.get(name)) is not None:
                raise SettingsError(f"{name}={str(value)!r} does not apply to the cube {data}: leave out {name}=")
        return cut_dataset(data)
    return open_dataset(data, chunks=None, progress=progress, **options)


def read_netcdf(path: str) -> xr.Dataset:
    """Open a netCDF that `radar-nb accumulate` wrote; raise StorageError if it cannot be read."""
    try:
        return xr.open_dataset(path, engine="h5netcdf", decode_coords="all")
    except OSError as error:
        raise StorageError(f"{path} is not a readable netCDF file ({error}): write it again") from error
