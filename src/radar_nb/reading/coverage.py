"""Which of the expected frames of a source's months exist, and which radars contributed to them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.dwd.months import Month, month_range
from radar_nb.dwd.products import PRODUCTS, frame_step, product_of, true_interval
from radar_nb.errors import NothingFound, SeriesError
from radar_nb.formats.radolan import SYNTHETIC
from radar_nb.reading.intervals import stated_interval
from radar_nb.reading.series import of_products
from radar_nb.reading.sources import find_frames

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from radar_nb.formats.index import Frames
    from radar_nb.runtime.progress import Reporter

_MINUTE = 60  # seconds


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Coverage:
    """Existing frames, and the period in which they are expected.

    Attributes
    ----------
    product : str
    title : str
        Description of the product.
    times : ndarray of datetime64[s], shape (n,)
        Stamps of the frames, ascending, without duplicates, UTC.
    kinds : ndarray of int64, shape (n,)
        For each frame, the row of its radars in `seen`.
    radars : tuple of str
        Ids of all radars in the headers; empty if the source does not state them.
    seen : ndarray of bool, shape (k, len(radars))
        Which radars are in the headers of a kind of frame.
    every : int
        Minutes from one frame to the next.
    begin, end : numpy.datetime64[s]
        The period, from the first stamp to before the end.
    problems : int
        Number of files and frames that cannot be read.
    made_up : bool
        Whether the data are synthetic.
    """

    product: str
    title: str
    times: NDArray[np.datetime64]
    kinds: NDArray[np.int64]
    radars: tuple[str, ...]
    seen: NDArray[np.bool_]
    every: int
    begin: np.datetime64
    end: np.datetime64
    problems: int
    made_up: bool

    @property
    def months(self) -> tuple[Month, ...]:
        """The months of the period."""
        return month_range(Month.of(self.begin), Month.of(self.end - np.timedelta64(1, "s")))

    def expected(self, edges: NDArray[np.datetime64]) -> NDArray[np.int64]:
        """Count the expected frames between each edge and the next, excluding the next edge."""
        step = np.timedelta64(self.every, "m").astype("timedelta64[s]")
        phase = (self.times[0] - self.begin) % step
        inside = np.clip(edges.astype("datetime64[s]"), self.begin, self.end) - self.begin
        before: NDArray[np.int64] = np.maximum(-((phase - inside) // step), 0)
        return np.diff(before)

    def share(self, edges: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Return the share of expected frames that exist, from 0 to 1; NaN where no frame is expected."""
        expected = self.expected(edges)
        found = np.diff(np.searchsorted(self.times, edges.astype("datetime64[s]")))
        share = np.where(expected > 0, np.minimum(found / np.maximum(expected, 1), 1.0), np.nan)
        result: NDArray[np.float64] = share
        return result

    def radar_share(self, edges: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Return for each radar the share of existing frames that name it; NaN where there is no frame.

        Returns
        -------
        ndarray of float64, shape (radars, periods)
        """
        places = np.searchsorted(edges.astype("datetime64[s]"), self.times, side="right") - 1
        inside = (places >= 0) & (places < len(edges) - 1)
        counts = np.zeros((len(edges) - 1, len(self.seen)))
        np.add.at(counts, (places[inside], self.kinds[inside]), 1)
        found = counts.sum(axis=1)
        share: NDArray[np.float64] = (counts @ self.seen).T / np.where(found > 0, found, np.nan)
        return share


def find_coverage(
    source: Any,
    *,
    product: str | None,
    first: Any,
    last: Any,
    errors: Literal["raise", "report"],
    progress: bool | Reporter,
) -> Coverage:
    """Return the coverage of a source: see `radar_nb.plot_coverage` for the arguments."""
    asked = () if first is None and last is None else month_range(last if first is None else first, last)
    if hasattr(source, "coords"):
        return _of_dataset(source if hasattr(source, "data_vars") else source.to_dataset(), asked)
    plan = hasattr(source, "on_disk")
    files = [source.local(archive) for archive in source.on_disk] if plan else source
    frames, _ = find_frames(files, errors=errors, progress=progress)
    problems = len(frames.problems)
    frames = of_products(frames, product)
    names = sorted({frames.kinds[kind].header.product for kind in np.unique(frames.rows["kind"])})
    if len(names) > 1:
        raise SeriesError(f"the source holds {', '.join(names)}: choose one with product=, such as {names[0]!r}")
    months = asked or (source.months if plan else _months_of(frames))
    return _of_frames(frames, names[0], _span(months), problems)


def _months_of(frames: Frames) -> tuple[Month, ...]:
    """Return the months from the first frame to the last: an archive represents a whole month."""
    ends = frames.rows["time"].min(), frames.rows["time"].max()
    return month_range(*(np.datetime64(int(end), "s") for end in ends))


def _span(months: tuple[Month, ...]) -> tuple[np.datetime64, np.datetime64]:
    """Return begin and end of months; frames of the future are not expected."""
    now = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "s")
    begin, end = (np.datetime64(month.first_day, "s") for month in (months[0], months[-1] + 1))
    return begin, max(min(end, now), begin + np.timedelta64(1, "s"))


def _of_frames(frames: Frames, name: str, span: tuple[np.datetime64, np.datetime64], problems: int) -> Coverage:
    order = np.argsort(frames.rows["time"], kind="stable")
    stamps = frames.rows["time"][order]
    first = np.append(True, np.diff(stamps) > 0)  # in forecasts each time occurs with several leads
    headers = [kind.header for kind in frames.kinds]
    radars = sorted({_radar(radar) for header in headers for radar in header.radars})
    seen = np.array([[radar in map(_radar, header.radars) for radar in radars] for header in headers], bool)
    known = PRODUCTS.get(name)
    header = headers[int(frames.rows["kind"][0])]
    interval = true_interval(name, header.interval)
    return Coverage(
        product=name,
        title=known.title if known else name,
        times=stamps[first].astype("datetime64[s]"),
        kinds=frames.rows["kind"][order][first].astype(np.int64),
        radars=tuple(radars),
        seen=seen.reshape(len(headers), len(radars)),
        every=frame_step(name, interval, stamps[first] // _MINUTE),
        begin=span[0],
        end=span[1],
        problems=problems,
        made_up=headers[0].software == SYNTHETIC,
    )


def _of_dataset(ds: Any, asked: tuple[Month, ...]) -> Coverage:
    """Return the coverage of a Dataset: a step exists unless `fill_gaps` added it."""
    if "time" not in ds.coords or not ds["time"].size:
        raise SeriesError("the Dataset has no time: pass what open_dataset returns, or the archives themselves")
    steps = np.atleast_1d(ds["time"].values).astype("datetime64[s]")
    there = ds["source"].values != "" if "source" in ds.coords else np.full(steps.size, fill_value=True)
    times = _distinct(steps[np.atleast_1d(there)])
    if not times.size:
        raise NothingFound(
            "none of the Dataset's steps has a frame: pass it as it was before fill_gaps, or another"
        )
    begin, end = _span(asked) if asked else (steps.min(), steps.max() + np.timedelta64(1, "s"))
    variable = next(iter(ds.data_vars.values()), None)
    minutes = None if variable is None else stated_interval(variable)
    if variable is None or not minutes:
        raise SeriesError(
            "the Dataset has no variable that states its interval (attribute interval_minutes), so that missing "
            "steps cannot be counted: pass what open_dataset returns, or the archives themselves"
        )
    product = product_of(str(variable.name))
    return Coverage(
        product=str(variable.name),
        title=str(variable.attrs.get("long_name", "")),
        times=times,
        kinds=np.zeros(times.size, np.int64),
        radars=(),
        seen=np.zeros((1, 0), bool),
        every=frame_step(product, int(minutes), times.astype(np.int64) // _MINUTE),
        begin=begin,
        end=end,
        problems=0,
        made_up=str(ds.attrs.get("institution", "")).startswith("none"),
    )


def _radar(name: str) -> str:
    return name.removeprefix("de")


def _distinct(times: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """Return times without duplicates, ascending; np.unique hashes, which takes seconds for millions."""
    rising: NDArray[np.datetime64] = np.sort(times)
    distinct: NDArray[np.datetime64] = rising[np.append(True, rising[1:] > rising[:-1])] if rising.size else rising
    return distinct
