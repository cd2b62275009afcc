"""Blocks: all steps are returned once, in order, a few at a time."""

from __future__ import annotations

import atexit
import gc
import threading
from typing import TYPE_CHECKING

import dask.array as da
import numpy as np
import pytest
from support.small_rain import rain, showers

from radar_nb.analysis.blocks import BLOCK, blocks, in_order, stream_blocks
from radar_nb.cube.frame_stream import open_stream
from radar_nb.errors import RadarNbError
from radar_nb.formats.radolan import Header, write_frame
from radar_nb.reading.dataset import Options
from radar_nb.reading.opening import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.runtime.progress import Progress

VALUES = showers(50, 6, 5, missing=0.1)


def test_reading_leaves_no_threads_behind() -> None:
    """However often chunks are read in other threads, Dask keeps no pool for each of these threads."""
    lazy = rain(VALUES).YW.chunk({"time": 7})
    kept = []

    for _ in range(3):
        for _ in blocks(lazy, "read"):
            pass
        gc.collect()
        kept.append((atexit._ncallbacks(), sum(isinstance(one, threading.Thread) for one in gc.get_objects())))  # noqa: SLF001 - Dask registers each pool there

    assert kept[1] == kept[2]


@pytest.mark.parametrize("chunks", [None, {"time": 1}, {"time": 7, "y": 2}, {"time": -1}])
def test_all_steps_are_returned_once_in_order(chunks: dict[str, int] | None) -> None:
    """All steps are returned, for any size of blocks."""
    variable = rain(VALUES).YW if chunks is None else rain(VALUES).YW.chunk(chunks)
    seen: list[Progress] = []

    parts = list(blocks(variable, "test", progress=seen.append))

    assert [number for steps, _ in parts for number in range(steps.start, steps.stop)] == list(range(50))
    np.testing.assert_array_equal(np.concatenate([values for _, values in parts]), VALUES)
    assert (seen[-1].done, seen[-1].total, seen[-1].task) == (50, 50, "test")


def test_the_size_of_blocks_is_limited() -> None:
    """Blocks are cut, so memory does not grow with the series."""
    variable = rain(np.zeros((100, 500, 500))).YW

    assert max(values.nbytes for _, values in blocks(variable, "test")) <= BLOCK


def test_a_block_can_be_modified() -> None:
    """Changing a block does not change the Dataset."""
    ds = rain(VALUES)

    for _, values in blocks(ds.YW, "test"):
        values[:] = -1

    np.testing.assert_array_equal(ds.YW.values, VALUES)


def test_an_error_of_reading_is_raised_to_the_caller() -> None:
    """An error in the reading thread is raised where the blocks are consumed."""
    ones = da.ones(VALUES.shape, dtype="f4")
    broken = rain(VALUES).YW.copy(data=ones.map_blocks(_fail, dtype="f4", meta=VALUES[:0]))

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        list(blocks(broken, "test"))


def _fail(_: object) -> None:
    raise ZeroDivisionError("on purpose")


# --- frames ---------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write thirty frames of RY; the names of their files do not follow their times."""
    for number in range(30):
        time = np.datetime64("2020-06-13T00:00", "s") + np.timedelta64(5 * number, "m")
        header = Header(product="RY", time=time, rows=450, cols=450, precision=-2, interval=5)
        codes = np.full((450, 450), 10 * number, "u2")
        (tmp_path / f"{number * 7 % 30:02d}").write_bytes(write_frame(header, codes))
    return tmp_path


def test_frames_are_returned_once_in_order_of_time(folder: Path) -> None:
    """For any order of files, frames are returned as codes with their packing, some at a time."""
    stream = open_stream(folder, Options(), progress=False)
    seen: list[Progress] = []

    found = [
        (block.start + row, int(codes[0]), block.packing.scale if block.packing else None)
        for block in stream_blocks(stream, in_order(stream), 0, 30, "test", progress=seen.append)
        for row, codes in enumerate(block.values)
    ]

    assert found == [(number, 10 * number, 0.01) for number in range(30)]
    assert (seen[-1].done, seen[-1].total, seen[-1].task) == (30, 30, "test")


def test_regridded_frames_are_returned_as_amounts(folder: Path) -> None:
    """Regridded values are float32, and missing where the target grid extends further."""
    stream = open_stream(folder, Options(grid="de1100"), progress=False)
    fields = open_dataset(folder, grid="de1100", chunks=None, progress=False).RY

    for block in stream_blocks(stream, in_order(stream), 0, 30, "test"):
        assert block.packing is None
        some = fields[block.start : block.start + len(block.values)].to_numpy()
        np.testing.assert_array_equal(block.values.reshape(some.shape), some)


def test_closing_a_stream_early_ends_its_thread(folder: Path) -> None:
    """Closing a stream early ends its thread; only blocks already being read are finished."""
    stream = open_stream(folder, Options(), progress=False)
    before = threading.active_count()

    taken = stream_blocks(stream, in_order(stream), 0, 30, "test")
    next(taken)
    taken.close()

    assert threading.active_count() == before


def test_a_broken_frame_is_raised_to_the_caller(folder: Path) -> None:
    """An error in the reading thread is raised where the blocks are consumed."""
    stream = open_stream(folder, Options(), progress=False)
    (folder / "07").write_bytes(b"")

    with pytest.raises(RadarNbError):
        list(stream_blocks(stream, in_order(stream), 0, 30, "test"))
