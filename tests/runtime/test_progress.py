"""Progress: the work reports, the caller draws."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr

import pytest

from radar_nb.runtime.progress import Progress, Reporter, reporting


class Terminal(io.StringIO):
    """A stand-in for stderr that claims to be a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def _count(report: Reporter, done: int, *, total: int | None = 4, unit: str = "sheep", note: str = "") -> None:
    report(Progress(task="count", done=done, total=total, unit=unit, note=note))


def test_a_callers_reporter_is_used() -> None:
    """A callable gets every event, and nothing is drawn."""
    seen: list[Progress] = []

    with reporting(seen.append) as report:
        _count(report, 1)
        _count(report, 4)

    assert [event.done for event in seen] == [1, 4]


@pytest.mark.parametrize("progress", [True, False])
def test_nothing_is_drawn_without_a_terminal(progress: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """A log file or a pipe is never filled with bars."""
    with reporting(progress) as report:
        _count(report, 1)
        _count(report, 4)

    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_progress_false_draws_nothing_in_a_terminal() -> None:
    """`progress=False` draws nothing."""
    terminal = Terminal()

    with redirect_stderr(terminal), reporting(False) as report:
        _count(report, 4)

    assert not terminal.getvalue()


def test_a_terminal_gets_one_bar_per_task() -> None:
    """Each task is named once, counted to its end in its own unit, with the current item."""
    terminal = Terminal()

    with redirect_stderr(terminal), reporting(True) as report:
        _count(report, 1, total=None)
        _count(report, 4, note="Dolly")
        report(Progress(task="download", done=2048, total=2048, unit="B"))

    lines = terminal.getvalue().replace("\r", "\n").rstrip("\n").split("\n")
    drawn = [line.strip() for line in lines if "100%" in line]
    assert any(line.startswith("count") and "4/4" in line and "sheep" in line for line in drawn)
    assert any(line.startswith("download") and "2.00k/2.00k" in line for line in drawn)
    assert any("Dolly" in line for line in lines)


def test_bars_are_closed_when_the_work_fails() -> None:
    """An error ends the bar's line, so that its message is on its own line, and is raised."""
    terminal = Terminal()

    def work() -> None:
        with redirect_stderr(terminal), reporting(True) as report:
            _count(report, 1)
            raise OSError("the disk fell off")

    with pytest.raises(OSError, match="the disk fell off"):
        work()

    assert terminal.getvalue().endswith("\n")


def test_progress_may_go_back() -> None:
    """For a download that starts again, the count returns to zero and rises again."""
    terminal = Terminal()

    with redirect_stderr(terminal), reporting(True) as report:
        _count(report, 3)
        _count(report, 0)
        _count(report, 2)

    assert "2/4" in terminal.getvalue().rpartition("\r")[2]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
@pytest.mark.parametrize("environment", [{}, {"TERM": "dumb", "NO_COLOR": "1"}])
def test_a_terminal_without_width_or_colour_shows_a_bar(environment: dict[str, str]) -> None:
    """A pseudo-terminal states a width of 0; the bar is there, and has no colours."""
    code = (
        "from radar_nb.runtime.progress import Progress, reporting\n"
        "with reporting(True) as report:\n"
        "    report(Progress(task='count', done=2, total=2, unit='sheep'))\n"
    )
    terminal, inside = os.openpty()
    run = subprocess.Popen([sys.executable, "-c", code], stderr=inside, env=os.environ | environment)  # noqa: S603
    run.wait()
    os.close(inside)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)

    assert "count: 100%" in shown
    assert "2/2" in shown
    assert "\x1b" not in shown
