"""Questions that users ask of rain, answered from Datasets, lazily, or straight from archives and cubes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from radar_nb.analysis.areas import area_series, find_areas, stream_areas
from radar_nb.analysis.extremes import count_exceedances
from radar_nb.analysis.inputs import check_keywords, cut_dataset, fields_of, grid_of, is_dataset, variable_of
from radar_nb.analysis.points import find_places, point_series
from radar_nb.analysis.reductions import StreamReduction, reduce, stream_periods
from radar_nb.analysis.stored_totals import require_memory, write_totals
from radar_nb.analysis.totals import DatasetTotals, check_share, with_coverage
from radar_nb.cube.frame_stream import open_stream
from radar_nb.errors import SettingsError
from radar_nb.reading.dataset import Options
from radar_nb.reading.opening import open_dataset
from radar_nb.reading.sources import is_cube

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import xarray as xr

    from radar_nb.analysis.periods import Label
    from radar_nb.analysis.points import Around
    from radar_nb.analysis.reductions import How
    from radar_nb.analysis.stored_totals import PeriodTotals
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
    **options: Any,
) -> xr.Dataset:
    """Return the precipitation of each hour, day, month, year, ..., or of all the time together.

    A total is the sum of the intervals that end in the period: begin < end of the interval <= end of the period.
    Archives and cubes are read in one pass, and memory grows with the result, not with the series.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Amounts in mm, fields or series; sources as in `open_dataset`, or a cube's folder, read in one pass.
    period : str, pandas offset or timedelta, optional
        "1h", "1D", "MS" or "1M", "YS", "hydro_year" (from 1 November), ...; all in one by default.
    min_coverage : float
        A total of which less is known becomes NaN: missing is not zero, and a sum of the rest is too low. 0 keeps
        all of them.
    timezone : str
        Whose days, months and years: "Europe/Berlin" has days of 23 and 25 hours too.
    day_begin : str
        When they begin: "05:50" (UTC) gives the days of DWD's gauges and of SF.
    label : {"begin", "end"}, optional
        What `time` is. By default days and longer periods are labelled by their begin, as pandas and xarray do, so
        that `.sel(time="2020-06-08")` is the day of 8 June; shorter ones, and all the time together, by their end,
        as frames are.
    store : path, optional
        Write the periods to this file as they are computed, in bounded memory: "days.zarr" or "days.nc". The same
        call goes on after an interruption, and returns at once what is complete.
    **options
        For sources, further arguments of `reduce`: `workers`, `progress`, `grid`, ...

    Returns
    -------
    xarray.Dataset
        The total in mm, float32, named as the data; and `coverage`, the share of the period's intervals that were
        not missing, steps without a frame included. `time` labels the period: UTC, or the begin of the day on the
        clock of another `timezone`. `time_bnds`, and for single variables `period_begin` and `period_end`, are the
        time that its intervals cover, UTC: an hour of RW ends at minute 50. Periods without a frame are left out.
        Lazy where the data are dask arrays, or come from a `store`.

    Raises
    ------
    SeriesError
        Not amounts in mm: rates and reflectivities are not summed. Or `interval_minutes` is out of date, since
        xarray has resampled or computed the values.
    SettingsError
        The period is unknown, or not a multiple of the interval; unknown time zone; `min_coverage` is not a share;
        the result is larger than a quarter of the free memory; `store` holds something else.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> times = np.datetime64("2020-06-13T00:05", "ns") + np.arange(24) * np.timedelta64(5, "m")
    >>> told = {"units": "mm", "cell_methods": "time: sum", "interval_minutes": 5}
    >>> rain = xr.DataArray(np.full(24, 0.25), {"time": times}, name="YW", attrs=told)
    >>> accumulate(rain, "1h").YW.values
    array([3., 3.], dtype=float32)
    """
    check_keywords("accumulate", options, accumulate, reduce)
    check_share(min_coverage)
    clock: dict[str, Any] = {"timezone": timezone, "day_begin": day_begin, "label": label}
    totals = _totals_of(data, period, clock, options)
    if store is not None:
        return write_totals(totals, store, min_coverage, {"period": str(period), **clock})
    require_memory(totals)
    found = with_coverage(totals.part(0, len(totals.periods.labels)), min_coverage)
    return found.isel(time=0) if period is None else found


def _totals_of(data: Any, period: Any, clock: dict[str, Any], options: dict[str, Any]) -> PeriodTotals:
    """Choose the engine: a Dataset's variable, lazy or not, or the frames of archives or a cube."""
    if is_dataset(data):
        _only_for_sources(options)
        return DatasetTotals(data, period, **clock)
    progress, workers = options.pop("progress", True), options.pop("workers", None)
    points, method = options.pop("points", None), options.pop("method", "nearest")
    stream = open_stream(data, Options(**options), progress=progress)
    places = None if points is None else find_places(points, stream.grid, method)
    periods = stream_periods(stream, ("sum",), period, **clock)
    return StreamReduction(stream, periods, ("sum",), places, workers=workers, progress=progress)


def at_points(
    data: Any,
    points: Any,
    how: How | Sequence[How] = "series",
    *,
    method: Around = "nearest",
    period: Any = None,
    **options: Any,
) -> xr.Dataset:
    """Return the series at points; of archives their totals, extremes or counts too.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Fields; sources as in `open_dataset`, read in one pass; or a cube's folder.
    points : mapping, sequence, DataFrame, GeoDataFrame, or path
        Names to (lon, lat); pairs of these; columns `lon` and `lat`, degrees, or `x` and `y`, metres of the
        grid's projection; points in any CRS; a CSV with such columns, or a file of shapes.
    how, period
        Of sources, as in `reduce`. Series of Datasets are xarray's to reduce, and `accumulate`'s.
    method : {"nearest", "mean3x3", "bilinear"}
        The value of the cell in which the point lies; the mean of this and its eight neighbours; or of the four
        cells around it, by distance: sum of w_i x_i / sum of w_i over cells that are not missing, NaN where these
        weigh less than half.
    **options
        For sources, further arguments of `reduce`.

    Returns
    -------
    xarray.Dataset
        Of shape (time, point), with `lon` and `lat` of the points, `x` and `y` of the cells in which they lie.

    Raises
    ------
    SettingsError
        A point lies outside the grid, or `points` are not points.
    SeriesError
        The data are not fields, or are classes, which have no mean.

    Examples
    --------
    >>> at_points("data", {"Aachen": (6.09, 50.78)})  # doctest: +SKIP
    >>> at_points(ds, "gauges.csv", method="mean3x3")  # doctest: +SKIP
    """
    check_keywords("at_points", options, at_points, reduce)
    if is_cube(data) and how == "series" and period is None:
        data = cut_dataset(data)
    if not is_dataset(data):
        return reduce(data, how, points=points, method=method, period=period, **options)
    if how != "series" or period is not None:
        raise SettingsError(
            f"how={how!r}, period={period!r} are for archives: for a Dataset, take the series, then "
            "accumulate(series, ...) or xarray's own .max('time')"
        )
    progress = options.pop("progress", True)
    _only_for_sources(options)
    fields = fields_of(variable_of(data))
    series = point_series(fields, find_places(points, grid_of(fields), method), progress=progress)
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
    """Return the mean over areas, such as catchments, of every field.

    mean = sum of w_i x_i / sum of w_i, over the cells i that are not missing, w_i being the exact share of the
    cell's square that lies in the area (exactextract). Cells count alike: within 100 km their true size differs by
    less than 1 %. The volume of water is mean [mm] * km2 * 1000 m3.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Fields; sources as in `open_dataset`, or a cube's folder, read in one pass.
    areas : GeoDataFrame, GeoSeries, or path
        Polygons in any CRS; a file as GDAL reads it. Their shares of cells are computed once and kept.
    names : str, optional
        The column that holds the areas' names; the table's index otherwise.
    min_coverage : float
        A mean of which less of the area is known becomes NaN.
    workers, progress
        As in `reduce`.
    **options
        For sources, arguments of `open_dataset`: `variables`, `grid`, `clutter`, `sums`, ...

    Returns
    -------
    xarray.Dataset
        The mean, float32, of shape (time, area), in the unit of the data; `coverage`, the share of the area in
        which it is known (what lies outside the grid is not); `lon` and `lat` of the centroids and `km2`, the true
        size. Lazy where the data are dask arrays.

    Raises
    ------
    SettingsError
        Areas without a CRS, invalid, empty, outside the grid, not polygons, or of the same name.
    NothingFound
        There is no such file.
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
    progress: bool | Reporter = True,
    **options: Any,
) -> xr.Dataset:
    """Count how often, and report when, the amount of a duration reached thresholds.

    The amount is a moving sum, S(t) = sum of the intervals that end in (t - duration, t], for every t of the
    series: it reaches over the ends of days and months. Missing intervals count as 0 mm, so counts are lower
    bounds.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Amounts in mm: fields, or series at points or of areas; sources as in `open_dataset`, or a
        cube's folder.
    thresholds : float, sequence of float, or str
        mm in the duration; an amount that equals one is counted. "dwd-heavy-rain" (1h, 6h) and
        "dwd-continuous-rain" (12h, 24h, 48h, 72h) are DWD's warning levels 2, 3 and 4, see
        `radar_nb.analysis.extremes.WARNING_LEVELS`.
    duration : str or timedelta, optional
        "15min", "1h", "72h": a multiple of the interval, which is the default.
    period : str, pandas offset or timedelta, optional
        Count in each hour, day, month, ... in which the sums end; all in one by default.
    timezone, day_begin, label : str
        Of periods, as in `accumulate`.
    progress : bool or Reporter
    **options
        For sources, arguments of `open_dataset`.

    Returns
    -------
    xarray.Dataset
        Computed, in one pass and bounded memory:

        - the count, int32, named as the data, with a dimension `threshold` where several are given (and `level`
          for DWD's); times the interval it is a time above the threshold;
        - `first` and `last`: datetime64, UTC, ends of the first and the last such duration, NaT where it was never
          reached;
        - `maximum`: mm, the largest sum, and `time_of_maximum`;
        - `coverage`: the share of intervals that were not missing.

    Raises
    ------
    SettingsError
        Thresholds in another unit than mm, or not positive; a duration that is not a multiple of the interval, or
        one for which DWD has no levels.
    SeriesError
        Not amounts in mm, or `interval_minutes` is out of date.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> times = np.datetime64("2020-06-13T23:50", "ns") + np.arange(4) * np.timedelta64(1, "h")
    >>> told = {"units": "mm", "cell_methods": "time: sum", "interval_minutes": 60}
    >>> rain = xr.DataArray([2.0, 9.0, 8.0, 0.5], {"time": times}, name="RW", attrs=told)
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
