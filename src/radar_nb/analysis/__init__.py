"""From a Dataset, archives or a cube to numbers: sums, series, extremes, events, checks.

Start with `api` (the public functions) and `inputs` (what counts as a source, and which amounts are accepted).
`reductions` reads archives and cubes in one pass; `totals` works on Datasets and decides for both when a total
is missing; `stored_totals` writes the results of either. `verification` compares forecasts
with an analysis, `nowcast` answers from the newest one. `periods` assigns intervals to hours, days and months.
The room may import `cube`, `reading` and the rooms below them; it draws nothing.
"""

__all__ = [
    "api",
    "checks",
    "citation",
    "design_storms",
    "events",
    "extremes",
    "inputs",
    "nowcast",
    "reductions",
    "return_levels",
    "stored_extremes",
    "storms",
    "totals",
    "verification",
]
