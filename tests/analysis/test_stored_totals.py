"""Totals written while they are computed: equal values, bounded memory, and safe to interrupt."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr
from support.small_rain import rain, showers

from radar_nb.analysis import stored_totals
from radar_nb.analysis.api import accumulate
from radar_nb.errors import SettingsError
from radar_nb.formats.radolan import Header, write_frame

if TYPE_CHECKING:
    from pathlib import Path

DS = rain(showers(60, 4, 3, missing=0.1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write fourteen frames of RY over midnight."""
    folder = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(8)
    for number in range(14):
        time = np.datetime64("2020-06-13T23:30", "s") + np.timedelta64(5 * number, "m")
        header = Header(product="RY", time=time, rows=450, cols=450, precision=-2, interval=5)
        (folder / f"{number:02d}").write_bytes(write_frame(header, rng.integers(0, 300, (450, 450), np.uint16)))
    return folder


@pytest.mark.parametrize("name", ["hours.zarr", "hours.nc"])
@pytest.mark.parametrize("chunks", [None, {"time": 7}])
def test_a_store_equals_the_returned_totals(name: str, chunks: Any, tmp_path: Path) -> None:
    """A store has the same values, coverage, bounds and attributes, for lazy and loaded Datasets."""
    ds = DS if chunks is None else DS.chunk(chunks)
    expected = accumulate(ds, "1h", min_coverage=0.9).compute()

    found = accumulate(ds, "1h", min_coverage=0.9, store=tmp_path / name)

    xr.testing.assert_equal(found.compute(), expected)
    assert found.YW.attrs["interval_minutes"] == 60
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_archives_are_written_too(folder: Path, tmp_path: Path) -> None:
    """Totals of an archive's days are written, in one pass per run of periods."""
    expected = accumulate(folder, "1D", min_coverage=0, progress=False)

    found = accumulate(folder, "1D", min_coverage=0, store=tmp_path / "days.zarr", progress=False)

    xr.testing.assert_equal(found.compute(), expected)


def test_an_interrupted_call_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written periods are kept, and the next call computes only the rest."""
    monkeypatch.setattr(stored_totals, "_ROOM", 1)  # a period at a time
    store = tmp_path / "hours.zarr"
    read: list[int] = []

    def block(values: Any, block_info: Any = None) -> Any:
        step = block_info[0]["array-location"][0][0] if block_info else 0
        if len(read) == 3 and step >= 36:
            raise KeyboardInterrupt
        read.append(step)
        return values

    fields = DS.YW.chunk(time=12)
    ds = DS.assign(YW=fields.copy(data=fields.data.map_blocks(block, dtype="f4", meta=np.empty((0, 0, 0), "f4"))))
    with pytest.raises(KeyboardInterrupt):
        accumulate(ds, "1h", min_coverage=0, store=store)
    before = len(read)
    read.append(-1)  # from here on no call is interrupted

    found = accumulate(ds, "1h", min_coverage=0, store=store)

    assert sorted(set(read[before + 1 :])) == [36, 48]
    xr.testing.assert_equal(found.compute(), accumulate(DS, "1h", min_coverage=0))


def test_a_complete_store_is_not_computed_again(tmp_path: Path) -> None:
    """The same call a second time returns the store unchanged."""
    first = accumulate(DS, "1h", store=tmp_path / "hours.nc").compute()
    untouched = (tmp_path / "hours.nc").stat().st_mtime_ns

    again = accumulate(DS, "1h", store=tmp_path / "hours.nc")

    xr.testing.assert_identical(again.compute(), first)
    assert (tmp_path / "hours.nc").stat().st_mtime_ns == untouched


@pytest.mark.parametrize("name", ["hours.zarr", "hours.nc"])
def test_a_store_of_another_call_raises(name: str, tmp_path: Path) -> None:
    """Totals of two different calls are never mixed in a store."""
    accumulate(DS, "1h", store=tmp_path / name).close()

    with pytest.raises(SettingsError, match=r"holds the totals of another request: choose another store"):
        accumulate(DS, "2h", store=tmp_path / name)
    with pytest.raises(SettingsError, match=r"store='days.csv' has an unknown suffix: name it"):
        accumulate(DS, "1h", store="days.csv")


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded, although the whole result has 26 MB."""
    monkeypatch.setattr(stored_totals, "_ROOM", 4_400_000)
    fields = da.ones((60, 400, 400), dtype="f4", chunks=(6, 400, 400))
    ds = rain(np.zeros((60, 1, 1))).isel(y=0, x=0, drop=True).YW.expand_dims(y=400, x=400)
    ds = ds.transpose("time", "y", "x").copy(data=fields)
    accumulate(rain(np.ones((12, 1, 1))), "1h", store=tmp_path / "first.zarr")  # imports before the measurement
    tracemalloc.start()
    try:
        accumulate(ds, "15min", store=tmp_path / "quarters.zarr")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 20e6


def test_a_result_too_large_for_memory_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message states the size, the free memory and the remedy; lazy results never raise."""
    monkeypatch.setattr(stored_totals, "_free_memory", lambda: 1000)

    with pytest.raises(SettingsError, match=r"5 periods take 480 B, more than a quarter of the 1.*store=\"days"):
        accumulate(DS, "1h")
    assert accumulate(DS.chunk(time=6), "1h").YW.chunks is not None
