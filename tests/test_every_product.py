"""Laws of the products: every one of the table opens as one kind of Dataset, in the unit that the table says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from test_runlength import encode

import radar_nb as rn
from radar_nb.frames import Header, write_frame
from radar_nb.mirror import make_archives
from radar_nb.products import PRODUCTS
from radar_nb.publishing import make_forecast

if TYPE_CHECKING:
    from pathlib import Path

A_TIME = np.datetime64("2020-06-13T15:25:00")
LARGE = {"EX", "EY", "EZ", "EH", "EB", "EW"}
ELLIPSOID = {"RV", "WN", "HG"}
BYTES = {"RX", "WX", "EX"}
RUNS = {"PG", "PC"}


def frame_of(name: str) -> bytes:
    """Give a frame of a product as DWD lays it out; the codes are 0 everywhere but for 3 in one cell."""
    product = PRODUCTS[name]
    rows, cols = 900, 900
    if name in LARGE:
        rows, cols = 1500, 1400
    elif name in ELLIPSOID:
        rows, cols = 1200, 1100
    elif name in RUNS:
        rows, cols = 460, 460
    precisions = {"amount": round(np.log10(product.precision)), "solid_fraction": -3}
    header = Header(
        product=name,
        time=A_TIME,
        rows=rows,
        cols=cols,
        precision=-1 if name == "WN" else precisions.get(product.quantity, 0),
        interval=product.interval // 10 if name in {"W1", "W2", "W3", "W4"} else product.interval,
        version=5 if name in ELLIPSOID | {"RE"} else 3,
        levels=(1.0, 19.0, 28.0, 37.0, 46.0, 55.0) if name in RUNS else (),
        indicator=0 if name in RUNS else None,
    )
    codes = np.zeros((rows, cols), "u1" if name in BYTES | RUNS else "u4" if name == "HG" else "u2")
    codes[10, 20] = 3
    if name in RUNS:
        return write_frame(header, np.frombuffer(encode(codes), np.uint8))
    return write_frame(header, codes)


@pytest.mark.parametrize("name", PRODUCTS)
def test_every_product_opens_in_its_unit(name: str, tmp_path: Path) -> None:
    """Name, unit, interval, place of a cell and value of a count are those of the table."""
    (tmp_path / "frame").write_bytes(frame_of(name))
    product = PRODUCTS[name]

    ds = rn.open_dataset(tmp_path / "frame", progress=False)

    values = ds[name.replace("%", "percent_")].isel(time=0)
    assert values.attrs["units"] == product.unit
    assert values.attrs["interval_minutes"] == product.interval
    assert (ds.time_bnds[0, 1] - ds.time_bnds[0, 0]) == np.timedelta64(product.interval, "m")
    expected = 3 * product.precision - (32.5 if product.quantity == "reflectivity" else 0)
    assert float(values[10, 20]) == pytest.approx(expected, rel=1e-6)
    assert ((values != values[0, 0]).sum()) == 1


@pytest.mark.parametrize("name", [name for name in PRODUCTS if name in {"HG", "PG", "RX", "%M", "RE"}])
def test_every_kind_of_payload_can_be_written(name: str, tmp_path: Path) -> None:
    """Classes, marks, percentages and fractions come back from netCDF as they went."""
    import xarray as xr

    (tmp_path / "frame").write_bytes(frame_of(name))
    ds = rn.open_dataset(tmp_path / "frame", progress=False)

    ds.to_netcdf(tmp_path / "it.nc")

    with xr.open_dataset(tmp_path / "it.nc") as back:
        xr.testing.assert_identical(back.load(), xr.decode_cf(ds).load())


def test_a_forecast_of_two_hours_is_one_dataset(tmp_path: Path) -> None:
    """RV's tar of bzip2 gives the analysis and the forecasts on an axis of lead times, on the ellipsoid."""
    archive = make_forecast(tmp_path, A_TIME, leads=(0, 5, 10))

    ds = rn.open_dataset(archive, progress=False)

    assert archive.name.startswith("DE1200_RV2006131525.tar.bz2")
    assert ds.RV.dims == ("time", "lead_time", "y", "x")
    assert ds.RV.shape == (1, 3, 1200, 1100)
    assert [str(time)[:16] for time in ds.prediction_time.values[0]] == [
        "2020-06-13T15:25",
        "2020-06-13T15:30",
        "2020-06-13T15:35",
    ]
    assert "WGS 84" in ds.crs.attrs["crs_wkt"]
    assert float(ds.RV.max()) > 0


def test_a_day_in_hdf5_is_the_day_in_binary(tmp_path: Path) -> None:
    """RW in HDF5 on the ellipsoid and RW in binary on the sphere show the same synthetic rain in mm."""
    (new,) = make_archives(
        tmp_path / "new", "RW", "2026-01", days=[1], source="radolan", hdf5=True, progress=False
    )
    old = make_archives(tmp_path / "old", "RW", "2026-01", days=[1], source="radolan", progress=False)

    hdf5, binary = (rn.open_dataset(source, progress=False) for source in (new, old))

    assert hdf5.RW.attrs["units"] == binary.RW.attrs["units"] == "mm"
    np.testing.assert_array_equal(hdf5.time, binary.time)
    both = hdf5.RW[:, 150:1050, 20:920].values, binary.RW.values
    common = np.isfinite(both[0]) & np.isfinite(both[1])
    assert common.mean() > 0.5
    np.testing.assert_allclose(both[0][common], both[1][common], atol=1e-6)
