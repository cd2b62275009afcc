"""Plans for a scripted server, archives to serve, and part files left by an earlier call."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from radar_nb.dwd.catalogue import Missing, Plan, RemoteArchive
from radar_nb.dwd.months import Month
from radar_nb.dwd.products import product
from radar_nb.fetch.downloading import download
from radar_nb.runtime.files import Sidecar, part_path, write_sidecar

if TYPE_CHECKING:
    from pathlib import Path

    from support.servers import Server

    from radar_nb.runtime.report import Report

MONTH = Month(2020, 6)


def _tar(payload: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        member = tarfile.TarInfo("frame")
        member.size = len(payload)
        archive.addfile(member, io.BytesIO(payload))
    return buffer.getvalue()


BODY = _tar(bytes(range(256)) * 2000)
OTHER = _tar(bytes(range(255, -1, -1)) * 2000)


def plan_of(
    server: Server, folder: Path, *names: str, missing: tuple[Missing, ...] = (), size: int = 1000
) -> Plan:
    return Plan(
        product=product("YW"),
        family=product("YW").families[0],
        months=(MONTH,),
        base_url=server.url,
        folder=folder,
        archives=tuple(
            RemoteArchive(path=f"bin/{name}", month=MONTH, typical=size) for name in names or ("a.tar",)
        ),
        missing=missing,
    )


def get(plan: Plan, **options: object) -> Report:
    return download(plan, progress=False, **options)  # type: ignore[arg-type]


def leave_part(
    path: Path, url: str, body: bytes, *, etag: str | None = '"one"', size: int | None = len(BODY)
) -> None:
    path.parent.mkdir(parents=True)
    part_path(path).write_bytes(body)
    write_sidecar(part_path(path), Sidecar(url=url, etag=etag, size=size))
