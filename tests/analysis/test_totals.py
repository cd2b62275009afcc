"""Totals: they equal sums by hand, lazy or not, with the share of valid intervals."""

from __future__ import annotations

import tracemalloc
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_rain import rain, series, showers

from radar_nb.analysis.totals import totals, with_coverage
from radar_nb.errors import SeriesError, SettingsError

STEPS = 300
VALUES = showers(STEPS, 4, 3, missing=0.2)
DS = rain(VALUES, first="2020-06-13T22:05")


def by_hand(values: Any) -> tuple[Any, Any]:
    """Return sums in float64 and the number of valid intervals."""
    valid = np.isfinite(values).sum(axis=0)
    return np.where(valid > 0, np.nansum(values.astype(float), axis=0), np.nan), valid


@pytest.mark.parametrize("chunks", [None, {"time": 1}, {"time": 7, "y": 2}, {"time": -1}])
def test_days_and_hours_are_sums(chunks: Any) -> None:
    """Each period's total is the sum of the intervals that end in it, for any chunks."""
    ds = DS if chunks is None else DS.chunk(chunks)

    found = totals(ds, "1D")

    for place, steps in enumerate((slice(0, 24), slice(24, 300))):
        total, valid = by_hand(VALUES[steps])
        expected = 288
        np.testing.assert_allclose(found.YW[place], total, rtol=1e-6)
        np.testing.assert_allclose(found.coverage[place], valid / expected, rtol=1e-6)
    assert found.time_bnds.values.astype("datetime64[D]").astype(str).tolist() == [
        ["2020-06-13", "2020-06-14"],
        ["2020-06-14", "2020-06-15"],
    ]


def test_lazy_stays_lazy() -> None:
    """For a lazy Dataset nothing is computed before `compute()`, and the result has dask arrays."""
    called = []

    def recorded(block: Any) -> Any:
        called.append(block.shape)
        return block

    lazy = DS.assign(YW=DS.YW.chunk(time=50).map_blocks(recorded, template=DS.YW.chunk(time=50)))

    found = totals(lazy, "1h")

    assert not called
    assert found.YW.chunks is not None
    xr.testing.assert_equal(found.compute(), totals(DS, "1h"))


def test_a_total_states_its_interval() -> None:
    """Days state 1440 minutes; months, which differ, state none; the name of a sum of sums is not repeated."""
    days = totals(DS, "1D")
    months = totals(rain(np.ones((62, 1, 1)), first="2020-02-01", minutes=1440), "MS")

    assert (days.YW.attrs["interval_minutes"], days.YW.attrs["long_name"]) == (1440, "sum of rain")
    assert totals(days, None).YW.attrs["long_name"] == "sum of rain"
    assert months.sizes["time"] == 4
    assert "interval_minutes" not in months.YW.attrs


def test_a_gap_counts_as_missing() -> None:
    """Missing frames lower the coverage like missing cells."""
    found = totals(rain(np.ones((24, 1, 1))).isel(time=[*range(6), *range(12, 24)]), "1h")

    assert found.YW.values.ravel().tolist() == [6, 12]
    assert found.coverage.values.ravel().tolist() == [0.5, 1]


def test_other_dimensions_are_kept() -> None:
    """Series at points and of areas are summed like fields."""
    points = DS.YW.stack(point=("y", "x")).reset_index("point", drop=True).to_dataset()

    found = totals(points, None)

    np.testing.assert_allclose(found.YW, by_hand(VALUES.reshape(STEPS, -1))[0], rtol=1e-6)
    assert found.YW.dims == ("point",)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(st.just(float("nan")), st.integers(0, 4095).map(lambda n: n / 100)), min_size=1, max_size=90
    )
)
def test_totals_by_hand(values: list[float]) -> None:
    """For any amounts the hourly totals equal sums by hand."""
    found = totals(series(values), "1h")

    for hour, total in enumerate(found.YW.values):
        part = np.array(values[12 * hour : 12 * hour + 12])
        expected = np.nansum(part) if np.isfinite(part).any() else np.nan
        np.testing.assert_allclose(total, expected, rtol=1e-6, atol=1e-6)


def test_memory_does_not_grow_with_the_period() -> None:
    """A long period is summed in parts and never held in memory."""
    fields = da.ones((600, 300, 300), dtype="f4", chunks=(10, 300, 300))
    ds = rain(np.zeros((600, 1, 1))).isel(y=0, x=0, drop=True).YW.expand_dims(y=300, x=300)
    ds = ds.transpose("time", "y", "x").copy(data=fields)
    tracemalloc.start()
    try:
        found = totals(ds, None).compute(scheduler="synchronous")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert float(found.YW.min()) == 600
    assert peak < 100e6  # the whole is 216 MB


@pytest.mark.parametrize(("least", "known"), [(0, 2), (0.5, 2), (0.51, 1), (1, 1)])
def test_totals_with_low_coverage_are_missing(least: float, known: int) -> None:
    """A total whose coverage is below the required share becomes NaN; one that equals it stays."""
    half = totals(rain(np.ones((24, 1, 1))).isel(time=[*range(6), *range(12, 24)]), "1h")

    found = with_coverage(half, least)

    assert int(found.YW.count()) == known
    assert found.attrs["min_coverage"] == least


@pytest.mark.parametrize("least", [-0.1, 1.1, 95])
def test_a_percentage_raises(least: float) -> None:
    """A percentage in place of a share raises."""
    with pytest.raises(SettingsError, match="is not a share"):
        with_coverage(totals(DS, "1D"), least)


def test_rates_are_refused() -> None:
    """A rate raises: its sum would be twelve times too large."""
    with pytest.raises(SeriesError, match="only amounts in mm"):
        totals(DS.YW.assign_attrs(units="mm h-1"), "1D")
