"""Tables of KOSTRA-DWD-2020 as they may arrive."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from radar_nb.dwd.kostra import PERIODS
from radar_nb.errors import ArchiveError
from radar_nb.formats.kostra import is_whole, read_cells

HOUR = [13.5, 16.4, 18.4, 20.7, 24.2, 27.8, 30.2, 33.3, 37.7]
"""Depths of cell 49125 in an hour, mm: of 3 years made up, the others published by DWD."""


def table(*rows: tuple[int, list[float]], kinds: tuple[str, ...] = ("HN", "RN", "UC"), mark: str = "A") -> str:
    """Return a table with uncertainties of 11 to 19 %."""
    head = ["INDEX_RC", *(f"{kind}_{period:03d}{mark}" for kind in kinds for period in PERIODS)]
    spread = [float(percent) for percent in range(11, 20)]
    lines = [
        ";".join(map(str, [cell, *(x for kind in kinds for x in (spread if kind == "UC" else depths))]))
        for cell, depths in rows
    ]
    return "\r\n".join([";".join(head), *(line.replace(".", ",") for line in lines), ""])


def packed(text: str, name: str = "table.csv") -> bytes:
    """Return a zip with one table."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text.encode("latin-1"))
    return file.getvalue()


@pytest.mark.parametrize("kinds", [("HN", "RN", "UC"), ("UC", "HN"), ("HN", "UC", "RN")], ids="-".join)
@pytest.mark.parametrize("mark", ["A", "A_"])
def test_cells_have_their_values(kinds: tuple[str, ...], mark: str) -> None:
    """Columns are found by name, cells by number, in the asked order; cells without a line have no values."""
    text = table((49124, [1.0] * 9), (49125, HOUR), (117111, [2.5] * 9), kinds=kinds, mark=mark)

    found = read_cells(packed(text), "D60", [117111, 5, 49125])

    np.testing.assert_array_equal(found.depths, [[2.5] * 9, [np.nan] * 9, HOUR])
    np.testing.assert_array_equal(found.uncertainties[2], range(11, 20))


def test_a_cell_without_a_value_is_missing() -> None:
    """DWD's mark -99,9 is not a depth, and a number with leading zeros is the same cell."""
    text = table((1, [-99.9] * 9)).replace("\n1;", "\n000001;")

    assert np.isnan(read_cells(packed(text), "D60", [1]).depths).all()


def test_a_byte_order_mark_is_no_part_of_a_name() -> None:
    """A table in UTF-8 with a mark is read alike."""
    text = table((1, HOUR)).encode("utf-8-sig").decode("latin-1")

    np.testing.assert_array_equal(read_cells(packed(text), "D60", [1]).depths, [HOUR])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "D60 is not a whole zip"),
        (packed(table((1, HOUR)))[:-30], "D60 is not a whole zip"),
        (packed(table((1, HOUR)), "table.txt"), "D60 has 0 CSV tables instead of one"),
        (packed("INDEX_RC;HN_001A\r\n1;2\r\n"), "D60 is not a table of KOSTRA-DWD-2020: its first line lacks"),
        (packed(""), "D60 is not a table of KOSTRA-DWD-2020"),
        (packed(table((1, HOUR)) + "x;y\r\n"), "D60 has the line 'x;y', which is not a cell's"),
        (packed(table((1, HOUR))[:-40]), "D60 has the line '1;13,5"),
        (packed(table((1, HOUR), (1, [9.0] * 9))), "D60 has the line '1;9,0.*, or is one's second"),
        (packed(table((1, HOUR)).replace("13,5", "1_3,5")), "D60 has the line '1;1_3,5"),
        (packed(table((1, [-5.0] * 9))), "D60 has negative depths or uncertainties"),
        (packed("0" * (65 << 20)), "D60 unpacks to more than 67,108,864 bytes"),
    ],
    ids=[
        "empty",
        "cut",
        "no table",
        "no columns",
        "nothing",
        "letters",
        "short line",
        "twice",
        "underscore",
        "negative",
        "bomb",
    ],
)
def test_another_table_raises(data: bytes, message: str) -> None:
    """Each message names the table and what to do."""
    with pytest.raises(ArchiveError, match=message):
        read_cells(data, "D60", [1])


def test_a_damaged_byte_is_noticed() -> None:
    """A zip whose checksum does not hold is not whole."""
    data = bytearray(packed(table((1, HOUR))))
    assert is_whole(bytes(data))
    data[60] ^= 1

    assert not is_whole(bytes(data))
