"""Composites that differ from one read before only in their times and their field are read without HDF5."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest

from radar_nb.errors import HeaderError
from radar_nb.formats import odim
from radar_nb.formats.hdf5_twins import Twins
from radar_nb.formats.odim import read_composite, read_header, write_composite
from radar_nb.formats.radolan import Header

if TYPE_CHECKING:
    from pathlib import Path

HEADER = Header(
    product="RV",
    time=np.datetime64("2026-11-30T10:05", "s"),
    rows=1200,
    cols=1100,
    precision=-3,
    interval=5,
    version=5,
    lead=0,
)


@pytest.fixture(autouse=True)
def twins(monkeypatch: pytest.MonkeyPatch) -> Twins[Any]:
    """Begin without known layouts."""
    made: Twins[Any] = Twins(4)
    monkeypatch.setattr(odim, "_TWINS", made)
    return made


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """List the files that HDF5 opens."""
    names: list[str] = []
    real = odim.open_hdf5

    def opening(data: Any, name: str) -> Any:
        names.append(name)
        return real(data, name)

    monkeypatch.setattr(odim, "open_hdf5", opening)
    return names


@lru_cache
def composite(seed: int, lead: int, *, gain: float = 0.001, day: int = 30) -> bytes:
    """Return a composite with its own field."""
    time = np.datetime64(f"2026-11-{day:02d}T10:05", "s")
    codes = np.zeros((1200, 1100), np.uint32)
    codes[500:600] = np.random.default_rng(seed).integers(0, 50 + seed, (100, 1100), np.uint32)
    header = replace(HEADER, lead=lead, time=time)
    return write_composite(header, codes, quantity="ACRR", gain=gain, offset=-gain)


class TestTwins:
    """Files with a known layout."""

    def test_a_twin_is_read_as_hdf5_reads_it(self, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        """Header, packing and codes of a later lead time and day equal those that HDF5 finds."""
        read_header(composite(1, 0), name="first")
        found = {}
        for seed, lead, day in ((2, 5, 30), (3, 120, 9), (4, 0, 30)):
            data = composite(seed, lead, day=day)
            found[data] = read_header(data, name="twin"), read_composite(data, name="twin")
        assert "twin" not in opened

        for data, (header, twin) in found.items():
            monkeypatch.setattr(odim, "_TWINS", Twins(0))
            plain = read_composite(data, name="plain")
            assert header == twin.header == plain.header
            assert (twin.quantity, twin.packing) == (plain.quantity, plain.packing)
            assert np.array_equal(twin.codes, plain.codes)
        assert "plain" in opened

    def test_another_meaning_is_another_layout(self, opened: list[str]) -> None:
        """A file with another gain is read by HDF5, with its own gain."""
        read_header(composite(1, 0), name="first")

        other = read_composite(composite(1, 0, gain=0.01), name="other")

        assert "other" in opened
        assert other.packing.scale == 0.01

    def test_a_changed_byte_is_never_taken_for_a_twin(self, opened: list[str], twins: Twins[Any]) -> None:
        """A byte that is not of a text, a size, an address or the field sends the file to HDF5."""
        read_header(composite(1, 0), name="first")
        (layout,) = twins.layouts
        places = np.setdiff1d(np.arange(0, len(layout.around), 293), layout.free)
        assert places.size > 20

        for place in places.tolist():
            data = bytearray(composite(2, 5))
            data[place - len(layout.around) if place >= layout.start else place] ^= 0x10
            with suppress(HeaderError):
                read_header(bytes(data), name=str(place))

        assert set(map(str, places.tolist())) <= set(opened)

    def test_times_that_contradict_are_refused_in_the_same_words(self, twins: Twins[Any]) -> None:
        """A twin whose interval ends before it begins raises what the first reading raises."""
        data = composite(1, 0)
        read_header(data, name="first")
        wrong = data.replace(b"starttime", b"starttimE")
        shifted = bytearray(data)
        (layout,) = twins.layouts
        begin = layout.texts[3]
        at = begin.start if begin.start < layout.start else begin.start + layout.size
        shifted[at : at + 6] = b"235900"

        with pytest.raises(HeaderError, match="states an interval of"):
            read_header(bytes(shifted), name="shifted")
        with pytest.raises(HeaderError, match="starttime"):
            read_header(wrong, name="wrong")

    def test_a_damaged_field_of_a_twin_is_an_error(self, twins: Twins[Any]) -> None:
        """A chunk that does not inflate, or to another size, raises a HeaderError."""
        read_header(composite(1, 0), name="first")
        data = composite(2, 5)
        (layout,) = twins.layouts
        broken = bytearray(data)
        broken[layout.start + 50_000 : layout.start + 50_100] = bytes(100)

        with pytest.raises(HeaderError, match="damaged"):
            read_composite(bytes(broken), name="twin")

    def test_a_file_of_a_newer_format_is_read_by_hdf5(self, opened: list[str], tmp_path: Path) -> None:
        """Where HDF5 keeps checksums of its metadata, a changed time is not a twin, and every file is opened."""
        old_path, path = tmp_path / "old.h5", tmp_path / "new.h5"
        old_path.write_bytes(composite(1, 0))
        with h5py.File(old_path) as old, h5py.File(path, "w", libver="latest") as new:
            new.attrs.update(old.attrs)

            def copy(name: str, place: Any) -> None:
                if isinstance(place, h5py.Dataset):
                    new.create_dataset(name, data=place[()], chunks=place.shape, compression="gzip")
                else:
                    new.require_group(name).attrs.update(place.attrs)

            old.visititems(copy)

        header = read_header(path.read_bytes(), name="new")
        again = read_header(path.read_bytes(), name="again")

        assert header == again == replace(read_header(composite(1, 0)), size=header.size)
        assert "again" in opened

    def test_the_oldest_layout_is_forgotten(self, twins: Twins[Any]) -> None:
        """No more layouts are kept than the limit says."""
        for number in range(1, 7):
            read_header(composite(1, 0, gain=number / 1000), name="one")

        assert len(twins.layouts) == 4
