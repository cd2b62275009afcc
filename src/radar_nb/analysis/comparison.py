"""Gauges beside radar: amounts of both over the same intervals, and how well they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.analysis.api import at_points
from radar_nb.analysis.extremes import check_thresholds
from radar_nb.analysis.gauge_tables import read_gauges
from radar_nb.analysis.inputs import amount_of, check_keywords, fields_of, grid_of, is_dataset, variable_of
from radar_nb.analysis.periods import length_of
from radar_nb.analysis.points import EAST, NORTH, find_places, labels_of
from radar_nb.analysis.totals import check_share
from radar_nb.cube.frame_stream import open_stream
from radar_nb.dwd.grids import to_lonlat
from radar_nb.errors import SettingsError
from radar_nb.reading.dataset import Options
from radar_nb.reading.forecasts import as_series
from radar_nb.reading.intervals import ends_of
from radar_nb.reading.opening import open_dataset
from radar_nb.runtime.table import ShownAsTable, Table
from radar_nb.runtime.wording import human_interval, human_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from radar_nb.analysis.gauge_tables import Edge, Gauges
    from radar_nb.dwd.grids import Grid
    from radar_nb.runtime.progress import Reporter

_HEADS = (
    ("intervals", "intervals"),
    ("gauge", "gauge mm"),
    ("radar", "radar mm"),
    ("bias", "bias mm"),
    ("ratio", "ratio"),
    ("correlation", "r"),
    ("rmse", "RMSE mm"),
    ("within", "in 3x3"),
    ("pod", "POD"),
    ("far", "FAR"),
    ("csi", "CSI"),
)
_ADJUSTED = "RW and RADKLIM are adjusted to gauges of DWD: those are not independent of the radar"
_AROUND = 9  # cells of the square around a gauge
_DIGITS = 4  # of mm: the finest amounts of DWD have three
_EPOCH = np.datetime64("2001-01-01T00:00:00", "s")  # a midnight: days of whole intervals end near one


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Comparison(ShownAsTable):
    """Amounts of gauges and radar over the same intervals, and how well they agree.

    Attributes
    ----------
    pairs : xarray.Dataset
        `gauge` and `cell` (the radar's, which contains the gauge), float64 of shape (time, point), mm, NaN where
        less than `min_coverage` was measured; `lowest` and `highest` of the nine cells around it, NaN for series
        at points. `time` is the end of the interval, UTC; `time_bnds` both edges; `lon` and `lat` of the gauges.
    scores : dict of str to dict
        For each gauge, and for "all" together, of the intervals that both have measured:

        - `intervals`: how many; `gauge` and `radar`: the sums in mm;
        - `bias`: mean of radar - gauge in mm; `ratio`: sum of radar / sum of gauge;
        - `correlation`: Pearson's, NaN for fewer than two values or without variance; `rmse`: mm;
        - `within`: share of the intervals in which the gauge lies between the lowest and the highest of the nine
          cells, NaN for series at points;
        - `hits`, `misses`, `false_alarms`, `dry`: intervals in which both, the gauge alone, the radar alone, or
          neither reach the threshold; `pod`, `far`, `csi`: hits / (hits + misses), false alarms / (hits + false
          alarms), hits / (hits + misses + false alarms), NaN where nothing was counted.
    minutes : int
        Length of an interval.
    threshold : float
        mm in an interval.
    title : str
    """

    pairs: xr.Dataset
    scores: dict[str, dict[str, float]]
    minutes: int
    threshold: float
    title: str

    def table(self) -> Table:
        """Return the scores as a table, one row a gauge."""
        heads = dict(_HEADS)
        rows = [(name, *(_shown(key, scores[key]) for key in heads)) for name, scores in self.scores.items()]
        times = self.pairs["time_bnds"].values
        span = f"{human_time(times.min())} to {human_time(times.max())}" if times.size else "no interval"
        counted = (
            f"mm in {human_interval(self.minutes)}; POD, FAR and CSI from {self.threshold:g} mm on; bias is "
            "radar - gauge; only what both have measured counts"
        )
        return Table(
            title=f"{self.title}, {span}",
            columns=("gauge", *heads.values()),
            rows=tuple(rows),
            notes=(counted, _ADJUSTED),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as plain values for JSON; None where there is none."""
        scores = {
            name: {key: None if np.isnan(value) else value for key, value in one.items()}
            for name, one in self.scores.items()
        }
        return {"interval_minutes": self.minutes, "threshold_mm": self.threshold, "scores": scores}


def _shown(key: str, value: float) -> str:
    if np.isnan(value):
        return "-"
    return (
        f"{value:.0f}" if key == "intervals" else f"{value:.1f}" if key in {"gauge", "radar"} else f"{value:.2f}"
    )


def compare(
    data: Any,
    gauges: Any,
    stations: Any = None,
    *,
    label: Edge | None = None,
    timezone: str | None = None,
    parameter: str | None = None,
    period: Any = None,
    threshold: float = 0.1,
    min_coverage: float = 0.95,
    progress: bool | Reporter = True,
    **options: Any,
) -> Comparison:
    """Compare radar with gauges: sums of both over the same intervals, at the gauge's cell and the nine around it.

    Intervals are those of the radar, or of the gauges if theirs are longer: six values of 10 minutes make the hour
    of RW, which ends at minute 50. What does not fit is an error, so hourly gauges cannot be compared with RW.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Amounts in mm: fields, or a source as in `open_dataset`; or series at points whose names are the gauges'.
    gauges : DataFrame or path
        Amounts in mm of 10 minutes, an hour, ...: long, with columns `station_id`, `date`, `value` and perhaps
        `parameter` (wetterdienst), or wide, with a column `date` and one for each gauge; a frame of pandas or
        polars, or a CSV, which may be German. -999 is missing; negative amounts are an error.
    stations : points, optional
        Where the gauges are, as `points` of `at_points`, named as in `gauges` ("02667" is 2667); by default the
        columns `longitude` and `latitude` of a long table.
    label : {"start", "end"}
        The edge of its interval that a gauge's time is. It must be stated: a guess would shift the rain.
    timezone : str, optional
        Zone of gauges' times that have no offset: "UTC", "UTC+1" (MEZ all year), "Europe/Berlin". Required for
        those.
    parameter : str, optional
        The parameter of a long table, or its column, if there are several.
    period : str or timedelta, optional
        Compare longer sums, such as "1h" or "1D": a multiple of both intervals. A day of RW ends at 23:50.
    threshold : float
        mm in an interval from which it rains: 0.1, the resolution of DWD's gauges and of RW.
    min_coverage : float
        A sum is missing where less than this share of its intervals was measured.
    progress : bool or Reporter
    **options
        For sources, arguments of `open_dataset`: `variables`, `grid`, ...

    Returns
    -------
    Comparison
        Prints as a table; `pairs` has the values, `scores` the numbers.

    Raises
    ------
    SettingsError
        The label, the zone or the positions are not stated; the gauges cannot be read; a gauge has no position or
        lies outside the grid; intervals do not fit, or no times are common.
    SeriesError
        The data are not amounts in mm.

    Examples
    --------
    >>> found = compare("data", "gauges.csv", "stations.csv", label="end", timezone="UTC")  # doctest: +SKIP
    >>> found.scores["all"]["bias"]  # doctest: +SKIP
    """
    check_keywords("compare", options, compare, open_dataset)
    check_share(min_coverage)
    table = read_gauges(gauges, timezone=timezone, label=label, parameter=parameter)
    beside = _at_gauges(data, table, stations, progress, options)
    amount, minutes = amount_of(beside.series)
    ends = ends_of(amount)
    values = np.asarray(amount.transpose("time", ...).values, np.float64).reshape(ends.size, len(table.names), -1)
    windows = _Windows.of(ends, minutes, table, period)
    (floor,) = check_thresholds([threshold], windows.minutes)
    cells = windows.sums(ends, values, minutes, min_coverage)
    gauge = windows.sums(table.ends, table.values, table.minutes, min_coverage)
    pairs = _pairs(windows, gauge, cells, table.names, beside)
    scores = {name: _scores(pairs.isel(point=[at]), floor) for at, name in enumerate(table.names)}
    count = len(table.names)
    return Comparison(
        pairs=pairs,
        scores=scores | ({"all": _scores(pairs, floor)} if count > 1 else {}),
        minutes=windows.minutes,
        threshold=floor,
        title=f"{amount.name} against {count} gauge{'s' * (count != 1)} of {human_interval(table.minutes)}",
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _AtGauges:
    """The radar's series at gauges, of one cell each or of nine, in the gauges' order, and the positions."""

    series: xr.Dataset | xr.DataArray
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]


def _at_gauges(
    data: Any, gauges: Gauges, stations: Any, progress: bool | Reporter, options: dict[str, Any]
) -> _AtGauges:
    if is_dataset(data) and "point" in (there := variable_of(as_series(data))).dims:
        order = _matched(gauges.names, there["point"].values.tolist(), "the series at points")
        lon, lat = (np.asarray(there[name].values, float)[order] for name in ("lon", "lat"))
        return _AtGauges(series=data.isel(point=order), lon=lon, lat=lat)
    if is_dataset(data):
        grid = grid_of(fields_of(variable_of(as_series(data))))
    else:
        grid = open_stream(data, Options(**options), progress=progress).grid
    if stations is None:
        stations = gauges.positions
    if stations is None:
        raise SettingsError(
            "where the gauges are is not known: pass stations=, such as a CSV with station_id, lon and lat, or "
            "columns longitude and latitude in a long table"
        )
    places = find_places(stations, grid)
    order = _matched(gauges.names, places.names, "the stations")
    rows, cols = (home[order] for home in places.home)
    series = at_points(data, _around(rows, cols, grid), progress=progress, **options)
    return _AtGauges(series=series, lon=places.lon[order], lat=places.lat[order])


def _around(rows: NDArray[np.int64], cols: NDArray[np.int64], grid: Grid) -> dict[str, tuple[float, float]]:
    """Return the centres of nine cells for each gauge, its own as the fifth; at an edge cells come twice."""
    down, right = (part.ravel() for part in np.meshgrid([-1, 0, 1], [-1, 0, 1], indexing="ij"))
    rows = np.clip(rows[:, None] + down, 0, grid.rows - 1)
    cols = np.clip(cols[:, None] + right, 0, grid.cols - 1)
    lon, lat = to_lonlat(grid.x[cols.ravel()], grid.y[rows.ravel()], grid.earth)
    return {str(number): (float(x), float(y)) for number, (x, y) in enumerate(zip(lon, lat, strict=True))}


def _matched(wanted: Sequence[str], known: Sequence[Any], where: str) -> list[int]:
    """Return the number of each gauge in a list of names, in which "02667" and 2667 are the same."""
    places = {_key(name): number for number, name in enumerate(known)}
    if missing := [name for name in wanted if _key(name) not in places]:
        raise SettingsError(
            f"{len(missing)} gauges, such as {missing[0]!r}, are not among {where} (such as "
            f"{', '.join(map(str, known[:5]))}): name them alike, or leave these gauges out"
        )
    return [places[_key(name)] for name in wanted]


def _key(name: Any) -> str:
    text = str(name).strip()
    return str(int(text)) if text.isascii() and text.isdigit() else text.casefold()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Windows:
    """Consecutive intervals, UTC, that those of radar and gauges fill."""

    ends: NDArray[np.datetime64]
    minutes: int

    @classmethod
    def of(cls, radar: NDArray[np.datetime64], minutes: int, gauges: Gauges, period: Any) -> _Windows:
        """Return those that both cover.

        Raises
        ------
        SettingsError
            One does not fill them, or nothing is common.
        """
        longer = max(minutes, gauges.minutes)
        length = longer if period is None else length_of(period, minutes=longer, name="period")
        first = radar[0] if minutes == longer else gauges.ends[0]
        step = np.timedelta64(60 * length, "s")
        phase = _EPOCH - (_EPOCH - first) % np.timedelta64(60 * longer, "s")
        for ends, size in ((radar, minutes), (gauges.ends, gauges.minutes)):
            odd = (ends - phase) % np.timedelta64(60 * size, "s") != np.timedelta64(0, "s")
            if odd.any() or length % size:
                raise SettingsError(
                    f"intervals of {human_interval(gauges.minutes)} of the gauges, such as to "
                    f"{human_time(gauges.ends[0])}, and of {human_interval(minutes)} of the radar, such as to "
                    f"{human_time(radar[0])}, do not fit each other: use gauges of 10 min for RW, which ends at "
                    "minute 50, or radar of 5 min, such as YW, for hourly gauges; and check label= and timezone="
                )
        low, high = max(radar[0], gauges.ends[0]), min(radar[-1], gauges.ends[-1])
        ends = phase + np.arange(-(-(low - phase) // step), -(-(high - phase) // step) + 1) * step
        if low > high:
            raise SettingsError(
                f"the gauges ({human_time(gauges.ends[0])} to {human_time(gauges.ends[-1])}) and the radar "
                f"({human_time(radar[0])} to {human_time(radar[-1])}) have no time in common: choose other data"
            )
        return cls(ends=ends, minutes=length)

    def sums(
        self, ends: NDArray[np.datetime64], values: NDArray[np.float64], minutes: int, least: float
    ) -> NDArray[np.float64]:
        """Return sums of intervals, shape (windows, ...), NaN where less than a share of the window is known."""
        step = np.timedelta64(60 * self.minutes, "s")
        window = -(-(ends - self.ends[0]) // step)
        here = (window >= 0) & (window < self.ends.size)
        total, known = (np.zeros((self.ends.size, *values.shape[1:])) for _ in range(2))
        np.add.at(total, window[here], np.nan_to_num(values[here]))
        np.add.at(known, window[here], ~np.isnan(values[here]))
        # rounded, since sums of decimal numbers are compared with decimal numbers
        return np.where(known * minutes >= (least - 1e-6) * self.minutes, total.round(_DIGITS), np.nan)


def _pairs(
    windows: _Windows,
    gauge: NDArray[np.float64],
    cells: NDArray[np.float64],
    names: Sequence[str],
    beside: _AtGauges,
) -> xr.Dataset:
    several = cells.shape[2] == _AROUND
    nothing = np.full_like(gauge, np.nan)
    parts = {
        "gauge": (gauge, "gauge"),
        "cell": (cells[..., cells.shape[2] // 2], "radar, the cell of the gauge"),
        "lowest": (np.fmin.reduce(cells, axis=2) if several else nothing, "radar, lowest of nine cells"),
        "highest": (np.fmax.reduce(cells, axis=2) if several else nothing, "radar, highest of nine cells"),
    }
    attrs = {"units": "mm", "cell_methods": "time: sum", "interval_minutes": windows.minutes}
    begins = windows.ends - np.timedelta64(60 * windows.minutes, "s")
    bounds = np.stack([begins, windows.ends], axis=1)
    return xr.Dataset(
        {
            name: (("time", "point"), values, {**attrs, "long_name": text})
            for name, (values, text) in parts.items()
        },
        {
            "time": ("time", windows.ends.astype("datetime64[ns]"), {"long_name": "end of the interval, UTC"}),
            "time_bnds": (("time", "bnds"), bounds.astype("datetime64[ns]")),
            "point": ("point", labels_of(list(names))),
            "lon": ("point", beside.lon, EAST),
            "lat": ("point", beside.lat, NORTH),
        },
        {key: value for key, value in beside.series.attrs.items() if key in {"title", "institution"}},
    )


def _scores(pairs: xr.Dataset, floor: float) -> dict[str, float]:
    gauge, radar, low, high = (pairs[name].values.ravel() for name in ("gauge", "cell", "lowest", "highest"))
    both = ~(np.isnan(gauge) | np.isnan(radar))
    gauge, radar, low, high = gauge[both], radar[both], low[both], high[both]
    wet, seen = gauge >= floor, radar >= floor
    hits, misses, false, dry = (
        float(np.count_nonzero(one)) for one in (wet & seen, wet & ~seen, ~wet & seen, ~wet & ~seen)
    )
    ranged = ~np.isnan(low)
    varies = gauge.size > 1 and gauge.std() > 0 and radar.std() > 0
    return {
        "intervals": float(gauge.size),
        "gauge": float(gauge.sum()),
        "radar": float(radar.sum()),
        "bias": _share((radar - gauge).sum(), gauge.size),
        "ratio": _share(radar.sum(), gauge.sum()),
        "correlation": float(np.corrcoef(gauge, radar)[0, 1]) if varies else np.nan,
        "rmse": _share(((radar - gauge) ** 2).sum(), gauge.size) ** 0.5,
        "within": _share(float(((gauge >= low) & (gauge <= high))[ranged].sum()), float(ranged.sum())),
        "hits": hits,
        "misses": misses,
        "false_alarms": false,
        "dry": dry,
        "pod": _share(hits, hits + misses),
        "far": _share(false, hits + false),
        "csi": _share(hits, hits + misses + false),
    }


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")
