"""Intervals: after ordinary xarray a function returns the correct value or raises, never a wrong number."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
import shapely
import xarray as xr
from support.small_rain import rain

import radar_nb as rn
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.formats.radolan import Header, write_frame
from radar_nb.plots.animation import _Canvas
from radar_nb.reading import georeference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
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
        header = Header(product="RY", time=time, rows=450, cols=450, precision=-2, interval=5)
        (folder / f"{number:02d}").write_bytes(write_frame(header, np.full((450, 450), number + 1, "u2")))
    return folder


@pytest.fixture(scope="module")
def whole(folder: Path) -> xr.Dataset:
    """Open a box around `PIXEL`, as dask's arrays."""
    place = rn.at_points(folder, PIXEL, progress=False).isel(point=0)
    ds = rn.open_dataset(folder, progress=False)
    around = {name: int(np.flatnonzero(ds[name] == place[name])[0]) for name in ("y", "x")}
    return ds.isel({name: slice(at - 4, at + 4) for name, at in around.items()})


@pytest.fixture(scope="module", params=["plain", "lazy", "computed", "netCDF"])
def opened(
    request: pytest.FixtureRequest, folder: Path, whole: xr.Dataset, tmp_path_factory: pytest.TempPathFactory
) -> xr.Dataset:
    """Return the hours as xarray's lazy array, as dask's, in memory, and from a netCDF."""
    match request.param:
        case "plain":
            plain = rn.open_dataset(folder, chunks=None, progress=False)
            return plain.sel(y=whole.y.values, x=whole.x.values)
        case "computed":
            return whole.compute()
        case "netCDF":
            path = rn.export(whole.compute(), tmp_path_factory.mktemp("saved") / "rain.nc")
            return xr.open_dataset(path, engine="h5netcdf", decode_coords="all")
    return whole


@pytest.fixture(scope="module", params=["lazy Dataset", "lazy variable", "Dataset in memory"])
def held(request: pytest.FixtureRequest, whole: xr.Dataset) -> xr.Dataset | xr.DataArray:
    """Return the hours as dask's arrays and in memory, as a Dataset and as its variable."""
    if request.param == "lazy variable":
        da: xr.DataArray = whole.RY
        return da
    return whole if request.param == "lazy Dataset" else whole.compute()


@pytest.fixture(autouse=True)
def _no_figure_stays() -> Iterator[None]:
    """Close a test's figures."""
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def memory(whole: xr.Dataset) -> xr.DataArray:
    """Return the variable in memory."""
    da: xr.DataArray = whole.RY.compute()
    return da


def hour(field: xr.DataArray) -> float:
    """Return the value of a cell."""
    return float(field.isel(dict.fromkeys(set(field.dims) & {"y", "x"}, 0)).squeeze())


BARE: dict[str, Any] = {"borders": False, "radars": False, "towns": False}
"""A map that is drawn quickly."""

FIRST = sum(range(1, 13)) / 100
"""mm of the first hour."""

KEPT: dict[str, Callable[[xr.DataArray], xr.DataArray]] = {
    "as it is": lambda da: da,
    "a box": lambda da: da.isel(y=slice(2, 30), x=slice(2, 20)),
    "some hours": lambda da: da.sel(time=slice("2020-06-13T00:05", "2020-06-13T01:00")),
    "chunks": lambda da: da.chunk(time=5),
    "a copy": lambda da: da.copy(deep=True),
    "concat": lambda da: xr.concat([da[:12], da[12:]], "time"),
    "a shift back": lambda da: da.shift(time=1).shift(time=-1, fill_value=0),
    "sorted": lambda da: da[::-1].sortby("time"),
    "stated": lambda da: stated(da * 1),
    "masked and stated": lambda da: stated(da.where(da > -1)),
}
"""Operations that keep amounts of five minutes: the first hour's total is known."""

LOCAL: dict[str, Callable[[Any], Any]] = {
    "where": lambda data: data.where(data > 0),
    "where twice": lambda data: data.where((data > 0) & data.notnull()),
    "a mask of cells": lambda data: data.where(data.y < data.y[-1], drop=True),
    "a mask of times": lambda data: data.where(data.time.dt.year == 2020),
    "arithmetic": lambda data: data * 1.0,
    "a factor there and back": lambda data: (2 * data) / 2,
    "astype": lambda data: data.astype("float64"),
    "clip": lambda data: data.clip(0, 100),
    "fillna": lambda data: data.fillna(0),
    "masked, selected and in other chunks": lambda data: (
        data.where(data > 0).isel(time=slice(0, 24)).chunk(time=5)
    ),
}
"""Masks and factors: each value is still the amount of its five minutes."""

STALE: dict[str, Callable[[Any], Any]] = {
    "resample sum": lambda data: data.resample(time="1h").sum(),
    "resample mean": lambda data: data.resample(time="30min").mean(),
    "resample max": lambda data: data.resample(time="15min").max(),
    "resample of one period": lambda data: data.resample(time="1D").mean(),
    "coarsen sum": lambda data: data.drop_vars("source").coarsen(time=3).sum(),
    "coarsen mean": lambda data: data.drop_vars("source").coarsen(time=2).mean(),
    "groupby": lambda data: data.groupby("time.hour").sum(),
    "rolling sum": lambda data: data.rolling(time=3).sum(),
    "rolling mean": lambda data: data.rolling(time=3, min_periods=1).mean(),
    "rolling construct": lambda data: data.rolling(time=3).construct("window").sum("window"),
    "cumsum": lambda data: data.cumsum("time"),
    "diff": lambda data: data.diff("time"),
    "anomaly": lambda data: data - data.mean("time"),
    "a sum with what was shifted": lambda data: data + data.shift(time=1),
    "interp": lambda data: data.interp(time=data.time.values[:-1] + np.timedelta64(150, "s")),
    "concat of rolling": lambda data: xr.concat(
        [data.rolling(time=3).sum()[{"time": slice(0, 12)}], data[{"time": slice(12, 24)}]], "time"
    ),
    "rolling and masked": lambda data: data.rolling(time=3, min_periods=1).sum().where(data > 0),
    "rolling in memory, and masked": lambda data: (
        data.compute().rolling(time=3, min_periods=1).sum().where(data > 0)
    ),
    "rolling in memory, in its place": lambda data: data.where(data > 0.1, data.compute().rolling(time=3).sum()),
    "map_blocks": lambda data: data.map_blocks(lambda block: block.cumsum("time")),
    "drop_encoding and rolling": lambda data: data.drop_encoding().rolling(time=3, min_periods=1).sum(),
    "stated before rolling": lambda data: restated(data).rolling(time=3, min_periods=1).sum(),
}
"""Computations of xarray after which the attribute `interval_minutes` is still 5."""


def stated(da: xr.DataArray) -> xr.DataArray:
    """State that values are still amounts of five minutes, as the message says."""
    da.encoding["interval_minutes"] = 5
    return da


def restated(data: Any) -> Any:
    """State the interval of a variable, or of the variable of a Dataset."""
    data = data * 1
    stated(data.RY if isinstance(data, xr.Dataset) else data)
    return data


def variable(data: Any) -> xr.DataArray:
    """Return the variable of a Dataset, or the variable itself."""
    found: xr.DataArray = data["RY"] if isinstance(data, xr.Dataset) else data
    return found


ARITHMETIC: dict[str, Callable[[Any], Any]] = {
    "to_rate": lambda data: rn.to_rate(variable(data)),
    "accumulate": lambda data: rn.accumulate(data, "1h"),
    "exceedance": lambda data: rn.exceedance(data, 1, "30min", progress=False),
    "annual_maxima": lambda data: rn.annual_maxima(data, ["30min"], min_coverage=0, progress=False),
    "events": lambda data: rn.events(data, 0.1, progress=False),
    "check": lambda data: rn.check(data, progress=False),
    "at_points, sums": lambda data: rn.accumulate(rn.at_points(data, PIXEL, progress=False), "1h"),
    "over_areas, sums": lambda data: rn.accumulate(rn.over_areas(data, around(data), progress=False), "1h"),
    "export": lambda data: rn.export(data if isinstance(data, xr.Dataset) else data.to_dataset(), "never.nc"),
}
"""Functions whose numbers depend on the interval, or whose files state it."""


def around(data: Any) -> gpd.GeoDataFrame:
    """Return an area of some cells around `PIXEL`."""
    lon, lat = PIXEL["there"]
    return gpd.GeoDataFrame(geometry=[shapely.box(lon - 0.02, lat - 0.01, lon + 0.02, lat + 0.01)], crs=4326)


@pytest.mark.parametrize("kept", KEPT)
def test_operations_that_keep_amounts_are_correct(kept: str, opened: xr.Dataset) -> None:
    """Selections, chunks, copies and concatenated series are amounts of five minutes."""
    da = KEPT[kept](opened.RY)

    assert hour(rn.accumulate(da, "1h").RY.isel(time=0)) == pytest.approx(FIRST, rel=1e-5)
    assert hour(rn.to_rate(da).isel(time=0)) == pytest.approx(0.12, rel=1e-5)


@pytest.mark.parametrize("kind", ["Dataset", "DataArray"])
@pytest.mark.parametrize("local", LOCAL)
def test_masks_and_factors_of_files_are_correct(local: str, kind: str, whole: xr.Dataset) -> None:
    """Amounts are trusted as long as dask's graph shows that no two times were combined."""
    data = LOCAL[local](whole if kind == "Dataset" else whole.RY)

    assert hour(rn.accumulate(data, "1h").RY.isel(time=0)) == pytest.approx(FIRST, rel=1e-5)
    assert hour(rn.to_rate(variable(data)).isel(time=0)) == pytest.approx(0.12, rel=1e-5)
    assert hour(rn.accumulate(rn.at_points(data, PIXEL, progress=False), "1h").RY[0]) == pytest.approx(
        FIRST, rel=1e-5
    )
    assert "5 min to 2020-06-13 01:00" in rn.plot(variable(data), time="2020-06-13T01:00", **BARE).get_title(
        loc="left"
    )


@pytest.mark.parametrize("local", LOCAL)
def test_masks_in_memory_need_a_statement(local: str, whole: xr.Dataset) -> None:
    """In memory a mask cannot be distinguished from a moving sum: the error says how to state the interval."""
    da = LOCAL[local](whole.RY.compute())

    with pytest.raises(SeriesError, match=r"state it: da\.encoding\['interval_minutes'\] = 5"):
        rn.accumulate(da, "1h")
    assert hour(rn.accumulate(stated(da), "1h").RY.isel(time=0)) == pytest.approx(FIRST, rel=1e-5)


@pytest.mark.parametrize("stale", STALE)
def test_computed_values_raise(stale: str, held: xr.Dataset | xr.DataArray) -> None:
    """No function assumes five minutes after xarray has combined values."""
    data = STALE[stale](held)

    for function in ARITHMETIC.values():
        with pytest.raises(
            SeriesError, match=r"interval_minutes=5, but (its times are (60|30|15|10) |xarray)|no times"
        ):
            function(data)


def words(figure: Any) -> str:
    """Return all texts of a figure."""
    return " ".join(text.get_text() for text in figure.findobj(mpl.text.Text))


def filmed(da: xr.DataArray) -> str:
    """Return the title of a film's last frame, and a page's text about the film."""
    film = rn.animate(da.isel(time=slice(-2, None)), progress=False, **BARE)
    return f"{film.words} {_Canvas(film)._title(film.fields[-1], np.ones(1))}"  # noqa: SLF001 - the drawn title


PICTURES: dict[str, Callable[[xr.DataArray], str]] = {
    "plot": lambda da: words(rn.plot(da.isel(time=-1) if "time" in da.dims else da[0], **BARE).figure),
    "facets": lambda da: words(rn.plot(da.isel(time=slice(-2, None)), col="time", **BARE).flat[0].figure),
    "plot_series": lambda da: words(rn.plot_series(da.isel(y=0, x=0)).figure),
    "animate": filmed,
    "Explorer": lambda da: json.dumps(rn.Explorer(da)._info),  # noqa: SLF001 - what the browser shows
    "at_points": lambda da: words(rn.plot_series(rn.at_points(da, PIXEL, progress=False)).figure),
    "over_areas": lambda da: words(rn.plot_series(rn.over_areas(da, around(da), progress=False)).figure),
}
"""Texts in pictures of a variable."""


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("stale", ["resample sum", "coarsen sum", "rolling sum", "cumsum", "diff", "map_blocks"])
def test_pictures_never_state_a_stale_interval(stale: str, picture: str, memory: xr.DataArray) -> None:
    """No title, axis or legend calls an hour or a moving sum five minutes: only values are shown."""
    da = STALE[stale](memory)

    try:
        shown = PICTURES[picture](da)
    except SeriesError as error:
        shown = str(error).replace("interval_minutes=5", "")
    assert shown
    assert not re.search(r'(?<!\d)5 min|"minutes": 5', shown)


@pytest.mark.parametrize("picture", PICTURES)
def test_pictures_state_the_interval_of_masks(picture: str, whole: xr.Dataset) -> None:
    """The same pictures name the interval if it is known."""
    shown = PICTURES[picture](whole.RY.where(whole.RY > 0))

    assert "5 min" in shown or '"minutes": 5' in shown


@pytest.mark.parametrize("stale", ["rolling sum", "rolling mean", "cumsum", "diff"])
def test_values_at_places_are_those_of_the_cells(stale: str, memory: xr.DataArray) -> None:
    """Moving sums can be read at points and in areas: values are correct, and their interval stays unknown."""
    da = STALE[stale](memory)

    points = rn.at_points(da, PIXEL, progress=False)
    areas = rn.over_areas(da, around(da), progress=False)

    np.testing.assert_array_equal(points.RY[:, 0], da[:, 4, 4])
    np.testing.assert_allclose(areas.RY[:, 0], da[:, 4, 4], rtol=1e-6)
    for found in (points, areas):
        with pytest.raises(SeriesError, match="interval_minutes=5, but xarray has computed"):
            rn.accumulate(found, "1h")


@pytest.mark.parametrize("function", ["build_cube", "open_dataset"])
def test_functions_that_read_files_refuse_a_dataset(function: str, whole: xr.Dataset, tmp_path: Path) -> None:
    """A cube is never built from computed or open data."""
    arguments = {"build_cube": (tmp_path / "cube",)}

    for data in (whole, whole.RY):
        with pytest.raises((SettingsError, SeriesError), match=f"a {type(data).__name__} is open already"):
            getattr(rn, function)(data, *arguments.get(function, ()), progress=False)


def test_bounds_that_end_at_other_times_are_an_error(whole: xr.Dataset) -> None:
    """Times that were changed by hand contradict the bounds, which did not change."""
    moved = whole.assign_coords(time=whole.time + np.timedelta64(1, "h"))

    with pytest.raises(SeriesError, match="interval_minutes=5, but its bounds end -60 min after its times"):
        rn.accumulate(moved, "1h")


def test_shifted_amounts_have_their_new_times(whole: xr.Dataset) -> None:
    """`shift` moves amounts to other times, where they are still amounts of five minutes."""
    found = rn.accumulate(whole.shift(time=1), "1h", min_coverage=0)

    assert hour(found.RY.isel(time=0)) == pytest.approx(FIRST - 0.12, rel=1e-5)
    assert hour(found.coverage.isel(time=0)) == pytest.approx(11 / 12)


def test_coarsened_results_raise(whole: xr.Dataset) -> None:
    """`Dataset.coarsen` averages bounds and keeps encodings: only the spacing of the times shows it."""
    tens = rn.accumulate(whole, "10min").compute()

    with pytest.raises(SeriesError, match="interval_minutes=10, but its times are 20 min apart"):
        rn.accumulate(tens.coarsen(time=2).mean(), "1h")
    with pytest.raises(SeriesError, match="interval_minutes=10, but its times are 20 min apart"):
        rn.to_rate(tens.coarsen(time=2).sum().RY)


def test_a_running_sum_of_a_moving_sum_is_refused(memory: xr.DataArray) -> None:
    """A moving sum can be drawn, but not its running sum, which would be three times the rain."""
    moving = memory.rolling(time=3, min_periods=1).sum()[:, 0, 0]

    assert rn.plot_series(moving).get_xlabel() == "UTC"
    with pytest.raises(SeriesError, match="interval_minutes=5, but xarray has computed its values"):
        rn.plot_series(moving, cumulative=True)


def test_the_message_states_both_numbers_and_the_remedy(opened: xr.Dataset) -> None:
    """The message contains 60 and 5, and what to do."""
    with pytest.raises(
        SeriesError, match=r"=5, but its times are 60 min apart.*radar_nb\.accumulate.*set interval_minutes"
    ):
        rn.to_rate(opened.RY.resample(time="1h").sum())


def test_a_thinned_series_has_gaps(folder: Path, opened: xr.Dataset) -> None:
    """Every second frame yields half of the rain and half of the coverage, from files or from a Dataset."""
    thinned = opened.isel(time=slice(None, None, 2))

    for data in (thinned, thinned.RY, sorted(folder.iterdir())[::2]):
        options: dict[str, Any] = {} if isinstance(data, xr.Dataset | xr.DataArray) else {"progress": False}
        found = rn.accumulate(data, "1h", min_coverage=0, **options)
        assert float(found.coverage.max()) == pytest.approx(0.5)
        assert np.isnan(rn.accumulate(data, "1h", **options).RY).all()


def test_series_without_a_file_are_checked_by_their_spacing() -> None:
    """Without traces of a file, the spacing of the times must equal the interval."""
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
        header = Header(product="RW", time=time, rows=450, cols=450, precision=-1, interval=60)
        (tmp_path / f"{number}").write_bytes(write_frame(header, np.full((450, 450), 10, "u2")))

    with pytest.raises(SeriesError, match="sums of 60 min every 10 min, which overlap"):
        rn.accumulate(rn.open_dataset(tmp_path, sums="all", progress=False))
    with pytest.raises(SeriesError, match="sums of 60 min every 10 min, which overlap"):
        rn.accumulate(tmp_path, sums="all", progress=False)


def test_to_rate_requires_a_variable(opened: xr.Dataset) -> None:
    """A Dataset raises with what to pass instead."""
    with pytest.raises(SeriesError, match=r"to_rate takes one variable, not a Dataset: pass one, as in to_rate"):
        rn.to_rate(opened)  # type: ignore[arg-type] # on purpose


def test_an_interval_that_is_not_a_number_of_minutes_raises(whole: xr.Dataset) -> None:
    """Attributes come from files of others."""
    for stated in ("much", "6_0", np.nan, np.inf, -5, 2.5, 1e30, [5, 5], np.array([5, 5])):
        data = whole.copy()
        data.RY.attrs["interval_minutes"] = stated
        with pytest.raises(SeriesError, match="which is not a whole number of minutes: set the attribute"):
            rn.accumulate(data, "1h", progress=False)


def test_an_unknown_earth_is_not_taken_for_the_ellipsoid(whole: xr.Dataset) -> None:
    """Places are refused if the projection's radius is not one of DWD's."""
    for stated in ("much", None, [1, 2], 6378388.0, "6_370_040"):
        data = whole.copy()
        data["crs"] = data.crs.copy()
        data.crs.attrs["semi_major_axis"] = stated
        with pytest.raises(SeriesError, match="does not lie on a grid of DWD"):
            rn.at_points(data, PIXEL, progress=False)
        with pytest.raises(SeriesError, match="is not known to be on DWD's polar stereographic grid"):
            georeference.earth_of(data)
