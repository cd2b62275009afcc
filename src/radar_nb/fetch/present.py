"""What the server has now: the newest file of a product, by its alias or, where that fails, by the listing.

A file is used only if it is whole: readable, of one nominal time, and with every lead time of its product. It is
stored under its dated name and path, so that the folder is read like any other. The age of a file is measured with
this computer's clock or the server's, whichever is later: a wrong clock may make data look old, never fresh.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from radar_nb.dwd.archive_names import ERAS
from radar_nb.dwd.catalogue import INSTEAD
from radar_nb.dwd.listings import is_cut, parse_listing
from radar_nb.dwd.products import product
from radar_nb.errors import (
    ArchiveError,
    CoverageError,
    DamagedDownload,
    FrameError,
    ListingError,
    NotAnArchive,
    NotOnServer,
    RadarNbError,
    Refused,
    ServerUnavailable,
)
from radar_nb.fetch.http import connected
from radar_nb.fetch.responses import Setback, request_headers
from radar_nb.formats.archives import check_frame, parts, walk
from radar_nb.formats.index import remove_archive
from radar_nb.formats.streams import Blob
from radar_nb.runtime.files import Sidecar, local_path, read_regular, replacing, storage_errors, user_path
from radar_nb.runtime.locks import claimed_async
from radar_nb.runtime.settings import cache_folder, settings
from radar_nb.runtime.wording import AGAIN

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from radar_nb.dwd.archive_names import Era
    from radar_nb.dwd.products import Product
    from radar_nb.fetch.http import Connection
    from radar_nb.runtime.clock import Clock

_log = logging.getLogger(__name__)

_LIMIT = 64 << 20  # bytes of a file: an hour of storms in HX has 4 MB, an RS 10
_UNKNOWN_DELAY = 10  # minutes until publication, for products whose delay is not measured
_EARLY = timedelta(minutes=10)  # a file cannot be of later than now; clocks differ by seconds
_TRIED = 3  # files of a listing that are tried, the newest first
_NOTE_LIMIT = 1 << 12  # bytes
KEPT = timedelta(hours=3)
"""How long files stay in the cache where no folder is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newest:
    """The newest whole file of a product, and how old it is.

    Attributes
    ----------
    path : pathlib.Path
    era : Era
        How DWD files it.
    time : datetime.datetime
        Nominal time, UTC: the end of the analysis' interval.
    now : datetime.datetime
        UTC, when the server was asked.
    published : datetime.datetime or None
        UTC, as the server states it.
    skew : float or None
        Seconds that the server's clock is ahead of this computer's; None where it states no time.
    skipped : tuple of str
        What was not used, and why.
    """

    path: Path
    era: Era
    time: datetime
    now: datetime
    published: datetime | None = None
    skew: float | None = None
    skipped: tuple[str, ...] = ()

    @property
    def age(self) -> timedelta:
        """Time from the nominal time to now."""
        return self.now - self.time

    @property
    def stale(self) -> bool:
        """Whether a newer file should have been there: see `stale_after`. A file of the future is as bad."""
        return not -_EARLY <= self.age <= stale_after(self.era)


def step_of(name: str) -> timedelta:
    """Return the time from one file of a product in near real time to the next: RW comes every ten minutes.

    Examples
    --------
    >>> step_of("RV"), step_of("RW")
    (datetime.timedelta(seconds=300), datetime.timedelta(seconds=600))
    """
    return timedelta(minutes=product(name).family("nrt").every)


def delay_of(era: Era) -> timedelta:
    """Return the time from nominal time to publication as the table has it, rounded up; 10 minutes if unknown."""
    return timedelta(minutes=era.delay or _UNKNOWN_DELAY)


def stale_after(era: Era) -> timedelta:
    """Return the age from which a file is stale: when the next but one should be there, so that one is overdue."""
    return delay_of(era) + 2 * step_of(era.product)


class Present:
    """The files of a product that DWD has now, brought into a folder as they are needed.

    Parameters
    ----------
    name : str or Product
    folder : path, optional
        Files are stored below it, under the same paths as on the server. By default a folder of the cache, in
        which files of the last three hours are kept.
    base_url : str, optional
        The server (see `settings`).
    clock : Clock
    cache : str
        Name of the folder in the cache; other folders than "now" are not pruned.

    Attributes
    ----------
    requests : int
        Requests so far.
    demanded : float or None
        Seconds that the server has asked to wait before the next request.
    now : datetime.datetime
        UTC, the later of this computer's time and the server's.

    Raises
    ------
    UnknownProduct, CoverageError
        The product is unknown, or has no newest file with a fixed name.
    SettingsError
        The address is not valid.
    """

    def __init__(
        self,
        name: str | Product,
        *,
        folder: str | os.PathLike[str] | None = None,
        base_url: str | None = None,
        clock: Clock,
        cache: str = "now",
    ) -> None:
        self.product = product(name)
        self.eras = _eras(self.product)
        self.clock = clock
        self.requests = 0
        self._url = settings(base_url=base_url).base_url
        host = urlsplit(self._url).netloc.rpartition("@")[2].replace(":", "_")
        self._own = folder is None and cache == "now"
        self.root = cache_folder() / cache / host if folder is None else user_path(folder)
        self.demanded: float | None = None
        self._skew: float | None = None

    @property
    def now(self) -> datetime:
        """The later of this computer's time and the server's, UTC."""
        return self.clock.now() + timedelta(seconds=max(0.0, self._skew or 0.0))

    @property
    def skew(self) -> float | None:
        """Seconds that the server's clock is ahead; None as long as it has not stated its time."""
        return self._skew

    @property
    def server_now(self) -> datetime:
        """The server's time, UTC, as far as it is known: when to ask follows it."""
        return self.clock.now() + timedelta(seconds=self._skew or 0.0)

    def stored(self) -> dict[datetime, tuple[Path, Era]]:
        """Return the files in the folder by nominal time, oldest first; HDF5 where both forms are there."""
        found: dict[datetime, tuple[Path, Era]] = {}
        for era in reversed(self.eras):
            folder = local_path(self.root, era.folder)
            if not folder.is_dir():
                continue
            with storage_errors(folder):
                for path in folder.iterdir():
                    time = era.time_of(path.name)
                    if time is not None and path.is_file():  # not a folder, nor a pipe, which would block
                        found[time] = path, era
        return dict(sorted(found.items()))

    async def newest(self, *, patient: bool = True) -> Newest:
        """Ask for a newer file, and return the newest that is whole.

        Parameters
        ----------
        patient : bool
            Whether a request that fails is repeated.

        Raises
        ------
        DownloadError
            The server cannot be reached, refuses, or has no file of the product that is whole.
        StorageError
            The folder cannot take the file.
        """
        skipped: list[str] = []
        async with connected(1) as connection, claimed_async(local_path(self.root, self.eras[0].folder) / "now"):
            asking = _Asking(self, connection, skipped, patient=patient)
            found: list[Newest] = []
            for era in self.eras:
                found += await asking.newest_of(era)
                if found and not found[-1].stale:
                    break
        if self._own:
            self.prune(KEPT)
        if found:
            return max(found, key=lambda one: one.time)
        reasons = "; ".join(skipped)
        raise NotOnServer(
            f"{self._url} has no whole file of {self.product.name} ({reasons}): look at radar-nb doctor --server, "
            "or try again in five minutes"
        )

    async def fetch(self, times: set[datetime]) -> None:
        """Bring the files of some nominal times, as far as they are there and whole.

        Raises
        ------
        DownloadError
            The server cannot be reached, or refuses.
        """
        skipped: list[str] = []
        async with connected(1) as connection, claimed_async(local_path(self.root, self.eras[0].folder) / "now"):
            asking = _Asking(self, connection, skipped, patient=False)
            for era in self.eras:
                for time in sorted(times - set(self.stored())):
                    await asking.file(era, era.path(time).rpartition("/")[2])

    def prune(self, keep: timedelta) -> None:
        """Remove the product's files that are older than `keep`, also counted from the newest of them."""
        stored = self.stored()
        oldest = min([self.now, *list(stored)[-1:]]) - keep
        for time, (path, _) in stored.items():
            if time < oldest:
                remove_archive(path)

    def url(self, era: Era, name: str) -> str:
        """Return the address of a file."""
        return f"{self._url}/{era.folder}/{name}"

    def learn(self, date: str | None) -> None:
        """Take the server's time from a response, and count the request."""
        self.requests += 1
        self.demanded = None
        moment = http_time(date)
        self._skew = None if moment is None else (moment - self.clock.now()).total_seconds()


def http_time(text: str | None) -> datetime | None:
    """Return the time of an HTTP header, UTC; None if there is none, or it is not a time."""
    try:
        moment = parsedate_to_datetime(text or "")
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _eras(item: Product) -> tuple[Era, ...]:
    """Return where the product is published now, HDF5 first."""
    found = [era for era in ERAS if era.product == item.name and era.family == "nrt" and era.alias]
    if not found:
        known = dict.fromkeys(era.product for era in ERAS if era.family == "nrt" and era.alias)
        listed = any(era.product == item.name and era.family == "nrt" for era in ERAS)
        other = "use load for its last 48 hours" if listed else "open files of it with open_dataset"
        why, choice = INSTEAD.get(item.name, ("", f"one of {', '.join(known)}, or {other}"))
        what = "newest file of a fixed name" if listed else "newest file"
        raise CoverageError(f"{item.name} has no {what} on the server{why and f'; {why}'}: choose {choice}")
    return tuple(sorted(found, key=lambda era: not era.hdf5))


@dataclass(slots=True)
class _Asking:
    """One look at the server."""

    present: Present
    connection: Connection
    skipped: list[str]
    patient: bool = field(kw_only=True)

    async def newest_of(self, era: Era) -> list[Newest]:
        """Return the newest whole file of an era, from the alias, the folder or the listing, if any."""
        present = self.present
        published = await self._alias(era)
        best = self._best(era)
        if best is None or present.now - best > stale_after(era):
            await self._bring(era, best)
            best = self._best(era)
        if best is None:
            return []
        path = present.stored()[best][0]
        newest = Newest(
            path=path,
            era=era,
            time=best,
            now=present.now,
            published=published if published and published >= best else None,
            skew=present.skew,
            skipped=tuple(self.skipped),
        )
        return [newest]

    async def _bring(self, era: Era, newer_than: datetime | None) -> None:
        """Bring the newest whole file after a time that the listing shows."""
        url = self.present.url(era, "")
        try:
            page = await self._get(url)
            listing = parse_listing(page.text if page else "", url=url)
        except ListingError as error:
            self.skipped.append(str(error))
            return
        except NotOnServer:
            self.skipped.append(f"there is no folder {era.folder}")
            return
        there = {time: name for name in listing if (time := era.time_of(name)) is not None}
        if not there:
            self.skipped.append(f"{url} lists no file")
        latest = self.present.now + _EARLY
        wanted = [time for time in there if (newer_than or _LONG_AGO) < time <= latest]
        for time in sorted(wanted, reverse=True)[:_TRIED]:
            if await self.file(era, there[time]) is not None:
                return

    def _best(self, era: Era) -> datetime | None:
        latest = self.present.now + _EARLY
        times = (time for time, (_, of) in self.present.stored().items() if of == era and time <= latest)
        return max(times, default=None)

    async def _alias(self, era: Era) -> datetime | None:
        """Ask for the alias if it has changed; store what it is, and return when it was published."""
        note_path = local_path(self.present.root, era.folder) / f".{era.alias}.json"
        note = _read_note(note_path)
        url = self.present.url(era, era.alias)
        names = {path.name for path, _ in self.present.stored().values()}
        usable = note is not None and note.url == url and note.name in names
        known = Sidecar(url=url, etag=note.etag, last_modified=note.modified) if usable and note else None
        try:
            got = await self._get(url, known)
        except NotOnServer:
            self.skipped.append(f"there is no {era.alias}")
            return None
        if got is None:  # not modified
            return http_time(note.modified) if note else None
        time = self._store(era, era.alias, got.data)
        if time is not None:
            name = era.path(time).rpartition("/")[2]
            with replacing(note_path, durable=False) as file:
                file.write(json.dumps(_Note(url, got.etag, got.modified, name)._asdict()).encode())
        return http_time(got.modified)

    async def file(self, era: Era, name: str) -> datetime | None:
        """Fetch and store a file; return its nominal time, None if it is not there or not whole."""
        try:
            got = await self._get(self.present.url(era, name))
        except NotOnServer:
            self.skipped.append(f"there is no {name}")
            return None
        return None if got is None else self._store(era, name, got.data)

    def _store(self, era: Era, name: str, data: bytes) -> datetime | None:
        """Store a file that is whole under its dated name; return its nominal time, None if it is not whole."""
        try:
            time = nominal_time(name, data, self.present.product)
        except (ArchiveError, FrameError, NotAnArchive, DamagedDownload) as error:
            reason = str(error).replace(AGAIN, "wait for the next file")  # what is newest cannot be overwritten
            _log.info("%s is not used: %s", name, reason)
            self.skipped.append(reason)
            return None
        path = local_path(self.present.root, era.path(time))
        if not _holds(path, data):
            with replacing(path, durable=False) as file:
                file.write(data)
        return time

    async def _get(self, url: str, known: Sidecar | None = None) -> _Got | None:
        """Return a file or page with its validators; None if it is the known one."""

        async def attempt() -> _Got | None:
            headers = request_headers(whole=known) if known else None
            async with self.connection.get(url, headers=headers, conditional=known is not None) as response:
                answer, verdict, body = response
                self.present.learn(answer.date)
                if verdict == "unchanged":
                    return None
                data = bytearray()
                async for chunk in body:
                    data += chunk
                    if len(data) > _LIMIT:
                        raise Refused(
                            f"{url} has more than {_LIMIT:,} bytes, which no composite has: wait for the next file"
                        )
            got = _Got(bytes(data), answer.etag, answer.last_modified)
            if (answer.size is not None and len(data) != answer.size) or is_cut(got.text):
                raise Setback(ServerUnavailable(f"{url} arrived cut short: try again later"), trouble="broken")
            return got

        if self.patient:
            return await self.connection.persist(attempt)
        try:
            return await attempt()
        except Setback as setback:
            self.present.demanded = setback.demanded
            raise setback.error from setback.__cause__


def _holds(path: Path, data: bytes) -> bool:
    """Return whether a file has these bytes; a pipe in its place, which would block, has none."""
    try:
        return read_regular(path, len(data)) == data
    except OSError:
        return False


class _Got(NamedTuple):
    """A body and its validators."""

    data: bytes
    etag: str | None
    modified: str | None

    @property
    def text(self) -> str:
        """The body as text, if it is a page."""
        return self.data.decode("utf-8", "replace") if self.data[:1] == b"<" else ""


class _Note(NamedTuple):
    """What is known of the alias: its validators, and the dated name of what it was."""

    url: str
    etag: str | None
    modified: str | None
    name: str


def _read_note(path: Path) -> _Note | None:
    """Return a note; None for one that is not there, or damaged."""
    try:
        note = _Note(**json.loads(read_regular(path, _NOTE_LIMIT)))
        Sidecar(url=note.url, etag=note.etag, last_modified=note.modified)  # raises for what cannot be sent back
    except (OSError, RadarNbError, ValueError, TypeError):
        return None
    return note


def nominal_time(name: str, data: bytes, item: Product) -> datetime:
    """Return the nominal time of a file that is whole, UTC.

    Parameters
    ----------
    name : str
        What to call it in an error.
    data : bytes
    item : Product
        What it should hold: a run with all lead times of the product, or one frame.

    Raises
    ------
    DamagedDownload
        It holds another product, several times, or not all lead times.
    ArchiveError, FrameError, NotAnArchive
        It cannot be read.
    """
    headers = [check_frame(member) for part in parts(Blob(name, data)) for member in walk(part)]
    found = {(header.product, header.time) for header in headers}
    if len(found) != 1 or next(iter(found))[0] != item.name:
        what = ", ".join(f"{product} of {time}" for product, time in sorted(found, key=str)[:3]) or "nothing"
        raise DamagedDownload(f"{name} holds {what}, not one time of {item.name}: wait for the next file")
    leads = {header.lead or 0 for header in headers}
    missing = [lead for lead in item.leads or (0,) if lead not in leads]
    if missing or len(headers) != len(leads):
        raise DamagedDownload(
            f"{name} holds {len(headers)} fields of {len(item.leads) or 1} lead times"
            + (f", without {', '.join(map(str, missing[:5]))} min" if missing else "")
            + ": wait for the next file"
        )
    moment: datetime = headers[0].time.astype("datetime64[s]").item()
    return moment.replace(tzinfo=UTC)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)
