"""plan and load against a local server."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.servers import Reply, serving

import radar_nb as rn
from radar_nb.errors import (
    CoverageError,
    ListingError,
    NothingFound,
    NotOnServer,
    ServerUnavailable,
    SettingsError,
)
from radar_nb.mirror import Mirror

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def server(real_mirror: Path) -> Iterator[str]:
    """Serve the real mirror on this machine."""
    with Mirror(real_mirror) as mirror:
        yield mirror.url


def test_months_of_the_table_need_no_server(tmp_path: Path) -> None:
    """A plan for months in the table is made although no server answers."""
    plan = rn.plan("YW", "2020-05", "2020-07", folder=tmp_path, base_url="http://127.0.0.1:9")

    assert [archive.name for archive in plan.archives] == [
        f"YW2017.002_2020{month:02d}.tar" for month in (5, 6, 7)
    ]
    assert not plan.exact


def test_a_listing_shows_sizes_and_gaps(server: str, tmp_path: Path, real_mirror: Path) -> None:
    """With listing=True a plan has the server's sizes and dates, and names missing months."""
    plan = rn.plan("YW", "2020-05", "2020-06", folder=tmp_path, base_url=server, listing=True)

    (archive,) = plan.archives
    assert archive.size == (real_mirror / archive.path).stat().st_size
    assert archive.modified is not None
    assert [gap.what for gap in plan.missing] == ["2020-05"]


def test_years_are_planned_month_by_month(tmp_path: Path) -> None:
    """A range starts in January of the first year and ends in December of the last, as text or number."""
    plan = rn.plan("YW", 2001, "2025", folder=tmp_path, base_url="http://127.0.0.1:9")

    assert len(plan.archives) == 300 + 1  # and the supplement of 2018-01
    assert (str(plan.months[0]), str(plan.months[-1])) == ("2001-01", "2025-12")


def test_near_real_time_is_planned_from_the_listing(server: str, tmp_path: Path) -> None:
    """The files of a near-real-time folder are planned frame by frame, in the order of time."""
    plan = rn.plan("RY", "2019-10", source="nrt", folder=tmp_path, base_url=server)

    assert len(plan.archives) == 12
    assert [archive.name for archive in plan.archives] == sorted(archive.name for archive in plan.archives)


def test_load_downloads_and_opens_months(server: str, tmp_path: Path) -> None:
    """`load` plans, downloads and opens without extraction; a second call finds everything on disk."""
    ds = rn.load("RW", "2017-12", folder=tmp_path, base_url=server, progress=False)
    again = asyncio.run(
        rn.load_async("RW", "2017-12", folder=tmp_path, base_url="http://127.0.0.1:9", progress=False)
    )

    assert ds.sizes["time"] == 48
    assert float(ds.RW.sel(time="2017-12-31T08:50").max()) == pytest.approx(6.2)
    np.testing.assert_array_equal(ds.RW[30], again.RW[30])
    assert not [name for _, _, names in os.walk(tmp_path) for name in names if name.endswith(".part")]


def test_a_plan_is_a_source(server: str, tmp_path: Path) -> None:
    """A plan can be opened after its download."""
    plan = rn.plan("RW", "2017-12", folder=tmp_path, base_url=server)
    rn.download(plan, progress=False)

    assert rn.open_dataset(plan, progress=False).sizes["time"] == 48


def test_a_month_that_the_server_lacks_is_named(server: str, tmp_path: Path) -> None:
    """A month that is in the table but not on the server raises an error with its address."""
    with pytest.raises(NotOnServer, match=r"YW2017\.002_202005\.tar"):
        rn.load("YW", "2020-05", folder=tmp_path, base_url=server, progress=False)


def test_a_required_listing_needs_a_server(tmp_path: Path) -> None:
    """If a listing is required and no server answers, the error names the address."""
    with pytest.raises(ServerUnavailable, match=r"127\.0\.0\.1:9"):
        rn.plan("YW", "2025-03", source="radolan", folder=tmp_path, base_url="http://127.0.0.1:9")


def test_a_page_that_is_not_a_listing_raises(tmp_path: Path) -> None:
    """A page other than a listing raises an error with its address and beginning."""
    path = "/climate_environment/CDC/grids_germany/5_minutes/radolan/recent/"

    with serving() as server:
        server.script(path, Reply(body=b"<html><title>Please log in</title></html>"))
        with pytest.raises(
            ListingError, match=rf"{path} is not a directory listing \(it begins with '<html><title>Ple"
        ):
            rn.plan("YW", "2025-03", source="radolan", folder=tmp_path, base_url=server.url)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("YX", "2020-06"), ValueError, "did you mean"),
        (("YW", "2020-13"), ValueError, "is not a valid month"),
        (("YW", "2020-07", "2020-06"), ValueError, "is reversed"),
        (("YW", "1999-06"), CoverageError, "radklim holds 2001-01 on"),
        (("YW", "2999-01"), CoverageError, "future"),
    ],
)
def test_invalid_requests_name_valid_ones(arguments: tuple[str, ...], error: type[Exception], text: str) -> None:
    """Unknown products, invalid months and ranges, and uncovered periods: the message suggests a valid request."""
    with pytest.raises(error, match=text):
        rn.plan(*arguments)


def test_an_invalid_address_is_refused() -> None:
    """A base URL without a scheme raises before any request."""
    with pytest.raises(SettingsError, match="is not a web address"):
        rn.plan("YW", "2020-06", base_url="opendata.dwd.de")


def test_missing_months_are_listed_with_the_values(server: str, tmp_path: Path) -> None:
    """With errors="report" existing frames are opened, and the Dataset names the missing ones."""
    ds = rn.load("RW", "2017-12", "2018-01", folder=tmp_path, base_url=server, errors="report", progress=False)

    assert ds.sizes["time"] == 48
    assert "RW2017.002_201801.tar.gz is not on the server" in ds.attrs["problems"]


def test_a_day_or_an_hour_is_cut_out_of_its_month(server: str, tmp_path: Path) -> None:
    """From a monthly archive, only frames with stamps in the range are opened, and only their gaps count."""
    whole = rn.load("RW", "2017-12", folder=tmp_path, base_url=server, progress=False)
    day = rn.load("RW", "2017-12-31", "2017-12-31", folder=tmp_path, base_url=server, progress=False)
    hours = rn.load("RW", "2017-12-30T22:00", "2017-12-31T01", folder=tmp_path, base_url=server, progress=False)

    assert (day.time.values[0], day.time.values[-1]) == tuple(
        np.array(["2017-12-31T00:50", "2017-12-31T23:50"], "datetime64[ns]")
    )
    assert hours.sizes["time"] == 4
    some = {"y": slice(None, None, 10), "x": slice(None, None, 10)}
    np.testing.assert_array_equal(day.RW.isel(some), whole.RW.sel(time="2017-12-31").isel(some))
    assert day.attrs["frames_missing"] == 0


def test_a_local_day_is_loaded_as_it_is_summed(server: str, tmp_path: Path) -> None:
    """With a time zone, a day has the intervals from which `accumulate` makes the sum of this day."""
    at: Any = {"folder": tmp_path, "base_url": server, "progress": False}
    day = rn.load("RW", "2017-12-31", timezone="Europe/Berlin", **at)
    days = rn.accumulate(rn.load("RW", "2017-12", **at), "1D", timezone="Europe/Berlin", min_coverage=0)

    assert (day.time.values[0], day.time.values[-1]) == tuple(
        np.array(["2017-12-30T23:50", "2017-12-31T22:50"], "datetime64[ns]")
    )
    np.testing.assert_array_equal(rn.accumulate(day, min_coverage=0).RW, days.RW.sel(time="2017-12-31"))
    with pytest.raises(SettingsError, match="unknown timezone='Berlin'"):
        rn.load("RW", "2017-12-31", timezone="Berlin", **at)


def test_a_plan_states_the_requested_part_of_its_files(server: str, tmp_path: Path) -> None:
    """A day of RW is 24 of the 744 hours of its month; the plan itself opens as the day."""
    plan = rn.plan("RW", "2017-12-31", folder=tmp_path, base_url=server)
    rn.download(plan, progress=False)

    assert len(plan.archives) == 1
    assert "requested 2017-12-31 00:00 UTC to 2017-12-31 23:59 UTC: 24 of the 744 frames of these months" in str(
        plan
    )
    assert plan.to_dict()["span"] == ["2017-12-31T00:00:00Z", "2017-12-31T23:59:59Z"]
    assert rn.open_dataset(plan, progress=False).sizes["time"] == 24


def test_files_of_other_days_are_not_planned(tmp_path: Path) -> None:
    """If files hold a day or a frame, only those in the range are fetched, and only their gaps are missing."""
    path = "/climate_environment/CDC/grids_germany/5_minutes/radolan/recent/"
    rows = "".join(f'<a href="YW-2503{day:02d}.tar.gz">x</a>  01-Apr-2025 10:00  7\n' for day in (1, 2, 4, 6))
    with serving() as server:
        server.script(path, Reply(body=f"<h1>Index of {path}</h1><pre>{rows}</pre>".encode()))
        plan = rn.plan("YW", "2025-03-02", "2025-03-04T12", source="radolan", folder=tmp_path, base_url=server.url)

    assert [archive.name for archive in plan.archives] == ["YW-250302.tar.gz", "YW-250304.tar.gz"]
    assert [gap.what for gap in plan.missing] == ["2025-03-03"]


def test_a_range_without_frames_is_named(server: str, tmp_path: Path) -> None:
    """The archive of December has two days: another day raises an error that names it."""
    with pytest.raises(NothingFound, match=r"none of the 48 frames of RW .* is of 2017-12-01 00:00"):
        rn.load("RW", "2017-12-01", folder=tmp_path, base_url=server, progress=False)
