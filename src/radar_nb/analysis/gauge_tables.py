"""Amounts of gauges from a CSV or a frame: long or wide, in local time or UTC, brought to intervals in UTC."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # xarray brings it, without its types

from radar_nb.errors import SettingsError
from radar_nb.geography.point_tables import LATITUDES, LONGITUDES, NAMES, read_csv_columns
from radar_nb.runtime.files import user_path
from radar_nb.runtime.wording import shortened
from radar_nb.runtime.zones import find_zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

Edge = Literal["start", "end"]

_TIMES = ("date", "time", "datetime", "timestamp", "mess_datum", "zeit", "datum", "zeitpunkt")
_VALUES = ("value", "wert", "mm")
_OTHERS = ("quality", "dataset", "resolution", "quality_level", "qn", "eor")
"""Columns of wetterdienst and of DWD's files that hold no amounts."""
_GONE = {"", "-", "na", "nan", "nat", "none", "null"}
_MISSING = -999.0
"""DWD's code for a missing value (Climate Data Center, descriptions of its station data)."""
_LARGEST = 100_000
"""mm in an interval that no gauge can have: the wettest year on record had 26,470 (WMO's archive of extremes)."""
_FORMATS = ("ISO8601", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%Y%m%d%H%M", "%Y%m%d%H")
_GERMAN_WITH_OFFSET = ("%d.%m.%Y %H:%M%z", "%d.%m.%Y %H:%M:%S%z")
_OFFSET = r"(?:Z|[+-]\d\d:?\d\d|:\d\d(?:\.\d+)?[+-]\d\d)$"
_MINUTE = np.timedelta64(60, "s")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gauges:
    """Amounts of gauges over intervals of equal length.

    Attributes
    ----------
    names : tuple of str
    positions : mapping or None
        Longitude and latitude by name, if the table has them.
    minutes : int
        Length of an interval.
    ends : ndarray of datetime64[s], shape (n,)
        Ends of the intervals, rising, UTC.
    values : ndarray of float64, shape (n, gauges)
        mm, NaN where missing.
    """

    names: tuple[str, ...]
    positions: Mapping[str, Sequence[float]] | None
    minutes: int
    ends: NDArray[np.datetime64]
    values: NDArray[np.float64]


def read_gauges(source: Any, *, timezone: str | None, label: Edge | None, parameter: str | None) -> Gauges:
    """Return the gauges of a CSV or a frame.

    Parameters
    ----------
    source : DataFrame or path
        Long: columns of the station, the date and the value, and perhaps of the parameter, as wetterdienst has
        them. Wide: a column or an index of dates, and a column for each station.
    timezone : str, optional
        Zone of times without an offset.
    label : {"start", "end"}
        The edge of the interval that a time is.
    parameter : str, optional
        Which parameter of a long frame, or which column.

    Raises
    ------
    SettingsError
        A column is missing; the label or the zone is not stated; times have no even step, occur twice, or do not
        exist; a value is not an amount.
    """
    if label not in {"start", "end"}:
        raise SettingsError(
            f"label={'' if label is None else repr(label)} does not say which edge of its interval a gauge's time "
            'is: pass label="end" or label="start"; its description says which'
        )
    table = _columns(source)
    titles = {str(title).strip().casefold(): title for title in table.columns}
    date, station = _first(titles, _TIMES), _first(titles, NAMES)
    if date is None:
        raise SettingsError(
            "the gauges have no column of times: name it date or time; there are "
            f"{shortened(', '.join(map(str, table.columns)), 500)}"
        )
    if station is None:
        kept = table.drop(columns=[date, *(titles[name] for name in _OTHERS if name in titles)])
        parts = {str(title): (table[date], kept[title]) for title in kept.columns}
        positions = None
    else:
        rows, value = _one_parameter(table, titles, parameter, {date, station})
        groups = rows.groupby(rows[station].astype(str).str.strip(), sort=False)
        parts = {str(name): (group[date], group[value]) for name, group in groups}
        positions = _positions(groups, titles)
    if not parts:
        raise SettingsError("the gauges have no values: pass a table with a column or rows for each station")
    series = {name: _series(name, *pair, timezone) for name, pair in parts.items()}
    return _on_one_axis(series, positions, label)


def _columns(source: Any) -> Any:
    """Return a table of pandas, with the times of an index as a column."""
    if isinstance(source, str | os.PathLike):
        return pd.DataFrame(read_csv_columns(user_path(source), "gauges"))
    if not hasattr(source, "columns"):
        raise SettingsError(
            f"gauges are a {type(source).__name__}: pass a CSV, or a frame with times and amounts in mm"
        )
    if isinstance(getattr(source, "index", None), pd.DatetimeIndex):
        source = source.rename_axis("date").reset_index()
    if isinstance(source, pd.DataFrame):
        return source
    return pd.DataFrame({str(title): list(source[title]) for title in source.columns})  # of polars


def _one_parameter(
    table: Any, titles: Mapping[str, Any], parameter: str | None, used: set[Any]
) -> tuple[Any, Any]:
    """Return the rows of one parameter, and their column of values."""
    value, of = _first(titles, _VALUES), titles.get("parameter")
    if value is not None and of is not None:
        known = list(dict.fromkeys(table[of].astype(str)))
        chosen = parameter or (known[0] if len(known) == 1 else None)
        if chosen not in known:
            raise SettingsError(
                "the gauges have several parameters: choose one with parameter=, of "
                f"{shortened(', '.join(known), 500)}"
            )
        return table[table[of].astype(str) == chosen], value
    if value is not None and parameter is None:
        return table, value
    beside = {*used, *(titles[name] for name in (*_OTHERS, *LONGITUDES, *LATITUDES, *NAMES) if name in titles)}
    others = [title for title in table.columns if title not in beside]
    chosen = parameter or (str(others[0]) if len(others) == 1 else None)
    if chosen not in [str(title) for title in others]:
        raise SettingsError(
            "which column has the amounts is not clear: choose one with parameter=, of "
            f"{shortened(', '.join(map(str, others)), 500)}"
        )
    return table, next(title for title in others if str(title) == chosen)


def _positions(groups: Any, titles: Mapping[str, Any]) -> dict[str, list[float]] | None:
    lon, lat = _first(titles, LONGITUDES), _first(titles, LATITUDES)
    if lon is None or lat is None:
        return None
    first = groups[[lon, lat]].first()
    degrees = [_numbers(first[title], "the positions of the gauges").tolist() for title in (lon, lat)]
    return {str(name): pair for name, *pair in zip(first.index, *degrees, strict=True)}


def _series(name: str, dates: Any, values: Any, timezone: str | None) -> Any:
    """Return the amounts of a gauge by time, UTC."""
    times = _utc(name, dates, timezone)
    amounts = _numbers(values, f"the gauge {name!r}")
    amounts[amounts == _MISSING] = np.nan
    if (wrong := (amounts < 0) | (amounts > _LARGEST)).any():
        at = int(np.flatnonzero(wrong)[0])
        limit = "below 0" if amounts[at] < 0 else f"more than {_LARGEST:,} mm"
        raise SettingsError(
            f"the gauge {name!r} has {amounts[at]:g} mm at {times[at]} UTC, which is {limit}: set what is missing "
            "to NaN or -999"
        )
    found = pd.Series(amounts, times)
    if found.index.has_duplicates:
        twice = found.index[found.index.duplicated()][0]
        raise SettingsError(
            f"the gauge {name!r} has two values at {twice} UTC: remove one, or name a column that has "
            "another value for each station"
        )
    return found.sort_index()


def _utc(name: str, dates: Any, timezone: str | None) -> NDArray[np.datetime64]:
    parsed = _parsed(name, dates)
    if parsed.tz is None:
        if timezone is None:
            raise SettingsError(
                f"the times of the gauge {name!r}, such as {parsed[0]}, have no offset to UTC: state their zone, "
                'timezone="UTC", "UTC+1" (MEZ all year) or "Europe/Berlin"'
            )
        parsed = _localized(name, parsed, timezone)
    utc: NDArray[np.datetime64] = parsed.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[s]")
    return utc


def _localized(name: str, local: Any, timezone: str) -> Any:
    """Return times on the clock of a zone as UTC; the order of rows says which of two equal hours is the first."""
    falls = len(local) > 1 and local[0] > local[-1]
    rising = local[::-1] if falls else local
    wrong = ""
    try:
        found = rising.tz_localize(find_zone(timezone), ambiguous="infer").tz_convert("UTC")
    except ValueError as error:  # pytz's errors, and pandas' own, are of this class
        wrong = str(error).partition(", try")[0].partition(". Try")[0]
    else:
        # only rows in the order of time say which of two equal hours is the first
        if not found.is_monotonic_increasing and not _is_plain(rising, timezone):
            wrong = "an hour is there twice, and the rows are not in the order of time"
    if wrong:
        raise SettingsError(
            f"timezone={timezone!r} skips or shows twice a time of the gauge {name!r}, when clocks change "
            f'({wrong}): write times with their offset, or use timezone="UTC+1" if they are MEZ all year'
        )
    return found[::-1] if falls else found


def _is_plain(local: Any, timezone: str) -> bool:
    """Return whether the clock of a zone shows each of the times once."""
    first, second = (
        local.tz_localize(find_zone(timezone), ambiguous=np.full(len(local), fold)) for fold in (True, False)
    )
    return bool((first == second).all())


def _parsed(name: str, dates: Any) -> Any:
    """Return times, in UTC if they state an offset."""
    if not len(dates):
        raise SettingsError(f"the gauge {name!r} has no times: pass at least one row")
    dates = dates.reset_index(drop=True)
    if pd.api.types.is_numeric_dtype(dates) and dates.notna().all():
        dates = dates.astype("int64").astype(str)
    if texts := any(isinstance(one, str) for one in dates.head(1)):
        dates = dates.astype("string").str.strip().replace("", None)
    if (gone := dates.isna()).any():
        raise SettingsError(
            f"the gauge {name!r} has no time in its row {int(gone.argmax()) + 1}: write one, or leave the row out"
        )
    if texts:
        dates = dates.str.replace(r"\s+(?=[+-]\d)", "", regex=True)
        aware = dates.str.contains(_OFFSET, regex=True)
    else:
        aware = dates.map(lambda one: getattr(one, "tzinfo", None) is not None).astype(bool)
    if aware.any() and not aware.all():
        raise SettingsError(
            f"the gauge {name!r} mixes times with and without an offset, such as {dates[aware].iloc[0]} and "
            f"{dates[~aware].iloc[0]}: write all in one way"
        )
    utc = bool(aware.all())
    return _of_texts(name, dates, utc) if texts else _of_datetimes(name, dates, utc)


def _of_datetimes(name: str, dates: Any, utc: bool) -> Any:
    try:
        return pd.DatetimeIndex(pd.to_datetime(dates, utc=utc))
    except (ValueError, TypeError) as error:
        raise SettingsError(
            f"the times of the gauge {name!r} cannot be read ({error}): pass datetimes, or texts"
        ) from error


def _of_texts(name: str, dates: Any, utc: bool) -> Any:
    for form in (*_FORMATS, *(_GERMAN_WITH_OFFSET if utc else ())):
        try:
            return pd.DatetimeIndex(pd.to_datetime(dates, format=form, utc=utc))
        except (ValueError, OverflowError):
            continue
    raise SettingsError(
        f"the times of the gauge {name!r} are not all times, such as {dates.iloc[0]!r}: write them as "
        "2020-06-13T14:10, 13.06.2020 14:10 or 202006131410"
    )


def _numbers(values: Any, place: str) -> NDArray[np.float64]:
    """Return values as numbers, NaN where missing."""
    if pd.api.types.is_numeric_dtype(values):
        return np.array(values, np.float64)
    texts = pd.Series(values).reset_index(drop=True)
    plain = texts.map(lambda value: "" if value is None or value != value else str(value).strip())  # noqa: PLR0124 - NaN
    plain = plain.where(plain.str.contains(".", regex=False), plain.str.replace(",", ".", regex=False))
    gone = plain.str.casefold().isin(_GONE)
    numbers = pd.to_numeric(plain.where(~gone), errors="coerce").to_numpy(np.float64)
    wrong = np.flatnonzero(np.isnan(numbers) & ~gone.to_numpy())
    if wrong.size:
        raise SettingsError(
            f"{place} has {texts.iloc[wrong[0]]!r} in row {wrong[0] + 1}, not a number: write mm as 0.1 or 0,1, "
            "and leave out what is missing"
        )
    found: NDArray[np.float64] = numbers.copy()
    return found


def _on_one_axis(series: dict[str, Any], positions: Any, label: Edge) -> Gauges:
    """Bring gauges to one time axis of even steps."""
    table = pd.DataFrame(series)
    times = table.index.to_numpy().astype("datetime64[s]")
    steps, counts = np.unique(
        np.concatenate([np.diff(one.index.to_numpy()) for one in series.values()]), return_counts=True
    )
    if not steps.size:
        raise SettingsError("the gauges have one time each, so their interval is unknown: pass at least two times")
    step = steps[counts.argmax()].astype("timedelta64[s]")
    uneven = (times - times[0]) % step != np.timedelta64(0, "s")
    if step % _MINUTE or uneven.any():
        at = times[int(uneven.argmax())]
        raise SettingsError(
            f"the gauges have a value every {step / _MINUTE:g} min, and one at {at}Z: pass amounts of even "
            "intervals, such as of 10 min or an hour"
        )
    return Gauges(
        names=tuple(series),
        positions=positions,
        minutes=int(step / _MINUTE),
        ends=times + (step if label == "start" else np.timedelta64(0, "s")),
        values=table.to_numpy(np.float64),
    )


def _first(titles: Mapping[str, Any], known: tuple[str, ...]) -> Any:
    return next((titles[name] for name in known if name in titles), None)
