"""Fields of rain as netCDF with CF attributes, written block by block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from radar_nb.exports.grid_models import GridModel
    from radar_nb.exports.projected_grid import ProjectedGrid

_CHUNK = 1 << 20
"""Values of a chunk at most."""


class NetcdfFile:
    """A netCDF file of which fields are added in the order of their times.

    Parameters
    ----------
    path : pathlib.Path
    model : GridModel
    grid : ProjectedGrid
    title : str
    times : ndarray of datetime64, shape (fields,)
        UTC, one for each field that will be added.
    minutes : int
        Length of the intervals.
    """

    def __init__(
        self,
        path: Path,
        model: GridModel,
        grid: ProjectedGrid,
        *,
        title: str,
        times: NDArray[np.datetime64],
        minutes: int,
    ) -> None:
        import h5netcdf  # noqa: PLC0415 - loaded where a grid is exported

        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._model, self._grid, self._next = model, grid, 0
        self._file = h5netcdf.File(path, "w")
        self._file.dimensions = {"time": None, "y": grid.rows, "x": grid.cols, "bnds": 2}
        self._file.resize_dimension("time", len(times))
        self._file.attrs.update(
            Conventions="CF-1.11",
            title=title,
            source="Deutscher Wetterdienst (DWD), CC BY 4.0; made with radar_nb",
        )
        self._add_time(times, minutes)
        self._add_grid()
        self._rain = self._add_rain(len(times))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, fields: NDArray[np.float32]) -> None:
        """Write further fields.

        Parameters
        ----------
        fields : ndarray of float32, shape (fields, rows, cols)
            Rows from south to north, NaN where missing.
        """
        stop = self._next + len(fields)
        if self._model.fill is not None and not np.isnan(self._model.fill):
            fields = np.where(np.isnan(fields), np.float32(self._model.fill), fields)
        self._rain[self._next : stop] = fields[:, ::-1] if self._model.north_up else fields
        self._next = stop

    def comment(self, text: str) -> None:
        """Write a comment on the whole file."""
        self._file.attrs["comment"] = text

    def _add_time(self, times: NDArray[np.datetime64], minutes: int) -> None:
        model = self._model
        begin = times[0] - np.timedelta64(60 * minutes, "s") * (model.label == "end" and not model.lead)
        zero = begin if model.from_first else np.datetime64("1970-01-01T00:00:00", "s")
        since = f"{model.times} since {str(zero.astype('datetime64[s]')).replace('T', ' ')}"
        seconds = (times - zero).astype("timedelta64[s]").astype(np.int64)
        scale = {"seconds": 1, "minutes": 60, "hours": 3600}[model.times]
        time = self._file.create_variable("time", ("time",), np.float64, data=seconds / scale)
        time.attrs.update(standard_name="time", axis="T", calendar="standard", units=since, long_name="UTC")
        if not model.edge_field:
            edges = np.stack([seconds - 60 * minutes, seconds], axis=1) / scale
            self._file.create_variable("time_bnds", ("time", "bnds"), np.float64, data=edges)
            time.attrs["bounds"] = "time_bnds"

    def _add_grid(self) -> None:
        grid, north_up = self._grid, self._model.north_up
        for name, values, where in (("y", grid.y[::-1] if north_up else grid.y, "Y"), ("x", grid.x, "X")):
            axis = self._file.create_variable(name, (name,), np.float64, data=values)
            axis.attrs.update(standard_name=f"projection_{name}_coordinate", units="m", axis=where)
        crs = self._file.create_variable("crs", (), np.int32, data=0)
        crs.attrs.update({key: value for key, value in grid.crs.to_cf().items() if value is not None})
        top = grid.y[-1] + grid.cell / 2
        crs.attrs.update(
            spatial_ref=grid.crs.to_wkt(),
            GeoTransform=f"{grid.west} {grid.cell} 0 {top} 0 {-grid.cell}",
            proj4_params=_proj4(grid.crs),
        )

    def _add_rain(self, count: int) -> Any:
        model, grid = self._model, self._grid
        rows = max(min(_CHUNK // (grid.rows * grid.cols), count), 1)
        fill = {} if model.fill is None else {"fillvalue": np.float32(model.fill)}
        out = self._file.create_variable(
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
