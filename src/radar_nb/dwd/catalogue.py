"""From a product and months to a plan of what to fetch.

Months that the table of eras knows need no network. Otherwise (folders of days or frames, months newer than the
table) the plan is made from directory listings, which the caller fetches: the only input here is to check which
files are on disk.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import numpy as np

from radar_nb.dwd.archive_names import ERAS, Era, filed_under
from radar_nb.dwd.months import Month, time_steps
from radar_nb.dwd.products import RETENTION
from radar_nb.errors import CoverageError, MonthError, SettingsError
from radar_nb.runtime.files import archive_state, local_path
from radar_nb.runtime.table import ShownAsTable, Table
from radar_nb.runtime.wording import human_bytes, human_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from radar_nb.dwd.archive_names import Form
    from radar_nb.dwd.listings import ListedFile
    from radar_nb.dwd.products import Family, Product


FORMS: tuple[Form, ...] = ("binary", "hdf5", "netcdf", "ascii")
"""The forms in which DWD publishes frames."""

Span = tuple[np.datetime64, np.datetime64]
"""The first and the last time stamp of a range, inclusive, UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteArchive:
    """One file to fetch.

    Attributes
    ----------
    path : str
        Below the server's root, with slashes but no leading one.
    month : Month
        The month that the file is (a part of).
    size : int or None
        Bytes as listed; None without a listing.
    modified : datetime or None
        As listed, UTC.
    typical : int
        Bytes of a typical file of this kind.
    """

    path: str
    month: Month
    size: int | None = None
    modified: datetime | None = None
    typical: int

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.rpartition("/")[2]

    @property
    def expected(self) -> int:
        """Expected bytes: as listed, or else typical."""
        return self.typical if self.size is None else self.size


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A part of the request that the server does not have.

    Attributes
    ----------
    month : Month
    what : str
        A month or days, in words.
    reason : str
    """

    month: Month
    what: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Plan(ShownAsTable):
    """What will be fetched, its size, what is already on disk, and what the server lacks.

    Attributes
    ----------
    product : Product
    family : Family
    months : tuple of Month
        As requested, in order.
    base_url : str
        The server.
    folder : pathlib.Path
        The data folder.
    archives : tuple of RemoteArchive
        In the order of time.
    missing : tuple of Missing
        Months and days without a file.
    span : tuple of numpy.datetime64, or None
        The first and the last requested time stamp, UTC, if the request is shorter than the months; `load` and
        `open_dataset` cut to it. Files are fetched whole, often a month.

    Examples
    --------
    >>> plan("YW", "2020-05", "2020-07").bytes_to_fetch  # doctest: +SKIP
    600000000
    """

    product: Product
    family: Family
    months: tuple[Month, ...]
    base_url: str
    folder: Path
    archives: tuple[RemoteArchive, ...]
    missing: tuple[Missing, ...] = ()
    span: Span | None = None

    def url(self, archive: RemoteArchive) -> str:
        """Return the address of a file."""
        return f"{self.base_url}/{quote(archive.path)}"

    def local(self, archive: RemoteArchive) -> Path:
        """Return the path of a file in the data folder: the same as on the server."""
        return local_path(self.folder, archive.path)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths of all files in the data folder, existing or not: a source for `open_dataset`."""
        return tuple(self.local(archive) for archive in self.archives)

    @property
    def on_disk(self) -> tuple[RemoteArchive, ...]:
        """The complete files in the data folder, looked up now."""
        return tuple(archive for archive in self.archives if archive_state(self.local(archive)) == "whole")

    @property
    def bytes(self) -> int:
        """Bytes of all files: as listed, or else typical."""
        return sum(archive.expected for archive in self.archives)

    @property
    def bytes_to_fetch(self) -> int:
        """Bytes of the files that are not on disk."""
        return self.bytes - sum(archive.expected for archive in self.on_disk)

    @property
    def exact(self) -> bool:
        """Whether all sizes come from the server's listing."""
        return all(archive.size is not None for archive in self.archives)

    @property
    def frames(self) -> tuple[int, int]:
        """The number of frames that the request covers, and that of its whole months."""
        family, months = self.family, self.months
        stamps = np.concatenate([time_steps(m, every=family.every, minute=family.minute) for m in months])
        begin, end = self.span or (stamps[0], stamps[-1])
        return int(((begin <= stamps) & (stamps <= end)).sum()), stamps.size

    def table(self) -> Table:
        """Return the plan as a table, one row per month."""
        here = set(self.on_disk)
        rows = []
        for month in self.months:
            files = [archive for archive in self.archives if archive.month == month]
            gaps = [f"{gap.what}: {gap.reason}" for gap in self.missing if gap.month == month]
            size = sum(archive.expected for archive in files)
            there = sum(archive in here for archive in files)
            rows.append((str(month), str(len(files)), self._size(size), str(there), "; ".join(gaps)))
        count = len(self.archives)
        total = (
            f"{count} file{'s' * (count != 1)}, {self._size(self.bytes)}; {len(here)} on disk, "
            f"{self._size(self.bytes_to_fetch)} to fetch from {self.base_url}"
        )
        return Table(
            title=f"{self.product.name} ({self.family.title})",
            columns=("month", "files", "size", "on disk", "missing"),
            rows=tuple(rows),
            notes=(total, *filter(None, [self._cut()]), f"into {self.folder}"),
        )

    def _cut(self) -> str:
        """Return how much of the files was requested, if not all."""
        if self.span is None:
            return ""
        (first, last), (asked, every) = map(human_time, self.span), self.frames
        return f"requested {first} to {last}: {asked:,} of the {every:,} frames of these months"

    def _size(self, count: int) -> str:
        return f"{'' if self.exact or not count else 'about '}{human_bytes(count)}"

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values for JSON."""
        here = set(self.on_disk)
        return {
            "product": self.product.name,
            "family": self.family.name,
            "months": [str(month) for month in self.months],
            "span": None if self.span is None else [f"{time}Z" for time in self.span],
            "base_url": self.base_url,
            "folder": str(self.folder),
            "bytes": self.bytes,
            "bytes_to_fetch": self.bytes_to_fetch,
            "exact": self.exact,
            "archives": [
                {
                    "url": self.url(archive),
                    "path": str(self.local(archive)),
                    "month": str(archive.month),
                    "size": archive.size,
                    "modified": None if archive.modified is None else archive.modified.isoformat(),
                    "on_disk": archive in here,
                }
                for archive in self.archives
            ],
            "missing": [{"month": str(g.month), "what": g.what, "reason": g.reason} for g in self.missing],
        }


def choose_family(
    product: Product, months: Sequence[Month], source: str, now: datetime, form: Form | None = None
) -> Family:
    """Choose the one family that covers a range of months.

    RADKLIM and RADOLAN are different series on different grids; they are never mixed.

    Parameters
    ----------
    product : Product
    months : sequence of Month
    source : {"auto", "radklim", "radolan", "nrt"}
        "auto" selects the first family that covers all months. A named family is used if it covers any.
    now : datetime
        With time zone.
    form : {"binary", "hdf5", "netcdf", "ascii"}, optional
        Only families that DWD publishes in this form.

    Returns
    -------
    Family

    Raises
    ------
    UnknownProduct
        The product has no family of that name.
    CoverageError
        No family covers the range, the named one covers none of it, or none has the form.
    """
    asked = f"{months[0]} to {months[-1]}" if len(months) > 1 else str(months[0])
    if not product.families:
        why, choice = INSTEAD.get(product.name, ("", ""))
        today = f"; {why}: choose {choice}" if why else ""
        raise CoverageError(
            f"{product.name} is not in DWD's archives known to radar_nb: open files of it with open_dataset{today}"
        )
    if months[0] > Month.of(now):
        raise CoverageError(
            f"{product.name} of {asked} is in the future: choose months up to the current one, {Month.of(now)}"
        )
    families = _in_form(product, form, source)
    spans = ", ".join(f"{family.name} holds {family.span}" for family in product.families)
    if source != "auto":
        (family,) = families
        # near real time, and months newer than expected, may still exist: the listing shows it
        if any((family.first or month) <= month <= Month.of(now) for month in months):
            return family
        raise CoverageError(f"{product.name} of {asked} is not in {family.name}: {spans}; choose other months")
    for family in families:
        if all(family.expects(month, now) for month in months):
            return family
    parts = "; ".join(_covered(family, months, now) for family in families)
    raise CoverageError(
        f"no family of {product.name} covers {asked}: {parts} ({spans}). Choose months within one family, "
        "or name it (source=) to get the part that it covers"
    )


INSTEAD = {
    "PG": ("DWD publishes it as BUFR today, which radar_nb does not read", "WN or HX instead"),
    "RQ": ("DWD has replaced it by RS", "RS instead"),
}
"""What became of products, and what to choose in their place (DWD, notice of 4 August 2025)."""


def _in_form(product: Product, form: Form | None, source: str) -> tuple[Family, ...]:
    """Return the families, or the one named, that are published in a form; raise where there is none."""
    families = product.families if source == "auto" else (product.family(source),)
    if form is None:
        return families
    have = {(era.family, era.form) for era in ERAS if era.product == product.name}
    if form not in FORMS:
        raise SettingsError(f"unknown form {form!r}: choose one of {', '.join(FORMS)} (form=)")
    found = tuple(family for family in families if (family.name, form) in have)
    if not found:
        named = "; ".join(
            f"{family.name} as {', '.join(one for one in FORMS if (family.name, one) in have)}"
            for family in product.families
        )
        raise CoverageError(
            f"{product.name} is not published as {form}{'' if source == 'auto' else f' in {source}'}: DWD has "
            f"{named}; choose one of these (form=)"
        )
    return found


def _covered(family: Family, months: Sequence[Month], now: datetime) -> str:
    inside = [month for month in months if family.expects(month, now)]
    return f"{family.name} covers {f'{inside[0]} to {inside[-1]}' if inside else 'none of it'}"


def folders_to_list(
    product: Product,
    family: Family,
    months: Sequence[Month],
    *,
    complete: bool = False,
    form: Form | None = None,
) -> tuple[str, ...]:
    """Return the folders whose listings a plan needs.

    Parameters
    ----------
    product, family, months
        As for `make_plan`.
    complete : bool
        Whether to include folders that the table knows, for sizes and dates.
    form : {"binary", "hdf5", "netcdf", "ascii"}, optional
        As for `make_plan`.

    Returns
    -------
    tuple of str
        Paths below the server's root; empty if the table suffices.
    """
    return tuple(
        dict.fromkeys(
            month.first_day.strftime(era.folder)
            for month in months
            for era in _eras(product, family, month, form)
            if complete or not any(era.knows(month) for era in _eras(product, family, month, form))
        )
    )


def _eras(product: Product, family: Family, month: Month, form: Form | None) -> Iterator[Era]:
    """Yield the ways in which a month may be filed, preferred ones first."""
    forms = ("binary", "hdf5") if form is None else (form,)
    for era in ERAS:
        if (era.product, era.family) == (product.name, family.name) and era.form in forms and era.may_hold(month):
            yield era


def make_plan(
    product: Product,
    family: Family,
    months: Sequence[Month],
    *,
    base_url: str,
    folder: Path,
    listings: Mapping[str, Mapping[str, ListedFile] | None],
    now: datetime,
    span: Span | None = None,
    form: Form | None = None,
) -> Plan:
    """Return the plan for months of one family, or for a time span within them.

    Parameters
    ----------
    product : Product
    family : Family
    months : sequence of Month
        In order.
    base_url : str
    folder : pathlib.Path
        The data folder.
    listings : mapping
        By folder, the result of `parse_listing`, or None if the server has no such folder. Folders that
        `folders_to_list` returns without `complete` are required.
    now : datetime
        With time zone; later days are not missing yet.
    span : tuple of numpy.datetime64, optional
        The first and the last requested stamp, UTC: files of other days are omitted.
    form : {"binary", "hdf5", "netcdf", "ascii"}, optional
        By default binaries and HDF5: one continues the series of the other.

    Returns
    -------
    Plan
        Months and days without a file are in `missing`. Files that hold whole years are cut to the months
        by its `span`.
    """
    archives: list[RemoteArchive] = []
    missing: list[Missing] = []
    if form == "netcdf" and span is None:
        span = (
            _stamp(datetime.combine(months[0].first_day, time())),
            _stamp(datetime.combine(months[-1].last_day, time(23, 59, 59))),
        )
    filed = _Filed(family, listings, span)
    for month in months:
        early = family.first is not None and month < family.first
        if early or month > Month.of(now):
            reason = f"{family.name} begins in {family.first}" if early else "is in the future"
            missing.append(Missing(month=month, what=str(month), reason=reason))
            continue
        found, gaps = _month(_eras(product, family, month, form), month, filed, now)
        known = {archive.path for archive in archives}  # an archive of a year comes up in each of its months
        archives += [archive for archive in found if archive.path not in known]
        missing += gaps
    return Plan(
        product=product,
        family=family,
        months=tuple(months),
        base_url=base_url,
        folder=folder,
        archives=tuple(archives),
        missing=tuple(missing),
        span=span,
    )


def refuse_nothing(
    plan: Plan,
    listings: Mapping[str, Mapping[str, ListedFile] | None],
    now: datetime,
    form: Form | None = None,
) -> None:
    """Raise if the server has nothing of a near-real-time request, with what it has.

    Parameters
    ----------
    plan : Plan
    listings : mapping
        The listings that the plan was made from.
    now : datetime
        With time zone.
    form : {"binary", "hdf5", "netcdf", "ascii"}, optional
        As for `make_plan`.

    Raises
    ------
    CoverageError
    """
    if plan.archives or plan.family.first is not None:
        return
    months = f"{plan.months[0]} to {plan.months[-1]}" if len(plan.months) > 1 else str(plan.months[0])
    asked = months if plan.span is None else " to ".join(dict.fromkeys(map(human_time, plan.span)))
    folders = folders_to_list(plan.product, plan.family, plan.months, form=form)
    doctor = "DWD may have moved or renamed it, and `radar-nb doctor --server` shows what has changed"
    filed, eras = _Filed(plan.family, listings), list(_eras(plan.product, plan.family, plan.months[0], form))
    stamps = [stamp for era in eras for stamp in filed.ends(era, plan.months[0]) or ()]
    if all(listings[folder] is None for folder in folders):
        reason = f"the server has no folder {' or '.join(folders)}: {doctor}"
    elif not stamps:
        names = " or ".join(era.name for era in eras)
        count = sum(len(listings[folder] or ()) for folder in folders)
        reason = f"none of the {count:,} files in {', '.join(folders)} is named {names}: {doctor}"
    else:
        first, last = (human_time(_stamp(stamp)) for stamp in (min(stamps), max(stamps)))
        reason = (
            f"it keeps near real time for {_KEPT}, and has {first} to {last} now ({human_time(_stamp(now))}); "
            "choose times in between"
        )
    raise CoverageError(f"{plan.product.name} of {asked} is not on the server: {reason}")


def archives_of(
    product: Product,
    family: Family,
    months: Sequence[Month],
    listings: Mapping[str, Mapping[str, ListedFile] | None],
) -> Iterator[RemoteArchive]:
    """Return every file of some months in the folders listed, also where another is preferred to it.

    The listings are those of all folders from `folders_to_list` with `complete`. Files whose names do not exactly
    match the family's are ignored.
    """
    filed = _Filed(family, listings)
    for month in months:
        for era in _eras(product, family, month, None):
            yield from (archive for _, archive in filed.files(era, month))


def _month(
    eras: Iterable[Era], month: Month, filed: _Filed, now: datetime
) -> tuple[list[RemoteArchive], list[Missing]]:
    """Collect a month's files, era by era; a later era only fills gaps of earlier ones."""
    family, delay = filed.family, 0
    held = _Held(month, _DAY // family.every)
    supplements: list[RemoteArchive] = []
    for era in eras:
        delay = max(delay, era.delay)
        found = filed.files(era, month)
        if era.supplement:
            supplements += [archive for _, archive in found]
        elif era.piece == "frame":
            held.add_frames(found, filed.ends(era, month))
        else:
            held.add_archives(found, whole=era.piece in {"year", "month"})
    files = held.files()
    if family.first is None:
        due = now - timedelta(minutes=delay)
        gaps = _frame_gaps(month, filed, [stamp for stamp, _ in files], due=due, gone=now - RETENTION)
    else:
        published = now.date() - timedelta(days=2)  # a day's archive follows within two days of its end
        open_days = [day for day in held.open_days() if day < published and filed.wants(day)]
        gaps = _gaps(month, open_days, whole=not files)
    archives = [archive for _, archive in files] + supplements
    return [archive for archive in archives if filed.wants_file(archive)], gaps


_Stamped = tuple[datetime, "RemoteArchive"]
_DAY = 1440  # minutes
_TOGETHER = timedelta(hours=1)
"""Files of one time in two forms are published and removed together, within minutes: a form that exists for longer
than the other continues where the other has ended, or has not begun."""


class _Held:
    """The selected files of a month: one form if there are two."""

    def __init__(self, month: Month, frames_a_day: int) -> None:
        self._month = month
        self._frames_a_day = frames_a_day
        self._archives: dict[date, _Stamped] = {}  # by the first day
        self._closed: set[date] = set()  # days of archives
        self._frames: dict[date, list[_Stamped]] = {}
        self._ends: list[tuple[datetime, datetime]] = []  # for each form of frames

    def add_archives(self, found: Sequence[_Stamped], *, whole: bool) -> None:
        """Add archives of days, or one of the whole month, for days without any file.

        On the day when a form of frames ended, its frames are incomplete: the archive is used instead.
        """
        cut = {day for _, last in self._ends if len(self._frames.get(day := last.date(), ())) < self._frames_a_day}
        for stamp, archive in found:
            day = stamp.date()
            if day not in self._closed and (day not in self._frames or day in cut):
                self._frames.pop(day, None)
                self._archives[day] = stamp, archive
        if whole and self._archives:
            self._closed.update(_days(self._month))
        self._closed.update(self._archives)

    def add_frames(self, found: Sequence[_Stamped], ends: tuple[datetime, datetime] | None) -> None:
        """Add frames of days without an archive; of a second form, those before or after all of the first.

        Parameters
        ----------
        found : sequence
            The month's frames, with their stamps.
        ends : tuple of datetime or None
            The first and the last stamp of the form in all months; None without files.
        """
        if ends is None:
            return
        for stamp, archive in found:
            if stamp.date() not in self._closed and all(_continues(stamp, ends, first) for first in self._ends):
                self._frames.setdefault(stamp.date(), []).append((stamp, archive))
        self._ends.append(ends)

    def files(self) -> list[_Stamped]:
        """Return all files in the order of time."""
        frames = [frame for frames in self._frames.values() for frame in frames]
        return sorted([*self._archives.values(), *frames], key=lambda item: item[0])

    def open_days(self) -> list[date]:
        """Return the days without files."""
        return [day for day in _days(self._month) if day not in self._closed and day not in self._frames]


def _days(month: Month) -> list[date]:
    return [month.first_day + timedelta(days=day) for day in range(month.days)]


def _continues(stamp: datetime, ends: tuple[datetime, datetime], first: tuple[datetime, datetime]) -> bool:
    """Return whether a frame of a second form is before or after all of the first form."""
    before = stamp < first[0] and ends[0] < first[0] - _TOGETHER
    return before or (stamp > first[1] and ends[1] > first[1] + _TOGETHER)


def _frame_gaps(
    month: Month, filed: _Filed, held: Sequence[datetime], *, due: datetime, gone: datetime
) -> list[Missing]:
    """Return the frames of a near-real-time span that are not on the server; whole months expect none."""
    if filed.span is None:
        return []
    wanted = time_steps(month, every=filed.family.every, minute=filed.family.minute)
    wanted = wanted[(filed.span[0] <= wanted) & (wanted <= min(filed.span[1], _stamp(due)))]
    there = np.array([_stamp(stamp) for stamp in held], "datetime64[s]")
    kept = wanted >= _stamp(gone)
    lacking = ~np.isin(wanted, there)
    gaps = []
    for reason, part in (
        (f"older than the {_KEPT} that the server keeps", ~kept),
        ("no such file on the server", kept),
    ):
        places = np.flatnonzero(lacking & part)
        for run in np.split(places, np.flatnonzero(np.diff(places) > 1) + 1):
            if run.size:
                first, last = human_time(wanted[run[0]]), human_time(wanted[run[-1]])
                what = first if run.size == 1 else f"{first} to {last}"
                gaps.append(Missing(month=month, what=what, reason=reason))
    return gaps


def _stamp(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.replace(tzinfo=None), "s")


_KEPT = f"{RETENTION // timedelta(hours=1)} hours"


class _Filed:
    """The listed files by era and month. A folder may hold 78,000: each name is parsed only once."""

    def __init__(
        self, family: Family, listings: Mapping[str, Mapping[str, ListedFile] | None], span: Span | None = None
    ) -> None:
        self.span = span
        self.family = family
        self._listings = listings
        self._sorted: dict[tuple[Era, str], dict[Month, list[tuple[datetime, RemoteArchive]]]] = {}

    def wants(self, day: date) -> bool:
        """Return whether a day is in the requested span."""
        if self.span is None:
            return True
        begin, end = (stamp.astype("datetime64[D]") for stamp in self.span)
        return bool(begin <= np.datetime64(day, "D") <= end)

    def wants_file(self, archive: RemoteArchive) -> bool:
        """Return whether a file may hold frames of the requested span."""
        if self.span is None or (filed := filed_under(archive.name)) is None:
            return True
        return bool(filed.begin <= self.span[1] and self.span[0] <= filed.end)

    def files(self, era: Era, month: Month) -> list[tuple[datetime, RemoteArchive]]:
        """Return a month's files of one era, each with the time in its name."""
        begin = datetime.combine(month.first_day, time(), UTC)
        folder = begin.strftime(era.folder)
        if folder not in self._listings:
            known = RemoteArchive(path=era.path(begin), month=month, typical=era.typical)
            return [(begin, known)] * era.knows(month)
        if (era, folder) not in self._sorted:
            self._sorted[era, folder] = self._sort(era, folder, begin)
        if era.piece == "year":
            of_year = self._sorted[era, folder].get(Month(month.year, 1), [])
            return [(begin, replace(archive, month=month)) for _, archive in of_year]
        return self._sorted[era, folder].get(month, [])

    def ends(self, era: Era, month: Month) -> tuple[datetime, datetime] | None:
        """Return the first and the last stamp of an era in all months of its folder; None without files."""
        self.files(era, month)
        months = self._sorted.get((era, datetime.combine(month.first_day, time(), UTC).strftime(era.folder)), {})
        stamps = [stamp for files in months.values() for stamp, _ in files]
        return (min(stamps), max(stamps)) if stamps else None

    def _sort(self, era: Era, folder: str, begin: datetime) -> dict[Month, list[tuple[datetime, RemoteArchive]]]:
        found: dict[Month, list[tuple[datetime, RemoteArchive]]] = {}
        for name, item in (self._listings[folder] or {}).items():
            stamp = begin if name == era.name else era.time_of(name)
            if stamp is None or not _wanted(era, self.family, stamp):
                continue
            with suppress(MonthError):  # the year 1000 has the pattern, too
                month = Month.of(stamp)
                file = RemoteArchive(
                    path=f"{folder}/{name}",
                    month=month,
                    size=item.size,
                    modified=item.modified,
                    typical=era.typical,
                )
                found.setdefault(month, []).append((stamp, file))
        return found


def _wanted(era: Era, family: Family, stamp: datetime) -> bool:
    """Exclude the overlapping windows of the hourly RW that DWD publishes every ten minutes."""
    minutes = stamp.hour * 60 + stamp.minute
    return era.piece != "frame" or minutes % family.every == family.minute % family.every


def _gaps(month: Month, days: Sequence[date], *, whole: bool) -> list[Missing]:
    """Return the missing days, consecutive ones together."""
    reason = "no such file on the server"
    if whole:
        return [Missing(month=month, what=str(month), reason=reason)]
    runs: list[list[date]] = []
    for day in days:
        if runs and day - runs[-1][-1] == timedelta(days=1):
            runs[-1].append(day)
        else:
            runs.append([day])
    return [
        Missing(month=month, what=str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}", reason=reason)
        for run in runs
    ]
