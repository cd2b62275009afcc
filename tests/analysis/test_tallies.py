"""Tallies: for any frames they equal a plain computation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radar_nb.analysis.tallies import GROUP, CodeTally, FlagTally, Totals, ValueTally, Wanted
from radar_nb.formats.packing import Packing, radolan_packing
from radar_nb.formats.radolan import CLUTTER, NO_DATA, NO_DATA_CODE, SECONDARY, VALUE

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVERYTHING = Wanted(sums=True, squares=True, largest=True, smallest=True, thresholds=(0.1, 1.0))
PACKING = radolan_packing(2, scale=0.01)
MASKING = radolan_packing(2, scale=0.01, clutter="mask")


def tallied(frames: NDArray[np.uint16], packing: Packing = PACKING, wanted: Wanted = EVERYTHING) -> Totals:
    """Return the totals of frames, of shape (frames, cells)."""
    tally = FlagTally(frames.shape[1], wanted)
    tally.start(packing)
    for frame in frames:
        tally.add(frame)
    return tally.totals()


def assert_as_computed(totals: Totals, frames: NDArray[np.uint16], packing: Packing) -> None:
    """Compare totals with a plain computation."""
    missing = packing.is_missing(frames)
    counts = (frames & VALUE).astype(np.int64)
    values = packing.values(frames)
    np.testing.assert_array_equal(totals.valid, (~missing).sum(axis=0))
    np.testing.assert_array_equal(totals.sums, np.where(missing, 0, counts).sum(axis=0))
    mean = np.where(missing, 0, counts).sum(axis=0) / np.maximum((~missing).sum(axis=0), 1)
    deviations = np.where(missing, 0, (counts - mean) ** 2).sum(axis=0)
    np.testing.assert_allclose(totals.deviations(), deviations * packing.scale**2, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(totals.largest, np.where(missing, -np.inf, values).max(axis=0))
    np.testing.assert_array_equal(totals.smallest, np.where(missing, np.inf, values).min(axis=0))
    for above, threshold in zip(totals.above, (0.1, 1.0), strict=True):
        np.testing.assert_array_equal(above, (~missing & (counts >= round(threshold / 0.01))).sum(axis=0))


def calm_frames() -> st.SearchStrategy[NDArray[np.uint16]]:
    """Return frames with few changes of flags, as radars have: each frame changes at most one cell's flags."""
    values = hnp.arrays(
        np.uint16, st.tuples(st.integers(1, 3 * GROUP), st.just(5)), elements=st.integers(0, VALUE)
    )
    flags = st.lists(
        st.tuples(st.integers(0, 3 * GROUP), st.integers(0, 4), st.sampled_from([0, SECONDARY, NO_DATA, CLUTTER])),
        max_size=8,
    )

    def flagged(frames: NDArray[np.uint16], changes: list[tuple[int, int, int]]) -> NDArray[np.uint16]:
        for frame, cell, flag in sorted(changes):
            frames[frame:, cell] = (frames[frame:, cell] & VALUE) | flag
        return frames

    return st.builds(flagged, values, flags)


class TestFlags:
    """16-bit codes with flags."""

    @given(frames=calm_frames(), packing=st.sampled_from([PACKING, MASKING]))
    def test_frames_whose_flags_rarely_change(self, frames: NDArray[np.uint16], packing: Packing) -> None:
        """Cells may become missing or valid at any position of a group."""
        totals = tallied(frames, packing)

        assert_as_computed(totals, frames, packing)

    @given(
        frames=hnp.arrays(np.uint16, st.tuples(st.integers(1, 3 * GROUP), st.integers(1, 7))),
        packing=st.sampled_from([PACKING, MASKING]),
    )
    def test_any_codes(self, frames: NDArray[np.uint16], packing: Packing) -> None:
        """Totals of any 16-bit codes in any order are correct."""
        totals = tallied(frames, packing)

        assert_as_computed(totals, frames, packing)

    @pytest.mark.parametrize("code", [0, VALUE, NO_DATA_CODE, CLUTTER | VALUE, 0xFFFF])
    def test_the_same_code_in_groups_of_every_length(self, code: int) -> None:
        """The largest values do not overflow, and a cell that is always missing has no sum."""
        for length in range(1, 2 * GROUP + 2):
            frames = np.full((length, 3), code, np.uint16)
            totals = tallied(frames)
            assert_as_computed(totals, frames, PACKING)

    def test_many_largest_values(self) -> None:
        """Ten thousand of the largest values, more than in an archive's part, are summed exactly."""
        totals = tallied(np.full((10_000, 2), VALUE, np.uint16))

        np.testing.assert_array_equal(totals.sums, [10_000 * VALUE] * 2)

    def test_a_tally_can_be_reused(self) -> None:
        """After `start` no earlier frames and no flags of earlier frames have an effect."""
        tally = FlagTally(2, EVERYTHING)
        frames = np.array([[5, NO_DATA_CODE], [NO_DATA_CODE | CLUTTER, 7]], np.uint16)
        tally.start(PACKING)
        for frame in [*frames, *frames]:
            tally.add(frame)
        tally.totals()

        tally.start(MASKING)
        for frame in frames:
            tally.add(frame)
        totals = tally.totals()

        assert_as_computed(totals, frames, MASKING)

    def test_codes_at_an_odd_address(self) -> None:
        """Codes that begin at an odd address, behind a header of odd length, have the same totals."""
        frames = np.arange(8, dtype=np.uint16).reshape(2, 4)
        odd = np.frombuffer(b"x" + frames.tobytes(), "<u2", offset=1).reshape(2, 4)
        assert not odd.flags.aligned

        totals = tallied(odd)

        assert_as_computed(totals, frames, PACKING)

    def test_unrequested_totals_are_empty(self) -> None:
        """Arrays that were not requested are empty."""
        totals = tallied(np.zeros((2, 3), np.uint16), wanted=Wanted())

        assert [array.size for array in (totals.sums, totals.largest, totals.smallest)] == [0, 0, 0]
        assert totals.above == ()
        np.testing.assert_array_equal(totals.valid, [2, 2, 2])

    @settings(max_examples=25)
    @given(frames=hnp.arrays(np.uint16, (20, 4)), at=st.integers(1, 19))
    def test_totals_of_parts_can_be_added(self, frames: NDArray[np.uint16], at: int) -> None:
        """The totals of two parts added together equal those of all frames."""
        totals = tallied(frames[:at])

        totals.add(tallied(frames[at:]))

        assert_as_computed(totals, frames, PACKING)

    @pytest.mark.parametrize("scale", [0.01, 0.1, 0.001])
    def test_thresholds_are_decimal_numbers(self, scale: float) -> None:
        """A code counts if its decimal value reaches the threshold, regardless of float32's rounding."""
        codes = np.arange(VALUE + 1, dtype=np.uint16)
        steps = (1, 10, 29, 57, 100, 2500, VALUE)
        wanted = Wanted(thresholds=tuple(float(f"{step * scale:.6g}") for step in steps))

        totals = tallied(codes[None, :], radolan_packing(2, scale=scale), wanted)

        for above, step in zip(totals.above, steps, strict=True):
            np.testing.assert_array_equal(above, codes >= step)

    @pytest.mark.parametrize(("threshold", "counted"), [(-1.0, 2), (0.0, 2), (40.951, 0), (1e9, 0)])
    def test_thresholds_beyond_all_values(self, threshold: float, counted: int) -> None:
        """A threshold below all values counts every valid cell, one above them counts none."""
        frames = np.array([[0], [VALUE], [NO_DATA_CODE]], np.uint16)

        totals = tallied(frames, wanted=Wanted(thresholds=(threshold,)))

        assert totals.above[0].tolist() == [counted]


class TestValues:
    """Values in float32."""

    @given(
        frames=hnp.arrays(
            np.float32,
            st.tuples(st.integers(1, 20), st.integers(1, 5)),
            elements=st.one_of(st.just(np.nan), st.floats(-32.5, 500, width=32)),
        )
    )
    def test_totals_equal_numpys(self, frames: NDArray[np.float32]) -> None:
        """Sums equal those of float64 within 6e-8; all other totals are exact."""
        totals = of_values(frames)

        valid = ~np.isnan(frames)
        np.testing.assert_array_equal(totals.valid, valid.sum(axis=0))
        np.testing.assert_allclose(
            totals.sums * totals.scale, np.nansum(frames, axis=0, dtype="f8"), rtol=0, atol=frames.shape[0] * 3e-8
        )
        mean = np.where(valid, frames, 0).sum(axis=0, dtype="f8") / np.maximum(valid.sum(axis=0), 1)
        deviations = np.where(valid, (frames - mean) ** 2, 0).sum(axis=0)
        np.testing.assert_allclose(totals.deviations(), deviations, rtol=1e-6, atol=0.1)  # of 20 squares of 500
        np.testing.assert_array_equal(totals.largest, np.where(valid, frames, -np.inf).max(axis=0))
        np.testing.assert_array_equal(totals.smallest, np.where(valid, frames, np.inf).min(axis=0))
        np.testing.assert_array_equal(totals.above[1], (frames >= 0.99995).sum(axis=0))

    @given(
        frames=hnp.arrays(np.float32, (12, 3), elements=st.floats(0, 100, width=32)),
        order=st.permutations(range(12)),
    )
    def test_the_order_of_frames_changes_nothing(self, frames: NDArray[np.float32], order: list[int]) -> None:
        """The result is identical to the bit, so threads may add frames in any order."""
        totals, others = of_values(frames), of_values(frames[order])

        np.testing.assert_array_equal(totals.sums, others.sums)
        np.testing.assert_array_equal(totals.deviations(), others.deviations())


MARKED = (
    Packing(scale=0.001, itemsize=4, marks=(2**32 - 2,), undetect=2**32 - 1),  # RV in HDF5
    Packing(scale=0.001, offset=-0.001, itemsize=2, marks=(65535,), undetect=0),
    Packing(scale=0.00293, offset=-64.003, itemsize=2, marks=(65535,)),  # HX
    Packing(scale=0.5, offset=-32.5, itemsize=1, marks=(249, 250, 255)),
)


@pytest.mark.parametrize("packing", MARKED, ids=["u4 moved by one", "u2", "u2 without undetect", "u1"])
@settings(max_examples=40)
@given(data=st.data())
def test_codes_without_flags_have_the_totals_of_their_values(packing: Packing, data: st.DataObject) -> None:
    """Marked codes are missing, undetected cells are zero, and thresholds above all codes count none."""
    last = 2 ** (8 * packing.itemsize) - 1
    special = st.sampled_from([0, 1, last - 1, last, *packing.marks])
    codes = data.draw(
        hnp.arrays(
            packing.dtype, st.tuples(st.integers(1, 9), st.just(4)), elements=special | st.integers(0, last)
        )
    )
    thresholds = data.draw(st.lists(st.sampled_from([-100.0, 0.0, 0.1, 1.0, 20.0, 1e9]), min_size=2, max_size=2))
    tally = CodeTally(
        4, Wanted(sums=True, squares=True, largest=True, smallest=True, thresholds=tuple(thresholds))
    )
    assert CodeTally.can_take(packing)
    tally.start(packing)
    for frame in codes:
        tally.add(frame)
    totals = tally.totals()

    values = packing.values(codes)
    valid = ~np.isnan(values)
    np.testing.assert_array_equal(totals.valid, valid.sum(axis=0))
    np.testing.assert_array_equal(totals.largest, np.where(valid, values, -np.inf).max(axis=0))
    np.testing.assert_array_equal(totals.smallest, np.where(valid, values, np.inf).min(axis=0))
    exact = np.where(codes == packing.undetect, packing.count(0), codes) if packing.undetect is not None else codes
    sums = np.where(valid, exact.astype(np.int64), 0).sum(axis=0)
    np.testing.assert_array_equal(totals.sums, sums)
    mean = sums / np.maximum(valid.sum(axis=0), 1)
    squares = np.where(valid, (exact - mean) ** 2, 0).sum(axis=0) * packing.scale**2
    np.testing.assert_allclose(
        totals.deviations(), squares, rtol=1e-6, atol=1e-7 * float(np.nanmax(values**2, initial=1))
    )
    for above, threshold in zip(totals.above, thresholds, strict=True):
        reached = valid & (exact.astype(np.int64) >= packing.count(threshold))
        np.testing.assert_array_equal(above, reached.sum(axis=0))


def test_an_offset_of_fractional_steps_needs_values() -> None:
    """If the offset is not a multiple of the step, no code means zero, so values are tallied instead."""
    assert not CodeTally.can_take(Packing(scale=0.05, offset=-0.03, marks=(65535,), undetect=0))
    assert not CodeTally.can_take(PACKING)


def of_values(frames: NDArray[Any]) -> Totals:
    """Return the totals of frames of values."""
    tally = ValueTally(frames.shape[1], EVERYTHING)
    tally.start(Packing(scale=0.1))
    for frame in frames:
        tally.add(frame)
    return tally.totals()
