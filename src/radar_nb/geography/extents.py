"""The part of a map: from a box in degrees, a town, or areas to a box in metres of DWD's projection."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.grids import scale_factor, to_xy
from radar_nb.errors import SettingsError
from radar_nb.geography.shapes import check_polygons, read_shapes, to_plane
from radar_nb.geography.towns import Place, place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Earth

WITHIN = 40.0
"""Kilometres around a town, if none are given."""
_MARGIN = 0.08
"""Of the size of areas, left free around them."""
_WIDEST = 30
"""Degrees of a box; a larger one has its numbers in another order, such as Matplotlib's."""
_AROUND = re.compile(
    r"(?P<name>.+?)\s*(?:(?:\+-|\+/-|±)\s*(?P<km>\d+(?:[.,]\d+)?)\s*(?:km)?|,?\s(?P<bare>\d+(?:[.,]\d+)?)\s*km)",
    re.IGNORECASE,
)
"""A town and a distance; without a sign between them the distance has its unit."""
_SHAPES = {".gpkg", ".shp", ".geojson", ".json", ".fgb", ".parquet", ".gml", ".kml", ".zip"}


def is_shapes(extent: Any) -> bool:
    """Return whether an extent is a table or file of shapes, rather than a town or a box."""
    if isinstance(extent, str):
        return Path(extent).suffix.lower() in _SHAPES
    return isinstance(extent, os.PathLike) or hasattr(extent, "geometry")


def box_of_extent(extent: Any, earth: Earth, *, margin: bool = True) -> tuple[float, float, float, float]:
    """Return west, south, east and north in metres of the projection.

    Parameters
    ----------
    extent : tuple of float, str, Place, GeoDataFrame, GeoSeries or path
        `(west, south, east, north)` in degrees; a town, "Leipzig" or "Leipzig +- 25 km" (40 km by default); a
        point `(lon, lat)`; or shapes, around which 8 % are left free.
    earth : {"sphere", "wgs84"}
    margin : bool
        Whether shapes have one.

    Raises
    ------
    SettingsError
        The town is unknown, the box is not one, or shapes cannot be used.
    NothingFound
        The file of shapes does not exist.
    """
    if isinstance(extent, tuple | list) and len(extent) == 2:
        extent = _point(extent)
    if isinstance(extent, str | Place) and not is_shapes(extent):
        return _around(extent, earth)
    if is_shapes(extent):
        west, south, east, north = (float(edge) for edge in to_plane(read_shapes(extent), earth).total_bounds)
        free = max(_MARGIN * max(east - west, north - south), 2000.0) if margin else 0.0
        return west - free, south - free, east + free, north + free
    return _degrees(extent, earth)


def _point(pair: Sequence[Any]) -> Place:
    """Return a pair of degrees as a place."""
    try:
        lon, lat = (float(value) for value in pair)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"{pair!r} is not a point: pass (lon, lat) in degrees, such as (12.37, 51.34)"
        ) from error
    if not (-180 <= lon <= 180 and -90 < lat < 90):
        raise SettingsError(f"{pair!r} is not a point: pass (lon, lat) in degrees, longitude first")
    return Place(name=f"{lon:g} E, {lat:g} N", lon=lon, lat=lat)


def _around(extent: str | Place, earth: Earth) -> tuple[float, float, float, float]:
    km, town = WITHIN, extent
    if isinstance(town, str):
        if parts := _AROUND.fullmatch(town.strip()):
            km, town = float((parts["km"] or parts["bare"]).replace(",", ".")), parts["name"]
        elif "+-" in town or "±" in town:
            raise SettingsError(f"{town!r} is not a town and a distance in km: write it as 'Leipzig +- 25 km'")
        town = place(town)
    if not 1 <= km <= 2000:
        raise SettingsError(f"{km:g} km around {town.name} are too few or too many: choose 1 to 2000 km")
    x, y = (float(value) for value in to_xy(town.lon, town.lat, earth))
    half = 1000 * km * scale_factor(x, y, earth)
    return x - half, y - half, x + half, y + half


def _degrees(extent: Any, earth: Earth) -> tuple[float, float, float, float]:
    """Return the box around a box in degrees."""
    try:
        west, south, east, north = (float(edge) for edge in extent)
    except (TypeError, ValueError) as error:
        raise SettingsError(
            f"{extent!r} is not a part of a map: pass (west, south, east, north) in degrees, a town such as "
            "'Leipzig' or 'Leipzig +- 25 km', or areas"
        ) from error
    if not (-180 <= west < east <= 180 and -90 < south < north <= 90):
        raise SettingsError(
            f"{extent!r} is not a box: pass (west, south, east, north), with west < east and south < north"
        )
    if east - west > _WIDEST or north - south > _WIDEST:
        raise SettingsError(
            f"{extent!r} is more than {_WIDEST} degrees wide or high: pass (west, south, east, north)"
        )
    x, y = _outline((west, south, east, north), earth).T
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _outline(box: Sequence[Any], earth: Earth) -> NDArray[np.float64]:
    """Return the points around a box in degrees, shape (points, 2), whose parallels are curves on the map."""
    west, south, east, north = (np.full(41, float(edge)) for edge in box)
    lon, lat = np.linspace(west[0], east[0], 41), np.linspace(south[0], north[0], 41)
    x, y = to_xy(
        np.concatenate([lon, east, lon[::-1], west]), np.concatenate([south, lat, north, lat[::-1]]), earth
    )
    return np.column_stack([x, y])


def touching(shapes: Any, extent: Any, earth: Earth) -> NDArray[np.bool_]:
    """Return which shapes of a table, in the plane of DWD's grids, touch a part of a map.

    Parameters
    ----------
    shapes : GeoDataFrame
    extent
        As for `box_of_extent`; of areas and boxes in degrees their own outlines count.
    earth : {"sphere", "wgs84"}
    """
    if is_shapes(extent):
        areas = read_shapes(extent)
        check_polygons(areas, areas.index.tolist())
        there = to_plane(areas, earth).union_all()
    else:
        import shapely  # noqa: PLC0415 - an extra, which comes with geopandas

        there = shapely.box(*box_of_extent(extent, earth))
        if isinstance(extent, tuple | list) and len(extent) == 4:
            there = shapely.Polygon(_outline(extent, earth))
    found: NDArray[np.bool_] = shapes.intersects(there).to_numpy()
    return found
