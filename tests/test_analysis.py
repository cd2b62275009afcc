"""Laws of the thin names: each is a reduction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import xarray as xr

from radar_nb.analysis import accumulate, at_points, exceedance
from radar_nb.errors import SeriesError
from radar_nb.frames import Header, write_frame
from radar_nb.reductions import reduce

if TYPE_CHECKING:
    from pathlib import Path

AACHEN = {"Aachen": (6.09, 50.78)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write three frames of RY, of 0.10, 0.20 and 0.30 mm, the first of which belongs to the day before."""
    for number in range(3):
        time = np.datetime64("2020-06-13T00:00", "s") + np.timedelta64(5 * number, "m")
        header = Header(product="RY", time=time, rows=900, cols=900, precision=-2, interval=5)
        (tmp_path / f"{number}").write_bytes(write_frame(header, np.full((900, 900), 10 * number + 10, "u2")))
    return tmp_path


def test_accumulate(folder: Path) -> None:
    """Amounts of all the time, and of each day, which a frame at midnight ends."""
    total = accumulate(folder, progress=False)
    daily = accumulate(folder, "1D", progress=False)

    assert float(total.RY[0, 0]) == pytest.approx(0.6)
    np.testing.assert_allclose(daily.RY[:, 0, 0], [0.1, 0.5], rtol=1e-6)


def test_at_points(folder: Path) -> None:
    """Every step by default, and what `reduce` gives otherwise."""
    series = at_points(folder, AACHEN, progress=False)
    largest = at_points(folder, AACHEN, "max", period="1D", progress=False)

    np.testing.assert_allclose(series.RY[:, 0], [0.1, 0.2, 0.3], rtol=1e-6)
    xr.testing.assert_identical(largest, reduce(folder, "max", points=AACHEN, period="1D", progress=False))


def test_exceedance(folder: Path) -> None:
    """A value that equals the threshold is not below it."""
    counts = exceedance(folder, [0.1, 0.2, 0.3, 0.31], progress=False)

    assert counts.RY[:, 0, 0].values.tolist() == [3, 2, 1, 0]
    assert counts.threshold.attrs["units"] == "mm"


def test_only_amounts_are_accumulated(real_frames: Path) -> None:
    """Reflectivities have no total."""
    with pytest.raises(SeriesError, match="only amounts in mm can be summed"):
        accumulate(real_frames / "raa01-rx_10000-1605290600-dwd---bin", progress=False)
