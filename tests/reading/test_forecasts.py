"""Forecasts as series over their valid time: of one run, and of one lead time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support.frames import frame, save
from support.small_rain import forecasts, rain, showers

import radar_nb as rn
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.forecasts import as_series, issue_of

if TYPE_CHECKING:
    from pathlib import Path

VALUES = showers(12, 2, 3).reshape(3, 4, 2, 3)
DS = forecasts(VALUES)  # issued at 00:05, 00:10 and 00:15, of 0 to 15 min ahead
RQ = {"product": "RQ", "rows": 450, "cols": 450, "precision": -1, "interval": 60}


def stamps(data: Any, name: str = "time") -> list[str]:
    """Return times of day."""
    return [str(value)[11:16] for value in np.atleast_1d(data[name].values)]


def minutes(data: Any) -> Any:
    """Return lead times in minutes."""
    return (data["lead_time"].values / np.timedelta64(1, "m")).tolist()


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Return two runs of RQ, an hour apart, of three lead times, whose values are issue * 100 + lead in hours."""
    frames = (
        frame(f"2020-06-13T{hour}:00", hour * 100 + lead, lead=60 * lead, **RQ)
        for hour in (15, 16)
        for lead in range(3)
    )
    return save(tmp_path / "runs", *frames)


class TestOneRun:
    """One run along its lead times."""

    @pytest.mark.parametrize(
        "run",
        [
            "2020-06-13T00:10",
            "2020-06-13T02:10+02:00",
            datetime(2020, 6, 13, 0, 10, tzinfo=UTC),
            np.datetime64("2020-06-13T00:10"),
        ],
    )
    def test_a_run_is_a_series_of_its_lead_times(self, run: Any) -> None:
        """The fields of a run lie at the ends of the intervals that they are for, issue plus lead."""
        found = rn.forecast(DS, run=run)

        assert found.RV.dims == ("time", "y", "x")
        assert stamps(found) == ["00:10", "00:15", "00:20", "00:25"]
        assert minutes(found) == [0, 5, 10, 15]
        assert stamps(found, "forecast_reference_time") == ["00:10"]
        assert (found.time == found.forecast_reference_time + found.lead_time).all()
        assert (found.time_bnds[:, 1] == found.time).all()
        np.testing.assert_array_equal(found.RV, VALUES[1])

    def test_latest_is_the_last_run(self) -> None:
        """`run="latest"` selects the run that was issued last."""
        assert rn.forecast(DS, run="latest").RV.identical(rn.forecast(DS, run="2020-06-13T00:15").RV)

    def test_the_only_run_needs_no_name(self) -> None:
        """A single run, as an axis or as a scalar, is selected without being named."""
        expected = rn.forecast(DS, run="2020-06-13T00:05")

        for one in (DS.isel(time=[0]), DS.isel(time=0)):
            assert as_series(one).identical(expected)
        assert as_series(DS.RV[0]).identical(expected.RV)

    def test_only_a_run_has_an_issue_time(self) -> None:
        """A run has one time of issue; other series have none."""
        assert issue_of(rn.forecast(DS.RV, run="latest")) == np.datetime64("2020-06-13T00:15")
        assert issue_of(rn.forecast(DS.RV, lead="5min")) is None
        assert issue_of(rain(VALUES[0]).YW) is None


class TestOneLeadTime:
    """One lead time of many runs."""

    @pytest.mark.parametrize("lead", ["10min", "0h10min", timedelta(minutes=10), np.timedelta64(600, "s")])
    def test_a_lead_time_is_a_series_of_its_runs(self, lead: Any) -> None:
        """The fields of a lead time lie at the ends of the intervals that they are for, issue plus lead."""
        found = rn.forecast(DS, lead=lead)

        assert found.RV.dims == ("time", "y", "x")
        assert stamps(found) == ["00:15", "00:20", "00:25"]
        assert minutes(found) == 10
        assert stamps(found, "forecast_reference_time") == ["00:05", "00:10", "00:15"]
        assert (found.time_bnds[:, 1] == found.time).all()
        np.testing.assert_array_equal(found.RV, VALUES[:, 2])

    def test_the_only_lead_time_needs_no_name(self) -> None:
        """A single lead time, as an axis or as a scalar, is selected without being named."""
        expected = rn.forecast(DS, lead="5min")

        for one in (DS.isel(lead_time=[1]), DS.isel(lead_time=1)):
            assert as_series(one).identical(expected)


class TestChoice:
    """Invalid choices."""

    @pytest.mark.parametrize(
        ("options", "kind", "text"),
        [
            (
                {},
                SeriesError,
                r'RV has 3 runs of several lead times \(0, 5, 10, 15 min\).*run="latest".*lead="15min"',
            ),
            ({"run": "latest", "lead": "5min"}, SettingsError, "choose a single field: pass one of the two"),
            ({"lead": "7min"}, SeriesError, "RV has no lead time of 7 min: choose one of 0, 5, 10, 15 min"),
            ({"lead": 30}, SettingsError, "lead=30 is not a lead time: write it with its unit"),
            ({"lead": "30"}, SettingsError, "lead='30' is not a lead time"),
            ({"lead": ""}, SettingsError, "lead='' is not a lead time"),
            ({"lead": timedelta(seconds=90)}, SettingsError, "is not a lead time"),
            ({"run": "2020-06-13T00:11"}, SeriesError, r"no run of 2020-06-13 00:11.*the nearest of .*00:10 UTC"),
            ({"run": "noon"}, SettingsError, "run='noon' is not a time"),
        ],
    )
    def test_an_invalid_choice_lists_the_valid_ones(self, options: dict[str, Any], kind: Any, text: str) -> None:
        """The error for a missing or invalid run or lead time names it and lists the existing ones."""
        with pytest.raises(kind, match=text):
            rn.forecast(DS, **options)

    def test_only_forecasts_have_runs(self) -> None:
        """Data that are not a forecast, a single field, or already a series raise."""
        with pytest.raises(SeriesError, match="YW is not a forecast"):
            rn.forecast(rain(VALUES[0]))
        with pytest.raises(SeriesError, match="RV is a single field of a forecast"):
            rn.forecast(DS.isel(time=0, lead_time=0))
        with pytest.raises(SeriesError, match="RV is a series over its time of validity already"):
            rn.forecast(rn.forecast(DS, lead="5min"), run="latest")

    def test_other_data_are_returned_unchanged(self) -> None:
        """A series, a field and None are returned unchanged."""
        series = rn.forecast(DS, lead="5min")

        for data in (series, DS.isel(time=0, lead_time=0), rain(VALUES[0]), None):
            assert as_series(data) is data


class TestSources:
    """Files."""

    @pytest.mark.parametrize("chosen", [{"run": "2020-06-13T16:00"}, {"run": "latest"}, {"lead": "1h"}])
    def test_files_open_as_a_run_or_a_lead_time(self, runs: Path, chosen: dict[str, Any]) -> None:
        """`open_dataset` with a run or a lead time equals `forecast` of the whole Dataset."""
        whole = rn.open_dataset(runs, progress=False)

        found = rn.open_dataset(runs, progress=False, **chosen)

        expected = rn.forecast(whole, **chosen)
        xr.testing.assert_equal(found.drop_vars("source").compute(), expected.drop_vars("source").compute())
        for name in (*found.coords, "RQ"):
            assert found[name].attrs == expected[name].attrs
            if name != "source":
                assert found[name].encoding.get("units") == expected[name].encoding.get("units")

    def test_the_engine_accepts_run_and_lead(self, runs: Path) -> None:
        """`xr.open_dataset` accepts the same two options."""
        with xr.open_dataset(runs, engine="radar_nb", lead="2h") as ds:
            assert stamps(ds) == ["17:00", "18:00"]
            assert ds.RQ[:, 0, 0].values.tolist() == pytest.approx([150.2, 160.2])

    def test_a_missing_lead_time_is_a_gap(self, tmp_path: Path) -> None:
        """A run without a lead time counts and names the step; with `fill_gaps` it is a field without data."""
        some = (
            frame("2020-06-13T15:25", 7, product="RV", rows=1200, cols=1100, version=5, lead=n) for n in (0, 5, 15)
        )
        folder = save(tmp_path / "rv", *some)

        found = rn.open_dataset(folder, run="latest", progress=False)
        filled = rn.open_dataset(folder, run="latest", fill_gaps=True, progress=False)

        assert (found.frames_missing, found.gaps) == (1, "2020-06-13T15:35:00")
        assert minutes(found) == [0, 5, 15]
        assert minutes(filled) == [0, 5, 10, 15]
        assert filled.RV[:, 0, 0].isnull().values.tolist() == [False, False, True, False]

    def test_a_lead_time_skips_runs_that_lack_it(self, tmp_path: Path) -> None:
        """The series of a lead time omits runs that do not have it, and counts them."""
        frames = [("15:00", 0), ("15:00", 60), ("15:15", 0), ("15:30", 0), ("15:30", 60)]
        folder = save(tmp_path / "rq", *(frame(f"2020-06-13T{time}", 7, lead=lead, **RQ) for time, lead in frames))

        found = rn.open_dataset(folder, lead="1h", sums="all", progress=False)
        filled = rn.open_dataset(folder, lead="1h", sums="all", fill_gaps=True, progress=False)

        assert stamps(found) == ["16:00", "16:30"]
        assert (found.frames_missing, found.gaps) == (1, "2020-06-13T16:15:00")
        assert stamps(filled, "forecast_reference_time") == ["15:00", "15:15", "15:30"]
        assert filled.RQ[1].isnull().all()

    def test_overlapping_sums_of_a_lead_time_are_omitted(self, tmp_path: Path) -> None:
        """Of hourly sums every 15 minutes only those that do not overlap are used, as for any product."""
        times = np.datetime64("2020-06-13T15:00") + np.arange(8) * np.timedelta64(15, "m")
        folder = save(tmp_path / "rq", *(frame(str(time), 7, lead=60, **RQ) for time in times))

        found = rn.open_dataset(folder, lead="1h", progress=False)

        assert stamps(found) == ["16:45", "17:45"]
        assert "2 of 8 overlapping sums of 60 min" in found.sums_taken
        assert rn.open_dataset(folder, lead="1h", sums="all", progress=False).sizes["time"] == 8

    def test_only_forecasts_have_lead_times(self, tmp_path: Path) -> None:
        """A product without forecasts accepts neither option."""
        folder = save(tmp_path / "yw", frame())

        with pytest.raises(SeriesError, match=r"YW holds no forecasts.*leave out run= and lead="):
            rn.open_dataset(folder, lead="5min", progress=False)

    def test_a_run_is_one_chunk(self, runs: Path) -> None:
        """All lead times of a run are in one chunk, since a forecast's file is read from its beginning."""
        assert rn.open_dataset(runs, run="latest", progress=False).RQ.chunks[0] == (3,)

    def test_the_real_run(self, real_present: Path, tmp_path: Path) -> None:
        """DWD's tar of RV is one run: its analysis and the next two hours."""
        path = tmp_path / "composite_rv_20250923_0855.tar"
        path.write_bytes((real_present / path.name).read_bytes())

        found = rn.open_dataset(path, run="2025-09-23T08:55", progress=False)

        assert minutes(found) == [0, 50]
        assert found.frames_missing == 9
        assert int(found.RV[0].isnull().sum()) == 621_995
        whole = rn.open_dataset(path, progress=False).RV
        np.testing.assert_array_equal(found.RV, whole.isel(time=0))
