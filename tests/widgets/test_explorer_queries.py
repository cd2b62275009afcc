"""The explorer's queries: series, totals and the next rain equal the Dataset's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import shapely
import xarray as xr
from hypothesis import example, given
from hypothesis import strategies as st
from support.small_rain import rain, showers
from support.unpacking import unpacked

from radar_nb.widgets.explorer.frames import FrameSequence
from radar_nb.widgets.explorer.packed_fields import NO_VALUE, KeptFields, pack
from radar_nb.widgets.explorer.queries import inside, next_rain, place_series, span_total

if TYPE_CHECKING:
    from numpy.typing import NDArray

COUNT, ROWS, COLS = 20, 5, 4
VALUES = showers(COUNT, ROWS, COLS, seed=3, missing=0.2)
VALUES[:, :, 3] = np.nan
FIELDS = rain(VALUES)["YW"]


@pytest.fixture
def frames() -> FrameSequence:
    """Return some rain with a missing column, read four fields at a time like large grids."""
    made = FrameSequence(FIELDS)
    made.batch = 4
    return made


def series_of(pieces: list[Any]) -> dict[str, NDArray[np.float64]]:
    """Return the series of each place from the answers."""
    found: dict[str, NDArray[np.float64]] = {}
    for piece in pieces:
        for place in piece["places"]:
            series = found.setdefault(place["id"], np.full(COUNT, np.nan))
            values = [np.nan if value is None else value for value in place.get("values", [])]
            series[piece.get("first", 0) : piece.get("first", 0) + len(values)] = values
    return found


class TestSeries:
    """Series of cells and areas."""

    def _answers(
        self, frames: FrameSequence, span: tuple[int, int] = (0, COUNT), **question: Any
    ) -> tuple[Any, list[Any]]:
        near = question.pop("near", None)
        pieces = [
            answer[0] for answer in place_series(frames, [{"id": "a", **question}], span, near=near) if answer
        ]
        return series_of(pieces)["a"], pieces

    def test_a_cells_series_is_the_datasets(self, frames: FrameSequence) -> None:
        """The pieces around the playhead come first; all pieces together are the Dataset's series."""
        frames.batch = 1
        values, pieces = self._answers(frames, cell=[2, 1], near=17)

        assert np.allclose(values, FIELDS[:, 2, 1], equal_nan=True)
        assert [piece.get("first") for piece in pieces] == [12, 0, None]
        assert pieces[-1]["done"]

    def test_an_areas_series_is_the_mean_of_its_cells_with_data(self, frames: FrameSequence) -> None:
        """An area's series is the mean of its cells, without missing ones."""
        values, pieces = self._answers(frames, polygon=[(1, 1), (4, 1), (4, 3), (1, 3)])

        assert np.allclose(values, FIELDS[:, 1:3, 1:4].mean(("y", "x")), equal_nan=True)
        assert pieces[-1]["places"] == [{"id": "a", "cells": 6}]

    def test_only_the_span_is_read(self, frames: FrameSequence) -> None:
        """A series has values within the span only."""
        values, _ = self._answers(frames, (6, 9), cell=[2, 1])

        assert np.allclose(values[6:9], FIELDS[6:9, 2, 1], equal_nan=True)
        assert np.isnan(values[[*range(6), *range(9, COUNT)]]).all()

    def test_an_area_without_a_cell_is_empty(self, frames: FrameSequence) -> None:
        """A polygon outside the map, or thinner than a cell, has no series."""
        _, pieces = self._answers(frames, polygon=[(-9, 0), (-8, 0), (-8, 2)])

        assert pieces == [{"type": "series", "done": True, "places": [{"id": "a", "cells": 0}]}]

    @pytest.mark.parametrize("form", ["steps", "own scales", "a cube's chunks"])
    def test_fields_are_read_once_for_all_places(self, form: str) -> None:
        """Cells and areas that overlap have the series that each has alone, from one pass over the fields."""
        data = FIELDS.copy() * (1.23 if form == "own scales" else 1)
        if form == "a cube's chunks":
            data.encoding["preferred_chunks"] = {"time": 4, "y": 2, "x": 2}
        frames = FrameSequence(data)
        places: list[dict[str, Any]] = [
            {"id": "cell", "cell": [2, 1]},
            {"id": "area", "polygon": [(1, 1), (4, 1), (4, 3), (1, 3)]},
            {"id": "nothing", "polygon": [(-9, 0), (-8, 0), (-8, 2)]},
            {"id": "whole", "polygon": [(0, 0), (4, 0), (4, 5), (0, 5)]},
        ]
        read, once = np.zeros(COUNT, int), frames._read  # noqa: SLF001 - counts what is read

        def counted(first: int, stop: int) -> Any:
            read[first:stop] += 1
            return once(first, stop)

        frames._read = counted  # type: ignore[method-assign]  # noqa: SLF001
        together = series_of([answer[0] for answer in place_series(frames, places, (0, COUNT)) if answer])

        assert (read == 1).all()
        for place in places:
            alone = series_of([answer[0] for answer in place_series(frames, [place], (0, COUNT)) if answer])
            assert np.allclose(together[place["id"]], alone[place["id"]], rtol=1e-6, atol=1e-6, equal_nan=True)
        assert np.allclose(together["whole"], data.mean(("y", "x")), rtol=1e-5, atol=1e-6, equal_nan=True)


def values_of(message: Any) -> NDArray[np.float64]:
    """Return the field of a total, NaN where missing."""
    answer, (packed,) = message
    found = unpacked(packed).reshape(ROWS, COLS)
    return np.where(found == NO_VALUE, np.nan, found * answer["scale"] + answer["offset"])


@pytest.mark.parametrize("how", ["sum", "max"])
def test_totals_are_the_datasets(frames: FrameSequence, how: str) -> None:
    """A total is missing in cells without any value; `least_share` is the smallest share of fields with one."""
    *progress, last = span_total(frames, how, (5, 16), {})

    assert last
    answer, values = last[0], values_of(last)
    part = FIELDS[5:16]
    expected = part.sum("time", min_count=1) if how == "sum" else part.max("time")
    counts = part.count("time")
    assert np.allclose(values, expected, atol=1e-6, equal_nan=True)
    assert answer["least_share"] == pytest.approx(float(counts.where(counts > 0).min()) / 11)
    assert answer["span"] == [5, 15]
    assert progress[-1] == ({"type": "progress", "id": "total", "done": 11, "count": 11}, [])


@pytest.mark.parametrize("how", ["sum", "max"])
def test_a_total_of_fields_that_are_kept_reads_nothing(frames: FrameSequence, how: str) -> None:
    """Fields that the browser has had are kept packed, and a total of them is computed from these."""
    frames.packed(0, COUNT)
    frames.data = frames.data * np.nan  # what would be read

    *_, last = span_total(frames, how, (3, 9), {})

    assert last
    expected = FIELDS[3:9].sum("time", min_count=1) if how == "sum" else FIELDS[3:9].max("time")
    assert np.allclose(values_of(last), expected, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("form", ["steps", "own scales", "dask"])
def test_sums_of_any_data_are_numpys(form: str) -> None:
    """Codes that add up beyond 16 bits, a scale for each field, and chunks: sums and maxima are NumPy's."""
    rng = np.random.default_rng(7)
    codes = rng.integers(0, 65_535, (130, 5, 4))
    values = np.where(rng.random(codes.shape) < 0.2, np.nan, codes * 0.001).astype(np.float32)
    values[:, 2, 1] = np.nan
    coords = {"time": np.datetime64("2020-06-13", "ns") + np.arange(130) * np.timedelta64(5, "m")}
    data = xr.DataArray(values, coords | {"y": np.arange(5.0), "x": np.arange(4.0)}, ("time", "y", "x"))
    if form != "own scales":
        data.encoding = {"dtype": "u2", "scale_factor": 0.001}
    frames = FrameSequence(data.chunk(time=17) if form == "dask" else data)
    assert (frames.steps is None) == (form == "own scales")
    kept: Any = {}

    sums, highest = (values_of([*span_total(frames, how, (0, 130), kept)][-1]) for how in ("sum", "max"))

    assert np.allclose(sums, data.sum("time", min_count=1, dtype=float), atol=0.06, equal_nan=True)
    assert np.allclose(highest, data.max("time"), atol=2e-3, equal_nan=True)


def test_the_latest_totals_are_kept(frames: FrameSequence) -> None:
    """A total that was asked for, or the other one of its span, is answered at once; the oldest is forgotten."""
    kept: Any = {}
    for stop in range(2, 8):
        list(span_total(frames, "sum", (0, stop), kept))

    again = [message["type"] for message, _ in filter(None, span_total(frames, "max", (0, 7), kept))]

    assert again == ["total"]
    assert list(kept) == [(0, stop) for stop in range(4, 8)]


def test_kept_fields_stay_within_their_budget() -> None:
    """Fields that were used longest ago are forgotten first."""
    field = pack(np.zeros(4, np.uint16), 1.0, 0.0)
    kept = KeptFields(3 * len(field.data))

    for index in (1, 2, 3):
        kept.put(index, field)
    kept.get(1)
    kept.put(4, field)

    assert [index for index in range(5) if kept.get(index)] == [1, 3, 4]


def test_totals_of_fields_with_scales_of_their_own_are_the_datasets() -> None:
    """Fields whose values have no common step are summed without rounding."""
    values = np.random.default_rng(1).random((6, ROWS, COLS)).astype(np.float32) ** 9
    frames = FrameSequence(rain(values)["YW"].drop_encoding())

    for how, expected in (("sum", values.sum(0)), ("max", values.max(0))):
        *_, last = span_total(frames, how, (0, 6), {})
        assert last
        answer, (packed,) = last
        found = unpacked(packed).reshape(ROWS, COLS) * answer["scale"] + answer["offset"]
        assert np.allclose(found, expected, atol=answer["scale"] + 6e-5)


def test_a_total_without_values_is_missing(frames: FrameSequence) -> None:
    """If no cell has a value in the span, the total is missing everywhere."""
    frames.data = frames.data * np.nan

    *_, last = span_total(frames, "sum", (0, COUNT), {})

    assert last
    assert last[0]["least_share"] == 0
    assert set(unpacked(last[1][0])) == {NO_VALUE}


@pytest.mark.parametrize(("start", "found"), [(0, 8), (7, 8), (8, 13), (14, None)])
def test_the_next_rain_begins_after_a_dry_field(start: int, found: int | None) -> None:
    """During rain, the next rain is the first wet field after a dry or missing one."""
    values = np.zeros((COUNT, ROWS, COLS), np.float32)
    values[8:] = 0.5
    values[12] = np.nan

    *_, last = next_rain(FrameSequence(rain(values)["YW"]), start, (0, COUNT), least=0.01)

    assert last == ({"type": "rain", "index": found}, [])


@given(st.tuples(*[st.tuples(st.floats(-2, 8), st.floats(-2, 8))] * 3))
@example(((0.0, 0.0), (1.0, 1.0), (2.0, 2.0)))
def test_a_triangle_has_the_same_cells_as_in_shapely(corners: tuple[tuple[float, float], ...]) -> None:
    """A triangle contains the cells whose centre shapely finds inside; those on an edge may differ."""
    centres = shapely.points([(col + 0.5, row + 0.5) for row in range(6) for col in range(7)])
    triangle = shapely.Polygon(corners)

    found = inside(corners, (6, 7)).ravel()

    with np.errstate(all="ignore"):  # for corners 1e-300 apart
        sure = shapely.distance(triangle.exterior, centres) > 1e-6
    assert np.array_equal(found[sure], shapely.contains(triangle, centres)[sure])
