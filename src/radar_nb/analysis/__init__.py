"""From a Dataset, archives or a cube to numbers: sums, series, extremes, events, checks, exports.

Start with `api` (the public questions) and `inputs` (what a source is, and which amounts are trusted).
`reductions` goes through archives and cubes in one pass; `totals` works on Datasets, and decides for both when
a total is missing; `stored_totals` writes what either computes. `periods` assigns intervals to hours, days and
months. The room may know `cube`, `reading` and what lies below them; it draws nothing.
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
