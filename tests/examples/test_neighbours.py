"""Datasets in other packages: the sections of docs/neighbours.md, if their package is installed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.pages import DOCS, fits, run

import radar_nb as rn

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["support.pages_served"]
pytestmark = [
    pytest.mark.usefixtures("served"),
    pytest.mark.filterwarnings("default"),  # warnings of other packages
]

PAGE = (DOCS / "neighbours.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## (\w+).*\n((?:(?!^## ).*\n)*)", PAGE, re.MULTILINE))
STATIONS = {
    "01048": ("Dresden", 13.74, 51.05),
    "05779": ("Leipzig", 12.37, 51.34),
    "02932": ("Jena", 11.59, 50.93),
}


def check(section: str, **given: Any) -> None:
    """Run a section and compare its output."""
    for output in run(SECTIONS[section], **given):
        assert fits(output), f"printed {output.text}"


def test_wradlib_turns_our_rates_into_reflectivity_and_merges_gauges(tmp_path: Path) -> None:
    """The accessor `.wrl` and the functions on arrays accept our fields unchanged."""
    pytest.importorskip("wradlib")

    check("wradlib")


def test_gauges_of_wetterdienst_are_compared_with_our_pixels() -> None:
    """Tables in wetterdienst's form join our series at the same hours, and gauges of the same rain agree."""
    polars = pytest.importorskip("polars")
    schema = pytest.importorskip("wetterdienst.model.schema")
    request = pytest.importorskip("wetterdienst.provider.dwd.observation").DwdObservationRequest(
        parameters=[("10_minutes", "precipitation", "precipitation_amount")], start="2020-06-13", end="2020-06-14"
    )
    stations = polars.DataFrame(
        [
            {"station_id": id_, "name": name, "longitude": lon, "latitude": lat}
            for id_, (name, lon, lat) in STATIONS.items()
        ],
        schema={name: schema.STATIONS_SCHEMA[name] for name in ("station_id", "name", "longitude", "latitude")},
    )
    values = polars.DataFrame(_measured(), schema=schema.LONG_SCHEMA)

    assert request.parameters[0].unit == "millimeter"
    check("wetterdienst", stations=stations, values=values)


def test_pysteps_extrapolates_our_fields() -> None:
    """A step extrapolated by pysteps has a smaller error than the last field unchanged."""
    pytest.importorskip("pysteps")

    check("pysteps")


def _measured() -> list[dict[str, Any]]:
    """Return values of gauges that catch a tenth less than the pixels, every ten minutes."""
    places = {id_: (lon, lat) for id_, (_, lon, lat) in STATIONS.items()}
    rain = rn.at_points(rn.load("YW", "2020-06", progress=False), places, progress=False).YW
    tens = rain.resample(time="10min", closed="right", label="right").sum()
    return [
        {
            "station_id": id_,
            "resolution": "10_minutes",
            "dataset": "precipitation",
            "parameter": "precipitation_amount",
            "timestamp": time.astype("datetime64[us]").item(),
            "value": 0.9 * float(value),
            "quality_flags": None,
        }
        for id_, column in zip(places, tens.transpose("point", "time").values, strict=True)
        for time, value in zip(tens.time.values.astype("datetime64[us]"), np.nan_to_num(column), strict=True)
    ]
