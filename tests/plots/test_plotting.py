"""Maps: classes, colours, positions and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pyproj
import pytest
import xarray as xr
from matplotlib.colors import BoundaryNorm, to_hex, to_rgb
from support.small_rain import forecasts

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS, PROJ, to_lonlat, to_xy
from radar_nb.dwd.products import HYDROMETEOR_CLASSES, HYDROMETEORS
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.plots.style import class_colours, class_limits, name_colours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from matplotlib.axes import Axes


def field(value: float = 1.0, *, name: str = "de900", **attrs: Any) -> xr.DataArray:
    """Return a field like the reader's, with missing cells in its south-western quarter."""
    grid = GRIDS[name]
    values = np.full((1, *grid.shape), value, np.float32)
    values[0, : grid.rows // 2, : grid.cols // 2] = np.nan
    crs = xr.DataArray(0, attrs=pyproj.CRS(PROJ[grid.earth]).to_cf())
    coords = {"time": [np.datetime64("2020-06-13T15:25", "ns")], "y": grid.y, "x": grid.x, "crs": crs}
    about = {"units": "mm", "interval_minutes": 5, "long_name": "rain"} | attrs
    return xr.DataArray(values, coords, ("time", "y", "x"), name="YW", attrs=about)


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    """Close a test's figures."""
    yield
    plt.close("all")


def pixel(ax: Axes, x: float, y: float) -> tuple[int, ...]:
    """Render the map and return the colour at a position in metres."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    if figure.stale:
        figure.canvas.draw()
    column, row = ax.transData.transform((x, y))
    image = np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]
    return tuple(int(part) for part in image[image.shape[0] - 1 - int(row), int(column), :3])


def limits(ax: Axes) -> list[float]:
    """Return the limits of the classes."""
    norm = ax.images[0].norm
    assert isinstance(norm, BoundaryNorm)
    return [float(limit) for limit in norm.boundaries]


def labelled(ax: Axes, label: str) -> Any:
    """Return the only line with a label."""
    (line,) = (line for line in ax.lines if line.get_label() == label)
    return line


def test_dry_wet_and_missing_look_different() -> None:
    """A dry cell is nearly white, a wet one coloured, a cell without data grey."""
    x, y = GRIDS["de900"].x, GRIDS["de900"].y

    dry = rn.plot(field(0.0), borders=False, radars=False, towns=False)
    wet = rn.plot(field(70.0, interval_minutes=1440), borders=False, radars=False, towns=False)

    assert pixel(dry, x[700], y[700]) == pytest.approx((253, 253, 251), abs=1)
    for ax in (dry, wet):
        assert pixel(ax, x[200], y[300]) == pytest.approx((200, 200, 200), abs=1)
    expected = to_rgb(wet.images[0].cmap(6))
    assert pixel(wet, x[700], y[700]) == pytest.approx([round(255 * part) for part in expected], abs=1)


@pytest.mark.parametrize(
    ("units", "minutes", "peak", "first", "last"),
    [
        ("mm", 5, 8.0, 0.01, 10.0),
        ("mm", 60, 30.0, 0.1, 50.0),
        ("mm", 1440, 90.0, 0.1, 80.0),
        ("mm", 7 * 1440, 90.0, 0.1, 160.0),
        ("mm", 30 * 1440, 90.0, 0.1, 160.0),
        ("mm", 30 * 1440, 300.0, 0.1, 350.0),
        ("mm", 30 * 1440, 600.0, 0.1, 1500.0),
        ("mm", 30 * 1440, np.nan, 0.1, 350.0),
        ("mm", 365 * 1440, 1200.0, 0.1, 1500.0),
        ("mm", None, 0.5, 0.01, 10.0),
        ("mm", None, 45.0, 0.1, 50.0),
        ("mm", None, 300.0, 0.1, 350.0),
        ("mm", None, 1e6, 0.1, 1500.0),
        ("mm h-1", None, 3.0, 0.1, 100.0),
        ("dBZ", None, 50.0, 5.5, 85.0),
    ],
)
def test_classes_suit_unit_interval_and_size(
    units: str, minutes: int | None, peak: float, first: float, last: float
) -> None:
    """Each unit and interval has its classes; a sum of unknown interval gets those that its values fill."""
    chosen = class_limits(units, minutes, np.array([np.nan, peak]))

    assert (chosen[0], chosen[-1]) == (first, last)
    assert list(chosen) == sorted(set(chosen))


@pytest.mark.parametrize("count", [5, 8, 9, 16])
def test_the_default_palette_darkens_evenly(count: int) -> None:
    """The default palette's lightness falls from class to class, so that it can be read in grey."""
    weights = np.array([0.2126, 0.7152, 0.0722])  # of luminance, ITU-R BT.709
    colours = class_colours(None, count, reflectivity=False)(np.arange(count))[:, :3]

    luminance = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4) @ weights

    assert (np.diff(luminance) < 0).all()


def test_each_kind_of_hydrometeor_has_a_colour_of_its_own() -> None:
    """Snow has the same colour in HG and HYMECNG, and no two kinds share one."""
    names = [name.replace("_", " ") for name in HYDROMETEOR_CLASSES]
    other = [name.replace("_", " ") for name in HYDROMETEORS.values()]

    colours = [to_hex(colour) for colour in name_colours(names, None)(range(len(names)))]
    of_hg = [to_hex(colour) for colour in name_colours(other, None)(range(len(other)))]

    assert len(set(colours)) == len(names)
    assert of_hg[other.index("snow")] == colours[names.index("snow")]


def test_given_classes_are_used() -> None:
    """The caller's limits are the classes; invalid ones raise."""
    assert limits(rn.plot(field(), classes=(1, 2, 3))) == [1.0, 2.0, 3.0]
    with pytest.raises(SettingsError, match="must be at least two rising numbers"):
        rn.plot(field(), classes=(1, 1))
    with pytest.raises(SettingsError, match=r"classes='rain' must be .* such as \(0.1, 1, 5, 10\)"):
        rn.plot(field(), classes="rain")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="unknown colour map cmap='rain': use 'dwd'"):
        rn.plot(field(), cmap="rain")


def test_a_field_of_an_unknown_unit_is_drawn() -> None:
    """A field in a unit without classes of its own gets round limits around its values."""
    chosen = limits(rn.plot(field(7.0, units="furlong")))

    assert chosen[0] <= 7.0 <= chosen[-1]


def test_title_and_scale_state_quantity_time_and_unit() -> None:
    """Title and scale state the quantity, the interval in UTC and the unit."""
    ax = rn.plot(field())
    figure = ax.get_figure(root=True)

    assert figure is not None
    assert ax.get_title(loc="left") == "Rain\n5 min to 2020-06-13 15:25 UTC"
    assert figure.axes[1].get_title(loc="left") == "mm in\n5 min"


def test_a_sum_of_unknown_interval_states_none() -> None:
    """The title of a sum over many fields has no time, and does not call it a 5-minute amount."""
    ax = rn.plot(field(300.0).sum("time", keep_attrs=True))
    figure = ax.get_figure(root=True)

    assert figure is not None
    assert ax.get_title(loc="left") == "Rain"
    assert figure.axes[1].get_title(loc="left") == "mm"


def test_a_forecast_shows_both_times() -> None:
    """A forecast's title has the end of its interval, and its base time."""
    da = field().assign_coords(prediction_time=("time", [np.datetime64("2020-06-13T16:25", "ns")]))

    title = rn.plot(da).get_title(loc="left")

    assert title == "Rain\n5 min to 2020-06-13 16:25 UTC, forecast of 15:25 UTC"


@pytest.mark.parametrize(
    ("attrs", "shown"),
    [
        ({"cell_methods": "time: sum", "interval_minutes": 1440}, "24 h to 2020-06-13 15:25 UTC"),
        ({"cell_methods": "time: sum", "interval_minutes": None}, "until 2020-06-13 15:25 UTC"),
        ({"cell_methods": "time: maximum"}, "until 2020-06-13 15:25 UTC"),
        ({"cell_methods": "time: mean", "units": "dBZ"}, "until 2020-06-13 15:25 UTC"),
        ({"cell_methods": "time: mean", "units": "mm h-1"}, "2020-06-13 15:25 UTC"),
    ],
)
def test_a_title_states_the_interval_of_the_whole_period(attrs: dict[str, Any], shown: str) -> None:
    """The title of a day's sum says 24 h; for a period of unknown length it states when that ended."""
    assert rn.plot(field(**attrs)).get_title(loc="left") == f"Rain\n{shown}"


@pytest.mark.parametrize("grid", ["de900", "de1100", "de1200-wgs84"])
def test_the_scale_bar_has_its_true_length(grid: str) -> None:
    """The bar of 100 km is 100 km long on the ellipsoid at the map's centre, to half a percent."""
    ax = rn.plot(field(name=grid))
    earth = GRIDS[grid].earth
    bar = labelled(ax, "_scale").get_xdata()
    middle = float(np.mean(ax.get_ylim()))
    west = float(np.mean(ax.get_xlim())) - (bar[1] - bar[0]) / 2
    lon, lat = to_lonlat([west, west + bar[1] - bar[0]], [middle, middle], earth)

    length = pyproj.Geod(ellps="WGS84").inv(lon[0], lat[0], lon[1], lat[1])[2]

    assert length == pytest.approx(100_000, rel=0.005)


@pytest.mark.parametrize("grid", ["de900", "de1200-wgs84"])
def test_radar_sites_are_at_their_positions(grid: str) -> None:
    """Radar sites of the field's list are drawn at their longitude and latitude on either earth."""
    earth = GRIDS[grid].earth
    ax = rn.plot(field(name=grid, radars="emd,boo,xyz"))

    x, y = labelled(ax, "radar site").get_data()
    lon, lat = to_lonlat(x, y, earth)

    np.testing.assert_allclose(lon, [7.02377, 10.046899], atol=1e-6)
    np.testing.assert_allclose(lat, [53.33872, 54.004381], atol=1e-6)
    assert len(labelled(rn.plot(field(name=grid)), "radar site").get_xdata()) == 17


def test_borders_are_at_their_positions() -> None:
    """Germany's border crosses the middle of the 900 x 900 map's southern half, where Passau lies."""
    ax = rn.plot(field())
    x, y = to_xy(13.46, 48.57, "sphere")
    (lines,) = (found for found in ax.collections if found.get_label() == "_germany")
    segments = lines.get_segments()  # type: ignore[attr-defined]

    distance = min(float(np.hypot(segment[:, 0] - x, segment[:, 1] - y).min()) for segment in segments)

    assert distance < 10_000


def test_a_map_is_drawn_into_given_axes() -> None:
    """With ax= the map is drawn there and these axes are returned; without the scale there is no legend."""
    figure, axes = plt.subplots(2, 3, layout="constrained")

    drawn = rn.plot(field(), ax=axes[1, 2], colorbar=False)

    assert drawn is axes[1, 2]
    assert not axes[0, 0].images
    assert drawn.get_legend() is None
    assert len(figure.axes) == 6


@pytest.mark.parametrize("layout", ["constrained", None])
def test_the_colour_bar_is_as_high_as_its_map(layout: Literal["constrained"] | None) -> None:
    """In a grid of small axes, each colour bar is as high as its map and does not touch it."""
    figure, axes = plt.subplots(2, 3, layout=layout)
    rn.plot(field(name="de1100"), ax=axes[0, 0], towns=False)
    rn.plot(field(), ax=axes[1, 1], towns=False)

    figure.canvas.draw()

    for ax, bar in zip((axes[0, 0], axes[1, 1]), figure.axes[6:], strict=True):
        drawn, bar_box = ax.get_window_extent(), bar.spines["outline"].get_window_extent()
        assert (bar_box.y0, bar_box.y1) == pytest.approx((drawn.y0, drawn.y1), abs=1)
        assert bar_box.x0 > drawn.x1


@pytest.mark.parametrize(("value", "entries"), [(0.0, ["below 0.01", "no data"]), (1.0, ["no data"])])
def test_the_key_explains_what_is_on_the_map(value: float, entries: list[str]) -> None:
    """The key names grey and, if there are cells below the first class, nearly white."""
    legend = rn.plot(field(value), radars=False).get_legend()

    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == entries


def test_descending_y_and_lazy_fields_are_the_same_map() -> None:
    """The order of the rows and dask do not change the picture."""
    da = field(3.0)
    da[0, 600:, :] = 0.0

    turned = rn.plot(da.chunk({"y": 300}).sortby("y", ascending=False))

    np.testing.assert_array_equal(turned.images[0].get_array(), rn.plot(da).images[0].get_array())


def test_a_map_without_data_is_labelled() -> None:
    """A field without data is a grey map whose title says "no data"."""
    ax = rn.plot(field() * np.nan)

    assert "no data" in ax.get_title(loc="left")


@pytest.mark.parametrize("grid", ["de900", "de1200-wgs84"])
def test_without_a_projection_the_cells_determine_the_earth(grid: str) -> None:
    """A field without `crs` is placed by its cells, which lie on a different lattice on each earth."""
    kept = labelled(rn.plot(field(name=grid)), "radar site")
    lost = labelled(rn.plot(field(name=grid).drop_vars("crs")), "radar site")

    np.testing.assert_array_equal(kept.get_data(), lost.get_data())


def test_another_projection_is_refused() -> None:
    """Cells that are not on a grid of DWD raise; borders are never drawn by guess."""
    da = field().drop_vars("crs").assign_coords(y=np.arange(900) * 1000.0, x=np.arange(900) * 1000.0)

    with pytest.raises(SeriesError, match="is not known to be on DWD's polar stereographic grid"):
        rn.plot(da)


@pytest.mark.parametrize(
    ("da", "time", "text"),
    [
        (field().isel(time=[0, 0]), None, r"has 2 times, .*choose one with plot\(\.\.\., time="),
        (
            field().isel(time=[0, 0]),
            "2020-06-13T15:30",
            "no field of 2020-06-13 15:30 UTC: choose one of its 2",
        ),
        (field(), "noon", "is not a valid time: write it as"),
        (field()[0, 0], None, "has no dimension 'y' with coordinates"),
        (field().drop_vars("x"), None, "has no dimension 'x' with coordinates"),
        (field().expand_dims(lead_time=[0, 5]), None, r"further dimensions, lead_time \(2\): choose one value"),
        (field().drop_vars("time"), "2020-06-13T15:30", "has no time: leave out time='2020-06-13T15:30'"),
        (field()[..., [0, 1, 5]], None, "x of .* is not evenly spaced: choose a part without holes"),
        (field()[:, :0], None, "has no cells: its y is empty. Choose a part"),
        (field()[:0], None, "contains no field: its time is empty. Choose a part with steps"),
    ],
)
def test_data_that_are_not_a_field_raise(da: xr.DataArray, time: str | None, text: str) -> None:
    """Several fields, a missing time, a line, or missing coordinates raise an error with a remedy."""
    with pytest.raises(SeriesError, match=text):
        rn.plot(da, time=time)


def test_a_real_field(real_frames: Path) -> None:
    """The real YW of 13 June 2020 is drawn with its fifteen radars and its largest class."""
    ds = rn.open_dataset(real_frames / "raa01-yw2017.002_10000-2006131525-dwd---bin", progress=False)

    ax = rn.plot(ds.YW, time="2020-06-13T15:25Z")

    assert len(labelled(ax, "radar site").get_xdata()) == 15
    assert limits(ax)[-1] == 10.0


# --- several maps on a page -----------------------------------------------------------------------------------


def several(count: int, **attrs: Any) -> xr.DataArray:
    """Return fields five minutes apart, each with one mm more, on a part of the grid."""
    da = field(1.0, **attrs).isel(y=slice(500, 560), x=slice(500, 540))
    parts = [
        (da * (step + 1)).assign_coords(time=da["time"] + step * np.timedelta64(5, "m")) for step in range(count)
    ]
    return xr.concat(parts, "time").assign_attrs(da.attrs)


def test_facets_share_one_scale_and_have_their_own_time() -> None:
    """Each field is a map titled with its time; they share scale, key and a headline with common facts."""
    axes = rn.plot(several(5), col="time", col_wrap=3)
    figure = axes[0, 0].get_figure(root=True)

    assert axes.shape == (2, 3)
    assert axes[1, 2] is None
    assert [ax.get_title(loc="left") for ax in axes.flat[:5]] == [f"2020-06-13 15:{m}" for m in range(25, 50, 5)]
    assert {tuple(limits(ax)) for ax in axes.flat[:5]} == {tuple(class_limits("mm", 5, np.empty(0)))}
    assert len(figure.axes) == 6
    assert figure.axes[-1].get_title(loc="left") == "mm in\n5 min"
    assert [text.get_text() for text in figure.texts] == [
        "Rain\n5 min to the time above each map (UTC)",
        "Map: GeoNames CC BY 4.0, Natural Earth | Datenbasis: Deutscher Wetterdienst",
    ]
    assert [ax.get_legend() is None for ax in axes.flat[:5]] == [False, True, True, True, True]


def test_the_scale_of_facets_covers_all_fields() -> None:
    """If the unit does not determine the classes, they cover the values of all fields together."""
    da = several(4, units="furlong") * 1.0
    da.attrs["units"] = "furlong"

    axes = rn.plot(da, col="time")

    assert limits(axes[0, 0])[0] <= 1.0
    assert limits(axes[0, 0])[-1] >= 3.5


def test_parts_of_a_page_do_not_overlap() -> None:
    """Maps with titles, headline, scale, key and source do not overlap and lie within the page."""
    axes = rn.plot(several(7), col="time", col_wrap=3)
    figure = axes[0, 0].get_figure(root=True)
    figure.canvas.draw()
    legend = axes[0, 0].get_legend()
    boxes = [legend.get_window_extent(), *(text.get_window_extent() for text in figure.texts)]
    legend.remove()  # it belongs to the first map, and is drawn below the last
    boxes += [ax.get_tightbbox() for ax in figure.axes]

    page = figure.bbox.padded(0.5)

    assert [
        (one, two)
        for number, one in enumerate(boxes)
        for two in boxes[:number]
        if one.padded(-1.5).overlaps(two.padded(-1.5))
    ] == []
    assert all(page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0 for box in boxes)


def test_facets_of_other_dimensions_are_named() -> None:
    """Titles of maps of thresholds or lead times state the value with its unit."""
    da = several(2).isel(time=0, drop=True)
    thresholds = xr.concat([da, da], "threshold").assign_coords(threshold=[0.1, 5.0])
    thresholds["threshold"].attrs["units"] = "mm"
    leads = xr.concat([da, da], "lead_time").assign_coords(lead_time=np.array([0, 65], "timedelta64[m]"))

    named = [rn.plot(array, col=str(array.dims[0]))[0, 1].get_title(loc="left") for array in (thresholds, leads)]

    assert named == ["threshold 5 mm", "lead time 65 min"]


def test_a_missing_field_among_facets_is_labelled() -> None:
    """A field without data is a grey map whose title says "no data"."""
    da = several(2)
    da[1] = np.nan

    axes = rn.plot(da, col="time")

    assert axes[0, 1].get_title(loc="left") == "2020-06-13 15:30, no data"


@pytest.mark.parametrize(
    ("da", "options", "error", "text"),
    [
        (
            several(1).isel(time=[0] * 61),
            {"col": "time"},
            SettingsError,
            r"61 maps, .* 60: choose fewer.*None, 2\)",
        ),
        (several(2), {"col": "time", "col_wrap": 0}, SettingsError, r"col_wrap=0 must be at least 1"),
        (
            several(2),
            {"col": "time", "time": "2020-06-13T15:25"},
            SettingsError,
            r"leave out ax=, time= and lead=",
        ),
        (several(2), {"col": "month"}, SeriesError, r"has no dimension 'month': it has time, y, x"),
        (several(2).expand_dims(z=2), {"col": "time"}, SeriesError, r"has further dimensions, z \(2\)"),
        (several(2)[:0], {"col": "time"}, SeriesError, r"contains no field: its time is empty"),
        (several(2)[:, :0], {"col": "time"}, SeriesError, r"has no cells: its y is empty"),
    ],
)
def test_invalid_facets_raise(da: xr.DataArray, options: Any, error: type[Exception], text: str) -> None:
    """Too many maps, an unknown or a further dimension, or no field raise an error with a remedy."""
    with pytest.raises(error, match=text):
        rn.plot(da, **options)


def kinds(code: int = 16, **attrs: Any) -> xr.DataArray:
    """Return kinds of hydrometeor: a row of no precipitation, one without data, and all others of one code."""
    da = field(0.0, name="de1200")
    values = np.full(da.shape, code, np.uint32)
    values[0, 0], values[0, 1] = 1 << 24, 1 << 31
    about = {
        "units": "1", "long_name": "kinds of hydrometeor", "_FillValue": np.uint32(1 << 31),
        "flag_values": np.array(list(HYDROMETEORS), "u4"), "flag_meanings": " ".join(HYDROMETEORS.values()),
    }  # fmt: skip
    return da.copy(data=values).rename("HG").assign_attrs(about | attrs)


def key(ax: Axes) -> list[str]:
    """Return the names in the legend that replaces a colour bar."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    legend = figure.axes[-1].get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_kinds_of_precipitation_have_a_legend() -> None:
    """Each code of HG has its name and colour instead of a bar up to 1.6e+07, and the bit of no data is grey."""
    ax = rn.plot(kinds(8192), borders=False, radars=False)
    grid = GRIDS["de1200"]

    assert key(ax) == [name.replace("_", " ") for name in reversed(HYDROMETEORS.values())]
    hail = to_rgb(name_colours(["hail"], None)(0))
    assert pixel(ax, grid.x[500], grid.y[600]) == pytest.approx([255 * part for part in hail], abs=1)
    shown: Any = ax.images[0].get_array()
    assert (shown.filled(np.nan)[0] == 1 << 24).all()
    assert np.isnan(shown.filled(np.nan)[1]).all()


def test_a_code_without_a_name_is_a_class_of_its_own() -> None:
    """A code without a name has its own entry and colour, and is never shown as another."""
    assert "class 24" in key(rn.plot(kinds(24)))


def test_classes_of_a_real_frame_have_a_legend(real_frames: Path) -> None:
    """PG, whose unit is "1", is drawn as classes: those that occur are named, in steps of lightness."""
    ds = rn.open_dataset(real_frames.parent / "forms" / "raa01-pg_10000-1408102045-dwd---bin.gz", progress=False)

    ax = rn.plot(ds.PG)
    figure = ax.get_figure(root=True)

    assert figure is not None
    assert len(key(ax)) >= 7
    assert not [text for one in figure.axes for text in [one.get_title(loc="left")] if "fraction" in text]


def test_a_page_and_a_film_of_kinds_show_their_legend(tmp_path: Path) -> None:
    """Facets have one legend for all maps, with space for its texts; a film has one next to its map."""
    da = xr.concat([kinds(), kinds(64).assign_coords(time=field()["time"] + np.timedelta64(5, "m"))], "time")
    da = da.assign_attrs(kinds().attrs)

    ax = rn.plot(da, col="time")[0, 0]
    figure = ax.get_figure(root=True)
    figure.canvas.draw()
    box = figure.axes[-1].get_legend().get_window_extent()
    film = rn.animate(da, dpi=40, progress=False, borders=False, radars=False)

    assert box.x1 <= figure.bbox.x1
    assert film.look.names[2] == "rain"
    assert film.save(tmp_path / "kinds.gif").stat().st_size > 0


def test_packed_integers_are_drawn_unpacked() -> None:
    """A field of `open_dataset(packed=True)` is drawn in millimetres, not in hundredths."""
    packed = field(0.0).copy(data=np.full((1, *GRIDS["de900"].shape), 250, np.int16))
    packed = packed.assign_attrs(scale_factor=0.01, add_offset=0.0, _FillValue=np.int16(-1))
    packed[0, 0] = -1

    shown: Any = rn.plot(packed).images[0].get_array()

    np.testing.assert_allclose(shown.filled(np.nan)[1:], 2.5)
    assert np.isnan(shown.filled(np.nan)[0]).all()


def sums(period: str | None, begin: str = "2020-06-12", **options: Any) -> xr.DataArray:
    """Return totals of two days of 5-minute rain, from a midnight on, UTC."""
    small = field(1.0).isel(time=0, y=slice(600, 604), x=slice(500, 504), drop=True)
    times = np.datetime64(f"{begin}T00:05", "ns") + np.arange(576) * np.timedelta64(5, "m")
    da = small.expand_dims(time=times).assign_attrs(cell_methods="time: sum")
    total: xr.DataArray = rn.accumulate(da.drop_encoding(), period, **options).YW
    return total


@pytest.mark.parametrize(
    ("period", "options", "shown"),
    [
        ("1h", {}, "1 h to 2020-06-12 01:00 UTC"),
        ("1D", {}, "2020-06-12 (UTC)"),
        ("1D", {"label": "end"}, "2020-06-12 (UTC)"),
        ("1D", {"timezone": "Europe/Berlin", "min_coverage": 0}, "2020-06-12 (Europe/Berlin)"),
        ("1D", {"day_begin": "05:50", "min_coverage": 0}, "24 h to 2020-06-12 05:50 UTC"),
        ("MS", {"min_coverage": 0}, "2020-06 (UTC)"),
        ("YS", {"min_coverage": 0}, "2020 (UTC)"),
        (None, {}, "2020-06-12 to 2020-06-13 (UTC)"),
    ],
)
def test_the_title_of_a_sum_names_the_time_that_it_covers(period: Any, options: Any, shown: str) -> None:
    """The title of a day is its date, whatever its label; other periods state what they cover."""
    da = sums(period, **options)

    ax = rn.plot(da.isel(time=0) if "time" in da.dims else da)

    assert ax.get_title(loc="left").splitlines()[1] == shown


def test_facets_of_days_are_titled_by_date() -> None:
    """Facets of days have dates as titles: "24 h to" the label, a day's begin, would be the day before."""
    axes = rn.plot(sums("1D"), col="time")

    assert [ax.get_title(loc="left") for ax in axes.flat] == ["2020-06-12 (UTC)", "2020-06-13 (UTC)"]
    assert "24 h to" not in axes[0, 0].figure.texts[0].get_text()


def test_the_notebooks_months_and_day_are_titled_by_their_own_dates() -> None:
    """Facets of months have each month's name (notebook 04); a day chosen by its date has that date (05)."""
    axes = rn.plot(sums("MS", "2020-05-31", min_coverage=0), col="time")
    day = rn.plot(sums("1D"), time="2020-06-13")

    assert [ax.get_title(loc="left") for ax in axes.flat] == ["2020-05 (UTC)", "2020-06 (UTC)"]
    assert day.get_title(loc="left").splitlines()[1] == "2020-06-13 (UTC)"


def test_hours_that_end_at_minute_50_have_that_in_the_title() -> None:
    """RW of 00:50 covers 23:50 to 00:50, so the title of its hour is "1 h to" 00:50."""
    da = field(1.0, interval_minutes=60, cell_methods="time: sum").isel(y=slice(600, 604), x=slice(500, 504))
    hours = da.assign_coords(time=[np.datetime64("2020-06-13T00:50", "ns")]).rename("RW").drop_encoding()

    ax = rn.plot(rn.accumulate(hours, "1h").RW)

    assert ax.get_title(loc="left").splitlines()[1] == "1 h to 2020-06-13 00:50 UTC"


@pytest.mark.parametrize(
    "draw",
    [
        lambda da: rn.plot(da, time=da["time"].values[3]),
        lambda da: rn.plot(da, col="time", col_wrap=8),
        lambda da: rn.animate(da, progress=False),
        lambda da: rn.plot_series(da[:, 0, 0]),
    ],
)
def test_a_stale_interval_is_never_drawn(draw: Any) -> None:
    """After `resample` the attribute is still 5 min: each picture raises an error with both numbers."""
    da = several(48).assign_attrs(cell_methods="time: sum").resample(time="1h").sum(keep_attrs=True)

    with pytest.raises(SeriesError, match=r"interval_minutes=5, but its times are 60 min apart"):
        draw(da)


class TestForecasts:
    """Maps of forecasts, as opened and as a run."""

    DS = forecasts(np.arange(48).reshape(2, 4, 2, 3) / 10, first="2020-06-13T15:20")

    def test_the_first_lead_time_is_drawn_unless_one_is_chosen(self) -> None:
        """The first lead time is the default; the title has valid time, issue time and lead time."""
        run = self.DS.RV[1]

        ways = [(da, lead) for da in (run, rn.forecast(run)) for lead in (None, "15min")]
        titles = [rn.plot(da, lead=lead).get_title(loc="left") for da, lead in ways]

        assert titles[:2] == [
            "Rain\n5 min to 2020-06-13 15:25 UTC, analysis",
            "Rain\n5 min to 2020-06-13 15:40 UTC, forecast of 15:25 UTC, 15 min ahead",
        ]
        assert titles[2:] == titles[:2]

    def test_the_chosen_lead_time_is_drawn(self) -> None:
        """The map shows the chosen lead time, of one run or of one of several."""
        one = rn.plot(self.DS.RV, time="2020-06-13T15:25", lead="10min")
        same = rn.plot(rn.forecast(self.DS.RV, lead="10min"), time="2020-06-13T15:35")

        for ax in (one, same):
            np.testing.assert_array_equal(ax.images[0].get_array(), self.DS.RV[1, 2])

    def test_facets_of_a_run_state_the_issue_time(self) -> None:
        """The headline has the run's issue time, each map its valid time."""
        axes = rn.plot(rn.forecast(self.DS.RV, run="latest"), col="time")

        assert axes[0, 1].get_title(loc="left") == "2020-06-13 15:30"
        assert axes[0, 0].figure.texts[0].get_text().endswith("(UTC), forecast of 2020-06-13 15:25 UTC")

    @pytest.mark.parametrize(
        ("da", "options", "error", "text"),
        [
            (
                field(),
                {"lead": "5min"},
                SeriesError,
                "has no lead times: leave out lead='5min'",
            ),
            (
                DS.RV[0],
                {"lead": "7min"},
                SeriesError,
                "no lead time of 7 min: choose one of 0, 5, 10, 15 min",
            ),
            (DS.RV[0], {"lead": 5}, SettingsError, "lead=5 is not a lead time"),
            (DS.RV, {}, SeriesError, "has 2 times"),
        ],
    )
    def test_missing_lead_times_raise(self, da: Any, options: Any, error: type[Exception], text: str) -> None:
        """A missing lead time, and one of a product without lead times, raise with the choices."""
        with pytest.raises(error, match=text):
            rn.plot(da, **options)

    def test_series_and_films_follow_the_lead_times(self) -> None:
        """A series of a run states its issue time; a film of a run has the valid times."""
        ax = rn.plot_series(self.DS.isel(time=0, y=0, x=0))
        film = rn.animate(self.DS.RV[0], progress=False)

        assert ax.get_title(loc="left") == "Rain\nForecast of 2020-06-13 15:20 UTC"
        assert len(film) == 4
        assert film.words.endswith("2020-06-13 15:20 UTC to 2020-06-13 15:35 UTC")


@pytest.mark.parametrize("amount", [0.01, 0.1, 0.2, 0.5])
def test_an_amount_that_equals_a_limit_lies_in_the_class_above(amount: float) -> None:
    """Amounts of float32 are compared as decimal numbers: 0.2 mm is not below 0.2 mm, and 0.01 mm is not dry."""
    value = float(np.float32(round(amount * 100)) * np.float32(0.01))  # as values are made of codes

    ax = rn.plot(field(value), borders=False, radars=False)

    number = [0.01, 0.1, 0.2, 0.5].index(amount)
    assert np.ravel(ax.images[0].norm(np.array([value], np.float32)))[0] == number
    legend = ax.get_legend()
    assert legend is not None
    assert "below 0.01" not in [text.get_text() for text in legend.get_texts()]
