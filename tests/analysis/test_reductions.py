"""Streaming reductions: one pass returns the same as xarray for the same frames."""

from __future__ import annotations

import io
import itertools
import os
import tarfile
import tracemalloc
from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
import pytest
import shapely
import xarray as xr

from radar_nb.analysis.api import over_areas
from radar_nb.analysis.reductions import reduce
from radar_nb.dwd.grids import to_lonlat
from radar_nb.errors import NothingFound, SeriesError, SettingsError, TruncatedArchive
from radar_nb.formats.radolan import CLUTTER, NO_DATA, NO_DATA_CODE, SECONDARY, VALUE, Header, write_frame
from radar_nb.mirror.frames import synthetic_frames
from radar_nb.reading.opening import open_dataset

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from radar_nb.analysis.reductions import How
    from radar_nb.runtime.progress import Progress

CDC = "climate_environment/CDC/grids_germany"
YW_MONTH = f"{CDC}/5_minutes/radolan/reproc/2017_002/bin/2020/YW2017.002_202006.tar"
RW_RECENT = f"{CDC}/hourly/radolan/historical/bin/2019/RW201910.tar.gz"
AACHEN = (6.09, 50.78)
EVERY: tuple[How, ...] = ("sum", "mean", "max", "min", "count")


def frame(time: str, codes: Any = 7, **changes: Any) -> bytes:
    """Write a frame of RY with some codes."""
    fields: dict[str, Any] = {"product": "RY", "rows": 450, "cols": 450, "precision": -2, "interval": 5} | changes
    header = Header(time=np.datetime64(time, "s"), **fields)
    full = np.broadcast_to(np.asarray(codes, "u2"), (header.rows, header.cols))
    return write_frame(header, full)


def save(folder: Path, *frames: bytes) -> Path:
    """Write frames into a folder, named in their order."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(frames):
        (folder / f"frame-{number:03d}").write_bytes(data)
    return folder


def tar(members: Iterable[tuple[str, bytes]], mode: str) -> bytes:
    """Pack members into a tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, **({"compresslevel": 1} if mode == "w:gz" else {})) as archive:  # type: ignore[call-overload]
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def restless_codes(count: int) -> Any:
    """Return codes whose flags change in a part of the field, and in some frames everywhere."""
    random = np.random.default_rng(3)
    codes = random.integers(0, VALUE + 1, (count, 450, 450), np.uint16)
    codes[:, :150][random.random((count, 150, 450)) < 0.1] = NO_DATA_CODE
    codes[count // 2 :, 200:250] |= SECONDARY | CLUTTER
    codes[:, 300:] = NO_DATA_CODE
    codes[3, 250:] = NO_DATA
    codes[:2] = NO_DATA_CODE
    return codes


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a tar of two days, of frames whose flags change, over midnight and with a gap of one frame."""
    times = np.datetime64("2020-06-30T23:30", "s") + np.timedelta64(5, "m") * np.arange(14)
    made = [
        (str(time)[:10], frame(str(time), codes)) for time, codes in zip(times, restless_codes(14), strict=True)
    ]
    del made[9]
    days = [
        (
            f"{day}.tar.gz",
            tar(((f"f{number}", data) for number, (at, data) in enumerate(made) if at == day), "w:gz"),
        )
        for day in ("2020-06-30", "2020-07-01")
    ]
    path = tmp_path_factory.mktemp("month") / "month.tar"
    path.write_bytes(tar(days, "w"))
    return path


@pytest.fixture(scope="module")
def real_hours(real_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a real archive of YW with the first two hours of a day."""
    path = tmp_path_factory.mktemp("real") / "hours.tar.gz"
    with (
        tarfile.open(real_mirror / YW_MONTH) as month,
        tarfile.open(fileobj=month.extractfile(next(day for day in month if "20200613" in day.name))) as day,
    ):
        some = [(frame.name, day.extractfile(frame)) for frame in itertools.islice(day, 25)]
        path.write_bytes(tar(((name, file.read()) for name, file in some if file), "w:gz"))
    return path


@pytest.fixture(scope="module")
def real_day(real_mirror: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a real month of YW with one of its days."""
    path = tmp_path_factory.mktemp("real") / "month.tar"
    with tarfile.open(real_mirror / YW_MONTH) as whole, tarfile.open(path, "w") as one:
        for member in whole:
            if "20200613" in member.name:
                one.addfile(member, whole.extractfile(member))
    return path


def by_xarray(ds: xr.Dataset, name: str, how: str) -> Any:
    """Reduce with xarray, in float64."""
    values = ds[name].values.astype(np.float64)
    if how == "count":
        return (~np.isnan(values)).sum(axis=0)
    valid = ~np.isnan(values).all(axis=0)
    function: Any = {"sum": np.nansum, "mean": np.nanmean, "max": np.nanmax, "min": np.nanmin}[how]
    out = np.full(values.shape[1:], np.nan)
    out[valid] = function(values[:, valid], axis=0)
    return out


class TestValues:
    """Values of results."""

    def test_values_equal_xarrays(self, month: Path) -> None:
        """Each reduction equals that of the Dataset in float64, missing cells included."""
        ds = open_dataset(month, chunks=None, progress=False).load()

        result = reduce(month, EVERY, progress=False)

        assert list(result.data_vars) == [*(f"RY_{how}" for how in EVERY), "coverage"]
        for how in EVERY:
            np.testing.assert_allclose(result[f"RY_{how}"], by_xarray(ds, "RY", how), rtol=2.5e-7, err_msg=how)
        np.testing.assert_allclose(result.coverage, ds.RY.notnull().sum("time") / 14, rtol=1e-6)

    def test_spread_and_order_equal_numpys(self, month: Path) -> None:
        """Deviations, quantiles, shares and histograms of fields equal NumPy's, for any number of threads."""
        hows: Any = ["std", "var", "wet_share", "quantile", "histogram"]
        some = {"y": slice(125, 310, 15), "x": slice(0, 450, 30)}
        seen = open_dataset(month, chunks=None, progress=False).RY.isel(some).values.astype(np.float64)
        valid = ~np.isnan(seen).all(axis=0)
        seen = seen[:, valid]

        result = reduce(
            month, hows, threshold=[0.1, 5], quantile=0.9, bins=[0, 0.01, 5, 40.95], workers=5, progress=False
        ).isel(some)

        wet = [np.nanmean(np.where(np.isnan(seen), np.nan, seen > least - 1e-4), axis=0) for least in (0.1, 5)]
        for name, expected in (
            ("std", np.nanstd(seen, axis=0)),
            ("var", np.nanvar(seen, axis=0)),
            ("wet_share", wet),
            ("quantile", np.nanquantile(seen, 0.9, axis=0)),
        ):
            found = result[f"RY_{name}"].values
            np.testing.assert_allclose(found[..., valid], expected, rtol=1e-6)
            assert np.isnan(found[..., ~valid]).all()
        bins = [((seen > a - 1e-4) & (seen < b - 1e-4)).sum(axis=0) for a, b in ((0, 0.01), (0.01, 5), (5, 41))]
        np.testing.assert_array_equal(result.RY_histogram.values[:, valid], bins)
        assert int(result.RY_histogram.values[:, ~valid].sum()) == 0
        assert result.RY_histogram.dims == ("bin", "y", "x")
        assert result.bin_bnds.values.tolist() == [[0, 0.01], [0.01, 5], [5, 40.95]]

    def test_quantiles_where_frames_share_no_codes(self, month: Path, tmp_path: Path) -> None:
        """On another grid, at means of cells, and of HDF5 with packings of their own, the values are compared."""
        times = np.datetime64("2026-01-13T00:05", "s") + np.timedelta64(5, "m") * np.arange(3)
        folder = save(tmp_path, *(data for _, data in synthetic_frames("YW", times, hdf5=True)))
        points = [(lon, lat) for lon in (7, 9, 11, 13) for lat in (48.5, 50, 51.5, 53)]
        options: Any = [{"grid": "de460-wgs84", "regrid": "nearest"}, {}, {"method": "mean3x3"}]

        for source, chosen in zip((month, folder, folder), options, strict=True):
            series = reduce(source, "series", points=points, progress=False, **chosen)
            found = reduce(
                source,
                ["quantile", "std"],
                quantile=0.7,
                points=points,
                period="1D",
                progress=False,
                **chosen,
            ).isel(time=0)

            (name,) = series.data_vars
            first = series[name].sel(time=slice(None, found.period_end)).values.astype(np.float64)
            valid = ~np.isnan(first).all(axis=0)
            for how, expected in (
                ("quantile", np.nanquantile(first[:, valid], 0.7, axis=0)),
                ("std", np.nanstd(first[:, valid], axis=0)),
            ):
                np.testing.assert_allclose(
                    found[f"{name}_{how}"].values[..., valid], expected, rtol=1e-5, atol=1e-6
                )
            assert valid.sum() > 8

    def test_a_dataset_is_reduced_like_its_archive(self, month: Path) -> None:
        """Fields in memory or in dask, and series at points, have the results of the archive."""
        hows: Any = ["mean", "std", "max", "count", "wet_share", "quantile", "histogram"]
        chosen: Any = {"threshold": 0.1, "quantile": 0.8, "bins": [0, 0.1, 50], "progress": False}
        box = {"y": slice(290, 320), "x": slice(280, 310)}
        points = [(8, 50), (10, 52)]
        fields = open_dataset(month, chunks=None, progress=False).isel(box).load()
        expected = reduce(month, hows, period="1D", **chosen)
        series = reduce(month, "series", points=points, progress=False)

        for data in (fields, fields.chunk(time=5).RY):
            found = reduce(data, hows, period="1D", **chosen)

            assert found.attrs.get("title", "RY") in {fields.attrs["title"], "RY"}
            xr.testing.assert_allclose(found.drop_attrs(), expected.isel(box).drop_attrs(), rtol=1e-5, atol=1e-5)
        at = reduce(series, "mean", by="hour", progress=False)
        hourly = reduce(month, "mean", by="hour", points=points, progress=False)
        xr.testing.assert_allclose(at.RY, hourly.RY, rtol=1e-5)
        lon, lat = to_lonlat(fields.x.values[3:4], fields.y.values[7:8], "sphere")
        inside = reduce(fields, "max", points=[(lon[0], lat[0])], progress=False)
        np.testing.assert_array_equal(inside.RY, fields.RY[:, 7, 3].max("time"))
        with pytest.raises(SettingsError, match="clutter: only for archives"):
            reduce(fields, "max", clutter="mask", progress=False)
        with pytest.raises(SettingsError, match="use at_points for a Dataset"):
            reduce(fields, "series", points=points, progress=False)

    def test_several_reductions_equal_each_alone(self, month: Path) -> None:
        """One pass for all reductions returns the same as one pass each, named by product and method."""
        together = reduce(month, EVERY, threshold=[0.1, 5], progress=False)

        for how in EVERY:
            alone = reduce(month, how, threshold=[0.1, 5] if how == "count" else None, progress=False)
            for name, of in (("RY", f"RY_{how}"), ("coverage", "coverage")):
                xr.testing.assert_identical(alone[name].variable, together[of].variable)

    def test_threads_change_nothing(self, month: Path) -> None:
        """The result is identical to the bit for any number of threads."""
        one, two, five = (
            reduce(month, EVERY, period="1h", workers=workers, progress=False) for workers in (1, 2, 5)
        )

        xr.testing.assert_identical(one, two)
        xr.testing.assert_identical(one, five)

    def test_real_archives(self, real_hours: Path) -> None:
        """The total of a real archive is in mm."""
        ds = open_dataset(real_hours, chunks=None, progress=False)
        box = {"y": slice(500, 600), "x": slice(300, 400)}

        result = reduce(real_hours, ["sum", "max", "count"], period="1D", threshold=0.1, progress=False)

        day = ds.YW.sel(time=slice("2020-06-13T00:05", "2020-06-14T00:00")).isel(box)
        again = result.sel(time="2020-06-13").isel(box)
        assert result.sizes["time"] == 2
        assert float(again.coverage.max()) == pytest.approx(24 / 288)  # the first frame belongs to the day before
        np.testing.assert_allclose(again.YW_sum, by_xarray(day.to_dataset(), "YW", "sum"), rtol=1e-6)
        np.testing.assert_array_equal(again.YW_max, by_xarray(day.to_dataset(), "YW", "max"))
        np.testing.assert_array_equal(again.YW_count, (day > 0.095).sum("time"))

    @pytest.mark.parametrize(
        ("name", "product"),
        [("raa01-rx_10000-1605290600-dwd---bin", "RX"), ("raa01-rw_10000-latest-dwd---bin.hdf5", "RW"),
         ("raa01-sf_10000-1605010450-dwd---bin", "SF"), ("RE2210180700_000.gz", "RE")],
    )  # fmt: skip
    def test_every_payload(self, real_frames: Path, name: str, product: str) -> None:
        """For 8 and 16 bits and HDF5, the extremes of one frame are the frame itself."""
        ds = open_dataset(real_frames / name, progress=False)

        result = reduce(real_frames / name, ["max", "min", "mean"], progress=False)

        np.testing.assert_array_equal(result[f"{product}_max"], ds[product][0])
        np.testing.assert_array_equal(result[f"{product}_min"], ds[product][0])
        np.testing.assert_allclose(result[f"{product}_mean"], ds[product][0], rtol=1e-6, atol=1e-6)

    def test_hdf5_is_summed_like_binaries(self, tmp_path: Path) -> None:
        """Frames of HDF5, each with its own packing, have xarray's sum."""
        times = np.datetime64("2026-01-13T00:05", "s") + np.timedelta64(5, "m") * np.arange(3)
        folder = save(tmp_path, *(data for _, data in synthetic_frames("YW", times, hdf5=True)))
        ds = open_dataset(folder, chunks=None, progress=False)

        result = reduce(folder, ["sum", "count"], threshold=0.1, progress=False)

        np.testing.assert_allclose(result.YW_sum, by_xarray(ds, "YW", "sum"), rtol=1e-6, atol=3e-7)
        np.testing.assert_array_equal(result.YW_count, (ds.YW > 0.0999).sum("time"))

    def test_clutter_is_kept_or_masked(self, tmp_path: Path) -> None:
        """Cells flagged as clutter count as valid unless they are masked."""
        folder = save(tmp_path, frame("2020-06-13T00:00", 5 | CLUTTER), frame("2020-06-13T00:05", 7))

        kept = reduce(folder, "sum", progress=False)
        masked = reduce(folder, "sum", clutter="mask", progress=False)

        assert float(kept.RY[0, 0]) == pytest.approx(0.12)
        assert float(masked.RY[0, 0]) == pytest.approx(0.07)
        assert float(masked.coverage[0, 0]) == 0.5

    def test_regridded_fields(self, month: Path) -> None:
        """On another grid the reductions equal those of the regridded Dataset, for any number of threads."""
        ds = open_dataset(month, grid="de460-wgs84", regrid="nearest", chunks=None, progress=False)
        arguments: Any = {"grid": "de460-wgs84", "regrid": "nearest", "progress": False}

        result = reduce(month, EVERY, workers=2, **arguments)

        for how in EVERY:
            np.testing.assert_allclose(result[f"RY_{how}"], by_xarray(ds, "RY", how), rtol=2.5e-7, atol=5e-7)
        xr.testing.assert_identical(result, reduce(month, EVERY, workers=1, **arguments))

    def test_missing_is_never_zero(self, tmp_path: Path) -> None:
        """Without valid values the result is missing, the coverage 0 and the count 0."""
        folder = save(tmp_path, *(frame(f"2020-06-13T00:0{minute}", NO_DATA_CODE) for minute in (0, 5)))

        result = reduce(folder, EVERY, progress=False)

        for how in ("sum", "mean", "max", "min"):
            assert bool(result[f"RY_{how}"].isnull().all())
        assert int(result.RY_count.max()) == 0
        assert float(result.coverage.max()) == 0


class TestTime:
    """Periods and their coordinates."""

    def test_midnight_belongs_to_the_day_before(self, month: Path) -> None:
        """A frame at midnight belongs to the previous day; days are labelled by their begin."""
        ds = open_dataset(month, chunks=None, progress=False)

        result = reduce(month, "sum", period="1D", progress=False)

        first = ds.sel(time=slice(None, "2020-07-01T00:00"))
        assert result.time.values.astype("datetime64[D]").astype(str).tolist() == ["2020-06-30", "2020-07-01"]
        assert result.time_bnds.values[0].astype("datetime64[h]").astype(str).tolist() == [
            "2020-06-30T00",
            "2020-07-01T00",
        ]
        assert first.sizes["time"] == 7
        np.testing.assert_allclose(result.RY[0], by_xarray(first, "RY", "sum"), rtol=2.5e-7)

    @pytest.mark.parametrize(("period", "hours"), [("1h", 1), ("1D", 24), ("1M", 30 * 24)])
    def test_coverage_is_a_share_of_the_period(self, month: Path, period: str, hours: int) -> None:
        """Missing frames and incomplete periods lower the coverage."""
        ds = open_dataset(month, chunks=None, progress=False)

        result = reduce(month, "sum", period=period, progress=False)

        first = ds.RY.sel(time=slice(None, "2020-07-01T00:00")).notnull().sum("time")
        np.testing.assert_allclose(result.coverage[0], first / (hours * 12), rtol=1e-6)

    def test_climatologies_equal_xarrays_groups(self, month: Path) -> None:
        """Months, seasons and hours of the day are those in which intervals end, in UTC or local time."""
        points = [(lon, lat) for lon in (8, 10, 12) for lat in (49, 51, 53)]
        series = reduce(month, "series", points=points, progress=False).RY
        ends = series.time - np.timedelta64(1, "s")
        local = ends.to_index().tz_localize("UTC").tz_convert("Europe/Berlin")
        summer = np.full(ends.size, "JJA")
        cases: list[tuple[dict[str, str], Any, list[Any]]] = [
            ({"by": "month"}, ends.dt.month.values, [6, 7]),
            ({"by": "season"}, summer, ["JJA"]),
            ({"by": "hour"}, ends.dt.hour.values, [0, 23]),
            ({"by": "hour", "timezone": "Europe/Berlin"}, local.hour.values, [1, 2]),
            (
                {"by": "month", "day_begin": "00:20"},
                np.where(ends < np.datetime64("2020-07-01T00:20"), 6, 7),
                [6, 7],
            ),
        ]
        for chosen, numbers, labels in cases:
            options: Any = chosen
            found = reduce(
                month, ["mean", "quantile", "count"], quantile=0.6, points=points, progress=False, **options
            )

            assert found[options["by"]].values.tolist() == labels
            for label in labels:
                some, at = series.values[numbers == label].astype(np.float64), found.sel({options["by"]: label})
                valid = ~np.isnan(some).all(axis=0)
                np.testing.assert_allclose(at.RY_mean[valid], np.nanmean(some[:, valid], axis=0), rtol=1e-6)
                np.testing.assert_allclose(
                    at.RY_quantile[valid], np.nanquantile(some[:, valid], 0.6, axis=0), rtol=1e-6
                )
                np.testing.assert_array_equal(at.RY_count, (~np.isnan(some)).sum(axis=0))
        whole = reduce(month, "count", by="hour", points=points, progress=False)
        np.testing.assert_allclose(whole.coverage, whole.RY / 7, rtol=1e-6)  # the missing frame counts too
        assert str(whole.period_begin.values)[:16] == "2020-06-30T23:25"

    def test_all_in_one(self, month: Path) -> None:
        """Without a period the result has no time dimension; the end and bounds are coordinates."""
        result = reduce(month, "sum", progress=False)

        assert result.RY.dims == ("y", "x")
        assert str(result.time.values)[:16] == "2020-07-01T00:35"
        assert [str(bound)[:16] for bound in result.time_bnds.values] == ["2020-06-30T23:25", "2020-07-01T00:35"]

    def test_overlapping_sums_are_not_added(self, tmp_path: Path) -> None:
        """Of hourly sums every ten minutes each sixth is used; a sum of all raises, a mean does not."""
        times = np.datetime64("2020-06-13T00:50", "s") + np.timedelta64(10, "m") * np.arange(7)
        hour = {"product": "RW", "precision": -1, "interval": 60}
        folder = save(tmp_path, *(frame(str(time), 10, **hour) for time in times))

        apart = reduce(folder, "sum", progress=False)
        every = reduce(folder, "mean", sums="all", progress=False)

        assert float(apart.RW[0, 0]) == pytest.approx(2)
        assert float(every.RW[0, 0]) == pytest.approx(1)
        with pytest.raises(SeriesError, match="sums of 60 min every 10 min, which overlap"):
            reduce(folder, "sum", sums="all", progress=False)
        assert "sums_taken" in apart.attrs

    def test_duplicate_frames_count_once(self, tmp_path: Path) -> None:
        """Of duplicate frames the later file is used."""
        folder = save(tmp_path, frame("2020-06-13T00:00", 1), frame("2020-06-13T00:00", 2))

        result = reduce(folder, "sum", progress=False)

        assert float(result.RY[0, 0]) == pytest.approx(0.02)


class TestPoints:
    """Single cells."""

    def test_a_series_is_every_step(self, month: Path) -> None:
        """The series has the values of the nearest cells in the Dataset, with its times."""
        ds = open_dataset(month, chunks=None, progress=False)
        points = {"Aachen": AACHEN, "Berlin": (13.4, 52.52)}

        result = reduce(month, "series", points=points, progress=False)

        assert list(result.data_vars) == ["RY"]
        assert result.point.values.tolist() == ["Aachen", "Berlin"]
        expected = ds.RY.sel(x=result.x, y=result.y, method="nearest")
        np.testing.assert_array_equal(result.RY, expected.values)
        np.testing.assert_array_equal(result.time, ds.time)
        lon, lat = (float(result[name][0]) for name in ("lon", "lat"))
        assert (lon, lat) == AACHEN

    def test_points_of_a_map_are_its_cells(self, month: Path) -> None:
        """Reductions at points are those of the field at their cells."""
        field = reduce(month, EVERY, period="1D", threshold=[0.1, 1.0], progress=False)

        at = reduce(
            month, EVERY, period="1D", threshold=[0.1, 1.0], points=[AACHEN, (13.4, 52.52)], progress=False
        )

        for name in field.data_vars:
            np.testing.assert_array_equal(at[name], field[name].sel(x=at.x, y=at.y))

    def test_forms_of_points(self, tmp_path: Path) -> None:
        """A mapping, a sequence and a table yield the same values, under their own names."""
        folder = save(tmp_path, frame("2020-06-13T00:00", np.arange(202_500).reshape(450, 450) % VALUE))
        table = xr.Dataset(
            {"lon": ("name", [AACHEN[0]]), "lat": ("name", [AACHEN[1]]), "name": ["A"]}
        ).to_dataframe()

        results = [reduce(folder, "series", points=p, progress=False) for p in ({"A": AACHEN}, [AACHEN], table)]

        assert len({float(result.RY[0, 0]) for result in results}) == 1
        assert [result.point.values.tolist() for result in results] == [["A"], [0], ["A"]]

    def test_corners_are_inside(self, tmp_path: Path) -> None:
        """The centres of the outermost cells select these cells."""
        folder = save(tmp_path, frame("2020-06-13T00:00"))
        ds = open_dataset(folder, progress=False)
        x, y = np.meshgrid(ds.x[[0, -1]], ds.y[[0, -1]])
        lon, lat = to_lonlat(x.ravel(), y.ravel(), "sphere")

        result = reduce(folder, "series", points=np.stack([lon, lat], axis=-1), progress=False)

        np.testing.assert_array_equal(result.x, x.ravel())
        np.testing.assert_array_equal(result.y, y.ravel())


class TestMeaning:
    """Units, names and refused arguments."""

    @pytest.mark.parametrize(
        ("how", "expected"),
        [
            ("sum", ("mm", "time: sum", "sum of 5-minute", 1440)),
            ("mean", ("mm", "time: mean", "mean of 5-minute", 5)),
            ("max", ("mm", "time: maximum", "maximum of 5-minute", 5)),
            ("min", ("mm", "time: minimum", "minimum of 5-minute", 5)),
            ("count", ("1", None, "number of intervals", None)),
        ],
    )
    def test_variables_are_described(self, month: Path, how: Any, expected: tuple[Any, ...]) -> None:
        """Units, cell methods, names and intervals are those of the reduction, and the coverage is referenced."""
        attrs = reduce(month, how, period="1D", progress=False).RY.attrs

        words = " ".join(attrs["long_name"].split()[:3])
        assert (attrs["units"], attrs.get("cell_methods"), words, attrs.get("interval_minutes")) == expected
        assert attrs["ancillary_variables"] == "coverage"

    def test_a_result_can_be_written(self, month: Path, tmp_path: Path) -> None:
        """The result survives netCDF."""
        result = reduce(month, EVERY, period="1D", threshold=[0.1, 1.0], progress=False)

        result.to_netcdf(tmp_path / "a.nc")

        with xr.open_dataset(tmp_path / "a.nc") as again:
            xr.testing.assert_identical(again.load(), result)

    def test_progress_counts_frames(self, month: Path) -> None:
        """Progress has an event per batch, from the caller's thread, up to all frames."""
        seen: list[Progress] = []

        reduce(month, "sum", progress=seen.append)

        events = [event for event in seen if event.task == "reduce"]
        assert (events[-1].done, events[-1].total, events[-1].unit) == (13, 13, "frames")

    @pytest.mark.parametrize(
        ("arguments", "text"),
        [
            ({"how": "median"}, "unknown how='median': choose from sum, mean, std, var, max, min, count"),
            ({"how": []}, r"unknown how=\[\]"),
            ({"how": ["sum", "series"], "points": [AACHEN]}, "use it alone"),
            ({"how": "series", "points": [AACHEN], "period": "1D"}, "without a period"),
            ({"how": "series"}, "needs points="),
            ({"how": "sum", "threshold": 1}, "threshold=1 needs how="),
            ({"how": "count", "threshold": float("nan")}, "threshold=nan is not a number"),
            ({"how": "count", "threshold": []}, "is not a number, nor a list of them"),
            ({"how": "wet_share"}, "needs threshold="),
            ({"how": "quantile"}, "needs quantile=.*0.99"),
            ({"how": "quantile", "quantile": 99}, "quantile=99 is not between 0 and 1"),
            ({"how": "mean", "quantile": 0.5}, 'quantile=0.5 needs how="quantile"'),
            ({"how": "histogram"}, "needs bins="),
            ({"how": "histogram", "bins": [1, 1]}, r"bins=\[1, 1\] are not rising edges of 1 to 256 bins"),
            ({"how": "histogram", "bins": ["a", "b"]}, "is not a number, nor a list of them"),
            ({"how": "sum", "bins": [0, 1]}, 'needs how="histogram"'),
            ({"how": "sum", "by": "month"}, "by='month' has no sum"),
            ({"how": "mean", "by": "week"}, "unknown by='week': choose from month, season, hour"),
            ({"how": "mean", "by": "month", "period": "1D"}, "leave out period= and label="),
            ({"how": "sum", "period": "soon"}, "unknown period='soon'"),
            ({"how": "sum", "points": {"Rome": (12.5, 41.9)}}, r"the point 'Rome' \(lon 12.5, lat 41.9\) lies"),
            ({"how": "sum", "points": [AACHEN[::-1]]}, "longitude first"),
            ({"how": "sum", "points": []}, r"points=\[\] are not points"),
            ({"how": "sum", "points": ["Atlantis"]}, "unknown place 'Atlantis'"),
            ({"how": "sum", "sums": "never"}, "sums='never'"),
        ],
    )  # fmt: skip
    def test_invalid_arguments(self, month: Path, arguments: dict[str, Any], text: str) -> None:
        """An invalid argument raises an error with its value and the valid ones."""
        with pytest.raises(SettingsError, match=text):
            reduce(month, progress=False, **arguments)

    @pytest.mark.parametrize(
        ("name", "how", "text"),
        [
            ("raa01-rx_10000-1605290600-dwd---bin", "sum", "RX is in dBZ: only amounts in mm can be summed"),
        ],
    )
    def test_reflectivities_are_not_summed(self, real_frames: Path, name: str, how: Any, text: str) -> None:
        """A sum of reflectivities raises."""
        with pytest.raises(SeriesError, match=text):
            reduce(real_frames / name, how, progress=False)

    def test_several_lead_times(self, tmp_path: Path) -> None:
        """Several runs of several lead times raise; one run or one lead time is a series over its valid times."""
        rv = {"product": "RV", "rows": 1200, "cols": 1100, "version": 5}
        pairs = [(stamp, lead) for stamp in ("2020-06-13T23:50", "2020-06-13T23:55") for lead in (0, 5)]
        both = save(tmp_path / "both", *(frame(stamp, 7, lead=lead, **rv) for stamp, lead in pairs))
        one = save(tmp_path / "one", frame("2020-06-13T23:55", 7, lead=10, **rv))
        box = geopandas.GeoSeries([shapely.box(8, 50, 9, 51)], crs="EPSG:4326")

        text = r"RV has 2 runs of several lead times \(0, 5 min\).*choose run=.* or lead="
        with pytest.raises(SeriesError, match=text):
            reduce(both, "sum", progress=False)
        with pytest.raises(SeriesError, match=text):
            over_areas(both, box, progress=False)
        result = reduce(one, "sum", period="1D", progress=False)
        chosen = reduce(both, "sum", lead="5min", period="1D", progress=False)
        run = reduce(both, "max", run="latest", progress=False)
        mean = over_areas(both, box, lead="5min", progress=False)

        assert str(result.time.values[0])[:10] == "2020-06-14"
        assert [str(time)[:10] for time in chosen.time.values] == ["2020-06-13"]
        assert (chosen.RV[0, 0, 0], run.RV[0, 0]) == (pytest.approx(0.14), pytest.approx(0.07))
        assert str(run.time_bnds.values[0]) == "2020-06-13T23:55:00.000000000"
        assert [str(time)[11:16] for time in mean.time.values] == ["23:55", "00:00"]

    def test_a_missing_source(self, tmp_path: Path) -> None:
        """A missing source raises NothingFound, as in every function."""
        with pytest.raises(NothingFound, match="nowhere"):
            reduce(tmp_path / "nowhere", "sum", progress=False)

    def test_an_archive_that_changed_meanwhile(self, month: Path, tmp_path: Path) -> None:
        """Damage after the index was made raises an error of the archive, from any thread."""
        path = tmp_path / "month.tar"
        path.write_bytes(month.read_bytes())
        reduce(path, "count", points=[AACHEN], progress=False)
        stamp = path.stat()
        with path.open("r+b") as file:
            file.seek(stamp.st_size // 3)
            file.write(bytes(stamp.st_size - stamp.st_size // 3))
        os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))

        with pytest.raises((TruncatedArchive, SeriesError, ValueError), match=r"month\.tar"):
            reduce(path, "sum", progress=False)


def test_memory_does_not_grow_with_the_series(month: Path, real_day: Path) -> None:
    """A day of 5-minute frames, 1.1 GB, takes as much memory as an hour, well below 600 MB."""
    for path in (month, real_day):
        open_dataset(path, progress=False)

    def peak(path: Path) -> float:
        tracemalloc.start()
        try:
            reduce(path, "sum", workers=2, progress=False)
            return tracemalloc.get_traced_memory()[1] / 1e6
        finally:
            tracemalloc.stop()

    most = peak(real_day)
    assert most < peak(month) * 990 / 202.5 + 20
    assert most < 200
