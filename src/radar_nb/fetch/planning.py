"""The steps joined: from a product and months to a plan, and from there to a Dataset."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from radar_nb.dwd.catalogue import choose_family, folders_to_list, make_plan
from radar_nb.dwd.listings import parse_listing
from radar_nb.dwd.months import month_range
from radar_nb.dwd.products import product as find_product
from radar_nb.fetch.downloading import download_async, read_pages_async
from radar_nb.runtime.event_loop import run
from radar_nb.runtime.settings import settings

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence
    from typing import Literal

    import xarray as xr

    from radar_nb.dwd.catalogue import Plan
    from radar_nb.dwd.listings import Entry
    from radar_nb.dwd.products import Product
    from radar_nb.runtime.progress import Reporter

    Source = Literal["auto", "radklim", "radolan", "nrt"]


def plan(
    product: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: Source = "auto",
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    listing: bool = False,
) -> Plan:
    """Tell what to fetch for months of a product, how much it is, and what is there already.

    Parameters
    ----------
    product : str or Product
        Such as "YW"; `products()` shows all.
    first, last
        Months, both belong to the range: "2020-06", a date, a `pandas.Period` or a `Month`; or years: 2001 to 2025
        is all of them, from the first's January to the last's December. Without `last` it is the one month, or
        the year, `first`.
    source : {"auto", "radklim", "radolan", "nrt"}
        The family. "auto" takes the one that covers the whole range, RADKLIM first; families are never mixed.
    folder : path, optional
        The data folder (see `settings`).
    base_url : str, optional
        The server (see `settings`).
    listing : bool
        Whether to read the server's listings even where the names are known: that gives true sizes and dates, and
        shows what is not there. Where the names cannot be known the listings are read in any case.

    Returns
    -------
    Plan
        It prints as a table. Months and days without a file are in its `missing`.

    Raises
    ------
    UnknownProduct, MonthError, CoverageError
        What was asked for makes no sense; the message says what would.
    DownloadError, ListingError
        A listing is needed and could not be read.

    Examples
    --------
    >>> plan("YW", "2020-06", folder="data").archives[0].name
    'YW2017.002_202006.tar'
    """
    return run(plan_async(product, first, last, source=source, folder=folder, base_url=base_url, listing=listing))


async def plan_async(
    product: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: Source = "auto",
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    listing: bool = False,
) -> Plan:
    """Do what `plan` does, as a coroutine: `await plan_async("YW", "2020-06")` in a notebook."""
    made, _ = await listed_async(
        product, first, last, source=source, folder=folder, base_url=base_url, listing=listing
    )
    return made


async def listed_async(
    product: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: Source = "auto",
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    listing: bool = True,
) -> tuple[Plan, Mapping[str, Mapping[str, Entry] | None]]:
    """Give a plan as `plan_async` does, and the listings that it was made from.

    Returns
    -------
    tuple of Plan and mapping
        By folder on the server, its files by name, or None where there is no such folder.
    """
    chosen = find_product(product)
    months = month_range(first, last)
    used = settings(folder=folder, base_url=base_url)
    now = datetime.now(UTC)
    family = choose_family(chosen, months, source, now)
    listings = await _read_listings(used.base_url, folders_to_list(chosen, family, months, complete=listing))
    made = make_plan(
        chosen, family, months, base_url=used.base_url, folder=used.folder, listings=listings, now=now
    )
    return made, listings


async def _read_listings(base_url: str, folders: Sequence[str]) -> Mapping[str, Mapping[str, Entry] | None]:
    urls = {folder: f"{base_url}/{folder}/" for folder in folders}
    pages = await read_pages_async(tuple(urls.values())) if urls else {}
    return {
        folder: None if (page := pages[url]) is None else parse_listing(page, url=url)
        for folder, url in urls.items()
    }


def load(
    product: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: Source = "auto",
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    errors: Literal["raise", "report"] = "raise",
    progress: bool | Reporter = True,
    **reading: Any,
) -> xr.Dataset:
    """Give months of a product as a Dataset: plan, download what is not there yet, open without extraction.

    Parameters
    ----------
    product, first, last, source, folder, base_url
        As for `plan`.
    errors : {"raise", "report"}
        Whether files that are not to be had and damaged ones make the call fail, or are told in the attribute
        `problems` of what can be opened.
    progress : bool or Reporter
    **reading
        What `open_dataset` takes besides: `chunks`, `grid`, `sums`, `clutter`, `packed` and the others.

    Returns
    -------
    xarray.Dataset
        As `open_dataset` gives it.

    Raises
    ------
    RadarNbError
        What `plan`, `download` and `open_dataset` raise.

    Examples
    --------
    >>> ds = load("RW", "2019-10")  # doctest: +SKIP
    >>> ds = load("RW", "2024-11", "2026-02", source="radolan", grid="de1200")  # doctest: +SKIP
    """
    return run(
        load_async(
            product,
            first,
            last,
            source=source,
            folder=folder,
            base_url=base_url,
            errors=errors,
            progress=progress,
            **reading,
        )
    )


async def load_async(
    product: str | Product,
    first: Any,
    last: Any = None,
    *,
    source: Source = "auto",
    folder: str | os.PathLike[str] | None = None,
    base_url: str | None = None,
    errors: Literal["raise", "report"] = "raise",
    progress: bool | Reporter = True,
    **reading: Any,
) -> xr.Dataset:
    """Do what `load` does, as a coroutine."""
    from radar_nb.reading.opening import open_dataset  # noqa: PLC0415 - xarray and wradlib take a second to import

    made = await plan_async(product, first, last, source=source, folder=folder, base_url=base_url)
    report = await download_async(made, errors=errors, progress=progress)
    ds = open_dataset(report, errors=errors, progress=progress, **reading)
    if report.failed:
        told = [str(outcome.error) for outcome in report.failed]
        ds.attrs["problems"] = "; ".join(filter(None, (ds.attrs.get("problems"), *told)))
    return ds
