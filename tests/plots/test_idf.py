"""Curves of a place by duration and return period, and maps of return periods."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr

from radar_nb.analysis.return_levels import return_levels, return_period
from radar_nb.dwd.grids import GRIDS
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.plots.idf import plot_idf
from radar_nb.plots.plotting import plot

HOURS = np.array([0.25, 1, 24])


def record(*places: str) -> xr.DataArray:
    """Return 30 annual maxima of three durations."""
    years = np.random.default_rng(0).gumbel(12, 4, (len(places), 30))
    depths = years * HOURS[:, None, None] ** 0.3
    coords = {"duration": (HOURS * 60).astype("m8[m]").astype("m8[ns]"), "point": list(places),
              "year": np.arange(1991, 2021)}  # fmt: skip
    attrs = {"units": "mm", "institution": "none: made up"}
    return xr.DataArray(depths, coords, ("duration", "point", "year"), "YW", attrs)


@pytest.fixture(name="levels", scope="module")
def levels_of_two() -> xr.Dataset:
    """Return the levels of two places."""
    return return_levels(record("Aue", "Bach"), [2, 10, 50], method="kostra", resamples=0)


def table(levels: xr.Dataset) -> xr.Dataset:
    """Return what `kostra` could return for a place."""
    level = levels.level.expand_dims(point=["Bach"]).transpose("point", "duration", "return_period")
    return xr.Dataset({"level": 2 * level, "uncertainty": xr.full_like(level, 20)}, attrs={"counted": "partial"})


def test_curves_points_and_bands_have_the_values(levels: xr.Dataset) -> None:
    """Curves are levels by hours, points all maxima, a band DWD's value less and plus its uncertainty."""
    one = levels.sel(point="Bach")

    ax = plot_idf(one, record("Aue", "Bach").sel(point="Bach"), kostra=table(one), return_periods=[50, 2])

    lines = {line.get_label(): np.asarray(line.get_xydata()) for line in ax.lines}
    for years in (2, 50):
        np.testing.assert_allclose(lines[f"{years}"][:, 0], HOURS)
        np.testing.assert_allclose(lines[f"{years}"][:, 1], one.level.sel(return_period=years) / HOURS)
    points = np.concatenate([line.get_ydata() for line in ax.lines if line.get_marker() == "o"])
    np.testing.assert_allclose(points, (record("Aue", "Bach")[:, 1] / HOURS[:, None]).values.ravel())
    corners: Any = ax.collections[0].get_paths()[0].vertices
    at_1h = corners[corners[:, 0] == 1, 1] / float(one.level.sel(return_period=2, duration="1h"))
    np.testing.assert_allclose([at_1h.min(), at_1h.max()], [1.6, 2.4])
    legend: Any = ax.get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "50 years", "2 years", "range of the table", "maxima of 1991 to 2020",
    ]  # fmt: skip
    assert ax.get_title(loc="left") == 'Bach, 30 years, method "kostra"'
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["15 min", "1 h", "24"]
    assert ax.texts[-1].get_text().startswith("Synthetic data")
    largest = record("Aue", "Bach")[:, 1].idxmax("year").values.tolist()
    assert [text.get_text() for text in ax.texts[:3]] == [f"{year:.0f}" for year in largest]


def test_durations_of_the_record_beyond_the_curves_have_ticks(levels: xr.Dataset) -> None:
    """The axis has a tick for a duration of the maxima of which there are no levels."""
    ax = plot_idf(levels.sel(point="Bach", duration=["15min", "1h"]), record("Bach"))

    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["15 min", "1 h", "24"]


def test_depths_and_another_count_on_a_dark_page(levels: xr.Dataset) -> None:
    """With depth=True the curve is in mm; the key has the table's title and way to count; letters are light."""
    one = levels.sel(point="Aue")
    with plt.style.context("dark_background"):
        named = table(one).assign_attrs(title="Made up")
        ax = plot_idf(one.assign_attrs(counted="annual"), kostra=named, depth=True)

    np.testing.assert_allclose(np.asarray(ax.lines[0].get_ydata()), one.level.sel(return_period=2))
    assert ax.get_ylabel() == "mm"
    assert ax.xaxis.label.get_color() == "#ececec"
    legend: Any = ax.get_legend()
    assert legend.get_texts()[-1].get_text().startswith("Made up, range\n")
    assert "return periods of a partial series" in legend.get_texts()[-1].get_text()


def test_what_has_no_curve_is_refused(levels: xr.Dataset) -> None:
    """Several places, a single duration, a missing return period and other data are errors."""
    one = levels.sel(point="Aue")
    with pytest.raises(SeriesError, match=r"2 places along 'point': choose one, such as levels.sel\(point='Aue'"):
        plot_idf(levels)
    with pytest.raises(SeriesError, match=r"choose one, such as levels.sel\(point='Aue'"):
        plot_idf(levels.assign_coords(point=levels.point.astype(object)))
    with pytest.raises(SeriesError, match="does not have two durations"):
        plot_idf(one.sel(duration=["1h"]))
    with pytest.raises(SettingsError, match="no return period of 100 years: choose among 2, 10, 50"):
        plot_idf(one, return_periods=[2, 100])
    with pytest.raises(SeriesError, match="levels is not a result of return_levels"):
        plot_idf(record("Aue"))  # type: ignore[arg-type] # under test
    with pytest.raises(SeriesError, match="maxima have no dimension year: pass the result of annual_maxima"):
        plot_idf(one, one.level)
    with pytest.raises(SeriesError, match="levels has no value"):
        plot_idf(one.where(False))


def test_a_map_of_return_periods_has_classes_of_years() -> None:
    """From 2 years on, an amount above a distribution's upper limit is in the last class, and no data stays so."""
    grid = GRIDS["de900"]
    cells = {"y": grid.y0 + np.array([0, 1000.0]), "x": grid.x0 + np.array([0, 1000.0])}
    shape = np.random.default_rng(1).uniform(10, 30, (30, 2, 2))
    maxima = xr.DataArray(shape, {"year": np.arange(30), **cells}, ("year", "y", "x"), "RW",
                          {"units": "mm", "institution": "none: made up"})  # fmt: skip
    amounts = xr.DataArray([[5.0, 24], [1e6, np.nan]], cells, ("y", "x"), attrs={"units": "mm"})
    years = return_period(return_levels(maxima, [10], resamples=0), amounts)

    ax = plot(years, towns=False, radars=False)

    image: Any = ax.images[0]
    shown = image.get_array()
    assert np.isinf(years[1, 0])
    assert image.norm(shown).filled(-9).tolist() == [[-1, 0], [7, -9]]
    assert ax.texts[-1].get_text().startswith("Synthetic data")


def test_return_periods_need_amounts_of_the_same_cells() -> None:
    """Amounts in another unit or of other cells are refused."""
    cells = {"point": [0, 1]}
    levels = return_levels(record("0", "1")[0].assign_coords(cells), [10], resamples=0)
    amounts = xr.DataArray([5.0, 24], cells, attrs={"units": "mm"})

    with pytest.raises(SettingsError, match="other cells or durations"):
        return_period(levels, amounts.isel(point=[0]))
    with pytest.raises(SettingsError, match="the amounts are in m: pass one array in mm"):
        return_period(levels, amounts.assign_attrs(units="m"))
