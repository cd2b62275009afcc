"""The data folder: paths and states of files, and atomic writes."""

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
"""Suffix of unfinished downloads."""

SIDECAR = ".meta.json"
"""Suffix of the note beside a download."""

_NOTE_LIMIT = 64 << 10  # bytes: a note has some 300
_TEMPORARY = ".tmp"
_SUFFIXES = (".tar.gz", ".tar.bz2", ".tar", ".gz", ".bz2")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """Validators of a downloaded file, kept beside it for conditional requests when resuming or refreshing.

    Attributes
    ----------
    url : str
    etag, last_modified : str or None
        Verbatim values of the response headers.
    size : int or None
        Bytes of the whole file; None if the server did not state it, -1 if the file was found to be damaged.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for values that no server can have sent, or that cannot be sent back."""
        texts: list[Any] = [self.url, *(text for text in (self.etag, self.last_modified) if text is not None)]
        size = 0 if self.size is None else self.size
        if not all(isinstance(text, str) and text.isprintable() for text in texts):
            raise ValueError(f"a note holds a text that is not printable: {texts!a}")
        if type(size) is not int or not -1 <= size < 1 << 63:
            raise ValueError(f"a note holds a size that is not a number of bytes: {size!r}")


def user_path(path: str | os.PathLike[str]) -> Path:
    """Return a user's path with `~` expanded to the home folder; used for every path argument.

    Raises
    ------
    SettingsError
        It names the home folder of an unknown user, or contains a null character.

    Examples
    --------
    >>> user_path("~/data") == Path.home() / "data"
    True
    """
    if "\0" in str(path):
        raise SettingsError(f"{str(path)!r} contains a null character, which no path may have: remove it")
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
    """Return the path of a server's file below the data folder: the same path as on the server.

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
    """Return the path of a file's unfinished download."""
    return path.with_name(path.name + PART)


def sidecar_path(path: Path) -> Path:
    """Return the path of the note beside a file."""
    return path.with_name(path.name + SIDECAR)


def lock_path(path: Path) -> Path:
    """Return the path of the hidden file by which a file or folder is claimed for writing."""
    return path.with_name(f".{path.name}.lock")


def frames_folder(archive: Path) -> Path:
    """Return the folder for an archive's frames: beside it, with its name without the suffix.

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
    """Return whether a file is complete, partial or absent.

    A file under its own name is complete, since nothing is written in place. Its size is still compared with the
    note beside it, so that a file truncated by another program counts as absent.
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
    """Return the bytes of a small file that may come from other programs.

    Only a regular file is opened, so that a FIFO or device cannot block, and at most the limit is read.

    Raises
    ------
    OSError
        The file does not exist, is not a regular file, or is longer than the limit in bytes.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > limit:
            raise OSError(errno.EINVAL, "not a regular file of a usual size", str(path))
        return file.read(status.st_size)


def write_sidecar(path: Path, sidecar: Sidecar) -> None:
    """Write the note beside a file atomically; the caller holds a claim on the file.

    A note lost in a power failure means that a partial download starts again; no data are lost.
    """
    with replacing(sidecar_path(path), durable=False, claimed=True) as file:
        file.write(json.dumps(asdict(sidecar), indent=1).encode())


def temporary_path(path: Path) -> Path:
    """Return the path where the holder of a claim writes a file before renaming it."""
    return path.with_name(f".{path.name}{_TEMPORARY}")


@contextmanager
def replacing(path: Path, *, durable: bool = True, claimed: bool = False) -> Iterator[BinaryIO]:
    """Open a sibling temporary file that replaces the path when the block ends without an error.

    Parameters
    ----------
    path : pathlib.Path
        Its folder is created if missing.
    durable : bool
        Whether to flush the bytes to the disk before renaming; False for files that are quickly made again.
    claimed : bool
        Whether the caller holds a claim, so that there is no other writer. The temporary file then has a fixed
        name, and one left by a crash is overwritten. Otherwise each writer has its own, the last one to finish
        wins, and temporary files of crashed writers are removed.

    Yields
    ------
    binary file, open for writing

    Raises
    ------
    DiskFull, NotWritable, StorageError
        The file cannot be written; an existing file at `path` is unchanged.

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
                temporary.unlink(missing_ok=True)  # left by a crash, or a link
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


@contextmanager
def replacing_path(path: Path, *, suffix: str = "") -> Iterator[Path]:
    """Yield the path of a temporary file that replaces `path` when the block ends without an error.

    For libraries that write a file by its path. The caller holds a claim on `path`, see `radar_nb.runtime.locks`.

    Parameters
    ----------
    path : pathlib.Path
    suffix : str
        Ends the temporary name, for a library that chooses a format by it.

    Raises
    ------
    DiskFull, NotWritable, StorageError
        The file cannot be written; an existing file at `path` is unchanged.
    """
    temporary = path.with_name(temporary_path(path).name + suffix)
    with storage_errors(path):
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def _own_temporary(path: Path) -> tuple[Path, BinaryIO, int | None]:
    """Open a temporary file for this writer only; remove those of crashed writers.

    A writer holds an operating-system lock on its temporary file until it is renamed. The lock ends with the
    process, so that a file without a lock has no writer.

    Returns
    -------
    pathlib.Path
    binary file, open for writing
    int or None
        File descriptor that holds the lock until it is closed; None on Windows, where an open file cannot be
        removed anyway.
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
        if temporary.exists():  # otherwise another writer removed it before it was locked
            return temporary, file, os.dup(file.fileno())
        file.close()


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Translate operating-system errors of a write to `path` into errors with a remedy."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if not _is_about(path, error):
            raise
        raise _translated(path, error) from error


def _is_about(path: Path, error: OSError) -> bool:
    """Return whether an error is about writing the path, its folders, or files beside and below it."""
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


_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}  # Windows has no quota error
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


def _translated(path: Path, error: OSError) -> StorageError:
    if error.errno in _FULL:
        return DiskFull(
            f"the disk is full while writing {path} ({human_bytes(free_bytes(path))} free): "
            "free some space or choose another folder, then run the same call again"
        )
    if error.errno in _DENIED:
        return NotWritable(
            f"no permission to write {path} ({error.strerror}): choose another folder, or change its rights"
        )
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return StorageError(
            f"{path} cannot be written ({error.strerror}): a file lies where a folder should be; move it away, or "
            "choose another folder"
        )
    if error.errno == errno.EFBIG:
        return StorageError(
            f"{path} cannot be written: the file is too large for its disk (FAT32: 4 GB at most); choose a "
            "folder on another disk"
        )
    return StorageError(f"{path} cannot be written ({error.strerror}): choose another folder")


def free_bytes(path: Path) -> int:
    """Return the free bytes of the disk of a path, which need not exist."""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise an error, before any write, if work needs more space than is free.

    Parameters
    ----------
    folder : pathlib.Path
        Target folder.
    needed : int
        Bytes.
    what : str
        Name of the work in the message: `"download 12 files"`.

    Raises
    ------
    DiskFull
        There is not enough free space.
    StorageError
        The folder is not valid, for example because its name is too long.
    """
    with storage_errors(folder):
        free = free_bytes(folder)
    if needed > free:
        raise DiskFull(
            f"cannot {what}: {human_bytes(needed)} are needed in {folder} and {human_bytes(free)} are free: "
            "free some space, choose another folder (folder=) or request fewer months"
        )
