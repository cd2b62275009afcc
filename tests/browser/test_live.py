"""`Live` in a browser: it follows a live mirror, keeps the user's view, and shows that the server is lost."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS
from radar_nb.runtime.wording import human_duration

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTE = 60_000
logger = logging.getLogger(__name__)
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
HOURS = int(os.environ.get("RADAR_NB_LIVE_HOURS", "1"))
"""Simulated hours of following; ten take a quarter of an hour: RADAR_NB_LIVE_HOURS=10 make browser."""
PAST = 24 if HOURS > 3 else 3
"""How many earlier fields are shown: two hours, or as many as a short run fills."""
STEPPED = [
    """import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
import radar_nb as rn
from radar_nb.mirror import LiveMirror, Mirror, SteppedClock
class Gated(SteppedClock):
    async def sleep(self, seconds):
        until = self.now() + timedelta(seconds=seconds)
        while self.now() < until:
            await asyncio.sleep(0.02)
def tell(name):
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    Path({notes!r}, name).write_text(str(pages * 4096 / 1e6))
clock = Gated(datetime(2026, 6, 13, 15, 2, tzinfo=UTC))
mirror = LiveMirror({root!r}, ["RV"], clock=clock, hours=0.2, fate=lambda *_: 100.0)
_ = mirror.__enter__()
port = int(mirror.url.rpartition(":")[2])""",
    """live = rn.Live({{"B": (12.37, 51.34), "nowhere": (4.5, 46.5)}}, past="{past}min", base_url=mirror.url,
    clock=clock, folder={ring!r})
live""",
]
INFO = "document.querySelector('.rnb-explorer')?.player?.info"
EDITION = "() => document.querySelector('.rnb-explorer')?.player?.info?.edition ?? -1"
MARKS = "() => document.querySelector('.rnb-explorer').player.marks.length"


def small_explorer() -> rn.Explorer:
    """Return an explorer of three small fields."""
    times = np.datetime64("2026-06-13T15:00", "ns") + np.arange(3) * np.timedelta64(5, "m")
    coords = {"time": times, "y": GRIDS["de900"].y[:40], "x": GRIDS["de900"].x[:30]}
    about = {"units": "mm", "interval_minutes": 5, "cell_methods": "time: sum"}
    return rn.Explorer(xr.DataArray(np.ones((3, 40, 30), np.float32), coords, ("time", "y", "x"), "RV", about))


def test_a_silent_kernel_is_noticed_after_a_minute(page: Any, tmp_path: Path) -> None:
    """A view that expects a word each minute says when none has come, until one comes."""
    explorer = small_explorer()
    explorer.tell(heartbeat=MINUTE)
    page.goto(explorer.save_html(tmp_path / "live.html").as_uri())
    page.wait_for_selector(".rnb-stage[data-index]")
    look = """([quiet, word]) => {
      const { player } = document.querySelector(".rnb-explorer");
      player.heard = Date.now() - quiet;
      if (word) player.receive({ type: "alive" }, []);
      player.present.look();
      return player.$(".rnb-present").innerText;
    }"""

    assert page.evaluate(look, [MINUTE // 2, False]) == ""
    assert page.evaluate(look, [90 * MINUTE, False]) == (
        "The kernel has not answered for 90 min: what is shown may be old."
    )
    assert page.evaluate(look, [90 * MINUTE, True]) == ""


def test_the_picture_stays_until_the_next_one_is_drawn(page: Any, tmp_path: Path) -> None:
    """When other data come, the map keeps the old picture until their first field is there."""
    page.goto(small_explorer().save_html(tmp_path / "live.html").as_uri())
    page.wait_for_selector(".rnb-stage[data-index]")
    page.wait_for_function("() => document.querySelector('.rnb-explorer').player.map.covered")
    look = """() => {
      const { player } = document.querySelector(".rnb-explorer"), { map } = player;
      return [map.canvas.hidden, map.paper.getImageData(5, 5, 1, 1).data.join(), map.covered?.[0], !!player.shown];
    }"""
    before = page.evaluate(look)
    page.evaluate(
        """() => {
      const { player } = document.querySelector(".rnb-explorer");
      player.receive({ type: "info", info: { ...player.info, edition: 1 } }, []);
    }"""
    )

    hidden, colour, *others = before
    assert (hidden, others) == (False, [1, True])
    assert page.evaluate(look) == [False, colour, 1, False]


def test_a_page_of_now_states_its_age_when_it_is_looked_at(page: Any, tmp_path: Path) -> None:
    """The page counts the age by the viewer's clock; one that is old, or of the future, is marked."""
    explorer = small_explorer()
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
    in_kernel(page, "mirror.close()")
    page.get_by_text("The server does not answer").wait_for()
    page.get_by_text("B: unknown whether it rains").or_(page.get_by_text("B: rain")).first.wait_for()
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/live_lost.png")


def in_kernel(page: Any, code: str) -> None:
    """Run code in the notebook's kernel, and wait for its end."""
    page.evaluate(
        """async (code) => {
          const { sessionContext } = window.jupyterapp.shell.currentWidget;
          const { content } = await sessionContext.session.kernel.requestExecute({ code }).done;
          if (content.status !== "ok") throw new Error(content.evalue);
        }""",
        code,
    )


def test_live_follows_for_hours_through_a_failure_without_growing(
    run_notebook: Callable[..., Any], tmp_path: Path
) -> None:
    """Each run appears and plays; a server that fails is shown and caught up; memory does not grow."""
    names = {name: str(tmp_path / name) for name in ("root", "ring", "notes")}
    for name in ("root", "notes"):
        Path(names[name]).mkdir()
    page = run_notebook([cell.format(past=5 * PAST, **names) for cell in STEPPED])
    page.set_default_timeout(240_000)
    cdp = page.context.new_cdp_session(page)
    live, newest = page.locator(".radar-nb-live"), datetime(2026, 6, 13, 15, 0, tzinfo=UTC)
    failing = range(
        6 * HOURS, 6 * HOURS + (12 if HOURS > 3 else 4)
    )  # steps without a server: an hour, or 20 minutes
    memory: list[tuple[float, float, int]] = []

    for step in range(12 * HOURS):
        if step == failing.start:
            in_kernel(page, "mirror.close()")
        if step == failing.stop:
            in_kernel(page, f"again = Mirror({names['root']!r}, clock=clock, port=port); again.__enter__()")
        in_kernel(page, "clock.advance(300)")
        newest += timedelta(minutes=5)
        if step in failing:
            lost = 5 * (step - failing.start + 1)
            live.get_by_text("The server does not answer").wait_for()
            live.get_by_text(f"{human_duration(60 * (lost + 2))} old").wait_for()
            if lost > 14:
                live.get_by_text("Stale: a newer forecast should be there").wait_for()
            assert "no rain until" not in live.inner_text()
            if SHOTS and step == failing.stop - 1:
                page.screenshot(path=f"{SHOTS}/live_hours_lost.png")
            continue
        page.wait_for_function(f"() => {INFO}?.times[{INFO}.boundary] === {newest.timestamp() * 1000:.0f}")
        live.get_by_text(f"RV of {newest + timedelta(hours=2):%H:%M} CEST, 2 min old").wait_for()
        page.wait_for_function("() => document.querySelector('.rnb-explorer').player.playing")
        if step % 12 in (5, 11) and step >= PAST:
            in_kernel(page, f"tell('step{step}')")
            cdp.send("HeapProfiler.collectGarbage")
            heap = cdp.send("Runtime.getHeapUsage")["usedSize"] / 1e6
            nodes = cdp.send("Memory.getDOMCounters")["nodes"]
            memory.append((float(Path(names["notes"], f"step{step}").read_text()), heap, nodes))
            logger.info("step %d: kernel %.0f MB, page %.1f MB, %d nodes", step, *memory[-1])
    if SHOTS:
        page.screenshot(path=f"{SHOTS}/live_hours.png")

    assert page.evaluate(f"() => {INFO}.count") == PAST + 25  # what was missed is there
    assert page.locator(".jp-RenderedText[data-mime-type*='stderr']").count() == 0
    first, last = memory[0], memory[-1]
    assert last[0] < 1.2 * first[0] + 30
    assert last[1] < 1.2 * first[1] + 5
    assert last[2] < 1.2 * first[2] + 200
