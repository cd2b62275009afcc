"""The extremes of decades: computed month by month, kept on the disk, resumed after an interruption, and extended.

A store is a folder with a Zarr group for each year, `2020.zarr`: the largest sums or the peaks over a threshold,
when they ended, and the number of valid intervals. A month is computed by itself, from the steps that its longest
windows need; so months can be computed in any order and anywhere. It is written to a file of a hidden folder, and
the months of a year are merged into that year's group. Groups and files are renamed when they are complete.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import xarray as xr

from radar_nb.analysis.extremes import YEARS, check_thresholds, lengths_of, maxima_of_years, opened_amount
from radar_nb.analysis.moving_sums import PER_MM, moving_sums
from radar_nb.analysis.peaks import PeakRule, Peaks
from radar_nb.analysis.periods import Periods, length_of, make_periods
from radar_nb.analysis.stored_groups import (
    damaged,
    open_group,
    part_attrs,
    read_json,
    read_part,
    refuse_links,
    write_part,
)
from radar_nb.analysis.totals import timeless_coords
from radar_nb.errors import RadarNbError, SettingsError
from radar_nb.reading.intervals import ends_of
from radar_nb.runtime.files import replacing, storage_errors, temporary_path, user_path
from radar_nb.runtime.locks import claimed
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.workers import active_client, each

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from radar_nb.analysis.extremes import Amount
    from radar_nb.runtime.progress import Reporter

_REQUEST = "request.json"
_MONTHS = ".months"
_EPOCH = "seconds since 1970-01-01"
_STEPS = "steps_of_months"
"""The attribute of a group that holds, for each month, the numbers of its steps and of those read before it."""


def extremes(
    source: Any,
    durations: Sequence[Any] = ("1h", "6h", "24h"),
    *,
    store: str | os.PathLike[str],
    series: Series = "annual",
    threshold: float | Sequence[float] | None = None,
    independent: Any = "4h",
    peaks: int = 5,
    year: str = "calendar",
    min_coverage: float = 0.9,
    client: Any = None,
    progress: bool | Reporter = True,
    **options: Any,
) -> xr.Dataset:
    """Return the annual maxima of decades, or their peaks over a threshold, kept in a store.

    The result is computed month by month. The same call resumes after an interruption of any kind, returns at
    once if nothing is missing, and computes only new months when the source has become longer. Memory does not
    grow with the series.

    Parameters
    ----------
    source : path, sequence of paths, or xarray.Dataset
        Amounts in mm: archives, frames or a cube's folder, as in `open_dataset`; or fields.
    durations : sequence of str or timedelta
        As in `annual_maxima`.
    store : path
        A folder with a Zarr group for each year: "extremes". It is created if it does not exist.
    series : {"annual", "partial"}
        Annual maxima, or a partial series: the largest sum of each storm that reaches a threshold.
    threshold : float or sequence of float
        Of a partial series, in mm: one, or one for each duration. A sum that equals it reaches it.
    independent : str or timedelta
        Of a partial series: sums that reach the threshold belong to different storms if so long a time, and at
        least the duration, lies between them. So no two peaks share rain. A year stands by itself, as for annual
        maxima: a storm over its end is one of both years.
    peaks : int
        Of a partial series: how many peaks of a year are kept, the largest ones; all are counted.
    year, min_coverage
        As in `annual_maxima`. `min_coverage` can differ from call to call.
    client : distributed.Client, address, None or False
        The dask cluster that computes the months, whose workers see the source and the store under the same
        paths. By default the active client if there is one; False selects threads of this process. The result
        is the same.
    progress : bool or Reporter
        Task "extremes", in steps of the months that are still to be computed.
    **options
        Further arguments of `open_dataset`.

    Returns
    -------
    xarray.Dataset
        As from `annual_maxima`, and equal to its result, for all years of the store; lazy. A partial series has a
        dimension `peak` as well, in falling order, NaN and NaT where a year has fewer, and `count` of shape
        (duration, year, ...), the number of all storms that reach the threshold.

    Raises
    ------
    SettingsError
        The store holds other durations, years, data, cells or another series; the series, the threshold or another
        argument is not valid; or a year of it, which has to be computed again, has
        months that the source lacks; or as for `annual_maxima`.
    SeriesError
        The data are not amounts in mm, or are forecasts.
    StorageError
        The store cannot be written.

    Examples
    --------
    >>> levels = extremes("data", ["15min", "1h", "24h"], store="extremes")  # doctest: +SKIP
    """
    if year not in YEARS:
        raise SettingsError(f"unknown year={year!r}: choose one of {', '.join(YEARS)}")
    folder = user_path(store)
    opened = opened_amount(source, progress, **options)
    lengths = lengths_of(durations, opened)
    partial_series = _partial_series(
        series, threshold, independent, peaks, minutes=opened.minutes, lengths=lengths
    )
    work = _Work(opened, lengths, year, folder, partial_series)
    with storage_errors(folder), claimed(folder):
        _check_request(folder, work.request)
        years = work.plan()
        todo = [month for months in years.values() for month in months]
        until = np.cumsum([0, *(month.stop - month.first for month in todo)]).tolist()
        before = {month.name: steps for month, steps in zip(todo, until, strict=False)}
        with reporting(progress) as report, active_client(client) as cluster:
            tell = partial(_tell, report, until[-1])
            tell(0)
            finished = 0
            compute = (
                partial(
                    _compute,
                    opened=opened,
                    lengths=lengths,
                    folder=folder,
                    rule=partial_series,
                    tell=lambda month, steps: tell(before[month.name] + steps),
                )
                if cluster is None
                else partial(
                    _compute_there,
                    source=source,
                    options=options,
                    lengths=lengths,
                    folder=folder,
                    rule=partial_series,
                )
            )
            for month, failed in each(todo, compute, client=cluster, workers=1):
                if isinstance(failed, RadarNbError):
                    raise failed
                finished += month.stop - month.first
                if cluster is not None:  # otherwise months report from their thread
                    tell(finished)
                years[month.year].remove(month)
                if not years[month.year]:
                    work.merge(month.year)
            work.clean()
    found = _result(folder, opened, work.request, year, min_coverage)
    return found if partial_series is None else _described(found, partial_series, opened)


Series = Literal["annual", "partial"]


def _partial_series(
    series: str, threshold: Any, independent: Any, peaks: int, *, minutes: int, lengths: Sequence[int]
) -> PeakRule | None:
    """Return the rule of a partial series; None for annual maxima."""
    if series not in get_args(Series):
        raise SettingsError(f"unknown series={series!r}: choose one of {', '.join(get_args(Series))}")
    if series == "annual":
        if threshold is not None:
            raise SettingsError(f'threshold={threshold!r} is for series="partial": pass that, or leave it out')
        return None
    if threshold is None:
        raise SettingsError('series="partial" needs a threshold in mm: pass one, or one for each duration')
    floors = check_thresholds(threshold, max(lengths))
    floors = floors * len(lengths) if len(floors) == 1 else floors
    if len(floors) != len(lengths):
        raise SettingsError(
            f"{len(floors)} thresholds for {len(lengths)} durations: pass one, or one for each duration"
        )
    if peaks < 1:
        raise SettingsError(f"peaks={peaks!r}: pass how many peaks of a year are kept, such as 5")
    apart = length_of(independent, minutes=minutes, name="independent")
    return PeakRule(
        floors=tuple(round(floor * PER_MM) for floor in floors),
        apart=tuple(max(apart, length) for length in lengths),
        kept=peaks,
    )


def _described(found: xr.Dataset, rule: PeakRule, opened: Amount) -> xr.Dataset:
    """Return a partial series with its thresholds and attributes."""
    name = str(opened.amount.name)
    attrs = {key: value for key, value in found[name].attrs.items() if key != "cell_methods"}
    found[name].attrs = attrs | {"long_name": "largest sums of storms that reach the threshold"}
    floors = ("duration", [floor / PER_MM for floor in rule.floors], {"units": "mm", "long_name": "threshold"})
    found = found.assign_coords(threshold=floors, peak=np.arange(1, rule.kept + 1))
    found["count"].attrs = {"long_name": "number of storms that reach the threshold", "units": "1"}
    return found


def _tell(report: Reporter, total: int, done: int) -> None:
    report(Progress(task="extremes", done=done, total=total, unit="steps"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Month:
    """A month that is computed.

    Attributes
    ----------
    name : str
        "2020-06".
    year : int
    before, first, stop : int
        The steps of the source from `before` on are read, those from `first` to before `stop` end in the month.
    joined : bool
        Whether a storm of the month before may go on in it: in a year's first month it is another year's.
    """

    name: str
    year: int
    before: int
    first: int
    stop: int
    joined: bool = True

    @property
    def steps(self) -> list[int]:
        return [self.stop - self.first, self.first - self.before]


class _Work:
    """What a store holds, and what is missing in it."""

    def __init__(
        self, opened: Amount, lengths: Sequence[int], year: str, folder: Path, rule: PeakRule | None
    ) -> None:
        amount = opened.amount
        self._folder = folder
        self._coords = {**timeless_coords(amount), "duration": np.array(lengths, "m8[m]").astype("m8[ns]")}
        ends = ends_of(amount)
        months = make_periods(ends, "MS", minutes=opened.minutes)
        self._in_order = rule is not None
        longest = np.timedelta64(max(lengths) + (max(rule.apart) if rule else 0), "m")
        edges = np.append(0, np.flatnonzero(np.diff(months.of_step)) + 1).tolist()
        self._months: list[_Month] = []
        for first, stop in zip(edges, [*edges[1:], ends.size], strict=True):
            last = (ends[stop - 1] - np.timedelta64(1, "s")).astype("M8[M]")
            before = int(np.searchsorted(ends, ends[first] - longest, side="right"))
            number = int(last.astype(int))
            named = 1970 + (number + (2 if year == "hydro" else 0)) // 12
            joined = number % 12 != (10 if year == "hydro" else 0)
            self._months.append(
                _Month(name=str(last), year=named, before=before, first=first, stop=stop, joined=joined)
            )
        self.request: dict[str, Any] = {
            "series": "annual",
            "variable": str(amount.name),
            "interval_minutes": opened.minutes,
            "durations_minutes": list(lengths),
            "year": year,
            "cells": {str(dim): amount.sizes[dim] for dim in amount.dims if dim != "time"},
            "corner": {
                str(dim): str(amount[dim].values[0])
                for dim in amount.dims
                if dim != "time" and dim in amount.coords
            },
        }

        if rule is not None:
            self.request |= {
                "series": "partial",
                "thresholds_mm": [floor / PER_MM for floor in rule.floors],
                "independent_minutes": list(rule.apart),
                "peaks": rule.kept,
            }

    def plan(self) -> dict[int, list[_Month]]:
        """Return the months that have to be computed, by year."""
        self._recover()
        plan: dict[int, list[_Month]] = {}
        for number in sorted({month.year for month in self._months}):
            ours = [month for month in self._months if month.year == number]
            there = _steps_of(self._group(number))
            changed = [month.name for month in ours if month.name in there and there[month.name] != month.steps]
            if self._in_order:  # storms are joined in the order of time
                changed += [
                    month.name for month in ours if month.name not in there and month.name < max(there, default="")
                ]
            lost = sorted(set(there) - {month.name for month in ours})
            if changed and lost:
                raise SettingsError(
                    f"{self._group(number)} has to be computed again, since the source has other steps in "
                    f"{', '.join(changed)}, but the source lacks {', '.join(lost)}: pass a source that has them, "
                    "or remove that folder"
                )
            known = {} if changed else there
            plan[number] = [
                month
                for month in ours
                if month.name not in known and self._steps_there(month) != {month.name: month.steps}
            ]
            if not plan[number] and known.keys() < {month.name for month in ours}:
                self.merge(number)
        return plan

    def merge(self, number: int) -> None:
        """Write a year's group from those of its months, and from what it already holds of other months."""
        ours = [month for month in self._months if month.year == number]
        target, sizes = self._group(number), _sizes(self.request)
        parts = [partial(read_part, self._part(month), sizes) for month in ours if self._part(month).exists()]
        there = _steps_of(target)
        if there and not any(month.name in there and there[month.name] != month.steps for month in ours):
            parts.insert(0, partial(open_group, target, sizes, chunks=None))
        first, *others = parts
        whole = first().load().assign_coords(self._coords)
        steps = _steps(whole.attrs, target)
        for other in others:  # one at a time in memory
            part = other()
            steps |= _steps(part.attrs, target)
            _join(whole, part) if self._in_order else _add(whole, part)
        whole.attrs[_STEPS] = json.dumps(steps, sort_keys=True)
        _write(whole, target)
        self.clean()

    def _steps_there(self, month: _Month) -> dict[str, list[int]]:
        attrs = part_attrs(self._part(month))
        return {} if attrs is None else _steps(attrs, self._part(month))

    def clean(self) -> None:
        """Remove the files of months that their years hold."""
        for month in self._months:
            if self._part(month).exists() and _steps_of(self._group(month.year)).get(month.name) == month.steps:
                self._part(month).unlink()
        months = self._folder / _MONTHS
        if months.exists() and not any(months.iterdir()):
            months.rmdir()

    def _recover(self) -> None:
        """Put back a year whose replacement was interrupted; remove what was half-written."""
        for old in self._folder.glob(".*.zarr.old"):
            target = self._folder / old.name.removeprefix(".").removesuffix(".old")
            if target.exists():
                shutil.rmtree(old)
            else:
                old.rename(target)
        for left in (*self._folder.glob(".*.zarr.tmp"), *self._folder.glob(f"{_MONTHS}/*")):
            if left.is_dir():  # months were groups once
                shutil.rmtree(left)
            elif left.name.startswith("."):
                left.unlink()

    def _group(self, number: int) -> Path:
        return self._folder / f"{number}.zarr"

    def _part(self, month: _Month) -> Path:
        return _part(self._folder, month)


def _part(folder: Path, month: _Month) -> Path:
    return folder / _MONTHS / f"{month.name}.npz"


def _add(whole: xr.Dataset, part: xr.Dataset) -> None:
    """Add other months of a year in place; of equal amounts the earlier is kept, whatever the order of months."""
    largest, when, valid = (whole[name].values for name in ("largest", "when", "valid"))
    other, then = part["largest"].values, part["when"].values
    better = (other > largest) | ((other == largest) & (then < when)) | (np.isnan(largest) & ~np.isnan(other))
    largest[better], when[better] = other[better], then[better]
    valid += part["valid"].values


_EDGES = ("edges", "edges_when")
"""Peaks of the storms at the borders of a part, which are not yet among the others."""


def _peaks_of(ds: xr.Dataset) -> Peaks:
    """Return peaks with integers of time, and negative amounts where there are none."""
    amounts = {name: ds[name].fillna(-1).to_numpy() for name in ("largest", "edges")}
    when = {name: ds[name].to_numpy().astype("M8[s]").astype(np.int64) for name in ("when", "edges_when")}
    return Peaks(
        amounts=amounts["largest"], when=when["when"], edges=amounts["edges"], edges_when=when["edges_when"],
        count=ds["count"].to_numpy().copy(),
    )  # fmt: skip


def _known_peaks(peaks: Peaks) -> dict[str, NDArray[Any]]:
    """Return amounts with NaN and times with NaT where there are no peaks."""
    pairs = (
        ("largest", "when", peaks.amounts, peaks.when),
        ("edges", "edges_when", peaks.edges, peaks.edges_when),
    )
    found: dict[str, NDArray[Any]] = {"count": peaks.count}
    for name, then, amounts, when in pairs:
        found[name] = np.where(amounts < 0, np.float32(np.nan), amounts)
        times = when.astype("M8[s]").astype("M8[ns]")
        times[amounts < 0] = np.datetime64("NaT")
        found[then] = times
    return found


def _join(whole: xr.Dataset, part: xr.Dataset) -> None:
    """Add a later month of a partial series in place, one duration at a time."""
    for number in range(whole.sizes["duration"]):
        peaks = _peaks_of(whole.isel(duration=[number]))
        peaks.join(_peaks_of(part.isel(duration=[number])))
        for name, array in _known_peaks(peaks).items():
            whole[name].values[number] = array[0]
    whole["valid"].values += part["valid"].values


def _closed(largest: Any, when: Any, edges: Any, edges_when: Any, count: Any) -> tuple[Any, Any, Any]:
    """Return the peaks of a year with those of its first and last storms; `peak` and `edge` are the last axes."""
    raw = {"largest": largest, "when": when, "edges": edges, "edges_when": edges_when}
    ds = xr.Dataset(
        {
            name: (("duration", f"{name}_rank", "cell"), np.moveaxis(one, -1, 0).reshape(1, one.shape[-1], -1))
            for name, one in raw.items()
        }
    )
    peaks = _peaks_of(ds.assign(count=(("duration", "cell"), count.reshape(1, -1))))
    peaks.close()
    known = _known_peaks(peaks)
    shaped = (np.moveaxis(known[name][0], 0, -1).reshape(largest.shape) for name in ("largest", "when"))
    return (*shaped, known["count"].reshape(count.shape))


def _compute(
    month: _Month,
    *,
    opened: Amount,
    lengths: Sequence[int],
    folder: Path,
    rule: PeakRule | None,
    tell: Any,
) -> None:
    """Compute the largest sums or the peaks that end in a month, and write them to the month's file."""
    amount = opened.amount.isel(time=slice(month.before, month.stop))
    of_step = (np.arange(month.stop - month.before) >= month.first - month.before).astype(np.int64)
    of_step -= of_step[0]  # only the month's, if it needs no steps before
    none = np.zeros((int(of_step[-1]) + 1, 2), "M8[s]")
    periods = Periods(of_step=of_step, bounds=none, labels=none[:, 0], label="", expected=np.ones(len(none)))

    def report(progress: Progress, /) -> None:
        tell(month, max(0, progress.done - (month.first - month.before)))

    feed = opened.blocks("extremes", month.before, month.stop, progress=report)
    if rule is not None:
        rule = replace(rule, period=int(of_step[-1]), joined=month.joined)
    found = moving_sums(feed, amount, lengths, periods, rule=rule)
    cells = tuple(name for name in amount.dims if name != "time")
    ends = ends_of(amount).astype("M8[ns]")
    made: dict[str, Any] = {"valid": (cells, found.valid[-1])}
    if found.peaks is None:
        times = ends[found.when[:, -1]]
        times[found.when[:, -1] < 0] = np.datetime64("NaT")
        made |= {"largest": (("duration", *cells), found.largest[:, -1]), "when": (("duration", *cells), times)}
    else:
        for name, array in _known_peaks(_dated(found.peaks, ends)).items():
            beside = {"count": ()}.get(name, ("edge",) if name in _EDGES else ("peak",))
            made[name] = (("duration", *beside, *cells), array)
    write_part(xr.Dataset(made, attrs={_STEPS: json.dumps({month.name: month.steps})}), _part(folder, month))


def _dated(peaks: Peaks, ends: NDArray[np.datetime64]) -> Peaks:
    """Return peaks in mm with seconds since 1970 instead of units and steps."""
    seconds = ends.astype("M8[s]").astype(np.int64)
    amounts, edges = (
        np.where(one < 0, -1, one / PER_MM).astype(np.float32) for one in (peaks.amounts, peaks.edges)
    )
    when, edges_when = (seconds[one] for one in (peaks.when, peaks.edges_when))
    return Peaks(amounts=amounts, when=when, edges=edges, edges_when=edges_when, count=peaks.count)


def _compute_there(
    month: _Month,
    *,
    source: Any,
    options: dict[str, Any],
    lengths: Sequence[int],
    folder: Path,
    rule: PeakRule | None,
) -> None:
    """Compute a month on a worker of a cluster, which opens the source by itself."""
    opened = opened_amount(source, progress=False, **options)
    _compute(month, opened=opened, lengths=lengths, folder=folder, rule=rule, tell=lambda *_: None)


def _write(ds: xr.Dataset, target: Path) -> None:
    """Write a group, and put it in its place when it is complete."""
    for variable in ds.variables.values():
        variable.encoding = {}
    for then in ("when", "edges_when"):
        if then in ds:
            ds[then].encoding, ds[then].attrs = {"units": _EPOCH, "dtype": "int64"}, {}
    ds["duration"].encoding = {"units": "minutes", "dtype": "int64"}
    chunks = {name: tuple(1 if dim == "duration" else size for dim, size in ds[name].sizes.items()) for name in ds}
    for name, sizes in chunks.items():
        ds[name].encoding["chunks"] = sizes
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = temporary_path(target), target.with_name(f".{target.name}.old")
    if temporary.exists():
        shutil.rmtree(temporary)
    ds.to_zarr(temporary, zarr_format=2, consolidated=True)
    if target.exists():
        target.rename(old)
    temporary.rename(target)
    if old.exists():
        shutil.rmtree(old)


def _steps_of(group: Path) -> dict[str, list[int]]:
    """Return the months of a group with the numbers of their steps; none if it does not exist."""
    attrs = read_json(group / ".zattrs")
    return {} if attrs is None else _steps(attrs, group)


def _steps(attrs: Any, group: Path) -> dict[str, list[int]]:
    """Return what the attributes of a group state about its months."""
    try:
        found: dict[str, list[int]] = json.loads(attrs[_STEPS])
        sound = all(
            [int(steps) for steps in numbers] == numbers and len(numbers) == 2 for numbers in found.values()
        )
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise damaged(group, error) from error
    if not sound:
        raise damaged(group, "the numbers of its steps are not two for each month")
    return found


def _sizes(request: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Return the sizes of the variables of a group by dimension."""
    cells, durations = request["cells"], {"duration": len(request["durations_minutes"])}
    return {"largest": durations | cells, "when": durations | cells, "valid": cells}


def _check_request(folder: Path, request: dict[str, Any]) -> None:
    """Write what a new store is for; raise an error if an existing one is for something else."""
    path = folder / _REQUEST
    refuse_links((*folder.glob("*"), *folder.glob(f"{_MONTHS}/*")))
    there = read_json(path)
    if there is None:
        if folder.exists() and any(folder.glob("*.zarr")):
            raise SettingsError(
                f"{folder} is not a store of extremes, which has a {_REQUEST}: choose another store"
            )
        with replacing(path, claimed=True) as file:
            file.write(json.dumps(request, indent=1, sort_keys=True).encode())
        return
    if not isinstance(there, dict):
        raise damaged(path, "it is not a description of a store")
    there = {"series": "annual"} | there
    other = [name for name in request if request[name] != there.get(name)]
    if other:
        held = ", ".join(f"{name} {there.get(name)}, not {request[name]}" for name in other)
        raise SettingsError(f"{folder} holds other extremes ({held}): choose another store, or remove it first")


def _result(folder: Path, opened: Amount, request: dict[str, Any], year: str, least: float) -> xr.Dataset:
    """Return the years of a store as `annual_maxima` does."""
    groups = sorted(path for path in folder.glob("*.zarr") if re.fullmatch("[0-9]{4}", path.stem))
    parts = [open_group(group, _sizes(request), chunks={}) for group in groups]
    years = [int(group.stem) for group in groups]
    names = ["largest", "when", "valid"]
    if "edges" in parts[0]:
        parts = [_closed_year(part) for part in parts]
        names.append("count")
    try:
        raw = xr.concat([part[names] for part in parts], "year", join="exact")
    except ValueError as error:
        raise damaged(folder, error) from error
    raw = raw.transpose("duration", "year", "peak", ..., missing_dims="ignore").drop_vars(list(raw.coords))
    found = maxima_of_years(raw, opened, request["durations_minutes"], years, year=year, least=least)
    return (
        found if "count" not in raw else found.assign(count=raw["count"].where(found["coverage"] >= least - 1e-6))
    )


def _closed_year(part: xr.Dataset) -> xr.Dataset:
    """Return a year's peaks, those of its first and last storms among them; lazy."""
    cells = part["valid"].dims
    largest, when, count = xr.apply_ufunc(
        _closed,
        *(part[name] for name in ("largest", "when", *_EDGES, "count")),
        input_core_dims=[["peak"], ["peak"], ["edge"], ["edge"], []],
        output_core_dims=[["peak"], ["peak"], []],
        dask="parallelized",
        output_dtypes=[np.float32, "M8[ns]", np.int32],
    )
    made = xr.Dataset({"largest": largest, "when": when, "count": count, "valid": part["valid"]})
    return made.transpose("duration", "peak", *cells)
