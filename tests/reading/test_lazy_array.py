"""Lazy reading: only the requested part is read, equal to a full read, in any process."""

from __future__ import annotations

import io
import pickle
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support.frames import CDC, YW_MONTH, frame, save

import radar_nb as rn
from radar_nb.errors import SeriesError
from radar_nb.formats import cursor
from radar_nb.formats.streams import Inflater

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

RW_MONTH = f"{CDC}/hourly/radolan/reproc/2017_002/bin/2017/RW2017.002_201712.tar.gz"


class TestChunks:
    """The dask chunks of an archive."""

    def test_no_chunk_crosses_the_end_of_a_day(self, real_mirror: Path) -> None:
        """A task reads one archive of a day: chunks are parts of days."""
        ds = rn.open_dataset(real_mirror / YW_MONTH, progress=False)

        ends = np.cumsum(ds.YW.chunksizes["time"])
        assert {288, 576, 864} <= set(ends.tolist())
        assert all(variable.chunks is None for variable in ds.coords.values())

    def test_chunks_in_any_order_are_inflated_about_once(
        self, real_mirror: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """In any order of dask's tasks, marks prevent inflating a day again for each chunk."""
        monkeypatch.setattr(cursor, "_MARKS", cursor.Marks(limit=2048))
        inflated = []
        original = Inflater.readinto

        def counting(self: Inflater, buffer: memoryview) -> int:
            inflated.append(len(buffer))
            return original(self, buffer)

        monkeypatch.setattr(Inflater, "readinto", counting)
        series = rn.open_dataset(real_mirror / YW_MONTH, progress=False).YW[:, 500, 400]

        series.compute(scheduler="synchronous")

        raw = 864 * 1_980_156
        assert raw < sum(inflated) < 2.5 * raw


class TestAnywhere:
    """Datasets in other processes, and sources that are not paths."""

    def test_a_dataset_pickles(self, real_mirror: Path) -> None:
        """A pickled Dataset reads the same in another process, still lazily."""
        ds = rn.open_dataset(real_mirror / RW_MONTH, progress=False)

        again = pickle.loads(pickle.dumps(ds))  # noqa: S301 - our own bytes

        assert again.RW.chunks == ds.RW.chunks
        xr.testing.assert_identical(again.RW[3].load(), ds.RW[3].load())

    @pytest.mark.filterwarnings("ignore")  # distributed's own, of ports and loops
    def test_workers_of_distributed_read_it(self, real_mirror: Path) -> None:
        """A worker process of dask.distributed computes the same sum as this process."""
        distributed = pytest.importorskip("distributed", reason="distributed is not installed")
        ds = rn.open_dataset(real_mirror / RW_MONTH, progress=False)
        expected = ds.RW.sum("time").compute(scheduler="synchronous")
        with distributed.Client(n_workers=1, threads_per_worker=1, dashboard_address=None):
            found = ds.RW.sum("time").compute()

        xr.testing.assert_identical(found, expected)

    @pytest.mark.parametrize("form", ["path", "text", "bytes", "file", "memory"])
    def test_every_form_of_a_source_is_equal(self, form: str, real_mirror: Path) -> None:
        """A path, its text, bytes and file objects open equally, by our function and as xarray's engine."""
        path = real_mirror / RW_MONTH
        whole = rn.open_dataset(path, chunks=None, progress=False).drop_vars("source")
        some = [0, whole.sizes["time"] // 2, -1]

        def source() -> Any:
            made: dict[str, Callable[[], Any]] = {
                "path": lambda: path,
                "text": lambda: str(path),
                "bytes": path.read_bytes,
                "file": lambda: stack.enter_context(path.open("rb")),
                "memory": lambda: io.BytesIO(path.read_bytes()),
            }
            return made[form]()

        with ExitStack() as stack:
            ours = rn.open_dataset(source(), chunks=None, progress=False)
            engines = xr.open_dataset(source(), engine="radar_nb")

        for found in (ours, engines):
            assert found.sizes == whole.sizes
            few, expected = (ds.isel(time=some).load() for ds in (found.drop_vars("source"), whole))
            xr.testing.assert_identical(few, expected)

    @pytest.mark.parametrize(
        ("name", "ours"),
        [
            ("raa01-rw_10000-1910141450-dwd---bin.gz", True),
            ("raa01-rw_10000-latest-dwd---bin.hdf5", True),
            ("YW2017.002_202006.tar", True),
            ("RW-200506.tar.gz", True),
            ("YW-hdf5-251127.tar.gz", True),
            ("DE1200_RV2210180700.tar.bz2", True),
            ("RQ2002012030_060", True),
            ("era5.nc", False),
            ("photos.tar", False),
            ("any.hdf5", False),
            ("backup-20250101.tar.gz", False),
        ],
    )
    def test_the_engine_claims_only_dwds_files(self, name: str, ours: bool) -> None:
        """`xr.open_dataset` guesses the engine by DWD's names, and leaves others' files to others."""
        from radar_nb.reading.opening import RadarNbBackend

        assert RadarNbBackend().guess_can_open(name) is ours

    @pytest.mark.parametrize(("source", "ours"), [(frame(), True), (b"CDF", False), (io.BytesIO(), False)])
    def test_the_engine_claims_only_bytes_of_a_frame(self, source: object, ours: bool) -> None:
        """Bytes are recognised by their beginning; open files are left to other engines."""
        from radar_nb.reading.opening import RadarNbBackend

        assert RadarNbBackend().guess_can_open(source) is ours

    def test_xarray_guesses_the_engine(self, real_mirror: Path) -> None:
        """`xr.open_dataset` opens an archive of DWD without `engine=`."""
        ds = xr.open_dataset(real_mirror / RW_MONTH)

        assert list(ds.data_vars) == ["RW"]

    def test_chunks_of_the_engine_are_ours(self, real_mirror: Path) -> None:
        """`chunks={}` returns the chunks that fit the archive."""
        ds = xr.open_dataset(real_mirror / YW_MONTH, engine="radar_nb", chunks={})

        assert ds.YW.chunksizes == rn.open_dataset(real_mirror / YW_MONTH, progress=False).YW.chunksizes


class TestForms:
    """Packed integers, flags and floats."""

    def test_packed_and_flags_are_the_code(self, real_mirror: Path) -> None:
        """Packed value and flags together equal the code in the file."""
        ds = rn.open_dataset(real_mirror / RW_MONTH, packed=True, flags=True, chunks=None, progress=False)
        some = ds.isel(time=1).load()

        floats = rn.open_dataset(real_mirror / RW_MONTH, chunks=None, progress=False).isel(time=1).load()

        missing = (some.flags & 2).values > 0
        assert 0 < missing.sum() < missing.size
        np.testing.assert_array_equal(some.RW.attrs["_FillValue"] == some.RW, missing)
        np.testing.assert_array_equal(np.isnan(floats.RW), missing)
        values = some.RW.values[~missing] * some.RW.attrs["scale_factor"]
        np.testing.assert_array_equal(values, floats.RW.values[~missing])
        assert some.RW.dtype == np.uint16

    def test_unread_frames_stay_unread(self, tmp_path: Path) -> None:
        """Opening and selecting read no frame; computing after a change of the file raises."""
        folder = save(tmp_path, frame(), frame("2020-06-13T15:30"))
        cut = rn.open_dataset(folder, progress=False).YW[1:, :5, :5]
        (folder / "frame-001").write_bytes(frame("2020-06-13T15:30", fill=9) + b"more")

        with pytest.raises(SeriesError, match="frame-001 has changed since it was opened"):
            cut.compute()
