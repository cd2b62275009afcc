"""dfs0 of MIKE (DHI), by mikeio: one item a station, step-accumulated rainfall depths in mm.

A step-accumulated value is what fell since the time before, so that its time is the end of its interval, and
the file has one time more than there are intervals: the begin of the first one, with 0 mm, which MIKE does not
use. Missing is dfs0's own delete value. The file has no zone: the text beside it states it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.series_format import SeriesFormat

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from radar_nb.exports.rain import Rain
    from radar_nb.exports.series_format import Station

_MOST = 1 << 25
"""Values of a file: mikeio holds them all in memory."""


def _rows(rain: Rain, station: Station) -> bytes:
    if rain.steps * len(rain.names) > _MOST:
        raise SeriesError(
            f"{rain.steps} intervals of {len(rain.names)} stations are more than a dfs0 is made of at once "
            f"({_MOST:,} values): choose fewer stations, or a shorter time with .sel(time=...)"
        )
    return station.units.tobytes()


def _binary(rain: Rain, amounts: NDArray[np.float64], path: Path) -> None:
    try:
        import mikeio  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError("dfs0 needs mikeio: pip install 'radar-nb[mike]'") from error
    import pandas as pd  # type: ignore[import-untyped] # noqa: PLC0415 - loaded where a dfs0 is written

    times = pd.DatetimeIndex(np.concatenate([rain.stamps_of(-1, 1), rain.stamps_of(0, rain.steps)]))
    depth = mikeio.EUMType.Rainfall_Depth
    columns = np.concatenate([np.zeros((1, amounts.shape[1])), amounts])
    arrays = [
        mikeio.DataArray(
            columns[:, place],
            time=times,
            item=mikeio.ItemInfo(name, depth, mikeio.EUMUnit.millimeter, data_value_type="StepAccumulated"),
        )
        for place, name in enumerate(rain.names)
    ]
    mikeio.Dataset(arrays).to_dfs(path, title=f"{rain.title}, {rain.zone.name}"[:80])


DFS0 = SeriesFormat(
    name="dfs0",
    title="dfs0",
    suffixes=(".dfs0",),
    label="end",
    decimals=6,
    largest=9999 * 10**6,
    missing=-1,
    wide=True,
    names=r"[\x20-\x7e]{1,60}",
    names_are="up to 60 letters without accents",
    rows=_rows,
    binary=_binary,
)
"""The `.dfs0` of MIKE+, MIKE 11, MIKE 21 and others."""
