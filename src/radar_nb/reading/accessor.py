"""The accessor `radar` of xarray: places in degrees or by name, so that nobody needs to know x and y.

Importing this module registers it for Datasets and DataArrays; `open_dataset`, `open_cube` and xarray's engine do.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

import numpy as np
import xarray as xr

from radar_nb.dwd.grids import to_lonlat, to_xy
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.geography.extents import box_of_extent, is_shapes
from radar_nb.geography.shapes import centres_inside
from radar_nb.geography.towns import place
from radar_nb.reading.georeference import earth_of
from radar_nb.reading.intervals import ends_of
from radar_nb.reading.rates import to_rate
from radar_nb.runtime.zones import find_zone

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from numpy.typing import ArrayLike, NDArray

    from radar_nb.dwd.grids import Earth

Data = TypeVar("Data", xr.Dataset, xr.DataArray)
_ALONG = 20
"""Points along each edge of a footprint, whose edges are curves in degrees."""


class _Radar(Generic[Data]):
    """Places, areas, rates and local times of fields on DWD's grids.

    Parameters
    ----------
    data : xarray.Dataset or DataArray
        With dimensions `y` and `x`, metres of DWD's projection, evenly spaced, as `open_dataset` returns it.

    Examples
    --------
    >>> ds.radar.sel("Leipzig")  # doctest: +SKIP
    >>> ds.radar.sel(lon=12.37, lat=51.34)  # doctest: +SKIP
    >>> ds.radar.clip("catchment.gpkg").radar.to_rate()  # doctest: +SKIP
    """

    def __init__(self, data: Data) -> None:
        self._data: Any = data

    def sel(self, town: str | None = None, *, lon: ArrayLike | None = None, lat: ArrayLike | None = None) -> Data:
        """Return the cell that contains a point, or the cells that contain several.

        Parameters
        ----------
        town : str, optional
            A town, as in `radar_nb.place`, in the place of `lon` and `lat`.
        lon, lat : float or array-like, optional
            Degrees east and north. Arrays of one dimension select as many cells, along a dimension `point`.

        Returns
        -------
        xarray.Dataset or DataArray
            As lazy as the data; its coordinates `x` and `y` are those of the cell's centre.

        Raises
        ------
        SettingsError
            The town is unknown, a point lies outside the grid, or `lon` and `lat` are not numbers or lists.
        SeriesError
            The data are not on one of DWD's grids.
        """
        if (town is None) == (lon is None and lat is None) or (lon is None) != (lat is None):
            raise SettingsError("pass a town, such as sel('Leipzig'), or both lon= and lat= in degrees")
        if town is not None:
            lon, lat = place(town)
        east, north = np.broadcast_arrays(np.asarray(lon, float), np.asarray(lat, float))
        if east.ndim > 1:
            raise SettingsError(f"lon= and lat= have {east.ndim} dimensions: pass numbers, or lists of numbers")
        x, y = to_xy(east, north, self._earth())
        found = {}
        for name, metres in (("x", x), ("y", y)):
            first, cell, size = self._axis(name)
            at = np.rint((metres - first) / cell)
            if not (outside := ~((at >= 0) & (at < size))).any():
                found[name] = xr.Variable(("point",) * at.ndim, at.astype(np.int64))
                continue
            worst = int(np.argmax(outside))
            raise SettingsError(
                f"lon {east.flat[worst]:g}, lat {north.flat[worst]:g} lies outside the data: pass degrees, "
                "longitude first"
            )
        return cast("Data", self._data.isel(found))

    def clip(self, part: Any) -> Data:
        """Return the cells within a part of the map.

        Parameters
        ----------
        part : str, tuple of float, Place, GeoDataFrame, GeoSeries or path
            A town, "Leipzig" or "Leipzig +- 25 km" (40 km by default), or a box `(west, south, east, north)` in
            degrees: all cells that they touch. Or polygons: the cells around them, NaN where the cell's centre
            lies in no polygon. For means over areas use `radar_nb.over_areas`, which weights cells by their share.

        Raises
        ------
        SettingsError
            The part lies outside the data, or contains no cell's centre, or cannot be understood.
        """
        earth = self._earth()
        west, south, east, north = box_of_extent(part, earth, margin=False)
        cut = {}
        for name, low, high in (("x", west, east), ("y", south, north)):
            first, cell, size = self._axis(name)
            ends = sorted(((low - first) / cell, (high - first) / cell))
            begin, end = max(0, int(np.rint(ends[0]))), min(size - 1, int(np.rint(ends[1])))
            if begin > end:
                raise SettingsError(f"{part!r} lies outside the data: {self._covered()}; choose a part of that")
            cut[name] = slice(begin, end + 1)
        found: Any = self._data.isel(cut)
        if not is_shapes(part):
            return cast("Data", found)
        x, y = np.meshgrid(found["x"].values, found["y"].values)
        inside = centres_inside(part, x, y, earth)
        if not inside.any():
            raise SettingsError("the areas contain no cell's centre: use over_areas, which weights parts of cells")
        mask = xr.DataArray(inside, dims=("y", "x"))
        if isinstance(found, xr.DataArray):
            one: Any = _masked(found, mask)
            return cast("Data", one)
        return cast("Data", found.map(_masked, keep_attrs=True, args=(mask,)))

    def to_rate(self) -> Data:
        """Return amounts in mm as mean rates in mm/h: see `radar_nb.to_rate`. Other variables are kept."""
        if isinstance(self._data, xr.DataArray):
            rate: Any = to_rate(self._data)
            return cast("Data", rate)
        amounts = [name for name, one in self._data.data_vars.items() if one.attrs.get("units") == "mm"]
        if not amounts:
            raise SeriesError(
                "no variable of the Dataset is an amount in mm, which a rate is made of: open a rain product"
            )
        return cast("Data", self._data.assign({name: to_rate(self._data[name]) for name in amounts}))

    @property
    def footprint(self) -> dict[str, Any]:
        """The outline of the data in degrees, as a GeoJSON polygon: `shapely.geometry.shape` reads it."""
        (x, dx, cols), (y, dy, rows) = self._axis("x"), self._axis("y")
        west, east = sorted((x - dx / 2, x + dx * (cols - 0.5)))
        south, north = sorted((y - dy / 2, y + dy * (rows - 0.5)))
        right, up = np.linspace(west, east, _ALONG), np.linspace(south, north, _ALONG)
        same = np.ones(_ALONG)
        edges = [(right, south * same), (east * same, up), (right[::-1], north * same), (west * same, up[::-1])]
        xs, ys = (np.concatenate([edge[axis] for edge in edges]) for axis in (0, 1))
        lon, lat = to_lonlat(xs, ys, self._earth())
        ring = [[round(float(a), 6), round(float(b), 6)] for a, b in zip(lon, lat, strict=True)]
        return {"type": "Polygon", "coordinates": [ring]}

    def local_time(self, timezone: str) -> Data:
        """Return the data with a coordinate `local_time`, the end of each interval in a time zone.

        Parameters
        ----------
        timezone : str
            Such as "Europe/Berlin".

        Returns
        -------
        xarray.Dataset or DataArray
            `local_time` is datetime64 without zone, which its attribute `timezone` names; `time` stays UTC. In the
            night in which summer time ends, an hour occurs twice.

        Raises
        ------
        SettingsError
            The time zone is unknown.
        SeriesError
            The data have no time.
        """
        zone = find_zone(timezone)
        if "time" not in self._data.coords:
            raise SeriesError("the data have no coordinate time: add it, since local times are made of it")
        ends = ends_of(self._data)
        local = np.array([_on_the_clock(end, zone) for end in ends.ravel()], "datetime64[ns]").reshape(ends.shape)
        attrs = {"long_name": f"end of the interval, {timezone}", "timezone": timezone}
        return cast("Data", self._data.assign_coords(local_time=(self._data["time"].dims, local, attrs)))

    def _earth(self) -> Earth:
        for name in ("y", "x"):
            if name not in self._data.dims or name not in self._data.coords:
                raise SeriesError(f"the data have no dimension {name!r} with coordinates: pass fields")
        return earth_of(self._data)

    def _axis(self, name: str) -> tuple[float, float, int]:
        """Return the first centre, the step and the length of an axis."""
        values: NDArray[np.float64] = np.asarray(self._data[name].values, float)
        step = float(values[1] - values[0]) if values.size > 1 else 1000.0
        if not values.size or not np.allclose(np.diff(values), step, atol=1e-3 * abs(step)):
            raise SeriesError(f"{name} is empty or not evenly spaced: choose a part without holes")
        return float(values[0]), step, values.size

    def _covered(self) -> str:
        lon, lat = np.array(self.footprint["coordinates"][0]).T
        return f"they cover {lon.min():.1f} to {lon.max():.1f} E and {lat.min():.1f} to {lat.max():.1f} N"


def _masked(one: xr.DataArray, mask: xr.DataArray) -> xr.DataArray:
    """Return a variable with NaN outside a mask; whole numbers, such as flags, stay as they are."""
    if not {"y", "x"} <= set(one.dims) or one.dtype.kind != "f":
        return one
    found = one.where(mask)
    found.encoding = one.encoding  # the values that are left are what was opened
    return found


def _on_the_clock(moment: np.datetime64, zone: ZoneInfo) -> np.datetime64:
    return np.datetime64(datetime.fromtimestamp(int(moment.astype(np.int64)), zone).replace(tzinfo=None), "ns")


class DatasetRadar(_Radar[xr.Dataset]):
    """The accessor `ds.radar` of Datasets."""


class DataArrayRadar(_Radar[xr.DataArray]):
    """The accessor `da.radar` of DataArrays."""


xr.register_dataset_accessor("radar")(DatasetRadar)  # type: ignore[no-untyped-call] # of xarray itself
xr.register_dataarray_accessor("radar")(DataArrayRadar)  # type: ignore[no-untyped-call] # the same
