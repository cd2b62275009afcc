"""DWD's catalogue CatRaRE from the server or a folder: the road of its file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.fetch.catrare import fetch_catalogue
from radar_nb.runtime.event_loop import blocking
from radar_nb.runtime.progress import reporting

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from radar_nb.runtime.progress import Reporter


async def catrare_file_async(
    path: str,
    *,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    progress: bool | Reporter = True,
) -> Path:
    """Return the file of a catalogue, fetched if it is not in the folder: see `fetch_catalogue`."""
    with reporting(progress) as report:
        return await fetch_catalogue(path, folder, base_url, report)


catrare_file = blocking(catrare_file_async)
