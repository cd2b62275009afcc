"""Plans: from a product and months to DWD's files, existing and missing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radar_nb.dwd.catalogue import Plan, choose_family, folders_to_list, make_plan, refuse_nothing
from radar_nb.dwd.listings import ListedFile
from radar_nb.dwd.months import Month, month_range, time_span
from radar_nb.dwd.products import product
from radar_nb.errors import CoverageError, SettingsError, UnknownProduct

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from radar_nb.dwd.archive_names import Form

NOW = datetime(2026, 7, 1, 21, 0, tzinfo=UTC)
BASE_URL = "https://opendata.dwd.de"
CDC = "climate_environment/CDC/grids_germany"
YW_RADKLIM = f"{CDC}/5_minutes/radolan/reproc/2017_002/bin"
YW_RECENT = f"{CDC}/5_minutes/radolan/recent"
RW_RADKLIM = f"{CDC}/hourly/radolan/reproc/2017_002/bin"
RW_HISTORICAL = f"{CDC}/hourly/radolan/historical/bin"
RW_RECENT = f"{CDC}/hourly/radolan/recent/bin"
SF_HISTORICAL = f"{CDC}/daily/radolan/historical/bin"
SF_RECENT = f"{CDC}/daily/radolan/recent/bin"
NRT = "weather/radar/radolan"
RV = "weather/radar/composite/rv"


def _plan(
    name: str,
    first: str,
    last: str | None = None,
    *,
    source: str = "auto",
    server: Mapping[str, Iterable[str]] | None = None,
    complete: bool = False,
    now: datetime = NOW,
    form: Form | None = None,
) -> Plan:
    """Make a plan against a server that holds the given names by folder, each of 1,000 bytes."""
    return _planned(name, first, last, source=source, server=server, complete=complete, now=now, form=form)[0]


def _planned(
    name: str,
    first: str,
    last: str | None = None,
    *,
    source: str = "auto",
    server: Mapping[str, Iterable[str]] | None = None,
    complete: bool = False,
    now: datetime = NOW,
    form: Form | None = None,
) -> tuple[Plan, dict[str, dict[str, ListedFile] | None]]:
    made, months = product(name), month_range(first, last)
    family = choose_family(made, months, source, now, form)
    files = {
        place: {name: ListedFile(name=name, size=1_000, modified=now) for name in names}
        for place, names in (server or {}).items()
    }
    wanted = folders_to_list(made, family, months, complete=complete, form=form)
    listings = {place: files.get(place) for place in wanted}
    plan = make_plan(
        made,
        family,
        months,
        base_url=BASE_URL,
        folder=Path("data"),
        listings=listings,
        now=now,
        span=time_span(first, last),
        form=form,
    )
    return plan, listings


def _paths(plan: Plan) -> list[str]:
    return [archive.path for archive in plan.archives]


def _names(plan: Plan) -> list[str]:
    return [archive.name for archive in plan.archives]


def _missing(plan: Plan) -> list[tuple[str, str]]:
    return [(gap.what, gap.reason) for gap in plan.missing]


def _days(pattern: str, first: str, count: int) -> list[str]:
    begin = datetime.fromisoformat(first).replace(tzinfo=UTC)
    return [(begin + timedelta(days=day)).strftime(pattern) for day in range(count)]


def _stamps(pattern: str, first: str, count: int, *, every: int) -> list[str]:
    begin = datetime.fromisoformat(first).replace(tzinfo=UTC)
    return [(begin + timedelta(minutes=every * step)).strftime(pattern) for step in range(count)]


# --- months in the table ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "source", "month", "paths"),
    [
        ("YW", "radklim", "2001-01", [f"{YW_RADKLIM}/2001/YW2017.002_200101.tar"]),
        ("YW", "radklim", "2020-06", [f"{YW_RADKLIM}/2020/YW2017.002_202006.tar"]),
        (
            "YW",
            "radklim",
            "2018-01",
            [f"{YW_RADKLIM}/2018/YW2017.002_201801.tar", f"{YW_RADKLIM}/supplement/YW2017.002_Supplement.tar.gz"],
        ),
        ("RW", "radklim", "2001-01", [f"{RW_RADKLIM}/2001/RW2017.002_200101.tar.gz"]),
        (
            "RW",
            "radklim",
            "2018-01",
            [
                f"{RW_RADKLIM}/2018/RW2017.002_201801.tar.gz",
                f"{RW_RADKLIM}/supplement/RW2017.002_Supplement.tar.gz",
            ],
        ),
        ("RW", "radolan", "2005-06", [f"{RW_HISTORICAL}/2005/RW-200506.tar.gz"]),
        ("RW", "radolan", "2005-12", [f"{RW_HISTORICAL}/2005/RW-200512.tar.gz"]),
        ("RW", "radolan", "2006-01", [f"{RW_HISTORICAL}/2006/RW200601.tar.gz"]),
        ("RW", "radolan", "2024-12", [f"{RW_HISTORICAL}/2024/RW202412.tar.gz"]),
        ("SF", "radolan", "2006-10", [f"{SF_HISTORICAL}/2006/SF-200610.tar.gz"]),
        ("SF", "radolan", "2008-12", [f"{SF_HISTORICAL}/2008/SF-200812.tar.gz"]),
        ("SF", "radolan", "2009-01", [f"{SF_HISTORICAL}/2009/SF200901.tar.gz"]),
        ("SF", "radolan", "2024-12", [f"{SF_HISTORICAL}/2024/SF202412.tar.gz"]),
    ],
)
def test_months_in_the_table_need_no_network(name: str, source: str, month: str, paths: list[str]) -> None:
    """Without any listing, their files have DWD's real paths, a supplement after the file that it repairs."""
    made = product(name)

    plan = _plan(name, month, source=source)

    assert folders_to_list(made, made.family(source), month_range(month)) == ()
    assert _paths(plan) == paths
    assert plan.missing == ()
    assert not plan.exact


def test_a_plan_states_the_request() -> None:
    """Product, family, server and folder are those that it was made with."""
    plan = _plan("YW", "2020-06")

    assert (plan.product, plan.family) == (product("YW"), product("YW").family("radklim"))
    assert (plan.base_url, plan.folder) == (BASE_URL, Path("data"))


@pytest.mark.parametrize(("name", "month", "megabytes"), [("YW", "2020-06", 200), ("RW", "2018-01", 25 + 1)])
def test_a_known_file_has_a_typical_size(name: str, month: str, megabytes: int) -> None:
    """Without a listing, a month of YW counts 200 MB; a listed size takes precedence."""
    assert _plan(name, month).bytes == megabytes * 1_000_000


def test_a_range_has_a_file_for_each_of_its_months() -> None:
    """The range is inclusive, across the turn of the year and a change of names."""
    assert _names(_plan("RW", "2005-11", "2006-02", source="radolan")) == [
        "RW-200511.tar.gz",
        "RW-200512.tar.gz",
        "RW200601.tar.gz",
        "RW200602.tar.gz",
    ]


@given(st.integers(0, 300), st.integers(0, 300))
def test_radklims_25_years_have_a_file_a_month(one: int, other: int) -> None:
    """Any range from January 2001 to January 2026 is known completely, in order and without gaps."""
    first, last = (Month(2001, 1) + step for step in sorted((one, other)))

    plan = _plan("YW", str(first), str(last), source="radklim")

    months = [archive.month for archive in plan.archives if "Supplement" not in archive.name]
    assert months == list(plan.months)
    assert plan.missing == ()


def test_planned_files_are_on_the_real_mirror(real_mirror: Path) -> None:
    """The paths are those of the folder that mirrors DWD's server."""
    plans = [
        _plan("YW", "2020-06"),
        _plan("RW", "2017-12"),
        _plan("RW", "2019-10", source="radolan"),
        _plan("SF", "2016-05"),
    ]

    assert [path for plan in plans for path in _paths(plan) if not (real_mirror / path).is_file()] == []


# --- months that need a listing ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "source", "month", "folders"),
    [
        ("YW", "radklim", "2026-02", [f"{YW_RADKLIM}/2026"]),
        ("YW", "radolan", "2025-03", [YW_RECENT]),
        ("RW", "radolan", "2025-03", [f"{RW_HISTORICAL}/2025", RW_RECENT]),
        ("RW", "radolan", "2025-12", [f"{RW_HISTORICAL}/2025", RW_RECENT, f"{CDC}/hourly/radolan/recent/hdf5"]),
        ("RY", "nrt", "2026-07", [f"{NRT}/ry"]),
    ],
)
def test_folders_are_listed_if_the_table_does_not_suffice(
    name: str, source: str, month: str, folders: list[str]
) -> None:
    """Each folder that may hold the month is requested once."""
    made = product(name)

    assert list(folders_to_list(made, made.family(source), month_range(month))) == folders


def test_only_hourly_frames_at_minute_50_are_planned() -> None:
    """Overlapping sums are excluded: RW has one frame an hour, at the minute of the historical ones."""
    names = _stamps("raa01-rw_10000-%y%m%d%H%M-dwd---bin.gz", "2025-03-01T00:00", 31 * 144, every=10)

    plan = _plan("RW", "2025-03", source="radolan", server={RW_RECENT: names})

    assert _names(plan) == [name for name in names if name.endswith("50-dwd---bin.gz")]
    assert len(plan.archives) == 31 * 24
    assert (plan.missing, plan.exact, plan.bytes) == ((), True, 31 * 24 * 1_000)


def test_the_sliding_daily_sums_are_planned_every_hour() -> None:
    """SF is published at each hour's minute 50, and all of it is planned."""
    names = _stamps("raa01-sf_10000-%y%m%d%H%M-dwd---bin.gz", "2025-04-01T00:50", 30 * 24, every=60)

    assert _names(_plan("SF", "2025-04", server={SF_RECENT: names})) == names


def test_a_month_moved_to_the_historical_folder_is_found() -> None:
    """At a new year DWD archives the frames of the old one by month: the archive is preferred to frames."""
    server = {
        f"{RW_HISTORICAL}/2025": ["RW202503.tar.gz", "RW202504.tar.gz", "RW-202503.tar"],
        RW_RECENT: _stamps("raa01-rw_10000-%y%m%d%H%M-dwd---bin.gz", "2025-03-01T00:50", 24, every=60),
    }

    plan = _plan("RW", "2025-03", source="radolan", server=server)

    assert _paths(plan) == [f"{RW_HISTORICAL}/2025/RW202503.tar.gz"]
    assert plan.missing == ()


def test_a_missing_day_is_named() -> None:
    """The gap of 2025-10-27 in DWD's own folder is in the plan, and so are runs of days, as one."""
    names = _days("YW-%y%m%d.tar.gz", "2025-10-01", 31)
    names = [name for name in names if name[3:9] not in {"251027", "251003", "251004", "251005"}]

    plan = _plan("YW", "2025-10", source="radolan", server={YW_RECENT: names})

    assert _names(plan) == names
    assert _missing(plan) == [
        ("2025-10-03 to 2025-10-05", "no such file on the server"),
        ("2025-10-27", "no such file on the server"),
    ]


def test_hdf5_fills_only_the_days_without_binaries() -> None:
    """While both formats are published, binaries are preferred; days are in order, foreign files are ignored."""
    binaries = [name for name in _days("YW-%y%m%d.tar.gz", "2026-06-01", 30) if name != "YW-260618.tar.gz"]
    others = [*_days("YW-hdf5-%y%m%d.tar.gz", "2026-06-01", 30), "ZW-hdf5-20260618.tar.gz", "readme.txt"]

    plan = _plan("YW", "2026-06", source="radolan", server={YW_RECENT: others + binaries})

    assert _names(plan) == [*binaries[:17], "YW-hdf5-260618.tar.gz", *binaries[17:]]
    assert plan.missing == ()


def test_days_that_are_not_due_yet_are_not_missing() -> None:
    """A day's archive is published within two days; future days are not missing."""
    names = _days("YW-%y%m%d.tar.gz", "2026-06-01", 28)

    assert _plan("YW", "2026-06", server={YW_RECENT: names}).missing == ()
    assert _missing(_plan("YW", "2026-06", server={YW_RECENT: names}, now=NOW + timedelta(days=1))) == [
        ("2026-06-29", "no such file on the server")
    ]


@pytest.mark.parametrize(
    ("server", "missing"),
    [
        ({f"{YW_RADKLIM}/2026": ["YW2017.002_202601.tar"]}, ["2026-02"]),
        ({f"{YW_RADKLIM}/2026": []}, ["2026-01", "2026-02"]),  # a listing takes precedence over the table
        ({}, ["2026-01", "2026-02"]),  # no such folder
    ],
)
def test_a_month_that_the_server_does_not_have_is_reported(
    server: dict[str, list[str]], missing: list[str]
) -> None:
    """A missing folder, or one without the month, is reported in the plan instead of raised."""
    plan = _plan("YW", "2025-12", "2026-02", source="radklim", server=server)

    assert _names(plan)[0] == "YW2017.002_202512.tar"
    assert _missing(plan) == [(month, "no such file on the server") for month in missing]


def test_a_month_newer_than_the_table_is_found_when_listed() -> None:
    """RADKLIM grows: the listing has the new month with its size, the known one needs none."""
    server = {f"{YW_RADKLIM}/2026": ["YW2017.002_202602.tar", "YW2017.002_202602_asc.tar"]}

    plan = _plan("YW", "2026-02", source="radklim", server=server)

    assert [(archive.name, archive.size) for archive in plan.archives] == [("YW2017.002_202602.tar", 1_000)]
    assert plan.exact


@pytest.mark.parametrize(("name", "every"), [("RY", 5), ("YW", 5), ("RW", 10), ("SF", 60)])
@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2"])
def test_near_real_time_prefers_hdf5(name: str, every: int, suffix: str) -> None:
    """The alias `latest` and the same frames as binaries, in any compression, are excluded."""
    pattern = f"raa01-{name.lower()}_10000-%y%m%d%H%M-dwd---bin"
    times = _stamps(pattern, "2026-07-01T00:50", 4, every=every)
    alias = f"raa01-{name.lower()}_10000-latest-dwd---bin"
    server = {
        f"{NRT}/{name.lower()}": [
            *(f"{time}.hdf5" for time in times),
            *(f"{time}{suffix}" for time in times),
            f"{alias}{suffix}",
            f"{alias}.hdf5",
        ]
    }

    plan = _plan(name, "2026-07", source="nrt", server=server)

    assert _paths(plan) == [f"{NRT}/{name.lower()}/{time}.hdf5" for time in times]


@pytest.mark.parametrize("suffix", ["", ".gz", ".bz2", ".hdf5"])
def test_near_real_time_uses_the_only_form(suffix: str) -> None:
    """Frames are found after the end of the binaries, and before the start of HDF5."""
    times = _stamps(f"raa01-ry_10000-%y%m%d%H%M-dwd---bin{suffix}", "2026-07-01T00:00", 3, every=5)

    assert _names(_plan("RY", "2026-07", server={f"{NRT}/ry": times})) == times


def test_a_form_continues_the_series_of_another() -> None:
    """Frames before and after the preferred form's come from the other; a gap inside stays a gap."""
    hdf5 = _stamps("composite_rv_%Y%m%d_%H%M.tar", "2026-07-01T10:00", 12, every=5)
    binary = _stamps("DE1200_RV%y%m%d%H%M.tar.bz2", "2026-07-01T07:00", 120, every=5)
    del hdf5[5]

    names = _names(_plan("RV", "2026-07", server={RV: [*binary, *hdf5]}))

    assert names == [*binary[:36], *hdf5, *binary[48:]]


def test_a_form_published_minutes_earlier_does_not_mix_the_forms() -> None:
    """At either end of the 48 hours, one form may be missing: that is not the end of a form."""
    hdf5 = _stamps("composite_rv_%Y%m%d_%H%M.tar", "2026-07-01T10:00", 12, every=5)
    binary = _stamps("DE1200_RV%y%m%d%H%M.tar.bz2", "2026-07-01T09:30", 24, every=5)

    assert _names(_plan("RV", "2026-07", server={RV: [*binary, *hdf5]})) == hdf5


def test_the_day_on_which_binaries_end_comes_from_the_hdf5_archive() -> None:
    """Binaries stop at 08 UTC; the day's archive has all 24 hours, and later days are HDF5."""
    frames = _stamps("raa01-rw_10000-%y%m%d%H%M-dwd---bin.gz", "2026-06-19T00:50", 24 + 8, every=60)
    days = _days("RW-hdf5-%y%m%d.tar.gz", "2026-06-18", 5)
    server = {RW_RECENT: frames, RW_RECENT.replace("/bin", "/hdf5"): days}

    plan = _plan("RW", "2026-06", source="radolan", server=server)

    assert _names(plan) == [days[0], *frames[:24], *days[2:]]


def test_a_gap_in_the_binaries_is_not_filled_from_another_grid() -> None:
    """A day with one missing hour stays binary as long as the binaries continue."""
    frames = _stamps("raa01-rw_10000-%y%m%d%H%M-dwd---bin.gz", "2026-06-19T00:50", 48, every=60)
    days = _days("RW-hdf5-%y%m%d.tar.gz", "2026-06-19", 2)
    del frames[7]

    plan = _plan("RW", "2026-06", server={RW_RECENT: frames, RW_RECENT.replace("/bin", "/hdf5"): days})

    assert _names(plan) == frames


def test_frames_of_another_month_are_excluded() -> None:
    """48 hours may span two months, each planned by itself."""
    times = _stamps("raa01-ry_10000-%y%m%d%H%M-dwd---bin.bz2", "2026-06-30T23:50", 4, every=5)
    server = {f"{NRT}/ry": times}

    assert _names(_plan("RY", "2026-07", server=server)) == times[2:]
    assert _names(_plan("RY", "2026-06", "2026-07", server=server)) == times


def test_each_gap_and_each_file_belongs_to_its_month() -> None:
    """Days, months, and months before the series or in the future are listed by month."""
    days = _days("YW-%y%m%d.tar.gz", "2026-06-02", 27)

    plan = _plan("YW", "2024-11", "2024-12", source="radolan")
    later = _plan("YW", "2026-05", "2026-08", source="radolan", server={YW_RECENT: days})

    assert [(str(gap.month), gap.what) for gap in (*plan.missing, *later.missing)] == [
        ("2024-11", "2024-11"),
        ("2024-12", "2024-12"),
        ("2026-05", "2026-05"),
        ("2026-06", "2026-06-01"),
        ("2026-07", "2026-07"),
        ("2026-08", "2026-08"),
    ]
    assert {(archive.month, archive.typical) for archive in later.archives} == {(Month(2026, 6), 10_000_000)}


@pytest.mark.parametrize(
    "stray", ["YW2017.002_100006.tar", "YW2017.002_2\u0660\u0662\u066006.tar", "YW2017.002_202013.tar"]
)
def test_invalid_months_in_names_are_ignored(stray: str) -> None:
    """The year 1000, digits of another script and month 13 look like a month, but are not valid."""
    server = {f"{YW_RADKLIM}/2020": [stray, "YW2017.002_202006.tar"], YW_RECENT: []}

    plan = _plan("YW", "2020-06", source="radklim", server=server, complete=True)

    assert _names(plan) == ["YW2017.002_202006.tar"]


def test_the_same_frame_in_two_compressions_is_accepted() -> None:
    """While DWD changes its compression, both are listed side by side."""
    names = [f"raa01-ry_10000-2607010000-dwd---bin{suffix}" for suffix in (".gz", ".bz2")]

    assert sorted(_names(_plan("RY", "2026-07", server={f"{NRT}/ry": names}))) == sorted(names)


def test_a_listing_on_request_has_sizes_and_gaps() -> None:
    """With `complete` known months are listed, too: the plan has true sizes, and no file that the server lacks."""
    server = {f"{YW_RADKLIM}/2020": ["YW2017.002_202005.tar"], YW_RECENT: ["YW-200601.tar.gz"]}

    plan = _plan("YW", "2020-05", "2020-06", server=server, complete=True)

    assert [(archive.name, archive.size, archive.modified) for archive in plan.archives] == [
        ("YW2017.002_202005.tar", 1_000, NOW)
    ]
    assert _missing(plan) == [("2020-06", "no such file on the server")]


def test_a_complete_listing_finds_the_supplement() -> None:
    """The file that repairs January 2018 is looked up in its own folder."""
    server = {
        f"{YW_RADKLIM}/2018": ["YW2017.002_201801.tar"],
        f"{YW_RADKLIM}/supplement": ["YW2017.002_Supplement.tar.gz"],
    }

    plan = _plan("YW", "2018-01", server=server, complete=True)

    assert _names(plan) == ["YW2017.002_201801.tar", "YW2017.002_Supplement.tar.gz"]
    assert plan.exact


# --- families -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "first", "last", "family"),
    [
        ("YW", "2020-06", "2020-06", "radklim"),
        ("YW", "2024-12", "2026-01", "radklim"),
        ("YW", "2025-01", "2026-02", "radolan"),  # radklim ends earlier
        ("YW", "2026-07", "2026-07", "radolan"),
        ("RW", "2005-06", "2026-01", "radklim"),
        ("RW", "2005-06", "2026-07", "radolan"),
        ("SF", "2010-01", "2010-12", "radolan"),
        ("RY", "2026-06", "2026-07", "nrt"),
    ],
)
def test_the_first_family_that_covers_the_whole_range_is_chosen(
    name: str, first: str, last: str, family: str
) -> None:
    """RADKLIM is preferred, then RADOLAN, then near real time, only for the last 48 hours."""
    assert choose_family(product(name), month_range(first, last), "auto", NOW).name == family


def test_families_are_never_mixed() -> None:
    """If no family covers the range, the error states each family's part and a remedy."""
    with pytest.raises(CoverageError, match=r"no family of YW covers 2000-12 to 2001-01: "):
        _plan("YW", "2000-12", "2001-01")
    with pytest.raises(CoverageError, match=r"no family of YW covers 2024-01 to 2026-05: ") as caught:
        _plan("YW", "2024-01", "2026-05")

    text = str(caught.value)
    assert "radklim covers 2024-01 to 2026-01; radolan covers 2024-12 to 2026-05; nrt covers none of it" in text
    assert "radklim holds 2001-01 on, radolan holds 2024-12 on, nrt holds the last 48 hours" in text
    assert "source=" in text


@pytest.mark.parametrize(
    ("name", "month", "parts"),
    [
        ("YW", "2000-12", "radklim covers none of it; radolan covers none of it; nrt covers none of it"),
        ("SF", "2006-09", "radolan covers none of it"),
        ("RY", "2020-06", "nrt covers none of it"),
    ],
)
def test_a_month_without_a_family_is_refused(name: str, month: str, parts: str) -> None:
    """Before the beginning of every family there is nothing to plan."""
    with pytest.raises(CoverageError, match=rf"no family of {name} covers {month}: .*{parts}"):
        _plan(name, month)


def test_a_named_family_returns_its_part() -> None:
    """Months before its beginning and in the future are in the plan as missing, never dropped."""
    early = _plan("RW", "2005-04", "2005-06", source="radolan")
    late = _plan("YW", "2026-06", "2026-08", source="radklim")

    assert _names(early) == ["RW-200506.tar.gz"]
    assert _missing(early) == [
        ("2005-04", "radolan begins in 2005-06"),
        ("2005-05", "radolan begins in 2005-06"),
    ]
    assert late.archives == ()
    assert [gap.reason for gap in late.missing] == [
        "no such file on the server",
        "no such file on the server",
        "is in the future",
    ]
    assert [str(month) for month in late.months] == ["2026-06", "2026-07", "2026-08"]


@pytest.mark.parametrize("source", ["auto", "radklim", "radolan", "nrt"])
def test_the_future_is_refused(source: str) -> None:
    """The error says that the months are in the future."""
    with pytest.raises(CoverageError, match=r"RW of 2026-08 to 2027-01 is in the future: choose .* 2026-07"):
        _plan("RW", "2026-08", "2027-01", source=source)


@pytest.mark.parametrize(("name", "month", "source"), [("YW", "2020-06", "radolan"), ("RW", "2000-12", "radklim")])
def test_a_named_family_that_covers_nothing_is_refused(name: str, month: str, source: str) -> None:
    """The message states the periods of the families."""
    with pytest.raises(CoverageError, match=f"{name} of {month} is not in {source}: radklim holds 2001-01 on"):
        _plan(name, month, source=source)


def test_an_unknown_family_is_refused() -> None:
    """The message names the families of the product."""
    with pytest.raises(UnknownProduct, match="RY has no family 'radklim': DWD publishes it as nrt"):
        _plan("RY", "2020-06", source="radklim")


def test_a_product_without_archives_can_be_read_but_not_planned() -> None:
    """RX is read from the user's files; the error says how to open them."""
    with pytest.raises(CoverageError, match=r"RX is not in DWD's archives .*open_dataset"):
        _plan("RX", "2020-06")


# --- near real time: expired, not yet due, moved ---------------------------------------


def _rv(first: str, count: int) -> dict[str, list[str]]:
    return {RV: ["composite_rv_LATEST.tar", *_stamps("composite_rv_%Y%m%d_%H%M.tar", first, count, every=5)]}


def test_expired_missing_and_future_frames_are_distinguished() -> None:
    """At 20:58 the RV of 20:55 is not due yet, older than 48 hours is expired, the rest is missing."""
    server = _rv("2026-06-29T21:10", 573)
    server[RV].remove("composite_rv_20260701_2030.tar")
    now = NOW - timedelta(minutes=2)

    plan = _plan("RV", "2026-06-29T20:50", "2026-07-01T23:59", server=server, now=now)

    assert _missing(plan) == [
        ("2026-06-29 20:50 UTC to 2026-06-29 20:55 UTC", "older than the 48 hours that the server keeps"),
        ("2026-06-29 21:00 UTC to 2026-06-29 21:05 UTC", "no such file on the server"),
        ("2026-07-01 20:30 UTC", "no such file on the server"),
    ]
    assert _names(plan)[-1] == "composite_rv_20260701_2050.tar"


def test_whole_months_of_near_real_time_have_no_gaps() -> None:
    """The existing files of a requested month are planned."""
    plan = _plan("RV", "2026-07", server=_rv("2026-07-01T20:00", 3))

    assert (len(plan.archives), plan.missing) == (3, ())


@pytest.mark.parametrize(
    ("server", "text"),
    [
        (
            _rv("2026-06-29T21:00", 575),
            "keeps near real time for 48 hours, and has 2026-06-29 21:00 UTC to 2026-07-01 20:50 UTC now",
        ),
        (
            {},
            "the server has no folder weather/radar/composite/rv: DWD may have moved or renamed it",
        ),
        (
            {RV: ["composite_rv_LATEST.tar", "composite_rv2_20260701_2050.tar"]},
            "none of the 2 files in weather/radar/composite/rv is named composite_rv_%Y%m%d_%H%M.tar or DE1200",
        ),
    ],
)
def test_near_real_time_without_files_is_refused(server: Mapping[str, Iterable[str]], text: str) -> None:
    """The error states what the server has, or that it has changed."""
    plan, listings = _planned("RV", "2026-07-01T21:00", "2026-07-01T22:00", server=server)

    with pytest.raises(CoverageError, match=re.escape(text)):
        refuse_nothing(plan, listings, NOW)


# --- other forms of the same frames ----------------------------------------------------------------------------

YW_NETCDF = f"{CDC}/5_minutes/radolan/reproc/2017_002/netCDF"
RW_NETCDF = f"{CDC}/hourly/radolan/reproc/2017_002/netCDF"


def test_months_in_netcdf_are_archives_of_years() -> None:
    """A year has one archive for any number of requested months; 2021 has the supplement."""
    plan = _plan("RW", "2020-11", "2022-02", form="netcdf")

    assert _paths(plan) == [
        f"{RW_NETCDF}/2020/RW2017.002_2020_netcdf.tar.gz",
        f"{RW_NETCDF}/supplement/RW2017.002_2021_netcdf_supplement.tar.gz",
        f"{RW_NETCDF}/2022/RW2017.002_2022_netcdf.tar.gz",
    ]
    assert plan.missing == ()
    assert plan.span == (np.datetime64("2020-11-01T00:00:00"), np.datetime64("2022-02-28T23:59:59"))


def test_years_in_netcdf_are_found_in_a_listing() -> None:
    """Listed years have a true size, also for later months of the year; a year not listed is missing."""
    server = {f"{YW_NETCDF}/2025": ["YW2017.002_2025_netcdf.tar.gz"]}

    plan = _plan("YW", "2025-07", "2026-01", source="radklim", server=server, complete=True, form="netcdf")

    assert [(archive.name, archive.size, str(archive.month)) for archive in plan.archives] == [
        ("YW2017.002_2025_netcdf.tar.gz", 1000, "2025-07")
    ]
    assert _missing(plan) == [("2026-01", "no such file on the server")]


@pytest.mark.parametrize(
    ("name", "source", "month", "names"),
    [
        ("YW", "auto", "2020-06", ["YW2017.002_202006_asc.tar"]),
        ("RW", "radklim", "2018-01", ["RW2017.002_201801_asc.tar.gz", "RW2017.002_Supplement_asc.tar.gz"]),
        ("RW", "radolan", "2010-01", ["RW-201001.tar"]),
    ],
)
def test_months_in_ascii_have_known_paths(name: str, source: str, month: str, names: list[str]) -> None:
    """Months in ASCII have the binaries' folders and other names."""
    assert _names(_plan(name, month, source=source, form="ascii")) == names


def test_a_named_form_is_used_alone() -> None:
    """A named form excludes others: binaries without the HDF5 that continues them, and the reverse."""
    days = {YW_RECENT: ["YW-260601.tar.gz", "YW-260602.tar.gz", "YW-hdf5-260602.tar.gz", "YW-hdf5-260603.tar.gz"]}

    binary, hdf5 = (_names(_plan("YW", "2026-06", server=days, form=form)) for form in ("binary", "hdf5"))

    assert binary == ["YW-260601.tar.gz", "YW-260602.tar.gz"]
    assert hdf5 == ["YW-hdf5-260602.tar.gz", "YW-hdf5-260603.tar.gz"]


@pytest.mark.parametrize(
    ("name", "source", "form", "error", "text"),
    [
        (
            "SF",
            "auto",
            "netcdf",
            CoverageError,
            "SF is not published as netcdf: DWD has radolan as binary, hdf5; nrt",
        ),
        (
            "RW",
            "radolan",
            "netcdf",
            CoverageError,
            "as netcdf in radolan: DWD has radklim as binary, netcdf, ascii",
        ),
        ("RW", "auto", "grib", SettingsError, "unknown form 'grib': choose one of binary, hdf5, netcdf, ascii"),
    ],
)
def test_a_form_that_is_not_published_is_refused(
    name: str, source: str, form: str, error: type[Exception], text: str
) -> None:
    """The error names the published forms."""
    with pytest.raises(error, match=text):
        _plan(name, "2020-06", source=source, form=form)  # type: ignore[arg-type] # one is not a form


@pytest.mark.parametrize(("name", "instead"), [("PG", "choose WN or HX instead"), ("RQ", "replaced it by RS")])
def test_a_product_that_has_a_successor_names_it(name: str, instead: str) -> None:
    """The error says that PG is published as BUFR today, and RQ no longer."""
    with pytest.raises(CoverageError, match=rf"{name} is not in DWD's archives .*{instead}"):
        _plan(name, "2026-06")
