"""EPA SWMM: the user-prepared rain file and the time series file, one line for each interval with rain.

The rain file: `STATION YYYY MM DD hh mm value`, separated by blanks; the time is the start of the interval (EPA
SWMM 5.2 User's Manual, section 11.3, Rainfall Files). Unit, kind and interval stand in the model's
`[RAINGAGES]`. A line that is absent means no rain, so that gaps cannot be written. SWMM 5.2.4 ends with error
321 if a station has no line at all: the first and last interval are therefore always written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.exports.columns import decimals, joined, stamps, text_column
from radar_nb.exports.series_format import SeriesFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from radar_nb.exports.rain import Rain
    from radar_nb.exports.series_format import Station

_DECIMALS = 4
_NAMES = r"[A-Za-z0-9_.\-]{1,80}"
_NAMES_ARE = "up to 80 letters without accents, digits, _ . and -"


def _written(station: Station) -> NDArray[np.bool_]:
    wet = station.units > 0
    wet[0] |= station.is_first
    wet[-1] |= station.is_last
    return wet


def _rows(_rain: Rain, station: Station) -> bytes:
    wet = _written(station)
    times, amounts = station.stamps[wet], station.units[wet]
    return joined(
        text_column(f"{station.name} ", len(times)),
        stamps(times, "%Y %m %d %H %M "),
        decimals(amounts, _DECIMALS, 9, fill=""),
    )


def _timeseries_rows(_rain: Rain, station: Station) -> bytes:
    wet = _written(station)
    times, amounts = station.stamps[wet], station.units[wet]
    return joined(stamps(times, "%m/%d/%Y %H:%M "), decimals(amounts, _DECIMALS, 9, fill=""))


def _timeseries_head(rain: Rain, name: str, _total: float) -> bytes:
    return f"; {name}: mm in {_interval(rain)}, times are starts of intervals, {rain.zone.name}\n".encode()


def _interval(rain: Rain) -> str:
    """Return the interval as SWMM's input writes it: hours:minutes."""
    return f"{rain.minutes // 60}:{rain.minutes % 60:02d}"


def _raingages(rain: Rain, files: dict[str, str]) -> str:
    lines = [f'{name} VOLUME {_interval(rain)} 1.0 FILE "{files[name]}" {name} MM' for name in rain.names]
    return "\n".join(["[RAINGAGES]", ";;Name Format Interval SCF Source", *lines, ""])


def _timeseries(rain: Rain, files: dict[str, str]) -> str:
    gages = [f"{name} VOLUME {_interval(rain)} 1.0 TIMESERIES {name}" for name in rain.names]
    series = [f'{name} FILE "{files[name]}"' for name in rain.names]
    return "\n".join(["[RAINGAGES]", ";;Name Format Interval SCF Source", *gages, "", "[TIMESERIES]", *series, ""])


SWMM = SeriesFormat(
    name="swmm",
    title="SWMM's rain file",
    suffixes=(".dat",),
    label="start",
    decimals=_DECIMALS,
    largest=9999 * 10**_DECIMALS,
    rows=_rows,
    companion=_raingages,
    names=_NAMES,
    names_are=_NAMES_ARE,
)
"""The rain file of EPA SWMM, PCSWMM, Civil 3D and others."""

SWMM_TIMESERIES = SeriesFormat(
    name="swmm-timeseries",
    title="SWMM's time series file",
    label="start",
    decimals=_DECIMALS,
    largest=9999 * 10**_DECIMALS,
    single=True,
    head=_timeseries_head,
    rows=_timeseries_rows,
    companion=_timeseries,
    names=_NAMES,
    names_are=_NAMES_ARE,
)
"""A file for `[TIMESERIES]`: lines of `MM/DD/YYYY hh:mm value`, intervals that are absent have no rain."""
