"""Events of rain: cells that are connected in space and time, tracked frame by frame."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # type: ignore[import-untyped] # xarray brings it, without its types
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from radar_nb.analysis.extremes import check_thresholds, opened_amount
from radar_nb.analysis.inputs import cell_areas, fields_of, grid_of
from radar_nb.analysis.periods import length_of
from radar_nb.dwd.grids import to_lonlat
from radar_nb.errors import SettingsError
from radar_nb.reading.intervals import ends_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid
    from radar_nb.formats.packing import Packing
    from radar_nb.runtime.progress import Reporter

_DECIMAL = 5e-5
"""mm by which a float32 may be below the decimal number it represents, see `radar_nb.analysis.moving_sums`."""
_SPARE = 1 << 16
"""Cells that an event may collect before repeated cells are merged."""


def events(
    data: Any,
    threshold: float,
    *,
    min_area: float = 0.0,
    min_gap: Any = None,
    min_duration: Any = None,
    progress: bool | Reporter = True,
) -> pd.DataFrame:
    """Return a table of rain events with times, amounts, areas and tracks.

    In every frame, cells that reach the threshold and touch each other, including at corners, form a region;
    regions smaller than `min_area` are left out. Regions of different times belong to one event if they share a
    cell that was dry for less than `min_gap` in between. Events that meet are merged.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Amounts in mm on fields; sources as in `open_dataset`.
    threshold : float
        mm per interval; a cell that equals it belongs to the event.
    min_area : float
        Smallest area of a region in one frame, km2 on the ground.
    min_gap : str or timedelta, optional
        "1h": an event ends in a cell that is dry for an hour. By default one interval: no dry interval in between.
    min_duration : str or timedelta, optional
        Events shorter than this are left out.
    progress : bool or Reporter

    Returns
    -------
    pandas.DataFrame
        One row per event, ordered by begin:

        - `begin`, `end`: datetime64, UTC, begin of the first and end of the last interval;
        - `area`: km2 on the ground, of all cells of the event;
        - `volume`: m3 of water; `depth`: mm, the mean over that area, `volume / area`;
        - `total`: mm, the largest sum of a cell within the event;
        - `maximum`: mm, the largest amount of one cell in one interval, with `maximum_time`, `maximum_lon` and
          `maximum_lat`;
        - `path`: a list of (time, lon, lat), the centre of mass of the rain in every frame.

        `attrs` holds the arguments. Memory is needed for some frames and for the current events.

    Raises
    ------
    SeriesError
        The data are not fields of amounts in mm.
    SettingsError
        The threshold is not a positive number, or another argument is not valid.

    Examples
    --------
    >>> storms = events("data", 1.0, min_area=25, min_gap="15min")  # doctest: +SKIP
    >>> storms.sort_values("volume").tail(10)  # doctest: +SKIP
    """
    opened = opened_amount(data, progress)
    minutes = opened.minutes
    fields = fields_of(opened.amount)
    (floor,) = check_thresholds([threshold], minutes)
    if not 0 <= min_area < np.inf:
        raise SettingsError(f"min_area={min_area!r} is not an area: pass km2, 0 or more")
    gap = np.timedelta64(minutes if min_gap is None else length_of(min_gap, minutes=minutes, name="min_gap"), "m")
    shortest = np.timedelta64(
        0 if min_duration is None else length_of(min_duration, minutes=minutes, name="min_duration"), "m"
    )
    grid = grid_of(fields)
    follower = _Follower(grid, min_area, gap, np.timedelta64(minutes, "m"))
    ends = ends_of(fields)
    if opened.stream is None:  # with the southern row first, as streams have it
        opened = replace(opened, amount=fields)
    cells = grid.rows * grid.cols
    room = np.empty(cells, np.uint16), np.empty(cells, bool)
    for block in opened.blocks("events", progress=progress):
        for end, frame in zip(ends[block.start :], block.values, strict=False):
            follower.take(end, *_wet(frame, block.packing, floor - _DECIMAL, room))
    rows = [row for row in follower.rest() if row["end"] - row["begin"] >= shortest]
    _locate(rows, grid)
    table = pd.DataFrame(rows, columns=list(_COLUMNS)).astype(
        {name: kind for name, kind in _COLUMNS.items() if kind != "object"}
    )
    table = table.sort_values(["begin", "end"], kind="stable", ignore_index=True).rename_axis("event")
    table.attrs = {"threshold_mm": floor, "interval_minutes": minutes, "min_area_km2": min_area}
    table.attrs["min_gap_minutes"] = int(gap / np.timedelta64(1, "m"))
    return table


_TIME = "datetime64[ns]"
_COLUMNS = {
    "begin": _TIME,
    "end": _TIME,
    "area": "f8",
    "volume": "f8",
    "depth": "f8",
    "total": "f8",
    "maximum": "f8",
    "maximum_time": _TIME,
    "maximum_lon": "f8",
    "maximum_lat": "f8",
    "path": "object",
}


def _wet(
    frame: NDArray[Any],
    packing: Packing | None,
    floor: float,
    room: tuple[NDArray[np.uint16], NDArray[np.bool_]],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the cells of a frame that reach a threshold, and their amounts.

    `room` is overwritten: new memory of this size takes as long to touch as the comparison.
    """
    codes, wet = room
    if packing is None:
        cells = np.flatnonzero(np.greater_equal(frame, np.float32(floor), out=wet))
        return cells, frame[cells].astype(float)
    # missing codes are above all amounts, and codes below the threshold wrap to above them
    least = max(packing.count(floor), 0)
    np.bitwise_and(frame, np.uint16(packing.bits & 0xFFFF | packing.missing), out=codes)
    codes -= np.uint16(least)
    cells = np.flatnonzero(np.less_equal(codes, np.uint16((packing.bits & 0xFFFF) - least), out=wet))
    return cells, packing.values(frame[cells]).astype(float)


def regions_of(cells: NDArray[np.int64], cols: int, *, corners: bool = True) -> tuple[NDArray[np.int64], int]:
    """Return the number of the region of each cell, in the order of first cells, and the number of regions.

    Cells of one region touch: `scipy.ndimage.label` for the few wet cells of a field. They are joined to runs
    within rows, and runs to regions.

    Parameters
    ----------
    cells : ndarray of int64
        Numbers of cells of the flattened field, rising.
    cols : int
        Columns of the field.
    corners : bool
        Whether cells that touch at a corner touch.

    Examples
    --------
    >>> regions, count = regions_of(np.array([0, 1, 3, 7]), 5)  # 7 is below the others, in a row of five
    >>> regions.tolist(), count
    ([0, 0, 0, 0], 1)
    """
    rows = cells // cols
    new = np.ones(cells.size + 1, bool)
    new[1:-1] = (cells[1:] - cells[:-1] != 1) | (rows[1:] != rows[:-1])
    edges = np.flatnonzero(new)
    begins = edges[:-1]
    first, last, row = cells[begins], cells[edges[1:] - 1], rows[begins]
    # runs of the row before that reach from one cell before a run to one cell after it
    low = np.maximum(first - cols - corners, (row - 1) * cols)
    high = np.minimum(last - cols + corners, row * cols - 1)
    start, stop = np.searchsorted(last, low), np.searchsorted(first, high, side="right")
    touching = np.maximum(stop - start, 0)
    pointers = np.zeros(edges.size, np.int32)
    np.cumsum(touching, out=pointers[1:])
    others = np.arange(pointers[-1], dtype=np.int32) + np.repeat(start - pointers[:-1], touching).astype(np.int32)
    shape = (begins.size, begins.size)
    pairs = csr_array((np.ones(others.size), others, pointers), shape=shape)  # float64, as the components need
    count, labels = connected_components(pairs, directed=False)
    return np.repeat(labels, np.diff(edges)), int(count)


@dataclass(slots=True, eq=False)
class _Event:
    """A current event: its cells, their amounts, and the centre of mass in each frame."""

    begin: np.datetime64
    end: np.datetime64
    cells: list[NDArray[np.int64]] = field(default_factory=list)
    amounts: list[NDArray[np.float64]] = field(default_factory=list)
    pending: int = 0
    maximum: tuple[float, np.datetime64, int] = (-np.inf, np.datetime64("NaT"), -1)
    path: list[tuple[int, float, float, float]] = field(default_factory=list)

    def add(self, cells: NDArray[np.int64], amounts: NDArray[np.float64]) -> None:
        """Add cells; merge repeated cells once there are many."""
        self.cells.append(cells)
        self.amounts.append(amounts)
        self.pending += cells.size
        if self.pending > _SPARE + self.cells[0].size:
            self.squeeze()

    def squeeze(self) -> None:
        """Merge repeated cells into one with their sum."""
        if len(self.cells) == 1:  # of one frame, where none is repeated
            return
        cells, place = np.unique(np.concatenate(self.cells), return_inverse=True)
        self.amounts = [np.bincount(place, np.concatenate(self.amounts)).astype(float)]
        self.cells, self.pending = [cells], 0

    def join(self, other: _Event) -> None:
        """Merge another event into this one."""
        self.begin, self.end = min(self.begin, other.begin), max(self.end, other.end)
        for cells, amounts in zip(other.cells, other.amounts, strict=True):
            self.add(cells, amounts)
        self.maximum = max(self.maximum, other.maximum, key=lambda one: one[0])
        self.path += other.path


class _Follower:
    """Tracks events from frame to frame."""

    def __init__(self, grid: Grid, min_area: float, gap: np.timedelta64, interval: np.timedelta64) -> None:
        self._grid = grid
        self._min_area, self._gap, self._interval = min_area, gap, interval
        self._km2 = cell_areas(grid).ravel()
        rows, cols = np.indices(grid.shape)
        self._y, self._x = grid.y[rows].ravel(), grid.x[cols].ravel()
        self._owner = np.full(self._km2.size, -1, np.int64)  # the last event of each cell, by its first number
        self._wet = np.full(self._km2.size, np.datetime64("0001-01-01", "s"))  # when it ended there
        self._names: dict[int, int] = {}  # merged events: number to number
        self._open: dict[int, _Event] = {}
        self._done: list[dict[str, Any]] = []
        self._next = 0

    def take(self, end: np.datetime64, cells: NDArray[np.int64], amounts: NDArray[np.float64]) -> None:
        """Add the wet cells of the interval that ends at a time."""
        begin = end - self._interval
        self._close(begin)
        if not cells.size:
            return
        regions, count = regions_of(cells, self._grid.cols)
        if self._min_area:
            large = np.bincount(regions, self._km2[cells], minlength=count) >= self._min_area
            there = large[regions]
            cells, amounts, regions = cells[there], amounts[there], (np.cumsum(large) - 1)[regions[there]]
            count = int(large.sum())
            if not count:
                return
        event_of = self._names_of(cells, regions, count, begin)
        names = np.array([self._current(event_of[region]) for region in range(count)])[regions]
        self._owner[cells], self._wet[cells] = names, end
        order = np.argsort(names, kind="stable")
        self._add(names[order], begin, end, cells[order], amounts[order])

    def _names_of(
        self, cells: NDArray[np.int64], regions: NDArray[np.int64], count: int, begin: np.datetime64
    ) -> dict[int, int]:
        """Assign an event to each region: the one it continues, the merger of several, or a new one."""
        on = (begin - self._wet[cells]) < self._gap
        pairs = np.unique(regions[on] * (self._next + 1) + self._owner[cells[on]])
        event_of: dict[int, int] = defaultdict(lambda: -1)
        for region, name in zip(*(part.tolist() for part in np.divmod(pairs, self._next + 1)), strict=True):
            event, known = self._current(name), self._current(event_of[region])
            if known >= 0 and event != known:
                first, second = sorted((event, known))
                self._open[first].join(self._open.pop(second))
                self._names[second] = event = first
            event_of[region] = event
        for region in range(count):
            if event_of[region] < 0:
                event_of[region] = self._next
                self._next += 1
        return event_of

    def _current(self, name: int) -> int:
        while name in self._names:
            name = self._names[name]
        return name

    def _add(
        self,
        names: NDArray[np.int64],
        begin: np.datetime64,
        end: np.datetime64,
        cells: NDArray[np.int64],
        amounts: NDArray[np.float64],
    ) -> None:
        """Add cells to events, both ordered by event."""
        starts = np.flatnonzero(np.append(True, np.diff(names) != 0))
        water = amounts * self._km2[cells]
        total, x, y = (
            np.add.reduceat(part, starts) for part in (water, water * self._x[cells], water * self._y[cells])
        )
        largest = np.maximum.reduceat(amounts, starts)
        stops = np.append(starts[1:], names.size)
        highest = np.flatnonzero(amounts == np.repeat(largest, stops - starts))
        where = cells[highest[np.searchsorted(highest, starts)]]
        rows = zip(
            names[starts].tolist(), starts.tolist(), stops.tolist(), largest.tolist(), where.tolist(),
            (x / total).tolist(), (y / total).tolist(), total.tolist(), strict=True,
        )  # fmt: skip
        second = int(end.astype("datetime64[s]").astype(np.int64))
        for name, start, stop, most, cell, centre_x, centre_y, amount in rows:
            event = self._open.get(name)
            if event is None:
                event = self._open[name] = _Event(begin, end)
            event.end = end
            event.add(cells[start:stop], amounts[start:stop])
            if most > event.maximum[0]:
                event.maximum = (most, end, cell)
            event.path.append((second, centre_x, centre_y, amount))

    def _close(self, begin: np.datetime64) -> None:
        """End the events that later frames cannot continue."""
        ended = [name for name, event in self._open.items() if begin - event.end >= self._gap]
        self._done += self._rows([self._open.pop(name) for name in ended])
        if not self._open:
            self._names.clear()

    def rest(self) -> list[dict[str, Any]]:
        """End all events, and return the rows of the table."""
        self._done += self._rows(list(self._open.values()))
        self._open.clear()
        return self._done

    def _rows(self, events: list[_Event]) -> list[dict[str, Any]]:
        """Return the rows of events that have ended."""
        if not events:
            return []
        counts = [sum(part.size for part in event.cells) for event in events]
        places = np.repeat(np.arange(len(events)) * self._km2.size, counts)
        places += np.concatenate([part for event in events for part in event.cells])
        amounts = np.concatenate([part for event in events for part in event.amounts])
        places, merged = np.unique(places, return_inverse=True)  # a cell of several frames
        sums = np.bincount(merged, amounts)
        numbers, cells = np.divmod(places, self._km2.size)
        km2 = self._km2[cells]
        areas = np.bincount(numbers, km2)
        volumes = np.bincount(numbers, sums * km2) * 1000  # 1 mm on 1 km2 is 1000 m3
        totals = np.maximum.reduceat(sums, np.flatnonzero(np.append(True, np.diff(numbers) != 0)))
        depths = volumes / areas / 1000
        where = [event.maximum[2] for event in events]
        columns = (areas, volumes, depths, totals, self._x[where], self._y[where])
        return [
            {
                "begin": event.begin,
                "end": event.end,
                "area": area,
                "volume": volume,
                "depth": depth,
                "total": total,
                "maximum": event.maximum[0],
                "maximum_time": event.maximum[1],
                "maximum_lon": x,
                "maximum_lat": y,
                "path": event.path,
            }
            for event, area, volume, depth, total, x, y in zip(
                events, *(column.tolist() for column in columns), strict=True
            )
        ]


def _locate(rows: list[dict[str, Any]], grid: Grid) -> None:
    """Convert metres to degrees, and paths to one point for each time, all at once."""
    if not rows:
        return
    points = np.array([point for row in rows for point in row["path"]])
    numbers = np.repeat(np.arange(len(rows)), [len(row["path"]) for row in rows])
    order = np.lexsort((points[:, 0], numbers))
    numbers, (seconds, x, y, water) = numbers[order], points[order].T
    # several parts of an event at one time have one centre of mass
    starts = np.flatnonzero(np.append(True, (np.diff(numbers) != 0) | (np.diff(seconds) != 0)))
    total, x, y = (np.add.reduceat(part, starts) for part in (water, x * water, y * water))
    times = seconds[starts].astype(np.int64).astype("datetime64[s]")
    edges = np.searchsorted(numbers[starts], np.arange(len(rows) + 1)).tolist()
    x = np.concatenate([[row["maximum_lon"] for row in rows], x / total])
    y = np.concatenate([[row["maximum_lat"] for row in rows], y / total])
    lon, lat = (part.tolist() for part in to_lonlat(x, y, grid.earth))
    path = list(zip(times, lon[len(rows) :], lat[len(rows) :], strict=True))
    for number, row in enumerate(rows):
        row |= {"maximum_lon": lon[number], "maximum_lat": lat[number]}
        row["path"] = path[edges[number] : edges[number + 1]]
