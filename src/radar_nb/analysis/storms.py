"""The storms of a site: each spell of rain once, with its largest sums and how rare they were."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # xarray brings it, without its types
import xarray as xr

from radar_nb.analysis.inputs import amount_of
from radar_nb.analysis.moving_sums import PER_MM
from radar_nb.analysis.periods import length_of
from radar_nb.analysis.return_levels import level_at, return_period
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.intervals import ends_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_INDEX_PERIODS = (1.0, 2.0, 5.0, 10.0, 25.0, 30.0, 75.0, 100.0)
"""Return periods in years: an index from 1 to 7 ends with each but the first."""
_INDEX_FACTORS = (1.4, 1.6, 2.2, 2.8)
"""Multiples of the amount of 100 years from which the indices 9 to 12 begin."""


def storms_at(
    series: xr.DataArray | xr.Dataset,
    *,
    dry: Any = "4h",
    min_depth: float = 1.0,
    durations: Sequence[Any] = ("5min", "10min", "15min", "30min", "1h"),
    antecedent: Sequence[int] = (7, 14, 30),
    levels: xr.Dataset | None = None,
) -> pd.DataFrame:
    """Return a table of the storms at points or in areas.

    A storm is a spell of rain between two times without rain of at least `dry`. Missing intervals count as 0 mm,
    so that amounts are lower bounds.

    Parameters
    ----------
    series : xarray.DataArray or Dataset
        Amounts in mm at one point, or at several points or areas, as from `at_points` and `over_areas`.
    dry : str or timedelta
        "4h": the shortest time without rain between two storms, a multiple of the interval.
    min_depth : float
        mm; storms with less are left out.
    durations : sequence of str or timedelta
        Durations of largest sums. Those that are not multiples of the interval are left out if there are others.
    antecedent : sequence of int
        Days before the storm over which rain is added up.
    levels : xarray.Dataset, optional
        As returned by `return_levels` for these points, with the durations, or of the method "kostra": adds return
        periods and the heavy rain index.

    Returns
    -------
    pandas.DataFrame
        One row per storm, ordered by place and begin:

        - `point` or `area`, if there are several;
        - `begin`, `end`: datetime64, UTC, begin of the first and end of the last wet interval;
        - `depth`: mm; `max_5min`, ...: mm, the largest sum of the duration within the storm;
        - `antecedent_7d`, ...: mm in the days before its begin, NaN if the series begins later;
        - `missing`: number of missing intervals within the storm, NaN or without a time;
        - with `levels`: `years_5min`, ...: return periods; `sri_5min`, ...: heavy rain indices from 0 to 12, see
          `radar_nb.analysis.storms.heavy_rain_index`; and `sri`, the largest of them.

    Raises
    ------
    SeriesError
        The data are not amounts in mm, or are fields.
    SettingsError
        `dry`, `min_depth`, the durations or `antecedent` are not valid.

    Examples
    --------
    >>> import xarray as xr
    >>> times = np.datetime64("2020-06-13T00:05", "ns") + np.arange(100) * np.timedelta64(5, "m")
    >>> rain = xr.DataArray(np.zeros(100), {"time": times}, name="YW")
    >>> rain.attrs = {"units": "mm", "interval_minutes": 5, "cell_methods": "time: sum"}
    >>> rain[[10, 12, 80]] = [3.0, 2, 4]
    >>> storms = storms_at(rain, durations=["5min", "15min"])
    >>> storms.depth.tolist(), storms.max_15min.tolist()
    ([5.0, 4.0], [5.0, 4.0])
    """
    amount, minutes = amount_of(series)
    others = [name for name in amount.dims if name != "time"]
    if len(others) > 1:
        raise SeriesError(
            f"{amount.name!r} are fields ({', '.join(map(str, amount.dims))}): pass series, as at_points or "
            "over_areas return them"
        )
    if not 0 <= min_depth < np.inf:
        raise SettingsError(f"min_depth={min_depth!r} is not an amount: pass mm, 0 or more")
    days = np.asarray(antecedent)
    if days.size and (days.dtype.kind not in "iu" or (days < 1).any()):
        raise SettingsError(f"antecedent={antecedent!r}: pass whole numbers of days, such as (7, 14, 30), or ()")
    gap = np.timedelta64(length_of(dry, minutes=minutes, name="dry"), "m")
    lengths = [length_of(duration, minutes=1, name="durations") for duration in durations]
    lengths = [length for length in lengths if length % minutes == 0]
    if not lengths:
        raise SettingsError(
            f"durations={durations!r}: none is a multiple of the interval of {minutes} min: pass one that is"
        )
    ends = ends_of(amount)
    site = _Site(ends, np.timedelta64(minutes, "m"), gap)
    values = amount.transpose("time", ...).to_numpy().reshape(ends.size, -1).astype(float)
    if (values < 0).any():
        raise SeriesError(f"{amount.name!r} has negative amounts: pass amounts of 0 mm and more")
    tables = []
    for number in range(values.shape[1]):
        table = site.storms(values[:, number], min_depth, lengths, antecedent)
        place = amount[others[0]].to_numpy()[number] if others and others[0] in amount.coords else number
        if levels is not None:
            _rate(table, levels, lengths, place if others and others[0] in levels.dims else None)
        if others:
            table.insert(0, str(others[0]), place)
        tables.append(table)
    return pd.concat(tables, ignore_index=True).rename_axis("storm")


def heavy_rain_index(years: Any, depth: Any, depth_100: Any) -> NDArray[np.int64]:
    """Return the heavy rain index (Starkregenindex, SRI) from 1 to 12; 0 below an amount of one year.

    By the return period up to 100 years: 1 up to 2 years, 2 up to 5, 3 up to 10, 4 up to 25, 5 up to 30, 6 up to
    75, 7 up to 100. Above, by the multiple of the amount of 100 years: 8 below 1.4, 9 below 1.6, 10 below 2.2, 11
    below 2.8, 12 from there on (Schmitt et al. 2018, as DWD's catalogue CatRaRE applies it; 8 has no lower limit
    here, so that no amount is left without an index).

    Parameters
    ----------
    years : float or array
        Return periods; NaN has the index 0.
    depth, depth_100 : float or array
        The amounts, and those of 100 years, in mm.

    Examples
    --------
    >>> heavy_rain_index([0.5, 2, 100, 150, 500], [9, 14, 40, 50, 120], 40)
    array([ 0,  1,  7,  8, 12])
    """
    years, factor = np.asarray(years, float), np.asarray(depth, float) / np.asarray(depth_100, float)
    by_period = np.searchsorted(_INDEX_PERIODS[1:], years, side="left") + 1
    by_factor = np.searchsorted(_INDEX_FACTORS, factor, side="right") + 8
    found = np.where(years <= 100, by_period, by_factor)
    return np.where(years >= 1, found, 0)


class _Site:
    """The times of a series."""

    def __init__(self, ends: NDArray[np.datetime64], interval: np.timedelta64, gap: np.timedelta64) -> None:
        self._ends, self._interval, self._gap = ends, interval, gap

    def storms(
        self, values: NDArray[np.float64], least: float, lengths: Sequence[int], antecedent: Sequence[int]
    ) -> pd.DataFrame:
        """Return the table of one place."""
        ends = self._ends
        counts = np.rint(np.nan_to_num(values) * PER_MM).astype(np.int64)
        total = np.append(0, np.cumsum(counts))  # before each step
        wet = np.flatnonzero(counts)
        new = np.append(True, ends[wet[1:]] - self._interval - ends[wet[:-1]] >= self._gap)[: wet.size]
        starts = np.flatnonzero(new)
        first = wet[starts]
        last = wet[np.append(starts[1:], wet.size)[: starts.size] - 1]
        kept = total[last + 1] - total[first] >= round(least * PER_MM)
        begin = ends[first] - self._interval
        table = {
            "begin": begin.astype("datetime64[ns]"),
            "end": ends[last].astype("datetime64[ns]"),
            "depth": (total[last + 1] - total[first]) / PER_MM,
        }
        of_wet = np.cumsum(new) - 1
        for length in lengths:
            before = np.searchsorted(ends, ends[wet] - np.timedelta64(length, "m"), side="right")
            sums = total[wet + 1] - total[np.maximum(before, first[of_wet])]
            table[f"max_{_label(length)}"] = (np.maximum.reduceat(sums, starts) if starts.size else sums) / PER_MM
        for days in antecedent:
            since = begin - np.timedelta64(days, "D")
            found = (total[first] - total[np.searchsorted(ends, since, side="right")]) / PER_MM
            table[f"antecedent_{days}d"] = np.where(since >= ends[0] - self._interval, found, np.nan)
        gone = np.append(0, np.cumsum(np.isnan(values)))
        absent = (ends[last] - begin) // self._interval - (last + 1 - first)
        table["missing"] = gone[last + 1] - gone[first] + absent
        return pd.DataFrame(table)[kept].reset_index(drop=True)


def _label(minutes: int) -> str:
    return f"{minutes}min" if minutes % 60 or minutes < 120 else f"{minutes // 60}h"


def _rate(table: pd.DataFrame, levels: xr.Dataset, lengths: Sequence[int], place: Any) -> None:
    """Add return periods and the heavy rain index."""
    indices = np.zeros(len(table), np.int64)
    for length in lengths:
        depth = table[f"max_{_label(length)}"].to_numpy()
        there: dict[str, Any] = {"duration": np.timedelta64(length, "m"), "place": place}
        years = np.atleast_1d(return_period(levels, xr.DataArray(depth, dims="storm"), **there))
        table[f"years_{_label(length)}"] = years
        rarest = heavy_rain_index(years, depth, level_at(levels, 100, **there))
        table[f"sri_{_label(length)}"] = rarest
        indices = np.maximum(indices, rarest)
    table["sri"] = indices
