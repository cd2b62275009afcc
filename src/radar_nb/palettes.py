"""Classes and colours of radar maps: limits by unit and interval, a palette to read and one that is familiar.

Source of the limits: the symbology files of radolan2map, which follow DWD's own maps; the 5-minute and hourly
classes have one or two lower limits more, because YW resolves 0.01 mm.
"""

from __future__ import annotations

from typing import Literal

PaletteName = Literal["radar_nb", "dwd"]

_MINUTES, _HOURS, _DAYS, _WEEKS, _MONTHS, _YEARS = (
    (0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0),
    (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0),
    (0.1, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 50.0, 80.0, 120.0),
    (10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 80.0, 100.0, 120.0, 140.0, 160.0),
    (25.0, 50.0, 75.0, 100.0, 125.0, 150.0, 175.0, 200.0, 225.0, 250.0, 300.0, 350.0),
    (200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 1000.0, 1250.0, 1500.0),
)
_AMOUNTS = (_MINUTES, _HOURS, _DAYS, _WEEKS, _MONTHS, _YEARS)
_LONGEST = (30, 360, 2 * 1440, 20 * 1440, 100 * 1440)  # minutes up to which each of them is the first choice
_DBZ = (5.5, 10.0, 14.5, 19.0, 23.5, 28.0, 32.5, 37.0, 41.5, 46.0, 50.5, 55.0, 60.0, 65.0)
_BY_UNIT = {
    "mm h-1": _HOURS,
    "dBZ": _DBZ,
    "%": (25.0, 50.0, 75.0, 90.0, 110.0, 125.0, 150.0, 200.0),
    "1": (0.05, 0.2, 0.4, 0.6, 0.8, 0.95),
}

PALETTES: dict[PaletteName, tuple[str, ...]] = {
    # CIELAB lightness falls evenly from 93 to 20 while the hue turns from sky to wine: in order also in grey, and
    # for colour-blind eyes
    "radar_nb": ("#d9eff5", "#b7deee", "#95cee8", "#74bce3", "#52aade", "#3f96da",
                 "#517fcd", "#6565b9", "#754b9c", "#783377", "#6f1e55", "#600a37"),
    # the hues of the hourly maps that users of DWD's products know (radolan2map), their dry grey left out
    "dwd": ("#ffffa0", "#ffff00", "#00ff00", "#80b3ff", "#5010ff", "#ff00bf", "#ffbff0"),
}  # fmt: skip
"""Colours from the lowest to the highest class; between them is interpolated."""


def class_limits(units: str, *, minutes: int | None, peak: float) -> tuple[float, ...] | None:
    """Choose the limits of a map's classes.

    Parameters
    ----------
    units : str
        `mm`, `mm h-1`, `dBZ`, `%` or `1`.
    minutes : int or None
        The interval of an amount; None where it is not known, as for a sum over many.
    peak : float
        The largest value. Amounts far above the interval's classes are drawn in those of a longer one.

    Returns
    -------
    tuple of float or None
        Lower limits, rising; the last class is open. None where the unit has no classes of its own.

    Examples
    --------
    >>> class_limits("mm", minutes=60, peak=12.0)[-1], class_limits("mm", minutes=5, peak=300.0)[-1]
    (50.0, 120.0)
    """
    if units != "mm":
        return _BY_UNIT.get(units)
    first = sum((minutes or 0) > longest for longest in _LONGEST)
    return next((limits for limits in _AMOUNTS[first:] if peak <= 3 * limits[-1]), _YEARS)
