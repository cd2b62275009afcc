"""From bytes to codes and back, one file at a time: RADOLAN binaries, ODIM HDF5, archives and their index.

A code is the integer a file stores for a cell; its meaning (scale, offset, flags) is a `packing.Packing`. The
room may know `dwd` and `runtime`; it knows neither the server nor xarray. Start with `radolan` (one binary
frame), `odim` (one HDF5 composite) and `archives` (a stream of frames from any nesting of tar, gzip and
bzip2); `index` and `cursor` read single frames of an archive without unpacking it, `extraction` unpacks.
"""

__all__ = [
    "archives",
    "cursor",
    "extraction",
    "index",
    "names",
    "odim",
    "packing",
    "radolan",
    "runlength",
    "streams",
]
