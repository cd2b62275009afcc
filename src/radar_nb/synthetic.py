"""Synthetic frames and archives: `radar_nb.weather` in the bytes, names and folders of DWD's server."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import tarfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from functools import lru_cache, partial
from itertools import groupby, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from radar_nb.catalogue import choose_family
from radar_nb.eras import ERAS
from radar_nb.errors import CoverageError, MonthError, StorageError, UnknownProduct
from radar_nb.frames import (
    BYTE_CLUTTER,
    BYTE_NO_DATA,
    CLUTTER,
    NO_DATA_CODE,
    SECONDARY,
    SYNTHETIC,
    VALUE,
    Header,
    write_frame,
)
from radar_nb.grids import GRIDS
from radar_nb.months import month_range, time_steps
from radar_nb.products import PRODUCTS, product
from radar_nb.progress import Progress, reporting
from radar_nb.sites import RANGE, SITES
from radar_nb.weather import Weather, clutter_cells, radar_distance
from radar_nb.workspace import local_path, replacing, storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from radar_nb.eras import Era
    from radar_nb.months import Month
    from radar_nb.products import Family, FamilyName, Product
    from radar_nb.progress import Reporter

SUPPORTED = ("YW", "RY", "RW", "SF", "RX")
"""The products that synthetic weather can be published as."""

_GAUGES = 165.0  # km: RW and SF hold amounts from gauges alone in a rim beyond the range, flagged as secondary
_weather = lru_cache(maxsize=2)(Weather)
_RECIPE = 1  # to be raised when the same seed comes to give other bytes
_LEVEL = 1  # of gzip: four times faster than the usual 6, and rain is mostly zeros


def make_archives(
    root: Path | str,
    name: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: str = "auto",
    seed: int = 0,
    days: Collection[int] | None = None,
    workers: int | None = None,
    progress: bool | Reporter = True,
) -> tuple[Path, ...]:
    """Fill a folder with synthetic archives under DWD's paths, names, nesting and compression.

    The same call makes the same bytes. What an earlier call has made of the same seed and days is kept.

    Parameters
    ----------
    root : path
        Takes the place of the server's root.
    name : str or Product
    first, last
        Months, as for `radar_nb.plan`; both belong to the range.
    source : {"auto", "radklim", "radolan", "nrt"}
        The family, as for `radar_nb.plan`.
    seed : int
        Another seed is other weather.
    days : collection of int, optional
        Days of the month to make; archives of months then hold only these. By default all, in near real time the
        last two, since DWD keeps 48 hours.
    workers : int, optional
        Threads; by default as many as there are processors.
    progress : bool or Reporter

    Returns
    -------
    tuple of pathlib.Path
        The archives, in the order of time.

    Raises
    ------
    UnknownProduct
        No synthetic frames of the product can be made, or it has no such family.
    CoverageError
        DWD files no such archive.
    MonthError
        The range is none, or a month has none of the days.
    StorageError
        The disk refused, or a file of the same name is not synthetic: it is not overwritten.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     paths = make_archives(folder, "YW", "2020-06", days=[31], progress=False)
    Traceback (most recent call last):
    radar_nb.errors.MonthError: 2020-06 has none of the days [31]: give some of 1 to 30 (days=)
    """
    item = product(name)
    months = month_range(first, last)
    family = choose_family(item, months, source, datetime.now(UTC))
    eras = {month: _era(item, family, month) for month in months}
    files = {
        month: [
            _File(Path(root), path, list(times), seed)
            for path, times in groupby(_times(family, month, days), partial(_path, eras[month]))
        ]
        for month in months
    }
    with reporting(progress) as report:
        for month in months:
            todo = [file for file in files[month] if not file.is_done()]
            _make_month(eras[month], month, todo, seed=seed, workers=workers, report=report)
    return tuple(file.target for month in months for file in files[month])


def _make_month(
    era: Era, month: Month, files: Sequence[_File], *, seed: int, workers: int | None, report: Reporter
) -> None:
    """Make a month's files one after the other, from one stream of frames."""
    times = [time for file in files for time in file.times]
    stem = era.product.lower() + ("2017.002" if era.family == "radklim" else "")
    with (
        closing(synthetic_frames(era.product, times, family=era.family, seed=seed, workers=workers)) as frames,
        ThreadPoolExecutor(_threads(workers)) as pool,
    ):
        members = _ahead(partial(_member, _compression(era, month), stem), frames, pool, _threads(workers))
        counted = _counted(members, len(times), report, f"make {era.product} {month}")
        for file in files:
            file.make(islice(counted, len(file.times)))


def _era(item: Product, family: Family, month: Month) -> Era:
    """Choose how DWD files the month: as it is known to, else as it does while the month is recent."""
    eras = [
        era
        for era in ERAS
        if (era.product, era.family) == (item.name, family.name) and era.may_hold(month) and not era.supplement
    ]
    if not eras:
        raise CoverageError(f"{item.name} of {month} is not in {family.name}, which holds {family.span}")
    return min(eras, key=lambda era: (not era.knows(month), era.last is not None))  # the first of equals


def _path(era: Era, time: np.datetime64) -> str:
    return era.path(_moment(time))


def _times(family: Family, month: Month, days: Collection[int] | None) -> list[np.datetime64]:
    if days is None:
        days = range(month.days - 1 if family.first is None else 1, month.days + 1)
    wanted = set(days) & set(range(1, month.days + 1))
    if not wanted:
        raise MonthError(f"{month} has none of the days {sorted(days)}: give some of 1 to {month.days} (days=)")
    return [
        time for time in time_steps(month, every=family.every, minute=family.minute) if _moment(time).day in wanted
    ]


def _counted(members: Iterator[_Member], total: int, report: Reporter, task: str) -> Iterator[_Member]:
    for done, member in enumerate(members, 1):
        report(Progress(task=task, done=done, total=total, unit="frames", note=member.name))
        yield member


class _Member(NamedTuple):
    """A file in an archive, or one on its own."""

    name: str
    time: np.datetime64
    data: bytes


class _File:
    """One archive to make, with a hidden note beside it that tells what it was made of."""

    def __init__(self, root: Path, path: str, times: Sequence[np.datetime64], seed: int) -> None:
        self.target = local_path(root, path)
        self.times = times
        self._note = self.target.with_name(f".{self.target.name}.synthetic")
        days = sorted({_moment(time).day for time in times})
        self._recipe = f"{_RECIPE}: seed {seed}, {len(times)} frames of the days {days}"
        if self.target.exists() and not self._note.exists():
            raise StorageError(
                f"{self.target} is there already and not known to be synthetic, so it is not overwritten: "
                "make synthetic archives in a folder of their own"
            )

    def is_done(self) -> bool:
        """Tell whether the archive is there, made of the same."""
        return self.target.exists() and self._note.read_text("utf-8") == self._recipe

    def make(self, members: Iterator[_Member]) -> None:
        """Write the archive; the note is unfinished for as long as the archive is."""
        with replacing(self.target, durable=False) as file:
            self._write_note("unfinished")
            if self.target.suffix == ".tar":
                _write_days(file, members)
            elif self.target.name.endswith(".tar.gz"):
                _write_tar_gz(file, members)
            else:
                file.writelines(member.data for member in members)
        self._write_note(self._recipe)

    def _write_note(self, text: str) -> None:
        with storage_errors(self._note):
            self._note.write_text(text, "utf-8")


def _compression(era: Era, month: Month) -> Callable[[bytes], bytes] | None:
    """Choose how single frames are compressed, inside archives or on their own."""
    if era.name.endswith(".bz2"):
        return bz2.compress
    # old archives of hourly RW hold .gz files; until when is not documented, and 2019 a guess of ours
    old = (era.product, era.family, era.piece) == ("RW", "radolan", "month") and month.year < 2020
    return _gzip if old or era.piece == "frame" else None


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, _LEVEL, mtime=0)


def _member(compress: Callable[[bytes], bytes] | None, stem: str, stamped: tuple[np.datetime64, bytes]) -> _Member:
    time, frame = stamped
    name = _moment(time).strftime(f"raa01-{stem}_10000-%y%m%d%H%M-dwd---bin")
    if compress is None:
        return _Member(name, time, frame)
    return _Member(f"{name}.gz", time, compress(frame))


def _write_days(file: IO[bytes], members: Iterator[_Member]) -> None:
    """Write a tar that holds a .tar.gz for each day."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for day, of_day in groupby(members, lambda member: member.time.astype("datetime64[D]")):
            packed = io.BytesIO()
            _write_tar_gz(packed, of_day)
            _add(tar, _Member(_moment(day).strftime("YW2017.002_%Y%m%d.tar.gz"), day, packed.getvalue()))


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


def synthetic_frames(
    name: str | Product,
    times: Iterable[np.datetime64],
    *,
    family: FamilyName = "radolan",
    seed: int = 0,
    workers: int | None = None,
) -> Generator[tuple[np.datetime64, bytes], None, None]:
    """Give frames of synthetic weather, one after the other, as DWD would publish them.

    All products of a seed show the same weather: an RW is the sum of its twelve YW, rounded to 0.1 mm, an SF the
    sum of its 24 RW. A frame does not depend on which others are asked for.

    Parameters
    ----------
    name : str or Product
        One of `SUPPORTED`.
    times : iterable of numpy.datetime64
        Ends of the intervals, UTC, in order.
    family : {"radolan", "radklim", "nrt"}
        RADKLIM has its own grid and header, and flags clutter.
    seed : int
    workers : int, optional
        Threads that compute; by default as many as there are processors. The frames are the same.

    Yields
    ------
    time : numpy.datetime64[s]
    frame : bytes
        What `radar_nb.frames.read_frame` reads.

    Raises
    ------
    UnknownProduct
        No synthetic frames of this product can be made.

    Examples
    --------
    >>> time, frame = next(synthetic_frames("YW", [np.datetime64("2020-06-13T15:25")], family="radklim"))
    >>> frame[:20]
    b'YW131525100000620BY1'
    """
    item = product(name)
    if item.name not in SUPPORTED:
        raise UnknownProduct(
            f"{item.name} cannot be made from synthetic weather: possible are {', '.join(SUPPORTED)}"
        )
    source = _Source(item, family, seed)
    stamps = [time.astype("datetime64[s]") for time in times]
    threads = _threads(workers)
    with ThreadPoolExecutor(threads) as pool:
        if item.name == "SF":
            yield from _days(source, stamps, pool, 2 * threads)
        else:
            yield from zip(stamps, _ahead(source.frame, stamps, pool, 2 * threads), strict=True)


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def _threads(workers: int | None) -> int:
    return workers or os.cpu_count() or 1


def _ahead(
    work: Callable[[_Item], _Result], items: Iterable[_Item], pool: ThreadPoolExecutor, ahead: int
) -> Iterator[_Result]:
    """Map in threads and in order, with no more than `ahead` results in memory."""
    waiting: deque[Future[_Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _days(
    source: _Source, times: Sequence[np.datetime64], pool: ThreadPoolExecutor, ahead: int
) -> Iterator[tuple[np.datetime64, bytes]]:
    """Sum the last 24 hours of every time: hours that several times share are made once."""
    wanted = set(times)
    hours = sorted({time - np.timedelta64(back, "h") for time in wanted for back in range(24)})
    last: deque[NDArray[np.uint16]] = deque(maxlen=24)
    for hour, counts in zip(hours, _ahead(source.hour, hours, pool, ahead), strict=True):
        last.append(counts)
        if hour in wanted:
            yield hour, source.packed(hour, np.minimum(np.sum(last, axis=0, dtype=np.uint16), VALUE))


class _Source:
    """One product of one family, made from the weather of one seed."""

    def __init__(self, item: Product, family: FamilyName, seed: int) -> None:
        self._product = item.name
        self._family = family
        self._weather = _weather(seed)
        self._grid = GRIDS["de1100" if family == "radklim" else "de900"]
        self._distance = radar_distance(self._grid)
        self._clutter = clutter_cells(self._grid, seed) if family == "radklim" else None

    def frame(self, time: np.datetime64) -> bytes:
        """Give the frame of a time; not for SF, which is a sum over frames."""
        if self._product == "RX":
            return self._reflectivity(time)
        return self.packed(time, self.hour(time) if self._product == "RW" else self.five_minutes(time))

    def five_minutes(self, time: np.datetime64) -> NDArray[np.uint16]:
        """Give the amount of the five minutes that end at a time, in 0.01 mm."""
        counts: NDArray[np.uint16] = np.rint(self._weather.rate(time, self._grid) * (100 / 12)).astype(np.uint16)
        return counts

    def hour(self, time: np.datetime64) -> NDArray[np.uint16]:
        """Give the amount of the hour that ends at a time, in 0.1 mm."""
        total = self.five_minutes(time)
        for back in range(5, 60, 5):
            total += self.five_minutes(time - np.timedelta64(back, "m"))
        return (total + np.uint16(5)) // np.uint16(10)

    def packed(self, time: np.datetime64, counts: NDArray[np.uint16]) -> bytes:
        """Give the frame of a time with the flags of what the radars cannot see, or see wrongly."""
        limit = RANGE
        if self._clutter is not None:
            counts[self._clutter] |= np.uint16(CLUTTER)
        elif self._product in {"RW", "SF"}:
            counts[(self._distance > RANGE) & (self._distance <= _GAUGES)] |= np.uint16(SECONDARY)
            limit = _GAUGES
        counts[self._distance > limit] = NO_DATA_CODE
        return write_frame(self._header(time), counts)

    def _reflectivity(self, time: np.datetime64) -> bytes:
        rate = np.maximum(self._weather.rate(time, self._grid), 1e-3)
        dbz = 10 * np.log10(256 * rate**1.42)  # DWD's Z = 256 R^1.42
        codes = np.clip(np.rint(2 * (dbz + 32.5)), 0, BYTE_CLUTTER - 1)  # RVP6: dBZ = code / 2 - 32.5
        codes[rate < 0.06] = 0
        codes[self._distance > RANGE] = BYTE_NO_DATA
        return write_frame(self._header(time), codes.astype(np.uint8))

    def _header(self, time: np.datetime64) -> Header:
        """Give a header with the tokens of the family's real files; the software's name tells the truth."""
        radklim = self._family == "radklim"
        flags = "00000001" if self._product == "RW" else "00000000" if radklim else None
        return Header(
            product=self._product,
            time=time,
            rows=self._grid.rows,
            cols=self._grid.cols,
            precision=_EXPONENT[self._product],
            interval=PRODUCTS[self._product].interval,
            software=SYNTHETIC,
            radars=tuple(SITES),
            contributions=tuple((site, 24) for site in sorted(SITES)) if self._product == "SF" else (),
            module_flags=flags,
            reanalysis="2017.002" if radklim else None,
            interval_unit=0 if radklim else None,
        )


_EXPONENT = {"YW": -2, "RY": -2, "RW": -1, "SF": -1, "RX": 0}
