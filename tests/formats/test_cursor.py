"""The cursor: any frame, in any order, from any nesting, and only what is in the index."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from formats.test_index import NESTINGS, index_of, tar_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.malicious_archives import frame, name

from radar_nb.errors import SeriesError, StorageError, TruncatedArchive
from radar_nb.formats import cursor as cursor_module
from radar_nb.formats.archives import parts
from radar_nb.formats.cursor import Cursor, frame_codes
from radar_nb.formats.packing import Packing
from radar_nb.formats.radolan import read_frame
from radar_nb.formats.streams import Blob, Inflater

if TYPE_CHECKING:
    from pathlib import Path

LARGE = {name(minute): frame(minute, seed=minute, rows=700, cols=500) for minute in range(0, 60, 5)}


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive of twelve frames of 0.7 MB, so that there are marks inside it."""
    path = tmp_path_factory.mktemp("day") / "RY-200613.tar.gz"
    path.write_bytes(tar_of(LARGE, "gz"))
    return path


@pytest.fixture(autouse=True)
def marks(monkeypatch: pytest.MonkeyPatch) -> cursor_module.Marks:
    """Leave marks a megabyte apart, and none of other tests."""
    fresh = cursor_module.Marks(limit=2048)
    monkeypatch.setattr(cursor_module, "_MARKS", fresh)
    monkeypatch.setattr(cursor_module, "_SPACING", 1 << 20)
    return fresh


class TestAnyOrder:
    """Frames in any order."""

    @pytest.mark.parametrize("nesting", NESTINGS)
    def test_every_frame_of_every_nesting_is_found_again(self, nesting: str, tmp_path: Path) -> None:
        """Forward, backward and twice, a cursor returns the bytes that were packed."""
        path = tmp_path / "archive"
        path.write_bytes(NESTINGS[nesting]())
        index = index_of(path)
        minutes = (index.rows["time"] // 60) % 60

        for row, minute in [*zip(index.rows, minutes, strict=True)] * 2 + [*zip(index.rows, minutes, strict=True)][
            ::-1
        ]:
            data = Cursor(index.parts[row["part"]]).read(row, name="it")
            assert data == frame(int(minute), seed=int(minute))

    @settings(
        max_examples=6,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        derandomize=True,
    )
    @given(order=st.lists(st.integers(0, 11), min_size=1, max_size=12), cursors=st.integers(1, 4))
    def test_frames_are_returned_in_the_requested_order(self, order: list[int], cursors: int, day: Path) -> None:
        """Marks of earlier readers do not affect which frame is returned."""
        index = index_of(day)
        some = [Cursor(index.parts[0]) for _ in range(cursors)]

        for step, number in enumerate(order):
            found = some[step % cursors]
            assert found.read(index.rows[number], name="it") == LARGE[name(5 * number)]
            found.rest()

    def test_a_mark_avoids_inflating_earlier_bytes(self, day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """After one pass, the last frame is reached from a mark near it."""
        index = index_of(day)
        Cursor(index.parts[0]).read(index.rows[11], name="it")
        inflated = []
        original = Inflater.readinto

        def counting(self: Inflater, buffer: memoryview) -> int:
            inflated.append(len(buffer))
            return original(self, buffer)

        monkeypatch.setattr(Inflater, "readinto", counting)
        Cursor(index.parts[0]).read(index.rows[11], name="it")

        assert sum(inflated) < 3 << 20 < index.rows["offset"][11]

    def test_unused_marks_are_discarded(self, day: Path) -> None:
        """Memory for marks is limited, for any number of archives."""
        few = cursor_module.Marks(limit=5)
        all_marks = []
        for number in range(20):
            marks = few.of(number)
            all_marks.append(marks)
            for megabytes in (2, 4):
                inflater = Inflater(day, 0, day.stat().st_size)
                inflater.position = megabytes << 20
                marks.add(inflater, 1 << 20)

        assert few.of(19) is all_marks[19]
        assert few.of(18) is all_marks[18]
        assert len(few.of(0)) == 0

    def test_a_changed_archive_has_no_old_marks(self, tmp_path: Path) -> None:
        """Marks belong to an archive's bytes: other bytes under the same name have none."""
        path = tmp_path / "RY-200613.tar.gz"
        path.write_bytes(tar_of(LARGE, "gz"))
        index = index_of(path)
        Cursor(index.parts[0]).read(index.rows[11], name="it")
        other = {path: frame(0, seed=99, rows=700, cols=500) for path in LARGE}
        path.write_bytes(gzip.compress(tar_of(other), 1))

        (part,) = parts(path)
        data = Cursor(part).read(index.rows[11], name="it")

        assert data == other[name(55)]


class TestDistrust:
    """Archives that have changed since they were indexed."""

    def test_a_frame_with_another_header_has_changed(self, day: Path) -> None:
        """The checksum of the header in the index must be that of the bytes."""
        index = index_of(day)
        data = Cursor(index.parts[0]).read(index.rows[3], name="it")

        with pytest.raises(SeriesError, match="the frame has changed since it was opened: open it again"):
            frame_codes(data, index.kinds[0], int(index.rows["hash"][4]), Packing(), name="the frame")

    def test_a_truncated_archive_raises(self, day: Path, tmp_path: Path) -> None:
        """Missing bytes raise an error with archive and member."""
        path = tmp_path / day.name
        path.write_bytes(day.read_bytes())
        index = index_of(path)
        path.write_bytes(day.read_bytes()[:-4000])

        with pytest.raises(TruncatedArchive, match=r"RY-200613.*the last one is cut short"):
            Cursor(index.parts[0]).read(index.rows[11], name="the last one")

    def test_a_removed_archive_raises(self, day: Path, tmp_path: Path) -> None:
        """A file that was removed after opening raises an error of storage."""
        path = tmp_path / day.name
        path.write_bytes(day.read_bytes())
        index = index_of(path)
        path.unlink()

        with pytest.raises(StorageError, match=r"RY-200613.*is gone"):
            Cursor(index.parts[0]).read(index.rows[0], name="it")


class TestInflater:
    """The gzip reader that can be copied."""

    @given(pieces=st.lists(st.binary(max_size=3000), min_size=1, max_size=4), cuts=st.lists(st.integers(1, 5000)))
    def test_it_equals_gzip(self, pieces: list[bytes], cuts: list[int]) -> None:
        """One or several gzip files in a row are read in any steps, with a copy continuing at each."""
        packed = b"".join(map(gzip.compress, pieces))
        source: Any = Inflater(Blob("it", packed), 0, len(packed))
        found = io.BytesIO()
        for cut in [*cuts, 20_000]:
            buffer = bytearray(cut)
            found.write(buffer[: source.readinto(memoryview(buffer))])
            source = source.copy()

        assert found.getvalue() == b"".join(pieces)


def test_codes_are_those_of_the_frame(day: Path) -> None:
    """The cursor's codes equal those of `read_frame`."""
    index = index_of(day)
    data = Cursor(index.parts[0]).read(index.rows[7], name="it")
    packing = Packing(scale=0.01)

    codes, same = frame_codes(data, index.kinds[0], int(index.rows["hash"][7]), packing, name="it")

    assert same is packing
    np.testing.assert_array_equal(codes, read_frame(LARGE[name(35)])[1])


def test_a_frame_of_another_length_has_changed(day: Path) -> None:
    """A frame with a correct header and missing codes raises."""
    index = index_of(day)
    data = Cursor(index.parts[0]).read(index.rows[3], name="it")

    with pytest.raises(SeriesError, match=r"the frame has changed since .*remove its old index first"):
        frame_codes(data[:-2], index.kinds[0], int(index.rows["hash"][3]), Packing(), name="the frame")


def test_a_frame_missing_in_an_inner_archive_raises(tmp_path: Path) -> None:
    """Nested frames are found by number: if there are fewer, the archive has changed."""
    path = tmp_path / "archive"
    path.write_bytes(NESTINGS["tar.gz of tar.gz"]())
    row = index_of(path).rows[-1].copy()
    row["position"] += 1

    with pytest.raises(TruncatedArchive, match="has changed since it was opened: open it again"):
        Cursor(index_of(path).parts[0]).read(row, name="it")
