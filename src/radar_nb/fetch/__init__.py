"""From the server to the disk: plan, download, verify, resume, synchronise.

A download goes one way: `planning` (what the server has), `downloading` (the call, and its files side by side),
`transfer` (one file), `http` (one request, repeated as often as `Patience` says). `responses` and `throttling`
decide and do no I/O of a transfer; `part_files` is what lies on the disk of a file that is not whole yet,
`local_state` what a data folder holds; `syncing` keeps a folder like the server. The room may know `formats`,
`dwd` and `runtime`, and is the only one that speaks HTTP as a client.
"""

__all__ = ["downloading", "http", "local_state", "planning", "responses", "syncing", "throttling"]
