"""How a call runs anywhere: event loop, threads, progress, settings, locks, files. It knows no radar.

Everything here could serve another project: nothing in this room knows a product, a month or a grid. It may
know `errors` alone. Start with `files` (the data folder, and how a file appears whole or not at all),
`event_loop` (plain calls into coroutines, in scripts and in notebooks) and `report` (what a long call did).
"""

__all__ = [
    "background",
    "event_loop",
    "files",
    "locks",
    "progress",
    "report",
    "settings",
    "table",
    "versions",
    "wording",
    "workers",
]
