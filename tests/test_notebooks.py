"""Widgets in a real kernel, and the notebooks as committed in the repository."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.malicious_archives import day, month
from support.servers import Reply, serving

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
JUNE = "/climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020/YW2017.002_202006.tar"
WIDGETS = "application/vnd.jupyter.widget-state+json"

every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    """Read a notebook; nbformat takes seconds to import, and would take them from every process that collects."""
    import nbformat

    notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call] # nbformat's own gap
    return notebook


def models(notebook: NotebookNode, name: str) -> list[dict[str, Any]]:
    """Return the states of all widgets of a kind, from which a page draws them."""
    state = notebook.metadata["widgets"][WIDGETS]["state"].values()
    return [widget["state"] for widget in state if widget["model_name"] == f"{name}Model"]


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


CELLS = (
    """
import asyncio
import radar_nb as rn
picker = rn.MonthPicker("YW", "2020-06")
panel = rn.DownloadPanel(picker)
""",
    # a click, and a cell that runs while the file arrives
    """
panel.children[0].children[0].click()
begun = panel.state
report = await panel.done()
begun, panel.state, report.outcomes[0].state
""",
    # the same from plain code, in the running loop
    """
panel.extract()
len(list(panel.wait().paths[0].rglob("*-bin")))
""",
    # months, selected in the calendar
    """
chosen = asyncio.Event()
picker.observe(lambda _: chosen.set(), "value")
picker.children[2].value = ["2020-06", "2020-07", "2020-08"]
await asyncio.wait_for(chosen.wait(), 10)
[str(month) for month in picker.value]
""",
)


def test_in_a_kernel_a_click_downloads_and_updates_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The work continues during other cells, can be awaited, and the widgets' state shows its result."""
    import nbformat
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(cell) for cell in CELLS]  # type: ignore[no-untyped-call] # nbformat's own gap
    notebook = nbformat.v4.new_notebook(cells=cells)  # type: ignore[no-untyped-call] # the same
    with serving() as server:
        server.script(JUNE, Reply(body=month(day(range(0, 60, 5)))))
        monkeypatch.setenv("RADAR_NB_BASE_URL", server.url)
        NotebookClient(notebook, timeout=60, kernel_name="python3").execute(cwd=str(tmp_path))

    shown = [output["data"]["text/plain"] for output in outputs(notebook)]
    assert shown == ["('running', 'done', 'done')", "12", "['2020-06', '2020-07', '2020-08']"]
    assert {button["description"] for button in models(notebook, "Button") if not button["disabled"]} >= {
        "Download",
        "Extract",
    }


def test_there_are_notebooks() -> None:
    """The folder of notebooks is not empty."""
    assert [path.stem for path in PATHS][:2] == ["01_first_field", "02_download_and_extract"]


@every_notebook
def test_a_notebook_is_committed_with_all_its_outputs(path: Path) -> None:
    """Each code cell was run once, from top to bottom, and none ended in an error."""
    notebook = read(path)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]

    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert {output.output_type for output in outputs(notebook)} <= {"display_data", "execute_result", "stream"}


@every_notebook
def test_outputs_of_a_notebook_do_not_name_the_machine(path: Path) -> None:
    """The outputs contain no folder, port or warning of that machine."""
    notebook = read(path)
    said = [output for output in outputs(notebook) if output.get("name") == "stderr"]
    text = json.dumps([outputs(notebook), notebook.metadata])

    assert said == []
    assert re.findall(r"/(?:home|root|tmp|Users|work)/\w*|localhost:\d+|127\.0\.0\.1", text) == []


def test_the_first_notebook_shows_fields_and_a_finished_download() -> None:
    """The committed outputs show the rain and the widgets."""
    notebook = read(PATHS[0])

    ended = [text["value"] for text in models(notebook, "HTML") if 'data-state="done"' in text["value"]]
    pictures = [output for output in outputs(notebook) if "image/png" in output.get("data", {})]
    assert len(notebook.cells) == 10
    assert len(pictures) == 2
    assert ended


def test_the_second_notebook_shows_a_download_that_was_resumed() -> None:
    """The committed outputs show a resumed download."""
    notebook = read(PATHS[1])

    text = json.dumps(outputs(notebook))
    for word in ("cancelled", "1 resumed", "1 kept", "1 done, 1 missing", "is not in radklim"):
        assert word in text
