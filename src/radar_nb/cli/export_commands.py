"""The commands that write rain for models: export, export-grid."""

from __future__ import annotations

from typing import TYPE_CHECKING

import radar_nb as rn
from radar_nb.cli.data_commands import add_reading, open_data
from radar_nb.cli.places import AREAS, POINTS, add_coverage, add_days, add_places, add_span, read_series
from radar_nb.cli.terminal import say, waiting
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
    add_places(export, AREAS, POINTS)
    add_span(export)
    export.add_argument("--period", metavar="LENGTH", help="sums, such as 1h or 1D (as measured)")
    add_coverage(export)
    export.add_argument("--format", metavar="NAME", help="format of a model: swmm, hystem-extran, ... (by suffix)")
    export.add_argument(
        "--tz", metavar="ZONE", help="of a model: zone of its times, without summer time: UTC+1, UTC"
    )
    export.add_argument(
        "--label", choices=("start", "end"), help="of a model: edge of the interval that a time is"
    )
    add_days(export, timezone=None)
    export.add_argument("--decimal", metavar="SIGN", default=".", help="of a CSV: . or , (.)")
    export.add_argument(
        "--sep", metavar="SIGN", default=",", help="of a CSV: what separates columns, such as ; (,)"
    )
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
    from radar_nb.exports.tables import TableStyle, times_are  # noqa: PLC0415 - the same

    target = user_path(options.path)
    form = series_format(target, options.format)
    choices = {name: getattr(options, name) for name in ("tz", "label", "gaps")}
    style = {name: getattr(options, name) for name in ("timezone", "decimal", "sep")}
    if form is None:
        looks = TableStyle(**style)
        looks.check(target.suffix.lower())
        series = _series(options)
        rn.export(series, target, **choices, **style)
        name = next(str(name) for name in series.data_vars if name != "coverage")
        say(f"{target}: {name}, {series.sizes['time']} times, {times_are(series, looks)}")
        return 0
    form.check_choices(choices["tz"], choices["label"])  # before hours of reading
    say(f"{target}: {write_series(_series(options), target, form, **choices).sentence}")
    return 0


def _series(options: argparse.Namespace) -> xr.Dataset:
    series = read_series(options)
    if options.period is None:
        return series
    clock = {"timezone": options.timezone or "UTC", "day_begin": options.day_begin}
    if options.period.endswith(("h", "min")):
        clock["timezone"] = "UTC"  # hours are the same in every zone, and on the clock one occurs twice
    return rn.accumulate(series, options.period, min_coverage=options.min_coverage, **clock)


def _export_grid(options: argparse.Namespace) -> int:
    from radar_nb.exports.grid_files import write_model_grid  # noqa: PLC0415 - xarray is loaded when data are read

    chosen = {name: getattr(options, name) for name in ("model", "crs", "cell", "extent", "gaps")}
    data = open_data(options)
    with waiting("export-grid"):
        target, written = write_model_grid(data, options.path, **chosen)
    say(f"{target}: {written.sentence}")
    return 0
