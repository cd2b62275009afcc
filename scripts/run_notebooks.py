"""Run the notebooks and keep their outputs: what a reader sees on the web page of the repository.

    python scripts/run_notebooks.py [NOTEBOOK ...]

They run against synthetic rain on a small server on this machine, in a temporary folder, with the data folder
`data` below it: no path, port or time of the machine at hand stays in what they show.
"""

from __future__ import annotations

import html
import os
import runpy
import sys
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

from radar_nb.mirror import Mirror

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
SHOWN_URL = "http://localhost"


def main(names: list[str]) -> None:
    """Run the notebooks of these paths, or all."""
    paths = [Path(name).resolve() for name in names] or sorted(NOTEBOOKS.glob("*.ipynb"))
    make_rain = runpy.run_path(str(NOTEBOOKS / "conftest.py"))["make_rain"]
    with TemporaryDirectory(prefix="radar_nb-", ignore_cleanup_errors=True) as name, chdir(name):
        make_rain(Path("server"), whole_month=True)
        with Mirror("server") as mirror:
            os.environ |= {"RADAR_NB_BASE_URL": mirror.url, "RADAR_NB_DATA": "data"}
            for path in paths:
                notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call] # nbformat's own gap
                client = NotebookClient(notebook, timeout=600, kernel_name="python3", record_timing=False)
                client.execute(cwd=name)
                show_final_progress(notebook)
                written: str = nbformat.writes(notebook)  # type: ignore[no-untyped-call] # the same
                text = written.replace(mirror.url, SHOWN_URL) + "\n"
                if name in text or str(Path.home()) in text:
                    raise SystemExit(f"{path.name}: its outputs show a path of this machine; print a relative one")
                path.write_text(text, encoding="utf-8")
                print(path.name)


def show_final_progress(notebook: nbformat.NotebookNode) -> None:
    """Replace each progress bar's first text, which nbclient keeps and pages show, by its last one."""
    kept = notebook.metadata.get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    models = {name: model["state"] for name, model in kept.get("state", {}).items()}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            view = output.get("data", {}).get("application/vnd.jupyter.widget-view+json", {})
            parts = models.get(view.get("model_id"), {}).get("children", ())
            texts = [models[part.removeprefix("IPY_MODEL_")].get("value") for part in parts]
            if len(texts) == 3 and isinstance(texts[1], int | float):  # words, bar, figures
                words, _, figures = texts
                output.data["text/plain"] = " ".join(html.unescape(f"{words} {figures}").split())


if __name__ == "__main__":
    main(sys.argv[1:])
