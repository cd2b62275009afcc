"""`points` shows the values of products that have no sum."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

import radar_nb as rn
from radar_nb.cli.main import main
from radar_nb.mirror.frames import synthetic_frames

if TYPE_CHECKING:
    from pathlib import Path

MOMENT = np.datetime64("2020-06-13T15:50:00")


def test_points_shows_reflectivity_and_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A reflectivity is shown in dBZ and a class by its meaning, as `at_points` returns them, at their time."""
    ((_, echo),) = synthetic_frames("RX", [MOMENT])
    ((_, kinds),) = synthetic_frames("HYMECNG", [MOMENT], hdf5=True)
    names = {"raa01-rx_10000-2006131550-dwd---bin": echo, "composite_HymecNG_20200613_1550_000-hd5": kinds}
    shown = []
    for name, data in names.items():
        (tmp_path / name).write_bytes(data)
        assert main(["points", str(tmp_path / name), "--lonlat", "9.5", "51.3", "--json"]) == 0
        shown += json.loads(capsys.readouterr().out)
        series = rn.at_points(tmp_path / name, {"there": (9.5, 51.3)}, progress=False)
        (variable,) = series.data_vars.values()
        assert shown[-1]["value"] == pytest.approx(float(variable.values.item()), abs=1e-3)
        assert main(["points", str(tmp_path / name), "--lonlat", "9.5", "51.3"]) == 0
        table = capsys.readouterr().out
        assert (shown[-1]["class"] or f"{shown[-1]['value']:g} dBZ") in table

    assert [row["time"] for row in shown] == ["2020-06-13 15:50"] * 2
    assert [row["unit"] for row in shown] == ["dBZ", "1"]
    assert shown[1]["class"] in {"no_precipitation", "drizzle", "rain", "hail", "large_hail"}


def test_points_adds_no_reflectivity_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With a period, a reflectivity is refused, since it has no sum."""
    ((_, echo),) = synthetic_frames("RX", [MOMENT])
    path = tmp_path / "raa01-rx_10000-2006131550-dwd---bin"
    path.write_bytes(echo)

    assert main(["points", str(path), "--lonlat", "9.5", "51.3", "--period", "1h"]) == 1
    assert "only amounts in mm can be summed" in capsys.readouterr().err
