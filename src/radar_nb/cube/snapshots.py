"""States of a cube as snapshots of an icechunk repository; owner of icechunk.

A shard is stored as it is: icechunk sees one chunk of a Zarr array, which any reader of Zarr decodes. The metadata
of each snapshot hold the cube's fingerprint and a digest of each day's record, so that the next one writes only
days that have changed. A snapshot is committed in one step: until then nothing of it is visible.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from radar_nb.cube.day_records import UNREADABLE
from radar_nb.cube.description import GROUP, KEY, described_files
from radar_nb.cube.opening import required_cube, sound_days
from radar_nb.cube.shards import remedy
from radar_nb.cube.time_axis import require_axis
from radar_nb.errors import CubeError, DamagedShard, NothingFound, SettingsError, StorageError
from radar_nb.runtime.files import user_path
from radar_nb.runtime.locks import claimed
from radar_nb.runtime.progress import Progress, reporting
from radar_nb.runtime.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from radar_nb.cube.day_records import StoredDay
    from radar_nb.cube.description import Cube
    from radar_nb.cube.stores import StoredFile
    from radar_nb.runtime.progress import Reporter

_BRANCH = "main"


def commit_cube(store: Any, repository: Any, message: str, *, progress: bool | Reporter = True) -> str:
    """Commit the present state of a cube into an icechunk repository; return the identifier of the snapshot.

    Days that the last snapshot has with the same record are not written again. If nothing has changed, no snapshot
    is made, and the last one's identifier is returned. An interrupted call leaves no snapshot; icechunk's garbage
    collection removes the bytes that it wrote. If earlier years have been added since, all days are written.

    Parameters
    ----------
    store : path, str, or store of obstore
        A cube, as for `open_cube`. Its arrangement for series is not committed.
    repository : path or str
        A folder or an address such as "s3://bucket/history", which is created if it is empty. It holds one cube.
        Credentials, region and endpoint of S3 come from the variables of the environment.
    message : str
        What the snapshot is, such as "DWD re-issued June 2020".
    progress : bool or Reporter
        Task "snapshot", in days that are written.

    Returns
    -------
    str

    Raises
    ------
    SettingsError
        icechunk is not installed, or the place cannot be a repository.
    NothingFound, DamagedShard
        As for `open_cube`.
    CubeError
        The place contains something else, or another cube; the cube was changed meanwhile; another process has
        committed meanwhile.
    StorageError
        The cube or the repository cannot be reached.

    Examples
    --------
    >>> commit_cube("YW.zarr", "history", "as of today")  # doctest: +SKIP
    'V7RDCB5T4TXXJTTBZXV0'
    """
    cube = required_cube(store)
    days, _ = sound_days(cube, "raise")
    flags = cube.listed("flags") if cube.has_flags else {}
    if cube.has_flags and (bare := sorted(set(days) - set(flags))):
        raise DamagedShard(f"{cube.store.name}/{cube.key(bare[0], 'flags')} is missing: {remedy(cube.store.name)}")
    with _translated(repository), _claim(repository):
        opened = _repository(repository, create=True)
        before = _state(opened, cube, repository)
        session = opened.writable_session(_BRANCH)
        old = before["days"] if before.get("first") == cube.first else {}
        now = {str(np.datetime64(day, "D")): _digest(stored) for day, stored in days.items()}
        changed = [day for day, name in zip(days, now, strict=True) if old.get(name) != now[name]]
        writer = _Writer(session.store)
        if before and before["first"] != cube.first:
            for array in ("flags", cube.variable):
                writer.clear(array)
        described = writer.describe(_description(cube))
        with reporting(progress) as report:
            for done, day in enumerate(changed, 1):
                writer.put(_chunk(cube, cube.variable, day), _shard(cube, days[day].file))
                if flags:
                    writer.put(_chunk(cube, "flags", day), _shard(cube, flags[day]))
                name = str(np.datetime64(day, "D"))
                report(Progress(task="snapshot", done=done, total=len(changed), unit="days", note=name))
        lost = [name for name in old if name not in now]
        for name in lost:
            day = int(np.datetime64(name, "D").astype(int))
            for array in (cube.variable, *(["flags"] if cube.has_flags else [])):
                writer.remove(_chunk(cube, array, day))
        require_axis(cube)
        if before and not (changed or lost or described):
            return str(session.snapshot_id)
        state = {"cube": cube.fingerprint, "first": cube.first, "days": now, "written": len(changed)}
        return str(session.commit(message, metadata={KEY: json.dumps(state)}))


def cube_snapshots(repository: Any) -> Table:
    """Return the snapshots of a repository of `commit_cube`, the last one first.

    Parameters
    ----------
    repository : path or str
        As for `commit_cube`.

    Returns
    -------
    Table
        Identifier, time (UTC), message, days in the snapshot, and days that were written for it.

    Raises
    ------
    SettingsError, StorageError
        As for `commit_cube`.
    NothingFound
        There is no repository.
    CubeError
        The place contains something else.

    Examples
    --------
    >>> cube_snapshots("history")  # doctest: +SKIP
    """
    with _translated(repository):
        found = [(info, _parsed(info)) for info in _repository(repository).ancestry(branch=_BRANCH)]
    rows = [
        (
            info.id,
            f"{info.written_at:%Y-%m-%d %H:%M:%S}",
            info.message,
            f"{len(state['days'])}",
            f"{state['written']}",
        )
        for info, state in found
        if state
    ]
    return Table(
        title=f"snapshots in {repository}",
        columns=("snapshot", "time (UTC)", "message", "days", "written"),
        rows=tuple(rows),
    )


def open_snapshot(repository: Any, snapshot: str | None = None) -> xr.Dataset:
    """Open a state of a cube, lazily, as `xarray.open_zarr` opens the cube itself.

    Parameters
    ----------
    repository : path or str
        As for `commit_cube`.
    snapshot : str, optional
        An identifier of `cube_snapshots`; by default the last one.

    Returns
    -------
    xarray.Dataset
        Without dask. Steps that were never built are missing.

    Raises
    ------
    SettingsError, StorageError
        As for `commit_cube`.
    NothingFound
        There is no repository, or no such snapshot of a cube in it.
    CubeError
        The place contains something else.

    Examples
    --------
    >>> open_snapshot("history", "V7RDCB5T4TXXJTTBZXV0")  # doctest: +SKIP
    """
    with _translated(repository):
        opened = _repository(repository)
        known = [info.id for info in opened.ancestry(branch=_BRANCH) if _parsed(info)]
        if not known or snapshot not in {None, *known}:
            raise NothingFound(
                f"{repository} has no snapshot {snapshot or 'of a cube'}: choose one that cube_snapshots "
                "(`radar-nb cube snapshots`) lists"
            )
        session = opened.readonly_session(snapshot_id=snapshot or known[0])
        found: xr.Dataset = xr.open_zarr(session.store, consolidated=False, zarr_format=3, chunks=None)
    return found


# --- repositories -----------------------------------------------------------------------------------------------


def _icechunk() -> Any:
    try:
        import icechunk  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(
            "snapshots need icechunk: pip install 'radar-nb[snapshots]' (icechunk 2 needs Python 3.12 or later, "
            "3.11 gets icechunk 1)"
        ) from error
    if "ICECHUNK_LOG" not in os.environ:  # its warnings would stand among what commands print
        icechunk.set_logs_filter("error")
    return icechunk


def _repository(place: Any, *, create: bool = False) -> Any:
    """Open the repository of a place, or create it if the place is empty."""
    library = _icechunk()
    if isinstance(place, str) and place.startswith("s3://"):
        bucket, _, prefix = place.removeprefix("s3://").strip("/").partition("/")
        if not bucket or not prefix:
            raise SettingsError(f"{place} names no folder of a bucket: use an address such as s3://bucket/history")
        endpoint = os.environ.get("AWS_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT")
        storage = library.s3_storage(
            bucket=bucket,
            prefix=prefix,
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
            endpoint_url=endpoint,
            allow_http=bool(endpoint and endpoint.startswith("http://")),
            force_path_style=bool(endpoint),
            from_env=True,
        )
        empty = True
    elif isinstance(place, str | os.PathLike) and "://" not in str(place):
        path = user_path(place)
        if path.exists() and not path.is_dir():
            raise CubeError(f"{path} is a file, not an icechunk repository: use a folder")
        storage = library.local_filesystem_storage(str(path.absolute())) if create or path.exists() else None
        empty = not path.exists() or not any(path.iterdir())
    else:
        raise SettingsError(
            f"{place!r} cannot be a repository: use a folder, or an address such as s3://bucket/history"
        )
    if storage is not None and library.Repository.exists(storage):
        return library.Repository.open(storage)
    if not empty:
        raise CubeError(f"{place} is not an icechunk repository: use an empty place, or that of a repository")
    if not create:
        raise NothingFound(f"there is no icechunk repository in {place}: call commit_cube, or check the path")
    return library.Repository.create(storage)


def _state(repository: Any, cube: Cube, place: Any) -> dict[str, Any]:
    """Return what the last snapshot says about the cube; empty if the repository is new."""
    last = next(iter(repository.ancestry(branch=_BRANCH)))
    state = _parsed(last)
    if state is None and last.parent_id is not None:
        raise CubeError(
            f"the last snapshot in {place} ({last.message!r}) was not made by radar_nb: use another repository"
        )
    if state and state["cube"] != cube.fingerprint:
        raise CubeError(
            f"{place} holds snapshots of {state['cube']}, not of {cube.fingerprint}: use another repository"
        )
    return state or {}


def _parsed(info: Any) -> dict[str, Any] | None:
    """Return what a snapshot says about its cube; None if radar_nb has not made it."""
    try:
        state = json.loads(info.metadata[KEY])
        return {
            "cube": str(state["cube"]),
            "first": int(state["first"]),
            "days": {str(day): str(digest) for day, digest in state["days"].items()},
            "written": int(state["written"]),
        }
    except UNREADABLE:
        return None


def _claim(place: Any) -> AbstractContextManager[None]:
    """Hold a folder for committing: icechunk does not protect folders from two committers, only buckets."""
    local = isinstance(place, str | os.PathLike) and "://" not in str(place)
    return claimed(user_path(place)) if local else nullcontext()


@contextmanager
def _translated(place: Any) -> Iterator[None]:
    library = _icechunk()
    try:
        yield
    except library.ConflictError as error:
        raise CubeError(f"another process has committed into {place} meanwhile: run commit_cube again") from error
    except library.IcechunkError as error:
        text = " ".join(str(error).partition("\n")[0].split()).removeprefix("x ")  # then a dump of the library
        raise StorageError(
            f"the icechunk repository in {place} cannot be read or written ({text[:200]}): check the place, the "
            "credentials and the region"
        ) from error


# --- what is written --------------------------------------------------------------------------------------------


def _digest(stored: StoredDay) -> str:
    """Return a digest of a day's record, and of the size of its shard."""
    record = stored.record
    digest = hashlib.sha256(json.dumps([stored.file.size, record.rest()], sort_keys=True).encode())
    digest.update(record.of_step.astype("<i2").tobytes())
    digest.update(record.valid.astype("<i4").tobytes())
    return digest.hexdigest()[:32]


def _description(cube: Cube) -> dict[str, bytes]:
    """Return the files of a cube without its days, as icechunk takes them: keys of chunks have slashes."""
    coordinates = cube.coordinates()
    files = described_files(cube, coordinates["y"].values, coordinates["x"].values)
    group = json.loads(files[GROUP])
    group.pop("consolidated_metadata", None)
    found = {GROUP: json.dumps(group).encode()}
    for key, data in files.items():
        if key in {f"{cube.variable}/{GROUP}", f"flags/{GROUP}"}:
            array = json.loads(data)
            array["chunk_key_encoding"] = {"name": "default", "configuration": {"separator": "/"}}
            found[key] = json.dumps(array).encode()
        elif key != GROUP:
            found[key] = data
    return found


def _chunk(cube: Cube, array: str, day: int) -> str:
    return f"{array}/c/{day - cube.first}/0/0"


def _shard(cube: Cube, file: StoredFile) -> bytes:
    (data,) = cube.store.spans(file, [(0, file.size)])
    return bytes(data)


class _Writer:
    """A session's store, written by key."""

    def __init__(self, store: Any) -> None:
        from zarr.core.buffer import default_buffer_prototype  # noqa: PLC0415 - zarr is loaded where it is needed
        from zarr.core.sync import sync  # noqa: PLC0415 - the same

        self._store, self._sync, self._prototype = store, sync, default_buffer_prototype()

    def put(self, key: str, data: bytes) -> None:
        self._sync(self._store.set(key, self._prototype.buffer.from_bytes(data)))

    def remove(self, key: str) -> None:
        self._sync(self._store.delete(key))

    def clear(self, array: str) -> None:
        """Remove an array with all its chunks."""
        self._sync(self._store.delete_dir(array))

    def describe(self, files: dict[str, bytes]) -> bool:
        """Write those files of a description that differ from what is there; return whether there were any."""
        order = sorted(
            files, key=lambda key: (key != GROUP, not key.endswith(GROUP))
        )  # arrays before their chunks
        changed = False
        for key in order:
            if not self._same(key, files[key]):
                self.put(key, files[key])
                changed = True
        return changed

    def _same(self, key: str, data: bytes) -> bool:
        found = self._sync(self._store.get(key, self._prototype))
        if found is None:
            return False
        there = found.to_bytes()
        return bool(there == data or (key.endswith(GROUP) and _equal(json.loads(there), json.loads(data))))


def _equal(one: Any, other: Any) -> bool:
    """Return whether icechunk's form of a metadata file says what ours says; it leaves out what is empty."""
    names = {name for name in {*one, *other} if one.get(name) or other.get(name)}
    return all(one.get(name) == other.get(name) for name in names)
