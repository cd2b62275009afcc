"""Where a cube is stored: a folder, or object storage or memory through obstore; owner of obstore.

A store maps keys with slashes to bytes. A value is stored completely or not at all, and its stamp (size and time
of change, or ETag) changes with it. No key leads out of the store, whatever a cube's description says.
"""

from __future__ import annotations

import os
import re
import stat
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from radar_nb.errors import CubeError, NotWritable, SettingsError, StorageError
from radar_nb.runtime.files import lock_path, replacing, storage_errors, temporary_path, user_path
from radar_nb.runtime.locks import claimed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import BinaryIO

Span = tuple[int, int]
"""An offset and a length in bytes."""

SMALL = 4 << 20
"""Maximum bytes that `get` reads: descriptions and coordinates take some kilobytes."""


class StoredFile(NamedTuple):
    """A key that exists, in one state.

    Attributes
    ----------
    key : str
    stamp : str
        Changes when the bytes change.
    size : int
        Bytes.
    """

    key: str
    stamp: str
    size: int


def find_store(store: Any) -> Store:
    """Return the store of a path, an address, or a store of obstore.

    Parameters
    ----------
    store : path, str, store of obstore, or Store
        A folder, an address such as "s3://bucket/cubes/YW" (obstore reads the usual variables of the environment),
        or for example `obstore.store.MemoryStore()`.

    Raises
    ------
    SettingsError
        Another kind of store, or obstore is not installed.
    """
    if isinstance(store, str) and "://" in store:
        return Bucket.at(store)
    if isinstance(store, str | os.PathLike):
        return Folder(user_path(store))
    if isinstance(store, Folder | Bucket):
        return store
    if type(store).__module__.partition(".")[0] == "obstore":
        return Bucket(store)
    raise SettingsError(
        f"{store!r} cannot hold a cube: use a folder, an address such as 's3://bucket/YW', or a store of obstore"
    )


class Folder:
    """A folder as a store.

    Parameters
    ----------
    path : pathlib.Path

    Attributes
    ----------
    name : str
        For messages.
    identity : str or None
        Distinguishes the store from all others; None if unknown.
    shared : bool
        Whether other processes can reach it.
    lists : bool
        Whether `listing` is possible; web servers answer only for single keys.
    """

    lists = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self.identity: str | None = str(path.absolute())
        self.shared = True

    def get(self, key: str) -> bytes | None:
        """Return all bytes of a key, or None if it does not exist.

        Raises
        ------
        CubeError
            The key is not a regular file, or is larger than `SMALL`.
        """
        try:
            with self._opened(key) as file:
                data = file.read(SMALL + 1)
        except FileNotFoundError:
            return None
        if len(data) > SMALL:
            raise _too_large(self.name, key)
        return data

    def spans(self, file: StoredFile, spans: Sequence[Span]) -> list[Any]:
        """Return parts of a file's bytes.

        Raises
        ------
        CubeError
            The file has changed since its stamp was taken.
        StorageError
            The file is missing or cannot be read.
        """
        try:
            with self._opened(file.key) as opened:
                # a replacement is another file, so an open file does not change
                if _stamp(os.fstat(opened.fileno())) != file.stamp:
                    raise _changed(self.name, file.key)
                found = []
                for start, length in spans:
                    opened.seek(start)
                    found.append(opened.read(length))
        except FileNotFoundError as error:
            raise _unreadable(self.name, file.key, error) from error
        return found

    def put(self, key: str, data: bytes | Iterable[bytes], *, durable: bool = True) -> StoredFile:
        """Store bytes under a key, replacing its value; pieces are written as they come."""
        path = self._own(key)
        with replacing(path, durable=durable, claimed=True) as file:
            file.writelines([data] if isinstance(data, bytes) else data)
        with storage_errors(path):
            status = path.stat()
            return StoredFile(key, _stamp(status), status.st_size)

    def settle(self, keys: Iterable[str]) -> None:
        """Make everything put without `durable` safe from a power cut."""
        for key in keys:
            path = self._own(key)
            with storage_errors(path), path.open("rb+") as file:
                os.fsync(file.fileno())

    def remove(self, key: str) -> None:
        """Remove a key if it exists."""
        path = self._own(key)
        with storage_errors(path):
            path.unlink(missing_ok=True)

    def move(self, key: str, target: str) -> None:
        """Move a value to another key, replacing what is there; do nothing if the value does not exist."""
        path, other = self._own(key), self._own(target)
        with storage_errors(other), suppress(FileNotFoundError):
            path.replace(other)

    def stat(self, key: str) -> StoredFile | None:
        """Return a key's state, or None if it does not exist; only regular files have bytes."""
        path = self._place(key)
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise _unreadable(self.name, key, error) from error
        return _stored(key, status)

    def listing(self, prefix: str) -> dict[str, StoredFile]:
        """Return what is right below a prefix, by the last part of its key; only regular files have bytes."""
        folder = self._place(f"{prefix}/_").parent
        found = {}
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if not entry.name.startswith("."):
                        with suppress(FileNotFoundError):  # removed meanwhile
                            found[entry.name] = _stored(f"{prefix}/{entry.name}", entry.stat())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise _unreadable(self.name, prefix, error) from error
        return found

    def claim(self, key: str) -> AbstractContextManager[None]:
        """Hold a key for writing; wait until others have released it."""
        return claimed(self._own(key))

    def sweep(self, prefix: str) -> None:
        """Remove leftovers of crashes directly below a prefix, unless their writers are still at work."""
        folder = self._own(f"{prefix}/_" if prefix else "_").parent
        lock, temporary = (make(Path("x")).name.split("x") for make in (lock_path, temporary_path))
        with storage_errors(folder):
            left = sorted(path.name for path in folder.glob(".*")) if folder.is_dir() else []
        names = {
            name.removeprefix(before).removesuffix(after)
            for name in left
            for before, after in (lock, temporary)
            if name.startswith(before) and name.endswith(after)
        }
        for name in sorted(names):
            with claimed(folder / name), storage_errors(folder):
                temporary_path(folder / name).unlink(missing_ok=True)

    @contextmanager
    def _opened(self, key: str) -> Iterator[BinaryIO]:
        """Open a regular file for reading; raise FileNotFoundError if it does not exist."""
        path = self._place(key)
        try:
            # do not block on a named pipe in the file's place
            number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
            with open(number, "rb", buffering=0) as file:  # noqa: PTH123 - of a number
                if not stat.S_ISREG(os.fstat(number).st_mode):
                    raise CubeError(
                        f"{path} is not a regular file: remove it, or build the cube in an empty place"
                    )
                yield file
        except NotADirectoryError as error:
            raise FileNotFoundError(path) from error
        except (FileNotFoundError, StorageError):
            raise
        except OSError as error:
            raise _unreadable(self.name, key, error) from error

    def _place(self, key: str) -> Path:
        return self.path / _checked(key, self.name)

    def _own(self, key: str) -> Path:
        """Return the path of a key for writing and removing.

        Raises
        ------
        CubeError
            The key lies outside the folder, or a link leads outside.
        """
        path, root = self._place(key), os.path.realpath(self.path)
        if os.path.commonpath((root, os.path.realpath(path.parent))) != root:
            raise CubeError(f"{path.parent} is a link that leads out of {self.name}: remove the link")
        return path


class Bucket:
    """A store of obstore as a store: object storage, or memory. Attributes and methods are those of `Folder`.

    Parameters
    ----------
    store : obstore.store.ObjectStore
    name : str, optional
        The store's address.
    """

    def __init__(self, store: Any, name: str | None = None) -> None:
        import obstore  # noqa: PLC0415 - an extra, which a cube in a folder does not need

        self._obstore = obstore
        self.store = store
        self.identity = name
        self.shared = type(store).__name__ != "MemoryStore"
        self.lists = type(store).__name__ != "HTTPStore"
        self.name = name or str(store)

    @classmethod
    def at(cls, url: str) -> Bucket:
        """Return the store of an address."""
        try:
            from obstore.exceptions import BaseError  # noqa: PLC0415 - as above
            from obstore.store import from_url  # noqa: PLC0415 - as above
        except ImportError as error:
            raise SettingsError(f"{url} needs obstore: pip install 'radar-nb[cube]'") from error
        try:
            return cls(from_url(url, client_options=_options(url)), url)
        except (BaseError, ValueError) as error:
            raise SettingsError(
                f"{url} is not an address of object storage ({_reason(error)}): try s3://bucket/YW"
            ) from error

    def __reduce__(self) -> tuple[Any, ...]:
        return Bucket, (self.store, self.identity)

    def get(self, key: str) -> bytes | None:
        """Return all bytes of a key, or None if it does not exist."""
        with self._errors(key):
            try:
                found = self._obstore.get(self.store, _checked(key, self.name))
            except FileNotFoundError:
                return None
            if found.meta["size"] > SMALL:
                raise _too_large(self.name, key)
            return bytes(found.bytes())

    def fetch(self, key: str, path: Path) -> str | None:
        """Write all bytes of a key to a file, piece by piece; return their ETag."""
        with self._errors(key), path.open("wb") as file:
            found = self._obstore.get(self.store, key)
            for piece in found.stream():
                file.write(piece)
            tag: str | None = found.meta["e_tag"]
        return tag

    def tag(self, key: str) -> str | None:
        """Return a key's ETag, or None if it does not exist or has none."""
        meta = self._meta(key)
        return None if meta is None else meta["e_tag"]

    def everything(self, prefix: str) -> list[str]:
        """Return all keys below a prefix, sorted."""
        with self._errors(prefix):
            return sorted(meta["path"] for batch in self._obstore.list(self.store, prefix) for meta in batch)

    def spans(self, file: StoredFile, spans: Sequence[Span]) -> list[Any]:
        """Return parts of a file's bytes."""
        if not spans:
            return []
        starts, lengths = [start for start, _ in spans], [length for _, length in spans]
        key = _checked(file.key, self.name)
        with self._errors(key):
            found = self._obstore.get_ranges(self.store, key, starts=starts, lengths=lengths)
            # requested after the bytes, so that it reveals a replacement before or meanwhile
            if _meta_stamp(self._obstore.head(self.store, key)) != file.stamp:
                raise _changed(self.name, key)
        return list(found)

    def put(
        self,
        key: str,
        data: bytes | Iterable[bytes],
        *,
        durable: bool = True,  # noqa: ARG002 - each put here is
    ) -> StoredFile:
        """Store bytes under a key, replacing its value."""
        whole = data if isinstance(data, bytes) else b"".join(data)
        with self._errors(key):
            self._obstore.put(self.store, _checked(key, self.name), whole)
            return StoredFile(key, _meta_stamp(self._obstore.head(self.store, key)), len(whole))

    def settle(self, keys: Iterable[str]) -> None:
        """Do nothing: each put is durable."""

    def remove(self, key: str) -> None:
        """Remove a key if it exists."""
        with self._errors(key):
            try:
                self._obstore.delete(self.store, _checked(key, self.name))
            except FileNotFoundError:
                return

    def move(self, key: str, target: str) -> None:
        """Move a value to another key: the server copies it, then the old key is removed."""
        with self._errors(key), suppress(FileNotFoundError):
            self._obstore.rename(self.store, _checked(key, self.name), _checked(target, self.name))

    def stat(self, key: str) -> StoredFile | None:
        """Return a key's state, or None if it does not exist."""
        meta = self._meta(key)
        return None if meta is None else StoredFile(key, _meta_stamp(meta), meta["size"])

    def listing(self, prefix: str) -> dict[str, StoredFile]:
        """Return the objects right below a prefix, by the last part of their keys."""
        with self._errors(prefix):
            listed = self._obstore.list_with_delimiter(self.store, _checked(prefix, self.name))["objects"]
        names = {meta["path"].rpartition("/")[2]: meta for meta in listed}
        return {n: StoredFile(f"{prefix}/{n}", _meta_stamp(meta), meta["size"]) for n, meta in names.items()}

    def claim(self, key: str) -> AbstractContextManager[None]:  # noqa: ARG002 - objects are put whole, the last counts
        """Hold nothing: two writers of a day write the same bytes."""
        return nullcontext()

    def sweep(self, prefix: str) -> None:
        """Do nothing: object storage shows no partial objects."""

    def _meta(self, key: str) -> Any:
        with self._errors(key):
            try:
                return self._obstore.head(self.store, _checked(key, self.name))
            except FileNotFoundError:
                return None

    @contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        from obstore.exceptions import (  # noqa: PLC0415 - as above
            BaseError,
            PermissionDeniedError,
            UnauthenticatedError,
        )

        place = f"{self.name}/{key}"
        try:
            yield
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise NotWritable(
                f"access to {place} was denied ({_reason(error)}): check the keys and permissions"
            ) from error
        except FileNotFoundError as error:
            raise StorageError(f"{place} no longer exists: has the cube been moved?") from error
        except BaseError as error:
            raise StorageError(
                f"{place} cannot be reached ({_reason(error)}): check {_checked_first(error)}"
            ) from error


Store = Folder | Bucket


def _checked(key: str, name: str) -> str:
    """Return a key if it stays within the store.

    Raises
    ------
    CubeError
        The key leads out of the store.
    """
    if not key or PurePosixPath(key).is_absolute() or {"..", "."} & set(key.split("/")) or set(key) & set("\\:\0"):
        raise CubeError(f"the key {key!r} would lead out of {name}: do not use this cube, build a new one")
    return key


def _options(url: str) -> Any:
    """Return options for an address without TLS: of a web server, or of a local S3 server in the environment."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT") or ""
    plain = url.startswith("http://") or (url.startswith(("s3://", "s3a://")) and endpoint.startswith("http://"))
    return {"allow_http": True} if plain else None


_ASKED_FOR_CREDENTIALS = ("/latest/api/token", "/latest/meta-data", "/computeMetadata/", "/metadata/identity")
"""Paths at which machines of Amazon, Google and Azure answer with credentials."""


def _checked_first(error: Exception) -> str:
    """Return what the user should check: servers of S3 answer with a redirect where the region is wrong.

    Without credentials in the environment, obstore asks the cloud's machine for them.
    """
    text = str(error)
    if any(place in text for place in _ASKED_FOR_CREDENTIALS):
        return "the credentials (such as AWS_ACCESS_KEY_ID; AWS_SKIP_SIGNATURE=true for a public bucket)"
    if "AuthorizationHeaderMalformed" in text or "region" in text.lower():
        return "the region (AWS_REGION)"
    return "the address and the network"


def _reason(error: Exception) -> str:
    """Return one line of an error of obstore, whose text goes on with the error's structure and the retries.

    Examples
    --------
    >>> _reason(OSError("GET http://a/b in 2.1s, after 10 retries, max_retries: 10 - refused"))
    'GET http://a/b - refused'
    """
    first = " ".join(str(error).partition("\n\nDebug source")[0].split())
    return re.sub(r" in [0-9.]+m?s, after .*? - ", " - ", first)[:300]


def _stored(key: str, status: os.stat_result) -> StoredFile:
    return StoredFile(key, _stamp(status), status.st_size if stat.S_ISREG(status.st_mode) else 0)


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _meta_stamp(meta: Any) -> str:
    tag = (meta["e_tag"] or "").strip('"')  # Azure's listings write it without the quotes of its headers
    return f"{meta['size']}-{tag or meta['last_modified'].isoformat()}"


def _changed(name: str, key: str) -> CubeError:
    return CubeError(f"{name}/{key} has changed since the cube was opened: open it again")


def _too_large(name: str, key: str) -> CubeError:
    return CubeError(
        f"{name}/{key} is larger than {SMALL:,} bytes, too large for a cube's description: do not use this cube, "
        "build a new one"
    )


def _unreadable(name: str, key: str, error: OSError) -> StorageError:
    return StorageError(f"{name}/{key} cannot be read ({error.strerror}): has the cube been moved?")
