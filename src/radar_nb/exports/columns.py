"""Numbers and dates as columns of characters, for text files of millions of lines.

A column is an array of bytes, uint8, of shape (lines, width). NumPy makes all lines at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Column = NDArray[np.uint8]

_ZERO, _BLANK, _MINUS, _NOTHING = b"0"[0], b" "[0], b"-"[0], 0


def text_column(text: str | bytes, lines: int) -> Column:
    """Return the same text in each line."""
    letters = np.frombuffer(text.encode("latin-1") if isinstance(text, str) else text, np.uint8)
    return np.broadcast_to(letters, (lines, letters.size))


def whole_numbers(values: NDArray[np.integer], width: int, *, fill: str = " ") -> Column:
    """Return integers right-aligned in a width that holds them.

    Parameters
    ----------
    values : ndarray of integers
    width : int
    fill : {" ", "0", ""}
        What stands before the digits: blanks, zeros, or nothing, so that lines differ in length.

    Raises
    ------
    ValueError
        A number has more digits than the column.

    Examples
    --------
    >>> whole_numbers(np.array([7, -12]), 4).tobytes()
    b'   7 -12'
    """
    numbers = np.asarray(values, np.int64)
    size = np.abs(numbers)
    tens = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    digits = (size[:, None] // tens % 10 + _ZERO).astype(np.uint8)
    if fill != "0":
        digits[:, :-1][size[:, None] < tens[:-1]] = _BLANK if fill else _NOTHING
    negative = numbers < 0
    used = np.where(negative, 10 * size, size)  # a minus takes a place as a digit does
    if numbers.size and used.max() >= 10**width:
        raise ValueError(f"a number does not fit {width} columns: {numbers[used.argmax()]}")
    if negative.any():
        first = width - 1 - np.searchsorted(tens[::-1], size[negative], side="right")
        digits[np.flatnonzero(negative), first] = _MINUS
    return digits


def decimals(numbers: NDArray[np.integer], places: int, width: int, *, fill: str = " ") -> Column:
    """Return integers of at least 0 in units of 10^-places as decimal fractions, right-aligned in a width.

    Examples
    --------
    >>> decimals(np.array([5, 12345]), 3, 7).tobytes()
    b'  0.005 12.345'
    """
    tens = 10**places
    whole = whole_numbers(np.asarray(numbers) // tens, width - places - 1, fill=fill)
    rest = whole_numbers(np.asarray(numbers) % tens, places, fill="0")
    return np.concatenate([whole, text_column(".", len(whole)), rest], axis=1)


def with_code(column: Column, where: NDArray[np.bool_], code: str, *, fill: str = " ") -> Column:
    """Return a column with a text, right-aligned, in some lines."""
    letters = code.rjust(column.shape[1], fill or "\0").encode("latin-1")
    column[where] = np.frombuffer(letters, np.uint8)
    return column


def stamps(times: NDArray[np.datetime64], pattern: str, *, fill: str = "0") -> Column:
    """Return times after a pattern of %Y, %y, %m, %d, %H, %M, %S, as `strftime`; fill with zeros or blanks.

    Examples
    --------
    >>> stamps(np.array(["2020-06-13T05:00"], "M8[s]"), "%d.%m.%Y %H:%M").tobytes()
    b'13.06.2020 05:00'
    >>> stamps(np.array(["2020-06-03"], "M8[s]"), "%d%m", fill=" ").tobytes()
    b' 3 6'
    """
    moments = times.astype("datetime64[s]")
    days, months = moments.astype("datetime64[D]"), moments.astype("datetime64[M]")
    years = months.astype("datetime64[Y]").astype(np.int64) + 1970
    seconds = (moments - days).astype(np.int64)
    parts = {
        "Y": (years, 4),
        "y": (years % 100, 2),
        "m": (months.astype(np.int64) % 12 + 1, 2),
        "d": ((days - months).astype(np.int64) + 1, 2),
        "H": (seconds // 3600, 2),
        "M": (seconds // 60 % 60, 2),
        "S": (seconds % 60, 2),
    }
    columns = []
    for number, piece in enumerate(pattern.split("%")):
        rest = piece
        if number:
            columns.append(whole_numbers(*parts[piece[0]], fill=fill))
            rest = piece[1:]
        columns.append(text_column(rest, len(times)))
    return np.concatenate(columns, axis=1)


def joined(*columns: Column, end: str = "\n") -> bytes:
    """Return the lines of columns side by side."""
    lines = np.concatenate([*columns, text_column(end, len(columns[0]))], axis=1).tobytes()
    return lines.replace(b"\0", b"")
