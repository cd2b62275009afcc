"""Names of files inside archives: which of them may become names on a disk of any system."""

from __future__ import annotations

import re
from unicodedata import normalize

_NAME_LIMIT = 255  # bytes: what every file system takes

_UNSAFE = (
    ("is absolute", re.compile(r"^/")),
    ("leads out of its folder by '..'", re.compile(r"(^|/)\.\.(/|$)")),
    ("is empty, or has an empty part", re.compile(r"(^|/)(\.|\.gz|\.bz2)?(/|$)")),
    ("has a character that Windows forbids in names", re.compile(r'[\\:<>"|?*]')),
    ("has a part that ends in a dot or a blank", re.compile(r"[. ](/|$)")),
    ("is a device on Windows", re.compile(r"(?i)(^|/)(con|prn|aux|nul|(com|lpt)[0-9¹²³]) *(\.[^/]*)?(/|$)")),
)


def unsafe_name(name: str) -> str:
    """Tell why a member's name must not become a path, as a sentence's end; an empty text where it may.

    Examples
    --------
    >>> unsafe_name("raa01-yw2017.002_10000-2006131525-dwd---bin"), unsafe_name("../x")
    ('', "leads out of its folder by '..'")
    """
    if not name.isprintable():
        return "has control characters, or is no UTF-8"
    if len(name.encode()) > _NAME_LIMIT:
        return f"is longer than {_NAME_LIMIT} bytes"
    return next((reason for reason, pattern in _UNSAFE if pattern.search(name)), "")


def spelling(name: str) -> str:
    """Give what two names share that differ in case, or in how their accents are written, alone.

    Disks of Windows and macOS take such names for one.

    Examples
    --------
    >>> spelling("RAA01-yw") == spelling("raa01-YW")
    True
    """
    return normalize("NFC", name).casefold()
