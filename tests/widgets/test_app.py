"""App, tested through its traits, without a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.controls import CLEAN, JUNE, NO_SERVER, STEPS, parts, words
from support.servers import Reply, Server, serving

from radar_nb.errors import UnknownProduct
from radar_nb.widgets.app import App
from radar_nb.widgets.explorer.widget import Explorer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as scripts:
        scripts.script(JUNE, Reply(body=CLEAN))
        yield scripts


@pytest.fixture
def opened(server: Server, tmp_path: Path) -> App:
    """Return an app with a month downloaded and opened by its buttons."""
    app = App("YW", "2020-06", folder=tmp_path, base_url=server.url)
    for name in ("Download", "Open"):
        parts(app)[name].click()
        app.panel.wait()
    return app


def test_the_panel_follows_the_picker() -> None:
    """The panel's plan is that of the months in the picker."""
    app = App("YW", "2020-06", base_url=NO_SERVER)

    app.picker.value = ["2019-07", "2020-07"]

    assert app.panel.plan is app.picker.plan
    assert "0 of 2 files on disk" in words(app)
    assert "The explorer appears here when you press Open." in words(app)
    assert app.explorer is None


def test_open_leads_to_the_explorer(opened: App) -> None:
    """Open shows the explorer with the files on disk, in place of the picker."""
    explorer = opened.explorer

    assert isinstance(explorer, Explorer)
    assert explorer in opened.children[-1].children
    assert explorer.problem == ""
    assert explorer.span == (0, len(STEPS) - 1)
    assert opened.picker.layout.display == "none"
    assert "1 Choose months: YW, 2020-06" in " ".join(words(opened).split())


def test_months_can_be_chosen_again(opened: App) -> None:
    """One click shows the picker again."""
    parts(opened)["Change months"].click()

    assert opened.picker.layout.display is None
    assert parts(opened)["Change months"].layout.display == "none"
    assert "YW, 2020-06" not in words(opened)


def test_the_next_explorer_replaces_the_last(opened: App) -> None:
    """One explorer is open at a time; opening another closes it."""
    first = opened.explorer

    opened.panel.open_dataset()
    opened.panel.wait()

    assert opened.explorer is not first
    assert opened.children[-1].children == (opened.explorer,)
    assert first is not None
    assert first.comm is None


def test_all_parts_use_one_language(server: Server, tmp_path: Path) -> None:
    """The app's language holds for picker, panel and explorer."""
    app = App("YW", "2020-06", folder=tmp_path, base_url=server.url, lang="de")
    for name in ("Herunterladen", "Öffnen"):
        parts(app)[name].click()
        app.panel.wait()

    assert "Monate auswählen" in words(app)
    assert "Produkt" in parts(app)
    assert app.explorer is not None
    assert app.explorer.texts["play"] == "Abspielen"


def test_a_line_replaces_the_widget_without_a_kernel() -> None:
    """In a notebook without a kernel a short text says what to do."""
    app = App("YW", "2020-06", base_url=NO_SERVER)

    assert repr(app) == "App: YW, 2020-06 (run the cell to use it)"


def test_invalid_arguments_raise_at_once() -> None:
    """The app raises for invalid arguments, as the picker does."""
    with pytest.raises(UnknownProduct, match="unknown product 'XY'"):
        App("XY")
