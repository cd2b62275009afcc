"""On which earth the cells of an array lie."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from radar_nb.dwd.grids import AXES, GRIDS
from radar_nb.errors import SeriesError
from radar_nb.runtime.numerals import stated_number

if TYPE_CHECKING:
    import xarray as xr

    from radar_nb.dwd.grids import Earth


def earth_of_axis(stated: object) -> Earth | None:
    """Return the earth whose equatorial radius an attribute states, in metres; None if it is another."""
    number = stated_number(stated)
    return next((earth for earth, (equatorial, _) in AXES.items() if equatorial == number), None)


def earth_of(data: xr.DataArray | xr.Dataset) -> Earth:
    """Return the earth of the `crs` coordinate, or that on which the cells form one of DWD's grids.

    Raises
    ------
    SeriesError
        Neither says that the projection is DWD's.
    """
    for coord in data.coords.values():
        if "semi_major_axis" in coord.attrs:
            named = str(coord.attrs.get("grid_mapping_name", "polar_stereographic")) == "polar_stereographic"
            if named and (earth := earth_of_axis(coord.attrs["semi_major_axis"])) is not None:
                return earth
            break
    else:
        for name, earth in (("de900", "sphere"), ("de900-wgs84", "wgs84")):
            away = (float(data["y"][0]) - GRIDS[name].y0) / GRIDS[name].cell
            if abs(away - round(away)) < 1e-2:
                return cast("Earth", earth)
    what = repr(getattr(data, "name", None) or "the Dataset")
    raise SeriesError(
        f"{what} is not known to be on DWD's polar stereographic grid: keep the coordinate 'crs' of open_dataset; "
        "for other projections use xarray"
    )
