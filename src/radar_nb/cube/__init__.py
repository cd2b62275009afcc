"""Years of frames as one sharded Zarr array, and that array as a Dataset.

Start with `description` (what a cube is: product, grid, time axis, chunks), then `building` (the call), `day`
(one day from archives to one shard) and `opening` (the Dataset). `checking` verifies and repairs; `stores`
writes to folders and buckets. The room may know `reading`, `fetch` and what lies below them.
"""

__all__ = ["building", "checking", "frame_stream", "locations", "opening"]
