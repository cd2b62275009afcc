"""Moving sums: those that one would add up by hand, across gaps, blocks and bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # as in the package
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_rain import rain, series, showers

from radar_nb.analysis import moving_sums as windows
from radar_nb.analysis.moving_sums import moving_sums
from radar_nb.analysis.periods import make_periods
from radar_nb.reading.intervals import ends_of

if TYPE_CHECKING:
    import xarray as xr


def moved(amount: xr.DataArray, minutes: Any, thresholds: Any = (), period: Any = None) -> windows.Moved:
    """Return the extremes of moving sums."""
    periods = make_periods(ends_of(amount), period, minutes=5)
    return moving_sums(amount, minutes, periods, thresholds=thresholds)


def by_pandas(amount: xr.DataArray, minutes: int) -> Any:
    """Return moving sums over the known values, NaN where the last interval is missing."""
    frame = pd.DataFrame(amount.data.reshape(len(amount), -1).astype(float), ends_of(amount))
    sums = frame.fillna(0).rolling(f"{minutes}min", closed="right").sum().round(6)
    return sums.where(frame.notna())


@pytest.fixture(params=[1 << 25, 2000], ids=["one block", "many blocks"])
def _cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "BLOCK", request.param)
    monkeypatch.setattr(windows, "BLOCK", request.param)


@pytest.mark.usefixtures("_cut")
@pytest.mark.parametrize("memory", [1 << 29, 20_000], ids=["whole", "bands"])
@pytest.mark.parametrize("gaps", [False, True])
def test_as_pandas_does(memory: int, gaps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Largest sums, when they end, how often thresholds are reached, first and last: as rolled by pandas."""
    monkeypatch.setattr(windows, "_MEMORY", memory)
    amount = rain(showers(400, 6, 5, missing=0.1)).YW
    if gaps:
        amount = amount.isel(time=np.flatnonzero(np.random.default_rng(2).random(400) > 0.3))
    durations, thresholds = [60, 5, 360, 1440], [8.0, 12.0]

    found = moved(amount, durations, thresholds, "1D")

    days = make_periods(ends_of(amount), "1D", minutes=5).of_step
    for number, minutes in enumerate(durations):
        sums = by_pandas(amount, minutes)
        for day in range(2):
            part = sums[days == day].to_numpy()
            first = int(np.argmax(days == day))
            np.testing.assert_allclose(found.largest[number, day].ravel(), np.nanmax(part, axis=0), rtol=1e-5)
            np.testing.assert_array_equal(found.when[number, day].ravel(), first + np.nanargmax(part, axis=0))
    hour = by_pandas(amount, 60)
    for number, threshold in enumerate(thresholds):
        above = (hour >= threshold - 1e-6).to_numpy()
        np.testing.assert_array_equal(
            found.above[number].reshape(2, -1), [above[days == day].sum(axis=0) for day in range(2)]
        )
        steps = np.where(above, np.arange(len(amount))[:, None], -1)
        np.testing.assert_array_equal(found.last[number].reshape(2, -1).max(axis=0), steps.max(axis=0))
    np.testing.assert_array_equal(
        found.valid.reshape(2, -1).sum(axis=0), np.isfinite(amount.data).sum(axis=0).ravel()
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.just(float("nan")), st.integers(0, 4095)), min_size=1, max_size=60),
    st.integers(1, 70),
)
def test_sums_are_exact(counts: list[float], length: int) -> None:
    """Amounts of 0.01 mm give the decimal sum, which equals a threshold of the same number."""
    amount = series([count / 100 for count in counts])
    sums = [np.nansum(counts[max(0, end - length) : end]) for end in range(1, len(counts) + 1)]
    known = [total for total, count in zip(sums, counts, strict=True) if np.isfinite(count)]
    threshold = max([*known, 1]) / 100

    found = moved(amount, [5 * length], [threshold])

    assert int(found.above[0, 0]) == known.count(max([*known, 1]))
    if known:
        assert float(found.largest[0, 0]) == np.float32(max(known) / 100)
    else:
        assert np.isnan(found.largest[0, 0])
        assert int(found.when[0, 0]) == -1


def test_a_sum_reaches_over_the_ends_of_days_and_months() -> None:
    """It belongs where it ends."""
    amount = series([1] * 24, first="2020-06-30T23:05")

    found = moved(amount, [60], [12], "MS")

    assert found.largest[0].tolist() == [12, 12]
    assert found.above[0].tolist() == [1, 12]
    assert found.first[0].tolist() == [11, 12]
    assert found.last[0].tolist() == [11, 23]


def test_a_gap_is_time() -> None:
    """Missing steps are not rain: rain before a gap does not count after it."""
    amount = series([5, 0, 0, 0, 5]).isel(time=[0, 4])

    assert float(moved(amount, [10]).largest[0, 0]) == 5
    assert float(moved(amount, [25]).largest[0, 0]) == 10
