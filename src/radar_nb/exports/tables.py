"""Series as tables: CSV, Parquet and Excel."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # xarray brings it, without its types

from radar_nb.analysis.inputs import BESIDE, variable_of
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.rasters import plain_attrs
from radar_nb.reading.intervals import bounds_of, ends_of
from radar_nb.runtime.wording import printable, short_decimals
from radar_nb.runtime.zones import find_zone

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

_FORMULA = tuple("=+-@")
_MISSING = "pip install 'radar-nb[gis]'"
_ROWS = 1_048_576
"""Rows of an Excel sheet (Microsoft, Excel specifications and limits)."""
_LETTERS = 32_767
"""Characters of a cell (the same)."""
_DAY = np.timedelta64(23, "h")
"""The shortest day: that on which summer time begins."""


TABLES = (".csv", ".parquet", ".xlsx")
"""Suffixes of tables."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableStyle:
    """How a table is written.

    Attributes
    ----------
    timezone : str, optional
        Zone of the times, which adds a column `date`; UTC without one.
    decimal : {".", ","}
    sep : {",", ";", tab}
    """

    timezone: str | None = None
    decimal: str = "."
    sep: str = ","

    def check(self, suffix: str) -> None:
        """Raise an error for a choice that cannot be written.

        Raises
        ------
        SettingsError
            The zone is unknown, decimal or sep is not one of those that are read, or not for this kind of file.
        """
        if suffix not in TABLES and self.timezone is not None:
            raise SettingsError(
                f"timezone={self.timezone!r} is for {', '.join(TABLES)}: leave it out for {suffix}"
            )
        if suffix != ".csv" and (self.decimal, self.sep) != (".", ","):
            raise SettingsError(f"decimal= and sep= are for .csv: leave them out for {suffix}")
        if self.decimal not in {".", ","}:
            raise SettingsError(f'decimal={self.decimal!r} is not a decimal sign: choose "." or ","')
        if self.sep not in {",", ";", "\t"}:
            raise SettingsError(f'sep={self.sep!r} does not separate columns: choose ",", ";" or a tab')
        if self.decimal == self.sep:
            raise SettingsError(
                'decimal="," and sep="," would be the same sign: choose sep=";" as German Excel has it'
            )
        if self.timezone is not None:
            find_zone(self.timezone)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """The times of a table, one a row.

    Attributes
    ----------
    utc, local : ndarray of datetime64[s]
    dates : ndarray of datetime64[D]
        The local day to which each row belongs: that in which its interval ends, midnight included, as for
        `accumulate`.
    zone : str
    edge : str
        What the times are.
    """

    utc: NDArray[np.datetime64]
    local: NDArray[np.datetime64]
    dates: NDArray[np.datetime64]
    zone: str
    edge: str

    @property
    def meaning(self) -> str:
        """What the times are, and their zone."""
        return f"{self.edge}, {self.zone}"

    @property
    def offsets(self) -> list[str]:
        """The distance to UTC of each time, as +02:00."""
        distance = (self.local - self.utc).astype("timedelta64[m]").astype(np.int64)
        texts = {minutes: f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
                 for minutes in np.unique(distance).tolist()}  # fmt: skip
        return [texts[minutes] for minutes in distance.tolist()]

    @property
    def written(self) -> list[str]:
        """The local times with their offsets, Z for UTC: one text is one moment, also when clocks are put back."""
        offsets = ["Z"] * self.utc.size if self.zone == "UTC" else self.offsets
        return [f"{time}{offset}" for time, offset in zip(self.local.astype(str).tolist(), offsets, strict=True)]


def _clock(data: xr.Dataset, timezone: str | None) -> _Clock:
    """Return the times of a series in a zone.

    Raises
    ------
    SettingsError
        Rows are days of another zone.
    """
    series = variable_of(data)
    edge, _, of = str(series["time"].attrs.get("long_name", "")).partition(" of the period")
    by_begin, own = edge == "begin", of.removeprefix(", ") or "UTC"
    bounds = bounds_of(series, data)
    labels = series["time"].to_numpy().astype("datetime64[s]")
    if by_begin and bounds is not None and (bounds[:, 1] - bounds[:, 0]).min() >= _DAY:
        if timezone not in {None, own}:
            raise SettingsError(
                f"the rows are days or longer periods of {own}, and timezone={timezone!r} would cut them: use "
                f"accumulate(..., timezone={timezone!r}) for those of that zone, or leave it out"
            )
        clock = pd.DatetimeIndex(labels).tz_localize(
            find_zone(own), ambiguous=_first(labels), nonexistent="shift_forward"
        )
        stamps = clock.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[s]")
        return _Clock(utc=stamps, local=labels, dates=_days(labels), zone=own, edge="begin of the period")
    utc: NDArray[np.datetime64] = labels if by_begin else ends_of(series)
    zone = timezone or "UTC"
    inside: NDArray[np.datetime64] = utc - np.timedelta64(0 if by_begin else 1, "s")
    return _Clock(
        utc=utc,
        local=_in_zone(utc, zone),
        dates=_days(_in_zone(inside, zone)),
        zone=zone,
        edge=f"{'begin' if by_begin else 'end'} of the interval",
    )


def times_are(data: xr.Dataset, style: TableStyle) -> str:
    """Return what the times of a table are: "end of the interval, UTC"."""
    return _clock(data, style.timezone).meaning


def _first(times: NDArray[np.datetime64]) -> NDArray[np.bool_]:
    """Choose the first of two hours of the same name, as `accumulate` does."""
    return np.ones(times.size, bool)


def _days(times: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    return times.astype("datetime64[D]")


def _in_zone(times: NDArray[np.datetime64], zone: str) -> NDArray[np.datetime64]:
    there = pd.DatetimeIndex(times).tz_localize("UTC").tz_convert(find_zone(zone)).tz_localize(None)
    local: NDArray[np.datetime64] = there.to_numpy().astype("datetime64[s]")
    return local


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


def _metadata(data: xr.Dataset, meaning: str) -> dict[str, Any]:
    """Return attributes, and the coordinates of points or areas, as plain values."""
    series = variable_of(data)
    metadata: dict[str, Any] = {
        "variable": series.name,
        "time": meaning,
        "attributes_of_variable": plain_attrs(series.attrs),
        "attributes": plain_attrs(data.attrs),
    }
    for along in ("point", "area"):
        if along in series.dims:
            there = {name: value for name, value in series.coords.items() if value.dims == (along,)}
            metadata[along] = {str(name): value.to_numpy().tolist() for name, value in there.items()}
    return metadata


def csv_bytes(data: xr.Dataset, style: TableStyle) -> bytes:
    """Return the bytes of a CSV whose first line, with `#`, holds the metadata.

    With a decimal comma it begins with the mark by which Excel recognises UTF-8.
    """
    table, clock = _columns(data).rename(columns=_unlike_formula), _clock(data, style.timezone)
    table = pd.DataFrame(short_decimals(table.to_numpy()), pd.Index(clock.written, name="time"), table.columns)
    if style.timezone is not None:
        table.insert(0, "date", clock.dates.astype(str))
    text = table.to_csv(sep=style.sep, decimal=style.decimal, lineterminator="\n")
    head = json.dumps(_metadata(data, clock.meaning), ensure_ascii=False, default=str)
    if style.sep == ";":  # one cell in Excel, and the same JSON
        head = head.replace(";", "\\u003b")
    return f"# {head}\n{text}".encode("utf-8-sig" if style.decimal == "," else "utf-8")


def xlsx_bytes(data: xr.Dataset, style: TableStyle) -> bytes:
    """Return the bytes of an Excel workbook: a sheet of values, and one of metadata.

    Excel has no time zones: `time` is the local time, `offset` its distance to UTC, `date` the day.
    """
    try:
        from openpyxl import Workbook  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError("Excel files need openpyxl: pip install 'radar-nb[xlsx]', or write a .csv") from error
    table, clock = _columns(data).rename(columns=_unlike_formula), _clock(data, style.timezone)
    if len(table) >= _ROWS:
        raise SeriesError(f"an Excel sheet holds {_ROWS - 1:,} times, and there are {len(table):,}: write a .csv")
    book = Workbook(write_only=True)
    sheet = book.create_sheet(str(variable_of(data).name))
    sheet.append(["time", "offset", "date", *table.columns])
    times = zip(clock.local.tolist(), clock.offsets, clock.dates.tolist(), strict=True)
    for time, values in zip(times, short_decimals(table.to_numpy()).tolist(), strict=True):
        sheet.append([*time, *(None if value != value else value for value in values)])  # noqa: PLR0124 - NaN
    about = book.create_sheet("about")
    for name, value in _metadata(data, clock.meaning).items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
        about.append([name, _unlike_formula(text[:_LETTERS])])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _unlike_formula(name: Any) -> str:
    """Return a text that a spreadsheet does not run as a formula (OWASP, "CSV Injection"), in one line."""
    text = " ".join(printable(str(name)).split("\n"))
    return f"'{text}" if text[:1] in _FORMULA and not isinstance(name, int | float) else text


def parquet_bytes(data: xr.Dataset, style: TableStyle) -> bytes:
    """Return the bytes of a Parquet file whose times have a zone, and whose schema holds the metadata."""
    try:
        import pyarrow as pa  # noqa: PLC0415 - an extra
        import pyarrow.parquet as pq  # noqa: PLC0415 - the same
    except ImportError as error:
        raise SettingsError(f"Parquet needs pyarrow: {_MISSING}") from error
    table, clock = _columns(data), _clock(data, style.timezone)
    table.index = pd.DatetimeIndex(clock.utc.astype("datetime64[ns]"), name="time", tz="UTC").tz_convert(
        clock.zone
    )
    if style.timezone is not None:
        table.insert(0, "date", clock.dates.tolist())
    arrow = pa.Table.from_pandas(table)
    metadata = json.dumps(_metadata(data, clock.meaning), ensure_ascii=False, default=str)
    schema = {**(arrow.schema.metadata or {}), b"radar_nb": metadata.encode()}
    out = io.BytesIO()
    pq.write_table(arrow.replace_schema_metadata(schema), out, compression="zstd")
    return out.getvalue()
