"""Totals over periods: of a Dataset, lazy if it is lazy, and of frames that threads read once."""

from __future__ import annotations

import functools
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xarray as xr

from radar_nb.analysis.inputs import amount_of, variable_of
from radar_nb.analysis.order_statistics import Counter, OtherCodes
from radar_nb.analysis.periods import make_periods
from radar_nb.analysis.tallies import FRAMES_LIMIT, CodeTally, FlagTally, Tally, Totals, ValueTally, Wanted
from radar_nb.errors import SettingsError
from radar_nb.reading.forecasts import issue_of
from radar_nb.reading.intervals import ends_of, keep_interval
from radar_nb.runtime.wording import human_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

    from numpy.typing import NDArray

    from radar_nb.analysis.order_statistics import Asked
    from radar_nb.analysis.periods import Periods
    from radar_nb.analysis.points import Places
    from radar_nb.formats.packing import Packing
    from radar_nb.reading.frame_stream import FrameStream, Take
    from radar_nb.reading.regridding import Weights

_BLOCK = 1 << 14
"""Cells that are converted at once: new memory for a whole field costs more than the arithmetic."""


class Results:
    """The arrays of the result, and the totals of periods that are not complete.

    Parameters
    ----------
    stream : FrameStream
    periods : Periods
    hows : sequence of str
    wanted : Wanted
    asked : Asked
        Quantiles and a histogram, which `count` finds.
    places : Places or None
        The cells that are processed; None for all.

    Attributes
    ----------
    dims : tuple of str
        Of a frame.
    fields : dict of str to ndarray of float32, shape (periods, rows, cols) or (periods, points)
        For each way to reduce that has one number of its own.
    counts : ndarray of int32, shape (periods, thresholds, ...)
    wet : ndarray of float32, shape (periods, thresholds, ...)
        Shares of valid intervals.
    quantiles : ndarray of float32, shape (periods, quantiles, ...)
    bins : ndarray of int32, shape (periods, bins, ...)
    coverage : ndarray of float32, shape (periods, ...)
    """

    def __init__(
        self,
        stream: FrameStream,
        periods: Periods,
        hows: Sequence[str],
        *,
        wanted: Wanted,
        asked: Asked,
        places: Places | None,
    ) -> None:
        self.periods, self.wanted, self.asked, self.places = periods, wanted, asked, places
        self.dims = stream.dims if places is None else ("point",)
        self.shape = stream.shape if places is None else (len(places.names),)
        shape = (len(periods.bounds), *self.shape)
        counted = (shape[0], max(1, len(wanted.thresholds)), *self.shape)
        self.fields: dict[str, NDArray[np.float32]] = {
            how: np.empty(shape, np.float32) for how in hows if how in ("sum", "mean", "max", "min", "std", "var")
        }
        self.counts = np.empty(counted if "count" in hows else (0,), np.int32)
        self.wet = np.empty(counted if "wet_share" in hows else (0,), np.float32)
        self.quantiles = np.empty((shape[0], len(asked.shares), *self.shape), np.float32)
        self.bins = np.empty((shape[0], max(0, len(asked.edges) - 1), *self.shape), np.int32)
        self.coverage = np.empty(shape, np.float32)
        self.frames = np.bincount(periods.of_step[stream.there], minlength=shape[0])
        self._left = self.frames.copy()
        self._floats = False
        self._counter: Counter | None = None
        self._valid = np.empty(0, np.int32)
        self._open: dict[int, dict[tuple[float, float], Totals]] = {}
        self._lock = threading.Lock()
        self._gatherers: list[_Gatherer] = []

    def taker(self) -> Take:
        """Return a function that takes the frames of one thread."""
        gatherer = _Gatherer(self)
        self._gatherers.append(gatherer)
        return gatherer.take

    def end(self) -> None:
        """Add the last totals of all threads."""
        for gatherer in self._gatherers:
            gatherer.end()
        self._gatherers.clear()

    def count(self, period: int, read: Callable[[Callable[[], Take]], None]) -> None:
        """Compute everything of one period; `read` passes its frames to takers, once for each call."""
        cells = int(np.prod(self.shape))
        self._counter = Counter(cells, int(self.frames[period]), self.asked, floats=self._floats)
        try:
            read(self.taker)
        except OtherCodes:  # frames differ in scale: begin again, and compare values
            self._floats = True
            self._gatherers.clear()
            self._open.pop(period, None)
            self._left[period] = self.frames[period]
            self.count(period, read)
            return
        self.end()
        counter = self._counter
        while counter.turn(self._valid):
            read(lambda: _Recount(counter, self.places).take)
        if counter.counts is not None:
            self.bins[period] = counter.counts.reshape(self.bins.shape[1:])
        if self.asked.shares:
            self.quantiles[period] = counter.quantiles.reshape(self.quantiles.shape[1:])

    def see(self, data: NDArray[Any], packing: Packing) -> None:
        """Count the codes or values of a frame, if quantiles or a histogram are asked for."""
        if self._counter is not None:
            self._counter.add(data, packing)

    def add(self, period: int, totals: Totals, frames: int) -> None:
        """Add the totals of some frames of a period; the last ones complete it."""
        with self._lock:
            there = self._open.setdefault(period, {})
            key = totals.scale, totals.offset
            if key in there:
                there[key].add(totals)
            else:
                there[key] = totals
            self._left[period] -= frames
            if self._left[period]:
                return
            del self._open[period]
        self._close(period, [there[key] for key in sorted(there)])

    def _close(self, period: int, totals: Sequence[Totals]) -> None:
        valid = functools.reduce(np.add, (one.valid for one in totals))
        share = self.coverage[period].reshape(-1)  # a view, as are those below
        np.divide(valid, self.periods.expected[period], out=share, casting="unsafe")
        np.minimum(share, 1, out=share)
        self._valid, missing = valid, valid == 0
        for how, fields in self.fields.items():
            field = fields[period].reshape(-1)
            _reduce(how, totals, valid, field)
            np.copyto(field, np.nan, where=missing)
        if self.counts.size or self.wet.size:
            counts = [sum(parts) for parts in zip(*(one.above for one in totals), strict=True)] or [valid]
            if self.counts.size:
                self.counts[period] = np.reshape(counts, self.counts.shape[1:])
            for number in range(len(counts) if self.wet.size else 0):
                share = self.wet[period, number].reshape(-1)
                np.divide(counts[number], np.maximum(valid, 1), out=share, casting="unsafe")
                np.copyto(share, np.nan, where=missing)


def _reduce(how: str, totals: Sequence[Totals], valid: NDArray[np.int32], out: NDArray[np.float32]) -> None:
    """Compute the values of cells; arbitrary where no value was valid."""
    if how == "max":
        out[:] = functools.reduce(np.maximum, (one.largest for one in totals))
        return
    if how == "min":
        out[:] = functools.reduce(np.minimum, (one.smallest for one in totals))
        return
    if how in ("std", "var"):
        variance = _variance(totals, valid)
        out[:] = variance if how == "var" else np.sqrt(variance)
        return
    for start in range(0, out.size, _BLOCK):
        cells = slice(start, start + _BLOCK)
        total = np.zeros(out[cells].size)
        for one in totals:
            total += one.sums[cells] * one.scale
            if one.offset:
                total += one.valid[cells] * one.offset
        if how == "mean":
            total /= np.maximum(valid[cells], 1)
        out[cells] = total


def _variance(totals: Sequence[Totals], valid: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the mean squared deviation from the mean of all frames.

    Parts of different scales are joined by the deviations of their means (Chan, Golub and LeVeque 1983, Algorithms
    for computing the sample variance, The American Statistician 37, eq. 2.1, for several parts).
    """
    number = np.maximum(valid, 1)
    spread = functools.reduce(np.add, (one.deviations() for one in totals))
    if len(totals) > 1:
        means = [one.sums * one.scale / np.maximum(one.valid, 1) + one.offset for one in totals]
        mean = sum(of * one.valid for of, one in zip(means, totals, strict=True)) / number
        for of, one in zip(means, totals, strict=True):
            spread += one.valid * (of - mean) ** 2
    found: NDArray[np.float64] = spread / number
    return found


def _kind_of(
    codes: NDArray[Any], packing: Packing, way: Weights | None, places: Places | None
) -> type[FlagTally | CodeTally | ValueTally]:
    """Return the tally for frames of a packing, which are used as they are or brought to a grid or to points."""
    if codes.dtype.kind != "f" and way is None and (places is None or places.weights is None):
        if packing.flagged and packing.itemsize == 2:
            return FlagTally
        if CodeTally.can_take(packing):
            return CodeTally
    return ValueTally


def _data_of(
    codes: NDArray[Any], packing: Packing, way: Weights | None, places: Places | None, *, floats: bool
) -> NDArray[Any]:
    """Return the codes of the cells that are processed, or their values on the grid or at the points."""
    data = codes if way is None else way.apply(packing.values(codes))
    data = data.ravel() if places is None else data[places.cells]
    if floats:
        data = data if data.dtype.kind == "f" else packing.values(data)
        data = data if places is None else places.mean(data)
    return data


class _Recount:
    """One thread's further pass over frames, for the quantiles alone."""

    def __init__(self, counter: Counter, places: Places | None) -> None:
        self._counter, self._places = counter, places

    def take(self, step: int, codes: NDArray[Any], packing: Packing, way: Weights | None) -> None:  # noqa: ARG002 - as every taker
        """Count the keys of a frame."""
        floats = _kind_of(codes, packing, way, self._places) is ValueTally
        self._counter.add(_data_of(codes, packing, way, self._places, floats=floats), packing)


class _Gatherer:
    """One thread's totals of consecutive frames of one period and packing."""

    def __init__(self, results: Results) -> None:
        self._results = results
        self._tallies: dict[type, Tally] = {}
        self._tally: Tally | None = None
        self._now: tuple[int, Packing, bool] | None = None
        self._frames = 0

    def take(self, step: int, codes: NDArray[Any], packing: Packing, way: Weights | None) -> None:
        """Add a frame."""
        now = int(self._results.periods.of_step[step]), packing, way is None
        if now != self._now or self._frames == FRAMES_LIMIT:
            self.end()
            self._now = now
            self._tally = self._started(codes, packing, way)
        floats = isinstance(self._tally, ValueTally)
        data = _data_of(codes, packing, way, self._results.places, floats=floats)
        cast("Tally", self._tally).add(data)
        self._frames += 1
        self._results.see(data, packing)

    def _started(self, codes: NDArray[Any], packing: Packing, way: Weights | None) -> Tally:
        kind = _kind_of(codes, packing, way, self._results.places)
        if kind not in self._tallies:
            cells = int(np.prod(self._results.shape))
            self._tallies[kind] = kind(cells, self._results.wanted)
        tally = self._tallies[kind]
        tally.start(packing)
        return tally

    def end(self) -> None:
        """Pass the totals on to the results."""
        if self._tally is not None and self._now is not None and self._frames:
            self._results.add(self._now[0], self._tally.totals(), self._frames)
        self._frames = 0


_TOGETHER = 16
"""Parts of a total that are added up at once: some 130 MB of fields."""
_BYTES = 32 << 20  # size of a block of data without chunks
_SPELLING = {"units": "seconds since 1970-01-01 00:00:00", "calendar": "proleptic_gregorian", "dtype": "int64"}
_SHARE = "share of the period's intervals that are not missing"


def totals(data: Any, period: Any, **clock: Any) -> xr.Dataset:
    """Return the totals of periods and their coverage, as `reduce` does for archives: see `DatasetTotals`."""
    engine = DatasetTotals(data, period, **clock)
    found = engine.part(0, len(engine.periods.labels))
    return found.isel(time=0) if period is None else found


class DatasetTotals:
    """The totals of a variable of a Dataset, some periods at a time.

    Parameters
    ----------
    data : xarray.Dataset or DataArray
        An amount in mm; any dimensions beside time.
    period, **clock
        As in `radar_nb.analysis.periods.make_periods`.

    Raises
    ------
    SeriesError
        Not an amount in mm, or its interval is out of date: see `radar_nb.analysis.inputs.amount_of`.
    SettingsError
        The period is not valid.
    """

    def __init__(self, data: Any, period: Any, **clock: Any) -> None:
        self._amount, minutes = amount_of(data)
        self._attrs = data.attrs if isinstance(data, xr.Dataset) else {}
        self.periods = make_periods(
            ends_of(self._amount), period, minutes=minutes, issued=issue_of(self._amount), **clock
        )
        self.lazy = self._amount.chunks is not None
        self.cells = self._amount.size // self._amount.sizes["time"]
        self.source = str(self._attrs.get("title", self._amount.name))

    def part(self, first: int, stop: int) -> xr.Dataset:
        """Return the periods from `first` to before `stop`, computed unless the input is a dask array.

        The total is float32, NaN where no interval is valid. It is added up in float64 in blocks of time, so that
        memory does not grow.
        """
        steps = slice(*np.searchsorted(self.periods.of_step, [first, stop]))
        amount, periods = self._amount.isel(time=steps), self.periods.part(first, stop)
        periods = replace(periods, of_step=periods.of_step[steps])
        total, valid = _added(_by_period(amount, periods), periods)
        attrs = {key: value for key, value in amount.attrs.items() if key != "interval_minutes"}
        attrs |= sum_attrs(amount, periods) | {"ancillary_variables": "coverage"}
        coverage = np.minimum(valid / xr.DataArray(periods.expected, dims="time"), 1)
        ds = xr.Dataset(
            {amount.name: total.where(valid > 0).astype(np.float32), "coverage": coverage.astype(np.float32)},
            timeless_coords(amount) | period_coords(periods),
            self._attrs,
        ).transpose(*amount.dims, ...)
        ds[amount.name].attrs = attrs
        ds["coverage"].attrs = {"long_name": _SHARE, "units": "1"}
        keep_interval(ds[amount.name])
        return ds if self.lazy else ds.compute()


def sum_attrs(amount: xr.DataArray, periods: Periods) -> dict[str, Any]:
    """Return the attributes that a sum changes: its long name, and its interval if all periods have the same."""
    length = {"interval_minutes": periods.minutes} if periods.minutes else {}
    return {"long_name": reduced_name("sum", amount)} | length


def reduced_name(how: str, like: xr.DataArray) -> str:
    """Return the long name of a reduced variable; a sum of sums is a sum.

    Examples
    --------
    >>> reduced_name("sum", xr.DataArray(0.0, attrs={"long_name": "hourly rain"}))
    'sum of hourly rain'
    """
    of = {"std": "standard deviation", "var": "variance", "max": "maximum", "min": "minimum"}.get(how, how)
    name = str(like.attrs.get("long_name", like.name))
    return name if of == "sum" and name.startswith("sum of ") else f"{of} of {name}"


def check_share(least: float) -> None:
    """Raise `SettingsError` unless `min_coverage` is a number from 0 to 1."""
    if not 0 <= least <= 1:
        raise SettingsError(f"min_coverage={least!r} is not a share: pass a number from 0 to 1, such as 0.95")


def with_coverage(ds: xr.Dataset, least: float) -> xr.Dataset:
    """Replace values with a smaller coverage by NaN."""
    check_share(least)
    for name in ds.data_vars:
        if name != "coverage":
            # 0.95 is 0.949999988 in float32
            kept = ds[name].where(ds["coverage"] >= least - 1e-6).astype(ds[name].dtype)
            kept = kept.assign_attrs(ds[name].attrs)
            keep_interval(kept, of=ds[name])
            ds[name] = kept
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
    """Return each period's total and the number of its valid intervals, along a new first dimension.

    Chunks are added up, then some of their totals at a time, and so on.
    """
    axis = parts.dims.index("time")
    of_part = periods.of_step[np.cumsum(parts.data.chunks[axis]) - 1]
    one = (1,) * len(of_part)
    chunks = ((2,), *parts.data.chunks[:axis], one, *parts.data.chunks[axis + 1 :])
    data = parts.data.map_blocks(_begun, axis, dtype=np.float64, new_axis=[0], chunks=chunks)
    while len(of_part) > len(periods.bounds):
        place = np.arange(len(of_part)) - np.searchsorted(of_part, of_part)
        starts = np.flatnonzero(place % _TOGETHER == 0)
        data = data.rechunk({axis + 1: tuple(np.diff(np.append(starts, len(of_part))).tolist())})
        of_part = of_part[starts]
        chunks = (*data.chunks[: axis + 1], (1,) * len(of_part), *data.chunks[axis + 2 :])
        data = data.map_blocks(np.sum, axis=axis + 1, keepdims=True, dtype=np.float64, chunks=chunks)
    return xr.DataArray(data, dims=("kind", *parts.dims))


def _begun(block: NDArray[np.float32], axis: int) -> NDArray[np.float64]:
    """Return the sum of values that are not missing, and their number."""
    steps = np.moveaxis(block, axis, 0)
    total, valid = np.zeros(steps.shape[1:]), np.zeros(steps.shape[1:], np.int32)
    for step in steps:
        there = step == step  # noqa: PLR0124 - NaN is not equal to itself; this is isnan in half the time
        np.add(total, step, out=total, where=there)
        valid += there
    return np.expand_dims(np.stack([total, valid]), axis + 1)


def period_coords(periods: Periods) -> dict[str, xr.Variable]:
    """Return the labels of periods as `time`, and the covered time as `time_bnds`, `period_begin`, `period_end`.

    `time_bnds` follows CF; the other two stay with a variable that is taken out of the Dataset.
    """
    if periods.by is not None:
        whole = {f"period_{edge}": periods.bounds[0, side] for side, edge in enumerate(("begin", "end"))}
        edges = {name: xr.Variable((), time.astype("datetime64[ns]")) for name, time in whole.items()}
        return {periods.by: xr.Variable("time", periods.labels, {"long_name": periods.label})} | edges
    attrs = {"standard_name": "time", "axis": "T", "bounds": "time_bnds", "long_name": periods.label}
    times = {"time": (periods.labels, attrs)} | {
        f"period_{edge}": (periods.bounds[:, side], {"long_name": f"{edge} of the time that is covered, UTC"})
        for side, edge in enumerate(("begin", "end"))
    }
    coords = {
        name: xr.Variable("time", values.astype("datetime64[ns]"), notes, dict(_SPELLING))
        for name, (values, notes) in times.items()
    }
    bounds = periods.bounds.astype("datetime64[ns]")
    return coords | {"time_bnds": xr.Variable(("time", "bnds"), bounds, {}, dict(_SPELLING))}


def timeless_coords(amount: xr.DataArray) -> dict[str, xr.Variable]:
    """Return the coordinates without time."""
    return {str(name): value.variable for name, value in amount.coords.items() if "time" not in value.dims}


def of_day(series: xr.Dataset, day: date, *, timezone: str = "UTC", day_begin: str = "00:00") -> xr.Dataset:
    """Return the intervals of amounts that end on a day, as `accumulate` assigns them.

    Raises
    ------
    SettingsError
        There are none; the message has the first and last day.
    """
    amount, minutes = amount_of(series)
    found = make_periods(ends_of(amount), "1D", minutes=minutes, timezone=timezone, day_begin=day_begin)
    days = found.labels.astype("datetime64[D]")
    if not (here := days == np.datetime64(day, "D")).any():
        raise SettingsError(f"the data have no interval of {day}: choose a day from {days[0]} to {days[-1]}")
    return series.isel(time=np.flatnonzero(found.of_step == int(here.argmax())))


def between(series: xr.Dataset, first: datetime | None = None, last: datetime | None = None) -> xr.Dataset:
    """Return the intervals between two times, UTC: those that begin at or after the first, and end by the last.

    Raises
    ------
    SettingsError
        There are none; the message has the time that the data cover.
    """
    variable = variable_of(series)
    ends = ends_of(variable)
    begins = ends - np.timedelta64(60 * int(variable.attrs.get("interval_minutes") or 0), "s")
    kept = np.ones(ends.shape, bool)
    if first is not None:
        kept &= begins >= np.datetime64(first.replace(tzinfo=None), "s")
    if last is not None:
        kept &= ends <= np.datetime64(last.replace(tzinfo=None), "s")
    if not kept.any():
        raise SettingsError(
            f"the data have no interval between these times: choose some from {human_time(begins[0])} to "
            f"{human_time(ends[-1])}"
        )
    return series.isel(time=np.flatnonzero(kept))
