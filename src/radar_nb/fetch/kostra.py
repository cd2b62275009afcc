"""DWD's tables of KOSTRA-DWD-2020 in a folder: each is fetched once."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from radar_nb.dwd.kostra import DURATIONS, FOLDER, table_name
from radar_nb.errors import NotOnServer
from radar_nb.fetch.http import connected
from radar_nb.formats.kostra import is_whole
from radar_nb.runtime.files import local_path, read_regular, replacing, user_path
from radar_nb.runtime.locks import claimed_async
from radar_nb.runtime.progress import Progress
from radar_nb.runtime.settings import cache_folder, settings

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
    url = settings(base_url=base_url).base_url
    host = urlsplit(url).netloc.rpartition("@")[2].replace(":", "_")
    root = cache_folder() / "kostra" / host if folder is None else user_path(folder)
    paths = {minutes: local_path(root, f"{FOLDER}/{table_name(minutes)}") for minutes in DURATIONS}
    found = {minutes: data for minutes, path in paths.items() if is_whole(data := _stored(path))}
    if len(found) < len(paths):
        async with connected(1) as connection, claimed_async(paths[DURATIONS[0]].parent / "kostra"):
            for minutes, path in paths.items():
                if minutes in found:
                    continue
                address = f"{url}/{FOLDER}/{path.name}"
                table = await connection.content(address, _LIMIT, lambda data: not is_whole(data))
                if table is None:
                    raise NotOnServer(
                        f"the server has no {address}: check base_url=, or look whether DWD has moved the tables"
                    )
                with replacing(path) as file:
                    file.write(table)
                found[minutes] = table
                report(Progress(task="KOSTRA-DWD-2020", done=len(found), total=len(paths), unit="tables"))
    return {minutes: (path, found[minutes]) for minutes, path in paths.items()}


def _stored(path: Path) -> bytes:
    """Return the bytes of a table in the folder, none if it is not there."""
    try:
        return read_regular(path, _LIMIT)
    except OSError:
        return b""
