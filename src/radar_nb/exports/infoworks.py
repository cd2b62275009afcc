"""InfoWorks ICM (Autodesk): a rainfall event as CSV, one profile a column, intensities in mm/h.

After the help of InfoWorks ICM 2027, "Events - CSV File Formats": rows with the names of fields, each followed
by their values. Fields may be left out; `G_NPROFILES` may not. The profiles' names are `L_PTITLE`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from radar_nb.exports.columns import decimals, joined, stamps, text_column
from radar_nb.exports.series_format import SeriesFormat

if TYPE_CHECKING:
    from radar_nb.exports.rain import Rain
    from radar_nb.exports.series_format import Station

_PLACES = 6  # of mm/h
_STAMP = "%d/%m/%Y %H:%M"


def _head(rain: Rain, _name: str, _total: float) -> bytes:
    start = stamps(rain.stamps_of(0, 1), _STAMP).tobytes().decode()
    title = rain.title.replace(",", ";")
    numbers = ",".join(str(number) for number in range(1, len(rain.names) + 1))
    lines = [
        "!Version=2,type=RED,charset=UTF8",
        "FILECONT,TITLE",
        f"0,{title}; {rain.zone.name}; times are the {rain.label} of the interval",
        "UserSettings,U_VALUES,U_DATETIME",
        "UserSettingsValues,mm/hr,dd-mm-yyyy hh:mm",
        "G_START,G_TS,G_NPROFILES",
        f"{start},{60 * rain.minutes},{len(rain.names)}",
        "L_PTITLE,L_PDESC",
        *(f"{name},DWD radar" for name in rain.names),
        f"P_DATETIME,{numbers}",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


def _rows(rain: Rain, station: Station) -> bytes:
    rates = np.rint(station.units * 60 / rain.minutes * 10 ** (_PLACES - INFOWORKS.decimals)).astype(np.int64)
    columns = [stamps(station.stamps, _STAMP)]
    for place in range(rates.shape[1]):
        columns += [text_column(",", len(rates)), decimals(rates[:, place], _PLACES, 12, fill="")]
    return joined(*columns, end="\r\n")


INFOWORKS = SeriesFormat(
    name="infoworks",
    title="InfoWorks' rainfall event",
    label=None,
    decimals=4,
    largest=999 * 10**4,
    wide=True,
    names=r"[^,;\"\x00-\x1f]{1,64}",
    names_are="up to 64 letters without comma, semicolon and quotes",
    head=_head,
    rows=_rows,
)
"""A CSV that InfoWorks ICM imports as a rainfall event."""
