"""Reports of long calls."""

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
def test_a_complete_item_is_a_success(state: State) -> None:
    """A complete item is a success, whether made by this call or before."""
    assert Outcome(name="a", state=state).ok


@pytest.mark.parametrize("state", ["failed", "missing", "cancelled"])
def test_a_missing_item_is_not_a_success(state: State) -> None:
    """An item that failed, is missing or was cancelled is not a success."""
    assert not Outcome(name="a", state=state).ok


def test_paths_are_those_of_complete_results() -> None:
    """`paths` has no incomplete file; `bytes` counts all transferred bytes."""
    report = _report(FETCHED, LOST, KEPT, STOPPED)

    assert report.paths == (Path("data/a.tar"), Path("data/k.tar"))
    assert report.failed == (LOST, STOPPED)
    assert report.bytes == 2_000_000


@pytest.mark.parametrize("outcomes", [(), (FETCHED,), (FETCHED, KEPT)])
def test_a_report_without_failures_returns_itself(outcomes: tuple[Outcome, ...]) -> None:
    """`raise_for_failures()` returns the report, so calls can be chained."""
    report = _report(*outcomes)

    assert report.raise_for_failures() is report


def test_the_only_failed_item_raises_its_own_error() -> None:
    """A call for one file raises that file's error."""
    with pytest.raises(NotOnServer, match="404") as caught:
        _report(LOST).raise_for_failures()

    assert caught.value is GONE


def test_a_single_cancelled_item_raises() -> None:
    """A single cancelled item raises, although it has no error of its own."""
    with pytest.raises(Incomplete, match=r"1 of 1 did not succeed \(0 did\)"):
        _report(STOPPED).raise_for_failures()


def test_several_failures_raise_one_error_that_names_them() -> None:
    """The message counts and names failures with their reasons and a remedy; the error holds the report."""
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


def test_a_report_prints_a_row_per_item() -> None:
    """Rows are in the requested order, below a line with the sums."""
    title, _, _, *rows = str(_report(FETCHED, LOST, KEPT)).splitlines()

    assert title == "download: 1 done, 1 failed, 1 kept; 1.5 MB in 3.0 s"
    assert [row.split()[:2] for row in rows] == [["a.tar", "done"], ["<b>.tar", "failed"], ["k.tar", "kept"]]
    assert "404" in rows[1]
    assert rows[2].endswith("2 frames came twice")


def test_a_reports_repr_is_one_line() -> None:
    """The repr is one line for any number of files, since asyncio.run prints its result's repr, too."""
    assert repr(_report()) == "<Report download: nothing to do; 0 B in 3.0 s>"
    assert "\n" not in repr(_report(*[KEPT] * 1000))


def test_html_contains_no_foreign_markup() -> None:
    """A file's name is escaped text."""
    page = _report(LOST)._repr_html_()

    assert "&lt;b&gt;.tar" in page
    assert "<b>" not in page


def test_a_report_becomes_json() -> None:
    """The JSON has the same contents as the text, with errors by class name."""
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
