"""What a format of rain series is: its columns, its rules, and what it cannot hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.rain import Zone
from radar_nb.runtime.wording import human_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from radar_nb.exports.rain import Edge, Rain


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """Consecutive intervals of one station, ready to be written.

    Attributes
    ----------
    name : str
    stamps : ndarray of datetime64[s], shape (intervals,)
        Local times at the labelled edge.
    units : ndarray of int64, shape (intervals,), or (intervals, stations) for a wide format
        Amounts in units of 10^-decimals mm, `missing` where there is none.
    is_first, is_last : bool
        Whether the intervals are the first or the last of the series.
    """

    name: str
    stamps: NDArray[np.datetime64]
    units: NDArray[np.int64]
    is_first: bool
    is_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesFormat:
    """A format that a model reads.

    Attributes
    ----------
    name : str
        The value of `format=`.
    title : str
        As in a sentence: "SWMM's rain file".
    suffixes : tuple of str
        Suffixes of files that mean this format and no other.
    label : {"start", "end"}, optional
        What a time means by definition; None if the format leaves it open.
    decimals : int
        Amounts are written in units of 10^-decimals mm.
    largest : int
        The largest amount that its column holds, in these units.
    missing : int, optional
        The code for missing, in these units; None if the format has none.
    single : bool
        Whether a file holds one station alone.
    wide : bool
        Whether the stations of a file stand side by side, so that lines are made of all together.
    lines : mapping of int to int, optional
        For each interval in minutes that the format allows, how many stand in one line; None for any interval, one
        a line.
    names : str
        A regular expression for names, and `names_are` in words.
    rows : callable
        The lines of some intervals of a station.
    head : callable
        The lines before those of a station, of its name and its total in mm.
    tail : bytes
        What ends them.
    binary : callable, optional
        Writes a file of other than text: of the series, its amounts in mm of shape (intervals, stations), NaN
        where missing, and the path. `rows` then returns the bytes of the units.
    companion : callable, optional
        Lines for the model's own input, written to a text beside the file.
    """

    name: str
    title: str
    suffixes: tuple[str, ...] = ()
    label: Edge | None
    decimals: int
    largest: int
    missing: int | None = None
    single: bool = False
    wide: bool = False
    lines: Mapping[int, int] | None = None
    names: str
    names_are: str
    rows: Callable[[Rain, Station], bytes]
    head: Callable[[Rain, str, float], bytes] = lambda _rain, _name, _total: b""
    tail: bytes = b""
    binary: Callable[[Rain, NDArray[np.float64], Path], None] | None = None
    companion: Callable[[Rain, dict[str, str]], str] | None = None

    def check(self, rain: Rain) -> None:
        """Raise an error if the format cannot hold the names or the interval of a series.

        Raises
        ------
        SeriesError
            The message states what the format holds, and the remedy.
        """
        for name in rain.names:
            if not re.fullmatch(self.names, name):
                raise SeriesError(
                    f"the name {name!r} cannot stand in {self.title}, which takes {self.names_are}: rename it "
                    "with .assign_coords(...), or choose another column of the shapes with names="
                )
        if self.lines is not None and rain.minutes not in self.lines:
            allowed = ", ".join(str(minutes) for minutes in self.lines)
            raise SeriesError(
                f"{self.title} cannot hold intervals of {human_interval(rain.minutes)}, only {allowed} min: use "
                "accumulate(series, ...) for longer intervals, or choose another format="
            )

    def per_line(self, minutes: int) -> int:
        """Return how many intervals of so many minutes stand in one line."""
        return self.lines[minutes] if self.lines else 1

    def check_choices(self, tz: str | None, label: Edge | None) -> tuple[Zone, Edge]:
        """Return the zone and the label of the times that are written.

        Raises
        ------
        SettingsError
            The zone is not stated or has summer time, or the label is not possible.
        """
        return Zone.parse(tz), self._label(label)

    def _label(self, label: Edge | None) -> Edge:
        """Return which edge of its interval a written time is."""
        if label not in {None, "start", "end"}:
            raise SettingsError(f'unknown label={label!r}: choose label="start" or label="end"')
        if self.label is None:
            if label is None:
                raise SettingsError(
                    f"{self.title} does not define whether a time is the start or the end of its interval: pass "
                    'label="start" or label="end", as the model reads it'
                )
            return label
        if label not in {None, self.label}:
            raise SettingsError(
                f"label={label!r} would shift the rain by one interval: a time in {self.title} is the "
                f"{self.label} of "
                f'its interval by definition. Pass label="{self.label}", or none'
            )
        return self.label
