"""The public analyses: archives, Datasets and lazy Datasets have equal results."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
import xarray as xr

from radar_nb.analysis.api import accumulate, at_points, exceedance, over_areas
from radar_nb.analysis.checks import check
from radar_nb.analysis.events import events
from radar_nb.analysis.extremes import annual_maxima
from radar_nb.analysis.reductions import reduce
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.formats.radolan import NO_DATA_CODE, Header, write_frame
from radar_nb.plots.style import time_label
from radar_nb.reading.opening import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

AACHEN = {"Aachen": (6.09, 50.78)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write three frames of RY, of 0.10, 0.20 and 0.30 mm, the first of which belongs to the previous day."""
    for number in range(3):
        time = np.datetime64("2020-06-13T00:00", "s") + np.timedelta64(5 * number, "m")
        header = Header(product="RY", time=time, rows=450, cols=450, precision=-2, interval=5)
        (tmp_path / f"{number}").write_bytes(write_frame(header, np.full((450, 450), 10 * number + 10, "u2")))
    return tmp_path


def test_accumulate(folder: Path) -> None:
    """Totals of all times, and of each day, which ends with a frame at midnight."""
    total = accumulate(folder, progress=False)
    daily = accumulate(folder, "1D", min_coverage=0, progress=False)

    assert float(total.RY[0, 0]) == pytest.approx(0.6)
    np.testing.assert_allclose(daily.RY[:, 0, 0], [0.1, 0.5], rtol=1e-6)


def test_at_points(folder: Path) -> None:
    """`at_points` returns every step by default, otherwise the same as `reduce`."""
    series = at_points(folder, AACHEN, progress=False)
    largest = at_points(folder, AACHEN, "max", period="1D", progress=False)

    np.testing.assert_allclose(series.RY[:, 0], [0.1, 0.2, 0.3], rtol=1e-6)
    xr.testing.assert_identical(largest, reduce(folder, "max", points=AACHEN, period="1D", progress=False))


def test_exceedance(folder: Path) -> None:
    """A value equal to the threshold counts as reaching it."""
    counts = exceedance(folder, [0.1, 0.2, 0.3, 0.31], progress=False)

    assert counts.RY[:, 0, 0].values.tolist() == [3, 2, 1, 0]
    assert counts.threshold.attrs["units"] == "mm"


def test_only_amounts_are_accumulated(real_frames: Path) -> None:
    """Accumulating reflectivities raises."""
    with pytest.raises(SeriesError, match="only amounts in mm can be summed"):
        accumulate(real_frames / "raa01-rx_10000-1605290600-dwd---bin", progress=False)


# --- archives and Datasets ------------------------------------------------------------------------------------

POINTS = {"Aachen": (6.09, 50.78), "Leipzig": (12.37, 51.34)}
SHAPES = gpd.GeoDataFrame(
    {"name": ["west", "east"]}, geometry=[shapely.box(6, 50, 7.5, 51), shapely.Point(12, 51).buffer(0.4)], crs=4326
)


@pytest.fixture(scope="module")
def showers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write fourteen frames over midnight, one of which is missing, with cells that are missing now and then."""
    folder = tmp_path_factory.mktemp("showers")
    rng = np.random.default_rng(8)
    for number in (*range(6), *range(7, 15)):
        time = np.datetime64("2020-06-13T23:30", "s") + np.timedelta64(5 * number, "m")
        header = Header(product="RY", time=time, rows=450, cols=450, precision=-2, interval=5)
        codes = np.repeat(np.repeat(rng.integers(0, 300, (30, 30), np.uint16), 15, axis=0), 15, axis=1)
        codes[: 20 * number] = NO_DATA_CODE
        (folder / f"{number:02d}").write_bytes(write_frame(header, codes))
    return folder


QUESTIONS: dict[str, Any] = {
    "all in one": lambda data: accumulate(data, min_coverage=0.5),
    "days": lambda data: accumulate(data, "1D", min_coverage=0),
    "local days": lambda data: accumulate(data, "1D", timezone="Europe/Berlin", min_coverage=0),
    "gauges' days": lambda data: accumulate(data, "1D", day_begin="05:50", min_coverage=0),
    "hours": lambda data: accumulate(data, "1h", min_coverage=0.2),
    "nearest": lambda data: at_points(data, POINTS),
    "nine": lambda data: at_points(data, POINTS, method="mean3x3"),
    "bilinear": lambda data: at_points(data, POINTS, method="bilinear"),
    "areas": lambda data: over_areas(data, SHAPES, names="name", min_coverage=0.3),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_archives_and_datasets_have_equal_results(question: str, showers: Path) -> None:
    """An archive, a Dataset and a lazy one, whose result stays lazy, have equal results."""
    ask = QUESTIONS[question]
    plain = open_dataset(showers, chunks=None, progress=False)
    lazy = open_dataset(showers, progress=False)

    streamed, found, later = ask(showers), ask(plain), ask(lazy)

    assert later.RY.chunks is not None
    for other in (found, later.compute()):
        xr.testing.assert_allclose(streamed.RY, other.RY, rtol=1e-5)
        assert streamed.RY.dims == other.RY.dims
        assert set(streamed.coords) == set(other.coords)
        assert streamed.RY.attrs == other.RY.attrs
        if "coverage" in streamed:
            np.testing.assert_allclose(streamed.coverage, other.coverage, rtol=1e-5)


def test_totals_and_extremes_at_points(showers: Path) -> None:
    """`at_points` with `how` and `period` takes Datasets, too."""
    ds = open_dataset(showers, progress=False)
    for how, period in (("max", None), ("sum", "1h")):
        asked: dict[str, Any] = {"how": how, "period": period, "method": "mean3x3", "progress": False}

        found = at_points(ds, POINTS, **asked)

        xr.testing.assert_allclose(found, at_points(showers, POINTS, **asked))
        assert "time" not in found.dims or how == "sum"


def test_areas_are_means_of_cells(showers: Path) -> None:
    """An area's mean is about that of the cells in the polygon; test_areas.py checks it exactly."""
    found = over_areas(showers, SHAPES, names="name", min_coverage=0, progress=False)
    east = found.sel(area="east")
    fields = open_dataset(showers, lonlat=True, progress=False)
    inside = np.hypot(fields.lon - 12, fields.lat - 51) < 0.4

    np.testing.assert_allclose(east.RY, fields.RY.where(inside).mean(("y", "x")), rtol=0.02)
    assert found.area.values.tolist() == ["west", "east"]
    assert float(east.km2) == pytest.approx(np.pi * 0.4 * 111.3 * 0.4 * 111.3 * np.cos(np.radians(51)), rel=0.01)


def test_totals_and_means_commute(showers: Path) -> None:
    """Without missing values, totals of means over areas equal means of totals."""
    north = gpd.GeoSeries([shapely.box(9, 53, 11, 54)], crs=4326)
    means = accumulate(over_areas(showers, north, progress=False), min_coverage=0)
    totals = accumulate(showers, min_coverage=0, progress=False)

    later = over_areas(totals.expand_dims("time"), north, progress=False)

    np.testing.assert_allclose(means.RY, later.RY[0], rtol=1e-5)


@pytest.mark.parametrize("ask", [
    lambda data: exceedance(data, [1.0, 2.0], "15min", progress=False),
    lambda data: annual_maxima(data, ["5min", "30min"], min_coverage=0, progress=False),
], ids=["exceedance", "annual maxima"])  # fmt: skip
def test_moving_sums_of_archives(ask: Any, showers: Path) -> None:
    """Moving sums of archives equal those of the Dataset, chunked or not."""
    streamed = ask(showers)

    for chunks in (None, "auto"):
        xr.testing.assert_identical(streamed, ask(open_dataset(showers, chunks=chunks, progress=False)))


def test_archives_have_events_and_scorecards(showers: Path) -> None:
    """`events` and `check` accept a source like a Dataset, with equal results."""
    table = events(showers, 2.5, min_area=1000, progress=False)
    card = check(showers, progress=False)

    assert len(table) == len(events(open_dataset(showers, progress=False), 2.5, min_area=1000, progress=False)) > 0
    assert (card["gaps"].count, card["doubled"].count) == (1, 0)


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda ds: accumulate(ds, "1D", workers=2), "workers: only for archives and other sources"),
        (lambda ds: over_areas(ds, SHAPES, grid="de1200"), "grid: only for archives"),
        (lambda ds: accumulate(ds, "1D", min_coverage=95), "min_coverage=95 is not a share"),
        (lambda ds: accumulate(ds, "7min"), "period='7min' is not a multiple"),
    ],
)
def test_invalid_arguments_for_a_dataset_raise(ask: Any, text: str, showers: Path) -> None:
    """Arguments for archives only, and invalid ones, raise an error that names them."""
    with pytest.raises(SettingsError, match=text):
        ask(open_dataset(showers, progress=False))


@pytest.mark.parametrize("source", ["raa01-rx_10000-1605290600-dwd---bin"])
def test_reflectivities_have_means_and_no_sums(source: str, real_frames: Path) -> None:
    """An area's mean of dBZ is in dBZ; sums, moving or not, are refused."""
    found = over_areas(real_frames / source, SHAPES, min_coverage=0, progress=False)

    assert found.RX.attrs["units"] == "dBZ"
    with pytest.raises(SeriesError, match="only amounts in mm"):
        exceedance(real_frames / source, 1, progress=False)


# --- keywords -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda data: accumulate(data, "1D", tz="UTC"), r"accumulate\(\) got .* 'tz': did you mean 'timezone'\?"),
        (
            lambda data: at_points(data, POINTS, metod="nearest"),
            r"at_points\(\) .* did you mean 'method'\?",
        ),
        (lambda data: over_areas(data, SHAPES, name="name"), r"over_areas\(\) .* 'name': did you mean 'names'\?"),
        (lambda data: exceedance(data, 1, peroid="1D"), r"exceedance\(\) .* 'peroid': did you mean 'period'\?"),
    ],
)
@pytest.mark.parametrize("opened", [False, True], ids=["archives", "Dataset"])
def test_a_mistyped_keyword_names_the_function_and_the_nearest(
    ask: Any, text: str, opened: bool, showers: Path
) -> None:
    """A mistyped keyword raises like Python's own error, for any data."""
    with pytest.raises(TypeError, match=text):
        ask(open_dataset(showers, progress=False) if opened else showers)


# --- spans of periods -----------------------------------------------------------------------------------------


def test_bounds_are_exact_and_days_are_selected_by_date(tmp_path: Path) -> None:
    """Hours of RW end at minute 50 in bounds, labels and titles; a day is selected by its date."""
    for number in range(25):
        time = np.datetime64("2020-06-08T00:50", "s") + np.timedelta64(number, "h")
        header = Header(product="RW", time=time, rows=450, cols=450, precision=-1, interval=60)
        (tmp_path / f"{number:02d}").write_bytes(write_frame(header, np.full((450, 450), 10, "u2")))

    files, ds = sorted(tmp_path.iterdir()), open_dataset(tmp_path, progress=False).isel(y=slice(9), x=slice(9))
    for data, two in ((files, files[:2]), (ds, ds.isel(time=slice(2)))):
        hours, days = accumulate(two, "1h"), accumulate(data, "1D", min_coverage=0)
        day = days.sel(time="2020-06-08")

        assert str(hours.time.values[0])[:16] == "2020-06-08T00:50"
        assert [str(edge)[:16] for edge in hours.time_bnds.values[0]] == ["2020-06-07T23:50", "2020-06-08T00:50"]
        assert [str(edge)[:16] for edge in day.time_bnds.values.ravel()] == [
            "2020-06-07T23:50",
            "2020-06-08T23:50",
        ]
        assert float(day.RW.isel(y=0, x=0).values.squeeze()) == pytest.approx(24)
        assert str(accumulate(data, "1D", label="end", min_coverage=0).time.values[0])[:16] == "2020-06-08T23:50"
        assert str(accumulate(two, "1h", label="begin").time.values[0])[:16] == "2020-06-07T23:50"
        assert time_label(hours.RW.isel(time=0)) == "1 h to 2020-06-08 00:50 UTC"
        assert time_label(days.RW.isel(time=0)) == "2020-06-08 (UTC, 23:50 to 23:50)"
        month = accumulate(data, "MS", min_coverage=0).RW.isel(time=0)
        assert str(month.time.values)[:10] == "2020-06-01"
        assert time_label(month) == "2020-06 (UTC, 23:50 to 23:50)"


def test_local_days_are_selected_by_date(showers: Path) -> None:
    """In Germany 14 June 2020 begins at 22:00 UTC the day before."""
    day = accumulate(showers, "1D", timezone="Europe/Berlin", min_coverage=0, progress=False).sel(
        time="2020-06-14"
    )

    assert str(np.ravel(day.period_begin.values)[0])[:16] == "2020-06-13T22:00"
    assert day.time.attrs["long_name"] == "begin of the period, Europe/Berlin"


def test_an_unknown_label_raises(showers: Path) -> None:
    """A label other than the two allowed ones raises."""
    with pytest.raises(SettingsError, match='unknown label=\'middle\': choose "begin" or "end"'):
        accumulate(showers, "1D", label="middle")  # type: ignore[arg-type] # on purpose
