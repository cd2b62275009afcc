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
    from collections.abc import Generator, Iterator, Mapping

    from numpy.typing import NDArray

    from radar_nb.widgets.explorer.frames import FrameSequence
    from radar_nb.widgets.explorer.packed_fields import PackedField

    Message = tuple[dict[str, Any], list[bytes]]
    """Content for JSON, and buffers."""
    Steps = Generator[Message | None, None, None]

WET_SHARE = 1e-3
"""A field is wet if this share of its cells with data is wet: single clutter cells do not count."""

_THREADS, _AT_ONCE, _KEPT = 4, 24, 4
"""Most threads that read the fields of a total, most fields that one adds at once, most totals that are kept."""


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
class SpanTotal:
    """Sum or maximum of the fields of a span, of shape (rows, cols), and how many of them have a value.

    Attributes
    ----------
    values : ndarray of float64
        In the units of the values; NaN where `counts` is 0.
    counts : ndarray of int64
    """

    values: NDArray[np.float64]
    counts: NDArray[np.int64]


Totals = dict[tuple[str, int, int], SpanTotal]
"""The latest totals, by how they were made, the first field and the one after the last."""


def span_total(frames: FrameSequence, how: str, span: tuple[int, int], kept: Totals) -> Steps:
    """Yield the sum ("sum") or the maximum ("max") over a span as a field; cells without any value are missing.

    `kept` holds the latest totals, so that looking at one again needs no work.
    """
    key = (how, *span)
    if key not in kept:
        total = yield from _total(frames, how, span)
        while len(kept) >= _KEPT:
            kept.pop(next(iter(kept)))
        kept[key] = total
    total = kept[key]
    field = encode(total.values)
    minutes = frames.minutes if how == "max" else None
    seen = total.counts[total.counts > 0]
    head = {
        "type": "total",
        "how": how,
        "span": [span[0], span[1] - 1],
        "scale": field.scale,
        "offset": field.offset,
        "limits": list(class_limits(frames.units, minutes, total.values)),
        "least_share": float(seen.min() / (span[1] - span[0])) if seen.size else 0.0,
    }
    yield head, [field.packed().data]


def _total(frames: FrameSequence, how: str, span: tuple[int, int]) -> Generator[Message | None, None, SpanTotal]:
    """Read the fields of a span with one thread a core, and report progress."""
    counts = np.zeros(frames.shape, np.int64)
    found = np.zeros(frames.shape) if how == "sum" else np.full(frames.shape, -np.inf)
    starts, done = iter(range(*span, _AT_ONCE)), span[0]
    ends: deque[Future[tuple[NDArray[np.float64], NDArray[np.int64]]]] = deque()
    with ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
        try:
            while True:
                for first in islice(starts, _THREADS - len(ends)):
                    ends.append(pool.submit(_total_of_batch, frames, how, first, min(first + _AT_ONCE, span[1])))
                if not ends:
                    break
                values, seen = ends.popleft().result()
                if how == "sum":
                    found += values
                else:
                    np.maximum(found, values, out=found)
                counts += seen
                done = min(done + _AT_ONCE, span[1])
                yield {"type": "progress", "id": "total", "done": done - span[0], "count": span[1] - span[0]}, []
        finally:
            pool.shutdown(cancel_futures=True)
    return SpanTotal(values=np.where(counts > 0, found, np.nan), counts=counts)


def _total_of_batch(
    frames: FrameSequence, how: str, first: int, stop: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return sum or maximum of some fields, and how many have a value."""
    fields, size = frames.packed(first, stop), frames.shape[0] * frames.shape[1]
    missing = np.zeros(size, np.int64)  # as differences from cell to cell, like all that is summed
    if how == "sum" and len({(field.scale, field.offset) for field in fields}) == 1:
        changes = np.zeros(size, np.int64)  # whole numbers, scaled once
        for codes, _, starts in _runs(fields):
            counts = np.where(codes == NO_VALUE, 0, codes).astype(np.int64)
            counts[1:] -= counts[:-1].copy()
            changes[starts] += counts
            _count(codes == NO_VALUE, starts, missing)
        seen = stop - first - np.cumsum(missing)
        values = np.cumsum(changes) * fields[0].scale + seen * fields[0].offset
    else:
        values = np.full(size, 0.0 if how == "sum" else -np.inf)
        add = np.add if how == "sum" else np.maximum
        for field, (codes, lengths, starts) in zip(fields, _runs(fields), strict=True):
            of_runs = codes * field.scale + field.offset
            of_runs[codes == NO_VALUE] = 0.0 if how == "sum" else -np.inf
            add(values, np.repeat(of_runs, lengths), out=values)
            _count(codes == NO_VALUE, starts, missing)
        seen = stop - first - np.cumsum(missing)
    return values.reshape(frames.shape), seen.reshape(frames.shape)


def _runs(fields: list[PackedField]) -> Iterator[tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.int64]]]:
    """Yield each field's runs: their codes, their lengths, and the cells where they start."""
    for field in fields:
        codes, lengths = field.runs()
        yield codes, lengths, np.cumsum(lengths, dtype=np.int64) - lengths


def _count(chosen: NDArray[np.bool_], starts: NDArray[np.int64], into: NDArray[np.int64]) -> None:
    """Add one to the cells of the chosen runs; `into` holds differences from cell to cell."""
    edges = chosen.astype(np.int64)
    edges[1:] -= chosen[:-1]
    turns = np.flatnonzero(edges)
    into[starts[turns]] += edges[turns]


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
