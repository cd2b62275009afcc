"""One composite in ODIM HDF5, the format that follows RADOLAN's binaries: reading and writing.

Source: OPERA, "ODIM_H5 specification" 2.3, sections 4 and 5, and an RW that DWD published in 2025. Rain is stored
as a sum (ACRR, mm) or a rate (RATE, mm/h), as the file states, and converted to mm in the interval. The lead times
of a run are multiples of 5 minutes: start and end of some products are the seconds of their scans.
"""

from __future__ import annotations

import io
import logging
import math
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from zlib_ng import zlib_ng

from radar_nb.dwd.grids import GRIDS, PROJ, find_grid, to_lonlat
from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import HeaderError, SettingsError, UnknownGrid, UnsafeMember
from radar_nb.formats.hdf5_texts import VariableTexts
from radar_nb.formats.hdf5_twins import Stored, Twins, learn
from radar_nb.formats.packing import SMALLEST_SCALE, Packing, radolan_packing
from radar_nb.formats.radolan import FRAME_LIMIT, NO_DATA_CODE, VALUE, Header
from radar_nb.runtime.numerals import parse_number
from radar_nb.runtime.wording import AGAIN, decimal, human_bytes, human_interval, printable, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid
    from radar_nb.formats.radolan import Buffer

_log = logging.getLogger(__name__)

QUANTITIES = {"ACRR": "mm", "RATE": "mm/h", "DBZH": "dBZ", "VIL": "kg m-2", "CLASS": "1"}
"""The supported quantities, and their units in the standard (table 16)."""

_WIDE, _CODES = 4, 1 << 32  # bytes of the widest codes, and how many there are
_ROUNDING = 1e-6  # of a step
_MINUTE = timedelta(minutes=1)
_DIGITS = len("yyyymmddHHMMSS")
_STEP = 5  # minutes: nominal times and lead times of DWD's composites are multiples of it
_DATA = "dataset1/data1/data"
_LARGEST = 1e9  # in mm, mm/h or dBZ: no code represents more
_PIECE, _PIECES = 1 << 20, 16
"""Bytes of a field that are inflated at once, and the most pieces of a field: each copies what is still packed."""
_LEVEL = 4  # of compression, as in DWD's files
DEFLATE, SHUFFLE, _FLETCHER32 = 1, 2, 3
"""Numbers of HDF5's filters (HDF5 File Format Specification, IV.A.2.l)."""
CHUNK_LIMIT = 64 << 20
"""Most bytes of a chunk, unpacked; a field of HX has 42 MB."""
_CHUNKS = 10_000  # of a field; DWD's have one
_CHECKSUM = 4  # bytes of Fletcher's checksum beside a chunk
_MOST = 1000  # attributes or links of a group; DWD's have 17 at most
_LONGEST = 1 << 16  # bytes of an attribute; the list of radars has some 200
_LONGEST_NAME = 32  # letters of a product; HYMECNG has 7
_FOREIGN: tuple[type[Exception], ...] = (
    *(OSError, LookupError, AttributeError, ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError),
    cast("type[Exception]", zlib_ng.error),  # the stub declares a value
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What the field of a composite in HDF5 means.

    Attributes
    ----------
    header : Header
        In RADOLAN's terms. `time` is the nominal time, UTC: the end of the interval or the base time of a
        forecast; `version` is 5 (WGS84); `precision` is 0 where one count is not a power of ten.
    quantity : {"ACRR", "RATE", "DBZH", "VIL", "CLASS"}
        As in the file.
    packing : Packing
        To our unit: mm in the interval, even if the file has mm/h, or the unit of the standard.
    """

    header: Header
    quantity: str
    packing: Packing


@dataclass(frozen=True, slots=True, kw_only=True)
class Composite(Meaning):
    """The contents of a composite in HDF5.

    Attributes
    ----------
    header, quantity, packing
        See `Meaning`.
    codes : ndarray of unsigned int, shape (rows, cols)
        First row in the south, as in RADOLAN's binaries; ODIM stores the north first. Codes of four bytes whose
        offset is whole steps are moved by it, so that they count steps from zero: no float32 holds a wide code,
        a scale and an offset without rounding twice.
    """

    codes: NDArray[Any]


def read_composite(data: Buffer, *, name: str = "the file", out: NDArray[Any] | None = None) -> Composite:
    """Return header, packing and codes of a composite.

    The file is not trusted: only the groups and attributes of an ODIM composite are read, within limits, and
    nothing outside these bytes. Only h5py parses it.

    Parameters
    ----------
    data : bytes-like
        The whole HDF5 file.
    name : str
        Name of the file in errors.
    out : ndarray, optional
        Array for the codes, used if it has their shape and type.

    Returns
    -------
    Composite

    Raises
    ------
    HeaderError
        The file is not HDF5 or not such a composite, holds another quantity, or contradicts itself.
    UnsafeMember
        The file has links to other files or places, or thousands of attributes or links.
    """
    if (known := _known(data)) is not None:
        meaning, stored = known
        packed = memoryview(data)[stored.start : stored.start + stored.size]
        with _translated(name):
            codes = _inflated(packed, _room(out, meaning), _steps_from_zero(meaning.packing))
    else:
        with open_hdf5(data, name) as file:
            meaning = _meaning(file, len(data))
            codes = _codes(file, _room(out, meaning), _steps_from_zero(meaning.packing))
            _learn(file, data, meaning)
    meaning = _from_zero(meaning)
    return Composite(header=meaning.header, quantity=meaning.quantity, packing=meaning.packing, codes=codes)


def read_meaning(data: Buffer, *, name: str = "the file") -> Meaning:
    """Return the meaning of a composite without reading its codes: see `read_composite`."""
    if (known := _known(data)) is not None:
        return _from_zero(known[0])
    with open_hdf5(data, name) as file:
        meaning = _meaning(file, len(data))
        _learn(file, data, meaning)
    return _from_zero(meaning)


def _steps_from_zero(packing: Packing) -> int:
    """Return by how much wide codes are moved, if their offset is whole steps."""
    if packing.itemsize != _WIDE:
        return 0
    steps = round(packing.offset / packing.scale)
    return 0 if abs(packing.offset / packing.scale - steps) > _ROUNDING else steps


def _from_zero(meaning: Meaning) -> Meaning:
    """Return the meaning of codes after they have been moved."""
    packing = meaning.packing
    if not (steps := _steps_from_zero(packing)):
        return meaning
    moved = [(code + steps) % _CODES for code in (*packing.marks, packing.undetect or 0)]
    undetect = None if packing.undetect is None else moved[-1]
    return replace(meaning, packing=replace(packing, offset=0.0, marks=tuple(moved[:-1]), undetect=undetect))


def coarsened(composite: Composite, precision: int, *, name: str) -> Composite:
    """Return RV with the amounts that its binary has: max(1, floor(mm / 0.01)) hundredths of what is not dry.

    Measured on 33 million cells of one run in both forms, where 98.5 to 99 % of the wet cells were equal and the
    others one hundredth apart. Amounts above 40.95 mm are the largest that twelve bits hold.

    Parameters
    ----------
    composite : Composite
    precision : int
        Exponent of ten of the binary's step; a composite that has it is returned as it is.
    name : str
        What to call it in an error.

    Raises
    ------
    SettingsError
        It is of another product, of which it is not known how DWD rounds it.
    """
    packing, meaning = composite.packing, coarse_meaning(composite, precision, name=name)
    if meaning is composite:
        return composite
    steps = round(meaning.packing.scale / packing.scale)
    wet = composite.codes != 0
    if packing.undetect is not None:
        wet &= composite.codes != packing.undetect
    counts = np.clip(composite.codes // np.uint32(steps), 1, VALUE).astype(np.uint16)
    codes = np.where(packing.is_missing(composite.codes), NO_DATA_CODE, np.where(wet, counts, 0)).astype(np.uint16)
    return replace(composite, header=meaning.header, packing=meaning.packing, codes=codes)


def coarse_meaning(meaning: Meaning, precision: int, *, name: str) -> Meaning:
    """Return what the codes of `coarsened` mean, which lists parameters and errors."""
    header, packing = meaning.header, meaning.packing
    if header.precision == precision:
        return meaning
    scale = float(f"1e{precision}")
    steps = round(scale / packing.scale)
    whole = steps > 0 and abs(steps * packing.scale / scale - 1) < _ROUNDING
    if header.product != "RV" or packing.offset or not whole:
        raise SettingsError(
            f'{name}: how DWD rounds {header.product} in its binaries is not known, so that resolution="binary" '
            "holds for RV alone: leave it away"
        )
    coarse = replace(header, precision=precision)
    return Meaning(header=coarse, quantity=meaning.quantity, packing=radolan_packing(2, scale=scale))


def read_header(data: Buffer, *, name: str = "the file") -> Header:
    """Return the header of a composite without reading its codes: see `read_composite`."""
    return read_meaning(data, name=name).header


_TWINS: Twins[Meaning] = Twins(64)
"""A run of RV has two layouts; a radar that is missing makes others."""
_MOMENTS = (("what", ""), ("dataset1/what", "start"), ("dataset1/what", "end"))
"""The group and the beginning of the names of nominal time, begin and end of the interval."""


def _known(data: Buffer) -> tuple[Meaning, Stored] | None:
    """Return meaning and place of the field, if only times and field differ from those of a composite before."""
    found = _TWINS.find(data)
    if found is None:
        return None
    stored, meaning = found
    header = meaning.header
    texts = [text.decode() for text in stored.texts]
    try:
        moments = [_moment(day + clock) for day, clock in zip(texts[::2], texts[1::2], strict=True)]
        time, interval, lead = _times(header.product, *moments)
    except ValueError:
        return None  # reported by the reading of the whole file
    if interval != header.interval:  # rates count by it
        return None
    made = replace(header, time=time, lead=None if header.lead is None else lead, size=len(data))
    return replace(meaning, header=made), stored


def _learn(file: UntrustedFile, data: Buffer, meaning: Meaning) -> None:
    """Remember the layout of a composite that was read, if its field is one deflated chunk."""
    if not _is_one_chunk(file.field()):
        return

    def read(image: bytes) -> Stored:
        with open_hdf5(image, file.name) as changed:
            return _stored(changed)

    with suppress(HeaderError, UnsafeMember):
        if (layout := learn(data, _stored(file), read)) is not None:
            _TWINS.add(layout, meaning)


def _stored(file: UntrustedFile) -> Stored:
    from h5py import h5g  # noqa: PLC0415 - most users never open an HDF5

    texts = [file.text(path, prefix + kind).encode() for path, prefix in _MOMENTS for kind in ("date", "time")]
    data = file.field()
    chunk = data.id.get_chunk_info(0)
    written = h5g.get_objinfo(data.id).mtime
    return Stored(texts=tuple(texts), start=chunk.byte_offset, size=chunk.size, written=written)


class UntrustedFile:
    """An untrusted open HDF5 file: objects are reached only by hard links, and sizes are limited."""

    def __init__(self, root: Any, name: str, image: bytes) -> None:
        self.root = root
        self.name = name
        self._texts = VariableTexts(image)
        self._found: dict[str, Any] = {}
        self._refuse_crowd("/", root)

    def refusal(self, reason: str) -> HeaderError:
        """Return the error that the file is not what it should be."""
        return HeaderError(f"{self.name} {reason}")

    def danger(self, reason: str) -> UnsafeMember:
        """Return the error that reading the file may do harm."""
        return UnsafeMember(f"{self.name} is not safe to read: {reason}: {AGAIN}")

    def find(self, path: str) -> Any:
        """Return an object or None; raise for a link that may lead anywhere, before it is followed."""
        if path not in self._found:
            self._found[path] = self._walk(path)
        return self._found[path]

    def _walk(self, path: str) -> Any:
        from h5py import Group, h5l  # noqa: PLC0415 - most users never open an HDF5

        place, steps = self.root, path.split("/")
        for count, step in enumerate(steps, 1):
            path = "/".join(steps[:count])
            if not isinstance(place, Group) or not place.id.links.exists(step.encode()):
                return None
            if place.id.links.get_info(step.encode()).type != h5l.TYPE_HARD:
                raise self.danger(f"{path} is a link to another place")
            place = place[step]
            self._refuse_crowd(path, place)
        return place

    def _refuse_crowd(self, path: str, place: Any) -> None:
        from h5py import Group, h5a  # noqa: PLC0415 - as above

        if (isinstance(place, Group) and len(place) > _MOST) or h5a.get_num_attrs(place.id) > _MOST:
            raise self.danger(f"{path} has more than {_MOST:,} entries")

    def field(self, path: str = _DATA) -> Any:
        """Return a data set, by default that of codes; raise before reading one in other files or large chunks."""
        from h5py import Dataset, h5d, h5t  # noqa: PLC0415 - as above

        data = self.find(path)
        if not isinstance(data, Dataset):
            kind = "an ODIM composite" if path == _DATA else "a netCDF file of RADKLIM"
            raise self.refusal(f"is not {kind}: it has no {path}; open it with h5py, or {AGAIN}")
        made = data.id.get_create_plist()
        if made.get_layout() not in {h5d.COMPACT, h5d.CONTIGUOUS, h5d.CHUNKED} or made.get_external_count():
            raise self.danger("its field is stored in other files")
        filters = [made.get_filter(number)[0] for number in range(made.get_nfilters())]
        if not set(filters) <= {DEFLATE, SHUFFLE, _FLETCHER32}:
            raise self.refusal(
                "is compressed by a filter that DWD does not use, and radar_nb does not load others: "
                "open it with h5py"
            )
        if len(set(filters)) < len(filters):
            raise self.danger(f"its {path} is packed twice")
        kind = data.id.get_type()
        if isinstance(kind, h5t.TypeBitfieldID) or (
            isinstance(kind, h5t.TypeIntegerID)
            and (kind.get_precision(), kind.get_offset()) != (8 * kind.get_size(), 0)
        ):
            raise self.refusal(f"stores {path} in some bits of its integers, unlike DWD: open it with h5py")
        chunk = math.prod(data.chunks or ()) * data.dtype.itemsize
        if chunk > CHUNK_LIMIT:  # HDF5 unpacks a chunk whole, even for one value of it
            raise self.danger(f"its {path} has chunks of {human_bytes(chunk)}")
        if data.chunks:
            count = math.prod(-(-n // c) for n, c in zip(data.shape[-2:], data.chunks[-2:], strict=True))
            if count > _CHUNKS:
                raise self.danger(f"its {path} has {count:,} chunks a field")
        return data

    def others(self) -> tuple[str, ...]:
        """Return the groups of further fields beside that of `field`, as `dataset1/data2`."""
        sets = [name for name in self.root if re.fullmatch(r"dataset\d+", name) and self.find(name) is not None]
        found = [f"{one}/{name}" for one in sets for name in self.find(one) if re.fullmatch(r"data\d+", name)]
        return tuple(path for path in found if f"{path}/data" != _DATA)

    def axis(self, path: str, count: int) -> NDArray[Any]:
        """Return the values of a data set with one dimension; raise before reading one of another length."""
        data = self.field(path)
        if data.shape != (count,) or data.dtype.kind not in "iuf":
            raise self.refusal(
                f"has the variable {path} of shape {data.shape} and type {data.dtype}, not {count:,} numbers; "
                f"{AGAIN}"
            )
        return self.values(data)

    def values(self, data: Any, first: int = 0, last: int | None = None, *, missing: bool = False) -> NDArray[Any]:
        """Return the values of a data set of `field`, or of a range along its first axis.

        Parameters
        ----------
        data : h5py.Dataset
        first, last : int
            The range.
        missing : bool
            Whether parts that were never written hold the fill value; otherwise they raise.
        """
        last = data.shape[0] if last is None else min(last, data.shape[0])
        written = self.check_chunks(data, first, last) if data.chunks else _has_bytes(data)
        if not (written or missing):
            raise self.refusal(f"is damaged: parts of its {data.name[1:]} were never written; {AGAIN}")
        values: NDArray[Any] = data[first:last]
        return values

    def check_chunks(self, data: Any, first: int, last: int) -> bool:
        """Raise for chunks that do not hold exactly their values; return whether there are all of a range.

        HDF5 inflates a chunk to the end of its stream, and reads beyond the end of one that is too short.
        """
        made = data.id.get_create_plist()
        filters = [made.get_filter(number)[0] for number in range(made.get_nfilters())]
        found: dict[tuple[int, ...], tuple[int, list[int]]] = {}

        def note(chunk: Any) -> None:
            if first - data.chunks[0] < chunk.chunk_offset[0] < last:
                used = [kind for number, kind in enumerate(filters) if not chunk.filter_mask & 1 << number]
                found[tuple(chunk.chunk_offset)] = chunk.size, used

        data.id.chunk_iter(note)
        plain = math.prod(data.chunks) * data.dtype.itemsize
        for at, (stored, used) in found.items():
            checked = _FLETCHER32 in used and _FLETCHER32 in used[: [*used, DEFLATE].index(DEFLATE)]
            room, size, ended = plain + _CHECKSUM * checked, stored, True
            if DEFLATE in used:
                inflater = zlib_ng.decompressobj()
                size = len(inflater.decompress(data.id.read_direct_chunk(at)[1], room + 1))
                ended = inflater.eof
                if size > room:
                    raise self.danger(
                        f"a chunk of its {data.name[1:]} inflates to more than its {human_bytes(room)}"
                    )
            if size != room or not ended:
                raise self.refusal(
                    f"is damaged: a chunk of its {data.name[1:]} has {size:,} bytes, not {room:,}"
                    f"{'' if ended else ', and no end'}; {AGAIN}"
                )
        counts = [-(-n // c) for n, c in zip(data.shape, data.chunks, strict=True)]
        counts[0] = -(-last // data.chunks[0]) - first // data.chunks[0]
        return bool(len(found) == math.prod(counts))

    def stored(self, holder: Any, name: str) -> Any:
        """Return an attribute that is one short number or text; None if it is absent or another.

        HDF5 itself does not read a text of variable length: it first fills the bytes that it claims, up to 4 GB.
        """
        from h5py import h5o, h5t  # noqa: PLC0415 - as above

        if name not in holder.attrs:
            return None
        place = holder.attrs.get_id(name)
        if place.shape not in {(), (1,)}:
            return None
        kind = place.get_type()
        if isinstance(kind, h5t.TypeStringID) and kind.is_variable_str():
            return self._texts.read(h5o.get_info(holder.id).addr, name)
        if kind.get_size() > _LONGEST or place.dtype.kind not in "Sfiu" or kind.get_size() != place.dtype.itemsize:
            return None
        value = np.empty(place.shape, place.dtype)
        place.read(value, kind)
        return value.reshape(-1)[0]

    def attribute(self, path: str, name: str) -> Any:
        """Return an attribute as stored: in a damaged file, HDF5 may not return from a conversion."""
        group = self.find(path)
        if group is None or name not in group.attrs:
            raise self.refusal(f"is not an ODIM composite: it has no {path}/{name}; {AGAIN}")
        if (value := self.stored(group, name)) is None:
            raise self.refusal(
                f"is not an ODIM composite: its attribute {path}/{name} is not a number or a text; {AGAIN}"
            )
        return value

    def text(self, path: str, name: str, default: str | None = None) -> str:
        """Return an attribute as text."""
        if default is not None and ((group := self.find(path)) is None or name not in group.attrs):
            return default
        value = self.attribute(path, name)
        return printable(value.decode() if isinstance(value, bytes) else str(value))

    def moment(self, path: str, prefix: str = "") -> datetime:
        """Return the time that a date and a time state, UTC."""
        text = self.text(path, f"{prefix}date") + self.text(path, f"{prefix}time")
        return _moment(text)

    def code(self, path: str, name: str, kind: np.dtype[Any]) -> int:
        """Return an attribute that is a code of a type of integers."""
        value = parse_number(self.attribute(path, name))
        if not (value.is_integer() and 0 <= value <= np.iinfo(kind).max):
            raise self.refusal(
                f"contradicts itself: {name} is {value:g}, not a code of {kind.itemsize} bytes; {AGAIN}"
            )
        return int(value)


def _has_bytes(data: Any) -> bool:
    """Return whether a data set without chunks was written."""
    from h5py import h5d  # noqa: PLC0415 - most users never open an HDF5

    compact = data.id.get_create_plist().get_layout() == h5d.COMPACT
    return compact or data.id.get_offset() is not None


def _moment(text: str) -> datetime:
    """Return the time of 14 digits, UTC: many times as fast as strptime."""
    if not (len(text) == _DIGITS and text.isascii() and text.isdecimal()):
        raise ValueError(f"{shortened(text)!r} is not a date and a time of 14 digits")
    return datetime.fromisoformat(f"{text[:8]}T{text[8:]}")  # UTC


@contextmanager
def open_hdf5(data: Buffer, name: str) -> Iterator[UntrustedFile]:
    """Open the bytes of an HDF5 file; what HDF5 raises becomes a HeaderError that calls the file `name`."""
    import h5py  # noqa: PLC0415 - as above

    image = bytes(data)
    if image[8:9] in {b"\0", b"\1"}:  # superblocks that can name a driver, whose size HDF5 trusts (II.A)
        at = 48 + 4 * image[8]
        if image[at : at + 8] != b"\xff" * 8:
            raise HeaderError(f"{name} is damaged, or a piece of an HDF5 file in several pieces: {AGAIN}")
    with _translated(name), h5py.File(h5py.h5f.open_file_image(image)) as root:
        yield UntrustedFile(root["/"], name, image)


def require_own_bytes(path: Path) -> None:
    """Raise for an HDF5 file of results that leads to other places, or whose chunks do not hold their values.

    Every chunk is inflated, because HDF5 reads beyond the end of one that is too short.

    Parameters
    ----------
    path : pathlib.Path
        A regular file whose data sets lie in its root.

    Raises
    ------
    HeaderError, UnsafeMember
        As for `read_composite`.
    """
    import h5py  # noqa: PLC0415 - most users never open an HDF5

    name = str(path)
    with _translated(name), h5py.File(path) as root:
        file = UntrustedFile(root["/"], name, b"")
        for inner in root:
            data = file.field(inner)
            if data.chunks:
                file.check_chunks(data, 0, data.shape[0])


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Raise what HDF5 and the inflater raise as a HeaderError that calls the file `name`."""
    try:
        yield
    except (HeaderError, UnsafeMember):
        raise
    except _FOREIGN as error:
        raise HeaderError(f"{name} is not HDF5, or damaged ({error}): {AGAIN}") from error


def _meaning(file: UntrustedFile, size: int) -> Meaning:
    """Return header, quantity and packing."""
    _refuse_others(file)
    data, what = file.field(), "dataset1/data1/what"
    if data.ndim != 2 or data.dtype.kind != "u" or data.dtype.itemsize > 4 or not data.size:
        raise file.refusal(
            f"has no field of unsigned integers (its shape is {data.shape}, its type {data.dtype}): "
            "open it with wradlib"
        )
    name = file.text("dataset1/what", "prodname")
    if len(product := product_code(name)) > _LONGEST_NAME:
        raise file.refusal(f"is of the product {shortened(name)}, which no file of DWD is: {AGAIN}")
    if data.size * data.dtype.itemsize > (limit := field_limit(product)):
        raise file.refusal(
            f"holds a field of {' x '.join(map(str, data.shape))} cells ({human_bytes(data.nbytes)}), and "
            f"radar_nb reads at most {human_bytes(limit)} a field of {product}: open it with wradlib"
        )
    if others := file.others():
        quantities = [file.text(f"{path}/what", "quantity", "?") for path in others]
        named = (f"{shortened(path)} ({shortened(text)})" for path, text in zip(others, quantities, strict=True))
        _name_others(product, tuple(named))
    _check_place(file, data.shape)
    quantity = file.text(what, "quantity")
    if quantity not in QUANTITIES:
        known = ", ".join(f"{name} ({unit})" for name, unit in QUANTITIES.items())
        raise file.refusal(
            f"holds the quantity {shortened(quantity)}; radar_nb reads {known}: open it with wradlib"
        )
    moments = [file.moment(path, prefix) for path, prefix in _MOMENTS]
    try:
        time, interval, lead = _times(product, *moments)
    except ValueError as error:
        raise file.refusal(str(error)) from None
    factor = interval / 60 if quantity == "RATE" else 1.0
    gain, zero = (parse_number(file.attribute(what, name)) for name in ("gain", "offset"))
    scale, offset = decimal(decimal(gain) * factor), decimal(decimal(zero) * factor)
    codes = np.iinfo(data.dtype).max
    rain = quantity != "DBZH"  # no echo is zero rain, so one code must mean zero
    fine = SMALLEST_SCALE <= scale < _LARGEST / codes and abs(offset) < _LARGEST
    sound = fine and (not rain or 0 <= -offset / scale < codes)
    if not sound:
        raise file.refusal(
            f"contradicts itself: gain {gain} and offset {zero} over {interval} min are not valid; {AGAIN}"
        )
    nodata, undetect = (file.code(what, name, data.dtype) for name in ("nodata", "undetect"))
    if nodata == undetect:
        raise file.refusal(f"contradicts itself: {nodata} is both nodata and undetect; {AGAIN}")
    packing = Packing(
        scale=scale,
        offset=offset,
        itemsize=data.dtype.itemsize,
        marks=(nodata,),
        undetect=undetect if rain else None,  # for reflectivities no echo is the lowest value, not 0 dBZ
    )
    radars = file.text("how", "nodes", "").split(",")
    header = Header(
        product=product,
        time=time,
        rows=data.shape[0],
        cols=data.shape[1],
        precision=_exponent(scale),
        interval=interval,
        version=5,
        software=f"{file.text('how', 'software', '')} {file.text('how', 'sw_version', '')}".strip(),
        radars=tuple(node for item in radars if (node := item.strip(" '"))),
        lead=lead if _leads(product) else None,
        size=size,
    )
    return Meaning(header=header, quantity=quantity, packing=packing)


@lru_cache
def _name_others(product: str, others: tuple[str, ...]) -> None:
    """Log once which fields of a product's files are not read."""
    _log.warning(
        "files of %s hold further fields, which radar_nb does not read: %s; open them with wradlib or h5py",
        product,
        ", ".join(others),
    )


def product_code(name: str) -> str:
    """Return the letters of a product from the `prodname` of a file.

    Examples
    --------
    >>> product_code("RS_top_view"), product_code("DMax_top_view"), product_code("RW.radolan2")
    ('RS', 'DMAX', 'RW')
    """
    return re.split("[^A-Z0-9%]", name.upper())[0]


def field_limit(product: str) -> int:
    """Return the maximum bytes of a field of a product: of the fine grids with codes of two bytes.

    Examples
    --------
    >>> field_limit("HX"), field_limit("RV") == FRAME_LIMIT
    (42240000, True)
    """
    grids = PRODUCTS[product].grids if product in PRODUCTS else ()
    cells = max((GRIDS[name].rows * GRIDS[name].cols for name in grids), default=0)
    return max(FRAME_LIMIT, 2 * cells)


def _leads(product: str) -> tuple[int, ...]:
    return PRODUCTS[product].leads if product in PRODUCTS else ()


def _check_place(file: UntrustedFile, shape: tuple[int, int]) -> None:
    """Raise if a file's `where` contradicts the registry of grids; DWD leaves some of it empty.

    The false origin in `projdef` is only the origin of the file's own metres, which are not used.
    """
    group = file.find("where")
    if group is None or not group.attrs:
        return
    try:
        grid = find_grid(*shape, version=5)
    except UnknownGrid:  # reported by the opening
        return
    for name, expected in _where(grid).items():
        if name not in group.attrs:
            continue
        if name == "projdef":
            stated: Any = file.text("where", name)
            same = _projection(stated) == _projection(expected)
        else:
            stated = parse_number(file.attribute("where", name))
            same = abs(stated - float(expected)) <= (_DEGREES if name[2:] in {"_lon", "_lat"} else 0)
        if not same:
            raise file.refusal(
                f"contradicts its grid: where/{name} is {shortened(str(stated))}, and {grid.name}, DWD's "
                f"composite of {shape[0]} x {shape[1]} cells, has {expected}: its places would be wrong; {AGAIN}"
            )


_DEGREES = 1e-4  # some 10 m: DWD writes corners to 1e-8 degrees
_NO_PLACE = {"x_0", "y_0", "no_defs", "type"}  # parameters that do not distinguish projections


def _projection(text: str) -> dict[str, float | str]:
    """Return the parameters of a PROJ string, the first of equal names, numbers to a tenth of a millimetre."""
    parts = (token.lstrip("+").partition("=") for token in reversed(text.split()))
    return {key: _number(value) for key, _, value in parts if key not in _NO_PLACE}


def _number(text: str) -> float | str:
    try:
        return round(parse_number(text), 4)
    except ValueError:
        return text


def _refuse_others(file: UntrustedFile) -> None:
    """Raise for HDF5 files that users mistake for composites of DWD, with a remedy for each."""
    if "_NCProperties" in file.root.attrs:  # every netCDF-4 library writes it
        raise file.refusal(
            "is a netCDF file, and not one of RADKLIM by its name: open it with xarray.open_dataset"
        )
    kind = file.text("what", "object", "COMP")
    if kind in _POLAR:
        raise file.refusal(
            f"holds {_POLAR[kind]} of one radar (ODIM object {kind}), and radar_nb reads composites: "
            "open it with xradar or wradlib"
        )
    source = file.text("what", "source", "")
    if "ORG:247" in source:  # OPERA's number in ODIM's table of organisations
        raise file.refusal("is a composite of OPERA, and radar_nb reads those of DWD: open it with wradlib")


_POLAR = {
    "PVOL": "a polar volume",
    "SCAN": "a polar scan",
    "ELEV": "an elevation scan",
    "AZIM": "an azimuthal scan",
}


def _times(product: str, nominal: datetime, begin: datetime, end: datetime) -> tuple[np.datetime64, int, int]:
    """Return nominal time, interval and lead time in minutes; raise a ValueError for times that contradict.

    Start and end of a composite may be those of its scans: a WN of 06:25 lasts from 06:25:03 to 06:25:34. The
    interval is therefore taken from the table of products, and the time from `what`.
    """
    stated = (end - begin) / _MINUTE
    known = PRODUCTS.get(product)
    interval = known.interval if known and not known.growing else round(stated)
    if known and interval > known.interval:
        interval = known.interval  # and rejected below
    exact = abs(stated - interval) < 1 and interval > 0
    if not exact and not (known and interval == _STEP and 0 <= stated < interval):
        source = f"{product} covers {human_interval(interval)}" if known else f"the product {product} is unknown"
        raise ValueError(
            f"states an interval of {stated:g} min ({begin:%H:%M:%S} to {end:%H:%M:%S}), but {source}: "
            f"its values cannot be interpreted; {AGAIN}, or open it with wradlib"
        )
    lead = _STEP * round((end - nominal) / _MINUTE / _STEP)
    if nominal.second or lead < 0 or (lead and not _leads(product)):
        raise ValueError(
            f"contradicts itself: its nominal time is {nominal:%H:%M:%S} and its interval ends at {end:%H:%M:%S}; "
            f"{AGAIN}"
        )
    return np.datetime64(nominal, "s"), interval, lead


def _exponent(scale: float) -> int:
    exponent = round(np.log10(scale))
    return exponent if scale == float(f"1e{exponent}") else 0


def _codes(file: UntrustedFile, out: NDArray[Any], steps: int) -> NDArray[Any]:
    data = file.field()
    if _is_one_chunk(data):
        return _inflated(data.id.read_direct_chunk((0, 0))[1], out, steps)
    _place(file.values(data), out, steps)
    return out


def _is_one_chunk(data: Any) -> bool:
    """Return whether a field is stored as in DWD's files: one deflated chunk of little-endian integers."""
    made = data.id.get_create_plist()
    whole = data.chunks == data.shape and data.id.get_num_chunks() == 1
    if not whole or made.get_nfilters() != 1 or made.get_filter(0)[0] != DEFLATE:
        return False
    return not data.id.get_chunk_info(0).filter_mask and data.dtype == data.dtype.newbyteorder("<")


def _room(out: NDArray[Any] | None, meaning: Meaning) -> NDArray[Any]:
    shape, dtype = (meaning.header.rows, meaning.header.cols), meaning.packing.dtype
    return out if out is not None and (out.shape, out.dtype) == (shape, dtype) else np.empty(shape, dtype)


def _inflated(packed: Buffer, out: NDArray[Any], steps: int) -> NDArray[Any]:
    """Inflate a chunk in pieces that stay in the cache; HDF5's own zlib would take seven times as long."""
    inflater, rows = zlib_ng.decompressobj(), len(out)
    most = max(1, _PIECE // out[0].nbytes, rows // _PIECES)
    for top in range(0, rows, most):
        piece = out[max(0, rows - top - most) : rows - top]
        plain = inflater.decompress(packed, piece.nbytes)
        packed = inflater.unconsumed_tail
        _place(np.frombuffer(plain, out.dtype.newbyteorder("<")).reshape(piece.shape), piece, steps)
    if inflater.decompress(packed, 1) or not inflater.eof:  # its checksum stands at the end
        raise ValueError("the field is cut short, or longer than its shape")
    return out


def _place(north_first: NDArray[Any], out: NDArray[Any], steps: int) -> None:
    """Copy rows in reverse order, and move their codes."""
    np.copyto(out, north_first[::-1])
    if steps:
        np.add(out, out.dtype.type(steps % _CODES), out=out)  # modulo 2^32, as unsigned integers add


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedCodes:
    """Stored codes, so that files with the same field compress it once: see `pack_codes`.

    Attributes
    ----------
    shape : (int, int)
    dtype : numpy.dtype
    stored : bytes
        Deflated, northernmost row first.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    stored: bytes


def pack_codes(codes: NDArray[Any]) -> PackedCodes:
    """Return codes, first row in the south, in the stored form of `write_composite`."""
    stored = zlib_ng.compress(np.ascontiguousarray(codes[::-1]), _LEVEL)
    return PackedCodes(shape=codes.shape, dtype=codes.dtype, stored=stored)


def write_composite(
    header: Header,
    codes: NDArray[Any] | PackedCodes,
    *,
    quantity: str,
    gain: float,
    offset: float = 0.0,
    undetect: int = 0,
    method: str = "",
) -> bytes:
    """Return the bytes of a composite with the groups and attributes of DWD's files.

    Parameters
    ----------
    header : Header
        `product`, `time`, `lead`, `interval`, `radars` and `software` are written.
    codes : ndarray of unsigned int, shape (rows, cols), or PackedCodes
        First row in the south. The largest integer of the type means no data.
    quantity : {"ACRR", "RATE", "DBZH", "VIL", "CLASS"}
    gain, offset : float
        In the standard's unit: see `QUANTITIES`.
    undetect : int
        The code of cells without a detected echo.
    method : str
        Method of the composite, in DWD's words.

    Returns
    -------
    bytes
        Reproducible; can be read by `read_composite` and wradlib.

    Raises
    ------
    UnknownGrid
        DWD documents no composite of this size.
    """
    import h5py  # noqa: PLC0415 - most users never write an HDF5

    grid = find_grid(header.rows, header.cols, version=5)
    packed = codes if isinstance(codes, PackedCodes) else pack_codes(codes)
    counts = {"gain": gain, "offset": offset, "nodata": np.iinfo(codes.dtype).max, "undetect": undetect}
    groups: dict[str, Mapping[str, Any]] = {
        "/": {"Conventions": "ODIM_H5/V2_3"},
        "how": _how(header),
        "what": _what(header),
        "where": _where(grid),
        "dataset1/how": {"camethod": method},
        "dataset1/what": _interval(header),
        "dataset1/data1/what": {"quantity": quantity} | {key: float(value) for key, value in counts.items()},
    }
    made = io.BytesIO()
    with h5py.File(made, "w", libver="earliest") as file:
        for group, attributes in groups.items():
            for key, value in attributes.items():
                _put(file.require_group(group), key, value)
        data = file.create_dataset(
            _DATA, packed.shape, packed.dtype, chunks=packed.shape, compression="gzip", compression_opts=_LEVEL
        )
        data.id.write_direct_chunk((0, 0), packed.stored)
    return made.getvalue()


def _put(group: Any, key: str, value: Any) -> None:
    """Write an attribute; a text ends with a null byte, as in DWD's files."""
    import h5py  # noqa: PLC0415 - as above

    if not isinstance(value, str):
        group.attrs[key] = value
        return
    text = value.encode() + b"\x00"
    kind = h5py.h5t.C_S1.copy()
    kind.set_size(len(text))
    place = h5py.h5a.create(group.id, key.encode(), kind, h5py.h5s.create(h5py.h5s.SCALAR))
    place.write(np.array(text, f"S{len(text)}"), kind)


def _how(header: Header) -> dict[str, str]:
    software, _, version = header.software.partition(" ")
    nodes = ",".join(f"'{radar}'" for radar in header.radars)
    return {"nodes": nodes, "software": software, "sw_version": version}


def _what(header: Header) -> dict[str, str]:
    time = header.time.astype("datetime64[s]").item()
    source = "ORG:78,CTY:616,CMT:Deutscher Wetterdienst radolan@dwd.de"
    return {
        "date": f"{time:%Y%m%d}",
        "time": f"{time:%H%M%S}",
        "object": "COMP",
        "source": source,
        "version": "H5rad 2.3",
    }


def _interval(header: Header) -> dict[str, str]:
    end = header.time.astype("datetime64[s]").item() + (header.lead or 0) * _MINUTE
    begin = end - header.interval * _MINUTE
    return {
        "product": "COMP",
        "prodname": header.product,
        "startdate": f"{begin:%Y%m%d}",
        "starttime": f"{begin:%H%M%S}",
        "enddate": f"{end:%Y%m%d}",
        "endtime": f"{end:%H%M%S}",
    }


@lru_cache
def _where(grid: Grid) -> Mapping[str, Any]:
    """Return projection, size and outer corners; DWD's false origin is the centre of the north-western cell."""
    west, south, half = grid.x0 - grid.cell / 2, grid.y0 - grid.cell / 2, grid.cell / 2
    east, north = west + grid.cols * grid.cell, south + grid.rows * grid.cell
    corners: dict[str, float] = {}
    for corner, x, y in (("LL", west, south), ("LR", east, south), ("UL", west, north), ("UR", east, north)):
        lon, lat = to_lonlat(x, y, grid.earth)
        corners |= {f"{corner}_lon": float(lon), f"{corner}_lat": float(lat)}
    projection = PROJ[grid.earth].replace(" +type=crs", "").replace("+x_0=0 +y_0=0", "{}")
    return corners | {
        "projdef": projection.format(f"+x_0={-west - half!r} +y_0={half - north!r}"),
        "xscale": grid.cell,
        "xsize": np.uint64(grid.cols),
        "yscale": grid.cell,
        "ysize": np.uint64(grid.rows),
    }
