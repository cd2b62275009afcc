"""Which time each value covers, and whether that is still reliable after ordinary xarray operations.

xarray keeps attributes whatever is computed: after `YW.resample(time="1h").sum()` the attribute
`interval_minutes` is still 5. Four traces show what happened. Coordinates along time (`source`, `time_bnds`,
`period_begin`, `period_end`) survive a selection and are lost, or no longer fit, when times are put together.
The distance of the times contradicts the interval. xarray drops the `encoding` of a variable whose values
it computes: this distinguishes a moving sum from opened data. And dask's graph shows whether all that was
computed are masks and factors, which leave amounts of the same interval.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray

from radar_nb.errors import SeriesError
from radar_nb.runtime.numerals import stated_number
from radar_nb.runtime.wording import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MINUTE = np.timedelta64(60, "s")
_KEY = "interval_minutes"
"""The attribute that states the interval; in the encoding, whoever has computed the values states it."""
_MOST = 60 * 24 * 366 * 1000  # minutes: a thousand years
_LOCAL = frozenset(
    (
        *("where", "mul", "truediv", "astype", "clip", "gt", "ge", "lt", "le", "eq", "ne"),
        *("isnan", "invert", "and_", "or_", "mean_chunk", "mean_agg-aggregate", "transpose"),
        *("rechunk-merge", "rechunk-split", "rechunk-split-rechunk-merge"),
    )
)
"""dask's names for what is computed of each time alone, and stays an amount of its interval."""


def ends_of(variable: xr.DataArray) -> NDArray[np.datetime64]:
    """Return the ends of a variable's intervals, datetime64[s], UTC, shape (time,), or () for one field.

    `time` is that end, except for two kinds of series: forecasts (`prediction_time`), and days and longer periods,
    which are labelled with their begin (`period_end`).
    """
    time = variable["time"]
    for name in ("period_end", "prediction_time"):
        if name not in variable.coords:
            continue
        ends = variable[name]
        if ends.dims == time.dims or ends.size == time.size == 1:  # a single field that was given a dimension
            return ends.values.astype("datetime64[s]").reshape(time.shape)
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
    minutes = _compared(variable, beside)
    if minutes is None:
        return None
    if _computed(variable):
        raise SeriesError(
            f"{_stated(variable)}, but xarray has computed its values (rolling, cumsum, where, arithmetic, ...) "
            "and keeps that attribute whatever it does. For sums over time use radar_nb.accumulate on what was "
            f"opened; if each value still is the amount of {minutes} min, as after a mask or a factor, state it: "
            f"da.encoding[{_KEY!r}] = {minutes}"
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


def stated_interval(variable: xr.DataArray) -> int | None:
    """Return the minutes that the attribute `interval_minutes` states; None if it is missing or empty.

    Raises
    ------
    SeriesError
        It is not a whole number of minutes: files of others may state anything.
    """
    stated = variable.attrs.get(_KEY)
    if stated is None or (np.ndim(stated) == 0 and not stated):
        return None
    number = stated_number(stated)
    if number is None or not (number.is_integer() and 0 < number < _MOST):
        raise SeriesError(
            f"{variable.name!r} states interval_minutes={printable(str(stated)[:40])}, which is not a whole "
            "number of minutes: set the attribute to what each value covers, or remove it"
        )
    return int(number)


def keep_interval(result: xr.DataArray | xr.Variable, of: xr.DataArray | None = None) -> None:
    """State that the values of a result are what its attributes say, as of a variable that was opened.

    Parameters
    ----------
    result : xarray.DataArray or Variable
    of : xarray.DataArray, optional
        What a DataArray was made of: the result of values in doubt stays in doubt.
    """
    if of is None or not _computed(of):
        result.encoding.setdefault("dtype", result.dtype)
    elif isinstance(result, xr.DataArray) and "time" in result.coords:
        result["time"].encoding.setdefault("dtype", "int64")  # the trace of what was opened


def _compared(variable: xr.DataArray, beside: xr.Dataset | xr.DataArray | None) -> int | None:
    """Return the stated interval after comparing it with times and bounds."""
    minutes = stated_interval(variable)
    if minutes is None:
        return None
    if not _is_amount(variable) or "time" not in variable.coords:
        return minutes
    ends, bounds = ends_of(variable), bounds_of(variable, beside)
    if bounds is not None:
        widths = np.unique((bounds[..., 1] - bounds[..., 0]) / _MINUTE)
        if (wrong := widths[widths != minutes]).size:
            raise _contradiction(variable, f"its bounds are {wrong[0]:g} min apart")
        if (late := bounds[..., 1] - ends)[late != np.timedelta64(0, "s")].size:
            raise _contradiction(variable, f"its bounds end {late.max() / _MINUTE:g} min after its times")
    if "source" in variable.coords or (bounds is not None and not _was_opened(variable)):
        return minutes  # steps as they were opened or made: there may be gaps, and sums that overlap
    if ends.ndim != 1 or ends.size < 2 or variable.encoding.get(_KEY) == minutes:
        return minutes
    steps = np.unique(np.diff(np.sort(ends)) / _MINUTE)
    if steps[0] > minutes:  # shorter steps are those of sums that overlap
        raise _contradiction(variable, f"its times are {steps[0]:g} min apart")
    return minutes


def _is_amount(variable: xr.DataArray) -> bool:
    attrs = variable.attrs
    return str(attrs.get("units")) == "mm" and "time: sum" in str(attrs.get("cell_methods", "time: sum"))


def _was_opened(variable: xr.DataArray) -> bool:
    """Return whether a variable comes from radar_nb, and is not made by hand."""
    return "source" in variable.coords or any(value.encoding for value in variable.coords.values())


def _computed(variable: xr.DataArray) -> bool:
    """Return whether xarray has computed the values since they were opened, other than by masks and factors."""
    asked = _is_amount(variable) and not variable.encoding and _was_opened(variable)
    return asked and not _is_local(variable)


def _is_local(variable: xr.DataArray) -> bool:
    """Return whether dask's graph proves that each value follows from the file's value of the same time.

    What is in memory, and what dask describes in another way, is not proved.
    """
    if variable.chunks is None or "source" not in variable.coords:
        return False
    try:
        return _selections(variable.data.name, variable.data.__dask_graph__(), {}) is not None
    except (AttributeError, LookupError, RecursionError):
        return False


def _selections(name: str, graph: Any, known: dict[str, frozenset[str] | None]) -> frozenset[str] | None:
    """Return by which selections a layer of a graph was made of an opened array; None for a mask in memory.

    Raises
    ------
    LookupError
        It was made in another way, or of two selections: it may mix the values of several times.
    """
    if name not in known:
        needed, layer, kind = graph.dependencies[name], graph.layers[name], name.rpartition("-")[0]
        made = {_selections(one, graph, known) for one in needed} - {None}
        if not needed:  # numbers in memory may be anything, a moving sum as well
            is_mask = all(getattr(getattr(value, "dtype", None), "kind", "") == "b" for value in layer.values())
            allowed, made = is_mask or _is_file(layer.get(name)), set() if is_mask else {frozenset()}
        else:
            allowed = kind in _LOCAL or kind == "getitem" or f"original-{name}" in needed
        if not allowed or len(made) > 1:
            raise LookupError(name)
        known[name] = next((one | {name} if kind == "getitem" else one for one in made if one is not None), None)
    return known[name]


def _is_file(array: Any) -> bool:
    """Return whether an array is one that is read from files when it is needed."""
    while not isinstance(array, BackendArray) and hasattr(array, "array"):
        array = array.array
    return isinstance(array, BackendArray)


def _stated(variable: xr.DataArray) -> str:
    return f"{variable.name!r} states interval_minutes={variable.attrs[_KEY]}"


def _contradiction(variable: xr.DataArray, found: str) -> SeriesError:
    return SeriesError(
        f"{_stated(variable)}, but {found}: xarray keeps attributes, so a resampled series still has its "
        "previous interval. Use radar_nb.accumulate for sums over time, or set interval_minutes to what "
        "each value covers, with times at the ends"
    )
