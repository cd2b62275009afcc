"""Thinned series: the expected step comes from the product table, so half of a series counts as half."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.frames import YW_MONTH, frame, save

import radar_nb as rn
from radar_nb.errors import SeriesError

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

LEIPZIG = {"Leipzig": (12.37, 51.34)}


def yw(folder: Path, minutes: range) -> Path:
    """Write YW frames of 0.07 mm at some minutes after midnight."""
    start = np.datetime64("2020-06-13T00:00", "m")
    return save(folder, *(frame(str(start + minute)) for minute in minutes))


@pytest.fixture(scope="module")
def day(real_mirror: Path) -> xr.Dataset:
    """Return the real 12 June 2020 at Leipzig, by the ends of its intervals."""
    month = rn.open_dataset(real_mirror / YW_MONTH, chunks=None, progress=False)
    return rn.at_points(month.sel(time=slice("2020-06-12T00:05", "2020-06-13T00:00")), LEIPZIG).load()


class TestOpening:
    """The report of `open_dataset`."""

    def test_every_second_frame_is_counted_and_named_as_missing(self, tmp_path: Path) -> None:
        """Frames every ten minutes of a 5-minute product lack those in between."""
        ds = rn.open_dataset(yw(tmp_path, range(0, 30, 10)), progress=False)

        assert ds.attrs["frames_missing"] == 2
        assert ds.attrs["gaps"] == "2020-06-13T00:05:00; 2020-06-13T00:15:00"

    def test_two_frames_far_apart_have_a_gap(self, tmp_path: Path) -> None:
        """Two frames suffice to find the missing ones between them."""
        ds = rn.open_dataset(yw(tmp_path, range(0, 120, 60)), progress=False)

        assert ds.attrs["frames_missing"] == 11

    def test_gaps_of_a_thinned_series_are_filled(self, tmp_path: Path) -> None:
        """`fill_gaps` adds the product's steps, all of them missing."""
        ds = rn.open_dataset(yw(tmp_path, range(0, 30, 10)), fill_gaps=True, progress=False)

        assert np.isnan(ds.YW[:, 0, 0]).values.tolist() == [False, True, False, True, False]

    @pytest.mark.parametrize(
        ("stamps", "sums", "missing"),
        [
            (["00:50", "02:50", "04:50"], "apart", 2),
            (["00:50", "01:00", "01:10", "01:30"], "all", 1),
            (["00:50", "01:45", "02:50"], "apart", 0),
            (["00:50", "01:45", "03:50"], "apart", 1),
        ],
        ids=["hours", "every ten minutes", "an early hour", "an early hour and a gap"],
    )
    def test_hours_are_expected_as_they_were_produced(
        self, tmp_path: Path, stamps: list[str], sums: str, missing: int
    ) -> None:
        """RW is produced once an hour, or every ten minutes; an hour that ends at minute 45 is not a gap."""
        rw: dict[str, Any] = {"product": "RW", "rows": 900, "precision": -1, "interval": 60}
        folder = save(tmp_path, *(frame(f"2020-06-13T{stamp}", **rw) for stamp in stamps))

        ds = rn.open_dataset(folder, sums=sums, progress=False)

        assert ds.sizes["time"] == len(stamps)
        assert ds.attrs["frames_missing"] == missing

    def test_a_header_that_contradicts_the_table_raises(self, tmp_path: Path) -> None:
        """The error names both intervals; with `errors="report"` the frame is ignored and reported."""
        folder = save(tmp_path, frame(), frame("2020-06-13T15:30", interval=60))

        with pytest.raises(SeriesError, match=r"frame-001 states an interval of 60 min.* YW has one of 5 min"):
            rn.open_dataset(folder, progress=False)
        ds = rn.open_dataset(folder, errors="report", progress=False)
        assert ds.sizes["time"] == 1
        assert "frame-001 states an interval of 60 min" in ds.attrs["problems"]


class TestAnalyses:
    """Results of analyses for half of a series."""

    def test_a_thinned_real_day_has_half_of_its_coverage(self, day: xr.Dataset) -> None:
        """At Leipzig 10.25 mm fell on 12 June 2020; every second frame has a part of it and covers half."""
        whole = rn.accumulate(day, "1D")
        half = rn.accumulate(day.isel(time=slice(None, None, 2)), "1D")

        assert float(whole.YW[0, 0]) == pytest.approx(10.25, abs=0.005)
        assert whole.coverage.values.tolist() == [[1.0]]
        assert half.coverage.values.tolist() == [[0.5]]

    @pytest.mark.parametrize("cube", [False, True], ids=["archives", "cube"])
    def test_reduce_covers_half(self, tmp_path: Path, *, cube: bool) -> None:
        """The coverage is half from archives and from a cube."""
        source = yw(tmp_path / "frames", range(10, 130, 10))
        if cube:
            rn.build_cube(source, tmp_path / "cube", progress=False)

        found = rn.reduce(
            tmp_path / "cube" if cube else source, "sum", period="1h", points=LEIPZIG, progress=False
        )

        assert found.coverage.values.tolist() == [[0.5], [0.5]]
        assert found.YW.values.ravel() == pytest.approx([0.42, 0.42])

    def test_a_cube_reports_the_missing_frames(self, tmp_path: Path) -> None:
        """A cube of a thinned series has the product's steps."""
        rn.build_cube(yw(tmp_path / "frames", range(0, 60, 10)), tmp_path / "cube", progress=False)

        ds = rn.open_cube(tmp_path / "cube", fill_gaps=True)

        assert ds.attrs["frames_missing"] == 5
        assert ds.sizes["time"] == 11

    def test_check_finds_the_gaps(self, tmp_path: Path) -> None:
        """Each missing frame is one gap, and runs of them are named."""
        found = rn.check(yw(tmp_path, range(0, 40, 10)), progress=False)["gaps"]

        assert (found.verdict, found.count) == ("bad", 3)
        assert "2020-06-13 00:05" in found.text

    def test_the_hours_of_an_area_are_half_covered(self, tmp_path: Path) -> None:
        """The result of `over_areas` for a thinned series covers half of its hour."""
        geopandas = pytest.importorskip("geopandas", reason="geopandas is not installed")
        shapely = pytest.importorskip("shapely", reason="shapely is not installed")
        area = geopandas.GeoDataFrame(geometry=[shapely.box(12, 51, 13, 52)], crs="EPSG:4326")
        means = rn.over_areas(yw(tmp_path, range(10, 70, 10)), area, progress=False)

        found = rn.accumulate(means, "1h")

        assert found.coverage.values.ravel() == pytest.approx([0.5])

    def test_the_map_of_coverage_counts_half(self, tmp_path: Path) -> None:
        """`plot_coverage` uses the step from the table, for archives and for Datasets."""
        from radar_nb.reading.coverage import find_coverage

        source = yw(tmp_path, range(0, 60, 10))
        edges = np.array(["2020-06-13T00:00", "2020-06-13T00:50"], "datetime64[s]")
        for data in (source, rn.open_dataset(source, progress=False)):
            found = find_coverage(data, product=None, first=None, last=None, errors="raise", progress=False)

            assert found.every == 5
            assert found.share(edges).tolist() == [0.5]
