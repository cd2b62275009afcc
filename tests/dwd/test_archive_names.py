"""Names and paths of DWD's files on the server."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.dwd.archive_names import ERAS, Era, filed_under, is_dwd_name
from radar_nb.dwd.months import Month

CDC = "climate_environment/CDC/grids_germany"
DATED = [era for era in ERAS if not era.supplement]
MINUTES = st.datetimes(datetime(2001, 1, 1), datetime(2049, 12, 31, 23, 59)).map(  # noqa: DTZ001 - set to UTC here
    lambda time: time.replace(second=0, microsecond=0, tzinfo=UTC)
)


def _names(product: str, family: str) -> list[Era]:
    return [era for era in ERAS if (era.product, era.family) == (product, family)]


@pytest.mark.parametrize(
    ("product", "family", "time", "path"),
    [
        ("YW", "radklim", "2001-01-01", f"{CDC}/5_minutes/radolan/reproc/2017_002/bin/2001/YW2017.002_200101.tar"),
        ("YW", "radolan", "2026-06-30", f"{CDC}/5_minutes/radolan/recent/YW-260630.tar.gz"),
        ("YW", "radolan", "2026-06-30", f"{CDC}/5_minutes/radolan/recent/YW-hdf5-260630.tar.gz"),
        ("YW", "nrt", "2026-06-30T23:55", "weather/radar/radolan/yw/raa01-yw_10000-2606302355-dwd---bin.bz2"),
        ("RW", "radklim", "2017-12-01", f"{CDC}/hourly/radolan/reproc/2017_002/bin/2017/RW2017.002_201712.tar.gz"),
        ("RW", "radolan", "2005-06-01", f"{CDC}/hourly/radolan/historical/bin/2005/RW-200506.tar.gz"),
        ("RW", "radolan", "2006-01-01", f"{CDC}/hourly/radolan/historical/bin/2006/RW200601.tar.gz"),
        (
            "RW",
            "radolan",
            "2026-07-01T20:50",
            f"{CDC}/hourly/radolan/recent/bin/raa01-rw_10000-2607012050-dwd---bin.gz",
        ),
        ("RW", "radolan", "2025-12-02", f"{CDC}/hourly/radolan/recent/hdf5/RW-hdf5-251202.tar.gz"),
        ("RW", "nrt", "2026-06-30T23:50", "weather/radar/radolan/rw/raa01-rw_10000-2606302350-dwd---bin.hdf5"),
        ("SF", "radolan", "2006-10-01", f"{CDC}/daily/radolan/historical/bin/2006/SF-200610.tar.gz"),
        ("SF", "radolan", "2009-01-01", f"{CDC}/daily/radolan/historical/bin/2009/SF200901.tar.gz"),
        (
            "SF",
            "radolan",
            "2025-01-01T00:50",
            f"{CDC}/daily/radolan/recent/bin/raa01-sf_10000-2501010050-dwd---bin.gz",
        ),
        ("SF", "radolan", "2025-12-02", f"{CDC}/daily/radolan/recent/hdf5/SF-hdf5-251202.tar.gz"),
        (
            "YW",
            "radklim",
            "2020-01-01",
            f"{CDC}/5_minutes/radolan/reproc/2017_002/netCDF/2020/YW2017.002_2020_netcdf.tar.gz",
        ),
        (
            "RW",
            "radklim",
            "2021-01-01",
            f"{CDC}/hourly/radolan/reproc/2017_002/netCDF/supplement/RW2017.002_2021_netcdf_supplement.tar.gz",
        ),
        (
            "YW",
            "radklim",
            "2020-06-01",
            f"{CDC}/5_minutes/radolan/reproc/2017_002/asc/2020/YW2017.002_202006_asc.tar",
        ),
        (
            "RW",
            "radklim",
            "2020-06-01",
            f"{CDC}/hourly/radolan/reproc/2017_002/asc/2020/RW2017.002_202006_asc.tar.gz",
        ),
        ("RW", "radolan", "2010-01-01", f"{CDC}/hourly/radolan/historical/asc/2010/RW-201001.tar"),
        ("RW", "radolan", "2025-01-01", f"{CDC}/hourly/radolan/recent/asc/RW-20250101.tar.gz"),
        ("RY", "nrt", "2026-06-30T23:55", "weather/radar/radolan/ry/raa01-ry_10000-2606302355-dwd---bin.bz2"),
    ],
)
def test_paths_are_dwds(product: str, family: str, time: str, path: str) -> None:
    """A product's file for a time has the same path as on DWD's server, and its name states the time."""
    when = datetime.fromisoformat(time).replace(tzinfo=UTC)
    name = path.rpartition("/")[2]

    era = next(era for era in _names(product, family) if era.path(when) == path and is_dwd_name(name))

    assert era.time_of(name) == when


@given(st.sampled_from(DATED), MINUTES)
def test_parsing_inverts_naming(era: Era, time: datetime) -> None:
    """Parsing a name is the inverse of writing it, to the precision of the name: year, month, day or minute."""
    whole = {
        "year": {"month": 1, "day": 1, "hour": 0, "minute": 0},
        "month": {"day": 1, "hour": 0, "minute": 0},
        "day": {"hour": 0, "minute": 0},
        "frame": {},
    }

    found = era.time_of(era.path(time).rpartition("/")[2])

    assert found == time.replace(**whole[era.piece])  # type: ignore[arg-type] # times of the day


@pytest.mark.parametrize(
    "name",
    [
        "ZW-hdf5-20260618.tar.gz",
        "YW2017.002_Supplement_asc.tar.gz",
        "RW2016.003_201001.tar.gz",
        "RW-hdf5-20260101.tar.gz",
        "raa01-rw_10000-latest-dwd---bin.bz2",
        "raa01-rw_10000-latest-dwd---bin.hdf5",
        "raa01-rw.radolan2_10000-2606302350-dwd---bin.hdf5",
        "raa01-rw_10000-2606302350-dwd---bin.bz2.part",
        "YW-260631.tar.gz",
        "RW201013.tar.gz",
        "raa01-rw_10000-2606302460-dwd---bin.gz",
        "DESCRIPTION_gridsgermany-hourly-radolan-recent-bin_en.pdf",
        "",
    ],
)
def test_other_files_in_the_same_folders_are_ignored(name: str) -> None:
    """Aliases, texts, other versions and invalid dates belong to no era."""
    assert [era for era in ERAS if era.time_of(name) is not None] == []


def test_a_supplement_has_no_time() -> None:
    """The supplement's name is the same for all its frames."""
    supplements = [era for era in ERAS if era.supplement]

    assert {era.name for era in supplements} == {
        "YW2017.002_Supplement.tar.gz",
        "RW2017.002_Supplement.tar.gz",
        "YW2017.002_Supplement_asc.tar.gz",
        "RW2017.002_Supplement_asc.tar.gz",
    }
    assert {era.time_of(era.name) for era in supplements} == {None}


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2"])
@pytest.mark.parametrize("product", ["RW", "SF", "RY", "YW"])
def test_a_frame_is_recognised_in_every_compression(product: str, suffix: str) -> None:
    """DWD has changed the compression of single frames before; the listing shows the current one."""
    name = f"raa01-{product.lower()}_10000-2606302350-dwd---bin{suffix}"

    taking = [era for era in _names(product, "nrt") if era.time_of(name) is not None]

    assert len(taking) == 1
    assert not taking[0].name.endswith(".hdf5")


@pytest.mark.parametrize(
    ("product", "name", "month", "may_hold", "knows"),
    [
        ("RW", "RW-%Y%m.tar.gz", "2005-05", False, False),
        ("RW", "RW-%Y%m.tar.gz", "2005-12", True, True),
        ("RW", "RW-%Y%m.tar.gz", "2006-01", False, False),  # closed
        ("RW", "RW%Y%m.tar.gz", "2005-12", False, False),
        ("RW", "RW%Y%m.tar.gz", "2024-12", True, True),
        ("RW", "RW%Y%m.tar.gz", "2025-01", True, False),  # will have this name one day
        ("YW", "YW-%y%m%d.tar.gz", "2026-07", True, False),  # known only from a listing
        ("RY", "raa01-ry_10000-%y%m%d%H%M-dwd---bin.bz2", "2001-01", True, False),
    ],
)
def test_an_era_determines_its_months(product: str, name: str, month: str, may_hold: bool, knows: bool) -> None:
    """First, last and closed determine which months are certain, possible or excluded."""
    era = next(era for era in ERAS if (era.product, era.name) == (product, name))

    assert (era.may_hold(Month.of(month)), era.knows(Month.of(month))) == (may_hold, knows)


@pytest.mark.parametrize("era", ERAS, ids=lambda era: era.name)
def test_an_era_is_valid(era: Era) -> None:
    """An era ends after it begins, is below the server's root, and its typical size fits on a disk."""
    assert era.first is None or era.last is None or era.first <= era.last
    assert not era.closed or era.last is not None
    assert not era.folder.startswith("/")
    assert not era.folder.endswith("/")
    assert "/" not in era.name
    assert 1_000 < era.typical < 16_000_000_000


def test_published_products_have_an_era_in_hdf5() -> None:
    """Every product still published has an era in HDF5, except RADKLIM, classes in bits and RADVOR's RE."""
    assert {(era.product, era.family) for era in ERAS if era.hdf5} == {
        *((product, "radolan") for product in ("YW", "RW", "SF")),
        *(
            (product, "nrt")
            for product in ("YW", "RW", "SF", "RY", "RV", "RS", "WN", "HX", "DMAX", "VII", "HYMECNG")
        ),
    }
    assert {era.product for era in ERAS if era.family == "nrt" and era.form == "binary"} == {
        *("YW", "RW", "SF", "RY", "RV", "HG", "RE")
    }


@pytest.mark.parametrize(
    ("name", "product", "time"),
    [
        ("composite_rv_20250923_0855.tar", "RV", "2025-09-23T08:55"),
        ("DE1200_RV2608051935.tar.bz2", "RV", "2026-08-05T19:35"),
        ("composite_rs_20260703_0750.tar", "RS", "2026-07-03T07:50"),
        ("composite_wn_20251206_0410.tar", "WN", "2025-12-06T04:10"),
        ("composite_hx_20251117_1500-hd5", "HX", "2025-11-17T15:00"),
        ("composite_dmax_20250615_1750-hd5", "DMAX", "2025-06-15T17:50"),
        ("composite_VII_20260805_2125-hd5", "VII", "2026-08-05T21:25"),
        ("composite_HymecNG_20261009_1020_000-hd5", "HYMECNG", "2026-10-09T10:20"),
        ("HG2608211220_000.bz2", "HG", "2026-08-21T12:20"),
        ("RE2608050600_115.gz", "RE", "2026-08-05T06:00"),
    ],
)
def test_current_names_are_parsed(name: str, product: str, time: str) -> None:
    """Product and time are read from names that users have seen on the server."""
    (filed,) = [era for era in ERAS if era.time_of(name) is not None]

    assert (filed.product, filed.time_of(name)) == (product, datetime.fromisoformat(time).replace(tzinfo=UTC))
    assert is_dwd_name(name)


@pytest.mark.parametrize("era", [era for era in ERAS if era.alias], ids=lambda era: era.alias)
def test_an_alias_is_recognised_and_never_planned(era: Era) -> None:
    """An alias is recognised as a file of DWD's, and its name has no time."""
    assert is_dwd_name(era.alias)
    assert [other for other in ERAS if other.time_of(era.alias) is not None] == []


def test_a_frame_of_another_run_is_not_of_the_forecast() -> None:
    """A tar holds forecasts of one base time; a frame of five minutes later does not belong to it."""
    filed = filed_under("composite_rv_20250923_0855.tar")

    assert filed is not None
    assert filed.denies("RV", np.datetime64("2025-09-23T08:55"), (1200, 1100)) == ""
    assert filed.denies("RV", np.datetime64("2025-09-23T09:00"), (1200, 1100)) == (
        "is of 2025-09-23T09:00, not of the forecast of 2025-09-23T08:55:00"
    )
