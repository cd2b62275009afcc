"""The environment of a call: event loop, threads, progress, settings, locks, files.

Nothing in this room depends on radar data: products, months and grids are unknown here. It may import only
`errors`. Start with `files` (the data folder, and atomic writes), `event_loop` (blocking calls of coroutines, in
scripts and in notebooks) and `report` (the result of a long call). `numerals` parses
numbers of texts from outside. `language` holds all texts that are shown in
two languages, a table of words by keys.
"""

__all__ = [
    "background",
    "clock",
    "event_loop",
    "files",
    "language",
    "locks",
    "numerals",
    "progress",
    "report",
    "settings",
    "table",
    "versions",
    "wording",
    "workers",
    "zones",
]
