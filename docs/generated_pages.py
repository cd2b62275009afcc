"""The pages of this site that are made of the code: tables, helps, notebooks. Nothing here can go stale."""

# ruff: noqa: INP001 - Sphinx runs it; no package

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import radar_nb as rn
from radar_nb.cli.configuration import variables_table
from radar_nb.cli.main import main
from radar_nb.dwd.grids import GRIDS
from radar_nb.dwd.products import PRODUCTS
from radar_nb.mirror.frames import synthetic_frames

_WIDGET = "application/vnd.jupyter.widget-view+json"
_PICTURES = {"App": "app.png", "MonthPicker": "picker.png", "DownloadPanel": "panel.png"}


def write_pages(docs: Path) -> None:
    """Write them below `docs`, in the folders `generated` and `notebooks`, anew each time."""
    for folder in ("generated", "notebooks"):
        shutil.rmtree(docs / folder, ignore_errors=True)
    os.environ["COLUMNS"] = "96"  # what fits on a page, whatever the terminal at hand
    for name, text in {
        "products": _products(),
        "families": _families(),
        "grids": _grids(),
        "errors": _errors(),
        "commands": _commands(),
        "variables": _variables(),
        "trust": _trust(docs),
    }.items():
        _write(docs / "generated" / f"{name}.inc", text)
    for path in (docs.parent / "notebooks").glob("*.ipynb"):
        _write(docs / "notebooks" / path.name, _notebook(path.read_text(encoding="utf-8"), docs / "images"))
    _write_player(docs / "generated" / "extra" / "player.html")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _notebook(text: str, pictures: Path) -> str:
    """Show pictures where widgets are, since there is no kernel behind a page, and no bars that stand still."""
    notebook = json.loads(text)
    notebook["metadata"].pop("widgets", None)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [_shown(one, pictures) for one in cell["outputs"] if not _is_bar(one)]
    return json.dumps(notebook, indent=1, ensure_ascii=False)


def _is_bar(output: dict[str, Any]) -> bool:
    return output["output_type"] == "display_data" and _WIDGET in output["data"]


def _shown(output: dict[str, Any], pictures: Path) -> dict[str, Any]:
    if _WIDGET not in output.get("data", {}):
        return output
    name = "".join(output["data"]["text/plain"]).partition(":")[0]
    if name not in _PICTURES:
        return output
    picture = (pictures / _PICTURES[name]).read_bytes()
    return output | {"data": {"image/png": base64.b64encode(picture).decode("ascii")}}


def _write_player(path: Path) -> None:
    """Write ninety minutes of synthetic rain as the player's own page."""
    path.parent.mkdir()
    times = np.arange("2020-06-13T15:00", "2020-06-13T16:35", 5, dtype="datetime64[m]")
    with tempfile.TemporaryDirectory() as folder:
        for time, frame in synthetic_frames("YW", times, family="radklim"):
            name = f"raa01-yw2017.002_10000-{time.item():%y%m%d%H%M}-dwd---bin"
            (Path(folder) / name).write_bytes(frame)
        explorer = rn.Explorer(rn.open_dataset(folder, packed=True, progress=False), lang="en")
        explorer.save_html(path)
        explorer.close()


def _table(heads: tuple[str, ...], rows: Any) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '') for cell in line)} |" for line in lines) + "\n"


def _products() -> str:
    rows = [tuple(row.values()) for row in rn.products()]
    return _table(("Product", "What it is", "Unit", "Interval", "Published as"), rows)


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
    """Give the tree as it is drawn at the top of the module."""
    lines = (rn.errors.__doc__ or "").splitlines()
    begin = lines.index("RadarNbError")
    return "```text\n" + "\n".join(lines[begin : lines.index("", begin)]) + "\n```\n"


def _commands() -> str:
    names = re.findall(r"^    ([a-z-]+)\s", _help(), re.MULTILINE)
    return "\n".join(f"## {name}\n\n```text\n{_help(name)}```\n" for name in names)


def _variables() -> str:
    columns = ("environment", "argument", "default", "what it is")
    rows = [[f"`{row[name]}`" if name in columns[:2] and row[name] else row[name] for name in columns]
            for row in variables_table()]  # fmt: skip
    return _table(("Environment", "Argument", "Default", "What it is"), rows)


def _trust(docs: Path) -> str:
    """Give the list of pages with figures, which are made by other commands, as far as they are there."""
    pages = ("reliability", "performance", "scaling", "comparison", "never", "decisions")
    there = "\n".join(page for page in pages if (docs / f"{page}.md").exists())
    return f"```{{toctree}}\n:hidden:\n:caption: Trust\n\n{there}\n```\n"


def _help(*command: str) -> str:
    """Give what `radar-nb COMMAND --help` prints."""
    with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return told.getvalue()
