"""Every product of the table opens as the same kind of Dataset, in the unit of the table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from formats.test_runlength import encode
from support.forecasts import make_forecast

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS
from radar_nb.dwd.products import PRODUCTS
from radar_nb.formats.odim import write_composite
from radar_nb.formats.radolan import Header, write_frame
from radar_nb.mirror.frames import synthetic_frames

if TYPE_CHECKING:
    from pathlib import Path

A_TIME = np.datetime64("2020-06-13T15:25:00")
ELLIPSOID = {"RV", "WN", "HG", "RE"}
BYTES = {"RX", "WX", "EX"}
RUNS = {"PG", "PC"}
TENTHS = {"WN", "FZ"}
HDF5_ALONE = {  # quantity, type, gain, offset, as in DWD's files
    "RS": ("ACRR", "u4", 0.001, -0.001),
    "HX": ("DBZH", "u2", 0.00293, -64.003),
    "DMAX": ("DBZH", "u2", 0.00293, -64.003),
    "VII": ("VIL", "u2", 0.0152594875, -0.0152594875),
    "VIL": ("VIL", "u2", 0.0152594875, -0.0152594875),
    "HYMECNG": ("CLASS", "u1", 1.0, 0.0),
}


def frame_of(name: str) -> bytes:
    """Return a frame of a product in DWD's format; the codes are 0 except for a 3 in one cell."""
    product = PRODUCTS[name]
    rows, cols = GRIDS[product.grids[0]].shape
    precisions = {"amount": round(np.log10(product.precision)), "solid_fraction": -3}
    header = Header(
        product=name,
        time=A_TIME,
        rows=rows,
        cols=cols,
        precision=-1 if name in TENTHS else precisions.get(product.quantity, 0),
        interval=product.interval // 10 if name in {"W1", "W2", "W3", "W4"} else product.interval,
        version=5 if name in ELLIPSOID | HDF5_ALONE.keys() else 3,
        levels=(1.0, 19.0, 28.0, 37.0, 46.0, 55.0) if name in RUNS else (),
        indicator=0 if name in RUNS else None,
    )
    codes = np.zeros((rows, cols), "u1" if name in BYTES | RUNS else "u4" if name == "HG" else "u2")
    codes[10, 20] = 3
    if name in HDF5_ALONE:
        quantity, dtype, gain, offset = HDF5_ALONE[name]
        undetect = 254 if quantity == "CLASS" else 0
        return write_composite(
            header, codes.astype(dtype), quantity=quantity, gain=gain, offset=offset, undetect=undetect
        )
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
    if name in HDF5_ALONE:
        _, _, gain, offset = HDF5_ALONE[name]
        expected = 3 * gain + offset
    assert float(values[10, 20]) == pytest.approx(expected, rel=1e-6)
    assert ((values != values[0, 0]).sum()) == 1


@pytest.mark.parametrize("name", [name for name in PRODUCTS if name in {"HG", "PG", "RX", "%M", "RE"}])
def test_every_kind_of_payload_can_be_written(name: str, tmp_path: Path) -> None:
    """Classes, marks, percentages and fractions survive netCDF."""
    import xarray as xr

    (tmp_path / "frame").write_bytes(frame_of(name))
    ds = rn.open_dataset(tmp_path / "frame", progress=False)

    ds.to_netcdf(tmp_path / "it.nc")

    with xr.open_dataset(tmp_path / "it.nc") as back:
        xr.testing.assert_identical(back.load(), xr.decode_cf(ds).load())


def test_a_forecast_of_two_hours_is_one_dataset(tmp_path: Path) -> None:
    """RV's tar of bzip2 opens as analysis and forecasts along lead times, on the ellipsoid."""
    archive = make_forecast(tmp_path, A_TIME, leads=(0, 5))

    ds = rn.open_dataset(archive, progress=False)

    assert archive.name.startswith("DE1200_RV2006131525.tar.bz2")
    assert ds.RV.dims == ("time", "lead_time", "y", "x")
    assert ds.RV.shape == (1, 2, 1200, 1100)
    assert [str(time)[:16] for time in ds.prediction_time.values[0]] == [
        "2020-06-13T15:25",
        "2020-06-13T15:30",
    ]
    assert "WGS 84" in ds.crs.attrs["crs_wkt"]
    assert float(ds.RV.max()) > 0


def test_hours_in_hdf5_equal_hours_in_binary(tmp_path: Path) -> None:
    """RW in HDF5 on the ellipsoid and RW in binary on the sphere show the same synthetic rain in mm."""
    times = [np.datetime64(f"2026-01-01T{hour:02d}:50:00") for hour in (3, 20)]
    for hdf5 in (True, False):
        folder = tmp_path / str(hdf5)
        folder.mkdir()
        for time, data in synthetic_frames("RW", times, hdf5=hdf5):
            stamp = str(time).translate(str.maketrans("", "", "-T:"))[2:12]
            (folder / f"raa01-rw_10000-{stamp}-dwd---bin{'.hdf5' * hdf5}").write_bytes(data)

    new, old = (rn.open_dataset(tmp_path / str(hdf5), progress=False) for hdf5 in (True, False))

    assert new.RW.attrs["units"] == old.RW.attrs["units"] == "mm"
    np.testing.assert_array_equal(new.time, old.time)
    both = new.RW[:, 150:1050, 20:920].values, old.RW.values
    common = np.isfinite(both[0]) & np.isfinite(both[1])
    assert common.mean() > 0.5
    np.testing.assert_allclose(both[0][common], both[1][common], atol=1e-6)


def test_the_real_rs_opens(real_present: Path) -> None:
    """RS, which DWD publishes only in HDF5, is hourly: its lowest rain is a thousandth of a millimetre."""
    ds = rn.open_dataset(real_present / "composite_rs_20260703_0750_000-hd5", progress=False)

    assert ds.RS.attrs["interval_minutes"] == 60
    assert float(ds.RS.where(ds.RS > 0).min()) == pytest.approx(0.001)
    assert int((ds.RS >= 0.1).sum()) == 7718


def test_the_outline_of_pg_is_flagged(real_forms: Path) -> None:
    """Class 9 is missing; the flags say where, and the levels of the classes are attributes."""
    file = real_forms / "raa01-pg_10000-1408102045-dwd---bin.gz"

    ds = rn.open_dataset(file, flags=True, progress=False)

    assert int(((ds["flags"] & 16) != 0).sum()) == 1620
    assert float(ds.PG.max()) <= 6
    assert ds.PG.attrs["levels_dbz"].tolist() == [1, 19, 28, 37, 46, 55]
    assert ds["flags"].attrs["flag_meanings"].endswith("outline")
