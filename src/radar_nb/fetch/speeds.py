"""How fast servers were: remembered from download to download, so that an estimate of time is a measurement."""

from __future__ import annotations

import json
from contextlib import suppress
from math import isfinite
from typing import TYPE_CHECKING

from radar_nb.errors import StorageError
from radar_nb.runtime.files import replacing
from radar_nb.runtime.settings import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

_TELLING = 4_000_000
"""Bytes: less is over before a connection is at its speed."""
_KEPT = 32  # servers


def known_speed(host: str) -> float | None:
    """Give the bytes a second of the last download from a server, or None where none is known.

    Parameters
    ----------
    host : str
        As in its address, with the port if there is one: `opendata.dwd.de`.

    Examples
    --------
    >>> known_speed("nobody.example") is None
    True
    """
    return _read().get(_bare(host))


def remember_speed(host: str, count: int, seconds: float) -> None:
    """Remember how fast a server was. Transfers too small to tell are passed over.

    Parameters
    ----------
    host : str
        As for `known_speed`.
    count : int
        Bytes received, over all connections.
    seconds : float
        The time that they took.
    """
    if count < _TELLING or not seconds > 0 or not isfinite(seconds):
        return
    speeds = _read()
    speeds.pop(_bare(host), None)
    speeds[_bare(host)] = round(count / seconds, 1)
    # a cache that cannot be written costs an estimate, no download
    with suppress(StorageError), replacing(_path(), durable=False) as file:
        file.write(json.dumps(dict(list(speeds.items())[-_KEPT:]), indent=1).encode())


def _path() -> Path:
    return cache_folder() / "speeds.json"


def _bare(host: str) -> str:
    """Cut a user's name and password off."""
    return host.rpartition("@")[2].lower()


def _read() -> dict[str, float]:
    try:
        speeds = json.loads(_path().read_text(encoding="utf-8"))
        return {str(host): float(speed) for host, speed in speeds.items() if 0 < float(speed) < float("inf")}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}
