"""What there is to see while work goes on: arithmetic with a clock of its own."""

from __future__ import annotations

from typing import Any

import pytest

from radar_nb.runtime.progress import Progress
from radar_nb.runtime.report import Outcome, Report
from radar_nb.widgets.transfer_progress import SHOWN, Sight, Watch


class Clock:
    """A clock that advances on request."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return them."""
        return self.now


def event(done: int, total: int | None = 10_000_000, unit: str = "B") -> Progress:
    return Progress(task="download", done=done, total=total, unit=unit, note="a.tar")


def running(**outcome: Any) -> Report:
    return Report(task="download", outcomes=(Outcome(name="a.tar", state="running", **outcome),))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_before_the_first_event_there_is_nothing_to_see() -> None:
    """A display can be drawn at once."""
    assert Watch().sight() == Sight()


def test_the_speed_is_that_of_the_last_ten_seconds(clock: Clock) -> None:
    """A slow beginning is forgotten."""
    watch = Watch(clock=clock)
    for second in range(31):
        clock.now = float(second)
        watch(event(1000 * second if second < 15 else 14_000 + 100_000 * (second - 14)))

    assert watch.sight().speed == pytest.approx(100_000)


def test_where_nothing_comes_there_is_no_speed(clock: Clock) -> None:
    """A server that has fallen silent is not said to send."""
    watch = Watch(clock=clock)
    for second in range(3):
        clock.now = float(second)
        watch(event(1000 * second))

    clock.now = 13.0

    assert watch.sight().speed == 0


def test_after_a_pause_the_speed_is_measured_anew(clock: Clock) -> None:
    """The time of a pause does not count."""
    watch = Watch(clock=clock)
    watch(event(0))
    clock.now = 1.0
    watch(event(5000))
    watch.pause()
    assert watch.sight().speed == 0

    clock.now = 100.0
    watch(event(5000))
    clock.now = 102.0
    watch(event(9000))

    assert watch.sight().speed == 2000


def test_a_discarded_part_gives_no_negative_speed(clock: Clock) -> None:
    """A restarted file subtracts its bytes."""
    watch = Watch(clock=clock)
    watch(event(5000))
    clock.now = 1.0
    watch(event(0))

    assert watch.sight().speed == 0


def test_a_file_has_no_total_until_its_size_is_known() -> None:
    """A guess is not drawn as a share."""
    watch, report = Watch(), running(bytes=300, already=100)
    before = watch.sight(report).running[0]

    watch.learn("a.tar", 1000)
    after = watch.sight(report).running[0]

    assert (before.done, before.total) == (400, 0)
    assert (after.done, after.total) == (400, 1000)


def test_a_file_is_never_more_than_whole() -> None:
    """One that is larger than was listed has a full bar."""
    watch = Watch({"a.tar": 100})

    assert watch.sight(running(bytes=300)).running[0].total == 300


def test_five_files_are_shown_and_the_others_counted() -> None:
    """Many at a time do not make a wall of bars."""
    outcomes = [Outcome(name=str(k), state="running", retries=k) for k in range(7)]
    outcomes += [
        Outcome(name="d", state="done"),
        Outcome(name="k", state="kept"),
        Outcome(name="f", state="failed"),
    ]

    sight = Watch().sight(Report(task="download", outcomes=tuple(outcomes)))

    assert [file.retries for file in sight.running] == list(range(SHOWN))
    assert (sight.others, sight.finished, sight.failed, sight.files) == (2, 2, 1, 10)


def test_what_is_counted_is_kept() -> None:
    """Parts of archives are not taken for bytes."""
    watch = Watch()

    watch(event(3, None, "files"))

    assert watch.sight() == Sight(done=3, total=0, unit="files")
