"""From the server to the disk: plan, download, verify, resume, synchronise.

A download goes one way: `planning` (what the server has), `downloading` (the call and its parallel files),
`transfer` (one file), `http` (one request, repeated as often as `Patience` allows). `responses` and `throttling`
make decisions and do no I/O of a transfer; `part_files` handles the files on disk of an unfinished download,
`local_state` reports what a data folder holds, and `syncing` brings a folder up to date with the server. `present`
has the newest file of a product, `following` all that come; `kostra` and `catrare` bring tables and a
catalogue of heavy rain (`kept_files`). The room may know `formats`, `dwd` and `runtime`, and is the only HTTP
client.
"""

__all__ = [
    "catrare",
    "downloading",
    "following",
    "http",
    "kostra",
    "local_state",
    "planning",
    "present",
    "responses",
    "syncing",
    "throttling",
]
