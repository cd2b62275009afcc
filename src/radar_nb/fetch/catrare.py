"""DWD's catalogue CatRaRE in a folder: a file is fetched once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.fetch.kept_files import fetch_kept
from radar_nb.formats.zipped_gdb import is_whole_gdb

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from radar_nb.runtime.progress import Reporter

_LIMIT = 512 << 20  # bytes of a catalogue, packed


async def fetch_catalogue(
    path: str, folder: str | os.PathLike[str] | None, base_url: str | None, report: Reporter
) -> Path:
    """Return the file of a catalogue, which has the same path in the folder as on the server.

    Raises
    ------
    DownloadError
        The file is missing, and the server cannot be reached or does not have it.
    StorageError
        The folder cannot take the file.
    """
    found = await fetch_kept([path], folder, base_url, report, name="CatRaRE", limit=_LIMIT, is_whole=is_whole_gdb)
    return next(iter(found))
