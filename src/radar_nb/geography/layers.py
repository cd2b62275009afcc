"""Layers of geographic databases: read and written as tables of shapes in the plane of DWD's sphere."""

from __future__ import annotations

import warnings
import zipfile
from typing import TYPE_CHECKING, Any

from radar_nb.dwd.grids import PROJ
from radar_nb.errors import ArchiveError, SettingsError
from radar_nb.runtime.files import storage_errors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Earth

_MISSING = "catalogues of events need geopandas: pip install 'radar-nb[gis]'"


def _geopandas() -> Any:
    try:
        import geopandas  # noqa: PLC0415 - an extra
        import pyogrio  # noqa: F401, PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(_MISSING) from error
    return geopandas


def read_zipped_layer(path: Path, layer: str) -> Any:
    """Return a layer of a zipped FileGDB in DWD's projection on the sphere, which DWD's file does not name.

    Raises
    ------
    ArchiveError
        The file cannot be read, lacks the layer, or its coordinates are not metres of that projection.
    SettingsError
        geopandas is not installed.
    """
    geopandas = _geopandas()
    try:
        with zipfile.ZipFile(path) as archive:
            tables = (name for name in archive.namelist() if name.lower().endswith(".gdbtable"))
            folder = next(tables, "").rpartition("/")[0]
        table = geopandas.read_file(f"/vsizip/{path}/{folder}", layer=layer, engine="pyogrio")
    except Exception as error:  # GDAL's and pyogrio's errors have no common root
        raise ArchiveError(
            f"{path} has no layer {layer} that can be read ({error}): remove it and fetch it again"
        ) from error
    west, south, east, north = table.total_bounds if len(table) else (0, -5e6, 0, -5e6)
    if not (-2e6 < west <= east < 2e6 and -6e6 < south <= north < -3e6):
        raise ArchiveError(
            f"{path} has shapes from {west:g} to {east:g} and from {south:g} to {north:g}, which are not metres "
            "of DWD's projection: update radar_nb, or choose another version"
        )
    return table.set_crs(PROJ["sphere"], allow_override=True)


def write_layers(folder: Path, layers: Mapping[str, Any]) -> None:
    """Write tables of shapes as the layers of a new FileGDB, without a CRS as DWD does."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)
        warnings.filterwarnings("ignore", "Field .* will be written as a Float64", RuntimeWarning)
        for name, table in layers.items():
            table.set_crs(None, allow_override=True).to_file(
                folder, layer=name, driver="OpenFileGDB", engine="pyogrio"
            )


def write_shapes(table: Any, path: Path) -> None:
    """Write a table of shapes in the form that the name ends in: .parquet, .csv without shapes, or one of GDAL's.

    Raises
    ------
    StorageError
        The file cannot be written.
    SettingsError
        No form has this name.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            table.to_parquet(path)
        elif path.suffix == ".csv":
            table.drop(columns="geometry").to_csv(path, index=False)
        elif path.suffix in {".gpkg", ".geojson", ".fgb"}:
            table.to_file(path)
        else:
            raise SettingsError(f"{path} is not a form of shapes: choose .gpkg, .geojson, .fgb, .parquet or .csv")


def table_of_shapes(columns: Mapping[str, Any], shapes: NDArray[Any], earth: Earth = "sphere") -> Any:
    """Return a GeoDataFrame in the plane of DWD's grids.

    Raises
    ------
    SettingsError
        geopandas is not installed.
    """
    return _geopandas().GeoDataFrame(dict(columns), geometry=shapes, crs=PROJ[earth])


def boxes_as_shape(west: NDArray[Any], south: NDArray[Any], east: NDArray[Any], north: NDArray[Any]) -> Any:
    """Return the area that boxes cover together, a polygon or several."""
    import shapely  # noqa: PLC0415 - an extra, which comes with geopandas

    return shapely.union_all(shapely.box(west, south, east, north))


def points_at(x: NDArray[Any], y: NDArray[Any]) -> Any:
    """Return points."""
    import shapely  # noqa: PLC0415 - an extra, which comes with geopandas

    return shapely.points(x, y)
