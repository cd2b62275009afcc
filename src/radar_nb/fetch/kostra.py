"""DWD's tables of KOSTRA-DWD-2020 in a folder: each is fetched once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.dwd.kostra import DURATIONS, FOLDER, table_name
from radar_nb.fetch.kept_files import fetch_kept
from radar_nb.formats.kostra import is_whole

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from radar_nb.runtime.progress import Reporter

_LIMIT = 16 << 20  # bytes of a table, packed


async def fetch_tables(
    folder: str | os.PathLike[str] | None, base_url: str | None, report: Reporter
) -> dict[int, tuple[Path, bytes]]:
    """Return path and bytes of the tables by duration in minutes; those that are missing are fetched.

    Raises
    ------
    DownloadError
        A table is missing, and the server cannot be reached or does not have it.
    StorageError
        The folder cannot take a table.
    """
    paths = [f"{FOLDER}/{table_name(minutes)}" for minutes in DURATIONS]
    found = await fetch_kept(
        paths, folder, base_url, report, name="KOSTRA-DWD-2020", limit=_LIMIT, is_whole=is_whole
    )
    return dict(zip(DURATIONS, found.items(), strict=True))
