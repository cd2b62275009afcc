"""The words of a picture: what is shown, of which time in UTC, in which unit, and whose data they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import xarray as xr

_HOUR, _DAY = 60, 1440
_OVER_A_PERIOD = {"time: mean", "time: maximum", "time: minimum"}
"""CF's words for what `reduce` makes; a rate has "time: mean" too, over its own interval."""


def spell(moment: Any) -> str:
    """Write a time in UTC, to the minute.

    Examples
    --------
    >>> spell("2020-06-13T15:25:00")
    '2020-06-13 15:25 UTC'
    """
    return f"{np.datetime64(moment, 'm')} UTC".replace("T", " ", 1)


def span(minutes: float) -> str:
    """Write the length of an interval.

    Examples
    --------
    >>> span(5), span(1440), span(10080)
    ('5 min', '24 h', '7 d')
    """
    if minutes > 2 * _DAY and minutes % _DAY == 0:
        return f"{minutes // _DAY:g} d"
    return f"{minutes // _HOUR:g} h" if minutes % _HOUR == 0 else f"{minutes:g} min"


def minutes_of(field: xr.DataArray) -> int | None:
    """Give the interval of an amount; a sum over many fields has lost its time, and with it that interval."""
    timed = "time" in field.coords and field.attrs.get("units") == "mm"
    return field.attrs.get("interval_minutes") if timed else None


def unit_of(units: str, minutes: float | None) -> str:
    """Write a unit as a scale has it, for an amount with its interval.

    Examples
    --------
    >>> unit_of("mm", 5), unit_of("mm h-1", None)
    ('mm in 5 min', 'mm/h')
    """
    if minutes:
        return f"mm in {span(minutes)}"
    return {"mm h-1": "mm/h", "1": "fraction"}.get(units, units)


def name_of(field: xr.DataArray) -> str:
    """Give what is shown, in words."""
    name = str(field.attrs.get("long_name", field.name))
    return name[:1].upper() + name[1:]


def time_of(field: xr.DataArray) -> str:
    """Give the interval and its end in UTC, and when a forecast was made; nothing for a field without time.

    A sum over months says when it ends alone, and so do a mean and an extreme over a period.
    """
    if "time" not in field.coords:
        return ""
    start = field["time"].values
    end = field.coords["prediction_time" if "prediction_time" in field.coords else "time"].values
    minutes = minutes_of(field)
    if _of_a_period(field, minutes):
        told = f"until {spell(end)}"
    else:
        told = f"{span(minutes)} to {spell(end)}" if minutes else spell(end)
    return told if end == start else f"{told}, forecast of {spell(start)}"


def _of_a_period(field: xr.DataArray, minutes: int | None) -> bool:
    """Tell whether values stand for a period that their attributes do not give: months, or those of a mean."""
    units, made = field.attrs.get("units"), field.attrs.get("cell_methods")
    if units == "mm" and not minutes:
        return made == "time: sum"
    return units in {"mm", "dBZ"} and made in _OVER_A_PERIOD


def credit_of(field: xr.DataArray) -> str:
    """Name the source, as DWD's licence asks, and do not claim it for fields that were made up."""
    made_up = str(field.attrs.get("institution", "")).startswith("none")
    return "Synthetic data, made up by radar_nb" if made_up else "Datenbasis: Deutscher Wetterdienst"
