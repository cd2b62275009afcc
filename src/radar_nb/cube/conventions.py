"""Where a grid lies, as the Zarr conventions `proj` and `spatial` state it, for readers that do not know CF.

They are attributes of the group and hold for its arrays; web maps and GDAL (3.13 and later) place a cube by them.
Source: zarr-conventions/proj and zarr-conventions/spatial, version 0.1 (2026-06-12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from radar_nb.dwd.grids import Grid

_VERSION = "v0.1"
_REGISTRY = "zarr_conventions"
_CONVENTIONS = {
    "proj": (
        "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "Coordinate reference system information for geospatial data",
    ),
    "spatial": ("689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
}
"""UUID and description of each convention."""


def convention_attrs(grid: Grid, wkt: str) -> dict[str, Any]:
    """Return the attributes that place a grid.

    Parameters
    ----------
    grid : Grid
    wkt : str
        The projection as WKT 2.

    Examples
    --------
    >>> from radar_nb.dwd.grids import GRIDS
    >>> found = convention_attrs(GRIDS["de900"], "PROJCRS[...]")
    >>> found["spatial:dimensions"], found["spatial:shape"], found["spatial:transform"][:2]
    (['y', 'x'], [900, 900], [1000.0, 0.0])
    """
    west, south = grid.x0 - grid.cell / 2, grid.y0 - grid.cell / 2
    return {
        _REGISTRY: [
            {
                "name": name,
                "uuid": uuid,
                "schema_url": f"https://raw.githubusercontent.com/zarr-conventions/{name}/refs/tags/{_VERSION}"
                "/schema.json",
                "spec_url": f"https://github.com/zarr-conventions/{name}/blob/{_VERSION}/README.md",
                "description": description,
            }
            for name, (uuid, description) in _CONVENTIONS.items()
        ],
        "proj:wkt2": wkt,
        "spatial:dimensions": ["y", "x"],
        "spatial:shape": [grid.rows, grid.cols],
        "spatial:registration": "pixel",
        # column and row to the corner of a cell: the first row is the southern one
        "spatial:transform": [grid.cell, 0.0, west, 0.0, grid.cell, south],
        "spatial:bbox": [west, south, west + grid.cols * grid.cell, south + grid.rows * grid.cell],
    }


def without_conventions(attrs: Mapping[str, Any]) -> dict[str, Any]:
    """Return attributes without those of the conventions, which Datasets of radar_nb do not have."""
    prefixes = tuple(f"{name}:" for name in _CONVENTIONS)
    return {name: value for name, value in attrs.items() if name != _REGISTRY and not name.startswith(prefixes)}
