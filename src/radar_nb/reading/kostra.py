"""KOSTRA-DWD-2020 from the server or a folder: the values of cells for all durations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from radar_nb.fetch.kostra import fetch_tables
from radar_nb.formats.kostra import CellTable, read_cells
from radar_nb.runtime.event_loop import blocking
from radar_nb.runtime.progress import reporting

if TYPE_CHECKING:
    import os
    from collections.abc import Collection

    from radar_nb.runtime.progress import Reporter


async def kostra_cells_async(
    cells: Collection[int],
    *,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    progress: bool | Reporter = True,
) -> CellTable:
    """Return depths and uncertainties of cells, of shape (cells, durations, periods).

    Raises
    ------
    DownloadError
        A table is missing, and the server cannot be reached or does not have it.
    ArchiveError
        A table is damaged.
    StorageError
        The folder cannot take a table.
    """
    with reporting(progress) as report:
        tables = await fetch_tables(folder, base_url, report)
    found = [read_cells(data, path.name, cells) for path, data in tables.values()]
    return CellTable(*(np.stack(parts, axis=1) for parts in zip(*found, strict=True)))


kostra_cells = blocking(kostra_cells_async)
