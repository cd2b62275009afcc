"""Reports: what a long call did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from radar_nb.errors import Incomplete, NotOnServer, TruncatedArchive
from radar_nb.runtime.report import Outcome, Report, State

GONE = NotOnServer("http://localhost/b.tar is not on the server (404): choose another month")
FETCHED = Outcome(name="a.tar", state="done", path=Path("data/a.tar"), bytes=1_500_000, seconds=2.5, retries=1)
KEPT = Outcome(name="k.tar", state="kept", path=Path("data/k.tar"), notes=("2 frames came twice",))
LOST = Outcome(name="<b>.tar", state="failed", error=GONE)
STOPPED = Outcome(name="c.tar", state="cancelled", path=Path("data/c.tar.part"), bytes=500_000)


def _report(*outcomes: Outcome) -> Report:
    return Report(task="download", outcomes=outcomes, seconds=3.0)


@pytest.mark.parametrize("state", ["done", "resumed", "kept"])
def test_what_lies_there_whole_is_well(state: State) -> None:
    """Made now or before, an item that is there whole is a success."""
    assert Outcome(name="a", state=state).ok


@pytest.mark.parametrize("state", ["failed", "missing", "cancelled"])
def test_a_missing_item_is_no_success(state: State) -> None:
    """An item that does not exist is not a success, whatever the reason."""
    assert not Outcome(name="a", state=state).ok


def test_paths_are_those_of_whole_results() -> None:
    """The next step is given no part of a file; bytes count all that was moved."""
    report = _report(FETCHED, LOST, KEPT, STOPPED)

    assert report.paths == (Path("data/a.tar"), Path("data/k.tar"))
    assert report.failed == (LOST, STOPPED)
    assert report.bytes == 2_000_000


@pytest.mark.parametrize("outcomes", [(), (FETCHED,), (FETCHED, KEPT)])
def test_a_report_without_failures_returns_itself(outcomes: tuple[Outcome, ...]) -> None:
    """`report.raise_for_failures()` can end an expression."""
    report = _report(*outcomes)

    assert report.raise_for_failures() is report


def test_the_only_failed_item_raises_its_own_error() -> None:
    """A call for one file raises that file's error."""
    with pytest.raises(NotOnServer, match="404") as caught:
        _report(LOST).raise_for_failures()

    assert caught.value is GONE


def test_the_only_stopped_item_raises_too() -> None:
    """It raises even without an error of its own."""
    with pytest.raises(Incomplete, match=r"1 of 1 did not succeed \(0 did\)"):
        _report(STOPPED).raise_for_failures()


def test_several_items_raise_one_error_that_names_all_that_failed() -> None:
    """The message counts, names each with its reason and says how to go on; the report goes with it."""
    cut = Outcome(name="d.tar", state="failed", error=TruncatedArchive("d.tar ends too early"))
    report = _report(FETCHED, LOST, cut)

    with pytest.raises(
        Incomplete, match=r'2 of 3 did not succeed \(1 did\); run the same .*errors="report"'
    ) as caught:
        report.raise_for_failures()

    assert f"  <b>.tar: {GONE}" in str(caught.value)
    assert "  d.tar: d.tar ends too early" in str(caught.value)
    assert "a.tar:" not in str(caught.value)
    assert caught.value.report is report


def test_a_report_prints_what_became_of_each_item() -> None:
    """One row an item in the order asked for, the sum above."""
    title, _, _, *rows = str(_report(FETCHED, LOST, KEPT)).splitlines()

    assert title == "download: 1 done, 1 failed, 1 kept; 1.5 MB in 3.0 s"
    assert [row.split()[:2] for row in rows] == [["a.tar", "done"], ["<b>.tar", "failed"], ["k.tar", "kept"]]
    assert "404" in rows[1]
    assert rows[2].endswith("2 frames came twice")


def test_a_reports_repr_is_one_line() -> None:
    """However many files there were: asyncio.run writes its result's repr, too."""
    assert repr(_report()) == "<Report download: nothing to do; 0 B in 3.0 s>"
    assert "\n" not in repr(_report(*[KEPT] * 1000))


def test_html_contains_no_foreign_markup() -> None:
    """A file's name is escaped text."""
    page = _report(LOST)._repr_html_()

    assert "&lt;b&gt;.tar" in page
    assert "<b>" not in page


def test_a_report_becomes_json() -> None:
    """A program reads what a person reads, errors by their kind."""
    again = json.loads(json.dumps(_report(FETCHED, LOST, KEPT).to_dict()))

    assert (again["task"], again["seconds"], again["bytes"]) == ("download", 3.0, 1_500_000)
    assert [one["state"] for one in again["outcomes"]] == ["done", "failed", "kept"]
    assert again["outcomes"][0] == {
        "name": "a.tar",
        "state": "done",
        "path": str(Path("data/a.tar")),
        "bytes": 1_500_000,
        "already": 0,
        "seconds": 2.5,
        "retries": 1,
        "error": None,
        "notes": [],
    }
    assert again["outcomes"][1]["error"] == {"kind": "NotOnServer", "message": str(GONE)}
    assert again["outcomes"][2]["notes"] == ["2 frames came twice"]
