"""The commands that write rain for models: export, export-grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import radar_nb as rn
from radar_nb.cli.data_commands import add_reading, open_address, open_data, reading_of, source_of
from radar_nb.cli.terminal import say
from radar_nb.runtime.files import user_path

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    import xarray as xr

    from radar_nb.cli.terminal import Parser


def add_export_commands(add: Callable[..., Parser]) -> None:
    """Add the commands to the parser."""
    export = add("export", _export, "Write series of points or areas to a file, such as the rain file of a model.")
    export.add_argument("source", metavar="PATH", nargs="+", help="archives, frames, folders, or a cube")
    add_reading(export)
    places = export.add_mutually_exclusive_group(required=True)
    places.add_argument(
        "--areas", metavar="FILE", help="polygons, such as subcatchments: GeoPackage, Shapefile, ..."
    )
    places.add_argument(
        "--points", metavar="FILE", help="points: CSV with name, lon, lat (or name;Länge;Breite), or shapes"
    )
    export.add_argument("--names", metavar="COLUMN", help="column with the names of the areas or points")
    export.add_argument("--min-coverage", metavar="SHARE", type=float, default=0.95,
                        help="missing where less than this share of an area is known (0.95)")  # fmt: skip
    export.add_argument("--format", metavar="NAME", help="format of a model: swmm, hystem-extran, ... (by suffix)")
    export.add_argument("--tz", metavar="ZONE", help="zone of the times, without summer time: UTC+1, UTC")
    export.add_argument("--label", choices=("start", "end"), help="edge of the interval that a time is")
    export.add_argument(
        "--gaps", choices=("error", "zero"), help="refuse missing intervals, or write them as 0 mm"
    )
    export.add_argument("--output", dest="path", metavar="FILE", required=True,
                        help="file to write; {name} in it stands for the station's: one file each")  # fmt: skip
    grid = add("export-grid", _export_grid, "Write fields on square cells of a model's projection, as its file.")
    grid.add_argument("source", metavar="PATH", nargs="+", help="archives, frames, folders, or a cube")
    add_reading(grid)
    grid.add_argument("--model", metavar="NAME", required=True,
                      help="hec-ras, hec-hms, sfincs, tuflow, lisflood, mike, fews or cf")  # fmt: skip
    grid.add_argument("--crs", metavar="CODE", required=True, help="projection in metres, such as 25832 (UTM 32N)")
    grid.add_argument("--cell", metavar="METRES", required=True, type=float, help="width of a cell")
    grid.add_argument("--extent", metavar=("WEST", "SOUTH", "EAST", "NORTH"), nargs=4, type=float,
                      help="in metres of the projection (all of the data)")  # fmt: skip
    grid.add_argument("--gaps", choices=("error", "zero"), help="refuse missing values, or write them as 0 mm")
    grid.add_argument(
        "--output", dest="path", metavar="FILE", required=True, help="file to write: netCDF, or .dfs2 for MIKE"
    )


def _export(options: argparse.Namespace) -> int:
    from radar_nb.exports.api import series_format  # noqa: PLC0415 - xarray is loaded when data are read
    from radar_nb.exports.series_files import write_series  # noqa: PLC0415 - the same

    target = user_path(options.path)
    form = series_format(target, options.format)
    choices = {name: getattr(options, name) for name in ("tz", "label", "gaps")}
    if form is None:
        series = _series(options)
        rn.export(series, target, **choices)
        name = next(str(name) for name in series.data_vars if name != "coverage")
        say(f"{target}: {name}, {series.sizes['time']} times, UTC, the ends of their intervals")
        return 0
    form.check_choices(choices["tz"], choices["label"])  # before hours of reading
    say(f"{target}: {write_series(_series(options), target, form, **choices).sentence}")
    return 0


def _series(options: argparse.Namespace) -> xr.Dataset:
    source, more = source_of(options), reading_of(options)
    data: Any = source
    if isinstance(source, str) and "://" in source:
        data, more = open_address(source), {}
    if options.areas is not None:
        return rn.over_areas(data, options.areas, names=options.names, min_coverage=options.min_coverage, **more)
    return rn.at_points(data, options.points, names=options.names, **more)


def _export_grid(options: argparse.Namespace) -> int:
    from radar_nb.exports.grid_files import write_model_grid  # noqa: PLC0415 - xarray is loaded when data are read

    chosen = {name: getattr(options, name) for name in ("model", "crs", "cell", "extent", "gaps")}
    target, written = write_model_grid(open_data(options), options.path, **chosen)
    say(f"{target}: {written.sentence}")
    return 0
