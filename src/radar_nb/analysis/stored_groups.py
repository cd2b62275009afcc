"""Zarr groups, netCDF files and parts of results, opened with distrust: anyone may have damaged them."""

from __future__ import annotations

import json
import math
import stat
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.errors import HeaderError, StorageError, UnsafeMember
from radar_nb.formats.odim import require_own_bytes
from radar_nb.runtime.files import replacing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_LIMIT = 4 << 20  # bytes of a file of metadata; real ones have some kilobytes
_HEAD = 16  # bytes of a compressed chunk that state its sizes
_REMEDY = "remove it, and the same call computes it again"
_DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, LookupError, AttributeError, ValueError, TypeError, RuntimeError, ArithmeticError, MemoryError),
    *(EOFError, zipfile.BadZipFile),
    SystemError,  # of NumPy, for bytes that are not text
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
    read_json(group / ".zattrs")
    metadata = read_json(group / ".zmetadata")
    try:
        for name, array in metadata["metadata"].items() if metadata else ():
            if name.endswith("/.zarray"):
                _check_chunks(group / name.removesuffix("/.zarray"), array)
        return _checked(xr.open_dataset(group, engine="zarr", **options), sizes)
    except _DAMAGE as error:
        raise damaged(group, error) from error


def _checked(found: xr.Dataset, sizes: dict[str, dict[str, int]]) -> xr.Dataset:
    """Return results that have the variables, sizes and types that they must have; otherwise raise ValueError."""
    for name, expected in sizes.items():
        surplus = bool(expected) and found[name].ndim > len(expected) + 1
        if surplus or not expected.items() <= found[name].sizes.items() or found[name].dtype.kind not in "iufM":
            raise ValueError(f"{name} has other sizes or another type")
    return found


def write_part(ds: xr.Dataset, path: Path) -> None:
    """Write variables and attributes, without coordinates, to one file, which appears when it is complete.

    A Zarr group of twelve small arrays takes 0.1 s to write and to open again, such a file some milliseconds.
    """
    about = {"dims": {name: value.dims for name, value in ds.items()}, "attrs": ds.attrs}
    arrays: Any = {_ABOUT: np.array(json.dumps(about))}
    arrays |= {str(name): value.to_numpy() for name, value in ds.items()}
    with replacing(path, claimed=True) as file:
        np.savez(file, **arrays)


def read_part(path: Path, sizes: dict[str, dict[str, int]]) -> xr.Dataset:
    """Return what `write_part` wrote, loaded; errors as from `open_group`."""
    refuse_links([path])
    try:
        with _part(path) as stored:
            about = json.loads(str(stored[_ABOUT]))
            made = {name: (tuple(dims), stored[name]) for name, dims in about["dims"].items()}
        return _checked(xr.Dataset(made, attrs=about["attrs"]), sizes)
    except _DAMAGE as error:
        raise damaged(path, error) from error


@contextmanager
def _part(path: Path) -> Iterator[Any]:
    """Open the arrays of a part, which are not compressed, so that none is larger than the file."""
    with path.open("rb") as file, zipfile.ZipFile(file) as members:
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.infolist()):
            raise ValueError("an array is compressed")
        with np.load(file, allow_pickle=False) as stored:
            yield stored


def part_attrs(path: Path) -> Any:
    """Return the attributes of a part; None if it does not exist."""
    try:
        refuse_links([path])
        with _part(path) as stored:
            return json.loads(str(stored[_ABOUT]))["attrs"]
    except FileNotFoundError:
        return None
    except _DAMAGE as error:
        raise damaged(path, error) from error


def open_file(path: Path, **options: Any) -> xr.Dataset:
    """Open a netCDF file of results that lies whole in its own bytes.

    Parameters
    ----------
    path : pathlib.Path
    **options
        Of `xarray.open_dataset`.

    Raises
    ------
    StorageError
        It is damaged, has no coverage, or leads to other files or places.
    """
    try:
        require_own_bytes(path)
        found = xr.open_dataset(path, engine="h5netcdf", **options)
        there = "coverage" in found
    except (HeaderError, UnsafeMember) as error:
        raise damaged(path, str(error).rpartition(": ")[0]) from error
    except _DAMAGE as error:
        raise damaged(path, error) from error
    if not there:
        found.close()
        raise damaged(path, "it has no coverage")
    return found


def _check_chunks(folder: Path, array: dict[str, Any]) -> None:
    """Raise ValueError for an array that is compressed in another way, or whose chunks have other sizes."""
    codec, room = array["compressor"], math.prod(array["chunks"]) * np.dtype(array["dtype"]).itemsize
    texts = (array["dtype"], array["filters"]) == ("|O", [{"id": "vlen-utf8"}])  # names of points and areas
    if (array["filters"] and not texts) or (codec is not None and codec["id"] != "blosc"):
        raise ValueError(f"{folder.name} is compressed in another way")
    if any(chunk > max(1, size) for chunk, size in zip(array["chunks"], array["shape"], strict=True)):
        raise ValueError(f"{folder.name} has chunks larger than itself")
    for path in folder.iterdir() if codec is not None else ():
        if not path.name.startswith("."):
            with path.open("rb") as file:
                head = file.read(_HEAD)
            size = int.from_bytes(head[4:8], "little")  # c-blosc, README_CHUNK_FORMAT
            if size > _LIMIT if texts else size != room:
                raise ValueError(f"{folder.name}/{path.name} inflates to another size than its chunk")
