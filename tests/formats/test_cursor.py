"""Laws of the cursor: any frame, in any order, from any nesting, and nothing that the index does not know."""

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
    """Give an archive of twelve frames of 0.7 MB, so that there are marks inside it."""
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
    """Frames in whatever order."""

    @pytest.mark.parametrize("nesting", NESTINGS)
    def test_every_frame_of_every_nesting_is_found_again(self, nesting: str, tmp_path: Path) -> None:
        """Forward, backward and twice, a cursor gives the bytes that were packed."""
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
        max_examples=25,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
        derandomize=True,
    )
    @given(order=st.lists(st.integers(0, 11), min_size=1, max_size=12), cursors=st.integers(1, 4))
    def test_frames_come_in_the_order_asked_for(self, order: list[int], cursors: int, day: Path) -> None:
        """Whatever marks earlier readings have left, a frame is the one that was asked for."""
        index = index_of(day)
        some = [Cursor(index.parts[0]) for _ in range(cursors)]

        for step, number in enumerate(order):
            found = some[step % cursors]
            assert found.read(index.rows[number], name="it") == LARGE[name(5 * number)]
            found.rest()

    def test_a_mark_saves_inflating_what_lies_before_it(self, day: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """After one way through, the last frame is reached from a mark near it."""
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

    def test_marks_of_parts_that_are_not_used_are_forgotten(self, day: Path) -> None:
        """Memory for marks has a limit, whatever number of archives is read."""
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
        """The marks of an archive are those of its bytes: other bytes under the same name start anew."""
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
    """Archives that are no longer what the index knows."""

    def test_a_frame_with_another_header_has_changed(self, day: Path) -> None:
        """The checksum of the header in the index must be that of the bytes."""
        index = index_of(day)
        data = Cursor(index.parts[0]).read(index.rows[3], name="it")

        with pytest.raises(SeriesError, match="the frame has changed since it was opened: open it again"):
            frame_codes(data, index.kinds[0], int(index.rows["hash"][4]), Packing(), name="the frame")

    def test_an_archive_that_was_cut_off_since_tells_it(self, day: Path, tmp_path: Path) -> None:
        """Bytes that are gone are missed with archive and member."""
        path = tmp_path / day.name
        path.write_bytes(day.read_bytes())
        index = index_of(path)
        path.write_bytes(day.read_bytes()[:-4000])

        with pytest.raises(TruncatedArchive, match=r"RY-200613.*the last one is cut short"):
            Cursor(index.parts[0]).read(index.rows[11], name="the last one")

    def test_an_archive_that_is_gone_tells_it(self, day: Path, tmp_path: Path) -> None:
        """A file that was removed after it was opened is an error of storage."""
        path = tmp_path / day.name
        path.write_bytes(day.read_bytes())
        index = index_of(path)
        path.unlink()

        with pytest.raises(StorageError, match=r"RY-200613.*cannot be read"):
            Cursor(index.parts[0]).read(index.rows[0], name="it")


class TestInflater:
    """The gzip reader that can be copied."""

    @given(pieces=st.lists(st.binary(max_size=3000), min_size=1, max_size=4), cuts=st.lists(st.integers(1, 5000)))
    def test_it_gives_what_gzip_gives(self, pieces: list[bytes], cuts: list[int]) -> None:
        """One gzip file or several in a row, read in any steps, with a copy taking over at each."""
        packed = b"".join(map(gzip.compress, pieces))
        source: Any = Inflater(Blob("it", packed), 0, len(packed))
        found = io.BytesIO()
        for cut in [*cuts, 20_000]:
            buffer = bytearray(cut)
            found.write(buffer[: source.readinto(memoryview(buffer))])
            source = source.copy()

        assert found.getvalue() == b"".join(pieces)


def test_codes_are_those_of_the_frame(day: Path) -> None:
    """What the cursor gives as codes is what `read_frame` reads."""
    index = index_of(day)
    data = Cursor(index.parts[0]).read(index.rows[7], name="it")
    packing = Packing(scale=0.01)

    codes, same = frame_codes(data, index.kinds[0], int(index.rows["hash"][7]), packing, name="it")

    assert same is packing
    np.testing.assert_array_equal(codes, read_frame(LARGE[name(35)])[1])


def test_a_frame_that_is_another_by_its_length_has_changed(day: Path) -> None:
    """A header that is right does not make up for codes that are not there."""
    index = index_of(day)
    data = Cursor(index.parts[0]).read(index.rows[3], name="it")

    with pytest.raises(SeriesError, match=r"the frame has changed since .*remove its old index first"):
        frame_codes(data[:-2], index.kinds[0], int(index.rows["hash"][3]), Packing(), name="the frame")


def test_a_frame_that_an_archive_inside_lacks_now_is_told(tmp_path: Path) -> None:
    """Frames that lie deeper are found by their number: where there are fewer, the archive has changed."""
    path = tmp_path / "archive"
    path.write_bytes(NESTINGS["tar.gz of tar.gz"]())
    row = index_of(path).rows[-1].copy()
    row["position"] += 1

    with pytest.raises(TruncatedArchive, match="has changed since it was opened: open it again"):
        Cursor(index_of(path).parts[0]).read(row, name="it")
