"""Totals over periods of a variable that is already a Dataset's: lazy where it is lazy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.analysis.periods import make_periods
from radar_nb.analysis.variables import amount_of
from radar_nb.errors import SettingsError
from radar_nb.reading.intervals import ends_of, keep_interval

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from radar_nb.analysis.periods import Label, Periods

_TOGETHER = 16
"""Parts of a total that are added up at once: some 130 MB of fields."""
_BYTES = 32 << 20  # of a stretch of what has no chunks
_SPELLING = {"units": "seconds since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian", "dtype": "int64"}
_SHARE = "share of the period's intervals that are not missing"


def totals(
    data: Any, period: Any, *, timezone: str = "UTC", day_begin: str = "00:00", label: Label | None = None
) -> xr.Dataset:
    """Return the totals of periods and their coverage, as `reduce` gives them of archives.

    Parameters
    ----------
    data : xarray.Dataset or DataArray
        An amount in mm; any dimensions beside time.
    period, timezone, day_begin, label
        As in `radar_nb.analysis.periods.make_periods`.

    Returns
    -------
    xarray.Dataset
        The total, float32, NaN where no interval was valid, and `coverage`, float32; computed where the input was
        no dask array. Each is added up in float64 in stretches of time, so that memory does not grow.

    Raises
    ------
    SeriesError
        No amount in mm.
    SettingsError
        The period cannot be.
    """
    amount, minutes = amount_of(data)
    lazy = amount.chunks is not None
    periods = make_periods(
        ends_of(amount),
        period,
        minutes=minutes,
        timezone=timezone,
        day_begin=day_begin,
        label=label,
    )
    pairs = _added(_by_period(amount, periods), periods)
    valid = pairs.imag
    coverage = np.minimum(valid / xr.DataArray(periods.expected, dims="time"), 1)
    attrs = {key: value for key, value in amount.attrs.items() if key != "interval_minutes"}
    attrs |= sum_attrs(amount, periods)
    fields = {amount.name: pairs.real.where(valid > 0), "coverage": coverage}
    ds = xr.Dataset(
        fields,
        timeless_coords(amount) | period_coords(periods),
        data.attrs if isinstance(data, xr.Dataset) else {},
    )
    ds = ds.astype(np.float32)
    ds[amount.name].attrs = attrs | {"ancillary_variables": "coverage"}
    ds["coverage"].attrs = {"long_name": _SHARE, "units": "1"}
    keep_interval(ds[amount.name])
    ds = ds.transpose(*amount.dims, ...)
    ds = ds if lazy else ds.compute()
    return ds.isel(time=0) if period is None else ds


def sum_attrs(amount: xr.DataArray, periods: Periods) -> dict[str, Any]:
    """Give what is new in the attributes of a sum: its name in words, and its interval where all have one."""
    length = {"interval_minutes": periods.minutes} if periods.minutes else {}
    return {"long_name": reduced_name("sum", amount)} | length


def reduced_name(how: str, like: xr.DataArray) -> str:
    """Say in words what was made of a variable; a sum of sums is a sum.

    Examples
    --------
    >>> reduced_name("sum", xr.DataArray(0.0, attrs={"long_name": "hourly rain"}))
    'sum of hourly rain'
    """
    of = {"sum": "sum", "mean": "mean", "max": "maximum", "min": "minimum"}[how]
    name = str(like.attrs.get("long_name", like.name))
    return name if of == "sum" and name.startswith("sum of ") else f"{of} of {name}"


def covered(ds: xr.Dataset, least: float) -> xr.Dataset:
    """Take away values of which less than a share is known.

    Raises
    ------
    SettingsError
        The share is none.
    """
    if not 0 <= least <= 1:
        raise SettingsError(f"min_coverage={least!r} is no share: give a number from 0 to 1")
    for name in ds.data_vars:
        if name != "coverage":
            # some 0.95 are 0.949999988 in float32
            kept = ds[name].where(ds["coverage"] >= least - 1e-6).astype(ds[name].dtype)
            ds[name] = kept.assign_attrs(ds[name].attrs)
            keep_interval(ds[name])
    return ds.assign_attrs(min_coverage=least)


def _by_period(amount: xr.DataArray, periods: Periods) -> xr.DataArray:
    """Cut chunks so that none reaches over the end of a period."""
    ends = np.flatnonzero(np.diff(periods.of_step)) + 1
    count = amount.sizes["time"]
    if amount.chunks is None:
        longest = max(1, _BYTES // max(4 * amount.size // count, 1))
        there = np.arange(longest, count, longest)
    else:
        there = np.cumsum(amount.chunks[amount.dims.index("time")])
    cuts = np.unique(np.concatenate([there, ends, [count]]))
    return amount.chunk(time=tuple(np.diff(cuts, prepend=0).tolist()))


def _added(parts: xr.DataArray, periods: Periods) -> xr.DataArray:
    """Give each period's total and, as its imaginary part, the number of its valid intervals.

    Chunks are added up, then some of their totals at a time, and so on.
    """
    axis = parts.dims.index("time")
    data = parts.data
    add: Callable[[Any, int], NDArray[np.complex128]] = _begun
    of_part = periods.of_step[np.cumsum(data.chunks[axis]) - 1]
    while True:
        chunks = (*data.chunks[:axis], (1,) * len(of_part), *data.chunks[axis + 1 :])
        data = data.map_blocks(add, axis, dtype=np.complex128, chunks=chunks)
        if len(of_part) == len(periods.bounds):
            return xr.DataArray(data, dims=parts.dims)
        place = np.arange(len(of_part)) - np.searchsorted(of_part, of_part)
        starts = np.flatnonzero(place % _TOGETHER == 0)
        data = data.rechunk({axis: tuple(np.diff(np.append(starts, len(of_part))).tolist())})
        of_part, add = of_part[starts], _gone_on


def _begun(block: NDArray[np.float32], axis: int) -> NDArray[np.complex128]:
    """Add up values that are not missing, and count them."""
    steps = np.moveaxis(block, axis, 0)
    total, valid = np.zeros(steps.shape[1:]), np.zeros(steps.shape[1:], np.int32)
    for step in steps:
        there = step == step  # noqa: PLR0124 - what is missing is not equal to itself; this is isnan in half the time
        np.add(total, step, out=total, where=there)
        valid += there
    return np.expand_dims(total + 1j * valid, axis)


def _gone_on(block: NDArray[np.complex128], axis: int) -> NDArray[np.complex128]:
    total: NDArray[np.complex128] = block.sum(axis=axis, keepdims=True)
    return total


def period_coords(periods: Periods) -> dict[str, xr.Variable]:
    """Return the labels of periods as `time`, and what they cover as `time_bnds`, `period_begin`, `period_end`.

    `time_bnds` is what CF knows; the other two stay with a variable that is taken out of the Dataset.
    """
    attrs = {"standard_name": "time", "axis": "T", "bounds": "time_bnds", "long_name": periods.label}
    times = {"time": (periods.labels, attrs)} | {
        f"period_{edge}": (periods.bounds[:, side], {"long_name": f"{edge} of the time that is covered, UTC"})
        for side, edge in enumerate(("begin", "end"))
    }
    coords = {
        name: xr.Variable("time", values.astype("datetime64[ns]"), told, dict(_SPELLING))
        for name, (values, told) in times.items()
    }
    bounds = periods.bounds.astype("datetime64[ns]")
    return coords | {"time_bnds": xr.Variable(("time", "bnds"), bounds, {}, dict(_SPELLING))}


def timeless_coords(amount: xr.DataArray) -> dict[str, xr.Variable]:
    """Give the coordinates that have no time."""
    return {str(name): value.variable for name, value in amount.coords.items() if "time" not in value.dims}
