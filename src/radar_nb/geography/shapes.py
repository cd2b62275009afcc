"""Shapes of a user: read from a table or a file, checked, and brought to the plane of DWD's grids."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from radar_nb.dwd.grids import AXES, PROJ
from radar_nb.errors import NothingFound, SettingsError
from radar_nb.geography.point_tables import plain_name
from radar_nb.runtime.files import user_path
from radar_nb.runtime.wording import printable, shortened

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Earth

_MISSING = "shapes of areas need geopandas: pip install 'radar-nb[gis]'"
_POLYGONS = ["Polygon", "MultiPolygon"]


class Outline(NamedTuple):
    """An area of a user, in metres of DWD's projection: its name, a point inside, its rings, each (points, 2)."""

    name: str
    inside: tuple[float, float]
    rings: list[NDArray[np.float64]]


def outlines(source: Any, earth: Earth) -> list[Outline]:
    """Return the outlines of areas.

    Parameters
    ----------
    source : GeoDataFrame, GeoSeries or path
        Polygons in any CRS. Their names are those of `names_of`, but "" instead of numbers.
    earth : {"sphere", "wgs84"}

    Raises
    ------
    SettingsError
        The shapes have no CRS, or one is not a valid polygon.
    NothingFound
        The file does not exist.
    """
    shapes = read_shapes(source)
    numbers = shapes.index.tolist()
    labels = names_of(shapes, distinct=False)
    check_polygons(shapes, labels)
    names = [""] * len(shapes) if labels == numbers == list(range(len(shapes))) else labels
    plane = to_plane(shapes, earth)
    inside = plane.representative_point()
    return [
        Outline(
            name=str(name),
            inside=(float(at.x), float(at.y)),
            rings=[
                np.asarray(ring.coords)[:, :2]
                for part in getattr(shape, "geoms", [shape])
                for ring in (part.exterior, *part.interiors)
            ],
        )
        for name, at, shape in zip(names, inside, plane, strict=True)
    ]


def names_of(shapes: Any, column: str | None = None, *, distinct: bool = True) -> list[Any]:
    """Return the names of areas.

    Parameters
    ----------
    shapes : GeoDataFrame
    column : str, optional
        By default the table's index; where that only counts, a column `name`, whatever its case, without missing
        values; else the numbers.
    distinct : bool
        Whether the default is the numbers, too, where two areas have the same name.

    Raises
    ------
    SettingsError
        The column does not exist.
    """
    if column is not None and column not in shapes.columns:
        columns = shortened(", ".join(map(str, shapes.columns.drop(shapes.geometry.name))), 500) or "none"
        raise SettingsError(f"names={column!r} is not a column of the shapes: choose from {columns}")
    numbers: list[Any] = shapes.index.tolist()
    if column is None and numbers == list(range(len(shapes))):
        own = next((name for name in shapes.columns if str(name).lower() == "name"), None)
        usable = own is not None and shapes[own].notna().all()
        usable = usable and (shapes[own].map(plain_name).is_unique or not distinct)
        column = own if usable else None
    found: list[Any] = numbers if column is None else shapes[column].tolist()
    return [plain_name(name) for name in found]


def centres_inside(source: Any, x: NDArray[np.float64], y: NDArray[np.float64], earth: Earth) -> NDArray[np.bool_]:
    """Return which points, in metres of the projection, lie in one of the areas; shaped as x and y."""
    shapes = read_shapes(source)
    check_polygons(shapes, shapes.index.tolist())
    import shapely  # noqa: PLC0415 - an extra, which comes with geopandas

    inside: NDArray[np.bool_] = shapely.contains_xy(to_plane(shapes, earth).union_all(), x, y)
    return inside


def read_shapes(source: Any) -> Any:
    """Return a user's shapes as a table.

    Parameters
    ----------
    source : GeoDataFrame, GeoSeries, or path
        Any file that GDAL reads: GeoPackage, Shapefile, GeoJSON, FlatGeobuf, GeoParquet.

    Returns
    -------
    geopandas.GeoDataFrame
        In its own CRS.

    Raises
    ------
    SettingsError
        The source has another type, no CRS or no shapes, or geopandas is not installed.
    NothingFound
        The file does not exist.
    """
    try:
        import geopandas  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(_MISSING) from error
    if isinstance(source, str | os.PathLike):
        path = user_path(source)
        if not path.exists():
            raise NothingFound(f"{path} does not exist: pass a file of shapes, or a GeoDataFrame")
        _refuse_pointers(path)
        try:
            source = geopandas.read_parquet(path) if path.suffix == ".parquet" else geopandas.read_file(path)
        except Exception as error:  # GDAL's, pyogrio's and pyarrow's errors have no common root
            raise SettingsError(
                f"{path} cannot be read as shapes ({error}): pass a file that GDAL reads"
            ) from error
    if isinstance(source, geopandas.GeoSeries):
        source = source.to_frame("geometry")
    if not isinstance(source, geopandas.GeoDataFrame):
        raise SettingsError(
            f"unknown type of shapes {type(source).__name__}: pass a GeoDataFrame, a GeoSeries or a path"
        )
    if not len(source):
        raise SettingsError("the table of shapes is empty: pass at least one shape")
    if source.crs is None:
        raise SettingsError(
            "the shapes have no CRS, so their position is unknown: set it where they were made, or with "
            ".set_crs(...), such as 'EPSG:4326' for longitude and latitude or 'EPSG:25832' for UTM 32N"
        )
    return source


def to_plane(shapes: Any, earth: Earth) -> Any:
    """Project shapes to the plane of DWD's grids.

    Longitude and latitude are assumed to be equal on WGS84 and on DWD's sphere, as in DWD's documents and wradlib.

    Raises
    ------
    SettingsError
        The CRS cannot be converted, or a shape has no coordinates in the plane.
    """
    try:
        degrees = shapes.geometry.to_crs("EPSG:4326")
        if earth == "sphere":
            # relabel degrees without a datum shift
            a, b = AXES[earth]
            degrees = degrees.set_crs(f"+proj=longlat +a={a} +b={b} +no_defs +type=crs", allow_override=True)
        plane = degrees.to_crs(PROJ[earth])
    except RuntimeError as error:  # the root of PROJ's errors
        raise SettingsError(
            f"the shapes cannot be projected from their CRS {printable(str(shapes.crs.name))} "
            f"({printable(str(error))}): set the right one with .set_crs(...)"
        ) from error
    far = np.flatnonzero(~np.isfinite(plane.bounds.to_numpy()).all(axis=1))
    if far.size:
        raise SettingsError(
            f"the shape {shapes.index[far[0]]!r} reaches where the projection of DWD's grids has no coordinates: "
            "cut it to Germany and its neighbours, or check its CRS"
        )
    return plane


_HEAD = 4096  # bytes in which GDAL looks for the format
_POINTER = re.compile(rb"<OGR\w*DataSource")


def _refuse_pointers(path: Path) -> None:
    """Raise an error for a file that is not of shapes but leads to others: GDAL would read them or ask servers."""
    if not path.is_dir() and not path.is_file():
        raise NothingFound(f"{path} is not a file: pass a file of shapes, or a GeoDataFrame")  # a pipe would block
    if path.is_file():
        with path.open("rb") as file:
            if _POINTER.search(file.read(_HEAD)):
                raise SettingsError(
                    f"{path} is a description that leads to other files or servers: pass the file of shapes itself"
                )


def check_polygons(shapes: Any, names: list[Any]) -> None:
    """Raise an error for shapes without a well-defined area.

    Raises
    ------
    SettingsError
        A shape is missing, empty, not a polygon, or crosses itself; the message names the first and a remedy.
    """
    geometries = shapes.geometry
    kinds = geometries.geom_type
    for bad, what in (
        (geometries.isna() | geometries.is_empty, "is empty: leave it out"),
        (
            ~kinds.isin(_POLYGONS),
            "is a {kind}, not a polygon: pass areas, or use at_points for points",
        ),
        (~geometries.is_valid, "is not a valid polygon ({why}): repair it with .make_valid() or .buffer(0)"),
    ):
        at = np.flatnonzero(bad.to_numpy())
        if at.size:
            first = int(at[0])
            why = "" if kinds.iloc[first] is None else geometries.iloc[[first]].is_valid_reason().iloc[0]
            more = f" (and {at.size - 1} more)" if at.size > 1 else ""
            raise SettingsError(f"the area {names[first]!r}{more} {what.format(kind=kinds.iloc[first], why=why)}")
