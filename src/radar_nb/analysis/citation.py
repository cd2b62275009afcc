"""How to cite what a Dataset holds, and what DWD's licence asks for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.analysis.inputs import BESIDE
from radar_nb.dwd.products import PRODUCTS
from radar_nb.errors import SeriesError

if TYPE_CHECKING:
    import xarray as xr

_DOI = {
    ("YW", "2017.002"): "10.5676/DWD/RADKLIM_YW_V2017.002",
    ("RW", "2017.002"): "10.5676/DWD/RADKLIM_RW_V2017.002",
    ("RW", "2016.003"): "10.5676/DWD/RADKLIM_RW_V2016.003",
}
"""Source: DWD's landing pages of RADKLIM beside the archives, climate_environment/CDC/help/landing_pages."""
_AUTHORS = (
    *("Winterrath, T.", "Brendel, C.", "Hafer, M.", "Junghänel, T.", "Klameth, A.", "Lengfeld, K."),
    *("Walawender, E.", "Weigl, E.", "Becker, A."),
)
_OPERATIONAL = "https://opendata.dwd.de/climate_environment/CDC/grids_germany"
_TITLE = re.compile(r"(synthetic )?(RADKLIM (?P<version>[\d.]+)|RADOLAN) (?P<product>[A-Z%][A-Z0-9])\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """What to write below a picture and in a list of references.

    Attributes
    ----------
    attribution : str
        The source as the licence asks for it: of data that were changed.
    reference : str
        For the list of references.
    bibtex : str
    doi : str or None
        None where DWD has given none.
    product, version : str or None
    begin, end : str
        The period, UTC; the first day and the last.
    licence : str
    """

    attribution: str
    reference: str
    bibtex: str
    doi: str | None
    product: str | None
    version: str | None
    begin: str
    end: str
    licence: str

    def __str__(self) -> str:
        """Give the reference and the attribution."""
        return f"{self.reference}\n{self.attribution} Licence: {self.licence}."

    def _repr_html_(self) -> str:
        link = f' <a href="https://doi.org/{self.doi}">doi:{escape(self.doi)}</a>' if self.doi else ""
        return f"<p>{escape(self.reference)}{link}</p><p>{escape(self.attribution)} {escape(self.licence)}</p>"


def cite(data: xr.Dataset) -> Citation:
    """Give DWD's attribution, the DOI, the version and the period of a Dataset, for a paper.

    Sources: DWD's terms of use (GeoNutzV, CC BY 4.0): "Quelle: Deutscher Wetterdienst" for data as they are,
    "Datenbasis: Deutscher Wetterdienst" with what was done for data that were changed; Winterrath et al. (2018)
    for RADKLIM. RADOLAN as it is published every day has no DOI: the folder and the day of access take its place.

    Parameters
    ----------
    data : xarray.Dataset
        As `open_dataset`, `open_cube` or any analysis gives it.

    Returns
    -------
    Citation
        Prints as text, shows as HTML; `bibtex` is an entry.

    Raises
    ------
    SeriesError
        It does not say what it holds: its attribute `title` is not one of radar_nb's.

    Examples
    --------
    >>> import xarray as xr
    >>> times = np.array(["2020-06-13", "2020-06-14"], "datetime64[ns]")
    >>> ds = xr.Dataset({"YW": ("time", [0.0, 1.0])}, {"time": times}, {"title": "RADKLIM 2017.002 YW: rain"})
    >>> cite(ds).doi
    '10.5676/DWD/RADKLIM_YW_V2017.002'
    """
    attrs: dict[str, Any] = getattr(data, "attrs", {})
    found = _TITLE.match(str(attrs.get("title", "")))
    if found is None:
        raise SeriesError(
            f"the Dataset does not say what it holds (title {attrs.get('title')!r}): pass one of radar_nb's, whole"
        )
    product, version = found["product"], found["version"]
    begin, end = _period(data)
    if str(attrs.get("institution", "")).startswith("none"):
        told = f"Synthetic rain in the form of {product}, {begin} to {end}, made up by radar_nb: no data of DWD"
        return Citation(
            attribution="Synthetic data: cite nobody.",
            reference=f"{told}.",
            bibtex=f"@misc{{synthetic,\n  title = {{{told}}}\n}}",
            doi=None,
            product=product,
            version=version,
            begin=begin,
            end=end,
            licence="CC0",
        )
    known = PRODUCTS.get(product)
    what = known.title if known else product
    doi = _DOI.get((product, version or ""))
    title = f"RADKLIM Version {version}: {what} ({product})" if version else f"RADOLAN {product}: {what}"
    authors = ", ".join(_AUTHORS) if version else "Deutscher Wetterdienst"
    year = "2018" if version else end[:4]
    where = f"https://doi.org/{doi}" if doi else f"{_OPERATIONAL}, day of access to be added"
    done = _changes(data)
    return Citation(
        attribution=f"Datenbasis: Deutscher Wetterdienst, {product}, {begin} to {end}; {done}.",
        reference=f"{authors} ({year}): {title}. Deutscher Wetterdienst. {where}",
        bibtex=_bibtex(authors, year, title, doi, f"{begin} to {end}, UTC"),
        doi=doi,
        product=product,
        version=version,
        begin=begin,
        end=end,
        licence="CC BY 4.0, https://creativecommons.org/licenses/by/4.0/",
    )


def _period(data: xr.Dataset) -> tuple[str, str]:
    """Give the first and the last day."""
    if "year" in data.coords:
        years = np.atleast_1d(data["year"].values)
        return f"{years.min()}-01-01", f"{years.max()}-12-31"
    if "time" not in data.coords or not data["time"].size:
        raise SeriesError(
            "the Dataset has no times, so nobody knows which period it is of: pass one with steps in it"
        )
    bounds = data["time_bnds"] if "time_bnds" in data.coords else data["time"]
    days = [np.datetime_as_string(edge, "D") for edge in (bounds.values.min(), bounds.values.max())]
    return str(days[0]), str(days[1])


def _changes(data: xr.Dataset) -> str:
    """Tell what was done with the data, as the licence asks."""
    cells = " ".join(
        str(value.attrs.get("cell_methods", "")) for name, value in data.items() if name not in BESIDE
    )
    done = ["amounts instead of rates, missing cells marked"]
    dims = set(map(str, data.dims))
    if "point" in dims:
        done.append("values at points")
    if "area: mean" in cells:
        done.append("means over areas")
    if "time_bnds" in data.coords and "source" not in data.coords:
        done.append("put together over time")
    if "regridded" in data.attrs:
        done.append(f"brought to another grid ({data.attrs['regridded']})")
    return ", ".join(done)


def _bibtex(authors: str, year: str, title: str, doi: str | None, period: str) -> str:
    names = authors.replace("., ", ". and ")
    fields = {
        "author": names if "." in names else f"{{{names}}}",
        "title": title,
        "publisher": "Deutscher Wetterdienst",
        "year": year,
        "note": f"Period used: {period}",
    }
    fields |= {"doi": doi} if doi else {"url": _OPERATIONAL}
    lines = ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items())
    return f"@misc{{dwd_{year}_{(doi or 'radolan').rpartition('/')[2].lower()},\n{lines}\n}}"
