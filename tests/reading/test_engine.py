"""xarray's engine: it accepts every keyword that xarray documents, and behaves as for netCDF."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xarray as xr
from support.frames import frame, save

if TYPE_CHECKING:
    from pathlib import Path

RQ = {"product": "RQ", "rows": 900, "precision": -1, "interval": 60}


@pytest.fixture(scope="module")
def forecast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of forecasts, which have times and time differences."""
    frames = (frame("2020-06-13T15:30", lead, lead=lead, **RQ) for lead in (0, 60, 120))
    return save(tmp_path_factory.mktemp("rq"), *frames)


@pytest.mark.parametrize(
    "options",
    [
        {"mask_and_scale": False},
        {"decode_times": False},
        {"decode_timedelta": False},
        {"use_cftime": True},
        {"decode_times": xr.coders.CFDatetimeCoder(time_unit="s")},
        {"decode_coords": False},
        {"decode_coords": "all"},
        {"decode_cf": False},
        {"concat_characters": False},
        {"cache": False},
        {"drop_variables": ["crs", "source"]},
        {"chunks": {}, "inline_array": True},
    ],
    ids="-".join,
)
def test_a_keyword_means_the_same_as_for_netcdf(options: dict[str, Any], forecast: Path, tmp_path: Path) -> None:
    """Times, time differences and packed values equal those of a netCDF of the same Dataset."""
    xr.open_dataset(forecast, engine="radar_nb").to_netcdf(tmp_path / "it.nc")
    decoded = options.get("decode_times", options.get("decode_cf")) is not False  # xarray's default of today
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of xarray, about its own keywords
        found = xr.open_dataset(forecast, engine="radar_nb", **options)
        expected = xr.open_dataset(tmp_path / "it.nc", **({"decode_timedelta": decoded} | options))

    for name in ("RQ", "time", "lead_time", "prediction_time", "time_bnds"):
        assert found[name].dtype == expected[name].dtype, name
        np.testing.assert_array_equal(found[name], expected[name])
    assert ("prediction_time" in found.coords) == (
        options.get("decode_coords", options.get("decode_cf")) is not False
    )


@pytest.mark.parametrize("chunks", [{}, "auto", {"time": 10}], ids=str)
def test_no_dask_array_holds_python_objects(chunks: Any, tmp_path: Path) -> None:
    """`source`, one text per step, has a fixed length, so its size is known and it can be written in chunks."""
    folder = save(tmp_path, frame())
    (folder / ("a" * 70)).write_bytes(frame("2020-06-13T15:30"))

    ds = xr.open_dataset(folder, engine="radar_nb", chunks=chunks)

    assert [str(one.dtype) for one in ds.variables.values() if one.dtype.kind == "O"] == []
    assert ds.source.dtype == np.dtype("U128")
    assert ds.source.values.tolist() == ["frame-000", "a" * 70]


@pytest.mark.parametrize("chunks", [None, {}, {"time": 8}], ids=str)
def test_days_are_appended_to_a_store(chunks: Any, tmp_path: Path) -> None:
    """`to_zarr(append_dim="time")` continues the store, with longer names of files."""
    begin = np.datetime64("2020-06-13T00:00", "m")
    for part, start in (("a", 0), ("b-with-a-longer-name", 8)):
        (tmp_path / part).mkdir()
        for number in range(start, start + 8):
            (tmp_path / part / f"{part}-{number:02d}").write_bytes(frame(str(begin + 5 * number), number))
    first, second = (
        xr.open_dataset(tmp_path / part, engine="radar_nb", chunks=chunks).isel(y=slice(4), x=slice(4))
        for part in ("a", "b-with-a-longer-name")
    )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of zarr, about texts and metadata in its format 3
        first.to_zarr(tmp_path / "store")
        second.to_zarr(tmp_path / "store", append_dim="time")
        ds = xr.open_zarr(tmp_path / "store").load()

    assert ds.YW[:, 0, 0].values.tolist() == pytest.approx([number / 100 for number in range(16)])
    assert ds.source.values[[7, 8]].tolist() == ["a-07", "b-with-a-longer-name-08"]


@pytest.mark.parametrize(
    "name",
    [
        "composite_rv_20250923_0855.tar",
        "composite_hx_20251117_1500-hd5",
        "composite_HymecNG_LATEST_000-hd5",
        "composite_rv_LATEST.tar",
        "YW2017.002_Supplement.tar.gz",
    ],
)
def test_the_engine_recognises_current_names(name: str) -> None:
    """`xr.open_dataset` needs no engine for composites in HDF5."""
    from radar_nb.reading.opening import RadarNbBackend

    assert RadarNbBackend().guess_can_open(name)
