"""Laws of what the widgets say."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING

import pytest

from radar_nb.catalogue import Missing, Plan
from radar_nb.errors import DiskFull, NotOnServer
from radar_nb.months import Month
from radar_nb.pipeline import plan
from radar_nb.report import Outcome, Report
from radar_nb.words import end_line, error_line, plan_lines, report_lines

if TYPE_CHECKING:
    from pathlib import Path


def text(html: str) -> str:
    return unescape(re.sub(r"<style>.*?</style>|<[^>]*>", " ", html)).strip()


@pytest.fixture
def three(tmp_path: Path) -> Plan:
    return plan("YW", "2020-06", "2020-08", folder=tmp_path)


def lay(made: Plan, count: int) -> None:
    for path in made.paths[:count]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"whole")


@pytest.mark.parametrize(
    ("there", "end"),
    [
        (0, "none on disk yet"),
        (1, "1 file on disk, about 400.0 MB to fetch"),
        (2, "2 files on disk, about 200.0 MB to fetch"),
        (3, "all on disk"),
    ],
)
def test_a_plan_tells_months_files_size_and_what_is_here(three: Plan, there: int, end: str) -> None:
    """One line answers how much it is and how much of it is here."""
    lay(three, there)

    told = text(plan_lines(three))

    assert told == f"3 months of RADKLIM 2017.002 (2020-06 to 2020-08) · 3 files, about 600.0 MB · {end}"


def test_listed_sizes_are_not_called_about(three: Plan) -> None:
    """What the server has said is exact."""
    listed = replace(three, archives=tuple(replace(archive, size=1_500_000) for archive in three.archives))

    assert "3 files, 4.5 MB" in text(plan_lines(listed))


def test_what_is_missing_is_told_and_long_lists_are_cut(three: Plan) -> None:
    """A hole is never silent, and never a wall of text."""
    gaps = tuple(Missing(month=Month(2020, 6), what=f"2020-06-0{day}", reason="none") for day in range(1, 6))

    told = text(plan_lines(replace(three, archives=(), missing=gaps)))

    assert told.endswith("Not to be had: 2020-06-01 (none), 2020-06-02 (none), 2020-06-03 (none) and 2 more")


def test_errors_are_words_and_not_markup() -> None:
    """An error shows its message; where it is none of ours also its kind; and what a server sent stays text."""
    assert text(error_line(DiskFull("the disk is full: make room"))) == "the disk is full: make room"
    assert text(error_line(KeyError("x"))) == "KeyError: 'x'"
    assert "<script" not in error_line(DiskFull("<script>alert(1)</script>"))


def _report(**outcome: object) -> Report:
    item = Outcome(name="a.tar", **outcome)  # type: ignore[arg-type]
    return Report(task="download", outcomes=(item,), seconds=2.0)


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (_report(state="done", bytes=3_000_000), "3.0 MB in 2.0 s"),
        (_report(state="kept"), "all was there already"),
        (_report(state="failed", error=NotOnServer("gone")), "1 of 1 did not succeed, see below"),
    ],
)
def test_the_end_is_told_in_one_line(report: Report, told: str) -> None:
    """Done, nothing to do, or look below."""
    assert text(end_line(report)) == told


def test_a_report_is_told_file_by_file() -> None:
    """Below the bar stand the report's lines with their reasons."""
    told = text(report_lines(_report(state="failed", error=NotOnServer("gone"))))

    assert re.search(r"a\.tar\s+failed .* gone$", told)
