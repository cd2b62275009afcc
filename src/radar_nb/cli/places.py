"""The options that choose places and times of series, alike in every command, and the series that they choose."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import radar_nb as rn
from radar_nb.cli.data_commands import chosen_day, open_data, reading_of, source_of
from radar_nb.errors import SettingsError
from radar_nb.runtime.zones import find_zone, parse_time

if TYPE_CHECKING:
    import argparse
    from zoneinfo import ZoneInfo

    import xarray as xr

    from radar_nb.cli.terminal import Parser

POINTS, AREAS = "points", "areas"


def add_places(command: Parser, *kinds: str, required: bool = True) -> None:
    """Add the options that choose points, areas, or either."""
    which = command.add_mutually_exclusive_group(required=required)
    if AREAS in kinds:
        which.add_argument("--areas", metavar="FILE",
                           help="polygons, such as catchments: GeoPackage, Shapefile, ...")  # fmt: skip
    if POINTS in kinds:
        which.add_argument("--place", metavar="TOWN", nargs="+", help="towns, such as Leipzig")
        which.add_argument("--lonlat", metavar=("LON", "LAT"), nargs=2, type=float, help="a point in degrees")
        which.add_argument("--points", metavar="FILE",
                           help="points: CSV with name, lon, lat (or name;Länge;Breite), or shapes")  # fmt: skip
        command.add_argument("--method", choices=("nearest", "mean3x3", "bilinear"), default="nearest",
                             help="of points: one cell, nine, or four weighted by distance (nearest)")  # fmt: skip
    command.add_argument("--names", metavar="COLUMN", help="column with the names")


def add_days(command: Parser, *, timezone: str | None = "UTC", begin: bool = True) -> None:
    """Add the options about days and local time."""
    command.add_argument("--timezone", metavar="ZONE", default=timezone,
                         help="whose days, and of times, such as Europe/Berlin (UTC)")  # fmt: skip
    if begin:
        command.add_argument("--day-begin", metavar="HH:MM", default="00:00",
                             help="when days begin; 05:50 for DWD's gauges (00:00)")  # fmt: skip


def add_span(command: Parser) -> None:
    """Add the options that choose a span of time."""
    command.add_argument("--from", dest="first", metavar="TIME",
                         help="only from then on, such as 2020-06-13 or 2020-06-13T17:25")  # fmt: skip
    command.add_argument("--to", dest="last", metavar="TIME", help="only until then; a day is included")


def add_coverage(command: Parser) -> None:
    """Add the option that says when a value is missing."""
    command.add_argument("--min-coverage", metavar="SHARE", type=float, default=0.95,
                         help="missing where less than this share was measured (0.95)")  # fmt: skip


def has_places(options: argparse.Namespace) -> bool:
    """Return whether places are chosen."""
    return any(getattr(options, name, None) is not None for name in ("areas", "place", "lonlat", "points"))


def read_series(options: argparse.Namespace) -> xr.Dataset:
    """Return the series at the places and of the time that the options choose."""
    zone = find_zone(options.timezone or "UTC")  # before hours of reading
    data, more = _data(options, zone)
    if getattr(options, "areas", None) is not None:
        least = options.min_coverage
        return rn.over_areas(data, options.areas, names=options.names, min_coverage=least, **more)
    points: Any = options.place or options.points
    if options.lonlat:
        points = {f"{options.lonlat[0]:g} {options.lonlat[1]:g}": tuple(options.lonlat)}
    return rn.at_points(data, points, method=options.method, names=options.names, **more)


def read_data(options: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """Return what the options choose to read, and the arguments with which it is read."""
    return _data(options, find_zone(getattr(options, "timezone", None) or "UTC"))


def _data(options: argparse.Namespace, zone: ZoneInfo) -> tuple[Any, dict[str, Any]]:
    """Return the whole source, which is read in one pass, or a Dataset of the span that is asked for."""
    from radar_nb.analysis.totals import between, of_day  # noqa: PLC0415 - pandas is loaded when data are read

    day, span = chosen_day(options), _span(options, zone)
    source = source_of(options)
    if day is None and span == (None, None):
        return source, reading_of(options)
    data = open_data(options)
    if day is not None:
        data = of_day(data, day, timezone=options.timezone, day_begin=options.day_begin)
    return between(data, *span) if span != (None, None) else data, {}


def _span(options: argparse.Namespace, zone: ZoneInfo) -> tuple[Any, Any]:
    """Return the first and the last time, UTC; a date alone as the last includes its day."""
    first: str | None = getattr(options, "first", None)
    last: str | None = getattr(options, "last", None)
    begin = None if first is None else parse_time(first, zone)
    end = None if last is None else parse_time(last, zone)
    if last is not None and len(last) == len("2020-06-13"):
        end = parse_time(str(date.fromisoformat(last) + timedelta(days=1)), zone)
    if begin is not None and end is not None and end <= begin:
        raise SettingsError(f"--from {first} is not before --to {last}: write the earlier time first")
    return begin, end
