"""Synthetic composites of current products: the weather of `weather` in the codes that DWD's POLARA writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.grids import GRIDS
from radar_nb.dwd.products import HYDROMETEOR_CLASSES, HYDROMETEORS
from radar_nb.dwd.radar_sites import RANGE, SITES
from radar_nb.formats.odim import PackedCodes, pack_codes, write_composite
from radar_nb.formats.radolan import NO_DATA_CODE, SECONDARY, SYNTHETIC, Header, write_frame
from radar_nb.mirror.weather import radar_distance

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from radar_nb.dwd.products import Product
    from radar_nb.mirror.weather import Field, Weather


@dataclass(frozen=True, slots=True)
class _Coding:
    """How a product's values are stored in HDF5: as in files that DWD published in 2025 and 2026."""

    quantity: str
    dtype: type[np.unsignedinteger[Any]]
    gain: float
    offset: float
    undetect: int = 0

    def codes(self, values: NDArray[Any]) -> NDArray[Any]:
        """Return the codes of values; NaN means no echo."""
        codes = np.rint((values - self.offset) / self.gain)
        return np.where(np.isnan(codes), self.undetect, codes).astype(self.dtype)


_RAIN = _Coding("ACRR", np.uint32, 0.001, -0.001)
_ECHO = _Coding("DBZH", np.uint16, 0.002929821616590115, -64.00292982161659)
_CODINGS = {
    "RV": _RAIN,
    "RS": _RAIN,
    "WN": _ECHO,
    "HX": _ECHO,
    "DMAX": _ECHO,
    "VII": _Coding("VIL", np.uint16, 0.015259487586406849, -0.015259487586406849),
    "HYMECNG": _Coding("CLASS", np.uint8, 1.0, 0.0, 254),
}

IN_HDF5 = tuple(_CODINGS)
"""The products that are made in HDF5."""

IN_BINARY = ("RV", "HG", "RE")
"""The products that are made as binaries."""

_DRY = np.float32(0.06)  # mm/h: less means no echo
_HAIL, _GIANT, _STEADY = 40.0, 90.0, 0.5  # mm/h: hail and large hail above, drizzle below
_EXPONENTS = {"RV": -2, "RE": -3}  # of ten, of the steps of binaries
_COARSE = 1000.0  # m: cells of all but HX and DMAX
_NO_CLASS = 1 << 31  # DWD's HG: no data
_FINE = 4  # cells of 250 m in a kilometre
_KEPT = 64  # fields, compressed: a run shares 24 of its 25 with the previous one
_SUMMED = 48  # fields of five minutes: two runs of RS share all but one of 36


class Composites:
    """One product, from synthetic weather.

    Parameters
    ----------
    product : Product
        Of `IN_HDF5`, or of `IN_BINARY`.
    weather : Weather
    hdf5 : bool
    """

    def __init__(self, product: Product, weather: Weather, *, hdf5: bool) -> None:
        self._product = product
        self._weather = weather
        self._hdf5 = hdf5
        self._grid = GRIDS[product.grids[0]]
        self._unseen = radar_distance(self._grid if self._grid.cell == _COARSE else GRIDS["de1200-wgs84"]) > RANGE
        self._kept: dict[np.datetime64, PackedCodes] = {}
        self._minutes: dict[np.datetime64, NDArray[np.uint16]] = {}
        self._values: dict[str, Callable[[np.datetime64], NDArray[Any]]] = {
            "WN": lambda end: _reflectivity(self._rate(end)),
            "HX": lambda end: _reflectivity(self._rate(end)),
            "DMAX": lambda end: _reflectivity(self._rate(end)) + 2,  # the highest of the column is never less
            "VII": lambda end: _ice(self._rate(end)),
            "HYMECNG": lambda end: _class(self._rate(end), end),
        }

    def frame(self, time: np.datetime64, lead: int = 0) -> bytes:
        """Return the frame of a base time and a lead time in minutes.

        A forecast is perfect: it equals the weather of its time.
        """
        end = time + np.timedelta64(lead, "m")
        if not self._hdf5:
            return write_frame(self._header(time, lead), self._binary(end))
        if end not in self._kept:
            _make_room(self._kept, _KEPT)
            self._kept[end] = pack_codes(self._codes(end))
        codes, coding = self._kept[end], _CODINGS[self._product.name]
        return write_composite(
            self._header(time, lead),
            codes,
            quantity=coding.quantity,
            gain=coding.gain,
            offset=coding.offset,
            undetect=coding.undetect,
            method=SYNTHETIC,
        )

    def _codes(self, end: np.datetime64) -> NDArray[Any]:
        name = self._product.name
        if _CODINGS[name] is _RAIN:  # thousandths of a millimetre, one more where it rains
            codes = (self._hour(end) if name == "RS" else self._fine(end)).astype(_RAIN.dtype)
            codes += codes > 0
        else:
            codes = _CODINGS[name].codes(self._values[name](end))
        codes[self._unseen] = np.iinfo(codes.dtype).max
        if name in {"HX", "DMAX"}:
            return codes.repeat(_FINE, axis=0).repeat(_FINE, axis=1)
        return codes

    def _binary(self, end: np.datetime64) -> Any:
        """Return the codes of a binary.

        An RV holds its HDF5's amounts in whole hundredths, at least one where it rains: in 33 million cells of
        DWD's files (29 September 2026) counts are max(1, floor(mm / 0.01)).
        """
        if self._product.name == "RV":
            fine = self._fine(end)
            codes = np.where(fine > 0, np.maximum(fine // 10, 1), 0).astype(np.uint16)
            codes[self._unseen] = NO_DATA_CODE
            return codes
        if self._product.name == "RE":
            solid = _solid(self._rate(end), end)
            codes = np.where(solid > 0, solid | np.uint16(SECONDARY), 0).astype(np.uint16)
            codes[self._unseen] = NO_DATA_CODE
            return codes
        bits = {word: bit for bit, word in HYDROMETEORS.items()}
        kinds = _class(self._rate(end), end)
        classes = np.full(kinds.shape, bits["no_precipitation"], np.uint32)
        for number, word in enumerate(HYDROMETEOR_CLASSES):
            classes[kinds == number] = bits.get(word, bits["hail"])
        classes[self._unseen] = _NO_CLASS
        return classes

    def _rate(self, end: np.datetime64) -> Field:
        # the weather is computed on the sphere; the cells of the larger grid have the same values
        return self._weather.rate(end, GRIDS["de900" if self._product.name == "RE" else "de1200"])

    def _fine(self, end: np.datetime64) -> NDArray[np.uint16]:
        """Return the amount of the five minutes that end at a time, in 0.001 mm."""
        if end not in self._minutes:
            _make_room(self._minutes, _SUMMED)
            self._minutes[end] = np.rint(self._rate(end) * (1000 / 12)).astype(np.uint16)
        return self._minutes[end]

    def _hour(self, end: np.datetime64) -> NDArray[np.uint32]:
        """Return the amount of the hour that ends at a time, in 0.001 mm."""
        parts = [self._fine(end - np.timedelta64(back, "m")) for back in range(0, 60, 5)]
        total: NDArray[np.uint32] = np.sum(parts, axis=0, dtype=np.uint32)
        return total

    def _header(self, time: np.datetime64, lead: int) -> Header:
        forecast = bool(self._product.leads)
        return Header(
            product=self._product.name,
            time=time,
            rows=self._grid.rows,
            cols=self._grid.cols,
            precision=_EXPONENTS.get(self._product.name, 0),
            interval=self._product.interval,
            version=5,
            software=SYNTHETIC,
            radars=tuple(f"de{site}" for site in sorted(SITES)),
            lead=lead if forecast else None,
            module_flags="00000008" if forecast else None,
        )


def _make_room(kept: dict[Any, Any], count: int) -> None:
    """Remove the oldest entries; other threads may do the same."""
    while len(kept) >= count:
        kept.pop(next(iter(kept.copy()), None), None)


def _where_wet(rate: Field, values: Callable[[Field], NDArray[Any]]) -> NDArray[np.float32]:
    """Return values of the rate where there is an echo, in a sixth of the cells, and NaN elsewhere."""
    found, wet = np.full(rate.shape, np.nan, np.float32), rate >= _DRY
    found[wet] = values(rate[wet])
    return found


def _reflectivity(rate: Field) -> NDArray[np.float32]:
    """Return dBZ by DWD's Z = 256 R^1.42, NaN without an echo."""
    return _where_wet(rate, lambda wet: 10 * np.log10(256 * wet**1.42))


def _ice(rate: Field) -> NDArray[np.float32]:
    """Return kg m-2, ten for a hard shower of 40 mm/h."""
    return _where_wet(rate, lambda wet: wet / 4)


def _snows(end: np.datetime64) -> bool:
    return int(end.astype("datetime64[M]").astype(int)) % 12 in {0, 1, 11}


def _solid(rate: Field, end: np.datetime64) -> NDArray[np.uint16]:
    """Return the solid share in thousandths: in winter the more the weaker the rain, in summer a little hail."""
    share = 1000 - 10 * np.minimum(rate, 50) if _snows(end) else np.where(rate > _HAIL, 100, 0)
    return np.where(rate < _DRY, 0, np.rint(share)).astype(np.uint16)


def _class(rate: Field, end: np.datetime64) -> NDArray[np.float32]:
    """Return classes by intensity and season, NaN without an echo."""
    names = ("drizzle", "snow" if _snows(end) else "rain", "hail", "large_hail")
    numbers = np.array([HYDROMETEOR_CLASSES.index(name) for name in names], np.float32)
    return _where_wet(rate, lambda wet: numbers[np.digitize(wet, (_STEADY, _HAIL, _GIANT))])
