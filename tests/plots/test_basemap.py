"""The surroundings of a field on its map: extent, lines and towns by scale, areas of the user."""

from __future__ import annotations

from typing import Any

import geopandas as gpd
import matplotlib as mpl
import numpy as np
import pytest
import shapely
import xarray as xr
from matplotlib import pyplot as plt
from matplotlib.colors import BoundaryNorm, LogNorm, to_hex
from support.small_rain import rain, showers

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS, to_lonlat, to_xy
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.geography.towns import place
from radar_nb.plots.style import DRY, PAPER

mpl.use("Agg")

GRID = GRIDS["de1100"]
AREAS = gpd.GeoDataFrame({"name": ["Parthe"]}, geometry=[shapely.box(12.4, 51.2, 12.7, 51.4)], crs=4326)


@pytest.fixture(autouse=True)
def _closed() -> Any:
    """Close a test's figures."""
    yield
    plt.close("all")


def field(hours: int | None = None) -> xr.DataArray:
    """Return a field, or several, whose cells hold the number of their column."""
    values = np.broadcast_to(np.arange(GRID.cols, dtype="float32"), GRID.shape)
    coords: dict[str, Any] = {"y": GRID.y, "x": GRID.x, "time": np.datetime64("2020-06-13T15:50", "ns")}
    attrs = {"units": "mm", "interval_minutes": 60, "long_name": "hourly rain"}
    one = xr.DataArray(values, coords, ("y", "x"), name="RW", attrs=attrs)
    if hours is None:
        return one
    steps = [one.assign_coords(time=one.time + np.timedelta64(hour, "h")) for hour in range(hours)]
    return xr.concat(steps, "time").assign_attrs(attrs)


def words(ax: Any) -> set[str]:
    """Return the texts on a map."""
    return {text.get_text() for text in ax.texts}


def test_an_extent_shows_whole_cells_at_their_positions() -> None:
    """The extent around a town has the town in its middle, and each cell keeps its value and position."""
    ax = rn.plot(field(), extent="Leipzig +- 30 km")
    values = ax.images[0].get_array()
    west, east, south, north = ax.images[0].get_extent()
    x, y = to_xy(place("Leipzig").lon, place("Leipzig").lat, "sphere")

    assert ((west + east) / 2, (south + north) / 2) == pytest.approx((float(x), float(y)), abs=1000)
    assert (ax.get_xlim(), ax.get_ylim()) == ((west, east), (south, north))
    assert values is not None
    np.testing.assert_allclose(GRID.x0 + 1000 * values[0].data, west + 500 + 1000 * np.arange(values.shape[1]))


@pytest.mark.parametrize("box", [(1.0, 2.0, 3.0, 4.0), (10.0, 50.0, 10.001, 50.001)])
def test_an_extent_outside_the_data_is_an_error(box: Any) -> None:
    """The message states what the data cover."""
    with pytest.raises(SettingsError, match=r"holds less than two cells of 'RW', which covers .* E and .* N"):
        rn.plot(field(), extent=box)


@pytest.mark.parametrize(
    ("extent", "shown", "hidden"),
    [
        (None, {"Berlin", "Hamburg", "München"}, {"Grimma", "Offenbach", "Neukölln"}),
        ("Leipzig +- 40 km", {"Leipzig", "Halle (Saale)", "Grimma", "Delitzsch"}, {"Gohlis", "Berlin"}),
        ("Grimma +- 8 km", {"Grimma", "Großbothen"}, {"Leipzig"}),
    ],
)
def test_labelled_towns_depend_on_size_and_scale(extent: Any, shown: set[str], hidden: set[str]) -> None:
    """A map of the country labels cities, a map of a district villages."""
    found = words(rn.plot(field(), extent=extent))

    assert shown <= found
    assert not hidden & found


@pytest.mark.parametrize("extent", [None, "Köln +- 60 km", "Leipzig +- 15 km"])
def test_names_of_towns_do_not_overlap(extent: Any) -> None:
    """No drawn name of a town covers another, and each is within the map."""
    ax = rn.plot(field(), extent=extent)
    ax.figure.canvas.draw()
    names = [text for text in ax.texts if text.get_clip_on()]
    boxes = [text.get_window_extent().shrunk(1.0, 0.8) for text in names]
    edge = ax.get_window_extent().padded(1)

    assert len(boxes) >= 8
    for at, box in enumerate(boxes):
        assert edge.containsx(box.x0)
        assert edge.containsx(box.x1)
        assert not any(box.overlaps(other) for other in boxes[:at])


def test_a_town_is_drawn_at_its_position() -> None:
    """The dots lie at the towns' longitudes and latitudes."""
    ax = rn.plot(field(), extent="Leipzig +- 20 km")
    (dots,) = (line for line in ax.lines if line.get_label() == "_towns")
    lon, lat = to_lonlat(dots.get_xdata(), dots.get_ydata(), "sphere")

    assert np.hypot(lon - place("Leipzig").lon, lat - place("Leipzig").lat).min() < 1e-6


def test_areas_are_drawn_with_their_names() -> None:
    """Areas are drawn at their positions with their names, and as an extent they are centred on the map."""
    for ax in (rn.plot(field(), areas=AREAS), rn.plot(field(), extent=AREAS)):
        (lines, _) = (found for found in ax.collections if found.get_label() == "_areas")
        x, y = lines.get_segments()[0].T  # type: ignore[attr-defined]
        lon, lat = to_lonlat(x, y, "sphere")

        assert (lon.min(), lon.max(), lat.min(), lat.max()) == pytest.approx((12.4, 12.7, 51.2, 51.4))
        assert "Parthe" in words(ax)


def test_the_map_names_its_sources() -> None:
    """GeoNames is named if towns are drawn, DWD always."""
    with_towns, without = words(rn.plot(field())), words(rn.plot(field(), towns=False))

    assert {"Map: GeoNames CC BY 4.0, Natural Earth", "Datenbasis: Deutscher Wetterdienst"} <= with_towns
    assert "Datenbasis: Deutscher Wetterdienst" in without
    assert "Map: GeoNames CC BY 4.0, Natural Earth" not in without


def test_maps_of_a_part_have_a_north_arrow() -> None:
    """The arrow points to the pole; a map of the country has none, since north varies by degrees there."""
    ax = rn.plot(field(), extent="Görlitz +- 50 km")
    (arrow,) = (text for text in ax.texts if getattr(text, "arrow_patch", None))
    head, tail = np.array(arrow.xy), np.array(arrow.get_position())  # type: ignore[attr-defined]
    lon, _ = to_lonlat([head[0], tail[0]], [head[1], tail[1]], "sphere")

    assert lon[0] == pytest.approx(lon[1], abs=1e-6)
    assert head[1] > tail[1]
    assert "N" not in words(rn.plot(field()))


def test_facets_and_films_share_the_extent_and_the_towns() -> None:
    """`col=` and `animate` accept the same arguments as a single map."""
    axes = rn.plot(field(3), col="time", extent="Leipzig +- 40 km", areas=AREAS)
    film = rn.animate(field(3), extent="Leipzig +- 40 km", areas=AREAS, progress=False)

    for ax in axes.flat:
        assert {"Leipzig", "Parthe"} <= words(ax)
    assert film.fields.sizes["x"] == axes.flat[0].images[0].get_array().shape[1]
    assert [area.name for area in film.look.areas] == ["Parthe"]


def test_degree_labels_are_at_their_positions() -> None:
    """Each labelled meridian crosses the upper edge at its degree, each parallel the left edge."""
    ax = rn.plot(field(), extent="Stuttgart +- 80 km", graticule=True)
    labels: list[Any] = [text for text in ax.texts if text.get_text()[-2:] in {"°E", "°N"}]

    assert len(labels) >= 4
    for text in labels:
        lon, lat = (float(value) for value in to_lonlat(text.xy[0], text.xy[1], "sphere"))
        degree, kind = float(text.get_text()[:-2]), text.get_text()[-1]
        assert degree == pytest.approx(lon if kind == "E" else lat, abs=2e-3)


@pytest.mark.parametrize(
    ("time", "title"),
    [
        ("2020-06-13T17:50", "1 h to 2020-06-13 17:50 CEST"),
        ("2020-06-13T18:50", "1 h to 2020-06-13 18:50 CEST"),
        ("2020-06-13T15:50+00:00", "1 h to 2020-06-13 17:50 CEST"),
    ],
)
def test_times_are_read_and_shown_in_a_time_zone(time: str, title: str) -> None:
    """With `timezone` a time without offset is local, and the title names the zone."""
    ax = rn.plot(field(2), time=time, timezone="Europe/Berlin")

    assert title in ax.get_title(loc="left")


def test_facets_and_films_show_local_times() -> None:
    """The headline of facets, and each time of a film, name the zone."""
    axes = rn.plot(field(2), col="time", timezone="Europe/Berlin")
    film = rn.animate(field(2), timezone="Europe/Berlin", progress=False)

    assert [ax.get_title(loc="left") for ax in axes.flat] == ["2020-06-13 17:50 CEST", "2020-06-13 18:50 CEST"]
    assert "2020-06-13 17:50 CEST to 2020-06-13 18:50 CEST" in repr(film)


@pytest.mark.parametrize(
    ("time", "message"),
    [
        ("2020-03-29T02:30", "2020-03-29 02:30 is never on the clock of Europe/Berlin"),
        ("2020-10-25T02:30", "02:30 is twice on the clock .* with its offset, such as '2020-10-25T02:30\\+02:00'"),
        ("2020-06-13T15:50", "has no field of 2020-06-13 15:50 CEST.* the nearest is 2020-06-13 17:50 CEST"),
    ],
)
def test_skipped_and_repeated_local_times_raise(time: str, message: str) -> None:
    """Local times that do not exist or occur twice raise; times in messages are local, too."""
    with pytest.raises(rn.errors.SeriesError, match=message):
        rn.plot(field(2), time=time, timezone="Europe/Berlin")


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ({"vmin": 2, "vmax": 8}, (2, 8)),
        ({"vmax": 8}, (0.1, 8)),
        ({"norm": LogNorm(1, 100)}, (1, 100)),
        ({"norm": LogNorm()}, (0.1, 50)),
        ({"norm": BoundaryNorm([0, 1, 5], 2)}, (0, 5)),
    ],
)
def test_a_scale_is_set_as_in_matplotlib(options: dict[str, Any], ends: tuple[float, float]) -> None:
    """`vmin`, `vmax` and `norm` set the ends of the scale; the classes complete them."""
    ax = rn.plot(field(), **options)
    image = ax.images[0]

    assert (image.norm.vmin, image.norm.vmax) == ends
    assert "norm" not in options or options["norm"] is not image.norm


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vmin": 3, "vmax": 1}, "vmin=3 must be less than vmax=1"),
        ({"vmin": float("nan")}, "vmin=nan must be less than"),
        ({"vmax": "a"}, "vmax='a' must be numbers"),
        ({"norm": LogNorm(), "vmin": 1}, "norm= has its own vmin and vmax"),
        ({"norm": "log"}, "norm='log' is not a norm of Matplotlib"),
        ({"classes": (1, 2), "vmax": 3}, "cannot be used with classes="),
        ({"timezone": "Europe/Berln"}, "unknown timezone='Europe/Berln'"),
    ],
)
def test_invalid_scales_and_zones_raise(options: dict[str, Any], message: str) -> None:
    """The message names the invalid value."""
    with pytest.raises(SettingsError, match=message):
        rn.plot(field(), **options)


def test_zero_rain_is_dry_on_a_logarithmic_scale() -> None:
    """A logarithm hides values that are not positive; a dry cell is nearly white all the same, not grey."""
    ax = rn.plot(field() * 0, norm=LogNorm(0.1, 50), towns=False, borders=False)

    image = ax.images[0]
    data = image.get_array()
    assert data is not None
    assert to_hex(image.to_rgba(data)[0, 0]) == DRY


def test_names_of_areas_stay_free_of_towns() -> None:
    """No town's name lies over the name of an area."""
    box = shapely.box(12.1, 51.0, 12.3, 51.3)
    area = gpd.GeoDataFrame({"name": ["Hohenmölsen und Umgebung"]}, geometry=[box], crs=4326)

    ax = rn.plot(field(), extent="Leipzig 40 km", areas=area)

    ax.figure.canvas.draw()
    drawn = {text.get_text(): text.get_window_extent() for text in ax.texts if text.get_text()}
    of_area = drawn.pop("Hohenmölsen und Umgebung")
    assert [name for name, extent in drawn.items() if extent.overlaps(of_area)] == []


def test_words_beside_a_map_are_light_on_a_dark_page() -> None:
    """On a dark page the title, the scale and the key are light; on the map they stay dark."""
    with plt.style.context("dark_background"):
        ax = rn.plot(field(), extent="Leipzig")

    legend = ax.get_legend()
    assert legend is not None
    words = [ax.title, *legend.get_texts(), *ax.figure.axes[1].get_yticklabels()]
    assert {to_hex(text.get_color()) for text in words if text.get_text()} == {PAPER}
    assert all(to_hex(text.get_color()) != PAPER for text in ax.texts)


def test_a_point_is_the_middle_of_a_map() -> None:
    """A pair of degrees is a point, with 40 km around it, as a town of that place is."""
    shown = [rn.plot(field(), extent=extent) for extent in ((12.371, 51.34), "Leipzig", "Leipzig 40 km")]

    assert shown[0].get_xlim() == shown[1].get_xlim() == shown[2].get_xlim()


def test_a_local_day_is_chosen_by_its_date() -> None:
    """The total of a local day is drawn by its date, with the zone and without it."""
    days = rn.accumulate(rain(showers(600, 8, 9)), "1D", timezone="Europe/Berlin", progress=False)

    for zone in ("Europe/Berlin", None):
        title = rn.plot(days.YW, time="2020-06-14", timezone=zone, towns=False).get_title(loc="left")
        assert "2020-06-14 (Europe/Berlin" in title
    with pytest.raises(SeriesError, match=r"'YW' has no field of 2020-06-20: .* the nearest is 2020-06-15"):
        rn.plot(days.YW, time="2020-06-20", timezone="Europe/Berlin")
