"""Which time each value covers, and whether that is still reliable after ordinary xarray operations.

xarray keeps attributes regardless of the computation: after `YW.resample(time="1h").sum()` the attribute
`interval_minutes` is still 5. Three traces reveal a change. Coordinates along time (`source`, `time_bnds`,
`period_begin`, `period_end`) survive a selection and are lost, or no longer match, when times are combined. The
spacing of the times contradicts the interval. And xarray drops the `encoding` of a computed variable, but not that
of its coordinates: this distinguishes a moving sum from an opened variable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.errors import SeriesError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_MINUTE = np.timedelta64(60, "s")


def ends_of(variable: xr.DataArray) -> NDArray[np.datetime64]:
    """Return the ends of a variable's intervals, datetime64[s], UTC, shape (time,), or () for one field.

    `time` is that end, except for two kinds of series: forecasts (`prediction_time`), and days and longer periods,
    which are labelled with their begin (`period_end`).
    """
    dims = variable["time"].dims
    for name in ("period_end", "prediction_time"):
        if name in variable.coords and variable[name].dims == dims:
            return variable[name].values.astype("datetime64[s]")
    return variable["time"].values.astype("datetime64[s]")


def bounds_of(variable: xr.DataArray, beside: xr.Dataset | xr.DataArray | None = None) -> NDArray[Any] | None:
    """Return begin and end of each value if the coordinates hold them, datetime64[s], UTC, shape (..., 2).

    Parameters
    ----------
    variable : xarray.DataArray
        With a coordinate `time`, of one dimension or none.
    beside : xarray.Dataset, optional
        The Dataset of the variable, which has `time_bnds`: a DataArray cannot carry them.
    """
    if {"period_begin", "period_end"} <= set(variable.coords):
        edges = [variable[name].values for name in ("period_begin", "period_end")]
        return np.stack(edges, axis=-1).astype("datetime64[s]")
    for holder in (variable, beside):
        if holder is not None and "time_bnds" in holder.coords:
            bounds: NDArray[Any] = holder["time_bnds"].values.astype("datetime64[s]")
            return bounds if bounds.shape == (*variable["time"].shape, 2) else None
    return None


def interval_of(variable: xr.DataArray, beside: xr.Dataset | xr.DataArray | None = None) -> int | None:
    """Return the minutes that each amount covers, for arithmetic; None if not stated, as for months.

    Parameters
    ----------
    variable, beside
        As for `bounds_of`.

    Raises
    ------
    SeriesError
        `interval_minutes` contradicts the times or bounds, or xarray has computed the values since they were
        opened.
    """
    if not variable.attrs.get("interval_minutes"):
        return None
    minutes = _compared(variable, beside)
    if _computed(variable):
        raise SeriesError(
            f"{_stated(variable)}, but xarray has computed its values (rolling, cumsum, where, arithmetic, ...) "
            "and always keeps that attribute. For sums over time use radar_nb.accumulate on the opened variable; "
            f"if each value still is the amount of {minutes} min, state it with .drop_encoding()"
        )
    return minutes


def shown_interval(variable: xr.DataArray, beside: xr.Dataset | xr.DataArray | None = None) -> int | None:
    """Return the minutes that each amount covers, for titles and axes; None if that is not certain.

    Parameters
    ----------
    variable, beside
        As for `bounds_of`.

    Raises
    ------
    SeriesError
        `interval_minutes` contradicts the times or bounds.
    """
    minutes = _compared(variable, beside)
    return None if _computed(variable) or "time" not in variable.coords else minutes


def keep_interval(variable: xr.DataArray | xr.Variable) -> None:
    """State that the values of a result match its attributes, as for an opened variable."""
    variable.encoding.setdefault("dtype", variable.dtype)


def _compared(variable: xr.DataArray, beside: xr.Dataset | xr.DataArray | None) -> int | None:
    """Return the stated interval after comparing it with times and bounds."""
    if not variable.attrs.get("interval_minutes"):
        return None
    minutes = int(variable.attrs["interval_minutes"])
    if not _is_amount(variable) or "time" not in variable.coords:
        return minutes
    if (bounds := bounds_of(variable, beside)) is not None:
        widths = np.unique((bounds[..., 1] - bounds[..., 0]) / _MINUTE)
        if (wrong := widths[widths != minutes]).size:
            raise _contradiction(variable, f"its bounds are {wrong[0]:g} min apart")
        return minutes
    if "source" in variable.coords:  # steps as opened: there may be gaps and overlapping sums
        return minutes
    if variable["time"].ndim != 1 or variable["time"].size < 2:
        return minutes
    steps = np.unique(np.diff(np.sort(ends_of(variable))) / _MINUTE)
    if steps[0] > minutes:  # overlapping sums have shorter steps
        raise _contradiction(variable, f"its times are {steps[0]:g} min apart")
    return minutes


def _is_amount(variable: xr.DataArray) -> bool:
    return variable.attrs.get("units") == "mm" and "time: sum" in variable.attrs.get("cell_methods", "time: sum")


def _computed(variable: xr.DataArray) -> bool:
    """Return whether xarray has computed the values since they were opened."""
    opened = any(coordinate.encoding for coordinate in variable.coords.values())
    return opened and not variable.encoding and _is_amount(variable)


def _stated(variable: xr.DataArray) -> str:
    return f"{variable.name!r} states interval_minutes={variable.attrs['interval_minutes']}"


def _contradiction(variable: xr.DataArray, found: str) -> SeriesError:
    return SeriesError(
        f"{_stated(variable)}, but {found}: xarray keeps attributes, so a resampled series still has its "
        "previous interval. Use radar_nb.accumulate for sums over time, or set interval_minutes to what "
        "each value covers, with times at the ends"
    )
