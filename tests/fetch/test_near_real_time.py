"""Near real time from the server to values: forecasts, aliases, retention."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from support.malicious_archives import recorded, tar_of

import radar_nb as rn
from radar_nb.errors import CoverageError, Incomplete, RadarNbError
from radar_nb.mirror import Mirror, make_archives
from radar_nb.mirror.frames import synthetic_runs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FIRST, LAST = "2020-06-13T15:50", "2020-06-13T15:55"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make two forecasts of RV in DWD's current form, HDF5."""
    folder = tmp_path_factory.mktemp("server")
    make_archives(folder, "RV", FIRST, LAST, source="nrt", hdf5=True, progress=False)
    return folder


@pytest.fixture(scope="module")
def server(root: Path) -> Iterator[str]:
    """Serve the folder."""
    with Mirror(root) as mirror:
        yield mirror.url


def test_forecasts_are_planned_loaded_and_drawn(server: str, tmp_path: Path) -> None:
    """A time span selects its files, not the alias, with all 25 lead times, up to a map."""
    plan = rn.plan("RV", FIRST, LAST, source="nrt", folder=tmp_path, base_url=server)

    ds = rn.load("RV", FIRST, LAST, source="nrt", folder=tmp_path, base_url=server, progress=False)
    axes = rn.plot(ds.RV.isel(time=0, lead_time=3))

    assert [archive.name for archive in plan.archives] == [
        "composite_rv_20200613_1550.tar",
        "composite_rv_20200613_1555.tar",
    ]
    assert plan.exact
    assert dict(ds.sizes) == {"time": 2, "lead_time": 25, "y": 1200, "x": 1100, "bnds": 2}
    assert ds.source.values.tolist() == [archive.name for archive in plan.archives]
    np.testing.assert_array_equal(ds.RV[0, 1], ds.RV[1, 0])  # the same five minutes in two runs
    assert "5 min to 2020-06-13 16:05 UTC, forecast of" in axes.get_title("left")
    plt.close("all")


def test_the_last_hours_need_no_family(tmp_path: Path) -> None:
    """RV is published only in near real time: `plan` for today and yesterday finds what exists."""
    now = datetime.now(UTC)
    moment = (now - timedelta(minutes=30)).replace(second=0, microsecond=0)
    moment -= timedelta(minutes=moment.minute % 5)
    folder = tmp_path / "weather/radar/composite/rv"
    folder.mkdir(parents=True)
    (folder / f"{moment:composite_rv_%Y%m%d_%H%M.tar}").write_bytes(b"a run")
    (folder / "composite_rv_LATEST.tar").write_bytes(b"a run")

    with Mirror(tmp_path) as mirror:
        plan = rn.plan("RV", f"{moment:%Y-%m-%dT%H:%M}", base_url=mirror.url, folder=tmp_path)

    assert [archive.name for archive in plan.archives] == [f"{moment:composite_rv_%Y%m%d_%H%M.tar}"]
    assert plan.missing == ()


def test_expired_times_are_refused_with_the_available_span(server: str, tmp_path: Path) -> None:
    """A plan for a time before the first file raises an error with the available span."""
    message = "keeps near real time for 48 hours, and has 2020-06-13 15:50 UTC to 2020-06-13 15:55 UTC"

    with pytest.raises(CoverageError, match=message):
        rn.plan("RV", "2020-06-11", source="nrt", folder=tmp_path, base_url=server)


def test_a_moved_folder_is_named_with_a_remedy(tmp_path: Path) -> None:
    """On a server without the folder the plan raises, and the message suggests doctor."""
    with Mirror(tmp_path) as mirror, pytest.raises(CoverageError, match=r"no folder .*/rv: .*doctor --server"):
        rn.plan("RV", FIRST, source="nrt", folder=tmp_path, base_url=mirror.url)


def test_a_partly_expired_span_is_incomplete(server: str, tmp_path: Path) -> None:
    """Existing files are fetched, and the rest is named."""
    asked = ("RV", "2020-06-13T15:45", "2020-06-13T15:50")
    where: dict[str, Any] = {"source": "nrt", "folder": tmp_path, "base_url": server, "progress": False}

    with pytest.raises((CoverageError, Incomplete), match="2020-06-13 15:45 UTC"):
        rn.load(*asked, **where)
    ds = rn.load(*asked, errors="report", **where)

    assert ds.sizes["time"] == 1
    assert "2020-06-13 15:45 UTC" in ds.attrs["problems"]


def test_months_in_netcdf_are_loaded_from_the_archive_of_their_year(tmp_path: Path) -> None:
    """A year's netCDF archive is downloaded once, cut to the month, and equal to the binaries."""
    root = tmp_path / "server"
    make_archives(root, "RW", "2017-09-30T22", "2017-10-01T01", form="netcdf", progress=False)
    make_archives(root, "RW", "2017-10-01T00", "2017-10-01T01", source="radklim", progress=False)

    with Mirror(root) as mirror:
        where: dict[str, Any] = {"folder": tmp_path / "data", "base_url": mirror.url, "progress": False}
        netcdf = rn.load("RW", "2017-10", form="netcdf", **where)
        binary = rn.load("RW", "2017-10", source="radklim", **where)

    assert set(netcdf.source.values) == {"RW2017.002_2017_netcdf.tar.gz"}
    np.testing.assert_array_equal(netcdf.time, binary.time)
    np.testing.assert_array_equal(netcdf.RW, binary.RW)


@pytest.mark.parametrize(
    ("leads", "time", "error"),
    [
        ((0, 5), "2020-06-13T15:55", "is of 2020-06-13T15:55:00, not of the forecast of 2020-06-13T15:50:00"),
        ((0, 0), "2020-06-13T15:50", "an archive of DWD has each once"),
    ],
)
def test_a_run_with_foreign_or_doubled_members_is_refused(
    tmp_path: Path, leads: tuple[int, ...], time: str, error: str
) -> None:
    """The error names frames of another base time, and lead times that occur twice."""
    path = tmp_path / "server/weather/radar/composite/rv/composite_rv_20200613_1550.tar"
    path.parent.mkdir(parents=True)
    stem = f"composite_rv_{time.translate(str.maketrans('T', '_', '-:'))}"
    frames = synthetic_runs("RV", [np.datetime64(time)], leads=leads)
    path.write_bytes(recorded(tar_of((f"{stem}_{lead:03d}-hd5", frame) for _, lead, frame in frames)))

    with Mirror(tmp_path / "server") as mirror, pytest.raises(RadarNbError, match=error):
        rn.load("RV", FIRST, source="nrt", folder=tmp_path, base_url=mirror.url, progress=False)


def test_a_run_without_some_lead_times_has_the_others(tmp_path: Path) -> None:
    """Next to complete runs a missing lead time has missing values, never another's rain."""
    folder = tmp_path / "weather/radar/composite/rv"
    folder.mkdir(parents=True)
    for minute, leads in ((50, (0, 5, 10)), (55, (0, 10))):
        stem = f"composite_rv_20200613_15{minute}"
        frames = synthetic_runs("RV", [np.datetime64(f"2020-06-13T15:{minute}")], leads=leads)
        members = [(f"{stem}_{lead:03d}-hd5", frame) for _, lead, frame in frames]
        (folder / f"{stem}.tar").write_bytes(recorded(tar_of(members)))

    with Mirror(tmp_path) as mirror:
        ds = rn.load(
            "RV", FIRST, LAST, source="nrt", folder=tmp_path / "data", base_url=mirror.url, progress=False
        )

    there = ds.RV.notnull().any(("y", "x")).values
    assert there.tolist() == [[True, True, True], [True, False, True]]
