"""Texts for numbers: bytes, intervals, durations, times, decimals."""

from __future__ import annotations

import numpy as np
import pytest

from radar_nb.runtime.wording import decimal, human_bytes, human_duration, human_interval


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.5, "1 kB"),
        (64_000, "64 kB"),
        (999_999, "1.0 MB"),
        (1_980_156, "2.0 MB"),
        (17.7e9, "17.7 GB"),
        (999.96e9, "1.0 TB"),
        (2.6e15, "2600.0 TB"),
    ],
)
def test_bytes_have_about_three_digits(count: float, text: str) -> None:
    """Units change at a thousand, after rounding: never 1000 kB."""
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        (0, "0 min"),
        (5, "5 min"),
        (90, "90 min"),
        (60, "1 h"),
        (2880, "48 h"),
        (10080, "7 d"),
        (10085, "10085 min"),
    ],
)
def test_intervals_are_exact(minutes: float, text: str) -> None:
    """The largest unit that divides the interval is used; days count from the third on."""
    assert human_interval(minutes) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (59.4, "59 s"), (3569, "59 min"), (3570, "1 h"), (86_400, "1 d"), (7260, "2 h 1 min")],
)
def test_durations_are_rounded(seconds: float, text: str) -> None:
    """Two units at most, and never less than a second."""
    assert human_duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (np.float32(0.12), 0.12),
        (np.float32(-32.5), -32.5),
        (0.12 * 5 / 60, 0.01),
        (0.00099999993, 0.001),  # the gain of RE
        (0.0009999, 0.0009999),
        (1 / 3, 1 / 3),
        (0, 0),
    ],
)
def test_a_rounded_decimal_becomes_that_decimal(value: float, number: float) -> None:
    """A number equal in float32 to a short decimal becomes that decimal; any other is unchanged."""
    assert decimal(value) == number
