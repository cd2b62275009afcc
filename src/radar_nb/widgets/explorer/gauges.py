"""Rain gauges on the map: their places in cells, and their amounts by time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.dwd.grids import to_xy
from radar_nb.errors import SettingsError
from radar_nb.plots.basemap import Frame

if TYPE_CHECKING:
    from radar_nb.widgets.explorer.frames import FrameSequence

_MOST = 2_000_000
"""Most amounts that a browser is sent: 1,000 gauges and 2,000 times."""


def gauge_info(gauges: Any, frames: FrameSequence) -> dict[str, Any]:
    """Describe gauges as content for JSON: `places` of name, col, row; `times`; `values` by time and gauge.

    Parameters
    ----------
    gauges : xarray.DataArray
        Of shape (point,) or (time, point), as `at_points` returns: with `lon` and `lat` in degrees, in the unit of
        the fields. `time` is the end of the interval, UTC. NaN is missing.
    frames : FrameSequence

    Raises
    ------
    SettingsError
        The gauges have another type, shape or unit, or too many amounts.
    """
    if isinstance(gauges, xr.Dataset) and len(gauges.data_vars) == 1:
        gauges = next(iter(gauges.data_vars.values()))
    if not isinstance(gauges, xr.DataArray):
        raise SettingsError(f"gauges of type {type(gauges).__name__}: pass a DataArray of shape (time, point)")
    strange = "point" not in gauges.dims or not set(gauges.dims) <= {"time", "point"}
    if strange or not {"lon", "lat"} <= set(gauges.coords):
        raise SettingsError(
            f"gauges have the dimensions {gauges.dims} and the coordinates {sorted(map(str, gauges.coords))}: "
            "pass (time, point), with lon and lat of each point"
        )
    if gauges.attrs.get("units") != frames.units:
        raise SettingsError(
            f"gauges are in {gauges.attrs.get('units')!r}, but the fields in {frames.units!r}: convert them, and "
            "set the attribute units"
        )
    if gauges.size > _MOST:
        raise SettingsError(f"gauges have {gauges.size:,} amounts, more than {_MOST:,}: choose gauges or times")
    frame = Frame.of(frames.data)
    x, y = to_xy(gauges["lon"].to_numpy(), gauges["lat"].to_numpy(), frame.earth)
    rows, cols = frames.shape
    col = (x - frame.x[0]) / (frame.x[1] - frame.x[0]) * cols
    row = (y - frame.y[0]) / (frame.y[1] - frame.y[0]) * rows
    names = gauges["point"].to_numpy() if "point" in gauges.coords else np.arange(gauges.sizes["point"]) + 1
    values = gauges.transpose("time", "point").to_numpy() if "time" in gauges.dims else gauges.to_numpy()[None]
    times = gauges["time"].to_numpy().astype("datetime64[ms]").astype(np.int64) if "time" in gauges.dims else None
    places = zip(map(str, names.tolist()), col.round(2).tolist(), row.round(2).tolist(), strict=True)
    return {
        "places": [list(place) for place in places],
        "times": None if times is None else times.tolist(),
        "values": [[None if np.isnan(one) else round(float(one), 3) for one in moment] for moment in values],
    }
