"""ODIM HDF5 composites: header and values as wradlib reads them."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from radar_nb.errors import FrameError, HeaderError
from radar_nb.frames import Header
from radar_nb.grids import find_grid
from radar_nb.odim import MAGIC, Packing, decode, read_composite

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

NORTH_FIRST = np.array([[65535, 1, 2], [0, 10, 4000]], np.uint16)
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "dataset1/what": {
        "product": b"COMP",
        "prodname": b"RW",
        "startdate": b"20250922",
        "starttime": b"234000",
        "enddate": b"20250923",
        "endtime": b"004000",
    },
    "dataset1/data1/what": {"quantity": b"ACRR", "gain": 0.1, "offset": 0.0, "nodata": 65535.0, "undetect": 0.0},
    "how": {"nodes": b"'deasb','deboo'"},
}


def _composite(codes: Any = NORTH_FIRST, *, without: str = "", **changes: Any) -> bytes:
    """Make a composite; `without` names a group, data set or attribute to leave out."""
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        for group, attributes in ATTRIBUTES.items():
            place = file.require_group(group)
            for name, value in attributes.items():
                place.attrs[name] = changes.get(name, value)
                if name == without:
                    del place.attrs[name]
        file["dataset1/data1/data"] = codes
        if without in file:
            del file[without]
    return made.getvalue()


def _values(codes: Any, packing: Packing) -> NDArray[np.float32]:
    return decode(codes, packing, out=np.empty(codes.shape, np.float32))


def test_the_real_file_has_wradlibs_values_and_grid(real_frames: Path) -> None:
    """Sums, missing cells, time, stations and coordinates of DWD's own file agree."""
    import xarray as xr

    data = (real_frames / "raa01-rw_10000-latest-dwd---bin.hdf5").read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the fill values that wradlib's engine sets
        with xr.open_dataset(io.BytesIO(data), engine="radolan") as ds:
            theirs = ds.load().sortby("y")

    header, packing, codes = read_composite(data)
    grid = find_grid(header.rows, header.cols, version=header.version)

    assert data.startswith(MAGIC)
    assert (header.product, header.time, header.interval) == ("RW", np.datetime64("2025-09-22T05:40:00"), 60)
    assert header.time == theirs["time"].values.squeeze()
    assert (len(header.radars), header.radars[0], header.size) == (17, "deasb", len(data))
    np.testing.assert_allclose(_values(codes, packing), theirs["ACRR"].values.squeeze(), rtol=1e-6)
    np.testing.assert_allclose(grid.x, theirs["x"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(grid.y, theirs["y"], rtol=0, atol=1e-3)


def test_rows_come_south_first_as_in_radolan() -> None:
    """ODIM stores the north first; a caller has one order for both formats."""
    _, _, codes = read_composite(_composite())

    np.testing.assert_array_equal(codes, NORTH_FIRST[::-1])


def test_the_header_speaks_radolans_words() -> None:
    """The time is the interval's end, the interval is counted over midnight, the stations have no quotes."""
    data = _composite()

    header, packing, _ = read_composite(memoryview(data))

    assert header == Header(
        product="RW",
        time=np.datetime64("2025-09-23T00:40:00"),
        rows=2,
        cols=3,
        precision=0,
        interval=60,
        version=5,
        software="",
        radars=("deasb", "deboo"),
        size=len(data),
    )
    assert packing == Packing(quantity="ACRR", gain=0.1, offset=0.0, nodata=65535.0, undetect=0.0)


def test_a_file_without_stations_has_none() -> None:
    """The list of stations is a courtesy: without it the field is read all the same."""
    header, _, codes = read_composite(_composite(without="nodes"))

    assert header.radars == ()
    assert codes.shape == (2, 3)


@pytest.mark.parametrize(
    ("quantity", "gain", "offset", "undetect", "expected"),
    [
        ("ACRR", 0.1, 0.0, 0.0, [0.0, 1.0, np.nan]),
        ("ACRR", 0.001, -0.001, 0.0, [0.0, 0.009, np.nan]),  # RV: no echo would else be -0.001 mm
        ("RATE", 0.12, 0.0, 0.0, [0.0, 1.2, np.nan]),
        ("DBZH", 0.5, -64.0, 0.0, [-64.0, -59.0, np.nan]),  # no echo is the lowest reflectivity, not 0 dBZ
    ],
)
def test_values_follow_the_packing(
    quantity: str, gain: float, offset: float, undetect: float, expected: list[float]
) -> None:
    """No data is missing, no echo is a true zero of an amount, all else is code * gain + offset."""
    packing = Packing(quantity=quantity, gain=gain, offset=offset, nodata=65535.0, undetect=undetect)

    np.testing.assert_allclose(_values(np.array([0, 10, 65535], "u2"), packing), expected, atol=1e-6)


def test_codes_of_32_bits_keep_their_mark_of_no_data() -> None:
    """The largest 32-bit code is no data; its neighbours, which float32 cannot tell from it, are values."""
    packing = Packing(quantity="ACRR", gain=0.001, offset=-0.001, nodata=4294967295.0, undetect=0.0)

    values = _values(np.array([4294967295, 4294967294, 1001], "u4"), packing)

    assert np.isnan(values).tolist() == [True, False, False]
    assert values[2] == pytest.approx(1.0)


@pytest.mark.parametrize(
    "missing",
    ["quantity", "gain", "nodata", "prodname", "enddate", "dataset1/what", "dataset1/data1/data", "dataset1"],
)
def test_a_file_without_a_part_that_odim_asks_for_is_told(missing: str) -> None:
    """Nothing is guessed: the message names the file."""
    with pytest.raises(HeaderError, match=r"^a\.hdf5 is no ODIM composite that radar_nb can read: "):
        read_composite(_composite(without=missing), name="a.hdf5")


@pytest.mark.parametrize(
    ("name", "value"), [("enddate", b"20250931"), ("gain", b"much"), ("gain", [1.0, 2.0]), ("nodata", b"")]
)
def test_an_attribute_that_is_none_is_told(name: str, value: Any) -> None:
    """A 31st of September or a gain in words cannot be used."""
    with pytest.raises(HeaderError, match="is no ODIM composite"):
        read_composite(_composite(**{name: value}))


@pytest.mark.parametrize(
    "codes", [np.zeros(3, "u2"), np.zeros((1, 2, 3), "u2"), np.uint16(1)], ids=["1d", "3d", "0d"]
)
def test_data_that_are_no_field_are_told(codes: Any) -> None:
    """A composite has rows and columns."""
    with pytest.raises(HeaderError, match="is no ODIM composite"):
        read_composite(_composite(codes))


@pytest.mark.parametrize("data", [b"", b"<html>", MAGIC, MAGIC + b"\x00" * 500], ids=repr)
def test_what_is_no_hdf5_is_told(data: bytes) -> None:
    """An HTML page or a file with nothing behind its first bytes gives an error of ours."""
    with pytest.raises(HeaderError, match="is no ODIM composite"):
        read_composite(data)


def test_a_file_cut_anywhere_is_an_error_of_ours() -> None:
    """No beginning of an HDF5 passes for one, and none raises another kind of exception."""
    data = _composite()

    for length in range(0, len(data), 97):
        with pytest.raises(FrameError, match="is no ODIM composite"):
            read_composite(data[:length])
