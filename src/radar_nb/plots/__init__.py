"""Pictures of fields and series: maps, films, charts, calendars. The only owner of Matplotlib.

Start with `plotting` (the public call), `maps` (one map in its axes) and `style` (classes, colours, words).
`selection` picks the field, `basemap` draws what surrounds it and `labels` places the names of towns; `animation`
makes films with `encoders`, `series` charts, `coverage` calendars of what exists,
`comparison` gauges beside radar, `idf` intensities by duration and return period, `catalogue` heavy rain events,
`stills` pictures of widgets.
The room may import `reading`, `dwd` and `runtime`. It computes no sums: it draws the DataArray it is passed.
"""

__all__ = [
    "animation",
    "basemap",
    "catalogue",
    "comparison",
    "coverage",
    "encoders",
    "idf",
    "overlays",
    "plotting",
    "selection",
    "series",
    "stills",
    "storms",
    "style",
]
