"""Time zones by name."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from radar_nb.errors import SettingsError


def find_zone(name: str) -> ZoneInfo:
    """Return a time zone; raise SettingsError for an unknown name."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:  # OSError: a folder of that name
        raise SettingsError(f'unknown timezone={name!r}: write it as "Europe/Berlin" or "UTC"') from error
