"""The catalogue of heavy rain events: it equals one made by brute force, and refuses what it cannot use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from support.cubes import archive, build
from support.small_rain import COL, ROW, forecasts, rain, showers

from radar_nb.analysis import blocks as reading
from radar_nb.analysis import event_objects as objects
from radar_nb.analysis import moving_sums as windows
from radar_nb.analysis.event_catalogue import heavy_rain_catalogue, warning_level_3
from radar_nb.analysis.return_levels import level_at, return_levels, return_period
from radar_nb.analysis.storms import heavy_rain_index
from radar_nb.dwd.catrare import COLUMNS
from radar_nb.dwd.grids import GRIDS, PROJ
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.intervals import ends_of
from radar_nb.reading.opening import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

HOURS = (1, 2, 3, 12)


def levels_of(*cells: int, seed: int = 0) -> xr.Dataset:
    """Return levels of four durations, for one place or for cells."""
    rng = np.random.default_rng(seed)
    maxima = rng.gumbel(np.array([4.0, 6, 8, 15]).reshape(4, *(1,) * len(cells)), 2, (25, 4, *cells))
    dims = ("year", "duration", *("y", "x")[: len(cells)])
    coords: dict[str, Any] = {"duration": np.array(HOURS, "m8[h]").astype("m8[ns]")}
    if cells:
        grid = GRIDS["de1100"]
        coords |= {"y": grid.y[ROW : ROW + cells[0]], "x": grid.x[COL : COL + cells[1]]}
    return return_levels(xr.DataArray(maxima.clip(0.1), coords, dims, attrs={"units": "mm"}), [2, 5], resamples=0)


def catalogue(data: Any, thresholds: Any = "T2", hours: Any = HOURS, **options: Any) -> Any:
    """Return the events of some hours."""
    chosen: dict[str, Any] = {"levels": levels_of(), "min_cells": 2} | options
    return heavy_rain_catalogue(data, thresholds, durations=[f"{h}h" for h in hours], progress=False, **chosen)


def brute_force(ds: xr.Dataset, levels: xr.Dataset, years: float, **options: Any) -> list[tuple[Any, ...]]:
    """Return begin, end, cells, Eta, largest and mean amount, index and share of missing of each event."""
    amount, step = ds.RW, np.timedelta64(1, "h")
    ends, values = ends_of(amount), amount.to_numpy().astype(float)
    found = []
    for hours in options["hours"]:
        limit = np.broadcast_to(level_at(levels, years, duration=f"{hours}h"), values.shape[1:])
        depth_100 = np.broadcast_to(level_at(levels, 100, duration=f"{hours}h"), values.shape[1:])
        window = [(ends > end - hours * step) & (ends <= end) for end in ends]
        all_sums = np.stack([np.nansum(values[inside], axis=0).round(4) for inside in window])
        there: Any = {"duration": f"{hours}h"}
        all_periods = return_period(levels, xr.DataArray(all_sums, dims=("time", "y", "x")), **there).to_numpy()
        for number, (end, inside, sums) in enumerate(zip(ends, window, all_sums, strict=True)):
            above = (sums > limit) & np.isfinite(values[number])
            labels, count = ndimage.label(above, np.ones((3, 3)) if options["corners"] else None)
            for label in range(1, count + 1):
                cells = labels == label
                n = int(cells.sum())
                if n < options["min_cells"]:
                    continue
                periods = all_periods[number][cells]
                eta = np.log(np.clip(periods, 1, 1000)).mean() * np.sqrt(n / np.pi)
                gaps = np.isnan(values[inside][:, cells]).sum() + (hours - inside.sum()) * n
                index = heavy_rain_index(periods, sums[cells], depth_100[cells]).max()
                key = (-eta.round(9), end, hours, np.flatnonzero(cells)[0])
                found.append((key, end - hours * step, end, cells, eta, sums[cells], index, gaps / n / hours))
    found.sort(key=lambda one: one[0])
    kept: list[Any] = []
    groups: list[list[Any]] = []
    for one in found:
        touches = [g for g in groups if any(overlap(one, other) for other in g)]
        if options["same_event"] == "overlap":
            if not touches:
                groups.append([one])
        else:
            apart = [g for g in groups if not any(g is t for t in touches)]
            groups = [*apart, [*(member for g in touches for member in g), one]]
    kept = [min(group, key=lambda one: one[0]) for group in groups]
    return [
        (b, e, cells.ravel().nonzero()[0].tolist(), eta, s.max(), s.mean(), i, m)
        for _, b, e, cells, eta, s, i, m in kept
    ]


def overlap(one: Any, other: Any) -> bool:
    """Return whether two objects share a cell while their windows overlap."""
    return bool(one[1] < other[2] and other[1] < one[2] and (one[3] & other[3]).any())


@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    hours=st.lists(st.sampled_from(HOURS), min_size=1, unique=True),
    corners=st.booleans(),
    same_event=st.sampled_from(["overlap", "chain"]),
    fields=st.booleans(),
    gaps=st.booleans(),
    min_cells=st.integers(1, 4),
    cut=st.sampled_from([1 << 25, 3000]),
)
def test_events_equal_brute_force(  # noqa: PLR0917 - hypothesis passes them by name
    seed: int, hours: Any, corners: bool, same_event: Any, fields: bool, gaps: bool, min_cells: int, cut: int
) -> None:
    """Windows, cells, extremity, amounts, index and missing share equal those of sets of cells."""
    rng = np.random.default_rng(seed)
    values = showers(40, 7, 6, seed=seed, missing=0.03) * (rng.random((40, 1, 1)) < 0.3)
    ds = rain(values, minutes=60, first="2020-06-13T00:50", name="RW")
    if gaps:
        ds = ds.isel(time=np.flatnonzero(rng.random(40) > 0.15))
    levels = levels_of(*(7, 6) if fields else (), seed=seed)
    options: dict[str, Any] = {"corners": corners, "same_event": same_event, "min_cells": min_cells}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK", cut)
        patch.setattr(windows, "_CELLS", 7 if cut < 1 << 20 else 1 << 15)
        patch.setattr(objects, "_MANY", 3 if cut < 1 << 20 else 20_000)
        table = catalogue(ds, "T2", hours, levels=levels, **options)

    grid = GRIDS["de1100"]
    found = []
    for one in table.itertuples():
        x, y = grid.x[COL : COL + 6], grid.y[ROW : ROW + 7]
        inside = geopandas.GeoSeries(
            geopandas.points_from_xy(*(a.ravel() for a in np.meshgrid(x, y))), crs=table.crs
        )
        cells = np.flatnonzero(inside.within(one.geometry)).tolist()
        assert len(cells) == one.Area == round(one.geometry.area / 1e6)
        found.append(
            (one.Start_Time, one.End_Time, cells, one.Eta, one.RRmax, one.RRmean, one.SRImax, one.missing)
        )
    expected = sorted(
        brute_force(ds, levels, 2, hours=hours, **options), key=lambda one: (str(one[0]), one[2], str(one[1]))
    )
    found.sort(key=lambda one: (str(np.datetime64(one[0], "s")), one[2], str(one[1])))
    assert [(np.datetime64(b, "s"), np.datetime64(e, "s"), c) for b, e, c, *_ in found] == [
        (np.datetime64(b, "s"), np.datetime64(e, "s"), c) for b, e, c, *_ in expected
    ]
    np.testing.assert_allclose([o[3:] for o in found], [o[3:] for o in expected], rtol=1e-9, atol=1e-12)


# --- values that are known ------------------------------------------------------------------------------------


def uniform(cells: int, amount: float, *, hours: int = 30) -> xr.Dataset:
    """Return a square of so many cells a side with an amount in one hour, in a dry field."""
    values = np.zeros((hours, cells + 2, cells + 2))
    values[5, 1:-1, 1:-1] = amount
    return rain(values, minutes=60, first="2020-06-13T00:50", name="RW")


@pytest.mark.parametrize(
    ("side", "years", "logarithm", "eta"),
    [(3, 5, "e", 2.724), (3, 5, "10", 1.183), (10, 100, "e", 25.98), (10, 100, "10", 11.28)],
)
def test_eta_of_uniform_objects(side: int, years: int, logarithm: str, eta: float) -> None:
    """Eta is the mean logarithm of the return period times the radius of a circle of the same area."""
    amount = float(level_at(levels_of(), years, duration="1h")) - 2e-4  # float32 is not above

    (event,) = catalogue(uniform(side, amount), amount - 0.1, [1], logarithm=logarithm).itertuples()

    assert event.Eta == pytest.approx(eta, rel=5e-4)
    assert (event.Area, event.Duration, event.SRImax) == (side * side, 1, {5: 2, 100: 7}[years])


def test_an_event_has_the_stamps_and_the_place_of_the_catalogue() -> None:
    """An hour of RW begins at minute 50; columns count from the west and rows from the south, from 0."""
    ds = uniform(3, 30.0)
    ds.RW[5, 2, 3] = 42.0

    table = catalogue(ds, "W3", [1], min_cells=9)

    (event,) = table.itertuples()
    assert (str(event.Start_Time), str(event.End_Time)) == ("2020-06-13 04:50:00", "2020-06-13 05:50:00")
    assert (event.RRmax, event.RRmean) == (42.0, pytest.approx((8 * 30 + 42) / 9))
    assert (event.x_RRmax, event.y_RRmax) == (3, 2)
    assert (event.x_RRmaxPRJ, event.y_RRmaxPRJ) == (ds.x[3], ds.y[2])
    assert table.crs == PROJ["sphere"]
    assert list(table) == [*COLUMNS, "missing", "geometry"]
    assert table.attrs["threshold_mm"] == {"60 min": [25.0, 25.0]}
    maxima = catalogue(ds, "W3", [1], min_cells=9, geometry="maxima")
    assert (maxima.geometry.x[0], maxima.geometry.y[0]) == (ds.x[3], ds.y[2])
    assert len(catalogue(ds, "W3", [1], min_cells=10)) == 0
    assert catalogue(uniform(3, 25.0), "W3", [1]).empty  # not above 25 mm


def test_dwds_windows_are_as_long_as_their_durations() -> None:
    """Rows of CatRaRE v2024.01 have windows from start to end of their duration, and so have ours."""
    rows = [("2001-02-15T23:50", "2001-02-16T08:50", 9), ("2001-07-29T11:50", "2001-07-29T13:50", 2)]
    for start, end, hours in rows:
        assert np.datetime64(end) - np.datetime64(start) == np.timedelta64(hours, "h")
    table = catalogue(uniform(4, 60.0), "W3")
    assert (table.End_Time - table.Start_Time == table.Duration.astype("m8[h]")).all()


def test_thresholds_have_several_forms() -> None:
    """A preset, years, a number, one for each duration, a mapping and a map name the same thresholds."""
    ds = rain(showers(40, 7, 6, seed=3) * 2, minutes=60, first="2020-06-13T00:50", name="RW")
    levels = levels_of(7, 6)
    level = levels.level.sel(return_period=2)
    one = float(level_at(levels_of(), 2, duration="1h"))

    expected = catalogue(ds, "T2", levels=levels)

    assert len(expected) > 1
    assert catalogue(ds, level, levels=levels).equals(expected)
    assert catalogue(ds, level.isel(y=slice(None, None, -1)), levels=levels).equals(expected)
    hour = catalogue(ds, "T2", [1])
    assert len(hour) > 1
    for same in (one, [one], {"1h": one, "2h": 1.0}):
        assert catalogue(ds, same, [1]).equals(hour)
    with_hole = levels.where(xr.DataArray(np.arange(7) > 2, dims="y"))
    assert 0 < catalogue(ds, "T2", levels=with_hole).y_RRmax.min() > 2


def test_warning_levels_are_dwds_and_between_them_interpolated() -> None:
    """W3 has DWD's six amounts; those between rise with the duration."""
    assert [warning_level_3(60 * hours) for hours in (1, 6, 12, 24, 48, 72)] == [25, 35, 40, 50, 60, 90]
    between = [warning_level_3(60 * hours) for hours in (1, 2, 3, 4, 6, 9, 12, 18, 24, 48, 72)]
    assert between == sorted(between)
    with pytest.raises(SettingsError, match="is for 1 to 72 h, not for 30 min"):
        warning_level_3(30)


def test_kostras_table_of_one_place_is_enough(tmp_path: Path) -> None:
    """A table of depths stands for all cells; its depths have their return periods."""
    hours = np.array([1, 2], "m8[h]").astype("m8[ns]")
    depths = [[13.5, 16.4, 20.7, 24.2, 27.8, 30.2, 33.3, 37.7]] * 2  # mm in an hour, cell 49125 (KOSTRA-DWD-2020)
    table = xr.Dataset(
        {"level": (("duration", "return_period"), depths)},
        {"duration": hours, "return_period": [1, 2, 5, 10, 20, 30, 50, 100]},
        {"counted": "partial", "title": "KOSTRA-DWD-2020"},
    ).expand_dims(point=["Sylt"])

    events = catalogue(uniform(3, 20.7), 15.0, [1], levels=table)

    assert float(events.Eta[0]) == pytest.approx(2.724, abs=0.02)
    assert events.attrs["levels"]["title"] == "KOSTRA-DWD-2020"
    with pytest.raises(SettingsError, match="levels have no duration of 180 min"):
        catalogue(uniform(3, 20.7), 15.0, [3], levels=table)
    with pytest.raises(SettingsError, match="levels has 2 points: choose one"):
        catalogue(uniform(3, 20.7), 15.0, [1], levels=xr.concat([table, table], "point"))
    events.to_file(tmp_path / "events.gpkg")
    events.to_parquet(tmp_path / "events.parquet")
    events.to_csv(tmp_path / "events.csv")
    again = geopandas.read_file(tmp_path / "events.gpkg")
    assert again.geometry.geom_equals(events.geometry).all()
    assert again.drop(columns="geometry").Eta.equals(events.Eta)
    assert geopandas.read_parquet(tmp_path / "events.parquet").equals(events)
    assert "2020-06-13 04:50:00" in (tmp_path / "events.csv").read_text()


def test_each_cell_has_its_own_table_of_kostra() -> None:
    """T5 and Eta follow the depths of the cell; cells without depths, as those abroad, belong to no event."""
    periods = [1, 2, 5, 10, 20, 30, 50, 100]
    depths = np.array([13.5, 16.4, 20.7, 24.2, 27.8, 30.2, 33.3, 37.7])[None, :, None, None]  # as above
    ds = uniform(3, 26.0)
    higher = np.where(np.arange(5) == 3, 1.5, 1.0) * np.ones((5, 5))  # one column has larger depths
    level = (("duration", "return_period", "y", "x"), depths * np.where(np.arange(5) == 1, np.nan, higher))
    table = xr.Dataset(
        {"level": level},
        {"duration": [np.timedelta64(1, "h").astype("m8[ns]")], "return_period": periods, "y": ds.y, "x": ds.x},
        {"counted": "partial"},
    )

    (event,) = catalogue(ds, "T5", [1], levels=table, min_cells=1).itertuples()

    assert event.Area == 3
    alone = catalogue(ds, 20.0, [1], levels=table.isel(y=0, x=0, drop=True), min_cells=1)
    assert event.Eta == pytest.approx(float(alone.Eta[0]) * 3**-0.5)
    with pytest.raises(SettingsError, match="lie on other cells than the data"):
        catalogue(ds, "T5", [1], levels=table.isel(x=slice(1, None)))


def test_missing_frames_are_reported() -> None:
    """A window without one of its two frames has half of its intervals; a missing value is not dry."""
    ds = uniform(3, 60.0)
    ds.RW[4, 2, 2] = np.nan
    whole, gap = catalogue(ds, {"2h": 20}, [2]), catalogue(ds.isel(time=[0, 1, 2, 3, 5, 6, 7]), {"2h": 20}, [2])

    assert whole.missing.tolist() == [pytest.approx(1 / 18)]
    assert gap.missing.tolist() == [0.5]
    assert (whole.attrs["missing_steps"], gap.attrs["missing_steps"]) == (0, 1)


def test_archives_cubes_and_datasets_have_the_same_events(tmp_path: Path) -> None:
    """Archives and cubes are read as codes, Datasets as amounts, in blocks that may be cut anywhere."""
    path = archive(tmp_path / "RW-202006.tar.gz", ["2020-06-13"])
    build(tmp_path, path)
    options: dict[str, Any] = {"min_cells": 9, "geometry": "maxima"}
    events = catalogue(path, "W3", **options)

    assert len(events) > 1
    assert catalogue(tmp_path / "cube", "W3", **options).equals(events)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "BLOCK", 1)
        amounts = open_dataset(path, progress=False)
        assert catalogue(amounts, "W3", **options, workers=1).equals(events)


# --- what cannot be used --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("thresholds", "options", "message"),
    [
        ("W4", {}, "unknown thresholds 'W4': choose W3, or T and years"),
        ("T1", {}, "unknown thresholds 'T1'"),
        (-1, {}, "pass positive numbers of mm"),
        ([1, 2, 3], {}, "3 thresholds for 4 durations"),
        ({"1h": 5}, {}, "thresholds has none for 120 min, 180 min, 720 min"),
        (xr.DataArray(5.0, attrs={"units": "mm/h"}), {}, "the thresholds are in mm/h: pass mm"),
        (xr.DataArray(5.0), {}, "the thresholds are in unknown: pass mm"),
        (xr.DataArray(0.0, attrs={"units": "mm"}), {}, "thresholds are not all positive"),
        (xr.DataArray([[5.0]], dims=("y", "x"), attrs={"units": "mm"}), {}, "lie on other cells than the data"),
        (xr.DataArray([5.0], dims="year", attrs={"units": "mm"}), {}, "have the dimensions year: pass"),
        (levels_of(), {}, "thresholds is a Dataset: pass one of its variables"),
        (5, {"levels": None}, "levels=None, but Eta .* need return periods: pass levels=return_levels"),
        (5, {"levels": 5}, "levels is a int: pass a Dataset"),
        (5, {"levels": levels_of(4, 4)}, "lie on other cells than the data"),
        (5, {"levels": levels_of().sel(duration=["2h"])}, "is not one of the levels'"),
        (5, {"hours": [1.5]}, "not a multiple of the interval of 60 min"),
        (5, {"hours": [0.5]}, "not a multiple of the interval of 60 min"),
        (5, {"hours": []}, "durations is empty"),
        (5, {"hours": [1, 1]}, "has one twice"),
        (5, {"min_cells": 0}, "min_cells=0 is not a number of cells"),
        (5, {"same_event": "touch"}, "unknown same_event='touch': choose one of overlap, chain"),
        (5, {"logarithm": "2"}, "unknown logarithm='2'"),
        (5, {"longest_period": 1}, "longest_period=1 is not a period"),
        (5, {"geometry": "boxes"}, "unknown geometry='boxes'"),
    ],
)
def test_invalid_arguments(thresholds: Any, options: dict[str, Any], message: str) -> None:
    """Each message names the argument and what is allowed."""
    with pytest.raises(SettingsError, match=message):
        catalogue(uniform(3, 20.0), thresholds, **options)


def test_invalid_data() -> None:
    """Series at points, forecasts, rates, classes and overlapping sums raise."""
    ds = uniform(3, 20.0)
    cases = [
        (ds.isel(x=0, y=0), r"not \(time, y, x\)"),
        (ds.assign(RW=ds.RW.assign_attrs(units="mm/h")), "only amounts in mm can be summed"),
        (ds.assign(RW=ds.RW.assign_attrs(units="1", flag_values=[0, 1])), "only amounts in mm can be summed"),
        (
            ds.drop_vars("time_bnds").assign(RW=ds.RW.assign_attrs(interval_minutes=1440)),
            "sums of 1440 min every 60 min, which overlap",
        ),
        (forecasts(np.ones((1, 30, 3, 3)), name="RW", minutes=60, ahead=60), "are forecasts"),
        (ds.assign(RW=-ds.RW), "cannot be summed"),
    ]
    for data, message in cases:
        with pytest.raises(SeriesError, match=message):
            catalogue(data, 5)
