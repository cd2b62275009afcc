"""Damaged input: after any damage, the result is what was written, or an error of ours."""

from __future__ import annotations

import bz2
import gzip
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import settings as law
from hypothesis import strategies as st
from support.damage import FRAMES, LAWS, NESTINGS, archive, composite, read_archive, small_composite
from support.malicious_archives import flipped, frame, packed

from radar_nb.errors import FrameError, HeaderError
from radar_nb.formats.odim import read_composite
from radar_nb.formats.radolan import read_frame

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL = frame(rows=2, cols=3)
PIECES = (
    *("BY", "VS 3", "SW   2.21.0", "PR E-02", "PR E+99", "INT   5", "U1", "GP   2x   3", "GP   0x   0"),
    *("VV 000", "VV", "MF00000008", "VR2017.002", "QN 001", "MS  5<boo>", "MS 99<", "ST  8<boo 24>", "RM x MS"),
    *("LV 2  1.0 19.0", "LV99", "CS0", "MX 0", "BG002005", "BG000000", "BG460460", "GP9999x9999", "²"),
)
CODES = (b"", bytes(6), bytes(12), bytes(24), b"\x01\x11\x20\x13\n\x02\n\x04", b"\n\n", b"\x03\x04")


def true_frames(data: bytes) -> list[bytes]:
    """Return the frames of those parts that are read to their end and whose headers are correct."""
    found = []
    for _, members in read_archive(data):
        for *_, member in members:
            try:
                read_frame(member)
            except FrameError:
                continue
            found.append(member)
    return found


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Return bytes with up to three pieces lost, repeated, added, moved or flipped, anywhere or at tar blocks."""
    for _ in range(draw(st.integers(1, 3))):
        unit = draw(st.sampled_from([1, 1, 512]))
        block = st.integers(0, len(data) // unit)
        first, second, third = (unit * number for number in sorted(draw(st.tuples(block, block, block))))
        before, piece, other, after = data[:first], data[first:second], data[second:third], data[third:]
        match draw(st.sampled_from(["cut", "lose", "double", "insert", "swap", "flip"])):
            case "cut":
                data = before
            case "lose":
                data = before + other + after
            case "double":
                data = before + piece + piece + other + after
            case "insert":
                data = before + draw(st.binary(min_size=1, max_size=40)) + piece + other + after
            case "swap":
                data = before + other + piece + after
            case _ if data:
                data = flipped(data, min(first, len(data) - 1))
    return data


# --- frames -----------------------------------------------------------------------------------------------------


@law(derandomize=True, deadline=None, max_examples=400)
@given(
    st.sampled_from(["YW", "PG", "PC", "%M", "yw", "Y"]),
    st.sampled_from(["131525100000620", "991525100000620", "131525100009999", "1315251000006²0", ""]),
    st.lists(st.sampled_from(PIECES) | st.text("BY0123456789E+-<>x., ", max_size=12), max_size=12),
    st.sampled_from(CODES) | st.binary(max_size=30),
    st.integers(-1, 1) | st.integers(-300, 10**12),
)
def test_tokens_in_any_order_are_a_frame_or_a_frame_error(
    product: str, start: str, tokens: list[str], codes: bytes, more: int
) -> None:
    """A header of valid and invalid tokens, of any length, yields a whole frame or a FrameError."""
    text = "".join(tokens)
    size = len(product + start + text) + 10 + 1 + len(codes) + more
    data = f"{product}{start}BY{size:8d}{text}".encode("latin-1") + b"\x03" + codes

    for name in ("header", "frame"):
        LAWS[name].holds(data)


@law(derandomize=True, deadline=None, max_examples=200)
@given(st.sampled_from(LAWS["frame"].seeds()).flatmap(damaged))
def test_a_damaged_frame_is_a_frame_or_a_frame_error(data: bytes) -> None:
    """A damaged frame of any product and width yields a whole frame or a FrameError."""
    for name in ("header", "frame"):
        LAWS[name].holds(data)


# --- archives ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nesting", NESTINGS)
def test_undamaged_archives_return_their_frames(nesting: str) -> None:
    """Each undamaged nesting returns frames, so that the tests below are meaningful."""
    frames = true_frames(NESTINGS[nesting])

    assert frames == list(FRAMES.values())[: len(frames)]
    assert len(frames) == (1 if nesting in {"gz", "bz2"} else 3)


@pytest.mark.parametrize("nesting", NESTINGS)
@law(derandomize=True, deadline=None, max_examples=120)
@given(st.data())
def test_damage_never_changes_a_frame_or_raises_a_foreign_error(nesting: str, data: st.DataObject) -> None:
    """A damaged archive yields true frames or an error of radar_nb, like the standard library.

    A plain tar has no checksum over its members: there, a damage within a frame is not seen by anyone.
    """
    damage = data.draw(damaged(NESTINGS[nesting]))

    archive(damage)

    if nesting != "tar":
        assert set(true_frames(damage)) <= set(FRAMES.values())


@law(derandomize=True, deadline=None, max_examples=200)
@given(st.integers(0, 9), damaged(NESTINGS["tar"]) | damaged(NESTINGS["tar of gz"]))
def test_damage_under_a_correct_checksum_raises_no_foreign_error(wrap: int, inside: bytes) -> None:
    """A damaged tar that was compressed afterwards is read as far as it is a tar, or refused."""
    LAWS["archive"].holds(bytes([wrap]) + inside)


@pytest.mark.parametrize(("pack", "unpack"), [(packed, gzip.decompress), (bz2.compress, bz2.decompress)])
def test_no_single_bit_changes_a_frame(pack: Callable[[bytes], bytes], unpack: Callable[[bytes], bytes]) -> None:
    """If any bit of a compressed frame is flipped, the walk succeeds only if the frame is unchanged.

    Bits without effect exist: in the time of a gzip's header, in the position that a repetition is copied from.
    """
    data = pack(SMALL)

    for bit in range(8 * len(data)):
        found = [member for _, members in read_archive(turned(data, bit)) for *_, member in members]

        assert not found or (found == [SMALL] and unpack(turned(data, bit)) == SMALL), f"bit {bit}"


@pytest.mark.parametrize("nesting", ["gz", "tar.gz"])
def test_every_bit_of_a_gzips_checksum_and_length_counts(nesting: str) -> None:
    """If any bit of the last eight bytes is flipped, the walk fails (RFC 1952, 2.3.1)."""
    data = NESTINGS[nesting]

    for bit in range(8 * len(data) - 64, 8 * len(data)):
        assert list(read_archive(turned(data, bit))) == []


def turned(data: bytes, bit: int) -> bytes:
    place = bit // 8
    return data[:place] + bytes([data[place] ^ 1 << bit % 8]) + data[place + 1 :]


# --- composites -------------------------------------------------------------------------------------------------


@law(derandomize=True, deadline=None, max_examples=200)
@given(st.sampled_from(LAWS["odim"].seeds()).flatmap(damaged))
def test_a_damaged_composite_is_a_composite_or_a_header_error(data: bytes) -> None:
    """A damaged HDF5 file yields codes, values, packed values and flags, or a HeaderError."""
    composite(data)


@law(derandomize=True, deadline=None, max_examples=200)
@given(st.sampled_from(LAWS["netcdf"].seeds()).flatmap(damaged))
def test_a_damaged_netcdf_is_fields_or_an_error(data: bytes) -> None:
    """A damaged netCDF file yields codes of RADOLAN, or is refused."""
    LAWS["netcdf"].holds(data)


@law(derandomize=True, deadline=None, max_examples=200)
@given(st.sampled_from(LAWS["grid"].seeds()).flatmap(damaged))
def test_damaged_lines_of_a_grid_are_a_header_or_a_frame_error(data: bytes) -> None:
    """Damaged first lines of an ASCII grid yield a header or a FrameError."""
    LAWS["grid"].holds(data)


# --- what was found -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("zeros", [1, 512, 20_000])
def test_zeros_between_gzip_files_are_skipped_by_all_readers(zeros: int) -> None:
    """Frames after padding are found by the first pass and by later reads."""
    day = NESTINGS["tar"]

    archive(packed(day[:1000]) + bytes(zeros) + packed(day[1000:]))


@pytest.mark.parametrize("bit", [29, 30, 31])
def test_a_reserved_flag_of_gzip_is_refused_by_all(bit: int) -> None:
    """A gzip with a flag reserved by RFC 1952 (2.3.1.2) is refused by the first pass and by later ones."""
    assert list(read_archive(turned(NESTINGS["tar.gz"], bit))) == []


@pytest.mark.xfail(reason="GzipNGFile reads a second gzip with a reserved flag, zlib does not", strict=True)
def test_a_reserved_flag_of_a_second_gzip_is_refused_by_all() -> None:
    """The same for a gzip that follows another."""
    archive(packed(b"") + turned(NESTINGS["tar.gz"], 31))


@pytest.mark.parametrize("rest", [b"rubbish", flipped(bz2.compress(SMALL), 0)], ids=["rubbish", "damaged"])
def test_bytes_after_a_bzip2_raise(rest: bytes) -> None:
    """Foreign bytes after a bzip2 may be a damaged second one: the walk fails."""
    assert list(read_archive(bz2.compress(SMALL) + rest)) == []


@pytest.mark.parametrize("changes", [{"offset": 5.0}, {"offset": -1e9}, {"gain": 1e300}], ids=str)
def test_an_invalid_gain_or_offset_is_refused(changes: dict[str, Any]) -> None:
    """A gain or an offset for which codes have no value, or no rain has no code, is an error of the file."""
    composite(small_composite(**changes))


def test_a_driver_block_is_refused_before_its_memory_is_allocated() -> None:
    """A file with its own driver is refused: DWD's files, and all in one piece, have none."""
    data = bytearray(small_composite())
    data[48:56] = (256).to_bytes(8, "little")  # HDF5 File Format Specification, II.A and II.B
    data[260:264] = (64 << 20).to_bytes(4, "little")

    with pytest.raises(HeaderError, match="in several pieces"):
        read_composite(bytes(data))
