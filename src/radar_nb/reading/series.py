"""Select the frames of one series: one product and grid, unique times, separate intervals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.dwd.archive_names import is_alias
from radar_nb.dwd.products import PRODUCTS, frame_step, missing_steps, true_interval
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.formats.index import Problem
from radar_nb.reading.sources import raise_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from radar_nb.formats.index import Frames
    from radar_nb.formats.radolan import Header

_EARLY = 5
"""Minutes by which sums may overlap and still count as separate: some hours of RW's first years end at minute
45."""

ANCHORS = {60: 50, 1440: 5 * 60 + 50}
"""Minutes after midnight at which hourly and daily sums are selected: RW at minute 50, as DWD archives them, SF at
05:50, the end of the climatological day of precipitation."""

_MINUTE = 60  # seconds
_LISTED = 20
"""Maximum number of frames that a message or an attribute lists."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Series:
    """Frames on their axes.

    Attributes
    ----------
    frames : Frames
    times : ndarray of datetime64[s], shape (n,)
        The stamps, ascending, UTC.
    leads : tuple of int or None, length m
        Forecast minutes, ascending; (None,) without forecasts.
    slots : ndarray of int64, shape (n, m)
        Numbers of rows in `frames`; -1 for missing frames.
    missing : ndarray of datetime64[s]
        Time steps between the first and the last without any frame, counted in the product's own step (see
        `radar_nb.dwd.products.frame_step`).
    doubled : tuple of str
        Frames that occurred twice, and which one was used.
    doubled_at : ndarray of datetime64[s]
        Their stamps.
    taken : str
        Which of overlapping sums were selected, in words; empty if none overlap.
    problems : tuple of Problem
        Faults, and frames that were ignored because they are of another product, interval or grid.
    skipped : tuple of str
        Files that were skipped, and why.
    base : ndarray of datetime64[s], shape () or (n,), or None
        Base times of forecasts, if `times` are their times of validity: see `reading.forecasts`.
    """

    frames: Frames
    times: NDArray[np.datetime64]
    leads: tuple[int | None, ...]
    slots: NDArray[np.int64]
    missing: NDArray[np.datetime64]
    doubled: tuple[str, ...]
    doubled_at: NDArray[np.datetime64]
    taken: str
    problems: tuple[Problem, ...] = ()
    skipped: tuple[str, ...] = ()
    base: NDArray[np.datetime64] | None = None


def of_products(frames: Frames, variables: str | Sequence[str] | None) -> Frames:
    """Keep the frames of some products.

    Raises
    ------
    SeriesError
        The source holds none of them.
    """
    if variables is None:
        return frames
    wanted = {variables.upper()} if isinstance(variables, str) else {name.upper() for name in variables}
    mask = np.array([kind.header.product in wanted for kind in frames.kinds], bool)[frames.rows["kind"]]
    if not mask.any():
        have = ", ".join(sorted({kind.header.product for kind in frames.kinds}))
        raise SeriesError(f"the source holds no frame of {', '.join(sorted(wanted))}: it holds {have}")
    return frames.take(mask)


def product_counts(frames: Frames) -> dict[str, int]:
    """Return how many frames of each product there are, by name."""
    counts: Counter[str] = Counter()
    for kind, count in zip(*np.unique(frames.rows["kind"], return_counts=True), strict=True):
        counts[frames.kinds[kind].header.product] += int(count)
    return dict(sorted(counts.items()))


def _refuse_several(frames: Frames) -> None:
    """Raise an error if there are frames of several products."""
    if len(counts := product_counts(frames)) > 1:
        listed = ", ".join(f"{name} ({count} frame{'s' * (count != 1)})" for name, count in counts.items())
        raise SeriesError(
            f"the source holds {len(counts)} products, {listed}: choose one, such as "
            f"variables={next(iter(counts))!r}"
        )


def _with_true_interval(frames: Frames) -> tuple[Frames, tuple[Problem, ...]]:
    """Ignore and report frames whose header contradicts the interval in the table of products."""
    wrong = [
        number
        for number, kind in enumerate(frames.kinds)
        if (known := PRODUCTS.get(kind.header.product)) is not None
        and not known.growing
        and known.interval != true_interval(known.name, kind.header.interval)
    ]
    bad = np.isin(frames.rows["kind"], wrong)
    if not bad.any():
        return frames, ()
    rows = np.flatnonzero(bad)
    problems = []
    for row in rows[:_LISTED].tolist():
        header = frames.kinds[frames.rows["kind"][row]].header
        problems.append(
            f"{frames.place(row)} states an interval of {header.interval} min in its header, but {header.product} "
            f"has one of {PRODUCTS[header.product].interval} min in the table of products: fetch the file again, "
            'or ignore it with errors="report"'
        )
    if rows.size > _LISTED:
        problems.append(f"and {rows.size - _LISTED} more")
    return frames.take(~bad), tuple(Problem("SeriesError", text) for text in problems)


def _of_one_kind(frames: Frames, *, any_grid: bool) -> tuple[Frames, tuple[Problem, ...]]:
    """Keep the frames of the most frequent kind, and report the others.

    Frames are of one kind if they have the same product, version, interval and, unless `any_grid`, grid and unit;
    binaries and HDF5 may be mixed, and frames of one version with those that have none.
    """
    by_version = len(_versions(kind.header for kind in frames.kinds)) > 1
    keys = [
        (kind.header.reanalysis if by_version else None, *_key(kind.header, hdf5=kind.hdf5, any_grid=any_grid))
        for kind in frames.kinds
    ]
    # HDF5, where each file states its steps, continues where binaries of the product and grid end
    binary = {key[:-1]: key for key in keys if key[-1] is not None}
    keys = [binary.get(key[:-1], key) if key[-1] is None else key for key in keys]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    of_kind = np.array([numbers[key] for key in keys], np.intp)
    of_row = of_kind[frames.rows["kind"]]
    counts = np.bincount(of_row, minlength=len(numbers))
    if np.count_nonzero(counts) <= 1:
        return frames, ()
    main = int(counts.argmax())
    first = int((of_row == main).argmax())
    others = np.flatnonzero(of_row != main)
    usual = describe(frames.kinds[frames.rows["kind"][first]].header)
    problems = tuple(
        Problem(
            "SeriesError",
            f"{frames.place(row)} is {describe(frames.kinds[frames.rows['kind'][row]].header)}, unlike "
            f"{frames.place(first)}, which is {usual}",
        )
        for row in others[:_LISTED].tolist()
    )
    return frames.take(of_row == main), problems + _rest(frames, others[_LISTED:], of_row)


def _rest(frames: Frames, rows: NDArray[Any], of_row: NDArray[Any]) -> tuple[Problem, ...]:
    """Report the number of further frames, the periods of each grid, and possible solutions."""
    problems = [Problem("SeriesError", f"and {rows.size} more")] if rows.size else []
    spans = []
    for number in np.unique(of_row):
        times = frames.rows["time"][of_row == number]
        kind = frames.kinds[frames.rows["kind"][(of_row == number).argmax()]]
        first, last = np.array([times.min(), times.max()], "datetime64[s]")
        spans.append(f"{describe(kind.header)}: {times.size} frame{'s' * (times.size > 1)} from {first} to {last}")
    headers = [frames.kinds[kind].header for kind in np.unique(frames.rows["kind"])]
    way = "open them one by one"
    if len(versions := _versions(headers)) > 1:
        way = f"open the versions {' and '.join(versions)} one by one, or remove the files of all but one"
    elif len({header.product for header in headers}) > 1:
        way += ", or choose with variables="
    elif len({(header.rows, header.cols, header.version >= 5) for header in headers}) > 1:
        way += (
            ', or bring them to one grid, such as grid="de1200" (regrid="overlap" keeps the amounts, '
            'regrid="nearest" the values)'
        )
    text = "the source holds " + "; ".join(spans) + f". What can be done: {way}"
    return (*problems, Problem("SeriesError", text))


def _versions(headers: Iterable[Header]) -> list[str]:
    """Return the versions of RADKLIM that headers state."""
    return sorted({header.reanalysis for header in headers if header.reanalysis is not None})


def _key(header: Header, *, hdf5: bool, any_grid: bool) -> tuple[Any, ...]:
    same = header.product, header.interval
    if any_grid:
        return *same, None
    return *same, header.rows, header.cols, header.version >= 5, None if hdf5 else header.precision


def describe(header: Header) -> str:
    """Describe the kind of a header."""
    earth = "WGS84" if header.version >= 5 else "the sphere"
    version = f" {header.reanalysis}" if header.reanalysis else ""
    return (
        f"{header.product}{version} of {header.interval} min on {header.rows} x {header.cols} cells on {earth} "
        f"in steps of 1e{header.precision}"
    )


def make_series(
    frames: Frames,
    *,
    variables: str | Sequence[str] | None,
    any_grid: bool,
    sums: str,
    fill_gaps: bool,
    errors: Literal["raise", "report"],
) -> Series:
    """Arrange the frames of one product and grid on their axes.

    Parameters
    ----------
    frames : Frames
    variables, sums, fill_gaps, errors
        See `open_dataset`.
    any_grid : bool
        Whether frames on different grids may be mixed.

    Raises
    ------
    SettingsError
        `sums` is not valid.
    SeriesError
        The source holds none of the variables, frames of several kinds, or no frame that ends at the time of day.
    """
    frames = of_products(frames, variables)
    if errors == "raise":
        _refuse_several(frames)
    frames, wrong = _with_true_interval(frames)
    frames, others = _of_one_kind(frames, any_grid=any_grid) if not wrong or errors == "report" else (frames, ())
    if errors == "raise":
        raise_problems(wrong or others)
    if not len(frames.rows):
        raise_problems(wrong)
    header = frames.kinds[frames.rows["kind"][0]].header
    interval = true_interval(header.product, header.interval)
    frames, taken = _apart(frames, interval, sums)
    leads_of_kind = np.array([-1 if kind.header.lead is None else kind.header.lead for kind in frames.kinds])
    leads = leads_of_kind[frames.rows["kind"]]
    stamps = np.unique(leads_of_kind[np.unique(frames.rows["kind"])])
    axis = np.searchsorted(stamps, leads)
    order = np.arange(len(axis))
    if stamps.size > 1 or (np.diff(frames.rows["time"]) <= 0).any():
        order = np.lexsort((frames.numbers, _ranks(frames), axis, frames.rows["time"]))
    same = np.zeros(len(order), bool)
    same[:-1] = (np.diff(frames.rows["time"][order]) == 0) & (np.diff(axis[order]) == 0)
    twice = [at for at in np.flatnonzero(same).tolist() if not _is_copy(frames, order[at], order[at + 1])]
    doubled = tuple(  # the last of the best form wins
        f"{frames.place(order[at])} (taken: {frames.place(order[at + 1])})" for at in twice
    )
    doubled_at = frames.rows["time"][order[twice]].astype("datetime64[s]")
    order = order[~same]
    times = _distinct(frames.rows["time"])
    minutes = times // _MINUTE
    missing = missing_steps(minutes, frame_step(header.product, interval, minutes)) * _MINUTE
    shown = np.sort(np.append(times, missing)) if fill_gaps else times
    slots = np.full((shown.size, stamps.size), -1, np.int64)
    slots[np.searchsorted(shown, frames.rows["time"][order]), axis[order]] = order
    return Series(
        frames=frames,
        times=shown.astype("datetime64[s]"),
        leads=tuple(None if lead < 0 else int(lead) for lead in stamps),
        slots=slots,
        missing=missing.astype("datetime64[s]"),
        doubled=doubled,
        doubled_at=doubled_at,
        taken=taken,
        problems=(*frames.problems, *wrong, *others),
    )


_FORMS = ("ascii", "netcdf")
"""What is taken after binaries and HDF5: ASCII has fewer digits than some binaries, and neither has flags."""


def _ranks(frames: Frames) -> NDArray[np.int64]:
    """Return which of two frames of one time is taken: the one of the higher rank, and an alias never."""
    form = np.array([_FORMS.index(kind.form) if kind.form in _FORMS else len(_FORMS) for kind in frames.kinds])
    alias = np.array([is_alias(index.archive.name) for index in frames.indexes])
    ranks: NDArray[np.int64] = np.where(alias[frames.archives()], -1, form[frames.rows["kind"]])
    return ranks


def _is_copy(frames: Frames, row: int, taken: int) -> bool:
    """Return whether a frame is an alias's copy of the one that is taken."""
    hashes = frames.rows["hash"]
    return hashes[row] == hashes[taken] and is_alias(frames.index(row).archive.name)


def _apart(frames: Frames, interval: int, sums: str) -> tuple[Frames, str]:
    """Ignore overlapping sums; those of forecasts are kept until a run or a lead time is chosen."""
    if sums == "apart" and any(kind.header.lead is not None for kind in frames.kinds):
        return frames, ""
    kept, taken = choose_sums(frames.rows["time"].astype("datetime64[s]"), interval, sums)
    return (frames.take(kept), taken) if taken else (frames, "")


def choose_sums(times: NDArray[np.datetime64], interval: int, sums: str) -> tuple[NDArray[np.bool_], str]:
    """Choose among overlapping sums: hourly ones every ten minutes, daily ones every hour.

    Parameters
    ----------
    times : ndarray of datetime64[s], shape (n,)
        Ends of the sums, UTC.
    interval : int
        Minutes that each covers.
    sums : str
        As in `open_dataset`.

    Returns
    -------
    kept : ndarray of bool, shape (n,)
    taken : str
        Which were selected, in words; empty if none overlap.
    """
    minutes = times.astype(np.int64) // _MINUTE
    everything = np.ones(minutes.size, bool)
    if sums == "all":
        return everything, ""
    if sums == "apart":
        distinct = _distinct(minutes)
        if not overlap_step(distinct, interval):
            return everything, ""
        anchor = ANCHORS.get(interval, 0) % interval
        phases = Counter((distinct % interval).tolist())
        if anchor not in phases:
            anchor = max(phases, key=lambda phase: (phases[phase], phase))
    else:
        anchor = _minutes(sums) % interval
        if not (minutes % interval == anchor).any():
            raise SeriesError(f'no sum of {interval} min in the source ends at {sums}: use another time, or "all"')
    kept = minutes % interval == anchor
    clock = f"{anchor // 60:02d}:{anchor % 60:02d}" if interval > 60 else f"minute {anchor:02d} of each hour"
    count = f"{np.count_nonzero(kept)} of {minutes.size}"
    return kept, f"{count} overlapping sums of {interval} min: those that end at {clock}"


def overlap_step(minutes: NDArray[np.int64], interval: int) -> int:
    """Return the shortest time from one sum to the next if some overlap, in minutes; 0 if none do.

    Parameters
    ----------
    minutes : ndarray of int64, shape (n,)
        Ends of the sums in minutes, ascending.
    interval : int
        Minutes that each covers.

    Examples
    --------
    >>> overlap_step(np.array([50, 60, 70]), 60), overlap_step(np.array([50, 105, 170]), 60)
    (10, 0)
    """
    shortest = int(np.diff(minutes).min(initial=interval))
    return shortest if shortest < interval - _EARLY else 0


def series_step(name: str, interval: int, minutes: NDArray[np.int64]) -> int:
    """Return the minutes from one step to the next in a complete series of ends of intervals.

    It is the product's own step (see `radar_nb.dwd.products.frame_step`), or the interval where overlapping sums
    were left apart: of RQ, an hour every 15 minutes, the table has no step of an hour.
    """
    step = frame_step(name, interval, minutes)
    return interval if step < interval and not (np.diff(minutes) < interval).any() else step


def _minutes(clock: str) -> int:
    try:
        hours, minutes = (int(text) for text in clock.split(":"))
    except ValueError:
        hours = minutes = -1
    if not (0 <= hours < 24 and 0 <= minutes < 60):
        raise SettingsError(f'sums={clock!r} is not valid: use "apart", "all" or a time of day such as "05:50"')
    return 60 * hours + minutes


def _distinct(times: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return times without duplicates, ascending; np.unique hashes, which takes seconds for millions of them."""
    rising: NDArray[np.int64] = np.sort(times)
    distinct: NDArray[np.int64] = rising[np.append(True, np.diff(rising) > 0)]
    return distinct
