"""The data folder: what lies where, in which state, and how a file comes to be there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import shutil
import stat
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from radar_nb.errors import DiskFull, NotWritable, SettingsError, StorageError
from radar_nb.runtime.wording import human_bytes

try:
    import fcntl as _locks
except ImportError:  # Windows
    _LOCKS: Any = None
else:
    _LOCKS = _locks

if TYPE_CHECKING:
    from collections.abc import Iterator

ArchiveState = Literal["absent", "part", "whole"]

PART = ".part"
"""What an unfinished download's name ends in."""

SIDECAR = ".meta.json"
"""What the name of the note beside a download ends in."""

_NOTE_LIMIT = 64 << 10  # bytes: a note has some 300
_TEMPORARY = ".tmp"
_SUFFIXES = (".tar.gz", ".tar.bz2", ".tar", ".gz", ".bz2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What the server said of a file: kept beside it, so that a resume or a refresh can ask whether it changed.

    Attributes
    ----------
    url : str
    etag, last_modified : str or None
        As in the answer's headers, to the letter.
    size : int or None
        Bytes of the whole file; None where the server did not say, -1 where the file was found damaged.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no server could have said, or what could not be sent back to it."""
        texts: list[Any] = [self.url, *(text for text in (self.etag, self.last_modified) if text is not None)]
        size = 0 if self.size is None else self.size
        if not all(isinstance(text, str) and text.isprintable() for text in texts):
            raise ValueError(f"a note holds a text that is not printable: {texts!a}")
        if type(size) is not int or not -1 <= size < 1 << 63:
            raise ValueError(f"a note holds a size that is not a number of bytes: {size!r}")


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a path as a user wrote it, with `~` as the home folder: for every path that is an argument.

    Raises
    ------
    SettingsError
        It names the home folder of a user that this machine does not have.

    Examples
    --------
    >>> user_path("~/data") == Path.home() / "data"
    True
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise SettingsError(
            f"{os.fspath(path)} names the home folder of an unknown user: write the whole path, or ./~... for a "
            "name that begins with ~"
        ) from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def local_path(folder: Path, path: str) -> Path:
    """Give the place of a server's file below the data folder: the same path as on the server.

    Parameters
    ----------
    folder : pathlib.Path
        The data folder.
    path : str
        The path on the server, with slashes. Names come from the catalogue or a checked listing.

    Raises
    ------
    StorageError
        The path would leave the folder.

    Examples
    --------
    >>> local_path(Path("data"), "weather/radar/x.tar").as_posix()
    'data/weather/radar/x.tar'
    """
    pure = PurePosixPath(path.lstrip("/"))
    if ".." in pure.parts or "\\" in path or ":" in path:
        raise StorageError(f"the server's path {path!r} would lead out of {folder}: check the base URL")
    return folder.joinpath(*pure.parts)


def part_path(path: Path) -> Path:
    """Give the place of a file's unfinished download."""
    return path.with_name(path.name + PART)


def sidecar_path(path: Path) -> Path:
    """Give the place of the note beside a file."""
    return path.with_name(path.name + SIDECAR)


def lock_path(path: Path) -> Path:
    """Give the place of the hidden file by which a file or folder is claimed for writing."""
    return path.with_name(f".{path.name}.lock")


def frames_folder(archive: Path) -> Path:
    """Give the folder that an archive's frames go to: beside it, named as it without its ending.

    Examples
    --------
    >>> frames_folder(Path("data/YW2017.002_202006.tar")).as_posix()
    'data/YW2017.002_202006'
    """
    for suffix in _SUFFIXES:
        if archive.name.endswith(suffix):
            return archive.with_name(archive.name.removesuffix(suffix))
    return archive.with_name(archive.name + ".frames")


def archive_state(path: Path) -> ArchiveState:
    """Tell whether a file is there whole, in part, or not.

    A file under its own name is whole, since nothing is written in place; its size is held against the note
    beside it all the same, so that a file cut short by other hands counts as absent.
    """
    if path.is_file():
        sidecar = read_sidecar(path)
        if sidecar is None or sidecar.size is None or sidecar.size == path.stat().st_size:
            return "whole"
        return "absent"
    return "part" if part_path(path).is_file() else "absent"


def read_sidecar(path: Path) -> Sidecar | None:
    """Return the note beside a file, or None where there is no valid one."""
    try:
        fields = json.loads(read_regular(sidecar_path(path), _NOTE_LIMIT))
        return Sidecar(**{name: fields.get(name) for name in Sidecar.__slots__})
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def read_regular(path: Path, limit: int) -> bytes:
    """Return the bytes of a small file that may have been put there by others.

    Only a regular file is opened, so that a FIFO or device cannot block, and never more than the limit is read.

    Raises
    ------
    OSError
        There is no such file, it is not a regular file, or it is longer than the limit in bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            raise OSError(errno.EINVAL, "not a regular file of a usual size", str(path))
        return file.read(status.st_size)


def write_sidecar(path: Path, sidecar: Sidecar) -> None:
    """Write the note beside a file, whole or not at all, for one who holds a claim on the file.

    A note lost in a power cut costs a part, no data.
    """
    with replacing(sidecar_path(path), durable=False, claimed=True) as file:
        file.write(json.dumps(asdict(sidecar), indent=1).encode())


def temporary_path(path: Path) -> Path:
    """Give the place where a file is written, by one who holds a claim on it, before it takes its name."""
    return path.with_name(f".{path.name}{_TEMPORARY}")


@contextmanager
def replacing(path: Path, *, durable: bool = True, claimed: bool = False) -> Iterator[BinaryIO]:
    """Open a sibling temporary file that takes the path's place when the block ends without an error.

    Parameters
    ----------
    path : pathlib.Path
        Its folder is made where it is missing.
    durable : bool
        Whether the bytes are forced to the disk before the name is given to them; False is for what can be
        made again in a moment.
    claimed : bool
        Whether the caller holds a claim, so that nobody else writes this file now. Its temporary file then has
        one name, and what a crash has left is overwritten. Otherwise each writer has its own, the last to end
        wins, and temporary files of crashed writers are removed.

    Yields
    ------
    binary file, open for writing

    Raises
    ------
    DiskFull, NotWritable, StorageError
        The disk refused; whatever lay at `path` before is untouched.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with replacing(Path(folder, "a")) as file:
    ...         _ = file.write(b"whole")
    ...     Path(folder, "a").read_bytes()
    b'whole'
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, file, hold = (temporary_path(path), None, None) if claimed else _own_temporary(path)
        try:
            if file is None:
                temporary.unlink(missing_ok=True)  # what a crash has left, or a link that somebody put there
                file = temporary.open("xb")
            with file:
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        finally:
            if hold is not None:
                os.close(hold)


def _own_temporary(path: Path) -> tuple[Path, BinaryIO, int | None]:
    """Open a temporary file of this writer alone; remove those that crashed writers have left.

    A writer holds a lock of the operating system on its temporary file until that has taken its name. The lock
    ends with the process, so that a file without one is nobody's.

    Returns
    -------
    pathlib.Path
    binary file, open for writing
    int or None
        What holds the lock until it is closed; None on Windows, where an open file cannot be removed anyway.
    """
    start = f".{path.name[:100]}."
    for name in os.listdir(path.parent):  # noqa: PTH208 - a folder may hold 78,000 names
        if name.startswith(start) and re.fullmatch(r"[0-9a-f]{8}\.tmp", name[len(start) :]):
            with suppress(OSError), open(path.with_name(name), "rb", opener=_open_at_once) as left:
                if _LOCKS is not None:
                    _LOCKS.flock(left, _LOCKS.LOCK_EX | _LOCKS.LOCK_NB)
                path.with_name(name).unlink()
    while True:
        temporary = path.with_name(f"{start}{secrets.token_hex(4)}{_TEMPORARY}")
        file = temporary.open("xb")
        if _LOCKS is None:
            return temporary, file, None
        with suppress(OSError):  # a file system without locks
            _LOCKS.flock(file, _LOCKS.LOCK_EX)
        if temporary.exists():  # else another writer has removed it before it was locked
            return temporary, file, os.dup(file.fileno())
        file.close()


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Translate what the operating system says about a write to `path` into errors that name the way out."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if not _is_about(path, error):
            raise
        raise _translated(path, error) from error


def _is_about(path: Path, error: OSError) -> bool:
    """Tell whether an error is the disk's refusal at the path, its folders, or what lies beside and below it."""
    if isinstance(error.filename, str):
        named = Path(error.filename)
        if path.parent not in named.parents and named not in path.parents:
            return False
    return error.errno in _FULL | _DENIED | {
        errno.ENOTDIR,
        errno.EEXIST,
        errno.EFBIG,
        errno.EIO,
        errno.ENAMETOOLONG,
        errno.EISDIR,
        errno.ELOOP,
        errno.ENOENT,
    }


_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows knows no quota error
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def _translated(path: Path, error: OSError) -> StorageError:
    if error.errno in _FULL:
        return DiskFull(
            f"the disk is full while writing {path} ({human_bytes(free_bytes(path))} free): "
            "make room or choose another folder, then run the same call again"
        )
    if error.errno in _DENIED:
        return NotWritable(
            f"{path} may not be written ({error.strerror}): choose another folder (folder=) or its rights"
        )
    if error.errno == errno.EFBIG:
        return StorageError(
            f"{path} cannot be written: its disk does not take files of that size (FAT32: 4 GB at most); choose a "
            "folder on another disk (folder=)"
        )
    return StorageError(f"{path} cannot be written ({error.strerror}): choose another folder (folder=)")


def free_bytes(path: Path) -> int:
    """Give the free bytes of the disk on which a path lies or will lie."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def require_space(folder: Path, needed: int, what: str) -> None:
    """Refuse work that the disk cannot hold, before its first byte.

    Parameters
    ----------
    folder : pathlib.Path
        Where it will be written.
    needed : int
        Bytes.
    what : str
        The work, for the message: `"download 12 files"`.

    Raises
    ------
    DiskFull
        Less is free than needed.
    StorageError
        The folder cannot be, for example because its name is too long.
    """
    with storage_errors(folder):
        free = free_bytes(folder)
    if needed > free:
        raise DiskFull(
            f"cannot {what}: {human_bytes(needed)} are needed in {folder} and {human_bytes(free)} are free: "
            "make room, choose another folder (folder=) or ask for fewer months"
        )
