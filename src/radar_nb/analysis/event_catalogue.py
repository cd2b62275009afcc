"""A catalogue of heavy rain events from radar, with the columns of DWD's CatRaRE."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr

from radar_nb.analysis.event_objects import (
    NEVER_ABOVE,
    EventChooser,
    MissingIntervals,
    ObjectFinder,
    ObjectRule,
    RainObject,
    SameEvent,
    SumsAbove,
)
from radar_nb.analysis.extremes import WARNING_LEVELS, check_thresholds, lengths_of, opened_amount
from radar_nb.analysis.inputs import fields_of, grid_of
from radar_nb.analysis.moving_sums import PER_MM, collected_sums
from radar_nb.analysis.periods import length_of
from radar_nb.analysis.return_levels import KOSTRA_SHAPE, fitted_distribution, periods_of_amounts, reduced
from radar_nb.dwd.catrare import COLUMNS, DURATIONS
from radar_nb.errors import SettingsError
from radar_nb.geography.layers import boxes_as_shape, points_at, table_of_shapes
from radar_nb.reading.intervals import ends_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from radar_nb.analysis.extremes import Amount
    from radar_nb.dwd.grids import Grid
    from radar_nb.runtime.progress import Reporter

_WARNED = {minutes: levels[1] for kind in WARNING_LEVELS.values() for minutes, levels in kind.items()}
"""DWD's warning level 3, mm by minutes."""
_OF_PERIOD = re.compile(r"T(\d+(?:\.\d+)?)")
_BASES = {"e": 1.0, "10": float(np.log(10))}
_NEAR = 1e-3  # metres within which cells of levels lie on those of the data


def heavy_rain_catalogue(
    data: Any,
    thresholds: Any = "W3",
    *,
    levels: xr.Dataset | None = None,
    durations: Sequence[Any] | None = None,
    min_cells: int = 9,
    corners: bool = True,
    same_event: SameEvent = "overlap",
    logarithm: Literal["e", "10"] = "e",
    longest_period: float = 1000.0,
    geometry: Literal["zones", "maxima"] = "zones",
    workers: int | None = None,
    progress: bool | Reporter = True,
    **options: Any,
) -> Any:
    """Return a catalogue of heavy rain events, made as DWD makes CatRaRE, as a table of shapes.

    For each duration and each step of the series, cells that touch, and whose sums over the duration are above the
    threshold, form an object. Its extremity is

        Eta = mean of ln T over its cells * sqrt(A / pi),

    with the return periods T in years and its area A in km2 (Mueller and Kaspar 2014, Nat. Hazards Earth Syst.
    Sci. 14, 145-156). Of the objects of several durations and steps that belong to one event, the one with the
    largest Eta is kept, with its duration, window and area (DWD, https://www.dwd.de/DE/leistungen/catrare).

    Not all of DWD's choices are known: the thresholds W3 for 2, 3, 4, 9 and 18 h, `min_cells`, `corners`,
    `same_event` and `logarithm` are parameters, whose defaults are radar_nb's. So its events are not DWD's.

    Missing intervals count as 0 mm, so amounts are lower bounds; `missing` is their share in each event.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Amounts in mm on fields; sources as in `open_dataset`, or a cube's folder.
    thresholds : str, float, mapping, sequence of float, or xarray.DataArray
        mm in the duration, of which a sum must be more:

        - "W3": DWD's warning level 3, 25 mm in 1 h, 35 in 6 h, 40 in 12 h, 50 in 24 h, 60 in 48 h, 90 in 72 h; for
          durations in between interpolated in the logarithms of both;
        - "T5", "T10", ...: the amount of so many years, from `levels`;
        - a number for all durations, a number for each, or a mapping such as {"1h": 25, "2h": 30};
        - a DataArray in mm with a dimension `duration`, `y` and `x`, or some of these, such as
          `levels.level.sel(return_period=5)`.
    levels : xarray.Dataset
        Return periods of amounts for Eta and the heavy rain index: as returned by `return_levels` for these
        durations, on the same cells or for one place that stands for all; or by `kostra` for one place or for the
        cells of the data. Tables of KOSTRA are interpolated with the distribution by which they were made (shape
        -0.1). Cells without levels, such as those outside Germany, belong to no event.
    durations : sequence of str or timedelta, optional
        Multiples of the interval. By default DWD's: 1, 2, 3, 4, 6, 9, 12, 18, 24, 48 and 72 h.
    min_cells : int
        Smaller objects are left out. No event of DWD has fewer than 9 km2.
    corners : bool
        Whether cells that touch at a corner are connected.
    same_event : {"overlap", "chain"}
        Objects belong to one event if they share a cell while their windows overlap: the most extreme object is
        kept and removes all that do so with it, then the most extreme of the others, and so on ("overlap"); or one
        is kept of all that are connected, directly or through others ("chain").
    logarithm : {"e", "10"}
        Base of the logarithm in Eta.
    longest_period : float
        Years to which T is limited in Eta; it is at least 1.
    geometry : {"zones", "maxima"}
        Polygons of the events, or points of their largest amounts.
    workers : int, optional
        Number of threads. It does not change the result.
    progress : bool or Reporter
    **options
        For sources, arguments of `open_dataset`.

    Returns
    -------
    geopandas.GeoDataFrame
        One row per event, ordered by begin, with the columns of DWD's catalogue that `catrare` returns (see
        `radar_nb.dwd.catrare.COLUMNS`): `Event_ID`; `Start_Time` and `End_Time`, datetime64, UTC; `Duration`, h;
        `Area`, km2, cells of the grid; `Eta`; `RRmax` and `RRmean`, mm; `SRImax`, 0 to 12, see
        `radar_nb.analysis.storms.heavy_rain_index`; `x_RRmax`, `y_RRmax`, counted from 0; `x_RRmaxPRJ`,
        `y_RRmaxPRJ`; and `missing`, the share of missing intervals of its cells in the window. The CRS is the
        data's projection. `attrs` holds all choices, the thresholds and where the return periods are from.
        GeoPandas writes it: `.to_file("events.gpkg")`, `.to_parquet(...)`, or `.to_csv(...)`.

    Raises
    ------
    SeriesError
        The data are not amounts in mm on fields, or are forecasts.
    SettingsError
        Thresholds, durations, levels or choices are not valid, or `levels` lie on other cells.

    Examples
    --------
    >>> levels = rn.return_levels(rn.annual_maxima("data", DURATIONS), resamples=0)  # doctest: +SKIP
    >>> events = rn.heavy_rain_catalogue("data", "T5", levels=levels)  # doctest: +SKIP
    >>> events.to_file("events.gpkg")  # doctest: +SKIP
    """
    _check_choices(min_cells, same_event, logarithm, longest_period, geometry)
    opened = opened_amount(data, progress, **options)
    names = [f"{hours}h" for hours in DURATIONS] if durations is None else durations
    lengths = lengths_of([names] if isinstance(names, str) else names, opened)
    fields = fields_of(opened.amount)
    if opened.stream is None:  # with the southern row first, as streams have it
        opened = replace(opened, amount=fields)
    grid = grid_of(fields)
    periods = [_periods_of(levels, minutes, fields) for minutes in lengths]
    limits = _limits(thresholds, lengths, periods, fields)
    rule = ObjectRule(
        minutes=lengths,
        years=[one.years for one in periods],
        depth_100=[partial(one.level, 100.0) for one in periods],
        min_cells=min_cells,
        corners=corners,
        longest=longest_period,
        logarithm=_BASES[logarithm],
        km2=(grid.cell / 1000) ** 2,
    )
    floors = [_floor(limit, one) for limit, one in zip(limits, periods, strict=True)]
    kept = _events(opened, rule, floors, same_event=same_event, grid=grid, workers=workers, progress=progress)
    table = _table(kept, lengths, grid, geometry)
    ends = ends_of(fields)
    table.attrs = {
        "title": f"Heavy rain events of {opened.attrs.get('title', fields.name)}",
        "source": str(opened.attrs.get("source", opened.attrs.get("institution", ""))),
        "institution": str(opened.attrs.get("institution", "")),
        "thresholds": thresholds if isinstance(thresholds, str) else "mm",
        "threshold_mm": {f"{m} min": _extent(limit) for m, limit in zip(lengths, limits, strict=True)},
        "min_cells": min_cells,
        "corners": corners,
        "same_event": same_event,
        "logarithm": logarithm,
        "longest_period_years": longest_period,
        "levels": {str(key): str(value) for key, value in (levels.attrs if levels is not None else {}).items()},
        "first": str(ends[0] - np.timedelta64(opened.minutes, "m")),
        "last": str(ends[-1]),
        "interval_minutes": opened.minutes,
        "missing_steps": int((ends[-1] - ends[0]) / np.timedelta64(opened.minutes, "m")) + 1 - ends.size,
        "columns": {**COLUMNS, "missing": "share of missing intervals of its cells in the window, 0 to 1"},
    }
    return table


def _check_choices(min_cells: Any, same_event: Any, logarithm: Any, longest_period: Any, geometry: Any) -> None:
    """Raise SettingsError for choices that are not valid."""
    if isinstance(min_cells, bool) or not isinstance(min_cells, int) or min_cells < 1:
        raise SettingsError(f"min_cells={min_cells!r} is not a number of cells: pass 1 or more")
    for name, value, allowed in (
        ("same_event", same_event, get_args(SameEvent)),
        ("logarithm", logarithm, tuple(_BASES)),
        ("geometry", geometry, ("zones", "maxima")),
    ):
        if value not in allowed:
            raise SettingsError(f"unknown {name}={value!r}: choose one of {', '.join(allowed)}")
    if not 1 < longest_period < np.inf:
        raise SettingsError(f"longest_period={longest_period!r} is not a period: pass years, more than 1")


def _events(
    opened: Amount,
    rule: ObjectRule,
    floors: Sequence[int | NDArray[np.int32]],
    *,
    same_event: SameEvent,
    grid: Grid,
    workers: int | None,
    progress: bool | Reporter,
) -> list[RainObject]:
    """Read the series once, and return the objects that are kept."""
    ends = ends_of(opened.amount).astype("datetime64[m]").astype(np.int64)
    cells = grid.rows * grid.cols
    gaps = MissingIntervals(rule.minutes, opened.minutes, ends, cells)
    finder = ObjectFinder(rule, grid, ends, gaps)
    chooser = EventChooser(same_event, max(rule.minutes), cells)
    above = SumsAbove(floors, cells)
    blocks = gaps.record(opened.blocks("heavy rain", progress=progress))
    for stop in collected_sums(blocks, opened.amount, rule.minutes, above, workers=workers):
        found = above.taken()
        for objects in finder.objects(found) if found is not None else ():
            chooser.add(objects)
        gaps.go_to(stop - 1)
        chooser.decide(int(ends[stop - 1]))
    return chooser.finish()


# --- return periods and thresholds ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Periods:
    """The distribution of a duration: parameters of all cells, or one for all.

    Attributes
    ----------
    k, location, scale : float or ndarray, shape (cells,)
    factor : float or ndarray, shape (cells,)
        mm of one unit of the distribution.
    counted : str
    """

    k: Any
    location: Any
    scale: Any
    factor: Any
    counted: Literal["annual", "partial"]

    def years(self, cells: NDArray[np.int64], amounts: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the return periods of amounts in mm in cells."""
        k, location, scale, factor = (
            _at(value, cells) for value in (self.k, self.location, self.scale, self.factor)
        )
        found: NDArray[np.float64] = periods_of_amounts(
            amounts / factor, k, location, scale, self.counted == "partial"
        )
        return found

    def level(self, years: float, cells: NDArray[np.int64] | None = None) -> Any:
        """Return the amounts of a return period in mm, of some cells or as the parameters are."""
        (y,) = reduced(np.array([years]), self.counted)
        k, location, scale, factor = (
            value if cells is None else _at(value, cells)
            for value in (self.k, self.location, self.scale, self.factor)
        )
        return (location + scale * (1 - y**k) / k) * factor

    @property
    def known(self) -> Any:
        """Where there is a distribution: one value, or one for each cell."""
        return np.isfinite(self.location) & np.isfinite(self.factor)


def _at(value: Any, cells: NDArray[np.int64]) -> Any:
    return value[cells] if np.ndim(value) else value


def _periods_of(levels: Any, minutes: int, fields: xr.DataArray) -> _Periods:
    """Return the distribution of a duration.

    Raises
    ------
    SettingsError
        There is none, or it is for other cells.
    """
    if levels is None:
        raise SettingsError(
            "levels=None, but Eta and the heavy rain index need return periods: pass levels=return_levels(...) of "
            "the same cells, or levels=kostra(data) or kostra(place)"
        )
    if not isinstance(levels, xr.Dataset):
        raise SettingsError(
            f"levels is a {type(levels).__name__}: pass a Dataset, as return_levels or kostra return it"
        )
    for dim in ("point", "area"):
        if levels.sizes.get(dim, 1) > 1:
            raise SettingsError(f"levels has {levels.sizes[dim]} {dim}s: choose one, as in levels.isel({dim}=0)")
        levels = levels.squeeze(dim, drop=True) if dim in levels.dims else levels
    if "shape" not in levels and "level" in levels and levels.attrs.get("counted") == "partial":
        return _of_table(levels, minutes, fields)
    parts = fitted_distribution(levels, f"{minutes}min", None)
    counted = levels.attrs.get("counted", "annual")
    return _Periods(
        **dict(
            zip(("k", "location", "scale", "factor"), (_cells_of(part, fields) for part in parts), strict=True)
        ),
        counted=counted,
    )


def _of_table(levels: xr.Dataset, minutes: int, fields: xr.DataArray) -> _Periods:
    """Return the distribution with KOSTRA's shape that is nearest to a table's depths, of a place or in cells."""
    there = levels["duration"].to_numpy().astype("m8[m]").astype(int)
    if minutes not in there:
        raise SettingsError(
            f"levels have no duration of {minutes} min: choose durations of {', '.join(map(str, there))} min"
        )
    depths = (
        levels["level"].isel(duration=int(np.flatnonzero(there == minutes)[0])).transpose("return_period", ...)
    )
    y = 1 / levels["return_period"].to_numpy()  # of a partial series
    terms = np.stack([np.ones_like(y), (1 - y**KOSTRA_SHAPE) / KOSTRA_SHAPE], axis=1)
    location, scale = np.tensordot(np.linalg.pinv(terms), depths.to_numpy().astype(float), axes=1)
    like = depths.isel(return_period=0, drop=True)
    return _Periods(
        k=KOSTRA_SHAPE,
        location=_cells_of(like.copy(data=location), fields),
        scale=_cells_of(like.copy(data=scale), fields),
        factor=1.0,
        counted="partial",
    )


def _cells_of(values: Any, fields: xr.DataArray) -> Any:
    """Return the values of all cells, flat; one value for all where there are no cells.

    Raises
    ------
    SettingsError
        They lie on other cells.
    """
    if not isinstance(values, xr.DataArray):
        return values
    if not values.dims:
        return float(values)
    if set(values.dims) != {"y", "x"}:
        raise SettingsError(
            f"levels or thresholds have the dimensions {', '.join(map(str, values.dims))}: pass those of "
            "(y, x), or of one place"
        )
    for name in ("y", "x"):
        values = values.sortby(name) if name in values.coords else values
        ours = fields[name].to_numpy()
        if values.sizes[name] != ours.size or (
            name in values.coords and np.abs(values[name].to_numpy() - ours).max() > _NEAR
        ):
            raise SettingsError(
                f"levels or thresholds lie on other cells than the data ({values.sizes[name]} and {ours.size} "
                f"along {name}): pass those of the same grid and region"
            )
    return values.transpose("y", "x").to_numpy().ravel()


def _limits(
    thresholds: Any, lengths: Sequence[int], periods: Sequence[_Periods], fields: xr.DataArray
) -> list[Any]:
    """Return the threshold of each duration in mm: one for all cells, or one for each."""
    if isinstance(thresholds, str):
        if thresholds == "W3":
            return [warning_level_3(minutes) for minutes in lengths]
        match = _OF_PERIOD.fullmatch(thresholds)
        if match is None or not float(match[1]) > 1:
            raise SettingsError(
                f"unknown thresholds {thresholds!r}: choose W3, or T and years above 1, such as T5; or pass mm"
            )
        return [one.level(float(match[1])) for one in periods]
    if isinstance(thresholds, xr.DataArray | xr.Dataset):
        return [_mapped(thresholds, minutes, fields) for minutes in lengths]
    if isinstance(thresholds, Mapping):
        given = {length_of(key, minutes=1): value for key, value in thresholds.items()}
        lacking = [f"{minutes} min" for minutes in lengths if minutes not in given]
        if lacking:
            raise SettingsError(f"thresholds has none for {', '.join(lacking)}: add them, or choose durations=")
        thresholds = [given[minutes] for minutes in lengths]
    floors = check_thresholds(thresholds, lengths[0])
    if len(floors) == 1:
        return list(floors) * len(lengths)
    if len(floors) != len(lengths):
        raise SettingsError(
            f"{len(floors)} thresholds for {len(lengths)} durations: pass one for all, or one for each"
        )
    return list(floors)


def warning_level_3(minutes: int) -> float:
    """Return DWD's warning level 3 for a duration in mm; between DWD's durations interpolated in the logarithms.

    Raises
    ------
    SettingsError
        The duration is shorter than an hour or longer than three days.

    Examples
    --------
    >>> [round(warning_level_3(60 * hours), 1) for hours in (1, 2, 3, 4, 6, 9, 12, 18, 24, 48, 72)]
    [25.0, 28.5, 30.7, 32.4, 35.0, 37.8, 40.0, 45.6, 50.0, 60.0, 90.0]
    """
    there = sorted(_WARNED)
    if not there[0] <= minutes <= there[-1]:
        raise SettingsError(
            f"DWD's warning level 3 is for 1 to 72 h, not for {minutes} min: choose such durations"
        )
    if minutes in _WARNED:
        return _WARNED[minutes]
    values = [_WARNED[one] for one in there]
    return float(np.exp(np.interp(np.log(minutes), np.log(there), np.log(values))))


def _mapped(thresholds: xr.DataArray | xr.Dataset, minutes: int, fields: xr.DataArray) -> Any:
    """Return the threshold of a duration from an array."""
    if isinstance(thresholds, xr.Dataset):
        raise SettingsError(
            "thresholds is a Dataset: pass one of its variables, such as levels.level.sel(return_period=5)"
        )
    units = str(thresholds.attrs.get("units", "unknown"))
    if units not in {"mm", "millimeter"}:
        raise SettingsError(f"the thresholds are in {units}: pass mm, with the attribute units")
    for dim in ("point", "area"):
        thresholds = thresholds.squeeze(dim, drop=True) if thresholds.sizes.get(dim) == 1 else thresholds
    if "duration" in thresholds.dims:
        there = thresholds["duration"].to_numpy().astype("m8[m]").astype(int)
        if minutes not in there:
            raise SettingsError(
                f"the thresholds have no duration of {minutes} min: choose durations of "
                f"{', '.join(map(str, there))} min"
            )
        thresholds = thresholds.isel(duration=int(np.flatnonzero(there == minutes)[0]))
    values = _cells_of(thresholds, fields)
    if not (np.nan_to_num(values, nan=1.0) > 0).all():
        raise SettingsError("the thresholds are not all positive: pass mm above 0, and NaN where there are none")
    return values


def _floor(limit: Any, periods: _Periods) -> int | NDArray[np.int32]:
    """Return the smallest sum in units that is above a threshold in mm; none where there is no distribution."""
    known = np.isfinite(limit) & periods.known
    units = np.floor(np.where(known, limit, 0) * PER_MM + 1e-6) + 1
    floors = np.where(known, np.minimum(units, NEVER_ABOVE), NEVER_ABOVE).astype(np.int32)
    return int(floors) if floors.ndim == 0 else floors


def _extent(limit: Any) -> list[float]:
    """Return the least and the largest threshold, rounded; for the attributes."""
    return [round(float(value), 2) for value in (np.nanmin(limit), np.nanmax(limit))]


# --- the table ------------------------------------------------------------------------------------------------


def _table(kept: Sequence[RainObject], lengths: Sequence[int], grid: Grid, geometry: str) -> Any:
    """Return the events as a table of shapes."""
    kept = sorted(kept, key=lambda one: (one.begin, *one.rank))
    row, col = np.divmod(np.array([one.where for one in kept], np.int64), grid.cols)
    x, y = grid.x[col], grid.y[row]
    minutes = np.array([lengths[one.duration] for one in kept], np.int64)
    whole = not (minutes % 60).any()
    columns = {
        "Event_ID": np.arange(1, len(kept) + 1),
        "Start_Time": _times([one.begin for one in kept]),
        "End_Time": _times([one.end for one in kept]),
        "Duration": minutes // 60 if whole else minutes / 60,
        "Area": np.array([one.cells for one in kept], np.int64) * (grid.cell / 1000) ** 2,
        "Eta": np.array([one.eta for one in kept], float),
        "RRmax": np.array([one.largest for one in kept], float),
        "RRmean": np.array([one.mean for one in kept], float),
        "SRImax": np.array([one.index for one in kept], np.int64),
        "x_RRmax": col,
        "y_RRmax": row,
        "x_RRmaxPRJ": x,
        "y_RRmaxPRJ": y,
        "missing": np.array([one.missing for one in kept], float),
    }
    if geometry == "maxima":
        return table_of_shapes(columns, points_at(x, y), grid.earth)
    shapes = np.empty(len(kept), object)
    for number, one in enumerate(kept):
        rows, first = np.divmod(one.first, grid.cols)
        last, half = one.last - rows * grid.cols, grid.cell / 2
        shapes[number] = boxes_as_shape(
            grid.x[first] - half, grid.y[rows] - half, grid.x[last] + half, grid.y[rows] + half
        )
    return table_of_shapes(columns, shapes, grid.earth)


def _times(minutes: Sequence[int]) -> NDArray[np.datetime64]:
    return np.array(minutes, "M8[m]").astype("M8[ns]")
