"""What a server lists against what lies in the data folder: a pure comparison, file by file, and how it prints."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Literal

from radar_nb.runtime.table import Table
from radar_nb.runtime.wording import human_bytes, human_duration

if TYPE_CHECKING:
    from pathlib import Path

    from radar_nb.dwd.catalogue import Plan, RemoteArchive
    from radar_nb.dwd.months import Month
    from radar_nb.errors import RadarNbError
    from radar_nb.runtime.files import Sidecar

Standing = Literal["same", "new", "begun", "re-issued", "unsure", "broken", "gone", "unlisted"]
"""same: size and date are the server's. new: not here. begun: a part is here. re-issued: the server's has another
size or date. unsure: only the server can tell, and is asked without fetching. broken: cut, too long, or damaged.
gone: came from the server, which lists it no more. unlisted: nobody knows where it came from, and the server does
not list it."""

_TO_FETCH = {"new", "begun", "re-issued", "broken"}

_WORDS: dict[Standing, str] = {
    "new": "new",
    "begun": "begun",
    "re-issued": "re-issued",
    "broken": "broken",
    "unsure": "to be asked for",
    "gone": "no longer on the server",
    "unlisted": "unknown to the server",
    "same": "as on the server",
}
_TOLD = 3  # names of a month that are spelt out
_MINUTE = 60  # seconds, and minutes of an hour


@dataclass(frozen=True, slots=True, kw_only=True)
class Local:
    """What lies in the data folder of one file.

    Attributes
    ----------
    size : int or None
        Bytes under the file's own name; None where nothing is.
    part : int or None
        Bytes of an unfinished download beside it.
    note : Sidecar or None
        What the server said of the file when it was fetched.
    """

    size: int | None = None
    part: int | None = None
    note: Sidecar | None = None


def compare(listed: RemoteArchive | None, local: Local) -> Standing:
    """Say how a file on the disk stands to the server's; there is one, here or there.

    Where size and date agree with the note, the server need not be asked: a listing tells both, the date to the
    minute. Where there is no note, as of files copied from elsewhere, the size alone has to do.

    Parameters
    ----------
    listed : RemoteArchive or None
        As the server's listing has it; None where it does not.
    local : Local

    Examples
    --------
    >>> compare(None, Local(size=10))
    'unlisted'
    """
    note = local.note
    if local.size is None:
        return "new" if local.part is None else "begun"
    if note is not None and note.size not in {None, local.size}:
        return "broken"
    if listed is None:
        return "unlisted" if note is None else "gone"
    if listed.size not in {None, local.size}:
        return "re-issued"
    then = None if note is None else _minute(note.last_modified)
    if then is not None and listed.modified is not None and then != listed.modified:
        return "re-issued"
    told = listed.size is not None and listed.modified is not None and then is not None
    provable = note is not None and bool(note.etag or note.last_modified)
    return "unsure" if provable and (not told or local.part is not None) else "same"


def _minute(date: str | None) -> datetime | None:
    """Give the minute of an HTTP date, as a listing has it."""
    try:
        moment = parsedate_to_datetime(date or "")
        return moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).replace(second=0, microsecond=0)
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """How one file stands.

    Attributes
    ----------
    archive : RemoteArchive
        As listed; of a file that the server does not list, as its name says.
    path : pathlib.Path
        Where it lies or will lie.
    standing : str
        See `Standing`.
    local : Local
    on_server : bool
        Whether the server lists it.
    error : RadarNbError or None
        What was found when it was read through.
    """

    archive: RemoteArchive
    path: Path
    standing: Standing
    local: Local
    on_server: bool = True
    error: RadarNbError | None = None

    @property
    def bytes_to_fetch(self) -> int:
        """Bytes that are to come, as far as the listing can tell."""
        if not self.on_server or self.standing not in _TO_FETCH:
            return 0
        there = (self.local.part or 0) if self.standing == "begun" else 0
        return max(0, self.archive.expected - there)

    @property
    def remark(self) -> str:
        """What a user should know of it, without a full stop; empty where it is as on the server."""
        size, listed = self.local.size or 0, self.archive
        if self.standing == "broken":
            return f"broken: {self._damage()}{'' if self.on_server else ', and the server no longer lists it'}"
        if self.standing == "re-issued":
            date = f" of {listed.modified:%Y-%m-%d %H:%M} UTC" if listed.modified is not None else ""
            return f"re-issued: {human_bytes(listed.expected)}{date}, here {human_bytes(size)}"
        if self.standing == "begun":
            return f"{human_bytes(self.local.part or 0)} of {human_bytes(listed.expected)} are here"
        return "" if self.standing == "same" else _WORDS[self.standing]

    def _damage(self) -> str:
        if self.error is not None:
            what = str(self.error).rpartition(": ")[0]
            return what.removeprefix(f"{self.path} > ").removeprefix(f"{self.path} ")
        known = self.local.note.size if self.local.note is not None else None
        if known is None or known < 0:
            return "found damaged before"
        return f"has {self.local.size:,} bytes instead of {known:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncPlan:
    """What `sync` would do: what the server has, how the data folder stands to it, and what that takes.

    Attributes
    ----------
    plan : Plan
        What the server has of the months asked for; missing is what neither it nor the folder has.
    findings : tuple of Finding
        The plan's files in its order, then those that only lie here.
    free : int
        Bytes free on the disk.
    speed : float or None
        Bytes a second of the last download from this server; None where there was none.
    verified : bool
        Whether the files were read through.

    Examples
    --------
    >>> asked = sync_plan("YW", "2020-01", "2020-12")  # doctest: +SKIP
    >>> asked.bytes_to_fetch, asked.free  # doctest: +SKIP
    (4_480_000_000, 98_000_000_000)
    """

    plan: Plan
    findings: tuple[Finding, ...]
    free: int
    speed: float | None = None
    verified: bool = False

    @property
    def bytes_to_fetch(self) -> int:
        """Bytes that are to come, as far as the listing can tell."""
        return sum(finding.bytes_to_fetch for finding in self.findings)

    @property
    def seconds(self) -> float | None:
        """The time that will take at the speed of the last download; None where that is not known."""
        return self.bytes_to_fetch / self.speed if self.speed else None

    @property
    def counts(self) -> dict[Standing, int]:
        """How many files stand how; what there is none of is left out."""
        found = Counter(finding.standing for finding in self.findings)
        return {standing: found[standing] for standing in _WORDS if found[standing]}

    @property
    def summary(self) -> str:
        """All in one line."""
        counts = ", ".join(f"{count} {_WORDS[standing]}" for standing, count in self.counts.items())
        gaps = f", {len(self.plan.missing)} missing" if self.plan.missing else ""
        if not self.bytes_to_fetch:
            return f"{counts or 'no files'}{gaps}; nothing to fetch"
        about = "" if all(f.archive.size is not None for f in self.findings if f.bytes_to_fetch) else "about "
        free = (
            f"{human_bytes(self.free)} free{'' if self.free >= self.bytes_to_fetch else ', which is too little'}"
        )
        time = "time unknown until the first download"
        if self.seconds is not None and self.speed is not None:
            time = f"about {human_duration(self.seconds)} at {human_bytes(self.speed)}/s"
        return f"{counts}{gaps}; {about}{human_bytes(self.bytes_to_fetch)} to fetch, {free}, {time}"

    def table(self) -> Table:
        """Give it as a table: a row for each month in which there is something to do or to know."""
        by_month: dict[Month, list[Finding]] = {month: [] for month in self.plan.months}
        for finding in self.findings:
            by_month[finding.archive.month].append(finding)
        rows, quiet = [], 0
        for month, findings in by_month.items():
            gaps = [f"{gap.what}: {gap.reason}" for gap in self.plan.missing if gap.month == month]
            if gaps or any(finding.standing != "same" for finding in findings):
                rows.append(_row(month, findings, gaps))
            else:
                quiet += 1
        how = "read through" if self.verified else "by size and date"
        untouched = f"{quiet} month{'s' * (quiet != 1)} as on the server ({how})"
        told = "what the server does not list is kept" if {"gone", "unlisted"} & set(self.counts) else ""
        return Table(
            title=f"{self.plan.product.name} ({self.plan.family.name}): {self.summary}",
            columns=("month", "files", "to fetch", "what", "remarks"),
            rows=tuple(rows),
            notes=(
                *filter(None, (untouched if quiet else "", told)),
                f"from {self.plan.base_url} into {self.plan.folder}",
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """Give it as plain values that JSON can hold."""
        return {
            "product": self.plan.product.name,
            "family": self.plan.family.name,
            "months": [str(month) for month in self.plan.months],
            "base_url": self.plan.base_url,
            "folder": str(self.plan.folder),
            "summary": self.summary,
            "counts": self.counts,
            "verified": self.verified,
            "bytes_to_fetch": self.bytes_to_fetch,
            "bytes_free": self.free,
            "bytes_per_second": self.speed,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "files": [
                {
                    "url": self.plan.url(finding.archive),
                    "path": str(finding.path),
                    "month": str(finding.archive.month),
                    "standing": finding.standing,
                    "bytes_to_fetch": finding.bytes_to_fetch,
                    "remark": finding.remark,
                }
                for finding in self.findings
            ],
            "missing": [{"month": str(g.month), "what": g.what, "reason": g.reason} for g in self.plan.missing],
        }

    def __str__(self) -> str:
        """Draw it as text."""
        return str(self.table())

    def __repr__(self) -> str:
        """Write one line."""
        return f"<SyncPlan {self.summary}>"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _row(month: Month, findings: list[Finding], gaps: list[str]) -> tuple[str, ...]:
    counts = Counter(finding.standing for finding in findings)
    what = [f"{counts[standing]} {words}" for standing, words in _WORDS.items() if counts[standing]]
    notable = [finding for finding in findings if finding.standing in {"re-issued", "broken", "begun"}]
    remarks = [f"{finding.archive.name}: {finding.remark}" for finding in notable[:_TOLD]]
    more = [f"and {len(notable) - _TOLD} more"] if len(notable) > _TOLD else []
    fetched = sum(finding.bytes_to_fetch for finding in findings)
    files = sum(finding.on_server for finding in findings)
    return str(month), str(files), human_bytes(fetched), ", ".join(what), "; ".join([*remarks, *more, *gaps])
