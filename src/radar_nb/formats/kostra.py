"""Tables of KOSTRA-DWD-2020: a zip with one CSV of semicolons and decimal commas, a line for each cell."""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from radar_nb.dwd.kostra import PERIODS
from radar_nb.errors import ArchiveError
from radar_nb.runtime.numerals import parse_number, parse_whole_number

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

_LIMIT = 64 << 20  # bytes of a table, unpacked: DWD's have about 10 MB
_COLUMN = re.compile(r"(HN|UC)_(\d{3})A_?")
_NO_VALUE = -99.9  # DWD's mark of a cell without a value


class CellTable(NamedTuple):
    """Values of some cells for one duration.

    Attributes
    ----------
    depths : ndarray of float64, shape (cells, periods)
        mm, NaN where the table has none.
    uncertainties : ndarray of float64, shape (cells, periods)
        Percent of the depth, to both sides; NaN where the table has none.
    """

    depths: NDArray[np.float64]
    uncertainties: NDArray[np.float64]


def read_cells(data: bytes, name: str, cells: Collection[int]) -> CellTable:
    """Return the values of some cells.

    Parameters
    ----------
    data : bytes
        The zip.
    name : str
        Its name, for messages.
    cells : collection of int
        Numbers of the cells (`INDEX_RC`), in the order of the result.

    Raises
    ------
    ArchiveError
        The zip is damaged, or is not such a table.
    """
    lines = _text(data, name).splitlines()
    head = lines[0].split(";") if lines else []
    columns = {
        match.groups(): number for number, text in enumerate(head) if (match := _COLUMN.fullmatch(text.strip()))
    }
    places = [columns.get((kind, f"{period:03d}")) for kind in ("HN", "UC") for period in PERIODS]
    index = next((number for number, text in enumerate(head) if text.strip() == "INDEX_RC"), None)
    if index is None or None in places:
        raise ArchiveError(
            f"{name} is not a table of KOSTRA-DWD-2020: its first line lacks INDEX_RC, HN_001A to HN_100A or "
            "UC_001A to UC_100A; remove it and fetch it again"
        )
    values = np.full((len(cells), 2 * len(PERIODS)), np.nan)
    wanted = {int(cell): number for number, cell in enumerate(cells)}
    known = set(wanted)
    for line in lines[1:]:
        try:
            cell = parse_whole_number(line.split(";", index + 1)[index])
            number = wanted.pop(cell, None)
            if number is None and cell in known:
                raise ValueError("twice")  # noqa: TRY301 - reported like a line that is not a cell's
            if number is not None:
                fields = line.split(";")  # other lines are not split whole: that took most of the time
                values[number] = [parse_number(fields[place].replace(",", ".")) for place in places]  # type: ignore[index]
        except (ValueError, IndexError) as error:
            if not line.strip():
                continue
            raise ArchiveError(
                f"{name} has the line {line[:60]!a}, which is not a cell's, or is one's second: remove it and "
                "fetch it again"
            ) from error
    values[(values == _NO_VALUE) | ~np.isfinite(values)] = np.nan
    if (values < 0).any():
        raise ArchiveError(f"{name} has negative depths or uncertainties: remove it and fetch it again")
    return CellTable(values[:, : len(PERIODS)], values[:, len(PERIODS) :])


def is_whole(data: bytes) -> bool:
    """Return whether the bytes are a zip whose table can be unpacked."""
    try:
        _text(data, "")
    except ArchiveError:
        return False
    return True


def _text(data: bytes, name: str) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            tables = [info for info in archive.infolist() if info.filename.lower().endswith(".csv")]
            if len(tables) != 1:
                raise ArchiveError(
                    f"{name} has {len(tables)} CSV tables instead of one: remove it and fetch it again"
                )
            with archive.open(tables[0]) as file:
                text = file.read(_LIMIT + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ArchiveError(f"{name} is not a whole zip ({error}): remove it and fetch it again") from error
    if len(text) > _LIMIT:
        raise ArchiveError(
            f"{name} unpacks to more than {_LIMIT:,} bytes, too many for a table: remove it and fetch it again"
        )
    return text.decode("utf-8-sig", "replace")  # names and numbers are ASCII
