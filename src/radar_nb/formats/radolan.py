"""One RADOLAN frame: the text header, the raw codes and their flag bits; reading and writing.

A frame is an ASCII header without line ends, the byte ETX, and the codes, first row in the south. Source: DWD,
"RADOLAN/RADVOR: Beschreibung des Kompositformats", version 2.5; compared with wradlib's parser in the tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from radar_nb.errors import FrameError, HeaderError, TruncatedFrame
from radar_nb.runtime.wording import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Codes = NDArray[np.uint16] | NDArray[np.uint8] | NDArray[np.uint32]
    Buffer = bytes | bytearray | memoryview

ETX = b"\x03"
"""The byte that ends the header."""

HEADER_LIMIT = 2048
"""Maximum bytes of a header of DWD: the longest lists of stations stay below 600 bytes."""

FRAME_LIMIT = 8 << 20
"""Maximum bytes of a frame of DWD: the largest, HG on 1200 x 1100 cells of 32 bits, has 5.3 MB."""

VALUE = 0x0FFF
"""Bits of a 16-bit code that hold the value."""
SECONDARY = 0x1000
"""Flag: interpolated from gauges only, outside the radars' range; in RE: hail."""
NO_DATA = 0x2000
"""Flag: no data."""
CLUTTER = 0x8000
"""Flag: clutter."""
NO_DATA_CODE = 0x29C4
"""DWD's code of a cell without data: the flag and the value 2500."""

SYNTHETIC = "SYNTHETIC"
"""The software named in synthetic frames, so that they are not mistaken for DWD's."""

BYTE_CLUTTER, BYTE_NO_DATA, BYTE_UNUSED = 249, 250, 255
"""Codes of 8-bit products that are not values."""

RUN_LENGTH = ("PC", "PG")
"""Products with run-length coded classes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The fields of a frame's header.

    Attributes
    ----------
    product : str
        DWD's letters.
    time : numpy.datetime64[s]
        The stamp, UTC: the end of the interval, or the base time of a forecast.
    rows, cols : int
        The grid's size, token `GP`, or `BG` of run-length products.
    precision : int
        Exponent of ten of one count, token `PR`: -2 for `E-02`. Classes have none: 0.
    interval : int
        Minutes, tokens `INT` and `U`; 5 for run-length products, whose headers do not state it.
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
    levels : tuple of float
        Lower bounds of classes 1, 2, ... in dBZ, token `LV` of run-length products.
    indicator, images : int or None
        Tokens `CS` (0 near the ground, 1 maximum, 2 tops) and `MX` of run-length products.
    radar_id : str
        10000 for composites.
    size : int
        Bytes of the whole frame as stated in the header, token `BY`; 0 in a header that is not written yet.
    length : int
        Bytes of the header with its ETX; 0 in a header that is not written yet.
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
    levels: tuple[float, ...] = ()
    indicator: int | None = None
    images: int | None = None
    radar_id: str = "10000"
    size: int = 0
    length: int = 0

    @property
    def run_length(self) -> bool:
        """Whether the payload is runs of classes, which `runlength.decode` expands to the grid."""
        return self.product in RUN_LENGTH

    @property
    def itemsize(self) -> int:
        """Bytes of one code: 1, 2 or 4."""
        return 1 if self.run_length else (self.size - self.length) // (self.rows * self.cols)


_START = re.compile(r"(?P<product>[A-Z0-9%]{2})(?P<day>\d\d)(?P<time>\d{4})(?P<radar>.{5})(?P<date>\d{4})BY")
_TOKENS = re.compile(
    r"BY *(?P<BY>\d+)|VS *(?P<VS>\d+)|SW(?P<SW>.{9})|PR *E(?P<PR>[+-]\d\d)|INT *(?P<INT>\d+)|U(?P<U>\d)"
    r"|GP *(?P<GP>\d+x *\d+)|VV *(?P<VV>\d+)|MF(?P<MF>.{9})|VR(?P<VR>.{8})|QN *(?P<QN>\d+)"
    r"|MS *\d+<(?P<MS>[^>]*)>|ST *\d+<(?P<ST>[^>]*)>"
    r"|LV[ \d]\d(?P<LV>[ \d.-]*)|CS *(?P<CS>\d)|MX *(?P<MX>\d+)|BG(?P<BG>\d{6})"
    r"|RM.*?(?=(?:MS|ST) *\d+<|$)"  # of percentages: a text about the reference, which is not searched for tokens
)
_NEEDED = ("BY", "PR", "INT", "GP")
_NEEDED_OF_RUNS = ("BY", "BG")
_INTERVAL_OF_RUNS = 5  # Kompositformat 2.5, table of products: PG and PC every 5 minutes
_MINUTES_A_DAY = 1440
_PRECISIONS = range(-4, 2)  # powers of ten: DWD's products have E-02 to E+00
_NEWEST = 5  # of the composite format, token VS: a later one may have another grid
_REMEDY = "fetch or extract it again"


def parse_header(data: Buffer, *, name: str = "the frame") -> Header:
    r"""Parse a frame's header.

    Unknown tokens are ignored, since DWD adds some every few years.

    Parameters
    ----------
    data : bytes-like
        The frame, or at least its header.
    name : str
        Name of the frame in errors.

    Returns
    -------
    Header

    Raises
    ------
    HeaderError
        The header is missing, or a token of every frame is missing or not a number.
    TruncatedFrame
        The bytes end before the header does.

    Examples
    --------
    >>> parse_header(b"RY182355100001019BY1620142VS 3SW   2.21.0PR E-02INT   5GP 900x 900MS  5<boo> \x03").time
    np.datetime64('2019-10-18T23:55:00')
    """
    head = bytes(data[:HEADER_LIMIT])
    end = head.find(ETX)
    text = printable((head if end < 0 else head[:end]).decode("latin-1"))  # radars and software become attributes
    start = _START.match(text)
    if start is None:
        raise HeaderError(
            f"{name} does not begin like a RADOLAN frame (it begins with {text[:24]!r}): "
            "expected product, day, time, 10000, month and year, such as 'YW131525100000620BY'"
        )
    if end < 0:
        if len(data) < HEADER_LIMIT:
            raise TruncatedFrame(f"{name} ends inside its header, after {len(data)} bytes: {_REMEDY}")
        raise HeaderError(
            f"{name} has no end of its header (byte 0x03) in the first {HEADER_LIMIT} bytes: {_REMEDY}"
        )
    found = _tokens_of(text[start.end() - 2 :])
    needed = _NEEDED_OF_RUNS if start["product"] in RUN_LENGTH else _NEEDED
    if missing := [token for token in needed if token not in found]:
        raise HeaderError(f"the header of {name} lacks {', '.join(missing)}: it reads {text[:120]!r}; {_REMEDY}")
    return _header(start, found, length=end + 1, name=name)


@lru_cache(maxsize=64)
def _tokens_of(text: str) -> Mapping[str, str]:
    """Return the tokens after the time, which are equal in most frames of an archive."""
    return MappingProxyType(
        {m.lastgroup: m[m.lastgroup] for m in _TOKENS.finditer(text) if m.lastgroup is not None}
    )


def _header(start: re.Match[str], found: Mapping[str, str], *, length: int, name: str) -> Header:
    date, clock = start["date"], start["time"]
    year = 2000 + int(date[2:])  # two digits: RADOLAN began in 2001
    try:
        stamp = datetime(year, int(date[:2]), int(start["day"]), int(clock[:2]), int(clock[2:]))  # noqa: DTZ001 - UTC
    except ValueError as error:
        raise HeaderError(
            f"the header of {name} has no valid time: day {start['day']}, time {start['time']}, "
            f"month and year {start['date']}; {_REMEDY}"
        ) from error
    rows, cols = _size(found, runs=start["product"] in RUN_LENGTH)
    if rows * cols == 0:
        raise HeaderError(f"the header of {name} states a grid of {rows} x {cols} cells: it is damaged, {_REMEDY}")
    precision, version = _number(found, "PR") or 0, _number(found, "VS") or 0
    if precision not in _PRECISIONS or version > _NEWEST:
        raise HeaderError(
            f"the header of {name} states a precision of E{precision:+03d} and version {version} of the format; "
            f"radar_nb reads E{_PRECISIONS[0]:+03d} to E{_PRECISIONS[-1]:+03d} and versions up to {_NEWEST}: "
            f"{_REMEDY}; if DWD has introduced a new version, please report the file's name"
        )
    unit = _number(found, "U")
    contributions = (item.rsplit(maxsplit=1) for item in found.get("ST", "").split(",") if " " in item.strip())
    return Header(
        product=start["product"],
        time=np.datetime64(stamp, "s"),
        rows=rows,
        cols=cols,
        precision=precision,
        interval=int(found.get("INT", _INTERVAL_OF_RUNS)) * (_MINUTES_A_DAY if unit == 1 else 1),
        version=version,
        software=found.get("SW", "").strip(),
        radars=tuple(radar.strip() for radar in found.get("MS", "").split(",") if radar.strip()),
        contributions=tuple((radar, int(hours)) for radar, hours in contributions if hours.isdecimal()),
        lead=_number(found, "VV"),
        module_flags=found["MF"].strip() if "MF" in found else None,
        reanalysis=found.get("VR"),
        quality=_number(found, "QN"),
        interval_unit=unit,
        levels=tuple(float(level) for level in re.findall(r"-?\d+\.\d", found.get("LV", ""))),
        indicator=_number(found, "CS"),
        images=_number(found, "MX"),
        radar_id=start["radar"],
        size=int(found["BY"]),
        length=length,
    )


def _size(found: Mapping[str, str], *, runs: bool) -> tuple[int, int]:
    rows, cols = (found["BG"][:3], found["BG"][3:]) if runs else found["GP"].split("x")
    return int(rows), int(cols)


def _number(found: Mapping[str, str], token: str) -> int | None:
    return int(found[token]) if token in found else None


def read_frame(data: Buffer, *, name: str = "the frame") -> tuple[Header, Codes]:
    """Return a frame's header and its raw codes.

    Parameters
    ----------
    data : bytes-like
        The whole frame, not compressed.
    name : str
        Name of the frame in errors.

    Returns
    -------
    header : Header
    codes : ndarray of uint8, uint16 or uint32, shape (rows, cols)
        A view of `data`, first row in the south, including flag bits. For a run-length product, the undecoded
        runs, shape (bytes,), for `radar_nb.formats.runlength.decode`.

    Raises
    ------
    HeaderError
        The header is invalid, or contradicts the payload.
    TruncatedFrame
        The frame is shorter than its header states.
    """
    header = parse_header(data, name=name)
    return header, payload(header, data, name=name)


def payload(header: Header, data: Buffer, *, name: str = "the frame") -> Codes:
    """Return the raw codes of a frame with a parsed header: the second half of `read_frame`."""
    if len(data) < header.size:
        raise TruncatedFrame(
            f"{name} has {len(data):,} bytes where its header says {header.size:,}: it is cut short, {_REMEDY}"
        )
    if len(data) > header.size:
        raise HeaderError(
            f"{name} has {len(data):,} bytes where its header says {header.size:,}: it was changed in transit "
            f"(by a transfer in text mode, for example), {_REMEDY}"
        )
    if header.run_length:
        return np.frombuffer(data, np.uint8, offset=header.length)
    cells = header.rows * header.cols
    dtype = {1: "u1", 2: "<u2", 4: "<u4"}.get(header.itemsize)
    if dtype is None or header.length + cells * header.itemsize != header.size:
        raise HeaderError(
            f"{name} has {header.size - header.length:,} bytes of codes, which do not fit "
            f"{header.rows} x {header.cols} cells of 1, 2 or 4 bytes: its header contradicts itself, {_REMEDY}"
        )
    return np.frombuffer(data, dtype, offset=header.length).reshape(header.rows, header.cols)


def write_frame(header: Header, codes: Codes) -> bytes:
    """Return the bytes of a frame.

    Parameters
    ----------
    header : Header
        `size` and `length` are ignored and computed.
    codes : ndarray of uint8, uint16 or uint32, shape (rows, cols)
        First row in the south, flag bits included. For run-length products the runs, uint8 of shape (bytes,).

    Returns
    -------
    bytes
        Input for `read_frame`, which returns the same header but for `size` and `length`.

    Raises
    ------
    FrameError
        The file interface that tarfile reads headers through: forward and limited, without members' bytes.
    """
    if codes.ndim != 1 if header.run_length else codes.shape != (header.rows, header.cols):
        raise FrameError(
            f"codes of shape {codes.shape} do not fit a header of {header.rows} x {header.cols} cells: "
            "make both the same"
        )
    width = 5 if header.run_length else 10 if header.version >= 5 else 7
    before = _start_text(header) + "BY"
    after = _tokens_text(header)
    size = len(before) + width + len(after) + len(ETX) + codes.nbytes
    little = np.asarray(codes, codes.dtype.newbyteorder("<"))
    return f"{before}{size:{width}d}{after}".encode("ascii") + ETX + little.tobytes()


def _start_text(header: Header) -> str:
    time = header.time.astype("datetime64[s]").item()
    return f"{header.product:2}{time:%d%H%M}{header.radar_id:5}{time:%m%y}"


def _tokens_text(header: Header) -> str:
    return _tokens_of_runs(header) if header.run_length else _tokens_of_codes(header)


def _tokens_of_runs(header: Header) -> str:
    radars = f"<{','.join(header.radars)}> are used, BG{header.rows:03d}{header.cols:03d}"
    return "".join(
        (
            f"LV{len(header.levels):2d}{''.join(f'{level:5.1f}' for level in header.levels)}",
            "" if header.indicator is None else f"CS{header.indicator}",
            "" if header.images is None else f"MX{header.images:2d}",
            f"MS{len(radars):3d}{radars}",
        )
    )


def _tokens_of_codes(header: Header) -> str:
    days = header.interval_unit == 1
    unit = "" if header.interval_unit is None else f"U{header.interval_unit}"
    # RADOLAN's software counts a blank in the list of radars, RADKLIM's and POLARA's do not
    blank = "" if header.reanalysis is not None or header.version >= 5 else " "
    radars = f"<{','.join(header.radars)}>{blank}"
    hours = f"<{','.join(f'{radar} {count}' for radar, count in header.contributions)}>"
    return "".join(
        (
            f"VS{header.version:2d}SW{header.software:>9}PR E{header.precision:+03d}",
            f"INT{header.interval // (_MINUTES_A_DAY if days else 1):4d}{unit}GP{header.rows:4d}x{header.cols:4d}",
            "" if header.lead is None else f"VV {header.lead:03d}",
            "" if header.module_flags is None else f"MF{header.module_flags:>9}",
            "" if header.reanalysis is None else f"VR{header.reanalysis:8}",
            "" if header.quality is None else f"QN {header.quality:03d}",
            f"MS{len(radars):3d}{radars}",
            f"ST{len(hours):3d}{hours}" if header.contributions else "",
        )
    )
