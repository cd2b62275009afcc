"""What only the site shows: notebooks with pictures in place of widgets, and a page that plays."""

# ruff: noqa: INP001 - Sphinx runs it; no package

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import radar_nb as rn
from radar_nb.mirror.frames import synthetic_frames

_WIDGET = "application/vnd.jupyter.widget-view+json"
LARGEST = 3_000_000  # bytes of the page that plays: readers load it with the text around it
_PICTURES = {"App": "app.png", "MonthPicker": "picker.png", "DownloadPanel": "panel.png"}


def write_pages(docs: Path) -> None:
    """Write them below `docs`, in the folders `generated` and `notebooks`, anew each time."""
    for folder in ("generated", "notebooks"):
        shutil.rmtree(docs / folder, ignore_errors=True)
    for path in (docs.parent / "notebooks").glob("*.ipynb"):
        _write(docs / "notebooks" / path.name, _notebook(path.read_text(encoding="utf-8"), docs / "images"))
    write_player(docs / "generated" / "extra" / "player.html")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")


def _notebook(text: str, pictures: Path) -> str:
    """Replace widgets, which need a kernel, by pictures, and drop progress bars."""
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


def write_player(path: Path) -> None:
    """Write two hours of synthetic rain over the middle of Germany as the player's own page."""
    path.parent.mkdir(parents=True)
    times = np.arange("2020-06-13T15:00", "2020-06-13T17:05", 5, dtype="datetime64[m]")
    with tempfile.TemporaryDirectory() as folder:
        for time, frame in synthetic_frames("YW", times, family="radklim"):
            name = f"raa01-yw2017.002_10000-{time.item():%y%m%d%H%M}-dwd---bin"
            (Path(folder) / name).write_bytes(frame)
        part = {"y": slice(330, 780), "x": slice(320, 770)}
        explorer = rn.Explorer(rn.open_dataset(folder, packed=True, progress=False).isel(part), lang="en")
        explorer.save_html(path)
        explorer.close()
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path} has {path.stat().st_size:,} bytes, more than {LARGEST:,}: choose fewer fields")
