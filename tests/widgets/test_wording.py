"""Texts of the widgets."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING, Any

import pytest

from radar_nb.dwd.catalogue import Missing, Plan
from radar_nb.dwd.months import Month
from radar_nb.errors import CorruptArchive, DiskFull, NotOnServer
from radar_nb.fetch.local_state import look
from radar_nb.fetch.planning import plan
from radar_nb.runtime.language import Texts
from radar_nb.runtime.report import Outcome, Report
from radar_nb.widgets.transfer_progress import FileSight, Sight
from radar_nb.widgets.wording import (
    code_lines,
    end_line,
    error_line,
    local_state_line,
    no_kernel_line,
    plan_lines,
    progress_lines,
    report_lines,
)

if TYPE_CHECKING:
    from pathlib import Path

ENGLISH, GERMAN = Texts("en"), Texts("de")


def text(html: str) -> str:
    return " ".join(unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", html)).split())


def line_of(made: Plan, say: Texts = ENGLISH, *, free: int = 10**12, speed: float | None = None) -> str:
    """Return the line of a plan."""
    return text(plan_lines(made, look(made), free=free, speed=speed, say=say))


@pytest.fixture
def three(tmp_path: Path) -> Plan:
    return plan("YW", "2020-06", "2020-08", folder=tmp_path)


def lay(made: Plan, count: int) -> None:
    for path in made.paths[:count]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"whole")


@pytest.mark.parametrize(
    ("there", "said"),
    [
        (0, "3 files, about 600.0 MB · none on disk yet · time unknown until the first download · 5.0 GB free"),
        (1, "3 files, about 400.0 MB · 1 file on disk, about 400.0 MB to download · time unknown"),
        (2, "3 files, about 200.0 MB · 2 files on disk, about 200.0 MB to download · time unknown"),
        (3, "3 files, 15 B · all on disk · 5.0 GB free"),
    ],
)
def test_a_plan_states_months_files_size_and_what_is_on_disk(three: Plan, there: int, said: str) -> None:
    """The line states months, files, size and what is on disk; known sizes replace estimates."""
    lay(three, there)

    line = line_of(three, free=5 * 10**9)

    assert line.startswith(f"3 months of RADKLIM 2017.002 (2020-06 to 2020-08) · {said}")


def test_listed_sizes_are_stated_as_exact(three: Plan) -> None:
    """Sizes from the server's listing are stated without "about"."""
    listed = replace(three, archives=tuple(replace(archive, size=1_500_000) for archive in three.archives))

    assert "3 files, 4.5 MB ·" in line_of(listed)


def test_time_and_lack_of_space_are_stated_beforehand(three: Plan) -> None:
    """With a known speed the line states a duration; too little free space has the colour of warnings."""
    html = plan_lines(three, look(three), free=10**8, speed=4e6, say=GERMAN)

    assert "etwa 2 min bei 4,0 MB/s · nur 100,0 MB frei: zu wenig" in text(html)
    assert "warn-color" in html


def test_gaps_are_listed_and_long_lists_are_cut(three: Plan) -> None:
    """Gaps are always listed, and long lists are shortened."""
    days = ("2020-06-01 to 2020-06-03", "2020-06-05", "2020-06-07", "2020-06-09", "2020-06-11")
    gaps = tuple(Missing(month=Month(2020, 6), what=day, reason="none") for day in days)
    holed = replace(three, archives=(), missing=gaps)

    assert line_of(holed).endswith(
        "Not on the server: 2020-06-01 to 2020-06-03, 2020-06-05, 2020-06-07 and 2 more"
    )
    assert "Nicht auf dem Server: 2020-06-01 bis 2020-06-03, " in line_of(holed, GERMAN)


def test_files_on_disk_are_counted(three: Plan) -> None:
    """The line counts the files on disk, and says so when all are."""
    lay(three, 2)
    some = text(local_state_line(three, look(three), ENGLISH))
    lay(three, 3)
    every = text(local_state_line(three, look(three), ENGLISH))

    assert (some, every) == ("2 of 3 files on disk", "All files are on disk. Press Open.")


def test_error_messages_are_escaped() -> None:
    """A heading by the kind of error comes first, then its message; text from a server is escaped."""
    assert text(error_line(DiskFull("make room"), ENGLISH)) == "Not enough space on the disk. make room"
    assert text(error_line(CorruptArchive("x"), GERMAN)) == "Das Archiv ist beschädigt. x"
    assert text(error_line(KeyError("x"), ENGLISH)) == "Unexpected error. KeyError: 'x'"
    assert "<script" not in error_line(DiskFull("<script>alert(1)</script>"), ENGLISH)


HOSTILE = "404 \x1b]0;owned\x07 \x9b31m \u202egnp.exe\u2066"


def test_control_characters_from_outside_do_not_reach_the_page() -> None:
    """Control characters in reason phrases and names from outside are removed; line breaks of code are kept."""
    outcome = Outcome(name=HOSTILE, state="failed", error=NotOnServer(HOSTILE))
    report = Report(task="download", outcomes=(outcome,), seconds=1.0)
    running = Sight(done=1, total=2, running=(FileSight(name=HOSTILE, done=1, total=2, retries=0),))

    for html in (
        error_line(NotOnServer(HOSTILE), ENGLISH),
        report_lines(report, ENGLISH),
        progress_lines(running, "running", ENGLISH),
        code_lines(f"first\nsecond {HOSTILE}", ENGLISH),
    ):
        assert "owned" in html
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    assert "first\nsecond" in code_lines("first\nsecond", ENGLISH)


FILE = FileSight(name="a.tar", done=1_000_000, total=4_000_000, retries=2)
FILE_LINE = "a.tar 1.0 MB of 4.0 MB · tried again 2 times"
UNKNOWN = replace(FILE, total=0, retries=0)
COUNTED = Sight(done=1, total=9, files=4, finished=2, failed=1, others=3)


@pytest.mark.parametrize(
    ("sight", "state", "said"),
    [
        (Sight(), "running", "starting …"),
        (Sight(done=10**6, total=5 * 10**6, speed=10**6), "running", "1.0 MB of 5.0 MB · 1.0 MB/s · 4 s left"),
        (Sight(done=10**6, speed=10**6), "running", "1.0 MB · 1.0 MB/s"),
        (
            Sight(done=10**6, total=5 * 10**6, silent=12),
            "running",
            "1.0 MB of 5.0 MB · waiting for the server, nothing received for 12 s",
        ),
        (Sight(done=5 * 10**6, total=5 * 10**6, silent=12), "running", "5.0 MB of 5.0 MB"),
        (Sight(done=3, unit="files", speed=3), "running", "starting …"),
        (Sight(done=10**6, total=5 * 10**6, speed=10**6), "paused", "1.0 MB of 5.0 MB · paused"),
        (Sight(done=3, total=30, unit="files", speed=3), "running", "3 of 30 parts read · 9 s left"),
        (COUNTED, "running", "1 B of 9 B · 2 of 4 files on disk · 1 failed so far and 3 more running"),
        (replace(COUNTED, files=0, failed=0, others=0, running=(FILE,)), "running", f"1 B of 9 B {FILE_LINE}"),
        (Sight(done=1, total=9, running=(UNKNOWN,)), "running", "1 B of 9 B a.tar 1.0 MB"),
    ],
)
def test_progress_is_a_line_for_all_and_one_per_file(sight: Sight, state: str, said: str) -> None:
    """The line states bytes, files, speed and time left; a file's line states what is known."""
    assert text(progress_lines(sight, state, ENGLISH)) == said


def test_bars_can_be_read_by_a_screen_reader() -> None:
    """Each bar has a name and a value; names are text."""
    html = progress_lines(Sight(done=1, total=4, running=(replace(FILE, name='"<b>'),)), "running", ENGLISH)

    assert re.findall(r'aria-label="([^"]*)".*?aria-valuenow="(\d+)"', html) == [
        ("progress", "25"),
        ("&quot;&lt;b&gt;", "25"),
    ]


def test_a_failed_download_is_not_shown_as_complete() -> None:
    """Failed files are counted, but their bytes are not."""
    html = progress_lines(Sight(done=6, total=6, files=4, finished=3, failed=1), "failed", ENGLISH)

    assert 'aria-valuenow="75"' in html


def _report(count: int = 1, **outcome: Any) -> Report:
    items = tuple(Outcome(name=f"{'abc'[k % 3]}.tar", **outcome) for k in range(count))
    return Report(task="download", outcomes=items, seconds=2.0)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (_report(state="done", bytes=3_000_000), "3.0 MB in 2 s"),
        (_report(state="resumed", bytes=3_000_000, already=1000), "3.0 MB in 2 s; 1 kB were on disk already"),
        (_report(state="kept"), "all files were on disk already"),
        (_report(state="failed", error=NotOnServer("gone")), "1 of 1 failed, see below"),
    ],
)
def test_the_result_is_reported_in_one_line(report: Report, said: str) -> None:
    """The line says done, nothing to do, or see below."""
    assert text(end_line(report, ENGLISH)) == said


def test_a_report_is_listed_file_by_file() -> None:
    """Failures come first, unfolded and with reasons; kept files have neither bytes nor time."""
    failed = Outcome(name="b.tar", state="failed", error=NotOnServer("gone"), retries=1)
    report = replace(_report(state="kept"), outcomes=(*_report(state="kept").outcomes, failed))

    html = report_lines(report, ENGLISH)

    assert text(html).endswith(
        "remark b.tar failed tried again once; The file is not on the server. gone a.tar kept"
    )
    assert "<details" in html
    assert " open " in html
    assert " open " not in report_lines(_report(state="done"), ENGLISH)


def test_a_long_report_is_cut() -> None:
    """The table shows a limited number of rows and counts the others."""
    html = report_lines(_report(3000, state="done"), GERMAN)

    assert "und 2900 Dateien mehr" in text(html)
    assert len(html) < 100_000


def test_code_is_shown_unchanged() -> None:
    """Code to copy is escaped so that it is displayed unchanged."""
    assert text(code_lines("ds = f('<b>')", ENGLISH)).endswith("ds = f('<b>')")


def test_a_page_without_a_kernel_says_so() -> None:
    """The text is always on the page, and the page shows it once the kernel has gone."""
    assert "run the cell again" in no_kernel_line(ENGLISH)
    assert ".jupyter-widgets-disconnected .radar-nb-dead {display:block}" in no_kernel_line(GERMAN)
