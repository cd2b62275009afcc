"""Totals, means, extremes, counts and series at points, straight from archives in one pass and constant memory.

Threads read one day each, forward; what stays of a frame is a few numbers a cell. These are put together when a
period is over, and go into the result.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import xarray as xr

from radar_nb.accumulators import FRAMES_LIMIT, FlagTally, Tally, Totals, ValueTally, Wanted
from radar_nb.assembly import Options, assemble, open_series
from radar_nb.cursor import Cursor, frame_codes
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.lazy import _Name as FrameName
from radar_nb.periods import Periods, make_periods
from radar_nb.places import Places, find_places
from radar_nb.products import PRODUCTS
from radar_nb.progress import Progress, reporting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from radar_nb.assembly import Opened
    from radar_nb.grids import Grid
    from radar_nb.packing import Clutter, Packing
    from radar_nb.progress import Reporter
    from radar_nb.regridding import Method, Weights

How = Literal["sum", "mean", "max", "min", "count", "series"]

_CELL_METHODS = {"sum": "time: sum", "mean": "time: mean", "max": "time: maximum", "min": "time: minimum"}
_BATCH = 288
"""Frames that a thread reads in one go, if days have so many: a day of 5-minute frames."""
_SHARES = 4
"""Batches for each thread at least, so that all end at about the same time."""


def reduce(
    source: Any,
    how: How | Sequence[How],
    *,
    period: Any = None,
    threshold: float | Sequence[float] | None = None,
    points: Any = None,
    variables: str | Sequence[str] | None = None,
    clutter: Clutter = "keep",
    grid: str | Grid | None = None,
    regrid: Method = "overlap",
    sums: str = "apart",
    errors: Literal["raise", "report"] = "raise",
    workers: int | None = None,
    progress: bool | Reporter = True,
) -> xr.Dataset:
    """Give totals, means, extremes or counts over time, or the series at points, in one pass over the archives.

    Nothing is extracted, and memory does not grow with the length of the series.

    Parameters
    ----------
    source, variables, clutter, grid, regrid, sums, errors
        As in `open_dataset`. Of overlapping sums those are taken that do not overlap, unless `sums` says so.
    how : {"sum", "mean", "max", "min", "count", "series"}, or several of the first five
        "sum" adds up amounts in mm, and nothing else. "count" counts the intervals that are not below each
        `threshold`, or without one those that are not missing. "series" gives every step at `points`.
    period : str, pandas offset or timedelta, optional
        "1h", "1D", "1M" or "MS" (calendar months), "YS", ... An interval belongs to the period in which it ends:
        the one that ends at 00:00 to the day before. All in one by default.
    threshold : float or sequence of float, optional
        For "count", in the variable's unit. Decimal numbers are compared: 0.29 mm is not below 0.29.
    points : mapping, sequence or DataFrame, optional
        Names to (lon, lat), or pairs alone, or columns lon and lat: degrees. Only the cells in which they lie are
        looked at.
    workers : int, optional
        Threads; by default as many as there are processors. The result is the same to the last bit.
    progress : bool or Reporter
        Task "reduce", in files and days of archives.

    Returns
    -------
    xarray.Dataset
        Variables named by product (`ds["YW"]`), or `YW_sum`, `YW_max`, ... where several were asked for:

        - float32 of shape (time, y, x), or (time, point); `count` int32, with a dimension `threshold` where
          several are given. NaN where no interval was valid, and a count of 0;
        - `time` is the end of the period, UTC, `time_bnds` its begin and end; both without a dimension where no
          `period` is given. Periods without a frame are left out;
        - `coverage`, float32 from 0 to 1: the share of the period's intervals that were not missing;
        - "series": float32 of shape (time, point) alone, NaN where missing.

    Raises
    ------
    SettingsError
        `how`, `period`, `threshold` or `points` cannot be, or a point lies outside the grid.
    SeriesError
        A sum of what is no amount, a mean or an extreme of classes, or several lead times.
    NothingFound, ArchiveError, FrameError, UnknownProduct, UnknownGrid
        As `open_dataset`.

    Examples
    --------
    >>> total = reduce("YW2017.002_202006.tar", "sum")["YW"]  # doctest: +SKIP
    >>> wet = reduce("data", "count", period="1D", threshold=[0.1, 1.0])  # doctest: +SKIP
    >>> series = reduce("data", "series", points={"Aachen": (6.09, 50.78)})  # doctest: +SKIP
    """
    hows, thresholds = _asked(how, period, threshold, points)
    options = Options(variables=variables, clutter=clutter, grid=grid, regrid=regrid, sums=sums, errors=errors)
    opened = open_series(source, options, progress=progress)
    like = assemble(opened, options)
    _check_meaning(opened, like[opened.name], hows)
    places = None if points is None else find_places(points, opened.target.grid)
    readers = workers or os.cpu_count() or 1
    if hows == ("series",):
        return _series(opened, like, cast("Places", places), readers, progress)
    lead = np.timedelta64(opened.series.leads[0] or 0, "m")
    periods = make_periods(opened.series.times + lead, period, minutes=opened.target.minutes)
    wanted = Wanted(
        sums=not {"sum", "mean"}.isdisjoint(hows),
        largest="max" in hows,
        smallest="min" in hows,
        thresholds=thresholds,
    )
    results = _Results(opened, periods, wanted, hows, places)
    _read(opened, results.taker, readers, progress)
    results.end()
    ds = results.dataset(like, prefix=not isinstance(how, str), one=threshold is None or np.ndim(threshold) == 0)
    return ds.isel(time=0) if period is None else ds


def _asked(how: Any, period: Any, threshold: Any, points: Any) -> tuple[tuple[How, ...], tuple[float, ...]]:
    """Hold the arguments against what they can be."""
    hows: tuple[Any, ...] = (how,) if isinstance(how, str) else tuple(dict.fromkeys(how))
    known = get_args(How)
    if not hows or not set(hows) <= set(known):
        raise SettingsError(
            f"how={how!r} is no way to reduce: possible are {', '.join(known)}, or several of them"
        )
    if "series" in hows:
        if len(hows) > 1 or period is not None:
            raise SettingsError('how="series" gives every step: ask for it alone, and without a period')
        if points is None:
            raise SettingsError('how="series" needs points=, such as {"Aachen": (6.09, 50.78)} (lon, lat)')
    if threshold is None:
        return hows, ()
    if "count" not in hows:
        raise SettingsError(f'threshold={threshold!r} is for how="count": ask for that too, or leave it away')
    thresholds = tuple(float(value) for value in np.atleast_1d(np.asarray(threshold, float)))
    if not thresholds or not np.isfinite(thresholds).all():
        raise SettingsError(f"threshold={threshold!r} is no number, and no sequence of some")
    return hows, thresholds


def _check_meaning(opened: Opened, variable: xr.DataArray, hows: Sequence[How]) -> None:
    """Refuse what would have no meaning."""
    name, unit = opened.name, variable.attrs["units"]
    if len(opened.series.leads) > 1:
        leads = ", ".join(str(lead) for lead in opened.series.leads)
        raise SeriesError(
            f"{name} comes with several lead times ({leads} min), each a series of its own: reduce the files of "
            "one, or use open_dataset(...).sel(lead_time=...)"
        )
    if "sum" in hows and variable.attrs.get("cell_methods") != "time: sum":
        raise SeriesError(f'{name} is in {unit}: only amounts in mm can be summed. Take "mean" or "max"')
    known = PRODUCTS.get(name)
    if known is not None and known.quantity == "class" and not {"mean", "max", "min"}.isdisjoint(hows):
        raise SeriesError(f'{name} holds classes, which have no mean and no extremes. Take "count" or "series"')


# --- one pass -------------------------------------------------------------------------------------------------

_Take = Callable[[int, "NDArray[Any]", "Packing", "Weights | None"], None]
"""Takes the number of a time step, the frame's codes, how they stand for values, and the way to the grid."""


def _read(opened: Opened, make: Callable[[], _Take], workers: int, progress: bool | Reporter) -> None:
    """Give every frame of a series once to one of the takers, of which each thread has its own."""
    frames, slots = opened.series.frames, opened.series.slots[:, 0]
    steps = np.flatnonzero(slots >= 0)
    rows = frames.rows[slots[steps]]
    steps = steps[np.lexsort((rows["position"], rows["part"]))]
    parts = frames.rows["part"][slots[steps]]
    starts = np.append(0, np.flatnonzero(np.diff(parts)) + 1)
    size = max(1, min(_BATCH, steps.size // (_SHARES * workers)))
    cuts = starts[np.append(True, np.diff(starts // size) > 0)]  # a part is read by one thread
    own = threading.local()

    def read(batch: NDArray[np.int64]) -> int:
        if not hasattr(own, "take"):
            own.take = make()
        return _read_batch(opened, batch, own.take)

    with reporting(progress) as report, ThreadPoolExecutor(workers) as pool:
        work = [pool.submit(read, batch) for batch in np.split(steps, cuts[1:])]
        done = 0
        try:
            for future in as_completed(work):
                done += future.result()
                report(Progress(task="reduce", done=done, total=starts.size, unit="files"))
        finally:
            pool.shutdown(cancel_futures=True)


def _read_batch(opened: Opened, steps: NDArray[np.int64], take: _Take) -> int:
    """Give some steps' frames, in the order of their places; tell from how many parts they came."""
    frames, count = opened.series.frames, 0
    cursor: Cursor | None = None
    for step, number in zip(steps.tolist(), opened.series.slots[steps, 0].tolist(), strict=True):
        row = frames.rows[number]
        part, kind, name = frames.parts[int(row["part"])], int(row["kind"]), FrameName(frames, number)
        if cursor is None or cursor.part is not part:
            cursor = Cursor(part)
            count += 1
        packing = opened.templates[kind].packing
        data = cursor.read(row, name=name)
        codes, packing = frame_codes(data, frames.kinds[kind], int(row["hash"]), packing, name=name)
        take(step, codes, packing, opened.weights[kind])
    return count


class _Results:
    """The arrays that the result is made of, and the totals of periods that are not over yet."""

    def __init__(
        self, opened: Opened, periods: Periods, wanted: Wanted, hows: Sequence[How], places: Places | None
    ) -> None:
        self.periods, self.wanted, self.places = periods, wanted, places
        self._name, self._hows = opened.name, hows
        self.shape = opened.target.grid.shape if places is None else (len(places.names),)
        shape = (len(periods.bounds), *self.shape)
        counted = (shape[0], max(1, len(wanted.thresholds)), *self.shape)
        self._arrays = {how: np.empty(shape, np.float32) for how in hows if how != "count"}
        self._counts = np.empty(counted if "count" in hows else (0,), np.int32)
        self._coverage = np.empty(shape, np.float32)
        of_frames = periods.of_step[opened.series.slots[:, 0] >= 0]
        self._left = np.bincount(of_frames, minlength=shape[0])
        self._open: dict[int, dict[tuple[float, float], Totals]] = {}
        self._lock = threading.Lock()
        self._gatherers: list[_Gatherer] = []

    def taker(self) -> _Take:
        """Give a thread what takes its frames."""
        gatherer = _Gatherer(self)
        self._gatherers.append(gatherer)
        return gatherer.take

    def end(self) -> None:
        """Take what the threads have gathered last."""
        for gatherer in self._gatherers:
            gatherer.end()

    def add(self, period: int, totals: Totals, frames: int) -> None:
        """Add the totals of some frames of a period; when they were the last ones, the period is over."""
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
        valid = cast("NDArray[np.int64]", sum(one.valid for one in totals))
        share = np.minimum(valid / self.periods.expected[period], 1)
        self._coverage[period] = share.reshape(self.shape)
        for how, array in self._arrays.items():
            values = _reduced(how, totals, valid)
            np.copyto(values, np.nan, where=valid == 0)
            array[period] = values.reshape(self.shape)
        if "count" in self._hows:
            counts = [sum(parts) for parts in zip(*(one.above for one in totals), strict=True)] or [valid]
            self._counts[period] = np.reshape(counts, self._counts.shape[1:])

    def dataset(self, like: xr.Dataset, *, prefix: bool, one: bool) -> xr.Dataset:
        """Give the result; `one` is whether there is no dimension of thresholds."""
        attrs = {key: value for key, value in like[self._name].attrs.items() if key not in _NOT_REDUCED}
        cells: tuple[str, ...] = ("y", "x") if self.places is None else ("point",)
        variables: dict[str, xr.Variable] = {}
        for how in self._hows:
            key = f"{self._name}_{how}" if prefix else self._name
            own = attrs | {"ancillary_variables": "coverage"}
            if how != "count":
                own |= {"cell_methods": _CELL_METHODS[how]}
                if how != "sum":
                    own["interval_minutes"] = like[self._name].attrs["interval_minutes"]
                variables[key] = xr.Variable(("time", *cells), self._arrays[how], own)
                continue
            own = {k: v for k, v in own.items() if k not in _NOT_COUNTED}
            own |= {"units": "1", "long_name": self._counted(like[self._name].attrs, one=one)}
            if one:
                variables[key] = xr.Variable(("time", *cells), self._counts[:, 0], own)
            else:
                variables[key] = xr.Variable(("time", "threshold", *cells), self._counts, own)
        told = {"long_name": "share of the period's intervals that are not missing", "units": "1"}
        told["grid_mapping"] = attrs["grid_mapping"]
        variables["coverage"] = xr.Variable(("time", *cells), self._coverage, told)
        return xr.Dataset(variables, self._coords(like, one=one), like.attrs)

    def _counted(self, attrs: Mapping[str, Any], *, one: bool) -> str:
        if not self.wanted.thresholds:
            return "number of intervals that are not missing"
        least = f"{self.wanted.thresholds[0]:g} {attrs['units']}" if one else "the threshold"
        return f"number of intervals with at least {least}: {attrs['long_name']}"

    def _coords(self, like: xr.Dataset, *, one: bool) -> dict[str, xr.Variable]:
        bounds = self.periods.bounds.astype("datetime64[ns]")
        encoding = like["time"].encoding
        attrs = {"standard_name": "time", "axis": "T", "bounds": "time_bnds", "long_name": "end of the period"}
        coords = _place_coords(like, self.places) | {
            "time": xr.Variable("time", bounds[:, 1], attrs, encoding),
            "time_bnds": xr.Variable(("time", "bnds"), bounds, {}, encoding),
        }
        if self.wanted.thresholds:
            values, unit = np.array(self.wanted.thresholds), like[self._name].attrs["units"]
            told = {"long_name": "least value that is counted", "units": unit}
            coords["threshold"] = (
                xr.Variable((), values[0], told) if one else xr.Variable("threshold", values, told)
            )
        return coords


_NOT_REDUCED = {"cell_methods", "interval_minutes", "ancillary_variables"}
_NOT_COUNTED = {"standard_name", "flag_masks", "flag_meanings"}


def _reduced(how: How, totals: Sequence[Totals], valid: NDArray[np.int64]) -> NDArray[np.float32]:
    """Give the values of cells, anything where none was valid."""
    if how == "max":
        return functools.reduce(np.maximum, (one.largest for one in totals))
    if how == "min":
        return functools.reduce(np.minimum, (one.smallest for one in totals))
    total = np.zeros(valid.shape)
    for one in totals:
        total += one.sums * one.scale + one.valid * one.offset
    if how == "mean":
        total /= np.maximum(valid, 1)
    return total.astype(np.float32)


class _Gatherer:
    """One thread's totals of the frames of one period and packing, as long as such come."""

    def __init__(self, results: _Results) -> None:
        self._results = results
        self._tallies: dict[type, Tally] = {}
        self._tally: Tally | None = None
        self._now: tuple[int, Packing, bool] | None = None
        self._frames = 0

    def take(self, step: int, codes: NDArray[Any], packing: Packing, way: Weights | None) -> None:
        """Take a frame."""
        now = int(self._results.periods.of_step[step]), packing, way is None
        if now != self._now or self._frames == FRAMES_LIMIT:
            self.end()
            self._now = now
            self._tally = self._started(packing, way)
        places = self._results.places
        if way is not None:
            field = way.apply(packing.values(codes))
            data = field.ravel() if places is None else field[places.cells]
        else:
            data = codes.ravel() if places is None else codes[places.cells]
            if not isinstance(self._tally, FlagTally):
                data = packing.values(data)
        cast("Tally", self._tally).add(data)
        self._frames += 1

    def _started(self, packing: Packing, way: Weights | None) -> Tally:
        kind = FlagTally if packing.flagged and packing.itemsize == 2 and way is None else ValueTally
        if kind not in self._tallies:
            cells = int(np.prod(self._results.shape))
            self._tallies[kind] = kind(cells, self._results.wanted)
        tally = self._tallies[kind]
        tally.start(packing)
        return tally

    def end(self) -> None:
        """Hand the totals over."""
        if self._tally is not None and self._now is not None and self._frames:
            self._results.add(self._now[0], self._tally.totals(), self._frames)
        self._frames = 0


def _place_coords(like: xr.Dataset, places: Places | None) -> dict[str, xr.Variable]:
    if places is None:
        return {name: like[name].variable for name in ("y", "x", "crs")}
    rows, cols = places.cells
    names = np.array(places.names)
    return {
        "point": xr.Variable("point", names.astype(object) if names.dtype.kind == "U" else names),
        "lon": xr.Variable("point", places.lon, {"standard_name": "longitude", "units": "degrees_east"}),
        "lat": xr.Variable("point", places.lat, {"standard_name": "latitude", "units": "degrees_north"}),
        "y": xr.Variable("point", like["y"].values[rows], _without_axis(like["y"])),
        "x": xr.Variable("point", like["x"].values[cols], _without_axis(like["x"])),
        "crs": like["crs"].variable,
    }


def _without_axis(coordinate: xr.DataArray) -> dict[str, Any]:
    return {key: value for key, value in coordinate.attrs.items() if key != "axis"}


def _series(
    opened: Opened, like: xr.Dataset, places: Places, workers: int, progress: bool | Reporter
) -> xr.Dataset:
    """Give every step at points."""
    out = np.full((len(opened.series.times), len(places.names)), np.nan, np.float32)

    def take(step: int, codes: NDArray[Any], packing: Packing, way: Weights | None) -> None:
        if way is None:
            out[step] = packing.values(codes[places.cells])
        else:
            out[step] = way.apply(packing.values(codes))[places.cells]

    _read(opened, lambda: take, workers, progress)
    times = {key: value.variable for key, value in like.coords.items() if value.dims[:1] == ("time",)}
    attrs = {key: value for key, value in like[opened.name].attrs.items() if key != "ancillary_variables"}
    variable = xr.Variable(("time", "point"), out, attrs)
    return xr.Dataset({opened.name: variable}, times | _place_coords(like, places), like.attrs)
