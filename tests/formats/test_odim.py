"""ODIM HDF5 composites: header and values as wradlib reads them, written as DWD writes them."""

from __future__ import annotations

import io
import os
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
from support.malicious_hdf5 import CODES, HOSTILE_HDF5, small_composite

from radar_nb.dwd.grids import find_grid
from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import FrameError, HeaderError, UnknownGrid, UnsafeMember
from radar_nb.formats.odim import read_composite, read_header, write_composite
from radar_nb.formats.packing import Packing
from radar_nb.formats.radolan import Header
from radar_nb.reading.opening import open_dataset

if TYPE_CHECKING:
    from pathlib import Path

MAGIC = b"\x89HDF\r\n\x1a\n"  # how every HDF5 file begins
A_TIME = np.datetime64("2026-01-13T00:25:00")
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


def _wradlibs_dataset(data: bytes) -> xr.Dataset:
    import xarray as xr

    with xr.open_dataset(io.BytesIO(data), engine="radolan") as ds:
        return ds.load().sortby("y")


# --- against wradlib and DWD ----------------------------------------------------------------------------------


@pytest.fixture
def real(real_frames: Path) -> bytes:
    """Return the bytes of a published RW."""
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
    """Return every attribute with its type, and how the data are stored; a projection as its parameters."""
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
    """For every quantity, rates become amounts, no echo becomes zero rain, and forecasts have two times."""
    header = replace(SMALL, product=product, interval=interval, lead=lead)
    codes = np.resize(np.arange(1 << 16, dtype=dtype), (900, 900))
    codes[::7, ::5] = np.iinfo(dtype).max
    data = write_composite(header, codes, quantity=quantity, gain=gain, offset=offset)
    theirs = _wradlibs_dataset(data)

    ours = read_composite(data)

    values = theirs[quantity].values.squeeze()
    if quantity != "DBZH":
        values = np.where(codes == 0, 0, values * (interval / 60 if quantity == "RATE" else 1))
    # wide codes count from zero, so that their offset is gone
    np.testing.assert_array_equal(ours.codes, codes - dtype(1) if dtype is np.uint32 else codes)
    assert (ours.packing.offset == 0) == (offset == 0 or dtype is np.uint32)
    np.testing.assert_allclose(ours.packing.values(ours.codes), values, rtol=3e-7, atol=1e-5)
    assert ours.header.time == theirs["time"].values.squeeze()
    assert ("prediction_time" in theirs) == (lead is not None)
    if lead is not None:
        ahead = ours.header.time + np.timedelta64(ours.header.lead, "m")
        assert theirs["prediction_time"].values.squeeze() == ahead


# --- what is read ---------------------------------------------------------------------------------------------


def test_rows_are_south_first_as_in_radolan() -> None:
    """ODIM stores the north first; a caller has one order for both formats."""
    np.testing.assert_array_equal(read_composite(small_composite()).codes, CODES[::-1])


def test_the_header_uses_radolans_terms() -> None:
    """The time is the nominal one, the interval is counted over midnight, the stations have no quotes."""
    data = small_composite()

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


def test_optional_attributes_may_be_missing() -> None:
    """Without the lists of stations and of software the field is still read."""
    assert read_header(small_composite(without="nodes")).radars == ()
    assert read_header(small_composite(without="software")).software == ""
    assert read_header(small_composite(without="how")).radars == ()


@pytest.mark.parametrize(
    ("quantity", "gain", "scale", "precision"),
    [
        ("ACRR", 0.1, 0.1, -1),
        ("ACRR", np.float32(0.001), 0.001, -3),
        ("ACRR", 0.0009999999317806213, 0.001, -3),  # as in DWD's RS
        ("ACRR", 0.25, 0.25, 0),
        ("RATE", 0.01, 0.01, -2),
        ("RATE", np.float32(0.12), 0.12, 0),
        ("DBZH", 0.5, 0.5, 0),
    ],
)
def test_the_scale_is_the_intended_decimal_number(
    quantity: str, gain: float, scale: float, precision: int
) -> None:
    """Float32 scales are included; if the scale is a power of ten, the header states it."""
    composite = read_composite(small_composite(quantity=quantity.encode(), gain=gain))

    assert (composite.packing.scale, composite.header.precision) == (scale, precision)


@pytest.mark.parametrize("gain", [0.12, np.float32(0.12)])
def test_a_rate_is_an_amount_in_its_interval(gain: float) -> None:
    """0.12 mm/h in five minutes is 0.01 mm, exactly, and so the header's precision is that of the binaries."""
    composite = read_composite(small_composite(**_lasting(5), prodname=b"YW", quantity=b"RATE", gain=gain))

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
    """No data is missing, no echo is a true zero of an amount, the rest is code * gain + offset."""
    packing = read_composite(small_composite(quantity=quantity, gain=gain, offset=offset)).packing

    np.testing.assert_allclose(packing.values(np.array([0, 10, 65535], "u2")), expected, atol=1e-6)


def test_codes_of_32_bits_keep_their_mark_of_no_data() -> None:
    """The largest 32-bit code means no data; its neighbours, equal to it in float32, are values."""
    codes = np.array([[4294967295, 4294967294, 1001]], "u4")

    composite = read_composite(small_composite(codes, gain=0.001, offset=-0.001, nodata=4294967295.0))

    values = composite.packing.values(composite.codes)
    assert np.isnan(values).tolist() == [[True, False, False]]
    assert values[0, 2] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("product", "end", "lead"),
    [
        (b"RV", b"004000", 0),
        (b"RV", b"024000", 120),
        (b"WN_000", b"004034", 0),
        (b"WN", b"004534", 5),
        (b"RS", b"014000", 60),
    ],
)
def test_a_forecast_counts_from_the_nominal_time(product: bytes, end: bytes, lead: int) -> None:
    """The lead time is that of the interval's end in steps of 5 min; seconds of a scan do not count."""
    minutes = {b"RV": 5, b"RS": 60}.get(product, 31 / 60)

    header = read_header(small_composite(**_lasting(minutes, end), prodname=product))

    assert (header.time, header.lead) == (np.datetime64("2025-09-23T00:40:00"), lead)


def _lasting(minutes: float, end: bytes = b"004000") -> dict[str, Any]:
    """Return the attributes of an interval that ends at a time of 23 September."""
    last = np.datetime64(f"2025-09-23T{end[:2].decode()}:{end[2:4].decode()}:{end[4:].decode()}")
    begin = (last - np.timedelta64(round(60 * minutes), "s")).item()
    return {"endtime": end, "startdate": f"{begin:%Y%m%d}".encode(), "starttime": f"{begin:%H%M%S}".encode()}


@pytest.mark.parametrize(
    ("product", "quantity", "interval"), [(b"WN", b"DBZH", 5), (b"RY", b"RATE", 5), (b"YW", b"RATE", 5)]
)
def test_seconds_of_scans_do_not_change_the_interval(product: bytes, quantity: bytes, interval: int) -> None:
    """A composite of scans of 31 s covers the interval of its product: 12 mm/h are 1 mm in 5 min."""
    data = small_composite(**_lasting(31 / 60, b"004034"), prodname=product, quantity=quantity, gain=0.12)

    composite = read_composite(data)

    assert (composite.header.interval, composite.header.time) == (interval, np.datetime64("2025-09-23T00:40:00"))
    if quantity == b"RATE":
        assert composite.packing.values(np.array([100], "u2")) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (_lasting(5) | {"prodname": b"RW"}, "an interval of 5 min .00:35:00 to 00:40:00., but RW covers 1 h"),
        (_lasting(60) | {"prodname": b"YW"}, "an interval of 60 min .*, but YW covers 5 min"),
        (_lasting(0.5) | {"prodname": b"QQ"}, "an interval of 0.5 min .*, but the product QQ is unknown"),
        (_lasting(60, b"014000"), "its nominal time is 00:40:00 and its interval ends at 01:40:00"),
        ({"time": b"004003"}, "its nominal time is 00:40:03"),
    ],
)
def test_times_that_contradict_the_product_are_refused(changes: dict[str, Any], match: str) -> None:
    """A wrong interval would turn rates into wrong amounts: the message names both lengths."""
    with pytest.raises(HeaderError, match=match):
        read_header(small_composite(**changes))


def test_a_buffer_is_reused() -> None:
    """If it fits, it holds the codes; if not, they have memory of their own."""
    fits, other = np.empty((2, 3), np.uint16), np.empty((2, 3), np.uint8)

    assert read_composite(small_composite(), out=fits).codes is fits
    assert read_composite(small_composite(), out=other).codes is not other
    np.testing.assert_array_equal(fits, CODES[::-1])


# --- what is written ------------------------------------------------------------------------------------------


@law(deadline=None, max_examples=20)
@given(
    product=st.sampled_from(["YW", "RW", "SF", "RV"]),
    dtype=st.sampled_from([np.uint8, np.uint16, np.uint32]),
    lead=st.sampled_from(range(0, 125, 5)),
    radars=st.lists(st.from_regex(r"de[a-z]{3}", fullmatch=True)).map(tuple),
    seed=st.integers(0, 2**32 - 1),
)
def test_written_composites_are_read_back(
    *, product: str, dtype: type[Any], lead: int, radars: tuple[str, ...], seed: int
) -> None:
    """Header and codes of every width are equal after reading, except for the file's size."""
    codes = np.random.default_rng(seed).integers(0, 99, (450, 450)).astype(dtype)
    interval, lead_of = PRODUCTS[product].interval, lead if product == "RV" else None
    header = replace(SMALL, product=product, interval=interval, radars=radars, lead=lead_of, rows=450, cols=450)

    again = read_composite(write_composite(header, codes, quantity="ACRR", gain=0.1))

    assert replace(again.header, size=0) == header
    assert (again.codes.dtype, again.packing.marks) == (np.dtype(dtype), (int(np.iinfo(dtype).max),))
    np.testing.assert_array_equal(again.codes, codes)


def test_writing_is_reproducible() -> None:
    """The file contains no time of writing."""
    codes = np.zeros((900, 900), np.uint16)
    data = write_composite(SMALL, codes, quantity="ACRR", gain=0.1)

    with h5py.File(io.BytesIO(data)) as file:
        assert h5py.h5o.get_info(file["dataset1/data1/data"].id).mtime == 0
    assert write_composite(SMALL, codes, quantity="ACRR", gain=0.1) == data


def test_an_unknown_grid_is_not_written() -> None:
    """The corners of a composite would be a guess."""
    with pytest.raises(UnknownGrid, match="a grid of 2 x 3 cells is unknown"):
        write_composite(replace(SMALL, rows=2, cols=3), CODES, quantity="ACRR", gain=0.1)


# --- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "missing",
    [
        "quantity",
        "gain",
        "prodname",
        "enddate",
        "what",
        "dataset1/what",
        "dataset1/data1/data",
        "dataset1",
    ],
)
def test_a_file_without_a_required_part_is_refused(missing: str) -> None:
    """A missing part is never guessed: the message names the file and the part."""
    with pytest.raises(HeaderError, match=rf"^a\.hdf5 is not an ODIM composite: it has no .*{missing}"):
        read_composite(small_composite(without=missing), name="a.hdf5")


@pytest.mark.parametrize("quantity", [b"TH", b"VRADH"])
def test_another_quantity_is_refused(quantity: bytes) -> None:
    """The message lists the supported ones, with their units."""
    read = "ACRR .mm., RATE .mm/h., DBZH .dBZ., VIL .kg m-2., CLASS .1."
    match = f"quantity {quantity.decode()}; radar_nb reads {read}: open it with wradlib"
    with pytest.raises(HeaderError, match=match):
        read_header(small_composite(quantity=quantity))


def test_further_fields_are_named_and_not_read(caplog: pytest.LogCaptureFixture) -> None:
    """Of a file with three fields the first is read; one line of the log names the others and their quantities."""
    plain = small_composite(prodname=b"RH")
    held = io.BytesIO(plain)
    with h5py.File(held, "r+") as file:
        for group in ("dataset1/data2", "dataset2/data1"):
            file.copy("dataset1/data1", group)
        file["dataset1/data2/what"].attrs["quantity"] = b"VIL"

    with caplog.at_level("WARNING"):
        found = [read_composite(held.getvalue()) for _ in range(2)]

    (line,) = [record.getMessage() for record in caplog.records]
    assert "RH hold further fields" in line
    assert "not read: dataset1/data2 (VIL), dataset2/data1 (ACRR); open them with" in line
    np.testing.assert_array_equal(found[1].codes, read_composite(plain).codes)


def test_a_text_may_have_variable_length() -> None:
    """The standard has texts of fixed length, and h5py writes others unless it is asked."""
    assert read_composite(small_composite(prodname="RW", quantity="ACRR")).header.product == "RW"


@pytest.mark.parametrize(
    ("name", "value", "match"),
    [
        ("enddate", b"20250931", "unconverted|does not match|day is out of range"),
        ("enddate", b"20250921", "states an interval of -2820 min"),  # before the beginning
        ("gain", b"much", "'much' is not a number"),
        ("gain", b"1_0", "'1_0' is not a number"),
        ("offset", "\u0661", "is not a number"),
        ("gain", b"1e400", "'1e400' is not a number"),
        ("gain", b"nan", "'nan' is not a number"),
        ("gain", [1.0, 2.0], "data1/what/gain is not a number or a text"),
        ("gain", 0.0, "gain 0.0 and offset 0.0 over 60 min are not valid"),
        ("gain", -0.1, "gain -0.1"),
        ("gain", 1e-300, "gain 1e-300"),  # all rain would be 0 mm
        ("undetect", 65535.0, "65535 is both nodata and undetect"),
        ("gain", np.nan, "gain nan"),
        ("offset", np.inf, "offset inf"),
        ("nodata", b"6553_5", "'6553_5' is not a number"),
        ("prodname", "x" * 70_000, "prodname is not a number or a text"),
        ("nodata", np.nan, "nodata is nan, not a code of 2 bytes"),
        ("nodata", 65536.0, "nodata is 65536, not a code"),
        ("nodata", -1.0, "nodata is -1, not a code"),
        ("undetect", 0.5, "undetect is 0.5, not a code"),
        ("quantity", 1.0, "holds the quantity 1.0"),
    ],
)
def test_an_unusable_attribute_is_refused(name: str, value: Any, match: str) -> None:
    """A 31st of September or a gain in words is not valid."""
    with pytest.raises(HeaderError, match=match):
        read_composite(small_composite(**{name: value}))


@pytest.mark.parametrize("name", ["quantity", "prodname", "startdate", "gain", "projdef"])
def test_a_message_repeats_the_beginning_of_a_long_text(name: str) -> None:
    """A text of 60,000 characters makes a message of some hundred, which states its length."""
    text: Any = 60_000 * b"A"

    def place(file: Any) -> None:
        file.require_group("where").attrs[name] = np.bytes_(text)

    data = (
        small_composite(np.zeros((1200, 1100), "u2"), edit=place)
        if name == "projdef"
        else small_composite(**{name: text})
    )
    with pytest.raises((HeaderError, UnknownGrid)) as found:
        read_composite(data)

    assert len(str(found.value)) < 600


@pytest.mark.parametrize(
    "codes",
    [
        np.zeros(3, "u2"),
        np.zeros((1, 2, 3), "u2"),
        np.uint16(1),
        np.zeros((2, 0), "u2"),
        np.zeros((2, 3), "i2"),
        np.zeros((2, 3), "f4"),
        np.broadcast_to(np.uint8(0), (3000, 3000)),  # nine million cells: more than any of those that are read
    ],
    ids=["1d", "3d", "0d", "empty", "signed", "float", "huge"],
)
def test_other_data_sets_are_refused(codes: Any) -> None:
    """A composite has rows and columns of counts, and at most the size of a frame."""
    with pytest.raises(
        HeaderError, match=r"(has no field of unsigned integers|holds a field of 3000 x 3000 cells .9.0 MB)"
    ):
        read_composite(small_composite(codes))


def test_data_that_expand_beyond_their_field_raise() -> None:
    """A chunk with more or less than the field, or an invalid one, is refused."""
    whole = write_composite(SMALL, np.zeros((900, 900), np.uint16), quantity="ACRR", gain=0.1)

    for chunk in (b"rubbish", zlib.compress(bytes(900 * 900)), zlib.compress(bytes(900 * 900 * 2 + 9))):
        file = io.BytesIO(whole)
        with h5py.File(file, "r+") as made:
            made["dataset1/data1/data"].id.write_direct_chunk((0, 0), chunk)
        with pytest.raises(HeaderError, match="is not HDF5, or damaged"):
            read_composite(file.getvalue())


@pytest.mark.parametrize("data", [b"", b"<html>", MAGIC, MAGIC + b"\x00" * 500], ids=repr)
def test_a_file_that_is_not_hdf5_is_refused(data: bytes) -> None:
    """An HTML page or a file with nothing behind its first bytes raises an error of ours."""
    with pytest.raises(HeaderError, match=r"is (not HDF5, or )?damaged.*: fetch it again with overwrite=True$"):
        read_composite(data)


def test_a_netcdf_is_sent_to_xarray(tmp_path: Path) -> None:
    """A netCDF file of `accumulate` or `to_netcdf` is HDF5, too: the message names xarray, and the file once."""
    file = tmp_path / "total.nc"
    xr.Dataset({"YW": ("x", [1.0])}).to_netcdf(file, engine="h5netcdf")

    match = r"total\.nc is a netCDF file without the variable RR of RADKLIM.*: open it with xarray\.open_dataset$"
    with pytest.raises(HeaderError, match=match) as caught:
        open_dataset(file)
    assert str(caught.value).count("total.nc") == 1


def test_a_file_cut_anywhere_is_an_error_of_ours() -> None:
    """No truncated HDF5 is accepted, and none raises another kind of exception."""
    data = small_composite()

    for length in range(0, len(data), 97):
        with pytest.raises(FrameError, match=r"is not HDF5, or damaged|is damaged, or a piece"):
            read_composite(data[:length])


@law(deadline=None)
@given(st.dictionaries(st.integers(0, 9999), st.integers(0, 255), min_size=1, max_size=20))
def test_a_damaged_file_is_a_composite_or_an_error_of_ours(damage: dict[int, int]) -> None:
    """Garbage in the structure of an HDF5 never raises another kind of exception."""
    data = bytearray(small_composite())
    for place, byte in damage.items():
        data[place % len(data)] = byte

    try:
        composite = read_composite(bytes(data))
    except FrameError:
        return
    assert composite.codes.shape == (composite.header.rows, composite.header.cols)


# --- malicious files -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", HOSTILE_HDF5)
def test_malicious_hdf5_is_refused_before_reading_data(kind: str, tmp_path: Path) -> None:
    """No byte of another file, no link and no bomb passes the header; a FIFO is never opened."""
    target = tmp_path / "target"
    os.mkfifo(target)  # a read would wait for a writer for ever
    make, match = HOSTILE_HDF5[kind]
    data = make(str(target))

    for read in (read_composite,) if "inflates" in match else (read_header, read_composite):  # one reads the field
        with pytest.raises(UnsafeMember, match=f"^evil is not safe to read: .*{match}.*: fetch it again"):
            read(data, name="evil")


def _partly(kind: Any) -> bytes:
    """Return a composite whose field is stored in a type of its own."""

    def edit(file: Any) -> None:
        del file["dataset1/data1/data"]
        space = h5py.h5s.create_simple((2, 3))
        h5py.h5d.create(file["dataset1/data1"].id, b"data", kind, space)

    return small_composite(edit=edit)


def test_integers_in_some_bits_of_their_bytes_are_refused() -> None:
    """Their codes would be read as others: h5py calls them uint16, and the stored bytes are not the numbers."""
    twelve = h5py.h5t.STD_U16LE.copy()
    twelve.set_precision(12)
    twelve.set_offset(4)

    for kind in (twelve, h5py.h5t.STD_B16LE):
        with pytest.raises(HeaderError, match="stores dataset1/data1/data in some bits of its integers"):
            read_composite(_partly(kind))


def test_texts_of_a_composite_are_printable() -> None:
    """They become attributes, and control characters would reach the terminal that prints a Dataset."""
    data = small_composite(nodes=b"'\x1b]0;owned\x07','deboo'", software=b"\x1b[2J")

    header = read_composite(data).header

    assert header.radars == ("?]0;owned?", "deboo")
    assert header.software == "?[2J"


def test_a_loop_of_hard_links_elsewhere_is_harmless() -> None:
    """Only the path of the composite is followed, so a loop elsewhere cannot block the reader."""
    file = io.BytesIO(small_composite())
    with h5py.File(file, "r+") as made:
        made["dataset1/loop"] = made["/"]

    np.testing.assert_array_equal(read_composite(file.getvalue()).codes, CODES[::-1])


# --- real files -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"object": b"PVOL"},
            "holds a polar volume of one radar .ODIM object PVOL.*open it with xradar or wradlib$",
        ),
        ({"source": b"ORG:247,CMT:ODC"}, "is a composite of OPERA, and radar_nb reads those of DWD"),
    ],
)
def test_other_radar_files_are_named(changes: dict[str, Any], match: str) -> None:
    """The error for a polar volume or a European composite does not advise fetching it again."""
    file = io.BytesIO(small_composite())
    with h5py.File(file, "r+") as made:
        for name, value in changes.items():
            made["what"].attrs[name] = np.bytes_(value)

    with pytest.raises(HeaderError, match=match):
        read_composite(file.getvalue())


def test_the_limit_of_a_field_follows_its_product(real_present: Path) -> None:
    """The 4800 x 4400 cells of HX are read as h5py has them, and refused in a file that says it is RV."""
    data = (real_present / "composite_hx_20251117_1500-hd5").read_bytes()
    foreign = io.BytesIO(data)
    with h5py.File(foreign, "r+") as file:
        file["dataset1/what"].attrs["prodname"] = np.bytes_(b"RV_top_view")

    composite = read_composite(data)

    with h5py.File(io.BytesIO(data)) as file:
        np.testing.assert_array_equal(composite.codes, file["dataset1/data1/data"][()][::-1])
    assert (composite.header.product, composite.header.interval, composite.header.lead) == ("HX", 5, None)
    with pytest.raises(
        HeaderError,
        match=r"a field of 4800 x 4400 cells .42.2 MB., and radar_nb reads at most 8.4 MB a field of RV",
    ):
        read_composite(foreign.getvalue())


def test_the_gain_of_the_real_rs_is_a_thousandth(real_present: Path) -> None:
    """Its gain is stored as 0.00099999993: thresholds count the cells that decimal numbers count."""
    composite = read_composite((real_present / "composite_rs_20260703_0750_000-hd5").read_bytes())

    assert (composite.packing.scale, composite.packing.offset) == (0.001, 0)
    assert (composite.header.product, composite.header.interval, composite.header.lead) == ("RS", 60, 0)
    exact = composite.codes[composite.codes < 2**32 - 2].astype(int)
    values = composite.packing.values(composite.codes)
    assert np.count_nonzero(values >= np.float32(0.1)) == np.count_nonzero(exact >= 100) == 7718
