"""Models that read fields of rain, and what each expects of a file, with its source."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from radar_nb.exports.rain import Edge


@dataclass(frozen=True, slots=True, kw_only=True)
class GridModel:
    """What a model expects of a file.

    Attributes
    ----------
    title : str
    variable : str
        Name of the rain's variable or item.
    rate : bool
        mm/h instead of the amount of each interval in mm.
    label : {"start", "end"}
        Edge of the interval that a time is.
    north_up : bool
        Whether rows run from north to south.
    times : str
        Unit of time: "seconds", "minutes" or "hours", counted from 1970 or from the first time.
    from_first : bool
        Whether times are counted from the begin of the first interval.
    fill : float, optional
        Value that marks what is missing; None if the model knows none.
    edge_field : bool
        Whether a field of 0 mm is added at the other edge: the model begins or ends there.
    suffix : str
        Of the file's name: ".nc" for netCDF, ".dfs2" for MIKE.
    """

    title: str
    variable: str
    rate: bool = False
    label: Edge = "end"
    north_up: bool = True
    times: Literal["seconds", "minutes", "hours"] = "seconds"
    from_first: bool = False
    fill: float | None = float("nan")
    edge_field: bool = False
    suffix: str = ".nc"

    @property
    def lead(self) -> int:
        """Number of fields of 0 mm before the first interval: 1 or 0."""
        return int(self.edge_field and self.label == "end")


_CF = "precipitation"
MODELS: Mapping[str, GridModel] = MappingProxyType(
    {
        # CF 1.11, sections 5.6 (grid mappings) and 7.3 (time: sum needs bounds)
        "cf": GridModel(title="CF netCDF", variable=_CF),
        # HEC-RAS 6 reads netCDF by GDAL: projected, square cells, north up (2D manual)
        "hec-ras": GridModel(title="HEC-RAS", variable=_CF),
        # HEC's Vortex guesses no interval: it needs time_bnds (HydrologicEngineeringCenter/Vortex, issues 82, 113)
        "hec-hms": GridModel(title="HEC-HMS (Vortex)", variable=_CF),
        # Delft-FEWS imports CF netCDF
        "fews": GridModel(title="Delft-FEWS", variable=_CF),
        # LISFLOOD needs the attribute proj4_params (ec-jrc/lisflood-usecases, issue 4)
        "lisflood": GridModel(title="LISFLOOD", variable=_CF),
        # SFINCS, sfincs_ncinput.F90: "Precipitation" in mm/hr, y rising, minutes since the unit's date, held in 4
        # bytes, so that they are counted from the first time; a value holds until the next time
        "sfincs": GridModel(title="SFINCS", variable="Precipitation", rate=True, label="start", north_up=False,
                            times="minutes", from_first=True, fill=None, edge_field=True),
        # TUFLOW wiki, "TUFLOW NetCDF Rainfall Format": hours from the simulation's start, depth of each interval
        "tuflow": GridModel(title="TUFLOW", variable="rainfall_depth", times="hours", from_first=True,
                            north_up=False, fill=None, edge_field=True),
        # MIKE's dfs2: rows from south to north; a step-accumulated depth fell since the time before (DHI's
        # MIKE IO, user guide, "EUM" and "Dfs2"); NaN becomes the file's own delete value
        "mike": GridModel(title="MIKE", variable="rain", north_up=False, edge_field=True, suffix=".dfs2"),
    }
)  # fmt: skip
"""Models by the name that `model=` takes."""
