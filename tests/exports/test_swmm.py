"""Rain for SWMM: EPA's own engine reads it, and its totals and hyetographs are ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from support.small_rain import rain, showers
from support.swmm_model import rain_of_model, run_model

from radar_nb.analysis.api import at_points, over_areas
from radar_nb.analysis.inputs import grid_of
from radar_nb.dwd.grids import PROJ, to_lonlat
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.api import export

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

DS = rain(showers(48, 8, 9), first="2020-06-13T00:05")
GRID = grid_of(DS.YW)
WEST, SOUTH = GRID.x0 - 500, GRID.y0 - 500
SHAPES = gpd.GeoDataFrame(
    {"name": ["north", "south"]},
    geometry=[
        shapely.box(WEST + 700, SOUTH + 4200, WEST + 8000, SOUTH + 7900),
        shapely.box(WEST, SOUTH, WEST + 3300, SOUTH + 2500),
    ],
    crs=PROJ["sphere"],
)
AREAS = over_areas(DS, SHAPES, names="name", progress=False)


def test_swmm_runs_on_the_file_and_has_our_totals(tmp_path: Path) -> None:
    """EPA's engine reads each subcatchment's rain: totals within 0.1 %, and each interval where it fell."""
    export(AREAS, tmp_path / "rain.dat", tz="UTC+1")

    model = run_model(tmp_path, first="2020-06-13T00:55", hours=5)

    for name in ("north", "south"):
        ours = AREAS.YW.sel(area=name).values
        assert model.totals[name] == pytest.approx(float(ours.sum()), rel=1e-3)
        at = np.flatnonzero(model.reported == np.datetime64("2020-06-13T01:00"))[0]
        # SWMM reports at a time the rain of the interval that begins then
        np.testing.assert_allclose(rain_of_model(model, name)[at : at + 48], ours, atol=1e-4)


def test_label_and_zone_determine_the_written_times(tmp_path: Path) -> None:
    """The value of 00:00 to 00:05 UTC is written at 01:00 in UTC+1, and at 23:55 the day before in UTC-0:05."""
    wet = rain(np.full((3, 1, 1), 1.5))
    lon, lat = (float(degrees) for degrees in to_lonlat(wet.x[0], wet.y[0], "sphere"))
    one = at_points(wet, [(lon, lat)], progress=False)

    found = {}
    for zone in ("UTC+1", "UTC", "UTC-0:05"):
        export(one, tmp_path / "rain.dat", format="swmm", tz=zone, label="start")
        found[zone] = (tmp_path / "rain.dat").read_text("ascii").splitlines()[0]

    assert found == {
        "UTC+1": "0 2020 06 13 01 00 1.5000",
        "UTC": "0 2020 06 13 00 00 1.5000",
        "UTC-0:05": "0 2020 06 12 23 55 1.5000",
    }


def test_a_dry_station_does_not_stop_the_model(tmp_path: Path) -> None:
    """SWMM ends with an error where a station has no line, so the first and the last interval are written."""
    dry = AREAS.copy(deep=True)
    dry.YW.loc[{"area": "south"}] = 0
    export(dry, tmp_path / "rain.dat", tz="UTC")

    model = run_model(tmp_path, first="2020-06-13T00:00", hours=4)

    assert model.totals["south"] == 0


def test_a_companion_file_has_lines_for_the_model_and_facts(tmp_path: Path) -> None:
    """The companion file has the gages, and states stations, span, interval, zone, label and gaps."""
    export(AREAS, tmp_path / "rain.dat", tz="UTC+1")

    text = (tmp_path / "rain.dat.txt").read_text("utf-8")

    assert 'north VOLUME 0:05 1.0 FILE "rain.dat" north MM\n' in text
    assert (
        "2 stations, 2020-06-13 01:00 to 2020-06-13 05:00 UTC+1, mm in 5 min, times are the start of the "
        "interval, no gaps\n"
    ) in text


def test_a_lazy_series_writes_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lazy series that is read in many pieces is written as the same bytes."""
    whole = export(AREAS, tmp_path / "whole.dat", tz="UTC").read_bytes()
    monkeypatch.setattr("radar_nb.exports.rain._ROOM", 14)

    pieces = export(AREAS.chunk(time=5), tmp_path / "pieces.dat", tz="UTC").read_bytes()

    assert pieces == whole


HOLED = AREAS.copy(deep=True)
HOLED.YW[5, 1] = np.nan
NOTHING = AREAS.copy(deep=True)
NOTHING.YW[:, 1] = np.nan
NEGATIVE = AREAS.copy(deep=True)
NEGATIVE.YW[3, 0] = -0.5
RATE = AREAS.assign(YW=AREAS.YW.assign_attrs(units="mm/h", cell_methods="time: mean"))
HOLEY = AREAS.isel(time=[0, 1, 3, 4])
TWICE = AREAS.assign_coords(area=["a", "A"])
SPACED = AREAS.assign_coords(area=["a", "Bad Aibling"])
UTC = {"tz": "UTC"}

REFUSED: list[tuple[Any, dict[str, str], type[Exception], str]] = [
    (AREAS, {}, SettingsError, r'zone of the model\'s times is not stated: pass tz="UTC\+1"'),
    (AREAS, {"tz": "Europe/Berlin"}, SettingsError, "'Europe/Berlin' is not a fixed distance to UTC: pass"),
    (AREAS, {**UTC, "label": "end"}, SettingsError, "label='end' would shift the rain by one interval"),
    (AREAS, {**UTC, "label": "middle"}, SettingsError, "unknown label='middle': choose"),
    (AREAS, {**UTC, "gaps": "keep"}, SettingsError, "unknown gaps='keep': choose"),
    (AREAS, {**UTC, "format": "mouse"}, SettingsError, "unknown format='mouse': choose one of swmm"),
    (HOLED, UTC, SeriesError, "'south' has no value from 2020-06-13 00:25 UTC to .* no code for missing"),
    (HOLEY, UTC, SeriesError, "'north' has no value from 2020-06-13 00:10 UTC"),
    (NOTHING, {**UTC, "gaps": "zero"}, SeriesError, "'south' has no value at all: leave it out"),
    (NEGATIVE, UTC, SeriesError, "-0.5 mm at 'north', 2020-06-13T00:15:00 UTC, cannot stand in SWMM"),
    (RATE, UTC, SeriesError, r"'YW' is in 'mm/h' .* its rate \(to_rate\)"),
    (DS, UTC, SeriesError, "'YW' has the dimensions time, y, x, .* use at_points or over_areas first"),
    (TWICE, UTC, SeriesError, r"two stations have the name 'A' \(or 'a'\)"),
    (SPACED, UTC, SeriesError, "'Bad Aibling' cannot stand in SWMM"),
]


@pytest.mark.parametrize(("data", "options", "error", "text"), REFUSED)
def test_input_that_the_model_would_misread_raises(
    data: xr.Dataset, options: dict[str, Any], error: type[Exception], text: str, tmp_path: Path
) -> None:
    """Each message has a remedy, and no file is written."""
    with pytest.raises(error, match=text):
        export(data, tmp_path / "rain.dat", **options)

    assert list(tmp_path.iterdir()) == []


def test_gaps_are_zero_only_on_request(tmp_path: Path) -> None:
    """With gaps="zero" the model gets 0 mm, and the companion file states how often."""
    export(HOLED, tmp_path / "rain.dat", tz="UTC", gaps="zero")

    model = run_model(tmp_path, first="2020-06-13T00:00", hours=4)

    assert model.totals["south"] == pytest.approx(float(HOLED.YW.sel(area="south").sum()), rel=1e-3)
    assert "1 missing intervals written as 0 mm" in (tmp_path / "rain.dat.txt").read_text("utf-8")


def test_a_refused_export_leaves_the_previous_file(tmp_path: Path) -> None:
    """A file of an earlier call is replaced by a complete one or not at all."""
    before = export(AREAS, tmp_path / "rain.dat", tz="UTC").read_bytes()

    with pytest.raises(SeriesError):
        export(HOLED, tmp_path / "rain.dat", tz="UTC")

    assert (tmp_path / "rain.dat").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rain.dat", "rain.dat.txt"]
