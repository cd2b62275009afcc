"""RADOLAN frames compared with wradlib and with DWD's own bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import tarfile
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from radar_nb.dwd.products import HYDROMETEORS, PRODUCTS
from radar_nb.formats.packing import Packing, radolan_packing
from radar_nb.formats.radolan import ETX, NO_DATA, RUN_LENGTH, VALUE, Header, parse_header, read_frame, write_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import xarray as xr

    from radar_nb.dwd.products import Product

NAMES = (
    "RE2210180700_000.gz",
    "RQ2002012030_060",
    "raa01-rw2017.002_10000-1712310850-dwd---bin",
    "raa01-rw_10000-1907010950-dwd---bin",
    "raa01-rw_10000-1907311350-dwd---bin.gz",
    "raa01-rw_10000-1910141450-dwd---bin",
    "raa01-rx_10000-1605290600-dwd---bin",
    "raa01-ry_10000-1910182355-dwd---bin",
    "raa01-sf_10000-1605010450-dwd---bin",
    "raa01-sf_10000-1910141950-dwd---bin",
    "raa01-yw2017.002_10000-2006131525-dwd---bin",
)
A_TIME = np.datetime64("2020-06-13T15:25:00")
BYTES = ("RX", "WX", "EX")
HDF5_ALONE = {"RS", "HX", "DMAX", "VII", "VIL", "HYMECNG"}
UNKNOWN_TO_WRADLIB = {"SM", "SJ", "SY", "FZ"}
SHORTS = sorted(PRODUCTS.keys() - {*BYTES, *RUN_LENGTH, "HG", *HDF5_ALONE, *UNKNOWN_TO_WRADLIB})
SIDE = 450  # of the smallest grid known to wradlib that holds all codes of 16 bits


def _bytes(path: Path) -> bytes:
    data = path.read_bytes()
    return gzip.decompress(data) if path.suffix == ".gz" else data


def _some_of_the_mirror(root: Path) -> Iterator[tuple[str, bytes]]:
    """Return three frames of each archive, or all that are single files."""
    for path in sorted(path for path in root.rglob("[!.]*") if path.is_file()):
        if path.suffix == ".bz2":
            yield path.name, bz2.decompress(path.read_bytes())
        elif ".tar" not in path.name:
            yield path.name, _bytes(path)
        else:
            for name, data in itertools.islice(_members(path.read_bytes()), 3):
                yield f"{path.name}: {name}", data


def _members(data: bytes) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            inner = content.read() if content else b""
            if member.name.endswith(".tar.gz"):
                yield from _members(inner)
            else:
                yield member.name, gzip.decompress(inner) if inner.startswith(b"\x1f\x8b") else inner


def _in_wradlibs_words(header: Header) -> dict[str, Any]:
    """Return a header under the names and in the units of wradlib's parser."""
    said = {
        "producttype": header.product,
        "datetime": header.time.item(),
        "radarid": header.radar_id,
        "nrow": header.rows,
        "ncol": header.cols,
        "datasize": header.size - header.length,
        "formatversion": header.version,
        "radolanversion": header.software,
        "precision": float(f"1E{header.precision}"),
        "intervalseconds": header.interval * 60,
        "radarlocations": list(header.radars),
        "radardays": [f"{radar} {count}" for radar, count in header.contributions] or None,
        "predictiontime": header.lead,
        "moduleflag": None if header.module_flags is None else int(header.module_flags),
        "quantification": header.quality,
        "reanalysisversion": header.reanalysis,
        "intervalunit": header.interval_unit,
    }
    return {name: value for name, value in said.items() if value is not None}


def _wradlibs_words(data: bytes) -> dict[str, Any]:
    from wradlib.io.radolan import parse_dwd_composite_header

    said: dict[str, Any] = parse_dwd_composite_header(data[: data.index(ETX)].decode("ascii"))
    said.pop("maxrange", None)
    return said


def _wradlibs_field(data: bytes) -> xr.DataArray:
    import xarray as xr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the several fill values that wradlib's engine sets
        with xr.open_dataset(io.BytesIO(data), engine="radolan") as ds:
            return ds[parse_header(data).product].load()


def _unwritten(header: Header) -> Header:
    return replace(header, size=0, length=0)


# --- real files -----------------------------------------------------------------------------------------------


def test_no_real_file_is_left_out(real_frames: Path) -> None:
    """The tests below use every available binary file."""
    assert {path.name for path in real_frames.iterdir() if path.suffix != ".hdf5"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_a_real_header_equals_wradlibs(real_frames: Path, name: str) -> None:
    """Every token of every real file has wradlib's value."""
    data = _bytes(real_frames / name)

    assert _in_wradlibs_words(parse_header(data)) == _wradlibs_words(data)


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("RQ")])
def test_a_real_file_is_rewritten_byte_for_byte(real_frames: Path, name: str) -> None:
    """A header that was read writes the same file."""
    data = _bytes(real_frames / name)

    assert write_frame(*read_frame(data)) == data


def test_a_real_file_with_blanks_is_rewritten_token_for_token(real_frames: Path) -> None:
    """RADVOR fills fields with blanks where others write zeros; the tokens are equal."""
    header, codes = read_frame(_bytes(real_frames / "RQ2002012030_060"))

    again, codes_again = read_frame(write_frame(header, codes))

    assert _unwritten(again) == _unwritten(header)
    np.testing.assert_array_equal(codes_again, codes)


def test_the_mirrors_frames_equal_the_real_ones(real_mirror: Path) -> None:
    """Frames from archives of any kind have wradlib's header and are rewritten byte for byte."""
    kinds = set()
    for name, data in _some_of_the_mirror(real_mirror):
        header, codes = read_frame(data, name=name)
        kinds.add((header.product, header.rows))

        assert _in_wradlibs_words(header) == _wradlibs_words(data), name
        assert write_frame(header, codes) == data, name

    assert kinds == {("YW", 1100), ("RW", 1100), ("RW", 900), ("SF", 900), ("RY", 900)}


# --- headers that we write ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "product", sorted(PRODUCTS.keys() - {"RU", *RUN_LENGTH, *HDF5_ALONE})
)  # of RU and runs see below
@pytest.mark.parametrize("full", [False, True])
def test_wradlib_reads_our_header(product: str, full: bool) -> None:
    """With the fewest and with all tokens, wradlib's parser and ours agree on our header."""
    header = Header(product=product, time=A_TIME, rows=2, cols=3, precision=-2, interval=5, radars=("boo",))
    if full:
        header = replace(
            header,
            version=5,
            contributions=(("boo", 24), ("ros", 7)),
            lead=120,
            module_flags="00000001",
            reanalysis="2017.002",
            quality=16,
            interval=2880,
            interval_unit=1,
        )

    frame = write_frame(header, np.zeros((2, 3), "<u2"))

    assert _in_wradlibs_words(parse_header(frame)) == _wradlibs_words(frame)


def test_wradlib_reads_our_header_of_runs() -> None:
    """Both readers agree on levels, indicator, number of pictures and size of a run-length product."""
    header = Header(product="PG", time=A_TIME, rows=460, cols=460, precision=0, interval=5, radars=("boo", "ros"))
    header = replace(header, levels=(1.0, 19.0, 28.0), indicator=1, images=2)

    said = _wradlibs_words(write_frame(header, np.zeros(9, np.uint8)))

    assert (said["nrow"], said["ncol"], said["radarlocations"]) == (460, 460, ["boo", "ros"])
    assert (said["nlevel"], said["level"].tolist(), said["imagecount"]) == (3, [1.0, 19.0, 28.0], 2)
    assert (said["indicator"], said["datasize"]) == ("maximum", 9)


def test_wradlib_reads_a_unit_from_ru() -> None:
    """The U of RU is a token to wradlib; the rest of its header is equal."""
    header = Header(product="RU", time=A_TIME, rows=2, cols=3, precision=-1, interval=60, radars=("boo",))

    frame = write_frame(header, np.zeros((2, 3), "<u2"))
    said = _wradlibs_words(frame)

    assert said.pop("intervalunit") == 131525100000620
    assert _in_wradlibs_words(parse_header(frame)) == said


# --- values, for every code -----------------------------------------------------------------------------------


def _header(made: Product) -> Header:
    """Return a header in DWD's form, of the smallest grid."""
    # of packings with an offset the header counts in steps of 0.5 dBZ
    exponent = round(np.log10(made.precision / (0.5 if made.quantity == "reflectivity" else 1)))
    return Header(
        product=made.name,
        time=A_TIME,
        rows=SIDE,
        cols=SIDE,
        precision=exponent,
        interval=made.interval // 10 if made.name.startswith("W") else made.interval,  # W1: tens of minutes
        interval_unit=1 if made.name.startswith("%") else None,
    )


@pytest.mark.parametrize("product", SHORTS)
def test_every_16_bit_code_has_wradlibs_value(product: str) -> None:
    """All 65,536 codes agree, except that only the flag marks missing cells, not the value 2490 or 2500."""
    made = PRODUCTS[product]
    codes = np.resize(np.arange(1 << 16, dtype=np.uint16), (SIDE, SIDE))
    theirs = _wradlibs_field(write_frame(_header(made), codes))
    factor = made.interval / 60 if theirs.attrs["unit"] == "mm h-1" else 1.0
    packing = radolan_packing(2, scale=made.precision, offset=-32.5 if made.quantity == "reflectivity" else 0.0)

    ours = packing.values(codes)

    flagged = (codes & NO_DATA) != 0
    believed = np.isin(codes & VALUE, (2490, 2500))
    same = flagged == believed
    values = (codes & VALUE) * theirs.encoding.get("scale_factor", 1) + theirs.encoding["add_offset"]
    np.testing.assert_allclose(ours[same], theirs.values[same] * factor, rtol=3e-7)
    np.testing.assert_array_equal(np.isnan(ours), flagged)
    np.testing.assert_allclose(ours[believed & ~flagged], values[believed & ~flagged] * factor, rtol=3e-7)


@pytest.mark.parametrize("product", BYTES)
def test_every_8_bit_code_has_wradlibs_value(product: str) -> None:
    """All 256 codes agree: 249 means clutter, 250 no data, 255 unused, and 0 no echo, which is a value."""
    codes = np.resize(np.arange(256, dtype=np.uint8), (SIDE, SIDE))

    ours = radolan_packing(1, scale=0.5, offset=-32.5).values(codes)

    theirs = _wradlibs_field(write_frame(_header(PRODUCTS[product]), codes))
    np.testing.assert_array_equal(ours, theirs.values)
    assert np.flatnonzero(np.isnan(ours.ravel()[:256])).tolist() == [249, 250, 255]
    assert ours.ravel()[0] == np.float32(-32.5)


def test_hydrometeors_keep_the_bits_that_wradlib_removes() -> None:
    """The twelve bits that wradlib keeps of HG's 32 agree; wradlib takes hail for no data, and ours has all."""
    from wradlib.io import radolan

    kinds = np.array([*HYDROMETEORS, 1 << 31], np.uint32)
    frame = write_frame(_header(PRODUCTS["HG"]), np.resize(kinds, (SIDE, SIDE)))
    theirs, _ = radolan.read_radolan_composite(io.BytesIO(frame), missing=-1)

    header, codes = read_frame(frame)
    values = Packing(itemsize=4, missing=1 << 31).values(codes)

    assert header.itemsize == codes.dtype.itemsize == 4
    hail = codes & NO_DATA != 0
    np.testing.assert_array_equal((codes & VALUE)[~hail], theirs[~hail])
    np.testing.assert_array_equal(values.ravel()[: kinds.size], [*HYDROMETEORS, np.nan])
