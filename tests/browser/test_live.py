"""`Live` in a browser: it follows a live mirror, keeps the user's view, and shows that the server is lost."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MINUTE = 60_000
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


def test_a_page_of_now_states_its_age_when_it_is_looked_at(page: Any, tmp_path: Path) -> None:
    """The page counts the age by the viewer's clock; one that is old, or of the future, is marked."""
    times = np.datetime64("2026-06-13T15:00", "ns") + np.arange(3) * np.timedelta64(5, "m")
    coords = {"time": times, "y": GRIDS["de900"].y[:40], "x": GRIDS["de900"].x[:30]}
    about = {"units": "mm", "interval_minutes": 5, "cell_methods": "time: sum"}
    explorer = rn.Explorer(xr.DataArray(np.ones((3, 40, 30), np.float32), coords, ("time", "y", "x"), "RV", about))
    start = 1_781_362_800_000  # 15:00 UTC
    answers = [
        {"until": start + 5 * MINUTE, "lines": [["A: rain now", True]]},
        {"until": start + 14 * MINUTE, "lines": [["A: no rain until 19:00", True]]},
        {"until": start + 15 * MINUTE, "lines": [["A: unknown", False]]},
    ]
    present = {"product": "RV", "nominal": start, "stale_after": 14 * MINUTE, "answers": answers}
    explorer.tell(boundary=0, timezone="Europe/Berlin", present=present)
    path, banner = explorer.save_html(tmp_path / "now.html"), page.locator(".rnb-present")

    seen = {}
    for minutes in (4, 13, 15, 50_000, -60):
        page.clock.set_fixed_time((start + minutes * MINUTE) / 1000)
        page.goto(path.as_uri())
        page.wait_for_selector(".rnb-stage[data-index]")
        seen[minutes] = banner.inner_text().split("\n\n"), page.locator(".rnb-old").count()

    assert seen[4] == (["RV of 17:00 CEST: the data are 4 min old", "A: rain now"], 0)
    assert seen[13] == (["RV of 17:00 CEST: the data are 13 min old", "A: no rain until 19:00"], 0)
    stale = "Stale: a newer forecast should be there. What is shown is not a present forecast."
    assert seen[15] == (["RV of 17:00 CEST: the data are 15 min old", stale, "A: unknown"], 1)
    assert seen[50_000] == (["RV of 2026-06-13 17:00 CEST: the data are 34 days old", stale, "A: unknown"], 1)
    assert seen[-60][0][1:] == ["The forecast is of the future: check the clock of this computer.", "A: unknown"]


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
