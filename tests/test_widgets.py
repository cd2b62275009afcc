"""Laws of the month picker and the download panel: by their traits, without a browser."""

from __future__ import annotations

import asyncio
import re
import threading
from datetime import date
from html import unescape
from typing import TYPE_CHECKING, Any

import ipywidgets
import pytest
from hostile import day, month
from servers import Reply, Server, serving

from radar_nb.errors import CoverageError, Incomplete, MonthError, NotOnServer, SettingsError, UnknownProduct
from radar_nb.months import Month, month_range
from radar_nb.pipeline import plan as make_plan
from radar_nb.sync import run
from radar_nb.widgets import DownloadPanel, MonthPicker
from radar_nb.workspace import part_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = "/climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
JUNE = f"{FOLDER}/YW2017.002_202006.tar"
ARCHIVE = month(day(range(0, 60, 5)), day(range(5, 60, 5)))
LONG = ARCHIVE + bytes(4_000_000)  # a tar may end in zeros
RECENT = "/climate_environment/CDC/grids_germany/5_minutes/radolan/recent/"
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as scripts:
        scripts.script(JUNE, Reply(body=ARCHIVE))
        yield scripts


def parts(widget: ipywidgets.Widget) -> dict[str, Any]:
    """Give the parts of a panel by the words on them, the bar as `bar`."""
    found: dict[str, Any] = {}
    for child in getattr(widget, "children", ()):
        found |= parts(child)
        if isinstance(child, ipywidgets.IntProgress):
            found["bar"] = child
        elif getattr(child, "description", ""):
            found[child.description] = child
    return found


def names(picker: MonthPicker) -> list[str]:
    """Give the names of the files that are planned."""
    assert picker.plan is not None
    return [archive.name for archive in picker.plan.archives]


def words(widget: ipywidgets.Widget) -> str:
    """Give all that a panel says."""
    said = [child.value for child in widget.children if isinstance(child, ipywidgets.HTML)]
    said += [words(child) for child in widget.children if isinstance(child, ipywidgets.Box)]
    return unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", " ".join(said)))


def changes(widget: ipywidgets.Widget, *names: str) -> list[tuple[str, Any]]:
    """Collect the changes of traits from now on."""
    seen: list[tuple[str, Any]] = []
    widget.observe(lambda change: seen.append((change.name, change.new)), names)
    return seen


def until(widget: ipywidgets.Widget, name: str, holds: Any) -> None:
    """Wait for a trait to satisfy a condition."""
    reached = threading.Event()
    widget.observe(lambda change: reached.set() if holds(change.new) else None, name)
    assert holds(getattr(widget, name)) or reached.wait(10)


class TestPicker:
    """One choice, seen through several controls."""

    def test_all_controls_show_the_months_given(self) -> None:
        """Whatever is looked at tells the same span, and the line tells what it amounts to."""
        picker = MonthPicker("YW", "2020-06", "2020-08", base_url=NOBODY)

        shown = parts(picker)
        assert picker.value == month_range("2020-06", "2020-08")
        assert (shown["From"].value, shown["To"].value) == (date(2020, 6, 1), date(2020, 8, 31))
        assert shown["Months"].value == (Month(2020, 6), Month(2020, 8))
        assert (shown["Product"].value, shown["Series"].value) == ("YW", "auto")
        assert "3 months of RADKLIM 2017.002 (2020-06 to 2020-08) · 3 files" in words(picker)
        assert "radar-nb-picker" in picker._dom_classes  # noqa: SLF001 - ipywidgets shows them nowhere else

    def test_without_a_month_it_is_the_newest_known_by_name(self) -> None:
        """A new picker has a plan at once, and asks no server."""
        picker = MonthPicker(base_url=NOBODY)

        assert picker.value == (Month(2026, 1),)
        assert names(picker) == ["YW2017.002_202601.tar"]

    def test_value_set_from_code_moves_controls_and_plan(self) -> None:
        """Code and hand are equal."""
        picker = MonthPicker("YW", "2020-06", base_url=NOBODY)
        seen = changes(picker, "value", "plan")

        picker.value = ["2019-02", "2019-01"]

        assert [name for name, _ in seen] == ["plan", "value"]
        assert parts(picker)["To"].value == date(2019, 2, 28)
        assert parts(picker)["Months"].value == (Month(2019, 1), Month(2019, 2))
        assert tuple(picker.value) == month_range("2019-01", "2019-02")
        assert names(picker) == ["YW2017.002_201901.tar", "YW2017.002_201902.tar"]

    def test_dates_snap_to_whole_months(self) -> None:
        """Any day means its month: the first day where it begins, the last where it ends."""
        picker = MonthPicker("YW", "2020-06", base_url=NOBODY)

        parts(picker)["To"].value = date(2020, 8, 13)
        parts(picker)["From"].value = date(2020, 2, 13)

        assert (parts(picker)["From"].value, parts(picker)["To"].value) == (date(2020, 2, 1), date(2020, 8, 31))
        assert picker.value == month_range("2020-02", "2020-08")

    def test_a_date_in_the_same_month_snaps_and_changes_nothing(self) -> None:
        """Observers hear of months, not of days."""
        picker = MonthPicker("YW", "2020-06", base_url=NOBODY)
        seen = changes(picker, "value", "plan")

        parts(picker)["To"].value = date(2020, 6, 7)

        assert parts(picker)["To"].value == date(2020, 6, 30)
        assert seen == []

    @pytest.mark.parametrize(("moved", "to"), [("From", "2021-03"), ("To", "2019-03")])
    def test_the_other_date_follows_where_the_order_would_turn(self, moved: str, to: str) -> None:
        """A range cannot be reversed by hand."""
        picker = MonthPicker("YW", "2020-06", "2020-08", base_url=NOBODY)

        parts(picker)[moved].value = Month.of(to).first_day

        assert picker.value == (Month.of(to),)

    @pytest.mark.parametrize("typed", [None, date(2, 6, 1), date(202, 6, 1)])
    def test_what_is_no_date_yet_is_put_back(self, typed: date | None) -> None:
        """An emptied field and a year that is typed by halves change nothing."""
        picker = MonthPicker("YW", "2020-06", base_url=NOBODY)

        parts(picker)["From"].value = typed

        assert parts(picker)["From"].value == date(2020, 6, 1)
        assert picker.value == (Month(2020, 6),)

    def test_dates_beyond_the_offer_are_moved_into_it(self) -> None:
        """A choice by hand ends where DWD's archives end."""
        picker = MonthPicker("YW", "2020-06", source="radklim", base_url=NOBODY)

        parts(picker)["From"].value = date(1950, 1, 13)

        assert picker.value == month_range("2001-01", "2020-06")
        assert parts(picker)["From"].value == date(2001, 1, 1)

    def test_in_a_notebook_a_date_counts_when_nothing_more_is_typed(self) -> None:
        """The dates on the way to a date are no choices: a browser sends one after each key."""

        async def cell() -> tuple[list[tuple[str, Any]], tuple[Month, ...]]:
            picker = MonthPicker("YW", "2020-06", base_url=NOBODY)
            heard = asyncio.Event()
            picker.observe(lambda _: heard.set(), "value")
            seen = changes(picker, "value")
            for typed in (date(2020, 12, 1), date(2, 12, 1), date(20, 12, 1), date(2019, 12, 1)):
                parts(picker)["From"].value = typed
            await asyncio.wait_for(heard.wait(), 10)
            return seen, picker.value

        seen, value = asyncio.run(cell())

        assert value == month_range("2019-12", "2020-06")
        assert seen == [("value", value)]

    def test_the_slider_chooses_months(self) -> None:
        """It reaches over all months that can be had, and the dates move with it."""
        picker = MonthPicker("YW", "2020-06", source="radklim", base_url=NOBODY)
        slider = parts(picker)["Months"]

        slider.index = (0, 11)

        assert slider.options[0][1] == Month(2001, 1)
        assert picker.value == month_range("2001-01", "2001-12")
        assert parts(picker)["To"].value == date(2001, 12, 31)

    def test_another_product_keeps_the_months_where_it_can(self) -> None:
        """RW has what YW has; SF begins later, in a series of its own, and the choice is moved there."""
        picker = MonthPicker("YW", "2003-06", source="radklim", base_url=NOBODY)
        seen = changes(picker, "product", "source", "value")

        parts(picker)["Product"].value = "RW"
        parts(picker)["Product"].value = "SF"

        assert picker.value == (Month(2006, 10),)
        assert [label for label, _ in parts(picker)["Series"].options][1].startswith("RADOLAN")
        assert sorted(name for name, _ in seen) == ["product", "product", "source", "value"]
        assert names(picker) == ["SF-200610.tar.gz"]

    def test_the_series_can_be_chosen(self) -> None:
        """The same months of another family are another plan."""
        picker = MonthPicker("RW", "2010-06", base_url=NOBODY)

        parts(picker)["Series"].value = "radolan"

        assert picker.source == "radolan"
        assert names(picker) == ["RW201006.tar.gz"]

    def test_months_that_no_family_covers_are_told(self) -> None:
        """The error is words in the line, and raised only to who asks for the plan."""
        picker = MonthPicker("YW", "2024-06", base_url=NOBODY)

        parts(picker)["Months"].value = (Month(2024, 6), parts(picker)["Months"].options[-1][1])

        assert picker.plan is None
        assert "no family of YW covers 2024-06 to" in words(picker)
        with pytest.raises(CoverageError, match="Choose months within one family"):
            run(picker.done())

    @pytest.mark.parametrize(
        ("trait", "value", "error", "match"),
        [
            ("product", "XY", UnknownProduct, "'XY' is no product"),
            ("product", "RX", CoverageError, "RX is in none of DWD's archives"),
            ("source", "radkim", UnknownProduct, "YW has no family 'radkim'"),
            ("value", "1999-01", CoverageError, "choose months within"),
            ("value", [], MonthError, "give at least one"),
        ],
    )
    def test_from_code_nonsense_is_refused(
        self, trait: str, value: Any, error: type[Exception], match: str
    ) -> None:
        """What a program sets is never guessed, and the choice stays as it was."""
        picker = MonthPicker("YW", "2020-06", base_url=NOBODY)
        before = (picker.product, picker.source, picker.value, picker.plan)

        with pytest.raises(error, match=match):
            setattr(picker, trait, value)

        assert (picker.product, picker.source, picker.value, picker.plan) == before

    def test_settings_are_checked_at_once(self) -> None:
        """A wrong address is no matter of the first download."""
        with pytest.raises(SettingsError, match="'ftp://x' is no web address"):
            MonthPicker("YW", "2020-06", base_url="ftp://x")

    @pytest.mark.parametrize("in_a_loop", [True, False])
    def test_where_a_listing_is_needed_the_plan_comes_later(self, server: Server, *, in_a_loop: bool) -> None:
        """The server is asked beside the caller, with a loop or without one."""
        row = '<a href="YW-250101.tar.gz">YW-250101.tar.gz</a>   02-Jan-2025 01:00   1234'
        server.script(RECENT, Reply(body=f"<h1>Index of {RECENT}</h1><pre>{row}</pre>".encode()))

        async def cell() -> tuple[Any, str, Any, str]:
            return ask()

        def ask() -> tuple[Any, str, Any, str]:
            picker = MonthPicker("YW", "2025-01", source="radolan", base_url=server.url)
            first = (picker.plan, words(picker))
            return (*first, run(picker.done()), words(picker))

        before, said, after, told = asyncio.run(cell()) if in_a_loop else ask()

        assert before is None
        assert "asking the server" in said
        assert [archive.name for archive in after.archives] == ["YW-250101.tar.gz"]
        assert "1 month of RADOLAN (2025-01) · 1 file, 1 kB · none on disk yet" in told
        assert "Not to be had: 2025-01-02 to 2025-01-31 (no such file on the server)" in told

    def test_a_server_that_refuses_is_told(self, server: Server) -> None:
        """No trace, no exception: the line says it, and a later choice is free of it."""
        server.script(RECENT, Reply(status=403, body=b"no"))
        picker = MonthPicker("YW", "2025-01", source="radolan", base_url=server.url)

        with pytest.raises(PermissionError, match="403"):
            run(picker.done())
        assert "403" in words(picker)

        picker.source = "radklim"
        assert "403" not in words(picker)
        assert picker.plan is run(picker.done())

    def test_an_answer_to_an_earlier_question_is_dropped(self, server: Server) -> None:
        """Who has chosen something else meanwhile keeps that."""
        stall = threading.Event()
        server.script(RECENT, Reply(body=b"<pre>", cut=3, stall=stall), Reply(status=403))

        async def cell() -> MonthPicker:
            picker = MonthPicker("YW", "2025-01", source="radolan", base_url=server.url)
            earlier = asyncio.create_task(picker.done())
            await asyncio.sleep(0)
            picker.source = "radklim"
            picker.value = "2020-06"
            stall.set()
            await earlier
            return picker

        picker = asyncio.run(cell())

        assert server.asked(RECENT)
        assert names(picker) == ["YW2017.002_202006.tar"]
        assert "403" not in words(picker)

    def test_refresh_looks_at_the_disk_again(self, tmp_path: Path) -> None:
        """Files that came by another way are seen."""
        picker = MonthPicker("YW", "2020-06", folder=tmp_path, base_url=NOBODY)
        place = tmp_path / JUNE[1:]
        place.parent.mkdir(parents=True)
        place.write_bytes(b"whole")

        picker.refresh()

        assert "all on disk" in words(picker)


class TestPanel:
    """Work that is begun by a button, watched, stopped and told."""

    def test_a_download_runs_to_its_end(self, server: Server, tmp_path: Path) -> None:
        """The click returns at once; in the end bar, text, table, traits and picker tell the same."""
        picker = MonthPicker("YW", "2020-06", folder=tmp_path, base_url=server.url)
        panel = DownloadPanel(picker)
        seen = changes(panel, "state")
        shown = parts(panel)
        assert (shown["Download"].disabled, shown["Cancel"].disabled, shown["Extract"].disabled) == (
            False,
            True,
            True,
        )

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
        assert (shown["Download"].disabled, shown["Cancel"].disabled, shown["Extract"].disabled) == (
            False,
            True,
            False,
        )

    def test_in_a_loop_the_work_is_awaited(self, server: Server, tmp_path: Path) -> None:
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

    def test_extraction_takes_what_is_on_disk(self, server: Server, tmp_path: Path) -> None:
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

    def test_cancel_leaves_a_part_that_the_next_start_continues(self, server: Server, tmp_path: Path) -> None:
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

    def test_a_second_click_does_nothing_while_one_is_running(self, server: Server, tmp_path: Path) -> None:
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

    def test_files_that_fail_are_told_and_the_others_are_kept(self, server: Server, tmp_path: Path) -> None:
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

    def test_what_ends_the_work_is_told_in_words(self, server: Server, tmp_path: Path) -> None:
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

    def test_a_picker_is_followed(self, server: Server, tmp_path: Path) -> None:
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

    def test_the_bar_is_not_drawn_for_each_event(self, server: Server, tmp_path: Path) -> None:
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
    def test_it_is_told_in_a_line_where_no_widget_can_be_shown(self, make: str) -> None:
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
