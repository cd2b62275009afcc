"""Tables: as text, as HTML, as rows."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from radar_nb.runtime.table import Table

pandas = pytest.importorskip("pandas")  # comes with xarray

SHEEP = Table(
    title="Sheep & goats",
    columns=("name", "legs"),
    rows=(("Dolly", "4"), ("<script>alert(1)</script>", "")),
    notes=("a < b",),
)


def test_text_is_in_columns() -> None:
    """Every column begins at the same position in each line, and no line ends in blanks."""
    title, *lines, note = str(SHEEP).splitlines()

    at = lines[0].index("legs")
    assert [line[at:] for line in lines] == ["legs", "----", "4", ""]
    assert [line[:at].rstrip() for line in lines] == ["name", "-" * 25, "Dolly", "<script>alert(1)</script>"]
    assert (title, note) == ("Sheep & goats", "a < b")
    assert all(line == line.rstrip() for line in lines)
    assert repr(SHEEP) == str(SHEEP)


def test_html_shows_the_same_text_escaped() -> None:
    """The HTML has each cell's text, escaped: no name becomes markup."""
    page = ET.fromstring(SHEEP._repr_html_())  # noqa: S314 - our own page

    cells = [[cell.text or "" for cell in row] for row in page.iter("tr")]
    assert cells == [list(SHEEP.columns), *(list(row) for row in SHEEP.rows)]
    assert page.findtext("strong") == "Sheep & goats"
    assert page.findtext("div") == "a < b"
    assert page.find(".//script") is None


def test_a_table_converts_to_a_dataframe() -> None:
    """`pandas.DataFrame(table)` has the table's columns and rows."""
    frame = pandas.DataFrame(SHEEP)

    assert tuple(frame.columns) == SHEEP.columns
    assert [tuple(row) for row in frame.to_numpy()] == list(SHEEP.rows)
    assert len(SHEEP) == len(frame) == 2


def test_a_table_without_rows_shows_its_columns() -> None:
    """A table without rows prints its header."""
    assert str(Table(title="None", columns=("name", "legs"), rows=())).splitlines()[1] == "name  legs"
