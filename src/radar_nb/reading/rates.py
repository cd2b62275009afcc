"""From amounts to rates."""

from __future__ import annotations

import numpy as np
import xarray as xr

from radar_nb.errors import SeriesError
from radar_nb.reading.intervals import interval_of


def to_rate(amount: xr.DataArray) -> xr.DataArray:
    """Return the mean rain rate over each interval, as in wradlib and DWD's viewers.

    rate [mm/h] = amount [mm] * 60 / interval [min] (DWD, RADOLAN Kompositformat 2.5, tokens PR and INT).

    Parameters
    ----------
    amount : xarray.DataArray
        A rain product from `open_dataset`, in mm per interval.

    Returns
    -------
    xarray.DataArray
        In mm/h, lazy if the input is.

    Raises
    ------
    SeriesError
        The array is not an amount in mm, or its interval is unknown, or outdated because xarray has computed the
        values.

    Examples
    --------
    >>> import xarray as xr
    >>> rain = xr.DataArray([0.5], name="YW", attrs={"units": "mm", "interval_minutes": 5})
    >>> to_rate(rain).values
    array([6.])
    """
    if not isinstance(amount, xr.DataArray):
        raise SeriesError(
            f"to_rate takes one variable, not a {type(amount).__name__}: pass one, as in to_rate(ds['YW'])"
        )
    minutes = interval_of(amount)
    if amount.attrs.get("units") != "mm" or not minutes:
        raise SeriesError(
            f"{amount.name!r} is not an amount in mm with a known interval (units {amount.attrs.get('units')!r}, "
            f"interval_minutes {minutes!r}): only such an amount has a rate. Pass a variable of open_dataset"
        )
    rate = amount * np.float32(60 / minutes)
    rate.attrs = amount.attrs | {
        "units": "mm h-1",
        "standard_name": "lwe_precipitation_rate",
        "cell_methods": "time: mean",
    }
    return rate.rename(amount.name)
