"""Part of the soak: the kinds of faults, and what may become of a file that meets them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from soak_archives import EDITION

from radar_nb.errors import (
    DamagedDownload,
    NotAnArchive,
    NotOnServer,
    Refused,
    ServerUnavailable,
    TransferTimeout,
)
from radar_nb.mirror.faults.rules import Fault, Faults

if TYPE_CHECKING:
    from collections.abc import Collection

    from radar_nb.errors import DownloadError

ARCHIVES = "*.tar*"
HOURLIES = "*.tar.gz"
MOST = 25
"""Requests for one file in one call, whatever the server does."""

_BREAK = Fault(kind="cut", path=ARCHIVES, attempts=(1,), after=700_000)
_DOWN = (ServerUnavailable,)
_SILENT = (TransferTimeout, ServerUnavailable)

MODES = ("once", "at random", "always")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of fault, and what may become of a file that meets it.

    Attributes
    ----------
    name : str
    fault : Fault
        Without attempts and share.
    named : tuple of type
        The errors that a file may be named with, where the fault lasts. None: it must arrive all the same.
    final : bool
        Whether one such answer is a final one, which is not asked for again.
    resumed : bool
        Whether it strikes who asks for the rest of a file: then the first answer breaks before.
    connections : int or None
        At a time; as usual by default.
    """

    name: str
    fault: Fault
    named: tuple[type[DownloadError], ...] = _DOWN
    final: bool = False
    resumed: bool = False
    connections: int | None = None

    def faults(self, mode: str, seed: int) -> Faults:
        """Return the server's rules."""
        attempt = 2 if self.resumed else 1
        rule = {
            "once": replace(self.fault, attempts=(attempt,)),
            "at random": replace(self.fault, share=0.4),
            "always": self.fault,
        }[mode]
        return Faults(rules=(_BREAK, rule) if self.resumed else (rule,), seed=seed)


def _kind(
    name: str,
    kind: str,
    *,
    named: tuple[type[DownloadError], ...] = _DOWN,
    final: bool = False,
    resumed: bool = False,
    connections: int | None = None,
    **options: Any,
) -> Kind:
    fault = Fault(kind=kind, **{"path": ARCHIVES} | options)  # type: ignore[arg-type]
    return Kind(name=name, fault=fault, named=named, final=final, resumed=resumed, connections=connections)


KINDS = (
    _kind("reset before the answer", "reset"),
    _kind("reset in the middle of the body", "cut"),
    _kind("stall without end", "stall", named=_SILENT),
    _kind("trickle of 100 B/s", "trickle", named=_SILENT),
    _kind("Content-Length too small", "length", by=-5000),
    _kind("Content-Length too large", "length", by=5000),
    _kind("no Content-Length", "no-length", named=()),
    _kind("no Content-Length, cut", "no-length", after=600_000),
    _kind("body short, length right", "short"),
    _kind("one bit flipped", "flip", named=(DamagedDownload,)),
    _kind("200 instead of 206", "no-range", named=(), resumed=True),
    _kind("wrong Content-Range", "wrong-range", resumed=True),
    _kind("416", "416", resumed=True),
    _kind("another ETag, the same bytes", "new-etag", form="honest", resumed=True),
    _kind("re-issued between two parts", "new-etag", path=HOURLIES, edition=EDITION, form="honest", resumed=True),
    _kind(
        "re-issued, and its rest is sent",
        "new-etag",
        path=HOURLIES,
        edition=EDITION,
        form="lie",
        resumed=True,
    ),
    _kind("weak ETag", "weak-etag", named=(), resumed=True),
    _kind("no ETag, no Last-Modified", "no-validator", named=(), resumed=True),
    _kind("packed once more (Content-Encoding)", "encoded", named=()),
    _kind("labelled as packed (Content-Encoding)", "labelled", named=()),
    _kind("429, Retry-After in seconds", "429", retry_after=1.0),
    _kind("429, Retry-After as a date", "429", retry_after=1.0, as_date=True),
    _kind("503, Retry-After in seconds", "503", retry_after=1.0),
    _kind("503, Retry-After as a date", "503", retry_after=1.0, as_date=True),
    _kind("500", "500"),
    _kind("403", "403", named=(Refused,), final=True),
    _kind("404", "404", named=(NotOnServer,), final=True),
    _kind("redirects in a ring", "loop", named=(Refused,), final=True),
    _kind("redirect to another host", "elsewhere", named=(Refused,), final=True),
    _kind("web page with status 200", "page", named=(NotAnArchive,), final=True),
    _kind("connection closed after an answer", "hangup", named=(), connections=1),
    _kind("30 ms, 2 MB/s a connection", "slow", latency=0.03, rate=2e6, named=()),
)


def mixed(seed: int, *, without: Collection[str] = ()) -> Faults:
    """Return rules by which all kinds strike, each now and then, but final ones and those that are left out."""
    rules = [kind.fault for kind in KINDS if not kind.final and kind.fault.kind not in {"slow", *without}]
    return Faults(rules=tuple(replace(fault, share=0.08) for fault in rules), seed=seed)
