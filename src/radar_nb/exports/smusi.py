"""SMUSI: rain in fixed columns, an hour of 5 minutes a line.

The columns are those of the BlueM wiki, page "SMUSI REG-Format": three lines of head with a title and the mean
annual rain; then four letters, a blank, day, month, year and hour, and 12 amounts of 5 columns in 1/1000 mm.
There is no code for missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from radar_nb.exports.columns import joined, stamps, text_column, whole_numbers
from radar_nb.exports.series_format import SeriesFormat

if TYPE_CHECKING:
    from radar_nb.exports.rain import Rain
    from radar_nb.exports.series_format import Station

_YEAR = 365.25 * 24 * 60  # minutes


def _head(rain: Rain, name: str, total: float) -> bytes:
    annual = total / max(rain.steps * rain.minutes / _YEAR, 1)
    lines = [f"{name:<4} {rain.title}, {rain.zone.name}"[:80], f"hN = {annual:.0f} mm/a", "=" * 80]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1", errors="replace")


def _rows(_rain: Rain, station: Station) -> bytes:
    amounts = station.units.reshape(-1, 12)
    return joined(
        text_column(f"{station.name:<4} ", len(amounts)),
        stamps(station.stamps[::12], "%d %m %Y   %H"),
        whole_numbers(station.units, 5).reshape(len(amounts), -1),
        end="\r\n",
    )


SMUSI = SeriesFormat(
    name="smusi",
    title="SMUSI's rain file",
    label="start",
    decimals=3,
    largest=99_999,
    single=True,
    lines={5: 12},
    names=r"[\x21-\x7e\xa1-\xff]{1,4}",
    names_are="up to 4 letters of Latin-1 without blanks",
    head=_head,
    rows=_rows,
)
"""The `.reg` of SMUSI."""
