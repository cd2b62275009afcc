"""What the data folder holds: file by file of a plan, and month by month of a product, for a calendar.

No server is asked and nothing is cached: each call reads the disk.
"""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from radar_nb.dwd.catalogue import archives_of, folders_to_list, make_plan
from radar_nb.dwd.listings import ListedFile
from radar_nb.errors import StorageError
from radar_nb.fetch.part_files import Item, begun
from radar_nb.runtime.files import PART, SIDECAR, archive_state, local_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from radar_nb.dwd.catalogue import Plan, RemoteArchive
    from radar_nb.dwd.months import Month
    from radar_nb.dwd.products import Family, Product

MonthState = Literal["unpublished", "server", "begun", "downloaded", "extracted", "cube", "broken"]
"""unpublished: not expected on the server. server: nothing is on the disk. begun: a part is. downloaded: all files
are. extracted: all are, as folders of frames, with or without the archives. cube: every day is in the cube of the
series. broken: a file differs in size from the server's, or was found damaged; it counts as absent and is fetched
again."""

_FRAME = 1_000_000
"""Bytes: files that are typically smaller are single frames, 78,000 per folder, and only their names are read."""

_ENDINGS = (".tar", ".tar.gz")  # removed from an archive's name to name its folder of frames


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalState:
    """How much of a plan is on the disk.

    Attributes
    ----------
    whole : tuple of RemoteArchive
        Complete files.
    begun : int
        Number of files that an earlier call has begun and the next resumes.
    bytes_begun : int
        Bytes on the disk of begun files.
    bytes_whole : int
        Bytes of the complete files.
    broken : int
        Number of files that exist but differ from the server's.
    bytes_to_fetch : int
        From the listing, or else typical sizes.
    """

    whole: tuple[RemoteArchive, ...]
    begun: int
    bytes_begun: int
    bytes_whole: int
    broken: int
    bytes_to_fetch: int


def look(plan: Plan) -> LocalState:
    """Return how much of a plan is on the disk.

    Raises
    ------
    StorageError
        The data folder cannot be read.
    """
    whole: list[RemoteArchive] = []
    parts: list[int] = []
    here = broken = rest = 0
    for archive in plan.archives:
        path = plan.local(archive)
        with _readable(path):
            if archive_state(path) == "whole":
                whole.append(archive)
                here += path.stat().st_size
                continue
            note, size = begun(Item(url=plan.url(archive), path=path, expected=archive.expected))
            broken += path.is_file()
        rest += max(0, ((note.size if note is not None else None) or archive.expected) - size)
        if size:
            parts.append(size)
    return LocalState(
        whole=tuple(whole),
        begun=len(parts),
        bytes_begun=sum(parts),
        bytes_whole=here,
        broken=broken,
        bytes_to_fetch=rest,
    )


def month_states(
    product: Product, families: Iterable[Family], months: Sequence[Month], *, folder: Path, now: datetime
) -> dict[Month, MonthState]:
    """Return the state of each month. For single frames, a day with at least one frame counts as present.

    Parameters
    ----------
    product : Product
    families : iterable of Family
        A month is looked up in the first family that expects it.
    months : sequence of Month
    folder : pathlib.Path
        The data folder.
    now : datetime.datetime
        With time zone; later days are not missing yet.

    Returns
    -------
    dict
        By month, in order.

    Raises
    ------
    StorageError
        The data folder cannot be read.
    """
    states: dict[Month, MonthState] = dict.fromkeys(months, "unpublished")
    for family in families:
        mine = [month for month in months if states[month] == "unpublished" and family.expects(month, now)]
        states |= _family_states(product, family, mine, folder, now)
    return states


def _family_states(
    product: Product, family: Family, months: Sequence[Month], folder: Path, now: datetime
) -> dict[Month, MonthState]:
    """Compare a family's folders with what is expected in them."""
    places = folders_to_list(product, family, months, complete=True)
    names = {place: _names(local_path(folder, place)) for place in places}
    wanted: defaultdict[str, dict[str, ListedFile]] = defaultdict(dict)

    def named(select: Mapping[str, Iterable[str]]) -> dict[str, RemoteArchive]:
        """Return the family's files with one of these names, by path."""
        listings = {
            place: {name: ListedFile(name=name, size=None, modified=None) for name in chosen}
            for place, chosen in select.items()
        }
        if not any(listings.values()):
            return {}
        return {archive.path: archive for archive in archives_of(product, family, months, listings)}

    here = named({place: found.files for place, found in names.items()})
    parts = named({place: found.parts for place, found in names.items()})
    unpacked = named(
        {place: [n + end for n in found.folders for end in _ENDINGS] for place, found in names.items()}
    )
    damaged = {
        path
        for path, archive in here.items()
        if archive.typical >= _FRAME
        and archive.name + SIDECAR in names[path.rpartition("/")[0]].files
        and archive_state(local_path(folder, path)) != "whole"
    }
    had = (here.keys() - damaged) | unpacked.keys()
    for path in had:
        place, _, name = path.rpartition("/")
        wanted[place][name] = ListedFile(name=name, size=None, modified=None)
    some = {(here | unpacked)[path].month for path in had} | {archive.month for archive in parts.values()}
    held = [month for month in months if month in some]
    listings = {place: wanted[place] for place in folders_to_list(product, family, held)}
    plan = make_plan(product, family, held, base_url="", folder=folder, listings=listings, now=now)
    lacking = {gap.month for gap in plan.missing} | {a.month for a in plan.archives if a.path not in had}
    packed = {archive.month for archive in plan.archives if archive.path not in unpacked}
    bad = {here[path].month for path in damaged - unpacked.keys()}

    def state(month: Month) -> MonthState:
        if month in bad:
            return "broken"
        if month not in some:
            return "server"
        if month in lacking or family.first is None:  # the server keeps 48 hours, which is never a whole month
            return "begun"
        return "downloaded" if month in packed else "extracted"

    return {month: state(month) for month in months}


@dataclass(frozen=True, slots=True)
class _Names:
    """The names in a folder: complete files, begun files, and folders."""

    files: frozenset[str] = frozenset()
    parts: frozenset[str] = frozenset()
    folders: frozenset[str] = frozenset()


def _names(folder: Path) -> _Names:
    with _readable(folder):
        try:
            with os.scandir(folder) as found:
                kinds = {entry.name: entry.is_dir() for entry in found}
        except (FileNotFoundError, NotADirectoryError):
            return _Names()
    files = frozenset(name for name, is_folder in kinds.items() if not is_folder)
    parts = frozenset(name.removesuffix(PART) for name in files if name.endswith(PART))
    return _Names(files, parts, frozenset(kinds) - files)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} cannot be read ({error.strerror}): choose another folder (folder=) or change its permissions"
        ) from error
