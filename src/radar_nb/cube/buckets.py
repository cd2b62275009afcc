"""A bucket of object storage, or memory, as a store of cubes; owner of obstore."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from radar_nb.errors import CubeError, NotWritable, SettingsError, StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

Span = tuple[int, int]
"""An offset and a length in bytes."""


class Bucket:
    """A store of obstore: object storage, or memory.

    Parameters
    ----------
    store : obstore.store.ObjectStore
    name : str, optional
        Its address.
    """

    def __init__(self, store: Any, name: str | None = None) -> None:
        import obstore  # noqa: PLC0415 - an extra, which a cube in a folder does not need

        self._obstore = obstore
        self.store = store
        self.identity = name
        self.shared = type(store).__name__ != "MemoryStore"
        self.name = name or str(store)

    @classmethod
    def at(cls, url: str) -> Bucket:
        """Give the store of an address."""
        try:
            from obstore.exceptions import BaseError  # noqa: PLC0415 - as above
            from obstore.store import from_url  # noqa: PLC0415 - as above
        except ImportError as error:
            raise SettingsError(f"{url} needs obstore: pip install 'radar-nb[cube]'") from error
        try:
            return cls(from_url(url), url)
        except (BaseError, ValueError) as error:
            raise SettingsError(f"{url} is no address of object storage ({error}): try s3://bucket/YW") from error

    def __reduce__(self) -> tuple[Any, ...]:
        return Bucket, (self.store, self.identity)

    def get(self, key: str) -> bytes | None:
        """Give all bytes of a key; None where there is none."""
        with self._errors(key):
            try:
                return bytes(self._obstore.get(self.store, key).bytes())
            except FileNotFoundError:
                return None

    def fetch(self, key: str, path: Path) -> str | None:
        """Write all bytes of a key to a file, piece by piece; give their ETag."""
        with self._errors(key), path.open("wb") as file:
            found = self._obstore.get(self.store, key)
            for piece in found.stream():
                file.write(piece)
            tag: str | None = found.meta["e_tag"]
        return tag

    def tag(self, key: str) -> str | None:
        """Give a key's ETag; None where there is no such key, or it has none."""
        with self._errors(key):
            try:
                tag: str | None = self._obstore.head(self.store, key)["e_tag"]
            except FileNotFoundError:
                return None
        return tag

    def everything(self, prefix: str) -> list[str]:
        """Give all keys below a prefix, sorted."""
        with self._errors(prefix):
            return sorted(meta["path"] for batch in self._obstore.list(self.store, prefix) for meta in batch)

    def spans(self, key: str, spans: Sequence[Span], *, stamp: str) -> list[Any]:
        """Give parts of a key's bytes, as they are in the state of a stamp."""
        if not spans:
            return []
        starts, lengths = [start for start, _ in spans], [length for _, length in spans]
        with self._errors(key):
            found = self._obstore.get_ranges(self.store, key, starts=starts, lengths=lengths)
            # asked after them: had it been replaced before or meanwhile, it would tell
            if _meta_stamp(self._obstore.head(self.store, key)) != stamp:
                raise CubeError(f"{self.name}/{key} has changed since the cube was opened: open it again")
        return list(found)

    def put(self, key: str, data: bytes, *, durable: bool = True) -> str:  # noqa: ARG002 - as each put here is
        """Put bytes, over what is there; give their stamp."""
        with self._errors(key):
            self._obstore.put(self.store, key, data)
            return _meta_stamp(self._obstore.head(self.store, key))

    def settle(self, keys: Iterable[str]) -> None:
        """Do nothing: what was put is."""

    def remove(self, key: str) -> None:
        """Remove a key, if it is there."""
        with self._errors(key):
            try:
                self._obstore.delete(self.store, key)
            except FileNotFoundError:
                return

    def stat(self, key: str) -> tuple[str, int] | None:
        """Give a key's stamp and size; None where there is none."""
        with self._errors(key):
            try:
                meta = self._obstore.head(self.store, key)
            except FileNotFoundError:
                return None
        return _meta_stamp(meta), meta["size"]

    def listing(self, prefix: str) -> dict[str, tuple[str, int]]:
        """Give the stamps and sizes of all keys right below a prefix, by the rest of their names."""
        with self._errors(prefix):
            listed = self._obstore.list_with_delimiter(self.store, prefix)["objects"]
        return {meta["path"].rpartition("/")[2]: (_meta_stamp(meta), meta["size"]) for meta in listed}

    def claim(self, key: str) -> AbstractContextManager[None]:  # noqa: ARG002 - objects are put whole, the last counts
        """Hold nothing: two writers of a day write the same bytes."""
        return nullcontext()

    def sweep(self, prefix: str) -> None:
        """Do nothing: object storage shows no halves."""

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
            raise NotWritable(f"{place} may not be reached ({error}): check the keys and rights") from error
        except FileNotFoundError as error:
            raise StorageError(f"{place} has gone: is the cube still where it was?") from error
        except BaseError as error:
            raise StorageError(
                f"{place} cannot be reached ({error}): check the address and the network"
            ) from error


def _meta_stamp(meta: Any) -> str:
    return f"{meta['size']}-{meta['e_tag'] or meta['last_modified'].isoformat()}"
