"""A field in HDF5 is read as it was stored, or not at all: byte order, chunks that are short, cut or absent."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from radar_nb.errors import HeaderError
from radar_nb.formats.netcdf import Fields, write_fields
from radar_nb.formats.odim import read_composite, write_composite
from radar_nb.formats.radolan import Header

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPE = (900, 900)
TIME = np.datetime64("2025-09-22T05:40")
CODES = np.zeros(SHAPE, "u2")
CODES[100:200, 3] = 37
CODES[0] = 0xFFFF
RAW = CODES[::-1].tobytes()
WHOLE = zlib.compress(RAW, 1)
HALF = {(0, 0): zlib.compress(RAW[: len(RAW) // 2], 1)}


@pytest.fixture(scope="module")
def composite() -> bytes:
    header = Header(product="RW", time=TIME, rows=900, cols=900, precision=-1, interval=60, version=5)
    return write_composite(header, CODES, quantity="ACRR", gain=0.1)


def stored(data: bytes, path: str, make: Callable[[Any, str], object]) -> bytes:
    """Return a file whose data set is made again; its attributes stay."""
    with h5py.File.in_memory(data) as file:
        attrs = {key: file[path].attrs[key] for key in file[path].attrs if "LIST" not in key}
        del file[path]
        make(file, path)
        file[path].attrs.update(attrs)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def pieces(
    chunks: dict[tuple[int, ...], bytes], shape: tuple[int, ...], chunk: tuple[int, ...], **more: Any
) -> Any:
    """Return what makes a data set of these stored chunks."""

    def make(file: Any, path: str) -> None:
        data = file.create_dataset(path, shape, more.get("dtype", "<u2"), chunks=chunk, **more.get("options", {}))
        for at, piece in chunks.items():
            data.id.write_direct_chunk(at, piece, more.get("mask", 0))

    return make


def one(piece: bytes, **more: Any) -> Any:
    return pieces({(0, 0): piece}, SHAPE, SHAPE, options={"compression": "gzip"}, **more)


def half(**more: Any) -> Any:
    return pieces(HALF | more.pop("also", {}), SHAPE, (450, 900), options={"compression": "gzip"}, **more)


def test_big_endian_integers_are_read_as_the_numbers_they_are(composite: bytes) -> None:
    def big(file: Any, path: str) -> None:
        file.create_dataset(path, data=CODES[::-1].astype(">u2"), chunks=SHAPE, compression="gzip")

    data = stored(composite, "dataset1/data1/data", big)
    np.testing.assert_array_equal(read_composite(data).codes, CODES)


UNSOUND: dict[str, tuple[Any, str]] = {
    "a stream without its end, and so without a checksum": (one(WHOLE[:-4]), "cut short"),
    "a chunk that inflates to less": (half(also={(450, 0): zlib.compress(b"less")}), "has 4 bytes, not 810,000"),
    "a chunk that was stored as it is, and is short": (
        pieces({(0, 0): RAW[:810_000], (450, 0): b"short"}, SHAPE, (450, 900), mask=1, options={"compression": 4}),
        "has 5 bytes, not 810,000",
    ),
    "a chunk without filters that is short": (pieces({(0, 0): RAW[:99]}, SHAPE, SHAPE), "has 99 bytes"),
    "a checksum in place of values": (
        pieces({(0, 0): RAW[:100]}, SHAPE, SHAPE, mask=1, options={"fletcher32": True}), "has 100 bytes",
    ),
    "a chunk that was never written": (half(), "were never written"),
    "a field that was never written": (pieces({}, SHAPE, SHAPE), "were never written"),
    "a field without chunks that was never written": (
        lambda file, path: file.create_dataset(path, SHAPE, "<u2"), "were never written",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNSOUND)
def test_a_chunk_that_does_not_hold_its_values_is_an_error_not_other_memory(composite: bytes, kind: str) -> None:
    make, message = UNSOUND[kind]
    with pytest.raises(HeaderError, match=message):
        read_composite(stored(composite, "dataset1/data1/data", make))


NAME = "RW_2017.002_201710.nc"
FIELDS = (2, 1100, 900)


@pytest.fixture(scope="module")
def month() -> bytes:
    time = np.datetime64("2017-10-18T00:50")
    header = Header(product="RW", time=time, rows=1100, cols=900, precision=-1, interval=60, reanalysis="2017.002")
    times = [time, time + np.timedelta64(60, "m")]
    return write_fields(header, times, [np.full(FIELDS[1:], 3, "u2")] * 2)


def test_a_chunk_of_a_netcdf_file_that_is_short_cut_or_absent_is_an_error(month: bytes) -> None:
    field = np.full(FIELDS[1:], 3, "<i2").tobytes()
    single, double = (1, *FIELDS[1:]), FIELDS
    deflated: Any = {"compression": "gzip", "fillvalue": -1}
    unsound = [
        pieces({(0, 0, 0): zlib.compress(field)}, FIELDS, double, dtype="<i2", options=deflated),  # was a crash
        pieces({(0, 0, 0): field[:99]}, FIELDS, single, dtype="<i2", mask=1, options={"fletcher32": True}),
        pieces({(0, 0, 0): zlib.compress(field)[:-4]}, FIELDS, single, dtype="<i2", options=deflated),
        pieces({}, FIELDS, single, dtype="<i2", options={"compression": "gzip"}),  # its fill value is 0 mm
        pieces({}, FIELDS, double, dtype="<i2", options={"compression": "gzip"}),
    ]
    for make in unsound:
        fields = Fields(stored(month, "RR", make), NAME)
        with pytest.raises(HeaderError, match=r"has .* bytes|has no end|were never written"):
            fields.codes(0)
    empty = Fields(stored(month, "RR", pieces({}, FIELDS, single, dtype="<i2", options=deflated)), NAME)
    assert (empty.codes(0) & 0x2000).all()  # the fill value means no data


def test_hourly_sums_are_not_taken_for_those_of_five_minutes(month: bytes) -> None:
    with pytest.raises(HeaderError, match="60 min apart"):
        Fields(month, "YW_2017.002_20171018.nc")
    with h5py.File.in_memory(month) as file:
        file.attrs["title"] = np.bytes_("RADKLIM")
        untitled = file.id.get_file_image()
    with pytest.raises(HeaderError, match="60 min apart"):
        Fields(untitled, "YW_2017.002_20171018.nc")


def test_infinite_amounts_and_places_that_are_no_numbers_are_errors(month: bytes) -> None:
    data = stored(month, "RR", lambda file, path: file.create_dataset(path, data=np.full(FIELDS, np.inf, "f4")))
    with pytest.raises(HeaderError, match="which no file of DWD has"):
        Fields(data, NAME).codes(0)
    with h5py.File.in_memory(month) as file:
        file["y"][5] = np.nan
        file.flush()
        data = file.id.get_file_image()
    with pytest.raises(HeaderError, match="contradicts its grid"):
        Fields(data, NAME)
