"""The commands that analyse print what Python returns."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # as in the package
import pytest
import xarray as xr
from support import cubes
from support.frames import frame, save

import radar_nb as rn
from radar_nb.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

HOURS = tuple(f"{hour:02d}:50" for hour in range(24))
PLACE = "9.5 51.5"


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return an archive of a day of RW."""
    return str(cubes.archive(tmp_path_factory.mktemp("rw") / "RW201910.tar.gz", ["2019-10-14"], hours=HOURS))


@pytest.fixture(scope="module")
def wettest(day: str) -> tuple[float, float]:
    """Return the place where most fell."""
    ds = rn.open_dataset(day, lonlat=True, progress=False)
    total = ds.RW.sum("time").compute()
    at = total.argmax(("y", "x"))
    return float(ds.lon[at["y"], at["x"]]), float(ds.lat[at["y"], at["x"]])


def printed(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run a command and return what it printed."""
    assert main(list(words)) == code
    return capsys.readouterr().out


def test_exceedance(
    day: str, wettest: tuple[float, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counts, times and the largest amount at a place, in JSON and in local time; all cells go to a file."""
    lonlat = ["--lonlat", *map(str, wettest)]
    found = rn.exceedance(rn.at_points(day, [wettest], progress=False), [1, 100], "2h", progress=False).isel(
        point=0
    )

    rows = json.loads(
        printed(capsys, "exceedance", day, *lonlat, "--thresholds", "1", "100", "--duration", "2h", "--json")
    )
    text = printed(
        capsys, "exceedance", day, *lonlat, "--thresholds", "1", "--duration", "2h", "--timezone", "Europe/Berlin"
    )
    out = tmp_path / "counts.nc"
    printed(capsys, "exceedance", day, "--thresholds", "dwd-heavy-rain", "--duration", "1h", "--output", str(out))

    assert [row["RW"] for row in rows] == found.RW.to_numpy().tolist()
    assert [row["threshold"] for row in rows] == [1, 100]
    assert rows[0]["first"] == f"{found['first'].to_numpy()[0].astype('datetime64[s]')}Z"
    assert rows[0]["maximum"] == round(float(found.maximum), 2)  # not 9.920000076
    assert "CEST" in text
    with xr.open_dataset(out, decode_timedelta=True) as whole:
        assert whole.sizes["threshold"] == 3
    assert main(["exceedance", day, "--thresholds", "1"]) == 1
    assert "choose --output, such as counts.nc, or places with --place" in capsys.readouterr().err
    assert main(["exceedance", day, *lonlat, "--thresholds", "much"]) == 1
    assert "--thresholds much is not a number" in capsys.readouterr().err


def test_events(day: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The events with the most water are listed in the order of time."""
    found = rn.events(day, 20.0, min_area=10, progress=False)

    rows = json.loads(
        printed(capsys, "events", day, "--threshold", "20", "--min-area", "10", "--json", "--most", "9")
    )
    text = printed(capsys, "events", day, "--threshold", "20", "--min-area", "10", "--most", "1")

    most = found.nlargest(9, "volume").sort_values(["begin", "end"])
    assert [row["volume"] for row in rows] == most.volume.tolist()
    assert rows[0]["begin"] == f"{most.begin.iloc[0].isoformat()}Z"
    assert len(rows[0]["path"][0]) == 3
    assert text.startswith(f"{len(found)} events of at least 20 mm in 60 min")
    assert "the 1 with the most water (--most)" in text


def test_check(day: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A good series ends with 0, one with a frame that is frozen with 1."""
    rows = json.loads(printed(capsys, "check", day, "--json"))
    frozen = save(tmp_path / "frozen", frame("2020-06-13T00:05"), frame("2020-06-13T00:10"))

    assert [row["verdict"] for row in rows if row["looked at"] == "gaps"] == ["good"]
    assert "frozen" in printed(capsys, "check", str(frozen), code=1)


def test_return_levels(wettest: tuple[float, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Amounts are those of Python; warnings go to standard error."""
    for year in range(2010, 2016):
        cubes.archive(tmp_path / f"RW{year}06.tar.gz", [f"{year}-06-13"], seed=100 * year, hours=HOURS[::8])
    words = [
        "return-levels",
        str(tmp_path),
        "--lonlat",
        *map(str, wettest),
        "--durations",
        "1h",
        "--min-coverage",
        "0",
    ]

    code = main([*words, "--return-periods", "2", "5", "--json"])

    captured = capsys.readouterr()
    series = rn.at_points(tmp_path, [wettest], progress=False)
    maxima = rn.annual_maxima(series, ["1h"], min_coverage=0, progress=False)
    with pytest.warns(UserWarning, match="years"):
        levels = rn.return_levels(maxima, [2, 5])
    rows = json.loads(captured.out)
    assert code == 0
    np.testing.assert_allclose(
        [row["level"] or np.nan for row in rows], levels.level.to_numpy().ravel(), rtol=1e-6
    )
    assert {row["duration"] for row in rows} == {60.0}


def test_compare(
    day: str, wettest: tuple[float, float], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Scores are those of Python; the picture is drawn; what is not stated is named by its option."""
    times = pd.date_range("2019-10-13T23:00", "2019-10-15T00:00", freq="10min")
    pd.DataFrame({"date": times, "7": 0.5}).to_csv(tmp_path / "gauges.csv", index=False)
    (tmp_path / "stations.csv").write_text(f"id;lon;lat\n007;{wettest[0]};{wettest[1]}\n", "utf-8")
    words = ["--gauges", str(tmp_path / "gauges.csv"), "--stations", str(tmp_path / "stations.csv")]
    stated = [*words, "--label", "end", "--timezone", "UTC"]

    found = json.loads(printed(capsys, "compare", day, *stated, "--json", "--picture", str(tmp_path / "a.png")))

    expected = rn.compare(
        day, tmp_path / "gauges.csv", {"7": wettest}, label="end", timezone="UTC", progress=False
    )
    assert found["scores"]["7"]["bias"] == pytest.approx(expected.scores["7"]["bias"])
    assert (tmp_path / "a.png").stat().st_size > 10_000
    for less, text in (
        (words, "pass --label end or --label start"),
        (stated[:-2], "state their zone, --timezone UTC"),
    ):
        assert main(["compare", day, *less]) == 1
        assert text in capsys.readouterr().err


def test_a_folder_of_two_products_is_one_sentence_or_one_summary_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`info` describes each product; other commands name the products and the option in one line."""
    folder = save(
        tmp_path / "both", frame("2020-06-13T00:05"), frame("2020-06-13T00:50", product="RW", interval=60)
    )

    facts = json.loads(printed(capsys, "info", str(folder), "--json"))
    assert [one["product"] for one in facts] == ["RW", "YW"]
    for words in (
        ["plot"],
        ["accumulate", "--to", str(tmp_path / "a.nc")],
        ["points", "--place", "Leipzig"],
        ["check"],
    ):
        assert main([words[0], str(folder), *words[1:]]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert "2 products, RW (1 frame), YW (1 frame): choose one, such as --product RW" in line
    assert "YW" in printed(capsys, "points", str(folder), "--place", "Leipzig", "--product", "YW")


def test_catalogue(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The most extreme events are a table or JSON; all go to a file, and on a map."""
    maxima = xr.DataArray(
        np.random.default_rng(0).gumbel(330.0, 5, (25, 1)), dims=("year", "duration"),
        coords={"duration": np.array([1], "m8[h]").astype("m8[ns]")}, attrs={"units": "mm"},
    )  # fmt: skip
    levels = rn.return_levels(maxima, [2, 5], resamples=0)
    file, output = str(tmp_path / "levels.nc"), str(tmp_path / "events.csv")
    rn.export(levels, file)
    hours = str(cubes.archive(tmp_path / "RW201910.tar.gz", ["2019-10-14"], hours=HOURS[:2]))
    found = rn.heavy_rain_catalogue(hours, "T5", levels=levels, durations=["1h"], progress=False)
    words = ["catalogue", hours, "--thresholds", "T5", "--levels", file, "--durations", "1h", "--most", "2"]

    rows = json.loads(printed(capsys, *words, "--json"))
    assert [row["Event_ID"] for row in rows] == sorted(found.Event_ID[found.Eta.nlargest(2).index])
    assert rows[0]["Start_Time"].endswith(":50:00Z")
    text = printed(capsys, *words, "--timezone", "Europe/Berlin")
    assert f"{len(found)} heavy rain events, T5" in text
    assert "the 2 with the largest Eta (--most)" in text
    printed(capsys, *words, "--output", output, "--picture", str(tmp_path / "map.png"))
    assert len(pd.read_csv(output)) == len(found)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    assert main([*words, "--output", str(tmp_path / "events.doc")]) == 1
    assert "is not a form of shapes: choose .gpkg" in capsys.readouterr().err
