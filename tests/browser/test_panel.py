"""Panel and app in a browser: they show files while they arrive, and play their fields."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from support.controls import CLEAN, JUNE
from support.malicious_archives import recorded, tar_of

from browser.conftest import Lab, jupyterlab
from radar_nb.mirror import Mirror
from radar_nb.mirror.faults.rules import Fault, Faults

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Run = Callable[[Path | list[str]], Any]

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser").expect
expect.set_options(timeout=30_000)  # two cores may be shared with others

SHOTS = os.environ.get("RADAR_NB_SHOTS")
LONG = recorded(tar_of([("frame", bytes(6_000_000))]))
BUSY = """() => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  kernel.requestExecute({ code: "end = time.monotonic() + 3\\nwhile time.monotonic() < end: time.sleep(0.01)" });
}"""
SAVE = "() => window.jupyterapp.commands.execute('docmanager:save').then(() => true)"
DIE = """() => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  kernel.requestExecute({ code: "import os; os._exit(1)" });
}"""
IDLE = "() => window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
RUN = "() => window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => true)"


def shoot(part: Any, name: str) -> None:
    """Save a screenshot if a folder for screenshots is set."""
    if SHOTS:
        part.screenshot(path=f"{SHOTS}/{name}.png")


@pytest.fixture(scope="module")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return JupyterLab without its debugger, which logs an error when a kernel dies."""
    home = tmp_path_factory.mktemp("home")
    settings = home / "config" / "labconfig" / "page_config.json"
    settings.parent.mkdir(parents=True)
    off = {"disabledExtensions": {"@jupyterlab/debugger-extension": True}}
    settings.write_text(json.dumps(off), encoding="utf-8")
    with jupyterlab(home) as running:
        yield running


@pytest.fixture
def rate() -> int:
    """Return bytes per second of each file."""
    return 2_000_000


@pytest.fixture
def slow(tmp_path: Path, rate: int) -> Iterator[str]:
    """Return the address of a server with four months of 2020; it refuses one of them, once."""
    for number in range(1, 5):
        place = tmp_path / "server" / JUNE[1:].replace("202006", f"2020{number:02d}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(LONG)
    rules = (Fault(kind="403", path="*202002*", attempts=(1,)), Fault(kind="slow", rate=rate))
    with Mirror(tmp_path / "server", faults=Faults(rules=rules)) as mirror:
        yield mirror.url


@pytest.fixture
def panel(run_notebook: Run, tmp_path: Path, slow: str) -> Any:
    """Return a page with a panel that has four months to download."""
    page = run_notebook(
        [
            "import time\nimport radar_nb as rn",
            f"options = dict(folder={str(tmp_path / 'data')!r}, base_url={slow!r})",
            "picker = rn.MonthPicker('YW', '2020-01', '2020-04', **options)",
            "panel = rn.DownloadPanel(picker)\npanel",
        ]
    )
    expect(page.locator(".radar-nb-panel")).to_contain_text("0 of 4 files on disk")
    return page


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=re.compile(f"{name}$")).click()  # the icon's name precedes it


def test_a_download_is_watched_paused_and_tried_again(panel: Any) -> None:
    """The panel shows a download from the click to the last file: a pause, a busy cell, a refusal and a retry."""
    shown = panel.locator(".radar-nb-panel")
    press(panel, "Download")
    expect(shown.get_by_role("progressbar", name="YW2017")).to_have_count(3)
    expect(shown).to_contain_text("1 failed so far")
    expect(shown).to_contain_text(re.compile(r"YW2017.002_202001.tar.*of 6\.0 MB"))
    shoot(shown, "panel_running")

    press(panel, "Pause")
    expect(shown).to_contain_text("paused")
    shoot(shown, "panel_paused")
    panel.evaluate(BUSY)
    press(panel, "Resume")
    expect(shown).to_contain_text("1 of 4 failed")
    expect(shown).to_contain_text("The server refused the request.")
    shoot(shown, "panel_failed")

    press(panel, "Retry")
    bar = shown.get_by_role("progressbar", name="progress")
    expect(bar).to_have_attribute("data-state", "done")
    expect(bar).to_have_attribute("aria-valuenow", "100")
    expect(shown.get_by_role("button", name="Retry")).to_be_hidden()
    shoot(shown, "panel_done")


@pytest.mark.parametrize("rate", [300_000])
def test_after_a_reload_and_a_new_kernel_the_panel_is_correct(panel: Any) -> None:
    """A reloaded page continues to show the download; a panel in a new kernel reads its state from the disk."""
    shown = panel.locator(".radar-nb-panel")
    press(panel, "Download")
    expect(shown).to_contain_text("B/s")
    panel.evaluate(SAVE)

    panel.reload(wait_until="domcontentloaded")
    expect(shown).to_contain_text(re.compile(r"of 18\.0 MB.*YW2017.002_202001.tar.*[2-5]\.\d MB of 6\.0 MB"))
    panel.evaluate(DIE)
    panel.locator(".jp-Dialog").get_by_role("button", name="Ok").click()  # JupyterLab's own label
    expect(panel.get_by_text("No kernel is connected, so these controls do nothing")).to_be_visible()
    shoot(shown, "panel_dead")
    panel.wait_for_function(IDLE)
    panel.evaluate(RUN)

    expect(shown).to_contain_text(re.compile(r"0 of 4 files on disk, 3 partly downloaded"))
    press(panel, "Download")
    expect(shown.get_by_role("progressbar", name="YW2017")).to_have_count(4)


def test_a_download_is_cancelled(panel: Any) -> None:
    """Cancel stops it at once, and received bytes are reported and kept."""
    shown = panel.locator(".radar-nb-panel")
    press(panel, "Download")
    expect(shown).to_contain_text("MB/s")

    press(panel, "Cancel")

    expect(shown).to_contain_text("stopped; the next start continues from here")
    expect(shown.get_by_role("progressbar", name="progress")).to_have_attribute("data-state", "cancelled")
    shoot(shown, "panel_cancelled")


def test_in_the_app_open_leads_to_the_explorer(run_notebook: Run, tmp_path: Path) -> None:
    """In German: choose months, download, open, see the rain; then the months can be chosen again."""
    place = tmp_path / "server" / JUNE[1:]
    place.parent.mkdir(parents=True)
    place.write_bytes(CLEAN)
    with Mirror(tmp_path / "server") as mirror:
        options = f"folder={str(tmp_path / 'data')!r}, base_url={mirror.url!r}, lang='de'"
        page = run_notebook([f"import radar_nb as rn\nrn.App('YW', '2020-06', {options})"])
        app = page.locator(".radar-nb-app")
        expect(app.get_by_role("combobox", name="Produkt")).to_be_visible()
        expect(app.get_by_role("gridcell", name="Juni 2020, auf dem Server, ausgewählt")).to_have_count(1)
        shoot(page, "app_german")

        press(page, "Herunterladen")
        expect(app).to_contain_text("alle auf dem Datenträger")
        press(page, "Öffnen")
        page.wait_for_selector(".radar-nb-app .rnb-stage[data-index='0']")
        shoot(page, "app_open")

    expect(app).to_contain_text("Monate auswählen: YW, 2020-06")
    expect(app.get_by_role("grid")).to_be_hidden()
    press(page, "Monate ändern")
    expect(app.get_by_role("gridcell", name="Juni 2020, heruntergeladen, ausgewählt")).to_be_visible()
