"""The tables of docs/ that are generated from the code: products, grids, errors, commands, variables, decisions.

A page holds each of them between two comments, so that a reader of the repository sees it too.
`make docs-tables` writes them; tests/test_docs.py compares them with the code.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from typing import TYPE_CHECKING
from unittest import mock

from support.pages import DOCS

import radar_nb as rn
from radar_nb.cli.configuration import VARIABLES
from radar_nb.cli.main import main
from radar_nb.dwd.grids import GRIDS
from radar_nb.dwd.products import PRODUCTS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_TABLE = re.compile(
    r"(?P<begin><!-- table of (?P<name>\w+), made by `make docs-tables` -->\n\n)"
    r".*?(?P<end>\n<!-- end of table -->)",
    re.DOTALL,
)


def with_tables(text: str) -> str:
    """Return a page with all its tables generated from the code."""
    return _TABLE.sub(lambda match: match["begin"] + _TABLES[match["name"]]() + match["end"], text)


def pages_with_tables() -> list[Path]:
    """Return the pages that hold such tables."""
    return [path for path in sorted(DOCS.rglob("*.md")) if _TABLE.search(path.read_text("utf-8"))]


def records() -> list[Path]:
    """Return the records of decisions, newest first."""
    return sorted((DOCS / "decisions").glob("[0-9]*.md"), reverse=True)


def _table(heads: tuple[str, ...], rows: Iterable[Iterable[str]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '') for cell in line)} |" for line in lines) + "\n"


def _products() -> str:
    rows = [tuple(row.values()) for row in rn.products()]
    return _table(("Product", "What it is", "Unit", "Interval", "Forecasts", "Grids", "Published as"), rows)


def _families() -> str:
    parts = []
    for product in PRODUCTS.values():
        if product.families:
            rows = [tuple(row.values())[:5] for row in product.table()]
            head = f"**{product.name}**: {product.title}; {product.unit}, in steps of {product.precision:g}.\n\n"
            parts.append(head + _table(("Family", "What it is", "Months", "Grid", "A frame every"), rows))
    return "\n".join(parts)


def _grids() -> str:
    rows = [
        (
            f"`{name}`",
            f"{grid.rows} x {grid.cols}",
            f"{grid.cell:g} m",
            {"sphere": "sphere", "wgs84": "WGS84 ellipsoid"}[grid.earth],
        )
        for name, grid in GRIDS.items()
    ]
    return _table(("Grid", "Rows x columns", "Cell", "Earth"), rows)


def _errors() -> str:
    """Return the tree that the module's docstring draws."""
    lines = (rn.errors.__doc__ or "").splitlines()
    begin = lines.index("RadarNbError")
    return "```text\n" + "\n".join(lines[begin : lines.index("", begin)]) + "\n```\n"


def _commands() -> str:
    names = re.findall(r"^    ([a-z-]+)\s", _help(), re.MULTILINE)
    return "\n".join(f"## {name}\n\n```text\n{_help(name)}```\n" for name in names)


def _help(*command: str) -> str:
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "96"}),  # the width of a page, whatever the terminal
        contextlib.redirect_stdout(io.StringIO()) as printed,
        contextlib.suppress(SystemExit),
    ):
        main([*command, "--help"])
    return printed.getvalue()


def _variables() -> str:
    rows = [[f"`{one.name}`", one.argument and f"`{one.argument}`", one.default, one.meaning] for one in VARIABLES]
    return _table(("Environment", "Argument", "Default", "What it is"), rows)


def _decisions() -> str:
    titles = {path: path.read_text("utf-8").splitlines()[0].removeprefix("# ") for path in records()}
    return _table(
        ("Number", "Decision"), ((path.name[:4], f"[{title}]({path.name})") for path, title in titles.items())
    )


_TABLES = {
    "products": _products,
    "families": _families,
    "grids": _grids,
    "errors": _errors,
    "commands": _commands,
    "variables": _variables,
    "decisions": _decisions,
}
