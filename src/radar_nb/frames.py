"""One RADOLAN frame: the text header, the raw codes and their flag bits; reading and writing.

A frame is an ASCII header without line ends, the byte ETX, and the codes, first row in the south. Source: DWD,
"RADOLAN/RADVOR: Beschreibung des Kompositformats", version 2.5; held against wradlib's parser in the tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

import numpy as np

from radar_nb.errors import FrameError, HeaderError, TruncatedFrame

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Codes = NDArray[np.uint16] | NDArray[np.uint8] | NDArray[np.uint32]
    Buffer = bytes | bytearray | memoryview

Clutter = Literal["keep", "mask"]

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

SYNTHETIC = "SYNTHETIC"
"""What frames that this package has made up name as their software, so that nobody takes them for DWD's."""

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

    @property
    def itemsize(self) -> int:
        """Bytes of one code: 1, 2 or 4."""
        return (self.size - self.length) // (self.rows * self.cols)


_START = re.compile(r"(?P<product>[A-Z0-9%]{2})(?P<day>\d\d)(?P<time>\d{4})(?P<radar>.{5})(?P<date>\d{4})BY")
_TOKENS = re.compile(
    r"BY *(?P<BY>\d+)|VS *(?P<VS>\d+)|SW(?P<SW>.{9})|PR *E(?P<PR>[+-]\d\d)|INT *(?P<INT>\d+)|U(?P<U>\d)"
    r"|GP *(?P<GP>\d+x *\d+)|VV *(?P<VV>\d+)|MF(?P<MF>.{9})|VR(?P<VR>.{8})|QN *(?P<QN>\d+)"
    r"|MS *\d+<(?P<MS>[^>]*)>|ST *\d+<(?P<ST>[^>]*)>"
)
_NEEDED = ("BY", "PR", "INT", "GP")
_MINUTES_A_DAY = 1440


def parse_header(data: Buffer, *, name: str = "the frame") -> Header:
    r"""Give what a frame's header says.

    Unknown tokens are passed over, since DWD adds some every few years.

    Parameters
    ----------
    data : bytes-like
        The frame, or as much of its beginning as holds the header.
    name : str
        What to call it in an error.

    Returns
    -------
    Header

    Raises
    ------
    HeaderError
        There is no header, or a token that every frame has is missing or no number.
    TruncatedFrame
        The bytes end before the header does.

    Examples
    --------
    >>> parse_header(b"RY182355100001019BY1620142VS 3SW   2.21.0PR E-02INT   5GP 900x 900MS  5<boo> \x03").time
    np.datetime64('2019-10-18T23:55:00')
    """
    head = bytes(data[:HEADER_LIMIT])
    end = head.find(ETX)
    text = (head if end < 0 else head[:end]).decode("latin-1")
    start = _START.match(text)
    if start is None:
        raise HeaderError(
            f"{name} does not begin as a RADOLAN frame does (it begins with {text[:24]!r}): "
            "expected are the product, day, time, 10000, month and year, such as 'YW131525100000620BY'"
        )
    if end < 0:
        if len(data) < HEADER_LIMIT:
            raise TruncatedFrame(f"{name} ends inside its header, after {len(data)} bytes: fetch it again")
        raise HeaderError(f"{name} has no end of its header (byte 0x03) in the first {HEADER_LIMIT} bytes")
    found = {str(m.lastgroup): str(m[str(m.lastgroup)]) for m in _TOKENS.finditer(text, start.end() - 2)}
    if missing := [token for token in _NEEDED if token not in found]:
        raise HeaderError(f"the header of {name} lacks {', '.join(missing)}: it reads {text[:120]!r}")
    return _header(start, found, length=end + 1, name=name)


def _header(start: re.Match[str], found: dict[str, str], *, length: int, name: str) -> Header:
    try:
        stamp = datetime.strptime(start["date"] + start["day"] + start["time"], "%m%y%d%H%M")  # noqa: DTZ007 - UTC
    except ValueError as error:
        raise HeaderError(
            f"the header of {name} has no valid time: day {start['day']}, time {start['time']}, "
            f"month and year {start['date']}"
        ) from error
    rows, cols = (int(number) for number in found["GP"].split("x"))
    if rows * cols == 0:
        raise HeaderError(f"the header of {name} gives a grid of {rows} x {cols} cells: a frame has some")
    unit = _number(found, "U")
    contributions = (item.rsplit(maxsplit=1) for item in found.get("ST", "").split(",") if " " in item.strip())
    return Header(
        product=start["product"],
        # two digits: RADOLAN began in 2001, so the century is this one whatever strptime thinks of 69 to 99
        time=np.datetime64(stamp.replace(year=2000 + stamp.year % 100), "s"),
        rows=rows,
        cols=cols,
        precision=int(found["PR"]),
        interval=int(found["INT"]) * (_MINUTES_A_DAY if unit == 1 else 1),
        version=_number(found, "VS") or 0,
        software=found.get("SW", "").strip(),
        radars=tuple(radar.strip() for radar in found.get("MS", "").split(",") if radar.strip()),
        contributions=tuple((radar, int(hours)) for radar, hours in contributions if hours.isdecimal()),
        lead=_number(found, "VV"),
        module_flags=found["MF"].strip() if "MF" in found else None,
        reanalysis=found.get("VR"),
        quality=_number(found, "QN"),
        interval_unit=unit,
        radar_id=start["radar"],
        size=int(found["BY"]),
        length=length,
    )


def _number(found: dict[str, str], token: str) -> int | None:
    return int(found[token]) if token in found else None


def read_frame(data: Buffer, *, name: str = "the frame") -> tuple[Header, Codes]:
    """Give a frame's header and its raw codes.

    Parameters
    ----------
    data : bytes-like
        The whole frame, not compressed.
    name : str
        What to call it in an error.

    Returns
    -------
    header : Header
    codes : ndarray of uint8, uint16 or uint32, shape (rows, cols)
        A view of `data`, first row in the south; flag bits and all. It lives as long as `data` does.

    Raises
    ------
    HeaderError
        The header is none, or does not fit the payload.
    TruncatedFrame
        The frame is shorter than its header says.
    """
    header = parse_header(data, name=name)
    return header, payload(header, data, name=name)


def payload(header: Header, data: Buffer, *, name: str = "the frame") -> Codes:
    """Give the raw codes of a frame whose header is known: the second half of `read_frame`."""
    if len(data) < header.size:
        raise TruncatedFrame(
            f"{name} has {len(data):,} bytes where its header says {header.size:,}: it is cut short, "
            "fetch or extract it again"
        )
    if len(data) > header.size:
        raise HeaderError(
            f"{name} has {len(data):,} bytes where its header says {header.size:,}: it was changed on its way "
            "(a transfer in text mode does that), fetch it again"
        )
    cells = header.rows * header.cols
    dtype = {1: "u1", 2: "<u2", 4: "<u4"}.get(header.itemsize)
    if dtype is None or header.length + cells * header.itemsize != header.size:
        raise HeaderError(
            f"{name} has {header.size - header.length:,} bytes of codes, which do not fit "
            f"{header.rows} x {header.cols} cells of 1, 2 or 4 bytes: its header contradicts itself"
        )
    return np.frombuffer(data, dtype, count=cells, offset=header.length).reshape(header.rows, header.cols)


def write_frame(header: Header, codes: Codes) -> bytes:
    """Give the bytes of a frame.

    Parameters
    ----------
    header : Header
        Its `size` and `length` are not looked at: they are computed.
    codes : ndarray of uint8, uint16 or uint32, shape (rows, cols)
        First row in the south, flag bits included.

    Returns
    -------
    bytes
        What `read_frame` reads back, equal but for `size` and `length`.

    Raises
    ------
    FrameError
        The codes' shape is not the header's.
    """
    if codes.shape != (header.rows, header.cols):
        raise FrameError(
            f"codes of shape {codes.shape} do not fit a header of {header.rows} x {header.cols} cells"
        )
    width = 10 if header.version >= 5 else 7
    before = _start_text(header) + "BY"
    after = _tokens_text(header)
    size = len(before) + width + len(after) + len(ETX) + codes.nbytes
    little = codes.astype(codes.dtype.newbyteorder("<"), copy=False)
    return f"{before}{size:{width}d}{after}".encode("ascii") + ETX + little.tobytes()


def _start_text(header: Header) -> str:
    time = header.time.astype("datetime64[s]").item()
    return f"{header.product:2}{time:%d%H%M}{header.radar_id:5}{time:%m%y}"


def _tokens_text(header: Header) -> str:
    days = header.interval_unit == 1
    unit = "" if header.interval_unit is None else f"U{header.interval_unit}"
    # RADOLAN's software counts a blank as part of the list of radars, RADKLIM's and POLARA's does not
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


def decode(
    codes: Codes,
    *,
    scale: float,
    offset: float = 0.0,
    clutter: Clutter = "keep",
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Give the values of raw codes.

    Cells without data are NaN, told by the flag bit in 16-bit codes and by the codes 250 and 255 in 8-bit ones.
    wradlib looks at the values 2490 and 2500 instead, after it has cut the flags off, and so loses real amounts
    of 24.90 and 25.00 mm in 5 minutes; this is the one place where our values differ from its.

    Parameters
    ----------
    codes : ndarray of uint8 or uint16
        Any shape. One-byte codes are reflectivities, of which 249 is clutter without a value.
    scale, offset : float
        value = code * scale + offset, in float32, as CF packing defines it.
    clutter : {"keep", "mask"}
        Whether cells that are flagged as clutter keep their value (as wradlib has it) or become NaN.
    out : ndarray of float32, optional
        Where to put them, same shape.

    Returns
    -------
    ndarray of float32

    Examples
    --------
    >>> decode(np.array([0, 150, 0x29C4, 0x8000 | 12], "u2"), scale=0.01)
    array([0.  , 1.5 ,  nan, 0.12], dtype=float32)
    """
    if out is None:
        out = np.empty(codes.shape, np.float32)
    if codes.dtype.itemsize == 1:
        table = np.arange(256, dtype=np.float32) * np.float32(scale) + np.float32(offset)
        table[[BYTE_CLUTTER, BYTE_NO_DATA, BYTE_UNUSED]] = np.nan
        return np.take(table, codes, out=out, mode="clip")
    np.multiply(codes & np.uint16(VALUE), np.float32(scale), out=out, casting="same_kind")
    if offset:
        out += np.float32(offset)
    missing = NO_DATA if clutter == "keep" else NO_DATA | CLUTTER
    np.copyto(out, np.nan, where=(codes & np.uint16(missing)) != 0)
    return out
