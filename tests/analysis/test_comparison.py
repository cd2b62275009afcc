"""Gauges beside radar: intervals that fit, values of plain loops, and errors where something would be guessed."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # as in the package
import pytest
from support.small_rain import rain, showers

from radar_nb.analysis.api import at_points
from radar_nb.analysis.comparison import compare
from radar_nb.analysis.gauge_tables import read_gauges
from radar_nb.analysis.inputs import grid_of
from radar_nb.dwd.grids import to_lonlat
from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

HOURS = rain(showers(24, 5, 6, seed=2, missing=0.02), first="2020-06-13T00:50", minutes=60, name="RW")
GRID = grid_of(HOURS.RW)
ROWS, COLS = (1, 3), (2, 4)
LON, LAT = (values.tolist() for values in to_lonlat(GRID.x[list(COLS)], GRID.y[list(ROWS)], "sphere"))
STATIONS = pd.DataFrame({"station_id": ["00001", "00020"], "longitude": LON, "latitude": LAT})
TENS = [dt.datetime(2020, 6, 13, tzinfo=dt.UTC) + k * dt.timedelta(minutes=10) for k in range(150)]
AMOUNTS = np.where(np.random.default_rng(3).random((150, 2)) < 0.5, 0, 0.1) * np.array([3, 5])
AMOUNTS[[7, 90], [0, 1]] = np.nan


def long(times: Any = TENS, amounts: Any = AMOUNTS) -> pd.DataFrame:
    """Return gauges as wetterdienst has them."""
    parts = [
        pd.DataFrame({"station_id": name, "parameter": "precipitation_height", "date": times, "value": values})
        for name, values in zip(STATIONS.station_id, np.transpose(amounts), strict=True)
    ]
    return pd.concat(parts, ignore_index=True)


def oracle(amounts: Any = AMOUNTS) -> list[list[tuple[float, float, float, float]]]:
    """Return (gauge, radar, lowest, highest) of each hour in which all was measured, by plain loops."""
    found = []
    for place, (row, col) in enumerate(zip(ROWS, COLS, strict=True)):
        pairs = []
        for step, end in enumerate(HOURS.time.to_numpy().astype("datetime64[s]").tolist()):
            within = [
                values[place]
                for time, values in zip(TENS, amounts, strict=True)
                if end - dt.timedelta(hours=1) < time.replace(tzinfo=None) <= end
            ]
            radar = float(HOURS.RW.to_numpy()[step, row, col])
            cells = HOURS.RW.to_numpy()[step, row - 1 : row + 2, col - 1 : col + 2].ravel().tolist()
            if len(within) == 6 and not any(map(math.isnan, (*within, radar))):
                known = [round(value, 4) for value in cells if not math.isnan(value)]
                pairs.append((round(sum(within), 4), round(radar, 4), min(known), max(known)))
        found.append(pairs)
    return found


def test_scores_are_those_of_plain_loops() -> None:
    """Six values of ten minutes make an hour that ends at minute 50; scores follow from the pairs, one by one."""
    found = compare(HOURS, long(), STATIONS, label="end", threshold=1.0, progress=False)

    expected = oracle()
    for name, pairs in zip(["00001", "00020", "all"], [*expected, sum(expected, [])], strict=True):  # noqa: RUF017 - two
        gauge, radar = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        hits = sum(g >= 1 and r >= 1 for g, r in zip(gauge, radar, strict=True))
        misses = sum(g >= 1 > r for g, r in zip(gauge, radar, strict=True))
        false = sum(r >= 1 > g for g, r in zip(gauge, radar, strict=True))
        assert found.scores[name] == pytest.approx(
            {
                "intervals": len(pairs),
                "gauge": sum(gauge),
                "radar": sum(radar),
                "bias": statistics.fmean(radar) - statistics.fmean(gauge),
                "ratio": sum(radar) / sum(gauge),
                "correlation": statistics.correlation(gauge, radar),
                "rmse": math.sqrt(statistics.fmean((r - g) ** 2 for g, r in zip(gauge, radar, strict=True))),
                "within": statistics.fmean(low <= g <= high for g, _, low, high in pairs),
                "hits": hits,
                "misses": misses,
                "false_alarms": false,
                "dry": len(pairs) - hits - misses - false,
                "pod": hits / (hits + misses),
                "far": false / (hits + false),
                "csi": hits / (hits + misses + false),
            },
            rel=1e-9,
        )
    assert found.minutes == 60
    assert 20 < found.scores["00001"]["intervals"] < 24


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "time,A\n2020-06-13T14:00,inf\n2020-06-13T14:10,1",
            "'A' has inf mm at .*, which is more than 100,000 mm",
        ),
        ("time,A\n2020-06-13T14:00,1e300\n2020-06-13T14:10,1", "which is more than 100,000 mm"),
        ("time,A,A\n2020-06-13T14:00,1,2\n2020-06-13T14:10,1,2", "two columns are named 'A'"),
    ],
)
def test_amounts_and_columns_that_no_gauge_can_have_are_errors(tmp_path: Path, text: str, message: str) -> None:
    """An infinite amount is not rain, and of two columns of one name the last does not count alone."""
    (tmp_path / "gauges.csv").write_text(text)

    with pytest.raises(SettingsError, match=message):
        read_gauges(tmp_path / "gauges.csv", timezone="UTC", label="end", parameter=None)


def test_forms_of_gauges(tmp_path: Path) -> None:
    """Long and wide frames, an index of times, local times and a German CSV have the same pairs."""
    berlin = [time.astimezone(ZoneInfo("Europe/Berlin")) for time in TENS]
    wide = pd.DataFrame(AMOUNTS, columns=["1", "20"])
    starts = [time - dt.timedelta(minutes=10) for time in TENS]
    columns = long().drop(columns="parameter").rename(columns={"value": "rr"}).assign(quality=3)
    german = wide.assign(Datum=[f"{time:%d.%m.%Y %H:%M}" for time in berlin]).fillna(-999)
    german.to_csv(tmp_path / "a.csv", sep=";", decimal=",", index=False)
    two = long().assign(parameter="duration", value=1.0)
    forms: list[tuple[Any, dict[str, Any]]] = [
        (long(berlin), {}),
        (long([time.replace(tzinfo=None) for time in TENS]), {"timezone": "UTC"}),
        (long([time.replace(tzinfo=None) for time in berlin]), {"timezone": "UTC+2"}),
        (long([f"{time:%Y%m%d%H%M}" for time in TENS]), {"timezone": "UTC"}),
        (long(starts), {"label": "start"}),
        (pd.concat([two, long()]), {"parameter": "precipitation_height"}),
        (columns, {"parameter": "rr"}),
        (wide.set_index(pd.DatetimeIndex(TENS)), {}),
        (wide.assign(time=[time.isoformat() for time in berlin]), {}),
        (tmp_path / "a.csv", {"timezone": "Europe/Berlin"}),
    ]
    expected = compare(HOURS, long(), STATIONS, label="end", progress=False).pairs

    for gauges, more in forms:
        found = compare(HOURS, gauges, STATIONS, progress=False, **{"label": "end"} | more).pairs
        for name in ("gauge", "cell", "lowest", "highest"):
            np.testing.assert_allclose(found[name], expected[name], atol=1e-9)


def test_positions_may_stand_in_the_table() -> None:
    """A long table with longitude and latitude needs no stations."""
    table = long().merge(STATIONS, on="station_id")

    found = compare(HOURS, table, label="end", progress=False)

    assert found.scores == compare(HOURS, long(), STATIONS, label="end", progress=False).scores


def test_finer_radar_is_added_up() -> None:
    """Twelve values of five minutes are compared with an hourly gauge, and days with `period`."""
    fine = rain(np.full((576, 5, 6), 0.25))
    hours = [dt.datetime(2020, 6, 13, tzinfo=dt.UTC) + k * dt.timedelta(hours=1) for k in range(1, 49)]
    gauges = long(hours, np.full((48, 2), 2.0))

    hourly = compare(fine, gauges, STATIONS, label="end", progress=False)
    daily = compare(fine, gauges, STATIONS, label="end", period="1D", progress=False)

    assert hourly.scores["all"]["intervals"] == 2 * 48
    assert set(hourly.pairs.cell.to_numpy().ravel()) == {3.0}
    assert daily.pairs.cell.to_numpy().tolist() == [[72.0, 72.0]] * 2
    assert daily.pairs.gauge.to_numpy().tolist() == [[48.0, 48.0]] * 2
    assert daily.pairs.time_bnds.to_numpy()[0].astype("datetime64[h]").tolist() == [
        dt.datetime(2020, 6, 13), dt.datetime(2020, 6, 14),  # noqa: DTZ001 - UTC, as numpy has it
    ]  # fmt: skip


def test_series_at_points_are_compared_without_a_range() -> None:
    """The names join both; the share within nine cells is unknown."""
    points = at_points(HOURS, STATIONS, progress=False)

    found = compare(points, long(), label="end")

    whole = compare(HOURS, long(), STATIONS, label="end", progress=False)
    np.testing.assert_array_equal(found.pairs.cell, whole.pairs.cell)
    assert math.isnan(found.scores["all"]["within"])


def test_missing_is_not_zero() -> None:
    """An hour without one of its six values is missing; with `min_coverage` it is the sum of the others."""
    found = compare(HOURS, long(), STATIONS, label="end", progress=False)
    kept = compare(HOURS, long(), STATIONS, label="end", min_coverage=0.8, progress=False)

    at = found.pairs.sel(time="2020-06-13T01:50", point="00001")
    assert math.isnan(at.gauge)
    assert float(kept.pairs.gauge.sel(time="2020-06-13T01:50", point="00001")) == pytest.approx(
        np.nansum(AMOUNTS[6:12, 0]), abs=1e-9
    )


def test_a_comparison_is_shown_as_a_table() -> None:
    """Text, HTML and plain values name the gauges, the interval and the threshold."""
    found = compare(HOURS, long(), STATIONS, label="end", progress=False)

    assert str(found).startswith("RW against 2 gauges of 10 min, 2020-06-12 23:50 UTC to 2020-06-13 23:50 UTC")
    assert "mm in 1 h; POD, FAR and CSI from 0.1 mm on" in str(found)
    assert "<td" in found._repr_html_()
    assert found.to_dict()["scores"]["all"]["intervals"] == found.scores["all"]["intervals"]


NAIVE = [time.replace(tzinfo=None) for time in TENS]


@pytest.mark.parametrize(
    ("gauges", "more", "text"),
    [
        (long(), {"label": None}, 'does not say which edge .*: pass label="end" or label="start"'),
        (long(NAIVE), {}, 'have no offset to UTC: state their zone, timezone="UTC", "UTC\\+1"'),
        (long(NAIVE), {"timezone": "Berlin"}, "unknown timezone='Berlin'"),
        (long([*TENS[:-1], TENS[0]]), {}, "has two values at 2020-06-13 00:00:00 UTC: remove one"),
        (
            long([f"{TENS[0]}", *map(str, NAIVE[1:])]),
            {"timezone": "UTC"},
            "mixes times with and without an offset",
        ),
        (long(["yesterday"] * 150), {"timezone": "UTC"}, "are not all times, such as 'yesterday': write them as"),
        (
            long([*TENS[:-1], TENS[-1] + dt.timedelta(minutes=3)]),
            {},
            "a value every 10 min, and one at .*even inter",
        ),
        (long(amounts=AMOUNTS - 1), {}, "which is below 0: set what is missing to NaN or -999"),
        (long().assign(value="x"), {}, "has 'x' in row 1, not a number: write mm as 0.1 or 0,1"),
        (long().drop(columns="date"), {}, "no column of times: name it date or time"),
        (long().rename(columns={"value": "a"}).assign(b=1), {}, "choose one with parameter=, of parameter, a, b"),
        (pd.concat([long(), long().assign(parameter="t")]), {}, "several parameters: choose one with parameter="),
        (long(), {"stations": STATIONS[:0]}, "there are no rows; pass at least one"),
        (long().replace("00001", "99"), {}, "1 gauges, such as '99', are not among the stations"),
        (long(), {"stations": None}, "where the gauges are is not known: pass stations="),
        (long([time + dt.timedelta(days=9) for time in TENS]), {}, "have no time in common: choose other data"),
        (long([TENS[0] + k * dt.timedelta(hours=1) for k in range(150)]), {}, "do not fit each other: use gauges"),
        (
            long([time + dt.timedelta(minutes=5) for time in TENS]),
            {},
            "do not fit each other: use gauges of 10 min",
        ),
        (long(), {"period": "90min"}, "not a multiple of the interval"),
        ([1, 2], {}, "gauges are a list: pass a CSV, or a frame"),
    ],
)
def test_nothing_is_guessed(gauges: Any, more: dict[str, Any], text: str) -> None:
    """What is not stated, does not fit or is not an amount is an error that shows what to do."""
    with pytest.raises(SettingsError, match=text):
        compare(HOURS, gauges, progress=False, **{"stations": STATIONS, "label": "end"} | more)


@pytest.mark.parametrize("hour", ["2020-03-29T02:30", "2020-10-25T02:30"])
def test_an_hour_that_clocks_skip_or_show_twice_is_an_error(hour: str) -> None:
    """One value in the hour that occurs twice, or in the one that does not exist, has no place."""
    gauges = long([dt.datetime.fromisoformat(hour) + k * dt.timedelta(days=1) for k in range(150)])

    with pytest.raises(SettingsError, match=r"skips or shows twice a time .*: write times with their offset"):
        compare(HOURS, gauges, STATIONS, label="end", timezone="Europe/Berlin")


def test_an_hour_that_occurs_twice_in_full_is_read() -> None:
    """Six values of each of the two hours, in order, are those of summer time and of winter time."""
    utc = [dt.datetime(2020, 10, 24, 22, tzinfo=dt.UTC) + k * dt.timedelta(minutes=10) for k in range(150)]
    local = [time.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None) for time in utc]
    autumn = rain(HOURS.RW.to_numpy(), first="2020-10-24T23:50", minutes=60, name="RW")

    found = compare(autumn, long(local), STATIONS, label="end", timezone="Europe/Berlin", progress=False)

    assert found.scores == compare(autumn, long(utc), STATIONS, label="end", progress=False).scores


def test_rows_of_several_offsets_are_read_in_utc() -> None:
    """Across the change of clocks, texts and datetimes state two offsets, and rows fall as well as rise."""
    utc = np.array(
        ["2020-10-24T23:00", "2020-10-25T00:00", "2020-10-25T01:00", "2020-10-25T02:00"], "datetime64[s]"
    )
    hours = ["01:00+02:00", "02:00+02:00", "02:00+01:00", "03:00+01:00"]
    berlin = ["01:00", "02:00", "02:00", "03:00"]

    for times, zone in (
        ([f"2020-10-25T{hour}" for hour in hours], None),
        ([f"2020-10-25 {hour[:8]}" for hour in hours], None),
        ([f"25.10.2020 {hour.replace('+', ' +')}" for hour in hours], "Europe/Berlin"),
        ([pd.Timestamp(f"2020-10-25T{hour}") for hour in hours], None),
        ([dt.datetime.fromisoformat(f"2020-10-25T{hour}") for hour in hours], None),
        ([f"2020-10-25T{hour}" for hour in berlin], "Europe/Berlin"),
    ):
        for order in (slice(None), slice(None, None, -1)):
            table = pd.DataFrame({"id": "a", "date": times[order], "value": np.arange(4.0)[order]})
            found = read_gauges(table, timezone=zone, label="end", parameter=None)
            np.testing.assert_array_equal(found.ends, utc)
            assert [value for (value,) in found.values.tolist()] == [0, 1, 2, 3]  # noqa: PD011 - of Gauges


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (
            [pd.Timestamp("2020-10-25T01:00+02:00"), pd.Timestamp("2020-10-25T02:00")],
            "mixes times with and without",
        ),
        (["2020-10-25T01:00", ""], "has no time in its row 2"),
        (
            [f"2020-10-25T0{hour}:00" for hour in (4, 2, 2, 3, 5)],
            "rows are not in the order of time|cannot be inferred",
        ),
    ],
)
def test_rows_whose_time_is_not_known_are_an_error(times: Any, message: str) -> None:
    """A mixture of offsets and none, an empty cell and an hour that is twice out of order are a sentence each."""
    table = pd.DataFrame({"id": "a", "date": times, "value": 0.0})

    with pytest.raises(SettingsError, match=message):
        read_gauges(table, timezone="Europe/Berlin", label="end", parameter=None)
