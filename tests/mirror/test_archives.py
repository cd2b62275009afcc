"""Synthetic archives: DWD's names, folders, nesting and compression."""

from __future__ import annotations

import bz2
import gzip
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.forecasts import make_forecast

import radar_nb as rn
from radar_nb.dwd.months import time_steps
from radar_nb.dwd.products import product
from radar_nb.errors import CoverageError, MonthError, StorageError, UnknownProduct
from radar_nb.formats.odim import read_header
from radar_nb.formats.radolan import parse_header
from radar_nb.mirror import archives as publishing
from radar_nb.mirror.archives import make_archives, make_present
from radar_nb.mirror.frames import synthetic_frames

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.dwd.products import FamilyName
    from radar_nb.runtime.progress import Progress


def one(name: str, time: np.datetime64, *, family: FamilyName = "radolan", seed: int = 0) -> bytes:
    return next(synthetic_frames(name, [time], family=family, seed=seed))[1]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Create a folder that is filled once for all tests."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture(scope="module")
def month(root: Path) -> Path:
    """Create the archive of a month of RADKLIM YW with two frames of a single day."""
    with pytest.MonkeyPatch.context() as patch:
        _half_days(patch)
        (path,) = make_archives(root, "YW", "2020-06", days=[13], progress=False)
    return path


def _half_days(patch: pytest.MonkeyPatch) -> None:
    """Make a day of YW of 2 frames instead of 288, which is quicker."""
    patch.setattr(
        publishing,
        "time_steps",
        lambda month, *, every, minute: time_steps(month, every=144 * every, minute=minute),
    )


@pytest.fixture
def _two_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a day of RW of only two frames, 11:50 and 23:50, which is quicker."""
    monkeypatch.setattr(
        publishing,
        "time_steps",
        lambda month, *, every, minute: time_steps(month, every=12 * every, minute=minute + 660),
    )


def test_month_of_days(root: Path, month: Path) -> None:
    """RADKLIM YW is a tar with a .tar.gz per day, under DWD's path and names."""
    folder = "climate_environment/CDC/grids_germany/5_minutes/radolan/reproc/2017_002/bin/2020"
    assert month == root / folder / "YW2017.002_202006.tar"
    with tarfile.open(month, "r:") as tar:
        (day,) = tar.getmembers()
        packed = tar.extractfile(day)
        assert packed is not None
        with tarfile.open(fileobj=packed, mode="r:gz") as frames:
            names = frames.getnames()
            last = frames.extractfile(names[-1])
            assert last is not None
            data = last.read()

    assert day.name == "YW2017.002_20200613.tar.gz"
    assert len(names) == 2
    assert names[0] == "raa01-yw2017.002_10000-2006130000-dwd---bin"
    assert data == one("YW", np.datetime64("2020-06-13T12:00"), family="radklim")


def test_an_existing_file_is_kept(month: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file made with the same arguments is kept."""
    _half_days(monkeypatch)
    before = month.stat().st_mtime_ns
    seen: list[Progress] = []

    paths = make_archives(root, "YW", "2020-06", days=[13], progress=seen.append)

    assert paths == (month,)
    assert month.stat().st_mtime_ns == before
    assert seen == []


@pytest.mark.usefixtures("_two_hours")
def test_other_days_are_rebuilt(tmp_path: Path) -> None:
    """An archive of other days or another seed, or an unfinished one, is replaced."""
    path = tmp_path / "climate_environment/CDC/grids_germany/hourly/radolan/historical/bin/2019/RW201906.tar.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"other days")
    path.with_name(".RW201906.tar.gz.synthetic").write_text("unfinished")
    seen: list[Progress] = []

    made = make_archives(tmp_path, "RW", "2019-06", source="radolan", days=[1], seed=1, progress=seen.append)

    assert made == (path,)
    assert (seen[-1].done, seen[-1].total) == (2, 2)
    with tarfile.open(path, "r:gz") as tar:
        member = tar.getmembers()[-1]
        file = tar.extractfile(member)
        assert file is not None
        assert member.name == "raa01-rw_10000-1906012350-dwd---bin.gz"
        assert gzip.decompress(file.read()) == one("RW", np.datetime64("2019-06-01T23:50"), seed=1)


def test_single_frames(tmp_path: Path) -> None:
    """Products that DWD publishes as single frames are written as such; two threads may fill the same folder."""

    def fill(source: str) -> tuple[Path, ...]:
        return make_archives(tmp_path, "RW", "2025-06-01T23:40", "2025-06-01T23:50", source=source, progress=False)

    with ThreadPoolExecutor(2) as pool:
        recent, current = pool.map(fill, ("radolan", "nrt"))

    assert (len(recent), len(current)) == (1, 2)
    assert recent[-1].as_posix().endswith("hourly/radolan/recent/bin/raa01-rw_10000-2506012350-dwd---bin.gz")
    assert current[-1].as_posix().endswith("weather/radar/radolan/rw/raa01-rw_10000-2506012350-dwd---bin.bz2")
    frame = one("RW", np.datetime64("2025-06-01T23:50"))
    assert gzip.decompress(recent[-1].read_bytes()) == frame
    assert bz2.decompress(current[-1].read_bytes()) == frame


def test_real_files_are_safe(tmp_path: Path, month: Path, root: Path) -> None:
    """A file that is not known to be synthetic is never overwritten."""
    real = tmp_path / month.relative_to(root)
    real.parent.mkdir(parents=True)
    real.write_bytes(b"years of work")

    with pytest.raises(StorageError, match=r"YW2017.002_202006.tar exists and is not known .* separate folder"):
        make_archives(tmp_path, "YW", "2020-06", days=[13], progress=False)
    assert real.read_bytes() == b"years of work"


def test_days_must_exist(tmp_path: Path) -> None:
    """Days that the month does not have are refused."""
    with pytest.raises(MonthError, match=r"2020-06 has none of the days \[31\]: choose some of 1 to 30"):
        make_archives(tmp_path, "YW", "2020-06", days=[31], progress=False)


def test_coverage(tmp_path: Path) -> None:
    """Months that DWD does not publish are refused."""
    with pytest.raises(CoverageError, match="1999-05"):
        make_archives(tmp_path, "YW", "1999-05", progress=False)


def test_unknown_family(tmp_path: Path) -> None:
    """A family that the product does not have is refused."""
    with pytest.raises(UnknownProduct, match="SF has no family 'radklim'"):
        make_archives(tmp_path, "SF", "2020-06", source="radklim", progress=False)


@pytest.mark.usefixtures("_two_hours")
def test_a_day_in_hdf5(tmp_path: Path) -> None:
    """HDF5 is one tar.gz per day, with members of DWD's names; the binaries of the month are unchanged."""
    (path,) = make_archives(tmp_path, "RW", "2026-01", hdf5=True, days=[13], progress=False)

    assert path.as_posix().endswith("grids_germany/hourly/radolan/recent/hdf5/RW-hdf5-260113.tar.gz")
    with tarfile.open(path, "r:gz") as tar:
        names = tar.getnames()
        last = tar.extractfile(names[-1])
        assert last is not None
        header = read_header(last.read())
    assert len(names) == 2
    assert names[-1] == "raa01-rw_10000-2601132350-dwd---bin.hdf5"
    assert (header.product, header.time) == ("RW", np.datetime64("2026-01-13T23:50:00"))
    assert [file for file in tmp_path.rglob("*") if file.suffix == ".bin" or file.parent.name == "bin"] == []


@pytest.mark.parametrize(
    ("name", "month", "source", "held"),
    [
        ("YW", "2025-10", "radolan", "HDF5 from 2025-11 on"),
        ("SF", "2025-11", "radolan", "HDF5 from 2025-12 on"),
    ],
)
def test_unpublished_hdf5_is_refused(tmp_path: Path, name: str, month: str, source: str, held: str) -> None:
    """For months before the change, the message states when HDF5 begins."""
    with pytest.raises(CoverageError, match=f"{name} of {month} is not in {source}, which holds {held}"):
        make_archives(tmp_path, name, month, source=source, hdf5=True, progress=False)


def test_radklim_in_hdf5_is_refused(tmp_path: Path) -> None:
    """The message names the published forms."""
    with pytest.raises(
        CoverageError, match="YW is not published as hdf5 in radklim: DWD has radklim as binary, net"
    ):
        make_archives(tmp_path, "YW", "2020-06", source="radklim", hdf5=True, progress=False)


def test_a_forecast(tmp_path: Path) -> None:
    """An RV is a tar.bz2 of frames whose lead times are in their names and in their headers."""
    path = make_forecast(tmp_path, np.datetime64("2020-06-13T15:50"), leads=(0, 120))

    assert path == tmp_path / "weather/radar/composite/rv/DE1200_RV2006131550.tar.bz2"
    with tarfile.open(path, "r:bz2") as tar:
        headers = {name: parse_header(file.read()) for name in tar.getnames() if (file := tar.extractfile(name))}
    assert list(headers) == [f"DE1200_RV2006131550_{lead}" for lead in ("000", "120")]
    assert [header.lead for header in headers.values()] == [0, 120]
    assert {header.time for header in headers.values()} == {np.datetime64("2020-06-13T15:50:00")}


@pytest.mark.parametrize(
    ("hdf5", "leads", "names"),
    [
        (True, range(0, 15, 5), ("composite_rv_20200613_1550", "composite_rv_LATEST.tar")),
        (False, range(0, 10, 5), ("DE1200_RV2006131550", "DE1200_RV_LATEST.tar.bz2")),
    ],
)
def test_a_forecast_is_published_as_dwd_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hdf5: bool, leads: range, names: tuple[str, str]
) -> None:
    """A tar of all lead times, dated some minutes after its base time, and the newest again as an alias."""
    asked, (stem, alias) = "2020-06-13T15:50", names
    monkeypatch.setattr(publishing, "product", lambda name: replace(product(name), leads=tuple(leads)))

    (path,) = make_archives(tmp_path, "RV", asked, source="nrt", hdf5=hdf5, progress=False)

    folder = tmp_path / "weather/radar/composite/rv"
    assert sorted(file.name for file in folder.iterdir() if file.name[0] != ".") == sorted([path.name, alias])
    assert (folder / alias).read_bytes() == path.read_bytes()
    assert path.name == f"{stem}.tar{'' if hdf5 else '.bz2'}"
    assert path.stat().st_mtime == np.datetime64(asked + ":00").astype(int) + 4 * 60
    with tarfile.open(path) as tar:
        members = tar.getnames()
    assert members == [f"{stem}_{lead:03d}{'-hd5' if hdf5 else ''}" for lead in leads]


def test_an_alias_follows_the_newest_file(tmp_path: Path) -> None:
    """A file published later replaces the alias; an older one made afterwards does not."""
    alias = tmp_path / "weather/radar/radolan/ry/raa01-ry_10000-latest-dwd---bin.hdf5"
    found = []

    for asked in ("2020-06-13T15:50", "2020-06-13T15:55", "2020-06-13T15:45"):
        make_archives(tmp_path, "RY", asked, source="nrt", hdf5=True, progress=False)
        found.append(read_header(alias.read_bytes()).time)

    assert [str(time)[-8:] for time in found] == ["15:50:00", "15:55:00", "15:55:00"]


def test_a_span_of_hours_can_be_made(tmp_path: Path) -> None:
    """The span is inclusive, as in a plan."""
    asked = ("2020-06-13T15:50", "2020-06-13T16:00")

    paths = make_archives(tmp_path, "RY", *asked, source="nrt", hdf5=True, progress=False)

    assert [path.name[15:25] for path in paths] == ["2006131550", "2006131555", "2006131600"]


# --- other forms -----------------------------------------------------------------------------------------------


def test_a_year_in_netcdf(tmp_path: Path) -> None:
    """A yearly archive of monthly files, of the months and days asked for; the values are the binaries'."""
    asked = ("RW", "2017-10-01T00", "2017-10-01T02")

    (path,) = make_archives(tmp_path, *asked, form="netcdf", progress=False)
    (binary,) = make_archives(tmp_path, *asked, source="radklim", progress=False)

    folder = "climate_environment/CDC/grids_germany/hourly/radolan/reproc/2017_002/netCDF/2017"
    assert path == tmp_path / folder / "RW2017.002_2017_netcdf.tar.gz"
    with tarfile.open(path) as tar:
        assert tar.getnames() == ["2017/RW_2017.002_201710.nc"]
    one, other = (rn.open_dataset(file, progress=False) for file in (path, binary))
    np.testing.assert_array_equal(one.time, other.time)
    np.testing.assert_array_equal(one.RW, other.RW)


def test_days_of_yw_in_netcdf_lie_in_folders_of_months(tmp_path: Path) -> None:
    """One file a day, and two months of a year in one archive."""
    (path,) = make_archives(tmp_path, "YW", "2020-05-31T23:50", "2020-06-01T00:05", form="netcdf", progress=False)

    with tarfile.open(path) as tar:
        assert tar.getnames() == ["2020/05/YW_2017.002_20200531.nc", "2020/06/YW_2017.002_20200601.nc"]


@pytest.mark.parametrize(
    ("name", "source", "place", "inner"),
    [
        ("YW", "radklim", "asc/2020/YW2017.002_202006_asc.tar", "YW_2017.002_20200613_1550.asc"),
        ("RW", "radklim", "asc/2020/RW2017.002_202006_asc.tar.gz", "RW_2017.002_20200613_1550.asc"),
        ("RW", "radolan", "asc/2020/RW-202006.tar", "RW_20200613-1550.asc"),
    ],
)
def test_grids_in_ascii(tmp_path: Path, name: str, source: str, place: str, inner: str) -> None:
    """ASCII grids have DWD's names; a tar holds a .tar.gz per day, named like the tar plus the day."""
    (path,) = make_archives(tmp_path, name, "2020-06-13T15:50", source=source, form="ascii", progress=False)

    with tarfile.open(path) as tar:
        (found,) = tar.getnames()
        if path.suffix == ".tar":
            assert found == path.name.replace("202006", "20200613") + ".gz"
            with tarfile.open(fileobj=tar.extractfile(found)) as day:
                (found,) = day.getnames()
    assert path.as_posix().endswith(place)
    assert found == inner
    assert rn.open_dataset(path, progress=False)[name].sizes["time"] == 1


# --- the present -----------------------------------------------------------------------------------------------


def test_the_present_is_published_with_its_delay_and_its_retention(tmp_path: Path) -> None:
    """The mirror has the last hour up to the delay; two days later, files older than 48 hours are gone."""
    now = datetime(2020, 6, 13, 16, 1, tzinfo=UTC)
    folder = tmp_path / "weather/radar/composite/hymecng"

    paths = make_present(tmp_path, ["hymecng"], hours=0.25, now=now, progress=False)
    later = make_present(tmp_path, ["HYMECNG"], hours=0.1, now=now + timedelta(hours=48), progress=False)

    assert [path.name[18:31] for path in paths] == ["20200613_1550", "20200613_1555"]
    assert sorted(path.name for path in folder.iterdir() if path.name[0] != ".") == [
        *(path.name for path in later),
        "composite_HymecNG_LATEST_000-hd5",
    ]
    assert later[-1].name == "composite_HymecNG_20200615_1555_000-hd5"


def test_products_not_published_now_are_refused(tmp_path: Path) -> None:
    """The error names the published ones."""
    with pytest.raises(CoverageError, match=r"RX is not published in near real time by the .* YW, RW, SF, RY, RV"):
        make_present(tmp_path, ["RX"], progress=False)
    with pytest.raises(CoverageError, match="HG is not published in near real time as hdf5 by the mirror"):
        make_present(tmp_path, ["HG"], forms=["hdf5"], progress=False)


def test_the_present_has_binaries_of_what_is_not_in_hdf5(tmp_path: Path) -> None:
    """HG and RE are published too, in a month that is in the future for this computer."""
    now = datetime(2099, 12, 1, 0, 6, tzinfo=UTC)

    kinds, solid = make_present(tmp_path, ["HG", "RE"], hours=0.05, now=now, progress=False)

    assert (kinds.name, solid.name) == ("HG9912010005_000.bz2", "RE9912010005_000.gz")
    assert (kinds.parent / "HG_LATEST_000.bz2").read_bytes() == kinds.read_bytes()
