"""Series as tables: CSV and Parquet."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, cast

from radar_nb.analysis.inputs import BESIDE, variable_of
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.rasters import plain_attrs

if TYPE_CHECKING:
    import xarray as xr

_MISSING = "pip install 'radar-nb[gis]'"


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
        "attributes_of_variable": plain_attrs(series.attrs),
        "attributes": plain_attrs(data.attrs),
    }
    for along in ("point", "area"):
        if along in series.dims:
            there = {name: value for name, value in series.coords.items() if value.dims == (along,)}
            metadata[along] = {str(name): value.values.tolist() for name, value in there.items()}
    return json.dumps(metadata, ensure_ascii=False, default=str)


def csv_bytes(data: xr.Dataset) -> bytes:
    """Return the bytes of a CSV whose first lines, with `#`, hold the metadata."""
    table = _columns(data)
    head = "".join(f"# {line}\n" for line in _metadata(data).splitlines())
    return (head + cast("str", table.to_csv(date_format="%Y-%m-%dT%H:%M:%SZ", lineterminator="\n"))).encode()


def parquet_bytes(data: xr.Dataset) -> bytes:
    """Return the bytes of a Parquet file whose schema holds the metadata."""
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
