"""Events: regions connected in space and time, with their water, tracked in bounded memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from support.small_rain import rain, showers

from radar_nb.analysis import blocks as reading
from radar_nb.analysis import events as storms
from radar_nb.analysis.events import events
from radar_nb.analysis.inputs import cell_areas, grid_of
from radar_nb.dwd.grids import to_lonlat
from radar_nb.errors import SeriesError, SettingsError


def clock(table: Any, column: str) -> list[str]:
    """Return times to the minute."""
    return [str(np.datetime64(time, "m"))[11:] for time in table[column]]


def follow(values: Any, threshold: float = 1.0, **options: Any) -> Any:
    """Return the events of some amounts."""
    return events(rain(values), threshold, progress=False, **options)


def test_one_shower_by_hand() -> None:
    """Begin, end, area, depth, maxima and path of a shower that moves two cells east per step are correct."""
    values = np.zeros((5, 6, 9))
    for step in range(3):
        values[1 + step, 2, 2 * step : 2 * step + 3] = [1, 2, 4]
    grid = grid_of(rain(values).YW)
    areas = cell_areas(grid)

    table = follow(values)

    assert len(table) == 1
    (event,) = table.itertuples()
    amounts = values.sum(axis=0)
    assert (clock(table, "begin"), clock(table, "end")) == (["00:05"], ["00:20"])
    assert event.area == pytest.approx(areas[amounts > 0].sum())
    assert event.volume == pytest.approx((amounts * areas).sum() * 1000)
    assert event.depth == pytest.approx((amounts * areas).sum() / areas[amounts > 0].sum())
    assert (event.total, event.maximum) == (5, 4)
    assert clock(table, "maximum_time") == ["00:10"]
    assert [str(np.datetime64(time, "m"))[11:] for time, _, _ in event.path] == ["00:10", "00:15", "00:20"]
    x = grid.x[[0, 1, 2]] @ np.array([1, 2, 4]) / 7 + 2000 * np.arange(3)
    lonlat = np.transpose(to_lonlat(x, np.full(3, grid.y[2]), "sphere"))
    np.testing.assert_allclose([place[1:] for place in event.path], lonlat, rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("block", [1 << 25, 1000])
def test_events_equal_scipys_components(seed: int, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without gaps, events equal scipy's connected components of the array, with the same cells and water."""
    monkeypatch.setattr(reading, "BLOCK", block)
    monkeypatch.setattr(storms, "_SPARE", 3)
    values = np.where(
        np.random.default_rng(seed).random((40, 12, 12)) < 0.12, showers(40, 12, 12, seed=seed) + 1, 0
    )
    together = np.zeros((3, 3, 3), bool)
    together[1] = True
    together[:, 1, 1] = True
    labels, count = ndimage.label(values >= 1, together)
    areas = cell_areas(grid_of(rain(values).YW))

    table = follow(values)

    assert len(table) == count
    expected = []
    for number in range(1, count + 1):
        water = np.where(labels == number, values.astype(np.float32).astype(float), 0).sum(axis=0)
        steps = np.flatnonzero((labels == number).any(axis=(1, 2)))
        expected.append((steps[0], steps[-1], round((water * areas).sum(), 3), round(areas[water > 0].sum(), 3)))
    begin, step = np.datetime64("2020-06-13T00:00"), np.timedelta64(5, "m")
    found = [
        (
            int((event.begin - begin) / step),
            int((event.end - begin) / step) - 1,
            round(event.volume / 1000, 3),
            round(event.area, 3),
        )
        for event in table.itertuples()
    ]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize(("gap", "count"), [(None, 3), ("5min", 3), ("10min", 2), ("20min", 2), ("25min", 1)])
def test_gaps_end_events(gap: str | None, count: int) -> None:
    """A cell that is dry for `min_gap` ends its event; one dry interval is too short for a gap of ten minutes."""
    values = np.zeros((9, 1, 1))
    values[[0, 2, 7]] = 2  # dry for 5 and for 20 minutes

    assert len(follow(values, min_gap=gap)) == count


def test_missing_frames_count_as_time() -> None:
    """A gap in the series counts as a gap in the rain."""
    values = np.full((9, 1, 1), 2)

    table = events(rain(values).isel(time=[0, 1, 7, 8]), 1, min_gap="30min", progress=False)
    apart = events(rain(values).isel(time=[0, 1, 7, 8]), 1, min_gap="25min", progress=False)

    assert (len(table), len(apart)) == (1, 2)


def test_events_that_meet_are_one() -> None:
    """Two merging showers are one event from the beginning of the first, with the water of both."""
    values = np.zeros((4, 1, 9))
    values[0, 0, 0] = values[1, 0, [0, 8]] = 2
    values[2] = values[3] = 2

    table = follow(values)

    assert len(table) == 1
    assert table["total"].tolist() == [8]
    assert clock(table, "begin") == ["00:00"]
    assert len(table["path"][0]) == 4


def test_small_regions_are_excluded() -> None:
    """A region smaller than the least area is not part of any event; cells that touch at a corner connect."""
    values = np.zeros((1, 5, 5))
    values[0, 0, 0] = values[0, 1, 1] = values[0, 4, 4] = 3

    assert len(follow(values)) == 2
    assert len(follow(values, min_area=1.5)) == 1
    assert len(follow(values, min_area=2.5)) == 0


def test_short_events_are_excluded_on_request() -> None:
    """With `min_duration` shorter events are not in the table."""
    values = np.zeros((4, 1, 3))
    values[:, 0, 0] = values[0, 0, 2] = 2

    assert len(follow(values, min_duration="10min")) == 1


def test_no_rain_no_events() -> None:
    """Without rain the table has its columns and their types; missing cells are not rain."""
    table = follow(np.full((3, 2, 2), np.nan))

    assert len(table) == 0
    assert table["begin"].dtype.kind == "M"
    assert table["area"].dtype.kind == "f"


def test_a_threshold_is_a_decimal_number() -> None:
    """An amount of 0.29 mm reaches a threshold of 0.29, although float32 stores it inexactly."""
    assert len(follow(np.full((1, 1, 1), 0.29), 0.29)) == 1
    assert len(follow(np.full((1, 1, 1), 0.28), 0.29)) == 0


def test_memory_does_not_grow_with_the_series(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event of hundreds of steps keeps its cells, not its frames."""
    monkeypatch.setattr(storms, "_SPARE", 100)
    ds = rain(np.ones((400, 40, 40)))
    monkeypatch.setattr(reading, "BLOCK", 10 * 40 * 40 * 4)
    tracemalloc.start()
    try:
        table = events(ds, 1, progress=False)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert table["total"].tolist() == [400]
    assert peak < 2e6  # the cells of all frames would be 10 MB


@pytest.mark.parametrize(
    ("threshold", "options", "text"),
    [
        (0, {}, "pass positive numbers of mm"),
        ("dwd", {}, "are not numbers: pass mm"),
        (1, {"min_area": -1}, "min_area=-1 is not an area"),
        (1, {"min_gap": "7min"}, "min_gap='7min' is not a multiple of the interval of 5 min"),
    ],
)
def test_invalid_arguments(threshold: Any, options: dict[str, Any], text: str) -> None:
    """Invalid thresholds, areas and gaps raise."""
    with pytest.raises(SettingsError, match=text):
        follow(np.zeros((1, 1, 1)), threshold, **options)


def test_series_at_points_have_no_events() -> None:
    """Events need fields; series at points raise."""
    with pytest.raises(SeriesError, match=r"not \(time, y, x\)"):
        events(rain(np.zeros((2, 1, 1))).YW[:, 0, 0], 1, progress=False)
