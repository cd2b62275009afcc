"""Laws of analyses of forecasts: of one run, of one lead time, and of both against what came."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support.frames import frame, save
from support.small_rain import forecasts, showers

import radar_nb as rn
from radar_nb.errors import SeriesError, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

QUIET: dict[str, Any] = {"progress": False}
RUN = forecasts(showers(25, 4, 5)[None], first="2020-06-13T08:55")  # of 0 to 120 min ahead
RUNS = forecasts(showers(36, 4, 5).reshape(12, 3, 4, 5), first="2020-06-13T08:05")
PLACE = {"here": (9.9, 50.6)}


def stamps(times: Any) -> list[str]:
    """Return times of day."""
    return [str(value)[11:16] for value in np.atleast_1d(times.values)]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Return a run of RV of 13 lead times, whose amounts are 0.01 mm more with each."""
    rv = {"product": "RV", "rows": 1200, "cols": 1100, "version": 5}
    return save(tmp_path / "run", *(frame("2020-06-13T08:55", 1 + n, lead=5 * n, **rv) for n in range(13)))


class TestAccumulate:
    """Sums of what is coming."""

    def test_hours_of_a_run_are_the_next_hours(self) -> None:
        """They are counted from the time of issue, and the analysis, which ends then, is in none of them."""
        found = rn.accumulate(RUN, "1h")

        assert stamps(found.time) == ["09:55", "10:55"]
        assert stamps(found.time_bnds[:, 0]) == ["08:55", "09:55"]
        assert stamps(found.forecast_reference_time) == ["08:55"]
        values = RUN.RV.values[0]
        np.testing.assert_allclose(found.RV, [values[1:13].sum(axis=0), values[13:].sum(axis=0)], rtol=1e-6)
        assert (found.coverage == 1).all()

    def test_all_of_a_run_is_what_is_ahead(self) -> None:
        """Without a period the total covers the time from the issue to the last lead time."""
        found = rn.accumulate(RUN)

        assert stamps(found.time_bnds) == ["08:55", "10:55"]
        np.testing.assert_allclose(found.RV, RUN.RV.values[0, 1:].sum(axis=0), rtol=1e-6)

    def test_a_clock_can_be_asked_for(self) -> None:
        """With a begin of days hours are those of the clock again; those that are cut off are missing."""
        found = rn.accumulate(RUN, "1h", day_begin="06:00")

        assert stamps(found.time) == ["09:00", "10:00", "11:00"]
        assert found.RV.isnull().all(["y", "x"]).values.tolist() == [True, False, True]
        np.testing.assert_allclose(found.coverage[:, 0, 0], [1 / 12, 1, 11 / 12])

    def test_what_a_run_lacks_is_missing(self) -> None:
        """A run that ends early has no hour that is not over."""
        found = rn.accumulate(RUN.isel(lead_time=slice(0, 20)), "1h")

        assert found.RV.isnull().all(["y", "x"]).values.tolist() == [False, True]

    def test_files_are_summed_as_their_dataset(self, run: Path) -> None:
        """One pass over the files of a run returns the sums that their Dataset has, and the same times."""
        found = rn.accumulate(run, "1h", **QUIET)

        expected = rn.accumulate(rn.open_dataset(run, **QUIET), "1h").compute()
        np.testing.assert_allclose(found.RV[0, 0, 0], sum(range(2, 14)) / 100, rtol=1e-6)
        xr.testing.assert_allclose(found.RV, expected.RV)
        assert found.time_bnds.equals(expected.time_bnds)

    def test_a_lead_time_of_many_runs_has_clock_hours(self) -> None:
        """Its hours are those of any series, at the time of validity."""
        found = rn.accumulate(rn.forecast(RUNS, lead="10min"), "1h", min_coverage=0)

        assert stamps(found.time) == ["09:00", "10:00"]
        assert found.lead_time == np.timedelta64(10, "m")
        np.testing.assert_allclose(found.RV[0], RUNS.RV.values[:10, 2].sum(axis=0), rtol=1e-6)

    def test_overlapping_sums_of_a_run_are_not_added(self) -> None:
        """Of RS, which has an hour every five minutes, the hours are added that follow each other."""
        rs = forecasts(showers(25, 2, 2)[None], minutes=60, name="RS", first="2020-06-13T08:55")

        found, total = rn.accumulate(rs, "1h"), rn.accumulate(rs)

        assert stamps(found.time) == ["09:55", "10:55"]
        np.testing.assert_array_equal(found.RS, rs.RS.values[0, [12, 24]])
        np.testing.assert_allclose(total.RS, rs.RS.values[0, [12, 24]].sum(axis=0), rtol=1e-6)
        with pytest.raises(SeriesError, match="none of them ends a multiple of that from the time of issue"):
            rn.accumulate(rs.isel(lead_time=slice(1, 6)), "1h")

    def test_a_run_without_anything_ahead_has_no_sum(self) -> None:
        """An analysis alone is not a forecast of an hour."""
        with pytest.raises(SettingsError, match=r"the run of 2020-06-13 08:55 UTC has no interval ahead"):
            rn.accumulate(RUN.isel(lead_time=[0]).isel(time=0), "1h")

    def test_runs_and_lead_times_are_not_mixed(self) -> None:
        """Several of both are refused, with both ways to choose."""
        with pytest.raises(SeriesError, match=r"RV has 12 runs.*choose run=.*lead=.*with forecast\(ds, "):
            rn.accumulate(RUNS, "1h")
