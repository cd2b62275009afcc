"""How raw codes represent values: one description for every payload, and the conversions from codes.

A 16-bit code of RADOLAN holds twelve bits of value and four flags, an 8-bit code is a value or one of three marks,
a code of ODIM HDF5 is a value or the file's own mark for no data. Source: DWD, "RADOLAN/RADVOR: Beschreibung des
Kompositformats", version 2.5; OPERA, "ODIM_H5 specification" 2.3, table 17.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.formats.radolan import BYTE_CLUTTER, BYTE_NO_DATA, BYTE_UNUSED, CLUTTER, NO_DATA, VALUE
from radar_nb.formats.runlength import NO_CLASS, OUTLINE

if TYPE_CHECKING:
    from numpy.typing import NDArray

Clutter = Literal["keep", "mask"]

SMALLEST_SCALE = 1e-6
"""Of one count, in mm, mm/h or dBZ: no product of DWD is finer than 1e-4; with 1e-300 all rain would be 0 mm."""

_BLOCK = 1 << 17
"""Number of cells packed at a time."""
_WIDE_FILL = (1 << 32) - (1 << 8)
_TO_SIGN = np.uint16(16 - NO_DATA.bit_length())

OUTLINE_FLAG = {"outline": 16}
"""A further bit, for run-length coded classes: the cell is on the outline of the coverage."""

FLAGS = {"secondary": 1, "no_data": 2, "negative": 4, "clutter": 8}
"""The bits of a cell's flags: those of a 16-bit code, shifted down by twelve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """How codes represent values: `value = (code & bits) * scale + offset` unless the cell is missing.

    Attributes
    ----------
    scale, offset : float
        In the unit of the values.
    itemsize : int
        Bytes of a code: 1, 2 or 4.
    bits : int
        The bits that hold the value.
    missing : int
        A cell is missing if one of these bits is set; 0 if no bit marks missing cells.
    marks : tuple of int
        Codes that mark missing cells.
    clutter : int or None
        The code that marks clutter without a value.
    outline : int or None
        The code of the outline of the coverage.
    undetect : int or None
        The code of cells without an echo, if that means an amount of zero.
    """

    scale: float = 1.0
    offset: float = 0.0
    itemsize: int = 2
    bits: int = 0xFFFFFFFF
    missing: int = 0
    marks: tuple[int, ...] = ()
    clutter: int | None = None
    outline: int | None = None
    undetect: int | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """The unsigned integer type of the codes."""
        return np.dtype(f"u{self.itemsize}")

    @property
    def fill(self) -> int:
        """What `packed` stores for missing cells: the largest integer, which is not a value of any product.

        For amounts in four bytes, the largest that float32 represents, since xarray compares after the conversion.
        """
        return _WIDE_FILL if self.itemsize == 4 and not self.missing else int(np.iinfo(self.dtype).max)

    @property
    def flagged(self) -> bool:
        """Whether the codes carry the four flag bits of RADOLAN."""
        return bool(self.missing & NO_DATA)

    def values(self, codes: NDArray[Any], *, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return the values of codes.

        Parameters
        ----------
        codes : ndarray of unsigned int
            Any shape.
        out : ndarray of float32, optional
            Array for the values, of the same shape.

        Returns
        -------
        ndarray of float32
            code * scale + offset computed in float32, as CF defines packing; NaN where missing.

        Examples
        --------
        >>> radolan_packing(2, scale=0.01).values(np.array([0, 150, 0x29C4, 0x8000 | 12], "u2"))
        array([0.  , 1.5 ,  nan, 0.12], dtype=float32)
        """
        if out is None:
            out = np.empty(codes.shape, np.float32)
        if self.itemsize == 1:
            return np.take(self._table(), codes, out=out, mode="clip")
        if self.itemsize > 2:  # NumPy would multiply in float64
            np.copyto(out, self._counts(codes), casting="unsafe")
            out *= np.float32(self.scale)
        else:
            np.multiply(self._counts(codes), np.float32(self.scale), out=out, casting="unsafe")
        if self.offset:
            out += np.float32(self.offset)
        if self.undetect is not None:
            np.copyto(out, 0.0, where=codes == self.undetect)
        np.copyto(out, np.nan, where=self.is_missing(codes))
        return out

    def packed(self, codes: NDArray[Any], *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Return codes as CF's packed integers: without flags, and with `fill` where missing."""
        if out is None:
            out = np.empty(codes.shape, self.dtype)
        if self.itemsize == 2 and self.missing == NO_DATA and not self.marks and self.undetect is None:
            return self._packed_by_bit(codes, out)
        np.copyto(out, self._counts(codes))
        if self.undetect is not None:
            np.copyto(out, self.dtype.type(self.count(0.0)), where=codes == self.undetect)
        np.copyto(out, self.dtype.type(self.fill), where=self.is_missing(codes))
        return out

    def _packed_by_bit(self, codes: NDArray[Any], out: NDArray[Any]) -> NDArray[Any]:
        """Do the same three times as fast: move the one bit of missing cells up to the sign and down again."""
        bits = np.uint16(self.bits & 0xFFFF)
        rows = max(1, _BLOCK // max(1, codes[:1].size))  # new memory for a whole field would cost more
        scratch = np.empty_like(codes[:rows])
        for start in range(0, len(codes), rows):
            some, place = codes[start : start + rows], out[start : start + rows]
            np.left_shift(some, _TO_SIGN, out=place)
            signs = place.view(np.int16)
            np.right_shift(signs, np.int16(15), out=signs)  # all bits: `fill`; or none
            np.bitwise_or(place, np.bitwise_and(some, bits, out=scratch[: len(some)]), out=place)
        return out

    def flags(self, codes: NDArray[Any], *, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
        """Return the flags of codes as bits of `FLAGS`."""
        if out is None:
            out = np.empty(codes.shape, np.uint8)
        if self.flagged:
            np.right_shift(codes, 12, out=out, casting="unsafe")
            return out
        np.multiply(self.is_missing(codes), np.uint8(FLAGS["no_data"]), out=out, casting="unsafe")
        if self.clutter is not None:
            np.copyto(out, np.uint8(FLAGS["clutter"]), where=codes == self.clutter)
        if self.outline is not None:
            np.copyto(out, np.uint8(OUTLINE_FLAG["outline"]), where=codes == self.outline)
        return out

    def is_missing(self, codes: NDArray[Any]) -> NDArray[np.bool_]:
        """Return which codes mark missing cells."""
        if not self.missing and len(self.marks) == 1:
            marked: NDArray[np.bool_] = codes == self.marks[0]
            return marked
        missing: NDArray[np.bool_] = (codes & codes.dtype.type(self.missing)) != 0
        for mark in self.marks:
            missing |= codes == mark
        return missing

    def count(self, value: float) -> int:
        """Return the smallest count whose value is at least `value`: `value >= v` is `count >= count(v)`."""
        return int(np.ceil(np.round((value - self.offset) / self.scale, 6)))

    def _counts(self, codes: NDArray[Any]) -> NDArray[Any]:
        full = int(np.iinfo(codes.dtype).max)
        return codes if self.bits & full == full else codes & codes.dtype.type(self.bits)

    def _table(self) -> NDArray[np.float32]:
        table = np.arange(256, dtype=np.float32) * np.float32(self.scale) + np.float32(self.offset)
        if self.undetect is not None:
            table[self.undetect] = 0.0
        table[list(self.marks)] = np.nan
        return table


def radolan_packing(itemsize: int, *, scale: float, offset: float = 0.0, clutter: Clutter = "keep") -> Packing:
    """Return the packing of RADOLAN's binary codes.

    Cells without data are marked by a flag bit in 16-bit codes and by the codes 250 and 255 in 8-bit ones. wradlib
    instead compares the values with 2490 and 2500 after removing the flags, and so loses valid amounts of 24.90
    and 25.00 mm in 5 minutes; this is the only place where our values differ from wradlib's.

    Parameters
    ----------
    itemsize : {1, 2}
        One-byte codes are reflectivities; 249 is clutter without a value.
    scale, offset : float
    clutter : {"keep", "mask"}
        Whether cells flagged as clutter keep their value, as in wradlib, or are missing.
    """
    if itemsize == 1:
        marks = (BYTE_CLUTTER, BYTE_NO_DATA, BYTE_UNUSED)
        return Packing(scale=scale, offset=offset, itemsize=1, marks=marks, clutter=BYTE_CLUTTER)
    missing = NO_DATA if clutter == "keep" else NO_DATA | CLUTTER
    return Packing(scale=scale, offset=offset, itemsize=2, bits=VALUE, missing=missing)


CLASS_PACKING = Packing(itemsize=1, marks=(NO_CLASS, OUTLINE), outline=OUTLINE)
"""The packing of run-length coded classes: missing where no radar measures, and on the outline of the coverage."""
