"""A store of results that was forged or damaged is an error that names it; it reads no other file."""

from __future__ import annotations

import json
import shutil
import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import xarray as xr

import radar_nb as rn
from radar_nb.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def rain() -> xr.Dataset:
    times = np.datetime64("2019-05-30T00:50", "ns") + np.arange(72) * np.timedelta64(60, "m")
    values = np.ones((72, 3, 4), "f4")
    coords = {"time": times, "y": np.arange(3.0), "x": np.arange(4.0)}
    attrs = {"units": "mm", "interval_minutes": 60, "cell_methods": "time: sum"}
    return xr.Dataset({"RW": (("time", "y", "x"), values, attrs)}, coords)


@pytest.fixture(scope="module")
def totals(rain: xr.Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("totals")
    for suffix in ("nc", "zarr"):
        rn.accumulate(rain, "D", store=folder / f"days.{suffix}", progress=False).close()
    return folder


def elsewhere(file: Any, secret: Path) -> None:
    shape, attrs = file["RW"].shape, {k: v for k, v in file["RW"].attrs.items() if not k.startswith(("DIM", "_N"))}
    del file["RW"]
    data = file.create_dataset("RW", shape, "f4", external=[(str(secret), 0, 4 * int(np.prod(shape)))])
    data.attrs.update(attrs)


def linked(file: Any, secret: Path) -> None:
    del file["RW"]
    file["RW"] = h5py.ExternalLink(str(secret), "RW")


def short(file: Any, _: Path) -> None:
    file["RW"].id.write_direct_chunk((0, 0, 0), zlib.compress(b"short"))


def bare(file: Any, _: Path) -> None:
    del file["coverage"]


@pytest.mark.parametrize("change", [elsewhere, linked, short, bare, None])
def test_a_netcdf_file_of_totals_is_read_from_its_own_whole_bytes(
    rain: xr.Dataset, totals: Path, tmp_path: Path, change: Callable[[Any, Path], None] | None
) -> None:
    store, secret = tmp_path / "days.nc", tmp_path / "secret"
    secret.write_bytes(b"root:x:0:0:" * 1000)
    shutil.copy(totals / "days.nc", store)
    if change is None:
        store.write_bytes(store.read_bytes()[:-500])
    else:
        with h5py.File(store, "r+") as file:
            change(file, secret)
    with pytest.raises(StorageError, match=r"days\.nc is damaged, or not of radar_nb"):
        rn.accumulate(rain, "D", store=store, progress=False)


def test_a_group_of_results_has_the_types_the_codec_and_the_chunks_that_were_written(
    rain: xr.Dataset, totals: Path, tmp_path: Path
) -> None:
    changes: list[dict[str, Any]] = [
        {"compressor": {"id": "zlib", "level": 1}},
        {"filters": [{"id": "delta", "dtype": "<f4"}]},
        {"chunks": [3, 30_000, 30_000]},
        {"dtype": "<U1"},
        {"dtype": "<f8"},
    ]
    for number, change in enumerate(changes):
        store = tmp_path / f"{number}.zarr"
        shutil.copytree(totals / "days.zarr", store)
        metadata = json.loads((store / ".zmetadata").read_text())
        metadata["metadata"]["coverage/.zarray"] |= change
        (store / ".zmetadata").write_text(json.dumps(metadata))
        with pytest.raises(StorageError, match="is damaged, or not of radar_nb"):
            rn.accumulate(rain, "D", store=store, progress=False)


def test_names_in_a_store_are_read_again(tmp_path: Path) -> None:
    """Texts have a filter of their own, which is not damage."""
    times = np.datetime64("2019-05-30T00:50", "ns") + np.arange(48) * np.timedelta64(60, "m")
    attrs = {"units": "mm", "interval_minutes": 60, "cell_methods": "time: sum"}
    coords = {"time": times, "point": ["a", "b"], "town": ("point", np.array(["x", "y"], object))}
    rain = xr.Dataset({"RW": (("time", "point"), np.ones((48, 2), "f4"), attrs)}, coords)
    for suffix in ("nc", "zarr"):
        made, again = (
            rn.accumulate(rain, "D", store=tmp_path / f"days.{suffix}", progress=False).load() for _ in range(2)
        )
        assert again["town"].values.tolist() == ["x", "y"]
        xr.testing.assert_equal(made, again)


@pytest.mark.parametrize("name", ["store", "store.zarr"])
def test_a_file_in_the_place_of_a_store_is_named(rain: xr.Dataset, tmp_path: Path, name: str) -> None:
    """The advice names no argument that the call does not have, and the file stays."""
    (tmp_path / name).write_bytes(b"mine")

    ask: Any = rn.extremes if name == "store" else rn.accumulate
    with pytest.raises(StorageError, match=r"move it away, or choose another|damaged") as found:
        ask(rain, ["1h"] if name == "store" else "D", store=tmp_path / name, progress=False)

    assert "folder=" not in str(found.value)
    assert (tmp_path / name).read_bytes() == b"mine"
