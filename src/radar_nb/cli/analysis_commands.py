"""The commands that analyse: from exceedance and events to compare. They print what Python returns."""

from __future__ import annotations

import json
import math
import sys
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

import radar_nb as rn
from radar_nb.cli.data_commands import add_language, add_reading, open_data, reading_of, save_picture, source_of
from radar_nb.cli.places import (
    AREAS,
    POINTS,
    add_coverage,
    add_days,
    add_places,
    add_span,
    has_places,
    read_data,
    read_series,
)
from radar_nb.cli.terminal import say, show
from radar_nb.errors import SettingsError
from radar_nb.runtime.files import user_path
from radar_nb.runtime.numerals import parse_number
from radar_nb.runtime.table import Table
from radar_nb.runtime.wording import human_time, short_decimals
from radar_nb.runtime.zones import find_zone

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from zoneinfo import ZoneInfo

    from radar_nb.cli.terminal import Parser

_EDGES = ("begin", "end")


def add_analysis_commands(add: Callable[..., Parser]) -> None:
    """Add the commands to the parser."""
    exceedance = add(
        "exceedance", _exceedance, "Count how often, and show when, rain reached thresholds.", json=True
    )
    events = add("events", _events, "List events of rain: when, how large, how much.", json=True)
    catalogue = add("catalogue", _catalogue, "List heavy rain events as DWD's CatRaRE does.", json=True)
    levels = add(
        "return-levels", _levels, "Show amounts of return periods at places, from years of data.", json=True
    )
    check = add(
        "check", _check, "Look for gaps, frozen frames, spikes and spokes; exit with 1 for bad data.", json=True
    )
    compare = add("compare", _compare, "Compare radar with gauges: bias, correlation, hits and misses.", json=True)
    for command in (exceedance, events, catalogue, levels, check, compare):
        command.add_argument("source", metavar="PATH", nargs="+", help="archives, frames, folders, or a cube")
        add_reading(command)
    for command in (exceedance, events, catalogue, check):
        add_span(command)
    add_places(exceedance, AREAS, POINTS, required=False)
    exceedance.add_argument("--thresholds", metavar="MM", nargs="+", required=True,
                            help="amounts, or dwd-heavy-rain or dwd-continuous-rain")  # fmt: skip
    exceedance.add_argument(
        "--duration", metavar="LENGTH", help="of the amounts, such as 15min or 1h (an interval)"
    )
    exceedance.add_argument("--period", metavar="LENGTH", help="count in each, such as 1D or YS (the whole time)")
    exceedance.add_argument(
        "--label", choices=_EDGES, help="edge that names a period (begin of days, end of hours)"
    )
    exceedance.add_argument("--independent", metavar="LENGTH",
                            help="count storms that lie at least so far apart, such as 4h")  # fmt: skip
    exceedance.add_argument("--output", metavar="FILE", type=user_path,
                            help="netCDF to write; without places the counts of all cells")  # fmt: skip
    add_days(exceedance)
    add_coverage(exceedance)
    events.add_argument(
        "--threshold", metavar="MM", type=float, required=True, help="amount of an interval that is rain"
    )
    events.add_argument(
        "--min-area", metavar="KM2", type=float, default=0.0, help="smallest area in one frame (0)"
    )
    events.add_argument(
        "--min-gap", metavar="LENGTH", help="dry time that ends an event, such as 1h (an interval)"
    )
    events.add_argument("--min-duration", metavar="LENGTH", help="leave out shorter ones")
    events.add_argument("--most", metavar="N", type=int, default=20, help="show those with the most water (20)")
    add_days(events, begin=False)
    _add_catalogue(catalogue)
    add_places(levels, AREAS, POINTS)
    levels.add_argument("--durations", metavar="LENGTH", nargs="+", default=["1h", "6h", "24h"],
                        help="of the amounts (1h 6h 24h)")  # fmt: skip
    levels.add_argument("--return-periods", metavar="YEARS", nargs="+", type=float,
                        default=[2, 5, 10, 20, 50, 100],
                        help="(2 5 10 20 50 100)")  # fmt: skip
    levels.add_argument("--year", choices=("calendar", "hydro"), default="calendar",
                        help="years from 1 January, or from 1 November (calendar)")  # fmt: skip
    levels.add_argument("--fit", dest="method_of_fit", choices=("lmoments", "kostra"), default="lmoments",
                        help="each duration by itself, or all together as KOSTRA-DWD-2020 (lmoments)")  # fmt: skip
    add_coverage(levels)
    check.add_argument("--hourly", metavar="PATH", help="RW of the same time, which sums of twelve YW must equal")
    compare.add_argument("--gauges", metavar="FILE", required=True,
                         help="CSV in mm: station_id, date, value; or date and a column a gauge")  # fmt: skip
    compare.add_argument("--stations", metavar="FILE",
                         help="where: CSV of station_id, lon, lat (columns of the gauges)")  # fmt: skip
    compare.add_argument("--label", choices=("start", "end"), help="edge of the interval that a gauge's time is")
    compare.add_argument("--timezone", metavar="ZONE",
                         help="of times without offset: UTC, UTC+1 (MEZ all year), Europe/Berlin")  # fmt: skip
    compare.add_argument("--parameter", metavar="NAME", help="parameter or column of a long table, of several")
    compare.add_argument(
        "--period", metavar="LENGTH", help="compare longer sums, such as 1D (the longer interval)"
    )
    compare.add_argument("--threshold", metavar="MM", type=float, default=0.1, help="from which it rains (0.1)")
    compare.add_argument("--picture", metavar="FILE", type=user_path, help="draw a scatter and running sums")
    add_language(compare)
    add_coverage(compare)


def _add_catalogue(catalogue: Parser) -> None:
    catalogue.add_argument("--thresholds", metavar="NAME", default="W3",
                           help="W3, T5, or mm for all durations (W3)")  # fmt: skip
    known = catalogue.add_mutually_exclusive_group(required=True)
    known.add_argument("--levels", metavar="FILE", type=user_path,
                       help="netCDF of return levels, of each cell or of one place")  # fmt: skip
    known.add_argument("--kostra", metavar="PLACE", help="a town, whose KOSTRA-DWD-2020 is used for all cells")
    catalogue.add_argument("--durations", metavar="LENGTH", nargs="+",
                           help="of the sums (1h 2h 3h 4h 6h 9h 12h 18h 24h 48h 72h)")  # fmt: skip
    catalogue.add_argument("--min-cells", metavar="N", type=int, default=9, help="smallest event (9)")
    catalogue.add_argument("--same-event", choices=("overlap", "chain"), default="overlap",
                           help="one event: what overlaps its strongest object, or chains (overlap)")  # fmt: skip
    catalogue.add_argument("--output", metavar="FILE", type=user_path,
                           help="write all events: .gpkg, .geojson, .parquet or .csv")  # fmt: skip
    catalogue.add_argument("--picture", metavar="FILE", type=user_path, help="draw a map of them")
    catalogue.add_argument("--most", metavar="N", type=int, default=20, help="show the most extreme ones (20)")
    add_days(catalogue, begin=False)


def _plain(value: Any) -> Any:
    """Return a value for JSON: times as UTC with Z, None for what is missing."""
    if isinstance(value, np.datetime64):
        return None if np.isnat(value) else f"{value.astype('datetime64[s]')}Z"
    if hasattr(value, "isoformat"):  # of pandas
        return None if value != value else f"{value.isoformat()}Z"  # noqa: PLR0124 - NaT
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _records(table: Any) -> list[dict[str, Any]]:
    """Return the rows of a table, its numbers of 32 bits as the decimals that were measured: 9.92."""
    short = {str(name): short_decimals(one.to_numpy()) for name, one in table.select_dtypes("float32").items()}
    rows: list[dict[str, Any]] = table.assign(**short).to_dict("records")
    return rows


def _clock(value: Any, zone: ZoneInfo) -> str:
    return "-" if value != value else human_time(np.datetime64(value), zone)  # noqa: PLR0124 - NaT


def _exceedance(options: argparse.Namespace) -> int:
    zone = find_zone(options.timezone)
    thresholds: Any = options.thresholds
    thresholds = thresholds[0] if thresholds[0].startswith("dwd-") else [_number(text) for text in thresholds]
    names = ("duration", "period", "timezone", "day_begin", "label", "independent")
    chosen = {name: getattr(options, name) for name in names}
    if has_places(options):
        found = rn.exceedance(read_series(options), thresholds, **chosen)
    elif options.output is None:
        raise SettingsError(
            "counts of all cells are a map: choose --output, such as counts.nc, or places with --place"
        )
    else:
        data, more = read_data(options)
        found = rn.exceedance(data, thresholds, **chosen, **more)
    if options.output is not None:
        rn.export(found, options.output)
        say(options.output)
        return 0
    name = str(next(iter(found.data_vars)))
    along = "area" if options.areas is not None else "point"
    wanted = [name, "first", "last", "maximum", "time_of_maximum", "coverage"]
    rows = _records(found[wanted].to_dataframe().reset_index())
    keys = [
        key for key in ("time" if options.period else "", along, "threshold", *wanted) if key and key in rows[0]
    ]
    if options.json:
        say(json.dumps([{key: _plain(row[key]) for key in keys} for row in rows], indent=1))
        return 0
    titles = {
        name: "count",
        "threshold": "mm",
        "maximum": "largest mm",
        "time_of_maximum": "until",
        "coverage": "measured",
    }
    cells = tuple(tuple(_cell(key, row[key], name, zone) for key in keys) for row in rows)
    note = "missing intervals count as 0 mm, so counts are lower bounds"
    columns = tuple(titles.get(key, key) for key in keys)
    say(
        Table(
            title=f"{name}: {found[name].attrs.get('long_name', 'count')}",
            columns=columns,
            rows=cells,
            notes=(note,),
        )
    )
    return 0


def _cell(key: str, value: Any, count: str, zone: ZoneInfo) -> str:
    if key in {"first", "last", "time_of_maximum"}:
        return _clock(value, zone)
    if key == "time":
        return str(np.datetime64(value, "m")).replace("T", " ")
    if key == "coverage":
        return f"{100 * value:.4g} %"
    return f"{value:.2f}" if key == "maximum" else f"{value:.0f}" if key == count else str(value)


def _number(text: str) -> float:
    try:
        return parse_number(text)
    except ValueError as error:
        raise SettingsError(
            f"--thresholds {text} is not a number: pass mm, or a name that the command knows"
        ) from error


def _events(options: argparse.Namespace) -> int:
    zone = find_zone(options.timezone)
    chosen = {name: getattr(options, name) for name in ("min_area", "min_gap", "min_duration")}
    data, more = read_data(options)
    if more:
        data = _source(options)
    table = rn.events(data, options.threshold, **chosen)
    kept = table.loc[table["volume"].nlargest(options.most).index].sort_values(["begin", "end"])
    records = _records(kept)
    if options.json:
        say(json.dumps([{key: _plain(value) for key, value in row.items()} for row in records], indent=1))
        return 0
    rows = tuple(
        (
            _clock(row["begin"], zone), _clock(row["end"], zone), f"{row['area']:,.0f}", f"{row['depth']:.1f}",
            f"{row['total']:.1f}", f"{row['maximum']:.2f}", f"{row['maximum_lon']:.2f} {row['maximum_lat']:.2f}",
        )
        for row in records
    )  # fmt: skip
    count, minutes = len(table), table.attrs["interval_minutes"]
    say(
        Table(
            title=f"{count} event{'s' * (count != 1)} of at least {options.threshold:g} mm in {minutes} min",
            columns=("begin", "end", "km2", "mean mm", "largest sum mm", "largest mm", "at lon lat"),
            rows=rows,
            notes=(f"the {len(rows)} with the most water (--most)",) * (len(rows) < count),
        )
    )
    return 0


def _catalogue(options: argparse.Namespace) -> int:
    from radar_nb.analysis.inputs import read_netcdf  # noqa: PLC0415 - xarray is loaded when data are read
    from radar_nb.geography.layers import write_shapes  # noqa: PLC0415 - the same

    zone = find_zone(options.timezone)
    thresholds: Any = options.thresholds
    if thresholds[:1] not in {"W", "T"}:
        thresholds = _number(thresholds)
    data, more = read_data(options)
    if more:
        data = _source(options)
        if options.levels is None:
            open_data(options)  # what cannot be read fails before the table of KOSTRA is fetched
    levels = rn.kostra(options.kostra) if options.levels is None else read_netcdf(str(options.levels))
    names = ("durations", "min_cells", "same_event")
    table = rn.heavy_rain_catalogue(
        data, thresholds, levels=levels, **{name: getattr(options, name) for name in names}
    )
    if options.output is not None:
        write_shapes(table, options.output)
        say(options.output)
    if options.picture is not None:
        save_picture(rn.plot_catalogue(table), options.picture, dpi=150, quiet=options.json)
    if options.output is not None or options.picture is not None:
        return 0
    kept = table.loc[table["Eta"].nlargest(options.most).index].sort_values("Event_ID").drop(columns="geometry")
    records = _records(kept)
    if options.json:
        say(json.dumps([{key: _plain(value) for key, value in row.items()} for row in records], indent=1))
        return 0
    rows = tuple(
        (
            str(row["Event_ID"]), _clock(row["Start_Time"], zone), f"{row['Duration']:g}", f"{row['Area']:,.0f}",
            f"{row['Eta']:.1f}", f"{row['RRmax']:.1f}", f"{row['RRmean']:.1f}", f"{row['SRImax']}",
            f"{100 * row['missing']:.3g} %",
        )
        for row in records
    )  # fmt: skip
    count = len(table)
    say(
        Table(
            title=f"{count} heavy rain event{'s' * (count != 1)}, {options.thresholds}",
            columns=("event", "begin", "hours", "km2", "Eta", "largest mm", "mean mm", "SRI", "missing"),
            rows=rows,
            notes=(f"the {len(rows)} with the largest Eta (--most)",) * (len(rows) < count),
        )
    )
    return 0


def _source(options: argparse.Namespace) -> Any:
    """Return the paths where they can be read in one pass, else the Dataset that the options choose."""
    plain = {"variables": None, "grid": None, "regrid": "overlap", "errors": "raise", "run": None, "lead": None}
    source = source_of(options)
    return source if reading_of(options) == plain else open_data(options)


def _levels(options: argparse.Namespace) -> int:
    options.timezone = "UTC"
    maxima = rn.annual_maxima(
        read_series(options), options.durations, year=options.year, min_coverage=options.min_coverage
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = rn.return_levels(maxima, options.return_periods, method=options.method_of_fit)
    name = "area" if options.areas is not None else "point"
    rows = _records(found[["level", "lower", "upper", "uncertain", "years"]].to_dataframe().reset_index())
    keys = (name, "duration", "return_period", "level", "lower", "upper", "years", "uncertain")
    if options.json:
        say(json.dumps([{key: _minutes(row[key]) for key in keys} for row in rows], indent=1))
        return 0
    cells = tuple(
        (
            str(row[name]), f"{_minutes(row['duration']):g} min", f"{row['return_period']:g}",
            *("-" if np.isnan(row[key]) else f"{row[key]:.1f}" for key in ("level", "lower", "upper")),
            f"{row['years']:.0f}", "uncertain" * bool(row["uncertain"]),
        )
        for row in rows
    )  # fmt: skip
    columns = (name, "duration", "years", "mm", "lower", "upper", "record", "")
    notes = tuple(dict.fromkeys(options.parser.in_options(str(one.message)) for one in caught))
    say(Table(title="Amounts of return periods, with 90 % confidence", columns=columns, rows=cells))
    for note in notes:
        say(f"radar-nb: {note}", file=sys.stderr)
    return 0


def _minutes(value: Any) -> Any:
    """Return a duration in minutes, anything else for JSON."""
    if hasattr(value, "total_seconds"):
        return value.total_seconds() / 60
    return float(value / np.timedelta64(1, "m")) if isinstance(value, np.timedelta64) else _plain(value)


def _check(options: argparse.Namespace) -> int:
    data, more = read_data(options)
    found = rn.check(open_data(options) if more else data, hourly=options.hourly)
    show(options, found.table())
    return 0 if found.good else 1


def _compare(options: argparse.Namespace) -> int:
    names = ("label", "timezone", "parameter", "period", "threshold", "min_coverage")
    data, more = read_data(options)
    chosen = {name: getattr(options, name) for name in names}
    found = rn.compare(data, user_path(options.gauges), options.stations, **chosen, **more)
    if options.picture is not None:
        save_picture(rn.plot_comparison(found).axes[0], options.picture, dpi=150, quiet=options.json)
    say(json.dumps(found.to_dict(), indent=1) if options.json else found)
    return 0
