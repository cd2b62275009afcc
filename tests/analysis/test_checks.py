"""Scorecard: each inserted fault is found, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.small_rain import rain, showers

from radar_nb.analysis.checks import Scorecard, check
from radar_nb.dwd.grids import GRIDS, to_xy
from radar_nb.dwd.radar_sites import SITES
from radar_nb.errors import SeriesError

VALUES = np.maximum(showers(36, 6, 5), 0.5)


def look(values: Any, **options: Any) -> Scorecard:
    """Check some amounts."""
    return check(rain(values, first="2020-06-13T00:55"), progress=False, **options)


def test_a_good_series() -> None:
    """A series without faults has only good findings."""
    card = look(VALUES)

    assert [finding.verdict for finding in card.findings] == ["good"] * 6
    assert card.good
    assert "YW, 2020-06-13 00:55 UTC to 2020-06-13 03:50 UTC, 36 frames" in str(card)
    assert "<table>" in card._repr_html_()


def test_gaps() -> None:
    """Each missing step is counted, and the first gaps are listed."""
    ds = rain(VALUES).isel(time=[0, 1, 2, 5, 6, 7, 9, 10])

    finding = check(ds, progress=False)["gaps"]

    assert (finding.verdict, finding.count) == ("bad", 3)
    assert "2020-06-13 00:20 UTC to 2020-06-13 00:25 UTC" in finding.text


def test_doubled_frames() -> None:
    """Duplicates counted by open_dataset, and duplicates in the time axis, are found."""
    ds = rain(VALUES)

    assert check(ds.isel(time=[0, 1, 1, 2, 3]), progress=False)["doubled"].count == 1
    assert check(ds.assign_attrs(frames_doubled=2, doubled="a; b"), progress=False)["doubled"].text.endswith(
        "a; b"
    )


def test_frozen_and_empty_frames() -> None:
    """A rainy frame equal to the previous one is frozen, one without any data is empty."""
    values = VALUES.copy()
    values[5] = values[4]
    values[20] = np.nan
    values[30:32] = 0

    card = look(values)

    assert (card["frozen"].count, card["empty"].count) == (1, 1)
    assert "2020-06-13 01:20 UTC" in card["frozen"].text
    assert not card.good


def test_spikes() -> None:
    """One cell far above its valid neighbours is a spike; a shower of two is not."""
    values = VALUES * 0 + 0.1
    values[3, 2, 2] = 9
    values[4, 2, 2:4] = 9
    values[5, 3, 3] = 9
    values[5, 2, 2] = np.nan

    finding = look(values)["spikes"]

    assert (finding.verdict, finding.count) == ("look", 2)
    assert "2020-06-13 01:10 UTC: 9.00 mm in row 2, column 2" in finding.text


@pytest.mark.parametrize(("factor", "count"), [(1.0, 0), (0.4, 3), (2.0, 3)])
def test_spokes(factor: float, count: int) -> None:
    """Blocked or disturbed rays differ from their neighbours and are found."""
    grid = GRIDS["de1100"]
    x, y = to_xy(*SITES["hnr"], grid.earth)
    east, north = np.meshgrid(grid.x - x, grid.y - y)
    rays = np.degrees(np.arctan2(east, north)) % 360
    field = np.where((rays >= 40) & (rays < 43) & (np.hypot(east, north) < 90_000), factor, 1) * 3
    ds = rain(field[None], corner=(0, 0))

    finding = check(ds, progress=False)["spokes"]

    assert sum(f"hnr at {ray} degrees ({factor:.2f})" in finding.text for ray in (40, 41, 42)) == count
    assert finding.count >= count


def hours_of(values: Any) -> Any:
    """Return RW of three hours, rounded as by DWD."""
    return rain(
        np.round(values.reshape(3, 12, 6, 5).sum(axis=1), 1), first="2020-06-13T01:50", minutes=60, name="RW"
    )


def test_hours_agree() -> None:
    """Sums of twelve amounts agree with the hourly sum within rounding."""
    finding = look(VALUES, hourly=hours_of(VALUES))["hours"]

    assert (finding.verdict, finding.count) == ("good", 0)
    assert "100.00% of cells agree in 3 hours" in finding.text


def test_hours_that_disagree() -> None:
    """An hour that is twelve times too large is found."""
    hourly = hours_of(VALUES)
    hourly["RW"][1] *= 12

    finding = look(VALUES, hourly=hourly)["hours"]

    assert (finding.verdict, finding.count) == ("bad", 30)
    assert "2020-06-13 02:50 UTC" in finding.text


def test_hours_with_gaps_are_not_compared() -> None:
    """An hour with only eleven steps is not compared."""
    ds = rain(VALUES, first="2020-06-13T00:55").isel(time=[*range(5), *range(6, 36)])

    assert "in 2 hours" in check(ds, hourly=hours_of(VALUES), progress=False)["hours"].text


def test_hours_must_match() -> None:
    """Invalid hours, or hours on another grid, are refused."""
    hourly = hours_of(VALUES)

    with pytest.raises(SeriesError, match="has intervals of 5 min: pass amounts of hours"):
        look(VALUES, hourly=rain(VALUES))
    with pytest.raises(SeriesError, match="open both with the same grid="):
        look(VALUES, hourly=hourly.isel(x=slice(3)))
