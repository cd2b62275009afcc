"""Random crops for training: each is a part of the cube; an epoch has every crop once, whoever reads it."""

from __future__ import annotations

import pickle
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.cubes import archive

from radar_nb.cube.building import build_cube
from radar_nb.cube.opening import open_cube
from radar_nb.cube.training import Crops
from radar_nb.errors import NothingFound, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import xarray as xr

HOURS = (*(f"{hour:02d}:50" for hour in range(12)), "14:50")
"""Of a day: twelve consecutive frames, and one after a gap."""


@pytest.fixture(scope="module")
def cube(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build a cube of two days in 2018 and one in 2019."""
    folder = tmp_path_factory.mktemp("crops")
    source = archive(folder / "RW.tar.gz", ["2018-12-30", "2018-12-31", "2019-03-01"], hours=HOURS)
    build_cube(source, folder / "RW.zarr", client=False, progress=False)
    return folder / "RW.zarr"


@pytest.fixture(scope="module")
def whole(cube: Path) -> xr.DataArray:
    """Return all values of the cube."""
    found: xr.DataArray = open_cube(cube).RW.load()
    return found


def keys(crops: Iterable[Any]) -> list[tuple[int, int, int]]:
    """Return time and place of each crop."""
    return [(crop.time, crop.row, crop.col) for crop in crops]


@pytest.mark.parametrize(("steps", "size"), [(12, (256, 200)), (1, 450), (5, (30, 440))])
def test_a_crop_is_a_part_of_the_cube(cube: Path, whole: xr.DataArray, steps: int, size: Any) -> None:
    """Values, mask, time and place are those of `open_cube`; no frame of a crop is missing."""
    for values, there, time, row, col in islice(Crops(cube, steps=steps, size=size, memory=1), 12):
        first = int(np.flatnonzero(whole.time.values == np.datetime64(time, "s"))[0])
        part = whole[first : first + steps, row : row + values.shape[1], col : col + values.shape[2]]

        assert (np.diff(part.time.values) == np.timedelta64(1, "h")).all()
        np.testing.assert_array_equal(values, part.values)
        np.testing.assert_array_equal(there, ~np.isnan(part.values))
        assert values.shape == there.shape == (steps, *((size, size) if isinstance(size, int) else size))


def test_an_epoch_reads_every_cell_about_once(cube: Path) -> None:
    """Epochs differ, and are the same for the same seed; the mean number of visits of a cell is near 1."""
    crops = Crops(cube, steps=6, size=75)

    assert len(crops) == len(keys(crops)) == round(3 * 24 * 36 / 6 / 3) * 3
    assert keys(crops) == keys(Crops(cube, steps=6, size=75))
    assert keys(crops) != keys(crops.epoch(1)) != keys(Crops(cube, steps=6, size=75, seed=1))


@pytest.mark.parametrize("parts", [2, 3])
def test_parts_share_an_epoch(cube: Path, parts: int) -> None:
    """Together they yield each crop of the epoch once, and each says how many it has."""
    crops = Crops(cube, steps=6, size=150, memory=1)
    split = [crops.part(number, parts) for number in range(parts)]

    assert sorted(key for part in split for key in keys(part)) == sorted(keys(crops))
    assert [len(part) for part in split] == [len(keys(part)) for part in split]


def test_years_divide_the_crops(cube: Path) -> None:
    """No frame of a crop ends in another year."""
    times = [crop.time for crop in Crops(cube, steps=12, size=200, years=[2018])]

    assert {str(np.datetime64(time, "s"))[:4] for time in times} == {"2018"}
    assert {str(np.datetime64(c.time, "s"))[:4] for c in Crops(cube, steps=12, size=200, years=[2019])} == {"2019"}


def test_missing_cells_take_a_value_on_request(cube: Path) -> None:
    """They are NaN unless `fill` says otherwise; the mask is the same."""
    for crop, filled in zip(
        islice(Crops(cube, steps=2, size=250), 5), islice(Crops(cube, steps=2, size=250, fill=-1), 5), strict=True
    ):
        np.testing.assert_array_equal(filled.values, np.where(crop.there, crop.values, -1))
        np.testing.assert_array_equal(filled.there, crop.there)


@pytest.mark.parametrize("years", [None, [2018]])
def test_statistics_equal_those_of_numpy(cube: Path, whole: xr.DataArray, years: Any) -> None:
    """They are exact: of every value, in double precision, without missing cells."""
    part = whole if years is None else whole.sel(time="2018")
    sums = np.zeros(6)
    for frame in part.values:  # all at once would take a gigabyte
        known = frame[~np.isnan(frame)].astype(np.float64)
        logs = np.log1p(known)
        sums += known.size, known.sum(), (known**2).sum(), logs.sum(), (logs**2).sum(), (known > 0).sum()
    mean, squares, log_mean, log_squares, wet = sums[1:] / sums[0]

    found = Crops(cube, steps=2, size=9, years=years).statistics()

    np.testing.assert_allclose(
        (found.mean, found.std, found.log_mean, found.log_std, found.wet, found.missing),
        (
            mean,
            np.sqrt(squares - mean**2),
            log_mean,
            np.sqrt(log_squares - log_mean**2),
            wet,
            1 - sums[0] / part.size,
        ),
        rtol=1e-6,
    )
    assert (found.largest, found.frames) == (float(part.max()), part.sizes["time"])


def test_decoded_chunks_are_not_pickled(cube: Path) -> None:
    """A worker receives what it needs to read, some kilobytes."""
    crops = Crops(cube, steps=6, size=150)
    next(iter(crops))

    assert len(pickle.dumps(crops)) < 100_000


class TestTorch:
    """PyTorch's DataLoader."""

    @pytest.mark.parametrize("workers", [0, 2])
    def test_batches_hold_an_epoch(self, cube: Path, workers: int) -> None:
        """Every crop is in one batch, whatever the number of workers."""
        data = pytest.importorskip("torch.utils.data", reason="PyTorch is not installed")
        crops = Crops(cube, steps=2, size=225, memory=1, fill=0)

        loader = data.DataLoader(crops.for_torch(), batch_size=4, num_workers=workers)
        batches = list(loader)

        found = [
            (int(time), int(row), int(col))
            for batch in batches
            for time, row, col in zip(batch["time"], batch["row"], batch["col"], strict=True)
        ]
        assert sorted(found) == sorted(keys(crops))
        assert batches[0]["values"].shape == batches[0]["there"].shape == (4, 2, 225, 225)

    def test_without_pytorch(self, cube: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The error says what to install."""
        monkeypatch.setitem(sys.modules, "torch", None)
        monkeypatch.setitem(sys.modules, "torch.utils.data", None)
        monkeypatch.delitem(sys.modules, "radar_nb.cube.torch_crops", raising=False)

        with pytest.raises(
            SettingsError, match="for_torch needs PyTorch, which is not installed: pip install torch"
        ):
            Crops(cube, steps=1, size=9).for_torch()


class TestBadInput:
    """Each raises a clear error."""

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"size": 451}, "size=451.* has 450 x 450 cells; use"),
            ({"size": (0, 9)}, r"size=\(0, 9\)"),
            ({"steps": 0}, "steps=0"),
            ({"memory": 0}, "memory=0"),
        ],
    )
    def test_crops_that_do_not_fit(self, cube: Path, options: Any, match: str) -> None:
        """The message names the sizes."""
        with pytest.raises(SettingsError, match=match):
            Crops(cube, **{"steps": 1, "size": 9} | options)

    def test_no_such_crop(self, cube: Path) -> None:
        """More steps than follow one another, or years that were not built."""
        with pytest.raises(NothingFound, match="no 13 consecutive frames in these years: choose fewer steps"):
            Crops(cube, steps=13, size=9)
        with pytest.raises(NothingFound, match="no 1 consecutive frames in these years"):
            Crops(cube, steps=1, size=9, years=[2001])

    def test_a_part_that_does_not_exist(self, cube: Path) -> None:
        """Parts are numbered from 0."""
        with pytest.raises(SettingsError, match="part 2 of 2 does not exist: use a number from 0 to 1"):
            Crops(cube, steps=1, size=9).part(2, 2)
