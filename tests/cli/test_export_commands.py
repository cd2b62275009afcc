"""Commands that write rain for models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import pytest
import shapely
import xarray as xr
from support.frames import frame, save

from radar_nb.cli.main import main
from radar_nb.dwd.grids import GRIDS, PROJ

if TYPE_CHECKING:
    from pathlib import Path

GRID = GRIDS["de900"]
WEST, SOUTH = float(GRID.x[400]), float(GRID.y[400])


@pytest.fixture
def data(tmp_path: Path) -> str:
    """Return a folder of six frames of 5 minutes."""
    frames = [frame(f"2020-06-13T00:{minute:02d}", minute) for minute in range(0, 30, 5)]
    return str(save(tmp_path / "frames", *frames))


@pytest.fixture
def areas(tmp_path: Path) -> str:
    """Return a file of two subcatchments in UTM."""
    shapes = [shapely.box(WEST + k * 9000, SOUTH, WEST + (k + 1) * 9000, SOUTH + 9000) for k in (0, 1)]
    table = gpd.GeoDataFrame({"name": ["a", "b"]}, geometry=shapes, crs=PROJ["sphere"]).to_crs("EPSG:25832")
    table.to_file(tmp_path / "areas.gpkg")
    return str(tmp_path / "areas.gpkg")


def test_export_writes_a_models_rain_and_describes_it(
    data: str, areas: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Frames and polygons become the model's file; a sentence states span, interval, zone, label and gaps."""
    path = tmp_path / "r.dat"

    words = ["--areas", areas, "--names", "name", "--tz", "UTC+1", "--format", "swmm", "--label", "start"]
    code = main(["export", data, *words, "--output", str(path)])

    assert code == 0
    assert capsys.readouterr().out.endswith(
        "r.dat: 2 stations, 2020-06-13 00:55 to 2020-06-13 01:25 UTC+1, mm in 5 min, "
        "times are the start of the interval, no gaps\n"
    )
    assert path.read_text("ascii").splitlines()[1].startswith("a 2020 06 13 01 00 ")


def test_export_writes_points_as_a_table(data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A CSV of points is exported as a table with one column per point."""
    (tmp_path / "points.csv").write_text("name,lon,lat\nKöln,6.96,50.94\n", "utf-8")

    code = main(["export", data, "--points", str(tmp_path / "points.csv"), "--output", str(tmp_path / "rain.csv")])

    assert code == 0
    assert "6 times, end of the interval, UTC" in capsys.readouterr().out
    assert "time,Köln\n" in (tmp_path / "rain.csv").read_text("utf-8")


def test_export_writes_local_times_of_a_span_for_german_excel(data: str, tmp_path: Path) -> None:
    """`--from` and `--to` are times of `--timezone`; `--sep` and `--decimal` are those of `export`."""
    path = tmp_path / "rain.csv"
    span = ["--from", "2020-06-13T02:00", "--to", "2020-06-13T02:10", "--timezone", "Europe/Berlin"]

    assert (
        main(["export", data, "--place", "Köln", *span, "--sep", ";", "--decimal", ",", "--output", str(path)])
        == 0
    )

    assert path.read_text("utf-8-sig").splitlines()[1:] == [
        "time;date;Köln",
        "2020-06-13T02:05:00+02:00;2020-06-13;0,05",
        "2020-06-13T02:10:00+02:00;2020-06-13;0,1",
    ]


def test_export_sums_local_days(data: str, tmp_path: Path) -> None:
    """`--period` with `--timezone` writes the days of `accumulate`."""
    path = tmp_path / "rain.csv"
    words = ["--place", "Köln", "--period", "1D", "--timezone", "Europe/Berlin", "--min-coverage", "0"]

    assert main(["export", data, *words, "--output", str(path)]) == 0

    rows = [line.split(",")[:2] for line in path.read_text("utf-8").splitlines()[2:]]
    assert rows == [["2020-06-13T00:00:00+02:00", "2020-06-13"]]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--from", "yesterday"], "'yesterday' is not a time: write it as 2020-06-13"),
        (["--from", "2021"], "'2021' is not a time"),
        (["--from", "2021-01-01"], "choose some from 2020-06-12 23:55 UTC to 2020-06-13 00:25 UTC"),
        (["--from", "2020-06-14", "--to", "2020-06-13"], "is not before --to 2020-06-13"),
        (["--from", "2020-10-25T02:30", "--timezone", "Europe/Berlin"], "is twice on the clock of Europe/Berlin"),
        (["--timezone", "Berlin"], "unknown --timezone Berlin"),
        (["--decimal", ","], "choose --sep ; as German Excel has it"),
    ],
)
def test_a_wrong_span_or_style_of_a_table_is_one_sentence(
    words: list[str], text: str, data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the option, the value and what is possible; nothing is written."""
    assert main(["export", data, "--place", "Köln", *words, "--output", str(tmp_path / "rain.csv")]) == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert text in line
    assert not (tmp_path / "rain.csv").exists()


def test_areas_without_names_say_how_to_name_them(
    data: str, areas: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Areas that a file only numbers come with the option that names them; named ones do not."""
    numbered = str(tmp_path / "numbered.gpkg")
    gpd.read_file(areas).rename(columns={"name": "code"}).to_file(numbered)
    assert main(["areas", data, "--areas", numbered]) == 0
    assert "--names chooses a column" in capsys.readouterr().out
    assert main(["areas", data, "--areas", numbered, "--names", "code"]) == 0
    assert "--names" not in capsys.readouterr().out
    assert main(["areas", data, "--areas", areas, "--names", "name"]) == 0
    assert "--names" not in capsys.readouterr().out


def test_export_grid_writes_a_models_rain_and_describes_it(
    data: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Frames become a grid in the model's projection; a sentence states cells, span, unit, gaps and mass error."""
    path = tmp_path / "rain.nc"

    words = ["--model", "sfincs", "--crs", "25832", "--cell", "1000", "--extent", "400000", "5600000"]
    code = main(["export-grid", data, *words, "420000", "5610000", "--output", str(path)])

    assert code == 0
    out = capsys.readouterr().out
    assert "rain.nc: 10 x 20 cells of 1000 m in ETRS89 / UTM zone 32N, 2020-06-12 23:55 UTC to" in out
    assert "mm/h in 5 min, times are the start of the interval, no gaps, mass error" in out
    with xr.open_dataset(path) as found:
        assert found.Precipitation.shape == (7, 10, 20)


REFUSED = [
    ("r.dat", [], "zone of the model's times is not stated: pass --tz UTC+1"),
    ("r.dat", ["--tz", "UTC", "--label", "end"], "--label end would shift the rain by one interval"),
    ("r.reg", ["--tz", "UTC"], "r.reg: choose one of the suffixes"),
    ("r.csv", ["--tz", "UTC"], "are for formats of models: leave them out"),
    ("r.reg", ["--tz", "UTC", "--format", "smusi"], "SMUSI's rain file holds one station"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case[-1])
def test_errors_of_export_name_options(
    case: tuple[str, list[str], str], data: str, areas: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Messages name options, not Python's arguments."""
    name, words, text = case

    code = main(["export", data, "--areas", areas, "--names", "name", *words, "--output", str(tmp_path / name)])

    assert code == 1
    assert text in capsys.readouterr().err
