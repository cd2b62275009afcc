"""A small model of EPA SWMM around a rain file that radar_nb wrote, run by EPA's engine (swmm-toolkit)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_OPTIONS = """\
[OPTIONS]
FLOW_UNITS CMS
INFILTRATION HORTON
FLOW_ROUTING KINWAVE
START_DATE {first:%m/%d/%Y}
START_TIME {first:%H:%M:%S}
REPORT_START_DATE {first:%m/%d/%Y}
REPORT_START_TIME {first:%H:%M:%S}
END_DATE {last:%m/%d/%Y}
END_TIME {last:%H:%M:%S}
REPORT_STEP 00:05:00
WET_STEP 00:05:00
DRY_STEP 00:05:00
ROUTING_STEP 60
[EVAPORATION]
CONSTANT 0.0
[OUTFALLS]
O 0 FREE NO
[REPORT]
SUBCATCHMENTS ALL
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A finished run: the total rain of each subcatchment in mm, the file and the times of its results."""

    totals: dict[str, float]
    results: Path
    reported: NDArray[np.datetime64]
    names: list[str]


def run_model(folder: Path, *, first: str, hours: int, companion: str = "rain.dat.txt") -> Model:
    """Run a model with one subcatchment per gage, with the gages of the companion text."""
    solver = pytest.importorskip("swmm.toolkit.solver", reason="EPA's engine needs swmm-toolkit (extra dev)")
    gages = (folder / companion).read_text("utf-8")
    names = re.findall(r"^(\S+) VOLUME ", gages, re.MULTILINE)
    begin = np.datetime64(first).astype("M8[s]").item()
    last = (np.datetime64(first) + np.timedelta64(hours, "h")).astype("M8[s]").item()
    tables = {
        "SUBCATCHMENTS": "{0}s {0} O 10 50 100 0.5 0",
        "SUBAREAS": "{0}s 0.01 0.1 0 0 100 OUTLET",
        "INFILTRATION": "{0}s 3 0.5 4 7 0",
    }
    text = _OPTIONS.format(first=begin, last=last) + gages.replace('FILE "', f'FILE "{folder}/')
    for title, line in tables.items():
        text += f"[{title}]\n" + "".join(line.format(name) + "\n" for name in names)
    (folder / "model.inp").write_text(text, "utf-8")
    paths = [str(folder / f"model.{suffix}") for suffix in ("inp", "rpt", "out")]
    solver.swmm_run(*paths)
    report = (folder / "model.rpt").read_text("latin-1")
    rows = report.split("Subcatchment Runoff Summary")[1].split("Analysis begun")[0]
    totals = {name: float(re.search(rf"^\s*{re.escape(name)}s\s+(\S+)", rows, re.MULTILINE)[1]) for name in names}  # type: ignore[index] # absent: the test fails
    reported = np.datetime64(first) + np.timedelta64(5, "m") * np.arange(1, 12 * hours + 1)
    return Model(totals=totals, results=folder / "model.out", reported=reported, names=names)


def rain_of_model(model: Model, name: str) -> NDArray[np.float64]:
    """Return the rain in each 5 minutes that the model used, in mm."""
    output: Any = pytest.importorskip("swmm.toolkit.output")
    enums: Any = pytest.importorskip("swmm.toolkit.shared_enum")
    handle = output.init()
    output.open(handle, str(model.results))
    try:
        count = output.get_times(handle, enums.Time.NUM_PERIODS)
        number = model.names.index(name)
        rates = output.get_subcatch_series(handle, number, enums.SubcatchAttribute.RAINFALL, 0, count - 1)
    finally:
        output.close(handle)
    return np.array(rates) / 12  # mm/h to mm in 5 min
