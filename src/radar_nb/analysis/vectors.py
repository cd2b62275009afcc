"""Polygons and points of a user's own, from a GeoDataFrame or a file, carried to the plane of DWD's grids."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.grids import AXES, PROJ
from radar_nb.errors import NothingFound, SettingsError
from radar_nb.runtime.files import user_path

if TYPE_CHECKING:
    from radar_nb.dwd.grids import Earth

_MISSING = "shapes of areas need geopandas: pip install 'radar-nb[gis]'"
_POLYGONS = {"Polygon", "MultiPolygon"}


def read_shapes(source: Any) -> Any:
    """Give a user's shapes as a table.

    Parameters
    ----------
    source : GeoDataFrame, GeoSeries, or path
        A path is one of whatever GDAL reads: GeoPackage, Shapefile, GeoJSON, FlatGeobuf, GeoParquet.

    Returns
    -------
    geopandas.GeoDataFrame
        In its own CRS.

    Raises
    ------
    SettingsError
        It is none of these, has no CRS or no shapes, or geopandas is not installed.
    NothingFound
        There is no such file.
    """
    try:
        import geopandas  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(_MISSING) from error
    if isinstance(source, str | os.PathLike):
        path = user_path(source)
        if not path.exists():
            raise NothingFound(f"{path} does not exist: give a file of shapes, or a GeoDataFrame")
        try:
            source = geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path)
        except Exception as error:  # GDAL's, pyogrio's and pyarrow's errors have no common root
            raise SettingsError(
                f"{path} cannot be read as shapes ({error}): give a file that GDAL reads"
            ) from error
    if isinstance(source, geopandas.GeoSeries):
        source = source.to_frame("geometry")
    if not isinstance(source, geopandas.GeoDataFrame):
        raise SettingsError(
            f"{type(source).__name__} is no GeoDataFrame, no GeoSeries and no path of a file: give one"
        )
    if not len(source):
        raise SettingsError("the shapes are none, the table is empty: give at least one")
    if source.crs is None:
        raise SettingsError(
            "the shapes have no CRS, so nobody knows where they are: say which with .set_crs(...), such as "
            "'EPSG:4326' for longitude and latitude or 'EPSG:25832' for UTM 32N"
        )
    return source


def to_plane(shapes: Any, earth: Earth) -> Any:
    """Carry shapes to the plane of DWD's grids.

    Longitude and latitude are taken to be the same numbers on WGS84 and on DWD's sphere, as DWD and wradlib do.
    """
    degrees = shapes.geometry.to_crs("EPSG:4326")
    if earth == "sphere":
        # the same numbers: no shift of datum is wanted
        a, b = AXES[earth]
        degrees = degrees.set_crs(f"+proj=longlat +a={a} +b={b} +no_defs +type=crs", allow_override=True)
    return degrees.to_crs(PROJ[earth])


def check_polygons(shapes: Any, names: list[Any]) -> None:
    """Refuse what has no area, or not one that is certain.

    Raises
    ------
    SettingsError
        A shape is missing, empty, no polygon, or crosses itself; the message names the first and what to do.
    """
    geometries = shapes.geometry
    kinds = geometries.geom_type
    for bad, what in (
        (geometries.isna() | geometries.is_empty, "is empty: leave it away"),
        (~kinds.isin(_POLYGONS), "is no polygon but a {kind}: give areas, or take at_points for points"),
        (~geometries.is_valid, "is no valid polygon ({why}): mend it with .make_valid() or .buffer(0)"),
    ):
        at = np.flatnonzero(bad.to_numpy())
        if at.size:
            first = int(at[0])
            why = "" if kinds.iloc[first] is None else geometries.iloc[[first]].is_valid_reason().iloc[0]
            more = f" (and {at.size - 1} more)" if at.size > 1 else ""
            told = what.format(kind=kinds.iloc[first], why=why)
            raise SettingsError(f"the area {names[first]!r}{more} {told}")
