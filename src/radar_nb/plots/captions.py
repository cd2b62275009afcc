"""The words of a picture: what is shown, of which time in UTC, in which unit, and whose data they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.runtime.wording import human_interval, human_time

if TYPE_CHECKING:
    import xarray as xr

_OVER_A_PERIOD = {"time: mean", "time: maximum", "time: minimum"}
"""CF's words for what `reduce` makes; a rate has "time: mean" too, over its own interval."""


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
        return f"mm in {human_interval(minutes)}"
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
        told = f"until {human_time(end)}"
    else:
        told = f"{human_interval(minutes)} to {human_time(end)}" if minutes else human_time(end)
    return told if end == start else f"{told}, forecast of {human_time(start)}"


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
