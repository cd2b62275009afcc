"""The commands that answer how much rain fell at places and on areas: points, areas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

import radar_nb as rn
from radar_nb.cli.data_commands import add_reading
from radar_nb.cli.places import AREAS, POINTS, add_coverage, add_days, add_places, add_span, read_series
from radar_nb.cli.terminal import say
from radar_nb.runtime.table import Table
from radar_nb.runtime.wording import human_time
from radar_nb.runtime.zones import find_zone

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    import xarray as xr

    from radar_nb.cli.terminal import Parser

_DAY = np.timedelta64(23, "h")
"""Length of the shortest period that is named by its date: the day on which summer time begins."""


def add_place_commands(add: Callable[..., Parser]) -> None:
    """Add the commands to the parser."""
    points = add(
        "points",
        _points,
        "Show how much rain fell at towns or points, in all or by period; of other products the values.",
        json=True,
    )
    areas = add("areas", _areas, "Show how much rain fell on areas, in all or by period.", json=True)
    for command in (points, areas):
        command.add_argument("source", metavar="PATH", nargs="+", help="archives, frames, folders, or a cube")
        add_reading(command)
    add_places(points, POINTS)
    add_places(areas, AREAS)
    for command in (points, areas):
        command.add_argument("--period", metavar="LENGTH", help="such as 1h, 1D, 1M or YS (the whole time)")
        command.add_argument(
            "--day", metavar="DATE", help="only this day, such as 2020-06-13; by --period, or in all"
        )
        add_span(command)
        add_days(command)
        command.add_argument("--label", choices=("begin", "end"),
                             help="edge that names a period (begin of days, end of hours)")  # fmt: skip
        add_coverage(command)


class PlaceAmount(NamedTuple):
    """What fell at a place in a period; `mm` is None where too little was measured."""

    time: str
    place: str
    mm: float | None
    measured: float


def _points(options: argparse.Namespace) -> int:
    return _answer(options, "point")


def _areas(options: argparse.Namespace) -> int:
    return _answer(options, "area")


def _answer(options: argparse.Namespace, along: str) -> int:
    """Read the series, add them up by period, and print them."""
    series = read_series(options)
    if options.period is None and series[_variable(series)].attrs.get("units") != "mm":
        return _show_values(series, along, options)
    clock = {name: getattr(options, name) for name in ("timezone", "day_begin", "label")}
    period = options.period or ("1D" if options.day is not None else None)
    if period is not None and period.endswith(("h", "min")):
        clock["timezone"] = "UTC"  # hours are the same in every zone, and on the clock one occurs twice
    totals = rn.accumulate(series, period, min_coverage=options.min_coverage, **clock)
    amounts = list(_amounts(totals, along, options.timezone, dated=period is not None))
    if options.json:
        say(json.dumps([amount._asdict() for amount in amounts], indent=1))
        return 0
    say(_table(series, amounts, along, options))
    return 0


def _variable(series: xr.Dataset) -> str:
    return next(str(name) for name in series.data_vars if name != "coverage")


def _show_values(series: xr.Dataset, along: str, options: argparse.Namespace) -> int:
    """Print each value of a variable that is not an amount, and so has no sum: reflectivity, classes, shares."""
    name = _variable(series)
    found = series if "time" in series[name].dims else series.expand_dims("time")
    attrs = found[name].attrs
    unit = str(attrs.get("units", ""))
    words = dict(
        zip(np.atleast_1d(attrs.get("flag_values", [])), attrs.get("flag_meanings", "").split(), strict=True)
    )
    zone = find_zone(options.timezone)
    rows: list[dict[str, Any]] = []
    for label, values in zip(found["time"].values, found[name].transpose("time", along).values, strict=True):
        time = human_time(label, zone).rpartition(" ")[0]
        for place, value in zip(found[along].values.tolist(), values.tolist(), strict=True):
            known = round(value, 3) if np.isfinite(value) else None
            rows.append(
                {"time": time, "place": str(place), "value": known, "unit": unit, "class": words.get(value)}
            )
    if options.json:
        say(json.dumps(rows, indent=1))
        return 0
    texts = [
        "missing" if row["value"] is None else row["class"] or f"{row['value']:g}{f' {unit}' * (unit != '1')}"
        for row in rows
    ]
    title = f"{name}: {attrs.get('long_name', 'values')}"
    shown = tuple((row["time"], row["place"], text) for row, text in zip(rows, texts, strict=True))
    say(Table(title=title, columns=(f"time ({options.timezone})", along, "value"), rows=shown))
    return 0


def _amounts(totals: xr.Dataset, along: str, timezone: str, *, dated: bool) -> Iterator[PlaceAmount]:
    name = _variable(totals)
    found = totals.expand_dims("time") if "time" not in totals.dims else totals
    values = found[name].transpose("time", along).values
    known = found["coverage"].transpose("time", along).values
    zone = find_zone(timezone)
    bounds = found["time_bnds"].values.reshape(-1, 2)
    for row, label in enumerate(np.atleast_1d(found["time"].values)):
        begin, end = bounds[row]
        of_days = end - begin >= _DAY and label.astype("datetime64[D]") == label
        words = str(label.astype("datetime64[D]")) if of_days and dated else _span(begin, end, zone)
        for col, place in enumerate(found[along].values.tolist()):
            value = float(values[row, col])
            yield PlaceAmount(
                time=words,
                place=str(place),
                mm=round(value, 3) if np.isfinite(value) else None,
                measured=round(float(known[row, col]), 4),
            )


def _span(begin: Any, end: Any, zone: Any) -> str:
    """Return the begin and the end of a period; the day once if it is the same."""
    first, last = (human_time(moment, zone).rpartition(" ")[0] for moment in (begin, end))
    return f"{first} to {last[11:] if last[:10] == first[:10] else last}"


def _table(series: xr.Dataset, amounts: list[PlaceAmount], along: str, options: argparse.Namespace) -> Table:
    name = _variable(series)
    missing = sum(amount.mm is None for amount in amounts)
    notes = [f"missing: less than {100 * options.min_coverage:g} % measured (--min-coverage)"] * bool(missing)
    if along == "area" and options.names is None and series["area"].dtype.kind in "iu":
        notes.append("areas are named by their number in the file; --names chooses a column")
    rows = tuple(
        (
            amount.time,
            amount.place,
            "missing" if amount.mm is None else f"{amount.mm:.2f}",
            f"{100 * amount.measured:.4g} %",
        )
        for amount in amounts
    )
    return Table(
        title=f"{name}: {series[name].attrs.get('long_name', 'rain')}",
        columns=(f"time ({options.timezone})", along, "mm", "measured"),
        rows=rows,
        notes=tuple(notes),
    )
