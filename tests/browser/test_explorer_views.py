"""What the explorer shows beside fields: local time, sums, charts, own areas, comparison, keys; and bad input."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from PIL import Image
from support.small_rain import rain, showers

import radar_nb as rn
from browser.bare_kernel import BareKernel
from browser.conftest import columns_of
from radar_nb.dwd.grids import GRIDS, to_lonlat
from radar_nb.dwd.products import PRODUCTS
from radar_nb.runtime.language import Texts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Show = Callable[..., Any]

COUNT, ROWS, COLS = 864, 60, 50
GRID = GRIDS["de1100"]
EAST, NORTH = slice(420, 420 + COLS), slice(590, 590 + ROWS)
PLAYER = "document.querySelector('.rnb-explorer').player"


@pytest.fixture(scope="module")
def fields() -> xr.DataArray:
    """Return three days of rain every five minutes on a part of DWD's grid, around Göttingen."""
    values = showers(COUNT, ROWS, COLS, seed=5)
    values[100:103] = np.nan
    data: xr.DataArray = rain(values, corner=(590, 420))["YW"]
    return data


@pytest.fixture
def show(page: Any, fields: xr.DataArray) -> Iterator[Show]:
    """Return a function that shows the fields, or other data, and returns the page with its kernel."""
    kernels: list[BareKernel] = []

    def open_page(*data: Any, lang: str = "en") -> tuple[Any, BareKernel]:
        shown = data or (fields,)
        explorers = [one if isinstance(one, rn.Explorer) else rn.Explorer(one, lang=lang) for one in shown]
        kernels.append(BareKernel(*explorers).__enter__())
        page.goto(kernels[-1].url)
        for number in range(len(explorers)):
            page.locator(".rnb-stage[data-index]").nth(number).wait_for()
        return page, kernels[-1]

    yield open_page
    page.goto("about:blank")
    for kernel in kernels:
        kernel.__exit__(None, None, None)


def pin(page: Any, row: int, col: int) -> None:
    """Mark a cell and wait for its series."""
    page.evaluate(f"() => {PLAYER}.pin({col} + 0.5, {row} + 0.5)")
    page.wait_for_selector(".rnb-marks tr:not(.rnb-loading)")


def total(page: Any) -> np.ndarray:
    """Return the total on the map."""
    page.wait_for_function(f"() => {PLAYER}.total")
    found = page.evaluate(
        f"() => {{ const {{ field }} = {PLAYER}.total; return [field.scale, field.offset, ...field.codes]; }}"
    )
    scale, offset, *codes = found
    return np.where(np.array(codes) == 0xFFFF, np.nan, np.array(codes) * scale + offset).reshape(ROWS, COLS)


def test_local_time_stands_beside_utc_and_can_be_chosen(show: Show) -> None:
    """Time, span, ticks and CSV follow the chosen zone; UTC stays beside it, also when the clocks change."""
    page, _ = show()
    beside = page.locator(".rnb-time").inner_text()
    page.get_by_label("Time zone").select_option("Europe/Berlin")
    chosen = page.locator(".rnb-time").inner_text()
    pin(page, 5, 5)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    table = [line for line in lines if not line.startswith("#")]
    zones = page.evaluate(
        f"""() => {{ const {{ zone }} = {PLAYER};
        return ["2020-03-29T00:55Z", "2020-03-29T01:05Z", "2020-10-25T00:55Z", "2020-10-25T01:05Z"]
          .map((time) => [zone.shift(Date.parse(time)) / 3600e3, zone.word(Date.parse(time))]); }}"""
    )

    assert beside.split() == ["2020-06-13", "00:05", "UTC", "02:05", "CEST"]
    assert chosen.split() == ["2020-06-13", "02:05", "CEST", "00:05", "UTC"]
    assert table[0].split(",")[:2] == ["time_utc", "time_local"]
    assert table[1].split(",")[:2] == ["2020-06-13T00:05:00", "2020-06-13T02:05:00"]
    assert zones == [[1, "CET"], [2, "CEST"], [2, "CEST"], [1, "CET"]]


def test_the_running_sum_of_a_place_is_the_datasets(show: Show, fields: xr.DataArray) -> None:
    """The CSV holds the running sum; where fields are missing, the table's sum says that it is a lower bound."""
    page, _ = show()
    pin(page, 7, 9)
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    text = download.value.path().read_text()
    table = columns_of(download.value.path())
    series = fields[:, 7, 9].values

    assert "# running sums count missing fields as 0, so they are lower bounds" in text
    (name,) = [name for name in table if name.startswith("running sum of ")]
    assert np.allclose(np.array(table[name], float), np.cumsum(np.nan_to_num(series)), atol=1e-3)
    now, most, whole = (cell.inner_text() for cell in page.locator(".rnb-marks td[data-k]").all())
    assert now == f"{series[0]:.2f}"
    assert most == f"{np.nanmax(series):.2f}"
    assert whole == f"≥ {np.nansum(series):.2f}"
    assert "3 fields are missing" in page.locator(".rnb-marks td[data-k]").nth(2).get_attribute("title")


@pytest.mark.parametrize("hours", [1, 6, 24])
def test_moving_sums_are_the_datasets_and_missing_with_a_field(
    show: Show, fields: xr.DataArray, hours: int
) -> None:
    """The chart's sum of the last hours is that of xarray's rolling window of as many fields."""
    page, _ = show()
    pin(page, 7, 9)
    page.get_by_label("Chart").select_option(str(hours))

    found = page.evaluate(
        f"() => [...{PLAYER}.chart.drawn[0].traces[0].values].map((v) => Number.isNaN(v) ? null : v)"
    )
    expected = fields[:, 7, 9].astype("f8").rolling(time=12 * hours).sum()

    assert np.allclose(np.array(found, float), expected, atol=1e-6, equal_nan=True)


def test_the_sum_of_the_last_hours_follows_the_playhead(show: Show, fields: xr.DataArray) -> None:
    """The map shows the sum of the hours that end at the time shown, also after a step; "Fields" ends it."""
    page, _ = show()
    page.evaluate(f"() => {PLAYER}.seek(400)")
    page.get_by_label("Sum of the hours that end").select_option("6")
    page.wait_for_selector("[data-total=sum]")
    before = total(page)
    page.locator(".rnb-stage").focus()
    page.keyboard.press("Shift+ArrowRight")
    page.wait_for_function(f"() => {PLAYER}.total.span[1] === 412")
    after, title = total(page), page.locator(".rnb-time").inner_text()
    page.get_by_role("button", name="Fields").click()
    page.wait_for_selector(".rnb-stage[data-index='412']")

    assert np.allclose(before, fields[329:401].sum("time", min_count=1), atol=0.006, equal_nan=True)
    assert np.allclose(after, fields[341:413].sum("time", min_count=1), atol=0.006, equal_nan=True)
    assert title == "Sum of the last 6 h 2020-06-14 10:25 UTC"
    assert page.locator("[data-total]").count() == 0


@pytest.mark.parametrize("lang", ["en", "de"])
def test_tables_and_code_name_places(show: Show, fields: xr.DataArray, lang: str) -> None:
    """Columns and code have a place's name, else its longitude and latitude; no two alike, none a formula."""
    page, _ = show(fields[:3], lang=lang)
    named = [
        {"cell": [7, 9], "name": "Göttingen"},
        {"cell": [7, 9]},
        {"cell": [7, 9]},
        {"cell": [7, 9], "name": '=1, "x"'},
    ]
    area = {"polygon": [[1, 1], [4, 1], [4, 4]]}
    page.evaluate(f"(places) => {PLAYER}.addMarks(places)", [*named, area])
    page.wait_for_selector("[data-series='5']")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    columns = list(columns_of(download.value.path()))[1:]
    page.get_by_role("button", name="Code").click()
    code = page.get_by_role("textbox", name="Code").input_value()

    east, area_word, of = ("E", "Area", "running sum of ") if lang == "en" else ("O", "Fläche", "laufende Summe ")
    lon, lat = (float(degree[NORTH, EAST][7, 9]) for degree in GRID.lonlat())
    here = f"{lon:.4f} {east} {lat:.4f} N"
    found = [name.removesuffix(" [mm in 5 min]") for name in columns[:5]]
    assert found[:4] == ["Göttingen", here, f"{here} (2)", '\'=1, "x"']
    assert found[4].startswith(f"{area_word} 9.")
    assert columns[5:] == [f"{of}{name} [mm]" for name in found]
    assert all(f"{json.dumps(name, ensure_ascii=False)}: " in code for name in found)


def test_the_chart_zooms_and_reads_out(show: Show, fields: xr.DataArray) -> None:
    """Dragging zooms, the pointer reads values with units, a click shows the field, a button zooms out."""
    page, _ = show()
    pin(page, 7, 9)
    canvas = page.locator(".rnb-chart canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    middle = box["y"] + box["height"] / 2

    page.mouse.move(box["x"] + 0.3 * box["width"], middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.5 * box["width"], middle, steps=4)
    page.mouse.up()
    first, last = page.evaluate(f"() => {PLAYER}.chart.span")
    page.mouse.move(box["x"] + 0.6 * box["width"], middle)
    index = page.evaluate(f"() => {PLAYER}.chart.pointed")
    text = page.locator(".rnb-chartnow").inner_text()
    page.mouse.click(box["x"] + 0.6 * box["width"], middle)
    page.wait_for_selector(f".rnb-stage[data-index='{index}']")
    page.get_by_role("button", name="Whole span").click()

    series = np.nan_to_num(fields[:, 7, 9].values)
    assert 150 < last - first < 250
    assert f"{series[index]:.2f} mm, Σ {series[: index + 1].sum():.2f} mm" in text
    assert page.evaluate(f"() => {PLAYER}.chart.span") == [0, COUNT - 1]


def test_a_town_is_suggested_and_the_map_goes_there(show: Show) -> None:
    """Typing lists towns of the map, accents or not; choosing one marks it and zooms to it."""
    page, _ = show()
    field = page.get_by_label("Town, or longitude")
    field.press_sequentially("gotting")
    page.get_by_role("option", name="Göttingen").click()
    page.wait_for_selector(".rnb-marks tr:has-text('Göttingen')")
    zoom, cell = page.evaluate(f"() => [{PLAYER}.map.view.zoom, {PLAYER}.marks[0].cell]")

    lon, lat = GRID.lonlat()
    row, col = cell[0] + 590, cell[1] + 420
    assert (lon[row, col], lat[row, col]) == pytest.approx((9.93, 51.53), abs=0.03)
    assert zoom >= 4
    assert page.get_by_role("listbox").is_hidden()


def ring(*corners: tuple[float, float]) -> list[list[float]]:
    """Return corners in cells as a closed ring of longitudes and latitudes."""
    col, row = np.array([*corners, corners[0]], float).T
    x, y = GRID.x[EAST][0] + (col - 0.5) * GRID.cell, GRID.y[NORTH][0] + (row - 0.5) * GRID.cell
    pairs: list[list[float]] = np.column_stack(to_lonlat(x, y, GRID.earth)).tolist()
    return pairs


def geojson(path: Path, *areas: tuple[str, list[Any]]) -> Path:
    """Write areas with their rings."""
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": {"type": "Polygon", "coordinates": rings}}
        for name, rings in areas
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def test_areas_of_a_file_are_compared(show: Show, fields: xr.DataArray, tmp_path: Path) -> None:
    """A catchment with a hole has the mean of the cells whose centre is inside; its name is escaped."""
    pytest.importorskip("geopandas")
    page, _ = show()
    hole = ring((12, 12), (12, 16), (16, 16), (16, 12))
    path = geojson(
        tmp_path / "areas.geojson",
        ("<img src=x onerror=alert(1)>", [ring((10, 10), (20, 10), (20, 20), (10, 20)), hole]),
        ("Leine", [ring((30, 30), (40, 30), (40, 50))]),
    )

    page.locator(".rnb-file").set_input_files(path)
    page.wait_for_selector(".rnb-marks tr:nth-child(2):not(.rnb-loading)")
    page.wait_for_selector(".rnb-marks tr:nth-child(1):not(.rnb-loading)")
    values, cells = page.evaluate(
        f"() => [[...{PLAYER}.marks[0].values].map((v) => v || 0), {PLAYER}.marks[0].cells]"
    )
    names = page.locator(".rnb-marks td:nth-child(2)").all_inner_texts()

    inside = np.zeros((ROWS, COLS), bool)
    inside[10:20, 10:20] = True
    inside[12:16, 12:16] = False
    assert cells == inside.sum()
    assert np.allclose(values, np.nan_to_num(fields.values[:, inside].astype("f8").mean(axis=1)), atol=1e-5)
    assert names[0].startswith("<img src=x onerror=alert(1)>, ")
    assert names[1].startswith("Leine, ")
    assert page.locator(".rnb-marks img").count() == 0


def test_a_polygon_of_many_corners_is_usable(show: Show, tmp_path: Path) -> None:
    """A catchment of 50,000 corners is drawn, compared and exported; its table lists the first 20 corners."""
    pytest.importorskip("geopandas")
    page, _ = show()
    angle = np.linspace(0, 2 * np.pi, 50_000, endpoint=False)
    radius = 15 + 0.01 * np.sin(997 * angle)
    path = geojson(
        tmp_path / "fine.geojson",
        ("fine", [ring(*zip(25 + radius * np.cos(angle), 30 + radius * np.sin(angle), strict=True))]),
    )

    page.locator(".rnb-file").set_input_files(path)
    page.wait_for_selector(".rnb-marks tr:not(.rnb-loading)")
    corners, cells = page.evaluate(f"() => [{PLAYER}.marks[0].polygon.length, {PLAYER}.marks[0].cells]")

    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()

    assert corners < 5000  # those closer than 20 m to a line are left out
    assert cells == pytest.approx(np.pi * 15**2, rel=0.02)
    assert f"; … ({corners}) (lon lat)" in (about := download.value.path().read_text("utf-8").splitlines()[1])
    assert len(about.split("; ")) == 21


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("notes.geojson", "no areas at all", "notes.geojson cannot be read as shapes"),
        ("x.exe", "MZ", "x.exe cannot be read as shapes"),
        ("empty.geojson", '{"type": "FeatureCollection", "features": []}', "empty"),
    ],
)
def test_a_file_without_areas_gets_a_clear_word(
    show: Show, tmp_path: Path, name: str, content: str, words: str
) -> None:
    """A file that holds no polygons is named with what is wrong; the map stays."""
    pytest.importorskip("geopandas")
    page, _ = show()
    (tmp_path / name).write_text(content)

    page.locator(".rnb-file").set_input_files(tmp_path / name)
    page.wait_for_selector(f".rnb-word.warn:has-text('{words}')")

    assert page.locator(".rnb-marks tr").count() == 0


def test_a_hundred_places_are_compared_and_not_more(show: Show, fields: xr.DataArray) -> None:
    """100 places have a row each; one more gets a word."""
    page, _ = show(fields[:24])

    page.evaluate(f"() => {{ for (let k = 0; k < 101; k++) {PLAYER}.pin(k % 50, Math.floor(k / 2)); }}")
    page.get_by_text("At most 100 places").wait_for()
    page.wait_for_function("() => document.querySelector('.rnb-explorer').dataset.series === '100'")

    assert page.locator(".rnb-marks tr").count() == 100
    assert page.evaluate(f"() => new Set({PLAYER}.marks.map(({{ label }}) => label)).size") == 100


def test_a_late_echo_of_the_kernel_does_not_undo_a_step(show: Show) -> None:
    """A step that the kernel reports while the user goes on moves nothing; what it sets later does."""
    page, kernel = show()
    (explorer,), published = kernel.explorers, threading.Event()
    explorer.observe(lambda change: published.set() if change["new"] == 11 else None, "index")
    script = f"""() => {{
      const player = {PLAYER}, {{ model }} = player;
      player.step(299);
      player.step(-288);
      model.state.index = 299;
      model.tell("change:index");
      return player.playhead;
    }}"""
    moved = page.evaluate(script)
    assert published.wait(60)  # what the kernel sets before that is overtaken by the user
    kernel.run(lambda: setattr(explorer, "index", 40))
    page.wait_for_function(f"() => {PLAYER}.playhead === 40")

    assert moved == 11


def test_keys_step_by_hours_and_days_and_are_listed(show: Show) -> None:
    """Shift with an arrow steps an hour, Page keys a day; the question mark lists all keys."""
    page, _ = show()
    page.locator(".rnb-stage").focus()
    found = []
    for key in ("Shift+ArrowRight", "PageDown", "ArrowLeft", "PageUp", "Shift+ArrowLeft"):
        page.keyboard.press(key)
        found.append(page.evaluate(f"() => {PLAYER}.playhead"))
    page.keyboard.press("?")
    listed = page.locator(".rnb-keybox").inner_text()
    page.keyboard.press("Escape")

    assert found == [12, 300, 299, 11, 0]
    assert "One hour back or on" in listed
    assert page.locator("dialog[open]").count() == 0


def test_a_loop_goes_back_and_forth_and_rests_at_the_ends(show: Show) -> None:
    """Back and forth turns at the last field of the span; once stops there."""
    page, _ = show()
    page.evaluate(f"() => {PLAYER}.setSpan(10, 14)")
    page.get_by_label("Loop").select_option("pingpong")
    way = page.evaluate(
        f"""() => {{ const player = {PLAYER}, seen = [];
        for (let k = 0, at = 10; k < 10; k++) {{
          const next = player.following(at);
          player.way = next < at ? -1 : 1;
          seen.push(at = next);
        }}
        return seen; }}"""
    )
    page.get_by_label("Loop").select_option("once")
    page.evaluate(f"() => {PLAYER}.seek(12)")
    page.get_by_role("button", name="Play").click()
    page.get_by_role("button", name="Play").wait_for()

    assert way == [11, 12, 13, 14, 13, 12, 11, 10, 11, 12]
    assert page.evaluate(f"() => {PLAYER}.playhead") == 14


def test_a_dark_map_and_opacity_change_the_picture(show: Show) -> None:
    """Dry cells of a dark map are dark, labels are light, and the legend shows the tones of the map."""
    page, _ = show()
    page.get_by_label("Dark map").check()
    page.get_by_label("Opacity").fill("50")

    dry, opacity, legend = page.evaluate(
        f"""() => {{ const {{ map }} = {PLAYER};
        return [map.tones.dry, getComputedStyle(map.canvas).opacity,
          document.querySelector(".rnb-ground i").style.background]; }}"""
    )

    assert max(dry) < 60
    assert opacity == "0.5"
    assert legend == f"rgb({', '.join(map(str, dry))})"


def test_the_chart_stays_when_the_theme_changes(show: Show) -> None:
    """JupyterLab hides its page while it changes the theme: afterwards the chart is drawn, at its size."""
    page, _ = show()
    pin(page, 20, 15)

    page.evaluate(
        """async () => {
          const root = document.querySelector(".rnb-explorer"), { chart } = root.player;
          root.parentElement.style.display = "none";
          document.body.dataset.jpThemeLight = "false";
          await Promise.resolve(); // observers of the theme have been called
          window.draws = 0;
          const { draw } = chart;
          chart.draw = function () { draw.call(this); window.draws += 1; };
          root.parentElement.style.display = "";
        }"""
    )
    page.wait_for_function("() => window.draws > 0")

    canvas, parts = (
        f"{PLAYER}.chart.canvas",
        "getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data",
    )
    assert page.evaluate(
        f"() => {{ const canvas = {canvas}; return canvas.width && canvas.{parts}.some(Boolean); }}"
    )


def test_a_field_is_sent_once_while_it_plays(show: Show) -> None:
    """A view that plays waits for what it has asked for: no field is sent twice."""
    page, _ = show()

    page.evaluate(
        f"""() => {{ const player = {PLAYER}, {{ cache }} = player, {{ take }} = cache;
        performance.now = () => 0; // nothing counts as lost, however busy the machine is
        window.twice = 0;
        cache.take = function (frame, ...rest) {{
          window.twice += this.packed.has(frame.index);
          return take.call(this, frame, ...rest);
        }};
        document.querySelector(".rnb-speed").value = "60";
        player.play(true); }}"""
    )
    page.wait_for_function(f"() => {PLAYER}.cache.packed.size === {PLAYER}.info.count")

    assert page.evaluate("() => window.twice") == 0


def test_a_held_field_is_compared_by_a_swipe(show: Show) -> None:
    """The held field keeps its pixels and its name while another is shown; the line moves by keys."""
    page, _ = show()
    page.evaluate(f"() => {PLAYER}.seek(50)")
    page.wait_for_selector(".rnb-stage[data-index='50']")
    shot = """(name) => { const c = document.querySelector(name);
      return [...c.getContext("2d").getImageData(0, 0, c.width, c.height).data]; }"""
    before = page.evaluate(shot, ".rnb-field")
    page.locator(".rnb-stage").focus()
    page.keyboard.press("c")
    page.evaluate(f"() => {PLAYER}.seek(300)")
    page.wait_for_selector(".rnb-stage[data-index='300']")
    held, name = page.evaluate(shot, ".rnb-held"), page.locator(".rnb-heldname").inner_text()
    line = page.get_by_role("slider", name="Compare")
    line.focus()
    line.press("ArrowRight")
    at = line.get_attribute("aria-valuenow")
    page.get_by_role("button", name="Compare").click()

    assert held == before
    assert held != page.evaluate(shot, ".rnb-field")
    assert name == "YW 2020-06-13 04:15 UTC"
    assert at == "55"
    assert line.is_hidden()


def test_two_datasets_are_compared_and_linked(show: Show, fields: xr.DataArray) -> None:
    """What is held is the other explorer's field of the same time; it follows time and zoom."""
    other = (2 * fields[10:]).assign_attrs(fields.attrs).rename("RY")
    page, _ = show(fields, other)
    first, second = page.locator(".rnb-explorer").all()
    first.get_by_role("button", name="Compare").click()
    first.evaluate("node => node.player.seek(60)")
    second.locator(".rnb-stage[data-index='50']").wait_for()
    first.get_by_role("button", name="Zoom in").click()

    page.wait_for_function("() => document.querySelectorAll('.rnb-explorer')[1].player.map.view.zoom === 1.5")
    page.wait_for_function(
        "() => document.querySelector('.rnb-heldname').textContent.startsWith('RY 2020-06-13 05:05 UTC')"
    )


def test_gauges_show_their_amounts(show: Show, fields: xr.DataArray) -> None:
    """Gauges show the amount of the field's interval, the sum of a span, and nothing where one is missing."""
    lon, lat = (degrees[595, [425, 430]] for degrees in GRID.lonlat())
    values = np.tile([[0.25, 1.0]], (COUNT, 1))
    values[5, 1] = np.nan
    gauges = xr.DataArray(
        values, {"time": fields.time, "lon": ("point", lon), "lat": ("point", lat)}, ("time", "point"),
        attrs={"units": "mm"},
    )  # fmt: skip
    page, _ = show(rn.Explorer(fields, lang="en", gauges=gauges))
    drawn = f"""() => {{ const seen = [], draw = CanvasRenderingContext2D.prototype.fillText, {{ map }} = {PLAYER};
      CanvasRenderingContext2D.prototype.fillText = function (text) {{ seen.push(text); }};
      Object.assign(map.layers, {{ towns: false, graticule: false }});
      map.drawOver();
      CanvasRenderingContext2D.prototype.fillText = draw;
      return seen.slice(0, -1); }}"""

    first = page.evaluate(drawn)
    page.evaluate(f"() => {PLAYER}.seek(5)")
    page.wait_for_selector(".rnb-stage[data-index='5']")
    fifth = page.evaluate(drawn)
    page.evaluate(f"() => {PLAYER}.setSpan(10, 19)")
    page.get_by_role("button", name="Sum", exact=True).click()
    page.wait_for_selector("[data-total=sum]")

    assert (first, fifth, page.evaluate(drawn)) == (["0.25", "1.00"], ["0.25"], ["2.50", "10.00"])


def test_the_return_period_stands_under_a_resting_pointer(show: Show, fields: xr.DataArray) -> None:
    """Of a sum it is that of the span's duration, computed by the kernel for that cell."""
    hours = np.array([5, 60], "m8[m]").astype("m8[ns]")
    coords = {"duration": hours, "year": np.arange(30), "y": fields.y, "x": fields.x}
    values = np.random.default_rng(0).gumbel(2, 1, (2, 30, ROWS, COLS)).clip(0)
    maxima = xr.DataArray(values, coords, ("duration", "year", "y", "x"), attrs={"units": "mm"})
    levels = rn.return_levels(maxima, [10], resamples=0)
    page, _ = show(rn.Explorer(fields, lang="en", levels=levels))
    page.evaluate(f"() => {PLAYER}.setSpan(10, 21)")
    page.get_by_role("button", name="Sum", exact=True).click()
    sums = total(page)
    box = page.locator(".rnb-over").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])

    text = page.locator(".rnb-period").inner_text()

    row, col = (int(page.locator(".rnb-readout").get_attribute(f"data-{name}")) for name in ("row", "col"))
    years = float(rn.return_period(levels, sums[row, col], duration="1h")[row, col])
    word = "below 2.0" if years < 2 else "over 90" if years > 90 else f"{years:.{int(years < 10)}f}"
    assert text == f"1 h: return period {word} years"


def test_a_renewal_with_more_fields_spans_them_all(show: Show, fields: xr.DataArray) -> None:
    """The span of new data reaches their last field, in the browser and in the kernel."""
    page, kernel = show(fields[:3])
    (explorer,) = kernel.explorers

    kernel.run(lambda: explorer.renew(fields[:5]))
    page.wait_for_function(f"() => {PLAYER}.info?.count === 5 && {PLAYER}.cache.packed.size === 5")

    assert page.evaluate(f"() => {PLAYER}.span") == [0, 4]
    assert kernel.run(lambda: explorer.span) == (0, 4)


def test_a_narrow_notebook_cuts_nothing_off(show: Show, fields: xr.DataArray) -> None:
    """At 286 pixels, JupyterLab's output on a phone, nothing overflows and no word of the map is cut."""
    page, _ = show(fields[:3], lang="de")
    page.set_viewport_size({"width": 318, "height": 800})  # a margin of 16 on both sides
    page.wait_for_function(f"() => {PLAYER}.map.ratio * 290 > {PLAYER}.map.over.width")
    wide, tools, labels, cut = page.evaluate(
        f"""() => {{
          const {{ map }} = {PLAYER}, selects = [...document.querySelectorAll(".rnb-transport select")];
          return [document.documentElement.scrollWidth, map.boxOf(map.tools, map.ratio),
            map.labels.map((box) => [...box, map.over.width]),
            selects.filter((node) => node.clientWidth < 60).length];
        }}"""
    )

    assert wide <= 318
    assert labels
    assert all(box[0] >= 0 and box[2] <= width for *box, width in labels)
    assert not [box for box in labels if box[0] < tools[2] and box[1] < tools[3] and box[3] > tools[1]]
    assert cut == 0


def test_the_time_line_names_its_curve_and_reads_it_out(show: Show) -> None:
    """The curve has a name and an axis; the pointer reads time and share."""
    page, _ = show()
    page.wait_for_function(f"() => {PLAYER}.cache.packed.size === {COUNT}")
    slider = page.get_by_role("slider", name="Time")
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30)
    text = page.locator(".rnb-pointed").inner_text()
    drawn = page.evaluate(
        f"""() => {{ const seen = [], draw = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text) {{ seen.push(text); }};
        {PLAYER}.drawTimeline();
        CanvasRenderingContext2D.prototype.fillText = draw;
        return seen; }}"""
    )

    assert text.startswith("2020-06-14 12:")
    assert text.endswith("% of cells wet")
    assert any(word.startswith("Wet cells, 0 to ") for word in drawn)


def test_bad_limits_and_places_get_a_word_in_german(show: Show) -> None:
    """Invalid class limits and places are explained in German; valid ones remove the message."""
    page, _ = show(lang="de")
    limits, place = page.get_by_label("Klassengrenzen"), page.get_by_label("Ort oder Länge")
    for text in ("5; 1", "1", "abc; 2", "1; 1"):
        limits.fill(text)
        limits.press("Enter")
        page.get_by_text("Klassengrenzen sind zwei oder mehr steigende Zahlen").wait_for()
    for text, words in (
        ("9", "Einen Ort oder Länge"),
        ("120 10", "nicht auf der Karte"),
        ("<b>Xyz</b>", "kein eindeutiger"),
    ):
        place.fill(text)
        place.press("Enter")
        page.locator(".rnb-word", has_text=words).wait_for()

    assert page.locator(".rnb-status b").count() == 0


def test_a_kernel_that_dies_while_a_sum_runs_is_reported(show: Show) -> None:
    """When the kernel ends during a sum, a word says so; fields that are here can be shown."""
    page, kernel = show()
    page.wait_for_function(f"() => {PLAYER}.cache.packed.size > 100")
    page.evaluate(f"() => {PLAYER}.askTotal('sum')")
    kernel.stop()
    page.evaluate(f"() => {PLAYER}.askTotal('max')")
    page.get_by_text("The kernel does not answer").wait_for()
    page.get_by_role("button", name="Fields").click()
    page.evaluate(f"() => {PLAYER}.seek(20)")

    page.wait_for_selector(".rnb-stage[data-index='20']")


def test_a_file_that_vanished_is_named(show: Show, fields: xr.DataArray, tmp_path: Path) -> None:
    """Fields of a Dataset whose file is gone show a sentence with the reason; a sum does as well."""
    from radar_nb.mirror import make_archives

    path = make_archives(tmp_path, "RW", "2020-06", days=(13,), progress=False)[0]
    page, _ = show(path)
    path.unlink()
    page.evaluate(f"() => {{ {PLAYER}.cache.packed.clear(); {PLAYER}.cache.open.clear(); }}")
    page.evaluate(f"() => {PLAYER}.askTotal('sum')")

    page.locator(".rnb-word.warn").wait_for()
    assert path.name in page.locator(".rnb-word.warn").inner_text()


def test_hostile_texts_of_attributes_are_escaped(show: Show, fields: xr.DataArray) -> None:
    """Markup in a name, title or unit is shown as text, on the page and in the exported one."""
    bad = "<img src=x onerror=alert(1)>"
    data = fields[:5].assign_attrs(long_name=bad, units=bad, institution=f"none {bad}").rename(bad)
    page, _ = show(data)

    assert page.locator(".rnb-explorer img").count() == 0
    assert bad in page.locator(".rnb-explorer h2").inner_text()


def test_the_title_is_short_and_its_tooltip_says_the_rest(show: Show, fields: xr.DataArray) -> None:
    """The heading names rain, interval and product; unit, step and source are in its tooltip, in German too."""
    known = fields[:3].assign_attrs(long_name=PRODUCTS["YW"].title)
    found = {}
    for lang in ("en", "de"):
        page, _ = show(known, lang=lang)
        heading = page.locator(".rnb-explorer h2")
        found[lang] = heading.inner_text(), heading.get_attribute("title")

    assert found["en"][0] == "Rain in 5 minutes, adjusted to gauges (YW)"
    assert found["en"][1].startswith(
        "Millimetres of rain in 5 minutes, one field every 5 minutes, adjusted to rain gauges."
    )
    assert found["de"][0] == "Niederschlag in 5 Minuten, an Messstationen angeeicht (YW)"
    assert found["de"][1] != found["en"][1]


def test_labels_for_screen_readers_and_tooltips_are_german(show: Show, fields: xr.DataArray) -> None:
    """With lang="de" no label, tooltip or text of the explorer is one of its English texts."""
    page, _ = show(fields[:3].assign_attrs(long_name=PRODUCTS["YW"].title), lang="de")
    pin(page, 5, 5)
    seen = page.evaluate(
        """() => [...document.querySelectorAll(".rnb-explorer, .rnb-explorer *")].flatMap((node) =>
          [...["aria-label", "title", "placeholder"].map((name) => node.getAttribute(name)),
           ...[...node.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ data }) => data.trim())])
          .filter(Boolean)"""
    )
    english, german = (Texts(lang).group("explorer") for lang in ("en", "de"))
    foreign = {text.partition(" (")[0] for key, text in english.items() if text not in german.values()}

    assert german["full_screen"] + " (F)" in seen
    assert {text.partition(" (")[0] for text in seen} & foreign == set()


def test_the_chart_takes_the_free_width_and_a_finger_scrolls_over_the_map(
    show: Show, fields: xr.DataArray
) -> None:
    """At two widths the chart is as wide as its column; a finger scrolls the map until something is drawn."""
    page, _ = show(fields[:3])
    pin(page, 5, 5)
    shares, touch = [], []
    for width in (1280, 1920):
        page.set_viewport_size({"width": width, "height": 900})
        shares.append(
            page.evaluate(
                """() => document.querySelector(".rnb-chart canvas").getBoundingClientRect().width
                / document.querySelector(".rnb-series").clientWidth"""
            )
        )
    action = "() => getComputedStyle(document.querySelector('.rnb-over')).touchAction"
    touch.append(page.evaluate(action))
    page.locator(".rnb-tools button").nth(1).click()  # a box
    touch.append(page.evaluate(action))

    assert min(shares) > 0.9
    assert touch == ["pan-x pan-y", "none"]


def test_a_png_has_a_key_of_its_marks(show: Show, fields: xr.DataArray) -> None:
    """The saved picture is wider with marks, and beside the map stands a disc in the colour of each."""
    page, _ = show(fields[:3])

    def saved() -> Any:
        with page.expect_download() as download:
            page.get_by_role("button", name="PNG").click()
        return np.asarray(Image.open(download.value.path()).convert("RGB")).astype(int)

    plain = saved()
    for row in (5, 25):
        pin(page, row, 20)
    page.wait_for_function(f"() => {PLAYER}.marks.every(({{ done }}) => done)")
    marked = saved()

    colours = page.evaluate(f"() => {PLAYER}.marks.map(({{ colour }}) => colour)")
    assert marked.shape[1] == plain.shape[1] + 100
    for colour in colours:
        wanted = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
        discs = (np.abs(marked[:, -215:] - wanted) <= 2).all(axis=2)
        assert 60 < discs.sum() < 300, colour  # a disc of 7 pixels without its number


def test_an_exported_page_opens_each_field_once_for_all_places(
    page: Any, fields: xr.DataArray, tmp_path: Path
) -> None:
    """100 places of a page have the Dataset's series after one pass over its fields."""
    explorer = rn.Explorer(fields[:24], lang="en")
    cells = [[k // 10, 5 * (k % 10)] for k in range(100)]
    explorer.view_state = {"unit": 0, "places": [{"cell": cell, "name": f"<b>{cell}"} for cell in cells]}
    path = explorer.save_html(tmp_path / "page.html")
    page.add_init_script(
        "window.opened = 0; const Plain = DecompressionStream; "
        "window.DecompressionStream = function (kind) { window.opened++; return new Plain(kind); };"
    )

    page.goto(path.as_uri())
    page.wait_for_function("() => document.querySelector('.rnb-explorer')?.dataset.series === '100'")

    values = page.evaluate(
        f"() => {PLAYER}.marks.map(({{ values }}) => [...values].map((v) => (isNaN(v) ? null : v)))"
    )
    expected = np.array([fields[:24, row, col].values for row, col in cells])
    assert np.allclose(np.array(values, float), expected, atol=1e-6, equal_nan=True)
    assert 24 <= page.evaluate("() => window.opened") <= 30  # those on the map and the coverage as well
    assert page.locator(".rnb-marks b").count() == 0
