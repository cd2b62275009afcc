"""Plots of series: each value over its interval, gaps as gaps, names next to their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from matplotlib import dates
from matplotlib.collections import PolyCollection
from matplotlib.patches import StepPatch

import radar_nb as rn
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.plots.series import plot_series

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from matplotlib.axes import Axes

NOON = np.datetime64("2020-06-13T12:00", "ns")
FIVE = np.timedelta64(5, "m")


def series(values: Any, names: list[str] | None = None, **attrs: Any) -> xr.DataArray:
    """Return a series of 5-minute amounts whose first interval ends at noon."""
    data = np.asarray(values, np.float32)
    coords: dict[str, Any] = {"time": NOON + np.arange(len(data)) * FIVE}
    if names is not None:
        coords["point"] = names
    about = {"units": "mm", "interval_minutes": 5, "long_name": "rain"} | attrs
    return xr.DataArray(data, coords, ("time", "point")[: data.ndim], name="YW", attrs=about)


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    """Close a test's figures."""
    yield
    plt.close("all")


def steps(ax: Axes) -> list[tuple[Any, Any]]:
    """Return edges and values of all step plots."""
    found: list[Any] = [patch.get_data() for patch in ax.patches if isinstance(patch, StepPatch)]
    return [(data.edges, data.values) for data in found]


def days(times: Any) -> Any:
    """Return times as matplotlib's numbers."""
    return dates.date2num(times)  # type: ignore[no-untyped-call]


def clock(place: float) -> str:
    """Return a position on the axis as hour and minute."""
    return str(dates.num2date(place).strftime("%H:%M"))  # type: ignore[no-untyped-call]


def hatched(ax: Axes) -> list[tuple[str, str]]:
    """Return begin and end of the hatched times."""
    found: list[Any] = [collection for collection in ax.collections if isinstance(collection, PolyCollection)]
    places = [path.vertices[:, 0] for collection in found for path in collection.get_paths()]
    return [(clock(place.min()), clock(place.max())) for place in places]


def written(ax: Axes) -> list[str]:
    """Return the names next to the lines."""
    return [text.get_text() for text in ax.texts if text.get_fontweight() == "bold"]


def test_a_value_is_drawn_over_the_interval_that_ends_at_its_stamp() -> None:
    """The bar of a value stamped 12:00 covers 11:55 to 12:00; the axis states unit and interval."""
    ax = plot_series(series([1, 2, 3]))

    ((edges, values),) = steps(ax)

    np.testing.assert_allclose(edges, days(NOON - FIVE + np.arange(4) * FIVE))
    assert values.tolist() == [1, 2, 3]
    assert ax.get_ylabel() == "mm in 5 min"
    assert ax.get_xlabel().startswith("UTC")
    assert ax.get_title(loc="left") == "Rain"
    assert ax.get_ylim()[0] == 0


def test_bounds_take_precedence_over_stamps() -> None:
    """With `time_bnds`, intervals of different lengths, such as months, are drawn with their lengths."""
    ends = np.array(["2020-02-01", "2020-03-01"], "datetime64[ns]")
    begins = np.array(["2020-01-01", "2020-02-01"], "datetime64[ns]")
    da = series([50, 60]).assign_coords(time=ends)
    del da.attrs["interval_minutes"]
    ds = da.to_dataset().assign_coords(time_bnds=(("time", "bnds"), np.stack([begins, ends], axis=-1)))

    ax = plot_series(ds.assign(coverage=da * 0))

    np.testing.assert_allclose(steps(ax)[0][0], days([*begins, ends[1]]))
    assert ax.get_ylabel() == "mm in each interval"


def test_missing_is_hatched_whether_nan_or_absent() -> None:
    """NaN and absent steps are hatched gaps, explained by the key; zero is a line at the bottom."""
    da = series([1, np.nan, np.nan, 0, 5, 6, 7]).drop_isel(time=[5])

    ax = plot_series(da)

    assert hatched(ax) == [("12:00", "12:10"), ("12:20", "12:25")]
    np.testing.assert_array_equal(steps(ax)[0][1], [1, np.nan, np.nan, 0, 5, np.nan, 7])
    legend = ax.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["no data"]
    assert hatched(plot_series(series([0, 0]))) == []


def test_several_points_are_named_at_their_largest_value() -> None:
    """Each line has its name in its colour at its peak; the time is hatched only where no point has a value."""
    da = series([[1, 0, np.nan], [np.nan, np.nan, np.nan], [0, 7, np.nan]], ["Kiel", "Ulm", "Bonn"])

    ax = plot_series(da)

    assert written(ax) == ["Kiel", "Ulm", "Bonn (no data)"]
    places = [text.xy[1] for text in ax.texts if text.get_text() in {"Kiel", "Ulm"}]  # type: ignore[attr-defined]
    assert places == [1, 7]
    colours = [text.get_color() for text in ax.texts if text.get_fontweight() == "bold"]
    assert [mpl.colors.to_hex(p.get_edgecolor()) for p in ax.patches if isinstance(p, StepPatch)] == colours
    assert hatched(ax) == [("12:00", "12:05")]


@pytest.mark.parametrize("cumulative", [False, True])
def test_names_of_points_do_not_overlap(cumulative: bool) -> None:
    """Seven points with equal values have seven names that do not overlap."""
    ax = plot_series(series(np.ones((5, 7)), [f"point {n}" for n in range(7)]), cumulative=cumulative)
    figure = ax.figure.axes[-1]

    boxes = [text.get_window_extent() for text in figure.texts if text.get_fontweight() == "bold"]

    assert len(boxes) == 7
    assert [(a, b) for n, a in enumerate(boxes) for b in boxes[:n] if a.overlaps(b)] == []


def test_the_running_sum_is_dotted_over_gaps() -> None:
    """At the end of each interval the running sum has all values so far; over a gap it is dotted and constant."""
    ax = plot_series(series([1, 2, np.nan, 4]), cumulative=True)
    right = ax.figure.axes[-1]

    dotted, solid = right.lines

    assert np.asarray(dotted.get_ydata()).tolist() == [0, 1, 3, 3, 7]
    assert dotted.get_linestyle() == ":"
    np.testing.assert_array_equal(solid.get_ydata(), [0, 1, 1, 3, np.nan, np.nan, 3, 7])
    assert right.get_ylabel() == "running sum in mm, gaps left out"
    assert plot_series(series([1]), cumulative=True).figure.axes[-1].get_ylabel() == "running sum in mm"


def test_overlapping_sums_are_drawn_from_stamp_to_stamp() -> None:
    """A daily sum that comes every hour is a step one hour wide; only the first step is 24 h wide."""
    times = NOON + np.arange(3) * np.timedelta64(1, "h")
    da = series([10, 11, 12], interval_minutes=1440).assign_coords(time=times)

    ((edges, _),) = steps(plot_series(da))

    assert (np.diff(edges)[1:] * 24).round(6).tolist() == [1, 1]


def test_a_long_series_keeps_its_largest_values() -> None:
    """For 100,000 intervals the maximum of each few is drawn, as the axis states, including the peak."""
    values = np.zeros(100_000)
    values[54_321] = 9.5
    values[:50] = np.nan

    ax = plot_series(series(values))

    ((edges, drawn),) = steps(ax)
    assert len(drawn) == 4000
    assert np.nanmax(drawn) == 9.5
    assert np.isnan(drawn[:2]).all()
    assert ax.get_ylabel() == "mm in 5 min, the largest of each 25"
    np.testing.assert_allclose(edges[[0, -1]], days([NOON - FIVE, NOON + 99_999 * FIVE]))


def test_reflectivity_has_no_bars_from_zero() -> None:
    """Values other than amounts are drawn as steps, also below zero."""
    ax = plot_series(series([-20, 30], units="dBZ"))

    assert ax.get_ylim()[0] < -19
    assert ax.get_ylabel() == "dBZ"


def test_a_series_without_values_is_hatched() -> None:
    """A series without values is hatched from begin to end."""
    ax = plot_series(series([np.nan, np.nan]))

    assert hatched(ax) == [("11:55", "12:05")]
    assert "no data" in [text.get_text() for text in ax.texts]


def test_a_single_point_is_named_in_the_title() -> None:
    """A single point is named in the title instead of at its line, also in given axes."""
    _, axes = plt.subplots(1, 2)

    ax = plot_series(series([[1], [2]], ["Kiel"]), ax=axes[1])

    assert ax is axes[1]
    assert ax.get_title(loc="left") == "Kiel: Rain"
    assert written(ax) == []


@pytest.mark.parametrize(
    ("change", "options", "error", "text"),
    [
        (lambda da: da.expand_dims(y=2, x=3), {}, SeriesError, r"extract the series at points, with at_points"),
        (lambda da: da.isel(time=0), {}, SeriesError, r"has no dimension 'time' with a step in it"),
        (lambda da: da[:0], {}, SeriesError, r"has no dimension 'time' with a step in it"),
        (lambda da: da.values, {}, SeriesError, r"not a ndarray: see at_points"),
        (
            lambda da: xr.Dataset({"a": da, "b": da}),
            {},
            SeriesError,
            r"\(it has a, b\): choose one with variable=",
        ),
        (lambda da: da.to_dataset(), {"variable": "RW"}, SeriesError, r"no variable 'RW': it has YW"),
        (lambda da: da.assign_attrs(units="dBZ"), {"cumulative": True}, SeriesError, r"only amounts in mm add up"),
        (lambda da: da[:1].drop_attrs(), {}, SeriesError, r"has a single step and does not say how long it is"),
        (lambda da: da.expand_dims(point=8), {}, SettingsError, r"8 series .* cannot be distinguished, 7 can"),
    ],
)
def test_data_that_are_not_a_series_raise(
    change: Callable[[xr.DataArray], Any], options: Any, error: type[Exception], text: str
) -> None:
    """Fields, a missing time, several variables, or too many points raise an error with a remedy."""
    with pytest.raises(error, match=text):
        plot_series(change(series([1.0, 2.0])), **options)


def test_the_result_of_at_points_can_be_drawn(real_frames: Path) -> None:
    """`plot_series` accepts the Dataset of `at_points` of a real frame."""
    source = real_frames / "raa01-yw2017.002_10000-2006131525-dwd---bin"
    ds = rn.at_points(source, {"Kassel": (9.48, 51.31), "Ulm": (9.99, 48.40)}, progress=False)

    ax = plot_series(ds)

    assert written(ax) == ["Kassel", "Ulm"]
    assert ax.get_ylabel() == "mm in 5 min"
