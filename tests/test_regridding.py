"""Laws of regridding: amounts of water are kept, missing stays missing, and cells that coincide are copied."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from radar_nb.errors import SettingsError
from radar_nb.grids import GRIDS, Grid, to_lonlat, to_xy
from radar_nb.regridding import weights

OLD, NEW = GRIDS["de900"], GRIDS["de1200-wgs84"]


def grid(rows: int, cols: int, cell: float, x0: float = 0.0, y0: float = 0.0) -> Grid:
    return Grid(name="it", rows=rows, cols=cols, cell=cell, earth="sphere", x0=x0, y0=y0)


def rain(shape: tuple[int, int], rim: int = 0, seed: int = 0) -> Any:
    """Give a field of rain that is dry near the rim."""
    field = np.zeros(shape, np.float32)
    inner = tuple(slice(rim, size - rim) for size in shape)
    field[inner] = np.random.default_rng(seed).gamma(0.3, 5, field[inner].shape)
    return field


def lengths(a: Grid, b: Grid) -> tuple[Any, Any]:
    """Give by how many metres each column and row of one grid overlaps each of another on the same earth."""

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
    def test_areas_are_those_of_rectangles(
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

    @pytest.mark.parametrize(("source", "target"), [(OLD, NEW), (GRIDS["de1100"], NEW), (NEW, GRIDS["de1200"])])
    def test_the_volume_of_water_is_kept(self, source: Grid, target: Grid) -> None:
        """Between sphere and ellipsoid, total depth times area is conserved to a millionth."""
        way = weights(source, target)
        values = rain(source.shape, rim=60)

        found = way.apply(values)

        # the area of a cell of the source in the target's plane, by its corners (shoelace formula)
        x, y = np.meshgrid(
            np.append(source.x - source.cell / 2, source.x[-1] + source.cell / 2),
            np.append(source.y - source.cell / 2, source.y[-1] + source.cell / 2),
        )
        x, y = to_xy(*to_lonlat(x, y, source.earth), target.earth)
        diagonals = (
            (x[1:, 1:] - x[:-1, :-1]) * (y[1:, :-1] - y[:-1, 1:]),
            (x[1:, :-1] - x[:-1, 1:]) * (y[1:, 1:] - y[:-1, :-1]),
        )
        areas = abs(diagonals[0] - diagonals[1]) / 2
        before = (values.astype("f8") * areas).sum()
        after = np.nansum(found.astype("f8")) * target.cell**2
        assert after == pytest.approx(before, rel=1e-6)

    def test_a_constant_stays_constant(self) -> None:
        """Where cells are covered, even rain is even afterwards."""
        found = weights(OLD, NEW).apply(np.full(OLD.shape, 3.25, np.float32))

        covered = np.isfinite(found)
        assert 800_000 < covered.sum() < 820_000
        np.testing.assert_allclose(found[covered], 3.25, rtol=1e-6)

    @pytest.mark.parametrize("inner", ["de900", "de1100"])
    def test_cells_that_coincide_are_copied(self, inner: str) -> None:
        """On one earth DWD's grids lie whole cells apart: the values are the same, the rest is missing."""
        source, target = GRIDS[inner], GRIDS["de1200"]
        values = rain(source.shape)
        row, col = round((source.y0 - target.y0) / 1000), round((source.x0 - target.x0) / 1000)

        found = weights(source, target).apply(values)

        window = (slice(row, row + source.rows), slice(col, col + source.cols))
        np.testing.assert_array_equal(found[window], values)
        assert np.isfinite(found).sum() == values.size

    def test_missing_cells_count_for_nothing(self) -> None:
        """A cell's mean is that of what is valid in it, and missing where less than half is."""
        source, target = grid(2, 2, 1000.0), grid(1, 1, 2000.0, 500.0, 500.0)
        way = weights(source, target)

        nan = np.nan
        assert way.apply(np.array([[1, 2], [3, 4]], "f4")).item() == 2.5
        assert way.apply(np.array([[1, nan], [3, nan]], "f4")).item() == 2.0
        assert np.isnan(way.apply(np.array([[1, nan], [nan, nan]], "f4"))).all()


class TestNearest:
    """The nearest cell."""

    def test_values_are_those_of_the_cell_in_which_the_centre_lies(self) -> None:
        """A thousand random cells, projected one by one."""
        values = np.arange(OLD.rows * OLD.cols, dtype=np.float32).reshape(OLD.shape)
        found = weights(OLD, NEW, "nearest").apply(values)
        rng = np.random.default_rng(0)

        for row, col in zip(rng.integers(0, NEW.rows, 1000), rng.integers(0, NEW.cols, 1000), strict=True):
            x, y = to_xy(*to_lonlat(NEW.x[col], NEW.y[row], "wgs84"), "sphere")
            distance_x, distance_y = abs(OLD.x - x), abs(OLD.y - y)
            if distance_x.min() > 500 or distance_y.min() > 500:
                assert np.isnan(found[row, col])
            else:
                assert found[row, col] == values[distance_y.argmin(), distance_x.argmin()]


@pytest.mark.parametrize("method", ["overlap", "nearest"])
def test_a_box_is_a_cut_of_the_whole(method: Any) -> None:
    """What is computed for some rows and columns is what stands there in the whole field."""
    way = weights(OLD, NEW, method)
    values = rain(OLD.shape)
    values[300:400, 300:400] = np.nan

    box = way.apply(values, rows=slice(400, 500, 3), cols=np.array([700, 300, 301]))

    np.testing.assert_array_equal(box, way.apply(values)[400:500:3][:, [700, 300, 301]])


def test_weights_are_computed_once_and_travel_light() -> None:
    """The same pair gives the same object, and a pickle holds the names, not the numbers."""
    way = weights(OLD, NEW)
    text = pickle.dumps(way)

    assert len(text) < 1000
    assert pickle.loads(text) is way  # noqa: S301 - our own bytes


def test_a_method_that_is_none_is_refused() -> None:
    """The message says which there are."""
    with pytest.raises(SettingsError, match=r"regrid='cubic' is neither \"overlap\".*nor \"nearest\""):
        weights(OLD, NEW, "cubic")  # type: ignore[arg-type]
