"""DWD's depths of heavy rain at places: KOSTRA-DWD-2020."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.analysis.points import EAST, NORTH, labels_of, positions_of
from radar_nb.dwd.kostra import CITATION, DURATIONS, PERIODS, cells_of, centres_of
from radar_nb.errors import SettingsError
from radar_nb.reading.kostra import kostra_cells

if TYPE_CHECKING:
    import os

    from radar_nb.runtime.progress import Reporter


def kostra(
    points: Any,
    *,
    names: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    progress: bool | Reporter = True,
) -> xr.Dataset:
    """Return DWD's depths of heavy rain at places: KOSTRA-DWD-2020, by duration and return period.

    DWD's tables (22 files, some MB) are fetched once and kept. A depth is that of the cell of 5 km that contains
    the point, for a point in it, whereas a cell of a radar product is a mean over 1 km2.

    Parameters
    ----------
    points : mapping, sequence, DataFrame, GeoDataFrame, str or path
        As for `at_points`: names of towns, names to (lon, lat), a table, or a file.
    names : str, optional
        Column of a table or file with the names.
    folder : path, optional
        The data folder below which the tables are kept, under the same paths as on the server; by default the
        cache.
    base_url : str, optional
        The server (see `settings`).
    progress : bool or Reporter

    Returns
    -------
    xarray.Dataset
        `level`, mm, and `uncertainty`, percent of it to both sides, float64, of shape (point, duration,
        return_period); `duration` timedelta64, 5 min to 7 days; `return_period` in years, 1 to 100, counted as for
        a partial series; `lon` and `lat` of the points, `cell` (`INDEX_RC`), `cell_lon` and `cell_lat` of the
        cells' centres. `design_storm` and `storm_against_design` accept it.

    Raises
    ------
    SettingsError
        The points are not valid, or one lies outside Germany: its cell has no values.
    DownloadError
        A table is missing, and the server cannot be reached or does not have it.
    ArchiveError
        A table is damaged.
    StorageError
        The folder cannot take a table.

    Examples
    --------
    >>> levels = rn.kostra("Leipzig")  # doctest: +SKIP
    >>> levels.level.sel(duration="1h", return_period=100)  # doctest: +SKIP
    """
    labels, lon, lat = positions_of(points, "sphere", names=names)
    cells = cells_of(lon, lat)
    distinct = [int(cell) for cell in np.unique(cells) if cell >= 0]
    found = kostra_cells(distinct, folder=folder, base_url=base_url, progress=progress)
    at = np.searchsorted(distinct, cells) if distinct else np.zeros(len(cells), int)
    outside = cells < 0
    if not outside.all():
        outside |= np.isnan(found.depths[np.minimum(at, len(distinct) - 1)]).all(axis=(1, 2))
    if outside.any():
        first = int(outside.argmax())
        raise SettingsError(
            f"KOSTRA-DWD-2020 has no values at {labels[first]!r} (lon {lon[first]:g}, lat {lat[first]:g}): it "
            "covers Germany; choose points in it, longitude first"
        )
    cell_lon, cell_lat = centres_of(cells)
    dims = ("point", "duration", "return_period")
    level = {"units": "mm", "long_name": "depth of rain exceeded once in the return period"}
    percent = {"units": "percent", "long_name": "uncertainty of level"}
    period = {"units": "year", "long_name": "return period"}
    return xr.Dataset(
        {
            "level": (dims, found.depths[at], level),
            "uncertainty": (dims, found.uncertainties[at], percent),
        },
        {
            "point": labels_of(labels),
            "duration": np.array(DURATIONS, "m8[m]").astype("m8[ns]"),
            "return_period": ("return_period", np.array(PERIODS, float), period),
            "lon": ("point", lon, EAST),
            "lat": ("point", lat, NORTH),
            "cell": ("point", cells, {"long_name": "INDEX_RC"}),
            "cell_lon": ("point", cell_lon, EAST),
            "cell_lat": ("point", cell_lat, NORTH),
        },
        {"title": "KOSTRA-DWD-2020", "source": CITATION, "counted": "partial"},
    )
