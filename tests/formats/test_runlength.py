"""Run-length coded classes: coded fields are decoded as by wradlib, and broken ones raise."""

from __future__ import annotations

import gzip
import io
import itertools
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as law
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from radar_nb.errors import FrameError, HeaderError, TruncatedFrame
from radar_nb.formats.packing import CLASS_PACKING
from radar_nb.formats.radolan import Header, read_frame, write_frame
from radar_nb.formats.runlength import NO_CLASS, OUTLINE, decode

if TYPE_CHECKING:
    from pathlib import Path

Classes = NDArray[np.uint8]
A_TIME = np.datetime64("2020-06-13T15:25:00")
CLASSES = hnp.arrays(
    np.uint8,
    st.tuples(st.integers(1, 30), st.integers(1, 40)),
    elements=st.sampled_from([0, 0, 0, 1, 2, 6, 15, NO_CLASS, NO_CLASS]),
)


def encode(classes: Classes, *, number: int | None = None) -> bytes:
    """Return the runs of a field, its lines numbered or all with the same number."""
    lines = enumerate(classes[::-1])
    return b"".join(bytes([number or line % 256]) + _runs(row) + b"\n" for line, row in lines) + b"\x04"


def _runs(line: Classes) -> bytes:
    measured = np.flatnonzero(line != NO_CLASS)
    if not measured.size:
        return b""
    offset = int(measured[0])
    head = b"\xff" * (offset // 239) + bytes([offset % 239 + 16])
    runs = bytearray()
    for value, cells in groupby(line[offset : measured[-1] + 1].tolist()):
        left = len(list(cells))
        while left:
            runs.append(min(left, 15) << 4 | value)
            left -= min(left, 15)
    return head + bytes(runs)


def _measured(classes: Classes) -> Classes:
    """Close gaps between measured cells, which runs cannot encode."""
    inner = (classes != NO_CLASS).cumsum(axis=1) > 0
    inner &= (classes[:, ::-1] != NO_CLASS).cumsum(axis=1)[:, ::-1] > 0
    return np.where(inner & (classes == NO_CLASS), np.uint8(0), classes)


@law(deadline=None)
@given(CLASSES.map(_measured))
def test_a_coded_field_is_decoded(classes: Classes) -> None:
    """Classes, missing cells and the order of rows are restored, for any line number."""
    decoded = decode(encode(classes), *classes.shape)

    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, classes)


@pytest.mark.parametrize("offset", [0, 1, 238, 239, 240, 255, 256, 300, 459])
def test_an_offset_may_have_several_bytes(offset: int) -> None:
    """Several bytes encode offsets of more than 255 cells, where wradlib's sum overflows."""
    classes = np.full((2, 460), NO_CLASS, np.uint8)
    classes[0, offset:] = 3

    np.testing.assert_array_equal(decode(encode(classes), 2, 460), classes)


def test_every_line_number_is_skipped() -> None:
    """A picture has 460 lines: among their numbers are LF, which ends a line, and EOT, which ends the field."""
    classes = np.arange(460, dtype=np.uint8)[:, None] % 7 + np.zeros((1, 460), np.uint8)

    np.testing.assert_array_equal(decode(encode(classes), 460, 460), classes)


@pytest.mark.filterwarnings("ignore::xarray.SerializationWarning")
def test_a_picture_has_wradlibs_classes() -> None:
    """A field that wradlib can read is equal when read as a frame."""
    import xarray as xr

    row, col = np.ogrid[:460, :460]
    seen = (row - 230) ** 2 + (col - 230) ** 2 < 220**2
    classes = np.where(seen, (row // 40 + col // 30) % 7, NO_CLASS).astype(np.uint8)
    header = Header(product="PG", time=A_TIME, rows=460, cols=460, precision=0, interval=5, levels=(1.0, 19.0))
    frame = write_frame(header, np.frombuffer(encode(classes, number=16), np.uint8))
    with xr.open_dataset(io.BytesIO(frame), engine="radolan") as ds:
        theirs = ds["PG"].fillna(NO_CLASS).values

    read, runs = read_frame(frame)

    np.testing.assert_array_equal(decode(runs, read.rows, read.cols), theirs)
    np.testing.assert_array_equal(theirs, classes)


# --- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"\x04", b"\x01\n", b"\x01\x11\x20\n\x02\x11"], ids=repr)
def test_a_field_with_too_few_lines_raises(data: bytes) -> None:
    """The message states the number of lines."""
    with pytest.raises(TruncatedFrame, match=r"^a\.bin ends after [01] of its 2 lines: fetch"):
        decode(data, 2, 5, name="a.bin")


@pytest.mark.parametrize("rest", [b"\x03\n\x04", b"\x04\x01\n", b"\x00"], ids=repr)
def test_a_field_with_too_many_lines_raises(rest: bytes) -> None:
    """More lines than rows belong to another grid."""
    with pytest.raises(HeaderError, match=r"^a\.bin continues after 2 lines"):
        decode(b"\x01\n\x02\n" + rest, 2, 5, name="a.bin")


@pytest.mark.parametrize(
    "line",
    [
        b"\x01\x0f\x11\n",  # an offset below zero
        b"\x01\x11\n",  # an offset without runs
        b"\x01\xff\xff\n",  # an offset without end
        b"\x01\x10\x63\n",  # six cells
        b"\x01\x12\x43\n",  # four from the third on
        b"\x01" + b"\xff" * 9999 + b"\x10\x11\n",  # two million cells
    ],
    ids=lambda line: repr(line[:8]),
)
def test_an_invalid_line_raises(line: bytes) -> None:
    """An invalid line raises before memory is allocated for it; the message names the line."""
    with pytest.raises(HeaderError, match=r"^line 2 of a\.bin is not a line of runs over 5 cells"):
        decode(b"\x01\n" + line + b"\x04", 2, 5, name="a.bin")


@law(deadline=None)
@given(st.binary(max_size=80) | st.lists(st.sampled_from(b"\n\x04\x10\x11\xff\x13")).map(bytes), st.integers(0, 3))
def test_any_bytes_are_classes_or_an_error_of_ours(data: bytes, rows: int) -> None:
    """Garbage never raises another kind of exception, nor decodes to classes that runs cannot hold."""
    try:
        classes = decode(data, rows, 9)
    except FrameError:
        return

    assert classes.shape == (rows, 9)
    assert set(np.unique(classes)) <= {*range(16), NO_CLASS}


def test_the_outline_of_the_real_picture_is_not_a_class(real_forms: Path) -> None:
    """The value 9 only touches cells without data or the edge: it is missing, and its flag states the reason."""
    data = gzip.decompress((real_forms / "raa01-pg_10000-1408102045-dwd---bin.gz").read_bytes())
    header, runs = read_frame(data)
    classes = decode(runs, header.rows, header.cols)
    around = np.pad(classes, 1, constant_values=NO_CLASS)
    near_gap = np.zeros(classes.shape, bool)
    for row, col in itertools.product(range(3), range(3)):
        near_gap |= around[row : row + header.rows, col : col + header.cols] == NO_CLASS

    outline = classes == OUTLINE

    assert np.count_nonzero(outline) == 1620
    assert near_gap[outline].all()
    assert np.isnan(CLASS_PACKING.values(classes)[outline]).all()
    assert set(CLASS_PACKING.flags(classes)[outline].tolist()) == {16}
    assert np.nanmax(CLASS_PACKING.values(classes)) <= len(header.levels)
