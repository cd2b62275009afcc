"""From the server to the disk: plan, download, verify, resume, synchronise.

The order of a download is `planning` (what there is), `downloading` (the call), `fetching` (its files side by
side), `transfer` (one file), `http` (one request). `responses` and `throttling` decide and do no I/O;
`syncing` keeps a folder like the server. The room may know `formats`, `dwd` and `runtime`, and is the only
one that speaks HTTP as a client.
"""

__all__ = ["comparison", "downloading", "http", "local_state", "planning", "responses", "speeds", "syncing"]
