"""Sums until now: gauge-adjusted sums as far as they go, and radar alone for the half hour that they lag."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.dwd.products import RETENTION, product
from radar_nb.errors import DownloadError, SeriesError, SettingsError
from radar_nb.reading.opening import open_dataset
from radar_nb.reading.present import files_until_now
from radar_nb.runtime.wording import human_interval

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

_FILL = "RY"
_STEP = timedelta(minutes=5)
_SUMS = ("RW", "SF")


def sum_until_now(name: Any, since: timedelta, *, min_coverage: float, **where: Any) -> xr.Dataset:
    """Return the precipitation from `since` before the newest adjusted sum until now.

    Parameters
    ----------
    name : str
        "RW" or "SF".
    since : datetime.timedelta
        Whole intervals of the product, 48 hours at most.
    min_coverage : float
        Totals of cells that are known for a smaller share of the time are NaN.
    **where
        `folder`, `base_url` and `clock`, as for `latest`.

    Returns
    -------
    xarray.Dataset
        See `accumulate`.

    Raises
    ------
    SettingsError
        Another product, or a time that is not whole intervals.
    DownloadError
        The server cannot be reached, or has no such sum.
    """
    item = product(name)
    interval = timedelta(minutes=item.interval)
    if item.name not in _SUMS:
        raise SettingsError(f"since= sums {' or '.join(_SUMS)} until now, not {item.name}: choose one of these")
    if since % interval or since > RETENTION:
        every = human_interval(item.interval)
        raise SettingsError(f"since={since} is not possible with {item.name}: use a multiple of {every} up to 48h")
    count = since // interval
    newest, sums = files_until_now(item.name, lambda last: [last - at * interval for at in range(count)], **where)
    total, known, like = _added(item.name, sums.values(), interval)
    fill, missing = _fill(newest.time, where)
    unadjusted, minutes, _ = _added(_FILL, fill, _STEP) if fill else (np.zeros_like(total), known * 0, like)
    if unadjusted.shape != total.shape:
        raise SeriesError(
            f"{_FILL} and {item.name} are on different grids: the server changes its files; try later"
        )
    end = newest.time + missing
    length = (since + missing) / timedelta(minutes=1)
    coverage = ((known + minutes) / length).astype(np.float32)
    amount = np.where(coverage >= min_coverage, total + unadjusted, np.nan).astype(np.float32)
    stamps = {
        "period_begin": newest.time - since,
        "period_end": end,
        "adjusted_end": newest.time,
    }
    dims = ("y", "x")
    about = {"units": "mm", "standard_name": "lwe_thickness_of_precipitation_amount", "cell_methods": "time: sum"}
    coords = {key: np.datetime64(moment.replace(tzinfo=None), "ns") for key, moment in stamps.items()}
    return xr.Dataset(
        {
            item.name: (dims, amount, about | {"ancillary_variables": "coverage unadjusted"}),
            "unadjusted": (dims, unadjusted, about | {"long_name": f"of it from {_FILL}, by radar alone"}),
            "coverage": (
                dims,
                coverage,
                {"long_name": "share of the time in which the value is known", "units": "1"},
            ),
        },
        {**coords, "y": like["y"], "x": like["x"], "crs": like["crs"]},
        like.attrs | {"nominal_time": f"{newest.time:%Y-%m-%dT%H:%M:%SZ}", "stale": int(newest.stale)},
    )


def _fill(last: datetime, where: dict[str, Any]) -> tuple[list[Path], timedelta]:
    """Return the files of radar alone after a time, and the time until the newest of them; nothing without one."""

    def wanted(newest: datetime) -> Iterable[datetime]:
        return [last + at * _STEP for at in range(1, max(0, (newest - last) // _STEP) + 1)]

    try:
        newest, files = files_until_now(_FILL, wanted, **where)
    except DownloadError:
        return [], timedelta(0)
    return list(files.values()), max(timedelta(0), newest.time - last)


def _added(
    name: str, files: Iterable[Path], interval: timedelta
) -> tuple[NDArray[np.float32], NDArray[np.float64], xr.Dataset]:
    """Return the sum of the known values of some files, for how many minutes they are known, and the Dataset."""
    ds = open_dataset([str(path) for path in files], sums="all", chunks=None, progress=False)
    fields = ds[name]
    total = np.zeros(fields.shape[1:])
    count = np.zeros(fields.shape[1:])
    for number in range(fields.sizes["time"]):
        field = fields.isel(time=number).to_numpy()
        known = np.isfinite(field)
        total[known] += field[known]
        count += known
    minutes: NDArray[np.float64] = count * (interval / timedelta(minutes=1))
    return total.astype(np.float32), minutes, ds
