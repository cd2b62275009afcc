"""Text for quantities and foreign strings: bytes, times, durations, months, decimals, printable characters.

Tables, messages, titles and widgets share these functions, so that a quantity looks the same everywhere.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
"""The months as HTTP, server listings and axes abbreviate them, whatever the locale."""

AGAIN = "fetch it again with overwrite=True"
"""The remedy for a damaged file of `download`."""

_LAST_BIT = 2.0**-23  # of a float32, relative to its value
_MINUTE, _HOUR, _DAY = 60, 3600, 86400  # seconds


def printable(text: str) -> str:
    r"""Return a text of foreign origin with each non-printable character replaced by "?".

    Control characters of a server's response, a file's name or an attribute could otherwise move the cursor of a
    terminal or set its title. Line breaks stay.

    Examples
    --------
    >>> printable("403 \x1b]0;owned\x07")
    '403 ?]0;owned?'
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)


def shortened(text: str, most: int = 100) -> str:
    """Return the beginning of a text of foreign origin, printable and on one line, and how long it is.

    An attribute, a column's name or a cell of a table may have thousands of characters, and a message repeats it.

    Parameters
    ----------
    text : str
    most : int
        Characters that are kept.

    Examples
    --------
    >>> shortened("ACRR"), shortened(60_000 * "A", 4)
    ('ACRR', 'AAAA... (60,000 characters)')
    """
    start = printable(text[:most]).replace("\n", "?")
    return start if len(text) <= most else f"{start}... ({len(text):,} characters)"


def human_bytes(count: float) -> str:
    """Return a number of bytes with about three digits and a decimal prefix.

    Examples
    --------
    >>> human_bytes(0), human_bytes(1_980_156), human_bytes(17.7e9)
    ('0 B', '2.0 MB', '17.7 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit in {"B", "kB"} else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def human_interval(minutes: float) -> str:
    """Return the exact length of an interval in days (above two days), hours or minutes.

    Examples
    --------
    >>> human_interval(5), human_interval(1440), human_interval(10080)
    ('5 min', '24 h', '7 d')
    """
    if minutes > 2880 and minutes % 1440 == 0:
        return f"{minutes // 1440:g} d"
    return f"{minutes // 60:g} h" if minutes and minutes % 60 == 0 else f"{minutes:g} min"


def human_duration(seconds: float) -> str:
    """Return a duration, rounded for reading.

    Examples
    --------
    >>> [human_duration(seconds) for seconds in (0.2, 59, 90, 5400, 200_000)]
    ['1 s', '59 s', '2 min', '1 h 30 min', '2 d 8 h']
    """
    if seconds < _MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < _HOUR - _MINUTE / 2:
        return f"{round(seconds / _MINUTE)} min"
    if seconds < _DAY:
        hours, minutes = divmod(round(seconds / _MINUTE), 60)
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(round(seconds / _HOUR), 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def human_time(moment: Any, zone: ZoneInfo | None = None) -> str:
    """Return a time, which is UTC, to the minute: in UTC, or in a zone with the zone's short name.

    Examples
    --------
    >>> from zoneinfo import ZoneInfo
    >>> human_time("2020-06-13T15:25:00"), human_time("2020-06-13T15:25:00", ZoneInfo("Europe/Berlin"))
    ('2020-06-13 15:25 UTC', '2020-06-13 17:25 CEST')
    """
    if zone is not None and not np.isnat(minute := np.datetime64(moment, "m")):
        there = datetime.fromtimestamp(60 * int(minute.astype(np.int64)), zone)
        return f"{there:%Y-%m-%d %H:%M %Z}"
    return f"{np.datetime64(moment, 'm')} UTC".replace("T", " ", 1)


def decimal(value: float) -> float:
    """Return the short decimal number that a float32 represents; other numbers are returned unchanged.

    A decimal number is short if it has at most six digits and differs from the float32 by its last bit at most.

    Examples
    --------
    >>> decimal(np.float32(0.01)), decimal(0.00099999993), decimal(1 / 3)
    (0.01, 0.001, 0.3333333333333333)
    """
    number = float(value)
    short = float(f"{number:.6g}")
    return short if abs(number - short) <= _LAST_BIT * abs(number) else number


def short_decimals(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return `decimal` of each of many numbers; what is not finite stays.

    Examples
    --------
    >>> short_decimals(np.array([0.01, 1 / 3, np.nan], np.float32)).tolist()
    [0.01, 0.3333333432674408, nan]
    """
    numbers = np.asarray(values, np.float64)
    usual = np.isfinite(numbers) & (numbers != 0)
    tens = 10.0 ** (5 - np.floor(np.log10(np.abs(np.where(usual, numbers, 1.0)))))
    short = np.rint(numbers * tens) / tens
    near = np.abs(numbers - short) <= _LAST_BIT * np.abs(numbers)
    return np.where(usual & near, short, numbers)
