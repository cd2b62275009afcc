"""Zarr groups of stored results, and files of their parts, opened with distrust: anyone may have damaged them."""

from __future__ import annotations

import json
import stat
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.errors import StorageError
from radar_nb.runtime.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LIMIT = 4 << 20  # bytes of a file of metadata; real ones have some kilobytes
_REMEDY = "remove it, and the same call computes it again"
_DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, LookupError, AttributeError, ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError),
    *(EOFError, zipfile.BadZipFile),
)
"""What Zarr, xarray, NumPy and JSON raise for what is not theirs; a `RecursionError` is a `RuntimeError`."""
_ABOUT = "about"
"""The array of a part that holds its dimensions and attributes, as JSON."""


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
        return _checked(xr.open_dataset(group, engine="zarr", **options), sizes)
    except _DAMAGE as error:
        raise damaged(group, error) from error


def _checked(found: xr.Dataset, sizes: dict[str, dict[str, int]]) -> xr.Dataset:
    """Return results that have the variables and sizes that they must have; otherwise raise ValueError."""
    for name, expected in sizes.items():
        if not expected.items() <= found[name].sizes.items() or found[name].ndim > len(expected) + 1:
            raise ValueError(f"{name} has other sizes")
    return found


def write_part(ds: xr.Dataset, path: Path) -> None:
    """Write variables and attributes, without coordinates, to one file, which appears when it is complete.

    A Zarr group of twelve small arrays takes 0.1 s to write and to open again, such a file some milliseconds.
    """
    about = {"dims": {name: value.dims for name, value in ds.items()}, "attrs": ds.attrs}
    with replacing(path, claimed=True) as file:
        np.savez(file, **{_ABOUT: np.array(json.dumps(about))}, **{str(name): one for name, one in ds.items()})


def read_part(path: Path, sizes: dict[str, dict[str, int]]) -> xr.Dataset:
    """Return what `write_part` wrote, loaded; errors as from `open_group`."""
    refuse_links([path])
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            about = json.loads(str(stored[_ABOUT]))
            made = {name: (tuple(dims), stored[name]) for name, dims in about["dims"].items()}
        return _checked(xr.Dataset(made, attrs=about["attrs"]), sizes)
    except _DAMAGE as error:
        raise damaged(path, error) from error


def part_attrs(path: Path) -> Any:
    """Return the attributes of a part; None if it does not exist."""
    try:
        refuse_links([path])
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return json.loads(str(stored[_ABOUT]))["attrs"]
    except FileNotFoundError:
        return None
    except _DAMAGE as error:
        raise damaged(path, error) from error
