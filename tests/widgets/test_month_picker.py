"""The month picker, tested through its traits, without a browser."""

from __future__ import annotations

import asyncio
import threading
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from support.controls import ARCHIVE, JUNE, NO_SERVER, RECENT, changes, names, parts, reached, words
from support.servers import Reply, Server, serving

from radar_nb.dwd.months import Month, month_range
from radar_nb.errors import CoverageError, MonthError, SettingsError, UnknownProduct
from radar_nb.fetch.throttling import remember_speed
from radar_nb.runtime.event_loop import run
from radar_nb.widgets.month_picker import MonthPicker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as scripts:
        scripts.script(JUNE, Reply(body=ARCHIVE))
        yield scripts


def test_all_controls_show_the_months() -> None:
    """Every control shows the same span, and the line states its size."""
    picker = MonthPicker("YW", "2020-06", "2020-08", base_url=NO_SERVER)

    shown = parts(picker)
    assert picker.value == month_range("2020-06", "2020-08")
    assert shown["calendar"].value == ["2020-06", "2020-07", "2020-08"]
    assert (shown["Product"].value, shown["Series"].value) == ("YW", "auto")
    assert "3 months of RADKLIM 2017.002 (2020-06 to 2020-08) · 3 files" in words(picker)
    assert "radar-nb-picker" in picker._dom_classes  # noqa: SLF001 - ipywidgets has no public name for it


def test_the_default_is_the_newest_month_with_a_known_name() -> None:
    """A new picker without a month has a plan at once, without a request to the server."""
    picker = MonthPicker(base_url=NO_SERVER)

    assert picker.value == (Month(2026, 1),)
    assert names(picker) == ["YW2017.002_202601.tar"]


def test_value_set_from_code_moves_controls_and_plan() -> None:
    """Setting `value` from code changes controls and plan as a choice by hand does."""
    picker = MonthPicker("YW", "2020-06", base_url=NO_SERVER)
    seen = changes(picker, "value", "plan")

    picker.value = ["2019-02", "2019-01"]

    assert [name for name, _ in seen] == ["plan", "value"]
    assert parts(picker)["calendar"].value == ["2019-01", "2019-02"]
    assert tuple(picker.value) == month_range("2019-01", "2019-02")
    assert names(picker) == ["YW2017.002_201901.tar", "YW2017.002_201902.tar"]


def test_a_range_of_days_means_these_days() -> None:
    """Days choose the months that they touch; the plan and the line state the share of these months."""
    picker = MonthPicker("YW", "2020-06-13", "2020-06-15", base_url=NO_SERVER)
    given = (picker.value, picker.days, names(picker), words(picker))
    seen = changes(picker, "value", "days")

    parts(picker)["calendar"].days = ["2020-05-30", "2020-06-02"]

    assert given[:3] == ((Month(2020, 6),), (date(2020, 6, 13), date(2020, 6, 15)), ["YW2017.002_202006.tar"])
    assert "3 days of RADKLIM 2017.002 (2020-06-13 to 2020-06-15), 864 of 8,640 fields of 1 month" in given[3]
    assert picker.plan is not None
    assert picker.plan.frames == (4 * 288, 61 * 288)
    assert sorted(name for name, _ in seen) == ["days", "value"]
    assert parts(picker)["calendar"].value == ["2020-05", "2020-06"]
    assert repr(picker) == "MonthPicker: YW, source auto, 2020-05-30 to 2020-06-02"


def test_whole_months_end_a_choice_of_days() -> None:
    """Months set from code or by hand, and a product without these months, end a choice of days."""
    picker = MonthPicker("RW", "2003-06-13", base_url=NO_SERVER)
    before = picker.plan

    parts(picker)["calendar"].days = []

    assert before is not None
    assert before.span is not None
    assert picker.days is None
    assert picker.value == (Month(2003, 6),)
    assert picker.plan is not None
    assert picker.plan.span is None
    other = MonthPicker("RW", "2003-06-13", base_url=NO_SERVER)
    other.product = "SF"
    assert (other.days, other.value) == (None, (Month(2006, 10),))


def test_the_calendar_selects_any_months() -> None:
    """Selected months may have gaps; the dates show their ends, and the plan holds only these months."""
    picker = MonthPicker("YW", "2020-06", base_url=NO_SERVER)

    parts(picker)["calendar"].value = ["2019-07", "2020-07", "2020-08"]

    assert picker.value == (Month(2019, 7), Month(2020, 7), Month(2020, 8))
    assert names(picker) == [f"YW2017.002_{month}.tar" for month in ("201907", "202007", "202008")]
    assert "3 months of RADKLIM 2017.002 (2019-07 to 2020-08, with gaps)" in words(picker)


def test_unpublished_months_in_the_calendar_are_ignored() -> None:
    """Months that an outdated page selects and that are not published are ignored."""
    picker = MonthPicker("YW", "2020-06", base_url=NO_SERVER)

    parts(picker)["calendar"].value = ["1999-07", "2020-07"]

    assert picker.value == (Month(2020, 7),)
    assert parts(picker)["calendar"].value == ["2020-07"]


def test_an_empty_selection_has_no_plan() -> None:
    """With no month selected the line says what to do, and `done()` raises."""
    picker = MonthPicker("YW", "2020-06", base_url=NO_SERVER)

    parts(picker)["calendar"].value = []

    assert (picker.value, picker.plan) == ((), None)
    assert "No month selected: click one" in words(picker)
    with pytest.raises(MonthError, match="no month is selected: choose at least one"):
        run(picker.done())

    parts(picker)["calendar"].value = ["2020-06"]
    assert picker.value == (Month(2020, 6),)


def test_the_calendar_shows_the_disk(tmp_path: Path) -> None:
    """Each month has the colour of its state on disk, also after a refresh."""
    picker = MonthPicker("YW", "2020-06", folder=tmp_path, base_url=NO_SERVER)
    place = tmp_path / JUNE[1:]
    place.parent.mkdir(parents=True)
    june = (2020 - 2001) * 12 + 5

    place.write_bytes(b"whole")
    before = parts(picker)["calendar"].states
    picker.refresh()

    assert before[june - 1 : june + 2] == "..."
    assert parts(picker)["calendar"].states[june - 1 : june + 2] == ".d."
    assert parts(picker)["calendar"].states.endswith("-") == (Month.now().month < 12)


def test_the_line_states_space_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The duration comes from the server's last download; too little free space is reported beforehand."""
    picker = MonthPicker("YW", "2020-06", folder=tmp_path, base_url="http://127.0.0.1:9")
    assert "time unknown until the first download" in words(picker)

    remember_speed("127.0.0.1:9", 40_000_000, 10)
    monkeypatch.setattr("radar_nb.widgets.month_picker.free_bytes", lambda _: 3_000_000)
    picker.refresh()

    assert "none on disk yet · about 50 s at 4.0 MB/s · only 3.0 MB free: not enough" in words(picker)
    assert parts(picker)["calendar"].said in words(picker)


def test_an_invalid_folder_is_reported(tmp_path: Path) -> None:
    """The line states the fault of the folder, without a traceback."""
    picker = MonthPicker("YW", "2020-06", folder=tmp_path / ("x" * 300), base_url=NO_SERVER)

    assert picker.plan is None
    assert "Cannot use the disk." in words(picker)
    assert "Traceback" not in words(picker)


def test_the_picker_in_german() -> None:
    """Labels, products and the line are in German, with decimal commas."""
    picker = MonthPicker("YW", "2020-06", base_url=NO_SERVER, lang="de")

    assert {"Produkt", "Reihe"} <= parts(picker).keys()
    assert parts(picker)["calendar"].words["from"] == "Von"
    assert "1 Datei, etwa 200,0 MB · noch keine auf dem Datenträger" in words(picker)
    assert parts(picker)["calendar"].words["months"].startswith("Januar")
    assert "Millimeter Niederschlag in 5 Minuten" in words(picker)


def test_another_product_keeps_the_months_if_possible() -> None:
    """RW has the months of YW; SF begins later, in another series, and the choice moves there."""
    picker = MonthPicker("YW", "2003-06", source="radklim", base_url=NO_SERVER)
    seen = changes(picker, "product", "source", "value")

    parts(picker)["Product"].value = "RW"
    parts(picker)["Product"].value = "SF"

    assert picker.value == (Month(2006, 10),)
    assert [label for label, _ in parts(picker)["Series"].options][1].startswith("RADOLAN")
    assert sorted(name for name, _ in seen) == ["product", "product", "source", "value"]
    assert names(picker) == ["SF-200610.tar.gz"]


def test_the_family_can_be_selected() -> None:
    """The same months of another family have another plan."""
    picker = MonthPicker("RW", "2010-06", base_url=NO_SERVER)

    parts(picker)["Series"].value = "radolan"

    assert picker.source == "radolan"
    assert names(picker) == ["RW201006.tar.gz"]


def test_months_without_a_family_are_reported() -> None:
    """The line says in the words of the menus what to do; only `done()` raises the error."""
    picker = MonthPicker("YW", "2024-06", base_url=NO_SERVER)

    parts(picker)["calendar"].value = ["2024-06", str(Month.now())]

    assert picker.plan is None
    assert "No series covers all of 2024-06 to" in words(picker)
    assert "RADKLIM 2017.002 covers 2024-06; RADOLAN covers" in words(picker)
    assert "choose it under “Series”" in words(picker)
    with pytest.raises(CoverageError, match="Choose months within one family"):
        run(picker.done())


@pytest.mark.parametrize(
    ("trait", "value", "error", "match"),
    [
        ("product", "XY", UnknownProduct, "unknown product 'XY'"),
        ("product", "RX", CoverageError, "RX is not in DWD's archives"),
        ("source", "radkim", UnknownProduct, "YW has no family 'radkim'"),
        ("value", "1999-01", CoverageError, "choose months within"),
        ("value", "June", MonthError, "'June' is not a valid month"),
        ("days", ("1999-01-01", "1999-01-02"), CoverageError, "choose months within"),
        ("days", ("2020-06", "2020-07"), MonthError, "is not a range of days: write two days"),
        ("days", ("2020-06-15", "2020-06-13"), MonthError, "is reversed"),
    ],
)
def test_invalid_values_from_code_raise(trait: str, value: Any, error: type[Exception], match: str) -> None:
    """An invalid value set from code raises and is never guessed; the choice stays."""
    picker = MonthPicker("YW", "2020-06", base_url=NO_SERVER)
    before = (picker.product, picker.source, picker.value, picker.plan)

    with pytest.raises(error, match=match):
        setattr(picker, trait, value)

    assert (picker.product, picker.source, picker.value, picker.plan) == before


def test_settings_are_checked_at_once() -> None:
    """An invalid address raises when the picker is made, before the first download."""
    with pytest.raises(SettingsError, match="'ftp://x' is not a web address"):
        MonthPicker("YW", "2020-06", base_url="ftp://x")


@pytest.mark.parametrize("in_a_loop", [True, False])
def test_a_plan_that_needs_a_listing_is_made_in_the_background(server: Server, *, in_a_loop: bool) -> None:
    """The server is asked in the background, with an event loop or without one."""
    row = '<a href="YW-250101.tar.gz">YW-250101.tar.gz</a>   02-Jan-2025 01:00   1234'
    server.script(RECENT, Reply(body=f"<h1>Index of {RECENT}</h1><pre>{row}</pre>".encode()))

    async def cell() -> tuple[Any, str, Any, str]:
        return ask()

    def ask() -> tuple[Any, str, Any, str]:
        server.open.clear()
        picker = MonthPicker("YW", "2025-01", source="radolan", base_url=server.url)
        first = (picker.plan, words(picker))
        server.open.set()
        return (*first, run(picker.done()), words(picker))

    before, said, after, line = asyncio.run(cell()) if in_a_loop else ask()

    assert before is None
    assert "asking the server" in said
    assert [archive.name for archive in after.archives] == ["YW-250101.tar.gz"]
    assert "1 month of RADOLAN (2025-01) · 1 file, 1 kB · none on disk yet" in line
    assert "Not on the server: 2025-01-02 to 2025-01-31" in line


def test_a_server_that_refuses_is_reported(server: Server) -> None:
    """The line reports the refusal without an exception, and a later choice clears it."""
    server.script(RECENT, Reply(status=403, body=b"no"))
    picker = MonthPicker("YW", "2025-01", source="radolan", base_url=server.url)

    with pytest.raises(PermissionError, match="403"):
        run(picker.done())
    assert "403" in words(picker)
    assert parts(picker)["Try again"].layout.display is None

    picker.source = "radklim"
    assert "403" not in words(picker)
    assert parts(picker)["Try again"].layout.display == "none"
    assert picker.plan is run(picker.done())


def test_a_click_asks_the_server_again(server: Server) -> None:
    """After a temporary failure a click tries again."""
    row = '<a href="YW-250101.tar.gz">YW-250101.tar.gz</a>   02-Jan-2025 01:00   1234'
    listing = Reply(body=f"<h1>Index of {RECENT}</h1><pre>{row}</pre>".encode())
    server.script(RECENT, Reply(status=403), listing)
    picker = MonthPicker("YW", "2025-01", source="radolan", base_url=server.url)
    with pytest.raises(PermissionError, match="403"):
        run(picker.done())

    parts(picker)["Try again"].click()
    run(picker.done())

    assert names(picker) == ["YW-250101.tar.gz"]


def test_months_passed_during_a_drag_are_not_requested(server: Server) -> None:
    """A drag over months without known names asks the server once, for the final choice."""
    row = '<a href="YW-250101.tar.gz">YW-250101.tar.gz</a>   02-Jan-2025 01:00   1234'
    server.script(RECENT, Reply(body=f"<h1>Index of {RECENT}</h1><pre>{row}</pre>".encode()))

    async def cell() -> MonthPicker:
        picker = MonthPicker("YW", "2025-01", source="radolan", base_url=server.url)
        for last in ("2025-02", "2025-03", "2025-04"):
            picker.value = month_range("2025-01", last)
        await picker.done()
        return picker

    picker = asyncio.run(cell())

    assert len(server.asked(RECENT)) == 1
    assert picker.plan is not None
    assert picker.plan.months == month_range("2025-01", "2025-04")


def test_only_selected_months_of_a_listing_are_planned(server: Server) -> None:
    """Months between the selected ones are not planned, whether their names are known or not."""
    rows = "".join(
        f'<a href="YW-25{month:02d}01.tar.gz">YW-25{month:02d}01.tar.gz</a>   02-Jan-2026 01:00   1234\n'
        for month in (1, 2, 3)
    )
    server.script(RECENT, Reply(body=f"<h1>Index of {RECENT}</h1><pre>{rows}</pre>".encode()))
    picker = MonthPicker("YW", "2025-01", source="radolan", base_url=server.url)

    chosen = (Month(2025, 1), Month(2025, 3))
    picker.value = chosen
    run(picker.done())

    assert names(picker) == ["YW-250101.tar.gz", "YW-250301.tar.gz"]
    assert picker.plan is not None
    assert picker.plan.months == chosen
    assert {gap.month for gap in picker.plan.missing} == set(chosen)


def test_an_answer_for_an_earlier_choice_is_dropped(server: Server) -> None:
    """An answer that arrives after a newer choice does not replace its plan."""
    stall = threading.Event()
    server.script(RECENT, Reply(body=b"<pre>", cut=3, stall=stall), Reply(status=403))

    async def cell() -> MonthPicker:
        picker = MonthPicker("YW", "2025-01", source="radolan", base_url=server.url)
        earlier = asyncio.create_task(picker.done())
        await asyncio.to_thread(reached, lambda: bool(server.asked(RECENT)))
        picker.source = "radklim"
        picker.value = "2020-06"
        stall.set()
        await earlier
        return picker

    picker = asyncio.run(cell())

    assert server.asked(RECENT)
    assert names(picker) == ["YW2017.002_202006.tar"]
    assert "403" not in words(picker)


def test_refresh_reads_the_disk_again(tmp_path: Path) -> None:
    """After a refresh the picker shows files that another program has written."""
    picker = MonthPicker("YW", "2020-06", folder=tmp_path, base_url=NO_SERVER)
    place = tmp_path / JUNE[1:]
    place.parent.mkdir(parents=True)
    place.write_bytes(b"whole")

    picker.refresh()

    assert "all on disk" in words(picker)
