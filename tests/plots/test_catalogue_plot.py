"""Events of heavy rain on a map and in a calendar."""

from __future__ import annotations

from typing import Any

import geopandas
import matplotlib.pyplot as plt
import numpy as np
import pytest
import shapely
from matplotlib.colors import to_hex
from matplotlib.text import Text

import radar_nb as rn
from radar_nb.dwd.grids import PROJ
from radar_nb.errors import SettingsError
from radar_nb.plots.catalogue import INDEX_COLOURS, plot_catalogue


def events(**columns: Any) -> Any:
    """Return three events: the first two overlap, the third has two parts and no index."""
    x, y = np.array([0.0, 2000, 40_000]), np.array([-4.2e6, -4.2e6, -4.19e6])
    shapes = np.array(shapely.box(x, y, x + 4000, y + 4000), object)
    shapes[2] = shapely.MultiPolygon([shapes[2], shapely.box(5e4, -4.19e6, 5.1e4, -4.18e6)])
    table = {
        "Start_Time": np.array(["2019-11-30T23:50", "2020-01-01T00:50", "2020-01-20T00:50"], "M8[ns]"),
        "Eta": [9.0, 3.0, 5.0],
        "SRImax": [12.0, 1.0, np.nan],
    }
    found = geopandas.GeoDataFrame(table | columns, geometry=shapes, crs=PROJ["sphere"])
    found.attrs = {"title": "Events", "source": "made up"}
    return found


def test_the_map_has_the_most_extreme_event_on_top() -> None:
    """Each part of an event has the colour of its index; points stand for events of which only they are given."""
    ax = plot_catalogue(events())

    drawn = next(one for one in ax.collections if one.get_label() == "_events")
    colours = [to_hex(colour) for colour in drawn.get_facecolors()]  # type: ignore[attr-defined]
    assert colours == [INDEX_COLOURS[0], "#cfcfcf", "#cfcfcf", INDEX_COLOURS[11]]
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["12", "1", "no index"]
    assert ax.get_title(loc="left") == "Events\n3 events, 2019-11-30 to 2020-01-20"
    points = events().set_geometry(events().centroid)
    spots = next(one for one in plot_catalogue(points).collections if one.get_label() == "_events")
    assert len(np.asarray(spots.get_offsets())) == 3
    own = events()
    own.attrs = {
        "title": f"Heavy rain events of RADKLIM 2017.002 YW: {rn.product('YW').title}",
        "institution": "DWD",
    }
    for kind in ("map", "calendar"):
        german = plot_catalogue(own, kind, lang="de")
        name = " ".join(german.get_title(loc="left").split("\n")[:2])
        assert name.startswith("Starkregenereignisse: Niederschlag in 5 Minuten, an Messstationen angeeicht (YW)")
        assert "Datenbasis: Deutscher Wetterdienst" in {text.get_text() for text in german.figure.findobj(Text)}
    holed = events()
    holed.loc[0, "geometry"] = holed.geometry[0].difference(shapely.box(1000, -4.199e6, 3000, -4.197e6))
    drawn = next(one for one in plot_catalogue(holed).collections if one.get_label() == "_events")
    zone, hole = (shapely.LinearRing(ring) for ring in drawn.get_paths()[-1].to_polygons())
    assert [zone.is_ccw, hole.is_ccw] == [True, False]  # so that the hole stays empty
    near = plot_catalogue(events(), extent="Leipzig +- 20 km", title="here")
    assert near.get_title(loc="left") == "here"
    assert np.ptp(near.get_xlim()) == pytest.approx(40_000, rel=0.1)


def test_the_calendar_counts_the_events_of_each_month() -> None:
    """Months without an event are empty, months outside the catalogue blank; years have their sum beside them."""
    ax = plot_catalogue(events(), "calendar")

    (mesh,) = ax.collections
    counts = np.ma.filled(mesh.get_array().reshape(2, 12).astype(float), np.nan)  # type: ignore[union-attr]
    np.testing.assert_array_equal(counts[0], [np.nan] * 10 + [1, 0])
    np.testing.assert_array_equal(counts[1], [2] + [np.nan] * 11)
    assert sorted(text.get_text() for text in ax.texts) == ["1", "1", "2", "2", "year"]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["2019", "2020"]


def test_a_long_title_ends_before_the_legend() -> None:
    """The title of a wide map wraps where the legend beside it begins."""
    ax = plot_catalogue(events(), title="Heavy rain events of 5-minute precipitation, adjusted to gauges " * 2)
    ax.figure.canvas.draw()

    (title,) = ax.findobj(lambda one: isinstance(one, Text) and one.get_text().startswith("Heavy"))
    assert title.get_window_extent().x1 < ax.figure.legends[0].get_window_extent().x0


def test_letters_are_light_on_a_dark_page() -> None:
    """Titles, legend and months can be read on a dark page."""
    with plt.style.context("dark_background"):
        ax, calendar = plot_catalogue(events()), plot_catalogue(events(), "calendar")
    letters = [ax.figure.legends[0].get_texts()[0], calendar.get_xticklabels()[0], calendar.texts[-1]]

    assert all(sum(int(to_hex(one.get_color())[at : at + 2], 16) for at in (1, 3, 5)) > 450 for one in letters)


def test_other_tables_are_refused() -> None:
    """The message names what is missing or not valid."""
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (events(), {"kind": "pie"}, "unknown kind='pie': choose one of map, calendar"),
        (events().drop(columns="Eta"), {}, "the table has no 'Eta': pass what heavy_rain_catalogue or catrare"),
        (events().iloc[:0], {}, "the catalogue is empty: choose a longer time"),
        (events(), {"kind": "calendar", "extent": "Leipzig"}, "extent= is for a map: leave it out"),
        (events(), {"extent": "Atlantis"}, "unknown place 'Atlantis'"),
    ]
    for table, options, message in cases:
        with pytest.raises(SettingsError, match=message):
            plot_catalogue(table, **options)
