"""Rain at places in the next two hours, from DWD's forecast: whether, when, how much, and how sure that is.

Nothing is computed but answers: the fields are DWD's. What is not known is never dry.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from radar_nb.analysis.areas import find_areas
from radar_nb.analysis.blocks import blocks
from radar_nb.analysis.inputs import fields_of, grid_of, is_dataset, variable_of
from radar_nb.analysis.points import EAST, NORTH, box_of, find_places, labels_of
from radar_nb.dwd.grids import GRIDS
from radar_nb.dwd.products import HYDROMETEOR_CLASSES, PRODUCTS
from radar_nb.errors import RadarNbError, SeriesError, SettingsError
from radar_nb.geography.shapes import read_shapes
from radar_nb.reading.forecasts import forecast, is_forecast, lead_minutes
from radar_nb.reading.intervals import interval_of
from radar_nb.reading.opening import open_dataset
from radar_nb.reading.present import latest
from radar_nb.runtime.clock import Clock
from radar_nb.runtime.files import user_path
from radar_nb.runtime.table import ShownAsTable, Table
from radar_nb.runtime.wording import human_duration
from radar_nb.runtime.zones import find_zone, time_of_day

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid

Status = Literal["rain", "dry", "unknown"]

DRIZZLE = 0.12
"""mm/h from which it rains: one count of the binary RV, 0.01 mm in five minutes (DWD, RADOLAN Kompositformat 2.5,
token PR of RV). DWD's binaries hold no weaker rain; its HDF5 does, and much of that reaches no ground."""

_PAUSE = timedelta(minutes=30)  # without rain, after which rain has ended
_SEEN = 0.95  # of an area, below which it is not known whether it rains there
_FRESH = timedelta(minutes=14)  # RV: published after 4 minutes, every 5; then one file is overdue
_FARTHEST = 120  # minutes: how far RV looks ahead
_ROUND = 1e-6  # of float32 amounts, relative


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What is known about rain at one place, from now to the end of the forecast.

    Attributes
    ----------
    place : str
    lon, lat : float
        Degrees.
    status : {"rain", "dry", "unknown"}
        "rain" if it rains in an interval from now on; "dry" only if all of them are known to be dry and the
        forecast is not stale.
    raining : bool or None
        Whether it rains in the interval that contains now; None if unknown.
    starts : datetime.datetime or None
        UTC, when rain begins, if it does not rain now. Where earlier intervals are unknown, it is the latest time.
    ends : datetime.datetime or None
        UTC, the beginning of the first 30 minutes known to be dry after rain.
    clears : datetime.datetime or None
        UTC, the time after rain from which it is known to be dry to `until`.
    peak : float or None
        mm/h, the highest rate; of areas, of the cell where it is highest. None if nothing is known.
    peak_time : datetime.datetime or None
        UTC, the end of its interval; None without rain.
    sum_1h, sum_2h : float or None
        mm in the hour, and in all of the forecast, from the beginning of the interval that contains now; of areas
        the mean. The forecast ends two hours after its nominal time, so that `sum_2h` is some minutes short of two
        hours. None where an interval is unknown.
    kind : str
        "rain", "snow", "hail", ... at the place now, by HymecNG; empty if it does not rain now, or is not known.
    seen : float
        Share of the place that the radars see, the smallest of all intervals: of a point 0 or 1.
    until : datetime.datetime
        UTC, the end of the time that the answer covers.
    nominal : datetime.datetime
        UTC, when the forecast was made.
    age : datetime.timedelta
        Since then.
    stale : bool
        Whether a newer forecast should have been there.
    reason : str
        Why the status is "unknown"; empty otherwise.
    """

    place: str
    lon: float
    lat: float
    status: Status
    raining: bool | None
    starts: datetime | None
    ends: datetime | None
    clears: datetime | None
    peak: float | None
    peak_time: datetime | None
    sum_1h: float | None
    sum_2h: float | None
    kind: str
    seen: float
    until: datetime
    nominal: datetime
    age: timedelta
    stale: bool
    reason: str

    def sentence(self, timezone: str = "Europe/Berlin") -> str:
        """Return the answer as one sentence, in local time."""
        zone = find_zone(timezone)

        def clock(moment: datetime) -> str:
            return time_of_day(moment, zone, self.nominal)

        made = (
            f"forecast of {self.nominal.astimezone(zone):%H:%M %Z}, {_age(self.age)} old{' (stale)' * self.stale}"
        )
        if self.status == "unknown":
            return f"{self.place}: unknown whether it rains, since {self.reason}; {made}."
        if self.status == "dry":
            return f"{self.place}: no rain until {clock(self.until)}; {made}."
        if self.raining:
            text = f"{self.kind or 'rain'} now"
        else:
            at = "" if self.raining is False else "now unknown, "
            text = f"{at}rain from {clock(self.starts)}" if self.starts else f"{at}rain"
        if self.ends:
            text += f" until {clock(self.ends)}"
            if self.clears is None or self.clears > self.ends:
                text += f", then again{f' until {clock(self.clears)}' if self.clears else ''}"
        elif self.clears:
            text += f" until {clock(self.clears)}"
        else:
            text += f", end not before {clock(self.until)} or unknown"
        if self.peak is not None and self.peak_time is not None:
            text += f", at most {self.peak:.1f} mm/h at {clock(self.peak_time)}"
        if self.sum_2h is not None:
            text += f", {self.sum_2h:.1f} mm until {clock(self.until)}"
        return f"{self.place}: {text}; {made}."


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Nowcast(ShownAsTable):
    """Answers for places: prints as a table, iterates as rows for `pandas.DataFrame(...)`.

    Attributes
    ----------
    answers : tuple of Outlook
        One for each place, in their order.
    series : xarray.Dataset
        The amounts in mm in each interval of the run, shape (time, place): `RV`, the cell of a point or the mean
        of an area; `highest`, its wettest cell; `seen`, the share that is known.
    timezone : str
        In which times are shown; the attributes of answers are UTC.
    horizon : datetime.timedelta
        How far it looks.
    threshold : float
        mm/h from which it rains.
    """

    answers: tuple[Outlook, ...]
    series: xr.Dataset
    timezone: str
    horizon: timedelta
    threshold: float

    @property
    def status(self) -> Status:
        """Rain if it rains at any place, else unknown if any place is, else dry."""
        found = {answer.status for answer in self.answers}
        order: tuple[Status, ...] = ("rain", "unknown", "dry")
        return next(status for status in order if status in found)

    def at(self, now: datetime, *, stale: bool = False) -> Nowcast:
        """Return the answers of the same forecast at another time, without what falls (`kind`).

        Parameters
        ----------
        now : datetime.datetime
            With time zone.
        stale : bool
            Whether a newer forecast should be there, though this one is less than 14 minutes old.
        """
        now = now.astimezone(UTC)
        series, nominal = self.series, _utc(self.series["forecast_reference_time"].values)
        step = timedelta(minutes=int(series["RV"].attrs["interval_minutes"]))
        ends = [_utc(end) for end in series["time"].values]
        minutes = self.horizon // timedelta(minutes=1)
        steps = Steps(ends=ends, step=step, nominal=nominal, now=now, minutes=minutes)
        columns = (series[name].to_numpy().astype(np.float64).T for name in ("highest", "RV", "seen"))
        named = zip(*(series[name].values.tolist() for name in ("place", "lon", "lat")), strict=True)
        stale = stale or not timedelta(minutes=-10) <= now - nominal <= _FRESH
        answers = tuple(
            steps.answer(place=place, highest=highest, mean=mean, seen=seen, threshold=self.threshold, stale=stale)
            for place, highest, mean, seen in zip(named, *columns, strict=True)
        )
        return replace(self, answers=answers)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Iterate over the rows as dictionaries of values, times in UTC."""
        return ({name: getattr(one, name) for name in Outlook.__slots__} for one in self.answers)

    def __len__(self) -> int:
        """Return the number of places."""
        return len(self.answers)

    def to_dict(self) -> dict[str, Any]:
        """Return status and rows in types that JSON has: times as ISO 8601 in UTC, seconds, None for unknown."""
        return {
            "status": self.status,
            "places": [{key: _plain(value) for key, value in row.items()} for row in self],
        }

    def table(self) -> Table:
        """Return the answers as texts, in local time."""
        zone, first = find_zone(self.timezone), self.answers[0]

        def clock(moment: datetime | None) -> str:
            return "" if moment is None else time_of_day(moment, zone, first.nominal)

        def amount(value: float | None) -> str:
            return "unknown" if value is None else f"{value:.1f}"

        rows = tuple(
            (
                one.place,
                one.status,
                {True: one.kind or "yes", False: "no", None: "unknown"}[one.raining],
                clock(one.starts),
                clock(one.ends),
                clock(one.clears),
                amount(one.peak),
                clock(one.peak_time),
                amount(one.sum_1h),
                amount(one.sum_2h),
                f"{one.seen:.0%}",
            )
            for one in self.answers
        )
        made = first.nominal.astimezone(zone)
        return Table(
            title=f"Rain from now to {first.until.astimezone(zone):%H:%M %Z}",
            columns=(
                *("place", "status", "now", "starts", "30 min dry from", "dry to the end from", "peak mm/h", "at"),
                *("mm in 1 h", "mm in all", "seen"),
            ),
            rows=rows,
            notes=(
                f"DWD's RV of {made:%Y-%m-%d %H:%M %Z}, {_age(first.age)} old"
                + (", stale: a newer one should be there" if first.stale else ""),
                *dict.fromkeys(f"{one.place}: {one.reason}" for one in self.answers if one.reason),
            ),
        )


def nowcast(
    places: Any,
    horizon: Any = "2h",
    *,
    data: Any = None,
    threshold: float = DRIZZLE,
    names: str | None = None,
    timezone: str = "Europe/Berlin",
    now: datetime | None = None,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    clock: Clock | None = None,
) -> Nowcast:
    """Outlook for places: does it rain, when does it start and end, how much falls, from DWD's RV.

    A place is dry only if every interval from now to the end of the forecast is known to be dry and the forecast
    is fresh: missing values, a stale forecast and one that has run out make it unknown.

    Parameters
    ----------
    places : mapping, sequence, DataFrame, GeoDataFrame, or path
        Points as in `at_points`: names of towns, names to (lon, lat), pairs, a table, a file; also one pair
        (lon, lat). Or areas as in `over_areas`: it rains in an area if it does in one of its cells, sums are the
        mean, and it is dry only if 95 % of it are known to be.
    horizon : str or timedelta
        How far to look from now, "2h" at most. The answer ends where the forecast does, two hours after its
        nominal time: `until`.
    data : xarray.Dataset or source, optional
        RV as `open_dataset` returns it, or its file or folder, of which the newest run is taken. By default the
        server is asked: see `latest`.
    threshold : float
        mm/h from which it rains; 0.12, one count of DWD's binary RV, by default.
    names : str, optional
        The column of a table of areas that holds their names.
    timezone : str
        In which times are shown.
    now : datetime.datetime, optional
        With time zone: what is now, for a forecast of the past.
    folder, base_url, clock
        As for `latest`.

    Returns
    -------
    Nowcast
        A row for each place; `series` holds the amounts.

    Raises
    ------
    SettingsError
        A place lies outside the composite, or the horizon, threshold or time zone is not valid.
    SeriesError
        The data are not RV.
    RadarNbError
        The errors of `latest` and `open_dataset`.

    Examples
    --------
    >>> nowcast({"Leipzig": (12.37, 51.34)})  # doctest: +SKIP
    >>> nowcast("gauges.csv", data="composite_rv_20260613_1525.tar")  # doctest: +SKIP
    """
    minutes = lead_minutes(horizon)
    if not 0 < minutes <= _FARTHEST:
        raise SettingsError(f'horizon={horizon!r} is not possible: RV looks two hours ahead; use up to "2h"')
    if not 0 < threshold < 1000:
        raise SettingsError(f"threshold={threshold} is not a rate of rain: use mm/h above 0, such as {DRIZZLE}")
    find_zone(timezone)
    if now is not None and now.tzinfo is None:
        raise SettingsError(f"now={now.isoformat()!r} has no time zone: add one, such as tzinfo=UTC")
    expected = GRIDS[PRODUCTS["RV"].grids[0]]
    found = _Where.of(places, expected, names) if data is None else None  # a wrong place raises before any request
    ds, moment, stale = _forecast(data, now, folder, base_url, clock or Clock())
    fields = fields_of(variable_of(ds))
    step = interval_of(fields)
    if fields.name != "RV" or step is None:
        raise SeriesError(f"nowcast reads RV, not {fields.name}: leave out data=, or pass a file of RV")
    if found is None or grid_of(fields) != expected:
        found = _Where.of(places, grid_of(fields), names)
    amounts = found.read(fields)
    made = Nowcast(
        answers=(),
        series=found.series(fields, amounts, step).assign_coords(
            forecast_reference_time=ds["forecast_reference_time"]
        ),
        timezone=timezone,
        horizon=timedelta(minutes=minutes),
        threshold=threshold,
    )
    answered = made.at(moment, stale=stale)
    if data is not None or not any(one.raining for one in answered.answers):
        return answered
    where = {"folder": folder, "base_url": base_url, "clock": clock}
    return replace(answered, answers=_with_kinds(answered.answers, found, where))


def _with_kinds(answers: tuple[Outlook, ...], found: _Where, where: dict[str, Any]) -> tuple[Outlook, ...]:
    """Add what falls where it rains now, from a HymecNG that is not stale; without one the kind stays unknown."""
    try:
        ds = latest("HYMECNG", chunks=None, **where)
    except RadarNbError:
        return answers
    fields = fields_of(variable_of(ds))
    if ds.attrs["stale"] or fields.shape[-2:] != found.shape:
        return answers
    classes = found.read(fields)[-1]
    kinds = (_kind(classes[part]) for part in found.parts)
    return tuple(replace(one, kind=kind if one.raining else "") for one, kind in zip(answers, kinds, strict=True))


def _kind(classes: NDArray[Any]) -> str:
    """Return the name of the class that most cells with precipitation have, empty without one."""
    known = classes[np.isfinite(classes)].astype(int)
    counts = np.bincount(known[(known > 1) & (known < len(HYDROMETEOR_CLASSES))], minlength=1)
    return HYDROMETEOR_CLASSES[int(counts.argmax())].replace("_", " ") if counts.any() else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Where:
    """Places as groups of cells: one of a point, all that an area touches.

    Attributes
    ----------
    names : list of str
    lon, lat : ndarray, shape (places,)
        Degrees.
    rows, cols : ndarray of int, shape (cells,)
    weights : ndarray of float, shape (cells,)
        1 in total for each place.
    starts : ndarray of int, shape (places,)
        The first cell of each place.
    shape : (int, int)
        Of the grid.
    """

    names: list[str]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    rows: NDArray[np.int64]
    cols: NDArray[np.int64]
    weights: NDArray[np.float64]
    starts: NDArray[np.int64]
    shape: tuple[int, int]

    @classmethod
    def of(cls, places: Any, grid: Grid, names: str | None) -> _Where:
        """Find the cells of points, areas or a file of either."""
        if isinstance(places, str | os.PathLike) and user_path(places).suffix.lower() not in {"", ".csv", ".txt"}:
            places = read_shapes(user_path(places))
        if hasattr(places, "geometry") and not (places.geometry.geom_type == "Point").any():
            areas = find_areas(places, grid, names=names)
            rows, cols = np.divmod(areas.cells, grid.cols)
            labels, lon, lat, starts = areas.names, areas.lon, areas.lat, areas.starts
            weights = areas.weights.astype(np.float64)
        else:
            points = find_places(_points(places), grid)
            (rows, cols), weights, starts = points.home, np.ones(len(points.names)), np.arange(len(points.names))
            labels, lon, lat = points.names, points.lon, points.lat
        return cls(
            names=[str(label) for label in labels],
            lon=lon,
            lat=lat,
            rows=rows,
            cols=cols,
            weights=weights,
            starts=np.asarray(starts),
            shape=grid.shape,
        )

    @property
    def parts(self) -> list[slice]:
        """The cells of each place."""
        stops = [*self.starts[1:].tolist(), self.rows.size]
        return [slice(start, stop) for start, stop in zip(self.starts.tolist(), stops, strict=True)]

    def read(self, fields: xr.DataArray) -> NDArray[np.float32]:
        """Return the values of all cells, shape (time, cells), NaN where missing."""
        box, rows, cols = box_of(fields, self.rows, self.cols)
        return np.concatenate([values[..., rows, cols] for _, values in blocks(box, "read", progress=False)])

    def series(self, fields: xr.DataArray, amounts: NDArray[np.float32], step: int) -> xr.Dataset:
        """Return the mean, the highest known amount and the share that is known, shape (time, place)."""
        known = np.isfinite(amounts)
        seen = np.add.reduceat(known * self.weights, self.starts, axis=1)
        total = np.add.reduceat(np.where(known, amounts, 0) * self.weights, self.starts, axis=1)
        mean = np.full(seen.shape, np.nan, np.float32)
        np.divide(total, seen, out=mean, where=seen > 0, casting="unsafe")
        highest = np.fmax.reduceat(amounts, self.starts, axis=1)
        dims, about = ("time", "place"), {"units": "mm", "cell_methods": "time: sum", "interval_minutes": step}
        return xr.Dataset(
            {
                "RV": (dims, mean, about | {"long_name": "precipitation, mean over the place"}),
                "highest": (dims, highest, about | {"long_name": "precipitation in the wettest cell"}),
                "seen": (dims, seen, {"long_name": "share of the place that is known", "units": "1"}),
            },
            {
                "time": fields["time"],
                "place": ("place", labels_of(list(self.names))),
                "lon": ("place", self.lon, EAST),
                "lat": ("place", self.lat, NORTH),
            },
        )


def _forecast(
    data: Any, now: datetime | None, folder: Any, base_url: str | None, clock: Clock
) -> tuple[xr.Dataset, datetime, bool]:
    """Return the newest run along its lead times, what time it is, and whether it is marked as stale."""
    if data is None:
        ds = latest("RV", folder=folder, base_url=base_url, clock=clock, chunks=None)
        moment = now or _iso(ds.attrs["nominal_time"]) + timedelta(seconds=ds.attrs["age_seconds"])
    else:
        ds = data if is_dataset(data) else open_dataset(data, chunks=None, progress=False)
        moment = now or clock.now()
    if not is_forecast(ds):
        raise SeriesError("nowcast reads RV with its lead times: leave out data=, or pass a file of RV")
    run = forecast(ds, run="latest") if "prediction_time" in ds.coords else ds
    return run, moment.astimezone(UTC), now is None and bool(ds.attrs.get("stale", 0))


def _points(places: Any) -> Any:
    """Return places as `find_places` takes them: a pair alone is one place."""
    if isinstance(places, tuple) and len(places) == 2 and all(isinstance(one, int | float) for one in places):
        return {f"{places[0]:g} E {places[1]:g} N": places}
    return places


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """The intervals of a run, and those of them that lie ahead."""

    ends: Sequence[datetime]
    step: timedelta
    nominal: datetime
    now: datetime
    minutes: int

    def answer(
        self,
        *,
        place: tuple[str, float, float],
        highest: NDArray[np.float64],
        mean: NDArray[np.float64],
        seen: NDArray[np.float64],
        threshold: float,
        stale: bool,
        kind: str = "",
    ) -> Outlook:
        """Return the answer for a place.

        Parameters
        ----------
        place : (str, float, float)
            Name, longitude, latitude.
        highest, mean : ndarray, shape (steps,)
            mm in each interval, of the wettest known cell and in the mean; NaN if unknown.
        seen : ndarray, shape (steps,)
            Share of the place that is known.
        threshold : float
            mm/h.
        stale : bool
        kind : str
        """
        horizon = self.now + timedelta(minutes=self.minutes)
        coming = [at for at, end in enumerate(self.ends) if end > self.now]
        ahead = [at for at in coming if self.ends[at] - self.step < horizon]
        least = threshold * (self.step / timedelta(hours=1)) * (1 - _ROUND)
        with np.errstate(invalid="ignore"):
            wet = highest >= least
        known = seen >= _SEEN
        states: list[bool | None] = [True if wet[at] else False if known[at] else None for at in ahead]
        gap = self._gap(ahead)
        rain = next((at for at, state in zip(ahead, states, strict=True) if state), None)
        reason = self._reason(states, stale=stale, gap=gap)
        status: Status = "rain" if rain is not None else "unknown" if reason else "dry"
        now = states[0] if ahead and self._begin(ahead[0]) <= self.now else None
        peak = max((at for at in ahead if np.isfinite(highest[at])), key=lambda at: highest[at], default=None)
        ends, clears = self._after(ahead, states, gap=gap)
        return Outlook(
            place=place[0],
            lon=place[1],
            lat=place[2],
            status=status,
            raining=None if stale and not now else now,
            starts=self._begin(rain) if rain is not None and not now else None,
            ends=ends,
            clears=clears,
            peak=None if peak is None else float(highest[peak] * (timedelta(hours=1) / self.step)),
            peak_time=self.ends[peak] if peak is not None and wet[peak] else None,
            sum_1h=self._sum(mean, known, coming[: round(timedelta(hours=1) / self.step)], whole=True),
            sum_2h=self._sum(mean, known, coming, whole=False),
            kind=kind if now else "",
            seen=float(min((seen[at] for at in ahead), default=0.0)),
            until=self.ends[ahead[-1]] if ahead else self.now,
            nominal=self.nominal,
            age=self.now - self.nominal,
            stale=stale,
            reason=reason if status == "unknown" else "",
        )

    def _begin(self, at: int) -> datetime:
        return self.ends[at] - self.step

    def _gap(self, ahead: Sequence[int]) -> bool:
        """Return whether an interval from now to the end of what is there has no field at all."""
        if not ahead:
            return True
        return self._begin(ahead[0]) > self.now or any(
            self.ends[one] - self.ends[two] != self.step for one, two in zip(ahead[1:], ahead, strict=False)
        )

    def _reason(self, states: Sequence[bool | None], *, stale: bool, gap: bool) -> str:
        if not states:
            return "the forecast does not reach to now"
        if self.now < self.nominal - timedelta(minutes=10):
            return "the forecast is of the future: check the clock of this computer"
        if stale:
            return "a newer forecast should be there"
        if gap:
            return "the forecast lacks intervals"
        if None in states:
            return (
                "the radars do not see it all of the time"
                if any(s is False for s in states)
                else "no radar sees it"
            )
        return ""

    def _after(
        self, ahead: Sequence[int], states: Sequence[bool | None], *, gap: bool
    ) -> tuple[datetime | None, datetime | None]:
        """Return when the first 30 dry minutes after rain begin, and from when it is dry to the end."""
        if gap or True not in states:
            return None, None
        first = states.index(True)
        count = round(_PAUSE / self.step)
        ends = next(
            (
                self._begin(ahead[at])
                for at in range(first + 1, len(states) - count + 1)
                if all(state is False for state in states[at : at + count])
            ),
            None,
        )
        last = len(states)
        while states[last - 1] is False:
            last -= 1
        clears = self._begin(ahead[last]) if last < len(states) and states[last - 1] else None
        return ends, clears

    def _sum(
        self, mean: NDArray[np.float64], known: NDArray[np.bool_], some: Sequence[int], *, whole: bool
    ) -> float | None:
        """Return the sum of some intervals, None if one is unknown; with `whole` they must be an hour."""
        if not some or self._gap(some) or not known[some].all() or not np.isfinite(mean[some]).all():
            return None
        if whole and len(some) * self.step < timedelta(hours=1):
            return None
        return float(mean[some].sum())


def _utc(stamp: Any) -> datetime:
    moment: datetime = np.datetime64(stamp, "s").item()
    return moment.replace(tzinfo=UTC)


def _iso(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _age(age: timedelta) -> str:
    seconds = age.total_seconds()
    return human_duration(seconds) if seconds >= 0 else f"-{human_duration(-seconds)}"


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return value.total_seconds() if isinstance(value, timedelta) else value
