"""Series of rain for a model: names, zone and label are checked, and the values are read in blocks."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.analysis.inputs import amount_of, even_steps
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.forecasts import issue_of
from radar_nb.runtime.wording import human_time, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import xarray as xr
    from numpy.typing import NDArray

Edge = Literal["start", "end"]

_ROOM = 1 << 22
"""Values that are read at once: 32 MB as float64."""
_ZONE = re.compile(r"UTC(?:(?P<sign>[+-])(?P<hours>\d{1,2})(?::?(?P<minutes>[0-5]\d))?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A time zone without summer time.

    Attributes
    ----------
    name : str
        As the user wrote it: "UTC+1".
    offset : numpy.timedelta64
        Local time minus UTC.
    """

    name: str
    offset: np.timedelta64

    @classmethod
    def parse(cls, text: str | None) -> Zone:
        """Return a zone by name.

        Raises
        ------
        SettingsError
            It is missing, unknown, or has summer time.

        Examples
        --------
        >>> Zone.parse("UTC+1").offset
        np.timedelta64(3600,'s')
        """
        if text is None:
            raise SettingsError(
                'the zone of the model\'s times is not stated: pass tz="UTC+1" (MEZ all year, as German sewer '
                'models take it) or tz="UTC"'
            )
        match = _ZONE.fullmatch(str(text))
        hours = int(match["hours"] or 0) if match else 0
        if match is None or hours > 14:
            raise SettingsError(
                f'tz={text!r} is not a fixed distance to UTC: pass tz="UTC+1" (MEZ, CET) or tz="UTC"; in a zone '
                "with summer time one hour of the year occurs twice and one is missing, which no model reads"
            )
        minutes = 60 * hours + int(match["minutes"] or 0)
        return cls(
            name=str(text), offset=np.timedelta64(60 * (-minutes if match["sign"] == "-" else minutes), "s")
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Block:
    """Consecutive intervals of all stations.

    Attributes
    ----------
    first : int
        Number of the first interval in the series.
    values : ndarray of float64, shape (intervals, stations)
        mm, NaN where missing.
    """

    first: int
    values: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rain:
    """Amounts in mm at stations, every so many minutes without a step left out.

    Attributes
    ----------
    names : tuple of str
    minutes : int
        Length of an interval.
    begin : numpy.datetime64
        Begin of the first interval, UTC.
    steps : int
        Number of intervals, from the first to the last; those that the data lack are missing.
    zone : Zone
        Zone of the times that are written.
    label : {"start", "end"}
        Edge of the interval that a written time is.
    title : str
    variable : xarray.DataArray
        Shape (time, stations), as lazy as it was.
    at : ndarray of int64
        Number of the interval of each time of the variable.
    before, after : int
        How many of the first and last intervals were added to fill lines.
    """

    names: tuple[str, ...]
    minutes: int
    begin: np.datetime64
    steps: int
    zone: Zone
    label: Edge
    title: str
    variable: xr.DataArray
    at: NDArray[np.int64]
    before: int = 0
    after: int = 0

    @property
    def step(self) -> np.timedelta64:
        """The length of an interval, in seconds."""
        return np.timedelta64(60 * self.minutes, "s")

    @property
    def end(self) -> np.datetime64:
        """The end of the last interval, UTC."""
        return self.begin + self.steps * self.step

    def in_lines(self, count: int) -> Rain:
        """Return this rain with intervals added at both ends, so that lines of so many intervals are full.

        Lines begin at multiples of their length after midnight, local time.
        """
        local = (self.begin + self.zone.offset).astype("datetime64[s]").astype(np.int64)
        before = int(local % (count * 60 * self.minutes) // (60 * self.minutes))
        after = -(before + self.steps) % count
        return replace(
            self,
            begin=self.begin - before * self.step,
            steps=before + self.steps + after,
            at=self.at + before,
            before=before,
            after=after,
        )

    def stamps_of(self, first: int, count: int) -> NDArray[np.datetime64]:
        """Return the times of intervals as they are written: local, at the labelled edge."""
        number = np.arange(first, first + count) + (self.label == "end")
        times: NDArray[np.datetime64] = self.begin + self.zone.offset + number * self.step
        return times

    def blocks(self, multiple: int = 1) -> Iterator[Block]:
        """Yield all intervals in order, in blocks of bounded size whose length is a multiple."""
        length = max(_ROOM // max(len(self.names), 1) // multiple, 1) * multiple
        for first in range(0, self.steps, length):
            stop = min(first + length, self.steps)
            low, high = np.searchsorted(self.at, [first, stop])
            values = np.full((stop - first, len(self.names)), np.nan)
            values[self.at[low:high] - first] = self.variable.isel(time=slice(low, high)).values
            yield Block(first=first, values=values)


def rain_of(data: Any, *, zone: Zone, label: Edge) -> Rain:
    """Return series of a Dataset as rain for a model.

    Raises
    ------
    SeriesError
        They are fields, not amounts in mm, several forecasts, or of intervals of different length; or two stations
        have the same name.
    """
    amount, minutes = amount_of(data)
    others = [str(name) for name in amount.dims if name != "time"]
    if {"y", "x"} & set(others) or len(others) > 1:
        raise SeriesError(
            f"{amount.name!r} has the dimensions {', '.join(map(str, amount.dims))}, and a model's rain file "
            "needs series: use at_points or over_areas first, or export_grid for a grid"
        )
    names = _names(amount, others)
    begin, at = even_steps(data, amount, minutes)
    title = title_of(data, amount)
    return Rain(
        names=names,
        minutes=minutes,
        begin=begin,
        steps=int(at[-1]) + 1,
        zone=zone,
        label=label,
        title=title,
        variable=amount.transpose("time", *others) if others else amount.expand_dims("station", axis=1),
        at=at,
    )


def title_of(data: Any, amount: xr.DataArray) -> str:
    """Return what the data are, in a line."""
    attrs = getattr(data, "attrs", {})
    title = " ".join(printable(str(attrs.get("title") or amount.attrs.get("long_name") or amount.name)).split())
    if (issued := issue_of(amount)) is not None:
        title = f"{title}, forecast of {human_time(issued)}"
    return title


def _names(amount: xr.DataArray, others: list[str]) -> tuple[str, ...]:
    if others:
        along = others[0]
        labels = amount[along].values.tolist() if along in amount.coords else list(range(amount.sizes[along]))
    else:
        scalars = [amount[name].item() for name in ("point", "area") if name in amount.coords]
        labels = scalars[:1] or [amount.name]
    names = tuple(str(label) for label in labels)
    seen: dict[str, str] = {}
    for name in names:
        if (other := seen.setdefault(name.casefold(), name)) != name or names.count(name) > 1:
            also = f" (or {other!r})" if other != name else ""
            raise SeriesError(
                f"two stations have the name {name!r}{also}, which models cannot distinguish: state others with "
                ".assign_coords(...)"
            )
    return names
