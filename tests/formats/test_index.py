"""The index: it describes its archive, and is never trusted otherwise."""

from __future__ import annotations

import bz2
import gzip
import io
import os
import tarfile
import tracemalloc
import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support.malicious_archives import frame, name

from radar_nb.errors import CorruptArchive, HeaderError, SeriesError, TruncatedArchive, TruncatedFrame
from radar_nb.formats.archives import parts
from radar_nb.formats.index import (
    ROW,
    Index,
    Problem,
    archive_stamp,
    load_index,
    make_index,
    save_index,
    scan_part,
)
from radar_nb.reading.sources import find_files, scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from radar_nb.formats.archives import Part
    from radar_nb.formats.index import FrameKind, PartScan
    from radar_nb.runtime.progress import Progress

MINUTES = (0, 5, 10, 15)


def tar_of(members: dict[str, bytes], compression: str = "") -> bytes:
    """Return a tar of members, in their order."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{compression}" if compression else "w") as tar:  # type: ignore[call-overload]
        for path, data in members.items():
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


def frames(minutes: tuple[int, ...] = MINUTES) -> dict[str, bytes]:
    return {name(minute): frame(minute, seed=minute) for minute in minutes}


def packed(members: dict[str, bytes]) -> dict[str, bytes]:
    return {f"{path}.gz": gzip.compress(data) for path, data in members.items()}


NESTINGS: dict[str, Callable[[], bytes]] = {
    "tar": lambda: tar_of(frames()),
    "tar.gz": lambda: tar_of(frames(), "gz"),
    "tar.bz2": lambda: tar_of(frames(), "bz2"),
    "tar of tar.gz": lambda: tar_of(
        {"a.tar.gz": tar_of(frames((0, 5)), "gz"), "b.tar.gz": tar_of(frames((10, 15)), "gz")}
    ),
    "tar.gz of gz": lambda: tar_of(packed(frames()), "gz"),
    "tar.gz.gz": lambda: gzip.compress(tar_of(frames(), "gz")),
    "tar of gz": lambda: tar_of(packed(frames())),
    "tar.gz of tar.gz": lambda: tar_of({"a.tar.gz": tar_of(frames(), "gz")}, "gz"),
    "gz": lambda: gzip.compress(frame(0)),
    "bz2": lambda: bz2.compress(frame(0)),
    "gz of gz": lambda: gzip.compress(gzip.compress(frame(0))),
}


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "YW-200613.tar.gz"
    path.write_bytes(tar_of(frames(), "gz"))
    return path


def index_of(path: Path) -> Index:
    found = parts(path)
    return make_index(path, found, [scan_part(part) for part in found], stamp=archive_stamp(path))


def index_file(path: Path) -> Path:
    return path.with_name(f".{path.name.replace('.', '_')}.index")


class TestContent:
    """The contents of an index."""

    @pytest.mark.parametrize("nesting", NESTINGS)
    def test_a_stored_index_is_restored(self, nesting: str, tmp_path: Path) -> None:
        """For any nesting, rows, kinds, names and parts are restored."""
        path = tmp_path / "archive"
        path.write_bytes(NESTINGS[nesting]())
        made = index_of(path)

        save_index(made, path)
        kept = load_index(path)

        assert kept is not None
        assert (kept.rows == made.rows).all()
        assert (kept.kinds, kept.parts, kept.names, kept.problems) == (made.kinds, made.parts, made.names, ())

    def test_the_rows_have_time_and_place_of_each_frame(self, archive: Path) -> None:
        """A row's offset and length are those of the member's bytes in the inflated tar."""
        index = index_of(archive)

        inflated = gzip.decompress(archive.read_bytes())
        times = index.rows["time"].astype("datetime64[s]")
        assert [str(time)[-5:-3] for time in times] == ["00", "05", "10", "15"]
        for row, minute in zip(index.rows, MINUTES, strict=True):
            assert inflated[row["offset"] : row["offset"] + row["length"]] == frame(minute, seed=minute)

    def test_kinds_do_not_include_time(self, archive: Path) -> None:
        """Frames that differ only in time are of one kind."""
        index = index_of(archive)

        assert len(index.kinds) == 1
        assert index.kinds[0].header.product == "YW"
        assert index.kinds[0].itemsize == 2

    def test_a_place_names_archive_part_and_member(self, tmp_path: Path) -> None:
        """The place of a frame in an error can be found by hand."""
        path = tmp_path / "month.tar"
        path.write_bytes(NESTINGS["tar of tar.gz"]())

        assert index_of(path).place(2) == f"{path} > b.tar.gz > {name(10)}"


def _with_row(**fields: int) -> Callable[[Index], Index]:
    """Return what changes fields of an index's second row."""

    def forge(index: Index) -> Index:
        rows = index.rows.copy()
        for field, value in fields.items():
            rows[field][1] = value
        return replace(index, rows=rows)

    return forge


def _with_header(kind: FrameKind, **fields: Any) -> FrameKind:
    return replace(kind, header=replace(kind.header, **fields))


class TestTrust:
    """Conditions for trusting an index."""

    def test_the_second_scan_reads_only_the_index(self, archive: Path) -> None:
        """An archive without its bytes, but with its size and time, still opens: only the index was read."""
        first = scan([archive], progress=False)
        status = archive.stat()
        archive.write_bytes(bytes(status.st_size))
        os.utime(archive, ns=(status.st_atime_ns, status.st_mtime_ns))

        second = scan([archive], progress=False)

        assert (second.rows == first.rows).all()

    def test_a_cancelled_scan_does_not_wait_for_the_rest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An error of the reporter ends the reading; pending parts are not read."""
        days = 200
        day = tar_of(frames(), "gz")
        (tmp_path / "month.tar").write_bytes(tar_of({f"{number:03d}.tar.gz": day for number in range(days)}))
        read = []

        def counted(part: Part) -> PartScan:
            read.append(part)
            return scan_part(part)

        def cancel(_: Progress) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("radar_nb.reading.sources.scan_part", counted)

        with pytest.raises(KeyboardInterrupt):
            scan([tmp_path / "month.tar"], progress=cancel)

        assert 0 < len(read) < days

    @pytest.mark.parametrize("size", [0, 1])
    def test_a_changed_archive_is_read_again(self, archive: Path, size: int) -> None:
        """Another size or time of change invalidates an index."""
        scan([archive], progress=False)
        archive.write_bytes(tar_of(frames((20, 25)), "gz") if size else archive.read_bytes())
        os.utime(archive, ns=(1, 1))

        found = scan([archive], progress=False)

        assert len(found.rows) == (2 if size else 4)

    def test_a_damaged_index_is_rebuilt(self, archive: Path) -> None:
        """A flipped bit anywhere, a cut or an appended byte is detected."""
        true = scan([archive], progress=False).rows
        data = index_file(archive).read_bytes()
        damaged = [data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :] for at in range(0, len(data), 7)]

        for text in (*damaged, data[:-1], data + b"x", b"", data.split(b"\n")[0] + b"\n"):
            index_file(archive).write_bytes(text)
            assert load_index(archive) is None
        assert (scan([archive], progress=False).rows == true).all()
        assert index_file(archive).read_bytes() == data

    def test_an_index_with_fewer_checks_is_rebuilt(self, archive: Path) -> None:
        """The result of an older version is not trusted, although checksum, size and time match."""
        scan([archive], progress=False)
        data = index_file(archive).read_bytes()
        older = data.replace(b"radar_nb index 3", b"radar_nb index 2", 1)[:-4]
        index_file(archive).write_bytes(older + zlib.crc32(older).to_bytes(4, "little"))

        assert older != data[:-4]
        assert load_index(archive) is None
        scan([archive], progress=False)
        assert index_file(archive).read_bytes() == data

    def test_the_index_of_another_archive_is_not_trusted(self, archive: Path, tmp_path: Path) -> None:
        """An index copied next to another archive, of the same size and time, is ignored."""
        scan([archive], progress=False)
        other = tmp_path / "RY-200614.tar.gz"
        other.write_bytes(archive.read_bytes())
        os.utime(other, ns=(archive.stat().st_atime_ns, archive.stat().st_mtime_ns))
        index_file(other).write_bytes(index_file(archive).read_bytes())

        assert load_index(other) is None

    @pytest.mark.parametrize(
        "forge",
        [
            _with_row(time=1 << 62),
            _with_row(kind=-1),
            _with_row(part=-1),
            _with_row(position=-1),
            _with_row(offset=-2),
            _with_row(length=-1),
            lambda index: replace(index, parts=(replace(index.parts[0], offset=-5),)),
            lambda index: replace(index, parts=(replace(index.parts[0], size=1 << 40),)),
            lambda index: replace(index, kinds=(_with_header(index.kinds[0], rows=-1),)),
            lambda index: replace(index, kinds=(_with_header(index.kinds[0], rows="many"),)),
            lambda index: replace(index, kinds=(_with_header(index.kinds[0], product="\x1b]0;owned"),)),
            lambda index: replace(index, kinds=(_with_header(index.kinds[0], radar_id={}),)),
            lambda index: replace(index, kinds=(_with_header(index.kinds[0], software="\x1b]0;owned"),)),
            lambda index: replace(index, kinds=(_with_header(index.kinds[0], lead=True),)),
            lambda index: replace(index, kinds=(replace(index.kinds[0], form="evil"),)),
            lambda index: replace(index, parts=(replace(index.parts[0], offset=0.0),)),
            lambda index: replace(index, problems=(Problem("Incomplete", "text"),)),
            lambda index: replace(index, problems=(Problem("annotations", "text"),)),
        ],
    )
    def test_a_forged_index_is_ignored(self, archive: Path, forge: Callable[[Index], Index]) -> None:
        """Its checksum is correct, but no scan finds such numbers: the archive is read again."""
        scan([archive], progress=False)
        index = load_index(archive)
        assert index is not None
        save_index(forge(index), archive)

        found = scan([archive], progress=False)

        assert len(found.rows) == 4
        assert found.problems == ()

    def test_names_that_inflate_without_end_are_limited(self, archive: Path) -> None:
        """A bomb of names takes no memory: the frames are still read, without names."""
        scan([archive], progress=False)
        index = load_index(archive)
        assert index is not None
        save_index(replace(index, _names=zlib.compress(bytes(1 << 26))), archive)

        tracemalloc.start()
        try:
            forged = load_index(archive)
            assert forged is not None
            assert forged.names == ("",) * 4
            assert tracemalloc.get_traced_memory()[1] < 1 << 20
        finally:
            tracemalloc.stop()

    def test_deep_json_is_ignored(self, archive: Path) -> None:
        """A head of 100,000 brackets is not an index."""
        scan([archive], progress=False)
        magic = index_file(archive).read_bytes().split(b"\n")[0] + b"\n"
        body = magic + (100_000).to_bytes(4, "little") + b"[" * 100_000
        index_file(archive).write_bytes(body + zlib.crc32(body).to_bytes(4, "little"))

        assert load_index(archive) is None

    @pytest.mark.skipif(os.name != "posix", reason="needs a FIFO")
    def test_a_fifo_in_place_of_an_index_does_not_block(self, archive: Path) -> None:
        """An index is read only from a regular file."""
        os.mkfifo(index_file(archive))

        assert len(scan([archive], progress=False).rows) == 4

    def test_an_index_moves_with_its_archive(self, archive: Path, tmp_path: Path) -> None:
        """A moved folder opens as quickly as before, and messages name the new place."""
        scan([archive], progress=False)
        new = tmp_path / "new"
        new.mkdir()
        for path in (archive, index_file(archive)):
            path.rename(new / path.name)

        index = load_index(new / archive.name)

        assert index is not None
        assert index.place(0).startswith(str(new))

    def test_the_cache_holds_the_index_of_a_read_only_folder(
        self, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A read-only folder of archives is read once, not at every open."""
        monkeypatch.setenv("RADAR_NB_CACHE", str(tmp_path / "cache"))
        index_file(archive).mkdir()  # no file can take its place, even for root

        scan([archive], progress=False)

        assert load_index(archive) is not None
        assert list((tmp_path / "cache").glob("*.index"))

    def test_without_a_writable_place_the_archive_is_still_read(
        self, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Opening works without an index, if slowly."""
        (tmp_path / "file").write_bytes(b"")
        monkeypatch.setenv("RADAR_NB_CACHE", str(tmp_path / "file" / "cache"))
        index_file(archive).mkdir()

        assert len(scan([archive], progress=False).rows) == 4
        assert load_index(archive) is None

    @pytest.mark.parametrize("pattern", ["*", "*.tar*"])
    def test_an_index_is_not_mistaken_for_an_archive(self, archive: Path, pattern: str) -> None:
        """Patterns of pathlib match hidden files: those are ignored."""
        scan([archive], progress=False)

        assert find_files(archive.parent.glob(pattern)) == (archive,)

    def test_a_single_frame_gets_no_index(self, tmp_path: Path) -> None:
        """Reading a file of one frame is as quick as reading its index: none is stored."""
        path = tmp_path / f"{name(0)}.gz"
        path.write_bytes(gzip.compress(frame(0)))

        scan([path], progress=False)

        assert list(tmp_path.iterdir()) == [path]


def _renamed(members: dict[str, bytes]) -> dict[str, bytes]:
    members[name(50)] = members.pop(name(15))
    return members


def _swapped(members: dict[str, bytes]) -> dict[str, bytes]:
    return {path: members[path] for path in (name(0), name(10), name(5), name(15))}


DAMAGES: dict[str, tuple[Any, type[Exception], str, int]] = {
    "renamed": (_renamed, HeaderError, r"2050|1550.*unlike its name", 3),
    "emptied": (lambda m: m | {name(5): b""}, TruncatedFrame, r"1505.*is empty", 3),
    "truncated": (lambda m: m | {name(5): m[name(5)][:-9]}, TruncatedFrame, r"1505.*it is cut short", 3),
    "foreign": (
        lambda m: m | {"readme.txt": b"read me"},
        HeaderError,
        r"readme.txt does not begin like a RADOLAN",
        4,
    ),
    "doubled": (lambda m: m | {f"again/{name(5)}": m[name(5)]}, SeriesError, r"again/.*has the time of", 5),
    "out of order": (_swapped, SeriesError, r"1505.*comes after frames of later times", 4),
    "other product": (
        lambda m: {name(0).replace("yw", "rw"): m[name(0)]} | m,
        HeaderError,
        r"raa01-rw.*unlike its name",
        4,
    ),
}


class TestProblems:
    """Members that are damaged, renamed, doubled, out of order or foreign."""

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_damaged_members_are_reported_and_stored(self, damage: str, tmp_path: Path) -> None:
        """Each damaged member is named with its archive and reason, by the first scan and by the index."""
        change, error, message, left = DAMAGES[damage]
        path = tmp_path / "YW-200613.tar.gz"
        path.write_bytes(tar_of(change(frames()), "gz"))

        first = scan([path], progress=False)
        second = scan([path], progress=False)

        assert index_file(path).exists()
        assert first.problems == second.problems
        assert len(first.rows) == len(second.rows) == left
        for found in (first, second):
            with pytest.raises(error, match=message) as raised:
                raise found.problems[0].exception()
            assert str(path) in str(raised.value)

    def test_a_flipped_bit_affects_only_its_part(self, tmp_path: Path) -> None:
        """A corrupt day yields no frame; the other days of the month are intact."""
        day = bytearray(tar_of(frames((10, 15)), "gz"))
        day[len(day) // 2] ^= 4
        path = tmp_path / "month.tar"
        path.write_bytes(tar_of({"a.tar.gz": tar_of(frames((0, 5)), "gz"), "b.tar.gz": bytes(day)}))

        found = scan([path], progress=False)

        assert [problem.error for problem in found.problems] == [CorruptArchive.__name__]
        assert "b.tar.gz" in found.problems[0].text
        assert len(found.rows) == 2

    def test_the_frames_before_a_cut_are_kept(self, tmp_path: Path) -> None:
        """Frames before the cut were compared with their headers, and count."""
        path = tmp_path / "YW-200613.tar.gz"
        whole = tar_of({name(minute): frame(minute, rows=600, cols=500) for minute in MINUTES}, "gz")
        path.write_bytes(whole[: len(whole) * 3 // 4])

        found = scan([path], progress=False)

        assert [problem.error for problem in found.problems] == [TruncatedArchive.__name__]
        assert 0 < len(found.rows) < 4

    def test_only_some_minutes_are_tolerated(self, tmp_path: Path) -> None:
        """RW's first years end at minute 45 where the name says 50: less than ten minutes are accepted."""
        often, hourly = tmp_path / "RY-200613.tar", tmp_path / "RW-200613.tar"
        often.write_bytes(tar_of({name(50): frame(45)}))
        hour = frame(45).replace(b"RY", b"RW", 1).replace(b"INT   5", b"INT  60")
        hourly.write_bytes(tar_of({name(50).replace("ry", "rw"): hour}))

        assert not scan([hourly], progress=False).problems
        assert scan([often], progress=False).problems  # the frame of five minutes before


def test_rows_are_small() -> None:
    """2.6 million frames fit in 100 MB."""
    assert np.dtype(ROW).itemsize <= 36


def test_derived_files_are_not_sources(tmp_path: Path) -> None:
    """Parts, notes and netCDF results next to archives are ignored."""
    for derived in (
        "YW2017.002_202006.tar",
        "YW2017.002_202006.tar.meta.json",
        "b.tar.part",
        "b.tar.part.meta.json",
        "total.nc",
        ".YW2017.002_202006.tar.lock",
    ):
        (tmp_path / derived).write_bytes(b"x")

    assert find_files(tmp_path) == (tmp_path / "YW2017.002_202006.tar",)
