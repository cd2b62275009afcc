"""Laws of the command line: what it prints, what it returns, how it fails."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import xarray as xr

from radar_nb.cli import main
from radar_nb.errors import UnknownProduct
from radar_nb.mirror import Mirror
from radar_nb.reductions import reduce

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server(real_mirror: Path) -> Iterator[str]:
    """Serve the real mirror on this machine."""
    with Mirror(real_mirror) as mirror:
        yield mirror.url


def test_the_main_road(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The README's commands, one after the other, each return 0 and leave what they promise."""
    where = ["--base-url", server, "--folder", str(tmp_path)]
    folder = tmp_path / "climate_environment/CDC/grids_germany/hourly/radolan/reproc/2017_002/bin/2017"
    path = folder / "RW2017.002_201712.tar.gz"

    assert main(["plan", "RW", "2017-12", "--source", "radklim", *where]) == 0
    assert main(["download", "RW", "2017-12", *where]) == 0
    assert main(["extract", str(path)]) == 0
    assert main(["info", str(path.with_name("RW2017.002_201712"))]) == 0
    assert (
        main(["plot", str(tmp_path), "--time", "2017-12-31T08:50", "--output", str(tmp_path / "a" / "b.png")]) == 0
    )

    printed = capsys.readouterr().out
    assert "RW2017.002_201712.tar.gz" in printed
    assert "48" in printed
    assert len(list(path.with_name("RW2017.002_201712").iterdir())) == 48
    assert (tmp_path / "a" / "b.png").read_bytes().startswith(b"\x89PNG")


def test_accumulate_writes_a_file_that_can_be_read(
    real_mirror: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The netCDF holds what `reduce` gives, and one line says what was written."""
    source = real_mirror / "climate_environment/CDC/grids_germany/hourly/radolan/reproc/2017_002/bin/2017"
    path = tmp_path / "a" / "total.nc"
    arguments = ["accumulate", str(source), "--to", str(path), "--how", "sum", "count", "--threshold", "0.1", "1"]

    assert main([*arguments, "--period", "1D", "--product", "rw"]) == 0

    expected = reduce(source, ["sum", "count"], period="1D", threshold=[0.1, 1.0], progress=False)
    with xr.open_dataset(path) as again:
        xr.testing.assert_identical(again.load(), expected)
    (line,) = capsys.readouterr().out.strip().splitlines()
    assert line == f"{path}: RW_sum, RW_count, 2 periods, 2017-12-30T00:00 to 2018-01-01T00:00 UTC"
    assert [entry.name for entry in path.parent.iterdir()] == ["total.nc"]


def test_json_can_be_read_by_a_program(server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--json prints one JSON value for plan, download and info."""
    where = ["--base-url", server, "--folder", str(tmp_path), "--json"]

    assert main(["plan", "RW", "2017-12", *where]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert main(["download", "RW", "2017-12", *where]) == 0
    report = json.loads(capsys.readouterr().out)
    assert main(["info", report["outcomes"][0]["path"], "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)

    assert plan["archives"][0]["url"].startswith(server)
    assert report["outcomes"][0]["state"] == "done"
    assert (facts["product"], facts["frames"], facts["frames missing"]) == ("RW", 48, 0)


def test_the_products(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a path, info shows the products; with a product's name, that product."""
    assert main(["info"]) == 0
    assert main(["info", "sf"]) == 0

    printed = capsys.readouterr().out
    assert "5-minute precipitation, gauge-adjusted" in printed
    assert "RADOLAN: the operational series" in printed


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["plan", "YX", "2020-06"], "'YX' is no product that radar_nb knows: did you mean"),
        (["plan", "YW", "June"], "'June' is no month: write YYYY-MM"),
        (["download", "YW", "2020-06", "--base-url", "http://127.0.0.1:9"], "127.0.0.1:9"),
        (["extract", "nowhere.tar"], "nowhere.tar"),
        (["info", "nowhere.tar"], "is no product that radar_nb knows"),
        (["plot", "nowhere"], "nowhere does not exist"),
        (["accumulate", "nowhere", "--to", "a.nc"], "nowhere does not exist"),
        (["accumulate", "nowhere", "--to", "a.nc", "--threshold", "1"], 'is for how="count"'),
    ],
)
def test_a_failure_is_one_line_and_a_one(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What fails returns 1, says why in one line, and shows no traceback."""
    assert main(arguments) == 1

    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("radar-nb: ")
    assert text in line


def test_a_time_without_a_field(real_frames: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Plot with a time that is not there says which are."""
    path = str(real_frames / "raa01-yw2017.002_10000-2006131525-dwd---bin")

    assert main(["plot", path, "--time", "2020-06-13T15:27"]) == 1

    assert "2020-06-13" in capsys.readouterr().err


def test_debug_shows_the_traceback() -> None:
    """--debug lets the error through."""
    with pytest.raises(UnknownProduct, match="'YX'"):
        main(["plan", "YX", "2020-06", "--debug"])


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([name, "--help"] for name in (
    "plan", "download", "extract", "info", "plot", "accumulate", "mirror", "demo"))])  # fmt: skip
def test_help_teaches(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Every command has a help that ends the process with 0."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 0
    assert "radar-nb" in capsys.readouterr().out
