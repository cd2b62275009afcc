"""The language of pictures: titles, labels, months and decimals of every picture in German."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import geopandas
import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pyproj
import pytest
import xarray as xr
from matplotlib.cbook import is_math_text
from matplotlib.text import Text

import radar_nb as rn
from radar_nb.cli.main import main
from radar_nb.dwd.grids import GRIDS, PROJ
from radar_nb.errors import SettingsError
from radar_nb.plots.comparison import plot_comparison
from radar_nb.plots.overlays import Overlay
from radar_nb.plots.storms import plot_storm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TIMES = np.datetime64("2020-05-13T12:00", "ns") + np.arange(8) * np.timedelta64(5, "m")
ALIKE = re.compile(
    r"[-\d.,:/ %]*|mm( in\n5 min|/h| in 5 min)?|[A-Z]\w+|\d+ (km|h|min)|Datenbasis: .*|.*UTC|1 : 1|N|\$.*"
)
"""Texts that are the same in both languages: numbers, units, names of places and products."""


def rain() -> xr.DataArray:
    """Return eight small fields of YW."""
    grid = GRIDS["de900"]
    values = np.full((8, 40, 40), 0.55, np.float32)
    values[:, :5] = np.nan
    values[:, :, :5] = 0
    crs = xr.DataArray(0, attrs=pyproj.CRS(PROJ[grid.earth]).to_cf())
    coords = {"time": TIMES, "y": grid.y[500:540], "x": grid.x[400:440], "crs": crs}
    attrs = {"units": "mm", "interval_minutes": 5, "long_name": rn.product("YW").title}
    return xr.DataArray(values, coords, ("time", "y", "x"), name="YW", attrs=attrs)


def pictures(lang: str) -> Iterator[Any]:
    """Yield a figure of each kind."""
    da = rain()
    yield rn.plot(da.isel(time=3), towns=False, lang=lang).figure
    yield rn.plot(da[:2], col="time", towns=False, lang=lang)[0, 0].figure
    yield rn.plot(da.isel(time=3), vmin=0.2, vmax=0.75, towns=False, lang=lang).figure
    line = da.isel(y=20, x=20, drop=True).drop_vars("crs")
    values = line.where(line.time != TIMES[4])
    yield rn.plot_series(values, cumulative=True, lang=lang).figure
    bounds = np.stack([TIMES - np.timedelta64(5, "m"), TIMES], axis=1)
    attrs = {"units": "mm", "interval_minutes": 5}
    both = {
        name: (("time", "point"), np.full((8, 1), 0.5), attrs) for name in ("gauge", "cell", "lowest", "highest")
    }
    yield plot_comparison(xr.Dataset(both, {"time": TIMES, "time_bnds": (("time", "bnds"), bounds)}), lang=lang)
    names = ("observed", "design", "design_low", "design_high")
    storm = xr.Dataset({name: ("time", np.full(8, 0.5), attrs) for name in names}, {"time": TIMES})
    yield plot_storm(storm.assign_attrs(return_period=2.5), lang=lang)
    hours = (np.array([15, 60]) * np.timedelta64(60_000_000_000, "ns")).astype("m8[ns]")
    levels = xr.DataArray([[8.5, 12], [14, 20]], {"duration": hours, "return_period": [2.5, 10]},
                          ("duration", "return_period"))  # fmt: skip
    yield rn.plot_idf(xr.Dataset({"level": levels, "years": 30}, attrs={"method": "gev"}), lang=lang).figure
    yield rn.plot_coverage(da.to_dataset(), lang=lang).figure
    events = geopandas.GeoDataFrame(
        {"Start_Time": TIMES[:2], "Eta": [1.0, 2], "SRImax": [3, np.nan]},
        geometry=geopandas.points_from_xy([0, 9e4], [-4.2e6, -4.1e6]), crs=PROJ["sphere"],
    )  # fmt: skip
    yield rn.plot_catalogue(events, lang=lang).figure
    yield rn.plot_catalogue(events, "calendar", lang=lang).figure


def words(figure: Any) -> list[str]:
    """Return all texts of a figure that are drawn."""
    figure.set_layout_engine("none")  # places of parts do not matter
    figure.draw_without_rendering()
    found = [text.get_text() for text in figure.findobj(Text) if text.get_visible()]
    plt.close(figure)
    return [text for text in found if text]


@pytest.fixture(scope="module", name="drawn")
def drawn_words() -> dict[str, list[list[str]]]:
    """Return the texts of each picture by language."""
    return {lang: [words(figure) for figure in pictures(lang)] for lang in ("en", "de")}


def test_no_picture_in_german_has_english_words(drawn: dict[str, list[list[str]]]) -> None:
    """Every text of each picture is translated, or is a number, a unit or a name."""
    pairs = zip(drawn["en"], drawn["de"], strict=True)
    left = [text for english, german in pairs for text in set(english) & set(german) if not ALIKE.fullmatch(text)]

    assert left == []


def test_numbers_and_months_follow_the_language(drawn: dict[str, list[list[str]]]) -> None:
    """A class limit and a tick have decimal commas, the name of May is German."""
    shown = [text for picture in drawn["de"] for text in picture]

    assert {"0,01", "unter 0,01", "keine Daten", "2020-Mai-13"} <= set(shown)
    assert "5 min bis 2020-05-13 12:15 UTC" in "\n".join(shown)
    assert "Niederschlag in 5 Minuten, an Messstationen angeeicht (YW)" in "\n".join(shown)
    assert not any(re.fullmatch(r"\d+\.\d+", text) for text in shown)


def test_the_legend_of_coverage_leaves_room_for_the_source() -> None:
    """In each language the key of the colours ends before the source of the data begins."""
    da = rain().assign_attrs(institution="none: made up")
    for lang in ("en", "de"):
        figure: Any = rn.plot_coverage(da.to_dataset(), lang=lang).figure
        figure.canvas.draw()
        key, source = figure.legends[0].get_window_extent(), figure._supxlabel.get_window_extent()  # noqa: SLF001 - no public name
        assert key.x1 < source.x0


def test_names_of_results_are_translated() -> None:
    """A sum names its product without the interval of its parts, in both languages; an unknown name stays."""
    title = rn.product("YW").title
    fields = [rain().isel(time=0).assign_attrs(long_name=name) for name in (f"sum of {title}", "melt")]

    german, english = (
        [rn.plot(field, lang=lang).get_title(loc="left").splitlines()[0] for field in fields]
        for lang in ("de", "en")
    )

    assert german == ["Summe: Niederschlag, an Messstationen angeeicht (YW)", "Melt"]
    assert english == ["Sum of precipitation, gauge-adjusted (quasi: RY scaled to RW)", "Melt"]
    plt.close("all")


NAMES = r"A$B$ 100%_x \alpha $\frac{ ^"
"""Ordinary and hostile names in one: a formula to Matplotlib, and one that it cannot read."""


def named() -> Iterator[Any]:
    """Yield a figure of each kind, whose names, titles and attributes come from outside."""
    grid, plain = {"units": "mm", "interval_minutes": 5}, rain().isel(time=3)
    da = plain.assign_attrs(long_name=NAMES, units=NAMES, radars=NAMES).rename(NAMES)
    west, south, east, north = (float(edge) for edge in (da.x[5], da.y[5], da.x[20], da.y[20]))
    ring = f"POLYGON(({west} {south},{east} {south},{east} {north},{west} {south}))"
    yield rn.plot(da, areas=geopandas.GeoSeries.from_wkt([ring], [NAMES], crs=PROJ["sphere"]), towns=False).figure
    yield rn.plot(plain, title=NAMES, towns=False).figure
    yield rn.plot(da.expand_dims({NAMES: 2}), col=NAMES, towns=False)[0, 0].figure
    flags = {"units": "1", "flag_values": [0, 1], "flag_meanings": NAMES.replace(" ", "") + " rain"}
    yield rn.plot(plain.fillna(0).round().astype(int).assign_attrs(flags), towns=False).figure
    line = rain().isel(y=20, x=[18, 20], drop=True).drop_vars(["crs", "x"]).rename(x="point")
    yield rn.plot_series(line.assign_coords(point=[NAMES, "b"]).assign_attrs(long_name=NAMES)).figure
    storm = {name: ("time", np.full(8, 0.5), grid) for name in ("observed", "design")}
    yield plot_storm(xr.Dataset(storm, {"time": TIMES}, {"return_period": 2, "title": NAMES}))
    bounds = np.stack([TIMES - np.timedelta64(5, "m"), TIMES], axis=1)
    both = {one: (("time", "point"), np.full((8, 1), 0.5), grid) for one in ("gauge", "cell", "lowest", "highest")}
    yield plot_comparison(xr.Dataset(both, {"time": TIMES, "time_bnds": (("time", "bnds"), bounds)}), title=NAMES)
    hours = (np.array([15, 60]) * np.timedelta64(60_000_000_000, "ns")).astype("m8[ns]")
    levels = xr.DataArray([[8.5], [14]], {"duration": hours, "return_period": [2], "point": NAMES},
                          ("duration", "return_period"))  # fmt: skip
    yield rn.plot_idf(xr.Dataset({"level": levels})).figure
    yield rn.plot_coverage(rain().assign_attrs(long_name=NAMES).to_dataset()).figure
    events = geopandas.GeoDataFrame(
        {"Start_Time": TIMES[:1], "Eta": [1.0], "SRImax": [3]}, geometry=geopandas.points_from_xy([0], [-4.2e6]),
        crs=PROJ["sphere"],
    )  # fmt: skip
    events.attrs |= {"title": NAMES, "source": NAMES}
    for kind in ("map", "calendar"):
        yield rn.plot_catalogue(events, kind).figure


def test_names_are_drawn_as_they_are(tmp_path: Path) -> None:
    """Titles, names and attributes are drawn as written: dollar signs and backslashes begin no formula."""
    for number, figure in enumerate(named()):
        own = [text.get_text() for text in figure.findobj(Text) if "100%" in text.get_text()]
        assert own, number
        assert not any(map(is_math_text, own)), own
        plt.close(figure)
    film = rn.animate(rain()[:1], title=NAMES, towns=False, progress=False)
    assert film.save(tmp_path / "film.gif").stat().st_size
    field = rain().isel(time=3).assign_attrs(long_name=NAMES)
    assert Overlay(field, [field.values]).key(NAMES)


def test_the_language_comes_from_the_call_or_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """RADAR_NB_LANG holds for pictures, the language of the desktop does not; an unknown language raises."""
    field = rain().isel(time=0)
    monkeypatch.setenv("LANG", "de_DE.UTF-8")
    english = rn.plot(field).get_title(loc="left")
    monkeypatch.setenv("RADAR_NB_LANG", "de")
    german = rn.plot(field).get_title(loc="left")

    assert english.startswith("5-minute precipitation")
    assert german.startswith("Niederschlag")
    assert rn.plot(field, lang="en").get_title(loc="left") == english
    with pytest.raises(SettingsError, match="unknown language 'fr': choose one of en, de"):
        rn.plot(field, lang="fr")
    plt.close("all")


def test_a_film_keeps_its_language(tmp_path: Path) -> None:
    """A film is drawn when it is saved, in the language in which it was asked for; the command takes it too."""
    film = rn.animate(rain()[:2], lang="de", towns=False, progress=False)

    page = film.save(tmp_path / "film.html").read_text(encoding="utf-8")

    assert '<html lang="de">' in page
    assert "2020-05-13 12:00 UTC bis" in page
    with pytest.raises(SystemExit):
        main(["plot", "x.nc", "-o", "x.png", "--lang", "fr"])


def test_a_series_has_local_times() -> None:
    """The time axis is in the zone that was asked for, and names it."""
    ax = rn.plot_series(rain().isel(y=20, x=20, drop=True).drop_vars("crs"), timezone="Europe/Berlin")

    assert ax.get_xlabel().startswith("Europe/Berlin, each value")
    assert "14:00" in words(ax.figure)


def test_german_maps_name_summer_time_and_east_in_german() -> None:
    """Central European summer time is MESZ, and degrees east are °O."""
    ax = rn.plot(rain().isel(time=3), timezone="Europe/Berlin", graticule=True, towns=False, lang="de")

    assert ax.get_title(loc="left").endswith("5 min bis 2020-05-13 14:15 MESZ")
    assert any(re.fullmatch(r"\d+,\d°O", text.get_text()) for text in ax.texts)
