"""The download panel, tested through its traits, without a browser."""

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
    """Return a plan of one archive that can be opened."""
    server.script(JUNE, Reply(body=CLEAN))
    return make_plan("YW", "2020-06", folder=tmp_path / "radar", base_url=server.url)


def accent(panel: DownloadPanel) -> list[str]:
    """Return the visible buttons that have the accent colour."""
    shown = parts(panel).values()
    return [b.description for b in shown if b.button_style == "primary" and b.layout.display != "none"]


def enabled(panel: DownloadPanel) -> set[str]:
    """Return the enabled buttons."""
    shown = parts(panel)
    return {name for name in ("Download", "Cancel", "Extract") if not shown[name].disabled}


def test_a_download_runs_to_its_end(server: Server, tmp_path: Path) -> None:
    """The click returns at once; in the end bar, text, table, traits and picker report the same result."""
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


def test_in_an_event_loop_the_work_can_be_awaited(server: Server, tmp_path: Path) -> None:
    """In a notebook, `await panel.done()` waits for the started work."""
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


def test_extraction_uses_archives_on_disk(server: Server, tmp_path: Path) -> None:
    """The third button extracts the archives on disk into folders of frames."""
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


def test_a_cube_is_built_from_archives_on_disk_and_opened(june: Plan) -> None:
    """The cube has the archives' values; the copied code opens it again; the picker's calendar marks it."""
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


def test_a_cube_that_cannot_be_built_is_reported(june: Plan) -> None:
    """If something else occupies the cube's path, the panel reports it, and Retry tries again."""
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
    """Cancelling keeps the received bytes, and the next start continues from them."""
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
    """Buttons without effect are disabled, and clicking them from code changes nothing."""
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


def test_failed_files_are_reported_and_the_others_are_kept(server: Server, tmp_path: Path) -> None:
    """The panel shows a partial failure, and `done()` raises it."""
    panel = DownloadPanel(make_plan("YW", "2020-06", "2020-07", folder=tmp_path, base_url=server.url))

    panel.start()
    with pytest.raises(Incomplete, match="1 of 2 did not succeed"):
        panel.wait()

    assert panel.state == "failed"
    assert panel.report is not None
    assert isinstance(panel.report.failed[0].error, NotOnServer)
    assert "1 of 2 failed, see below" in words(panel)
    assert re.search(r"YW2017.002_202007.tar\s+failed", words(panel))


def test_an_error_that_ends_the_work_is_reported(server: Server, tmp_path: Path) -> None:
    """For a folder that cannot be written the panel shows a line, and `done()` raises."""
    (tmp_path / "file").write_bytes(b"")
    plan = make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url)
    panel = DownloadPanel(plan, folder=tmp_path / "file" / "data")

    panel.start()
    with pytest.raises(OSError, match="choose another folder"):
        panel.wait()

    assert panel.state == "failed"
    assert "choose another folder" in words(panel)
    assert "Traceback" not in words(panel)


def test_the_panel_follows_a_picker(server: Server, tmp_path: Path) -> None:
    """The panel's plan is the picker's, and its buttons are enabled only if there are files."""
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


def test_the_bar_is_not_redrawn_for_each_event(server: Server, tmp_path: Path) -> None:
    """A download of 4 MB has dozens of events and only a few messages to the browser."""
    server.script(JUNE, Reply(body=LONG))
    panel = DownloadPanel(make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url))
    drawn = changes(panel.children[1], "value")

    panel.start()
    report = panel.wait()

    assert report is not None
    assert len(drawn) <= 10 * report.seconds + 3
    assert "4.0 MB of 4.0 MB" in drawn[-1][1]


@pytest.mark.parametrize("make", ["picker", "panel"])
def test_without_widgets_a_line_of_text_is_shown(make: str) -> None:
    """A page without a kernel shows a short text instead of the constructor's repr."""
    picker = MonthPicker("YW", "2020-06", base_url=NO_SERVER)

    shown = {"picker": picker, "panel": DownloadPanel(picker)}[make]

    assert (
        repr(shown)
        == {
            "picker": "MonthPicker: YW, source auto, 2020-06",
            "panel": "DownloadPanel: idle",
        }[make]
    )


def test_pause_keeps_bytes_and_resume_continues(server: Server, tmp_path: Path) -> None:
    """While paused no bytes arrive, none are lost, and the Pause button becomes Resume."""
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
    """The accent is on Download first, then on Open."""
    panel = DownloadPanel(june)
    first = accent(panel)

    panel.start()
    panel.wait()

    assert first == ["Download"]
    assert accent(panel) == ["Open"]


def test_open_returns_a_dataset_and_the_code_that_reproduces_it(june: Plan) -> None:
    """The Dataset of the copied code equals that of the button."""
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


def test_a_plan_of_hours_opens_these_hours(server: Server, tmp_path: Path) -> None:
    """Of a month on disk, Open opens only the requested times, and the code does the same."""
    server.script(JUNE, Reply(body=CLEAN))
    part = make_plan("YW", "2020-06-13T15:10", "2020-06-13T15:15", folder=tmp_path, base_url=server.url)
    panel = DownloadPanel(part)
    panel.start()
    panel.wait()

    panel.open_dataset()
    panel.wait()

    assert panel.dataset is not None
    assert panel.dataset.sizes["time"] == 2
    assert panel.source == part
    assert "ds = rn.load('YW', '2020-06-13T15:10', '2020-06-13T15:15', source=" in words(panel)


def test_observers_are_notified_of_each_opened_dataset(june: Plan) -> None:
    """Observers of `dataset` are notified also of a second, equal Dataset."""
    panel = DownloadPanel(june)
    panel.start()
    panel.wait()
    seen = changes(panel, "dataset")

    for _ in range(2):
        panel.open_dataset()
        panel.wait()

    assert len(seen) == 2
    assert all(ds.sizes["time"] == len(STEPS) for _, ds in seen)


def test_an_incomplete_plan_is_opened_by_its_files(server: Server, tmp_path: Path) -> None:
    """With one of two months on disk, the code opens that one and downloads nothing."""
    server.script(JUNE, Reply(body=CLEAN))
    panel = DownloadPanel(make_plan("YW", "2020-06", "2020-07", folder=tmp_path, base_url=server.url))
    panel.start()
    with pytest.raises(Incomplete, match="1 of 2"):
        panel.wait()

    panel.open_dataset()
    panel.wait()

    assert f"rn.open_dataset([ '{panel.opened[0]}', ])" in words(panel)


def test_faults_of_an_archive_are_reported_and_the_rest_is_opened(server: Server, tmp_path: Path) -> None:
    """An archive with duplicate times is opened; the panel reports them, and the copied code does, too."""
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


def test_retry_repeats_the_failed_step(server: Server, tmp_path: Path) -> None:
    """Retry repeats a failed download or a failed opening, whichever came last."""
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


def test_a_retry_that_fails_again_ends_as_the_first_did(server: Server, tmp_path: Path) -> None:
    """The state, the reason, the bar and the button are there again, and the next press tries once more."""
    server.script(JUNE, Reply(status=403), Reply(status=403), Reply(body=CLEAN))
    panel = DownloadPanel(make_plan("YW", "2020-06", folder=tmp_path, base_url=server.url))
    ends = []
    for press in (panel.start, parts(panel)["Retry"].click):
        press()
        with pytest.raises(PermissionError, match="403"):
            panel.wait()
        ends.append((panel.state, accent(panel), words(panel), parts(panel)["Cancel"].disabled))

    assert ends[0] == ends[1]
    assert ends[1][0] == "failed"
    assert "403" in ends[1][2]
    parts(panel)["Retry"].click()
    panel.wait()
    assert panel.state == "done"


def test_a_new_panel_reports_the_state_on_disk(server: Server, tmp_path: Path) -> None:
    """A new panel, as after a restart of the kernel, reports complete files and files in part."""
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


def test_the_panel_in_german(june: Plan) -> None:
    """Buttons, progress and the final report are in German."""
    panel = DownloadPanel(june, lang="de")

    parts(panel)["Herunterladen"].click()
    panel.wait()

    assert {"Pause", "Fortsetzen", "Abbrechen", "Entpacken", "Öffnen", "Erneut versuchen"} <= parts(panel).keys()
    assert "1 Datei" in words(panel)
    assert re.search(r"YW2017.002_202006.tar\s+fertig", words(panel))


def test_a_panel_speaks_its_pickers_language(server: Server, tmp_path: Path) -> None:
    """Beside a German picker the panel is German, unless another language is chosen."""
    picker = MonthPicker("YW", "2020-06", folder=tmp_path, base_url=server.url, lang="de")

    assert "Herunterladen" in parts(DownloadPanel(picker))
    assert "Download" in parts(DownloadPanel(picker, lang="en"))


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


def test_in_a_kernel_files_arrive_while_a_cell_is_busy(kernel: Any, tmp_path: Path) -> None:
    """While a cell is busy after a click, the file arrives, its progress is drawn, and its end is reported."""
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
