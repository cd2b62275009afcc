"""How rare the amount under the pointer is: its return period, from the levels of its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.analysis.return_levels import return_period
from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from radar_nb.widgets.explorer.frames import FrameSequence
    from radar_nb.widgets.explorer.queries import Steps

_REACH = 3
"""A return period longer than this many times the record is shown as "over" that (DVWK-Merkblatt 251/1999)."""
_LEAST = 2
"""Years: a shorter return period is shown as shorter than that, since annual maxima say little about it."""


def levels_of_cells(levels: Any, frames: FrameSequence) -> xr.Dataset:
    """Return the levels of the fields' cells.

    Raises
    ------
    SettingsError
        They are not the levels of a map, or of other cells, or the fields are not amounts of a known interval.
    """
    if not isinstance(levels, xr.Dataset) or not {"shape", "location", "scale", "years"} <= set(levels.data_vars):
        raise SettingsError("levels is not a result of return_levels: pass what that returns for a map")
    if frames.units != "mm" or frames.minutes is None:
        raise SettingsError(
            f"levels are of amounts in mm, and the fields are in {frames.units!r} or of an unknown interval: "
            "leave out levels="
        )
    if not {"y", "x"} <= set(levels["shape"].dims):
        raise SettingsError("levels have no cells y and x: pass those of a map, or leave out levels=")
    try:
        return levels.sel(y=frames.data["y"], x=frames.data["x"], method="nearest", tolerance=1)
    except KeyError as error:
        raise SettingsError("levels lack some cells of the fields: pass levels of the same grid") from error


def period_of(levels: xr.Dataset, frames: FrameSequence, question: Mapping[str, Any]) -> Steps:
    """Yield the return period of an amount at a cell.

    Parameters
    ----------
    levels : xarray.Dataset
    frames : FrameSequence
    question : mapping
        `key`, which the answer repeats; `cell` (row, col); `amount` in mm; `fields`, how many of them it sums.

    Yields
    ------
    message
        `years`; `bound` is "below" or "over" where they are only a bound, and "none" where there is no return
        period: the levels lack the duration, or the cell has no distribution.
    """
    minutes = int(frames.minutes or 0) * int(question["fields"])
    row, col = question["cell"]
    cell = levels.isel(y=int(row), x=int(col))
    answer = {"type": "period", "key": question["key"], "minutes": minutes, "years": None, "bound": "none"}
    durations = cell["duration"].to_numpy() if "duration" in cell.dims else None
    if "theta" in cell or (durations is not None and np.timedelta64(minutes, "m") in durations):
        years = float(return_period(cell, float(question["amount"]), duration=np.timedelta64(minutes, "m")))
        most = _REACH * int(np.max(cell["years"]))
        if not np.isnan(years):
            shown = min(max(years, _LEAST), most)
            answer |= {"years": shown, "bound": "below" if years < shown else "over" if years > shown else ""}
    yield answer, []
