"""Totals, means, spread, extremes, counts, quantiles and series at points, from archives or cubes.

Each thread reads one day at a time, forward, and keeps only a few numbers per cell. These are combined when a
period is complete. Quantiles need more than one pass: see `order_statistics`.
"""

from __future__ import annotations

import os
from dataclasses import fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr

from radar_nb.analysis.dataset_stream import DatasetStream
from radar_nb.analysis.inputs import is_dataset
from radar_nb.analysis.order_statistics import Asked
from radar_nb.analysis.periods import make_groups, make_periods
from radar_nb.analysis.points import find_places, place_coords
from radar_nb.analysis.tallies import Wanted
from radar_nb.analysis.totals import Results, period_coords, reduced_name, sum_attrs, timeless_coords
from radar_nb.cube.frame_stream import open_stream
from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.dataset import Options
from radar_nb.reading.forecasts import issue_coords, issue_of, lead_step
from radar_nb.reading.frame_stream import read_stream
from radar_nb.reading.intervals import keep_interval
from radar_nb.reading.series import overlap_step, series_step

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from numpy.typing import NDArray

    from radar_nb.analysis.periods import By, Label, Periods
    from radar_nb.analysis.points import Around, Places
    from radar_nb.dwd.grids import Grid
    from radar_nb.formats.packing import Clutter, Packing
    from radar_nb.reading.frame_stream import FrameStream, Take
    from radar_nb.reading.regridding import Method, Weights
    from radar_nb.runtime.progress import Reporter

How = Literal["sum", "mean", "std", "var", "max", "min", "count", "wet_share", "quantile", "histogram", "series"]

_CELL_METHODS = {
    "sum": "time: sum",
    "mean": "time: mean",
    "std": "time: standard_deviation",
    "var": "time: variance",
    "max": "time: maximum",
    "min": "time: minimum",
}  # CF 1.11, appendix E; it has none for quantiles
_OF_VALUES = {"sum", "mean", "std", "var", "max", "min", "quantile", "wet_share"}
"""Ways to reduce that have no meaning for classes."""
_MOST_BINS = 256


def reduce(
    source: Any,
    how: How | Sequence[How],
    *,
    period: Any = None,
    by: By | None = None,
    threshold: float | Sequence[float] | None = None,
    quantile: float | Sequence[float] | None = None,
    bins: Sequence[float] | None = None,
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
    """Return totals, means, spread, extremes, counts or quantiles over time, or series at points.

    Nothing is extracted, and memory does not grow with the length of the series. The source is read once; for
    quantiles twice, and more often where frames differ in scale or are brought to another grid.

    Parameters
    ----------
    source, variables, clutter, grid, regrid, sums, run, lead, errors
        A Dataset or a variable, read block by block; or as in `open_dataset`, or a cube's folder or address,
        for which only `errors` can be set. Overlapping sums are reduced to those that do not overlap unless `sums`
        says otherwise.
    how : str, or several of them except "series"
        - "sum": needs amounts in mm.
        - "mean", "std", "var", "max", "min": "var" is the mean squared deviation from the mean, and "std" its
          square root, divided by the number of valid intervals, as in NumPy.
        - "count": the number of intervals that are not below each `threshold`, or without a threshold of those
          that are not missing.
        - "wet_share": the same as a share of the intervals that are not missing.
        - "quantile": of the values that are not missing, dry ones included, exact and linear between the two
          nearest values, as NumPy's default. The counts that it needs take 256 MB at most.
        - "histogram": how many values lie in each of `bins`.
        - "series": every step at `points`.
    period : str, pandas offset or timedelta, optional
        "1h", "1D", "1M" or "MS" (calendar months), "YS", ... An interval belongs to the period in which it ends:
        one that ends at 00:00 belongs to the previous day. By default one period for the whole series. Periods of
        one run of forecasts are counted from the time of issue, without its analysis, as in `accumulate`.
    by : {"month", "season", "hour"}, optional
        A climatology instead of a period: the intervals of all years that end in the same month, the same season
        (DJF, MAM, JJA, SON) or the same hour of the day. Its dimension is named so. For the mean total of a month,
        sum the months (`accumulate`) and take their mean.
    threshold : float or sequence of float, optional
        For "count" and "wet_share", in the variable's unit. Decimal numbers are compared: 0.29 mm is not below
        0.29.
    quantile : float or sequence of float, optional
        For "quantile", from 0 to 1: 0.99 is the value that 1 % of the intervals exceed.
    bins : sequence of float, optional
        For "histogram", the rising edges of the bins, in the variable's unit. A bin holds its lower edge and not
        its upper one, except the last bin, as in NumPy. Values outside are not counted.
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
          thresholds, as `wet_share` has. `quantile` has such a dimension for several quantiles, and `histogram`,
          int32, the dimension `bin`, named by lower edges, with `bin_bnds`. Where no interval is valid, NaN and a
          count of 0;
        - `time` labels the period, `time_bnds` is the time that it covers, as in `accumulate`; both without a
          dimension if no `period` is given. Periods without a frame are left out;
        - `coverage`, float32 from 0 to 1: the share of the period's intervals that are not missing;
        - for "series" only float32 of shape (time, point), NaN where missing.

    Raises
    ------
    SettingsError
        `how`, `period`, `threshold`, `quantile`, `bins` or `points` is not valid, or a point lies outside the
        grid.
    SeriesError
        The data are not amounts and "sum" is requested, or classes and anything but counts, a histogram or series
        is, or they have several runs of forecasts with several lead times.
    NothingFound, ArchiveError, FrameError, UnknownProduct, UnknownGrid
        As for `open_dataset`.

    Examples
    --------
    >>> total = reduce("YW2017.002_202006.tar", "sum")["YW"]  # doctest: +SKIP
    >>> wet = reduce("data", "count", period="1D", threshold=[0.1, 1.0])  # doctest: +SKIP
    >>> series = reduce("data", "series", points={"Aachen": (6.09, 50.78)})  # doctest: +SKIP
    """
    hows = _ways(how, period, points)
    thresholds, asked = _levels(hows, threshold), Asked(_shares(hows, quantile), _edges(hows, bins))
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
    stream: FrameStream
    if is_dataset(source):
        stream = _dataset_stream(source, hows, options)
    else:
        stream = open_stream(source, options, progress=progress)
    places = None if points is None else find_places(points, stream.grid, method, names=names)
    if hows == ("series",) and places is not None:
        _check_meaning(stream, hows)
        return _series(stream, places, workers, progress)
    if by is None:
        periods = stream_periods(stream, hows, period, timezone=timezone, day_begin=day_begin, label=label)
    else:
        _check_climatology(hows, period, label, by)
        _check_meaning(stream, hows)
        periods = make_groups(
            stream.times,
            by,
            minutes=stream.minutes,
            step=_step(stream),
            timezone=timezone,
            day_begin=day_begin,
        )
    levels: dict[str, Any] = {"threshold": threshold, "quantile": quantile}
    single = {name for name, value in levels.items() if np.ndim(value) == 0}
    return (
        StreamReduction(
            stream,
            periods,
            hows,
            places,
            thresholds=thresholds,
            asked=asked,
            named=not isinstance(how, str),
            single=single,
            workers=workers,
            progress=progress,
        )
        .part(0, len(periods.labels))
        .pipe(lambda ds: ds if by is not None else ds.isel(time=0) if period is None else ds)
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
    if isinstance(stream, DatasetStream):
        return stream.step
    step_of = series_step if issue_of(stream.like) is None else lead_step
    return step_of(stream.product, stream.minutes, stream.times.astype(np.int64) // 60)


_THREADS_BYTES = 256 << 20
_CELL_BYTES = 10
"""Bytes of a cell in one more thread: 209 MB of a maximum of HX (measured 2026-11-30)."""


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
    asked : Asked
        Quantiles and edges of bins.
    named : bool
        Whether names of variables end in the way to reduce.
    single : set of str
        "threshold" and "quantile", if variables have no such dimension.
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
        *,
        thresholds: tuple[float, ...] = (),
        asked: Asked = Asked(),  # noqa: B008 - a tuple
        named: bool = False,
        single: Collection[str] = ("threshold", "quantile"),
        workers: int | None = None,
        progress: bool | Reporter = True,
    ) -> None:
        self.periods = periods
        self.cells = int(np.prod(stream.shape)) if places is None else len(places.names)
        self.source = str(stream.like.attrs["title"])
        self._stream, self._there = stream, stream.there
        self._hows, self._places, self._asked = hows, places, asked
        self._named, self._single = named, single
        self._wanted = Wanted(
            sums=not {"sum", "mean", "std", "var"}.isdisjoint(hows),
            squares=not {"std", "var"}.isdisjoint(hows),
            largest="max" in hows,
            smallest="min" in hows,
            thresholds=thresholds,
        )
        # fields of HX need 211 MB a thread, so that memory does not grow with the processors
        most = max(1, _THREADS_BYTES // (_CELL_BYTES * int(np.prod(stream.shape))))
        self._workers, self._progress = min(workers or os.cpu_count() or 1, most), progress

    def part(self, first: int, stop: int) -> xr.Dataset:
        """Return the periods from `first` to before `stop`."""
        stream, periods = self._stream, self.periods.part(first, stop)
        inside = (periods.of_step >= 0) & (periods.of_step < stop - first)
        stream.there = self._there & inside
        results = Results(stream, periods, self._hows, wanted=self._wanted, asked=self._asked, places=self._places)
        if self._asked:  # the counts of one period at a time
            for period in range(stop - first):
                stream.there = self._there & (periods.of_step == period)
                results.count(period, self._read)
        else:
            self._read(results.taker)
            results.end()
        like = stream.like[stream.name]
        reduced = _variables(results, like, self._hows, prefix=self._named, single=self._single)
        coords = _coords(results, like, single=self._single)
        if (by := periods.by) is None:
            return xr.Dataset(reduced, coords, stream.like.attrs)
        name = coords.pop(by)
        found = xr.Dataset(reduced, coords, stream.like.attrs).rename_dims(time=by)
        return found.assign_coords({by: (by, name.values, name.attrs)})

    def _read(self, make: Callable[[], Take]) -> None:
        read_stream(self._stream, make, self._workers, self._progress)


def _ways(how: Any, period: Any, points: Any) -> tuple[How, ...]:
    """Validate the ways to reduce."""
    hows: tuple[Any, ...] = (how,) if isinstance(how, str) else tuple(dict.fromkeys(how))
    known = get_args(How)
    if not hows or not set(hows) <= set(known):
        raise SettingsError(f"unknown how={how!r}: choose from {', '.join(known)}")
    if "series" in hows:
        if len(hows) > 1 or period is not None:
            raise SettingsError('how="series" returns every step: use it alone, and without a period')
        if points is None:
            raise SettingsError('how="series" needs points=, such as {"Aachen": (6.09, 50.78)} (lon, lat)')
    return hows


def _levels(hows: tuple[How, ...], threshold: Any) -> tuple[float, ...]:
    """Validate the thresholds."""
    if threshold is None:
        if "wet_share" in hows:
            raise SettingsError('how="wet_share" needs threshold=: pass the least value that counts, such as 0.1')
        return ()
    if {"count", "wet_share"}.isdisjoint(hows):
        raise SettingsError(
            f'threshold={threshold!r} needs how="count" or "wet_share": add one, or leave out the threshold'
        )
    return _numbers("threshold", threshold, "mm, such as 10")


def _shares(hows: tuple[How, ...], quantile: Any) -> tuple[float, ...]:
    """Validate the quantiles."""
    if quantile is None:
        if "quantile" in hows:
            raise SettingsError('how="quantile" needs quantile=: pass a share from 0 to 1, such as 0.99')
        return ()
    if "quantile" not in hows:
        raise SettingsError(f'quantile={quantile!r} needs how="quantile": add it, or leave out the quantile')
    shares = _numbers("quantile", quantile, "shares from 0 to 1, such as 0.99")
    if not all(0 <= share <= 1 for share in shares):
        raise SettingsError(f"quantile={quantile!r} is not between 0 and 1: pass 0.99 for 99 %")
    return shares


def _edges(hows: tuple[How, ...], bins: Any) -> tuple[float, ...]:
    """Validate the edges of bins."""
    if bins is None:
        if "histogram" in hows:
            raise SettingsError('how="histogram" needs bins=: pass rising edges, such as [0, 0.1, 1, 10, 100]')
        return ()
    if "histogram" not in hows:
        raise SettingsError(f'bins={bins!r} needs how="histogram": add it, or leave out the bins')
    edges = _numbers("bins", bins, "rising edges, such as [0, 0.1, 1, 10, 100]")
    if not 2 <= len(edges) <= _MOST_BINS + 1 or any(b <= a for a, b in pairwise(edges)):
        raise SettingsError(
            f"bins={bins!r} are not rising edges of 1 to {_MOST_BINS} bins: pass such, as in [0, 0.1, 1, 10, 100]"
        )
    return edges


def _numbers(name: str, values: Any, such: str) -> tuple[float, ...]:
    """Return finite numbers; at least one."""
    try:
        found = tuple(float(value) for value in np.atleast_1d(np.asarray(values, float)))
    except (TypeError, ValueError):
        found = ()
    if not found or not np.isfinite(found).all():
        raise SettingsError(f"{name}={values!r} is not a number, nor a list of them: pass {such}")
    return found


def _dataset_stream(data: Any, hows: tuple[How, ...], options: Options) -> DatasetStream:
    """Return the stream of a Dataset, for which nothing can be chosen that decides how files are read."""
    default = Options()
    chosen = [
        field.name for field in fields(Options) if getattr(options, field.name) != getattr(default, field.name)
    ]
    if chosen:
        raise SettingsError(f"{', '.join(chosen)}: only for archives and other sources; leave it out")
    if "series" in hows:
        raise SettingsError('how="series" is for archives and cubes: use at_points for a Dataset')
    return DatasetStream(data, amounts="sum" in hows)


def _check_climatology(hows: tuple[How, ...], period: Any, label: Any, by: Any) -> None:
    """Raise an error for what a climatology does not have."""
    if period is not None or label is not None:
        raise SettingsError(f"by={by!r} puts all years together: leave out period= and label=")
    if "sum" in hows or "series" in hows:
        raise SettingsError(
            f'by={by!r} has no sum, which would grow with the number of years, and no series: use "mean", or the '
            'mean of accumulate(..., "1M")'
        )


def _check_meaning(stream: FrameStream, hows: Sequence[How]) -> None:
    """Raise an error for reductions without a meaning."""
    name, variable = stream.name, stream.like[stream.name]
    unit = variable.attrs["units"]
    known = PRODUCTS.get(stream.product)
    if known is not None and known.quantity == "class" and not _OF_VALUES.isdisjoint(hows):
        raise SeriesError(
            f"{name} holds classes, which have no sum, no mean, no quantiles and no extremes: "
            'use "count", "histogram" or "series"'
        )
    if "sum" in hows and "time: sum" not in str(variable.attrs.get("cell_methods")):
        raise SeriesError(f'{name} is in {unit}: only amounts in mm can be summed. Use "mean" or "max"')


# --- the result -----------------------------------------------------------------------------------------------

_NOT_REDUCED = {"cell_methods", "interval_minutes", "ancillary_variables"}
_NOT_COUNTED = {"standard_name", "flag_masks", "flag_meanings", "flag_values"}


def _variables(
    results: Results, like: xr.DataArray, hows: Sequence[str], *, prefix: bool, single: Collection[str]
) -> dict[str, xr.Variable]:
    """Return the variables; those of the names in `single` have no such dimension."""
    attrs = {key: value for key, value in like.attrs.items() if key not in _NOT_REDUCED}
    attrs["ancillary_variables"] = "coverage"
    cells = results.dims
    variables: dict[str, xr.Variable] = {}
    for how in hows:
        name = f"{like.name}_{how}" if prefix else str(like.name)
        if how in _BY_LEVEL:
            dims, values, own = _by_level(how, results, like, attrs, single)
            variables[name] = xr.Variable(("time", *dims, *cells), values, own)
            continue
        own = attrs | {"cell_methods": _CELL_METHODS[how]}
        if how == "sum":
            own |= sum_attrs(like, results.periods)
        else:
            own |= {"long_name": reduced_name(how, like), "interval_minutes": like.attrs["interval_minutes"]}
        if how == "var":
            own = {key: value for key, value in own.items() if key != "standard_name"}
            own["units"] = f"{own['units']}2" if own["units"].isalpha() else f"({own['units']})2"
        variables[name] = xr.Variable(("time", *cells), results.fields[how], own)
        keep_interval(variables[name])
    share = {"long_name": "share of the period's intervals that are not missing", "units": "1"}
    share |= {key: attrs[key] for key in ("grid_mapping",) if key in attrs}
    return variables | {"coverage": xr.Variable(("time", *cells), results.coverage, share)}


_BY_LEVEL = {"count", "wet_share", "quantile", "histogram"}


def _by_level(
    how: str, results: Results, like: xr.DataArray, attrs: dict[str, Any], single: Collection[str]
) -> tuple[tuple[str, ...], NDArray[Any], dict[str, Any]]:
    """Return dimensions, values and attributes of a reduction with thresholds, quantiles or bins."""
    counted = {key: value for key, value in attrs.items() if key not in _NOT_COUNTED} | {"units": "1"}
    if how == "histogram":
        counted["long_name"] = f"number of intervals in the bin: {like.attrs['long_name']}"
        return ("bin",), results.bins, counted
    dim = "quantile" if how == "quantile" else "threshold"
    one = dim in single
    values = {"count": results.counts, "wet_share": results.wet, "quantile": results.quantiles}[how]
    dims = () if one else (dim,)
    values = values[:, 0] if one else values
    if how == "quantile":
        share = f"quantile {results.asked.shares[0]:g}" if one else "quantile"
        named = {"long_name": f"{share} of {like.attrs['long_name']}"}
        return dims, values, attrs | named | {"interval_minutes": like.attrs["interval_minutes"]}
    least = f"{results.wanted.thresholds[0]:g} {like.attrs['units']}" if one and results.wanted.thresholds else ""
    which = f"with at least {least or 'the threshold'}: {like.attrs['long_name']}"
    number = "number of intervals" if how == "count" else "share of the intervals that are not missing"
    plain = how == "count" and not results.wanted.thresholds
    return (
        dims,
        values,
        counted | {"long_name": "number of intervals that are not missing" if plain else f"{number} {which}"},
    )


def _coords(results: Results, like: xr.DataArray, *, single: Collection[str]) -> dict[str, xr.Variable]:
    there = results.places
    if there is not None:
        places = place_coords(like, there)
    elif results.dims == ("y", "x"):
        places = {name: like[name].variable for name in ("y", "x", "crs") if name in like.coords}
    else:
        places = timeless_coords(like)
    coords = places | period_coords(results.periods) | issue_coords(like)
    units, edges = like.attrs["units"], results.asked.edges
    levels = {
        "threshold": (results.wanted.thresholds, {"long_name": "smallest value that is counted", "units": units}),
        "quantile": (results.asked.shares, {"long_name": "share of the values below", "units": "1"}),
    }
    for name, (values, attrs) in levels.items():
        if values:
            one = name in single
            coords[name] = xr.Variable(() if one else name, np.array(values)[0 if one else slice(None)], attrs)
    if edges:
        attrs = {"long_name": "lower edge of the bin", "units": units, "bounds": "bin_bnds"}
        coords["bin"] = xr.Variable("bin", np.array(edges[:-1]), attrs)
        coords["bin_bnds"] = xr.Variable(("bin", "bnds"), np.array(list(pairwise(edges))))
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
