"""Laws of the download panel: by its traits, without a browser."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from controls import ARCHIVE, JUNE, LONG, NOBODY, changes, parts, until, words
from servers import Reply, Server, serving

from radar_nb.errors import CoverageError, Incomplete, NotOnServer
from radar_nb.months import Month, month_range
from radar_nb.pipeline import plan as make_plan
from radar_nb.widgets import DownloadPanel, MonthPicker
from radar_nb.workspace import part_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as scripts:
        scripts.script(JUNE, Reply(body=ARCHIVE))
        yield scripts


def enabled(panel: DownloadPanel) -> set[str]:
    """Give the buttons that can be pressed."""
    shown = parts(panel)
    return {name for name in ("Download", "Cancel", "Extract") if not shown[name].disabled}


def test_a_download_runs_to_its_end(server: Server, tmp_path: Path) -> None:
    """The click returns at once; in the end bar, text, table, traits and picker tell the same."""
    picker = MonthPicker("YW", "2020-06", folder=tmp_path, base_url=server.url)
    panel = DownloadPanel(picker)
    seen = changes(panel, "state")
    shown = parts(panel)
    assert enabled(panel) == {"Download"}

    shown["Download"].click()
    report = panel.wait()

    assert seen == [("state", "running"), ("state", "done")]
    assert report is panel.report
    assert report is not None
    assert report.paths[0].read_bytes() == ARCHIVE
    assert (shown["bar"].value, shown["bar"].bar_style) == (shown["bar"].max, "success")
    assert shown["bar"].max == len(ARCHIVE)
    assert re.search(r"YW2017.002_202006.tar\s+done", words(panel))
    assert "all on disk" in words(picker)
    assert enabled(panel) == {"Download", "Extract"}


def test_in_a_loop_the_work_is_awaited(server: Server, tmp_path: Path) -> None:
    """In a notebook: start, then `await panel.done()`."""
    plan = make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url)

    async def cell() -> tuple[str, str, Any]:
        panel = DownloadPanel(plan)
        panel.start()
        begun = panel.state
        report = await panel.done()
        return begun, panel.state, report

    begun, ended, report = asyncio.run(cell())

    assert (begun, ended) == ("running", "done")
    assert report.outcomes[0].state == "done"


def test_extraction_takes_what_is_on_disk(server: Server, tmp_path: Path) -> None:
    """The third button makes folders of frames of the archives that lie there."""
    plan = make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url)
    panel = DownloadPanel(plan)
    panel.start()
    panel.wait()

    parts(panel)["Extract"].click()
    report = panel.wait()

    assert report is not None
    assert report.task == "extract"
    assert len(list(report.paths[0].rglob("*-bin"))) == 12
    assert parts(panel)["bar"].value == parts(panel)["bar"].max


def test_cancel_leaves_a_part_that_the_next_start_continues(server: Server, tmp_path: Path) -> None:
    """Stopping loses nothing."""
    stall, half = threading.Event(), len(LONG) // 2
    server.script(JUNE, Reply(body=LONG, cut=half, stall=stall), Reply(body=LONG))
    plan = make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url)
    panel = DownloadPanel(plan)
    part = part_path(plan.paths[0])

    panel.start()
    until(parts(panel)["bar"], "value", lambda value: value > 0)
    parts(panel)["Cancel"].click()
    assert panel.wait() is None
    stall.set()

    assert (panel.state, parts(panel)["bar"].bar_style) == ("cancelled", "warning")
    assert "the next start goes on from here" in words(panel)
    assert 0 < part.stat().st_size <= half

    panel.start()
    report = panel.wait()
    assert report is not None
    assert report.outcomes[0].state == "resumed"
    assert plan.paths[0].read_bytes() == LONG


def test_a_second_click_does_nothing_while_one_is_running(server: Server, tmp_path: Path) -> None:
    """Buttons that would do nothing cannot be pressed, and code that presses them does no harm."""
    stall = threading.Event()
    server.script(JUNE, Reply(body=ARCHIVE, cut=1000, stall=stall), Reply(body=ARCHIVE))
    panel = DownloadPanel(make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url))

    panel.start()
    assert parts(panel)["Download"].disabled
    panel.start()
    panel.extract()
    panel.cancel()
    panel.wait()
    stall.set()

    assert len(server.asked(JUNE)) <= 1


def test_files_that_fail_are_told_and_the_others_are_kept(server: Server, tmp_path: Path) -> None:
    """Half a success is shown as what it is, and raised to who waits for it."""
    panel = DownloadPanel(make_plan("YW", "2020-06", "2020-07", folder=tmp_path, base_url=server.url))

    panel.start()
    with pytest.raises(Incomplete, match="1 of 2 did not succeed"):
        panel.wait()

    assert panel.state == "failed"
    assert panel.report is not None
    assert isinstance(panel.report.failed[0].error, NotOnServer)
    assert "1 of 2 did not succeed, see below" in words(panel)
    assert re.search(r"YW2017.002_202007.tar\s+failed", words(panel))


def test_what_ends_the_work_is_told_in_words(server: Server, tmp_path: Path) -> None:
    """A folder that cannot be written is a line in the panel, and an error to who waits."""
    (tmp_path / "file").write_bytes(b"")
    plan = make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url)
    panel = DownloadPanel(plan, folder=tmp_path / "file" / "data")

    panel.start()
    with pytest.raises(OSError, match="choose another folder"):
        panel.wait()

    assert (panel.state, parts(panel)["bar"].bar_style) == ("failed", "danger")
    assert "choose another folder" in words(panel)
    assert "Traceback" not in words(panel)


def test_a_picker_is_followed(server: Server, tmp_path: Path) -> None:
    """The panel works on what the picker shows, and its buttons know whether there is anything."""
    picker = MonthPicker("YW", "2020-07", base_url=server.url)
    panel = DownloadPanel(picker, folder=tmp_path)

    picker.value = "2020-06"
    panel.start()
    panel.wait()
    assert (tmp_path / JUNE[1:]).read_bytes() == ARCHIVE

    picker.value = month_range("2024-06", Month.now())
    assert parts(panel)["Download"].disabled
    with pytest.raises(CoverageError, match=r"there is no plan to work on: await picker\.done\(\)"):
        panel.start()


def test_the_bar_is_not_drawn_for_each_event(server: Server, tmp_path: Path) -> None:
    """Four megabytes are dozens of events and a handful of messages."""
    server.script(JUNE, Reply(body=LONG))
    panel = DownloadPanel(make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url))
    drawn = changes(parts(panel)["bar"], "value")

    panel.start()
    report = panel.wait()

    assert report is not None
    assert len(drawn) <= 10 * report.seconds + 3
    assert drawn[-1] == ("value", len(LONG))


@pytest.mark.parametrize("make", ["picker", "panel"])
def test_it_is_told_in_a_line_where_no_widget_can_be_shown(make: str) -> None:
    """A page without a kernel shows a short text instead of the constructor's."""
    picker = MonthPicker("YW", "2020-06", base_url=NOBODY)

    shown = {"picker": picker, "panel": DownloadPanel(picker)}[make]

    assert (
        repr(shown)
        == {
            "picker": "MonthPicker: YW, source auto, 2020-06",
            "panel": "DownloadPanel: idle",
        }[make]
    )
