"""The live mirror: files appear on DWD's schedule, some late, some never, and are removed after two days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest
from support.live import HYMECNG, HYMECNG_ALIAS, START, punctual

from radar_nb.errors import CoverageError, SettingsError
from radar_nb.mirror import Clock, LiveMirror, SteppedClock

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.runtime.progress import Progress


def times(root: Path) -> list[str]:
    """Return the nominal times of the dated files, HHMM."""
    return sorted(path.name[-12:-8] for path in (root / HYMECNG).glob("composite_HymecNG_2*"))


def test_files_appear_when_they_are_due_with_their_alias(tmp_path: Path) -> None:
    """Each file appears its delay after its nominal time, dated then; the alias has the newest file's bytes."""
    clock = SteppedClock(START)
    with LiveMirror(tmp_path, ["HYMECNG"], clock=clock, hours=0.2, fate=punctual):
        before = times(tmp_path)
        clock.advance(100 + 180)
        after = times(tmp_path)

    alias, newest = tmp_path / HYMECNG_ALIAS, tmp_path / HYMECNG / "composite_HymecNG_20260613_1505_000-hd5"
    assert before == ["1450", "1455", "1500"]
    assert after == [*before, "1505"]
    assert alias.read_bytes() == newest.read_bytes()
    assert newest.stat().st_mtime == alias.stat().st_mtime == (START + timedelta(seconds=280)).timestamp()


def test_hourly_sums_come_every_ten_minutes(tmp_path: Path) -> None:
    """RW is published as on DWD's server, 288 stamps in 48 hours (listing of 5 August 2026), with progress."""
    seen: list[Progress] = []
    clock = SteppedClock(START)
    LiveMirror(tmp_path, ["RW"], clock=clock, hours=0.8, fate=punctual, progress=seen.append).close()

    names = sorted(path.name for path in (tmp_path / "weather/radar/radolan/rw").glob("raa01-rw_10000-2*"))
    assert [name[21:25] for name in names] == ["1420", "1430", "1440", "1450", "1500"]
    assert [(event.done, event.total, event.note) for event in seen] == [(k + 1, 5, names[k]) for k in range(5)]


def test_answers_state_the_time_of_the_mirror(tmp_path: Path) -> None:
    """The header `Date` follows the mirror's clock, so that a client can measure ages with it."""
    with (
        LiveMirror(tmp_path, ["HYMECNG"], clock=SteppedClock(START), hours=0.1, fate=punctual) as mirror,
        urlopen(f"{mirror.url}/{HYMECNG_ALIAS}") as response,  # noqa: S310 - the mirror's own address
    ):
        date = parsedate_to_datetime(response.headers["Date"])

    assert date == START


def test_late_and_missing_files_are_drawn_from_the_seed(tmp_path: Path) -> None:
    """Some files of an hour are late, some missing; the same seed selects the same ones."""
    shown = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        LiveMirror(folder, ["HYMECNG"], clock=SteppedClock(START), hours=1, late=0.3, missing=0.3, seed=4).close()
        shown.append(times(folder))

    assert shown[0] == shown[1]
    assert 2 <= len(shown[0]) < 10


def test_a_mirror_that_cannot_publish_ends_with_the_error(tmp_path: Path) -> None:
    """A mirror that serves old files for ever would look like a late server."""

    def fate(_name: str, time: datetime) -> float:
        if time > START:
            raise OSError("the disk is full")
        return 0.0

    mirror = LiveMirror(tmp_path, ["HYMECNG"], clock=Clock(START, speed=600), hours=0.1, fate=fate)
    with pytest.raises(OSError, match="the disk is full"):
        mirror.serve_forever()
    mirror.close()


def test_files_older_than_two_days_are_removed(tmp_path: Path) -> None:
    """Files older than two days are removed, as at DWD: here after two days without any other file."""

    def first(product: str, time: datetime) -> float | None:
        del product
        return 100.0 if time <= START or time > START + timedelta(hours=48) else None

    clock = SteppedClock(START)
    with LiveMirror(tmp_path, ["HYMECNG"], clock=clock, hours=0.1, fate=first):
        before = times(tmp_path)
        clock.advance(48 * 3600)
        clock.advance(300)

    assert before == ["1500"]
    assert times(tmp_path) == ["1505"]


def test_a_clock_may_be_ahead_of_the_computer(tmp_path: Path) -> None:
    """A mirror that runs faster publishes in months to come, and what has no HDF5 as a binary."""
    clock = SteppedClock(datetime(2099, 11, 30, 23, 59, tzinfo=UTC))

    with LiveMirror(tmp_path, ["RE"], clock=clock, hours=0.1, fate=punctual):
        clock.advance(400)

    assert (tmp_path / "weather/radar/radvor/re/RE9912010000_000.gz").is_file()


def test_shares_and_products_are_checked(tmp_path: Path) -> None:
    """A share outside 0 to 1, a speed of zero and a product without a live schedule are refused."""
    with pytest.raises(SettingsError, match="late=2 is not a share: use a number from 0 to 1"):
        LiveMirror(tmp_path, ["RV"], late=2)
    with pytest.raises(SettingsError, match="speed=0 is not a speed of a clock"):
        Clock(speed=0)
    with pytest.raises(CoverageError, match=r"does not publish RX live: choose some of YW, RW, .* \(products=\)"):
        LiveMirror(tmp_path, ["RX"])
