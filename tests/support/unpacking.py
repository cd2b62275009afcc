"""Unpack fields as a browser does: in Python, the same as js/cache.js."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def unpacked(packed: bytes) -> NDArray[np.uint16]:
    """Return all codes of a field, row by row from the south."""
    octets = np.frombuffer(zlib.decompress(packed), np.uint8).reshape(2, -1)
    words = octets[0] + 256 * octets[1].astype(np.uint16)
    runs = int(words[0]) + (int(words[1]) << 16)
    return np.repeat(words[2 : 2 + runs], words[2 + runs :]) if runs else words[2:]
