"""ASCII grids: the codes are those of the binaries, in any spelling of the same grid."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support.radklim_forms import frames, grids

from radar_nb.errors import HeaderError, TruncatedFrame
from radar_nb.formats.esri_ascii import read_grid, read_grid_header, write_grid
from radar_nb.formats.radolan import Header

if TYPE_CHECKING:
    from pathlib import Path

NAME, DATA = next(iter(grids().items()))
RADKLIM = np.where(frames()[0][2] & 0x2000, 0x29C4, frames()[0][2] & 0xFFF)
RW = Header(
    product="RW", time=np.datetime64("2022-10-18T00:50", "s"), rows=900, cols=900, precision=-1, interval=60
)
RW_NAME = "RW_20221018-0050.asc"
CODES = np.resize(np.array([0, 1, 25, 4095, 0x29C4], np.uint16), (900, 900))
WHOLE = write_grid(RW, CODES)
HEAD = WHOLE[: WHOLE.index(b"\n", WHOLE.index(b"NODATA")) + 1]


def test_the_real_archive_equals_numpys_reading(real_forms: Path) -> None:
    """24 hours of RW: tenths of a millimetre, -1 where missing, the north first."""
    with tarfile.open(real_forms / "RW-20221018.tar.gz") as tar:
        members = {info.name: file.read() for info in tar if (file := tar.extractfile(info))}
    name = sorted(members)[15]
    theirs = np.loadtxt(io.BytesIO(members[name]), skiprows=6)[::-1]

    header, codes = read_grid(members[name], name=name)

    assert len(members) == 24
    assert (header.product, header.precision, header.interval) == ("RW", -1, 60)
    assert str(header.time) == f"2022-10-18T{name[12:14]}:50:00"
    np.testing.assert_array_equal(codes & 0x2000 != 0, theirs < 0)
    np.testing.assert_array_equal(codes[theirs >= 0], theirs[theirs >= 0])


def test_radklim_has_millimetres_with_one_decimal() -> None:
    """The same hour as a binary and as a grid has the same codes; the name states the version."""
    header, codes = read_grid(DATA, name=f"archive.tar.gz > {NAME}")

    assert (header.product, header.reanalysis, str(header.time)) == ("RW", "2017.002", "2017-10-01T00:50:00")
    np.testing.assert_array_equal(codes, RADKLIM)


def test_whole_tenths_are_exact() -> None:
    """Written grids are read back equal, including the largest amount of a binary."""
    header, codes = read_grid(WHOLE, name=RW_NAME)

    assert (header.product, header.reanalysis) == ("RW", None)
    np.testing.assert_array_equal(codes, CODES)


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"nodata_value", b"NODATA_VALUE").replace(b"ncols", b"NCOLS"),
        lambda data: data.replace(b".", b","),
        lambda data: data.replace(b"-9.0", b"-9"),
        lambda data: data.replace(b"-9.0", b"-9999.0"),
        lambda data: data.replace(b"cellsize      1000", b"cellsize 1000.000"),
        lambda data: data.replace(b"xllcorner     -443462", b"xllcenter -442962.2"),
        lambda data: data.rstrip(b"\n"),
    ],
)
def test_other_spellings_of_a_grid_are_read(change: object) -> None:
    """Grids with other line ends, capitals, decimal commas or missing values are read as the same grid."""
    codes = read_grid(change(DATA), name=NAME)[1]  # type: ignore[operator]

    np.testing.assert_array_equal(codes, RADKLIM)


@pytest.mark.parametrize(
    ("data", "name", "error", "match"),
    [
        (WHOLE, "mine.asc", HeaderError, "does not state its product and time, and its name does not either"),
        (WHOLE, "XX_20221018-0050.asc", HeaderError, "product XX, which DWD does not publish in ASCII"),
        (WHOLE, "RW_20221318-0050.asc", HeaderError, "has no valid time in its name"),
        (WHOLE.replace(b"nrows", b"lines"), RW_NAME, HeaderError, "first lines lack nrows"),
        (WHOLE.replace(b"-523462", b"-443462"), RW_NAME, HeaderError, "xllcorner is -443462, and de900"),
        (WHOLE.replace(b"1000\n", b"250\n", 1), RW_NAME, HeaderError, "cellsize is 250, and de900"),
        (
            WHOLE.replace(b" 900\n", b" 900.4\n", 1),
            RW_NAME,
            HeaderError,
            "ncols 900.4, which is not a whole number",
        ),
        (WHOLE[:-9000], RW_NAME, TruncatedFrame, r"RW_20221018-0050\.asc ends after [0-9,]+ of 810,000 values"),
        (HEAD + b"\x1e", RW_NAME, TruncatedFrame, "ends after 0 of 810,000 values"),
        (HEAD + b"# 1 2 3\n", RW_NAME, TruncatedFrame, "ends after [0-9,]+ of 810,000 values"),
        (WHOLE + b"0 0 0\n", RW_NAME, HeaderError, "a value that is not one of DWD's"),
        (WHOLE.replace(b" 25 ", b" 2.5 ", 1), RW_NAME, HeaderError, "a value that is not one of DWD's"),
        (WHOLE.replace(b" 25 ", b" -7 ", 1), RW_NAME, HeaderError, "holds the value -7 tenths"),
        (WHOLE.replace(b" 25 ", b" 9999 ", 1), RW_NAME, HeaderError, "holds the value 9999 tenths"),
        (DATA.replace(b" 0.0 ", b" 0.05 ", 1), NAME, HeaderError, "has values with more than one decimal"),
        (DATA.replace(b" 0.0 ", b" 1e300 ", 1), NAME, HeaderError, "has values with more than one decimal"),
        (DATA.replace(b" 0.0 ", b" nan ", 1), NAME, HeaderError, "has values with more than one decimal"),
        (WHOLE.replace(b"900\nxll", b"9" * 50 + b"\nxll", 1), RW_NAME, HeaderError, r"has the number 1e\+50"),
        (DATA.replace(b" 0.0 ", b" x.y ", 1), NAME, HeaderError, "a value that is not one of DWD's"),
    ],
)
def test_a_grid_that_is_not_dwds_is_refused(data: bytes, name: str, error: type[Exception], match: str) -> None:
    """The message names the file, the line or the value, and what DWD has."""
    with pytest.raises(error, match=match):
        read_grid(data, name=name)


def test_a_truncated_grid_is_refused_by_its_header() -> None:
    """A file that ends early is refused before a value is read; a whole one has its size and place."""
    assert read_grid_header(WHOLE, name=RW_NAME).rows == 900
    with pytest.raises(TruncatedFrame, match="ends after 809,999 of 810,000 values"):
        read_grid_header(WHOLE.rstrip().rsplit(b" ", 1)[0], name=RW_NAME)
