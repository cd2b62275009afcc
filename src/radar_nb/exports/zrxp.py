"""ZRXP, the exchange format of WISKI (Kisters): several series in a file that states zone and missing.

After Kisters' description (ZRXP 3.0): lines of the head begin with `#` and their fields end with `|*|`; lines
with `##` are remarks; then `yyyyMMddHHmmss value`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.exports.columns import decimals, joined, stamps, with_code
from radar_nb.exports.series_format import SeriesFormat

if TYPE_CHECKING:
    from radar_nb.exports.rain import Rain
    from radar_nb.exports.series_format import Station

_DECIMALS = 4
_MISSING = -777 * 10**_DECIMALS


def _head(rain: Rain, name: str, _total: float) -> bytes:
    zone = "UTC+0" if rain.zone.name == "UTC" else rain.zone.name
    lines = [
        f"## amounts in {rain.minutes} min, times are the {rain.label} of the interval",
        f"## {rain.title}. Data: Deutscher Wetterdienst, CC BY 4.0",
        "#ZRXPVERSION3014.03|*|ZRXPCREATORradar_nb|*|",
        f"#TZ{zone}|*|SANR{name}|*|SNAME{name}|*|CNAMEN|*|CUNITmm|*|RINVAL-777|*|",
        "#LAYOUT(timestamp,value)|*|",
    ]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1", errors="replace")


def _rows(_rain: Rain, station: Station) -> bytes:
    gone = station.units == _MISSING
    amounts = station.units.copy()
    amounts[gone] = 0
    return joined(
        stamps(station.stamps, "%Y%m%d%H%M%S "),
        with_code(decimals(amounts, _DECIMALS, 9, fill=""), gone, "-777", fill=""),
        end="\r\n",
    )


ZRXP = SeriesFormat(
    name="zrxp",
    title="ZRXP",
    suffixes=(".zrx", ".zrxp"),
    label=None,
    decimals=_DECIMALS,
    largest=9999 * 10**_DECIMALS,
    missing=_MISSING,
    names=r"[^#|;*\x00-\x1f\x7f-\x9f\u0100-\U0010ffff]{1,80}",
    names_are="up to 80 letters of Latin-1 without # | ; and *",
    head=_head,
    rows=_rows,
)
"""The `.zrx` of WISKI."""
