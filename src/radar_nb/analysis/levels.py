"""DWD's levels of warnings of heavy and of continuous rain."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

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
"""What `exceedance` calls them."""


def warning_thresholds(preset: str, minutes: int) -> tuple[float, ...]:
    """Give the amounts from which DWD warns at levels 2, 3 and 4, in mm.

    Parameters
    ----------
    preset : {"dwd-heavy-rain", "dwd-continuous-rain"}
    minutes : int
        The duration.

    Raises
    ------
    SettingsError
        There is no such preset, or DWD has no level for this duration.

    Examples
    --------
    >>> warning_thresholds("dwd-heavy-rain", 60)
    (15.0, 25.0, 40.0)
    """
    if preset not in PRESETS:
        raise SettingsError(f"{preset!r} is no set of thresholds: known are {', '.join(PRESETS)}")
    levels = WARNING_LEVELS[PRESETS[preset]]
    if minutes not in levels:
        hours = ", ".join(f"{duration // 60}h" for duration in levels)
        raise SettingsError(
            f"DWD has no levels of {PRESETS[preset]} for {minutes} min: take a duration of {hours}"
        )
    return levels[minutes]


def check_thresholds(thresholds: Any, minutes: int) -> tuple[float, ...]:
    """Give thresholds in mm for a duration.

    Raises
    ------
    SettingsError
        They are none, carry another unit, or are levels that DWD does not have for this duration.
    """
    if isinstance(thresholds, str):
        return warning_thresholds(thresholds, minutes)
    units = getattr(thresholds, "units", getattr(thresholds, "attrs", {}).get("units", "mm"))
    if str(units) not in {"mm", "millimeter"}:
        raise SettingsError(f"the thresholds are in {units}: give them in mm, for sums over {minutes} min")
    try:
        floors = tuple(float(value) for value in np.atleast_1d(np.asarray(thresholds, float)))
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"thresholds={thresholds!r} are no numbers of mm: give some, such as (15, 25, 40)"
        ) from error
    if not floors or not all(0 < floor < np.inf for floor in floors):
        raise SettingsError(f"thresholds={thresholds!r}: give positive numbers of mm, or the name of a preset")
    return floors
