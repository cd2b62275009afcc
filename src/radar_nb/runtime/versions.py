"""Versions of installed packages, for bug reports."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

from radar_nb.runtime.table import Table

CORE = ("aiohttp", "dask", "h5py", "numcodecs", "numpy", "pandas", "wradlib", "xarray", "zarr", "zlib-ng")
WIDGETS = ("anywidget", "ipykernel", "ipywidgets", "jupyterlab", "jupyterlab-widgets", "nest-asyncio2", "voila")
EXTRAS = {
    "cube": ("distributed", "obstore"),
    "gis": ("exactextract", "geopandas", "pyarrow", "rasterio"),
    "lab": ("ipykernel", "jupyterlab", "voila"),
    "mike": ("mikeio",),
    "snapshots": ("icechunk",),
    "xlsx": ("openpyxl",),
}
"""The main packages of each extra."""


def version_of(package: str) -> str | None:
    """Return the version of an installed package without importing it; None if it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def show_versions() -> Table:
    """Return the versions of radar_nb, Python and the main dependencies, for bug reports.

    Returns
    -------
    Table
        One row per package; prints as text and displays as HTML. "-" if a package is not installed.

    Examples
    --------
    >>> import radar_nb as rn
    >>> [row["version"] for row in rn.show_versions() if row["package"] == "radar-nb"] == [rn.__version__]
    True
    """
    from radar_nb import __version__  # noqa: PLC0415 - loaded by now; at the top it would be a cycle

    names = sorted(
        {*CORE, *WIDGETS, *(name for extra in EXTRAS.values() for name in extra), "matplotlib", "scipy"}
    )
    rows = [("radar-nb", __version__), ("python", platform.python_version())]
    rows += [(name, version_of(name) or "-") for name in names]
    return Table(
        title=f"{platform.platform()}, {sys.executable}", columns=("package", "version"), rows=tuple(rows)
    )
