"""Objects of heavy rain: cells above a threshold that touch, for each duration and step, and events of them.

Objects of several durations and steps that share cells while their windows overlap belong to one event, of which
the one with the largest extremity is kept. `ObjectFinder` makes objects from sums, `EventChooser` keeps one per
event as soon as no later object can change its choice. An object keeps its cells as runs within rows.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from radar_nb.analysis.events import regions_of
from radar_nb.analysis.moving_sums import PER_MM
from radar_nb.analysis.storms import heavy_rain_index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from radar_nb.analysis.blocks import StepBlock
    from radar_nb.dwd.grids import Grid

SameEvent = Literal["overlap", "chain"]

NEVER_ABOVE = np.iinfo(np.int32).max
"""A threshold that no sum reaches."""
_MANY = 20_000
"""Objects of a group from which on those are decided that later ones cannot change."""


class Above(NamedTuple):
    """Sums above their thresholds: one number each, ordered by step, duration and cell.

    Attributes
    ----------
    step, duration, cell : ndarray of int64
    units : ndarray of int64
        The sum in units, see `radar_nb.analysis.moving_sums`.
    """

    step: NDArray[np.int64]
    duration: NDArray[np.int64]
    cell: NDArray[np.int64]
    units: NDArray[np.int64]


class SumsAbove:
    """Collects sums that reach thresholds in units: one for all cells, or one for each cell."""

    def __init__(self, floors: Sequence[int | NDArray[np.int32]], cells: int) -> None:
        self.floors: Sequence[Any] = floors
        self._cells, self._start = cells, 0
        self._taken: list[tuple[NDArray[Any], NDArray[Any]]] = []

    def part(self, cells: slice) -> SumsAbove:
        """Return a collector for some of the cells, which adds to the same sums."""
        some = SumsAbove([floor if isinstance(floor, int) else floor[cells] for floor in self.floors], self._cells)
        some._taken, some._start = self._taken, cells.start
        return some

    def take(
        self, duration: int, cells: NDArray[np.int64], sums: NDArray[np.integer[Any]], start: int, period: int
    ) -> None:
        """Add the sums of some cells in consecutive steps, as `PeakFinder.take` does."""
        del period
        floor = self.floors[duration]
        rows, columns = np.nonzero(sums >= (floor if isinstance(floor, int) else floor[cells]))
        if rows.size:
            slots = (start + rows) * len(self.floors) + duration
            self._taken.append((slots * self._cells + cells[columns] + self._start, sums[rows, columns]))

    def taken(self) -> Above | None:
        """Return what was collected since the last call; None if there is nothing."""
        if not self._taken:
            return None
        keys, units = (np.concatenate(parts) for parts in zip(*self._taken, strict=True))
        self._taken.clear()
        order = np.argsort(keys)
        slots, cells = np.divmod(keys[order], self._cells)
        steps, durations = np.divmod(slots, len(self.floors))
        return Above(steps, durations, cells, units[order].astype(np.int64))


@dataclass(slots=True, kw_only=True, eq=False)
class RainObject:
    """An object: cells that touch and exceed the threshold of a duration in a step.

    Attributes
    ----------
    begin, end : int
        The window, minutes since 1970.
    duration : int
        The number of the duration.
    eta : float
    cells : int
        How many.
    largest, mean : float
        mm.
    where : int
        The cell with the largest sum.
    index : int
        The largest heavy rain index.
    missing : float
        Share of missing intervals of its cells in the window.
    first, last : ndarray of int64
        Runs of cells within rows.
    box : tuple of int
        First and last row, first and last column.
    """

    begin: int
    end: int
    duration: int
    eta: float
    cells: int
    largest: float
    mean: float
    where: int
    index: int
    missing: float
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    box: tuple[int, int, int, int]

    @property
    def rank(self) -> tuple[float, int, int, int]:
        """Order of objects: the most extreme first; of equal ones the earlier, the shorter, the more southern."""
        return -self.eta, self.end, self.duration, int(self.first[0])

    def numbers(self) -> NDArray[np.int64]:
        """Return the numbers of all its cells, rising."""
        lengths = self.last - self.first + 1
        starts = np.repeat(self.first - np.append(0, np.cumsum(lengths)[:-1]), lengths)
        return starts + np.arange(starts.size)

    def shares_cell(self, other: RainObject) -> bool:
        """Return whether both have a cell in common."""
        at = np.searchsorted(other.last, self.first)
        inside = at < other.last.size
        return bool((other.first[at[inside]] <= self.last[inside]).any())


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRule:
    """What an object is, and its extremity.

    Attributes
    ----------
    minutes : sequence of int
        The durations.
    years : sequence of callable
        For each duration, the return periods of sums in mm of cells.
    depth_100 : sequence of callable
        For each duration, the amounts of 100 years of cells, mm.
    min_cells : int
    corners : bool
        Whether cells that touch at a corner are connected.
    longest : float
        Years to which return periods are limited in the extremity.
    logarithm : float
        ln of the base of the logarithm: 1 for the natural one.
    km2 : float
        Area of a cell.
    """

    minutes: Sequence[int]
    years: Sequence[Callable[[NDArray[np.int64], NDArray[np.float64]], NDArray[np.float64]]]
    depth_100: Sequence[Callable[[NDArray[np.int64]], NDArray[np.float64]]]
    min_cells: int
    corners: bool
    longest: float
    logarithm: float
    km2: float


class ObjectFinder:
    """Makes objects of sums above thresholds."""

    def __init__(self, rule: ObjectRule, grid: Grid, ends: NDArray[np.int64], gaps: MissingIntervals) -> None:
        self._rule, self._ends, self._gaps = rule, ends, gaps
        self._rows, self._cols = grid.shape

    def objects(self, above: Above) -> list[list[RainObject]]:
        """Return the objects of each step, in the order of time; steps without one are left out."""
        rule, cols = self._rule, self._cols
        slots, ranks = np.unique(above.step * len(rule.minutes) + above.duration, return_inverse=True)
        del slots
        # fields one below the other with an empty row in between
        places = ranks * ((self._rows + 1) * cols) + above.cell
        labels, count = regions_of(places, cols, corners=rule.corners)
        large = np.bincount(labels, minlength=count) >= rule.min_cells
        kept = large[labels]
        if not kept.any():
            return []
        labels = (np.cumsum(large) - 1)[labels[kept]]
        order = np.argsort(labels, kind="stable")
        labels, places = labels[order], places[kept][order]
        step, duration, cell, units = (part[kept][order] for part in above)
        return self._made(labels, places, Above(step, duration, cell, units))

    def _made(self, labels: NDArray[np.int64], places: NDArray[np.int64], above: Above) -> list[list[RainObject]]:
        rule = self._rule
        amounts = above.units / PER_MM
        years, depth_100 = np.empty(amounts.size), np.empty(amounts.size)
        for number in np.unique(above.duration).tolist():
            some = np.flatnonzero(above.duration == number)
            years[some] = rule.years[number](above.cell[some], amounts[some])
            depth_100[some] = rule.depth_100[number](above.cell[some])
        starts = np.flatnonzero(np.append(True, np.diff(labels) != 0))
        cells = np.diff(np.append(starts, labels.size))
        logs = np.log(np.clip(years, 1, rule.longest)) / rule.logarithm
        etas = np.add.reduceat(logs, starts) / cells * np.sqrt(cells * rule.km2 / np.pi)
        largest = np.maximum.reduceat(above.units, starts)
        means = np.add.reduceat(above.units, starts) / cells / PER_MM
        indices = np.maximum.reduceat(heavy_rain_index(years, amounts, depth_100), starts)
        highest = np.flatnonzero(above.units == np.repeat(largest, cells))
        where = above.cell[highest[np.searchsorted(highest, starts)]]
        row, col = np.divmod(above.cell, self._cols)
        new = np.append(True, (np.diff(places) != 1) | (np.diff(row) != 0) | (np.diff(labels) != 0))
        begins = np.flatnonzero(new)
        first = above.cell[begins]
        last = above.cell[np.append(begins[1:], labels.size) - 1]
        cuts = np.searchsorted(begins, np.append(starts, labels.size))
        boxes = [ufunc.reduceat(part, starts) for part in (row, col) for ufunc in (np.minimum, np.maximum)]
        made: dict[int, list[RainObject]] = {}
        order = np.argsort(above.step[starts], kind="stable")
        for number in order.tolist():
            start, stop = int(starts[number]), int(starts[number] + cells[number])
            step, duration = int(above.step[start]), int(above.duration[start])
            end = int(self._ends[step])
            made.setdefault(step, []).append(
                RainObject(
                    begin=end - rule.minutes[duration],
                    end=end,
                    duration=duration,
                    eta=float(etas[number]),
                    cells=int(cells[number]),
                    largest=float(largest[number] / PER_MM),
                    mean=float(means[number]),
                    where=int(where[number]),
                    index=int(indices[number]),
                    missing=self._gaps.share(step, duration, above.cell[start:stop]),
                    first=first[cuts[number] : cuts[number + 1]],
                    last=last[cuts[number] : cuts[number + 1]],
                    box=tuple(int(box[number]) for box in boxes),  # type: ignore[arg-type]
                )
            )
        return list(made.values())


class MissingIntervals:
    """Counts the missing intervals of cells in the window of each duration that ends in the current step.

    Masks are kept in bits for the longest window. Where a mask is the same as the one that leaves the window, as
    outside the radars' reach, nothing is counted.
    """

    def __init__(self, minutes: Sequence[int], interval: int, ends: NDArray[np.int64], cells: int) -> None:
        self._ends, self._cells = ends, cells
        self._expected = [length // interval for length in minutes]
        # the first step of each window
        self._first = [np.searchsorted(ends, ends - length, side="right") for length in minutes]
        self._counts = [np.zeros(cells, np.uint16) for _ in minutes]
        self._oldest = [0 for _ in minutes]  # the first step that is counted
        self._masks: deque[NDArray[np.uint8]] = deque()
        self._start = 0  # the step of the first mask
        self._now = -1

    def record(self, blocks: Iterator[StepBlock]) -> Iterator[StepBlock]:
        """Pass on blocks, and keep which of their cells are missing."""
        for block in blocks:
            for values in block.values:
                missing = (
                    np.isnan(values)
                    if block.packing is None
                    else (values & np.uint16(block.packing.missing)).astype(bool)
                )
                mask = np.packbits(missing)
                same = bool(self._masks) and np.array_equal(mask, self._masks[-1])
                self._masks.append(self._masks[-1] if same else mask)
            yield block

    def go_to(self, step: int) -> None:
        """Count the windows that end in a step."""
        while self._now < step:
            self._now += 1
            for number, counts in enumerate(self._counts):
                first = int(self._first[number][self._now])
                new = self._masks[self._now - self._start]
                left = [self._masks[old - self._start] for old in range(self._oldest[number], first)]
                self._oldest[number] = first
                if len(left) == 1 and left[0] is new:
                    continue
                _change(counts, new, np.add)
                for mask in left:
                    _change(counts, mask, np.subtract)
            oldest = min(self._oldest)
            while self._start < oldest:
                self._masks.popleft()
                self._start += 1

    def share(self, step: int, duration: int, cells: NDArray[np.int64]) -> float:
        """Return the share of missing intervals of cells in the window that ends in a step; steps must rise."""
        self.go_to(step)
        expected = self._expected[duration]
        absent = expected - (step + 1 - int(self._first[duration][step]))
        return float(self._counts[duration][cells].mean() + absent) / expected


def _change(counts: NDArray[np.uint16], mask: NDArray[np.uint8], ufunc: Any) -> None:
    if mask.any():
        ufunc(counts, np.unpackbits(mask, count=counts.size), out=counts)


class EventChooser:
    """Keeps the most extreme object of each event.

    Objects form groups: an object belongs to a group if one of its cells was in it less than the longest window
    ago. So objects that share a cell while their windows overlap are in one group. It is decided when no later
    window can overlap it.
    """

    def __init__(self, rule: SameEvent, longest: int, cells: int) -> None:
        self._rule, self._longest = rule, longest
        self._owner = np.full(cells, -1, np.int64)
        self._latest = np.full(cells, np.iinfo(np.int64).min)
        self._groups: dict[int, list[RainObject]] = {}
        self._names: dict[int, int] = {}
        self._ends: dict[int, int] = {}
        self._limits: dict[int, int] = {}
        self._next = 0
        self.chosen: list[RainObject] = []

    def add(self, objects: Sequence[RainObject]) -> None:
        """Add the objects of a step, which follow those of earlier steps."""
        for one in objects:
            cells = one.numbers()
            near = self._latest[cells] > one.end - self._longest
            names = {self._current(name) for name in np.unique(self._owner[cells[near]]).tolist()}
            name = self._joined(sorted(names))
            self._groups[name].append(one)
            self._ends[name] = one.end
            self._owner[cells], self._latest[cells] = name, one.end

    def _joined(self, names: list[int]) -> int:
        """Return the name of the group that these groups become, a new one if there are none."""
        if not names:
            self._groups[self._next], self._limits[self._next] = [], _MANY
            self._next += 1
            return self._next - 1
        first, *others = names
        for other in others:
            self._groups[first] += self._groups.pop(other)
            self._limits[first] = max(self._limits[first], self._limits.pop(other))
            del self._ends[other]
            self._names[other] = first
        return first

    def _current(self, name: int) -> int:
        while name in self._names:
            name = self._names[name]
        return name

    def decide(self, now: int) -> None:
        """Decide what no window that ends after a time, in minutes, can change."""
        complete = now - self._longest
        for name in [name for name, end in self._ends.items() if end <= complete]:
            self._settle(name, None)
        if self._rule == "overlap":
            for name in [name for name, group in self._groups.items() if len(group) > self._limits[name]]:
                self._settle(name, complete)
        if not self._groups:
            self._names.clear()

    def finish(self) -> list[RainObject]:
        """Decide all that is left, and return the objects that are kept."""
        for name in list(self._groups):
            self._settle(name, None)
        return self.chosen

    def _settle(self, name: int, complete: int | None) -> None:
        """Choose from a group; `complete`: only objects that end until then, the others remain."""
        group = sorted(self._groups[name], key=lambda one: one.rank)
        left: list[RainObject] = []
        if self._rule == "chain":
            self.chosen += _heads_of_chains(group)
        else:
            kept, left = _strongest(group, complete)
            self.chosen += kept
        if complete is None:
            for table in (self._groups, self._ends, self._limits):
                del table[name]
        else:
            self._groups[name], self._limits[name] = left, max(_MANY, 2 * len(left))


class _Neighbours:
    """Objects that may overlap another one."""

    def __init__(self, room: int) -> None:
        self._objects: list[RainObject] = []
        self._limits = np.empty((6, room), np.int64)

    def add(self, one: RainObject) -> None:
        self._limits[:, len(self._objects)] = (one.begin, one.end, *one.box)
        self._objects.append(one)

    def overlapping(self, one: RainObject, known: Callable[[int], bool] | None = None) -> Iterator[int]:
        """Iterate over the numbers of those that share a cell with an object while their windows overlap.

        Those for which `known` is true are left out.
        """
        begin, end, south, north, west, east = self._limits[:, : len(self._objects)]
        low, high, left, right = one.box
        near = (begin < one.end) & (end > one.begin) & (south <= high) & (north >= low)
        near &= (west <= right) & (east >= left)
        for number in np.flatnonzero(near).tolist():
            if (known is None or not known(number)) and one.shares_cell(self._objects[number]):
                yield number


def _strongest(ranked: Sequence[RainObject], complete: int | None) -> tuple[list[RainObject], list[RainObject]]:
    """Keep each object that overlaps no stronger one that is kept; and return those that are undecided.

    An object is undecided if it, or a stronger undecided one that it overlaps, ends after `complete`.
    """
    kept: list[RainObject] = []
    left: list[RainObject] = []
    stronger = _Neighbours(len(ranked))
    decided: list[bool] = []
    for one in ranked:
        there = [decided[number] for number in stronger.overlapping(one)] if complete is not None else None
        if there is None:
            if next(stronger.overlapping(one), None) is not None:
                continue
        elif any(there):
            continue
        done = complete is None or (not there and one.end <= complete)
        (kept if done else left).append(one)
        stronger.add(one)
        decided.append(done)
    return kept, left


def _heads_of_chains(ranked: Sequence[RainObject]) -> list[RainObject]:
    """Keep the strongest of all objects that are connected, directly or through others."""
    there = _Neighbours(len(ranked))
    parents: list[int] = []

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = number = parents[parents[number]]
        return number

    for number, one in enumerate(ranked):
        parents.append(number)
        for other in there.overlapping(one, lambda other, number=number: root(other) == root(number)):  # type: ignore[misc]
            first, second = sorted((root(other), root(number)))
            parents[second] = first  # the stronger one
        there.add(one)
    return [one for number, one in enumerate(ranked) if root(number) == number]
