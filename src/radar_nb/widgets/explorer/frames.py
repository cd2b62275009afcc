"""A variable as a reel: its fields one after the other, as small exact codes that a browser can colour."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from zlib_ng import zlib_ng

from radar_nb.errors import SeriesError
from radar_nb.plots.selection import checked
from radar_nb.runtime.wording import decimal

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_VALUE = 0xFFFF
"""The code of a cell without data."""

_LONGEST = 0xFFFF
"""Cells of a run: its length is a 16-bit word."""

_LEVEL = 2
"""Of deflate. With runs a rainy field of YW (1,980 kB) takes 1.7 ms and 36 kB; without them 1.3 ms and 44 kB, but
9 ms in the browser that inflates it, instead of 3. Level 6 would take 6.6 ms and 31 kB."""

_FEWEST, _MOST, _CELLS = 4, 64, 4_000_000
"""Fields read at once, and the cells that make them fewer: 8 MB of codes."""

_SPREAD = 256
"""So many times fewer cells are read at once out of pieces, most of which is thrown away: 15,625 steps of one."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One field as codes: `value = code * scale + offset`, missing where the code is `NO_VALUE`.

    Attributes
    ----------
    codes : ndarray of uint16, shape (rows, cols)
        First row in the south, first column in the west.
    scale, offset : float
        In the unit of the values.
    """

    codes: NDArray[np.uint16]
    scale: float
    offset: float

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Which cells have a value."""
        found: NDArray[np.bool_] = self.codes != NO_VALUE
        return found

    @property
    def count(self) -> int:
        """How many cells have a value."""
        return int(np.count_nonzero(self.codes != NO_VALUE))

    @property
    def values(self) -> NDArray[np.float32]:
        """The values, NaN where missing."""
        values = self.codes * np.float32(self.scale)
        if self.offset:
            values += np.float32(self.offset)
        values[self.codes == NO_VALUE] = np.nan
        return values

    def share(self, least: float) -> float:
        """Give the share, 0 to 1, of the cells with data whose value is not below `least`; 0 without data."""
        valid = self.count
        first = np.ceil(round((least - self.offset) / self.scale, 6))
        if not valid or first >= NO_VALUE:
            return 0.0
        return (int(np.count_nonzero(self.codes >= max(first, 0))) - (self.codes.size - valid)) / valid

    def packed(self) -> bytes:
        """Give the codes, row by row from the south, as a zlib stream of little-endian 16-bit words.

        Two words count the runs of equal codes, the low one first; then come the codes of all runs, then their
        lengths. Where runs would not make it shorter, two zeros come before the codes of all cells.
        """
        codes = np.ascontiguousarray(self.codes, "<u2").ravel()
        starts = np.concatenate(([0], np.flatnonzero(codes[1:] != codes[:-1]) + 1))
        if 3 * starts.size > codes.size:
            return _deflated(np.zeros(2, "<u2"), codes)
        lengths = np.diff(starts, append=codes.size)
        parts = -(-lengths // _LONGEST)  # how many runs a longer one needs
        split = np.full(parts.sum(), _LONGEST, "<u2")
        split[parts.cumsum() - 1] = lengths - (parts - 1) * _LONGEST
        count = np.array([split.size & 0xFFFF, split.size >> 16], "<u2")
        return _deflated(count, np.repeat(codes[starts], parts), split)


def _deflated(*words: NDArray[np.uint16]) -> bytes:
    packed: bytes = zlib_ng.compress(np.concatenate(words), _LEVEL)
    return packed


def packed_mask(mask: NDArray[np.bool_]) -> bytes:
    """Give a mask as a zlib stream of one byte a cell, row by row from the south."""
    packed: bytes = zlib_ng.compress(np.ascontiguousarray(mask, np.uint8), 6)
    return packed


def pack(values: NDArray[Any]) -> Picture:
    """Give any numbers as a picture: exact for hundredths and whole numbers that fit, else in 65,534 steps.

    Parameters
    ----------
    values : ndarray, shape (rows, cols)
        NaN and infinities are missing.

    Examples
    --------
    >>> picture = pack(np.array([[0.0, 655.34], [np.nan, 1.25]]))
    >>> picture.scale, picture.codes.tolist()
    (0.01, [[0, 65534], [65535, 125]])
    """
    values = np.asarray(values, np.float64)
    valid = np.isfinite(values)
    seen = values[valid]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    for scale in (1.0, 0.01):
        if high - min(low, 0.0) < scale * NO_VALUE and np.allclose(
            counts := seen / scale, np.rint(counts), atol=1e-3
        ):
            return _picture(values, valid, scale, float(np.floor(min(low, 0.0))))
    return _picture(values, valid, (high - low) / (NO_VALUE - 1) or 1.0, low)


def _picture(values: NDArray[Any], valid: NDArray[np.bool_], scale: float, offset: float) -> Picture:
    counts = np.rint((np.where(valid, values, offset) - offset) / scale)
    codes = np.where(valid, np.clip(counts, 0, NO_VALUE - 1), NO_VALUE).astype(np.uint16)
    return Picture(codes=codes, scale=scale, offset=offset)


class Reel:
    """The fields of one variable, read when they are asked for; nothing is held.

    Parameters
    ----------
    data : xarray.DataArray
        Of shape (y, x), or with one more dimension, along which it plays; dimensions of length one are left aside.
        Values, or the raw integers of `open_dataset(..., packed=True)`, which are read fastest.

    Attributes
    ----------
    data : xarray.DataArray
        With rising `y` and `x` as its last dimensions.
    along : str or None
        The dimension along which it plays; None for one field alone.
    times : ndarray of datetime64[ms] or None
        Of each field, UTC, the end of its interval; None where the fields have no times.
    turned : bool
        Whether `y` or `x` fell before.
    together : int
        How many fields are read at once: a few of YW, more where they are small.
    cut : bool
        Whether the fields lie in pieces, as a cube's do: a cell's series is then read without the fields.

    Raises
    ------
    SeriesError
        There is no field, or more than one dimension to play along.
    """

    def __init__(self, data: xr.DataArray) -> None:
        checked(data)
        data = data.squeeze([name for name in data.dims if name not in ("y", "x") and data.sizes[name] == 1])
        further = [str(name) for name in data.dims if name not in ("y", "x")]
        if len(further) > 1:
            sizes = ", ".join(f"{name} ({data.sizes[name]})" for name in further)
            raise SeriesError(
                f"{data.name!r} can play along one dimension only, and has {sizes}: choose with .isel"
            )
        self.along = further[0] if further else None
        data = data.transpose(*further, "y", "x")
        turned = [name for name in ("y", "x") if data[name].values[0] > data[name].values[-1]]
        self.data = data.isel({name: slice(None, None, -1) for name in turned})
        self.turned = bool(turned)
        if self.along and not data.sizes[self.along]:
            raise SeriesError(f"{data.name!r} holds no field: its {self.along} is empty. Choose a part with steps")
        self.times = self._times()
        self.together = min(_MOST, max(_FEWEST, _CELLS // (self.shape[0] * self.shape[1])))
        kept = dict(data.chunksizes) or data.encoding.get("preferred_chunks", {})
        self.cut = any(np.max(kept.get(name, data.sizes[name])) < data.sizes[name] for name in ("y", "x"))
        self._steps = _steps(self.data)

    def __len__(self) -> int:
        return int(self.data.sizes[self.along]) if self.along else 1

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.data.sizes["y"]), int(self.data.sizes["x"])

    @property
    def units(self) -> str:
        """As in the attributes."""
        return str(self.data.attrs.get("units", ""))

    @property
    def minutes(self) -> int | None:
        """The interval of amounts, where it is known."""
        minutes = self.data.attrs.get("interval_minutes")
        return int(minutes) if minutes and self.times is not None else None

    def _times(self) -> NDArray[np.datetime64] | None:
        for name in ("prediction_time", "time", self.along):
            coord = self.data.coords.get(name) if name else None
            if coord is not None and coord.dtype.kind == "M" and coord.dims in ((), (self.along,)):
                return np.atleast_1d(coord.values).astype("datetime64[ms]")
        return None

    def pictures(self, first: int, stop: int) -> list[Picture]:
        """Read the fields from `first` to before `stop`: a few at a time, they are all held."""
        part = self.data.isel({self.along: slice(first, stop)}) if self.along else self.data.expand_dims("one")
        return [self._picture(field) for field in part.values]

    def box(self, first: int, stop: int, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Read a box of the fields from `first` to before `stop`: shape (n, rows, cols), NaN where missing."""
        part = self.data.isel(y=rows, x=cols)
        part = part.isel({self.along: slice(first, stop)}) if self.along else part.expand_dims("one")
        values = part.values
        if self._steps is None:  # each field has steps of its own
            return np.stack([self._picture(field).values for field in values])
        return self._picture(values).values

    def stretch(self, cells: int) -> int:
        """Give how many fields' values of some cells are read at once."""
        return max(2 * self.together, _CELLS // (_SPREAD * cells)) if self.cut else 2 * self.together

    def _picture(self, field: NDArray[Any]) -> Picture:
        if self._steps is None:
            return pack(field)
        scale, offset, fill = self._steps
        if fill is None:
            return _picture(field, np.isfinite(field), scale, offset)
        codes = field.astype(np.uint16, copy=False)
        if fill != NO_VALUE:
            codes = np.where(field == fill, np.uint16(NO_VALUE), codes)
        return Picture(codes=codes, scale=scale, offset=offset)


def _steps(data: xr.DataArray) -> tuple[float, float, int | None] | None:
    """Give scale, offset and, for raw integers, the mark of missing cells; None where each field gets its own."""
    raw = data.dtype.kind == "u" and data.dtype.itemsize <= 2 and "_FillValue" in data.attrs
    packing = data.attrs if raw else data.encoding
    whole = np.dtype(packing.get("dtype", "f4")) if not raw else data.dtype
    if not raw and (data.dtype.kind != "f" or whole.kind != "u" or whole.itemsize > 2):
        return None
    scale, offset = (decimal(packing.get(name, default)) for name, default in _NEUTRAL)
    return scale, offset, int(data.attrs["_FillValue"]) if raw else None


_NEUTRAL = (("scale_factor", 1.0), ("add_offset", 0.0))


def choose(data: Any, variable: str | None = None) -> xr.DataArray:
    """Give the variable of a Dataset that can be shown: the one of that name, or the first with cells.

    Raises
    ------
    SeriesError
        There is none.
    """
    if isinstance(data, xr.DataArray):
        return data
    names = [str(name) for name in data.data_vars if {"y", "x"} <= set(data[name].dims)]
    wanted = [variable] if variable else [name for name in names if name not in {"flags", "coverage"}] or names
    if not wanted or wanted[0] not in names:
        has = f"it has {', '.join(names)}" if names else "none of its variables has the dimensions y and x"
        raise SeriesError(f"there is no field {variable or ''} to show: {has}".replace("  ", " "))
    chosen: xr.DataArray = data[wanted[0]]
    return chosen
