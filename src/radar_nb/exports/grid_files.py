"""Fields of rain on a model's own grid, as the file that it reads, written field by field.

What each model expects is a row of `MODELS`, with its source.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from radar_nb.analysis.inputs import amount_of, fields_of, grid_of
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.projected_grid import Shares, projected_grid
from radar_nb.exports.rain import even_steps, title_of
from radar_nb.runtime.files import replacing_path, user_path
from radar_nb.runtime.locks import claimed
from radar_nb.runtime.wording import human_interval, human_time

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

    from radar_nb.exports.projected_grid import ProjectedGrid
    from radar_nb.exports.rain import Edge
    from radar_nb.exports.series_files import Gaps

_ROOM = 1 << 22
"""Values that are read or written at once."""
_MASS = 1e-3
"""Largest share of the water that regridding may add or lose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridModel:
    """What a model expects of a netCDF file.

    Attributes
    ----------
    title : str
    variable : str
        Name of the rain's variable.
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
    }
)  # fmt: skip
"""Models by the name that `model=` takes."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GridWritten:
    """What was written: see `sentence`."""

    model: GridModel
    grid: ProjectedGrid
    begin: np.datetime64
    end: np.datetime64
    minutes: int
    gaps: int
    mass_error: float

    @property
    def sentence(self) -> str:
        """One sentence: cells, projection, span, interval, unit, label, gaps, mass error."""
        model = self.model
        unit = "mm/h" if model.rate else "mm"
        gaps = f"{self.gaps} missing fields or cells" if self.gaps else "no gaps"
        return (
            f"{self.grid.rows} x {self.grid.cols} cells of {self.grid.cell:g} m in {self.grid.crs.name}, "
            f"{human_time(self.begin)} to {human_time(self.end)}, {unit} in {human_interval(self.minutes)}, "
            f"times are the {model.label} of the interval, {gaps}, mass error {100 * self.mass_error:.2g} %"
        )


def export_grid(
    data: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    model: str,
    crs: Any,
    cell: float,
    extent: Sequence[float] | None = None,
    gaps: Gaps | None = None,
) -> Path:
    """Write fields of rain on square cells of a model's projection, as the netCDF that the model reads.

    Regridding is conservative: each cell has the mean depth of DWD's cells on it, weighted by the exact area of
    their overlap. The water before and after is compared, and a difference of more than 0.1 % is an error.
    Fields are read and written in blocks, so that memory does not grow with the number of fields.

    Parameters
    ----------
    data : xarray.Dataset
        Amounts in mm, as `open_dataset`, `open_cube` or `accumulate` returns them.
    path : path
        A netCDF file; written atomically, an existing file is replaced.
    model : {"hec-ras", "hec-hms", "sfincs", "tuflow", "lisflood", "fews", "cf"}
        Names, unit, time and order of rows of the file.
    crs : int, str or pyproj.CRS
        Projection in metres: 25832 for UTM 32N.
    cell : float
        Width of a cell in metres.
    extent : (west, south, east, north), optional
        In metres of the projection; by default all of the data's grid.
    gaps : {"error", "zero"}, optional
        Refuse missing values, or write them as 0 mm. By default they are marked where the model knows a mark,
        and refused elsewhere. Cells beyond the data are missing.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    SettingsError
        The model or the CRS is unknown, the CRS is not in metres, or the extent lies outside the data.
    SeriesError
        The data are not fields of amounts, intervals differ in length, or values are missing for a model that
        knows no mark.
    StorageError
        The file cannot be written.

    Examples
    --------
    >>> export_grid(ds, "rain.nc", model="sfincs", crs=25832, cell=1000)  # doctest: +SKIP
    """
    return write_model_grid(data, path, model=model, crs=crs, cell=cell, extent=extent, gaps=gaps)[0]


def write_model_grid(
    data: xr.Dataset,
    path: str | os.PathLike[str],
    *,
    model: str,
    crs: Any,
    cell: float,
    extent: Sequence[float] | None = None,
    gaps: Gaps | None = None,
) -> tuple[Path, GridWritten]:
    """Write fields as `export_grid` does, and return the path and what was written."""
    target = user_path(path)
    if model not in MODELS:
        raise SettingsError(f"unknown model={model!r}: choose one of {', '.join(MODELS)}")
    if target.suffix.lower() != ".nc":
        raise SettingsError(f"cannot write {target.name} for model={model!r}: choose a name that ends in .nc")
    if gaps not in {None, "error", "zero"}:
        raise SettingsError(f'unknown gaps={gaps!r}: choose gaps="error" or gaps="zero"')
    amount, minutes = amount_of(data)
    fields = fields_of(amount)
    source = grid_of(fields)
    grid = projected_grid(source, crs=crs, cell=cell, extent=extent)
    begin, at = even_steps(data, amount, minutes)
    rain = _Fields(
        title=title_of(data, amount),
        fields=fields,
        at=at,
        begin=begin,
        minutes=minutes,
        shares=Shares(source, grid),
    )
    with claimed(target), replacing_path(target) as temporary:
        written = _write(rain, temporary, MODELS[model], grid, gaps)
    return target, written


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fields:
    """Fields of amounts on DWD's grid, at numbered steps of which some may be absent."""

    title: str
    fields: xr.DataArray
    at: NDArray[np.int64]
    begin: np.datetime64
    minutes: int
    shares: Shares

    @property
    def steps(self) -> int:
        return int(self.at[-1]) + 1

    def blocks(self, cells: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Yield numbers of first steps and the needed part of their fields, NaN where absent."""
        part = self.fields.isel(y=self.shares.rows, x=self.shares.cols)
        length = max(_ROOM // max(cells, part.sizes["y"] * part.sizes["x"]), 1)
        for first in range(0, self.steps, length):
            stop = min(first + length, self.steps)
            low, high = np.searchsorted(self.at, [first, stop])
            values = np.full((stop - first, part.sizes["y"], part.sizes["x"]), np.nan, np.float32)
            values[self.at[low:high] - first] = part.isel(time=slice(low, high)).values
            yield first, values


def _write(rain: _Fields, path: Path, model: GridModel, grid: ProjectedGrid, gaps: Gaps | None) -> GridWritten:
    import h5netcdf  # noqa: PLC0415 - loaded where a grid is exported

    step = np.timedelta64(60 * rain.minutes, "s")
    end = rain.begin + rain.steps * step
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    before = after = 0.0
    missing = 0
    with h5netcdf.File(path, "w") as file:
        lead = int(
            model.edge_field and model.label == "end"
        )  # the field of 0 mm stands before or after all others
        count = rain.steps + int(model.edge_field)
        number = np.arange(count) - lead + (model.label == "end")
        out = _prepare(file, model, grid, rain, number * step)
        for first, values in rain.blocks(grid.rows * grid.cols):
            depths = rain.shares.apply(values)
            gone = np.isnan(depths)
            if gone.any() and (gaps == "error" or (gaps is None and model.fill is None)):
                raise _gap(gone, model, grid, rain.begin + (first + int(gone.any(axis=1).argmax())) * step)
            missing += int(gone.sum())
            before += rain.shares.volume(values)
            after += float(np.nansum(depths, dtype=np.float64))
            if gaps == "zero" or model.fill is None:
                depths[gone] = 0
            else:
                depths[gone] = model.fill
            if model.rate:
                depths *= np.float32(60 / rain.minutes)
            shaped = depths.reshape(-1, grid.rows, grid.cols)
            out[first + lead : first + lead + len(shaped)] = shaped[:, ::-1] if model.north_up else shaped
        if model.edge_field:
            out[0 if lead else count - 1] = 0
        error = abs(after - before) / before if before else 0.0
        if not missing and error > _MASS:
            raise SeriesError(
                f"regridding changed the water by {100 * error:.2g} %, which must not happen: choose another "
                "cell= or extent=, and report it"
            )
        file.attrs["comment"] = f"mass error of regridding {100 * error:.2g} %"
    return GridWritten(
        model=model,
        grid=grid,
        begin=rain.begin,
        end=end,
        minutes=rain.minutes,
        gaps=missing,
        mass_error=error,
    )


def _gap(gone: NDArray[np.bool_], model: GridModel, grid: ProjectedGrid, begin: np.datetime64) -> SeriesError:
    at = int(gone.any(axis=1).argmax())
    row, col = divmod(int(gone[at].argmax()), grid.cols)
    share = gone[at].mean()
    return SeriesError(
        f"{100 * share:.3g} % of the cells have no value in the interval from {human_time(begin)} on, such as "
        f"the one at {grid.x[col]:.0f}, {grid.y[row]:.0f} m, and {model.title} knows no mark for missing: choose "
        "an extent= "
        'within the data and times without gaps, or write them as 0 mm with gaps="zero"'
    )


def _prepare(
    file: Any, model: GridModel, grid: ProjectedGrid, rain: _Fields, times: NDArray[np.timedelta64]
) -> Any:
    """Make dimensions, coordinates and the variable; return it."""
    count = len(times)
    file.dimensions = {"time": None, "y": grid.rows, "x": grid.cols, "bnds": 2}
    file.resize_dimension("time", count)
    file.attrs.update(
        Conventions="CF-1.11",
        title=rain.title,
        source="Deutscher Wetterdienst (DWD), CC BY 4.0; made with radar_nb",
    )
    zero = rain.begin if model.from_first else np.datetime64("1970-01-01T00:00:00", "s")
    since = f"{model.times} since {str(zero.astype('datetime64[s]')).replace('T', ' ')}"
    seconds = (rain.begin + times - zero).astype("timedelta64[s]").astype(np.int64)
    scale = {"seconds": 1, "minutes": 60, "hours": 3600}[model.times]
    time = file.create_variable("time", ("time",), np.float64, data=seconds / scale)
    time.attrs.update(standard_name="time", axis="T", calendar="standard", units=since, long_name="UTC")
    if not model.edge_field:
        edges = np.stack([seconds - 60 * rain.minutes, seconds], axis=1) / scale
        file.create_variable("time_bnds", ("time", "bnds"), np.float64, data=edges)
        time.attrs["bounds"] = "time_bnds"
    for name, values, where in (("y", grid.y[::-1] if model.north_up else grid.y, "Y"), ("x", grid.x, "X")):
        axis = file.create_variable(name, (name,), np.float64, data=values)
        axis.attrs.update(standard_name=f"projection_{name}_coordinate", units="m", axis=where)
    crs = file.create_variable("crs", (), np.int32, data=0)
    crs.attrs.update({key: value for key, value in grid.crs.to_cf().items() if value is not None})
    top = grid.y[-1] + grid.cell / 2
    crs.attrs.update(
        spatial_ref=grid.crs.to_wkt(),
        GeoTransform=f"{grid.west} {grid.cell} 0 {top} 0 {-grid.cell}",
        proj4_params=_proj4(grid.crs),
    )
    rows = max(min(_ROOM // 4 // (grid.rows * grid.cols), count), 1)
    fill = {} if model.fill is None else {"fillvalue": np.float32(model.fill)}
    out = file.create_variable(
        model.variable,
        ("time", "y", "x"),
        np.float32,
        chunks=(min(rows, 32), grid.rows, grid.cols),
        compression="gzip",
        compression_opts=1,
        **fill,
    )
    kind = {"standard_name": "lwe_precipitation_rate", "units": "mm/hr", "cell_methods": "time: mean"}
    if not model.rate:
        kind = {
            "standard_name": "lwe_thickness_of_precipitation_amount",
            "units": "mm",
            "cell_methods": "time: sum",
        }
    out.attrs.update(grid_mapping="crs", long_name="rain", **kind)
    return out


def _proj4(crs: Any) -> str:
    """Return the projection as PROJ's old string, which LISFLOOD and older programs read."""
    import warnings  # noqa: PLC0415 - for this line

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyproj: the string may lose details of the datum; WKT stands beside it
        return str(crs.to_proj4())
