"""One RADOLAN frame: the text header, the raw codes and their flag bits; reading and writing.

A frame is an ASCII header without line ends, the byte ETX, and the codes, first row in the south. Source: DWD,
"RADOLAN/RADVOR: Beschreibung des Kompositformats", version 2.5; held against wradlib's parser in the tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.errors import HeaderError, TruncatedFrame
from radar_nb.grids import Grid, find_grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.uint16] | NDArray[np.uint8] | NDArray[np.uint32]
    Buffer = bytes | bytearray | memoryview

ETX = b"\x03"
"""The byte that ends the header."""

HEADER_LIMIT = 2048
"""No header of DWD is longer: the longest lists of stations stay below 600 bytes."""

FRAME_LIMIT = 8 << 20
"""No frame of DWD is longer: the largest, HG on 1200 x 1100 cells of 32 bits, has 5.3 MB."""

VALUE = 0x0FFF
"""Bits of a 16-bit code that hold the value."""
SECONDARY = 0x1000
"""Flag: interpolated from gauges only, outside the radars' range; in RE: hail."""
NO_DATA = 0x2000
"""Flag: no data."""
NEGATIVE = 0x4000
"""Flag: the value is negative (difference products)."""
CLUTTER = 0x8000
"""Flag: clutter."""
NO_DATA_CODE = 0x29C4
"""How DWD writes a cell without data: the flag and the value 2500."""

BYTE_CLUTTER, BYTE_NO_DATA, BYTE_UNUSED = 249, 250, 255
"""The codes of 8-bit products that are no values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a frame's header says.

    Attributes
    ----------
    product : str
        DWD's two letters.
    time : numpy.datetime64[s]
        The stamp, UTC: the end of the interval, or the base time of a forecast.
    rows, cols : int
        The grid's size, token `GP`.
    precision : int
        Exponent of ten of one count, token `PR`: -2 for `E-02`.
    interval : int
        Minutes, tokens `INT` and `U`.
    version : int
        Format version, token `VS`.
    software : str
        Token `SW`.
    radars : tuple of str
        Stations that contributed, token `MS`.
    contributions : tuple of (str, int)
        Hours (or days) that each station contributed to a sum, token `ST`.
    lead : int or None
        Forecast minutes, token `VV`.
    module_flags, reanalysis : str or None
        Tokens `MF` and `VR`.
    quality : int or None
        Token `QN`.
    interval_unit : int or None
        Token `U` as written: 0 minutes, 1 days.
    radar_id : str
        10000 for composites.
    size : int
        Bytes of the whole frame as the header says it, token `BY`; 0 in a header yet to be written.
    length : int
        Bytes of the header with its ETX; 0 in a header yet to be written.
    """

    product: str
    time: np.datetime64
    rows: int
    cols: int
    precision: int
    interval: int
    version: int = 3
    software: str = "2.21.0"
    radars: tuple[str, ...] = ()
    contributions: tuple[tuple[str, int], ...] = ()
    lead: int | None = None
    module_flags: str | None = None
    reanalysis: str | None = None
    quality: int | None = None
    interval_unit: int | None = None
    radar_id: str = "10000"
    size: int = 0
    length: int = 0
