"""Years of frames as one sharded Zarr array, and that array as a Dataset.

Start with `description` (what a cube is: product, grid, time axis, chunks, and the files that say so;
`time_axis` extends it, `conventions` state where its grid lies), then `building` (the call), `day` (one day from
archives to one shard) and `opening` (the Dataset). `shards` encodes and decodes a day, `day_records` describes
what it holds, `stores` reads and writes folders and buckets. `checking` verifies and repairs. `series` adds the
files of `year_tiles`, from which series of few cells are read fast; `training` draws random crops, which
`torch_crops` passes to PyTorch. `browsing` describes a cube for a page that reads it in a browser, and
`snapshots` keeps its states in icechunk. The room may
know `reading`, `fetch` and what lies below them.
"""

__all__ = [
    "browsing",
    "building",
    "checking",
    "frame_stream",
    "locations",
    "opening",
    "series",
    "snapshots",
    "training",
]
