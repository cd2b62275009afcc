"""The pictures that saved notebooks show in place of widgets."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from support.controls import NO_SERVER

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS
from radar_nb.errors import StorageError
from radar_nb.plots.stills import Line, still_png
from radar_nb.runtime.language import Texts
from radar_nb.runtime.report import Outcome, Report
from radar_nb.widgets.app import App
from radar_nb.widgets.stills import _parts, lines_of
from radar_nb.widgets.wording import report_lines

GRID = GRIDS["de900"]
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> App:
    """Return an app of three months, with an explorer as after Open."""
    folder = tmp_path_factory.mktemp("data")
    app = App("YW", "2020-06", "2020-08", folder=folder, base_url=NO_SERVER, lang="en")
    times = np.datetime64("2020-06-13T00:05", "ns") + np.arange(2) * np.timedelta64(5, "m")
    coords = {"time": times, "y": GRID.y[:40], "x": GRID.x[:30]}
    about = {"units": "mm", "interval_minutes": 5}
    rain = xr.DataArray(np.full((2, 40, 30), 3, np.float32), coords, ("time", "y", "x"), "YW", about)
    app.explorer = rn.Explorer(rain, lang="en")
    app._stage.children = [app.explorer]  # noqa: SLF001 - as Open does
    return app


def bundle(widget: Any) -> dict[str, Any]:
    """Return what a widget's cell saves, by type."""
    found = widget._repr_mimebundle_()
    data: dict[str, Any] = found[0] if isinstance(found, tuple) else found
    return data


def picture(data: dict[str, Any]) -> Image.Image:
    """Return the picture in what a cell saves."""
    return Image.open(io.BytesIO(base64.b64decode(data["image/png"])))


def texts(widget: Any) -> str:
    """Return the lines of a widget's picture."""
    return "\n".join(part.text for part in _parts(widget) if isinstance(part, Line))


def test_every_widget_leaves_a_picture_which_nbconvert_shows(app: App) -> None:
    """App, picker, panel, Live: each saves a PNG below 60 kB, and a page made without widgets shows it."""
    nbconvert, nbformat = pytest.importorskip("nbconvert"), pytest.importorskip("nbformat")
    live = rn.Live(base_url=NO_SERVER, lang="en")
    bundles = [bundle(widget) for widget in (app, app.picker, app.panel, live)]
    live.close()
    cells = []
    for data in bundles:
        output = nbformat.v4.new_output("execute_result", data, execution_count=1)
        cells.append(nbformat.v4.new_code_cell("widget", outputs=[output], execution_count=1))

    html, _ = nbconvert.HTMLExporter().from_notebook_node(nbformat.v4.new_notebook(cells=cells))

    for data in bundles:
        assert VIEW in data
        assert len(data["image/png"]) < 80_000
        assert len(picture(data).convert("RGB").getcolors(1 << 20) or ()) > 5  # not blank
        assert data["image/png"] in html.replace("\n", "")
        assert data["text/plain"] not in html
    whole, picker, panel = (picture(data).size[1] for data in bundles[:3])
    assert whole > picker + panel + 300  # with the explorer's field


def test_a_picture_states_the_choice_and_what_is_on_the_disk(app: App) -> None:
    """Menus, plan, headings and the state of the files are in the picture; buttons and hidden lines are not."""
    said = texts(app).replace("\xa0", " ")

    assert said.startswith("1  Choose months\nProduct: YW: rain in 5 minutes")
    assert "3 months of RADKLIM 2017.002 (2020-06 to 2020-08)" in said
    assert "0 of 3 files on disk" in said
    assert not re.search("No kernel|Change months|Try again|Retry", said)


def test_a_picture_of_the_calendar_shows_the_selected_months(app: App) -> None:
    """Two pictures of one calendar differ where other months are selected, and nowhere else."""
    first = np.asarray(picture(bundle(app.picker)).convert("L")).astype(int)
    app.picker.value = ["2020-06", "2020-07", "2001-01"]
    second = np.asarray(picture(bundle(app.picker)).convert("L")).astype(int)

    calendar = slice(100, 310)
    rows, cols = np.nonzero(np.abs(first[calendar] - second[calendar]) > 60)
    assert 30 < np.ptp(rows) < 130
    assert np.ptp(cols) > 500  # from 2001 to 2020


def test_a_picture_has_no_progress_bar(app: App) -> None:
    """A running download leaves its figures in the picture; a folded table its heading, an open one all."""
    bar = '<div role="progressbar" style="width:3em"><div style="width:0%"></div></div>'
    app.panel._progress.value = f"<div>{bar}<span>12 MB of 46 MB</span></div>"  # noqa: SLF001 - as while it runs
    folded = "<details><summary>2 files</summary><div>a.tar</div></details><pre>one\ntwo</pre>"
    unfolded = (
        "<details open><summary>2 files</summary><table><tr><td>a.tar</td><td>done</td></tr></table></details>"
    )

    assert "12 MB of 46 MB" in texts(app.panel)
    assert [line.text for line in lines_of(folded)] == ["2 files", "one", "two"]
    assert [line.text for line in lines_of(unfolded)] == ["2 files", "a.tar  done"]


def test_a_long_text_is_wrapped_and_a_long_list_is_cut() -> None:
    """A word of 5,000 letters and 200 failed files make a picture of at most 2,500 x 900 pixels, in German too."""
    outcomes = tuple(Outcome(name=f"{n}.tar", state="failed", error=StorageError("x" * 90)) for n in range(200))

    lines = lines_of(report_lines(Report(task="download", outcomes=outcomes, seconds=1.0), Texts("de")))

    image = Image.open(io.BytesIO(still_png([Line(text="x" * 5000), *lines, Line(text="the last")])))

    assert len(lines) > 100
    assert image.size[0] <= 900
    assert image.size[1] <= 2500
