"""Part of the soak: damaged files in a ring that is followed, in a synced folder, and among KOSTRA's tables."""

from __future__ import annotations

import asyncio
import os
import shutil
import zipfile
from io import BytesIO
from typing import TYPE_CHECKING, Any

from soak_hostile import MEGABYTES, MEMORIES, most_memory
from soak_tables import Section
from support.killed_processes import IMPATIENT, in_child

import radar_nb as rn
from radar_nb.dwd.kostra import FOLDER, table_name
from radar_nb.errors import RadarNbError
from radar_nb.fetch import http as transport
from radar_nb.fetch.following import Follower
from radar_nb.mirror import Mirror, SteppedClock, make_archives, make_kostra, make_present
from radar_nb.runtime.files import SIDECAR

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Job = Callable[[Path, str], Path]

FIRST, LAST = "2020-06-13T15:50", "2020-06-13T16:00"


def soak_rings(folder: Path, *, short: bool) -> Section:
    """Damage what each kind of work has left, do it again, and return the table; `short` tries every third."""
    root = folder / "root"
    make_present(root, ["HYMECNG"], hours=1, now=start(), progress=False)
    make_archives(root, "RY", FIRST, LAST, source="nrt", hdf5=True, progress=False)
    make_kostra(root)
    rows, broken, peak = [], [], 0
    with Mirror(root) as mirror:
        for kind in [*SPOILS][:: 3 if short else 1]:
            fates = []
            for name in WORKS:
                place = folder / f"{name}, {kind}"
                ended, outside, megabytes = in_child(tried, place, name, kind, mirror.url)
                peak = max(peak, megabytes)
                fates.append(ended)
                broken += [f"{name}, {kind}: ends in a raw {ended}"] * ended.startswith("raw ")
                broken += [f"{name}, {kind}: the file outside was touched"] * outside
                broken += [f"{name}, {kind}: {megabytes} MB of memory"] * (megabytes > MEGABYTES)
                shutil.rmtree(place)
            rows.append((kind, " / ".join(fates)))
    return Section(
        title="Damaged files of near real time",
        lines=(
            f"{len(rows) * len(WORKS)} cases tried: a file or its note is damaged, and the call is made again.",
            f"Most memory that one took: under {next(step for step in MEMORIES if step > peak)} MB.",
        ),
        columns=("damage", " / ".join(WORKS)),
        rows=tuple(rows),
        broken=tuple(broken),
    )


def start() -> Any:
    """Return the time at which the ring is followed."""
    from support.live import START  # noqa: PLC0415 - found once tests are

    return START


def tried(place: Path, name: str, kind: str, url: str) -> tuple[str, bool, int]:
    """Do the work, damage its file and do it again, in the child: how it ends, what was touched, MB."""
    transport.PATIENCE = IMPATIENT
    (place / "data").mkdir(parents=True)
    victim = place / "victim"
    victim.write_bytes(b"untouched")
    file = WORKS[name](place / "data", url)
    SPOILS[kind](file, victim)
    before = most_memory()
    try:
        WORKS[name](place / "data", url)
        ended = "read"
    except RadarNbError as error:
        ended = type(error).__name__
    except Exception as error:  # noqa: BLE001 - that there is one is what is looked for
        ended = f"raw {error!r}"
    return ended, victim.read_bytes() != b"untouched", most_memory() - before


def follow(folder: Path, url: str) -> Path:
    """Follow a ring until it has its newest files, open each, and return the newest."""

    async def take() -> Path:
        follower = Follower(
            "HYMECNG", folder=folder, base_url=url, clock=SteppedClock(start()), backfill="20min",
            on_trouble=lambda _: None,
        )  # fmt: skip
        count = 5 if not follower.stored() else 1
        newest, *_ = [(await anext(follower)).path for _ in range(count)]
        return newest

    newest = asyncio.run(take())
    for path in sorted(newest.parent.glob("composite*-hd5")):
        rn.open_dataset(path, chunks=None, progress=False).load()
    return newest


def synchronise(folder: Path, url: str) -> Path:
    """Synchronise some files of near real time, open them, and return one."""
    rn.sync("RY", FIRST, LAST, source="nrt", folder=folder, base_url=url, progress=False)
    plan = rn.plan("RY", FIRST, LAST, source="nrt", folder=folder, base_url=url)
    rn.open_dataset(plan.paths, chunks=None, progress=False).load()
    return plan.paths[0]


def look_up(folder: Path, url: str) -> Path:
    """Look up a place in KOSTRA's tables, and return a table."""
    rn.kostra({"Leipzig": (12.37, 51.34)}, folder=folder, base_url=url, progress=False)
    return folder / FOLDER / table_name(60)


def changed(change: Callable[[bytes], bytes]) -> Callable[[Path, Path], None]:
    """Return what changes a file's bytes."""

    def rewrite(file: Path, _: Path) -> None:
        file.write_bytes(change(file.read_bytes()))

    return rewrite


def flipped(data: bytes) -> bytes:
    """Return bytes with a bit flipped in their middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 16]) + data[middle + 1 :]


def bomb(_: bytes) -> bytes:
    """Return a zip that inflates to 256 MB."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("StatRR_KOSTRA-DWD-2020_D00060.csv", bytes(256 << 20))
    return made.getvalue()


def replaced(make: Callable[[Path, Path], object]) -> Callable[[Path, Path], None]:
    """Return what puts something else in the place of a file."""

    def replace(file: Path, victim: Path) -> None:
        file.unlink()
        make(file, victim)

    return replace


def noted(text: bytes) -> Callable[[Path, Path], None]:
    """Return what writes another note beside a file."""

    def write(file: Path, _: Path) -> None:
        file.with_name(file.name + SIDECAR).write_bytes(text)

    return write


WORKS: dict[str, Job] = {"follow": follow, "sync": synchronise, "kostra": look_up}
SPOILS: dict[str, Callable[[Path, Path], None]] = {
    "empty": changed(lambda _: b""),
    "cut": changed(lambda data: data[: len(data) // 2]),
    "a bit": changed(flipped),
    "something else": changed(lambda _: b"\0\1\2 is nothing known"),
    "a zip bomb": changed(bomb),
    "gone": replaced(lambda *_: None),
    "a pipe": replaced(lambda file, _: os.mkfifo(file)),
    "a folder": replaced(lambda file, _: (file / "inside").mkdir(parents=True)),
    "a link to another file": replaced(lambda file, victim: file.symlink_to(victim)),
    "a link to itself": replaced(lambda file, _: file.symlink_to(file)),
    "a note that is not one": noted(b"[" * 100_000),
    "a note with control characters": noted(b'{"etag": "a\\r\\nX: y", "url": "\\u001b]0;"}'),
}
