"""Rules for injected faults, and their selection for a request, without I/O.

The selection depends on the seed, the path and the number of earlier requests for it, not on the order of requests
or the number of connections. Used by `Mirror(root, faults=...)`.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from dataclasses import MISSING, dataclass, fields
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Literal, cast
from urllib.parse import urlsplit

from radar_nb.errors import SettingsError
from radar_nb.runtime.files import user_path
from radar_nb.runtime.table import Table

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

Kind = Literal[
    "reset",
    "cut",
    "stall",
    "trickle",
    "length",
    "no-length",
    "short",
    "flip",
    "no-range",
    "wrong-range",
    "416",
    "new-etag",
    "weak-etag",
    "no-validator",
    "encoded",
    "labelled",
    "429",
    "503",
    "500",
    "403",
    "404",
    "loop",
    "elsewhere",
    "page",
    "listing",
    "hangup",
    "slow",
]
"""Kinds of faults; `KINDS` describes each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A kind of fault, and the options of its rules.

    Attributes
    ----------
    words : str
        Description.
    options : tuple of str
        The fields of a `Fault` that it uses, beside path, attempts and share.
    forms : tuple of str
        The values of `form`; one of them is drawn if a rule names none.
    """

    words: str
    options: tuple[str, ...] = ()
    forms: tuple[str, ...] = ()


def _shape(words: str, *options: str, forms: tuple[str, ...] = ()) -> Shape:
    return Shape(words=words, options=(*options, *(("form",) if forms else ())), forms=forms)


KINDS: Mapping[Kind, Shape] = {
    "reset": _shape("reset before the first byte of the answer"),
    "cut": _shape("reset in the body", "after"),
    "stall": _shape("body stops for ever, connection stays open", "after"),
    "trickle": _shape("body slows down to a trickle", "after", "rate"),
    "length": _shape("Content-Length is wrong", "by"),
    "no-length": _shape("no Content-Length; the connection's end is the body's", "after"),
    "short": _shape("right Content-Length, connection closed before", "after"),
    "flip": _shape("one bit of the body is another", "after"),
    "no-range": _shape("200 with the whole file although a range was requested"),
    "wrong-range": _shape("206 with another range than requested", "by", forms=("start", "total")),
    "416": _shape("416 to a range that is there"),
    "new-etag": _shape("another ETag, from the second request on", "edition", forms=("honest", "lie")),
    "weak-etag": _shape("weak ETag", forms=("dated", "undated")),
    "no-validator": _shape("neither ETag nor Last-Modified"),
    "encoded": _shape("packed once more, Content-Encoding: gzip"),
    "labelled": _shape("sent as it is, but labelled as packed", forms=("gzip", "x-gzip")),
    "429": _shape("429 Too Many Requests", "retry_after", "as_date"),
    "503": _shape("503 Service Unavailable", "retry_after", "as_date"),
    "500": _shape("500 Internal Server Error"),
    "403": _shape("403 Forbidden"),
    "404": _shape("404 Not Found"),
    "loop": _shape("redirects without end", forms=("itself", "ring")),
    "elsewhere": _shape("redirect to another host", "location"),
    "page": _shape("a login page with status 200"),
    "listing": _shape("an index page changes", forms=("missing", "size")),
    "hangup": _shape("unannounced end of the connection after an answer", forms=("at-once", "next-request")),
    "slow": _shape("latency before each answer, limited rate", "latency", "rate"),
}
"""All kinds. Forms: `start` and `total` are the wrong field of Content-Range; when the old file is resumed, an
`honest` server sends the whole new file, a `lie` is the rest of the new one; `dated` has a Last-Modified; `itself`
and `ring` are redirects to the same address and between two; `missing` and `size` are the change of one entry;
`next-request` closes when the next request has arrived."""

_RANGED = {"no-range", "wrong-range", "416"}
_HOST = "http://elsewhere.invalid"  # RFC 6761, 6.4: never resolves


def _is_whole(value: Any, least: float = -math.inf) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_number(value: Any, least: float, most: float = 1e12) -> bool:  # beyond, waits and clocks overflow
    return (_is_whole(value) or isinstance(value, float)) and least <= value <= most


def _is_host(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(urlsplit(value).scheme and urlsplit(value).netloc)
    except ValueError:  # a bracket that is not closed
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A rule: a kind of fault, and the requests that it affects.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    path : str
        A pattern of paths, unquoted and without the query, such as `*.tar.gz` or `/climate*/2020/*`: `*`, `?` and
        `[...]` as in a shell, `*` also over slashes, upper and lower case differing.
    attempts : tuple of int
        Numbers of the requests for a path, from 1. Empty: all; for `new-etag`, all but the first.
    share : float
        Probability that one of these is affected, from 0 to 1.
    after : int or None
        The byte of the body, from 0, before which (`flip`: in which) the fault occurs; the last byte of a shorter
        body. None: a random one; for `no-length`, none.
    by : int
        Bytes by which a number is wrong, not 0: for `length`, the excess of Content-Length; for `wrong-range`, the
        offset of the range's begin, or the excess of the file's total size.
    form : str
        One of the kind's forms; random if empty.
    edition : str
        For `new-etag`: a folder below the root that holds other files under the same paths. Empty: only the ETag
        differs.
    retry_after : float or None
        Seconds, rounded up to whole ones; None for no Retry-After.
    as_date : bool
        Whether Retry-After is given as a date.
    location : str
        The other host's address; the path is added to it.
    latency : float
        Seconds before each answer.
    rate : float or None
        Bytes a second, on one connection. None: 100 for `trickle`, no limit for `slow`.

    Raises
    ------
    SettingsError
        A value is not allowed, or the kind does not use it.

    Examples
    --------
    >>> Fault(kind="cut", path="*.tar", attempts=(1,), after=100).heeded
    {'after': 100}
    """

    kind: Kind
    path: str = "*"
    attempts: tuple[int, ...] = ()
    share: float = 1.0
    after: int | None = None
    by: int = -1
    form: str = ""
    edition: str = ""
    retry_after: float | None = None
    as_date: bool = False
    location: str = _HOST
    latency: float = 0.0
    rate: float | None = None

    def __post_init__(self) -> None:
        """Validate the fields."""
        _shape_of(self.kind)
        for name, (is_allowed, allowed) in _ALLOWED.items():
            value = getattr(self, name)
            if value != _DEFAULTS[name]:
                _hold_heeded(self.kind, name)
            if not (value is None is _DEFAULTS[name] or is_allowed(value)):
                raise SettingsError(f"{name} = {value!r} of a {self.kind!r} fault is not allowed: use {allowed}")
        if self.form not in ("", *KINDS[self.kind].forms):
            raise SettingsError(
                f"form = {self.form!r} of a {self.kind!r} fault is not allowed: use one of "
                f"{', '.join(KINDS[self.kind].forms)}, or none to have it drawn"
            )
        if self.kind == "slow" and not (self.latency or self.rate):
            raise SettingsError(
                "a 'slow' fault slows nothing: set a latency in seconds, a rate in bytes/s, or both"
            )

    @property
    def heeded(self) -> dict[str, Any]:
        """The options of the rule beside kind, path, attempts and share."""
        return {
            name: getattr(self, name)
            for name in KINDS[self.kind].options
            if getattr(self, name) != _DEFAULTS[name]
        }

    def concerns(self, path: str, attempt: int, *, ranged: bool) -> bool:
        """Return whether the rule applies to such a request, before its share is drawn."""
        if (self.kind in _RANGED and not ranged) or (self.kind == "listing" and not path.endswith("/")):
            return False
        chosen = attempt in self.attempts if self.attempts else attempt > 1 or self.kind != "new-etag"
        return chosen and fnmatchcase(path, self.path)


_ALWAYS = ("path", "attempts", "share")
_DEFAULTS = {field.name: field.default for field in fields(Fault) if field.default is not MISSING}
_ALLOWED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "path": (lambda v: isinstance(v, str) and v != "", "a pattern of paths, such as '*.tar.gz'"),
    "attempts": (
        lambda v: isinstance(v, tuple) and all(_is_whole(number, 1) for number in v),
        "whole numbers from 1 on, such as [1, 2]; none for every request",
    ),
    "share": (lambda v: _is_number(v, 0, 1), "a number from 0 to 1"),
    "after": (lambda v: _is_whole(v, 0), "a whole number of bytes, from 0 on"),
    "by": (lambda v: _is_whole(v) and v != 0, "a whole number of bytes, not 0"),
    "form": (lambda v: isinstance(v, str), "a text"),
    "edition": (lambda v: isinstance(v, str), "the name of a folder below the root"),
    "retry_after": (lambda v: _is_number(v, 0), "seconds, from 0 on"),
    "as_date": (lambda v: isinstance(v, bool), "true or false"),
    "location": (_is_host, "a web address, such as 'http://127.0.0.1:8931'"),
    "latency": (lambda v: _is_number(v, 0), "seconds, from 0 on"),
    "rate": (lambda v: _is_number(v, 1e-3), "bytes a second, more than 0"),
}


def _shape_of(kind: Any) -> Shape:
    if not isinstance(kind, str) or kind not in KINDS:
        raise SettingsError(f"unknown kind of fault {kind!r}: choose one of {', '.join(KINDS)}")
    return KINDS[cast("Kind", kind)]


def _hold_heeded(kind: Any, name: str) -> None:
    heeded = ("kind", *_ALWAYS, *_shape_of(kind).options)
    if name not in heeded:
        raise SettingsError(f"a {kind!r} fault has no option {name!r}: choose from {', '.join(heeded)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """All rules of a server.

    Attributes
    ----------
    rules : tuple of Fault
        In the order of precedence.
    seed : int
        Different seeds affect different requests.

    Examples
    --------
    >>> faults = Faults(rules=(Fault(kind="503", attempts=(1,)), Fault(kind="slow", rate=1e6)))
    >>> [fault.kind for fault in faults.strike("/a.tar", 1)], [fault.kind for fault in faults.strike("/a.tar", 2)]
    (['503', 'slow'], ['slow'])
    """

    rules: tuple[Fault, ...] = ()
    seed: int = 0

    def strike(self, path: str, attempt: int, *, ranged: bool = True) -> tuple[Fault, ...]:
        """Return the faults of a request: at most one, and possibly `slow`.

        The first rule that applies to the request and is drawn counts; `slow` is combined with any other.

        Parameters
        ----------
        path : str
            Unquoted, without the query.
        attempt : int
            Number of requests for the path, from 1.
        ranged : bool
            Whether a range is requested: some kinds need one.
        """
        drawn = [
            rule
            for rule in self.rules
            if rule.concerns(path, attempt, ranged=ranged) and self.draw(path, attempt, rule.kind) < rule.share
        ]
        wrong = [rule for rule in drawn if rule.kind != "slow"]
        slow = [rule for rule in drawn if rule.kind == "slow"]
        return (*wrong[:1], *slow[:1])

    def draw(self, path: str, attempt: int, what: str) -> float:
        """Return a number in [0, 1) that depends only on seed, path, attempt and what.

        Examples
        --------
        >>> round(Faults(seed=1).draw("/a.tar", 1, "cut"), 3)
        0.025
        """
        text = f"{self.seed}\n{path}\n{attempt}\n{what}".encode("utf-8", "surrogateescape")
        return (int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) >> 11) / (1 << 53)

    def table(self) -> Table:
        """Return the rules as a table."""
        rows = tuple(
            (
                rule.kind,
                KINDS[rule.kind].words,
                rule.path,
                ", ".join(map(str, rule.attempts)) or "all",
                f"{100 * rule.share:g} %",
                ", ".join(f"{name} {value}" for name, value in rule.heeded.items()),
            )
            for rule in self.rules
        )
        columns = ("fault", "what happens", "path", "requests", "share", "more")
        return Table(title=f"Injected faults, seed {self.seed}", columns=columns, rows=rows)


def load_faults(path: str | os.PathLike[str]) -> Faults:
    """Read rules from a TOML file: `seed`, and a `[[fault]]` table with the fields of `Fault` for each.

    Raises
    ------
    SettingsError
        The file cannot be read, or a value is not allowed.
    """
    try:
        table = tomllib.loads(user_path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"the faults in {path} cannot be read: {error.strerror}; name a TOML file") from error
    except ValueError as error:
        raise SettingsError(f"{path} is not a TOML file ({error}): write it as tables named [[fault]]") from error
    if unknown := sorted(table.keys() - {"seed", "fault"}):
        raise SettingsError(f"{path}: {unknown[0]!r} is unknown here; write seed = 1 and tables named [[fault]]")
    seed, found = table.get("seed", 0), table.get("fault", [])
    if not _is_whole(seed):
        raise SettingsError(f"{path}: seed = {seed!r} is not allowed: write a whole number")
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise SettingsError(f"{path}: a fault is a table of its own: write [[fault]] above it")
    return Faults(rules=tuple(_rule(f"{path}, fault {n}", each) for n, each in enumerate(found, 1)), seed=seed)


def _rule(place: str, table: dict[str, Any]) -> Fault:
    try:
        for name in sorted(table):
            _hold_heeded(table.get("kind"), name)
        attempts = table.get("attempts", [])
        return Fault(
            **table
            | {"kind": table.get("kind"), "attempts": tuple(attempts) if isinstance(attempts, list) else attempts}
        )
    except SettingsError as error:
        raise SettingsError(f"{place}: {error}") from error
