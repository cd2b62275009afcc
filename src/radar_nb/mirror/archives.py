"""Synthetic archives: frames of `radar_nb.mirror.frames` under the paths, names and nesting of DWD's server."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, groupby, islice
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from radar_nb.dwd.archive_names import ERAS
from radar_nb.dwd.catalogue import choose_family
from radar_nb.dwd.months import Month, month_range, time_span, time_steps
from radar_nb.dwd.products import RETENTION, product
from radar_nb.errors import CoverageError, MonthError, StorageError
from radar_nb.formats.esri_ascii import grid_name, write_grid
from radar_nb.formats.netcdf import fields_name, write_fields
from radar_nb.formats.radolan import read_frame
from radar_nb.mirror.frames import SUPPORTED, SUPPORTED_HDF5, ahead, synthetic_frames, synthetic_runs
from radar_nb.runtime.files import local_path, replacing, storage_errors, user_path
from radar_nb.runtime.progress import Progress, reporting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from pathlib import Path

    from radar_nb.dwd.archive_names import Era, Form
    from radar_nb.dwd.catalogue import Span
    from radar_nb.dwd.products import Family, Product
    from radar_nb.runtime.progress import Reporter

_BUFR = "PG"
"""The product that DWD publishes in BUFR."""
_RECIPE = 1  # increase when the same seed produces different bytes
_LEVEL = 1  # of gzip: four times faster than the usual 6, and rain is mostly zeros


def make_archives(
    root: Path | str,
    name: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: str = "auto",
    hdf5: bool = False,
    form: Form | None = None,
    seed: int = 0,
    days: Collection[int] | None = None,
    workers: int | None = None,
    now: datetime | None = None,
    progress: bool | Reporter = True,
) -> tuple[Path, ...]:
    """Fill a folder with synthetic archives under DWD's paths, names, nesting and compression.

    The same call produces the same bytes. Archives of an earlier call with the same seed and days are kept.

    Parameters
    ----------
    root : path
        Corresponds to the server's root.
    name : str or Product
    first, last
        Months, days or hours, as for `radar_nb.plan`; both belong to the range. Archives of months then hold only
        frames of the range.
    source : {"auto", "radklim", "radolan", "nrt"}
        The family, as for `radar_nb.plan`.
    hdf5 : bool
        Whether to make DWD's HDF5 files instead of those in RADOLAN's binary format. "auto" is then the family
        "radolan", since there is no RADKLIM in HDF5.
    seed : int
        Different seeds make different weather.
    days : collection of int, optional
        Days of the month to make; archives of months then hold only these. By default all days; in near real time
        the last two, since DWD keeps 48 hours.
    workers : int, optional
        Number of threads; by default the number of processors.
    now : datetime.datetime, optional
        With time zone; later months are refused. The present by default.
    progress : bool or Reporter

    Returns
    -------
    tuple of pathlib.Path
        The archives, in the order of time.

    Raises
    ------
    UnknownProduct
        The product cannot be made from synthetic weather, or has no such family.
    CoverageError
        DWD publishes no such archive, or not in this format.
    MonthError
        The range is invalid, or a month has none of the days.
    StorageError
        The files cannot be written, or a file of the same name is not synthetic and is not overwritten.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = make_archives(folder, "YW", "2020-06", days=[31], progress=False)
    Traceback (most recent call last):
    radar_nb.errors.MonthError: 2020-06 has none of the days [31]: choose some of 1 to 30 (days=)
    """
    item = product(name)
    months, span = month_range(first, last), time_span(first, last)
    wanted: Form = form or ("hdf5" if hdf5 else "binary")
    family = choose_family(item, months, source, now or datetime.now(UTC), wanted)
    eras = {month: _era(item, family, month, wanted) for month in months}
    stamps = [(eras[month], time) for month in months for time in _times(family, month, days, span)]
    folder = user_path(root)
    files = [
        _File(folder, era, [time for _, time in group], seed, span)
        for (era, _), group in groupby(stamps, lambda stamp: (stamp[0], _path(*stamp)))
    ]
    with reporting(progress) as report:
        for era, todo in groupby((file for file in files if not file.is_done()), lambda file: file.era):
            make = _make_runs if era.run else _make_archives
            make(era, list(todo), seed=seed, workers=workers, report=report)
    for era in dict.fromkeys(file.era for file in files):
        _point_alias(folder, era)
    return tuple(file.target for file in files)


def make_present(
    root: Path | str,
    products: Sequence[str] | None = None,
    *,
    hours: float = 1.0,
    now: datetime | None = None,
    forms: Sequence[Form] | None = None,
    seed: int = 0,
    workers: int | None = None,
    progress: bool | Reporter = True,
) -> tuple[Path, ...]:
    """Fill `weather/radar` as DWD has it now: the last hours of its composites, each with its delay and its alias.

    Called again it adds what has come since, and removes its own files that are older than the 48 hours that DWD
    keeps.

    Parameters
    ----------
    root : path
        Takes the place of the server's root.
    products : sequence of str, optional
        All that synthetic weather can be published as by default, and the newest PG, a BUFR without data. An hour
        of all took 30 s of a processor (measured 2026-11-30), of which forecasts (RV, RS, WN) took half.
    hours : float
        How far back.
    now : datetime.datetime, optional
        With time zone; the present by default.
    forms : sequence of {"hdf5", "binary"}, optional
        By default HDF5, and binaries of the products that DWD publishes in no other form, HG and RE. An RV in
        binary takes some seconds for each run, since DWD compresses it with bzip2.
    seed, workers, progress
        As for `make_archives`.

    Returns
    -------
    tuple of pathlib.Path
        What is there of these hours.

    Raises
    ------
    UnknownProduct, CoverageError
        A product that is not published in near real time, or not in one of the forms.
    """
    end = (now or datetime.now(UTC)).astimezone(UTC)
    eras = [era for era in published_now() if era.form in (forms or ("hdf5", "binary"))]
    if forms is None:
        in_hdf5 = {era.product for era in eras if era.hdf5}
        eras = [era for era in eras if era.hdf5 or era.product not in in_hdf5]
    names = [*dict.fromkeys(era.product for era in eras), _BUFR] if products is None else products
    as_forms = f" as {' or '.join(forms)}" if forms else ""
    made: list[Path] = []
    for name in names:
        if product(name).name == _BUFR:
            made.append(_publish_bufr(user_path(root), end))
            continue
        mine = [era for era in eras if era.product == product(name).name]
        if not mine:
            raise CoverageError(
                f"{name} is not published in near real time{as_forms} by the mirror: choose some of "
                f"{', '.join(dict.fromkeys(era.product for era in eras))}"
            )
        for era in mine:
            span = (end - timedelta(hours=hours), end - timedelta(minutes=era.delay))
            first, last = (f"{moment:%Y-%m-%dT%H:%M}" for moment in span)
            options: dict[str, Any] = {"seed": seed, "workers": workers, "now": end, "progress": progress}
            if first <= last:
                made += make_archives(root, name, first, last, source="nrt", form=era.form, **options)
            expire(local_path(user_path(root), era.folder), era, end - RETENTION)
    return tuple(made)


def published_now() -> tuple[Era, ...]:
    """Return the eras of near real time that synthetic weather can be published as, HDF5 first."""
    able = {"hdf5": SUPPORTED_HDF5, "binary": SUPPORTED}
    mine = (era for era in ERAS if era.family == "nrt" and era.product in able.get(era.form, ()))
    return tuple(sorted(mine, key=lambda era: not era.hdf5))


def _publish_bufr(root: Path, end: datetime) -> Path:
    """Publish PG as DWD does today: in BUFR, here without data, since nothing here reads it.

    Source: WMO, Manual on Codes I.2, FM 94 BUFR, edition 4, sections 0 to 5; 78 is the code of Offenbach, 6 of
    radar data. The name is that of a listing of 5 August 2026.
    """
    time = end.replace(minute=end.minute // 5 * 5, second=0, microsecond=0)
    date = time.year.to_bytes(2, "big") + bytes([time.month, time.day, time.hour, time.minute, 0])
    about = bytes([0, 0, 22, 0, 0, 78, 0, 0, 0, 0, 6, 0, 0, 26, 0]) + date
    sections = about + bytes([0, 0, 7, 0, 0, 0, 0]) + bytes([0, 0, 4, 0]) + b"7777"
    data = b"BUFR" + (8 + len(sections)).to_bytes(3, "big") + bytes([4]) + sections
    for stamp in (f"{time:%y%m%d%H%M}", "latest"):
        file = Published(
            local_path(root, f"weather/radar/composite/pg/raa00-pg_bfr26-{stamp}-dwd---bufr"), f"{time}"
        )
        if not file.is_done():
            file.write(lambda opened: opened.write(data))
    return file.target


def expire(folder: Path, era: Era, oldest: datetime) -> None:
    """Remove synthetic files of an era, below its folder, that are older than the server would keep."""
    for note in folder.glob(".*.synthetic"):
        file = note.with_name(note.name[1:].removesuffix(".synthetic"))
        if (time := era.time_of(file.name)) is not None and time < oldest:
            with storage_errors(file):
                file.unlink(missing_ok=True)
                note.unlink()


def _make_archives(era: Era, files: Sequence[_File], *, seed: int, workers: int | None, report: Reporter) -> None:
    """Make files one after the other, from one stream of frames."""
    times = [time for file in files for time in file.times]
    binary = era.form != "hdf5"
    frames = synthetic_frames(era.product, times, family=era.family, hdf5=not binary, seed=seed, workers=workers)
    threads = workers or os.cpu_count() or 1
    with closing(frames), ThreadPoolExecutor(threads) as pool:
        counted = _counted(frames, len(times), report, f"make {era.product} {Month.of(times[0])}")
        if era.form == "netcdf":
            for file in files:
                file.make(_netcdf_files(era, islice(counted, len(file.times)), file.times))
            return
        members = ahead(partial(_grid if era.form == "ascii" else _frame, era), counted, pool, threads)
        for file in files:
            file.make(islice(members, len(file.times)))


def _netcdf_files(
    era: Era, frames: Iterator[tuple[np.datetime64, bytes]], times: Sequence[np.datetime64]
) -> Iterator[_Member]:
    """Make RADKLIM's netCDF files: of a month of RW, of a day of YW."""
    unit = "datetime64[D]" if era.product == "YW" else "datetime64[M]"
    for first, group in groupby(times, lambda time: time.astype(unit)):
        stamps = list(group)
        read = (read_frame(frame) for _, frame in islice(frames, len(stamps)))
        header, codes = next(read)
        data = write_fields(header, stamps, chain([codes], (codes for _, codes in read)))
        folder = _moment(first).strftime("%Y/%m" if era.product == "YW" else "%Y")
        yield _Member(f"{folder}/{fields_name(header)}", first, data)


def _make_runs(era: Era, files: Sequence[_File], *, seed: int, workers: int | None, report: Reporter) -> None:
    """Make forecasts, each a tar of its lead times."""
    times, count = [file.times[0] for file in files], len(product(era.product).leads)
    runs = synthetic_runs(era.product, times, hdf5=era.hdf5, seed=seed, workers=workers)
    with closing(runs):
        for done, file in enumerate(files, 1):
            stem = file.target.name.partition(".")[0]
            suffix = "-hd5" if era.hdf5 else ""
            members = [
                _Member(f"{stem}_{lead:03d}{suffix}", time, frame) for time, lead, frame in islice(runs, count)
            ]
            file.make(iter(members))
            report(Progress(task=f"make {era.product}", done=done, total=len(files), unit="files", note=stem))


def _point_alias(root: Path, era: Era) -> None:
    """Publish the newest file of an era a second time, under the name of its alias."""
    if not era.alias:
        return
    folder = local_path(root, era.folder)
    dated = {time: file for file in folder.iterdir() if (time := era.time_of(file.name)) is not None}
    newest = dated[max(dated)]
    alias = Published(folder / era.alias, f"the newest: {newest.name}")
    if not alias.is_done():
        with newest.open("rb") as opened:
            alias.write(partial(shutil.copyfileobj, opened))
        shutil.copystat(newest, alias.target)


def _era(item: Product, family: Family, month: Month, form: Form) -> Era:
    """Choose how DWD files the month: as it is known to, else as it does while the month is recent."""
    wanted = (item.name, family.name, form)
    of_format = [era for era in ERAS if (era.product, era.family, era.form) == wanted and not era.supplement]
    eras = [era for era in of_format if era.may_hold(month)]
    if not eras:
        span = family.span if form == "binary" else f"{_FORMS[form]} from {of_format[0].first} on"
        raise CoverageError(f"{item.name} of {month} is not in {family.name}, which holds {span}")
    return min(eras, key=lambda era: (not era.knows(month), era.last is not None))  # the first of equals


def _path(era: Era, time: np.datetime64) -> str:
    return era.path(_moment(time))


def _times(family: Family, month: Month, days: Collection[int] | None, span: Span | None) -> list[np.datetime64]:
    if span is not None and days is None:
        days = range(1, 32)
    if days is None:
        days = range(month.days - 1 if family.first is None else 1, month.days + 1)
    wanted = set(days) & set(range(1, month.days + 1))
    if not wanted:
        raise MonthError(f"{month} has none of the days {sorted(days)}: choose some of 1 to {month.days} (days=)")
    times = time_steps(month, every=family.every, minute=family.minute)
    kept = np.isin(
        (times.astype("datetime64[D]") - np.datetime64(month.first_day)).astype(int) + 1, sorted(wanted)
    )
    if span is not None:
        kept &= (times >= span[0]) & (times <= span[1])
    return list(times[kept])


_FORMS = {"hdf5": "HDF5", "netcdf": "netCDF", "ascii": "ASCII"}


def _counted(
    frames: Iterator[tuple[np.datetime64, bytes]], total: int, report: Reporter, task: str
) -> Iterator[tuple[np.datetime64, bytes]]:
    for done, (time, frame) in enumerate(frames, 1):
        report(Progress(task=task, done=done, total=total, unit="frames", note=str(time)))
        yield time, frame


class _Member(NamedTuple):
    """A file in an archive, or a single file."""

    name: str
    time: np.datetime64
    data: bytes


class Published:
    """A file to write, with a hidden note beside it that records its parameters."""

    def __init__(self, target: Path, recipe: str) -> None:
        self.target = target
        self._note = target.with_name(f".{target.name}.synthetic")
        self._recipe = f"{_RECIPE}: {recipe}"
        if target.exists() and not self._note.exists():
            raise StorageError(
                f"{target} exists and is not known to be synthetic, so it is not overwritten: "
                "make synthetic archives in a separate folder"
            )

    def is_done(self) -> bool:
        """Return whether the file exists and was made with the same parameters."""
        return self.target.exists() and self._note.read_bytes() == self._recipe.encode()

    def write(self, fill: Callable[[IO[bytes]], Any]) -> None:
        """Write the file; the note is complete only when the file is."""
        with replacing(self.target, durable=False) as file:
            self._write_note("unfinished")
            fill(file)
        self._write_note(self._recipe)

    def _write_note(self, text: str) -> None:
        with storage_errors(self._note):
            self._note.write_text(text, "utf-8")


class _File(Published):
    """An archive, forecast or frame to make from synthetic frames."""

    def __init__(self, root: Path, era: Era, times: Sequence[np.datetime64], seed: int, span: Span | None) -> None:
        self.era = era
        self.times = times
        days = sorted({_moment(time).day for time in times})
        recipe = f"seed {seed}, {len(times)} frames of the days {days}"
        if span is not None or era.piece == "year":
            recipe += f" from {times[0]} to {times[-1]}"
        super().__init__(local_path(root, _path(era, times[0])), recipe)

    def make(self, members: Iterator[_Member]) -> None:
        """Write the archive."""
        self.write(partial(self._fill, members))
        if self.era.family == "nrt":  # as on the server: published some minutes after its time
            published = _moment(self.times[0]).replace(tzinfo=UTC).timestamp() + 60 * self.era.delay
            os.utime(self.target, (published, published))

    def _fill(self, members: Iterator[_Member], file: IO[bytes]) -> None:
        if self.era.run:
            _write_run(file, members, packed=self.era.name.endswith(".bz2"))
        elif self.era.name.endswith(".tar"):
            _write_days(file, members, self.era)
        elif self.era.name.endswith(".tar.gz"):
            _write_tar_gz(file, members)
        else:
            file.writelines(member.data for member in members)


def _packing(era: Era, time: datetime) -> tuple[str, Callable[[bytes], bytes]]:
    """Choose how the name of a frame ends, and how it is compressed, inside an archive or on its own."""
    if era.hdf5:
        return ".hdf5", bytes
    if era.name.endswith(".bz2"):
        return ".bz2", bz2.compress
    # old archives of hourly RW hold .gz files; the last year is not documented, and 2019 is a guess
    old = (era.product, era.family, era.piece) == ("RW", "radolan", "month") and time.year < 2020
    return (".gz", _gzip) if old or era.piece == "frame" else ("", bytes)


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, _LEVEL, mtime=0)


def _frame(era: Era, stamped: tuple[np.datetime64, bytes]) -> _Member:
    time, frame = stamped
    suffix, compress = _packing(era, _moment(time))
    stem = era.product.lower() + ("2017.002" if era.family == "radklim" else "")
    name = _moment(time).strftime(f"raa01-{stem}_10000-%y%m%d%H%M-dwd---bin{suffix}")
    return _Member(name, time, compress(frame))


def _grid(era: Era, stamped: tuple[np.datetime64, bytes]) -> _Member:  # noqa: ARG001 - as _frame
    time, frame = stamped
    header, codes = read_frame(frame)
    return _Member(grid_name(header), time, write_grid(header, codes))


def _write_days(file: IO[bytes], members: Iterator[_Member], era: Era) -> None:
    """Write a tar that holds a .tar.gz for each day, named as the tar but for the day."""
    pattern = era.name.replace("%m", "%m%d") + ".gz"
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for day, of_day in groupby(members, lambda member: member.time.astype("datetime64[D]")):
            packed = io.BytesIO()
            _write_tar_gz(packed, of_day)
            _add(tar, _Member(_moment(day).strftime(pattern), day, packed.getvalue()))


def _write_run(file: IO[bytes], members: Iterator[_Member], *, packed: bool) -> None:
    """Write a tar of frames, all of it compressed where DWD does so."""
    with (
        bz2.open(file, "wb", 1) if packed else nullcontext(file) as inner,
        tarfile.open(fileobj=inner, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for member in members:
            _add(tar, member)


def _write_tar_gz(file: IO[bytes], members: Iterator[_Member]) -> None:
    with (
        gzip.GzipFile("", "wb", _LEVEL, file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for member in members:
            _add(tar, member)


def _add(tar: tarfile.TarFile, member: _Member) -> None:
    info = tarfile.TarInfo(member.name)
    info.size = len(member.data)
    info.mtime = int(member.time.astype("datetime64[s]").astype(int))
    tar.addfile(info, io.BytesIO(member.data))


def _moment(time: np.datetime64) -> datetime:
    moment: datetime = time.astype("datetime64[s]").item()
    return moment
