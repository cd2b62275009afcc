"""The app and the live map as web pages: Voila serves the notebooks, with a kernel for each page."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support.controls import CLEAN, JUNE

from browser.conftest import Watch
from radar_nb.mirror import LiveMirror, Mirror

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest.importorskip("voila", reason="voila is not installed: make browser")
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make browser").expect
expect.set_options(timeout=30_000)  # two cores may be shared with others

SHOTS = os.environ.get("RADAR_NB_SHOTS")
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
ICONS = re.compile(
    r"https://cdn\.jsdelivr\.net/npm/@fortawesome/fontawesome-free@\S+/css/(all|v4-shims)\.min\.css"
)
"""Icons that Voila's template requests in vain without a network; it also contains them itself."""


@pytest.fixture(scope="module")
def rain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a server with a little of June 2020."""
    root = tmp_path_factory.mktemp("server")
    place = root / JUNE[1:]
    place.parent.mkdir(parents=True)
    place.write_bytes(CLEAN)
    with Mirror(root) as mirror:
        yield mirror.url


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], str]]:
    """Return a function that serves a notebook, which asks a server on this machine, and returns its address."""
    with ExitStack() as stack:
        yield lambda notebook, url: stack.enter_context(voila(notebook, url, tmp_path_factory.mktemp("voila")))


@contextmanager
def voila(notebook: str, base_url: str, home: Path) -> Iterator[str]:
    """Serve a notebook with a home of its own; finally stop it and its kernels."""
    places = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    own = {name: str(home / name.lower()) for name in (*places, "RADAR_NB_DATA", "RADAR_NB_CACHE")}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = home / "voila.log"
    # which comes with hvplot, does not fit a page without a notebook, and logs an error
    without = "--VoilaConfiguration.extension_denylist=['@pyviz/jupyterlab_pyviz']"
    options = (f"--port={port}", "--no-browser", "--Voila.ip=127.0.0.1", without)
    with log.open("w") as out:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "voila", str(NOTEBOOKS / notebook), *options],
            env=os.environ | own | {"RADAR_NB_BASE_URL": base_url, "RADAR_NB_LANG": "en"},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(port, process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # a session of its own: its kernels too
            process.wait(5)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the port to answer: a request for the page would start a kernel."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"Voila does not answer at port {port}:\n{log.read_text(encoding='utf-8')[-2000:]}")


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """Return an empty page; finally check that only the icons were requested in vain."""
    page = browser.new_page(viewport={"width": 1280, "height": 1100}, reduced_motion="reduce")
    page.set_default_timeout(60_000)
    watch = Watch()
    watch.on(page)
    yield page
    page.close()

    assert [url for url in watch.outside_requests if not ICONS.fullmatch(url)] == []
    assert [line for line in watch.errors if "ERR_NAME_NOT_RESOLVED" not in line] == []
    assert len(watch.errors) <= len(watch.outside_requests)


def test_voila_serves_the_live_map(page: Any, tmp_path: Path, serve: Callable[[str, str], str]) -> None:
    """`make live` on a live mirror: the age, an answer for each place, and the rain plays by itself."""
    with LiveMirror(tmp_path, ["RV", "HYMECNG"], hours=0.3) as mirror:
        page.goto(serve("live.ipynb", mirror.url), wait_until="domcontentloaded")
        live = page.locator(".radar-nb-live")
        expect(live).to_contain_text(re.compile(r"RV of \d\d:\d\d CES?T, \d+ min old"), timeout=120_000)
        for town in ("Berlin", "Hamburg", "Köln", "Leipzig", "München"):
            expect(live).to_contain_text(f"{town}: ")
        expect(page.get_by_text("import radar_nb")).to_have_count(0)
        expect(live.get_by_role("button", name="Pause")).to_be_visible()
        if SHOTS:
            page.screenshot(path=f"{SHOTS}/voila_live.png")


def test_voila_serves_the_app(page: Any, rain: str, serve: Callable[[str, str], str]) -> None:
    """On a web page without a notebook: choose months, download, open, and the rain plays."""
    page.goto(serve("app.ipynb", rain), wait_until="domcontentloaded")
    app = page.locator(".radar-nb-app")
    expect(app.get_by_role("gridcell", name="June 2020, on the server, selected")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("import radar_nb")).to_have_count(0)

    app.get_by_role("button", name=re.compile("Download$")).click()
    expect(app).to_contain_text("all on disk")
    app.get_by_role("button", name=re.compile("Open$")).click()
    page.wait_for_selector(".radar-nb-app .rnb-stage[data-index='0']")

    app.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_selector(".radar-nb-app .rnb-stage[data-index]:not([data-index='0'])")
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/voila.png")
