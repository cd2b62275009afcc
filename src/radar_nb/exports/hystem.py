"""HYSTEM-EXTRAN (itwh): rain in fixed columns, an hour a line at 5 minutes.

The columns are those of the BlueM wiki, page "Hystem-Extran REG-Format", after the user's manual of
HYSTEM-EXTRAN. A line holds 12 amounts of 5 columns (10 of 2 or 3 minutes, 2 of 720 minutes) in 1/1000 mm, from
a time on; days, months and hours are padded with blanks, as itwh's own files have it. -9999 is missing, and the
flag of such a line is S. The first and the last line are filled with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.exports.columns import joined, stamps, text_column, whole_numbers
from radar_nb.exports.series_format import SeriesFormat

if TYPE_CHECKING:
    from radar_nb.exports.rain import Rain
    from radar_nb.exports.series_format import Station

_PER_LINE = {1: 12, 2: 10, 3: 10, 5: 12, 10: 12, 15: 12, 20: 12, 30: 12, 60: 12, 120: 12, 720: 2}
_MISSING = -9999
_STAMP = "%d%m%Y%H%M%S"


def _head(rain: Rain, name: str, _total: float) -> bytes:
    times = rain.stamps_of(0, rain.steps)[[0, -1]]
    first, last = (row.tobytes().decode() for row in stamps(times, _STAMP, fill=" "))
    comments = [
        f"times are starts of intervals, {rain.zone.name}",
        rain.title,
        "Data: Deutscher Wetterdienst, CC BY 4.0; radar_nb",
    ]
    lines = [
        f"TUD   0 0   0 1 0 0 {name:<30}       0        0           0",
        f"TUD   0 0   0 2 0 0 {rain.minutes:5d}   -3{first}{last}{len(comments):5d}N    {'mm':<10}",
        *(f"TUD   0 0   0 {number} 0 0 {text[:60]}" for number, text in enumerate(comments, start=3)),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1", errors="replace")


def _rows(rain: Rain, station: Station) -> bytes:
    count = _PER_LINE[rain.minutes]
    amounts = station.units.reshape(-1, count)
    flags = text_column(" ", len(amounts)).copy()
    flags[(amounts == _MISSING).any(axis=1)] = ord("S")
    return joined(
        text_column("TUD  ", len(amounts)),
        stamps(station.stamps[::count], _STAMP, fill=" "),
        flags,
        whole_numbers(station.units, 5).reshape(len(amounts), -1),
        end="\r\n",
    )


HYSTEM_EXTRAN = SeriesFormat(
    name="hystem-extran",
    title="HYSTEM-EXTRAN's rain file",
    label="start",
    decimals=3,
    largest=99_999,
    missing=_MISSING,
    single=True,
    lines=_PER_LINE,
    names=r"[\x20-\x7e\xa0-\xff]{1,30}",
    names_are="up to 30 letters of Latin-1",
    head=_head,
    rows=_rows,
    tail=b"TUD   0 09999 0 0 0E\r\n",
)
"""The `.reg` of HYSTEM-EXTRAN, which BlueM and BaSYS read too."""
