"""Series: which frames are used, and how the others are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support.frames import frame, save

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS
from radar_nb.errors import HeaderError, SeriesError, SettingsError
from radar_nb.formats.odim import write_composite
from radar_nb.formats.radolan import Header, write_frame

if TYPE_CHECKING:
    from pathlib import Path


def rw(time: str, fill: int = 1, **changes: Any) -> bytes:
    return frame(time, fill, product="RW", interval=60, precision=-1, rows=900, **changes)


def sf(time: str) -> bytes:
    return frame(time, product="SF", interval=1440, precision=-1, rows=900)


def hours(ds: xr.Dataset) -> list[str]:
    return [str(time)[11:16] for time in ds.time.values]


class TestOverlap:
    """Overlapping sums are not summed twice."""

    def test_hours_every_ten_minutes_are_selected_at_minute_50(self, tmp_path: Path) -> None:
        """RW of the recent folder keeps one frame an hour, as in the historical archives."""
        folder = save(tmp_path, *(rw(f"2025-06-13T{h:02d}:{m:02d}") for h in (1, 2) for m in range(0, 60, 10)))

        ds = rn.open_dataset(folder, progress=False)

        assert hours(ds) == ["01:50", "02:50"]
        assert (
            ds.attrs["sums_taken"]
            == "2 of 12 overlapping sums of 60 min: those that end at minute 50 of each hour"
        )
        assert ds.attrs["frames_missing"] == 0

    def test_days_every_hour_are_selected_at_0550(self, tmp_path: Path) -> None:
        """The published SF keeps the climatological day."""
        folder = save(tmp_path, *(sf(f"2025-06-{d}T{h:02d}:50") for d in (13, 14) for h in range(3, 8)))

        ds = rn.open_dataset(folder, progress=False)

        assert [str(time)[:16] for time in ds.time.values] == ["2025-06-13T05:50", "2025-06-14T05:50"]
        assert "those that end at 05:50" in ds.attrs["sums_taken"]

    @pytest.mark.parametrize(
        ("sums", "expected"), [("all", ["22:50", "23:50"]), ("23:50", ["23:50"]), ("apart", ["23:50"])]
    )
    def test_the_selection_of_sums_can_be_chosen(self, sums: str, expected: list[str], tmp_path: Path) -> None:
        """All sums, those of a time of day, or, if the usual time is absent, those of another."""
        folder = save(tmp_path, sf("2025-06-13T22:50"), sf("2025-06-13T23:50"))

        assert hours(rn.open_dataset(folder, sums=sums, progress=False)) == expected

    def test_separate_sums_are_all_kept(self, tmp_path: Path) -> None:
        """Hours at any minute are unchanged, and no attribute is added."""
        ds = rn.open_dataset(save(tmp_path, rw("2025-06-13T01:20"), rw("2025-06-13T02:20")), progress=False)

        assert hours(ds) == ["01:20", "02:20"]
        assert "sums_taken" not in ds.attrs

    @pytest.mark.parametrize("sums", ["half", "25:00", "5", ""])
    def test_invalid_sums_are_refused(self, sums: str, tmp_path: Path) -> None:
        """The error for an invalid choice lists the valid ones."""
        folder = save(tmp_path, sf("2025-06-13T22:50"), sf("2025-06-13T23:50"))

        with pytest.raises(SettingsError, match=r'is not valid: use "apart", "all" or a time of day'):
            rn.open_dataset(folder, sums=sums, progress=False)

    def test_a_time_without_a_sum_raises(self, tmp_path: Path) -> None:
        """A time of day without a sum raises; no sum is invented."""
        folder = save(tmp_path, sf("2025-06-13T22:50"), sf("2025-06-13T23:50"))

        with pytest.raises(SeriesError, match="no sum of 1440 min in the source ends at 05:50"):
            rn.open_dataset(folder, sums="05:50", progress=False)


class TestForecasts:
    """Several lead times."""

    def test_lead_times_are_an_axis(self, tmp_path: Path) -> None:
        """Two forecasts of three lead times make a cube with prediction times of base plus lead."""
        files = [
            rw(time, fill=lead, lead=lead).replace(b"RW", b"RQ", 1)
            for time in ("2020-06-13T15:00", "2020-06-13T15:15")
            for lead in (0, 60, 120)
        ]

        ds = rn.open_dataset(save(tmp_path, *files[::-1]), progress=False)

        assert ds.RQ.dims == ("time", "lead_time", "y", "x")
        assert (ds.lead_time / np.timedelta64(1, "m")).values.tolist() == [0, 60, 120]
        assert (ds.prediction_time == ds.time + ds.lead_time).all()
        assert (ds.time_bnds[..., 1] == ds.prediction_time).all()
        np.testing.assert_allclose(ds.RQ[:, :, 5, 5], [[0, 6, 12], [0, 6, 12]], rtol=1e-6)

    def test_a_missing_lead_time_is_missing(self, tmp_path: Path) -> None:
        """A gap in the cube is NaN, not zero, and the other lead times keep their places."""
        files = [
            rw(time, fill=3, lead=lead).replace(b"RW", b"RQ", 1)
            for time, lead in (("2020-06-13T15:00", 0), ("2020-06-13T15:00", 60), ("2020-06-13T15:15", 60))
        ]

        ds = rn.open_dataset(save(tmp_path, *files), progress=False)

        assert np.isnan(ds.RQ[1, 0]).all()
        assert (ds.RQ[1, 1, 5, 5] == ds.RQ[0, 0, 5, 5]).all()


class TestReport:
    """`errors="report"` opens the rest and reports what it ignored."""

    def test_the_rest_is_opened_and_the_damage_reported(self, tmp_path: Path) -> None:
        """A broken file is in the attribute, and the intact ones in the Dataset."""
        folder = save(tmp_path, frame(), frame("2020-06-13T15:30")[:-1], frame("2020-06-13T15:35"))

        with pytest.raises(rn.errors.TruncatedFrame, match="frame-001"):
            rn.open_dataset(folder, progress=False)
        ds = rn.open_dataset(folder, errors="report", progress=False)

        assert ds.sizes["time"] == 2
        assert "frame-001" in ds.attrs["problems"]
        assert "frame-000" not in ds.attrs["problems"]

    def test_the_most_frequent_of_mixed_kinds_is_opened(self, tmp_path: Path) -> None:
        """Foreign frames are named, the majority is opened."""
        folder = save(tmp_path, frame(), rw("2020-06-13T15:50"), frame("2020-06-13T15:30"))

        ds = rn.open_dataset(folder, errors="report", progress=False)

        assert ds.YW.sizes["time"] == 2
        assert "frame-001 is RW of 60 min on 900 x 900 cells" in ds.attrs["problems"]

    def test_a_source_without_an_intact_frame_raises(self, tmp_path: Path) -> None:
        """A Dataset without a frame is not returned."""
        with pytest.raises(rn.errors.NothingFound, match="there is no RADOLAN frame in"):
            rn.open_dataset(save(tmp_path, frame()[:-1]), errors="report", progress=False)

    def test_a_renamed_frame_is_detected(self, tmp_path: Path) -> None:
        """A single file is compared with its name, too."""
        path = tmp_path / "raa01-yw2017.002_10000-2006131600-dwd---bin"
        path.write_bytes(frame())

        with pytest.raises(HeaderError, match=r"is YW of 2020-06-13T15:25:00 by its header, unlike its name"):
            rn.open_dataset(path, progress=False)


class TestSource:
    """The origin of a step."""

    def test_every_step_names_its_archive(self, tmp_path: Path) -> None:
        """The coordinate `source` has the file of each step, and is empty for a filled gap."""
        times = ("2020-06-13T00:00", "2020-06-13T00:05", "2020-06-13T00:10", "2020-06-13T00:20")
        folder = save(tmp_path, *(frame(time) for time in times))

        ds = rn.open_dataset(folder, fill_gaps=True, progress=False)

        assert ds.source.values.tolist() == ["frame-000", "frame-001", "frame-002", "", "frame-003"]


@pytest.mark.parametrize("version", [3, 5])
def test_hydrometeor_classes_keep_all_their_bits(version: int, tmp_path: Path) -> None:
    """HG opens as 32-bit integers with its classes as CF flags, which floats cannot represent."""
    codes = np.full((1200, 1100), 1 << 31, "u4")
    codes[0, :3] = (16, 80, 1 << 24)
    time = np.datetime64("2020-06-13T15:25", "s")
    header = Header(
        product="HG",
        time=time,
        rows=1200,
        cols=1100,
        precision=0,
        interval=5,
        version=version,
        software="P300001H",
    )
    (tmp_path / "HG").write_bytes(write_frame(header, codes))

    ds = rn.open_dataset(tmp_path / "HG", progress=False)

    assert ds.HG.dtype == np.uint32
    assert ds.HG[0, 0, :3].values.tolist() == [16, 80, 1 << 24]
    assert ds.HG[0, 5, 5] == ds.HG.attrs["_FillValue"]
    assert len(ds.HG.attrs["flag_values"]) == len(ds.HG.attrs["flag_meanings"].split())


class TestEras:
    """Binary and HDF5 of one product as one series."""

    @pytest.fixture
    def eras(self, tmp_path: Path) -> Path:
        """Return a folder with two hours of binary RW and two of HDF5, with 3.5 mm in a block of cells."""
        codes = np.zeros((900, 900), "u2")
        codes[400:500, 300:500] = 35
        for hour in (1, 2):
            header = Header(
                product="RW",
                time=np.datetime64(f"2025-12-01T{hour:02d}:50", "s"),
                rows=900,
                cols=900,
                precision=-1,
                interval=60,
            )
            (tmp_path / f"raa01-rw_10000-2512010{hour}50-dwd---bin").write_bytes(write_frame(header, codes))
        wide = np.zeros((1200, 1100), "u2")
        wide[150:1050, 20:920] = codes
        for hour in (3, 4):
            header = Header(
                product="RW",
                time=np.datetime64(f"2025-12-01T{hour:02d}:50", "s"),
                rows=1200,
                cols=1100,
                precision=-1,
                interval=60,
                version=5,
            )
            data = write_composite(header, wide, quantity="ACRR", gain=0.1)
            (tmp_path / f"raa01-rw_10000-2512010{hour}50-dwd---bin.hdf5").write_bytes(data)
        return tmp_path

    def test_different_grids_raise_with_dates_and_choices(self, eras: Path) -> None:
        """By default nothing is mixed: the error states when the grid changed, and the choices."""
        with pytest.raises(
            SeriesError,
            match=r"(?s)900 x 900 cells on the sphere.* 2 frames from 2025-12-01T01:50:00 to 2025-12-01T02:50:00; "
            r".*1200 x 1100 cells on WGS84.*from 2025-12-01T03:50:00.*grid=.de1200.*regrid=",
        ):
            rn.open_dataset(eras, progress=False)

    @pytest.mark.parametrize(
        ("grid", "regrid"), [("de1200-wgs84", "overlap"), ("de900", "overlap"), ("de1200", "nearest")]
    )
    def test_all_frames_are_regridded(self, eras: Path, grid: str, regrid: Any) -> None:
        """On the chosen grid both eras show the same rain, some two kilometres apart."""
        ds = rn.open_dataset(eras, grid=grid, regrid=regrid, progress=False)

        totals = ds.RW.sum(("y", "x")).compute()
        assert ds.sizes["time"] == 4
        assert ds.RW.shape[1:] == GRIDS[grid].shape
        np.testing.assert_allclose(ds.x, GRIDS[grid].x, atol=1e-3)
        np.testing.assert_allclose(totals, totals[0], rtol=0.01)
        assert float(ds.RW.max()) == pytest.approx(3.5)
        assert f"to {grid}, {regrid}" in ds.attrs["regridded"]

    def test_frames_of_the_target_grid_are_unchanged(self, eras: Path) -> None:
        """Values that need no regridding are the published ones."""
        alone = rn.open_dataset(sorted(eras.glob("*bin")), progress=False)

        both = rn.open_dataset(eras, grid="de900", progress=False)

        np.testing.assert_array_equal(both.RW[:2], alone.RW)

    def test_a_regridded_series_can_be_written(self, eras: Path, tmp_path: Path) -> None:
        """Mixtures of cells are not multiples of a step: they survive as floats."""
        ds = rn.open_dataset(eras, grid="de900", progress=False)

        ds.to_netcdf(tmp_path / "it.nc")

        with xr.open_dataset(tmp_path / "it.nc") as back:
            xr.testing.assert_identical(back.load(), ds.load())

    @pytest.mark.parametrize("option", ["packed", "flags"])
    def test_mixtures_have_no_codes(self, eras: Path, option: str) -> None:
        """Raw integers and flags of regridded fields do not exist."""
        with pytest.raises(SettingsError, match="mixtures of cells, which have no raw codes and no flags"):
            rn.open_dataset(eras, grid="de900", progress=False, **{option: True})  # type: ignore[arg-type]

    def test_binary_and_hdf5_on_one_grid_are_one_series(self, eras: Path) -> None:
        """HDF5 has the same name, unit, type and orientation as the binaries."""
        new = rn.open_dataset(sorted(eras.glob("*.hdf5")), progress=False)
        old = rn.open_dataset(sorted(eras.glob("*bin")), progress=False)

        assert list(new.data_vars) == list(old.data_vars) == ["RW"]
        assert new.RW.dtype == old.RW.dtype
        assert {key: new.RW.attrs[key] for key in ("units", "standard_name", "cell_methods")} == {
            key: old.RW.attrs[key] for key in ("units", "standard_name", "cell_methods")
        }
        assert (np.diff(new.y) > 0).all()
        np.testing.assert_array_equal(new.RW[0, 150:1050, 20:920], old.RW[0])


class TestSteps:
    """Frames whose counts represent different amounts."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Return two hours of RW, one in tenths and one in hundredths of a millimetre, both of 1.23 or 1.2 mm."""
        fine = frame("2025-06-13T02:50", 123, product="RW", interval=60, precision=-2, rows=900)
        return save(tmp_path / "frames", rw("2025-06-13T01:50", 12), fine)

    def test_each_frame_has_its_own_steps(self, folder: Path, tmp_path: Path) -> None:
        """On one grid both are read, and written as floats, since the coarser step would round the finer one."""
        ds = rn.open_dataset(folder, grid="de900", progress=False)

        ds.to_netcdf(tmp_path / "it.nc")

        np.testing.assert_allclose(ds.RW[:, 0, 0], [1.2, 1.23], rtol=1e-6)
        with xr.open_dataset(tmp_path / "it.nc") as back:
            xr.testing.assert_identical(back.load(), ds.load())

    def test_no_packed_integers_hold_both(self, folder: Path) -> None:
        """One scale for two steps would be wrong for one of them."""
        with pytest.raises(SeriesError, match=r"encode values in different ways.*omit packed=True"):
            rn.open_dataset(folder, grid="de900", packed=True, progress=False)
