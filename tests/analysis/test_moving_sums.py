"""Moving sums: they equal sums by hand, across gaps, blocks and bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # as in the package
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.small_rain import rain, series, showers

from radar_nb.analysis import blocks as reading
from radar_nb.analysis import moving_sums as windows
from radar_nb.analysis.blocks import StepBlock, variable_blocks
from radar_nb.analysis.moving_sums import moving_sums
from radar_nb.analysis.periods import make_periods
from radar_nb.errors import SeriesError
from radar_nb.formats.packing import radolan_packing
from radar_nb.reading.intervals import ends_of

if TYPE_CHECKING:
    import xarray as xr


def moved(amount: xr.DataArray, minutes: Any, thresholds: Any = (), period: Any = None) -> windows.Moved:
    """Return the extremes of moving sums."""
    periods = make_periods(ends_of(amount), period, minutes=5)
    return moving_sums(variable_blocks(amount, "test"), amount, minutes, periods, thresholds=thresholds)


def by_pandas(amount: xr.DataArray, minutes: int) -> Any:
    """Return moving sums over the known values, NaN where the last interval is missing."""
    frame = pd.DataFrame(amount.data.reshape(len(amount), -1).astype(float), ends_of(amount))
    sums = frame.fillna(0).rolling(f"{minutes}min", closed="right").sum().round(6)
    return sums.where(frame.notna())


@pytest.fixture(params=[1 << 25, 2000], ids=["one block", "many blocks"])
def _cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK", request.param)


@pytest.mark.usefixtures("_cut")
@pytest.mark.parametrize("cells", [1 << 15, 7], ids=["whole", "bands"])
@pytest.mark.parametrize("gaps", [False, True])
def test_statistics_equal_pandas(cells: int, gaps: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Maxima, their end, counts above thresholds, first and last equal those of pandas' rolling sums."""
    monkeypatch.setattr(windows, "_CELLS", cells)
    monkeypatch.setattr(windows, "_VALUES", cells)
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
    """Sums of amounts of 0.01 mm are exact decimals, and reach a threshold of the same number."""
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
    """A sum across midnight or the end of a month belongs to the period in which it ends."""
    amount = series([1] * 24, first="2020-06-30T23:05")

    found = moved(amount, [60], [12], "MS")

    assert found.largest[0].tolist() == [12, 12]
    assert found.above[0].tolist() == [1, 12]
    assert found.first[0].tolist() == [11, 12]
    assert found.last[0].tolist() == [11, 23]


def test_a_gap_counts_as_time() -> None:
    """Missing steps count as time: rain before a gap does not count after it."""
    amount = series([5, 0, 0, 0, 5]).isel(time=[0, 4])

    assert float(moved(amount, [10]).largest[0, 0]) == 5
    assert float(moved(amount, [25]).largest[0, 0]) == 10


@st.composite
def rainy_fields(draw: st.DrawFn) -> xr.DataArray:
    """Return amounts of some cells: dry and wet spells, missing intervals, and absent steps."""
    steps, cells = draw(st.integers(1, 40)), draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    wet, missing, gone = (draw(st.sampled_from([0.0, 0.05, 0.5, 1.0])) for _ in range(3))
    values = np.where(rng.random((steps, 1, cells)) < wet, rng.integers(1, 30, (steps, 1, cells)), 0) / 100
    values[rng.random(values.shape) < missing] = np.nan
    there = rng.random(steps) >= min(gone, 0.5)
    there[draw(st.integers(0, steps - 1))] = True
    amount: xr.DataArray = rain(values, first="2020-12-31T23:00").YW.isel(time=np.flatnonzero(there))
    return amount


def by_hand(amount: xr.DataArray, minutes: int, period: Any, floor: int) -> list[Any]:
    """Return the statistics of one duration from the sum at every step, in hundredths of a millimetre."""
    ends = ends_of(amount).astype("datetime64[m]").astype(int)
    values = amount[:, 0].to_numpy()
    counts = np.rint(np.nan_to_num(values) * 100).astype(int)
    there = np.isfinite(values)
    inside = (ends > ends[:, None] - minutes) & (ends <= ends[:, None])
    sums = np.where(there, inside.astype(int) @ counts, -1)
    of_step = make_periods(ends_of(amount), period, minutes=5).of_step
    found = []
    for number in range(of_step[-1] + 1):
        steps = np.flatnonzero(of_step == number)
        for cell in range(sums.shape[1]):
            some = sums[steps, cell]
            above = steps[some >= floor].tolist()
            when = steps[some.argmax()] if some.max() >= 0 else -1
            found.append(
                (some.max(), when, len(above), (above or [-1])[0], (above or [-1])[-1], (some >= 0).sum())
            )
    return found


@settings(max_examples=60, deadline=None)
@given(
    rainy_fields(),
    st.lists(st.integers(1, 30), min_size=1, max_size=3),
    st.sampled_from([None, "YS", "1h"]),
    st.integers(1, 60),
    st.tuples(st.sampled_from([1, 3, 12, 100]), st.sampled_from([1, 2, 5])),
)
def test_every_statistic_equals_that_of_all_sums(
    amount: xr.DataArray, lengths: list[int], period: Any, floor: int, cut: tuple[int, int]
) -> None:
    """Maxima and their steps, counts, first and last are exact, for any gaps and sizes of blocks."""
    turn, band = cut
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_CELLS", band)
        patch.setattr(windows, "_VALUES", 1)
        patch.setattr(windows, "STEPS", turn)
        found = moved(amount, [5 * length for length in lengths], [floor / 100], period)

    for number, length in enumerate(lengths):
        expected = np.array(by_hand(amount, 5 * length, period, floor)).T
        largest = np.where(expected[0] < 0, np.nan, (expected[0] / 100).astype(np.float32))
        np.testing.assert_array_equal(found.largest[number].ravel(), largest)
        np.testing.assert_array_equal(found.when[number].ravel(), expected[1])
        if not number:
            for name, row in zip(("above", "first", "last"), expected[2:5], strict=True):
                np.testing.assert_array_equal(getattr(found, name)[0].ravel(), row)
            np.testing.assert_array_equal(found.valid.ravel(), expected[5])


SHARES = st.sampled_from([0.0, 0.05, 0.5])


@st.composite
def coded_rain(draw: st.DrawFn) -> tuple[list[StepBlock], xr.DataArray]:
    """Return blocks of codes of different resolutions, with flags, and the same amounts; some in floats."""
    cells = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    most, wet, missing = draw(st.sampled_from([30, 4095])), draw(st.sampled_from([0.1, 0.9])), draw(SHARES)
    made: list[StepBlock] = []
    values = []
    start = 0
    for scale in draw(st.lists(st.sampled_from([0.01, 0.02, 0.05, 0.1]), min_size=1, max_size=5)):
        steps = draw(st.integers(1, 15))
        packing = radolan_packing(2, scale=scale)
        codes = np.where(rng.random((steps, cells)) < wet, rng.integers(1, most + 1, (steps, cells)), 0)
        codes |= np.where(rng.random(codes.shape) < 0.2, 0x1000, 0)  # a flag that does not change the amount
        codes[rng.random(codes.shape) < missing] = 0x29C4
        values.append(packing.values(codes.astype(np.uint16)))
        packed = draw(st.booleans())
        some = codes.astype(np.uint16) if packed else values[-1]
        made.append(StepBlock(start=start, values=some, packing=packing if packed else None))
        start += steps
    return made, rain(np.concatenate(values)[:, None], first="2020-12-31T23:00").YW


@settings(max_examples=60, deadline=None)
@given(
    coded_rain(),
    st.lists(st.integers(1, 30), min_size=1, max_size=3),
    st.sampled_from([None, "YS"]),
    st.tuples(st.sampled_from([1, 3, 12]), st.sampled_from([1, 2, 5])),
)
def test_codes_equal_their_amounts(
    coded: tuple[list[StepBlock], xr.DataArray], lengths: list[int], period: Any, cut: tuple[int, int]
) -> None:
    """Codes of any resolution, with flags and of amounts beyond 16 bits, have the sums of their amounts."""
    made, amount = coded
    turn, band = cut
    minutes = [5 * length for length in lengths]
    periods = make_periods(ends_of(amount), period, minutes=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_CELLS", band)
        patch.setattr(windows, "_VALUES", 1)
        patch.setattr(windows, "STEPS", turn)
        found = moving_sums(made, amount, minutes, periods, thresholds=[5.0])

    for number, length in enumerate(minutes):
        expected = np.array(by_hand(amount, length, period, 500)).T
        largest = np.where(expected[0] < 0, np.nan, (expected[0] / 100).astype(np.float32))
        np.testing.assert_array_equal(found.largest[number].ravel(), largest)
        np.testing.assert_array_equal(found.when[number].ravel(), expected[1])
        if not number:
            for name, row in zip(("above", "first", "last"), expected[2:5], strict=True):
                np.testing.assert_array_equal(getattr(found, name)[0].ravel(), row)


@pytest.mark.parametrize("value", [-0.1, np.inf, 3e5])
def test_only_amounts_can_be_summed(value: float) -> None:
    """Negative, infinite or impossible amounts raise instead of returning a wrong sum."""
    with pytest.raises(SeriesError, match=r"amounts from .* mm cannot be summed: pass amounts of 0 mm and more"):
        moved(series([0, 1, value]), [5])


@settings(max_examples=60, deadline=None)
@given(rainy_fields(), st.integers(1, 6), st.integers(1, 40), st.integers(1, 12), st.sampled_from([1, 3, 12]))
def test_storms_are_counted_once(amount: xr.DataArray, length: int, floor: int, apart: int, turn: int) -> None:
    """A sum above the threshold counts if none was above it in the time before, across turns and periods."""
    periods = make_periods(ends_of(amount), "YS", minutes=5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "_VALUES", 1)
        patch.setattr(windows, "STEPS", turn)
        found = moving_sums(
            variable_blocks(amount, "test"), amount, [5 * length], periods, thresholds=[floor / 100],
            independent=5 * apart,
        )  # fmt: skip

    ends = ends_of(amount).astype("datetime64[m]").astype(int)
    counts = np.rint(np.nan_to_num(amount[:, 0].to_numpy()) * 100).astype(int)
    inside = (ends > ends[:, None] - 5 * length) & (ends <= ends[:, None])
    above = (inside.astype(int) @ counts >= floor) & np.isfinite(amount[:, 0].to_numpy())
    for cell in range(above.shape[1]):
        expected = np.zeros(len(periods.bounds), int)
        latest = -(10**9)
        for step in np.flatnonzero(above[:, cell]):
            expected[periods.of_step[step]] += ends[step] - latest >= 5 * apart
            latest = ends[step]
        assert found.above[0, :, 0, cell].tolist() == expected.tolist()
