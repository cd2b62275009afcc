"""Laws of the download panel: by its traits, without a browser."""

from __future__ import annotations

import asyncio
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
import xarray as xr
from runtime import test_event_loop as test_loops
from support.controls import ARCHIVE, CLEAN, JUNE, LONG, NO_SERVER, STEPS, bars, changes, parts, until, words
from support.malicious_archives import tar_of
from support.servers import Reply, Server, serving

import radar_nb as rn
from radar_nb.dwd.months import Month, month_range
from radar_nb.errors import CoverageError, CubeError, Incomplete, NothingFound, NotOnServer
from radar_nb.fetch.planning import plan as make_plan
from radar_nb.mirror import Mirror
from radar_nb.mirror.faults.rules import Fault, Faults
from radar_nb.runtime.files import part_path
from radar_nb.widgets.download_panel import DownloadPanel
from radar_nb.widgets.month_calendar import LETTERS, MonthCalendar
from radar_nb.widgets.month_picker import MonthPicker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from radar_nb.dwd.catalogue import Plan

kernel = test_loops.kernel  # a real one, of ipykernel 7 and 6
JULY = JUNE.replace("202006", "202007")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as scripts:
        scripts.script(JUNE, Reply(body=ARCHIVE))
        yield scripts


@pytest.fixture
def june(server: Server, tmp_path: Path) -> Plan:
    """Give a plan of one archive that can be opened."""
    server.script(JUNE, Reply(body=CLEAN))
    return make_plan("YW", "2020-06", folder=tmp_path / "radar", base_url=server.url)


def accent(panel: DownloadPanel) -> list[str]:
    """Give the buttons that have the accent, of those that are shown."""
    shown = parts(panel).values()
    return [b.description for b in shown if b.button_style == "primary" and b.layout.display != "none"]


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
    assert bars(panel) == {"progress": (100, "done")}
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
    assert bars(panel) == {"progress": (100, "done")}


def test_a_cube_is_built_of_what_is_on_disk_and_opened(june: Plan) -> None:
    """Its values are those of the archives; the code opens it again; the picker's calendar tells it."""
    picker = MonthPicker("YW", "2020-06", folder=june.folder, base_url=june.base_url)
    panel = DownloadPanel(picker)
    panel.start()
    panel.wait()
    states = parts(picker)["calendar"].states
    assert "c" not in states

    parts(panel)["Build cube"].click()
    report = panel.wait()

    assert report is not None
    assert (report.task, {outcome.state for outcome in report.outcomes}) == ("build", {"done"})
    assert panel.opened == (june.folder / "cubes" / "YW-radklim.zarr",)
    assert panel.dataset is not None
    expected = rn.open_dataset(june.paths, progress=False)
    xr.testing.assert_equal(panel.dataset.compute(), expected.compute())
    assert f"rn.open_cube({str(panel.opened[0])!r})" in words(panel)
    assert "c" not in parts(picker)["calendar"].states  # not all of June


def test_a_cube_that_cannot_be_built_is_told(june: Plan) -> None:
    """Where something else lies in the cube's place, the panel says what, and Retry tries again."""
    panel = DownloadPanel(june)
    panel.start()
    panel.wait()
    place = june.folder / "cubes" / "YW-radklim.zarr"
    place.mkdir(parents=True)
    (place / "zarr.json").write_text('{"attributes": {}}', encoding="utf-8")

    panel.build_cube()
    with pytest.raises(CubeError, match="something other than a cube"):
        panel.wait()

    assert panel.state == "failed"
    assert "something other than a cube" in words(panel)
    assert parts(panel)["Retry"].layout.display is None


def test_cancel_leaves_a_part_that_the_next_start_continues(server: Server, tmp_path: Path) -> None:
    """Stopping loses nothing."""
    stall, half = threading.Event(), len(LONG) // 2
    server.script(JUNE, Reply(body=LONG, cut=half, stall=stall), Reply(body=LONG))
    plan = make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url)
    panel = DownloadPanel(plan)
    part = part_path(plan.paths[0])

    panel.start()
    until(panel.children[1], "value", lambda _: bars(panel).get("progress", (0, ""))[0] > 0)
    parts(panel)["Cancel"].click()
    assert panel.wait() is None
    stall.set()

    assert panel.state == "cancelled"
    assert bars(panel)["progress"][1] == "cancelled"
    assert "the next start continues from here" in words(panel)
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
    assert "1 of 2 failed, see below" in words(panel)
    assert re.search(r"YW2017.002_202007.tar\s+failed", words(panel))


def test_what_ends_the_work_is_told_in_words(server: Server, tmp_path: Path) -> None:
    """A folder that cannot be written is a line in the panel, and an error to who waits."""
    (tmp_path / "file").write_bytes(b"")
    plan = make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url)
    panel = DownloadPanel(plan, folder=tmp_path / "file" / "data")

    panel.start()
    with pytest.raises(OSError, match="choose another folder"):
        panel.wait()

    assert panel.state == "failed"
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
    with pytest.raises(CoverageError, match=r"there is no plan: await picker\.done\(\)"):
        panel.start()


def test_the_calendar_marks_months_that_the_server_does_not_have(server: Server, tmp_path: Path) -> None:
    """A month that answered 404 has a mark of its own, until the server has it."""
    picker = MonthPicker("YW", "2020-06", "2020-07", base_url=server.url, folder=tmp_path)
    panel = DownloadPanel(picker)

    panel.start()
    with pytest.raises(Incomplete):
        panel.wait()

    assert state_of(picker, Month(2020, 6)) == "downloaded"
    assert state_of(picker, Month(2020, 7)) == "absent"
    picker.value = "2020-05"
    picker.value = "2020-07"
    assert state_of(picker, Month(2020, 7)) == "absent"
    picker.mark_absent((), found=[Month(2020, 7)])
    assert state_of(picker, Month(2020, 7)) == "server"


def state_of(picker: MonthPicker, month: Month) -> str:
    """Return the state of a month in the calendar of a picker."""
    (calendar,) = (child for child in picker.children if isinstance(child, MonthCalendar))
    letter = calendar.states[12 * (month.year - calendar.first_year) + month.month - 1]
    return next(state for state, sign in LETTERS.items() if sign == letter)


def test_the_bar_is_not_drawn_for_each_event(server: Server, tmp_path: Path) -> None:
    """Four megabytes are dozens of events and a handful of messages."""
    server.script(JUNE, Reply(body=LONG))
    panel = DownloadPanel(make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url))
    drawn = changes(panel.children[1], "value")

    panel.start()
    report = panel.wait()

    assert report is not None
    assert len(drawn) <= 10 * report.seconds + 3
    assert "4.0 MB of 4.0 MB" in drawn[-1][1]


@pytest.mark.parametrize("make", ["picker", "panel"])
def test_it_is_told_in_a_line_where_no_widget_can_be_shown(make: str) -> None:
    """A page without a kernel shows a short text instead of the constructor's."""
    picker = MonthPicker("YW", "2020-06", base_url=NO_SERVER)

    shown = {"picker": picker, "panel": DownloadPanel(picker)}[make]

    assert (
        repr(shown)
        == {
            "picker": "MonthPicker: YW, source auto, 2020-06",
            "panel": "DownloadPanel: idle",
        }[make]
    )


def test_pause_holds_the_bytes_and_resume_goes_on(server: Server, tmp_path: Path) -> None:
    """Paused is a state of its own: nothing comes, nothing is lost, and one button becomes the other."""
    stall, half = threading.Event(), len(LONG) // 2
    server.script(JUNE, Reply(body=LONG, cut=half, stall=stall), Reply(body=LONG))
    plan = make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url)
    panel = DownloadPanel(plan)
    panel.start()
    until(panel.children[1], "value", lambda _: bars(panel).get("progress", (0, ""))[0] > 0)

    parts(panel)["Pause"].click()
    until(panel.children[1], "value", lambda _: bars(panel)["progress"][1] == "paused")
    paused = (panel.state, accent(panel), parts(panel)["Pause"].layout.display)
    stall.set()
    parts(panel)["Resume"].click()
    resumed = (panel.state, accent(panel), parts(panel)["Resume"].layout.display)
    panel.wait()

    assert paused == ("paused", ["Resume"], "none")
    assert resumed == ("running", [], "none")
    assert plan.paths[0].read_bytes() == LONG


def test_the_next_step_has_the_accent(june: Plan) -> None:
    """Download, then Open: who follows the one coloured button gets there."""
    panel = DownloadPanel(june)
    first = accent(panel)

    panel.start()
    panel.wait()

    assert first == ["Download"]
    assert accent(panel) == ["Open"]


def test_open_gives_a_dataset_and_the_code_that_gives_it_again(june: Plan) -> None:
    """What the code makes is what the button has made."""
    panel = DownloadPanel(june)
    panel.start()
    panel.wait()
    seen = changes(panel, "dataset")

    parts(panel)["Open"].click()
    panel.wait()

    code = words(panel).partition("import radar_nb as rn ")[2]
    assert code.startswith("ds = rn.load('YW', '2020-06', ")
    scope: dict[str, Any] = {}
    exec(f"import radar_nb as rn\n{code[:-1]}, progress=False)", scope)  # noqa: S102 - to be copied and run
    assert len(seen) == 1
    assert panel.opened == june.paths
    xr.testing.assert_identical(panel.dataset, scope["ds"])


def test_a_dataset_is_told_each_time_one_is_opened(june: Plan) -> None:
    """Datasets compare cell by cell; whoever waits for one hears of the second, too."""
    panel = DownloadPanel(june)
    panel.start()
    panel.wait()
    seen = changes(panel, "dataset")

    for _ in range(2):
        panel.open_dataset()
        panel.wait()

    assert len(seen) == 2
    assert all(ds.sizes["time"] == len(STEPS) for _, ds in seen)


def test_what_lies_here_in_part_is_opened_by_its_files(server: Server, tmp_path: Path) -> None:
    """One of two months is here: the code opens that, and fetches nothing."""
    server.script(JUNE, Reply(body=CLEAN))
    panel = DownloadPanel(make_plan("YW", "2020-06", "2020-07", folder=tmp_path, base_url=server.url))
    panel.start()
    with pytest.raises(Incomplete, match="1 of 2"):
        panel.wait()

    panel.open_dataset()
    panel.wait()

    assert f"rn.open_dataset([ '{panel.opened[0]}', ])" in words(panel)


def test_what_is_wrong_in_an_archive_is_told_and_the_rest_is_opened(server: Server, tmp_path: Path) -> None:
    """An archive with times that come twice opens all the same; the panel says so, and so does the code."""
    fields = tar_of((f"{number}.tar.gz", CLEAN) for number in (1, 2))
    server.script(JUNE, Reply(body=fields))
    panel = DownloadPanel(make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url))
    panel.start()
    panel.wait()

    panel.open_dataset()
    panel.wait()

    assert "Some data could not be read: " in words(panel)
    assert "errors='report'" in words(panel)
    assert panel.dataset is not None


def test_retry_tries_again_what_has_failed(server: Server, tmp_path: Path) -> None:
    """After a download that is a download, after an opening an opening."""
    server.script(JUNE, Reply(status=403), Reply(body=CLEAN))
    plan = make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url)
    panel = DownloadPanel(plan)
    panel.start()
    with pytest.raises(PermissionError, match="403"):
        panel.wait()
    assert accent(panel) == ["Retry"]

    parts(panel)["Retry"].click()
    panel.wait()
    assert (panel.state, parts(panel)["Retry"].layout.display) == ("done", "none")

    plan.paths[0].write_bytes(b"no archive")
    (plan.paths[0].parent / f"{plan.paths[0].name}.meta.json").unlink()
    panel.open_dataset()
    with pytest.raises(NothingFound, match="there is no RADOLAN frame"):
        panel.wait()
    plan.paths[0].write_bytes(CLEAN)
    parts(panel)["Retry"].click()
    panel.wait()
    assert panel.dataset.sizes["time"] == len(STEPS)


def test_the_truth_is_on_the_disk(server: Server, tmp_path: Path) -> None:
    """A new panel, as after a restart of the kernel, tells what is here and what is begun."""
    stall, half = threading.Event(), len(LONG) // 2
    server.script(JUNE, Reply(body=CLEAN))
    server.script(JULY, Reply(body=LONG, cut=half, stall=stall))
    plan = make_plan("YW", "2020-06", "2020-08", folder=tmp_path, base_url=server.url)
    first = DownloadPanel(plan)
    first.start()
    until(first.children[1], "value", lambda _: part_path(plan.paths[1]).is_file() and plan.paths[0].is_file())
    first.cancel()
    first.wait()
    stall.set()

    second = DownloadPanel(plan)

    assert re.search(r"1 of 3 files on disk, 1 partly downloaded \(\d+\.\d MB\)", words(second))
    assert (second.state, accent(second)) == ("idle", ["Download"])


def test_it_speaks_german(june: Plan) -> None:
    """Buttons, progress and the end."""
    panel = DownloadPanel(june, lang="de")

    parts(panel)["Herunterladen"].click()
    panel.wait()

    assert {"Pause", "Fortsetzen", "Abbrechen", "Entpacken", "Öffnen", "Erneut versuchen"} <= parts(panel).keys()
    assert "1 Datei" in words(panel)
    assert re.search(r"YW2017.002_202006.tar\s+fertig", words(panel))


PREPARE = """
import os, time
os.environ["RADAR_NB_CACHE"] = {cache!r}
import radar_nb as rn
plan = rn.plan("YW", "2020-06", folder={folder!r}, base_url={url!r})
panel, drawn = rn.DownloadPanel(plan), []
panel.children[1].observe(lambda change: drawn.append(change.new), "value")
panel.children[0].children[0].click()
"""
BUSY = """
begin = time.monotonic()
while not plan.paths[0].is_file() and time.monotonic() < begin + 60:
    time.sleep(0.01)  # no turn for the kernel's loop
drawn_meanwhile = len(drawn), len(set(drawn)), time.monotonic() - begin
"""


def test_in_a_kernel_files_come_while_a_cell_is_busy(kernel: Any, tmp_path: Path) -> None:
    """A click, then a busy cell: the file arrives, several stages of it are drawn, and its end is reported."""
    place = tmp_path / "server" / JUNE[1:]
    place.parent.mkdir(parents=True)
    place.write_bytes(CLEAN)
    rate = len(CLEAN)  # a second's worth
    with Mirror(tmp_path / "server", faults=Faults(rules=(Fault(kind="slow", rate=rate),))) as mirror:
        options = {"cache": str(tmp_path / "cache"), "folder": str(tmp_path / "data"), "url": mirror.url}
        kernel.start(PREPARE.format(**options))
        meanwhile = kernel.value(BUSY, "drawn_meanwhile")
        kernel.value("report = await panel.done()", "0")
        ended = kernel.value("", "(panel.state, report.outcomes[0].state)")

    count, stages, seconds = eval(meanwhile)  # noqa: S307 - of our own cell
    assert stages >= 3
    assert count <= 10 * seconds + 3
    assert ended == "('done', 'done')"
