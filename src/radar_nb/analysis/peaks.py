"""Independent peaks over a threshold: the largest sum of each storm, collected forward in time, and joined.

Sums that reach the threshold belong to one storm if less than a given time lies between one and the next. A part
of the series is processed by itself, and what was reached shortly before it is known. So its first storm may have
begun earlier, and its last may go on: these two are kept apart until parts are joined in the order of time.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_NEVER = -(1 << 40)
"""Minutes since 1970, before all times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeakRule:
    """What a peak is.

    Attributes
    ----------
    floors : sequence of int
        The threshold of each duration, in units. A sum that equals it reaches it.
    apart : sequence of int
        For each duration, the minutes from which on two sums that reach it belong to different storms.
    kept : int
        How many peaks of a cell are kept, the largest ones; all are counted.
    period : int
        The period whose peaks are wanted.
    joined : bool
        Whether a storm of an earlier period may go on in it.
    """

    floors: Sequence[int]
    apart: Sequence[int]
    kept: int
    period: int = 0
    joined: bool = True


@dataclass(slots=True, kw_only=True, eq=False)
class Peaks:
    """The peaks of a part of the series: negative amounts are those of peaks that do not exist.

    Attributes
    ----------
    amounts, when : ndarray, shape (durations, kept, ...)
        The largest peaks in falling order, of equal ones the earlier first, and when they end.
    edges, edges_when : ndarray, shape (durations, 2, ...)
        The peak of the storm that was there before the part began, and that of the last one. A storm that fills
        the part is both. They are not among the others, and not counted.
    count : ndarray, shape (durations, ...)
        Number of the other storms.
    """

    amounts: NDArray[Any]
    when: NDArray[Any]
    edges: NDArray[Any]
    edges_when: NDArray[Any]
    count: NDArray[np.int32]

    def shaped(self, cells: tuple[int, ...]) -> Peaks:
        """Return the same peaks with other dimensions of cells."""
        arrays = {one.name: getattr(self, one.name) for one in fields(self)}
        return Peaks(**{name: array.reshape(*array.shape[:-1], *cells) for name, array in arrays.items()})

    def push(self, duration: int, amounts: NDArray[Any], when: NDArray[Any], cells: Any = slice(None)) -> None:
        """Add one storm to each of some cells, except where its amount is negative."""
        held, held_when = self.amounts[duration], self.when[duration]
        self.count[duration][cells] += amounts >= 0
        for rank in range(len(held)):
            there, there_when = held[rank][cells], held_when[rank][cells]
            more = (amounts > there) | ((amounts == there) & (when < there_when))
            rest, rest_when = np.where(more, there, amounts), np.where(more, there_when, when)
            held[rank][cells] = np.where(more, amounts, there)
            held_when[rank][cells] = np.where(more, when, there_when)
            amounts, when = rest, rest_when

    def join(self, later: Peaks) -> None:
        """Add the part that follows."""
        for duration in range(len(self.count)):
            for rank in range(later.amounts.shape[1]):
                self.push(duration, later.amounts[duration, rank], later.when[duration, rank])
            # those that were pushed are counted, and those that are not kept as well
            self.count[duration] += later.count[duration] - (later.amounts[duration] >= 0).sum(
                axis=0, dtype=np.int32
            )
            self._join_edges(duration, later)

    def _join_edges(self, duration: int, later: Peaks) -> None:
        (first, last), (first_when, last_when) = self.edges[duration], self.edges_when[duration]
        (begun, end), (begun_when, end_when) = later.edges[duration], later.edges_when[duration]
        one = (first >= 0) & (first_when == last_when)  # a storm fills this part
        other = (begun >= 0) & (begun_when == end_when)
        joined = begun >= 0  # with nothing, if this part has no storm
        larger = begun > last
        peak, peak_when = np.where(larger, begun, last), np.where(larger, begun_when, last_when)
        closed = ~one & np.where(joined, ~other, end >= 0)
        self.push(
            duration,
            np.where(closed, np.where(joined, peak, last), -1).astype(peak.dtype),
            np.where(joined, peak_when, last_when),
        )
        for held, value, new in ((self.edges, peak, end), (self.edges_when, peak_when, end_when)):
            held[duration, 0] = np.where(joined & one, value, held[duration, 0])
            held[duration, 1] = np.where(joined & other, value, np.where(end >= 0, new, held[duration, 1]))

    def close(self) -> None:
        """Add the first and the last storm to the others: nothing was before, and nothing follows."""
        for duration in range(len(self.count)):
            (first, last), (first_when, last_when) = self.edges[duration], self.edges_when[duration]
            self.push(duration, first, first_when)
            same = (first >= 0) & (first_when == last_when)
            self.push(duration, np.where(same, -1, last).astype(last.dtype), last_when)
        self.edges[:], self.edges_when[:] = -1, -1


class PeakFinder:
    """Collects the peaks of some cells: units, and the numbers of the steps in which they end."""

    def __init__(self, rule: PeakRule, cells: int, minutes: NDArray[np.int64]) -> None:
        durations = len(rule.floors)
        made = [np.full((durations, length, cells), -1, np.int32) for length in (rule.kept, rule.kept, 2, 2)]
        self.rule, self.floors = rule, rule.floors
        self.found = Peaks(
            amounts=made[0], when=made[1], edges=made[2], edges_when=made[3],
            count=np.zeros((durations, cells), np.int32),
        )  # fmt: skip
        self._minutes = minutes
        self._latest = np.full((durations, cells), _NEVER)

    def part(self, cells: slice) -> PeakFinder:
        """Return a finder for some of the cells, which writes into the same memory."""
        some = PeakFinder(self.rule, 0, self._minutes)
        some.found = Peaks(**{one.name: getattr(self.found, one.name)[..., cells] for one in fields(Peaks)})
        some._latest = np.full((len(self.rule.floors), cells.stop - cells.start), _NEVER)
        return some

    def take(
        self, duration: int, cells: NDArray[np.int64], sums: NDArray[np.integer[Any]], start: int, period: int
    ) -> None:
        """Add the sums of some cells in consecutive steps of a period.

        Parameters
        ----------
        duration : int
        cells : ndarray of int64
        sums : ndarray of int, shape (steps, cells)
            Units; 0 where the interval is missing.
        start : int
            The number of the first step.
        period : int
        """
        rule, latest = self.rule, self._latest[duration]
        if period != rule.period and not rule.joined:
            return
        (first, last), (first_step, last_step) = self.found.edges[duration], self.found.edges_when[duration]
        above = sums >= rule.floors[duration]
        for row in np.flatnonzero(above.any(axis=1)).tolist():
            some = np.flatnonzero(above[row])
            where, amount = cells[some], sums[row, some].astype(np.int32)
            minute = self._minutes[start + row]
            begins = minute - latest[where] >= rule.apart[duration]
            latest[where] = minute
            if period != rule.period:
                continue
            held, one = last[where], first_step[where] == last_step[where]
            closing = begins & (held >= 0) & ~((first[where] >= 0) & one)
            if closing.any():
                done = where[closing]
                self.found.push(duration, held[closing], last_step[done], done)
            # the storm that was there before is the last one as well, as long as it goes on
            early = where[~begins & (amount > held) & ((held < 0) | ((first[where] >= 0) & one))]
            better = begins | (amount > held)
            last[where[better]], last_step[where[better]] = amount[better], start + row
            first[early], first_step[early] = last[early], start + row
