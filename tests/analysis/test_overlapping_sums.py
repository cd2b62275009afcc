"""Hourly sums every ten minutes: no road adds them up, and one among hours suffices to be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.figure import Figure
from support.frames import frame, save

import radar_nb as rn
from radar_nb.errors import SeriesError
from radar_nb.widgets.explorer.frames import FrameSequence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LEIPZIG = {"Leipzig": (12.37, 51.34)}
OVERLAP = r"sums of 60 min every 10 min, which overlap"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return three hours of RW at minute 50 and one sum ten minutes later, as `latest` adds it to a folder."""
    times = ("00:50", "01:50", "02:50", "03:00")
    rw: dict[str, Any] = {"product": "RW", "precision": -1, "interval": 60}
    return save(tmp_path_factory.mktemp("rw"), *(frame(f"2020-06-13T{time}", 10, **rw) for time in times))


def test_every_sum_refuses_sums_that_overlap(folder: Path, tmp_path: Path) -> None:
    """Totals, reductions, events, exceedance, cubes, pictures and models raise instead of adding them up."""
    ds = rn.open_dataset(folder, sums="all", progress=False)
    points = rn.at_points(ds, LEIPZIG).load()
    cube = tmp_path / "cube"
    rn.build_cube(folder, cube, sums="all", progress=False)
    everything: dict[str, Any] = {"sums": "all", "progress": False}
    roads: list[Callable[[], object]] = [
        lambda: rn.accumulate(ds, "3h"),
        lambda: rn.accumulate(folder, "3h", **everything),
        lambda: rn.reduce(folder, "sum", **everything),
        lambda: rn.reduce(cube, "sum", progress=False),
        lambda: rn.accumulate(cube, "3h", progress=False),
        lambda: rn.exceedance(folder, thresholds=1, **everything),
        lambda: rn.events(points, 5),
        lambda: rn.plot_series(points, ax=Figure().subplots(), cumulative=True),
        lambda: rn.export(points, tmp_path / "rain.dat", format="swmm", tz="UTC"),
    ]

    for number, road in enumerate(roads):
        with pytest.raises(SeriesError, match=OVERLAP):
            print(number, road())  # noqa: T201 - which one did not raise

    assert not FrameSequence(ds.RW).addable


def test_what_does_not_overlap_is_added_once(folder: Path, tmp_path: Path) -> None:
    """By default three hours of 1 mm are 3 mm, from files and from a cube; the explorer offers sums."""
    rn.build_cube(folder, tmp_path / "cube", progress=False)
    found = [rn.reduce(source, "sum", progress=False) for source in (folder, tmp_path / "cube")]
    hours = rn.open_dataset(folder, progress=False)

    assert [float(total.RW[0, 0]) for total in found] == [3.0, 3.0]
    assert float(rn.accumulate(hours, "1D", min_coverage=0).RW[0, 0, 0]) == 3.0
    assert FrameSequence(hours.RW).addable
