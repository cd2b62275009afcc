"""UVF, the exchange format of NASIM, AquaZIS, BlueM and many agencies: several series in a file.

After Aquaplan's description (IMEX, section UVF): `*Z`; parameter and unit of 15 columns each and the centuries
of the first and the last time; place of 15 columns and coordinates of 10 each; first and last time; then lines
of `yyMMddHHmm`, a blank and the amount in 9 columns, -777 if missing. The centuries are needed, since years
have two digits. The place's coordinates are left blank: the format does not say of which projection they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.exports.columns import decimals, joined, stamps, text_column, with_code
from radar_nb.exports.series_format import SeriesFormat

if TYPE_CHECKING:
    from radar_nb.exports.rain import Rain
    from radar_nb.exports.series_format import Station

_DECIMALS = 4
_MISSING = -777 * 10**_DECIMALS
_STAMP = "%y%m%d%H%M"


def _head(rain: Rain, name: str, _total: float) -> bytes:
    times = rain.stamps_of(0, rain.steps)[[0, -1]]
    first, last = (int(str(time)[:4]) // 100 * 100 for time in times)
    lines = ["*Z", f"{'Niederschlag':<15}{'mm':<15}{first} {last}", f"{name:<15}{'':30}"]
    text = "".join(f"{line}\r\n" for line in lines).encode("latin-1")
    return text + stamps(times, _STAMP).tobytes() + b"\r\n"


def _rows(_rain: Rain, station: Station) -> bytes:
    gone = station.units == _MISSING
    amounts = station.units.copy()
    amounts[gone] = 0
    return joined(
        stamps(station.stamps, _STAMP),
        text_column(" ", len(amounts)),
        with_code(decimals(amounts, _DECIMALS, 9), gone, "-777"),
        end="\r\n",
    )


UVF = SeriesFormat(
    name="uvf",
    title="UVF",
    suffixes=(".uvf",),
    label=None,
    decimals=_DECIMALS,
    largest=9999 * 10**_DECIMALS,
    missing=_MISSING,
    names=r"[\x20-\x7e\xa0-\xff]{1,15}",
    names_are="up to 15 letters of Latin-1",
    head=_head,
    rows=_rows,
)
"""The `.uvf` of NASIM and others."""
