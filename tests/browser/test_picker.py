"""The picker in a browser: months are chosen by mouse, keys and dates, and each shows its state on disk."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[[Path | list[str]], Any]

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser").expect
expect.set_options(timeout=30_000)  # two cores may be shared with others

SHOTS = os.environ.get("RADAR_NB_SHOTS")
YEAR = "climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
HELD = """
said = lambda months: ' '.join(map(str, months)) or 'none'
held = ipywidgets.Label(said(picker.value))
picker.observe(lambda change: setattr(held, 'value', said(change.new)), 'value')
held.add_class('held')
display(picker, held)
"""
COLOURS = """cells => Object.fromEntries(cells.map(cell => [
  cell.className, [getComputedStyle(cell).backgroundColor, getComputedStyle(cell, "::after").maskImage]]))"""


def shoot(part: Any, name: str) -> None:
    """Save a screenshot if a folder for screenshots is set."""
    if SHOTS:
        part.screenshot(path=f"{SHOTS}/{name}.png")


THEN = """import datetime as dt
import radar_nb.dwd.months, radar_nb.widgets.month_picker
class Then(dt.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls(2026, 11, 29, 12, tzinfo=tz)
radar_nb.dwd.months.datetime = radar_nb.widgets.month_picker.datetime = Then"""  # when December is to come


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a data folder with months of 2020 in every state."""
    folder = tmp_path / "data" / YEAR
    folder.mkdir(parents=True)
    for number in (1, 2, 3, 4):
        (folder / f"YW2017.002_20200{number}.tar").write_bytes(b"whole")
    for number in (3, 4):
        (folder / f"YW2017.002_20200{number}").mkdir()
    (folder / "YW2017.002_202005.tar.part").write_bytes(b"begun")
    (folder / "YW2017.002_202006.tar").write_bytes(b"cut")
    (folder / "YW2017.002_202006.tar.meta.json").write_text(json.dumps({"url": "x", "size": 99}), encoding="utf-8")
    return tmp_path / "data"


@pytest.fixture
def picker(run_notebook: Run, data: Path) -> Any:
    """Return a page with a picker and a line that shows the months that the kernel holds."""
    cells = [
        f"import ipywidgets\nimport radar_nb as rn\n{THEN}",
        f"picker = rn.MonthPicker('YW', '2020-07', folder={str(data)!r})",
        HELD,
    ]
    page = run_notebook(cells)
    page.wait_for_selector(".radar-nb-calendar[data-ready]")
    return page


def cell(page: Any, name: str) -> Any:
    return page.get_by_role("gridcell", name=re.compile(name))


def expect_months(page: Any, months: str) -> None:
    """Expect the kernel to hold these months."""
    expect(page.locator(".held")).to_have_text(months)


def months(year: int, first: int = 1, last: int = 12) -> str:
    return " ".join(f"{year}-{month:02d}" for month in range(first, last + 1))


def test_each_month_shows_its_state(picker: Any) -> None:
    """Each state has its own text, colour and icon, which agree; months that cannot be chosen say so."""
    states = {
        "February": "downloaded",
        "April": "extracted",
        "May": "partly downloaded",
        "June": "damaged, will be downloaded again",
        "July": "on the server",
    }

    for name, state in states.items():
        expect(cell(picker, f"{name} 2020, {state}")).to_have_count(1)
    expect(cell(picker, "December 2026, not published")).to_have_attribute("aria-disabled", "true")
    expect(cell(picker, "July 2020, on the server, selected")).to_have_attribute("aria-selected", "true")
    shoot(picker, "picker")
    looks = picker.locator(".radar-nb-calendar td:not(.on)").evaluate_all(COLOURS)
    signs = [sign for name, (_, sign) in looks.items() if name not in ("server", "unpublished")]
    assert len(looks) == 6
    assert len(set(signs)) == 4
    assert all(sign.startswith("url(") for sign in signs)


def test_keys_in_the_calendar_do_not_reach_jupyterlab(picker: Any) -> None:
    """The keys x and m do not cut the cell or make it Markdown, also after a click next to the months."""
    cells = "() => window.jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model.type)"
    before = picker.evaluate(cells)

    for part in (".hint", ".legend", "td"):
        picker.locator(f".radar-nb-calendar {part}").first.click()
        for key in ("x", "m", "d", "d", "b"):
            picker.keyboard.press(key)

    assert picker.evaluate(cells) == before


def test_months_are_chosen_by_mouse(picker: Any) -> None:
    """A click selects one month, a drag or Shift+click a span, Ctrl+click one more, a heading its whole group."""
    cell(picker, "March 2019").click()
    expect_months(picker, "2019-03")
    cell(picker, "June 2019").click(modifiers=["Shift"])
    expect_months(picker, months(2019, 3, 6))
    cell(picker, "May 2019").click(modifiers=["Shift"])
    expect_months(picker, months(2019, 3, 5))
    cell(picker, "August 2010").click(modifiers=["ControlOrMeta"])
    expect_months(picker, f"2010-08 {months(2019, 3, 5)}")
    cell(picker, "April 2019").click(modifiers=["ControlOrMeta"])
    expect_months(picker, "2010-08 2019-03 2019-05")

    cell(picker, "November 2015").hover()
    picker.mouse.down()
    cell(picker, "June 2017").hover()
    cell(picker, "February 2016").hover()
    picker.mouse.up()
    expect_months(picker, "2015-11 2015-12 2016-01 2016-02")

    picker.get_by_role("columnheader", name="all of 2003").click()
    expect_months(picker, months(2003))
    picker.get_by_role("rowheader", name=re.compile("summer of all")).click(modifiers=["Shift"])
    expect_months(picker, months(2003, 6, 8))
    picker.get_by_role("columnheader", name="clear the selection").click()
    expect_months(picker, "none")
    expect(picker.get_by_text("No month selected")).to_have_count(2)  # visible, and for screen readers


def test_months_are_chosen_by_keys(picker: Any) -> None:
    """The calendar is one tab stop, arrows move within it, and JupyterLab handles none of its keys."""
    keys = picker.keyboard
    cell(picker, "July 2020").focus()
    assert picker.locator(".radar-nb-calendar [tabindex='0']").count() == 1

    keys.press("ArrowLeft")
    keys.press("Enter")
    expect_months(picker, "2019-07")
    for _ in range(3):
        keys.press("Shift+ArrowDown")
    keys.press("Shift+ArrowUp")
    expect_months(picker, months(2019, 7, 9))
    keys.press("End")
    keys.press("Space")
    expect_months(picker, f"{months(2019, 7, 9)} 2019-12")
    keys.press("Space")
    expect_months(picker, months(2019, 7, 9))
    keys.press("Home")
    keys.press("ArrowUp")
    keys.press("Enter")
    expect_months(picker, months(2019))
    keys.press("Control+End")
    keys.press("Enter")
    expect_months(picker, "2026-11")
    keys.press("Escape")
    expect_months(picker, "none")


def test_fields_slider_and_calendar_are_in_step(picker: Any) -> None:
    """A month in a field and a key on the slider select in the calendar; the line states the size."""
    picker.get_by_label("From: month").select_option("June")

    expect_months(picker, "2020-06 2020-07")
    expect(cell(picker, "June 2020, .*selected")).to_have_count(1)
    line = "2 months of RADKLIM 2017.002 (2020-06 to 2020-07) · 2 files, about 400.0 MB · none on disk yet"
    expect(picker.locator(".radar-nb-picker")).to_contain_text(line)
    expect(picker.locator(".radar-nb-picker [role=status]")).to_contain_text(line)

    handle = picker.get_by_role("slider", name="To")
    handle.press("ArrowRight")
    expect_months(picker, "2020-06 2020-07 2020-08")
    expect(handle).to_have_attribute("aria-valuetext", "August 2020")
    cell(picker, "May 2019").click()
    expect(picker.get_by_role("slider", name="From")).to_have_attribute("aria-valuetext", "May 2019")
    picker.get_by_label("To: year").select_option("2018")  # before the start, which follows
    expect_months(picker, "2018-05")


def test_a_range_of_days_is_chosen_by_hand(picker: Any) -> None:
    """Days are set in fields and on the slider; the line states their share of the months that are downloaded."""
    picker.get_by_label("days (UTC)").check()
    picker.get_by_label("From: day").fill("2020-07-13")
    picker.get_by_role("slider", name="To").press("ArrowLeft")

    line = "18 days of RADKLIM 2017.002 (2020-07-13 to 2020-07-30), 5,184 of 8,928 fields of 1 month · 1 file"
    expect(picker.locator(".radar-nb-picker")).to_contain_text(line)
    shoot(picker, "picker_days")
    cell(picker, "March 2019").click()
    expect(picker.locator(".radar-nb-picker")).to_contain_text("31 days of RADKLIM 2017.002 (2019-03-01 to")
    picker.get_by_label("whole months").check()
    expect(picker.locator(".radar-nb-picker")).to_contain_text("1 month of RADKLIM 2017.002 (2019-03)")


def test_two_pickers_of_a_page_do_not_share_their_mode(picker: Any) -> None:
    """Each picker of a notebook shows whether it takes whole months or days."""
    picker.evaluate(
        """async () => {
          const { content } = window.jupyterapp.shell.currentWidget;
          content.activeCellIndex = 1;
          content.activeCell.model.sharedModel.setSource("rn.MonthPicker('YW', '2020-07')");
          await window.jupyterapp.commands.execute("notebook:run-cell");
        }"""
    )
    calendars = picker.locator(".radar-nb-calendar[data-ready]")
    expect(calendars).to_have_count(2)

    for number in range(2):
        expect(calendars.nth(number).get_by_role("radio", checked=True)).to_have_count(1)


def test_a_dark_theme_is_followed(picker: Any) -> None:
    """The cells are dark on a dark page, and the form stays together on a wide screen."""
    theme = "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: `JupyterLab ${name}`})"
    picker.evaluate(theme, "Dark")
    picker.wait_for_selector("body[data-jp-theme-light='false']", state="attached")
    picker.set_viewport_size({"width": 3840, "height": 2160})
    cell(picker, "July 2018").click()
    cell(picker, "March 2020").click(modifiers=["Shift"])
    expect_months(picker, f"{months(2018, 7)} {months(2019)} {months(2020, 1, 3)}")
    shoot(picker, "picker_dark")

    colour = cell(picker, "July 2010").evaluate("(cell) => getComputedStyle(cell).backgroundColor")
    picker.evaluate(theme, "Light")
    assert max(map(int, re.findall(r"\d+", colour))) < 128
    edges = [
        picker.locator(f".radar-nb-picker {part}").first.bounding_box() for part in ("select", "table", ".slider")
    ]
    assert max(box["x"] + box["width"] for box in edges) < 1000
