"""The public function: a Dataset as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import xarray as xr

from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.rasters import geotiff_bytes, netcdf_bytes
from radar_nb.exports.series_files import FORMATS, write_series
from radar_nb.exports.tables import TableStyle, csv_bytes, parquet_bytes, xlsx_bytes
from radar_nb.reading.forecasts import as_series
from radar_nb.reading.intervals import interval_of
from radar_nb.runtime.files import replacing, user_path

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from matplotlib.colors import Colormap

    from radar_nb.exports.rain import Edge
    from radar_nb.exports.series_files import Gaps
    from radar_nb.exports.series_format import SeriesFormat

_TABLES: dict[str, Callable[[xr.Dataset, TableStyle], bytes]] = {
    ".csv": csv_bytes,
    ".parquet": parquet_bytes,
    ".xlsx": xlsx_bytes,
}
_FIELDS: dict[str, Callable[[xr.Dataset], bytes]] = {
    ".tif": geotiff_bytes,
    ".tiff": geotiff_bytes,
    ".nc": netcdf_bytes,
}
"""Writers of what says itself what its times are."""
_WEB = (".png", ".kmz", ".kml", ".geojson")
"""Suffixes of maps for the web."""


def export(
    data: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    format: str | None = None,  # noqa: A002 - the word that users look for
    tz: str | None = None,
    label: Edge | None = None,
    gaps: Gaps | None = None,
    crs: Any = None,
    classes: Sequence[float] | None = None,
    cmap: str | Colormap | None = None,
    timezone: str | None = None,
    decimal: str = ".",
    sep: str = ",",
) -> Path:
    """Write a Dataset to a file that other programs read; the file name's suffix selects the format.

    - `.csv`, `.parquet`, `.xlsx`: series at points or of areas, one column each, in UTC or local times. The CSV
      starts with a `#` line that holds the metadata as JSON; Parquet holds them in its schema under `radar_nb`,
      Excel in a second sheet. Columns other than the first variable's are named `coverage:...`.
    - `.tif`, `.tiff`: fields as a cloud-optimised GeoTIFF, north up, one band a time step, NaN where missing,
      with projection, unit and times. With `crs=3857`, the projection of maps on the web, each pixel has the value
      of the cell it lies in, so that no value is made up.
    - `.png`: one field in the colours of `plot` and in EPSG:3857, transparent where it is dry and outside the
      grid, a grey veil where data are missing. `field.png.json` holds its bounds, classes and source for a web
      page, `field.png.aux.xml` its position for a GIS.
    - `.kmz`, `.kml`: fields as ground overlays for Google Earth, with a key, and spans of time in UTC. The
      pictures of a `.kml` lie in a folder beside it.
    - `.geojson`: the cells of each class and time as polygons, in degrees (CRS84), with limits, unit and colour;
      with `format="isolines"` the lines of the classes' lower limits.
    - `.nc`: the whole Dataset, compressed, with CF conventions.
    - `.dat`, `.uvf`, `.zrx`, `.dfs0`, or `format=`: amounts in mm at points or of areas as rain for a model:
      "swmm" (`.dat`), "swmm-timeseries", "hystem-extran" and "smusi" (both `.reg`), "uvf", "zrxp", "infoworks" (a
      CSV), "dfs0".

    Rain for models has times of the model, not of radar_nb (end of the interval, UTC): `tz` must be stated, and
    `label` where the format does not define it. Series are read in blocks, so that lazy ones of any length can be
    written. A text beside the file (`rain.dat.txt`) states stations, span, interval,
    zone, label and gaps, and has what SWMM's input file needs.

    Parameters
    ----------
    data : xarray.Dataset
        As returned by `at_points`, `over_areas`, `accumulate`, `open_dataset`, ...
    path : path
        Written atomically; an existing file is replaced. `{name}` in a model's file name stands for the station's:
        one file each.
    format : str, optional
        Name of a format for models, or "isolines" for a `.geojson`.
    tz : str, optional
        Zone of the times in a model's file, without summer time: "UTC+1" or "UTC".
    label : {"start", "end"}, optional
        Edge of the interval that a time in a model's file is.
    gaps : {"error", "zero"}, optional
        Refuse missing intervals, or write them as 0 mm. By default they are written with the format's code for
        missing, and refused where it has none.
    crs : int, str or pyproj.CRS, optional
        Of a GeoTIFF; DWD's projection by default.
    classes, cmap
        Of a `.png`, `.kmz`, `.kml` or `.geojson`, as in `plot`.
    timezone : str, optional
        Zone of the times in a table, such as "Europe/Berlin": each is written with its offset, so that the hour
        that occurs twice in autumn is unambiguous, and a column `date` is the local day in which the interval
        ends, midnight included, as in `accumulate`. In Excel the offset is a column.
    decimal, sep : str
        Decimal sign and separator of a CSV: `decimal=",", sep=";"` for German Excel.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    SettingsError
        The suffix or format is unknown, the zone or label is not stated or not possible, rows are days of another
        zone, or a library for the format is missing.
    SeriesError
        Fields cannot be written as CSV, nor series as GeoTIFF; a model's format cannot hold the names, the
        interval, the gaps or an amount; the values are not amounts in mm; or `interval_minutes` is out of date
        because xarray has resampled or computed the values.
    StorageError
        The file cannot be written.

    Examples
    --------
    >>> export(daily, "daily.parquet")  # doctest: +SKIP
    >>> export(daily, "daily.csv", timezone="Europe/Berlin", decimal=",", sep=";")  # doctest: +SKIP
    >>> export(over_areas(ds, "subcatchments.gpkg"), "rain.dat", tz="UTC+1")  # doctest: +SKIP
    """
    target = user_path(path)
    if not isinstance(data, xr.Dataset):
        raise SeriesError(f"export needs a Dataset, not a {type(data).__name__}: call da.to_dataset() first")
    web, suffix = _is_web(target, format), target.suffix.lower()
    _check_choices(target, web=web, crs=crs, classes=classes, cmap=cmap)
    style = TableStyle(timezone=timezone, decimal=decimal, sep=sep)
    if (form := None if web else series_format(target, format)) is not None:
        style.check(form.name)
        write_series(data, target, form, tz=tz, label=label, gaps=gaps)
        return target
    if (tz, label, gaps) != (None, None, None):
        raise SettingsError(
            f"tz=, label= and gaps= are for formats of models: leave them out for {target.suffix}, whose times "
            "are the ends of intervals in UTC, or choose a format="
        )
    style.check(suffix)
    if suffix != ".nc":
        data = as_series(data)
    for variable in data.data_vars.values():
        interval_of(variable, data)
    if web:
        from radar_nb.exports.web_files import WebFields, write_web  # noqa: PLC0415 - it loads Matplotlib

        write_web(WebFields.of(data, classes=classes, cmap=cmap), target, isolines=format == "isolines")
        return target
    if crs is not None:
        written = geotiff_bytes(data, crs)
    else:
        written = _TABLES[suffix](data, style) if suffix in _TABLES else _FIELDS[suffix](data)
    with replacing(target) as file:
        file.write(written)
    return target


def _is_web(target: Path, name: str | None) -> bool:
    """Return whether a file is one for maps on the web."""
    suffix = target.suffix.lower()
    if name == "isolines" and suffix != ".geojson":
        raise SettingsError(f'format="isolines" is written as .geojson, not as {target.name}: choose that suffix')
    return suffix in _WEB and name in {None, "isolines"}


def _check_choices(target: Path, *, web: bool, crs: Any, classes: Any, cmap: Any) -> None:
    if crs is not None and target.suffix.lower() not in {".tif", ".tiff"}:
        raise SettingsError(
            f"crs= is for GeoTIFF: leave it out for {target.name}. A .png is in EPSG:3857, .kmz, .kml and "
            ".geojson are in degrees, and export_grid writes models' grids in any projection"
        )
    if not web and not (classes is None and cmap is None):
        raise SettingsError(f"classes= and cmap= are for {', '.join(_WEB)}: leave them out for {target.name}")


def series_format(target: Path, name: str | None) -> SeriesFormat | None:
    """Return the model's format of a file, or None for a table or raster.

    Raises
    ------
    SettingsError
        The name or the suffix is unknown.
    """
    if name == "md" or (name is None and target.suffix.lower() == ".md"):
        raise SettingsError(
            "MD cannot be written, since its columns are not published where they could be checked: choose "
            'format="hystem-extran", format="uvf" or format="zrxp"'
        )
    if name is not None:
        if name not in FORMATS:
            raise SettingsError(f"unknown format={name!r}: choose one of {', '.join(FORMATS)}, or leave it out")
        return FORMATS[name]
    by_suffix = {suffix: form for form in FORMATS.values() for suffix in form.suffixes}
    suffix = target.suffix.lower()
    if suffix not in {*_TABLES, *_FIELDS, *by_suffix}:
        known = ", ".join([*_TABLES, *_FIELDS, *_WEB, *by_suffix])
        raise SettingsError(
            f"cannot write {target.name}: choose one of the suffixes {known}, or "
            f"for a model format={'|'.join(FORMATS)}"
        )
    return by_suffix.get(suffix)
