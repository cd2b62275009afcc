"""Opening frames, folders and archives as one Dataset, equal to wradlib's."""

from __future__ import annotations

import bz2
import gzip
import io
import pickle
import warnings
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pyproj
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from support.frames import CDC, REAL_NAMES, YW_MONTH, frame, save, tar

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS
from radar_nb.errors import (
    ArchiveError,
    FrameError,
    HeaderError,
    NothingFound,
    SeriesError,
    SettingsError,
    TruncatedFrame,
    UnknownGrid,
    UnknownProduct,
)
from radar_nb.formats.radolan import NO_DATA_CODE, SYNTHETIC, Header, write_frame
from radar_nb.reading.wradlib_template import grid_coords

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.dwd.grids import Grid


def by_wradlib(path: Path) -> xr.Dataset:
    """Open a file with wradlib, whatever its compression."""
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wradlib's three fill values
        with xr.open_dataset(io.BytesIO(data), engine="radolan") as ds:
            return ds.load()


@pytest.mark.parametrize("grid", GRIDS.values(), ids=lambda grid: grid.name)
def test_coordinates_of_every_grid_are_wradlibs(grid: Grid) -> None:
    """Cell centres and attributes of the projection are identical to those of wradlib for a frame of the grid."""
    header = Header(
        product="RX",
        time=np.datetime64("2020-01-01T00:00", "s"),
        rows=grid.rows,
        cols=grid.cols,
        precision=0,
        interval=5,
        version=5 if grid.earth == "wgs84" else 3,
    )
    data = io.BytesIO(write_frame(header, np.zeros(grid.shape, np.uint8)))

    ours = grid_coords(grid)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # wradlib's three fill values
        with xr.open_dataset(data, engine="radolan") as theirs:
            np.testing.assert_array_equal(ours["x"], theirs.x)
            np.testing.assert_array_equal(ours["y"], np.sort(theirs.y))
            for name in ("x", "y"):
                assert ours[name].attrs == {**theirs[name].attrs, "axis": name.upper()}
            assert ours["crs"].attrs == {
                **theirs.crs.attrs,
                "long_name": "DWD's polar stereographic projection",
                "latitude_of_projection_origin": 90.0,
            }


@pytest.fixture(scope="module")
def yw(real_mirror: Path) -> xr.DataArray:
    """Return the real YW archive, opened lazily."""
    return rn.open_dataset(real_mirror / YW_MONTH, chunks=None, progress=False)["YW"]


class TestRealFiles:
    """Files published by DWD."""

    def test_the_corpus_is_complete(self, real_frames: Path) -> None:
        """Every available real file is tested."""
        assert {path.name for path in real_frames.iterdir()} == set(REAL_NAMES)

    @pytest.mark.parametrize("name", REAL_NAMES)
    def test_values_equal_wradlibs(self, real_frames: Path, name: str) -> None:
        """Every real file has wradlib's values, in mm/h where wradlib returns mm/h, and the same missing cells."""
        ds = rn.open_dataset(real_frames / name, progress=False)
        reference = by_wradlib(real_frames / name).sortby("y")
        (ours,) = ds.data_vars.values()
        theirs = reference["ACRR" if "ACRR" in reference else str(ours.name)]

        values = rn.to_rate(ours) if theirs.attrs["unit"] == "mm h-1" else ours

        np.testing.assert_allclose(values[0], theirs, rtol=2e-7, atol=0)  # an ulp of float32
        assert values.attrs["units"] == theirs.attrs["unit"].replace("mm h-1", values.attrs["units"])

    @pytest.mark.parametrize("name", REAL_NAMES)
    def test_coordinates_and_time_equal_wradlibs(self, real_frames: Path, name: str) -> None:
        """x, y, projection and time equal wradlib's; y always ascends."""
        ds = rn.open_dataset(real_frames / name, progress=False)
        reference = by_wradlib(real_frames / name).sortby("y")

        np.testing.assert_array_equal(ds.x, reference.x)
        np.testing.assert_array_equal(ds.y, reference.y)
        crs = reference["crs" if "crs" in reference else "crs_wkt"]
        assert pyproj.CRS(ds.crs.attrs["crs_wkt"]) == pyproj.CRS(crs.attrs["crs_wkt"])
        assert ds.time.values[0] == reference.time.values[0]

    @pytest.mark.parametrize(
        ("path", "name"),
        [
            (YW_MONTH, "raa01-yw2017.002_10000-2006131525-dwd---bin"),
            (
                f"{CDC}/hourly/radolan/reproc/2017_002/bin/2017/RW2017.002_201712.tar.gz",
                "raa01-rw2017.002_10000-1712310850-dwd---bin",
            ),
            (
                f"{CDC}/hourly/radolan/historical/bin/2019/RW201910.tar.gz",
                "raa01-rw_10000-1910141450-dwd---bin",
            ),
            (f"{CDC}/daily/radolan/historical/bin/2016/SF201605.tar.gz", "raa01-sf_10000-1605010450-dwd---bin"),
            ("weather/radar/radolan/ry", "raa01-ry_10000-1910182355-dwd---bin"),
        ],
    )
    def test_archives_equal_their_frames(self, real_mirror: Path, real_frames: Path, path: str, name: str) -> None:
        """A frame in an archive of any nesting equals the frame as a file."""
        single = rn.open_dataset(real_frames / name, progress=False)

        same = rn.open_dataset(real_mirror / path, sums="all", progress=False).sel(time=single.time)

        xr.testing.assert_equal(same.drop_vars("source").load(), single.drop_vars("source").load())

    def test_the_partly_filled_month(self, yw: xr.DataArray) -> None:
        """A partly filled month opens with exactly its 864 frames in order of time."""
        expected = np.datetime64("2020-06-12", "m") + 5 * np.arange(864)

        np.testing.assert_array_equal(yw.time.values.astype("datetime64[m]"), expected)


class TestDataset:
    """The form of the Dataset, for every source."""

    def test_amounts_are_described(self, tmp_path: Path) -> None:
        """A rain product has mm, CF's name and cell method, its interval and its projection."""
        ds = rn.open_dataset(save(tmp_path, frame()), progress=False)

        assert ds.YW.attrs["units"] == "mm"
        assert ds.YW.attrs["standard_name"] == "lwe_thickness_of_precipitation_amount"
        assert ds.YW.attrs["cell_methods"] == "time: sum"
        assert ds.YW.attrs["interval_minutes"] == 5
        assert ds.YW.attrs["grid_mapping"] in ds.coords
        assert float(ds.YW.max()) == pytest.approx(0.07)

    def test_time_is_the_end_of_the_interval(self, tmp_path: Path) -> None:
        """`time_bnds` run from one interval before the stamp to the stamp."""
        ds = rn.open_dataset(save(tmp_path, frame("2020-01-01T00:00")), progress=False)

        begin, end = ds.time_bnds.values[0]
        assert end == ds.time.values[0] == np.datetime64("2020-01-01T00:00")
        assert begin == np.datetime64("2019-12-31T23:55")

    def test_local_time_zones_change_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Times are UTC on a machine that is set to German time, too."""
        monkeypatch.setenv("TZ", "Europe/Berlin")

        ds = rn.open_dataset(save(tmp_path, frame("2020-03-29T02:30")), progress=False)

        assert ds.time.values[0] == np.datetime64("2020-03-29T02:30")

    def test_rates_and_amounts_are_inverse(self, tmp_path: Path) -> None:
        """An hour at the rate of a 5-minute amount brings twelve times the amount."""
        amount = rn.open_dataset(save(tmp_path, frame(fill=100)), progress=False)["YW"]

        rate = rn.to_rate(amount)

        assert rate.attrs["units"] == "mm h-1"
        np.testing.assert_allclose(rate, 12 * amount)
        with pytest.raises(SeriesError, match="not an amount in mm with a known interval"):
            rn.to_rate(rate)

    @pytest.mark.parametrize("minutes", [1008, 2016, 3024, 4320])
    def test_weeks_count_tens_of_minutes(self, tmp_path: Path, minutes: int) -> None:
        """Sums over weeks cover ten times the number of minutes in their header."""
        name = f"W{(1008, 2016, 3024, 4320).index(minutes) + 1}"
        data = frame(product=name, rows=900, cols=900, precision=-1, interval=minutes)

        ds = rn.open_dataset(save(tmp_path, data), progress=False)

        assert np.ptp(ds.time_bnds.values[0]) == np.timedelta64(10 * minutes, "m")

    def test_a_true_25_mm_is_kept(self, tmp_path: Path) -> None:
        """24.90 and 25.00 mm are values, although wradlib takes them for missing; only the flag decides."""
        codes = np.full((1100, 900), 12, "u2")
        codes[0, :3] = 2490, 2500, NO_DATA_CODE
        header = Header(
            product="YW", time=np.datetime64("2020-06-13", "s"), rows=1100, cols=900, precision=-2, interval=5
        )

        values = rn.open_dataset(save(tmp_path, write_frame(header, codes)), progress=False)["YW"][0, 0, :3]

        np.testing.assert_allclose(values, [24.9, 25.0, np.nan])

    def test_clutter_is_kept_or_masked(self, tmp_path: Path) -> None:
        """Cells flagged as clutter keep their value, as in wradlib, unless masked."""
        folder = save(tmp_path, frame(fill=0x8000 | 30))

        kept = rn.open_dataset(folder, progress=False)["YW"]
        masked = rn.open_dataset(folder, clutter="mask", progress=False)["YW"]

        assert float(kept.min()) == pytest.approx(0.3)
        assert bool(masked.isnull().all())

    def test_forecasts_state_their_valid_time(self, tmp_path: Path) -> None:
        """A forecast's time is its base time, its prediction time the end of its interval."""
        data = frame(product="RQ", rows=900, cols=900, precision=-1, interval=60, lead=60)

        ds = rn.open_dataset(save(tmp_path, data), progress=False)

        assert ds.prediction_time.values[0] - ds.time.values[0] == np.timedelta64(60, "m")
        assert ds.time_bnds.values[0, 1] == ds.prediction_time.values[0]

    def test_synthetic_data_are_marked(self, tmp_path: Path) -> None:
        """Synthetic frames are not presented as DWD's, neither in the attributes nor on a map."""
        ds = rn.open_dataset(save(tmp_path, frame(software=SYNTHETIC)), progress=False)

        assert ds.attrs["title"].startswith("synthetic RADOLAN YW")
        assert ds.attrs["institution"] == "none: made up by radar_nb"
        assert any("Synthetic" in text.get_text() for text in rn.plot(ds.YW).texts)
        plt.close("all")

    @pytest.mark.parametrize("name", [REAL_NAMES[-1], "raa01-rx_10000-1605290600-dwd---bin", REAL_NAMES[6]])
    def test_a_dataset_survives_netcdf(self, tmp_path: Path, real_frames: Path, name: str) -> None:
        """Float32 values, coordinates and units are equal, with the original packing."""
        ds = rn.open_dataset(real_frames / name, progress=False)
        (variable,) = ds.data_vars.values()

        ds.to_netcdf(tmp_path / "field.nc")

        with xr.open_dataset(tmp_path / "field.nc", decode_coords="all") as again:
            xr.testing.assert_equal(again.load(), ds.load())
            same = again[variable.name]
            assert same.dtype == np.dtype("float32")
            assert same.encoding["dtype"] == variable.encoding["dtype"]
            assert same.attrs == {key: value for key, value in variable.attrs.items() if key != "grid_mapping"}
            assert again.attrs == ds.attrs


class TestSeries:
    """Several frames."""

    def test_order_of_files_does_not_matter(self, tmp_path: Path) -> None:
        """Time ascends, however the files are named."""
        folder = save(
            tmp_path, frame("2020-06-13T00:10", 3), frame("2020-06-13T00:00", 1), frame("2020-06-13T00:05", 2)
        )

        ds = rn.open_dataset(folder, progress=False)

        np.testing.assert_allclose(ds.YW[:, 0, 0], [0.01, 0.02, 0.03])

    def test_the_later_of_doubled_frames_is_used(self, tmp_path: Path) -> None:
        """Of two frames of one time the later file is used, and the attributes say so."""
        folder = save(tmp_path, frame(fill=1), frame(fill=2))

        ds = rn.open_dataset(folder, progress=False)

        assert ds.sizes["time"] == 1
        assert float(ds.YW.max()) == pytest.approx(0.02)
        assert ds.attrs["frames_doubled"] == 1
        assert "frame-000 (taken: " in ds.attrs["doubled"]

    def test_gaps_are_listed_and_filled_only_on_request(self, tmp_path: Path) -> None:
        """A missing step is counted and named; if filled, it is missing and not zero."""
        times = ("2020-06-13T00:00", "2020-06-13T00:05", "2020-06-13T00:10", "2020-06-13T00:20")
        folder = save(tmp_path, *(frame(time) for time in times))

        ds = rn.open_dataset(folder, progress=False)
        filled = rn.open_dataset(folder, fill_gaps=True, progress=False)

        assert ds.sizes["time"] == 4
        assert (ds.attrs["frames_missing"], ds.attrs["gaps"]) == (1, "2020-06-13T00:15:00")
        assert filled.sizes["time"] == 5
        assert bool(filled.YW.sel(time="2020-06-13T00:15").isnull().all())
        assert int(filled.YW.isnull().all(("y", "x")).sum()) == 1

    def test_variables_choose_among_products(self, tmp_path: Path) -> None:
        """One of two products in a source can be opened; one that is absent raises."""
        folder = save(tmp_path, frame(), frame(product="RY", rows=900, cols=900))

        assert list(rn.open_dataset(folder, variables="ry", progress=False).data_vars) == ["RY"]
        with pytest.raises(SeriesError, match=r"no frame of SF: it holds RY, YW"):
            rn.open_dataset(folder, variables=["SF"], progress=False)

    @pytest.mark.parametrize(
        ("other", "text"),
        [
            (
                {"product": "RY", "rows": 900, "cols": 900},
                r"the source holds 2 products, RY \(1 frame\), YW \(1 frame\): .*variables=",
            ),
            (
                {"rows": 900, "cols": 900},
                "frame-001 is YW of 5 min on 900 x .*frame-000, which is YW of 5 min on 1100 x .*T15:30:00.*grid=",
            ),
            (
                {"precision": -1},
                "frame-001 .*steps of 1e-1.*frame-000, which is YW of 5 min on 1100 x 900 cells.*one by one",
            ),
        ],
    )
    def test_mixed_frames_are_refused(self, tmp_path: Path, other: dict[str, Any], text: str) -> None:
        """Frames of two products, grids or units raise; the error names both, and the choices."""
        folder = save(tmp_path, frame(), frame("2020-06-13T15:30", **other))

        with pytest.raises(SeriesError, match=rf"(?s){text}"):
            rn.open_dataset(folder, progress=False)


class TestLaziness:
    """Lazy reading: which parts are read, and when."""

    @settings(deadline=None, max_examples=25)
    @given(data=st.data())
    def test_any_selection_equals_the_selection_of_all(self, yw: xr.DataArray, data: st.DataObject) -> None:
        """Integers, slices with steps, and lists along every dimension return the same as NumPy."""
        part = yw.isel(time=slice(160, 190, 6))
        values = np.asarray(part.values)
        index = st.one_of(
            st.integers(-5, 4), slices(5), st.lists(st.integers(0, 4), min_size=1, max_size=3).map(np.array)
        )
        time = data.draw(index)
        row, col = (data.draw(st.integers(-size, size - 1) | slices(size)) for size in part.shape[1:])

        np.testing.assert_array_equal(part[time, row, col], values[time][..., row, :][..., col])

    def test_chunks_are_parts_of_a_day(self, real_mirror: Path) -> None:
        """Dask chunks hold whole fields, at most 256 MB; None avoids dask; a mapping is obeyed."""
        path = real_mirror / YW_MONTH
        auto = rn.open_dataset(path, progress=False)["YW"]
        own = rn.open_dataset(path, chunks={"time": 12}, progress=False)["YW"]

        assert auto.chunks is not None
        assert own.chunks is not None
        assert max(auto.chunks[0]) * 1100 * 900 * 4 <= 256 << 20
        assert auto.chunks[1:] == ((1100,), (900,))
        assert set(own.chunks[0]) == {12}
        assert rn.open_dataset(path, chunks=None, progress=False)["YW"].chunks is None

    def test_a_dataset_can_be_pickled(self, yw: xr.DataArray) -> None:
        """A lazy Dataset can be pickled, and is lazy and equal on the other side."""
        there = pickle.loads(pickle.dumps(yw[3:4, :10]))  # noqa: S301 - our own bytes

        xr.testing.assert_identical(there.load(), yw[3:4, :10].load())

    def test_xarrays_engine_is_the_same_reader(self, real_frames: Path) -> None:
        """`xr.open_dataset(engine="radar_nb")` returns the same as `open_dataset`."""
        path = real_frames / REAL_NAMES[-1]

        by_engine = xr.open_dataset(path, engine="radar_nb", drop_variables="crs")

        xr.testing.assert_identical(
            by_engine.load(), rn.open_dataset(path, progress=False).drop_vars("crs").load()
        )


class TestSources:
    """Sources that can be opened."""

    def test_every_nesting_of_a_frame(self, tmp_path: Path) -> None:
        """Plain, gzip, bzip2, tar, tar.gz, tar.bz2 and a tar of tar.gz open as the same Dataset, by any name."""
        data = frame()
        packed = {
            "plain": data,
            "gz": gzip.compress(data),
            "bz2": bz2.compress(data),
            "tar": tar({"a": data}),
            "targz": gzip.compress(tar({"a": data})),
            "tarbz2": bz2.compress(tar({"a": data})),
            "gzintargz": gzip.compress(tar({"a.gz": gzip.compress(data)})),
            "month": tar({"day.tar.gz": gzip.compress(tar({"a": data}))}),
        }
        for name, content in packed.items():
            (tmp_path / name).write_bytes(content)
        reference = rn.open_dataset(tmp_path / "plain", progress=False).drop_vars("source").load()

        for name in packed:
            same = rn.open_dataset(tmp_path / name, progress=False).load()
            assert same.source.item() == name
            xr.testing.assert_identical(same.drop_vars("source"), reference)

    def test_folders_globs_and_lists(self, tmp_path: Path) -> None:
        """A folder is searched recursively; globs and lists are combined; notes and parts are ignored."""
        save(tmp_path / "a", frame("2020-06-13T00:00"))
        save(tmp_path / "b" / "c", frame("2020-06-13T00:05"))
        (tmp_path / "a" / "x.tar.part").write_bytes(b"half")
        (tmp_path / "a" / "x.tar.meta.json").write_text("{}", encoding="utf-8")
        (tmp_path / ".hidden").write_bytes(b"?")

        for source in (tmp_path, str(tmp_path / "**" / "frame-*"), [tmp_path / "a", tmp_path / "b"]):
            assert rn.open_dataset(source, progress=False).sizes["time"] == 2

    def test_an_extracted_folder_does_not_double_its_archive(self, tmp_path: Path) -> None:
        """A folder of frames is ignored next to its archive."""
        (tmp_path / "RY.tar.gz").write_bytes(gzip.compress(tar({"a": frame()})))
        save(tmp_path / "RY", frame())

        assert rn.open_dataset(tmp_path, progress=False).attrs["frames_doubled"] == 0
        assert rn.open_dataset(tmp_path / "RY", progress=False).sizes["time"] == 1


class TestBadInput:
    """Each error names the file, the reason and the remedy."""

    def test_missing_files(self, tmp_path: Path) -> None:
        """A nonexistent path, an empty folder and a glob without a match raise different errors."""
        with pytest.raises(NothingFound, match="nowhere does not exist: check the path"):
            rn.open_dataset(tmp_path / "nowhere")
        with pytest.raises(NothingFound, match=r"there is no file in .*: download some months first"):
            rn.open_dataset(tmp_path)
        with pytest.raises(NothingFound, match=r"there is no file in .*\*\.tar"):
            rn.open_dataset(tmp_path / "*.tar")

    @pytest.mark.parametrize("source", [None, 3])
    def test_invalid_sources(self, source: Any) -> None:
        """An unset variable raises a clear error, not that it is not iterable."""
        with pytest.raises(SettingsError, match=rf"{source} is not a data source: pass a path, several paths"):
            rn.open_dataset(source)

    @pytest.mark.parametrize(
        ("data", "error", "text"),
        [
            (frame()[:-1000], TruncatedFrame, r"has 1,979,075 bytes where its header says"),
            (frame() + b"\r", (HeaderError, TruncatedFrame), r"bytes where its header says"),
            (frame()[:60], FrameError, "fetch"),
            (frame().replace(b"GP1100x 900", b"GP    x    ", 1), HeaderError, "lacks GP"),
            (b"<html><body>Login</body></html>", (ArchiveError, FrameError, ValueError), "web page"),
            (b"", (ArchiveError, FrameError), "is empty"),
            (b"\x00" * 3000, (ArchiveError, FrameError), "is not an archive or a frame"),
            (frame(rows=700, cols=700), UnknownGrid, "a grid of 700 x 700 cells is unknown"),
            (
                frame(product="QQ"),
                UnknownProduct,
                "of the product QQ, whose unit and meaning",
            ),
        ],
        ids=["short", "long", "stump", "no grid", "web page", "empty", "zeros", "unknown grid", "unknown product"],
    )
    def test_broken_frames(self, tmp_path: Path, data: bytes, error: type[Exception], text: str) -> None:
        """The error names an unreadable frame."""
        (tmp_path / "broken").write_bytes(data)

        with pytest.raises(error, match=text) as caught:
            rn.open_dataset(tmp_path / "broken", progress=False)

        assert str(tmp_path / "broken") in str(caught.value)

    def test_all_broken_files_are_named(self, tmp_path: Path) -> None:
        """Two broken files among good ones are both in the message."""
        folder = save(tmp_path, frame(), frame()[:-1], frame("2020-06-13T15:30"), frame()[:-2])

        with pytest.raises(FrameError, match=r"(?s)2 files or members are wrong.*:.*frame-001.*frame-003"):
            rn.open_dataset(folder, progress=False)


def slices(size: int) -> st.SearchStrategy[slice]:
    """Draw slices; xarray itself fails on an empty one that runs backwards."""
    return st.slices(size).filter(lambda index: range(*index.indices(size)) or (index.step or 1) > 0)
