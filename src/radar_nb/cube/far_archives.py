"""Archives in object storage, fetched by who builds their days, so that workers need no common disk."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from radar_nb.cube.buckets import Bucket
from radar_nb.errors import NothingFound
from radar_nb.runtime.files import Sidecar, storage_errors, write_sidecar

if TYPE_CHECKING:
    from collections.abc import Iterator


def far_archives(source: Any) -> tuple[str, ...]:
    """Give the addresses of a source's archives; none where the source is something else.

    Parameters
    ----------
    source : str or sequence of str
        Addresses such as "s3://dwd/YW2017.002_202006.tar"; one that ends in "/" stands for all files below it.

    Raises
    ------
    NothingFound
        There is no file below such an address.
    """
    given = [source] if isinstance(source, str) else source if isinstance(source, list | tuple) else []
    if not given or not all(isinstance(one, str) and "://" in one for one in given):
        return ()
    found: list[str] = []
    for address in given:
        if address.endswith("/"):
            below = [f"{address}{key}" for key in Bucket.at(address).everything("")]
            if not below:
                raise NothingFound(f"there is no file below {address}: check the address")
            found += below
        else:
            found.append(address)
    return tuple(found)


def identity_of(address: str) -> str | None:
    """Give the ETag of a file of object storage; None where there is no such file, or it has none."""
    parent, _, name = address.rpartition("/")
    return Bucket.at(parent).tag(name)


@contextmanager
def fetched(address: str) -> Iterator[Path]:
    """Give a file of object storage as a file on this machine, for as long as it is needed.

    Raises
    ------
    NotWritable, StorageError
        It cannot be reached, or the disk of temporary files cannot take it.
    """
    parent, _, name = address.rpartition("/")
    with TemporaryDirectory(prefix="radar_nb-") as folder:
        path = Path(folder, name)
        with storage_errors(path):
            tag = Bucket.at(parent).fetch(name, path)
            write_sidecar(path, Sidecar(url=address, etag=tag, size=path.stat().st_size))
        yield path
