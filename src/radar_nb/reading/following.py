"""Datasets as they come: each new file of a product, or the one of a time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.dwd.products import product as find_product
from radar_nb.errors import NotOnServer, SettingsError
from radar_nb.fetch.following import Follower
from radar_nb.fetch.present import Newest
from radar_nb.reading.present import opened
from radar_nb.runtime.clock import Clock, duration_of
from radar_nb.runtime.event_loop import blocking, run
from radar_nb.runtime.wording import human_time

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    import xarray as xr

    from radar_nb.dwd.products import Family, Product


def follow(
    product: str | Product,
    keep: Any = "48h",
    *,
    backfill: Any = None,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    clock: Clock | None = None,
    **reading: Any,
) -> Following:
    """Yield each new file of a product as a Dataset, as it comes, without end.

    The server is asked when the next file is due, by the delays of the last ones: some 12 times an hour for RV. A
    server that fails is asked less and less often, at least every five minutes. After a gap, as when the computer
    slept, what was missed is fetched, as far back as the server has it (48 hours). Two processes may share a
    folder.

    Parameters
    ----------
    product : str or Product
        As for `latest`.
    keep : str or timedelta
        How long files stay in the folder: "48h", "7d". Older files of the product in it are removed, whoever
        brought them.
    backfill : str or timedelta, optional
        How far back to begin; with the newest file by default, and with what came since the folder's last one.
    folder : path, optional
        The ring: `open_dataset(folder)` reads it as one series. By default a folder of the cache.
    base_url, clock
        As for `latest`.
    **reading
        Further arguments of `open_dataset`.

    Returns
    -------
    Following
        An iterator (`for ds in follow("RV")`) and an asynchronous one (`async for`), of Datasets with the
        attributes of `latest`: the newest first, then those before it that were missed, which may be some.

    Raises
    ------
    UnknownProduct, CoverageError, SettingsError
        The product has no newest file, or a duration is not valid.

    Examples
    --------
    >>> for ds in follow("RV", keep="7d", folder="ring"):  # doctest: +SKIP
    ...     print(ds.attrs["nominal_time"])
    """
    follower = Follower(
        product, keep=keep, backfill=backfill, folder=folder, base_url=base_url, clock=clock or Clock()
    )
    return Following(follower, reading)


class Following:
    """What `follow` returns: Datasets without end, for `for` and for `async for`.

    Parameters
    ----------
    follower : Follower
    reading : dict
        Arguments of `open_dataset`.
    """

    def __init__(self, follower: Follower, reading: dict[str, Any]) -> None:
        self._follower = follower
        self._reading = reading

    @property
    def folder(self) -> Path:
        """The folder of the ring."""
        return self._follower.folder

    @property
    def trouble(self) -> str:
        """Why the last question to the server failed; empty if it did not."""
        return self._follower.trouble

    @property
    def stale(self) -> bool:
        """Whether a newer file should have been there."""
        return self._follower.stale

    @property
    def requests(self) -> int:
        """Requests so far."""
        return self._follower.requests

    def __aiter__(self) -> AsyncIterator[xr.Dataset]:
        """Return itself."""
        return self

    async def __anext__(self) -> xr.Dataset:
        """Wait for the next file, and open it."""
        one = await anext(self._follower)
        newest = Newest(path=one.path, era=one.era, time=one.time, now=one.now, skew=one.skew)
        return opened(newest, **self._reading)

    def __iter__(self) -> Iterator[xr.Dataset]:
        """Return itself."""
        return self

    def __next__(self) -> xr.Dataset:
        """Wait for the next file, and open it."""
        return run(self.__anext__())


async def wait_for_async(
    product: str | Product,
    time: Any,
    *,
    timeout: Any = "30min",  # noqa: ASYNC109 - of the clock that is passed, not of the loop
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    clock: Clock | None = None,
    **reading: Any,
) -> xr.Dataset:
    """Wait until the file of a time is published, and open it.

    Parameters
    ----------
    product : str or Product
        As for `latest`.
    time : str, datetime or numpy.datetime64
        Nominal time, UTC unless it carries a zone; up to 48 hours ago, or to come.
    timeout : str or timedelta
        How long to wait after the time at which the file is usually there.
    folder, base_url, clock, **reading
        As for `latest`.

    Returns
    -------
    xarray.Dataset
        As for `latest`.

    Raises
    ------
    NotOnServer
        The file has not come in time; the message names the newest.
    SettingsError
        The time is not a time on the product's steps, or the timeout is not valid.
    UnknownProduct, CoverageError, StorageError
        As for `latest`.

    Examples
    --------
    >>> ds = wait_for("RV", "2026-11-30T09:00")  # doctest: +SKIP
    """
    limit = duration_of(timeout, "timeout")
    follower = Follower(
        product, keep="48h", folder=folder, base_url=base_url, clock=clock or Clock(), prunes=folder is None
    )
    moment = _moment(time, find_product(product).family("nrt"))
    found = await follower.until(moment, limit)
    if found is None:
        newest = "none" if follower.newest is None else human_time(follower.newest.replace(tzinfo=None))
        why = f" ({follower.trouble})" if follower.trouble else ""
        raise NotOnServer(
            f"{follower.product} of {human_time(moment.replace(tzinfo=None))} has not come; the newest file is of "
            f"{newest}{why}: wait longer (timeout=), or take the newest with latest"
        )
    return opened(
        Newest(path=found.path, era=found.era, time=found.time, now=found.now, skew=found.skew), **reading
    )


wait_for = blocking(wait_for_async)


def _moment(time: Any, family: Family) -> datetime:
    try:
        moment = datetime.fromisoformat(time) if isinstance(time, str) else time
        if isinstance(moment, np.datetime64):
            moment = moment.astype("datetime64[s]").item()
        whole: datetime = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f'time={time!r} is not a time: write it as "2026-11-30T09:00" (UTC)') from error
    minutes = (whole.hour * 60 + whole.minute - family.minute) % family.every
    if whole.second or whole.microsecond or minutes:
        raise SettingsError(
            f"time={time!r} is not a time of a file: pass one of a file every {family.every} min from "
            f"00:{family.minute:02d} on, UTC"
        )
    return whole
