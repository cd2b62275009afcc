"""Questions that users ask, answered straight from archives: thin names for what `radar_nb.reductions` does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from radar_nb.reductions import reduce

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from radar_nb.reductions import How


def accumulate(source: Any, period: Any = None, **options: Any) -> xr.Dataset:
    """Give the precipitation of all the time together, or of each hour, day, month, ...

    Parameters
    ----------
    source
        As in `open_dataset`.
    period : str, pandas offset or timedelta, optional
        "1h", "1D", "1M", ...; see `radar_nb.reduce`.
    **options
        Further arguments of `radar_nb.reduce`.

    Returns
    -------
    xarray.Dataset
        The total in mm, float32, named by product, NaN where no interval was valid; and `coverage`, the share of
        intervals that were. A total is that of the valid intervals alone: look at the coverage.

    Raises
    ------
    SeriesError
        The source holds no amounts; see `radar_nb.reduce` for others.

    Examples
    --------
    >>> daily = accumulate("YW2017.002_202006.tar", "1D")  # doctest: +SKIP
    >>> daily.YW.where(daily.coverage > 0.95)  # doctest: +SKIP
    """
    return reduce(source, "sum", period=period, **options)


def at_points(
    source: Any, points: Any, how: How | Sequence[How] = "series", *, period: Any = None, **options: Any
) -> xr.Dataset:
    """Give the series at points, or their totals, extremes or counts.

    Parameters
    ----------
    source
        As in `open_dataset`.
    points : mapping of names to (lon, lat), sequence of (lon, lat), or DataFrame with columns lon and lat
        Degrees. The cell in which a point lies is taken.
    how, period, **options
        As in `radar_nb.reduce`.

    Returns
    -------
    xarray.Dataset
        Of shape (time, point).

    Raises
    ------
    SettingsError
        A point lies outside the grid; see `radar_nb.reduce` for others.

    Examples
    --------
    >>> at_points("data", {"Aachen": (6.09, 50.78)})  # doctest: +SKIP
    """
    return reduce(source, how, points=points, period=period, **options)


def exceedance(
    source: Any, threshold: float | Sequence[float], *, period: Any = None, **options: Any
) -> xr.Dataset:
    """Tell how many intervals were not below a threshold.

    Parameters
    ----------
    source
        As in `open_dataset`.
    threshold : float or sequence of float
        In the variable's unit an interval: 1.0 is 1 mm in 5 minutes for YW, in an hour for RW.
    period, **options
        As in `radar_nb.reduce`.

    Returns
    -------
    xarray.Dataset
        Counts, int32, named by product; and `coverage`.

    Examples
    --------
    >>> exceedance("data", [0.1, 1.0, 5.0], period="1D")  # doctest: +SKIP
    """
    return reduce(source, "count", threshold=threshold, period=period, **options)
