"""Return levels: they equal those of other libraries, with confidence intervals and warnings."""

from __future__ import annotations

import threading
import warnings
from itertools import product
from typing import Any

import lmoments3 as lm
import numpy as np
import pytest
import xarray as xr
from lmoments3 import distr
from scipy import optimize, stats

from radar_nb.analysis import likelihood, rank_scaling
from radar_nb.analysis import return_levels as fits
from radar_nb.analysis.extremes import annual_maxima
from radar_nb.analysis.return_levels import KOSTRA_SHAPE, percentiles, reduced, return_levels, return_period
from radar_nb.errors import SeriesError, SettingsError


def maxima(values: Any, *dims: str) -> xr.DataArray:
    """Return annual maxima."""
    return xr.DataArray(np.asarray(values, float), dims=("year", *dims), name="YW", attrs={"units": "mm"})


SAMPLES = stats.genextreme.rvs([-0.2, 0.0, 0.15], 30, 8, size=(60, 3), random_state=4)


def test_levels_equal_lmoments3() -> None:
    """Shape and levels equal those of an independent library, which approximates the shape."""
    found = return_levels(maxima(SAMPLES, "point"), [2, 10, 100], resamples=0)

    for point in range(3):
        fitted = distr.gev.lmom_fit(SAMPLES[:, point])
        expected = distr.gev(**fitted).ppf([0.5, 0.9, 0.99])
        np.testing.assert_allclose(found.level[:, point], expected, rtol=2e-3)
        np.testing.assert_allclose(found["shape"][point], fitted["c"], atol=1e-3)


def test_moments_equal_scipys() -> None:
    """The fitted distribution has the first three L-moments of the sample, to the last digits."""
    found = return_levels(maxima(SAMPLES, "point"), [2], resamples=0)

    for point in range(3):
        c, location, scale = (float(found[name][point]) for name in ("shape", "location", "scale"))
        first, second, third = distr.gev(c=c, loc=location, scale=scale).lmom_ratios(nmom=3)
        expected = stats.lmoment(SAMPLES[:, point], order=[1, 2, 3], standardize=True)
        np.testing.assert_allclose([first, second, third], expected, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(lm.lmom_ratios(SAMPLES[:, point], nmom=3), expected, rtol=1e-9)


def test_missing_years_are_ignored() -> None:
    """A cell with missing years has the levels of its other years."""
    values = SAMPLES[:, [0, 0]].copy()
    values[::3, 1] = np.nan

    found = return_levels(maxima(values, "point"), [10], resamples=0)

    alone = return_levels(maxima(values[np.isfinite(values[:, 1]), 1]), [10], resamples=0)
    assert float(found.level[0, 1]) == pytest.approx(float(alone.level[0]), rel=1e-12)
    assert found.years.values.tolist() == [60, 40]


def test_a_known_distribution_is_recovered() -> None:
    """Levels of many sampled years equal the true ones within 1 %."""
    true = stats.genextreme(-0.1, 30, 8)

    found = return_levels(maxima(true.rvs(200_000, random_state=1)), [2, 10, 100], resamples=0)

    np.testing.assert_allclose(found.level, true.ppf([0.5, 0.9, 0.99]), rtol=0.01)


def test_intervals_have_about_their_nominal_coverage() -> None:
    """In 200 samples of 50 years the true level of 10 years lies in the 90 % interval in 80 to 97 %."""
    true = stats.genextreme(-0.1, 30, 8)

    found = return_levels(maxima(true.rvs((50, 200), random_state=2), "sample"), [10], resamples=200)

    inside = (found.lower <= true.ppf(0.9)) & (true.ppf(0.9) <= found.upper)
    assert 0.8 <= float(inside.mean()) <= 0.97


def test_a_seed_determines_the_intervals() -> None:
    """The same seed has the same intervals for any division into blocks; another seed has others."""
    one = return_levels(maxima(SAMPLES, "point"), [10], resamples=50, seed=3)
    again = return_levels(maxima(SAMPLES[:, 1:2], "point"), [10], resamples=50, seed=3)
    other = return_levels(maxima(SAMPLES, "point"), [10], resamples=50, seed=4)

    np.testing.assert_allclose(one.lower[:, 1], again.lower[:, 0], rtol=1e-12)
    assert not np.allclose(one.lower, other.lower)


def test_short_records_warn() -> None:
    """Fifteen years, or a hundred-year level from thirty years, raise a warning."""
    with pytest.warns(UserWarning, match="15 years of YW are few for a return period of 20"):
        return_levels(maxima(SAMPLES[:15, 0]), [2, 20], resamples=0)
    with pytest.warns(UserWarning, match="no return period above 90 years"):
        return_levels(maxima(SAMPLES[:30, 0]), [100], resamples=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return_levels(maxima(SAMPLES[:40, 0]), [100], resamples=0)


def test_cells_without_a_distribution_are_missing() -> None:
    """For too few years, or equal maxima, the levels are missing."""
    values = SAMPLES.copy()
    values[4:, 0] = np.nan
    values[:, 1] = 3

    found = return_levels(maxima(values, "point"), [10], resamples=20)

    for name in ("level", "lower", "upper"):
        assert np.isfinite(found[name].values).tolist() == [[False, False, True]]


def test_the_result_of_annual_maxima_is_accepted() -> None:
    """`return_levels` accepts the Dataset of `annual_maxima` with all its dimensions."""
    times = np.datetime64("1981-01-01T01:00", "ns") + np.timedelta64(1, "h") * np.arange(24 * 365 * 25)
    values = np.random.default_rng(1).exponential(1, (times.size, 2)).astype("f4")
    attrs = {"units": "mm", "cell_methods": "time: sum", "interval_minutes": 60}
    amount = xr.DataArray(values, {"time": times, "area": ["a", "b"]}, ("time", "area"), "RW", attrs)
    found = annual_maxima(amount, ["1h", "24h"], progress=False)

    levels = return_levels(found.isel(year=slice(24)), [2, 10, 50], resamples=10)

    assert levels.level.dims == ("return_period", "duration", "area")
    assert levels.area.values.tolist() == ["a", "b"]
    assert (levels.level.diff("return_period") > 0).all()
    assert (levels.level.diff("duration") > 0).all()
    assert ((levels.lower <= levels.level) & (levels.level <= levels.upper)).mean() > 0.8


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"return_periods": [1]}, "pass years, each more than 1"),
        ({"return_periods": []}, "pass years"),
        ({"return_periods": [float("inf")]}, "pass years"),
        ({"return_periods": [2, 10, 2]}, r"return_periods=\[2, 10, 2\] has one twice: pass each once"),
        ({"confidence": 90}, r"confidence=90: pass a number of draws \(0 for none\) and a share"),
        ({"resamples": -1}, "resamples=-1"),
    ],
)
def test_invalid_settings(changes: dict[str, Any], text: str) -> None:
    """Invalid return periods, numbers of resamples and confidences raise."""
    with pytest.raises(SettingsError, match=text):
        return_levels(maxima(SAMPLES[:, 0]), **changes)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (maxima(SAMPLES[:4, 0]), "no cell of YW has more than 4 years, and a fit needs 5"),
        (maxima(SAMPLES[:, 0]).rename(year="time"), "needs annual maxima"),
        (SAMPLES, "needs annual maxima"),
        (maxima(SAMPLES[:, 0]).assign_attrs(units="mm/h"), "the unit of 'YW' is mm/h: pass amounts in mm"),
        (maxima(SAMPLES[:, 0]).drop_attrs(), "the unit of 'YW' is unknown: pass amounts in mm"),
        (
            maxima(np.append(SAMPLES[:9, 0], -9999.0)),
            "'YW' has negative amounts: pass NaN",
        ),
        (
            maxima(SAMPLES[:9, 0]).assign_coords(year=[*range(2001, 2009), 2004]),
            "'YW' has the year 2004 twice: keep one",
        ),
    ],
)
def test_invalid_maxima(data: Any, text: str) -> None:
    """Maxima without years or their unit, with too few, doubled or negative ones raise."""
    with pytest.raises(SeriesError, match=text):
        return_levels(data, [10])


def test_the_warning_counts_the_cells_with_short_records() -> None:
    """One long record does not hide the others."""
    values = np.random.default_rng(3).gumbel(30, 8, (40, 3))
    values[5:, 1:] = np.nan

    with pytest.warns(UserWarning, match=r"5 years of .* in 2 of 3 cells are few .* above 15 years"):
        return_levels(xr.DataArray(values, dims=("year", "point"), attrs={"units": "mm"}), [50], resamples=0)


# --- maps -----------------------------------------------------------------------------------------------------


def test_percentiles_equal_numpys() -> None:
    """Percentiles equal `np.nanquantile`, to the last bit without missing values, without its loop over cells."""
    values = np.random.default_rng(5).gumbel(30, 8, (7, 11, 50))
    some = np.where(np.random.default_rng(6).random(values.shape) < 0.2, np.nan, values)

    found = [percentiles(one, [0.05, 0.5, 0.95]) for one in (values, some)]

    np.testing.assert_array_equal(found[0], np.quantile(values, [0.05, 0.5, 0.95], axis=-1))
    np.testing.assert_allclose(found[1], np.nanquantile(some, [0.05, 0.5, 0.95], axis=-1), rtol=1e-14)


@pytest.mark.parametrize("method", ["lmoments", "ml", "kostra", "dgev"])
def test_python_calls_do_not_grow_with_the_map(method: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fitting twenty times as many cells at once makes as many calls of Python functions."""
    monkeypatch.setattr(fits, "_ROOM", 1 << 40)
    monkeypatch.setattr(likelihood, "_VALUES", 1 << 40)
    monkeypatch.setattr(likelihood, "_STEPS", 5)  # otherwise the slowest cell decides on their number
    dims = ("duration", "point")
    hours = np.array([60, 360], "timedelta64[m]").astype("timedelta64[ns]")
    many = maxima(np.random.default_rng(1).gumbel(30, 8, (21, 2, 200)), *dims).assign_coords(duration=hours)
    many[3, 1, 5] = np.nan
    calls = []

    for count in (10, 200):
        seen = 0

        def watch(_frame: Any, _event: str, _arg: Any) -> None:
            nonlocal seen
            seen += 1

        threading.setprofile(watch)
        try:
            return_levels(many[..., :count], [10], resamples=5, method=method)
        finally:
            threading.setprofile(None)
        calls.append(seen)

    assert calls[0] > 50
    assert calls[1] < 1.2 * calls[0]


def test_levels_do_not_depend_on_blocks_of_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells fitted in blocks have the same levels as all at once."""
    whole = return_levels(maxima(SAMPLES, "point"), [10, 100], resamples=20)
    monkeypatch.setattr(fits, "_ROOM", 1)

    xr.testing.assert_allclose(return_levels(maxima(SAMPLES, "point"), [10, 100], resamples=20), whole, rtol=1e-12)


def test_uncertain_levels_are_marked_in_every_cell() -> None:
    """Cells with a short record, and periods beyond three times the record, are marked."""
    values = np.repeat(SAMPLES[:40, :1], 2, axis=1)
    values[25:, 1] = np.nan

    with pytest.warns(UserWarning, match="25 years of YW in 1 of 2 cells are few for a return period of 100"):
        found = return_levels(maxima(values, "point"), [50, 100], resamples=0)

    assert found.uncertain.values.tolist() == [[False, False], [False, True]]


def test_messages_about_an_unnamed_array() -> None:
    """Messages call an unnamed array "the maxima", not None."""
    with pytest.warns(UserWarning, match="15 years of the maxima are few"):
        return_levels(maxima(SAMPLES[:15, 0]).rename(None), [10], resamples=0)


# --- return periods -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counted", ["annual", "partial"])
def test_return_periods_are_the_inverse_of_levels(counted: Any) -> None:
    """The level of a return period has that return period, in every cell."""
    levels = return_levels(maxima(SAMPLES, "point"), [2, 10, 100], resamples=0, counted=counted)

    found = return_period(levels, levels.level)

    expected = np.broadcast_to([[2], [10], [100]], (3, 3))
    np.testing.assert_allclose(found.transpose("return_period", "point"), expected, rtol=1e-9)


def test_return_periods_equal_scipys() -> None:
    """Return periods are 1 / (1 - F): infinite above a distribution's upper limit, and 1 below its lower limit."""
    levels = return_levels(maxima(SAMPLES, "point"), [2], resamples=0)

    for point in range(3):
        c, location, scale = (float(levels[name][point]) for name in ("shape", "location", "scale"))
        for amount in (0.0, 35.0, 60.0, 1e4):
            above = stats.genextreme.sf(amount, c, location, scale)
            expected = 1 / above if above else np.inf
            assert float(return_period(levels, amount)[point]) == pytest.approx(expected, rel=1e-6)


def test_return_periods_of_a_place_and_a_duration() -> None:
    """The name of a point and a duration select a distribution; unknown ones raise."""
    hours = np.array([60, 360], "timedelta64[m]").astype("timedelta64[ns]")
    values = np.stack([SAMPLES, 2 * SAMPLES], axis=1)
    coords = {"duration": hours, "point": ["a", "b", "c"]}
    levels = return_levels(maxima(values, "duration", "point").assign_coords(coords), [10], resamples=0)

    found = return_period(levels, float(levels.level[0, 1, 2]), duration="6h", place="c")

    assert float(found) == pytest.approx(10)
    with pytest.raises(
        SettingsError, match=r"duration='2h' is not one of the levels' \(60 minutes, 360 minutes\)"
    ):
        return_period(levels, 10, duration="2h")
    with pytest.raises(SettingsError, match="the levels have no point 'd': choose one of a, b, c"):
        return_period(levels, 10, place="d")
    with pytest.raises(SettingsError, match="not a result of return_levels"):
        return_period(maxima(SAMPLES, "point"), 10)  # type: ignore[arg-type] # under test


# --- KOSTRA-DWD-2020 ------------------------------------------------------------------------------------------

PUBLISHED = {  # mm for 1, 2, 5, 10, 20, 30, 50 and 100 years: DWD, KOSTRA-DWD-2020, cell 49125 (CC BY 4.0)
    5: (6.0, 7.4, 9.3, 10.8, 12.4, 13.5, 14.9, 16.9),
    60: (13.5, 16.4, 20.7, 24.2, 27.8, 30.2, 33.3, 37.7),
    360: (22.2, 27.1, 34.1, 39.9, 45.8, 49.7, 54.8, 62.1),
    1440: (32.4, 39.5, 49.8, 58.3, 66.9, 72.6, 80.1, 90.7),
    10080: (55.0, 67.2, 84.7, 99.0, 113.7, 123.4, 136.0, 154.2),
}
PERIODS = np.array([1, 2, 5, 10, 20, 30, 50, 100.0])


def test_the_formula_reproduces_dwds_table() -> None:
    """Four numbers reproduce the published table of a cell to 0.42 mm; annual periods would miss it by far."""
    model = fits.KostraModel(np.array(list(PUBLISHED)) / 60)
    fitted = tuple(np.array(value) for value in (KOSTRA_SHAPE, 13.646, 4.193, 0.0179, 0.7278))

    partial, annual = (
        model.levels(fitted, reduced(PERIODS, "partial")),
        model.levels(fitted, reduced(PERIODS[1:], "annual")),
    )

    table = np.array(list(PUBLISHED.values()))
    assert np.abs(partial.T - table).max() <= 0.43
    assert np.abs(annual.T - table[:, 1:]).max() > 5


def kostra_years(years: int, cells: int) -> xr.DataArray:
    """Return annual maxima drawn from that cell's distribution, independent between durations."""
    minutes = np.array([5, 15, 60, 240, 1440])
    rng = np.random.default_rng(7)
    reached = stats.genextreme.rvs(
        KOSTRA_SHAPE, 13.646, 4.193, size=(years, minutes.size, cells), random_state=rng
    )
    hours = minutes[:, None] / 60
    values = maxima(reached * hours / (hours + 0.0179) ** 0.7278, "duration", "point")
    return values.assign_coords(duration=minutes.astype("timedelta64[m]").astype("timedelta64[ns]"))


def test_the_distribution_of_all_durations_is_recovered() -> None:
    """Parameters and levels fitted to 2,000 years are close to the true ones."""
    values = kostra_years(2000, 2)

    found = return_levels(values, PERIODS.tolist(), resamples=0, method="kostra")

    true = fits.KostraModel(values.duration.values / np.timedelta64(1, "h")).levels(
        tuple(np.array(value) for value in (KOSTRA_SHAPE, 13.646, 4.193, 0.0179, 0.7278)), 1 / PERIODS
    )
    assert found.level.dims == ("return_period", "duration", "point")
    np.testing.assert_allclose(found.level, np.broadcast_to(true[..., None], found.level.shape), rtol=0.05)
    np.testing.assert_allclose(found.eta, 0.7278, atol=0.01)
    np.testing.assert_allclose(found.theta, 0.0179, atol=0.01)
    assert found.attrs == {"method": "kostra", "counted": "partial"}


def test_the_scaling_is_as_good_as_scipys() -> None:
    """The statistic is scipy's, and Powell's method, from DWD's start, finds at most a slightly smaller one."""
    values = kostra_years(25, 4)
    hours = values.duration.values / np.timedelta64(1, "h")
    logs = np.log(values.transpose("point", "duration", "year").values / hours[:, None])
    logs[1, 2, :7] = np.nan  # years of a duration are missing

    theta, eta = rank_scaling.scaling(logs, hours)

    found = rank_scaling.statistic(logs, hours, theta, eta)
    for point in range(4):

        def cost(at: Any, logs: Any = logs[point]) -> float:
            scaled = logs + at[1] * np.log(hours + at[0])[:, None]
            return float(stats.kruskal(*scaled, nan_policy="omit").statistic)

        assert found[point] == pytest.approx(cost((theta[point], eta[point])))
        powell = optimize.minimize(cost, (0.05, 0.75), method="Powell", bounds=[(0, 1), (0, 1)])
        assert found[point] <= powell.fun + 0.1


def test_no_scaling_of_a_fine_grid_is_much_better() -> None:
    """The statistic of 60 cells is lower on average than the lowest of a grid, and nowhere higher by 0.3."""
    values = kostra_years(20, 60)
    hours = values.duration.values / np.timedelta64(1, "h")
    logs = np.log(values.transpose("point", "duration", "year").values / hours[:, None])

    found = rank_scaling.statistic(logs, hours, *rank_scaling.scaling(logs, hours))

    lowest = np.full(60, np.inf)
    for root, eta in product(np.linspace(0, 1, 17), np.linspace(0.5, 1, 41)):
        lowest = np.minimum(lowest, rank_scaling.statistic(logs, hours, np.full(60, root**2), np.full(60, eta)))
    assert (found - lowest).mean() <= 0
    assert (found - lowest).max() < 0.3


def test_a_cell_without_rain_in_a_duration_has_no_scaling() -> None:
    """A cell that was dry in all years of a duration has no parameters; its neighbour keeps its own."""
    values = kostra_years(25, 2)
    dry = values.copy()
    dry[:, 0, 0] = 0

    both, found = (return_levels(one, [10], resamples=0, method="kostra") for one in (values, dry))

    for name in ("level", "theta", "eta", "scale"):
        assert found[name].isel(point=0).isnull().all()
        np.testing.assert_array_equal(found[name].isel(point=1), both[name].isel(point=1))


def test_kostra_has_return_periods_of_any_duration() -> None:
    """A return period of a duration between those of the maxima follows from the formula."""
    levels = return_levels(kostra_years(40, 2), [10, 100], resamples=10, method="kostra")

    found = return_period(levels, levels.level)
    between = return_period(levels, 40.0, duration="2h")

    np.testing.assert_allclose(found.sel(return_period=100), 100, rtol=1e-9)
    low, high = (return_period(levels, 40.0, duration=name) for name in ("4h", "1h"))
    assert ((low < between) & (between < high)).all()
    assert ((levels.lower <= levels.level) & (levels.level <= levels.upper)).mean() > 0.8


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"method": "pwm"}, "unknown method='pwm': choose one of lmoments, ml, kostra, dgev"),
        ({"counted": "events"}, "unknown counted='events': choose one of annual, partial"),
        ({"counted": "partial", "return_periods": [0]}, "pass years, each more than 0"),
        ({"region": -1}, "region=-1: pass a number of rows and columns, such as 9"),
        ({"region": 2.5}, "region=2.5: pass a number of rows and columns"),
        (
            {"region": 9, "method": "ml"},
            "region=9 with method='ml': use method=",
        ),
    ],
)
def test_unknown_methods(changes: dict[str, Any], text: str) -> None:
    """Unknown methods and ways to count raise."""
    with pytest.raises(SettingsError, match=text):
        return_levels(maxima(SAMPLES[:, 0]), **changes)


def test_kostra_needs_durations() -> None:
    """KOSTRA's method needs several durations and raises for one."""
    with pytest.raises(SeriesError, match='method="kostra" needs a dimension duration of two or more'):
        return_levels(maxima(SAMPLES[:, 0]), [10], method="kostra")


# --- regions --------------------------------------------------------------------------------------------------


def field(rows: int = 12, cols: int = 9, years: int = 25) -> xr.DataArray:
    """Return annual maxima of cells with one shape and different means."""
    rng = np.random.default_rng(11)
    values = stats.genextreme.rvs(-0.1, 3, 1, size=(years, rows, cols), random_state=rng)
    return maxima(values * np.linspace(8, 12, cols), "y", "x")


def test_a_region_is_a_weighted_mean_of_neighbours() -> None:
    """A cell has its own mean and the weighted L-moment ratios of the cells around it, at edges and with gaps."""
    values = field()
    values[3:8, 2, 3] = np.nan
    values[4:, 6, 6] = np.nan  # too few years

    found = return_levels(values, [10], resamples=0, region=2)

    alone = {at: values.values[:, at[0], at[1]] for at in np.ndindex(12, 9)}
    ratios = {}
    for at, sample in alone.items():
        known = sample[np.isfinite(sample)]
        if known.size >= 5:
            l1, l2, t3 = lm.lmom_ratios(known, nmom=3)
            ratios[at] = (known.size, l2 / l1, t3)
    for row, col in ((0, 0), (2, 2), (2, 3), (7, 7), (11, 8)):
        near = [at for at in ratios if max(abs(at[0] - row), abs(at[1] - col)) <= 2]
        share = [ratios[at][0] * (1 - np.hypot(at[0] - row, at[1] - col) / 6) for at in near]
        t, t3 = (np.average([ratios[at][part] for at in near], weights=share) for part in (1, 2))
        c, location, scale = (float(found[name][row, col]) for name in ("shape", "location", "scale"))
        first, second, third = distr.gev(c=c, loc=location, scale=scale).lmom_ratios(nmom=3)
        np.testing.assert_allclose([first, second / first, third], [np.nanmean(alone[row, col]), t, t3], rtol=1e-6)
    assert np.isnan(found.level[0, 6, 6])
    assert found.attrs["region"] == 2


def test_regions_scatter_less() -> None:
    """Where neighbours share a shape, pooled shapes scatter less than half as much, and intervals are narrower."""
    values = field(30, 30)

    alone, pooled = (return_levels(values, [50], resamples=30, region=region) for region in (0, 9))

    assert float(pooled["shape"].std()) < float(alone["shape"].std()) / 2
    assert float((pooled.upper - pooled.lower).mean()) < float((alone.upper - alone.lower).mean())
    assert ((pooled.lower <= pooled.level) & (pooled.level <= pooled.upper)).mean() > 0.8


def test_regions_do_not_depend_on_blocks_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows fitted in blocks have the same levels as all at once, for every duration."""
    values = xr.concat([field(), 2 * field()], "duration").transpose("year", "y", "duration", "x")
    whole = return_levels(values, [10], resamples=5, region=2)
    monkeypatch.setattr(fits, "_ROOM", 1)

    again = return_levels(values, [10], resamples=5, region=2)

    xr.testing.assert_allclose(again, whole, rtol=1e-12)
    np.testing.assert_allclose(whole.level.isel(duration=1), 2 * whole.level.isel(duration=0), rtol=1e-9)


def test_a_region_needs_fields() -> None:
    """Regions of points raise."""
    with pytest.raises(SeriesError, match=r"region=3, but the maxima have no fields \(y, x\)"):
        return_levels(maxima(SAMPLES, "point"), [10], region=3)
