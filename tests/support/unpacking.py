"""Unpack fields as a browser does: in Python, the same as js/cache.js."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


def unpacked(packed: bytes) -> NDArray[np.uint16]:
    """Return all codes of a field, row by row from the south."""
    low, high, *_ = words = np.frombuffer(zlib.decompress(packed), "<u2")
    runs = int(low) + (int(high) << 16)
    return np.repeat(words[2 : 2 + runs], words[2 + runs :]) if runs else words[2:]
