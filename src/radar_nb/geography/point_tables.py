"""Tables of points, from a CSV or a table in memory: which columns hold positions and names, and their numbers."""

from __future__ import annotations

import codecs
import csv
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from radar_nb.errors import NothingFound, SettingsError
from radar_nb.runtime.numerals import parse_number
from radar_nb.runtime.wording import printable, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

LONGITUDES = ("lon", "longitude", "länge", "laenge", "geolaenge", "lng")
LATITUDES = ("lat", "latitude", "breite", "geobreite")
NAMES = ("name", "station", "id", "station_id", "stations_id")
"""Columns by which a table names longitude, latitude and its points; the first that is there counts. Spelled as in
GeoJSON, in DWD's lists of stations and in wetterdienst; case does not matter."""


_START = 300  # bytes by which UTF-16 without a mark is recognised


class PointTable(NamedTuple):
    """Positions of a table, in degrees or in metres of the grid's projection, and the names of its points.

    Attributes
    ----------
    names : list or None
        None if the table names none.
    first, second : ndarray of float64
        Longitude and latitude, or x and y.
    degrees : bool
    """

    names: list[Any] | None
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    degrees: bool


def read_point_csv(path: Path, names: str | None = None) -> PointTable:
    """Return the points of a CSV: separated by commas, semicolons or tabs, with decimal points or commas.

    Parameters
    ----------
    path : pathlib.Path
        UTF-8, or Windows-1252 or UTF-16 as Excel writes them. Lines that begin with `#` are left out.
    names : str, optional
        The column with the names; by default the first of `NAMES` that is there.

    Raises
    ------
    SettingsError
        The columns are not there, rows differ in length, or a value is not a number.
    NothingFound
        The file cannot be read.
    """
    return point_table(read_csv_columns(path, "points"), names, place=f"{path} are")


def read_csv_columns(path: Path, what: str) -> dict[str, list[str]]:
    """Return the columns of a CSV as texts: see `read_point_csv`; `what` they are, for messages.

    Raises
    ------
    SettingsError
        There are no rows, or they differ in length.
    NothingFound
        The file cannot be read.
    """
    if path.exists() and not path.is_file():  # a pipe would block
        raise NothingFound(f"{path} is not a file: pass a CSV of {what}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NothingFound(f"{path} cannot be read ({error.strerror}): pass a CSV of {what}") from error
    lines = [
        line
        for line in _decoded(data, f"{path} are not {what}").splitlines()
        if line.strip() and not line.startswith("#")
    ]
    if len(lines) < 2:
        raise SettingsError(f"{path} are not {what}: write a line of column names and a line for each row")
    separator = max(";\t,", key=lines[0].count)
    try:
        head, *rows = csv.reader(lines, delimiter=separator)
    except csv.Error as error:
        raise SettingsError(f"{path} are not {what} ({error}): write a line for each") from error
    if long := next((number for number, row in enumerate(rows, 1) if any(row[len(head) :])), 0):
        raise SettingsError(
            f"{path} are not {what}: row {long} has {len(rows[long - 1])} values, and there are {len(head)} "
            "columns; write decimal points, or separate the columns by semicolons"
        )
    if short := next((number for number, row in enumerate(rows, 1) if len(row) < len(head)), 0):
        raise SettingsError(
            f"{path} are not {what}: row {short} has {len(rows[short - 1])} values, and there are {len(head)} "
            "columns; write an empty value for what is unknown"
        )
    titles = [title.strip() for title in head]
    if len(set(titles)) < len(titles):
        twice = next(title for title in titles if titles.count(title) > 1)
        raise SettingsError(f"{path} are not {what}: two columns are named {twice!r}; rename or remove one")
    columns = zip(*(row[: len(head)] for row in rows), strict=True)
    return {title: [value.strip() for value in column] for title, column in zip(titles, columns, strict=True)}


def point_table(columns: Any, names: str | None = None, *, place: str = "these columns are") -> PointTable:
    """Return the points of a mapping of column names to values, such as a DataFrame.

    Raises
    ------
    SettingsError
        Columns are missing or empty, or a value is not a number; `place` begins the message.
    """
    titles = {str(title).strip().casefold(): title for title in columns}
    found = [_first(titles, known) for known in (LONGITUDES, LATITUDES)]
    degrees = None not in found
    if not degrees:
        found = [titles.get("x"), titles.get("y")]
    if None in found:
        raise SettingsError(
            f"{place} not points: name the columns lon and lat (or longitude and latitude, Länge and Breite) in "
            f"degrees, or x and y in metres of the grid's projection, not "
            f"{shortened(', '.join(map(str, titles.values())), 500)}"
        )
    first, second = (_numbers(columns[title], str(title), place) for title in found)
    if not first.size:
        raise SettingsError(f"{place} not points: there are no rows; pass at least one point")
    title = _first(titles, NAMES if names is None else (names.strip().casefold(),))
    if names is not None and title is None:
        raise SettingsError(
            f"names={names!r} is not a column: choose one of "
            f"{shortened(', '.join(map(str, titles.values())), 500)}"
        )
    labels = None if title is None else [plain_name(value) for value in columns[title]]
    return PointTable(labels, first, second, degrees)


def check_names(names: Sequence[Any]) -> None:
    """Raise an error if two points have the same name.

    Raises
    ------
    SettingsError
        The message has the first such name.
    """
    texts = [str(name) for name in names]
    if len(set(texts)) == len(texts):
        return
    double = next(text for text in texts if texts.count(text) > 1)
    raise SettingsError(
        f"{texts.count(double)} points have the name {double!r}: choose another column with names=, or rename them"
    )


def _first(titles: Mapping[str, Any], known: Sequence[str]) -> Any:
    return next((titles[name] for name in known if name in titles), None)


def _numbers(values: Any, title: str, place: str) -> NDArray[np.float64]:
    numbers = []
    for row, value in enumerate(values, 1):
        text = value.replace(",", ".") if isinstance(value, str) and "." not in value else value
        try:
            number = parse_number(text)
        except (TypeError, ValueError):
            number = np.nan
        if not np.isfinite(number):
            raise SettingsError(
                f"{place} not points: {title} of row {row} is {shortened(str(value))!r}, not a number; write "
                "degrees as 12.37 or 12,37"
            )
        numbers.append(number)
    return np.array(numbers, np.float64)


def plain_name(value: Any) -> Any:
    """Return a name from a table or file on one line, with "?" instead of control characters; numbers as they are.

    Names become coordinates, labels of maps and lines of a terminal, and whoever wrote the file chose them.
    """
    value = value.item() if isinstance(value, np.generic) else value
    return " ".join(printable(value).split("\n")) if isinstance(value, str) else value


def _decoded(data: bytes, problem: str) -> str:
    """Return the text of a table; raise if it is not one, with the problem at the beginning of the message."""
    if data[:2] in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:  # "Unicode text" of Excel
        return data.decode("utf-16", errors="replace")
    if 3 * data[:_START].count(0) > len(data[:_START]):  # UTF-16 without a mark, UTF-32, or no text
        raise SettingsError(f"{problem}: the file is not text in UTF-8; save it as CSV in UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
