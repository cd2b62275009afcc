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
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

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

_MOST_CELLS = 4_000_000
"""Cells of places whose means are taken in one pass: 32 MB of their numbers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Chosen:
    """A place that a browser asks for: the box of its cells, and which cells of the box belong to it."""

    place: Mapping[str, Any]
    box: tuple[slice, slice]
    mask: NDArray[np.bool_]

    @property
    def count(self) -> int:
        """The number of its cells."""
        return int(np.count_nonzero(self.mask))

    def answer(self, **more: Any) -> dict[str, Any]:
        """Return its part of a message."""
        return {"id": self.place["id"], "cells": self.count, **more}


def place_series(
    frames: FrameSequence,
    places: Sequence[Mapping[str, Any]],
    span: tuple[int, int],
    *,
    near: int | None = None,
    wanted: Callable[[Mapping[str, Any]], bool] = lambda _: True,
) -> Steps:
    """Yield the series of cells, and the means of areas, in pieces; those around the playhead come first.

    The fields are read once for all places, so that a hundred areas take little longer than one.

    Parameters
    ----------
    frames : FrameSequence
    places : sequence of mapping
        `id`, and `cell` (row, col) or `polygon` of (col, row) corners.
    span : tuple of int
        The first field, and the one after the last.
    near : int, optional
        Number of the field on the map; by default the first of the span.
    wanted : callable
        Returns whether a place is still asked for.

    Raises
    ------
    SeriesError
        An area is asked for of classes; the cells have their series before.
    """
    every, refused = [], False
    for place in places:
        if frames.class_names and "polygon" in place:
            refused = True
            continue
        every.append(_chosen(place, frames.shape))
        if "polygon" in place:
            yield None
    near = span[0] if near is None else near
    for group, together in _groups(frames, [one for one in every if one.count]):
        size = sum(one.count if together else one.mask.size for one in group)
        length = frames.fields_at_once(size)
        for first in sorted(range(*span, length), key=lambda start: abs(start + length // 2 - near)):
            chosen = [one for one in group if wanted(one.place)]
            if not chosen:
                break
            stop = min(first + length, span[1])
            means = (_means_together if together else _means_of_boxes)(frames, first, stop, chosen)
            series = [[_json_number(value) for value in column] for column in means.T]
            found = [one.answer(values=values) for one, values in zip(chosen, series, strict=True)]
            yield {"type": "series", "first": first, "places": found}, []
    yield {"type": "series", "done": True, "places": [one.answer() for one in every if wanted(one.place)]}, []
    if refused:
        raise SeriesError(f"{frames.data.name} holds classes, which have no mean over an area: choose a point")


def _chosen(place: Mapping[str, Any], shape: tuple[int, int]) -> _Chosen:
    if "polygon" not in place:
        row, col = place["cell"]
        box = slice(row, row + 1), slice(col, col + 1)
        return _Chosen(place=place, box=box, mask=np.ones((1, 1), np.bool_))
    mask = inside(place["polygon"], shape)
    rows, cols = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = slice(0, 0), slice(0, 0)
    if rows.size:
        box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(cols[0]), int(cols[-1]) + 1)
    return _Chosen(place=place, box=box, mask=mask[box].copy())


def _groups(frames: FrameSequence, places: list[_Chosen]) -> Iterator[tuple[list[_Chosen], bool]]:
    """Yield the places that are read in one pass, and whether from whole fields or each from its box.

    Boxes are read where they have fewer chunks than the fields. What is taken from whole fields has a bounded
    number of cells.
    """
    rows, cols = frames.shape
    if not places:
        return
    if sum(frames.chunks_in(*one.box) for one in places) <= frames.chunks_in(slice(0, rows), slice(0, cols)):
        yield places, False
        return
    group: list[_Chosen] = []
    size = 0
    for one in places:
        if group and size + one.count > _MOST_CELLS:
            yield group, True
            group, size = [], 0
        group.append(one)
        size += one.count
    yield group, True


def _means_of_boxes(frames: FrameSequence, first: int, stop: int, places: list[_Chosen]) -> NDArray[np.float64]:
    means = [_means(frames.box(first, stop, *one.box)[:, one.mask], np.zeros(1, np.intp)) for one in places]
    return np.hstack(means)


def _means_together(frames: FrameSequence, first: int, stop: int, places: list[_Chosen]) -> NDArray[np.float64]:
    cols = frames.shape[1]
    cells = []
    for one in places:
        row, col = one.mask.nonzero()
        cells.append((row + one.box[0].start) * cols + col + one.box[1].start)
    starts = np.cumsum([0, *(one.size for one in cells[:-1])])
    at = np.concatenate(cells)
    return np.vstack([_means(values[None], starts) for values in frames.cells(first, stop, at)])


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


def _means(values: NDArray[np.float32], starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return each field's means over groups of cells, of those that have a value; NaN if none has.

    Parameters
    ----------
    values : ndarray of float32, shape (fields, cells)
    starts : ndarray of int
        The first cell of each group; no group is empty.
    """
    known = np.isfinite(values)
    counts = np.add.reduceat(known, starts, axis=1, dtype=np.int64)
    totals = np.add.reduceat(np.where(known, values, 0), starts, axis=1, dtype=np.float64)
    means: NDArray[np.float64] = np.full(totals.shape, np.nan)
    np.divide(totals, counts, out=means, where=counts > 0)
    return means


def _json_number(value: float) -> float | None:
    """Return a number for JSON, as short as float32 allows."""
    with suppress(ValueError):
        return float(str(np.float32(value))) if math.isfinite(value) else None
    return None
