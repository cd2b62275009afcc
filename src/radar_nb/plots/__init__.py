"""From fields and series to pictures: maps, facets, films, series, calendars. The only owner of Matplotlib.

Start with `plotting` (the public call), `maps` (one map in its axes) and `palettes` (classes and colours).
The room may know `reading`, `dwd` and `runtime`; it computes no sums: what it draws comes in as a DataArray.
"""

__all__ = [
    "animation",
    "basemap",
    "captions",
    "coverage",
    "encoders",
    "filming",
    "palettes",
    "plotting",
    "selection",
    "series",
]
