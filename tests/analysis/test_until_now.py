"""Sums until now: adjusted sums as far as they go, then radar alone, with both parts distinguishable."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.live import START, write

import radar_nb as rn
from radar_nb.dwd.archive_names import ERAS
from radar_nb.errors import NotOnServer, SettingsError
from radar_nb.formats.odim import write_composite
from radar_nb.formats.radolan import Header
from radar_nb.mirror import Mirror, SteppedClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CODING = {"RW": ("ACRR", 0.1, 60), "SF": ("ACRR", 0.1, 1440), "RY": ("RATE", 0.12, 5)}


def publish(root: Path, product: str, time: datetime, count: int) -> None:
    """Publish a field of one count everywhere but in the south-western corner, also under its alias."""
    quantity, gain, minutes = CODING[product]
    codes = np.full((1200, 1100), count, np.uint16)
    codes[0, 0] = np.iinfo(np.uint16).max
    header = Header(
        product=product,
        time=np.datetime64(time.replace(tzinfo=None), "s"),
        rows=1200,
        cols=1100,
        precision=-1,
        interval=minutes,
        version=5,
    )
    data = write_composite(header, codes, quantity=quantity, gain=gain)
    era = next(era for era in ERAS if (era.product, era.family, era.form) == (product, "nrt", "hdf5"))
    write(root / era.path(time), data)
    write(root / era.folder / era.alias, data)


def at(clock: str, day: int = 13) -> datetime:
    """Return a time of June 2026, UTC."""
    return datetime.fromisoformat(f"2026-06-{day}T{clock}+00:00")


@pytest.fixture
def where(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Serve three hours of RW to 14:30, two days of SF to 14:50, and RY to 15:00 but for 14:40."""
    for number in range(3):
        publish(tmp_path, "RW", at(f"{12 + number}:30"), 10)
    for day in (12, 13):
        publish(tmp_path, "SF", at("14:50", day), 100)
    for minute in (*range(0, 40, 5), 45, 50, 55, 60):
        publish(tmp_path, "RY", at("14:00") + timedelta(minutes=minute), 1)
    with Mirror(tmp_path, clock=SteppedClock(START)) as mirror:
        yield {"base_url": mirror.url, "clock": SteppedClock(START)}


def test_radar_alone_after_the_adjusted_sums_is_added_and_marked(where: dict[str, Any]) -> None:
    """Three hours of 1 mm to 14:30, then 0.01 mm in each five minutes to 15:00; one of these files is missing."""
    found = rn.accumulate("RW", since="3h", **where)

    cell = found.isel(x=500, y=500)
    assert float(cell.RW) == pytest.approx(3.05, abs=1e-5)
    assert float(cell.unadjusted) == pytest.approx(0.05, abs=1e-6)
    assert float(cell.coverage) == pytest.approx(205 / 210)
    stamps = [str(found[name].values)[11:16] for name in ("period_begin", "adjusted_end", "period_end")]
    assert stamps == ["11:30", "14:30", "15:00"]
    assert np.isnan(float(found.RW[0, 0]))
    assert (found.attrs["nominal_time"], found.attrs["stale"]) == ("2026-06-13T14:30:00Z", 0)


def test_48_hours_are_two_daily_sums(where: dict[str, Any]) -> None:
    """SF of now and of a day ago do not overlap, and are followed by radar alone."""
    found = rn.accumulate("SF", since="48h", **where)

    assert float(found.SF[500, 500]) == pytest.approx(20.02, abs=1e-5)
    assert str(found.period_begin.values)[:16] == "2026-06-11T14:50"


def test_a_missing_sum_is_not_zero(where: dict[str, Any], tmp_path: Path) -> None:
    """With a missing hour the total is missing, unless a lower coverage is accepted."""
    next(tmp_path.rglob("raa01-rw_10000-2606131330-*")).unlink()

    assert np.isnan(float(rn.accumulate("RW", since="3h", **where).RW[500, 500]))
    low = rn.accumulate("RW", since="3h", min_coverage=0.5, **where)
    assert float(low.RW[500, 500]) == pytest.approx(2.05, abs=1e-5)
    assert float(low.coverage[500, 500]) == pytest.approx(145 / 210)


def test_without_radar_alone_the_sum_ends_with_the_adjusted_one(where: dict[str, Any], tmp_path: Path) -> None:
    """Without files of radar alone the sum ends with the adjusted sum; no rain is invented."""
    for path in tmp_path.rglob("raa01-ry*"):
        path.unlink()

    found = rn.accumulate("RW", since="3h", **where)

    assert float(found.RW[500, 500]) == pytest.approx(3.0)
    assert found.period_end == found.adjusted_end


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"data": "RX", "since": "24h"}, "since= sums RW or SF until now, not RX"),
        ({"data": "RW", "since": "90min"}, "not possible with RW: use a multiple of 1 h up to 48h"),
        ({"data": "RW", "since": "72h"}, "up to 48h"),
        ({"data": "SF", "since": "36h"}, "use a multiple of 24 h up to 48h"),
        ({"data": "RW", "since": 24}, "since=24 is not a duration"),
        ({"data": "RW", "since": "24h", "period": "1h"}, "leave out period="),
        ({"data": "RW", "base_url": "http://127.0.0.1"}, "go with since="),
    ],
)
def test_invalid_arguments_raise(arguments: dict[str, Any], error: str) -> None:
    """Invalid arguments raise before any request."""
    with pytest.raises(SettingsError, match=error):
        rn.accumulate(**arguments)


def test_a_server_without_the_product_raises(tmp_path: Path) -> None:
    """A server without files of the product raises NotOnServer."""
    with Mirror(tmp_path) as empty, pytest.raises(NotOnServer, match="has no whole file of RW"):
        rn.accumulate("RW", since="2h", base_url=empty.url)
