"""Round trips: readers written from the definitions return the same amounts at the same times."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.model_readers import read_hystem, read_infoworks, read_smusi, read_uvf, read_zrxp
from support.swmm_model import rain_of_model, run_model

from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.api import export

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.model_readers import Gauge

    Written = Callable[..., Path]

EDGES = (
    "2020-03-29T00:30",  # Germany's clocks go forward at 01:00 UTC
    "2020-10-25T00:30",  # and back
    "2020-02-28T22:00",  # a leap day
    "2100-02-28T22:00",  # none
    "2019-12-31T22:00",  # the ends of a year, a century and a month
    "1999-12-31T22:00",
    "2021-04-30T22:00",
)
UNIT = {"swmm": 4, "hystem-extran": 3, "smusi": 3, "uvf": 4, "zrxp": 4, "infoworks": 4}
"""Decimals of the amounts that each format holds."""


def gauges(values: Any, first: str, *, minutes: int = 5, names: tuple[str, ...] = ("a", "bc")) -> xr.Dataset:
    """Return series as over_areas does: amounts in mm of shape (time, area), labelled with the ends."""
    values = np.asarray(values, np.float32)
    step = np.timedelta64(minutes, "m")
    times = np.datetime64(first, "ns") + step * np.arange(1, len(values) + 1)
    attrs = {"units": "mm", "cell_methods": "time: sum area: mean", "interval_minutes": minutes}
    area = np.array(names, object)
    return xr.Dataset({"YW": (("time", "area"), values, attrs)}, {"time": times, "area": area}, {"title": "Rain"})


def expected(
    ds: xr.Dataset, name: str, *, hours: float, label: str, minutes: int = 5
) -> dict[datetime, float | None]:
    """Return the expected values by time: UTC plus `hours`, at the start or the end of each interval."""
    shift = timedelta(hours=hours) - timedelta(minutes=minutes if label == "start" else 0)
    times = ds.time.values.astype("datetime64[s]").astype(object)
    values = ds.YW.sel(area=name).values.tolist()
    return {time + shift: None if np.isnan(value) else value for time, value in zip(times, values, strict=True)}


def same(found: Gauge, wanted: dict[datetime, float | None], decimals: int) -> None:
    """Compare times exactly, missing exactly, and amounts to half a unit of the last decimal."""
    inside = {time: value for time, value in found.values.items() if time in wanted}
    outside = [value for time, value in found.values.items() if time not in wanted]
    assert list(inside) == list(wanted)
    assert set(outside) <= {None}
    assert [value is None for value in inside.values()] == [value is None for value in wanted.values()]
    pairs = [
        (a, b) for a, b in zip(inside.values(), wanted.values(), strict=True) if a is not None and b is not None
    ]
    assert max((abs(a - b) for a, b in pairs), default=0) <= 0.5 * 10**-decimals + 1e-6


amounts = st.one_of(st.just(0.0), st.floats(0, 60, width=32), st.sampled_from([0.01, 0.005, 0.0004]))
maybe = st.one_of(amounts, st.just(float("nan")))
starts = st.builds(
    lambda edge, steps: str(np.datetime64(edge, "m") + 5 * steps), st.sampled_from(EDGES), st.integers(0, 40)
)
zones = st.sampled_from([("UTC+1", 1), ("UTC", 0), ("UTC-3:30", -3.5)])
labels = st.sampled_from(["start", "end"])


def tables(values: st.SearchStrategy[float]) -> st.SearchStrategy[list[list[float]]]:
    """Return amounts of two stations, each with at least one value."""
    row = st.lists(values, min_size=2, max_size=2)
    return st.lists(row, min_size=0, max_size=60).map(lambda rows: [[1.0, 2.0], *rows])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Return a function that exports to a folder of its own and returns the path."""
    return lambda ds, name, **options: export(ds, tmp_path_factory.mktemp("rain") / name, **options)


@settings(deadline=None, max_examples=60)
@given(table=tables(maybe), first=starts, zone=zones)
@example(table=[[1.0, 2.0]] * 24, first="2020-10-25T00:30", zone=("UTC+1", 1))
def test_hystem_extran_is_read_as_defined(
    written: Written, table: Any, first: str, zone: tuple[str, float]
) -> None:
    """Lines of full hours in local time, -9999 where missing, and one file a station."""
    ds = gauges(table, first)
    folder = written(ds, "{name}.reg", format="hystem-extran", tz=zone[0]).parent

    for name in ("a", "bc"):
        found = read_hystem(folder / f"{name}.reg")
        same(found, expected(ds, name, hours=zone[1], label="start"), 3)
        assert (found.name, found.minutes) == (name, 5)
        assert {time.minute for time in list(found.values)[::12]} == {0}


@settings(deadline=None, max_examples=40)
@given(table=tables(maybe), first=starts, zone=zones, label=labels)
def test_uvf_is_read_as_defined(
    written: Written, table: Any, first: str, zone: tuple[str, float], label: Any
) -> None:
    """Several stations in a file, years of two digits across the end of a century."""
    ds = gauges(table, first)
    found = read_uvf(written(ds, "rain.uvf", tz=zone[0], label=label))

    assert [gauge.name for gauge in found] == ["a", "bc"]
    for gauge in found:
        same(gauge, expected(ds, gauge.name, hours=zone[1], label=label), 4)


@settings(deadline=None, max_examples=40)
@given(table=tables(maybe), first=starts, zone=zones, label=labels)
def test_zrxp_is_read_as_defined(
    written: Written, table: Any, first: str, zone: tuple[str, float], label: Any
) -> None:
    """Several stations in a file, each with its zone, unit and code of missing."""
    ds = gauges(table, first)
    found = read_zrxp(written(ds, "rain.zrx", tz=zone[0], label=label))

    for gauge, name in zip(found, ("a", "bc"), strict=True):
        same(gauge, expected(ds, name, hours=zone[1], label=label), 4)
        head = gauge.head
        assert (head["SNAME"], head["CUNIT"], head["RINVAL"]) == (name, "mm", "-777")
        assert head["TZ"] == {"UTC": "UTC+0"}.get(zone[0], zone[0])


@settings(deadline=None, max_examples=40)
@given(table=tables(amounts), first=starts, zone=zones, label=labels)
def test_infoworks_is_read_as_defined(
    written: Written, table: Any, first: str, zone: tuple[str, float], label: Any
) -> None:
    """Intensities in mm/h, one profile a column."""
    ds = gauges(table, first)
    found = read_infoworks(written(ds, "rain.csv", format="infoworks", tz=zone[0], label=label))

    for gauge, name in zip(found, ("a", "bc"), strict=True):
        assert (gauge.name, gauge.minutes) == (name, 5)
        same(gauge, expected(ds, name, hours=zone[1], label=label), 4)


@settings(deadline=None, max_examples=40)
@given(
    hours=st.lists(st.lists(amounts, min_size=12, max_size=12), min_size=1, max_size=5),
    edge=st.sampled_from(EDGES),
)
def test_smusi_is_read_as_defined(written: Written, hours: Any, edge: str) -> None:
    """Full hours of twelve amounts, and the mean annual rain in the head."""
    ds = gauges(np.reshape(hours, (-1, 1)), str(np.datetime64(edge, "h")), names=("KOEL",))
    found = read_smusi(written(ds, "rain.reg", format="smusi", tz="UTC+1"))

    same(found, expected(ds, "KOEL", hours=1, label="start"), 3)
    assert float(found.head["hN"]) == pytest.approx(sum(value or 0 for value in found.values.values()), abs=0.51)


def test_dfs0_is_read_by_mikeio(written: Written) -> None:
    """Step-accumulated depths in mm at the ends of intervals, the delete value where missing, over a leap day."""
    mikeio = pytest.importorskip("mikeio", reason="dfs0 needs mikeio (extra mike)")
    values = np.random.default_rng(2).integers(0, 500, (40, 2)) / 100
    values[7, 1] = np.nan
    ds = gauges(values, "2020-02-28T22:00")

    found = mikeio.read(written(ds, "rain.dfs0", tz="UTC+1"))

    ends = ds.time.values + np.timedelta64(1, "h")
    np.testing.assert_array_equal(found.time.values[1:], ends)
    assert found.time.values[0] == ends[0] - np.timedelta64(5, "m")
    for place, item in enumerate(found.items):
        assert item.name == ("a", "bc")[place]
        assert (item.type.name, item.unit.name) == ("Rainfall_Depth", "millimeter")
        assert item.data_value_type.name == "StepAccumulated"
        np.testing.assert_allclose(found[place].to_numpy()[1:], values[:, place], atol=1e-6)


@pytest.mark.parametrize("minutes", [1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 720])
def test_hystem_extran_holds_its_intervals(written: Written, minutes: int) -> None:
    """A line holds ten, twelve or two amounts, by the interval."""
    ds = gauges([[value, 1] for value in range(1, 30)], "2020-02-28T20:50", minutes=minutes)
    folder = written(ds, "{name}.reg", format="hystem-extran", tz="UTC+1").parent

    found = read_hystem(folder / "a.reg")

    same(found, expected(ds, "a", hours=1, label="start", minutes=minutes), 3)
    assert found.minutes == minutes


def test_swmm_time_series_have_the_same_rain_in_the_model(tmp_path: Path) -> None:
    """EPA's engine reads one file for each gage, across the end of a leap day."""
    values = np.random.default_rng(1).integers(0, 500, (48, 2)) / 100
    values[10:30, 0] = 0
    ds = gauges(values, "2020-02-28T21:00")
    export(ds, tmp_path / "rain_{name}.dat", format="swmm-timeseries", tz="UTC+1")

    model = run_model(tmp_path, first="2020-02-28T21:55", hours=5, companion="rain_all.dat.txt")

    for place, name in enumerate(("a", "bc")):
        assert model.totals[name] == pytest.approx(values[:, place].sum(), rel=1e-3)
        np.testing.assert_allclose(rain_of_model(model, name)[:48], values[:, place], atol=1e-4)


def test_stations_of_25_years_are_one_series_in_uvf(written: Written) -> None:
    """Hours from 1999 to 2025 keep their century."""
    ds = gauges(np.ones((24 * 366 * 3, 1)), "1999-06-01T00:00", minutes=60, names=("a",))

    (found,) = read_uvf(written(ds, "rain.uvf", tz="UTC", label="end"))

    same(found, expected(ds, "a", hours=0, label="end", minutes=60), 4)


ONE = gauges([[1.0, 2.0]] * 24, "2020-06-13T00:00")
HOLED = ONE.copy(deep=True)
HOLED.YW[3, 0] = np.nan
LATE = ONE.isel(time=slice(1, None))
HEAVY = gauges([[1.0, 120.0]] * 12, "2020-06-13T00:00")
DAYS = gauges([[1.0, 2.0]] * 3, "2020-06-13T00:00", minutes=1440)
MONTHS = ONE.isel(time=slice(0, 3)).assign_coords(
    period_begin=("time", np.array(["2020-01", "2020-02", "2020-03"], "M8[ns]")),
    period_end=("time", np.array(["2020-02", "2020-03", "2020-04"], "M8[ns]")),
)
MONTHS.YW.attrs["interval_minutes"] = None

Refused = tuple[xr.Dataset, str, dict[str, Any], type[Exception], str]
REFUSED: list[Refused] = [
    (
        ONE,
        "a.reg",
        {},
        SettingsError,
        r"cannot write a.reg: .* format=swmm\|swmm-timeseries\|hystem-extran\|smusi",
    ),
    (ONE, "a.reg", {"format": "hystem-extran"}, SettingsError, r"holds one station, .* 'a_\{name\}.reg'"),
    (ONE, "a.uvf", {}, SettingsError, r'does not define whether .* pass label="start" or label="end"'),
    (HOLED, "a.uvf", {"label": "end", "gaps": "error"}, SeriesError, 'to .* and gaps="error" was chosen: choose'),
    (HOLED, "{name}.reg", {"format": "smusi"}, SeriesError, "SMUSI's rain file has no code for missing: choose"),
    (LATE, "{name}.reg", {"format": "smusi"}, SeriesError, "a line of SMUSI.* holds 1 h from full hours on"),
    (
        HEAVY,
        "{name}.reg",
        {"format": "hystem-extran"},
        SeriesError,
        "120 mm at 'bc', .* which takes 0 to 99.999 mm",
    ),
    (
        DAYS,
        "{name}.reg",
        {"format": "hystem-extran"},
        SeriesError,
        "cannot hold intervals of 24 h, only 1, 2, 3, 5,",
    ),
    (MONTHS, "a.uvf", {"label": "end"}, SeriesError, r"not all .* accumulate\(series, \"1h\"\)"),
    (
        ONE,
        "a.md",
        {"format": "md"},
        SettingsError,
        "its columns are not published .* format=.hystem-extran",
    ),
    (
        ONE,
        "a.csv",
        {"tz": "UTC+1"},
        SettingsError,
        "tz=, label= and gaps= are for formats of models: leave them out",
    ),
    (
        ONE.assign_coords(area=["x" * 16, "b"]),
        "a.uvf",
        {"label": "end"},
        SeriesError,
        "UVF, which takes up to 15 let",
    ),
    (
        ONE.assign_coords(area=["a/b", "b"]),
        "{name}.uvf",
        {"label": "end"},
        SeriesError,
        "'a/b' cannot be part of a fil",
    ),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[-1][:40])
def test_values_that_a_format_cannot_hold_raise(case: Refused, tmp_path: Path) -> None:
    """Each message has a remedy, and no file is written."""
    data, name, options, error, text = case
    with pytest.raises(error, match=text):
        export(data, tmp_path / name, **{"tz": "UTC", **options})

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["zrxp", "infoworks"])
def test_a_title_is_one_line(name: str, tmp_path: Path) -> None:
    """A line break in a title would begin a line of the format, and control characters would reach a terminal."""
    ds = gauges([[1], [2], [3]], EDGES[0], names=("a",)).assign_attrs(title="Rain\n#REXCHANGE;evil\x1b]0;owned")

    path = export(ds, tmp_path / "rain.txt", format=name, tz="UTC", label="end")

    for written in (path, tmp_path / "rain.txt.txt"):
        text = written.read_text("utf-8")
        assert "Rain #REXCHANGE" in text
        assert "\x1b" not in text
