"""The public analyses of rain: lazy on Datasets, or directly on archives and cubes."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from radar_nb.analysis.areas import area_series, find_areas, stream_areas
from radar_nb.analysis.extremes import count_exceedances
from radar_nb.analysis.inputs import check_keywords, cut_dataset, fields_of, grid_of, is_dataset, variable_of
from radar_nb.analysis.points import find_places, point_series
from radar_nb.analysis.reductions import StreamReduction, reduce, stream_periods
from radar_nb.analysis.stored_totals import require_memory, write_totals
from radar_nb.analysis.totals import DatasetTotals, check_share, with_coverage
from radar_nb.analysis.until_now import sum_until_now
from radar_nb.cube.frame_stream import open_stream
from radar_nb.errors import SettingsError
from radar_nb.reading.dataset import Options
from radar_nb.reading.forecasts import as_series
from radar_nb.reading.opening import open_dataset
from radar_nb.reading.sources import is_cube
from radar_nb.runtime.clock import duration_of

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import xarray as xr

    from radar_nb.analysis.periods import Label
    from radar_nb.analysis.points import Around
    from radar_nb.analysis.reductions import How
    from radar_nb.analysis.stored_totals import PeriodTotals
    from radar_nb.runtime.clock import Clock
    from radar_nb.runtime.progress import Reporter


def accumulate(
    data: Any,
    period: Any = None,
    *,
    min_coverage: float = 0.95,
    timezone: str = "UTC",
    day_begin: str = "00:00",
    label: Label | None = None,
    store: str | os.PathLike[str] | None = None,
    since: Any = None,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    clock: Clock | None = None,
    **options: Any,
) -> xr.Dataset:
    """Return the precipitation of each hour, day, month, year, ..., or of the whole series.

    A total is the sum of the intervals that end in the period: begin < end of the interval <= end of the period.
    For one run of forecasts, hours are counted from the time of issue, and its analysis of the time before is left
    out: "1h" is the next hour, and the one after that. Overlapping sums, as in RS, are reduced to those without
    overlap. Archives and cubes are read in one pass, and memory grows with the result, not with the series.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Amounts in mm, fields or series; sources as in `open_dataset`, or a cube's folder or address, read in one
        pass.
    period : str, pandas offset or timedelta, optional
        "1h", "1D", "MS" or "1M", "YS", "hydro_year" (from 1 November), ...; by default one period for the series.
    min_coverage : float
        Totals with a smaller coverage become NaN, since a sum of the remaining intervals would be too low. 0
        keeps all totals.
    timezone : str
        Time zone of days, months and years. "Europe/Berlin" also has days of 23 and 25 hours.
    day_begin : str
        Time at which days begin. "05:50" (UTC) matches the days of DWD's gauges and of SF.
    label : {"begin", "end"}, optional
        Meaning of `time`. By default days and longer periods are labelled by their begin, as in pandas and
        xarray, so that `.sel(time="2020-06-08")` is the day of 8 June; shorter periods and the whole series are
        labelled by their end, as frames are.
    store : path, optional
        Write the periods to this file as they are computed, in bounded memory: "days.zarr" or "days.nc". The same
        call resumes after an interruption, and returns complete results at once.
    since : str or timedelta, optional
        Sum until now: `data` is then "RW" or "SF", and `since` how far back, "24h" or "48h" at most, in whole
        intervals of the product. Gauge-adjusted sums lag some 30 minutes behind; what fell since then is added
        from RY, which is not adjusted. 48 hours are SF of now and of a day ago.
    folder, base_url, clock
        With `since`, as for `latest`.
    **options
        For sources, further arguments of `reduce`: `workers`, `progress`, `grid`, ...

    Returns
    -------
    xarray.Dataset
        The total in mm, float32, named as the data; and `coverage`, the share of the period's intervals that are
        not missing; a step without a frame counts as missing. `time` labels the period: UTC, or local time of
        another `timezone`. `time_bnds`, and for single variables `period_begin` and `period_end`, are the time
        that its intervals cover, UTC: an hour of RW ends at minute 50. Periods without a frame are left out. Lazy
        if the data are dask arrays or come from a `store`. With `since` a field, from `period_begin` to
        `period_end`; `adjusted_end` is where the adjusted sums end, and `unadjusted` what was added, in mm.

    Raises
    ------
    SeriesError
        The data are not amounts in mm (rates and reflectivities cannot be summed), or `interval_minutes` is out of
        date because xarray has resampled or computed the values.
    SettingsError
        The period is unknown or not a multiple of the interval; the time zone is unknown; `min_coverage` is not
        between 0 and 1; the result is larger than a quarter of the free memory; `store` holds something else.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> times = np.datetime64("2020-06-13T00:05", "ns") + np.arange(24) * np.timedelta64(5, "m")
    >>> attrs = {"units": "mm", "cell_methods": "time: sum", "interval_minutes": 5}
    >>> rain = xr.DataArray(np.full(24, 0.25), {"time": times}, name="YW", attrs=attrs)
    >>> accumulate(rain, "1h").YW.values
    array([3., 3.], dtype=float32)
    """
    check_keywords("accumulate", options, accumulate, reduce)
    check_share(min_coverage)
    if since is not None:
        if period is not None or store is not None or options:
            raise SettingsError("since= sums one product until now: leave out period=, store= and other options")
        length = duration_of(since, "since")
        return sum_until_now(
            data, length, min_coverage=min_coverage, folder=folder, base_url=base_url, clock=clock
        )
    if not (folder is None and base_url is None and clock is None):
        raise SettingsError(
            "folder=, base_url= and clock= go with since=: add it, as in accumulate('RW', since='24h')"
        )
    days: dict[str, Any] = {"timezone": timezone, "day_begin": day_begin, "label": label}
    totals = _totals_of(data, period, days, options)
    if store is not None:
        return write_totals(totals, store, min_coverage, {"period": str(period), **days})
    require_memory(totals)
    found = with_coverage(totals.part(0, len(totals.periods.labels)), min_coverage)
    return found.isel(time=0) if period is None else found


def _totals_of(data: Any, period: Any, clock: dict[str, Any], options: dict[str, Any]) -> PeriodTotals:
    """Choose the engine: one for a variable of a Dataset, one for the frames of archives or a cube."""
    if is_dataset(data):
        _only_for_sources(options)
        return DatasetTotals(data, period, **clock)
    progress, workers = options.pop("progress", True), options.pop("workers", None)
    points, method = options.pop("points", None), options.pop("method", "nearest")
    names = options.pop("names", None)
    stream = open_stream(data, Options(**options), progress=progress)
    places = None if points is None else find_places(points, stream.grid, method, names=names)
    periods = stream_periods(stream, ("sum",), period, **clock)
    return StreamReduction(stream, periods, ("sum",), places, workers=workers, progress=progress)


def at_points(
    data: Any,
    points: Any,
    how: How | Sequence[How] = "series",
    *,
    method: Around = "nearest",
    names: str | None = None,
    period: Any = None,
    **options: Any,
) -> xr.Dataset:
    """Return the series at points, or their totals, extremes or counts.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Fields; sources as in `open_dataset`, read in one pass; or a cube's folder or address.
    points : mapping, sequence, DataFrame, GeoDataFrame, or path
        Towns, as in `place`: "Leipzig" or ["Leipzig", "Köln"]; names to (lon, lat), or to None for the town of
        this name; (lon, lat) pairs; a table with columns `lon` and `lat` (or `longitude` and `latitude`, `Länge`
        and `Breite`) in degrees, or `x` and `y` in metres of the grid's projection; points in any CRS; a CSV with
        such columns, separated by commas or semicolons, with decimal points or commas; or a file of shapes.
    how, period
        As in `reduce`.
    method : {"nearest", "mean3x3", "bilinear"}
        The value of the cell that contains the point; the mean of that cell and its eight neighbours; or the mean
        of the four cells around the point, weighted by distance: sum of w_i x_i / sum of w_i over cells that are
        not missing, NaN where their weights add up to less than half.
    names : str, optional
        The column with the points' names. By default the table's index; where that only counts, and in a CSV, the
        column `name`, `station`, `id` or `station_id`.
    **options
        Further arguments of `reduce`; for the series of a Dataset only `progress`.

    Returns
    -------
    xarray.Dataset
        Shape (time, point), with `lon` and `lat` of the points, and `x` and `y` of the cells that contain them.

    Raises
    ------
    SettingsError
        A point lies outside the grid, two have the same name, or `points` are not points.
    SeriesError
        The data are not fields, or are classes, which have no mean.

    Examples
    --------
    >>> at_points("data", ["Aachen", "Leipzig"])  # doctest: +SKIP
    >>> at_points("data", {"Aachen": None, "my garden": (6.09, 50.78)})  # doctest: +SKIP
    >>> at_points(ds, "gauges.csv", method="mean3x3")  # doctest: +SKIP
    """
    check_keywords("at_points", options, at_points, reduce)
    if is_cube(data) and how == "series" and period is None:
        data = cut_dataset(data, errors=options.pop("errors", "raise"))
        plain = asdict(Options())
        options = {name: value for name, value in options.items() if value != plain.get(name, ...)}
    if not is_dataset(data) or how != "series" or period is not None:
        return reduce(data, how, points=points, method=method, names=names, period=period, **options)
    progress = options.pop("progress", True)
    _only_for_sources(options)
    data = as_series(data)
    fields = fields_of(variable_of(data))
    series = point_series(fields, find_places(points, grid_of(fields), method, names=names), progress=progress)
    return _with_bounds(series.to_dataset(), data)


def over_areas(
    data: Any,
    areas: Any,
    *,
    names: str | None = None,
    min_coverage: float = 0.95,
    workers: int | None = None,
    progress: bool | Reporter = True,
    **options: Any,
) -> xr.Dataset:
    """Return the mean of every field over areas such as catchments.

    mean = sum of w_i x_i / sum of w_i, over the cells i that are not missing, where w_i is the exact share of the
    cell's square that lies in the area (exactextract). All cells have the same weight: within 100 km their true
    size differs by less than 1 %. The volume of water is mean [mm] * km2 * 1000 m3.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Fields; sources as in `open_dataset`, or a cube's folder or address, read in one pass.
    areas : GeoDataFrame, GeoSeries, or path
        Polygons in any CRS, or a file that GDAL reads. Their shares of cells are computed once and kept.
    names : str, optional
        The column that holds the areas' names. By default the table's index; where that only counts, a column
        `name` if all its values differ, else the numbers.
    min_coverage : float
        Means with a smaller coverage of the area become NaN.
    workers, progress
        As in `reduce`.
    **options
        For sources, arguments of `open_dataset`: `variables`, `grid`, `clutter`, `sums`, ...

    Returns
    -------
    xarray.Dataset
        The mean, float32, of shape (time, area), in the unit of the data; `coverage`, the share of the area with
        valid values (cells outside the grid have none); `lon` and `lat` of the centroids, and `km2`, the true
        size. Lazy if the data are dask arrays.

    Raises
    ------
    SettingsError
        Areas have no CRS, or are invalid, empty, outside the grid, not polygons, or have the same name.
    NothingFound
        The file does not exist.
    SeriesError
        The data are not fields, or are classes, which have no mean.

    Examples
    --------
    >>> rain = over_areas("data", "catchments.gpkg", names="river")  # doctest: +SKIP
    >>> accumulate(rain, "1D")  # doctest: +SKIP
    """
    check_keywords("over_areas", options, over_areas, open_dataset)
    check_share(min_coverage)
    if not is_dataset(data):
        used = Options(**options)
        found = stream_areas(data, areas, used, names=names, workers=workers, progress=progress)
        return with_coverage(found, min_coverage)
    _only_for_sources(options)
    data = as_series(data)
    fields = fields_of(variable_of(data))
    found = area_series(fields, find_areas(areas, grid_of(fields), names=names), progress=progress)
    return with_coverage(_with_bounds(found, data), min_coverage)


def exceedance(
    data: Any,
    thresholds: float | Literal["dwd-heavy-rain", "dwd-continuous-rain"] | Sequence[float],
    duration: Any = None,
    *,
    period: Any = None,
    timezone: str = "UTC",
    day_begin: str = "00:00",
    label: Label | None = None,
    independent: Any = None,
    progress: bool | Reporter = True,
    **options: Any,
) -> xr.Dataset:
    """Count how often, and report when, the amount of a duration reached thresholds.

    The amount is a moving sum, S(t) = sum of the intervals that end in (t - duration, t], for every t of the
    series, across the ends of days and months. Missing intervals count as 0 mm, so counts are lower bounds.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Amounts in mm: fields, or series at points or of areas; sources as in `open_dataset`, or a cube's folder or
        address.
    thresholds : float, sequence of float, or str
        mm in the duration; amounts equal to a threshold are counted. "dwd-heavy-rain" (1h, 6h) and
        "dwd-continuous-rain" (12h, 24h, 48h, 72h) are DWD's warning levels 2, 3 and 4, see
        `radar_nb.analysis.extremes.WARNING_LEVELS`.
    duration : str or timedelta, optional
        "15min", "1h", "72h": a multiple of the interval, which is the default.
    period : str, pandas offset or timedelta, optional
        Count per hour, day, month, ... in which the sums end; by default over the whole series.
    timezone, day_begin, label : str
        Options of periods, as in `accumulate`.
    independent : str or timedelta, optional
        "4h": count storms instead of overlapping sums. A sum that reaches the threshold begins a storm if no other
        one did so in the four hours before it; the storm is counted in the period in which that sum ends.
    progress : bool or Reporter
    **options
        For sources, arguments of `open_dataset`.

    Returns
    -------
    xarray.Dataset
        Computed in one pass and bounded memory:

        - the count, int32, named as the data, with a dimension `threshold` if there are several (and `level` for
          DWD's); count times interval is the time above the threshold, unless storms are counted;
        - `first` and `last`: datetime64, UTC, ends of the first and the last such duration, NaT where there is
          none;
        - `maximum`: mm, the largest sum, and `time_of_maximum`;
        - `coverage`: the share of intervals that are not missing.

    Raises
    ------
    SettingsError
        Thresholds are not in mm or not positive; the duration is not a multiple of the interval, or DWD has no
        levels for it.
    SeriesError
        The data are not amounts in mm, or `interval_minutes` is out of date.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> times = np.datetime64("2020-06-13T23:50", "ns") + np.arange(4) * np.timedelta64(1, "h")
    >>> attrs = {"units": "mm", "cell_methods": "time: sum", "interval_minutes": 60}
    >>> rain = xr.DataArray([2.0, 9.0, 8.0, 0.5], {"time": times}, name="RW", attrs=attrs)
    >>> exceedance(rain, [8, 17], "2h", progress=False).RW.values
    array([3, 1], dtype=int32)
    """
    check_keywords("exceedance", options, exceedance, open_dataset)
    if is_dataset(data):
        _only_for_sources(options)
    return count_exceedances(
        data,
        thresholds,
        duration,
        period=period,
        timezone=timezone,
        day_begin=day_begin,
        label=label,
        independent=independent,
        progress=progress,
        **options,
    )


def _only_for_sources(options: dict[str, Any]) -> None:
    """Refuse options that only sources have; `progress` has nothing to report of lazy data."""
    left = sorted(set(options) - {"progress"})
    if left:
        raise SettingsError(
            f"{', '.join(left)}: only for archives and other sources; leave it out, or pass the Dataset's files"
        )


def _with_bounds(found: xr.Dataset, data: Any) -> xr.Dataset:
    if "time_bnds" in data.coords:
        found = found.assign_coords(time_bnds=data["time_bnds"])
    return found.assign_attrs(data.attrs if hasattr(data, "data_vars") else {})
