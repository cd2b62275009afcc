"""`Live` in a browser: it follows a live mirror, keeps the user's view, and shows that the server is lost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SHOTS = os.environ.get("RADAR_NB_SHOTS")
CELLS = [
    """from datetime import UTC, datetime
import radar_nb as rn
from radar_nb.mirror import Clock, LiveMirror
mirror = LiveMirror({root!r}, ["RV"], clock=Clock(datetime(2026, 6, 13, 15, 2, tzinfo=UTC), speed=30), hours=0.3)
_ = mirror.__enter__()""",
    """places = {{"B": (12.37, 51.34), "nowhere": (4.5, 46.5)}}
live = rn.Live(places, past="10min", play=False, base_url=mirror.url, clock=mirror.clock, folder={ring!r})
live""",
    "",
]
EDITION = "() => document.querySelector('.rnb-explorer')?.player?.info?.edition ?? -1"
MARKS = "() => document.querySelector('.rnb-explorer').player.marks.length"


def test_live_follows_keeps_the_view_and_shows_a_lost_server(
    run_notebook: Callable[..., Any], tmp_path: Path
) -> None:
    """The next run appears with the places and the zoom of the last; without a server the line says so."""
    (tmp_path / "server").mkdir()
    names = {"root": str(tmp_path / "server"), "ring": str(tmp_path / "ring")}
    page = run_notebook([cell.format(**names) for cell in CELLS[:2]])
    page.set_default_timeout(240_000)  # a busy machine draws, publishes and fetches late

    page.wait_for_function("() => !!document.querySelector('.rnb-explorer')?.player?.shown")
    page.wait_for_function(f"() => ({EDITION})() >= 1 && ({MARKS})() === 2")
    page.evaluate("() => document.querySelector('.rnb-explorer').player.map.zoom(4)")
    before = page.evaluate(EDITION)
    page.wait_for_function(f"() => ({EDITION})() > {before}")
    page.wait_for_function("() => !!document.querySelector('.rnb-explorer').player.shown")
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/live.png")

    assert page.evaluate(MARKS) == 2
    assert page.evaluate("() => document.querySelector('.rnb-explorer').player.map.view.zoom") == 4
    assert "CEST" in page.locator(".rnb-zone").inner_text()
    assert "RV of 1" in page.locator(".radar-nb-live").inner_text()
    page.evaluate("""async () => {
      const { sessionContext } = window.jupyterapp.shell.currentWidget;
      await sessionContext.session.kernel.requestExecute({ code: "mirror.close()" }).done;
    }""")
    page.get_by_text("The server does not answer").wait_for()
    page.get_by_text("B: unknown whether it rains").or_(page.get_by_text("B: rain")).first.wait_for()
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/live_lost.png")
