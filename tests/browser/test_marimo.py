"""The widgets in marimo, without a network: choose, download, open and look at the rain."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from support.controls import CLEAN, JUNE

from browser.conftest import _free_port
from radar_nb.mirror import Clock, LiveMirror, Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("marimo", reason="marimo is not installed: pip install marimo")
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser").expect
expect.set_options(timeout=30_000)  # two cores may be shared with others

SHOTS = os.environ.get("RADAR_NB_SHOTS")
NOTEBOOK = """
import marimo

app = marimo.App()


@app.cell
def _():
    import radar_nb as rn

    tool = rn.App("YW", "2020-05", lang="en")
    tool
    return


if __name__ == "__main__":
    app.run()
"""


LIVE = """
import marimo

app = marimo.App()


@app.cell
def _():
    from datetime import UTC, datetime

    import radar_nb as rn
    from radar_nb.mirror import Clock

    clock = Clock(datetime(2026, 6, 13, 15, 12, tzinfo=UTC))
    tool = rn.Live({"B": (12.37, 51.34)}, past="10min", play=False, clock=clock, lang="en")
    tool
    return


if __name__ == "__main__":
    app.run()
"""
NOW = datetime(2026, 6, 13, 15, 12, tzinfo=UTC)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Return the address of the notebook, which marimo serves as an app beside a little of June 2020."""
    place = tmp_path / "server" / JUNE[1:]
    place.parent.mkdir(parents=True)
    place.write_bytes(CLEAN)
    with Mirror(tmp_path / "server") as mirror, served(NOTEBOOK, mirror.url, tmp_path) as url:
        yield url


@contextmanager
def served(content: str, server: str, tmp_path: Path) -> Iterator[str]:
    """Serve a notebook by marimo as an app, which sees a server; return its address."""
    notebook, log, port = tmp_path / "rain.py", tmp_path / "marimo.log", _free_port()
    notebook.write_text(content, encoding="utf-8")
    with log.open("w") as out:
        own = {"HOME": str(tmp_path), "RADAR_NB_DATA": str(tmp_path / "data"), "RADAR_NB_BASE_URL": server}
        command = [
            sys.executable,
            "-m",
            "marimo",
            "run",
            str(notebook),
            "--headless",
            f"--port={port}",
            "--no-token",
        ]
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [*command, f"--port={port}"],
            env=os.environ | own,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
            while True:
                try:
                    with urllib.request.urlopen(f"{url}/health", timeout=5):  # noqa: S310 - our own address
                        break
                except OSError:
                    assert process.poll() is None, log.read_text(encoding="utf-8")
                    assert time.monotonic() < deadline, log.read_text(encoding="utf-8")
                    time.sleep(0.2)
            yield url
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # a session of its own: its kernels too
            process.wait(15)


def test_a_month_is_chosen_downloaded_and_played(address: str, page: Any) -> None:
    """A click in the calendar, Download and Open lead to the explorer; menus and errors work as in Jupyter."""
    page.goto(address)
    page.locator(".radar-nb-calendar[data-ready]").wait_for()

    page.get_by_label("Series").select_option(index=1)
    page.get_by_role("gridcell", name=re.compile("June 2020")).click()
    expect(page.get_by_text("1 month of RADKLIM 2017.002 (2020-06)").last).to_be_visible()
    page.get_by_role("button", name="Download", exact=True).click()
    expect(page.get_by_text(re.compile(r"MB in \d+ s"))).to_be_visible()
    page.get_by_role("button", name="Open", exact=True).click()

    page.locator(".radar-nb-explorer canvas, .rnb-explorer canvas").first.wait_for()
    expect(page.locator(".rnb-waiting")).to_be_hidden()  # the first field has come
    expect(page.get_by_role("button", name="Change months")).to_be_visible()
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/marimo.png", full_page=True)


def test_live_shows_rain_now(page: Any, tmp_path: Path) -> None:
    """`Live` fetches from the server, and shows the age, an answer for the place, and the map with its mark."""
    (tmp_path / "server").mkdir()
    with (
        LiveMirror(tmp_path / "server", ["RV"], clock=Clock(NOW), hours=0.3) as mirror,
        served(LIVE, mirror.url, tmp_path) as url,
    ):
        page.goto(url)
        page.get_by_text(re.compile("^RV of 17:")).wait_for()

        expect(page.get_by_text(re.compile("^B: "))).to_be_visible()
        page.locator(".rnb-explorer canvas").first.wait_for()
        expect(page.locator(".rnb-waiting")).to_be_hidden()  # the first field has come
        expect(page.locator(".rnb-marks")).to_contain_text("B")
        expect(page.locator(".rnb-zone")).to_have_text(re.compile("CEST"))
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/marimo_live.png", full_page=True)
