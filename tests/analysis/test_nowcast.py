"""Nowcasts of the next two hours: rain, dry or unknown."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # as in the package
import pytest
from support.live import HYMECNG, START, punctual, run_of

import radar_nb as rn
from radar_nb.analysis.nowcast import Outlook, Steps
from radar_nb.dwd.grids import GRIDS, to_lonlat
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.mirror import LiveMirror, SteppedClock, make_archives

if TYPE_CHECKING:
    from pathlib import Path

NOMINAL = datetime(2026, 6, 13, 14, 55, tzinfo=UTC)
FIVE = timedelta(minutes=5)
RAIN, DRY, UNKNOWN = 0.5, 0.0, np.nan  # mm in five minutes


def answer(
    *amounts: float, now: datetime = START, stale: bool = False, minutes: int = 120, leads: Any = range(25)
) -> Outlook:
    """Return the answer for amounts from the interval of 15:02, 15:00 to 15:05, on; later intervals are dry."""
    all_of_them = np.array([DRY, DRY, *amounts, *[DRY] * (23 - len(amounts))])[list(leads)]
    steps = Steps(ends=[NOMINAL + at * FIVE for at in leads], step=FIVE, nominal=NOMINAL, now=now, minutes=minutes)
    return steps.answer(
        place=("here", 12.37, 51.34),
        highest=all_of_them,
        mean=all_of_them,
        seen=np.isfinite(all_of_them).astype(float),
        threshold=0.12,
        stale=stale,
    )


def at(clock: str) -> datetime:
    """Return a time of the day, UTC."""
    return datetime.fromisoformat(f"2026-06-13T{clock}+00:00")


def test_dry_needs_every_interval_to_be_known_and_dry() -> None:
    """The status is dry only if a fresh forecast is known and dry in every interval from now to its end."""
    dry = answer()

    assert (dry.status, dry.raining, dry.until) == ("dry", False, at("16:55"))
    assert (dry.starts, dry.ends, dry.clears, dry.peak_time) == (None, None, None, None)
    assert (dry.peak, dry.sum_1h, dry.sum_2h, dry.seen) == (0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize("place", range(23))
def test_one_missing_interval_is_never_dry(place: int) -> None:
    """With one missing interval anywhere the status is unknown, and sums that include it are None."""
    found = answer(*[DRY] * place, UNKNOWN)

    assert found.status == "unknown"
    assert found.reason
    assert found.raining == (None if place == 0 else False)
    assert found.sum_2h is None
    assert (found.sum_1h is None) == (place < 12)


@pytest.mark.parametrize("lead", range(2, 25))
def test_a_run_without_a_lead_time_is_never_dry(lead: int) -> None:
    """An interval without a field makes the status unknown; without the last one the forecast is shorter."""
    found = answer(leads=[at for at in range(25) if at != lead])

    assert found.status == ("dry" if lead == 24 else "unknown")
    assert found.until == at("16:50" if lead == 24 else "16:55")
    assert (found.sum_2h is None) == (lead != 24)


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        ("18:00", "does not reach to now"),
        ("14:00", "of the future: check the clock"),
    ],
)
def test_a_forecast_of_another_time_is_unknown(now: str, reason: str) -> None:
    """An expired forecast, and one in the future of this computer's clock, have the status unknown."""
    found = answer(now=at(now), stale=True)

    assert (found.status, found.raining) == ("unknown", None)
    assert reason in found.reason
    assert f"unknown whether it rains, since the forecast {reason}" in found.sentence().replace("is of", "of")


def test_a_stale_forecast_can_be_rain_but_never_dry() -> None:
    """A stale forecast with rain is rain; one without rain is unknown."""
    assert (answer(stale=True).status, answer(stale=True).raining) == ("unknown", None)
    assert answer(DRY, RAIN, stale=True).status == "rain"


def test_current_rain_comes_from_the_current_interval() -> None:
    """At 15:02 the interval from 15:00 to 15:05 of the run of 14:55 decides whether it rains, not the analysis."""
    found = answer(RAIN, RAIN)

    assert (found.status, found.raining, found.starts) == ("rain", True, None)
    assert (found.ends, found.clears) == (at("15:10"), at("15:10"))
    assert (found.peak, found.peak_time) == (6.0, at("15:05"))
    assert (found.sum_1h, found.sum_2h) == (1.0, 1.0)


def test_rain_ends_with_half_an_hour_without_rain() -> None:
    """`ends` is the start of the first 30 dry minutes, `clears` that of the time dry until the forecast ends."""
    short = answer(RAIN, *[DRY] * 5, RAIN)
    long = answer(RAIN, *[DRY] * 6, RAIN)

    assert (short.ends, short.clears) == (at("15:35"), at("15:35"))
    assert (long.ends, long.clears) == (at("15:05"), at("15:40"))


def test_unknown_intervals_do_not_count_as_dry() -> None:
    """Rain ends only where it is known to be dry."""
    gap = answer(RAIN, DRY, DRY, UNKNOWN, *[DRY] * 3)
    last = answer(RAIN, *[DRY] * 21, UNKNOWN)

    assert (gap.ends, gap.clears) == (at("15:20"), None)
    assert (last.ends, last.clears) == (at("15:05"), None)


def test_rain_until_the_end_has_no_end() -> None:
    """Less than 30 dry minutes before the forecast ends do not set `ends`."""
    found = answer(*[DRY] * 3, *[RAIN] * 16)

    assert (found.raining, found.starts) == (False, at("15:15"))
    assert (found.ends, found.clears) == (None, at("16:35"))
    assert answer(*[RAIN] * 23).clears is None


def test_the_horizon_limits_the_intervals() -> None:
    """Rain after the horizon is ignored; the interval that contains its end still counts."""
    late = [DRY] * 7

    assert answer(*late, RAIN, minutes=30).status == "dry"
    assert answer(*late[1:], RAIN, minutes=30).status == "rain"
    assert answer(*late, RAIN, minutes=30).until == at("15:35")


@pytest.mark.parametrize(("amount", "status"), [(0.009, "dry"), (np.float32(0.01), "rain")])
def test_drizzle_begins_at_one_count_of_the_binary(amount: float, status: str) -> None:
    """0.01 mm in five minutes, 0.12 mm/h, equals the threshold and is rain."""
    assert answer(amount).status == status


@pytest.mark.parametrize(
    ("day", "shown"),
    [
        ("2026-03-29T00:55", ["01:55 CET", "until 04:55 CEST"]),
        ("2026-10-25T00:55", ["02:55 CEST", "until 03:55 CET"]),
    ],
)
def test_days_of_clock_change_are_shown_in_local_time(day: str, shown: list[str]) -> None:
    """When clocks change the span is still two hours, and the text names both time zones."""
    nominal = datetime.fromisoformat(f"{day}+00:00")
    steps = Steps(
        ends=[nominal + at * FIVE for at in range(25)],
        step=FIVE,
        nominal=nominal,
        now=nominal + FIVE,
        minutes=120,
    )
    dry = np.zeros(25)

    text = steps.answer(
        place=("here", 12.0, 51.0), highest=dry, mean=dry, seen=np.ones(25), threshold=0.12, stale=False
    ).sentence()

    assert [part in text for part in shown] == [True, True]


# --- from a file ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of 14:55."""
    path = tmp_path_factory.mktemp("run") / "composite_rv_20260613_1455.tar"
    path.write_bytes(run_of("2026-06-13T14:55", range(0, 121, 5)))
    return path


def test_the_series_equals_that_of_the_fields(run: Path) -> None:
    """The series has places in order and mm in five minutes; sums and peaks follow from it."""
    places = {"A": (9.5, 51.5), "B": (12.37, 51.34)}

    found = rn.nowcast(places, data=run, now=START)

    expected = rn.at_points(rn.open_dataset(run, run="latest", progress=False), places).RV
    np.testing.assert_array_equal(found.series.RV, expected)
    for number, one in enumerate(found.answers):
        amounts = expected.to_numpy()[2:, number]
        assert one.sum_2h == pytest.approx(amounts.sum())
        assert one.sum_1h == pytest.approx(amounts[:12].sum())
        assert one.peak == pytest.approx(12 * amounts.max())


def test_a_place_that_no_radar_sees_is_unknown(run: Path) -> None:
    """A place on the grid out of radar range, in south-western France, is unknown with that reason."""
    found = rn.nowcast((4.5, 46.5), data=run, now=START)

    assert found.status == "unknown"
    assert found.answers[0].seen == 0
    assert found.answers[0].reason == "no radar sees it"


def test_the_table_converts_to_pandas_and_json(run: Path) -> None:
    """The table has a row per place: typed values for pandas, texts for JSON."""
    found = rn.nowcast({"A": (9.5, 51.5), "B": (4.5, 46.5)}, data=run, now=START)

    frame = pd.DataFrame(found)
    assert frame.place.tolist() == ["A", "B"]
    assert frame.status[1] == "unknown"
    assert found.to_dict()["places"][1]["nominal"] == "2026-06-13T14:55:00Z"
    assert found.to_dict()["places"][1]["age"] == 420
    assert "DWD's RV of 2026-06-13 16:55 CEST, 7 min old" in str(found)
    assert "<table" in found._repr_html_()


def test_answers_at_another_time_are_those_of_that_time(run: Path) -> None:
    """`at` answers as `nowcast` does with that `now`; from 14 minutes on nothing is dry."""
    places = {"A": (9.5, 51.5), "B": (12.37, 51.34), "nowhere": (4.5, 46.5)}
    first = rn.nowcast(places, data=run, now=START)

    for minutes in (0, 7, 40, 200):
        moment = START + timedelta(minutes=minutes)
        assert first.at(moment).answers == rn.nowcast(places, data=run, now=moment).answers
    assert "dry" not in {one.status for one in first.at(START + timedelta(minutes=15)).answers}
    assert "dry" not in {one.status for one in first.at(START, stale=True).answers}


def test_an_old_file_is_unknown_without_now(run: Path) -> None:
    """Without `now=` an old file has the status unknown."""
    assert rn.nowcast((9.5, 51.5), data=run).status == "unknown"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"horizon": "3h"}, "horizon='3h' is not possible: RV looks two hours ahead"),
        ({"threshold": 0}, "threshold=0 is not a rate of rain"),
        ({"timezone": "Middle/Earth"}, "unknown timezone='Middle/Earth'"),
        ({"now": datetime(2026, 6, 13, 15, 2)}, "has no time zone"),  # noqa: DTZ001 - under test
        ({"places": (51.34, 12.37)}, "lies outside the grid de1200-wgs84: pass degrees, longitude first"),
        ({"places": {}}, "are not points"),
    ],
)
def test_invalid_arguments_raise(run: Path, changed: dict[str, Any], error: str) -> None:
    """Each error names the value and what is possible."""
    arguments: dict[str, Any] = {"places": (9.5, 51.5), "data": run, "now": START}

    with pytest.raises(SettingsError, match=error):
        rn.nowcast(**(arguments | changed))


def test_other_products_are_refused(tmp_path: Path) -> None:
    """Products without five-minute forecasts raise."""
    (path,) = make_archives(tmp_path, "RY", "2026-06-13T15:00", source="nrt", form="hdf5", progress=False)

    with pytest.raises(SeriesError, match="nowcast reads RV with its lead times"):
        rn.nowcast((9.5, 51.5), data=path)


# --- areas and kinds ------------------------------------------------------------------------------------------


def box(lon: float, lat: float, half: float = 0.1) -> Any:
    """Return a square of degrees."""
    shapely = pytest.importorskip("shapely")
    return shapely.box(lon - half, lat - half, lon + half, lat + half)


def test_areas_are_as_wet_as_their_wettest_cell(run: Path, tmp_path: Path) -> None:
    """A shower in a corner is not an all-clear for the rest; sums are the mean; a file does as well."""
    geopandas = pytest.importorskip("geopandas")
    shapes = {"name": ["A", "B"], "geometry": [box(9.5, 51.5), box(12.37, 51.34, 0.3)]}
    table = geopandas.GeoDataFrame(shapes, crs="EPSG:4326")
    table.to_file(tmp_path / "areas.gpkg")

    found = rn.nowcast(table, data=run, now=START, names="name")
    same = rn.nowcast(tmp_path / "areas.gpkg", data=run, now=START, names="name")

    means = rn.over_areas(rn.open_dataset(run, run="latest", progress=False), table, names="name").RV
    np.testing.assert_allclose(found.series.RV, means, rtol=1e-4, atol=1e-6)
    assert (found.series.highest >= found.series.RV - 1e-6).all()
    assert [one.place for one in found.answers] == ["A", "B"]
    sums = [one.sum_2h for one in found.answers]
    assert sums == pytest.approx(means[2:].sum("time").to_numpy().tolist(), rel=1e-4)
    assert [one.status for one in same.answers] == [one.status for one in found.answers]


def test_an_area_that_the_radars_see_in_part_is_unknown(run: Path) -> None:
    """Less than 95 % of it known, and no rain in what is."""
    geopandas = pytest.importorskip("geopandas")
    edge = geopandas.GeoSeries([box(6.2, 47.0, 1.2)], index=["edge"], crs="EPSG:4326")

    (one,) = rn.nowcast(edge, data=run, now=START, threshold=900).answers

    assert 0 < one.seen < 0.95
    assert (one.status, one.sum_1h, one.raining) == ("unknown", None, None)


def test_the_kind_is_that_of_hymecng_where_it_rains_now(tmp_path: Path) -> None:
    """At the wettest place of the present; nothing at a dry one, and nothing without HymecNG."""
    clock = SteppedClock(START)
    with LiveMirror(tmp_path, ["RV", "HYMECNG"], clock=clock, hours=0.2, fate=punctual) as mirror:
        where: dict[str, Any] = {"base_url": mirror.url, "clock": clock, "folder": tmp_path / "data"}
        now = rn.forecast(rn.latest("RV", chunks=None, **where), run="latest").RV.isel(time=1)
        row, col = np.unravel_index(np.nanargmax(now.values), now.shape)
        lon, lat = to_lonlat(float(now.x[col]), float(now.y[row]), GRIDS["de1200-wgs84"].earth)
        places = {"wet": (float(lon), float(lat)), "nowhere": (4.5, 46.5)}
        with_it = rn.nowcast(places, **where)
        shutil.rmtree(mirror.root / HYMECNG)
        without = rn.nowcast(places, **{**where, "folder": tmp_path / "other"})

    assert with_it.answers[0].raining
    assert with_it.answers[0].kind in {"rain", "hail", "large hail", "drizzle"}
    assert [one.kind for one in without.answers] == ["", ""]
    assert with_it.answers[1].kind == ""
