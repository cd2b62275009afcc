"""From bytes to codes and back, one file at a time: binaries, ODIM HDF5, netCDF, ASCII, archives and their index.

A code is the integer that a file stores for a cell. The room may know `dwd` and `runtime`; it knows neither the
server nor xarray. A frame's way from an archive to a value: `streams` inflates bytes, `archives` walks through any
nesting and verifies it, `index` stores the position of each frame, `cursor.iter_codes` reads frames at these
positions, `radolan`, `runlength`, `odim`, `netcdf` or `esri_ascii` turn their bytes into codes, and
`packing.Packing` turns codes into values and flags; `hdf5_twins` recognises composites that differ from one read
before in times and field alone. `extraction` unpacks archives into folders, and `names` checks whether names are
safe and parses them. `hdf5_texts` reads texts of variable length from the bytes of HDF5, `kostra` tables of heavy
rain, `zipped_gdb` whether a catalogue is whole. Start with `radolan` (one binary frame) and `archives`.
"""

__all__ = [
    "archives",
    "cursor",
    "esri_ascii",
    "extraction",
    "index",
    "kostra",
    "names",
    "netcdf",
    "odim",
    "packing",
    "radolan",
    "runlength",
    "streams",
    "zipped_gdb",
]
