"""Series and fields as files that other programs read: CSV and Parquet, GeoTIFF and NetCDF."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import xarray as xr

from radar_nb.analysis.inputs import BESIDE, fields_of, grid_of, variable_of
from radar_nb.dwd.grids import PROJ
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.forecasts import as_series
from radar_nb.reading.intervals import interval_of
from radar_nb.runtime.files import replacing, user_path

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from pathlib import Path

_MISSING = "pip install 'radar-nb[gis]'"


def export(data: xr.Dataset, path: str | os.PathLike[str]) -> Path:
    """Write a Dataset to a file that other programs read; the file name's suffix selects the format.

    - `.csv`, `.parquet`: series at points or of areas, one column each. The CSV starts with `#` lines that hold
      the metadata as JSON; Parquet holds them in its schema under `radar_nb`. Columns other than the first
      variable's are named `coverage:...`.
    - `.tif`, `.tiff`: fields as a cloud-optimised GeoTIFF, north up, one band a time step, NaN where missing,
      with projection, unit and times.
    - `.nc`: the whole Dataset, compressed, with CF conventions.

    Parameters
    ----------
    data : xarray.Dataset
        As returned by `at_points`, `over_areas`, `accumulate`, `open_dataset`, ...
    path : path
        Written atomically; an existing file is replaced.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    SettingsError
        The suffix is unknown, or a library for the format is missing.
    SeriesError
        Fields cannot be written as CSV, nor series as GeoTIFF; or `interval_minutes` is out of date because xarray
        has resampled or computed the values.
    StorageError
        The file cannot be written.

    Examples
    --------
    >>> export(daily, "daily.parquet")  # doctest: +SKIP
    """
    target = user_path(path)
    writers: dict[str, Callable[[xr.Dataset], bytes]] = {
        ".csv": _csv,
        ".parquet": _parquet,
        ".tif": _geotiff,
        ".tiff": _geotiff,
        ".nc": netcdf,
    }
    if target.suffix.lower() not in writers:
        raise SettingsError(f"cannot write {target.name}: choose one of the suffixes {', '.join(writers)}")
    if not isinstance(data, xr.Dataset):
        raise SeriesError(f"export needs a Dataset, not a {type(data).__name__}: call da.to_dataset() first")
    if target.suffix.lower() != ".nc":
        data = as_series(data)
    for variable in data.data_vars.values():
        interval_of(variable, data)
    written = writers[target.suffix.lower()](data)
    with replacing(target) as file:
        file.write(written)
    return target


def netcdf(data: xr.Dataset) -> bytes:
    """Return the bytes of a netCDF file: compressed, times in seconds."""
    packed = {name: {"zlib": True, "complevel": 1} for name in data.data_vars}
    return bytes(cast("bytes", data.to_netcdf(engine="h5netcdf", encoding=packed)))


def _columns(data: xr.Dataset) -> Any:
    """Return a DataFrame with a row per time and a column per series."""
    series = variable_of(data)
    if {"y", "x"} & set(series.dims):
        raise SeriesError(
            f"{series.name!r} holds fields, and a table needs series (at_points, over_areas): save "
            "fields as .tif or .nc"
        )
    names = [name for name in data.data_vars if name == series.name or name in BESIDE]
    tables = [_table(data[name], prefix="" if name == series.name else f"{name}:") for name in names]
    table = tables[0]
    for other in tables[1:]:
        table = table.join(other)
    return table


def _table(series: xr.DataArray, prefix: str) -> Any:
    own = series.reset_coords(drop=True).transpose("time", ...)
    table = own.to_pandas()
    table = table.to_frame(str(series.name)) if table.ndim == 1 else table
    return table.rename(columns=lambda name: f"{prefix}{name}").rename_axis(index="time", columns=None)


def _metadata(data: xr.Dataset) -> str:
    """Return attributes, and the coordinates of points or areas, as JSON."""
    series = variable_of(data)
    metadata: dict[str, Any] = {
        "variable": series.name,
        "time": "end of the interval, UTC",
        "attributes_of_variable": _plain(series.attrs),
        "attributes": _plain(data.attrs),
    }
    for along in ("point", "area"):
        if along in series.dims:
            there = {name: value for name, value in series.coords.items() if value.dims == (along,)}
            metadata[along] = {str(name): value.values.tolist() for name, value in there.items()}
    return json.dumps(metadata, ensure_ascii=False, default=str)


def _plain(attrs: dict[Any, Any]) -> dict[str, Any]:
    return {
        str(key): value.tolist() if isinstance(value, np.generic | np.ndarray) else value
        for key, value in attrs.items()
    }


def _csv(data: xr.Dataset) -> bytes:
    table = _columns(data)
    head = "".join(f"# {line}\n" for line in _metadata(data).splitlines())
    return (head + cast("str", table.to_csv(date_format="%Y-%m-%dT%H:%M:%SZ", lineterminator="\n"))).encode()


def _parquet(data: xr.Dataset) -> bytes:
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415 - the same
    except ImportError as error:
        raise SettingsError(f"Parquet needs pyarrow: {_MISSING}") from error
    table = pa.Table.from_pandas(_columns(data).tz_localize("UTC"))
    schema = {**(table.schema.metadata or {}), b"radar_nb": _metadata(data).encode()}
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(schema), out, compression="zstd")
    return out.getvalue()


def _geotiff(data: xr.Dataset) -> bytes:
    try:
        from rasterio import Affine  # noqa: PLC0415 - an extra
        from rasterio.io import MemoryFile  # noqa: PLC0415 - the same
    except ImportError as error:
        raise SettingsError(f"GeoTIFF needs rasterio: {_MISSING}") from error
    single = data if "time" in data.dims else data.expand_dims("time") if "time" in data.coords else data
    fields = fields_of(variable_of(single))
    grid = grid_of(fields)
    half = grid.cell / 2
    west, north = grid.x0 - half, grid.y0 + grid.rows * grid.cell - half
    profile = {
        "driver": "COG",
        "height": grid.rows,
        "width": grid.cols,
        "count": fields.sizes["time"],
        "dtype": "float32",
        "nodata": float("nan"),
        "crs": PROJ[grid.earth].replace(" +type=crs", ""),
        "transform": Affine(grid.cell, 0, west, 0, -grid.cell, north),
        "compress": "DEFLATE",
    }
    with MemoryFile() as memory:
        with memory.open(**profile) as tiff:
            for band, field in enumerate(fields, start=1):
                tiff.write(np.asarray(field.values, np.float32)[::-1], band)
                tiff.set_band_description(band, f"{np.datetime_as_string(field['time'].values, 'm')}Z")
                tiff.set_band_unit(band, str(fields.attrs.get("units", "1")))
            tags = {**_plain(data.attrs), "variable": fields.name, **_plain(fields.attrs)}
            tiff.update_tags(**{str(key): str(value) for key, value in tags.items()})
        return bytes(memory.read())
