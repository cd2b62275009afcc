"""Regridding: amounts of water are conserved, missing stays missing, and coinciding cells are copied."""

from __future__ import annotations

import pickle
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radar_nb.dwd.grids import GRIDS, Earth, Grid, to_lonlat, to_xy
from radar_nb.errors import SettingsError
from radar_nb.reading.regridding import COVERED, Method, weights

CELLS = st.sampled_from([250.0, 700.0, 1000.0, 2000.0])
SIZES = st.integers(1, 5)
Point = tuple[float, float]


def grid(rows: int, cols: int, cell: float, x0: float = 0.0, y0: float = 0.0, *, earth: Earth = "sphere") -> Grid:
    return Grid(name="it", rows=rows, cols=cols, cell=cell, earth=earth, x0=x0, y0=y0)


OLD = grid(450, 450, 1000, GRIDS["de900"].x0, GRIDS["de900"].y0)
"""A quarter of DWD's old grid, in the corner where sphere and ellipsoid differ most."""
NEW = grid(510, 490, 1000, GRIDS["de1200-wgs84"].x0, GRIDS["de1200-wgs84"].y0 + 130_000, earth="wgs84")
"""The cells of the new grid around them."""


def rain(shape: tuple[int, int], rim: int = 0, seed: int = 0) -> Any:
    """Return a field of rain that is dry near the edge."""
    field = np.zeros(shape, np.float32)
    inner = tuple(slice(rim, size - rim) for size in shape)
    field[inner] = np.random.default_rng(seed).gamma(0.3, 5, field[inner].shape)
    return field


def corners(source: Grid, earth: Earth) -> Any:
    """Return the corners of a grid's cells in the plane of an earth, shape (rows + 1, cols + 1, 2)."""
    x = source.x0 + source.cell * (np.arange(source.cols + 1) - 0.5)
    y = source.y0 + source.cell * (np.arange(source.rows + 1) - 0.5)
    corners_x, corners_y = np.meshgrid(x, y)
    return np.stack(to_xy(*to_lonlat(corners_x, corners_y, source.earth), earth), axis=-1)


def cut(polygon: list[Point], axis: int, limit: float, side: int) -> list[Point]:
    """Return the part of a convex polygon on one side of a line (Sutherland and Hodgman 1974, CACM 17, 32-42)."""
    kept: list[Point] = []
    for here, there in zip(polygon, polygon[1:] + polygon[:1], strict=True):
        a, b = side * (limit - here[axis]), side * (limit - there[axis])  # how far inside
        if a >= 0:
            kept.append(here)
        if a * b < 0:
            share = a / (a - b)
            kept.append((here[0] + share * (there[0] - here[0]), here[1] + share * (there[1] - here[1])))
    return kept


def area(polygon: list[Point]) -> float:
    """Return the area of a polygon (shoelace formula)."""
    ends = zip(polygon, polygon[1:] + polygon[:1], strict=True)
    return sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in ends) / 2


def shares(source: Grid, target: Grid) -> Any:
    """Return the share of each cell of the target that each cell of the source covers, one polygon at a time."""
    found = np.zeros((*target.shape, *source.shape))
    # relative to a point nearby: products of large coordinates would round areas away
    near = corners(source, target.earth) - (target.x0, target.y0)
    for r, c, row, col in np.ndindex(found.shape):
        polygon = [tuple(near[row + i, col + j]) for i, j in ((0, 0), (0, 1), (1, 1), (1, 0))]
        for axis, at in ((0, c), (1, r)):
            polygon = cut(polygon, axis, (at - 0.5) * target.cell, -1)
            polygon = cut(polygon, axis, (at + 0.5) * target.cell, 1)
        found[r, c, row, col] = area(polygon) / target.cell**2
    return found


def lengths(a: Grid, b: Grid) -> tuple[Any, Any]:
    """Return by how many metres each column and row of one grid overlaps each of another on the same earth."""

    def overlap(first: Any, width: float, second: Any, other: float) -> Any:
        low = np.maximum(first[:, None] - width / 2, second - other / 2)
        return np.maximum(0, np.minimum(first[:, None] + width / 2, second + other / 2) - low)

    return overlap(a.x, a.cell, b.x, b.cell), overlap(a.y, a.cell, b.y, b.cell)


class TestOverlap:
    """First-order conservative weights."""

    @settings(deadline=None, max_examples=60)
    @given(
        shapes=st.tuples(*[st.integers(1, 7)] * 4),
        cells=st.tuples(*[st.sampled_from([250.0, 700.0, 1000.0, 2000.0])] * 2),
        shift=st.tuples(*[st.floats(-3000, 3000)] * 2),
    )
    def test_areas_equal_those_of_rectangles(
        self, shapes: tuple[int, ...], cells: tuple[float, float], shift: tuple[float, float]
    ) -> None:
        """On one earth cells are rectangles, whose overlaps are products of lengths."""
        source, target = grid(shapes[0], shapes[1], cells[0]), grid(shapes[2], shapes[3], cells[1], *shift)
        values = rain(source.shape) + 1

        found = weights(source, target).apply(values)

        across, along = lengths(target, source)
        area = along.sum(axis=1)[:, None] * across.sum(axis=1)
        with np.errstate(invalid="ignore"):
            expected = (along @ values @ across.T) / area
        covered = area / target.cell**2
        clear = abs(covered - 0.5) > 1e-5
        np.testing.assert_allclose(found[clear], np.where(covered >= 0.5, expected, np.nan)[clear], rtol=1e-5)

    @settings(deadline=None, max_examples=40)
    @given(
        shapes=st.tuples(SIZES, SIZES, SIZES, SIZES),
        cells=st.tuples(CELLS, CELLS),
        place=st.tuples(st.floats(2, 18), st.floats(46, 56)),
        shift=st.tuples(*[st.floats(-2000, 2000)] * 2),
        earths=st.permutations(["sphere", "wgs84"]),
    )
    def test_areas_equal_those_of_polygons(
        self,
        shapes: tuple[int, ...],
        cells: tuple[float, float],
        place: tuple[float, float],
        shift: tuple[float, float],
        earths: list[Earth],
    ) -> None:
        """Between earths, anywhere in Europe, means and gaps equal those of clipping cell by cell."""
        (x, y), (there_x, there_y) = (map(float, to_xy(*place, earth)) for earth in earths)
        source = grid(shapes[0], shapes[1], cells[0], x, y, earth=earths[0])
        target = grid(shapes[2], shapes[3], cells[1], there_x + shift[0], there_y + shift[1], earth=earths[1])
        values = rain(source.shape) + 1
        values[::2, 1::3] = np.nan

        found = weights(source, target).apply(values)

        share = shares(source, target)
        covered = (share * np.isfinite(values)).sum(axis=(2, 3))
        with np.errstate(invalid="ignore"):
            expected = (share * np.nan_to_num(values)).sum(axis=(2, 3)) / covered
        clear = abs(covered - COVERED) > 1e-5
        expected[covered < COVERED] = np.nan
        np.testing.assert_allclose(found[clear], expected[clear], rtol=1e-5)

    @pytest.mark.parametrize(("source", "target"), [(OLD, NEW), (GRIDS["de460-wgs84"], GRIDS["de450"])])
    def test_the_volume_of_water_is_conserved(self, source: Grid, target: Grid) -> None:
        """Between sphere and ellipsoid, total depth times area is conserved to a millionth."""
        way = weights(source, target)
        values = rain(source.shape, rim=60)

        found = way.apply(values)

        edges = corners(source, target.earth)
        (x1, y1), (x2, y2) = (edges[1:, 1:] - edges[:-1, :-1]).T, (edges[1:, :-1] - edges[:-1, 1:]).T  # diagonals
        before = (values.astype("f8") * ((x1 * y2 - x2 * y1) / 2).T).sum()
        after = np.nansum(found.astype("f8")) * target.cell**2
        assert after == pytest.approx(before, rel=1e-6)

    def test_a_constant_stays_constant(self) -> None:
        """A constant field is constant after regridding, in covered cells."""
        found = weights(OLD, NEW).apply(np.full(OLD.shape, 3.25, np.float32))

        covered = np.isfinite(found)
        assert 200_000 < covered.sum() < 205_000
        np.testing.assert_allclose(found[covered], 3.25, rtol=1e-6)

    @pytest.mark.parametrize("inner", ["de900", "de1100"])
    def test_coinciding_cells_are_copied(self, inner: str) -> None:
        """On one earth DWD's grids are whole cells apart: values are equal, the rest is missing."""
        source, target = GRIDS[inner], GRIDS["de1200"]
        values = rain(source.shape)
        row, col = round((source.y0 - target.y0) / 1000), round((source.x0 - target.x0) / 1000)

        found = weights(source, target).apply(values)

        window = (slice(row, row + source.rows), slice(col, col + source.cols))
        np.testing.assert_array_equal(found[window], values)
        assert np.isfinite(found).sum() == values.size

    def test_the_weights_of_a_covered_cell_sum_to_one(self) -> None:
        """Away from the source's edge, shares add up to the whole cell."""
        bands = weights(OLD, NEW)._bands  # noqa: SLF001 - the law is of the weights themselves
        total = np.concatenate([band.areas.sum(axis=0) for band in bands if band.areas is not None])
        inner = weights(OLD, NEW, "nearest").apply(np.pad(np.ones((446, 446), np.float32), 2)) == 1

        assert inner.sum() > 195_000
        np.testing.assert_allclose(total[inner], 1, rtol=0, atol=1e-6)

    def test_a_gap_stays_a_gap(self) -> None:
        """Cells without valid neighbours stay missing; elsewhere no value is lost."""
        values = np.ones(OLD.shape, np.float32)
        gap = np.zeros(OLD.shape, np.float32)
        values[200:300, 300:400] = np.nan
        gap[200:300, 300:400] = 1
        way = weights(OLD, NEW)
        whole = np.isfinite(way.apply(np.ones(OLD.shape, np.float32)))

        found = np.isnan(way.apply(values)) & whole

        np.testing.assert_array_equal(found[whole], (way.apply(gap) > 0.5)[whole])
        assert abs(found.sum() - 10_000) < 400

    def test_missing_cells_are_ignored(self) -> None:
        """A cell is the mean of its valid parts, and missing if less than half is valid."""
        source, target = grid(2, 2, 1000.0), grid(1, 1, 2000.0, 500.0, 500.0)
        way = weights(source, target)

        nan = np.nan
        assert way.apply(np.array([[1, 2], [3, 4]], "f4")).item() == 2.5
        assert way.apply(np.array([[1, nan], [3, nan]], "f4")).item() == 2.0
        assert np.isnan(way.apply(np.array([[1, nan], [nan, nan]], "f4"))).all()


class TestNearest:
    """The nearest cell."""

    def test_nearest_values_are_those_of_the_cell_with_the_centre(self) -> None:
        """A thousand random cells are projected one by one."""
        values = np.arange(OLD.rows * OLD.cols, dtype=np.float32).reshape(OLD.shape)
        found = weights(OLD, NEW, "nearest").apply(values)
        rng = np.random.default_rng(0)
        rows, cols = rng.integers(0, NEW.rows, 1000), rng.integers(0, NEW.cols, 1000)

        places = to_xy(*to_lonlat(NEW.x[cols], NEW.y[rows], "wgs84"), "sphere")
        for value, x, y in zip(found[rows, cols], *places, strict=True):
            distance_x, distance_y = abs(OLD.x - x), abs(OLD.y - y)
            if distance_x.min() > 500 or distance_y.min() > 500:
                assert np.isnan(value)
            else:
                assert value == values[distance_y.argmin(), distance_x.argmin()]

    def test_distant_grids_are_missing(self) -> None:
        """A target away from the source is missing everywhere, with either method."""
        source, target = grid(3, 3, 1000.0), grid(40, 2, 1000.0, 1e6, -1e6)

        for method in get_args(Method):
            assert np.isnan(weights(source, target, method).apply(np.ones((3, 3), np.float32))).all()


@pytest.mark.parametrize("method", get_args(Method))
def test_a_box_equals_a_part_of_the_whole(method: Method) -> None:
    """Values computed for some rows and columns equal those in the whole field."""
    way = weights(OLD, NEW, method)
    values = rain(OLD.shape)
    values[300:400, 300:400] = np.nan

    box = way.apply(values, rows=slice(400, 500, 3), cols=np.array([400, 300, 301]))

    np.testing.assert_array_equal(box, way.apply(values)[400:500:3][:, [400, 300, 301]])


def test_a_result_is_written_to_out() -> None:
    """A buffer is filled and returned, missing cells included."""
    way = weights(OLD, GRIDS["de1200"])
    values = rain(OLD.shape)
    out = np.zeros((30, 1100), np.float32)

    found = way.apply(values, out, rows=slice(140, 170))

    assert found is out
    np.testing.assert_array_equal(out, way.apply(values)[140:170])


def test_a_field_of_another_grid_is_refused() -> None:
    """Values are never assigned to wrong places."""
    with pytest.raises(
        SettingsError, match=r"a field of \(1100, 900\) does not fit de900, which has \(900, 900\)"
    ):
        weights(GRIDS["de900"], GRIDS["de1200"]).apply(rain((1100, 900)))


def test_weights_are_computed_once_and_pickled_by_name() -> None:
    """The same pair returns the same object, and a pickle holds the names, not the numbers."""
    way = weights(OLD, NEW)
    text = pickle.dumps(way)

    assert len(text) < 1000
    assert pickle.loads(text) is way  # noqa: S301 - our own bytes


def test_an_unknown_method_is_refused() -> None:
    """The message lists the methods."""
    with pytest.raises(SettingsError, match=r"regrid='cubic' is neither \"overlap\".*nor \"nearest\""):
        weights(OLD, NEW, "cubic")  # type: ignore[arg-type]
