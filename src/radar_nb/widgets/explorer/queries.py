"""What the explorer computes beside fields: series of cells and areas, totals of a time span, the next rain.

Each query is a generator of small steps, so that fields are never kept waiting and memory stays small. A step
yields a message for the browser, or None.
"""

from __future__ import annotations

import math
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.errors import SeriesError
from radar_nb.plots.style import class_limits
from radar_nb.widgets.explorer.frames import NO_VALUE, encode

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from radar_nb.widgets.explorer.frames import FrameSequence

    Message = tuple[dict[str, Any], list[bytes]]
    """Content for JSON, and buffers."""
    Steps = Generator[Message | None, None, None]

WET_SHARE = 1e-3
"""A field is wet if this share of its cells with data is wet: single clutter cells do not count."""

_THREADS, _AT_ONCE = 4, 64
"""Most threads that read the fields of a total, and most fields that one reads at once."""


def place_series(frames: FrameSequence, question: Mapping[str, Any], span: tuple[int, int]) -> Steps:
    """Yield the series of a cell, or the mean of an area, in pieces; those around the playhead come first.

    Parameters
    ----------
    frames : FrameSequence
    question : mapping
        `id`; `cell` (row, col) or `polygon` of (col, row) corners; `near`, the number of the field on the map.
    span : tuple of int
        The first field, and the one after the last.
    """
    if frames.class_names and "polygon" in question:
        raise SeriesError(f"{frames.data.name} holds classes, which have no mean over an area: choose a point")
    head = {"type": "series", "id": question["id"]}
    mask = inside(question["polygon"], frames.shape) if "polygon" in question else None
    cells = 1 if mask is None else int(np.count_nonzero(mask))
    near = int(question.get("near", span[0]))
    if mask is None:
        row, col = question["cell"]
        box, mask = (slice(row, row + 1), slice(col, col + 1)), np.ones((1, 1), bool)
    elif cells:
        rows, cols = (slice(int(at.min()), int(at.max()) + 1) for at in mask.nonzero())
        box, mask = (rows, cols), mask[rows, cols]
    length = frames.fields_at_once(mask.size)
    starts = range(*span, length) if cells else ()
    for first in sorted(starts, key=lambda start: abs(start + length // 2 - near)):
        stop = min(first + length, span[1])
        values = _means(frames.box(first, stop, *box), mask)
        yield head | {"first": first, "values": [_json_number(value) for value in values], "cells": cells}, []
    yield head | {"done": True, "cells": cells}, []


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpanTotals:
    """Sum and maximum of the fields of a span, of shape (rows, cols), and how many of them have a value.

    Attributes
    ----------
    sums, maxima : ndarray of float64
        In the units of the values; of no meaning where `counts` is 0.
    counts : ndarray of int64
    """

    sums: NDArray[np.float64]
    maxima: NDArray[np.float64]
    counts: NDArray[np.int64]


def span_total(
    frames: FrameSequence, how: str, span: tuple[int, int], kept: dict[tuple[int, int], SpanTotals]
) -> Steps:
    """Yield the sum ("sum") or the maximum ("max") over a span as a field; cells without any value are missing.

    One pass finds both; `kept` holds those of the latest span, so that the other one needs no second pass.
    """
    if span not in kept:
        totals = yield from _totals(frames, span)
        kept.clear()
        kept[span] = totals
    totals = kept[span]
    found = np.where(totals.counts > 0, totals.sums if how == "sum" else totals.maxima, np.nan)
    field = encode(found)
    minutes = frames.minutes if how == "max" else None
    seen = totals.counts[totals.counts > 0]
    head = {
        "type": "total",
        "how": how,
        "span": [span[0], span[1] - 1],
        "scale": field.scale,
        "offset": field.offset,
        "limits": list(class_limits(frames.units, minutes, found)),
        "least_share": float(seen.min() / (span[1] - span[0])) if seen.size else 0.0,
    }
    yield head, [field.compressed()]


def _totals(frames: FrameSequence, span: tuple[int, int]) -> Generator[Message | None, None, SpanTotals]:
    """Read the fields of a span with one thread a core, and report progress."""
    sums, counts = np.zeros(frames.shape, np.float64), np.zeros(frames.shape, np.int64)
    maxima = np.full(frames.shape, -np.inf)
    length = min(_AT_ONCE, 4 * frames.batch)
    starts, done = iter(range(*span, length)), span[0]
    ends: deque[Future[SpanTotals]] = deque()
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        try:
            while True:
                for first in islice(starts, _THREADS - len(ends)):
                    ends.append(pool.submit(_totals_of_batch, frames, first, min(first + length, span[1])))
                if not ends:
                    break
                part = ends.popleft().result()
                sums += part.sums
                np.maximum(maxima, part.maxima, out=maxima)
                counts += part.counts
                done = min(done + length, span[1])
                yield {"type": "progress", "id": "total", "done": done - span[0], "count": span[1] - span[0]}, []
        finally:
            pool.shutdown(cancel_futures=True)
    return SpanTotals(sums=sums, maxima=maxima, counts=counts)


def _totals_of_batch(frames: FrameSequence, first: int, stop: int) -> SpanTotals:
    fields = frames.fields(first, stop)
    counts = np.zeros(frames.shape, np.int64)
    if len({(field.scale, field.offset) for field in fields}) == 1:
        total, largest, few = (np.zeros(frames.shape, kind) for kind in (np.uint32, np.uint16, np.uint8))
        for field in fields:  # 64 at most, so that neither sums nor counts overflow
            total += field.codes
            few += field.codes != NO_VALUE
            np.maximum(largest, field.codes + np.uint16(1), out=largest)  # missing cells become 0
        counts = few.astype(np.int64)
        total -= (NO_VALUE * (len(fields) - counts)).astype(np.uint32)
        scale, offset = fields[0].scale, fields[0].offset
        return SpanTotals(
            sums=total * scale + counts * offset,
            maxima=np.where(counts > 0, (largest.astype(np.float64) - 1) * scale + offset, -np.inf),
            counts=counts,
        )
    sums, maxima = np.zeros(frames.shape, np.float64), np.full(frames.shape, -np.inf)
    for field in fields:
        np.add(sums, field.values, out=sums, where=field.valid)
        np.maximum(maxima, field.values, out=maxima, where=field.valid)
        counts += field.valid
    return SpanTotals(sums=sums, maxima=maxima, counts=counts)


def next_rain(frames: FrameSequence, start: int, span: tuple[int, int], *, least: float) -> Steps:
    """Yield the number of the next wet field that follows a dry or missing one; None if there is none."""
    was_wet = True
    for first in range(max(span[0], start), span[1], frames.batch):
        for k, field in enumerate(frames.fields(first, min(first + frames.batch, span[1]))):
            wet = field.share(least) >= WET_SHARE
            if wet and not was_wet:
                yield {"type": "rain", "index": first + k}, []
                return
            was_wet = wet
        yield None
    yield {"type": "rain", "index": None}, []


def inside(polygon: Any, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which cells have their centre inside a polygon.

    Parameters
    ----------
    polygon : sequence of (col, row)
        Corners in cells from the south-western corner of the grid. The polygon closes itself.
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
    """Return each field's mean over the chosen cells that have a value; NaN if none has."""
    chosen = values[:, mask].astype(np.float64)
    known = np.isfinite(chosen)
    count = known.sum(axis=1)
    total = np.where(known, chosen, 0).sum(axis=1)
    means: NDArray[np.float64] = np.full(len(chosen), np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means.astype(np.float32)


def _json_number(value: float) -> float | None:
    """Return a number for JSON, as short as float32 allows."""
    with suppress(ValueError):
        return float(str(np.float32(value))) if math.isfinite(value) else None
    return None
