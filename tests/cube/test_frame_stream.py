"""Cubes read once as a stream: the results are those of the archives, to the last bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import geopandas
import numpy as np
import pytest
import shapely
import xarray as xr
from support.cubes import archive

import radar_nb as rn
from radar_nb.errors import DamagedShard, NothingFound, SettingsError

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.runtime.progress import Progress

DAYS = ("2019-10-14", "2019-10-15", "2019-10-17")
PLACES = {"Aachen": (6.09, 50.78), "Leipzig": (12.37, 51.34), "Rostock": (12.09, 54.09)}


@pytest.fixture(scope="module")
def hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write an archive of three days, with a day between them missing."""
    return archive(tmp_path_factory.mktemp("archives") / "RW201910.tar.gz", DAYS)


@pytest.fixture(scope="module", params=["balanced", "series"])
def cube(hours: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Build a cube of it."""
    folder = tmp_path_factory.mktemp("cubes") / "RW"
    rn.build_cube(hours, folder, layout=request.param, client=False, progress=False)
    return folder


@pytest.mark.parametrize(
    ("how", "options"),
    [
        ("sum", {}),
        ("sum", {"period": "1D"}),
        (["sum", "mean", "max", "min", "count"], {"period": "1D", "threshold": [0.1, 5.0]}),
        ("max", {"points": PLACES, "method": "mean3x3"}),
        ("series", {"points": PLACES}),
    ],
)
@pytest.mark.parametrize("workers", [1, 3])
def test_reductions_equal_the_archives(
    hours: Path, cube: Path, how: Any, options: dict[str, Any], workers: int
) -> None:
    """Totals, extremes, counts and series are equal, with coordinates and attributes."""
    expected = rn.reduce(hours, how, progress=False, **options)

    xr.testing.assert_identical(rn.reduce(cube, how, workers=workers, progress=False, **options), expected)


@pytest.mark.parametrize("name", ["raa01-rx_10000-1605290600-dwd---bin", "raa01-rw_10000-latest-dwd---bin.hdf5"])
def test_other_codes_are_equal(real_frames: Path, tmp_path: Path, name: str) -> None:
    """Codes of one byte, and of HDF5 files with their own steps, are equal."""
    rn.build_cube(real_frames / name, tmp_path / "cube", client=False, progress=False)

    found = rn.reduce(tmp_path / "cube", ["max", "mean"], progress=False)

    xr.testing.assert_identical(found, rn.reduce(real_frames / name, ["max", "mean"], progress=False))


@pytest.mark.parametrize("name", ["accumulate", "at_points", "over_areas", "exceedance", "check", "events"])
def test_every_analysis_accepts_a_cubes_folder(hours: Path, cube: Path, name: str) -> None:
    """A cube can be used in place of its archives."""
    shapes = geopandas.GeoSeries([shapely.box(8, 50, 9, 51), shapely.box(12, 51, 13, 52)], ["a", "b"], crs=4326)
    more = {"at_points": (PLACES,), "over_areas": (shapes,), "exceedance": (5.0,), "events": (5.0,)}.get(name, ())
    ask = getattr(rn, name)

    found, expected = ask(cube, *more, progress=False), ask(hours, *more, progress=False)

    if isinstance(expected, xr.Dataset):
        xr.testing.assert_allclose(found, expected)
    else:
        assert str(found) == str(expected)


def test_progress_counts_frames(cube: Path) -> None:
    """Progress begins at 0 and ends at the number of frames."""
    events: list[Progress] = []

    rn.reduce(cube, "sum", progress=events.append)

    assert [one.done for one in events] == sorted(one.done for one in events)
    assert (events[-1].task, events[-1].done, events[-1].total, events[-1].unit) == ("reduce", 12, 12, "frames")


@pytest.mark.parametrize(
    "options",
    [{"grid": "de1200"}, {"clutter": "mask"}, {"regrid": "nearest"}, {"sums": "all"}, {"variables": "YW"}],
    ids=str,
)
def test_unsupported_options_are_refused(cube: Path, options: dict[str, Any]) -> None:
    """A cube has one grid and one product."""
    with pytest.raises(SettingsError, match=f"a cube of RW as it was built: leave out {next(iter(options))}"):
        rn.reduce(cube, "sum", progress=False, **options)


def test_its_own_product_can_be_named(cube: Path) -> None:
    """The option works as for archives, which may hold several."""
    xr.testing.assert_identical(
        rn.reduce(cube, "sum", variables="RW", progress=False), rn.reduce(cube, "sum", progress=False)
    )


def test_a_damaged_day_raises_or_is_left_out(hours: Path, tmp_path: Path) -> None:
    """The coverage of a total shows the missing day."""
    folder = tmp_path / "RW"
    rn.build_cube(hours, folder, client=False, progress=False)
    shard = min((folder / "RW").glob("c.*"))
    shard.write_bytes(shard.read_bytes()[:-1])

    with pytest.raises(DamagedShard, match="is cut short or damaged"):
        rn.reduce(folder, "sum", progress=False)
    found = rn.reduce(folder, "sum", errors="report", progress=False)

    whole = rn.reduce(hours, "sum", progress=False)
    assert "is cut short or damaged" in found.attrs["problems"]
    assert float(np.nansum(found.RW)) < float(np.nansum(whole.RW))


def test_a_changed_chunk_is_detected(hours: Path, tmp_path: Path) -> None:
    """One flipped bit in a chunk raises."""
    folder = tmp_path / "RW"
    rn.build_cube(hours, folder, client=False, progress=False)
    shard = min((folder / "RW").glob("c.*"))
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(data)

    with pytest.raises(DamagedShard, match="is damaged in chunk"):
        rn.reduce(folder, "sum", progress=False)


def test_an_empty_cube_raises(hours: Path, tmp_path: Path) -> None:
    """A cube without frames has nothing to sum and raises."""
    folder = tmp_path / "RW"
    rn.build_cube(hours, folder, client=False, progress=False)
    for shard in (folder / "RW").glob("c.*"):
        shard.unlink()

    with pytest.raises(NothingFound, match="holds no days yet"):
        rn.reduce(folder, "sum", progress=False)
