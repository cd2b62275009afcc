"""Fields of rain as dfs2 of MIKE (DHI), by mikeio, written block by block.

Rows run from south to north. Depths are step-accumulated: what fell since the time before. The first time is
therefore the begin of the first interval, with 0 mm, which MIKE does not use. Missing is the file's own delete
value. A dfs2 has no zone: its title states UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from radar_nb.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from radar_nb.exports.grid_models import GridModel
    from radar_nb.exports.projected_grid import ProjectedGrid


class Dfs2File:
    """A dfs2 of which fields are added in the order of their times.

    Parameters
    ----------
    path : pathlib.Path
        Ends in `.dfs2`.
    model : GridModel
    grid : ProjectedGrid
    title : str
    times : ndarray of datetime64, shape (fields,)
        UTC, one for each field that will be added, at equal distances.
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
        try:
            import mikeio  # noqa: PLC0415 - an extra
        except ImportError as error:
            raise SettingsError(
                f"model=\"mike\" needs mikeio: pip install 'radar-nb[mike]' for {path.name}"
            ) from error
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        self._path, self._title, self._minutes = path, f"{title}, UTC"[:80], minutes
        self._times, self._next = times, 0
        self._waiting: list[NDArray[np.float32]] = []
        self._geometry = mikeio.Grid2D(
            x0=float(grid.x[0]),
            y0=float(grid.y[0]),
            dx=grid.cell,
            dy=grid.cell,
            nx=grid.cols,
            ny=grid.rows,
            projection=grid.crs.to_wkt("WKT1_ESRI"),  # MIKE's projections are ESRI's
        )
        depth = mikeio.EUMType.Rainfall_Depth
        self._item = mikeio.ItemInfo(
            model.variable, depth, mikeio.EUMUnit.millimeter, data_value_type="StepAccumulated"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass  # mikeio opens the file for each block and closes it

    def add(self, fields: NDArray[np.float32]) -> None:
        """Write further fields.

        Parameters
        ----------
        fields : ndarray of float32, shape (fields, rows, cols)
            Rows from south to north, NaN where missing.
        """
        import mikeio  # noqa: PLC0415 - an extra

        self._waiting.append(fields)
        if (
            self._next + sum(map(len, self._waiting)) < 2
        ):  # the interval of a file follows from its first two times
            return
        block = np.concatenate(self._waiting)
        self._waiting = []
        stop = self._next + len(block)
        data = self._dataset(block, self._times[self._next : stop])
        if self._next:
            mikeio.Dfs2(self._path).append(data, validate=False)  # the grid and the item are these
        else:
            data.to_dfs(self._path, title=self._title)
        self._next = stop

    def comment(self, text: str) -> None:
        """Leave the comment out: a dfs2 has no room for it."""

    def _dataset(self, block: NDArray[np.float32], times: NDArray[np.datetime64]) -> Any:
        import mikeio  # noqa: PLC0415 - an extra
        import pandas as pd  # type: ignore[import-untyped] # noqa: PLC0415 - loaded where a dfs2 is written

        array = mikeio.DataArray(block, time=pd.DatetimeIndex(times), geometry=self._geometry, item=self._item)
        return mikeio.Dataset([array])
