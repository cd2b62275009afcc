"""One field as an ESRI ASCII grid, the form in which DWD also publishes RW and RADKLIM: reading and writing.

Six lines name the size, the corner, the cell and the number of missing cells; the values follow, the north first.
Nothing in the file says what it holds: product, time and version are those of its name. RW's archives count tenths
of a millimetre in whole numbers, RADKLIM's have millimetres with one decimal. Source: DWD's RW of 18 October 2022;
ESRI, "ASCII raster format".
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.grids import find_grid
from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import HeaderError, TruncatedFrame
from radar_nb.formats.radolan import NO_DATA_CODE, VALUE, Header
from radar_nb.runtime.numerals import parse_number
from radar_nb.runtime.wording import AGAIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from radar_nb.formats.radolan import Buffer

_NAME = re.compile(
    r"(?:^|[/\\ ])(?P<product>[A-Z]{2})_(?:(?P<version>\d{4}\.\d{3})_)?(?P<date>\d{8})[-_](?P<time>\d{4})\.asc$"
)
_LINE = re.compile(rb"[ \t]*([A-Za-z_]+)[ \t]+(-?[0-9.,]+)[ \t]*\r?\n")
_DIGIT = re.compile(rb"[0-9]")
_NEEDED = ("ncols", "nrows", "cellsize")
_HEADER_LIMIT = 512  # bytes; DWD's have 90
_PRECISION = -1  # tenths of a millimetre, of RADKLIM's YW too, whose binaries have hundredths
_LARGEST = 1e8  # metres, cells or tenths; DWD's corners are some 4e6 m from the origin
_OFF = 1e-3  # of a tenth: rounding of decimal numbers
_ROUNDING = 1.0  # metres: DWD writes corners in whole ones
_KINDS = bytes.maketrans(b"123456789,\t\r\n\v\f", b"000000000.     ")  # digits, decimal signs, white space


def read_grid_header(data: Buffer, *, name: str) -> Header:
    """Return what the name and the first lines of a grid say, in RADOLAN's terms; the values are only counted.

    Parameters
    ----------
    data : bytes-like
        The file.
    name : str
        Path of the file, of which the last part is DWD's name.

    Raises
    ------
    HeaderError
        The name or the lines are not those of a grid of DWD, or contradict DWD's grids.
    TruncatedFrame
        There are fewer values than cells.
    """
    lines, start = _lines(data, name)
    header = _header(lines, name, len(data))
    _check_count(bytes(data[start:]).translate(_KINDS), header, name)
    return header


def read_grid(data: Buffer, *, name: str) -> tuple[Header, NDArray[np.uint16]]:
    """Return the header and the codes of a grid.

    Returns
    -------
    header : Header
    codes : ndarray of uint16, shape (rows, cols)
        As RADOLAN's binaries have them: tenths of a millimetre, the bit of no data where cells are missing, the
        first row in the south. Other flags are not in the file.

    Raises
    ------
    HeaderError
        As `read_grid_header`, or a value is not a number, is negative, has other decimals, or does not fit.
    TruncatedFrame
        There are fewer values than cells.
    """
    lines, start = _lines(data, name)
    header = _header(lines, name, len(data))
    body = bytes(data[start:])
    missing = lines.get("nodata_value")
    if header.reanalysis is None:
        counts = _numbers(body, np.int32, header, name)
        marked = counts == round(missing) if missing is not None else np.zeros(counts.shape, bool)
    else:
        counts, marked = _tenths(body, header, missing, name)
    bad = ~marked & ((counts < 0) | (counts > VALUE))
    if bad.any():
        raise HeaderError(
            f"{name} holds the value {counts[bad][0]} tenths of a millimetre, which no file of DWD has: {AGAIN}"
        )
    codes = np.where(marked, NO_DATA_CODE, counts).astype(np.uint16)
    return header, codes[::-1]


def _lines(data: Buffer, name: str) -> tuple[dict[str, float], int]:
    """Return the numbers of the first lines by their name in small letters, and where the values begin."""
    head, at = bytes(data[:_HEADER_LIMIT]), 0
    found: dict[str, float] = {}
    while match := _LINE.match(head, at):
        try:
            number = parse_number(match[2].replace(b",", b"."))
        except ValueError as error:
            raise HeaderError(f"{name} has no valid number in its line {match[0]!r}: {AGAIN}") from error
        if abs(number) > _LARGEST:
            raise HeaderError(f"{name} has the number {number:.3g} in its first lines: {AGAIN}")
        found[match[1].decode().lower()] = number
        at = match.end()
    if lacking := [key for key in _NEEDED if key not in found]:
        raise HeaderError(f"{name} is not an ESRI grid: its first lines lack {', '.join(lacking)}; {AGAIN}")
    return found, at


def _header(lines: Mapping[str, float], name: str, size: int) -> Header:
    match = _NAME.search(name)
    if match is None:
        raise HeaderError(
            f"{name} is a grid in ASCII, which does not state its product and time, and its name does not either: "
            "name it as DWD does, such as RW_20221018-0050.asc or RW_2017.002_20171231_0850.asc"
        )
    product = PRODUCTS.get(match["product"])
    if product is None or product.unit != "mm":
        raise HeaderError(
            f"{name} is of the product {match['product']}, which DWD does not publish in ASCII: "
            "name it as DWD does, such as RW_20221018-0050.asc"
        )
    date, clock = match["date"], match["time"]
    try:
        time = np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:]}T{clock[:2]}:{clock[2:]}", "s")
    except ValueError as error:
        raise HeaderError(f"{name} has no valid time in its name: name it as DWD does") from error
    if odd := [key for key in ("nrows", "ncols") if not lines[key].is_integer()]:
        raise HeaderError(f"{name} states {odd[0]} {lines[odd[0]]:g}, which is not a whole number: {AGAIN}")
    rows, cols = int(lines["nrows"]), int(lines["ncols"])
    grid = find_grid(rows, cols)
    stated = {"cellsize": lines["cellsize"]}
    expected = {"cellsize": grid.cell}
    for axis, centre in (("x", grid.x0), ("y", grid.y0)):
        for key, place in (("corner", centre - grid.cell / 2), ("center", centre)):
            if (line := f"{axis}ll{key}") in lines:
                stated[line], expected[line] = lines[line], place
    for line, value in stated.items():
        if abs(value - expected[line]) > _ROUNDING:
            raise HeaderError(
                f"{name} contradicts its grid: {line} is {value:g}, and {grid.name}, DWD's grid of {rows} x "
                f"{cols} cells, has {expected[line]:.1f}: its places would be wrong; {AGAIN}"
            )
    return Header(
        product=product.name,
        time=time,
        rows=rows,
        cols=cols,
        precision=_PRECISION,
        interval=product.interval,
        software="",
        reanalysis=match["version"],
        size=size,
    )


def _numbers(body: bytes, dtype: type[Any], header: Header, name: str) -> NDArray[Any]:
    """Return the values, shape (rows, cols)."""
    rows, cols = header.rows, header.cols
    if not _DIGIT.search(body):  # of which NumPy would warn
        raise TruncatedFrame(f"{name} ends after 0 of {rows * cols:,} values: {AGAIN}")
    try:
        numbers: NDArray[Any] = np.loadtxt(io.BytesIO(body), dtype=dtype, comments=None, ndmin=2)
    except ValueError as error:
        _check_count(body.translate(_KINDS), header, name)
        raise HeaderError(f"{name} holds a value that is not one of DWD's ({error}): {AGAIN}") from error
    if numbers.shape != (rows, cols):
        wrong = TruncatedFrame if numbers.size < rows * cols else HeaderError
        raise wrong(f"{name} has {numbers.shape[0]:,} lines of values for {rows:,} rows: {AGAIN}")
    return numbers


def _check_count(kinds: bytes, header: Header, name: str) -> None:
    """Raise where there are fewer values than cells."""
    filled = np.frombuffer(kinds + b" ", np.uint8) != ord(" ")
    count = np.count_nonzero(filled[:-1] & ~filled[1:])
    if count < header.rows * header.cols:
        raise TruncatedFrame(f"{name} ends after {count:,} of {header.rows * header.cols:,} values: {AGAIN}")


def _tenths(
    body: bytes, header: Header, missing: float | None, name: str
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return tenths of values with one decimal, and which are missing."""
    kinds = (body + b"\n").translate(_KINDS)
    if kinds.count(b".") == kinds.count(b".0 ") == header.rows * header.cols:
        # every value has one decimal; several times as fast as reading decimals
        counts = _numbers(body.translate(None, b".,"), np.int32, header, name)
    else:  # missing cells are written without a decimal
        exact = _numbers(body.replace(b",", b"."), float, header, name) * 10
        counts = np.rint(np.clip(np.nan_to_num(exact), -_LARGEST, _LARGEST)).astype(np.int32)
        if not (np.abs(exact - counts) <= _OFF).all():  # nor is NaN a value of DWD's
            raise HeaderError(f"{name} has values with more than one decimal, unlike DWD's: {AGAIN}")
    return counts, counts == round(10 * missing) if missing is not None else np.zeros(counts.shape, bool)


def write_grid(header: Header, codes: NDArray[Any]) -> bytes:
    """Return the bytes of a grid with the lines and numbers of DWD's own files.

    Parameters
    ----------
    header : Header
        Of which size, `precision` and `reanalysis` are used: RADKLIM's files have one decimal and -9 where cells
        are missing, the others whole tenths and -1.
    codes : ndarray of uint16, shape (rows, cols)
        As in RADOLAN's binaries, first row in the south. Hundredths are rounded to tenths, as in DWD's YW.

    Returns
    -------
    bytes
        What `read_grid` reads under the name of `grid_name`.
    """
    grid = find_grid(header.rows, header.cols)
    radklim = header.reanalysis is not None
    nodata, key = ("-9.0", "nodata_value") if radklim else ("-1", "NODATA_value")
    tenths = np.rint(np.arange(VALUE + 1) * 10.0 ** (header.precision + 1)).astype(int).tolist()
    texts = [f"{count / 10:.1f}" if radklim else str(count) for count in tenths]
    numbers = np.where(codes & 0x2000, VALUE + 1, codes & VALUE)[::-1]
    texts.append(nodata)
    rows = (" ".join([texts[number] for number in row]) for row in numbers.tolist())
    west, south = grid.x0 - grid.cell / 2, grid.y0 - grid.cell / 2
    lines: dict[str, Any] = {
        "ncols": header.cols,
        "nrows": header.rows,
        "xllcorner": round(west),
        "yllcorner": round(south),
    }
    lines |= {"cellsize": round(grid.cell), key: nodata}
    head = "".join(f"{line:<14}{value}\n" for line, value in lines.items())
    return (head + "\n".join(rows) + "\n").encode("ascii")


def grid_name(header: Header) -> str:
    """Return the name of a grid as DWD has it.

    Examples
    --------
    >>> time = np.datetime64("2022-10-18T00:50")
    >>> rw = Header(product="RW", time=time, rows=900, cols=900, precision=-1, interval=60)
    >>> grid_name(rw)
    'RW_20221018-0050.asc'
    """
    time = header.time.astype("datetime64[s]").item()
    if header.reanalysis is None:
        return f"{header.product}_{time:%Y%m%d-%H%M}.asc"
    return f"{header.product}_{header.reanalysis}_{time:%Y%m%d_%H%M}.asc"
