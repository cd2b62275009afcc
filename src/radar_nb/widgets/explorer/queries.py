"""What can be asked of a film beside its fields: series of cells and areas, totals of a span, the next rain.

Each is a job of small steps, so that the fields that are to be seen next are never kept waiting, and that nothing
needs to be held. A step gives an answer, or None where there is nothing to tell yet.
"""

from __future__ import annotations

import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.plots.style import class_limits
from radar_nb.widgets.explorer.frames import pack

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from radar_nb.widgets.explorer.frames import Reel

    Answer = tuple[dict[str, Any], list[bytes]]
    """What is told, as JSON holds it, and its buffers."""
    Job = Generator[Answer | None, None, None]

WET = 1e-3
"""A field is wet if rain falls in this share of its cells with data: single clutter cells are none."""


def series(reel: Reel, question: Mapping[str, Any], span: tuple[int, int]) -> Job:
    """Give the series of a cell, or the mean of an area, in pieces, those around the playhead first.

    Parameters
    ----------
    reel : Reel
    question : mapping
        `id`; `cell` (row, col), or `polygon` of (col, row) corners; `near`, the number of the field that is shown.
    span : tuple of int
        First field, and the one after the last.
    """
    told = {"type": "series", "id": question["id"]}
    mask = inside(question["polygon"], reel.shape) if "polygon" in question else None
    cells = 1 if mask is None else int(np.count_nonzero(mask))
    near = int(question.get("near", span[0]))
    if mask is None:
        row, col = question["cell"]
        box, mask = (slice(row, row + 1), slice(col, col + 1)), np.ones((1, 1), bool)
    elif cells:
        rows, cols = (slice(int(at.min()), int(at.max()) + 1) for at in mask.nonzero())
        box, mask = (rows, cols), mask[rows, cols]
    length = reel.stretch(mask.size)
    starts = range(*span, length) if cells else ()
    for first in sorted(starts, key=lambda start: abs(start + length // 2 - near)):
        stop = min(first + length, span[1])
        values = _means(reel.box(first, stop, *box), mask)
        yield told | {"first": first, "values": [_number(value) for value in values], "cells": cells}, []
    yield told | {"done": True, "cells": cells}, []


def total(reel: Reel, how: str, span: tuple[int, int]) -> Job:
    """Give the sum ("sum") or the maximum ("max") over a span: a field, missing where no step had a value."""
    counts = np.zeros(reel.shape, np.int32)
    found = np.zeros(reel.shape, np.float64) if how == "sum" else np.full(reel.shape, -np.inf)
    length = span[1] - span[0]
    for first in range(*span, reel.together):
        stop = min(first + reel.together, span[1])
        for picture in reel.pictures(first, stop):
            valid = picture.valid
            (np.add if how == "sum" else np.maximum)(found, picture.values, out=found, where=valid)
            counts += valid
        yield {"type": "progress", "id": "total", "done": stop - span[0], "count": length}, []
    found[counts == 0] = np.nan
    picture = pack(found)
    minutes = reel.minutes if how == "max" else None
    seen = counts[counts > 0]
    told = {
        "type": "total",
        "how": how,
        "span": [span[0], span[1] - 1],
        "scale": picture.scale,
        "offset": picture.offset,
        "limits": list(class_limits(reel.units, minutes, found)),
        "least_share": float(seen.min() / length) if seen.size else 0.0,
    }
    yield told, [picture.packed()]


def next_rain(reel: Reel, start: int, span: tuple[int, int], *, least: float) -> Job:
    """Give the number of the next field that is wet after one that is not; None if there is none."""
    was_wet = True
    for first in range(max(span[0], start), span[1], reel.together):
        for k, picture in enumerate(reel.pictures(first, min(first + reel.together, span[1]))):
            wet = picture.share(least) >= WET
            if wet and not was_wet:
                yield {"type": "rain", "index": first + k}, []
                return
            was_wet = wet
        yield None
    yield {"type": "rain", "index": None}, []


def inside(polygon: Any, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Tell which cells have their centre inside a polygon.

    Parameters
    ----------
    polygon : sequence of (col, row)
        Corners, counted in cells from the south-western corner of the grid; it is closed by itself.
    shape : tuple of int

    Examples
    --------
    >>> inside([(0, 0), (2, 0), (2, 1), (0, 1)], (2, 3)).astype(int)
    array([[1, 1, 0],
           [0, 0, 0]])
    """
    x, y = np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5
    found = np.zeros(shape, bool)
    corners = [(float(col), float(row)) for col, row in polygon]
    for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
        rows = np.flatnonzero((y0 <= y) != (y1 <= y))  # where a ray to the west can cross the edge
        share = (y[rows] - y0) / (y1 - y0) if rows.size else y[rows]
        found[rows] ^= x > (x0 + share * (x1 - x0))[:, None]
    return found


def _means(values: NDArray[np.float32], mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give the mean of each field's chosen cells that are not missing; NaN where all are."""
    chosen = values[:, mask].astype(np.float64)
    known = np.isfinite(chosen)
    count = known.sum(axis=1)
    total = np.where(known, chosen, 0).sum(axis=1)
    means: NDArray[np.float64] = np.full(len(chosen), np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means.astype(np.float32)


def _number(value: float) -> float | None:
    """Give a number for JSON, as short as float32 allows."""
    with suppress(ValueError):
        return float(str(np.float32(value))) if math.isfinite(value) else None
    return None
