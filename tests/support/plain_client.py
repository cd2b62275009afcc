"""A plain HTTP client that records the answers of a misbehaving mirror, and the files of that mirror."""

from __future__ import annotations

import gzip
import http.client
import os
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from radar_nb.mirror import Mirror
from radar_nb.mirror.faults.rules import Fault, Faults, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

FILE = "/bin/a.tar.gz"
BODY = gzip.compress(b"".join(n.to_bytes(4) for n in range(9000)), mtime=0)
REISSUED = gzip.compress(b"".join(n.to_bytes(4) for n in range(9999)), mtime=0)
MODIFIED = "Fri, 28 Jun 2019 12:00:00 GMT"


def make_root(root: Path) -> Path:
    """Write a file, an empty file, and another edition of the first into a folder."""
    for name, data in (("bin/a.tar.gz", BODY), ("bin/empty.tar", b""), ("new/bin/a.tar.gz", REISSUED)):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
        os.utime(root / name, (1561723200, 1561723200))  # MODIFIED
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An answer as the client received it."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes
    broken: bool


class Client:
    """One connection, which is opened again after it broke."""

    def __init__(self, mirror: Mirror) -> None:
        self.http = http.client.HTTPConnection(mirror.url.removeprefix("http://"), timeout=10)

    def get(self, path: str = FILE, *, method: str = "GET", **headers: str) -> Seen:
        """Send a request and read the answer until it ends or breaks."""
        self.http.request(method, path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        response = self.http.getresponse()
        body, broken = b"", False
        try:
            while data := response.read1():
                body += data
            broken = bool(response.length)  # bytes that Content-Length promises and that did not arrive
        except ConnectionResetError:
            broken = True
        response.close()
        if broken:
            self.http.close()
        return Seen(status=response.status, headers=response.headers, body=body, broken=broken)

    def close(self) -> None:
        """Close the connection."""
        self.http.close()


@contextmanager
def misbehaving(root: Path, *rules: Fault, seed: int = 0) -> Iterator[tuple[Mirror, Client]]:
    """Serve by rules of faults, and yield the mirror and a client."""
    with (
        Mirror(root, faults=Faults(rules=rules, seed=seed)) as mirror,
        closing(Client(mirror)) as client,
    ):
        yield mirror, client


def seen(
    root: Path, kind: Kind, *, headers: Mapping[str, str] | None = None, path: str = FILE, **more: Any
) -> Seen:
    """Return the answer to a first request under a fault."""
    with misbehaving(root, Fault(kind=kind, **more)) as (_, client):
        return client.get(path, **(headers or {}))
