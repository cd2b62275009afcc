"""The newest file of a product: which file is requested, which is used, and how old it is."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import xarray as xr
from support.live import HYMECNG, HYMECNG_ALIAS, RV, START, punctual, run_of, write

import radar_nb as rn
from radar_nb.errors import CoverageError, FrameError, NotOnServer, ServerUnavailable
from radar_nb.mirror import LiveMirror, Mirror, SteppedClock
from radar_nb.mirror.faults.rules import Fault, Faults

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


@pytest.fixture
def clock() -> SteppedClock:
    """Return a clock that stands at 15:02 UTC."""
    return SteppedClock(START)


@pytest.fixture
def mirror(tmp_path: Path, clock: SteppedClock) -> Iterator[LiveMirror]:
    """Publish HYMECNG, and record requests."""
    (tmp_path / "server").mkdir()
    with LiveMirror(
        tmp_path / "server", ["HYMECNG"], clock=clock, hours=0.25, fate=punctual, faults=Faults()
    ) as served:
        yield served


def ask(
    mirror: Mirror, clock: SteppedClock, folder: Path | None, product: str = "HYMECNG", **more: Any
) -> xr.Dataset:
    """Return the newest file of a product, kept in a folder."""
    return rn.latest(product, base_url=mirror.url, clock=clock, folder=folder, **more)


def test_the_newest_file_states_its_time_and_age(mirror: LiveMirror, clock: SteppedClock, tmp_path: Path) -> None:
    """Nominal time, age and staleness are attributes that a netCDF file keeps."""
    ds = ask(mirror, clock, tmp_path / "data")

    ds.to_netcdf(tmp_path / "now.nc")
    with xr.open_dataset(tmp_path / "now.nc") as stored:
        assert stored.attrs["nominal_time"] == "2026-06-13T15:00:00Z"
        assert stored.attrs["age_seconds"] == 120
        assert stored.attrs["stale"] == 0
        assert stored.attrs["clock_skew_seconds"] == 0
    assert "skipped" not in ds.attrs


def test_an_unchanged_file_is_not_sent_again(mirror: LiveMirror, clock: SteppedClock, tmp_path: Path) -> None:
    """A second call sends the ETag, receives 304, and opens the file on the disk."""
    first = ask(mirror, clock, tmp_path / "data")

    second = ask(mirror, clock, tmp_path / "data")

    assert [(one.path, one.status) for one in mirror.served] == [
        (f"/{HYMECNG_ALIAS}", 200),
        (f"/{HYMECNG_ALIAS}", 304),
    ]
    assert second.identical(first)


def test_files_are_kept_under_their_dated_names(mirror: LiveMirror, clock: SteppedClock, tmp_path: Path) -> None:
    """The next file has its own dated name, so the folder is one series."""
    ask(mirror, clock, tmp_path / "data")
    clock.advance(300)

    ds = ask(mirror, clock, tmp_path / "data")

    assert ds.attrs["nominal_time"] == "2026-06-13T15:05:00Z"
    assert rn.open_dataset(tmp_path / "data", progress=False).sizes["time"] == 2


@pytest.mark.parametrize("bad", ["old", "missing", "damaged", "web page"])
def test_a_bad_alias_is_replaced_by_the_listing(
    mirror: LiveMirror, clock: SteppedClock, tmp_path: Path, bad: str
) -> None:
    """An alias that is outdated, missing, damaged or a web page does not hide the newest file."""
    alias = mirror.root / HYMECNG_ALIAS
    old = (mirror.root / HYMECNG / "composite_HymecNG_20260613_1450_000-hd5").read_bytes()
    clock.advance(300)  # of 15:05 then; an alias of 14:50 is older than 12 minutes, when one file is overdue
    if bad == "missing":
        alias.unlink()
    else:
        alias.write_bytes({"old": old, "damaged": old[:9000], "web page": b"<html>moved</html>"}[bad])

    ds = ask(mirror, clock, tmp_path / "data")

    assert ds.attrs["nominal_time"] == "2026-06-13T15:05:00Z"
    assert ds.attrs["stale"] == 0
    assert ("skipped" in ds.attrs) == (bad != "old")
    assert "overwrite" not in ds.attrs.get("skipped", "")  # an argument of download


def test_a_file_that_was_damaged_on_the_disk_is_to_be_removed(
    mirror: LiveMirror, clock: SteppedClock, tmp_path: Path
) -> None:
    """`latest` has no overwrite=True."""
    ask(mirror, clock, tmp_path / "data")
    (path,) = (tmp_path / "data").rglob("*-hd5")
    path.write_bytes(path.read_bytes()[:9000])

    with pytest.raises(FrameError, match="remove it and ask again"):
        ask(mirror, clock, tmp_path / "data")


def test_a_server_that_stops_publishing_becomes_stale(
    mirror: LiveMirror, clock: SteppedClock, tmp_path: Path
) -> None:
    """After the usual delay and two steps, 12 minutes for HYMECNG, one file is overdue."""
    mirror.close()
    with Mirror(mirror.root, clock=clock) as still:
        stale = []
        for seconds in (0, 600 - 1, 2):
            clock._start += timedelta(seconds=seconds)  # noqa: SLF001 - time passes without a new file
            stale.append(ask(still, clock, tmp_path / "data").attrs["stale"])

    assert stale == [0, 0, 1]


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_wrong_clock_makes_data_look_old_but_never_fresh(mirror: LiveMirror, tmp_path: Path, hours: int) -> None:
    """The later of both clocks counts: the server's corrects a slow one, and a fast one shows stale data."""
    wrong = SteppedClock(START + timedelta(hours=hours))

    ds = ask(mirror, wrong, tmp_path / "data")

    assert ds.attrs["clock_skew_seconds"] == -hours * 3600
    assert ds.attrs["age_seconds"] == 120 + max(0, hours) * 3600
    assert ds.attrs["stale"] == (hours > 0)


def test_a_run_without_some_leads_is_not_used(clock: SteppedClock, tmp_path: Path) -> None:
    """The newest complete file is used, and the message names what the other lacks."""
    folder = tmp_path / "server" / RV
    for time, leads in (("2026-06-13T14:50", range(0, 121, 5)), ("2026-06-13T14:55", (0, 5, 10))):
        write(
            folder / f"composite_rv_20260613_{time[11:13]}{time[14:16]}.tar", run_of(time, list(leads), still=True)
        )
    write(folder / "composite_rv_LATEST.tar", (folder / "composite_rv_20260613_1455.tar").read_bytes())

    with Mirror(tmp_path / "server", clock=clock) as server:
        ds = ask(server, clock, tmp_path / "data", "RV")

    assert ds.attrs["nominal_time"] == "2026-06-13T14:50:00Z"
    assert (
        "composite_rv_LATEST.tar holds 3 fields of 25 lead times, without 15, 20, 25, 30, 35 min"
        in ds.attrs["skipped"]
    )


def test_the_cache_keeps_three_hours_and_a_folder_keeps_all(clock: SteppedClock, tmp_path: Path) -> None:
    """The cache does not grow; in a user's folder nothing is removed."""

    def sparse(product: str, time: datetime) -> float | None:
        return None if START < time < START + timedelta(hours=3, minutes=55) else punctual(product, time)

    (tmp_path / "server").mkdir()
    with LiveMirror(tmp_path / "server", ["HYMECNG"], clock=clock, hours=0.1, fate=sparse) as mirror:
        for folder in (None, tmp_path / "data"):
            ask(mirror, clock, folder)
        clock.advance(4 * 3600)
        for folder in (None, tmp_path / "data"):
            ask(mirror, clock, folder)

    assert len(list((tmp_path / "cache" / "now").rglob("composite_HymecNG_2*"))) == 1
    assert len(list((tmp_path / "data").rglob("composite_HymecNG_2*"))) == 2


def test_without_a_server_there_is_no_field(clock: SteppedClock, tmp_path: Path) -> None:
    """A dead server, a failing one, and one without the product raise errors with different messages."""
    with Mirror(tmp_path) as gone:
        pass
    with pytest.raises(ServerUnavailable, match="no connection to 127"):
        ask(gone, clock, tmp_path / "data")
    failing = Faults(rules=(Fault(kind="503"),))
    with Mirror(tmp_path, faults=failing) as ill, pytest.raises(ServerUnavailable, match="answers 503"):
        ask(ill, clock, tmp_path / "data")
    with (
        Mirror(tmp_path) as empty,
        pytest.raises(NotOnServer, match=r"has no whole file of HYMECNG .*try again in"),
    ):
        ask(empty, clock, tmp_path / "data")


def test_products_without_a_newest_file_are_refused(tmp_path: Path) -> None:
    """The message lists the products that have a newest file."""
    with pytest.raises(CoverageError, match="RX has no newest file on the server: choose one of YW, RW, SF"):
        rn.latest("RX", folder=tmp_path)
    with pytest.raises(
        CoverageError, match=r"RE has no newest file of a fixed name .* or use load for its last 48 h"
    ):
        rn.latest("RE", folder=tmp_path)
