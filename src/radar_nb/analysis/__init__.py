"""From a Dataset, archives or a cube to numbers: sums, series, extremes, events, checks.

Start with `api` (the public functions) and `inputs` (what counts as a source, and which amounts are accepted).
`reductions` reads archives, cubes and Datasets (`dataset_stream`) and counts in `tallies` and
`order_statistics`; `totals` works on Datasets and decides for both when a total is missing; `stored_totals`
writes the results of either, `stored_groups` opens what is stored. `periods` assigns intervals to hours, days
and months, `blocks` reads long series, `points` and `areas` decide which cells answer for a place. Heavy rain:
`moving_sums` (windows, `peaks`), `extremes` (maxima, thresholds; `stored_extremes` for decades), `return_levels`
(by `likelihood` or `rank_scaling`), `kostra`, `catrare`, `storms`, `events`, `event_catalogue` (of
`event_objects`), `design_storms`. `checks` finds faulty frames. Forecasts: `verification` compares them with an
analysis, `nowcast` answers from the newest one, `until_now` adds up to now. `citation` names the data's source.
The room may import `cube`, `reading` and the rooms below them; it draws nothing. `comparison` holds radar
against gauges, which `gauge_tables` reads.
"""

__all__ = [
    "api",
    "catrare",
    "checks",
    "citation",
    "comparison",
    "design_storms",
    "event_catalogue",
    "events",
    "extremes",
    "inputs",
    "kostra",
    "nowcast",
    "reductions",
    "return_levels",
    "stored_extremes",
    "storms",
    "totals",
    "verification",
]
