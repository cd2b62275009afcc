"""Blocks: all steps once, in order, a few at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import pytest
from support.small_rain import rain, showers

from radar_nb.analysis.moving_sums import BLOCK, blocks

if TYPE_CHECKING:
    from radar_nb.runtime.progress import Progress

VALUES = showers(50, 6, 5, missing=0.1)


@pytest.mark.parametrize("chunks", [None, {"time": 1}, {"time": 7, "y": 2}, {"time": -1}])
def test_all_steps_are_returned_once_in_order(chunks: dict[str, int] | None) -> None:
    """All steps are returned, for any size of blocks."""
    variable = rain(VALUES).YW if chunks is None else rain(VALUES).YW.chunk(chunks)
    seen: list[Progress] = []

    parts = list(blocks(variable, "test", progress=seen.append))

    assert [number for steps, _ in parts for number in range(steps.start, steps.stop)] == list(range(50))
    np.testing.assert_array_equal(np.concatenate([values for _, values in parts]), VALUES)
    assert (seen[-1].done, seen[-1].total, seen[-1].task) == (50, 50, "test")


def test_a_block_is_no_larger_than_it_should_be() -> None:
    """Memory does not grow with the series: blocks are cut."""
    variable = rain(np.zeros((100, 500, 500))).YW

    assert max(values.nbytes for _, values in blocks(variable, "test")) <= BLOCK


def test_a_block_is_the_callers() -> None:
    """What a caller does to a block is not done to the Dataset."""
    ds = rain(VALUES)

    for _, values in blocks(ds.YW, "test"):
        values[:] = -1

    np.testing.assert_array_equal(ds.YW.values, VALUES)


def test_an_error_of_reading_is_the_callers() -> None:
    """What fails in the reading thread is raised where the blocks are taken."""
    ones = da.ones(VALUES.shape, dtype="f4")
    broken = rain(VALUES).YW.copy(data=ones.map_blocks(_fail, dtype="f4", meta=VALUES[:0]))

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        list(blocks(broken, "test"))


def _fail(_: object) -> None:
    raise ZeroDivisionError("on purpose")
