"""ODIM HDF5 composites: header and values as wradlib reads them, written as DWD writes them."""

from __future__ import annotations

import io
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import settings as law
from hypothesis import strategies as st

from radar_nb.dwd.grids import find_grid
from radar_nb.errors import FrameError, HeaderError, UnknownGrid
from radar_nb.formats.odim import read_composite, read_header, write_composite
from radar_nb.formats.packing import Packing
from radar_nb.formats.radolan import Header
from radar_nb.reading.opening import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"\x89HDF\r\n\x1a\n"  # how every HDF5 file begins
A_TIME = np.datetime64("2026-01-13T00:25:00")
NORTH_FIRST = np.array([[65535, 1, 2], [0, 10, 4000]], np.uint16)
SMALL = Header(
    product="RW",
    time=A_TIME,
    rows=900,
    cols=900,
    precision=-1,
    interval=60,
    version=5,
    software="RADOLAN 2.42.0",
    radars=("deasb", "deboo"),
)
ATTRIBUTES: dict[str, dict[str, Any]] = {
    "what": {"date": b"20250923", "time": b"004000"},
    "dataset1/what": {
        "product": b"COMP",
        "prodname": b"RW",
        "startdate": b"20250922",
        "starttime": b"234000",
        "enddate": b"20250923",
        "endtime": b"004000",
    },
    "dataset1/data1/what": {"quantity": b"ACRR", "gain": 0.1, "offset": 0.0, "nodata": 65535.0, "undetect": 0.0},
    "how": {"nodes": b"'deasb','deboo'", "software": b"RADOLAN"},
}


def _composite(codes: Any = NORTH_FIRST, *, without: str = "", **changes: Any) -> bytes:
    """Make a composite; `without` names a group, data set or attribute to leave out."""
    made = io.BytesIO()
    with h5py.File(made, "w") as file:
        for group, attributes in ATTRIBUTES.items():
            place = file.require_group(group)
            for name, value in attributes.items():
                new = changes.get(name, value)
                place.attrs[name] = np.bytes_(new) if isinstance(new, bytes) else new  # of fixed length
                if name == without:
                    del place.attrs[name]
        file["dataset1/data1/data"] = codes
        if without in file:
            del file[without]
    return made.getvalue()


def _wradlibs_dataset(data: bytes) -> xr.Dataset:
    import xarray as xr

    with xr.open_dataset(io.BytesIO(data), engine="radolan") as ds:
        return ds.load().sortby("y")


# --- against wradlib and DWD ----------------------------------------------------------------------------------


@pytest.fixture
def real(real_frames: Path) -> bytes:
    """Give the bytes of a published RW."""
    return (real_frames / "raa01-rw_10000-latest-dwd---bin.hdf5").read_bytes()


def test_the_real_file_has_wradlibs_values_and_grid(real: bytes) -> None:
    """Sums, missing cells, time, stations and coordinates of DWD's own file agree."""
    theirs = _wradlibs_dataset(real)

    composite = read_composite(real)
    header = composite.header
    grid = find_grid(header.rows, header.cols, version=header.version)

    assert real.startswith(MAGIC)
    assert (header.product, header.time, header.interval) == ("RW", np.datetime64("2025-09-22T05:40:00"), 60)
    assert (header.lead, header.precision, header.software) == (None, -1, "RADOLAN 2.42.0")
    assert header.time == theirs["time"].values.squeeze()
    assert (len(header.radars), header.radars[0], header.size) == (17, "deasb", len(real))
    values = composite.packing.values(composite.codes)
    np.testing.assert_allclose(values, theirs["ACRR"].values.squeeze(), rtol=1e-6)
    np.testing.assert_allclose(grid.x, theirs["x"], rtol=0, atol=1e-3)
    np.testing.assert_allclose(grid.y, theirs["y"], rtol=0, atol=1e-3)


def test_the_real_file_is_written_again(real: bytes) -> None:
    """Groups, attributes with their types, and data are those of DWD's own file."""
    composite = read_composite(real)

    again = write_composite(
        composite.header, composite.codes, quantity="ACRR", gain=0.1, method="RGA: STANDARD ADJUSTMENT WITH GAUGES"
    )

    ours, theirs = _content(again), _content(real)
    assert ours.keys() == theirs.keys()
    for place, (value, kind) in theirs.items():
        assert ours[place][1] == kind or place == "where/projdef", place
        same = ours[place][0]
        assert same == (pytest.approx(value, abs=1e-6) if isinstance(value, float | dict) else value), place


def _content(data: bytes) -> dict[str, tuple[Any, Any]]:
    """Give every attribute with its type, and how the data are stored; a projection as its parameters."""
    found: dict[str, tuple[Any, Any]] = {}

    def look(place: str, item: Any) -> None:
        for name, value in item.attrs.items():
            kind = item.attrs.get_id(name)
            found[f"{place}/{name}"] = value, (kind.dtype, kind.shape, kind.get_type().get_class())
        if isinstance(item, h5py.Dataset):
            found[place] = item[()].tolist(), (item.dtype, item.chunks, item.compression, item.compression_opts)

    with h5py.File(io.BytesIO(data)) as file:
        look("", file)
        file.visititems(look)
    projection, kind = found["where/projdef"]
    words = sorted(word.partition("=") for word in projection.decode().split())
    parameters = {key: float(value) for key, _, value in words if key not in {"+proj", "+units", "+no_defs"}}
    return found | {"where/projdef": (parameters, kind)}


@pytest.mark.parametrize(
    ("product", "quantity", "gain", "offset", "dtype", "interval", "lead"),
    [
        ("RW", "ACRR", 0.1, 0.0, np.uint16, 60, None),
        ("SF", "ACRR", 0.1, 0.0, np.uint16, 1440, None),
        ("YW", "RATE", 0.12, 0.0, np.uint16, 5, None),
        ("RV", "ACRR", 0.001, -0.001, np.uint32, 5, 115),
        ("WN", "DBZH", 0.00293, -64.003, np.uint16, 5, 0),
    ],
)
def test_written_files_have_wradlibs_values(
    *, product: str, quantity: str, gain: float, offset: float, dtype: type[Any], interval: int, lead: int | None
) -> None:
    """For every quantity: rates are amounts to us, no echo is no rain, and forecasts have two times."""
    header = replace(SMALL, product=product, interval=interval, lead=lead)
    codes = np.resize(np.arange(1 << 16, dtype=dtype), (900, 900))
    codes[::7, ::5] = np.iinfo(dtype).max
    data = write_composite(header, codes, quantity=quantity, gain=gain, offset=offset)
    theirs = _wradlibs_dataset(data)

    ours = read_composite(data)

    values = theirs[quantity].values.squeeze()
    if quantity != "DBZH":
        values = np.where(codes == 0, 0, values * (interval / 60 if quantity == "RATE" else 1))
    np.testing.assert_array_equal(ours.codes, codes)
    np.testing.assert_allclose(ours.packing.values(ours.codes), values, rtol=3e-7, atol=1e-5)
    assert ours.header.time == theirs["time"].values.squeeze()
    assert ("prediction_time" in theirs) == (lead is not None)
    if lead is not None:
        ahead = ours.header.time + np.timedelta64(ours.header.lead, "m")
        assert theirs["prediction_time"].values.squeeze() == ahead


# --- what is read ---------------------------------------------------------------------------------------------


def test_rows_come_south_first_as_in_radolan() -> None:
    """ODIM stores the north first; a caller has one order for both formats."""
    np.testing.assert_array_equal(read_composite(_composite()).codes, NORTH_FIRST[::-1])


def test_the_header_speaks_radolans_words() -> None:
    """The time is the nominal one, the interval is counted over midnight, the stations have no quotes."""
    data = _composite()

    composite = read_composite(memoryview(data))

    assert composite.header == Header(
        product="RW",
        time=np.datetime64("2025-09-23T00:40:00"),
        rows=2,
        cols=3,
        precision=-1,
        interval=60,
        version=5,
        software="RADOLAN",
        radars=("deasb", "deboo"),
        size=len(data),
    )
    assert composite.quantity == "ACRR"
    assert composite.packing == Packing(scale=0.1, itemsize=2, marks=(65535,), undetect=0)
    assert read_header(data) == composite.header


def test_courtesies_may_be_missing() -> None:
    """Without the lists of stations and of software the field is read all the same."""
    assert read_header(_composite(without="nodes")).radars == ()
    assert read_header(_composite(without="software")).software == ""


@pytest.mark.parametrize(
    ("quantity", "gain", "scale", "precision"),
    [
        ("ACRR", 0.1, 0.1, -1),
        ("ACRR", np.float32(0.001), 0.001, -3),
        ("ACRR", 0.25, 0.25, 0),
        ("RATE", 0.01, 0.01, -2),
        ("RATE", np.float32(0.12), 0.12, 0),
        ("DBZH", 0.5, 0.5, 0),
    ],
)
def test_the_scale_is_the_decimal_number_that_is_meant(
    quantity: str, gain: float, scale: float, precision: int
) -> None:
    """Also where the file has a float32; where the scale is a power of ten, the header says which."""
    composite = read_composite(_composite(quantity=quantity.encode(), gain=gain))

    assert (composite.packing.scale, composite.header.precision) == (scale, precision)


@pytest.mark.parametrize("gain", [0.12, np.float32(0.12)])
def test_a_rate_is_an_amount_in_its_interval(gain: float) -> None:
    """0.12 mm/h in five minutes is 0.01 mm, exactly, and so the header's precision is that of the binaries."""
    composite = read_composite(_composite(quantity=b"RATE", gain=gain, starttime=b"003500", startdate=b"20250923"))

    assert (composite.packing.scale, composite.header.precision, composite.header.interval) == (0.01, -2, 5)


@pytest.mark.parametrize(
    ("quantity", "gain", "offset", "expected"),
    [
        (b"ACRR", 0.1, 0.0, [0.0, 1.0, np.nan]),
        (b"ACRR", 0.001, -0.001, [0.0, 0.009, np.nan]),  # RV: no echo would else be -0.001 mm
        (b"RATE", 0.12, 0.0, [0.0, 1.2, np.nan]),  # of an hour
        (b"DBZH", 0.5, -64.0, [-64.0, -59.0, np.nan]),  # no echo is the lowest reflectivity, not 0 dBZ
    ],
)
def test_values_follow_the_packing(quantity: bytes, gain: float, offset: float, expected: list[float]) -> None:
    """No data is missing, no echo is a true zero of an amount, all else is code * gain + offset."""
    packing = read_composite(_composite(quantity=quantity, gain=gain, offset=offset)).packing

    np.testing.assert_allclose(packing.values(np.array([0, 10, 65535], "u2")), expected, atol=1e-6)


def test_codes_of_32_bits_keep_their_mark_of_no_data() -> None:
    """The largest 32-bit code is no data; its neighbours, which float32 cannot tell from it, are values."""
    codes = np.array([[4294967295, 4294967294, 1001]], "u4")

    composite = read_composite(_composite(codes, gain=0.001, offset=-0.001, nodata=4294967295.0))

    values = composite.packing.values(composite.codes)
    assert np.isnan(values).tolist() == [[True, False, False]]
    assert values[0, 2] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("product", "end", "lead"),
    [(b"RV", b"004000", 0), (b"RV", b"024000", 120), (b"WN_000", b"003942", 0), (b"RS", b"014000", 60)],
)
def test_a_forecast_counts_from_the_nominal_time(product: bytes, end: bytes, lead: int) -> None:
    """The lead time is that of the interval's end; seconds of a scan do not count."""
    header = read_header(_composite(prodname=product, endtime=end))

    assert (header.time, header.lead) == (np.datetime64("2025-09-23T00:40:00"), lead)


def test_a_buffer_is_used_again() -> None:
    """If it fits, the codes are put there; if not, they have memory of their own."""
    fits, other = np.empty((2, 3), np.uint16), np.empty((2, 3), np.uint8)

    assert read_composite(_composite(), out=fits).codes is fits
    assert read_composite(_composite(), out=other).codes is not other
    np.testing.assert_array_equal(fits, NORTH_FIRST[::-1])


# --- what is written ------------------------------------------------------------------------------------------


@law(deadline=None, max_examples=20)
@given(
    product=st.sampled_from(["YW", "RW", "RV"]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.uint32]),
    interval=st.integers(1, 1440),
    lead=st.integers(0, 120),
    radars=st.lists(st.from_regex(r"de[a-z]{3}", fullmatch=True)).map(tuple),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_is_written_is_read_back(
    *, product: str, dtype: type[Any], interval: int, lead: int, radars: tuple[str, ...], seed: int
) -> None:
    """Header and codes of every width come back equal, but for the file's size."""
    codes = np.random.default_rng(seed).integers(0, 99, (900, 900)).astype(dtype)
    header = replace(
        SMALL, product=product, interval=interval, radars=radars, lead=lead if product == "RV" else None
    )

    again = read_composite(write_composite(header, codes, quantity="ACRR", gain=0.1))

    assert replace(again.header, size=0) == header
    assert (again.codes.dtype, again.packing.marks) == (np.dtype(dtype), (int(np.iinfo(dtype).max),))
    np.testing.assert_array_equal(again.codes, codes)


def test_the_same_is_written_the_same() -> None:
    """No time of writing gets into the file."""
    codes = np.zeros((900, 900), np.uint16)
    data = write_composite(SMALL, codes, quantity="ACRR", gain=0.1)

    with h5py.File(io.BytesIO(data)) as file:
        assert h5py.h5o.get_info(file["dataset1/data1/data"].id).mtime == 0
    assert write_composite(SMALL, codes, quantity="ACRR", gain=0.1) == data


def test_a_grid_that_nobody_can_place_is_not_written() -> None:
    """The corners of a composite would be a guess."""
    with pytest.raises(UnknownGrid, match="a grid of 2 x 3 cells is not known"):
        write_composite(replace(SMALL, rows=2, cols=3), NORTH_FIRST, quantity="ACRR", gain=0.1)


# --- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "missing",
    [
        "quantity",
        "gain",
        "prodname",
        "enddate",
        "what",
        "how",
        "dataset1/what",
        "dataset1/data1/data",
        "dataset1",
    ],
)
def test_a_file_without_a_part_that_odim_asks_for_is_told(missing: str) -> None:
    """Nothing is guessed: the message names the file."""
    with pytest.raises(HeaderError, match=r"^a\.hdf5 is no ODIM composite that radar_nb can read: "):
        read_composite(_composite(without=missing), name="a.hdf5")


@pytest.mark.parametrize("quantity", [b"VIL", b"CLASS"])
def test_another_quantity_is_told(quantity: bytes) -> None:
    """The message gives those that are read, with their units."""
    with pytest.raises(HeaderError, match=f"quantity {quantity.decode()}, known are ACRR .mm., RATE .mm/h., DBZH"):
        read_header(_composite(quantity=quantity))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("enddate", b"20250931"),
        ("enddate", b"20250921"),  # before the beginning
        ("gain", b"much"),
        ("gain", [1.0, 2.0]),
        ("gain", 0.0),
        ("gain", -0.1),
        ("gain", np.nan),
        ("offset", np.inf),
        ("nodata", b"none"),
        ("prodname", "RW"),  # a text of variable length, which ODIM does not allow
        ("nodata", np.nan),
        ("nodata", 65536.0),
        ("nodata", -1.0),
        ("undetect", 0.5),
        ("quantity", 1.0),
    ],
)
def test_an_attribute_that_is_none_is_told(name: str, value: Any) -> None:
    """A 31st of September or a gain in words cannot be used."""
    with pytest.raises(HeaderError, match="is no ODIM composite"):
        read_composite(_composite(**{name: value}))


@pytest.mark.parametrize(
    "codes",
    [
        np.zeros(3, "u2"),
        np.zeros((1, 2, 3), "u2"),
        np.uint16(1),
        np.zeros((2, 0), "u2"),
        np.zeros((2, 3), "i2"),
        np.zeros((2, 3), "f4"),
        np.broadcast_to(np.uint8(0), (3000, 3000)),  # nine million cells: more than any composite has
    ],
    ids=["1d", "3d", "0d", "empty", "signed", "float", "huge"],
)
def test_data_that_are_no_field_are_told(codes: Any) -> None:
    """A composite has rows and columns of counts, and not more than a frame may have."""
    with pytest.raises(HeaderError, match="are no field of unsigned integers"):
        read_composite(_composite(codes))


def test_data_that_expand_beyond_their_field_are_told() -> None:
    """A chunk that holds more or less than the field, or is no chunk, is not believed."""
    whole = write_composite(SMALL, np.zeros((900, 900), np.uint16), quantity="ACRR", gain=0.1)

    for chunk in (b"rubbish", zlib.compress(bytes(900 * 900)), zlib.compress(bytes(900 * 900 * 2 + 9))):
        file = io.BytesIO(whole)
        with h5py.File(file, "r+") as made:
            made["dataset1/data1/data"].id.write_direct_chunk((0, 0), chunk)
        with pytest.raises(HeaderError, match="is no ODIM composite"):
            read_composite(file.getvalue())


@pytest.mark.parametrize("data", [b"", b"<html>", MAGIC, MAGIC + b"\x00" * 500], ids=repr)
def test_what_is_no_hdf5_is_told(data: bytes) -> None:
    """An HTML page or a file with nothing behind its first bytes gives an error of ours."""
    with pytest.raises(HeaderError, match="is no ODIM composite"):
        read_composite(data)


def test_a_netcdf_is_sent_to_xarray(tmp_path: Path) -> None:
    """What `accumulate` or `to_netcdf` wrote is HDF5 too, but none of DWD's files; it is named once."""
    file = tmp_path / "total.nc"
    xr.Dataset({"YW": ("x", [1.0])}).to_netcdf(file, engine="h5netcdf")

    with pytest.raises(HeaderError, match=r"total\.nc is a netCDF.*open it with xarray\.open_dataset$") as caught:
        open_dataset(file)
    assert str(caught.value).count("total.nc") == 1


def test_a_file_cut_anywhere_is_an_error_of_ours() -> None:
    """No beginning of an HDF5 passes for one, and none raises another kind of exception."""
    data = _composite()

    for length in range(0, len(data), 97):
        with pytest.raises(FrameError, match="is no ODIM composite"):
            read_composite(data[:length])


@law(deadline=None)
@given(st.dictionaries(st.integers(0, 9999), st.integers(0, 255), min_size=1, max_size=20))
def test_a_damaged_file_is_a_composite_or_an_error_of_ours(damage: dict[int, int]) -> None:
    """Rubbish in the structure of an HDF5 never shows itself as another kind of exception."""
    data = bytearray(_composite())
    for place, byte in damage.items():
        data[place % len(data)] = byte

    try:
        composite = read_composite(bytes(data))
    except FrameError:
        return
    assert composite.codes.shape == (composite.header.rows, composite.header.cols)
