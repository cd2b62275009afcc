"""Part of the soak: servers that lie, stall or never end, asked for a listing and for a file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from soak_kinds import MOST
from soak_tables import Section
from support.killed_processes import IMPATIENT

import radar_nb as rn
from radar_nb.errors import RadarNbError
from radar_nb.fetch import http as transport

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from support.hostile_servers import Hostile


def soak_servers(folder: Path, archive: bytes) -> Section:
    """Request a listing and a file from every kind of server, and return the table."""
    from support.hostile_servers import END, LISTING, hostile, kinds, row  # noqa: PLC0415 - found once tests are

    transport.PATIENCE = replace(IMPATIENT, connect=0.5, read=0.5, window=0.3)
    listing = LISTING + b"".join(row(f"YW2017.002_2020{month:02d}.tar") for month in range(1, 13)) + END
    rows, broken = [], []
    for number, (kind, script) in enumerate(kinds(listing, archive).items()):
        fates = []
        for work in (_listed, _downloaded):
            with hostile(script) as server:
                fate, wrong = work(server, folder / str(number))
                fates.append(f"{fate}, {server.requests}")
                broken += [f"{kind}: {law}" for law in wrong]
                if server.requests > MOST:
                    broken.append(f"{kind}: {server.requests} requests")
        rows.append((kind, *fates))
    return Section(
        title="Hostile servers",
        lines=("What a listing and a file end in, and the requests until then. None is taken for whole.",),
        columns=("server", "listing", "file"),
        rows=tuple(rows),
        broken=tuple(broken),
    )


def _listed(server: Hostile, folder: Path) -> tuple[str, list[str]]:
    return _fate(lambda: rn.sync_plan("YW", "2020-01", "2020-12", folder=folder, base_url=server.url))


def _downloaded(server: Hostile, folder: Path) -> tuple[str, list[str]]:
    plan = rn.plan("YW", "2020-06", folder=folder, base_url=server.url)
    return _fate(lambda: rn.download(plan, progress=False))


def _fate(work: Callable[[], object]) -> tuple[str, list[str]]:
    """Return the name of the error in which work ends, and the laws that it breaks."""
    try:
        work()
    except RadarNbError as error:
        text = str(error)
        clean = all(letter.isprintable() or letter == "\n" for letter in text)
        return type(error).__name__, [] if clean else [f"control characters in {text!a}"]
    except Exception as error:  # noqa: BLE001 - that there is one is what is looked for
        return type(error).__name__, [f"a raw {error!r}"]
    return "taken", ["it is taken for whole"]
