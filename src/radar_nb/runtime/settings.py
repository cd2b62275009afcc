"""Settings: from a call's arguments, then the environment, then the defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from radar_nb.errors import SettingsError
from radar_nb.runtime.files import user_path
from radar_nb.runtime.numerals import parse_whole_number

if TYPE_CHECKING:
    from pathlib import Path

BASE_URL = "https://opendata.dwd.de"
"""DWD's open-data server."""

CONCURRENCY = 5
"""Simultaneous connections. DWD states no limit; its server is a public good, and more than five help little."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Source and target of the data.

    Attributes
    ----------
    folder : pathlib.Path
        The data folder, which holds the archives under the same paths as on the server.
    base_url : str
        The server's address, without a slash at the end.
    concurrency : int
        Simultaneous connections, at least 1.
    """

    folder: Path
    base_url: str
    concurrency: int


def settings(
    *, folder: str | os.PathLike[str] | None = None, base_url: str | None = None, concurrency: int | None = None
) -> Settings:
    """Return the current settings.

    Parameters
    ----------
    folder : path, optional
        By default the environment variable `RADAR_NB_DATA`, then the user's data folder (platformdirs).
    base_url : str, optional
        By default `RADAR_NB_BASE_URL`, then https://opendata.dwd.de.
    concurrency : int, optional
        By default `RADAR_NB_CONCURRENCY`, then 5.

    Returns
    -------
    Settings

    Raises
    ------
    SettingsError
        The address is not an http(s) address, or the number is not a whole number from 1 on.

    Examples
    --------
    >>> settings(base_url="http://127.0.0.1:8930/").base_url
    'http://127.0.0.1:8930'
    """
    return Settings(
        folder=_folder(os.environ.get("RADAR_NB_DATA") if folder is None else folder),
        base_url=_base_url(base_url or os.environ.get("RADAR_NB_BASE_URL") or BASE_URL),
        concurrency=_concurrency(os.environ.get("RADAR_NB_CONCURRENCY") if concurrency is None else concurrency),
    )


def cache_folder() -> Path:
    """Return the folder for caches: indexes of archives in read-only folders, measured speeds.

    It is the environment variable `RADAR_NB_CACHE`, or the user's cache folder (platformdirs).
    """
    if value := os.environ.get("RADAR_NB_CACHE"):
        return user_path(value)
    from platformdirs import user_cache_path  # noqa: PLC0415 - `import radar_nb` stays cheap

    return user_cache_path("radar_nb", appauthor=False)


def _folder(value: str | os.PathLike[str] | None) -> Path:
    if value:
        return user_path(value)
    from platformdirs import user_data_path  # noqa: PLC0415 - `import radar_nb` stays cheap

    return user_data_path("radar_nb", appauthor=False)


def _base_url(value: str) -> str:
    if not _is_web_address(value):
        raise SettingsError(
            f"the base URL {value!r} is not a web address: pass one that begins with https:// or http://, "
            f"such as {BASE_URL} (argument base_url= or RADAR_NB_BASE_URL)"
        )
    return value.rstrip("/")


def _is_web_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # an unclosed bracket, or an invalid port
        return False


def _concurrency(value: str | int | None) -> int:
    if value is None or value == "":
        return CONCURRENCY
    try:
        number = parse_whole_number(value) if isinstance(value, str) else int(value)
    except ValueError:
        number = 0
    if number < 1:
        raise SettingsError(
            f"concurrency {value!r} is not a number of connections: pass a whole number from 1 on "
            "(argument concurrency= or RADAR_NB_CONCURRENCY)"
        )
    return number
