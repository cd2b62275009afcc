"""Names of files inside archives: which are safe as paths, which are litter, and what they state of a frame."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple
from unicodedata import normalize

import numpy as np

from radar_nb.errors import HeaderError

if TYPE_CHECKING:
    from radar_nb.formats.radolan import Header

_NAME_LIMIT = 255  # bytes: allowed by every file system

_UNSAFE = (
    ("is absolute", re.compile(r"^/")),
    ("leads out of its folder by '..'", re.compile(r"(^|/)\.\.(/|$)")),
    ("is empty, or has an empty part", re.compile(r"(^|/)(\.|\.gz|\.bz2)?(/|$)")),
    ("has a character that Windows forbids in names", re.compile(r'[\\:<>"|?*]')),
    ("has a part that ends in a dot or a blank", re.compile(r"[. ](/|$)")),
    ("is a device on Windows", re.compile(r"(?i)(^|/)(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\.[^/]*)?(/|$)")),
)


def unsafe_name(name: str) -> str:
    """Return why a member's name is unsafe as a path, as the end of a sentence; empty if it is safe.

    Examples
    --------
    >>> unsafe_name("raa01-yw2017.002_10000-2006131525-dwd---bin"), unsafe_name("../x")
    ('', "leads out of its folder by '..'")
    """
    if not name.isprintable():
        return "has control characters, or is not UTF-8"
    if len(name.encode()) > _NAME_LIMIT:
        return f"is longer than {_NAME_LIMIT} bytes"
    return next((reason for reason, pattern in _UNSAFE if pattern.search(name)), "")


def spelling(name: str) -> str:
    """Return a key shared by names that differ only in case, or in how their accents are encoded.

    Disks of Windows and macOS do not distinguish such names.

    Examples
    --------
    >>> spelling("RAA01-yw") == spelling("raa01-YW")
    True
    """
    return normalize("NFC", name).casefold()


_LITTER = re.compile(r"(^|/)(\._[^/]*|\.DS_Store|__MACOSX/.*|Thumbs\.db|desktop\.ini)$", re.IGNORECASE)


def is_litter(name: str) -> bool:
    """Return whether macOS or Windows left this file in an archive: it never holds a frame.

    Examples
    --------
    >>> is_litter("a/._raa01-yw"), is_litter("raa01-yw")
    (True, False)
    """
    return _LITTER.search(name) is not None


_FRAMES = (
    re.compile(r"raa01-(?P<product>..)[^_/]*_\d{5}-(?P<stamp>\d{10})-dwd"),
    re.compile(r"(?:^|/|DE1200_)(?P<product>[A-Z0-9%]{2})(?P<stamp>\d{10})(?:_(?P<lead>\d{3}))?(?:_MF\d{3})?$"),
    re.compile(r"composite_(?P<product>[A-Za-z]+)_20(?P<stamp>\d{6}_\d{4})(?:_(?P<lead>\d{3}))?-hd5$"),
)
_TOLERANCE = np.timedelta64(10, "m")
"""Some hours of RW's first years end at minute 45 although the name says 50."""
_OFTEN, _EXACT = 5, np.timedelta64(1, "m")
"""Minutes between frames of which the next one's bytes would pass for this one's, and their tolerance."""


class Stated(NamedTuple):
    """What a frame's name states: product, time (None if the digits are not a valid time) and lead time."""

    product: str
    time: np.datetime64 | None
    lead: int | None

    def denies(self, header: Header) -> bool:
        """Return whether a header contradicts the name."""
        tolerance = _EXACT if header.interval <= _OFTEN else _TOLERANCE
        late = self.time is not None and bool(abs(header.time - self.time) >= tolerance)
        # HymecNG and HG have no forecasts, although their names contain 000
        return self.product != header.product or late or self.lead not in {None, header.lead or 0}


def stated_by(name: str) -> Stated | None:
    """Return what a member's name states, or None if nothing.

    Examples
    --------
    >>> stated_by("composite_wn_20260703_0750_005-hd5")
    Stated(product='WN', time=np.datetime64('2026-07-03T07:50:00'), lead=5)
    """
    match = next(filter(None, (pattern.search(name) for pattern in _FRAMES)), None)
    if match is None:
        return None
    year, month, day, hour, minute = re.findall(r"\d\d", match["stamp"])
    lead = match.groupdict().get("lead")
    try:
        time = np.datetime64(f"20{year}-{month}-{day}T{hour}:{minute}", "s")
    except ValueError:
        time = None
    return Stated(match["product"].upper(), time, None if lead is None else int(lead))


def hold_against_name(header: Header, *, name: str, place: str) -> None:
    """Compare a header with the name of its file.

    Raises
    ------
    HeaderError
        The name states another product, time or lead time.
    """
    stated = stated_by(name)
    if stated is not None and stated.denies(header):
        ahead = "" if header.lead is None else f", {header.lead} min ahead"
        raise HeaderError(
            f"{place} is {header.product} of {header.time}{ahead} by its header, unlike its name: it was "
            "renamed or mixed up. Fetch it again; if this recurs, the server's file is wrong: fetch it with "
            'verify=False and open the rest with errors="report"'
        )
