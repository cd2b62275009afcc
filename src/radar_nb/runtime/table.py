"""A table that prints as aligned text and displays as HTML: for plans, reports and the list of products."""

from __future__ import annotations

import html
from dataclasses import dataclass
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING

from radar_nb.runtime.wording import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDEST = 72  # characters of a column
_STYLE = "text-align:left;vertical-align:top;padding:0.15em 1em 0.15em 0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns and rows of text.

    Attributes
    ----------
    title : str
        One line above the table.
    columns : tuple of str
    rows : tuple of tuple of str
        One text per column in each row.
    notes : tuple of str
        Lines below the table.

    Examples
    --------
    >>> print(Table(title="Sheep", columns=("name", "legs"), rows=(("Dolly", "4"),)))
    Sheep
    name   legs
    -----  ----
    Dolly  4
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[dict[str, str]]:
        """Iterate over the rows as dictionaries, so that `pandas.DataFrame(table)` works."""
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def __str__(self) -> str:
        """Return aligned text; long cells are wrapped."""
        cells = [[wrap(printable(text), _WIDEST) or [""] for text in row] for row in (self.columns, *self.rows)]
        widths = [max(len(line) for row in cells for line in row[i]) for i in range(len(self.columns))]
        cells.insert(1, [["-" * width] for width in widths])
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True))
            for row in cells
            for line in zip_longest(*row, fillvalue="")
        ]
        return "\n".join(line.rstrip() for line in (printable(self.title), *lines, *map(printable, self.notes)))

    __repr__ = __str__

    def _repr_html_(self) -> str:
        def escape(text: str) -> str:
            return html.escape(printable(text))

        head = "".join(f'<th style="{_STYLE}">{escape(column)}</th>' for column in self.columns)
        body = "".join(
            "<tr>" + "".join(f'<td style="{_STYLE}">{escape(text)}</td>' for text in row) + "</tr>"
            for row in self.rows
        )
        notes = "".join(f"<div>{escape(note)}</div>" for note in self.notes)
        return (
            f'<div class="radar-nb-table"><strong>{escape(self.title)}</strong>'
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{notes}</div>"
        )


class ShownAsTable:
    """A result that prints as its table, and displays as it in a notebook."""

    __slots__ = ()

    def table(self) -> Table:
        """Return the table."""
        raise NotImplementedError

    def __str__(self) -> str:
        """Return the table as text."""
        return str(self.table())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()
