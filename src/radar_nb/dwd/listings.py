"""Parse the directory listings of DWD's server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from urllib.parse import unquote

from radar_nb.errors import ListingError
from radar_nb.runtime.wording import MONTH_NAMES, printable

_TITLE = re.compile(r"(?:\A|>)\s*Index of ")
# No part of it matches "<", so that a malicious page is still parsed in one pass. The address is used,
# not the visible name, which nginx cuts to 50 letters.
_ROW = re.compile(r'<a\s+href="([^"<>]*)"[^<>]*>[^<]*</a>([^<]*)', re.IGNORECASE)
_LINK = re.compile(r"<a\s[^<>]*href", re.IGNORECASE)
_ELSEWHERE = re.compile(r"(?!\?|\.\./$|/([^?#]*/)?$).*[/?#:].*", re.DOTALL)  # but not orders, and the way up
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,198}[A-Za-z0-9_]")
_FACTS = re.compile(r"([0-9]{2})-([A-Z][a-z]{2})-([0-9]{4}) ([0-9]{2}):([0-9]{2})\s+(\S+)")
_LARGEST = 16 << 30  # bytes: DWD's largest files have some 600 MB


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """One file of a directory listing.

    Attributes
    ----------
    name : str
    size : int or None
        Bytes; None if not listed, or larger than any file of DWD.
    modified : datetime or None
        UTC, to the minute.
    """

    name: str
    size: int | None
    modified: datetime | None


def is_cut(text: str) -> bool:
    """Return whether a directory listing is cut short: its last tag is missing.

    Otherwise files might be missing unnoticed: a connection may close at any time, and if the server did not state
    a length, HTTP takes that for the end of the page.

    Examples
    --------
    >>> is_cut('<h1>Index of /a/</h1><pre><a href="b.tar">b.tar</a>'), is_cut("<h1>Index of /a/</h1><pre></pre>")
    (True, False)
    """
    return _TITLE.search(text) is not None and not text.rstrip().lower().endswith(("</html>", "</pre>"))


def parse_listing(text: str, *, url: str) -> dict[str, ListedFile]:
    """Parse a directory listing of DWD's server (an nginx autoindex); for Apache's, only the names.

    Apache rounds sizes and writes local times: both are None.

    Parameters
    ----------
    text : str
        The page.
    url : str
        The address of the page, for the error.

    Returns
    -------
    dict of str to ListedFile
        The files, without folders, in the listing's order. Only plain names are included (letters, digits and
        `._+-`, at most 200, neither hidden nor ending in a dot): no file of DWD has another, and a name becomes a
        path.

    Raises
    ------
    ListingError
        The page is not a listing, or its links are written in another way: files would be missing unnoticed.

    Examples
    --------
    >>> page = '<h1>Index of /a/</h1><pre><a href="b.tar">b.tar</a>   28-Jun-2019 12:00   42</pre>'
    >>> parse_listing(page, url="http://localhost/a/")["b.tar"].size
    42
    """
    if not _TITLE.search(text):
        raise ListingError(
            f"{url} is not a directory listing (it begins with {' '.join(text[:500].split())[:80]!r}): "
            "radar_nb reads pages titled 'Index of', as nginx and Apache write them; check the base URL, and "
            "whether a proxy or a login page stands in between"
        )
    entries: dict[str, ListedFile] = {}
    count, strange = 0, ""
    for count, row in enumerate(_ROW.finditer(text), 1):  # noqa: B007 - the number of rows
        name = unquote(unescape(row[1])).removeprefix("./")
        if _NAME.fullmatch(name):
            when, size = _date_and_size(row[2])
            entries[name] = ListedFile(name=name, size=size, modified=when)
        elif not strange and _ELSEWHERE.fullmatch(name.removesuffix("/") or name):
            strange = name
    lost = len(_LINK.findall(text)) - count
    if lost > 0 or (strange and not entries):
        what = f"{lost} of its links" if lost > 0 else f"its links, such as {printable(strange)[:80]!r},"
        raise ListingError(
            f"{url} is not a directory listing that radar_nb can read: {what} are written in another way than "
            '<a href="NAME">, so that files would be missing unnoticed; check the base URL'
        )
    return entries


def parse_folders(text: str) -> tuple[str, ...]:
    """Return the names of the folders that a directory listing shows, without the way up.

    Examples
    --------
    >>> parse_folders('<h1>Index of /a/</h1><pre><a href="../">../</a><a href="rv/">rv/</a>  28-Jun-2019 12:00  -')
    ('rv',)
    """
    names = (unquote(unescape(row[1])) for row in _ROW.finditer(text))
    return tuple(name[:-1] for name in names if name.endswith("/") and _NAME.fullmatch(name[:-1]))


def _date_and_size(text: str) -> tuple[datetime | None, int | None]:
    match = _FACTS.search(text)
    if match is None:
        return None, None
    day, name, year, hour, minute, size = match.groups()
    try:  # strptime would depend on the locale
        when = datetime(int(year), MONTH_NAMES.index(name) + 1, int(day), int(hour), int(minute), tzinfo=UTC)
    except ValueError:
        return None, None
    return when, int(size) if re.fullmatch(r"[0-9]{1,18}", size) and int(size) <= _LARGEST else None
