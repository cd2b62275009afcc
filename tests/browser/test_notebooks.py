"""The notebooks in a browser: JupyterLab opens each as it is committed, and runs it to its end."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from browser.conftest import Lab, jupyterlab
from radar_nb.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[[Path | list[str]], Any]

SHOTS = os.environ.get("RADAR_NB_SHOTS")
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
FAULTS = "[data-mime-type='application/vnd.jupyter.error'], [data-mime-type='application/vnd.jupyter.stderr']"


@pytest.fixture(scope="module")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return JupyterLab and a server with the synthetic rain that the notebooks request."""
    root = tmp_path_factory.mktemp("server")
    runpy.run_path(str(NOTEBOOKS / "conftest.py"))["make_rain"](root)
    with (
        Mirror(root) as mirror,
        jupyterlab(tmp_path_factory.mktemp("home"), RADAR_NB_BASE_URL=mirror.url) as running,
    ):
        yield running


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_a_notebook_runs_to_its_end(path: Path, run_notebook: Run, tmp_path: Path) -> None:
    """No cell ends in an error or writes to stderr, no widget is broken, and no request leaves the machine."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call] # nbformat's own gap
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None  # so that the end of the run can be seen; the outputs are kept
    nbformat.write(notebook, tmp_path / path.name)  # type: ignore[no-untyped-call] # the same

    page = run_notebook(tmp_path / path.name)

    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{path.stem}.png")
    assert page.locator(FAULTS).all_inner_texts() == []
    assert page.get_by_text("Error displaying widget").count() == 0
    assert page.locator(".jp-OutputArea-output").count() > 0


def test_there_are_notebooks() -> None:
    """The folder of notebooks is not empty."""
    assert {"01_first_field", "02_download_and_extract", "app"} <= {path.stem for path in PATHS}
