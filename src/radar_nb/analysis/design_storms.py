"""Design storms from a table of rainfall depths: block rain and Euler type II."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from radar_nb.analysis.points import labels_of
from radar_nb.errors import SettingsError
from radar_nb.reading.intervals import keep_interval
from radar_nb.runtime.wording import human_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

Shape = Literal["euler2", "block"]


def design_storm(
    depths: Any,
    return_period: float,
    duration: int,
    *,
    shape: Shape = "euler2",
    step: int = 5,
    begin: str = "2000-01-01",
    name: str | None = None,
) -> xr.Dataset:
    """Return a design storm of a return period and a duration as a series that `export` and `plot_series` accept.

    - "block": the same amount in every interval.
    - "euler2": Euler type II. The increments of the depth-duration curve, h(step), h(2 step) - h(step), ...,
      are sorted down; the largest third of the intervals is reversed, so that the storm grows to its peak at the
      end of the first third of its duration and fades then. Every interval around the peak has the depth of the
      table for its length.

    Parameters
    ----------
    depths : pandas.DataFrame
        Depths in mm, such as KOSTRA-DWD's HN: a row a duration in minutes, a column a return period in years.
        For the upper end of the uncertainty pass `depths * (1 + uncertainty / 100)`.
    return_period : float
        Years; a column of the table.
    duration : int
        Minutes; a multiple of `step` within the table's durations.
    shape : {"euler2", "block"}
    step : int
        Minutes of an interval. Depths between the table's durations are interpolated as powers of the duration.
    begin : str
        Begin of the storm, UTC.
    name : str, optional
        Name of the station; by default "euler2-60min-100a".

    Returns
    -------
    xarray.Dataset
        `rain`, mm, float64, shape (time, point), labelled with the ends of the intervals; `time_bnds`.

    Raises
    ------
    SettingsError
        The table has no such return period or duration, its depths do not rise with the duration, or the shape is
        unknown.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({100: [15.0, 22.0, 27.0, 40.0]}, index=[5, 10, 15, 60])
    >>> design_storm(table, 100, 15).rain.values.ravel()
    array([15.,  7.,  5.])
    """
    durations, curve = _curve(depths, return_period)
    if shape not in {"euler2", "block"}:
        raise SettingsError(f'unknown shape={shape!r}: choose shape="euler2" or shape="block"')
    if step <= 0 or duration <= 0 or duration % step:
        raise SettingsError(f"duration={duration!r} is not a multiple of step={step!r} min: choose one that is")
    steps = np.arange(step, duration + step, step)
    if steps[0] < durations[0] or duration > durations[-1]:
        raise SettingsError(
            f"the table has durations from {durations[0]:g} to {durations[-1]:g} min, and a storm of {duration} "
            f"min in steps of {step} min needs {step} to {duration} min: choose duration= and step= within it"
        )
    total = np.exp(np.interp(np.log(steps), np.log(durations), np.log(curve)))
    amounts = _euler(total) if shape == "euler2" else np.full(steps.size, total[-1] / steps.size)
    ends = np.datetime64(begin, "ns") + steps * np.timedelta64(60, "s")
    label = name or f"{shape}-{duration}min-{return_period:g}a"
    attrs = {"units": "mm", "cell_methods": "time: sum", "interval_minutes": step, "long_name": "design storm"}
    found = xr.Dataset(
        {"rain": (("time", "point"), amounts[:, None], attrs)},
        {
            "time": ends,
            "point": labels_of([label]),
            "time_bnds": (("time", "bnds"), np.stack([ends - np.timedelta64(60 * step, "s"), ends], axis=1)),
        },
        {"title": f"design storm {label}: {total[-1]:.1f} mm in {human_interval(duration)}"},
    )
    keep_interval(found["rain"])
    return found


def _curve(depths: Any, return_period: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return durations in minutes and depths in mm of a column, both rising."""
    columns = list(getattr(depths, "columns", ()))
    if return_period not in columns:
        some = ", ".join(map(str, columns)) or "none"
        raise SettingsError(
            f"return_period={return_period!r} is not a column of the table: choose one of {some} years"
        )
    column = depths[return_period].dropna().sort_index()
    durations, curve = column.index.to_numpy(float), column.to_numpy(float)
    if durations.size < 2 or durations[0] <= 0 or (curve <= 0).any() or (np.diff(curve) < 0).any():
        raise SettingsError(
            "the depths of the table do not rise with the duration: pass mm, a row for each duration in minutes"
        )
    return durations, curve


def _euler(total: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the increments of a depth-duration curve in the order of Euler type II."""
    falling = np.sort(np.diff(total, prepend=0))[::-1]
    rising = max(falling.size // 3, 1)
    return np.concatenate([falling[:rising][::-1], falling[rising:]])
