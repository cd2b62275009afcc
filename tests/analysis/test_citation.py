"""Citations: source, DOI, version and period; synthetic data are never attributed to DWD."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr  # noqa: TC002 - a parameter's type
from support.small_rain import rain, series

from radar_nb.analysis.api import accumulate
from radar_nb.analysis.citation import cite
from radar_nb.analysis.extremes import annual_maxima
from radar_nb.errors import SeriesError

DS = rain(np.zeros((300, 1, 1)))


def test_radklim() -> None:
    """The citation has the version's DOI, the authors, the period, and DWD as the source."""
    citation = cite(DS)

    assert (citation.doi, citation.version) == ("10.5676/DWD/RADKLIM_YW_V2017.002", "2017.002")
    assert (citation.begin, citation.end) == ("2020-06-13", "2020-06-14")
    assert citation.attribution.startswith("Datenbasis: Deutscher Wetterdienst, YW, 2020-06-13 to 2020-06-14")
    assert "Winterrath, T., Brendel, C." in citation.reference
    assert "doi = {10.5676/DWD/RADKLIM_YW_V2017.002}" in citation.bibtex
    assert "Winterrath, T. and Brendel, C. and" in citation.bibtex
    assert "CC BY 4.0" in str(citation)
    assert 'href="https://doi.org/10.5676' in citation._repr_html_()


def test_radolan_has_no_doi() -> None:
    """The reference has the folder and the day of access instead of a DOI."""
    citation = cite(DS.assign_attrs(title="RADOLAN RW: rain"))

    assert citation.doi is None
    assert "opendata.dwd.de" in citation.reference
    assert "day of access" in citation.reference
    assert "author = {{Deutscher Wetterdienst}}" in citation.bibtex


def test_analyses_are_cited_too() -> None:
    """The attribution states the processing, as the licence requires."""
    assert "aggregated over time" in cite(accumulate(DS, "1D")).attribution
    assert cite(annual_maxima(DS, ["1h"], progress=False)).begin == "2020-01-01"


def test_synthetic_data_are_not_attributed_to_dwd() -> None:
    """The citation of synthetic rain says that it is not DWD data, and has no DOI."""
    citation = cite(
        DS.assign_attrs(title="synthetic RADKLIM 2017.002 YW: rain", institution="none: made up by radar_nb")
    )

    assert citation.doi is None
    assert "not DWD data" in citation.reference
    assert "Deutscher" not in str(citation)


def test_data_without_a_source_raise() -> None:
    """Data without radar_nb's title, or without times, cannot be cited and raise."""
    with pytest.raises(SeriesError, match="does not name its product"):
        cite(DS.drop_attrs())
    with pytest.raises(SeriesError, match="does not name"):
        cite(series([1, 2]))  # type: ignore[arg-type]
    with pytest.raises(SeriesError, match="has no times"):
        cite(DS.isel(time=0, drop=True).drop_vars("time_bnds"))


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (DS.isel(y=0, x=0).expand_dims(point=["Aachen"]), "values at points"),
        (DS.assign(YW=DS.YW.assign_attrs(cell_methods="time: sum area: mean")), "means over areas"),
        (DS.assign_attrs(regridded="overlap"), r"regridded (overlap)"),
    ],
    ids=["points", "areas", "grid"],
)
def test_each_change_is_stated(made: xr.Dataset, text: str) -> None:
    """The attribution states each change of the data, as users must."""
    assert text not in cite(DS).attribution
    assert text in cite(made).attribution
