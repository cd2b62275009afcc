"""A variable of a Dataset as a stream of fields, read block by block, so that `reduce` takes it like archives."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from radar_nb.analysis.blocks import block_cuts
from radar_nb.analysis.inputs import amount_of, fields_of, grid_of, variable_of
from radar_nb.errors import SeriesError
from radar_nb.formats.packing import Packing
from radar_nb.reading.intervals import ends_of, interval_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from radar_nb.dwd.grids import Grid
    from radar_nb.reading.frame_stream import Take

_DECIMAL = 0.01
"""The step of values whose own is not known: what thresholds allow for is half a thousandth of it."""


class DatasetStream:
    """The stream of a Dataset: see `radar_nb.reading.frame_stream.FrameStream`.

    Parameters
    ----------
    data : Dataset or DataArray
        Values in floats, with time and any other dimensions.
    amounts : bool
        Whether they must be amounts in mm that can be summed.

    Attributes
    ----------
    step : int
        The minutes from one step to the next in a complete series.
    """

    fill = 0

    def __init__(self, data: Any, *, amounts: bool) -> None:
        variable = amount_of(data)[0] if amounts else variable_of(data)
        if variable.dtype.kind != "f":
            raise SeriesError(
                f"{variable.name!r} holds integers such as classes, and no values: pass its files instead"
            )
        if {"y", "x"} <= set(variable.dims):
            variable = fields_of(variable)
        self._variable = variable = variable.transpose("time", ...)
        ends = ends_of(variable)
        lengths, counts = np.unique(np.diff(ends) // np.timedelta64(60, "s"), return_counts=True)
        usual = int(lengths[counts.argmax()]) if lengths.size else 0
        self.minutes = interval_of(variable, data) or usual
        if not self.minutes:
            raise SeriesError(
                f"{variable.name!r} does not say how long its intervals are: set the attribute interval_minutes"
            )
        self.step = usual or self.minutes
        self.name = self.product = str(variable.name)
        self.times: NDArray[np.datetime64] = ends
        self.there = np.ones(ends.size, np.bool_)
        self.dims, self.shape = tuple(map(str, variable.dims[1:])), variable.shape[1:]
        attrs = {"long_name": self.name, "units": "1"} | variable.attrs | {"interval_minutes": self.minutes}
        self.like = variable.assign_attrs(attrs).to_dataset(name=self.name)
        self.like.attrs = {"title": self.name} | (dict(data.attrs) if hasattr(data, "data_vars") else {})
        self._packing = Packing(scale=float(variable.encoding.get("scale_factor", _DECIMAL)), itemsize=4)

    @cached_property
    def grid(self) -> Grid:
        """The grid of the fields, which points need."""
        return grid_of(fields_of(self._variable))

    def batches(self, workers: int) -> Sequence[NDArray[np.int64]]:  # noqa: ARG002 - as large as blocks
        """Split the steps at the edges of blocks; chunks of dask stay whole."""
        steps = np.flatnonzero(self.there)
        numbers = np.searchsorted(block_cuts(self._variable), steps, side="right")
        return np.split(steps, np.flatnonzero(np.diff(numbers)) + 1) if steps.size else []

    def read(self, steps: NDArray[np.int64], take: Take) -> None:
        """Pass the values of a batch to a taker."""
        values = np.asarray(self._variable.isel(time=steps).values, np.float32)
        for step, field in zip(steps.tolist(), values, strict=True):
            take(step, field, self._packing, None)
