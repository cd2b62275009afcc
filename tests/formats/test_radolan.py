"""RADOLAN frames: written frames are read back, and broken ones raise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import settings as law
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from radar_nb.errors import FrameError, HeaderError, TruncatedFrame
from radar_nb.formats.names import hold_against_name
from radar_nb.formats.radolan import (
    CLUTTER,
    ETX,
    FRAME_LIMIT,
    HEADER_LIMIT,
    NO_DATA_CODE,
    RUN_LENGTH,
    Header,
    parse_header,
    payload,
    read_frame,
    write_frame,
)

A_TIME = np.datetime64("2020-06-13T15:25:00")
SMALL = Header(product="YW", time=A_TIME, rows=2, cols=3, precision=-2, interval=5, radars=("boo", "ros"))
CODES = np.array([[0, 150, NO_DATA_CODE], [CLUTTER | 12, 0x0A0A, 4095]], "<u2")
FRAME = write_frame(SMALL, CODES)
PICTURE = (
    b"PG262115100000616BY%5dLV 6  1.0 19.0 28.0 37.0 46.0 55.0CS0MX 0MS 32<boo,ros,mem> are used, BG460460\x03"
)


def _unwritten(header: Header) -> Header:
    return replace(header, size=0, length=0)


# --- round trips ----------------------------------------------------------------------------------------------

RADAR = st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=5)
CENTURY_OF_MINUTES = 36_525 * 1440


def _headers(interval: st.SearchStrategy[int], unit: st.SearchStrategy[int | None]) -> st.SearchStrategy[Header]:
    minutes = st.integers(0, CENTURY_OF_MINUTES - 1)
    return st.builds(
        Header,
        product=st.from_regex(r"[A-Z0-9%]{2}", fullmatch=True).filter(lambda name: name not in RUN_LENGTH),
        time=minutes.map(lambda count: np.datetime64("2000-01-01T00:00:00") + np.timedelta64(count, "m")),
        rows=st.integers(1, 20),
        cols=st.integers(1, 20),
        precision=st.integers(-4, 1),
        interval=interval,
        version=st.integers(0, 5),
        software=st.text("PV0123456789.", min_size=1, max_size=9),
        radars=st.lists(RADAR, max_size=20).map(tuple),
        contributions=st.lists(st.tuples(RADAR, st.integers(0, 999)), max_size=20).map(tuple),
        lead=st.none() | st.integers(0, 999),
        module_flags=st.none() | st.from_regex(r"[0-9]{1,8}", fullmatch=True),
        reanalysis=st.none() | st.from_regex(r"[0-9]{4}\.[0-9]{3}", fullmatch=True),
        quality=st.none() | st.integers(0, 999),
        interval_unit=unit,
        radar_id=st.from_regex(r"[0-9]{5}", fullmatch=True),
    )


HEADERS = _headers(st.integers(1, 9999), st.sampled_from([None, 0])) | _headers(
    st.integers(1, 366).map(lambda days: days * 1440), st.just(1)
)


@law(deadline=None)
@given(HEADERS, st.sampled_from(["u1", "<u2", "<u4", ">u2"]), st.data())
def test_a_written_frame_is_read_back(header: Header, dtype: str, data: st.DataObject) -> None:
    """Header and codes of every width are equal, and the header now has its size."""
    codes = data.draw(hnp.arrays(dtype, (header.rows, header.cols)))

    frame = write_frame(header, codes)
    again, codes_again = read_frame(frame)

    assert _unwritten(again) == header
    assert again.size == len(frame) == again.length + codes.nbytes
    assert again.itemsize == codes_again.dtype.itemsize == codes.dtype.itemsize
    np.testing.assert_array_equal(codes_again, codes)


PICTURES = st.builds(
    Header,
    product=st.sampled_from(RUN_LENGTH),
    time=st.just(A_TIME),
    rows=st.integers(1, 999),
    cols=st.integers(1, 999),
    precision=st.just(0),
    interval=st.just(5),
    version=st.just(0),
    software=st.just(""),
    radars=st.lists(RADAR, max_size=20).map(tuple),
    levels=st.lists(st.integers(-999, 9999).map(lambda tenths: tenths / 10), max_size=15).map(tuple),
    indicator=st.none() | st.integers(0, 9),
    images=st.none() | st.integers(0, 99),
)


@law(deadline=None)
@given(PICTURES, st.binary(max_size=300))
def test_written_runs_are_read_back(header: Header, runs: bytes) -> None:
    """The header and the runs of a run-length product are equal."""
    frame = write_frame(header, np.frombuffer(runs, np.uint8))

    again, runs_again = read_frame(frame)

    assert _unwritten(again) == header
    assert again.run_length
    assert (again.size, again.itemsize) == (len(frame), 1)
    assert runs_again.tobytes() == runs


def test_a_picture_of_dwd_is_rewritten_byte_for_byte() -> None:
    """Size, levels, list of radars and grid are at DWD's positions."""
    frame = PICTURE % (len(PICTURE) + 2 + 7) + b"\x01\n\x02\n\x03\n\x04"

    header, runs = read_frame(frame)

    assert (header.rows, header.cols, header.interval) == (460, 460, 5)
    assert header.levels == (1.0, 19.0, 28.0, 37.0, 46.0, 55.0)
    assert (header.indicator, header.images, header.radars) == (0, 0, ("boo", "ros", "mem"))
    assert write_frame(header, runs) == frame


def test_a_percentage_counts_days_and_may_have_any_reference() -> None:
    """The undocumented text after RM is not searched for tokens."""
    text = b"%J010550100000821BY1620129VS 3SW   2.29.1PR E+00INT 212U1GP 900x 900RM U0 INT 9 PR E-05MS  2<> \x03"

    header = parse_header(text)

    assert (header.product, header.interval, header.precision) == ("%J", 212 * 1440, 0)
    assert header.radars == ()


@pytest.mark.parametrize("product", ["RU", "SW", "BY", "U1", "VS"])
def test_a_product_named_like_a_token_is_parsed(product: str) -> None:
    """The U of RU is not a unit of the interval: tokens begin after the date."""
    header = replace(SMALL, product=product)

    assert _unwritten(parse_header(write_frame(header, CODES))) == header


@pytest.mark.parametrize("buffer", [bytes, bytearray, memoryview])
def test_codes_are_a_view_of_any_buffer(buffer: type[Any]) -> None:
    """Codes are a view without a copy, of bytes or of a reused buffer."""
    data = buffer(FRAME)

    header, codes = read_frame(data)

    assert np.shares_memory(codes, np.frombuffer(data, np.uint8))
    assert _unwritten(header) == SMALL
    np.testing.assert_array_equal(codes, CODES)


# --- bad input ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a frame at all\x03",
        b"<!DOCTYPE html><html><head><title>502</title>",
        b"\x1f\x8b\x08\x00",
        b"\x00" * 99,
    ],
    ids=repr,
)
def test_a_message_shows_how_a_frame_begins(data: bytes) -> None:
    """The message names the file, its beginning and that of a valid frame."""
    with pytest.raises(
        HeaderError, match=r"^a\.bin does not begin like a RADOLAN frame .*such as 'YW131525100000620BY'"
    ):
        read_frame(data, name="a.bin")


def test_a_frame_cut_inside_its_header_raises() -> None:
    """A short file without the header's end is truncated."""
    with pytest.raises(TruncatedFrame, match=r"^a\.bin ends inside its header, after 60 bytes"):
        read_frame(FRAME[:60], name="a.bin")


def test_a_header_without_end_raises() -> None:
    """A long file without the byte that ends a header is not a frame."""
    data = FRAME[: FRAME.index(ETX)].ljust(HEADER_LIMIT, b" ")

    with pytest.raises(HeaderError, match=f"no end of its header .* in the first {HEADER_LIMIT} bytes"):
        read_frame(data)


@given(st.integers(0, len(FRAME) - 1))
def test_no_truncated_frame_is_accepted(length: int) -> None:
    """A frame that is cut at any place is refused."""
    with pytest.raises(FrameError, match=r"begin like a RADOLAN frame|ends inside its header|is cut short"):
        read_frame(FRAME[:length])


def test_a_short_frame_is_reported_with_both_lengths() -> None:
    """The message states the existing and the expected bytes."""
    with pytest.raises(
        TruncatedFrame, match=f"has {len(FRAME) - 1} bytes where its header says {len(FRAME)}: it is cut"
    ):
        read_frame(FRAME[:-1])


def test_a_transfer_in_text_mode_is_detected() -> None:
    """Translated line ends make a frame longer: wradlib would silently read on, shifted."""
    damaged = FRAME.replace(b"\n", b"\r\n")

    with pytest.raises(
        HeaderError, match=f"has {len(FRAME) + 2} bytes where .* {len(FRAME)}: it was changed in transit"
    ):
        read_frame(damaged)


@pytest.mark.parametrize(("rows", "cols"), [(2, 4), (1, 5), (7, 9)])
def test_a_header_that_contradicts_its_payload_raises(rows: int, cols: int) -> None:
    """Codes that do not fill the grid with 1, 2 or 4 bytes a cell have no meaning."""
    data = FRAME.replace(b"GP   2x   3", b"GP%4dx%4d" % (rows, cols))

    with pytest.raises(HeaderError, match=f"12 bytes of codes, which do not fit {rows} x {cols} cells"):
        read_frame(data)


def test_a_grid_without_cells_raises() -> None:
    """A frame has at least one cell."""
    with pytest.raises(HeaderError, match="a grid of 0 x 0 cells"):
        read_frame(FRAME.replace(b"GP   2x   3", b"GP   0x   0"))
    with pytest.raises(HeaderError, match="a grid of 0 x 460 cells"):
        read_frame(PICTURE.replace(b"BG460", b"BG000") % 999)


@pytest.mark.parametrize(
    ("day_and_time", "month_and_year"),
    [
        ("311525", "0620"),
        ("001525", "0620"),
        ("132425", "0620"),
        ("131560", "0620"),
        ("131525", "1320"),
        ("290000", "0219"),
    ],
)
def test_an_invalid_time_raises(day_and_time: str, month_and_year: str) -> None:
    """The 31st of June, month 13 or 24:25 are not valid times."""
    data = FRAME.replace(b"131525100000620", f"{day_and_time}10000{month_and_year}".encode())

    with pytest.raises(
        HeaderError, match=f"no valid time: day {day_and_time[:2]}, .* month and year {month_and_year}"
    ):
        parse_header(data)


@pytest.mark.parametrize(
    ("token", "text"), [("BY", b"     94"), ("PR", b"PR E-02"), ("INT", b"INT   5"), ("GP", b"GP   2x   3")]
)
def test_a_missing_token_is_named(token: str, text: bytes) -> None:
    """Without its size, precision, interval and grid a frame cannot be read; the message shows the header."""
    assert text in FRAME

    with pytest.raises(HeaderError, match=rf"^the header of a\.bin lacks {token}: it reads 'YW1315"):
        parse_header(FRAME.replace(text, b""), name="a.bin")


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        (b"RW262115100000214BY20042VS 3MS  5<boo>\x03", "PR, INT, GP"),
        (b"PG262115100000214BY20042LV 1  1.0MS  5<boo>\x03", "BG"),  # has no other tokens that could be missed
    ],
)
def test_all_missing_tokens_are_named_at_once(header: bytes, missing: str) -> None:
    """One message lists all; run-length products need fewer tokens."""
    with pytest.raises(HeaderError, match=f"lacks {missing}: it reads"):
        parse_header(header)


@pytest.mark.parametrize(
    ("old", "new"), [(b"PR E-02", b"PR E+99"), (b"PR E-02", b"PR E-99"), (b"VS 3", b"VS 9"), (b"VS 3", b"VS30")]
)
def test_an_unknown_precision_or_version_is_refused(old: bytes, new: bytes) -> None:
    """With E-99 all rain would be 0 mm, with E+99 infinite; version 9 may have another grid."""
    assert old in FRAME

    with pytest.raises(HeaderError, match=r"reads E-04 to E\+01 and versions up to 5: fetch or extract it again"):
        parse_header(FRAME.replace(old, new))


@pytest.mark.parametrize(
    "name", ["raa01-yw2017.002_10000-2006131530-dwd---bin", "YW2006131530_000_MF002", "YW2006131524"]
)
def test_the_next_five_minutes_do_not_pass_for_these(name: str) -> None:
    """Frames that come every five minutes have exactly the time in their name."""
    with pytest.raises(HeaderError, match="is YW of 2020-06-13T15:25:00 by its header, unlike its name"):
        hold_against_name(parse_header(FRAME), name=name, place=name)


@pytest.mark.parametrize("unknown", [b"XX 7", b"QQ<a,b>", b"ZR +1.5"])
def test_an_unknown_token_is_ignored(unknown: bytes) -> None:
    """DWD adds tokens every few years: the others are still read."""
    data = FRAME.replace(b"VS 3", b"VS 3" + unknown)

    assert _unwritten(parse_header(data)) == SMALL


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
@example(FRAME.replace(b"MS", "ST  7<boo ²>MS".encode("latin-1")))
def test_any_bytes_are_a_header_or_an_error_of_ours(data: bytes) -> None:
    """Garbage never raises another kind of exception."""
    _assert_read_or_refused(data)


@pytest.mark.parametrize("frame", [FRAME, PICTURE % (len(PICTURE) + 2)], ids=["codes", "runs"])
@given(st.dictionaries(st.integers(0, 99), st.integers(0, 255), min_size=1, max_size=12))
def test_a_damaged_frame_is_a_frame_or_an_error_of_ours(frame: bytes, damage: dict[int, int]) -> None:
    """A frame with a few changed bytes is read, or raises an error of radar_nb."""
    data = bytearray(frame)
    for place, byte in damage.items():
        data[place % len(data)] = byte

    _assert_read_or_refused(bytes(data))


def _assert_read_or_refused(data: bytes) -> None:
    try:
        header, codes = read_frame(data)
    except FrameError:
        return
    assert codes.shape == (header.rows, header.cols) or header.run_length


@pytest.mark.parametrize(
    ("version", "reanalysis", "begins", "radars"),
    [
        (3, None, b"BY     94VS 3SW", b"MS 10<boo,ros> \x03"),
        (4, "2017.002", b"BY    103VS 4SW", b"MS  9<boo,ros>\x03"),
        (5, None, b"BY        96VS 5SW", b"MS  9<boo,ros>\x03"),
        (6, None, b"BY        96VS 6SW", b"MS  9<boo,ros>\x03"),
    ],
)
def test_each_software_has_its_own_form(
    version: int, reanalysis: str | None, begins: bytes, radars: bytes
) -> None:
    """From version 5 on the size has ten digits; only RADOLAN's older software ends the radars with a blank."""
    data = write_frame(replace(SMALL, version=version, reanalysis=reanalysis), CODES)

    assert data[17:].startswith(begins)
    assert data[: data.index(ETX) + 1].endswith(radars)


def test_times_are_in_seconds() -> None:
    """The unit is the same for all frames, so that their times can be combined."""
    assert parse_header(FRAME).time.dtype == "datetime64[s]"


def test_texts_of_a_header_are_printable() -> None:
    """They become attributes, and control characters would reach the terminal that prints a Dataset."""
    header = b"RY182355100001019BY1620142VS 3SW \x1b]0;x\x07\x9b.PR E-02INT   5GP 900x 900MS  9<\x1b[2J,boo> \x03"

    found = parse_header(header)

    assert found.software == "?]0;x??."
    assert found.radars == ("?[2J", "boo")


def test_a_frame_without_a_list_of_radars_has_no_radars() -> None:
    """Some products do not state their radars."""
    assert parse_header(FRAME.replace(b"MS 10<boo,ros> ", b"")).radars == ()


def test_hours_belong_to_the_name_before_them() -> None:
    """The last word of an entry is its number, whatever the name contains."""
    data = FRAME.replace(b"MS 10", b"ST 16<boo 24,two words 3>MS 10")

    assert parse_header(data).contributions == (("boo", 24), ("two words", 3))


def test_a_payload_without_a_name_is_called_the_frame() -> None:
    """A message has a subject even if the caller passed no name."""
    with pytest.raises(TruncatedFrame, match=r"^the frame has 90 bytes where"):
        payload(parse_header(FRAME), FRAME[:90])


def test_absent_tokens_are_not_written() -> None:
    """Tokens that are None are omitted."""
    header = Header(product="PG", time=A_TIME, rows=460, cols=460, precision=0, interval=5, radars=("boo",))

    data = write_frame(header, np.zeros(3, np.uint8))

    assert data[17:] == b"BY   61LV 0MS 24<boo> are used, BG460460\x03\0\0\0"


def test_codes_that_do_not_fit_the_header_are_not_written() -> None:
    """An unreadable frame is not created."""
    with pytest.raises(FrameError, match=r"shape \(3, 2\) do not fit a header of 2 x 3 cells"):
        write_frame(SMALL, CODES.T)
    with pytest.raises(FrameError, match=r"shape \(2, 3\) do not fit"):
        write_frame(replace(SMALL, product="PG"), CODES)


def test_no_frame_of_dwd_is_longer_than_the_limit() -> None:
    """The largest product, 32 bits on the largest grid that has them, stays below what archives may hold."""
    assert HEADER_LIMIT + 1200 * 1100 * 4 < FRAME_LIMIT
    assert HEADER_LIMIT + 1500 * 1400 * 2 < FRAME_LIMIT
