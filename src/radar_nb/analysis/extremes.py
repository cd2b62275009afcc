"""Heavy rain at a pixel, in an area or on a map: counts of exceeded thresholds, and annual maxima."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.analysis.blocks import in_order, stream_blocks, variable_blocks
from radar_nb.analysis.inputs import ORIGIN, amount_of, is_dataset
from radar_nb.analysis.moving_sums import moving_sums
from radar_nb.analysis.periods import length_of, make_periods
from radar_nb.analysis.totals import period_coords, timeless_coords
from radar_nb.cube.frame_stream import open_stream
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.dataset import Options
from radar_nb.reading.forecasts import is_forecast
from radar_nb.reading.intervals import ends_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from radar_nb.analysis.blocks import StepBlock
    from radar_nb.analysis.periods import Label, Periods
    from radar_nb.reading.frame_stream import FrameStream
    from radar_nb.runtime.progress import Reporter

WARNING_LEVELS: Mapping[str, Mapping[int, tuple[float, ...]]] = MappingProxyType(
    {
        "heavy rain": MappingProxyType({60: (15.0, 25.0, 40.0), 360: (20.0, 35.0, 60.0)}),
        "continuous rain": MappingProxyType(
            {
                720: (25.0, 40.0, 70.0),
                1440: (30.0, 50.0, 80.0),
                2880: (40.0, 60.0, 90.0),
                4320: (60.0, 90.0, 120.0),
            }
        ),
    }
)
"""For each kind and duration in minutes, the amounts in mm from which DWD warns at level 2 (markant), 3 (Unwetter)
and 4 (extremes Unwetter). Source: DWD, Warnkriterien, https://www.dwd.de/DE/wetter/warnungen_aktuell/kriterien
(Starkregen: 1 and 6 h; Dauerregen: 12, 24, 48 and 72 h), as of 2024."""

PRESETS: Mapping[str, str] = MappingProxyType(
    {"dwd-heavy-rain": "heavy rain", "dwd-continuous-rain": "continuous rain"}
)
"""Names in `exceedance` and in messages."""


def warning_thresholds(preset: str, minutes: int) -> tuple[float, ...]:
    """Return the amounts from which DWD warns at levels 2, 3 and 4, in mm.

    Parameters
    ----------
    preset : {"dwd-heavy-rain", "dwd-continuous-rain"}
    minutes : int
        The duration.

    Raises
    ------
    SettingsError
        The preset is unknown, or DWD has no levels for this duration.

    Examples
    --------
    >>> warning_thresholds("dwd-heavy-rain", 60)
    (15.0, 25.0, 40.0)
    """
    if preset not in PRESETS:
        raise SettingsError(f"unknown thresholds {preset!r}: choose one of {', '.join(PRESETS)}, or pass mm")
    levels = WARNING_LEVELS[PRESETS[preset]]
    if minutes not in levels:
        hours = ", ".join(f"{duration // 60}h" for duration in levels)
        raise SettingsError(
            f"DWD has no levels of {PRESETS[preset]} for {minutes} min: choose a duration of {hours}"
        )
    return levels[minutes]


def check_thresholds(thresholds: Any, minutes: int) -> tuple[float, ...]:
    """Return thresholds in mm for a duration.

    Raises
    ------
    SettingsError
        They are not positive numbers, have another unit, or name levels that DWD does not have for this duration.
    """
    if isinstance(thresholds, str):
        return warning_thresholds(thresholds, minutes)
    units = getattr(thresholds, "units", getattr(thresholds, "attrs", {}).get("units", "mm"))
    if str(units) not in {"mm", "millimeter"}:
        raise SettingsError(f"the thresholds are in {units}: pass mm, for sums over {minutes} min")
    try:
        floors = tuple(float(value) for value in np.atleast_1d(np.asarray(thresholds, float)))
    except (TypeError, ValueError) as error:
        raise SettingsError(f"thresholds={thresholds!r} are not numbers: pass mm, such as (15, 25, 40)") from error
    if not floors or not all(0 < floor < np.inf for floor in floors):
        raise SettingsError(f"thresholds={thresholds!r}: pass positive numbers of mm, or the name of a preset")
    return floors


YEARS: Mapping[str, str] = MappingProxyType({"calendar": "YS", "hydro": "hydro_year"})
"""The periods of `make_periods` that are years."""


def count_exceedances(
    data: Any,
    thresholds: float | str | Sequence[float],
    duration: Any,
    *,
    period: Any = None,
    timezone: str = "UTC",
    day_begin: str = "00:00",
    label: Label | None = None,
    independent: Any = None,
    progress: bool | Reporter = True,
    **options: Any,
) -> xr.Dataset:
    """Count how often moving sums reach thresholds: see `radar_nb.exceedance`."""
    opened = opened_amount(data, progress, **options)
    amount, minutes = opened.amount, opened.minutes
    length = minutes if duration is None else length_of(duration, minutes=minutes)
    floors = check_thresholds(thresholds, length)
    periods = make_periods(
        ends_of(amount), period, minutes=minutes, timezone=timezone, day_begin=day_begin, label=label
    )
    apart = 0 if independent is None else length_of(independent, minutes=minutes, name="independent")
    feed = opened.blocks("moving sums", progress=progress)
    found = moving_sums(feed, amount, [length], periods, thresholds=floors, independent=apart)
    one = isinstance(thresholds, float | int)
    cells = tuple(name for name in amount.dims if name != "time")
    dims = ("threshold", "time", *cells)
    name = f"{length} min with at least the threshold: {amount.attrs.get('long_name', amount.name)}"
    ds = xr.Dataset(
        {
            amount.name: (
                dims,
                found.above,
                _attrs(amount, f"{'storms, by sums' if apart else 'moving sums'} over {name}", "1"),
            ),
            "first": (dims, _times(amount, found.first), {"long_name": "end of the first of them"}),
            "last": (dims, _times(amount, found.last), {"long_name": "end of the last of them"}),
            "maximum": (
                ("time", *cells),
                found.largest[0],
                _attrs(amount, f"largest sum over {length} min", "mm"),
            ),
            "time_of_maximum": (("time", *cells), _times(amount, found.when[0]), {"long_name": "end of that sum"}),
            "coverage": (("time", *cells), _share(found.valid, periods), _SHARE),
        },
        {
            **timeless_coords(amount),
            **period_coords(periods),
            "threshold": ("threshold", list(floors), {"units": "mm"}),
        },
        opened.attrs,
    )
    if isinstance(thresholds, str):
        ds = ds.assign_coords(level=("threshold", [2, 3, 4], {"long_name": "DWD's warning level"}))
    ds = ds.isel(threshold=0) if one else ds
    return ds.isel(time=0) if period is None else ds


def annual_maxima(
    data: Any,
    durations: Sequence[Any] = ("1h", "6h", "24h"),
    *,
    year: str = "calendar",
    min_coverage: float = 0.9,
    progress: bool | Reporter = True,
) -> xr.Dataset:
    """Return the largest amount of every year for each duration, and its time.

    Sums move with the interval of the data, across the ends of days, months and years; a sum belongs to the year
    in which it ends. Missing intervals count as 0 mm. Sums of fixed intervals underestimate the true maximum if a
    duration has few of them: by 14 % on average with one, 7 % with two (Weiss 1964, J. Hydraul. Div. 90, 77-82).
    DWA-A 531 (2012) corrects for this; this function does not.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Amounts in mm: fields, or series from `at_points` or `over_areas`, which are much faster.
    durations : sequence of str or timedelta
        Multiples of the interval: "5min", "1h", "72h".
    year : {"calendar", "hydro"}
        From 1 January, or from 1 November (DIN 4049), UTC; a year is named by the year in which it ends.
    min_coverage : float
        Years with a smaller coverage become NaN and NaT.
    progress : bool or Reporter

    Returns
    -------
    xarray.Dataset
        The maxima, named as the data, float32, mm, of shape (duration, year, ...); `time_of_maximum`, the end of
        that window, UTC; and `coverage` of the years. Computed in one pass and bounded memory.

    Raises
    ------
    SeriesError
        The data are not amounts in mm, or are forecasts.
    SettingsError
        A duration is not valid or not a multiple of the interval, or `year` is unknown.

    Examples
    --------
    >>> times = np.datetime64("2020-01-01T01", "ns") + np.arange(8784) * np.timedelta64(1, "h")
    >>> rain = xr.DataArray(np.zeros(8784), {"time": times}, name="RW")
    >>> rain.attrs = {"units": "mm", "interval_minutes": 60, "cell_methods": "time: sum"}
    >>> rain[100:103] = [3, 5, 4]
    >>> annual_maxima(rain, ["1h", "2h", "3h"], progress=False).RW.values.ravel()
    array([ 5.,  9., 12.], dtype=float32)
    """
    if year not in YEARS:
        raise SettingsError(f"unknown year={year!r}: choose one of {', '.join(YEARS)}")
    opened = opened_amount(data, progress)
    lengths = lengths_of(durations, opened)
    amount = opened.amount
    periods = make_periods(ends_of(amount), YEARS[year], minutes=opened.minutes)
    found = moving_sums(opened.blocks("moving sums", progress=progress), amount, lengths, periods)
    cells = tuple(name for name in amount.dims if name != "time")
    years = (periods.bounds[:, 1] - np.timedelta64(1, "s")).astype("datetime64[Y]").astype(int) + 1970
    dims = ("duration", "year", *cells)
    raw = {
        "largest": (dims, found.largest),
        "when": (dims, _times(amount, found.when)),
        "valid": (("year", *cells), found.valid),
    }
    return maxima_of_years(xr.Dataset(raw), opened, lengths, years.tolist(), year=year, least=min_coverage)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Amount:
    """Amounts in mm, and how they are read.

    Attributes
    ----------
    amount : xarray.DataArray
        Dimensions (time, ...).
    attrs : dict
        Those of its Dataset.
    minutes : int
        The interval.
    stream : FrameStream or None
        The frames of archives or of a cube; None for the variable of a Dataset.
    batches : sequence of ndarray of int64
        Of the stream, in the order of time.
    """

    amount: xr.DataArray
    attrs: dict[str, Any]
    minutes: int
    stream: FrameStream | None = None
    batches: Sequence[NDArray[np.int64]] = ()

    def blocks(
        self, task: str, first: int = 0, stop: int | None = None, *, progress: bool | Reporter = False
    ) -> Iterator[StepBlock]:
        """Iterate over the steps from `first` to before `stop`, numbered from 0, as a task of this name."""
        stop = self.amount.sizes["time"] if stop is None else stop
        if self.stream is None:
            return variable_blocks(self.amount.isel(time=slice(first, stop)), task, progress=progress)
        return stream_blocks(self.stream, self.batches, first, stop, task, progress=progress)


def opened_amount(data: Any, progress: bool | Reporter, **options: Any) -> Amount:
    """Open a source, or take a Dataset.

    Archives and cubes are read frame by frame, unless only some of their steps are amounts that can be added.

    Raises
    ------
    SeriesError
        The data are not amounts in mm.
    """
    stream = None
    if not is_dataset(data):
        stream = open_stream(data, Options(**options), progress=progress)
        data = stream.like
    amount, minutes = amount_of(data)
    amount = amount.transpose("time", ...)
    attrs = data.attrs if isinstance(data, xr.Dataset) else {}
    if stream is None or not (stream.there.all() and np.array_equal(ends_of(amount), stream.times)):
        return Amount(amount=amount, attrs=attrs, minutes=minutes)
    return Amount(amount=amount, attrs=attrs, minutes=minutes, stream=stream, batches=in_order(stream))


def lengths_of(durations: Sequence[Any], opened: Amount) -> list[int]:
    """Return the durations of annual maxima in minutes.

    Raises
    ------
    SeriesError
        The data are forecasts.
    SettingsError
        `durations` is empty or has one twice, or one is not a multiple of the interval.
    """
    amount = opened.amount
    if is_forecast(amount) and (amount["lead_time"] > np.timedelta64(0, "s")).any():
        raise SeriesError(
            f"{amount.name!r} are forecasts, which have no annual maxima: pass measurements, such as the "
            'analysis with lead="0min"'
        )
    lengths = [length_of(duration, minutes=opened.minutes) for duration in durations]
    if not lengths:
        raise SettingsError('durations is empty: pass at least one, such as ["15min", "1h", "24h"]')
    if len(set(lengths)) < len(lengths):
        raise SettingsError(f"durations={durations!r} has one twice: pass each duration once")
    return lengths


def maxima_of_years(
    raw: xr.Dataset, opened: Amount, lengths: Sequence[int], years: Sequence[int], *, year: str, least: float
) -> xr.Dataset:
    """Return the result of `annual_maxima`.

    Parameters
    ----------
    raw : xarray.Dataset
        `largest` in mm and `when`, of shape (duration, year, ...), and `valid`, the number of valid intervals of
        shape (year, ...); lazy or not, without coordinates.
    opened : Amount
    lengths, years : sequence of int
    year : {"calendar", "hydro"}
    least : float
        Years with a smaller coverage are missing.
    """
    amount = opened.amount
    edges = [np.array([number - 1970, number - 1969], "datetime64[Y]").astype("datetime64[M]") for number in years]
    if year == "hydro":  # from 1 November of the year before
        edges = [edge - 2 for edge in edges]
    expected = [
        float((end - begin) / np.timedelta64(opened.minutes, "m"))
        for begin, end in (edge.astype("M8[m]") for edge in edges)
    ]
    share = np.minimum(raw["valid"] / xr.DataArray(expected, dims="year"), 1).astype(np.float32)
    known = share >= least - 1e-6
    found = xr.Dataset(
        {
            str(amount.name): raw["largest"].where(known),
            "time_of_maximum": raw["when"].where(known),
            "coverage": share,
        },
        {
            **timeless_coords(amount),
            "year": ("year", list(years)),
            "duration": ("duration", np.array(lengths, "timedelta64[m]").astype("timedelta64[ns]")),
        },
        opened.attrs,
    )
    found[amount.name].attrs = _attrs(amount, "largest sum of the year", "mm") | {
        "cell_methods": "time: maximum within years"
    }
    found["time_of_maximum"].attrs = {"long_name": "end of that sum"}
    found["coverage"].attrs = dict(_SHARE)
    return found


_SHARE = {"long_name": "share of the period's intervals that are not missing", "units": "1"}


def _share(valid: NDArray[np.int32], periods: Periods) -> NDArray[np.float32]:
    expected = periods.expected.reshape(-1, *(1,) * (valid.ndim - 1))
    return np.minimum(valid / expected, 1).astype(np.float32)


def _times(amount: xr.DataArray, steps: NDArray[np.integer[Any]]) -> NDArray[np.datetime64]:
    times: NDArray[np.datetime64] = ends_of(amount).astype("datetime64[ns]")[steps]
    times[steps < 0] = np.datetime64("NaT")
    return times


def _attrs(amount: xr.DataArray, long_name: str, units: str) -> dict[str, Any]:
    kept = {key: amount.attrs[key] for key in ORIGIN if key in amount.attrs}
    return kept | {"long_name": long_name, "units": units}
