"""Totals that are written as they are computed, in bounded memory; an interrupted call can be resumed.

The store is a Zarr group with one chunk per period. The coverage, which is never missing, is written after the
variable: a period with a coverage is complete. xarray cannot write a netCDF file in parts, so its periods are
first written to a Zarr group beside it, `days.nc.part`, and copied at the end.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import xarray as xr

from radar_nb.analysis.stored_groups import open_file, open_group, refuse_links
from radar_nb.analysis.totals import with_coverage
from radar_nb.errors import SettingsError
from radar_nb.runtime.files import replacing_path, storage_errors, temporary_path, user_path
from radar_nb.runtime.wording import human_bytes

if TYPE_CHECKING:
    import os

    from radar_nb.analysis.periods import Periods

_ROOM = 1 << 28
"""Bytes of results that are computed at once."""
_SHARE = 4
"""A result may take one part in this many of the free memory."""
_CELL = 8
"""Bytes of a cell in a period: total and coverage."""
_REQUEST = "radar_nb_request"
"""The attribute that holds the request, so that only the same call is resumed."""


class PeriodTotals(Protocol):
    """Totals of archives, a cube or a Dataset, some periods at a time.

    Attributes
    ----------
    periods : Periods
    cells : int
        Number of values of one period.
    lazy : bool
        Whether `part` returns lazy arrays.
    source : str
        Description of the data.
    """

    periods: Periods
    cells: int
    lazy: bool
    source: str

    def part(self, first: int, stop: int) -> xr.Dataset:
        """Return the periods from `first` to before `stop`."""


def require_memory(totals: PeriodTotals) -> None:
    """Raise an error if the result is larger than a quarter of the free memory.

    Raises
    ------
    SettingsError
        The message states the size and the remedy.
    """
    count = len(totals.periods.labels)
    needed, free = count * totals.cells * _CELL, _free_memory()
    if not totals.lazy and free is not None and needed > free / _SHARE:
        raise SettingsError(
            f"the totals of {count} periods take {human_bytes(needed)}, more than a quarter of the "
            f'{human_bytes(free)} of free memory: write them to a file with store="days.zarr" or "days.nc", or '
            "choose longer periods"
        )


def write_totals(
    totals: PeriodTotals, store: str | os.PathLike[str], least: float, request: dict[str, Any]
) -> xr.Dataset:
    """Write totals to a store as they are computed, and return them as a lazy Dataset.

    Parameters
    ----------
    totals : PeriodTotals
    store : path
        Ends in `.zarr` or `.nc`. Periods of an earlier, interrupted call are kept.
    least : float
        Totals with a smaller coverage become NaN.
    request : dict
        The arguments of the call, as JSON types.

    Raises
    ------
    SettingsError
        The name has another suffix, or the store holds something else.
    StorageError
        The store cannot be written.
    """
    target = user_path(store)
    if target.suffix not in {".zarr", ".nc"}:
        raise SettingsError(f'store={str(store)!r} has an unknown suffix: name it "....zarr" or "....nc"')
    labels = totals.periods.labels
    asked = {**request, "source": totals.source, "steps": len(totals.periods.of_step)}
    asked |= {"periods": [str(labels[0]), str(labels[-1]), len(labels)], "min_coverage": least}
    key = json.dumps(asked, sort_keys=True)
    if target.suffix == ".nc" and target.exists():
        return _opened(target, key)
    group = target if target.suffix == ".zarr" else target.with_name(f"{target.name}.part")
    with storage_errors(target):
        if not group.exists():
            _prepare(group, totals, key)
        done = np.isfinite(_opened(group, key)["coverage"].isel(_corner(totals)).values)
        for first, stop in _batches(~done, max(1, _ROOM // (_CELL * totals.cells))):
            part = with_coverage(totals.part(first, stop).compute(), least).reset_coords(drop=True)
            for name in sorted(part.data_vars, key=lambda name: name == "coverage"):
                part[[name]].drop_vars(part.coords).to_zarr(group, region={"time": slice(first, stop)})
        if target.suffix == ".nc":
            whole = _opened(group, key).assign_attrs({_REQUEST: key})
            spelled = {name: {"zlib": True, "complevel": 1} for name in whole.data_vars}
            with replacing_path(target) as written:
                whole.to_netcdf(written, engine="h5netcdf", encoding=spelled)
            shutil.rmtree(group)
    return _opened(target, key)


def _corner(totals: PeriodTotals) -> dict[str, int]:
    """Return the first cell of a period, by dimension."""
    return {str(name): 0 for name in totals.part(0, 1)["coverage"].dims if name != "time"}


def _prepare(group: Path, totals: PeriodTotals, key: str) -> None:
    """Write the coordinates and attributes of all periods, without values."""
    like = with_coverage(totals.part(0, 1), 0.0)
    periods = totals.periods
    times = {
        "time": periods.labels,
        "period_begin": periods.bounds[:, 0],
        "period_end": periods.bounds[:, 1],
        "time_bnds": periods.bounds,
    }
    whole = like.isel(time=0, drop=True).assign_attrs({_REQUEST: key})
    for name in like.data_vars:
        chunks = {dim: 1 if dim == "time" else like.sizes[dim] for dim in like[name].dims}
        one = xr.full_like(like[name].variable, np.nan).chunk(chunks)
        blank = one.isel(time=np.zeros(len(periods.labels), int)).chunk(chunks)  # lazy: dask copies an array whole
        blank.encoding = {"_FillValue": np.float32(np.nan)}
        whole[name] = blank
    for name, values in times.items():
        old = like[name].variable
        whole = whole.assign_coords(
            {name: xr.Variable(old.dims, values.astype("datetime64[ns]"), old.attrs, old.encoding)}
        )
    building = temporary_path(group)
    whole.to_zarr(building, compute=False, zarr_format=2, consolidated=True)
    building.rename(group)


def _opened(path: Path, key: str) -> xr.Dataset:
    """Open a store; raise an error if it was written for another request."""
    if path.suffix == ".nc":
        refuse_links([path.resolve()])
        found = open_file(path, decode_coords="all", chunks={})
    else:
        found = open_group(path, {"coverage": {}}, decode_coords="all", chunks={})
    if found.attrs.pop(_REQUEST, None) != key:
        found.close()
        raise SettingsError(
            f"{path} holds the totals of another request: choose another store, or remove it first"
        )
    return found


def _batches(wanted: Any, longest: int) -> list[tuple[int, int]]:
    """Return runs of wanted periods of at most a length."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], wanted.astype(int), [0]])))
    runs = edges.reshape(-1, 2).tolist()
    return [(first, min(first + longest, stop)) for a, stop in runs for first in range(a, stop, longest)]


def _free_memory() -> int | None:
    """Return the bytes of available memory, None where the system does not report them."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), None)
