"""Partial series: the peaks of storms equal those of all sums, across months, interruptions and extensions."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from support import killed_processes as kills
from support.killed_processes import Job
from support.small_rain import rain

from radar_nb.analysis.extremes import count_exceedances
from radar_nb.analysis.peaks import PeakFinder, PeakRule
from radar_nb.analysis.stored_extremes import extremes
from radar_nb.errors import SettingsError
from radar_nb.reading.intervals import ends_of

if TYPE_CHECKING:
    from pathlib import Path

DURATIONS = ["1h", "6h"]
WHOLE: dict[str, Any] = {
    "durations": DURATIONS,
    "series": "partial",
    "threshold": [3.0, 6.0],
    "independent": "4h",
    "peaks": 3,
    "min_coverage": 0.0,
    "progress": False,
}


def hours(days: int = 100, seed: int = 0) -> xr.Dataset:
    """Return hourly amounts with wet spells, some of them over the ends of months and of the year."""
    rng = np.random.default_rng(seed)
    steps = 24 * days
    wet = np.repeat(rng.random((-(-steps // 5), 3, 4)) < 0.25, 5, axis=0)[:steps]
    values = np.where(wet, rng.integers(1, 300, wet.shape), 0) / 100
    values[rng.random(values.shape) < 0.03] = np.nan
    ends = np.datetime64("2019-11-20T00:50") + np.timedelta64(1, "h") * np.arange(steps)
    turn = np.flatnonzero(ends > np.datetime64("2019-12-31T00:00"))[:48]
    values[turn, 0] = 2.0
    turn = np.flatnonzero(ends > np.datetime64("2020-01-31T00:00"))[:48]
    values[turn, 1] = rng.integers(100, 300, (48, 4)) / 100
    return rain(values, first="2019-11-20T00:50", minutes=60, name="RW")


RAIN = hours()


def by_hand(ds: xr.Dataset, duration: int, floor: float, apart: int) -> dict[Any, list[tuple[float, Any]]]:
    """Return the peaks of each year and cell, largest first, from the sum at every step."""
    ends = ends_of(ds.RW)
    values = ds.RW.values.reshape(len(ends), -1)
    counts = np.rint(np.nan_to_num(values) * 100).astype(int)
    running = np.concatenate([np.zeros((1, counts.shape[1]), int), counts.cumsum(axis=0)])
    first = np.maximum(np.arange(len(ends)) + 1 - duration, 0)
    sums = np.where(np.isfinite(values), running[1:] - running[first], 0)
    years = (ends - np.timedelta64(1, "s")).astype("M8[Y]").astype(int) + 1970
    found: dict[Any, list[tuple[float, Any]]] = {}
    for cell in range(sums.shape[1]):
        for year in np.unique(years):
            steps = np.flatnonzero((years == year) & (sums[:, cell] >= round(floor * 100)))
            storms = np.split(steps, np.flatnonzero(np.diff(steps) >= apart) + 1) if steps.size else []
            peaks = [max(storm, key=lambda step: (sums[step, cell], -step)) for storm in storms]
            peaks.sort(key=lambda step: (-sums[step, cell], step))
            found[int(year), cell] = [(sums[step, cell] / 100, ends[step]) for step in peaks]
    return found


def check(found: xr.Dataset, ds: xr.Dataset = RAIN) -> None:
    """Compare a partial series with that of all sums."""
    for number, (duration, floor) in enumerate(((1, 3.0), (6, 6.0))):
        expected = by_hand(ds, duration, floor, max(4, duration))
        one = found.isel(duration=number).stack(cell=("y", "x"))
        for (year, cell), peaks in expected.items():
            here = one.sel(year=year).isel(cell=cell)
            assert int(here["count"]) == len(peaks)
            kept = peaks[:3] + [(np.nan, np.datetime64("NaT"))] * (3 - len(peaks))
            np.testing.assert_array_equal(here.RW, np.array([peak for peak, _ in kept], np.float32))
            np.testing.assert_array_equal(here.time_of_maximum, np.array([when for _, when in kept], "M8[ns]"))


def test_the_peaks_are_those_of_all_sums(tmp_path: Path) -> None:
    """Amounts, times and numbers of storms equal those found from every sum, over the ends of months."""
    found = extremes(RAIN, store=tmp_path / "a", **WHOLE)

    check(found.compute())
    assert found.RW.dims == ("duration", "year", "peak", "y", "x")
    assert found.RW.chunks is not None
    assert found.threshold.values.tolist() == [3.0, 6.0]
    assert found["count"].max() > 3


def test_storms_are_those_that_exceedance_counts(tmp_path: Path) -> None:
    """Within a year there are as many storms as `exceedance` counts independent sums."""
    ds = RAIN.isel(time=slice(1200, None))

    found = extremes(ds, store=tmp_path / "a", **WHOLE)

    counted = count_exceedances(ds, 3.0, "1h", independent="4h", progress=False)
    np.testing.assert_array_equal(found["count"].isel(duration=0, year=0), counted.RW)


@pytest.mark.parametrize("cut", [500, 1008])
def test_a_longer_series_extends_a_partial_series(cut: int, tmp_path: Path) -> None:
    """Extended within a month, at its end or within a storm, the store equals that of the whole series."""
    extremes(RAIN.isel(time=slice(cut)), store=tmp_path / "a", **WHOLE)

    check(extremes(RAIN, store=tmp_path / "a", **WHOLE).compute())


def test_an_earlier_month_computes_its_year_again(tmp_path: Path) -> None:
    """A source that reaches further back computes the year again; one that lacks later months raises."""
    extremes(RAIN.isel(time=slice(1900, None)), store=tmp_path / "a", **WHOLE)  # February
    with pytest.raises(SettingsError, match=r"2020.zarr has to be computed again.*but the source lacks 2020-02"):
        extremes(RAIN.isel(time=slice(1700)), store=tmp_path / "a", **WHOLE)

    check(extremes(RAIN, store=tmp_path / "a", **WHOLE).compute())


def test_workers_write_the_same_bytes(tmp_path: Path) -> None:
    """Months of a partial series computed by dask workers have the same bytes as those of this process."""
    distributed = pytest.importorskip("distributed")
    source = tmp_path / "frames"
    source.mkdir()
    from radar_nb.formats.radolan import Header, write_frame

    rng = np.random.default_rng(3)
    for number in range(-4, 4):
        time = np.datetime64("2020-02-01T00:00", "s") + np.timedelta64(5 * number, "m")
        header = Header(product="RY", time=time, rows=450, cols=450, precision=-2, interval=5)
        codes = np.zeros((450, 450), np.uint16)
        codes[200:260, 150:210] = rng.integers(0, 300, (60, 60), np.uint16)
        (source / f"{number + 10:02d}").write_bytes(write_frame(header, codes))
    some = {**WHOLE, "durations": ["10min"], "threshold": 2.0, "independent": "10min", "peaks": 1}

    extremes(source, store=tmp_path / "here", client=False, **some)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        extremes(source, store=tmp_path / "there", client=client, **some)

    assert kills.tree(tmp_path / "there") == kills.tree(tmp_path / "here")


def test_three_kills_end_in_the_same_partial_series(tmp_path: Path) -> None:
    """After SIGKILL at any moment the next call completes the store, with the same bytes."""
    source = tmp_path / "rain.nc"
    RAIN.isel(time=slice(900, 1500)).to_netcdf(source, engine="h5netcdf")
    job = Job(name="extremes", work=kills.find_peaks, arguments=(source,))
    calm = kills.undisturbed(job, tmp_path / "store")

    found = list(kills.killed(job, calm, tmp_path / "store", kills=3, seed=2))

    assert len(found) == 3
    assert [fault for kill in found for fault in kill.faults] == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"series": "monthly"}, "unknown series='monthly': choose one of annual, partial"),
        ({"series": "annual"}, r"threshold=\[3.0, 6.0\] is for series=\"partial\": pass that, or leave it out"),
        ({"threshold": None}, 'series="partial" needs a threshold in mm'),
        ({"threshold": [1.0, 2.0, 3.0]}, "3 thresholds for 2 durations: pass one, or one for each duration"),
        ({"threshold": xr.DataArray(1.0, attrs={"units": "cm"})}, "the thresholds are in cm: pass mm"),
        ({"threshold": -1.0}, "pass positive numbers of mm"),
        ({"independent": "30min"}, "is not a multiple of the interval of 60 min"),
        ({"peaks": 0}, "peaks=0: pass how many peaks of a year are kept"),
    ],
)
def test_invalid_partial_series(changes: dict[str, Any], text: str, tmp_path: Path) -> None:
    """Unknown series, thresholds in another unit or of another number, and gaps between intervals raise."""
    with pytest.raises(SettingsError, match=text):
        extremes(RAIN, store=tmp_path / "a", **{**WHOLE, **changes})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"threshold": 3.0}, r"thresholds_mm \[3.0, 6.0\], not \[3.0, 3.0\]"),
        ({"independent": "5h"}, r"independent_minutes \[240, 360\], not \[300, 360\]"),
        ({"series": "annual", "threshold": None}, "series partial, not annual"),
    ],
)
def test_a_store_of_another_series_is_refused(changes: dict[str, Any], text: str, tmp_path: Path) -> None:
    """Thresholds and series are never mixed, and the message names what differs."""
    extremes(RAIN.isel(time=slice(500)), store=tmp_path / "a", **WHOLE)

    with pytest.raises(SettingsError, match=text):
        extremes(RAIN, store=tmp_path / "a", **{**WHOLE, **changes})


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 9), min_size=1, max_size=60),
    st.lists(st.integers(1, 59), max_size=4),
    st.integers(1, 5),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_parts_join_to_the_whole(sums: list[int], cuts: list[int], floor: int, apart: int, kept: int) -> None:
    """Parts of any length, each with what came shortly before it, join to the peaks of the whole series."""
    values = np.array(sums)[:, None]
    minutes = np.arange(len(sums), dtype=np.int64)
    cell = np.array([0])
    edges = sorted({0, len(sums), *(cut for cut in cuts if cut < len(sums))})

    def part(begin: int, stop: int) -> Any:
        rule = PeakRule(floors=[floor], apart=[apart], kept=kept, period=1)
        finder = PeakFinder(rule, 1, minutes)
        early = max(0, begin - apart)
        finder.take(0, cell, values[early:begin], early, 0)
        finder.take(0, cell, values[begin:stop], begin, 1)
        return finder.found

    whole = part(0, len(sums))
    whole.close()
    joined, *rest = (part(*cut) for cut in pairwise(edges))
    for one in rest:
        joined.join(one)
    joined.close()

    steps = np.flatnonzero(values[:, 0] >= floor)
    storms = np.split(steps, np.flatnonzero(np.diff(steps) >= apart) + 1) if steps.size else []
    peaks = sorted((-max(values[storm, 0]), int(storm[values[storm, 0].argmax()])) for storm in storms)
    for found in (whole, joined):
        assert int(found.count[0, 0]) == len(peaks)
        assert [-int(amount) for amount in found.amounts[0, :, 0] if amount >= 0] == [
            amount for amount, _ in peaks[:kept]
        ]
        assert found.when[0, : len(peaks), 0].tolist() == [when for _, when in peaks[:kept]]
