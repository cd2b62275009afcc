"""The registry of grids, compared with wradlib and DWD's own figures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as law
from hypothesis import strategies as st

from radar_nb.dwd.grids import GRIDS, Earth, Grid, find_grid, named_grid, scale_factor, to_lonlat, to_xy
from radar_nb.errors import UnknownGrid


class Corners(NamedTuple):
    """A grid's outer edges as DWD and wradlib have them: metres, and degrees east and north."""

    lower_left_xy: tuple[float, float]
    upper_right_xy: tuple[float, float]
    lower_left: tuple[float, float]
    lower_right: tuple[float, float] | None
    upper_right: tuple[float, float]
    upper_left: tuple[float, float] | None


# DWD, "Kompositformat" 2.5, tables of corners, and the corners in DWD's HDF5 files
CORNERS = {
    "de900": Corners(
        (-523462.17, -4658644.72),
        (376537.83, -3758644.72),
        (3.588930, 46.952580),
        (14.620922, 47.070466),
        (15.720756, 54.740548),
        (2.071480, 54.587711),
    ),
    "de1100": Corners(
        (-443462.17, -4758644.72),
        (456537.83, -3658644.72),
        (4.675934, 46.192879),
        (15.480106, 46.182663),
        (17.112792, 55.534172),
        (3.088926, 55.548210),
    ),
    "de1200": Corners(
        (-543462.17, -4808644.72),
        (556537.83, -3608644.72),
        (3.551921, 45.695870),
        (16.601865, 45.683583),
        (18.767282, 55.848487),
        (1.435612, 55.865843),
    ),
    "eu1500": Corners(
        (-673462.17, -5008644.72),
        (726537.83, -3508644.72),
        (2.341943, 43.933586),
        None,
        (21.698942, 56.450504),
        None,
    ),
    "de900-wgs84": Corners(
        (-523696.84, -4672088.86),
        (376303.16, -3772088.86),
        (3.604383, 46.953615),
        (14.604823, 47.071570),
        (15.696972, 54.738069),
        (2.095883, 54.585467),
    ),
    "de1100-wgs84": Corners(
        (-443696.84, -4772088.86),
        (456303.16, -3672088.86),
        (4.688054, 46.193477),
        (15.461969, 46.183652),
        (17.083410, 55.531033),
        (3.110376, 55.544500),
    ),
    "de1200-wgs84": Corners(
        (-543696.84, -4822088.86),
        (556303.16, -3622088.86),
        (3.566995, 45.696425),
        (16.580869, 45.684606),
        (18.731616, 55.845439),
        (1.463302, 55.862087),
    ),
}


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_centres_are_wradlibs_to_a_millimetre(grid: Grid) -> None:
    """Every grid's x and y equal those of wradlib for its size and earth."""
    from wradlib.georef import create_crs, get_radolan_coordinates

    crs = create_crs(f"dwd-radolan-{grid.earth}")
    x, y = get_radolan_coordinates(grid.rows, grid.cols, mode="center", crs=crs)

    np.testing.assert_allclose(grid.x, x, rtol=0, atol=1e-3)
    np.testing.assert_allclose(grid.y, y, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("name", "corners"), CORNERS.items(), ids=CORNERS.keys())
def test_corners_are_dwds(name: str, corners: Corners) -> None:
    """The outer edges agree with the published tables to a centimetre and to a hundred-thousandth of a degree."""
    grid = GRIDS[name]
    west, east = grid.x[0] - grid.cell / 2, grid.x[-1] + grid.cell / 2
    south, north = grid.y[0] - grid.cell / 2, grid.y[-1] + grid.cell / 2
    published = (corners.lower_left, corners.lower_right, corners.upper_right, corners.upper_left)

    lon, lat = to_lonlat([west, east, east, west], [south, south, north, north], grid.earth)

    np.testing.assert_allclose((west, south), corners.lower_left_xy, rtol=0, atol=0.01)
    np.testing.assert_allclose((east, north), corners.upper_right_xy, rtol=0, atol=0.01)
    for place, corner in zip(zip(lon, lat, strict=True), published, strict=True):
        if corner is not None:
            np.testing.assert_allclose(place, corner, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "origin"),
    [
        ("de900", (522962.16692, 3759144.72427)),
        ("de1200", (542962.167, 3609144.724)),
        ("de4800", (543337.167, 3608769.724)),
        ("de900-wgs84", (523196.83522, 3772588.86193)),
        ("de1200-wgs84", (543196.83522, 3622588.86193)),
        ("de4800-wgs84", (543571.83522, 3622213.86193)),
    ],
)
def test_the_upper_left_centre_is_dwds_origin(name: str, origin: tuple[float, float]) -> None:
    """DWD's own projection strings put their false origin at the centre of the north-western cell."""
    grid = GRIDS[name]

    np.testing.assert_allclose((-grid.x[0], -grid.y[-1]), origin, rtol=0, atol=1e-3)


def test_the_registry_cannot_be_changed() -> None:
    """Grids and their registry are read-only."""
    with pytest.raises(TypeError, match="does not support item assignment"):
        GRIDS["de900"] = GRIDS["de1200"]  # type: ignore[index]
    with pytest.raises(AttributeError, match="cannot assign to field"):
        GRIDS["de900"].x0 = 0.0  # type: ignore[misc]


@pytest.mark.parametrize("name", ["de900", "de1200-wgs84", "de460"])
def test_longitudes_and_latitudes_are_wradlibs(name: str) -> None:
    """The centres in degrees equal wradlib's, and are read-only."""
    from wradlib.georef import create_crs, get_radolan_grid

    grid = GRIDS[name]
    lon, lat = grid.lonlat()
    reference = get_radolan_grid(
        *grid.shape, crs=create_crs(f"dwd-radolan-{grid.earth}"), mode="center", wgs84=True
    )

    np.testing.assert_allclose(np.stack([lon, lat], axis=-1), reference, rtol=0, atol=1e-6)
    assert not lon.flags.writeable
    assert grid.lonlat()[0] is lon


def test_a_grid_is_found_by_name() -> None:
    """A name returns the grid, a grid itself, and the error for an unknown name lists the known ones."""
    assert named_grid("de1200") is GRIDS["de1200"]
    assert named_grid(GRIDS["de900"]) is GRIDS["de900"]
    with pytest.raises(UnknownGrid, match=r"unknown grid 'de1300' .known are de900, de1100, de1200"):
        named_grid("de1300")


@pytest.mark.parametrize("suffix", ["", "-wgs84"])
@pytest.mark.parametrize(
    ("inner", "cols", "rows"), [("de900", (20, 919), (150, 1049)), ("de1100", (100, 999), (50, 1149))]
)
def test_the_german_grids_are_whole_cells_apart(
    inner: str, cols: tuple[int, int], rows: tuple[int, int], suffix: str
) -> None:
    """Cells of one grid are cells of the other, at the offsets that DWD documents."""
    outer, grid = GRIDS[f"de1200{suffix}"], GRIDS[f"{inner}{suffix}"]

    np.testing.assert_allclose(outer.x[cols[0] : cols[1] + 1], grid.x, rtol=0, atol=1e-6)
    np.testing.assert_allclose(outer.y[rows[0] : rows[1] + 1], grid.y, rtol=0, atol=1e-6)


def test_radolan_and_radklim_share_a_block_of_820_by_900_cells() -> None:
    """Neither grid contains the other: series are joined by x and y, never by index."""
    radolan, radklim = GRIDS["de900"], GRIDS["de1100"]

    assert np.intersect1d(radolan.x.round(3), radklim.x.round(3)).size == 820
    assert np.intersect1d(radolan.y.round(3), radklim.y.round(3)).size == 900


def test_the_reference_point_is_a_node_of_the_grid() -> None:
    """9 E, 51 N lies 450 km from the corner of the 900 x 900 grid on either axis (RADOLAN final report, 2004)."""
    x, y = to_xy(9.0, 51.0, "sphere")

    assert x - (GRIDS["de900"].x[0] - 500) == pytest.approx(450_000, abs=0.5)
    assert y - (GRIDS["de900"].y[0] - 500) == pytest.approx(450_000, abs=0.5)


@law(deadline=None)  # the first projection loads PROJ's data
@given(st.floats(0, 20), st.floats(43, 58), st.sampled_from(["sphere", "wgs84"]))
def test_to_lonlat_is_the_inverse_of_to_xy(lon: float, lat: float, earth: Earth) -> None:
    """A round trip returns to the same place, on both earths."""
    x, y = to_xy(lon, lat, earth)

    np.testing.assert_allclose(to_lonlat(x, y, earth), (lon, lat), rtol=0, atol=1e-9)


def test_projection_keeps_the_shape() -> None:
    """A field of longitudes returns a field of metres."""
    lon, lat = np.meshgrid([6.0, 9.0, 12.0], [48.0, 52.0])

    x, y = to_xy(lon, lat, "sphere")

    assert x.shape == y.shape == (2, 3)
    assert x.dtype == y.dtype == np.float64


@pytest.mark.parametrize(
    ("lat", "area"), [(47.3, 0.865), (49.0, 0.884), (51.0, 0.907), (53.0, 0.929), (55.0, 0.950)]
)
@pytest.mark.parametrize("earth", ["sphere", "wgs84"])
def test_a_cell_is_smaller_on_the_ground_than_on_the_map(earth: Earth, lat: float, area: float) -> None:
    """The scale factor returns the true area of a nominal square kilometre, anywhere on a parallel."""
    factors = [
        scale_factor(float(x), float(y), earth) for x, y in (to_xy(6.0, lat, earth), to_xy(14.0, lat, earth))
    ]

    assert factors[0] == pytest.approx(factors[1])
    assert 1 / factors[0] ** 2 == pytest.approx(area, abs=1e-3)


@pytest.mark.parametrize("grid", GRIDS.values(), ids=GRIDS.keys())
def test_a_header_finds_its_grid(grid: Grid) -> None:
    """Version 5 is on the ellipsoid, older ones are on the sphere."""
    version = 5 if grid.earth == "wgs84" else 3

    assert find_grid(*grid.shape, version=version) is grid
    assert grid.x.shape + grid.y.shape == (grid.cols, grid.rows)


@pytest.mark.parametrize("shape", [(900, 1100), (461, 460), (0, 0), (4400, 4800)])
def test_an_unknown_grid_is_refused(shape: tuple[int, int]) -> None:
    """Coordinates are never guessed; the message lists the known sizes."""
    with pytest.raises(UnknownGrid, match=f"{shape[0]} x {shape[1]} cells is unknown .*1100 x 900.*1200 x 1100"):
        find_grid(*shape)
