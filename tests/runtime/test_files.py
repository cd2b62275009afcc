"""The data folder: a file under its final name is complete."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from radar_nb.errors import DiskFull, NotOnServer, NotWritable, SettingsError, StorageError
from radar_nb.runtime.files import (
    Sidecar,
    archive_state,
    frames_folder,
    free_bytes,
    local_path,
    part_path,
    read_sidecar,
    replacing,
    require_space,
    sidecar_path,
    storage_errors,
    temporary_path,
    user_path,
    write_sidecar,
)

NOTE = Sidecar(url="http://127.0.0.1/a.tar", etag='W/"5d-1"', last_modified="Mon, 1 Jun 2020 00:00:00 GMT", size=3)


def _write(path: Path, data: bytes) -> None:
    with replacing(path) as file:
        file.write(data)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _full_device() -> int:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    return os.open("/dev/full", os.O_WRONLY)


# --- writing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_appears_when_its_block_ends(tmp_path: Path, durable: bool) -> None:
    """Folders are created, the name exists only at the end, and nothing else is left."""
    path = tmp_path / "new" / "folder" / "a"

    with replacing(path, durable=durable) as file:
        file.write(b"whole")
        seen_within = path.exists()

    assert not seen_within
    assert path.read_bytes() == b"whole"
    assert _names(path.parent) == ["a"]


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt("stop"), OSError(errno.EIO, "stop")])
def test_a_block_that_fails_changes_nothing(tmp_path: Path, error: BaseException) -> None:
    """The old file is unchanged, also after Ctrl-C, and no temporary file is left."""
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def work() -> None:
        with replacing(path) as file:
            file.write(b"half of the n")
            raise error

    with pytest.raises((type(error), StorageError), match="stop"):
        work()

    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["a"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows refuses to replace a file that is being read")
def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    """A file that is replaced repeatedly is complete at every read."""
    path = tmp_path / "a"
    contents = [bytes([letter]) * 200_000 for letter in b"ab"]
    path.write_bytes(contents[0])
    done = threading.Event()
    seen: list[bytes] = []

    def read() -> None:
        while not done.is_set():
            seen.append(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(200):
        with replacing(path, durable=False) as file:
            file.write(contents[turn % 2][:100_000])
            file.write(contents[turn % 2][100_000:])
    done.set()
    reader.join()

    assert seen
    assert set(seen) <= set(contents)


# --- what the disk refuses ------------------------------------------------------------------------------------


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """The error for a full device names the file and a remedy; the old file stays."""
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def work() -> None:
        with replacing(path) as file:
            device = _full_device()
            os.dup2(device, file.fileno())
            os.close(device)
            file.write(b"new")

    with pytest.raises(DiskFull, match=r"the disk is full while writing .*a \(.* free\): free some space"):
        work()

    assert path.read_bytes() == b"old"
    assert _names(tmp_path) == ["a"]


@pytest.mark.parametrize("below", ["a", "a/b"])
def test_a_file_instead_of_a_folder_raises(tmp_path: Path, below: str) -> None:
    """Folders cannot be created below a file."""
    (tmp_path / "a").write_bytes(b"a file")

    with pytest.raises(StorageError, match=r"cannot be written \(.*\): a file lies .*choose another folder"):
        _write(tmp_path / below / "c", b"new")


def test_a_folder_instead_of_the_file_raises(tmp_path: Path) -> None:
    """A file does not replace a folder."""
    (tmp_path / "a").mkdir()

    with pytest.raises(StorageError, match="choose another folder"):
        _write(tmp_path / "a", b"new")

    assert _names(tmp_path) == ["a"]


def test_a_name_too_long_for_the_disk_raises(tmp_path: Path) -> None:
    """A name of a thousand letters raises, and no temporary file is left."""
    with pytest.raises(StorageError, match="cannot be written"):
        _write(tmp_path / ("a" * 1000), b"new")

    assert _names(tmp_path) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_raises(tmp_path: Path) -> None:
    """The message names the missing permission and a remedy."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)

    with pytest.raises(NotWritable, match=r"no permission to write .*choose another folder"):
        _write(folder / "a", b"new")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, DiskFull),
        (errno.EACCES, NotWritable),
        (errno.EPERM, NotWritable),
        (errno.EROFS, NotWritable),
        (errno.EIO, StorageError),
        (errno.ENOENT, StorageError),
    ],
)
def test_each_system_error_has_its_error(tmp_path: Path, number: int, kind: type[StorageError]) -> None:
    """A system error is translated once, and stays attached as the cause."""
    with pytest.raises(kind, match=r"a\.tar") as caught, storage_errors(tmp_path / "a.tar"):
        raise OSError(number, os.strerror(number))

    assert type(caught.value) is kind
    assert isinstance(caught.value.__cause__, OSError)


@pytest.mark.parametrize(
    "error",
    [
        DiskFull("stated already"),
        NotOnServer("stated by the server"),
        ConnectionResetError(errno.ECONNRESET, "stated by the network"),
        ValueError("stated by the data"),
    ],
)
def test_other_errors_pass_unchanged(tmp_path: Path, error: Exception) -> None:
    """Only errors of the disk are translated."""
    with pytest.raises(type(error), match="stated") as caught, storage_errors(tmp_path / "a.tar"):
        raise error

    assert caught.value is error


def test_work_that_the_disk_cannot_hold_is_refused_at_once(tmp_path: Path) -> None:
    """The message states needed and free space; the folder need not exist."""
    folder = tmp_path / "not" / "there" / "yet"

    require_space(folder, 1, "download 1 file")
    assert free_bytes(folder) > 0

    with pytest.raises(DiskFull, match=r"cannot download 12 files: 1000000\.0 TB are needed in .*yet and .* free"):
        require_space(folder, 10**18, "download 12 files")

    assert not folder.parent.exists()


def test_a_folder_with_too_long_a_name_is_refused_at_once(tmp_path: Path) -> None:
    """Checking the disk raises errors of radar_nb, too."""
    with pytest.raises(StorageError, match="cannot be written"):
        require_space(tmp_path / ("a" * 1000), 1, "download 1 file")


# --- places ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["../x.tar", "a/../../x.tar", "/a/..", "a\\..\\x.tar", "C:/x.tar", "C:\\x.tar", "a/b:stream"]
)
def test_no_path_of_a_server_leads_out_of_the_folder(path: str) -> None:
    """Steps upward, backslashes and drives are refused, with the path and the folder named."""
    with pytest.raises(StorageError, match="would lead out of data"):
        local_path(Path("data"), path)


def test_a_servers_path_is_kept_below_the_folder() -> None:
    """A file is stored under the same path as on the server; a leading slash is ignored."""
    assert local_path(Path("data"), "weather/radar/x.tar") == Path("data", "weather", "radar", "x.tar")
    assert local_path(Path("data"), "/x.tar") == Path("data", "x.tar")


@pytest.mark.parametrize(
    ("archive", "folder"),
    [
        ("YW2017.002_202006.tar", "YW2017.002_202006"),
        ("RW2017.002_201712.tar.gz", "RW2017.002_201712"),
        ("DE1200_RV2001010000.tar.bz2", "DE1200_RV2001010000"),
        ("raa01-rw_10000-1910141850-dwd---bin.gz", "raa01-rw_10000-1910141850-dwd---bin"),
        ("raa01-ry_10000-1910182300-dwd---bin.bz2", "raa01-ry_10000-1910182300-dwd---bin"),
        ("raa01-rw_10000-1910141850-dwd---bin", "raa01-rw_10000-1910141850-dwd---bin.frames"),
    ],
)
def test_frames_are_stored_beside_their_archive(archive: str, folder: str) -> None:
    """The folder is named like the archive without its ending, never like the archive itself."""
    assert frames_folder(Path("data", archive)) == Path("data", folder)


# --- states ---------------------------------------------------------------------------------------------------


def test_a_file_is_absent_then_a_part_then_complete(tmp_path: Path) -> None:
    """The files on disk determine the three states of a download."""
    path = tmp_path / "a.tar"

    states = [archive_state(path)]
    part_path(path).write_bytes(b"ab")
    states.append(archive_state(path))
    path.write_bytes(b"abc")
    states.append(archive_state(path))

    assert states == ["absent", "part", "whole"]


@pytest.mark.parametrize(("size", "state"), [(3, "whole"), (None, "whole"), (4, "absent"), (2, "absent")])
def test_a_file_is_complete_if_its_size_matches_the_note(tmp_path: Path, size: int | None, state: str) -> None:
    """A truncated file counts as absent; without a noted size the name is trusted."""
    path = tmp_path / "a.tar"
    path.write_bytes(b"abc")
    write_sidecar(path, Sidecar(url="http://127.0.0.1/a.tar", size=size))

    assert archive_state(path) == state


def test_a_folder_is_not_an_archive(tmp_path: Path) -> None:
    """A folder with an archive's name is not the archive."""
    (tmp_path / "a.tar").mkdir()

    assert archive_state(tmp_path / "a.tar") == "absent"


def test_a_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The server's statements are stored verbatim."""
    write_sidecar(tmp_path / "a.tar", NOTE)

    assert read_sidecar(tmp_path / "a.tar") == NOTE


@pytest.mark.parametrize(
    "note",
    [b"", b"{", b"null", b"[1, 2]", b'"text"', b"\xff\xfe", b'{"url": "http://127.0.0.1/a.tar", "siz'],
    ids=repr,
)
def test_a_damaged_note_is_ignored(tmp_path: Path, note: bytes) -> None:
    """An unreadable note costs a request to the server, not the file."""
    path = tmp_path / "a.tar"
    path.write_bytes(b"abc")
    sidecar_path(path).write_bytes(note)

    assert read_sidecar(path) is None
    assert archive_state(path) == "whole"


def test_leftovers_of_a_crash_are_removed_by_the_next_write(tmp_path: Path) -> None:
    """Temporary files of the same file are removed, those of others and similar files of the user stay."""
    stay = {".b.tar.0123abcd.tmp", ".a.tar.tmp", ".a.tar.x.tmp", "a.tar.0123abcd.tmp", ".a.tar.0123abcd.tmp.txt"}
    for name in {".a.tar.0123abcd.tmp", ".a.tar.ffffffff.tmp", *stay}:
        (tmp_path / name).write_bytes(b"half")

    with replacing(tmp_path / "a.tar") as file:
        file.write(b"whole")

    assert {path.name for path in tmp_path.iterdir()} == {"a.tar", *stay}
    assert (tmp_path / "a.tar").read_bytes() == b"whole"


def test_a_claim_holder_overwrites_leftovers(tmp_path: Path) -> None:
    """Under a claim the temporary has one name, and a longer leftover adds no byte to the new file."""
    temporary_path(tmp_path / "a").write_bytes(b"half and much longer")

    with replacing(tmp_path / "a", claimed=True) as file:
        file.write(b"whole")

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"whole"}


def test_two_writers_of_a_file_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Each writer completes its own temporary file; the last one to finish determines the contents."""
    with replacing(tmp_path / "a") as slower:
        slower.write(b"slower")
        with replacing(tmp_path / "a") as quicker:
            quicker.write(b"quicker")
        assert (tmp_path / "a").read_bytes() == b"quicker"

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"slower"}


def test_a_killed_writer_leaves_nothing_permanent(tmp_path: Path) -> None:
    """Its lock ended with it, so the next writer removes its temporary file."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom radar_nb.runtime.files import replacing\n"
        "with replacing(Path(sys.argv[1])):\n    os.kill(os.getpid(), 9)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=False)  # noqa: S603
    left = [path.name for path in tmp_path.iterdir()]

    with replacing(tmp_path / "a") as file:
        file.write(b"whole")

    assert run.returncode == -9
    assert len(left) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_too_large_for_its_disk_is_named(tmp_path: Path) -> None:
    """FAT32 limits files to 4 GB: the message says so, and the old file stays."""
    (tmp_path / "a").write_bytes(b"old")
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom radar_nb.runtime.files import replacing\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with replacing(Path(sys.argv[1])) as file:\n    file.write(bytes(5000))"
    )

    run = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, str(tmp_path / "a")], capture_output=True, text=True, check=False
    )

    last = run.stderr.splitlines()[-1]
    assert last.startswith("radar_nb.errors.StorageError: ")
    assert "the file is too large for its disk (FAT32: 4 GB at most); choose a folder on another disk" in last
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"old"}


FORGED = {
    "a line break in the ETag": b'{"url": "http://x", "etag": "\\"a\\"\\r\\nX: 1"}',
    "a lone surrogate": b'{"url": "http://x", "etag": "\\ud800"}',
    "a size that is a text": b'{"url": "http://x", "size": "7"}',
    "a size that is true": b'{"url": "http://x", "size": true}',
    "a size beyond 2^63": b'{"url": "http://x", "size": 9223372036854775808}',
    "a size of 5,000 digits": b'{"url": "http://x", "size": ' + b"9" * 5000 + b"}",
    "a list as date": b'{"url": "http://x", "last_modified": []}',
    "a number as ETag": b'{"url": "http://x", "etag": 0}',
    "no address": b'{"size": 7}',
    "a list": b"[1]",
    "deep": b"[" * 30_000,
    "long": b'{"url": "' + b"x" * 100_000 + b'"}',
}


@pytest.mark.parametrize("note", FORGED.values(), ids=FORGED)
def test_a_forged_note_counts_as_absent(tmp_path: Path, note: bytes) -> None:
    """Values that no server can have sent, or that cannot be sent back, are ignored."""
    (tmp_path / "a").write_bytes(b"data")
    sidecar_path(tmp_path / "a").write_bytes(note)

    assert read_sidecar(tmp_path / "a") is None
    assert archive_state(tmp_path / "a") == "whole"


def test_a_pipe_in_place_of_a_note_does_not_block(tmp_path: Path) -> None:
    """A note is read only from a regular file."""
    os.mkfifo(sidecar_path(tmp_path / "a"))

    assert read_sidecar(tmp_path / "a") is None


def test_a_home_folder_is_found_or_its_user_named() -> None:
    """`~` is a home folder in every path that a user writes."""
    assert user_path("~/x") == Path.home() / "x"
    with pytest.raises(SettingsError, match=r"~nobody-here/x names the home folder of an unknown user"):
        user_path("~nobody-here/x")


def test_a_link_in_place_of_a_temporary_file_is_not_written_through(tmp_path: Path) -> None:
    """A malicious folder may hold a link with the name of a claimed file's temporary."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    folder = tmp_path / "cube"
    folder.mkdir()
    temporary_path(folder / "zarr.json").symlink_to(victim)

    with replacing(folder / "zarr.json", claimed=True) as file:
        file.write(b"whole")

    assert victim.read_bytes() == b"mine"
    assert (folder / "zarr.json").read_bytes() == b"whole"
    assert not (folder / "zarr.json").is_symlink()
