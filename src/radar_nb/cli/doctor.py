"""Is all well on this machine? What the work needs, looked at one by one, and what to do where it is not there."""

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
from radar_nb.errors import NotOnServer, RadarNbError
from radar_nb.fetch.http import connected
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

State = Literal["ok", "note", "trouble"]

_LITTLE = 5_000_000_000
"""Free bytes below which the disk is told to be short: a year of YW's archives is some 3 GB."""
_LATE = 300.0
"""Seconds by which the clock may be wrong before it is told: "newest" and ages of files hang on it."""
_CODECS = {
    "zlib_ng.zlib_ng": "archives are inflated with it",
    "numcodecs.zstd": "cubes are packed with it",
    "google_crc32c": "cubes are checked with it",
    "h5py": "DWD's HDF5 is read with it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    what : str
    state : {"ok", "note", "trouble"}
        "trouble" needs the user.
    found : str
    remedy : str
        What to do; empty where nothing is to be done.
    """

    what: str
    state: State
    found: str
    remedy: str = ""


def examine(*, folder: str | os.PathLike[str] | None = None, base_url: str | None = None) -> tuple[Finding, ...]:
    """Look at what the work needs: versions, codecs, widgets, folders, disk, proxies, the server and the clock.

    Parameters
    ----------
    folder, base_url
        As in `settings`.

    Returns
    -------
    tuple of Finding

    Raises
    ------
    SettingsError
        A setting makes no sense.

    Examples
    --------
    >>> [finding.what for finding in examine() if finding.state == "trouble"]  # doctest: +SKIP
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


def findings_table(findings: tuple[Finding, ...]) -> Table:
    """Give findings as a table."""
    troubles = sum(finding.state == "trouble" for finding in findings)
    title = f"{troubles} of {len(findings)} need you" if troubles else "All is well"
    rows = tuple((f.what, f.state, "; ".join(filter(None, (f.found, f.remedy)))) for f in findings)
    return Table(title=title, columns=("what", "state", "found"), rows=rows)


def _packages() -> Iterator[Finding]:
    yield Finding(what="python", state="ok", found=sys.version.split()[0])
    for what, names in (("packages", CORE), ("widgets", WIDGETS)):
        lost = [name for name in names if version_of(name) is None and name not in EXTRAS["lab"]]
        found = ", ".join(f"{name} {version}" for name in names if (version := version_of(name)))
        if lost:
            remedy = f"pip install {' '.join(lost)}"
            yield Finding(what=what, state="trouble", found=f"missing: {', '.join(lost)}", remedy=remedy)
        else:
            yield Finding(what=what, state="ok", found=found)
    for extra, wanted in EXTRAS.items():
        lost = [name for name in wanted if version_of(name) is None]
        if lost:
            remedy = f"only if you need it: pip install 'radar-nb[{extra}]'"
            yield Finding(what=f"extra {extra}", state="note", found=f"without {', '.join(lost)}", remedy=remedy)
        else:
            yield Finding(what=f"extra {extra}", state="ok", found=", ".join(wanted))
    film = shutil.which("ffmpeg")
    remedy = "" if film else "only if you need MP4: install ffmpeg; films are GIFs without it"
    yield Finding(what="ffmpeg", state="ok" if film else "note", found=film or "not installed", remedy=remedy)


def _codecs() -> Iterator[Finding]:
    for name, purpose in _CODECS.items():
        package = name.partition(".")[0].replace("_", "-")
        try:
            import_module(name)
        except Exception as error:  # noqa: BLE001 - whatever a broken binary raises
            remedy = f"pip install --force-reinstall {package}"
            found = f"cannot be loaded ({error}); {purpose}"
            yield Finding(what=f"codec {package}", state="trouble", found=found, remedy=remedy)
        else:
            yield Finding(what=f"codec {package}", state="ok", found=purpose)


def _folders(folder: Path) -> Iterator[Finding]:
    remedy = "name another: --folder or RADAR_NB_DATA"
    yield _writable("data folder", folder, remedy)
    yield _writable("cache folder", cache_folder(), "name another: RADAR_NB_CACHE")
    free = free_bytes(folder)
    short = free < _LITTLE
    remedy = f"a year of 5-minute archives takes some 3 GB; free some, or {remedy}" if short else ""
    yield Finding(
        what="disk", state="note" if short else "ok", found=f"{human_bytes(free)} free for {folder}", remedy=remedy
    )


def _writable(what: str, folder: Path, remedy: str) -> Finding:
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        return Finding(what=what, state="trouble", found=f"{folder} ({error.strerror})", remedy=remedy)
    return Finding(
        what=what, state="ok", found=f"{folder}{'' if place == folder.absolute() else ' (not made yet)'}"
    )


def _proxies() -> Finding:
    shown = (f"{name}: {without_password(address)}" for name, address in sorted(getproxies().items()))
    found = ", ".join(shown) or "none"
    return Finding(what="proxy", state="ok", found=found)


async def _server(base_url: str) -> tuple[Finding, ...]:
    """Ask the server once."""
    url, began = f"{base_url}/", time.perf_counter()
    date: str | None = None
    try:
        async with connected() as connection, connection.get(url) as (answer, _, _):
            date = answer.date
    except NotOnServer:
        pass  # it answers
    except (Setback, RadarNbError) as error:
        reason = error.error if isinstance(error, Setback) else error
        remedy = "what lies on the disk can be read without a server"
        return (Finding(what="server", state="trouble", found=str(reason), remedy=remedy),)
    took = f"{base_url} answered in {time.perf_counter() - began:.2f} s"
    other = "" if base_url == BASE_URL else f"not DWD's own, {BASE_URL}"
    return (Finding(what="server", state="ok", found=took, remedy=other), *_clock(date))


def _clock(date: str | None) -> Iterator[Finding]:
    with suppress(TypeError, ValueError):
        wrong = (datetime.now(UTC) - parsedate_to_datetime(date or "")).total_seconds()
        late = abs(wrong) > _LATE
        remedy = "set the clock: what is newest, and how old files are, hangs on it" if late else ""
        found = f"{wrong:+.0f} s beside the server's"
        yield Finding(what="clock", state="note" if late else "ok", found=found, remedy=remedy)
