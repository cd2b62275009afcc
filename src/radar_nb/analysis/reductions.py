"""Totals, means, extremes, counts and series at points, from archives or cubes in one pass.

Each thread reads one day at a time, forward, and keeps only a few numbers per cell. These are combined when a
period is complete.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr

from radar_nb.analysis.periods import make_periods
from radar_nb.analysis.points import find_places, place_coords
from radar_nb.analysis.tallies import Wanted
from radar_nb.analysis.totals import Results, period_coords, reduced_name, sum_attrs
from radar_nb.cube.frame_stream import open_stream
from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.dataset import Options
from radar_nb.reading.forecasts import issue_coords, issue_of, lead_step
from radar_nb.reading.frame_stream import read_stream
from radar_nb.reading.intervals import keep_interval
from radar_nb.reading.series import overlap_step, series_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from radar_nb.analysis.periods import Label, Periods
    from radar_nb.analysis.points import Around, Places
    from radar_nb.dwd.grids import Grid
    from radar_nb.formats.packing import Clutter, Packing
    from radar_nb.reading.frame_stream import FrameStream
    from radar_nb.reading.regridding import Method, Weights
    from radar_nb.runtime.progress import Reporter

How = Literal["sum", "mean", "max", "min", "count", "series"]

_CELL_METHODS = {"sum": "time: sum", "mean": "time: mean", "max": "time: maximum", "min": "time: minimum"}


def reduce(
    source: Any,
    how: How | Sequence[How],
    *,
    period: Any = None,
    threshold: float | Sequence[float] | None = None,
    timezone: str = "UTC",
    day_begin: str = "00:00",
    label: Label | None = None,
    points: Any = None,
    method: Around = "nearest",
    names: str | None = None,
    variables: str | Sequence[str] | None = None,
    clutter: Clutter = "keep",
    grid: str | Grid | None = None,
    regrid: Method = "overlap",
    sums: str = "apart",
    run: Any = None,
    lead: Any = None,
    errors: Literal["raise", "report"] = "raise",
    workers: int | None = None,
    progress: bool | Reporter = True,
) -> xr.Dataset:
    """Return totals, means, extremes or counts over time, or series at points, in one pass over the source.

    Nothing is extracted, and memory does not grow with the length of the series.

    Parameters
    ----------
    source, variables, clutter, grid, regrid, sums, run, lead, errors
        As in `open_dataset`, or the folder of a cube, for which only `errors` can be chosen. Overlapping sums are
        reduced to those that do not overlap unless `sums` says otherwise.
    how : {"sum", "mean", "max", "min", "count", "series"}, or several of the first five
        "sum" needs amounts in mm. "count" counts the intervals that are not below each `threshold`, or without a
        threshold those that are not missing. "series" returns every step at `points`.
    period : str, pandas offset or timedelta, optional
        "1h", "1D", "1M" or "MS" (calendar months), "YS", ... An interval belongs to the period in which it ends:
        one that ends at 00:00 belongs to the previous day. By default one period for the whole series. Periods of
        one run of forecasts are counted from the time of issue, without its analysis, as in `accumulate`.
    threshold : float or sequence of float, optional
        For "count", in the variable's unit. Decimal numbers are compared: 0.29 mm is not below 0.29.
    timezone, day_begin : str
        Time zone of days, months and years, such as "Europe/Berlin", and the time at which days begin: "05:50" for
        DWD's gauges.
    label : {"begin", "end"}, optional
        As in `accumulate`.
    points, method, names
        As in `at_points`: only the cells that represent these points are processed.
    workers : int, optional
        Number of threads; by default the number of processors. It does not change the result.
    progress : bool or Reporter
        Task "reduce", in frames.

    Returns
    -------
    xarray.Dataset
        Variables named by product (`ds["YW"]`), or `YW_sum`, `YW_max`, ... for several ways to reduce:

        - float32 of shape (time, y, x), or (time, point); `count` int32, with a dimension `threshold` for several
          thresholds. Where no interval is valid, NaN and a count of 0;
        - `time` labels the period, `time_bnds` is the time that it covers, as in `accumulate`; both without a
          dimension if no `period` is given. Periods without a frame are left out;
        - `coverage`, float32 from 0 to 1: the share of the period's intervals that are not missing;
        - for "series" only float32 of shape (time, point), NaN where missing.

    Raises
    ------
    SettingsError
        `how`, `period`, `threshold` or `points` is not valid, or a point lies outside the grid.
    SeriesError
        The data are not amounts and "sum" is requested, or classes and a mean or an extreme is, or they have
        several runs of forecasts with several lead times.
    NothingFound, ArchiveError, FrameError, UnknownProduct, UnknownGrid
        As for `open_dataset`.

    Examples
    --------
    >>> total = reduce("YW2017.002_202006.tar", "sum")["YW"]  # doctest: +SKIP
    >>> wet = reduce("data", "count", period="1D", threshold=[0.1, 1.0])  # doctest: +SKIP
    >>> series = reduce("data", "series", points={"Aachen": (6.09, 50.78)})  # doctest: +SKIP
    """
    hows, thresholds = _asked(how, period, threshold, points)
    options = Options(
        variables=variables,
        clutter=clutter,
        grid=grid,
        regrid=regrid,
        sums=sums,
        run=run,
        lead=lead,
        errors=errors,
    )
    stream = open_stream(source, options, progress=progress)
    places = None if points is None else find_places(points, stream.grid, method, names=names)
    if hows == ("series",) and places is not None:
        _check_meaning(stream, hows)
        return _series(stream, places, workers, progress)
    periods = stream_periods(stream, hows, period, timezone=timezone, day_begin=day_begin, label=label)
    one = threshold is None or np.ndim(threshold) == 0
    return (
        StreamReduction(
            stream,
            periods,
            hows,
            places,
            thresholds,
            named=not isinstance(how, str),
            one=one,
            workers=workers,
            progress=progress,
        )
        .part(0, len(periods.labels))
        .pipe(lambda ds: ds.isel(time=0) if period is None else ds)
    )


def stream_periods(stream: FrameStream, hows: Sequence[How], period: Any, **clock: Any) -> Periods:
    """Return the periods of a stream; raise an error for reductions without a meaning: see `reduce`."""
    _check_meaning(stream, hows)
    step, issued = _step(stream), issue_of(stream.like)
    if (apart := overlap_step(stream.times.astype(np.int64) // 60, stream.minutes)) and "sum" in hows:
        if issued is None:
            raise SeriesError(
                f"{stream.name} has sums of {stream.minutes} min every {apart} min, which overlap: choose "
                'sums="apart", or "mean" or "max"'
            )
        step = stream.minutes  # from the time of issue on, those that follow each other
    return make_periods(stream.times, period, minutes=stream.minutes, step=step, issued=issued, **clock)


def _step(stream: FrameStream) -> int:
    """Return the minutes from one step to the next in a complete series."""
    step_of = series_step if issue_of(stream.like) is None else lead_step
    return step_of(stream.product, stream.minutes, stream.times.astype(np.int64) // 60)


class StreamReduction:
    """A reduction of archives or a cube, some periods at a time.

    Parameters
    ----------
    stream : FrameStream
    periods : Periods
    hows : sequence of str
    places : Places or None
        The cells that are processed; None for all.
    thresholds : sequence of float
    named : bool
        Whether names of variables end in the way to reduce.
    one : bool
        Whether variables have no dimension `threshold`.
    workers, progress
        As in `reduce`.
    """

    lazy = False

    def __init__(
        self,
        stream: FrameStream,
        periods: Periods,
        hows: Sequence[How],
        places: Places | None = None,
        thresholds: tuple[float, ...] = (),
        *,
        named: bool = False,
        one: bool = True,
        workers: int | None = None,
        progress: bool | Reporter = True,
    ) -> None:
        self.periods = periods
        self.cells = int(np.prod(stream.grid.shape)) if places is None else len(places.names)
        self.source = str(stream.like.attrs["title"])
        self._stream, self._there = stream, stream.there
        self._hows, self._places, self._named, self._one = hows, places, named, one
        self._wanted = Wanted(
            sums=not {"sum", "mean"}.isdisjoint(hows),
            largest="max" in hows,
            smallest="min" in hows,
            thresholds=thresholds,
        )
        self._workers, self._progress = workers, progress

    def part(self, first: int, stop: int) -> xr.Dataset:
        """Return the periods from `first` to before `stop`."""
        stream, periods = self._stream, self.periods.part(first, stop)
        inside = (periods.of_step >= 0) & (periods.of_step < stop - first)
        stream.there = self._there & inside
        results = Results(stream, periods, self._wanted, self._hows, self._places)
        read_stream(stream, results.taker, self._workers or os.cpu_count() or 1, self._progress)
        results.end()
        like = stream.like[stream.name]
        reduced = _variables(results, like, self._hows, prefix=self._named, one=self._one)
        return xr.Dataset(reduced, _coords(results, like, one=self._one), stream.like.attrs)


def _asked(how: Any, period: Any, threshold: Any, points: Any) -> tuple[tuple[How, ...], tuple[float, ...]]:
    """Validate the arguments, and return ways to reduce and thresholds."""
    hows: tuple[Any, ...] = (how,) if isinstance(how, str) else tuple(dict.fromkeys(how))
    known = get_args(How)
    if not hows or not set(hows) <= set(known):
        raise SettingsError(f"unknown how={how!r}: choose from {', '.join(known)}")
    if "series" in hows:
        if len(hows) > 1 or period is not None:
            raise SettingsError('how="series" returns every step: use it alone, and without a period')
        if points is None:
            raise SettingsError('how="series" needs points=, such as {"Aachen": (6.09, 50.78)} (lon, lat)')
    if threshold is None:
        return hows, ()
    if "count" not in hows:
        raise SettingsError(f'threshold={threshold!r} needs how="count": add it, or leave out the threshold')
    thresholds = tuple(float(value) for value in np.atleast_1d(np.asarray(threshold, float)))
    if not thresholds or not np.isfinite(thresholds).all():
        raise SettingsError(f"threshold={threshold!r} is not a number, nor a list of them: pass mm, such as 10")
    return hows, thresholds


def _check_meaning(stream: FrameStream, hows: Sequence[How]) -> None:
    """Raise an error for reductions without a meaning."""
    name, variable = stream.name, stream.like[stream.name]
    unit = variable.attrs["units"]
    if "sum" in hows and variable.attrs.get("cell_methods") != "time: sum":
        raise SeriesError(f'{name} is in {unit}: only amounts in mm can be summed. Use "mean" or "max"')
    known = PRODUCTS.get(stream.product)
    if known is not None and known.quantity == "class" and not {"mean", "max", "min"}.isdisjoint(hows):
        raise SeriesError(f'{name} holds classes, which have no mean and no extremes. Use "count" or "series"')


# --- the result -----------------------------------------------------------------------------------------------

_NOT_REDUCED = {"cell_methods", "interval_minutes", "ancillary_variables"}
_NOT_COUNTED = {"standard_name", "flag_masks", "flag_meanings"}


def _variables(
    results: Results, like: xr.DataArray, hows: Sequence[str], *, prefix: bool, one: bool
) -> dict[str, xr.Variable]:
    """Return the variables; `one` is whether they have no dimension `threshold`."""
    attrs = {key: value for key, value in like.attrs.items() if key not in _NOT_REDUCED}
    attrs["ancillary_variables"] = "coverage"
    cells = ("y", "x") if results.places is None else ("point",)
    variables: dict[str, xr.Variable] = {}
    for how in hows:
        name = f"{like.name}_{how}" if prefix else str(like.name)
        if how == "count":
            own = {key: value for key, value in attrs.items() if key not in _NOT_COUNTED}
            own |= {"units": "1", "long_name": _counted(results.wanted.thresholds, like, one=one)}
            counts = results.counts[:, 0] if one else results.counts
            variables[name] = xr.Variable(("time", *("threshold",) * (not one), *cells), counts, own)
            continue
        own = attrs | {"cell_methods": _CELL_METHODS[how]}
        if how == "sum":
            own |= sum_attrs(like, results.periods)
        else:
            own |= {"long_name": reduced_name(how, like), "interval_minutes": like.attrs["interval_minutes"]}
        variables[name] = xr.Variable(("time", *cells), results.fields[how], own)
        keep_interval(variables[name])
    share = {"long_name": "share of the period's intervals that are not missing", "units": "1"}
    share["grid_mapping"] = attrs["grid_mapping"]
    return variables | {"coverage": xr.Variable(("time", *cells), results.coverage, share)}


def _counted(thresholds: Sequence[float], like: xr.DataArray, *, one: bool) -> str:
    if not thresholds:
        return "number of intervals that are not missing"
    least = f"{thresholds[0]:g} {like.attrs['units']}" if one else "the threshold"
    return f"number of intervals with at least {least}: {like.attrs['long_name']}"


def _coords(results: Results, like: xr.DataArray, *, one: bool) -> dict[str, xr.Variable]:
    there = results.places
    places = (
        {name: like[name].variable for name in ("y", "x", "crs")} if there is None else place_coords(like, there)
    )
    coords = places | period_coords(results.periods) | issue_coords(like)
    if results.wanted.thresholds:
        values = np.array(results.wanted.thresholds)
        attrs = {"long_name": "smallest value that is counted", "units": like.attrs["units"]}
        coords["threshold"] = xr.Variable((), values[0], attrs) if one else xr.Variable("threshold", values, attrs)
    return coords


def _series(stream: FrameStream, places: Places, workers: int | None, progress: bool | Reporter) -> xr.Dataset:
    """Return every step at points."""
    like = stream.like[stream.name]
    floating = like.dtype.kind == "f"
    if places.weights is not None and not floating:
        raise SeriesError(f'{stream.name} holds classes, which have no mean: use method="nearest"')
    missing = np.nan if floating else stream.fill
    out = np.full((len(stream.times), len(places.names)), missing, like.dtype)

    def take(step: int, codes: NDArray[Any], packing: Packing, way: Weights | None) -> None:
        if way is not None:
            out[step] = places.mean(way.apply(packing.values(codes))[places.cells])
        elif floating:
            out[step] = places.mean(packing.values(codes[places.cells]))
        else:  # classes in 32 bits
            out[step] = packing.packed(codes[places.cells])

    read_stream(stream, lambda: take, workers or os.cpu_count() or 1, progress)
    times = {str(key): value.variable for key, value in stream.like.coords.items() if value.dims[:1] == ("time",)}
    times |= issue_coords(like)
    attrs = {key: value for key, value in like.attrs.items() if key != "ancillary_variables"}
    found = xr.Variable(("time", "point"), out, attrs)
    keep_interval(found)
    return xr.Dataset({stream.name: found}, times | place_coords(like, places), stream.like.attrs)
