"""Commands on forecasts: one run, or one lead time of many runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import xarray as xr
from support.frames import frame, save

import radar_nb as rn
from radar_nb.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

RQ = {"product": "RQ", "rows": 450, "cols": 450, "precision": -1, "interval": 60}


@pytest.fixture
def runs(tmp_path: Path) -> str:
    """Return two runs of RQ, an hour apart, of three lead times."""
    pairs = [(hour, lead) for hour in (15, 16) for lead in (0, 60, 120)]
    frames = (frame(f"2020-06-13T{hour}:00", hour + lead, lead=lead, **RQ) for hour, lead in pairs)
    return str(save(tmp_path / "runs", *frames))


def test_accumulate_sums_a_run_or_a_lead_time(runs: str, tmp_path: Path) -> None:
    """`--run` sums the hours that are ahead, `--lead` the hours of all runs."""
    assert main(["accumulate", runs, "--to", str(tmp_path / "run.nc"), "--run", "latest"]) == 0
    assert main(["accumulate", runs, "--to", str(tmp_path / "lead.nc"), "--lead", "1h"]) == 0

    with xr.open_dataset(tmp_path / "run.nc") as run, xr.open_dataset(tmp_path / "lead.nc") as lead:
        assert float(run.RQ[0, 0]) == pytest.approx((16 + 60 + 16 + 120) / 10)
        assert float(lead.RQ[0, 0]) == pytest.approx((15 + 60 + 16 + 60) / 10)


def test_plot_draws_a_run_or_a_lead_time(runs: str, tmp_path: Path) -> None:
    """Plot draws the first lead time of a run unless one is chosen; a lead time is chosen by its valid time."""
    ways = (
        ["--run", "latest"],
        ["--run", "latest", "--lead", "1h"],
        ["--lead", "1h", "--time", "2020-06-13T16:00"],
    )
    for number, options in enumerate(ways):
        picture = tmp_path / f"{number}.png"
        assert main(["plot", runs, *options, "--output", str(picture), "--dpi", "30"]) == 0
        assert picture.stat().st_size > 1000


def test_verify_compares_the_leads_with_lead_zero(
    runs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run of 15:00 was 4.4 mm too high for 16:00; another analysis may be named; JSON has numbers."""
    assert main(["verify", runs, "--thresholds", "0.1", "--scales", "2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)

    assert [(row["lead min"], row["fields"]) for row in rows] == [(0.0, 2.0), (60.0, 1.0)]
    assert rows[1]["bias"] == pytest.approx((15 + 60 - 16) / 10)
    assert rows[1]["CSI 0.1 mm"] == rows[1]["FSS 0.1 mm 2 km"] == 1.0

    analysis = save(tmp_path / "truth", frame("2020-06-13T16:00", 75, **RQ))
    assert main(["verify", runs, "--analysis", str(analysis), "--thresholds", "0.1", "--scales", "2"]) == 0
    assert "lead min  fields  bias" in (printed := capsys.readouterr().out)
    assert "60        1       0 " in printed


def test_what_reads_a_source_reads_a_run_or_a_lead_time(
    runs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every command that reads a series takes `--run` or `--lead`, and reads what Python reads with it."""
    for name in ("points", "areas", "exceedance", "events", "check", "compare", "export", "export-grid"):
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        text = capsys.readouterr().out
        assert ("--run UTC" in text, "--lead LENGTH" in text) == (True, True), name

    for number, choice in enumerate((["--run", "latest"], ["--lead", "1h"])):
        target = tmp_path / f"{number}.csv"
        assert main(["export", runs, *choice, "--place", "Leipzig", "--output", str(target)]) == 0
        assert main(["check", runs, *choice, "--from", "2020-06-13"]) == 0
        assert main(["events", runs, *choice, "--threshold", "0.1"]) == 0

        values = [float(line.split(",")[-1]) for line in target.read_text("utf-8").splitlines()[-2:]]
        assert values == [[7.6, 13.6], [7.5, 7.6]][number]


def test_a_cube_of_one_lead_time_is_built(runs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`cube build --lead` stores the lead time of all runs."""
    store = tmp_path / "RQ.zarr"

    assert main(["cube", "build", str(store), runs, "--lead", "2h"]) == 0

    assert [str(time)[11:16] for time in rn.open_cube(store).time.values] == ["17:00", "18:00"]
    assert main(["check", str(store), "--lead", "1h"]) == 1
    assert f"--lead 1h does not apply to the cube {store}: leave out --lead" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (
            ["plot"],
            "2 runs, issued from 2020-06-13 15:00 UTC to 2020-06-13 16:00 UTC: choose one with --run",
        ),
        (
            ["plot", "--lead", "1h"],
            "2 times, from 2020-06-13 16:00 UTC to 2020-06-13 17:00 UTC: choose one",
        ),
        (
            ["plot", "--run", "latest", "--lead", "30min"],
            "no lead time of 30 min: choose one of 0, 60, 120 min",
        ),
        (["accumulate", "--to", "x.nc"], "choose --run 2020-06-13T16:00 or --run latest"),
        (["check"], "or --lead 120min for one lead time\n"),
        (["points", "--place", "Leipzig", "--run", "latest", "--lead", "1h"], "--run latest and --lead 1h choose"),
        (["plot", "--day", "2020-06-13", "--lead", "1h"], "only 8 % of 2020-06-13 (UTC) is in the data"),
        (["accumulate", "--to", "x.nc", "--lead", "30"], "--lead 30 is not a lead time"),
    ],
)
def test_a_missing_choice_is_reported_with_its_option(
    runs: str, command: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """For several runs or lead times the error names the command's option."""
    assert main([command[0], runs, *command[1:]]) == 1

    assert text in capsys.readouterr().err


def test_only_forecasts_have_lead_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A product without forecasts accepts neither option."""
    assert main(["plot", str(save(tmp_path / "yw", frame())), "--lead", "1h"]) == 1

    assert "YW is not a forecast: leave out --run and --lead" in capsys.readouterr().err
