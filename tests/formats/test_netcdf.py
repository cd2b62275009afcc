"""RADKLIM's netCDF files: the codes are those of the binaries, and contradictions are refused."""

from __future__ import annotations

import functools
import io
import re
import struct
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pytest
from support.damage import with_texts
from support.radklim_forms import TIMES, frames, netcdf

from radar_nb.errors import FrameError, HeaderError, UnsafeMember
from radar_nb.formats.hdf5_texts import VariableTexts
from radar_nb.formats.netcdf import Fields

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME, DATA = netcdf()
LAST = frames()[2][2]
COUNTS = np.where(LAST & 0x2000, -1, (LAST & 0xFFF).astype(int))


def changed(change: Callable[[Any], None]) -> bytes:
    """Return the file after a change."""
    data = io.BytesIO(DATA)
    with h5py.File(data, "r+") as file:
        change(file)
    return data.getvalue()


def rewritten(values: Any, *, attrs: dict[str, Any], **options: Any) -> bytes:
    """Return the file with another variable RR."""

    def change(file: Any) -> None:
        del file["RR"]
        field = file.create_dataset("RR", data=values, **options)
        for key, value in ({"units": np.bytes_("kg m-2")} | attrs).items():
            field.attrs[key] = value

    return changed(change)


def test_the_codes_are_those_of_the_binaries() -> None:
    """Values and missing cells are equal; times are the ends of the hours, product and version the name's."""
    fields = Fields(DATA, NAME)

    assert (fields.header.product, fields.header.reanalysis, fields.header.precision) == ("RW", "2017.002", -1)
    np.testing.assert_array_equal(fields.times, np.array(TIMES))
    for number, (_, _, codes) in enumerate(frames()):
        bare = np.where(codes & 0x2000, 0x29C4, codes & 0xFFF)
        np.testing.assert_array_equal(fields.codes(number), bare)


def test_netcdf4_reads_written_files() -> None:
    """The amounts that netCDF's own library finds are those of the binaries."""
    library = pytest.importorskip("netCDF4")
    with library.Dataset("memory", memory=DATA) as file:
        values = file["RR"][2]

    np.testing.assert_array_equal(values.mask, COUNTS < 0)
    np.testing.assert_allclose(values.compressed(), COUNTS[COUNTS >= 0] / 10)


@pytest.mark.parametrize("chunks", [None, (1, 550, 450), (2, 1100, 900), (1, 700, 700)])
@pytest.mark.parametrize("kind", ["i2", "f4", "f8"])
def test_every_layout_has_the_same_codes(chunks: tuple[int, ...] | None, kind: str) -> None:
    """Codes are equal for contiguous data, chunks of one or several hours, scaled integers and floats in mm."""
    values: Any = np.repeat(COUNTS[None], 3, axis=0).astype("i2")
    attrs: dict[str, Any] = {"scale_factor": np.array([0.1]), "_FillValue": np.array([-1], "i2")}
    if kind != "i2":
        values = np.where(values < 0, np.nan, values / 10).astype(kind)
        attrs = {"_FillValue": np.array([-9999], kind)}
    compressed: dict[str, Any] = {} if chunks is None else {"chunks": chunks, "compression": "gzip"}
    data = rewritten(values, attrs=attrs, **compressed)

    codes = Fields(data, NAME).codes(1)

    np.testing.assert_array_equal(codes, np.where(COUNTS < 0, 0x29C4, COUNTS))


def test_a_field_may_begin_in_the_north() -> None:
    """A field with descending y is reversed."""

    def north_first(file: Any) -> None:
        file["y"][:] = file["y"][()][::-1]

    turned = Fields(changed(north_first), NAME).codes(0)

    np.testing.assert_array_equal(turned, Fields(DATA, NAME).codes(0)[::-1])


def _attr(path: str, key: str, value: str) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file[path].attrs[key] = np.bytes_(value)

    return change


def _number(path: str, key: str, value: float) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        file[path].attrs[key] = value

    return change


def _moved(file: Any) -> None:
    file["x"][:] = file["x"][()] + 80


def _one_cell_on(file: Any) -> None:
    file["x"][:] = file["x"][()] + 1


def _late(file: Any) -> None:
    file["time"][:] = file["time"][()] + file["time"].dtype.type(20)


def _without(file: Any) -> None:
    file.move("RR", "rainfall_amount")


def _standing(file: Any) -> None:
    file["time"][1] = file["time"][0]


@pytest.mark.parametrize(
    ("change", "name", "match"),
    [
        (_without, NAME, "without the variable RR of RADKLIM 2017.002 .it has crs, rainfall_amount, time, x, y"),
        (_attr("RR", "units", "inch"), NAME, "states RR in 'inch', and RADKLIM's is in kg m-2"),
        (
            _attr("time", "units", "fortnights since 2001"),
            NAME,
            "has no valid time in UTC .its units are 'fortnights",
        ),
        (
            _attr("time", "units", "hours since 2017-01-01 00:00 +05:00"),
            NAME,
            "has no valid time in UTC .* 00:00 .05:00'",
        ),
        (_attr("time", "calendar", "360_day"), NAME, "its calendar is '360_day'"),
        (_moved, NAME, "contradicts its grid: x and y are not those of de1100"),
        (_one_cell_on, NAME, "contradicts its grid: x and y are not those of de1100"),
        (_late, NAME, "has times between the steps of RW, such as "),
        (_standing, NAME, "has times that do not rise"),
        (
            _attr("/", "x", ""),
            "RW_2017.002_201709.nc",
            "holds 2017-10-01T00:50:00 to .*, unlike its name: it was renamed",
        ),
        (
            _attr("/", "title", "RADKLIM RW 2018.001"),
            NAME,
            "is of version 2018.001 by its title, unlike its name: it was renamed",
        ),
        (_attr("/", "x", ""), "YW_2017.002_20171002.nc", "times that are 60 min apart, and YW comes every 5 min"),
        (_number("RR", "scale_factor", np.nan), NAME, "scale_factor nan and add_offset .* are not valid"),
        (_number("RR", "scale_factor", 1e-300), NAME, "scale_factor 1e-300 and add_offset .* are not valid"),
        (_number("RR", "add_offset", 5.0), NAME, "add_offset 5.0 are not valid"),  # it would rain everywhere
        (_number("time", "scale_factor", 2.0), NAME, "its times are packed"),
        (_number("RR", "scale_factor", 0.0), NAME, "scale_factor 0.0 and add_offset .* are not valid"),
        (_number("RR", "add_offset", np.inf), NAME, "add_offset inf are not valid"),
        (_attr("RR", "scale_factor", "much"), NAME, "has the attribute scale_factor, which is not a number"),
        (_attr("/", "title", "my file"), "mine.nc", "does not state its product and version: name it as DWD does"),
        (_attr("/", "title", ""), "SF_2017.002_201710.nc", "is of the product SF, and RADKLIM has RW and YW"),
    ],
)
def test_another_structure_is_refused(change: Callable[[Any], None], name: str, match: str) -> None:
    """NetCDF of another version or maker is named, with its contents and a remedy."""
    with pytest.raises(HeaderError, match=match):
        Fields(changed(change), name)


@pytest.mark.parametrize("zone", ["", "Z", " UTC", " +00:00", ".000", " 0:00"])
def test_times_in_utc_may_say_so(zone: str) -> None:
    """Libraries spell UTC in several ways; all are the same times."""
    with h5py.File(io.BytesIO(DATA)) as file:
        units = file["time"].attrs["units"].decode()

    found = Fields(
        changed(_attr("time", "units", f"{units}:00{zone}" if units.count(":") == 1 else f"{units}{zone}")), NAME
    )

    np.testing.assert_array_equal(found.times, np.array(TIMES))


_TEXTS = h5py.string_dtype()


def _many_texts(file: Any) -> None:
    file.attrs.create("history", ["x" * 60_000] * 1_000, dtype=_TEXTS)


def _crowded(file: Any) -> None:
    for number in range(1_001):
        file.attrs[f"a{number}"] = 0


def test_long_texts_are_not_read() -> None:
    """A list of texts or a text above 64 KiB needs no memory; the others are read."""
    data = changed(_many_texts)
    Fields(data, "mine.nc")

    tracemalloc.start()
    found = Fields(data, "mine.nc")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert found.header.reanalysis == "2017.002"
    assert peak < 30 << 20  # the texts have 60 MB


def _by_xarray(engine: str, kind: str, folder: Path) -> bytes:
    """Return the file as xarray writes it again, with texts of fixed (NC_CHAR) or variable length (NC_STRING)."""
    netcdf4, xarray = pytest.importorskip("netCDF4"), pytest.importorskip("xarray")
    pytest.importorskip({"netcdf4": "netCDF4"}.get(engine, engine))
    source, path = folder / "source.nc", folder / "again.nc"
    source.write_bytes(DATA)
    with xarray.open_dataset(source, engine="h5netcdf") as opened:
        opened.assign_attrs(history="Höhe " * 9).to_netcdf(path, engine=engine)
    with netcdf4.Dataset(path, "a") as file:
        for holder in (file, *file.variables.values()):
            for key in holder.ncattrs():
                if isinstance(text := holder.getncattr(key), str):
                    holder.delncattr(key)
                    (holder.setncattr_string if kind == "NC_STRING" else holder.setncattr)(key, text)
    return path.read_bytes()


@pytest.mark.filterwarnings("ignore:.*__array__.*:DeprecationWarning")
@pytest.mark.parametrize("kind", ["NC_CHAR", "NC_STRING"])
@pytest.mark.parametrize("engine", ["netcdf4", "h5netcdf"])
def test_files_of_ordinary_writers_open(engine: str, kind: str, tmp_path: Path) -> None:
    """VariableTexts of fixed and of variable length are read, as netCDF4, h5netcdf and xarray write them."""
    data = _by_xarray(engine, kind, tmp_path)
    with h5py.File(io.BytesIO(data)) as file:
        assert file["RR"].attrs.get_id("units").get_type().is_variable_str() == (kind == "NC_STRING")

    found = Fields(data, NAME)

    np.testing.assert_array_equal(found.codes(2), np.where(COUNTS < 0, 0x29C4, COUNTS))
    np.testing.assert_array_equal(found.times, np.array(TIMES))
    assert Fields(data, "renamed.nc").header.reanalysis == "2017.002"


def _claiming(data: bytes, length: int) -> bytes:
    """Return the file with another length in each reference to a text of six bytes, such as the unit."""
    heaps = [re.escape(struct.pack("<Q", found.start())) for found in re.finditer(b"GCOL", data)]
    claim = re.escape(struct.pack("<I", 6)) + b"(?=" + b"|".join(heaps) + b")"
    forged, count = re.subn(claim, lambda _: struct.pack("<I", length), data)
    assert count
    return forged


@pytest.mark.parametrize("length", [7, 65_537, 0xFFFFFFF0])
def test_a_text_that_claims_another_length_is_refused(length: int) -> None:
    """HDF5 would fill the 4 GB that six bytes claim to need; radar_nb compares the claim with the file first."""
    with pytest.raises(HeaderError, match="states RR in '', and RADKLIM's is in kg m-2"):
        Fields(_claiming(with_texts(DATA, "earliest"), length), NAME)


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_a_text_is_read_in_its_own_length_or_not_at_all(libver: str) -> None:
    """The claim and the heap agree, in headers of objects of both versions and in an index of attributes."""
    data = with_texts(DATA, libver)
    with h5py.File(io.BytesIO(data)) as file:
        address = h5py.h5o.get_info(file["RR"].id).addr

    assert VariableTexts(data).read(address, "units") == b"kg m-2"
    assert VariableTexts(data).read(address, "note11") == ("ä" * 11).encode()
    assert VariableTexts(_claiming(data, 5)).read(address, "units") is None
    assert VariableTexts(data[:-1]).read(len(data), "units") is None


def test_a_root_with_thousands_of_attributes_is_refused() -> None:
    """The root is bounded like every group."""
    with pytest.raises(UnsafeMember, match="/ has more than 1,000 entries"):
        Fields(changed(_crowded), NAME)


@functools.cache
def _zeros() -> bytes:
    """Return 128 MB of zeros, compressed."""
    return zlib.compress(bytes(128_000_000), 1)


def _large_chunks(path: str) -> Callable[[Any], None]:
    """Store a variable in one chunk of 128 MB, of which the file's own shape needs little."""

    def change(file: Any) -> None:
        old = file[path]
        shape, attrs = old.shape, dict(old.attrs)
        del file[path]
        chunk = (1, 8_000, 8_000) if len(shape) == 3 else (16_000_000,)
        kind = "<i2" if len(shape) == 3 else "<i8"
        new = file.create_dataset(
            path, shape, kind, maxshape=(None,) * len(shape), chunks=chunk, compression="gzip"
        )
        for key, value in attrs.items():
            if key not in {"CLASS", "NAME", "REFERENCE_LIST", "DIMENSION_LIST"}:
                new.attrs[key] = value
        new.id.write_direct_chunk((0,) * len(shape), _zeros())

    return change


@pytest.mark.parametrize("path", ["RR", "time", "x", "y"])
def test_a_file_that_inflates_to_a_chunk_of_128_mb_is_refused_before_it_is_read(path: str) -> None:
    """Such a file is refused before reading, since HDF5 inflates whole chunks."""
    with pytest.raises(UnsafeMember, match=f"its {path} has chunks of 128.0 MB: fetch it again"):
        Fields(changed(_large_chunks(path)), NAME)


@pytest.mark.parametrize("path", ["RR", "time", "x"])
def test_a_chunk_that_inflates_beyond_its_size_is_refused(path: str) -> None:
    """HDF5 would inflate all of it: a megabyte takes gigabytes and a minute."""

    def change(file: Any) -> None:
        old, attrs = file[path][()], dict(file[path].attrs)
        del file[path]
        chunk = (3, *old.shape[1:])
        new = file.create_dataset(path, data=old, chunks=chunk, compression="gzip", shuffle=True)
        for key in {"units", "scale_factor", "_FillValue"} & set(attrs):
            new.attrs[key] = attrs[key]
        new.id.write_direct_chunk((0,) * old.ndim, _zeros())

    with pytest.raises(UnsafeMember, match=f"a chunk of its {path} inflates to more than its"):
        Fields(changed(change), NAME).codes(0)


def test_a_field_in_a_million_chunks_is_refused() -> None:
    """Their places alone would take minutes."""
    data = rewritten(None, attrs={}, shape=(3, 1100, 900), dtype="i2", chunks=(1, 1, 1), fillvalue=1)

    with pytest.raises(UnsafeMember, match="its RR has 990,000 chunks a field"):
        Fields(data, NAME)


def test_an_axis_of_another_length_is_refused_before_it_is_read() -> None:
    """An axis of a billion values is refused before memory is allocated."""

    def change(file: Any) -> None:
        del file["x"]
        file.create_dataset("x", (1_000_000_000,), "f8", chunks=(1_000_000,), compression="gzip")

    tracemalloc.start()
    try:
        with pytest.raises(HeaderError, match=r"the variable x of shape .1000000000,. and type float64, not 900"):
            Fields(changed(change), NAME)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_a_renamed_file_is_identified_by_its_contents() -> None:
    """The title determines the version, and the spacing of the times the product."""
    header = Fields(DATA, "renamed.nc").header

    assert (header.product, header.reanalysis) == ("RW", "2017.002")


def test_a_title_that_does_not_contradict_the_name_is_accepted() -> None:
    """No version, a date, a DOI, and a second version beside that of the name are accepted."""
    titles = (
        *(
            "",
            "Radarklimatologie",
            "RADKLIM-RW, 1 km x 1 km, as of 2026.01.2026",
            "hourly sums on a sphere of 6370.040 km",
        ),
        *("doi:10.5676/DWD/RADKLIM_RW_V2017.002", "RADKLIM Version 2017.002.", "2017.002, replaces 2016.003"),
    )
    for title in titles:
        header = Fields(changed(_attr("/", "title", title)), NAME).header

        assert header.reanalysis == "2017.002"


def test_amounts_between_the_steps_are_refused() -> None:
    """A file with finer amounts than the binaries is not rounded silently."""
    values = np.full((3, 1100, 900), 0.1, "f4")
    values[0, 5, 5] = 0.14

    with pytest.raises(HeaderError, match=r"holds 0\.14 mm, which is not a multiple of 0\.1 mm, the step of RW"):
        Fields(rewritten(values, attrs={}), NAME).codes(0)


def test_a_link_to_another_file_is_not_followed() -> None:
    """A variable that lies in another file is refused before that file is opened."""

    def link(file: Any) -> None:
        del file["RR"]
        file["RR"] = h5py.ExternalLink("/etc/passwd", "/RR")

    with pytest.raises(UnsafeMember, match="RR is a link to another place"):
        Fields(changed(link), NAME)


@pytest.mark.parametrize("at", range(0, len(DATA), len(DATA) // 40))
def test_damaged_bytes_yield_fields_or_an_error(at: int) -> None:
    """Whatever is damaged, the reader returns codes of the grid's shape or raises an error of radar_nb."""
    data = bytearray(DATA)
    data[at : at + 3] = b"\xff\x00\x7f"

    try:
        fields = Fields(bytes(data), NAME)
        shapes = {fields.codes(number).shape for number in range(len(fields.times))}
    except (FrameError, UnsafeMember):
        return

    assert shapes == {(1100, 900)}
