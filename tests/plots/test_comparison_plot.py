"""Gauges and radar in one figure."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from radar_nb.errors import SeriesError
from radar_nb.plots.comparison import plot_comparison

ENDS = np.datetime64("2020-06-13T00:50", "ns") + np.arange(4) * np.timedelta64(1, "h")


def pairs(gauge: list[list[float]], cell: list[list[float]]) -> xr.Dataset:
    """Return pairs as `compare` does."""
    attrs = {"units": "mm", "interval_minutes": 60}
    values = {"gauge": gauge, "cell": cell, "lowest": cell, "highest": np.add(cell, 1)}
    bounds = np.stack([ENDS - np.timedelta64(1, "h"), ENDS], axis=1)
    coords = {"time": ENDS, "time_bnds": (("time", "bnds"), bounds)}
    return xr.Dataset({name: (("time", "point"), one, attrs) for name, one in values.items()}, coords)


def test_points_and_sums_are_those_that_both_measured() -> None:
    """A gap of the gauge leaves out the radar too; sums of two gauges are their mean."""
    nan = float("nan")
    ds = pairs([[1, 3], [nan, 1], [2, nan], [nan, nan]], [[2, 2], [9, 1], [3, 9], [9, 9]])

    left, right = plot_comparison(ds).axes

    points = next(line for line in left.lines if line.get_label() == "cell of the gauge")
    assert sorted(np.asarray(points.get_xydata()).tolist()) == [[1, 1], [1, 2], [2, 3], [3, 2]]
    assert [np.asarray(line.get_ydata()).tolist() for line in right.lines] == [[0, 2, 3, 5, 5], [0, 2, 3, 6, 6]]
    assert [line.get_label() for line in right.lines] == ["gauge: 5.0 mm", "radar: 6.0 mm"]
    assert left.get_xlabel() == "gauge, mm in 1 h"


def test_what_is_not_a_comparison_is_refused() -> None:
    """The message says what to pass; without a common interval nothing is drawn."""
    with pytest.raises(
        SeriesError, match="a str is not a comparison of gauges with radar: pass what compare returns"
    ):
        plot_comparison("pairs")
    with pytest.raises(SeriesError, match="no interval in common that both measured: choose other times"):
        plot_comparison(pairs([[float("nan")]] * 4, [[1.0]] * 4))
