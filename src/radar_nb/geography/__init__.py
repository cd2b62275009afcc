"""Where things are on the ground: towns by name, lines that maps show, areas of a user, boxes around them.

Lines and towns are shipped (`lines.json`, `towns.tsv`; see scripts/make_basemap.py): no map needs a network.
Start with `towns` (from a name to a position) and `extents` (from a text, a box or areas to the part of a map);
`point_tables` reads a user's points, `layers` catalogues of shapes.
The room may import `dwd` and `runtime`. It knows no rain and draws nothing.
"""

__all__ = ["extents", "layers", "lines", "point_tables", "shapes", "towns"]
