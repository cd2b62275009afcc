"""Read a directory listing as DWD's server writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import TYPE_CHECKING
from urllib.parse import unquote

from radar_nb.errors import ListingError

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a directory listing.

    Attributes
    ----------
    name : str
    size : int or None
        Bytes; None where the listing does not say.
    modified : datetime or None
        UTC, to the minute.
    """

    name: str
    size: int | None
    modified: datetime | None


def parse_listing(text: str, *, url: str) -> dict[str, Entry]:
    """Read a directory listing as DWD's server (an nginx autoindex) writes it.

    Parameters
    ----------
    text : str
        The page.
    url : str
        Where it came from, for the error.

    Returns
    -------
    dict of str to Entry
        The files, without folders, in the listing's order. Names that hold a path are left out.

    Raises
    ------
    ListingError
        The page is no listing.

    Examples
    --------
    >>> page = '<h1>Index of /a/</h1><pre><a href="b.tar">b.tar</a>   28-Jun-2019 12:00   42</pre>'
    >>> parse_listing(page, url="http://localhost/a/")["b.tar"].size
    42
    """
    parser = _ListingParser()
    parser.feed(text)
    parser.close()
    if not parser.is_index:
        raise ListingError(
            f"{url} is no directory listing (it begins with {' '.join(text.split())[:80]!r}): "
            "check the base URL; a proxy or a login page may stand in between"
        )
    return {entry.name: entry for entry in parser.entries()}


class _ListingParser(HTMLParser):
    """Collect each anchor's address and the text behind it: long names are cut in the visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.is_index = False
        self._rows: list[tuple[str, list[str]]] = []
        self._outside = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._rows.append((unquote(dict(attrs).get("href") or ""), []))
            self._outside = False

    def handle_endtag(self, tag: str) -> None:
        self._outside = self._outside or tag == "a"

    def handle_data(self, data: str) -> None:
        self.is_index = self.is_index or data.strip().startswith("Index of ")
        if self._outside and self._rows:
            self._rows[-1][1].append(data)

    def entries(self) -> Iterator[Entry]:
        for name, texts in self._rows:
            if name and "/" not in name and "\\" not in name and not name.startswith(("?", "#", "..")):
                when, size = _date_and_size("".join(texts))
                yield Entry(name=name, size=size, modified=when)


def _date_and_size(text: str) -> tuple[datetime | None, int | None]:
    match = re.search(r"(\d\d-[A-Z][a-z]{2}-\d{4} \d\d:\d\d)\s+(\d+|-)", text)
    if match is None:
        return None, None
    day, month, rest = match[1].split("-")
    number = "JanFebMarAprMayJunJulAugSepOctNovDec".find(month) // 3 + 1  # strptime would ask the locale
    try:
        when = datetime.strptime(f"{day} {number} {rest}", "%d %m %Y %H:%M").replace(tzinfo=UTC)
    except ValueError:
        return None, None
    return when, int(match[2]) if match[2].isdigit() else None
