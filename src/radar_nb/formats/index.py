"""The contents of an archive, found by one verifying pass and stored beside it, to open it in a millisecond.

An index file is a line with its version, the length of a head, the head as JSON (the archive's name, size and time
of change; its parts; the kinds of headers; problems), one row of `ROW` per frame, the members' names, and a CRC-32
of it all. It is complete before it is renamed, and hidden in the archive's folder, or in the cache folder if that
folder cannot be written. A damaged or mismatched index is ignored, and so is a forged one with numbers that no
scan can have found.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass, field, replace
from dataclasses import fields as dataclass_fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np

from radar_nb import errors
from radar_nb.dwd.archive_names import filed_under
from radar_nb.errors import ArchiveError, CorruptArchive, FrameError, RadarNbError, SeriesError, StorageError
from radar_nb.formats import netcdf
from radar_nb.formats.archives import ARCHIVE_LIMIT, MEMBER_LIMIT, Part, check_frame, walk
from radar_nb.formats.radolan import Header
from radar_nb.formats.streams import Blob
from radar_nb.runtime.files import read_regular, replacing, sidecar_path, storage_errors
from radar_nb.runtime.settings import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from radar_nb.formats.archives import Member

_MAGIC = b"radar_nb index 3\n"
"""The number grows when a scan checks more: an index with fewer checks is rebuilt."""
_SUFFIX = ".index"
EXTRACTED = ".extracted"
"""Ending of the note beside a folder of frames whose archive was removed."""
_WORD = 4  # bytes of a length or a checksum
_LARGEST = 64 << 20  # bytes of an index: a month of 5-minute frames has 0.4 MB
_NAME_LIMIT = 1024  # bytes of a member's path, with its line end
_LARGEST_NUMBER = 1 << 20  # of rows, columns and minutes
_TIMES = tuple(int(np.datetime64(f"{year}", "s").astype(np.int64)) for year in (1990, 2100))

ROW = np.dtype(
    [
        ("time", "<i8"),  # seconds since 1970, UTC: the header's stamp
        ("offset", "<i8"),  # of the member in its inflated part; -1 if nested deeper
        ("length", "<i4"),  # of the member there, in bytes
        ("part", "<i4"),  # number of the part
        ("position", "<i4"),  # number of the member in its part
        ("kind", "<i4"),  # number of the kind of header
        ("hash", "<u4"),  # CRC-32 of the header; of the whole file in HDF5 and ASCII; in netCDF the field's number
    ]
)
"""One frame in an index. All else is in its kind."""


Form = Literal["binary", "hdf5", "ascii", "netcdf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameKind:
    """What frames have in common that differ only in time.

    Attributes
    ----------
    header : Header
        Without time, sizes, contributions and quality.
    itemsize : int
        Bytes of a code; 0 if the codes are packed (HDF5, run length).
    form : {"binary", "hdf5", "ascii", "netcdf"}
        Format of the file. Codes from ASCII and netCDF are those of a binary with two bytes.
    """

    header: Header
    itemsize: int
    form: Form

    @property
    def hdf5(self) -> bool:
        """Whether it is ODIM HDF5, of which each file states what its codes stand for."""
        return self.form == "hdf5"


class Problem(NamedTuple):
    """A fault of an archive.

    Attributes
    ----------
    error : str
        Name of its class in `radar_nb.errors`.
    text : str
        The message.
    """

    error: str
    text: str

    def exception(self) -> RadarNbError:
        """Return it as an error to raise."""
        made: RadarNbError = getattr(errors, self.error)(self.text)
        return made


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Index:
    """The frames of one archive.

    Attributes
    ----------
    archive : pathlib.Path or Blob
    parts : tuple of Part
    kinds : tuple of FrameKind
    rows : ndarray of ROW
        In the archive's order.
    problems : tuple of Problem
        Faults found by the first pass. The affected frames are not in `rows`.
    stamp : tuple of int
        The archive's size and time of change, in ns, before it was read; zeros for a blob.
    """

    archive: Path | Blob
    stamp: tuple[int, int]
    parts: tuple[Part, ...]
    kinds: tuple[FrameKind, ...]
    rows: NDArray[Any]
    problems: tuple[Problem, ...]
    _names: bytes = field(repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The members' paths, one per row; empty if a forged index has another number."""
        count = len(self.rows)
        with suppress(zlib.error, ValueError):
            text = zlib.decompressobj().decompress(self._names, count * _NAME_LIMIT + 1)
            names = text.decode().split("\n")
            if len(names) == count and len(text) <= count * _NAME_LIMIT and all(map(str.isprintable, names)):
                return tuple(names)
        return ("",) * count

    def take(self, rows: NDArray[np.int64]) -> Index:
        """Return an index of some of the frames, with their parts and kinds, and no problems."""
        taken = self.rows[rows]
        parts, taken["part"] = np.unique(taken["part"], return_inverse=True)
        kinds, taken["kind"] = np.unique(taken["kind"], return_inverse=True)
        names = self.names
        return replace(
            self,
            parts=tuple(self.parts[part] for part in parts),
            kinds=tuple(self.kinds[kind] for kind in kinds),
            rows=taken,
            problems=(),
            _names=zlib.compress("\n".join(names[row] for row in rows.tolist()).encode()),
        )

    def place(self, row: int) -> str:
        """Archive, part and member of a row's frame, for messages."""
        part, name = self.parts[self.rows["part"][row]], self.names[row]
        inside = [step for step in (part.name, name) if step != self.archive.name]
        return " > ".join(dict.fromkeys((str(self.archive), *inside)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """Frames and their positions, column by column: 2.6 million of them fit in 100 MB.

    Attributes
    ----------
    indexes : tuple of Index
        One per archive or plain file.
    parts : tuple of Part
        Of all indexes.
    kinds : tuple of FrameKind
        Of all indexes, without duplicates.
    rows : ndarray of ROW
        The frames, with the numbers of their part and kind in the tuples above.
    numbers : ndarray of int64
        Number of each row among all the frames of the indexes.
    problems : tuple of Problem
        Faults of archives and frames; the affected frames are not in `rows`.
    """

    indexes: tuple[Index, ...]
    parts: tuple[Part, ...]
    kinds: tuple[FrameKind, ...]
    rows: NDArray[Any]
    numbers: NDArray[np.int64]
    problems: tuple[Problem, ...]
    _starts: NDArray[np.int64]

    @classmethod
    def of(cls, indexes: Sequence[Index], problems: Sequence[Problem] = ()) -> Frames:
        """Join the indexes of several archives."""
        starts = np.cumsum([0, *(len(index.rows) for index in indexes)])
        rows = np.concatenate([index.rows for index in indexes]) if indexes else np.empty(0, ROW)
        kinds: dict[FrameKind, int] = {}
        first_part = 0
        for index, start, end in zip(indexes, starts.tolist(), starts[1:].tolist(), strict=False):
            mine = rows[start:end]
            numbers = [kinds.setdefault(kind, len(kinds)) for kind in index.kinds]
            if numbers != list(range(len(numbers))):
                mine["kind"] = np.array(numbers, np.int32)[mine["kind"]]
            mine["part"] += first_part
            first_part += len(index.parts)
        return cls(
            indexes=tuple(indexes),
            parts=tuple(part for index in indexes for part in index.parts),
            kinds=tuple(kinds),
            rows=rows,
            numbers=np.arange(len(rows)),
            problems=(*problems, *(problem for index in indexes for problem in index.problems)),
            _starts=starts,
        )

    def take(self, which: NDArray[Any]) -> Frames:
        """Return some of the frames, by number or by mask, in this order."""
        return replace(self, rows=self.rows[which], numbers=self.numbers[which])

    def archives(self) -> NDArray[np.int64]:
        """Return for each row the number of its index."""
        return np.searchsorted(self._starts, self.numbers, side="right") - 1

    def alone(self) -> Frames:
        """Return the same frames reduced to their own data: small enough to be sent elsewhere."""
        archives = self.archives()
        order = np.argsort(archives, kind="stable")
        used, counts = np.unique(archives, return_counts=True)
        runs = np.split(self.numbers[order], np.cumsum(counts)[:-1])
        taken = [
            self.indexes[number].take(run - self._starts[number])
            for number, run in zip(used.tolist(), runs, strict=True)
        ]
        return Frames.of(taken).take(np.argsort(order))

    def index(self, row: int) -> Index:
        """Return the index that a row came from."""
        return self.indexes[int(np.searchsorted(self._starts, self.numbers[row], side="right")) - 1]

    def place(self, row: int) -> str:
        """Archive, part and member of a row's frame, for messages."""
        number = int(self.numbers[row])
        index = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self.indexes[index].place(number - int(self._starts[index]))


class PartScan(NamedTuple):
    """The result of the pass over one part: rows without part and kind, and the kind and name of each."""

    rows: list[tuple[int, int, int, int, int]]
    kinds: list[FrameKind]
    names: list[str]
    problems: list[Problem]

    def add(
        self,
        header: Header,
        *,
        name: str,
        where: tuple[int, int, int],
        hashed: int,
        form: Form = "binary",
    ) -> None:
        """Add a frame: `where` is its offset, length and position in the part."""
        stamp = int(header.time.astype("datetime64[s]").astype(np.int64))
        bare = replace(header, time=_NO_TIME, size=0, length=0, contributions=(), quality=None)
        self.rows.append((stamp, *where, hashed))
        packed = form == "hdf5" or header.run_length
        itemsize = 0 if packed else header.itemsize if form == "binary" else _SHORT
        self.kinds.append(FrameKind(header=bare, itemsize=itemsize, form=form))
        self.names.append(name)


def scan_part(part: Part) -> PartScan:
    """Read and verify a part once: every checksum, length and header, each header against its name."""
    scan = PartScan([], [], [], [])
    try:
        for member in walk(part):
            try:
                _add(scan, member)
            except FrameError as error:  # the members behind it may be intact
                scan.problems.append(_problem(error))
    except ArchiveError as error:
        scan.problems.append(_problem(error))
        if isinstance(error, CorruptArchive):  # the damage may be before the place where it was found
            return PartScan([], [], [], scan.problems)
    return scan


def _problem(error: RadarNbError) -> Problem:
    return Problem(type(error).__name__, str(error))


def _add(scan: PartScan, member: Member) -> None:
    where = member.offset, member.length, member.position
    if member.kind == "hdf5" and netcdf.is_netcdf(member.data, member.name):
        fields = netcdf.Fields(bytes(member.data), member.place)
        for number, time in enumerate(fields.times):
            header = replace(fields.header, time=time)
            scan.add(header, name=member.name, where=where, hashed=number, form="netcdf")
        return
    header = check_frame(member)
    if member.kind in {"hdf5", "ascii"}:
        form: Form = "hdf5" if member.kind == "hdf5" else "ascii"
        scan.add(header, name=member.name, where=where, hashed=zlib.crc32(member.data), form=form)
    else:
        hashed = zlib.crc32(member.data[: header.length])
        scan.add(header, name=member.name, where=where, hashed=hashed)


_SHORT = 2  # bytes of a code that is made of a number in ASCII or netCDF
_NO_TIME = np.datetime64(0, "s")


def misfiled(index: Index) -> Problem | None:
    """Return what is wrong with an archive whose frames contradict its name, or None."""
    filed = None if isinstance(index.archive, Blob) else filed_under(index.archive.name)
    if filed is None or not len(index.rows):
        return None
    for row in {int(index.rows["time"].argmin()), int(index.rows["time"].argmax())}:
        header = index.kinds[int(index.rows["kind"][row])].header
        time = np.datetime64(int(index.rows["time"][row]), "s")
        if reason := filed.denies(header.product, time, (header.rows, header.cols)):
            return Problem(
                CorruptArchive.__name__,
                f"{index.place(row)} {reason}: another file has this name, fetch it again with "
                "overwrite=True or give it its own name",
            )
    return None


def make_index(
    archive: Path | Blob, parts: Sequence[Part], scans: Iterable[PartScan], *, stamp: tuple[int, int] = (0, 0)
) -> Index:
    """Combine the results of the passes over an archive's parts."""
    kinds: dict[FrameKind, int] = {}
    rows: list[tuple[int, ...]] = []
    names: list[str] = []
    problems: list[Problem] = []
    for number, scan in enumerate(scans):
        for (time, offset, length, position, hashed), kind in zip(scan.rows, scan.kinds, strict=True):
            rows.append((time, offset, length, number, position, kinds.setdefault(kind, len(kinds)), hashed))
        names += scan.names
        problems += scan.problems
    index = Index(
        archive=archive,
        stamp=stamp,
        parts=tuple(parts),
        kinds=tuple(kinds),
        rows=np.array(rows, ROW),
        problems=tuple(problems),
        _names=zlib.compress("\n".join(names).encode()),
    )
    return replace(index, problems=(*problems, *_disorder(index)))


def _disorder(index: Index) -> Iterator[Problem]:
    """Yield a problem for frames that occur twice in an archive, and for those out of order."""
    seen: dict[tuple[str, int, int], int] = {}
    leads = [-1 if kind.header.lead is None else kind.header.lead for kind in index.kinds]
    products = [kind.header.product for kind in index.kinds]
    latest: dict[str, tuple[int, int]] = {}
    for row, (time, kind) in enumerate(zip(index.rows["time"].tolist(), index.rows["kind"].tolist(), strict=True)):
        key = (products[kind], time, leads[kind])
        when = (time, leads[kind])
        if key in seen:
            yield Problem(
                "SeriesError",
                f"{index.place(row)} has the time of {index.place(seen[key])}: an archive of DWD has each once. "
                'errors="report" takes the later one',
            )
        elif when < latest.get(products[kind], when):
            yield Problem(
                "SeriesError",
                f"{index.place(row)} comes after frames of later times: in an archive of DWD they come in order. "
                'errors="report" takes it all the same, at its time',
            )
        seen[key] = row
        latest[products[kind]] = max(when, latest.get(products[kind], when))


# --- on disk ----------------------------------------------------------------------------------------------------


def index_paths(archive: Path) -> Iterator[Path]:
    """Yield the possible paths of an archive's index, the preferred first."""
    # without the archive's dots, so that a pattern like "*.tar*", which matches hidden files, skips it
    yield archive.with_name(f".{archive.name.replace('.', '_')}{_SUFFIX}")
    key = hashlib.sha256(str(archive.absolute()).encode("utf-8", "surrogatepass")).hexdigest()[:32]
    yield cache_folder() / f"{key}{_SUFFIX}"


def is_index(path: Path) -> bool:
    """Return whether a file's name is that of an index, or of the note on an extracted archive."""
    return path.name.startswith(".") and path.name.endswith((_SUFFIX, EXTRACTED))


def remove_archive(archive: Path) -> None:
    """Remove an archive, after its note and index: if a crash comes in between, work can resume.

    Raises
    ------
    NotWritable, StorageError
        Removing failed.
    """
    with storage_errors(archive):
        for beside in (sidecar_path(archive), *index_paths(archive)):
            beside.unlink(missing_ok=True)
        archive.unlink()


def save_index(index: Index, archive: Path) -> None:
    """Store an archive's index.

    If neither place can be written, nothing is stored: the next open reads the archive again.
    """
    head = json.dumps(
        {
            "archive": archive.name,
            "stamp": index.stamp,
            "parts": [(part.name, part.offset, part.size) for part in index.parts],
            "kinds": [_kind_text(kind) for kind in index.kinds],
            "frames": len(index.rows),
            "problems": [(p.error, p.text.replace(str(archive), "\0")) for p in index.problems],
        }
    ).encode()
    body = _MAGIC + len(head).to_bytes(_WORD, "little") + head + index.rows.tobytes() + index._names  # noqa: SLF001
    for path in index_paths(archive):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path, durable=False) as file:
                file.write(body + zlib.crc32(body).to_bytes(_WORD, "little"))
        except (StorageError, OSError):
            continue
        return


def load_index(archive: Path) -> Index | None:
    """Return an archive's valid index, or None."""
    stamp = archive_stamp(archive)
    for path in index_paths(archive):
        try:
            data = read_regular(path, _LARGEST)
        except OSError:
            continue
        try:
            index = _parsed(data, archive, stamp)
        except _FORGED:
            continue
        if index is not None:
            return index
    return None


_FORGED = (ValueError, LookupError, TypeError, AttributeError, OverflowError, RecursionError)
"""What parsing raises for a forged index with a correct checksum."""


def archive_stamp(archive: Path) -> tuple[int, int]:
    """Return an archive's size and time of last change, in ns: if one differs, the archive has changed."""
    status = archive.stat()
    return status.st_size, status.st_mtime_ns


def _parsed(data: bytes, archive: Path, stamp: tuple[int, int]) -> Index | None:
    if not data.startswith(_MAGIC) or zlib.crc32(data[:-_WORD]) != int.from_bytes(data[-_WORD:], "little"):
        return None
    start = len(_MAGIC) + _WORD
    end = start + int.from_bytes(data[len(_MAGIC) : start], "little")
    head = json.loads(data[start:end])
    if head["archive"] != archive.name or tuple(head["stamp"]) != stamp or not 0 <= head["frames"] <= len(data):
        return None
    rows = np.frombuffer(data, ROW, count=head["frames"], offset=end)
    kinds = tuple(_kind_of(text) for text in head["kinds"])
    parts = tuple(Part(archive=archive, name=name, offset=at, size=size) for name, at, size in head["parts"])
    if not (_are_sound(rows, len(kinds), len(parts)) and all(_lies_within(part, stamp[0]) for part in parts)):
        return None
    return Index(
        archive=archive,
        stamp=stamp,
        parts=parts,
        kinds=kinds,
        rows=rows,
        problems=tuple(_problem_of(error, text, archive) for error, text in head["problems"]),
        _names=data[end + rows.nbytes : -_WORD],
    )


def _are_sound(rows: NDArray[Any], kinds: int, parts: int) -> bool:
    """Return whether numbers, positions and times of frames are possible results of a scan."""
    bounds = {
        "time": _TIMES,
        "offset": (-1, 1 << 48),
        "length": (0, ARCHIVE_LIMIT),
        "part": (0, parts - 1),
        "position": (0, MEMBER_LIMIT),
        "kind": (0, kinds - 1),
    }
    return not len(rows) or all(
        low <= rows[name].min() and rows[name].max() <= high for name, (low, high) in bounds.items()
    )


def _lies_within(part: Part, size: int) -> bool:
    name: Any = part.name
    whole = type(part.offset) is int and type(part.size) is int
    return whole and isinstance(name, str) and 0 <= part.offset <= part.offset + part.size <= size


def _problem_of(error: str, text: str, archive: Path) -> Problem:
    if not issubclass(getattr(errors, error), (ArchiveError, FrameError, SeriesError)):
        raise TypeError(error)
    return Problem(error, text.replace("\0", str(archive)))


def _kind_text(kind: FrameKind) -> str:
    header = {field.name: getattr(kind.header, field.name) for field in dataclass_fields(Header)}
    fields = {"header": header, "itemsize": kind.itemsize, "form": kind.form}
    return json.dumps(fields, default=lambda time: int(time.astype(np.int64)))


@lru_cache(maxsize=1024)
def _kind_of(text: str) -> FrameKind:
    """Parse a kind; the archives of a series have the same few."""
    fields = json.loads(text)
    header = {key: _tuples(value) for key, value in fields["header"].items()}
    header["time"] = np.datetime64(header["time"], "s")
    kind = FrameKind(header=Header(**header), itemsize=fields["itemsize"], form=fields["form"])
    numbers = [fields["itemsize"], *(header[key] for key in ("rows", "cols", "interval", "version"))]
    if not all(
        _FITS[field.type](header[field.name]) for field in dataclass_fields(Header) if field.name != "time"
    ):
        raise ValueError(text)
    if fields["form"] not in get_args(Form) or not all(
        _is_int(one) and 0 <= one <= _LARGEST_NUMBER for one in numbers
    ):
        raise ValueError(text)
    if not re.fullmatch("[A-Z0-9%]{2,7}", header["product"]):
        raise ValueError(text)
    return kind


def _is_int(value: Any) -> bool:
    return type(value) is int and abs(value) < 1 << 31


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


_FITS: dict[Any, Callable[[Any], bool]] = {
    "int": _is_int,
    "int | None": lambda value: value is None or _is_int(value),
    "str": _is_text,
    "str | None": lambda value: value is None or _is_text(value),
    "tuple[str, ...]": lambda value: isinstance(value, tuple) and all(map(_is_text, value)),
    "tuple[float, ...]": lambda value: (
        isinstance(value, tuple) and all(type(one) in {int, float} for one in value)
    ),
    "tuple[tuple[str, int], ...]": lambda value: (
        isinstance(value, tuple) and all(_is_text(name) and _is_int(count) for name, count in value)
    ),
}
"""Checks of the values of header fields, by annotation."""


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value
