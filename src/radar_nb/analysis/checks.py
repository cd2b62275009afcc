"""Quality checks of a series: gaps, duplicate and frozen frames, spokes, spikes, and hourly sums."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.analysis.blocks import blocks
from radar_nb.analysis.inputs import amount_of, dataset_of, fields_of, grid_of
from radar_nb.analysis.periods import make_periods
from radar_nb.dwd.grids import to_xy
from radar_nb.dwd.products import missing_steps
from radar_nb.dwd.radar_sites import SITES
from radar_nb.errors import SeriesError
from radar_nb.reading.forecasts import as_series
from radar_nb.reading.intervals import ends_of
from radar_nb.runtime.numerals import stated_number
from radar_nb.runtime.table import ShownAsTable, Table
from radar_nb.runtime.wording import human_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr
    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid
    from radar_nb.runtime.progress import Reporter

Verdict = Literal["good", "look", "bad"]

_LISTED = 3
_SPIKE = 2.0  # mm in an interval: smallest amount of a spike
_ALONE = 0.1  # its largest neighbour has less than this share of it
_NEAR, _FAR = 10_000.0, 75_000.0  # metres from a radar, where its own beams make up the composite
_RAYS = 360
_BESIDE = 7  # rays on either side with which a ray is compared
_CELLS = 24  # smallest number of valid cells of a ray: half of all
_STANDS_OUT = 1.5
_ENOUGH = 1.0  # mm: smallest total of rays that are compared
_ROUNDING = 0.05 + 12 * 0.005 + 1e-4
"""mm by which the sum of twelve amounts, rounded to 0.01 mm, may differ from the hour, rounded to 0.1 mm."""
_AGREE = 0.99  # share of cells that must agree
_COLOURS: dict[Verdict, str] = {"good": "#009e73", "look": "#b06d00", "bad": "#d55e00"}  # Okabe and Ito (2008)


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFinding:
    """The result of one check of a series.

    Attributes
    ----------
    name : str
    verdict : {"good", "look", "bad"}
        No fault, a suspicion, or missing or wrong data.
    count : int
        Number of occurrences.
    text : str
        Description with the first occurrences.
    """

    name: str
    verdict: Verdict
    count: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Scorecard(ShownAsTable):
    """The findings of `check`; prints as a table, displays as HTML.

    Attributes
    ----------
    title : str
    findings : tuple of SeriesFinding
    """

    title: str
    findings: tuple[SeriesFinding, ...]

    @property
    def good(self) -> bool:
        """Whether nothing is bad."""
        return all(finding.verdict != "bad" for finding in self.findings)

    def __getitem__(self, name: str) -> SeriesFinding:
        """Return a finding by its name."""
        return next(finding for finding in self.findings if finding.name == name)

    def table(self) -> Table:
        """Return the findings as a table."""
        rows = tuple((one.name, one.verdict, str(one.count), one.text) for one in self.findings)
        return Table(title=self.title, columns=("looked at", "verdict", "count", "found"), rows=rows)

    def _repr_html_(self) -> str:
        cell = '<td style="text-align:left;vertical-align:top;padding:0.15em 1em 0.15em 0">'
        rows = "".join(
            f"<tr>{cell}{escape(one.name)}</td>"
            f'{cell}<b style="color:{_COLOURS[one.verdict]}">{one.verdict}</b></td>'
            f"{cell}{one.count}</td>{cell}{escape(one.text)}</td></tr>"
            for one in self.findings
        )
        return f'<div class="radar-nb-table"><strong>{escape(self.title)}</strong><table>{rows}</table></div>'


def check(data: Any, *, hourly: Any = None, progress: bool | Reporter = True) -> Scorecard:
    """Check a series for gaps, duplicate and frozen frames, spikes, spokes and wrong hourly sums.

    - gaps: steps without a frame, between the first and the last;
    - doubled: times with two frames;
    - empty: frames without any data;
    - frozen: frames with rain that equal the previous one;
    - spikes: cells with at least 2 mm whose eight neighbours all have less than a tenth of it;
    - spokes: rays of one degree, 10 to 75 km from a radar, whose total differs by a factor of 1.5 or more from the
      median of the 14 rays beside them: blocked or disturbed beams. In a short series, heavy showers cause such
      differences too;
    - hours, if `hourly` is given: cells in which the sum of twelve amounts differs from the hour's by more than
      rounding explains (0.11 mm). Quasi-adjusted YW is RY * RW / RH, so its hourly sums are those of RW
      (Winterrath et al. 2018, RADKLIM).

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Amounts in mm on fields; sources as in `open_dataset`.
    hourly : xarray.Dataset, DataArray or source, optional
        RW on the same grid, ending at minute 50.
    progress : bool or Reporter

    Returns
    -------
    Scorecard

    Raises
    ------
    SeriesError
        The data are not fields of amounts in mm, or `hourly` is on another grid or has other intervals.

    Examples
    --------
    >>> check("YW2017.002_202006.tar", hourly="RW2017.002_202006.tar.gz")  # doctest: +SKIP
    """
    data = as_series(dataset_of(data, progress=progress))
    there = np.asarray(data["time"].values).astype("datetime64[s]") if "time" in data.dims else np.empty(0)
    double = there.size - np.unique(there).size
    amount, minutes = amount_of(data.sortby("time").drop_duplicates("time") if double else data)
    fields = fields_of(amount)
    watched = _Watched(grid_of(fields))
    ends = ends_of(fields)
    for steps, values in blocks(fields, "check", progress=progress):
        for end, field in zip(ends[steps], values, strict=True):
            watched.take(end, field)
    dropped = int(stated_number(data.attrs.get("frames_doubled")) or 0)
    findings = [
        _gaps(ends, minutes),
        _doubled(double + dropped, str(data.attrs.get("doubled", ""))),
        _finding("empty", watched.empty, "bad", "frames without any data"),
        _finding("frozen", watched.frozen, "bad", "frames with rain that equal the previous one"),
        _finding("spikes", watched.spikes, "look", "cells far above all their neighbours"),
        _spokes(watched.total, watched.known, watched.grid),
    ]
    if hourly is not None:
        findings.append(_hours(fields, minutes, dataset_of(hourly, progress=progress), progress))
    title = f"{fields.name}, {human_time(ends[0])} to {human_time(ends[-1])}, {ends.size} frames"
    return Scorecard(title=title, findings=tuple(findings))


class _Watched:
    """Statistics of the frames seen so far."""

    def __init__(self, grid: Grid) -> None:
        self.grid = grid
        self.total = np.zeros(grid.shape)
        self.known = np.zeros(grid.shape, bool)
        self.empty: list[str] = []
        self.frozen: list[str] = []
        self.spikes: list[str] = []
        self._last: tuple[NDArray[np.float32], float] = np.empty(0, np.float32), np.nan

    def take(self, end: np.datetime64, field: NDArray[np.float32]) -> None:
        """Add a frame."""
        known = field == field  # noqa: PLR0124 - NaN is not equal to itself
        if not known.any():
            self.empty.append(human_time(end))
            self._last = field, np.nan
            return
        largest = float(np.fmax.reduce(field, axis=None))
        before, most_before = self._last
        if largest > 0 and most_before == largest and np.array_equal(field, before, equal_nan=True):
            self.frozen.append(human_time(end))
        self._last = field, largest  # comparing the largest values first is cheap
        np.add(self.total, field, out=self.total, where=known)
        self.known |= known
        if largest >= _SPIKE:
            self.spikes += [f"{human_time(end)}: {spike}" for spike in _spikes(field)]


def _spikes(field: NDArray[np.float32]) -> list[str]:
    rows, cols = np.divmod(np.flatnonzero(field >= _SPIKE), field.shape[1])
    inner = (rows > 0) & (rows < field.shape[0] - 1) & (cols > 0) & (cols < field.shape[1] - 1)
    rows, cols = rows[inner], cols[inner]
    steps = [(row, col) for row in (-1, 0, 1) for col in (-1, 0, 1) if (row, col) != (0, 0)]
    around = np.stack([field[rows + row, cols + col] for row, col in steps])
    alone = np.fmax.reduce(around, axis=0) < _ALONE * field[rows, cols]
    places = zip(rows[alone], cols[alone], strict=True)
    return [f"{field[row, col]:.2f} mm in row {row}, column {col}" for row, col in places]


def _finding(name: str, found: Sequence[str], verdict: Verdict, what: str) -> SeriesFinding:
    if not found:
        return SeriesFinding(name=name, verdict="good", count=0, text=f"no {what}")
    more = f", and {len(found) - _LISTED} more" if len(found) > _LISTED else ""
    return SeriesFinding(
        name=name, verdict=verdict, count=len(found), text=f"{what}: {'; '.join(found[:_LISTED])}{more}"
    )


def _gaps(ends: NDArray[np.datetime64], step: int) -> SeriesFinding:
    """Count the steps without a frame, `step` minutes from one to the next."""
    missing = missing_steps(ends.astype(np.int64) // 60, step)
    runs = np.split(missing, np.flatnonzero(np.diff(missing) > step) + 1) if missing.size else []
    spans = [run[[0, -1]].astype("datetime64[m]") for run in runs]
    found = [f"{human_time(first)} to {human_time(last)}" for first, last in spans]
    finding = _finding("gaps", found, "bad", "steps without a frame")
    return SeriesFinding(name="gaps", verdict=finding.verdict, count=missing.size, text=finding.text)


def _doubled(count: int, times: str) -> SeriesFinding:
    text = f"times with two frames{f': {times}' if times else ''}" if count else "no times with two frames"
    return SeriesFinding(name="doubled", verdict="look" if count else "good", count=count, text=text)


def _spokes(total: NDArray[np.float64], known: NDArray[np.bool_], grid: Grid) -> SeriesFinding:
    """Compare the total of each ray of each radar with those beside it."""
    found, seen = [], False
    for name, (lon, lat) in SITES.items():
        x, y = to_xy(lon, lat, grid.earth)
        rows = np.flatnonzero(np.abs(grid.y - y) < _FAR)
        cols = np.flatnonzero(np.abs(grid.x - x) < _FAR)
        if not rows.size or not cols.size:
            continue
        part = slice(rows[0], rows[-1] + 1), slice(cols[0], cols[-1] + 1)
        east, north = np.meshgrid(grid.x[cols] - x, grid.y[rows] - y)
        away = np.hypot(east, north)
        within = (away > _NEAR) & (away < _FAR) & known[part]
        ray = (np.degrees(np.arctan2(east, north)) % _RAYS).astype(int)[within]
        cells = np.bincount(ray, minlength=_RAYS)
        mean = np.bincount(ray, total[part][within], _RAYS) / np.maximum(cells, 1)
        whole = np.stack([np.roll(cells, by) for by in range(-_BESIDE, _BESIDE + 1)]).min(axis=0) >= _CELLS
        usual = np.median([np.roll(mean, by) for by in range(-_BESIDE, _BESIDE + 1) if by], axis=0)
        enough = whole & (usual >= _ENOUGH)
        seen = seen or bool(enough.any())
        strange = enough & ((mean > _STANDS_OUT * usual) | (mean * _STANDS_OUT < usual))
        found += [f"{name} at {at} degrees ({mean[at] / usual[at]:.2f})" for at in np.flatnonzero(strange)]
    if not seen:
        return SeriesFinding(name="spokes", verdict="good", count=0, text="too little rain around radars")
    return _finding("spokes", found, "look", "rays whose total stands out")


def _hours(fields: xr.DataArray, minutes: int, data: Any, progress: bool | Reporter) -> SeriesFinding:
    """Compare hourly sums with hourly amounts."""
    amount, length = amount_of(data)
    hourly = fields_of(amount)
    if length != 60:
        raise SeriesError(f"hourly={hourly.name!r} has intervals of {length} min: pass amounts of hours")
    if grid_of(hourly) != grid_of(fields):
        raise SeriesError(
            f"{fields.name!r} is on {grid_of(fields).name} and {hourly.name!r} on {grid_of(hourly).name}: open "
            "both with the same grid="
        )
    ends = ends_of(fields)
    clock = str(np.datetime_as_string(ends_of(hourly)[0], "m"))[-2:]
    periods = make_periods(ends, "1h", minutes=minutes, day_begin=f"00:{clock}")
    place = {end: number for number, end in enumerate(ends_of(hourly).tolist())}
    counts = np.bincount(periods.of_step)
    whole = [
        hour
        for hour, end in enumerate(periods.bounds[:, 1].tolist())
        if counts[hour] == periods.expected[hour] and end in place
    ]
    cells = agree = 0
    worst = (0.0, "")
    first, sums = -1, np.zeros(fields.shape[1:])
    wanted = set(whole)
    for steps, values in blocks(fields, "hours", progress=progress):
        for hour, field in zip(periods.of_step[steps].tolist(), values, strict=True):
            if hour not in wanted:
                continue
            if hour == first:
                sums += field
            else:
                sums[:] = field
            counts[hour], first = counts[hour] - 1, hour
            if counts[hour]:
                continue
            end = periods.bounds[hour, 1]
            away = np.abs(sums - hourly[place[end.tolist()]].values)
            known = away == away  # noqa: PLR0124 - NaN is not equal to itself
            cells += int(known.sum())
            agree += int((away <= _ROUNDING).sum())
            worst = max(worst, (float(np.fmax.reduce(away, axis=None)) if known.any() else 0.0, human_time(end)))
    if not cells:
        return SeriesFinding(name="hours", verdict="look", count=0, text="no complete hour in both series")
    verdict: Verdict = "good" if agree >= _AGREE * cells else "bad"
    text = f"{agree / cells:.2%} of cells agree in {len(whole)} hours; at worst {worst[0]:.2f} mm, {worst[1]}"
    return SeriesFinding(name="hours", verdict=verdict, count=cells - agree, text=text)
