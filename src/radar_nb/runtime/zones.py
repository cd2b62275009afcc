"""Time zones by name, and times on their clocks."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from radar_nb.errors import SettingsError

_FIXED = re.compile(r"UTC([+-])(\d{1,2})")


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone by its name, or by whole hours from UTC; raise SettingsError for an unknown one.

    Examples
    --------
    >>> find_zone("UTC+1").utcoffset(datetime(2020, 7, 1, tzinfo=UTC))  # MEZ all year, as many gauges have it
    datetime.timedelta(seconds=3600)
    """
    fixed = _FIXED.fullmatch(str(name))
    try:
        # the database's own names count the other way
        return ZoneInfo(f"Etc/GMT{'-' if fixed[1] == '+' else '+'}{int(fixed[2])}" if fixed else name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:  # OSError: a folder of that name
        raise SettingsError(f'unknown timezone={name!r}: write it as "Europe/Berlin", "UTC" or "UTC+1"') from error


def on_clock(local: datetime, zone: ZoneInfo) -> datetime:
    """Return a time without zone as one of a zone.

    Raises
    ------
    SettingsError
        The clock skips it or shows it twice.
    """
    first, second = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        what = "twice" if str(first.utcoffset()) > str(second.utcoffset()) else "never"
        raise SettingsError(
            f"{local:%Y-%m-%d %H:%M} is {what} on the clock of {zone.key}, which changes in that hour: write the "
            f"time with its offset, such as '{first.isoformat(timespec='minutes')}'"
        )
    return first


def parse_time(text: str, zone: ZoneInfo) -> datetime:
    """Return a time, UTC, from a text that is in a zone unless it has an offset.

    Raises
    ------
    SettingsError
        It is not a time, or the clock of the zone skips it or shows it twice.

    Examples
    --------
    >>> parse_time("2020-06-13T17:25", ZoneInfo("Europe/Berlin")).isoformat()
    '2020-06-13T15:25:00+00:00'
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"{text!r} is not a time: write it as 2020-06-13 or 2020-06-13T17:25") from error
    return (on_clock(moment, zone) if moment.tzinfo is None else moment).astimezone(UTC)


def time_of_day(moment: datetime, zone: ZoneInfo, beside: datetime) -> str:
    """Return a moment's time of day in a zone, with the zone's name if the clock has changed since another moment.

    Examples
    --------
    >>> nominal = datetime(2026, 10, 25, 0, 55, tzinfo=UTC)
    >>> moments = [nominal, datetime(2026, 10, 25, 1, 10, tzinfo=UTC)]
    >>> [time_of_day(moment, find_zone("Europe/Berlin"), nominal) for moment in moments]
    ['02:55', '02:10 CET']
    """
    local = moment.astimezone(zone)
    changed = local.utcoffset() != beside.astimezone(zone).utcoffset()
    return f"{local:%H:%M %Z}" if changed else f"{local:%H:%M}"
