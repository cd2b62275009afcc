"""From files, folders and archives to one `xarray.Dataset`, lazily.

The order is `sources` (finds the frames), `series` (selects those of one series), `dataset` (makes variables and
coordinates) and `opening` (the public calls). `forecasts` turns runs and lead times into one axis, `lazy_array`
reads what is indexed, `frame_stream` reads all frames once, forward, for statistics. Units are taken from the
table of products, coordinates from the grid (`wradlib_template`). `accessor` is `ds.radar`, `kostra` and
`catrare` the roads of DWD's tables and catalogue of heavy rain. The room may know `formats`, `dwd`, `geography`
and `runtime`, and `fetch` only for `load` and for what comes (`present`, `following`).
"""

__all__ = [
    "catrare",
    "coverage",
    "dataset",
    "following",
    "forecasts",
    "frame_stream",
    "georeference",
    "intervals",
    "kostra",
    "lazy_array",
    "opening",
    "present",
    "rates",
    "regridding",
    "series",
    "sources",
    "wradlib_template",
]
