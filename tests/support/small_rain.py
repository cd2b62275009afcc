"""Small Datasets as open_dataset returns them: a few cells of DWD's grid, a few steps, amounts in mm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import xarray as xr

from radar_nb.dwd.grids import GRIDS, PROJ

ROW, COL = 400, 300  # of de1100: the first cell


def rain(
    values: Any,
    *,
    first: str = "2020-06-13T00:05",
    minutes: int = 5,
    name: str = "YW",
    corner: tuple[int, int] = (ROW, COL),
) -> xr.Dataset:
    """Return amounts of shape (time, y, x), on cells in the middle of Germany, or from another corner."""
    values = np.asarray(values, np.float32)
    times = np.datetime64(first, "ns") + np.timedelta64(minutes, "m") * np.arange(len(values))
    whole, (row, col) = GRIDS["de1100"], corner
    attrs = {
        "units": "mm",
        "cell_methods": "time: sum",
        "interval_minutes": minutes,
        "grid_mapping": "crs",
        "long_name": "rain",
    }
    bounds = np.stack([times - np.timedelta64(minutes, "m"), times], axis=-1)
    return xr.Dataset(
        {name: (("time", "y", "x"), values, attrs)},
        {
            "time": times,
            "y": whole.y[row : row + values.shape[1]],
            "x": whole.x[col : col + values.shape[2]],
            "crs": ((), np.int32(0), pyproj.CRS(PROJ[whole.earth]).to_cf()),
            "time_bnds": (("time", "bnds"), bounds),
        },
        {"title": f"RADKLIM 2017.002 {name}: rain", "institution": "Deutscher Wetterdienst (DWD)"},
    )


def series(values: Any, *, first: str = "2020-06-13T00:05", minutes: int = 5) -> xr.DataArray:
    """Return the amounts of one cell, shape (time,)."""
    ds = rain(np.reshape(values, (-1, 1, 1)), first=first, minutes=minutes)
    return ds["YW"].isel(y=0, x=0)


def showers(steps: int, rows: int, cols: int, *, seed: int = 0, missing: float = 0.0) -> Any:
    """Return amounts in steps of 0.01 mm, most of them zero, some missing."""
    rng = np.random.default_rng(seed)
    values = np.where(rng.random((steps, rows, cols)) < 0.4, rng.integers(1, 400, (steps, rows, cols)), 0) / 100
    values[rng.random(values.shape) < missing] = np.nan
    return values.astype(np.float32)


def forecasts(
    values: Any,
    *,
    first: str = "2020-06-13T00:05",
    minutes: int = 5,
    ahead: int = 5,
    every: int = 5,
    name: str = "RV",
) -> xr.Dataset:
    """Return forecasts as `open_dataset` does, of amounts of shape (run, lead, y, x).

    Runs are issued every `every` minutes, and lead times rise by `ahead` minutes from 0.
    """
    values = np.asarray(values, np.float32)
    one = rain(values[0], first=first, minutes=minutes, name=name)
    issued = np.datetime64(first, "ns") + np.timedelta64(every, "m") * np.arange(len(values))
    leads = (np.timedelta64(ahead, "m") * np.arange(values.shape[1])).astype("timedelta64[ns]")
    ends = issued[:, None] + leads
    bounds = np.stack([ends - np.timedelta64(minutes, "m"), ends], axis=-1)
    dims = ("time", "lead_time")
    return xr.Dataset(
        {name: ((*dims, "y", "x"), values, one[name].attrs)},
        {
            "time": issued,
            "lead_time": leads,
            "prediction_time": (dims, ends),
            "time_bnds": ((*dims, "bnds"), bounds),
            **{key: one[key].variable for key in ("y", "x", "crs")},
        },
        one.attrs,
    )
