"""Open frames as one lazy `xarray.Dataset`, also through xarray's engine `radar_nb`.

Values and coordinates equal wradlib's (see `radar_nb.reading.wradlib_template`), with deliberate differences:
rates of rain products become amounts in mm per interval (`to_rate` converts them back), the flag bits mark missing
cells, `units` follows CF, and the Dataset can be written.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from radar_nb.dwd.archive_names import is_dwd_name
from radar_nb.dwd.months import month_range, time_span
from radar_nb.fetch.downloading import download_async
from radar_nb.fetch.planning import plan_async
from radar_nb.formats.streams import sniff
from radar_nb.reading import accessor
from radar_nb.reading.dataset import Options, assemble, in_chunks, open_series
from radar_nb.runtime.event_loop import blocking
from radar_nb.runtime.zones import find_zone

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from numpy.typing import NDArray

    from radar_nb.dwd.archive_names import Form
    from radar_nb.dwd.grids import Grid
    from radar_nb.dwd.products import Product
    from radar_nb.fetch.planning import Source
    from radar_nb.formats.packing import Clutter
    from radar_nb.reading.dataset import Resolution
    from radar_nb.reading.regridding import Method
    from radar_nb.runtime.progress import Reporter

_ = accessor.DatasetRadar  # registers `ds.radar`


def open_dataset(
    source: Any,
    *,
    variables: str | Sequence[str] | None = None,
    chunks: Literal["auto"] | Mapping[str, int] | None = "auto",
    clutter: Clutter = "keep",
    packed: bool = False,
    flags: bool = False,
    lonlat: bool = False,
    resolution: Resolution = "file",
    grid: str | Grid | None = None,
    regrid: Method = "overlap",
    sums: str = "apart",
    fill_gaps: bool = False,
    run: Any = None,
    lead: Any = None,
    errors: Literal["raise", "report"] = "raise",
    progress: bool | Reporter = True,
) -> xr.Dataset:
    """Open RADOLAN frames as one lazy Dataset.

    The first call reads and verifies the whole archive and stores an index beside it (in the cache folder if that
    is not writable); later calls take a millisecond.

    Parameters
    ----------
    source : path, str, bytes, file object, Report, Plan, or a sequence of these
        An archive of any nesting, a folder of archives or frames, a single frame, a glob, or the report of a
        download. Extraction is not needed.
    variables : str or sequence of str, optional
        Products to open if the source holds several; the others are ignored.
    chunks : "auto", mapping or None
        "auto" returns dask arrays with chunks of some 32 MB along time, which never cross the end of a day's
        archive; None returns xarray's lazy arrays, which read only what is indexed; a mapping is passed to
        `Dataset.chunk`.
    clutter : {"keep", "mask"}
        Whether cells flagged as clutter keep their value, as in wradlib, or become missing.
    packed : bool
        Whether to return the raw integers without flags, with CF's `scale_factor`, `add_offset` and `_FillValue`
        as attributes, instead of float32. `xarray.decode_cf` turns them into the same values.
    flags : bool
        Whether to add the variable `flags` (uint8, CF `flag_masks`: secondary, no data, negative, clutter).
    lonlat : bool
        Whether to add `lon` and `lat` of the cells' centres, in degrees.
    resolution : {"file", "binary"}
        Whether amounts have the steps of their files, or those of the product's binaries: RV in HDF5 resolves
        0.001 mm, and its binary has max(1, floor(mm / 0.01)) hundredths. "binary" continues a series of binaries
        with HDF5, in the same integers.
    grid : str or Grid, optional
        Regrid all frames to this grid, such as "de1200" (see `radar_nb.dwd.grids.GRIDS`). Required if the frames'
        grids differ.
    regrid : {"overlap", "nearest"}
        Regridding method: by exact overlap of cells, which conserves amounts, or from the nearest cell.
    sums : str
        Which of overlapping sums to return (hourly sums every ten minutes, daily sums every hour). "apart": those
        that do not overlap, hourly at minute 50, daily at 05:50, or at the most frequent time; "all"; or the time
        of day "HH:MM" at which they end. The attribute `sums_taken` states the choice.
    fill_gaps : bool
        Whether to fill time steps without a frame with missing values. They are listed in any case.
    run, lead : optional
        For forecasts, one run along its lead times, such as "2025-09-23T08:55" or "latest", or one lead time of
        all runs, such as "30min", as a series over its time of validity: see `forecast`.
    errors : {"raise", "report"}
        Whether damaged, renamed, doubled, disordered and foreign members raise an error that names all of them, or
        are ignored and listed in the attribute `problems`.
    progress : bool or Reporter
        Shown if reading the archives takes more than a moment.

    Returns
    -------
    xarray.Dataset
        One variable, named by product (%M is `percent_M`), float32 of shape (time, y, x), NaN for missing values;
        classes in 32 bits (HG) are integers.

        - amounts are in mm of water per interval, reflectivities in dBZ (attribute `units`);
        - `time`: datetime64, UTC, the end of the interval, ascending, unique; `time_bnds`: begin and end;
        - `y`, `x`: cell centres in metres of the projection, both ascending; `crs`: the projection;
        - `source` names the archive of each step;
        - forecasts carry `prediction_time`, the end of the interval; `time` is then when they were made. Where
          there are several lead times the shape is (time, lead_time, y, x). With `run` or `lead` the shape is
          (time, y, x), and `time` the end of the interval;
        - attributes `frames_missing` and `frames_doubled` count the steps without a frame between the first and
          the last, and the frames that came twice (the later file is taken); `gaps` and `doubled` name them. The
          expected step comes from the table of products, not from the frames that are there;
        - the attribute `files_skipped` names files of folders that are neither frames nor archives.

    Raises
    ------
    NothingFound
        The file does not exist, or holds no frame.
    ArchiveError, FrameError
        A file cannot be read; the message names each file and member.
    SeriesError
        Frames of different products, grids or units; frames twice or out of order in one archive.
    UnknownProduct, UnknownGrid
        A frame of unknown size, or an unknown `grid`.
    SettingsError
        `sums` or `resolution` is not valid, or `source` is not a data source.

    Examples
    --------
    >>> ds = open_dataset("YW2017.002_202006.tar")  # doctest: +SKIP
    >>> ds.YW.sel(time="2020-06-13T15:25").max().compute()  # doctest: +SKIP
    """
    options = Options(
        variables=variables,
        clutter=clutter,
        packed=packed,
        flags=flags,
        lonlat=lonlat,
        resolution=resolution,
        grid=grid,
        regrid=regrid,
        sums=sums,
        fill_gaps=fill_gaps,
        run=run,
        lead=lead,
        errors=errors,
    )
    return in_chunks(assemble(open_series(source, options, progress=progress), options), chunks)


async def load_async(
    product: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: Source = "auto",
    form: Form | None = None,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    timezone: str | None = None,
    errors: Literal["raise", "report"] = "raise",
    progress: bool | Reporter = True,
    **reading: Any,
) -> xr.Dataset:
    """Open months, days or hours of a product: plan, download missing files, open without extraction.

    Parameters
    ----------
    product, first, last, source, form, folder, base_url
        As for `plan`. For days or hours, the Dataset has the frames whose time stamps, in UTC, are in the range.
    timezone : str, optional
        Such as "Europe/Berlin": months, days and hours are then those of its clock, and the Dataset has the
        intervals that end after the begin of the first and until the end of the last, as for `accumulate`.
    errors : {"raise", "report"}
        Whether unavailable and damaged files raise, or are listed in the attribute `problems` of the Dataset.
    progress : bool or Reporter
    **reading
        Further arguments of `open_dataset`: `chunks`, `grid`, `sums`, `clutter`, `packed` and others.

    Returns
    -------
    xarray.Dataset
        As for `open_dataset`.

    Raises
    ------
    RadarNbError
        As raised by `plan`, `download` and `open_dataset`.
    SettingsError
        The time zone is unknown.

    Examples
    --------
    >>> ds = load("RW", "2019-10")  # doctest: +SKIP
    >>> ds = load("YW", "2020-06-13", timezone="Europe/Berlin")  # doctest: +SKIP
    >>> ds = load("YW", "2020-06-13T12", "2020-06-13T18")  # doctest: +SKIP
    >>> ds = load("RW", "2024-11", "2026-02", source="radolan", grid="de1200")  # doctest: +SKIP
    """
    span = None if timezone is None else _local_span(first, last, find_zone(timezone))
    asked = (first, last) if span is None else tuple(f"{moment:%Y-%m-%dT%H:%M}" for moment in span)
    made = await plan_async(product, *asked, source=source, form=form, folder=folder, base_url=base_url)
    report = await download_async(made, errors=errors, progress=progress)
    there = tuple(a for a, outcome in zip(made.archives, report.outcomes, strict=False) if outcome.ok)
    ds = open_dataset(replace(made, archives=there), errors=errors, progress=progress, **reading)
    if report.failed:
        failed = [str(outcome.error) for outcome in report.failed]
        ds.attrs["problems"] = "; ".join(filter(None, (ds.attrs.get("problems"), *failed)))
    if span is not None:
        begin, end = (np.datetime64(moment.replace(tzinfo=None), "s") for moment in span)
        ds = ds.isel(time=np.flatnonzero((ds["time"].values > begin) & (ds["time"].values <= end)))
    return ds


def _local_span(first: Any, last: Any, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return the begin and the end, UTC, of months, days or hours on the clock of a zone."""
    second, months = np.timedelta64(1, "s"), month_range(first, last)
    whole = np.datetime64(months[0].first_day, "s"), np.datetime64((months[-1] + 1).first_day, "s") - second
    begin, end = time_span(first, last) or whole
    moments: list[datetime] = np.array([begin, end + second]).tolist()
    begins, ends = (moment.replace(tzinfo=zone).astimezone(UTC) for moment in moments)
    return begins, ends


load = blocking(load_async)


class RadarNbBackend(BackendEntrypoint):
    """xarray's engine: `xr.open_dataset(path, engine="radar_nb")`."""

    description = "DWD's RADOLAN and RADKLIM: frames, folders and archives of any nesting"
    open_dataset_parameters = (
        *("filename_or_obj", "drop_variables", "mask_and_scale", "decode_times", "concat_characters"),
        *("decode_coords", "use_cftime", "decode_timedelta", "variables", "clutter", "packed", "flags", "lonlat"),
        *("resolution", "grid", "regrid", "sums", "fill_gaps", "run", "lead", "errors"),
    )

    def guess_can_open(self, filename_or_obj: Any) -> bool:
        """Return whether this is a frame or an archive of DWD, by its name and first bytes."""
        if isinstance(filename_or_obj, bytes | bytearray | memoryview):
            return sniff(bytes(filename_or_obj[:512])) == "frame"
        if not isinstance(filename_or_obj, str | os.PathLike):
            return False
        return is_dwd_name(Path(filename_or_obj).name)

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        mask_and_scale: bool | None = True,
        decode_times: Any = True,
        concat_characters: bool = True,  # noqa: ARG002 - texts are texts, not characters
        decode_coords: Any = True,
        drop_variables: str | Iterable[str] | None = None,
        use_cftime: bool | None = None,
        decode_timedelta: Any = None,
        **options: Any,
    ) -> xr.Dataset:
        """Open a source: see `radar_nb.open_dataset`, and `xarray.open_dataset` for the keywords that decode.

        With `mask_and_scale=False` values are packed integers, as with `packed=True`.
        """
        used = Options(**{"packed": mask_and_scale is False} | options)
        ds = assemble(open_series(filename_or_obj, used, progress=False), used)
        ds["source"] = _of_one_length(ds["source"].variable)
        if use_cftime is not None and decode_times:
            decode_times = xr.coders.CFDatetimeCoder(use_cftime=use_cftime)
        if decode_timedelta is None:
            decode_timedelta = bool(decode_times)
        if decode_times is not True or decode_timedelta is not True:
            ds = _decoded(ds, decode_times, decode_timedelta)
        if not decode_coords:
            ds = ds.reset_coords()
        drop = [drop_variables] if isinstance(drop_variables, str) else list(drop_variables or ())
        return ds.drop_vars(drop, errors="ignore")


class _Texts(BackendArray):
    """Texts of equal length, created when they are read: for millions of steps they would take much memory."""

    def __init__(self, texts: NDArray[Any]) -> None:
        longest = max(map(len, set(texts.tolist())), default=0)
        self._texts = texts
        self.shape = texts.shape
        self.dtype = np.dtype(f"U{_LENGTH * max(1, -(-longest // _LENGTH))}")

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        return np.asarray(self._texts[key], self.dtype)


_LENGTH = 64
"""Letters of `source` in xarray's engine, or a multiple: so it can be a dask array and be appended to a store."""


def _of_one_length(texts: xr.Variable) -> xr.Variable:
    return xr.Variable(texts.dims, indexing.LazilyIndexedArray(_Texts(texts.values)), texts.attrs, texts.encoding)


def _decoded(ds: xr.Dataset, decode_times: Any, decode_timedelta: Any) -> xr.Dataset:
    """Return a Dataset with decoded times, as requested by xarray's keywords."""
    stored = {
        name: xr.conventions.encode_cf_variable(variable, name=name)
        for name, variable in ds.variables.items()
        if variable.dtype.kind in "mM"
    }
    return xr.decode_cf(
        ds.assign_coords(stored),
        mask_and_scale=False,
        decode_coords=False,
        decode_times=decode_times,
        decode_timedelta=decode_timedelta,
    )
