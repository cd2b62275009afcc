"""Diagnose the installation: check what radar_nb needs, item by item, and suggest fixes."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import TYPE_CHECKING, Literal
from urllib.request import getproxies

from radar_nb.cli.configuration import without_password
from radar_nb.dwd.layout import Page, compare_layout, folders_to_compare
from radar_nb.dwd.listings import parse_folders, parse_listing
from radar_nb.errors import NotOnServer, RadarNbError
from radar_nb.fetch.http import connected
from radar_nb.fetch.planning import read_pages_async
from radar_nb.fetch.responses import Setback
from radar_nb.runtime.event_loop import run
from radar_nb.runtime.files import free_bytes
from radar_nb.runtime.settings import BASE_URL, cache_folder, settings
from radar_nb.runtime.table import Table
from radar_nb.runtime.versions import CORE, EXTRAS, WIDGETS, version_of
from radar_nb.runtime.wording import human_bytes

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator
    from pathlib import Path

    from radar_nb.dwd.layout import Change

State = Literal["ok", "note", "trouble"]

_LITTLE = 5_000_000_000
"""Free bytes below which the disk is reported as short: a year of YW's archives takes about 3 GB."""
_LATE = 300.0
"""Seconds by which the clock may be wrong: "newest" and the ages of files depend on it."""
_CODECS = {
    "zlib_ng.zlib_ng": "decompresses archives",
    "numcodecs.zstd": "compresses cubes",
    "google_crc32c": "checks cubes",
    "h5py": "reads DWD's HDF5",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The state of one item.

    Attributes
    ----------
    what : str
    state : {"ok", "note", "trouble"}
        "trouble" needs an action of the user.
    found : str
    remedy : str
        What to do; empty if nothing.
    """

    what: str
    state: State
    found: str
    remedy: str = ""


def examine(*, folder: str | os.PathLike[str] | None = None, base_url: str | None = None) -> tuple[Diagnosis, ...]:
    """Check versions, codecs, widgets, folders, disk, proxies, the server and the clock.

    Parameters
    ----------
    folder, base_url
        As in `settings`.

    Returns
    -------
    tuple of Diagnosis

    Raises
    ------
    SettingsError
        An invalid setting.

    Examples
    --------
    >>> [item.what for item in examine() if item.state == "trouble"]  # doctest: +SKIP
    []
    """
    used = settings(folder=folder, base_url=base_url)
    return (
        *_packages(),
        *_codecs(),
        *_folders(used.folder),
        _proxies(),
        *run(_server(used.base_url)),
    )


def compare_server(*, base_url: str | None = None) -> tuple[Change, ...]:
    """Compare the folders and names on the server with the snapshot that radar_nb plans by.

    It reads some thirty directory listings, of which the two longest take 12 MB.

    Parameters
    ----------
    base_url
        As in `settings`.

    Returns
    -------
    tuple of Change
        Empty where the server is as in the snapshot.

    Raises
    ------
    DownloadError, ListingError
        A listing did not arrive, or is not valid.
    """
    used = settings(base_url=base_url)
    urls = {folder: f"{used.base_url}/{folder}/" for folder in folders_to_compare()}
    texts = run(read_pages_async(tuple(urls.values())))
    pages = {
        folder: None
        if (text := texts[url]) is None
        else Page(folders=parse_folders(text), files=parse_listing(text, url=url))
        for folder, url in urls.items()
    }
    return compare_layout(pages, datetime.now(UTC))


def diagnosis_table(items: tuple[Diagnosis, ...]) -> Table:
    """Return the result of `examine` as a table."""
    troubles = sum(item.state == "trouble" for item in items)
    title = f"{troubles} of {len(items)} checks failed" if troubles else "All checks passed"
    rows = tuple((f.what, f.state, "; ".join(filter(None, (f.found, f.remedy)))) for f in items)
    return Table(title=title, columns=("what", "state", "found"), rows=rows)


def _packages() -> Iterator[Diagnosis]:
    yield Diagnosis(what="python", state="ok", found=sys.version.split()[0])
    for what, names in (("packages", CORE), ("widgets", WIDGETS)):
        lost = [name for name in names if version_of(name) is None and name not in EXTRAS["lab"]]
        found = ", ".join(f"{name} {version}" for name in names if (version := version_of(name)))
        if lost:
            remedy = f"pip install {' '.join(lost)}"
            yield Diagnosis(what=what, state="trouble", found=f"missing: {', '.join(lost)}", remedy=remedy)
        else:
            yield Diagnosis(what=what, state="ok", found=found)
    for extra, wanted in EXTRAS.items():
        lost = [name for name in wanted if version_of(name) is None]
        if lost:
            remedy = f"optional: pip install 'radar-nb[{extra}]'"
            yield Diagnosis(what=f"extra {extra}", state="note", found=f"without {', '.join(lost)}", remedy=remedy)
        else:
            yield Diagnosis(what=f"extra {extra}", state="ok", found=", ".join(wanted))
    film = shutil.which("ffmpeg")
    remedy = "" if film else "optional, for MP4: install ffmpeg; without it films are GIFs"
    yield Diagnosis(what="ffmpeg", state="ok" if film else "note", found=film or "not installed", remedy=remedy)


def _codecs() -> Iterator[Diagnosis]:
    for name, purpose in _CODECS.items():
        package = name.partition(".")[0].replace("_", "-")
        try:
            import_module(name)
        except Exception as error:  # noqa: BLE001 - whatever a broken binary raises
            remedy = f"pip install --force-reinstall {package}"
            found = f"cannot be loaded ({error}); {purpose}"
            yield Diagnosis(what=f"codec {package}", state="trouble", found=found, remedy=remedy)
        else:
            yield Diagnosis(what=f"codec {package}", state="ok", found=purpose)


def _folders(folder: Path) -> Iterator[Diagnosis]:
    remedy = "choose another: --folder or RADAR_NB_DATA"
    yield _writable("data folder", folder, remedy)
    yield _writable("cache folder", cache_folder(), "choose another: RADAR_NB_CACHE")
    free = free_bytes(folder)
    short = free < _LITTLE
    remedy = f"a year of 5-minute archives takes about 3 GB; free some space, or {remedy}" if short else ""
    yield Diagnosis(
        what="disk", state="note" if short else "ok", found=f"{human_bytes(free)} free for {folder}", remedy=remedy
    )


def _writable(what: str, folder: Path, remedy: str) -> Diagnosis:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Diagnosis(what=what, state="trouble", found=f"{folder} ({error.strerror})", remedy=remedy)
    return Diagnosis(
        what=what, state="ok", found=f"{folder}{'' if place == folder.absolute() else ' (does not exist yet)'}"
    )


def _proxies() -> Diagnosis:
    shown = (f"{name}: {without_password(address)}" for name, address in sorted(getproxies().items()))
    found = ", ".join(shown) or "none"
    return Diagnosis(what="proxy", state="ok", found=found)


async def _server(base_url: str) -> tuple[Diagnosis, ...]:
    """Send one request to the server."""
    url, began = f"{base_url}/", time.perf_counter()
    date: str | None = None
    try:
        async with connected() as connection, connection.get(url) as (answer, _, _):
            date = answer.date
    except NotOnServer:
        pass  # it responds
    except (Setback, RadarNbError) as error:
        reason = error.error if isinstance(error, Setback) else error
        remedy = "files on disk can be read without a server"
        return (Diagnosis(what="server", state="trouble", found=str(reason), remedy=remedy),)
    took = f"{base_url} responded in {time.perf_counter() - began:.2f} s"
    other = "" if base_url == BASE_URL else f"not DWD's server, {BASE_URL}"
    return (Diagnosis(what="server", state="ok", found=took, remedy=other), *_clock(date))


def _clock(date: str | None) -> Iterator[Diagnosis]:
    with suppress(TypeError, ValueError, OverflowError):
        wrong = (datetime.now(UTC) - parsedate_to_datetime(date or "")).total_seconds()
        late = abs(wrong) > _LATE
        remedy = 'set the clock: "newest" and the ages of files depend on it' if late else ""
        found = f"differs from the server's by {wrong:+.0f} s"
        yield Diagnosis(what="clock", state="note" if late else "ok", found=found, remedy=remedy)
