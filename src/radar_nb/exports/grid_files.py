"""Fields of rain on a model's own grid, as the file that it reads, written block by block."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.analysis.inputs import amount_of, even_steps, fields_of, grid_of
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.exports.dfs2 import Dfs2File
from radar_nb.exports.grid_models import MODELS
from radar_nb.exports.grid_netcdf import NetcdfFile
from radar_nb.exports.projected_grid import Shares, projected_grid
from radar_nb.exports.rain import title_of
from radar_nb.runtime.files import replacing_path, user_path
from radar_nb.runtime.locks import claimed
from radar_nb.runtime.wording import human_interval, human_time

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import xarray as xr
    from numpy.typing import NDArray

    from radar_nb.exports.grid_models import GridModel
    from radar_nb.exports.projected_grid import ProjectedGrid
    from radar_nb.exports.series_files import Gaps

_ROOM = 1 << 22
"""Values that are read or written at once."""
_MASS = 1e-3
"""Largest share of the water that regridding may add or lose."""


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
    """Write fields of rain on square cells of a model's projection, as the file that the model reads.

    Regridding is conservative: each cell has the mean depth of DWD's cells on it, weighted by the exact area of
    their overlap. The water before and after is compared, and a difference of more than 0.1 % is an error.
    Fields are read and written in blocks, so that memory does not grow with the number of fields.

    Parameters
    ----------
    data : xarray.Dataset
        Amounts in mm, as `open_dataset`, `open_cube` or `accumulate` returns them.
    path : path
        A netCDF file, or a `.dfs2` for MIKE; written atomically, an existing file is replaced.
    model : {"hec-ras", "hec-hms", "sfincs", "tuflow", "lisflood", "mike", "fews", "cf"}
        Names, unit, time and order of rows of the file. "mike" needs `pip install 'radar-nb[mike]'`.
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
        The model or the CRS is unknown, the CRS is not in metres, the extent lies outside the data, or mikeio
        is not installed.
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
    if str(model) not in MODELS:
        raise SettingsError(f"unknown model={model!r}: choose one of {', '.join(MODELS)}")
    suffix = MODELS[model].suffix
    if target.suffix.lower() != suffix:
        raise SettingsError(f"cannot write {target.name} for model={model!r}: choose a name that ends in {suffix}")
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
    with claimed(target), replacing_path(target, suffix=suffix) as temporary:
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
    step = np.timedelta64(60 * rain.minutes, "s")
    count = rain.steps + int(model.edge_field)
    times = rain.begin + (np.arange(count) - model.lead + (model.label == "end")) * step
    edge = np.zeros((int(model.edge_field), grid.rows, grid.cols), np.float32)
    before = after = 0.0
    missing = 0
    file = Dfs2File if model.suffix == ".dfs2" else NetcdfFile
    with file(path, model, grid, title=rain.title, times=times, minutes=rain.minutes) as out:
        if model.lead:
            out.add(edge)
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
            if model.rate:
                depths *= np.float32(60 / rain.minutes)
            out.add(depths.reshape(-1, grid.rows, grid.cols))
        if model.edge_field and not model.lead:
            out.add(edge)
        error = abs(after - before) / before if before else 0.0
        if not missing and error > _MASS:
            raise SeriesError(
                f"regridding changed the water by {100 * error:.2g} %, which must not happen: choose another "
                "cell= or extent=, and report it"
            )
        out.comment(f"mass error of regridding {100 * error:.2g} %")
    return GridWritten(
        model=model,
        grid=grid,
        begin=rain.begin,
        end=rain.begin + rain.steps * step,
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
