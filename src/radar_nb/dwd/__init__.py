"""What DWD publishes, as data: months, products, file names, grids, radar sites.

Nothing here reads or writes a file or asks a server; a change at DWD is a row in a table of this room. It may know
`errors`, and of `runtime` how a table is printed and where a file is stored in the data folder. Start with
`products` (the table of products) and `catalogue` (from a product and months to a `Plan`); `archive_names` knows
where each archive is on the server, `listings` parses the server's directory pages, `layout` compares them with a
snapshot. `kostra` knows the tables of heavy rain and their cells, `catrare` the
catalogue of heavy rain events.
"""

__all__ = [
    "archive_names",
    "catalogue",
    "catrare",
    "grids",
    "kostra",
    "layout",
    "listings",
    "months",
    "products",
    "radar_sites",
]
