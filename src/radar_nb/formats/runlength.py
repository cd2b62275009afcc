"""Run-length coded classes, the payload of PG and PC: from runs to one class per cell.

The first line is the northernmost. A line is a byte that numbers it, the offset to the first measured cell, runs
of classes, and LF; EOT ends the field. Source: DWD, "RADOLAN/RADVOR: Beschreibung des Kompositformats", version
2.5, section on run-length coding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from radar_nb.errors import HeaderError, TruncatedFrame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from radar_nb.formats.radolan import Buffer, Codes

NO_CLASS = 255
"""The value of `decode` where no radar measures."""

OUTLINE = 9
"""The class of the outline of the coverage, which is not a reflectivity. In the PG of 10 August 2014 20:45, all
1,620 of its cells touch unmeasured cells or the edge, and the levels name only the classes 0 to 6."""

_LF, _ENDS = 0x0A, b"\x03\x04"
_OFFSET = 16  # added to every byte of an offset, so that none is a control character
_MORE = 255  # a byte of an offset after which another follows


def decode(data: Buffer | Codes, rows: int, cols: int, *, name: str = "the frame") -> NDArray[np.uint8]:
    r"""Return the classes of a run-length coded field.

    Parameters
    ----------
    data : bytes-like or ndarray of uint8
        The bytes after the header, as returned by `radar_nb.formats.radolan.payload`.
    rows, cols : int
        The grid's size.
    name : str
        Name of the frame in errors.

    Returns
    -------
    ndarray of uint8, shape (rows, cols)
        First row in the south; 255 where no radar measures.

    Raises
    ------
    HeaderError
        The runs are invalid, or do not fill the grid.
    TruncatedFrame
        There are fewer lines than rows.

    Examples
    --------
    >>> decode(b"\x01\x11\x20\x13\n\x02\n\x04", rows=2, cols=5)
    array([[255, 255, 255, 255, 255],
           [255,   0,   0,   3, 255]], dtype=uint8)
    """
    # wradlib's own loop over the lines fails if a line's number is LF; and offsets of more than 255 cells overflow
    # its eight bits
    from wradlib.io.radolan import decode_radolan_runlength_line  # noqa: PLC0415 - most users never need it

    attributes = {"ncol": cols, "nodataflag": NO_CLASS}
    classes = np.empty((rows, cols), np.uint8)
    for row, line in zip(range(rows - 1, -1, -1), _lines(bytes(data), rows, name), strict=True):
        _check(line, cols, f"line {rows - row} of {name}")
        classes[row] = decode_radolan_runlength_line(np.frombuffer(line, np.uint8).astype(int), attributes)
    return classes


def _lines(data: bytes, rows: int, name: str) -> Iterator[bytes]:
    """Split at the LF at the end of each line; the first byte is the line's number, which may be LF."""
    begin = 0
    for count in range(rows):
        end = data.find(_LF, begin + 1)
        if end < 0:
            raise TruncatedFrame(f"{name} ends after {count} of its {rows} lines: fetch or extract it again")
        yield data[begin : end + 1]
        begin = end + 1
    if data[begin:].strip(_ENDS):
        raise HeaderError(
            f"{name} continues after {rows} lines: its header contradicts its payload, fetch or extract it again"
        )


def _check(line: bytes, cols: int, place: str) -> None:
    """Raise for bytes that wradlib would accept although they are not a line."""
    codes = line[1:-1]
    if not codes:
        return
    last = next((index for index, code in enumerate(codes) if code != _MORE), len(codes))
    offset, runs = codes[: last + 1], codes[last + 1 :]
    cells = sum(offset) - _OFFSET * len(offset) + sum(code >> 4 for code in runs)
    if not runs or min(offset) < _OFFSET or cells > cols:
        raise HeaderError(
            f"{place} is not a line of runs over {cols} cells ({line[:16]!r}): the frame was changed in transit, "
            "fetch or extract it again"
        )
