"""Synthetic frames: `radar_nb.mirror.weather` in the formats of DWD's products."""

from __future__ import annotations

import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from radar_nb.dwd.grids import GRIDS
from radar_nb.dwd.products import PRODUCTS, product
from radar_nb.dwd.radar_sites import RANGE, SITES
from radar_nb.errors import UnknownProduct
from radar_nb.formats.odim import write_composite
from radar_nb.formats.radolan import (
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
from radar_nb.mirror.composites import IN_BINARY, IN_HDF5, Composites
from radar_nb.mirror.weather import Weather, clutter_cells, radar_distance

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from concurrent.futures import Future

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid
    from radar_nb.dwd.products import FamilyName, Product

_EXPONENT = {"YW": -2, "RY": -2, "RW": -1, "SF": -1, "RX": 0}
_HDF5 = {  # quantity and gain: rates of five minutes, sums of hours and days, as DWD has them
    "YW": ("RATE", 0.12),
    "RY": ("RATE", 0.12),
    "RW": ("ACRR", 0.1),
    "SF": ("ACRR", 0.1),
}

SUPPORTED = (*_EXPONENT, *IN_BINARY)
"""The products that can be made from synthetic weather as binaries."""

SUPPORTED_HDF5 = (*_HDF5, *IN_HDF5)
"""The products that can be made from synthetic weather in HDF5."""

_GAUGES = 165.0  # km: in a rim beyond the range, RW and SF hold amounts from gauges alone, flagged as secondary
_weather = lru_cache(maxsize=2)(Weather)


@lru_cache(maxsize=24)
def _five_minutes(weather: Weather, grid: Grid, time: np.datetime64) -> NDArray[np.uint16]:
    """Return amounts in 0.01 mm, shared between callers: hours that are published every ten minutes overlap."""
    counts: NDArray[np.uint16] = np.rint(weather.rate(time, grid) * (100 / 12)).astype(np.uint16)
    return counts


@lru_cache(maxsize=2)
def _composites(item: Product, seed: int, *, hdf5: bool) -> Composites:
    """Return composites that are kept between calls: a run shares 24 of its 25 fields with the one before."""
    return Composites(item, _weather(seed), hdf5=hdf5)


def synthetic_runs(
    name: str | Product,
    times: Iterable[np.datetime64],
    *,
    hdf5: bool = True,
    leads: Sequence[int] | None = None,
    seed: int = 0,
    workers: int | None = None,
) -> Generator[tuple[np.datetime64, int, bytes], None, None]:
    """Yield all frames of forecasts: one for each base time and lead time.

    The forecasts are perfect: they equal the weather of the seed at their time.

    Parameters
    ----------
    name : str or Product
        One with lead times.
    times : iterable of numpy.datetime64
        Base times, UTC.
    hdf5, seed, workers
        As for `synthetic_frames`.
    leads : sequence of int, optional
        Minutes; all of the product's by default.

    Yields
    ------
    time : numpy.datetime64[s]
    lead : int
    frame : bytes
    """
    item = _supported(name, hdf5=hdf5)
    source = _composites(item, seed, hdf5=hdf5)
    wanted = [(time.astype("datetime64[s]"), lead) for time in times for lead in leads or item.leads]
    threads = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        frames = ahead(lambda one: source.frame(*one), wanted, pool, 2 * threads)
        yield from ((time, lead, frame) for (time, lead), frame in zip(wanted, frames, strict=True))


def synthetic_frames(
    name: str | Product,
    times: Iterable[np.datetime64],
    *,
    family: FamilyName = "radolan",
    hdf5: bool = False,
    lead: int = 0,
    seed: int = 0,
    workers: int | None = None,
) -> Generator[tuple[np.datetime64, bytes], None, None]:
    """Yield frames of synthetic weather in the formats of DWD.

    All products of a seed show the same weather: an RW is the sum of its twelve YW, rounded to 0.1 mm, an SF the
    sum of its 24 RW. A frame does not depend on which other frames are requested.

    Parameters
    ----------
    name : str or Product
        One of `SUPPORTED`, or of `SUPPORTED_HDF5`.
    times : iterable of numpy.datetime64
        Ends of the intervals, UTC, in order; base times of forecasts.
    family : {"radolan", "radklim", "nrt"}
        RADKLIM has its own grid and header, and flags clutter.
    hdf5 : bool
        Whether to make ODIM HDF5, on a larger grid and on the WGS84 ellipsoid, instead of binary frames. A cell
        has the rain of the same cell of the binaries: their grids differ by half a kilometre in the mean.
    lead : int
        For forecasts, minutes from base time to the interval's end.
    seed : int
    workers : int, optional
        Number of threads; by default the number of processors. It does not change the frames.

    Yields
    ------
    time : numpy.datetime64[s]
    frame : bytes
        What `radar_nb.formats.radolan.read_frame` or `radar_nb.formats.odim.read_composite` reads.

    Raises
    ------
    UnknownProduct
        The product cannot be made from synthetic weather.

    Examples
    --------
    >>> time, frame = next(synthetic_frames("YW", [np.datetime64("2020-06-13T15:25")], family="radklim"))
    >>> frame[:20]
    b'YW131525100000620BY1'
    """
    item = _supported(name, hdf5=hdf5)
    stamps = [time.astype("datetime64[s]") for time in times]
    threads = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        if item.name in (IN_HDF5 if hdf5 else IN_BINARY):
            make = partial(_composites(item, seed, hdf5=hdf5).frame, lead=lead)
            yield from zip(stamps, ahead(make, stamps, pool, 2 * threads), strict=True)
            return
        source = _Source(item, family, seed, hdf5=hdf5)
        if item.name == "SF":
            yield from _days(source, stamps, pool, 2 * threads)
        else:
            yield from zip(stamps, ahead(source.frame, stamps, pool, 2 * threads), strict=True)


def _supported(name: str | Product, *, hdf5: bool) -> Product:
    item = product(name)
    supported = SUPPORTED_HDF5 if hdf5 else SUPPORTED
    if item.name not in supported:
        raise UnknownProduct(
            f"{item.name} cannot be made from synthetic weather{' in HDF5' * hdf5}: "
            f"choose one of {', '.join(supported)}"
        )
    return item


_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


def ahead(
    work: Callable[[_Item], _Result], items: Iterable[_Item], pool: ThreadPoolExecutor, count: int
) -> Iterator[_Result]:
    """Map in threads and in order, with no more than `count` results in memory."""
    waiting: deque[Future[_Result]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) > count:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _days(
    source: _Source, times: Sequence[np.datetime64], pool: ThreadPoolExecutor, count: int
) -> Iterator[tuple[np.datetime64, bytes]]:
    """Sum the last 24 hours of every time; hours shared by several times are computed once."""
    wanted = set(times)
    hours = sorted({time - np.timedelta64(back, "h") for time in wanted for back in range(24)})
    last: deque[NDArray[np.uint16]] = deque(maxlen=24)
    for hour, counts in zip(hours, ahead(source.hour, hours, pool, count), strict=True):
        last.append(counts)
        if hour in wanted:
            yield hour, source.packed(hour, np.sum(last, axis=0, dtype=np.uint16))


class _Source:
    """One product of one family, from the weather of one seed."""

    def __init__(self, item: Product, family: FamilyName, seed: int, *, hdf5: bool) -> None:
        self._product = item.name
        self._radklim = family == "radklim" and not hdf5
        self._hdf5 = hdf5
        self._weather = _weather(seed)
        # the weather is computed on the sphere; the cells of the larger grid have the same values
        self._grid = GRIDS["de1200" if hdf5 else "de1100" if self._radklim else "de900"]
        self._distance = radar_distance(GRIDS["de1200-wgs84"] if hdf5 else self._grid)
        self._clutter = clutter_cells(self._grid, seed) if self._radklim else None

    def frame(self, time: np.datetime64) -> bytes:
        """Return the frame of a time; not for SF, which is a sum over frames."""
        if self._product == "RX":
            return self._reflectivity(time)
        return self.packed(time, self.hour(time) if self._product == "RW" else self.five_minutes(time))

    def five_minutes(self, time: np.datetime64) -> NDArray[np.uint16]:
        """Return the amount of the five minutes that end at a time, in 0.01 mm."""
        return _five_minutes(self._weather, self._grid, time).copy()

    def hour(self, time: np.datetime64) -> NDArray[np.uint16]:
        """Return the amount of the hour that ends at a time, in 0.1 mm."""
        total = self.five_minutes(time)
        for back in range(5, 60, 5):
            total += _five_minutes(self._weather, self._grid, time - np.timedelta64(back, "m"))
        return (total + np.uint16(5)) // np.uint16(10)

    def packed(self, time: np.datetime64, counts: NDArray[np.uint16]) -> bytes:
        """Return the frame of a time with flags for cells out of range and clutter."""
        limit = _GAUGES if self._product in {"RW", "SF"} and not self._radklim else RANGE
        if self._hdf5:
            quantity, gain = _HDF5[self._product]
            counts[self._distance > limit] = np.iinfo(np.uint16).max
            return write_composite(self._header(time), counts, quantity=quantity, gain=gain, method=SYNTHETIC)
        np.minimum(counts, VALUE, out=counts)
        if self._clutter is not None:
            counts[self._clutter] |= np.uint16(CLUTTER)
        elif limit > RANGE:
            counts[(self._distance > RANGE) & (self._distance <= limit)] |= np.uint16(SECONDARY)
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
        """Return a header with the tokens of the family's real files, but the name of this software."""
        flags = "00000001" if self._product == "RW" else "00000000" if self._radklim else None
        return Header(
            product=self._product,
            time=time,
            rows=self._grid.rows,
            cols=self._grid.cols,
            precision=_EXPONENT[self._product],
            interval=PRODUCTS[self._product].interval,
            version=5 if self._hdf5 else 3,
            software=SYNTHETIC,
            radars=tuple(f"de{site}" for site in sorted(SITES)) if self._hdf5 else tuple(SITES),
            contributions=tuple((site, 24) for site in sorted(SITES)) if self._product == "SF" else (),
            module_flags=flags,
            reanalysis="2017.002" if self._radklim else None,
            interval_unit=0 if self._radklim else None,
        )
