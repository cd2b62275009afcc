"""Synthetic weather."""

from __future__ import annotations

import numpy as np
import pytest

from radar_nb.dwd.grids import GRIDS, to_xy
from radar_nb.dwd.radar_sites import RANGE, SITES
from radar_nb.mirror.weather import Weather, clutter_cells, radar_distance

GRID = GRIDS["de1100"]
NOON = np.datetime64("2020-06-13T12:00:00")
SEEDS = (0, 1, 2)


@pytest.fixture(scope="module")
def climates() -> tuple[Weather, ...]:
    """Make the weather of three seeds."""
    return tuple(Weather(seed) for seed in SEEDS)


def minutes(count: float) -> np.timedelta64:
    return np.timedelta64(round(count * 60), "s")


def test_rain_is_a_function_of_seed_and_time(climates: tuple[Weather, ...]) -> None:
    """The same seed makes the same rain, whatever was computed before; another seed other rain."""
    first, second = climates[:2]
    first.rate(NOON + minutes(600), GRID)

    again = Weather(SEEDS[0]).rate(NOON, GRID)

    assert np.array_equal(first.rate(NOON, GRID), again)
    assert not np.array_equal(second.rate(NOON, GRID), again)


def test_rain_is_a_rate(climates: tuple[Weather, ...]) -> None:
    """A field has the grid's shape, and finite rates from zero to the highest in Germany."""
    rate = climates[0].rate(NOON, GRID)

    assert rate.shape == GRID.shape
    assert rate.dtype == np.float32
    assert np.isfinite(rate).all()
    assert rate.min() == 0
    assert rate.max() < 180


@pytest.mark.parametrize("moment", ["2020-06-14T00:00:00", "2020-07-01T00:00:00", "2021-01-01T00:00:00"])
def test_rain_is_continuous_across_dates(climates: tuple[Weather, ...], moment: str) -> None:
    """Across midnight, months and years a field changes no more than within any other minute."""
    midnight = np.datetime64(moment)
    before, at, after = (climates[0].rate(midnight + minutes(step), GRID) for step in (-1, 0, 1))

    across, within = np.abs(at - before).mean(), np.abs(after - at).mean()

    assert across < 1.5 * within + 1e-6


def test_grids_see_the_same_rain(climates: tuple[Weather, ...]) -> None:
    """Overlapping grids show the same weather."""
    wide = climates[0].rate(NOON, GRIDS["de1200"])[50:1150, 100:1000]

    assert np.allclose(climates[0].rate(NOON, GRID), wide, rtol=1e-3, atol=1e-3)


def test_rain_moves_and_changes(climates: tuple[Weather, ...]) -> None:
    """After five minutes a field is shifted; after twelve hours it is another."""
    now, soon, later = (climates[0].rate(NOON + minutes(step), GRID) > 0.1 for step in (0, 5, 720))

    def likeness(other: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
        return float((now & other).sum() / (now | other).sum())

    assert likeness(soon) > 0.5
    assert likeness(later) < 0.3


def test_months_are_german(climates: tuple[Weather, ...]) -> None:
    """Over seeds and months, extent, amount and peaks are like those of radars over Germany."""
    wet, amount, peak = [], [], []
    for weather in climates:
        for month in ("2020-01", "2020-06", "2020-10"):
            for step in range(0, 30 * 24, 29):
                rate = weather.rate(np.datetime64(f"{month}-01T00:00:00") + minutes(step * 60), GRIDS["de450"])[
                    ::2, ::2
                ]
                wet.append((rate > 0.1).mean())
                amount.append(rate.mean() * 24)
                peak.append(rate.max())

    assert 0.05 < np.mean(wet) < 0.25
    assert np.quantile(wet, 0.15) < 0.03  # dry spells
    assert np.quantile(wet, 0.9) > 0.2  # wet days
    assert 1 < np.mean(amount) < 4  # mm a day: 30 to 120 a month
    assert 10 < np.median(peak) < 100
    assert 60 < np.max(peak) < 180


def test_radars_are_in_their_cells() -> None:
    """Every radar is less than a cell from its cell, and the range excludes the same cells as in real frames."""
    distance = radar_distance(GRID)
    lon, lat = np.transpose(list(SITES.values()))
    x, y = to_xy(lon, lat, GRID.earth)
    rows, cols = np.rint([(y - GRID.y0) / 1000, (x - GRID.x0) / 1000]).astype(int)

    assert distance[rows, cols].max() < 0.8
    assert (distance > RANGE).sum() == pytest.approx(294_000, rel=0.01)


def test_clutter_is_rare_and_near() -> None:
    """Clutter is some thousand cells, all within range of a radar, and others for another seed."""
    clutter = clutter_cells(GRID, 0)

    assert 2_000 < clutter.sum() < 6_000
    assert radar_distance(GRID)[clutter].max() < RANGE
    assert not np.array_equal(clutter, clutter_cells(GRID, 1))
