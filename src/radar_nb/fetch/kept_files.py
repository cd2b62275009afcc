"""Files of DWD that are fetched once and kept, small enough to be read whole."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from radar_nb.errors import NotOnServer
from radar_nb.fetch.http import connected
from radar_nb.runtime.files import local_path, read_regular, replacing, user_path
from radar_nb.runtime.locks import claimed_async
from radar_nb.runtime.progress import Progress
from radar_nb.runtime.settings import cache_folder, settings

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from radar_nb.runtime.progress import Reporter


async def fetch_kept(
    paths: Sequence[str],
    folder: str | os.PathLike[str] | None,
    base_url: str | None,
    report: Reporter,
    *,
    name: str,
    limit: int,
    is_whole: Callable[[bytes], bool],
) -> dict[Path, bytes]:
    """Return paths and bytes of files in the order of `paths`; those that are missing or damaged are fetched.

    Parameters
    ----------
    paths : sequence of str
        Below the server's root, of one folder; the same below `folder`.
    folder : path, optional
        By default the cache, in a folder of its own for each server.
    base_url : str, optional
    report : Reporter
    name : str
        Of the files together: the task in progress reports, and the folder in the cache.
    limit : int
        Bytes of a file.
    is_whole : callable
        Whether the bytes of a file are whole.

    Raises
    ------
    DownloadError
        A file is missing, and the server cannot be reached or does not have it.
    StorageError
        The folder cannot take a file.
    """
    url = settings(base_url=base_url).base_url
    host = urlsplit(url).netloc.rpartition("@")[2].replace(":", "_")
    root = cache_folder() / name.partition("-")[0].lower() / host if folder is None else user_path(folder)
    places = {path: local_path(root, path) for path in paths}
    stored = {path: _stored(place, limit) for path, place in places.items()}
    found = {path: data for path, data in stored.items() if is_whole(data)}
    if len(found) < len(places):
        first = places[paths[0]]
        async with connected(1) as connection, claimed_async(first.parent / name.partition("-")[0].lower()):
            for path, place in places.items():
                if path in found:
                    continue
                address = f"{url}/{path}"
                received = await connection.content(address, limit, lambda data: not is_whole(data))
                if received is None:
                    raise NotOnServer(
                        f"the server has no {address}: check base_url=, or look whether DWD has moved {name}"
                    )
                with replacing(place) as file:
                    file.write(received)
                found[path] = received
                report(Progress(task=name, done=len(found), total=len(places), unit="tables"))
    return {place: found[path] for path, place in places.items()}


def _stored(path: Path, limit: int) -> bytes:
    """Return the bytes of a file in the folder, none if it is not there."""
    try:
        return read_regular(path, limit)
    except OSError:
        return b""
