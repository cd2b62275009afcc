"""Stored extremes: they equal those of annual_maxima after interruptions and extensions."""

from __future__ import annotations

import json
import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support import killed_processes as kills
from support.killed_processes import Job
from support.small_rain import rain, showers

from radar_nb.analysis.extremes import annual_maxima
from radar_nb.analysis.stored_extremes import extremes
from radar_nb.errors import SeriesError, SettingsError, StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.runtime.progress import Progress

KILLS = 3  # make soak has more
DURATIONS = ["1h", "6h", "72h"]
WHOLE: dict[str, Any] = {"durations": DURATIONS, "min_coverage": 0.0, "progress": False}


def hours(days: int = 100, first: str = "2019-11-20T00:50", seed: int = 0) -> xr.Dataset:
    """Return hourly amounts of a few cells, some of which are missing, over New Year."""
    return rain(showers(24 * days, 3, 4, seed=seed, missing=0.1), first=first, minutes=60, name="RW")


RAIN = hours()


def store_of(folder: Path, ds: xr.Dataset = RAIN) -> xr.Dataset:
    return extremes(ds, store=folder / "extremes", **WHOLE).compute()


@pytest.mark.parametrize("year", ["calendar", "hydro"])
@pytest.mark.parametrize("least", [0.0, 0.1])
def test_a_store_holds_the_annual_maxima(year: str, least: float, tmp_path: Path) -> None:
    """Amounts, times, coverage and attributes are equal, although months are computed separately."""
    found = extremes(RAIN, DURATIONS, store=tmp_path / "a", year=year, min_coverage=least, progress=False)

    expected = annual_maxima(RAIN, DURATIONS, year=year, min_coverage=least, progress=False)
    xr.testing.assert_identical(found.compute(), expected)
    assert found.RW.chunks is not None


def test_archives_equal_annual_maxima(tmp_path: Path, folder: Path) -> None:
    """Stored extremes of archives equal `annual_maxima` of the same frames."""
    found = extremes(folder, ["5min", "30min"], store=tmp_path / "a", min_coverage=0, progress=False)

    expected = annual_maxima(folder, ["5min", "30min"], min_coverage=0, progress=False)
    xr.testing.assert_identical(found.compute(), expected)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write frames of RY before and after the turn of a year."""
    from radar_nb.formats.radolan import Header, write_frame

    made = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(3)
    for number in range(-10, 10):
        time = np.datetime64("2020-01-01T00:00", "s") + np.timedelta64(5 * number, "m")
        header = Header(product="RY", time=time, rows=450, cols=450, precision=-2, interval=5)
        codes = np.repeat(np.repeat(rng.integers(0, 300, (30, 30), np.uint16), 15, axis=0), 15, axis=1)
        (made / f"{number + 10:02d}").write_bytes(write_frame(header, codes))
    return made


def test_an_interrupted_call_resumes(tmp_path: Path) -> None:
    """Written months are not read again; progress counts the rest."""
    seen: list[Progress] = []

    def stop(progress: Progress, /) -> None:
        seen.append(progress)
        if progress.done > 1000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extremes(RAIN, DURATIONS, store=tmp_path / "extremes", min_coverage=0, progress=stop)
    left: list[Progress] = []
    found = extremes(RAIN, DURATIONS, store=tmp_path / "extremes", min_coverage=0, progress=left.append)

    xr.testing.assert_identical(found.compute(), annual_maxima(RAIN, DURATIONS, min_coverage=0, progress=False))
    assert seen[-1].total == 2400
    assert left[-1].done == left[-1].total == 2400 - 264  # November was written, December was not
    assert [one.done for one in left] == sorted(one.done for one in left)


def test_a_damaged_month_is_named(tmp_path: Path) -> None:
    """A month's file of an interrupted call is not trusted; without it the call goes on, as beside old groups."""

    def stop(progress: Progress, /) -> None:
        if progress.done > 1000:
            raise KeyboardInterrupt

    options: Any = {"store": tmp_path / "extremes", "min_coverage": 0}
    with pytest.raises(KeyboardInterrupt):
        extremes(RAIN, DURATIONS, progress=stop, **options)
    month = tmp_path / "extremes" / ".months" / "2019-12.npz"
    (month.with_name("2019-11") / "largest").mkdir(parents=True)  # of an earlier version
    np.savez(month, about=np.array('{"dims": {"valid": ["y"]}, "attrs": {"steps_of_months": "{}"}}'))
    whole = month.read_bytes()
    np.savez_compressed(month, about=np.zeros(100_000_000, np.uint8))
    bomb = month.read_bytes()
    for data in (b"", whole[: len(whole) // 2], b"[1]", bomb):
        month.write_bytes(data)
        with pytest.raises(StorageError, match=r"2019-12\.npz is damaged, or not of radar_nb .*remove it, and"):
            extremes(RAIN, DURATIONS, progress=False, **options)
    month.unlink()

    found = extremes(RAIN, DURATIONS, progress=False, **options)

    xr.testing.assert_identical(found.compute(), annual_maxima(RAIN, DURATIONS, min_coverage=0, progress=False))
    assert not month.parent.exists()


def test_a_complete_store_is_not_computed_again(tmp_path: Path) -> None:
    """The same call a second time writes nothing."""
    first = store_of(tmp_path)
    before = kills.tree(tmp_path)
    seen: list[Progress] = []

    again = extremes(RAIN, DURATIONS, store=tmp_path / "extremes", min_coverage=0, progress=seen.append)

    xr.testing.assert_identical(again.compute(), first)
    assert kills.tree(tmp_path) == before
    assert {one.total for one in seen} == {0}
    assert sorted(path.name for path in (tmp_path / "extremes").iterdir()) == [
        "2019.zarr",
        "2020.zarr",
        "request.json",
    ]


@pytest.mark.parametrize("cut", [500, 1008])
def test_a_longer_series_extends_a_store(cut: int, tmp_path: Path) -> None:
    """Extended within a month or at its end, the store equals that of the whole series."""
    store_of(tmp_path, RAIN.isel(time=slice(cut)))

    found = store_of(tmp_path)

    xr.testing.assert_identical(found, annual_maxima(RAIN, DURATIONS, min_coverage=0, progress=False))


def test_a_new_year_is_added_without_the_old_years(tmp_path: Path) -> None:
    """A source of only the next year adds it, and the stored years stay unchanged."""
    store_of(tmp_path, RAIN.isel(time=slice(1008)))  # to the end of 2019
    before = kills.tree(tmp_path / "extremes" / "2019.zarr")

    found = store_of(tmp_path, RAIN.isel(time=slice(1008, None)))

    assert found.year.values.tolist() == [2019, 2020]
    assert kills.tree(tmp_path / "extremes" / "2019.zarr") == before


def test_a_year_that_cannot_be_computed_again_raises(tmp_path: Path) -> None:
    """If a month has other steps and the source lacks other months of the year, the error names those."""
    store_of(tmp_path)
    changed = RAIN.isel(time=slice(2000, 2300))

    with pytest.raises(
        SettingsError, match=r"2020.zarr has to be computed again.*2020-02, but the source lacks 2020-01"
    ):
        store_of(tmp_path, changed)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"durations": ["1h"]}, r"holds other extremes \(durations_minutes \[60, 360, 4320\], not \[60\]\)"),
        ({"year": "hydro"}, "year calendar, not hydro"),
        ({"source": RAIN.isel(x=slice(2))}, r"cells \{'x': 4, 'y': 3\}, not \{'y': 3, 'x': 2\}"),
        ({"source": RAIN.isel(x=slice(None, None, -1))}, "corner"),
        ({"source": RAIN.rename(RW="RX")}, "variable RW, not RX"),
    ],
)
def test_a_store_of_other_extremes_is_refused(changes: dict[str, Any], text: str, whole: Path) -> None:
    """Durations, years, cells or products are never mixed, and the message names what differs."""
    with pytest.raises(SettingsError, match=text):
        extremes(**{"source": RAIN, "store": whole / "extremes", **WHOLE, **changes})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the store of all hours; read-only."""
    folder: Path = tmp_path_factory.mktemp("whole")
    store_of(folder)
    return folder


def test_invalid_requests_leave_no_store(tmp_path: Path) -> None:
    """Invalid durations, unknown years and rates raise before anything is written."""
    target = tmp_path / "extremes"
    with pytest.raises(SettingsError, match="duration='90min' is not a multiple of the interval of 60 min"):
        extremes(RAIN, ["90min"], store=target, progress=False)
    with pytest.raises(SettingsError, match="unknown year='school'"):
        extremes(RAIN, store=target, year="school", progress=False)
    with pytest.raises(SeriesError, match="only amounts in mm"):
        extremes(RAIN.RW.assign_attrs(units="mm h-1"), store=target, progress=False)

    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_groups_is_refused(tmp_path: Path) -> None:
    """A folder with Zarr groups that is not a store of extremes raises and is not written to."""
    (tmp_path / "extremes" / "cube.zarr").mkdir(parents=True)

    with pytest.raises(SettingsError, match=r"is not a store of extremes, which has a request.json"):
        store_of(tmp_path)


def test_workers_of_a_cluster_write_the_same_bytes(tmp_path: Path, folder: Path) -> None:
    """Months computed by dask workers have the same bytes as those of this process."""
    distributed = pytest.importorskip("distributed")
    extremes(folder, ["5min", "30min"], store=tmp_path / "here", min_coverage=0, progress=False, client=False)

    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        extremes(
            folder, ["5min", "30min"], store=tmp_path / "there", min_coverage=0, progress=False, client=client
        )

    assert kills.tree(tmp_path / "there") == kills.tree(tmp_path / "here")


def test_a_killed_call_ends_in_the_same_store(tmp_path: Path) -> None:
    """After SIGKILL at any moment no half-written group has a final name, and the next call completes it."""
    source = tmp_path / "rain.nc"
    hours(25, first="2019-12-20T00:50").to_netcdf(source, engine="h5netcdf")
    job = Job(name="extremes", work=kills.find_extremes, arguments=(source,))
    calm = kills.undisturbed(job, tmp_path / "store")

    found = list(kills.killed(job, calm, tmp_path / "store", kills=KILLS, seed=2))

    assert len(found) == KILLS
    assert [fault for kill in found for fault in kill.faults] == []


def again(folder: Path) -> xr.Dataset:
    """Compute the small store, or what it lacks."""
    return extremes(hours(days=3, first="2020-06-01T00:50"), ["1h"], store=folder / "store", progress=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a small store; read-only."""
    folder: Path = tmp_path_factory.mktemp("small")
    again(folder)
    return folder


@pytest.fixture
def small(made: Path, tmp_path: Path) -> Path:
    """Return a folder with a copy of it, to be changed."""
    shutil.copytree(made / "store", tmp_path / "store")
    return tmp_path


@pytest.mark.parametrize("name", ["request.json", "2020.zarr/.zattrs", "2020.zarr/.zmetadata"])
@pytest.mark.parametrize(
    "data",
    [b"", b"[1]", b"[" * 100_000, b"\xff", b" " * (5 << 20)],
    ids=["empty", "list", "deep", "bytes", "large"],
)
def test_damaged_metadata_of_a_store_is_named(name: str, data: bytes, small: Path) -> None:
    """What is not a description is refused with the file to remove; nothing is computed in its place."""
    (small / "store" / name).write_bytes(data)

    with pytest.raises(
        StorageError, match=r"is damaged, or not of radar_nb .*remove it, and the same call computes"
    ):
        again(small)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pipes in folders")
@pytest.mark.parametrize("name", ["request.json", "2020.zarr/.zattrs", "2020.zarr/largest/0.0.0"])
def test_a_pipe_in_a_store_does_not_block(name: str, small: Path) -> None:
    """Only regular files are opened."""
    (small / "store" / name).unlink()
    os.mkfifo(small / "store" / name)

    with pytest.raises(StorageError, match=r"is neither a file nor a folder|it is not a small file"):
        again(small)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege")
@pytest.mark.parametrize("name", [".months", ".2020.zarr.tmp", ".2020.zarr.old", "2020.zarr"])
def test_a_link_in_a_store_leads_nowhere(name: str, small: Path) -> None:
    """Half-written groups are removed, so that a link to another folder would cost its contents."""
    (outside := small / "outside" / ".hidden").mkdir(parents=True)
    (outside / "notes").write_text("mine")
    shutil.rmtree(small / "store" / "2020.zarr")
    (small / "store" / name).symlink_to(small / "outside")

    with pytest.raises(StorageError, match="is neither a file nor a folder: remove it"):
        again(small)
    assert (outside / "notes").read_text() == "mine"


@pytest.mark.parametrize(
    ("array", "change"),
    [
        ("largest", {"shape": [1, 100_000, 100_000]}),
        ("largest", {"dtype": "|O", "filters": [{"id": "pickle"}], "compressor": None, "fill_value": None}),
        ("valid", {"shape": [3, 5]}),
    ],
)
def test_a_group_has_the_sizes_of_its_request(array: str, change: dict[str, Any], small: Path) -> None:
    """Another shape or type is refused before a value is read."""
    path = small / "store" / "2020.zarr" / ".zmetadata"
    described = json.loads(path.read_bytes())
    described["metadata"][f"{array}/.zarray"] |= change
    path.write_text(json.dumps(described))

    with pytest.raises(StorageError, match=r"2020.zarr is damaged, or not of radar_nb"):
        again(small)
