"""A variable as a sequence of fields: small exact codes that a browser can colour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.errors import SeriesError
from radar_nb.plots.selection import checked
from radar_nb.plots.style import class_names
from radar_nb.reading.forecasts import as_series
from radar_nb.reading.intervals import shown_interval
from radar_nb.reading.series import overlap_step
from radar_nb.runtime.wording import decimal
from radar_nb.runtime.workers import read_chunks
from radar_nb.widgets.explorer.packed_fields import NO_VALUE, KeptFields, PackedField, pack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_FEWEST, _MOST, _CELLS = 4, 64, 4_000_000
"""Fewest and most fields read at once, and how many cells these may have: 8 MB of codes."""

_TURN = 12
"""How many times the fields read at once a step of a cell's series reads: as long as packing them takes."""

_BLOCK = 1 << 17
"""Cells that become codes at a time."""

_EXACT = ((1.0, 1e-5), (0.01, 1e-5), (0.001, 2e-7))
"""Steps of numbers that are kept exactly, and the relative error that such numbers may have: that of sums of
float32; of thousandths, as RV of HDF5 has them, that of one float32."""

_FEW = 1000
"""How many numbers are tried first."""

_SPREAD = 256
"""Divides the cells read at once from chunks, most of which are discarded: 15,625 steps of one cell."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CodedField:
    """One field as codes: `value = code * scale + offset`, missing where the code is `NO_VALUE`.

    Attributes
    ----------
    codes : ndarray of uint16, shape (rows, cols)
        First row in the south, first column in the west.
    scale, offset : float
        In the units of the values.
    """

    codes: NDArray[np.uint16]
    scale: float
    offset: float

    @property
    def valid(self) -> NDArray[np.bool_]:
        """The cells that have a value."""
        found: NDArray[np.bool_] = self.codes != NO_VALUE
        return found

    @property
    def count(self) -> int:
        """The number of cells that have a value."""
        return int(np.count_nonzero(self.codes != NO_VALUE))

    @property
    def values(self) -> NDArray[np.float32]:
        """The values, NaN where missing."""
        values = self.codes * np.float32(self.scale)
        if self.offset:
            values += np.float32(self.offset)
        values[self.codes == NO_VALUE] = np.nan
        return values

    def packed(self) -> PackedField:
        """Return the field as the browser gets it."""
        return pack(self.codes, self.scale, self.offset)


def encode(values: NDArray[Any]) -> CodedField:
    """Return any numbers as a field: exact for whole numbers, hundredths and thousandths, else in 65,534 steps.

    What is not below 65,534 steps is not kept exactly.

    Parameters
    ----------
    values : ndarray, shape (rows, cols)
        NaN and infinities are missing.

    Examples
    --------
    >>> field = encode(np.array([[0.0, 655.34], [np.nan, 1.25]]))
    >>> field.scale, field.codes.tolist()
    (0.01, [[0, 65534], [65535, 125]])
    """
    values = np.asarray(values)
    if values.dtype != np.float32:
        values = values.astype(np.float64)
    valid = np.isfinite(values)
    seen = values[valid]
    low, high = (float(seen.min()), float(seen.max())) if seen.size else (0.0, 0.0)
    few = seen[seen != 0][:_FEW]  # most steps fail for these already
    for step, error in _EXACT:
        fits = high - min(low, 0.0) < step * NO_VALUE
        if fits and all(_are_multiples(some, step, error) for some in (few, seen)):
            return _coded(values, step, float(np.floor(min(low, 0.0))))
    return _coded(values.astype(np.float64), (high - low) / (NO_VALUE - 1) or 1.0, low)


def _are_multiples(values: NDArray[Any], step: float, error: float) -> bool:
    counts = values / step
    return bool((np.abs(counts - np.rint(counts)) <= 1e-3 + error * np.abs(counts)).all())


def _coded(values: NDArray[Any], scale: float, offset: float) -> CodedField:
    """Return floats as codes, block by block: new memory for steps between would take most of the time."""
    flat = np.ascontiguousarray(values).reshape(-1)
    codes, one = np.empty(flat.size, np.uint16), flat.dtype.type
    counts, missing = np.empty(min(_BLOCK, flat.size), flat.dtype), np.empty(min(_BLOCK, flat.size), np.bool_)
    for start in range(0, flat.size, _BLOCK):
        some = flat[start : start + _BLOCK]
        count, gap = counts[: some.size], missing[: some.size]
        np.subtract(some, one(offset), out=count)
        np.multiply(count, one(1 / scale), out=count)
        np.rint(count, out=count)
        np.clip(count, 0, NO_VALUE - 1, out=count)
        np.logical_not(np.isfinite(some, out=gap), out=gap)
        np.copyto(count, NO_VALUE, where=gap)
        np.copyto(codes[start : start + _BLOCK], count, casting="unsafe")
    return CodedField(codes=codes.reshape(values.shape), scale=scale, offset=offset)


def _floats(values: NDArray[Any]) -> NDArray[np.float32]:
    found = values.astype(np.float32)
    found[~np.isfinite(found)] = np.nan
    return found


class FrameSequence:
    """The fields of one variable, read on request; packed ones are kept within a budget.

    Parameters
    ----------
    data : xarray.DataArray
        Of shape (y, x), or with one more dimension, along which it plays; dimensions of length one are dropped.
        Values, or the raw integers of `open_dataset(..., packed=True)`, which are fastest.

    Attributes
    ----------
    data : xarray.DataArray
        With increasing `y` and `x` as its last dimensions.
    along : str or None
        The dimension along which it plays; None for a single field.
    times : ndarray of datetime64[ms] or None
        End of each field's interval, UTC; None if the fields have no times.
    flipped : bool
        Whether `y` or `x` decreased in the input.
    batch : int
        Number of fields read at once: few for YW, more for small fields.
    class_names : tuple of str
        Of a class product the names of its classes, in the order of their codes; fields hold their numbers, and
        len(class_names) for a code without a name. Empty for a quantity that is measured.
    class_codes : ndarray of float64
        The codes of its classes, in the same order.

    Raises
    ------
    SeriesError
        The data hold no field, or more than one dimension to play along.
    """

    def __init__(self, data: xr.DataArray) -> None:
        data = as_series(checked(data))
        data = data.squeeze([name for name in data.dims if name not in ("y", "x") and data.sizes[name] == 1])
        further = [str(name) for name in data.dims if name not in ("y", "x")]
        if len(further) > 1:
            sizes = ", ".join(f"{name} ({data.sizes[name]})" for name in further)
            raise SeriesError(f"{data.name!r} plays along one dimension, but has {sizes}: choose with .isel")
        self.along = further[0] if further else None
        data = data.transpose(*further, "y", "x")
        falling = [name for name in ("y", "x") if data[name].values[0] > data[name].values[-1]]
        self.data = data.isel({name: slice(None, None, -1) for name in falling})
        self.flipped = bool(falling)
        if self.along and not data.sizes[self.along]:
            raise SeriesError(f"{data.name!r} holds no field: its {self.along} is empty. Choose a part with steps")
        self.times = self._times()
        self.batch = min(_MOST, max(_FEWEST, _CELLS // (self.shape[0] * self.shape[1])))
        kept = dict(data.chunksizes) or data.encoding.get("preferred_chunks", {})
        self._chunk = tuple(int(np.max(kept.get(name, data.sizes[name]))) for name in ("y", "x"))
        self._steps = _steps(self.data)
        self._kept = KeptFields()
        named = class_names(self.data, ())
        self.class_names, self.class_codes = tuple(named.values()), np.array(list(named), np.float64)

    def __len__(self) -> int:
        return int(self.data.sizes[self.along]) if self.along else 1

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return int(self.data.sizes["y"]), int(self.data.sizes["x"])

    @property
    def chunked(self) -> bool:
        """Whether fields are chunked in y and x, as in a cube: a cell's series then needs only part of each."""
        return self._chunk != self.shape

    @property
    def units(self) -> str:
        """The attribute `units`."""
        return str(self.data.attrs.get("units", ""))

    @property
    def minutes(self) -> int | None:
        """The interval of amounts; None if unknown."""
        return shown_interval(self.data) if self.times is not None else None

    @property
    def addable(self) -> bool:
        """Whether the sum of fields is a sum of rain: amounts that do not overlap."""
        if self.units != "mm" or self.times is None or not self.minutes:
            return self.units == "mm"
        return not overlap_step(self.times.astype("datetime64[m]").astype(np.int64), self.minutes)

    @property
    def steps(self) -> tuple[float, float] | None:
        """Scale and offset of all fields; None where each has its own."""
        if self.class_names:
            return 1.0, 0.0
        return self._steps[:2] if self._steps else None

    @property
    def resolution(self) -> float:
        """The step of values; 0.01 where each field has its own."""
        return self._steps[0] if self._steps else 1.0 if self.class_names else 0.01

    @property
    def boundary(self) -> int | None:
        """Number of the analysis from which the fields are a forecast; None if they are not a forecast."""
        lead = self.data.coords.get("lead_time")
        if lead is None or lead.dims != (self.along,) or self.times is None:
            return None
        analyses = np.flatnonzero(lead.values <= np.timedelta64(0, "s"))
        return int(analyses[-1]) if analyses.size and analyses[-1] + 1 < len(self) else None

    def _times(self) -> NDArray[np.datetime64] | None:
        for name in ("period_end", "prediction_time", "time", self.along):
            coord = self.data.coords.get(name) if name else None
            if coord is not None and coord.dtype.kind == "M" and coord.dims in ((), (self.along,)):
                return np.atleast_1d(coord.values).astype("datetime64[ms]")
        return None

    def fields(self, first: int, stop: int) -> list[CodedField]:
        """Read the fields from `first` to before `stop`; all of them are in memory at once."""
        return [self._field(field) for field in self._read(first, stop)]

    def coded(self, first: int, stop: int) -> Iterator[CodedField]:
        """Yield the fields from `first` to before `stop`, and keep none; kept ones need no reading."""
        index = first
        while index < stop:
            if field := self._kept.get(index):
                yield CodedField(codes=field.codes(self.shape), scale=field.scale, offset=field.offset)
                index += 1
                continue
            end = index + 1
            while end < min(stop, index + self.batch) and end not in self._kept:
                end += 1
            yield from self.fields(index, end)
            index = end

    def packed(self, first: int, stop: int) -> list[PackedField]:
        """Return the fields from `first` to before `stop`, packed; those that are kept need no reading."""
        found = {index: field for index in range(first, stop) if (field := self._kept.get(index))}
        missing = [index for index in range(first, stop) if index not in found]
        while missing:
            begin = missing[0]
            end = next((k for k in range(begin, stop) if k in found or k - begin == self.batch), stop)
            for index, read in enumerate(self.fields(begin, end), begin):
                found[index] = read.packed()
                self._kept.put(index, found[index])
            missing = missing[end - begin :]
        return [found[index] for index in range(first, stop)]

    def box(self, first: int, stop: int, rows: slice, cols: slice) -> NDArray[np.float32]:
        """Read a box of the fields from `first` to before `stop`: shape (n, rows, cols), NaN where missing."""
        part = self.data.isel(y=rows, x=cols)
        part = part.isel({self.along: slice(first, stop)}) if self.along else part.expand_dims("one")
        values = read_chunks(part)
        return _floats(values) if self.steps is None else self._field(values).values

    def cells(self, first: int, stop: int, at: NDArray[np.intp]) -> Iterator[NDArray[np.float32]]:
        """Read fields and yield the values of some cells, NaN where missing; `at` counts cells row by row."""
        if self.steps is not None:
            for field in self.coded(first, stop):
                yield CodedField(codes=field.codes.reshape(-1)[at], scale=field.scale, offset=field.offset).values
            return
        for start in range(first, stop, self.batch):
            for field in self._read(start, min(start + self.batch, stop)):
                yield _floats(field.reshape(-1)[at])

    def chunks_in(self, rows: slice, cols: slice) -> int:
        """Return how many chunks of a field a box lies in: many in a cube, one in an archive."""
        spans = zip((rows, cols), self._chunk, strict=True)
        return math.prod((box.stop - 1) // size - box.start // size + 1 for box, size in spans)

    def fields_at_once(self, cells: int) -> int:
        """Return for how many fields `box` or `cells` should read this many cells at once."""
        most = _CELLS // (_SPREAD * cells) if self.chunked else min(_TURN * self.batch, _CELLS // cells)
        return max(2 * self.batch, most)

    def _read(self, first: int, stop: int) -> NDArray[Any]:
        part = self.data.isel({self.along: slice(first, stop)}) if self.along else self.data.expand_dims("one")
        values: NDArray[Any] = read_chunks(part)
        return values

    def _field(self, field: NDArray[Any]) -> CodedField:
        if self.class_names:
            return self._numbers_ofclass_codes(field)
        if self._steps is None:
            return encode(field)
        scale, offset, fill = self._steps
        if fill is None:
            return _coded(field, scale, offset)
        codes = field.astype(np.uint16, copy=False)
        if fill != NO_VALUE:
            codes = np.where(field == fill, np.uint16(NO_VALUE), codes)
        return CodedField(codes=codes, scale=scale, offset=offset)

    def _numbers_ofclass_codes(self, field: NDArray[Any]) -> CodedField:
        missing = ~np.isfinite(field) if field.dtype.kind == "f" else field == self.data.attrs.get("_FillValue")
        numbers = np.searchsorted(self.class_codes, field)
        named = self.class_codes[np.minimum(numbers, len(self.class_codes) - 1)] == field
        codes = np.where(missing, NO_VALUE, np.where(named, numbers, len(self.class_codes))).astype(np.uint16)
        return CodedField(codes=codes, scale=1.0, offset=0.0)


def _steps(data: xr.DataArray) -> tuple[float, float, int | None] | None:
    """Return scale, offset and, for raw integers, the code of missing cells; None if each field needs its own."""
    raw = data.dtype.kind == "u" and data.dtype.itemsize <= 2 and "_FillValue" in data.attrs
    packing = data.attrs if raw else data.encoding
    whole = np.dtype(packing.get("dtype", "f4")) if not raw else data.dtype
    if not raw and (data.dtype.kind != "f" or whole.kind != "u" or whole.itemsize > 2):
        return None
    scale, offset = (decimal(packing.get(name, default)) for name, default in _NEUTRAL)
    return scale, offset, int(data.attrs["_FillValue"]) if raw else None


_NEUTRAL = (("scale_factor", 1.0), ("add_offset", 0.0))


def select_variable(data: Any, variable: str | None = None) -> xr.DataArray:
    """Return the variable of a Dataset to show: the named one, or the first with the dimensions y and x.

    Raises
    ------
    SeriesError
        The Dataset has no such variable.
    """
    if isinstance(data, xr.DataArray):
        return data
    names = [str(name) for name in data.data_vars if {"y", "x"} <= set(data[name].dims)]
    wanted = [variable] if variable else [name for name in names if name not in {"flags", "coverage"}] or names
    if not wanted or wanted[0] not in names:
        has = f"it has {', '.join(names)}" if names else "none of its variables has the dimensions y and x"
        raise SeriesError(f"no field{f' {variable}' if variable else ''} to show: {has}")
    chosen: xr.DataArray = data[wanted[0]]
    return chosen
