"""DWD's catalogue of heavy rain events, CatRaRE, as a table of shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # xarray brings it, without its types

from radar_nb.dwd.catrare import CITATION, COLUMNS, VERSION, covered_years, file_path, layer_name
from radar_nb.dwd.months import month_range, time_span
from radar_nb.errors import ArchiveError, MonthError
from radar_nb.geography.extents import touching
from radar_nb.geography.layers import read_zipped_layer
from radar_nb.reading.catrare import catrare_file

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

    from radar_nb.runtime.progress import Reporter

_TIMES = {"Start_Time": "Date_START", "End_Time": "Date_END"}
_NEEDED = ("Event_ID", "Duration", "Area", "Eta", "RRmax", "RRmean", "SRImax")
_NUMBERS = (*_NEEDED, "x_RRmax", "y_RRmax", "x_RRmaxPRJ", "y_RRmaxPRJ")


def catrare(
    selection: Literal["W3", "T5"] = "W3",
    first: Any = None,
    last: Any = None,
    *,
    area: Any = None,
    geometry: Literal["zones", "maxima"] = "zones",
    version: str = VERSION,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    progress: bool | Reporter = True,
) -> Any:
    """Return DWD's catalogue of heavy rain events since 2001, CatRaRE, as a table of shapes.

    DWD's file is fetched once and kept. Compare events of one version only: versions of DWD differ in more than
    their last years.

    Parameters
    ----------
    selection : {"W3", "T5"}
        Events above DWD's warning level 3, or above the amount of a return period of five years.
    first, last : optional
        Days, months or years, as for `plan`, of those that the version covers: events whose window overlaps this
        time.
    area : tuple of float, str, GeoDataFrame, GeoSeries or path, optional
        Events that touch it: `(west, south, east, north)` in degrees; a square around a town, "Leipzig +- 10 km"
        (40 km without a distance), or around a point `(lon, lat)`; or areas in any CRS.
    geometry : {"zones", "maxima"}
        Polygons of the events, or points of their largest amounts.
    version : str
        DWD's version; Y.01 ends with the year before Y.
    folder : path, optional
        The data folder below which the file is kept, under the same path as on the server; by default the cache.
    base_url : str, optional
        The server (see `settings`).
    progress : bool or Reporter

    Returns
    -------
    geopandas.GeoDataFrame
        One row per event, ordered by begin, with all of DWD's columns under DWD's names: `Start_Time` and
        `End_Time`, datetime64, UTC, the edges of the window; `Duration`, hours; `Area`, km2; `Eta`; `RRmax` and
        `RRmean`, mm; `SRImax`, NaN where DWD has none; and others, see `radar_nb.dwd.catrare.COLUMNS`. The CRS is
        the polar stereographic projection of RADOLAN on DWD's sphere, which DWD's file does not name. `attrs`
        holds `title`, `source` and the meaning of `columns`.

    Raises
    ------
    SettingsError
        The selection, the version or the area is not valid, or geopandas is not installed.
    MonthError
        `first` and `last` are not a range, or lie outside the years of the version.
    DownloadError
        The file is missing, and the server cannot be reached or does not have it.
    ArchiveError
        The file is damaged, or its columns are others than those of the versions known.
    StorageError
        The folder cannot take the file.

    Examples
    --------
    >>> events = rn.catrare("T5", 2016, area="Leipzig +- 20 km")  # doctest: +SKIP
    >>> events.to_crs("EPSG:25833").to_file("events.gpkg")  # doctest: +SKIP
    """
    layer = layer_name(selection, version, geometry)
    span = None if first is None and last is None else _span(first, last)
    if span is not None and not (years := covered_years(version))[0] <= span[0] < span[1] <= years[1]:
        raise MonthError(
            f"CatRaRE v{version} covers {years[0].astype('M8[Y]')} to {years[1].astype('M8[Y]') - 1}, and not all "
            f"of {span[0].astype('M8[D]')} to {(span[1] - 1).astype('M8[D]')}: choose a time within these years"
        )
    path = catrare_file(file_path(selection, version), folder=folder, base_url=base_url, progress=progress)
    table = _parsed(read_zipped_layer(path, layer), str(path))
    if span is not None:
        table = table[(table["Start_Time"] < span[1]) & (table["End_Time"] > span[0])]
    if area is not None:
        table = table[touching(table, area, "sphere")]
    table = table.sort_values(["Start_Time", "Event_ID"], kind="stable", ignore_index=True)
    table.attrs = {
        "title": f"CatRaRE {selection} v{version}",
        "source": CITATION.format(selection=selection, version=version),
        "columns": {name: text for name, text in COLUMNS.items() if name in table},
    }
    return table


def _span(first: Any, last: Any) -> tuple[np.datetime64, np.datetime64]:
    """Return begin and end of a time, the end excluded."""
    first = last if first is None else first
    span = time_span(first, last)
    if span is None:
        months = month_range(first, last)
        return np.datetime64(months[0].first_day, "s"), np.datetime64((months[-1] + 1).first_day, "s")
    return span[0], span[1] + np.timedelta64(1, "s")


def _parsed(table: Any, name: str) -> Any:
    """Return a table with times and numbers, after a check of its columns."""
    missing = [column for column in _NEEDED if column not in table]
    missing += [f"{ours} or {dwds}" for ours, dwds in _TIMES.items() if not {ours, dwds} & set(table)]
    if missing:
        raise ArchiveError(
            f"{name} lacks the columns {', '.join(missing)}: DWD has changed its form, so that it is not read; "
            f"choose a version that radar_nb knows (version=), such as {VERSION!r}"
        )
    table = _with_times(table.copy(), name)
    for column in _NUMBERS:
        if column in table:
            table[column] = pd.to_numeric(table[column], errors="coerce")
    broken = [column for column in _NEEDED[:-1] if table[column].isna().any()]  # SRImax may be no number
    if broken:
        raise ArchiveError(
            f"{name} has events without a number in {', '.join(broken)}: remove it and fetch it again"
        )
    for column in ("Event_ID", "Duration"):
        table[column] = table[column].astype("int64")
    return table


def _with_times(table: Any, name: str) -> Any:
    """Parse the columns of times."""
    for ours, dwds in _TIMES.items():
        for column in (ours, dwds):
            if column in table:
                table[column] = _times(table[column], name, column)
        if ours not in table:
            table.insert(0, ours, table[dwds])
    if (table["End_Time"] <= table["Start_Time"]).any():
        raise ArchiveError(f"{name} has events that end before they begin: remove it and fetch it again")
    return table


def _times(column: Any, name: str, title: str) -> NDArray[np.datetime64]:
    """Return times in UTC: of datetimes, of texts, or of numbers as YYYYMMDDHHMM."""
    found = None
    try:
        if pd.api.types.is_numeric_dtype(column):
            texts = column.astype("int64").astype(str)
            if texts.str.fullmatch(r"\d{12}").all():
                found = pd.to_datetime(texts, format="%Y%m%d%H%M", utc=True)
        else:
            found = pd.to_datetime(column, utc=True, format=None if column.dtype.kind == "M" else "ISO8601")
    except (ValueError, TypeError):
        found = None
    if found is None or found.isna().any():
        raise ArchiveError(
            f"{name} has values in {title} that are not times, such as {column.iloc[0]!r}: remove it and fetch it "
            "again"
        )
    times: NDArray[np.datetime64] = found.dt.tz_localize(None).to_numpy().astype("datetime64[ns]")
    return times
