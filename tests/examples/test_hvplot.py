"""Datasets in hvplot, if it is installed: its pictures have the Dataset's values and coordinates."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import radar_nb as rn
from radar_nb.formats.radolan import Header, write_frame

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr


@pytest.fixture(autouse=True)
def _hvplot() -> None:
    """Import hvplot, whose imports cause warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("hvplot.xarray", reason="hvplot is not installed")


@pytest.fixture
def day(tmp_path: Path) -> xr.Dataset:
    """Return three fields of a day, lazily, each of one value, with a hole in the south-west."""
    for hour in range(3):
        time = np.datetime64("2020-06-01T00:50", "s") + np.timedelta64(hour, "h")
        codes = np.full((450, 450), 10 * (hour + 1), np.uint16)
        codes[:150, :150] = 0x29C4
        header = Header(product="RW", time=time, rows=450, cols=450, precision=-1, interval=60)
        (tmp_path / f"raa01-rw_10000-2006010{hour}50-dwd---bin").write_bytes(write_frame(header, codes))
    return rn.open_dataset(tmp_path, lonlat=True, progress=False)


@pytest.mark.parametrize("kind", ["image", "quadmesh"])
def test_a_field_is_drawn_at_its_cells(day: xr.Dataset, kind: str) -> None:
    """Image and quadmesh of a time have the values of the field on x and y in metres; missing cells stay NaN."""
    drawn = getattr(day.RW.isel(time=1).hvplot, kind)(x="x", y="y")

    np.testing.assert_array_equal(drawn.dimension_values("x", expanded=False), day.x)
    np.testing.assert_array_equal(drawn.dimension_values("y", expanded=False), day.y)
    values = drawn.dimension_values("RW", flat=False)
    np.testing.assert_array_equal(values, day.RW.isel(time=1).values)
    assert np.isnan(values[:150, :150]).all()


def test_a_day_has_a_slider_over_time(day: xr.Dataset) -> None:
    """A slider selects one field of a day by its time, and only that field is read."""
    drawn: Any = day.hvplot.quadmesh(x="x", y="y", z="RW", groupby="time", rasterize=False)
    time = day.time.values[2]

    field = drawn[time] if drawn.kdims else drawn

    assert [dimension.name for dimension in drawn.kdims] == ["time"]
    assert np.nanmax(field.dimension_values("RW")) == pytest.approx(3.0)


def test_fields_can_be_drawn_on_longitude_and_latitude(day: xr.Dataset) -> None:
    """With `lonlat=True` a quadmesh uses the two-dimensional coordinates in degrees."""
    drawn = day.RW.isel(time=0).hvplot.quadmesh(x="lon", y="lat")

    lon, lat = (drawn.dimension_values(name, expanded=True, flat=False) for name in ("lon", "lat"))

    assert lon.min() == pytest.approx(float(day.lon.min()))
    assert lat.max() == pytest.approx(float(day.lat.max()))


def test_a_series_at_a_cell_is_a_line(day: xr.Dataset) -> None:
    """The values of a cell are a line over time in UTC."""
    drawn = day.RW.isel(y=400, x=400).hvplot.line(x="time")

    np.testing.assert_allclose(drawn.dimension_values("RW"), [1, 2, 3])
