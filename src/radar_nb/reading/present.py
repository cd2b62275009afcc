"""The newest file of a product as a Dataset that states how old it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from radar_nb.dwd.products import RETENTION
from radar_nb.errors import ArchiveError, FrameError
from radar_nb.fetch.present import Present
from radar_nb.reading.opening import open_dataset
from radar_nb.runtime.clock import Clock
from radar_nb.runtime.event_loop import blocking
from radar_nb.runtime.wording import AGAIN

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable
    from datetime import datetime
    from pathlib import Path

    import xarray as xr

    from radar_nb.dwd.products import Product
    from radar_nb.fetch.present import Newest


async def latest_async(
    product: str | Product,
    *,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    clock: Clock | None = None,
    **reading: Any,
) -> xr.Dataset:
    """Open the newest file of a product that the server has, and state its age.

    The server is asked for the file under the product's alias, and sends it only if it has changed. The listing is
    read where the alias is missing, damaged, incomplete or old. A run without some of its lead times is not used:
    the one before it is.

    Parameters
    ----------
    product : str or Product
        One that DWD publishes every few minutes: "RV" (the analysis and forecasts to two hours), "RY", "YW",
        "RW", "SF", "RS", "WN", "HX", "DMAX", "VII", "HYMECNG", "HG".
    folder : path, optional
        Files are stored below it under the same paths as on the server, and nothing in it is removed. By default a
        folder of the cache, which keeps three hours.
    base_url : str, optional
        The server (see `settings`).
    clock : Clock, optional
        Whose time it is: for `radar_nb.mirror`.
    **reading
        Further arguments of `open_dataset`: `run`, `lead`, `chunks`, `grid` and others.

    Returns
    -------
    xarray.Dataset
        As for `open_dataset`, with the attributes

        - `nominal_time`: ISO 8601, UTC;
        - `age_seconds`: from the nominal time to the request, by this computer's clock or the server's, whichever
          is later;
        - `stale`: 1 if it is so old that a newer file should have been there: after the usual delay of the
          product and two of its steps, 14 minutes for RV; otherwise 0;
        - `clock_skew_seconds`: how far the server's clock is ahead of this computer's; absent where the server
          states no time;
        - `skipped`: what was newer, or asked for before, and could not be used; absent if there is nothing.

    Raises
    ------
    UnknownProduct, CoverageError
        The product is unknown, or has no newest file.
    DownloadError
        The server cannot be reached or refuses (`ServerUnavailable`, `TransferTimeout`, `Refused`), or has no file
        that is whole (`NotOnServer`).
    StorageError
        The folder cannot take the file.

    Examples
    --------
    >>> ds = latest("RV")  # doctest: +SKIP
    >>> ds.attrs["nominal_time"], ds.attrs["stale"]  # doctest: +SKIP
    ('2026-11-30T08:55:00Z', 0)
    """
    present = Present(product, folder=folder, base_url=base_url, clock=clock or Clock())
    return opened(await present.newest(), **reading)


latest = blocking(latest_async)


async def files_until_now_async(
    product: str,
    wanted: Callable[[datetime], Iterable[datetime]],
    *,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    clock: Clock | None = None,
) -> tuple[Newest, dict[datetime, Path]]:
    """Bring the newest file of a product and those of some times before it, as far as the server has them.

    Parameters
    ----------
    product : str
    wanted : callable
        Takes the newest nominal time and returns those of all files that are wanted, UTC.
    folder, base_url, clock
        As for `latest`; without a folder one of the cache, which keeps what the server keeps.

    Returns
    -------
    Newest
    dict
        The wanted files that are there, by nominal time.

    Raises
    ------
    DownloadError
        The server cannot be reached, or has no file of the product that is whole.
    """
    present = Present(product, folder=folder, base_url=base_url, clock=clock or Clock(), cache="sums")
    newest = await present.newest()
    times = set(wanted(newest.time))
    await present.fetch(times)
    if folder is None:
        present.prune(RETENTION)
    return newest, {time: path for time, (path, _) in present.stored().items() if time in times}


files_until_now = blocking(files_until_now_async)


def opened(newest: Newest, **reading: Any) -> xr.Dataset:
    """Open a file of the present, with its age as attributes: see `latest_async`."""
    try:
        ds = open_dataset(newest.path, **({"progress": False} | reading))
    except (ArchiveError, FrameError) as error:  # it was whole when it came: changed on the disk since
        raise type(error)(str(error).replace(AGAIN, "remove it and ask again")) from error
    ds.attrs |= {
        "nominal_time": f"{newest.time:%Y-%m-%dT%H:%M:%SZ}",
        "age_seconds": newest.age.total_seconds(),
        "stale": int(newest.stale),
    }
    if newest.skew is not None:
        ds.attrs["clock_skew_seconds"] = newest.skew
    if newest.skipped:
        ds.attrs["skipped"] = "; ".join(newest.skipped)
    return ds
