"""From fields and series to pictures: maps, films, series, calendars. The only owner of Matplotlib.

Start with `plotting` (the public call), `maps` (one map in its axes) and `style` (classes, colours, words).
The room may know `reading`, `dwd` and `runtime`. It computes no sums: it draws the DataArray that it gets.
"""

__all__ = [
    "animation",
    "basemap",
    "coverage",
    "encoders",
    "plotting",
    "selection",
    "series",
    "style",
]
