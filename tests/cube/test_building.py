"""Building cubes: equal to their archives, complete at any moment, and extended without loss."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support.cubes import HOURS, archive, files, frame
from support.full_disks import forbid_writing, small_disk

from radar_nb.cube.building import build_cube
from radar_nb.cube.checking import repair_cube, verify_cube
from radar_nb.cube.opening import cube_coverage, open_cube
from radar_nb.errors import (
    CubeError,
    DamagedShard,
    DiskFull,
    Incomplete,
    NothingFound,
    NotWritable,
    SeriesError,
    SettingsError,
    StorageError,
    TruncatedArchive,
)
from radar_nb.formats.cursor import frame_codes
from radar_nb.formats.odim import write_composite
from radar_nb.formats.radolan import Header, write_frame
from radar_nb.reading.opening import open_dataset

if TYPE_CHECKING:
    from radar_nb.runtime.report import Report

STAMP = np.datetime64("2026-06-13T15:50", "s")
CDC = "climate_environment/CDC/grids_germany"
DAYS = ("2019-10-14", "2019-10-15", "2019-10-17")


def built(source: Any, store: Any, **options: Any) -> Report:
    """Build in threads, silently."""
    return build_cube(source, store, client=False, progress=False, **options)


def states(report: Report) -> dict[str, str]:
    """Return the outcome of each day."""
    return {outcome.name: outcome.state for outcome in report.outcomes}


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an archive of three days, with a day between them missing."""
    return archive(tmp_path_factory.mktemp("archives") / "RW201910.tar.gz", DAYS)


@pytest.fixture(scope="module")
def cube(hours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a cube of it, with flags; read-only."""
    folder = tmp_path_factory.mktemp("cubes") / "RW"
    built(hours, folder, flags=True)
    return folder


@pytest.fixture
def copy(cube: Path, tmp_path: Path) -> Path:
    """Return a writable copy of the cube."""
    return shutil.copytree(cube, tmp_path / "cube")


def shard(cube: Path, day: str, array: str = "RW") -> Path:
    """Return the file of a day."""
    number = (np.datetime64(day, "D") - np.datetime64(day[:4], "D")).astype(int)
    return cube / array / f"c.{number}.0.0"


class TestOpening:
    """A cube as a Dataset."""

    @pytest.mark.parametrize("options", [{}, {"packed": True}, {"fill_gaps": True}, {"flags": True}])
    @pytest.mark.parametrize("chunks", ["auto", None])
    def test_equals_the_archives(self, hours: Path, cube: Path, options: Any, chunks: Any) -> None:
        """Values, coordinates and attributes are those of `open_dataset`, lazily or not."""
        expected = open_dataset(hours, chunks=None, progress=False, **options)

        ds = open_cube(cube, chunks=chunks, **options)

        some = np.unique(np.linspace(0, ds.sizes["time"] - 1, 12).astype(int))  # all but where gaps are filled
        xr.testing.assert_identical(ds.isel(time=some).load(), expected.isel(time=some).load())
        xr.testing.assert_identical(ds.time, expected.time)
        for name in ("RW", "time"):
            ours, theirs = (dict(one[name].encoding) for one in (ds, expected))
            assert ours.pop("preferred_chunks", None) is None or theirs.pop("preferred_chunks")
            assert ours.pop("chunks", None) is None or True
            assert {k: v for k, v in theirs.items() if k in ours} == {k: ours[k] for k in theirs if k in ours}

    @pytest.mark.parametrize(
        "source",
        [
            f"{CDC}/hourly/radolan/reproc/2017_002/bin/2017/RW2017.002_201712.tar.gz",
            f"{CDC}/hourly/radolan/recent/bin",
            f"{CDC}/daily/radolan/historical/bin/2016/SF201605.tar.gz",
            "weather/radar/radolan/ry",
        ],
    )
    def test_equals_real_archives(self, real_mirror: Path, tmp_path: Path, source: str) -> None:
        """Months of hours and days, loose files, compressed ones: all that DWD publishes in binary."""
        built(real_mirror / source, tmp_path / "cube", flags=True)

        ds, expected = open_cube(tmp_path / "cube", flags=True), open_dataset(real_mirror / source, flags=True)

        some = np.unique(np.linspace(0, ds.sizes["time"] - 1, 12).astype(int))
        xr.testing.assert_identical(ds.isel(time=some).load(), expected.isel(time=some).load())

    @pytest.mark.parametrize(
        "name", ["raa01-rx_10000-1605290600-dwd---bin", "raa01-rw_10000-latest-dwd---bin.hdf5"]
    )
    def test_equals_other_codes(self, real_frames: Path, tmp_path: Path, name: str) -> None:
        """Codes of one byte, and of HDF5 files with their own steps, are equal, too."""
        built(real_frames / name, tmp_path / "cube")

        ds, expected = open_cube(tmp_path / "cube"), open_dataset(real_frames / name)

        xr.testing.assert_identical(ds.load(), expected.load())

    @pytest.mark.parametrize(
        "key",
        [
            {"time": 3},
            {"y": 225, "x": 225},
            {"time": slice(1, 9), "y": slice(95, 210), "x": slice(0, 450, 7)},
            {"time": [8, 0, 3, 3], "y": [1, 0, 449]},
            {"time": slice(None, None, -1), "x": -1},
            {"time": slice(3, 3)},
        ],
    )
    def test_any_index_returns_the_same_values(self, hours: Path, cube: Path, key: Any) -> None:
        """Any index of the lazy array returns the same as the loaded one."""
        expected = open_dataset(hours, chunks=None, progress=False).RW.load().isel(key)

        xr.testing.assert_identical(open_cube(cube, chunks=None).RW.isel(key).load(), expected)

    def test_chunks_follow_the_shards(self, cube: Path) -> None:
        """No dask chunk crosses the end of a day, and each follows the chunks of the cube."""
        ds = open_cube(cube)

        assert ds.RW.chunks[0] == (4, 4, 4)
        assert all(first % 100 == 0 for first in np.cumsum(ds.RW.chunks[1])[:-1])

    def test_plain_xarray_reads_a_cube(self, hours: Path, cube: Path) -> None:
        """Plain xarray returns the same values in float64, decimal steps of the codes, and the flags."""
        expected = open_dataset(hours, chunks=None, flags=True, progress=False).isel(time=[0, 5, 11]).load()

        with xr.open_zarr(cube, consolidated=False, chunks=None) as ds:
            plain = ds.sel(time=expected.time).load()

        np.testing.assert_allclose(plain.RW, expected.RW, rtol=3e-7)
        np.testing.assert_array_equal(plain.RW >= 0.1, np.float32(0.1) <= expected.RW)
        np.testing.assert_array_equal(plain.flags, expected.flags)
        np.testing.assert_array_equal(plain.time_bnds, expected.time_bnds)
        assert plain.RW.attrs["grid_mapping"] in plain.coords

    def test_kinds_of_gaps_are_distinguished(self, cube: Path) -> None:
        """A day never built, a missing frame, and cells without data are distinct."""
        coverage = cube_coverage(cube)

        by_day = coverage.state.groupby("time.day").map(lambda day: day.max())
        assert by_day.sel(day=[14, 16]).values.tolist() == [2, 0]
        assert int((coverage.state == 2).sum()) == len(DAYS) * len(HOURS)
        assert int((coverage.state == 1).sum()) == len(DAYS) * (24 - len(HOURS))
        there = coverage.data.where(coverage.state == 2, drop=True)
        np.testing.assert_allclose(there, 1 - 210 * 210 / 450**2, rtol=1e-6)
        assert bool(coverage.data.isnull()[coverage.state != 2].all())

    def test_hours_that_end_early_keep_their_stamps(self, tmp_path: Path) -> None:
        """An hour that ends at minute 45, as some of RW's first years, keeps its time."""
        source = archive(tmp_path / "RW200506.tar.gz", ["2005-06-03"], hours=["01:45", "02:45", "03:50"])
        built(source, tmp_path / "cube")

        ds = open_cube(tmp_path / "cube")

        xr.testing.assert_identical(ds.load(), open_dataset(source).load())
        assert str(ds.time.values[1])[:16] == "2005-06-03T02:45"

    @pytest.mark.parametrize("layout", ["maps", "series"])
    def test_layouts_hold_the_same_values(self, hours: Path, cube: Path, tmp_path: Path, layout: Any) -> None:
        """The layout of a cube changes no value."""
        built(hours, tmp_path / "cube", layout=layout)

        xr.testing.assert_identical(open_cube(tmp_path / "cube").load(), open_cube(cube).load())


class TestExtending:
    """A second build."""

    def test_keeps_existing_days(self, hours: Path, copy: Path) -> None:
        """A second build without new frames writes nothing."""
        before = {path: path.stat().st_mtime_ns for path in copy.rglob("*")}

        report = built(hours, copy)

        assert set(states(report).values()) == {"kept"}
        assert {path: path.stat().st_mtime_ns for path in copy.rglob("*")} == before

    def test_adds_only_missing_days(self, hours: Path, copy: Path, tmp_path: Path) -> None:
        """A new archive adds its days, and the others are not changed."""
        before = files(copy)
        more = archive(tmp_path / "RW201911.tar.gz", ["2019-11-01"], seed=50)

        report = built([hours, more], copy)

        assert states(report) == dict.fromkeys(DAYS, "kept") | {"2019-11-01": "done"}
        assert {name: data for name, data in files(copy).items() if name in before} == before
        xr.testing.assert_identical(open_cube(copy).load(), open_dataset([hours, more]).load())

    def test_a_reissued_archive_replaces_its_days(self, hours: Path, copy: Path, tmp_path: Path) -> None:
        """An archive of the same name with other bytes replaces its days, even with fewer frames."""
        reissued = archive(tmp_path / hours.name, DAYS[:2], hours=HOURS[:3], seed=90)

        report = built(reissued, copy)

        assert states(report) == dict.fromkeys(DAYS[:2], "done")
        later = open_cube(copy).sel(time=slice(None, "2019-10-15"))
        np.testing.assert_array_equal(later.RW, open_dataset(reissued).RW)

    def test_another_source_removes_no_frame(self, copy: Path, tmp_path: Path) -> None:
        """A source with fewer frames of a day keeps the cube's day and reports it; overwrite=True replaces it."""
        before = files(copy)
        (tmp_path / "one").write_bytes(frame("2019-10-14T00:50"))

        report = built(tmp_path / "one", copy)

        assert "holds 3 frames that the source lacks" in report.outcomes[0].notes[1]
        assert files(copy) == before
        assert built(tmp_path / "one", copy, overwrite=True).outcomes[0].state == "done"

    def test_a_damaged_day_is_rewritten(self, hours: Path, copy: Path) -> None:
        """A truncated shard counts as missing."""
        before = files(copy)
        os.truncate(shard(copy, DAYS[1]), 1000)

        report = built(hours, copy)

        assert states(report) == dict.fromkeys(DAYS, "kept") | {DAYS[1]: "done"}
        assert files(copy) == before

    def test_threads_change_no_byte(self, hours: Path, cube: Path, tmp_path: Path) -> None:
        """The cube is the same regardless of the builders and their order."""
        built(hours, tmp_path / "cube", flags=True, workers=5)

        assert files(tmp_path / "cube") == files(cube)

    def test_two_at_once_build_one_cube(self, hours: Path, cube: Path, tmp_path: Path) -> None:
        """Each day has one writer; the other waits for it and keeps its result."""
        with ThreadPoolExecutor() as pool:
            reports = list(pool.map(lambda _: built(hours, tmp_path / "cube", flags=True), range(3)))

        assert files(tmp_path / "cube") == files(cube)
        done = [outcome for report in reports for outcome in report.outcomes if outcome.state == "done"]
        assert len(done) == len(DAYS)


class TestChecks:
    """Verification and repair."""

    def test_a_cube_equals_its_archives(self, hours: Path, cube: Path) -> None:
        """Every day is correct, by itself and against the archives, flags included."""
        for source in (None, hours):
            report = verify_cube(cube, source, progress=False)

            assert set(states(report).values()) == {"done"}
            assert len(report.outcomes) == len(DAYS)

    def test_a_sample_is_a_share_of_days(self, cube: Path) -> None:
        """The same seed selects the same days."""
        names = [tuple(states(verify_cube(cube, sample=0.5, seed=seed, progress=False))) for seed in (1, 1)]

        assert names[0] == names[1]
        assert len(names[0]) == 2

    @pytest.mark.parametrize("array", ["RW", "flags"])
    @pytest.mark.parametrize("at", [0.0, 0.3, 0.97, 0.9999])
    def test_a_flipped_bit_is_found_without_the_archives(self, copy: Path, array: str, at: float) -> None:
        """A bit may be flipped at any position in a day's shard."""
        path = shard(copy, DAYS[0], array)
        data = bytearray(path.read_bytes())
        data[int(at * len(data))] ^= 4
        path.write_bytes(data)

        with pytest.raises(Incomplete, match=rf"{DAYS[0]}: .*(damaged|no valid).*run repair_cube"):
            verify_cube(copy, progress=False)

    def test_other_values_are_found(self, hours: Path, copy: Path, tmp_path: Path) -> None:
        """A cube of intact frames that are not those of the archive fails."""
        other = archive(tmp_path / hours.name, DAYS, seed=70)

        with pytest.raises(Incomplete, match=r"2019-10-14 differs from the source in \d+ of \d+ chunks"):
            verify_cube(copy, other, progress=False)

    def test_days_never_built_are_reported(self, hours: Path, copy: Path) -> None:
        """A day of the archives that is missing in the cube fails."""
        shard(copy, DAYS[2]).unlink()

        with pytest.raises(Incomplete, match="2019-10-17 was never built") as caught:
            verify_cube(copy, hours, progress=False)

        assert states(caught.value.report)[DAYS[0]] == "done"

    def test_repair_removes_damage_and_a_build_restores_it(self, hours: Path, copy: Path) -> None:
        """Damaged days and leftovers of crashes are removed; a build then restores the cube."""
        before = files(copy)
        path = shard(copy, DAYS[1])
        path.write_bytes(path.read_bytes()[:-7])
        (copy / "RW" / f".{path.name}.tmp").write_bytes(b"half")

        report = repair_cube(copy, progress=False)

        assert states(report) == {DAYS[0]: "kept", DAYS[1]: "done", DAYS[2]: "kept"}
        assert not list(copy.rglob(".*"))
        built(hours, copy)
        assert files(copy) == before


class TestBadInput:
    """Each raises a clear error, and loses no data."""

    @pytest.mark.parametrize(
        ("changes", "what"),
        [
            ({"product": "RH"}, "product is RW, not RH"),
            ({"rows": 1100, "cols": 900}, "grid is de450, not de1100"),
            ({"version": 5}, "grid is de450, not de450-wgs84"),
            ({"precision": -2}, "codes is"),
        ],
    )
    def test_a_store_of_another_series(self, copy: Path, tmp_path: Path, changes: Any, what: str) -> None:
        """A cube of another product, grid or codes is refused and unchanged."""
        header = {"product": "RW", "rows": 450, "cols": 450, "precision": -1, "interval": 60} | changes
        data = np.zeros((header["rows"], header["cols"]), "u2")
        source = tmp_path / "frame"
        source.write_bytes(write_frame(Header(time=np.datetime64("2019-10-20T00:50", "s"), **header), data))
        before = files(copy)

        with pytest.raises(CubeError, match=what):
            built(source, copy)

        assert files(copy) == before

    @pytest.mark.parametrize(("options", "what"), [({"layout": "maps"}, "layout"), ({"flags": False}, "flags")])
    def test_another_layout_is_refused(self, hours: Path, copy: Path, options: Any, what: str) -> None:
        """The choices of a cube cannot be changed later."""
        with pytest.raises(CubeError, match=f"whose {what} is"):
            built(hours, copy, **options)

    def test_a_store_of_a_newer_version(self, hours: Path, copy: Path) -> None:
        """No call changes a store of a newer version."""
        group = json.loads((copy / "zarr.json").read_text())
        group["attributes"]["radar_nb"] |= {"format": 2, "version": "9.9"}
        (copy / "zarr.json").write_text(json.dumps(group))

        for call in (open_cube, lambda store: built(hours, store), verify_cube, repair_cube):
            with pytest.raises(CubeError, match=r"made by radar_nb 9\.9.*upgrade"):
                call(copy)

    @pytest.mark.parametrize(
        "content", [b"{}", b"no JSON", b'{"attributes": {"title": "other"}, "node_type": "group"}']
    )
    def test_a_store_of_something_else(self, hours: Path, tmp_path: Path, content: bytes) -> None:
        """A foreign Zarr group is not written to."""
        (tmp_path / "zarr.json").write_bytes(content)

        with pytest.raises(CubeError, match="contains something other than a cube"):
            built(hours, tmp_path)

    def test_a_damaged_description(self, copy: Path) -> None:
        """The error names the damaged file."""
        group = json.loads((copy / "zarr.json").read_text())
        del group["attributes"]["radar_nb"]["packing"]
        (copy / "zarr.json").write_text(json.dumps(group))

        with pytest.raises(CubeError, match=r"description of the cube .* is damaged"):
            open_cube(copy)

    @pytest.mark.parametrize("length", [0, 100, 5000])
    def test_a_half_written_shard(self, copy: Path, length: int) -> None:
        """Opening the cube raises; the rest can be opened with errors="report"."""
        os.truncate(shard(copy, DAYS[1]), length)

        with pytest.raises(DamagedShard, match=r'cut short or damaged.*repair.*errors="report"'):
            open_cube(copy)

        ds = open_cube(copy, errors="report")
        assert ds.sizes["time"] == 8
        assert "cut short" in ds.attrs["problems"]

    def test_a_day_replaced_while_it_is_open(self, hours: Path, copy: Path, tmp_path: Path) -> None:
        """A Dataset never combines the record of a day with the bytes of another."""
        ds = open_cube(copy)
        built(archive(tmp_path / hours.name, DAYS, seed=90), copy)

        with pytest.raises(CubeError, match="changed since the cube was opened: open it again"):
            ds.RW.isel(time=0).load()

    def test_a_store_that_disappears(self, copy: Path) -> None:
        """Reading raises an error that names it."""
        ds = open_cube(copy)
        shutil.rmtree(copy)

        with pytest.raises(StorageError, match="has the cube been moved"):
            ds.RW.isel(time=0).load()

    def test_a_file_is_no_cube(self, hours: Path) -> None:
        """A file in the place of a cube, such as a packed one, raises with what to do."""
        with pytest.raises(CubeError, match="is a file, and a cube is a folder: unpack it"):
            open_cube(hours if hours.is_file() else next(path for path in hours.rglob("*") if path.is_file()))

    def test_no_cube(self, tmp_path: Path, hours: Path) -> None:
        """A place without a cube and a cube without a day raise."""
        with pytest.raises(NothingFound, match="there is no cube"):
            open_cube(tmp_path / "none")

        built(hours, tmp_path / "cube")
        for day in DAYS:
            shard(tmp_path / "cube", day).unlink()
        with pytest.raises(NothingFound, match="holds no days yet"):
            open_cube(tmp_path / "cube")

    def test_a_cube_without_flags(self, hours: Path, tmp_path: Path) -> None:
        """flags=True raises."""
        built(hours, tmp_path / "cube")

        with pytest.raises(CubeError, match="built without flags"):
            open_cube(tmp_path / "cube", flags=True)

    def test_a_read_only_store(self, hours: Path, cube: Path, tmp_path: Path) -> None:
        """A build raises; opening works."""
        with small_disk(tmp_path / "disk", size="8m") as disk:
            store = shutil.copytree(cube, disk / "cube")
            shard(store, DAYS[2]).unlink()
            forbid_writing(disk)

            with pytest.raises(NotWritable, match="no permission to write"):
                built(hours, store)
            assert open_cube(store).RW.isel(time=0).load().notnull().any()

    def test_a_full_disk(self, hours: Path, tmp_path: Path) -> None:
        """The days that fit are kept, the others are reported, and the same call resumes when there is space."""
        with small_disk(tmp_path / "disk", size="400k") as disk:
            with pytest.raises(DiskFull, match="disk is full"):
                built(hours, disk / "cube")

            whole = verify_cube(disk / "cube", progress=False) if (disk / "cube" / "zarr.json").exists() else None
            assert whole is None or not whole.failed

    def test_an_archive_that_changes_while_it_is_read(
        self, hours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The day is not written, since its contents are unknown."""
        source = Path(shutil.copy(hours, tmp_path))
        real = frame_codes

        def touched(*args: Any, **options: Any) -> Any:
            os.utime(source)
            return real(*args, **options)

        monkeypatch.setattr("radar_nb.formats.cursor.frame_codes", touched)

        with pytest.raises(Incomplete, match="changed"):
            built(source, tmp_path / "cube")

        with pytest.raises(NothingFound, match="no days yet"):
            open_cube(tmp_path / "cube")

    def test_a_damaged_archive(self, hours: Path, tmp_path: Path) -> None:
        """The error names it; with errors="report" its intact part is built."""
        source = tmp_path / hours.name
        source.write_bytes(hours.read_bytes()[:-200_000])

        with pytest.raises(TruncatedArchive, match="cut short"):
            built(source, tmp_path / "cube")

        report = built(source, tmp_path / "cube", errors="report")
        assert {outcome.state for outcome in report.outcomes} == {"done", "failed"}
        assert open_cube(tmp_path / "cube").sizes["time"] > 3

    def test_forecasts(self, real_frames: Path, tmp_path: Path) -> None:
        """A cube has one frame per time step."""
        with pytest.raises(SeriesError, match="holds forecasts"):
            built(real_frames / "RQ2002012030_060", tmp_path / "cube")

    def test_frames_beyond_the_axis(self, tmp_path: Path) -> None:
        """Frames before or after a cube's axis raise."""
        source = archive(tmp_path / "RW.tar.gz", ["2045-10-14"])

        with pytest.raises(
            SeriesError, match=r"2045-10-14T00:50:00 lies outside the cube's time axis: choose .* 2001-01-01"
        ):
            built(source, tmp_path / "cube")

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"workers": 0}, "not a number of threads"),
            ({"layout": "flat"}, "unknown layout 'flat'; choose one of balanced, maps, series"),
        ],
    )
    def test_invalid_settings(self, hours: Path, tmp_path: Path, options: Any, match: str) -> None:
        """Each error lists the allowed values."""
        with pytest.raises(SettingsError, match=match):
            built(hours, tmp_path / "cube", **options)

    @pytest.mark.parametrize("sample", [0, 1.5, -1])
    def test_invalid_samples(self, cube: Path, sample: float) -> None:
        """A sample must be a share."""
        with pytest.raises(SettingsError, match="above 0 up to 1"):
            verify_cube(cube, sample=sample)


def test_a_cube_holds_what_dwd_publishes_in_hdf5(tmp_path: Path) -> None:
    """Products of long names and codes of 32 bits become cubes of equal values."""
    ice = Header(product="VII", time=STAMP, rows=1200, cols=1100, precision=-3, interval=5, version=5)
    hour = replace(ice, product="RW", interval=60)
    names = ("composite_VII_20260613_1550-hd5", "raa01-rw_10000-2606131550-dwd---bin.hdf5")
    for header, name, kind in zip((ice, hour), names, ("u1", "u4"), strict=True):
        codes = np.zeros((1200, 1100), kind)
        codes[:40], codes[40:50] = np.iinfo(codes.dtype).max, np.arange(1100) % 200
        path, store = tmp_path / name, tmp_path / f"{header.product}.zarr"
        path.write_bytes(write_composite(header, codes, quantity="VIL" if header is ice else "ACRR", gain=0.001))

        build_cube(path, store, progress=False)

        found, field = open_cube(store)[header.product], open_dataset(path, progress=False)[header.product]
        np.testing.assert_array_equal(found.sel(time=field.time)[:, :120], field[:, :120])
        assert int(field[:, :120].isnull().sum()) == 40 * 1100
