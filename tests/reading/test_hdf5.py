"""Opening ODIM HDF5: no part of a file reaches other libraries, and coordinates are those of its grid."""

from __future__ import annotations

import io
import tarfile
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import xarray as xr

import radar_nb as rn
from radar_nb.dwd.grids import GRIDS
from radar_nb.errors import HeaderError, SettingsError
from radar_nb.formats.odim import write_composite
from radar_nb.formats.radolan import Header, write_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


RUN = np.datetime64("2020-06-13T15:25", "s")


def rv(time: str = "2026-06-13T15:25", product: str = "RV", shape: tuple[int, int] = (1200, 1100)) -> Header:
    """Return the header of a composite on the ellipsoid."""
    lead = 0 if product == "RV" else None
    return Header(
        product=product,
        time=np.datetime64(time, "s"),
        rows=shape[0],
        cols=shape[1],
        precision=-2,
        interval=60 if product == "RW" else 5,
        version=5,
        lead=lead,
    )


def composite(
    header: Header | None = None, *, change: Callable[[Any], None] = lambda _: None, **options: Any
) -> bytes:
    """Write a composite in HDF5 that holds 0.07 mm everywhere, and change it."""
    header = header or rv()
    codes = np.full((header.rows, header.cols), 70, "u2")
    stated: dict[str, Any] = {"quantity": "ACRR", "gain": 0.001} | options
    data = io.BytesIO(write_composite(header, codes, **stated))
    with h5py.File(data, "r+") as file:
        change(file)
    return data.getvalue()


def without(*names: str) -> Callable[[Any], None]:
    """Return a change that removes attributes, such as `how/sw_version`."""

    def change(file: Any) -> None:
        for name in names:
            group, _, key = name.rpartition("/")
            del file[group].attrs[key]

    return change


class TestForeignParts:
    """Parts of a file other than its field."""

    def test_a_loop_of_hard_links_is_not_followed(self, tmp_path: Path) -> None:
        """A file whose groups contain themselves opens as fast as any other."""

        def loop(file: Any) -> None:
            file["dataset1/loop"] = file["/"]

        (tmp_path / "rv").write_bytes(composite(change=loop))

        assert float(rn.open_dataset(tmp_path / "rv", progress=False).RV.max()) == pytest.approx(0.07)

    def test_attributes_on_the_software_may_be_missing(self, tmp_path: Path) -> None:
        """`how/sw_version` and `how/camethod` do not affect the values."""
        change = without("how/sw_version", "dataset1/how/camethod")
        (tmp_path / "rv").write_bytes(composite(change=change))

        assert float(rn.open_dataset(tmp_path / "rv", progress=False).RV.min()) == pytest.approx(0.07)

    def test_another_quantity_than_the_products_is_refused(self, tmp_path: Path) -> None:
        """A reflectivity in the file of an hourly sum has no reliable unit."""
        data = composite(rv(product="RW"), quantity="DBZH", gain=0.5, offset=-32.5)
        (tmp_path / "rw").write_bytes(data)

        with pytest.raises(HeaderError, match=r"rw holds the quantity DBZH, but RW is hourly.* in mm"):
            rn.open_dataset(tmp_path / "rw", progress=False)


class TestPlaces:
    """Coordinates are those of the file's grid."""

    def test_the_first_file_of_a_product_does_not_place_the_next(self, tmp_path: Path) -> None:
        """Two grids of one product are opened in turn, each with its own coordinates."""
        shapes = {"de1200-wgs84": (1200, 1100), "de900-wgs84": (900, 900)}
        for name, shape in shapes.items():
            (tmp_path / name).write_bytes(composite(rv(product="RW", shape=shape)))

        for name in shapes:
            ds = rn.open_dataset(tmp_path / name, progress=False)
            np.testing.assert_allclose(ds.x, GRIDS[name].x, atol=1e-6)
            np.testing.assert_allclose(ds.y, GRIDS[name].y, atol=1e-6)

    def test_threads_get_the_same_coordinates(self, tmp_path: Path) -> None:
        """Cached coordinates of a grid are shared by threads."""
        (tmp_path / "rv").write_bytes(composite())
        found: list[Any] = []
        threads = [
            threading.Thread(target=lambda: found.append(rn.open_dataset(tmp_path / "rv", progress=False).x))
            for _ in range(4)
        ]

        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(found) == 4
        assert all(found[0].identical(other) for other in found)

    def test_a_datasets_coordinates_are_its_own(self, tmp_path: Path) -> None:
        """A change of attributes affects only its Dataset."""
        (tmp_path / "rv").write_bytes(composite())
        rn.open_dataset(tmp_path / "rv", progress=False).crs.attrs["crs_wkt"] = "changed"

        assert rn.open_dataset(tmp_path / "rv", progress=False).crs.attrs["crs_wkt"].startswith("PROJCRS")

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("projdef", "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +a=6370040 +b=6370040 +units=m"),
            (
                "projdef",
                "+proj=stere +lat_0=90 +lat_ts=60 +lon_0=10 +a=6378137 +nadgrids=/etc/passwd",
            ),
            ("projdef", "hostile"),
            ("LL_lon", 3.6),
            ("UR_lat", float("nan")),
            ("xsize", 900),
            ("yscale", 2000.0),
        ],
    )
    def test_places_that_contradict_the_grid_are_refused(self, tmp_path: Path, name: str, value: Any) -> None:
        """Projection, corners and cells must match the registry; the message names both."""

        def change(file: Any) -> None:
            file["where"].attrs[name] = np.bytes_(value) if isinstance(value, str) else value

        (tmp_path / "rv").write_bytes(composite(change=change))

        with pytest.raises(HeaderError, match=rf"rv contradicts its grid: where/{name} is .*de1200-wgs84.* has "):
            rn.open_dataset(tmp_path / "rv", progress=False)

    def test_an_empty_where_is_accepted(self, tmp_path: Path) -> None:
        """DWD's RY in HDF5 does not state its location; its size determines it."""
        (tmp_path / "rv").write_bytes(composite(change=lambda file: file["where"].attrs.clear()))

        ds = rn.open_dataset(tmp_path / "rv", progress=False)

        np.testing.assert_allclose(ds.x, GRIDS["de1200-wgs84"].x, atol=1e-6)


class TestBothForms:
    """RV as binaries, and as HDF5 from a certain day."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Write a binary frame and the HDF5 that follows it."""
        header = rv("2026-06-13T15:20")
        (tmp_path / "RV2606131520_000").write_bytes(write_frame(header, np.full((1200, 1100), 7, "u2")))
        (tmp_path / "composite_rv").write_bytes(composite())
        return tmp_path

    def test_hdf5_continues_binaries(self, folder: Path) -> None:
        """Binaries and HDF5 form one series, without a parameter; `source` names the files."""
        ds = rn.open_dataset(folder, progress=False)

        assert ds.RV[:, 0, 0].values.tolist() == pytest.approx([0.07, 0.07])
        assert ds.source.values.tolist() == ["RV2606131520_000", "composite_rv"]
        assert ds.attrs["frames_missing"] == 0

    def test_packed_integers_of_both_are_refused(self, folder: Path) -> None:
        """Their steps differ, so no packed integers hold both."""
        with pytest.raises(rn.errors.SeriesError, match="omit packed=True"):
            rn.open_dataset(folder, packed=True, progress=False)


def _odim(path: Path, member: str | None = None) -> tuple[np.ndarray, dict[str, float]]:
    """Return the codes, first row in the south, and the numbers of a composite as h5py has them."""
    data = path.read_bytes()
    if member is not None:
        with tarfile.open(path) as tar:
            data = tar.extractfile(member).read()  # type: ignore[union-attr]
    with h5py.File(io.BytesIO(data)) as file:
        what = file["dataset1/data1/what"].attrs
        return file["dataset1/data1/data"][()][::-1], {
            key: float(what[key]) for key in ("gain", "offset", "nodata", "undetect")
        }


@pytest.mark.parametrize("name", ["composite_rs_20260703_0750_000-hd5", "composite_hx_20251117_1500-hd5"])
def test_present_files_equal_h5pys_reading(name: str, real_present: Path) -> None:
    """Values are code * gain + offset, dry cells of rain 0, and cells of no data missing."""
    codes, stated = _odim(real_present / name)
    ds = rn.open_dataset(real_present / name, progress=False)
    (field,) = (variable[0] for variable in ds.data_vars.values())

    assert field.shape == codes.shape
    for first in range(0, len(codes), 1200):  # HX at once would take half a gigabyte
        some = codes[first : first + 1200]
        expected = some * stated["gain"] + stated["offset"]
        if "RS" in ds:
            expected[some == stated["undetect"]] = 0
        expected[some == stated["nodata"]] = np.nan
        np.testing.assert_allclose(field[first : first + 1200], expected, rtol=2e-6, atol=1e-5)
    assert ds.attrs["frames_missing"] == 0


def test_present_files_have_the_values_of_their_readme(real_present: Path) -> None:
    """RV's analysis, a cell of RS, and the maximum of HX have the documented values."""
    rv = rn.open_dataset(real_present / "composite_rv_20250923_0855.tar", progress=False).RV
    rs = rn.open_dataset(real_present / "composite_rs_20260703_0750_000-hd5", progress=False).RS
    hx = rn.open_dataset(real_present / "composite_hx_20251117_1500-hd5", progress=False).HX

    assert int(rv[0, 0].isnull().sum()) == 621_995
    assert [int(lead / np.timedelta64(1, "m")) for lead in rv.lead_time.values] == [0, 50]
    assert float(rs[0, 1199 - 188, 581]) == pytest.approx(0.10499999, abs=2e-8)
    assert float(hx.max()) == pytest.approx(50.81, abs=0.005)
    assert str(hx.time.values[0]) == "2025-11-17T15:00:00.000000000"


def test_rv_has_the_hundredths_of_its_binary(real_present: Path) -> None:
    """`resolution="binary"` packs wet cells as max(1, floor(mm / 0.01)) hundredths, in integers."""
    path = real_present / "composite_rv_20250923_0855.tar"
    codes, stated = _odim(path, "composite_rv_20250923_0855_050-hd5")
    thousandths = codes.astype(np.int64) - 1
    expected = np.where(thousandths > 0, np.maximum(1, thousandths // 10), 0)

    packed = rn.open_dataset(path, resolution="binary", packed=True, progress=False).RV[0, 1]
    plain = rn.open_dataset(path, resolution="binary", progress=False).RV[0, 1]

    missing = codes == stated["nodata"]
    assert packed.dtype == np.uint16
    np.testing.assert_array_equal(packed.values[~missing], expected[~missing])
    assert (packed.values[missing] == packed.attrs["_FillValue"]).all()
    np.testing.assert_array_equal(
        plain.values, np.where(missing, np.nan, expected.astype("f4") * np.float32(0.01))
    )
    assert (expected[~missing] == 1).sum() > 1000  # weak rain that the file resolves, and the binary does not


def test_both_forms_of_rv_make_one_series_of_integers(tmp_path: Path) -> None:
    """A run in binary and the next one in HDF5 are packed with the same step."""
    old = Header(product="RV", time=RUN, rows=1200, cols=1100, precision=-2, interval=5, version=5, lead=0)
    (tmp_path / "RV2006131525_000").write_bytes(write_frame(old, np.full((1200, 1100), 7, np.uint16)))
    new = replace(old, time=RUN + np.timedelta64(5, "m"))
    data = write_composite(new, np.full((1200, 1100), 79, np.uint32), quantity="ACRR", gain=0.001, offset=-0.001)
    (tmp_path / "composite_rv_20200613_1530_000-hd5").write_bytes(data)

    ds = rn.open_dataset(tmp_path, resolution="binary", packed=True, progress=False)

    assert ds.RV[:, 5, 5].values.tolist() == [7, 7]


def test_the_resolution_of_others_is_not_guessed(tmp_path: Path) -> None:
    """DWD's rounding of RY is unknown; sums in tenths do not change; an unknown resolution is refused."""
    ry = Header(product="RY", time=RUN, rows=1200, cols=1100, precision=-2, interval=5, version=5)
    data = write_composite(ry, np.ones((1200, 1100), np.uint16), quantity="RATE", gain=0.01)
    (tmp_path / "ry.hdf5").write_bytes(data)
    rw = replace(ry, product="RW", interval=60)
    data = write_composite(rw, np.full((1200, 1100), 3, np.uint16), quantity="ACRR", gain=0.1)
    (tmp_path / "rw.hdf5").write_bytes(data)

    with pytest.raises(SettingsError, match=r"how DWD rounds RY in its binaries is not known.*holds for RV alone"):
        rn.open_dataset(tmp_path / "ry.hdf5", resolution="binary", progress=False)
    with pytest.raises(SettingsError, match='resolution=\'fine\' is not valid: use "file" or "binary"'):
        rn.open_dataset(tmp_path / "rw.hdf5", resolution="fine", progress=False)  # type: ignore[arg-type]
    assert float(rn.open_dataset(tmp_path / "rw.hdf5", resolution="binary", progress=False).RW.max()) == (
        pytest.approx(0.3)
    )


@pytest.mark.parametrize("name", ["composite_rs_20260703_0750_000-hd5", "composite_rv_20250923_0855.tar"])
def test_wide_codes_unpack_to_the_values_of_the_plain_open(name: str, real_present: Path) -> None:
    """Xarray decodes packed codes of four bytes to float32, bit for bit what `open_dataset` returns."""
    plain = rn.open_dataset(real_present / name, progress=False)
    packed = rn.open_dataset(real_present / name, packed=True, progress=False)

    (decoded,) = xr.decode_cf(packed).data_vars.values()
    (values,) = plain.data_vars.values()

    assert (packed[decoded.name].dtype.str, decoded.dtype.str) == ("<u4", "<f4")
    np.testing.assert_array_equal(decoded, values)
