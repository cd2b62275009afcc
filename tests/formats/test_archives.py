"""Archives: frames are found in any nesting, and malicious or damaged archives are refused."""

from __future__ import annotations

import bz2
import gzip
import tarfile
import tracemalloc
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.malicious_archives import HOSTILE, Case, day, entry, flipped, frame, month, name, packed, tar, tar_of
from support.malicious_hdf5 import small_composite
from support.read_paths import members_of

from radar_nb.errors import (
    ArchiveError,
    CorruptArchive,
    HeaderError,
    NotAnArchive,
    NothingFound,
    RadarNbError,
    StorageError,
    TruncatedArchive,
    TruncatedFrame,
    UnsafeMember,
)
from radar_nb.formats import archives
from radar_nb.formats.archives import ARCHIVE_LIMIT, MEMBER_LIMIT, Part, check_frame, parts, verify_part, walk
from radar_nb.formats.index import scan_part
from radar_nb.formats.names import unsafe_name
from radar_nb.formats.radolan import FRAME_LIMIT
from radar_nb.formats.streams import Blob, Kind, Reopened, sniff

if TYPE_CHECKING:
    from collections.abc import Callable

MINUTES = (20, 25, 30)
FRAMES = {name(minute): frame(minute, seed=minute) for minute in MINUTES}


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[bytes], Path]:
    """Return a function that writes bytes into a file with a meaningless name."""

    def write(data: bytes) -> Path:
        path = tmp_path / "archive"
        path.write_bytes(data)
        return path

    return write


def members(path: Path) -> dict[str, bytes]:
    return {member.name: bytes(member.data) for part in parts(path) for member in walk(part)}


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", "empty"),
        (packed(b""), "gzip"),
        (bz2.compress(b""), "bzip2"),
        (day(), "tar"),
        (b"\x89HDF\r\n\x1a\n", "hdf5"),
        (frame(), "frame"),
        (b"%M010000100001019BY", "frame"),
        (b"\n<!DOCTYPE HTML><html>", "html"),
        (b"<html>", "html"),
        (b"ncols 900", "ascii"),
        (b"RW", "unknown"),
    ],
)
def test_a_kind_is_recognised_by_the_first_bytes(head: bytes, kind: Kind) -> None:
    """The first bytes of a file determine its kind."""
    assert sniff(head[:512]) == kind


@pytest.mark.parametrize(
    "nest",
    [
        lambda: day(MINUTES),
        lambda: packed(day(MINUTES)),
        lambda: bz2.compress(day(MINUTES)),
        lambda: packed(tar_of((f"{key}.gz", packed(data)) for key, data in FRAMES.items())),
        lambda: tar_of((f"{key}.bz2", bz2.compress(data)) for key, data in FRAMES.items()),
        lambda: month(packed(day((20,))), packed(day((25, 30)))),
        lambda: month(bz2.compress(day((20,))), day((25, 30))),
        lambda: month(packed(tar_of((f"{key}.gz", packed(data)) for key, data in FRAMES.items()))),
    ],
    ids=["tar", "tar.gz", "tar.bz2", "tar.gz of gz", "tar of bz2", "tar of tar.gz", "mixed", "four deep"],
)
def test_every_nesting_has_the_same_frames(archive: Callable[[bytes], Path], nest: Callable[[], bytes]) -> None:
    """Frames in any nesting are read under their innermost names, byte for byte."""
    found = members(archive(nest()))

    assert {key.rsplit("/", 1)[-1]: data for key, data in found.items()} == FRAMES


@pytest.mark.parametrize("pack", [bytes, packed, bz2.compress], ids=["plain", "gz", "bz2"])
def test_a_single_frame_is_an_archive_of_one(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """A single frame, packed or not, is one part with one member, named as the file without its ending."""
    path = tmp_path / f"{name(25)}.gz"
    path.write_bytes(pack(frame()))

    (part,) = parts(path)

    assert [(member.name, bytes(member.data)) for member in walk(part)] == [(name(25), frame())]


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_dialect_of_tar_is_read(tmp_path: Path, format_: int) -> None:
    """Folders are skipped, long names and leading dots are understood, in every dialect of tar."""
    long = "x" * 90 + "/" + "y" * 90
    (tmp_path / "frame").write_bytes(frame())
    path = tmp_path / "archive"
    with tarfile.open(path, "w:gz", format=format_) as file:
        file.add(tmp_path, "./", recursive=False)
        file.add(tmp_path / "frame", f"./{name(25)}")
        file.add(tmp_path / "frame", long)

    assert members(path) == {name(25): frame(), long: frame()}


def test_a_month_has_a_part_for_each_day(archive: Callable[[bytes], Path]) -> None:
    """Each day of a month is a part at the stated position; its members state their place."""
    days = packed(day((20,))), packed(day((25, 30)))
    path = archive(month(*days))

    first, second = parts(path)
    last = list(walk(second))[-1]

    assert first.name == "YW2017.002_20200601.tar.gz"
    assert path.read_bytes()[second.offset : second.offset + second.size] == days[1]
    assert last.place == f"{path} > YW2017.002_20200602.tar.gz > {name(30)}"
    assert (last.position, last.consumed) == (1, second.size)


def test_a_tar_of_frames_is_one_part(archive: Callable[[bytes], Path]) -> None:
    """A tar of frames, gzipped or not, is not split into parts."""
    gzipped = archive(tar_of((f"{key}.gz", packed(data)) for key, data in FRAMES.items()))

    assert len(parts(gzipped)) == 1


def test_a_walk_reuses_its_buffer(archive: Callable[[bytes], Path]) -> None:
    """A member's bytes are valid until the next step, which reads into the same memory; they are read-only."""
    (part,) = parts(archive(day(MINUTES)))
    steps = walk(part)
    first = next(steps)
    before = bytes(first.data)

    second = next(steps)

    assert before != bytes(first.data) == bytes(second.data)
    assert first.data.readonly


def test_memory_does_not_grow_with_the_archive(archive: Callable[[bytes], Path]) -> None:
    """A hundred times as many frames need no more memory."""
    peaks = []
    for count in (3, 300):
        (part,) = parts(archive(packed(tar_of((str(number), bytes(100_000)) for number in range(1, count)))))
        tracemalloc.start()
        for _ in walk(part):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()

    assert peaks[1] < peaks[0] + 1_000_000


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE)
def test_a_malicious_day_leaves_the_other_days(archive: Callable[[bytes], Path], case: Case) -> None:
    """An untrusted day is refused by name; the days around it are read."""
    first, bad, last = parts(archive(month(packed(day((20,))), case.data, packed(day((30,))))))

    assert [member.name for part in (first, last) for member in walk(part)] == [name(20), name(30)]
    if case.data and sniff(case.data[:512]) != "unknown":
        with pytest.raises(case.error, match=r"20200602\.tar\.gz"):
            list(members_of(bad))


@pytest.mark.parametrize("case", HOSTILE.values(), ids=HOSTILE)
def test_a_message_names_archive_fault_and_remedy(archive: Callable[[bytes], Path], case: Case) -> None:
    """A message begins with the archive, names the fault, and ends with a remedy."""
    path = archive(case.data)

    with pytest.raises(case.error, match=case.match) as caught:
        deque((member for part in parts(path) for member in members_of(part)), maxlen=0)

    assert str(caught.value).startswith(f"{path} ")
    assert str(caught.value).endswith(case.remedy)


@pytest.mark.parametrize(
    ("member", "match"),
    [
        (entry("a/b", frame(), type=tarfile.SYMTYPE), "a/b is a link, a device or a sparse file"),
        (entry("a/b:c", frame()), "a/b:c has a name that has a character"),
        (entry("a\nb", frame()), r"a\\nb has a name that has control characters"),
        (entry("a/b", packed(packed(packed(frame())))), "a/b is packed more than 4 times"),
        (entry("a/b", bz2.compress(packed(packed(frame())))), "a/b is packed more than 4 times"),
        (entry("a/b", packed(packed(bz2.compress(frame())))), "a/b is packed more than 4 times"),
        (entry("a/b", packed(bytes(FRAME_LIMIT + 1))), "a/b is larger than a frame can be"),
        (entry("a/b", tar(entry("c:d"))), "a/b/c:d has a name"),
    ],
)
def test_a_refused_member_is_named(archive: Callable[[bytes], Path], member: bytes, match: str) -> None:
    """The message has the member's path through all tars."""
    (part,) = parts(archive(packed(tar(entry(name(20), frame()), member))))

    with pytest.raises(UnsafeMember, match=f"archive > {match}.*: DWD published it otherwise, fetch it again"):
        list(walk(part))


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (b"", TruncatedArchive, r"is empty \(0 bytes\): fetch it again"),
        (
            b"\0ncols 900",
            CorruptArchive,
            r"not an archive or a frame \(it begins with b'\\x00ncols 900'\): leave it out",
        ),
        (flipped(tar(entry(name(20), frame())), 10), CorruptArchive, r"\(bad checksum\): fetch"),
        (
            tar(entry(name(20), frame()))[:-1024] + b"more" * 256,
            CorruptArchive,
            "header of the member after it is damaged",
        ),
        (tar(entry(name(20), frame())) + b"more" * 256, CorruptArchive, "there are bytes after the tar's end"),
        (tar(entry(name(20), frame())) + bytes(2 << 20), CorruptArchive, "there are bytes after the tar's end"),
    ],
    ids=["empty", "foreign", "first header", "second header", "after the end", "zeros without end"],
)
def test_a_file_that_is_not_an_archive_is_described(
    archive: Callable[[bytes], Path], data: bytes, error: type[RadarNbError], match: str
) -> None:
    """The message states what was wrong."""
    with pytest.raises(error, match=match):
        members(archive(data))


TEXT = b"RADKLIM, version 2017.002. See the PDF next to it.\n"
GRID = b"ncols 900\nnrows 1100\nxllcorner -443462\nyllcorner -4758645\ncellsize 1000\nNODATA_value -9\n0 0 0\n"
FOREIGN = {
    "README.txt": (TEXT, "is a text file, not a frame: leave it out"),
    "README.txt.gz": (packed(TEXT), "is a text file, not a frame: leave it out"),
    "a.pdf": (b"%PDF-1.7\n\0", "is a PDF document, not radar data"),
    "a.zip": (b"PK\3\4\0\0", "is a zip file: unpack it"),
    "a.xz": (b"\xfd7zXZ\0\0", r"is an xz file: unpack it \(unxz\)"),
    "a.nc": (b"CDF\1\0\0", "is a netCDF file, .*: open it with xarray.open_dataset"),
    "a.asc": (GRID, "is a grid in ASCII, which does not state its product and time, and its name"),
    "a.buf": (
        b"BUFR\0\1",
        "is a BUFR file, .*DWD publishes in BUFR .PG. is WN and HX in HDF5",
    ),
    "a.tif": (b"II*\0\1", "is a GeoTIFF: open it with rioxarray"),
    "DX": (b"DX131525109080620BY54213VS 2CO0CD0CS0EP0.30.30.4\3\0", "is a DX file of one radar in polar form"),
}
"""Files that users mistake for DWD's, and the message for each; undamaged, so never to be fetched again."""


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_well_known_format_is_named_with_a_remedy(tmp_path: Path, kind: str) -> None:
    """A sound file of another format, alone or in an archive, is named, without advice to fetch it again."""
    data, match = FOREIGN[kind]
    alone, inside = tmp_path / kind, tmp_path / "a.tar.gz"
    alone.write_bytes(data)
    inside.write_bytes(packed(tar(entry(kind, data))))

    for path in (alone, inside):
        with pytest.raises((ArchiveError, HeaderError), match=match) as caught:
            deque((check_frame(member) for part in parts(path) for member in walk(part)), maxlen=0)
        assert "fetch it again" not in str(caught.value)


def test_an_archive_of_another_format_has_one_problem(tmp_path: Path) -> None:
    """All its members have one foreign format, which is named once and not 24 times."""
    path = tmp_path / "a.tar.gz"
    path.write_bytes(packed(tar_of((f"PG_{hour:02d}", FOREIGN["a.buf"][0]) for hour in range(24))))

    (problem,) = scan_part(parts(path)[0]).problems

    assert problem.error == "ArchiveError"


def test_files_left_by_macos_and_windows_are_ignored(archive: Callable[[bytes], Path]) -> None:
    """An archive that was packed again on a Mac has only its frames."""
    litter = [f"._{name(20)}", "a/.DS_Store", "__MACOSX/x", "Thumbs.db", "a/desktop.ini"]
    path = archive(packed(tar(*(entry(path, b"\0\5\x16\7") for path in litter), entry(name(20), frame()))))

    assert list(members(path)) == [name(20)]


NESTED: dict[str, Callable[[], bytes]] = {
    "frame": frame,
    "frame.gz": lambda: packed(frame()),
    "frame.gz.gz": lambda: packed(packed(frame())),
    "tar": lambda: day(MINUTES),
    "tar.gz": lambda: packed(day(MINUTES)),
    "tar.gz of gz": lambda: packed(tar_of((f"{key}.gz", packed(data)) for key, data in FRAMES.items())),
    "tar.gz.gz": lambda: packed(packed(day(MINUTES))),
    "tar.gz of tars": lambda: packed(tar_of([("a.tar", day((20,))), ("b.tar", day((25, 30)))])),
    "month": lambda: month(packed(day((20,))), bz2.compress(day((25, 30)))),
}


@pytest.mark.parametrize("nesting", NESTED)
def test_a_members_position_is_correct(archive: Callable[[bytes], Path], nesting: str) -> None:
    """Its bytes are those of the inflated part at its offset; -1 means nested deeper."""
    path = archive(NESTED[nesting]())

    for part in parts(path):
        raw = path.read_bytes()[part.offset : part.offset + part.size]
        inside = (
            gzip.decompress(raw) if sniff(raw) == "gzip" else bz2.decompress(raw) if sniff(raw) == "bzip2" else raw
        )
        for member in walk(part):
            lies = inside[member.offset : member.offset + member.length]
            deeper = nesting in {"frame.gz.gz", "tar.gz.gz", "tar.gz of tars"}
            assert (member.offset, member.length) == (-1, len(member.data)) if deeper else member.offset >= 0
            assert deeper or (gzip.decompress(lies) if sniff(lies) == "gzip" else lies) == member.data


def test_an_archive_can_be_in_memory(archive: Callable[[bytes], Path]) -> None:
    """An archive need not be on a disk."""
    data = month(packed(day((20,))), packed(day((25, 30))))

    found = [(part.name, part.offset, part.size) for part in parts(Blob("archive", data))]

    assert found == [(part.name, part.offset, part.size) for part in parts(archive(data))]


def test_an_archive_is_named_once(archive: Callable[[bytes], Path]) -> None:
    """A member's location is the archive and its path; the archive's name is not repeated as its own part."""
    (part,) = parts(archive(packed(day((20,)))))
    (member,) = walk(part)

    assert member.place == f"{part.archive} > {name(20)}"


@pytest.mark.parametrize("first", [frame(), b"\x89HDF\r\n\x1a\n" + bytes(100)], ids=["frame", "hdf5"])
def test_a_tar_that_begins_with_a_frame_is_one_part(archive: Callable[[bytes], Path], first: bytes) -> None:
    """The first member decides: later archives are walked, not split into days."""
    path = archive(tar(entry("first", first), entry("a.tar.gz", packed(day((20,))))))

    assert [part.name for part in parts(path)] == ["archive"]
    assert [member.name.rsplit("/", 1)[-1] for member in walk(parts(path)[0])] == ["first", name(20)]


def test_a_month_cut_after_a_day_is_refused(archive: Callable[[bytes], Path]) -> None:
    """Without a tar's end the number of days is unknown."""
    one = entry("a.tar.gz", packed(day((20,))))
    cut = one[: 512 + len(packed(day((20,))))]

    with pytest.raises(TruncatedArchive, match=r"archive > a\.tar\.gz is cut short: fetch it again"):
        parts(archive(cut))


def test_limits_are_inclusive(archive: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Days, members and bytes are read up to the limit; one more raises an error that names it."""
    monkeypatch.setattr(archives, "DAY_LIMIT", 2)
    monkeypatch.setattr(archives, "MEMBER_LIMIT", 3)
    monkeypatch.setattr(archives, "ARCHIVE_LIMIT", len(frame()))
    small = packed(tar_of([("a", b"")]))

    assert len(parts(archive(month(small, small)))) == 2
    with pytest.raises(UnsafeMember, match=r"20200603\.tar\.gz follows 2 others, more than a year has days"):
        parts(archive(month(small, small, small)))
    assert len(members(archive(packed(day((20, 25, 30)))))) == 3
    with pytest.raises(UnsafeMember, match=f"{name(35)} follows 3 others, more than any archive of DWD"):
        members(archive(packed(day((20, 25, 30, 35)))))
    with pytest.raises(UnsafeMember, match=f"{name(20)} says it has {len(frame()) + 1} bytes, and no file"):
        members(archive(tar(entry(name(20), frame() + b"!"))))


def test_the_unpacked_size_is_limited_by_the_archives(
    archive: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive may unpack to a thousand bytes per byte, beyond a fixed allowance."""
    path = archive(packed(day(MINUTES)))
    monkeypatch.setattr(archives, "_ROOM", 0)
    assert members(path) == FRAMES

    monkeypatch.setattr(archives, "_RATIO", 1)
    with pytest.raises(UnsafeMember, match=rf"{name(20)} is one too many: it makes 1 kB out of \d"):
        members(archive(packed(tar_of([(name(20), bytes(1400))]))))


def test_a_verified_month_reports_its_sound_bytes() -> None:
    """At each day, the bytes before it are verified: a download resumes from there."""
    data = month(packed(day((20,))), packed(day((25,))), packed(day((30,))))
    blob, sound = Blob("archive", data), list[int]()

    verify_part(Part(archive=blob, name="archive", offset=0, size=len(data)), Reopened(blob, 0), sound.append)

    assert sound == [part.offset - 512 for part in parts(blob)]


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (frame()[:-1], TruncatedFrame, "its header says"),
        (frame() + b"!", HeaderError, "its header says"),
        (b"", TruncatedArchive, r"a\.tar is empty"),
        (b"<html>", NotAnArchive, r"a\.tar is a web page"),
        (packed(b"?" * (FRAME_LIMIT + 1)), UnsafeMember, r"a\.tar is larger than a frame"),
        (packed(packed(packed(packed(packed(frame()))))), UnsafeMember, "is packed more than 4 times"),
    ],
    ids=["short frame", "long frame", "empty", "page", "large", "deep"],
)
def test_a_growing_file_is_verified_alike(data: bytes, error: type[RadarNbError], match: str) -> None:
    """The bytes are those of the source, whatever is on the disk: no file has the name yet."""
    with pytest.raises(error, match=match):
        verify_part(Part(archive=Path("a.tar"), name="a.tar", offset=0, size=-1), Reopened(Blob("", data), 0))


@pytest.mark.parametrize(
    "data",
    [frame(), packed(tar(entry("readme", b"no frame"))), packed(packed(packed(packed(frame()))))],
    ids=["frame", "foreign member", "four deep"],
)
def test_verification_accepts_undamaged_bytes(data: bytes) -> None:
    """A single frame is compared with its header; members only with the archive's checksums."""
    verify_part(Part(archive=Path("a.tar"), name="a.tar", offset=0, size=-1), Reopened(Blob("", data), 0))


def test_a_month_cut_inside_a_day_returns_the_days_before(archive: Callable[[bytes], Path]) -> None:
    """The days before the cut can be read; the truncated day is the last part, and raises."""
    whole, cut = parts(archive(month(packed(day((20,))), packed(day((25,))), packed(day((30,))))[:3500]))

    assert [member.name for member in walk(whole)] == [name(20)]
    with pytest.raises(TruncatedArchive, match=r"20200602\.tar\.gz.* is cut short"):
        list(walk(cut))


@pytest.mark.parametrize(
    ("damage", "error"),
    [
        (lambda data: data[:-1024], TruncatedArchive),
        (lambda data: flipped(data, 10), CorruptArchive),
        (lambda data: data + b"more" * 128, CorruptArchive),
    ],
    ids=["no end", "first header", "more after the end"],
)
def test_a_month_whose_own_tar_is_damaged_is_refused(
    archive: Callable[[bytes], Path], damage: Callable[[bytes], bytes], error: type[RadarNbError]
) -> None:
    """A damaged outer tar raises before any day is read: a day may be missing."""
    path = archive(damage(month(packed(day((20,))), packed(day((25,))))))

    with pytest.raises(error, match="fetch it again"):
        parts(path)


def test_the_limit_of_a_member_is_inclusive(archive: Callable[[bytes], Path]) -> None:
    """A member may have as many bytes as the limit, and not one more."""
    (part,) = parts(archive(packed(frame())))
    size = len(frame())

    assert len(next(walk(part, limit=size)).data) == size
    with pytest.raises(UnsafeMember, match="larger than a frame"):
        next(walk(part, limit=size - 1))


def test_a_web_page_is_not_an_archive(archive: Callable[[bytes], Path]) -> None:
    """A page saved under an archive's name is reported as a web page."""
    with pytest.raises(NotAnArchive, match="is a web page, not an archive: fetch it again"):
        parts(archive(b"<!DOCTYPE html><title>404</title>"))


@pytest.mark.parametrize(
    ("place", "text"),
    [("nothing.tar", "there is no archive .*fetch it first"), (".", "is a folder, .*pass the files")],
)
def test_a_path_without_a_file_raises(tmp_path: Path, place: str, text: str) -> None:
    """A missing path or a folder raises with a remedy."""
    with pytest.raises(NothingFound, match=text):
        parts(tmp_path / place)


def test_an_archive_that_vanishes_raises(archive: Callable[[bytes], Path]) -> None:
    """A file that was removed while it was read is not reported as damaged."""
    path = archive(day())
    (part,) = parts(path)
    path.unlink()

    with pytest.raises(StorageError, match=r"is gone: it was moved or deleted"):
        next(walk(part))


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (b"", TruncatedFrame, r"is empty \(0 bytes\)"),
        (frame()[:-1], TruncatedFrame, "its header says"),
        (frame() + b"\n", HeaderError, "its header says"),
        (b"no frame at all", HeaderError, "does not begin like a RADOLAN frame"),
    ],
    ids=["empty", "short", "long", "foreign"],
)
def test_a_member_is_compared_with_its_header(
    archive: Callable[[bytes], Path], data: bytes, error: type[RadarNbError], match: str
) -> None:
    """A member that is not a complete frame is refused by place; the walk continues after it."""
    (part,) = parts(archive(packed(tar(entry("bad", data), entry("good", frame())))))
    steps = walk(part)

    with pytest.raises(error, match=f"archive > bad .*{match}"):
        check_frame(next(steps))

    assert check_frame(next(steps)).size == len(frame())


def test_an_hdf5_member_is_checked_by_its_own_reader(archive: Callable[[bytes], Path]) -> None:
    """A composite has a header; a damaged or malicious file is refused by place."""
    sound, broken = small_composite(), b"\x89HDF\r\n\x1a\n" + bytes(100)
    (part,) = parts(archive(packed(tar(entry("sound", sound), entry("broken", broken)))))
    steps = walk(part)

    assert check_frame(next(steps)).product == "RW"
    with pytest.raises(HeaderError, match=r"archive > broken is (not HDF5, or )?damaged"):
        check_frame(next(steps))


@given(st.binary(max_size=40), st.integers(0, 4000), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_never_raises_a_foreign_error_or_returns_wrong_bytes(
    tmp_path: Path, data: bytes, place: int, cut: bool, inside: bool
) -> None:
    """Overwriting or truncating raises an error of radar_nb, or returns the original frames."""
    whole = day(MINUTES) if inside else packed(day(MINUTES))
    broken = whole[:place] + data + (b"" if cut else whole[place + len(data) :])
    path = tmp_path / "archive"
    path.write_bytes(packed(broken) if inside else broken)

    try:
        found = {}
        for part in parts(path):
            for member in walk(part):
                check_frame(member)
                found[member.name] = bytes(member.data)
    except RadarNbError:
        return

    if not inside:  # a checksum made after the damage hides what lies in a frame
        assert found == FRAMES


@given(st.text(max_size=30))
def test_a_safe_name_stays_in_its_folder(text: str) -> None:
    """An accepted name, joined to a folder, is inside this folder."""
    if not unsafe_name(text):
        path = Path("/folder", text)

        assert path.is_relative_to("/folder")
        assert ".." not in path.parts


@pytest.mark.parametrize(
    "path", ["raa01-yw2017.002_10000-2006131525-dwd---bin", "a/b.gz", "RW_2017 (1).nc", "%M", "...a"]
)
def test_a_common_name_passes(path: str) -> None:
    """Names by DWD and users are safe."""
    assert not unsafe_name(path)


def test_a_walk_can_end_early(archive: Callable[[bytes], Path]) -> None:
    """An abandoned walk leaves no open file."""
    path = archive(month(packed(day((20, 25)))))
    steps = walk(parts(path)[0])
    next(steps)
    steps.close()  # type: ignore[attr-defined]

    path.unlink()

    assert not path.exists()


def test_every_archive_of_the_mirror_is_read(real_mirror: Path) -> None:
    """DWD's nesting, naming and compression are read, verified, and equal to tarfile and gzip."""
    for path in sorted(
        file for file in real_mirror.rglob("[!.]*") if file.is_file() and file.stat().st_size < 20 << 20
    ):
        for part in parts(path):
            for member in walk(part):
                assert check_frame(member).size == len(member.data)
                assert member.name.startswith("raa01-")


def test_a_real_archive_equals_tarfile(real_mirror: Path) -> None:
    """The frames of a real archive with gzipped members equal those of tarfile and gzip."""
    path = next(real_mirror.rglob("RW201910.tar.gz"))
    with tarfile.open(path) as file:
        expected = {
            info.name.removesuffix(".gz"): gzip.decompress(stream.read())
            for info in file
            if (stream := file.extractfile(info)) is not None
        }

    assert members(path) == expected


def test_the_limits_leave_room_for_a_month() -> None:
    """Limits exceed what DWD publishes: a month of 5-minute frames in one archive, the largest frame, a day."""
    assert MEMBER_LIMIT > 31 * 288
    assert FRAME_LIMIT > 5_280_195
    assert ARCHIVE_LIMIT > 100 << 20
