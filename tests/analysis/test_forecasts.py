"""Analyses of forecasts: of one run, of one lead time, and verification against observed rain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
import shapely
import xarray as xr
from support.frames import frame, save
from support.small_rain import forecasts, rain, showers

import radar_nb as rn
from radar_nb.dwd.grids import to_lonlat
from radar_nb.errors import CubeError, SeriesError, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

QUIET: dict[str, Any] = {"progress": False}
RUN = forecasts(showers(25, 4, 5)[None], first="2020-06-13T08:55")  # of 0 to 120 min ahead
RUNS = forecasts(showers(36, 4, 5).reshape(12, 3, 4, 5), first="2020-06-13T08:05")
RQ = {"product": "RQ", "rows": 450, "cols": 450, "precision": -1, "interval": 60}
PLACE = {"here": (9.9, 50.6)}


def stamps(times: Any) -> list[str]:
    """Return times of day."""
    return [str(value)[11:16] for value in np.atleast_1d(times.values)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run of RV of 13 lead times, each with 0.01 mm more than the last."""
    rv = {"product": "RV", "rows": 1200, "cols": 1100, "version": 5}
    return save(tmp_path / "run", *(frame("2020-06-13T08:55", 1 + n, lead=5 * n, **rv) for n in range(13)))


class TestAccumulate:
    """Sums of forecast rain."""

    def test_hours_of_a_run_are_the_next_hours(self) -> None:
        """Hours of a run count from the time of issue and exclude the analysis, which ends then."""
        found = rn.accumulate(RUN, "1h")

        assert stamps(found.time) == ["09:55", "10:55"]
        assert stamps(found.time_bnds[:, 0]) == ["08:55", "09:55"]
        assert stamps(found.forecast_reference_time) == ["08:55"]
        values = RUN.RV.values[0]
        np.testing.assert_allclose(found.RV, [values[1:13].sum(axis=0), values[13:].sum(axis=0)], rtol=1e-6)
        assert (found.coverage == 1).all()

    def test_the_total_of_a_run_excludes_the_analysis(self) -> None:
        """Without a period the total covers the time from the issue to the last lead time."""
        found = rn.accumulate(RUN)

        assert stamps(found.time_bnds) == ["08:55", "10:55"]
        np.testing.assert_allclose(found.RV, RUN.RV.values[0, 1:].sum(axis=0), rtol=1e-6)

    def test_clock_hours_on_request(self) -> None:
        """With `day_begin` hours are clock hours; incomplete ones are missing."""
        found = rn.accumulate(RUN, "1h", day_begin="06:00")

        assert stamps(found.time) == ["09:00", "10:00", "11:00"]
        assert found.RV.isnull().all(["y", "x"]).values.tolist() == [True, False, True]
        np.testing.assert_allclose(found.coverage[:, 0, 0], [1 / 12, 1, 11 / 12])

    def test_incomplete_hours_of_a_run_are_missing(self) -> None:
        """For a run that ends early, the last, incomplete hour is missing."""
        found = rn.accumulate(RUN.isel(lead_time=slice(0, 20)), "1h")

        assert found.RV.isnull().all(["y", "x"]).values.tolist() == [False, True]

    def test_files_are_summed_as_their_dataset(self, run: Path) -> None:
        """One pass over the files of a run returns the same sums and times as their Dataset."""
        found = rn.accumulate(run, "1h", **QUIET)

        expected = rn.accumulate(rn.open_dataset(run, **QUIET), "1h").compute()
        np.testing.assert_allclose(found.RV[0, 0, 0], sum(range(2, 14)) / 100, rtol=1e-6)
        xr.testing.assert_allclose(found.RV, expected.RV)
        assert found.time_bnds.equals(expected.time_bnds)

    def test_a_lead_time_of_many_runs_has_clock_hours(self) -> None:
        """A lead time's hours are clock hours of its valid times, as for any series."""
        found = rn.accumulate(rn.forecast(RUNS, lead="10min"), "1h", min_coverage=0)

        assert stamps(found.time) == ["09:00", "10:00"]
        assert found.lead_time == np.timedelta64(10, "m")
        np.testing.assert_allclose(found.RV[0], RUNS.RV.values[:10, 2].sum(axis=0), rtol=1e-6)

    def test_overlapping_sums_of_a_run_are_not_added(self) -> None:
        """For RS, hourly sums every five minutes, only consecutive hours are added."""
        rs = forecasts(showers(25, 2, 2)[None], minutes=60, name="RS", first="2020-06-13T08:55")

        found, total = rn.accumulate(rs, "1h"), rn.accumulate(rs)

        assert stamps(found.time) == ["09:55", "10:55"]
        np.testing.assert_array_equal(found.RS, rs.RS.values[0, [12, 24]])
        np.testing.assert_allclose(total.RS, rs.RS.values[0, [12, 24]].sum(axis=0), rtol=1e-6)
        with pytest.raises(SeriesError, match="no lead time is a multiple of that"):
            rn.accumulate(rs.isel(lead_time=slice(1, 6)), "1h")

    def test_a_run_without_forecasts_has_no_sum(self) -> None:
        """Accumulating an analysis alone raises."""
        with pytest.raises(SettingsError, match=r"no interval of the run of 2020-06-13 08:55 UTC begins"):
            rn.accumulate(RUN.isel(lead_time=[0]).isel(time=0), "1h")

    def test_runs_and_lead_times_are_not_mixed(self) -> None:
        """Several runs of several lead times raise, and the message shows how to choose either."""
        with pytest.raises(SeriesError, match=r"RV has 12 runs.*choose run=.*lead=.*with forecast\(ds, "):
            rn.accumulate(RUNS, "1h")


class TestAnalyses:
    """Each analysis accepts a run and a lead time as opened, and uses valid times."""

    def test_points(self) -> None:
        """A series at a point has the valid times and the time of issue."""
        found = rn.at_points(RUN, [_centre(RUN)])

        assert stamps(found.time)[:2] == ["08:55", "09:00"]
        assert stamps(found.forecast_reference_time) == ["08:55"]
        np.testing.assert_array_equal(found.RV[:, 0], RUN.RV[0, :, 1, 2])
        hours = rn.accumulate(found, "1h")
        np.testing.assert_allclose(hours.RV[:, 0], rn.accumulate(RUN, "1h").RV[:, 1, 2], rtol=1e-6)

    def test_points_of_files(self, run: Path) -> None:
        """Files return the same series and their extremes in one pass."""
        found, most = rn.at_points(run, PLACE, **QUIET), rn.at_points(run, PLACE, "max", **QUIET)

        assert stamps(found.time)[-1] == "09:55"
        assert stamps(found.forecast_reference_time) == ["08:55"]
        np.testing.assert_allclose(found.RV[:, 0], np.arange(1, 14) / 100, rtol=1e-6)
        assert float(most.RV[0]) == pytest.approx(0.13)

    def test_areas(self, run: Path) -> None:
        """The mean over an area has valid times, from Datasets and from files."""
        box = geopandas.GeoSeries([shapely.box(9.9, 50.5, 10.1, 50.7)], crs="EPSG:4326")

        found = rn.over_areas(run, box, **QUIET)
        of_dataset = rn.over_areas(rn.open_dataset(run, **QUIET), box, **QUIET).compute()

        np.testing.assert_allclose(found.RV[:, 0], np.arange(1, 14) / 100, rtol=1e-5)
        assert of_dataset.RV.drop_vars("source").equals(found.RV.drop_vars("source"))

    def test_exceedance(self) -> None:
        """Moving sums of a run equal those of its series."""
        found = rn.exceedance(RUN, 5.0, "1h", **QUIET)

        sums = np.cumsum(RUN.RV.values[0].astype(float), axis=0)
        sums[12:] -= sums[:-12].copy()
        np.testing.assert_array_equal(found.RV, (sums >= 5 - 1e-6).sum(axis=0))

    def test_reduce(self, run: Path) -> None:
        """Extremes and counts of a run exclude its analysis, as sums do."""
        found = rn.reduce(run, ["max", "min", "count"], threshold=0.1, **QUIET)

        assert [float(found[f"RV_{how}"][0, 0]) for how in ("max", "min", "count")] == pytest.approx(
            [0.13, 0.02, 4]
        )

    def test_events(self) -> None:
        """An event of a run has valid times."""
        values = np.zeros((1, 6, 4, 5), np.float32)
        values[0, 2:4, 1, 1] = 3

        table = rn.events(forecasts(values, first="2020-06-13T08:55"), 1.0, **QUIET)

        assert [str(time)[11:16] for time in (table.begin[0], table.end[0])] == ["09:00", "09:10"]

    def test_check(self) -> None:
        """A missing lead time of a run is a gap."""
        card = rn.check(RUN.isel(lead_time=[0, 1, 2, 4]), **QUIET)

        assert card["gaps"].count == 1
        assert "09:10" in card["gaps"].text

    def test_export_of_series(self, tmp_path: Path) -> None:
        """A table of a run has a row for each valid time."""
        series = rn.at_points(RUN, [_centre(RUN)])

        lines = rn.export(series, tmp_path / "run.csv").read_text("utf-8").splitlines()
        table = pq.read_table(rn.export(series, tmp_path / "run.parquet"))

        rows = [line for line in lines if not line.startswith("#")]
        assert (len(rows), rows[2].partition(",")[0]) == (26, "2020-06-13T09:00:00Z")
        assert str(table["time"][1].as_py()) == "2020-06-13 09:00:00+00:00"

    def test_export_of_fields(self, tmp_path: Path) -> None:
        """A GeoTIFF of a run has a band for each lead time; a netCDF keeps both axes."""
        one = RUN.isel(lead_time=slice(0, 3))

        with rasterio.open(rn.export(one, tmp_path / "run.tif")) as tiff:
            assert tiff.descriptions == ("2020-06-13T08:55Z", "2020-06-13T09:00Z", "2020-06-13T09:05Z")
            np.testing.assert_array_equal(tiff.read(2)[::-1], one.RV[0, 1])
        with xr.open_dataset(rn.export(one, tmp_path / "run.nc"), decode_timedelta=True) as ds:
            assert ds.RV.dims == ("time", "lead_time", "y", "x")

    def test_maxima_of_years_are_refused(self) -> None:
        """Forecasts have no annual maxima and raise; the analysis has."""
        with pytest.raises(SeriesError, match=r"RV. are forecasts, which have no annual maxima.*lead="):
            rn.annual_maxima(RUN, ["5min"], **QUIET)
        found = rn.annual_maxima(rn.forecast(RUNS, lead="0min"), ["5min"], min_coverage=0, **QUIET)
        np.testing.assert_array_equal(found.RV[0, 0], RUNS.RV[:, 0].max("time"))

    def test_a_cube_holds_one_lead_time(self, tmp_path: Path) -> None:
        """A cube of all lead times raises with a remedy; one of a single lead time opens as it was built."""
        pairs = [(stamp, lead) for stamp in ("15:00", "16:00") for lead in (0, 60)]
        files = save(
            tmp_path / "rq", *(frame(f"2020-06-13T{at}", 7 + lead, lead=lead, **RQ) for at, lead in pairs)
        )

        with pytest.raises(SeriesError, match=r'RQ holds forecasts.*choose a lead time, such as lead="30min"'):
            rn.build_cube(files, tmp_path / "all.zarr", **QUIET)
        rn.build_cube(files, tmp_path / "RQ.zarr", lead="1h", **QUIET)
        found = rn.open_cube(tmp_path / "RQ.zarr")

        assert stamps(found.time) == ["16:00", "17:00"]
        assert found.lead_time == np.timedelta64(1, "h")
        assert stamps(found.forecast_reference_time) == ["15:00", "16:00"]
        assert float(found.RQ[0, 0, 0]) == pytest.approx(6.7)
        assert rn.verify_cube(tmp_path / "RQ.zarr", files, **QUIET).failed == ()
        with pytest.raises(CubeError, match="whose lead time is 60, not 0"):
            rn.build_cube(files, tmp_path / "RQ.zarr", lead="0min", **QUIET)


def _centre(ds: Any) -> tuple[float, float]:
    """Return the centre of the cell in row 1 and column 2, degrees."""
    lon, lat = to_lonlat(ds.x.values[[2]], ds.y.values[[1]], "sphere")
    return float(lon[0]), float(lat[0])


class TestVerify:
    """Scores by lead time, compared with arithmetic cell by cell."""

    CAME = rain(showers(20, 6, 7, seed=1, missing=0.1), first="2020-06-13T08:05", name="RY")
    AHEAD = forecasts(showers(24, 6, 7, seed=2, missing=0.1).reshape(8, 3, 6, 7), first="2020-06-13T08:05")

    def test_scores_equal_their_definitions(self) -> None:
        """Bias, error, hits and fractions equal their formulas over all cells with both values."""
        found = rn.verify(self.AHEAD, self.CAME, thresholds=[0.5, 2.0], scales=[1, 3], **QUIET)

        assert (found.lead_time / np.timedelta64(1, "m")).values.tolist() == [0, 5, 10]
        assert found.fields.values.tolist() == [8, 8, 8]
        came = self.CAME.RY.values
        for lead in range(3):
            pairs = [(self.AHEAD.RV.values[run, lead], came[run + lead]) for run in range(8)]
            known = [np.isfinite(f) & np.isfinite(a) for f, a in pairs]
            errors = np.concatenate([(f - a)[k] for (f, a), k in zip(pairs, known, strict=True)])
            np.testing.assert_allclose(found.bias[lead], errors.mean(), rtol=1e-5)
            np.testing.assert_allclose(found.mae[lead], np.abs(errors).mean(), rtol=1e-5)
            np.testing.assert_allclose(found.compared[lead], errors.size / (8 * 42))
            for number, floor in enumerate((0.5, 2.0)):
                wet = [(f >= floor - 1e-5, a >= floor - 1e-5) for f, a in pairs]
                hits = sum((f & a)[k].sum() for (f, a), k in zip(wet, known, strict=True))
                either = sum((f | a)[k].sum() for (f, a), k in zip(wet, known, strict=True))
                np.testing.assert_allclose(found.csi[lead, number], hits / either)
                for scale, half in enumerate((0, 1)):
                    shares = [_shares(f, a, k, half) for (f, a), k in zip(wet, known, strict=True)]
                    f, a = np.concatenate(shares, axis=1)
                    score = 1 - ((f - a) ** 2).sum() / ((f**2).sum() + (a**2).sum())
                    np.testing.assert_allclose(found.fss[lead, number, scale], score, rtol=1e-6)

    def test_a_correct_forecast_has_full_scores(self) -> None:
        """A forecast equal to the observed rain has no error and full scores."""
        came = self.CAME.RY.values
        right = forecasts(np.stack([came[run : run + 3] for run in range(8)]), first="2020-06-13T08:05")

        found = rn.verify(right, self.CAME, **QUIET | {"scales": 3})

        assert not found[["bias", "mae"]].to_array().any()
        assert (found[["csi", "fss"]].to_array() == 1).all()

    def test_the_analysis_can_serve_as_observation(self) -> None:
        """Lead time 0 of the same Dataset can be the observation; one run or lead time can be verified alone."""
        analysis = rn.forecast(self.AHEAD, lead="0min")

        whole = rn.verify(self.AHEAD, analysis, scales=1, **QUIET)
        one = rn.verify(rn.forecast(self.AHEAD, lead="10min"), analysis, scales=1, **QUIET)
        run = rn.verify(rn.forecast(self.AHEAD, run="2020-06-13T08:05"), analysis, scales=1, **QUIET)

        assert whole.fields.values.tolist() == [8, 7, 6]
        assert one.drop_vars("lead_time").identical(whole.isel(lead_time=[2]).drop_vars("lead_time"))
        assert run.fields.values.tolist() == [1, 1, 1]

    def test_dry_forecasts_have_no_hits(self) -> None:
        """Without observed and forecast rain, CSI and FSS are missing and the error is 0."""
        dry = forecasts(np.zeros((1, 2, 6, 7)), first="2020-06-13T08:05")

        found = rn.verify(dry, rain(np.zeros((2, 6, 7)), first="2020-06-13T08:05"), scales=[1, 5], **QUIET)

        assert found.csi.isnull().all()
        assert found.fss.isnull().all()
        assert (found.mae == 0).all()

    @pytest.mark.parametrize(
        ("data", "analysis", "options", "kind", "text"),
        [
            (CAME, CAME, {}, SeriesError, "verify needs forecasts"),
            (
                AHEAD,
                rain(showers(2, 6, 7), minutes=60, name="RW"),
                {},
                SeriesError,
                "pass amounts over the same",
            ),
            (AHEAD, CAME.isel(x=slice(1, None)), {}, SeriesError, "open both with the same grid="),
            (AHEAD, rain(showers(2, 6, 7)), {}, SeriesError, "no field of a time that is forecast"),
            (
                AHEAD,
                CAME,
                {"scales": [2]},
                SettingsError,
                r"scales=\[2\] must be odd multiples of the cell of 1 km",
            ),
            (AHEAD, CAME, {"thresholds": 0}, SettingsError, "thresholds=0"),
        ],
    )
    def test_input_that_cannot_be_compared_raises(
        self, data: Any, analysis: Any, options: Any, kind: Any, text: str
    ) -> None:
        """Different intervals, grids or times, and invalid numbers, raise with a remedy."""
        with pytest.raises(kind, match=text):
            rn.verify(data, analysis, **options, **QUIET)

    def test_the_real_run(self, real_present: Path, tmp_path: Path) -> None:
        """The analysis of a real run has full scores against itself."""
        path = tmp_path / "composite_rv_20250923_0855.tar"
        path.write_bytes((real_present / path.name).read_bytes())
        ds = rn.open_dataset(path, chunks=None, **QUIET)

        found = rn.verify(ds, rn.forecast(ds, lead="0min"), thresholds=0.1, scales=[1, 25], **QUIET)

        assert found.sizes["lead_time"] == 1
        assert (found.fss == 1).all()
        assert float(found.compared[0]) == pytest.approx(1 - 621_995 / 1_320_000)


def _shares(f: Any, a: Any, known: Any, half: int) -> Any:
    """Return the shares of wet cells around each known cell, counted one by one; shape (2, cells)."""
    found = []
    for row, col in zip(*np.nonzero(known), strict=True):
        box = np.s_[max(row - half, 0) : row + half + 1, max(col - half, 0) : col + half + 1]
        found.append([wet[box][known[box]].mean() for wet in (f, a)])
    return np.array(found).T
