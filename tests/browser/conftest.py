"""A real browser: JupyterLab on 127.0.0.1 with a home of its own, and Debian's Chromium without a network.

The tests skip where Playwright or Chromium is missing, unless RADAR_NB_BROWSER is set: `make browser` sets it, and
installs both. Each page records its requests and its console; a request that leaves this machine, or an error in
the console, fails the test.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",  # no name is found: offline is enforced
)
_HOME = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:", "file:", "about:")
_LABS_OWN = "Canceled future for create_subshell_request"
"""JupyterLab raises this where a test restarts a kernel that Lab has just asked for a subshell."""
_PATIENCE = 60_000  # ms; two cores may be shared with others
_LAB_CONFIG = """
c = get_config()
c.ServerApp.ip = "127.0.0.1"
c.ServerApp.port = {port}
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.allow_root = True
c.ServerApp.root_dir = {root!r}
c.IdentityProvider.token = ""  # for tests alone: bound to this machine
c.ServerApp.password = ""
c.ServerApp.disable_check_xsrf = True
c.ServerApp.terminals_enabled = False
c.LabApp.expose_app_in_browser = True
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
c.LabApp.workspaces_dir = {workspaces!r}
c.LabApp.user_settings_dir = {settings!r}
"""
_LAB_SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},  # all cells are in the page
    "docmanager-extension/plugin": {"autosave": False},
    "apputils-extension/notification": {"checkForUpdates": False, "fetchNews": "false", "doNotDisturbMode": True},
}


@dataclass(slots=True)
class Watch:
    """Requests to other machines, and errors in the console, of a page."""

    outside_requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def on(self, page: Any) -> None:
        """Watch a page."""
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: None if _LABS_OWN in str(error) else self.errors.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(_HOME) else self.outside_requests.append(r.url))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return Chromium, offline."""
    wanted = "RADAR_NB_BROWSER" in os.environ
    try:
        from playwright import sync_api
    except ImportError:
        if wanted:
            raise
        pytest.skip("playwright is not installed: make browser")
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        assert not wanted, "there is no Chromium on this machine: install it, or set CHROMIUM to its path"
        pytest.skip("there is no chromium on this machine: make browser")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """Return an empty page of 1280 x 900; finally check that no request left the machine and no error occurred."""
    page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
    page.set_default_timeout(_PATIENCE)
    watch = Watch()
    watch.on(page)
    yield page
    page.close()

    assert watch.outside_requests == []
    assert watch.errors == []


@dataclass(frozen=True, slots=True, kw_only=True)
class Lab:
    """A running JupyterLab: its address and the folder of its notebooks."""

    url: str
    root: Path


@pytest.fixture(scope="session")
def lab(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Return a JupyterLab with its own home, settings and workspaces."""
    home = tmp_path_factory.mktemp("home")
    with jupyterlab(home) as running:
        yield running


@contextmanager
def jupyterlab(home: Path, **environment: str) -> Iterator[Lab]:
    """Start JupyterLab on a free port of 127.0.0.1; finally stop it and its kernels."""
    root, settings = home / "notebooks", home / "settings"
    root.mkdir()
    for name, content in _LAB_SETTINGS.items():
        extension, plugin = name.split("/")
        path = settings / "@jupyterlab" / extension / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content), encoding="utf-8")
    port = _free_port()
    config = home / "config.py"
    config.write_text(
        _LAB_CONFIG.format(port=port, root=str(root), workspaces=str(home / "workspaces"), settings=str(settings)),
        encoding="utf-8",
    )
    log = home / "lab.log"
    with log.open("w") as out:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter
            [sys.executable, "-m", "jupyterlab", "--config", str(config)],
            env=_own_environment(home) | environment,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/api/status", process, log)
        yield Lab(url=f"http://127.0.0.1:{port}", root=root)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # a session of its own: its kernels too
            process.wait(5)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _own_environment(home: Path) -> dict[str, str]:
    """Return an environment that does not see the user's own Jupyter and IPython."""
    places = {
        "HOME": home,
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
        "RADAR_NB_DATA": home / "radar",
        "RADAR_NB_CACHE": home / "cache",
    }
    kept = {name: value for name, value in os.environ.items() if name != "JUPYTER_PATH"}
    return kept | {name: str(path) for name, path in places.items()} | {"RADAR_NB_LANG": "en"}


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _PATIENCE / 1000
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with opener.open(url, timeout=5):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab does not answer at {url}:\n{log.read_text(encoding='utf-8')[-2000:]}")


def columns_of(table: Path) -> dict[str, list[str]]:
    """Return the columns of a CSV file by their names, without its comments."""
    lines = [line for line in table.read_text("utf-8").splitlines() if not line.startswith("#")]
    header, *rows = csv.reader(lines)
    return {name: list(column) for name, column in zip(header, zip(*rows, strict=True), strict=True)}


IDLE = """() => {
  const context = window.jupyterapp.shell.currentWidget?.sessionContext;
  const kernel = context?.isReady && context.session?.kernel;
  return !!kernel && kernel.connectionStatus === "connected" && kernel.status === "idle";
}"""
_ALL_RUN = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets
    .filter((cell) => cell.model.type === "code" && cell.model.sharedModel.getSource().trim());
  return cells.length > 0 && cells.every((cell) => typeof cell.model.executionCount === "number");
}"""


@pytest.fixture
def run_notebook(lab: Lab, page: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a notebook, a file or a list of cells, in a fresh copy, and runs all of it.

    Its kernel ends with the test: five idle kernels slow two cores down.
    """
    folder = lab.root / request.node.name.replace("/", "-")
    folder.mkdir()

    def run(notebook: Path | list[str]) -> Any:
        path = folder / (notebook.name if isinstance(notebook, Path) else "cells.ipynb")
        if isinstance(notebook, Path):
            shutil.copy(notebook, path)
        else:
            path.write_text(notebook_of(notebook), encoding="utf-8")
        page.goto(f"{lab.url}/doc/tree/{folder.name}/{path.name}?reset", wait_until="domcontentloaded")
        page.wait_for_function("() => !!window.jupyterapp")
        page.evaluate("() => window.jupyterapp.restored.then(() => true)")
        page.locator(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-Cell").first.wait_for()
        page.wait_for_function(IDLE)  # before that, Lab ignores the command silently
        page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => true)")
        page.wait_for_function(_ALL_RUN)
        return page

    yield run
    page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")


def notebook_of(cells: list[str]) -> str:
    """Return a notebook of these cells, as a file's text."""
    empty: dict[str, Any] = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": []}
    made = [empty | {"id": f"c{k}", "source": cell} for k, cell in enumerate(cells)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return json.dumps({"cells": made, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5})
