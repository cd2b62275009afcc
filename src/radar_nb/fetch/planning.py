"""From a product and months to a plan: what the server has, from the catalogue or from its listings."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from radar_nb.dwd.catalogue import choose_family, folders_to_list, make_plan, refuse_nothing
from radar_nb.dwd.listings import is_cut, parse_listing
from radar_nb.dwd.months import month_range, time_span
from radar_nb.dwd.products import product as find_product
from radar_nb.fetch.http import connected
from radar_nb.runtime.background import for_each
from radar_nb.runtime.event_loop import blocking
from radar_nb.runtime.settings import settings

_PAGE_LIMIT = 32 << 20  # bytes of a listing: 78,000 files, DWD's largest folder, take 10 MB

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Literal

    from radar_nb.dwd.archive_names import Form
    from radar_nb.dwd.catalogue import Plan
    from radar_nb.dwd.listings import ListedFile
    from radar_nb.dwd.products import Product

    Source = Literal["auto", "radklim", "radolan", "nrt"]


async def plan_async(
    product: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: Source = "auto",
    form: Form | None = None,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    listing: bool = False,
) -> Plan:
    """Plan what to fetch for months of a product, its size, and what is on the disk.

    Parameters
    ----------
    product : str or Product
        Such as "YW"; `products()` lists all.
    first, last
        First and last month, inclusive: "2020-06", a `pandas.Period` or a `Month`; or years: 2001 to 2025 is from
        January of the first to December of the last. Also days and hours, by the frames' time stamps in UTC:
        "2020-06-13", "2020-06-13T15:00", a date, a datetime. Files that hold whole months are then downloaded
        whole, and `load` cuts to the range. Without `last`, the range is the single month, year, day or hour
        `first`.
    source : {"auto", "radklim", "radolan", "nrt"}
        The family. "auto" selects the one that covers the whole range, RADKLIM first; families are never mixed.
    form : {"binary", "hdf5", "netcdf", "ascii"}, optional
        Only files of this form. By default binaries first in archives and HDF5 first in near real time, each
        continued by the other where it ends.
    folder : path, optional
        The data folder (see `settings`).
    base_url : str, optional
        The server (see `settings`).
    listing : bool
        Whether to read the server's listings even if the file names are known, for true sizes and dates and for
        gaps. Listings are always read if the names cannot be known.

    Returns
    -------
    Plan
        Prints as a table. Months and days without a file are in `missing`.

    Raises
    ------
    UnknownProduct, MonthError, CoverageError
        The request is not valid, or exceeds the 48 hours of near-real-time data that the server keeps; the
        message names the possible range.
    DownloadError, ListingError
        A listing is needed and could not be read.

    Examples
    --------
    >>> plan("YW", "2020-06", folder="data").archives[0].name
    'YW2017.002_202006.tar'
    """
    made, listings = await listed_async(
        product, first, last, source=source, form=form, folder=folder, base_url=base_url, listing=listing
    )
    refuse_nothing(made, listings, datetime.now(UTC), form)
    return made


plan = blocking(plan_async)


async def listed_async(
    product: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: Source = "auto",
    form: Form | None = None,
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    listing: bool = True,
) -> tuple[Plan, Mapping[str, Mapping[str, ListedFile] | None]]:
    """Return a plan as `plan_async` does, and the listings that it was made from.

    Returns
    -------
    tuple of Plan and mapping
        For each folder on the server, its files by name, or None if the folder does not exist.
    """
    chosen = find_product(product)
    months = month_range(first, last)
    used = settings(folder=folder, base_url=base_url)
    now = datetime.now(UTC)
    family = choose_family(chosen, months, source, now, form)
    folders = folders_to_list(chosen, family, months, complete=listing, form=form)
    listings = await _read_listings(used.base_url, folders)
    made = make_plan(
        chosen,
        family,
        months,
        base_url=used.base_url,
        folder=used.folder,
        listings=listings,
        now=now,
        span=time_span(first, last),
        form=form,
    )
    return made, listings


async def _read_listings(base_url: str, folders: Sequence[str]) -> Mapping[str, Mapping[str, ListedFile] | None]:
    urls = {folder: f"{base_url}/{folder}/" for folder in folders}
    pages = await read_pages_async(tuple(urls.values())) if urls else {}
    return {
        folder: None if (page := pages[url]) is None else parse_listing(page, url=url)
        for folder, url in urls.items()
    }


async def read_pages_async(urls: Sequence[str], *, concurrency: int | None = None) -> dict[str, str | None]:
    """Fetch directory listings as text, retrying as for archives.

    Parameters
    ----------
    urls : sequence of str
    concurrency : int, optional
        Connections at a time.

    Returns
    -------
    dict
        The text by its URL, or None if the server has no such page (404, 410).

    Raises
    ------
    DownloadError
        A page did not arrive: `Refused`, `ServerUnavailable`, `TransferTimeout`.
    """
    async with connected(concurrency) as connection:
        pages = await for_each(urls, lambda url: connection.text(url, _PAGE_LIMIT, is_cut), connection.limit)
    return dict(zip(urls, pages, strict=True))
