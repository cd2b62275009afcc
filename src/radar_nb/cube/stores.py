"""Where a cube lies: a folder, or object storage and memory through obstore, all alike and whole or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from radar_nb.cube.buckets import Bucket
from radar_nb.errors import CubeError, SettingsError, StorageError
from radar_nb.runtime.files import lock_path, replacing, storage_errors, temporary_path
from radar_nb.runtime.locks import claimed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from radar_nb.cube.buckets import Span


class Store(Protocol):
    """Keys with slashes, and bytes. What is put is there whole or not at all, and then known by its stamp.

    Attributes
    ----------
    name : str
        For messages.
    identity : str or None
        Tells the store from all others; None where nothing can.
    shared : bool
        Whether other processes find it.
    """

    name: str
    identity: str | None
    shared: bool

    def get(self, key: str) -> bytes | None:
        """Give all bytes of a key; None where there is none."""

    def spans(self, key: str, spans: Sequence[Span], *, stamp: str) -> list[Any]:
        """Give parts of a key's bytes, as they are in the state of a stamp.

        Raises
        ------
        CubeError
            It has changed since, or has gone.
        """

    def put(self, key: str, data: bytes, *, durable: bool = True) -> str:
        """Put bytes, over what is there; give their stamp."""

    def settle(self, keys: Iterable[str]) -> None:
        """Wait until what was put is safe from a power cut."""

    def remove(self, key: str) -> None:
        """Remove a key, if it is there."""

    def stat(self, key: str) -> tuple[str, int] | None:
        """Give a key's stamp and size; None where there is none."""

    def listing(self, prefix: str) -> dict[str, tuple[str, int]]:
        """Give the stamps and sizes of all keys right below a prefix, by the rest of their names."""

    def claim(self, key: str) -> AbstractContextManager[None]:
        """Hold a key for writing, after others who do."""

    def sweep(self, prefix: str) -> None:
        """Remove what crashes have left right below a prefix."""


def find_store(store: Any) -> Store:
    """Give the store of a path, an address, or a store of obstore.

    Parameters
    ----------
    store : path, str, store of obstore, or Store
        A folder, an address such as "s3://bucket/cubes/YW" (obstore reads the usual variables of the environment),
        or for example `obstore.store.MemoryStore()`.

    Raises
    ------
    SettingsError
        It is none of these, or obstore is not there.
    """
    if isinstance(store, str) and "://" in store:
        return Bucket.at(store)
    if isinstance(store, str | os.PathLike):
        return Folder(Path(store).expanduser())
    if isinstance(store, Folder | Bucket):
        return store
    if type(store).__module__.partition(".")[0] == "obstore":
        return Bucket(store)
    raise SettingsError(
        f"{store!r} is no place for a cube: give a folder, an address such as 's3://bucket/YW', or a store of "
        "obstore"
    )


class Folder:
    """A folder.

    Parameters
    ----------
    path : pathlib.Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self.identity: str | None = str(path.absolute())
        self.shared = True

    def get(self, key: str) -> bytes | None:
        """Give all bytes of a key; None where there is none."""
        with self._reading(key):
            try:
                return (self.path / key).read_bytes()
            except (FileNotFoundError, NotADirectoryError):
                return None

    def spans(self, key: str, spans: Sequence[Span], *, stamp: str) -> list[Any]:
        """Give parts of a key's bytes, as they are in the state of a stamp."""
        with self._reading(key), (self.path / key).open("rb", buffering=0) as file:
            # what replaces it is another file, so that this one stays as it is
            if _stamp(os.fstat(file.fileno())) != stamp:
                raise _changed(self.name, key)
            found = []
            for start, length in spans:
                file.seek(start)
                found.append(file.read(length))
        return found

    def put(self, key: str, data: bytes, *, durable: bool = True) -> str:
        """Put bytes, over what is there; give their stamp."""
        path = self.path / key
        with replacing(path, durable=durable, claimed=True) as file:
            file.write(data)
        with self._reading(key):
            return _stamp(path.stat())

    def settle(self, keys: Iterable[str]) -> None:
        """Wait until what was put is safe from a power cut."""
        for key in keys:
            path = self.path / key
            with storage_errors(path), path.open("rb+") as file:
                os.fsync(file.fileno())

    def remove(self, key: str) -> None:
        """Remove a key, if it is there."""
        path = self.path / key
        with storage_errors(path):
            path.unlink(missing_ok=True)

    def stat(self, key: str) -> tuple[str, int] | None:
        """Give a key's stamp and size; None where there is none."""
        with self._reading(key):
            try:
                status = (self.path / key).stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return _stamp(status), status.st_size

    def listing(self, prefix: str) -> dict[str, tuple[str, int]]:
        """Give the stamps and sizes of all keys right below a prefix, by the rest of their names."""
        found = {}
        with self._reading(prefix):
            if not (self.path / prefix).is_dir():
                return {}
            with os.scandir(self.path / prefix) as entries:
                for entry in entries:
                    if not entry.name.startswith(".") and entry.is_file():
                        status = entry.stat()
                        found[entry.name] = _stamp(status), status.st_size
        return found

    def claim(self, key: str) -> AbstractContextManager[None]:
        """Hold a key for writing, after others who do."""
        return claimed(self.path / key)

    def sweep(self, prefix: str) -> None:
        """Remove what crashes have left right below a prefix, unless its writer is at work."""
        folder = self.path / prefix
        with storage_errors(folder):
            left = {path.name for path in folder.glob(".*")} if folder.is_dir() else set()
        start, lock, temporary = (
            len("."),
            len(lock_path(Path("x")).name) - 2,
            len(temporary_path(Path("x")).name) - 2,
        )
        names = {name[start:-lock] for name in left if name.endswith(".lock")}
        names |= {name[start:-temporary] for name in left if name.endswith(".tmp")}
        for name in sorted(names):
            with claimed(folder / name), storage_errors(folder):
                temporary_path(folder / name).unlink(missing_ok=True)

    @contextmanager
    def _reading(self, key: str) -> Iterator[None]:
        try:
            yield
        except StorageError:
            raise
        except OSError as error:
            raise StorageError(
                f"{self.path / key} cannot be read ({error.strerror}): is the cube still where it was?"
            ) from error


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _changed(name: str, key: str) -> CubeError:
    return CubeError(f"{name}/{key} has changed since the cube was opened: open it again")
