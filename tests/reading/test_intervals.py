"""Intervals: after ordinary xarray a function returns the correct value or raises, never a wrong number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pytest
import xarray as xr
from support.small_rain import rain

import radar_nb as rn
from radar_nb.errors import SeriesError
from radar_nb.formats.radolan import Header, write_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

mpl.use("Agg")

STEPS = 24
PIXEL = {"there": (10.0, 51.0)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two hours of RY, 00:05 to 02:00, in which frame n has (n + 1) / 100 mm everywhere."""
    folder = tmp_path_factory.mktemp("two-hours")
    for number in range(STEPS):
        time = np.datetime64("2020-06-13T00:05", "s") + np.timedelta64(5 * number, "m")
        header = Header(product="RY", time=time, rows=900, cols=900, precision=-2, interval=5)
        (folder / f"{number:02d}").write_bytes(write_frame(header, np.full((900, 900), number + 1, "u2")))
    return folder


@pytest.fixture(scope="module", params=["plain", "lazy", "computed", "netCDF"])
def opened(request: pytest.FixtureRequest, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> xr.Dataset:
    """Open a box of them: as xarray's lazy array, as dask's, in memory, and from a netCDF."""
    whole = rn.open_dataset(folder, chunks=None if request.param == "plain" else "auto", progress=False)
    ds = whole.isel(y=slice(400, 440), x=slice(400, 430))
    if request.param == "computed":
        return ds.compute()
    if request.param == "netCDF":
        path = rn.export(ds.compute(), tmp_path_factory.mktemp("saved") / "rain.nc")
        return xr.open_dataset(path, engine="h5netcdf", decode_coords="all")
    return ds


@pytest.fixture(scope="module")
def loaded(folder: Path) -> xr.Dataset:
    """Open a small box of them in memory."""
    return rn.open_dataset(folder, progress=False).isel(y=slice(400, 404), x=slice(400, 403)).compute()


def hour(field: xr.DataArray) -> float:
    """Return the value of a cell."""
    return float(field.isel(dict.fromkeys(set(field.dims) & {"y", "x"}, 0)).squeeze())


FIRST = sum(range(1, 13)) / 100
"""mm of the first hour."""

KEPT: dict[str, Callable[[xr.DataArray], xr.DataArray]] = {
    "as it is": lambda da: da,
    "a box": lambda da: da.isel(y=slice(2, 30), x=slice(2, 20)),
    "some hours": lambda da: da.sel(time=slice("2020-06-13T00:05", "2020-06-13T01:00")),
    "chunks": lambda da: da.chunk(time=5),
    "a copy": lambda da: da.copy(deep=True),
    "concat": lambda da: xr.concat([da[:12], da[12:]], "time"),
    "stated": lambda da: (da * 1).drop_encoding(),
    "masked and stated": lambda da: da.where(da > -1).drop_encoding(),
}
"""What leaves amounts of five minutes: the first hour's total is known."""

STALE: dict[str, Callable[[xr.DataArray], xr.DataArray]] = {
    "resample sum": lambda da: da.resample(time="1h").sum(),
    "resample mean": lambda da: da.resample(time="30min").mean(),
    "resample max": lambda da: da.resample(time="15min").max(),
    "coarsen sum": lambda da: da.drop_vars("source").coarsen(time=3).sum(),
    "coarsen mean": lambda da: da.drop_vars("source").coarsen(time=2).mean(),
    "groupby": lambda da: da.groupby("time.hour").sum(),
    "rolling sum": lambda da: da.rolling(time=3).sum(),
    "rolling mean": lambda da: da.rolling(time=3, min_periods=1).mean(),
    "cumsum": lambda da: da.cumsum("time"),
    "diff": lambda da: da.diff("time"),
    "anomaly": lambda da: da - da.mean("time"),
    "interp": lambda da: da.interp(time=da.time.values[:-1] + np.timedelta64(150, "s")),
    "where": lambda da: da.where(da > 0.05),
    "arithmetic": lambda da: da * 2,
    "astype": lambda da: da.astype("float64"),
}
"""What xarray computes, and its attribute `interval_minutes` stays 5."""

ARITHMETIC: dict[str, Callable[[Any], Any]] = {
    "to_rate": rn.to_rate,
    "accumulate": lambda da: rn.accumulate(da, "1h"),
    "exceedance": lambda da: rn.exceedance(da, 1, "30min", progress=False),
    "annual_maxima": lambda da: rn.annual_maxima(da, ["30min"], min_coverage=0, progress=False),
    "events": lambda da: rn.events(da, 0.1, progress=False),
    "check": lambda da: rn.check(da, progress=False),
}
"""Functions whose numbers depend on the interval."""


@pytest.mark.parametrize("kept", KEPT)
def test_operations_that_keep_amounts_are_correct(kept: str, opened: xr.Dataset) -> None:
    """Selections, chunks, copies and concatenated series are amounts of five minutes."""
    da = KEPT[kept](opened.RY)

    assert hour(rn.accumulate(da, "1h").RY.isel(time=0)) == pytest.approx(FIRST, rel=1e-5)
    assert hour(rn.to_rate(da).isel(time=0)) == pytest.approx(0.12, rel=1e-5)


@pytest.mark.parametrize("function", ARITHMETIC)
@pytest.mark.parametrize("stale", STALE)
def test_computed_values_raise(stale: str, function: str, loaded: xr.Dataset) -> None:
    """No function assumes five minutes after xarray has combined values."""
    da = STALE[stale](loaded.RY)

    with pytest.raises(SeriesError, match=r"interval_minutes=5|has no times|do not rise|no 'time'|dimension"):
        ARITHMETIC[function](da)


@pytest.mark.parametrize("stale", ["resample sum", "resample mean", "resample max", "coarsen sum"])
def test_pictures_refuse_a_stale_interval(stale: str, opened: xr.Dataset) -> None:
    """A title never calls an hour five minutes."""
    da = STALE[stale](opened.RY)

    with pytest.raises(SeriesError, match=r"interval_minutes=5, but its times are (60|30|15) min apart"):
        rn.plot(da, time=da.time.values[0])
    with pytest.raises(SeriesError, match="interval_minutes=5"):
        rn.plot_series(da.isel(y=0, x=0))
    with pytest.raises(SeriesError, match="interval_minutes=5"):
        rn.at_points(da, PIXEL, progress=False)
    with pytest.raises(SeriesError, match="interval_minutes=5"):
        rn.export(da.to_dataset(), "never.nc")


def test_a_title_of_computed_values_states_no_interval(opened: xr.Dataset) -> None:
    """A moving sum can be drawn, with only its time."""
    moving = opened.RY.rolling(time=3).sum()

    title = rn.plot(moving, time="2020-06-13T01:00").get_title(loc="left")

    assert "2020-06-13 01:00 UTC" in title
    assert "5 min" not in title


def test_the_message_states_both_numbers_and_the_remedy(opened: xr.Dataset) -> None:
    """The message contains 60 and 5, and what to do."""
    with pytest.raises(
        SeriesError, match=r"=5, but its times are 60 min apart.*radar_nb\.accumulate.*set interval_minutes"
    ):
        rn.to_rate(opened.RY.resample(time="1h").sum())


def test_a_thinned_series_has_gaps(folder: Path, opened: xr.Dataset) -> None:
    """Every second frame has half of the rain and half of the coverage, from files or from a Dataset."""
    thinned = opened.isel(time=slice(None, None, 2))

    for data in (thinned, thinned.RY, sorted(folder.iterdir())[::2]):
        options: dict[str, Any] = {} if isinstance(data, xr.Dataset | xr.DataArray) else {"progress": False}
        found = rn.accumulate(data, "1h", min_coverage=0, **options)
        assert float(found.coverage.max()) == pytest.approx(0.5)
        assert np.isnan(rn.accumulate(data, "1h", **options).RY).all()


def test_series_without_a_file_are_checked_by_their_spacing() -> None:
    """Without traces of a file, times must be as far apart as the interval."""
    ds = rain(np.ones((12, 2, 2)))
    hand = ds.YW

    assert float(rn.accumulate(hand, "1h").YW[0, 0, 0]) == 12
    assert float(rn.accumulate(ds.isel(time=slice(None, None, 2)), "1h", min_coverage=0).YW[0, 0, 0]) == 6
    with pytest.raises(SeriesError, match="interval_minutes=5, but its times are 10 min apart"):
        rn.accumulate(hand[::2], "1h")


def test_bounds_that_contradict_the_interval_are_an_error() -> None:
    """`time_bnds` take precedence."""
    ds = rain(np.ones((12, 2, 2)))
    wide = ds.assign_coords(time_bnds=ds.time_bnds - np.array([np.timedelta64(10, "m"), np.timedelta64(0, "m")]))

    with pytest.raises(SeriesError, match="interval_minutes=5, but its bounds are 15 min apart"):
        rn.accumulate(wide, "1h")


def test_results_are_trusted(folder: Path, opened: xr.Dataset) -> None:
    """Results of radar_nb can be summed again, including days labelled by their begin."""
    hours = rn.accumulate(opened, "1h")
    days = rn.accumulate(opened, "1D", min_coverage=0)
    series = rn.at_points(folder, PIXEL, progress=False)

    assert hour(rn.accumulate(hours).RY) == pytest.approx(3.0, rel=1e-5)
    assert hour(rn.accumulate(days.RY, "MS", min_coverage=0).RY) == pytest.approx(3.0, rel=1e-5)
    assert str(rn.accumulate(days.RY, "MS", min_coverage=0).time.values[0])[:10] == "2020-06-01"
    assert hour(rn.accumulate(series.RY).RY) == pytest.approx(3.0, rel=1e-5)


def test_overlapping_sums_are_not_added(tmp_path: Path) -> None:
    """Hours that end every ten minutes raise, whatever they were read with."""
    for number in range(7):
        time = np.datetime64("2020-06-13T00:50", "s") + np.timedelta64(10 * number, "m")
        header = Header(product="RW", time=time, rows=900, cols=900, precision=-1, interval=60)
        (tmp_path / f"{number}").write_bytes(write_frame(header, np.full((900, 900), 10, "u2")))

    with pytest.raises(SeriesError, match="sums of 60 min every 10 min, which overlap"):
        rn.accumulate(rn.open_dataset(tmp_path, sums="all", progress=False))
    with pytest.raises(SeriesError, match="sums of 60 min every 10 min, which overlap"):
        rn.accumulate(tmp_path, sums="all", progress=False)


def test_to_rate_requires_a_variable(opened: xr.Dataset) -> None:
    """A Dataset raises with what to pass instead."""
    with pytest.raises(SeriesError, match=r"to_rate takes one variable, not a Dataset: pass one, as in to_rate"):
        rn.to_rate(opened)  # type: ignore[arg-type] # on purpose
