"""Cells of KOSTRA-DWD-2020."""

from __future__ import annotations

import numpy as np
import pytest

from radar_nb.dwd.kostra import cells_of, centres_of

PUBLISHED = [
    (6.19, 50.46, 150090),
    (6.785, 51.239, 133099),
    (7.849, 47.996, 206112),
    (7.020, 51.446, 129102),
    (7.619, 51.998, 117111),
    (8.537, 55.069, 49125),
]
"""Longitude, latitude and INDEX_RC: examples of the R package kostra2020 (dimfalk), read on 2026-07-01."""


@pytest.mark.parametrize(("lon", "lat", "cell"), PUBLISHED)
def test_a_point_has_the_published_cell(lon: float, lat: float, cell: int) -> None:
    """Row and column count from the north-west."""
    assert cells_of(lon, lat) == cell


def test_a_centre_lies_in_its_cell() -> None:
    """Numbers and positions of cells agree in both directions."""
    cells = np.array([cell for *_, cell in PUBLISHED])

    np.testing.assert_array_equal(cells_of(*centres_of(cells)), cells)


def test_a_point_far_away_has_no_cell() -> None:
    """Beyond the 300 x 300 cells the number is -1."""
    assert cells_of([-20.0, 10.0], [40.0, 70.0]).tolist() == [-1, -1]
