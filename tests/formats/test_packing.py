"""Packing: the meaning of codes, equal as floats, as CF's integers, as flags and as counts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radar_nb.formats.packing import FLAGS, Packing, radolan_packing
from radar_nb.formats.radolan import CLUTTER, NO_DATA, NO_DATA_CODE

RAIN = radolan_packing(2, scale=0.01)
ECHO = radolan_packing(1, scale=0.5, offset=-32.5)
ODIM = Packing(scale=0.1, itemsize=2, marks=(65535,), undetect=0)
FINE = Packing(scale=0.001, offset=-0.001, itemsize=4, marks=(4294967295,), undetect=0)
CLASSES = Packing(itemsize=4, missing=1 << 31)
ALL = {"rain": RAIN, "echo": ECHO, "odim": ODIM, "fine": FINE, "wn": radolan_packing(2, scale=0.05, offset=-32.5)}


def codes_of(packing: Packing) -> np.ndarray[Any, Any]:
    """Return every code of a packing, or in 32 bits the first and the last ones."""
    if packing.itemsize < 4:
        return np.arange(1 << (8 * packing.itemsize)).astype(packing.dtype)
    return np.append(np.arange(1 << 16), np.arange((1 << 32) - 16, 1 << 32)).astype(packing.dtype)


class TestValues:
    """Codes as float32."""

    @pytest.mark.parametrize("name", ALL)
    def test_packed_integers_decode_to_the_same_values(self, name: str) -> None:
        """CF's decoding of the packed integers equals `values`, bit for bit."""
        packing = ALL[name]
        codes = codes_of(packing)
        attrs: dict[str, Any] = {
            "scale_factor": np.float32(packing.scale),
            "add_offset": np.float32(packing.offset),
            "_FillValue": packing.dtype.type(packing.fill),
        }

        decoded = xr.decode_cf(xr.Dataset({"it": ("cell", packing.packed(codes), attrs)})).it

        if packing.itemsize == 4:  # CF unpacks 32 bits to float64
            np.testing.assert_array_max_ulp(decoded.values.astype("f4"), packing.values(codes), maxulp=1)
        else:
            assert decoded.dtype == np.float32
            np.testing.assert_array_equal(decoded, packing.values(codes))

    @pytest.mark.parametrize("name", ALL)
    def test_missing_is_missing_in_every_form(self, name: str) -> None:
        """NaN in values, the fill value in packed integers and `is_missing` are the same cells."""
        packing = ALL[name]
        codes = codes_of(packing)

        missing = packing.is_missing(codes)

        assert 0 < missing.sum() < codes.size
        np.testing.assert_array_equal(np.isnan(packing.values(codes)), missing)
        np.testing.assert_array_equal(packing.packed(codes) == packing.fill, missing)

    def test_only_the_flag_marks_missing_cells(self) -> None:
        """A true 24.90 or 25.00 mm is a value; flagged cells are missing whatever value they hold."""
        codes = np.array([2490, 2500, NO_DATA_CODE, NO_DATA, NO_DATA | CLUTTER | 5], "u2")

        np.testing.assert_array_equal(RAIN.values(codes), np.array([24.9, 25, np.nan, np.nan, np.nan], "f4"))

    def test_clutter_is_kept_or_masked_as_chosen(self) -> None:
        """Flagged clutter keeps its value unless it is to be masked."""
        codes = np.array([CLUTTER | 12], "u2")

        assert RAIN.values(codes) == np.float32(0.12)
        assert np.isnan(radolan_packing(2, scale=0.01, clutter="mask").values(codes))

    def test_undetected_rain_is_zero(self) -> None:
        """If ODIM's code of no echo would decode below zero, it is 0 mm, also in packed integers."""
        codes = np.array([0, 1, 2], "u4")

        np.testing.assert_array_equal(FINE.values(codes), np.array([0, 0, 0.001], "f4"))
        assert FINE.packed(codes).tolist() == [1, 1, 2]

    def test_classes_in_32_bits_keep_every_bit(self) -> None:
        """Packed integers keep every bit of a class of HG, which float32 cannot hold."""
        codes = np.array([1 | 1 << 24, 80, 1 << 31], "u4")

        assert CLASSES.packed(codes).tolist() == [1 | 1 << 24, 80, 0xFFFFFFFF]

    @given(codes=hnp.arrays("u2", (7, 5)), step=st.integers(1, 3))
    def test_results_are_written_to_out(self, codes: Any, step: int) -> None:
        """With `out=`, including a view with gaps, the same values are written there and nowhere else."""
        room = np.full((7, 5 * step), -1, "f4")

        given_back = RAIN.values(codes, out=room[:, ::step])

        assert given_back.base is room
        np.testing.assert_array_equal(room[:, ::step], RAIN.values(codes))
        assert (np.delete(room, np.s_[::step], axis=1) == -1).all()


class TestFlags:
    """Flag bits as CF flags."""

    @given(code=st.integers(0, 0xFFFF))
    def test_flags_are_the_four_upper_bits(self, code: int) -> None:
        """Secondary, no data, negative and clutter keep their order."""
        flags = int(RAIN.flags(np.array([code], "u2"))[0])

        bits = {"secondary": 0x1000, "no_data": 0x2000, "negative": 0x4000, "clutter": 0x8000}
        assert {name for name, bit in FLAGS.items() if flags & bit} == {n for n, bit in bits.items() if code & bit}

    def test_bytes_have_marks_instead_of_flags(self) -> None:
        """In 8 bits 249 means clutter, 250 and 255 mean no data."""
        codes = np.array([0, 248, 249, 250, 255], "u1")

        assert ECHO.flags(codes).tolist() == [0, 0, FLAGS["clutter"], FLAGS["no_data"], FLAGS["no_data"]]


class TestCounts:
    """Thresholds in counts."""

    @given(
        name=st.sampled_from(sorted(ALL)),
        threshold=st.one_of(
            st.floats(-40, 40).map(lambda value: round(value, 4)),
            st.integers(-400, 4000).map(lambda tenth: tenth / 10),
        ),
    )
    def test_a_threshold_in_counts_is_the_threshold_in_values(self, name: str, threshold: float) -> None:
        """`value >= threshold` is `count >= count(threshold)`, in the intended decimal numbers."""
        packing = ALL[name]
        counts = np.arange(4096)
        values = np.round(counts * packing.scale + packing.offset, 9)

        np.testing.assert_array_equal(counts >= packing.count(threshold), values >= np.round(threshold, 9))
