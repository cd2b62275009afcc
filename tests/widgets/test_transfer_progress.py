"""Progress of transfers: pure arithmetic with an injected clock."""

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
        """Return the seconds."""
        return self.now


def event(done: int, total: int | None = 10_000_000, unit: str = "B") -> Progress:
    return Progress(task="download", done=done, total=total, unit=unit, note="a.tar")


def running(**outcome: Any) -> Report:
    return Report(task="download", outcomes=(Outcome(name="a.tar", state="running", **outcome),))


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_before_the_first_event_progress_is_empty() -> None:
    """Progress can be drawn before the first event, without files or bytes."""
    assert Watch().sight() == Sight()


def test_the_speed_covers_the_last_ten_seconds(clock: Clock) -> None:
    """The speed is that of the last 10 s, so a slow start has no lasting effect."""
    watch = Watch(clock=clock)
    for second in range(31):
        clock.now = float(second)
        watch(event(1000 * second if second < 15 else 14_000 + 100_000 * (second - 14)))

    assert watch.sight().speed == pytest.approx(100_000)


def test_seconds_without_bytes_are_counted_as_silence(clock: Clock) -> None:
    """Silence counts from the last byte: events without bytes do not end it, and pauses do not count."""
    watch = Watch(clock=clock)
    watch(event(0))
    for second, done in ((1, 1000), (2, 1000), (4, 1000)):
        clock.now = float(second)
        watch(event(done))
    assert (watch.sight().silent, watch.sight().speed) == (3.0, 0.0)

    watch(event(2000))
    assert watch.sight().silent == 0.0
    clock.now = 60.0
    assert watch.sight().silent == 56.0
    watch.pause()
    assert watch.sight().silent == 0.0


def test_only_downloads_can_be_silent(clock: Clock) -> None:
    """A cube's day that takes long to read does not count as a silent server."""
    watch = Watch(clock=clock)
    watch(event(1, unit="days"))
    clock.now = 60.0
    assert watch.sight().silent == 0.0


def test_without_new_bytes_the_speed_is_unknown(clock: Clock) -> None:
    """If a server stops sending, no speed is shown."""
    watch = Watch(clock=clock)
    for second in range(3):
        clock.now = float(second)
        watch(event(1000 * second))

    clock.now = 13.0

    assert watch.sight().speed == 0


def test_after_a_pause_the_speed_is_measured_again(clock: Clock) -> None:
    """The duration of a pause does not lower the speed."""
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


def test_a_discarded_part_does_not_make_the_speed_negative(clock: Clock) -> None:
    """A file that starts again subtracts its bytes, and the speed is never negative."""
    watch = Watch(clock=clock)
    watch(event(5000))
    clock.now = 1.0
    watch(event(0))

    assert watch.sight().speed == 0


def test_a_file_has_no_total_until_its_size_is_known() -> None:
    """A file of unknown size shows no share."""
    watch, report = Watch(), running(bytes=300, already=100)
    before = watch.sight(report).running[0]

    watch.learn("a.tar", 1000)
    after = watch.sight(report).running[0]

    assert (before.done, before.total) == (400, 0)
    assert (after.done, after.total) == (400, 1000)


def test_a_file_never_exceeds_100_percent() -> None:
    """A file larger than listed has a full bar."""
    watch = Watch({"a.tar": 100})

    assert watch.sight(running(bytes=300)).running[0].total == 300


def test_five_files_are_shown_and_the_others_counted() -> None:
    """Five running files have bars, and the others are counted."""
    outcomes = [Outcome(name=str(k), state="running", retries=k) for k in range(7)]
    outcomes += [
        Outcome(name="d", state="done"),
        Outcome(name="k", state="kept"),
        Outcome(name="f", state="failed"),
    ]

    sight = Watch().sight(Report(task="download", outcomes=tuple(outcomes)))

    assert [file.retries for file in sight.running] == list(range(SHOWN))
    assert (sight.others, sight.finished, sight.failed, sight.files) == (2, 2, 1, 10)


def test_the_unit_of_counts_is_kept() -> None:
    """Counts of archives' parts are not shown as bytes."""
    watch = Watch()

    watch(event(3, None, "files"))

    assert watch.sight() == Sight(done=3, total=0, unit="files")
