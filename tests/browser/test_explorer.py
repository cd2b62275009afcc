"""The explorer in a browser: it plays the fields, and shows the values of the Dataset."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import radar_nb as rn
from browser.conftest import IDLE, Watch, columns_of, notebook_of
from radar_nb.dwd.grids import GRIDS
from radar_nb.widgets.explorer.queries import inside

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import xarray as xr

    from browser.conftest import Lab

    Run = Callable[[Path | list[str]], Any]

SHOTS = os.environ.get("RADAR_NB_SHOTS")
ARCHIVE = "climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020/YW2017.002_202006.tar"
FIRST, COUNT = 470, 24

RUN_CELL = """async (code) => {
  const { content } = window.jupyterapp.shell.currentWidget, { commands } = window.jupyterapp;
  content.activeCellIndex = 1;
  content.activeCell.model.sharedModel.setSource(code);
  await commands.execute("notebook:clear-cell-output");
  await commands.execute("notebook:run-cell");
}"""
ALL_HERE = "() => { const { player } = document.querySelector('.rnb-explorer'); \
return player.cache.packed.size === player.info.count; }"


@pytest.fixture(scope="session")
def archive(real_mirror: Path) -> Path:
    """Return an archive of real fields, with its index."""
    rn.open_dataset(real_mirror / ARCHIVE, progress=False)
    return real_mirror / ARCHIVE


@pytest.fixture(scope="session")
def fields(archive: Path) -> xr.DataArray:
    """Return the field of the explorer, read independently."""
    data: xr.DataArray = rn.open_dataset(archive, chunks=None, progress=False)["YW"]
    return data[FIRST : FIRST + COUNT].load()


def opened(archive: Path) -> str:
    """Return code that opens a part of it as `ds`, and the whole as `source`."""
    made = f"import radar_nb as rn\nsource = {str(archive)!r}\nwhole = rn.open_dataset(source, packed=True, "
    return f"{made}chunks=None, progress=False)\nds = whole.isel(time=slice({FIRST}, {FIRST + COUNT}))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notebook:
    """A notebook whose kernel has the fields open: many explorers share it, since a Lab page loads slowly."""

    page: Any
    watch: Watch

    def show(self, code: str = "explorer = rn.Explorer(ds)\nexplorer", index: int | None = 0) -> Any:
        """Run a cell that shows an explorer, wait for a field, and return the page."""
        self.page.evaluate(RUN_CELL, code)
        if index is not None:
            shown(self.page, index)
        return self.page


@pytest.fixture(scope="module")
def opened_notebook(lab: Lab, browser: Any, archive: Path) -> Iterator[Notebook]:
    """Return the notebook; its kernel ends after this module."""
    page = browser.new_page(
        viewport={"width": 1280, "height": 900}, reduced_motion="reduce", accept_downloads=True
    )
    page.set_default_timeout(60_000)
    watch = Watch()
    watch.on(page)
    folder = lab.root / "notebook"
    folder.mkdir()
    (folder / "cells.ipynb").write_text(notebook_of([opened(archive), ""]), encoding="utf-8")
    page.goto(f"{lab.url}/doc/tree/notebook/cells.ipynb?reset", wait_until="domcontentloaded")
    page.wait_for_function("() => !!window.jupyterapp")
    page.evaluate("() => window.jupyterapp.restored.then(() => true)")
    page.wait_for_function(IDLE)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => true)")
    yield Notebook(page=page, watch=watch)
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.close()


@pytest.fixture
def notebook(opened_notebook: Notebook) -> Iterator[Notebook]:
    """Return the notebook; finally check that no request left the machine and no error occurred."""
    yield opened_notebook

    assert opened_notebook.watch.outside_requests == []
    assert opened_notebook.watch.errors == []


def shown(page: Any, index: int | None = None) -> Any:
    """Wait for a field on the map."""
    number = "" if index is None else f'="{index}"'
    page.wait_for_selector(f".rnb-stage[data-index{number}]")
    return page.locator(".rnb-explorer")


def at(page: Any, east: float, north: float) -> tuple[float, float]:
    """Return the screen position of a point in shares of the map; scroll the map into view first."""
    over = page.locator(".rnb-over")
    over.scroll_into_view_if_needed()
    box = over.bounding_box()
    return box["x"] + east * box["width"], box["y"] + (1 - north) * box["height"]


def read(page: Any) -> dict[str, float]:
    """Return the text under the pointer."""
    shown = page.locator(".rnb-readout").evaluate("node => ({...node.dataset})")
    return {name: float(value) for name, value in shown.items()}


def marks(page: Any) -> list[dict[str, Any]]:
    """Return the compared places with their series."""
    script = "node => node.player.marks.map((mark) => ({...mark, values: [...mark.values]}))"
    found: list[dict[str, Any]] = page.locator(".rnb-explorer").evaluate(script)
    return found


def drag_box(page: Any) -> None:
    """Draw a box on the map."""
    page.get_by_role("button", name="Box").click()
    page.mouse.move(*at(page, 0.48, 0.55))
    page.mouse.down()
    page.mouse.move(*at(page, 0.55, 0.65), steps=3)
    page.mouse.up()


def saved(page: Any, name: str) -> Path:
    """Click an export button and return the downloaded file."""
    with page.expect_download() as download:
        page.locator(".rnb-exports").get_by_role("button", name=name).click()
    path: Path = download.value.path()
    return path


def picture(page: Any, name: str) -> None:
    """Save a screenshot if a folder for screenshots is set."""
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/{name}.png")


def hold_against(page: Any, field: xr.DataArray) -> None:
    """Assert that the read-out at a few places equals the Dataset's values."""
    lon, lat = GRIDS["de1100"].lonlat()
    for east, north in ((0.5, 0.5), (0.55, 0.62), (0.46, 0.7), (0.02, 0.5)):
        page.mouse.move(*at(page, east, north))
        shown = read(page)
        row, col = int(shown["row"]), int(shown["col"])

        assert shown["value"] == pytest.approx(float(field[row, col]), abs=0.006, nan_ok=True)
        assert shown["lon"] == pytest.approx(lon[row, col], abs=1e-9)
        assert shown["lat"] == pytest.approx(lat[row, col], abs=1e-9)


def test_the_read_out_is_the_datasets(notebook: Notebook, fields: xr.DataArray) -> None:
    """The read-out shows value, longitude and latitude of the Dataset's cell under the pointer, at any time."""
    page = notebook.show()

    hold_against(page, fields[0])
    page.get_by_role("slider", name="Time").fill("7")
    shown(page, 7)
    hold_against(page, fields[7])
    picture(page, "lab")


def test_series_and_their_table_are_the_datasets(notebook: Notebook, fields: xr.DataArray) -> None:
    """The series of a cell, the mean of a box, and the CSV with both equal the Dataset's values."""
    page = notebook.show()

    page.mouse.click(*at(page, 0.5, 0.6))
    drag_box(page)
    page.wait_for_selector("[data-series='2']")
    cell, box = marks(page)
    times, *series = columns_of(saved(page, "CSV")).values()
    picture(page, "lab_series")

    row, col = cell["cell"]
    (west, south), _, (east, north), _ = box["polygon"]
    low, high = sorted((south, north))
    part = fields[:, round(low) : round(high), round(west) : round(east)].mean(("y", "x"))
    assert np.allclose(cell["values"], fields[:, row, col], atol=1e-6, equal_nan=True)
    assert np.allclose(box["values"], part, atol=1e-6, equal_nan=True)
    assert np.array_equal(np.array(times, "M8[ns]"), fields.time)
    at_cell, in_box = ([float(value or "nan") for value in column] for column in series[:2])
    assert np.allclose(at_cell, fields[:, row, col], atol=1e-6, equal_nan=True)
    assert np.allclose(in_box, part, atol=1e-6, equal_nan=True)


def test_it_plays(notebook: Notebook) -> None:
    """Play shows one field after another, starts again at the end, and pauses; keys do the same."""
    page = notebook.show()
    explorer = page.locator(".rnb-explorer")

    explorer.get_by_label("Speed").select_option("30")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function(f"() => +document.querySelector('.rnb-stage').dataset.frames > {COUNT + 5}")
    page.locator(".rnb-stage").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Play").wait_for()
    page.keyboard.press("Home")
    shown(page, 0)
    page.keyboard.press("ArrowRight")
    shown(page, 1)
    page.keyboard.press("End")

    shown(page, COUNT - 1)


def test_a_day_plays_without_waiting(notebook: Notebook) -> None:
    """The browser requests 288 fields ahead of the playhead, so playback never waits for a field."""
    page = notebook.show("rn.Explorer(whole.isel(time=slice(288, 576)))")
    explorer = page.locator(".rnb-explorer")
    explorer.get_by_label("Speed").select_option("30")
    shown_so_far = "+document.querySelector('.rnb-stage').dataset.frames"

    page.get_by_role("button", name="Play").click()
    page.wait_for_function(ALL_HERE)
    before = page.evaluate(f"() => {shown_so_far}")
    page.wait_for_function(f"() => {shown_so_far} > {before + 60}")
    page.get_by_role("button", name="Pause").click()

    assert page.locator(".rnb-waiting").is_hidden()


def test_scrubbing_holds_no_more_than_the_budget(notebook: Notebook) -> None:
    """However far the playhead jumps, compressed fields stay within a budget and inflated fields stay few."""
    page = notebook.show("rn.Explorer(whole)")
    page.evaluate("() => { document.querySelector('.rnb-explorer').player.cache.budget = 2e6; }")

    for index in (700, 20, 400, 863, 150):
        page.get_by_role("slider", name="Time").fill(str(index))
        shown(page, index)
    script = """() => {
      const { cache } = document.querySelector(".rnb-explorer").player;
      const held = [...cache.packed.values()].reduce((sum, { bytes }) => sum + bytes.buffer.byteLength, 0);
      return { held, counted: cache.bytes, open: cache.open.size, most: cache.most, received: cache.received };
    }"""
    cache = page.evaluate(script)

    assert cache["held"] == cache["counted"] <= 2e6 < cache["received"]
    assert cache["open"] <= cache["most"] <= 48


def test_colours_change_in_the_browser(notebook: Notebook, fields: xr.DataArray, tmp_path: Path) -> None:
    """Unit, palette and limits change the map at once, without a request to the kernel, which is busy."""
    page = notebook.show()
    explorer = page.locator(".rnb-explorer")
    page.wait_for_function(ALL_HERE)
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(tmp_path / 'seen')!r}).exists(): time.sleep(0.05)"
    kernel = "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
    run = f"{kernel}.requestExecute({{ code }}).done.then(() => (window.ended = true))"
    page.evaluate(f"(code) => {{ window.ended = false; {run}; }}", wait)
    colours = "() => new Set(document.querySelector('.rnb-explorer').player.map.pixels).size"
    before = page.evaluate(colours)

    explorer.get_by_label("Class limits").fill("0.01, 5")
    explorer.get_by_label("Class limits").press("Enter")
    few = page.evaluate(colours)
    explorer.get_by_label("Palette").select_option("viridis")
    explorer.get_by_label("Unit").select_option("1")
    page.mouse.move(*at(page, 0.52, 0.6))
    row, col = (int(read(page)[name]) for name in ("row", "col"))
    text = page.locator(".rnb-readout b").inner_text()
    busy = not page.evaluate("() => window.ended")
    (tmp_path / "seen").touch()
    page.wait_for_function("() => window.ended")

    assert busy
    assert few < before
    assert float(text) == pytest.approx(12 * float(fields[0, row, col]), abs=1e-3)


def test_a_polygon_and_a_place_are_compared(notebook: Notebook, fields: xr.DataArray) -> None:
    """A polygon of clicked corners and a typed place each have a row with their sum."""
    page = notebook.show()
    explorer = page.locator(".rnb-explorer")

    explorer.get_by_role("button", name="Polygon").click()
    for corner in ((0.48, 0.5), (0.56, 0.5)):
        page.mouse.click(*at(page, *corner))
    page.mouse.dblclick(*at(page, 0.52, 0.65))
    explorer.get_by_label("Town, or longitude").fill("10.0, 52.3")
    explorer.get_by_role("button", name="Add").click()
    page.wait_for_selector("[data-series='2']")
    page.wait_for_selector(".rnb-marks tr:last-child:not(.rnb-loading)")
    area, place = marks(page)

    row, col = place["cell"]
    lon, lat = GRIDS["de1100"].lonlat()
    expected = fields.to_numpy()[:, inside(area["polygon"], GRIDS["de1100"].shape)]
    assert np.allclose(area["values"], np.nanmean(expected, axis=1, dtype="f8"), atol=1e-6)
    assert (lon[row, col], lat[row, col]) == pytest.approx((10.0, 52.3), abs=0.01)
    sums = page.locator(".rnb-marks td[data-k]").nth(5).inner_text()
    assert float(sums) == pytest.approx(float(fields[:, row, col].sum()), abs=0.01)


def test_a_town_is_found_by_its_name(notebook: Notebook) -> None:
    """Enter adds a point with the town's name, also in a second display; an unknown name stays in the field."""
    page = notebook.show()
    field = page.locator(".rnb-explorer").get_by_label("Town, or longitude")

    field.fill("Hanover")
    field.press("Enter")
    page.wait_for_selector(".rnb-marks tr:has-text('Hannover')")
    row, col = marks(page)[0]["cell"]
    lon, lat = GRIDS["de1100"].lonlat()
    assert (lon[row, col], lat[row, col]) == pytest.approx((9.733, 52.374), abs=0.01)
    assert field.input_value() == ""

    field.fill("Hannofer")
    field.press("Enter")
    page.wait_for_selector(".rnb-status:has-text('“Hannofer” is not the name of one known town')")
    assert field.input_value() == "Hannofer"

    page.wait_for_function("() => document.querySelector('.rnb-explorer').player.keptView?.includes('Hannover')")
    notebook.show("explorer")
    page.wait_for_selector(".rnb-marks tr:has-text('Hannover')")


def test_copied_code_reproduces_the_view(notebook: Notebook, archive: Path, fields: xr.DataArray) -> None:
    """The copied code runs, and its field and series are those on the screen."""
    page = notebook.show("explorer = rn.Explorer(source)\nexplorer.index = 472\nexplorer", 472)
    explorer = page.locator(".rnb-explorer")
    page.evaluate(f"() => document.querySelector('.rnb-explorer').player.setSpan({FIRST}, {FIRST + COUNT - 1})")

    page.mouse.click(*at(page, 0.5, 0.6))
    drag_box(page)
    page.wait_for_selector("[data-series='2']")
    explorer.get_by_label("Palette").select_option("viridis")
    page.get_by_role("button", name="Code").click()
    code = page.get_by_role("textbox", name="Code").input_value()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Sum", exact=True).click()
    page.wait_for_selector("[data-total=sum]")
    page.get_by_role("button", name="Code").click()
    of_sum = page.get_by_role("textbox", name="Code").input_value()
    page.get_by_role("button", name="Close").click()
    cell, box = (mark["values"][FIRST : FIRST + COUNT] for mark in marks(page))
    copied, total = run_code(code), run_code(of_sum)

    assert 'cmap="viridis"' in code
    assert copied["field"].equals(fields[2])
    assert np.allclose(copied["series"]["YW"].squeeze(), cell, atol=1e-6)
    assert np.allclose(copied["means"]["YW"].squeeze(), box, rtol=0.05, atol=0.005)
    assert "radar_nb." not in code
    assert np.allclose(total["field"], fields.sum("time", min_count=1), atol=1e-4, equal_nan=True)


def run_code(code: str) -> dict[str, Any]:
    """Run copied code and return its variables."""
    import matplotlib.pyplot as plt

    names: dict[str, Any] = {}
    exec(code, names)  # noqa: S102 - ours
    plt.close("all")
    return names


def test_totals_and_the_next_rain_are_the_datasets(notebook: Notebook, fields: xr.DataArray) -> None:
    """The map shows the sum over the span, and the explorer finds the next wet field after a dry one."""
    dry = "late = ds.compute()\nlate.YW[:9] = 0\nlate.YW[12] = 0\nrn.Explorer(late)"
    page = notebook.show(dry)

    page.get_by_role("button", name="Next rain").click()
    shown(page, 9)
    page.keyboard.press("r")
    shown(page, 13)
    page.get_by_role("button", name="Sum", exact=True).click()
    page.wait_for_selector("[data-total=sum]")

    expected = fields.copy(deep=True)
    expected[:9] = 0
    expected[12] = 0
    hold_against(page, expected.sum("time", min_count=1))


def test_pictures_and_films_are_saved_as_files(notebook: Notebook) -> None:
    """The explorer saves a PNG of the map and a film of the span."""
    page = notebook.show("explorer = rn.Explorer(ds.isel(time=slice(0, 3)))\nexplorer")

    image = saved(page, "PNG").read_bytes()
    film = saved(page, "Animation").read_bytes()

    assert image.startswith(b"\x89PNG")
    assert film.startswith(b"GIF") or b"ftyp" in film[:12]


def test_the_size_of_a_page_is_shown_before(notebook: Notebook) -> None:
    """A dialog shows the size before the page is made."""
    page = notebook.show()
    page.wait_for_function(ALL_HERE)

    page.locator(".rnb-exports").get_by_role("button", name="HTML").click()
    text = page.locator(".rnb-pagebox p").inner_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save page").click()
    size = download.value.path().stat().st_size

    number = float(text.split("about ")[1].split()[0])
    assert number * 1e6 == pytest.approx(size, rel=0.1)


def test_two_views_show_one_explorer(notebook: Notebook) -> None:
    """Two views play the same fields and follow `index` and `span`; only the view that asked gets an answer."""
    page = notebook.show("explorer = rn.Explorer(ds)\ndisplay(explorer, explorer)")
    page.wait_for_function("() => document.querySelectorAll('.rnb-stage[data-index]').length === 2")
    first, second = page.locator(".rnb-explorer").all()

    first.get_by_role("button", name="Step forward").click()
    second.locator(".rnb-stage[data-index='1']").wait_for()
    second.get_by_role("button", name="Sum", exact=True).click()
    second.locator(".rnb-stage[data-total=sum]").wait_for()
    page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        ".requestExecute({code: 'explorer.span = (3, 8); explorer.index = 5'}).done.then(() => true)"
    )
    for view in (first, second):
        view.locator(".rnb-stage[data-index='5']").wait_for()

    assert first.locator("[data-total]").count() == 0
    assert [view.evaluate("node => node.player.span") for view in (first, second)] == [[3, 8], [3, 8]]


def test_poor_or_unusable_data_are_explained(notebook: Notebook) -> None:
    """For missing cells, a single field or no data the explorer shows a sentence, not a traceback."""
    page = notebook.show("import xarray\ndisplay(rn.Explorer(ds.YW[:3].where(False)))")
    page.get_by_text("This field has no data.").wait_for()
    notebook.show("rn.Explorer(ds.isel(time=4))")
    alone = page.get_by_role("button", name="Play").is_visible(), page.locator(".rnb-time").inner_text()[:20]
    notebook.show("display(rn.Explorer(xarray.Dataset()), rn.Explorer('/no/such/archive.tar'))", None)
    page.locator(".rnb-refused").nth(1).wait_for()

    assert alone == (False, "2020-06-13 15:30 UTC")
    assert page.get_by_text("Traceback").count() == 0


def test_a_removed_view_releases_its_resources(notebook: Notebook) -> None:
    """The player of a removed view stops, sends no more requests, and releases its fields."""
    page = notebook.show()
    page.get_by_role("button", name="Play").click()
    page.evaluate("() => { window.gone = document.querySelector('.rnb-explorer').player; }")

    notebook.show("explorer.close()", None)
    page.wait_for_function("() => window.gone.closed")

    assert page.evaluate("() => [window.gone.playing, window.gone.cache]") == [False, None]
    assert page.locator(".rnb-stage").count() == 0


def test_a_dead_kernel_is_reported(run_notebook: Run, archive: Path) -> None:
    """Loaded fields keep playing; actions that need the kernel report that it does not answer."""
    page = run_notebook([opened(archive), "rn.Explorer(ds)"])
    explorer = shown(page, 0)
    page.wait_for_function(ALL_HERE)

    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.mouse.click(*at(page, 0.5, 0.6))
    explorer.get_by_text("The kernel does not answer").wait_for()
    explorer.get_by_role("button", name="Step forward").click()

    shown(page, 1)


def test_a_browser_without_inflation_is_reported(page: Any, archive: Path, tmp_path: Path) -> None:
    """In a browser that is too old the page names the browsers that can show it."""
    page.add_init_script("delete window.DecompressionStream")
    path = rn.Explorer(archive, lang="en").save_html(tmp_path / "page.html", first=FIRST, last=FIRST)

    page.goto(path.as_uri())

    page.get_by_text("This browser cannot decompress the fields").wait_for()


def test_keys_in_the_explorer_do_not_reach_jupyterlab(notebook: Notebook) -> None:
    """The keys x and m do not cut the cell or make it Markdown, also after a click on a title or a label."""
    page = notebook.show()
    cells = "() => window.jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model.type)"
    before = page.evaluate(cells)

    for part in ("h2", ".rnb-legend h3", ".rnb-over", ".rnb-span", ".rnb-play"):
        page.locator(f".rnb-explorer {part}").first.click()
        for key in ("x", "m", "d", "d", "b"):
            page.keyboard.press(key)

    assert page.evaluate(cells) == before


def test_a_maximum_has_the_unit_that_was_chosen_and_a_sum_has_mm(notebook: Notebook, fields: xr.DataArray) -> None:
    """Map, legend and chart of a maximum agree; the title of a sum does not name the interval of its fields."""
    page = notebook.show()
    explorer = page.locator(".rnb-explorer")
    page.mouse.click(*at(page, 0.5, 0.6))
    page.wait_for_selector("[data-series='1']")

    explorer.get_by_role("button", name="Maximum").click()
    page.wait_for_selector("[data-total=max]")
    explorer.get_by_label("Unit").select_option("1")
    page.mouse.move(*at(page, 0.5, 0.6))
    page.mouse.move(*at(page, 0.5001, 0.6))
    shown_unit, value = page.locator(".rnb-unitname").inner_text(), page.locator(".rnb-readout b").inner_text()
    in_table, under = page.locator(".rnb-marks td[data-k]").nth(1).inner_text(), read(page)
    picture(page, "lab_maximum")
    explorer.get_by_role("button", name="Sum", exact=True).click()
    page.wait_for_selector("[data-total=sum]")
    of_sum = page.locator(".rnb-unitname").inner_text(), explorer.locator("h2").inner_text()
    explorer.get_by_role("button", name="Fields").click()

    (mark,) = marks(page)
    assert shown_unit == "mm/h"
    for text, (row, col) in ((value, (int(under["row"]), int(under["col"]))), (in_table, mark["cell"])):
        assert float(text) == pytest.approx(12 * float(fields[:, row, col].max()), abs=1e-3)
    assert of_sum == ("mm", "Rain, adjusted to gauges (YW)")
    assert explorer.locator("h2").inner_text() == "Rain in 5 minutes, adjusted to gauges (YW)"


@pytest.mark.parametrize(
    "text", ["10.0, 52.3", "52.3, 10.0", "10,0 52,3", "10,0; 52,3", "52.3° N 10.0° E", "10.0,52.3", "10 52.3"]
)
def test_a_place_is_added_by_enter_in_any_usual_form(notebook: Notebook, text: str) -> None:
    """Longitude or latitude may come first, with decimal point or comma; an earlier error message disappears."""
    page = notebook.show()
    field = page.locator(".rnb-explorer").get_by_label("Town, or longitude")
    field.fill("10.0")
    field.press("Enter")
    page.get_by_text("Enter a town, or longitude and latitude").wait_for()

    field.fill(text)
    field.press("Enter")
    page.wait_for_selector("[data-series='1']")

    (mark,) = marks(page)
    row, col = mark["cell"]
    lon, lat = GRIDS["de1100"].lonlat()
    assert (lon[row, col], lat[row, col]) == pytest.approx((10.0, 52.3), abs=0.01)
    assert page.locator(".rnb-status").inner_text() == ""
    assert field.input_value() == ""


def test_escape_closes_each_dialog(notebook: Notebook) -> None:
    """Escape closes a dialog without saving, also when the focus is on one of its buttons."""
    page = notebook.show()
    page.wait_for_function(ALL_HERE)

    for name, button in (("HTML", "Cancel"), ("Code", "Close")):
        page.locator(".rnb-exports").get_by_role("button", name=name).click()
        page.get_by_role("button", name=button).focus()
        page.keyboard.press("Escape")
        page.wait_for_function("() => !document.querySelector('.rnb-explorer dialog[open]')")

    assert page.locator(".rnb-status").inner_text() == ""


def test_a_page_from_the_notebook_opens_with_its_view(notebook: Notebook, page: Any, tmp_path: Path) -> None:
    """The page keeps unit, palette, classes, places, zoom, layers and the field on the map."""
    lab = notebook.show()
    explorer = lab.locator(".rnb-explorer")
    explorer.get_by_label("Unit").select_option("1")
    explorer.get_by_label("Palette").select_option("viridis")
    explorer.get_by_label("Class limits").fill("1, 2, 5")
    explorer.get_by_label("Class limits").press("Enter")
    explorer.get_by_label("Radar sites").uncheck()
    lab.mouse.click(*at(lab, 0.5, 0.6))
    explorer.get_by_role("button", name="Zoom in").click()
    drag_box(lab)
    lab.wait_for_selector("[data-series='2']")
    lab.evaluate("() => { const p = document.querySelector('.rnb-explorer').player; p.setSpan(2, 9); p.seek(5); }")
    shown(lab, 5)
    lab.locator(".rnb-exports").get_by_role("button", name="HTML").click()
    with lab.expect_download() as download:
        lab.get_by_role("button", name="Save page").click()
    download.value.save_as(tmp_path / "page.html")

    page.goto((tmp_path / "page.html").as_uri())
    shown(page, 3)
    page.wait_for_selector("[data-series='2']")

    state = """node => { const { unit, palette, limits, map, info } = node.player;
      return [unit.name, palette, limits, map.view.zoom, map.layers.sites, info.times.length]; }"""
    assert page.locator(".rnb-explorer").evaluate(state) == ["mm/h", "viridis", [1, 2, 5], 1.5, False, 8]
    assert [mark.get("cell") for mark in marks(page)] == [mark.get("cell") for mark in marks(lab)]
    assert not page.get_by_label("Radar sites").is_checked()


def test_german_has_decimal_commas_and_german_titles(notebook: Notebook) -> None:
    """Legend, read-out, places and class limits use decimal commas, also when class limits are typed."""
    page = notebook.show("rn.Explorer(ds, lang='de')")
    explorer = page.locator(".rnb-explorer")

    page.mouse.click(*at(page, 0.5, 0.6))
    page.wait_for_selector("[data-series='1']")
    page.mouse.move(*at(page, 0.5001, 0.6))
    readout = page.locator(".rnb-readout span").inner_text()
    limits = explorer.get_by_label("Klassengrenzen")
    before = limits.input_value()
    limits.fill("0,5; 2")
    limits.press("Enter")
    picture(page, "lab_german")

    assert explorer.locator("h2").inner_text() == "Niederschlag in 5 Minuten, an Messstationen angeeicht (YW)"
    assert re.fullmatch(r"\d+,\d{4}° O\s+\d+,\d{4}° N", readout)
    assert "; " in before
    assert explorer.evaluate("node => node.player.limits") == [0.5, 2]
    assert explorer.locator(".rnb-classes span").all_inner_texts() == ["2", "0,5"]


def test_meridians_and_parallels_are_labelled_on_the_map(notebook: Notebook) -> None:
    """Each label stands within the field, also where the map is narrower than its frame."""
    page = notebook.show()

    found = page.evaluate("""() => {
      const { map } = document.querySelector(".rnb-explorer").player, { left, size } = map.frame, seen = [];
      const draw = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, y) { seen.push([text, x, y]); };
      map.drawOver();
      CanvasRenderingContext2D.prototype.fillText = draw;
      map.drawOver();
      const inside = ([text, x, y]) => x >= left && x <= left + map.cols * size && y > 0 && y <= map.over.height;
      return seen.filter(inside).map(([text]) => text);
    }""")

    assert {"48° N", "50° N", "52° N", "54° N"} <= set(found)
    assert {"8° E", "10° E", "12° E"} <= set(found)


def test_no_town_covers_a_degree(notebook: Notebook) -> None:
    """The words on the map do not overlap: neither names of towns nor labels of meridians and parallels."""
    page = notebook.show()

    found = page.evaluate("""() => {
      const { map } = document.querySelector(".rnb-explorer").player, seen = [];
      const draw = CanvasRenderingContext2D.prototype.fillText;
      CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        const high = parseFloat(this.font), top = this.textBaseline === "middle" ? y - high / 2 : y - high;
        seen.push([text, x, top, x + this.measureText(text).width, top + high]);
      };
      map.drawOver();
      CanvasRenderingContext2D.prototype.fillText = draw;
      map.drawOver();
      return seen;
    }""")
    over = [
        (one[0], two[0])
        for k, one in enumerate(found)
        for two in found[:k]
        if one[1] < two[3] and one[3] > two[1] and one[2] < two[4] and one[4] > two[2]
    ]

    assert {"Berlin", "52° N"} <= {text for text, *_ in found}
    assert over == []


def test_the_page_works_from_a_file(page: Any, archive: Path, fields: xr.DataArray, tmp_path: Path) -> None:
    """An exported page shows the same values, series, sums and rain without a kernel."""
    explorer = rn.Explorer(archive, lang="en")
    path = explorer.save_html(tmp_path / "page.html", first=FIRST, last=FIRST + COUNT - 1)

    page.goto(path.as_uri())
    shown(page, 0)
    hold_against(page, fields[0])
    page.mouse.click(*at(page, 0.5, 0.6))
    drag_box(page)
    page.wait_for_selector("[data-series='2']")
    cell, box = marks(page)
    page.get_by_role("button", name="Sum", exact=True).click()
    page.wait_for_selector("[data-total=sum]")

    row, col = cell["cell"]
    expected = fields.to_numpy()[:, inside(box["polygon"], GRIDS["de1100"].shape)]
    assert np.allclose(cell["values"], fields[:, row, col], atol=1e-6, equal_nan=True)
    assert np.allclose(box["values"], np.nanmean(expected, axis=1, dtype="f8"), atol=1e-6)
    hold_against(page, fields.sum("time", min_count=1))


def test_it_fits_small_and_large_screens(page: Any, archive: Path, tmp_path: Path) -> None:
    """From 390 to 3,840 pixels wide nothing overflows; above 1,280 x 720 the whole explorer is visible."""
    path = rn.Explorer(archive, lang="de").save_html(tmp_path / "page.html", first=FIRST, last=FIRST + 1)
    page.goto(path.as_uri())
    shown(page, 0)

    for width, height in ((390, 800), (1280, 720), (3840, 2160)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function(
            "() => { const { over, ratio } = document.querySelector('.rnb-explorer').player.map; "
            "return Math.abs(over.width - ratio * over.getBoundingClientRect().width) < 2; }"
        )
        wide, tall = page.evaluate(
            "() => [document.documentElement.scrollWidth, document.querySelector('.rnb-explorer footer')"
            ".getBoundingClientRect().bottom]"
        )

        assert wide <= width
        assert tall <= height or width < 1280
