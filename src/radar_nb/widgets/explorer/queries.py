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
from radar_nb.widgets.explorer.frames import encode
from radar_nb.widgets.explorer.packed_fields import NO_VALUE

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from numpy.typing import NDArray

    from radar_nb.widgets.explorer.frames import FrameSequence

    Message = tuple[dict[str, Any], list[bytes]]
    """Content for JSON, and buffers."""
    Steps = Generator[Message | None, None, None]

WET_SHARE = 1e-3
"""A field is wet if this share of its cells with data is wet: single clutter cells do not count."""

_THREADS, _AT_ONCE, _KEPT = 4, 48, 4
"""Most threads that read the fields of a total, most fields of a batch (below 256), most totals that are kept."""

_BLOCK = 1 << 16
"""Cells of a field that are added at a time."""


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
    sums, highest : ndarray of float64
        In the units of the values; NaN where `counts` is 0.
    counts : ndarray of int64
    """

    sums: NDArray[np.float64]
    highest: NDArray[np.float64]
    counts: NDArray[np.int64]


Totals = dict[tuple[int, int], SpanTotals]
"""The latest totals, by the first field and the one after the last."""


def span_total(frames: FrameSequence, how: str, span: tuple[int, int], kept: Totals) -> Steps:
    """Yield the sum ("sum") or the maximum ("max") over a span as a field; cells without any value are missing.

    `kept` holds the latest totals, so that looking at one again, or at the other of both, needs no work.
    """
    if span not in kept:
        totals = yield from _totals(frames, span)
        while len(kept) >= _KEPT:
            kept.pop(next(iter(kept)))
        kept[span] = totals
    values, counts = kept[span].sums if how == "sum" else kept[span].highest, kept[span].counts
    field = encode(values)
    minutes = frames.minutes if how == "max" else None
    seen = counts[counts > 0]
    head = {
        "type": "total",
        "how": how,
        "span": [span[0], span[1] - 1],
        "scale": field.scale,
        "offset": field.offset,
        "limits": list(class_limits(frames.units, minutes, values)),
        "least_share": float(seen.min() / (span[1] - span[0])) if seen.size else 0.0,
    }
    yield head, [field.packed().data]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Batch:
    """What some fields add to the totals: their number, sums, maxima, and how many have no value."""

    size: int
    sums: NDArray[Any]
    highest: NDArray[Any]
    missing: NDArray[np.uint8]


def _totals(frames: FrameSequence, span: tuple[int, int]) -> Generator[Message | None, None, SpanTotals]:
    """Read the fields of a span once, with one thread a core, and report progress."""
    whole, count, done = frames.steps is not None, span[1] - span[0], 0
    sums: NDArray[Any] = np.zeros(frames.shape, np.int64 if whole else np.float64)
    highest: NDArray[Any] = np.zeros(frames.shape, np.uint16) if whole else np.full(frames.shape, -np.inf)
    missing = np.zeros(frames.shape, np.int64)
    threads = min(_THREADS, os.cpu_count() or 1)
    starts, ends = iter(_in_stretches(span, threads)), deque[Future[_Batch]]()
    with ThreadPoolExecutor(threads) as pool:
        try:
            while True:
                for first in islice(starts, threads + 1 - len(ends)):
                    add = _add_codes if whole else _add_values
                    ends.append(pool.submit(add, frames, first, min(first + _AT_ONCE, span[1])))
                if not ends:
                    break
                batch = ends.popleft().result()
                np.add(sums, batch.sums, out=sums)
                np.maximum(highest, batch.highest, out=highest)
                np.add(missing, batch.missing, out=missing)
                done += batch.size
                yield {"type": "progress", "id": "total", "done": done, "count": count}, []
        finally:
            pool.shutdown(cancel_futures=True)
    seen = count - missing
    if frames.steps is not None:
        scale, offset = frames.steps
        sums = (sums - seen) * scale + seen * offset
        highest = (highest - 1.0) * scale + offset
    none = seen == 0
    sums[none] = highest[none] = np.nan
    return SpanTotals(sums=sums, highest=highest, counts=seen)


def _in_stretches(span: tuple[int, int], threads: int) -> list[int]:
    """Return the first fields of batches, in turn from as many stretches as there are threads.

    Each thread then goes forward in a stretch of its own, and inflates nothing of an archive that another one
    inflates too.

    Examples
    --------
    >>> _in_stretches((0, 240), 2)
    [0, 96, 48, 144, 192]
    """
    starts = range(*span, _AT_ONCE)
    length = len(starts) // threads
    stretches = [starts[k * length : (k + 1) * length] for k in range(threads)]
    taken = [first for group in zip(*stretches, strict=True) for first in group]
    return taken + list(starts[len(taken) :])


def _add_codes(frames: FrameSequence, first: int, stop: int) -> _Batch:
    """Add up some fields of one scale.

    A code counts one more, so that a missing cell has 0: sums hold one too many for each value, and maxima one.
    Sums are added in 16 bits while they fit, and block by block, which stays in the processor's cache.
    """
    size = frames.shape[0] * frames.shape[1]
    sums, group = np.zeros(size, np.uint32), np.zeros(size, np.uint16)
    highest, missing = np.zeros(size, np.uint16), np.zeros(size, np.uint8)
    blocks = [slice(start, min(start + _BLOCK, size)) for start in range(0, size, _BLOCK)]
    parts = [(block, sums[block], group[block], highest[block], missing[block]) for block in blocks]
    room, gaps, reached = np.empty(_BLOCK, np.uint16), np.empty(_BLOCK, np.bool_), [0] * len(blocks)
    for field in frames.coded(first, stop):
        codes = field.codes.reshape(-1)
        for number, (block, of_all, of_group, top, lost) in enumerate(parts):
            counts, gap = room[: top.size], gaps[: top.size]
            np.add(codes[block], np.uint16(1), out=counts)
            np.equal(counts, 0, out=gap)
            np.add(lost, gap.view(np.uint8), out=lost)
            np.maximum(top, counts, out=top)
            largest = int(counts.max())
            if reached[number] + largest > NO_VALUE:
                np.add(of_all, of_group, out=of_all)
                of_group.fill(0)
                reached[number] = 0
            np.add(of_group, counts, out=of_group)
            reached[number] += largest
    np.add(sums, group, out=sums)
    shape = frames.shape
    return _Batch(
        size=stop - first,
        sums=sums.reshape(shape),
        highest=highest.reshape(shape),
        missing=missing.reshape(shape),
    )


def _add_values(frames: FrameSequence, first: int, stop: int) -> _Batch:
    """Add up some fields each of which has its own scale."""
    sums, highest = np.zeros(frames.shape), np.full(frames.shape, -np.inf)
    missing = np.zeros(frames.shape, np.uint8)
    for field in frames.coded(first, stop):
        values, valid = field.codes * field.scale + field.offset, field.valid
        np.add(sums, values, out=sums, where=valid)
        np.maximum(highest, values, out=highest, where=valid)
        np.add(missing, ~valid, out=missing)
    return _Batch(size=stop - first, sums=sums, highest=highest, missing=missing)


def next_rain(frames: FrameSequence, start: int, span: tuple[int, int], *, least: float) -> Steps:
    """Yield the number of the next wet field that follows a dry or missing one; None if there is none."""
    was_wet = True
    for first in range(max(span[0], start), span[1], frames.batch):
        for k, field in enumerate(frames.packed(first, min(first + frames.batch, span[1]))):
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
