"""From a Dataset, archives or a cube to numbers: sums, series, extremes, events, checks, exports.

Start with `api` (the public questions) and `inputs` (what a source is). `reductions` goes through archives
and cubes in one pass; `totals` works on Datasets. `periods` says which interval belongs to which hour, day or
month. The room may know `cube`, `reading` and what lies below them; it draws nothing.
"""

__all__ = [
    "api",
    "checks",
    "citation",
    "events",
    "exports",
    "extremes",
    "inputs",
    "reductions",
    "return_levels",
    "totals",
]
