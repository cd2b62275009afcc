"""Where the cube of a series is stored in the data folder, and which months it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from radar_nb.dwd.months import Month
    from radar_nb.dwd.products import Family, Product


def cube_path(folder: Path, product: Product, family: Family) -> Path:
    """Return where notebooks store the cube of a product and family.

    Parameters
    ----------
    folder : pathlib.Path
        The data folder.
    product : Product
    family : Family
        Each family has its own grid, and so its own cube.
    """
    name = product.name.replace("%", "percent_")
    return folder / "cubes" / f"{name}-{family.name}.zarr"


def built_months(path: Path, months: Iterable[Month]) -> set[Month]:
    """Return the months of which a cube holds every day; empty if there is no cube.

    Raises
    ------
    CubeError, StorageError
        The path contains something else, or it cannot be read.
    """
    if not path.is_dir():
        return set()
    from radar_nb.cube.description import load_cube  # noqa: PLC0415 - zarr is loaded where there is a cube
    from radar_nb.cube.stores import find_store  # noqa: PLC0415 - the same

    cube = load_cube(find_store(path))
    there = set() if cube is None else set(cube.listed())
    return {month for month in months if there.issuperset(_days(month))}


def _days(month: Month) -> range:
    """Return the days of a month since 1970-01-01, as cubes number them: 00:00 UTC is a day's first step."""
    first, last = (int(np.datetime64(day, "D").astype(np.int64)) for day in (month.first_day, month.last_day))
    return range(first, last + 1)
