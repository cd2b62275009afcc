"""Part of the soak: the result of each part, and how it is written to the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

BEGIN = "<!-- begin: written by scripts/soak.py -->"
END = "<!-- end: written by scripts/soak.py -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A table of the soak.

    Attributes
    ----------
    title : str
    lines : tuple of str
        The text above the table.
    columns : tuple of str
    rows : tuple of tuple of str
    broken : tuple of str
        Laws that did not hold: none, by the law of laws.
    """

    title: str
    lines: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    broken: tuple[str, ...]

    def __str__(self) -> str:
        """Draw it in Markdown."""
        rule = ["---"] + ["---:"] * (len(self.columns) - 1)
        table = [_row(self.columns), _row(rule), *map(_row, self.rows)]
        broken = [f"- **broken**: {law}" for law in self.broken]
        return "\n".join([f"### {self.title}", "", *self.lines, "", *table, *([""] if broken else []), *broken])


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def inserted(document: str, text: str) -> str:
    """Put a text between the two marks of a document, in place of the text between them."""
    head, begin, rest = document.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"the document has no place for the tables: it needs the lines {BEGIN} and {END}")
    return f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}"
