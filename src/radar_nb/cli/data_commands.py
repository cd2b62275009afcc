"""The commands that read data: info, plot, accumulate, verify. Archives are read as they are."""

from __future__ import annotations

import json
import math
import re
import sys
from copy import copy
from datetime import date
from typing import TYPE_CHECKING, Any, cast

import numpy as np

import radar_nb as rn
from radar_nb.cli.terminal import say, show
from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import NothingFound, RadarNbError, SettingsError
from radar_nb.runtime.files import replacing, storage_errors, user_path
from radar_nb.runtime.language import LANGUAGES, speaking
from radar_nb.runtime.locks import claimed
from radar_nb.runtime.table import Table
from radar_nb.runtime.wording import human_bytes, human_time
from radar_nb.runtime.zones import find_zone

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from radar_nb.cli.terminal import Parser

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MINUTES_A_DAY = 1440
_RUN = "of forecasts, the run issued at this time, or latest"
_HOWS = ("sum", "mean", "std", "var", "max", "min", "count", "wet_share", "quantile", "histogram")

# xarray and Matplotlib are imported within functions: other commands start without them


def add_data_commands(add: Callable[..., Parser]) -> None:
    """Add the commands to the parser."""
    info = add("info", _info, "List the products, or describe one product, or data on disk.", json=True)
    info.add_argument(
        "source", metavar="PRODUCT|PATH", nargs="*", help="a product, archives, frames, a cube or its address"
    )
    plot = add("plot", _plot, "Draw a map from archives, frames, a cube, or a file written by accumulate.")
    accumulate = add(
        "accumulate",
        _accumulate,
        "Sum over time, or find means, spread, extremes, counts and quantiles; write netCDF.",
    )
    verify = add("verify", _verify, "Compare forecasts with their analysis, by lead time.", json=True)
    for command in (plot, accumulate, verify):
        command.add_argument("source", metavar="PATH", nargs="+", help="archives, frames, a cube or its address")
    for command in (info, plot, verify):  # plot chooses among the fields itself, the others take all of them
        add_reading(command, forecasts=False)
    add_reading(accumulate)
    plot.add_argument("--variable", metavar="NAME", help="variable of a file with several")
    plot.add_argument(
        "--time", metavar="UTC", help="time of the field, such as 2020-06-13T15:25 (UTC, or in --timezone)"
    )
    plot.add_argument("--day", metavar="DATE",
                      help="draw the sum of this day, such as 2020-06-13 (UTC, or in --timezone)")  # fmt: skip
    plot.add_argument(
        "--output",
        metavar="FILE",
        default="field.png",
        type=user_path,
        help="picture file; .kmz, .kml, .geojson and .tif write fields for maps on the web (field.png)",
    )
    plot.add_argument("--web", action="store_true",
                      help="with a .png: the field alone in EPSG:3857, its bounds in a .json beside")  # fmt: skip
    plot.add_argument("--classes", metavar="LIMIT", nargs="+", type=float, help="limits of the classes, rising")
    plot.add_argument("--cmap", metavar="NAME", help="dwd, or a colour map of Matplotlib")
    plot.add_argument("--place", metavar="TOWN", help="draw the area around a town, such as Leipzig")
    plot.add_argument(
        "--within", metavar="LENGTH", help="with --place: its distance to the edges, such as 25km (40km)"
    )
    plot.add_argument(
        "--box", nargs=4, type=float, metavar=("WEST", "SOUTH", "EAST", "NORTH"), help="degrees to draw"
    )
    plot.add_argument(
        "--areas",
        metavar="FILE",
        type=user_path,
        help="areas to draw, such as a GeoPackage; without --place and --box the map ends around them",
    )
    plot.add_argument(
        "--timezone", metavar="ZONE", help="of --time, --day and the title, such as Europe/Berlin (UTC)"
    )
    plot.add_argument("--graticule", action="store_true", help="draw meridians and parallels with their degrees")
    plot.add_argument("--dpi", type=int, default=150, help="dots per inch (150)")
    add_language(plot)
    plot.add_argument("--run", metavar="UTC", help=_RUN)
    plot.add_argument(
        "--lead", metavar="LENGTH", help="of forecasts, the lead time to draw (the first), such as 30min"
    )
    accumulate.add_argument("--to", metavar="FILE", required=True, type=user_path, help="netCDF file to write")
    accumulate.add_argument("--how", nargs="+", default=["sum"], choices=_HOWS,
                            help="one or several (sum)")  # fmt: skip
    accumulate.add_argument("--period", metavar="LENGTH", help="such as 1h, 1D, 1M or YS (the whole time)")
    accumulate.add_argument("--by", choices=("month", "season", "hour"),
                            help="instead of --period: months, seasons or hours of all years")  # fmt: skip
    accumulate.add_argument("--min-coverage", metavar="SHARE", type=float, default=0.95,
                            help="a value is missing where less than this share was measured (0.95)")  # fmt: skip
    accumulate.add_argument("--timezone", metavar="ZONE", default="UTC",
                            help="whose days, months and years, such as Europe/Berlin (UTC)")  # fmt: skip
    accumulate.add_argument("--day-begin", metavar="HH:MM", default="00:00",
                            help="when days begin; 05:50 for DWD's gauges (00:00)")  # fmt: skip
    accumulate.add_argument("--label", choices=("begin", "end"),
                            help="edge that names a period (begin of days, end of hours)")  # fmt: skip
    accumulate.add_argument("--threshold", metavar="VALUE", nargs="+", type=float,
                            help="with --how count or wet_share: least value that is counted")  # fmt: skip
    accumulate.add_argument("--quantile", metavar="SHARE", nargs="+", type=float,
                            help="with --how quantile: 0.99 is the value that 1 %% exceed")  # fmt: skip
    accumulate.add_argument("--bins", metavar="EDGE", nargs="+", type=float,
                            help="with --how histogram: rising edges of the bins")  # fmt: skip
    accumulate.add_argument("--sums", metavar="WHICH", default="apart",
                            help="of overlapping sums: apart, all, or those ending at HH:MM (apart)")  # fmt: skip

    verify.add_argument("--analysis", metavar="PATH", nargs="+",
                        help="amounts to compare with (the lead time 0 of the forecasts)")  # fmt: skip
    verify.add_argument("--thresholds", metavar="MM", nargs="+", type=float, default=[0.1, 1.0],
                        help="amounts from which it rains in an interval (0.1 1)")  # fmt: skip
    verify.add_argument("--scales", metavar="KM", nargs="+", type=float, default=[1.0, 5.0, 25.0],
                        help="widths of neighbourhoods of the fractions skill score (1 5 25)")  # fmt: skip


def add_language(command: Parser) -> None:
    """Add the option that chooses the language of a picture or page."""
    command.add_argument(
        "--lang", choices=LANGUAGES, help="language of the picture or page (RADAR_NB_LANG, else en)"
    )


def add_reading(command: Parser, *, forecasts: bool = True) -> None:
    """Add the options that choose what is read; of `forecasts` one run, or one lead time of all runs."""
    command.add_argument("--product", dest="variables", metavar="PRODUCT", help="product to read, of several")
    command.add_argument("--grid", metavar="NAME", help="bring all frames to one grid, such as de1200")
    command.add_argument("--regrid", choices=("overlap", "nearest"), default="overlap",
                         help="with --grid: keep amounts (overlap) or values (nearest)")  # fmt: skip
    command.add_argument("--errors", choices=("raise", "report"), default="raise",
                         help="unreadable files: fail (raise), or skip and report them (raise)")  # fmt: skip
    if forecasts:
        command.add_argument("--run", metavar="UTC", help=_RUN)
        command.add_argument("--lead", metavar="LENGTH",
                             help="of forecasts, the lead time of all runs to read, such as 30min")  # fmt: skip
    command.set_defaults(one_axis=forecasts)


def reading_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the arguments of `open_dataset` among the options."""
    names = ("variables", "grid", "regrid", "errors", *(("run", "lead") if options.one_axis else ()))
    return {name: getattr(options, name) for name in names}


def chosen_day(options: argparse.Namespace) -> date | None:
    """Return the date of --day, or None."""
    text: str | None = getattr(options, "day", None)
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError as error:
        raise SettingsError(f"--day {text} is not a date: write it as 2020-06-13") from error


def source_of(options: argparse.Namespace) -> str | list[str]:
    """Return the paths; a single one alone, since it may be a cube."""
    paths: list[str] = options.source
    return paths[0] if len(paths) == 1 else paths


def open_data(options: argparse.Namespace) -> xr.Dataset:
    """Open what the options name: archives, frames, folders or a cube."""
    from radar_nb.analysis.inputs import dataset_of  # noqa: PLC0415

    return cast("xr.Dataset", dataset_of(source_of(options), progress=True, **reading_of(options)))


def _info(options: argparse.Namespace) -> int:
    if not options.source:
        show(options, rn.products())
        return 0
    name = options.source[0]
    if len(options.source) == 1 and not user_path(name).exists() and "://" not in name:
        if name.upper() not in PRODUCTS and (len(name) > 2 or "." in name or "/" in name):
            raise NothingFound(
                f"{name!r} is neither a product nor an existing file or folder: check the path; `radar-nb info` "
                "lists the products"
            )
        show(options, rn.product(name).table())
        return 0
    several, bad = [], []
    for one in (each := _each_product(options)):
        try:
            several.append(facts_of(open_data(one)))
        except RadarNbError as error:
            if len(each) == 1:
                raise
            bad.append(f"{one.variables}: {one.parser.in_options(str(error)).splitlines()[-1].strip()}")
    if options.json:
        say(json.dumps(several if len(each) > 1 else several[0], indent=1))
    else:
        shown = (words_of(facts).items() for facts in several)
        say("\n\n".join("\n".join(f"{name:>16}  {fact}" for name, fact in facts) for facts in shown))
    for text in bad:
        say(f"radar-nb: {text}", file=sys.stderr)
    return 1 if bad else 0


def _each_product(options: argparse.Namespace) -> list[argparse.Namespace]:
    """Return the options once for each product of the source."""
    from radar_nb.analysis.inputs import products_in  # noqa: PLC0415

    source = source_of(options)
    if options.variables is not None:
        return [options]
    found = []
    for name in products_in(source, errors=options.errors, progress=True):
        found.append(copy(options))
        found[-1].variables = name
    return found or [options]


def facts_of(ds: xr.Dataset) -> dict[str, Any]:
    """Return what a Dataset of `open_dataset` or `open_cube` holds: numbers, and times in ISO 8601, UTC."""
    (name,) = ds.data_vars
    variable = ds[name]
    ahead = ds.lead_time.values.astype("timedelta64[m]").astype(int) if "lead_time" in ds.coords else None
    return {
        "product": str(name),
        "title": ds.attrs["title"],
        "units": variable.attrs["units"],
        "interval_minutes": int(variable.attrs["interval_minutes"]),
        "classes": len(variable.attrs["flag_meanings"].split()) if "flag_values" in variable.attrs else None,
        "lead_minutes": None if ahead is None else [int(ahead.size), int(ahead.min()), int(ahead.max())],
        "shape": [ds.sizes["y"], ds.sizes["x"]],
        "first": f"{ds.time.values[0].astype('datetime64[s]')}Z",
        "last": f"{ds.time.values[-1].astype('datetime64[s]')}Z",
        "frames": ds.sizes["time"],
        "frames_missing": int(ds.attrs["frames_missing"]),
        "frames_doubled": int(ds.attrs["frames_doubled"]),
        "files_skipped": ds.attrs.get("files_skipped"),
        "radars": ds.attrs["radars"].split(",") if ds.attrs["radars"] else [],
        "bytes_unpacked": variable.size * 2,
    }


def words_of(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts as a person reads them."""
    from radar_nb.plots.style import unit_label  # noqa: PLC0415

    units, minutes, lead = facts["units"], facts["interval_minutes"], facts["lead_minutes"]
    with speaking("en"):  # as all texts of commands
        unit = unit_label(units, minutes if units == "mm" else None)
    classes = facts["classes"] and f"{facts['classes']} classes"
    rows, cols = facts["shape"]
    skipped = {} if facts["files_skipped"] is None else {"files skipped": facts["files_skipped"]}
    return {
        "product": facts["product"],
        "what": facts["title"],
        "unit": unit if units == "mm" else f"{classes or unit} every {minutes} min",
        **({} if lead is None else {"lead times": f"{lead[0]}, from {lead[1]} to {lead[2]} min"}),
        "grid": f"{rows} x {cols} cells",
        "first": f"{facts['first'].removesuffix('Z')} UTC",
        "last": f"{facts['last'].removesuffix('Z')} UTC",
        "frames": facts["frames"],
        "frames missing": facts["frames_missing"],
        "frames doubled": facts["frames_doubled"],
        **skipped,
        "radars": ",".join(facts["radars"]),
        "unpacked": human_bytes(facts["bytes_unpacked"]),
    }


_LEAST = 0.95
"""Share of a day without which its sum is missing, as in `accumulate`."""
_WEB = (".kmz", ".kml", ".geojson", ".tif", ".tiff")
"""Suffixes of maps for the web; a .png is one with --web."""


def _plot(options: argparse.Namespace) -> int:
    web = options.output.suffix.lower() in _WEB
    if options.web and not web and options.output.suffix.lower() != ".png":
        raise SettingsError(
            f"--web cannot write {options.output.name}: choose a name that ends in .png or {', '.join(_WEB)}"
        )
    field = _field(options, several=web)
    lead = options.lead if "lead_time" in field.coords else None
    extent = _extent(options)
    if web or options.web:
        return _write_web(field, lead, extent, options)
    ax = rn.plot(
        field,
        time=options.time,
        lead=lead,
        extent=extent,
        areas=options.areas,
        timezone=options.timezone,
        graticule=options.graticule,
        classes=options.classes,
        cmap=options.cmap,
    )
    save_picture(ax, options.output, dpi=options.dpi)
    return 0


def _write_web(field: xr.DataArray, lead: str | None, extent: Any, options: argparse.Namespace) -> int:
    """Write the fields within an extent as a file for maps on the web."""
    from radar_nb.plots.basemap import part_within  # noqa: PLC0415
    from radar_nb.plots.selection import one_field, several_fields  # noqa: PLC0415

    zone = None if options.timezone is None else find_zone(options.timezone)
    many = options.time is None and field.sizes.get("time", 1) > 1
    chosen = several_fields(field, "time") if many else one_field(field, options.time, lead, zone)
    raster = options.output.suffix.lower() in {".tif", ".tiff"}
    look = {"crs": 3857} if raster else {"classes": options.classes, "cmap": options.cmap}
    say(rn.export(part_within(chosen, extent).to_dataset(), options.output, **look))
    return 0


def _extent(options: argparse.Namespace) -> Any:
    """Return the part of the map that the options name: around a town, a box, around areas, or None for all."""
    if options.place and options.box:
        raise SettingsError("--place and --box are two parts of the map: choose one")
    if options.within and not options.place:
        raise SettingsError(f"--within {options.within} has no centre: add --place, such as --place Leipzig")
    if options.place:
        return f"{options.place} +- {options.within}" if options.within else options.place
    return options.box or options.areas


def _field(options: argparse.Namespace, *, several: bool = False) -> xr.DataArray:
    """Return the variable to draw, over the time of validity if it is a forecast; one time unless `several`."""
    from radar_nb.analysis.inputs import read_netcdf  # noqa: PLC0415

    source = source_of(options)
    if options.day is not None:
        ds = _sum_of_day(options)
    elif isinstance(source, str) and source.endswith(".nc") and user_path(source).is_file():
        ds = read_netcdf(source)
    else:
        ds = open_data(options)
    names = [str(name) for name in ds.data_vars if name not in ("coverage", "flags")]
    wanted = options.variable or (names[0] if len(names) == 1 else "")
    if wanted not in names:
        raise SettingsError(f"{source} holds {', '.join(names)}: choose one with --variable, such as {names[0]}")
    field = ds[wanted] if options.day is not None else _over_validity(ds[wanted], options)
    run = "forecast_reference_time" in field.coords and not field["forecast_reference_time"].ndim
    minutes = field.attrs.get("interval_minutes") or 0
    if options.time is not None and _DATE.fullmatch(options.time) and 0 < minutes < _MINUTES_A_DAY and not run:
        raise SettingsError(
            f"--time {options.time} is a day, and each field is {minutes} min: choose its sum with --day "
            f"{options.time}, or one field such as --time {options.time}T15:25"
        )
    if field.sizes.get("time", 1) > 1 and options.time is None and not run and not several:
        first, last = (human_time(moment) for moment in field["time"].values[[0, -1]])
        raise SettingsError(
            f"{wanted} has {field.sizes['time']} times, from {first} to {last}: choose one with --time"
        )
    return field


def _sum_of_day(options: argparse.Namespace) -> xr.Dataset:
    """Return the sum of the day that the options choose."""
    from radar_nb.analysis.inputs import amount_of  # noqa: PLC0415
    from radar_nb.analysis.totals import of_day  # noqa: PLC0415

    if options.time is not None:
        raise SettingsError(
            f"--day {options.day} is a sum, --time {options.time} is one field: choose one of them"
        )
    day, zone = cast("date", chosen_day(options)), options.timezone or "UTC"
    options.one_axis = True
    intervals = of_day(open_data(options), day, timezone=zone)
    total = rn.accumulate(intervals, "1D", timezone=zone)
    minutes = amount_of(intervals)[1]
    known = intervals.sizes["time"] * np.timedelta64(60 * minutes, "s") / np.diff(total["time_bnds"].values[0])[0]
    if known < _LEAST:
        raise SettingsError(
            f"only {100 * known:.0f} % of {day} ({zone}) is in the data: download the rest, or choose another day"
        )
    return total.isel(time=0)


def _over_validity(field: xr.DataArray, options: argparse.Namespace) -> xr.DataArray:
    """Return a forecast as one run along its lead times, or as one lead time of many runs."""
    if "prediction_time" not in field.coords:
        if options.run or options.lead:
            raise SettingsError(f"{field.name} is not a forecast: leave out --run and --lead")
        return field
    many = field["time"].size > 1 and field["lead_time"].size > 1
    if many and not (options.run or options.lead):
        first, last = (human_time(moment) for moment in field["time"].values[[0, -1]])
        raise SettingsError(
            f"{field.name} has {field['time'].size} runs, issued from {first} to {last}: choose one with --run, "
            "such as --run latest, or choose a lead time with --lead and a time with --time"
        )
    lead = options.lead if many and not options.run else None
    return cast("xr.DataArray", rn.forecast(field, run=options.run, lead=lead))


def save_picture(axes: Axes, path: Path, *, dpi: int, quiet: bool = False) -> None:
    """Write the figure of some axes, and print where unless `quiet`."""
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        cast("Figure", axes.get_figure(root=True)).savefig(path, dpi=dpi, bbox_inches="tight")
    if not quiet:
        say(path)


def _accumulate(options: argparse.Namespace) -> int:
    from radar_nb.analysis.reductions import reduce  # noqa: PLC0415
    from radar_nb.analysis.totals import with_coverage  # noqa: PLC0415

    source, periods = source_of(options), ("period", "timezone", "day_begin", "label")
    chosen = {name: getattr(options, name) for name in periods}
    how, more = options.how if len(options.how) > 1 else options.how[0], reading_of(options)
    more |= {name: getattr(options, name) for name in ("sums", "threshold", "quantile", "bins", "by")}
    found = reduce(source, how, **chosen, **more)
    # float32 counts, since a count is missing, too, where little was measured
    counts = {name: count.astype("float32") for name, count in found.data_vars.items() if count.dtype.kind == "i"}
    ds = with_coverage(found.assign(counts), options.min_coverage)
    packed = {name: {"zlib": True, "complevel": 1} for name in ds.data_vars}
    with claimed(options.to), replacing(options.to, claimed=True) as file:
        file.write(cast("bytes", ds.to_netcdf(engine="h5netcdf", encoding=packed)))
    say(f"{options.to}: {_summary(ds, options.min_coverage, options.timezone)}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    ds, analysis = open_data(options), options.analysis
    if analysis is None:
        analysis = rn.forecast(ds, lead="0min")
    chosen = {"thresholds": options.thresholds, "scales": options.scales}
    rows = _scores_by_lead(rn.verify(ds, analysis, **chosen))
    if options.json:
        say(json.dumps(rows, indent=1))
        return 0
    cells = tuple(tuple("-" if value is None else f"{value:.4g}" for value in row.values()) for row in rows)
    title = "Forecasts against the analysis: bias and mean absolute error in mm, CSI and FSS (1 is perfect)"
    say(Table(title=title, columns=tuple(rows[0]), rows=cells))
    return 0


def _scores_by_lead(scores: xr.Dataset) -> list[dict[str, float | None]]:
    """Return one row for each lead time; None where there is no score."""
    rows = []
    for lead in scores.lead_time.values:
        one = scores.sel(lead_time=lead)
        row = {"lead min": float(lead / np.timedelta64(1, "m")), "fields": float(one.fields)}
        row |= {name: float(one[name]) for name in ("bias", "mae")}
        for floor in scores.threshold.values:
            at = one.sel(threshold=floor)
            row[f"CSI {floor:g} mm"] = float(at.csi)
            row |= {
                f"FSS {floor:g} mm {width:g} km": float(at.fss.sel(scale=width)) for width in scores.scale.values
            }
        rows.append({name: None if math.isnan(value) else value for name, value in row.items()})
    return rows


def _summary(ds: xr.Dataset, least: float, timezone: str) -> str:
    """Return the names, the time that is covered, and how much of it is missing."""
    names = [str(name) for name in ds.data_vars if name != "coverage"]
    along = next((str(dim) for dim in ds["coverage"].dims if dim in {"time", "month", "season", "hour"}), "time")
    edges = ds.time_bnds.values if "time_bnds" in ds.coords else np.array([ds.period_begin, ds.period_end])
    begin, end = edges.min(), edges.max()
    zone = find_zone(timezone)
    parts = [*names, f"{human_time(begin, zone)} to {human_time(end, zone)}"]
    periods, noun = ds.sizes.get(along, 1), "period" if along == "time" else along
    if along in ds.dims:
        parts.insert(-1, f"{periods} {noun}{'s' * (periods != 1)}")
    known = ds["coverage"].max([dim for dim in ds["coverage"].dims if dim != along])
    gone = int((known < least - 1e-6).sum())
    if gone:
        where = "since" if periods == 1 else f"in {gone} of {periods}, where"
        parts.append(f"no values {where} less than {100 * least:g} % of the time was measured (--min-coverage)")
    return ", ".join(parts)
