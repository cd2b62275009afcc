"""Zarr groups of stored results, opened with distrust: anyone may have written or damaged them."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import xarray as xr

from radar_nb.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LIMIT = 4 << 20  # bytes of a file of metadata; real ones have some kilobytes
_REMEDY = "remove it, and the same call computes it again"
_DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, LookupError, AttributeError, ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError),
)
"""What Zarr, xarray and JSON raise for what is not theirs; a `RecursionError` is a `RuntimeError`."""


def damaged(path: Path, reason: Any) -> StorageError:
    """Return the error that a stored result cannot be used."""
    return StorageError(f"{path} is damaged, or not of radar_nb ({reason}): {_REMEDY}")


def read_json(path: Path) -> Any:
    """Return the content of a small file of JSON; None if it does not exist.

    Raises
    ------
    StorageError
        It is not a regular file, or too large, or damaged.
    """
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LIMIT:
            raise damaged(path, "it is not a small file")
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        raise damaged(path, error) from error


def refuse_links(paths: Iterable[Path]) -> None:
    """Raise an error for a link or a device: what is replaced or removed may lie elsewhere, and a pipe blocks.

    Raises
    ------
    StorageError
        The message names the first.
    """
    for path in paths:
        if not stat.S_ISREG(mode := path.lstat().st_mode) and not stat.S_ISDIR(mode):
            raise StorageError(f"{path} is neither a file nor a folder: remove it, or choose another store")


def open_group(group: Path, sizes: dict[str, dict[str, int]], **options: Any) -> xr.Dataset:
    """Open a group of results.

    Parameters
    ----------
    group : pathlib.Path
    sizes : dict
        The sizes by dimension of each variable that it must have; it may have one dimension more.
    **options
        Of `xarray.open_dataset`.

    Raises
    ------
    StorageError
        It is damaged, or has other variables or sizes, or holds a link or a pipe.
    """
    refuse_links(group.rglob("*"))
    for name in (".zmetadata", ".zattrs"):
        read_json(group / name)
    try:
        found = xr.open_dataset(group, engine="zarr", **options)
        other = [
            name
            for name, expected in sizes.items()
            if not expected.items() <= found[name].sizes.items() or found[name].ndim > len(expected) + 1
        ]
    except _DAMAGE as error:
        raise damaged(group, error) from error
    if other:
        raise damaged(group, f"{other[0]} has other sizes")
    return found
