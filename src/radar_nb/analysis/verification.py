"""Forecasts against an analysis: bias, absolute error, hits and their scale, by lead time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from scipy.ndimage import uniform_filter

from radar_nb.analysis.extremes import check_thresholds
from radar_nb.analysis.inputs import dataset_of, fields_of, grid_of, variable_of
from radar_nb.errors import SeriesError, SettingsError
from radar_nb.reading.forecasts import AHEAD, is_forecast
from radar_nb.reading.intervals import ends_of, interval_of
from radar_nb.runtime.progress import Progress, reporting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from radar_nb.runtime.progress import Reporter

_TOGETHER = 25
"""Fields that are read at once: a run of RV."""
_DECIMAL = 5e-5
"""mm by which a float32 may stand below the decimal number that it means, see `radar_nb.analysis.moving_sums`."""


def verify(
    data: Any,
    analysis: Any,
    *,
    thresholds: float | Sequence[float] = (0.1, 1.0),
    scales: float | Sequence[float] = (1.0, 5.0, 25.0),
    progress: bool | Reporter = True,
) -> xr.Dataset:
    """Compare forecasts with an analysis, cell by cell and in neighbourhoods, for each lead time.

    Fields are compared at the time that they are for. Cells that are missing in either are left out.

    Parameters
    ----------
    data : xarray.Dataset, DataArray or source
        Forecasts of amounts in mm: runs of several lead times, or one of either.
    analysis : xarray.Dataset, DataArray or source
        Amounts over the same intervals on the same grid: the analysis of the forecasts
        (`rn.open_dataset(source, lead="0min")`), or another product.
    thresholds : float or sequence of float
        mm in the interval, from which it rains; an amount that equals one counts.
    scales : float or sequence of float
        Widths in km of the square neighbourhoods of the fractions skill score: odd multiples of the cell.
    progress : bool or Reporter
        Task "verify", in runs.

    Returns
    -------
    xarray.Dataset
        By `lead_time`; over all fields and cells that both have, so that wet runs count more than dry ones:

        - `bias`: mm, the mean of forecast minus analysis; `mae`: mm, the mean of its size;
        - `csi`, by `threshold`: the critical success index, hits / (hits + misses + false alarms); NaN where all
          three are 0;
        - `fss`, by `threshold` and `scale`: the fractions skill score, 1 - sum (f - a)^2 / (sum f^2 + sum a^2), f
          and a being the shares of a neighbourhood's cells in which it rains (Roberts and Lean 2008, Mon. Wea.
          Rev. 136, 78-97, eqs. 5-7); 1 is perfect. A neighbourhood has no missing cells and none beyond the rim;
        - `fields`: the number of pairs; `compared`: the share of their cells that both have.

    Raises
    ------
    SeriesError
        `data` are not forecasts, grids or intervals differ, or no field of the analysis is of a time that is
        forecast.
    SettingsError
        A threshold is not a positive number of mm, or a scale not an odd multiple of the cell.

    Examples
    --------
    >>> scores = verify("rv", rn.open_dataset("rv", lead="0min"))  # doctest: +SKIP
    >>> scores.fss.sel(threshold=1.0).plot.line(x="lead_time")  # doctest: +SKIP
    """
    data = dataset_of(data, progress=progress)
    if not is_forecast(data):
        raise SeriesError("verify needs forecasts, with their lead times: pass what open_dataset returns for RV")
    truth = dataset_of(analysis, progress=progress)
    seen = fields_of(variable_of(truth))
    minutes = interval_of(seen, truth) or 0
    runs = list(_runs(data))
    _same(runs[0], seen, minutes)
    floors = check_thresholds(thresholds, minutes)
    cell = grid_of(seen).cell / 1000
    widths = _widths(scales, cell)
    place = {end: number for number, end in enumerate(ends_of(seen).tolist())}
    found: dict[int, _Scores] = {}
    kept: dict[int, NDArray[np.float32]] = {}
    with reporting(progress) as report:
        for done, run in enumerate(runs):
            fields, ends = fields_of(run), ends_of(run)
            there = [place.get(end) for end in ends.tolist()]
            wanted = {at for at in there if at is not None}
            kept = {at: kept[at] if at in kept else seen[at].values for at in wanted}
            leads = (
                np.broadcast_to(run["lead_time"].values / np.timedelta64(1, "m"), ends.shape).astype(int).tolist()
            )
            some = [step for step, at in enumerate(there) if at is not None]
            values: Any = fields[some].values if some else []
            for field, step in zip(values, some, strict=True):
                at = there[step]
                if at is not None:
                    found.setdefault(leads[step], _Scores(floors, widths)).add(field, kept[at])
            report(Progress(task="verify", done=done + 1, total=len(runs), unit="runs"))
    if not found:
        raise SeriesError(
            "the analysis has no field of a time that is forecast: pass the time after the runs were issued"
        )
    return _dataset(found, floors, [width * cell for width in widths])


def _runs(data: Any) -> Iterator[xr.DataArray]:
    """Yield the amounts of one run after the other, or some of the only lead time, over the time of validity."""
    several = {"time", "lead_time"} <= set(data.dims) and "prediction_time" in data.coords
    for part in (data.isel(time=[run]) for run in range(data.sizes["time"])) if several else [data]:
        amount = variable_of(part)
        for first in range(0, amount.sizes["time"], _TOGETHER):
            yield amount.isel(time=slice(first, first + _TOGETHER))


def _same(run: xr.DataArray, seen: xr.DataArray, minutes: int) -> None:
    """Raise an error unless a run has the unit, the interval and the grid of the analysis."""
    if {run.attrs.get("units"), seen.attrs.get("units")} != {"mm"} or run.attrs.get("interval_minutes") != minutes:
        raise SeriesError(
            f"{run.name!r} is in {run.attrs.get('units')} over {run.attrs.get('interval_minutes')} min, and the "
            f"analysis {seen.name!r} in {seen.attrs.get('units')} over {minutes} min: pass amounts "
            "over the same interval"
        )
    ours, theirs = grid_of(fields_of(run)), grid_of(seen)
    if ours != theirs:
        raise SeriesError(
            f"{run.name!r} is on {ours.name} and the analysis {seen.name!r} on {theirs.name}: open both with the "
            "same grid="
        )


def _widths(scales: Any, cell: float) -> list[int]:
    """Return the widths of neighbourhoods in cells."""
    widths = np.atleast_1d(np.asarray(scales, float)) / cell
    whole = np.rint(widths).astype(int)
    if not whole.size or (np.abs(widths - whole) > 1e-6).any() or (whole < 1).any() or (whole % 2 == 0).any():
        raise SettingsError(
            f"scales={scales!r} must be odd multiples of the cell of {cell:g} km, such as ({cell:g}, {5 * cell:g})"
        )
    return [int(width) for width in whole]


class _Scores:
    """Sums over the fields of one lead time."""

    def __init__(self, floors: Sequence[float], widths: Sequence[int]) -> None:
        self._floors, self._widths = floors, widths
        self.fields = self.cells = self.known = 0
        self.error = self.size = 0.0
        self.hits, self.others = (np.zeros(len(floors), np.int64) for _ in range(2))
        self.worse, self.worst = (np.zeros((len(floors), len(widths))) for _ in range(2))

    def add(self, expected: NDArray[np.float32], seen: NDArray[np.float32]) -> None:
        """Add a field and its analysis."""
        known = np.isfinite(expected) & np.isfinite(seen)
        error = expected[known].astype(float) - seen[known]
        self.fields, self.cells, self.known = self.fields + 1, self.cells + known.size, self.known + error.size
        self.error, self.size = self.error + error.sum(), self.size + np.abs(error).sum()
        around = [_means(known, width) for width in self._widths]
        for number, floor in enumerate(self._floors):
            wet = [known & (field >= np.float32(floor - _DECIMAL)) for field in (expected, seen)]
            self.hits[number] += np.count_nonzero(wet[0] & wet[1])
            self.others[number] += np.count_nonzero(wet[0] ^ wet[1])
            if not (wet[0].any() or wet[1].any()):
                continue
            for scale, width in enumerate(self._widths):
                f, a = (_means(one, width)[known] / around[scale][known] for one in wet)
                self.worse[number, scale] += ((f - a) ** 2).sum()
                self.worst[number, scale] += (f**2).sum() + (a**2).sum()


def _means(mask: NDArray[np.bool_], width: int) -> NDArray[np.float64]:
    """Return the share of each square of cells in which a mask is true; beyond the rim it is false."""
    means: NDArray[np.float64] = np.rint(uniform_filter(mask.astype(float), width, mode="constant") * width**2)
    return means


def _dataset(found: dict[int, _Scores], floors: Sequence[float], scales: Sequence[float]) -> xr.Dataset:
    leads = sorted(found)
    scores = [found[lead] for lead in leads]
    known = np.array([one.known for one in scores], float)

    def ratio(above: Any, below: Any) -> NDArray[np.float64]:
        above, below = np.asarray(above, float), np.asarray(below, float)
        share: NDArray[np.float64] = np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)
        return share

    hits, others = np.array([one.hits for one in scores]), np.array([one.others for one in scores])
    worse, worst = np.array([one.worse for one in scores]), np.array([one.worst for one in scores])
    cells = [one.cells for one in scores]
    share = {"units": "1"}
    by = "lead_time"
    return xr.Dataset(
        {
            "bias": (by, ratio([one.error for one in scores], known), {"units": "mm", "long_name": "mean error"}),
            "mae": (
                by,
                ratio([one.size for one in scores], known),
                {"units": "mm", "long_name": "mean absolute error"},
            ),
            "csi": (
                (by, "threshold"),
                ratio(hits, hits + others),
                share | {"long_name": "critical success index"},
            ),
            "fss": (
                (by, "threshold", "scale"),
                1 - ratio(worse, worst),
                share | {"long_name": "fractions skill score"},
            ),
            "fields": (by, [one.fields for one in scores], share | {"long_name": "number of pairs of fields"}),
            "compared": (by, ratio(known, cells), share | {"long_name": "share of cells that both have"}),
        },
        {
            by: (by, np.array(leads, "timedelta64[m]").astype("timedelta64[ns]"), dict(AHEAD)),
            "threshold": ("threshold", list(floors), {"units": "mm", "long_name": "amount from which it rains"}),
            "scale": ("scale", list(scales), {"units": "km", "long_name": "width of the neighbourhood"}),
        },
    )
