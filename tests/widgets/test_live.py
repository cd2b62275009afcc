"""The explorer that follows the server: what it shows while files arrive, and when none arrive."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support.live import START, GatedClock, punctual

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS
from radar_nb.errors import SettingsError
from radar_nb.mirror import LiveMirror

if TYPE_CHECKING:
    from collections.abc import Callable

GRID = GRIDS["de900"]


def fields(value: float, count: int) -> xr.DataArray:
    """Return amounts of five minutes on a corner of DWD's grid."""
    times = np.datetime64("2026-06-13T15:00", "ns") + np.arange(count) * np.timedelta64(5, "m")
    coords = {"time": times, "y": GRID.y[:40], "x": GRID.x[:30]}
    about = {"units": "mm", "interval_minutes": 5, "cell_methods": "time: sum"}
    return xr.DataArray(np.full((count, 40, 30), value, np.float32), coords, ("time", "y", "x"), "RV", about)


class Heard:
    """The messages that an explorer sends."""

    def __init__(self, explorer: rn.Explorer) -> None:
        self.messages: list[dict[str, Any]] = []
        explorer.send = self._hear

    def _hear(self, message: dict[str, Any], buffers: Any = ()) -> None:
        del buffers
        self.messages.append(message)


def test_other_data_replace_the_shown_ones() -> None:
    """Views are notified once; fields state the edition, and answers about the old data are dropped."""
    explorer = rn.Explorer(fields(0.5, 3), lang="en")
    heard, old = Heard(explorer), explorer._queue  # noqa: SLF001 - a question that is still being answered
    explorer.index = 2

    explorer.renew(fields(1.5, 2), boundary=0, timezone="Europe/Berlin")
    assert old is not None
    old.ask({"type": "frames", "view": "a", "wanted": [2]})
    explorer._receive(None, {"type": "frames", "view": "a", "wanted": [1]}, [])  # noqa: SLF001 - as a browser does

    info, *others = heard.messages
    assert (info["type"], info["info"]["edition"], info["info"]["count"]) == ("info", 1, 2)
    assert info["info"]["times"][0] == 1_781_362_800_000
    assert info["info"]["timezone"] == "Europe/Berlin"
    assert [message["frames"][0]["index"] for message in others if message["type"] == "frames"] == [1]
    assert {message["edition"] for message in others} == {1}
    assert (explorer.index, len(explorer.frames)) == (1, 2)
    assert float(explorer.field.max()) == 1.5


def test_replaced_data_leave_nothing_behind() -> None:
    """After renewals, each of whose fields a browser asks for, memory holds what it held before."""
    explorer, counts = rn.Explorer(fields(0.5, 3), lang="en"), []
    heard, alive = Heard(explorer), weakref.WeakSet[Any]()

    async def follow(times: int) -> None:
        for _ in range(times):
            heard.messages.clear()
            explorer.renew(fields(1.5, 3), boundary=0)
            explorer._receive(None, {"type": "frames", "wanted": [0, 1, 2]}, [])  # noqa: SLF001 - as a browser does
            await until(lambda: any(len(message.get("frames", ())) == 2 for message in heard.messages))
            alive.update([explorer.frames, explorer._queue])  # noqa: SLF001 - what holds fields

    for times in (3, 9):
        asyncio.run(follow(times))
        gc.collect()
        counts.append(len(gc.get_objects()))

    assert set(alive) == {explorer.frames, explorer._queue}  # noqa: SLF001 - the same
    assert counts[1] - counts[0] < 9


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is true."""
    while not true():  # noqa: ASYNC110 - widgets raise no event for their contents
        await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Follow a server for some minutes, then lose it; return what was shown."""
    root = tmp_path_factory.mktemp("server")
    clock = GatedClock(START)
    seen: dict[str, Any] = {}

    async def follow() -> None:
        with LiveMirror(root, ["RV"], clock=clock, hours=0.2, fate=punctual) as mirror:
            live = rn.Live(
                {"B": (12.37, 51.34), "nowhere": (4.5, 46.5)},
                past="10min",
                base_url=mirror.url,
                clock=clock,
                folder=root.with_name("ring"),
                lang="en",
            )
            seen["opening"] = live.status, live._head.value  # noqa: SLF001 - what is displayed
            await until(lambda: live.explorer is not None and len(live.explorer.frames) == 27)
            assert live.explorer is not None
            one = live.explorer
            seen["first"] = keep(live)
            clock.advance(310)
            await until(lambda: live.follower.newest is not None and f"{live.follower.newest:%H:%M}" == "15:05")
            last = seen["first"]["times"][-1]
            await until(lambda: one._info["times"][-1] > last)  # noqa: SLF001 - the same
            seen["next"] = keep(live)
            seen["same"] = live.explorer is one
        clock.advance(600)
        await until(lambda: bool(live.follower.trouble))
        live.refresh()
        seen["lost"] = keep(live)
        live.close()

    def keep(live: rn.Live) -> dict[str, Any]:
        assert live.explorer is not None
        info = live.explorer._info  # noqa: SLF001 - what the browser is sent
        return {"status": live.status, "head": live._head.value, "list": live._list.value} | dict(info)  # noqa: SLF001

    asyncio.run(follow())
    return seen


def test_before_the_first_field_the_widget_says_that_it_waits(shown: dict[str, Any]) -> None:
    """Before the first field the first line says that the widget waits for it."""
    assert shown["opening"][0] == "opening"
    assert "Waiting for the first field" in shown["opening"][1]


def test_past_and_forecast_lie_on_one_line_with_a_boundary(shown: dict[str, Any]) -> None:
    """The explorer has ten minutes back and two hours ahead, local times, the present shown, and the places."""
    first = shown["first"]

    assert (first["count"], first["boundary"], first["timezone"]) == (27, 2, "Europe/Berlin")
    assert np.unique(np.diff(first["times"])).tolist() == [300_000]
    assert np.datetime64(first["times"][2], "ms") == np.datetime64("2026-06-13T15:00")
    assert first["minutes"] == 5
    assert first["state"]["index"] == 2
    assert len(first["state"]["places"]) == 2


def test_the_age_and_the_answers_are_shown(shown: dict[str, Any]) -> None:
    """The widget shows the age of the field and an answer per place, also "unknown" outside radar range."""
    first = shown["first"]

    assert first["status"] == "fresh"
    assert "RV of 17:00 CEST, 2 min old" in first["head"]
    assert "nowhere: unknown whether it rains" in first["list"]
    assert "B: " in first["list"]


def test_the_next_file_renews_the_same_explorer(shown: dict[str, Any]) -> None:
    """A new file moves the explorer's window by one step."""
    assert shown["same"]
    assert shown["next"]["times"][-1] == shown["first"]["times"][-1] + 300_000
    assert "RV of 17:05 CEST" in shown["next"]["head"]


def test_a_file_that_comes_before_the_first_display_keeps_the_places(shown: dict[str, Any]) -> None:
    """Until a browser has shown the explorer, each renewal brings the first view: the places and the present."""
    assert len(shown["next"]["state"]["places"]) == 2
    assert shown["next"]["state"]["index"] == shown["next"]["boundary"]


def test_a_lost_server_is_shown_and_no_place_stays_dry(shown: dict[str, Any]) -> None:
    """The line names the reason, the age keeps growing, and a dry place becomes unknown."""
    lost = shown["lost"]

    assert lost["status"] == "lost"
    assert "The server does not answer (no connection to 127.0.0.1" in lost["head"]
    assert "RV of 17:05 CEST, 12 min old" in lost["head"]
    assert "no rain until" not in lost["list"]


def test_an_unknown_time_zone_raises() -> None:
    """The error is raised before anything is shown."""
    with pytest.raises(SettingsError, match="unknown timezone='Middle/Earth'"):
        rn.Live(timezone="Middle/Earth")


def test_an_invalid_past_raises() -> None:
    """A number without a unit is not a duration and raises."""
    with pytest.raises(SettingsError, match="past=2 is not a duration"):
        rn.Live(past=2)
