"""Design storms: Euler type II and block rain keep the depths of their table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # as in the package
import pytest

from radar_nb.analysis.design_storms import design_storm
from radar_nb.errors import SettingsError
from radar_nb.exports.api import export

if TYPE_CHECKING:
    from pathlib import Path

DURATIONS = [5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 240]
DEPTHS = pd.DataFrame(
    {
        2: [6.3, 9.0, 10.7, 12.0, 13.9, 16.0, 17.6, 19.9, 21.7, 24.5, 26.7],
        100: [15.9, 22.7, 27.0, 30.2, 34.9, 40.1, 44.1, 50.1, 54.7, 61.8, 67.3],
    },
    index=DURATIONS,
)
"""Invented depths with the curvature of a table of KOSTRA."""


@pytest.mark.parametrize("duration", [15, 60, 120, 240])
def test_an_euler_storm_contains_the_depth_of_each_duration(duration: int) -> None:
    """The largest sum of n consecutive intervals is the table's depth of their duration."""
    amounts = design_storm(DEPTHS, 100, duration).rain.to_numpy()[:, 0]

    for length in (length for length in DURATIONS if length <= duration):
        wettest = max(np.convolve(amounts, np.ones(length // 5), "valid"))
        assert wettest == pytest.approx(DEPTHS[100][length])
    third = max(duration // 15, 1)
    assert amounts.argmax() == third - 1  # the peak ends a third of the duration after the begin
    assert (np.diff(amounts[:third]) >= 0).all()
    assert (np.diff(amounts[third:]) <= 0).all()
    assert amounts.max() == pytest.approx(DEPTHS[100][5])
    assert amounts.sum() == pytest.approx(DEPTHS[100][duration])


def test_an_hour_of_euler_ii_by_hand() -> None:
    """An hour is twelve increments in descending order, the first four of them reversed."""
    table = pd.DataFrame({10: np.cumsum([9, 7, 5, 4, 3.5, 3, 2.5, 2, 1.5, 1, 0.8, 0.6])}, index=range(5, 65, 5))

    amounts = design_storm(table, 10, 60).rain.to_numpy()[:, 0]

    np.testing.assert_allclose(amounts, [4, 5, 7, 9, 3.5, 3, 2.5, 2, 1.5, 1, 0.8, 0.6])


def test_block_rain_is_even() -> None:
    """Every interval has the same share of the depth."""
    storm = design_storm(DEPTHS, 2, 60, shape="block", step=10)

    np.testing.assert_allclose(storm.rain.to_numpy()[:, 0], 17.6 / 6)
    assert storm.rain.attrs["interval_minutes"] == 10


def test_depths_between_durations_are_interpolated_in_logarithms() -> None:
    """The depth of 25 minutes lies on the straight line between 20 and 30 minutes in logarithms."""
    amounts = design_storm(DEPTHS, 100, 25).rain.to_numpy().sum()

    power = np.log(34.9 / 30.2) / np.log(30 / 20)
    assert amounts == pytest.approx(30.2 * (25 / 20) ** power)


def test_a_design_storm_can_be_exported(tmp_path: Path) -> None:
    """A model's file of a design storm has its intervals from the begin on."""
    storm = design_storm(DEPTHS, 100, 60, begin="2026-01-01", name="E100")

    lines = export(storm, tmp_path / "storm.dat", tz="UTC").read_text("ascii").splitlines()

    assert lines[0].startswith("E100 2026 01 01 00 00 ")
    assert len(lines) == 12
    assert sum(float(line.split()[-1]) for line in lines) == pytest.approx(44.1, abs=1e-3)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"return_period": 7}, "return_period=7 is not a column of the table: choose one of 2, 100 years"),
        ({"duration": 7}, "duration=7 is not a multiple of step=5 min"),
        (
            {"duration": 300},
            "durations from 5 to 240 min, and a storm of 300 min in steps of 5 min needs 5 to 300",
        ),
        ({"step": 1}, "steps of 1 min needs 1 to 60 min: choose duration= and step= within it"),
        ({"shape": "euler1"}, "unknown shape='euler1': choose"),
        ({"depths": -DEPTHS}, "do not rise with the duration: pass mm"),
    ],
)
def test_invalid_arguments_raise(options: dict[str, Any], text: str) -> None:
    """Each message has a remedy."""
    with pytest.raises(SettingsError, match=text):
        design_storm(**{"depths": DEPTHS, "return_period": 100, "duration": 60, **options})
