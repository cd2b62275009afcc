"""What DWD's server looked like when the tables of this room were made, and what a live listing shows otherwise.

The eras of `archive_names` say where radar_nb takes files from; here stands besides what lies around them and is
not read. Together they are a snapshot of the server, so that a change at DWD is found by comparing.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from radar_nb.dwd.archive_names import ERAS, Era
from radar_nb.dwd.products import RETENTION
from radar_nb.runtime.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from radar_nb.dwd.listings import ListedFile

SNAPSHOT = {"weather/radar": date(2026, 8, 5), "climate_environment/CDC": date(2026, 7, 1)}
"""The day of the listings that each part of the snapshot was read from."""

_CDC = "climate_environment/CDC/grids_germany"

FOLDERS: dict[str, tuple[str, ...]] = {
    "weather/radar": ("composite", "konrad3d", "mesocyclones", "radolan", "radvor", "sites"),
    "weather/radar/composite": ("dmax", "hg", "hx", "hymecng", "pg", "rs", "rv", "vii", "wn"),
    "weather/radar/radolan": ("rw", "ry", "sf", "yw"),
    "weather/radar/radvor": ("re", "rq"),
    f"{_CDC}/5_minutes/radolan": ("recent", "reproc"),
    f"{_CDC}/5_minutes/radolan/reproc": ("2017_002",),
    f"{_CDC}/5_minutes/radolan/reproc/2017_002": ("asc", "bin", "netCDF"),
    f"{_CDC}/hourly/radolan": ("historical", "recent", "reproc"),
    f"{_CDC}/hourly/radolan/historical": ("asc", "bin"),
    f"{_CDC}/hourly/radolan/recent": ("asc", "bin", "hdf5"),
    f"{_CDC}/hourly/radolan/reproc": ("2016_003", "2017_002"),
    f"{_CDC}/hourly/radolan/reproc/2017_002": ("asc", "bin", "netCDF"),
    f"{_CDC}/daily/radolan": ("historical", "recent"),
    f"{_CDC}/daily/radolan/recent": ("bin", "hdf5"),
}
"""The folders inside of each folder; those of years are not listed here."""

OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "weather/radar/composite/pg": (r"raa00-pg_bfr26-\w+-dwd---bufr",),  # BUFR, which radar_nb does not read
    "weather/radar/radolan/rw": (r"raa01-rw\.radolan2_10000-\w+-dwd---bin\.\w+",),  # a variant of RW
    f"{_CDC}/hourly/radolan/recent/asc": (r"RW-hdf5-\d{8}\.tar\.gz",),  # HDF5 among the grids, since 2026
    f"{_CDC}/5_minutes/radolan/recent": (r"ZW-hdf5-\d{8}\.tar\.gz",),  # one stray file of 18 June 2026
}
"""Names (regular expressions) that lie beside the files of the eras and are not taken."""

_TEXTS = r"(BESCHREIBUNG|DESCRIPTION|readme).*\.(pdf|txt)"
_SLACK = timedelta(hours=2)
_STILL: dict[str, timedelta] = {"frame": timedelta(hours=3), "day": timedelta(days=4)}
_STILL_ARCHIVED = timedelta(days=3)  # single frames of an archive
"""How long nothing new may come before a form counts as ended."""

What = Literal["new folder", "folder gone", "new name", "form ended", "alias changed", "alias late", "retention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One way in which the server differs from the snapshot.

    Attributes
    ----------
    what : str
        The kind of change, see `What`.
    folder : str
        Below the server's root.
    found : str
        What is there, or no longer there.
    """

    what: What
    folder: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A folder as listed.

    Attributes
    ----------
    folders : tuple of str
    files : mapping of str to ListedFile
    """

    folders: tuple[str, ...]
    files: Mapping[str, ListedFile]


def folders_to_compare() -> tuple[str, ...]:
    """Return every folder whose listing `compare_layout` needs: those of the snapshot, and of eras the last."""
    return tuple(dict.fromkeys((*FOLDERS, *OTHER_NAMES, *(_folder(era) for era in ERAS))))


def compare_layout(pages: Mapping[str, Page | None], now: datetime) -> tuple[Change, ...]:
    """Return what has changed on the server since the snapshot.

    Parameters
    ----------
    pages : mapping
        By folder, of all of `folders_to_compare`; None where the server has no such folder.
    now : datetime
        With time zone.

    Returns
    -------
    tuple of Change
        In the order of the folders; empty where all is as in the snapshot.
    """
    return tuple(change for folder in folders_to_compare() for change in _compare(folder, pages, now))


def changes_table(changes: tuple[Change, ...], base_url: str) -> Table:
    """Return the result of `compare_layout` as a table."""
    known = ", ".join(f"{folder} of {day:%Y-%m-%d}" for folder, day in SNAPSHOT.items())
    count = f"{len(changes)} change{'s' * (len(changes) != 1)}" if changes else "No change"
    return Table(
        title=f"{count} on {base_url} since the snapshot",
        columns=("what", "folder", "found"),
        rows=tuple((change.what, change.folder, change.found) for change in changes),
        notes=(f"snapshot: {known}",),
    )


def _compare(folder: str, pages: Mapping[str, Page | None], now: datetime) -> Iterator[Change]:
    page = pages[folder]
    if page is None:
        above = next((place for place in _above(folder) if place in pages), None)
        if above is None or pages[above] is not None:  # else that is reported
            yield Change(what="folder gone", folder=folder, found="the server has no such folder")
        return
    eras = [era for era in ERAS if _folder(era) == folder]
    known = FOLDERS.get(folder, ())
    for inner in page.folders:
        if inner not in known and (known or eras):
            yield Change(what="new folder", folder=folder, found=inner)
    gone = [inner for inner in known if inner not in page.folders and f"{folder}/{inner}" not in pages]
    for inner in gone:
        yield Change(what="folder gone", folder=folder, found=f"it has no folder {inner}")
    if eras or folder in OTHER_NAMES:
        yield from _compare_names(folder, eras, page.files)
    for era in eras:
        yield from _compare_era(folder, era, page.files, now)


def _above(folder: str) -> Iterator[str]:
    while folder := folder.rpartition("/")[0]:
        yield folder


def _folder(era: Era) -> str:
    """Return an era's folder, of years the last one known."""
    return era.folder if era.last is None else era.last.first_day.strftime(era.folder)


def _compare_names(folder: str, eras: list[Era], files: Mapping[str, ListedFile]) -> Iterator[Change]:
    """Report names that are unknown, those that differ in digits alone as one."""
    others = [re.compile(pattern) for pattern in (_TEXTS, *OTHER_NAMES.get(folder, ()))]
    # files of another era may lie in the same folder of a year
    known = [era for era in ERAS if era.folder in {mine.folder for mine in eras}]
    shapes: Counter[str] = Counter()
    example: dict[str, str] = {}
    for name in files:
        if any(name in {era.alias, era.name} or era.time_of(name) is not None for era in known):
            continue
        if not any(pattern.fullmatch(name) for pattern in others):
            shape = re.sub(r"\d+", "#", name)
            shapes[shape] += 1
            example.setdefault(shape, name)
    for shape, count in shapes.items():
        more = f" and {count - 1:,} more of this form" if count > 1 else ""
        yield Change(what="new name", folder=folder, found=f"{example[shape]}{more}")


def _compare_era(folder: str, era: Era, files: Mapping[str, ListedFile], now: datetime) -> Iterator[Change]:
    form = f"{era.product} in {'HDF5' if era.hdf5 else 'binaries'} ({era.name})"
    if era.last is not None:
        name = era.name if era.supplement else era.path(era.last.first_day).rpartition("/")[2]
        if name not in files:
            yield Change(what="form ended", folder=folder, found=f"{form}: {name} is not there")
        return
    dated = {stamp: file for name, file in files.items() if (stamp := era.time_of(name)) is not None}
    if not dated:
        yield Change(what="form ended", folder=folder, found=f"{form}: no file has such a name")
        return
    first, last = min(dated), max(dated)
    still = _STILL_ARCHIVED if (era.family, era.piece) == ("radolan", "frame") else _STILL[era.piece]
    if now - last > still + timedelta(minutes=era.delay):
        yield Change(what="form ended", folder=folder, found=f"{form}: the newest is of {last:%Y-%m-%d %H:%M} UTC")
        return
    if era.family == "nrt" and abs((last - first) - RETENTION) > _SLACK:
        hours = round((last - first) / timedelta(hours=1))
        lie = "1 hour is" if hours == 1 else f"{hours} hours are"
        found = f"{form}: {lie} there, since {first:%Y-%m-%d %H:%M} UTC"
        yield Change(what="retention", folder=folder, found=found)
    if era.alias:
        yield from _compare_alias(folder, era, files, dated[last])


def _compare_alias(folder: str, era: Era, files: Mapping[str, ListedFile], newest: ListedFile) -> Iterator[Change]:
    alias = files.get(era.alias)
    if alias is None:
        yield Change(what="alias changed", folder=folder, found=f"{era.alias} is not there")
    elif alias.modified and newest.modified and newest.modified - alias.modified > timedelta(minutes=30):
        late = (newest.modified - alias.modified) / timedelta(minutes=1)
        found = f"{era.alias} is {late:.0f} min older than {newest.name}"
        yield Change(what="alias late", folder=folder, found=found)
